//! The bytes of a connection as lines for a person, a line for each record. Called by `get` for `--verbose`. Pure.

use crate::client::{MAX_PARAMS, Way};
use crate::protocol::{
    BeginRequest, EndRequest, Pairs, RecordHeader, RecordReader, RecordType, Role, Step,
};

/// So many bytes of a record's content are shown.
const SHOWN: usize = 60;

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct Trace {
    sent: Side,
    received: Side,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    reader: RecordReader,
    header: Option<RecordHeader>,
    /// The content of the current record, or the front of it.
    content: Vec<u8>,
    /// What has come of the stream of parameters; at most `MAX_PARAMS` bytes, whatever the other side sends.
    params: Vec<u8>,
    /// Something came that is no record: where records would begin behind it is not known.
    is_lost: bool,
}

impl Trace {
    /// The lines of the records that end in `bytes`.
    pub(super) fn lines(&mut self, way: Way, bytes: &[u8]) -> String {
        let (side, mark) = match way {
            Way::Sent => (&mut self.sent, '>'),
            Way::Received => (&mut self.received, '<'),
        };
        let mut text = String::new();
        for line in side.lines(bytes) {
            text += &format!("{mark} {line}\n");
        }
        text
    }
}

impl Side {
    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let (mut lines, mut at) = (Vec::new(), 0);
        while !self.is_lost {
            match self.reader.step(bytes, &mut at) {
                Step::More => break,
                Step::Header(header) => {
                    self.header = Some(header);
                    self.content.clear();
                }
                Step::Content(n) => {
                    self.take(&bytes[at..at + n]);
                    at += n;
                }
                Step::BadVersion(bytes) => {
                    self.is_lost = true;
                    lines.push(format!("no record: {}", shown(&bytes, bytes.len())));
                }
            }
            if self.reader.content_left() == 0
                && let Some(header) = self.header.take()
            {
                self.tell(header, &mut lines);
            }
        }
        lines
    }

    fn take(&mut self, content: &[u8]) {
        self.reader.take(content.len());
        match self.header.map(|header| header.record_type) {
            Some(RecordType::Params) => {
                let room = MAX_PARAMS.saturating_sub(self.params.len());
                self.params
                    .extend_from_slice(&content[..content.len().min(room)]);
            }
            _ => {
                let room = SHOWN.saturating_sub(self.content.len());
                self.content
                    .extend_from_slice(&content[..content.len().min(room)]);
            }
        }
    }

    /// Adds the line of a record that is whole; at the end of the parameters, a line for each of them.
    fn tell(&mut self, header: RecordHeader, lines: &mut Vec<String>) {
        use RecordType::*;
        let length = usize::from(header.content);
        let is_end = length == 0 && !matches!(header.record_type, AbortRequest);
        let fixed = self.content.first_chunk();
        let words = match (header.record_type, fixed) {
            (BeginRequest, Some(fixed)) => begun(fixed),
            (EndRequest, Some(fixed)) => ended(self::EndRequest::decode(fixed)),
            (Params, _) if !is_end => String::new(),
            _ if is_end => "its end".to_owned(),
            _ => shown(&self.content, length),
        };
        let line = format!(
            "{} {}, {length} bytes{}{words}",
            name(header.record_type),
            header.request_id,
            if words.is_empty() { "" } else { ": " }
        );
        lines.push(line);
        if header.record_type == Params && is_end {
            for (name, value) in Pairs::new(&self.params) {
                lines.push(format!(
                    "  {}={}",
                    name.escape_ascii(),
                    value.escape_ascii()
                ));
            }
            self.params.clear();
        }
    }
}

/// The specification's name of a type of record.
fn name(record_type: RecordType) -> String {
    use RecordType::*;
    let name = match record_type {
        BeginRequest => "BEGIN_REQUEST",
        AbortRequest => "ABORT_REQUEST",
        EndRequest => "END_REQUEST",
        Params => "PARAMS",
        Stdin => "STDIN",
        Stdout => "STDOUT",
        Stderr => "STDERR",
        Data => "DATA",
        GetValues => "GET_VALUES",
        GetValuesResult => "GET_VALUES_RESULT",
        UnknownType => "UNKNOWN_TYPE",
        Other(number) => return format!("type {number}"),
    };
    name.to_owned()
}

fn begun(content: &[u8; BeginRequest::LEN]) -> String {
    let begin = BeginRequest::decode(content);
    let role = match Role::from_number(begin.role) {
        Some(Role::Responder) => "responder",
        Some(Role::Authorizer) => "authorizer",
        Some(Role::Filter) => "filter",
        None => "unknown role",
    };
    let kept = if begin.keep_conn { "kept" } else { "not kept" };
    format!("{role}, connection {kept}")
}

fn ended(end: EndRequest) -> String {
    format!(
        "application status {}, protocol status {}",
        end.app_status, end.protocol_status
    )
}

/// The front of a content that is `length` bytes long, in quotes.
fn shown(front: &[u8], length: usize) -> String {
    let more = if front.len() < length { "…" } else { "" };
    format!("\"{}\"{more}", front.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, whatever the pieces are.
    #[track_caller]
    fn lines(way: Way, stream: &[u8]) -> String {
        let whole = Trace::default().lines(way, stream);
        for size in 1..stream.len() {
            let mut trace = Trace::default();
            let pieces = stream.chunks(size).map(|piece| trace.lines(way, piece));
            assert_eq!(pieces.collect::<String>(), whole, "pieces of {size}");
        }
        whole
    }

    #[test]
    fn a_request_is_its_records_and_its_parameters() {
        let stream = [
            &[1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..],
            &[1, 4, 0, 1, 0, 3, 5, 0, 1, 2, b'A', 0, 0, 0, 0, 0],
            &[1, 4, 0, 1, 0, 2, 0, 0, b'b', b'\n'],
            &[1, 4, 0, 1, 0, 0, 0, 0],
            &[1, 5, 0, 1, 0, 1, 0, 0, b'x', 1, 5, 0, 1, 0, 0, 0, 0],
            &[1, 2, 0, 1, 0, 0, 0, 0],
        ]
        .concat();
        let wanted = "> BEGIN_REQUEST 1, 8 bytes: responder, connection not kept\n\
                      > PARAMS 1, 3 bytes\n> PARAMS 1, 2 bytes\n> PARAMS 1, 0 bytes: its end\n>   A=b\\n\n\
                      > STDIN 1, 1 bytes: \"x\"\n> STDIN 1, 0 bytes: its end\n> ABORT_REQUEST 1, 0 bytes: \"\"\n";
        assert_eq!(lines(Way::Sent, &stream), wanted);
    }

    #[test]
    fn parameters_without_an_end_are_not_held() {
        let mut trace = Trace::default();
        for _ in 0..MAX_PARAMS / 1000 {
            trace.lines(Way::Received, &[1, 4, 0, 1, 0x07, 0xd0, 0, 0]);
            trace.lines(Way::Received, &[b'x'; 2000]);
        }
        assert!(trace.received.params.len() <= MAX_PARAMS);
    }

    #[test]
    fn of_an_answer_the_front_is_shown() {
        let mut stream = vec![1, 6, 0, 1, 0, 70, 2, 0];
        stream.extend([b'x'; 70]);
        stream.extend([9, 9, 1, 7, 0, 1, 0, 1, 0, 0, 0xe9, 1, 77, 0, 0, 0, 0, 0, 0]);
        stream.extend([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0]);
        stream.extend(b"HTTP/1.1 200 OK");
        let wanted = format!(
            "< STDOUT 1, 70 bytes: \"{}\"…\n< STDERR 1, 1 bytes: \"\\xe9\"\n< type 77 0, 0 bytes: its end\n\
             < END_REQUEST 1, 8 bytes: application status 256, protocol status 2\n< no record: \"HTTP/1.1\"\n",
            "x".repeat(60)
        );
        assert_eq!(lines(Way::Received, &stream), wanted);
    }
}
