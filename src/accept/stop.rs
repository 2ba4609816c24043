//! The stop: what is still answered, and when a worker may end. Called by whoever asks for it, a signal handler included, and by
//! the loop for each worker that has seen it.
//!
//! What has connected is answered. The first worker to see the stop removes our paths, and then:
//!
//! - A listener that is ours alone ([`Listener::is_ours`], or whatever the parent says that nobody else accepts from) is
//!   told to admit nobody (a parent does that itself), and emptied: accepted from until there is nothing left, and then
//!   ended, for siblings too. By a unix socket this loses nobody. By TCP it loses nobody from this machine: when nobody was told
//!   off first, 1 to 3 of a hundred stops under load reset a connection that the kernel completed behind the last look, and so
//!   did every stop of a parent and its children; now none of 300 and none of 60 did. A web server on another machine can still
//!   be reset if its handshake was on the way, and everyone can where the kernel refuses both ways to admit nobody. Whoever
//!   must not lose even these lets somebody else own the socket (systemd, a parent that goes on).
//! - A listener that was inherited is not accepted from any more: its backlog is the siblings', or the next one's.
//! - A kept connection gets `KEPT_MS` for its next request, and is closed behind the answer. When it was closed at once, this
//!   could be just when nginx wrote to it, which then repeats a GET and makes a 502 of a POST: 16 of 70,000 POSTs of four
//!   visitors in 36 reloads, and none of 47,000 in 18 since.
//! - A connection that has said nothing yet gets `SILENT_MS`: a web server writes right behind its connect. So does one
//!   that lingers.
//! - A head that is not whole is waited for as ever, up to `head_timeout` and at most until the deadline of the stop.
//!
//! A worker ends when nothing of that is left.

use super::newcomers::PAUSE_MS;
use super::parked::is_request;
use super::{Accept, STOP};
use crate::exchange::Home;
use crate::link::Seat;
use crate::log_line::{error, warn};
use crate::multiplex::Queue;
use crate::net::sys::now_ms;
use crate::net::{Interest, Listener};
use std::io::{PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::sync::TryLockError;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks the loop to end; from anywhere, a signal handler included.
#[derive(Debug)]
pub(super) struct Stop {
    asked: AtomicBool,
    /// Whether another loop takes over all that waits: the workers leave at once.
    hands_over: AtomicBool,
    pipe: PipeWriter,
}

/// How far a stop has come.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) has_begun: bool,
    /// Listeners that are still to be emptied, one bit each.
    pub(super) to_empty: u64,
    /// Listeners whose backlog is left to other processes, one bit each. The parent may still say that there are none.
    left: u64,
    /// Whether the set does not tell of the stop pipe, since there is still something to wait for.
    is_quiet: bool,
}

/// What is cut at the deadline of a stop, apart from running requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Connections whose request waited for a worker or for its rest.
    pub(crate) waiting: usize,
    /// Whether there are connections that nobody has accepted.
    pub(crate) backlog: bool,
}

impl Stop {
    pub(super) fn new(pipe: PipeWriter) -> Stop {
        Stop {
            asked: AtomicBool::new(false),
            hands_over: AtomicBool::new(false),
            pipe,
        }
    }

    /// Async-signal-safe: a store and a write. The pipe is never read, so everyone who waits sees it.
    pub(super) fn ask(&self) {
        if !self.asked.swap(true, Ordering::SeqCst) {
            // One byte into an empty pipe: it neither blocks nor fails.
            let _ = (&self.pipe).write(b"x");
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Accept {
    /// Asks every worker that waits, or comes to wait, to end, when all that has connected is answered.
    /// Async-signal-safe.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Asks every worker to leave at once: another loop accepts from the same sockets, and is handed over what waits.
    pub(crate) fn ask_to_leave(&self) {
        self.stop.hands_over.store(true, Ordering::SeqCst);
        self.stop.ask();
    }

    /// What is cut if the process ends now. Async-signal-safe: it never waits for the lock. `None` if somebody has it.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let parked = match self.parked.try_lock() {
            Ok(parked) => parked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let backlog = match parked.rest.has_begun {
            true => parked.rest.to_empty != 0,
            false => self.listeners.have_backlog(),
        };
        Some(Cut {
            waiting: parked
                .waiting()
                .filter(|waiting| is_request(waiting))
                .count()
                + self.queue().map_or(0, Queue::len),
            backlog,
        })
    }

    /// Moves all connections that wait to another loop.
    pub(crate) fn hand_over(&self, to: &Accept) {
        let mut parked = self.lock();
        let mut moved = Vec::new();
        for i in 0..parked.entries.len() {
            let mut seat = Seat::default();
            if parked.remove(i, &mut seat) {
                moved.push(seat);
            }
        }
        drop(parked);
        for mut seat in moved {
            if let Some(waiting) = &mut *seat
                && to.peers.admit(waiting.link.transport.peer())
            {
                waiting.link.belong_to(&to.open);
                to.park(&mut seat);
            }
        }
    }

    /// Removes the sockets that we made, while they still listen.
    pub(crate) fn unlink(&self) {
        for listener in self.listeners.iter() {
            if let Err(error) = listener.unlink() {
                warn!("cannot remove {}: {error}", listener.local_addr());
            }
        }
    }

    /// Whether there is still something to do at a stop. The first to ask begins it.
    pub(super) fn has_rest(&self) -> bool {
        if self.stop.hands_over.load(Ordering::SeqCst) {
            return false;
        }
        let mut retired = self.retired();
        self.empty_retired(&mut retired);
        let is_retired_left = !retired.is_empty();
        drop(retired);
        self.empty_ours();
        let mut parked = self.lock();
        let has_rest = parked.alive > 0
            || parked.rest.to_empty != 0
            || is_retired_left
            || self.has_multiplexed();
        if is_retired_left {
            self.set_alarm(&mut parked, now_ms() + PAUSE_MS);
        }
        // The stop pipe wakes all workers that wait when the last of this is done, and none before.
        if has_rest != parked.rest.is_quiet {
            parked.rest.is_quiet = has_rest;
            let interest = match has_rest {
                true => Interest::Nothing,
                false => Interest::ReadAlways,
            };
            if let Err(error) = self.epoll.rearm(self.stop_pipe.as_raw_fd(), STOP, interest) {
                error!("the workers cannot be told that the stop is over: {error}");
            }
        }
        has_rest
    }

    /// Empties the listeners that nobody else accepts from: each once, as soon as that is known of it, which for a listener of the
    /// parent's may be later than at the stop's beginning.
    fn empty_ours(&self) {
        // What the parent has to say comes before its signal, and so is there by now.
        self.hear();
        let told_to_empty = self.told_to_empty.load(Ordering::SeqCst);
        let mut parked = self.lock();
        let is_first = !std::mem::replace(&mut parked.rest.has_begun, true);
        if is_first {
            parked.rest.left = self.bits(|_| true);
            parked.hurry_all();
        }
        let ours = parked.rest.left & self.bits(|l| told_to_empty || l.is_ours());
        parked.rest.left &= !ours;
        parked.rest.to_empty |= ours;
        drop(parked);
        if is_first {
            // The next to start finds no path of ours, and is answered if it looks just now.
            self.unlink();
            // Deadlines have become earlier: the timer is set by them.
            self.expire();
        }
        for i in (0..self.listeners.len()).filter(|i| ours & 1 << i != 0) {
            self.empty(i);
        }
    }

    /// The listeners of which this is so, one bit each.
    fn bits(&self, is_so: impl Fn(&Listener) -> bool) -> u64 {
        let listeners = self.listeners.iter().enumerate();
        listeners
            .map(|(i, listener)| u64::from(is_so(&listener)) << i)
            .sum()
    }

    /// Accepts from a listener until nobody is left, or there is no room: whoever is left then is accepted when there is.
    ///
    /// All are accepted at once, and not one after the other as workers get free: by TCP more and more would come meanwhile.
    fn empty(&self, i: usize) {
        if let Some(listener) = self.listeners.get(i) {
            listener.admit_nobody();
        }
        while let Some(transport) = self.accept(i) {
            self.adopt(transport);
        }
    }

    /// Nobody is left in a listener's backlog, and nobody comes in any more.
    pub(super) fn is_emptied(&self, i: usize) {
        if let Some(listener) = self.listeners.get(i) {
            listener.end();
            if self.told_to_empty.load(Ordering::SeqCst) {
                listener.end_by_tcp();
            }
        }
        self.lock().rest.to_empty &= !(1 << i);
    }
}
