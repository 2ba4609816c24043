//! The application, as one worker calls it. Made by `pool` for each of its workers, and by `server` where one process answers one
//! request; what is registered with a server is its [`Handlers`].

use crate::connection::{Failure, Handle};
use crate::contain::contain;
use crate::error::{Error, Result};
use crate::log_line::error;
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::start_up::StartUps;
use std::sync::Arc;

/// A handler as one worker calls it, with the worker's state inside.
pub(crate) type Call = Box<dyn FnMut(&mut Request<'_>, Response<'_>) -> Result>;

/// Makes a worker's handler: once for each worker, and anew after a panic.
pub(crate) type Make = Arc<dyn Fn() -> Result<Call> + Send + Sync>;

/// The application's own page for what went wrong.
pub(crate) type ErrorPage = Arc<dyn Fn(&Error, &Request<'_>, Response<'_>) -> Result + Send + Sync>;

/// Takes note of a failure.
pub(crate) type Failed = Arc<dyn Fn(&Failure) + Send + Sync>;

/// What the application does.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    /// By role: [`Role::index`].
    pub(crate) roles: [Option<Make>; Role::COUNT],
    /// Is told why requests fail, beside the log.
    pub(crate) failed: Option<Failed>,
    pub(crate) error_page: Option<ErrorPage>,
    pub(crate) start_ups: Arc<StartUps>,
}

/// The application, as one worker calls it.
pub(crate) struct Application<'p> {
    handlers: &'p Handlers,
    /// A start-up that fails has no second try.
    is_alone: bool,
    /// By role, each made at its first request.
    roles: [Option<Call>; Role::COUNT],
    /// Is called behind each request.
    count: Option<&'p dyn Fn()>,
}

impl<'p> Application<'p> {
    /// For request after request; `count` is called behind each.
    pub(crate) fn new(handlers: &'p Handlers, count: Option<&'p dyn Fn()>) -> Application<'p> {
        Application {
            handlers,
            is_alone: false,
            roles: Default::default(),
            count,
        }
    }

    /// For one request, after which the process ends.
    pub(crate) fn alone(handlers: &'p Handlers) -> Application<'p> {
        Application {
            is_alone: true,
            ..Application::new(handlers, None)
        }
    }

    fn answer(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result {
        let role = request.role().index();
        let handler = match &mut self.roles[role] {
            Some(handler) => handler,
            none => {
                let Some(make) = &self.handlers.roles[role] else {
                    return Err(Error::new(500, "the application has no responder"));
                };
                match self.is_alone {
                    true => none.insert(start_up(make)?),
                    false => none.insert(self.handlers.start_ups.make(role, || start_up(make))?),
                }
            }
        };
        handler(request, response)
    }
}

impl Handle for Application<'_> {
    fn has_role(&self, role: Role) -> bool {
        self.handlers.roles[role.index()].is_some()
    }

    fn call(
        &mut self,
        request: &mut Request<'_>,
        response: Response<'_>,
    ) -> std::result::Result<(), Failure> {
        let done = contain(|| self.answer(request, response));
        if let Some(count) = self.count {
            count();
        }
        match done {
            Ok(answered) => answered.map_err(Failure::Error),
            Err(panic) => {
                // What the panic left half done is not used again.
                let left = &mut self.roles[request.role().index()];
                if let Err(again) = contain(|| *left = None) {
                    error!(
                        "{}: the state that a panic left behind panicked{again}",
                        request.id()
                    );
                }
                Err(Failure::Panic(panic))
            }
        }
    }

    fn failed(&mut self, failure: &Failure) {
        if let Some(failed) = &self.handlers.failed {
            failed(failure);
        }
    }

    fn error_page(
        &self,
        error: &Error,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> Option<std::result::Result<(), Failure>> {
        let page = self.handlers.error_page.as_ref()?;
        Some(answered(|| page(error, request, response)))
    }
}

/// Makes a handler. What fails now may go right at the next try: a 503, unless the application says otherwise.
pub(crate) fn start_up(make: &Make) -> Result<Call> {
    let made = contain(|| make());
    let made = made.unwrap_or_else(|panic| Err(Error::new(503, format!("panicked{panic}"))));
    made.map_err(|error| {
        let status = match error.status() {
            500 => 503,
            status => status,
        };
        Error::new(
            status,
            format!("the application's start-up failed: {error}"),
        )
    })
}

/// Runs a part of the application that answers, contained.
pub(crate) fn answered(answer: impl FnOnce() -> Result) -> std::result::Result<(), Failure> {
    match contain(answer) {
        Ok(answered) => answered.map_err(Failure::Error),
        Err(panic) => Err(Failure::Panic(panic)),
    }
}
