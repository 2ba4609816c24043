//! Whoever holds a connection does not hold a worker, and two processes on one socket do not hold each other.

use crate::served::{Folder, Served, serve_as};
use crate::steady::steady;
use crate::testbed::Testbed;
use crate::wire::{Ask, PARAMS, PATIENCE, STDIN, Wire, begin, pair, record};
use fcgi::{Address, Server};
use std::collections::BTreeMap;
use std::iter;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a new request may be delayed by whoever only holds a connection.
const DELAY: Duration = Duration::from_millis(50);

/// What two idle processes may take to end.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How often a time is taken that a busy machine may spoil.
const ROUNDS: usize = 5;

fn one_and_four_workers() -> [Served; 2] {
    [1, 4].map(|workers| serve_as(Server::new().workers(workers), |_, res| res.send("x")))
}

/// Asks 21 times, each time anew, and as often a server that nobody holds. A machine that has other things to do delays
/// both, and now and then one alone; whoever holds a worker delays all that it asks for, and each time.
#[track_caller]
fn assert_prompt(server: &Served) {
    let nobodys = serve_as(Server::new().workers(1), |_, res| res.send("x"));
    let mut seen = Vec::new();
    let is_prompt = (0..ROUNDS).any(|_| {
        let (mut took, mut usual) = (Vec::new(), Vec::new());
        for _ in 0..21 {
            took.push(time(|| server.assert_serves()));
            usual.push(time(|| nobodys.assert_serves()));
        }
        took.sort();
        usual.sort();
        seen.push((took[18], usual[18]));
        took[18] < DELAY + usual[18]
    });
    assert!(is_prompt, "delayed, and as usual: {seen:?}");
}

fn time(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

#[test]
fn four_clients_that_never_close_after_our_half_close_delay_nobody() {
    for server in one_and_four_workers() {
        let ask = Ask::post("/", vec![b'x'; 100_000]);
        let mut holding: Vec<Wire> = (0..4)
            .map(|_| server.after(&ask.bytes()[..50_000]))
            .collect();
        for wire in &mut holding {
            assert_eq!(wire.reply(1).page(), (200, "x"));
            wire.assert_closed();
        }
        assert_prompt(&server);
        // And while they go on sending.
        for wire in &mut holding {
            wire.write(&ask.bytes()[50_000..]);
        }
        assert_prompt(&server);
    }
}

#[test]
fn eight_kept_connections_that_are_idle_delay_nobody() {
    for server in one_and_four_workers() {
        let ask = Ask::get("/").keep();
        let mut kept: Vec<Wire> = (0..8).map(|_| server.connect()).collect();
        for wire in &mut kept {
            assert_eq!(wire.ask(&ask).page(), (200, "x"));
        }
        assert_prompt(&server);
        // They are still there, each of them.
        for wire in &mut kept {
            assert_eq!(wire.ask(&ask).page(), (200, "x"));
        }
    }
}

#[test]
fn connections_that_say_nothing_or_half_a_head_delay_nobody() {
    for server in one_and_four_workers() {
        let half = &Ask::get("/").bytes()[..60];
        let _silent: Vec<Wire> = (0..8).map(|_| server.connect()).collect();
        let _half: Vec<Wire> = (0..8).map(|_| server.after(half)).collect();
        assert_prompt(&server);
    }
}

/// 200 that dribble a byte at a time, 500 that say nothing, and 50 that stop in a record's header.
#[test]
fn hundreds_of_slow_connections_delay_nobody() {
    raise_descriptors();
    for workers in ["1", "4"] {
        let is_prompt = (0..ROUNDS).any(|_| beside_hundreds(workers));
        assert!(is_prompt, "{workers} workers: delayed {ROUNDS} times");
    }
}

/// Whether a request beside them is not delayed, compared to one before their next bytes come.
fn beside_hundreds(workers: &str) -> bool {
    // They are slow, and so may be the machine.
    let flags = ["--head-timeout=600", "--first-byte-timeout=600"];
    let testbed = Testbed::listening_with(&[&flags[..], &["--workers", workers]].concat());
    let ask = Ask::get("/hello");
    let hello = || assert_eq!(testbed.ask(&ask).page(), (200, "Hello, world!"));
    let _silent: Vec<Wire> = (0..500).map(|_| testbed.connect()).collect();
    let stuck = &ask.bytes()[..20];
    let _stuck: Vec<Wire> = (0..50)
        .map(|_| Wire::after(testbed.address(), stuck))
        .collect();
    let mut dribbling: Vec<Wire> = (0..200).map(|_| testbed.connect()).collect();
    let bytes = ask.bytes();
    let (mut took, mut usual) = (Vec::new(), Vec::new());
    for (at, byte) in bytes.iter().enumerate() {
        let is_asked = at % 4 == 0;
        if is_asked {
            usual.push(time(hello));
        }
        for wire in &mut dribbling {
            wire.write([*byte]);
        }
        if is_asked {
            took.push(time(hello));
        }
    }
    for wire in &mut dribbling {
        assert_eq!(wire.reply(1).page(), (200, "Hello, world!"));
    }
    took.sort();
    usual.sort();
    let most = took.len() * 9 / 10;
    let is_prompt = took[most] < DELAY + usual[most];
    if !is_prompt {
        eprintln!("{workers} workers: {took:?}, usually {usual:?}");
    }
    is_prompt
}

/// Hundreds of connections at once, beside all other tests of this process.
fn raise_descriptors() {
    let pid = std::process::id().to_string();
    let raised = Command::new("sh")
        .args([
            "-c",
            r#"prlimit --pid "$0" --nofile="$(ulimit -Hn):""#,
            &pid,
        ])
        .status();
    assert!(raised.expect("a shell").success());
}

/// One that always has a next request ready lets others have their turn.
#[test]
fn a_connection_that_never_pauses_delays_nobody_for_ever() {
    const MANY: usize = 20_000;
    let server = serve_as(Server::new().workers(1), |_, res| res.send("x"));
    let (mut reader, mut writer) = server.connect().split();
    let finished = Mutex::new(0);
    thread::scope(|scope| {
        let ask = Ask::get("/").keep().bytes();
        scope.spawn(move || (0..MANY / 100).for_each(|_| writer.write(ask.repeat(100))));
        scope.spawn(|| {
            for _ in 0..MANY {
                let reply = reader.reply(1);
                assert!(
                    reply.is_whole(),
                    "{reply:?} {:?}",
                    server.lines(log::Level::Debug)
                );
                *finished.lock().unwrap() += 1;
            }
        });
        while *finished.lock().unwrap() == 0 {
            thread::yield_now();
        }
        for _ in 0..3 {
            server.assert_serves();
        }
        assert!(
            *finished.lock().unwrap() < MANY,
            "all of its requests came first"
        );
    });
}

/// The rest of a body whose request was answered long ago, and whatever else is nobody's, comes as fast as it is read.
#[test]
fn records_that_are_nobodys_delay_nobody_for_ever() {
    let server = serve_as(Server::new().workers(1), |_, res| res.send("x"));
    let stop = AtomicBool::new(false);
    let records = record(STDIN, 9, b"").repeat(8000);
    thread::scope(|scope| {
        for _ in 0..2 {
            // What waits in a small block is read on in small pieces: no reader keeps up with two that write.
            let wire = server.after([begin(1, false), record(PARAMS, 1, &pair("A", "b"))].concat());
            server.assert_serves();
            let both: [Wire; 2] = wire.split().into();
            for mut wire in both {
                let (stop, records) = (&stop, &records);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) && wire.try_write(records).is_ok() {}
                });
            }
        }
        thread::sleep(DELAY);
        let asked = Instant::now();
        (0..5).for_each(|_| server.assert_serves());
        let took = asked.elapsed();
        stop.store(true, Ordering::Relaxed);
        assert!(took < PATIENCE / 2, "{took:?}");
    });
}

/// Time limits are the peer's: what it has sent in time is answered, however late somebody looks.
#[test]
fn what_came_while_every_worker_was_busy_is_answered() {
    steady(Duration::from_millis(200), || {
        const LIMIT: Duration = Duration::from_secs(1);
        let server = Server::new()
            .workers(1)
            .first_byte_timeout(LIMIT)
            .idle_timeout(LIMIT)
            .head_timeout(LIMIT);
        let server = serve_as(server, |req, res| {
            if req.path() == "/slow" {
                thread::sleep(LIMIT * 3);
            }
            res.send("x")
        });
        let ask = Ask::get("/").keep();
        let bytes = ask.bytes();
        let (first, rest) = bytes.split_at(30);
        // Its limit is over first: that rings while all others still have time.
        let _silent = server.connect();
        thread::sleep(LIMIT / 2);
        let (mut new, mut kept, mut half) =
            (server.connect(), server.connect(), server.after(first));
        assert_eq!(kept.ask(&ask).page(), (200, "x"));
        let mut slow = server.after(Ask::get("/slow").bytes());
        thread::sleep(LIMIT * 3 / 4);
        new.write(ask.bytes());
        kept.write(ask.bytes());
        half.write(rest);
        for wire in [&mut slow, &mut new, &mut kept, &mut half] {
            assert_eq!(wire.reply(1).page(), (200, "x"));
        }
    });
}

/// mod_fastcgi, lighttpd and supervisor let processes share one socket.
#[test]
fn two_processes_on_one_fd_0_answer_10_000_requests_and_end_at_once() {
    let mut numbers = iter::once(10_000).chain(iter::repeat_n(1000, 2 * ROUNDS));
    let is_quick = numbers.any(|requests| {
        let folder = Folder::new();
        let path = folder.path().join("shared");
        let listener = UnixListener::bind(&path).unwrap();
        let mut both = [(); 2].map(|()| Testbed::on_stdin(&listener, 4));
        let answers = ask_by_eight(&Address::Unix(path), requests);
        let pids: BTreeMap<String, usize> = answers;
        for testbed in &both {
            let answered = pids.get(&testbed.pid().to_string());
            assert!(answered.is_some(), "one process did it all: {pids:?}");
        }
        assert_eq!(pids.values().sum::<usize>(), requests);
        both.iter().for_each(|testbed| testbed.signal("TERM"));
        let begun = Instant::now();
        for testbed in &mut both {
            assert_eq!(testbed.wait().1.code(), Some(0));
        }
        begun.elapsed() < AT_ONCE
    });
    assert!(is_quick, "never at once");
}

/// Asks for the process id so often, by eight at once; who answered how often.
fn ask_by_eight(address: &Address, requests: usize) -> BTreeMap<String, usize> {
    let pids = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..requests / 8 {
                    let mut wire = Wire::connect(address);
                    let reply = wire.ask(&Ask::get("/pid"));
                    assert_eq!(reply.page().0, 200);
                    *pids
                        .lock()
                        .unwrap()
                        .entry(reply.text().to_owned())
                        .or_default() += 1;
                }
            });
        }
    });
    pids.into_inner().unwrap()
}
