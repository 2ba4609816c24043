//! The containment of panics: one in the application is an error of its request, and one in fcgi costs one connection. Called by
//! `application` and `pool`; `server` sets the hook.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

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
    done.map_err(told)
}

/// What the hook was told of a panic, which ends here.
#[cold]
#[inline(never)]
fn told(payload: Box<dyn Any + Send>) -> String {
    let told = PANIC
        .take()
        .unwrap_or_else(|| format!(": {}", words(&*payload)));
    // The payload is the application's, and may panic in turn when it is dropped.
    drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
    told
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
