//! The watcher: a thread that looks at what the workers are doing, and tells of requests that are slow, of those that run
//! longer than they may, and of a pool of which no worker is free. `pool` starts it, and acts on what it tells.
//!
//! Workers know nothing of the watcher, which reads their slots. It sleeps until the next moment at which something can be due: in
//! an idle process that is the shortest of the limits, counted from now.

use crate::slot::{Line, Slot};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The size of the thread's stack. It formats log lines, and the application's logger may be any.
pub(crate) const STACK: usize = 64 << 10;

/// All workers busy for so long is worth a line.
const BUSY_MS: u64 = 5000;

/// How often to look whether that is over.
const OVER_MS: u64 = 1000;

/// The shortest sleep. The clock that requests are timed by goes in steps of up to 10 ms, so that a watcher that wakes on time may
/// find that it is not yet: it looks once more after this.
const STEP_MS: u64 = 5;

/// What the watcher's thread and the pool share.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    is_started: AtomicBool,
    is_over: Mutex<bool>,
    over: Condvar,
    /// Requests that ran longer than they may.
    timed_out: AtomicU64,
}

/// What the watcher knows.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// In ms; 0: never.
    slow: u64,
    timeout: u64,
    told: Vec<Told>,
    /// Since when all workers are busy, if the log has been told that they are.
    busy: Option<u64>,
}

/// Of which request of a worker the log has been told, by when the request began; 0 if of none.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    slow: u64,
    timeout: u64,
}

/// What there is to tell. Ages are in ms.
#[derive(Debug)]
pub(crate) enum Event {
    Slow(u64, Line),
    TimedOut(u64, Line),
    /// For how long all workers have been busy, and the running request that began first.
    AllBusy(u64, Option<(u64, Line)>),
    /// For how long no worker was free.
    FreeAgain(u64),
}

impl Watch {
    /// Whether the watcher is to be started now: `true` to the first who asks.
    pub(crate) fn starts(&self) -> bool {
        !self.is_started.swap(true, Ordering::Relaxed)
    }

    /// Ends the watcher: nothing is to be watched any more.
    pub(crate) fn end(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.notify_all();
    }

    /// Sleeps for so many ms. `false` when all is over.
    pub(crate) fn sleep(&self, ms: u64) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Duration::from_millis(ms.max(STEP_MS));
        let slept = self
            .over
            .wait_timeout_while(is_over, limit, |is_over| !*is_over);
        let (is_over, _) = slept.unwrap_or_else(PoisonError::into_inner);
        !*is_over
    }

    pub(crate) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self) -> u64 {
        self.timed_out.load(Ordering::Relaxed)
    }
}

impl Watcher {
    pub(crate) fn new(slow: Duration, timeout: Duration, workers: usize) -> Watcher {
        let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Watcher {
            slow: ms(slow),
            timeout: ms(timeout),
            told: vec![Told::default(); workers],
            busy: None,
        }
    }

    /// Looks at the workers that there are. Returns what there is to tell, and when to look again.
    pub(crate) fn look<'s>(
        &mut self,
        now: u64,
        slots: impl Iterator<Item = &'s Slot> + Clone,
    ) -> (Vec<Event>, u64) {
        let mut events = Vec::new();
        let next = self
            .look_at_each(now, slots.clone(), &mut events)
            .min(self.look_at_all(now, slots, &mut events));
        (events, next)
    }

    fn look_at_each<'s>(
        &mut self,
        now: u64,
        slots: impl Iterator<Item = &'s Slot>,
        events: &mut Vec<Event>,
    ) -> u64 {
        let limits = [self.slow, self.timeout].into_iter();
        let shortest = limits.filter(|&limit| limit > 0).min();
        // A request that begins from now on is due then at the earliest.
        let mut next = now.saturating_add(shortest.unwrap_or(u64::MAX));
        for (slot, told) in slots.zip(&mut self.told) {
            let Some((since, line)) = slot.read() else {
                continue;
            };
            let age = now.saturating_sub(since);
            let mut is_due = |limit: u64, told: &mut u64| {
                if limit == 0 || *told == since {
                    return false;
                }
                let is_due = age >= limit;
                match is_due {
                    true => *told = since,
                    false => next = next.min(since.saturating_add(limit)),
                }
                is_due
            };
            if is_due(self.slow, &mut told.slow) {
                events.push(Event::Slow(age, line.clone()));
            }
            if is_due(self.timeout, &mut told.timeout) {
                events.push(Event::TimedOut(age, line));
            }
        }
        next
    }

    /// Whether all workers are busy. Of a pool of one nothing is told: that its worker is busy is what it is for.
    fn look_at_all<'s>(
        &mut self,
        now: u64,
        mut slots: impl Iterator<Item = &'s Slot> + Clone,
        events: &mut Vec<Event>,
    ) -> u64 {
        if self.told.len() < 2 {
            return u64::MAX;
        }
        let oldest = oldest(now, slots.clone());
        let since = slots.try_fold(0, |latest: u64, slot| {
            slot.busy_since(now).map(|since| latest.max(since))
        });
        let long = since.filter(|since| now.saturating_sub(*since) >= BUSY_MS);
        match (long, self.busy) {
            (Some(since), None) => {
                self.busy = Some(since);
                events.push(Event::AllBusy(now - since, oldest));
            }
            (None, Some(since)) => {
                self.busy = None;
                events.push(Event::FreeAgain(now.saturating_sub(since)));
            }
            _ => {}
        }
        match (since, self.busy) {
            (_, Some(_)) => now + OVER_MS,
            (since, None) => since.unwrap_or(now) + BUSY_MS,
        }
    }
}

/// The running request that began first: its age, and its line.
pub(crate) fn oldest<'s>(now: u64, slots: impl Iterator<Item = &'s Slot>) -> Option<(u64, Line)> {
    let (since, line) = slots
        .filter_map(Slot::read)
        .min_by_key(|(since, _)| *since)?;
    Some((now.saturating_sub(since), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher(slow: u64, timeout: u64, workers: usize) -> Watcher {
        let ms = Duration::from_millis;
        Watcher::new(ms(slow), ms(timeout), workers)
    }

    /// What there is to tell, as text, and when to look again.
    fn look(watcher: &mut Watcher, now: u64, slots: &[Slot]) -> (Vec<String>, u64) {
        let (events, next) = watcher.look(now, slots.iter());
        (events.iter().map(|e| format!("{e:?}")).collect(), next)
    }

    fn slots(count: usize) -> Vec<Slot> {
        (0..count).map(|_| Slot::default()).collect()
    }

    #[test]
    fn a_request_is_slow_and_too_slow_once_each() {
        let (mut watcher, slots) = (watcher(10_000, 60_000, 1), slots(1));
        assert_eq!(look(&mut watcher, 1000, &slots), (vec![], 11_000));
        slots[0].begin(5000, 0, b"GET", b"/a");
        assert_eq!(look(&mut watcher, 11_000, &slots), (vec![], 15_000));
        let slow = vec!["Slow(10000, GET /a)".to_owned()];
        assert_eq!(look(&mut watcher, 15_000, &slots), (slow, 25_000));
        assert_eq!(look(&mut watcher, 60_000, &slots), (vec![], 65_000));
        let late = vec!["TimedOut(60001, GET /a)".to_owned()];
        assert_eq!(look(&mut watcher, 65_001, &slots), (late, 75_001));
        assert_eq!(look(&mut watcher, 75_001, &slots), (vec![], 85_001));
        slots[0].leave(80_000);
        slots[0].begin(80_000, 0, b"GET", b"/b");
        assert_eq!(look(&mut watcher, 85_001, &slots), (vec![], 90_000));
        let slow = vec!["Slow(12000, GET /b)".to_owned()];
        assert_eq!(look(&mut watcher, 92_000, &slots), (slow, 102_000));
    }

    #[test]
    fn what_is_off_is_never_due() {
        let (mut watcher, slots) = (watcher(0, 0, 1), slots(1));
        slots[0].begin(5000, 0, b"GET", b"/");
        assert_eq!(look(&mut watcher, 1 << 40, &slots), (vec![], u64::MAX));
    }

    #[test]
    fn a_pool_is_busy_when_nobody_has_rested_and_that_is_told_once_until_it_is_over() {
        let (mut watcher, slots) = (watcher(0, 0, 2), slots(2));
        slots[0].begin(1000, 0, b"GET", b"/a");
        assert_eq!(look(&mut watcher, 6000, &slots), (vec![], 11_000));
        slots[1].begin(8000, 0, b"GET", b"/b");
        assert_eq!(look(&mut watcher, 11_000, &slots), (vec![], 13_000));
        // One request after another is no rest.
        slots[1].leave(12_000);
        slots[1].begin(12_001, 0, b"GET", b"/c");
        let busy = vec!["AllBusy(5000, Some((12000, GET /a)))".to_owned()];
        assert_eq!(look(&mut watcher, 13_000, &slots), (busy, 14_000));
        assert_eq!(look(&mut watcher, 18_000, &slots), (vec![], 19_000));
        slots[1].leave(19_000);
        let free = vec!["FreeAgain(15000)".to_owned()];
        assert_eq!(look(&mut watcher, 23_000, &slots), (free, 28_000));
        slots[1].begin(24_000, 0, b"GET", b"/d");
        let busy = vec!["AllBusy(6000, Some((29000, GET /a)))".to_owned()];
        assert_eq!(look(&mut watcher, 30_000, &slots), (busy, 31_000));
    }

    #[test]
    fn a_sleep_ends_with_what_is_watched() {
        let watch = Watch::default();
        assert!(watch.starts() && !watch.starts());
        assert!(watch.sleep(0));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| watch.sleep(u64::from(u32::MAX)));
            watch.end();
            assert!(!sleeper.join().unwrap());
        });
        assert!(!watch.sleep(u64::from(u32::MAX)));
    }
}
