//! What belongs to the whole process while `run` or `main` own it: signals, and the deadline of a stop.
//!
//! TERM, INT and USR1 (multiwatch's) ask to stop. The first of them sets the alarm; at the deadline, which needs no free
//! worker, SIGALRM removes our sockets, names what is cut, and ends the process. Further signals change nothing:
//! mod_fcgid repeats TERM after 1.4 s. Only a second INT at a terminal ends at once.
//!
//! All that the signal handlers use is prepared before, and everything that they call is async-signal-safe.

use crate::decimal::Decimal;
use crate::net::SocketFile;
use crate::net::sys::{self, Errno};
use crate::pool::Pool;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many pools a process may have in its life: one that says what is wrong with the settings, one that serves.
const POOLS: usize = 2;

static PROCESS: OnceLock<Process> = OnceLock::new();

struct Process {
    grace_ms: AtomicU64,
    /// Whether a person at a terminal started us.
    foreground: bool,
    asked: AtomicUsize,
    interrupted: AtomicUsize,
    /// What is asked in the pools' place, by a byte: the http server, which needs them for what it has begun.
    front: OnceLock<PipeWriter>,
    pools: [OnceLock<Arc<Pool>>; POOLS],
    files: OnceLock<Vec<(CString, Arc<SocketFile>)>>,
}

impl Process {
    /// Async-signal-safe. Twice at most for each, when a signal comes while something starts, so that no pipe gets full.
    fn ask_to_stop(&self) {
        if let Some(mut pipe) = self.front.get() {
            let _ = pipe.write(b"x");
            return;
        }
        for pool in self.pools.iter().filter_map(OnceLock::get) {
            pool.accept().ask_to_stop();
        }
    }
}

/// Makes the process ours: signals stop it. Before anything is bound, so that a signal leaves nothing behind.
///
/// # Errors
/// When a pool was served already: `run` and `main` own the process and serve once.
pub(crate) fn own(grace: Duration) -> io::Result<()> {
    let process = PROCESS.get_or_init(|| Process {
        grace_ms: AtomicU64::default(),
        foreground: File::open("/dev/tty").is_ok(),
        asked: AtomicUsize::new(0),
        interrupted: AtomicUsize::new(0),
        front: OnceLock::new(),
        pools: Default::default(),
        files: OnceLock::new(),
    });
    if process.pools[0].get().is_some() {
        return Err(io::Error::other(
            "`run` owns the process and serves once; use `start` to serve several times",
        ));
    }
    set_grace(grace);
    sys::raise_descriptor_limit();
    sys::ignore_sigpipe();
    for signal in [sys::SIGTERM, sys::SIGINT, sys::SIGUSR1] {
        sys::on_signal(signal, stop)?;
    }
    sys::on_signal(sys::SIGALRM, deadline)
}

/// These files go when the process ends at the deadline.
pub(crate) fn removes(files: impl Iterator<Item = Arc<SocketFile>>) {
    let with_path = |file: Arc<SocketFile>| {
        let path = CString::new(file.path.as_os_str().as_bytes()).ok()?;
        Some((path, file))
    };
    if let Some(process) = PROCESS.get() {
        let _ = process.files.set(files.filter_map(with_path).collect());
    }
}

/// A stop signal from now on leaves so much time.
pub(crate) fn set_grace(grace: Duration) {
    if let Some(process) = PROCESS.get() {
        process.grace_ms.store(in_ms(grace), Ordering::SeqCst);
    }
}

/// This pool is what a signal stops.
pub(crate) fn stops(pool: &Arc<Pool>) {
    let Some(process) = PROCESS.get() else { return };
    for place in &process.pools {
        if place.set(Arc::clone(pool)).is_ok() {
            break;
        }
    }
    if was_asked_to_stop() {
        process.ask_to_stop();
    }
}

/// A pipe that can be read from when a signal has come. Whoever has it stops the pools: no signal does from now on.
///
/// # Errors
/// When there is no descriptor left.
pub(crate) fn stops_front() -> io::Result<io::PipeReader> {
    let (reader, writer) = io::pipe()?;
    if let Some(process) = PROCESS.get() {
        let _ = process.front.set(writer);
        if was_asked_to_stop() {
            process.ask_to_stop();
        }
    }
    Ok(reader)
}

/// Whether a signal has come.
pub(crate) fn was_asked_to_stop() -> bool {
    PROCESS
        .get()
        .is_some_and(|process| process.asked.load(Ordering::SeqCst) > 0)
}

/// All is done in time: nothing happens at the deadline any more.
pub(crate) fn is_done() {
    sys::alarm(Duration::ZERO);
}

/// Rounded up: only a grace of nothing is none.
fn in_ms(grace: Duration) -> u64 {
    u64::try_from(grace.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

extern "C" fn stop(signal: i32) {
    let _errno = Errno::save();
    let Some(process) = PROCESS.get() else { return };
    let first = process.asked.fetch_add(1, Ordering::SeqCst) == 0;
    let again = signal == sys::SIGINT && process.interrupted.fetch_add(1, Ordering::SeqCst) > 0;
    let grace = process.grace_ms.load(Ordering::SeqCst);
    if (first && grace == 0) || (again && process.foreground) {
        deadline(signal);
    }
    if first {
        sys::alarm(Duration::from_millis(grace));
        process.ask_to_stop();
    }
}

extern "C" fn deadline(_signal: i32) {
    let Some(process) = PROCESS.get() else { return };
    for (path, file) in process.files.get().into_iter().flatten() {
        let (device, inode) = file.id();
        sys::unlink_if(path, device, inode);
    }
    let now = sys::now_ms();
    for slot in process
        .pools
        .iter()
        .filter_map(OnceLock::get)
        .flat_map(|pool| pool.slots())
    {
        if let Some((since, line)) = slot.read() {
            tell_cut(line.as_bytes(), now.saturating_sub(since) / 1000);
        }
    }
    sys::exit_now(1);
}

/// One line: `fcgi: the time to stop is over; cut after 12 s: GET /report`.
fn tell_cut(request: &[u8], seconds: u64) {
    let mut text = [0; 256];
    let mut len = 0;
    let seconds = Decimal::of(seconds);
    for part in [
        b"fcgi: the time to stop is over; cut after ",
        seconds.as_bytes(),
        b" s: ",
        request,
        b"\n",
    ] {
        let part = &part[..part.len().min(text.len() - len)];
        text[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    sys::write_quietly(2, &text[..len]);
}
