//! Authorizers and filters: what they are asked, and what goes back.

use crate::served::{Served, start};
use crate::wire::{
    Ask, DATA, End, REQUEST_COMPLETE, STDIN, UNKNOWN_ROLE, begin_role, record, stream,
};
use fcgi::{Access, Request, Response, Role, Server};
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

const AUTHORIZER: u16 = 2;
const FILTER: u16 = 3;

fn guard(req: &mut Request<'_>, access: Access<'_>) -> fcgi::Result {
    assert_eq!(req.role(), Role::Authorizer);
    let mut body = Vec::new();
    req.body().read_to_end(&mut body)?;
    assert!(body.is_empty(), "an authorizer has no body");
    match req.header("X-Token") {
        Some("open") => access
            .grant()
            .variable("AUTH_USER", "tester")
            .variable("Level", "3")
            .send(),
        Some("bad variable") => access.grant().variable("A B", "").send(),
        Some("split") => access.grant().variable("A", "b\r\nVariable-ROOT: 1").send(),
        Some("redirect") => access.deny(302).redirect("/login"),
        Some("200") => access.deny(200).send("no"),
        Some("200 later") => access.deny(403).status(200).send("no"),
        Some("forget") => Ok(()),
        _ => access.deny(403).send("denied"),
    }
}

fn shout(req: &mut Request<'_>, res: Response<'_>) -> fcgi::Result {
    assert_eq!(req.role(), Role::Filter);
    let head = match req.query() {
        "read" => std::io::read_to_string(req.body())?,
        "lent" => {
            let first = req.body().fill_buf()?.first().copied();
            format!("{first:?}")
        }
        _ => String::new(),
    };
    let mut out = res.stream()?;
    out.write_all(head.as_bytes())?;
    loop {
        let piece = req.data().fill_buf()?.to_ascii_uppercase();
        if piece.is_empty() {
            break;
        }
        req.data().consume(piece.len());
        out.write_all(&piece)?;
    }
    assert_eq!(req.body().read(&mut [0; 8])?, 0, "the body is over");
    Ok(())
}

fn served() -> Served {
    let server = Server::new()
        .workers(1)
        .responder(|req, res| match req.path() {
            "/hello" => res.send("hello"),
            _ => {
                assert_eq!(req.data().read(&mut [0; 8])?, 0, "a responder has no data");
                res.send("page")
            }
        })
        .authorizer(guard)
        .filter(shout);
    start(server, Arc::default())
}

/// mod_fcgid, mod_authnz_fcgi and lighttpd send no STDIN record at all.
fn authorize(token: &str, keep: bool) -> Vec<u8> {
    let ask = Ask::bare()
        .param("FCGI_ROLE", "AUTHORIZER")
        .param("REQUEST_METHOD", "GET")
        .param("HTTP_X_TOKEN", token);
    [begin_role(1, AUTHORIZER, keep), ask.params()].concat()
}

#[test]
fn an_authorizer_starts_at_the_end_of_params_and_grants_with_variables() {
    let server = served();
    let mut wire = server.after(authorize("open", false));
    let reply = wire.reply(1);
    assert_eq!(reply.page(), (200, ""));
    assert_eq!(reply.field("Variable-AUTH_USER"), Some("tester"));
    assert_eq!(reply.field("Variable-Level"), Some("3"));
    wire.assert_closed();
}

#[test]
fn an_authorizer_denies_with_an_answer_of_its_own() {
    let server = served();
    let ask = |token| {
        let mut wire = server.after(authorize(token, false));
        wire.denial = true;
        wire.reply(1)
    };
    assert_eq!(ask("other").page(), (403, "denied"));
    assert_eq!(
        ask("200").page(),
        (403, "no"),
        "200 would let the request in"
    );
    let reply = ask("redirect");
    assert_eq!(
        (reply.status, reply.field("Location")),
        (302, Some("/login"))
    );
    for token in ["bad variable", "split", "forget", "200 later"] {
        let reply = ask(token);
        assert_eq!(reply.status, 500, "{token}");
        assert!(
            reply
                .fields
                .iter()
                .all(|(name, _)| !name.starts_with("Variable")),
            "{token}"
        );
    }
}

/// A web server that sends one all the same, as a CGI program's would be.
#[test]
fn an_authorizers_connection_goes_on_with_or_without_a_body() {
    let server = served();
    let mut wire = server.connect();
    for body in [&b""[..], b"late"] {
        wire.write(authorize("open", true));
        assert_eq!(wire.reply(1).status, 200);
        if !body.is_empty() {
            wire.write(record(STDIN, 1, body));
        }
        wire.write(record(STDIN, 1, b""));
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    }
}

fn filter(query: &str, body: &[u8], data: &[u8], size: usize) -> Vec<u8> {
    let ask = Ask::post(&format!("/?{query}"), body).keep();
    let mut bytes = [begin_role(1, FILTER, true), ask.params()].concat();
    bytes.extend(stream(STDIN, 1, body, size, 3));
    bytes.extend(stream(DATA, 1, data, size, 0));
    bytes
}

#[test]
fn a_filter_reads_its_body_and_then_its_data() {
    let server = served();
    let data: Vec<u8> = (0..200_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    let shouted = data.to_ascii_uppercase();
    let mut wire = server.connect();
    for (size, data, shouted) in [
        (1, &data[..300], &shouted[..300]),
        (1000, &data, &shouted),
        (65_535, &data, &shouted),
        (9, b"", b""),
    ] {
        for (query, head) in [("", ""), ("read", "the body"), ("lent", "Some(116)")] {
            wire.write(filter(query, b"the body", data, size));
            let reply = wire.reply(1);
            assert!(reply.is_whole(), "{query} {size}");
            assert_eq!(
                reply.body,
                [head.as_bytes(), shouted].concat(),
                "{query} {size}"
            );
        }
    }
    assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
}

#[test]
fn what_a_filter_leaves_unread_harms_nothing() {
    let server = Server::new()
        .workers(1)
        .responder(|_, res| res.send("hello"))
        .filter(|_, res| res.send("as it is"));
    let server = start(server, Arc::default());
    let mut wire = server.connect();
    for data in [&b""[..], b"data", &[b'd'; 100_000]] {
        wire.write(filter("", b"the body", data, 1000));
        assert_eq!(wire.reply(1).page(), (200, "as it is"));
        assert_eq!(wire.ask(&Ask::get("/").keep()).page(), (200, "hello"));
    }
}

#[test]
fn data_for_a_responder_is_nobodys() {
    let server = served();
    let ask = Ask::post("/", "body").keep();
    let mut wire = server.after(
        [
            ask.head(),
            record(DATA, 1, b"data"),
            ask.stdin(),
            record(DATA, 1, b""),
        ]
        .concat(),
    );
    assert_eq!(wire.reply(1).page(), (200, "page"));
    assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
}

#[test]
fn a_role_without_a_handler_is_refused_by_its_name() {
    let server = Server::new().workers(1).authorizer(guard);
    let server = start(server, Arc::default());
    let mut wire = server.connect();
    for role in [1, FILTER] {
        let ask = Ask::post("/", "body");
        wire.write([begin_role(1, role, true), ask.params(), ask.stdin()].concat());
        assert_eq!(
            wire.reply(1).end,
            End::Whole(0, UNKNOWN_ROLE),
            "role {role}"
        );
        wire.write(authorize("open", true));
        let reply = wire.reply(1);
        assert_eq!(
            (reply.status, reply.end),
            (200, End::Whole(0, REQUEST_COMPLETE))
        );
    }
}
