//! Every sequence of up to four awkward records, against the model: a test on stable Rust, of what a fuzzer would have to
//! come upon.

use super::connection::check;
use super::cuts::Cuts;
use super::handlers::Manner;
use super::peer::record;
use super::place::Place;
use std::thread;

fn begin(id: u16, role: u8, keep: u8) -> Vec<u8> {
    record(1, id, &[0, role, keep, 0, 0, 0, 0, 0], 0)
}

fn words() -> Vec<Vec<u8>> {
    let method = b"\x0e\x01REQUEST_METHODG";
    let mut version = begin(1, 1, 1);
    version[0] = 0;
    vec![
        begin(1, 1, 1),
        begin(1, 1, 0),
        begin(2, 1, 1),
        begin(1, 2, 1),
        begin(1, 3, 1),
        // A role that nobody knows, for a request that does not say when it ends.
        begin(1, 9, 0),
        record(1, 1, b"\0\x01", 255),
        record(4, 1, method, 7),
        record(4, 1, b"", 255),
        record(5, 1, b"body", 255),
        record(5, 1, b"", 0),
        record(8, 1, b"data", 4),
        record(8, 1, b"", 0),
        record(2, 1, b"", 0),
        record(2, 2, b"of another", 6),
        // END_REQUEST and STDOUT are for us to send.
        record(3, 1, &[0; 8], 0),
        record(9, 0, b"\x0e\0FCGI_MAX_CONNS\x03\0wha", 255),
        record(9, 0, &[1; 1500], 0),
        record(0, 0, b"", 0),
        version,
        // A whole request.
        [
            begin(1, 1, 1),
            record(4, 1, method, 0),
            record(4, 1, b"", 0),
            record(5, 1, b"", 0),
        ]
        .concat(),
    ]
}

/// Serves all sequences that begin with `sequence` and are longer by up to `more` words. How many those were.
///
/// Behind a close nothing can matter: only one more word is tried there.
fn extend(
    place: &mut Place,
    manner: Manner,
    sequence: &[u8],
    more: usize,
    words: &[Vec<u8>],
) -> usize {
    let mut count = 0;
    for word in words {
        let longer = [sequence, word].concat();
        let closed = check(place, manner, &longer, Cuts::Seed(0)).closed;
        count += 1;
        match more {
            1 => {}
            _ if closed => count += extend(place, manner, &longer, 1, words),
            _ => count += extend(place, manner, &longer, more - 1, words),
        }
    }
    count
}

/// Serves all sequences of up to `most` words. Each ends with the end of the connection, and whatever is answered is answered by
/// then.
#[track_caller]
fn every_sequence_ends(manner: Manner, most: usize) {
    let words = words();
    let from = &|first: &[u8]| {
        let mut place = manner.place();
        check(&mut place, manner, first, Cuts::Seed(0));
        1 + extend(&mut place, manner, first, most - 1, &words)
    };
    let count: usize = thread::scope(|scope| {
        let chunks = words.chunks(words.len() / 2);
        let threads: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || chunk.iter().map(|word| from(word)).sum::<usize>()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert!(count > 20_usize.pow(most as u32) / 2, "{count} were tried");
}

#[test]
fn every_sequence_of_up_to_four_awkward_records_ends() {
    every_sequence_ends(Manner::READER, 4);
}

#[test]
fn every_sequence_of_up_to_three_awkward_records_ends_when_a_handler_looks_ahead() {
    every_sequence_ends(Manner::LOOKER, 3);
}

#[test]
fn every_sequence_of_two_awkward_records_is_the_same_a_byte_at_a_time() {
    for manner in [Manner::READER, Manner::LOOKER] {
        let mut place = manner.place();
        let words = words();
        for (first, second) in words.iter().flat_map(|a| words.iter().map(move |b| (a, b))) {
            check(
                &mut place,
                manner,
                &[&first[..], second].concat(),
                Cuts::Seed(1),
            );
        }
    }
}
