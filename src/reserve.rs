//! Workers that are not needed now.
//!
//! A worker that sleeps in the accept loop is woken for each connection that gets ready, even while another one is about
//! to come back and would have found it: with eight kept connections that is a thread woken for each request, and a third
//! of the speed (110,000 requests/s against 185,000 of one worker alone, 8 connections, 2 cores). So while requests are
//! quick, one worker waits in the loop and the others here. The first of them watches: when a request turns out slow and
//! nobody has waited in the loop for a moment, it goes there itself. With slow requests nobody comes here.

use crate::accept::Accept;
use crate::connection::Pace;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often the watcher looks, and so how long a connection waits at most behind a request that was expected to be quick.
const TICK: Duration = Duration::from_millis(5);

/// A request that takes longer is slow. Waking a worker costs about as much, and a handler that computes for 80 µs ran at
/// half its speed on two cores while it counted as quick.
const QUICK: Duration = Duration::from_micros(30);

/// The next request is expected to be quick at half of `MOST` points. A quick one gives one, a slow one takes `SLOW_COST`:
/// one in a few hundred is a thread that was put aside by the kernel, one in thirty is the application's way.
const MOST: u32 = 128;
const SLOW_COST: u32 = 32;

#[derive(Debug, Default)]
pub(crate) struct Reserve {
    state: Mutex<State>,
    /// Those who wait to be called.
    calls: Condvar,
    /// The one who watches.
    ticks: Condvar,
    /// `state.here`, to be looked at without the lock.
    here: AtomicUsize,
    /// Whether the watcher looks in ticks; else it sleeps, since nothing is going on.
    watching: AtomicBool,
    /// How quick the last requests were, in points: `0 <= quick <= MOST`.
    quick: AtomicU32,
    /// Connections that were taken out of the loop, and requests answered.
    progress: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    here: usize,
    /// How many of those here were called and have not left yet.
    called: usize,
    has_watcher: bool,
    closed: bool,
}

impl Pace for Reserve {
    fn note(&self, time: Duration) {
        // A count that is lost between two workers is one of many.
        self.progress.store(
            self.progress.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        let quick = self.quick.load(Ordering::Relaxed);
        let now = if time > QUICK {
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

    /// The last worker has left the loop, for a request that is expected to be quick: somebody has to watch.
    pub(crate) fn watch(&self) {
        // Against `quiet` below: either this sees that the watcher sleeps, or the watcher sees that nobody waits.
        if !self.watching.swap(true, Ordering::SeqCst) {
            // Not between the watcher's look at `watching` and its sleep.
            drop(self.lock());
            self.ticks.notify_one();
        }
    }

    /// Calls one worker into the loop. `false` if there is none.
    pub(crate) fn call(&self) -> bool {
        let mut state = self.lock();
        if state.called >= state.here {
            return false;
        }
        state.called += 1;
        drop(state);
        // Whoever comes first goes; the other finds that nobody is called.
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
        self.here.store(state.here, Ordering::Relaxed);
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
        self.here.store(state.here, Ordering::Relaxed);
        if !state.has_watcher && state.here > 0 {
            drop(state);
            self.calls.notify_one();
        }
    }

    /// One look of the watcher, after a tick or a long sleep. Whether it is needed in the loop.
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

    /// Whether somebody waits in the loop, so that nothing has to be watched. Else watching goes on.
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
