//! What `check` has found, as a person reads it and as a program does. The concerns fill in [`Findings`].

use crate::cli::json::quoted;
use crate::cli::words::{Words, joined, words};
use std::env;
use std::io::{self, IsTerminal};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Level {
    Green,
    /// It may be meant so, or it will be trouble later.
    Yellow,
    /// It does not work, or not safely.
    Red,
}

/// One fact about the program where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Finding {
    pub(in crate::cli) level: Level,
    pub(in crate::cli) what: Words,
    /// What to do; nothing if it is green.
    pub(in crate::cli) remedy: Words,
}

/// What is found of one concern: each tells its findings here.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

/// All findings, each with its concern.
pub(in crate::cli) struct Report {
    pub(super) title: Words,
    pub(super) findings: Vec<(&'static str, Finding)>,
}

impl Findings {
    pub(super) fn green(&mut self, what: Words) {
        self.add(Level::Green, what, "");
    }

    pub(super) fn yellow(&mut self, what: Words, remedy: Words) {
        self.add(Level::Yellow, what, remedy);
    }

    pub(super) fn red(&mut self, what: Words, remedy: Words) {
        self.add(Level::Red, what, remedy);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds all findings of another list behind these.
    pub(super) fn append(&mut self, mut others: Findings) {
        self.0.append(&mut others.0);
    }

    fn add(&mut self, level: Level, what: Words, remedy: Words) {
        self.0.push(Finding {
            level,
            what,
            remedy,
        });
    }
}

#[cfg(test)]
impl Findings {
    /// What `look` tells.
    pub(super) fn of(look: impl FnOnce(&mut Findings)) -> Vec<Finding> {
        let mut findings = Findings::default();
        look(&mut findings);
        findings.0
    }

    /// The one thing that `look` tells.
    pub(super) fn one(look: impl FnOnce(&mut Findings)) -> Finding {
        match Findings::of(look)[..] {
            [finding] => finding,
            ref findings => panic!("{findings:?}"),
        }
    }
}

impl Level {
    const ALL: [Level; 3] = [Level::Red, Level::Yellow, Level::Green];

    fn name(self) -> &'static str {
        match self {
            Level::Green => "green",
            Level::Yellow => "yellow",
            Level::Red => "red",
        }
    }

    /// What makes a terminal write in that colour.
    fn colour(self) -> &'static str {
        match self {
            Level::Green => "\x1b[32m",
            Level::Yellow => "\x1b[33m",
            Level::Red => "\x1b[31m",
        }
    }
}

/// Whether standard output shows colours, and the user has not asked for none: <https://no-color.org>.
pub(in crate::cli) fn has_colour() -> bool {
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    !is_unwanted && !is_dumb && io::stdout().is_terminal()
}

impl Report {
    pub(in crate::cli) fn is_red(&self) -> bool {
        self.count(Level::Red) > 0
    }

    /// A line for each finding, and one for its remedy.
    pub(in crate::cli) fn text(&self, has_colour: bool) -> String {
        let widest = self.findings.iter().map(|(concern, _)| concern.len()).max();
        let width = widest.unwrap_or(0);
        let mut text = plain(self.title) + "\n";
        for (concern, finding) in &self.findings {
            let (on, off) = match has_colour {
                true => (finding.level.colour(), "\x1b[0m"),
                false => ("", ""),
            };
            let level = finding.level.name();
            text += words!("{on}{level:<6}{off}  {concern:<width$}  ");
            text += &plain(finding.what);
            text += "\n";
            if !finding.remedy.is_empty() {
                text += words!("{:width$}-> ", "", width = width + 10);
                text += &plain(finding.remedy);
                text += "\n";
            }
        }
        let mut counts = Level::ALL
            .into_iter()
            .map(|level| words!("{} {}", self.count(level), level.name()));
        text + joined(&mut counts, ", ") + "\n"
    }

    pub(in crate::cli) fn json(&self) -> String {
        let worst = self.findings.iter().map(|(_, finding)| finding.level).max();
        let mut findings = self.findings.iter().map(|(concern, finding)| {
            words!(
                "\n{{\"level\":\"{}\",\"about\":\"{concern}\",\"what\":{},\"remedy\":{}}}",
                finding.level.name(),
                quoted(finding.what),
                quoted(finding.remedy)
            )
        });
        format!(
            "{{\"program\":{},\"level\":\"{}\",\"findings\":[{}\n]}}\n",
            quoted(self.title),
            worst.unwrap_or(Level::Green).name(),
            joined(&mut findings, ",")
        )
    }

    fn count(&self, level: Level) -> usize {
        let findings = self.findings.iter();
        findings.filter(|(_, found)| found.level == level).count()
    }
}

/// A text without what a terminal takes for a command: a file's name may contain such.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, what: Words, remedy: Words) -> Finding {
        Finding {
            level,
            what,
            remedy,
        }
    }

    fn report() -> Report {
        Report {
            title: "/srv/a\x1b.fcgi",
            findings: vec![
                ("file", finding(Level::Green, "fine", "")),
                ("limits", finding(Level::Yellow, "a \"few\"\n", "more")),
            ],
        }
    }

    #[test]
    fn a_finding_is_a_line_and_its_remedy_one_below() {
        let text = report().text(false);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            r"/srv/a\u{1b}.fcgi",
            "green   file    fine",
            r#"yellow  limits  a "few"\n"#,
            "                -> more",
            "0 red, 1 yellow, 1 green",
        ];
        assert_eq!(lines, expected);
        assert!(
            report()
                .text(true)
                .contains("\x1b[33myellow\x1b[0m  limits")
        );
    }

    #[test]
    fn json_has_the_same() {
        let expected = r#"{"program":"/srv/a\u001b.fcgi","level":"yellow","findings":[
{"level":"green","about":"file","what":"fine","remedy":""},
{"level":"yellow","about":"limits","what":"a \"few\"\u000a","remedy":"more"}
]}
"#;
        assert_eq!(report().json(), expected);
    }
}
