//! What goes over the connection of one request, both ways: records of a FastCGI connection, or the plain
//! bytes of CGI. `Body` reads through it and the answer leaves through it; nothing else knows which it is.
//!
//! The body's way in is `body` and `receive`, the answer's way out is `send`; `look` sees whether the request is still wanted,
//! `parting` what becomes of the connection.

use crate::buffer::Window;
use crate::error::{Error, is_disconnect};
use crate::limits::Limits;
use crate::link::{Link, Waiting};
use crate::multiplex::{Lane, Seen};
use crate::net::Pipes;
use crate::protocol::{EndRequest, Event, ProtocolStatus, unknown_type, values_result};
use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};

mod body;
mod look;
mod parting;
mod receive;
mod send;

pub(crate) use parting::{Ending, Parting};

/// The way of one request: where its bytes come from and go to, and what has come that was not looked at.
pub(crate) struct Wire<'buf> {
    end: End<'buf>,
    /// The older bytes that came and were not looked at.
    window: Window<'buf>,
    /// What came while an answer could not leave: the newer bytes.
    spare: Window<'buf>,
    /// Whether `window.bytes` is lent to a `BufRead` user at the moment.
    lent: bool,
    /// The peer has closed its side.
    input_ended: bool,
    /// The web server gave the request up.
    pub(crate) aborted: bool,
    /// The web server closed the connection altogether: nobody waits for the answer.
    hung_up: bool,
    /// When it was last looked for an early end, in ms of the monotonic clock.
    looked: u64,
    /// Sending or receiving has failed, with this: what has left may end anywhere in a record.
    failed: Option<io::ErrorKind>,
    /// The answer has found no room, and leaves by calls that wait for it.
    waits_in_send: bool,
    /// The body was waited for, and so it is by the call that receives it.
    waits_in_recv: bool,
    /// A record of a run was not as long as it was taken for. After the first of those none is guessed any more: one wrong
    /// guess costs more than right ones save.
    is_uneven: bool,
    /// More than the worker's first few KiB were touched.
    pub(crate) large: bool,
    /// How much of the body was taken: it has a limit.
    body_read: u64,
    limits: &'buf Limits,
    /// What GET_VALUES is answered with: connections, requests.
    values: (usize, usize),
}

/// What is at the other end.
enum End<'buf> {
    Records(Held<'buf>),
    /// CGI: standard input and output, and how much of a body is still to come.
    Plain(Pipes, Option<u64>),
    /// One of several requests of a connection. It takes the records off: the window has nothing but content.
    Multiplexed(&'buf Lane<'buf>),
}

/// A connection where its worker keeps it: to hand it on with the request, by value, cost a tenth of a small request's
/// instructions. Only an answer that is finished early takes it away.
struct Held<'buf>(&'buf mut Option<Waiting>);

const IS_HELD: &str = "BUG: the connection has left its wire";

impl Deref for Held<'_> {
    type Target = Link;

    #[inline(always)]
    fn deref(&self) -> &Link {
        &self.0.as_ref().expect(IS_HELD).link
    }
}

impl DerefMut for Held<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.0.as_mut().expect(IS_HELD).link
    }
}

impl<'buf> Wire<'buf> {
    /// Of the connection in `place`; there has to be one. Inlined, as `new` is, since what a call returns has to be copied.
    #[inline(always)]
    pub(crate) fn records(
        place: &'buf mut Option<Waiting>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        values: (usize, usize),
        looked: u64,
    ) -> Wire<'buf> {
        let end = End::Records(Held(place));
        Wire::new(end, window, spare, limits, values, looked)
    }

    /// `length`: RFC 3875 section 4.2 lets a server leave standard input open, so CONTENT_LENGTH ends the
    /// body; `None` reads to the end (`Transfer-Encoding: chunked`, which Apache decodes but cannot count).
    pub(crate) fn plain(
        pipes: Pipes,
        length: Option<u64>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        looked: u64,
    ) -> Wire<'buf> {
        let end = End::Plain(pipes, length);
        Wire::new(end, window, spare, limits, (1, 1), looked)
    }

    /// Of one of several requests of a connection.
    pub(crate) fn multiplexed(
        lane: &'buf Lane<'buf>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        looked: u64,
    ) -> Wire<'buf> {
        let end = End::Multiplexed(lane);
        Wire::new(end, window, spare, limits, (1, 1), looked)
    }

    #[inline(always)]
    fn new(
        end: End<'buf>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        values: (usize, usize),
        looked: u64,
    ) -> Wire<'buf> {
        Wire {
            end,
            window,
            spare,
            lent: false,
            input_ended: false,
            aborted: false,
            hung_up: false,
            looked,
            failed: None,
            waits_in_send: false,
            waits_in_recv: false,
            is_uneven: false,
            large: false,
            body_read: 0,
            limits,
            values,
        }
    }

    /// The id to answer with; `None` for CGI, which has no records.
    #[inline(always)]
    pub(crate) fn request_id(&self) -> Option<u16> {
        // Nearly all are records, and asked for first: a choice between three costs more.
        if let End::Records(link) = &self.end {
            return Some(link.sequence.request_id());
        }
        self.id_of_lane()
    }

    #[cold]
    fn id_of_lane(&self) -> Option<u16> {
        match &self.end {
            End::Multiplexed(lane) => Some(lane.id),
            _ => None,
        }
    }

    /// Whether other requests share its connection.
    pub(crate) fn is_multiplexed(&self) -> bool {
        matches!(self.end, End::Multiplexed(_))
    }

    /// Whether the web server has closed the connection.
    pub(crate) fn has_gone(&self) -> bool {
        let is_disconnect = |kind: io::ErrorKind| is_disconnect(&kind.into());
        self.input_ended || self.failed.is_some_and(is_disconnect)
    }

    /// Whether the web server has given the request up or closed the connection altogether, as far as was seen.
    pub(crate) fn is_given_up(&self) -> bool {
        self.aborted || self.hung_up
    }

    /// Whether the connection ended before the request did. By TCP that may be a visitor who left in the middle of an
    /// upload, or a web server that ended its side and still waits for the answer.
    pub(crate) fn is_cut_short(&self) -> bool {
        match &self.end {
            End::Records(link) => self.input_ended && !link.sequence.input_ended(),
            End::Plain(..) => false,
            End::Multiplexed(lane) => self.input_ended && !lane.input_ended(),
        }
    }

    fn check_aborted(&self) -> io::Result<()> {
        match self.is_given_up() {
            true => Err(aborted()),
            false => Ok(()),
        }
    }

    /// Takes note of what its multiplexed connection knows of the request.
    fn note(&mut self, seen: Seen) {
        self.aborted |= seen.is_aborted;
        self.input_ended |= seen.input_ended;
        self.hung_up |= seen.hung_up;
    }

    /// Sees to what comes between the records of the body: answers what is asked.
    ///
    /// # Errors
    /// When the request was given up, the protocol was broken, or the answer could not be sent.
    fn between(&mut self, event: Event) -> io::Result<()> {
        let End::Records(link) = &mut self.end else {
            return Ok(());
        };
        let record = match event {
            Event::Abort => {
                self.aborted = true;
                return Err(aborted());
            }
            Event::Fault(fault) => {
                // Nobody knows where the next record would begin.
                link.sequence.close_after();
                let message = format!("the web server broke the FastCGI protocol: {fault:?}");
                return Err(Error::new(400, message).into());
            }
            Event::SecondBegin(id) => EndRequest::record(id, ProtocolStatus::CantMpxConn).to_vec(),
            Event::UnknownType(number) => unknown_type(number).to_vec(),
            Event::GetValues => {
                let asked = link.sequence.take_management();
                values_result(&asked, self.values.0, self.values.1, false)
            }
            Event::Begin(_)
            | Event::Next
            | Event::Head
            | Event::Params(_)
            | Event::Stdin(_)
            | Event::StdinEnd
            | Event::Data(_)
            | Event::DataEnd
            | Event::More => {
                return Ok(());
            }
        };
        self.send(&mut [IoSlice::new(&record)])
    }
}

fn aborted() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the web server gave the request up",
    )
}

fn body_timed_out(limits: &Limits) -> io::Error {
    let limit = limits.body_timeout;
    Error::new(
        408,
        format!("no byte of the request's body came for {limit:?}"),
    )
    .into()
}
