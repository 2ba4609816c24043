//! New connections: taken from a listener, or left in its backlog while there is no room. Called by the loop for a listener's
//! event, and by `stop`, which empties one.

use super::Accept;
use crate::exchange::Home;
use crate::link::{Kind, Link, RequestHead, Waiting};
use crate::net::sys;
use crate::net::sys::now_ms;
use crate::net::{Listener, Transport};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

/// How long to wait when there is no descriptor or memory for another connection.
pub(super) const PAUSE_MS: u64 = 100;

impl Accept {
    /// Parks a new connection until its first byte comes, however it came here.
    pub(crate) fn adopt(&self, transport: Transport) {
        let mut waiting = self.fresh(transport);
        waiting.deadline = now_ms().saturating_add(waiting.kind.limit(&self.limits));
        self.park_without_seat(waiting);
    }

    /// Takes a connection out of a listener's backlog, and arms the listener again. `None` if there is none to be had: nobody waits,
    /// there is no room, or who waited may not connect.
    pub(super) fn accept(&self, i: usize) -> Option<Transport> {
        let is_stopping = self.is_stopping();
        if is_stopping && self.lock().rest.to_empty & 1 << i == 0 {
            return None;
        }
        if self.open.load(Ordering::Relaxed) >= self.limits.max_connections {
            self.tell_full(&self.limits.why_full());
            // The end of the connection that made room is an event, which comes before the listener's next one.
            match self.make_room() {
                true => self.listeners.arm(i),
                false => self.pause(i),
            }
            return None;
        }
        let listener = self.listeners.get(i)?;
        match self.accept_from(&listener) {
            Ok((transport, peer)) => {
                self.listeners.arm_held(i, &listener);
                self.peers.admit(peer).then_some(transport)
            }
            Err(error) => {
                drop(listener);
                self.cannot_accept(i, is_stopping, error);
                None
            }
        }
    }

    /// A connection that was accepted just now. It has no deadline: it is served at once, or whoever parks it sets one.
    #[inline(always)]
    pub(super) fn fresh(&self, transport: Transport) -> Waiting {
        Waiting {
            link: Link::new(transport, &self.open),
            kind: Kind::FirstByte,
            deadline: 0,
            head: RequestHead::default(),
            block: Vec::new(),
        }
    }

    /// The peer's address is asked for only where not everybody may connect.
    fn accept_from(&self, listener: &Listener) -> io::Result<(Transport, Option<IpAddr>)> {
        if self.peers.is_anybody() {
            return Ok((listener.accept()?, None));
        }
        let (socket, peer) = listener.socket().accept()?;
        let peer = peer.as_socket().map(|peer| peer.ip());
        Ok((Transport::new(socket), peer))
    }

    #[cold]
    fn cannot_accept(&self, i: usize, is_stopping: bool, error: io::Error) {
        if is_stopping && is_end(&error) {
            self.is_emptied(i);
            return;
        }
        if is_ended(&error) {
            // A sibling has ended the socket for all; the signal to stop is on its way here, too. Or another worker has, since
            // this one looked.
            self.hear();
            if self.told_to_empty.load(Ordering::SeqCst) || self.is_stopping() {
                return;
            }
        }
        if !is_everyday(&error) {
            self.tell_full(&match sys::is_out_of_files(&error) {
                true => format!("{error}; allow more, ulimit -n"),
                false => error.to_string(),
            });
            self.make_room();
            self.pause(i);
            return;
        }
        self.listeners.arm(i);
    }

    /// Leaves a listener alone for a moment: the backlog keeps what comes.
    fn pause(&self, i: usize) {
        let mut parked = self.lock();
        parked.paused |= 1 << i;
        self.set_alarm(&mut parked, now_ms() + PAUSE_MS);
    }

    fn tell_full(&self, why: &str) {
        self.told
            .no_room
            .warn(|| format!("no room for another connection ({why}): new ones wait"));
    }

    /// Makes room by ending the idle connection that has waited longest, or else the one that has been silent longest.
    /// Whether there was one.
    pub(super) fn make_room(&self) -> bool {
        let mut parked = self.lock();
        parked.end_oldest(Kind::Idle) || parked.end_oldest(Kind::FirstByte)
    }
}

/// A sibling process that shares the listener took the connection (EAGAIN), or its peer has gone (ECONNABORTED). All else (no
/// descriptor, no memory, a listener that a sibling has shut down) passes, too, but not at once: the loop must not spin meanwhile.
pub(super) fn is_everyday(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

/// Nobody is left in the backlog of a listener that admits nobody any more: it is empty, or it does not even listen.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || is_ended(error)
}

/// EINVAL: the socket does not listen any more.
fn is_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}
