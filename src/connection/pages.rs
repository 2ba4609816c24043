//! The pages that no handler makes: the status page, and an error's, by the application or built in. Called by `answer`.

use super::Handle;
use super::answer::Around;
use super::conclude::{Standing, conclude};
use super::failure::{let_go, tell};
use crate::cgi::{Known, reason};
use crate::error::Error;
use crate::exchange::Shared;
use crate::front::Frozen;
use crate::page::{TEXT, error_page};
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::status::{StatusPage, is_json};
use crate::visitor::Visitor;
use log::Level;

/// A page's Content-Type and its body.
pub(super) type Page = (&'static str, String);

impl Around<'_> {
    /// What the status page says, if that is what this request asks for and its visitor may see it.
    pub(super) fn status_page(
        &self,
        role: Role,
        method: &[u8],
        front: &Frozen<'_>,
    ) -> Option<Page> {
        if !self.setup.status.is_at(front.place.path) {
            return None;
        }
        let StatusPage { allow, .. } = &self.setup.status;
        let visitor = Visitor {
            params: &front.params,
            trusted: &self.setup.trusted_proxies,
        };
        let is_asked = role == Role::Responder
            && matches!(method, b"GET" | b"HEAD")
            && visitor.is_admitted(allow);
        let snapshot = self.overview.filter(|_| is_asked)?.snapshot();
        let query = front.params.known(Known::QueryString).unwrap_or_default();
        Some(match is_json(query, front.params.header("accept")) {
            true => ("application/json", snapshot.json()),
            false => (TEXT, snapshot.text()),
        })
    }
}

/// Sends the status page. It tells of this moment, so that nobody may keep it.
#[cold]
pub(super) fn send_status_page(
    response: Response<'_>,
    (content_type, body): Page,
) -> crate::error::Result {
    response
        .content_type(content_type)
        .header("Cache-Control", "no-store")
        .header("X-Content-Type-Options", "nosniff")
        .send(body)
}

/// Answers with the application's own error page. `None` if it has none, or that went wrong in turn.
pub(super) fn page<'buf>(
    shared: &Shared<'_>,
    error: &Error,
    handler: &dyn Handle,
    request: &Request<'_>,
    response: impl Fn() -> Response<'buf>,
    name: &dyn Fn() -> String,
) -> Option<Standing> {
    start_over(shared, error);
    let outcome = handler.error_page(error, request, response())?;
    match conclude(shared, outcome, &mut |_| {}, name) {
        Standing::Open(failure) => {
            let line = format_args!("{failure}, in the error page; the built-in one is sent");
            tell(Level::Error, name, &line);
            let_go(failure);
            None
        }
        standing => Some(standing),
    }
}

/// Answers with a page of the library's own.
#[cold]
pub(super) fn built_in_page(
    shared: &Shared<'_>,
    error: &Error,
    details: Option<&str>,
    accept: Option<&[u8]>,
    name: &dyn Fn() -> String,
) -> Standing {
    start_over(shared, error);
    let status = error.status();
    let mut shared = shared.borrow_mut();
    let Some(exchange) = &mut *shared else {
        return Standing::Whole;
    };
    let (kind, text) = error_page(status, reason(status), details, accept);
    if details.is_some() {
        // The details may quote what came from outside. The page is of the type that we say, whatever it looks like.
        exchange.replace_field(b"X-Content-Type-Options", b"nosniff");
    }
    match exchange.complete_with(kind, &text) {
        Ok(()) => Standing::Whole,
        Err(error) => {
            tell(
                Level::Debug,
                name,
                &format_args!("the error page was not sent: {error}"),
            );
            Standing::Cut
        }
    }
}

fn start_over(shared: &Shared<'_>, error: &Error) {
    if let Some(exchange) = &mut *shared.borrow_mut() {
        exchange.start_over(error);
    }
}
