//! One thread of `bench`: it asks on several connections, all in one epoll set. Every request is sent from the same slice, and
//! answers are read where they landed; for an answer whose head is like the last one's nothing is allocated.

use super::answer::{Known, Outcome};
use super::connection::{Connection, Stage};
use super::plan::Plan;
use super::shared::{Phase, Progress, Shared};
use super::tally::{Kind, Tally};

use crate::net::{Epoll, Interest, Timer, Transport, sys};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a thread looks whether the time is over.
const TICK: Duration = Duration::from_millis(10);

/// How soon a full queue is tried again: the system does not tell when there is room in it.
const SOON: Duration = Duration::from_millis(1);

/// What is read at a time.
const INPUT: usize = 64 << 10;

/// The timer's key in the epoll set. A connection's is its number.
const TIMER: u64 = u64::MAX;

/// How many events are taken at once.
const EVENTS: usize = 64;

/// A thread's part of the connections.
pub(super) struct Load<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    progress: &'a Progress,
    epoll: Epoll,
    timer: Timer,
    connections: Vec<Connection>,
    /// The numbers of connections that begin a request, or connect, at the next tick.
    waiting: Vec<usize>,
    /// How many connections still have requests to ask.
    active: usize,
    /// So many of the connections, the first ones, are asked again and again. The others are asked once, and then kept idle.
    busy: usize,
    /// How many idle connections were answered, and are still open.
    resting: usize,
    /// While it is set, the busy connections wait for the answers on the idle ones: not longer than until then.
    settling: Option<Instant>,
    input: Box<[u8]>,
    known: Known,
    tally: Tally,
    /// When the thread saw the counted time begin, and what it had used of the processors then.
    since: Option<(Instant, Duration)>,
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
        let mut ready = sys::Ready::<EVENTS>::new();
        while self.active > 0 && self.shared.phase() != Phase::Over {
            self.epoll.wait_for_many(&mut ready, EVENTS)?;
            let mut ticks = false;
            // The tick comes last. It may open a connection anew, and what was ready was the old one.
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

    /// Lets the busy connections begin once all idle ones are answered, or the time for that is over: an application that ties
    /// a worker to each connection never answers them all.
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

    /// Counts what is still open when the time is over.
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

    /// Looks for what only the clock tells: time limits, and what is to be tried again.
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
            // Nothing was asked on this connection: what can be read is its end.
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

    /// The application has ended the connection. It may close a kept one before the next request reaches it: web servers then
    /// ask again on another connection, and so does this.
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
        let (answer, records) = (&mut connection.answer, &mut connection.records);
        match answer.read(records, input, &mut self.known, self.plan) {
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

    /// A connection that is to be idle has its one answer.
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
        // Of idle connections only the number that is kept in the end is told.
        if !connection.is_idle && self.shared.counts(connection.has_ticket) {
            self.tally.error(kind, words);
            self.progress.count(false);
        }
        connection.close();
        connection.stage = Stage::Off;
        self.wait(number);
    }

    /// Has a connection looked at at the next tick.
    fn wait(&mut self, number: usize) {
        if !std::mem::replace(&mut self.connections[number].is_waiting, true) {
            self.waiting.push(number);
        }
    }
}
