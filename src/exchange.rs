//! One request under way: the wire that it came by, and its answer as it is made.
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
use crate::cgi::{Illegal, check_field, check_value, is_bodiless, reason};
use crate::decimal::Decimal;
use crate::error::{Error, Result};
use crate::limits::{LARGE_RESPONSE_HEAD, MAX_FIELDS, MAX_RESPONSE_HEAD};
use crate::link::{Kind, Link, Waiting};
use crate::protocol::{
    EndRequest, HEADER_LEN, MAX_CONTENT, ProtocolStatus, RecordHeader, RecordType,
};
use crate::wire::{Parting, Wire};
use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::ops::Range;

/// What a request and its response share; `None` once the answer is finished.
pub(crate) type Shared<'buf> = RefCell<Option<Exchange<'buf>>>;

/// Takes connections back: the accept loop.
pub(crate) trait Home: Sync {
    /// A connection waits.
    fn park(&self, waiting: Waiting);
    /// A connection goes on, with these bytes of it that nobody looked at.
    fn go_on(&self, link: Link, unread: Vec<u8>);
    /// Closes our side and reads what is still to come, so that the answer is not lost.
    fn linger(&self, link: Link);
    /// A connection has waited for this too long, and is closed.
    fn give_up(&self, kind: Kind);
    /// A connection that has something to read now, if there is one.
    fn other(&self) -> Option<Waiting>;
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
    declared: Option<u64>,
    written: u64,
    /// The first refused field or status, told by `send` and `stream`.
    refused: Option<Error>,
    /// It is an error page: a 503 says in how many seconds to try again.
    retry_after: Option<u64>,
    /// Something of the answer has left.
    on_wire: bool,
    /// A Location is among the fields.
    has_location: bool,
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
            is_denial: false,
            high: 0,
        }
    }

    pub(crate) fn set_status(&mut self, status: u16) {
        if (200..600).contains(&status) {
            self.status = status;
        } else {
            // 1xx as a final status breaks every web server that was tried; 99 is a 502, or passed on.
            self.refuse(|| format!("status {status} is refused: it is not in 200–599"));
        }
    }

    pub(crate) fn add_field(&mut self, name: &str, value: &[u8]) {
        if let Err(why) = check_field(name.as_bytes(), value) {
            return self.refuse_field(name, why);
        }
        if name.eq_ignore_ascii_case("content-length") {
            return self.declare(value);
        }
        self.push_field(name.as_bytes(), value);
    }

    /// Adds a field whose name is the library's own, and whose value is not.
    pub(crate) fn add_known_field(&mut self, name: &str, value: &[u8]) {
        match check_value(value) {
            Ok(()) => self.push_field(name.as_bytes(), value),
            Err(why) => self.refuse_field(name, why),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The value of the first field of this name in the head so far.
    pub(crate) fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let line = &self.output[self.find_field(name)?];
        Some(&line[name.len() + 2..line.len() - 2])
    }

    /// Adds a field of the library's own, whose value is legal, in place of all of its name.
    pub(crate) fn replace_field(&mut self, name: &[u8], value: &[u8]) {
        self.remove_fields(name);
        self.push_field(name, value);
    }

    pub(crate) fn remove_fields(&mut self, name: &[u8]) {
        while let Some(line) = self.find_field(name) {
            self.output
                .copy_within(line.end..self.pending.end, line.start);
            self.pending.end -= line.len();
            self.fields -= 1;
        }
    }

    /// Takes a Content-Length back: whoever sends the body in our place says how long it is.
    pub(crate) fn forget_length(&mut self) {
        self.declared = None;
    }

    /// Asks nginx not to gather the body; whoever else gets it passes it on, and browsers do not know it. The
    /// application's own word counts, and no answer is refused for it.
    pub(crate) fn ask_not_to_buffer(&mut self) {
        const NAME: &[u8] = b"X-Accel-Buffering";
        let fits = self.fields < MAX_FIELDS && self.pending.len() + 32 <= LARGE_RESPONSE_HEAD;
        if fits && self.find_field(NAME).is_none() {
            self.push_field(NAME, b"no");
        }
    }

    /// Closes the head, with a Content-Length if one is known: what is written now is the body.
    ///
    /// # Errors
    /// What was refused since the response began.
    pub(crate) fn begin_body(&mut self, length: Option<u64>) -> Result {
        self.bodiless = self.is_head || is_bodiless(self.status);
        if let Some(length) = length {
            match self.declared {
                Some(declared) if declared != length && !self.bodiless => {
                    self.refuse(|| {
                        format!("Content-Length {declared} is refused: the body has {length} bytes")
                    });
                }
                Some(_) => {}
                None => self.declared = Some(length),
            }
        }
        if self.is_denial && self.status == 200 {
            self.refuse(|| "a denial with status 200 is refused: it would grant".into());
        }
        if self.has_location && self.status == 200 {
            // mod_fcgid 2.3.9 serves the page of that path itself then, without a word; HAProxy 2.6.12 makes a 302 of it.
            self.refuse(|| {
                "a Location with status 200 is refused: web servers take it for different things; \
                 use `Response::redirect`, or set the status"
                    .into()
            });
        }
        if let Some(seconds) = self.retry_after
            && self.status == 503
            && self.find_field(b"Retry-After").is_none()
        {
            self.push_field(b"Retry-After", Decimal::of(seconds).as_bytes());
        }
        if let Some(length) = self.declared
            && !is_bodiless(self.status)
        {
            self.push_field(b"Content-Length", Decimal::of(length).as_bytes());
        }
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        self.close_head();
        self.stage = Stage::Body;
        Ok(())
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

    /// As `write_body`, for one piece of many.
    pub(crate) fn write_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        self.wire.look_now_and_then()?;
        self.write_body(piece)
    }

    /// As `flush`, between two pieces.
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
            let written = self.written;
            return Err(Error::new(
                500,
                format!(
                    "the body ended after {written} of the {declared} bytes of its Content-Length"
                ),
            ));
        }
        self.transmit(&[], true)?;
        Ok(())
    }

    /// Takes back what has gathered, for this error's page. Only while [`Exchange::can_change`].
    pub(crate) fn start_over(&mut self, error: &Error) {
        self.pending = FIELDS_START..FIELDS_START;
        (self.stage, self.status, self.fields) = (Stage::Head, error.status(), 0);
        (self.declared, self.written, self.refused) = (None, 0, None);
        self.has_location = false;
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

    /// Where the first field of this name stands in the head, with its end of line.
    fn find_field(&self, name: &[u8]) -> Option<Range<usize>> {
        if self.stage != Stage::Head {
            return None;
        }
        let mut at = self.pending.start;
        loop {
            let lines = &self.output[at..self.pending.end];
            // A value has no end of line.
            let len = lines.iter().position(|&byte| byte == b'\n')? + 1;
            if lines.get(name.len()) == Some(&b':')
                && lines[..name.len()].eq_ignore_ascii_case(name)
            {
                return Some(at..at + len);
            }
            at += len;
        }
    }

    fn declare(&mut self, value: &[u8]) {
        let number = std::str::from_utf8(value)
            .ok()
            .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
        match (number.and_then(|v| v.parse().ok()), self.declared) {
            (None, _) => self.refuse(|| "Content-Length is refused: its value is no number".into()),
            (Some(length), None) => self.declared = Some(length),
            (Some(length), Some(declared)) if length != declared => {
                self.refuse(|| format!("two Content-Lengths are refused: {declared} and {length}"));
            }
            _ => {}
        }
    }

    fn push_field(&mut self, name: &[u8], value: &[u8]) {
        let len = name.len() + value.len() + 4;
        if self.fields == MAX_FIELDS {
            return self
                .refuse(|| format!("a response head of more than {MAX_FIELDS} fields is refused"));
        }
        let head = self.pending.len() + len;
        if head > MAX_RESPONSE_HEAD {
            return self.refuse(|| {
                format!("a response head of more than {MAX_RESPONSE_HEAD} bytes is refused")
            });
        }
        if head > LARGE_RESPONSE_HEAD && self.pending.len() <= LARGE_RESPONSE_HEAD {
            log::warn!(
                "a response head of more than {LARGE_RESPONSE_HEAD} bytes is a 502 behind nginx's smallest \
                 fastcgi_buffer_size"
            );
        }
        self.fields += 1;
        self.has_location |= name.eq_ignore_ascii_case(b"location");
        let field = &mut self.output[self.pending.end..][..len];
        let (field_name, rest) = field.split_at_mut(name.len());
        let (colon, rest) = rest.split_at_mut(2);
        let (field_value, line_end) = rest.split_at_mut(value.len());
        field_name.copy_from_slice(name);
        colon.copy_from_slice(b": ");
        field_value.copy_from_slice(value);
        line_end.copy_from_slice(b"\r\n");
        self.pending.end += len;
    }

    /// Writes the blank line, and the status line into the room in front of the fields.
    fn close_head(&mut self) {
        // HAProxy 2.6.12 makes a 302 of whatever status stands before a Location. It asks no authorizers, and lighttpd 1.4.69
        // drops what stands before a denial's status.
        if self.has_location && !self.is_denial {
            let (status, reason) = (Decimal::of(self.status.into()), reason(self.status));
            for part in [
                b"Status: ",
                status.as_bytes(),
                b" ",
                reason.as_bytes(),
                b"\r\n\r\n",
            ] {
                self.gather(part);
            }
            return;
        }
        self.gather(b"\r\n");
        const OK: &[u8; 16] = b"Status: 200 OK\r\n";
        if self.status == 200 {
            self.pending.start -= OK.len();
            self.output[self.pending.start..][..OK.len()].copy_from_slice(OK);
            return;
        }
        let (status, reason) = (self.status, reason(self.status).as_bytes());
        let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        for part in [b"\r\n", reason, b" ", &digits, b"Status: "] {
            let start = self.pending.start - part.len();
            self.output[start..self.pending.start].copy_from_slice(part);
            self.pending.start = start;
        }
    }

    fn refuse_field(&mut self, name: &str, why: Illegal) {
        let name = crate::slot::one_line(name);
        self.refuse(|| format!("the response header {} is refused: {}", name, why.text()));
    }

    /// Remembers the first reason.
    pub(crate) fn refuse(&mut self, why: impl FnOnce() -> String) {
        if self.refused.is_none() {
            self.refused = Some(Error::new(500, why()));
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.output.len() - TAIL_ROOM - self.pending.end;
        if bytes.len() <= room {
            self.gather(bytes);
            return Ok(());
        }
        self.transmit(bytes, false)
    }

    fn gather(&mut self, bytes: &[u8]) {
        self.output[self.pending.end..][..bytes.len()].copy_from_slice(bytes);
        self.pending.end += bytes.len();
    }

    /// Sends what has gathered, then `direct`, then, if it is the `end`, the end.
    fn transmit(&mut self, direct: &[u8], end: bool) -> io::Result<()> {
        self.on_wire = true;
        let Some(id) = self.wire.request_id() else {
            let pending = std::mem::replace(&mut self.pending, HEADER_LEN..HEADER_LEN);
            return self
                .wire
                .send(&mut [&self.output[pending], direct].map(IoSlice::new));
        };
        let gathered = self.frame(id, end && direct.is_empty());
        if direct.is_empty() {
            return self.wire.send_one(&self.output[gathered]);
        }
        let mut slices = Slices::new(
            id,
            &self.output[gathered],
            direct,
            end && !direct.is_empty(),
        );
        while !slices.is_done() {
            let mut list = [IoSlice::new(&[]); AT_ONCE];
            let n = slices.fill(&mut list);
            self.wire.send(&mut list[..n])?;
        }
        Ok(())
    }

    /// Puts header, padding and, if it is the end, the end around what has gathered.
    fn frame(&mut self, id: u16, end: bool) -> Range<usize> {
        let Range {
            mut start,
            end: mut stop,
        } = std::mem::replace(&mut self.pending, HEADER_LEN..HEADER_LEN);
        let content = stop - start;
        if content > 0 {
            let header = RecordHeader::new(RecordType::Stdout, id, content as u16);
            start -= HEADER_LEN;
            self.output[start..start + HEADER_LEN].copy_from_slice(&header.encode());
            self.output[stop..stop + header.padding as usize].fill(0);
            stop += header.padding as usize;
        }
        if end {
            self.output[stop..stop + END_LEN].copy_from_slice(&end_records(id));
            stop += END_LEN;
        }
        self.high = self.high.max(stop);
        start..stop
    }
}

const END_LEN: usize = HEADER_LEN + EndRequest::RECORD_LEN;

/// The empty STDOUT record and END_REQUEST.
fn end_records(id: u16) -> [u8; END_LEN] {
    let mut records = const {
        let mut records = [0; END_LEN];
        let (stdout, end) = records.split_at_mut(HEADER_LEN);
        stdout.copy_from_slice(&RecordHeader::new(RecordType::Stdout, 0, 0).encode());
        end.copy_from_slice(&EndRequest::record(0, ProtocolStatus::RequestComplete));
        records
    };
    for start in [0, HEADER_LEN] {
        records[start + 2..start + 4].copy_from_slice(&id.to_be_bytes());
    }
    records
}

/// A large slice as records, uncopied: header, content, header, content, …
struct Slices<'a> {
    gathered: &'a [u8],
    rest: &'a [u8],
    end: bool,
    /// The header of all full records, which are alike.
    full: [u8; HEADER_LEN],
    last: [u8; HEADER_LEN],
    end_records: [u8; END_LEN],
}

/// Slices for one system call, two for each record: it takes a MiB.
const AT_ONCE: usize = 40;

const PADDING: [u8; 8] = [0; 8];

impl<'a> Slices<'a> {
    fn new(id: u16, gathered: &'a [u8], direct: &'a [u8], end: bool) -> Slices<'a> {
        let header = |len: usize| RecordHeader::new(RecordType::Stdout, id, len as u16).encode();
        Slices {
            gathered,
            rest: direct,
            end,
            full: header(MAX_CONTENT),
            last: header(direct.len() % MAX_CONTENT),
            end_records: end_records(id),
        }
    }

    fn is_done(&self) -> bool {
        self.gathered.is_empty() && self.rest.is_empty() && !self.end
    }

    /// Puts the next slices into `list`. Their number.
    fn fill<'s>(&'s mut self, list: &mut [IoSlice<'s>; AT_ONCE]) -> usize {
        let mut n = 0;
        let mut push = |bytes: &'s [u8]| {
            if !bytes.is_empty() {
                list[n] = IoSlice::new(bytes);
                n += 1;
            }
            n
        };
        push(std::mem::take(&mut self.gathered));
        while !self.rest.is_empty() && push(&[]) + 4 <= AT_ONCE {
            let (content, rest) = self.rest.split_at(self.rest.len().min(MAX_CONTENT));
            self.rest = rest;
            push(if content.len() == MAX_CONTENT {
                &self.full
            } else {
                &self.last
            });
            push(content);
            push(&PADDING[..content.len().wrapping_neg() & 7]);
        }
        if self.rest.is_empty() && std::mem::take(&mut self.end) {
            push(&self.end_records);
        }
        n
    }
}
