//! Who reads a multiplexed connection: the rules by which the reader's role goes from thread to thread. Called by `connection`
//! and `state`, under the connection's lock; a model of all interleavings is tested below.
//!
//! A thread that waits for its request's body, or for room to write, reads for all while nobody else does. When it has what
//! it waited for, it gives the role back: to another thread that waits, or to the accept loop's set, where any free worker
//! gets it. So each thread that changes anything asks [`Turn::next`] afterwards what there is to do, and does it.

/// What the threads at one connection know of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Turn {
    /// Some thread reads.
    is_taken: bool,
    /// How many threads wait to be told that something has come, or that nobody reads any more.
    waiters: u32,
    /// The socket is armed in the accept loop's set, or its event is on its way to a worker.
    is_armed: bool,
    /// What comes next belongs to a body that is as long already as it may be.
    is_stalled: bool,
    /// Nothing more comes.
    is_over: bool,
}

/// What whoever has changed something has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// Wake those who wait: one of them reads on.
    Wake,
    /// Arm the socket: a free worker reads on.
    Arm,
}

impl Turn {
    /// Takes the role, if it is free and something can still be read. Whether it did.
    pub(super) fn take(&mut self) -> bool {
        let can = !self.is_taken && !self.is_stalled && !self.is_over;
        self.is_taken |= can;
        can
    }

    pub(super) fn give_back(&mut self) {
        self.is_taken = false;
    }

    /// The event of the armed socket has reached a worker.
    pub(super) fn has_rung(&mut self) {
        self.is_armed = false;
    }

    /// A thread is about to wait.
    pub(super) fn wait(&mut self) {
        self.waiters += 1;
    }

    /// A thread does not wait any more.
    pub(super) fn leave(&mut self) {
        self.waiters -= 1;
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.waiters > 0
    }

    pub(super) fn set_stalled(&mut self, is_stalled: bool) {
        self.is_stalled = is_stalled;
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// What there is to do so that somebody reads on.
    pub(super) fn next(&mut self) -> Next {
        if self.is_taken || self.is_stalled || self.is_over {
            Next::Nothing
        } else if self.waiters > 0 {
            Next::Wake
        } else if !self.is_armed {
            self.is_armed = true;
            Next::Arm
        } else {
            Next::Nothing
        }
    }
}

/// All interleavings of what threads do at a connection, as `connection` does it: a step for each time that the lock is held,
/// and one for each look at the socket.
#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Requests whose handlers each wait for a byte of their bodies. A byte for `NOBODY` is a new request's.
    const HANDLERS: usize = 2;
    const NOBODY: usize = HANDLERS;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    enum Thread {
        /// A handler that is about to look for its byte; whether it has the role.
        Looks(bool),
        /// A handler that reads, or waits at the socket.
        Reads,
        Sleeps,
        Woken,
        Done,
        /// A worker in the accept loop.
        Free,
        /// It has the socket's event.
        Rung,
        /// It reads.
        Serves,
    }

    /// A rule that is left out, to see that the model notices.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Without {
        Nothing,
        Wake,
        Arm,
        /// A handler that has its byte does not ask who reads on.
        Asking,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        turn: Turn,
        threads: Vec<Thread>,
        /// Bytes that the peer has not sent yet, for whom.
        to_come: Vec<usize>,
        in_socket: Vec<usize>,
        has_byte: [bool; HANDLERS],
        /// Whether the accept loop's set tells of the socket.
        is_armed: bool,
    }

    impl World {
        fn new(workers: usize) -> World {
            let handlers = vec![Thread::Looks(false); HANDLERS];
            let free = vec![Thread::Free; workers];
            let mut world = World {
                turn: Turn::default(),
                threads: [handlers, free].concat(),
                to_come: (0..=NOBODY).collect(),
                in_socket: Vec::new(),
                has_byte: [false; HANDLERS],
                is_armed: false,
            };
            // The thread that has read the requests has given the role back.
            world.see_on(Without::Nothing);
            world
        }

        fn see_on(&mut self, without: Without) {
            match self.turn.next() {
                Next::Wake if without != Without::Wake => self.wake(),
                Next::Arm if without != Without::Arm => self.is_armed = true,
                _ => {}
            }
        }

        fn wake(&mut self) {
            for thread in &mut self.threads {
                if *thread == Thread::Sleeps {
                    *thread = Thread::Woken;
                }
            }
        }

        fn deliver(&mut self) {
            for whose in std::mem::take(&mut self.in_socket) {
                if whose != NOBODY {
                    self.has_byte[whose] = true;
                }
            }
            if self.turn.has_waiters() {
                self.wake();
            }
        }

        /// A handler looks, with or without the role.
        fn look(&mut self, i: usize, has_role: bool, without: Without) {
            self.threads[i] = if self.has_byte[i] {
                if has_role {
                    self.turn.give_back();
                }
                if without != Without::Asking {
                    self.see_on(without);
                }
                Thread::Done
            } else if has_role || self.turn.take() {
                Thread::Reads
            } else {
                self.turn.wait();
                Thread::Sleeps
            };
        }

        /// The world after the thread's next step; `None` if it has to wait.
        fn step(&self, i: usize, without: Without) -> Option<World> {
            let mut world = self.clone();
            match self.threads[i] {
                Thread::Looks(has_role) => world.look(i, has_role, without),
                Thread::Woken => {
                    world.turn.leave();
                    world.look(i, false, without);
                }
                Thread::Reads if !self.in_socket.is_empty() => {
                    world.deliver();
                    world.threads[i] = Thread::Looks(true);
                }
                Thread::Free if self.is_armed && !self.in_socket.is_empty() => {
                    world.is_armed = false;
                    world.threads[i] = Thread::Rung;
                }
                Thread::Rung => {
                    world.turn.has_rung();
                    world.threads[i] = match world.turn.take() {
                        true => Thread::Serves,
                        false => Thread::Free,
                    };
                }
                Thread::Serves => {
                    world.deliver();
                    world.turn.give_back();
                    world.see_on(without);
                    world.threads[i] = Thread::Free;
                }
                Thread::Reads | Thread::Sleeps | Thread::Done | Thread::Free => return None,
            }
            Some(world)
        }

        /// All worlds that can come next.
        fn nexts(&self, without: Without) -> Vec<World> {
            let sent = (0..self.to_come.len()).map(|k| {
                let mut world = self.clone();
                let whose = world.to_come.remove(k);
                world.in_socket.push(whose);
                world
            });
            let steps = (0..self.threads.len()).filter_map(|i| self.step(i, without));
            sent.chain(steps).collect()
        }

        /// Whether all is done, in a world in which nobody can do anything any more.
        fn is_good(&self, workers: usize) -> bool {
            let are_done = self.threads[..HANDLERS].iter().all(|t| *t == Thread::Done);
            are_done && (workers == 0 || self.in_socket.is_empty())
        }
    }

    /// How many worlds there are, and the first in which something is left undone.
    fn explore(workers: usize, without: Without) -> (usize, Option<World>) {
        let mut seen = HashSet::new();
        let mut open = vec![World::new(workers)];
        while let Some(world) = open.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            let nexts = world.nexts(without);
            if nexts.is_empty() && !world.is_good(workers) {
                return (seen.len(), Some(world));
            }
            open.extend(nexts);
        }
        (seen.len(), None)
    }

    #[test]
    fn whatever_comes_is_read_by_somebody_in_every_order_of_events() {
        for workers in 0..=2 {
            let (worlds, stuck) = explore(workers, Without::Nothing);
            assert_eq!(stuck, None, "{workers} free workers");
            assert!(worlds > 100, "{worlds} worlds");
        }
    }

    #[test]
    fn without_any_of_its_rules_something_is_left_unread() {
        for without in [Without::Wake, Without::Arm, Without::Asking] {
            let stuck = (0..=2).filter_map(|workers| explore(workers, without).1);
            assert!(stuck.count() > 0, "{without:?}");
        }
    }
}
