//! The file that has a line for each request: opened, written to, opened anew. Called by `access_line`, which makes the
//! lines, by `server`, and by the signal handler of `process`.
//!
//! A line is one write(2) at the end of the file, so that several processes can share it. What cannot be written is
//! lost: a full disk costs no visitor the answer.

use crate::net::sys;
use crate::net::sys::now_ms;
use crate::slot::one_line;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{self, Path};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The most bytes of a line, its end included: what a pipe takes at one stroke, too.
pub(crate) const MAX_LINE: usize = 4096;

/// How long the log is quiet after a line about lines that are lost, in ms.
const QUIET: u64 = 60_000;

#[derive(Debug)]
pub(crate) struct AccessLog {
    /// Absolute: a later `chdir` leads nowhere else.
    path: CString,
    /// The path as log lines have it.
    shown: String,
    file: File,
    /// The last line is not whole: the next one must not go on in it.
    torn: AtomicBool,
    /// How many lines are lost of which the log does not know.
    lost: AtomicU64,
    /// When the log was told, in ms of the monotonic clock; 0 if it was not.
    told: AtomicU64,
}

impl AccessLog {
    /// # Errors
    /// When the file cannot be opened, in one sentence.
    pub(crate) fn open(path: &Path) -> io::Result<AccessLog> {
        let shown = one_line(&path.display().to_string());
        let cannot = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot open the access log {shown}: {error}; name a file in a folder that there is, and that this \
                     user may write"
                ),
            )
        };
        let absolute = path::absolute(path).map_err(cannot)?;
        let path = CString::new(absolute.into_os_string().as_bytes())
            .map_err(|error| cannot(error.into()))?;
        let file = sys::open_log(&path).map_err(cannot)?;
        Ok(AccessLog {
            path,
            file: file.into(),
            torn: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            told: AtomicU64::new(0),
            shown,
        })
    }

    pub(crate) fn shown_path(&self) -> &str {
        &self.shown
    }

    /// Goes on in the file that has the path now, which is made if there is none. Async-signal-safe.
    ///
    /// # Errors
    /// When it cannot be opened: then all stays as it is.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        sys::replace(self.file.as_fd(), sys::open_log(&self.path)?)
    }

    /// Writes a line at the file's end.
    pub(crate) fn append(&self, line: &Line) {
        let bytes = match self.torn.load(Ordering::Relaxed) {
            true => &line.bytes[..line.len],
            false => &line.bytes[1..line.len],
        };
        let written = loop {
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => break written,
            }
        };
        match written {
            Ok(n) if n == bytes.len() => {
                if bytes.len() == line.len {
                    self.torn.store(false, Ordering::Relaxed);
                }
            }
            Ok(n) => {
                if n > 0 {
                    self.torn.store(true, Ordering::Relaxed);
                }
                self.lose(&"there is no room for a whole line");
            }
            Err(error) => self.lose(&error),
        }
    }

    #[cold]
    fn lose(&self, why: &dyn std::fmt::Display) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        let (told, now) = (self.told.load(Ordering::Relaxed), now_ms().max(1));
        let is_quiet = told != 0 && now < told.saturating_add(QUIET);
        let is_ours = !is_quiet
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_ours {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
            let lines = if lost == 1 { "line is" } else { "lines are" };
            // The logger is the application's: its panic must not cost a visitor the answer.
            let logged = catch_unwind(AssertUnwindSafe(|| {
                log::warn!(
                    "cannot write to the access log {}: {why}; {lost} {lines} lost; requests are answered all the same",
                    self.shown
                );
            }));
            if let Err(payload) = logged {
                // It may panic, too, when it is dropped.
                std::mem::forget(payload);
            }
        }
    }
}

/// Whether whoever asks the web server for it may be shown a log of this path: Apache serves what lies beside or below an
/// `.htaccess`, but for names that begin with `.ht`. `home` is the folder of the program.
pub(crate) fn is_served(path: &Path, home: Option<&Path>) -> bool {
    let Ok(path) = path::absolute(path) else {
        return false;
    };
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b".ht"));
    let Some(folder) = path.parent().filter(|_| !is_hidden) else {
        return false;
    };
    // Only the program's own folder is known to be the site's. A log in `~/logs` is below `~/.htaccess`, and not served.
    let in_site = folder
        .ancestors()
        .filter(|above| home.is_some_and(|home| above.starts_with(home)));
    std::iter::once(folder)
        .chain(in_site)
        .any(|folder| folder.join(".htaccess").exists())
}

/// A line in the making.
pub(crate) struct Line {
    /// A line end stands in front, in case that the line before is torn.
    bytes: [u8; MAX_LINE],
    len: usize,
}

impl Line {
    pub(crate) fn new() -> Line {
        let mut bytes = [0; MAX_LINE];
        bytes[0] = b'\n';
        Line { bytes, len: 1 }
    }

    /// Bytes of our own, as they are. What does not fit is left out.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// What may come from a stranger, within quotes: escaped as Apache does, and of what is longer than `most` bytes then,
    /// the beginning and `...`.
    pub(crate) fn push_quoted(&mut self, bytes: &[u8], most: usize) {
        self.push_escaped(bytes, most, escape);
    }

    /// As [`push_quoted`](Line::push_quoted), without quotes around it: a blank would begin the next field.
    pub(crate) fn push_word(&mut self, bytes: &[u8], most: usize) {
        let escape = |byte| match byte {
            b' ' => Escape::of(b"\\x20"),
            byte => escape(byte),
        };
        self.push_escaped(bytes, most, escape);
    }

    fn push_escaped(&mut self, bytes: &[u8], most: usize, escape: impl Fn(u8) -> Escape) {
        let end = self.len + most;
        for &byte in bytes {
            let escape = escape(byte);
            if self.len + escape.as_bytes().len() > end {
                return self.push(b"...");
            }
            self.push(escape.as_bytes());
        }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[1..self.len]).expect("printable ASCII")
    }
}

/// How a byte is written.
#[derive(Clone, Copy)]
struct Escape {
    bytes: [u8; 4],
    len: usize,
}

impl Escape {
    fn of(text: &[u8]) -> Escape {
        let mut bytes = [0; 4];
        bytes[..text.len()].copy_from_slice(text);
        Escape {
            bytes,
            len: text.len(),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// As `ap_escape_logitem` of Apache 2.4 writes it: what is no printable ASCII, a quote, a backslash.
fn escape(byte: u8) -> Escape {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => Escape::of(b"\\\""),
        b'\\' => Escape::of(b"\\\\"),
        0x20..0x7f => Escape::of(&[byte]),
        0x08 => Escape::of(b"\\b"),
        b'\n' => Escape::of(b"\\n"),
        b'\r' => Escape::of(b"\\r"),
        b'\t' => Escape::of(b"\\t"),
        0x0b => Escape::of(b"\\v"),
        _ => Escape::of(&[
            b'\\',
            b'x',
            HEX[usize::from(byte >> 4)],
            HEX[usize::from(byte & 15)],
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("fcgi-access-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn line(text: &str) -> Line {
        let mut line = Line::new();
        line.push(text.as_bytes());
        line.push(b"\n");
        line
    }

    #[test]
    fn what_a_stranger_sends_is_escaped_as_apache_does() {
        for (bytes, quoted) in [
            (&b"/plain ~path?a=b"[..], "/plain ~path?a=b"),
            (b"\"\\", r#"\"\\"#),
            (b"\x08\n\r\t\x0b", r"\b\n\r\t\v"),
            (
                b"\0\x07\x0c\x1b[31m\x7f\x80\xff",
                r"\x00\x07\x0c\x1b[31m\x7f\x80\xff",
            ),
        ] {
            let mut line = Line::new();
            line.push_quoted(bytes, 100);
            assert_eq!(line.text(), quoted);
        }
        let mut line = Line::new();
        line.push_word(b"a b\n", 100);
        assert_eq!(line.text(), r"a\x20b\n");
    }

    #[test]
    fn what_is_long_is_cut_and_no_escape_is_halved() {
        for (bytes, most, quoted) in [
            (&b"abcd"[..], 4, "abcd"),
            (b"abcde", 4, "abcd..."),
            (b"abc\x1b", 6, "abc..."),
            (b"abc\x1b", 7, r"abc\x1b"),
            (b"", 0, ""),
        ] {
            let mut line = Line::new();
            line.push_quoted(bytes, most);
            assert_eq!(line.text(), quoted);
        }
        let mut line = Line::new();
        line.push(&[b'x'; MAX_LINE - 1]);
        line.push(b"y");
        assert_eq!(line.text().len(), MAX_LINE - 1);
    }

    #[test]
    fn lines_are_appended_and_a_reopened_log_is_another_file() {
        let folder = Folder::new("reopen");
        let path = folder.0.join("log");
        let log = AccessLog::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode & !0o640, 0, "{mode:o}");
        let other = AccessLog::open(&path).unwrap();
        log.append(&line("one"));
        other.append(&line("two"));
        fs::rename(&path, folder.0.join("old")).unwrap();
        log.append(&line("three"));
        log.reopen().unwrap();
        log.append(&line("four"));
        let read = |name| fs::read_to_string(folder.0.join(name)).unwrap();
        assert_eq!(read("old"), "one\ntwo\nthree\n");
        assert_eq!(read("log"), "four\n");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        log.reopen().unwrap_err();
        log.append(&line("five"));
    }

    #[test]
    fn a_line_after_a_torn_one_begins_anew() {
        let folder = Folder::new("torn");
        let path = folder.0.join("log");
        let log = AccessLog::open(&path).unwrap();
        log.torn.store(true, Ordering::Relaxed);
        log.append(&line("one"));
        log.append(&line("two"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "\none\ntwo\n");
    }

    #[test]
    fn what_cannot_be_opened_is_one_sentence() {
        let folder = Folder::new("wrong");
        for path in [folder.0.clone(), folder.0.join("no/log")] {
            let sentence = AccessLog::open(&path).unwrap_err().to_string();
            let beginning = format!("cannot open the access log {}: ", path.display());
            assert!(sentence.starts_with(&beginning), "{sentence}");
        }
    }

    #[test]
    fn a_log_in_a_site_is_known() {
        let folder = Folder::new("served");
        let (site, logs) = (folder.0.join("site"), folder.0.join("logs"));
        fs::create_dir_all(site.join("logs")).unwrap();
        fs::create_dir(&logs).unwrap();
        fs::write(site.join(".htaccess"), "").unwrap();
        fs::write(folder.0.join(".htaccess"), "").unwrap();
        symlink(&site, folder.0.join("link")).unwrap();
        for (log, is_wrong) in [
            (site.join("access.log"), true),
            (site.join("logs/access.log"), true),
            (site.join(".ht.access.log"), false),
            (site.join("logs/.ht.access"), false),
            (logs.join("access.log"), false),
            (folder.0.join("link/access.log"), true),
        ] {
            assert_eq!(is_served(&log, Some(&site)), is_wrong, "{}", log.display());
        }
        assert!(!is_served(&site.join("logs/access.log"), None));
    }
}
