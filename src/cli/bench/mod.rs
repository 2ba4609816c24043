//! `bench`: asks an application for one thing again and again, as a web server does, and tells how fast it answers. The
//! command line calls it.
//!
//! `plan` has what is asked for, and `request` encodes the request, once. Each thread asks on connections of its own (`load`,
//! `connection`, `answer`) and counts what comes of it (`tally`, `histogram`). The thread that called looks at the clock,
//! shows progress, and puts the counts together; `report` tells them.

mod answer;
mod connection;
mod histogram;
mod load;
mod plan;
mod report;
mod request;
mod shared;
mod tally;

pub(super) use plan::Plan;

use super::asked::remedy;
use super::command_flags::Tables;
use super::{asked, command_flags, print, say};
use crate::net::Transport;
use crate::net::sys;
use load::Load;
use shared::{Asking, Phase, Progress, Shared};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use tally::Tally;

/// All flags of its own.
pub(super) const FLAGS: Tables = &[plan::FLAGS, asked::FLAGS];

/// One screen.
pub(super) fn help(name: &str) -> String {
    format!(
        "Usage: {name} bench --connect ADDR [FLAG]... [PATH]    how fast one answers\n{}\
         and for the request, PATH [/], those of get: -X -H -b -d -G -F --data-binary\n\
         --data-raw --data-urlencode --param --only-params --script-filename, as in\n\
         help get. Times are to the whole answer, from connecting on. What is wrong\n\
         counts as an error only. Ctrl-C ends it with the figures so far. Exit status:\n\
         0 if all was right, 1 if an answer was wrong or missing, 2 for a wrong command\n\
         line.\n",
        command_flags::lines(plan::FLAGS)
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

/// How often the watching thread looks: so late is Ctrl-C seen.
const LOOK: Duration = Duration::from_millis(50);

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(1);

/// What came of a run.
struct Done {
    /// The figures, to be printed.
    text: String,
    /// Whether all requests were answered rightly.
    is_right: bool,
}

/// Ctrl-C was pressed: a person has seen enough.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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

/// How many of `all` connections the thread of that number has.
fn share(all: usize, threads: usize, number: usize) -> usize {
    all / threads + usize::from(number < all % threads)
}

/// Takes the run from phase to phase by the clock, and shows progress. Returns how long requests counted.
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

/// Waits until `end`, and calls `look` now and then. Returns whether the run was ended earlier: by a person, or since no thread
/// asks any more.
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

/// Waits for the threads, and adds up what they counted.
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

/// The lines of progress on a terminal, for a person who waits.
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

    /// Shows a line if it is time for one: `what` is done, or how many requests were answered.
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

/// Handles Ctrl-C. The second one ends the process at once, as if there were no handler.
extern "C" fn interrupt(signal: i32) {
    if INTERRUPTED.swap(true, Ordering::SeqCst) {
        sys::exit_now(128 + signal);
    }
}
