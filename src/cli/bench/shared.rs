//! What the threads of a run share: its phase, its requests, and how far each is. Called by `bench` and by `load`.

use super::plan::Plan;
use super::request;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// What a run is at. Requests count in the second phase only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    WarmUp,
    Counting,
    Over,
}

/// What all threads of a run share.
pub(super) struct Shared {
    /// The [`Phase`], as a number.
    phase: AtomicU8,
    /// With `--requests`: how many of them no thread has taken yet.
    left: Option<AtomicI64>,
    /// How many threads have not ended.
    pub(super) asking: AtomicUsize,
    /// How many threads still wait for the answers on their idle connections, before they ask on the others.
    pub(super) settling: AtomicUsize,
    /// The request, encoded.
    pub(super) request: Vec<u8>,
}

/// Held by a thread that asks. When the thread ends, also by a panic, the watching thread is woken.
pub(super) struct Asking<'a> {
    pub(super) shared: &'a Shared,
    pub(super) watcher: &'a Thread,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.asking.fetch_sub(1, Ordering::Release);
        self.watcher.unpark();
    }
}

/// How many answers a thread had so far, on cache lines of its own: the watching thread reads them.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Progress {
    pub(super) right: AtomicU64,
    pub(super) wrong: AtomicU64,
}

impl Progress {
    /// Called by its own thread alone, so that no atomic addition is needed.
    pub(super) fn count(&self, is_right: bool) {
        let count = if is_right { &self.right } else { &self.wrong };
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(plan: &Plan) -> Shared {
        // A thread may begin before this one goes on: what it asks then has to count already.
        let first = match plan.warm_up {
            Duration::ZERO if plan.idle == 0 => Phase::Counting,
            _ => Phase::WarmUp,
        };
        Shared {
            phase: AtomicU8::new(first as u8),
            left: plan
                .requests
                .map(|requests| AtomicI64::new(requests as i64)),
            asking: AtomicUsize::new(plan.threads),
            settling: AtomicUsize::new(if plan.idle > 0 { plan.threads } else { 0 }),
            request: request::encoded(plan),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Counting,
            _ => Phase::Over,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Takes one of the requests that `--requests` counts; `None` if none is left. `Some(false)` without that flag.
    pub(super) fn take_ticket(&self) -> Option<bool> {
        match &self.left {
            None => Some(false),
            Some(left) => (left.fetch_sub(1, Ordering::Relaxed) > 0).then_some(true),
        }
    }

    /// Whether what came of a request counts. With `--requests` only the counted requests do.
    pub(super) fn counts(&self, has_ticket: bool) -> bool {
        self.phase() == Phase::Counting && (has_ticket || self.left.is_none())
    }
}
