//! A line of the log, as the macros of `log` make it, but made in one function: theirs make it anew at each of some seventy
//! calls, of 200 bytes each. Used in their place by all that tells of something.

use log::{Level, Record};
use std::fmt::Arguments;
use std::panic::Location;

/// A line of this level: `log::log!`.
macro_rules! log_line {
    ($level:expr, $($text:tt)+) => {{
        let level = $level;
        if level <= ::log::STATIC_MAX_LEVEL && level <= ::log::max_level() {
            $crate::log_line::write(level, ::std::module_path!(), ::std::format_args!($($text)+));
        }
    }};
}

macro_rules! log_error {
    ($($text:tt)+) => { $crate::log_line::at!(::log::Level::Error, $($text)+) };
}

macro_rules! log_warn {
    ($($text:tt)+) => { $crate::log_line::at!(::log::Level::Warn, $($text)+) };
}

macro_rules! log_info {
    ($($text:tt)+) => { $crate::log_line::at!(::log::Level::Info, $($text)+) };
}

macro_rules! log_debug {
    ($($text:tt)+) => { $crate::log_line::at!(::log::Level::Debug, $($text)+) };
}

// By other names than they are made by: `warn` is an attribute, too.
pub(crate) use {
    log_debug as debug, log_error as error, log_info as info, log_line as at, log_warn as warn,
};

/// Gives the logger a line whose level is on.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn write(level: Level, module: &'static str, text: Arguments<'_>) {
    let place = Location::caller();
    log::logger().log(
        &Record::builder()
            .args(text)
            .level(level)
            .target(module)
            .module_path_static(Some(module))
            .file_static(Some(place.file()))
            .line(Some(place.line()))
            .build(),
    );
}
