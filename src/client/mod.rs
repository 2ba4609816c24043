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

mod answer;
mod head;
mod queue;
mod records;
#[cfg(test)]
pub(crate) mod stub;
mod watch;

pub use answer::{Answer, End, Part};
pub use head::{Head, HeadReader, MAX_HEAD};
pub use watch::Way;

#[cfg(feature = "toolbox")]
pub(crate) use answer::refusal;
pub(crate) use records::{Found, Records};

use self::answer::Collected;
use self::queue::Queue;
use self::watch::Watch;
use crate::error::is_disconnect;
use crate::net::{Address, Transport, Wait};
use crate::protocol::{BeginRequest, MAX_CONTENT, RecordType, Role, encode_pair};
use std::io::{self, Read};
use std::num::NonZeroU16;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The most bytes that the params of one request may take, encoded: four times what a
/// [`Server`](crate::Server) takes, so that its refusal can be seen.
///
/// ```
/// assert_eq!(fcgi::client::MAX_PARAMS, 1 << 20);
/// ```
pub const MAX_PARAMS: usize = 1 << 20;

/// The most content of one STDIN record: what nginx sends.
const BODY_RECORD: usize = 32 << 10;

/// What is read at a time.
const INPUT: usize = 64 << 10;

/// What a request begins with. The default: a responder, on a connection that ends with the request, with id 1.
///
/// ```
/// use fcgi::client::Begin;
///
/// let begin = Begin { keep_conn: true, ..Begin::default() };
/// assert_eq!((begin.role, begin.request_id.get()), (fcgi::Role::Responder, 1));
/// ```
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

/// What [`Client::step`] did.
///
/// It has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// So many bytes of the body were taken.
    Took(usize),
    /// This came.
    Part(Part<'a>),
}

/// One connection to an application.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("fcgi-client-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
/// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
/// use fcgi::client::{Begin, Client};
/// use std::time::Duration;
///
/// let mut client = Client::connect(&address).unwrap().timeout(Duration::from_secs(5)).max_answer(1 << 20);
/// let begin = Begin { keep_conn: true, ..Begin::default() };
/// let params = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/"), ("SCRIPT_NAME", "")];
/// for _ in 0..2 {
///     let answer = client.request(begin, params, b"").unwrap();
///     assert_eq!((answer.head.status(), &answer.body[..]), (200, &b"Hello"[..]));
///     assert!(client.is_reusable());
/// }
/// # drop(client);
/// # server.stop();
/// # server.join();
/// # std::fs::remove_dir_all(&folder).unwrap();
/// ```
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    limit: Duration,
    max_answer: usize,
    phase: Phase,
    request_id: u16,
    keep_conn: bool,
    /// How many bytes of STDOUT the running request has brought: the error for a cut answer says it.
    received: u64,
    records: Records,
    input: Box<[u8]>,
    /// `at <= filled <= input.len()`
    at: usize,
    filled: usize,
    queue: Queue,
    watch: Watch,
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
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-connect-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// use fcgi::client::{Begin, Client};
    ///
    /// let mut client = Client::connect(&address).unwrap(); // "unix:/run/app.sock".parse()
    /// # assert_eq!(client.request(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")], b"").unwrap().body, b"Hello");
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-timeout-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::Client;
    /// # use std::time::Duration;
    /// let client = Client::connect(&address).unwrap().timeout(Duration::from_secs(5));
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Client {
        self.limit = limit;
        self
    }

    /// Sets the most bytes, body and stderr together, that [`request`](Client::request) collects. Default: 64 MiB.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-max-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// let mut client = Client::connect(&address).unwrap().max_answer(4);
    /// assert!(client.request(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")], b"").is_err()); // "Hello" has five
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn max_answer(mut self, bytes: usize) -> Client {
        self.max_answer = bytes;
        self
    }

    /// Shows `watch` all bytes that cross the connection, in pieces of any size: records, with their headers and padding.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-watch-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// use fcgi::client::{Begin, Client, Way};
    ///
    /// let mut client = Client::connect(&address).unwrap().watch(|way, bytes| match way {
    ///     Way::Sent => println!("> {} bytes", bytes.len()),
    ///     Way::Received => println!("< {} bytes", bytes.len()),
    /// });
    /// client.request(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")], b"").unwrap();
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn watch(mut self, watch: impl FnMut(Way, &[u8]) + Send + Sync + 'static) -> Client {
        self.watch = Watch(Some(Box::new(watch)));
        self
    }

    /// Sends a request and collects the answer.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-request-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// # let mut client = Client::connect(&address).unwrap();
    /// let params = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")];
    /// let answer = client.request(Begin::default(), params, b"").unwrap();
    /// assert_eq!((answer.head.status(), &answer.body[..]), (200, &b"Hello"[..]));
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-exchange-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// use fcgi::client::{Begin, Client, Part};
    ///
    /// let params = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/"), ("SCRIPT_NAME", "")];
    /// let (mut body, mut bytes) = (std::io::repeat(b'x').take(1 << 20), 0);
    /// # use std::io::Read;
    /// Client::connect(&address).unwrap().exchange(Begin::default(), params, &mut body, |part| {
    ///     if let Part::Stdout(piece) = part {
    ///         bytes += piece.len();
    ///     }
    ///     Ok(())
    /// }).unwrap();
    /// # assert!(bytes > 5);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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

    /// The rest of [`exchange`](Client::exchange), compiled once for bodies and sinks of all types.
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
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-begin-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client, Part};
    /// # let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.end_body().unwrap();
    /// while !matches!(client.next_part().unwrap(), Part::End(_)) {}
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-reusable-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// # let mut client = Client::connect(&address).unwrap();
    /// let begin = Begin { keep_conn: true, ..Begin::default() };
    /// client.request(begin, [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")], b"").unwrap();
    /// assert!(client.is_reusable());
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn is_reusable(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Takes some of `body` to be sent, or waits for a part of the answer, whichever can be done first.
    ///
    /// An empty `body` only waits. Of a body that the application no longer takes everything is "taken" and dropped.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-step-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// use fcgi::client::{Begin, Client, Part, Step};
    ///
    /// let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.end_body().unwrap();
    /// let end = loop {
    ///     match client.step(b"").unwrap() {
    ///         Step::Part(Part::End(end)) => break end,
    ///         Step::Part(part) => println!("{part:?}"),
    ///         Step::Took(_) => {}
    ///     }
    /// };
    /// assert_eq!(end.protocol_status, 0);
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-next-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client, Part};
    /// # let mut client = Client::connect(&address).unwrap();
    /// # client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// # client.end_body().unwrap();
    /// let mut bytes = 0;
    /// while let Part::Stdout(piece) = client.next_part().unwrap() {
    ///     bytes += piece.len(); // of head and body
    /// }
    /// # assert!(bytes > 5);
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-write-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client, Part};
    /// # let mut client = Client::connect(&address).unwrap();
    /// # client.begin(Begin::default(), [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/")]).unwrap();
    /// let taken = client.try_write(b"name=Ada").unwrap();
    /// assert_eq!(taken, 8); // so much is not on its way yet
    /// client.end_body().unwrap();
    /// # while !matches!(client.next_part().unwrap(), Part::End(_)) {}
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
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
        if self.queue.is_deaf() {
            return Ok(body.len());
        }
        if body.is_empty() || self.queue.is_full() {
            return Ok(0);
        }
        let n = body.len().min(BODY_RECORD);
        self.queue
            .push(self.request_id, RecordType::Stdin, &body[..n]);
        self.try_send()?;
        Ok(n)
    }

    /// Ends the body. Does nothing if no body is open.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-end-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client, Part};
    /// # let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.end_body().unwrap(); // a GET has none, and says so
    /// # while !matches!(client.next_part().unwrap(), Part::End(_)) {}
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of the connection.
    pub fn end_body(&mut self) -> io::Result<()> {
        if self.phase == Phase::Body {
            self.queue.push(self.request_id, RecordType::Stdin, b"");
            self.phase = Phase::Asked;
        }
        self.try_send()
    }

    /// Says that the answer is not wanted any more. The application still has to end the request.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-abort-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client, Part};
    /// # let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.abort().unwrap();
    /// while !matches!(client.next_part(), Ok(Part::End(_)) | Err(_)) {}
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if no request runs.
    pub fn abort(&mut self) -> io::Result<()> {
        self.expect_running()?;
        self.queue
            .push(self.request_id, RecordType::AbortRequest, b"");
        self.phase = Phase::Asked;
        self.try_send()
    }

    /// The next part of the answer, if one is here; sends what waits to be sent on the way.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-trynext-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// # let mut client = Client::connect(&address).unwrap();
    /// # use fcgi::client::Part;
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.end_body().unwrap();
    /// loop {
    ///     match client.try_next().unwrap() {
    ///         Some(Part::End(_)) => break,
    ///         Some(part) => println!("{part:?}"),
    ///         None => std::thread::yield_now(), // in earnest: poll, with others
    ///     }
    /// }
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`step`](Client::step), but for `TimedOut`.
    pub fn try_next(&mut self) -> io::Result<Option<Part<'_>>> {
        let found = self.find()?;
        Ok(found.map(|found| self.part(found)))
    }

    /// Sends as much as the connection takes of what waits to be sent.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-trysend-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// # let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// client.try_send().unwrap();
    /// assert!(!client.is_sending());
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of the connection, but that the application has closed it is none: it may have answered before.
    pub fn try_send(&mut self) -> io::Result<()> {
        self.queue.send(&self.transport, &mut self.watch)
    }

    /// Whether something waits until the connection can be written to. (Whether it can be read from is always of
    /// interest while a request runs.)
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("fcgi-sending-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let address: fcgi::Address = format!("unix:{}/s", folder.display()).parse().unwrap();
    /// # let server = fcgi::Server::new().listen(address.clone()).responder(|_, res| res.send("Hello")).start().unwrap();
    /// # use fcgi::client::{Begin, Client};
    /// # let mut client = Client::connect(&address).unwrap();
    /// client.begin(Begin::default(), [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]).unwrap();
    /// assert!(client.is_sending());
    /// client.try_send().unwrap();
    /// assert!(!client.is_sending());
    /// # drop(client);
    /// # server.stop();
    /// # server.join();
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn is_sending(&self) -> bool {
        !self.queue.is_empty()
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
            queue: Queue::default(),
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
        // Behind END_REQUEST may come its padding, and management records. A record of a request is a fault.
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
        self.queue
            .push(self.request_id, RecordType::BeginRequest, &content.encode());
        for piece in params.chunks(MAX_CONTENT) {
            self.queue.push(self.request_id, RecordType::Params, piece);
        }
        self.queue.push(self.request_id, RecordType::Params, b"");
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

    /// The next part of the answer, if it is here; sends what waits to be sent on the way.
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

    /// Reads what has come. `false` if nothing has.
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

fn read(body: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn broken(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests;
