//! Requests that nobody waits for any more: when a handler learns of it, and what is left of it.

use crate::served::serve;
use crate::wire::{
    ABORT_REQUEST, Ask, BEGIN_REQUEST, CANT_MPX_CONN, END_REQUEST, End, GET_VALUES,
    GET_VALUES_RESULT, REQUEST_COMPLETE, STDIN, STDOUT, begin, pair, record,
};
use log::Level;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn abort() -> Vec<u8> {
    record(ABORT_REQUEST, 1, &[])
}

/// HAProxy gives up a request whose visitor has left, with its body half sent.
#[test]
fn is_aborted_sees_an_abort_behind_a_body_that_nobody_reads() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, _| {
        let began = Instant::now();
        assert!(!req.is_aborted(), "not yet");
        tell.send(()).unwrap();
        while !req.is_aborted() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "it is never seen"
            );
            thread::sleep(Duration::from_millis(1));
        }
        let read = req.body().read(&mut [0; 8]).unwrap_err();
        assert_eq!(read.kind(), ErrorKind::ConnectionAborted);
        Err(fcgi::Error::new(
            500,
            "what the handler says of it is not logged",
        ))
    });
    let ask = Ask::post("/", vec![b'b'; 5000]).keep();
    let stdin = ask.stdin();
    let mut wire = server.connect();
    // Nothing of the body, its one record, and its end too; or the record's first part, behind which only its rest can come.
    let whole = stdin.len() - 8;
    for (before, after) in [
        (0, 0),
        (whole, whole),
        (stdin.len(), stdin.len()),
        (3, whole),
        (8, whole),
        (1000, whole),
    ] {
        wire.write([&ask.head(), &stdin[..before]].concat());
        told.recv().unwrap();
        wire.write([&stdin[before..after], &abort()].concat());
        let reply = wire.reply(1);
        assert_eq!(
            reply.end,
            End::Whole(0, REQUEST_COMPLETE),
            "{before} bytes of the body sent"
        );
    }
    assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    assert_eq!(server.lines(Level::Info), [""; 0], "it is everyday");
}

/// A look takes the records off a body, and nothing of it is lost.
#[test]
fn a_body_is_whole_however_often_it_was_looked_for_an_abort() {
    let server = serve(|req, res| {
        let mut body = Vec::new();
        let mut piece = [0; 700];
        loop {
            assert!(!req.is_aborted());
            let n = match body.len() % 3 {
                0 => {
                    let n = req.body().fill_buf()?.len().min(99);
                    piece[..n].copy_from_slice(&req.body().fill_buf()?[..n]);
                    req.body().consume(n);
                    n
                }
                _ => req.body().read(&mut piece)?,
            };
            if n == 0 {
                return res.send(&body);
            }
            body.extend_from_slice(&piece[..n]);
        }
    });
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i * 7 / 5) as u8).collect();
    for (size, padding) in [(1, 0), (7, 255), (1000, 1), (65_535, 0)] {
        let body = &body[..body.len().min(size * 5000)];
        let ask = Ask::post("/", body)
            .records_of(size)
            .padding(padding)
            .keep();
        let bytes = ask.bytes();
        let (mut writer, mut reader) = server.connect().split();
        let sender = thread::spawn(move || {
            for piece in bytes.chunks(4099) {
                writer.write(piece);
            }
        });
        let reply = reader.reply(1);
        assert!(reply.is_whole() && reply.body == body, "records of {size}");
        sender.join().unwrap();
    }
    server.assert_serves();
}

#[test]
fn flush_and_late_writes_see_an_abort() {
    for late_write in [false, true] {
        let (tell, told) = mpsc::channel();
        let server = serve(move |_, res| {
            let mut out = res.stream()?;
            tell.send(None).unwrap();
            let began = Instant::now();
            loop {
                assert!(
                    began.elapsed() < Duration::from_secs(10),
                    "it is never seen"
                );
                let done = match late_write {
                    true => out.write_all(b"x"),
                    false => out.flush(),
                };
                if let Err(error) = done {
                    tell.send(Some(error.kind())).unwrap();
                    return Err(error.into());
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let mut wire = server.after(Ask::post("/", "body").keep().head());
        assert_eq!(told.recv().unwrap(), None);
        wire.write(abort());
        assert_eq!(told.recv().unwrap(), Some(ErrorKind::ConnectionAborted));
        assert_eq!(wire.reply(1).end, End::Cut);
        server.assert_serves();
        assert_eq!(server.lines(Level::Info), [""; 0]);
    }
}

/// nginx closes its connection at once when the visitor leaves.
#[test]
fn a_connection_that_is_gone_is_seen_and_one_that_is_half_closed_is_answered() {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = serve(move |req, res| {
        tell.send(req.is_aborted()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        let began = Instant::now();
        let waits = req.path() == "/gone";
        while waits && !req.is_aborted() && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(1));
        }
        tell.send(req.is_aborted()).unwrap();
        res.send("an answer")
    });
    let wire = server.after(Ask::get("/gone").bytes());
    assert!(!told.recv().unwrap());
    drop(wire);
    go.send(()).unwrap();
    assert!(told.recv().unwrap(), "it is gone");

    let mut wire = server.after(Ask::get("/half").bytes());
    assert!(!told.recv().unwrap());
    wire.end();
    go.send(()).unwrap();
    assert!(!told.recv().unwrap(), "it waits for its answer");
    assert_eq!(wire.reply(1).page(), (200, "an answer"));
    server.assert_serves();
    assert_eq!(server.lines(Level::Info), [""; 0]);
}

/// Answered at the handler's next look, and not before; the request is not harmed.
#[test]
fn questions_and_further_begins_are_answered_while_a_handler_runs() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = serve(move |req, res| {
        let mut out = res.stream()?;
        gone.lock().unwrap().recv().unwrap();
        match req.query() {
            "flush" => out.flush()?,
            "look" => assert!(!req.is_aborted()),
            _ => {}
        }
        gone.lock().unwrap().recv().unwrap();
        std::io::copy(req.body(), &mut out)?;
        Ok(())
    });
    let question = record(GET_VALUES, 0, &pair("FCGI_MPXS_CONNS", ""));
    for how in ["flush", "look"] {
        let ask = Ask::post(&format!("/?{how}"), "the body").keep();
        let stdin = ask.stdin();
        let mut wire = server.after([&ask.head(), &stdin[..10]].concat());
        assert_eq!(wire.record().unwrap().id, 1, "the head");
        wire.write([&stdin[10..16], &question, &begin(9, true)].concat());
        go.send(()).unwrap();
        let values = wire.record().unwrap();
        assert_eq!((values.kind, values.id), (GET_VALUES_RESULT, 0), "{how}");
        assert_eq!(values.content, pair("FCGI_MPXS_CONNS", "0"));
        let refused = wire.record().unwrap();
        assert_eq!(
            (refused.kind, refused.id, refused.content[4]),
            (3, 9, CANT_MPX_CONN),
            "{how}"
        );
        wire.write(
            [
                record(BEGIN_REQUEST, 11, &[0, 1, 0, 0, 0, 0, 0, 0]),
                stdin[16..].to_vec(),
            ]
            .concat(),
        );
        go.send(()).unwrap();
        let refused = wire.record().unwrap();
        assert_eq!((refused.id, refused.content[4]), (11, CANT_MPX_CONN));
        let mut body = Vec::new();
        let end = loop {
            let record = wire.record().unwrap();
            match record.kind {
                STDOUT => body.extend(record.content),
                kind => break kind,
            }
        };
        assert_eq!((&body[..], end), (&b"the body"[..], END_REQUEST), "{how}");
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    }
}

/// A next request that comes before the answer to this one is left for later, whatever the handler does.
#[test]
fn a_look_leaves_the_next_request_alone() {
    let server = serve(|req, res| {
        for _ in 0..3 {
            assert!(!req.is_aborted());
        }
        res.send(req.path())
    });
    // Behind padding, and behind a record that is nobody's.
    for (padding, stray) in [(0, &[][..]), (7, &[]), (0, &record(STDIN, 1, b"late"))] {
        let asks: Vec<u8> = ["/a", "/b", "/c"]
            .iter()
            .flat_map(|path| [&Ask::get(path).keep().padding(padding).bytes(), stray].concat())
            .collect();
        for cut in 0..asks.len() {
            let mut wire = server.after(&asks[..cut]);
            wire.write(&asks[cut..]);
            for path in ["/a", "/b", "/c"] {
                let page = wire.reply(1);
                assert_eq!(
                    page.page(),
                    (200, path),
                    "padded by {padding}, {stray:?} between, cut at {cut}"
                );
            }
        }
    }
}
