//! The answer: its head and what is refused there, its body whole and streamed, its end under all circumstances.

use crate::served::{Served, poll, serve, serve_as};
use crate::wire::{Ask, END_REQUEST, End, PATIENCE, STDOUT, Wire};
use fcgi::testing::request;
use fcgi::{Error, Server};
use log::Level;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Mutex, mpsc};

/// The most content of a record that we send: full records need no padding.
const FULL: usize = 65_528;

/// Different everywhere, so that a slip by any number of bytes shows.
fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 4);
    for i in 0..=len as u32 / 4 {
        bytes.extend_from_slice(&i.wrapping_mul(0x9e37_79b1).to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn names_and_values_that_are_not_legal_are_a_500_and_split_nothing() {
    let answer = |name: &str, value: &[u8]| {
        request("GET", "/")
            .call(|_, res| res.header("Before", "1").header(name, value).send("a page"))
    };
    let names = [
        "",
        "Two Words",
        "Colon:",
        "New\nLine",
        "Carriage\r",
        "Nul\0",
        "Ümlaut",
        "Tab\t",
        "(x)",
    ];
    let values: [&[u8]; 8] = [
        b"x\r\nSet-Cookie: a=1",
        b"x\r\n\r\n<script>",
        b"x\ny",
        b"x\ry",
        b"\0",
        b"\x01",
        b"\x1b[31m",
        b"\x7f",
    ];
    let names = names.map(|name| (name, &b"x"[..]));
    let values = values.map(|value| ("X-Name", value));
    for (name, value) in names.into_iter().chain(values) {
        let answer = answer(name, value);
        let page = (answer.status(), answer.text());
        assert_eq!(page, (500, "500 Internal Server Error\n"), "{answer:?}");
        let fields: Vec<_> = answer.headers().map(|(name, _)| name).collect();
        assert_eq!(fields, ["Content-Type", "Content-Length"]);
        let why = answer.error().unwrap();
        assert!(why.contains("is refused"), "{why}");
        assert!(!why.contains(['\n', '\r', '\0', '\x1b']), "{why:?}");
    }
    for value in [&b""[..], b" padded ", b"a\tb", b"caf\xc3\xa9", b"\xe9\xff"] {
        let answer = answer("X-Name", value);
        // As every reader of a head, the web server's part trims.
        let came = answer.header_bytes("X-Name").unwrap();
        assert_eq!((answer.status(), came), (200, value.trim_ascii()));
    }
}

#[test]
fn the_first_refused_field_is_the_error() {
    let answer = request("GET", "/").call(|_, res| {
        let res = res.header("First ", "x").header("Second ", "x").status(99);
        res.header("Fine", "x").send("")
    });
    assert_eq!(answer.status(), 500);
    let why = answer.error().unwrap();
    assert!(why.contains("First") && !why.contains("Second"), "{why}");
}

/// mod_fcgid 2.3.9 serves the page of that path itself then, HAProxy 2.6 makes a redirect of it, others pass it on.
#[test]
fn a_location_with_status_200_is_a_500_and_with_any_other_fine() {
    for (status, answered) in [(200, 500), (201, 201), (202, 202), (301, 301), (308, 308)] {
        let answer =
            request("GET", "/").call(|_, res| res.header("location", "/x").status(status).send(""));
        assert_eq!(answer.status(), answered, "{answer:?}");
        let location = (answered == status).then_some("/x");
        assert_eq!(answer.header("Location"), location);
    }
    let unset = request("GET", "/").call(|_, res| res.header("Location", "/x").send(""));
    let why = unset.error().unwrap();
    assert_eq!(unset.status(), 500);
    assert!(
        why.contains("Location") && why.contains("redirect"),
        "{why}"
    );
    let page = request("GET", "/").call(|_, res| {
        let _ = res.header("Location", "/x").status(302);
        Err(Error::new(404, "no such page"))
    });
    assert_eq!((page.status(), page.header("Location")), (404, None));
}

#[test]
fn fields_keep_their_order_and_may_repeat() {
    let server = serve(|_, res| {
        res.header("Set-Cookie", "a=1")
            .content_type("text/html")
            .header("Set-Cookie", "b=2; HttpOnly")
            .send("")
    });
    let reply = server.ask(&Ask::get("/"));
    let names: Vec<_> = reply.fields.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(
        names,
        ["Set-Cookie", "Content-Type", "Set-Cookie", "Content-Length"]
    );
    assert_eq!(reply.values("set-cookie"), ["a=1", "b=2; HttpOnly"]);
}

/// HAProxy refuses more than 100 fields.
#[test]
fn a_head_has_at_most_100_fields() {
    let server = serve(|req, res| {
        let count: usize = req.query().parse()?;
        let res = (0..count).fold(res, |res, i| res.header(&format!("X-{i}"), "v"));
        match req.path() {
            "/stream" => res.stream()?.write_all(b"page").map_err(Error::from),
            // Content-Length is one of them.
            _ => res.send("page"),
        }
    });
    for (target, status) in [
        ("/send?99", 200),
        ("/send?100", 500),
        ("/stream?100", 200),
        ("/stream?101", 500),
    ] {
        let reply = server.ask(&Ask::get(target));
        assert_eq!(reply.page().0, status, "{target}");
        assert_eq!(reply.fields.len(), if status == 200 { 100 } else { 2 });
    }
    assert!(server.lines(Level::Error)[0].contains("more than 100 fields"));
}

/// Apache's modules refuse more than 8 KiB, nginx by default more than 4.
#[test]
fn a_head_has_at_most_8_kib_and_a_warning_above_4() {
    let server = serve(|req, res| {
        let length: usize = req.query().parse()?;
        let res = res.header("X-Long", "v".repeat(length / 2));
        res.header("X-Long", "v".repeat(length - length / 2))
            .send("")
    });
    for (length, status, warnings) in [
        (4000, 200, 0),
        (4100, 200, 1),
        (8100, 200, 2),
        (8200, 500, 3),
    ] {
        let reply = server.ask(&Ask::get(&format!("/?{length}")));
        assert_eq!(reply.page().0, status, "{length} bytes");
        let lines = server.lines(Level::Warn);
        let warned = lines
            .iter()
            .filter(|line| line.contains("more than 4096 bytes"));
        assert_eq!(warned.count(), warnings, "{length} bytes: {lines:?}");
    }
    assert!(server.lines(Level::Error)[0].contains("more than 8192 bytes"));
}

#[test]
fn a_content_length_may_be_set_and_has_to_be_right() {
    let server = serve(|req, res| {
        let res = res.header("Content-Length", req.query());
        match req.path() {
            "/twice" => res.header("content-length", "4").send("page"),
            "/stream" => Ok(res.stream()?.write_all(b"page")?),
            _ => res.send("page"),
        }
    });
    for target in ["/send?4", "/twice?4", "/stream?4", "/send?0004"] {
        let reply = server.ask(&Ask::get(target));
        assert_eq!(reply.page(), (200, "page"), "{target}");
        assert_eq!(reply.field("Content-Length"), Some("4"), "{target}");
    }
    for target in [
        "/send?3",
        "/send?5",
        "/twice?5",
        "/send?+4",
        "/send?4,4",
        "/send? 4",
    ] {
        assert_eq!(server.ask(&Ask::get(target)).page().0, 500, "{target}");
    }
    // A HEAD may say how long the page would be without writing it.
    let reply = server.ask(&Ask::new("HEAD", "/send?12"));
    assert_eq!(
        (reply.page(), reply.field("Content-Length")),
        ((200, ""), Some("12"))
    );
}

#[test]
fn an_error_before_the_head_has_left_is_a_page_of_its_status() {
    let server = serve(|req, res| match req.path() {
        "/plain" => Err(Error::new(403, "not you")),
        // What was set and sent is gathered, and taken back.
        "/taken-back" => {
            res.status(201).header("X-Secret", "x").send("secret")?;
            Err(Error::new(404, "after all not"))
        }
        "/any" => Err("x".parse::<u32>().unwrap_err().into()),
        "/no-error" => Err(Error::new(200, "")),
        _ => Err(Error::from(io::Error::from(ErrorKind::NotFound)).with_status(404)),
    });
    let table = [
        ("/plain", "403 Forbidden\n"),
        ("/taken-back", "404 Not Found\n"),
        ("/any", "500 Internal Server Error\n"),
        ("/no-error", "500 Internal Server Error\n"),
        ("/io", "404 Not Found\n"),
    ];
    let mut wire = server.connect();
    for (path, page) in table {
        let reply = wire.ask(&Ask::get(path).keep());
        assert_eq!(reply.text(), page, "{path}");
        assert_eq!(reply.page().0.to_string(), page[..3]);
        assert_eq!(reply.fields.len(), 2, "{path}");
        assert_eq!(
            reply.field("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
    }
    // 5xx are errors, 4xx are for information.
    let errors = server.lines(Level::Error);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].starts_with("GET /any: invalid digit") && errors[0].ends_with("answered 500")
    );
    assert_eq!(server.lines(Level::Info).len(), table.len());
}

#[test]
fn an_error_after_the_head_has_left_cuts_the_answer() {
    let server = serve(|_, res| {
        let mut body = res.stream()?;
        body.write_all(b"part")?;
        body.flush()?;
        body.write_all(b"not flushed")?;
        Err(Error::new(503, "the rest is missing"))
    });
    for ask in [Ask::get("/half"), Ask::get("/half").keep()] {
        let mut wire = server.connect();
        let reply = wire.ask(&ask);
        assert_eq!(
            (reply.status, reply.text(), reply.end),
            (200, "part", End::Cut)
        );
        wire.assert_closed();
    }
    let lines = server.lines(Level::Error);
    assert_eq!(lines.len(), 2);
    let line = "GET /half: the rest is missing; the answer is cut, since its head has left";
    assert_eq!(lines[0], line);
}

#[test]
fn not_answering_is_a_logged_500() {
    let server = serve(|_, _| Ok(()));
    let reply = server.ask(&Ask::get("/forgotten"));
    assert_eq!(reply.page(), (500, "500 Internal Server Error\n"));
    let line = server.line(Level::Error, "without answering");
    assert!(line.starts_with("GET /forgotten: "), "{line}");
}

/// Head, body and end in one write, which is one segment for the web server to read.
#[test]
fn a_small_answer_is_one_record_and_its_end() {
    let server = serve(|_, res| res.content_type("text/plain").send("Hello, world!"));
    let mut wire = server.after(Ask::get("/").bytes());
    poll("the answer", || !wire.is_silent());
    let kinds: Vec<_> = std::iter::from_fn(|| wire.record())
        .map(|r| (r.kind, r.content.len()))
        .collect();
    let head = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n".len();
    assert_eq!(kinds, [(STDOUT, head + 13), (STDOUT, 0), (END_REQUEST, 8)]);
}

/// Around every size at which it is done in another way: the output buffer, a full record, what one system call takes.
#[test]
fn large_bodies_are_exact_at_every_size_around_the_edges() {
    let data = pattern((4 << 20) + 64);
    let whole = data.clone();
    let server = serve(move |req, res| {
        let n: usize = req.query().parse()?;
        match req.path() {
            "/send" => res.send(&data[..n]),
            "/finish" => res.finish(&data[..n]),
            _ => Ok(res.stream()?.write_all(&data[..n])?),
        }
    });
    let mut wire = server.connect();
    let edges = [
        32 << 10,
        64 << 10,
        FULL,
        2 * FULL,
        1 << 20,
        2 << 20,
        18 * FULL,
        19 * FULL,
        4 << 20,
    ];
    for how in ["send", "finish", "stream"] {
        for edge in edges {
            // The head lies in front of it in the output buffer, and takes about 70 bytes.
            let before = if edge == 32 << 10 { 200 } else { 9 };
            let step = if edge > 200_000 { 3 } else { 1 };
            for n in (edge - before..edge + 10).step_by(step) {
                let reply = wire.ask(&Ask::get(&format!("/{how}?{n}")).keep());
                assert!(
                    reply.is_whole() && reply.body == whole[..n],
                    "{how} of {n} bytes"
                );
                assert!(
                    reply.sizes.iter().all(|&size| size <= FULL),
                    "{how} of {n} bytes"
                );
                // A record for the head and one for each full piece, and no crumbs.
                assert!(
                    reply.sizes.len() <= n.div_ceil(FULL) + 2,
                    "{how} of {n} bytes"
                );
            }
        }
    }
}

#[test]
fn a_stream_of_odd_pieces_is_exact() {
    let data = pattern(3 << 20);
    let whole = data.clone();
    let server = serve(move |req, res| {
        let mut random: u32 = req.query().parse()?;
        let (mut body, mut rest) = (res.stream()?, &data[..]);
        while !rest.is_empty() {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Mostly small, some large; now and then a flush, or nothing at all.
            let most = [1, 300, 40_000, 200_000][random as usize >> 8 & 3];
            let n = (random as usize >> 12) % (most + 1);
            let (piece, after) = rest.split_at(n.min(rest.len()));
            body.write_all(piece)?;
            if random >> 28 == 0 {
                body.flush()?;
            }
            rest = after;
        }
        Ok(())
    });
    for seed in 1..=8 {
        let reply = server.ask(&Ask::get(&format!("/?{seed}")));
        assert!(reply.is_whole() && reply.body == whole, "seed {seed}");
    }
}

#[test]
fn the_head_leaves_with_stream_and_each_flush_is_one_record_now() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let server = serve(move |_, res| {
        let go_on = || gone.lock().unwrap().recv().unwrap();
        let mut body = res.header("X-Head", "1").stream()?;
        go_on();
        body.write_all(b"one, ")?;
        body.write_all(b"two, ")?;
        body.write_all(b"three")?;
        body.flush()?;
        go_on();
        body.flush()?;
        write!(body, " and {}", 4)?;
        body.flush()?;
        go_on();
        body.write_all(b".")?;
        Ok(())
    });
    let mut wire = server.after(Ask::get("/").bytes());
    let mut next = || {
        let record = wire.record().unwrap();
        assert_eq!(record.kind, STDOUT);
        String::from_utf8(record.content).unwrap()
    };
    assert_eq!(
        next(),
        "Status: 200 OK\r\nX-Head: 1\r\nX-Accel-Buffering: no\r\n\r\n"
    );
    go.send(()).unwrap();
    assert_eq!(next(), "one, two, three");
    go.send(()).unwrap();
    assert_eq!(next(), " and 4");
    go.send(()).unwrap();
    assert_eq!(next(), ".");
    assert_eq!(next(), "");
    assert_eq!(wire.reply(1).end, End::Whole(0, 0));
}

/// A server whose handler goes on, after `/finish`, until it is told; then it says what it found.
fn finishing(workers: usize) -> (Served, mpsc::Sender<()>, mpsc::Receiver<String>) {
    let (go, gone) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let gone = Mutex::new(gone);
    let server = serve_as(Server::new().workers(workers), move |req, res| {
        if req.path() != "/finish" {
            let mut body = String::new();
            req.body().read_to_string(&mut body)?;
            return res.send(format!("then {body}"));
        }
        let agent = req.header("User-Agent").unwrap();
        res.finish("finished")?;
        gone.lock().unwrap().recv().unwrap();
        let mut byte = [0];
        let read = req.body().read(&mut byte).unwrap_err().kind();
        let written = req.stderr().write(b"x").unwrap_err().kind();
        assert_eq!(
            (read, written),
            (ErrorKind::NotConnected, ErrorKind::NotConnected)
        );
        let param = req.param("HTTP_USER_AGENT").unwrap();
        tell.send(format!("{agent} {param} {}", req.path()))
            .unwrap();
        Err(Error::new(500, "nobody sees this"))
    });
    (server, go, told)
}

#[test]
fn finish_answers_while_its_handler_goes_on_and_the_connection_serves_the_next_request() {
    let (server, go, told) = finishing(2);
    let ask = Ask::get("/finish")
        .keep()
        .param("HTTP_USER_AGENT", "curl/8");
    let mut wire = server.connect();
    for i in 0..20 {
        assert_eq!(wire.ask(&ask).page(), (200, "finished"));
        let next = Ask::post("/next", i.to_string()).keep();
        assert_eq!(wire.ask(&next).text(), format!("then {i}"));
        go.send(()).unwrap();
        assert_eq!(
            told.recv_timeout(PATIENCE).unwrap(),
            "curl/8 curl/8 /finish"
        );
    }
    let line =
        |line: &String| line == "GET /finish: nobody sees this, after the answer was finished";
    poll("the log", || server.lines(Level::Error).len() == 20);
    assert!(server.lines(Level::Error).iter().all(line));
}

#[test]
fn finish_hands_the_connection_back_with_all_that_has_come_on_it() {
    let (server, go, told) = finishing(2);
    let finish = |body: usize| {
        let ask = Ask::post("/finish", pattern(body)).keep();
        ask.param("HTTP_USER_AGENT", "x").records_of(5000)
    };
    for body in [0, 10, 5000, 60_000, 300_000] {
        let next = Ask::post("/next", "after all of it").keep();
        let all = [finish(body).bytes(), next.bytes(), next.bytes()].concat();
        // Cut where it may come in two reads: in the first body, in the next request.
        for cut in [finish(body).head().len(), all.len() - 20, all.len()] {
            let mut wire = server.after(&all[..cut]);
            assert_eq!(wire.reply(1).page(), (200, "finished"));
            wire.write(&all[cut..]);
            for _ in 0..2 {
                assert_eq!(wire.reply(1).page(), (200, "then after all of it"));
            }
            go.send(()).unwrap();
            told.recv_timeout(PATIENCE).unwrap();
        }
    }
}

/// Without FCGI_KEEP_CONN it ends as every answer does, though the handler is still there.
#[test]
fn finish_closes_a_connection_that_is_not_kept() {
    let (server, go, told) = finishing(1);
    let ask = Ask::post("/finish", "unread").param("HTTP_USER_AGENT", "x");
    let mut wire = server.connect();
    assert_eq!(wire.ask(&ask).page(), (200, "finished"));
    wire.assert_closed();
    go.send(()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_large_finish_waits_for_a_slow_reader_and_no_longer() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |_, res| {
        res.finish(pattern(2 << 20))?;
        tell.send(()).unwrap();
        Ok(())
    });
    let mut wire = server.after(Ask::get("/").keep().bytes());
    poll("the answer", || !wire.is_silent());
    assert!(told.try_recv().is_err(), "it cannot all have left");
    assert!(wire.reply(1).body == pattern(2 << 20));
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn stderr_is_sent_at_once_in_records_of_its_own() {
    let server = serve(|req, res| {
        req.stderr().write_all(b"before; ")?;
        let mut body = res.stream()?;
        body.write_all(b"page")?;
        req.stderr().write_all(&pattern(150_000))?;
        body.write_all(b", whole")?;
        req.stderr().write_all(b"")?;
        Ok(())
    });
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(reply.page(), (200, "page, whole"));
    assert!(reply.stderr == [b"before; ", &pattern(150_000)[..]].concat());
}

#[test]
fn writing_to_a_web_server_that_has_gone_is_an_error_that_says_so() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |_, res| {
        let mut body = res.stream()?;
        let error = loop {
            if let Err(error) = body.write_all(&[b'x'; 50_000]) {
                break error;
            }
        };
        tell.send(error.kind()).unwrap();
        Err(error.into())
    });
    let mut wire = server.after(Ask::get("/").bytes());
    assert!(wire.record().is_some());
    drop(wire);
    let kind = told.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{kind}"
    );
}

/// A web server that reads in sips gets every byte.
#[test]
fn a_slow_reader_gets_every_byte() {
    let server = serve(|_, res| res.send(pattern(1 << 20)));
    let mut slow: Vec<Wire> = (0..4)
        .map(|_| server.after(Ask::get("/").bytes()))
        .collect();
    for wire in &mut slow {
        let reply = wire.reply(1);
        assert!(reply.is_whole() && reply.body == pattern(1 << 20));
    }
}
