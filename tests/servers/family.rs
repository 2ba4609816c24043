//! A parent and its children, as `--processes` makes them: started, reloaded, stopped, killed. The rows about reloads and
//! about several machines start them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::Outcome;
use crate::folder::Folder;
use crate::process::{signal, signal_all, until};
use crate::testbed::{Program, Upstream};

/// A parent without a terminal, at which SIGHUP would be a hang-up, and so not in a group of this process.
pub struct Family {
    parent: Child,
    log: PathBuf,
}

impl Family {
    /// Two processes on that address.
    pub fn start(
        folder: &Folder,
        program: &Program,
        upstream: &Upstream,
        flags: &[&str],
    ) -> Outcome<Family> {
        let listen = upstream.listen();
        let all = [&["--listen", &listen, "--processes", "2"], flags].concat();
        Family::start_as(folder, program, &all, "log/testbed.log")
    }

    /// With these flags and no others.
    pub fn start_as(
        folder: &Folder,
        program: &Program,
        flags: &[&str],
        log: &str,
    ) -> Outcome<Family> {
        let log = folder.path(log);
        let file =
            File::create(&log).map_err(|e| format!("cannot write {}: {e}", log.display()))?;
        let mut command = Command::new("setsid");
        command
            .arg(&program.path)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        folder.give_up_root(&mut command);
        let parent = command
            .spawn()
            .map_err(|e| format!("cannot start setsid: {e}"))?;
        let family = Family { parent, log };
        until("the children serve", || {
            family.told("processes serve").then_some(())
        })?;
        Ok(family)
    }

    pub fn told(&self, words: &str) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|log| log.contains(words))
    }

    pub fn children(&self) -> BTreeSet<u32> {
        let pid = self.parent.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        text.unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// Waits until others serve, and those before have ended.
    pub fn reload(&self) -> Outcome {
        let before = self.children();
        signal("HUP", self.parent.id());
        until("other children serve alone", || {
            let now = self.children();
            (now.len() == before.len() && now.is_disjoint(&before)).then_some(())
        })
    }

    /// Asks it to stop, and waits.
    pub fn stop(&mut self) -> Outcome<ExitStatus> {
        signal("TERM", self.parent.id());
        self.end()
    }

    /// As a machine that loses its power: parent and children at once.
    pub fn kill(&mut self) -> Outcome<ExitStatus> {
        signal_all("KILL", &self.pids());
        self.end()
    }

    /// As a machine that stands still: its kernel takes connections, and nobody answers.
    pub fn freeze(&self) {
        signal_all("STOP", &self.pids());
    }

    pub fn thaw(&self) {
        signal_all("CONT", &self.pids());
    }

    fn pids(&self) -> Vec<u32> {
        let parent = [self.parent.id()].into_iter();
        parent.chain(self.children()).collect()
    }

    fn end(&mut self) -> Outcome<ExitStatus> {
        until("the parent ends", || self.parent.try_wait().ok().flatten())
    }
}

impl Drop for Family {
    /// Nothing of it has been reaped unless it has ended.
    fn drop(&mut self) {
        if let Ok(None) = self.parent.try_wait() {
            self.thaw();
            signal("TERM", self.parent.id());
            let _ = self.parent.wait();
        }
    }
}
