//! One request under way: the wire that it came by, and its answer as it is made. Made by `connection`, called by
//! `request`, `body` and `response`.
//!
//! `Request` and `Response` share it, which is what lets an answer be finished, and the connection given back,
//! while the handler goes on.
//!
//! ```text
//! output  [ 8: record header ][ 48: status line, set right ][ fields, blank line, body … ][ 31: padding, end ]
//! ```
//!
//! The status line is written last and comes first: `Status:` always stands there, since a `Location` without it is a 200 on
//! three web servers. Only with a `Location` it stands last, for HAProxy's sake, unless it is an authorizer's. A small answer
//! leaves in one write, its end included.

use crate::access_line::Sent;
use crate::decimal::in_eight;
use crate::error::{Error, Result};
use crate::limits::{LARGE_RESPONSE_HEAD, MAX_FIELDS};
use crate::link::{Kind, Link, Seat};
use crate::protocol::{
    EndRequest, HEADER_LEN, MAX_CONTENT, ProtocolStatus, RecordHeader, RecordType,
};
use crate::wire::{Parting, Wire};
use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::ops::Range;

mod head;
mod records;

/// What a request and its response share; `None` once the answer is finished.
pub(crate) type Shared<'buf> = RefCell<Option<Exchange<'buf>>>;

/// Takes connections back: the accept loop.
pub(crate) trait Home: Sync {
    /// The connection in this seat waits, if there is one: it is taken out.
    fn park(&self, seat: &mut Seat);
    /// A connection goes on, with these bytes of it that nobody looked at.
    fn go_on(&self, link: Link, unread: Vec<u8>);
    /// Closes our side and reads what is still to come, so that the answer is not lost.
    fn linger(&self, link: Link);
    /// A connection has waited for this too long, and is closed.
    fn give_up(&self, kind: Kind);
    /// Puts a connection that has something to read now into this seat, which is empty. Whether there is one.
    fn other(&self, seat: &mut Seat) -> bool;
    /// Whether no further request is wanted.
    fn is_stopping(&self) -> bool;
}

/// Gives the connection of a completed answer back while its handler goes on.
pub(crate) fn hand_back<'buf>(shared: &'buf Shared<'buf>, home: &'buf dyn Home) {
    let Some(exchange) = shared.borrow_mut().take() else {
        return;
    };
    match exchange.wire.end_apart() {
        Parting::Keep(link, unread) => home.go_on(link, unread),
        Parting::Close => {}
        Parting::Linger(link) => home.linger(link),
    }
}

/// One request under way.
pub(crate) struct Exchange<'buf> {
    pub(crate) wire: Wire<'buf>,
    output: &'buf mut [u8],
    /// The content that gathers: `output[pending]`, with room for a header in front.
    pending: Range<usize>,
    stage: Stage,
    status: u16,
    fields: usize,
    /// The request is a HEAD.
    is_head: bool,
    /// The answer has no body, whatever is written: HEAD, 204, 304.
    bodiless: bool,
    /// The Content-Length, where one is known.
    declared: Option<u64>,
    /// How much of the body was written, whether it was sent or not.
    written: u64,
    /// The first refused field or status, told by `send` and `stream`.
    refused: Option<Error>,
    /// Of an error page: in how many seconds a 503 asks to try again.
    retry_after: Option<u64>,
    /// Something of the answer has left.
    on_wire: bool,
    /// A Location is among the fields.
    has_location: bool,
    /// X-Accel-Buffering, by which nginx gathers the body or does not, is among the fields.
    has_buffering: bool,
    /// An authorizer denies: status 200 would grant.
    pub(crate) is_denial: bool,
    /// How much of `output` was touched.
    high: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    /// The whole body is written.
    Whole,
}

/// In seconds: where nobody knows when it is worth asking again.
const RETRY_AFTER: u64 = 5;

/// Room for the longest status line: `Status: 511 Network Authentication Required`.
const STATUS_ROOM: usize = 48;
const FIELDS_START: usize = HEADER_LEN + STATUS_ROOM;

/// Padding of the last record, the end of stdout, END_REQUEST.
const TAIL_ROOM: usize = 7 + HEADER_LEN + EndRequest::RECORD_LEN;

impl<'buf> Exchange<'buf> {
    #[inline(always)]
    pub(crate) fn new(wire: Wire<'buf>, output: &'buf mut [u8], is_head: bool) -> Exchange<'buf> {
        Exchange {
            wire,
            output,
            pending: FIELDS_START..FIELDS_START,
            stage: Stage::Head,
            status: 200,
            fields: 0,
            is_head,
            bodiless: is_head,
            declared: None,
            written: 0,
            refused: None,
            retry_after: None,
            on_wire: false,
            has_location: false,
            has_buffering: false,
            is_denial: false,
            high: 0,
        }
    }

    /// Answers with this body, all of it.
    ///
    /// # Errors
    /// As `begin_body` and `write_body`.
    pub(crate) fn answer(&mut self, body: &[u8]) -> Result {
        if self.answer_at_once(body) {
            return Ok(());
        }
        self.begin_body(Some(body.len() as u64))?;
        self.write_body(body)?;
        self.close_body();
        Ok(())
    }

    /// As `answer`, of a small body with a plain 200, which is nearly every one. `false` if the answer is of another kind:
    /// then nothing is changed.
    #[inline(always)]
    fn answer_at_once(&mut self, body: &[u8]) -> bool {
        const OK: [u8; 16] = *b"Status: 200 OK\r\n";
        const NAME: [u8; 16] = *b"Content-Length: ";
        const ENDS: [u8; 4] = *b"\r\n\r\n";
        let is_odd = self.is_head | self.is_denial | self.has_location | self.retry_after.is_some();
        if is_odd || self.status != 200 || self.declared.is_some() || self.refused.is_some() {
            return false;
        }
        let length = body.len() as u64;
        let Some((digits, count)) = in_eight(length) else {
            return false;
        };
        let Range { start, end } = self.pending;
        let fields = end - start + NAME.len() + count + 2;
        if self.fields >= MAX_FIELDS || fields > LARGE_RESPONSE_HEAD {
            return false;
        }
        let before = start - OK.len();
        let most = NAME.len() + digits.len() + ENDS.len() + body.len() + TAIL_ROOM;
        let room = self.output.get_mut(before..end + most);
        let Some((for_ok, rest)) = room.and_then(|room| room.split_first_chunk_mut()) else {
            return false;
        };
        let behind = rest.get_mut(end - start..);
        let Some((for_name, rest)) = behind.and_then(|rest| rest.split_first_chunk_mut()) else {
            return false;
        };
        let Some(for_digits) = rest.first_chunk_mut() else {
            return false;
        };
        *for_digits = digits;
        let behind = rest.get_mut(count..);
        let Some((for_ends, rest)) = behind.and_then(|rest| rest.split_first_chunk_mut()) else {
            return false;
        };
        (*for_ok, *for_name, *for_ends) = (OK, NAME, ENDS);
        if let Some(for_body) = rest.get_mut(..body.len()) {
            for_body.copy_from_slice(body);
        }
        self.pending = before..start + fields + 2 + body.len();
        self.fields += 1;
        (self.declared, self.written, self.stage) = (Some(length), length, Stage::Whole);
        true
    }

    /// Writes body: gathers what is small, sends what is large from where it is.
    ///
    /// # Errors
    /// When it exceeds the declared length (what fits is written), or the connection fails.
    pub(crate) fn write_body(&mut self, body: &[u8]) -> io::Result<()> {
        let left = self
            .declared
            .map_or(u64::MAX, |declared| declared - self.written);
        let fits = usize::try_from(left).map_or(body.len(), |left| left.min(body.len()));
        self.written += fits as u64;
        if !self.bodiless {
            self.put(&body[..fits])?;
        }
        if fits < body.len() {
            let declared = self.declared.unwrap_or_default();
            return Err(io::Error::other(format!(
                "the body is longer than its Content-Length of {declared} bytes; the rest is not sent"
            )));
        }
        Ok(())
    }

    /// Writes what `source` gives as body, up to `length` bytes, by way of the room in which an answer gathers. Without a
    /// body nothing is read.
    ///
    /// # Errors
    /// When the source or the connection fails.
    pub(crate) fn write_from(&mut self, source: &mut dyn Read, length: u64) -> io::Result<()> {
        let mut left = if self.bodiless { 0 } else { length };
        while left > 0 {
            let room = self.output.len() - TAIL_ROOM - self.pending.end;
            if room == 0 {
                self.transmit(&[], false)?;
                continue;
            }
            let most = usize::try_from(left).map_or(room, |left| left.min(room));
            match source.read(&mut self.output[self.pending.end..][..most]) {
                Ok(0) => break,
                Ok(n) => {
                    self.pending.end += n;
                    self.written += n as u64;
                    left -= n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what `source` gives as body, each piece when it is there, and nothing beyond the Content-Length, if one was set.
    /// The head goes with the first piece: a source that fails at once is an error page.
    ///
    /// # Errors
    /// When the source or the connection fails, or the request was given up.
    #[cfg(feature = "http")]
    pub(crate) fn write_as_it_comes(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let length = self.declared.unwrap_or(u64::MAX);
        loop {
            let before = self.written;
            let is_read = false;
            self.write_from(&mut Piece { source, is_read }, length - before)?;
            if self.written == before {
                return Ok(());
            }
            self.flush_piece()?;
        }
    }

    /// As `write_body`, for one piece of many.
    pub(crate) fn write_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        self.wire.look_now_and_then()?;
        self.write_body(piece)
    }

    /// As `flush`, for a handler that writes on: it is told if nobody listens.
    ///
    /// # Errors
    /// When the request was given up meanwhile, or the connection fails.
    pub(crate) fn flush_piece(&mut self) -> io::Result<()> {
        self.wire.look_for_abort()?;
        self.flush()
    }

    /// Says that the body is whole: nothing more is written.
    pub(crate) fn close_body(&mut self) {
        self.stage = Stage::Whole;
    }

    /// Sends what has gathered, now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            Ok(())
        } else {
            self.transmit(&[], false)
        }
    }

    /// Text for the web server's log, as a record of its own.
    pub(crate) fn write_stderr(&mut self, text: &[u8]) -> io::Result<()> {
        let Some(id) = self.wire.request_id() else {
            return io::stderr().write_all(text);
        };
        for piece in text.chunks(MAX_CONTENT) {
            let header = RecordHeader::new(RecordType::Stderr, id, piece.len() as u16);
            let padding = &[0; 8][..header.padding as usize];
            self.wire
                .send(&mut [&header.encode(), piece, padding].map(IoSlice::new))?;
        }
        Ok(())
    }

    /// Whether an error can still become a page.
    pub(crate) fn can_change(&self) -> bool {
        !self.on_wire
    }

    /// The handler is done and all is well: sends the rest and the end.
    ///
    /// # Errors
    /// When there is no answer, or a body shorter than its Content-Length, or the connection fails.
    pub(crate) fn complete(&mut self) -> Result {
        if self.stage == Stage::Head {
            return Err(Error::new(500, "the handler returned without answering"));
        }
        if let Some(declared) = self.declared
            && self.written < declared
            && !self.bodiless
        {
            return Err(self.ended_early(declared));
        }
        self.transmit_end()?;
        Ok(())
    }

    #[cold]
    fn ended_early(&self, declared: u64) -> Error {
        let written = self.written;
        let why =
            format!("the body ended after {written} of the {declared} bytes of its Content-Length");
        Error::new(500, why)
    }

    /// Takes back what has gathered, for this error's page. Only while [`Exchange::can_change`].
    pub(crate) fn start_over(&mut self, error: &Error) {
        self.pending = FIELDS_START..FIELDS_START;
        (self.stage, self.status, self.fields) = (Stage::Head, error.status(), 0);
        (self.declared, self.written, self.refused) = (None, 0, None);
        (self.has_location, self.has_buffering) = (false, false);
        self.retry_after = Some(error.retry_after().unwrap_or(RETRY_AFTER));
    }

    /// Answers with a whole body of the library's own.
    pub(crate) fn complete_with(&mut self, content_type: &str, body: &str) -> Result {
        self.push_field(b"Content-Type", content_type.as_bytes());
        self.begin_body(Some(body.len() as u64))?;
        self.write_body(body.as_bytes())?;
        self.complete()
    }

    /// Ends a request that the web server gave up before the head has left: no page, but an end, as section 5.4 asks.
    ///
    /// An end of STDOUT without a head kills HAProxy 2.6, the one web server that was seen to give requests up.
    pub(crate) fn complete_aborted(&mut self) -> Result {
        self.pending = HEADER_LEN..HEADER_LEN;
        if let Some(id) = self.wire.request_id() {
            let end = EndRequest::record(id, ProtocolStatus::RequestComplete);
            self.wire.send(&mut [IoSlice::new(&end)])?;
        }
        Ok(())
    }

    /// What the access log tells of the answer. 499 if nothing of it has left, as nginx has it: nobody waited for it.
    pub(crate) fn sent(&self) -> Sent {
        Sent {
            status: if self.on_wire { self.status } else { 499 },
            bytes: if self.bodiless { 0 } else { self.written },
        }
    }

    /// Whether more than a few KiB of the worker's output were touched.
    pub(crate) fn touched_much(&self) -> bool {
        self.high > crate::buffer::KEPT
    }
}

/// What one read of a source gives.
#[cfg(feature = "http")]
struct Piece<'a> {
    source: &'a mut dyn Read,
    is_read: bool,
}

#[cfg(feature = "http")]
impl Read for Piece<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_read {
            return Ok(0);
        }
        let n = self.source.read(into)?;
        self.is_read = true;
        Ok(n)
    }
}
