//! How an answer ends. One rule: `Ok` ends it; an error or panic before its head is on the wire becomes a page of its status;
//! after that the connection is cut without END_REQUEST, so that we never vouch for half a page. Called by `answer` for what a
//! handler made, and by `pages` for an error page.

use super::Failure;
use super::failure::{let_go, level, tell};
use crate::exchange::{Exchange, Shared};
use log::Level;

/// How an answer stands when whoever made it is done.
pub(super) enum Standing {
    /// Sent, with its end.
    Whole,
    /// Not whole, and nothing can be done about it.
    Cut,
    /// Nothing has left yet: an error page may.
    Open(Failure),
}

/// Ends the answer as the outcome of its maker asks.
#[inline(always)]
pub(super) fn conclude(
    shared: &Shared<'_>,
    outcome: Result<(), Failure>,
    failed: &mut dyn FnMut(&Failure),
    name: &dyn Fn() -> String,
) -> Standing {
    let outcome = match (outcome, &mut *shared.borrow_mut()) {
        (Ok(()), Some(exchange)) if !exchange.wire.is_given_up() => match exchange.complete() {
            Ok(()) => return Standing::Whole,
            Err(error) => return fail(exchange, Failure::Error(error), failed, name),
        },
        (outcome, _) => outcome,
    };
    conclude_otherwise(shared, outcome, failed, name)
}

/// As `conclude`, where the handler failed, the web server gave the request up, or the answer was finished early.
#[inline(never)]
fn conclude_otherwise(
    shared: &Shared<'_>,
    outcome: Result<(), Failure>,
    failed: &mut dyn FnMut(&Failure),
    name: &dyn Fn() -> String,
) -> Standing {
    let mut shared = shared.borrow_mut();
    let Some(exchange) = &mut *shared else {
        if let Err(failure) = outcome {
            failed(&failure);
            tell(
                Level::Error,
                name,
                &format_args!("{failure}, after the answer was finished"),
            );
            let_go(failure);
        }
        return Standing::Whole;
    };
    let outcome = match outcome {
        outcome if exchange.wire.is_given_up() => {
            if let Err(failure @ Failure::Panic(_)) = outcome {
                let line = format_args!("{failure}, after the web server gave the request up");
                tell(Level::Error, name, &line);
            }
            // HAProxy 2.6.12 gives streaming requests up when it reloads or stops, with their visitors still there, and an
            // END_REQUEST would make it end a part as if it were whole. So the connection is cut; but not one that other
            // requests share, since that would cut them as well.
            if !exchange.can_change() && !exchange.wire.is_multiplexed() {
                return Standing::Cut;
            }
            return match exchange.complete_aborted() {
                Ok(()) => Standing::Whole,
                Err(_) => Standing::Cut,
            };
        }
        Ok(()) => exchange.complete().map_err(Failure::Error),
        failed => failed,
    };
    match outcome {
        Ok(()) => Standing::Whole,
        Err(failure) => fail(exchange, failure, failed, name),
    }
}

/// A handler has failed, or the end of its answer: if nothing of the answer has left, an error page may follow.
#[cold]
fn fail(
    exchange: &Exchange<'_>,
    failure: Failure,
    failed: &mut dyn FnMut(&Failure),
    name: &dyn Fn() -> String,
) -> Standing {
    failed(&failure);
    if exchange.wire.has_gone() && failure.is_disconnect() {
        tell(
            Level::Debug,
            name,
            &format_args!("the web server has gone: {failure}"),
        );
    } else if exchange.can_change() {
        return Standing::Open(failure);
    } else {
        let line = format_args!("{failure}; the answer is cut, since its head has left");
        tell(level(&failure), name, &line);
    }
    let_go(failure);
    Standing::Cut
}
