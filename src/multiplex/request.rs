//! One request on a multiplexed connection, as far as it has come: its head, and what of its streams nobody has read yet.
//! Called by `connection`, under its lock.

use crate::error::Error;
use crate::protocol::{RecordType, Role};
use std::collections::TryReserveError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Request {
    /// Names it among all requests of its connection. Its id does not: the web server uses that again.
    pub(super) serial: u64,
    pub(super) id: u16,
    pub(super) role: Role,
    pub(super) stage: Stage,
    /// When it began, in ms of the monotonic clock.
    pub(super) since: u64,
    pub(super) stdin: Stream,
    /// A filter's second stream.
    pub(super) data: Stream,
    /// Why what came and still comes for it is dropped, if it is.
    pub(super) dropped: Option<Why>,
    pub(super) aborted: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// PARAMS are coming.
    Head(HeadBytes),
    /// Its head is whole; no worker has it yet.
    Waiting,
    Running,
    /// END_REQUEST is about to leave, or has: its id is free.
    Ended,
}

/// Why the rest of a request's records are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It has its answer already, or gets one that does not depend on them.
    Unwanted,
    /// Its handler did not read, and held up the other requests for too long.
    Stalled,
    /// There was no memory for them.
    NoMemory,
}

impl Why {
    /// What a handler gets that reads on. `mpx_body` is for the message.
    pub(super) fn outcome(self, mpx_body: usize) -> io::Result<usize> {
        let message = match self {
            Why::Unwanted => return Ok(0),
            Why::Stalled => format!(
                "the request's body came faster than it was read, and held up the other requests of its connection: more than \
                 mpx_body, {mpx_body} bytes, waited for longer than mpx_stall"
            ),
            Why::NoMemory => "there is no memory for the request's body".to_owned(),
        };
        Err(Error::new(503, message).into())
    }
}

/// Bytes of PARAMS, counted for as long as they are there.
#[derive(Debug)]
pub(crate) struct HeadBytes {
    bytes: Vec<u8>,
    /// Bytes of heads of all connections that no worker has yet.
    counter: Arc<AtomicUsize>,
}

impl HeadBytes {
    pub(super) fn new(counter: &Arc<AtomicUsize>) -> HeadBytes {
        HeadBytes {
            bytes: Vec::new(),
            counter: Arc::clone(counter),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the bytes out, into a head that counts them from now on.
    pub(super) fn take(&mut self) -> HeadBytes {
        let empty = HeadBytes::new(&self.counter);
        std::mem::replace(self, empty)
    }

    /// How many bytes there are of all heads together.
    pub(super) fn of_all(&self) -> usize {
        self.counter.load(Ordering::Relaxed)
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.bytes.try_reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        self.counter.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for HeadBytes {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// STDIN or DATA: what has come of it and was not read yet.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Vec<u8>,
    /// `bytes[..at]` was read: `at <= bytes.len()`.
    at: usize,
    pub(super) has_ended: bool,
}

impl Stream {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        if self.at > 0 && self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.drain(..std::mem::take(&mut self.at));
        }
        self.bytes.try_reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Moves as much into `into` as fits. How many bytes.
    pub(super) fn pour(&mut self, into: &mut [u8]) -> usize {
        let n = self.len().min(into.len());
        into[..n].copy_from_slice(&self.bytes[self.at..][..n]);
        self.at += n;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        n
    }
}

impl Request {
    pub(super) fn new(serial: u64, id: u16, role: Role, since: u64, head: HeadBytes) -> Request {
        Request {
            serial,
            id,
            role,
            stage: Stage::Head(head),
            since,
            stdin: Stream::default(),
            data: Stream::default(),
            dropped: None,
            aborted: false,
        }
    }

    /// Whether its id is still its own, and cannot be another request's.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Ended)
    }

    /// Whether no worker has it yet.
    pub(super) fn is_ahead(&self) -> bool {
        matches!(self.stage, Stage::Head(_) | Stage::Waiting)
    }

    /// Whether every stream of it has ended.
    pub(super) fn input_ended(&self) -> bool {
        self.stdin.has_ended && (self.role != Role::Filter || self.data.has_ended)
    }

    /// The stream that content of this type belongs to. `None` where nobody wants the content, which is no fault.
    pub(super) fn stream(&mut self, of: RecordType) -> Option<&mut Stream> {
        if self.dropped.is_some() || !matches!(self.stage, Stage::Waiting | Stage::Running) {
            return None;
        }
        let stream = match of {
            RecordType::Stdin => &mut self.stdin,
            RecordType::Data if self.role == Role::Filter && self.stdin.has_ended => &mut self.data,
            _ => return None,
        };
        (!stream.has_ended).then_some(stream)
    }

    /// Drops what has come of its streams, and what still comes.
    pub(super) fn drop_rest(&mut self, why: Why) {
        self.dropped = self.dropped.or(Some(why));
        (self.stdin.bytes, self.stdin.at) = (Vec::new(), 0);
        (self.data.bytes, self.data.at) = (Vec::new(), 0);
    }
}
