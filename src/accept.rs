//! The accept loop: one set of descriptors (epoll) that holds the listeners, the stop pipe, the timer and the parked
//! connections. Called by `pool`, whose workers wait here, and by `connection`, which gives connections back ([`Home`]).
//!
//! A free worker blocks in [`Accept::next`] (or is in reserve, see `reserve`), which yields exactly one connection that
//! has something to read; whoever gets it serves it on its own thread. So the loop feeds the pool and no connection
//! crosses threads. While requests are quick it takes several events for one call, and yields them one by one (`taken`).
//! The kernel's backlog is the queue. With all workers busy nobody waits here, and time limits fire late.
//!
//! Listeners are ONESHOT and armed again right after accept4, before the connection is served: level-triggered ones wake
//! two workers for each connection, and EPOLLEXCLUSIVE cannot be combined with ONESHOT.
//!
//! Parked connections are ONESHOT too, and an entry is removed only when its event was got, by that worker or by one that finds
//! it among the `taken`; from then on the connection is that worker's. Keys carry a generation, so that a late event finds
//! nothing. A connection that has waited too long is not removed either: it is shut down, which is an event, and the worker
//! that gets this event closes it. So a descriptor may be armed after the lock was given back: nobody can have closed it in
//! between.
//!
//! | | |
//! | --- | --- |
//! | `newcomers` | new connections, and what happens when there is no room for one |
//! | `parked`, `timer` | connections that wait, and what has waited too long |
//! | `paths` | looks at the paths of our sockets, and listeners that were retired |
//! | `orders` | what the parent says |
//! | `stop` | what is still answered when the process ends |
//! | `taken` | connections whose events one worker has taken together |
//! | `multiplexed` | connections with several requests at once |

mod multiplexed;
mod newcomers;
mod orders;
mod parked;
mod paths;
mod stop;
mod taken;
mod timer;

pub(crate) use stop::Cut;

use crate::apart::apart;
use crate::buffer::Buffers;
use crate::control::Control;
use crate::exchange::Home;
use crate::limits::Limits;
use crate::link::{Kind, Link, Registration, RequestHead, Seat, Waiting};
use crate::listeners::Listeners;
use crate::log_line::error;
use crate::multiplex::Task;
use crate::net::sys;
use crate::net::sys::Ready;
use crate::net::sys::now_ms;
use crate::net::{Epoll, Interest, Listener, Timer};
use crate::peers::Peers;
use crate::seldom::Seldom;
use crossbeam_utils::CachePadded;
use multiplexed::Multiplexed;
use parked::{Parked, hurry};
use paths::next_look;
use std::io::{self, PipeReader};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use stop::Stop;

/// What an event is about: the upper byte of its key in the set. The lower ones say which listener, or which connection.
const KIND: u64 = 0xff << 56;
const STOP: u64 = 1 << 56;
const TIMER: u64 = 2 << 56;
const LISTENER: u64 = 3 << 56;
const PARKED: u64 = 4 << 56;
const CONTROL: u64 = 5 << 56;
/// Requests of multiplexed connections wait. Keys from here on are seen to by `multiplexed`.
const QUEUE: u64 = 6 << 56;
/// A multiplexed connection with requests under way.
const MULTIPLEXED: u64 = 7 << 56;

/// The loop: the set, what is in it, and how many workers wait for it.
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
    /// Whether nobody but this process accepts what waits in the backlog: the parent has said so, or has died.
    told_to_empty: AtomicBool,
    parked: Mutex<Parked>,
    /// Whether there is anything in `parked.taken`.
    has_taken: AtomicBool,
    /// Workers that wait in the loop.
    waiting: CachePadded<AtomicUsize>,
    /// How many connections are open: [`Link`] counts them.
    open: Arc<AtomicUsize>,
    limits: Limits,
    told: Told,
    /// `None` where connections carry one request at a time.
    multiplexed: Option<Multiplexed>,
}

/// What the log is told seldom, since whoever connects decides how often it happens.
#[derive(Debug, Default)]
struct Told {
    no_room: Seldom,
    late_heads: Seldom,
    many_heads: Seldom,
    cannot_wait: Seldom,
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
            stop: Stop::new(pipe),
            control: OnceLock::new(),
            told_to_empty: AtomicBool::new(false),
            parked: Mutex::default(),
            has_taken: AtomicBool::new(false),
            waiting: CachePadded::default(),
            open: Arc::default(),
            multiplexed: match limits.multiplex {
                true => Some(Multiplexed::new()?),
                false => None,
            },
            limits,
            told: Told::default(),
        };
        accept
            .epoll
            .add(accept.stop_pipe.as_raw_fd(), STOP, Interest::ReadAlways)?;
        accept
            .epoll
            .add(accept.timer.as_raw_fd(), TIMER, Interest::ReadOnce)?;
        if let Some(queue) = accept.queue() {
            accept
                .epoll
                .add(queue.as_raw_fd(), QUEUE, Interest::ReadOnce)?;
        }
        if accept.listeners.have_paths() {
            let mut parked = accept.lock();
            parked.look = next_look(now_ms());
            let at = parked.look;
            accept.set_alarm(&mut parked, at);
        }
        // A descriptor for a connection is there as well, or else nobody would ever be answered. It is closed at once.
        accept.stop_pipe.try_clone()?;
        Ok(accept)
    }

    /// Parks a connection whose worker keeps its seat, or that has no worker: in the seat that was left over when one was
    /// parked so before.
    pub(crate) fn park_without_seat(&self, waiting: Waiting) {
        let mut seat = self.lock().spare.take().unwrap_or_default();
        *seat = Some(waiting);
        self.park(&mut seat);
        self.lock().spare = Some(seat);
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

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Waits for a connection that has something to read, and puts it into `place`, which is empty; or for something to do about
    /// multiplexed connections, which becomes the `task`. `false` when it is time to stop.
    ///
    /// What `buffers` hold beyond their first few KiB is given back before the worker sleeps. While `is_quick`, several connections
    /// may be taken at once, and served in turn.
    pub(crate) fn next(
        &self,
        buffers: &mut Buffers,
        place: &mut Seat,
        task: &mut Option<Task>,
        is_quick: bool,
    ) -> bool {
        self.wait(buffers, place, task, is_quick);
        let is_alone = self.waiting.fetch_sub(1, Ordering::SeqCst) == 1;
        if !is_alone && self.has_taken.load(Ordering::SeqCst) {
            self.give_back();
        }
        place.is_some() || task.is_some()
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

    fn wait(
        &self,
        buffers: &mut Buffers,
        place: &mut Seat,
        task: &mut Option<Task>,
        is_quick: bool,
    ) {
        loop {
            if self.is_stopping() && !apart(|| self.has_rest()) {
                return;
            }
            if self.take_up(place) {
                return;
            }
            let mut key = Ok(None);
            if buffers.is_large() {
                key = self.epoll.look();
                if let Ok(None) = key {
                    buffers.release();
                }
            }
            if let Ok(None) = key {
                key = self.event(is_quick);
            }
            match key {
                Ok(Some(STOP)) => {}
                Ok(Some(key)) if key >= QUEUE => {
                    *task = self.task(key);
                    if task.is_some() {
                        return;
                    }
                }
                Ok(Some(key)) => {
                    if self.ready(key, place) {
                        return;
                    }
                    if key == TIMER && self.has_multiplexed() {
                        *task = Some(Task::Expire);
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    error!("cannot wait for connections: {error}; the worker ends");
                    self.stop.ask();
                    return;
                }
            }
        }
    }

    /// Sleeps until there is an event. Its key; `None` when a signal came.
    #[inline(always)]
    fn event(&self, is_quick: bool) -> io::Result<Option<u64>> {
        let mut ready = Ready::<{ taken::MOST }>::new();
        self.epoll
            .wait_for_many(&mut ready, self.how_many(is_quick))?;
        let mut keys = ready.keys();
        Ok(match keys.len() {
            ..=1 => keys.next(),
            _ => self.choose(keys),
        })
    }

    /// Puts the connection that this event is about into `place`, which is empty. Whether there is one.
    #[inline(always)]
    fn ready(&self, key: u64, place: &mut Seat) -> bool {
        match key & KIND {
            LISTENER => match self.accept((key & !KIND) as usize) {
                Some(transport) => {
                    **place = Some(self.fresh(transport));
                    true
                }
                None => false,
            },
            PARKED => self.lock().take(key, place),
            CONTROL => {
                self.hear();
                false
            }
            _ => {
                self.expire();
                false
            }
        }
    }

    /// Whether a connection is waited for, as the set has answered. If it is not, the log is told.
    #[inline(always)]
    fn tell_cannot_wait(&self, armed: io::Result<()>) -> bool {
        match armed {
            Ok(()) => true,
            Err(error) => self.cannot_wait(&error),
        }
    }

    #[cold]
    fn cannot_wait(&self, error: &io::Error) -> bool {
        let line = || format!("a connection is closed: it cannot be waited for: {error}");
        self.told.cannot_wait.warn(line);
        false
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Home for Accept {
    fn park(&self, seat: &mut Seat) {
        let Some(waiting) = &mut **seat else { return };
        let interest = interest(waiting.kind);
        let fd = waiting.link.transport.as_raw_fd();
        let is_registered = waiting.link.registration.is_some();
        if !is_registered {
            waiting.link.registration = Some(Registration::new(&self.epoll, fd));
        }
        let mut parked = self.lock();
        if parked.rest.has_begun {
            hurry(waiting, now_ms());
        }
        let deadline = waiting.deadline;
        let key = parked.insert(seat);
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
        if !self.tell_cannot_wait(armed) {
            self.lock().take(key, seat);
            **seat = None;
        }
    }

    fn go_on(&self, link: Link, unread: Vec<u8>) {
        let kind = if unread.is_empty() {
            Kind::Idle
        } else {
            Kind::Ready
        };
        let deadline = now_ms().saturating_add(kind.limit(&self.limits));
        self.park_without_seat(Waiting {
            link,
            kind,
            deadline,
            head: RequestHead::of(unread.len()),
            block: unread,
        });
    }

    fn linger(&self, link: Link) {
        if link.transport.shutdown_write().is_ok() {
            let deadline = now_ms().saturating_add(Kind::Linger.limit(&self.limits));
            self.park_without_seat(Waiting {
                link,
                kind: Kind::Linger,
                deadline,
                head: RequestHead::default(),
                block: Vec::new(),
            });
        }
    }

    fn give_up(&self, kind: Kind) {
        self.tell_expired(kind);
    }

    fn other(&self, seat: &mut Seat) -> bool {
        if self.take_up(seat) {
            return true;
        }
        match self.epoll.look() {
            Ok(Some(key)) if key >= QUEUE => {
                self.leave_task(key);
                false
            }
            Ok(Some(key)) if key != STOP => apart(|| self.ready(key, seat)),
            _ => false,
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_asked()
    }
}

/// What a connection that waits is to be told of.
#[inline(always)]
fn interest(kind: Kind) -> Interest {
    match kind {
        Kind::Ready => Interest::WriteOnce,
        _ => Interest::ReadOnce,
    }
}
