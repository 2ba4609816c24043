//! A small blocking FastCGI client: the web server's part of a connection.
//!
//! For tests of an application, for tools, and for the http server of `--http`. One [`Client`] is one connection with
//! one request at a time on it.
//!
//! ```no_run
//! use fcgi::client::{Begin, Client};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut client = Client::connect(&"unix:/run/app.sock".parse()?)?;
//! let params = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/"), ("SCRIPT_NAME", "")];
//! let answer = client.request(Begin::default(), params, b"")?;
//! println!("{} {}", answer.head.status(), String::from_utf8_lossy(&answer.body));
//! # Ok(())
//! # }
//! ```
//!
//! An application may answer before it has read the body, may never read it, and may answer while it reads. Whoever
//! sends a whole body first and reads then stands still with some of them, as mod_fcgid does. So sending and receiving
//! go together: [`Client::step`] does whichever can be done first. [`Client::exchange`] and [`Client::request`] are
//! loops around it; [`Client::try_write`] and [`Client::try_next`] are its two halves, for those who wait for other
//! things as well.
//!
//! Memory is bounded: 64 KiB are read at a time, as much is queued to be sent, and only the params
//! ([`MAX_PARAMS`]), a response's head ([`MAX_HEAD`]) and an answer that is collected ([`Client::max_answer`]) are ever
//! held whole. Every wait ends ([`Client::timeout`]).
//!
//! Not here: several requests at once on one connection, the data stream of a filter, and the questions of
//! GET_VALUES. A connection whose records break the protocol is an error, where most web servers are lenient.

mod head;
mod records;
#[cfg(test)]
pub(crate) mod stub;

pub use head::{Head, HeadReader, MAX_HEAD};

pub(crate) use records::{Found, Records};

use crate::net::{Address, Transport, Wait};
use crate::protocol::{
    BeginRequest, HEADER_LEN, MAX_CONTENT, RecordHeader, RecordType, Role, encode_pair,
};
use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroU16;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The most bytes that the params of one request may take, encoded: four times what a
/// [`Server`](crate::Server) takes, so that its refusal can be seen.
pub const MAX_PARAMS: usize = 1 << 20;

/// The most content of one STDIN record: what nginx sends.
const BODY_RECORD: usize = 32 << 10;

/// While so many bytes wait to be sent, no more of the body is taken.
const QUEUE: usize = 64 << 10;

/// What is read at a time.
const INPUT: usize = 64 << 10;

/// What a request begins with. The default: a responder, on a connection that ends with the request, with id 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What the application is asked to be.
    pub role: Role,
    /// Whether the application is to leave the connection open, for another request.
    pub keep_conn: bool,
    /// The request's number; web servers without multiplexing use 1.
    pub request_id: NonZeroU16,
}

impl Default for Begin {
    fn default() -> Begin {
        Begin {
            role: Role::Responder,
            keep_conn: false,
            request_id: NonZeroU16::MIN,
        }
    }
}

/// A piece of an answer, in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Some of the response: a head as in CGI ([`HeadReader`] finds its end), then the body.
    Stdout(&'a [u8]),
    /// Some of what the application has to say to the web server's log.
    Stderr(&'a [u8]),
    /// The request has ended.
    End(End),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The application's own status, as of a program's exit: 0 by custom.
    pub app_status: u32,
    /// 0: complete. 1: no second request on this connection. 2: overloaded. 3: the role is unknown.
    pub protocol_status: u8,
}

impl End {
    /// Why the application refused the request; `None` if it did not.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        refusal(self.protocol_status)
    }
}

/// What a protocol status says for the application (section 5.5 of the specification).
pub(crate) fn refusal(protocol_status: u8) -> Option<&'static str> {
    match protocol_status {
        0 => None,
        1 => Some("it takes no second request on a connection (FCGI_CANT_MPX_CONN)"),
        2 => Some("it is overloaded (FCGI_OVERLOADED)"),
        3 => Some("it does not have the role that it was asked in (FCGI_UNKNOWN_ROLE)"),
        _ => Some("it ended the request with a protocol status that nobody knows"),
    }
}

/// What [`Client::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// So many bytes of the body were taken.
    Took(usize),
    /// This came.
    Part(Part<'a>),
}

/// Which way bytes go, for [`Client::watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the application.
    Sent,
    /// From it.
    Received,
}

/// A whole answer, collected by [`Client::request`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status and the fields.
    pub head: Head,
    /// What followed the head.
    pub body: Vec<u8>,
    /// What came on the stderr stream.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// One connection to an application.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    limit: Duration,
    max_answer: usize,
    phase: Phase,
    request_id: u16,
    keep_conn: bool,
    /// Bytes of STDOUT that the running request has given: a cut says how many.
    received: u64,
    records: Records,
    input: Box<[u8]>,
    /// `at <= filled <= input.len()`
    at: usize,
    filled: usize,
    /// Whole records; `queue[sent..]` is still to leave. At most `QUEUE` and a record, or the params.
    queue: Vec<u8>,
    sent: usize,
    /// The application has closed its side for reading: what it should get is dropped, what it says still counts.
    deaf: bool,
    watch: Watch,
}

/// Is shown all bytes, if somebody asked for it.
#[derive(Default)]
struct Watch(Option<Box<Watcher>>);

type Watcher = dyn FnMut(Way, &[u8]) + Send + Sync;

impl Watch {
    fn show(&mut self, way: Way, bytes: &[u8]) {
        if let Some(watch) = &mut self.0 {
            watch(way, bytes);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request may begin.
    Idle,
    /// A request runs, and its body is not ended.
    Body,
    /// A request runs, and all of it was taken.
    Asked,
    /// No request can begin any more.
    Over,
}

impl Client {
    /// Connects to an application.
    ///
    /// # Errors
    /// Those of the system; `TimedOut` when that takes longer than 10 s (its queue is full), and `InvalidInput` for an
    /// `fd:` address, to which nobody can connect.
    pub fn connect(address: &Address) -> io::Result<Client> {
        Client::connect_within(address, Client::CONNECT_LIMIT)
    }

    pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

    /// As [`connect`](Client::connect), with another limit.
    pub(crate) fn connect_within(address: &Address, limit: Duration) -> io::Result<Client> {
        Transport::connect(address, limit).map(Client::new)
    }

    /// Sets the longest time in which nothing moves on the connection while it is waited for. Default: 60 s, as nginx's.
    pub fn timeout(mut self, limit: Duration) -> Client {
        self.limit = limit;
        self
    }

    /// Sets the most bytes, body and stderr together, that [`request`](Client::request) collects. Default: 64 MiB.
    pub fn max_answer(mut self, bytes: usize) -> Client {
        self.max_answer = bytes;
        self
    }

    /// Shows `watch` all bytes that cross the connection, in pieces of any size: records, with their headers and padding.
    pub fn watch(mut self, watch: impl FnMut(Way, &[u8]) + Send + Sync + 'static) -> Client {
        self.watch = Watch(Some(Box::new(watch)));
        self
    }

    /// Sends a request and collects the answer.
    ///
    /// # Errors
    /// As [`exchange`](Client::exchange); `InvalidData` if the answer has no head that a web server would take, or is
    /// larger than [`max_answer`](Client::max_answer).
    pub fn request<N, V>(
        &mut self,
        begin: Begin,
        params: impl IntoIterator<Item = (N, V)>,
        body: &[u8],
    ) -> io::Result<Answer>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut collected = Collected::new(self.max_answer);
        let end = self.exchange(begin, params, body, |part| collected.add(part))?;
        collected.finish(end)
    }

    /// Sends a request with a body that is read from `body`, and gives the parts of the answer to `sink` as they come,
    /// `End` included.
    ///
    /// A body that the application does not want is not read to its end.
    ///
    /// # Errors
    /// Those of [`begin`](Client::begin), [`step`](Client::step), `body` and `sink`. After one of the last two the
    /// request still runs: drop the client.
    pub fn exchange<N, V>(
        &mut self,
        begin: Begin,
        params: impl IntoIterator<Item = (N, V)>,
        mut body: impl Read,
        mut sink: impl FnMut(Part<'_>) -> io::Result<()>,
    ) -> io::Result<End>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        self.begin(begin, params)?;
        self.converse(&mut body, &mut sink)
    }

    /// One copy of it, whatever the body and the sink are.
    fn converse(
        &mut self,
        body: &mut dyn Read,
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> io::Result<End> {
        let mut buffer = vec![0; BODY_RECORD];
        let mut rest = 0..0;
        loop {
            if rest.is_empty() && self.phase == Phase::Body {
                rest = 0..read(body, &mut buffer)?;
                if rest.is_empty() {
                    self.end_body()?;
                }
            }
            match self.step(&buffer[rest.clone()])? {
                Step::Took(n) => rest.start += n,
                Step::Part(part) => {
                    sink(part)?;
                    if let Part::End(end) = part {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// Begins a request. Nothing is sent before the next step, so that a small request leaves in one piece.
    ///
    /// An authorizer's request has no body: it is whole at once.
    ///
    /// # Errors
    /// `InvalidInput` if the last request has not ended, if the connection was not to be kept, or if the params exceed
    /// [`MAX_PARAMS`]; `InvalidData` if the application sent something after END_REQUEST.
    pub fn begin<N, V>(
        &mut self,
        begin: Begin,
        params: impl IntoIterator<Item = (N, V)>,
    ) -> io::Result<()>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut stream = Vec::new();
        for (name, value) in params {
            let (name, value) = (name.as_ref(), value.as_ref());
            if stream.len() + name.len() + value.len() + 8 > MAX_PARAMS {
                return Err(invalid(format!(
                    "cannot begin a request: its params exceed {MAX_PARAMS} bytes; send fewer"
                )));
            }
            encode_pair(name, value, &mut stream);
        }
        self.start(begin, &stream)
    }

    /// Whether another request can begin: the last one has ended, and the connection was to be kept.
    pub fn is_reusable(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Takes some of `body` to be sent, or waits for a part of the answer, whichever can be done first.
    ///
    /// An empty `body` only waits. Of a body that the application no longer takes everything is "taken" and dropped.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ended before END_REQUEST: the answer is cut. `TimedOut` if nothing moved for
    /// [`timeout`](Client::timeout). `InvalidData` if the application broke the protocol. `InvalidInput` if no request
    /// runs, or a body comes after its end.
    pub fn step(&mut self, body: &[u8]) -> io::Result<Step<'_>> {
        loop {
            if let Some(found) = self.find()? {
                return Ok(Step::Part(self.part(found)));
            }
            if !body.is_empty() {
                let n = self.try_write(body)?;
                if n > 0 {
                    return Ok(Step::Took(n));
                }
            }
            self.wait()?;
        }
    }

    /// Waits for the next part of the answer: [`step`](Client::step) without a body.
    ///
    /// # Errors
    /// As [`step`](Client::step).
    pub fn next_part(&mut self) -> io::Result<Part<'_>> {
        loop {
            if let Some(found) = self.find()? {
                return Ok(self.part(found));
            }
            self.wait()?;
        }
    }

    /// Takes some of `body` to be sent, without waiting: 0 if enough is on its way already.
    ///
    /// # Errors
    /// `InvalidInput` if no request runs or its body has ended.
    pub fn try_write(&mut self, body: &[u8]) -> io::Result<usize> {
        if self.phase != Phase::Body {
            return Err(invalid(
                "cannot send a body: no request runs whose body is open".into(),
            ));
        }
        self.try_send()?;
        if self.deaf {
            return Ok(body.len());
        }
        if body.is_empty() || self.queue.len() >= QUEUE {
            return Ok(0);
        }
        let n = body.len().min(BODY_RECORD);
        self.push(RecordType::Stdin, &body[..n]);
        self.try_send()?;
        Ok(n)
    }

    /// Ends the body. Does nothing if no body is open.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn end_body(&mut self) -> io::Result<()> {
        if self.phase == Phase::Body {
            self.push(RecordType::Stdin, b"");
            self.phase = Phase::Asked;
        }
        self.try_send()
    }

    /// Says that the answer is not wanted any more. The application still has to end the request.
    ///
    /// # Errors
    /// `InvalidInput` if no request runs.
    pub fn abort(&mut self) -> io::Result<()> {
        self.expect_running()?;
        self.push(RecordType::AbortRequest, b"");
        self.phase = Phase::Asked;
        self.try_send()
    }

    /// The next part of the answer, if one is here; sends what waits to be sent on the way.
    ///
    /// # Errors
    /// As [`step`](Client::step), but for `TimedOut`.
    pub fn try_next(&mut self) -> io::Result<Option<Part<'_>>> {
        let found = self.find()?;
        Ok(found.map(|found| self.part(found)))
    }

    /// Sends as much as the connection takes of what waits to be sent.
    ///
    /// # Errors
    /// Those of the connection, but that the application has closed it is none: it may have answered before.
    pub fn try_send(&mut self) -> io::Result<()> {
        while self.is_sending() && !self.deaf {
            match self.transport.send(&self.queue[self.sent..]) {
                Ok(n) => {
                    self.watch.show(Way::Sent, &self.queue[self.sent..][..n]);
                    self.sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_disconnect(&error) => self.deaf = true,
                Err(error) => return Err(error),
            }
        }
        self.queue.clear();
        self.queue.shrink_to(2 * QUEUE);
        self.sent = 0;
        Ok(())
    }

    /// Whether something waits until the connection can be written to. (Whether it can be read from is always of
    /// interest while a request runs.)
    pub fn is_sending(&self) -> bool {
        self.sent < self.queue.len()
    }

    fn new(transport: Transport) -> Client {
        Client {
            transport,
            limit: Duration::from_secs(60),
            max_answer: 64 << 20,
            phase: Phase::Idle,
            request_id: 0,
            keep_conn: true,
            received: 0,
            records: Records::default(),
            input: vec![0; INPUT].into(),
            at: 0,
            filled: 0,
            queue: Vec::new(),
            sent: 0,
            deaf: false,
            watch: Watch::default(),
        }
    }

    fn start(&mut self, begin: Begin, params: &[u8]) -> io::Result<()> {
        match self.phase {
            Phase::Idle => {}
            Phase::Over => {
                return Err(invalid(
                    "cannot begin a request: the connection ended with the last one; connect again"
                        .into(),
                ));
            }
            Phase::Body | Phase::Asked => {
                return Err(invalid(
                    "cannot begin a request: the last one has not ended; read on to its end".into(),
                ));
            }
        }
        // Padding and management records may follow an END_REQUEST; of no request, nothing else.
        let bytes = &self.input[..self.filled];
        if self.records.next(0, bytes, &mut self.at).is_err() {
            self.phase = Phase::Over;
            return Err(broken(
                "the application went on after END_REQUEST; connect again".into(),
            ));
        }
        self.request_id = begin.request_id.get();
        self.keep_conn = begin.keep_conn;
        self.received = 0;
        let content = BeginRequest {
            role: begin.role.number(),
            keep_conn: begin.keep_conn,
        };
        self.push(RecordType::BeginRequest, &content.encode());
        for piece in params.chunks(MAX_CONTENT) {
            self.push(RecordType::Params, piece);
        }
        self.push(RecordType::Params, b"");
        // Seen from Apache's three modules and lighttpd: not even an empty STDIN record for an authorizer.
        self.phase = match begin.role {
            Role::Authorizer => Phase::Asked,
            _ => Phase::Body,
        };
        Ok(())
    }

    fn expect_running(&self) -> io::Result<()> {
        match self.phase {
            Phase::Body | Phase::Asked => Ok(()),
            Phase::Idle | Phase::Over => Err(invalid("no request runs; begin one first".into())),
        }
    }

    /// Queues one record of the running request.
    fn push(&mut self, record_type: RecordType, content: &[u8]) {
        let header = RecordHeader::new(record_type, self.request_id, content.len() as u16);
        self.queue.reserve(HEADER_LEN + content.len() + 7);
        self.queue.extend_from_slice(&header.encode());
        self.queue.extend_from_slice(content);
        let padded = self.queue.len() + usize::from(header.padding);
        self.queue.resize(padded, 0);
    }

    /// What comes next of the answer, if it is here.
    fn find(&mut self) -> io::Result<Option<Found>> {
        self.expect_running()?;
        self.try_send()?;
        loop {
            let bytes = &self.input[..self.filled];
            match self.records.next(self.request_id, bytes, &mut self.at) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(what) => {
                    self.phase = Phase::Over;
                    return Err(broken(what));
                }
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// `false` if nothing is here.
    fn receive(&mut self) -> io::Result<bool> {
        match self.transport.recv(&mut self.input) {
            Ok(0) => Err(self.cut("closed the connection")),
            Ok(n) => {
                self.watch.show(Way::Received, &self.input[..n]);
                self.at = 0;
                self.filled = n;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if is_disconnect(&error) => Err(self.cut("reset the connection")),
            Err(error) => Err(error),
        }
    }

    fn cut(&mut self, how: &str) -> io::Error {
        self.phase = Phase::Over;
        let message = format!(
            "the application {how} before END_REQUEST: the answer is cut after {} bytes",
            self.received
        );
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    }

    fn part(&mut self, found: Found) -> Part<'_> {
        match found {
            Found::Stdout(content) => {
                self.received += content.len() as u64;
                Part::Stdout(self.lend(content))
            }
            Found::Stderr(content) => Part::Stderr(self.lend(content)),
            Found::End(end) => {
                self.phase = if self.keep_conn {
                    Phase::Idle
                } else {
                    Phase::Over
                };
                Part::End(End {
                    app_status: end.app_status,
                    protocol_status: end.protocol_status,
                })
            }
        }
    }

    fn lend(&self, content: Range<usize>) -> &[u8] {
        &self.input[content]
    }

    fn wait(&self) -> io::Result<()> {
        let wait = Wait {
            readable: true,
            writable: self.is_sending(),
        };
        if self.transport.wait(wait, self.limit)? != Wait::default() {
            return Ok(());
        }
        let message = match self.is_sending() {
            true => "took and sent nothing",
            false => "sent nothing",
        };
        let message = format!("the application {message} for {:?}", self.limit);
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

impl From<std::os::unix::net::UnixStream> for Client {
    fn from(stream: std::os::unix::net::UnixStream) -> Client {
        Client::new(OwnedFd::from(stream).into())
    }
}

impl From<std::net::TcpStream> for Client {
    fn from(stream: std::net::TcpStream) -> Client {
        // Records are written whole: one must not wait for the last one's ACK. A socket that is gone says so later.
        let _ = stream.set_nodelay(true);
        Client::new(OwnedFd::from(stream).into())
    }
}

/// A connected stream socket, whatever its kind.
impl From<OwnedFd> for Client {
    fn from(socket: OwnedFd) -> Client {
        Client::new(socket.into())
    }
}

/// To wait for the connection together with others.
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

/// What [`Client::request`] has of an answer.
struct Collected {
    reader: HeadReader,
    head: Option<Head>,
    body: Vec<u8>,
    stderr: Vec<u8>,
    /// `body.len() + stderr.len() <= limit`
    limit: usize,
}

impl Collected {
    fn new(limit: usize) -> Collected {
        Collected {
            reader: HeadReader::default(),
            head: None,
            body: Vec::new(),
            stderr: Vec::new(),
            limit,
        }
    }

    fn add(&mut self, part: Part<'_>) -> io::Result<()> {
        match part {
            Part::Stdout(bytes) if self.head.is_some() => self.add_body(bytes),
            Part::Stdout(bytes) => match self.reader.read(bytes)? {
                Some((head, n)) => {
                    self.head = Some(head);
                    self.add_body(&bytes[n..])
                }
                None => Ok(()),
            },
            Part::Stderr(bytes) => {
                self.expect_room(bytes)?;
                self.stderr.extend_from_slice(bytes);
                Ok(())
            }
            Part::End(_) => Ok(()),
        }
    }

    fn add_body(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.expect_room(bytes)?;
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn expect_room(&self, bytes: &[u8]) -> io::Result<()> {
        if self.body.len() + self.stderr.len() + bytes.len() <= self.limit {
            return Ok(());
        }
        Err(broken(format!(
            "the answer is larger than {} bytes, the most that is collected",
            self.limit
        )))
    }

    fn finish(self, end: End) -> io::Result<Answer> {
        let Some(head) = self.head else {
            return Err(broken(format!(
                "the application ended the request without a whole head (protocol status {})",
                end.protocol_status
            )));
        };
        Ok(Answer {
            head,
            body: self.body,
            stderr: self.stderr,
            end,
        })
    }
}

fn read(body: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn is_disconnect(error: &io::Error) -> bool {
    crate::error::is_disconnect(error)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn broken(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::stub::{Stub, application, application_of};
    use super::*;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread;

    const LARGE: usize = 10 << 20;
    const NO_PARAMS: [(&str, &str); 0] = [];
    const KEPT: Begin = Begin {
        role: Role::Responder,
        keep_conn: true,
        request_id: NonZeroU16::MIN,
    };

    fn client(stream: UnixStream) -> Client {
        Client::from(stream).timeout(Duration::from_secs(10))
    }

    fn large() -> Vec<u8> {
        (0..LARGE as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    #[test]
    fn a_body_comes_back_while_it_is_sent() {
        let (stream, app) = application(|mut stub| {
            stub.head();
            stub.stdout(b"A: b\n\n");
            while let Some(piece) = stub.body() {
                stub.stdout(&piece);
            }
            stub.end();
        });
        let body = large();
        let answer = client(stream)
            .request(Begin::default(), NO_PARAMS, &body)
            .unwrap();
        assert!(answer.body == body, "the body came back changed");
        app.join().unwrap();
    }

    #[test]
    fn an_answer_may_come_before_the_body_was_read() {
        let (stream, app) = application(|mut stub| {
            stub.head();
            stub.stdout(b"A: b\n\nearly");
            stub.end();
            stub.wait_for_close();
        });
        let mut client = client(stream);
        let mut body = io::repeat(b'x').take(LARGE as u64);
        let mut stdout = Vec::new();
        let end = client
            .exchange(Begin::default(), NO_PARAMS, &mut body, |part| {
                if let Part::Stdout(bytes) = part {
                    stdout.extend_from_slice(bytes);
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(
            (end.protocol_status, &stdout[..]),
            (0, &b"A: b\n\nearly"[..])
        );
        assert!(body.limit() > 0, "an unwanted body was read to its end");
        drop(client);
        app.join().unwrap();
    }

    #[test]
    fn an_answer_counts_although_its_application_closed_with_the_body_unread() {
        let (stream, app) = application(|mut stub| {
            stub.head();
            stub.stdout(b"A: b\n\nearly");
            stub.end();
        });
        let mut client = client(stream);
        client.begin(Begin::default(), NO_PARAMS).unwrap();
        while client.try_write(&[b'x'; 1000]).unwrap() > 0 && !client.deaf {}
        app.join().unwrap();
        assert_eq!(client.next_part().unwrap(), Part::Stdout(b"A: b\n\nearly"));
        assert!(matches!(client.next_part().unwrap(), Part::End(_)));
        assert!(!client.is_reusable());
    }

    #[test]
    fn what_a_closed_application_should_get_is_dropped() {
        let (all_was_taken, wait_until) = std::sync::mpsc::channel();
        let (stream, app) = application(move |mut stub| {
            stub.head();
            stub.shut_for_reading();
            stub.stdout(b"A: b\n\n");
            wait_until.recv().unwrap();
            stub.end();
        });
        let mut client = client(stream);
        client.begin(Begin::default(), NO_PARAMS).unwrap();
        assert_eq!(client.next_part().unwrap(), Part::Stdout(b"A: b\n\n"));
        let (mut left, piece) = (LARGE, [b'x'; 1 << 16]);
        while left > 0 {
            match client.step(&piece[..left.min(piece.len())]).unwrap() {
                Step::Took(n) => left -= n,
                Step::Part(part) => panic!("{part:?}"),
            }
        }
        all_was_taken.send(()).unwrap();
        client.end_body().unwrap();
        assert!(matches!(client.next_part().unwrap(), Part::End(_)));
        app.join().unwrap();
    }

    #[test]
    fn a_kept_connection_takes_another_request_although_the_last_body_was_not_ended() {
        let (stream, app) = application(|mut stub| {
            for answer in ["A: 1\n\none", "A: 2\n\ntwo"] {
                stub.head();
                stub.stdout(answer.as_bytes());
                stub.end();
            }
            stub.wait_for_close();
        });
        let mut client = client(stream);
        client.begin(KEPT, NO_PARAMS).unwrap();
        assert!(!client.is_reusable());
        assert_eq!(
            client.begin(KEPT, NO_PARAMS).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(client.try_write(b"some").unwrap(), 4);
        while !matches!(client.next_part().unwrap(), Part::End(_)) {}
        assert!(client.is_reusable());
        assert!(client.try_write(b"late").is_err());

        let answer = client
            .request(Begin::default(), NO_PARAMS, b"body")
            .unwrap();
        assert_eq!(answer.body, b"two");
        assert!(!client.is_reusable());
        let error = client.begin(KEPT, NO_PARAMS).unwrap_err();
        assert!(error.to_string().contains("connect again"), "{error}");
        drop(client);
        app.join().unwrap();
    }

    #[test]
    fn padding_after_the_end_is_no_further_answer_but_a_record_is() {
        let end: &[u8] = &[1, 3, 0, 1, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let rows: &[(&[u8], bool)] = &[
            (&[9; 7], true),
            (&[9; 3], true),
            (&[9, 9, 9, 9, 9, 9, 9, 1, 11, 0, 0, 0, 0, 0, 0], true),
            (&[9, 9, 9, 9, 9, 9, 9, 1, 6, 0, 1, 0, 1, 0, 0, b'x'], false),
            (&[9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, b'x'], false),
        ];
        for &(after, fine) in rows {
            let (stream, app) = application(move |mut stub| {
                stub.head();
                stub.raw(&[end, after].concat());
                stub.wait_for_close();
            });
            let mut client = client(stream);
            client.begin(KEPT, NO_PARAMS).unwrap();
            assert!(matches!(client.next_part().unwrap(), Part::End(_)));
            assert_eq!(client.begin(KEPT, NO_PARAMS).is_ok(), fine, "{after:?}");
            drop(client);
            app.join().unwrap();
        }
    }

    const ANSWER: &[&[u8]] = &[
        &[
            1, 6, 0, 1, 0, 8, 0, 0, b'A', b':', b' ', b'b', b'\r', b'\n', b'\r', b'\n',
        ],
        &[1, 7, 0, 1, 0, 3, 5, 0, b'l', b'o', b'g', 0, 0, 0, 0, 0],
        &[1, 6, 0, 1, 0, 4, 4, 0, b'b', b'o', b'd', b'y', 0, 0, 0, 0],
        &[1, 6, 0, 1, 0, 0, 0, 0],
        &[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0],
    ];

    #[test]
    fn an_answer_that_comes_byte_by_byte_is_the_same() {
        let (stream, app) = application(|mut stub| {
            stub.head();
            for byte in ANSWER.concat() {
                stub.raw(&[byte]);
                thread::yield_now();
            }
        });
        let answer = client(stream).request(KEPT, NO_PARAMS, b"").unwrap();
        assert_eq!(answer.head.field("A"), Some(&b"b"[..]));
        assert_eq!(
            (&answer.body[..], &answer.stderr[..]),
            (&b"body"[..], &b"log"[..])
        );
        assert_eq!(answer.end.app_status, 9);
        app.join().unwrap();
    }

    #[test]
    fn an_answer_that_ends_anywhere_before_its_end_is_cut() {
        let whole = ANSWER.concat();
        for length in 0..whole.len() {
            let (stream, app) = application_of(&whole[..length]);
            let error = client(stream).request(KEPT, NO_PARAMS, b"").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
            assert!(
                error.to_string().contains("the answer is cut after"),
                "{error}"
            );
            app.join().unwrap();
        }
        let (stream, app) = application_of(&whole);
        client(stream).request(KEPT, NO_PARAMS, b"").unwrap();
        app.join().unwrap();
    }

    #[test]
    fn no_more_than_a_little_is_queued_for_a_slow_reader() {
        let (stream, mut application) = UnixStream::pair().unwrap();
        let mut client = client(stream);
        client.begin(KEPT, NO_PARAMS).unwrap();
        let (mut left, mut came) = (LARGE, vec![0; BODY_RECORD]);
        while left > 0 {
            match client.try_write(&[b'x'; BODY_RECORD]).unwrap() {
                // So little that there is always something that could not leave yet.
                0 => application.read_exact(&mut came).unwrap(),
                n => left -= n,
            }
            assert!(client.queue.len() < QUEUE + HEADER_LEN + BODY_RECORD);
        }
    }

    #[test]
    fn params_of_every_size_arrive_whole() {
        let long = vec![b'v'; 300 << 10];
        for length in [
            0,
            127,
            128,
            MAX_CONTENT - 8,
            MAX_CONTENT,
            200_000,
            long.len(),
        ] {
            let params = [("FIRST", &long[..length]), ("LAST", b"")];
            let expected = params.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
            let (stream, app) = application(move |mut stub| {
                let head = stub.head();
                assert!(head == expected, "the params are not those that were sent");
                assert_eq!(stub.body(), None);
                stub.stdout(b"A: b\n\n");
                stub.end();
            });
            client(stream)
                .request(Begin::default(), params, b"")
                .unwrap();
            app.join().unwrap();
        }
    }

    #[test]
    fn params_above_their_limit_are_refused_and_the_connection_is_as_before() {
        let (stream, app) = application_of(&ANSWER.concat());
        let mut client = client(stream);
        let huge = vec![b'v'; MAX_PARAMS - 8];
        assert!(client.begin(KEPT, [("A", &huge)]).is_err());
        client.request(KEPT, [("A", &huge[1..])], b"").unwrap();
        app.join().unwrap();
    }

    #[test]
    fn an_application_that_does_nothing_is_given_up() {
        let (stream, _app) = UnixStream::pair().unwrap();
        let mut client = Client::from(stream).timeout(Duration::from_millis(20));
        client.begin(KEPT, NO_PARAMS).unwrap();
        let error = client.next_part().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the application sent nothing for 20ms");
        let error = loop {
            match client.step(&[0; 4096]) {
                Ok(step) => assert_eq!(step, Step::Took(4096)),
                Err(error) => break error,
            }
        };
        assert_eq!(
            error.to_string(),
            "the application took and sent nothing for 20ms"
        );
        assert!(
            client.queue.len() < QUEUE + BODY_RECORD + HEADER_LEN,
            "no more is queued"
        );
    }

    #[test]
    fn an_authorizer_is_sent_no_body_at_all() {
        let (stream, app) = application(|mut stub| {
            stub.raw(&ANSWER.concat());
            let sent = stub.wait_for_close();
            assert_eq!(sent.len(), 16 + 8, "BEGIN_REQUEST, and the end of PARAMS");
        });
        let mut client = client(stream);
        let begin = Begin {
            role: Role::Authorizer,
            ..Begin::default()
        };
        client.request(begin, NO_PARAMS, b"").unwrap();
        drop(client);
        app.join().unwrap();
    }

    #[test]
    fn an_abort_is_a_record_and_ends_the_body() {
        let (stream, app) = application(|mut stub| {
            stub.head();
            let rest = stub.wait_for(8);
            assert_eq!(rest, [1, 2, 0, 1, 0, 0, 0, 0]);
            stub.raw(ANSWER.last().unwrap());
        });
        let mut client = client(stream);
        assert!(client.abort().is_err());
        client.begin(Begin::default(), NO_PARAMS).unwrap();
        client.abort().unwrap();
        assert!(client.try_write(b"x").is_err());
        assert!(matches!(client.next_part().unwrap(), Part::End(_)));
        app.join().unwrap();
    }

    #[test]
    fn no_more_is_collected_than_was_asked_for() {
        for (limit, fine) in [(7, true), (6, false)] {
            let (stream, app) = application_of(&ANSWER.concat());
            let mut client = client(stream).max_answer(limit);
            assert_eq!(client.request(KEPT, NO_PARAMS, b"").is_ok(), fine);
            app.join().unwrap();
        }
    }

    #[test]
    fn an_end_without_a_head_is_an_error_that_says_the_status() {
        let (stream, app) = application_of(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
        let error = client(stream).request(KEPT, NO_PARAMS, b"").unwrap_err();
        assert!(error.to_string().contains("protocol status 2"), "{error}");
        app.join().unwrap();
    }

    #[test]
    fn who_watches_sees_every_byte_both_ways() {
        let (stream, app) = application_of(&ANSWER.concat());
        let (tell, told) = std::sync::mpsc::sync_channel(100);
        let watch = move |way, bytes: &[u8]| tell.send((way, bytes.to_vec())).unwrap();
        let mut client = client(stream).watch(watch);
        client.request(KEPT, [("A", "b")], b"body").unwrap();
        drop(client);
        app.join().unwrap();
        let pieces: Vec<(Way, Vec<u8>)> = told.iter().collect();
        let of = |wanted| -> Vec<u8> {
            let pieces = pieces.iter().filter(|(way, _)| *way == wanted);
            pieces.flat_map(|(_, bytes)| bytes.clone()).collect()
        };
        assert_eq!(of(Way::Received), ANSWER.concat());
        let mut whole = [&[1, 1, 0, 1, 0, 8, 0, 0][..], &[0, 1, 1, 0, 0, 0, 0, 0]].concat();
        whole.extend([1, 4, 0, 1, 0, 4, 4, 0, 1, 1, b'A', b'b', 0, 0, 0, 0]);
        whole.extend([1, 4, 0, 1, 0, 0, 0, 0]);
        whole.extend([&[1, 5, 0, 1, 0, 4, 4, 0][..], b"body", &[0; 4]].concat());
        whole.extend([1, 5, 0, 1, 0, 0, 0, 0]);
        // The answer may be there before the body's end is sent.
        let sent = of(Way::Sent);
        assert!(
            whole.starts_with(&sent) && sent.len() >= whole.len() - 8,
            "{sent:?}"
        );
    }

    #[test]
    fn every_kind_of_address_is_connected_to() {
        let serve = |mut stub: Stub| {
            stub.head();
            stub.raw(&ANSWER.concat());
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let app = thread::spawn(move || {
            for _ in 0..2 {
                serve(Stub::new(
                    OwnedFd::from(listener.accept().unwrap().0).into(),
                ));
            }
        });
        let mut client = Client::connect(&address).unwrap();
        client.request(Begin::default(), NO_PARAMS, b"").unwrap();
        let Address::Tcp(tcp) = address else {
            unreachable!()
        };
        let mut client = Client::from(TcpStream::connect(tcp).unwrap());
        client.request(Begin::default(), NO_PARAMS, b"").unwrap();
        app.join().unwrap();

        let name = format!("fcgi-client-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let app = thread::spawn(move || serve(Stub::new(listener.accept().unwrap().0)));
        let address = Address::Unix(path.clone());
        let mut client = Client::connect(&address).unwrap();
        client.request(Begin::default(), NO_PARAMS, b"").unwrap();
        app.join().unwrap();
        std::fs::remove_file(&path).unwrap();

        let error = Client::connect(&address).unwrap_err();
        let words = format!("cannot connect to {address}: ");
        assert!(error.to_string().starts_with(&words), "{error}");
        assert!(Client::connect(&Address::Fd(0)).is_err());
    }

    #[test]
    fn a_full_queue_of_connections_is_waited_for_in_vain_only_so_long() {
        let name = format!("fcgi-full-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let _listener = UnixListener::bind(&path).unwrap();
        let address = Address::Unix(path.clone());
        let mut taken = Vec::new();
        let error = loop {
            match Transport::connect(&address, Duration::from_millis(20)) {
                Ok(transport) => taken.push(transport),
                Err(error) => break error,
            }
            assert!(taken.len() < 10_000);
        };
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
