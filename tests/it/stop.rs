//! Stopping: by signal as a process, by `stop` inside one; idle at once, busy after the request, and by the deadline.

use crate::port::Port;
use crate::served::{Folder, poll, serve_as, start};
use crate::steady::steady;
use crate::testbed::{self, Testbed};
use crate::wire::{self, Ask, End, PATIENCE, Wire};
use fcgi::{Address, Server};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const SIGNALS: [&str; 3] = ["TERM", "INT", "USR1"];

/// The default of `--grace`, and how exact its end has to be.
const GRACE: Duration = Duration::from_secs(5);
const EXACT: Duration = Duration::from_millis(500);

/// Far below `grace`: nothing was waited for.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A busy machine may delay many: who waits for something never ends at once.
const TRIES: usize = 20;

/// multiwatch stops by USR1, which would kill; mod_fcgid and all others by TERM.
#[test]
fn an_idle_process_ends_at_once_with_0_and_takes_its_socket_along() {
    for (i, signal) in SIGNALS.into_iter().enumerate() {
        for workers in [1, 4] {
            let is_quick = (0..TRIES).any(|_| {
                let mut testbed = Testbed::listening(workers);
                // Whoever only keeps a connection does not count.
                let mut kept: Vec<Wire> = (0..3).map(|_| testbed.connect()).collect();
                for wire in &mut kept {
                    assert!(wire.ask(&Ask::get("/hello").keep()).is_whole());
                }
                testbed.assert_serves();
                testbed.signal(signal);
                let (took, status) = testbed.wait();
                assert_eq!(status.code(), Some(0), "{signal}");
                assert_eq!(
                    testbed.folder.names(),
                    [""; 0],
                    "{signal}: the socket is left"
                );
                for wire in &mut kept {
                    assert!(!wire.wait_for_end());
                }
                took < AT_ONCE
            });
            assert!(
                is_quick,
                "{TRIES} times not at once, by {signal} with {workers} workers ({i})"
            );
        }
    }
}

#[test]
fn a_running_request_is_answered_before_the_end_and_no_new_one() {
    steady(Duration::from_millis(300), || {
        for (signal, workers) in SIGNALS.into_iter().zip([1, 4, 1]) {
            let mut testbed = Testbed::listening(workers);
            // All of the signals come meanwhile.
            let ask = Ask::get("/chunks?n=2&ms=1500").keep();
            let mut wire = Wire::after(testbed.address(), ask.bytes());
            // The head and the first chunk: it runs.
            assert!(wire.record().is_some());
            assert!(
                wire.record()
                    .is_some_and(|record| record.content == b"chunk 0\n")
            );
            testbed.signal(signal);
            // mod_fcgid repeats TERM, systemd and a terminal signal parent and children alike.
            for again in ["TERM", "USR1"] {
                testbed.signal(again);
            }
            wire.write(ask.bytes());
            assert!(
                wire.record()
                    .is_some_and(|record| record.content == b"chunk 1\n")
            );
            assert!(
                wire.record()
                    .is_some_and(|record| record.content.is_empty())
            );
            assert_eq!(wire.reply(1).end, End::Whole(0, 0), "{signal}");
            // The next request on it is nobody's, and what the kernel does with it is its own.
            wire.wait_for_end();
            let (took, status) = testbed.wait();
            assert_eq!(status.code(), Some(0), "{signal}");
            assert!(took < GRACE / 2, "{signal}: it waited for the deadline");
            assert_eq!(testbed.folder.names(), [""; 0]);
            assert_eq!(testbed.last_troubles(), [""; 0]);
        }
    });
}

/// Of what was there when the stop began: a request on a kept connection, and those that nobody had accepted. With one
/// worker, which is busy.
#[test]
fn what_has_come_when_a_stop_begins_is_answered() {
    steady(Duration::from_millis(300), || {
        let port = Port::new();
        let tcp = port.address().to_string();
        let mut testbed = Testbed::listening_with(&["--workers", "1", "--listen", &tcp]);
        let tcp = Address::Tcp(tcp.parse().unwrap());
        let [mut asking, mut idle] = [(); 2].map(|()| testbed.connect());
        for wire in [&mut asking, &mut idle] {
            assert!(wire.ask(&Ask::get("/hello").keep()).is_whole());
        }
        let mut running = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=1500").bytes());
        assert!(running.record().is_some() && running.record().is_some());
        asking.write(Ask::get("/hello").keep().bytes());
        let hello = Ask::get("/hello").bytes();
        let waiting = (0..20).map(|i| match i % 2 {
            0 => Wire::after(testbed.address(), &hello),
            _ => Wire::after(&tcp, &hello),
        });
        let waiting: Vec<Wire> = waiting.collect();
        let mut silent = testbed.connect();
        testbed.signal("TERM");
        // The path goes at once, though nobody has time.
        poll("the path to go", || testbed.folder.names().is_empty());
        assert!(testbed.is_running() && idle.is_silent());
        // A web server that had other things to do between its connect and its request.
        silent.write(&hello);
        for _ in 0..2 {
            assert!(running.record().is_some());
        }
        assert_eq!(running.record().unwrap().kind, wire::END_REQUEST);
        for mut wire in waiting.into_iter().chain([asking]) {
            assert_eq!(wire.reply(1).page(), (200, "Hello, world!"));
            wire.assert_closed();
        }
        idle.assert_closed();
        assert_eq!(silent.reply(1).page(), (200, "Hello, world!"));
        assert!(Wire::try_connect(&tcp).is_err());
        assert_eq!(testbed.wait().1.code(), Some(0));
        assert_eq!(testbed.last_troubles(), [""; 0]);
    });
}

/// A web server that writes to it just when the stop begins, and does not repeat a POST, would answer 502.
#[test]
fn a_kept_connection_may_ask_once_more_when_a_stop_begins() {
    let is_answered = (0..10).any(|_| {
        let mut testbed = Testbed::listening(2);
        let mut kept = testbed.connect();
        let ask = Ask::get("/hello").keep();
        assert!(kept.ask(&ask).is_whole());
        testbed.signal("TERM");
        poll("the path to go", || testbed.folder.names().is_empty());
        let is_sent = kept.try_write(ask.bytes()).is_ok();
        let answer = kept.try_bytes_until_the_end().unwrap_or_default();
        assert_eq!(testbed.wait().1.code(), Some(0));
        let hello = b"Hello, world!";
        is_sent && answer.windows(hello.len()).any(|part| part == hello)
    });
    assert!(is_answered, "closed ten times before it could ask");
}

/// What there is no room for stays in the backlog until there is.
#[test]
fn a_backlog_that_exceeds_the_limit_is_emptied_bit_by_bit() {
    steady(Duration::from_millis(300), || {
        let flags = ["--workers", "1", "--max-connections", "3"];
        let mut testbed = Testbed::listening_with(&flags);
        let mut running = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=1500").bytes());
        assert!(running.record().is_some() && running.record().is_some());
        let hello = Ask::get("/hello").bytes();
        let mut waiting = [(); 12].map(|()| Wire::after(testbed.address(), &hello));
        testbed.signal("TERM");
        for wire in &mut waiting {
            assert_eq!(wire.reply(1).page(), (200, "Hello, world!"));
        }
        assert_eq!(testbed.wait().1.code(), Some(0));
        testbed.line("no room for another connection (max_connections are open, 3)");
    });
}

#[test]
fn whoever_has_said_nothing_is_waited_for_a_second() {
    steady(Duration::from_millis(100), || {
        let mut testbed = Testbed::listening(4);
        let mut silent = testbed.connect();
        testbed.assert_serves();
        let (took, status) = testbed.end_by("TERM");
        assert_eq!(status.code(), Some(0));
        let second = Duration::from_secs(1);
        assert!(
            *took.start() < second + EXACT && *took.end() > second - EXACT,
            "{took:?}"
        );
        assert!(!silent.wait_for_end());
    });
}

#[test]
fn a_head_that_is_not_whole_is_waited_for_until_the_deadline() {
    let bytes = Ask::get("/hello").bytes();
    let half = bytes.len() / 2;
    let mut testbed = Testbed::listening(1);
    let mut wire = Wire::after(testbed.address(), &bytes[..half]);
    testbed.assert_serves();
    testbed.signal("TERM");
    // Longer than whoever is silent gets.
    std::thread::sleep(Duration::from_millis(1300));
    wire.write(&bytes[half..]);
    assert_eq!(wire.reply(1).page(), (200, "Hello, world!"));
    assert_eq!(testbed.wait().1.code(), Some(0));

    let mut testbed = Testbed::listening_with(&["--workers", "2", "--grace", "1"]);
    let wires = [(); 3].map(|()| Wire::after(testbed.address(), &bytes[..half]));
    testbed.assert_serves();
    testbed.signal("TERM");
    assert_eq!(testbed.wait().1.code(), Some(1));
    let lines = testbed.last_troubles();
    let words = "the time to stop is over; cut unanswered: 3 that waited for a worker or for the rest of a request";
    assert!(lines.len() == 1 && lines[0].ends_with(words), "{lines:?}");
    drop(wires);
}

#[test]
fn at_the_deadline_it_tells_of_those_that_no_worker_had_time_for() {
    let mut testbed = Testbed::listening_with(&["--workers", "2", "--grace", "1"]);
    let sleep = Ask::get("/chunks?n=2&ms=60000").bytes();
    let mut running = [(); 2].map(|()| Wire::after(testbed.address(), &sleep));
    for wire in &mut running {
        assert!(wire.record().is_some() && wire.record().is_some());
    }
    let _waiting = Wire::after(testbed.address(), Ask::get("/hello").bytes());
    testbed.signal("TERM");
    assert_eq!(testbed.wait().1.code(), Some(1));
    let lines = testbed.last_troubles();
    let told = |words: &str| lines.iter().filter(|line| line.ends_with(words)).count();
    assert_eq!(
        (
            told(" GET /chunks"),
            told("; cut unanswered: what nobody had accepted yet"),
            lines.len()
        ),
        (2, 1, 3),
        "{lines:?}"
    );
}

/// lighttpd, mod_fastcgi and h2o never send KILL. It needs no free worker, and no worker that ever returns.
#[test]
fn at_the_deadline_it_ends_with_1_and_names_what_it_cuts() {
    steady(Duration::from_millis(100), || {
        let mut spinning = Testbed::listening_with(&["--workers", "1", "--grace", "2"]);
        let mut sleeping = Testbed::listening(4);
        let spin = Wire::after(spinning.address(), Ask::get("/spin").bytes());
        let ask = Ask::get("/chunks?n=2&ms=60000").bytes();
        let mut chunks: Vec<Wire> = (0..4)
            .map(|_| Wire::after(sleeping.address(), &ask))
            .collect();
        for wire in &mut chunks {
            // The head and the first chunk: it runs.
            assert!(wire.record().is_some() && wire.record().is_some());
        }
        spinning.wait_until_it_spins();
        let begun = Instant::now();
        spinning.signal("TERM");
        sleeping.signal("USR1");
        let signalled = Instant::now();
        // These change nothing, least of all the deadline.
        std::thread::sleep(Duration::from_millis(1400));
        for signal in SIGNALS {
            if signal != "INT" {
                spinning.signal(signal);
                sleeping.signal(signal);
            }
        }
        for (testbed, grace) in [
            (&mut spinning, Duration::from_secs(2)),
            (&mut sleeping, GRACE),
        ] {
            let (_, status) = testbed.wait();
            let took = signalled.elapsed()..=begun.elapsed();
            assert!(
                *took.start() < grace + EXACT && *took.end() >= grace,
                "gone after {took:?}"
            );
            assert_eq!(status.code(), Some(1));
            assert_eq!(testbed.folder.names(), [""; 0], "the socket is left");
        }
        let is_told = |line: &String, request: &str| {
            line.contains("] ERROR the time to stop is over; cut after ") && line.ends_with(request)
        };
        let lines = spinning.last_troubles();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(is_told(&lines[0], " GET /spin"), "{lines:?}");
        let mut lines = sleeping.last_troubles();
        // The watcher may be quicker than the deadline.
        lines.retain(|line| !line.contains("workers have been busy"));
        let told = lines.iter().filter(|line| is_told(line, " GET /chunks"));
        assert_eq!((told.count(), lines.len()), (4, 4), "{lines:?}");
        for mut wire in chunks.into_iter().chain([spin]) {
            assert!(!wire.wait_for_end());
        }
    });
}

/// Only a person at a terminal is taken for impatient.
#[test]
fn without_a_terminal_a_second_int_changes_nothing() {
    steady(Duration::from_millis(300), || {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut command = testbed::command_without_terminal(testbed::example("testbed"));
        command.args(["--listen", &address.to_string()]);
        let mut testbed = Testbed::spawn(command, address, folder);
        poll("the testbed", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        let mut wire = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=1500").bytes());
        assert!(wire.record().is_some());
        testbed.signal("INT");
        testbed.signal("INT");
        let reply = (wire.record().unwrap(), wire.record().unwrap());
        assert_eq!(
            (&reply.0.content[..], &reply.1.content[..]),
            (&b"chunk 0\n"[..], &b"chunk 1\n"[..])
        );
        assert_eq!(testbed.wait().1.code(), Some(0));
    });
}

/// `script` gives it one.
#[test]
fn at_a_terminal_a_second_int_ends_at_once_and_nothing_else_does() {
    steady(Duration::from_millis(300), || {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let program = testbed::command().get_program().to_owned();
        let program = program.to_str().expect("a path of text");
        let mut command = testbed::command_of("script");
        let shell = format!("exec '{program}' --listen {address}");
        command.args(["--quiet", "--return", "--command", &shell, "/dev/null"]);
        let mut testbed = Testbed::spawn(command, address, folder);
        poll("the testbed", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        let pid = testbed.ask(&Ask::get("/pid")).text().parse().unwrap();
        let mut wire = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=60000").bytes());
        assert!(wire.record().is_some() && wire.record().is_some());
        for name in ["TERM", "USR1", "TERM", "INT"] {
            testbed::signal(pid, name);
        }
        // Long enough to see that it goes on, far below grace.
        std::thread::sleep(AT_ONCE * 3);
        assert!(wire.is_silent() && testbed.is_running());
        let begun = Instant::now();
        testbed::signal(pid, "INT");
        assert_eq!(testbed.wait().1.code(), Some(1));
        assert!(begun.elapsed() < GRACE / 2);
        assert_eq!(testbed.folder.names(), [""; 0], "the socket is left");
    });
}

/// What a web server left on fd 0 is its own, and stays.
#[test]
fn a_socket_that_was_inherited_is_left_alone() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path().join("theirs")).unwrap();
    for _ in 0..2 {
        let mut testbed = Testbed::on_stdin(&listener, 2);
        testbed.assert_serves();
        testbed.signal("TERM");
        assert_eq!(testbed.wait().1.code(), Some(0));
        assert_eq!(folder.names(), ["theirs"]);
    }
    // It still listens: whoever is started next answers.
    let waiting = Wire::after(
        &Address::Unix(folder.path().join("theirs")),
        Ask::get("/hello").bytes(),
    );
    let testbed = Testbed::on_stdin(&listener, 2);
    let mut waiting = waiting;
    assert_eq!(waiting.reply(1).page(), (200, "Hello, world!"));
    drop(testbed);
}

/// A busy process that is stopped takes nothing along that a sibling, or the next one, can answer.
#[test]
fn the_backlog_of_a_socket_that_was_inherited_is_left_to_others() {
    steady(Duration::from_millis(300), || {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path().join("theirs")).unwrap();
        let mut testbed = Testbed::on_stdin(&listener, 1);
        let mut running = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=1500").bytes());
        assert!(running.record().is_some() && running.record().is_some());
        let ask = Ask::get("/pid");
        let mut waiting = [(); 8].map(|()| Wire::after(testbed.address(), ask.bytes()));
        testbed.signal("TERM");
        assert_eq!(testbed.wait().1.code(), Some(0));
        for _ in 0..2 {
            assert!(running.record().is_some());
        }
        assert!(waiting.iter_mut().all(Wire::is_silent));
        let next = Testbed::on_stdin(&listener, 1);
        for wire in &mut waiting {
            assert_eq!(wire.reply(1).page(), (200, &*next.pid().to_string()));
        }
    });
}

#[test]
fn stop_and_join_end_every_worker_after_its_request() {
    for workers in [1, 4] {
        let busy = Arc::new(Barrier::new(workers + 1));
        let held = Arc::clone(&busy);
        let mut server = serve_as(Server::new().workers(workers), move |_, res| {
            held.wait();
            held.wait();
            res.send("done")
        });
        let mut wires: Vec<Wire> = (0..workers)
            .map(|_| server.after(Ask::get("/").keep().bytes()))
            .collect();
        busy.wait();
        server.stop();
        // Gone at once, so that the next one can start while this one still works.
        assert!(Wire::try_connect(server.address()).is_err());
        let next = Server::new().listen(server.address().clone());
        let next = next.responder(|_, res| res.send("next")).start().unwrap();
        assert_eq!(server.ask(&Ask::get("/")).page(), (200, "next"));
        server.stop();
        busy.wait();
        assert!(server.ends_within(PATIENCE));
        for wire in &mut wires {
            assert_eq!(wire.reply(1).page(), (200, "done"));
            wire.assert_closed();
        }
        // The old one did not take the new one's socket along.
        assert_eq!(server.ask(&Ask::get("/")).page(), (200, "next"));
        next.stop();
        next.join();
    }
}

#[test]
fn a_server_that_is_idle_ends_at_once_whoever_holds_a_connection() {
    steady(Duration::from_millis(300), || {
        let served = Arc::default();
        let server = Server::new().workers(4).responder(|_, res| res.send("x"));
        let mut server = start(server, served);
        let mut kept: Vec<Wire> = (0..8).map(|_| server.connect()).collect();
        for wire in &mut kept {
            assert!(wire.ask(&Ask::get("/").keep()).is_whole());
        }
        // Lingering: our side is closed, theirs is not.
        let mut lingering = server.after(Ask::post("/", "x").head());
        assert!(lingering.reply(1).is_whole());
        lingering.assert_closed();
        let begun = Instant::now();
        server.stop();
        assert!(server.ends_within(PATIENCE));
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "after {:?}",
            begun.elapsed()
        );
        for wire in &mut kept {
            wire.assert_closed();
        }
    });
}
