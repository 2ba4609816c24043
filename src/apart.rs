//! Keeps what seldom runs out of the stack frame of what always runs. Called by `cli`, `server`, `pool` and `accept`.

/// Calls `f` with a frame of its own.
///
/// The optimizer makes one function of many that are called once, whose frame is the sum of theirs. A worker lives above the
/// frames that it was started from, and a page of a stack that was touched once stays: `cli::main` and `cli::serve` had
/// 15 KiB, most of it for commands that were not asked for, and a worker's loop 5.
#[inline(never)]
pub(crate) fn apart<T>(f: impl FnOnce() -> T) -> T {
    f()
}
