//! Lines of the log of which there is at most one a minute: whoever connects can cause them, or a full disk does, and so many of
//! them could fill the log. Those between two lines are counted. Used by `accept`, `connection`, `stranger`, `peers` and `access_log`.

use crate::log_line::warn;
use crate::net::sys::now_ms;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long the log keeps silent after a line, in ms.
const SILENCE: u64 = 60_000;

/// One kind of such a line.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When the log was told, in ms of the monotonic clock; 0 if never.
    told: AtomicU64,
    /// How many lines were kept back since.
    kept_back: AtomicU64,
}

impl Seldom {
    /// Warns by this line, or counts it for the next one.
    pub(crate) fn warn(&self, line: impl FnOnce() -> String) {
        if let Some(more) = self.due() {
            tell(&line(), more);
        }
    }

    /// For who writes the line. If it is time for one, how many were kept back since the last; else this one is kept back.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due_at(now_ms().max(1))
    }

    fn due_at(&self, now: u64) -> Option<u64> {
        let told = self.told.load(Ordering::Relaxed);
        let is_time = told == 0 || now.saturating_sub(told) >= SILENCE;
        let swapped = || {
            self.told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
        };
        if !is_time || swapped().is_err() {
            self.kept_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.kept_back.swap(0, Ordering::Relaxed))
    }
}

/// Warns by this line, which stands for so many more.
fn tell(line: &str, more: u64) {
    match more {
        0 => warn!("{line}"),
        _ => warn!("{line} ({more} more like it since the last such line)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_a_minute_and_those_between_are_counted() {
        let seldom = Seldom::default();
        let due: Vec<Option<u64>> = [1, 2, 60_000, 60_001, 60_002, 200_000, 500_000]
            .map(|now| seldom.due_at(now))
            .into();
        let expected = [Some(0), None, None, Some(2), None, Some(1), Some(0)];
        assert_eq!(due, expected);
    }
}
