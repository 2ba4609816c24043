//! The parent's children: which of them serve, when one is started, when one is to end. `parent::run` lets it wait for something to
//! happen, and then has it tend them.

use super::backoff::Backoff;
use super::child::{Child, End};
use super::signals::Signals;
use super::sockets::Sockets;
use super::{AFTER_GRACE, MORE_PROCESSES, Plan, is_short};
use crate::log_line::{debug, error, info, warn};
use crate::net::sys;
use crate::net::{Listener, Notify};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// How long the children of a reload may take until they are ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The parent and its children.
pub(super) struct Family {
    plan: Plan,
    sockets: Sockets,
    children: Vec<Child>,
    /// Who is told that we serve, and that we stop.
    notify: Option<Notify>,

    /// The generation that is to serve. Each reload makes one.
    generation: u32,
    /// How many generations there have been.
    generations: u32,
    /// During a reload, the generation that goes on serving until the new one is ready.
    before: Option<u32>,
    /// A reload was asked for during one.
    reload_again: bool,
    /// The last generation whose children do not have a socket that was bound again since.
    outdated: Option<u32>,
    /// The reload that gives children such a socket: it is tried until one succeeds, more and more seldom.
    owed_reload: Option<Backoff>,

    /// When a child may be started, after others have died young.
    backoff: Backoff,
    /// As long as there is no room for another child: when one is tried again.
    no_room: Option<Backoff>,

    /// Whether the log knows that all serve.
    told_serving: bool,
    /// Whether `notify` knows that we serve.
    told_ready: bool,

    stopping: bool,
    /// Whether a last child was started for those who connected between the other children's end and ours.
    emptied: bool,
    /// How many children were killed at a stop, or ended with a failure.
    cut: usize,
}

impl Family {
    /// A family with its first child, if one could be started.
    ///
    /// # Errors
    /// As [`Sockets::new`].
    pub(super) fn new(
        plan: Plan,
        listeners: Vec<Listener>,
        first: Option<Child>,
    ) -> io::Result<Family> {
        Ok(Family {
            plan,
            sockets: Sockets::new(listeners)?,
            children: first.into_iter().collect(),
            notify: Notify::from_environment(),
            generation: 0,
            generations: 1,
            before: None,
            reload_again: false,
            outdated: None,
            owed_reload: None,
            backoff: Backoff::default(),
            no_room: None,
            told_serving: false,
            told_ready: false,
            stopping: false,
            emptied: false,
            cut: 0,
        })
    }

    /// Does what is to be done now. `false` when we stop and no child is left.
    pub(super) fn tend(&mut self) -> bool {
        self.reap();
        self.hear();
        self.kill_overdue();
        if self.stopping {
            self.empty_backlog();
            return !self.children.is_empty();
        }
        self.look_at_paths();
        self.pay_reload();
        self.finish_reload();
        self.empty_retired();
        self.start_missing();
        self.end_replaced();
        true
    }

    /// Waits until a signal comes, a child says something, or something is due.
    pub(super) fn wait(&self, signals: &Signals) -> io::Result<()> {
        let now = Instant::now();
        let deadlines = self.children.iter().filter_map(Child::deadline);
        let next = deadlines
            .chain(self.backoff.until())
            .chain(self.no_room.as_ref().and_then(Backoff::until))
            .chain(self.owed_reload.as_ref().and_then(Backoff::until))
            .chain(self.before.map(|_| now + START_LIMIT))
            .chain(self.sockets.look_at().filter(|_| !self.stopping))
            .min();
        let fds: Vec<_> = std::iter::once(signals.as_fd())
            .chain(self.children.iter().filter_map(Child::control))
            .collect();
        let limit = next.map(|next| next.saturating_duration_since(now));
        sys::poll_readable(&fds, limit).map(drop)
    }

    /// Has new children take the place of those that serve, which go on until the new ones are ready.
    pub(super) fn reload(&mut self) {
        if self.stopping {
            return;
        }
        if self.is_reloading() {
            self.reload_again = true;
            return;
        }
        info!("reload: {} new processes start", self.plan.server.processes);
        // The children that serve go on in the access log that is there now, whatever becomes of the reload.
        self.children.iter().for_each(Child::reopen_log);
        self.before = Some(self.generation);
        self.generation = self.generations;
        self.generations += 1;
        self.backoff = Backoff::default();
        self.room_may_be_there();
    }

    /// Has all children end, and leaves nothing unanswered that is ours.
    pub(super) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.notify.iter().for_each(Notify::stopping);
        self.sockets.unlink();
        if self.sockets.are_ours() {
            // What a balancer has sent on a connection that is reset later, it does not send again.
            self.sockets.admit_nobody_by_tcp();
            // Each child is told before the first one ends: that one shuts the TCP sockets for all.
            self.children.iter().for_each(Child::say_empty);
        }
        for child in &mut self.children {
            child.end(self.plan.server.grace);
        }
    }

    /// Ends all children at once, and answers nobody who waits.
    pub(super) fn kill(&mut self) {
        self.stop();
        self.emptied = true;
        self.children.iter_mut().for_each(Child::kill);
    }

    /// What `run` returns in the end.
    pub(super) fn outcome(&self) -> io::Result<()> {
        match self.cut {
            0 => Ok(()),
            cut => Err(io::Error::other(format!(
                "{cut} of the processes did not end in time and by themselves"
            ))),
        }
    }

    /// Takes note of the children that have ended.
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

    /// Says what is to be said of a child that has ended.
    fn bury(&mut self, child: &Child, how: &End) {
        let pid = child.pid();
        if child.was_asked_to_end() {
            let as_asked = child.ended_as_asked(how);
            self.cut += usize::from(!as_asked && self.stopping);
            match as_asked {
                true => debug!("process {pid} has ended"),
                false => warn!("process {pid} was asked to end, and {how}"),
            }
            return;
        }
        let is_new = child.generation == self.generation;
        if self.is_reloading() && is_new {
            let ready = if child.is_ready { "all were" } else { "it was" };
            self.fail_reload(&format!("its process {pid} {how} before {ready} ready"));
            return;
        }
        let pause = self.backoff.after(child.age());
        let when = match pause {
            Duration::ZERO => "another is started".to_owned(),
            pause => format!("another is started in {pause:?}"),
        };
        error!(
            "process {pid} {how} after {} s: {when}",
            child.age().as_secs()
        );
    }

    /// Takes in what the children say, and tells who waits for it.
    fn hear(&mut self) {
        for child in &mut self.children {
            child.hear();
        }
        let serving = self.serving();
        let are_all = serving >= self.plan.server.processes;
        // Where there is no room for more, fewer than were asked for serve, too.
        if !self.told_ready && (are_all || (serving > 0 && self.no_room.is_some())) {
            self.told_ready = true;
            self.notify.iter().for_each(Notify::ready);
        }
        let is_room =
            self.no_room.is_none() || self.staying().count() >= self.plan.server.processes;
        if !self.told_serving && are_all && is_room {
            self.told_serving = true;
            self.no_room = None;
            info!("{serving} processes serve");
        }
    }

    fn kill_overdue(&mut self) {
        for child in &mut self.children {
            if child.is_overdue() {
                error!(
                    "process {} is killed: it did not end in {:?}",
                    child.pid(),
                    self.plan.server.grace + AFTER_GRACE
                );
                child.kill();
            }
        }
    }

    /// When the last child has ended: whoever has connected since its last look would be closed unanswered. One more child
    /// answers them.
    fn empty_backlog(&mut self) {
        if !self.sockets.are_ours() || !self.children.is_empty() || self.emptied {
            return;
        }
        self.emptied = true;
        // By TCP there is nobody: the children have ended those sockets.
        let fds = self.sockets.with_backlog();
        if !fds.is_empty() {
            self.answer_all(&fds);
        }
    }

    /// Starts a child that answers whoever waits in these sockets, and then ends.
    fn answer_all(&mut self, fds: &[RawFd]) {
        if self.start_on(fds)
            && let Some(child) = self.children.last_mut()
        {
            child.say_empty();
            child.end_when_ready(self.plan.server.grace);
        }
    }

    /// Binds again the sockets whose paths have vanished. New children get them: the ones that serve cannot be given them.
    fn look_at_paths(&mut self) {
        if !self.is_reloading() && self.sockets.look() {
            self.outdated = Some(self.generations - 1);
            self.owed_reload = Some(Backoff::default());
        }
    }

    /// Tries the reload that gives children the sockets that were bound again.
    fn pay_reload(&mut self) {
        let is_due = self.owed_reload.as_ref().is_some_and(Backoff::is_over);
        if is_due && !self.is_reloading() {
            self.reload();
        }
    }

    /// Ends a reload whose new children serve, or take too long.
    fn finish_reload(&mut self) {
        if !self.is_reloading() {
            return;
        }
        if self.are_enough_ready() {
            self.before = None;
            self.owed_reload = None;
            info!("reload: the new processes serve, the old ones end");
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

    /// The new children end, and the old ones stay, as if no reload had been asked for.
    fn fail_reload(&mut self, why: &str) {
        error!("the reload failed, and the old processes go on serving: {why}");
        if let Some(owed) = &mut self.owed_reload {
            owed.after_no_start();
        }
        self.reload_again = false;
        let (grace, failed) = (self.plan.server.grace, self.generation);
        self.generation = self.before.take().unwrap_or(failed);
        self.children
            .iter_mut()
            .filter(|child| child.generation == failed)
            .for_each(|child| child.end(grace));
    }

    /// Answers whoever connected to a socket before its path was bound again, and was accepted by none of the children that
    /// had it, once all these have ended.
    fn empty_retired(&mut self) {
        let is_outdated = |child: &Child| Some(child.generation) <= self.outdated;
        if !self.sockets.have_retired()
            || self.is_reloading()
            || self.children.iter().any(is_outdated)
        {
            return;
        }
        let retired = self.sockets.take_retired();
        if retired.iter().any(Listener::has_backlog) {
            let fds: Vec<RawFd> = retired.iter().map(AsRawFd::as_raw_fd).collect();
            self.answer_all(&fds);
        }
    }

    fn start_missing(&mut self) {
        let processes = self.plan.server.processes;
        while self.staying().count() < processes
            && self.backoff.is_over()
            && self.no_room.as_ref().is_none_or(Backoff::is_over)
        {
            // A child that wants a successor serves until it has one, so that the successor can wait until some of those that
            // are ending have ended.
            if self.are_enough_ready() && self.children.len() >= 3 * processes {
                return;
            }
            if !self.start_on(&self.sockets.fds()) {
                return;
            }
        }
    }

    /// Starts a child on these sockets. `false` if it could not be started, which the log has been told then.
    fn start_on(&mut self, fds: &[RawFd]) -> bool {
        match self.plan.program.start(fds, self.generation) {
            Ok(child) => {
                debug!("process {} starts", child.pid());
                self.children.push(child);
                true
            }
            Err(error) if self.is_reloading() => {
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
                error!("{error}; the next try is in {pause:?}");
                false
            }
        }
    }

    /// There is no room for another child, and those that there are serve. It may stay so for months, and so the log is told
    /// once.
    fn miss_one(&mut self, error: &io::Error) {
        let is_first = self.no_room.is_none();
        self.no_room.get_or_insert_default().after_no_start();
        if is_first {
            self.told_serving = false;
            error!(
                "{error}; {} of {} processes are there, and another is tried from time to time; {MORE_PROCESSES}",
                self.current().count(),
                self.plan.server.processes
            );
        }
    }

    /// Where there was no room for another child, one is tried at once.
    fn room_may_be_there(&mut self) {
        self.no_room = self.no_room.take().map(|_| Backoff::default());
    }

    /// A child that wants to be replaced goes when its successor is ready, one for one. Were they to wait until all successors
    /// are ready they would pile up where successors themselves want to be replaced before that.
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

    /// The children of this generation, but for those that were asked to end.
    fn current(&self) -> impl Iterator<Item = &Child> {
        let is_current =
            |child: &&Child| child.generation == self.generation && !child.was_asked_to_end();
        self.children.iter().filter(is_current)
    }

    /// The children that are to stay.
    fn staying(&self) -> impl Iterator<Item = &Child> {
        self.current().filter(|child| !child.wants_successor)
    }

    /// How many children serve. Those that want a successor do, too: where each is replaced after one request there may never
    /// be enough others at the same time.
    fn serving(&self) -> usize {
        self.current().filter(|child| child.is_ready).count()
    }

    fn are_enough_ready(&self) -> bool {
        self.serving() >= self.plan.server.processes
    }

    fn is_reloading(&self) -> bool {
        self.before.is_some()
    }
}
