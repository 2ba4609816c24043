//! A request's own share of its multiplexed connection: what its handler reads and writes through. Made by
//! `crate::connection`, called by `wire`.

use super::Hub;
use super::connection::Connection;
use crate::protocol::RecordType;
use std::cell::{Cell, Ref, RefCell};
use std::io::{self, IoSlice};
use std::sync::Arc;

/// Held by the worker that runs a request. Dropped before its end, it cuts the connection.
pub(crate) struct Lane<'h> {
    /// `None` when it has ended.
    connection: RefCell<Option<Arc<Connection>>>,
    serial: u64,
    pub(crate) id: u16,
    /// Which stream what was read last belongs to.
    of: Cell<RecordType>,
    hub: &'h dyn Hub,
}

/// What was seen of a request beside its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) is_aborted: bool,
    /// The peer has closed its side.
    pub(crate) input_ended: bool,
    /// The peer has gone.
    pub(crate) hung_up: bool,
}

impl<'h> Lane<'h> {
    /// The share of a request that waited. `None` if it is over meanwhile.
    pub(crate) fn claim(
        connection: Arc<Connection>,
        serial: u64,
        id: u16,
        hub: &'h dyn Hub,
    ) -> Option<Lane<'h>> {
        if !connection.claim(serial) {
            Connection::leave(connection, hub);
            return None;
        }
        Some(Lane {
            connection: RefCell::new(Some(connection)),
            serial,
            id,
            of: Cell::new(RecordType::Stdin),
            hub,
        })
    }

    /// Moves what there is of a stream, STDIN or DATA, into `into`, and waits while there is nothing. How many bytes; 0 at the
    /// stream's end.
    pub(crate) fn read(&self, of: RecordType, into: &mut [u8]) -> io::Result<usize> {
        self.of.set(of);
        self.shared().read_stream(self.serial, of, into, self.hub)
    }

    /// Which stream what was read last belongs to.
    pub(crate) fn of(&self) -> RecordType {
        self.of.get()
    }

    /// Sends whole records.
    pub(crate) fn send(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.shared().send(self.serial, slices, self.hub)
    }

    /// Looks, without waiting, whether the request was given up.
    pub(crate) fn look(&self) -> Seen {
        self.shared().look(self.serial, self.hub)
    }

    /// As [`look`](Lane::look), by what is known already.
    pub(crate) fn seen(&self) -> Seen {
        self.shared().seen(self.serial)
    }

    /// Whether every stream of the request has ended.
    pub(crate) fn input_ended(&self) -> bool {
        self.shared().input_ended(self.serial)
    }

    /// Nothing more of its streams is wanted.
    pub(crate) fn drop_rest(&self) {
        self.shared().drop_rest(self.serial, self.hub);
    }

    /// The request is over. `cut`: its answer is not whole.
    pub(crate) fn end(&self, cut: bool) {
        if let Some(connection) = self.connection.take() {
            connection.end(self.serial, cut, self.hub);
            Connection::leave(connection, self.hub);
        }
    }

    fn shared(&self) -> Ref<'_, Arc<Connection>> {
        Ref::map(self.connection.borrow(), |connection| {
            connection
                .as_ref()
                .expect("BUG: a request that has ended has no connection")
        })
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.end(true);
    }
}
