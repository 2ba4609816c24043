//! What is known of a multiplexed connection, and what the records that come make of it. Called by `connection`, which has it
//! behind a lock. Nothing is sent from here: a short record that is to be sent is owed, and `connection` sends it.

use super::connection::Connection;
use super::queue::{Handed, MOST};
use super::reader::{Event, Reader};
use super::request::{HeadBytes, Request, Stage, Why};
use super::turn::Turn;
use super::{Hub, MOST_WAITING};
use crate::cgi::reason;
use crate::error::Error;
use crate::link::Kind;
use crate::net::sys::{now_ms, now_ns};
use crate::protocol::{
    BeginRequest, EndRequest, Fault, ProtocolStatus, RecordType, Role, append_record, unknown_type,
    values_result,
};
use crate::request_id::Ticket;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How many requests may begin on a connection once the server is to stop: a peer that never pauses must not keep it.
const AT_STOP: u32 = 32;

/// What is known of a multiplexed connection. While the connection waits in the accept loop, its `Link` keeps this.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) turn: Turn,
    /// Taken out by the thread that reads.
    pub(super) reader: Reading,
    pub(super) requests: Vec<Request>,
    /// The last serial that was given out.
    drawn: u64,
    pub(super) input: Input,
    /// Sending has failed, or an answer was cut: nobody can use the connection any more.
    pub(super) failed: Option<io::ErrorKind>,
    /// A request came without FCGI_KEEP_CONN: the connection is closed behind those that are under way.
    pub(super) close_after: bool,
    /// Some of a body that nobody wanted may still be on its way: a close that does not wait for it would be a reset, and
    /// lose the end of an answer.
    pub(super) body_pending: bool,
    /// An answer was cut: the connection is closed when the others are whole, or at this moment at the latest, in ms of the
    /// monotonic clock.
    pub(super) cut: Option<u64>,
    /// Requests that have begun since the server is to stop.
    at_stop: u32,
    /// Short records that are to be sent.
    pub(super) owed: Vec<u8>,
    pub(super) stall: Option<Stall>,
    /// Requests that were answered, and not counted yet in the connection's `Link`.
    pub(super) served: u32,
}

/// The reader, unless a thread has taken it; there at the beginning.
#[derive(Debug)]
pub(super) struct Reading(pub(super) Option<Box<Reader>>);

impl Default for Reading {
    fn default() -> Reading {
        Reading(Some(Box::default()))
    }
}

/// A body that is as long already as it may be, and of which more has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// Whose body it is.
    serial: u64,
    /// When that request fails if nobody reads, in ms of the monotonic clock.
    pub(super) until: u64,
}

/// Whether something can still come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Input {
    #[default]
    Open,
    /// The peer has closed its side.
    Ended,
    /// Nobody knows where the next record would begin.
    Broken(Fault),
    Failed(io::ErrorKind),
}

impl Input {
    /// Why a body that is not whole does not go on; `None` while it can.
    fn error(self) -> Option<io::Error> {
        match self {
            Input::Open => None,
            Input::Ended => Some(ended(
                "the web server closed the connection before the end of the request's body",
            )),
            Input::Broken(fault) => {
                let message = format!("the web server broke the FastCGI protocol: {fault:?}");
                Some(Error::new(400, message).into())
            }
            Input::Failed(kind) => Some(io::Error::new(kind, FAILED)),
        }
    }
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// So many bytes came, and their records were seen to.
    Came(usize),
    /// Nothing more is here now.
    Waits,
    /// What is here belongs to a body that is as long already as it may be.
    Stalled,
    /// Nothing more will come.
    Over,
}

impl State {
    pub(super) fn request(&mut self, serial: u64) -> Option<&mut Request> {
        self.requests.iter_mut().find(|r| r.serial == serial)
    }

    /// The request that has this id: one whose END_REQUEST has left has it no more.
    fn active(&mut self, id: u16) -> Option<&mut Request> {
        self.requests
            .iter_mut()
            .find(|r| r.id == id && r.is_active())
    }

    /// Whether the connection ends, now that nobody has a request of it. `served`: how many it has brought.
    pub(super) fn is_done(&self, reader: &Reader, served: u32, hub: &dyn Hub) -> bool {
        // At a stop, one that has brought no request yet is still waited for, for a moment; so is a request that has begun to
        // come.
        let is_last = hub.is_stopping() && served > 0 && !reader.is_beginning();
        let may_end = self.input != Input::Open || self.close_after || is_last;
        self.requests.is_empty() && !reader.has_rest() && may_end
    }

    /// What the connection waits for in the accept loop.
    pub(super) fn waits_for(&self, reader: &Reader, served: u32) -> Kind {
        let is_beginning = reader.is_beginning() || (served == 0 && reader.in_record());
        match self.requests.is_empty() {
            _ if reader.has_rest() => Kind::Ready,
            false => Kind::Head,
            true if is_beginning => Kind::Head,
            true if served == 0 => Kind::FirstByte,
            true => Kind::Idle,
        }
    }

    pub(super) fn take_back(&mut self, reader: Box<Reader>) {
        self.reader.0 = Some(reader);
        self.turn.give_back();
    }

    /// Does what the records that have come ask for. Requests whose heads are whole now are put into `handed`.
    pub(super) fn deliver(
        &mut self,
        reader: &mut Reader,
        connection: &Arc<Connection>,
        hub: &dyn Hub,
        handed: &mut Vec<Handed>,
    ) -> Flow {
        loop {
            let fault = match reader.next() {
                Event::More => return Flow::Came(0),
                Event::Begin(id, begin) => self.begin(id, begin, hub).err(),
                Event::Content(RecordType::Params, id, n) => {
                    let handed_over = self.params(id, reader.content(n), connection, hub);
                    handed.extend(handed_over);
                    reader.take(n);
                    None
                }
                Event::Content(of, id, n) => match self.body(of, id, reader.content(n), hub) {
                    Ok(0) => return Flow::Stalled,
                    Ok(n) => {
                        reader.take(n);
                        None
                    }
                    Err(fault) => Some(fault),
                },
                Event::End(RecordType::Params, id) => {
                    handed.extend(self.head_is_whole(id, false, connection));
                    None
                }
                Event::End(of, id) => self.stream_ended(of, id).err(),
                Event::Abort(id) => {
                    self.abort(id);
                    None
                }
                Event::GetValues(asked) => {
                    let (connections, requests) = hub.values();
                    self.owe(&values_result(&asked, connections, requests, true));
                    None
                }
                Event::UnknownType(number) => {
                    self.owe(&unknown_type(number));
                    None
                }
                Event::Fault(fault) => {
                    let answer = hub.strangers().turn_away(fault);
                    // The answer is one in http: not for a peer that has spoken FastCGI before.
                    if let Some(answer) = answer.filter(|_| !reader.speaks_fastcgi) {
                        self.owed.extend_from_slice(answer);
                    }
                    self.input_is_over(Input::Broken(fault));
                    return Flow::Over;
                }
            };
            if let Some(fault) = fault {
                hub.strangers().turn_away(fault);
                self.input_is_over(Input::Broken(fault));
                return Flow::Over;
            }
        }
    }

    /// A request begins, or is refused at once.
    fn begin(&mut self, id: u16, begin: BeginRequest, hub: &dyn Hub) -> Result<(), Fault> {
        if self.active(id).is_some() {
            return Err(Fault::BeginTwice);
        }
        self.close_after |= !begin.keep_conn;
        let role = Role::from_number(begin.role).filter(|&role| hub.has_role(role));
        let Some(role) = role else {
            hub.strangers().refuse_role(begin.role);
            self.body_pending = true;
            self.owe(&EndRequest::record(id, ProtocolStatus::UnknownRole));
            return Ok(());
        };
        self.at_stop += u32::from(hub.is_stopping());
        let ahead = self.requests.iter().filter(|r| r.is_ahead()).count();
        let is_full = ahead >= MOST_WAITING;
        let is_closing = self.at_stop > AT_STOP || self.cut.is_some();
        let queue = hub.queue().filter(|_| !is_full && !is_closing);
        let Some(queue) = queue.filter(|_| self.requests.try_reserve(1).is_ok()) else {
            if is_full {
                tell_many(hub);
            }
            self.body_pending = true;
            self.owe(&page(id, 503));
            return Ok(());
        };
        let (now, head) = (now_ms(), HeadBytes::new(&queue.head_bytes));
        self.drawn += 1;
        self.requests
            .push(Request::new(self.drawn, id, role, now, head));
        hub.ring_at(now.saturating_add(in_ms(hub.limits().head_timeout)));
        Ok(())
    }

    /// Some bytes of PARAMS. A request whose params are too large is handed over as it is, to be refused.
    fn params(
        &mut self,
        id: u16,
        bytes: &[u8],
        connection: &Arc<Connection>,
        hub: &dyn Hub,
    ) -> Option<Handed> {
        let request = self.active(id)?;
        let serial = request.serial;
        let Stage::Head(head) = &mut request.stage else {
            return None;
        };
        if head.bytes().len() + bytes.len() > hub.limits().max_params {
            return self.head_is_whole(id, true, connection);
        }
        let is_much = head.of_all() + bytes.len() > hub.limits().max_waiting_heads;
        if is_much && let Some(queue) = hub.queue() {
            queue.told_many_heads.warn(|| {
                "a request is refused: the heads that wait exceed max_waiting_heads".into()
            });
        }
        if is_much || head.push(bytes).is_err() {
            self.refuse(serial, 503);
        }
        None
    }

    /// A request is ready for a worker: PARAMS have ended, or are too large.
    fn head_is_whole(
        &mut self,
        id: u16,
        is_too_large: bool,
        connection: &Arc<Connection>,
    ) -> Option<Handed> {
        let request = self.active(id)?;
        let Stage::Head(head) = &mut request.stage else {
            return None;
        };
        let head = head.take();
        request.stage = Stage::Waiting;
        // Section 6.3, and as seen: an authorizer is sent no STDIN record at all, not even the empty one.
        request.stdin.has_ended |= request.role == Role::Authorizer;
        if is_too_large {
            request.drop_rest(Why::Unwanted);
        }
        Some(Handed {
            connection: Arc::clone(connection),
            serial: request.serial,
            id,
            role: request.role,
            head,
            is_too_large,
            ticket: Ticket::draw(now_ns()),
        })
    }

    /// Some bytes of STDIN or DATA. How many were taken; 0 if there is no room for any.
    fn body(
        &mut self,
        of: RecordType,
        id: u16,
        bytes: &[u8],
        hub: &dyn Hub,
    ) -> Result<usize, Fault> {
        let limits = hub.limits();
        let most = limits.mpx_body;
        let Some(request) = self.active(id) else {
            return Ok(bytes.len());
        };
        if of == RecordType::Stdin && matches!(request.stage, Stage::Head(_)) {
            return Err(Fault::StdinBeforeParamsEnd);
        }
        let serial = request.serial;
        let Some(stream) = request.stream(of) else {
            return Ok(bytes.len());
        };
        let room = most.saturating_sub(stream.len()).min(bytes.len());
        if room == 0 {
            let until = now_ms().saturating_add(in_ms(limits.mpx_stall));
            self.stall = Some(Stall { serial, until });
            self.turn.set_stalled(true);
            return Ok(0);
        }
        if stream.push(&bytes[..room]).is_err() {
            request.drop_rest(Why::NoMemory);
        }
        Ok(room)
    }

    /// STDIN or DATA has ended.
    fn stream_ended(&mut self, of: RecordType, id: u16) -> Result<(), Fault> {
        let Some(request) = self.active(id) else {
            return Ok(());
        };
        if of == RecordType::Stdin && matches!(request.stage, Stage::Head(_)) {
            return Err(Fault::StdinBeforeParamsEnd);
        }
        if let Some(stream) = request.stream(of) {
            stream.has_ended = true;
        }
        Ok(())
    }

    /// The web server has given a request up.
    fn abort(&mut self, id: u16) {
        let Some(request) = self.active(id) else {
            return;
        };
        if !request.is_ahead() {
            request.aborted = true;
            return;
        }
        // No handler has seen it, and none has to.
        let serial = request.serial;
        let end = EndRequest::record(id, ProtocolStatus::RequestComplete);
        self.answer(serial, &end);
    }

    /// Answers a request that no worker has with a page of this status.
    pub(super) fn refuse(&mut self, serial: u64, status: u16) {
        let Some(id) = self.request(serial).map(|request| request.id) else {
            return;
        };
        self.answer(serial, &page(id, status));
    }

    /// Ends a request that no worker has with this answer.
    fn answer(&mut self, serial: u64, answer: &[u8]) {
        self.requests.retain(|request| request.serial != serial);
        self.served = self.served.saturating_add(1);
        self.body_pending = true;
        self.owe(answer);
    }

    /// Refuses the requests whose heads are not whole yet: the connection is about to close.
    pub(super) fn refuse_heads(&mut self) {
        let heads = self.requests.iter();
        let heads = heads.filter(|request| matches!(request.stage, Stage::Head(_)));
        for serial in heads.map(|request| request.serial).collect::<Vec<u64>>() {
            self.refuse(serial, 503);
        }
    }

    /// A request is over: its END_REQUEST is about to leave, or never will.
    pub(super) fn finish(&mut self, serial: u64) {
        if let Some(request) = self.request(serial) {
            request.stage = Stage::Ended;
            request.drop_rest(Why::Unwanted);
        }
        self.unstall(serial);
    }

    /// The connection is not held up any more, if it was by this request.
    pub(super) fn unstall(&mut self, serial: u64) {
        if self.stall.is_some_and(|stall| stall.serial == serial) {
            self.stall = None;
            self.turn.set_stalled(false);
        }
    }

    /// Adds records to those that `connection` is to send.
    fn owe(&mut self, records: &[u8]) {
        // Where there is no memory the peer waits for it in vain. That is its loss: the answers of handlers do not come this
        // way.
        if self.owed.try_reserve(records.len()).is_ok() {
            self.owed.extend_from_slice(records);
        }
    }

    /// Nothing more comes. Requests whose heads are not whole never will be.
    pub(super) fn input_is_over(&mut self, input: Input) {
        self.input = input;
        self.turn.end();
        self.requests
            .retain(|request| !matches!(request.stage, Stage::Head(_)));
    }

    /// Moves what there is of a request's stream into `into`. How many bytes, or why nothing more comes; `None` if there is
    /// nothing yet. `most` is the limit `mpx_body`, for the message.
    pub(super) fn pour(
        &mut self,
        serial: u64,
        of: RecordType,
        into: &mut [u8],
        most: usize,
    ) -> Option<io::Result<usize>> {
        let Some(request) = self.request(serial) else {
            return Some(Ok(0));
        };
        if request.aborted {
            return Some(Err(ended("the web server gave the request up")));
        }
        if let Some(why) = request.dropped {
            return Some(why.outcome(most));
        }
        let stream = match of {
            RecordType::Data => &mut request.data,
            _ => &mut request.stdin,
        };
        if stream.len() > 0 {
            let n = stream.pour(into);
            self.unstall(serial);
            return Some(Ok(n));
        }
        if stream.has_ended {
            return Some(Ok(0));
        }
        let has_failed = || self.failed.map(|_| ended(FAILED));
        self.input.error().or_else(has_failed).map(Err)
    }

    /// Ends what has taken too long, but for a connection with an answer that was cut. When to look again.
    pub(super) fn expire(&mut self, now: u64, hub: &dyn Hub) -> Option<u64> {
        if let Some(stall) = self.stall.filter(|stall| stall.until <= now) {
            if let Some(request) = self.request(stall.serial) {
                request.drop_rest(Why::Stalled);
            }
            self.unstall(stall.serial);
            if let Some(queue) = hub.queue() {
                queue.told_stalled.warn(|| {
                    "a request has failed: more than mpx_body bytes of its body waited for longer than mpx_stall, and held \
                     up the other requests of its connection".into()
                });
            }
        }
        let limit = in_ms(hub.limits().head_timeout);
        let is_head = |request: &&Request| matches!(request.stage, Stage::Head(_));
        let late: Vec<u64> = self
            .requests
            .iter()
            .filter(is_head)
            .filter(|request| request.since.saturating_add(limit) <= now)
            .map(|request| request.serial)
            .collect();
        for serial in late {
            hub.give_up(Kind::Head);
            self.refuse(serial, 408);
        }
        let heads = self.requests.iter().filter(is_head);
        let heads = heads.map(|request| request.since.saturating_add(limit));
        let stall = self.stall.map(|stall| stall.until);
        let cut = self.cut.filter(|&until| until > now);
        heads.chain(stall).chain(cut).min()
    }
}

/// Tells the log, now and then, that requests are refused since too many wait.
pub(super) fn tell_many(hub: &dyn Hub) {
    if let Some(queue) = hub.queue() {
        queue.told_many.warn(|| {
            format!(
                "a request is answered 503: {MOST_WAITING} of its connection wait for a worker, or {MOST} in all"
            )
        });
    }
}

pub(super) const FAILED: &str = "the connection of the request has failed";

pub(super) fn ended(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

/// A whole answer without a handler: a status, a page of plain text, END_REQUEST.
fn page(id: u16, status: u16) -> Vec<u8> {
    let reason = reason(status);
    let retry = match status {
        503 => "Retry-After: 5\r\n",
        _ => "",
    };
    let body = format!("{status} {reason}\n");
    let content = format!(
        "Status: {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n{retry}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut records = Vec::new();
    append_record(RecordType::Stdout, id, content.as_bytes(), &mut records);
    append_record(RecordType::Stdout, id, b"", &mut records);
    records.extend_from_slice(&EndRequest::record(id, ProtocolStatus::RequestComplete));
    records
}

pub(super) fn in_ms(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
