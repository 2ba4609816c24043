//! Quick requests send workers into reserve; a slow one brings them back before others wait for it.

use crate::served::serve_as;
use crate::steady::steady;
use crate::wire::{Ask, Wire};
use fcgi::Server;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SLOW: Duration = Duration::from_millis(400);

/// What the issue of a fair server allows a new request to wait for others.
const FAIR: Duration = Duration::from_millis(50);

#[test]
fn slow_requests_after_many_quick_ones_delay_nobody() {
    steady(FAIR, || {
        let served = serve_as(Server::new().workers(4), |req, res| {
            if req.path() == "/slow" {
                sleep(SLOW);
            }
            res.send("done")
        });
        let quick = Ask::get("/quick").keep();
        let slow = Ask::get("/slow").keep();
        let (mut waited, mut usual) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            // Long enough that one worker waits in the loop and all others in reserve.
            let mut connections = [(); 4].map(|()| served.connect());
            ask_often(&mut connections, &quick);
            let [last, others @ ..] = &mut connections;
            let mut ask = |times: &mut Vec<Duration>| {
                let asked = Instant::now();
                assert_eq!(last.ask(&quick).text(), "done");
                times.push(asked.elapsed());
            };
            (0..3).for_each(|_| ask(&mut usual));
            let began = Instant::now();
            for connection in others.iter_mut() {
                connection.write(slow.bytes());
                ask(&mut waited);
            }
            for connection in others {
                assert_eq!(connection.reply(1).text(), "done");
            }
            assert!(
                began.elapsed() < SLOW * 2,
                "the slow ones ran one after another"
            );
        }
        // What the machine does meanwhile delays them as well where nothing is slow.
        waited.sort();
        usual.sort();
        assert!(waited[6] < FAIR + usual[6], "{waited:?}, usually {usual:?}");
    });
}

/// The worker takes the events of several connections at once, and the first of them turns out to be slow.
#[test]
fn a_slow_request_delays_none_that_was_taken_with_it() {
    /// The others come while this runs. It is over before anybody else looks for them.
    const HOLD: Duration = Duration::from_millis(2);
    steady(FAIR, || {
        let served = serve_as(Server::new().workers(4), |req, res| {
            match req.path() {
                "/hold" => sleep(HOLD),
                "/slow" => sleep(SLOW),
                _ => {}
            }
            res.send("done")
        });
        let quick = Ask::get("/quick").keep();
        let mut connections = [(); 8].map(|()| served.connect());
        for _ in 0..3 {
            ask_often(&mut connections, &quick);
            let [hold, slow, others @ ..] = &mut connections;
            hold.write(Ask::get("/hold").keep().bytes());
            slow.write(Ask::get("/slow").keep().bytes());
            others
                .iter_mut()
                .for_each(|other| other.write(quick.bytes()));
            let asked = Instant::now();
            for other in others {
                assert_eq!(other.reply(1).text(), "done");
            }
            let took = asked.elapsed();
            assert!(took < FAIR * 2, "they waited {took:?} for the slow one");
            assert_eq!(hold.reply(1).text(), "done");
            assert_eq!(slow.reply(1).text(), "done");
        }
    });
}

/// Often enough that requests are expected to be quick.
fn ask_often(connections: &mut [Wire], ask: &Ask) {
    for _ in 0..100 {
        connections
            .iter_mut()
            .for_each(|connection| connection.write(ask.bytes()));
        connections
            .iter_mut()
            .for_each(|connection| drop(connection.reply(1)));
    }
}
