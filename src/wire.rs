//! What goes over the connection of one request, both ways: records of a FastCGI connection, or the plain
//! bytes of CGI. `Body` reads through it and the answer leaves through it; nothing else knows which it is.

use crate::buffer::{KEPT, WINDOW, Window};
use crate::error::{Error, is_disconnect};
use crate::limits::Limits;
use crate::link::Link;
use crate::net::sys::now_ms;
use crate::net::{Pipes, Wait};
use crate::protocol::{EndRequest, Event, ProtocolStatus, Role, unknown_type, values_result};
use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut, Range};
use std::time::Instant;

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
    pub(crate) looked: u64,
    /// Sending or receiving has failed, with this: what has left may end anywhere in a record.
    failed: Option<io::ErrorKind>,
    /// More than the worker's first few KiB were touched.
    pub(crate) large: bool,
    body_read: u64,
    limits: &'buf Limits,
    /// What GET_VALUES is answered with: connections, requests.
    values: (usize, usize),
}

enum End<'buf> {
    Records(Held<'buf>),
    /// CGI: standard input and output, and how much of a body is still to come.
    Plain(Pipes, Option<u64>),
}

/// A connection where its worker keeps it: to hand it on with the request, by value, cost a tenth of a small request's
/// instructions. Only an answer that is finished early takes it away.
struct Held<'buf>(&'buf mut Option<Link>);

const IS_HELD: &str = "BUG: the connection has left its wire";

impl Deref for Held<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        self.0.as_ref().expect(IS_HELD)
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Link {
        self.0.as_mut().expect(IS_HELD)
    }
}

/// One of the two streams that a request can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdin,
    Data,
}

/// How long after a look a write looks again, in ms.
const LOOK_AFTER: u64 = 100;

/// How often in one look the connection is read from.
const LOOKS: usize = 16;

/// Whether it goes on, closes at once, or is read from until the peer has closed.
enum Fate {
    Keep,
    Close,
    Linger,
}

/// What becomes of the connection after a request.
pub(crate) enum Ending {
    /// It goes on; the unread bytes lie here, in the worker's input.
    Keep([Range<usize>; 2]),
    /// Nothing is left unread: closing loses nothing.
    Close,
    /// Something is or may be unread, and a plain close would lose the answer on three web servers.
    Linger,
}

/// What becomes of a connection that leaves its worker before the handler has returned.
pub(crate) enum Parting {
    /// It goes on, with a copy of what came and was not looked at.
    Keep(Link, Vec<u8>),
    Close,
    Linger(Link),
}

impl<'buf> Wire<'buf> {
    /// Of the connection in `link`, where there is one.
    pub(crate) fn records(
        link: &'buf mut Option<Link>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        values: (usize, usize),
    ) -> Wire<'buf> {
        Wire::new(End::Records(Held(link)), window, spare, limits, values)
    }

    /// `length`: RFC 3875 section 4.2 lets a server leave standard input open, so CONTENT_LENGTH ends the
    /// body; `None` reads to the end (`Transfer-Encoding: chunked`, which Apache decodes but cannot count).
    pub(crate) fn plain(
        pipes: Pipes,
        length: Option<u64>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
    ) -> Wire<'buf> {
        Wire::new(End::Plain(pipes, length), window, spare, limits, (1, 1))
    }

    fn new(
        end: End<'buf>,
        window: Window<'buf>,
        spare: Window<'buf>,
        limits: &'buf Limits,
        values: (usize, usize),
    ) -> Wire<'buf> {
        Wire {
            end,
            window,
            spare,
            lent: false,
            input_ended: false,
            aborted: false,
            hung_up: false,
            looked: 0,
            failed: None,
            large: false,
            body_read: 0,
            limits,
            values,
        }
    }

    /// The id to answer with; `None` for CGI, which has no records.
    pub(crate) fn request_id(&self) -> Option<u16> {
        match &self.end {
            End::Records(link) => Some(link.sequence.request_id()),
            End::Plain(..) => None,
        }
    }

    /// What the web server asks the application to be; CGI knows one role.
    pub(crate) fn role(&self) -> Role {
        match &self.end {
            End::Records(link) => link.sequence.role().unwrap_or(Role::Responder),
            End::Plain(..) => Role::Responder,
        }
    }

    /// Waits until there is content of the body in front. Its length; 0 at the body's end.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let n = match self.stdin_here() {
            Some(n) => n,
            None => self.find(Stream::Stdin)?,
        };
        if self.body_read + n as u64 > self.limits.max_body {
            if let End::Records(link) = &mut self.end {
                // The rest may have no end.
                link.sequence.close_after();
            }
            let message = format!(
                "the body is longer than max_body, {} bytes",
                self.limits.max_body
            );
            return Err(Error::new(413, message).into());
        }
        Ok(n)
    }

    /// As `fill`, of a filter's second stream. What is left of the body is passed over.
    pub(crate) fn fill_data(&mut self) -> io::Result<usize> {
        while self.request_id().is_some() {
            match self.find(Stream::Stdin)? {
                0 => return self.find(Stream::Data),
                n => self.take(n),
            }
        }
        Ok(0)
    }

    /// What `find` would say, if that takes nothing but a look at the next header.
    #[inline]
    fn stdin_here(&mut self) -> Option<usize> {
        if self.window.ready > 0 || self.is_given_up() {
            return None;
        }
        let End::Records(link) = &mut self.end else {
            return None;
        };
        let here = &self.window.bytes[..self.window.filled];
        link.sequence.stdin_here(here, &mut self.window.at)
    }

    fn find(&mut self, stream: Stream) -> io::Result<usize> {
        self.check_aborted()?;
        if let End::Plain(..) = self.end {
            return self.fill_plain();
        }
        loop {
            let End::Records(link) = &mut self.end else {
                unreachable!("BUG: an end does not change")
            };
            let has_ended = match stream {
                Stream::Stdin => link.sequence.stdin_ended(),
                Stream::Data => link.sequence.input_ended(),
            };
            // What is ready is of the stream that ended last, or goes on.
            if self.window.ready > 0 {
                return Ok(self.window.ready);
            }
            if has_ended && self.spare.ready == 0 {
                return Ok(0);
            }
            if has_ended {
                self.more()?;
                continue;
            }
            match link.sequence.next(
                &self.window.bytes[..self.window.filled],
                &mut self.window.at,
            ) {
                Event::Stdin(n) | Event::Data(n) => return Ok(n),
                Event::StdinEnd | Event::DataEnd => return Ok(0),
                Event::More => self.more()?,
                event => self.between(event)?,
            }
        }
    }

    /// The content that `fill` found.
    pub(crate) fn content(&self, n: usize) -> &[u8] {
        &self.window.bytes[self.window.at..][..n]
    }

    /// `n` bytes of content were used.
    pub(crate) fn take(&mut self, n: usize) {
        self.window.at += n;
        match &mut self.end {
            End::Records(_) if self.window.ready > 0 => self.window.ready -= n,
            End::Records(link) => link.sequence.take(n),
            End::Plain(_, left) => *left = left.map(|left| left - n as u64),
        }
        self.body_read += n as u64;
    }

    /// Lends the bytes that `content(n)` looks at, so that they can be held while the connection is written to.
    pub(crate) fn lend(&mut self, n: usize) -> (&'buf mut [u8], Range<usize>) {
        self.lent = true;
        (
            std::mem::take(&mut self.window.bytes),
            self.window.at..self.window.at + n,
        )
    }

    pub(crate) fn give_back(&mut self, bytes: &'buf mut [u8]) {
        self.lent = false;
        self.window.bytes = bytes;
    }

    /// Sends all of `slices`. While the peer does not take them, what it sends is taken in: mod_fcgid 2.3.9
    /// writes a whole body before it reads a byte of the answer, and would never read it otherwise.
    pub(crate) fn send(&mut self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(io::Error::new(
                kind,
                "an earlier write of the answer failed",
            ));
        }
        self.try_send(slices)
            .inspect_err(|error| self.failed = Some(error.kind()))
    }

    /// As `send`, of what nearly always goes in one piece.
    pub(crate) fn send_one(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = match (&self.end, self.failed) {
            (End::Records(link), None) => link.transport.send(bytes),
            _ => Ok(0),
        };
        match sent {
            Ok(n) if n == bytes.len() => Ok(()),
            Ok(n) => self.send(&mut [IoSlice::new(&bytes[n..])]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.send(&mut [IoSlice::new(bytes)])
            }
            // The kernel tells it once.
            Err(error) => {
                self.failed = Some(error.kind());
                Err(error)
            }
        }
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
        }
    }

    /// Looks for an early end.
    ///
    /// # Errors
    /// `ConnectionAborted` if the request was given up.
    pub(crate) fn look_for_abort(&mut self) -> io::Result<()> {
        self.look();
        self.check_aborted()
    }

    fn check_aborted(&self) -> io::Result<()> {
        match self.is_given_up() {
            true => Err(aborted()),
            false => Ok(()),
        }
    }

    /// Looks if that was long ago: a handler that only writes would not notice that nobody listens.
    ///
    /// # Errors
    /// `ConnectionAborted` if the request was given up.
    pub(crate) fn look_now_and_then(&mut self) -> io::Result<()> {
        let now = now_ms();
        if now.saturating_sub(self.looked) < LOOK_AFTER {
            return Ok(());
        }
        self.looked = now;
        self.look_for_abort()
    }

    /// Looks, without waiting, for what is no body: an end of the request before its time, questions, further requests.
    /// Body that has come meanwhile is kept, its records taken off.
    pub(crate) fn look(&mut self) {
        if self.lent || self.aborted || self.failed.is_some() {
            return;
        }
        if let End::Plain(..) = self.end {
            return;
        }
        let mut window = std::mem::take(&mut self.window);
        let mut go_on = self.sift(&mut window);
        self.window = window;
        // Nobody has more than a few windows of records that are all overhead under way.
        for _ in 0..LOOKS {
            if !go_on {
                break;
            }
            let mut spare = std::mem::take(&mut self.spare);
            go_on = self.sift(&mut spare);
            self.spare = spare;
            let before = self.spare.filled;
            if self.room() > 0 && !self.input_ended && self.take_in().is_err() {
                self.hung_up = true;
            }
            go_on &= self.spare.filled > before;
        }
        if let End::Records(link) = &self.end {
            self.hung_up |= self.input_ended && link.transport.has_hung_up();
        }
    }

    /// Looks at the records in `window`, and leaves nothing of them but content. `false` if no more may be looked at.
    fn sift(&mut self, window: &mut Window<'buf>) -> bool {
        let mut at = window.at + window.ready;
        let mut kept = at;
        let go_on = loop {
            let End::Records(link) = &mut self.end else {
                break false;
            };
            if at == window.filled {
                break true;
            }
            // A filter's DATA is another stream, and must not be taken for more of the body.
            let in_data = link.sequence.stdin_ended() && !link.sequence.input_ended();
            if in_data {
                break false;
            }
            match link.sequence.next(&window.bytes[..window.filled], &mut at) {
                Event::Stdin(n) => {
                    window.bytes.copy_within(at..at + n, kept);
                    link.sequence.take(n);
                    at += n;
                    kept += n;
                }
                Event::More => break true,
                Event::Next => break false,
                event => {
                    if self.between(event).is_err() {
                        break false;
                    }
                }
            }
        };
        window.bytes.copy_within(at..window.filled, kept);
        window.ready = kept - window.at;
        window.filled = kept + (window.filled - at);
        go_on
    }

    fn try_send(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let sent = match &self.end {
                End::Records(link) => match &*slices {
                    [one] => link.transport.send(one),
                    many => link.transport.send_vectored(many),
                },
                End::Plain(pipes, _) => pipes.write(slices),
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut slices, n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the request on its connection. `cut`: the answer is not whole, and the connection cannot go on.
    pub(crate) fn end(&mut self, cut: bool) -> Ending {
        let fate = self.fate(cut);
        self.part(fate)
    }

    /// As `end`, for a connection that goes on without this worker.
    pub(crate) fn end_apart(mut self) -> Parting {
        let fate = self.fate(false);
        let unread = |window: &Window<'_>| {
            let unread = window.bytes.get(window.at..window.filled);
            unread.unwrap_or_default().to_vec()
        };
        let unread = [unread(&self.window), unread(&self.spare)].concat();
        let ending = self.part(fate);
        let link = match self.end {
            End::Records(Held(link)) => link.take(),
            End::Plain(..) => None,
        };
        match (ending, link) {
            (Ending::Keep(_), Some(link)) => Parting::Keep(link, unread),
            (Ending::Linger, Some(link)) => Parting::Linger(link),
            _ => Parting::Close,
        }
    }

    fn fate(&mut self, cut: bool) -> Fate {
        self.window.skip_ready();
        self.spare.skip_ready();
        let cut = cut || self.failed.is_some();
        let keep = match &self.end {
            End::Records(link) => {
                link.sequence.keep_conn() && !cut && !self.lent && !self.input_ended
            }
            End::Plain(..) => {
                if !cut {
                    self.drain_plain();
                }
                return Fate::Close;
            }
        };
        if keep && self.skim() {
            Fate::Keep
        } else if self.settle() {
            Fate::Close
        } else {
            Fate::Linger
        }
    }

    fn part(&mut self, fate: Fate) -> Ending {
        let unread = [self.window.unread(), self.spare.unread()];
        let End::Records(link) = &mut self.end else {
            return Ending::Close;
        };
        let link = &mut **link;
        link.body_pending = !link.sequence.input_ended();
        link.sequence.end_request();
        link.served = link.served.saturating_add(1);
        match fate {
            Fate::Keep => Ending::Keep(unread),
            Fate::Close => Ending::Close,
            Fate::Linger => Ending::Linger,
        }
    }

    /// Reads away what is left of a CGI request's body: mod_cgid (Apache 2.4.71) writes all of it before it reads the
    /// answer, and loses the answer when our end of the socket closes before. As long as a connection lingers, at most.
    fn drain_plain(&mut self) {
        let End::Plain(pipes, left) = &mut self.end else {
            return;
        };
        let here = self.window.unread().len() + self.spare.unread().len();
        let mut left = left.map(|left| left.saturating_sub(here as u64));
        let began = Instant::now();
        while left != Some(0) && !self.input_ended {
            let time = self.limits.linger_timeout.saturating_sub(began.elapsed());
            if !pipes.wait_readable(time).unwrap_or(false) {
                return;
            }
            match pipes.read(self.spare.bytes) {
                Ok(n @ 1..) => left = left.map(|left| left.saturating_sub(n as u64)),
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Passes over what is left of the body and has come already: of a GET nearly always its end. `false` if the connection
    /// cannot go on with what follows.
    fn skim(&mut self) -> bool {
        loop {
            let End::Records(link) = &mut self.end else {
                return false;
            };
            if link.sequence.input_ended() {
                return true;
            }
            let here = &self.window.bytes[..self.window.filled];
            match link.sequence.next(here, &mut self.window.at) {
                Event::Stdin(n) | Event::Data(n) => {
                    link.sequence.take(n);
                    self.window.at += n;
                }
                Event::Abort => return true,
                Event::StdinEnd | Event::DataEnd => {}
                Event::More if self.spare.is_used_up() => return true,
                Event::More => std::mem::swap(&mut self.window, &mut self.spare),
                event => {
                    if self.between(event).is_err() {
                        return false;
                    }
                }
            }
        }
    }

    /// Looks through what has come, without waiting. Whether the body's end is there and nothing behind it.
    fn settle(&mut self) -> bool {
        let End::Records(link) = &mut self.end else {
            return true;
        };
        let mut tried = false;
        while !self.lent {
            let ended = link.sequence.input_ended();
            let event = match ended && self.window.is_used_up() {
                true => Event::More,
                false => link.sequence.next(
                    &self.window.bytes[..self.window.filled],
                    &mut self.window.at,
                ),
            };
            match event {
                Event::Stdin(n) | Event::Data(n) => {
                    link.sequence.take(n);
                    self.window.at += n;
                }
                Event::StdinEnd | Event::DataEnd => {}
                Event::More if !self.spare.is_used_up() => {
                    std::mem::swap(&mut self.window, &mut self.spare);
                }
                Event::More if link.sequence.is_over() => return true,
                // The end of a GET's empty body often comes right behind what was read.
                Event::More if !tried => {
                    tried = true;
                    self.window.at = 0;
                    let room = self.window.bytes.len().min(WINDOW);
                    self.window.filled = link
                        .transport
                        .recv(&mut self.window.bytes[..room])
                        .unwrap_or(0);
                    self.large |= self.window.unread().end > KEPT;
                }
                _ => return false,
            }
        }
        false
    }

    /// The window is used up: what came meanwhile is next, or what comes now.
    fn more(&mut self) -> io::Result<()> {
        if !self.spare.is_used_up() {
            std::mem::swap(&mut self.window, &mut self.spare);
            (self.spare.at, self.spare.filled) = (0, 0);
            return Ok(());
        }
        let End::Records(link) = &self.end else {
            unreachable!("BUG: plain bytes have no records")
        };
        (self.window.at, self.window.filled) = (0, 0);
        let room = self.window.bytes.len().min(WINDOW);
        loop {
            match link.transport.recv(&mut self.window.bytes[..room]) {
                Ok(0) => {
                    self.input_ended = true;
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the web server closed the connection before the end of the request's body",
                    ));
                }
                Ok(n) => {
                    self.window.filled = n;
                    self.large |= self.window.unread().end > KEPT;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let wait = Wait {
                        readable: true,
                        writable: false,
                    };
                    if !link
                        .transport
                        .wait(wait, self.limits.body_timeout)?
                        .readable
                    {
                        return Err(body_timed_out(self.limits));
                    }
                }
                Err(error) => {
                    self.failed = Some(error.kind());
                    return Err(error);
                }
            }
        }
    }

    fn fill_plain(&mut self) -> io::Result<usize> {
        let End::Plain(pipes, left) = &mut self.end else {
            unreachable!("BUG: records are not plain")
        };
        let most = left.unwrap_or(u64::MAX);
        if most == 0 {
            return Ok(0);
        }
        if self.window.is_used_up() && !self.spare.is_used_up() {
            std::mem::swap(&mut self.window, &mut self.spare);
            (self.spare.at, self.spare.filled) = (0, 0);
        }
        if self.window.is_used_up() {
            if !pipes.wait_readable(self.limits.body_timeout)? {
                return Err(body_timed_out(self.limits));
            }
            let room = self.window.bytes.len().min(WINDOW);
            self.window.at = 0;
            self.window.filled = pipes.read(&mut self.window.bytes[..room])?;
            if self.window.filled == 0 {
                self.input_ended = true;
                return match left {
                    None => Ok(0),
                    Some(_) => Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "standard input ended before CONTENT_LENGTH bytes of the request's body",
                    )),
                };
            }
        }
        let here = self.window.filled - self.window.at;
        Ok(here.min(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    /// A record that is no part of the body.
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
                values_result(&asked, self.values.0, self.values.1)
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

    /// Waits for room to send into, and takes in what comes meanwhile.
    fn wait_for_room(&mut self) -> io::Result<()> {
        let limit = self.limits.write_timeout;
        loop {
            let wait = Wait {
                readable: self.room() > 0 && !self.input_ended,
                writable: true,
            };
            let came = match &self.end {
                End::Records(link) => link.transport.wait(wait, limit)?,
                End::Plain(pipes, _) => pipes.wait(wait, limit)?,
            };
            if came == Wait::default() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "the web server took no byte of the answer for {limit:?}{}",
                        if self.room() > 0 {
                            ""
                        } else {
                            ", while it goes on sending a body that is not read"
                        },
                    ),
                ));
            }
            if came.readable {
                self.take_in()?;
            }
            if came.writable {
                return Ok(());
            }
        }
    }

    /// How much may be taken in: what a kept connection carries over to its next request is never more than two windows.
    fn room(&self) -> usize {
        let unread = self.window.unread().len() + self.spare.unread().len();
        let free = self.spare.bytes.len() - self.spare.filled;
        free.min((2 * WINDOW).saturating_sub(unread))
    }

    fn take_in(&mut self) -> io::Result<()> {
        let end = self.spare.filled + self.room();
        let room = &mut self.spare.bytes[self.spare.filled..end];
        let came = match &self.end {
            End::Records(link) => link.transport.recv(room),
            End::Plain(pipes, _) => pipes.read(room),
        };
        match came {
            // A half-closed peer still gets its answer.
            Ok(0) => self.input_ended = true,
            Ok(n) => {
                self.spare.filled += n;
                self.large = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
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
