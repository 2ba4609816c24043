//! Everything that grows has a limit and every wait an end: each of them, on both sides.

use crate::served::{Folder, Served, poll, serve_as};
use crate::steady::steady;
use crate::testbed::{self, Testbed, command_of, example};
use crate::wire::{Ask, PARAMS, PATIENCE, Wire, begin, pair, record};
use fcgi::{Address, Server};
use log::Level;
use std::fs;
use std::iter::zip;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(150);

fn one_worker() -> Server {
    Server::new().workers(1)
}

fn hello(server: Server) -> Served {
    let server = serve_as(server, |req, res| {
        if let Ok(ms) = req.query().parse() {
            thread::sleep(Duration::from_millis(ms));
        }
        res.send("hello")
    });
    server.assert_serves();
    server
}

/// Lets what waits become older than what comes next, by more than the clock's step.
fn older() {
    let now = Instant::now();
    poll("the clock", || now.elapsed() > Duration::from_millis(3));
}

/// A request whose PARAMS have so many bytes.
fn ask_of(bytes: usize) -> Ask {
    let ask = Ask::get("/");
    let have = ask.params().len() - 16;
    // A name of one byte, lengths of one and four.
    let value = bytes - have - 1 - 1 - 4;
    let ask = ask.param("X", "v".repeat(value));
    assert_eq!(
        ask.clone().records_of(60_000).params().len() - 8 * (bytes.div_ceil(60_000) + 1),
        bytes
    );
    ask.records_of(60_000)
}

#[test]
fn params_over_max_params_are_a_431_and_params_of_max_params_are_not() {
    const MAX: usize = 100_000;
    let server = hello(one_worker().max_params(MAX));
    for over in [false, true] {
        let ask = ask_of(MAX + usize::from(over)).keep();
        let mut wire = server.connect();
        let reply = wire.ask(&ask);
        if !over {
            assert_eq!(reply.page(), (200, "hello"));
            continue;
        }
        assert_eq!(reply.page(), (431, "431 Request Header Fields Too Large\n"));
        // What follows cannot be told from content: the connection does not go on.
        wire.assert_closed();
    }
    server.line(Level::Info, "the params exceed max_params, 100000 bytes");
    // A head that is much too long does not lose the answer, though nobody reads it.
    let mut wire = server.after(ask_of(800_000).head());
    assert_eq!(wire.reply(1).status, 431);
    wire.assert_closed();
    server.assert_serves();
}

#[test]
fn pairs_over_max_pairs_are_a_431_and_a_close() {
    let server = hello(one_worker().max_pairs(50));
    for (more, status) in [(45, 200), (46, 431), (5000, 431), (0, 200)] {
        // Five are there.
        let ask = (0..more).fold(Ask::get("/").keep(), |ask, i| {
            ask.param(format!("P{i}"), "")
        });
        let mut wire = server.connect();
        assert_eq!(wire.ask(&ask).page().0, status, "{more} more");
        if status == 431 {
            wire.assert_closed();
        }
    }
    let line = |count| {
        let why = format!("{count} parameters are more than max_pairs, 50 (raise --max-pairs)");
        format!("GET /: {why}; answered 431")
    };
    assert_eq!(server.lines(Level::Info), [line(51), line(5005)]);
}

#[test]
fn a_pair_over_max_pair_is_a_431_and_a_close() {
    let server = hello(one_worker().max_pair(1000));
    for (value, status) in [(999, 200), (1000, 431), (10, 200)] {
        let ask = Ask::get("/").keep().param("X", "v".repeat(value));
        let mut wire = server.connect();
        assert_eq!(wire.ask(&ask).page().0, status, "a value of {value} bytes");
        if status == 431 {
            wire.assert_closed();
        }
    }
    server.line(
        Level::Info,
        "GET /: X has 1001 bytes, more than max_pair, 1000 (raise --max-pair); answered 431",
    );
    // A name is anybody's: it is escaped, and cut.
    let ask = Ask::get("/").param(["\n", &"N".repeat(1000)].concat(), "");
    assert_eq!(server.connect().ask(&ask).page().0, 431);
    let name = ["\\n", &"N".repeat(63)].concat();
    server.line(Level::Info, &format!("GET /: {name} has 1001 bytes, "));
}

#[test]
fn a_pair_that_points_past_the_end_is_a_400() {
    let server = hello(one_worker());
    let mut wire = server.connect();
    for broken in [
        &[5, 1, b'A'][..],
        &[1],
        &[0x80, 0, 0],
        &[1, 0xff, 0xff, 0xff, 0xff, b'A'],
    ] {
        let reply = wire.ask(&Ask::get("/").keep().raw_params(broken));
        assert_eq!(reply.page(), (400, "400 Bad Request\n"), "{broken:?}");
    }
    assert_eq!(wire.ask(&Ask::get("/")).page(), (200, "hello"));
    let line = "GET /: a parameter's length points past the end of the parameters, behind QUERY_STRING; answered 400";
    assert_eq!(server.lines(Level::Info), [line; 4]);
}

/// To whoever reads the log, and to the application's own page: on one connection or on one of many, and without a body for HEAD.
#[test]
fn a_refused_request_is_known_by_its_line_its_address_and_its_headers() {
    let many = |ask: Ask| (0..70).fold(ask, |ask, i| ask.param(format!("P{i}"), ""));
    type Spoil<'a> = &'a dyn Fn(Ask) -> Ask;
    let rows: [(Spoil<'_>, u16); 4] = [
        (&|ask| ask.param("HTTP_COOKIE", "v".repeat(2000)), 431),
        (&many, 431),
        (
            &|ask| ask.param("P", "v".repeat(70_000)).records_of(9000),
            431,
        ),
        (&|ask| ask.raw_params([5, 1, b'A']), 400),
    ];
    for multiplex in [false, true] {
        let folder = Folder::new();
        let file = folder.path().join("access.log");
        let limited = one_worker()
            .multiplex(multiplex)
            .max_params(64 << 10)
            .max_pair(1000)
            .max_pairs(60)
            .access_log(&file)
            .error_page(|_, req, res| {
                let address = req.remote_addr().map(|address| address.to_string());
                let accept = req.header("Accept");
                res.send(format!(
                    "{} {} {address:?} {accept:?}",
                    req.method(),
                    req.path()
                ))
            });
        let server = hello(limited);
        for (i, (spoil, status)) in rows.iter().enumerate() {
            for method in ["POST", "HEAD"] {
                let ask = Ask::new(method, "/the/page")
                    .param("REMOTE_ADDR", "192.0.2.7")
                    .param("HTTP_ACCEPT", "text/csv");
                let page = match method {
                    "HEAD" => "",
                    _ => r#"POST /the/page Some("192.0.2.7") Some("text/csv")"#,
                };
                let reply = server.connect().ask(&spoil(ask));
                assert_eq!(reply.page(), (*status, page), "{i}, {method}, {multiplex}");
            }
        }
        let lines = server.lines(Level::Info);
        let expected = ["POST /the/page: ", "HEAD /the/page: "].repeat(rows.len());
        assert!(
            lines.len() == expected.len()
                && zip(&lines, expected).all(|(line, begin)| line.starts_with(begin)),
            "{lines:#?}"
        );
        // The first line is of the request in `hello`.
        let access = || fs::read_to_string(&file).unwrap();
        poll("the access log", || {
            access().lines().count() == 1 + lines.len()
        });
        let expected = ["\"POST /the/page ", "\"HEAD /the/page "].repeat(rows.len());
        for (line, request) in zip(access().lines().skip(1), expected) {
            let is_known = line.starts_with("192.0.2.7 - - [") && line.contains(request);
            assert!(is_known, "{line}");
        }
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed_after_first_byte_timeout() {
    steady(SHORT / 4, || {
        let server = hello(one_worker().first_byte_timeout(SHORT));
        let start = Instant::now();
        let mut silent: Vec<Wire> = (0..5).map(|_| server.connect()).collect();
        for wire in &mut silent {
            wire.assert_closed();
            assert!(start.elapsed() >= SHORT);
        }
        assert_eq!(server.lines(Level::Info), [""; 0], "a probe is everyday");
    });
}

#[test]
fn a_head_that_dribbles_is_closed_after_head_timeout_with_a_warning() {
    steady(SHORT / 4, || {
        let server = hello(one_worker().head_timeout(SHORT));
        let head = Ask::get("/").head();
        let start = Instant::now();
        let mut wire = server.after(&head[..20]);
        for byte in &head[20..] {
            thread::sleep(SHORT / 10);
            // It is closed though bytes keep coming.
            if wire.try_write([*byte]).is_err() {
                break;
            }
        }
        assert!(
            wire.try_write("x").is_err(),
            "the whole head was waited for"
        );
        assert!(start.elapsed() >= SHORT);
        server.line(
            Level::Warn,
            "a request's head was not whole in time (head_timeout)",
        );
        // One that comes in time, byte by byte, is served.
        let server = hello(one_worker().head_timeout(PATIENCE));
        let mut wire = server.connect();
        for byte in Ask::get("/").bytes() {
            wire.write([byte]);
        }
        assert_eq!(wire.reply(1).page(), (200, "hello"));
    });
}

/// Whoever connects decides how often it happens.
#[test]
fn many_heads_that_are_not_whole_in_time_are_one_line() {
    let server = hello(one_worker().head_timeout(SHORT));
    let half = &Ask::get("/").bytes()[..30];
    let mut waiting: Vec<Wire> = (0..20).map(|_| server.after(half)).collect();
    for wire in &mut waiting {
        assert!(!wire.wait_for_end());
    }
    server.line(Level::Warn, "(head_timeout)");
}

/// A record that is nobody's, and a header that does not come to its end: not silence, but no request either.
#[test]
fn a_first_record_that_dribbles_is_closed_after_head_timeout() {
    steady(SHORT / 4, || {
        let server = hello(one_worker().head_timeout(SHORT).first_byte_timeout(SHORT));
        for bytes in [record(5, 7, &[0; 200]), record(9, 0, &[0; 200])] {
            let start = Instant::now();
            let mut wire = server.connect();
            let written = bytes.iter().take_while(|byte| {
                thread::sleep(SHORT / 10);
                wire.try_write([**byte]).is_ok()
            });
            assert!(
                written.count() < 100,
                "it lived for {:?}, each byte gave it time",
                start.elapsed()
            );
            assert!(start.elapsed() >= SHORT);
        }
        // What is left of a body whose request is answered takes the time that it takes.
        let server = hello(one_worker().head_timeout(SHORT));
        let ask = Ask::post("/", "the whole body").keep();
        let mut wire = server.after(ask.head());
        assert_eq!(wire.reply(1).page(), (200, "hello"));
        for byte in ask.stdin() {
            thread::sleep(SHORT / 10);
            wire.write([byte]);
        }
        assert_eq!(wire.ask(&Ask::get("/")).page(), (200, "hello"));
    });
}

#[test]
fn a_kept_connection_is_closed_after_idle_timeout() {
    steady(SHORT / 4, || {
        let server = hello(one_worker().idle_timeout(SHORT));
        let ask = Ask::get("/").keep();
        let mut wire = server.connect();
        for _ in 0..3 {
            assert_eq!(wire.ask(&ask).page(), (200, "hello"));
            let before = Instant::now();
            // Half the time is not all of it.
            while before.elapsed() < SHORT / 2 {
                assert!(wire.is_silent());
                thread::sleep(Duration::from_millis(5));
            }
        }
        let start = Instant::now();
        wire.assert_closed();
        assert!(start.elapsed() >= SHORT / 3);
        assert_eq!(server.lines(Level::Info), [""; 0]);
    });
}

#[test]
fn no_limit_of_a_waiting_connection_ends_a_running_request() {
    steady(SHORT / 4, || {
        let server = one_worker()
            .first_byte_timeout(SHORT)
            .head_timeout(SHORT)
            .body_timeout(SHORT)
            .write_timeout(SHORT)
            .idle_timeout(SHORT)
            .linger_timeout(SHORT);
        let server = hello(server);
        let mut wire = server.connect();
        for _ in 0..2 {
            let slow = Ask::get("/?400").keep();
            assert_eq!(wire.ask(&slow).page(), (200, "hello"));
        }
    });
}

#[test]
fn heads_that_wait_share_one_limit_and_the_oldest_is_closed() {
    let server = hello(
        one_worker()
            .max_waiting_heads(100_000)
            .head_timeout(PATIENCE),
    );
    let ask = Ask::get("/").param("X", "x".repeat(30_000));
    let bytes = ask.bytes();
    let half = 25_000;
    let mut waiting: Vec<Wire> = Vec::new();
    for _ in 0..8 {
        waiting.push(server.after(&bytes[..half]));
        // It has been read when the one worker serves another.
        server.assert_serves();
        older();
    }
    // The last three or four fit, however their blocks have grown; the first ones are gone.
    for wire in &mut waiting[..4] {
        assert!(!wire.wait_for_end());
    }
    for wire in &mut waiting[6..] {
        wire.write(&bytes[half..]);
        assert_eq!(wire.reply(1).page(), (200, "hello"));
    }
    let lines = server.lines(Level::Warn);
    assert_eq!(lines.len(), 1, "not a line for each: {lines:?}");
    assert!(lines[0].contains("max_waiting_heads"));
}

/// A request that was sent before the answer to the one before waits as heads do.
#[test]
fn next_requests_that_wait_count_as_heads() {
    let server = serve_as(one_worker().max_waiting_heads(10_000), |_, res| {
        res.finish("finished")
    });
    let next = Ask::get("/").param("X", "x".repeat(20_000)).keep();
    let mut wire = server.after([Ask::get("/").keep().bytes(), next.bytes()].concat());
    assert_eq!(wire.reply(1).page(), (200, "finished"));
    assert!(!wire.wait_for_end());
    server.line(Level::Warn, "max_waiting_heads");
    server.assert_serves();
}

#[test]
fn over_max_connections_the_longest_idle_one_is_closed() {
    let server = hello(one_worker().max_connections(3));
    let ask = Ask::get("/").keep();
    let mut kept: Vec<Wire> = (0..3).map(|_| server.connect()).collect();
    // The first one asks again: it becomes the youngest.
    for i in [0, 1, 2, 0] {
        assert_eq!(kept[i].ask(&ask).page(), (200, "hello"));
        older();
    }
    let mut new = server.connect();
    assert_eq!(new.ask(&ask).page(), (200, "hello"));
    kept[1].assert_closed();
    for i in [0, 2] {
        assert_eq!(kept[i].ask(&ask).page(), (200, "hello"));
    }
}

/// They are as many as anybody likes, and must not keep out who has something to say.
#[test]
fn over_max_connections_the_longest_silent_one_is_closed() {
    let server = hello(one_worker().max_connections(3));
    let start = Instant::now();
    let mut silent: Vec<Wire> = Vec::new();
    for _ in 0..50 {
        silent.push(server.connect());
    }
    server.assert_serves();
    // Far below first_byte_timeout.
    assert!(start.elapsed() < Duration::from_secs(20));
    for wire in &mut silent[..47] {
        wire.assert_closed();
    }
    assert!(silent[49].is_silent());
    server.line(Level::Warn, "no room for another connection");
}

/// It has said something, and only waits for the worker.
#[test]
fn over_max_connections_none_is_closed_whose_request_has_come() {
    steady(Duration::from_millis(300), || {
        let server = hello(one_worker().max_connections(3));
        let ask = Ask::get("/");
        let (mut new, mut kept) = (server.connect(), server.connect());
        assert_eq!(kept.ask(&ask.clone().keep()).page(), (200, "hello"));
        let mut busy = server.after(Ask::get("/?1500").bytes());
        assert!(busy.is_silent());
        // In this order they are looked at: the listener's turn comes first.
        let mut more = server.after(ask.bytes());
        assert!(busy.is_silent());
        new.write(ask.bytes());
        kept.write(ask.bytes());
        for wire in [&mut busy, &mut new, &mut kept, &mut more] {
            assert_eq!(wire.reply(1).page(), (200, "hello"));
        }
    });
}

#[test]
fn over_max_connections_with_none_idle_new_ones_wait() {
    let server = hello(one_worker().max_connections(2).head_timeout(PATIENCE));
    let half = Ask::get("/").bytes()[..30].to_vec();
    let mut busy: Vec<Wire> = (0..2).map(|_| server.after(&half)).collect();
    let mut new = server.after(Ask::get("/").bytes());
    let line = server.line(Level::Warn, "no room for another connection");
    assert!(line.contains("max_connections are open"), "{line}");
    assert!(new.is_silent());
    busy[0].write(&Ask::get("/").bytes()[30..]);
    assert_eq!(busy[0].reply(1).page(), (200, "hello"));
    assert_eq!(new.reply(1).page(), (200, "hello"));
}

/// Weather, for a process on a shared host: one line, and it goes on.
#[test]
fn out_of_descriptors_the_longest_idle_connection_makes_room() {
    let testbed = Testbed::listening(1);
    let ask = Ask::get("/hello").keep();
    let mut first = testbed.connect();
    assert!(first.ask(&ask).is_whole());
    limit_descriptors(&testbed, open_descriptors(&testbed) + 3);
    let mut kept: Vec<Wire> = Vec::new();
    for _ in 0..10 {
        let mut wire = testbed.connect();
        assert_eq!(wire.ask(&ask).page(), (200, "Hello, world!"));
        kept.push(wire);
        older();
    }
    first.assert_closed();
    kept[0].assert_closed();
    assert!(kept[9].ask(&ask).is_whole());
    let lines = testbed.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("no room for another connection"));
    assert!(told.count() >= 1, "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("ERROR")),
        "{lines:?}"
    );
}

/// Nothing can be closed, and nothing accepted: it is waited out without spinning, and what waited is served.
#[test]
fn out_of_descriptors_with_nothing_to_close_new_ones_wait() {
    let testbed = Testbed::listening(1);
    let mut open = usize::MAX;
    poll(
        "the connection that looked whether it listens to be closed",
        || {
            let before = std::mem::replace(&mut open, open_descriptors(&testbed));
            thread::sleep(Duration::from_millis(50));
            before == open
        },
    );
    allow_no_more_descriptors(&testbed);
    let mut waiting = testbed.connect();
    waiting.write(Ask::get("/hello").bytes());
    testbed.line("no room for another connection");
    let ticks = testbed.cpu_ticks();
    older();
    thread::sleep(Duration::from_secs(1));
    let spent = testbed.cpu_ticks() - ticks;
    assert!(
        spent <= 5,
        "{spent} hundredths of a second of work in one second"
    );
    let lines = testbed.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("no room for another connection"));
    assert_eq!(told.count(), 1, "{lines:?}");
    limit_descriptors(&testbed, 1000);
    assert_eq!(waiting.reply(1).page(), (200, "Hello, world!"));
}

/// It is over when somebody else has closed one, and is not the visitor's fault.
#[test]
fn out_of_descriptors_a_file_is_a_503_until_there_is_one() {
    let folder = Folder::new();
    let program = folder.path().join("program");
    testbed::copy(example("testbed"), &program);
    fs::create_dir(folder.path().join("files")).unwrap();
    fs::write(folder.path().join("files/page"), "a page").unwrap();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = command_of(&program);
    command.args(["--workers", "1", "--listen", &address.to_string()]);
    let testbed = Testbed::spawn(command, address, folder);
    testbed.line("listening");
    let mut wire = testbed.connect();
    let hello = Ask::get("/hello").keep();
    assert_eq!(wire.ask(&hello).page(), (200, "Hello, world!"));
    allow_no_more_descriptors(&testbed);
    let ask = Ask::get("/file?name=page").keep();
    assert_eq!(wire.ask(&ask).status, 503);
    let line = testbed.line("cannot send");
    assert!(
        line.contains("Too many open files") && line.contains("ulimit -n"),
        "{line}"
    );
    limit_descriptors(&testbed, 1000);
    assert_eq!(wire.ask(&ask).page(), (200, "a page"));
}

/// Whoever is started by it may not be used to so many.
#[test]
fn it_may_have_as_many_descriptors_as_it_can_and_a_program_that_it_starts_as_before() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = command_of("/bin/sh");
    command
        .args(["-c", "ulimit -Sn 100; ulimit -Hn 500; exec \"$0\" \"$@\""])
        .arg(example("testbed"))
        .args(["--listen", &address.to_string()]);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to listen", || {
        Wire::try_connect(testbed.address()).is_ok()
    });
    assert_eq!(testbed.ask(&Ask::get("/files")).page(), (200, "500 100"));
}

fn open_descriptors(testbed: &Testbed) -> usize {
    fs::read_dir(format!("/proc/{}/fd", testbed.pid()))
        .unwrap()
        .count()
}

/// A new descriptor gets the lowest number that is free, and there may be none from the limit on.
fn allow_no_more_descriptors(testbed: &Testbed) {
    let folder = format!("/proc/{}/fd", testbed.pid());
    let free = (0..).find(|number| !Path::new(&folder).join(number.to_string()).exists());
    limit_descriptors(testbed, free.unwrap());
}

/// The soft limit: the hard one stays.
fn limit_descriptors(testbed: &Testbed, most: usize) {
    let limited = Command::new("prlimit")
        .args([
            "--pid",
            &testbed.pid().to_string(),
            &format!("--nofile={most}:"),
        ])
        .status();
    assert!(limited.expect("prlimit is there").success());
}

/// Thousands of tiny heads that wait cost no one else anything.
#[test]
fn many_half_heads_do_not_hold_a_worker() {
    let server = hello(one_worker().head_timeout(PATIENCE));
    let half = [begin(1, false), record(PARAMS, 1, &pair("A", "b"))].concat();
    let waiting: Vec<Wire> = (0..200).map(|_| server.after(&half)).collect();
    for _ in 0..5 {
        server.assert_serves();
    }
    let rest = Ask::get("/").params();
    for mut wire in waiting {
        wire.write([&rest[..], &record(5, 1, &[])].concat());
        assert_eq!(wire.reply(1).page(), (200, "hello"));
    }
}
