//! A connection as it goes from hand to hand: from the accept loop to a worker, and back to wait. Called by
//! `accept`, where it waits, and by `connection`, where it is served.

mod head;

pub(crate) use head::{RequestHead, TooLarge};

use crate::limits::Limits;
use crate::multiplex;
use crate::net::{Epoll, Transport};
use crate::protocol::Sequence;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An open connection and where it stands.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its entry in the accept loop's set, if there is one. It stands before the transport, and so ends before it.
    pub(crate) registration: Option<Registration>,
    pub(crate) transport: Transport,
    pub(crate) sequence: Sequence,
    /// Requests that were answered on it.
    pub(crate) served: u32,
    /// Whether the body of the last request may still be on its way.
    pub(crate) body_pending: bool,
    /// When the head that is being waited for began to come, in ms of the monotonic clock; 0 if none has.
    pub(crate) head_since: u64,
    /// What is known of a connection with several requests: where its records stand, heads that are not whole.
    pub(crate) multiplexed: Option<Box<multiplex::State>>,
    _open: Open,
}

impl Link {
    pub(crate) fn new(transport: Transport, open: &Arc<AtomicUsize>) -> Link {
        open.fetch_add(1, Ordering::Relaxed);
        let sequence = Sequence::default();
        Link {
            registration: None,
            transport,
            sequence,
            served: 0,
            body_pending: false,
            head_since: 0,
            multiplexed: None,
            _open: Open(Arc::clone(open)),
        }
    }

    /// Moves the connection to another accept loop, by whose count of open ones it is counted from now on.
    pub(crate) fn belong_to(&mut self, open: &Arc<AtomicUsize>) {
        open.fetch_add(1, Ordering::Relaxed);
        self._open = Open(Arc::clone(open));
        self.registration = None;
    }

    /// Sends a short record between answers. A peer that does not even take that is given up.
    pub(crate) fn send_short(&self, record: &[u8]) -> bool {
        matches!(self.transport.send(record), Ok(n) if n == record.len())
    }
}

/// A connection's entry in a set, taken out when dropped: before the connection is closed.
///
/// A worker that waits holds, for a moment, each socket that it looks at in the set. To close one in that moment closes
/// nothing: its end comes when that worker wakes up, which may be hours later (Linux 6.18, where the set takes a
/// reference to look). Nobody looks at what is not in the set.
#[derive(Debug)]
pub(crate) struct Registration {
    set: Arc<Epoll>,
    fd: RawFd,
}

impl Registration {
    pub(crate) fn new(set: &Arc<Epoll>, fd: RawFd) -> Registration {
        Registration {
            set: Arc::clone(set),
            fd,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // It fails only where it was never put in.
        let _ = self.set.remove(self.fd);
    }
}

/// Counts a connection for as long as it is open.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that waits, and what is known of its next request.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) link: Link,
    pub(crate) kind: Kind,
    /// When it is given up, in ms of the monotonic clock.
    pub(crate) deadline: u64,
    pub(crate) head: RequestHead,
    /// The bytes that `head` is about; empty if there are none.
    pub(crate) block: Vec<u8>,
}

/// Where a connection is kept. It goes from hand to hand with its seat, an empty one in exchange: to move it costs a good part
/// of a small request.
pub(crate) type Seat = Box<Option<Waiting>>;

impl Waiting {
    /// Whether it waits for a worker and no more for its peer: its event is there, or comes as soon as it is armed. Such a
    /// connection is not closed for being late, however long all workers are busy. Async-signal-safe.
    pub(crate) fn has_come(&self) -> bool {
        match self.kind {
            Kind::Ready => true,
            // Whatever comes on these is read away, or not read at all.
            Kind::Linger | Kind::Ended => false,
            Kind::FirstByte | Kind::Idle | Kind::Head => self.link.transport.is_readable(),
        }
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first byte after it was accepted.
    FirstByte,
    /// Its next request.
    Idle,
    /// The rest of a head.
    Head,
    /// A worker: what it holds has not been looked at.
    Ready,
    /// The peer's end, after we ended our side.
    Linger,
    /// Nothing: both sides are ended, which is the event that closes it.
    Ended,
}

impl Kind {
    /// How long it may wait, in ms.
    pub(crate) fn limit(self, limits: &Limits) -> u64 {
        let limit = match self {
            Kind::FirstByte => limits.first_byte_timeout,
            Kind::Idle => limits.idle_timeout,
            Kind::Head => limits.head_timeout,
            Kind::Linger => limits.linger_timeout,
            // These wait for a worker, and not for the peer.
            Kind::Ready | Kind::Ended => return u64::MAX,
        };
        let ms = limit.as_secs().saturating_mul(1_000);
        ms.saturating_add(limit.subsec_millis().into())
    }
}
