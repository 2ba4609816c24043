//! What a worker does for multiplexed connections: it reads one that nobody else reads, and answers requests, wherever they
//! were read.

use super::answer::answer;
use super::{NS_PER_MS, Worker};
use crate::buffer::{KEPT, Parts};
use crate::exchange::Exchange;
use crate::front::Frozen;
use crate::link::Waiting;
use crate::multiplex::{Connection, Handed, Hub, Lane, Task};
use crate::net::sys::now_ns;
use crate::response::Answering;
use crate::wire::Wire;
use std::cell::RefCell;
use std::sync::Arc;

impl<'w> Worker<'w> {
    /// Does what the accept loop found to do, beside connections that wait.
    pub(crate) fn see_to(&mut self, task: Task) {
        let Some(hub) = self.hub else { return };
        match task {
            Task::Read(connection) => self.read_on(connection, hub),
            Task::Answer(handed) => self.answer_handed(*handed, hub),
            Task::Expire => hub.expire(),
        }
    }

    /// Serves a connection that waited, and that is multiplexed from its first byte on.
    #[cold]
    pub(super) fn share(&mut self, place: &mut Option<Waiting>, hub: &'w dyn Hub) -> bool {
        let link = place.take().map(|waiting| waiting.link);
        if let Some(connection) = link.and_then(|link| Connection::open(link, hub)) {
            self.read_on(connection, hub);
        }
        false
    }

    /// Whether a connection that waited is multiplexed: it has been, or it is new and nothing of it was read yet, so that it can
    /// be from its first byte on.
    pub(super) fn is_shared(waiting: &Waiting) -> bool {
        let Waiting { link, head, .. } = waiting;
        link.multiplexed.is_some()
            || (link.served == 0 && head.filled == 0 && !link.sequence.speaks_fastcgi())
    }

    fn read_on(&mut self, connection: Arc<Connection>, hub: &'w dyn Hub) {
        let handed = connection.read_on(hub);
        Connection::leave(connection, hub);
        if let Some(handed) = handed {
            self.answer_handed(handed, hub);
        }
    }

    /// Answers a request whose head was read by whoever read.
    fn answer_handed(&mut self, handed: Handed, hub: &'w dyn Hub) {
        let Handed {
            connection,
            serial,
            id,
            role,
            head,
            is_too_large,
            ticket,
        } = handed;
        let Some(lane) = Lane::claim(connection, serial, id, hub) else {
            return;
        };
        let mut refusal = is_too_large.then(|| self.too_large());
        let len = head.bytes().len();
        self.buffers.head()[..len].copy_from_slice(&head.bytes()[..len]);
        drop(head);
        let Parts {
            params,
            joined,
            window,
            mut spare,
            output,
        } = self.buffers.split(0..len, len..len);
        let began = now_ns();
        let mut front = Frozen::new(ticket);
        let (limits, setup) = (self.limits, self.around.setup);
        let touched = front.freeze(params, joined, &mut spare, limits, setup, &mut refusal);
        let is_head = front.is_head();
        let wire = Wire::multiplexed(&lane, window, spare, limits, began / NS_PER_MS);
        let shared = RefCell::new(Some(Exchange::new(wire, output, is_head)));
        let answering = Answering::new(&front, &shared, &self.around);
        let handler = &mut *self.handler;
        let answered = answer(&answering, &mut refusal, role, handler, &self.around);
        // Without the time for which the request waited for this worker.
        self.pace.note(now_ns().saturating_sub(began));
        if answered.large_input || touched || len > KEPT {
            self.buffers.mark_large_input();
        }
        if answered.large_output {
            self.buffers.mark_large_output();
        }
    }
}
