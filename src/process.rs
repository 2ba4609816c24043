//! What belongs to the whole process while `run` or `main` own it: signals, and the deadline of a stop.
//!
//! TERM, INT and USR1 (multiwatch's) ask to stop. The first of them sets the alarm and removes the paths of our sockets,
//! so that nobody comes in whom a busy process would have to cut; what is answered then is the accept loop's to know. At the
//! deadline, which needs no free worker, SIGALRM names what is cut, and ends the process. Further signals change nothing:
//! mod_fcgid repeats TERM after 1.4 s. Only a second INT at a terminal ends at once. HUP is a stop at a terminal, which hangs up;
//! where there is none it opens the access log anew. One that is ignored (`nohup`) stays ignored.
//!
//! All that the signal handlers use is prepared before, and everything that they call is async-signal-safe.

use crate::accept::Cut;
use crate::access_log::AccessLog;
use crate::date::Utc;
use crate::decimal::Decimal;
use crate::executable::executable;
use crate::net::Notify;
use crate::net::SocketFile;
use crate::net::sys::{self, Errno};
use crate::pool::Pool;
use crate::slot::{Line, one_line};
use log::Level;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// How many pools a process may have in its life: one that says what is wrong with the settings, one that serves.
const POOLS: usize = 2;

static PROCESS: OnceLock<Process> = OnceLock::new();

struct Process {
    /// What it is called in log lines.
    name: String,
    grace_ms: AtomicU64,
    /// Whether a person at a terminal started us.
    foreground: bool,
    is_child: bool,
    asked: AtomicUsize,
    interrupted: AtomicUsize,
    /// What is asked in the pools' place, by a byte: the http server, which needs them for what it has begun.
    front: OnceLock<PipeWriter>,
    pools: [OnceLock<Arc<Pool>>; POOLS],
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
pub(crate) fn own(grace: Duration, is_child: bool) -> io::Result<()> {
    let process = PROCESS.get_or_init(|| Process {
        name: name(),
        grace_ms: AtomicU64::default(),
        // A child leaves it to its parent what a person wants.
        foreground: !is_child && File::open("/dev/tty").is_ok(),
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

/// Connections are accepted: whoever started us is told if it asked to be, and told again when we stop.
pub(crate) fn is_ready() {
    let Some(notify) = Notify::from_environment() else {
        return;
    };
    notify.ready();
    if let Some(process) = PROCESS.get() {
        let _ = process.notify.set(notify);
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
        // Even if every worker is busy: whoever comes now is not let in to be cut, and the next one can start.
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
    // No destructor runs any more.
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
            process.tell_cut(&line, now.saturating_sub(since) / 1000);
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
        // Its parent passes on every reload, which has told the log what it does.
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

/// The executable's, as the log has it.
fn name() -> String {
    let name = executable().and_then(Path::file_name);
    let name = name.unwrap_or("app".as_ref());
    one_line(&name.to_string_lossy())
}

/// All of it async-signal-safe.
impl Process {
    fn reopen(&self, log: &AccessLog) {
        let path = log.shown_path().as_bytes();
        match log.reopen() {
            Ok(()) => self.say(
                Level::Info,
                &[b"SIGHUP: the access log ", path, b" is open anew"],
            ),
            Err(error) => {
                let number = Decimal::of(error.raw_os_error().unwrap_or(0).unsigned_abs().into());
                let parts = [
                    b"SIGHUP: cannot open the access log ",
                    path,
                    b" anew (os error ",
                    number.as_bytes(),
                    b"); it goes on in the file that it was",
                ];
                self.say(Level::Error, &parts);
            }
        }
    }

    /// `the time to stop is over; cut after 12 s: 4711-12 GET /report`
    fn tell_cut(&self, request: &Line, seconds: u64) {
        let seconds = Decimal::of(seconds);
        let pid = Decimal::of(std::process::id().into());
        let number = Decimal::of(request.number());
        let parts = [
            b"the time to stop is over; cut after ",
            seconds.as_bytes(),
            b" s: ",
            pid.as_bytes(),
            b"-",
            number.as_bytes(),
            b" ",
            request.as_bytes(),
        ];
        self.say(Level::Error, &parts);
    }

    /// Of requests that no worker had taken up nothing is known but that they were there.
    fn tell_unanswered(&self, cut: Cut) {
        if cut.waiting > 0 {
            let count = Decimal::of(cut.waiting as u64);
            let parts = [
                b"the time to stop is over; cut unanswered: ",
                count.as_bytes(),
                b" that waited for a worker or for the rest of a request",
            ];
            self.say(Level::Error, &parts);
        }
        if cut.backlog {
            let line = b"the time to stop is over; cut unanswered: what nobody had accepted yet";
            self.say(Level::Error, &[line]);
        }
    }

    /// Writes a line of these parts, as the command line's log has them: a signal handler may not call a logger.
    fn say(&self, level: Level, parts: &[&[u8]]) {
        if level > log::max_level() {
            return;
        }
        let mut text = Text::default();
        let now = Utc::of(SystemTime::now());
        // Formatting numbers into an array neither locks nor allocates.
        let _ = write!(text, "{now} {}[{}] {level} ", self.name, std::process::id());
        parts.iter().for_each(|part| text.push(part));
        text.end();
        sys::write_quietly(2, &text.bytes[..text.len]);
    }
}

/// A line that needs no memory. What does not fit is cut.
struct Text {
    bytes: [u8; 512],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            bytes: [0; 512],
            len: 0,
        }
    }
}

impl Text {
    fn push(&mut self, part: &[u8]) {
        // The last byte is the line's end.
        let room = self.bytes.len() - 1 - self.len;
        let part = &part[..part.len().min(room)];
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn end(&mut self) {
        self.bytes[self.len] = b'\n';
        self.len += 1;
    }
}

impl Write for Text {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.push(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
