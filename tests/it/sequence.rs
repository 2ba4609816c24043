//! What may follow what: ids, cuts and padding, records that belong to nobody, further requests, aborts.

use crate::served::{Served, serve, serve_as};
use crate::wire::{
    ABORT_REQUEST, Ask, BEGIN_REQUEST, CANT_MPX_CONN, End, GET_VALUES, GET_VALUES_RESULT, PARAMS,
    REQUEST_COMPLETE, Record, STDIN, STDOUT, UNKNOWN_ROLE, UNKNOWN_TYPE, begin, begin_role,
    long_pair, padded, pair, record, stream,
};
use fcgi::Server;
use log::Level;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

/// Answers every parameter, and then the body.
fn mirror() -> Served {
    serve(|req, res| {
        let mut page = Vec::new();
        for (name, value) in req.params() {
            page.extend([name, b"=", value, b"\n"].concat());
        }
        req.body().read_to_end(&mut page)?;
        res.send(page)
    })
}

#[test]
fn every_id_is_answered_under_itself() {
    let server = mirror();
    let mut wire = server.connect();
    for id in [1, 2, 255, 256, 257, 32_767, 32_768, 65_535] {
        let reply = wire.ask(&Ask::post("/", id.to_string()).id(id).keep());
        assert!(reply.text().ends_with(&format!("\n{id}")));
    }
}

/// Pairs of each form that a length can have, and what they are.
fn pairs() -> (Vec<u8>, Vec<u8>) {
    let (name, value) = ("N".repeat(128), "v".repeat(300));
    let table = [
        pair("SCRIPT_NAME", ""),
        pair("SHORT", "s".repeat(127)),
        pair("LONG", "l".repeat(128)),
        pair(&name, &value),
        long_pair("FOUR", "bytes"),
        pair("", ""),
        pair("", "no name"),
        long_pair("", ""),
        pair("BINARY", b"\x00\xff\r\n"),
    ];
    let page = [
        "SCRIPT_NAME=\nSHORT=",
        &"s".repeat(127),
        "\nLONG=",
        &"l".repeat(128),
        "\n",
        &name,
        "=",
        &value,
        "\nFOUR=bytes\n=\n=no name\n=\nBINARY=",
    ]
    .concat();
    let page = [page.as_bytes(), b"\x00\xff\r\n\n"].concat();
    (table.concat(), page)
}

/// h2o cuts in the middle of a pair; mod_fastcgi sends a record for each.
#[test]
fn params_are_whole_in_records_of_any_size_and_cut_anywhere() {
    let server = mirror();
    let mut wire = server.connect();
    let (pairs, page) = pairs();
    let end = [record(PARAMS, 1, &[]), record(STDIN, 1, &[])].concat();
    for size in 1..pairs.len() {
        let params = stream(PARAMS, 1, &pairs, size, (size % 9) as u8);
        wire.write([begin(1, true), params, record(STDIN, 1, &[])].concat());
        assert_eq!(wire.reply(1).body, page, "records of {size}");
    }
    for cut in 1..pairs.len() {
        let (first, second) = pairs.split_at(cut);
        let params = [record(PARAMS, 1, first), record(PARAMS, 1, second)].concat();
        wire.write([begin(1, true), params, end.clone()].concat());
        assert_eq!(wire.reply(1).body, page, "cut at {cut}");
    }
}

/// A stream of 64 KiB and more comes in several records of 65,535.
#[test]
fn params_of_many_full_records_are_whole() {
    let server = mirror();
    let mut ask = Ask::get("/");
    let mut page = Vec::new();
    for i in 0..100 {
        let value = format!("{i} ").repeat(500);
        ask = ask.param(format!("P{i}"), &value);
        page.extend(format!("P{i}={value}\n").bytes());
    }
    for size in [65_535, 65_528, 8_184, 1000] {
        let reply = server.ask(&ask.clone().records_of(size));
        assert!(reply.body.ends_with(&page), "records of {size}");
    }
}

#[test]
fn any_padding_is_passed_over() {
    let server = mirror();
    let mut wire = server.connect();
    for padding in 0..=255 {
        let ask = Ask::post("/", "the body").keep().padding(padding);
        let reply = wire.ask(&ask.records_of(5));
        assert!(reply.text().ends_with("\nthe body"), "padding of {padding}");
    }
}

/// Reading asserts that each record is padded to eight bytes, by zeros.
#[test]
fn answers_of_any_length_are_padded() {
    let server = mirror();
    let mut wire = server.connect();
    for length in 0..40 {
        let body = "b".repeat(length);
        let reply = wire.ask(&Ask::post("/", &*body).keep());
        assert!(reply.text().ends_with(&format!("\n{body}")));
    }
}

#[test]
fn a_begin_request_may_be_longer_and_have_flags_that_nobody_knows() {
    let server = mirror();
    let ask = Ask::post("/", "x");
    let content = [0, 1, 0xfe, 9, 9, 9, 9, 9, 9, 9];
    let begin = padded(BEGIN_REQUEST, 1, &content, 3);
    let mut wire = server.after([begin, ask.params(), ask.stdin()].concat());
    assert!(wire.reply(1).is_whole());
    // 0xfe has no FCGI_KEEP_CONN.
    wire.assert_closed();
}

/// HAProxy asks before its first request, with `option get-values`.
#[test]
fn values_are_told_at_once_wherever_they_are_asked_for() {
    let server = serve_as(Server::new().workers(3).max_connections(17), |req, res| {
        req.body().read_to_end(&mut Vec::new())?;
        res.send("x")
    });
    let names = [
        "FCGI_MAX_REQS",
        "FCGI_MPXS_CONNS",
        "FCGI_MAX_CONNS",
        "FCGI_NO_SUCH",
    ];
    let asked = names.map(|name| pair(name, "")).concat();
    let told = [
        pair("FCGI_MAX_CONNS", "17"),
        pair("FCGI_MAX_REQS", "3"),
        pair("FCGI_MPXS_CONNS", "0"),
    ];
    let question = padded(GET_VALUES, 0, &asked, 5);
    let answer = Record {
        kind: GET_VALUES_RESULT,
        id: 0,
        content: told.concat(),
    };
    let ask = Ask::post("/", "body").keep();
    let (head, stdin) = (ask.head(), ask.stdin());
    let mut wire = server.after(&question);
    assert_eq!(wire.record().as_ref(), Some(&answer), "before a request");
    wire.write([&head[..16], &question].concat());
    assert_eq!(
        wire.record().as_ref(),
        Some(&answer),
        "between BEGIN and PARAMS"
    );
    wire.write([&head[16..], &question].concat());
    assert_eq!(wire.record().as_ref(), Some(&answer), "before STDIN");
    wire.write([&stdin[..12], &question].concat());
    assert_eq!(
        wire.record().as_ref(),
        Some(&answer),
        "between records of STDIN"
    );
    wire.write(&stdin[12..]);
    assert!(wire.reply(1).is_whole());
    wire.write(&question);
    assert_eq!(wire.record().as_ref(), Some(&answer), "after a request");
    let nothing = Record {
        kind: GET_VALUES_RESULT,
        id: 0,
        content: Vec::new(),
    };
    for asked in [Vec::new(), pair("FCGI_NO_SUCH", "")] {
        wire.write(record(GET_VALUES, 0, &asked));
        assert_eq!(
            wire.record().as_ref(),
            Some(&nothing),
            "nothing that we know"
        );
    }
}

#[test]
fn an_unknown_management_record_is_answered_by_its_type() {
    let server = mirror();
    let ask = Ask::post("/", "body").keep();
    let mut wire = server.connect();
    for number in [12, 77, 255, ABORT_REQUEST, STDOUT] {
        let unknown = padded(number, 0, b"whatever", 7);
        let content = vec![number, 0, 0, 0, 0, 0, 0, 0];
        let answer = Record {
            kind: UNKNOWN_TYPE,
            id: 0,
            content,
        };
        wire.write(&unknown);
        assert_eq!(wire.record().as_ref(), Some(&answer));
        wire.write(
            [
                ask.begin(),
                unknown.clone(),
                ask.params(),
                unknown,
                ask.stdin(),
            ]
            .concat(),
        );
        assert_eq!(wire.record().as_ref(), Some(&answer));
        assert_eq!(wire.record().as_ref(), Some(&answer));
        assert!(wire.reply(1).text().ends_with("\nbody"));
    }
}

/// We take one request at a time on a connection.
#[test]
fn a_second_begin_is_refused_with_cant_mpx_conn_and_the_first_goes_on() {
    let server = mirror();
    let (first, second) = (
        Ask::post("/", "first").keep(),
        Ask::post("/", "second").id(2),
    );
    let head = first.head();
    let refused = End::Whole(0, CANT_MPX_CONN);
    for cut in [16, 16 + 40, head.len(), head.len() + 10] {
        let all = first.bytes();
        // A whole record has to end at the cut, or the second request would be content of the first.
        let (start, rest) = match cut {
            16 => (all[..16].to_vec(), all[16..].to_vec()),
            _ if cut < head.len() => {
                let params = first.clone().records_of(40).params();
                let start = [&all[..16], &params[..48]].concat();
                (start, [&params[48..], &first.stdin()].concat())
            }
            _ if cut == head.len() => (head.clone(), first.stdin()),
            _ => {
                let stdin = first.clone().records_of(2).stdin();
                ([&head, &stdin[..10]].concat(), stdin[10..].to_vec())
            }
        };
        let mut wire = server.after([start, second.bytes()].concat());
        let reply = wire.reply(2);
        assert_eq!((reply.status, reply.end), (0, refused), "cut at {cut}");
        wire.write(rest);
        assert!(wire.reply(1).text().ends_with("\nfirst"), "cut at {cut}");
        // The refused one left nothing behind.
        assert!(wire.ask(&second).text().ends_with("\nsecond"));
    }
}

#[test]
fn requests_that_come_at_once_are_answered_one_after_the_other() {
    let server = mirror();
    let mut all = Vec::new();
    for i in 1..=100_u16 {
        let ask = Ask::post("/", format!("body {i}")).id(i);
        all.extend(if i < 100 { ask.keep() } else { ask }.bytes());
    }
    let mut wire = server.after(&all);
    for i in 1..=100 {
        assert!(wire.reply(i).text().ends_with(&format!("\nbody {i}")));
    }
    wire.assert_closed();
}

/// What is taken in while an answer waits is bounded, however many answers wait one after the other.
#[test]
fn requests_sent_far_ahead_of_their_answers_are_all_answered() {
    let page = vec![b'p'; 100_000];
    let server = serve(move |_, res| res.send(&page));
    let ask = Ask::get("/").keep().bytes();
    let all = ask.repeat(6000);
    let mut wire = server.connect();
    let mut written = 0;
    for _ in 0..10 {
        // As much as goes, and then one answer: the next one waits, and what was sent is taken in.
        written += wire.write_what_fits(&all[written..]);
        let reply = wire.reply(1);
        assert!(reply.is_whole() && reply.body.len() == 100_000);
    }
    assert!(written < all.len(), "everything fits somewhere");
    drop(wire);
    server.assert_serves();
}

#[test]
fn what_comes_after_the_last_request_is_not_answered() {
    let server = mirror();
    let last = Ask::get("/");
    let mut wire = server.after([last.bytes(), last.bytes(), last.bytes()].concat());
    assert!(wire.reply(1).is_whole());
    wire.assert_closed();
}

#[test]
fn an_abort_in_the_head_ends_the_request_and_nothing_else() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |_, res| {
        tell.send(()).unwrap();
        res.send("x")
    });
    let abort = record(ABORT_REQUEST, 1, &[]);
    let ask = Ask::get("/").keep().records_of(30);
    let mut wire = server.after([ask.begin(), abort.clone()].concat());
    assert_eq!(wire.reply(1).end, End::Whole(0, REQUEST_COMPLETE));
    // With PARAMS there already, and some that come late.
    let params = ask.params();
    wire.write([ask.begin(), params[..38].to_vec(), abort.clone()].concat());
    let reply = wire.reply(1);
    assert_eq!(
        (reply.status, reply.end),
        (0, End::Whole(0, REQUEST_COMPLETE))
    );
    wire.write([&params[38..], &ask.stdin()].concat());
    assert!(told.try_recv().is_err(), "the handler was called");
    assert_eq!(wire.ask(&ask).page(), (200, "x"));
    let mut wire = server.after([begin(1, false), abort].concat());
    assert_eq!(wire.reply(1).end, End::Whole(0, REQUEST_COMPLETE));
    wire.assert_closed();
}

/// HAProxy keeps the connection when a visitor leaves in the middle of an upload.
#[test]
fn a_connection_waits_as_an_idle_one_after_an_abort_in_the_head() {
    let server = Server::new()
        .workers(1)
        .head_timeout(Duration::from_millis(100));
    let server = serve_as(server, |_, res| res.send("x"));
    server.assert_serves();
    let ask = Ask::get("/").keep().records_of(30);
    let abort = record(ABORT_REQUEST, 1, &[]);
    let mut wire = server.after([&ask.begin(), &ask.params()[..38], &abort].concat());
    assert_eq!(wire.reply(1).end, End::Whole(0, REQUEST_COMPLETE));
    // Another connection's head is over its time meanwhile, and so would this one's be.
    let mut half = server.after(&ask.bytes()[..50]);
    half.assert_closed();
    assert_eq!(wire.ask(&ask).page(), (200, "x"));
    assert_eq!(
        server.lines(Level::Warn).len(),
        1,
        "{:?}",
        server.lines(Level::Warn)
    );
}

/// STDOUT must not end before a head does: HAProxy 2.6, which is who sends aborts, dies of that.
#[test]
fn an_abort_in_the_body_is_the_readers_error_and_ends_with_end_request_alone() {
    let (tell, told) = mpsc::channel();
    let server = serve(move |req, res| {
        let read = req.body().read_to_end(&mut Vec::new());
        tell.send(read.as_ref().map_err(|error| error.kind()).err())
            .unwrap();
        match req.path() {
            "/ignores" => res.send("a page for nobody"),
            _ => Err(read.unwrap_err().into()),
        }
    });
    let abort = record(ABORT_REQUEST, 1, &[]);
    let mut wire = server.connect();
    for path in ["/fails", "/ignores"] {
        let ask = Ask::post(path, "body").keep();
        let stdin = ask.stdin();
        for sent in [0, 12] {
            wire.write([ask.head(), stdin[..sent].to_vec(), abort.clone()].concat());
            let reply = wire.reply(1);
            assert_eq!(
                (reply.status, reply.end),
                (0, End::Whole(0, REQUEST_COMPLETE))
            );
            let aborted = Some(std::io::ErrorKind::ConnectionAborted);
            assert_eq!(told.recv().unwrap(), aborted);
            wire.write(&stdin[sent..]);
        }
    }
    assert_eq!(wire.ask(&Ask::get("/hello")).page(), (200, "hello"));
    assert_eq!(server.lines(Level::Info), [""; 0], "it is everyday");
}

/// HAProxy 2.6.12 sends it also when it reloads, for an answer that streams to a visitor who is still there: with an end of
/// ours that part of a page was a whole one.
#[test]
fn an_abort_after_the_head_cuts_what_was_begun() {
    let server = serve(|req, res| {
        let mut body = res.stream()?;
        body.write_all(b"begun")?;
        body.flush()?;
        req.body().read_to_end(&mut Vec::new())?;
        body.write_all(b", done")?;
        Ok(())
    });
    let ask = Ask::post("/", "body").keep();
    let mut wire = server.after(ask.head());
    assert_eq!(wire.record().unwrap().kind, STDOUT);
    let body = wire.record().unwrap();
    assert_eq!(body.content, b"begun");
    wire.write(record(ABORT_REQUEST, 1, &[]));
    wire.assert_closed();
    let mut next = server.connect();
    assert_eq!(next.ask(&ask).page(), (200, "begun, done"));
}

/// An END_REQUEST that says otherwise is a 200 behind mod_proxy_fcgi: this one is for roles that we do not have.
#[test]
fn an_unknown_role_is_refused_by_its_name_and_the_connection_goes_on() {
    let server = mirror();
    server.assert_serves();
    let mut wire = server.connect();
    for role in [0, 2, 3, 4, 256, 65_535] {
        let ask = Ask::post("/", "body").keep();
        let begin = begin_role(1, role, true);
        wire.write([begin, ask.params(), ask.stdin()].concat());
        let reply = wire.reply(1);
        assert_eq!((reply.status, reply.end), (0, End::Whole(0, UNKNOWN_ROLE)));
        assert!(wire.ask(&ask).is_whole(), "after role {role}");
        let mut wire = server.after(begin_role(1, role, false));
        assert_eq!(wire.reply(1).end, End::Whole(0, UNKNOWN_ROLE));
        wire.assert_closed();
    }
    // Whoever connects decides how often that happens.
    let line = server.line(Level::Warn, "a request for role");
    assert!(line.contains("role 0 is refused"), "{line}");
}

/// One connection for each: what has no meaning ends it, with a line, and the server goes on.
#[test]
fn an_order_that_means_nothing_closes_the_connection_with_one_line() {
    let ask = Ask::get("/");
    let table = [
        (
            "STDIN before the end of PARAMS",
            [begin(1, true), record(STDIN, 1, b"x")].concat(),
        ),
        (
            "the end of STDIN before it",
            [begin(1, true), record(STDIN, 1, b"")].concat(),
        ),
        (
            "BEGIN of less than eight bytes",
            record(BEGIN_REQUEST, 1, &[0, 1, 0]),
        ),
        ("an empty BEGIN", record(BEGIN_REQUEST, 1, &[])),
        ("BEGIN twice", [begin(1, true), begin(1, true)].concat()),
        (
            "BEGIN twice, with PARAMS",
            [ask.begin(), record(PARAMS, 1, b"\0\0"), ask.begin()].concat(),
        ),
    ];
    for (what, bytes) in table {
        let server = mirror();
        server.assert_serves();
        let mut wire = server.after(bytes);
        wire.assert_closed();
        server.assert_serves();
        let lines = server.lines(Level::Warn);
        assert_eq!(lines.len(), 1, "{what}: {lines:?}");
        assert!(
            lines[0].contains("broke the FastCGI protocol"),
            "{what}: {lines:?}"
        );
    }
}
