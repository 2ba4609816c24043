//! The example `stream`, server-sent events: what each web server needs so that they arrive one by one, and what becomes of
//! a visitor's worker when the visitor leaves. `main.rs` runs each as a row.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::http::{Http, Stream, request};
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::Testbed;
use crate::{Outcome, apache, ensure, lighttpd, nginx};

/// `X-Accel-Buffering: no`, which the library sends, is all that nginx needs; and it tells when a visitor leaves.
pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    passed_on(report, folder, testbed, nginx::unix, Told::AtOnce);
}

/// flushpackets=on, as printed.
pub fn apache_proxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    passed_on(report, folder, testbed, apache::proxy_tcp, Told::ByWriting);
}

pub fn apache_fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = apache::fcgid_unbuffered;
    passed_on(report, folder, testbed, start, Told::ByWriting);
}

pub fn lighttpd(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    passed_on(
        report,
        folder,
        testbed,
        lighttpd::streaming,
        Told::ByWriting,
    );
}

pub fn apache_fcgid_gathered(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    held_back(report, folder, testbed, apache::fcgid_htaccess);
}

pub fn lighttpd_gathered(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    held_back(report, folder, testbed, lighttpd::spawned);
}

type Start = fn(&Folder, &Testbed) -> Outcome<Running>;

/// How a program comes to know that the visitor has left.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    AtOnce,
    ByWriting,
}

fn passed_on(report: &mut Report, folder: &Folder, testbed: &Testbed, start: Start, told: Told) {
    let Some(running) = report.check("start", || started(folder, testbed, start)) else {
        return;
    };
    let http = running.http;
    report.check("each event arrives when it is written", || {
        one_by_one(http, folder)
    });
    report.check("who comes again gets what was missed", || {
        let mut stream = open(http, &[("Last-Event-ID", "4")])?;
        expect_event(&mut stream, "id: 8\ndata: two")
    });
    report.check("open streams cost no time", || {
        let streams = [open(http, &[])?, open(http, &[])?];
        expect_rest(folder)?;
        drop(streams);
        Ok(())
    });
    report.check("who leaves gives the worker back", || {
        // Two of the four have left before the second in which nothing was written.
        let untold = ended(folder) == 0;
        ensure!(
            told == Told::AtOnce || untold,
            "a visitor's leaving was told"
        );
        let begun = Instant::now();
        until("every stream has ended", || {
            if told == Told::ByWriting && append(folder, "more\n").is_err() {
                return Some(());
            }
            (ended(folder) == 4).then_some(())
        })?;
        // Without being told it would be at the next comment.
        let quick = begun.elapsed() < Duration::from_secs(10);
        ensure!(quick, "it took {:?}", begun.elapsed());
        Ok(())
    });
    report.check("nothing goes on after that", || expect_rest(folder));
    report.check("a visitor who leaves is no error", || expect_calm(folder));
    report.check("stop", || running.stop());
}

/// What the web server does unless it is told otherwise.
fn held_back(report: &mut Report, folder: &Folder, testbed: &Testbed, start: Start) {
    let Some(running) = report.check("start", || started(folder, testbed, start)) else {
        return;
    };
    report.check("an event is held back", || {
        let mut visitor = running.http.connect()?;
        visitor.write(&request("GET", "/events", &[], b""))?;
        append(folder, "one\n")?;
        // Two looks of the program's at the file are half as long.
        let nothing = visitor.hears_nothing_for(Duration::from_secs(2))?;
        ensure!(nothing, "it was passed on");
        Ok(())
    });
    report.check("stop", || running.stop());
}

fn started(folder: &Folder, testbed: &Testbed, start: Start) -> Outcome<Running> {
    // A line of it says that a stream has ended, in whichever process.
    let settings = format!("access-log {}\n", folder.text("log/access.log"));
    folder.write("www/.ht.app.fcgi", &settings)?;
    start(folder, &testbed.example("stream")?)
}

fn one_by_one(http: Http, folder: &Folder) -> Outcome {
    let mut stream = open(http, &[])?;
    ensure!(stream.head.status == 200, "status {}", stream.head.status);
    let kind = stream.head.header("Content-Type").to_owned();
    ensure!(kind == "text/event-stream", "it is {kind:?}");
    // The next line is written only when the one before has been read.
    append(folder, "one\n")?;
    expect_event(&mut stream, "id: 4\ndata: one")?;
    append(folder, "two\n")?;
    expect_event(&mut stream, "id: 8\ndata: two")
}

fn open(http: Http, headers: &[(&str, &str)]) -> Outcome<Stream> {
    let browser = [headers, &[("Accept", "text/event-stream")]].concat();
    let asked = request("GET", "/events", &browser, b"");
    let mut stream = http.connect()?.open(&asked)?;
    // The program says it at once; what breaks its silence would come after 15 s.
    expect_event(&mut stream, "retry: 2000")?;
    Ok(stream)
}

fn expect_event(stream: &mut Stream, event: &str) -> Outcome {
    let got = stream.until("\n\n")?;
    ensure!(got == event, "the event is {got:?}, not {event:?}");
    Ok(())
}

fn append(folder: &Folder, line: &str) -> Outcome {
    let path = folder.path("www/.ht.news");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Streams that have ended.
fn ended(folder: &Folder) -> usize {
    let log = fs::read_to_string(folder.path("log/access.log")).unwrap_or_default();
    log.matches("GET /events").count()
}

/// The program's processes take no time to speak of: one that spins takes 100 ticks a second.
fn expect_rest(folder: &Folder) -> Outcome {
    let before = ticks(folder);
    thread::sleep(Duration::from_secs(1));
    let taken = ticks(folder).saturating_sub(before);
    ensure!(taken < 25, "{taken} ticks in a second");
    Ok(())
}

/// The time that all processes of the program have taken, in hundredths of a second.
fn ticks(folder: &Folder) -> u64 {
    let program = folder.path("www/app.fcgi");
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    let ours = processes
        .flatten()
        .filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program));
    ours.filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name: state, parent and so on; the 12th and 13th are utime and stime.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<u64> = rest.split(' ').filter_map(|f| f.parse().ok()).collect();
        Some(fields.get(10)? + fields.get(11)?)
    })
    .sum()
}

fn expect_calm(folder: &Folder) -> Outcome {
    let logs = folder.tails();
    let mut lines = logs.lines();
    match lines.find(|line| line.contains("app.fcgi[") && line.contains("GET /events")) {
        Some(line) => Err(format!("the log has {line}")),
        None => Ok(()),
    }
}
