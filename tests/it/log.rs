//! What the library says to the log, by the thread that said it: each test sees the lines of its own server.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread::{self, ThreadId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub thread: ThreadId,
    pub level: ::log::Level,
    pub text: String,
}

/// Begins to collect, once for this process.
pub fn collect() {
    static BEGUN: OnceLock<()> = OnceLock::new();
    BEGUN.get_or_init(|| {
        ::log::set_logger(&Collector).expect("nobody else logs here");
        ::log::set_max_level(::log::LevelFilter::Debug);
    });
}

/// What was collected so far.
pub fn lines() -> MutexGuard<'static, Vec<Line>> {
    static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
    LINES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Collector;

impl ::log::Log for Collector {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        let line = Line {
            thread: thread::current().id(),
            level: record.level(),
            text: record.args().to_string(),
        };
        lines().push(line);
    }

    fn flush(&self) {}
}
