//! The request's body: streamed, read in part or not at all, too long, too slow, and read while the answer leaves.

use crate::served::{poll, serve, serve_as};
use crate::steady::steady;
use crate::wire::{self, Ask, End, PATIENCE, STDIN, STDOUT, Wire, begin, padded, record};
use fcgi::{Request, Response, Server};
use log::Level;
use std::io::{BufRead, Read, Write};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Different everywhere, so that a slip by any number of bytes shows.
fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 4);
    for i in 0..=len as u32 / 4 {
        bytes.extend_from_slice(&i.wrapping_mul(0x9e37_79b1).to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The handler of most tests here: by its path, it does something with the body and answers what it read of it.
fn app(req: &mut Request<'_>, res: Response<'_>) -> fcgi::Result {
    let n = req.query().parse().unwrap_or(0);
    match req.path() {
        "/whole" => {
            let mut body = Vec::new();
            req.body().read_to_end(&mut body)?;
            // The end stays the end.
            assert_eq!(req.body().read(&mut [0; 8])?, 0);
            assert_eq!(req.body().fill_buf()?, b"");
            res.send(body)
        }
        "/part" => {
            let mut part = vec![0; n];
            req.body().read_exact(&mut part)?;
            res.send(part)
        }
        "/look" => {
            // Looked at and not used: the first bytes, whatever has come.
            let seen = req.body().fill_buf()?[..n].to_vec();
            res.send(seen)
        }
        "/sips" => {
            let mut body = Vec::new();
            loop {
                let piece = req.body().fill_buf()?;
                let sip = piece.len().min(n);
                body.extend_from_slice(&piece[..sip]);
                if sip == 0 {
                    return res.send(body);
                }
                req.body().consume(sip);
            }
        }
        "/echo" => {
            let mut out = res.stream()?;
            std::io::copy(req.body(), &mut out)?;
            Ok(())
        }
        "/echo-lent" => {
            let mut out = res.stream()?;
            loop {
                // The bytes are held while the answer is written, and while what comes is taken in.
                let piece = req.body().fill_buf()?;
                out.write_all(piece)?;
                let used = piece.len();
                if used == 0 {
                    return Ok(());
                }
                req.body().consume(used);
            }
        }
        "/lines" => {
            let lines: Vec<_> = req.body().lines().collect::<Result<_, _>>()?;
            res.send(lines.join("|"))
        }
        _ => res.send("unread"),
    }
}

#[test]
fn a_body_is_there_as_soon_as_its_first_bytes_are() {
    let server = serve(app);
    let ask = Ask::new("POST", "/echo-lent");
    let mut wire = server.after(ask.head());
    assert_eq!(wire.record().unwrap().kind, STDOUT);
    // What is echoed gathers; the end of the body sends it.
    let server = serve(|req, res| {
        let mut out = res.stream()?;
        for line in req.body().lines() {
            writeln!(out, "{}", line?)?;
            out.flush()?;
        }
        Ok(())
    });
    let mut wire = server.after(ask.head());
    assert_eq!(wire.record().unwrap().kind, STDOUT);
    for line in ["one\n", "two\n", "three\n"] {
        wire.write(record(STDIN, 1, line.as_bytes()));
        assert_eq!(wire.record().unwrap().content, line.as_bytes());
    }
    wire.write(record(STDIN, 1, &[]));
    assert_eq!(wire.record().unwrap().content, b"");
    assert_eq!(wire.reply(1).end, End::Whole(0, 0));
}

#[test]
fn a_body_is_exact_in_records_of_any_size() {
    let server = serve(app);
    let mut wire = server.connect();
    let body = pattern(70_000);
    for (size, padding) in [
        (1, 0),
        (2, 7),
        (7, 255),
        (100, 3),
        (8_184, 0),
        (65_528, 0),
        (65_535, 1),
    ] {
        // Records of one byte are many: fewer bytes of them.
        let body = &body[..body.len().min(size * 3000)];
        for how in ["/whole", "/echo", "/echo-lent", "/sips?1000"] {
            let ask = Ask::post(how, body)
                .records_of(size)
                .padding(padding)
                .keep();
            let reply = wire.ask(&ask);
            assert!(
                reply.is_whole() && reply.body == body,
                "{how} in records of {size}"
            );
        }
    }
}

/// Large records are received as if each were as long as the one before.
#[test]
fn one_record_among_many_of_one_length_may_be_another() {
    const SIZE: usize = 32 << 10;
    let server = serve(app);
    let body = pattern(8 * SIZE);
    let in_two = |piece: &[u8], at: usize| {
        let (first, second) = piece.split_at(at);
        [record(STDIN, 1, first), record(STDIN, 1, second)].concat()
    };
    type Another<'a> = (&'a str, &'a dyn Fn(&[u8]) -> Vec<u8>);
    let others: [Another<'_>; 6] = [
        ("in two halves", &|piece| in_two(piece, SIZE / 2)),
        ("a byte short", &|piece| in_two(piece, SIZE - 1)),
        ("padded", &|piece| padded(STDIN, 1, piece, 8)),
        ("behind an empty one of nobody's", &|piece| {
            [record(STDIN, 7, &[]), record(STDIN, 1, piece)].concat()
        }),
        ("behind one of nobody's as long", &|piece| {
            [record(STDIN, 7, &[b'x'; SIZE]), record(STDIN, 1, piece)].concat()
        }),
        ("behind one of another type as long", &|piece| {
            [record(STDOUT, 1, &[b'x'; SIZE]), record(STDIN, 1, piece)].concat()
        }),
    ];
    for (what, another) in others {
        for place in 0..8 {
            let ask = Ask::new("POST", ["/whole", "/echo-lent"][place % 2]);
            let (mut stream, mut from) = (ask.keep().head(), 0);
            for (i, piece) in body.chunks(SIZE).enumerate() {
                if i == place {
                    from = stream.len();
                    stream.extend(another(piece));
                } else {
                    stream.extend(record(STDIN, 1, piece));
                }
            }
            stream.extend(record(STDIN, 1, &[]));
            stream.extend(Ask::post("/whole", "the next").bytes());
            // The other one's header comes whole, or in two.
            for cut in [0, 3, 8, 9] {
                let (first, rest) = stream.split_at(from + cut);
                let mut wire = server.after(first);
                wire.write(rest);
                let reply = wire.reply(1);
                assert!(
                    reply.is_whole() && reply.body == body,
                    "record {place} is {what}, cut at {cut}"
                );
                assert_eq!(wire.reply(1).page(), (200, "the next"));
            }
        }
    }
}

#[test]
fn sips_of_any_size_are_exact() {
    let server = serve(app);
    let mut wire = server.connect();
    let body = pattern(300);
    for sip in 1..=100 {
        let ask = Ask::post(&format!("/sips?{sip}"), &body[..]).records_of(64);
        assert_eq!(wire.ask(&ask.keep()).body, body, "sips of {sip}");
    }
}

#[test]
fn lines_may_straddle_records() {
    let server = serve(app);
    for size in [1, 3, 5, 100] {
        let ask = Ask::post("/lines", "first\nsecond\r\nthird").records_of(size);
        assert_eq!(server.ask(&ask).page(), (200, "first|second|third"));
    }
}

/// However much of a body was read, the next request on the connection is whole.
#[test]
fn an_unread_rest_does_not_disturb_the_next_request() {
    let server = serve(app);
    for (length, size) in [(10, 3), (5_000, 700), (200_000, 65_535)] {
        let body = pattern(length);
        for read in [0, 1, 2, 9, 10, 700, 4_999, 65_535, 66_000, 199_999] {
            if read > length {
                continue;
            }
            for how in ["none", "part", "look"] {
                let ask = Ask::post(&format!("/{how}?{read}"), &body[..])
                    .records_of(size)
                    .keep();
                // Of what is only looked at, so much is sure to have come.
                if how == "look" && read > size.min(700) {
                    continue;
                }
                let next = Ask::post("/whole", "the next").keep();
                let mut wire = server.connect();
                let page = if how == "none" {
                    b"unread"
                } else {
                    &body[..read]
                };
                // Written in turn, and at once.
                let reply = wire.ask(&ask);
                assert!(
                    reply.is_whole() && reply.body == page,
                    "{how} {read} of {length}"
                );
                assert_eq!(
                    wire.ask(&next).page(),
                    (200, "the next"),
                    "{how} {read} of {length}"
                );
                let mut wire = server.after([ask.bytes(), next.bytes()].concat());
                let reply = wire.reply(1);
                assert!(
                    reply.is_whole() && reply.body == page,
                    "{how} {read} of {length}"
                );
                assert_eq!(
                    wire.reply(1).page(),
                    (200, "the next"),
                    "{how} {read} of {length}"
                );
            }
        }
    }
}

#[test]
fn a_body_over_max_body_is_a_413_and_a_close_and_one_of_max_body_is_not() {
    let server = serve_as(Server::new().workers(1).max_body(1000), app);
    for how in ["/whole", "/sips?7"] {
        for (length, status) in [(999, 200), (1000, 200), (1001, 413), (100_000, 413)] {
            let ask = Ask::post(how, pattern(length)).records_of(90).keep();
            let mut wire = server.connect();
            assert_eq!(wire.ask(&ask).status, status, "{how} {length}");
            if status == 413 {
                wire.assert_closed();
            }
        }
    }
    // Not read, not counted.
    let mut wire = server.connect();
    assert_eq!(
        wire.ask(&Ask::post("/none", pattern(2000)).keep()).page(),
        (200, "unread")
    );
    let line = &server.lines(Level::Info)[0];
    assert_eq!(
        line,
        "POST /whole: the body is longer than max-body, 1000 bytes; answered 413"
    );
}

#[test]
fn a_body_that_stops_coming_is_a_408_after_body_timeout() {
    steady(Duration::from_millis(50), || {
        let limit = Duration::from_millis(150);
        let server = serve_as(Server::new().workers(1).body_timeout(limit), app);
        let ask = Ask::post("/whole", "ten bytes!");
        let stdin = ask.stdin();
        for sent in [0, 5, 12, 18, 22] {
            let start = Instant::now();
            let mut wire = server.after([ask.head(), stdin[..sent].to_vec()].concat());
            let reply = wire.reply(1);
            assert_eq!(
                reply.page(),
                (408, "408 Request Timeout\n"),
                "after {sent} bytes"
            );
            assert!(start.elapsed() >= limit);
            wire.assert_closed();
        }
        // Each byte begins the time anew.
        let start = Instant::now();
        let mut wire = server.after(ask.head());
        for byte in &stdin[..18] {
            thread::sleep(limit / 10);
            wire.write([*byte]);
        }
        wire.write(&stdin[18..]);
        assert_eq!(wire.reply(1).page(), (200, "ten bytes!"));
        assert!(start.elapsed() > limit);
        assert_eq!(server.lines(Level::Warn), [""; 0]);
    });
}

/// Broken framing in a body is an error for its reader, and the end of the connection.
#[test]
fn a_broken_record_in_the_body_is_a_400_and_never_content() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, res| {
        let mut body = Vec::new();
        let read = req.body().read_to_end(&mut body);
        tell.send((read.is_err(), body)).unwrap();
        read?;
        res.send("a page")
    });
    let broken = [b"POST / HTTP/1.1\r\n\r\n".to_vec(), begin(1, true)];
    for (i, broken) in broken.into_iter().enumerate() {
        let ask = Ask::new("POST", "/broken").keep();
        let mut wire = server.after([ask.head(), record(STDIN, 1, b"good"), broken].concat());
        let (failed, body) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((failed, &body[..]), (true, &b"good"[..]));
        assert_eq!(wire.reply(1).page(), (400, "400 Bad Request\n"));
        wire.assert_closed();
        server.assert_serves();
        let lines = server.lines(Level::Info);
        assert_eq!(lines.len(), i + 1, "{lines:?}");
        assert!(lines[i].starts_with("POST /broken: "), "{lines:?}");
    }
}

/// In both directions at once, with a web server that reads while it writes.
#[test]
fn an_echo_of_10_mib_is_exact() {
    let server = serve(app);
    let body = pattern(10 << 20);
    for how in ["/echo", "/echo-lent"] {
        let ask = Ask::post(how, &body[..]);
        let (mut wire, mut writer) = server.connect().split();
        thread::scope(|scope| {
            let bytes = ask.bytes();
            scope.spawn(move || writer.write(bytes));
            let reply = wire.reply(1);
            assert!(reply.is_whole() && reply.body == body, "{how}");
        });
    }
}

/// mod_fcgid 2.3.9 writes the whole body before it reads a byte of the answer.
#[test]
fn while_an_answer_cannot_leave_what_comes_is_taken_in() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let (begin, began) = mpsc::channel();
    let body = pattern(4 << 20);
    let page = body.clone();
    let server = serve(move |req, res| {
        begin.send(()).unwrap();
        if req.path() == "/wait" {
            gone.lock().unwrap().recv().unwrap();
            return res.send("waited");
        }
        res.send(&page)
    });
    let stdin = Ask::post("/", &body[..]).stdin();
    let fits = |path: &str| {
        let mut wire = server.after(Ask::post(path, &body[..]).head());
        // Otherwise some of the body is read together with the head, or is not.
        began.recv().unwrap();
        let fits = wire.write_what_fits(&stdin);
        (wire, fits)
    };
    // What the system holds, and what the handler's part holds, when nobody reads and nobody writes.
    let (mut wire, held) = fits("/wait");
    go.send(()).unwrap();
    assert_eq!(wire.reply(1).page(), (200, "waited"));
    drop(wire);
    let (mut wire, mut taken) = fits("/large");
    // A window is taken in; the system gives room back by whole buffers of its own.
    poll("more to be taken in", || {
        taken += wire.write_what_fits(&stdin[taken..]);
        taken > held + (16 << 10)
    });
    // It was the answer that waited.
    let reply = wire.reply(1);
    assert!(reply.is_whole() && reply.body == body);
}

/// A web server that sends its next request before it reads an answer.
#[test]
fn while_an_answer_cannot_leave_the_next_request_is_taken_in() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let (begin, began) = mpsc::channel();
    let page = pattern(4 << 20);
    let large = page.clone();
    let server = serve(move |req, res| {
        begin.send(()).unwrap();
        match req.path() {
            "/large" => res.send(&large),
            "/wait" => {
                gone.lock().unwrap().recv().unwrap();
                res.send("waited")
            }
            _ => {
                let n = std::io::copy(req.body(), &mut std::io::sink())?;
                res.send(n.to_string())
            }
        }
    });
    let next = Ask::post("/count", pattern(1 << 20)).keep().bytes();
    let fits = |path: &str| {
        let mut wire = server.after(Ask::get(path).keep().bytes());
        began.recv().unwrap();
        let fits = wire.write_what_fits(&next);
        (wire, fits)
    };
    let (mut wire, held) = fits("/wait");
    go.send(()).unwrap();
    assert_eq!(wire.reply(1).page(), (200, "waited"));
    drop(wire);
    let (mut wire, mut taken) = fits("/large");
    poll("the next request to be taken in", || {
        taken += wire.write_what_fits(&next[taken..]);
        taken > held + (16 << 10)
    });
    let reply = wire.reply(1);
    assert!(reply.is_whole() && reply.body == page);
    wire.write(&next[taken..]);
    assert_eq!(wire.reply(1).page(), (200, "1048576"));
}

#[test]
fn an_echo_to_a_web_server_that_writes_first_works_as_far_as_there_is_room() {
    let server = Server::new().workers(1).write_timeout(PATIENCE);
    let server = serve_as(server, app);
    let body = pattern(250_000);
    for how in ["/echo", "/echo-lent"] {
        let reply = server.ask(&Ask::post(how, &body[..]));
        assert!(reply.is_whole() && reply.body == body, "{how}");
    }
}

#[test]
fn an_echo_that_stands_still_ends_by_write_timeout_with_a_line_and_the_worker_serves_on() {
    let server = Server::new()
        .workers(1)
        .write_timeout(Duration::from_millis(300));
    let server = serve_as(server, app);
    server.assert_serves();
    for (i, how) in ["/echo", "/echo-lent"].into_iter().enumerate() {
        let ask = Ask::post(how, pattern(10 << 20));
        // All of it is written before anything is read: once the answer is cut, the rest is read away.
        let mut wire = server.after(ask.bytes());
        let reply = wire.reply_of_the_cut(1);
        assert_eq!((reply.status, reply.end), (200, End::Cut));
        assert!(pattern(10 << 20).starts_with(&reply.body));
        server.assert_serves();
        let lines = server.lines(Level::Error);
        assert_eq!(lines.len(), i + 1);
        assert_eq!(
            lines[i],
            format!(
                "POST {how}: the web server took no byte of the answer for 300ms, while it goes on sending a body that \
                 is not read; the answer is cut, since its head has left"
            )
        );
    }
    let count = serve(|req, res| {
        let n = std::io::copy(req.body(), &mut std::io::sink())?;
        res.send(n.to_string())
    });
    let reply = count.ask(&Ask::post("/count", pattern(10 << 20)));
    assert_eq!(
        reply.page(),
        (200, "10485760"),
        "a body that is read first is no trouble"
    );
}

#[test]
fn a_reader_that_takes_nothing_ends_by_write_timeout_with_a_line() {
    let server = Server::new()
        .workers(1)
        .write_timeout(Duration::from_millis(200));
    let server = serve_as(server, |_, res| res.send(pattern(10 << 20)));
    server.assert_serves();
    let start = Instant::now();
    let mut wire = server.after(Ask::get("/large").bytes());
    // The one worker is free again.
    server.assert_serves();
    assert!(start.elapsed() >= Duration::from_millis(200));
    let line = server.line(Level::Error, "took no byte of the answer for 200ms");
    assert!(
        line.starts_with("GET /large: ") && !line.contains("goes on sending"),
        "{line}"
    );
    assert_eq!(wire.reply_of_the_cut(1).end, End::Cut);
}

#[test]
fn a_reader_that_is_slow_gets_all() {
    steady(Duration::from_millis(100), || {
        let limit = Duration::from_millis(300);
        let page = pattern(4 << 20);
        let large = page.clone();
        let server = Server::new().workers(1).write_timeout(limit);
        let server = serve_as(server, move |_, res| res.send(&large));
        let start = Instant::now();
        let mut wire = server.after(Ask::get("/large").bytes());
        let mut body = Vec::new();
        while let Some(record) = wire.record() {
            if record.kind == wire::STDOUT {
                thread::sleep(limit / 15);
                body.extend(record.content);
            }
        }
        assert!(body.ends_with(&page));
        assert!(start.elapsed() > 2 * limit);
        assert_eq!(server.lines(Level::Warn), [""; 0]);
    });
}

/// Padding and records that are not content, in the middle of a body that is lent while the answer is written.
#[test]
fn records_between_those_of_the_body_do_not_become_content() {
    let server = serve(app);
    let ask = Ask::new("POST", "/echo-lent").keep();
    let mut stdin = Vec::new();
    let mut body = Vec::new();
    for i in 0..2000_u32 {
        let piece = pattern(i as usize % 60 + 1);
        stdin.extend(padded(STDIN, 1, &piece, (i % 256) as u8));
        stdin.extend(padded(STDIN, 2, b"of nobody", (i % 7) as u8));
        stdin.extend(padded(wire::DATA, 1, b"for filters", 0));
        body.extend(piece);
    }
    stdin.extend(record(STDIN, 1, &[]));
    let mut wire: Wire = server.after(ask.head());
    wire.write(stdin);
    let reply = wire.reply(1);
    assert!(reply.is_whole() && reply.body == body);
}
