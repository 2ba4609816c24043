//! A start-up that fails: 503 at once, one log line for each try, and tries that get rarer until one succeeds.

use crate::cli::Home;
use crate::log;
use crate::served::{Served, poll, start};
use crate::wire::Ask;
use fcgi::{Error, Server};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Below the time between two tries, and far above what an answer takes.
const AT_ONCE: Duration = Duration::from_millis(950);

/// What a start-up comes to.
type Outcome = fn() -> fcgi::Result<&'static str>;

/// When a start-up began, and what it is told to come to.
type Begun = Receiver<Instant>;
type Tell = Sender<Outcome>;

/// A server whose start-up waits to be told what it comes to, and tells when it begins.
fn told(workers: usize) -> (Served, Begun, Tell) {
    let (begin, begun) = mpsc::channel();
    let (tell, told) = mpsc::channel::<Outcome>();
    let told = Mutex::new(told);
    let server = Server::new().workers(workers).responder_with(
        move || {
            begin.send(Instant::now()).unwrap();
            let outcome = told.lock().unwrap().recv().unwrap();
            outcome()
        },
        |state, req, res| match req.path() {
            "/panic" => panic!("as asked"),
            _ => res.send(*state),
        },
    );
    (start(server, Arc::default()), begun, tell)
}

/// All lines of the log that have these words.
fn lines(words: &str) -> Vec<String> {
    let lines = log::lines();
    let texts = lines.iter().map(|line| line.text.clone());
    texts.filter(|text| text.contains(words)).collect()
}

#[test]
fn tries_get_rarer_and_requests_between_are_answered_at_once() {
    let (server, begun, tell) = told(1);
    let ask = Ask::get("/");
    let mut last = None;
    for seconds in [1, 2] {
        tell.send(|| Err(Error::new(500, "no database here")))
            .unwrap();
        let (mut tried, mut later) = (None, String::new());
        let (mut asks, mut prompt) = (0, 0);
        poll("a try", || {
            let asked = Instant::now();
            let reply = server.ask(&ask);
            assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
            asks += 1;
            prompt += usize::from(asked.elapsed() < AT_ONCE);
            later = reply.field("Retry-After").unwrap().to_owned();
            tried = begun.try_recv().ok();
            tried.is_some()
        });
        assert_eq!(later, seconds.to_string());
        let tried = tried.unwrap();
        if let Some(last) = last.replace(tried) {
            let between = tried.duration_since(last);
            assert!(between > Duration::from_millis(990), "{between:?}");
            // Each of them would be late if it waited for the next try; one or the other is where the machine is busy.
            assert!(prompt * 2 > asks, "{prompt} of {asks}");
        }
        let line = format!(
            "the application's start-up failed: no database here; requests are answered 503, and the next try is in \
             {seconds} s"
        );
        assert_eq!(lines(&line).len(), 1);
    }
    assert_eq!(lines("no database here").len(), 2, "a line for each try");
    tell.send(|| Ok("made")).unwrap();
    poll("it to succeed", || server.ask(&ask).page() == (200, "made"));
    let tried = begun.try_recv().unwrap();
    assert!(tried.duration_since(last.unwrap()) > Duration::from_millis(1990));
    assert!(begun.try_recv().is_err(), "made once");
    poll("the line", || {
        !lines("start-up succeeded, after 2 in vain").is_empty()
    });
    // After a panic it is made anew at once; and that it failed before is forgotten.
    tell.send(|| Ok("made anew")).unwrap();
    assert_eq!(server.ask(&Ask::get("/panic")).status, 500);
    assert_eq!(server.ask(&ask).page(), (200, "made anew"));
    tell.send(|| Err(Error::new(500, "and away again")))
        .unwrap();
    assert_eq!(server.ask(&Ask::get("/panic")).status, 500);
    assert_eq!(server.ask(&ask).field("Retry-After"), Some("1"));
}

/// Whether it has its own status, or panics.
#[test]
fn every_kind_of_failure_counts() {
    let outcomes: [(Outcome, u16, &str); 3] = [
        (
            || Err(Error::new(404, "no such tenant")),
            404,
            "start-up failed: no such tenant; requests are answered 404",
        ),
        (
            || panic!("out of\npaper"),
            503,
            r": out of\npaper; requests are answered 503",
        ),
        (
            || Err(std::io::Error::other("no disk").into()),
            503,
            "start-up failed: no disk; requests are answered 503",
        ),
    ];
    for (outcome, status, line) in outcomes {
        let (server, begun, tell) = told(1);
        tell.send(outcome).unwrap();
        for _ in 0..3 {
            assert_eq!(server.ask(&Ask::get("/")).status, status, "{line}");
        }
        assert_eq!(begun.try_iter().count(), 1, "{line}");
        assert_eq!(lines(line).len(), 1, "{line}");
    }
}

#[test]
fn while_one_worker_tries_the_others_answer_at_once() {
    let (server, begun, tell) = told(4);
    tell.send(|| Err(Error::new(500, "away for a while")))
        .unwrap();
    assert_eq!(server.ask(&Ask::get("/")).status, 503);
    begun.recv().unwrap();
    // Asked again and again, since one of the requests has to begin the try, which then hangs.
    let mut hung = Vec::new();
    let mut begins = || {
        let tries = begun.try_recv().is_ok();
        if !tries {
            hung.push(server.after(Ask::get("/").bytes()));
        }
        tries
    };
    poll("a try", &mut begins);
    for _ in 0..5 {
        let reply = server.ask(&Ask::get("/"));
        assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("1")));
    }
    assert!(begun.try_recv().is_err());
    for _ in 0..4 {
        tell.send(|| Ok("made")).unwrap();
    }
    poll("it to succeed", || {
        server.ask(&Ask::get("/")).page() == (200, "made")
    });
}

#[test]
fn workers_that_have_a_state_serve_on() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let (enter, entered) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::new().workers(2).responder_with(
        move || match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err(Error::new(500, "one connection and no more")),
        },
        move |(), _, res| {
            enter.send(()).unwrap();
            gone.lock().unwrap().recv()?;
            res.send("served")
        },
    );
    let server = start(server, Arc::default());
    let mut first = server.after(Ask::get("/").bytes());
    entered.recv().unwrap();
    for _ in 0..3 {
        assert_eq!(server.ask(&Ask::get("/")).status, 503);
    }
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    go.send(()).unwrap();
    assert_eq!(first.reply(1).page(), (200, "served"));
}

/// As a web server has it: the process stays, and nobody has to do more than to put it right.
#[test]
fn a_program_whose_start_up_fails_stays_and_serves_when_it_is_right() {
    let home = Home::new();
    fs::create_dir(home.path().join("files")).unwrap();
    let away = home.path().join("files/away");
    fs::write(&away, "").unwrap();
    let mut testbed = home.start(&[]);
    for _ in 0..3 {
        let reply = testbed.ask(&Ask::get("/hello"));
        assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
        assert_eq!(reply.field("Retry-After"), Some("1"));
    }
    testbed.line(
        "ERROR the application's start-up failed: the database is away; requests are answered 503, and the next try \
         is in 1 s",
    );
    fs::remove_file(away).unwrap();
    poll("it to serve", || {
        testbed.ask(&Ask::get("/hello")).status == 200
    });
    testbed.line("INFO the application's start-up succeeded, after 1 in vain");
    testbed.assert_serves();
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    assert_eq!(testbed.last_lines().len(), 2);
}

/// Behind wrong settings, too: the request that finds them right is the first to try.
#[test]
fn it_is_tried_again_behind_settings_that_were_wrong() {
    let home = Home::with("wrong");
    fs::create_dir(home.path().join("files")).unwrap();
    let away = home.path().join("files/away");
    fs::write(&away, "").unwrap();
    let testbed = home.start(&[]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    testbed.line("every request is answered 503: ");
    home.set("workers 2");
    for _ in 0..3 {
        let reply = testbed.ask(&Ask::get("/hello"));
        assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("1")));
    }
    // Of the first pool and the second together.
    testbed.line("start-up failed: the database is away");
    fs::remove_file(away).unwrap();
    poll("it to serve", || {
        testbed.ask(&Ask::get("/hello")).status == 200
    });
}
