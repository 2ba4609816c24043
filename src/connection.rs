//! One connection, request after request: the one place where the parts meet.
//!
//! A worker calls [`Worker::serve`] with a connection that has something to read, and gets it back only as an entry of
//! the accept loop. On the way: read a head, freeze the front, call the handler, end the answer, and see whether the
//! connection goes on.
//!
//! One rule for the end: `Ok` ends the answer; an error or panic before its head is on the wire becomes a page of its
//! status; after that the connection is cut without END_REQUEST, so that we never vouch for half a page.

use crate::access_line;
use crate::buffer::{Buffers, KEPT, Parts, WINDOW};
use crate::cgi::{Known, reason};
use crate::error::Error;
use crate::exchange::{Exchange, Home, Shared};
use crate::front::{Front, Frozen};
use crate::hint::{explained, of_panic};
use crate::limits::Limits;
use crate::link::{Head, Kind, Link, TooLarge, Waiting};
use crate::net::Pipes;
use crate::net::sys::{now_ms, now_ns};
use crate::page::{TEXT, error_page};
use crate::protocol::{
    EndRequest, Event, ProtocolStatus, Role, encode_pair, unknown_type, values_result,
};
use crate::request::Request;
use crate::request_id::Ticket;
use crate::response::Response;
use crate::setup::Setup;
use crate::slot::{Seconds, Slot, one_line, printable};
use crate::status::{Snapshot, StatusPage, is_json};
use crate::stranger::Strangers;
use crate::visitor::Visitor;
use crate::wire::{Ending, Wire};
use log::Level;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{fmt, io};

/// After so many requests in a row a connection lets others go first.
const IN_A_ROW: u32 = 32;

/// After so many misses in a row a kept connection is not looked at again before it is parked; but now and then one is,
/// to see whether that has changed. A look is a system call of five, if it is in vain, and saves three if not.
const MISSES: u32 = 8;
const RETRY: u32 = 64;

/// What the monotonic clock counts in, in what limits do.
const NS_PER_MS: u64 = 1_000_000;

/// How often a lingering connection is read from in one go.
const DRAIN_READS: usize = 64;

/// How many bytes are read in one go before a head is whole: records that are nobody's could go on for ever, and the
/// others wait.
const HEAD_BYTES: usize = 1 << 20;

/// The application, as one worker calls it.
pub(crate) trait Handle {
    fn has_role(&self, role: Role) -> bool;
    /// Runs the handler, contained: a panic is a failure too.
    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure>;
    /// Is told why a request failed, before the visitor is.
    fn failed(&mut self, failure: &Failure);
    /// Runs the application's own error page, contained. `None` if it has none.
    fn error_page(
        &self,
        _error: &Error,
        _request: &Request<'_>,
        _response: Response<'_>,
    ) -> Option<Result<(), Failure>> {
        None
    }
}

/// Why a handler did not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(Error),
    /// Where and with which words.
    Panic(String),
}

/// A worker's own: its memory, its view of the application, its slot.
pub(crate) struct Worker<'w> {
    pub(crate) buffers: Buffers,
    pub(crate) handler: Box<dyn Handle + 'w>,
    pub(crate) home: &'w dyn Home,
    pub(crate) limits: &'w Limits,
    pub(crate) setup: &'w Setup,
    pub(crate) slot: &'w Slot,
    pub(crate) strangers: &'w Strangers,
    /// What GET_VALUES is answered with: connections, requests.
    pub(crate) values: (usize, usize),
    /// Is told how long each request takes.
    pub(crate) pace: &'w dyn Pace,
    /// Knows what the status page says; `None` where there is no such page.
    pub(crate) overview: Option<&'w dyn Overview>,
    /// How often in a row a kept connection had no next request yet: `0 <= misses <= MISSES + RETRY`.
    pub(crate) misses: u32,
}

/// Is told how long each request took.
pub(crate) trait Pace {
    fn note(&self, time: Duration);
}

/// Sees all workers.
pub(crate) trait Overview: Sync {
    fn snapshot(&self) -> Snapshot;
}

/// What reading a head came to.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Whole,
    /// Nothing more is here now.
    Waits,
    /// The peer has closed, or broke the protocol: nothing is owed.
    Over,
    /// A request was refused on a connection that does not go on.
    Refused,
    /// The params exceed their limit.
    TooLarge,
}

impl Worker<'_> {
    /// Serves a connection for as long as it has something to say, and others after it.
    pub(crate) fn serve(&mut self, waiting: Waiting) {
        let mut next = Some(waiting);
        while let Some(waiting) = next {
            next = match waiting.kind {
                Kind::Linger | Kind::Ended => self.drain(waiting),
                _ => self.requests(waiting),
            };
        }
    }

    /// Request after request. Gives another connection if that one's turn has come.
    fn requests(&mut self, waiting: Waiting) -> Option<Waiting> {
        let Waiting {
            link,
            mut head,
            mut block,
            ..
        } = waiting;
        // Where it stays while it is ours. An answer that is finished early takes it away.
        let mut place = Some(link);
        for turn in 1_u32.. {
            let mut refusal = None;
            let link = place.as_mut()?;
            match self.read_head(link, &mut head, &mut block) {
                Reading::Whole if turn > 1 => self.misses = 0,
                Reading::Whole => {}
                Reading::Waits => {
                    self.misses += u32::from(turn > 1);
                    self.park(place?, head, block);
                    return None;
                }
                Reading::Over => return None,
                Reading::Refused => {
                    self.home.linger(place?);
                    return None;
                }
                Reading::TooLarge => {
                    // What is left of the head is not read: the connection cannot go on.
                    link.sequence.refuse_head();
                    head = Head::default();
                    refusal = Some((
                        431,
                        format!(
                            "the params exceed max_params, {} bytes",
                            self.limits.max_params
                        ),
                    ));
                }
            }
            block = Vec::new();
            let ticket = Ticket::draw(now_ns());
            match self.answer(&mut place, &head, refusal, ticket)? {
                Ending::Close => return None,
                Ending::Linger => {
                    self.home.linger(place?);
                    return None;
                }
                Ending::Keep(unread) => head = Head::of(self.buffers.carry(unread)),
            }
            if head.filled == 0 && self.home.is_stopping() {
                let link = place?;
                if link.body_pending {
                    self.home.linger(link);
                }
                return None;
            }
            if head.filled == 0 && self.is_look_in_vain() {
                self.park(place?, head, block);
                return None;
            }
            if turn.is_multiple_of(IN_A_ROW) && self.home.is_stopping() {
                // A peer that never pauses must not keep us, and what it sends has no end that could be waited for.
                return None;
            }
            if turn.is_multiple_of(IN_A_ROW)
                && let Some(other) = self.home.other()
            {
                let link = place?;
                match head.filled {
                    0 => self.park(link, head, block),
                    filled => {
                        if let Some(unread) = copied(&self.buffers.head()[..filled]) {
                            self.home.go_on(link, unread);
                        }
                    }
                }
                return Some(other);
            }
        }
        None
    }

    /// Whether a kept connection is likely to have no next request yet.
    fn is_look_in_vain(&mut self) -> bool {
        if self.misses < MISSES {
            return false;
        }
        self.misses += 1;
        if self.misses == MISSES + RETRY {
            self.misses = MISSES;
        }
        self.misses != MISSES
    }

    /// Reads a head where it belongs: into the worker's buffer, or on in the block where its first part waited; then
    /// it is moved over when it is whole.
    fn read_head(&mut self, link: &mut Link, head: &mut Head, block: &mut Vec<u8>) -> Reading {
        let reader = HeadReader {
            handler: &*self.handler,
            limits: self.limits,
            strangers: self.strangers,
            values: self.values,
        };
        if block.is_empty() {
            let reading = reader.read(link, head, &mut Room::Fixed(self.buffers.head()));
            if head.filled > KEPT {
                self.buffers.mark_large_input();
            }
            return reading;
        }
        let most = self.buffers.head().len();
        let reading = reader.read(link, head, &mut Room::Growing(block, most));
        if reading == Reading::Whole {
            self.buffers.head()[..head.filled].copy_from_slice(&block[..head.filled]);
            if head.filled > KEPT {
                self.buffers.mark_large_input();
            }
        }
        reading
    }

    /// A connection with nothing to read now waits: for its first byte or next request, or for the rest of a head.
    fn park(&mut self, mut link: Link, head: Head, mut block: Vec<u8>) {
        if head.filled == 0 {
            block = Vec::new();
        } else if block.is_empty() {
            let Some(copy) = copied(&self.buffers.head()[..head.filled]) else {
                return;
            };
            block = copy;
        }
        // Before its first request even a record that is nobody's has to come to its end; behind one it may be the rest of
        // a body, which takes the time that it takes.
        let is_first = link.served == 0 && link.sequence.in_record();
        let kind = if link.sequence.in_head() || head.filled > 0 || is_first {
            Kind::Head
        } else if link.served == 0 {
            Kind::FirstByte
        } else {
            Kind::Idle
        };
        // A head that dribbles in keeps the time limit that it began with.
        let now = now_ms();
        let since = match link.head_since {
            0 => now,
            since => since,
        };
        link.head_since = if kind == Kind::Head { since } else { 0 };
        let deadline =
            if kind == Kind::Head { since } else { now }.saturating_add(kind.limit(self.limits));
        if kind == Kind::Head && deadline <= now {
            // Bytes that never pause are seldom missing when the timer rings.
            return self.home.give_up(kind);
        }
        self.home.park(Waiting {
            link,
            kind,
            deadline,
            head,
            block,
        });
    }

    /// Answers the request whose head lies in the worker's buffer, with a `refusal` if that is what it deserves.
    /// `None`: the handler gave the connection in `place` back.
    fn answer(
        &mut self,
        place: &mut Option<Link>,
        head: &Head,
        refusal: Option<(u16, String)>,
        ticket: Ticket,
    ) -> Option<Ending> {
        let Parts {
            params,
            joined,
            window,
            spare,
            output,
        } = self.buffers.split(head.params.clone(), head.unread());
        let mut front = Front::freeze(
            params,
            joined,
            spare,
            self.limits,
            self.setup,
            refusal,
            ticket,
        );
        let refusal = front.refusal.take();
        let link = place.as_mut()?;
        link.head_since = 0;
        if matches!(refusal, Some((431, _))) {
            link.sequence.close_after();
        }
        let wire = Wire::records(place, window, front.spare, self.limits, self.values);
        let answered = answer(
            &front.request,
            refusal,
            wire,
            output,
            &mut *self.handler,
            Around {
                home: self.home,
                setup: self.setup,
                slot: self.slot,
                slow: self.limits.slow,
                overview: self.overview,
            },
        );
        self.pace.note(answered.took);
        if answered.large_input || front.touched {
            self.buffers.mark_large_input();
        }
        if answered.large_output {
            self.buffers.mark_large_output();
        }
        answered.ending
    }

    /// Reads away what a peer still sends after our side of the connection is closed.
    fn drain(&mut self, waiting: Waiting) -> Option<Waiting> {
        self.buffers.mark_large_input();
        for _ in 0..DRAIN_READS {
            match waiting
                .link
                .transport
                .recv(&mut self.buffers.head()[..WINDOW])
            {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => return None,
            }
        }
        // One that never pauses is seldom there when the timer rings.
        match waiting.deadline > now_ms() {
            true => self.home.park(waiting),
            false => self.home.give_up(waiting.kind),
        }
        None
    }
}

/// `None` if there is no memory: a peer decides how much it is.
fn copied(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}

/// Answers the one request of a CGI process, whose params are its environment.
pub(crate) fn serve_cgi(
    pipes: Pipes,
    environment: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    buffers: &mut Buffers,
    handler: &mut dyn Handle,
    limits: &Limits,
    setup: &Setup,
) {
    let ticket = Ticket::draw(now_ns());
    let mut params = Vec::new();
    environment.for_each(|(name, value)| encode_pair(&name, &value, &mut params));
    let mut refusal = None;
    if params.len() > limits.max_params {
        refusal = Some((
            431,
            format!(
                "the environment exceeds max_params, {} bytes",
                limits.max_params
            ),
        ));
        params.clear();
    }
    buffers.head()[..params.len()].copy_from_slice(&params);
    let Parts {
        params,
        joined,
        window,
        spare,
        output,
    } = buffers.split(0..params.len(), params.len()..params.len());
    let front = Front::freeze(params, joined, spare, limits, setup, refusal, ticket);
    let wire = Wire::plain(
        pipes,
        front.request.cgi_length(),
        window,
        front.spare,
        limits,
    );
    let around = Around {
        home: &NoHome,
        setup,
        slot: &Slot::default(),
        slow: limits.slow,
        overview: None,
    };
    answer(&front.request, front.refusal, wire, output, handler, around);
}

/// CGI's connection goes nowhere.
struct NoHome;

impl Home for NoHome {
    fn park(&self, _: Waiting) {}
    fn go_on(&self, _: Link, _: Vec<u8>) {}
    fn linger(&self, _: Link) {}
    fn give_up(&self, _: Kind) {}
    fn other(&self) -> Option<Waiting> {
        None
    }
    fn is_stopping(&self) -> bool {
        true
    }
}

/// Reads a head, and answers what comes between its records.
struct HeadReader<'r> {
    handler: &'r dyn Handle,
    limits: &'r Limits,
    strangers: &'r Strangers,
    values: (usize, usize),
}

/// Where a head is read to.
enum Room<'r> {
    Fixed(&'r mut [u8]),
    /// Grows by doubling, up to so many bytes.
    Growing(&'r mut Vec<u8>, usize),
}

impl Room<'_> {
    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Room::Fixed(bytes) => bytes,
            Room::Growing(block, _) => block,
        }
    }

    /// What is free behind `filled`, at most a window. `None` if it cannot grow: out of memory.
    fn free(&mut self, filled: usize) -> Option<&mut [u8]> {
        if let Room::Growing(block, most) = self
            && block.len() - filled < block.len() / 4 + 64
        {
            let more = block.len().max(256).min(*most - block.len());
            block.try_reserve_exact(more).ok()?;
            block.resize(block.len() + more, 0);
        }
        let bytes = &mut self.bytes()[filled..];
        let len = bytes.len().min(WINDOW);
        Some(&mut bytes[..len])
    }
}

impl HeadReader<'_> {
    fn read(&self, link: &mut Link, head: &mut Head, room: &mut Room<'_>) -> Reading {
        let mut came = 0;
        let max_params = self.limits.max_params;
        let is_responder = self.handler.has_role(Role::Responder);
        loop {
            let event = if head.filled == 0 {
                Event::More
            } else if is_responder && head.is_whole(&mut link.sequence, room.bytes(), max_params) {
                return Reading::Whole;
            } else {
                match head.next(&mut link.sequence, room.bytes(), max_params) {
                    Ok(event) => event,
                    Err(TooLarge) => return Reading::TooLarge,
                }
            };
            let sent = match event {
                Event::Head => return Reading::Whole,
                // What more there is makes the connection ready again as soon as it waits.
                Event::More if came >= HEAD_BYTES => return Reading::Waits,
                Event::More => {
                    let Some(free) = room.free(head.filled) else {
                        return Reading::Over;
                    };
                    match link.transport.recv(free) {
                        Ok(0) => return Reading::Over,
                        Ok(n) => {
                            head.filled += n;
                            came += n;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Reading::Waits;
                        }
                        Err(_) => return Reading::Over,
                    }
                    continue;
                }
                Event::Begin(role)
                    if Role::from_number(role).is_some_and(|role| self.handler.has_role(role)) =>
                {
                    continue;
                }
                Event::Begin(role) => {
                    self.strangers.refuse_role(role);
                    if let Some(reading) = end_early(link, ProtocolStatus::UnknownRole) {
                        return reading;
                    }
                    continue;
                }
                Event::Abort => {
                    // Otherwise a kept connection would wait as one whose head is not whole.
                    head.params = 0..0;
                    match end_early(link, ProtocolStatus::RequestComplete) {
                        Some(reading) => return reading,
                        None => continue,
                    }
                }
                Event::SecondBegin(id) => {
                    link.send_short(&EndRequest::record(id, ProtocolStatus::CantMpxConn))
                }
                Event::UnknownType(number) => link.send_short(&unknown_type(number)),
                Event::GetValues => {
                    let (connections, requests) = self.values;
                    let asked = link.sequence.take_management();
                    link.send_short(&values_result(&asked, connections, requests))
                }
                Event::Fault(fault) => {
                    // A peer that has spoken FastCGI before is not answered in http.
                    let speaks = link.sequence.speaks_fastcgi();
                    let answer = self.strangers.turn_away(fault).filter(|_| !speaks);
                    return match answer {
                        Some(answer) if link.send_short(answer) => Reading::Refused,
                        _ => Reading::Over,
                    };
                }
                Event::Params(_)
                | Event::Next
                | Event::Stdin(_)
                | Event::StdinEnd
                | Event::Data(_)
                | Event::DataEnd => continue,
            };
            if !sent {
                return Reading::Over;
            }
        }
    }
}

/// Ends a request whose head is not whole. What the connection comes to, if that is its end.
fn end_early(link: &mut Link, status: ProtocolStatus) -> Option<Reading> {
    let keep = link.sequence.keep_conn();
    let sent = link.send_short(&EndRequest::record(link.sequence.request_id(), status));
    link.sequence.end_request();
    link.served = link.served.saturating_add(1);
    match (sent, keep) {
        (false, _) => Some(Reading::Over),
        (true, false) => Some(Reading::Refused),
        (true, true) => None,
    }
}

/// What became of an answer.
struct Answered {
    /// `None` if the handler gave the connection back.
    ending: Option<Ending>,
    took: Duration,
    /// More than a few KiB of the worker's memory were touched.
    large_input: bool,
    large_output: bool,
}

/// What a request is answered in.
#[derive(Clone, Copy)]
struct Around<'w> {
    home: &'w dyn Home,
    setup: &'w Setup,
    slot: &'w Slot,
    slow: Duration,
    overview: Option<&'w dyn Overview>,
}

impl Around<'_> {
    /// What the status page says, if that is what this request asks for and its visitor may see it.
    fn status_page(&self, role: Role, method: &[u8], front: &Frozen<'_>) -> Option<Page> {
        let StatusPage { allow, .. } = &self.setup.status;
        let visitor = Visitor {
            params: &front.params,
            trusted: &self.setup.trusted_proxies,
        };
        let is_asked = self.setup.status.is_at(front.place.path)
            && role == Role::Responder
            && matches!(method, b"GET" | b"HEAD")
            && visitor.is_admitted(allow);
        let snapshot = self.overview.filter(|_| is_asked)?.snapshot();
        let query = front.params.known(Known::QueryString).unwrap_or_default();
        Some(match is_json(query, front.params.header("accept")) {
            true => ("application/json", snapshot.json()),
            false => (TEXT, snapshot.text()),
        })
    }
}

/// A type and a body.
type Page = (&'static str, String);

/// Runs the handler on a request, and ends its answer.
fn answer(
    front: &Frozen<'_>,
    refusal: Option<(u16, String)>,
    mut wire: Wire<'_>,
    output: &mut [u8],
    handler: &mut dyn Handle,
    around: Around<'_>,
) -> Answered {
    let began = front.ticket.began;
    wire.looked = began / NS_PER_MS;
    let method = front.params.known(Known::RequestMethod).unwrap_or(b"GET");
    let path = front.place.path;
    let role = wire.role();
    let id = front.ticket.id;
    let shared: Shared<'_> = RefCell::new(Some(Exchange::new(wire, output, method == b"HEAD")));
    let mut request = Request::new(role, front, &shared, around.setup);
    let response = || Response::new(front, &shared, around.home, around.setup);
    let status_page = around.status_page(role, method, front);
    let is_ours = refusal.is_none() && status_page.is_some();
    if !is_ours {
        around
            .slot
            .begin(began / NS_PER_MS, id.number(), method, path);
    }
    let outcome = match (refusal, status_page) {
        (Some((status, why)), _) => Err(Failure::Error(Error::new(status, why))),
        (None, Some(page)) => send_status_page(response(), page).map_err(Failure::Error),
        (None, None) => {
            let outcome = handler.call(&mut request, response());
            request.give_back();
            outcome
        }
    };
    let name = || {
        let request = printable(std::str::from_utf8(method).unwrap_or("?"), path);
        format!("{id} {request}")
    };
    let mut standing = conclude(
        &shared,
        outcome,
        &mut |failure| handler.failed(failure),
        &name,
    );
    if let Standing::Open(failure) = standing {
        tell_failure(&failure, &name);
        let error = failure.into_error();
        let paged = page(&shared, &error, handler, &request, response, &name);
        standing = paged.unwrap_or_else(|| {
            let details = around.setup.debug.then(|| explained(&error));
            let accept = front.params.header("accept");
            built_in_page(&shared, &error, details.as_deref(), accept, &name)
        });
        let_go(Failure::Error(error));
    }
    let mut shared = shared.borrow_mut();
    let mut exchange = shared.as_mut();
    let is_whole = matches!(standing, Standing::Whole);
    let status = match &exchange {
        Some(exchange) => exchange.status(),
        None => front.finished_with.get(),
    };
    let is_answered = is_whole && !exchange.as_ref().is_some_and(|e| e.wire.is_given_up());
    let ended = now_ns();
    if !is_ours {
        let status = is_answered.then_some(status);
        let took = around.slot.end(ended / NS_PER_MS, status);
        tell_if_slow(took, around.slow, &name);
    }
    if let Some(exchange) = &exchange {
        access_line::tell(front, around.setup, || exchange.sent());
    }
    Answered {
        took: Duration::from_nanos(ended.saturating_sub(began)),
        large_input: exchange.as_ref().is_none_or(|e| e.wire.large),
        large_output: exchange.as_ref().is_none_or(|e| e.touched_much()),
        ending: exchange.as_mut().map(|e| e.wire.end(!is_whole)),
    }
}

/// What is true now, and no page of the application's.
#[cold]
fn send_status_page(response: Response<'_>, (content_type, body): Page) -> crate::error::Result {
    response
        .content_type(content_type)
        .header("Cache-Control", "no-store")
        .header("X-Content-Type-Options", "nosniff")
        .send(body)
}

/// The last line about a request of which the watcher has told, or was about to.
fn tell_if_slow(took_ms: u64, slow: Duration, name: &dyn Fn() -> String) {
    if !slow.is_zero() && Duration::from_millis(took_ms) >= slow {
        let line = format_args!("it was slow, and has ended after {} s", Seconds(took_ms));
        tell(Level::Warn, name, &line);
    }
}

/// How an answer stands when whoever made it is done.
enum Standing {
    /// Sent, with its end.
    Whole,
    /// Not whole, and nothing can be done about it.
    Cut,
    /// Nothing has left yet: an error page may.
    Open(Failure),
}

/// Ends the answer as the outcome of its maker asks.
fn conclude(
    shared: &Shared<'_>,
    outcome: Result<(), Failure>,
    failed: &mut dyn FnMut(&Failure),
    name: &dyn Fn() -> String,
) -> Standing {
    let mut shared = shared.borrow_mut();
    let Some(exchange) = &mut *shared else {
        if let Err(failure) = outcome {
            failed(&failure);
            tell(
                Level::Error,
                name,
                &format_args!("{failure}, after the answer was finished"),
            );
            let_go(failure);
        }
        return Standing::Whole;
    };
    let outcome = match outcome {
        outcome if exchange.wire.is_given_up() => {
            if let Err(failure @ Failure::Panic(_)) = outcome {
                let line = format_args!("{failure}, after the web server gave the request up");
                tell(Level::Error, name, &line);
            }
            // HAProxy 2.6.12 gives up what streams when it reloads or stops, its visitor still there, and would end as whole
            // what is ended here.
            if !exchange.can_change() {
                return Standing::Cut;
            }
            return match exchange.complete_aborted() {
                Ok(()) => Standing::Whole,
                Err(_) => Standing::Cut,
            };
        }
        Ok(()) => exchange.complete().map_err(Failure::Error),
        failed => failed,
    };
    let Err(failure) = outcome else {
        return Standing::Whole;
    };
    failed(&failure);
    if exchange.wire.has_gone() && failure.is_disconnect() {
        tell(
            Level::Debug,
            name,
            &format_args!("the web server has gone: {failure}"),
        );
    } else if exchange.can_change() {
        return Standing::Open(failure);
    } else {
        let line = format_args!("{failure}; the answer is cut, since its head has left");
        tell(level(&failure), name, &line);
    }
    let_go(failure);
    Standing::Cut
}

/// Answers with the application's own error page. `None` if it has none, or that went wrong in turn.
fn page<'buf>(
    shared: &Shared<'_>,
    error: &Error,
    handler: &dyn Handle,
    request: &Request<'_>,
    response: impl Fn() -> Response<'buf>,
    name: &dyn Fn() -> String,
) -> Option<Standing> {
    start_over(shared, error);
    let outcome = handler.error_page(error, request, response())?;
    match conclude(shared, outcome, &mut |_| {}, name) {
        Standing::Open(failure) => {
            let line = format_args!("{failure}, in the error page; the built-in one is sent");
            tell(Level::Error, name, &line);
            let_go(failure);
            None
        }
        standing => Some(standing),
    }
}

/// Answers with a page of the library's own.
#[cold]
fn built_in_page(
    shared: &Shared<'_>,
    error: &Error,
    details: Option<&str>,
    accept: Option<&[u8]>,
    name: &dyn Fn() -> String,
) -> Standing {
    start_over(shared, error);
    let status = error.status();
    let mut shared = shared.borrow_mut();
    let Some(exchange) = &mut *shared else {
        return Standing::Whole;
    };
    let (kind, text) = error_page(status, reason(status), details, accept);
    if details.is_some() {
        // It may quote what came from outside: it is what we say, whatever it looks like.
        exchange.replace_field(b"X-Content-Type-Options", b"nosniff");
    }
    match exchange.complete_with(kind, &text) {
        Ok(()) => Standing::Whole,
        Err(error) => {
            tell(
                Level::Debug,
                name,
                &format_args!("the error page was not sent: {error}"),
            );
            Standing::Cut
        }
    }
}

fn start_over(shared: &Shared<'_>, error: &Error) {
    if let Some(exchange) = &mut *shared.borrow_mut() {
        exchange.start_over(error);
    }
}

#[cold]
fn tell_failure(failure: &Failure, name: &dyn Fn() -> String) {
    let status = failure.status();
    if !failure.is_told() {
        tell(
            level(failure),
            name,
            &format_args!("{failure}; answered {status}"),
        );
    }
}

/// What the visitor or the web server did wrong is for information.
fn level(failure: &Failure) -> Level {
    match failure.status() {
        500.. => Level::Error,
        _ => Level::Info,
    }
}

/// A line about a request. The logger is the application's: its panic must not cost the visitor the answer.
#[cold]
fn tell(level: Level, name: &dyn Fn() -> String, what: &dyn fmt::Display) {
    safely(&mut || log::log!(level, "{}: {what}", name()));
}

/// What failed may hold something of the application's that panics when it is dropped.
#[cold]
fn let_go(failure: Failure) {
    let mut failure = Some(failure);
    safely(&mut || failure = None);
}

/// Runs what is the application's in truth, contained.
fn safely(f: &mut dyn FnMut()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Which may panic, too, when it is dropped.
        std::mem::forget(payload);
    }
}

impl Failure {
    fn status(&self) -> u16 {
        match self {
            Failure::Error(error) => error.status(),
            Failure::Panic(_) => 500,
        }
    }

    fn is_disconnect(&self) -> bool {
        matches!(self, Failure::Error(error) if error.is_disconnect())
    }

    fn is_told(&self) -> bool {
        matches!(self, Failure::Error(error) if error.is_told())
    }

    fn into_error(self) -> Error {
        match self {
            Failure::Error(error) => error,
            Failure::Panic(panic) => Error::new(500, format!("panicked{}", of_panic(&panic))),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An application may quote what a visitor sent.
            Failure::Error(error) => f.write_str(&one_line(&explained(error))),
            Failure::Panic(panic) => write!(f, "panicked{}", one_line(&of_panic(panic))),
        }
    }
}
