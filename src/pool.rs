//! The workers: threads that start when they are first needed, each with its own memory and its own state of the
//! application; and the containment of panics.
//!
//! mod_fcgid sends a process one request at a time, lighttpd and mod_fastcgi send several: a worker that takes a
//! connection while nobody else waits starts the next one before it serves, so that both are served at the least memory.
//! Where threads are forbidden, those that there are do the work, down to the calling thread alone.

use crate::accept::Accept;
use crate::access_log::AccessLog;
use crate::apart::apart;
use crate::buffer::Buffers;
use crate::connection::{Failure, Handle, Overview, Worker};
use crate::error::{Error, Result};
use crate::exchange::Home;
use crate::limits::Limits;
use crate::net::Mapping;
use crate::net::sys::now_ms;
use crate::protocol::Role;
use crate::request::Request;
use crate::reserve::Reserve;
use crate::response::Response;
use crate::setup::Setup;
use crate::slot::{Line, Seconds, Served, Slot};
use crate::start_up::StartUps;
use crate::status::Snapshot;
use crate::stranger::Strangers;
use crate::watch::{self, Event, Watch, Watcher};
use crossbeam_utils::CachePadded;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, JoinHandle};

/// What a thread takes as it starts, beside its stack: std maps one for the handler of its overflow, and ends the process where
/// there is no room for it (Rust 1.95); and the heap grows.
const START: usize = 256 << 10;

/// How long no other thread is started after one could not be: to try costs as much as a request.
const RETRY_MS: u64 = 1_000;

/// A handler as one worker calls it, with the worker's state inside.
pub(crate) type Call = Box<dyn FnMut(&mut Request<'_>, Response<'_>) -> Result>;

/// Makes a worker's handler: once for each worker, and anew after a panic.
pub(crate) type Make = Arc<dyn Fn() -> Result<Call> + Send + Sync>;

/// The application's own page for what went wrong.
pub(crate) type ErrorPage = Arc<dyn Fn(&Error, &Request<'_>, Response<'_>) -> Result + Send + Sync>;

/// What the application does.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    /// By role: [`Role::index`].
    pub(crate) roles: [Option<Make>; Role::COUNT],
    /// Is told why requests fail, beside the log.
    pub(crate) failed: Option<Failed>,
    pub(crate) error_page: Option<ErrorPage>,
    pub(crate) start_ups: Arc<StartUps>,
}

/// Takes note of a failure.
pub(crate) type Failed = Arc<dyn Fn(&Failure) + Send + Sync>;

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
    /// When the last thread could not be started, in ms of the monotonic clock; 0 if each could. The log has a line of the
    /// first.
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

    /// One at a time, so that a start that fails gives its place back.
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
        let thread =
            start_thread(format!("fcgi-{index}"), self.size.stack, work).inspect_err(|_| {
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
        let mut worker = Worker {
            buffers,
            handler: Box::new(Application {
                of: (self.size.max_requests > 0).then_some(&**self),
                ..Application::new(&self.handlers)
            }),
            home: &self.accept,
            limits: &self.limits,
            setup: &self.setup,
            slot: &self.slots[index],
            strangers: &self.strangers,
            values: (self.limits.max_connections, self.size.workers),
            pace: &self.reserve,
            overview: Some(&**self),
            misses: 0,
        };
        while let Some(waiting) = self.accept.next(&mut worker.buffers) {
            if self.accept.nobody_waits() {
                self.see_to_the_loop();
            }
            // Nothing but a bug of ours panics here: it costs one connection, not a worker.
            if let Err(panic) = contain(|| worker.serve(waiting)) {
                log::error!("a connection is closed by a bug in fcgi: panicked{panic}");
                self.slots[index].leave(now_ms());
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

    /// The loop is empty: a further connection would wait for this one's request.
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
            log::warn!(
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
        match start_thread("fcgi-watch".into(), watch::STACK, move || pool.watch()) {
            Ok(thread) => self.threads().push(thread),
            Err(error) => log::warn!(
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
                log::warn!("{line}: it is slow, and has run for {} s", Seconds(age));
            }
            Event::TimedOut(age, line) => self.give_up(age, &line),
            // At a stop busy workers are what it waits for.
            Event::AllBusy(..) | Event::FreeAgain(_) if self.accept.is_stopping() => {}
            Event::AllBusy(time, oldest) => {
                let (workers, time) = (self.in_service(), Seconds(time));
                match oldest {
                    Some((age, line)) => log::warn!(
                        "all {workers} workers have been busy for {time} s, and further requests have to wait; \
                         the oldest has run for {} s: {line}",
                        Seconds(age)
                    ),
                    None => log::warn!(
                        "all {workers} workers have been busy for {time} s, and further requests have to wait"
                    ),
                }
            }
            Event::FreeAgain(time) => {
                log::info!(
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
        log::error!(
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

/// The application, as one worker calls it.
pub(crate) struct Application<'p> {
    handlers: &'p Handlers,
    /// A start-up that fails has no second try.
    is_alone: bool,
    /// By role, each made at its first request.
    roles: [Option<Call>; Role::COUNT],
    /// Where its requests are counted.
    of: Option<&'p Pool>,
}

impl<'p> Application<'p> {
    pub(crate) fn new(handlers: &'p Handlers) -> Application<'p> {
        Application {
            handlers,
            is_alone: false,
            roles: Default::default(),
            of: None,
        }
    }

    /// For one request, after which the process ends.
    pub(crate) fn alone(handlers: &'p Handlers) -> Application<'p> {
        Application {
            is_alone: true,
            ..Application::new(handlers)
        }
    }

    fn answer(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result {
        let role = request.role().index();
        let handler = match &mut self.roles[role] {
            Some(handler) => handler,
            none => {
                let Some(make) = &self.handlers.roles[role] else {
                    return Err(Error::new(500, "the application has no responder"));
                };
                match self.is_alone {
                    true => none.insert(start_up(make)?),
                    false => none.insert(self.handlers.start_ups.make(role, || start_up(make))?),
                }
            }
        };
        handler(request, response)
    }
}

/// Makes a handler. What fails now may go right at the next try: a 503, unless the application says otherwise.
pub(crate) fn start_up(make: &Make) -> Result<Call> {
    let made = contain(|| make());
    let made = made.unwrap_or_else(|panic| Err(Error::new(503, format!("panicked{panic}"))));
    made.map_err(|error| {
        let status = match error.status() {
            500 => 503,
            status => status,
        };
        Error::new(
            status,
            format!("the application's start-up failed: {error}"),
        )
    })
}

impl Handle for Application<'_> {
    fn has_role(&self, role: Role) -> bool {
        self.handlers.roles[role.index()].is_some()
    }

    fn call(
        &mut self,
        request: &mut Request<'_>,
        response: Response<'_>,
    ) -> std::result::Result<(), Failure> {
        let done = contain(|| self.answer(request, response));
        if let Some(pool) = self.of {
            pool.count();
        }
        match done {
            Ok(answered) => answered.map_err(Failure::Error),
            Err(panic) => {
                // What the panic left half done is not used again.
                let left = &mut self.roles[request.role().index()];
                if let Err(again) = contain(|| *left = None) {
                    log::error!(
                        "{}: the state that a panic left behind panicked{again}",
                        request.id()
                    );
                }
                Err(Failure::Panic(panic))
            }
        }
    }

    fn failed(&mut self, failure: &Failure) {
        if let Some(failed) = &self.handlers.failed {
            failed(failure);
        }
    }

    fn error_page(
        &self,
        error: &Error,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> Option<std::result::Result<(), Failure>> {
        let page = self.handlers.error_page.as_ref()?;
        Some(match contain(|| page(error, request, response)) {
            Ok(answered) => answered.map_err(Failure::Error),
            Err(panic) => Err(Failure::Panic(panic)),
        })
    }
}

/// # Errors
/// When it cannot be started, or memory is so short that to start it might end the process.
fn start_thread(
    name: String,
    stack: usize,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    drop(Mapping::new(stack + START)?);
    thread::Builder::new()
        .name(name)
        .stack_size(stack)
        .spawn(work)
}

/// The C library says EAGAIN of a lack of memory, too, but for that it is looked first.
fn what_helps(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::OutOfMemory => "allow this process more memory (ulimit -v)",
        _ => "allow this user more processes and threads (ulimit -u)",
    }
}

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
    /// What the hook was told of a contained panic.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f`; a panic comes back as its place and words, to stand behind `panicked`: ` at src/app.rs:5:9: out of paper`.
pub(crate) fn contain<T>(f: impl FnOnce() -> T) -> std::result::Result<T, String> {
    let outer = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(f));
    CONTAINED.set(outer);
    done.map_err(|payload| {
        let told = PANIC
            .take()
            .unwrap_or_else(|| format!(": {}", words(&*payload)));
        // The payload is the application's, and may panic in turn when it is dropped.
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        told
    })
}

/// Takes over panics inside handlers, which become one log line; all others go where they went before.
pub(crate) fn hook_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(hook);
}

fn hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !CONTAINED.get() {
            return previous(info);
        }
        let place = info
            .location()
            .map(|at| format!(" at {at}"))
            .unwrap_or_default();
        PANIC.set(Some(format!("{place}: {}", words(info.payload()))));
    }));
}

fn words(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}
