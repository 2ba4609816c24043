//! `check --log`: what the lines of a web server's log mean, about which object, and what to do. Called by the command
//! line.
//!
//! A log may be of any size, and its lines of any length and by anyone: a visitor writes into it too. So it is read in
//! pieces, what is kept of it has limits, and nothing of it reaches the terminal unescaped.

mod pattern;
mod rules;

use super::program;
use crate::slot::one_line;
use rules::{Author, RULES, Rule};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// More of a line is not looked at. nginx cuts its own at 2 KiB, Apache at 8 KiB.
const LONGEST_LINE: usize = 16 << 10;

/// More objects of one rule are only counted.
const MOST_OBJECTS: usize = 5;

/// Of a line or a part of it, in characters.
const MOST_SHOWN: usize = 300;

/// What `file` says; `-` is standard input.
///
/// # Errors
/// One sentence.
pub(super) fn read(file: &str) -> Result<Report, String> {
    if file == "-" {
        return Report::read(io::stdin().lock())
            .map_err(|error| format!("cannot read standard input: {error}"));
    }
    let mut log = File::open(file)
        .map(BufReader::new)
        .map_err(|error| format!("cannot open the log {file}: {error}{}", way_in(&error)))?;
    // gzip's first two bytes (RFC 1952, section 2.3.1): what logrotate leaves.
    if log
        .fill_buf()
        .is_ok_and(|begin| begin.starts_with(&[0x1f, 0x8b]))
    {
        return Err(format!(
            "the log {file} is compressed; write zcat {file} | {} check --log -",
            program::name()
        ));
    }
    Report::read(log).map_err(|error| format!("cannot read the log {file}: {error}"))
}

fn way_in(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; on Debian the group adm may read logs: write sudo in front, and the path of this program"
        }
        io::ErrorKind::NotFound => {
            "; Apache's is where ErrorLog says, nginx's where error_log does, lighttpd's where server.errorlog does"
        }
        _ => "",
    }
}

/// What a log says.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    /// How many lines there are, and how many of them are explained.
    lines: u64,
    explained: u64,
}

/// Lines that say the same of the same object.
#[derive(Debug)]
struct Finding {
    author: &'static Author,
    rule: &'static Rule,
    /// Empty where the line names none.
    object: String,
    detail: String,
    /// The first of them, and where.
    line: String,
    first: u64,
    last: u64,
    count: u64,
    /// Lines that say the same of objects for which there was no more room.
    others: u64,
}

impl Report {
    /// # Errors
    /// When the log cannot be read to its end.
    pub(super) fn read(mut log: impl BufRead) -> io::Result<Report> {
        let mut report = Report::default();
        let mut line = Vec::new();
        while next_line(&mut log, &mut line)? {
            report.lines += 1;
            report.take(&String::from_utf8_lossy(&line));
        }
        Ok(report)
    }

    /// Whether anything was found that has a remedy.
    pub(super) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    fn take(&mut self, line: &str) {
        let Some((author, rule, taken)) = explained(line) else {
            return;
        };
        self.explained += 1;
        let at = self.lines;
        let object = shown(clean(taken.object.unwrap_or("")));
        let mut known = self.findings.iter_mut();
        if let Some(known) = known.find(|known| known.is_of(rule) && known.object == object) {
            known.count += 1;
            known.last = at;
            return;
        }
        let mut alike = self.findings.iter_mut().filter(|known| known.is_of(rule));
        if let Some(crowded) = alike.nth(MOST_OBJECTS - 1) {
            crowded.others += 1;
            return;
        }
        self.findings.push(Finding {
            author,
            rule,
            object,
            detail: shown(taken.detail.unwrap_or("").trim()),
            line: shown(line.trim()),
            first: at,
            last: at,
            count: 1,
            others: 0,
        });
    }
}

impl Finding {
    fn is_of(&self, rule: &Rule) -> bool {
        std::ptr::eq(self.rule, rule)
    }

    /// A text of the rule's with what was taken from the line.
    fn filled(&self, text: &str) -> String {
        let or = |taken: &str, other: &str| match taken {
            "" => other.to_owned(),
            _ => taken.to_owned(),
        };
        // Not one after the other: what is taken from the line may hold the second name.
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, name, after)) = next_name(rest) {
            filled += before;
            filled += &match name {
                "object" => or(&self.object, "the application"),
                _ => or(&self.detail, "(it does not say)"),
            };
            rest = after;
        }
        filled += rest;
        filled
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}, line {}", self.author.name, self.first)?;
        match self.count - 1 {
            0 => {}
            more => write!(
                f,
                " and {more} more like it, the last is line {}",
                self.last
            )?,
        }
        writeln!(f, ":\n  {}", self.line)?;
        writeln!(f, "  cause:  {}", self.filled(self.rule.cause))?;
        writeln!(f, "  remedy: {}", self.filled(self.rule.remedy))?;
        match self.others {
            0 => Ok(()),
            others => writeln!(f, "  {others} more such lines are about others."),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let (explained, passed) = (self.explained, self.lines - self.explained);
        let lines = |number: u64| match number {
            1 => "1 line".to_owned(),
            _ => format!("{number} lines"),
        };
        match explained {
            0 => writeln!(
                f,
                "{}, and none of a kind that is known here.",
                lines(passed)
            ),
            _ => writeln!(
                f,
                "{} explained, {} passed over.",
                lines(explained),
                lines(passed)
            ),
        }
    }
}

/// Who wrote a line and what it means.
fn explained(line: &str) -> Option<(&'static Author, &'static Rule, pattern::Taken<'_>)> {
    let line = without_referrer(line);
    let authors = RULES
        .iter()
        .filter(|author| author.marks.iter().any(|mark| line.contains(mark)));
    authors
        .flat_map(|author| author.rules.iter().map(move |rule| (author, rule)))
        .find_map(|(author, rule)| {
            let mut patterns = rule.patterns.iter();
            let taken = patterns.find_map(|pattern| pattern::taken(pattern, line))?;
            Some((author, rule, taken))
        })
}

/// What Apache and nginx put last is a visitor's own text, which may look like anything.
fn without_referrer(line: &str) -> &str {
    let begins = [", referer: ", ", referrer: \""];
    let end = begins.iter().filter_map(|begin| line.find(begin)).min();
    &line[..end.unwrap_or(line.len())]
}

/// `fastcgi://unix:/run/app.sock:` is nginx's name of a socket, `[client 127.0.0.1:1] app.fcgi` is what Apache may put in
/// front.
fn clean(object: &str) -> &str {
    let object = object.trim().trim_matches(['"', '\'']);
    let object = object.strip_prefix("fastcgi://").unwrap_or(object);
    match object.starts_with("unix:") {
        true => object.trim_end_matches(':'),
        false => object,
    }
}

/// The text before the next `{object}` or `{detail}`, which of them, and what is behind it. Other braces are text.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let names = ["object", "detail"].into_iter();
    let found = names.filter_map(|name| {
        let (before, after) = text.split_once(&format!("{{{name}}}"))?;
        Some((before, name, after))
    });
    found.min_by_key(|found| found.0.len())
}

/// What a terminal is shown.
fn shown(text: &str) -> String {
    let mut ends = text.char_indices().skip(MOST_SHOWN);
    match ends.next() {
        Some((end, _)) => one_line(&text[..end]) + " […]",
        None => one_line(text),
    }
}

/// The next line without its end, as much of it as counts. False at the end of the log.
fn next_line(log: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut is_any = false;
    loop {
        let piece = match log.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if piece.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let end = piece.iter().position(|&byte| byte == b'\n');
        let text = &piece[..end.unwrap_or(piece.len())];
        let room = LONGEST_LINE - line.len();
        line.extend_from_slice(&text[..text.len().min(room)]);
        let used = end.map_or(piece.len(), |end| end + 1);
        log.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
