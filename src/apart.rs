//! Keeps code that seldom runs out of the stack frame of code that always does. Called by `cli`, `server`, `pool` and `accept`.

/// Calls `f` in a stack frame of its own.
///
/// The optimizer puts functions that are called once into their callers, and the frame of these is then the sum of all. A worker
/// runs on top of the frames that it was started from, and a page of a stack that was touched once stays in memory. Without this
/// function the frames of `cli::main` and `cli::serve` had 15 KiB, most of it for commands that were not asked for, and that of
/// a worker's loop had 5.
#[inline(never)]
pub(crate) fn apart<T>(f: impl FnOnce() -> T) -> T {
    f()
}
