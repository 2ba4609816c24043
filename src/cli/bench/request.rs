//! The one request that `bench` asks again and again, encoded once.

use super::plan::Plan;
use crate::protocol::{BeginRequest, MAX_CONTENT, RecordType, Role, append_record, encode_pair};

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
    append_record(RecordType::BeginRequest, ID, &begin.encode(), &mut bytes);
    for piece in params.chunks(MAX_CONTENT) {
        append_record(RecordType::Params, ID, piece, &mut bytes);
    }
    append_record(RecordType::Params, ID, b"", &mut bytes);
    for piece in asked.body.chunks(BODY_RECORD) {
        append_record(RecordType::Stdin, ID, piece, &mut bytes);
    }
    append_record(RecordType::Stdin, ID, b"", &mut bytes);
    bytes
}
