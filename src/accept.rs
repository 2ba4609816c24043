//! The accept loop: one blocking set that holds the listeners, the stop pipe and the parked connections.
//!
//! A free worker blocks in [`Accept::next`] (or is in reserve, see `reserve`), which yields exactly one connection that
//! has something to read; whoever gets it serves it on its own thread. So the loop feeds the pool and no connection
//! crosses threads. The kernel's backlog is the queue.
//!
//! Listeners are ONESHOT and armed again right after accept4, before serving: level-triggered ones wake two workers for
//! each connection, and EPOLLEXCLUSIVE cannot be combined with ONESHOT. Parked connections are ONESHOT too. Whoever
//! removes a parked entry under the lock owns it; keys carry a generation, so that a late event finds nothing. Only the
//! one who gets its event removes an entry: what has waited too long is shut down, which is an event, and whoever gets
//! that closes it. So a descriptor can be armed after the lock is given back, when nobody can have closed it yet.
//! With all workers busy nobody waits here, and time limits fire late.
//!
//! The timer also rings for the looks at our sockets' paths, see `listeners`; a listener whose path was bound again is
//! retired: out of the set, and emptied by whoever exchanged it.
//!
//! # At a stop
//!
//! What has connected is answered. The first worker to see the stop removes our paths, and then:
//!
//! - A listener that is ours alone ([`Listener::is_ours`], or whatever the parent says that nobody else accepts from) is
//!   told to admit nobody (a parent does that itself), and emptied: accepted from until there is nothing left, and then
//!   ended, for siblings too. By a unix socket that is exact. By TCP it is on this machine: without it 1 to 3 of a hundred
//!   stops under load reset a connection that the kernel completed behind the last look, and every stop of a parent and its
//!   children did; with it none of 300 and of 60 did. A web server on another machine can still come to that, if its
//!   handshake was on the way, and everyone can where the kernel refuses both ways of it. Whoever must not lose even these
//!   lets somebody else own the socket (systemd, a parent that goes on).
//! - A listener that was inherited is not accepted from any more: its backlog is the siblings', or the next one's.
//! - A kept connection is served if its next request has begun to come, and else closed.
//! - A connection that has said nothing yet gets `SILENT_MS`: a web server writes right behind its connect. So does one
//!   that lingers.
//! - A head that is not whole is waited for as ever, up to `head_timeout` and at most until the deadline of the stop.
//!
//! A worker ends when nothing of that is left.

use crate::apart::apart;
use crate::buffer::Buffers;
use crate::control::{Control, EMPTY, READY, REPLACE_ME};
use crate::exchange::Home;
use crate::limits::Limits;
use crate::link::{Head, Kind, Link, Registration, Waiting};
use crate::listeners::Listeners;
use crate::net::sys;
use crate::net::sys::now_ms;
use crate::net::{Epoll, Interest, Listener, Timer, Transport};
use crate::peers::Peers;
use crate::seldom::Seldom;
use crossbeam_utils::CachePadded;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::Duration;

const STOP: u64 = 1 << 56;
const TIMER: u64 = 2 << 56;
const LISTENER: u64 = 3 << 56;
const PARKED: u64 = 4 << 56;
const CONTROL: u64 = 5 << 56;
const KIND: u64 = 0xff << 56;

/// Deadlines are looked at in steps, so that thousands of them are not thousands of alarms.
const STEP_MS: u64 = 50;

/// How long to wait when there is no descriptor or memory for another connection.
const PAUSE_MS: u64 = 100;

/// How long a connection may stay silent at a stop that has said nothing yet, or whose answer is out.
const SILENT_MS: u64 = 1_000;

/// How often the paths of our sockets are looked at. All processes of a machine look at the same moments, so that they
/// wake it once.
const LOOK_MS: u64 = 5_000;

/// How soon a path that has vanished is looked at again.
const DOUBT_MS: u64 = 1_000;

/// Asks the loop to end; from anywhere, a signal handler included.
#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    /// Whether another loop takes over all that waits: the workers leave at once.
    hands_over: AtomicBool,
    pipe: PipeWriter,
}

impl Stop {
    /// Async-signal-safe: a store and a write. The pipe is never read, so everyone who waits sees it.
    fn ask(&self) {
        if !self.asked.swap(true, Ordering::SeqCst) {
            // One byte into an empty pipe: it neither blocks nor fails.
            let _ = (&self.pipe).write(b"x");
        }
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Accept {
    epoll: Arc<Epoll>,
    timer: Timer,
    listeners: Listeners,
    /// Listeners that were exchanged, and that could not be emptied yet.
    retired: Mutex<Vec<Listener>>,
    peers: Peers,
    stop_pipe: PipeReader,
    stop: Stop,
    /// The line to the parent, in a child of one.
    control: OnceLock<Arc<Control>>,
    /// Whether nobody else accepts what waits in the backlog, as the parent has said, or its death.
    told_to_empty: AtomicBool,
    parked: Mutex<Parked>,
    /// Workers that wait in the loop.
    waiting: CachePadded<AtomicUsize>,
    open: Arc<AtomicUsize>,
    limits: Limits,
    told: Told,
}

/// The connections that wait, and when to look at them again.
#[derive(Debug, Default)]
struct Parked {
    entries: Vec<Entry>,
    free: Vec<u32>,
    turns: u64,
    /// What the timer is set to, in ms of the monotonic clock; 0 if it is not.
    alarm: u64,
    /// Listeners that are not armed, one bit each, until there is room again.
    paused: u64,
    /// When to look at the paths, in ms of the monotonic clock; 0 if there are none.
    look: u64,
    /// Bytes of heads that are not whole.
    head_bytes: usize,
    /// How many of the entries have not ended.
    alive: usize,
    rest: Rest,
}

/// How far a stop has come.
#[derive(Debug, Default)]
struct Rest {
    has_begun: bool,
    /// Listeners that are still to be emptied, one bit each.
    to_empty: u64,
    /// Listeners that are left to others, as long as nobody says that there are none.
    left: u64,
    /// Whether the stop pipe is quiet, since there is still something to wait for.
    is_quiet: bool,
}

/// What is cut at the deadline of a stop, apart from running requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Connections whose request waited for a worker or for its rest.
    pub(crate) waiting: usize,
    /// Whether there are some that nobody has accepted.
    pub(crate) backlog: bool,
}

/// What the log is told seldom, since whoever connects decides how often it happens.
#[derive(Debug, Default)]
struct Told {
    no_room: Seldom,
    late_heads: Seldom,
    many_heads: Seldom,
    cannot_wait: Seldom,
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    /// Counts up with each connection that is parked: deadlines are too coarse to tell who came first.
    turn: u64,
    waiting: Option<Waiting>,
}

impl Accept {
    /// # Errors
    /// When there is no descriptor left, one for a connection included, or more than 64 listeners are given.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        peers: Peers,
        limits: Limits,
    ) -> io::Result<Accept> {
        Accept::of(listeners, peers, limits).map_err(|error| match sys::is_out_of_files(&error) {
            true => {
                let (most, _) = sys::descriptor_limits();
                let why = format!(
                    "no connection can be accepted where only {most} files may be open: {error}; allow more (ulimit -n)"
                );
                io::Error::new(error.kind(), why)
            }
            false => error,
        })
    }

    fn of(listeners: Vec<Listener>, peers: Peers, limits: Limits) -> io::Result<Accept> {
        let (stop_pipe, pipe) = io::pipe()?;
        let epoll = Arc::new(Epoll::new()?);
        let accept = Accept {
            timer: Timer::new()?,
            listeners: Listeners::new(listeners, &epoll, LISTENER)?,
            retired: Mutex::default(),
            epoll,
            peers,
            stop_pipe,
            stop: Stop {
                asked: AtomicBool::new(false),
                hands_over: AtomicBool::new(false),
                pipe,
            },
            control: OnceLock::new(),
            told_to_empty: AtomicBool::new(false),
            parked: Mutex::default(),
            waiting: CachePadded::default(),
            open: Arc::default(),
            limits,
            told: Told::default(),
        };
        accept
            .epoll
            .add(accept.stop_pipe.as_raw_fd(), STOP, Interest::ReadAlways)?;
        accept
            .epoll
            .add(accept.timer.as_raw_fd(), TIMER, Interest::ReadOnce)?;
        if accept.listeners.have_paths() {
            let mut parked = accept.lock();
            parked.look = next_look(now_ms());
            let at = parked.look;
            accept.set_alarm(&mut parked, at);
        }
        // Room for a connection: else nobody is ever answered.
        accept.stop_pipe.try_clone()?;
        Ok(accept)
    }

    /// Does from now on as the parent says, and says that it is ready.
    ///
    /// # Errors
    /// When there is no memory for the set's entry.
    pub(crate) fn obey(&self, control: Arc<Control>) -> io::Result<()> {
        self.epoll
            .add(control.as_raw_fd(), CONTROL, Interest::ReadOnce)?;
        control.say(READY);
        let _ = self.control.set(control);
        Ok(())
    }

    /// Asks the parent for a successor. Whether there is a parent.
    pub(crate) fn ask_for_successor(&self) -> bool {
        let control = self.control.get();
        if let Some(control) = control {
            control.say(REPLACE_ME);
        }
        control.is_some()
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many of them wait here: idle, for the rest of a head, or for the peer's end.
    pub(crate) fn parked(&self) -> usize {
        let parked = self.lock();
        parked.entries.len() - parked.free.len()
    }

    /// Takes in what the parent says.
    fn hear(&self) {
        let Some(control) = self.control.get() else {
            return;
        };
        loop {
            match control.hear() {
                Ok(Some(EMPTY)) => self.told_to_empty.store(true, Ordering::SeqCst),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    self.told_to_empty.store(true, Ordering::SeqCst);
                    if !self.is_stopping() {
                        log::error!(
                            "the parent process is gone: this one answers what there is and ends"
                        );
                        sys::send_signal(std::process::id(), sys::SIGTERM);
                    }
                    return;
                }
            }
        }
        // It fails only without memory, and then a signal still stops us.
        let _ = self
            .epoll
            .rearm(control.as_raw_fd(), CONTROL, Interest::ReadOnce);
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Asks every worker that waits, or comes to wait, to end, when all that has connected is answered.
    /// Async-signal-safe.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Asks every worker to leave at once: another loop accepts from the same sockets, and is handed over what waits.
    pub(crate) fn ask_to_leave(&self) {
        self.stop.hands_over.store(true, Ordering::SeqCst);
        self.stop.ask();
    }

    /// What is cut if the process ends now. Async-signal-safe: it never waits for the lock. `None` if somebody has it.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let parked = match self.parked.try_lock() {
            Ok(parked) => parked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let waiting = parked.entries.iter().filter_map(|e| e.waiting.as_ref());
        let backlog = match parked.rest.has_begun {
            true => parked.rest.to_empty != 0,
            false => self.listeners.have_backlog(),
        };
        Some(Cut {
            waiting: waiting.filter(|waiting| is_request(waiting)).count(),
            backlog,
        })
    }

    /// Removes the sockets that we made, while they still listen.
    pub(crate) fn unlink(&self) {
        for listener in self.listeners.iter() {
            if let Err(error) = listener.unlink() {
                log::warn!("cannot remove {}: {error}", listener.local_addr());
            }
        }
    }

    /// Takes a connection that came some other way than by a listener.
    pub(crate) fn adopt(&self, transport: Transport) {
        let deadline = now_ms().saturating_add(Kind::FirstByte.limit(&self.limits));
        let link = Link::new(transport, &self.open);
        self.park(Waiting {
            link,
            kind: Kind::FirstByte,
            deadline,
            head: Head::default(),
            block: Vec::new(),
        });
    }

    /// Moves all connections that wait to another loop.
    pub(crate) fn hand_over(&self, to: &Accept) {
        let mut parked = self.lock();
        let all = 0..parked.entries.len();
        let moved: Vec<Waiting> = all.filter_map(|i| parked.remove(i)).collect();
        drop(parked);
        for mut waiting in moved {
            if to.peers.admit(waiting.link.transport.peer()) {
                waiting.link.belong_to(&to.open);
                to.park(waiting);
            }
        }
    }

    /// Waits for a connection that has something to read. `None` when it is time to stop.
    ///
    /// What `buffers` hold beyond their first few KiB is given back before the worker sleeps.
    pub(crate) fn next(&self, buffers: &mut Buffers) -> Option<Waiting> {
        let next = self.wait(buffers);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        next
    }

    /// A worker is about to wait: told before [`Accept::next`], by whoever starts it or by itself.
    pub(crate) fn expect_worker(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker that was expected does not come.
    pub(crate) fn miss_worker(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether a further connection would find no worker.
    pub(crate) fn nobody_waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    fn wait(&self, buffers: &mut Buffers) -> Option<Waiting> {
        loop {
            if self.is_stopping() && !apart(|| self.has_rest()) {
                return None;
            }
            let mut key = Ok(None);
            if buffers.is_large() {
                key = self.epoll.wait(false);
                if let Ok(None) = key {
                    buffers.release();
                }
            }
            if let Ok(None) = key {
                key = self.epoll.wait(true);
            }
            match key {
                Ok(Some(STOP)) => {}
                Ok(Some(key)) => {
                    if let Some(waiting) = self.ready(key) {
                        return Some(waiting);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    log::error!("cannot wait for connections: {error}; the worker ends");
                    self.stop.ask();
                    return None;
                }
            }
        }
    }

    fn ready(&self, key: u64) -> Option<Waiting> {
        match key & KIND {
            LISTENER => self.accept((key & !KIND) as usize),
            PARKED => self.lock().take(key),
            CONTROL => {
                self.hear();
                None
            }
            _ => {
                self.expire();
                None
            }
        }
    }

    /// Whether there is still something to do at a stop. The first to ask begins it.
    fn has_rest(&self) -> bool {
        if self.stop.hands_over.load(Ordering::SeqCst) {
            return false;
        }
        let mut retired = self.retired();
        self.empty_retired(&mut retired);
        let is_retired_left = !retired.is_empty();
        drop(retired);
        self.empty_ours();
        let mut parked = self.lock();
        let has_rest = parked.alive > 0 || parked.rest.to_empty != 0 || is_retired_left;
        if is_retired_left {
            self.set_alarm(&mut parked, now_ms() + PAUSE_MS);
        }
        // It wakes all who wait when the last of it is done, and nobody before.
        if has_rest != parked.rest.is_quiet {
            parked.rest.is_quiet = has_rest;
            let interest = match has_rest {
                true => Interest::Nothing,
                false => Interest::ReadAlways,
            };
            if let Err(error) = self.epoll.rearm(self.stop_pipe.as_raw_fd(), STOP, interest) {
                log::error!("the workers cannot be told that the stop is over: {error}");
            }
        }
        has_rest
    }

    /// Accepts all that waits where nobody else accepts. Once; what the parent says later is seen to then.
    fn empty_ours(&self) {
        // The parent says it before it signals.
        self.hear();
        let told_to_empty = self.told_to_empty.load(Ordering::SeqCst);
        let mut parked = self.lock();
        let is_first = !std::mem::replace(&mut parked.rest.has_begun, true);
        if is_first {
            parked.rest.left = self.bits(|_| true);
            parked.hurry_all();
        }
        let ours = parked.rest.left & self.bits(|l| told_to_empty || l.is_ours());
        parked.rest.left &= !ours;
        parked.rest.to_empty |= ours;
        drop(parked);
        if is_first {
            // The next to start finds no path of ours, and is answered if it looks just now.
            self.unlink();
            // Deadlines are earlier now.
            self.expire();
        }
        for i in (0..self.listeners.len()).filter(|i| ours & 1 << i != 0) {
            self.empty(i);
        }
    }

    fn bits(&self, is_so: impl Fn(&Listener) -> bool) -> u64 {
        let listeners = self.listeners.iter().enumerate();
        listeners
            .map(|(i, listener)| u64::from(is_so(&listener)) << i)
            .sum()
    }

    /// Accepts until there is nothing left, or no room: then the rest stays where it is until there is.
    ///
    /// All at once, and not one after the other as workers get free: by TCP more would come and come.
    fn empty(&self, i: usize) {
        if let Some(listener) = self.listeners.get(i) {
            listener.admit_nobody();
        }
        while let Some(mut waiting) = self.accept(i) {
            waiting.deadline = now_ms().saturating_add(waiting.kind.limit(&self.limits));
            self.park(waiting);
        }
    }

    /// Nothing is left in a listener's backlog.
    fn is_emptied(&self, i: usize) {
        if let Some(listener) = self.listeners.get(i) {
            listener.end();
            if self.told_to_empty.load(Ordering::SeqCst) {
                listener.end_by_tcp();
            }
        }
        self.lock().rest.to_empty &= !(1 << i);
    }

    fn accept(&self, i: usize) -> Option<Waiting> {
        let is_stopping = self.is_stopping();
        if is_stopping && self.lock().rest.to_empty & 1 << i == 0 {
            return None;
        }
        if self.open.load(Ordering::Relaxed) >= self.limits.max_connections {
            self.tell_full(&self.limits.why_full());
            // Its end is an event, and that comes before the listener's next.
            match self.make_room() {
                true => self.listeners.arm(i),
                false => self.pause(i),
            }
            return None;
        }
        let accepted = self.listeners.get(i)?.socket().accept();
        if is_stopping && accepted.as_ref().is_err_and(is_end) {
            self.is_emptied(i);
            return None;
        }
        if accepted.as_ref().is_err_and(is_ended) {
            // A sibling has ended the socket for all; the signal to stop is on its way here, too.
            self.hear();
            if self.told_to_empty.load(Ordering::SeqCst) {
                return None;
            }
        }
        if let Err(error) = &accepted
            && !is_everyday(error)
        {
            self.tell_full(&match sys::is_out_of_files(error) {
                true => format!("{error}; allow more, ulimit -n"),
                false => error.to_string(),
            });
            self.make_room();
            self.pause(i);
            return None;
        }
        self.listeners.arm(i);
        // EAGAIN is everyday: a sibling process that shares the listener took the connection. ECONNABORTED too.
        let (socket, peer) = accepted.ok()?;
        if !self.peers.admit(peer.as_socket().map(|peer| peer.ip())) {
            return None;
        }
        let link = Link::new(Transport::new(socket), &self.open);
        Some(Waiting {
            link,
            kind: Kind::FirstByte,
            deadline: 0,
            head: Head::default(),
            block: Vec::new(),
        })
    }

    /// Leaves a listener alone for a moment: the backlog keeps what comes.
    fn pause(&self, i: usize) {
        let mut parked = self.lock();
        parked.paused |= 1 << i;
        self.set_alarm(&mut parked, now_ms() + PAUSE_MS);
    }

    fn tell_full(&self, why: &str) {
        self.told
            .no_room
            .warn(|| format!("no room for another connection ({why}): new ones wait"));
    }

    /// Makes room by ending the idle connection that has waited longest, or else the one that has been silent longest.
    /// Whether there was one.
    fn make_room(&self) -> bool {
        let mut parked = self.lock();
        parked.end_oldest(Kind::Idle) || parked.end_oldest(Kind::FirstByte)
    }

    /// The timer rang: ends what has waited too long, and arms what was paused.
    fn expire(&self) {
        let now = now_ms();
        let mut parked = self.lock();
        let mut next = u64::MAX;
        let Parked {
            entries,
            head_bytes,
            alive,
            ..
        } = &mut *parked;
        for waiting in entries
            .iter_mut()
            .filter_map(|entry| entry.waiting.as_mut())
        {
            if waiting.deadline > now {
                next = next.min(waiting.deadline);
            } else if waiting.has_come() {
                // No worker was free for it.
                waiting.deadline = u64::MAX;
            } else {
                self.tell_expired(waiting.kind);
                *head_bytes -= end(waiting);
                *alive -= 1;
            }
        }
        let is_time_to_look = parked.look != 0 && parked.look <= now;
        if is_time_to_look {
            parked.look = next_look(now);
        }
        if parked.look != 0 {
            next = next.min(parked.look);
        }
        let paused = std::mem::take(&mut parked.paused);
        parked.alarm = 0;
        // Set or cleared before it is armed: one that has rung stays readable, and would wake somebody at once.
        match next {
            u64::MAX => self.clear_alarm(),
            next => self.set_alarm(&mut parked, next),
        }
        if let Err(error) = self
            .epoll
            .rearm(self.timer.as_raw_fd(), TIMER, Interest::ReadOnce)
        {
            log::error!("time limits are off: {error}");
        }
        drop(parked);
        (0..64)
            .filter(|i| paused & 1 << i != 0)
            .for_each(|i| self.listeners.arm(i));
        if is_time_to_look && !self.is_stopping() {
            self.look();
        }
    }

    /// Looks at the paths of our sockets, on whichever worker the timer woke.
    fn look(&self) {
        // Whoever begins a stop waits for it, and then none begins any more: nothing is bound behind the last unlink.
        let mut retired = self.retired();
        if self.is_stopping() {
            return;
        }
        let look = self.listeners.look();
        if look.is_doubtful {
            let mut parked = self.lock();
            let at = now_ms() + DOUBT_MS;
            parked.look = parked.look.min(at);
            self.set_alarm(&mut parked, at);
        }
        retired.extend(look.retired);
        self.empty_retired(&mut retired);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.retired
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes what has connected to retired listeners. Those that there is no room for at present stay.
    fn empty_retired(&self, retired: &mut Vec<Listener>) {
        retired.retain(|listener| !self.adopt_all(listener));
    }

    fn adopt_all(&self, listener: &Listener) -> bool {
        // Whoever has looked the path up before it vanished comes in no more.
        listener.end();
        while self.open() < self.limits.max_connections {
            match listener.socket().accept() {
                Ok((socket, _)) => self.adopt(Transport::new(socket)),
                Err(error) if is_end(&error) => return true,
                Err(error) if is_everyday(&error) => {}
                Err(_) => break,
            }
        }
        self.make_room();
        false
    }

    fn tell_expired(&self, kind: Kind) {
        match kind {
            Kind::Head => self.told.late_heads.warn(|| {
                "a connection is closed: a request's head was not whole in time (head_timeout)"
                    .into()
            }),
            // A neighbour's probe, a web server that keeps a connection: everyday.
            kind => log::debug!("a connection is closed: {kind:?} took too long"),
        }
    }

    /// Sets the timer, if it is not set to ring before.
    fn set_alarm(&self, parked: &mut Parked, at: u64) {
        // Nothing is due at the end of time.
        let Some(at) = at.checked_next_multiple_of(STEP_MS) else {
            return;
        };
        if parked.alarm != 0 && parked.alarm <= at {
            return;
        }
        parked.alarm = at;
        let wait = Duration::from_millis(at.saturating_sub(now_ms()).max(1));
        if let Err(error) = self.timer.set(wait) {
            log::error!("time limits are off: {error}");
        }
    }

    fn clear_alarm(&self) {
        if let Err(error) = self.timer.clear() {
            log::error!("time limits are off: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Home for Accept {
    fn park(&self, mut waiting: Waiting) {
        let interest = if waiting.kind == Kind::Ready {
            Interest::WriteOnce
        } else {
            Interest::ReadOnce
        };
        let fd = waiting.link.transport.as_raw_fd();
        let is_registered = waiting.link.registration.is_some();
        if !is_registered {
            waiting.link.registration = Some(Registration::new(&self.epoll, fd));
        }
        let mut parked = self.lock();
        if parked.rest.has_begun && hurry(&mut waiting, now_ms()) {
            return;
        }
        let deadline = waiting.deadline;
        let key = parked.insert(waiting);
        while parked.head_bytes > self.limits.max_waiting_heads
            && (parked.end_oldest(Kind::Head) || parked.end_oldest(Kind::Ready))
        {
            self.told.many_heads.warn(|| {
                "a connection is closed: the heads that wait exceed max_waiting_heads".into()
            });
        }
        if deadline < parked.alarm || parked.alarm == 0 {
            self.set_alarm(&mut parked, deadline);
        }
        drop(parked);
        let armed = if is_registered {
            self.epoll.rearm(fd, key, interest)
        } else {
            self.epoll.add(fd, key, interest)
        };
        if let Err(error) = armed {
            self.told
                .cannot_wait
                .warn(|| format!("a connection is closed: it cannot be waited for: {error}"));
            drop(self.lock().take(key));
        }
    }

    fn go_on(&self, link: Link, unread: Vec<u8>) {
        let kind = if unread.is_empty() {
            Kind::Idle
        } else {
            Kind::Ready
        };
        let deadline = now_ms().saturating_add(kind.limit(&self.limits));
        self.park(Waiting {
            link,
            kind,
            deadline,
            head: Head::of(unread.len()),
            block: unread,
        });
    }

    fn linger(&self, link: Link) {
        if link.transport.shutdown_write().is_ok() {
            let deadline = now_ms().saturating_add(Kind::Linger.limit(&self.limits));
            self.park(Waiting {
                link,
                kind: Kind::Linger,
                deadline,
                head: Head::default(),
                block: Vec::new(),
            });
        }
    }

    fn give_up(&self, kind: Kind) {
        self.tell_expired(kind);
    }

    fn other(&self) -> Option<Waiting> {
        match self.epoll.wait(false) {
            Ok(Some(key)) if key != STOP => self.ready(key),
            _ => None,
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_asked()
    }
}

impl Parked {
    /// Puts a connection in. Its key: kind, 24 bits of generation, 32 of index.
    fn insert(&mut self, waiting: Waiting) -> u64 {
        self.head_bytes += waiting.block.len();
        self.alive += usize::from(waiting.kind != Kind::Ended);
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        self.turns += 1;
        entry.turn = self.turns;
        entry.waiting = Some(waiting);
        PARKED | u64::from(entry.generation & 0xff_ffff) << 32 | u64::from(index)
    }

    fn entry(&mut self, key: u64) -> Option<&mut Waiting> {
        let entry = self.entries.get_mut(key as u32 as usize)?;
        let generation = (key >> 32) as u32 & 0xff_ffff;
        (entry.generation & 0xff_ffff == generation)
            .then_some(entry.waiting.as_mut())
            .flatten()
    }

    fn take(&mut self, key: u64) -> Option<Waiting> {
        self.entry(key)?;
        self.remove(key as u32 as usize)
    }

    fn remove(&mut self, index: usize) -> Option<Waiting> {
        let entry = &mut self.entries[index];
        let waiting = entry.waiting.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index as u32);
        self.head_bytes -= waiting.block.len();
        self.alive -= usize::from(waiting.kind != Kind::Ended);
        Some(waiting)
    }

    /// A stop begins.
    fn hurry_all(&mut self) {
        let now = now_ms();
        let waiting = self.entries.iter_mut().filter_map(|e| e.waiting.as_mut());
        for waiting in waiting.filter(|waiting| waiting.kind != Kind::Ended) {
            if hurry(waiting, now) {
                self.head_bytes -= end(waiting);
                self.alive -= 1;
            }
        }
    }

    /// Ends the one of this kind that is due first, but none that waits for us and not for its peer. Whether there was one.
    fn end_oldest(&mut self, kind: Kind) -> bool {
        let mut passed = (0, 0);
        for _ in 0..PASSED_OVER {
            let entries = self
                .entries
                .iter_mut()
                .filter_map(|entry| Some((entry.turn, entry.waiting.as_mut()?)))
                .filter(|(_, waiting)| waiting.kind == kind)
                .map(|(turn, waiting)| ((waiting.deadline, turn), waiting));
            let oldest = entries
                .filter(|(age, _)| *age > passed)
                .min_by_key(|(age, _)| *age);
            let Some((age, waiting)) = oldest else {
                return false;
            };
            let is_silent = matches!(kind, Kind::Idle | Kind::FirstByte);
            if !(is_silent && waiting.has_come()) {
                self.head_bytes -= end(waiting);
                self.alive -= 1;
                return true;
            }
            passed = age;
        }
        false
    }
}

/// How many connections are looked at for one that may be ended.
const PASSED_OVER: usize = 8;

/// What is left of a connection's time at a stop. Whether that is nothing: it is kept for a request that has not come.
fn hurry(waiting: &mut Waiting, now: u64) -> bool {
    match waiting.kind {
        Kind::Idle if !waiting.has_come() => return true,
        // It has its event, and is served when a worker gets that.
        Kind::Idle => waiting.deadline = u64::MAX,
        Kind::FirstByte | Kind::Linger => {
            waiting.deadline = waiting.deadline.min(now + SILENT_MS);
            // What it has sent in vain comes again after 200 ms.
            waiting.link.transport.hear_everything();
        }
        Kind::Head | Kind::Ready | Kind::Ended => {}
    }
    false
}

/// Whether a request of it would be lost.
fn is_request(waiting: &Waiting) -> bool {
    matches!(waiting.kind, Kind::Head | Kind::Ready) || waiting.has_come()
}

/// Ends a connection that waits: its next event is its end, and whoever gets that closes it. How many bytes of a head
/// were freed.
fn end(waiting: &mut Waiting) -> usize {
    waiting.link.transport.shutdown();
    waiting.kind = Kind::Ended;
    waiting.deadline = u64::MAX;
    waiting.head = Head::default();
    std::mem::take(&mut waiting.block).len()
}

/// A sibling process that shares the listener took the connection, or its peer has gone. All else (no descriptor, no
/// memory, a listener that a sibling has shut down) is weather: it is waited out, and must not spin.
fn is_everyday(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

/// There is nothing to accept, or there will never be: nobody is admitted any more.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || is_ended(error)
}

/// EINVAL: it does not listen any more.
fn is_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

fn next_look(now: u64) -> u64 {
    (now / LOOK_MS + 1) * LOOK_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Address, Permit};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::{env, fs, process};

    /// A loop without workers, that listens in a folder of its own.
    struct Ours {
        accept: Accept,
        path: PathBuf,
    }

    impl Ours {
        fn new(name: &str, max_connections: usize) -> Ours {
            let folder = env::temp_dir().join(format!("fcgi-accept-{}-{name}", process::id()));
            fs::create_dir(&folder).unwrap();
            let path = folder.join("s");
            let address = Address::Unix(path.clone());
            let listener = Listener::bind(&address, &Permit::default()).unwrap();
            let limits = Limits {
                max_connections,
                ..Limits::default()
            };
            let accept = Accept::new(vec![listener], Peers::default(), limits).unwrap();
            Ours { accept, path }
        }

        fn waiting(&self) -> usize {
            let parked = self.accept.lock();
            let waiting = parked.entries.iter().filter(|e| e.waiting.is_some());
            waiting.count()
        }
    }

    impl Drop for Ours {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.path.parent().unwrap());
        }
    }

    #[test]
    fn what_has_connected_before_the_path_vanished_is_served() {
        let ours = Ours::new("vanished", 100);
        let early: Vec<_> = (0..7)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        assert!(!ours.path.exists(), "somebody may be about to bind it");
        ours.accept.look();
        assert_eq!(ours.waiting(), early.len());
        let late = UnixStream::connect(&ours.path).unwrap();
        // They have sent nothing: the only thing that is ready is the new listener.
        let key = ours.accept.epoll.wait(true).unwrap();
        assert_eq!(key, Some(LISTENER));
        assert!(ours.accept.ready(LISTENER).is_some());
        drop(late);
        ours.accept.unlink();
        assert!(!ours.path.exists(), "the new one is removed at the end");
    }

    #[test]
    fn what_there_is_no_room_for_is_taken_at_a_later_look() {
        let ours = Ours::new("full", 3);
        let early: Vec<_> = (0..5)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        (0..3).for_each(|_| ours.accept.look());
        assert_eq!(ours.waiting(), 3);
        let all = 0..ours.accept.lock().entries.len();
        all.for_each(|i| drop(ours.accept.lock().remove(i)));
        ours.accept.look();
        assert_eq!(ours.waiting(), 2);
        assert!(ours.accept.retired.lock().unwrap().is_empty());
        drop(early);
    }

    #[test]
    fn a_server_that_stops_binds_nothing_again() {
        let ours = Ours::new("stopping", 100);
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        ours.accept.ask_to_stop();
        ours.accept.look();
        assert!(!ours.path.exists());
    }
}
