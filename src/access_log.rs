//! The file that has a line for each request: opened, written to, opened anew. Called by `access_line`, which makes the
//! lines, by `server`, and by the signal handler of `process`.
//!
//! A line is one write(2) at the end of the file, so that several processes can share it. A line that cannot be written is
//! lost: a full disk costs no visitor the answer.

mod line;

use crate::log_line::warn;
use crate::log_text::one_line;
use crate::net::sys;
use crate::seldom::Seldom;
pub(crate) use line::{Line, MAX_LINE};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{self, Path};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(crate) struct AccessLog {
    /// Absolute: a later `chdir` leads nowhere else.
    path: CString,
    /// The path as log lines have it.
    shown: String,
    file: File,
    /// Whether the file's last line is not whole, so that the next one must not go on in it.
    torn: AtomicBool,
    /// Of lines that could not be written the program's own log is told.
    lost: Seldom,
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
            lost: Seldom::default(),
            shown,
        })
    }

    pub(crate) fn shown_path(&self) -> &str {
        &self.shown
    }

    /// Has the log go on in the file that lies at its path now. If there is none it is made. Async-signal-safe.
    ///
    /// # Errors
    /// When it cannot be opened. Then the log goes on in the file that it was in.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        sys::replace(self.file.as_fd(), sys::open_log(&self.path)?)
    }

    /// Writes a line at the file's end. Behind a torn one it begins with a line end.
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

    /// Tells of a line that could not be written, or not whole.
    #[cold]
    fn lose(&self, why: &dyn std::fmt::Display) {
        let Some(before) = self.lost.due() else {
            return;
        };
        let lost = before + 1;
        let lines = if lost == 1 { "line is" } else { "lines are" };
        // The logger is the application's: should it panic, that must not cost a visitor the answer.
        let logged = catch_unwind(AssertUnwindSafe(|| {
            warn!(
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

/// Whether the web server may show a log of this path to whoever asks for it. Apache serves what lies beside or below an
/// `.htaccess`, except for names that begin with `.ht`. `home` is the folder of the program.
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
    // Of the folders above only the program's own, and those in it, are known to be in the site: a log in `~/logs` lies below
    // `~/.htaccess`, too, and is not served.
    let in_site = folder
        .ancestors()
        .filter(|above| home.is_some_and(|home| above.starts_with(home)));
    std::iter::once(folder)
        .chain(in_site)
        .any(|folder| folder.join(".htaccess").exists())
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
