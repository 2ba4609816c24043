//! One request whose head is whole: its handler is run, and its answer ended. Called for each request, wherever its connection
//! is: by the worker's turn, `multiplexed` and `cgi`.

use super::conclude::{Standing, conclude};
use super::failure::{let_go, tell, tell_failure};
use super::pages::{Page, built_in_page, page, send_status_page};
use super::{Failure, Handle, NS_PER_MS, Overview};
use crate::access_line;
use crate::error::Error;
use crate::exchange::{Home, Shared};
use crate::front::Frozen;
use crate::hint::explained;
use crate::log_text::{Seconds, printable};
use crate::net::sys::now_ns;
use crate::protocol::Role;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::response::{Answering, Response};
use crate::setup::Setup;
use crate::slot::Slot;
use crate::wire::Ending;
use log::Level;

/// What is around every request of a worker: where its connection goes back to, settings, the slot that tells of it.
pub(crate) struct Around<'w> {
    pub(crate) home: &'w dyn Home,
    pub(crate) setup: &'w Setup,
    pub(crate) slot: &'w Slot,
    /// From how many ms on a request is slow; 0 where none is.
    pub(crate) slow: u64,
    /// Knows what the status page says; `None` where there is no such page.
    pub(crate) overview: Option<&'w dyn Overview>,
}

impl<'buf> Answering<'buf> {
    #[inline(always)]
    pub(super) fn new(
        front: &'buf Frozen<'buf>,
        shared: &'buf Shared<'buf>,
        around: &'buf Around<'buf>,
    ) -> Answering<'buf> {
        Answering {
            front,
            shared,
            home: around.home,
            setup: around.setup,
        }
    }
}

/// What became of an answer.
pub(super) struct Answered {
    /// `None` if the handler gave the connection back.
    pub(super) ending: Option<Ending>,
    /// In ns.
    pub(super) took: u64,
    /// In ms.
    pub(super) ended: u64,
    /// More than the first few KiB of the worker's input were touched; and of its output.
    pub(super) large_input: bool,
    pub(super) large_output: bool,
}

/// Runs the handler on a request, and ends its answer.
pub(super) fn answer<'buf>(
    answering: &'buf Answering<'buf>,
    refusal: &mut Option<Refusal>,
    role: Role,
    handler: &mut dyn Handle,
    around: &'buf Around<'buf>,
) -> Answered {
    let (front, shared) = (answering.front, answering.shared);
    let began = front.ticket.began;
    let method = front.method();
    let path = front.place.path;
    let id = front.ticket.id;
    let mut request = Request::new(role, front, shared, around.setup);
    let response = || Response::new(answering);
    let status_page = around.status_page(role, method, front);
    let is_ours = refusal.is_none() && status_page.is_some();
    if !is_ours {
        around
            .slot
            .begin(began / NS_PER_MS, id.number(), method, path);
    }
    let outcome = match refusal.is_some() || is_ours {
        false => {
            let outcome = handler.call(&mut request, response());
            request.give_back();
            outcome
        }
        true => answer_for_it(refusal.take(), status_page, response()),
    };
    let name = || {
        let request = printable(std::str::from_utf8(method).unwrap_or("?"), path);
        format!("{id} {request}")
    };
    let mut standing = conclude(
        shared,
        outcome,
        &mut |failure| handler.failed(failure),
        &name,
    );
    if let Standing::Open(failure) = standing {
        tell_failure(&failure, &name);
        let error = failure.into_error();
        let paged = page(shared, &error, handler, &request, response, &name);
        standing = paged.unwrap_or_else(|| {
            let details = around.setup.debug.then(|| explained(&error));
            let accept = front.params.header("accept");
            built_in_page(shared, &error, details.as_deref(), accept, &name)
        });
        let_go(Failure::Error(error));
    }
    let mut shared = shared.borrow_mut();
    let mut exchange = shared.as_mut();
    let is_whole = matches!(standing, Standing::Whole);
    let status = match &exchange {
        Some(exchange) => exchange.status(),
        None => front.finished_with.get(),
    };
    let is_answered = is_whole && !exchange.as_ref().is_some_and(|e| e.wire.is_given_up());
    let now = now_ns();
    let ended = now / NS_PER_MS;
    if !is_ours {
        let status = is_answered.then_some(status);
        let took = around.slot.end(ended, status);
        tell_if_slow(took, around.slow, &name);
    }
    if let Some(exchange) = &exchange {
        access_line::tell(front, around.setup, || exchange.sent());
    }
    Answered {
        took: now.saturating_sub(began),
        ended,
        large_input: exchange.as_ref().is_none_or(|e| e.wire.large),
        large_output: exchange.as_ref().is_none_or(|e| e.touched_much()),
        ending: exchange.as_mut().map(|e| e.wire.end(!is_whole)),
    }
}

/// What the handler does not see: a request that is refused, or asks for the status page.
#[cold]
fn answer_for_it(
    refusal: Option<Refusal>,
    status_page: Option<Page>,
    response: Response<'_>,
) -> Result<(), Failure> {
    match (refusal, status_page) {
        (Some(refusal), _) => Err(Failure::Error(Error::new(refusal.status, refusal.why))),
        (None, Some(page)) => send_status_page(response, page).map_err(Failure::Error),
        (None, None) => Ok(()),
    }
}

/// The last line about a slow request, of which `watch` has told while it ran, or was about to.
fn tell_if_slow(took_ms: u64, slow: u64, name: &dyn Fn() -> String) {
    if slow > 0 && took_ms >= slow {
        let took = Seconds(took_ms);
        let line = format_args!("it was slow, and has ended after {took} s");
        tell(Level::Warn, name, &line);
    }
}
