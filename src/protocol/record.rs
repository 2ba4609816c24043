//! The record: eight bytes of header, content, padding (specification, section 3.3). Called by `reader`, and by whoever sends one.
//!
//! Everything on a FastCGI connection, in both directions, is a row of these.

/// The length of a record's header in bytes.
pub(crate) const HEADER_LEN: usize = 8;

/// The most content that we put into one record: the largest multiple of eight that fits into 16 bits,
/// so that full records need no padding.
pub(crate) const MAX_CONTENT: usize = 65528;

pub(super) const VERSION: u8 = 1;

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
///
/// ```
/// # use fcgi::{Role, testing::request};
/// # let answer = request("GET", "/").call(|req, res| {
/// assert_eq!(req.role(), Role::Responder);
/// # res.send("") });
/// # assert_eq!(answer.status(), 200, "{answer:?}");
/// ```
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

    pub(crate) const fn number(self) -> u16 {
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
    #[inline(always)]
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

    #[inline(always)]
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

/// Appends a whole record, padded. Its content is at most [`MAX_CONTENT`] bytes.
pub(crate) fn append_record(
    record_type: RecordType,
    request_id: u16,
    content: &[u8],
    to: &mut Vec<u8>,
) {
    debug_assert!(content.len() <= MAX_CONTENT);
    let header = RecordHeader::new(record_type, request_id, content.len() as u16);
    to.reserve(HEADER_LEN + content.len() + usize::from(header.padding));
    to.extend_from_slice(&header.encode());
    to.extend_from_slice(content);
    to.resize(to.len() + usize::from(header.padding), 0);
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

    #[test]
    fn an_appended_record_stands_whole_behind_what_was_there() {
        let mut bytes = vec![7];
        append_record(RecordType::Stdin, 0x0102, b"abc", &mut bytes);
        append_record(RecordType::Stdin, 1, b"", &mut bytes);
        assert_eq!(bytes[..9], [7, 1, 5, 1, 2, 0, 3, 5, 0]);
        assert_eq!(bytes[9..17], *b"abc\0\0\0\0\0");
        assert_eq!(bytes[17..], [1, 5, 0, 1, 0, 0, 0, 0]);
    }
}
