//! The parent of `--processes N`: it keeps its pid and the sockets, and sees to it that N children serve them. Called by
//! the command line, which starts children with `--child`.
//!
//! It has one thread, and never calls a handler: to start a child is to start the program anew by the path that it was
//! started by, so that a reload gets the file that lies there by then, and nothing is forked that has threads.
//!
//! A child and its parent hold the two ends of a socket. The child says [`READY`](crate::control::READY) and
//! [`REPLACE_ME`](crate::control::REPLACE_ME); the parent says [`EMPTY`](crate::control::EMPTY) before a full stop, after which nobody
//! else accepts. Its end is the other's death, however it came: a child whose parent is gone answers what there is and ends.

mod backoff;
mod child;
mod signals;

use crate::listeners::Listeners;
use crate::net::sys;
use crate::net::{Address, Epoll, Listener, Notify};
use crate::server::{Server, run_out};
use backoff::Backoff;
pub(crate) use child::Program;
use child::{Child, End};
use signals::{Asked, Signals};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the children of a reload may take until they are ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often the paths of the sockets are looked at, as the accept loop of a process without a parent does; and how soon
/// one that has vanished.
const LOOK: Duration = Duration::from_secs(5);
const DOUBT: Duration = Duration::from_secs(1);

/// A child has its own deadline, `grace`; what outlives it by so much is killed.
const AFTER_GRACE: Duration = Duration::from_millis(500);

/// Between the attempts to start a first child where there is no room for one.
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
    let mut family = Family::new(plan, listeners)?;
    family.children.extend(first);
    while family.tend() {
        family.wait(&signals)?;
        match signals.asked() {
            Asked::Nothing => {}
            Asked::Stop => family.stop(),
            Asked::StopNow => family.kill(),
            Asked::Reload => family.reload(),
        }
    }
    match family.cut {
        0 => Ok(()),
        cut => Err(io::Error::other(format!(
            "{cut} of the processes did not end in time and by themselves"
        ))),
    }
}

/// What became of the attempt to start a first child.
enum First {
    /// None, if it fails for a reason that time and room do not mend, or a signal came: the family sees to it.
    Starts(Option<Child>),
    NoRoom(io::Error),
}

/// Tries some times: what there is no room for in one moment there may be in the next.
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

/// No process can be started: this one serves, as if there were no `--processes`. Nobody but it could answer what comes.
fn serve_alone(
    server: Server,
    listeners: Vec<Listener>,
    signals: &Signals,
    error: &io::Error,
) -> io::Result<()> {
    log::error!(
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

/// Whether it is for lack of room that a process was not started.
fn is_short(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, WouldBlock};
    matches!(error.kind(), WouldBlock | OutOfMemory)
}

/// The parent and its children.
struct Family {
    plan: Plan,
    listeners: Listeners,
    /// Sockets whose paths were bound again: children of before still accept from them.
    retired: Vec<Listener>,
    /// The last generation of such children.
    outdated: Option<u32>,
    /// When to look at the paths.
    look_at: Option<Instant>,
    /// Whether nobody else accepts from them: at a full stop what waits there is ours to answer.
    ours: bool,
    children: Vec<Child>,
    /// The generation that is to serve: each reload makes one.
    generation: u32,
    /// The one that goes on serving until the new one is ready, during a reload.
    before: Option<u32>,
    generations: u32,
    /// When a reload is tried again without which nobody serves the sockets that were bound again; and how often it was.
    again: Option<Backoff>,
    /// A reload that was asked for during one.
    reload_again: bool,
    stopping: bool,
    /// Whether a last child was started for what came between the others' end and ours.
    emptied: bool,
    told_serving: bool,
    told_ready: bool,
    /// Who is told that we serve, and that we stop.
    notify: Option<Notify>,
    /// Children that were killed at a stop, or ended with a failure.
    cut: usize,
    backoff: Backoff,
    /// As long as there is no room for another child.
    no_room: Option<Backoff>,
}

impl Family {
    fn new(plan: Plan, listeners: Vec<Listener>) -> io::Result<Family> {
        let ours = listeners.iter().all(Listener::is_ours);
        // It accepts nothing, and never waits for what is in the set.
        let listeners = Listeners::new(listeners, &Arc::new(Epoll::new()?), 0)?;
        let now = Instant::now();
        Ok(Family {
            ours,
            look_at: listeners.have_paths().then(|| now + LOOK),
            plan,
            listeners,
            retired: Vec::new(),
            outdated: None,
            children: Vec::new(),
            generation: 0,
            before: None,
            again: None,
            generations: 1,
            reload_again: false,
            stopping: false,
            emptied: false,
            told_serving: false,
            told_ready: false,
            notify: Notify::from_environment(),
            cut: 0,
            backoff: Backoff::default(),
            no_room: None,
        })
    }

    /// Does what is to be done now. `false` when all is done.
    fn tend(&mut self) -> bool {
        self.reap();
        self.hear();
        self.kill_overdue();
        if self.stopping {
            self.empty_backlog();
            return !self.children.is_empty();
        }
        self.look_at_paths();
        self.serve_what_is_bound_again();
        self.finish_reload();
        self.empty_retired();
        self.start_missing();
        self.end_replaced();
        true
    }

    /// Takes note of those that have ended.
    fn reap(&mut self) {
        let mut i = 0;
        while let Some(child) = self.children.get_mut(i) {
            match child.ended() {
                None => i += 1,
                Some(how) => {
                    let child = self.children.swap_remove(i);
                    self.room_may_be_there();
                    self.bury(&child, &how);
                }
            }
        }
    }

    fn bury(&mut self, child: &Child, how: &End) {
        let pid = child.pid();
        if child.was_asked_to_end() {
            let as_asked = child.ended_as_asked(how);
            self.cut += usize::from(!as_asked && self.stopping);
            match as_asked {
                true => log::debug!("process {pid} has ended"),
                false => log::warn!("process {pid} was asked to end, and {how}"),
            }
            return;
        }
        let is_new = child.generation == self.generation;
        if self.before.is_some() && is_new {
            let ready = if child.is_ready { "all were" } else { "it was" };
            self.fail_reload(&format!("its process {pid} {how} before {ready} ready"));
            return;
        }
        let pause = self.backoff.after(child.age());
        let when = match pause {
            Duration::ZERO => "another is started".to_owned(),
            pause => format!("another is started in {pause:?}"),
        };
        log::error!(
            "process {pid} {how} after {} s: {when}",
            child.age().as_secs()
        );
    }

    fn hear(&mut self) {
        for child in &mut self.children {
            child.hear();
        }
        let serving = self.serving();
        let are_all = serving >= self.plan.server.processes;
        // Fewer than were asked for serve, too.
        if !self.told_ready && (are_all || (serving > 0 && self.no_room.is_some())) {
            self.told_ready = true;
            self.notify.iter().for_each(Notify::ready);
        }
        let is_room =
            self.no_room.is_none() || self.staying().count() >= self.plan.server.processes;
        if !self.told_serving && are_all && is_room {
            self.told_serving = true;
            self.no_room = None;
            log::info!("{serving} processes serve");
        }
    }

    /// Those of this generation that are to stay.
    fn staying(&self) -> impl Iterator<Item = &Child> {
        let stays = |child: &&Child| {
            child.generation == self.generation
                && !child.was_asked_to_end()
                && !child.wants_successor
        };
        self.children.iter().filter(stays)
    }

    /// How many of this generation serve. Those that want a successor do, too, and where a request is all that they are
    /// for there may never be enough others at once.
    fn serving(&self) -> usize {
        let serves = |child: &&Child| {
            child.generation == self.generation && child.is_ready && !child.was_asked_to_end()
        };
        self.children.iter().filter(serves).count()
    }

    fn are_enough_ready(&self) -> bool {
        self.serving() >= self.plan.server.processes
    }

    fn start_missing(&mut self) {
        let processes = self.plan.server.processes;
        while self.staying().count() < processes
            && self.backoff.is_over()
            && self.no_room.as_ref().is_none_or(Backoff::is_over)
        {
            // Those that want a successor serve until they have one: it can wait for those that are ending.
            if self.are_enough_ready() && self.children.len() >= 3 * processes {
                return;
            }
            if !self.start_one() {
                return;
            }
        }
    }

    fn start_one(&mut self) -> bool {
        let fds = self.listeners.iter().map(|listener| listener.as_raw_fd());
        let fds: Vec<RawFd> = fds.collect();
        self.start_on(&fds)
    }

    fn start_on(&mut self, fds: &[RawFd]) -> bool {
        match self.plan.program.start(fds, self.generation) {
            Ok(child) => {
                log::debug!("process {} starts", child.pid());
                self.children.push(child);
                true
            }
            Err(error) if self.before.is_some() => {
                self.fail_reload(&match is_short(&error) {
                    true => format!("{error}; {MORE_PROCESSES}"),
                    false => error.to_string(),
                });
                false
            }
            Err(error) if is_short(&error) => {
                self.miss_one(&error);
                false
            }
            Err(error) => {
                let pause = self.backoff.after_no_start();
                log::error!("{error}; the next try is in {pause:?}");
                false
            }
        }
    }

    /// There is no room for another child: those that there are serve. It may stay so for months, and is told once.
    fn miss_one(&mut self, error: &io::Error) {
        let is_first = self.no_room.is_none();
        self.no_room.get_or_insert_default().after_no_start();
        if is_first {
            self.told_serving = false;
            let current = self.generation;
            let is_there =
                |child: &&Child| child.generation == current && !child.was_asked_to_end();
            log::error!(
                "{error}; {} of {} processes are there, and another is tried from time to time; {MORE_PROCESSES}",
                self.children.iter().filter(is_there).count(),
                self.plan.server.processes
            );
        }
    }

    /// Another child is tried at once.
    fn room_may_be_there(&mut self) {
        self.no_room = self.no_room.take().map(|_| Backoff::default());
    }

    /// A child that wants to be replaced goes when its successor is ready: one for one, so that they do not pile up where
    /// successors want to be replaced before the last of them is ready.
    fn end_replaced(&mut self) {
        let surplus = self.serving().saturating_sub(self.plan.server.processes);
        let grace = self.plan.server.grace;
        let current = self.generation;
        let replaced = |child: &&mut Child| {
            child.generation == current
                && child.is_ready
                && child.wants_successor
                && !child.was_asked_to_end()
        };
        self.children
            .iter_mut()
            .filter(replaced)
            .take(surplus)
            .for_each(|child| child.end(grace));
    }

    fn reload(&mut self) {
        if self.stopping {
            return;
        }
        if self.before.is_some() {
            self.reload_again = true;
            return;
        }
        log::info!("reload: {} new processes start", self.plan.server.processes);
        // Those that serve go on in the log that is there now, whatever becomes of the reload.
        self.children.iter().for_each(Child::reopen_log);
        self.before = Some(self.generation);
        self.generation = self.generations;
        self.generations += 1;
        self.backoff = Backoff::default();
        self.room_may_be_there();
    }

    fn finish_reload(&mut self) {
        if self.before.is_none() {
            return;
        }
        if self.are_enough_ready() {
            self.before = None;
            self.again = None;
            log::info!("reload: the new processes serve, the old ones end");
            let (grace, current) = (self.plan.server.grace, self.generation);
            self.children
                .iter_mut()
                .filter(|child| child.generation != current)
                .for_each(|child| child.end(grace));
            if std::mem::take(&mut self.reload_again) {
                self.reload();
            }
        } else if self.is_start_over_time() {
            self.fail_reload(&format!("it was not ready after {START_LIMIT:?}"));
        }
    }

    fn is_start_over_time(&self) -> bool {
        self.staying()
            .any(|child| !child.is_ready && child.age() > START_LIMIT)
    }

    /// The old children stay, as if nothing had been asked.
    fn fail_reload(&mut self, why: &str) {
        log::error!("the reload failed, and the old processes go on serving: {why}");
        if let Some(again) = &mut self.again {
            again.after_no_start();
        }
        self.reload_again = false;
        let (grace, failed) = (self.plan.server.grace, self.generation);
        self.generation = self.before.take().unwrap_or(failed);
        self.children
            .iter_mut()
            .filter(|child| child.generation == failed)
            .for_each(|child| child.end(grace));
    }

    /// Ends all children, and leaves nothing unanswered that is ours.
    fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.notify.iter().for_each(Notify::stopping);
        self.unlink();
        if self.ours {
            // What a balancer sends on a connection that is reset later, it does not send again.
            self.listeners
                .iter()
                .for_each(|listener| listener.admit_nobody_by_tcp());
            // All of them before the first one ends: it shuts the TCP sockets of all.
            self.children.iter().for_each(Child::say_empty);
        }
        for child in &mut self.children {
            child.end(self.plan.server.grace);
        }
    }

    fn kill(&mut self) {
        self.stop();
        self.emptied = true;
        self.children.iter_mut().for_each(Child::kill);
    }

    fn unlink(&self) {
        for listener in self.listeners.iter() {
            if let Err(error) = listener.unlink() {
                log::warn!("{error}");
            }
        }
    }

    /// What has connected between the last child's last look and now would be closed unanswered: one more child sees to it.
    fn empty_backlog(&mut self) {
        if !self.ours || !self.children.is_empty() || self.emptied {
            return;
        }
        self.emptied = true;
        // The children have ended the TCP sockets.
        let here = self.listeners.iter();
        let here = here.filter_map(|listener| listener.has_backlog().then(|| listener.as_raw_fd()));
        let retired = self.retired.iter().filter(|retired| retired.has_backlog());
        let fds: Vec<RawFd> = here.chain(retired.map(AsRawFd::as_raw_fd)).collect();
        if !fds.is_empty() {
            self.answer_all(&fds);
        }
    }

    /// Starts a child that answers what waits there, and ends.
    fn answer_all(&mut self, fds: &[RawFd]) {
        if self.start_on(fds)
            && let Some(child) = self.children.last_mut()
        {
            child.say_empty();
            child.end_when_ready(self.plan.server.grace);
        }
    }

    /// A socket whose path has vanished is bound again, and new children get it. `listeners` says why by looks.
    fn look_at_paths(&mut self) {
        let now = Instant::now();
        if self.before.is_some() || self.look_at.is_none_or(|at| at > now) {
            return;
        }
        let look = self.listeners.look();
        let next = if look.is_doubtful { DOUBT } else { LOOK };
        self.look_at = Some(now + next);
        if !look.retired.is_empty() {
            self.retired.extend(look.retired);
            self.outdated = Some(self.generations - 1);
            self.again = Some(Backoff::default());
        }
    }

    /// The children of before do not have a socket that was bound again: it needs others, however often they fail.
    fn serve_what_is_bound_again(&mut self) {
        if self.before.is_none() && self.again.as_ref().is_some_and(Backoff::is_over) {
            self.reload();
        }
    }

    /// What had connected to a socket before its path was bound again, and was not accepted by those that have ended.
    fn empty_retired(&mut self) {
        let is_outdated = |child: &Child| Some(child.generation) <= self.outdated;
        if self.retired.is_empty() || self.before.is_some() || self.children.iter().any(is_outdated)
        {
            return;
        }
        let retired = std::mem::take(&mut self.retired);
        if retired.iter().any(Listener::has_backlog) {
            let fds: Vec<RawFd> = retired.iter().map(AsRawFd::as_raw_fd).collect();
            self.answer_all(&fds);
        }
    }

    fn kill_overdue(&mut self) {
        for child in &mut self.children {
            if child.is_overdue() {
                log::error!(
                    "process {} is killed: it did not end in {:?}",
                    child.pid(),
                    self.plan.server.grace + AFTER_GRACE
                );
                child.kill();
            }
        }
    }

    /// Until something is to be done.
    fn wait(&self, signals: &Signals) -> io::Result<()> {
        let now = Instant::now();
        let deadlines = self.children.iter().filter_map(Child::deadline);
        let next = deadlines
            .chain(self.backoff.until())
            .chain(self.no_room.as_ref().and_then(Backoff::until))
            .chain(self.again.as_ref().and_then(Backoff::until))
            .chain(self.before.map(|_| now + START_LIMIT))
            .chain(self.look_at.filter(|_| !self.stopping))
            .min();
        let fds: Vec<_> = std::iter::once(signals.as_fd())
            .chain(self.children.iter().filter_map(Child::control))
            .collect();
        let limit = next.map(|next| next.saturating_duration_since(now));
        sys::poll_readable(&fds, limit).map(drop)
    }
}
