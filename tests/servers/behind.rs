//! The table of what the program runs behind, in the guide on deploying. Nobody writes it: while a row runs it notes which
//! web server it has started, in the version that this one says of itself, and what `conf` has printed for it; `main.rs` makes
//! lines of the rows that were good, and compares them with the guide's.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Outcome;
use crate::folder::Folder;
use crate::process::until;
use crate::row::{Row, Work};

/// Held by a row's folder and by the programs in it.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Clone, Default)]
pub struct Noted {
    server: Option<Server>,
    configurations: Vec<Configuration>,
}

#[derive(Clone)]
struct Server {
    name: String,
    version: String,
}

#[derive(Clone)]
struct Configuration {
    what: String,
    way: Way,
    /// What was started with it.
    server: Option<Server>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Started,
    Unix,
    Tcp,
}

impl Notes {
    /// `PROGRAM conf SERVER FLAGS` was run.
    pub fn conf(&self, server: &str, flags: &[&str]) {
        let form = flags.first().filter(|word| !word.starts_with("--"));
        let kept = flags
            .iter()
            .find(|word| matches!(**word, "--keepalive" | "--multiplex"));
        let words = ["conf", server].into_iter();
        let words: Vec<&str> = words.chain(form.copied()).chain(kept.copied()).collect();
        let listen = flags.iter().position(|&word| word == "--listen");
        let way = match listen.and_then(|at| flags.get(at + 1)) {
            None => Way::Started,
            Some(address) if address.starts_with("unix:") => Way::Unix,
            Some(_) => Way::Tcp,
        };
        self.configuration(format!("`{}`", words.join(" ")), way);
    }

    /// The classic guides' own text is what runs.
    pub fn guide(&self, way: Way) {
        self.configuration("the guides' own text".to_owned(), way);
    }

    /// It serves: by what was noted before it, or, of a process manager, by what comes.
    pub fn server(&self, name: &str, version: String) {
        let name = name.to_owned();
        let server = Server { name, version };
        let mut noted = self.lock();
        for configuration in &mut noted.configurations {
            let of = &mut configuration.server;
            of.get_or_insert_with(|| server.clone());
        }
        noted.server = Some(server);
    }

    pub fn take(&self) -> Noted {
        self.lock().clone()
    }

    fn configuration(&self, what: String, way: Way) {
        let server = None;
        self.lock()
            .configurations
            .push(Configuration { what, way, server });
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands between the two in a web server's log, in the first line that has both.
pub fn logged(folder: &Folder, file: &str, before: &str, after: &str) -> Outcome<String> {
    until(&format!("{file} has its version behind {before:?}"), || {
        let bytes = fs::read(folder.path(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split_inclusive('\n').find_map(|line| {
            let (_, rest) = line.split_once(before)?;
            let end = rest.find(after)?;
            Some(rest[..end].trim().to_owned())
        })
    })
}

/// The first word that begins with a digit, behind an optional `v`, of what a program says of itself.
pub fn said(program: &Path, flag: &str) -> Outcome<String> {
    let output = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split_whitespace().map(|w| w.trim_start_matches('v'));
    words
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .ok_or_else(|| format!("{} {flag} says no version", program.display()))
}

/// One line of the table.
#[derive(Debug)]
pub struct Line {
    server: String,
    version: String,
    ways: Vec<Way>,
    configuration: String,
    run: Vec<&'static str>,
}

impl Line {
    /// Without the version, which is another one elsewhere.
    fn rest(&self) -> [String; 4] {
        let ways = self.ways.iter().map(|way| match way {
            Way::Started => "starts it",
            Way::Unix => "unix socket",
            Way::Tcp => "TCP",
        });
        [
            self.server.clone(),
            ways.collect::<Vec<_>>().join(", "),
            self.configuration.clone(),
            self.run.join(", "),
        ]
    }

    fn markdown(&self) -> String {
        let [server, ways, configuration, run] = self.rest();
        let version = &self.version;
        format!("| {server} | {version} | {ways} | {configuration} | {run} |\n")
    }
}

/// A line for each configuration, in the order of the rows.
pub fn lines<'a>(rows: impl Iterator<Item = (&'a Row, Noted)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (row, noted) in rows {
        let Some(word) = word(row) else { continue };
        for Configuration { what, way, server } in noted.configurations {
            let Some(Server { name, version }) = server.or_else(|| noted.server.clone()) else {
                continue;
            };
            let same = |line: &&mut Line| line.server == name && line.configuration == what;
            match lines.iter_mut().find(same) {
                Some(line) => line.add(way, word),
                None => lines.push(Line {
                    server: name,
                    version,
                    ways: vec![way],
                    configuration: what,
                    run: vec![word],
                }),
            }
        }
    }
    // What is printed for all flags at once is no configuration that anybody has.
    lines.retain(|line| line.run != ["numbers"]);
    for line in &mut lines {
        let place = |word: &&str| FIRST.iter().position(|first| first == word);
        line.run
            .sort_by_key(|word| place(word).unwrap_or(FIRST.len()));
    }
    // The lines of a web server stand together.
    let order: Vec<String> = lines.iter().map(|line| line.server.clone()).collect();
    lines.sort_by_key(|line| order.iter().position(|server| *server == line.server));
    lines
}

const FIRST: [&str; 3] = ["requests", "paths", "forms"];

impl Line {
    fn add(&mut self, way: Way, word: &'static str) {
        self.ways.push(way);
        self.ways.sort();
        self.ways.dedup();
        if !self.run.contains(&word) {
            self.run.push(word);
        }
    }
}

/// What a row runs; `None` where it is nothing that a line could say.
fn word(row: &Row) -> Option<&'static str> {
    const STORIES: &[(&str, &str)] = &[
        ("events", "events"),
        ("session", "sessions"),
        ("login", "logins"),
        ("authorizer", "authorizers"),
        ("uploads", "large uploads"),
        ("files", "files"),
        ("numbers", "numbers"),
        ("several", "several programs"),
        ("multiplex", "fifty at once on one connection"),
        ("stops", "stops"),
        ("reload", "reloads"),
        ("deploy", "new versions"),
        ("browser", "a browser"),
        ("supervisor", "starts and stops"),
        ("init", "starts and stops"),
        ("spawn-fcgi", "starts and stops"),
        ("multiwatch", "starts and stops"),
        ("systemd-verify", "its own checks"),
    ];
    match row.work {
        Work::Table { .. } => Some("requests"),
        Work::Paths { .. } => Some("paths"),
        Work::Forms { .. } => Some("forms"),
        Work::Story(_) => {
            let story = STORIES.iter().find(|(name, _)| row.name.contains(name));
            story.map(|(_, word)| *word)
        }
    }
}

/// Compares the lines with the guide's, or writes them there if the environment has `RUNS_BEHIND=write`.
pub fn settle(lines: &[Line]) -> Outcome {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).map_err(|e| format!("cannot read {PAGE}: {e}"))?;
    let (above, table, below) = parts(&page)?;
    if env::var("RUNS_BEHIND").is_ok_and(|value| value == "write") {
        let table: String = lines.iter().map(Line::markdown).collect();
        let text = format!("{above}{BEGIN}\n{HEAD}{table}{END}{below}");
        return fs::write(&path, text).map_err(|e| format!("cannot write {PAGE}: {e}"));
    }
    let there: Vec<[String; 4]> = table.lines().filter_map(cells).collect();
    let here: Vec<[String; 4]> = lines.iter().map(Line::rest).collect();
    let only = |some: &[[String; 4]], others: &[[String; 4]]| -> Vec<String> {
        let only = some.iter().filter(|line| !others.contains(line));
        only.map(|line| format!("  {}\n", line.join(" | ")))
            .collect()
    };
    if there == here {
        return Ok(());
    }
    Err(format!(
        "{PAGE} has another table of what the program runs behind.\nOnly there:\n{}Only here:\n{}\
         To write it: RUNS_BEHIND=write cargo test --test servers",
        only(&there, &here).concat(),
        only(&here, &there).concat()
    ))
}

const PAGE: &str = "src/guide/deploying.md";
const BEGIN: &str = "<!-- written by RUNS_BEHIND=write cargo test --test servers -->";
const END: &str = "<!-- to here -->";
const HEAD: &str = "\
    | web server or manager | version | reaches the program by | configuration | what was run |\n\
    | --- | --- | --- | --- | --- |\n";

fn parts(page: &str) -> Outcome<(&str, &str, &str)> {
    let parts = page.split_once(BEGIN).and_then(|(above, rest)| {
        let (table, below) = rest.split_once(END)?;
        Some((above, table, below))
    });
    parts.ok_or_else(|| format!("{PAGE} has no lines {BEGIN} and {END}"))
}

/// Those of a line of the table, without the version.
fn cells(line: &str) -> Option<[String; 4]> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = cells.split(" | ").collect();
    match cells[..] {
        [server, version, ways, configuration, run] if !["version", "---"].contains(&version) => {
            Some([server, ways, configuration, run].map(str::to_owned))
        }
        _ => None,
    }
}
