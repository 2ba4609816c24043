//! Why a handler did not answer, and the lines that the log has of it. Made by whoever contains the
//! handler.

use crate::error::Error;
use crate::hint::{explained, of_panic};
use crate::log_line;
use crate::log_text::one_line;
use log::Level;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a handler did not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(Error),
    /// Where it panicked, and with which words.
    Panic(String),
}

impl Failure {
    fn status(&self) -> u16 {
        match self {
            Failure::Error(error) => error.status(),
            Failure::Panic(_) => 500,
        }
    }

    pub(super) fn is_disconnect(&self) -> bool {
        matches!(self, Failure::Error(error) if error.is_disconnect())
    }

    fn is_told(&self) -> bool {
        matches!(self, Failure::Error(error) if error.is_told())
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Failure::Error(error) => error,
            Failure::Panic(panic) => Error::new(500, format!("panicked{}", of_panic(&panic))),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An application may quote what a visitor sent.
            Failure::Error(error) => f.write_str(&one_line(&explained(error))),
            Failure::Panic(panic) => write!(f, "panicked{}", one_line(&of_panic(panic))),
        }
    }
}

#[cold]
#[inline(never)]
pub(super) fn tell_failure(failure: &Failure, name: &dyn Fn() -> String) {
    let status = failure.status();
    if !failure.is_told() {
        tell(
            level(failure),
            name,
            &format_args!("{failure}; answered {status}"),
        );
    }
}

/// How a failure is logged: what the visitor or the web server did wrong is for information only.
pub(super) fn level(failure: &Failure) -> Level {
    match failure.status() {
        500.. => Level::Error,
        _ => Level::Info,
    }
}

/// A line about a request. The logger is the application's: its panic must not cost the visitor the answer.
#[cold]
#[inline(never)]
pub(super) fn tell(level: Level, name: &dyn Fn() -> String, what: &dyn fmt::Display) {
    safely(&mut || log_line::at!(level, "{}: {what}", name()));
}

/// What failed may hold something of the application's that panics when it is dropped.
#[cold]
pub(super) fn let_go(failure: Failure) {
    let mut failure = Some(failure);
    safely(&mut || failure = None);
}

/// Runs code that is the application's, its logger or the drop of its value, and contains its panic.
#[inline(never)]
fn safely(f: &mut dyn FnMut()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // The payload may panic in turn when it is dropped.
        std::mem::forget(payload);
    }
}
