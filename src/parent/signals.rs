//! What signals ask of the parent. A handler notes it and rings a bell, by a byte in a socket; the loop of `parent::run` then does it.
//!
//! TERM, INT and USR1 stop. HUP reloads; at a terminal it says that this has hung up, and stops. A HUP that is ignored (`nohup`)
//! stays ignored.

use crate::net::has_terminal;
use crate::net::sys::{self, Errno};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static STOPS: AtomicUsize = AtomicUsize::new(0);
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);
static RELOAD: AtomicBool = AtomicBool::new(false);
static BELL: OnceLock<UnixStream> = OnceLock::new();

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Stop,
    /// A second Ctrl-C at a terminal.
    StopNow,
    Reload,
}

#[derive(Debug)]
pub(super) struct Signals {
    bell: UnixStream,
    foreground: bool,
}

impl Signals {
    /// # Errors
    /// When there is no descriptor left.
    pub(super) fn start() -> io::Result<Signals> {
        let (bell, ring) = UnixStream::pair()?;
        // A handler must not wait, whatever is in there already.
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let _ = BELL.set(ring);
        let foreground = has_terminal();
        sys::ignore_sigpipe();
        sys::ignore_sigxfsz();
        for signal in [sys::SIGTERM, sys::SIGINT, sys::SIGUSR1, sys::SIGCHLD] {
            sys::on_signal(signal, note)?;
        }
        if !sys::is_ignored(sys::SIGHUP) {
            let hang_up = if foreground { note } else { note_reload };
            sys::on_signal(sys::SIGHUP, hang_up)?;
        }
        Ok(Signals { bell, foreground })
    }

    /// What was asked since the last call. The bell is quiet until the next signal.
    pub(super) fn asked(&self) -> Asked {
        while (&self.bell).read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        let reload = RELOAD.swap(false, Ordering::SeqCst);
        if self.foreground && INTERRUPTS.load(Ordering::SeqCst) > 1 {
            Asked::StopNow
        } else if STOPS.load(Ordering::SeqCst) > 0 {
            Asked::Stop
        } else if reload {
            Asked::Reload
        } else {
            Asked::Nothing
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

extern "C" fn note(signal: i32) {
    let _errno = Errno::save();
    if signal != sys::SIGCHLD {
        STOPS.fetch_add(1, Ordering::SeqCst);
    }
    if signal == sys::SIGINT {
        INTERRUPTS.fetch_add(1, Ordering::SeqCst);
    }
    ring();
}

extern "C" fn note_reload(_: i32) {
    let _errno = Errno::save();
    RELOAD.store(true, Ordering::SeqCst);
    ring();
}

/// Rings by one byte. If it does not fit there are others, and nobody has read them yet.
fn ring() {
    if let Some(mut bell) = BELL.get() {
        let _ = bell.write(b"x");
    }
}
