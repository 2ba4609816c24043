//! The listeners of an accept loop, each in its place in the loop's set, and what has become of their paths.
//!
//! A socket file may be removed under a server that goes on: by a temp cleaner, a tidy person, a script that starts with
//! `rm`. Nobody can connect then, and only a restart would help. So the accept loop looks at the paths every few seconds,
//! and a path that has *vanished* is bound again. One at which there is something *else* is left alone: somebody started
//! another server there, and a tug-of-war would serve nobody.
//!
//! By looks, and not by inotify, which would tell at once: whoever starts another server by `rm` and `bind` leaves a gap
//! between the two, and the sooner we are the likelier we take the path from them. For the same reason a path has to be
//! gone in two looks in a row. A look is one lstat, which costs an idle process some 15 µs of every 5 s; an inotify
//! instance is one of 128 that a user may have, and sees neither a folder that is moved nor one that is mounted over.

use crate::net::{Epoll, Interest, Listener, PathIs};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

#[derive(Debug)]
pub(crate) struct Listeners {
    epoll: Arc<Epoll>,
    /// What the keys of the set begin with; the index follows.
    kind: u64,
    places: Vec<Place>,
}

/// A listener, and its successor once its path was bound again.
#[derive(Debug)]
struct Place {
    /// Written to only while it is exchanged. Whoever arms it holds it, so that none is armed that has been taken out.
    listener: RwLock<Listener>,
    path: Mutex<Path>,
}

/// What looks have found at a listener's path so far. A parent process, which has no loop, looks by itself.
#[derive(Debug, Default)]
pub(crate) struct Path(Seen);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Ours,
    /// For the first time.
    Gone,
    /// It could not be bound again, as the log has been told.
    Lost,
    /// As the log has been told.
    SomebodyElses,
}

/// What is to be done behind a look at one path.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// To look again soon.
    Doubt,
    /// To put this listener, which is bound to the path, into the other one's place.
    Again(Listener),
}

/// What comes of a look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// A path is gone, and is to be looked at again soon.
    pub(crate) is_doubtful: bool,
    /// Sockets whose paths are bound anew. What has connected before waits in them.
    pub(crate) retired: Vec<Listener>,
}

impl Listeners {
    /// Puts them into the set.
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
            path: Mutex::default(),
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

    /// Whether somebody has connected whom nobody has accepted. Async-signal-safe: one that is being exchanged is passed
    /// over.
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

    pub(crate) fn arm(&self, i: usize) {
        let Some(listener) = self.get(i) else { return };
        let armed = self.epoll.rearm(
            listener.as_raw_fd(),
            self.kind | i as u64,
            Interest::ReadOnce,
        );
        if let Err(error) = armed {
            log::error!(
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
            let mut path = place.path.lock().unwrap_or_else(PoisonError::into_inner);
            let found = path.look(&place.listener());
            match found {
                Found::Nothing => {}
                Found::Doubt => look.is_doubtful = true,
                Found::Again(new) => match self.exchange(i, place, new) {
                    Ok(old) => look.retired.push(old),
                    Err(error) => path.is_lost(&place.listener(), &error),
                },
            }
        }
        look
    }

    /// The one that was there before.
    fn exchange(&self, i: usize, place: &Place, new: Listener) -> io::Result<Listener> {
        // Whoever gets the new one's first event waits here, and then finds it in its place.
        let mut listener = place
            .listener
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let key = self.kind | i as u64;
        if let Err(error) = self.epoll.add(new.as_raw_fd(), key, Interest::ReadOnce) {
            let _ = new.unlink();
            return Err(error);
        }
        // It cannot fail; if it did, an event of a closed socket would be one that finds nothing to accept.
        let _ = self.epoll.remove(listener.as_raw_fd());
        Ok(std::mem::replace(&mut listener, new))
    }
}

impl Path {
    /// Looks at the path of this listener, and binds it again if it has vanished.
    pub(crate) fn look(&mut self, listener: &Listener) -> Found {
        match (listener.path_is(), self.0) {
            (PathIs::Ours, _) => self.0 = Seen::Ours,
            (PathIs::SomebodyElses, Seen::SomebodyElses) => {}
            (PathIs::SomebodyElses, _) => {
                self.0 = Seen::SomebodyElses;
                log::warn!(
                    "somebody has replaced {}: who connects there does not reach this process any more; it leaves it \
                     alone",
                    listener.local_addr()
                );
            }
            (PathIs::Vanished, Seen::Ours | Seen::SomebodyElses) => {
                self.0 = Seen::Gone;
                return Found::Doubt;
            }
            (PathIs::Vanished, Seen::Gone | Seen::Lost) => match listener.again() {
                Ok(Some(new)) => {
                    self.0 = Seen::Ours;
                    log::warn!(
                        "{} had vanished: somebody removed the socket; it is bound again",
                        listener.local_addr()
                    );
                    return Found::Again(new);
                }
                // A starter is at work in the folder.
                Ok(None) => {}
                Err(error) => self.is_lost(listener, &error),
            },
        }
        Found::Nothing
    }

    fn is_lost(&mut self, listener: &Listener, error: &io::Error) {
        if self.0 != Seen::Lost {
            log::error!(
                "{} has vanished: somebody removed the socket, and it cannot be bound again yet: {error}",
                listener.local_addr()
            );
        }
        self.0 = Seen::Lost;
    }
}

impl Place {
    fn listener(&self) -> RwLockReadGuard<'_, Listener> {
        self.listener.read().unwrap_or_else(PoisonError::into_inner)
    }
}
