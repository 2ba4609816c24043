//! An application of raw records, in a thread: for the tests of `client`, and of whatever else asks applications.

use crate::protocol::{
    EndRequest, Event, MAX_CONTENT, Pairs, ProtocolStatus, RecordType, Sequence, append_record,
};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

/// Runs `serve` at the other end of the stream.
pub(crate) fn application(
    serve: impl FnOnce(Stub) + Send + 'static,
) -> (UnixStream, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (ours, thread::spawn(|| serve(Stub::new(theirs))))
}

/// An application that reads a head, and then answers with these bytes.
pub(crate) fn application_of(answer: &[u8]) -> (UnixStream, JoinHandle<()>) {
    let answer = answer.to_vec();
    application(move |mut stub| {
        stub.head();
        stub.body();
        stub.raw(&answer);
    })
}

/// The application's end of a connection. What fails, fails the test.
pub(crate) struct Stub {
    stream: UnixStream,
    sequence: Sequence,
    input: Vec<u8>,
    at: usize,
    filled: usize,
}

impl Stub {
    pub(crate) fn new(stream: UnixStream) -> Stub {
        Stub {
            stream,
            sequence: Sequence::default(),
            input: vec![0; 64 << 10],
            at: 0,
            filled: 0,
        }
    }

    /// The next request's params.
    pub(crate) fn head(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut stream = Vec::new();
        loop {
            match self.next() {
                Some(Event::Params(n)) => stream.extend(self.take(n)),
                Some(Event::Head) => break,
                Some(Event::Begin(_)) => {}
                event => panic!("{event:?} in a head"),
            }
        }
        let mut pairs = Pairs::new(&stream);
        let head = (&mut pairs)
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        assert!(pairs.rest().is_empty());
        head
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) fn body(&mut self) -> Option<Vec<u8>> {
        match self.next() {
            Some(Event::Stdin(n)) => Some(self.take(n)),
            Some(Event::StdinEnd) => None,
            event => panic!("{event:?} in a body"),
        }
    }

    pub(crate) fn stdout(&mut self, content: &[u8]) {
        self.send(RecordType::Stdout, content);
    }

    pub(crate) fn stderr(&mut self, content: &[u8]) {
        self.send(RecordType::Stderr, content);
    }

    /// Ends the request; the next one may begin.
    pub(crate) fn end(&mut self) {
        let id = self.sequence.request_id();
        self.sequence.end_request();
        self.raw(&EndRequest::record(id, ProtocolStatus::RequestComplete));
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn shut_for_reading(&self) {
        self.stream.shutdown(Shutdown::Read).unwrap();
    }

    /// Waits for `n` bytes that were not looked at yet, and gives them.
    pub(crate) fn wait_for(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = self.input[self.at..self.filled].to_vec();
        let have = bytes.len();
        assert!(have <= n, "{bytes:?}");
        bytes.resize(n, 0);
        self.stream.read_exact(&mut bytes[have..]).unwrap();
        self.at = self.filled;
        bytes
    }

    /// What comes until the other side closes; it may close with unread bytes of ours.
    pub(crate) fn wait_for_close(&mut self) -> Vec<u8> {
        let mut bytes = self.input[self.at..self.filled].to_vec();
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }

    fn send(&mut self, record_type: RecordType, content: &[u8]) {
        for piece in content.chunks(MAX_CONTENT) {
            let id = self.sequence.request_id();
            let mut record = Vec::new();
            append_record(record_type, id, piece, &mut record);
            self.raw(&record);
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let bytes = self.input[self.at..self.at + n].to_vec();
        self.at += n;
        self.sequence.take(n);
        bytes
    }

    /// `None` when the other side has closed.
    fn next(&mut self) -> Option<Event> {
        loop {
            match self.sequence.next(&self.input[..self.filled], &mut self.at) {
                Event::More => {}
                event => return Some(event),
            }
            self.at = 0;
            self.filled = self.stream.read(&mut self.input).unwrap_or(0);
            if self.filled == 0 {
                return None;
            }
        }
    }
}
