//! Processes that run the program now, and those among them whose file has been replaced since.

use super::person::{Person, processes};
use super::{Finding, Subject, starter};
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
    /// Apache's mod_fcgid started it: it looks at the file before each request.
    is_looked_after: bool,
}

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let file = fs::metadata(&subject.file).ok();
    let now = file.map(|found| (found.dev(), found.ino()));
    let running = processes().into_iter().filter_map(|pid| {
        if pid == process::id() {
            return None;
        }
        // Readable are those of one's own user, and all to root.
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
    });
    judge(&running.collect::<Vec<Running>>())
}

/// Whether a process that runs what has this path runs a file that has been replaced: the kernel names it so.
fn is_of(path: &Path, file: &Path) -> Option<bool> {
    let (path, file) = (path.as_os_str().as_bytes(), file.as_os_str().as_bytes());
    let without = path.strip_suffix(b" (deleted)");
    (path == file)
        .then_some(false)
        .or_else(|| (without == Some(file)).then_some(true))
}

/// `None`: another file of the same path, which is there as well: that process is in a container, and no business of ours.
fn is_stale(is_same: bool, is_deleted: bool) -> Option<bool> {
    (is_same || is_deleted).then_some(!is_same)
}

fn judge(running: &[Running]) -> Vec<Finding> {
    if running.is_empty() {
        return vec![Finding::green(match sys::user() {
            0 => "no process of it",
            _ => "no process of it that this user can see; other users' are seen by root",
        })];
    }
    let (stale, now): (Vec<_>, Vec<_>) = running.iter().partition(|process| process.is_stale);
    let (soon_gone, stale): (Vec<_>, Vec<_>) = stale
        .into_iter()
        .partition(|process| process.is_looked_after);
    let told = |running: &[&Running]| {
        let told = running.iter();
        let mut told = told.map(|process| words!("{} (of {})", process.pid, process.user));
        joined(&mut told, ", ")
    };
    let mut findings = Vec::new();
    if !now.is_empty() {
        findings.push(Finding::green(words!("process {}", told(&now))));
    }
    if !soon_gone.is_empty() {
        findings.push(Finding::green(words!(
            "the file has been replaced: Apache starts the new one for the next request, and ends process {}, which idles",
            told(&soon_gone)
        )));
    }
    if !stale.is_empty() {
        let mut pids = stale.iter().map(|process| words!("{}", process.pid));
        findings.push(Finding::yellow(
            words!(
                "the file has been replaced, and process {} still runs the old one",
                told(&stale)
            ),
            words!(
                "kill {}: whoever started it starts the new one",
                joined(&mut pids, " ")
            ),
        ));
    }
    findings
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
        let found = judge(&[running(1, false), running(2, true), running(3, true)]);
        assert_eq!(found[0], Finding::green("process 1 (of ada)"));
        assert_eq!(found[1].level, Level::Yellow);
        assert!(
            found[1]
                .what
                .contains("process 2 (of ada), 3 (of ada) still")
        );
        assert!(found[1].remedy.starts_with("kill 2 3:"));
        assert_eq!(judge(&[]).len(), 1);
        let by_apache = Running {
            is_looked_after: true,
            ..running(4, true)
        };
        let found = judge(&[by_apache]);
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
