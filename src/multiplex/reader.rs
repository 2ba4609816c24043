//! The records of a multiplexed connection, taken apart: bytes as they come, and what they mean for which request id. Called
//! by `connection`; whoever holds it is the one thread that reads.
//!
//! It knows no requests: whether one with this id is under way, `state` says.

use crate::net::Transport;
use crate::protocol::{
    BeginRequest, Fault, Gathered, RecordHeader, RecordReader, RecordType, Step,
};
use std::io;

/// How much is read at a time. The memory for it is there only while requests are under way.
pub(super) const AT_ONCE: usize = 32 << 10;

/// Where in the stream of records the connection stands.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    records: RecordReader,
    /// What the content of the current record is for.
    purpose: Purpose,
    gathered: Gathered,
    /// Whether the peer has sent the header of a record.
    pub(super) speaks_fastcgi: bool,
    buffer: Vec<u8>,
    /// `at <= filled <= buffer.len()`: what was looked at, what came.
    at: usize,
    filled: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Purpose {
    #[default]
    Skip,
    Begin(u16),
    GetValues,
    /// One of a request's streams.
    Stream(RecordType, u16),
}

/// What the bytes mean. A `u16` is the id of the request that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// All bytes are used up.
    More,
    Begin(u16, BeginRequest),
    /// So many bytes of PARAMS, STDIN or DATA lie in front: [`Reader::take`] them.
    Content(RecordType, u16, usize),
    /// PARAMS, STDIN or DATA ended.
    End(RecordType, u16),
    Abort(u16),
    /// A question for values, its content.
    GetValues(Vec<u8>),
    /// A management record of a type that we do not know.
    UnknownType(u8),
    Fault(Fault),
}

impl Reader {
    /// Says what comes next. Records that nobody has to do with are passed over.
    pub(super) fn next(&mut self) -> Event {
        loop {
            let bytes = &self.buffer[..self.filled];
            let event = match self.records.step(bytes, &mut self.at) {
                Step::More => Some(Event::More),
                Step::BadVersion(header) => Some(Event::Fault(Fault::Version(header))),
                Step::Header(header) => self.accept(header),
                Step::Content(n) => self.content_of_record(n),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// The `n` bytes that [`Event::Content`] told of.
    pub(super) fn content(&self, n: usize) -> &[u8] {
        &self.buffer[self.at..][..n]
    }

    /// Passes over `n` bytes of the content, which were used.
    pub(super) fn take(&mut self, n: usize) {
        self.at += n;
        self.records.take(n);
    }

    /// Whether there are bytes that were not looked at.
    pub(super) fn has_rest(&self) -> bool {
        self.at < self.filled
    }

    /// Whether a request is about to begin.
    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.purpose, Purpose::Begin(_))
    }

    pub(super) fn in_record(&self) -> bool {
        !self.records.at_boundary()
    }

    /// Reads what has come, over the bytes from before, which all have to be used up. How many bytes; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has come, `OutOfMemory`, or what the socket says.
    pub(super) fn fill(&mut self, transport: &Transport) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer.try_reserve_exact(AT_ONCE)?;
            self.buffer.resize(AT_ONCE, 0);
        }
        let n = transport.recv(&mut self.buffer)?;
        (self.at, self.filled) = (0, n);
        Ok(n)
    }

    /// Gives the buffer's memory back, unless bytes in it are still to be looked at.
    pub(super) fn rest(&mut self) {
        if !self.has_rest() {
            (self.at, self.filled) = (0, 0);
            self.buffer = Vec::new();
        }
    }

    /// What a record means, by its type and id.
    fn accept(&mut self, header: RecordHeader) -> Option<Event> {
        use RecordType::*;
        let RecordHeader {
            record_type,
            request_id: id,
            content,
            ..
        } = header;
        self.purpose = Purpose::Skip;
        self.speaks_fastcgi = true;
        match record_type {
            GetValues if id == 0 => {
                self.gathered.expect_question();
                self.purpose = Purpose::GetValues;
                (content == 0).then(|| Event::GetValues(Vec::new()))
            }
            // HAProxy takes what is sent back unasked for output, so results are not for us to answer.
            GetValuesResult | UnknownType if id == 0 => None,
            other if id == 0 => Some(Event::UnknownType(other.number())),

            BeginRequest if (content as usize) < self::BeginRequest::LEN => {
                Some(Event::Fault(Fault::ShortBegin))
            }
            BeginRequest => {
                self.purpose = Purpose::Begin(id);
                self.gathered.expect_begin();
                None
            }
            AbortRequest => Some(Event::Abort(id)),
            Params | Stdin | Data if content == 0 => Some(Event::End(record_type, id)),
            Params | Stdin | Data => {
                self.purpose = Purpose::Stream(record_type, id);
                None
            }
            // Types that only an application sends, or nobody knows.
            _ => None,
        }
    }

    /// Of the current record's content `n` bytes lie in front. What belongs to no stream is used up at once.
    fn content_of_record(&mut self, n: usize) -> Option<Event> {
        let here = &self.buffer[self.at..][..n];
        match self.purpose {
            Purpose::Stream(stream, id) => return Some(Event::Content(stream, id, n)),
            Purpose::Skip => {}
            Purpose::GetValues => self.gathered.push_asked(here),
            Purpose::Begin(_) => self.gathered.push_begin(here),
        }
        self.take(n);
        if self.records.content_left() > 0 {
            return None;
        }
        match std::mem::take(&mut self.purpose) {
            Purpose::Begin(id) => Some(Event::Begin(id, self.gathered.begin())),
            Purpose::GetValues => Some(Event::GetValues(self.gathered.take_asked())),
            Purpose::Skip | Purpose::Stream(..) => None,
        }
    }
}
