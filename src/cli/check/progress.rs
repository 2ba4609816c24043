//! A line on the terminal that says what is waited for, and is removed when that is over. `check --log`, `--connect` and
//! `--url` show it.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

pub(super) struct Progress {
    is_terminal: bool,
    is_shown: Cell<bool>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            is_terminal: io::stderr().is_terminal(),
            is_shown: Cell::new(false),
        }
    }

    /// Shows this text in the place of the one before.
    pub(super) fn say(&self, text: &str) {
        if self.is_terminal {
            self.is_shown.set(true);
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown.get() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
