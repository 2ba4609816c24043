//! The application's end of a test's connection: one request, served on this thread by the same `Worker` as in a server.
//! Used by `Ask::call`.

use super::{LIMIT, cannot};
use crate::application::{ErrorPage, answered};
use crate::buffer::Buffers;
use crate::connection::{self, Around, Failure, Pace, Worker};
use crate::error::{Error, Result};
use crate::exchange::Home;
use crate::limits::Limits;
use crate::link::{Kind, Link, RequestHead, Seat, Waiting};
use crate::net::{Transport, Wait};
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::setup::Setup;
use crate::slot::Slot;
use crate::stranger::Strangers;
use std::cell::RefCell;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Serves a connection with one request, to its end.
pub(super) fn serve_one(
    transport: Transport,
    handler: Box<dyn connection::Handle + '_>,
    limits: &Limits,
    setup: &Setup,
) {
    let buffers =
        Buffers::new(limits.max_params).unwrap_or_else(|error| cannot("reserve memory", error));
    let home = Alone::default();
    let mut worker = Worker {
        buffers,
        is_responder: handler.has_role(Role::Responder),
        handler,
        around: Around {
            home: &home,
            setup,
            slot: &Slot::default(),
            slow: limits.slow_ms(),
            overview: None,
        },
        limits,
        strangers: &Strangers::default(),
        values: (1, 1),
        pace: &NoPace,
        misses: 0,
        idle: Kind::Idle.limit(limits),
        ended: 0,
        other: Seat::default(),
        hub: None,
    };
    let mut place = Box::new(Some(Waiting {
        link: Link::new(transport, &Arc::new(AtomicUsize::new(0))),
        kind: Kind::FirstByte,
        deadline: 0,
        head: RequestHead::default(),
        block: Vec::new(),
    }));
    while let Some(waiting) = &*place {
        let readable = Wait {
            readable: true,
            writable: false,
        };
        // The wait ends: the other side is a thread of ours, which sends or closes.
        if waiting.link.transport.wait(readable, LIMIT).is_err() {
            return;
        }
        worker.serve(&mut place);
        *place = home.parked().take();
    }
}

/// Where the one connection of a call waits while its head is not whole.
#[derive(Default)]
struct Alone(Mutex<Option<Waiting>>);

impl Alone {
    fn parked(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Alone {
    fn park(&self, place: &mut Seat) {
        *self.parked() = place.take();
    }

    /// Never called: the request does not ask for its connection to be kept.
    fn go_on(&self, _: Link, _: Vec<u8>) {}

    fn give_up(&self, _: Kind) {}

    /// The connection may close at once. The other side has the whole answer, and it is no error to it that the rest of its
    /// body is not read.
    fn linger(&self, _: Link) {}

    fn other(&self, _: &mut Seat) -> bool {
        false
    }

    fn is_stopping(&self) -> bool {
        true
    }
}

/// Nobody decides by how long a call takes.
struct NoPace;

impl Pace for NoPace {
    fn note(&self, _: u64) {}
}

/// A handler that is called once.
pub(super) struct Once<'t, F> {
    pub(super) handler: Option<F>,
    pub(super) error_page: Option<&'t ErrorPage>,
    /// Where the first failure is noted.
    pub(super) why: &'t RefCell<Option<String>>,
}

impl<F> connection::Handle for Once<'_, F>
where
    F: FnOnce(&mut Request<'_>, Response<'_>) -> Result,
{
    fn has_role(&self, _: Role) -> bool {
        true
    }

    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure> {
        let handler = self.handler.take().expect("BUG: one request is asked");
        answered(|| handler(request, response))
    }

    fn error_page(
        &self,
        error: &Error,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> Option<std::result::Result<(), Failure>> {
        let page = self.error_page?;
        Some(answered(|| page(error, request, response)))
    }

    fn failed(&mut self, failure: &Failure) {
        self.why
            .borrow_mut()
            .get_or_insert_with(|| failure.to_string());
    }
}
