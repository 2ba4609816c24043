//! Cherokee, which no distribution has any more: the program asked as its last source (2023) does it. A connection a
//! request: id 1, no FCGI_KEEP_CONN, a PARAMS record for each pair of which the last is filled up to 8 bytes, the body as it
//! comes. HTTPS says `off` where there is none, and any record of ours but STDOUT, STDERR and END_REQUEST ends the visitor's
//! connection. That it leaves a chunked body in its chunks is in `rules`.

use crate::served::serve;
use crate::wire::{self, Ask, END_REQUEST, PARAMS, STDERR, STDIN, STDOUT};
use std::io::{Read, Write};

/// All that it sends but the body.
fn head(ask: &Ask) -> Vec<u8> {
    let pairs = ask.pairs();
    let (last, others) = pairs.split_last().expect("parameters");
    let fill = (8 - last.len() % 8) % 8;
    let mut bytes = ask.begin();
    for pair in others {
        bytes.extend(wire::record(PARAMS, 1, pair));
    }
    bytes.extend(wire::padded(PARAMS, 1, last, fill as u8));
    bytes.extend(wire::record(PARAMS, 1, b""));
    bytes
}

/// What `conf cherokee` makes of a request below its directory.
fn ask(method: &str, directory: &str, rest: &str, query: &str) -> Ask {
    Ask::bare()
        .param("SCRIPT_NAME", directory)
        .param("PATH_INFO", rest)
        .param("REQUEST_METHOD", method)
        .param("REQUEST_URI", format!("{directory}{rest}?{query}"))
        .param("QUERY_STRING", query)
        .param("HTTP_HOST", "example.org")
        .param("HTTPS", "off")
        .param("SERVER_SOFTWARE", "Cherokee/1.2.104")
        .param("GATEWAY_INTERFACE", "CGI/1.1")
}

#[test]
fn a_request_in_many_records_is_one_and_plain_http_is_no_https() {
    let server = serve(|req, res| {
        let told = [req.scheme(), req.mount(), req.path(), req.query()].join(" ");
        res.send(told)
    });
    for (directory, rest) in [("", "/a/b"), ("/app", "/a/b"), ("/app", "/")] {
        let ask = ask("GET", directory, rest, "x=1");
        let bytes = [head(&ask), wire::record(STDIN, 1, b"")].concat();
        let mut wire = server.after(bytes);
        let expected = format!("http {directory} {rest} x=1");
        assert_eq!(wire.reply(1).page(), (200, &*expected));
        // It takes the end of the connection for the end of the answer.
        wire.assert_closed();
    }
}

#[test]
fn a_body_is_read_as_it_comes_and_only_three_kinds_of_records_answer_it() {
    let server = serve(|req, res| {
        let mut body = String::new();
        req.body().read_to_string(&mut body)?;
        writeln!(req.stderr(), "noted")?;
        res.status(201).send(body)
    });
    let ask = ask("POST", "", "/", "").param("CONTENT_LENGTH", "6");
    let mut wire = server.after(head(&ask));
    for piece in [&b"one"[..], b"two"] {
        wire.write(wire::record(STDIN, 1, piece));
    }
    wire.write(wire::record(STDIN, 1, b""));
    let records = wire.records_until_the_end();
    let kinds = [STDOUT, STDERR, END_REQUEST];
    assert!(records.iter().all(|record| kinds.contains(&record.kind)));
    let told: Vec<u8> = records
        .iter()
        .filter(|record| record.kind == STDOUT)
        .flat_map(|record| record.content.clone())
        .collect();
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.starts_with("Status: 201") && told.ends_with("\r\n\r\nonetwo"),
        "{told}"
    );
    assert_eq!(records.last().map(|record| record.kind), Some(END_REQUEST));
}
