//! The record reader against a reading of the whole stream at once. Called by the target `record_reader`.

use crate::protocol::{HEADER_LEN, RecordReader, Step};

/// What a stream of records comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Type, id and content of each record; the last one's content as far as it came.
    records: Vec<(u8, u16, Vec<u8>)>,
    bad_version: bool,
    /// The stream ends where a record ends.
    at_boundary: bool,
}

/// The first byte says how the rest is cut: any cut gives the same records, and those that section 3.3 says.
///
/// # Panics
/// When it does not.
pub fn record_reader(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let whole = at_once(stream);
    for size in [usize::from(cut).max(1), 1, stream.len().max(1)] {
        assert_eq!(in_pieces(stream, size), whole, "in pieces of {size}");
    }
}

fn in_pieces(stream: &[u8], size: usize) -> Found {
    let mut reader = RecordReader::default();
    let mut found = Found::default();
    for piece in stream.chunks(size) {
        let mut at = 0;
        loop {
            let before = at;
            let step = reader.step(piece, &mut at);
            assert!((before..=piece.len()).contains(&at));
            match step {
                Step::Header(header) => {
                    found
                        .records
                        .push((header.record_type.number(), header.request_id, Vec::new()))
                }
                Step::Content(n) => {
                    assert!(0 < n && n <= reader.content_left());
                    let (_, _, content) = found.records.last_mut().expect("a header came first");
                    content.extend_from_slice(&piece[at..at + n]);
                    reader.take(n);
                    at += n;
                }
                Step::More => break,
                Step::BadVersion(_) => {
                    found.bad_version = true;
                    return found;
                }
            }
        }
        assert_eq!(at, piece.len(), "what is no content is used up");
    }
    found.at_boundary = reader.at_boundary();
    found
}

/// From the specification, with all of the stream at hand.
fn at_once(stream: &[u8]) -> Found {
    let mut found = Found::default();
    let mut at = 0;
    while let Some(header) = stream.get(at..at + HEADER_LEN) {
        if header[0] != 1 {
            found.bad_version = true;
            return found;
        }
        let begin = at + HEADER_LEN;
        let end = begin + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let content = &stream[begin..end.min(stream.len())];
        let id = u16::from_be_bytes([header[2], header[3]]);
        found.records.push((header[1], id, content.to_vec()));
        at = end + usize::from(header[6]);
    }
    found.at_boundary = at == stream.len();
    found
}
