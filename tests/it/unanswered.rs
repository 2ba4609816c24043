//! A stop under load: whoever got a connection gets an answer. By a real process, and a hundred times, for what goes
//! wrong here goes wrong between two instructions.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, Wire};
use fcgi::Address;
use std::os::unix::net::UnixListener;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{fs, io};

const STOPS: usize = 100;
const VISITORS: usize = 6;

/// By TCP whoever comes to a socket that ends hears nothing, and would try again in a second.
const REFUSED: Duration = Duration::from_millis(40);

/// What visitors saw in all.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    /// Why a connection that was made got no answer, and what else went wrong.
    lost: Mutex<Vec<String>>,
}

impl Seen {
    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    fn has_lost(&self) -> bool {
        !self.lost.lock().unwrap().is_empty()
    }

    /// A process that was to end by itself has ended.
    fn note_end(&self, status: ExitStatus) {
        if status.code() != Some(0) {
            self.lost
                .lock()
                .unwrap()
                .push(format!("a process: {status}"));
        }
    }

    #[track_caller]
    fn assert_nothing_lost(&self) {
        let lost = self.lost.lock().unwrap();
        let (lost_now, first) = (lost.len(), lost.first());
        assert_eq!(lost_now, 0, "of {}: {first:?}", self.answered());
    }
}

/// Asks again and again, each time on a connection of its own, until nobody listens there or it is told to end.
fn visit(address: &Address, ask: &[u8], end: &AtomicBool, seen: &Seen) {
    while !end.load(Ordering::Relaxed) {
        let Ok(mut wire) = Wire::try_connect_within(address, REFUSED) else {
            return;
        };
        match answer(&mut wire, ask) {
            Ok(()) => seen.answered.fetch_add(1, Ordering::Relaxed),
            Err(why) => return seen.lost.lock().unwrap().push(why),
        };
    }
}

/// Whether all of an answer came. Without [`Wire::reply`], which takes an end in the middle of it for a defect in itself.
fn answer(wire: &mut Wire, ask: &[u8]) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    wire.try_write(ask).map_err(told)?;
    let came = wire.try_bytes_until_the_end().map_err(told)?;
    // The body, and behind the end of the stream END_REQUEST.
    let is_whole = came.windows(13).any(|part| part == b"Hello, world!")
        && came.ends_with(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    match is_whole {
        true => Ok(()),
        false => Err(format!("{} bytes and then the end", came.len())),
    }
}

#[test]
fn every_connection_that_was_made_is_answered_whenever_the_stop_comes() {
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let ask = Ask::get("/hello").bytes();
    for i in 0..STOPS {
        let mut testbed = Testbed::listening([1, 4][i % 2]);
        let address = testbed.address().clone();
        // Who goes by this name finds the socket after its own is removed, as who has just looked that up does.
        let link = testbed.folder.path().join("link");
        fs::hard_link(testbed.folder.path().join("s"), &link).unwrap();
        let link = Address::Unix(link);
        thread::scope(|scope| {
            for address in [&address, &link].into_iter().cycle().take(VISITORS) {
                scope.spawn(|| visit(address, &ask, &end, &seen));
            }
            await_answers(&seen, 20 + i);
            testbed.signal(["TERM", "USR1", "INT"][i % 3]);
        });
        seen.assert_nothing_lost();
        assert_eq!(testbed.wait().1.code(), Some(0), "stop {i}");
        assert_eq!(testbed.last_troubles(), [""; 0]);
    }
}

/// By TCP too: nobody is let in between the last look at the backlog and the end.
#[test]
fn by_tcp_nobody_is_let_in_to_be_reset() {
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let ask = Ask::get("/hello").bytes();
    for i in 0..STOPS {
        let port = Port::new();
        let address = Address::Tcp(port.address());
        let mut testbed = Testbed::listening_with(&["--listen", &address.to_string()]);
        poll("the testbed to listen there", || {
            Wire::try_connect(&address).is_ok()
        });
        thread::scope(|scope| {
            for _ in 0..VISITORS {
                scope.spawn(|| visit(&address, &ask, &end, &seen));
            }
            await_answers(&seen, 20 + i);
            testbed.signal("TERM");
        });
        seen.assert_nothing_lost();
        assert_eq!(testbed.wait().1.code(), Some(0), "stop {i}");
        assert_eq!(testbed.last_troubles(), [""; 0]);
    }
}

/// Also where everyone is signalled at once, as systemd and a terminal do: who is the last is nobody's to know.
#[test]
fn a_parent_stops_with_nothing_left_unanswered() {
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let ask = Ask::get("/hello").bytes();
    for i in 0..STOPS {
        let flags = ["--processes", ["1", "2"][i % 2], "--workers", "2"];
        let mut parent = Testbed::listening_with(&flags);
        let address = parent.address().clone();
        let children = testbed::children(parent.pid());
        thread::scope(|scope| {
            for _ in 0..VISITORS {
                scope.spawn(|| visit(&address, &ask, &end, &seen));
            }
            await_answers(&seen, 20 + i);
            let all = [&[parent.pid()], &children[..]].concat();
            // A child may be gone by the time that it is its turn.
            match i % 4 {
                0 | 1 => parent.signal("TERM"),
                2 => drop(testbed::signal_all(&all, "TERM")),
                _ => drop(testbed::signal_all(&all, "INT")),
            }
        });
        seen.assert_nothing_lost();
        assert_eq!(parent.wait().1.code(), Some(0), "stop {i}");
        assert_eq!(parent.last_troubles(), [""; 0]);
    }
}

/// As systemd restarts a service: the socket stays, and one process has ended before the next one starts.
#[test]
fn a_socket_that_outlives_the_process_loses_no_request() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path().join("theirs")).unwrap();
    let address = Address::Unix(folder.path().join("theirs"));
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let ask = Ask::get("/hello").bytes();
    let last = thread::scope(|scope| {
        for _ in 0..VISITORS {
            scope.spawn(|| visit(&address, &ask, &end, &seen));
        }
        for i in 0..STOPS {
            let mut testbed = Testbed::on_stdin(&listener, [1, 4][i % 2]);
            await_answers(&seen, 20 + i);
            testbed.signal("TERM");
            seen.note_end(testbed.wait().1);
            if seen.has_lost() {
                break;
            }
        }
        end.store(true, Ordering::Relaxed);
        // For those that still wait.
        Testbed::on_stdin(&listener, 4)
    });
    seen.assert_nothing_lost();
    drop(last);
}

/// A process that ends beside another one on the same socket.
#[test]
fn siblings_answer_what_one_of_them_leaves() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path().join("theirs")).unwrap();
    let address = Address::Unix(folder.path().join("theirs"));
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let ask = Ask::get("/hello").bytes();
    let _stays = Testbed::on_stdin(&listener, 1);
    thread::scope(|scope| {
        for _ in 0..VISITORS {
            scope.spawn(|| visit(&address, &ask, &end, &seen));
        }
        for i in 0..STOPS {
            let mut testbed = Testbed::on_stdin(&listener, [1, 4][i % 2]);
            // It is one of two from its first answer on.
            poll("an answer of the new one", || {
                let reply = Wire::connect(&address).ask(&Ask::get("/pid"));
                reply.page() == (200, &*testbed.pid().to_string())
            });
            await_answers(&seen, i);
            testbed.signal("TERM");
            seen.note_end(testbed.wait().1);
            if seen.has_lost() {
                break;
            }
        }
        end.store(true, Ordering::Relaxed);
    });
    seen.assert_nothing_lost();
}

/// In the middle of it, and each time elsewhere.
fn await_answers(seen: &Seen, more: usize) {
    let before = seen.answered();
    poll("answers", || {
        seen.has_lost() || seen.answered() >= before + more
    });
}
