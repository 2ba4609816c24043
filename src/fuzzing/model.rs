//! What a whole stream should come to, by the specification and by the rules of this library, read at once and without the
//! library's own code. Called by `connection`, and by `params` for pairs alone.
//!
//! The application is taken to be one that reads both streams to their ends and answers with what they brought.

use super::place::VALUES;
use std::collections::BTreeSet;
use std::fmt;

/// One of the answers on a connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// GET_VALUES_RESULT with this content.
    Values(Vec<u8>),
    /// UNKNOWN_TYPE.
    Unknown(u8),
    /// END_REQUEST alone: id and protocol status.
    End(u16, u8),
    /// STDOUT and END_REQUEST: id, status, and the body, if it is the application's.
    Page(u16, u16, Option<Vec<u8>>),
}

impl Answer {
    /// Whether it is an answer to no request that the application sees: it may come earlier or later than the answers to those.
    pub(super) fn is_aside(&self) -> bool {
        matches!(self, Answer::Values(_) | Answer::Unknown(_)) || matches!(self, Answer::End(_, 1))
    }
}

/// A request, as the application sees it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) role: u16,
    pub(super) params: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) data: Vec<u8>,
    /// Both streams came to their ends.
    pub(super) whole: bool,
}

/// Bytes as a failed test shows them: the first of them, on one line.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        let Shown(bytes) = self;
        match bytes.get(..MOST) {
            Some(first) => write!(f, "\"{}\"… {} bytes", first.escape_ascii(), bytes.len()),
            None => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

// Each on one line: a failed test shows many of them.

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Values(content) => write!(f, "Values({:?})", Shown(content)),
            Answer::Unknown(kind) => write!(f, "Unknown({kind})"),
            Answer::End(id, status) => write!(f, "End({id}, {status})"),
            Answer::Page(id, status, None) => write!(f, "Page({id}, {status})"),
            Answer::Page(id, status, Some(body)) => {
                write!(f, "Page({id}, {status}, {:?})", Shown(body))
            }
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role {} with", self.role)?;
        for (name, value) in &self.params {
            write!(f, " {:?}={:?}", Shown(name), Shown(value))?;
        }
        let (body, data, whole) = (Shown(&self.body), Shown(&self.data), self.whole);
        write!(f, ", body {body:?}, data {data:?}, whole: {whole}")
    }
}

/// What the stream comes to.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) requests: Vec<Seen>,
    pub(super) answers: Vec<Answer>,
    /// We end the connection.
    pub(super) closed: bool,
    /// What ended it may be a request in http: no record, before which the application saw no request. It is answered in http.
    pub(super) may_be_http: bool,
    /// The fields above say only how it begins: what follows depends on when the bytes arrive.
    pub(super) depends: bool,
    /// All ids that were begun.
    pub(super) ids: BTreeSet<u16>,
}

/// How the application is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// It answers all three roles, not just responders.
    pub(super) all_roles: bool,
    pub(super) max_body: usize,
    pub(super) max_pairs: usize,
    pub(super) max_pair: usize,
    /// It looks ahead while it reads: a BEGIN_REQUEST of another id is then one too many as long as nothing is answered.
    pub(super) looks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Params,
    Stdin,
    Data,
    /// Answered before its streams came to their ends: what still comes of them is dropped. A BEGIN_REQUEST before those ends
    /// is one too many if it is seen before END_REQUEST has left, and the next request if it is seen after.
    Left {
        stdin: bool,
    },
    Closed,
    /// Closed; but a look ahead may have seen what follows before the answer went out.
    Behind,
}

/// Reads `stream` by `rules`.
pub(super) fn expect(stream: &[u8], rules: Rules) -> Expected {
    let mut reading = Reading {
        rules,
        phase: Phase::Idle,
        id: 0,
        last: 0,
        role: 0,
        keep: false,
        params: Vec::new(),
        found: Expected::default(),
    };
    let mut at = 0;
    while let Some(header) = stream.get(at..at + 8) {
        if header[0] != 1 && reading.phase == Phase::Behind {
            break;
        }
        if header[0] != 1 {
            reading.fault();
            reading.found.may_be_http = reading.found.requests.is_empty()
                && !reading.found.answers.iter().any(is_page)
                && header[0].is_ascii_uppercase();
            break;
        }
        let number = |high: u8, low: u8| usize::from(high) << 8 | usize::from(low);
        let (id, length) = (number(header[2], header[3]), number(header[4], header[5]));
        let end = at + 8 + length;
        let content = &stream[at + 8..end.min(stream.len())];
        reading.record(header[1], id as u16, length, content);
        if reading.phase == Phase::Closed || reading.found.depends {
            break;
        }
        at = end + usize::from(header[6]);
    }
    reading.found.closed = matches!(reading.phase, Phase::Closed | Phase::Behind);
    reading.found.ids = begun(stream);
    reading.found
}

fn is_page(answer: &Answer) -> bool {
    matches!(answer, Answer::Page(..))
}

/// The ids of all BEGIN_REQUESTs, whatever becomes of them.
fn begun(stream: &[u8]) -> BTreeSet<u16> {
    let (mut ids, mut at) = (BTreeSet::new(), 0);
    while let Some(&[1, kind, id1, id0, len1, len0, padding, _]) = stream.get(at..at + 8) {
        if kind == 1 {
            ids.insert(u16::from_be_bytes([id1, id0]));
        }
        at += 8 + usize::from(u16::from_be_bytes([len1, len0])) + usize::from(padding);
    }
    ids
}

struct Reading {
    rules: Rules,
    phase: Phase,
    id: u16,
    /// The id of the request before, if the application has answered all of it.
    last: u16,
    role: u16,
    keep: bool,
    params: Vec<u8>,
    found: Expected,
}

impl Reading {
    fn record(&mut self, kind: u8, id: u16, length: usize, content: &[u8]) {
        if self.phase == Phase::Behind {
            return self.behind(kind, id, length);
        }
        let (whole, running) = (content.len() == length, self.phase != Phase::Idle);
        let ours = running && id == self.id;
        match (kind, id) {
            (9, 0) if whole => {
                let asked = &content[..length.min(1024)];
                self.found.answers.push(Answer::Values(values(asked)));
            }
            (9..=11, 0) => {}
            (_, 0) => self.found.answers.push(Answer::Unknown(kind)),
            (1, _) => self.begin(id, length, content, whole),
            (2, _) if self.rules.looks && !running && id == self.last => self.undecided(),
            _ if !ours => {}
            (2, _) => self.abort(),
            (4, _) if self.phase == Phase::Params && length == 0 => self.head(),
            (4, _) if self.phase == Phase::Params => self.params.extend_from_slice(content),
            (5, _) if self.phase == Phase::Params => self.fault(),
            (5, _) if length == 0 => self.stdin_end(),
            (5, _) if self.phase == Phase::Stdin => self.stdin(content),
            (8, _) if length == 0 => self.data_end(),
            (8, _) if self.phase == Phase::Data => {
                self.request().data.extend_from_slice(content);
            }
            _ => {}
        }
    }

    fn begin(&mut self, id: u16, length: usize, content: &[u8], whole: bool) {
        let ours = self.phase != Phase::Idle && id == self.id;
        let next = self.rules.looks && self.phase == Phase::Idle && ![0, id].contains(&self.last);
        match self.phase {
            Phase::Left { .. } if length >= 8 => self.found.depends = true,
            _ if length < 8 || ours => self.fault(),
            Phase::Idle if next => self.undecided(),
            Phase::Idle if whole => {
                (self.id, self.last, self.keep) = (id, 0, content[2] & 1 != 0);
                self.role = u16::from_be_bytes([content[0], content[1]]);
                self.params.clear();
                self.phase = Phase::Params;
                let most = if self.rules.all_roles { 3 } else { 1 };
                if !(1..=most).contains(&self.role) {
                    self.end(Answer::End(id, 3), Phase::Idle);
                }
            }
            Phase::Idle => {}
            _ => self.found.answers.push(Answer::End(id, 1)),
        }
    }

    /// What came behind the last request of a connection.
    fn behind(&mut self, kind: u8, id: u16, length: usize) {
        match kind {
            1 if id != 0 && id != self.last && length >= 8 => self.undecided(),
            2 if id == self.last => self.undecided(),
            _ => {}
        }
    }

    fn abort(&mut self) {
        let after = match self.phase {
            Phase::Params => Phase::Idle,
            Phase::Stdin => Phase::Left { stdin: true },
            Phase::Data => Phase::Left { stdin: false },
            _ => {
                self.phase = Phase::Idle;
                return;
            }
        };
        self.end(Answer::End(self.id, 0), after);
    }

    /// What has come now may be seen before the request in front of it is answered, or after: its answer cannot be foretold.
    fn undecided(&mut self) {
        if let Some(last) = self.found.answers.iter().rposition(is_page) {
            self.found.answers.remove(last);
        }
        self.found.requests.pop();
        self.found.depends = true;
    }

    fn head(&mut self) {
        let after = match self.role {
            2 => Phase::Idle,
            _ => Phase::Left { stdin: true },
        };
        match pairs(&self.params) {
            Some(params) => match refused(&params, self.rules) {
                Some(status) => self.end(Answer::Page(self.id, status, None), after),
                None => {
                    self.found.requests.push(Seen {
                        role: self.role,
                        params,
                        ..Seen::default()
                    });
                    match self.role {
                        2 => self.whole(),
                        _ => self.phase = Phase::Stdin,
                    }
                }
            },
            None => self.end(Answer::Page(self.id, 400, None), after),
        }
    }

    fn stdin(&mut self, content: &[u8]) {
        self.request().body.extend_from_slice(content);
        if self.request().body.len() > self.rules.max_body {
            self.end(
                Answer::Page(self.id, 413, None),
                Phase::Left { stdin: true },
            );
        }
    }

    fn stdin_end(&mut self) {
        self.phase = match (self.phase, self.role) {
            (Phase::Stdin, 3) => Phase::Data,
            (Phase::Stdin, _) => return self.whole(),
            (Phase::Left { stdin: true }, 3) => Phase::Left { stdin: false },
            (Phase::Left { stdin: true }, _) => Phase::Idle,
            (other, _) => other,
        };
    }

    fn data_end(&mut self) {
        match self.phase {
            Phase::Data => self.whole(),
            Phase::Left { stdin: false } => self.phase = Phase::Idle,
            _ => {}
        }
    }

    /// A request's streams are at their ends, and it is answered with what they brought.
    fn whole(&mut self) {
        let request = self.request();
        request.whole = true;
        let mut methods = request.params.iter().rev();
        let method = methods.find(|(name, _)| name == b"REQUEST_METHOD");
        let body = match method {
            Some((_, value)) if value == b"HEAD" => Vec::new(),
            _ => [&request.body[..], &request.data].concat(),
        };
        self.end(Answer::Page(self.id, 200, Some(body)), Phase::Idle);
        self.last = self.id;
        if self.rules.looks && !self.keep {
            self.phase = Phase::Behind;
        }
    }

    fn fault(&mut self) {
        if matches!(self.phase, Phase::Stdin | Phase::Data) {
            self.found.answers.push(Answer::Page(self.id, 400, None));
        }
        self.phase = Phase::Closed;
    }

    fn end(&mut self, answer: Answer, after: Phase) {
        // Over a limit the connection is closed, whatever was asked for.
        self.keep &= !matches!(answer, Answer::Page(_, 413 | 431, _));
        self.found.answers.push(answer);
        self.phase = if self.keep { after } else { Phase::Closed };
    }

    fn request(&mut self) -> &mut Seen {
        let request = self.found.requests.last_mut();
        request.expect("BUG: there is a request in these phases")
    }
}

/// The status of what no application sees.
fn refused(params: &[(Vec<u8>, Vec<u8>)], rules: Rules) -> Option<u16> {
    let last = |wanted: &[u8]| {
        let mut values = params.iter().rev().filter(|(name, _)| name == wanted);
        values.next().map(|(_, value)| value)
    };
    let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len();
    if params.len() > rules.max_pairs || params.iter().any(|pair| size(pair) > rules.max_pair) {
        return Some(431);
    }
    let needed: [&[u8]; 3] = [b"REQUEST_METHOD", b"REQUEST_URI", b"SCRIPT_NAME"];
    if needed.iter().all(|name| last(name).is_none()) {
        return Some(500);
    }
    let encoding = last(b"CONTENT_TRANSFER_ENCODING")?;
    encoding.eq_ignore_ascii_case(b"chunked").then_some(411)
}

/// The content of GET_VALUES_RESULT.
fn values(asked: &[u8]) -> Vec<u8> {
    let (connections, requests) = VALUES;
    let all = [
        ("FCGI_MAX_CONNS", connections),
        ("FCGI_MAX_REQS", requests),
        ("FCGI_MPXS_CONNS", 0),
    ];
    let mut content = Vec::new();
    for (name, value) in all {
        let (mut rest, mut found) = (asked, false);
        while let Some(((asked, _), behind)) = pair(rest) {
            (rest, found) = (behind, found || asked == name.as_bytes());
        }
        if found {
            let value = value.to_string();
            content.extend([name.len() as u8, value.len() as u8]);
            content.extend([name.as_bytes(), value.as_bytes()].concat());
        }
    }
    content
}

/// All pairs (section 3.4); `None` if the last one is not whole.
pub(super) fn pairs(mut stream: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = Vec::new();
    while !stream.is_empty() {
        let ((name, value), rest) = pair(stream)?;
        pairs.push((name.to_vec(), value.to_vec()));
        stream = rest;
    }
    Some(pairs)
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The first pair, and what is behind it.
fn pair(stream: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (name_length, rest) = length(stream)?;
    let (value_length, rest) = length(rest)?;
    let (name, rest) = rest.split_at_checked(name_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some(((name, value), rest))
}

fn length(stream: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = stream.split_first()?;
    if first < 128 {
        return Some((usize::from(first), rest));
    }
    let (low, rest) = rest.split_at_checked(3)?;
    let number = low.iter().fold(usize::from(first - 128), |number, &byte| {
        number * 256 + usize::from(byte)
    });
    Some((number, rest))
}
