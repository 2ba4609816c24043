//! The operating system: descriptors, sockets, waiting, signals. Everything above calls it.
//!
//! `socket2` and `libc` appear nowhere else, and every unsafe line of the crate is in `sys`.
//!
//! | | |
//! | --- | --- |
//! | `origin` | where requests come from, decided before all else |
//! | `address`, `owner`, `prefix` | what people write: where to listen, whose a socket file is, who may connect |
//! | `listener`: `socket_file` in its `folder`, `tcp`, `inherited` | sockets that listen |
//! | `transport`, `connect`, `pipes` | a connection, accepted or made; the two ends of CGI |
//! | `notify` | systemd is told |
//! | `refusal` | how all of these say no |
//! | `sys`, `stack` | system calls and the C library |

mod address;
mod connect;
#[cfg(test)]
mod fixtures;
mod folder;
mod inherited;
mod listener;
mod notify;
mod origin;
mod owner;
mod pipes;
mod prefix;
mod refusal;
mod socket_file;
mod stack;
pub(crate) mod sys;
mod tcp;
mod transport;

pub use address::Address;
pub(crate) use address::refuse_public;
#[cfg(feature = "toolbox")]
pub(crate) use folder::is_swept;
pub(crate) use listener::Listener;
pub(crate) use notify::Notify;
pub(crate) use origin::{Facts, Origin, has_terminal};
pub use owner::Owner;
pub(crate) use pipes::Pipes;
pub use prefix::Prefix;
pub(crate) use socket_file::{PathIs, Permit, SocketFile};
pub(crate) use sys::{Epoll, Interest, Mapping, Timer, Wait};
pub(crate) use transport::Transport;
