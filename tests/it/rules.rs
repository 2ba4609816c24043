//! The rules that the web servers taught, one test each, named by the rule; what each is for stands above it.

use crate::served::{poll, serve, serve_as, start};
use crate::steady::steady;
use crate::testbed::{self, Testbed};
use crate::wire::{self, Ask, End, REQUEST_COMPLETE, Wire};
use fcgi::{Error, Request, Response, Server};
use log::Level;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

/// nginx waits for ever otherwise.
#[test]
fn without_keep_conn_we_close_after_end_request() {
    let server = serve(|_, res| res.send("x"));
    for ask in [
        Ask::get("/"),
        Ask::get("/").id(65535),
        Ask::post("/", "body"),
    ] {
        let mut wire = server.connect();
        assert_eq!(wire.ask(&ask).page(), (200, "x"));
        wire.assert_closed();
    }
}

#[test]
fn with_keep_conn_the_connection_goes_on() {
    let server = serve(|req, res| res.send(req.path()));
    let mut wire = server.connect();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(wire.ask(&Ask::get(path).keep()).page(), (200, path));
    }
    assert_eq!(wire.ask(&Ask::get("/last")).page(), (200, "/last"));
    wire.assert_closed();
}

/// nginx stops sending STDIN once it has seen the end of STDOUT.
#[test]
fn end_request_does_not_wait_for_the_rest_of_stdin() {
    let server = serve(|_, res| res.send("ok"));
    for keep in [false, true] {
        let mut ask = Ask::post("/", vec![b'b'; 1000]).records_of(100);
        if keep {
            ask = ask.keep();
        }
        let stdin = ask.stdin();
        for sent in [0, 1, 8, 50, 108, stdin.len() - 8] {
            let mut wire = server.after([ask.head(), stdin[..sent].to_vec()].concat());
            assert_eq!(
                wire.reply(1).page(),
                (200, "ok"),
                "{sent} bytes of STDIN sent"
            );
        }
    }
}

/// nginx, mod_proxy_fcgi and HAProxy go on with the rest of a body, then with the same id.
#[test]
fn late_records_of_a_finished_id_are_dropped_and_the_id_begins_anew() {
    let server = serve(|req, res| match req.path() {
        "/read" => {
            let mut body = String::new();
            req.body().read_to_string(&mut body)?;
            res.send(body)
        }
        _ => res.send("unread"),
    });
    let late = Ask::post("/", vec![b'l'; 300_000]).keep();
    let mut wire = server.after(late.head());
    assert_eq!(wire.reply(1).page(), (200, "unread"));
    wire.write(late.stdin());
    wire.write(wire::record(wire::ABORT_REQUEST, 1, &[]));
    wire.write(wire::record(wire::DATA, 1, b"data"));
    let next = Ask::post("/read", "second").keep();
    assert_eq!(wire.ask(&next).page(), (200, "second"));
    // All of it at once, so that the rest lies in the buffer already.
    wire.write([late.bytes(), next.bytes(), late.bytes(), next.bytes()].concat());
    for page in ["unread", "second", "unread", "second"] {
        assert_eq!(wire.reply(1).page(), (200, page));
    }
}

/// A plain close loses the answer behind nginx, mod_fastcgi and Caddy.
#[test]
fn a_close_with_unread_stdin_is_a_half_close_a_bounded_drain_and_a_close() {
    steady(Duration::from_millis(300), || {
        let limit = Duration::from_secs(1);
        let server = Server::new().workers(1).linger_timeout(limit);
        let server = serve_as(server, |_, res| res.send(vec![b'p'; 100_000]));
        let ask = Ask::post("/", vec![b'b'; 600_000]);
        let stdin = ask.stdin();
        let mut wire = server.after([ask.head(), stdin[..50_000].to_vec()].concat());
        let reply = wire.reply(1);
        assert_eq!((reply.page().0, reply.body.len()), (200, 100_000));
        wire.assert_closed();
        // More than a socket holds: it is read away.
        wire.write(&stdin[50_000..]);
        server.assert_serves();
        poll("the connection to be closed whole", || {
            wire.try_write("more").is_err()
        });
    });
}

/// By TCP a plain close is a reset, and what has not been read of the answer is lost with it.
#[test]
fn a_close_with_unread_stdin_is_no_reset_of_a_tcp_connection() {
    let testbed = Testbed::on_tcp(1);
    let ask = Ask::post("/noread", vec![b'b'; 600_000]);
    let (head, stdin) = (ask.head(), ask.stdin());
    for sent in [0, 8, 1000, 300_000] {
        let mut wire = Wire::after(testbed.address(), [&head, &stdin[..sent]].concat());
        poll("the answer", || !wire.is_silent());
        // It is read after the rest was written, by a web server that writes first.
        wire.write(&stdin[sent..]);
        assert_eq!(
            wire.reply(1).page(),
            (200, "ok"),
            "{sent} bytes of STDIN sent"
        );
        wire.assert_closed();
    }
}

/// `Location` without it is a 200 behind mod_proxy_fcgi, Caddy and h2o.
#[test]
fn status_is_always_sent_and_always_first() {
    let server = serve(|req, res| match req.path() {
        "/plain" => res.send("x"),
        "/status" => res.header("X", "1").status(404).send("x"),
        "/redirect" => res.header("Location", "/").status(303).send(""),
        "/stream" => res
            .header("X", "1")
            .stream()?
            .write_all(b"x")
            .map_err(Error::from),
        "/finish" => res.header("X", "1").finish("x"),
        "/error" => Err(Error::new(404, "no such thing")),
        "/nothing" => Ok(()),
        "/panic" => panic!("as asked"),
        "/named" => res.status(599).send(""),
        _ => res.header("Bad\n", "x").send("x"),
    });
    let table = [
        ("/plain", 200),
        ("/status", 404),
        ("/redirect", 303),
        ("/stream", 200),
        ("/finish", 200),
        ("/error", 404),
        ("/nothing", 500),
        ("/panic", 500),
        ("/named", 599),
        ("/illegal", 500),
    ];
    for (path, status) in table {
        // Reading an answer asserts that Status is there, and first.
        let reply = server.ask(&Ask::get(path));
        assert_eq!((reply.status, reply.is_whole()), (status, true), "{path}");
    }
}

/// HAProxy makes a 502 of such a body; h2o sends it on, and the browser takes it for the next answer.
#[test]
fn head_204_and_304_have_no_body_and_1xx_is_no_answer() {
    let server = serve(|req, res| {
        let (how, status) = req.path()[1..].split_once('/').expect("/how/status");
        let res = res.status(status.parse()?);
        match how {
            "send" => res.send("body"),
            "large" => res.send(vec![b'x'; 200_000]),
            "finish" => res.finish("body"),
            "error" => Err(Error::new(404, "")),
            _ => {
                let mut body = res.stream()?;
                body.write_all(b"bo")?;
                body.flush()?;
                body.write_all(b"dy")?;
                Ok(())
            }
        }
    });
    for how in ["send", "large", "finish", "stream", "error"] {
        for (method, status) in [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)] {
            if how == "error" && method == "GET" {
                continue;
            }
            let reply = server.ask(&Ask::new(method, &format!("/{how}/{status}")));
            let status = if how == "error" { 404 } else { status };
            assert_eq!(reply.page(), (status, ""), "{method} {how} {status}");
        }
        for status in [100, 103, 199] {
            let reply = server.ask(&Ask::get(&format!("/{how}/{status}")));
            let refused = if how == "error" { 404 } else { 500 };
            assert_eq!(reply.page().0, refused, "{how} {status}");
        }
    }
    let reply = server.ask(&Ask::new("HEAD", "/send/200"));
    assert_eq!(
        reply.field("Content-Length"),
        Some("4"),
        "as a GET would say"
    );
    let reply = server.ask(&Ask::get("/send/204"));
    assert_eq!(reply.field("Content-Length"), None);
}

#[test]
fn bytes_beyond_a_declared_content_length_are_the_writers_error_and_not_sent() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, res| {
        let mut body = res.header("Content-Length", "5").stream()?;
        let written = match req.path() {
            "/once" => body.write_all(b"1234567"),
            "/after" => {
                body.write_all(b"12345")?;
                body.write_all(b"6")
            }
            _ => {
                body.write_all(b"12")?;
                body.flush()?;
                body.write_all(&[b'3'; 100_000])
            }
        };
        let error = written.expect_err("more than was declared");
        tell.send(error.to_string()).unwrap();
        Ok(())
    });
    for (path, page) in [("/once", "12345"), ("/after", "12345"), ("/large", "12333")] {
        let reply = server.ask(&Ask::get(path));
        assert_eq!(reply.page(), (200, page), "{path}");
        assert_eq!(reply.field("Content-Length"), Some("5"));
        let error = told.recv().unwrap();
        assert!(
            error.contains("longer than its Content-Length of 5"),
            "{error}"
        );
    }
}

#[test]
fn a_body_shorter_than_its_content_length_is_cut() {
    let server = serve(|_, res| {
        let mut body = res.header("Content-Length", "5").stream()?;
        body.write_all(b"1234")?;
        Ok(())
    });
    for ask in [Ask::get("/short"), Ask::get("/short").keep()] {
        let mut wire = server.connect();
        let reply = wire.ask(&ask);
        assert_eq!(reply.end, End::Cut);
        assert!(b"1234".starts_with(&reply.body));
        wire.assert_closed();
    }
    let lines = server.lines(Level::Error);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("GET /short") && lines[0].contains("4 of the 5 bytes"),
        "{lines:?}"
    );
}

/// Each breaks the framing behind most web servers.
#[test]
fn fields_and_statuses_that_break_the_framing_are_refused_with_a_logged_500() {
    let refused = [
        ("Status", "200 OK"),
        ("status", "404"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Connection", "close"),
        ("Trailer", "X"),
        ("Upgrade", "h2c"),
        ("Content-Length", "six"),
        ("Content-Length", "-1"),
        ("Content-Length", ""),
        ("Content-Length", "99999999999999999999"),
    ];
    for (name, value) in refused {
        let server = serve(move |_, res| res.header(name, value).send("secret"));
        let reply = server.ask(&Ask::get("/"));
        assert_eq!(reply.page(), (500, "500 Internal Server Error\n"), "{name}");
        assert!(
            server.line(Level::Error, "GET /").contains("refused"),
            "{name}"
        );
    }
    for status in [0, 99, 100, 199, 600, 65535] {
        let server = serve(move |_, res| res.status(status).send("secret"));
        let reply = server.ask(&Ask::get("/"));
        assert_eq!(
            reply.page(),
            (500, "500 Internal Server Error\n"),
            "{status}"
        );
        server.line(Level::Error, &format!("status {status} is refused"));
    }
    let server = serve(|_, res| {
        res.header("Content-Length", "6")
            .header("content-length", "7")
            .send("secret")
    });
    assert_eq!(server.ask(&Ask::get("/")).page().0, 500);
    server.line(Level::Error, "two Content-Lengths are refused: 6 and 7");
}

/// One such record kills HAProxy 2.6.
#[test]
fn there_is_no_stderr_record_unless_the_application_writes_one() {
    let server = serve(|req, res| match req.path() {
        "/asked" => {
            writeln!(req.stderr(), "a line")?;
            res.send("x")
        }
        "/panic" => panic!("as asked"),
        "/error" => Err(Error::new(500, "logged, not sent")),
        "/late" => {
            let mut body = res.stream()?;
            body.write_all(b"part")?;
            body.flush()?;
            Err(Error::new(500, "late"))
        }
        _ => Ok(()),
    });
    for path in ["/hello", "/panic", "/error", "/late", "/nothing"] {
        assert_eq!(server.ask(&Ask::get(path)).stderr, b"", "{path}");
    }
    let reply = server.ask(&Ask::get("/asked"));
    assert_eq!(
        (reply.page(), &reply.stderr[..]),
        ((200, "x"), &b"a line\n"[..])
    );
}

/// Records of types 10 or 11 are a 502 or 503 behind two servers, and taken for output behind HAProxy; an empty STDOUT
/// first makes a body of the head.
#[test]
fn nothing_unasked_is_sent() {
    let server = serve(|req, res| match req.path() {
        "/panic" => panic!("as asked"),
        "/error" => Err(Error::new(400, "")),
        "/empty" => {
            let mut body = res.stream()?;
            body.write_all(b"")?;
            body.flush()?;
            body.flush()?;
            Ok(())
        }
        "/finish" => res.finish(""),
        "/read" => {
            req.body().read_to_end(&mut Vec::new())?;
            res.send("")
        }
        _ => Ok(()),
    });
    // Records that ask for nothing are answered by nothing.
    let noise = [
        wire::record(wire::STDIN, 9, b"of nobody"),
        wire::record(wire::PARAMS, 9, b"of nobody"),
        wire::record(wire::DATA, 9, b""),
        wire::record(wire::ABORT_REQUEST, 9, b""),
        wire::record(wire::END_REQUEST, 9, &[0; 8]),
        wire::record(wire::STDOUT, 9, b"x"),
        wire::record(99, 9, b"x"),
        wire::record(wire::GET_VALUES_RESULT, 0, b""),
        wire::record(wire::UNKNOWN_TYPE, 0, &[77, 0, 0, 0, 0, 0, 0, 0]),
    ]
    .concat();
    let mut wire = server.connect();
    for path in [
        "/hello", "/panic", "/error", "/empty", "/finish", "/read", "/nothing",
    ] {
        wire.write(&noise);
        let ask = Ask::post(path, "body").keep();
        wire.write([ask.head(), noise.clone(), ask.stdin()].concat());
        // Reading an answer asserts its types and ids, and STDOUT that does not end before the head.
        assert!(wire.reply(1).is_whole(), "{path}");
    }
    wire.write(&noise);
    assert_eq!(wire.ask(&Ask::get("/hello")).page(), (200, "hello"));
    wire.assert_closed();
}

/// mod_proxy_fcgi makes an empty 200 of FCGI_OVERLOADED, and HAProxy hangs.
#[test]
fn a_refusal_is_a_real_503() {
    let tries = AtomicUsize::new(0);
    let server = Server::new().workers(1).responder_with(
        move || match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Error::new(500, "the database is away")),
            _ => Ok(()),
        },
        |(), _, res| res.send("it is back"),
    );
    let server = start(server, Arc::default());
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
    assert_eq!(reply.field("Retry-After"), Some("1"));
    poll("it to be back", || {
        server.ask(&Ask::get("/")).page() == (200, "it is back")
    });
}

#[test]
fn busy_workers_never_cause_a_503() {
    const CLIENTS: usize = 40;
    let busy = Arc::new(Barrier::new(2));
    let held = Arc::clone(&busy);
    let server = serve(move |req, res| {
        if req.path() == "/hold" {
            held.wait();
            held.wait();
        }
        res.send("served")
    });
    let mut holding = server.after(Ask::get("/hold").bytes());
    busy.wait();
    let waiting: Vec<Wire> = (0..CLIENTS)
        .map(|_| server.after(Ask::get("/").bytes()))
        .collect();
    busy.wait();
    assert_eq!(holding.reply(1).page(), (200, "served"));
    for mut wire in waiting {
        assert_eq!(wire.reply(1).page(), (200, "served"));
    }
}

/// nginx sends SCRIPT_NAME twice in the guides' root configuration.
#[test]
fn the_last_of_a_repeated_cgi_variable_wins() {
    let server = serve(|req, res| {
        let value = req.param("OTHER").unwrap_or("none");
        res.send(format!("{}|{}|{value}", req.mount(), req.query()))
    });
    let ask = Ask::get("/page?q=first")
        .param("OTHER", "1")
        .param("SCRIPT_NAME", "/wrong")
        .param("SCRIPT_NAME", "")
        .param("QUERY_STRING", "q=last")
        .param("OTHER", "2");
    assert_eq!(server.ask(&ask).page(), (200, "|q=last|2"));
}

/// nginx 1.22, HAProxy and h2o send a repeated header as repeated pairs.
#[test]
fn repeated_headers_are_joined_and_cookies_by_semicolon() {
    let server = serve(|req, res| {
        let header = req.header("X-Rep").unwrap_or("none");
        let param = req.param("HTTP_X_REP").unwrap_or("none");
        assert_eq!(header, param);
        let raw = req
            .params()
            .filter(|(name, _)| name.starts_with(b"HTTP_X_REP"));
        let cookie = req.header("Cookie").unwrap_or("none");
        res.send(format!("{header}|{cookie}|{}", raw.count()))
    });
    let ask = Ask::get("/")
        .param("HTTP_X_REP", "a")
        .param("HTTP_COOKIE", "k=1")
        .param("HTTP_X_REP", "b")
        .param("HTTP_COOKIE", "l=2")
        .param("HTTP_X_REP", "c");
    assert_eq!(server.ask(&ask).page(), (200, "a, b, c|k=1; l=2|3"));
}

/// CONTENT_LENGTH is empty, absent, -1 or a lie behind five servers.
#[test]
fn only_the_end_of_stdin_ends_the_body() {
    let server = serve(|req, res| {
        let mut body = String::new();
        req.body().read_to_string(&mut body)?;
        res.send(format!("{:?} {body}", req.content_length()))
    });
    let body = wire::stream(wire::STDIN, 1, b"ten bytes!", 3, 0);
    let table: [(Option<&str>, &str); 8] = [
        (None, "None ten bytes!"),
        (Some(""), "None ten bytes!"),
        (Some("-1"), "None ten bytes!"),
        (Some("0"), "Some(0) ten bytes!"),
        (Some("3"), "Some(3) ten bytes!"),
        (Some("1000"), "Some(1000) ten bytes!"),
        (Some("+3"), "None ten bytes!"),
        (Some(" 3 "), "Some(3) ten bytes!"),
    ];
    for (length, page) in table {
        let mut ask = Ask::new("POST", "/");
        if let Some(length) = length {
            ask = ask.param("CONTENT_LENGTH", length);
        }
        let mut wire = server.after([ask.head(), body.clone()].concat());
        assert_eq!(wire.reply(1).page(), (200, page));
    }
}

/// mod_proxy_fcgi, HAProxy, Caddy and others close when a visitor leaves in the middle of an upload.
#[test]
fn a_connection_that_ends_before_the_end_of_stdin_is_an_error_and_never_a_short_body() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, res| {
        let mut body = Vec::new();
        let read = req.body().read_to_end(&mut body);
        tell.send((read.map_err(|error| error.kind()), body))
            .unwrap();
        res.send("x")
    });
    let ask = Ask::post("/", "ten bytes!");
    let stdin = ask.stdin();
    // 18 is the end of the content: all of it is there, and its end is not.
    for sent in [0, 4, 8, 12, 18, 20] {
        let mut wire = server.after([ask.head(), stdin[..sent].to_vec()].concat());
        wire.end();
        let (read, _) = told.recv().unwrap();
        let aborted = std::io::ErrorKind::ConnectionAborted;
        assert_eq!(read, Err(aborted), "after {sent} bytes");
        // Whoever only says that nothing more comes still gets an answer.
        assert_eq!(wire.reply(1).page(), (200, "x"));
        wire.assert_closed();
    }
}

/// cherokee leaves a chunked body in its chunks.
#[test]
fn content_transfer_encoding_chunked_is_refused_with_411() {
    let server = serve(|_, res| res.send("handled"));
    let ask = Ask::post("/", "4\r\nbody\r\n0\r\n\r\n");
    for value in ["chunked", "Chunked"] {
        let ask = ask.clone().param("CONTENT_TRANSFER_ENCODING", value);
        assert_eq!(server.ask(&ask).page(), (411, "411 Length Required\n"));
    }
    let ask = ask.param("CONTENT_TRANSFER_ENCODING", "binary");
    assert_eq!(server.ask(&ask).page(), (200, "handled"));
}

/// RFC 3875, section 4.2: a web server need not close standard input.
#[test]
fn in_cgi_content_length_ends_the_body() {
    const TEN: &str = "10 943";
    assert_eq!(
        b"ten bytes!"
            .iter()
            .map(|&byte| u32::from(byte))
            .sum::<u32>(),
        943
    );
    let ten = ("CONTENT_LENGTH", "10");
    let chunked = ("HTTP_TRANSFER_ENCODING", "chunked");
    // The environment, standard input, whether it stays open, the page.
    type Row<'r> = (&'r [(&'r str, &'r str)], &'r str, bool, &'r str);
    let table: [Row<'_>; 6] = [
        (&[ten], "ten bytes!", true, TEN),
        (&[ten], "ten bytes! and more", true, TEN),
        (&[], "not a body", true, "0 0"),
        (&[("CONTENT_LENGTH", "")], "not a body", true, "0 0"),
        (
            &[("CONTENT_LENGTH", "0"), chunked],
            "not a body",
            true,
            "0 0",
        ),
        (&[chunked], "ten bytes!", false, TEN),
    ];
    for (environment, input, stays_open, page) in table {
        let answer = cgi(environment, input, stays_open);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("Status: 200 OK\r\n"), "{head}");
        assert_eq!(body, page, "{environment:?}");
    }
    let answer = cgi(&[ten], "short", false);
    assert!(
        !answer.contains("Status: 200"),
        "a short body passes for a whole one: {answer}"
    );
}

/// Runs the testbed's `/count` as a CGI program.
fn cgi(environment: &[(&str, &str)], input: &str, stays_open: bool) -> String {
    let mut command = testbed::command();
    let mut child = command
        .args(["--listen", "unix:/nowhere/never", "--no-such-flag"])
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", "POST")
        .env("SCRIPT_NAME", "")
        .env("PATH_INFO", "/count")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take();
    // It may end before it has read what it need not read.
    let _ = stdin.as_mut().unwrap().write_all(input.as_bytes());
    if !stays_open {
        drop(stdin.take());
    }
    let mut answer = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut answer).unwrap();
    assert!(child.wait().unwrap().success());
    answer
}

/// The guides: "by default no FastCGI parameters are forwarded".
#[test]
fn a_request_without_cgi_parameters_is_a_500_with_the_advice() {
    let server = serve(|_, res| res.send("handled"));
    server.assert_serves();
    for ask in [Ask::bare(), Ask::bare().param("FROM", "x")] {
        assert_eq!(
            server.ask(&ask).page(),
            (500, "500 Internal Server Error\n")
        );
    }
    let lines = server.lines(Level::Error);
    let advice = "the web server sent no CGI parameters; nginx: include fastcgi_params";
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains(advice)), "{lines:?}");
    for name in ["REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME"] {
        let ask = Ask::bare().param(name, "/");
        assert_eq!(
            server.ask(&ask).page(),
            (200, "handled"),
            "{name} is enough"
        );
    }
}

/// 500s and 503s follow under mod_fcgid, mod_fastcgi and lighttpd.
#[test]
fn a_process_that_a_web_server_started_never_exits_by_itself() {
    let mut testbed = Testbed::on_tcp(2);
    for _ in 0..100 {
        testbed.assert_serves();
        assert_eq!(testbed.ask(&Ask::get("/panic")).status, 500);
        assert_eq!(testbed.ask(&Ask::get("/panic-late")).end, End::Cut);
        Wire::after(testbed.address(), "GET / HTTP/1.1\r\n\r\n").wait_for_end();
        drop(testbed.connect());
    }
    let pid = testbed.pid().to_string();
    assert_eq!(testbed.ask(&Ask::get("/pid")).page(), (200, &pid[..]));
    assert!(testbed.is_running());
}

/// nginx closes right after the head of a HEAD; a visitor who presses stop does it anywhere.
#[test]
fn epipe_and_econnreset_are_everyday_and_no_errors() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, res| {
        let done = gone(req, res);
        tell.send(done.as_ref().err().map(|error| error.to_string()))
            .unwrap();
        done
    });
    server.assert_serves();
    for path in ["/write", "/read"] {
        for keep in [false, true] {
            let ask = Ask::post(path, vec![b'x'; 1000]);
            let ask = if keep { ask.keep() } else { ask };
            // Without the end of STDIN, so that both find out.
            drop(server.after(ask.head()));
            let failed = told.recv_timeout(wire::PATIENCE).unwrap();
            assert!(failed.is_some(), "{path}: the handler was not told");
        }
    }
    server.assert_serves();
    assert_eq!(
        server.lines(Level::Info),
        [""; 0],
        "no line that anyone reads by default"
    );
}

/// Writes, or reads, until the web server has gone.
fn gone(req: &mut Request<'_>, res: Response<'_>) -> fcgi::Result {
    let mut body = res.stream()?;
    if req.path() == "/read" {
        req.body().read_to_end(&mut Vec::new())?;
    } else {
        for _ in 0..1000 {
            body.write_all(&[b'x'; 100_000])?;
        }
    }
    Ok(())
}

/// Both families of TCP, and what is not loopback refused.
#[test]
fn tcp_is_served_on_loopback_and_refused_elsewhere() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(_) = TcpListener::bind(address) else {
            // A machine without IPv6.
            assert_eq!(address, "[::1]:0");
            continue;
        };
        let server = Server::new().listen(address.parse().unwrap());
        let handle = server.responder(|_, res| res.send("tcp")).start().unwrap();
        let mut wire = Wire::connect(&handle.addresses()[0]);
        assert_eq!(
            wire.ask(&Ask::get("/")).end,
            End::Whole(0, REQUEST_COMPLETE)
        );
        wire.assert_closed();
        handle.stop();
        handle.join();
    }
    let public = Server::new().listen("0.0.0.0:0".parse().unwrap());
    let refused = public.responder(|_, res| res.send("")).start();
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("other machines could reach it")
    );
}

/// A thread that is not a worker never calls the handler: connections do not cross threads.
#[test]
fn with_one_worker_everything_runs_on_one_thread() {
    let server = serve(|_, res| res.send(format!("{:?}", thread::current().id())));
    let first = server.ask(&Ask::get("/")).text().to_owned();
    for _ in 0..20 {
        assert_eq!(server.ask(&Ask::get("/")).text(), first);
    }
}
