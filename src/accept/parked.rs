//! The connections that wait, each in its entry, and what else the loop's lock guards. Called by the loop and all its parts.

use super::PARKED;
use super::stop::Rest;
use crate::link::{Kind, RequestHead, Seat, Waiting};
use crate::net::sys::now_ms;
use std::collections::VecDeque;

/// How long a connection may stay silent at a stop if it has said nothing yet, or if its answer is out and it lingers.
const SILENT_MS: u64 = 1_000;

/// How long a kept connection may stay without its next request at a stop. From a busy web server it has come by then.
const KEPT_MS: u64 = 10;

/// How many connections are looked at, to find one that may be ended, before the search is given up: each look is a system call.
const PASSED_OVER: usize = 8;

/// The connections that wait, and when to look at them again. Entries are named by their place, and reused.
#[derive(Debug, Default)]
pub(super) struct Parked {
    pub(super) entries: Vec<Entry>,
    /// Entries without a connection.
    pub(super) free: Vec<u32>,
    /// An empty seat, so that [`Accept::park_without_seat`](super::Accept::park_without_seat) allocates none.
    pub(super) spare: Option<Seat>,
    turns: u64,
    /// The keys of those whose events were taken with others, and whom nobody serves yet: fewer than `taken::MOST` for each worker that
    /// is just leaving the loop.
    pub(super) taken: VecDeque<u64>,
    /// What the timer is set to, in ms of the monotonic clock; 0 if it is not.
    pub(super) alarm: u64,
    /// Listeners that are not armed, one bit each, until there is room again.
    pub(super) paused: u64,
    /// When to look at the paths, in ms of the monotonic clock; 0 if there are none.
    pub(super) look: u64,
    /// Bytes of heads that are not whole.
    pub(super) head_bytes: usize,
    /// How many connections wait that we have not ended.
    pub(super) alive: usize,
    pub(super) rest: Rest,
}

#[derive(Debug, Default)]
pub(super) struct Entry {
    generation: u32,
    /// Counts up with each connection that is parked: deadlines are too coarse to tell who came first.
    turn: u64,
    pub(super) waiting: Seat,
}

impl Parked {
    /// Puts a connection in. Its key: kind, 24 bits of generation, 32 of index.
    pub(super) fn insert(&mut self, seat: &mut Seat) -> u64 {
        if let Some(waiting) = &**seat {
            self.head_bytes += waiting.block.len();
            self.alive += usize::from(waiting.kind != Kind::Ended);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        self.turns += 1;
        entry.turn = self.turns;
        std::mem::swap(&mut entry.waiting, seat);
        PARKED | u64::from(entry.generation & 0xff_ffff) << 32 | u64::from(index)
    }

    /// Takes a connection out, into this seat, which is empty. Whether there is one.
    pub(super) fn take(&mut self, key: u64, seat: &mut Seat) -> bool {
        self.get(key).is_some() && self.remove(key as u32 as usize, seat)
    }

    /// The connection that has this key, while it waits.
    #[inline(always)]
    pub(super) fn get(&self, key: u64) -> Option<&Waiting> {
        let entry = self.entries.get(key as u32 as usize)?;
        let is_it = entry.generation & 0xff_ffff == (key >> 32) as u32 & 0xff_ffff;
        (*entry.waiting).as_ref().filter(|_| is_it)
    }

    /// Takes the first of those whose events are taken out, into this seat, which is empty. Whether there is one.
    pub(super) fn take_up(&mut self, seat: &mut Seat) -> bool {
        while let Some(key) = self.taken.pop_front() {
            if self.take(key, seat) {
                return true;
            }
        }
        false
    }

    #[inline(always)]
    pub(super) fn remove(&mut self, index: usize, seat: &mut Seat) -> bool {
        let Some(entry) = self.entries.get_mut(index) else {
            return false;
        };
        let Some(waiting) = &*entry.waiting else {
            return false;
        };
        debug_assert!(seat.is_none(), "a connection would be forgotten");
        self.head_bytes -= waiting.block.len();
        self.alive -= usize::from(waiting.kind != Kind::Ended);
        entry.generation = entry.generation.wrapping_add(1);
        std::mem::swap(&mut entry.waiting, seat);
        self.free.push(index as u32);
        true
    }

    /// The connections that wait, ended ones included.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        let entries = self.entries.iter();
        entries.filter_map(|entry| (*entry.waiting).as_ref())
    }

    /// A stop begins.
    pub(super) fn hurry_all(&mut self) {
        let now = now_ms();
        let entries = self.entries.iter_mut();
        for waiting in entries.filter_map(|entry| (*entry.waiting).as_mut()) {
            hurry(waiting, now);
        }
    }

    /// Ends the connections that are overdue, each after `tell` was told what it waited for. When the next one is due, in ms of
    /// the monotonic clock.
    pub(super) fn end_overdue(&mut self, now: u64, tell: impl Fn(Kind)) -> u64 {
        let mut next = u64::MAX;
        let entries = self.entries.iter_mut();
        for waiting in entries.filter_map(|entry| (*entry.waiting).as_mut()) {
            if waiting.deadline > now {
                next = next.min(waiting.deadline);
            } else if waiting.has_come() {
                // No worker was free for it.
                waiting.deadline = u64::MAX;
            } else {
                tell(waiting.kind);
                self.head_bytes -= end(waiting);
                self.alive -= 1;
            }
        }
        next
    }

    /// Ends the connection of this kind that is due first. One whose request has come waits for a worker and not for its peer, and is
    /// passed over. Whether there was one to end.
    pub(super) fn end_oldest(&mut self, kind: Kind) -> bool {
        let mut passed = (0, 0);
        for _ in 0..PASSED_OVER {
            let entries = self
                .entries
                .iter_mut()
                .filter_map(|entry| Some((entry.turn, (*entry.waiting).as_mut()?)))
                .filter(|(_, waiting)| waiting.kind == kind)
                .map(|(turn, waiting)| ((waiting.deadline, turn), waiting));
            let oldest = entries
                .filter(|(age, _)| *age > passed)
                .min_by_key(|(age, _)| *age);
            let Some((age, waiting)) = oldest else {
                return false;
            };
            let is_silent = matches!(kind, Kind::Idle | Kind::FirstByte);
            if !(is_silent && waiting.has_come()) {
                self.head_bytes -= end(waiting);
                self.alive -= 1;
                return true;
            }
            passed = age;
        }
        false
    }
}

/// Leaves a connection only as much time as it has at a stop. If its request has come when that is over, it is served all the
/// same, as soon as a worker gets its event.
pub(super) fn hurry(waiting: &mut Waiting, now: u64) {
    match waiting.kind {
        Kind::Idle => waiting.deadline = waiting.deadline.min(now + KEPT_MS),
        Kind::FirstByte | Kind::Linger => {
            waiting.deadline = waiting.deadline.min(now + SILENT_MS);
            // What it has sent in vain comes again after 200 ms.
            waiting.link.transport.hear_everything();
        }
        Kind::Head | Kind::Ready | Kind::Ended => {}
    }
}

/// Whether a request would be lost if this connection were closed now.
pub(super) fn is_request(waiting: &Waiting) -> bool {
    matches!(waiting.kind, Kind::Head | Kind::Ready) || waiting.has_come()
}

/// Ends a connection that waits. This is an event, unless its event was taken already; and the worker that gets it closes the
/// connection. How many bytes of a head were freed.
pub(super) fn end(waiting: &mut Waiting) -> usize {
    waiting.link.transport.shutdown();
    waiting.kind = Kind::Ended;
    waiting.deadline = u64::MAX;
    waiting.head = RequestHead::default();
    std::mem::take(&mut waiting.block).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Link;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    /// A connection that has a head of ten bytes, and its peer.
    fn connection(kind: Kind, deadline: u64) -> (Seat, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let waiting = Waiting {
            link: Link::new(ours.into(), &Arc::default()),
            kind,
            deadline,
            head: RequestHead::default(),
            block: vec![0; 10],
        };
        (Box::new(Some(waiting)), theirs)
    }

    #[test]
    fn a_late_event_finds_nothing() {
        let mut parked = Parked::default();
        let (mut seat, _peer) = connection(Kind::Idle, 1);
        let first = parked.insert(&mut seat);
        assert!(seat.is_none() && parked.take(first, &mut seat));
        let second = parked.insert(&mut seat);
        assert_eq!(first as u32, second as u32, "the entry is used again");
        assert!(!parked.take(first, &mut seat) && seat.is_none());
        assert!(parked.take(second, &mut seat) && seat.is_some());
    }

    #[test]
    fn what_is_overdue_is_ended_unless_its_request_has_come() {
        let mut parked = Parked::default();
        let rows = [
            (Kind::Idle, 5, "", true),
            (Kind::Idle, 5, "x", false),
            (Kind::Idle, 20, "", false),
            (Kind::Ready, 5, "", false),
            (Kind::Linger, 5, "x", true),
        ];
        let park = |(kind, deadline, said, _): (Kind, u64, &str, bool)| {
            let (mut seat, mut peer) = connection(kind, deadline);
            peer.write_all(said.as_bytes()).unwrap();
            parked.insert(&mut seat);
            peer
        };
        let peers = rows.map(park);
        assert_eq!(parked.end_overdue(10, |_| {}), 20);
        let ended: Vec<_> = parked.waiting().map(|w| w.kind == Kind::Ended).collect();
        assert_eq!(ended, rows.map(|(.., is_ended)| is_ended));
        assert_eq!((parked.alive, parked.head_bytes), (3, 30));
        drop(peers);
    }
}
