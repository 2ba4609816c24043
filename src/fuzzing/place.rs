//! Our end of a connection: a real `Worker` on a real socket, on the same thread as the web server's end, `peer`. Called by
//! `connection`.
//!
//! Nothing waits: the time limits are zero, and who finds nothing to read has the next piece written. So a run is the same
//! each time, and takes microseconds.

use super::cuts::Cuts;
use super::peer::Peer;
use crate::buffer::Buffers;
use crate::connection::{Around, Handle, Pace, Worker};
use crate::exchange::Home;
use crate::limits::{Limits, MIN_PARAMS};
use crate::link::{Kind, Link, RequestHead, Seat, Waiting};
use crate::net::Transport;
use crate::protocol::Role;
use crate::setup::Setup;
use crate::slot::Slot;
use crate::stranger::Strangers;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What GET_VALUES is answered with.
pub(super) const VALUES: (usize, usize) = (17, 3);

/// Small enough for a short stream to exceed them.
pub(super) fn limits() -> Limits {
    Limits {
        first_byte_timeout: Duration::ZERO,
        // The one that is not zero: a head is given up once its time has passed, and its next piece is still to be written then.
        head_timeout: Duration::MAX,
        body_timeout: Duration::ZERO,
        write_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        linger_timeout: Duration::ZERO,
        slow: Duration::ZERO,
        timeout: Duration::ZERO,
        max_params: MIN_PARAMS,
        max_pairs: 64,
        max_pair: 512,
        max_waiting_heads: usize::MAX,
        max_connections: VALUES.0,
        max_body: u64::MAX,
        multiplex: false,
        mpx_body: 0,
        mpx_stall: Duration::ZERO,
    }
}

/// What a stream came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) answers: Vec<u8>,
    /// We ended the connection before the web server did.
    pub(super) closed: bool,
    /// The most that was there to read at once.
    pub(super) most_at_once: usize,
}

/// Where connections are served: the memory of a worker, for one after the other.
pub(super) struct Place {
    buffers: Option<Buffers>,
    limits: Limits,
    setup: Setup,
}

impl Place {
    pub(super) fn new(limits: Limits) -> Place {
        Place {
            buffers: Some(Buffers::new(limits.max_params).expect("there is address space")),
            limits,
            setup: Setup::default(),
        }
    }

    /// Serves a connection on which `stream` arrives, cut by `cuts`, and then its end. `app` makes the handler, which may
    /// have the next piece written when it waits for one.
    ///
    /// # Panics
    /// When the connection is still there after the web server has ended its side, or more is kept for it than has come.
    pub(super) fn serve<'d, A>(&mut self, stream: &'d [u8], cuts: Cuts, app: A) -> Served
    where
        A: for<'p> FnOnce(&'p Peer<'d>) -> Box<dyn Handle + 'p>,
    {
        let (theirs, ours) = UnixStream::pair().expect("there are descriptors");
        let (peer, parking, open) = (
            Peer::new(theirs, stream, cuts),
            Parking::default(),
            Arc::new(AtomicUsize::new(0)),
        );
        parking.put(Waiting {
            link: Link::new(Transport::from(ours), &open),
            kind: Kind::FirstByte,
            deadline: 0,
            head: RequestHead::default(),
            block: Vec::new(),
        });
        let handler = app(&peer);
        let mut worker = Worker {
            buffers: self.buffers.take().expect("BUG: a place serves again"),
            is_responder: handler.has_role(Role::Responder),
            handler,
            around: Around {
                home: &parking,
                setup: &self.setup,
                slot: &Slot::default(),
                slow: self.limits.slow_ms(),
                overview: None,
            },
            limits: &self.limits,
            strangers: &Strangers::default(),
            values: VALUES,
            pace: &parking,
            misses: 0,
            idle: Kind::Idle.limit(&self.limits),
            ended: 0,
            other: Seat::default(),
            hub: None,
        };
        let mut turns = 0;
        while let Some(waiting) = parking.take() {
            let kind = waiting.kind;
            assert!(
                waiting.block.capacity() <= 1024 + 4 * peer.written.get(),
                "{} bytes are kept for {} that came",
                waiting.block.capacity(),
                peer.written.get()
            );
            if kind != Kind::Ready && !peer.feed() {
                // An end is there to be read, and is read at the latest after what there is to linger for.
                turns += 1;
                assert!(
                    turns < 8,
                    "it waits, as {kind:?}, for a web server that has ended"
                );
            }
            worker.serve(&mut Box::new(Some(waiting)));
        }
        self.buffers = Some(worker.buffers);
        peer.read_to_end();
        assert_eq!(open.load(Ordering::Relaxed), 0, "and it is still counted");
        Served {
            answers: peer.answers.take(),
            closed: !peer.ended.get() || peer.closed_first.get(),
            most_at_once: peer.most_at_once.get(),
        }
    }
}

/// The accept loop's part: one connection waits, or none.
#[derive(Default)]
struct Parking(Mutex<Option<Waiting>>);

impl Parking {
    fn put(&self, waiting: Waiting) {
        let before = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(waiting);
        assert!(before.is_none(), "there is one connection");
    }

    fn take(&self) -> Option<Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Home for Parking {
    fn park(&self, place: &mut Seat) {
        self.put(place.take().expect("there is one to wait"));
    }

    fn go_on(&self, link: Link, unread: Vec<u8>) {
        let kind = match unread.is_empty() {
            true => Kind::Idle,
            false => Kind::Ready,
        };
        self.put(Waiting {
            link,
            kind,
            deadline: u64::MAX,
            head: RequestHead::of(unread.len()),
            block: unread,
        });
    }

    fn give_up(&self, _: Kind) {}

    fn linger(&self, link: Link) {
        if link.transport.shutdown_write().is_ok() {
            self.put(Waiting {
                link,
                kind: Kind::Linger,
                deadline: u64::MAX,
                head: RequestHead::default(),
                block: Vec::new(),
            });
        }
    }

    fn other(&self, _: &mut Seat) -> bool {
        false
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

impl Pace for Parking {
    fn note(&self, _: u64) {}
}
