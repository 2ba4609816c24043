//! Tells a person at the terminal that an answer takes its time, so that nobody takes a slow application for a `get` that
//! hangs. Called by `get`.

use super::note;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// Then after twice as long, and so on: few lines, whatever it takes.
const FIRST: Duration = Duration::from_secs(1);

/// As long as it is held, somebody waits. Does nothing where standard error is no terminal.
pub(super) struct Waiting {
    came: Option<SyncSender<()>>,
}

impl Waiting {
    pub(super) fn begin() -> Waiting {
        Waiting {
            came: io::stderr().is_terminal().then(start).flatten(),
        }
    }

    /// Something has come.
    pub(super) fn came(&self) {
        if let Some(came) = &self.came {
            let _ = came.try_send(());
        }
    }
}

/// `None` if there is no thread to be had: it is asked all the same.
fn start() -> Option<SyncSender<()>> {
    let (came, heard) = mpsc::sync_channel(1);
    let started = thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(move || tell(&heard));
    started.ok().map(|_| came)
}

fn tell(heard: &Receiver<()>) {
    let (mut since, mut next) = (Instant::now(), FIRST);
    loop {
        match heard.recv_timeout(next.saturating_sub(since.elapsed())) {
            Ok(()) => (since, next) = (Instant::now(), FIRST),
            Err(RecvTimeoutError::Timeout) => {
                note(&format!("waiting: nothing came for {} s\n", next.as_secs()));
                next *= 2;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
