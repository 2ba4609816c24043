//! The application's start-up, as each worker of a pool goes through it: what is made for a worker, a connection to a database
//! say, may fail to be made. It is then tried again, less and less often. Called by `application` and by the gate of `cli`.
//!
//! Meanwhile the process stays and answers 503. If it exited, the web server would react in its own way: mod_fastcgi 2.4 waits
//! 600 s, and mod_fcgid 2.3.9 starts one process after another. And if every request tried again, each would wait for as long
//! as the failure takes, and log the same.

use crate::error::{Error, Result};
use crate::hint::explained;
use crate::log_line::{error, info};
use crate::log_text::one_line;
use crate::net::sys::now_ms;
use crate::protocol::Role;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The wait after a first failure. It is doubled after each further one.
const FIRST_WAIT_MS: u64 = 1000;

/// The wait does not get longer.
const LONGEST_WAIT_MS: u64 = 60_000;

/// What is known of the start-ups in this process: one for each role, by [`Role::index`].
#[derive(Default)]
pub(crate) struct StartUps([StartUp; Role::COUNT]);

/// The start-up for one role.
#[derive(Default)]
struct StartUp(Mutex<Trouble>);

/// What has gone wrong since the last success.
#[derive(Default)]
struct Trouble {
    /// How many tries in a row have failed. While there are none, each worker tries for itself, several at once if need be.
    failures: u32,
    /// Not before this time, in ms, does anybody try again.
    next_try: u64,
    /// A worker is trying again. Only one does at a time: if it succeeds, all others may try.
    is_tried: bool,
    /// The status of the last failure's error.
    status: u16,
    /// The words of that error.
    why: String,
}

impl StartUps {
    /// Makes a worker's handler by `make`. If it is not yet time to try again, it returns the last failure's error at once.
    /// `make` must not panic: otherwise nobody would ever try again.
    pub(crate) fn make<T>(&self, role: usize, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let start_up = &self.0[role];
        let before = start_up.begin(now_ms())?;
        match make() {
            Ok(made) => {
                start_up.succeed();
                Ok(made)
            }
            Err(error) => Err(start_up.fail(before, error, now_ms())),
        }
    }
}

impl StartUp {
    /// Begins a try, and returns how many tries in a row have failed before. An error if it is not time for a try.
    fn begin(&self, now: u64) -> Result<u32> {
        let mut trouble = self.lock();
        if trouble.failures > 0 {
            if trouble.is_tried || now < trouble.next_try {
                return Err(trouble.error(now));
            }
            trouble.is_tried = true;
        }
        Ok(trouble.failures)
    }

    fn succeed(&self) {
        let trouble = std::mem::take(&mut *self.lock());
        if trouble.failures > 0 {
            let tries = trouble.failures;
            info!("the application's start-up succeeded, after {tries} in vain");
        }
    }

    /// Logs one line, and returns what the request is answered that has tried. `before` is what [`begin`](StartUp::begin)
    /// returned.
    fn fail(&self, before: u32, error: Error, now: u64) -> Error {
        let mut trouble = self.lock();
        // Of several tries that began together, only the first failure counts. If one has succeeded since this try began, the
        // count has begun anew.
        if trouble.failures <= before {
            trouble.failures = trouble.failures.saturating_add(1);
            trouble.next_try = now + wait(trouble.failures);
            trouble.is_tried = false;
            (trouble.status, trouble.why) = (error.status(), explained(&error));
        }
        let answer = trouble.error(now);
        drop(trouble);
        error!(
            "{}; requests are answered {}, and the next try is in {} s",
            one_line(&explained(&error)),
            answer.status(),
            answer.retry_after().unwrap_or_default()
        );
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// What a request is answered. The log has it already, once for each try.
    fn error(&self, now: u64) -> Error {
        let wait = self.next_try.saturating_sub(now).div_ceil(1000);
        Error::new(self.status, self.why.clone())
            .told()
            .with_retry_after(wait.max(1))
    }
}

/// The wait after so many failures in a row, in ms.
fn wait(failures: u32) -> u64 {
    let doubled = FIRST_WAIT_MS.checked_shl(failures.saturating_sub(1).min(16));
    doubled.map_or(LONGEST_WAIT_MS, |wait| wait.min(LONGEST_WAIT_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(start_up: &StartUp, now: u64) -> Error {
        let before = start_up.begin(now).unwrap();
        start_up.fail(before, Error::new(503, "no database"), now)
    }

    #[test]
    fn tries_get_rarer_and_whoever_asks_between_is_told_when() {
        let (start_up, mut now) = (StartUp::default(), 5);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let error = fail(&start_up, now);
            assert_eq!(error.retry_after(), Some(wait));
            for (later, rest) in [(0, wait), (1, wait), (wait * 1000 - 1, 1)] {
                let error = start_up.begin(now + later).unwrap_err();
                assert_eq!(error.retry_after(), Some(rest), "{later} ms after {wait} s");
                assert_eq!((error.status(), error.is_told()), (503, true));
                assert_eq!(error.to_string(), "no database");
            }
            now += wait * 1000;
        }
        assert_eq!(wait(u32::MAX), LONGEST_WAIT_MS);
    }

    #[test]
    fn one_tries_at_a_time_once_it_has_failed() {
        let start_up = StartUp::default();
        fail(&start_up, 0);
        let before = start_up.begin(1000).unwrap();
        assert_eq!(start_up.begin(100_000).unwrap_err().retry_after(), Some(1));
        start_up.fail(before, Error::new(503, ""), 200_000);
        assert!(start_up.begin(201_999).is_err());
        assert!(start_up.begin(202_000).is_ok());
    }

    #[test]
    fn those_that_begin_together_count_once() {
        let start_up = StartUp::default();
        let begun: Vec<u32> = (0..3).map(|_| start_up.begin(0).unwrap()).collect();
        for before in begun {
            let error = start_up.fail(before, Error::new(503, ""), 0);
            assert_eq!(error.retry_after(), Some(1));
        }
        assert_eq!(fail(&start_up, 1000).retry_after(), Some(2));
    }

    #[test]
    fn a_success_beside_a_try_begins_the_count_anew() {
        let start_up = StartUp::default();
        let slow = start_up.begin(0).unwrap();
        fail(&start_up, 0);
        let tries = start_up.begin(1000).unwrap();
        assert_eq!((slow, tries), (0, 1));
        start_up.succeed();
        let error = start_up.fail(tries, Error::new(503, "gone again"), 1000);
        assert_eq!((error.status(), error.retry_after()), (503, Some(1)));
        assert_eq!(error.to_string(), "gone again");
        assert!(start_up.begin(1999).is_err());
    }

    #[test]
    fn a_success_lets_everybody_try_at_once() {
        let start_up = StartUp::default();
        fail(&start_up, 0);
        fail(&start_up, 1000);
        start_up.begin(3000).unwrap();
        start_up.succeed();
        assert_eq!(start_up.begin(3000).unwrap(), 0);
        assert_eq!(start_up.begin(3000).unwrap(), 0);
        assert_eq!(fail(&start_up, 3000).retry_after(), Some(1));
    }

    /// A failure for one role says nothing of another.
    #[test]
    fn each_role_starts_up_by_itself() {
        let start_ups = StartUps::default();
        let failed = || Err::<(), _>(Error::new(404, "none"));
        assert_eq!(start_ups.make(0, failed).unwrap_err().status(), 404);
        assert!(start_ups.make(1, || Ok(())).is_ok());
        let error = start_ups.make(0, || Ok(())).unwrap_err();
        assert_eq!((error.status(), error.to_string()), (404, "none".into()));
    }
}
