//! Figures that belong to a compiler and a machine: tests/data/figures.txt has what was counted last. A figure may be a
//! little more than it; with another rustc than those that stand there it may be 25 % more.
//!
//! Nobody writes the file: `FIGURES=write cargo test --release --test figures` puts what it counts into this rustc's part.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// Compares a figure with the one that is recorded, of which it may be so many percent more, or records it.
pub fn compare(name: &str, figure: u64, slack: u64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/figures.txt");
    let mut table = Table::read(&path);
    let ours = Toolchain::ours();
    if std::env::var("FIGURES").is_ok_and(|value| value == "write") {
        println!("figure: {name}: {figure}, written");
        // A run of all figures leaves none that is counted no longer.
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            if std::env::args().skip(1).all(|word| word.starts_with("--")) {
                table.0.remove(&ours);
            }
        });
        table.put(&ours, name, figure);
        return table.write(&path);
    }
    match table.verdict(&ours, name, figure, slack) {
        Ok(line) => println!("figure: {line}"),
        Err(line) => panic!("{line}. {MEANT}"),
    }
}

const MEANT: &str =
    "If that is meant: FIGURES=write cargo test --release --test figures records it";

/// With a rustc that no figures are recorded for.
const SLACK_OF_ANOTHER: u64 = 25;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Toolchain {
    host: String,
    /// As numbers, so that 1.100 comes after 1.95.
    release: Vec<u64>,
}

impl Toolchain {
    fn ours() -> Toolchain {
        let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
        let output = Command::new(rustc).arg("-vV").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let word = |name| text.lines().find_map(|line| line.strip_prefix(name));
        let (host, release) = (word("host: ").unwrap(), word("release: ").unwrap());
        Toolchain::new(host, release)
    }

    fn new(host: &str, release: &str) -> Toolchain {
        // What comes behind a hyphen is a nightly's.
        let numbers = release.split('-').next().unwrap().split('.');
        Toolchain {
            host: host.to_owned(),
            release: numbers.map(|number| number.parse().unwrap()).collect(),
        }
    }

    fn name(&self) -> String {
        let release: Vec<String> = self.release.iter().map(u64::to_string).collect();
        format!("rustc {} for {}", release.join("."), self.host)
    }

    fn of(name: &str) -> Option<Toolchain> {
        let (release, host) = name.strip_prefix("rustc ")?.split_once(" for ")?;
        Some(Toolchain::new(host, release))
    }
}

/// The whole file: a line names a toolchain, and the lines below it are its figures.
#[derive(Default)]
struct Table(BTreeMap<Toolchain, BTreeMap<String, u64>>);

impl Table {
    fn read(path: &PathBuf) -> Table {
        let text = fs::read_to_string(path).unwrap_or_default();
        Table::parse(&text)
    }

    fn parse(text: &str) -> Table {
        let (mut table, mut part) = (Table::default(), None);
        for line in text.lines() {
            if let Some(toolchain) = Toolchain::of(line) {
                part = Some(toolchain);
            } else if let Some((name, figure)) = line.split_once(": ") {
                let toolchain = part.as_ref().expect("a figure stands below a toolchain");
                table.put(toolchain, name.trim(), figure.parse().unwrap());
            }
        }
        table
    }

    fn put(&mut self, toolchain: &Toolchain, name: &str, figure: u64) {
        let part = self.0.entry(toolchain.clone()).or_default();
        part.insert(name.to_owned(), figure);
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (toolchain, figures) in &self.0 {
            writeln!(text, "\n{}", toolchain.name()).unwrap();
            for (name, figure) in figures {
                writeln!(text, "    {name}: {figure}").unwrap();
            }
        }
        text
    }

    fn write(&self, path: &PathBuf) {
        fs::write(path, self.text()).unwrap();
    }

    /// A line to print if all is well with a figure, or one that says what is not.
    fn verdict(
        &self,
        ours: &Toolchain,
        name: &str,
        figure: u64,
        slack: u64,
    ) -> Result<String, String> {
        let Some((whose, recorded, slack)) = self.nearest(ours, name, slack) else {
            return match self.0.contains_key(ours) {
                true => Err(format!("{name}: {figure}, and no figure is recorded")),
                false => Ok(format!("{name}: {figure}, nothing to compare it with")),
            };
        };
        let line = format!("{name}: {figure}; recorded: {recorded} of {}", whose.name());
        match figure * 100 <= recorded * (100 + slack) {
            true => Ok(line),
            false => Err(format!("{line}, and more than {slack} % above is too much")),
        }
    }

    /// What this toolchain has recorded, or else the newest one for the same machine.
    fn nearest(&self, ours: &Toolchain, name: &str, slack: u64) -> Option<(&Toolchain, u64, u64)> {
        if let Some((whose, figures)) = self.0.get_key_value(ours) {
            return Some((whose, *figures.get(name)?, slack));
        }
        let same_host = |(whose, _): &(&Toolchain, _)| whose.host == ours.host;
        let (whose, figures) = self.0.iter().rfind(same_host)?;
        Some((whose, *figures.get(name)?, slack.max(SLACK_OF_ANOTHER)))
    }
}

const HEAD: &str = "Figures of a release build, which tests/bench/figures compares with those that it counts. They are written by\n\
    FIGURES=write cargo test --release --test figures\n";

#[test]
fn a_figure_that_is_more_than_recorded_is_named() {
    let text = "Words\n\nrustc 1.95.0 for here\n    size: 1000\n\nrustc 1.100.0 for here\n    size: 2000\n";
    let table = Table::parse(text);
    let rows = [
        // Rustc, host, name, figure, and whether that is well.
        ("1.95.0", "here", "size", 1050, true),
        ("1.95.0", "here", "size", 1051, false),
        ("1.95.0", "here", "size", 1, true),
        ("1.95.0", "here", "other", 1, false),
        // Another rustc is measured by the newest, and not that closely.
        ("1.96.0", "here", "size", 2500, true),
        ("1.96.0", "here", "size", 2501, false),
        ("1.101.0-nightly", "here", "size", 2501, false),
        ("1.95.0", "elsewhere", "size", 9999, true),
    ];
    for (release, host, name, figure, is_well) in rows {
        let verdict = table.verdict(&Toolchain::new(host, release), name, figure, 5);
        assert_eq!(verdict.is_ok(), is_well, "{release}: {verdict:?}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let mut table = Table::default();
    table.put(&Toolchain::new("here", "1.95.0"), "size, static", 7);
    table.put(&Toolchain::new("here", "1.95.0"), "size, static", 8);
    table.put(&Toolchain::new("there", "1.9.0-beta.1"), "calls", 2);
    let again = Table::parse(&table.text());
    assert_eq!(again.0, table.0);
}
