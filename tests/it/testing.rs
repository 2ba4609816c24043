//! `fcgi::testing`, as an application's tests use it.

use crate::log;
use crate::served::poll;
use fcgi::testing::{Answer, Behind, request};
use fcgi::{Error, Request, Response, Server};
use std::fs;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// What a call that must not be says.
#[track_caller]
fn refusal(call: impl FnOnce() -> Answer) -> String {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => panic!("it was answered: {answer:?}"),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
        },
    }
}

fn nothing(_: &mut Request, res: Response) -> fcgi::Result {
    res.send("")
}

#[test]
fn a_handler_is_called_on_this_thread_and_may_borrow_from_the_test() {
    let (here, rc, text) = (thread::current().id(), Rc::new(1), String::from("borrowed"));
    let mut seen = Vec::new();
    let answer = request("GET", "/x?y=1")
        .header("Accept", "text/plain")
        .call(|req, res| {
            assert_eq!(thread::current().id(), here);
            seen.push((req.method(), req.path(), req.query()).into_owned());
            res.content_type("text/plain")
                .header("Set-Cookie", "a=1")
                .header("Set-Cookie", format!("b={rc}"))
                .status(201)
                .send(&text)
        });
    assert_eq!(seen, [("GET".into(), "/x".into(), "y=1".into())]);
    assert_eq!((answer.status(), answer.text()), (201, "borrowed"));
    assert_eq!(answer.header("content-TYPE"), Some("text/plain"));
    let headers: Vec<_> = answer.headers().collect();
    let expected = [
        ("Content-Type", "text/plain"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=1"),
        ("Content-Length", "8"),
    ];
    assert_eq!(headers, expected);
    let end = answer.end().unwrap();
    assert_eq!((end.app_status, end.protocol_status), (0, 0));
    assert_eq!((answer.error(), answer.is_cut()), (None, false));
}

trait IntoOwned {
    fn into_owned(self) -> (String, String, String);
}

impl IntoOwned for (&str, &str, &str) {
    fn into_owned(self) -> (String, String, String) {
        (self.0.into(), self.1.into(), self.2.into())
    }
}

#[test]
fn a_request_has_what_a_handler_may_look_for() {
    let answer = request("POST", "/a%20b?x=1&y")
        .header("X-Two", "1")
        .header("X-Two", "2")
        .header("Content-Type", "text/css")
        .body("a=1")
        .param("REMOTE_USER", "ada")
        .call(|req, res| {
            assert_eq!(req.role(), fcgi::Role::Responder);
            assert_eq!((req.mount(), req.path()), ("", "/a b"));
            assert_eq!(req.content_length(), Some(3));
            assert_eq!(req.content_type(), Some("text/css"));
            assert_eq!(req.remote_addr(), Some("127.0.0.1"));
            assert_eq!(req.header("Host"), Some("localhost"));
            assert_eq!(req.header("X-Two"), Some("1, 2"));
            for (name, value) in [
                ("REMOTE_USER", "ada"),
                ("SERVER_NAME", "localhost"),
                ("SERVER_PORT", "80"),
                ("SERVER_PROTOCOL", "HTTP/1.1"),
                ("GATEWAY_INTERFACE", "CGI/1.1"),
                ("REQUEST_URI", "/a%20b?x=1&y"),
                ("QUERY_STRING", "x=1&y"),
            ] {
                assert_eq!(req.param(name), Some(value), "{name}");
            }
            // This process has it, and a request does not.
            assert!(std::env::var_os("PATH").is_some());
            assert_eq!(req.param("PATH"), None);
            assert_eq!(io::read_to_string(req.body())?, "a=1");
            res.send("")
        });
    assert_eq!(answer.status(), 200, "{answer:?}");
}

#[test]
fn a_parameter_that_is_set_replaces_what_would_be_sent() {
    let param = |name: &'static str| {
        move |req: &mut Request, res: Response| {
            let values = req.params().filter(|(other, _)| *other == name.as_bytes());
            let values: Vec<_> = values.map(|(_, value)| value).collect();
            res.send(values.join(&b"|"[..]))
        }
    };
    let nginx = || request("GET", "/x").behind(Behind::Nginx);
    assert_eq!(nginx().call(param("SCRIPT_NAME")).text(), "/x|");
    let ask = nginx().param("SCRIPT_NAME", "/s");
    assert_eq!(ask.call(param("SCRIPT_NAME")).text(), "/s");
    let ask = nginx().param("X", "1").param("X", "2");
    assert_eq!(ask.call(param("X")).text(), "2");
    let ask = nginx().without("SCRIPT_NAME").param("X", "");
    assert_eq!(ask.call(param("SCRIPT_NAME")).text(), "");
    let ask = request("GET", "/").header("Host", "a.example:8080");
    assert_eq!(ask.call(param("HTTP_HOST")).text(), "a.example:8080");
}

/// More than sockets and pipes hold, both ways at once and one after the other.
#[test]
fn bodies_and_answers_of_any_size_do_not_stand_still() {
    let large: Vec<u8> = (0..5_000_000_u32).map(|i| (i * 7 / 3) as u8).collect();
    let echo = |req: &mut Request, res: Response| {
        io::copy(req.body(), &mut res.stream()?)?;
        Ok(())
    };
    let answer = request("POST", "/").body(&large[..]).call(echo);
    assert!(answer.body() == large, "echoed while it came");
    let answer = request("POST", "/").body(&large[..]).call(|req, res| {
        let mut body = Vec::new();
        req.body().read_to_end(&mut body)?;
        res.send(body)
    });
    assert!(answer.body() == large, "read, then sent");
    let answer = request("POST", "/")
        .body(&large[..])
        .call(|_, res| res.send(&large));
    assert!(answer.body() == large, "sent, and nothing read");
    let answer = request("POST", "/").body(&large[..]).call(nothing);
    assert_eq!(answer.text(), "", "nothing read or sent");
    let server = Server::new().responder(echo);
    let answer = request("POST", "/").body(large.clone()).serve(&server);
    assert!(answer.body() == large, "by a server");
}

#[test]
fn params_of_any_size_that_a_server_takes_arrive() {
    let long = "v".repeat(200_000);
    let ask = || request("GET", "/").header("X-Long", &long);
    let length = |req: &mut Request, res: Response| {
        let long = req.header("X-Long").unwrap_or_default();
        res.send(long.len().to_string())
    };
    assert_eq!(ask().call(length).text(), "200000");
    let small = Server::new().max_params(64 << 10).responder(length);
    let answer = ask().settings(&small).call(length);
    assert_eq!(answer.status(), 431);
    assert!(answer.error().unwrap().contains("max_params"), "{answer:?}");
    assert_eq!(ask().serve(&small).status(), 431);
    let ask = request("GET", "/").header("X-Long", "v".repeat(2 << 20));
    let refusal = refusal(|| ask.call(nothing));
    assert!(
        refusal.contains("its params exceed 1048576 bytes"),
        "{refusal}"
    );
}

type App = fn(&mut Request, Response) -> fcgi::Result;

/// Each of them by a call and by a server: path, status, text of the answer, why, whether it is cut.
#[test]
fn what_goes_wrong_is_answered_as_by_a_server_and_the_test_is_told_why() {
    let app: App = |req, res| match req.path() {
        "/error" => Err(Error::new(404, "no such page")),
        "/io" => Err(io::Error::from(ErrorKind::NotFound).into()),
        "/header" => res.header("Bad Name", "x").send(""),
        "/panic" => panic!("out of cheese"),
        "/unanswered" => Ok(()),
        "/short" => {
            res.header("Content-Length", "9")
                .stream()?
                .write_all(b"x")?;
            Ok(())
        }
        "/finished" => {
            res.finish("done")?;
            Err(Error::new(500, "too late"))
        }
        _ => {
            let mut body = res.stream()?;
            body.write_all(b"part")?;
            body.flush()?;
            match req.path() {
                "/cut" => Err(Error::new(500, "half way")),
                _ => panic!("half way"),
            }
        }
    };
    let table = [
        ("/error", 404, "404 Not Found", "no such page", false),
        ("/io", 500, "500 Internal", "entity not found", false),
        ("/header", 500, "500 Internal", "not legal in HTTP", false),
        (
            "/panic",
            500,
            "500 Internal",
            "panicked: out of cheese",
            false,
        ),
        (
            "/unanswered",
            500,
            "500 Internal",
            "without answering",
            false,
        ),
        ("/short", 200, "", "after 1 of the 9 bytes", true),
        ("/finished", 200, "done", "too late", false),
        ("/cut", 200, "part", "half way", true),
        ("/panic-late", 200, "part", "panicked: half way", true),
    ];
    let server = Server::new().responder(app);
    for (path, status, text, why, is_cut) in table {
        for answer in [
            request("GET", path).call(app),
            request("GET", path).serve(&server),
        ] {
            assert_eq!(answer.status(), status, "{path}: {answer:?}");
            assert!(answer.text().starts_with(text), "{path}: {answer:?}");
            assert_eq!(
                (answer.is_cut(), answer.end().is_none()),
                (is_cut, is_cut),
                "{path}"
            );
            let told = answer.error().unwrap_or_default();
            assert!(told.contains(why), "{path}: {told}");
        }
    }
}

#[test]
fn an_answer_shows_what_came_and_why() {
    let answer = request("GET", "/").call(|_, _| Err(Error::new(418, "no coffee")));
    let shown = format!("{answer:?}");
    for part in [
        "status: 418",
        "\"418 I'm a teapot",
        "Some(\"no coffee\")",
        "Content-Type",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let answer = request("GET", "/").call(|_, res| res.header("X", b"\xe9").send(b"\xff"));
    assert_eq!(answer.header_bytes("x"), Some(&b"\xe9"[..]));
    assert_eq!(answer.header("x"), Some("\u{fffd}"));
    assert_eq!(answer.body(), b"\xff");
    let refusal = refusal(|| {
        answer.text();
        answer
    });
    assert!(
        refusal.contains("the body of the answer is no text"),
        "{refusal}"
    );
}

#[test]
fn stderr_is_heard_and_not_written_to_ours() {
    let app: App = |req, res| {
        req.stderr().write_all(b"one, ")?;
        req.stderr().write_all(b"two")?;
        res.send("")
    };
    assert_eq!(request("GET", "/").call(app).stderr(), b"one, two");
    let server = Server::new().responder(app);
    assert_eq!(request("GET", "/").serve(&server).stderr(), b"one, two");
}

#[test]
fn the_body_ends_where_stdin_ends_whatever_the_length_says() {
    let read: App = |req, res| {
        let body = io::read_to_string(req.body())?;
        res.send(format!("{:?} {body}", req.content_length()))
    };
    let ask = || request("POST", "/").body("abc");
    assert_eq!(ask().call(read).text(), "Some(3) abc");
    let chunked = ask().without("CONTENT_LENGTH");
    assert_eq!(chunked.call(read).text(), "None abc");
    let wrong = ask().param("CONTENT_LENGTH", "-1");
    assert_eq!(wrong.call(read).text(), "None abc");
    assert_eq!(request("GET", "/").call(read).text(), "None ");
    let limited = Server::new().max_body(2).responder(read);
    assert_eq!(ask().settings(&limited).call(read).status(), 413);
    assert_eq!(ask().serve(&limited).status(), 413);
}

#[test]
fn a_head_has_no_body() {
    let answer = request("HEAD", "/").call(|_, res| res.send("page"));
    assert_eq!((answer.status(), answer.text()), (200, ""));
    assert_eq!(answer.header("Content-Length"), Some("4"));
}

#[test]
fn a_handler_may_leave_the_body_as_it_likes() {
    let uses: [fn(&[u8]) -> usize; 3] = [|lent| lent.len(), |lent| lent.len() / 2, |_| 0];
    for used in uses {
        let ask = request("POST", "/").body(vec![b'x'; 300_000]);
        let answer = ask.call(|req, res| {
            let n = used(req.body().fill_buf()?);
            req.body().consume(n);
            res.send("left")
        });
        assert_eq!(answer.text(), "left");
    }
    let lent = |req: &mut Request, res: Response| {
        req.body().fill_buf()?;
        res.send("left")
    };
    assert_eq!(request("POST", "/").body("lent").call(lent).text(), "left");
}

#[test]
fn mount_and_path_come_out_right_behind_each_web_server() {
    use Behind::*;
    let rows = [
        (ApacheHtaccess, "", "/news/today"),
        (ApacheHtaccessIn("/sub"), "/sub", "/news/today"),
        (ApacheScriptAlias, "", "/news/today"),
        (ApacheScriptAliasMount("/app"), "/app", "/news/today"),
        (ApacheProxyPass, "", "/news/today"),
        (ApacheSetHandler("/app"), "/app", "/news/today"),
        (Nginx, "", "/news/today"),
        (NginxMount("/app"), "/app", "/news/today"),
        (NginxMount("/a/b"), "/a/b", "/news/today"),
        (Lighttpd, "", "/news/today"),
        (LighttpdRoot, "", "/news/today"),
        (LighttpdPrefix("/app"), "/app", "/news/today"),
        (HaProxy, "", "/news/today"),
        (HaProxyMount("/app"), "/app", "/news/today"),
        (CaddyTransport, "", "/news/today"),
        (CaddyTransportMount("/app"), "/app", "/news/today"),
        (CaddyPhp, "", "/news/today"),
        (H2o, "", "/news/today"),
        // It is not told.
        (H2oMount("/app"), "", "/app/news/today"),
    ];
    for (behind, mount, path) in rows {
        let answer = request("GET", "/news/today?x=1")
            .behind(behind)
            .call(|req, res| res.send(format!("{} {} {}", req.mount(), req.path(), req.query())));
        assert_eq!(answer.text(), format!("{mount} {path} x=1"), "{behind:?}");
    }
}

#[test]
fn a_call_has_the_settings_of_a_server() {
    let place: App = |req, res| res.send(format!("{} {}", req.mount(), req.path()));
    let ask = || request("GET", "/news").behind(Behind::H2oMount("/app"));
    assert_eq!(ask().call(place).text(), " /app/news");
    let server = Server::new().mount("/app").responder(place);
    assert_eq!(ask().settings(&server).call(place).text(), "/app /news");
    assert_eq!(ask().serve(&server).text(), "/app /news");
    let wrong: App = |_, _| Err(Error::new(404, "the reason"));
    let answer = request("GET", "/").call(wrong);
    assert!(!answer.text().contains("the reason"), "{answer:?}");
    let debug = Server::new().debug(true);
    let answer = request("GET", "/").settings(&debug).call(wrong);
    assert!(answer.text().contains("the reason"), "{answer:?}");
    let own =
        Server::new().error_page(|error, _, res| res.send(format!("sorry, {}", error.status())));
    let answer = request("GET", "/").settings(&own).call(wrong);
    assert_eq!((answer.status(), answer.text()), (404, "sorry, 404"));
    assert_eq!(answer.error(), Some("the reason"));
}

#[test]
fn what_cannot_be_asked_is_one_sentence() {
    let ask = |method: &'static str, target: &'static str| {
        refusal(|| request(method, target).call(nothing))
    };
    for (refusal, words) in [
        (ask("", "/"), "the method \"\" is not legal"),
        (ask("GET /", "/"), "the method \"GET /\" is not legal"),
        (
            ask("GET", "x"),
            "the target \"x\" has to begin with a slash",
        ),
        (ask("GET", ""), "the target \"\" has to begin with a slash"),
        (
            ask("GET", "?x"),
            "the target \"?x\" has to begin with a slash",
        ),
        (ask("GET", "/a b"), "has ' ' in it: write %20"),
        (ask("GET", "/a\nb"), "has '\\n' in it: write %0A"),
        (ask("GET", "/a#b"), "has '#' in it: write %23"),
        (
            refusal(|| request("GET", "/").header("A B", "x").call(nothing)),
            "the header name \"A B\" is not legal",
        ),
        (
            refusal(|| request("GET", "/").header("A", "x\r\ny").call(nothing)),
            "the value of the header A has a control character",
        ),
        (
            refusal(|| {
                request("GET", "/")
                    .header("content-length", "1")
                    .call(nothing)
            }),
            "body() sets Content-Length",
        ),
        (
            refusal(|| request("GET", "/").body("").body("").call(nothing)),
            "a request has one body",
        ),
        (
            refusal(|| request("GET", "/").param("", "").call(nothing)),
            "a CGI parameter has a name",
        ),
        (
            refusal(|| {
                request("GET", "/a%2Fb")
                    .behind(Behind::ApacheHtaccess)
                    .call(nothing)
            }),
            "behind ApacheHtaccess no application is asked for \"/a%2Fb\"",
        ),
        (
            refusal(|| {
                request("GET", "/../..")
                    .behind(Behind::NginxMount("/app"))
                    .call(nothing)
            }),
            "the web server answers by itself, status 400",
        ),
        (
            refusal(|| request("GET", "").behind(Behind::Nginx).call(nothing)),
            "only behind a preset with a mount",
        ),
        (
            refusal(|| request("OPTIONS", "*").behind(Behind::Nginx).call(nothing)),
            "for * is not known",
        ),
        (
            refusal(|| {
                request("GET", "/")
                    .behind(Behind::ApacheSetHandler("/a/b"))
                    .call(nothing)
            }),
            "splits the path at its first part",
        ),
    ] {
        assert!(refusal.contains(words), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
    for mount in [
        "", "/", "app", "/app/", "/a b", "/a//b", "/../a", "/a?b", "/a%20b",
    ] {
        let refusal = refusal(|| {
            request("GET", "/")
                .behind(Behind::NginxMount(mount))
                .call(nothing)
        });
        assert!(refusal.contains("has to be written as /app"), "{refusal}");
    }
    // All of these can.
    for (method, target) in [("M-SEARCH", "/"), ("OPTIONS", "*"), ("GET", "//é?a?b=/")] {
        assert_eq!(
            request(method, target).call(nothing).status(),
            200,
            "{target}"
        );
    }
    let bare = request("GET", "?x").behind(Behind::NginxMount("/app"));
    assert_eq!(
        bare.call(|req, res| res.send(req.param("REQUEST_URI").unwrap()))
            .text(),
        "/app?x"
    );
}

#[test]
fn a_server_is_asked_with_its_workers_state_and_has_ended() {
    let (made, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    struct State(Arc<AtomicU32>);
    impl Drop for State {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (makes, drops) = (Arc::clone(&made), Arc::clone(&dropped));
    let here = thread::current().id();
    let server = Server::new().responder_with(
        move || {
            makes.fetch_add(1, Ordering::SeqCst);
            Ok(State(Arc::clone(&drops)))
        },
        move |_, _, res| {
            assert_ne!(thread::current().id(), here);
            res.send("answered")
        },
    );
    for n in 1..=3 {
        let answer = request("GET", "/").serve(&server);
        assert_eq!(
            (answer.status(), answer.text()),
            (200, "answered"),
            "{answer:?}"
        );
        let counts = (made.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst));
        assert_eq!(counts, (n, n), "the state is gone, so the worker has ended");
    }
}

#[test]
fn a_state_that_cannot_be_made_is_a_503_that_says_why() {
    let server = Server::new().responder_with(
        || Err::<(), _>(Error::new(500, "no database")),
        |_, _, res| res.send(""),
    );
    let answer = request("GET", "/").serve(&server);
    assert_eq!(answer.status(), 503);
    assert_eq!(
        answer.error(),
        Some("the application's start-up failed: no database")
    );
}

#[test]
fn a_server_without_a_handler_ends_the_request_without_an_answer() {
    let answer = request("GET", "/").serve(&Server::new());
    assert_eq!((answer.status(), answer.body()), (0, &b""[..]));
    assert_eq!(answer.headers().count(), 0);
    assert_eq!(answer.end().unwrap().protocol_status, 3);
}

#[test]
fn the_log_has_what_a_server_would_log() {
    log::collect();
    let here = thread::current().id();
    request("GET", "/quiet").call(|_, _| Err(Error::new(500, "said")));
    let mut logged = None;
    poll("the line", || {
        let is_it = |line: &&log::Line| {
            line.thread == here
                && line.level == ::log::Level::Error
                && line.text == "GET /quiet: said; answered 500"
        };
        logged = log::lines().iter().find(is_it).cloned();
        logged.is_some()
    });
    // As log's own macros have it: a logger chooses by the module, and may name the place.
    let logged = logged.unwrap();
    assert_eq!(logged.target, "fcgi::connection::failure");
    let (file, number) = &logged.place;
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let line = source.lines().nth(*number as usize - 1).unwrap();
    assert!(line.contains("log_line::at!("), "{file}:{number}: {line}");
}
