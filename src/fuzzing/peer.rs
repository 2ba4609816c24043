//! The web server's end of a connection: writes the pieces of a stream, and keeps what is answered. Driven by `place`, and by
//! handlers that wait for a piece.

use super::cuts::Cuts;
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A whole record, as a web server writes it. Its padding is no zeroes: nobody may look at it.
#[cfg(test)]
pub(super) fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id1, id0] = id.to_be_bytes();
    let [len1, len0] = (content.len() as u16).to_be_bytes();
    let header = [1, kind, id1, id0, len1, len0, padding, 0];
    [&header, content, &vec![0xee; usize::from(padding)]].concat()
}

/// How long the other side may take to close, once it has all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The web server's end.
#[derive(Debug)]
pub(super) struct Peer<'d> {
    stream: UnixStream,
    rest: Cell<&'d [u8]>,
    cuts: RefCell<Cuts>,
    pub(super) answers: RefCell<Vec<u8>>,
    pub(super) written: Cell<usize>,
    /// It has ended its side.
    pub(super) ended: Cell<bool>,
    /// It has seen the other side's end.
    closed: Cell<bool>,
    /// It had seen the other side's end before it ended its own.
    pub(super) closed_first: Cell<bool>,
    /// The most that was there to read at once.
    pub(super) most_at_once: Cell<usize>,
}

impl<'d> Peer<'d> {
    pub(super) fn new(stream: UnixStream, bytes: &'d [u8], cuts: Cuts) -> Peer<'d> {
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
            // The other side has not read what came before, or is closed: the next read tells.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.closed.set(true),
        }
        true
    }

    /// Reads what is left, when the other side is gone.
    ///
    /// It may take a moment: a process that another test starts has a copy of every socket until it runs its program.
    pub(super) fn read_to_end(&self) {
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
