//! The parent of `--processes N`: it keeps its pid and the sockets, and sees to it that N children serve them. Called by
//! the command line, which starts children with `--child`.
//!
//! The parent has one thread, and never calls a handler. To start a child it starts the program anew, by the path that it was itself
//! started by: so a reload gets the file that lies there by then, and nothing is forked that has threads.
//!
//! A child and its parent hold the two ends of a socket. The child says [`READY`](crate::control::READY) and
//! [`REPLACE_ME`](crate::control::REPLACE_ME); the parent says [`EMPTY`](crate::control::EMPTY) before a full stop, after which nobody
//! else accepts. When one of the two dies, however that came, the other one reads the end of the socket: a child whose parent is
//! gone answers what there is, and ends.
//!
//! `run` below is the loop. `family` knows the children and decides, `child` is one of them, `sockets` what they serve, `signals` what
//! is asked of us, `backoff` how long to wait before a child is started again.

mod backoff;
mod child;
mod family;
mod signals;
mod sockets;

use crate::log_line::error;
use crate::net::sys;
use crate::net::{Address, Listener};
use crate::server::{Server, run_out};
use child::Child;
pub(crate) use child::Program;
use family::Family;
use signals::{Asked, Signals};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

/// A child has a deadline of its own, `grace`. One that outlives it by so much is killed.
const AFTER_GRACE: Duration = Duration::from_millis(500);

/// How long to wait between the attempts to start a first child where there is no room for one.
const FIRST_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// What helps where no process can be started.
const MORE_PROCESSES: &str =
    "allow this user more processes (ulimit -u), or set processes to fewer";

/// What the parent is asked for.
pub(crate) struct Plan {
    pub(crate) program: Program,
    pub(crate) addresses: Vec<Address>,
    /// How a child is to serve, as far as a parent has a part in it.
    pub(crate) server: Server,
}

/// Serves by children until a signal stops it.
///
/// # Errors
/// When an address cannot be listened on, or a child did not stop in time.
pub(crate) fn run(plan: Plan) -> io::Result<()> {
    let signals = Signals::start()?;
    let listeners = plan.server.bind(&plan.addresses)?;
    plan.server.announce(&listeners, &plan.addresses);
    let first = match first_child(&plan, &listeners, &signals) {
        First::Starts(child) => child,
        First::NoRoom(error) => return serve_alone(plan.server, listeners, &signals, &error),
    };
    let mut family = Family::new(plan, listeners, first)?;
    sys::give_back_start();
    while family.tend() {
        family.wait(&signals)?;
        match signals.asked() {
            Asked::Nothing => {}
            Asked::Stop => family.stop(),
            Asked::StopNow => family.kill(),
            Asked::Reload => family.reload(),
        }
    }
    family.outcome()
}

/// What became of the attempt to start a first child.
enum First {
    /// It starts. Or there is none: starting fails for a reason that room does not mend, or a signal has come. The family deals
    /// with both.
    Starts(Option<Child>),
    /// There is no room for another process.
    NoRoom(io::Error),
}

/// Tries some times: there may be room in the next moment.
fn first_child(plan: &Plan, listeners: &[Listener], signals: &Signals) -> First {
    let fds: Vec<RawFd> = listeners.iter().map(AsRawFd::as_raw_fd).collect();
    let mut pauses = FIRST_PAUSES.into_iter();
    loop {
        match (plan.program.start(&fds, 0), pauses.next()) {
            (Ok(child), _) => return First::Starts(Some(child)),
            (Err(error), None) if is_short(&error) => return First::NoRoom(error),
            (Err(error), Some(pause)) if is_short(&error) => {
                let came = sys::poll_readable(&[signals.as_fd()], Some(pause));
                if came.is_ok_and(|came| came.contains(&true)) {
                    return First::Starts(None);
                }
            }
            (Err(_), _) => return First::Starts(None),
        }
    }
}

/// Serves in this process, as if there were no `--processes`: no other one can be started, so that nobody else could answer.
fn serve_alone(
    server: Server,
    listeners: Vec<Listener>,
    signals: &Signals,
    error: &io::Error,
) -> io::Result<()> {
    error!(
        "{error}; 0 of {} processes can be started, and this one serves alone: without reload, max_requests and whoever starts \
         it anew; {MORE_PROCESSES}",
        server.processes
    );
    server.own_process()?;
    if signals.asked() == Asked::Stop {
        return listeners.iter().try_for_each(Listener::unlink);
    }
    run_out(&server.with_open_log()?.ready_on(listeners)?)
}

/// Whether a process was not started for lack of room: too many processes, or too little memory.
fn is_short(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, WouldBlock};
    matches!(error.kind(), WouldBlock | OutOfMemory)
}
