//! The operating system: descriptors, sockets, waiting, signals.
//!
//! `socket2` and `libc` appear nowhere else, and every unsafe line of the crate is in `sys`.

mod address;
mod connect;
mod listener;
mod notify;
mod origin;
mod owner;
mod pipes;
mod prefix;
mod stack;
pub(crate) mod sys;
mod transport;

pub use address::Address;
pub(crate) use address::refuse_public;
#[cfg(feature = "toolbox")]
pub(crate) use listener::SWEPT;
pub(crate) use listener::{Listener, PathIs, Permit, SocketFile};
pub(crate) use notify::Notify;
pub(crate) use origin::{Facts, Origin};
pub use owner::Owner;
pub(crate) use pipes::Pipes;
pub use prefix::Prefix;
pub(crate) use sys::{Epoll, Interest, Mapping, Timer, Wait};
pub(crate) use transport::Transport;
