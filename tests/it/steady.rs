//! What has to keep to a time, on a machine that may stand still at any moment: its processors are others' too.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is tried.
const RUNS: usize = 10;

/// How long the watcher sleeps, and what it may oversleep on a machine that is idle.
const SLEEP: Duration = Duration::from_millis(5);
const USUAL: Duration = Duration::from_millis(1);

/// Runs a test that has to keep to a time. One that fails while so `much` time was taken from this process says nothing of
/// the server, and is run again; one that fails for itself has failed.
#[track_caller]
pub fn steady(much: Duration, test: impl Fn()) {
    for _ in 1..RUNS {
        let (outcome, taken) = watched(|| catch_unwind(AssertUnwindSafe(&test)));
        match outcome {
            Ok(()) => return,
            Err(panic) if taken < much => resume_unwind(panic),
            Err(_) => eprintln!("once more, since {taken:?} were taken from it"),
        }
    }
    test();
}

/// What it returns, and how much time a thread that sleeps beside it was late in all.
fn watched<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut taken = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(SLEEP);
                let late = begun.elapsed().saturating_sub(SLEEP);
                taken += late.saturating_sub(USUAL);
            }
            taken
        });
        let outcome = run();
        ended.store(true, Ordering::Relaxed);
        (outcome, watcher.join().unwrap())
    })
}

#[test]
fn a_run_is_forgiven_only_if_time_was_taken_from_it() {
    let runs = std::cell::Cell::new(0);
    let fails_till = |last: usize| {
        runs.set(0);
        move |runs: &std::cell::Cell<usize>| {
            runs.set(runs.get() + 1);
            assert!(runs.get() >= last, "as asked");
        }
    };
    let test = fails_till(4);
    steady(Duration::ZERO, || test(&runs));
    assert_eq!(runs.get(), 4);
    let test = fails_till(2);
    let never = Duration::MAX;
    let failed = catch_unwind(AssertUnwindSafe(|| steady(never, || test(&runs))));
    assert!(failed.is_err());
    assert_eq!(runs.get(), 1);
}
