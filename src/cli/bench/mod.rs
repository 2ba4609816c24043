//! `bench`: asks an application for one thing again and again, as a web server does, and tells how fast it answers. The
//! command line calls it.
//!
//! Each thread has its connections in one epoll set (`load`), the request is encoded once (`request`), and what came of it
//! is counted a thread (`tally`, `histogram`) and told at the end (`report`). This thread looks at the clock and shows
//! progress.

mod histogram;
mod load;
mod plan;
mod report;
mod request;
mod tally;

pub(super) use plan::Plan;

use super::asked::remedy;
use super::own::Tables;
use super::{asked, own, print, say};
use crate::net::Transport;
use crate::net::sys;
use load::Load;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle, Thread};
use std::time::{Duration, Instant};
use tally::Tally;

/// How late Ctrl-C may be seen.
const LOOK: Duration = Duration::from_millis(50);

const PROGRESS: Duration = Duration::from_secs(1);

/// What is said in the end.
struct Done {
    text: String,
    /// All requests were answered rightly.
    is_right: bool,
}

/// A person has seen enough.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counting,
    Over,
}

/// What all threads look at.
struct Shared {
    /// A `Phase`.
    phase: AtomicU8,
    /// Requests that are not given out yet; only where they are counted.
    left: Option<AtomicI64>,
    /// How many threads ask.
    asking: AtomicUsize,
    /// Threads that wait for answers on their idle connections before they ask on others.
    settling: AtomicUsize,
    request: Vec<u8>,
}

/// As long as a thread holds it, it asks; whoever watches is woken when it ends, a panic included.
struct Asking<'a> {
    shared: &'a Shared,
    watcher: &'a Thread,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.asking.fetch_sub(1, Ordering::Release);
        self.watcher.unpark();
    }
}

/// What a thread has done so far; on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Progress {
    right: AtomicU64,
    wrong: AtomicU64,
}

/// All flags of its own.
pub(super) const FLAGS: Tables = &[plan::FLAGS, asked::FLAGS];

/// One screen.
pub(super) fn help(name: &str) -> String {
    format!(
        "Usage: {name} bench --connect ADDR [FLAG]... [PATH]    how fast one answers\n{}\
         and for the request, PATH [/], those of get: -X -H -b -d -G -F --data-binary\n\
         --data-raw --data-urlencode --param --only-params --script-filename; see help\n\
         get.          Times are to the whole answer, from connecting on. What is wrong counts as an\n\
         error only. Ctrl-C ends it with the figures so far. Exit status: 0 if all was\n\
         right, 1 if an answer was wrong or missing, 2 for a wrong command line.\n",
        own::lines(plan::FLAGS)
    )
}

/// Asks, and tells what came of it.
pub(super) fn run(plan: &Plan) -> ExitCode {
    match ask(plan) {
        Ok(done) => match print(&done.text) {
            ExitCode::SUCCESS if !done.is_right => ExitCode::FAILURE,
            printed => printed,
        },
        Err(sentence) => {
            say(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Asks as `plan` says.
///
/// # Errors
/// One sentence, if the application cannot be connected to at all, or the system has no more to give.
fn ask(plan: &Plan) -> Result<Done, String> {
    sys::raise_descriptor_limit();
    sys::ignore_sigpipe();
    let (limit, _) = sys::descriptor_limits();
    let connections = plan.connections + plan.idle;
    if connections + 3 * plan.threads + 8 > limit {
        return Err(format!(
            "{connections} connections are more than the {limit} files that this process may open; allow more with ulimit -n"
        ));
    }
    Transport::connect(&plan.connect, plan.timeout)
        .map_err(|error| format!("{error}{}", remedy(&error)))?;
    for signal in [sys::SIGINT, sys::SIGTERM] {
        sys::on_signal(signal, interrupt).map_err(|error| error.to_string())?;
    }
    let shared = Shared::new(plan);
    let progress: Vec<Progress> = (0..plan.threads).map(|_| Progress::default()).collect();
    let watcher = thread::current();
    let (tally, elapsed) = thread::scope(|scope| {
        let threads = progress.iter().enumerate().map(|(number, progress)| {
            let busy = share(plan.connections, plan.threads, number);
            let idle = share(plan.idle, plan.threads, number);
            let (shared, watcher) = (&shared, &watcher);
            scope.spawn(move || {
                let _asking = Asking { shared, watcher };
                Load::new(plan, shared, progress, busy, idle)?.run()
            })
        });
        let threads: Vec<_> = threads.collect();
        let elapsed = watch(plan, &shared, &progress);
        gather(threads).map(|tally| (tally, elapsed))
    })
    .map_err(|error| format!("cannot ask {}: {error}", plan.connect))?;
    let report = report::Report {
        plan,
        tally: &tally,
        elapsed,
    };
    Ok(Done {
        text: if plan.json {
            report.json()
        } else {
            report.text()
        },
        is_right: report.is_right(),
    })
}

/// How many of all connections a thread has.
fn share(all: usize, threads: usize, number: usize) -> usize {
    all / threads + usize::from(number < all % threads)
}

/// Sees to the time, and shows progress. How long it counted.
fn watch(plan: &Plan, shared: &Shared, progress: &[Progress]) -> Duration {
    let mut shown = Shown::new(Instant::now());
    while shared.settling.load(Ordering::Relaxed) > 0 {
        if wait_until(Instant::now() + LOOK, shared, |now| {
            shown.line(now, "connecting those that will be idle", progress)
        }) {
            shared.enter(Phase::Over);
            return Duration::ZERO;
        }
    }
    if wait_until(Instant::now() + plan.warm_up, shared, |now| {
        shown.line(now, "warming up", progress)
    }) {
        shared.enter(Phase::Over);
        return Duration::ZERO;
    }
    shared.enter(Phase::Counting);
    let counting = Instant::now();
    shown = Shown::new(counting);
    // With a number of requests the threads end by themselves.
    let end = match plan.requests {
        Some(_) => counting + Duration::from_secs(1 << 32),
        None => counting + plan.time,
    };
    wait_until(end, shared, |now| shown.line(now, "", progress));
    shared.enter(Phase::Over);
    counting.elapsed()
}

/// Whether it was ended before: by a person, or since nothing is left to do.
fn wait_until(end: Instant, shared: &Shared, mut look: impl FnMut(Instant)) -> bool {
    loop {
        let now = Instant::now();
        if INTERRUPTED.load(Ordering::Relaxed) || shared.asking.load(Ordering::Acquire) == 0 {
            return true;
        }
        if now >= end {
            return false;
        }
        look(now);
        thread::park_timeout(LOOK.min(end - now));
    }
}

fn gather(threads: Vec<ScopedJoinHandle<'_, io::Result<Tally>>>) -> io::Result<Tally> {
    let mut all = Tally::default();
    for thread in threads {
        match thread.join() {
            Ok(tally) => all.merge(tally?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(all)
}

/// The lines of a run that a person waits for.
struct Shown {
    is_wanted: bool,
    begun: Instant,
    next: Instant,
    right: u64,
}

impl Shown {
    fn new(begun: Instant) -> Shown {
        Shown {
            is_wanted: io::stderr().is_terminal(),
            begun,
            next: begun + PROGRESS,
            right: 0,
        }
    }

    fn line(&mut self, now: Instant, what: &str, progress: &[Progress]) {
        if !self.is_wanted || now < self.next {
            return;
        }
        self.next += PROGRESS;
        let sum = |of: fn(&Progress) -> &AtomicU64| -> u64 {
            let counts = progress.iter().map(&of);
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        };
        let (right, wrong) = (
            sum(|progress| &progress.right),
            sum(|progress| &progress.wrong),
        );
        let seconds = (now - self.begun).as_secs();
        let _ = match what {
            "" => writeln!(
                io::stderr(),
                "{seconds:>4} s  {:>8} requests/s  {wrong} errors",
                right - self.right
            ),
            what => writeln!(io::stderr(), "{seconds:>4} s  {what}"),
        };
        self.right = right;
    }
}

impl Progress {
    /// Only its own thread adds.
    fn count(&self, is_right: bool) {
        let count = if is_right { &self.right } else { &self.wrong };
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl Shared {
    fn new(plan: &Plan) -> Shared {
        // A thread may begin before this one goes on: what it asks then has to count already.
        let first = match plan.warm_up {
            Duration::ZERO if plan.idle == 0 => Phase::Counting,
            _ => Phase::WarmUp,
        };
        Shared {
            phase: AtomicU8::new(first as u8),
            left: plan
                .requests
                .map(|requests| AtomicI64::new(requests as i64)),
            asking: AtomicUsize::new(plan.threads),
            settling: AtomicUsize::new(if plan.idle > 0 { plan.threads } else { 0 }),
            request: request::encoded(plan),
        }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Counting,
            _ => Phase::Over,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Whether the next request counts among those that are asked for; `None` if there is none left.
    fn take_ticket(&self) -> Option<bool> {
        match &self.left {
            None => Some(false),
            Some(left) => (left.fetch_sub(1, Ordering::Relaxed) > 0).then_some(true),
        }
    }

    /// Whether what came of a request counts: where requests are counted, only that of those.
    fn counts(&self, has_ticket: bool) -> bool {
        self.phase() == Phase::Counting && (has_ticket || self.left.is_none())
    }
}

/// The second time it ends at once, as without a handler.
extern "C" fn interrupt(signal: i32) {
    if INTERRUPTED.swap(true, Ordering::SeqCst) {
        sys::exit_now(128 + signal);
    }
}
