//! The one request that `bench` asks again and again, encoded once.

use super::plan::Plan;
use crate::protocol::{BeginRequest, MAX_CONTENT, RecordHeader, RecordType, Role, encode_pair};

/// The number that every request has: there is one at a time on a connection.
pub(super) const ID: u16 = 1;

/// The most content of one STDIN record: what nginx sends.
const BODY_RECORD: usize = 32 << 10;

/// All records of it.
pub(super) fn encoded(plan: &Plan) -> Vec<u8> {
    let asked = &plan.asked;
    let begin = BeginRequest {
        role: Role::Responder.number(),
        keep_conn: plan.keep_conn,
    };
    let mut params = Vec::new();
    for (name, value) in &asked.params {
        encode_pair(name, value, &mut params);
    }
    let mut bytes =
        Vec::with_capacity(asked.body.len() + asked.body.len() / 1024 + params.len() + 64);
    push(RecordType::BeginRequest, &begin.encode(), &mut bytes);
    for piece in params.chunks(MAX_CONTENT) {
        push(RecordType::Params, piece, &mut bytes);
    }
    push(RecordType::Params, b"", &mut bytes);
    for piece in asked.body.chunks(BODY_RECORD) {
        push(RecordType::Stdin, piece, &mut bytes);
    }
    push(RecordType::Stdin, b"", &mut bytes);
    bytes
}

fn push(record_type: RecordType, content: &[u8], bytes: &mut Vec<u8>) {
    let header = RecordHeader::new(record_type, ID, content.len() as u16);
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(header.padding), 0);
}
