//! The one request that `bench` asks again and again, encoded once.

use crate::cli::flags::Bench;
use crate::protocol::{BeginRequest, MAX_CONTENT, RecordHeader, RecordType, Role, encode_pair};

/// The number that every request has: there is one at a time on a connection.
pub(super) const ID: u16 = 1;

/// The most content of one STDIN record: what nginx sends.
const BODY_RECORD: usize = 32 << 10;

/// All records of it.
pub(super) fn encoded(plan: &Bench) -> Vec<u8> {
    let begin = BeginRequest {
        role: Role::Responder.number(),
        keep_conn: plan.keep_conn,
    };
    let mut params = Vec::new();
    for (name, value) in params_of(plan) {
        encode_pair(name.as_bytes(), value.as_bytes(), &mut params);
    }
    let mut bytes =
        Vec::with_capacity(plan.body.len() + plan.body.len() / 1024 + params.len() + 64);
    push(RecordType::BeginRequest, &begin.encode(), &mut bytes);
    for piece in params.chunks(MAX_CONTENT) {
        push(RecordType::Params, piece, &mut bytes);
    }
    push(RecordType::Params, b"", &mut bytes);
    for piece in plan.body.chunks(BODY_RECORD) {
        push(RecordType::Stdin, piece, &mut bytes);
    }
    push(RecordType::Stdin, b"", &mut bytes);
    bytes
}

/// What a web server sends that gives the application everything below `/`. What is asked for comes last, and replaces.
fn params_of(plan: &Bench) -> Vec<(String, String)> {
    let (path, query) = plan.target.split_once('?').unwrap_or((&plan.target, ""));
    let decoded = decoded(path);
    let length = match plan.body.len() {
        0 => String::new(),
        length => length.to_string(),
    };
    let mut params: Vec<(String, String)> = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        (
            "SERVER_SOFTWARE",
            concat!("fcgi-bench/", env!("CARGO_PKG_VERSION")),
        ),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_ADDR", "127.0.0.1"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "50000"),
        ("REQUEST_METHOD", &plan.method),
        ("REQUEST_SCHEME", "http"),
        ("REQUEST_URI", &plan.target),
        ("DOCUMENT_URI", &decoded),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", &decoded),
        ("QUERY_STRING", query),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", &length),
        ("HTTP_HOST", "localhost"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in &plan.params {
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => old.clone_from(value),
            None => params.push((name.clone(), value.clone())),
        }
    }
    params
}

fn push(record_type: RecordType, content: &[u8], bytes: &mut Vec<u8>) {
    let header = RecordHeader::new(record_type, ID, content.len() as u16);
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(header.padding), 0);
}

/// Without its percent signs; one that two digits do not follow stays.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|&[high, low]| Some(digit(high)? * 16 + digit(low)?));
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (sent, wanted) in [
            ("/a%20b", "/a b"),
            ("/%2541", "/%41"),
            ("/100%", "/100%"),
            ("/%zz", "/%zz"),
        ] {
            assert_eq!(decoded(sent), wanted);
        }
    }
}
