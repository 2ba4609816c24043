//! Processes that run the program now, and those among them whose file has been replaced since.

use super::person::{Person, processes};
use super::{Findings, Subject, starter};
use crate::cli::words::{Words, joined, words};
use crate::net::sys;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

/// A process of the program.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    pid: u32,
    user: Words,
    is_stale: bool,
    /// Apache started it. Its mod_fcgid looks at the file before each request, and replaces processes of an older one.
    is_looked_after: bool,
}

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let file = fs::metadata(&subject.file).ok();
    let now = file.map(|found| (found.dev(), found.ino()));
    let look = |pid: u32| {
        if pid == process::id() {
            return None;
        }
        // This link can be read of processes of one's own user; by root of all.
        let link = format!("/proc/{pid}/exe");
        let path = fs::read_link(&link).ok()?;
        let is_deleted = is_of(&path, &subject.file)?;
        let its = fs::metadata(&link)
            .ok()
            .map(|found| (found.dev(), found.ino()));
        Some(Running {
            pid,
            user: Person::of_process(&pid.to_string())?.name,
            is_stale: is_stale(its == now, is_deleted)?,
            is_looked_after: starter::parent_of(&pid.to_string())
                .is_some_and(|parent| ["apache2", "httpd"].contains(&starter::name(parent))),
        })
    };
    let mut running = Vec::new();
    for pid in processes() {
        running.extend(look(pid));
    }
    judge(&running, report);
}

/// Whether a process runs this file, by the path that the kernel has for what it runs: `Some(true)` if that path says that the
/// file has been deleted or replaced since, `None` if it is another file.
fn is_of(path: &Path, file: &Path) -> Option<bool> {
    let (path, file) = (path.as_os_str().as_bytes(), file.as_os_str().as_bytes());
    let without = path.strip_suffix(b" (deleted)");
    (path == file)
        .then_some(false)
        .or_else(|| (without == Some(file)).then_some(true))
}

/// Whether the process runs an older file than the one that is there now. `None`: it runs another file that has the same path
/// and is still there, so that it is in a container, and is not told of.
fn is_stale(is_same: bool, is_deleted: bool) -> Option<bool> {
    (is_same || is_deleted).then_some(!is_same)
}

fn judge(running: &[Running], report: &mut Findings) {
    if running.is_empty() {
        return report.green(match sys::user() {
            0 => "no process of it",
            _ => "no process of it that this user can see; other users' are seen by root",
        });
    }
    let told = |is_stale: bool, is_looked_after: bool| {
        let told = running.iter().filter(|process| {
            process.is_stale == is_stale
                && (!is_stale || process.is_looked_after == is_looked_after)
        });
        let mut told = told.map(|process| words!("{} (of {})", process.pid, process.user));
        joined(&mut told, ", ")
    };
    let (now, soon_gone, stale) = (told(false, false), told(true, true), told(true, false));
    if !now.is_empty() {
        report.green(words!("process {now}"));
    }
    if !soon_gone.is_empty() {
        report.green(words!(
            "the file has been replaced: Apache starts the new one for the next request, and ends process {soon_gone}, which \
             idles"
        ));
    }
    if !stale.is_empty() {
        let pids = running
            .iter()
            .filter(|process| process.is_stale && !process.is_looked_after);
        let mut pids = pids.map(|process| words!("{}", process.pid));
        report.yellow(
            words!("the file has been replaced, and process {stale} still runs the old one"),
            words!(
                "kill {}: whoever started it starts the new one",
                joined(&mut pids, " ")
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn an_old_file_is_told_from_the_new() {
        let running = |pid, is_stale| Running {
            pid,
            user: "ada",
            is_stale,
            is_looked_after: false,
        };
        let judged = |running: &[Running]| Findings::of(|report| judge(running, report));
        let found = judged(&[running(1, false), running(2, true), running(3, true)]);
        assert_eq!(found[0].level, Level::Green);
        assert_eq!(found[0].what, "process 1 (of ada)");
        assert_eq!(found[1].level, Level::Yellow);
        assert!(
            found[1]
                .what
                .contains("process 2 (of ada), 3 (of ada) still")
        );
        assert!(found[1].remedy.starts_with("kill 2 3:"));
        assert_eq!(judged(&[]).len(), 1);
        let by_apache = Running {
            is_looked_after: true,
            ..running(4, true)
        };
        let found = judged(&[by_apache]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Green, "{found:?}");
        for (path, is_it) in [
            ("/a/b", Some(false)),
            ("/a/b (deleted)", Some(true)),
            ("/a/bc", None),
        ] {
            assert_eq!(is_of(Path::new(path), Path::new("/a/b")), is_it);
        }
        assert_eq!(is_stale(true, false), Some(false));
        assert_eq!(is_stale(false, true), Some(true));
        assert_eq!(is_stale(false, false), None);
    }
}
