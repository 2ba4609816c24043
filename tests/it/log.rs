//! What the library says to the log, by the thread that said it: each test sees the lines of its own server.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread::{self, ThreadId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub thread: ThreadId,
    pub level: ::log::Level,
    /// The request that it is about, by its id.
    pub id: Option<String>,
    pub text: String,
    /// By what a logger may choose: the module.
    pub target: String,
    /// The file of the source, and the line in it.
    pub place: (String, u32),
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
        let (id, text) = split(record.args().to_string());
        let line = Line {
            thread: thread::current().id(),
            level: record.level(),
            id,
            text,
            target: record.target().to_owned(),
            place: (
                record.file().unwrap_or_default().to_owned(),
                record.line().unwrap_or_default(),
            ),
        };
        lines().push(line);
    }

    fn flush(&self) {}
}

/// The id `4711-12` that a line about a request begins with, and the rest.
fn split(text: String) -> (Option<String>, String) {
    let own = format!("{}-", std::process::id());
    match text.split_once(' ') {
        Some((id, rest)) if id.starts_with(&own) => (Some(id.to_owned()), rest.to_owned()),
        _ => (None, text),
    }
}
