//! What is not FastCGI, or no longer: a closed connection, a line that helps, and a server that goes on.

use crate::served::{Served, serve, serve_as};
use crate::wire::{
    ABORT_REQUEST, Ask, BEGIN_REQUEST, DATA, END_REQUEST, GET_VALUES, PARAMS, PATIENCE, STDIN,
    STDOUT, begin, begin_role, padded, pair, record,
};
use fcgi::Server;
use log::Level;
use std::io::{Read, Write};
use std::time::Duration;

fn server() -> Served {
    let server = serve(|req, res| {
        let mut out = res.stream()?;
        std::io::copy(req.body(), &mut out)?;
        out.flush()?;
        Ok(())
    });
    server.assert_serves();
    server
}

#[test]
fn what_is_not_fastcgi_closes_the_connection_with_one_line_that_says_what_it_is() {
    let http = "what came is http, not FastCGI; use fastcgi_pass (nginx) or fcgi:// (Apache)";
    let tls = "TLS came where FastCGI was expected";
    let table: [(&[u8], &str); 9] = [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", http),
        (b"POST /form HTTP/1.0\r\n\r\na=1", http),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", tls),
        (b"\0\0\0\0\0\0\0\0", "version 0"),
        (b"\x02\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0", "version 2"),
        (&[0xff; 300], "version 255"),
        (b"hello, is anybody there?", "version 104"),
        (b"{\"json\": true}", "version 123"),
        (b"\r\n\r\n\r\n\r\n", "version 13"),
    ];
    for (bytes, words) in table {
        let server = server();
        let mut wire = server.after(bytes);
        wire.end();
        let answer = String::from_utf8(wire.bytes_until_the_end()).unwrap();
        match words == http {
            true => assert!(
                answer.starts_with("HTTP/1.1 400 Bad Request\r\n")
                    && answer.contains("fastcgi_pass"),
                "{answer}"
            ),
            false => assert_eq!(answer, "", "{words}"),
        }
        server.assert_serves();
        let lines = server.lines(Level::Info);
        assert_eq!(lines.len(), 1, "{words}: {lines:?}");
        assert!(
            lines[0].starts_with("a connection is closed: ") && lines[0].contains(words),
            "{lines:?}"
        );
    }
}

#[test]
fn who_has_spoken_fastcgi_is_not_answered_in_http() {
    let server = server();
    let question = record(GET_VALUES, 0, &pair("FCGI_MPXS_CONNS", ""));
    let mut wire = server.after([question, b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat());
    wire.end();
    assert_eq!(
        wire.records_until_the_end().len(),
        1,
        "the values, and nothing else"
    );
}

/// Something that probes a port goes on for days.
#[test]
fn the_log_hears_of_strangers_once_a_minute() {
    let server = server();
    for _ in 0..50 {
        let mut wire = server.after("GET / HTTP/1.1\r\n\r\n");
        wire.end();
        assert!(!wire.bytes_until_the_end().is_empty());
        server.after([7; 100]).wait_for_end();
    }
    server.assert_serves();
    assert_eq!(server.lines(Level::Info).len(), 1);
}

#[test]
fn garbage_behind_a_request_does_not_harm_it() {
    let server = server();
    for ask in [Ask::get("/hello").keep(), Ask::get("/hello")] {
        let mut wire = server.after([ask.bytes(), b"garbage, and more of it".to_vec()].concat());
        assert_eq!(wire.reply(1).page(), (200, "hello"));
        wire.wait_for_end();
        server.assert_serves();
    }
}

#[test]
fn a_record_longer_than_what_follows_is_the_end_of_its_connection_only() {
    let server = server();
    for kind in [BEGIN_REQUEST, PARAMS, STDIN, GET_VALUES, 77] {
        let id = u16::from(kind < GET_VALUES);
        let announced = [1, kind, 0, id as u8, 0xff, 0xff, 0xff, 0];
        for before in [Vec::new(), begin(1, true), Ask::post("/echo", "").head()] {
            let mut wire = server.after([&before[..], &announced, b"ten bytes!"].concat());
            wire.end();
            wire.wait_for_end();
            server.assert_serves();
        }
    }
    assert_no_panic(&server);
}

/// The most that each length can say, and nothing behind it: no memory is taken for what was only announced.
#[test]
fn announced_lengths_are_not_believed() {
    let server = server();
    let longest = [&[1, PARAMS, 0, 1, 0, 9, 0, 0][..], &[0xff; 8], b"N"].concat();
    let ask = [
        begin(1, false),
        longest,
        record(PARAMS, 1, &[]),
        record(STDIN, 1, &[]),
    ];
    let mut wire = server.after(ask.concat());
    assert_eq!(wire.reply(1).status, 400);
    server.assert_serves();
}

/// Every sequence of up to three of these, with the end of the connection behind it, ends: by answers, by a close, by
/// both; and never with a panic, a hang, or a record that the specification does not know.
#[test]
fn every_sequence_of_awkward_records_ends() {
    let server = Server::new()
        .workers(1)
        .body_timeout(PATIENCE)
        .linger_timeout(Duration::from_secs(1));
    let server = serve_as(server, |req, res| {
        let mut body = Vec::new();
        req.body().read_to_end(&mut body)?;
        res.send(body)
    });
    let words = [
        begin(1, true),
        begin(1, false),
        begin(2, true),
        begin_role(1, 9, true),
        begin(0, true),
        padded(BEGIN_REQUEST, 1, b"\0", 255),
        record(PARAMS, 1, &pair("SCRIPT_NAME", "")),
        record(PARAMS, 1, b"\x05\x05half"),
        padded(PARAMS, 1, &[], 9),
        record(PARAMS, 2, &[]),
        record(STDIN, 1, b"body"),
        padded(STDIN, 1, &[], 1),
        record(ABORT_REQUEST, 1, &[]),
        record(ABORT_REQUEST, 0, b"x"),
        record(DATA, 1, b"data"),
        record(STDOUT, 1, b"ours"),
        record(END_REQUEST, 1, &[0; 8]),
        record(GET_VALUES, 0, &pair("FCGI_MAX_CONNS", "")),
        record(GET_VALUES, 1, b"\xff"),
        record(200, 3, b"?"),
        Ask::get("/hello").keep().bytes(),
        b"\x01".to_vec(),
    ];
    let one: Vec<Vec<u8>> = words.to_vec();
    let with = |sequences: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let longer =
            |sequence: &Vec<u8>| words.each_ref().map(|word| [&sequence[..], word].concat());
        sequences.iter().flat_map(longer).collect()
    };
    let two = with(&one);
    let three = with(&two);
    for sequence in one.iter().chain(&two).chain(&three) {
        let mut wire = server.after(sequence);
        wire.end();
        for record in wire.records_until_the_end() {
            let known = [
                STDOUT,
                END_REQUEST,
                crate::wire::GET_VALUES_RESULT,
                crate::wire::UNKNOWN_TYPE,
            ];
            assert!(
                known.contains(&record.kind),
                "{record:?} after {sequence:?}"
            );
        }
    }
    server.assert_serves();
    assert_no_panic(&server);
}

#[test]
fn random_bytes_behind_a_good_start_end() {
    let server = server();
    let mut random = 1_u64;
    let start = Ask::post("/echo", "body").keep().bytes();
    for round in 0..500 {
        let mut bytes = start.repeat(2);
        // A few bytes anywhere, anything.
        for _ in 0..round % 7 + 1 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] = (random >> 25) as u8;
        }
        let mut wire = server.after(&bytes);
        wire.end();
        wire.wait_for_end();
    }
    server.assert_serves();
    assert_no_panic(&server);
}

#[track_caller]
fn assert_no_panic(server: &Served) {
    let lines = server.lines(Level::Error);
    let panicked = lines.iter().find(|line| line.contains("panicked"));
    assert_eq!(panicked, None);
}
