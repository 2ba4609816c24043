//! The workers: threads that start when they are first needed, each with its own memory and its own state of the
//! application.
//!
//! mod_fcgid sends a process one request at a time, lighttpd and mod_fastcgi send several: a worker that takes a
//! connection while nobody else waits starts the next one before it serves, so that both are served at the least memory.
//! Where threads are forbidden, those that there are do the work, down to the calling thread alone.

use crate::accept::Accept;
use crate::access_log::AccessLog;
use crate::apart::apart;
use crate::application::{Application, Handlers};
use crate::buffer::Buffers;
use crate::connection::{Around, Handle, Overview, Worker};
use crate::contain::contain;
use crate::exchange::Home;
use crate::limits::Limits;
use crate::link::{Kind, Link, Seat, Waiting};
use crate::log_line::{error, info, warn};
use crate::log_text::Seconds;
use crate::multiplex::{Connection, Hub, Queue};
use crate::net::sys::now_ms;
use crate::net::{Interest, Mapping};
use crate::protocol::Role;
use crate::reserve::Reserve;
use crate::setup::Setup;
use crate::slot::{Line, Served, Slot};
use crate::status::Snapshot;
use crate::stranger::Strangers;
use crate::watch::{self, Event, Watch, Watcher};
use crossbeam_utils::CachePadded;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// The memory that a thread takes as it starts, beside its stack. std maps a second stack, for the handler of overflows, and ends
/// the process where there is no room for that (Rust 1.95); and the heap grows.
const START: usize = 256 << 10;

/// How long no thread is started after one could not be: each try costs as much as a request.
const RETRY_MS: u64 = 1_000;

/// How a pool is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) workers: usize,
    pub(crate) stack: usize,
    /// After so many answers a child asks for a successor; 0 is never.
    pub(crate) max_requests: usize,
}

/// The workers, and all that they share.
pub(crate) struct Pool {
    accept: Accept,
    handlers: Handlers,
    limits: Limits,
    setup: Setup,
    size: Size,
    reserve: Reserve,
    started: AtomicUsize,
    /// Workers that have not ended, one that is being started included.
    working: AtomicUsize,
    watch: Watch,
    /// When it was made, in ms of the monotonic clock.
    born: u64,
    /// When a thread could not be started last, in ms of the monotonic clock; 0 if each could. Only the first is a line of the log.
    short_since: AtomicU64,
    slots: Box<[CachePadded<Slot>]>,
    strangers: Strangers,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Requests that were answered, where somebody asks.
    answered: AtomicUsize,
}

impl Pool {
    pub(crate) fn new(
        accept: Accept,
        handlers: Handlers,
        limits: Limits,
        setup: Setup,
        size: Size,
    ) -> Arc<Pool> {
        Arc::new(Pool {
            accept,
            handlers,
            limits,
            setup,
            size,
            reserve: Reserve::default(),
            started: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            watch: Watch::default(),
            born: now_ms(),
            short_since: AtomicU64::new(0),
            slots: (0..size.workers).map(|_| CachePadded::default()).collect(),
            strangers: Strangers::default(),
            threads: Mutex::default(),
            answered: AtomicUsize::new(0),
        })
    }

    pub(crate) fn accept(&self) -> &Accept {
        &self.accept
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> + Clone {
        self.slots.iter().map(|slot| &**slot)
    }

    pub(crate) fn access_log(&self) -> Option<&AccessLog> {
        self.setup.access_log.as_deref()
    }

    /// Works on the calling thread, until it is time to stop and every request is done.
    ///
    /// # Errors
    /// When there is no memory for the worker's buffers.
    pub(crate) fn run(self: &Arc<Pool>) -> io::Result<()> {
        let buffers = self.buffers()?;
        self.started.store(1, Ordering::Relaxed);
        self.working.store(1, Ordering::SeqCst);
        self.accept.expect_worker();
        self.see_to_the_watcher();
        self.work(0, buffers);
        self.join();
        Ok(())
    }

    /// Starts the first worker as a thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(self: &Arc<Pool>) -> io::Result<()> {
        self.spawn()?;
        self.see_to_the_watcher();
        Ok(())
    }

    /// Waits until every worker has ended.
    pub(crate) fn join(&self) {
        loop {
            // Until the last one has ended a worker may start another: the lock must not be held while we wait.
            let Some(thread) = self.threads().pop() else {
                break;
            };
            // A worker's thread ends by returning: panics are contained.
            let _ = thread.join();
        }
    }

    /// Starts a worker, unless all have been. The lock is held meanwhile, so that they start one at a time, and one that cannot be
    /// started leaves its number to the next.
    fn spawn(self: &Arc<Pool>) -> io::Result<()> {
        let mut threads = self.threads();
        let index = self.started.load(Ordering::Relaxed);
        if index >= self.size.workers {
            return Ok(());
        }
        let buffers = self.buffers()?;
        let pool = Arc::clone(self);
        self.accept.expect_worker();
        self.working.fetch_add(1, Ordering::SeqCst);
        let work = move || pool.work(index, buffers);
        let thread = start_thread(format!("fcgi-{index}"), self.size.stack, Box::new(work))
            .inspect_err(|_| {
                self.accept.miss_worker();
                self.working.fetch_sub(1, Ordering::SeqCst);
            })?;
        self.started.store(index + 1, Ordering::Relaxed);
        threads.push(thread);
        Ok(())
    }

    fn buffers(&self) -> io::Result<Buffers> {
        let size = self.limits.max_params;
        Buffers::new(size).map_err(|error| {
            let why =
                format!("there is no memory for a worker, whose max_params is {size}: {error}");
            io::Error::new(error.kind(), why)
        })
    }

    fn work(self: &Arc<Pool>, index: usize, buffers: Buffers) {
        let count = || self.count();
        let counted = (self.size.max_requests > 0).then_some(&count as &dyn Fn());
        let application = Application::new(&self.handlers, counted);
        let mut worker = self.worker(index, buffers, application);
        let (mut place, mut task) = (Seat::default(), None);
        while self.accept.next(
            &mut worker.buffers,
            &mut place,
            &mut task,
            self.reserve.is_quick(),
        ) {
            if self.accept.nobody_waits() {
                self.see_to_the_loop();
            }
            // Nothing but a bug of ours panics here: it costs one connection, not a worker.
            let served = match task.take() {
                None => contain(|| worker.serve(&mut place)),
                Some(task) => apart(|| contain(|| worker.see_to(task))),
            };
            if let Err(panic) = served {
                error!("a connection is closed by a bug in fcgi: panicked{panic}");
                self.slots[index].leave(now_ms());
                *place = None;
            }
            if self.reserve.is_quick() && !self.accept.nobody_waits() {
                worker.buffers.release();
                apart(|| self.reserve.stay(&self.accept));
            }
            self.accept.expect_worker();
        }
        self.reserve.close();
        if self.working.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.watch.end();
        }
    }

    /// What the worker with this number works with.
    fn worker<'p>(
        &'p self,
        index: usize,
        buffers: Buffers,
        application: Application<'p>,
    ) -> Worker<'p> {
        Worker {
            buffers,
            is_responder: application.has_role(Role::Responder),
            handler: Box::new(application),
            around: Around {
                home: &self.accept,
                setup: &self.setup,
                slot: &self.slots[index],
                slow: self.limits.slow_ms(),
                overview: Some(self),
            },
            limits: &self.limits,
            strangers: &self.strangers,
            values: (self.limits.max_connections, self.size.workers),
            pace: &self.reserve,
            misses: 0,
            idle: Kind::Idle.limit(&self.limits),
            ended: 0,
            other: Seat::default(),
            hub: self.limits.multiplex.then_some(self as &dyn Hub),
        }
    }

    /// Nobody waits in the loop, and a further connection would wait for this one's request: has another worker go there.
    fn see_to_the_loop(self: &Arc<Pool>) {
        if self.reserve.is_quick() && !self.reserve.is_empty() {
            self.reserve.watch();
        } else if !self.reserve.call() && self.started.load(Ordering::Relaxed) < self.size.workers {
            apart(|| self.start_another());
        }
    }

    fn start_another(self: &Arc<Pool>) {
        let short_since = self.short_since.load(Ordering::Relaxed);
        let now = now_ms().max(1);
        if short_since != 0 && now.saturating_sub(short_since) < RETRY_MS {
            return;
        }
        let spawned = self.spawn();
        self.see_to_the_watcher();
        let Err(error) = spawned else { return };
        if self.short_since.swap(now, Ordering::Relaxed) == 0 {
            let (started, workers) = (self.started(), self.size.workers);
            warn!(
                "cannot start another worker: {error}; {started} of {workers} serve, and further requests wait; \
                 {}, or set workers to {started}",
                what_helps(&error)
            );
        }
    }

    /// A request is answered. The parent starts a successor when they are enough, and ends this process when that serves.
    fn count(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.size.max_requests {
            self.accept.ask_for_successor();
        }
    }

    /// Starts the watcher when there is something to watch: from the first worker on if a limit is set, and from the last
    /// one on for whether all are busy. One request after another, as mod_fcgid sends them, never needs it.
    fn see_to_the_watcher(self: &Arc<Pool>) {
        let has_limit = !(self.limits.slow.is_zero() && self.limits.timeout.is_zero());
        let can_be_full = self.size.workers > 1 && self.started() == self.size.workers;
        if !(has_limit || can_be_full) || !self.watch.starts() {
            return;
        }
        let pool = Arc::clone(self);
        let watch = Box::new(move || pool.watch());
        match start_thread("fcgi-watch".into(), watch::STACK, watch) {
            Ok(thread) => self.threads().push(thread),
            Err(error) => warn!(
                "cannot start the thread that watches for slow and stuck requests: {error}; without it a slow one is told \
                 when it has ended, and timeout does nothing; {}",
                what_helps(&error)
            ),
        }
    }

    fn watch(&self) {
        let limits = &self.limits;
        let mut watcher = Watcher::new(limits.slow, limits.timeout, self.size.workers);
        loop {
            let now = now_ms();
            let (events, next) = watcher.look(now, self.slots().take(self.in_service()));
            for event in events {
                // The logger is the application's: its panic must not end the watch.
                let _ = contain(|| self.tell(event));
            }
            if !self.watch.sleep(next - now) {
                return;
            }
        }
    }

    fn tell(&self, event: Event) {
        match event {
            Event::Slow(age, line) => {
                warn!("{line}: it is slow, and has run for {} s", Seconds(age));
            }
            Event::TimedOut(age, line) => self.give_up(age, &line),
            // At a stop busy workers are what it waits for.
            Event::AllBusy(..) | Event::FreeAgain(_) if self.accept.is_stopping() => {}
            Event::AllBusy(time, oldest) => {
                let (workers, time) = (self.in_service(), Seconds(time));
                match oldest {
                    Some((age, line)) => warn!(
                        "all {workers} workers have been busy for {time} s, and further requests have to wait; \
                         the oldest has run for {} s: {line}",
                        Seconds(age)
                    ),
                    None => warn!(
                        "all {workers} workers have been busy for {time} s, and further requests have to wait"
                    ),
                }
            }
            Event::FreeAgain(time) => {
                info!(
                    "not all workers are busy any more, after {} s",
                    Seconds(time)
                );
            }
        }
    }

    /// A request has run longer than it may. No thread can be ended from outside, but a process can: under a parent another
    /// one takes this one's place, and when it serves this one is stopped: what runs has `grace` to end, and is cut then. A
    /// process that anyone else started stays: to end would be 500s and 503s of the web server's.
    fn give_up(&self, age: u64, line: &Line) {
        self.watch.count_timed_out();
        let what_now = match self.accept.ask_for_successor() {
            true => "this process is to be replaced",
            false => "its worker is not free until it ends",
        };
        error!(
            "{line}: it has run for {} s, longer than timeout; {what_now}",
            Seconds(age)
        );
    }

    fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// How many workers there can be: fewer than were asked for, where threads cannot be started.
    fn in_service(&self) -> usize {
        match self.short_since.load(Ordering::Relaxed) {
            0 => self.size.workers,
            _ => self.started(),
        }
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Hub for Pool {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn values(&self) -> (usize, usize) {
        (self.limits.max_connections, self.size.workers)
    }

    fn has_role(&self, role: Role) -> bool {
        self.handlers.roles[role.index()].is_some()
    }

    fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    fn queue(&self) -> Option<&Queue> {
        self.accept.queue()
    }

    fn is_stopping(&self) -> bool {
        self.accept.is_stopping()
    }

    fn enter(&self, link: &mut Link) -> Option<u64> {
        self.accept.enter(link)
    }

    fn insert(&self, key: u64, connection: &Arc<Connection>) {
        self.accept.insert(key, connection);
    }

    fn arm(&self, link: &Link, key: u64, interest: Interest) -> bool {
        self.accept.arm(link, key, interest)
    }

    fn forget(&self, key: u64) {
        self.accept.forget(key);
    }

    fn ring_at(&self, at: u64) {
        self.accept.ring_at(at);
    }

    fn park(&self, waiting: Waiting) {
        self.accept.park_without_seat(waiting);
    }

    fn linger(&self, link: Link) {
        self.accept.linger(link);
    }

    fn give_up(&self, kind: Kind) {
        self.accept.give_up(kind);
    }

    fn expire(&self) {
        let now = now_ms();
        for connection in self.accept.all_multiplexed() {
            if let Some(next) = connection.expire(now, self) {
                self.accept.ring_at(next);
            }
            Connection::leave(connection, self);
        }
    }
}

impl Overview for Pool {
    fn snapshot(&self) -> Snapshot {
        let now = now_ms();
        Snapshot {
            pid: std::process::id(),
            uptime_ms: now.saturating_sub(self.born),
            workers: self.size.workers,
            started: self.started(),
            busy: self.slots().filter(|slot| slot.is_busy()).count(),
            connections: self.accept.open(),
            parked: self.accept.parked(),
            served: self
                .slots()
                .map(Slot::served)
                .fold(Served::default(), Served::and),
            timed_out: self.watch.timed_out(),
            oldest: watch::oldest(now, self.slots()),
        }
    }
}

/// Starts a thread, if there is memory for all that it takes.
///
/// # Errors
/// When it cannot be started, or memory is so short that to start it might end the process.
fn start_thread(
    name: String,
    stack: usize,
    work: Box<dyn FnOnce() + Send>,
) -> io::Result<JoinHandle<()>> {
    drop(Mapping::new(stack + START)?);
    thread::Builder::new()
        .name(name)
        .stack_size(stack)
        .spawn(work)
}

/// What to do about a thread that could not be started. The C library says EAGAIN where memory is short, too, but [`start_thread`]
/// looks for memory first, and has then said so.
fn what_helps(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::OutOfMemory => "allow this process more memory (ulimit -v)",
        _ => "allow this user more processes and threads (ulimit -u)",
    }
}
