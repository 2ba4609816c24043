//! `check --log`: what the lines of a web server's log mean, which object they are about, and what to do. Called by
//! `check`.
//!
//! A log may be of any size, and its lines of any length and by anyone: a visitor writes into it too. So it is read in
//! pieces, what is kept of it has limits, and nothing of it reaches the terminal unescaped.

mod pattern;
mod rules;
mod visitors;

use super::input::standard_input;
use super::json::quoted;
use super::program;
use super::words::{Words, joined, words};
use crate::log_text::one_line;
use rules::{AUTHORS, Author, HARMLESS, Rule};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ptr;

/// In bytes: what is behind them in a line is not looked at. nginx cuts its own lines at 2 KiB, Apache at 8 KiB.
const LONGEST_LINE: usize = 16 << 10;

/// Of one rule, so many objects have a finding each. A visitor can make more of them, which are only counted.
const MOST_OBJECTS: usize = 5;

/// After so many lines, which take less than a second, progress is told.
const SAID_EVERY: u64 = 1 << 16;

/// In bytes. A longer remedy is printed once, and later findings name the line where it stands; a shorter one is printed
/// again.
const SHORT_REMEDY: usize = 160;

/// In characters: the most that is printed of a line, or of a part of one.
const MOST_SHOWN: usize = 300;

/// Explains the log `file`; `-` is standard input. `say` is called now and then with the number of lines read so far.
///
/// # Errors
/// One sentence.
pub(super) fn read(file: &str, say: &dyn Fn(u64)) -> Result<Report, Words> {
    if file == "-" {
        return standard_input()
            .and_then(|input| Report::read(BufReader::new(input), say))
            .map_err(|error| words!("cannot read standard input: {error}"));
    }
    let mut log = File::open(file)
        .map(BufReader::new)
        .map_err(|error| words!("cannot open the log {file}: {error}{}", way_in(&error)))?;
    // gzip's first two bytes (RFC 1952, section 2.3.1): what logrotate leaves.
    if log
        .fill_buf()
        .is_ok_and(|begin| begin.starts_with(&[0x1f, 0x8b]))
    {
        return Err(words!(
            "the log {file} is compressed; write zcat {file} | {} check --log -",
            program::name()
        ));
    }
    Report::read(log, say).map_err(|error| words!("cannot read the log {file}: {error}"))
}

/// What may help somebody whose log cannot be opened.
fn way_in(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; on Debian the group adm may read logs: write sudo in front, and this program's path; a shared host's panel gives a copy"
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
    /// How many lines the log has.
    lines: u64,
    /// How many of them fit a rule.
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
    /// The text of the first of these lines.
    line: String,
    /// The text of the line right below that Apache wrote about the same request, and that says no more. May be empty.
    below: String,
    /// The number of the last line that belongs to this finding, those below a cause included. 0 if no further line can
    /// belong to it.
    end: u64,
    /// Which thread of Apache's wrote that last line, where the line tells.
    thread: Option<String>,
    /// The number of the first of these lines.
    first: u64,
    /// The number of the last one.
    last: u64,
    count: u64,
    /// How many lines of the same rule are about objects that have no finding of their own: see `MOST_OBJECTS`.
    others: u64,
}

impl Report {
    /// # Errors
    /// When the log cannot be read to its end.
    fn read(mut log: impl BufRead, say: &dyn Fn(u64)) -> io::Result<Report> {
        let mut report = Report::default();
        let mut line = Vec::new();
        while next_line(&mut log, &mut line)? {
            report.lines += 1;
            if report.lines.is_multiple_of(SAID_EVERY) {
                say(report.lines);
            }
            report.take(&String::from_utf8_lossy(&line));
        }
        Ok(report)
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// For programs: what a person is told, in one object.
    pub(super) fn json(&self) -> String {
        let mut findings = self.findings.iter().map(Finding::json);
        format!(
            "{{\"lines\":{},\"explained\":{},\"findings\":[{}\n]}}\n",
            self.lines,
            self.explained,
            joined(&mut findings, ",")
        )
    }

    /// Counts the next line of the log, and explains it if a rule fits.
    fn take(&mut self, line: &str) {
        let own = visitors::without(line);
        let Some((author, rule, taken)) = explained(&own) else {
            return;
        };
        self.explained += 1;
        let at = self.lines;
        let object = shown(clean(taken.object.unwrap_or("")));
        if rule.follows
            && let Some(above) = self.above(rule, line)
        {
            self.join(above, author, line, object);
            return;
        }
        let mut known = self.findings.iter_mut();
        if let Some(known) = known.find(|known| known.is_of(rule) && known.object == object) {
            known.count += 1;
            known.last = at;
            known.end = at;
            known.thread = thread(line);
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
            below: String::new(),
            end: at,
            thread: thread(line),
            first: at,
            last: at,
            count: 1,
            others: 0,
        });
    }

    /// The finding that the line right above belongs to, if that line says why this one was written.
    fn above(&self, rule: &Rule, line: &str) -> Option<usize> {
        let thread = thread(line);
        let is_above = |known: &Finding| {
            // Lines of the program's own name no thread of Apache's.
            let is_of_one = known.thread.is_none() || thread.is_none() || known.thread == thread;
            let is_cause = known.author.tells_why;
            let is_open = known.end + 1 == self.lines && !known.is_of(rule);
            is_cause && is_of_one && is_open
        };
        self.findings.iter().position(is_above)
    }

    /// Adds a line that says no more than the finding above it. But it may name the object, where that one did not.
    fn join(&mut self, above: usize, author: &Author, line: &str, object: String) {
        let known = &mut self.findings[above];
        // Of all lines about a request, Apache's own is the last.
        let is_last = !author.tells_why;
        known.end = if is_last { 0 } else { self.lines };
        if known.below.is_empty() {
            known.below = shown(line.trim());
        }
        if !known.object.is_empty() || object.is_empty() {
            return;
        }
        known.object = object;
        let known = &self.findings[above];
        let is_same = |other: &Finding| other.is_of(known.rule) && other.object == known.object;
        let Some(same) = self.findings[..above].iter().position(is_same) else {
            return;
        };
        let known = self.findings.remove(above);
        let same = &mut self.findings[same];
        same.count += known.count;
        (same.last, same.end, same.thread) = (known.last, known.end, known.thread);
    }
}

impl Finding {
    fn is_of(&self, rule: &Rule) -> bool {
        ptr::eq(self.rule, rule)
    }

    fn json(&self) -> Words {
        words!(
            "\n{{\"by\":{},\"about\":{},\"first\":{},\"last\":{},\"count\":{},\"others\":{},\"line\":{},\"cause\":{},\"remedy\":{}}}",
            quoted(self.author.name),
            quoted(&self.object),
            self.first,
            self.last,
            self.count,
            self.others,
            quoted(&self.line),
            quoted(&self.filled(self.rule.cause)),
            quoted(&self.filled(self.rule.remedy))
        )
    }

    /// A text of the rule's, with what was taken from the line in the places of `{object}` and `{detail}`.
    fn filled(&self, text: &str) -> String {
        // Both names are looked for in one walk: the object, taken from the line, may have `{detail}` in it.
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, name, after)) = next_name(rest) {
            filled += before;
            filled += match (name, &*self.object, &*self.detail) {
                ("object", "", _) => "the application",
                ("object", object, _) => object,
                (_, _, "") => "(it does not say)",
                (_, _, detail) => detail,
            };
            rest = after;
        }
        filled += rest;
        filled
    }

    /// `told`: the number of the line whose finding has told the same remedy.
    fn write(&self, f: &mut fmt::Formatter, told: Option<u64>) -> fmt::Result {
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
        if !self.below.is_empty() {
            writeln!(f, "  {}", self.below)?;
        }
        writeln!(f, "  cause:  {}", self.filled(self.rule.cause))?;
        match told {
            Some(line) => writeln!(f, "  remedy: as for line {line}")?,
            None => writeln!(f, "  remedy: {}", self.filled(self.rule.remedy))?,
        }
        match self.others {
            0 => Ok(()),
            others => writeln!(f, "  {others} more such lines are about others."),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.write(f, None)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut told: Vec<(String, u64)> = Vec::new();
        for finding in &self.findings {
            let remedy = finding.filled(finding.rule.remedy);
            let is_long = remedy.len() > SHORT_REMEDY;
            let same = told.iter().find(|(other, _)| is_long && *other == remedy);
            finding.write(f, same.map(|(_, line)| *line))?;
            writeln!(f)?;
            told.push((remedy, finding.first));
        }
        let (explained, passed) = (self.explained, self.lines - self.explained);
        let lines = |number: u64| match number {
            1 => "1 line",
            _ => words!("{number} lines"),
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

/// `[pid 4711:tid 4712]`, as Apache begins its lines.
fn thread(line: &str) -> Option<String> {
    let (_, behind) = line.split_once("[pid ")?;
    behind
        .split_once(']')
        .map(|(thread, _)| thread.chars().take(MOST_SHOWN).collect())
}

/// Who wrote a line, and what it means by the first of this author's rules that fits. `None`: no rule fits. The line has no
/// words of visitors any more.
///
/// If rules of several authors fit, the author counts whose words begin further left: what is behind them may be what he
/// tells of. Words of [quoted](Author::is_quoted) authors count as if they began the line.
fn explained(line: &str) -> Option<(&'static Author, &'static Rule, pattern::Taken<'_>)> {
    // Words that begin further right are what a server's line tells of.
    let latest = visitors::own_words(line).unwrap_or(line.len());
    if HARMLESS
        .iter()
        .any(|pattern| pattern::taken(pattern, line).is_some())
    {
        return None;
    }
    let authors = AUTHORS
        .iter()
        .filter(|author| author.marks.iter().any(|mark| line.contains(mark)));
    let found = authors.filter_map(|author| {
        author.rules.iter().find_map(|rule| {
            let mut taken = rule.patterns.iter();
            let taken = taken.find_map(|pattern| pattern::taken(pattern, line))?;
            let rank = if author.is_quoted { 0 } else { taken.at };
            (rank <= latest).then_some((rank, (author, rule, taken)))
        })
    });
    let first = found.min_by_key(|(rank, _)| *rank);
    first.map(|(_, explained)| explained)
}

/// An object's name without what a web server puts around it: `fastcgi://unix:/run/app.sock:` is nginx's name of a socket,
/// and Apache puts `[client 127.0.0.1:1] ` in front of a file's name.
fn clean(object: &str) -> &str {
    let object = object.rsplit("] ").next().unwrap_or(object);
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

/// A text as a terminal may be shown it: escaped, on one line, and not too long.
fn shown(text: &str) -> String {
    let mut ends = text.char_indices().skip(MOST_SHOWN);
    match ends.next() {
        Some((end, _)) => one_line(&text[..end]) + " […]",
        None => one_line(text),
    }
}

/// Puts the next line into `line`, without its end, and at most [`LONGEST_LINE`] bytes of it. False at the end of the log.
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

#[cfg(test)]
mod tests;
