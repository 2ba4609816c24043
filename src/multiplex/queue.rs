//! The requests of multiplexed connections on their way to a worker: a bounded channel, and a pipe in the accept loop's set
//! that holds a byte for each of them, so that exactly one worker wakes for one request. Called by `connection`, which hands
//! requests over, and by `accept`, where workers get them.

use super::connection::Connection;
use super::request::HeadBytes;
use crate::protocol::Role;
use crate::request_id::Ticket;
use crate::seldom::Seldom;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// The most requests that wait for a worker in all. A pipe of the smallest size, a page, has room for as many bytes.
pub(super) const MOST: usize = 1024;

/// A request whose head is whole. Its connection is held for as long as it waits.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) connection: Arc<Connection>,
    pub(crate) serial: u64,
    pub(crate) id: u16,
    pub(crate) role: Role,
    pub(crate) head: HeadBytes,
    /// The params exceed their limit, and `head` is not all of them.
    pub(crate) is_too_large: bool,
    pub(crate) ticket: Ticket,
}

/// The way of requests to workers.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: Sender<Box<Handed>>,
    receiver: Receiver<Box<Handed>>,
    /// A byte for each request in the channel.
    reader: PipeReader,
    writer: PipeWriter,
    /// Bytes of heads that no worker has yet.
    pub(super) head_bytes: Arc<AtomicUsize>,
    pub(super) told_many: Seldom,
    pub(super) told_many_heads: Seldom,
    pub(super) told_stalled: Seldom,
}

impl Queue {
    /// # Errors
    /// When there is no descriptor left.
    pub(crate) fn new() -> io::Result<Queue> {
        let (reader, writer) = io::pipe()?;
        let (sender, receiver) = bounded(MOST);
        Ok(Queue {
            sender,
            receiver,
            reader,
            writer,
            head_bytes: Arc::default(),
            told_many: Seldom::default(),
            told_many_heads: Seldom::default(),
            told_stalled: Seldom::default(),
        })
    }

    /// Hands a request over. Gives it back if too many wait.
    pub(super) fn push(&self, handed: Box<Handed>) -> Result<(), Box<Handed>> {
        self.sender
            .try_send(handed)
            .map_err(|error| error.into_inner())?;
        // The pipe has room for a byte for each request that the channel has room for: this neither blocks nor fails.
        let _ = (&self.writer).write(&[0]);
        Ok(())
    }

    /// Takes a byte from the pipe, and the request that it stands for. Only for the worker that has the pipe's event: another
    /// would wait for a byte.
    pub(crate) fn pop(&self) -> Option<Box<Handed>> {
        // The request was put into the channel before its byte was written.
        match (&self.reader).read(&mut [0]) {
            Ok(1) => self.receiver.try_recv().ok(),
            _ => None,
        }
    }

    /// How many wait. Async-signal-safe.
    pub(crate) fn len(&self) -> usize {
        self.receiver.len()
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}
