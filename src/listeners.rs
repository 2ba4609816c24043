//! The listeners of an accept loop, each in its place in the loop's set, and what has become of their paths. Called by `accept`, and
//! by a `parent`, which has them for its children.
//!
//! A socket file may be removed under a server that goes on: by a cleaner of temporary files, a tidy person, a script that starts
//! with `rm`. Nobody can connect then, and only a restart would help. So the paths are looked at every few seconds, and a path
//! that has *vanished* is bound again. One at which there is something *else* is left alone: somebody started another server
//! there, and a tug-of-war would serve nobody.
//!
//! inotify would tell at once, and that is too soon: whoever starts another server by `rm` and `bind` leaves a gap between the
//! two, and the sooner we look, the likelier we take the path from them. For the same reason a path has to be gone in two looks
//! in a row. A look is one lstat, which costs an idle process some 15 µs of every 5 s. An inotify instance is one of 128 that a
//! user may have, and sees neither a folder that is moved nor one that is mounted over.

use crate::log_line::{error, warn};
use crate::net::{Epoll, Interest, Listener, PathIs};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

#[derive(Debug)]
pub(crate) struct Listeners {
    epoll: Arc<Epoll>,
    /// The upper bits of a listener's key in the set. The lower ones are its index.
    kind: u64,
    places: Vec<Place>,
}

/// A listener, and its successor once its path was bound again.
#[derive(Debug)]
struct Place {
    /// The lock is taken for writing only while the listener is exchanged. Whoever arms the listener holds it for reading, so that
    /// none is armed that has been taken out of the set.
    listener: RwLock<Listener>,
    seen: Mutex<Seen>,
}

/// What the last look at a path found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Ours,
    /// It had vanished, for the first time.
    Gone,
    /// It had vanished, and could not be bound again; the log has been told.
    Lost,
    /// Something else was there; the log has been told.
    SomebodyElses,
}

/// What comes of a look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Whether a path is gone, and is to be looked at again soon.
    pub(crate) is_doubtful: bool,
    /// Sockets whose paths have been bound again. Whoever connected before that waits in them.
    pub(crate) retired: Vec<Listener>,
}

impl Listeners {
    /// Puts listeners into the set, with keys of this `kind`.
    ///
    /// # Errors
    /// When they are more than 64, or memory is short.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        epoll: &Arc<Epoll>,
        kind: u64,
    ) -> io::Result<Listeners> {
        if listeners.len() > 64 {
            return Err(io::Error::other(
                "cannot listen on more than 64 sockets at once; use fewer --listen",
            ));
        }
        for (i, listener) in (0..).zip(&listeners) {
            epoll.add(listener.as_raw_fd(), kind | i, Interest::ReadOnce)?;
        }
        let place = |listener| Place {
            listener: RwLock::new(listener),
            seen: Mutex::new(Seen::Ours),
        };
        Ok(Listeners {
            epoll: Arc::clone(epoll),
            kind,
            places: listeners.into_iter().map(place).collect(),
        })
    }

    pub(crate) fn get(&self, i: usize) -> Option<RwLockReadGuard<'_, Listener>> {
        self.places.get(i).map(Place::listener)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = RwLockReadGuard<'_, Listener>> {
        self.places.iter().map(Place::listener)
    }

    /// Whether somebody has connected whom nobody has accepted. Async-signal-safe: it does not wait for a listener that is being
    /// exchanged, and passes it over.
    pub(crate) fn have_backlog(&self) -> bool {
        let mut listeners = self
            .places
            .iter()
            .filter_map(|place| place.listener.try_read().ok());
        listeners.any(|listener| listener.has_backlog())
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Has the set tell again of who connects to a listener.
    pub(crate) fn arm(&self, i: usize) {
        if let Some(listener) = self.get(i) {
            self.arm_held(i, &listener);
        }
    }

    /// As [`arm`](Listeners::arm), for who has the listener from [`get`](Listeners::get).
    pub(crate) fn arm_held(&self, i: usize, listener: &Listener) {
        let armed = self.epoll.rearm(
            listener.as_raw_fd(),
            self.kind | i as u64,
            Interest::ReadOnce,
        );
        if let Err(error) = armed {
            error!(
                "cannot wait for connections on {}: {error}",
                listener.local_addr()
            );
        }
    }

    /// Whether there are paths to be looked at.
    pub(crate) fn have_paths(&self) -> bool {
        self.iter().any(|listener| listener.file().is_some())
    }

    /// Looks at the paths, and binds again what has vanished.
    pub(crate) fn look(&self) -> Look {
        let mut look = Look::default();
        for (i, place) in self.places.iter().enumerate() {
            let mut seen = place.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = self.look_at(i, place, *seen, &mut look);
        }
        look
    }

    fn look_at(&self, i: usize, place: &Place, before: Seen, look: &mut Look) -> Seen {
        let listener = place.listener();
        match (listener.path_is(), before) {
            (PathIs::Ours, _) => Seen::Ours,
            (PathIs::SomebodyElses, Seen::SomebodyElses) => Seen::SomebodyElses,
            (PathIs::SomebodyElses, _) => {
                warn!(
                    "somebody has replaced {}: who connects there does not reach this process any more; it leaves it \
                     alone",
                    listener.local_addr()
                );
                Seen::SomebodyElses
            }
            (PathIs::Vanished, Seen::Ours | Seen::SomebodyElses) => {
                look.is_doubtful = true;
                Seen::Gone
            }
            (PathIs::Vanished, Seen::Gone | Seen::Lost) => {
                drop(listener);
                self.bind_again(i, place, before, look)
            }
        }
    }

    fn bind_again(&self, i: usize, place: &Place, before: Seen, look: &mut Look) -> Seen {
        let new = place.listener().again();
        match new.and_then(|new| new.map(|new| self.exchange(i, place, new)).transpose()) {
            Ok(Some(old)) => {
                warn!(
                    "{} had vanished: somebody removed the socket; it is bound again",
                    old.local_addr()
                );
                look.retired.push(old);
                Seen::Ours
            }
            // Another starter is at work in the folder.
            Ok(None) => before,
            Err(error) => {
                if before != Seen::Lost {
                    error!(
                        "{} has vanished: somebody removed the socket, and it cannot be bound again yet: {error}",
                        place.listener().local_addr()
                    );
                }
                Seen::Lost
            }
        }
    }

    /// Puts a new listener in the place of one, and returns that.
    fn exchange(&self, i: usize, place: &Place, new: Listener) -> io::Result<Listener> {
        // Taken first: whoever gets the new listener's first event waits for this lock, and then finds the listener in its place.
        let mut listener = place
            .listener
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let key = self.kind | i as u64;
        if let Err(error) = self.epoll.add(new.as_raw_fd(), key, Interest::ReadOnce) {
            let _ = new.unlink();
            return Err(error);
        }
        // It cannot fail. If it did, an event of the old socket would find nothing to accept.
        let _ = self.epoll.remove(listener.as_raw_fd());
        Ok(std::mem::replace(&mut listener, new))
    }
}

impl Place {
    fn listener(&self) -> RwLockReadGuard<'_, Listener> {
        self.listener.read().unwrap_or_else(PoisonError::into_inner)
    }
}
