//! A child: the program, started anew on the parent's sockets, and what the parent knows of it. Called by `family`, and by `run` for
//! the first one.

use super::AFTER_GRACE;
use crate::control::{Control, EMPTY, READY, REPLACE_ME};
use crate::net::sys;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Variables that a child does not get: what systemd has passed to the parent alone, and what makes a process a CGI request.
const NOT_INHERITED: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "GATEWAY_INTERFACE",
    "REQUEST_METHOD",
];

/// How the parent itself was started.
#[derive(Debug)]
pub(crate) struct Program {
    /// Absolute. By the time of a reload another file may lie there, and is what is started then.
    pub(crate) path: PathBuf,
    /// The name that it was called by, and its arguments.
    pub(crate) arguments: Vec<OsString>,
}

impl Program {
    /// Starts a child that serves the listeners with these numbers.
    ///
    /// # Errors
    /// When it cannot be started: the file is gone or no program, or there is no room for another process.
    pub(super) fn start(&self, listeners: &[RawFd], generation: u32) -> io::Result<Child> {
        let cannot = |error: io::Error| {
            let path = self.path.display();
            io::Error::new(error.kind(), format!("cannot start {path}: {error}"))
        };
        let (ours, theirs) = Control::pair().map_err(cannot)?;
        let fds: Vec<RawFd> = std::iter::once(theirs.as_raw_fd())
            .chain(listeners.iter().copied())
            .collect();
        let mut arguments = self.arguments.clone();
        if arguments.is_empty() {
            // Whoever started us may have left even the name out (Linux before 5.18).
            arguments.push(self.path.clone().into());
        }
        arguments.extend(["--child".into(), numbers(&fds).into()]);
        let pid = sys::while_as_we_were_started(|| self.spawn(&arguments, &fds));
        Ok(Child {
            pid: pid.map_err(cannot)?,
            control: Some(ours),
            generation,
            born: Instant::now(),
            is_ready: false,
            wants_successor: false,
            asked_to_end: false,
            ends_when_ready: None,
            kill_at: None,
        })
    }

    /// Starts the program, which inherits these descriptors. No other one does: the parent has one thread, so that nothing else is
    /// started meanwhile.
    fn spawn(&self, arguments: &[OsString], fds: &[RawFd]) -> io::Result<u32> {
        fds.iter().try_for_each(|&fd| sys::keep_on_exec(fd))?;
        let pid = sys::spawn(&self.path, arguments, &NOT_INHERITED);
        fds.iter().try_for_each(|&fd| sys::close_on_exec(fd))?;
        pid
    }
}

fn numbers(fds: &[RawFd]) -> String {
    let numbers: Vec<String> = fds.iter().map(RawFd::to_string).collect();
    numbers.join(",")
}

#[derive(Debug)]
pub(super) struct Child {
    pid: u32,
    /// `None` when the child has closed its end.
    control: Option<Control>,
    pub(super) generation: u32,
    born: Instant,
    /// Whether it accepts connections.
    pub(super) is_ready: bool,
    /// Whether it has answered as many requests as it should.
    pub(super) wants_successor: bool,
    asked_to_end: bool,
    /// It is to end as soon as it is ready, with so much grace.
    ends_when_ready: Option<Duration>,
    /// When it is killed, if it has not ended by then.
    kill_at: Option<Instant>,
}

impl Child {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<End> {
        sys::ended(self.pid).map(|status| End(ExitStatus::from_raw(status)))
    }

    /// Takes in what the child says.
    pub(super) fn hear(&mut self) {
        while let Some(control) = &self.control {
            match control.hear() {
                Ok(Some(READY)) => {
                    self.is_ready = true;
                    if let Some(grace) = self.ends_when_ready.take() {
                        self.end(grace);
                    }
                }
                Ok(Some(REPLACE_ME)) => self.wants_successor = true,
                Ok(Some(_)) => {}
                Ok(None) => return,
                // It has closed its end: SIGCHLD will tell the rest.
                Err(_) => self.control = None,
            }
        }
    }

    /// Tells it that nobody else accepts, so that whoever waits in the backlog is the child's to answer, too.
    pub(super) fn say_empty(&self) {
        if let Some(control) = &self.control {
            control.say(EMPTY);
        }
    }

    /// Has it open its access log anew. A child that is not ready yet is left alone: the signal would end it.
    pub(super) fn reopen_log(&self) {
        if self.is_ready {
            sys::send_signal(self.pid(), sys::SIGHUP);
        }
    }

    /// Asks it to end.
    pub(super) fn end(&mut self, grace: Duration) {
        if !self.asked_to_end {
            self.asked_to_end = true;
            self.kill_at = Some(Instant::now() + grace + AFTER_GRACE);
            sys::send_signal(self.pid(), sys::SIGTERM);
        }
    }

    /// Asks it to end as soon as it is ready. Before that it would end without having looked at what waits.
    pub(super) fn end_when_ready(&mut self, grace: Duration) {
        self.ends_when_ready = Some(grace);
        self.kill_at = Some(Instant::now() + grace + AFTER_GRACE);
    }

    pub(super) fn was_asked_to_end(&self) -> bool {
        self.asked_to_end || self.ends_when_ready.is_some()
    }

    /// Whether nothing was lost by the way in which it ended, after it was asked to. One that was not ready had nothing to lose.
    pub(super) fn ended_as_asked(&self, how: &End) -> bool {
        how.is_success() || !self.is_ready
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.kill_at.is_some_and(|at| at <= Instant::now())
    }

    pub(super) fn kill(&mut self) {
        // It has not been waited for, so that the number is still its own. That it has ended is the only reason to fail.
        sys::send_signal(self.pid, sys::SIGKILL);
        self.kill_at = Some(Instant::now() + Duration::from_secs(1));
    }

    /// When to look at it, even if it says nothing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.kill_at
    }

    pub(super) fn control(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(AsFd::as_fd)
    }
}

/// How a process ended, in words that follow its name.
#[derive(Debug)]
pub(super) struct End(ExitStatus);

impl End {
    fn is_success(&self) -> bool {
        self.0.success()
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.signal(), self.0.code()) {
            (Some(number), _) => match signal_name(number) {
                Some((name, why)) => write!(f, "was killed by {name} ({why})"),
                None => write!(f, "was killed by signal {number}"),
            },
            (_, Some(code)) => write!(f, "ended with exit code {code}"),
            _ => write!(f, "ended"),
        }
    }
}

/// The signals that processes of a small host die of, each with its name and the usual reason.
fn signal_name(number: i32) -> Option<(&'static str, &'static str)> {
    Some(match number {
        sys::SIGABRT => ("SIGABRT", "an abort: a panic in a panic, or no memory"),
        sys::SIGBUS => (
            "SIGBUS",
            "a file that is mapped was cut, or the disk is full",
        ),
        sys::SIGKILL => ("SIGKILL", "somebody's kill -9, or memory ran out"),
        sys::SIGSEGV => ("SIGSEGV", "a stack that ran over, or a bug in foreign code"),
        sys::SIGILL => ("SIGILL", "code for another processor"),
        sys::SIGSYS => ("SIGSYS", "a system call that is forbidden here"),
        sys::SIGXCPU => ("SIGXCPU", "its processor time is used up"),
        sys::SIGTERM => ("SIGTERM", "somebody's kill"),
        _ => return None,
    })
}
