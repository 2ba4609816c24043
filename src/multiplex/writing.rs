//! The order in which records leave on a multiplexed connection: one thread after the other, first come first served. A
//! mutex would let the thread that has just written write again, and the others would starve behind a large answer. Called by
//! `connection`, which also asks here where a record ends.

use crate::protocol::{HEADER_LEN, RecordHeader, RecordType};
use std::io::IoSlice;
use std::sync::{Condvar, Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(super) struct Writing {
    turns: Mutex<Turns>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    /// The next number that is drawn.
    drawn: u64,
    /// Whose turn it is: `called <= drawn`.
    called: u64,
}

/// The turn to write: its holder's until this is dropped.
pub(super) struct MyTurn<'w>(&'w Writing);

impl Writing {
    /// Waits for a turn.
    pub(super) fn enter(&self) -> MyTurn<'_> {
        let mut turns = self.lock();
        let mine = turns.drawn;
        turns.drawn += 1;
        while turns.called != mine {
            turns = self
                .turned
                .wait(turns)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        MyTurn(self)
    }

    /// Takes a turn, if nobody writes and nobody waits for one.
    pub(super) fn try_enter(&self) -> Option<MyTurn<'_>> {
        let mut turns = self.lock();
        let is_free = turns.called == turns.drawn;
        turns.drawn += u64::from(is_free);
        is_free.then(|| MyTurn(self))
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for MyTurn<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.called += 1;
        if turns.called < turns.drawn {
            self.0.turned.notify_all();
        }
    }
}

/// How many bytes of the record that the byte `n` of `slices` lies in are still to come from there on; 0 where a record ends.
///
/// `slices` begins `left` bytes before the end of a record. Bytes that are no record count as one, to the last of them.
pub(super) fn to_boundary(slices: &[IoSlice<'_>], n: usize, left: usize) -> usize {
    let mut at = left;
    while at < n {
        match header_at(slices, at) {
            Some(header) => at += length(header),
            None => at = slices.iter().map(|slice| slice.len()).sum(),
        }
    }
    at - n
}

/// Whether END_REQUEST is among these records.
pub(super) fn has_end_request(slices: &[IoSlice<'_>]) -> bool {
    let mut at = 0;
    while let Some(header) = header_at(slices, at) {
        if header.record_type == RecordType::EndRequest {
            return true;
        }
        at += length(header);
    }
    false
}

fn length(header: RecordHeader) -> usize {
    HEADER_LEN + usize::from(header.content) + usize::from(header.padding)
}

/// The header that lies `at` bytes behind the front of `slices`.
fn header_at(slices: &[IoSlice<'_>], at: usize) -> Option<RecordHeader> {
    let mut header = [0; HEADER_LEN];
    copy_at(slices, at, &mut header);
    RecordHeader::decode(&header)
}

/// Copies what lies `at` bytes behind the front of `slices`.
fn copy_at(slices: &[IoSlice<'_>], mut at: usize, into: &mut [u8]) {
    let mut filled = 0;
    for slice in slices {
        if at >= slice.len() {
            at -= slice.len();
            continue;
        }
        let here = &slice[at..];
        let n = here.len().min(into.len() - filled);
        into[filled..filled + n].copy_from_slice(&here[..n]);
        filled += n;
        at = 0;
        if filled == into.len() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_end_of_a_record_is_found_from_everywhere_in_it() {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for content in [0, 5, 300, 8] {
            let header = RecordHeader::new(RecordType::Stdout, 1, content);
            stream.extend_from_slice(&header.encode());
            stream.resize(stream.len() + content as usize + header.padding as usize, 1);
            ends.push(stream.len());
        }
        let pieces: Vec<IoSlice<'_>> = stream.chunks(7).map(IoSlice::new).collect();
        for n in 0..=stream.len() {
            let next = ends.iter().find(|&&end| end >= n).unwrap();
            assert_eq!(to_boundary(&pieces, n, 0), next - n, "{n}");
        }
        let rest: Vec<IoSlice<'_>> = stream[3..].chunks(7).map(IoSlice::new).collect();
        assert_eq!(to_boundary(&rest, 4, 5), 1);
        assert_eq!(to_boundary(&rest, 6, 5), ends[2] - 9);
    }

    #[test]
    fn turns_are_taken_in_the_order_of_their_asking() {
        let (writing, order) = (Writing::default(), Mutex::new(Vec::new()));
        let first = writing.enter();
        thread::scope(|scope| {
            for i in 1..20 {
                let (writing, order) = (&writing, &order);
                scope.spawn(move || {
                    let _turn = writing.enter();
                    order.lock().unwrap().push(i);
                });
                while writing.lock().drawn <= i {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        let order = order.into_inner().unwrap();
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn a_turn_that_is_tried_for_is_had_only_where_nobody_writes() {
        let writing = Writing::default();
        let first = writing.try_enter().unwrap();
        assert!(writing.try_enter().is_none());
        drop(first);
        drop(writing.enter());
        assert!(writing.try_enter().is_some());
    }
}
