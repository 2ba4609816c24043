//! Tells a person at a terminal that nothing has come for some time, so that nobody takes a slow application for a `get` that
//! hangs. Called by `get`.

use super::note;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// When it is told first; then after twice that time, and so on: there are few lines, however long it takes.
const FIRST: Duration = Duration::from_secs(1);

/// The words that the thread is told.
const NOTHING: u8 = 0;
const CAME: u8 = 1;
const OVER: u8 = 2;

/// Held as long as somebody waits. It does nothing where standard error is no terminal.
pub(super) struct Waiting(Option<Teller>);

/// The thread that tells the person. It is told by an atomic word: nothing else in a program needs a channel, whose code is
/// larger than all of `get`.
struct Teller {
    thread: Thread,
    said: Arc<AtomicU8>,
}

impl Waiting {
    pub(super) fn begin() -> Waiting {
        Waiting(io::stderr().is_terminal().then(start).flatten())
    }

    /// Something has come.
    pub(super) fn came(&self) {
        self.say(CAME);
    }

    fn say(&self, what: u8) {
        if let Some(teller) = &self.0 {
            teller.said.store(what, Ordering::Release);
            teller.thread.unpark();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.say(OVER);
    }
}

/// `None` if no thread can be started: the request is made all the same.
fn start() -> Option<Teller> {
    let said = Arc::new(AtomicU8::new(NOTHING));
    let heard = said.clone();
    let started = thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(move || tell(&heard));
    let thread = started.ok()?.thread().clone();
    Some(Teller { thread, said })
}

fn tell(said: &AtomicU8) {
    let (mut since, mut next) = (Instant::now(), FIRST);
    loop {
        thread::park_timeout(next.saturating_sub(since.elapsed()));
        match said.swap(NOTHING, Ordering::Acquire) {
            OVER => return,
            CAME => (since, next) = (Instant::now(), FIRST),
            _ if since.elapsed() >= next => {
                note(&format!("waiting: nothing came for {} s\n", next.as_secs()));
                next *= 2;
            }
            _ => {}
        }
    }
}
