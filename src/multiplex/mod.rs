//! Several requests on one connection, their records mixed: multiplexing, as the FastCGI specification has it (section 3.3),
//! for a server that was asked to.
//!
//! An idle connection waits in the accept loop as any other does. A worker that gets one makes a [`Connection`] of it, which is
//! shared by all who have a request of it under way; when the last of them leaves, it goes back to wait. Meanwhile its socket is
//! in the accept loop's set with a key of its own.
//!
//! - One thread at a time reads, whoever that is (`turn`), takes the records apart (`reader`), and does what they ask for
//!   (`state`). A request goes to the workers (`queue`) as soon as its PARAMS are whole: its body may be longer than what is kept
//!   of it, and a web server may send the end of an upload when it likes.
//! - Of a body as much is kept as `mpx_body` says (`request`). When more has come, nothing of the connection is read, since
//!   FastCGI has no flow control for a single stream; if that lasts for `mpx_stall`, the request whose body it is fails.
//! - Answers leave record by record, in turns (`writing`).
//!
//! Called by `crate::connection` for workers, by `wire` for handlers, by `accept` for events and time.

mod connection;
mod lane;
mod queue;
mod reader;
mod registry;
mod request;
mod state;
mod turn;
mod writing;

pub(crate) use connection::Connection;
pub(crate) use lane::{Lane, Seen};
pub(crate) use queue::{Handed, Queue};
pub(crate) use registry::Registry;
pub(crate) use state::State;

use crate::limits::Limits;
use crate::link::{Kind, Link, Waiting};
use crate::net::Interest;
use crate::protocol::Role;
use crate::stranger::Strangers;
use std::sync::Arc;

/// The most requests of one connection that wait for a worker, those included whose PARAMS are not whole. One more is
/// answered 503.
pub(crate) const MOST_WAITING: usize = 64;

/// What a multiplexed connection needs of the server. The pool is one.
pub(crate) trait Hub: Sync {
    fn limits(&self) -> &Limits;
    /// What GET_VALUES is answered with: how many connections, and how many requests.
    fn values(&self) -> (usize, usize);
    fn has_role(&self, role: Role) -> bool;
    fn strangers(&self) -> &Strangers;
    fn queue(&self) -> Option<&Queue>;
    fn is_stopping(&self) -> bool;
    /// Puts a connection into the accept loop's set, and gives its key. `None` if the system does not let it wait there.
    fn enter(&self, link: &mut Link) -> Option<u64>;
    /// Says whose events come with this key.
    fn insert(&self, key: u64, connection: &Arc<Connection>);
    /// Waits for one event of the connection, which goes to any free worker. `false` if the system does not let it.
    fn arm(&self, link: &Link, key: u64, interest: Interest) -> bool;
    /// Gives the key back: the connection is not shared any more.
    fn forget(&self, key: u64);
    /// Has [`Connection::expire`] called at this moment, in ms of the monotonic clock.
    fn ring_at(&self, at: u64);
    /// Has a connection wait in the accept loop.
    fn park(&self, waiting: Waiting);
    /// Closes our side of a connection and reads what is still to come, so that the answers are not lost.
    fn linger(&self, link: Link);
    /// Counts and tells that something of this kind has taken too long.
    fn give_up(&self, kind: Kind);
    /// Ends what has taken too long, on every multiplexed connection.
    fn expire(&self);
}

/// What there is to do for a worker at multiplexed connections that are under way.
#[derive(Debug)]
pub(crate) enum Task {
    /// Something has come on a connection with requests under way.
    Read(Arc<Connection>),
    /// A request's head is whole.
    Answer(Box<Handed>),
    /// Something may have taken too long.
    Expire,
}
