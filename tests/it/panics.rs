//! A panic in a handler is one 500 or one cut answer, one log line, and nothing else.

use crate::served::{Served, serve, serve_as, start};
use crate::testbed::Testbed;
use crate::wire::{Ask, End};
use fcgi::Server;
use log::Level;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

#[test]
fn a_panic_is_a_500_and_the_worker_serves_on() {
    let server = serve(|req, _| panic!("on {}", req.path()));
    let mut wire = server.connect();
    for i in 0..3 {
        let reply = wire.ask(&Ask::get("/trouble").keep());
        assert_eq!(reply.page(), (500, "500 Internal Server Error\n"));
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
        let lines = server.lines(Level::Warn);
        assert_eq!(lines.len(), i + 1, "{lines:?}");
        assert!(lines[i].starts_with("GET /trouble: panicked"), "{lines:?}");
        assert!(lines[i].contains("on /trouble"), "{lines:?}");
    }
}

#[test]
fn what_was_gathered_before_a_panic_is_not_sent() {
    let server = serve(|_, res| {
        res.header("X-Secret", "1").send("secret")?;
        panic!("after all");
    });
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(reply.page(), (500, "500 Internal Server Error\n"));
    assert_eq!(reply.field("X-Secret"), None);
}

#[test]
fn a_panic_after_the_head_has_left_cuts_the_answer() {
    let server = serve(|_, res| {
        let mut body = res.stream()?;
        body.write_all(b"part")?;
        body.flush()?;
        panic!("in the middle");
    });
    for ask in [Ask::get("/late"), Ask::get("/late").keep()] {
        let mut wire = server.connect();
        let reply = wire.ask(&ask);
        assert_eq!(
            (reply.status, reply.text(), reply.end),
            (200, "part", End::Cut)
        );
        wire.assert_closed();
        server.assert_serves();
    }
    let lines = server.lines(Level::Error);
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].ends_with("the answer is cut, since its head has left"),
        "{lines:?}"
    );
}

#[test]
fn a_panic_after_finish_is_only_a_line() {
    let server = serve_as(Server::new().workers(1), |_, res| {
        res.finish("done")?;
        panic!("with nobody waiting");
    });
    let mut wire = server.connect();
    for _ in 0..3 {
        assert_eq!(wire.ask(&Ask::get("/").keep()).page(), (200, "done"));
    }
    assert_eq!(wire.ask(&Ask::get("/hello")).page(), (200, "hello"));
    let lines = server.lines(Level::Error);
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].ends_with("after the answer was finished"),
        "{lines:?}"
    );
}

#[test]
fn a_panic_with_a_body_unread_or_lent_leaves_the_connection_in_order() {
    let server = serve(|req, _| {
        if req.path() == "/read" {
            req.body().read_exact(&mut [0; 100])?;
        }
        panic!("now");
    });
    let mut wire = server.connect();
    for path in ["/read", "/unread"] {
        let ask = Ask::post(path, vec![b'x'; 100_000]).records_of(999).keep();
        assert_eq!(wire.ask(&ask).page().0, 500);
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    }
}

/// What is thrown need not be text, and may itself panic when it is dropped.
#[test]
fn a_panic_of_any_value_is_contained() {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("again");
            }
        }
    }
    let server = serve(|req, _| match req.path() {
        "/number" => std::panic::panic_any(7),
        _ => std::panic::panic_any(Trap),
    });
    for path in ["/number", "/trap"] {
        assert_eq!(server.ask(&Ask::get(path)).page().0, 500, "{path}");
        server.assert_serves();
    }
    assert_eq!(server.lines(Level::Error).len(), 2);
}

#[test]
fn many_panics_at_once_are_each_their_own() {
    const WORKERS: usize = 4;
    let all = Arc::new(Barrier::new(WORKERS));
    let server = serve_as(Server::new().workers(WORKERS), move |req, _| {
        all.wait();
        panic!("on {}", req.path());
    });
    for round in 0..10 {
        let wires: Vec<_> = (0..WORKERS)
            .map(|i| server.after(Ask::get(&format!("/{round}/{i}")).bytes()))
            .collect();
        for mut wire in wires {
            assert_eq!(wire.reply(1).page().0, 500);
        }
    }
    let lines = server.lines(Level::Error);
    assert_eq!(lines.len(), 10 * WORKERS);
    for line in lines {
        let (_, rest) = line.split_once("GET /").unwrap();
        let (request, _) = rest.split_once(": ").unwrap();
        assert!(line.contains(&format!("on /{request}")), "{line}");
    }
}

/// A server whose state counts its requests, and how often it was made.
fn counting() -> Served {
    let made = AtomicU32::new(0);
    let server = Server::new().workers(1).responder_with(
        move || Ok((made.fetch_add(1, Ordering::Relaxed) + 1, 0_u32)),
        |(made, calls), req, res| {
            *calls += 1;
            match req.path() {
                "/panic" => panic!("with the state in hand"),
                "/error" => Err(fcgi::Error::new(404, "no panic")),
                _ => res.send(format!("state {made}, call {calls}")),
            }
        },
    );
    start(server, Arc::default())
}

#[test]
fn a_state_is_made_anew_after_a_panic_and_only_then() {
    let server = counting();
    let ask = |path| server.ask(&Ask::get(path));
    assert_eq!(ask("/").text(), "state 1, call 1");
    assert_eq!(ask("/").text(), "state 1, call 2");
    assert_eq!(ask("/error").status, 404);
    assert_eq!(ask("/").text(), "state 1, call 4");
    assert_eq!(ask("/panic").status, 500);
    assert_eq!(ask("/").text(), "state 2, call 1");
    assert_eq!(ask("/panic").status, 500);
    assert_eq!(ask("/panic").status, 500);
    assert_eq!(ask("/").text(), "state 4, call 1");
}

/// As the user of a program sees it: one line, with the request, the place and the words, and no other output.
#[test]
fn the_line_of_a_program_names_the_request_the_place_and_the_words() {
    let mut testbed = Testbed::on_tcp(2);
    assert_eq!(testbed.ask(&Ask::get("/panic")).page().0, 500);
    let line = testbed.line("GET /panic: panicked at examples/testbed.rs:");
    assert!(
        line.contains("as asked") && line.contains("answered 500"),
        "{line}"
    );
    assert_eq!(testbed.ask(&Ask::get("/panic-late")).end, End::Cut);
    let line = testbed.line("GET /panic-late: panicked at examples/testbed.rs:");
    assert!(
        line.contains("late, as asked") && line.contains("is cut"),
        "{line}"
    );
    testbed.assert_serves();
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    let lines = testbed.last_lines();
    let told = lines.iter().filter(|line| line.contains("panicked"));
    assert_eq!(told.count(), 2, "each once: {lines:?}");
}
