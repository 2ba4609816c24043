//! The figures that are the same at every run: allocations, system calls, instructions, memory, sizes. Release
//! builds only, one after the other: `cargo test --release --test figures -- --nocapture` prints them.
//!
//! What the design promises is an `assert!` here. What is a matter of this compiler stands in tests/data/figures.txt,
//! and `recorded` compares with it; FIGURES=write writes it anew.
#![cfg(not(debug_assertions))]

mod built;
mod folder;
mod load;
mod recorded;
mod testbed;
mod tools;
mod wire;

mod allocations;
mod calls;
mod instructions;
mod memory;
mod names;
mod sizes;

use std::sync::{Mutex, MutexGuard};

/// One figure at a time: they would count each other.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
