//! What went wrong once, or nearly: bodies that look like records, writes whose failure nobody looked at, time limits of
//! no end, an idle process that was not idle.

use crate::served::{poll, serve, serve_as};
use crate::testbed::Testbed;
use crate::wire::{ABORT_REQUEST, Ask, PATIENCE, STDOUT, record};
use ::log::Level;
use fcgi::Server;
use std::io::{Error, ErrorKind, Read, Write};
use std::sync::{Mutex, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A visitor writes the body; it must never be read as records, wherever the handler left off.
#[test]
fn a_body_that_is_a_fastcgi_request_stays_a_body_after_finish() {
    let server = serve_as(Server::new().workers(2), |req, res| {
        if req.path() == "/hook" {
            req.body().read_exact(&mut [0])?;
            return res.status(202).finish("thank you");
        }
        let user = req.param("REMOTE_USER").unwrap_or("nobody");
        res.send(format!("{} by {user}", req.path()))
    });
    let forged = Ask::get("/admin").param("REMOTE_USER", "root").keep();
    let body = [b"x".to_vec(), forged.bytes()].concat();
    let mut wire = server.connect();
    let hook = Ask::post("/hook", body).keep();
    assert_eq!(wire.ask(&hook).page(), (202, "thank you"));
    assert_eq!(
        wire.ask(&Ask::get("/next").keep()).text(),
        "/next by nobody"
    );
}

/// A record that was cut by a time limit is never gone on with.
#[test]
fn a_failed_write_that_the_handler_ignores_still_cuts_the_answer() {
    let limited = Server::new()
        .workers(1)
        .write_timeout(Duration::from_millis(100));
    let server = serve_as(limited, |_, res| {
        let mut out = res.stream()?;
        for _ in 0..100 {
            let _ = out.write_all(&[b'a'; 40_000]);
        }
        Ok(())
    });
    let mut wire = server.after(Ask::get("/").keep().bytes());
    poll("the answer to be cut", || {
        !server.lines(Level::Error).is_empty()
    });
    // What came ends in the middle of a record's content: no later one, and no END_REQUEST, lies behind it.
    let bytes = wire.bytes_until_the_end();
    let mut rest = &bytes[..];
    while let Some((header, behind)) = rest.split_first_chunk::<8>() {
        assert_eq!((header[0], header[1]), (1, STDOUT), "a header");
        let content = u16::from_be_bytes([header[4], header[5]]) as usize + header[6] as usize;
        rest = behind.get(content..).unwrap_or_default();
    }
}

#[test]
fn an_io_error_of_the_application_is_a_500_and_a_line() {
    let server =
        serve(|_, _| Err(Error::new(ErrorKind::ConnectionReset, "the database has gone").into()));
    assert_eq!(server.ask(&Ask::get("/")).status, 500);
    assert!(
        server
            .line(Level::Error, "the database has gone")
            .contains("answered 500")
    );
}

#[test]
fn a_time_limit_of_no_end_is_none() {
    let never = Duration::MAX;
    let server = Server::new()
        .workers(1)
        .first_byte_timeout(never)
        .head_timeout(never);
    let server = server
        .idle_timeout(never)
        .linger_timeout(never)
        .body_timeout(never)
        .write_timeout(never);
    let server = serve_as(server, |_, res| res.send("x"));
    let mut wire = server.connect();
    for _ in 0..3 {
        assert!(wire.is_silent());
        assert_eq!(wire.ask(&Ask::get("/").keep()).text(), "x");
    }
}

/// What an application quotes of a visitor's is one line of the log.
#[test]
fn an_error_that_quotes_the_visitor_is_one_line() {
    let server = serve(|req, _| Err(fcgi::Error::new(404, format!("no page {}", req.path()))));
    server.ask(
        &Ask::get("/")
            .param("PATH_INFO", "/a\nERROR\x1b")
            .param("REQUEST_URI", "/a%0aERROR%1b"),
    );
    let line = server.line(Level::Info, "no page");
    assert!(
        line.contains(r"no page /a\nERROR\u{1b}; answered 404"),
        "{line}"
    );
}

#[test]
fn a_panic_after_an_abort_is_logged() {
    let server = serve(|req, _| {
        let aborted = req.body().read_to_end(&mut Vec::new()).is_err();
        assert!(!aborted, "seen in the log");
        Ok(())
    });
    let aborted = [
        Ask::post("/", "xx").keep().head(),
        record(ABORT_REQUEST, 1, b""),
    ]
    .concat();
    let mut wire = server.after(aborted);
    assert!(wire.record().is_some());
    server.line(Level::Error, "after the web server gave the request up");
}

/// The worst that an idle process of a shared host can do is to be busy.
#[test]
fn after_a_time_limit_has_rung_an_idle_server_sleeps() {
    let testbed = Testbed::listening_with(&["--first-byte-timeout", "0.1", "--workers", "1"]);
    testbed.connect().assert_closed();
    let before = testbed.cpu_ticks();
    sleep(Duration::from_millis(500));
    let spent = testbed.cpu_ticks() - before;
    assert!(spent <= 10, "{spent} of 50 ticks");
}

/// The rest of a body is read away before a stop closes the connection: a plain close would lose the answer.
#[test]
fn a_stop_loses_no_answer_whose_body_is_on_its_way() {
    let (go, gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let mut server = serve_as(Server::new().workers(1), move |_, res| {
        gone.lock().unwrap().recv()?;
        res.status(413).send("too much")
    });
    let ask = Ask::post("/", vec![b'b'; 1 << 20]);
    let all = ask.bytes();
    let (first, rest) = all.split_at(ask.head().len() + 1000);
    let mut wire = server.after(first);
    assert!(wire.is_silent());
    server.stop();
    go.send(()).unwrap();
    wire.write(rest);
    assert_eq!(wire.reply(1).page(), (413, "too much"));
    drop(wire);
    assert!(server.ends_within(PATIENCE));
}

/// Requests that were sent before the stop are not without end.
#[test]
fn a_stop_does_not_wait_for_a_peer_that_never_pauses() {
    const MANY: usize = 20_000;
    let mut server = serve_as(Server::new().workers(1), |_, res| res.send("x"));
    let asks = Ask::get("/").keep().bytes().repeat(100);
    let (mut reader, mut writer) = server.connect().split();
    let writer =
        std::thread::spawn(move || (0..MANY / 100).all(|_| writer.try_write(&asks).is_ok()));
    assert_eq!(reader.reply(1).page(), (200, "x"));
    server.stop();
    let answered = std::thread::spawn(move || reader.wait_for_end());
    assert!(server.ends_within(PATIENCE));
    assert!(!writer.join().unwrap(), "all was read");
    answered.join().unwrap();
}

/// While a worker looks at an entry of the set of connections it holds the socket: another that closes it then closes
/// nothing until the first has come back from its wait (Linux 6.18). The peer sat there without an end.
#[test]
fn a_close_is_seen_at_once_whoever_waits_in_the_loop() {
    let server = serve_as(Server::new().workers(2), |_, res| res.send("unused"));
    let until = Instant::now() + Duration::from_secs(3);
    let mut runs = 0;
    // On a slow machine they are few in that time.
    while Instant::now() < until || runs <= 100 {
        let mut wire = server.connect();
        // A record that nobody asked for, a byte at a time, so that the connection waits in between; and the end. Before,
        // one of some thousand runs stood still.
        let record = [&[1, 0, 0, 1, 0xff, 0, 0, 0][..], &[0; 200]].concat();
        record.chunks(1).for_each(|byte| wire.write(byte));
        wire.end();
        let since = Instant::now();
        assert_eq!(wire.bytes_until_the_end(), b"");
        assert!(since.elapsed() < PATIENCE / 2, "run {runs}");
        runs += 1;
    }
}
