//! The record: eight bytes of header, content, padding (specification, section 3.3).
//!
//! Everything on a FastCGI connection, in both directions, is a row of these.

/// The length of a record's header in bytes.
pub(crate) const HEADER_LEN: usize = 8;

/// The most content that we put into one record: the largest multiple of eight that fits into 16 bits,
/// so that full records need no padding.
pub(crate) const MAX_CONTENT: usize = 65528;

const VERSION: u8 = 1;

/// What a record is for (section 8, `FCGI_BEGIN_REQUEST` and its siblings).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordType {
    BeginRequest,
    AbortRequest,
    EndRequest,
    Params,
    Stdin,
    Stdout,
    Stderr,
    Data,
    GetValues,
    GetValuesResult,
    UnknownType,
    /// A number that the specification does not know.
    Other(u8),
}

impl RecordType {
    pub(crate) fn from_number(number: u8) -> RecordType {
        use RecordType::*;
        match number {
            1 => BeginRequest,
            2 => AbortRequest,
            3 => EndRequest,
            4 => Params,
            5 => Stdin,
            6 => Stdout,
            7 => Stderr,
            8 => Data,
            9 => GetValues,
            10 => GetValuesResult,
            11 => UnknownType,
            other => Other(other),
        }
    }

    pub(crate) const fn number(self) -> u8 {
        use RecordType::*;
        match self {
            BeginRequest => 1,
            AbortRequest => 2,
            EndRequest => 3,
            Params => 4,
            Stdin => 5,
            Stdout => 6,
            Stderr => 7,
            Data => 8,
            GetValues => 9,
            GetValuesResult => 10,
            UnknownType => 11,
            Other(number) => number,
        }
    }
}

/// What the web server asks an application to be (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Answers a request, as a CGI program does (section 6.2).
    Responder,
    /// Says whether a request may go on (section 6.3).
    Authorizer,
    /// Answers a request from a file that the web server sends along (section 6.4).
    Filter,
}

impl Role {
    pub(crate) const COUNT: usize = 3;

    /// Its place in a list of all of them.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn from_number(number: u16) -> Option<Role> {
        match number {
            1 => Some(Role::Responder),
            2 => Some(Role::Authorizer),
            3 => Some(Role::Filter),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u16 {
        match self {
            Role::Responder => 1,
            Role::Authorizer => 2,
            Role::Filter => 3,
        }
    }
}

/// How a request ended, for the protocol (section 5.5).
///
/// `FCGI_OVERLOADED` is missing on purpose: mod_proxy_fcgi 2.4.71 makes an empty 200 of it and HAProxy
/// 2.6.12 hangs, so load is refused with a real 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolStatus {
    RequestComplete,
    CantMpxConn,
    UnknownRole,
}

impl ProtocolStatus {
    pub(crate) const fn number(self) -> u8 {
        match self {
            ProtocolStatus::RequestComplete => 0,
            ProtocolStatus::CantMpxConn => 1,
            ProtocolStatus::UnknownRole => 3,
        }
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) record_type: RecordType,
    /// 0 for a management record, else the request that it belongs to.
    pub(crate) request_id: u16,
    pub(crate) content: u16,
    pub(crate) padding: u8,
}

impl RecordHeader {
    /// A header for `content` bytes, padded to a multiple of eight as section 3.3 recommends.
    pub(crate) const fn new(
        record_type: RecordType,
        request_id: u16,
        content: u16,
    ) -> RecordHeader {
        let padding = (content.wrapping_neg() & 7) as u8;
        RecordHeader {
            record_type,
            request_id,
            content,
            padding,
        }
    }

    /// `None` if the version is not 1: what follows is then not FastCGI.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Option<RecordHeader> {
        let [
            version,
            number,
            id1,
            id0,
            content1,
            content0,
            padding,
            _reserved,
        ] = *bytes;
        (version == VERSION).then_some(RecordHeader {
            record_type: RecordType::from_number(number),
            request_id: u16::from_be_bytes([id1, id0]),
            content: u16::from_be_bytes([content1, content0]),
            padding,
        })
    }

    pub(crate) const fn encode(self) -> [u8; HEADER_LEN] {
        let [id1, id0] = self.request_id.to_be_bytes();
        let [content1, content0] = self.content.to_be_bytes();
        [
            VERSION,
            self.record_type.number(),
            id1,
            id0,
            content1,
            content0,
            self.padding,
            0,
        ]
    }
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
}

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
                Step::Header(header)
            }
            None => Step::BadVersion(header),
        }
    }

    /// Passes over the padding that is here and the header of a wanted record with content, if that is what comes, whole.
    /// `None` if not, and nothing is changed.
    #[inline]
    pub(crate) fn begin_content(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        is_wanted: impl Fn(&RecordHeader) -> bool,
    ) -> Option<()> {
        debug_assert_eq!(self.content, 0);
        let start = *at + usize::from(self.padding);
        let header = bytes.get(start..)?.first_chunk()?;
        let header =
            RecordHeader::decode(header).filter(|header| self.have == 0 && is_wanted(header))?;
        if header.content == 0 {
            return None;
        }
        (self.content, self.padding) = (header.content, header.padding);
        *at = start + HEADER_LEN;
        Some(())
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
    pub(crate) fn at_boundary(&self) -> bool {
        self.have == 0 && self.content == 0 && self.padding == 0
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
    fn a_header_is_its_eight_bytes() {
        #[rustfmt::skip]
        let table: &[([u8; 8], RecordType, u16, u16, u8)] = &[
            ([1, 1, 0, 1, 0, 8, 0, 0], RecordType::BeginRequest, 1, 8, 0),
            ([1, 5, 0xff, 0xff, 0xff, 0xff, 255, 0], RecordType::Stdin, 65535, 65535, 255),
            ([1, 9, 0, 0, 0x12, 0x34, 4, 0], RecordType::GetValues, 0, 0x1234, 4),
            ([1, 77, 1, 0, 0, 0, 0, 0], RecordType::Other(77), 256, 0, 0),
        ];
        for &(bytes, record_type, request_id, content, padding) in table {
            let header = RecordHeader {
                record_type,
                request_id,
                content,
                padding,
            };
            assert_eq!(RecordHeader::decode(&bytes), Some(header));
            assert_eq!(header.encode(), bytes);
        }
        for version in [0, 2, b'G', 22, 255] {
            assert_eq!(RecordHeader::decode(&[version, 1, 0, 1, 0, 0, 0, 0]), None);
        }
        for number in 0..=255 {
            assert_eq!(RecordType::from_number(number).number(), number);
        }
    }

    #[test]
    fn a_new_header_pads_to_eight() {
        for (content, padding) in [(0, 0), (1, 7), (7, 1), (8, 0), (65528, 0), (65535, 1)] {
            assert_eq!(
                RecordHeader::new(RecordType::Stdout, 1, content).padding,
                padding
            );
        }
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
