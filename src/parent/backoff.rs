//! How long to wait before a child is started again: not at all after one that has lived, longer and longer while they
//! keep dying young. Used by the parent.

use std::time::{Duration, Instant};

/// A child that has lived for so long has not died of its start.
const LIVED: Duration = Duration::from_secs(10);

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// How many children have died young, one after the other.
    young: u32,
    /// Until when to wait.
    until: Option<Instant>,
}

impl Backoff {
    /// A child has died at this age. Returns how long to wait.
    pub(super) fn after(&mut self, age: Duration) -> Duration {
        self.young = match age < LIVED {
            true => self.young.saturating_add(1),
            false => 0,
        };
        let pause = match self.young {
            0 | 1 => Duration::ZERO,
            young => LONGEST.min(FIRST * (1 << (young - 2).min(16))),
        };
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// A child could not even be started. Returns how long to wait, which is never nothing: what there was no room for just now has
    /// none yet, and nothing else happens that would wake who is to try again.
    pub(super) fn after_no_start(&mut self) -> Duration {
        self.young = self.young.max(1);
        self.after(Duration::ZERO)
    }

    pub(super) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    /// When it is over, if it is not yet.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|&until| until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_costs_nothing_and_the_next_ones_more_and_more() {
        let mut backoff = Backoff::default();
        let young = Duration::from_millis(5);
        let mut pauses = (0..14).map(|_| backoff.after(young).as_millis());
        assert_eq!(pauses.next(), Some(0));
        assert_eq!(pauses.next(), Some(100));
        assert_eq!(pauses.next(), Some(200));
        assert_eq!(pauses.last(), Some(30_000));
        assert!(!backoff.is_over());
        assert_eq!(backoff.after(LIVED), Duration::ZERO);
        assert!(backoff.is_over() && backoff.until().is_none());
        assert_eq!(backoff.after_no_start(), FIRST);
        assert!(backoff.until().is_some());
    }
}
