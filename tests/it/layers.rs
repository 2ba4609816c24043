//! The house: imports run one way, foreign crates and unsafe lines stand where they belong, and nothing lies about.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From top to bottom; a module imports from its own layer and those below.
const LAYERS: [&[&str]; 18] = [
    &["main"],
    // Guides have no code: `src/guide/*.md`, and their names.
    &["cli", "testing", "fuzzing", "guide"],
    &["client"],
    &["parent"],
    &["server"],
    &["process"],
    &["pool"],
    &["reserve", "watch"],
    &["accept", "application"],
    &["connection"],
    &["http"],
    &["request", "response", "body", "access"],
    &["exchange"],
    &["wire"],
    &[
        "link",
        "multiplex",
        "front",
        "refusal",
        "visitor",
        "stranger",
        "listeners",
        "peers",
        "start_up",
        "access_line",
    ],
    &[
        "buffer",
        "control",
        "hint",
        "limits",
        "setup",
        "sendfile",
        "seldom",
        "slot",
        "status",
        "net",
        "form",
        "cgi",
        "page",
        "access_log",
    ],
    &["spool"],
    &[
        "protocol",
        "error",
        "decimal",
        "log_line",
        "log_text",
        "date",
        "request_id",
        "apart",
        "contain",
        "executable",
    ],
];

/// These see less than their place allows. The client is the web server's part, and knows nothing of ours; what is pure
/// has no socket, clock or log to import.
const ONLY: [(&str, &[&str]); 5] = [
    ("client", &["protocol", "net", "error"]),
    ("cgi", &["protocol", "error"]),
    ("form", &["cgi", "error", "spool"]),
    ("page", &[]),
    ("protocol", &[]),
];

/// Where a foreign crate may be named. crossbeam's parts serve what crosses threads.
const FOREIGN: [(&str, &[&str]); 14] = [
    ("socket2", &["net"]),
    ("libc", &["net"]),
    ("crossbeam_utils", &["pool", "accept", "reserve"]),
    ("crossbeam_channel", &["multiplex"]),
    ("getopts", &["cli"]),
    ("env_logger", &["cli"]),
    ("httparse", &["cli"]),
    ("form_urlencoded", &["form"]),
    ("percent_encoding", &["cgi", "form"]),
    ("memchr", &["form"]),
    ("tempfile", &["spool"]),
    ("httpdate", &["date", "cgi"]),
    // No other module's face has its types. `cli::http` is a module.
    ("::http", &["http"]),
    ("http", &["http", "cli"]),
];

const TOP_LEVEL: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "examples",
    "scripts",
    "src",
    "tests",
    // What git and continuous integration need, and what builds leave.
    ".ci",
    ".git",
    ".github",
    ".gitignore",
    "target",
];

/// What the default features bring in: the six of the card, form_urlencoded, what these need, httparse for `dev`, and for
/// `multipart` memchr, and tempfile with its five.
const CRATES: [&str; 19] = [
    "bitflags",
    "crossbeam-channel",
    "crossbeam-utils",
    "env_filter",
    "env_logger",
    "fastrand",
    "form_urlencoded",
    "getopts",
    "httparse",
    "httpdate",
    "libc",
    "linux-raw-sys",
    "log",
    "memchr",
    "once_cell",
    "percent-encoding",
    "rustix",
    "socket2",
    "tempfile",
];

/// A source file: its module of the top level, its path, its code without comments and tests.
struct Source {
    module: String,
    path: PathBuf,
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&src).unwrap();
                let module = inside.iter().next().unwrap().to_str().unwrap();
                sources.push(Source {
                    module: module.trim_end_matches(".rs").to_owned(),
                    code: code(&fs::read_to_string(&path).unwrap()),
                    path,
                });
            }
        }
    }
    assert!(sources.len() > 20, "they are all there");
    sources
}

/// Tests come last, and may look everywhere.
fn code(text: &str) -> String {
    let (code, _) = text
        .split_once("#[cfg(test)]\nmod tests {")
        .unwrap_or((text, ""));
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The modules of the top level that a source imports from.
fn imports(source: &Source) -> BTreeSet<String> {
    let is_top = source.path.parent() == Some(&root().join("src"));
    let mut names = BTreeSet::new();
    let mut prefixes = vec!["crate::"];
    if is_top {
        prefixes.push("super::");
    }
    for prefix in prefixes {
        for (at, _) in source.code.match_indices(prefix) {
            let rest = &source.code[at + prefix.len()..];
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            assert!(
                end > 0,
                "{}: one module a line, not `crate::{{…`",
                source.path.display()
            );
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn imports_run_one_way() {
    for source in sources() {
        let (module, path) = (&source.module, source.path.display());
        if module == "lib" {
            continue;
        }
        let place = layer(module).unwrap_or_else(|| panic!("{path} has no layer yet"));
        let only = ONLY
            .iter()
            .find(|(name, _)| name == module)
            .map(|(_, seen)| seen);
        for name in imports(&source).iter().filter(|name| *name != module) {
            // A name of the front page would hide where it comes from.
            let below =
                layer(name).unwrap_or_else(|| panic!("{path}: `crate::{name}` is no module"));
            assert!(
                below >= place,
                "{path} imports from {name}, which lies above it"
            );
            let is_seen = only.is_none_or(|seen| seen.contains(&name.as_str()));
            assert!(
                is_seen,
                "{path} imports from {name}, and sees only {only:?}"
            );
        }
    }
}

/// Who follows a request through the source finds the files, and above each who calls it.
#[test]
fn the_files_that_a_request_passes_say_who_calls_them() {
    let source = root().join("src");
    let guide = fs::read_to_string(source.join("guide/architecture.md")).unwrap();
    let (_, list) = guide.split_once("To read it in one sitting").unwrap();
    let (list, _) = list.split_once(". What every request").unwrap();
    let files: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = fs::read_to_string(source.join(file).with_extension("rs"));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        let head: Vec<&str> = text.lines().take_while(|l| l.starts_with("//!")).collect();
        let words = ["Called", "called", "calls", "Made by"];
        let says = words.iter().any(|word| head.join(" ").contains(word));
        assert!(says, "{file} does not say who calls it");
    }
}

#[test]
fn foreign_crates_are_named_where_they_belong() {
    for source in sources() {
        for (name, modules) in FOREIGN {
            let is_named = [format!("{name}::"), format!("use {name}")]
                .iter()
                .any(|used| is_path_in(&source.code, used));
            let is_at_home = modules.contains(&source.module.as_str());
            assert!(
                !is_named || is_at_home,
                "{} uses {name}",
                source.path.display()
            );
        }
        let is_pure = ["protocol", "cgi", "form", "page"].contains(&&source.module[..]);
        for word in [
            "log::",
            "std::net",
            "std::fs",
            "std::time",
            "std::thread",
            "std::env",
        ] {
            assert!(
                !is_pure || !source.code.contains(word),
                "{} is pure, and uses {word}",
                source.path.display()
            );
        }
    }
}

/// Whether `code` has this in it, from the beginning of a path and whole names alone: `http::` is not in `cli::http::`.
fn is_path_in(code: &str, path: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + path.len()..]);
        let begins = !before
            .strip_suffix("::")
            .unwrap_or(before)
            .ends_with(is_name);
        begins && (path.ends_with(':') || !behind.starts_with(is_name))
    })
}

#[test]
fn every_unsafe_line_stands_in_net_sys() {
    for source in sources() {
        let is_unsafe = source.code.lines().any(|line| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == "unsafe")
        });
        let is_allowed = source.code.contains("allow(unsafe_code)");
        let is_sys = source.path.ends_with("net/sys.rs");
        assert!(
            is_sys || !(is_unsafe || is_allowed),
            "{}",
            source.path.display()
        );
    }
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert!(lib.contains("#![deny(unsafe_code)]"));
}

#[test]
fn nothing_lies_about_at_the_top_level() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            TOP_LEVEL.contains(&&name[..]),
            "{name} does not belong there"
        );
    }
}

#[test]
fn the_default_dependencies_are_a_handful() {
    let why = "each needs a reason in Cargo.toml, and a place here";
    assert_eq!(crates(&[]), CRATES.map(String::from).into(), "{why}");
}

#[test]
fn the_feature_http_brings_its_crate_and_what_that_needs() {
    let default = crates(&[]);
    let brought: Vec<_> = crates(&["--features", "http"])
        .difference(&default)
        .cloned()
        .collect();
    assert_eq!(brought, ["bytes", "http", "itoa"]);
}

/// The crates that a program with these features has in it, but for our own.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let mut crates: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(crates.remove("fcgi"));
    crates
}
