//! The sockets that children serve, as their parent holds them: whether their paths are still there, and whether somebody waits
//! in them. The parent accepts nothing itself. Called by `family`.

use crate::listeners::Listeners;
use crate::log_line::warn;
use crate::net::{Epoll, Listener};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the paths are looked at, as the accept loop of a process without a parent does; and how soon again when one has
/// vanished.
const LOOK: Duration = Duration::from_secs(5);
const DOUBT: Duration = Duration::from_secs(1);

pub(super) struct Sockets {
    listeners: Listeners,
    /// Sockets whose paths were bound again, so that nobody connects to them any more. Children that were started before have
    /// these, and not their successors.
    retired: Vec<Listener>,
    /// When to look at the paths; `None` if there are none.
    look_at: Option<Instant>,
    /// Whether nobody but our children accepts from them.
    are_ours: bool,
}

impl Sockets {
    /// # Errors
    /// When they are too many, or no descriptor is left.
    pub(super) fn new(listeners: Vec<Listener>) -> io::Result<Sockets> {
        let are_ours = listeners.iter().all(Listener::is_ours);
        // `Listeners` puts them into a set to wait for. Nobody waits for this one.
        let listeners = Listeners::new(listeners, &Arc::new(Epoll::new()?), 0)?;
        let look_at = listeners.have_paths().then(|| Instant::now() + LOOK);
        Ok(Sockets {
            listeners,
            retired: Vec::new(),
            look_at,
            are_ours,
        })
    }

    /// Whether nobody but our children accepts from them, so that at a full stop what waits there is ours to answer.
    pub(super) fn are_ours(&self) -> bool {
        self.are_ours
    }

    /// Their numbers, for a child that is to serve them.
    pub(super) fn fds(&self) -> Vec<RawFd> {
        let fds = self.listeners.iter().map(|listener| listener.as_raw_fd());
        fds.collect()
    }

    /// When to look at the paths again.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Looks at the paths if it is time to, and binds again those that have vanished: `listeners` says why by looks. `true` if
    /// there is a socket now that no child has yet.
    pub(super) fn look(&mut self) -> bool {
        let now = Instant::now();
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        let look = self.listeners.look();
        let next = if look.is_doubtful { DOUBT } else { LOOK };
        self.look_at = Some(now + next);
        let is_any_new = !look.retired.is_empty();
        self.retired.extend(look.retired);
        is_any_new
    }

    pub(super) fn have_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// The sockets whose paths were bound again, when nobody accepts from them any more.
    pub(super) fn take_retired(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.retired)
    }

    /// The numbers of all those in which somebody waits.
    pub(super) fn with_backlog(&self) -> Vec<RawFd> {
        let here = self.listeners.iter();
        let here = here.filter_map(|listener| listener.has_backlog().then(|| listener.as_raw_fd()));
        let retired = self.retired.iter().filter(|retired| retired.has_backlog());
        here.chain(retired.map(AsRawFd::as_raw_fd)).collect()
    }

    /// Lets nobody in by TCP any more. Who connects to a unix socket does so by its path, and that is removed.
    pub(super) fn admit_nobody_by_tcp(&self) {
        let listeners = self.listeners.iter();
        listeners.for_each(|listener| listener.admit_nobody_by_tcp());
    }

    /// Removes the paths.
    pub(super) fn unlink(&self) {
        for listener in self.listeners.iter() {
            if let Err(error) = listener.unlink() {
                warn!("{error}");
            }
        }
    }
}
