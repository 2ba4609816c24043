//! Workers that are not needed now. Called by `pool`, whose workers wait here.
//!
//! A worker that sleeps in the accept loop is woken for each connection that gets ready, even while another worker is about to
//! come back and would have found it. With eight kept connections that is a thread woken for each request, and costs a third of
//! the speed (110,000 requests/s against 185,000 of one worker alone, 8 connections, 2 cores). So while requests are quick, one
//! worker waits in the loop, and the others wait here. The first of these watches: when a request turns out to be slow, and nobody
//! has waited in the loop for a moment, it goes there itself. While requests are slow nobody comes here.

use crate::accept::Accept;
use crate::connection::Pace;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often the worker that watches looks; and so how long at most a connection waits behind a request that was expected to be
/// quick.
const TICK: Duration = Duration::from_millis(5);

/// A request that takes longer is slow. Waking a worker costs about as much, and a handler that computes for 80 µs ran at
/// half its speed on two cores while it counted as quick.
const QUICK: Duration = Duration::from_micros(30);

/// From half of `MOST` points on the next request is expected to be quick. A quick one gives a point, a slow one takes
/// `SLOW_COST`: where one in a few hundred is slow the kernel has put a thread aside, where one in thirty is, it is the
/// application's way.
const MOST: u32 = 128;
const SLOW_COST: u32 = 32;

#[derive(Debug, Default)]
pub(crate) struct Reserve {
    state: Mutex<State>,
    /// What the workers that do not watch wait for: a call into the loop.
    calls: Condvar,
    /// What the worker that watches waits for.
    ticks: Condvar,
    /// A copy of `state.here` that can be read without the lock.
    here: AtomicUsize,
    /// Whether the watching worker looks at every tick; else it sleeps, since nothing is going on.
    watching: AtomicBool,
    /// How quick the last requests were, in points: `0 <= quick <= MOST`.
    quick: AtomicU32,
    /// A number that changes with each request that was answered.
    progress: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    /// How many workers are here.
    here: usize,
    /// How many of them were called and have not left yet.
    called: usize,
    has_watcher: bool,
    closed: bool,
}

impl Pace for Reserve {
    fn note(&self, time: u64) {
        // A count that is lost between two workers is one of many.
        self.progress.store(
            self.progress.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        let quick = self.quick.load(Ordering::Relaxed);
        let now = if time > QUICK.as_nanos() as u64 {
            quick.saturating_sub(SLOW_COST)
        } else {
            MOST.min(quick + 1)
        };
        if now != quick {
            self.quick.store(now, Ordering::Relaxed);
        }
    }
}

impl Reserve {
    /// Whether the next request is expected to be quick.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed) >= MOST / 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here.load(Ordering::Relaxed) == 0
    }

    /// Has somebody watch: the last worker has left the loop, for a request that is expected to be quick.
    pub(crate) fn watch(&self) {
        // Together with `quiet` below: either this sees that the watcher sleeps, or the watcher sees that nobody waits in the loop.
        if !self.watching.swap(true, Ordering::SeqCst) {
            // With the lock taken once, this cannot fall between the watcher's look at `watching` and its sleep.
            drop(self.lock());
            self.ticks.notify_one();
        }
    }

    /// Calls one worker into the loop. `false` if there is none.
    pub(crate) fn call(&self) -> bool {
        // Together with `quiet` below: either this sees who is here, or whoever comes here sees that nobody waits in the loop.
        if self.here.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let mut state = self.lock();
        if state.called >= state.here {
            return false;
        }
        state.called += 1;
        drop(state);
        // One of those that wait and the one that watches: who wakes first goes, and the other finds that nobody is called.
        self.calls.notify_one();
        self.ticks.notify_one();
        true
    }

    /// Sends everybody away, for good.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.calls.notify_all();
        self.ticks.notify_all();
    }

    /// Waits until this worker is needed in the loop, or until all is over.
    pub(crate) fn stay(&self, accept: &Accept) {
        let mut state = self.lock();
        state.here += 1;
        self.here.store(state.here, Ordering::SeqCst);
        while !state.closed {
            if state.called > 0 {
                state.called -= 1;
                break;
            }
            if state.has_watcher {
                state = self
                    .calls
                    .wait(state)
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                continue;
            }
            state.has_watcher = true;
            let needed;
            (state, needed) = self.look(state, accept);
            state.has_watcher = false;
            if needed {
                break;
            }
        }
        state.here -= 1;
        self.here.store(state.here, Ordering::SeqCst);
        if !state.has_watcher && state.here > 0 {
            drop(state);
            self.calls.notify_one();
        }
    }

    /// What the watching worker does, again and again: it sleeps for a tick, or as long as nothing is going on, and then looks.
    /// `true` if it is needed in the loop.
    fn look<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        accept: &Accept,
    ) -> (MutexGuard<'s, State>, bool) {
        if !self.watching.load(Ordering::SeqCst) && self.quiet(accept) {
            return (
                self.ticks
                    .wait(state)
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
                false,
            );
        }
        let before = self.progress.load(Ordering::Relaxed);
        let since = Instant::now();
        let (state, _) = self
            .ticks
            .wait_timeout(state, TICK)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if since.elapsed() < TICK {
            return (state, false);
        }
        let stands_still = self.progress.load(Ordering::Relaxed) == before;
        if stands_still && accept.nobody_waits() {
            return (state, true);
        }
        if stands_still {
            self.watching.store(false, Ordering::SeqCst);
        }
        (state, false)
    }

    /// Whether somebody waits in the loop, so that nothing has to be watched. If nobody does, the watching goes on.
    fn quiet(&self, accept: &Accept) -> bool {
        let quiet = !accept.nobody_waits();
        if !quiet {
            self.watching.store(true, Ordering::SeqCst);
        }
        quiet
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
