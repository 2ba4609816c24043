//! One browser's connection, request after request: here the bytes move. Called by the threads of `http`.
//!
//! Only heads are held whole. The body goes to the application as it comes and the answer to the browser as it comes, both at
//! the same time, with one poll for the two sockets. If one side does not take what waits for it, the other is not read from:
//! at most 64 KiB wait each way.
//!
//! A browser that closes its side has gone, as nginx sees it; the application's connection is closed then.

use super::answer::{Answer, Asked, shown, write_page};
use super::body::{BodyReader, Next};
use super::request::{MAX_HEAD, Refusal, Request};
use super::{Backend, READABLE, is_readable_within};
use crate::cli::stderr::Stderr;
use crate::client::{Begin, Client, Part};
use crate::log_line::{info, warn};
use crate::net::sys;
use crate::net::{Transport, Wait};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What all connections have in common.
pub(super) struct Shared {
    pub(super) backend: Box<dyn Backend>,
    pub(super) stop: OwnedFd,
    pub(super) limits: Limits,
}

/// How long each step may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Before the first byte of a request.
    pub(super) idle: Duration,
    /// From a head's first byte to its last.
    pub(super) head: Duration,
    /// For the browser to send or take something.
    pub(super) browser: Duration,
    /// For the application to say something: long, since someone may be looking at it with a debugger.
    pub(crate) application: Duration,
    /// For the browser to end its side after we ended ours.
    pub(super) linger: Duration,
    /// For the requests that still run when it is time to stop; `None`: the caller has a limit of its own.
    pub(crate) stop: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            idle: Duration::from_secs(15),
            head: Duration::from_secs(10),
            browser: Duration::from_secs(60),
            application: Duration::from_secs(600),
            linger: Duration::from_secs(2),
            stop: None,
        }
    }
}

/// The most that is held of what a browser has sent: a head has to be there whole.
const INPUT: usize = MAX_HEAD;

/// The most that is read at a time.
const READ: usize = 32 << 10;

/// While so much waits for the browser, the application is not read from.
const OUTPUT: usize = 64 << 10;

/// A browser's connection.
pub(super) struct Connection<'a> {
    browser: Transport,
    local: SocketAddr,
    peer: SocketAddr,
    shared: &'a Shared,
    input: Input,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The next request is read from it.
    Keep,
    /// The answer is whole: our side is closed, and what still comes is read for a while. Without that, a reset could reach the
    /// browser before the answer.
    Linger,
    /// The answer is not whole, and the browser sees that, or has gone: the connection is closed.
    Cut,
    /// The answer is not whole, and a closed connection would look like its end: the connection is reset.
    Reset,
}

impl Connection<'_> {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        shared: &Shared,
    ) -> io::Result<Connection<'_>> {
        stream.set_nodelay(true)?;
        Ok(Connection {
            local: stream.local_addr()?,
            peer,
            browser: OwnedFd::from(stream).into(),
            shared,
            input: Input::new(),
        })
    }

    pub(super) fn serve(mut self) {
        loop {
            let ending = match self.read_head() {
                Ok(Some(request)) => self.answer(&request),
                Ok(None) => return,
                Err(refusal) => {
                    info!(
                        "refused an http request with {}: {}",
                        refusal.status, refusal.sentence
                    );
                    self.send_page(&refusal, false).1
                }
            };
            match ending {
                Ending::Keep => {}
                Ending::Linger => return self.linger(),
                Ending::Cut => return,
                Ending::Reset => return self.browser.reset(),
            }
        }
    }

    /// The next request's head; `None` if no request comes any more.
    fn read_head(&mut self) -> Result<Option<Request>, Refusal> {
        let mut deadline = None;
        loop {
            if !self.input.bytes().is_empty() {
                if let Some((request, length)) = Request::parse(self.input.bytes())? {
                    self.input.take(length);
                    return Ok(Some(request));
                }
                let head = self.shared.limits.head;
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + head);
                if !self.wait_for_line(deadline)? {
                    return Ok(None);
                }
            } else if !self.wait_for_input(self.shared.limits.idle) || !self.receive() {
                return Ok(None);
            }
        }
    }

    /// Reads until there is another line end, or enough to be refused: a head that comes byte by byte is not parsed
    /// anew for each. `false` if the browser has gone or it is time to stop.
    fn wait_for_line(&mut self, deadline: Instant) -> Result<bool, Refusal> {
        loop {
            let before = self.input.bytes().len();
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.wait_for_input(left) {
                return match deadline <= Instant::now() {
                    true => Err(Refusal::new(
                        408,
                        "the head of the request did not come in time",
                    )),
                    false => Ok(false),
                };
            }
            if !self.receive() {
                return Ok(false);
            }
            if !self.input.has_room() || self.input.bytes()[before..].contains(&b'\n') {
                return Ok(true);
            }
        }
    }

    /// `false` if nothing came in time, or it is time to stop.
    fn wait_for_input(&self, limit: Duration) -> bool {
        let fds = [
            (self.browser.as_fd(), READABLE),
            (self.shared.stop.as_fd(), READABLE),
        ];
        match sys::poll(fds, Some(limit)) {
            Ok([browser, stop]) => browser.readable && !stop.readable,
            Err(_) => false,
        }
    }

    /// `false` if the browser has gone.
    fn receive(&mut self) -> bool {
        self.input.receive(&self.browser).is_ok()
    }

    /// Has a request answered, and writes its line to the log.
    fn answer(&mut self, request: &Request) -> Ending {
        let since = Instant::now();
        let is_head = request.method == "HEAD";
        let is_stopping =
            is_readable_within(self.shared.stop.as_fd(), Duration::ZERO).unwrap_or(true);
        let asked = Asked {
            is_head,
            is_http_1_0: request.is_http_1_0,
            keep_alive: request.keep_alive && !is_stopping,
        };
        let (told, ending, note) = match self.exchange(request, asked) {
            Ok((told, ending)) => (told, ending, String::new()),
            Err(Failure::BrowserGone(told)) => (told, Ending::Cut, ", the browser has gone".into()),
            Err(Failure::Cut(told, ending, sentence)) => {
                (told, ending, format!(", cut: {sentence}"))
            }
            Err(Failure::Refused(refusal)) => {
                let (bytes, ending) = self.send_page(&refusal, is_head);
                (
                    Some((refusal.status, bytes)),
                    ending,
                    format!(": {}", refusal.sentence),
                )
            }
        };
        let (status, bytes) = told.map_or(("-".into(), 0), |(status, bytes)| {
            (status.to_string(), bytes)
        });
        info!(
            "{} {} {status} {bytes} B {} ms{note}",
            shown(request.method.as_bytes()),
            shown(request.sent_path().as_bytes()),
            since.elapsed().as_millis()
        );
        ending
    }

    fn exchange(&mut self, request: &Request, asked: Asked) -> Result<(Told, Ending), Failure> {
        let application = self.begin(request).map_err(|error| {
            // An application that is there, but whose queue is full, is a time-out.
            let status = match error.kind() {
                io::ErrorKind::TimedOut => 504,
                _ => 502,
            };
            let sentence = format!("the application cannot be reached: {error}");
            Failure::Refused(Refusal::new(status, sentence))
        })?;
        let mut exchange = Exchange {
            browser: &self.browser,
            input: &mut self.input,
            limits: &self.shared.limits,
            application,
            body: BodyReader::new(request.framing),
            answer: Answer::new(asked),
            ended: false,
            output: Vec::new(),
            sent: 0,
            stderr: Stderr::default(),
        };
        if request.expects_continue && exchange.input.bytes().is_empty() && !exchange.body.is_done()
        {
            exchange
                .output
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let done = exchange.run();
        exchange.stderr.end(tell_stderr);
        done?;
        let is_kept = exchange.answer.keeps() && exchange.body.is_done();
        let told = exchange.answer.told();
        Ok((
            told,
            if is_kept {
                Ending::Keep
            } else {
                Ending::Linger
            },
        ))
    }

    fn begin(&self, request: &Request) -> io::Result<Client> {
        let mut client = self.shared.backend.connect()?;
        let mut params = request.params(self.local, self.peer);
        self.shared.backend.adapt(&mut params);
        client.begin(Begin::default(), params)?;
        Ok(client)
    }

    /// Answers with a page of our own. Returns how many bytes its body has, and what becomes of the connection.
    fn send_page(&self, refusal: &Refusal, is_head: bool) -> (u64, Ending) {
        let mut page = Vec::new();
        let bytes = write_page(refusal.status, &refusal.sentence, is_head, &mut page);
        let mut rest = &page[..];
        while !rest.is_empty() {
            match self.browser.send(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let writable = Wait {
                        readable: false,
                        writable: true,
                    };
                    match self.browser.wait(writable, self.shared.limits.browser) {
                        Ok(came) if came.writable => {}
                        _ => return (0, Ending::Cut),
                    }
                }
                Err(_) => return (0, Ending::Cut),
            }
        }
        (bytes as u64, Ending::Linger)
    }

    /// Closes our side, and reads what still comes until the browser closes its own.
    fn linger(mut self) {
        if self.browser.shutdown_write().is_err() {
            return;
        }
        let deadline = Instant::now() + self.shared.limits.linger;
        loop {
            self.input.clear();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wait_for_input(left) || !self.receive() {
                return;
            }
        }
    }
}

/// The status that the browser was told, and how many bytes of the body it got; `None` if it was told nothing.
type Told = Option<(u16, u64)>;

/// Why an exchange did not come to its end.
enum Failure {
    BrowserGone(Told),
    /// The browser has a part of the answer.
    Cut(Told, Ending, String),
    /// The browser has nothing of an answer: it gets one of ours.
    Refused(Refusal),
}

/// One request and its answer, on their way.
struct Exchange<'a> {
    browser: &'a Transport,
    input: &'a mut Input,
    limits: &'a Limits,
    application: Client,
    body: BodyReader,
    answer: Answer,
    /// The application has ended the request.
    ended: bool,
    /// What goes to the browser; `output[sent..]` is not sent yet. At most `OUTPUT` bytes, and a head and a record above that.
    output: Vec<u8>,
    sent: usize,
    /// What the application writes for the web server's log.
    stderr: Stderr,
}

impl Exchange<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        // This comes first: if the body is broken from the start, the browser gets our page and not a part of an answer.
        self.forward_body()?;
        loop {
            let is_all_taken = self.take_answer()?;
            self.send_answer()?;
            if self.ended && self.sent == self.output.len() {
                return Ok(());
            }
            // This comes last: taking the answer also sends what is left of the body, so that there may be room for more now.
            self.forward_body()?;
            // Records that the client has read already do not make the socket readable: as long as there are some, and room for
            // them, nothing is waited for.
            if is_all_taken || !self.has_room() {
                self.wait()?;
            }
        }
    }

    /// Sends the application what has come of the body, as far as it takes it.
    fn forward_body(&mut self) -> Result<(), Failure> {
        while !self.ended {
            let moved = match self.body.next(&self.input.bytes, &mut self.input.at) {
                Next::Content(n) => {
                    let content = &self.input.bytes[self.input.at..][..n];
                    let taken = self.application.try_write(content);
                    taken.map(|n| {
                        self.body.take(n);
                        self.input.take(n);
                        n > 0
                    })
                }
                Next::More => self.application.try_send().map(|()| false),
                Next::End => self.application.end_body().map(|()| false),
                Next::Bad(what) => {
                    return Err(
                        self.fail(400, format!("the body of the request is broken: {what}"))
                    );
                }
            };
            match moved {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(self.fail(502, error.to_string())),
            }
        }
        Ok(())
    }

    /// Takes what has come of the answer, while there is room for it. Returns whether that was all.
    fn take_answer(&mut self) -> Result<bool, Failure> {
        while !self.ended && self.has_room() {
            let wrong = match self.application.try_next() {
                Ok(None) => return Ok(true),
                Ok(Some(Part::Stdout(bytes))) => self.answer.stdout(bytes, &mut self.output).err(),
                Ok(Some(Part::Stderr(bytes))) => {
                    self.stderr.take(bytes, tell_stderr);
                    None
                }
                Ok(Some(Part::End(end))) => {
                    self.ended = true;
                    if self.answer.has_surplus() {
                        warn!(
                            "the application gave more than its Content-Length says; the rest was dropped"
                        );
                    }
                    self.answer.end(end, &mut self.output).err()
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(sentence) = wrong {
                return Err(self.fail(502, sentence));
            }
        }
        Ok(self.ended)
    }

    fn send_answer(&mut self) -> Result<(), Failure> {
        while self.sent < self.output.len() {
            match self.browser.send(&self.output[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Failure::BrowserGone(self.answer.told())),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Waits until something can be done, and takes what comes from the browser: more of the body, the next request,
    /// or its end.
    fn wait(&mut self) -> Result<(), Failure> {
        let browser = Wait {
            readable: self.input.has_room(),
            writable: self.sent < self.output.len(),
        };
        let application = Wait {
            readable: !self.ended && self.has_room(),
            writable: !self.ended && self.application.is_sending(),
        };
        // Whose time limit counts: the browser's, if it does not take the answer, or still has to send its body.
        let waits_for_browser = browser.writable || !(self.body.is_done() || application.writable);
        let limit = match waits_for_browser {
            true => self.limits.browser,
            false => self.limits.application,
        };
        let fds = [
            (self.browser.as_fd(), browser),
            (self.application.as_fd(), application),
        ];
        let came = sys::poll(fds, Some(limit))
            .map_err(|error| self.fail(502, format!("waiting failed: {error}")))?;
        if came == [Wait::default(); 2] {
            return Err(match waits_for_browser {
                true => self.fail(408, format!("nothing came from the browser for {limit:?}")),
                false => self.fail(
                    504,
                    format!("nothing came from the application for {limit:?}"),
                ),
            });
        }
        if came[0].readable && self.input.receive(self.browser).is_err() {
            return Err(Failure::BrowserGone(self.answer.told()));
        }
        Ok(())
    }

    /// Whether the output may grow. What is sent of it counts too, until all of it is sent.
    fn has_room(&self) -> bool {
        self.output.len() < OUTPUT
    }

    /// How an exchange fails: with a page of ours, if the browser has nothing of an answer yet. Otherwise the answer is cut; what
    /// there is of it is sent before, if the browser takes it at once.
    fn fail(&mut self, status: u16, sentence: String) -> Failure {
        if !self.answer.is_begun() {
            return Failure::Refused(Refusal::new(status, sentence));
        }
        let _ = self.send_answer();
        let ending = match self.answer.ends_by_close() {
            true => Ending::Reset,
            false => Ending::Cut,
        };
        Failure::Cut(self.answer.told(), ending, sentence)
    }
}

/// Logs a line that the application wrote to stderr, which is meant for the web server's log.
fn tell_stderr(line: &str) {
    warn!("the application says: {line}");
}

/// What came from the browser and was not used yet: `bytes[at..]`, and never more than `INPUT`.
struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    fn new() -> Input {
        Input {
            bytes: Vec::new(),
            at: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, n: usize) {
        self.at += n;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.at = 0;
    }

    fn has_room(&self) -> bool {
        self.bytes().len() < INPUT
    }

    /// Reads what has arrived, if anything has.
    ///
    /// # Errors
    /// `UnexpectedEof` when the browser has ended its side.
    fn receive(&mut self, browser: &Transport) -> io::Result<()> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let filled = self.bytes.len();
        let room = (INPUT - filled).min(READ);
        self.bytes.resize(filled + room, 0);
        let received = browser.recv(&mut self.bytes[filled..]);
        self.bytes
            .truncate(filled + *received.as_ref().unwrap_or(&0));
        match received {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            done => done.map(drop),
        }
    }
}
