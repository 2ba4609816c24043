//! What the classic guides have, against what `conf` prints: each of their directives is printed too, or there is a reason
//! why it is not. The data is in `tests/data/guides.rs`; where the guides themselves are at hand, the data is compared with
//! them.

#[path = "../data/guides.rs"]
mod data;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::testbed::command;
use data::{BLOCKS, Block, COMMANDS, Kind, statements};

/// The guides' text: five files, in the order of their names.
const GUIDES: &str = "GUIDES";

#[test]
fn each_directive_of_the_guides_is_printed_or_has_a_reason() {
    for block in BLOCKS {
        let printed: BTreeSet<String> = statements(block.kind, &printed(block))
            .into_iter()
            .collect();
        let wanted = statements(block.kind, block.text);
        for statement in &wanted {
            let differs = block.differs.iter().find(|d| d.guide == statement);
            match differs {
                None => assert!(
                    printed.contains(statement),
                    "{}: ours lacks {statement:?}:\n{printed:#?}",
                    block.name
                ),
                Some(differs) => {
                    let both = printed.contains(statement);
                    assert!(!both, "{}: ours has {statement:?} too", block.name);
                    assert!(
                        differs.ours.is_empty() || printed.contains(differs.ours),
                        "{}: in the place of {statement:?} ours lacks {:?}:\n{printed:#?}",
                        block.name,
                        differs.ours
                    );
                }
            }
        }
        for differs in block.differs {
            let known = wanted.iter().any(|statement| statement == differs.guide);
            assert!(known, "{}: no statement {:?}", block.name, differs.guide);
            let sentences = differs.why.matches(". ").count();
            assert!(
                !differs.why.is_empty() && sentences == 0,
                "{}: one sentence: {}",
                block.name,
                differs.why
            );
        }
    }
}

#[test]
fn statements_are_compared_in_one_spelling() {
    let ours = "location \"/a\" {\n    # why\n    set $b  1;\n}\n";
    let guides = "location /a { set $b 1; }";
    let wanted = ["location /a", "set $b 1"];
    assert_eq!(statements(Kind::Nginx, ours), wanted);
    assert_eq!(statements(Kind::Nginx, guides), wanted);
    assert_eq!(
        statements(Kind::Lines, "a = ( \"/b\" =>\n  \"c\" => 1,\n#d\n"),
        ["a = (/b =>", "c => 1"]
    );
}

#[test]
fn the_data_is_what_the_guides_have() {
    let Some(guides) = guides() else {
        // Past what the test runner captures.
        let said = format!("skipped: the guides' own text (set {GUIDES} to its folder)\n");
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    };
    for block in BLOCKS {
        let wanted = lines(block.text);
        for &number in block.guides {
            let guide = lines(&guides[number]);
            let found = guide.windows(wanted.len()).any(|some| some == wanted);
            assert!(found, "guide {number} has no such block: {}", block.name);
        }
    }
    // And the other way round. Guide 1 is guide 0 with the ends of some lines lost.
    let known: Vec<String> = BLOCKS.iter().flat_map(|block| lines(block.text)).collect();
    for (number, guide) in guides.iter().enumerate() {
        let lines = lines(guide);
        let directives = lines.iter().filter(|line| is_directive(line));
        let strange: Vec<&String> = directives
            .filter(|line| !known.iter().any(|known| known.starts_with(line.as_str())))
            .collect();
        assert!(strange.is_empty(), "only in guide {number}: {strange:#?}");
    }
    let typed: BTreeSet<&str> = guides.iter().flat_map(|guide| typed(guide)).collect();
    let known: BTreeSet<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(typed, known, "what is typed");
    assert!(COMMANDS.iter().all(|(_, why)| !why.is_empty()));
}

/// Behind a prompt, root's or somebody's.
fn typed(guide: &str) -> Vec<&str> {
    let lines = guide.lines().map(str::trim);
    let prompted = lines.filter_map(|line| line.strip_prefix("$ ").or(line.strip_prefix("# ")));
    prompted.map(str::trim).collect()
}

/// What `conf` prints, for a program that lies where the guide puts it.
fn printed(block: &Block) -> String {
    let program = Path::new(block.program);
    let name = program.file_name().expect("a name");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "guides-{}-{}",
        std::process::id(),
        block.name
    ));
    fs::create_dir_all(&folder).unwrap();
    let here = folder.join(name);
    fs::hard_link(command().get_program(), &here).unwrap();
    let output = Command::new(&here)
        .arg("conf")
        .args(block.conf)
        .env_clear()
        .stdin(Stdio::null())
        .output();
    fs::remove_dir_all(&folder).unwrap();
    let output = output.unwrap();
    assert!(output.status.success(), "{}: {output:?}", block.name);
    let there = program.parent().expect("a folder").display().to_string();
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.replace(&folder.display().to_string(), &there);
    let swap = |text: String, (ours, guides): &(&str, &str)| text.replace(ours, guides);
    block.paths.iter().fold(text, swap)
}

/// In the folder that the environment names, or in one called `guides` in a folder beside the project's.
fn guides() -> Option<Vec<String>> {
    let named = env::var_os(GUIDES).map(PathBuf::from);
    let folder = named.or_else(beside)?;
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| fs::read_to_string(file).unwrap();
    Some(files.iter().map(read).collect())
}

fn beside() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let folders = fs::read_dir(above).ok()?.flatten();
    let mut guides = folders.map(|entry| entry.path().join("guides"));
    guides.find(|folder| folder.is_dir())
}

fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = text.lines().map(words);
    lines.filter(|line| !line.is_empty()).collect()
}

/// By how it begins; what is quoted and has no value behind it is a line of a log.
fn is_directive(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "LoadModule ",
        "FastCgi",
        "<VirtualHost",
        "</VirtualHost",
        "ServerName ",
        "DocumentRoot ",
        "AddHandler ",
        "ScriptAlias ",
        "<Location",
        "</Location",
        "SetHandler ",
        "<IfModule",
        "</IfModule",
        "<Files",
        "</Files",
        "<Directory",
        "</Directory",
        "Options ",
        "AllowOverride ",
        "Rewrite",
        "fastcgi",
        "alias.",
        "url.",
        "location ",
        "include ",
        "if (",
        "set $",
    ];
    let named = BEGINNINGS
        .iter()
        .any(|beginning| line.starts_with(beginning));
    named || (line.starts_with('"') && line.contains("=>"))
}
