//! A request's head, read in as many pieces as it comes in, and what is answered between its records: refusals, questions.
//! Called by the worker's turn, before each request.

use super::{Handle, Worker};
use crate::buffer::{KEPT, WINDOW};
use crate::limits::Limits;
use crate::link::{Link, RequestHead, TooLarge, Waiting};
use crate::protocol::{EndRequest, Event, ProtocolStatus, Role, unknown_type, values_result};
use crate::stranger::Strangers;
use std::io;

/// How many bytes are read in one go before a head is whole: records of no active request could go on for ever, and the
/// other connections wait.
const HEAD_BYTES: usize = 1 << 20;

/// What reading a head came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
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

impl<'w> Worker<'w> {
    /// Reads a head into the worker's buffer. Where its first part has waited in a block, it is read on there, and copied into
    /// the buffer when it is whole.
    pub(super) fn read_head(&mut self, waiting: &mut Waiting) -> Reading {
        let Waiting {
            link, head, block, ..
        } = waiting;
        let mut came = 0;
        if block.is_empty() && head.filled == 0 {
            match link.transport.recv(&mut self.buffers.head()[..WINDOW]) {
                Ok(0) => return Reading::Over,
                Ok(n) => (head.filled, came) = (n, n),
                Err(error) => {
                    return match error.kind() == io::ErrorKind::WouldBlock {
                        true => Reading::Waits,
                        false => Reading::Over,
                    };
                }
            }
            // Nearly every head comes with the first look, whole and in the usual form.
            let (bytes, max_params) = (self.buffers.head(), self.limits.max_params);
            if self.is_responder && head.read_whole(&mut link.sequence, bytes, max_params) {
                if head.filled > KEPT {
                    self.buffers.mark_large_input();
                }
                return Reading::Whole;
            }
        }
        self.read_more(waiting, came)
    }

    /// As `read_head`, where something of the head is there already: `came` bytes of it since this turn began.
    #[inline(never)]
    fn read_more(&mut self, waiting: &mut Waiting, came: usize) -> Reading {
        let Waiting {
            link, head, block, ..
        } = waiting;
        let reader = HeadReader {
            handler: &*self.handler,
            is_responder: self.is_responder,
            limits: self.limits,
            strangers: self.strangers,
            values: self.values,
        };
        if block.is_empty() {
            let room = &mut Room::Fixed(self.buffers.head());
            let reading = reader.read(link, head, room, came);
            if head.filled > KEPT {
                self.buffers.mark_large_input();
            }
            return reading;
        }
        let most = self.buffers.head().len();
        let reading = reader.read(link, head, &mut Room::Growing(block, most), 0);
        if matches!(reading, Reading::Whole | Reading::TooLarge) {
            self.buffers.head()[..head.filled].copy_from_slice(&block[..head.filled]);
            if head.filled > KEPT {
                self.buffers.mark_large_input();
            }
        }
        reading
    }
}

/// Reads a head, and answers what comes between its records.
struct HeadReader<'r> {
    handler: &'r dyn Handle,
    is_responder: bool,
    limits: &'r Limits,
    strangers: &'r Strangers,
    /// What GET_VALUES is answered with: connections, requests.
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
    /// Reads until the head is whole, or nothing more is here; `came` bytes of it were read in this turn already.
    #[inline(never)]
    fn read(
        &self,
        link: &mut Link,
        head: &mut RequestHead,
        room: &mut Room<'_>,
        mut came: usize,
    ) -> Reading {
        let max_params = self.limits.max_params;
        loop {
            let event = if head.filled == 0 {
                Event::More
            } else if self.is_responder
                && head.read_whole(&mut link.sequence, room.bytes(), max_params)
            {
                return Reading::Whole;
            } else {
                match head.next(&mut link.sequence, room.bytes(), max_params) {
                    Ok(event) => event,
                    Err(TooLarge) => return Reading::TooLarge,
                }
            };
            let sent = match event {
                Event::Head => return Reading::Whole,
                // What is left in the socket makes the connection ready again as soon as it is parked.
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
                    // With params a kept connection would be parked as one whose head is not whole.
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
                    link.send_short(&values_result(&asked, connections, requests, false))
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
