//! Fifty reloads of a parent and its children under load, and children that are replaced after some requests, behind nginx
//! with a connection for each request. `main.rs` runs each as a row.

use std::sync::atomic::Ordering;

use crate::family::Family;
use crate::folder::Folder;
use crate::load::under_load;
use crate::process::until;
use crate::row::Report;
use crate::testbed::{Testbed, Upstream};
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
            let mut seen = family.children();
            (0..RELOADS).try_for_each(|_| {
                until("another process serves", || {
                    let before = seen.len();
                    seen.extend(family.children());
                    (seen.len() > before).then_some(())
                })
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
