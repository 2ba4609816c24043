//! Where in the stream of records the bytes stand that arrive in pieces of any size: the one reader of all of them. Called by
//! `sequence` for what a web server sends, and by `client` for what an application does.

use super::record::{HEADER_LEN, RecordHeader, RecordType, VERSION};
use super::run::Run;

/// What stands at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record begins; its content, if any, comes next.
    Header(RecordHeader),
    /// So many bytes of the current record's content.
    Content(usize),
    /// Nothing: all bytes are used up.
    More,
    /// A header whose version is not 1.
    BadVersion([u8; HEADER_LEN]),
}

/// Finds the records in bytes that arrive in pieces of any size.
///
/// It remembers where in a record the last piece ended; the bytes stay where they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordReader {
    /// The first `have` bytes of a header that is not whole yet.
    partial: [u8; HEADER_LEN],
    /// `have < HEADER_LEN`
    have: u8,
    /// Content of the current record that was not taken yet.
    content: u16,
    /// Padding of the current record that did not pass yet.
    padding: u8,
    /// How long the content of the current record is, also once it is taken.
    whole: u16,
}

impl RecordReader {
    /// Looks at `bytes[*at..]`, and moves `at` over headers and padding, not over content.
    #[inline]
    pub(crate) fn step(&mut self, bytes: &[u8], at: &mut usize) -> Step {
        if self.content > 0 {
            return match bytes.len() - *at {
                0 => Step::More,
                here => Step::Content(here.min(self.content as usize)),
            };
        }
        if self.padding > 0 {
            let passed = (bytes.len() - *at).min(self.padding as usize);
            *at += passed;
            self.padding -= passed as u8;
        }
        let rest = &bytes[*at..];
        let header = match rest.first_chunk::<HEADER_LEN>() {
            Some(header) if self.have == 0 => {
                *at += HEADER_LEN;
                *header
            }
            _ => match self.gather(rest, at) {
                Some(header) => header,
                None => return Step::More,
            },
        };
        match RecordHeader::decode(&header) {
            Some(header) => {
                self.content = header.content;
                self.padding = header.padding;
                self.whole = header.content;
                Step::Header(header)
            }
            None => Step::BadVersion(header),
        }
    }

    /// Passes over the padding that is here and the header of a record of this type and id with content, if that is what
    /// comes, whole. `None` if not, and nothing is changed.
    #[inline(always)]
    pub(crate) fn begin_content(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        record_type: RecordType,
        request_id: u16,
    ) -> Option<()> {
        debug_assert_eq!(self.content, 0);
        let start = *at + usize::from(self.padding);
        let header = bytes.get(start..)?.first_chunk::<HEADER_LEN>()?;
        // Two numbers are fewer instructions than eight bytes: a large body has many records.
        let &[v, t, id1, id0, n1, n0, padding, _] = header;
        let content = u16::from_be_bytes([n1, n0]);
        let is_wanted = u32::from_be_bytes([v, t, id1, id0])
            == u32::from_be_bytes([VERSION, record_type.number(), 0, 0]) | u32::from(request_id);
        if !is_wanted || content == 0 || self.have > 0 {
            return None;
        }
        (self.content, self.padding) = (content, padding);
        self.whole = content;
        *at = start + HEADER_LEN;
        Some(())
    }

    /// How much to read, at most `most`: so much that the read ends right behind a record's header, if the records to come are as
    /// long as this one. The content behind it is read in one piece then; cut in two it would cost two calls. Where that
    /// is less than three quarters of `most`, it is `most` itself, since short reads are more reads.
    pub(crate) fn most_whole(&self, most: usize) -> usize {
        let padding = usize::from(self.padding);
        let record = HEADER_LEN + usize::from(self.whole) + padding;
        let this = self.content_left() + padding + HEADER_LEN;
        let whole = this + most.saturating_sub(this) / record * record;
        if whole >= most / 4 * 3 {
            whole.min(most)
        } else {
            most
        }
    }

    /// What to read next, of at most `most` bytes, if the records to come are as long as this one, of the same type and id, and
    /// so few to a read that their headers may be received apart from their contents.
    #[inline(always)]
    pub(crate) fn run(&self, most: usize, record_type: RecordType, request_id: u16) -> Option<Run> {
        let (first, each) = (self.content_left(), usize::from(self.whole));
        let record = HEADER_LEN + each;
        let records = 1 + most.checked_sub(first + HEADER_LEN)? / record;
        let records = records.min(Run::MOST);
        let len = first + records * record - each;
        // Runs of short records are made for tests only, whose streams are short.
        let is_worth_it = len >= most / 4 * 3 || cfg!(any(fuzzing, test));
        let has_more = u16::from(self.have | self.padding) > 0;
        if !is_worth_it || has_more || records < 2 || each == 0 {
            return None;
        }
        let header = RecordHeader {
            record_type,
            request_id,
            content: self.whole,
            padding: 0,
        };
        Some(Run {
            first,
            each,
            records,
            header: header.encode(),
        })
    }

    /// A [`Run`] was received: so many bytes of the content of its last record are still to come.
    pub(crate) fn go_on(&mut self, content: u16) {
        self.content = content;
    }

    /// `n` bytes of content were used: `n` is at most what `Step::Content` said.
    pub(crate) fn take(&mut self, n: usize) {
        debug_assert!(n <= self.content as usize);
        self.content -= n as u16;
    }

    /// Content of the current record that is still to come.
    pub(crate) fn content_left(&self) -> usize {
        self.content as usize
    }

    /// Whether the bytes so far end where a record ends.
    #[inline(always)]
    pub(crate) fn at_boundary(&self) -> bool {
        u16::from(self.have | self.padding) | self.content == 0
    }

    fn gather(&mut self, rest: &[u8], at: &mut usize) -> Option<[u8; HEADER_LEN]> {
        let have = self.have as usize;
        let taken = rest.len().min(HEADER_LEN - have);
        self.partial[have..have + taken].copy_from_slice(&rest[..taken]);
        *at += taken;
        if have + taken < HEADER_LEN {
            self.have = (have + taken) as u8;
            return None;
        }
        self.have = 0;
        Some(self.partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_ends_behind_a_header_where_that_is_not_much_less() {
        const MOST: usize = 128 << 10;
        let reading = |content: u16, left: usize| {
            let mut reader = RecordReader::default();
            let header = RecordHeader::new(RecordType::Stdin, 1, content).encode();
            let mut at = 0;
            reader.begin_content(&header, &mut at, RecordType::Stdin, 1);
            reader.take(usize::from(content) - left);
            reader.most_whole(MOST)
        };
        // Three records of 32 KiB, from a header on and from the middle of one.
        assert_eq!(reading(32 << 10, 32 << 10), 3 * (8 + (32 << 10)));
        assert_eq!(reading(32 << 10, 100), 100 + 8 + 3 * (8 + (32 << 10)));
        assert_eq!(reading(8 << 10, 0), 8 + 15 * (8 + (8 << 10)));
        // With padding.
        assert_eq!(reading(999, 999), 130 * (8 + 1000));
        // One of 64 KiB is far less than there is room for two.
        assert_eq!(reading(65535, 65535), MOST);
        // Before any record, and where one is cut into many.
        assert_eq!(RecordReader::default().most_whole(MOST), MOST);
        assert_eq!(reading(50 << 10, 10), 10 + 8 + 2 * (8 + (50 << 10)));
    }

    /// (content, its padding) of every record, read from pieces of `size` bytes.
    fn contents(stream: &[u8], size: usize) -> Vec<(RecordType, Vec<u8>)> {
        let mut reader = RecordReader::default();
        let mut found: Vec<(RecordType, Vec<u8>)> = Vec::new();
        for piece in stream.chunks(size) {
            let mut at = 0;
            loop {
                match reader.step(piece, &mut at) {
                    Step::Header(header) => found.push((header.record_type, Vec::new())),
                    Step::Content(n) => {
                        found
                            .last_mut()
                            .unwrap()
                            .1
                            .extend_from_slice(&piece[at..at + n]);
                        reader.take(n);
                        at += n;
                    }
                    Step::More => break,
                    Step::BadVersion(header) => panic!("{header:?}"),
                }
            }
            assert_eq!(at, piece.len());
        }
        assert!(reader.at_boundary());
        found
    }

    #[test]
    fn records_are_found_in_pieces_of_every_size() {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (length, padding) in [(0, 0), (0, 3), (5, 3), (8, 0), (1, 255), (300, 1), (0, 255)] {
            let content: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let header = RecordHeader {
                record_type: RecordType::Stdin,
                request_id: 1,
                content: length,
                padding,
            };
            stream.extend_from_slice(&header.encode());
            stream.extend_from_slice(&content);
            stream.extend(std::iter::repeat_n(0xee, padding as usize));
            expected.push((RecordType::Stdin, content));
        }
        for size in 1..=stream.len() {
            assert_eq!(contents(&stream, size), expected, "pieces of {size}");
        }
    }
}
