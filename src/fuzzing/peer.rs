//! One connection, both ends on one thread: the web server's, which writes the pieces of a stream, and ours, which is a
//! real `Worker` on a real socket.
//!
//! Nothing waits: the time limits are zero, and who finds nothing to read has the next piece written. So a run is the same
//! each time, and takes microseconds. Called by `connection`.

use crate::buffer::Buffers;
use crate::connection::{Handle, Pace, Worker};
use crate::exchange::Home;
use crate::limits::{Limits, MIN_PARAMS};
use crate::link::{Head, Kind, Link, Waiting};
use crate::net::Transport;
use crate::setup::Setup;
use crate::slot::Slot;
use crate::stranger::Strangers;
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
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
        // It has no clock: what waits is taken on at once.
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
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// How a stream is cut: by a row of numbers that one byte begins. 0 cuts nowhere, 1 everywhere.
#[derive(Clone, Debug)]
pub(super) enum Cuts {
    Seed(u8),
    Random(u32),
    /// After so many bytes each, and then nowhere.
    At(Vec<usize>),
}

impl Cuts {
    fn next(&mut self) -> usize {
        match self {
            Cuts::Seed(0) => usize::MAX,
            Cuts::Seed(1) => 1,
            Cuts::Seed(seed) => {
                *self = Cuts::Random(u32::from(*seed) * 0x0101_0101);
                self.next()
            }
            Cuts::Random(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 17;
                *state ^= *state << 5;
                // Mostly short, since a header is.
                let most = [4, 16, 64, 1024][*state as usize >> 8 & 3];
                1 + (*state >> 16) as usize % most
            }
            Cuts::At(sizes) if sizes.is_empty() => usize::MAX,
            Cuts::At(sizes) => sizes.remove(0).max(1),
        }
    }
}

/// The web server's end.
#[derive(Debug)]
pub(super) struct Peer<'d> {
    stream: UnixStream,
    rest: Cell<&'d [u8]>,
    cuts: RefCell<Cuts>,
    answers: RefCell<Vec<u8>>,
    written: Cell<usize>,
    /// It has ended its side.
    ended: Cell<bool>,
    /// It has seen the other side's end.
    closed: Cell<bool>,
    /// It had seen that when it ended its own.
    closed_first: Cell<bool>,
    /// The most that was there to read at once.
    pub(super) most_at_once: Cell<usize>,
}

impl<'d> Peer<'d> {
    fn new(stream: UnixStream, bytes: &'d [u8], cuts: Cuts) -> Peer<'d> {
        stream
            .set_nonblocking(true)
            .expect("a socket can be made non-blocking");
        Peer {
            stream,
            rest: Cell::new(bytes),
            cuts: RefCell::new(cuts),
            answers: RefCell::default(),
            written: Cell::new(0),
            ended: Cell::new(false),
            closed: Cell::new(false),
            closed_first: Cell::new(false),
            most_at_once: Cell::new(0),
        }
    }

    /// Takes what was answered, and writes the next piece, or ends its side. `false` if it has ended that already.
    pub(super) fn feed(&self) -> bool {
        self.read();
        if self.ended.get() {
            return false;
        }
        let rest = self.rest.get();
        if rest.is_empty() || self.closed.get() {
            self.closed_first.set(self.closed.get());
            self.ended.set(true);
            // It fails only where the other side is gone.
            let _ = self.stream.shutdown(Shutdown::Write);
            return true;
        }
        let n = self.cuts.borrow_mut().next().min(rest.len());
        match (&self.stream).write(&rest[..n]) {
            Ok(n) => {
                self.rest.set(&rest[n..]);
                self.written.set(self.written.get() + n);
            }
            // The other side has much to read, or is closed, which the next look tells.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.closed.set(true),
        }
        true
    }

    /// Reads what is left, when the other side is gone.
    ///
    /// It may take a moment: a process that another test starts has a copy of every socket until it runs its program.
    fn read_to_end(&self) {
        self.read();
        if !self.closed.get() {
            let stream = &self.stream;
            let waits = stream.set_nonblocking(false);
            waits
                .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
                .expect("a socket can be waited for");
            self.read();
        }
        assert!(self.closed.get(), "nobody has the connection");
    }

    fn read(&self) {
        let mut answers = self.answers.borrow_mut();
        let before = answers.len();
        let mut chunk = [0; 4096];
        while !self.closed.get() {
            match (&self.stream).read(&mut chunk) {
                // A close with something unread is a reset, once all that came is read.
                Ok(0) => self.closed.set(true),
                Ok(n) => answers.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.closed.set(true),
            }
        }
        let came = answers.len() - before;
        self.most_at_once.set(self.most_at_once.get().max(came));
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
            head: Head::default(),
            block: Vec::new(),
        });
        let mut worker = Worker {
            buffers: self.buffers.take().expect("BUG: a place serves again"),
            handler: app(&peer),
            home: &parking,
            limits: &self.limits,
            setup: &self.setup,
            slot: &Slot::default(),
            strangers: &Strangers::default(),
            values: VALUES,
            pace: &parking,
            overview: None,
            misses: 0,
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
            worker.serve(waiting);
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
    fn park(&self, waiting: Waiting) {
        self.put(waiting);
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
            head: Head::of(unread.len()),
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
                head: Head::default(),
                block: Vec::new(),
            });
        }
    }

    fn other(&self) -> Option<Waiting> {
        None
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

impl Pace for Parking {
    fn note(&self, _: Duration) {}
}
