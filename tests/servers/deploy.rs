//! `scripts/deploy` under Apache's mod_fcgid while visitors ask: none of them sees it but by the new answers. `main.rs` runs
//! it as a row.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::folder::Folder;
use crate::http::{Http, request};
use crate::process::until;
use crate::row::Report;
use crate::testbed::Testbed;
use crate::{Outcome, apache, ensure};

/// What the two programs answer here: the testbed has no such page, the other one answers every address alike.
const PAGE: &str = "/news/today";
const OLD: (u16, &str) = (404, "not found");
const NEW: (u16, &str) = (200, "Hello, world!");

/// Requests at once, and how many there are at least before the next step.
const VISITORS: usize = 4;
const SOME: usize = 50;

/// Bytes of an answer of which a good deal is still with the program when the visitor does not read: all that lies on the way
/// holds less.
const LARGE: usize = 16 << 20;

pub fn story(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(new) = report.check("another program", || testbed.other()) else {
        return;
    };
    let Some(running) = report.check("start", || apache::fcgid_empty(folder)) else {
        return;
    };
    let http = running.http;
    report.check("the first time, with .htaccess", || {
        deploy(testbed.built(), folder)?;
        http.get(PAGE)?.expect(OLD.0, OLD.1)?;
        let printed = Command::new(folder.path("www/app.fcgi"))
            .args(["conf", "htaccess"])
            .output()
            .map_err(|e| format!("cannot run the program: {e}"))?;
        let written = fs::read(folder.path("www/.htaccess")).unwrap_or_default();
        ensure!(
            written == printed.stdout,
            ".htaccess is not what conf prints"
        );
        Ok(())
    });
    report.check(
        "under load no request fails, and the new one answers",
        || {
            for (program, before, after) in [
                (new.as_path(), OLD, NEW),
                (testbed.built(), NEW, OLD),
                (new.as_path(), OLD, NEW),
            ] {
                replaced_under_load(http, folder, program, before, after)?;
            }
            Ok(())
        },
    );
    report.check("a request of the old one is finished", || {
        deploy(testbed.built(), folder)?;
        http.get(PAGE)?.expect(OLD.0, OLD.1)?;
        // A process of the old one is at it until this visitor reads on.
        let mut slow = http.connect_narrow()?;
        slow.write(&request("GET", &format!("/bytes?n={LARGE}"), &[], b""))?;
        slow.hears()?;
        deploy(&new, folder)?;
        http.get(PAGE)?.expect(NEW.0, NEW.1)?;
        until("the slow request alone still runs", || {
            (open_connections(folder) == 1).then_some(())
        })?;
        let answer = slow.answer()?;
        ensure!(
            answer.status == 200 && answer.whole && answer.body == vec![b'x'; LARGE],
            "status {}, {} bytes, whole: {}",
            answer.status,
            answer.body.len(),
            answer.whole
        );
        Ok(())
    });
    report.check("nothing of it is left", || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder.path("www")).map_err(|e| e.to_string())? {
            let name = entry.map_err(|e| e.to_string())?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort();
        ensure!(
            names == [".htaccess", "app.fcgi", "files", "sub"],
            "there are {names:?}"
        );
        Ok(())
    });
    report.check("stop", || running.stop());
}

/// Visitors ask all the time: each gets the old answer or the new one, and the new one alone once it is in place.
fn replaced_under_load(
    http: Http,
    folder: &Folder,
    program: &Path,
    before: (u16, &str),
    after: (u16, &str),
) -> Outcome {
    let (is_placed, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (asked, renewed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let visit = || -> Outcome {
        while !is_over.load(Ordering::SeqCst) {
            let has_to_be_new = is_placed.load(Ordering::SeqCst);
            let answer = http.get(PAGE)?;
            let is_new = answer.expect(after.0, after.1);
            if has_to_be_new {
                is_new?;
                renewed.fetch_add(1, Ordering::SeqCst);
            } else if is_new.is_err() {
                answer.expect(before.0, before.1)?;
            }
            asked.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visit)).collect();
        let answered = |count: &AtomicUsize| {
            let has_failed = visitors.iter().any(|visitor| visitor.is_finished());
            (has_failed || count.load(Ordering::SeqCst) > SOME).then_some(())
        };
        let done = until("the old program answers", || answered(&asked))
            .and_then(|()| deploy(program, folder))
            .and_then(|()| {
                is_placed.store(true, Ordering::SeqCst);
                until("the new program answers", || answered(&renewed))
            });
        is_over.store(true, Ordering::SeqCst);
        for visitor in visitors {
            visitor.join().map_err(|_| "a visitor panicked")??;
        }
        done
    })
}

/// Connections of mod_fcgid to the program, by the kernel's own table: 03 is connected.
fn open_connections(folder: &Folder) -> usize {
    let sockets = folder.text("run/fcgid");
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let lines = table.lines().filter(|line| line.contains(&sockets));
    lines
        .filter(|line| line.split_whitespace().nth(5) == Some("03"))
        .count()
}

/// By whoever runs the tests; for root the folder is the web server's user's, and so has to be the program.
pub fn deploy(program: &Path, folder: &Folder) -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy");
    let ended = Command::new(script)
        .arg(program)
        .arg(folder.path("www"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run scripts/deploy: {e}"))?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(
        ended.status.success() && said.is_empty(),
        "scripts/deploy ended with {}: {said}",
        ended.status
    );
    Ok(())
}
