//! What belongs to the whole process while `run` or `main` own it: signals, and the deadline of a stop. Called by `server` and by the
//! command line.
//!
//! TERM, INT and USR1 (multiwatch's) ask the process to stop. The first of them sets the alarm and removes the paths of our
//! sockets, so that nobody comes in whom a busy process would have to cut; then it asks the accept loop, which knows what is still
//! to be answered. At the deadline SIGALRM comes, which needs no free worker: its handler names what is cut, and ends the process.
//!
//! Further signals change nothing, for mod_fcgid repeats TERM after 1.4 s; except that a second INT at a terminal ends the process
//! at once. HUP stops a process at a terminal, which has hung up; where there is no terminal it has the access log opened anew. A
//! HUP that is ignored (`nohup`) stays ignored.
//!
//! All that the signal handlers use is prepared before, and everything that they call is async-signal-safe.

mod signal_log;

use crate::executable::executable;
use crate::log_text::one_line;
use crate::net::Notify;
use crate::net::sys::{self, Errno};
use crate::net::{SocketFile, has_terminal};
use crate::pool::Pool;
use log::Level;
use std::ffi::CString;
use std::io::{self, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many pools a process may have in its life: while the settings are wrong one that says so, and then one that serves.
const POOLS: usize = 2;

static PROCESS: OnceLock<Process> = OnceLock::new();

struct Process {
    /// The program's name, for log lines.
    name: String,
    grace_ms: AtomicU64,
    /// Whether a person at a terminal started us.
    foreground: bool,
    /// Whether a parent started us.
    is_child: bool,
    /// How many signals have asked to stop, and how many of them were INT.
    asked: AtomicUsize,
    interrupted: AtomicUsize,
    /// Where the http server of `--http` runs, it is told by a byte that a signal has come, and stops the pools itself when it
    /// does not need them any more for what it has begun.
    front: OnceLock<PipeWriter>,
    pools: [OnceLock<Arc<Pool>>; POOLS],
    /// The socket files that go at the end, by their paths.
    files: OnceLock<Vec<(CString, Arc<SocketFile>)>>,
    /// Who is told that we serve, and that we stop.
    notify: OnceLock<Notify>,
}

impl Process {
    /// Async-signal-safe.
    fn remove_files(&self) {
        for (path, file) in self.files.get().into_iter().flatten() {
            let (device, inode) = file.id();
            sys::unlink_if(path, device, inode);
        }
    }

    /// Async-signal-safe. It is called twice at most, when a signal comes while something starts, so that no pipe gets full.
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

/// Makes the process ours: signals stop it. It is called before anything is bound, so that a signal leaves nothing behind.
///
/// # Errors
/// When a pool was served already: `run` and `main` own the process and serve once.
pub(crate) fn own(grace: Duration, is_child: bool) -> io::Result<()> {
    let process = PROCESS.get_or_init(|| Process {
        name: name(),
        grace_ms: AtomicU64::default(),
        // What a person at the terminal wants is the parent's to hear, and not a child's.
        foreground: !is_child && has_terminal(),
        is_child,
        asked: AtomicUsize::new(0),
        interrupted: AtomicUsize::new(0),
        front: OnceLock::new(),
        pools: Default::default(),
        files: OnceLock::new(),
        notify: OnceLock::new(),
    });
    if process.pools[0].get().is_some() {
        return Err(io::Error::other(
            "`run` owns the process and serves once; use `start` to serve several times",
        ));
    }
    set_grace(grace);
    endure();
    for signal in [sys::SIGTERM, sys::SIGINT, sys::SIGUSR1] {
        sys::on_signal(signal, stop)?;
    }
    if !sys::is_ignored(sys::SIGHUP) {
        let hang_up = if process.foreground { stop } else { reopen };
        sys::on_signal(sys::SIGHUP, hang_up)?;
    }
    sys::on_signal(sys::SIGALRM, deadline)
}

/// Makes the process one that no full file or closed pipe ends. Its signals stay as they are.
pub(crate) fn endure() {
    sys::raise_descriptor_limit();
    sys::ignore_sigpipe();
    sys::ignore_sigxfsz();
    sys::heed_sigchld();
}

/// Has these files removed when the process is asked to stop, or ends at the deadline.
pub(crate) fn remove_at_end(files: impl Iterator<Item = Arc<SocketFile>>) {
    let with_path = |file: Arc<SocketFile>| {
        let path = CString::new(file.path.as_os_str().as_bytes()).ok()?;
        Some((path, file))
    };
    if let Some(process) = PROCESS.get() {
        let _ = process.files.set(files.filter_map(with_path).collect());
    }
}

/// From now on a stop leaves so much time.
pub(crate) fn set_grace(grace: Duration) {
    if let Some(process) = PROCESS.get() {
        process.grace_ms.store(in_ms(grace), Ordering::SeqCst);
    }
}

/// Has a signal stop this pool.
pub(crate) fn stop_on_signal(pool: &Arc<Pool>) {
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

/// Tells whoever started us that connections are accepted, if it has asked to be told; when we stop it is told, too.
pub(crate) fn tell_ready() {
    let Some(notify) = Notify::from_environment() else {
        return;
    };
    notify.ready();
    if let Some(process) = PROCESS.get() {
        let _ = process.notify.set(notify);
    }
}

/// A pipe from which a byte can be read when a signal has come. From now on whoever has it stops the pools, and no signal does.
///
/// # Errors
/// When there is no descriptor left.
pub(crate) fn signal_pipe() -> io::Result<io::PipeReader> {
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

/// All was done in time: nothing is to happen at the deadline any more.
pub(crate) fn call_off_deadline() {
    sys::alarm(Duration::ZERO);
}

/// Rounded up: only a grace of zero is none.
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
        // At once, even if every worker is busy: whoever comes now is not let in to be cut, and the next process can bind the path.
        process.remove_files();
        process.ask_to_stop();
        if let Some(notify) = process.notify.get() {
            notify.stopping();
        }
    }
}

extern "C" fn deadline(_signal: i32) {
    let Some(process) = PROCESS.get() else { return };
    process.remove_files();
    // Files of uploads that nobody has kept: no destructor runs any more that would remove them.
    #[cfg(feature = "multipart")]
    crate::spool::unkept(sys::unlink);
    let now = sys::now_ms();
    for slot in process
        .pools
        .iter()
        .filter_map(OnceLock::get)
        .flat_map(|pool| pool.slots())
    {
        if let Some((since, line)) = slot.read() {
            // To the nearest second: the clock's step makes a request that has filled the time to stop a little younger than that.
            let seconds = (now.saturating_sub(since) + 500) / 1000;
            process.tell_cut(&line, seconds);
        }
    }
    for pool in process.pools.iter().filter_map(OnceLock::get) {
        if let Some(cut) = pool.accept().cut() {
            process.tell_unanswered(cut);
        }
    }
    sys::exit_now(1);
}

extern "C" fn reopen(_signal: i32) {
    let _errno = Errno::save();
    let Some(process) = PROCESS.get() else { return };
    let pools = process.pools.iter().filter_map(OnceLock::get);
    let mut logs = pools.filter_map(|pool| pool.access_log()).peekable();
    if logs.peek().is_none() {
        // The parent passes HUP on at every reload, and has told the log of it.
        if process.is_child {
            return;
        }
        return process.say(
            Level::Info,
            &[b"SIGHUP: there is no access log to open anew"],
        );
    }
    logs.for_each(|log| process.reopen(log));
}

/// The name of the executable, for log lines.
fn name() -> String {
    let name = executable().and_then(Path::file_name);
    let name = name.unwrap_or("app".as_ref());
    one_line(&name.to_string_lossy())
}
