//! How `net` says no. An error is one sentence: what failed, at which address, and what to do about it. Its last two parts
//! are made where the system refuses something; [`Listener::bind`](super::listener::Listener::bind) and
//! [`Transport::connect`](super::transport::Transport::connect) put the address before them.

use std::io;

/// Something was written that cannot be used.
pub(super) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.into())
}

/// Another text for the same kind of error.
pub(super) fn reword(error: &io::Error, text: impl Into<String>) -> io::Error {
    io::Error::new(error.kind(), text.into())
}
