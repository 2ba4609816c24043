//! The log of a program that sets up no logger of its own: a line for each event, on fd 2, which every web server that starts
//! programs writes to its own error log. Called by whatever in `cli` begins to serve.
//!
//! A line is `2026-11-21T01:02:03Z app.fcgi[4711] WARN text`. The time is written here: env_logger would need another crate
//! for it.

use crate::date::Utc;
use crate::net::sys::{self, Wait};
use env_logger::Target;
use log::LevelFilter;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Starts the log, or changes its level if it is started already. Without a level, `RUST_LOG` counts. An application that has
/// set a logger of its own keeps it.
pub(super) fn start(level: Option<LevelFilter>) {
    static IS_OURS: OnceLock<bool> = OnceLock::new();
    let filters = std::env::var("RUST_LOG").ok().filter(|_| level.is_none());
    let is_ours = *IS_OURS.get_or_init(|| begin(filters.as_deref()));
    if is_ours && filters.is_none() {
        log::set_max_level(level.unwrap_or(LevelFilter::Info));
    }
}

/// Sets the logger. Returns whether it is ours.
fn begin(filters: Option<&str>) -> bool {
    let mut builder = env_logger::Builder::new();
    match filters {
        Some(filters) => builder.parse_filters(filters),
        // Without filters the level is `set_max_level`'s, which can change when the settings file is read later.
        None => builder.filter_level(LevelFilter::Trace),
    };
    builder.target(Target::Pipe(Box::new(Log::default())));
    builder.format(|to, record| {
        let line = Line(record.level(), record.args().to_string());
        writeln!(to, "{line}")
    });
    builder.try_init().is_ok()
}

/// Fd 2. It may be a pipe that nobody reads, or not now: whoever started the program may wait for its end before he reads, or
/// the reader hangs. Lines are lost then, for a worker that waited for the reader would answer nobody.
#[derive(Default)]
struct Log {
    /// How many lines were lost since there was room last.
    lost: u64,
}

/// So long a line waits for a reader who is busy with something else.
const READER_LIMIT: Duration = Duration::from_millis(300);

/// A pipe that poll(2) says has room takes so many bytes without waiting.
const PIPE_BUF: usize = 4096;

impl Log {
    /// Writes a line, if there is room. The first line for which there is none waits a while; those behind it do not.
    fn say(&mut self, line: &[u8]) {
        let limit = match self.lost {
            0 => READER_LIMIT,
            _ => Duration::ZERO,
        };
        if !has_room(limit) {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let text = format!(
                "{} log lines were lost here: whoever reads this did not",
                self.lost
            );
            self.lost = 0;
            let _ = writeln!(io::stderr(), "{}", Line(log::Level::Warn, text));
        }
        for piece in line.chunks(PIPE_BUF) {
            if !has_room(READER_LIMIT) {
                self.lost = 1;
                return;
            }
            let _ = io::stderr().write_all(piece);
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there is room in fd 2 within this time. If that cannot be asked, it is tried.
fn has_room(limit: Duration) -> bool {
    let wait = Wait {
        writable: true,
        readable: false,
    };
    let came = sys::poll([(io::stderr().as_fd(), wait)], Some(limit));
    came.map_or(true, |[came]| came.writable)
}

/// One event as one line, whatever its text: a panic's message may have several lines, and what a visitor sends could have a
/// line in it that looks like an event.
struct Line(log::Level, String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(level, text) = self;
        let now = Utc::of(SystemTime::now());
        write!(f, "{now} {}[{}] {level} ", name(), process::id())?;
        for part in text.split_inclusive(char::is_control) {
            match part.char_indices().next_back() {
                Some((at, last)) if last.is_control() => {
                    write!(f, "{}{}", &part[..at], last.escape_default())?;
                }
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// The program's name: on a shared host several programs write to one log.
fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| crate::log_text::one_line(&super::program::name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let line = Line(log::Level::Warn, "a\nb\r\u{1b}[31m\tü".into()).to_string();
        let (head, text) = line.split_once(" WARN ").unwrap();
        assert_eq!(text, r"a\nb\r\u{1b}[31m\tü");
        let (time, process) = head.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-11-21T01:02:03Z".len());
        assert_eq!(process, format!("{}[{}]", name(), std::process::id()));
    }
}
