//! Error pages: the built-in one, and the application's own.

use crate::served::{serve, serve_as};
use crate::testbed::{Testbed, command};
use crate::wire::{Ask, End, Reply};
use fcgi::{Error, Server};
use log::Level;
use std::io::Write;
use std::process::Stdio;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const HTML: &str = "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>404 Not Found</title>\n\
                    <h1>404 Not Found</h1>\n";

fn accepting(ask: Ask, accept: &str) -> Ask {
    ask.param("HTTP_ACCEPT", accept)
}

fn kind(reply: &Reply) -> &str {
    reply
        .field("Content-Type")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
}

#[test]
fn the_page_is_html_for_who_wants_it_and_says_nothing_of_why() {
    let server = serve(|_, _| Err(Error::new(404, "the password is <hunter2>")));
    for (accept, expected) in [
        (BROWSER, ("text/html", HTML)),
        ("text/html", ("text/html", HTML)),
        ("*/*", ("text/html", HTML)),
        ("text/plain", ("text/plain", "404 Not Found\n")),
        (
            "text/plain, text/html;q=0.9",
            ("text/plain", "404 Not Found\n"),
        ),
        ("text/html;q=0", ("text/plain", "404 Not Found\n")),
        ("application/json", ("text/plain", "404 Not Found\n")),
    ] {
        let reply = server.ask(&accepting(Ask::get("/"), accept));
        assert_eq!((kind(&reply), reply.text()), expected, "{accept}");
        assert_eq!(reply.page().0, 404);
        assert_eq!(reply.fields.len(), 2);
        let head = server.ask(&accepting(Ask::new("HEAD", "/"), accept));
        assert_eq!(head.page(), (404, ""));
        assert_eq!(head.fields, reply.fields, "a HEAD says the same");
    }
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(
        (kind(&reply), reply.text()),
        ("text/plain", "404 Not Found\n")
    );
}

#[test]
fn with_debug_the_page_says_why_as_text() {
    let debug = Server::new().workers(1).debug(true);
    let server = serve_as(debug, |req, _| match req.path() {
        "/panic" => panic!("<b>at once"),
        _ => Err(Error::new(404, "no <b>\nhere & there")),
    });
    let reply = server.ask(&accepting(Ask::get("/"), BROWSER));
    let why = "<pre>no &lt;b&gt;\nhere &amp; there</pre>\n";
    assert_eq!(reply.page(), (404, &format!("{HTML}{why}")[..]));
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(
        reply.page(),
        (404, "404 Not Found\n\nno <b>\nhere & there\n")
    );
    assert_eq!(reply.field("X-Content-Type-Options"), Some("nosniff"));
    let reply = server.ask(&accepting(Ask::get("/panic"), BROWSER));
    assert!(reply.text().contains("panicked") && reply.text().contains("&lt;b&gt;at once"));
}

/// The place of a panic is known where the process is ours.
#[test]
fn a_program_shows_the_place_of_a_panic_only_with_debug() {
    let with = Testbed::listening_with(&["--debug"]);
    let reply = with.ask(&Ask::get("/panic"));
    assert_eq!(reply.status, 500);
    assert!(
        reply.text().contains("panicked at examples/testbed.rs:"),
        "{}",
        reply.text()
    );
    let without = Testbed::listening(1);
    assert_eq!(
        without.ask(&Ask::get("/panic")).page(),
        (500, "500 Internal Server Error\n")
    );
}

#[test]
fn the_applications_page_takes_the_place_of_the_built_in_one() {
    let server = Server::new()
        .workers(1)
        .max_pairs(7)
        .error_page(|error, req, res| {
            let page = format!(
                "{} for {} {}: {error}",
                error.status(),
                req.method(),
                req.path()
            );
            res.content_type("text/x-sorry").send(page)
        });
    let server = serve_as(server, |req, res| match req.path() {
        "/error" => Err(Error::new(404, "not here")),
        "/busy" => Err(Error::new(503, "later")),
        "/panic" => panic!("at once"),
        "/gathered" => {
            res.status(201).header("X-Secret", "x").send("secret")?;
            Err(Error::new(418, "after all not"))
        }
        _ => Ok(()),
    });
    for (path, page) in [
        ("/error", "404 for GET /error: not here"),
        ("/busy", "503 for GET /busy: later"),
        ("/gathered", "418 for GET /gathered: after all not"),
        (
            "/nothing",
            "500 for GET /nothing: the handler returned without answering",
        ),
    ] {
        let mut wire = server.connect();
        for _ in 0..2 {
            let reply = wire.ask(&Ask::get(path).keep());
            assert_eq!(reply.page(), (page[..3].parse().unwrap(), page));
            assert_eq!(kind(&reply), "text/x-sorry");
            assert_eq!(reply.field("X-Secret"), None);
            assert_eq!(reply.field("Retry-After"), (path == "/busy").then_some("5"));
        }
        let head = server.ask(&Ask::new("HEAD", path));
        assert_eq!(head.page(), (page[..3].parse().unwrap(), ""));
    }
    let reply = server.ask(&Ask::get("/panic"));
    assert!(
        reply.text().starts_with("500 for GET /panic: panicked")
            && reply.text().ends_with(": at once")
    );
    // What no handler sees.
    let many = Ask::get("/many")
        .param("A", "")
        .param("B", "")
        .param("C", "");
    assert_eq!(server.ask(&many).page().0, 431);
}

#[test]
fn a_503_says_when_to_try_again_unless_the_page_does() {
    let server = Server::new()
        .workers(1)
        .error_page(|error, req, res| match req.path() {
            "/own" => res.header("retry-after", "60").send("later"),
            "/streamed" => Ok(write!(res.stream()?, "{}", error.status())?),
            "/turned" => res.status(200).send("fine"),
            _ => res.send("later"),
        });
    let server = serve_as(server, |_, _| Err(Error::new(503, "busy")));
    for (path, status, after) in [
        ("/", 503, Some("5")),
        ("/own", 503, Some("60")),
        ("/streamed", 503, Some("5")),
        ("/turned", 200, None),
    ] {
        let reply = server.ask(&Ask::get(path));
        assert_eq!(
            (reply.page().0, reply.field("Retry-After")),
            (status, after),
            "{path}"
        );
    }
    let plain = serve(|_, _| Err(Error::new(503, "busy")));
    assert_eq!(plain.ask(&Ask::get("/")).field("Retry-After"), Some("5"));
}

#[test]
fn a_page_that_goes_wrong_is_replaced_by_the_built_in_one() {
    let server = Server::new()
        .workers(1)
        .error_page(|_, req, res| match req.path() {
            "/error" => Err(Error::new(404, "the template is missing")),
            "/panic" => panic!("the template is broken"),
            "/nothing" => Ok(()),
            "/illegal" => res.header("Two Words", "").send("page"),
            "/gathered" => {
                res.header("X-Page", "1").send("page")?;
                Err(Error::new(500, "after all not"))
            }
            "/short" => res.header("Content-Length", "9").send("page"),
            "/late" => {
                let mut body = res.stream()?;
                body.write_all(b"part")?;
                body.flush()?;
                panic!("in the middle")
            }
            "/finished" => {
                res.finish("page")?;
                panic!("with nobody waiting")
            }
            _ => res.send("page"),
        });
    let server = serve_as(server, |_, _| Err(Error::new(403, "why")));
    let mut wire = server.connect();
    let paths = [
        "/error",
        "/panic",
        "/nothing",
        "/illegal",
        "/gathered",
        "/short",
    ];
    for path in paths {
        let reply = wire.ask(&Ask::get(path).keep());
        assert_eq!(reply.page(), (403, "403 Forbidden\n"), "{path}");
        assert_eq!(reply.fields.len(), 2, "{path}: {:?}", reply.fields);
        let line = server.line(Level::Error, path);
        assert!(
            line.ends_with("in the error page; the built-in one is sent"),
            "{line}"
        );
    }
    assert_eq!(
        wire.ask(&Ask::get("/finished").keep()).page(),
        (403, "page")
    );
    server.line(
        Level::Error,
        "with nobody waiting, after the answer was finished",
    );
    // The connection was given back, and goes on.
    assert_eq!(wire.ask(&Ask::get("/fine").keep()).page(), (403, "page"));
    let late = wire.ask(&Ask::get("/late").keep());
    assert_eq!(
        (late.status, late.text(), late.end),
        (403, "part", End::Cut)
    );
    assert!(
        server
            .line(Level::Error, "in the middle")
            .contains("the answer is cut")
    );
    server.assert_serves();
}

#[test]
fn as_cgi_the_page_is_the_same() {
    let mut command = command();
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", "GET")
        .env("SCRIPT_NAME", "")
        .env("PATH_INFO", "/panic")
        .env("HTTP_ACCEPT", BROWSER)
        .stdout(Stdio::piped());
    let output = command.output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    let head = "Status: 500 Internal Server Error\r\nContent-Type: text/html; charset=utf-8\r\n";
    assert!(answer.starts_with(head), "{answer}");
    assert!(answer.ends_with("<h1>500 Internal Server Error</h1>\n"));
}

/// It looks for an abort at each flush, and what it finds there is the rest of a head that nobody wants.
#[test]
fn a_page_that_streams_for_a_head_that_is_too_large_goes_out() {
    let server = Server::new().workers(1).max_params(64 << 10);
    let server = server.error_page(|error, _, res| {
        let mut out = res.stream()?;
        for _ in 0..5 {
            write!(out, "{} ", error.status())?;
            out.flush()?;
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(())
    });
    let server = serve_as(server, |_, res| res.send("unused"));
    let large = Ask::get("/").param("X", "x".repeat(200_000)).keep();
    for record in [1000, 60_000] {
        let mut wire = server.after(large.clone().records_of(record).bytes());
        assert_eq!(wire.reply(1).page(), (431, "431 431 431 431 431 "));
        wire.assert_closed();
    }
    server.assert_serves();
}
