//! Request headers that come several times: their values, joined to one. Called by `params`, seldom.

use super::header_names::{Seen, of_header};
use super::params::{Kind, kind};
use super::scratch::Scratch;
use crate::protocol::Pairs;

/// Writes one pair for each `HTTP_*` name that stands in `stream` more than once, its values joined.
///
/// nginx 1.22, HAProxy and h2o send a repeated request header as repeated pairs. The names are sorted, by their
/// offsets, so that thousands of repeated ones are not compared each with each.
pub(super) fn join<'buf>(stream: &'buf [u8], scratch: &mut Scratch<'buf>) -> &'buf [u8] {
    let desk = std::mem::take(&mut scratch.desk);
    scratch.touched = true;
    let (offsets, _) = desk.as_chunks_mut::<4>();
    let pair_at = |offset: &[u8; 4]| {
        let pair = Pairs::new(&stream[u32::from_be_bytes(*offset) as usize..]).next();
        pair.expect("BUG: an offset that no pair began at")
    };
    let headers = header_offsets(stream)
        .zip(offsets.iter_mut())
        .map(|(from, to)| *to = from)
        .count();
    let offsets = &mut offsets[..headers];
    sort(offsets, |a, b| (pair_at(a).0, a) < (pair_at(b).0, b));
    for group in offsets.chunk_by(|a, b| pair_at(a).0 == pair_at(b).0) {
        if let [first, _, ..] = group {
            push_joined(
                pair_at(first).0,
                || group.iter().map(|offset| pair_at(offset).1),
                scratch,
            );
        }
    }
    scratch.desk = desk;
    scratch.finish()
}

/// How many names that may be repeated are looked up one by one.
const MOST_SUSPECTS: usize = 16;

/// Whether a request header stands in `stream` more than once, where so many ended as one before them did. A few are looked
/// up; of many the sorting finds out.
#[cold]
pub(super) fn has_repeated(stream: &[u8], suspects: usize) -> bool {
    let mut seen = Seen::default();
    suspects > MOST_SUSPECTS
        || Pairs::new(stream).any(|(name, _)| match kind(name) {
            Kind::Header(ends) => seen.insert(ends) && is_repeated(stream, name),
            _ => false,
        })
}

/// Whether `name` stands in `stream` more than once.
fn is_repeated(stream: &[u8], name: &[u8]) -> bool {
    Pairs::new(stream)
        .filter(|(other, _)| *other == name)
        .nth(1)
        .is_some()
}

/// A heap's sort, of which a stream may have thousands to do; the standard library's is 4 KB of every program.
fn sort<T>(list: &mut [T], is_before: impl Fn(&T, &T) -> bool) {
    for start in (0..list.len() / 2).rev() {
        sink(list, start, &is_before);
    }
    for end in (1..list.len()).rev() {
        list.swap(0, end);
        sink(&mut list[..end], 0, &is_before);
    }
}

/// Lets an entry change places with what is below it until nothing there comes after it.
fn sink<T>(heap: &mut [T], mut at: usize, is_before: &impl Fn(&T, &T) -> bool) {
    loop {
        let (left, right) = (2 * at + 1, 2 * at + 2);
        let Some(mut last) = heap.get(left) else {
            return;
        };
        let mut below = left;
        if let Some(other) = heap.get(right).filter(|other| is_before(last, other)) {
            (last, below) = (other, right);
        }
        if !is_before(&heap[at], last) {
            return;
        }
        heap.swap(at, below);
        at = below;
    }
}

/// Where the pairs of request headers begin.
fn header_offsets(stream: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    let mut pairs = Pairs::new(stream);
    std::iter::from_fn(move || {
        loop {
            let offset = (stream.len() - pairs.rest().len()) as u32;
            let (name, _) = pairs.next()?;
            if of_header(name).is_some() {
                return Some(offset.to_be_bytes());
            }
        }
    })
}

/// Appends a pair; the four-byte form of both lengths is legal for every length (section 3.4).
fn push_joined<'v, V: Iterator<Item = &'v [u8]>>(
    name: &[u8],
    values: impl Fn() -> V,
    scratch: &mut Scratch<'_>,
) {
    let separator: &[u8] = if name == b"HTTP_COOKIE" { b"; " } else { b", " };
    let (count, sum) = values().fold((0, 0), |(count, sum), value| (count + 1, sum + value.len()));
    let value_len = sum + (count - 1) * separator.len();
    let start = scratch.pending().len();
    let mut whole = [name.len(), value_len]
        .iter()
        .all(|&len| scratch.push(&(len as u32 | 0x8000_0000).to_be_bytes()));
    whole &= scratch.push(name);
    for (i, value) in values().enumerate() {
        whole &= (i == 0 || scratch.push(separator)) && scratch.push(value);
    }
    if !whole {
        // No room: the joined form of a name is never much longer than its pairs, so this takes a stream of
        // the largest size made of nothing else. Then the last value stands, as for any other name.
        scratch.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_length_are_sorted() {
        for len in 0..70_u32 {
            let mut list: Vec<u32> = (0..len).map(|i| i * 37 % 61 / 2).collect();
            let mut expected = list.clone();
            expected.sort_unstable();
            sort(&mut list, |a, b| a < b);
            assert_eq!(list, expected);
        }
    }
}
