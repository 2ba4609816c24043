//! The log lines of signal handlers, which may call no logger and allocate nothing. Called by those of `process`.

use super::Process;
use crate::accept::Cut;
use crate::access_log::AccessLog;
use crate::date::Utc;
use crate::decimal::Decimal;
use crate::net::sys;
use crate::slot::Line;
use log::Level;
use std::io::{self, ErrorKind, Write};
use std::time::SystemTime;

/// What signal handlers say. All of it is async-signal-safe.
impl Process {
    /// Opens an access log anew, and says how that went.
    pub(super) fn reopen(&self, log: &AccessLog) {
        let path = log.shown_path().as_bytes();
        match log.reopen() {
            Ok(()) => self.say(
                Level::Info,
                &[b"SIGHUP: the access log ", path, b" is open anew"],
            ),
            Err(error) => {
                let number = Decimal::of(error.raw_os_error().unwrap_or(0).unsigned_abs().into());
                let parts = [
                    b"SIGHUP: cannot open the access log ",
                    path,
                    b" anew (",
                    in_words(error.kind()),
                    b"os error ",
                    number.as_bytes(),
                    b"); it goes on in the file that it was",
                ];
                self.say(Level::Error, &parts);
            }
        }
    }

    /// `the time to stop is over; cut after 12 s: 4711-12 GET /report`
    pub(super) fn tell_cut(&self, request: &Line, seconds: u64) {
        let seconds = Decimal::of(seconds);
        let pid = Decimal::of(std::process::id().into());
        let number = Decimal::of(request.number());
        let parts = [
            b"the time to stop is over; cut after ",
            seconds.as_bytes(),
            b" s: ",
            pid.as_bytes(),
            b"-",
            number.as_bytes(),
            b" ",
            request.as_bytes(),
        ];
        self.say(Level::Error, &parts);
    }

    /// Of requests that no worker had taken up, nothing but their number is known.
    pub(super) fn tell_unanswered(&self, cut: Cut) {
        if cut.waiting > 0 {
            let count = Decimal::of(cut.waiting as u64);
            let parts = [
                b"the time to stop is over; cut unanswered: ",
                count.as_bytes(),
                b" that waited for a worker or for the rest of a request",
            ];
            self.say(Level::Error, &parts);
        }
        if cut.backlog {
            let line = b"the time to stop is over; cut unanswered: what nobody had accepted yet";
            self.say(Level::Error, &[line]);
        }
    }

    /// Writes a line of these parts, in the form of the command line's log: a signal handler may not call a logger.
    pub(super) fn say(&self, level: Level, parts: &[&[u8]]) {
        if level > log::max_level() {
            return;
        }
        let mut text = Text::default();
        let now = Utc::of(SystemTime::now());
        // Formatting numbers into an array neither locks nor allocates.
        let _ = write!(text, "{now} {}[{}] {level} ", self.name, std::process::id());
        parts.iter().for_each(|part| text.push(part));
        text.end();
        sys::write_quietly(2, &text.bytes[..text.len]);
    }
}

/// Why a file cannot be opened, for a signal handler: the system's own words for it take memory.
fn in_words(kind: ErrorKind) -> &'static [u8] {
    match kind {
        ErrorKind::PermissionDenied => b"its user may not write it, ",
        ErrorKind::NotFound => b"there is no such folder, ",
        ErrorKind::IsADirectory => b"it is a folder, ",
        ErrorKind::ReadOnlyFilesystem => b"nothing can be written there, ",
        _ => b"",
    }
}

/// A line in an array, so that it needs no memory of the heap. What does not fit is cut.
struct Text {
    bytes: [u8; 512],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            bytes: [0; 512],
            len: 0,
        }
    }
}

impl Text {
    fn push(&mut self, part: &[u8]) {
        // The last byte is the line's end.
        let room = self.bytes.len() - 1 - self.len;
        let part = &part[..part.len().min(room)];
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn end(&mut self) {
        self.bytes[self.len] = b'\n';
        self.len += 1;
    }
}

impl Write for Text {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.push(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
