//! A connection on which requests are under way, shared by those who have one of them: a lock around what has come (`state`),
//! and turns for what leaves (`writing`). Called by `lane` for handlers, by `crate::connection` for free workers, and by
//! `accept` when time is over.

use super::queue::Handed;
use super::reader::{AT_ONCE, Reader};
use super::request::{Stage, Why};
use super::state::{FAILED, Flow, Input, State, ended, in_ms, tell_many};
use super::turn::{Next, Turn};
use super::writing::{Writing, has_end_request, to_boundary};
use super::{Hub, Seen};
use crate::error::Error;
use crate::link::{self, Kind, Link, Waiting};
use crate::net::sys::now_ms;
use crate::net::{Interest, Wait};
use crate::protocol::RecordType;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How many bytes a free worker reads in one go, at the most, before it does other work: records could come for ever.
const IN_ONE_GO: usize = 1 << 20;

/// How often [`Connection::look`] reads, at the most.
const LOOKS: usize = 16;

/// How many bytes of short records may wait to be sent. A peer that asks and asks and takes no answer is given up.
const MOST_OWED: usize = 64 << 10;

/// How long a thread that writes waits for room before it looks whether it has to read as well: the thread that read may
/// have what it waited for, and there may be no free worker to read on.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    /// What it is called in the accept loop's set.
    key: u64,
    state: Mutex<Box<State>>,
    /// Notified when something has come, and when nobody reads any more.
    turned: Condvar,
    writing: Writing,
}

impl Connection {
    /// Shares a connection that waited, and on which something has come. `None` if it cannot be served.
    pub(crate) fn open(mut link: Link, hub: &dyn Hub) -> Option<Arc<Connection>> {
        let mut state = link.multiplexed.take().unwrap_or_default();
        state.turn = Turn::default();
        let key = hub.enter(&mut link)?;
        let connection = Arc::new(Connection {
            link,
            key,
            state: Mutex::new(state),
            turned: Condvar::new(),
            writing: Writing::default(),
        });
        hub.insert(key, &connection);
        Some(connection)
    }

    /// Gives a share back. With the last one the connection goes to wait for its next request, or is closed.
    pub(crate) fn leave(connection: Arc<Connection>, hub: &dyn Hub) {
        if let Some(connection) = Arc::into_inner(connection) {
            connection.rest(hub);
        }
    }

    /// The event of its socket has reached a worker.
    pub(crate) fn has_rung(&self) {
        self.lock().turn.has_rung();
    }

    /// A free worker reads what has come. The first of the requests whose heads are whole now is its own; the others go to
    /// other workers.
    pub(crate) fn read_on(self: &Arc<Self>, hub: &dyn Hub) -> Option<Handed> {
        let mut reader = self.take_reader()?;
        let (mut first, mut came) = (None, 0);
        while came < IN_ONE_GO
            && let Flow::Came(n) = self.read_some(&mut reader, hub, Some(&mut first))
        {
            came += n;
            // Less than was asked for: what comes from now on makes an event.
            if (1..AT_ONCE).contains(&n) {
                break;
            }
        }
        self.give_back(reader, hub);
        first
    }

    /// A worker is about to run a request. `false` if nobody waits for its answer any more.
    pub(super) fn claim(&self, serial: u64) -> bool {
        let mut state = self.lock();
        let has_gone = state.failed.is_some()
            || (state.input != Input::Open && self.link.transport.has_hung_up());
        if has_gone {
            state.requests.retain(|request| request.serial != serial);
            return false;
        }
        match state.request(serial) {
            Some(request) => {
                request.stage = Stage::Running;
                true
            }
            None => false,
        }
    }

    /// Moves what there is of a request's stream into `into`, and waits while there is nothing. How many bytes; 0 at the
    /// stream's end.
    pub(super) fn read_stream(
        self: &Arc<Self>,
        serial: u64,
        of: RecordType,
        into: &mut [u8],
        hub: &dyn Hub,
    ) -> io::Result<usize> {
        let limits = hub.limits();
        let until = now_ms().saturating_add(in_ms(limits.body_timeout));
        let mut held: Option<Box<Reader>> = None;
        let mut state = self.lock();
        let outcome = loop {
            if let Some(outcome) = state.pour(serial, of, into, limits.mpx_body) {
                break outcome;
            }
            let now = now_ms();
            if now >= until {
                let limit = limits.body_timeout;
                let message = format!("no byte of the request's body came for {limit:?}");
                break Err(Error::new(408, message).into());
            }
            state.expire(now, hub);
            if held.is_none() && state.turn.take() {
                held = state.reader.0.take();
            }
            let Some(reader) = &mut held else {
                let until = state.stall.map_or(until, |stall| stall.until.min(until));
                state = self.await_turn(state, until.saturating_sub(now));
                continue;
            };
            drop(state);
            let flow = self.read_some(reader, hub, None);
            if flow == Flow::Waits {
                self.await_input(until.saturating_sub(now));
            }
            state = self.lock();
            if matches!(flow, Flow::Stalled | Flow::Over)
                && let Some(reader) = held.take()
            {
                state.take_back(reader);
            }
        };
        if let Some(reader) = held.take() {
            state.take_back(reader);
        }
        self.see_on(state, hub);
        outcome
    }

    /// Sends whole records. Those of other requests may leave between them, and never within one.
    pub(super) fn send(
        self: &Arc<Self>,
        serial: u64,
        mut slices: &mut [IoSlice<'_>],
        hub: &dyn Hub,
    ) -> io::Result<()> {
        if has_end_request(slices) {
            // The peer may use its id again as soon as it has read this.
            let mut state = self.lock();
            state.finish(serial);
            self.see_on(state, hub);
        }
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let turn = self.writing.enter();
            self.send_owed_in_turn(hub, None)?;
            slices = self.send_records(slices, hub, None)?;
            drop(turn);
        }
        self.send_owed(hub, None);
        Ok(())
    }

    /// Reads what has come, without waiting, and says whether the request was given up.
    pub(super) fn look(self: &Arc<Self>, serial: u64, hub: &dyn Hub) -> Seen {
        if let Some(mut reader) = self.take_reader() {
            for _ in 0..LOOKS {
                if !matches!(self.read_some(&mut reader, hub, None), Flow::Came(_)) {
                    break;
                }
            }
            self.give_back(reader, hub);
        }
        self.seen(serial)
    }

    /// What is known of a request without reading on.
    pub(super) fn seen(&self, serial: u64) -> Seen {
        let mut state = self.lock();
        let input_ended = state.input != Input::Open;
        let is_aborted = state.request(serial).is_some_and(|r| r.aborted);
        drop(state);
        Seen {
            is_aborted,
            input_ended,
            hung_up: input_ended && self.link.transport.has_hung_up(),
        }
    }

    /// Whether every stream of a request has ended.
    pub(super) fn input_ended(&self, serial: u64) -> bool {
        let mut state = self.lock();
        state.request(serial).is_none_or(|r| r.input_ended())
    }

    /// Nothing more of a request's streams is wanted.
    pub(super) fn drop_rest(self: &Arc<Self>, serial: u64, hub: &dyn Hub) {
        let mut state = self.lock();
        if let Some(request) = state.request(serial) {
            request.drop_rest(Why::Unwanted);
        }
        state.unstall(serial);
        self.see_on(state, hub);
    }

    /// A request is over. `cut`: its answer is not whole.
    pub(super) fn end(self: &Arc<Self>, serial: u64, cut: bool, hub: &dyn Hub) {
        let mut state = self.lock();
        state.body_pending |= state.request(serial).is_some_and(|r| !r.input_ended());
        state.finish(serial);
        state.requests.retain(|request| request.serial != serial);
        state.served = state.served.saturating_add(1);
        if cut && state.failed.is_none() {
            let until = now_ms().saturating_add(in_ms(hub.limits().mpx_stall));
            state.cut = state.cut.or(Some(until));
            state.refuse_heads();
            hub.ring_at(until);
        }
        if state.cut.is_some() && state.requests.is_empty() {
            self.fail(&mut state, io::ErrorKind::ConnectionAborted);
        }
        self.see_on(state, hub);
        self.send_owed(hub, None);
    }

    /// Ends what has taken too long. When it is to be called again, in ms of the monotonic clock.
    pub(crate) fn expire(self: &Arc<Self>, now: u64, hub: &dyn Hub) -> Option<u64> {
        let mut state = self.lock();
        let next = state.expire(now, hub);
        if state.cut.is_some_and(|until| until <= now) {
            self.fail(&mut state, io::ErrorKind::ConnectionAborted);
        }
        self.see_on(state, hub);
        self.send_owed(hub, None);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Box<State>> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes the reader's role, if nobody has it and something can still be read.
    fn take_reader(&self) -> Option<Box<Reader>> {
        let mut state = self.lock();
        match state.turn.take() {
            true => state.reader.0.take(),
            false => None,
        }
    }

    fn give_back(self: &Arc<Self>, reader: Box<Reader>, hub: &dyn Hub) {
        let mut state = self.lock();
        state.take_back(reader);
        self.see_on(state, hub);
    }

    /// Sees to it that somebody reads on: asks the [`Turn`] who is to, and tells them. Called after every change.
    fn see_on(&self, mut state: MutexGuard<'_, Box<State>>, hub: &dyn Hub) {
        match state.turn.next() {
            Next::Nothing => {}
            Next::Wake => self.turned.notify_all(),
            Next::Arm => {
                // What was read already makes no event.
                let has_rest = state.reader.0.as_ref().is_some_and(|r| r.has_rest());
                drop(state);
                let interest = match has_rest {
                    true => Interest::BothOnce,
                    false => Interest::ReadOnce,
                };
                if !hub.arm(&self.link, self.key, interest) {
                    self.fail(&mut self.lock(), io::ErrorKind::OutOfMemory);
                }
            }
        }
    }

    /// Gives the connection up: from now on all reading and writing of it fails.
    fn fail(&self, state: &mut State, kind: io::ErrorKind) {
        state.failed = state.failed.or(Some(kind));
        state.turn.end();
        self.link.transport.shutdown();
        self.turned.notify_all();
    }

    /// Waits, without the reader's role, until something has come or nobody reads any more.
    fn await_turn<'s>(
        &self,
        mut state: MutexGuard<'s, Box<State>>,
        ms: u64,
    ) -> MutexGuard<'s, Box<State>> {
        state.turn.wait();
        let limit = Duration::from_millis(ms.max(1));
        let (mut state, _) = self
            .turned
            .wait_timeout(state, limit)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.turn.leave();
        state
    }

    /// Waits, with the reader's role, until something comes.
    fn await_input(&self, ms: u64) {
        let wait = Wait {
            readable: true,
            writable: false,
        };
        // An error shows again at the next read, which tells it.
        let _ = self.link.transport.wait(wait, Duration::from_millis(ms));
    }

    /// Reads once, and does what the records ask for. The requests whose heads are whole now go to the workers, but for the
    /// first one if there is room for it in `first`.
    fn read_some(
        self: &Arc<Self>,
        reader: &mut Reader,
        hub: &dyn Hub,
        mut first: Option<&mut Option<Handed>>,
    ) -> Flow {
        let came = self.receive(reader);
        let mut handed = Vec::new();
        let mut state = self.lock();
        let flow = match came {
            Ok(n) => match state.deliver(reader, self, hub, &mut handed) {
                Flow::Came(_) => Flow::Came(n),
                flow => flow,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flow::Waits,
            Err(error) => {
                state.input_is_over(match error.kind() {
                    io::ErrorKind::UnexpectedEof => Input::Ended,
                    kind => Input::Failed(kind),
                });
                Flow::Over
            }
        };
        if state.owed.len() > MOST_OWED {
            self.fail(&mut state, io::ErrorKind::TimedOut);
        }
        if state.turn.has_waiters() || flow == Flow::Over {
            self.turned.notify_all();
        }
        let stall = state.stall;
        drop(state);
        if flow == Flow::Stalled
            && let Some(stall) = stall
        {
            hub.ring_at(stall.until);
        }
        for handed in handed {
            match &mut first {
                Some(first) if first.is_none() => **first = Some(handed),
                _ => self.hand_over(handed, hub),
            }
        }
        self.send_owed(hub, Some(reader));
        flow
    }

    /// Reads from the socket, unless the reader still has bytes that were not looked at. How many bytes came.
    fn receive(&self, reader: &mut Reader) -> io::Result<usize> {
        if reader.has_rest() {
            return Ok(0);
        }
        match reader.fill(&self.link.transport)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }

    /// Gives a request to the workers, or refuses it if too many wait for one.
    fn hand_over(self: &Arc<Self>, handed: Handed, hub: &dyn Hub) {
        let Some(queue) = hub.queue() else {
            return;
        };
        if let Err(handed) = queue.push(Box::new(handed)) {
            tell_many(hub);
            let mut state = self.lock();
            state.refuse(handed.serial, 503);
        }
    }

    /// Sends the short records that wait. Not if another thread has the turn to write: that one sends them.
    fn send_owed(self: &Arc<Self>, hub: &dyn Hub, mut reader: Option<&mut Reader>) {
        while !self.lock().owed.is_empty() {
            let Some(turn) = self.writing.try_enter() else {
                return;
            };
            let sent = self.send_owed_in_turn(hub, reader.as_deref_mut());
            drop(turn);
            if sent.is_err() {
                return;
            }
        }
    }

    /// Sends the short records that wait, by a thread that has the turn to write.
    fn send_owed_in_turn(
        self: &Arc<Self>,
        hub: &dyn Hub,
        mut reader: Option<&mut Reader>,
    ) -> io::Result<()> {
        loop {
            let owed = std::mem::take(&mut self.lock().owed);
            if owed.is_empty() {
                return Ok(());
            }
            let mut list = [IoSlice::new(&owed)];
            let mut slices = &mut list[..];
            while !slices.is_empty() {
                slices = self.send_records(slices, hub, reader.as_deref_mut())?;
            }
        }
    }

    /// Sends at least one record, and stops where a record ends. What is left to be sent.
    fn send_records<'a, 'b>(
        self: &Arc<Self>,
        mut slices: &'a mut [IoSlice<'b>],
        hub: &dyn Hub,
        mut reader: Option<&mut Reader>,
    ) -> io::Result<&'a mut [IoSlice<'b>]> {
        let mut left = 0;
        loop {
            // The thread that saw it fail has told why.
            if self.lock().failed.is_some() {
                return Err(ended(FAILED));
            }
            match self.link.transport.send_vectored(slices) {
                Ok(0) => return Err(self.failed(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    left = to_boundary(slices, n, left);
                    IoSlice::advance_slices(&mut slices, n);
                    if left == 0 {
                        return Ok(slices);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self
                    .wait_for_room(hub, reader.as_deref_mut())
                    .map_err(|error| self.failed(error))?,
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Gives the connection up because sending failed: what has left may end in the middle of a record.
    fn failed(&self, error: io::Error) -> io::Error {
        self.fail(&mut self.lock(), error.kind());
        error
    }

    /// Waits until there is room to send into. Reads on meanwhile if nobody else does: a web server may write all of a body
    /// before it reads any answer, and would never make room. `given` is the reader, if this thread has it already.
    fn wait_for_room(
        self: &Arc<Self>,
        hub: &dyn Hub,
        mut given: Option<&mut Reader>,
    ) -> io::Result<()> {
        let limit = hub.limits().write_timeout;
        let (mut own, mut moved, mut can_read) = (None, now_ms(), true);
        let outcome = loop {
            if given.is_none() && own.is_none() {
                own = self.take_reader();
            }
            let reader = given.as_deref_mut().or(own.as_deref_mut());
            let mut reader = reader.filter(|_| can_read);
            let wait = Wait {
                readable: reader.is_some(),
                writable: true,
            };
            let came = match self.link.transport.wait(wait, limit.min(TICK)) {
                Ok(came) => came,
                Err(error) => break Err(error),
            };
            if came.writable {
                break Ok(());
            }
            let now = now_ms();
            if let Some(reader) = &mut reader
                && came.readable
            {
                moved = now;
                let flow = self.read_some(reader, hub, None);
                can_read = given.is_none() || !matches!(flow, Flow::Stalled | Flow::Over);
                if matches!(flow, Flow::Stalled | Flow::Over)
                    && let Some(reader) = own.take()
                {
                    self.give_back(reader, hub);
                }
            }
            if now.saturating_sub(moved) >= in_ms(limit) {
                break Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the web server took no byte of the answers for {limit:?}"),
                ));
            }
            let mut state = self.lock();
            state.expire(now, hub);
            self.see_on(state, hub);
        };
        if let Some(reader) = own {
            self.give_back(reader, hub);
        }
        outcome
    }

    /// Nobody has a request of it any more: it waits for the next one, or is closed.
    fn rest(self, hub: &dyn Hub) {
        hub.forget(self.key);
        let Connection {
            mut link, state, ..
        } = self;
        let mut state = state
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        link.served = link
            .served
            .saturating_add(std::mem::take(&mut state.served));
        let has_failed = state.failed.is_some() || matches!(state.input, Input::Failed(_));
        let Some(mut reader) = state.reader.0.take().filter(|_| !has_failed) else {
            return;
        };
        reader.rest();
        if state.is_done(&reader, link.served, hub) {
            let is_all = match state.input == Input::Open {
                true => !state.body_pending && !reader.in_record(),
                false => link.transport.has_hung_up(),
            };
            if !is_all {
                hub.linger(link);
            }
            return;
        }
        let now = now_ms();
        let begun = state.requests.iter().map(|request| request.since).min();
        let kind = state.waits_for(&reader, link.served);
        state.reader.0 = Some(reader);
        let deadline = match kind {
            Kind::Head => begun.unwrap_or(now),
            _ => now,
        };
        let deadline = deadline.saturating_add(kind.limit(hub.limits()));
        if kind == Kind::Head && deadline <= now {
            return hub.give_up(kind);
        }
        link.multiplexed = Some(state);
        hub.park(Waiting {
            link,
            kind,
            deadline,
            head: link::RequestHead::default(),
            block: Vec::new(),
        });
    }
}
