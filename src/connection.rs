//! One connection, request after request: the one place where the parts meet.
//!
//! A worker calls [`Worker::serve`] with a connection that has something to read, and gets it back only as an entry of
//! the accept loop. This file is the worker's turn with it: a head is read (`head`), the front frozen, the handler called and
//! its answer ended (`answer`, by the rule of `conclude`; `pages` and `failure` say what goes wrong); then the connection goes
//! on, waits, lingers or closes. `multiplexed` does the same for a request of many on a connection, `cgi` for that of a process.

use crate::buffer::{Buffers, Parts, WINDOW};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::front::Frozen;
use crate::limits::Limits;
use crate::link::{Kind, RequestHead, Seat, Waiting};
use crate::multiplex::Hub;
use crate::net::sys::{now_ms, now_ns};
use crate::protocol::Role;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::request_id::Ticket;
use crate::response::{Answering, Response};
use crate::status::Snapshot;
use crate::stranger::Strangers;
use crate::wire::{Ending, Wire};
use std::cell::RefCell;
use std::io;

mod answer;
mod cgi;
mod conclude;
mod failure;
mod head;
mod multiplexed;
mod pages;

pub(crate) use answer::Around;
pub(crate) use cgi::serve_cgi;
pub(crate) use failure::Failure;

use answer::answer;
use head::Reading;

/// After so many requests in a row a connection lets others go first.
const IN_A_ROW: u32 = 32;

/// A miss is a look at a kept connection that finds no next request yet. After so many of them in a row, a connection is parked
/// without a look; but after [`RETRY`] of these one is looked at, to see whether requests follow quicker now. A look in vain is
/// one of five system calls; one that finds the next request saves three.
const MISSES: u32 = 8;
const RETRY: u32 = 64;

/// The clock is read in nanoseconds; time limits and slots count milliseconds.
const NS_PER_MS: u64 = 1_000_000;

/// How often a lingering connection is read from in one turn: others wait.
const DRAIN_READS: usize = 64;

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

/// A worker's own: its memory, its view of the application, its slot.
pub(crate) struct Worker<'w> {
    pub(crate) buffers: Buffers,
    pub(crate) handler: Box<dyn Handle + 'w>,
    /// Whether the handler is a responder: a head of the usual form, which asks for one, is taken at one look then.
    pub(crate) is_responder: bool,
    pub(crate) around: Around<'w>,
    pub(crate) limits: &'w Limits,
    pub(crate) strangers: &'w Strangers,
    /// What GET_VALUES is answered with: connections, requests.
    pub(crate) values: (usize, usize),
    /// Is told how long each request takes.
    pub(crate) pace: &'w dyn Pace,
    /// How often in a row a kept connection had no next request yet: `0 <= misses <= MISSES + RETRY`.
    pub(crate) misses: u32,
    /// [`Kind::Idle`]'s time limit in ms: nearly every wait has it.
    pub(crate) idle: u64,
    /// When the last answer ended, in ms.
    pub(crate) ended: u64,
    /// A second seat, for a connection whose turn has come while the first one is taken; empty in between.
    pub(crate) other: Seat,
    /// What multiplexed connections share; `None` where a connection carries one request at a time.
    pub(crate) hub: Option<&'w dyn Hub>,
}

/// Is told how long each request took.
pub(crate) trait Pace {
    /// In ns.
    fn note(&self, time: u64);
}

/// Sees all workers.
pub(crate) trait Overview: Sync {
    fn snapshot(&self) -> Snapshot;
}

impl<'w> Worker<'w> {
    /// Serves the connection in `place` for as long as it has something to say, and others after it. Then `place` is empty.
    pub(crate) fn serve(&mut self, place: &mut Seat) {
        while let Some(waiting) = &mut **place {
            let is_another = match (waiting.kind, self.hub) {
                (Kind::Linger | Kind::Ended, _) => self.drain(place),
                (_, Some(hub)) if Worker::is_shared(waiting) => self.share(place, hub),
                _ => self.requests(place),
            };
            if !is_another {
                **place = None;
            }
        }
    }

    /// Serves one connection, request after request. Returns whether another connection is in `place` then, whose turn has come.
    fn requests(&mut self, place: &mut Seat) -> bool {
        let mut turn = 0_u32;
        loop {
            turn = turn.wrapping_add(1);
            let mut refusal = None;
            // An answer that is finished early takes it away.
            let Some(waiting) = &mut **place else {
                return false;
            };
            match self.read_head(waiting) {
                Reading::Whole if turn > 1 => self.misses = 0,
                Reading::Whole => {}
                Reading::Waits => {
                    self.misses += u32::from(turn > 1);
                    let now = if turn > 1 { self.ended } else { now_ms() };
                    self.park(place, now);
                    return false;
                }
                Reading::Over => return false,
                Reading::Refused => {
                    self.linger(place);
                    return false;
                }
                Reading::TooLarge => {
                    // What is left of the head is not read: the connection cannot go on.
                    waiting.link.sequence.refuse_head();
                    waiting.head.leave_rest();
                    refusal = Some(self.too_large());
                }
            }
            if !waiting.block.is_empty() {
                waiting.block = Vec::new();
            }
            let ticket = Ticket::draw(now_ns());
            match self.answer(place, &mut refusal, ticket) {
                None | Some(Ending::Close) => return false,
                Some(Ending::Linger) => {
                    self.linger(place);
                    return false;
                }
                Some(Ending::Keep(unread)) => {
                    let head = RequestHead::of(self.buffers.carry(unread));
                    let Some(waiting) = &mut **place else {
                        return false;
                    };
                    waiting.head = head;
                }
            }
            let Some(Waiting { link, head, .. }) = &mut **place else {
                return false;
            };
            let filled = head.filled;
            if filled == 0 && self.around.home.is_stopping() {
                if link.body_pending {
                    self.linger(place);
                }
                return false;
            }
            if filled == 0 && self.is_look_in_vain() {
                self.park(place, self.ended);
                return false;
            }
            if turn.is_multiple_of(IN_A_ROW) && self.around.home.is_stopping() {
                // A peer that never pauses must not keep us, and what it sends has no end that could be waited for.
                return false;
            }
            if turn.is_multiple_of(IN_A_ROW) && self.around.home.other(&mut self.other) {
                if filled == 0 {
                    self.park(place, self.ended);
                } else if let Some(unread) = copied(&self.buffers.head()[..filled])
                    && let Some(waiting) = place.take()
                {
                    self.around.home.go_on(waiting.link, unread);
                }
                std::mem::swap(place, &mut self.other);
                // Closed, if there was no memory for what it has sent.
                *self.other = None;
                return true;
            }
        }
    }

    /// Gives the connection back, to be read from until its peer closes it: our side of it has ended.
    fn linger(&self, place: &mut Seat) {
        if let Some(waiting) = place.take() {
            self.around.home.linger(waiting.link);
        }
    }

    #[cold]
    fn too_large(&self) -> Refusal {
        let most = self.limits.max_params;
        Refusal::too_large(format!(
            "the params exceed max_params, {most} bytes (raise --max-params)"
        ))
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

    /// A connection with nothing to read now waits: for its first byte or next request, or for the rest of a head. The time
    /// `now` is in ms; behind an answer it is known, and to ask for it again is 30 instructions.
    fn park(&mut self, place: &mut Seat, now: u64) {
        let Some(waiting) = &mut **place else { return };
        let Waiting {
            link, head, block, ..
        } = waiting;
        if head.filled == 0 {
            if block.capacity() > 0 {
                *block = Vec::new();
            }
        } else if block.is_empty() {
            let Some(copy) = copied(&self.buffers.head()[..head.filled]) else {
                return;
            };
            *block = copy;
        }
        // A record that belongs to no request: on a new connection it has to end within the head's time limit; behind a
        // request it may be the rest of that one's body, which takes the time that it takes.
        let is_first = link.served == 0 && link.sequence.in_record();
        let kind = if link.sequence.in_head() || head.filled > 0 || is_first {
            Kind::Head
        } else if link.served == 0 {
            Kind::FirstByte
        } else {
            Kind::Idle
        };
        // A head that dribbles in keeps the time limit that it began with.
        let since = match link.head_since {
            0 => now,
            since => since,
        };
        link.head_since = if kind == Kind::Head { since } else { 0 };
        let deadline = match kind {
            Kind::Idle => now.saturating_add(self.idle),
            Kind::Head => since.saturating_add(kind.limit(self.limits)),
            _ => now.saturating_add(kind.limit(self.limits)),
        };
        if kind == Kind::Head && deadline <= now {
            // The timer ends connections that are parked. One whose bytes never pause is seldom parked when it rings.
            return self.around.home.give_up(kind);
        }
        (waiting.kind, waiting.deadline) = (kind, deadline);
        self.around.home.park(place);
    }

    /// Answers the request whose head lies in the worker's buffer, with a `refusal` if that is what it deserves.
    /// `None`: the handler gave the connection in `place` back.
    fn answer(
        &mut self,
        place: &mut Option<Waiting>,
        refusal: &mut Option<Refusal>,
        ticket: Ticket,
    ) -> Option<Ending> {
        let Waiting { link, head, .. } = place.as_mut()?;
        let Parts {
            params,
            joined,
            window,
            mut spare,
            output,
        } = self.buffers.split(head.params.clone(), head.unread());
        let mut front = Frozen::new(ticket);
        let (limits, setup) = (self.limits, self.around.setup);
        let touched = front.freeze(params, joined, &mut spare, limits, setup, refusal);
        link.head_since = 0;
        if refusal.as_ref().is_some_and(|refusal| refusal.closes) {
            link.sequence.close_after();
        }
        let began = ticket.began / NS_PER_MS;
        let role = link.sequence.role().unwrap_or(Role::Responder);
        let is_head = front.is_head();
        let wire = Wire::records(place, window, spare, limits, self.values, began);
        let shared = RefCell::new(Some(Exchange::new(wire, output, is_head)));
        let answering = Answering::new(&front, &shared, &self.around);
        let handler = &mut *self.handler;
        let answered = answer(&answering, refusal, role, handler, &self.around);
        self.pace.note(answered.took);
        self.ended = answered.ended;
        if answered.large_input || touched {
            self.buffers.mark_large_input();
        }
        if answered.large_output {
            self.buffers.mark_large_output();
        }
        answered.ending
    }

    /// Reads away what a peer still sends after our side of the connection is closed. No other connection is in `place` then.
    fn drain(&mut self, place: &mut Seat) -> bool {
        let Some(waiting) = &mut **place else {
            return false;
        };
        self.buffers.mark_large_input();
        for _ in 0..DRAIN_READS {
            match waiting
                .link
                .transport
                .recv(&mut self.buffers.head()[..WINDOW])
            {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => return false,
            }
        }
        // As in `park`: a peer that never pauses is ended here, the timer would seldom meet it.
        match waiting.deadline > now_ms() {
            true => self.around.home.park(place),
            false => self.around.home.give_up(waiting.kind),
        }
        false
    }
}

/// `None` if there is no memory: a peer decides how much it is.
fn copied(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}
