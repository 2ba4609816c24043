//! What a visitor sends, in the log and in the access log: each line is one event, whoever wrote the path. `main.rs` runs
//! it as a row behind a web server that connects and behind one that starts the program. (lighttpd 1.4.69 answers such a path
//! itself: 400.)

use std::fs;

use crate::folder::Folder;
use crate::http::{Http, request};
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::Testbed;
use crate::{Outcome, apache, ensure, nginx};

/// A line break, the beginning of a line, and what clears a terminal.
const PATH: &str = "/fail/%0a2026-01-01T00:00:00Z%20forged%1b[2J%22%c3%a9";
const AGENT: &str = "a\u{e9}\"\\forged";

pub fn behind_nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || nginx::logged(folder, testbed);
    story(report, folder, "log/access.log", "log/testbed.log", &begin);
}

pub fn under_fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        folder.write("www/.ht.app.fcgi", "access-log .ht.access.log\n")?;
        apache::fcgid_htaccess(folder, testbed)
    };
    story(
        report,
        folder,
        "www/.ht.access.log",
        "log/apache-error.log",
        &begin,
    );
}

fn story(
    report: &mut Report,
    folder: &Folder,
    access_log: &str,
    log: &str,
    begin: &dyn Fn() -> Outcome<Running>,
) {
    let Some(running) = report.check("start", begin) else {
        return;
    };
    let read = |name: &str| fs::read(folder.path(name)).unwrap_or_default();
    report.check("a path that would forge lines is a 500", || {
        forge(running.http)
    });
    report.check("the access log has one line of it, escaped", || {
        let text = until("the line", || {
            let text = String::from_utf8_lossy(&read(access_log)).into_owned();
            text.contains("/fail/").then_some(text)
        })?;
        ensure!(text.lines().count() == 1, "lines: {text:?}");
        let line = text.trim_end_matches('\n');
        ensure!(!line.contains(char::is_control), "{line:?}");
        let request =
            r#""GET /fail/%0a2026-01-01T00:00:00Z%20forged%1b[2J%22%c3%a9 HTTP/1.1" 500 "#;
        ensure!(line.contains(request), "{line}");
        let agent = r#" "-" "a\xc3\xa9\"\\forged" "#;
        ensure!(line.contains(agent), "{line}");
        Ok(())
    });
    report.check(
        "the log has one line of it, escaped, with the same id",
        || {
            let text = until("the line", || {
                let text = String::from_utf8_lossy(&read(log)).into_owned();
                text.contains("no way to ").then_some(text)
            })?;
            let told: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("forged"))
                .collect();
            ensure!(told.len() == 1, "{told:?} in {text:?}");
            ensure!(!told[0].contains(char::is_control), "{told:?}");
            let access = String::from_utf8_lossy(&read(access_log)).into_owned();
            let id = access.trim_end().rsplit(' ').next().unwrap_or_default();
            ensure!(
                told[0].contains(&format!(" ERROR {id} GET /fail/")),
                "{id}: {told:?}"
            );
            Ok(())
        },
    );
    report.check("stop", || running.stop());
}

fn forge(http: Http) -> Outcome {
    let answer = http.send(&request("GET", PATH, &[("User-Agent", AGENT)], b""))?;
    ensure!(answer.status == 500, "status {}", answer.status);
    Ok(())
}
