//! One thread that asks: several connections, none of which is waited for alone. The request is sent from one slice, and
//! answers are read where they landed; for an answer like the last one nothing is allocated.

use super::plan::Plan;
use super::request::ID;
use super::tally::{Kind, Tally};
use super::{Phase, Progress, Shared};
use crate::client::{Found, HeadReader, Records, refusal};
use crate::net::{Epoll, Interest, Timer, Transport, sys};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a thread looks whether the time is over.
const TICK: Duration = Duration::from_millis(10);

/// How soon a full queue is tried again: nothing tells when it has room.
const SOON: Duration = Duration::from_millis(1);

/// What is read at a time.
const INPUT: usize = 64 << 10;

const TIMER: u64 = u64::MAX;

/// A thread's part of the connections.
pub(super) struct Load<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    progress: &'a Progress,
    epoll: Epoll,
    timer: Timer,
    connections: Vec<Connection>,
    /// Connections that have something to try at the next tick.
    waiting: Vec<usize>,
    /// Connections that have requests to ask.
    active: usize,
    /// How many of the connections are asked again and again: the first ones. The others are asked once.
    busy: usize,
    /// Idle connections that were answered, and are open.
    resting: usize,
    /// The busy ones wait for the idle ones' answers, until then.
    settling: Option<Instant>,
    input: Box<[u8]>,
    known: Known,
    tally: Tally,
    /// When the thread saw the counted time begin, and what it had used of the processors then.
    since: Option<(Instant, Duration)>,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is asked: an error is just behind it, or all requests are given out.
    Off,
    /// The application's queue is full.
    Queued,
    Connecting,
    Asking,
}

struct Connection {
    transport: Option<Transport>,
    stage: Stage,
    interest: Interest,
    begun: Instant,
    /// It is among those that the next tick looks at.
    is_waiting: bool,
    /// Counts towards `--requests`.
    has_ticket: bool,
    /// It is asked once, and kept.
    is_idle: bool,
    is_answered: bool,
    /// It had an answer before this one.
    is_reused: bool,
    sent: usize,
    /// The application has closed its side for reading; what it says still counts.
    is_deaf: bool,
    records: Records,
    answer: Answer,
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    is_begun: bool,
    status: Option<u16>,
    /// What its body has to have.
    length: Option<u64>,
    head: Option<HeadReader>,
    body: u64,
    /// Some of its body is not as expected.
    is_another: bool,
}

/// The last head that came in one piece: an answer that begins alike need not be read anew.
#[derive(Default)]
struct Known {
    bytes: Vec<u8>,
    status: u16,
    length: Option<u64>,
}

/// What the bytes that came make of a request.
enum Outcome {
    Running,
    Whole(u16),
    Failed(Kind, String),
}

impl<'a> Load<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        shared: &'a Shared,
        progress: &'a Progress,
        busy: usize,
        idle: usize,
    ) -> io::Result<Load<'a>> {
        let (epoll, timer) = (Epoll::new()?, Timer::new()?);
        epoll.add(timer.as_raw_fd(), TIMER, Interest::ReadAlways)?;
        let now = Instant::now();
        Ok(Load {
            plan,
            shared,
            progress,
            epoll,
            timer,
            connections: (0..busy + idle)
                .map(|number| Connection::new(now, number >= busy))
                .collect(),
            waiting: Vec::new(),
            active: busy,
            busy,
            resting: 0,
            settling: (plan.idle > 0).then(|| now + plan.timeout),
            input: vec![0; INPUT].into(),
            known: Known::default(),
            tally: Tally::default(),
            since: None,
        })
    }

    /// Asks until the time is over, or all requests are asked.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let now = Instant::now();
        for number in self.busy..self.connections.len() {
            self.begin(number, now);
        }
        match self.settling {
            Some(_) => self.settle(now),
            None => self.begin_busy(now),
        }
        self.timer.set(TICK)?;
        let mut ready = sys::Ready::new();
        while self.active > 0 && self.shared.phase() != Phase::Over {
            self.epoll.wait_for_many(&mut ready)?;
            let mut ticks = false;
            // The tick comes last: it may open connections anew that were ready as they had been.
            for key in ready.keys() {
                match key {
                    TIMER => ticks = true,
                    number => self.ready(number as usize),
                }
            }
            if ticks {
                self.tick()?;
            }
        }
        self.finish();
        Ok(self.tally)
    }

    /// Lets the busy connections begin, once the idle ones are; an application that ties a worker to each never gets there.
    fn settle(&mut self, now: Instant) {
        let all = self.connections.len() - self.busy;
        if self
            .settling
            .is_some_and(|end| self.resting == all || now > end)
        {
            self.settling = None;
            self.shared.settling.fetch_sub(1, Ordering::Relaxed);
            self.begin_busy(now);
        }
    }

    fn begin_busy(&mut self, now: Instant) {
        for number in 0..self.busy {
            self.begin(number, now);
        }
    }

    fn finish(&mut self) {
        let now = Instant::now();
        self.tally.kept = self.resting as u64;
        let busy = &self.connections[..self.busy];
        for connection in busy.iter().filter(|c| c.stage != Stage::Off) {
            self.tally.unanswered += 1;
            self.tally.starved += u64::from(!connection.is_answered);
            self.tally.oldest = self.tally.oldest.max(now - connection.begun);
        }
        if let Some((since, used)) = self.since {
            let used = (sys::thread_time() - used).as_micros();
            let busy = used * 100 / (now - since).as_micros().max(1);
            self.tally.busy = busy as u64;
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.since.is_none() && self.shared.phase() == Phase::Counting {
            self.since = Some((now, sys::thread_time()));
        }
        self.settle(now);
        for number in 0..self.busy {
            let connection = &self.connections[number];
            if connection.stage != Stage::Off && now - connection.begun > self.plan.timeout {
                self.time_out(number);
            }
        }
        for number in std::mem::take(&mut self.waiting) {
            self.connections[number].is_waiting = false;
            match self.connections[number].stage {
                Stage::Off => self.begin(number, now),
                Stage::Queued => self.connect(number),
                Stage::Connecting | Stage::Asking => {}
            }
        }
        let is_queued = |&number: &usize| self.connections[number].stage == Stage::Queued;
        let soon = self.waiting.iter().any(is_queued);
        self.timer.set(if soon { SOON } else { TICK })
    }

    fn time_out(&mut self, number: usize) {
        let limit = self.plan.timeout;
        match self.connections[number].stage {
            Stage::Queued | Stage::Connecting => self.fail(
                number,
                Kind::Connect,
                format_args!("cannot connect: not accepted for {limit:?}"),
            ),
            _ => self.fail(
                number,
                Kind::TimeOut,
                format_args!("the answer was not whole after {limit:?}"),
            ),
        }
    }

    /// Begins the next request of a connection.
    fn begin(&mut self, number: usize, now: Instant) {
        let has_ticket = match self.shared.phase() {
            Phase::Counting if !self.connections[number].is_idle => match self.shared.take_ticket()
            {
                Some(has_ticket) => has_ticket,
                None => {
                    self.connections[number].close();
                    self.connections[number].stage = Stage::Off;
                    self.active -= 1;
                    return;
                }
            },
            _ => false,
        };
        let connection = &mut self.connections[number];
        connection.has_ticket = has_ticket;
        connection.begun = now;
        connection.ask_anew();
        match connection.transport {
            Some(_) => self.send(number),
            None => self.connect(number),
        }
    }

    fn connect(&mut self, number: usize) {
        match Transport::begin(&self.plan.connect) {
            Ok((transport, is_connected)) => {
                let connection = &mut self.connections[number];
                connection.open(transport, is_connected);
                let fd = connection.fd();
                if is_connected {
                    connection.send(&self.shared.request);
                }
                connection.interest = connection.wanted(&self.shared.request);
                let added = self.epoll.add(fd, number as u64, connection.interest);
                if let Err(error) = added {
                    self.fail(
                        number,
                        Kind::Connect,
                        format_args!("cannot wait for it: {error}"),
                    );
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.connections[number].stage = Stage::Queued;
                self.wait(number);
            }
            Err(error) => self.fail(
                number,
                Kind::Connect,
                format_args!("cannot connect: {error}"),
            ),
        }
    }

    fn ready(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let Some(transport) = &connection.transport else {
            return;
        };
        if connection.stage == Stage::Off {
            // Nothing is asked: what there is to read is its end.
            connection.close();
            self.resting -= 1;
            return;
        }
        if connection.stage == Stage::Connecting {
            if let Err(error) = transport.connected() {
                return self.fail(
                    number,
                    Kind::Connect,
                    format_args!("cannot connect: {error}"),
                );
            }
            connection.stage = Stage::Asking;
        }
        if connection.is_sending(&self.shared.request) {
            self.send(number);
        }
        self.receive(number);
    }

    fn send(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.send(&self.shared.request);
        let wanted = connection.wanted(&self.shared.request);
        if wanted != connection.interest {
            connection.interest = wanted;
            let armed = self.epoll.rearm(connection.fd(), number as u64, wanted);
            if let Err(error) = armed {
                self.fail(
                    number,
                    Kind::Cut,
                    format_args!("cannot wait for it: {error}"),
                );
            }
        }
    }

    fn receive(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let Some(transport) = &connection.transport else {
            return;
        };
        match transport.recv(&mut self.input) {
            Ok(0) => self.cut(number, "closed the connection"),
            Ok(n) => {
                if self.shared.phase() == Phase::Counting {
                    self.tally.received += n as u64;
                }
                self.read(number, n);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.cut(number, &format!("broke the connection ({error})")),
        }
    }

    /// A connection that was kept may be closed before the next request reaches the application: web servers ask again
    /// on another one.
    fn cut(&mut self, number: usize, how: &str) {
        let connection = &mut self.connections[number];
        if connection.is_reused && !connection.answer.is_begun {
            if self.shared.phase() == Phase::Counting {
                self.tally.reconnected += 1;
            }
            connection.close();
            connection.ask_anew();
            return self.connect(number);
        }
        let body = connection.answer.body;
        self.fail(
            number,
            Kind::Cut,
            format_args!("the application {how} before END_REQUEST, after {body} bytes of body"),
        );
    }

    fn read(&mut self, number: usize, filled: usize) {
        let connection = &mut self.connections[number];
        let input = &self.input[..filled];
        connection.answer.is_begun = true;
        match read(connection, input, &mut self.known, self.plan) {
            Outcome::Running => {}
            Outcome::Whole(_) if self.plan.has_bodies() && !connection.answer.is_whole() => {
                let words = connection.answer.difference();
                self.fail(number, Kind::Cut, format_args!("{words}"));
            }
            Outcome::Whole(_) if connection.answer.is_wrong(self.plan) => {
                let body = connection.answer.body;
                self.fail(
                    number,
                    Kind::Body,
                    format_args!("the body, of {body} bytes, is not the expected one"),
                );
            }
            Outcome::Whole(status) => self.answered(number, status),
            Outcome::Failed(kind, words) => self.fail(number, kind, format_args!("{words}")),
        }
    }

    fn answered(&mut self, number: usize, status: u16) {
        let now = Instant::now();
        if self.connections[number].is_idle {
            return self.rest(number, status, now);
        }
        let connection = &mut self.connections[number];
        connection.is_answered = true;
        if self.shared.counts(connection.has_ticket) {
            let is_right = self.plan.is_right(status);
            let took = now - connection.begun;
            self.tally
                .answer(status, is_right, connection.answer.body, took);
            self.tally.sent += connection.sent as u64;
            self.progress.count(is_right);
        }
        // What is left of a body would have to be sent before the next request can be: a new connection is quicker.
        if !self.plan.keep_conn || connection.is_deaf || connection.is_sending(&self.shared.request)
        {
            connection.close();
        }
        connection.is_reused = connection.transport.is_some();
        self.begin(number, now);
    }

    /// An idle connection has its answer.
    fn rest(&mut self, number: usize, status: u16, now: Instant) {
        if !self.plan.is_right(status) {
            return self.fail(number, Kind::Protocol, format_args!("status {status}"));
        }
        self.connections[number].stage = Stage::Off;
        self.resting += 1;
        self.settle(now);
    }

    /// The next request waits for a tick: an application that cannot be connected to is not asked at full speed.
    fn fail(&mut self, number: usize, kind: Kind, words: fmt::Arguments<'_>) {
        let connection = &mut self.connections[number];
        // What an idle one is missing shows in how many are kept.
        if !connection.is_idle && self.shared.counts(connection.has_ticket) {
            self.tally.error(kind, words);
            self.progress.count(false);
        }
        connection.close();
        connection.stage = Stage::Off;
        self.wait(number);
    }

    fn wait(&mut self, number: usize) {
        if !std::mem::replace(&mut self.connections[number].is_waiting, true) {
            self.waiting.push(number);
        }
    }
}

impl Connection {
    fn new(now: Instant, is_idle: bool) -> Connection {
        Connection {
            transport: None,
            stage: Stage::Off,
            interest: Interest::Nothing,
            begun: now,
            is_waiting: false,
            has_ticket: false,
            is_idle,
            is_answered: false,
            is_reused: false,
            sent: 0,
            is_deaf: false,
            records: Records::default(),
            answer: Answer::default(),
        }
    }

    fn ask_anew(&mut self) {
        self.stage = Stage::Asking;
        self.sent = 0;
        self.answer = Answer::default();
    }

    fn open(&mut self, transport: Transport, is_connected: bool) {
        self.transport = Some(transport);
        self.records = Records::default();
        self.is_deaf = false;
        self.is_reused = false;
        self.stage = match is_connected {
            true => Stage::Asking,
            false => Stage::Connecting,
        };
    }

    /// With its descriptor it leaves the set of those that are waited for.
    fn close(&mut self) {
        self.transport = None;
        self.is_reused = false;
    }

    fn fd(&self) -> i32 {
        self.transport.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    fn is_sending(&self, request: &[u8]) -> bool {
        self.sent < request.len() && !self.is_deaf
    }

    fn wanted(&self, request: &[u8]) -> Interest {
        match self.stage == Stage::Connecting || self.is_sending(request) {
            true => Interest::BothAlways,
            false => Interest::ReadAlways,
        }
    }

    /// That the other side has closed shows in what can be read.
    fn send(&mut self, request: &[u8]) {
        while self.is_sending(request) {
            let Some(transport) = &self.transport else {
                return;
            };
            match transport.send(&request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.is_deaf = true,
            }
        }
    }
}

/// Takes what came of an answer.
fn read(connection: &mut Connection, input: &[u8], known: &mut Known, plan: &Plan) -> Outcome {
    let expected = plan.expected.as_deref();
    let mut at = 0;
    loop {
        match connection.records.next(ID, input, &mut at) {
            Ok(None) => return Outcome::Running,
            Ok(Some(Found::Stderr(_))) => {}
            Ok(Some(Found::Stdout(content))) => {
                let read = connection.answer.stdout(&input[content], known, expected);
                if let Err(error) = read {
                    return Outcome::Failed(Kind::Protocol, error.to_string());
                }
            }
            Ok(Some(Found::End(end))) => {
                // Padding and management records may follow; of no request, nothing else.
                let is_end = connection.records.next(0, input, &mut at).is_ok();
                if let Some(refusal) = refusal(end.protocol_status) {
                    return protocol(&format!("the application refused the request: {refusal}"));
                }
                return match connection.answer.status {
                    _ if !is_end => protocol("the application went on after END_REQUEST"),
                    None => protocol("the answer has no head"),
                    // What libfcgi's and our own applications end an answer with that they could not finish.
                    Some(_) if end.app_status != 0 => Outcome::Failed(
                        Kind::Cut,
                        format!("the application ended with status {}", end.app_status),
                    ),
                    Some(status) => Outcome::Whole(status),
                };
            }
            Err(words) => return Outcome::Failed(Kind::Protocol, words),
        }
    }
}

fn protocol(words: &str) -> Outcome {
    Outcome::Failed(Kind::Protocol, words.to_owned())
}

impl Answer {
    fn stdout(
        &mut self,
        content: &[u8],
        known: &mut Known,
        expected: Option<&[u8]>,
    ) -> io::Result<()> {
        if self.status.is_some() {
            self.add(content, expected);
            return Ok(());
        }
        if self.head.is_none() && !known.bytes.is_empty() && content.starts_with(&known.bytes) {
            self.status = Some(known.status);
            self.length = known.length;
            self.add(&content[known.bytes.len()..], expected);
            return Ok(());
        }
        let is_first = self.head.is_none();
        let reader = self.head.get_or_insert_default();
        if let Some((head, used)) = reader.read(content)? {
            self.status = Some(head.status());
            self.length = head
                .content_length()
                .filter(|_| ![204, 304].contains(&head.status()));
            self.add(&content[used..], expected);
            if is_first {
                known.bytes.clear();
                known.bytes.extend_from_slice(&content[..used]);
                (known.status, known.length) = (head.status(), self.length);
            }
        }
        Ok(())
    }

    fn add(&mut self, piece: &[u8], expected: Option<&[u8]>) {
        if let Some(expected) = expected {
            let begin = self.body as usize;
            self.is_another |= expected.get(begin..begin + piece.len()) != Some(piece);
        }
        self.body += piece.len() as u64;
    }

    fn is_wrong(&self, plan: &Plan) -> bool {
        let is_longer = |expected: &Vec<u8>| expected.len() as u64 > self.body;
        plan.has_bodies() && (self.is_another || plan.expected.as_ref().is_some_and(is_longer))
    }

    /// A web server cuts a body that is longer than announced, and a visitor waits for the rest of a shorter one.
    fn is_whole(&self) -> bool {
        self.length.is_none_or(|length| length == self.body)
    }

    fn difference(&self) -> String {
        format!(
            "Content-Length says {} bytes, and the body has {}",
            self.length.unwrap_or_default(),
            self.body
        )
    }
}
