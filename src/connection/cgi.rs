//! The one request of a CGI process: a connection that nobody else has, and that ends with its answer. Called by `server`.

use super::answer::{Around, answer};
use super::{Handle, NS_PER_MS};
use crate::buffer::{Buffers, Parts};
use crate::exchange::{Exchange, Home};
use crate::front::Frozen;
use crate::limits::Limits;
use crate::link::{Kind, Link, Seat};
use crate::net::Pipes;
use crate::net::sys::now_ns;
use crate::protocol::{Role, encode_pair};
use crate::refusal::Refusal;
use crate::request_id::Ticket;
use crate::response::Answering;
use crate::setup::Setup;
use crate::slot::Slot;
use crate::wire::Wire;
use std::cell::RefCell;

/// Answers the one request of a CGI process, whose params are its environment.
pub(crate) fn serve_cgi(
    pipes: Pipes,
    environment: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    buffers: &mut Buffers,
    handler: &mut dyn Handle,
    limits: &Limits,
    setup: &Setup,
) {
    let ticket = Ticket::draw(now_ns());
    let mut params = Vec::new();
    environment.for_each(|(name, value)| encode_pair(&name, &value, &mut params));
    let mut refusal = None;
    if params.len() > limits.max_params {
        refusal = Some(Refusal::too_large(format!(
            "the environment exceeds max_params, {} bytes (raise --max-params)",
            limits.max_params
        )));
        // The pairs that fit say which request it is.
        params.truncate(limits.max_params);
    }
    buffers.head()[..params.len()].copy_from_slice(&params);
    let Parts {
        params,
        joined,
        window,
        mut spare,
        output,
    } = buffers.split(0..params.len(), params.len()..params.len());
    let mut front = Frozen::new(ticket);
    front.freeze(params, joined, &mut spare, limits, setup, &mut refusal);
    let (length, began) = (front.cgi_length(), ticket.began / NS_PER_MS);
    let wire = Wire::plain(pipes, length, window, spare, limits, began);
    // CGI knows one role.
    let (role, is_head) = (Role::Responder, front.is_head());
    let shared = RefCell::new(Some(Exchange::new(wire, output, is_head)));
    let around = Around {
        home: &NoHome,
        setup,
        slot: &Slot::default(),
        slow: limits.slow_ms(),
        overview: None,
    };
    let answering = Answering::new(&front, &shared, &around);
    answer(&answering, &mut refusal, role, handler, &around);
}

/// Nobody takes the connection of a CGI process back: it ends with the process.
struct NoHome;

impl Home for NoHome {
    fn park(&self, _: &mut Seat) {}
    fn go_on(&self, _: Link, _: Vec<u8>) {}
    fn linger(&self, _: Link) {}
    fn give_up(&self, _: Kind) {}
    fn other(&self, _: &mut Seat) -> bool {
        false
    }
    fn is_stopping(&self) -> bool {
        true
    }
}
