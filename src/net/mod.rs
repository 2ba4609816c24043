//! The operating system: descriptors, sockets, waiting, signals.
//!
//! `socket2` and `libc` appear nowhere else, and every unsafe line of the crate is in `sys`.

pub(crate) mod sys;
mod transport;

pub(crate) use sys::{Epoll, Interest, Mapping, Timer};
pub(crate) use transport::Transport;
