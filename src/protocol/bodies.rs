//! The contents of fixed shape: BEGIN_REQUEST, END_REQUEST and the management records. Called by
//! `sequence` and `multiplex`, and by `client` for the other end.

use super::record::{HEADER_LEN, ProtocolStatus, RecordHeader, RecordType, append_record};
use super::{Pairs, encode_pair};

/// The content of BEGIN_REQUEST (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BeginRequest {
    /// A number, not a [`Role`](super::Role): a role that nobody knows has an answer of its own.
    pub(crate) role: u16,
    pub(crate) keep_conn: bool,
}

impl BeginRequest {
    pub(crate) const LEN: usize = 8;

    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> BeginRequest {
        let [role1, role0, flags, ..] = *bytes;
        BeginRequest {
            role: u16::from_be_bytes([role1, role0]),
            keep_conn: flags & 1 != 0,
        }
    }

    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        let [role1, role0] = self.role.to_be_bytes();
        [role1, role0, self.keep_conn as u8, 0, 0, 0, 0, 0]
    }
}

/// END_REQUEST (section 5.5), a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndRequest {
    pub(crate) app_status: u32,
    pub(crate) protocol_status: u8,
}

impl EndRequest {
    pub(crate) const LEN: usize = 8;
    pub(crate) const RECORD_LEN: usize = HEADER_LEN + Self::LEN;

    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> EndRequest {
        let [a3, a2, a1, a0, protocol_status, ..] = *bytes;
        EndRequest {
            app_status: u32::from_be_bytes([a3, a2, a1, a0]),
            protocol_status,
        }
    }

    pub(crate) const fn record(request_id: u16, status: ProtocolStatus) -> [u8; Self::RECORD_LEN] {
        let mut record = [0; Self::RECORD_LEN];
        let header = RecordHeader::new(RecordType::EndRequest, request_id, Self::LEN as u16);
        record
            .split_at_mut(HEADER_LEN)
            .0
            .copy_from_slice(&header.encode());
        record[HEADER_LEN + 4] = status.number();
        record
    }
}

/// UNKNOWN_TYPE (section 4.2), a whole record.
pub(crate) fn unknown_type(number: u8) -> [u8; 16] {
    let mut record = [0; 16];
    let header = RecordHeader::new(RecordType::UnknownType, 0, 8);
    record[..HEADER_LEN].copy_from_slice(&header.encode());
    record[HEADER_LEN] = number;
    record
}

/// GET_VALUES_RESULT (section 4.1), a whole record: the asked names that we know, each once.
///
/// HAProxy (`option get-values`) is the one server that was seen to ask, before its first request.
pub(crate) fn values_result(
    asked: &[u8],
    max_conns: usize,
    max_reqs: usize,
    multiplexes: bool,
) -> Vec<u8> {
    let known = [
        (&b"FCGI_MAX_CONNS"[..], max_conns.to_string()),
        (b"FCGI_MAX_REQS", max_reqs.to_string()),
        (b"FCGI_MPXS_CONNS", u8::from(multiplexes).to_string()),
    ];
    let mut content = Vec::new();
    for (name, value) in known {
        if Pairs::new(asked).any(|(asked, _)| asked == name) {
            encode_pair(name, value.as_bytes(), &mut content);
        }
    }
    let mut record = Vec::new();
    append_record(RecordType::GetValuesResult, 0, &content, &mut record);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_request_is_its_eight_bytes() {
        let table = [
            (
                [0, 1, 0, 0, 0, 0, 0, 0],
                BeginRequest {
                    role: 1,
                    keep_conn: false,
                },
            ),
            (
                [0, 3, 1, 0, 0, 0, 0, 0],
                BeginRequest {
                    role: 3,
                    keep_conn: true,
                },
            ),
            (
                [0xff, 0xfe, 1, 0, 0, 0, 0, 0],
                BeginRequest {
                    role: 0xfffe,
                    keep_conn: true,
                },
            ),
        ];
        for (bytes, begin) in table {
            assert_eq!(BeginRequest::decode(&bytes), begin);
            assert_eq!(begin.encode(), bytes);
        }
        assert!(
            !BeginRequest::decode(&[0, 1, 0xfe, 9, 9, 9, 9, 9]).keep_conn,
            "other flags are not ours"
        );
    }

    #[test]
    fn end_request_is_a_whole_record() {
        let record = EndRequest::record(0x1234, ProtocolStatus::UnknownRole);
        assert_eq!(
            record,
            [1, 3, 0x12, 0x34, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]
        );
        let content = record.last_chunk().unwrap();
        assert_eq!(
            EndRequest::decode(content),
            EndRequest {
                app_status: 0,
                protocol_status: 3
            }
        );
    }

    #[test]
    fn values_are_answered_once_and_unknown_names_left_out() {
        let mut asked = Vec::new();
        for name in [
            "FCGI_MPXS_CONNS",
            "NO_SUCH",
            "FCGI_MAX_REQS",
            "FCGI_MPXS_CONNS",
        ] {
            encode_pair(name.as_bytes(), b"", &mut asked);
        }
        let record = values_result(&asked, 100, 4, false);
        let header = RecordHeader::decode(record.first_chunk().unwrap()).unwrap();
        assert_eq!(
            (header.record_type, header.request_id),
            (RecordType::GetValuesResult, 0)
        );
        let content = &record[HEADER_LEN..HEADER_LEN + header.content as usize];
        let pairs: Vec<_> = Pairs::new(content).collect();
        assert_eq!(
            pairs,
            [
                (&b"FCGI_MAX_REQS"[..], &b"4"[..]),
                (b"FCGI_MPXS_CONNS", b"0")
            ]
        );
    }

    #[test]
    fn unknown_type_names_the_type_and_no_request() {
        assert_eq!(
            unknown_type(77),
            [1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0]
        );
    }
}
