//! The loop's timer: time limits of parked connections, listeners that are paused, and looks at paths, by one alarm. Called by
//! the loop when it rings, and by whoever has a deadline.

use super::parked::Parked;
use super::paths::next_look;
use super::{Accept, TIMER};
use crate::exchange::Home;
use crate::link::Kind;
use crate::log_line::{debug, error};
use crate::net::Interest;
use crate::net::sys::now_ms;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Deadlines are looked at in steps, so that thousands of them are not thousands of alarms.
const STEP_MS: u64 = 50;

impl Accept {
    /// Has the timer ring at this moment, in ms of the monotonic clock, or before.
    pub(crate) fn ring_at(&self, at: u64) {
        self.set_alarm(&mut self.lock(), at);
    }

    /// The timer rang: ends what has waited too long, arms what was paused, and looks at our sockets' paths if it is time to.
    pub(super) fn expire(&self) {
        let now = now_ms();
        let mut parked = self.lock();
        let mut next = parked.end_overdue(now, |kind| self.tell_expired(kind));
        let is_time_to_look = parked.look != 0 && parked.look <= now;
        if is_time_to_look {
            parked.look = next_look(now);
        }
        if parked.look != 0 {
            next = next.min(parked.look);
        }
        let paused = std::mem::take(&mut parked.paused);
        parked.alarm = 0;
        // The timer is set or cleared before it is armed: one that has rung stays readable, and would wake somebody at once.
        match next {
            u64::MAX => self.clear_alarm(),
            next => self.set_alarm(&mut parked, next),
        }
        if let Err(error) = self
            .epoll
            .rearm(self.timer.as_raw_fd(), TIMER, Interest::ReadOnce)
        {
            error!("time limits are off: {error}");
        }
        drop(parked);
        (0..64)
            .filter(|i| paused & 1 << i != 0)
            .for_each(|i| self.listeners.arm(i));
        if is_time_to_look && !self.is_stopping() {
            self.look();
        }
    }

    /// Sets the timer to ring at this moment, unless it rings before.
    pub(super) fn set_alarm(&self, parked: &mut Parked, at: u64) {
        // A deadline of `u64::MAX` is none.
        let Some(at) = at.checked_next_multiple_of(STEP_MS) else {
            return;
        };
        if parked.alarm != 0 && parked.alarm <= at {
            return;
        }
        parked.alarm = at;
        let wait = Duration::from_millis(at.saturating_sub(now_ms()).max(1));
        if let Err(error) = self.timer.set(wait) {
            error!("time limits are off: {error}");
        }
    }

    pub(super) fn tell_expired(&self, kind: Kind) {
        match kind {
            Kind::Head => self.told.late_heads.warn(|| {
                "a connection is closed: a request's head was not whole in time (head_timeout)"
                    .into()
            }),
            // A neighbour's probe, a web server that keeps a connection: everyday.
            kind => debug!("a connection is closed: {kind:?} took too long"),
        }
    }

    fn clear_alarm(&self) {
        if let Err(error) = self.timer.clear() {
            error!("time limits are off: {error}");
        }
    }
}
