//! The multiplexed part of the loop: connections with several requests under way, and requests of them that wait for a
//! worker. Called by the loop for their events, and by `pool` for `multiplex`.

use super::{Accept, KIND, MULTIPLEXED, QUEUE};
use crate::link::{Link, Registration};
use crate::log_line::error;
use crate::multiplex::{Connection, Queue, Registry, Task};
use crate::net::Interest;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard};

/// Multiplexed connections on which requests are under way, and requests of them that wait for a worker.
#[derive(Debug)]
pub(super) struct Multiplexed {
    queue: Queue,
    registry: Mutex<Registry>,
}

impl Accept {
    /// The requests of multiplexed connections that wait for a worker.
    pub(crate) fn queue(&self) -> Option<&Queue> {
        self.multiplexed.as_ref().map(|m| &m.queue)
    }

    /// Puts a connection that goes on with several requests into the set. Its key; `None` if it cannot be waited for.
    pub(crate) fn enter(&self, link: &mut Link) -> Option<u64> {
        let multiplexed = self.multiplexed.as_ref()?;
        let fd = link.transport.as_raw_fd();
        if link.registration.is_none() {
            let added = self.epoll.add(fd, MULTIPLEXED, Interest::Nothing);
            if !self.tell_cannot_wait(added) {
                return None;
            }
            link.registration = Some(Registration::new(&self.epoll, fd));
        }
        Some(multiplexed.registry().reserve(fd))
    }

    /// Has the events of this key go to this connection.
    pub(crate) fn insert(&self, key: u64, connection: &Arc<Connection>) {
        if let Some(multiplexed) = &self.multiplexed {
            multiplexed.registry().insert(key, connection);
        }
    }

    /// Waits for an event of the connection that has this key. Whether that is possible.
    pub(crate) fn arm(&self, link: &Link, key: u64, interest: Interest) -> bool {
        let fd = link.transport.as_raw_fd();
        self.tell_cannot_wait(self.epoll.rearm(fd, MULTIPLEXED | key, interest))
    }

    /// The connection that had this key is gone, and the key is free.
    pub(crate) fn forget(&self, key: u64) {
        if let Some(multiplexed) = &self.multiplexed {
            multiplexed.registry().remove(key);
        }
    }

    /// All connections with several requests.
    pub(crate) fn all_multiplexed(&self) -> Vec<Arc<Connection>> {
        let multiplexed = self.multiplexed.as_ref();
        multiplexed.map_or_else(Vec::new, |m| m.registry().all())
    }

    pub(super) fn has_multiplexed(&self) -> bool {
        let multiplexed = self.multiplexed.as_ref();
        multiplexed.is_some_and(|m| !m.registry().is_empty())
    }

    /// What there is to do about a multiplexed connection, or for a request of one.
    pub(super) fn task(&self, key: u64) -> Option<Task> {
        let multiplexed = self.multiplexed.as_ref()?;
        if key & KIND == MULTIPLEXED {
            let connection = multiplexed.registry().get(key & !KIND)?;
            connection.has_rung();
            return Some(Task::Read(connection));
        }
        let handed = multiplexed.queue.pop();
        // The next one is for the next worker.
        self.arm_queue(multiplexed);
        handed.map(Task::Answer)
    }

    /// Has another worker get an event that this one found while it looked for a connection to serve.
    pub(super) fn leave_task(&self, key: u64) {
        let Some(multiplexed) = &self.multiplexed else {
            return;
        };
        if key & KIND != MULTIPLEXED {
            return self.arm_queue(multiplexed);
        }
        // The connection's descriptor is open for as long as the registry, locked here, has its key.
        let mut registry = multiplexed.registry();
        if let Some(fd) = registry.fd(key & !KIND) {
            self.tell_cannot_wait(self.epoll.rearm(fd, key, Interest::BothOnce));
        }
    }

    fn arm_queue(&self, multiplexed: &Multiplexed) {
        let queue = multiplexed.queue.as_raw_fd();
        if let Err(error) = self.epoll.rearm(queue, QUEUE, Interest::ReadOnce) {
            error!("requests of multiplexed connections cannot be waited for: {error}");
        }
    }
}

impl Multiplexed {
    /// # Errors
    /// When there is no descriptor left.
    pub(super) fn new() -> io::Result<Multiplexed> {
        Ok(Multiplexed {
            queue: Queue::new()?,
            registry: Mutex::default(),
        })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
