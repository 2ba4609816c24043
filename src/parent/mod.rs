//! The parent of `--processes N`: it keeps its pid and the sockets, and sees to it that N children serve them. Called by
//! the command line, which starts children with `--child`.
//!
//! It has one thread, and never calls a handler: to start a child is to start the program anew by the path that it was
//! started by, so that a reload gets the file that lies there by then, and nothing is forked that has threads.
//!
//! A child and its parent hold the two ends of a socket. The child says [`READY`](crate::control::READY) and
//! [`REPLACE_ME`](crate::control::REPLACE_ME); the parent says [`EMPTY`](crate::control::EMPTY) before a full stop, after which nobody
//! else accepts. Its end is the other's death, however it came: a child whose parent is gone answers what there is and ends.
//!
//! The parent looks at the sockets' paths, as a server by itself does (`listeners`). One that was bound again is a new socket,
//! which only a new child gets: that is a reload, at whose end the old children empty the old socket, since nobody else does.

mod backoff;
mod child;
mod signals;

use crate::listeners::{Found, Path};
use crate::net::sys;
use crate::net::{Address, Listener, Notify};
use crate::server::Server;
use backoff::Backoff;
pub(crate) use child::Program;
use child::{Child, End};
use signals::{Asked, Signals};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long the children of a reload may take until they are ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A child has its own deadline, `grace`; what outlives it by so much is killed.
const AFTER_GRACE: Duration = Duration::from_millis(500);

/// How often the paths of the sockets are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How soon a path that has vanished is looked at again.
const DOUBT: Duration = Duration::from_secs(1);

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
    let mut family = Family::new(plan, listeners);
    while family.tend() {
        family.wait(&signals)?;
        match signals.asked() {
            Asked::Nothing => {}
            Asked::Stop => family.stop(),
            Asked::StopNow => family.kill(),
            Asked::Reload => family.reload(),
        }
        family.look();
    }
    match family.cut {
        0 => Ok(()),
        cut => Err(io::Error::other(format!(
            "{cut} of the processes did not end in time and by themselves"
        ))),
    }
}

/// The parent and its children.
struct Family {
    plan: Plan,
    listeners: Vec<Listener>,
    paths: Vec<Path>,
    /// When to look at them, if there are any.
    next_look: Option<Instant>,
    /// The last generation that has a socket whose path was bound again since.
    outdated: Option<u32>,
    /// Whether nobody else accepts from them: at a full stop what waits there is ours to answer.
    ours: bool,
    children: Vec<Child>,
    /// The generation that is to serve: each reload makes one.
    generation: u32,
    /// The one that goes on serving until the new one is ready, during a reload.
    before: Option<u32>,
    generations: u32,
    /// A reload that was asked for during one.
    reload_again: bool,
    stopping: bool,
    /// Whether a last child was started for what came between the others' end and ours.
    emptied: bool,
    told_serving: bool,
    /// Who is told that we serve, and that we stop.
    notify: Option<Notify>,
    /// Children that were killed at a stop, or ended with a failure.
    cut: usize,
    backoff: Backoff,
}

impl Family {
    fn new(plan: Plan, listeners: Vec<Listener>) -> Family {
        Family {
            ours: listeners.iter().all(Listener::is_ours),
            paths: listeners.iter().map(|_| Path::default()).collect(),
            next_look: listeners
                .iter()
                .any(|listener| listener.file().is_some())
                .then(|| Instant::now() + LOOK),
            outdated: None,
            plan,
            listeners,
            children: Vec::new(),
            generation: 0,
            before: None,
            generations: 1,
            reload_again: false,
            stopping: false,
            emptied: false,
            told_serving: false,
            notify: Notify::from_environment(),
            cut: 0,
            backoff: Backoff::default(),
        }
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
        self.finish_reload();
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
        if self.before.is_some() && is_new && !child.is_ready {
            self.fail_reload(&format!("its process {pid} {how} before it was ready"));
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
        let serving = self.staying().filter(|child| child.is_ready).count();
        if !self.told_serving && serving >= self.plan.server.processes {
            self.told_serving = true;
            log::info!("{serving} processes serve");
            self.notify.iter().for_each(Notify::ready);
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

    fn are_enough_ready(&self) -> bool {
        self.staying().filter(|child| child.is_ready).count() >= self.plan.server.processes
    }

    fn start_missing(&mut self) {
        while self.staying().count() < self.plan.server.processes && self.backoff.is_over() {
            if !self.start_one() {
                return;
            }
        }
    }

    fn start_one(&mut self) -> bool {
        match self.plan.program.start(&self.listeners, self.generation) {
            Ok(child) => {
                log::debug!("process {} starts", child.pid());
                self.children.push(child);
                true
            }
            Err(error) if self.before.is_some() => {
                self.fail_reload(&error.to_string());
                false
            }
            Err(error) => {
                let pause = self.backoff.after(Duration::ZERO);
                log::error!("{error}; the next try is in {pause:?}");
                false
            }
        }
    }

    /// A child that wants to be replaced goes when its successor is ready.
    fn end_replaced(&mut self) {
        if !self.are_enough_ready() {
            return;
        }
        let grace = self.plan.server.grace;
        let current = self.generation;
        let replaced = |child: &&mut Child| child.generation == current && child.wants_successor;
        self.children
            .iter_mut()
            .filter(replaced)
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
    }

    /// Looks at the sockets' paths, if it is time.
    fn look(&mut self) {
        let now = Instant::now();
        if self.stopping || self.next_look.is_none_or(|next| now < next) {
            return;
        }
        let mut wait = LOOK;
        for (listener, path) in self.listeners.iter_mut().zip(&mut self.paths) {
            match path.look(listener) {
                Found::Nothing => {}
                Found::Doubt => wait = DOUBT,
                Found::Again(new) => {
                    *listener = new;
                    self.outdated = Some(self.generations - 1);
                }
            }
        }
        self.next_look = Some(now + wait);
        // Until it is done: what stands in the way of one reload may be gone at the next.
        if self.are_some_outdated() && self.before.is_none() {
            self.reload();
        }
    }

    fn are_some_outdated(&self) -> bool {
        let is_outdated = |child: &Child| Some(child.generation) <= self.outdated;
        let mut serving = self.children.iter().filter(|c| !c.was_asked_to_end());
        serving.any(is_outdated)
    }

    fn finish_reload(&mut self) {
        if self.before.is_none() {
            return;
        }
        if self.are_enough_ready() {
            self.before = None;
            log::info!("reload: the new processes serve, the old ones end");
            let (grace, current) = (self.plan.server.grace, self.generation);
            let old = |child: &&mut Child| child.generation != current;
            for child in self.children.iter_mut().filter(old) {
                if Some(child.generation) <= self.outdated {
                    child.say_empty();
                }
                child.end(grace);
            }
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
        for child in &mut self.children {
            if self.ours {
                child.say_empty();
            }
            child.end(self.plan.server.grace);
        }
    }

    fn kill(&mut self) {
        self.stop();
        self.emptied = true;
        self.children.iter_mut().for_each(Child::kill);
    }

    fn unlink(&self) {
        for listener in &self.listeners {
            if let Err(error) = listener.unlink() {
                log::warn!("{error}");
            }
        }
    }

    /// What has connected between the last child's last look and now would be closed unanswered: one more child sees to it.
    fn empty_backlog(&mut self) {
        if self.ours && self.children.is_empty() && !self.emptied && self.has_backlog() {
            self.emptied = true;
            if self.start_one()
                && let Some(child) = self.children.last_mut()
            {
                child.say_empty();
                child.end_when_ready(self.plan.server.grace);
            }
        }
    }

    fn has_backlog(&self) -> bool {
        let fds: Vec<_> = self.listeners.iter().map(AsFd::as_fd).collect();
        sys::poll_readable(&fds, Some(Duration::ZERO)).is_ok_and(|ready| ready.contains(&true))
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
            .chain(self.next_look)
            .chain(self.before.map(|_| now + START_LIMIT))
            .min();
        let fds: Vec<_> = std::iter::once(signals.as_fd())
            .chain(self.children.iter().filter_map(Child::control))
            .collect();
        let limit = next.map(|next| next.saturating_duration_since(now));
        sys::poll_readable(&fds, limit).map(drop)
    }
}
