//! Fifty reloads of a parent and its children under load, and children that are replaced after some requests, behind nginx
//! with a connection for each request. `main.rs` runs each as a row.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

use crate::folder::Folder;
use crate::load::under_load;
use crate::process::{signal, until};
use crate::row::Report;
use crate::testbed::{Program, Testbed, Upstream};
use crate::{Outcome, ensure, nginx};

const RELOADS: usize = 50;

/// Visitors that ask one thing after the other, each with another one in mind.
const VISITORS: [&str; 4] = [
    "/hello",
    "/sleep?ms=20",
    "/bytes?n=300000",
    "/chunks?n=3&ms=10",
];

/// By SIGHUP.
pub fn story(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let reloads = |family: &Family| (0..RELOADS).try_for_each(|_| family.reload());
    told(report, folder, testbed, &[], "fifty reloads", reloads);
}

/// By `--max-requests`.
pub fn recycling(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let flags = ["--max-requests", "20"];
    told(
        report,
        folder,
        testbed,
        &flags,
        "fifty successors",
        |family| {
            let mut seen = BTreeSet::new();
            until("fifty processes have served", || {
                seen.extend(family.children());
                (seen.len() > RELOADS).then_some(())
            })
        },
    );
}

fn told(
    report: &mut Report,
    folder: &mut Folder,
    testbed: &Testbed,
    flags: &[&str],
    what: &str,
    change: impl Fn(&Family) -> Outcome + Sync,
) {
    let upstream = Upstream::unix(folder);
    let Some((family, running)) = report.check("start", || {
        let program = testbed.install(folder, "www/app.fcgi")?;
        let family = Family::start(folder, &program, &upstream, flags)?;
        let running = nginx::before(folder, &program, upstream, &[], "", Vec::new())?;
        Ok((family, running))
    }) else {
        return;
    };
    report.check(&format!("no request is refused or cut by {what}"), || {
        under_load(running.http, &VISITORS, |answered| {
            change(&family)?;
            let answered = answered.load(Ordering::Relaxed);
            ensure!(answered > 4 * RELOADS, "{answered} requests were answered");
            Ok(())
        })
    });
    report.check("stop", || running.stop());
}

/// A parent without a terminal, at which SIGHUP would be a hang-up, and so not in a group of this process.
struct Family {
    parent: Child,
    log: PathBuf,
}

impl Family {
    fn start(
        folder: &Folder,
        program: &Program,
        upstream: &Upstream,
        flags: &[&str],
    ) -> Outcome<Family> {
        let log = folder.path("log/testbed.log");
        let file =
            File::create(&log).map_err(|e| format!("cannot write {}: {e}", log.display()))?;
        let mut command = Command::new("setsid");
        command
            .arg(&program.path)
            .args(["--listen", &upstream.listen(), "--processes", "2"])
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

    fn told(&self, words: &str) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|log| log.contains(words))
    }

    fn children(&self) -> BTreeSet<u32> {
        let pid = self.parent.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        text.unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// Waits until others serve, and those before have ended.
    fn reload(&self) -> Outcome {
        let before = self.children();
        signal("HUP", self.parent.id());
        until("other children serve alone", || {
            let now = self.children();
            (now.len() == 2 && now.is_disjoint(&before)).then_some(())
        })
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        signal("TERM", self.parent.id());
        let _ = self.parent.wait();
    }
}
