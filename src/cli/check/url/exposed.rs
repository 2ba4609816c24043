//! Files that the web server sends, and that nobody may read: the program itself, databases, settings, backups. Called by
//! `url`.

use super::super::Findings;
use super::super::progress::Progress;
use super::curl::{self, Got};
use super::{Url, page};
use crate::cli::input::first_bytes;
use crate::cli::order::sort;
use crate::cli::words::{Words, joined, words};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So many addresses are asked for at most.
const MOST: usize = 90;

/// After this time no further one is asked for.
const LONGEST: Duration = Duration::from_secs(120);

/// The same where the page itself is an error of the web server's. mod_fcgid starts a program that ends at once ever more
/// slowly, until a request takes half a minute; but a file comes as fast as ever.
const LONGEST_BROKEN: Duration = Duration::from_secs(10);

/// So many seconds is each of them waited for then.
const A_NAME_BROKEN: &str = "3";

/// So many names are listed if nothing was found.
const MOST_SHOWN: usize = 12;

/// So many files of the program's folder are looked at, and so deep below it.
const MOST_FILES: usize = 2000;
const DEEPEST: usize = 3;

const SQLITE: &[u8] = b"SQLite format 3\0";
const ELF: &[u8] = b"\x7fELF";

/// Names of databases in many guides, for where the folder cannot be looked at.
const DATABASES: [&str; 5] = [
    "app.db",
    "data.db",
    "database.db",
    "db.sqlite3",
    "database.sqlite",
];

const OF_DATABASES: [&str; 11] = [
    ".db", ".db3", ".sqlite", ".sqlite3", ".sdb", ".mdb", "-wal", "-shm", "-journal", ".sql",
    ".dump",
];
const OF_BACKUPS: [&str; 9] = [
    "~", ".bak", ".old", ".orig", ".save", ".swp", ".swo", ".copy", ".tmp",
];
const OF_SECRETS: [&str; 7] = [".key", ".pem", ".env", ".ini", ".conf", ".toml", ".log"];

/// What kind of file it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `.ht.NAME`
    Settings,
    Database,
    /// Its name begins with a dot.
    Hidden,
    Secret,
    Backup,
    Program,
}

/// A file that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    /// Its path below the folder's address.
    name: Words,
    kind: Kind,
    /// Where it is on this machine, if it was seen there.
    file: Option<PathBuf>,
}

/// Asks for each name in each of the `bases`; `folder` is where the program of this `name` lies. `is_broken`: the page is
/// an error of the web server's.
pub(super) fn findings(
    bases: &[Url],
    name: Option<&str>,
    folder: Option<&Path>,
    is_broken: bool,
    progress: &Progress,
    report: &mut Findings,
) {
    let candidates = candidates(name, folder);
    let pairs = candidates.iter().flat_map(|candidate| {
        let urls = bases.iter().map(|base| base.join(candidate.name));
        urls.map(move |url| (candidate, url))
    });
    let all = candidates.len() * bases.len();
    let (told, mut failed, mut asked) = (report.len(), None, 0);
    // If every answer is an error of the server's, nobody knows what will come back once that is mended.
    let mut is_any_told = false;
    let longest = if is_broken { LONGEST_BROKEN } else { LONGEST };
    let begin = Instant::now();
    for (candidate, url) in pairs.take(MOST) {
        if begin.elapsed() > longest {
            break;
        }
        progress.say(&format!("asking for files, {asked} of {all}"));
        let got = match is_broken {
            true => curl::get_within(&url, A_NAME_BROKEN),
            false => curl::get(&url),
        };
        match got {
            Ok(got) if is_sent(candidate, &got) => candidate.finding(&url, report),
            Ok(got) => is_any_told |= got.status < 500,
            // This name is no file: the server waits for the program, which does not start.
            Err(failure) if is_broken && failure.is_late() => {}
            Err(failure) => failed = Some((candidate.name, failure)),
        }
        asked += 1;
    }
    if let Some((name, failure)) = failed {
        report.yellow(
            words!("{name} could not be asked for: {}", failure.sentence()),
            "ask again; a web server may shut out who asks for such names",
        );
    }
    if asked < all {
        report.yellow(
            words!("{} addresses of files were not asked for", all - asked),
            match is_broken {
                true => "ask again once the page comes",
                false => "move what visitors need not have out of the folder",
            },
        );
    }
    if report.len() == told && is_any_told {
        report.green(nothing_came(&candidates, bases));
    }
}

/// That none of the files came back, and which were asked for.
fn nothing_came(candidates: &[Candidate], bases: &[Url]) -> Words {
    let names = candidates.iter().map(|other| other.name);
    let mut names: Vec<Words> = names.take(MOST_SHOWN).collect();
    if candidates.len() > names.len() {
        names.push(words!("{} more", candidates.len() - names.len()));
    }
    words!(
        "no file comes back that nobody may read; asked in {} were {}",
        joined(&mut bases.iter().map(Url::shown), " and "),
        joined(&mut names.into_iter(), ", ")
    )
}

impl Candidate {
    fn finding(&self, url: &Url, report: &mut Findings) {
        let what = match self.kind {
            Kind::Program => "a program's bytes",
            Kind::Database => "a database, which all can read",
            Kind::Settings => "the settings file",
            Kind::Hidden | Kind::Secret => "what should stay hidden",
            Kind::Backup => "a copy of something",
        };
        let remedy = match self.kind {
            Kind::Program => {
                "let the web server run it or refuse it: conf htaccess, conf nginx and the others print how; best let no program lie where it sends files"
            }
            Kind::Database => {
                "move it out of the folder that the web server sends; else deny it, as conf htaccess prints; nginx: deny all"
            }
            Kind::Settings => {
                "Apache refuses .ht* by itself (<FilesMatch \"^\\.ht\"> in its configuration); others: deny names with a dot, or keep the program out of the folder that they send"
            }
            _ => "remove it, or deny it, as conf htaccess prints; nginx: deny all",
        };
        report.red(words!("{} comes back: {what}", url.shown()), remedy)
    }
}

/// What is asked for: the files beside the program of this `name` that nobody may read, and names that are common. The program
/// itself is first, then the worst: the last ones may not be asked for any more.
fn candidates(name: Option<&str>, folder: Option<&Path>) -> Vec<Candidate> {
    let mut candidates = folder.map(beside).unwrap_or_default();
    for (name, kind) in common(name) {
        if !candidates.iter().any(|other| other.name == name) {
            candidates.push(Candidate {
                name,
                kind,
                file: None,
            });
        }
    }
    let rank = |other: &Candidate| {
        let is_other = Some(other.name) != name;
        (is_other, other.kind, other.name.matches('/').count())
    };
    sort(&mut candidates, |one, other| {
        (rank(one), one.name) > (rank(other), other.name)
    });
    candidates
}

/// The names that are asked for wherever the program lies.
fn common(program: Option<&str>) -> Vec<(Words, Kind)> {
    let mut names = Vec::new();
    if let Some(program) = program {
        names.push((words!("{program}"), Kind::Program));
        names.push((words!(".ht.{program}"), Kind::Settings));
        for backup in ["~", ".bak", ".old"] {
            names.push((words!("{program}{backup}"), Kind::Backup));
        }
        names.push((words!(".{program}.swp"), Kind::Backup));
    }
    names.extend([".htaccess", ".env", ".git/config"].map(|name| (name, Kind::Hidden)));
    names.extend(DATABASES.map(|name| (name, Kind::Database)));
    names
}

/// The files in the program's folder and below that nobody may read.
fn beside(folder: &Path) -> Vec<Candidate> {
    let (mut found, mut left) = (Vec::new(), MOST_FILES);
    // cargo's own folder is no site's.
    if folder.join(".cargo-lock").exists() {
        return found;
    }
    walk(folder, "", DEEPEST, &mut left, &mut found);
    found
}

fn walk(folder: &Path, above: &str, depth: usize, left: &mut usize, found: &mut Vec<Candidate>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let Some(rest) = left.checked_sub(1) else {
            return;
        };
        *left = rest;
        let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        let (path, below) = (entry.path(), words!("{above}{name}"));
        // .git has thousands of files. `common` has its config, which stands for them.
        if kind.is_dir() && depth > 1 && name != ".git" {
            walk(&path, &format!("{below}/"), depth - 1, left, found);
        }
        if kind.is_file()
            && let Some(kind) = kind_of(&name, &start_of(&path))
        {
            found.push(Candidate {
                name: below,
                kind,
                file: Some(path),
            });
        }
    }
}

/// What a file is by its name and its first bytes; `None` if visitors may have it.
fn kind_of(name: &str, start: &[u8]) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    match () {
        () if lower.starts_with(".ht.") => Some(Kind::Settings),
        () if start.starts_with(SQLITE) || ends(&OF_DATABASES) => Some(Kind::Database),
        () if ends(&OF_BACKUPS) => Some(Kind::Backup),
        () if start.starts_with(ELF) || ends(&[".fcgi", ".cgi"]) => Some(Kind::Program),
        () if lower.starts_with('.') => Some(Kind::Hidden),
        () if ends(&OF_SECRETS) => Some(Kind::Secret),
        () => None,
    }
}

fn start_of(path: &Path) -> Vec<u8> {
    let start = File::open(path).and_then(|file| first_bytes(file, SQLITE.len() as u64));
    start.unwrap_or_default()
}

/// Whether what came is the file, and not something that the program says at this address.
fn is_sent(candidate: &Candidate, got: &Got) -> bool {
    if !matches!(got.status, 200 | 206) {
        return false;
    }
    if got.body.starts_with(ELF) || got.body.starts_with(SQLITE) {
        return true;
    }
    match &candidate.file {
        Some(file) if File::open(file).is_ok() => page::is_file(file, &got.body),
        // This user may not read it, but the web server's may: its length has to do.
        Some(file) => fs::metadata(file).is_ok_and(|found| {
            let length = got.field("content-length");
            found.len() > 0 && length.is_some_and(|length| length == found.len().to_string())
        }),
        None => is_like(candidate, &String::from_utf8_lossy(&got.body)),
    }
}

/// Whether what came is such a file, by what these usually have in them: there is no file here to compare it with.
fn is_like(candidate: &Candidate, body: &str) -> bool {
    let is_page = body.trim_start().starts_with('<');
    let is_variable = |line: &str| {
        let name = line.split_once('=').map_or("", |(name, _)| name);
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    };
    let directives = [
        "RewriteEngine",
        "AddHandler",
        "SetHandler",
        "Options ",
        "Require ",
    ];
    match candidate.kind {
        _ if is_page => false,
        Kind::Hidden if candidate.name.ends_with(".git/config") => body.contains("[core]"),
        Kind::Hidden if candidate.name.ends_with(".env") => body.lines().any(is_variable),
        Kind::Hidden => directives.iter().any(|word| body.contains(word)),
        Kind::Backup => body.starts_with("#!") || body.starts_with("b0VIM"),
        Kind::Program => body.starts_with("#!"),
        Kind::Database | Kind::Settings | Kind::Secret => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_first_bytes_say_what_a_file_is() {
        for (name, start, kind) in [
            ("app.fcgi", ELF, Some(Kind::Program)),
            ("helper", ELF, Some(Kind::Program)),
            ("old.cgi", b"#!/bin/sh", Some(Kind::Program)),
            ("guests.db", b"", Some(Kind::Database)),
            ("guests.db-wal", b"", Some(Kind::Database)),
            ("GUESTS.SQLITE", b"", Some(Kind::Database)),
            ("guests", SQLITE, Some(Kind::Database)),
            (".ht.app.fcgi", b"", Some(Kind::Settings)),
            (".htaccess", b"", Some(Kind::Hidden)),
            ("app.fcgi~", ELF, Some(Kind::Backup)),
            ("server.key", b"", Some(Kind::Secret)),
            ("index.html", b"<html>", None),
            ("logo.png", b"\x89PNG", None),
            ("robots.txt", b"", None),
        ] {
            assert_eq!(kind_of(name, start), kind, "{name}");
        }
    }

    #[test]
    fn only_the_file_itself_is_an_exposure() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let text = fs::read(&file).unwrap();
        let of = |name, kind, file| Candidate { name, kind, file };
        let known = of("Cargo.toml", Kind::Secret, Some(file));
        let got = |status, body: &[u8]| Got::of(status, "text/plain", body);
        assert!(is_sent(&known, &got(200, &text)));
        assert!(!is_sent(&known, &got(200, b"the program's own page")));
        assert!(!is_sent(&known, &got(403, &text)));
        let git = of(".git/config", Kind::Hidden, None);
        assert!(is_sent(&git, &got(200, b"[core]\n\tbare = false\n")));
        assert!(!is_sent(&git, &got(200, b"<html>[core]")));
        let env = of(".env", Kind::Hidden, None);
        assert!(is_sent(&env, &got(200, b"# x\nDB_PASSWORD=1\n")));
        assert!(!is_sent(&env, &got(200, b"no such page")));
        let database = of("app.db", Kind::Database, None);
        assert!(is_sent(&database, &got(206, SQLITE)));
        assert!(!is_sent(&database, &got(200, b"Hello")));
        let empty = of("x.log", Kind::Secret, Some("/dev/null".into()));
        assert!(!is_sent(&empty, &got(200, b"")));
    }
}
