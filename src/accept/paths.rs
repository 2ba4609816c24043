//! When the paths of our sockets are looked at, and what becomes of a listener whose path was bound again. It is retired: it is out
//! of the set already (see `listeners`, which exchanges it), and whoever waits in its backlog is adopted. Called by `timer`, and by
//! `stop` for listeners that are not empty yet.

use super::Accept;
use super::newcomers::{is_end, is_everyday};
use crate::exchange::Home;
use crate::net::sys::now_ms;
use crate::net::{Listener, Transport};
use std::sync::MutexGuard;

/// How often the paths of our sockets are looked at. All processes of a machine look at the same moments, so that they
/// wake it once.
const LOOK_MS: u64 = 5_000;

/// How soon a path that has vanished is looked at again.
const DOUBT_MS: u64 = 1_000;

impl Accept {
    /// Looks at the paths of our sockets, on whichever worker the timer woke.
    pub(super) fn look(&self) {
        // A worker that begins a stop waits for this lock, and no look begins once a stop was asked for. So nothing is bound behind
        // the stop's removal of our paths.
        let mut retired = self.retired();
        if self.is_stopping() {
            return;
        }
        let look = self.listeners.look();
        if look.is_doubtful {
            let mut parked = self.lock();
            let at = now_ms() + DOUBT_MS;
            parked.look = parked.look.min(at);
            self.set_alarm(&mut parked, at);
        }
        retired.extend(look.retired);
        self.empty_retired(&mut retired);
    }

    pub(super) fn retired(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.retired
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes what has connected to retired listeners. Those that there is no room for at present stay.
    pub(super) fn empty_retired(&self, retired: &mut Vec<Listener>) {
        retired.retain(|listener| !self.adopt_all(listener));
    }

    /// Whether everybody who waited in the backlog of this listener is in.
    fn adopt_all(&self, listener: &Listener) -> bool {
        // From now on nobody can connect who looked the path up before it vanished.
        listener.end();
        while self.open() < self.limits.max_connections {
            match listener.socket().accept() {
                Ok((socket, _)) => self.adopt(Transport::new(socket)),
                Err(error) if is_end(&error) => return true,
                Err(error) if is_everyday(&error) => {}
                Err(_) => break,
            }
        }
        self.make_room();
        false
    }
}

pub(super) fn next_look(now: u64) -> u64 {
    (now / LOOK_MS + 1) * LOOK_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept::LISTENER;
    use crate::limits::Limits;
    use crate::link::Seat;
    use crate::net::{Address, Permit};
    use crate::peers::Peers;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::{env, fs, process};

    /// A loop without workers, that listens in a folder of its own.
    struct Ours {
        accept: Accept,
        path: PathBuf,
    }

    impl Ours {
        fn new(name: &str, max_connections: usize) -> Ours {
            let folder = env::temp_dir().join(format!("fcgi-accept-{}-{name}", process::id()));
            fs::create_dir(&folder).unwrap();
            let path = folder.join("s");
            let address = Address::Unix(path.clone());
            let listener = Listener::bind(&address, &Permit::default()).unwrap();
            let limits = Limits {
                max_connections,
                ..Limits::default()
            };
            let accept = Accept::new(vec![listener], Peers::default(), limits).unwrap();
            Ours { accept, path }
        }

        fn waiting(&self) -> usize {
            self.accept.lock().waiting().count()
        }
    }

    impl Drop for Ours {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.path.parent().unwrap());
        }
    }

    #[test]
    fn what_has_connected_before_the_path_vanished_is_served() {
        let ours = Ours::new("vanished", 100);
        let early: Vec<_> = (0..7)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        assert!(!ours.path.exists(), "somebody may be about to bind it");
        ours.accept.look();
        assert_eq!(ours.waiting(), early.len());
        let late = UnixStream::connect(&ours.path).unwrap();
        // They have sent nothing: the only thing that is ready is the new listener.
        let key = ours.accept.epoll.look().unwrap();
        assert_eq!(key, Some(LISTENER));
        assert!(ours.accept.ready(LISTENER, &mut Seat::default()));
        drop(late);
        ours.accept.unlink();
        assert!(!ours.path.exists(), "the new one is removed at the end");
    }

    #[test]
    fn what_there_is_no_room_for_is_taken_at_a_later_look() {
        let ours = Ours::new("full", 3);
        let early: Vec<_> = (0..5)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        (0..3).for_each(|_| ours.accept.look());
        assert_eq!(ours.waiting(), 3);
        let all = 0..ours.accept.lock().entries.len();
        all.for_each(|i| assert!(ours.accept.lock().remove(i, &mut Seat::default())));
        ours.accept.look();
        assert_eq!(ours.waiting(), 2);
        assert!(ours.accept.retired.lock().unwrap().is_empty());
        drop(early);
    }

    #[test]
    fn a_server_that_stops_binds_nothing_again() {
        let ours = Ours::new("stopping", 100);
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        ours.accept.ask_to_stop();
        ours.accept.look();
        assert!(!ours.path.exists());
    }
}
