//! An application's records as the web server reads them: bytes in, parts of the answer out. Pure; `Client` feeds it, and so does
//! `bench`, with many connections in one thread.

use crate::protocol::{EndRequest, HEADER_LEN, RecordHeader, RecordReader, RecordType, Step};
use std::ops::Range;

/// Where in the stream of an application's records the reading stands.
#[derive(Debug, Default)]
pub(crate) struct Records {
    reader: RecordReader,
    purpose: Purpose,
    /// END_REQUEST's content; `fixed_len` bytes of it have come.
    fixed: [u8; EndRequest::LEN],
    fixed_len: usize,
    /// How many bytes of management records have come since the last answer. At most `MAX_UNASKED`.
    unasked: usize,
}

/// The most bytes of management records that may come with an answer. They are no part of it: an application that sends
/// nothing else would never answer, and never be silent for as long as the time limit.
const MAX_UNASKED: usize = 1 << 20;

/// What the content of the current record is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Purpose {
    #[default]
    Skip,
    Stdout,
    Stderr,
    End,
}

/// A part of an answer; a range says which of the bytes that were looked at it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Stdout(Range<usize>),
    Stderr(Range<usize>),
    End(EndRequest),
}

impl Records {
    /// Finds the next part in `bytes[*at..]`, and moves `at` behind it; `None` when all bytes are used up.
    ///
    /// # Errors
    /// A sentence about the application, if it broke the protocol: the connection cannot go on.
    pub(crate) fn next(
        &mut self,
        request_id: u16,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Found>, String> {
        loop {
            match self.reader.step(bytes, at) {
                Step::More => return Ok(None),
                Step::BadVersion([version, ..]) => {
                    return Err(format!(
                        "the application sent a record of version {version}, not 1: that is not FastCGI"
                    ));
                }
                Step::Header(header) => {
                    self.purpose = purpose(request_id, header)?;
                    if self.purpose == Purpose::Skip {
                        self.count_unasked(header)?;
                    }
                }
                Step::Content(n) => {
                    let content = *at..*at + n;
                    self.reader.take(n);
                    *at = content.end;
                    match self.purpose {
                        Purpose::Stdout => return Ok(Some(Found::Stdout(content))),
                        Purpose::Stderr => return Ok(Some(Found::Stderr(content))),
                        Purpose::End => {
                            if let Some(end) = self.gather(&bytes[content]) {
                                return Ok(Some(Found::End(end)));
                            }
                        }
                        Purpose::Skip => {}
                    }
                }
            }
        }
    }

    fn count_unasked(&mut self, header: RecordHeader) -> Result<(), String> {
        self.unasked += HEADER_LEN + usize::from(header.content);
        match self.unasked > MAX_UNASKED {
            true => Err(format!(
                "the application sent more than {MAX_UNASKED} bytes of management records and no answer"
            )),
            false => Ok(()),
        }
    }

    /// Takes some of END_REQUEST's content. What it says, once the record is whole.
    fn gather(&mut self, content: &[u8]) -> Option<EndRequest> {
        let taken = content.len().min(EndRequest::LEN - self.fixed_len);
        self.fixed[self.fixed_len..][..taken].copy_from_slice(&content[..taken]);
        self.fixed_len += taken;
        if self.reader.content_left() > 0 {
            return None;
        }
        self.fixed_len = 0;
        self.unasked = 0;
        Some(EndRequest::decode(&self.fixed))
    }
}

/// What a record is for: the rule book. The empty STDOUT and STDERR records that end those streams need no rule, since
/// END_REQUEST says that they have ended.
fn purpose(request_id: u16, header: RecordHeader) -> Result<Purpose, String> {
    use RecordType::*;
    match header.record_type {
        // Answers to management records, or the application's complaint about one.
        _ if header.request_id == 0 => Ok(Purpose::Skip),
        Stdout | Stderr | EndRequest if header.request_id != request_id => Err(format!(
            "the application sent a record of request {}, but the one that runs is {request_id}",
            header.request_id
        )),
        Stdout => Ok(Purpose::Stdout),
        Stderr => Ok(Purpose::Stderr),
        EndRequest if usize::from(header.content) < self::EndRequest::LEN => Err(format!(
            "the application sent an END_REQUEST of {} bytes, not 8",
            header.content
        )),
        EndRequest => Ok(Purpose::End),
        other => Err(format!(
            "the application sent a record of type {}, which is not part of an answer",
            other.number()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[&[u8]] = &[
        &[
            1, 6, 0, 7, 0, 5, 3, 0, b'h', b'e', b'l', b'l', b'o', 9, 9, 9,
        ],
        &[1, 7, 0, 7, 0, 2, 0, 0, b'n', b'o'],
        &[1, 6, 0, 7, 0, 1, 255, 0, b'!'],
        &[9; 255],
        &[1, 10, 0, 0, 0, 2, 0, 0, 5, 5], // GET_VALUES_RESULT
        &[1, 6, 0, 7, 0, 0, 0, 0],
        &[1, 7, 0, 7, 0, 0, 5, 0, 9, 9, 9, 9, 9],
        &[1, 3, 0, 7, 0, 8, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0],
    ];

    const END: EndRequest = EndRequest {
        app_status: 0x102,
        protocol_status: 3,
    };

    type Streams = (Vec<u8>, Vec<u8>, Vec<EndRequest>);

    /// STDOUT, STDERR and the ends of an answer that comes in pieces of `size`.
    fn parts(stream: &[u8], size: usize) -> Result<Streams, String> {
        let mut records = Records::default();
        let (mut stdout, mut stderr, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for piece in stream.chunks(size) {
            let mut at = 0;
            while let Some(found) = records.next(7, piece, &mut at)? {
                match found {
                    Found::Stdout(content) => stdout.extend_from_slice(&piece[content]),
                    Found::Stderr(content) => stderr.extend_from_slice(&piece[content]),
                    Found::End(end) => ends.push(end),
                }
            }
            assert_eq!(at, piece.len());
        }
        Ok((stdout, stderr, ends))
    }

    #[test]
    fn an_answer_is_the_same_in_pieces_of_every_size() {
        let stream = ANSWER.concat();
        for size in 1..=stream.len() {
            let (stdout, stderr, ends) = parts(&stream, size).unwrap();
            assert_eq!(stdout, b"hello!", "pieces of {size}");
            assert_eq!(stderr, b"no", "pieces of {size}");
            assert_eq!(ends, [END], "pieces of {size}");
        }
    }

    #[test]
    fn an_answer_that_stops_anywhere_has_no_end() {
        let stream = ANSWER.concat();
        for length in 0..stream.len() {
            assert_eq!(parts(&stream[..length], 9).unwrap().2, [], "{length} bytes");
        }
    }

    #[test]
    fn a_longer_end_request_is_one_end() {
        let record = [1, 3, 0, 7, 0, 10, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 8, 8];
        for size in 1..=record.len() {
            assert_eq!(parts(&record, size).unwrap().2, [END]);
        }
    }

    #[test]
    fn what_an_application_never_sends_is_an_error() {
        let rows: &[(&[u8], &str)] = &[
            (b"HTTP/1.1 200 OK\r\n", "of version 72"),
            (&[1, 6, 0, 8, 0, 0, 0, 0], "of request 8"),
            (&[1, 3, 0, 8, 0, 8, 0, 0], "of request 8"),
            (&[1, 3, 0, 7, 0, 7, 0, 0], "END_REQUEST of 7 bytes"),
            (&[1, 1, 0, 7, 0, 8, 0, 0], "of type 1"),
            (&[1, 5, 0, 7, 0, 8, 0, 0], "of type 5"),
            (&[1, 77, 0, 7, 0, 8, 0, 0], "of type 77"),
        ];
        for (bytes, words) in rows {
            for size in 1..=bytes.len() {
                let error = parts(bytes, size).unwrap_err();
                assert!(error.contains(words), "{error}");
            }
        }
    }

    #[test]
    fn management_records_without_end_are_an_error() {
        let record = [&[1, 10, 0, 0, 0x40, 0, 0, 0][..], &[0; 0x4000]].concat();
        let answer = [&[1, 3, 0, 7, 0, 8, 0, 0][..], &[0; 8]].concat();
        let mut records = Records::default();
        for _ in 0..3 {
            for _ in 0..MAX_UNASKED / record.len() {
                assert_eq!(records.next(7, &record, &mut 0), Ok(None));
            }
            assert!(matches!(records.next(7, &answer, &mut 0), Ok(Some(_))));
        }
        let mut all = (0..=MAX_UNASKED / record.len()).map(|_| records.next(7, &record, &mut 0));
        assert!(all.any(|found| found.is_err()));
    }
}
