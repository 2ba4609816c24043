//! A whole connection, against a model of what it should come to. Called by the target `connection`.
//!
//! ```text
//! manner: u8 | cuts: u8 | if the handler is wild: length: u8, script | the stream that a web server writes
//! ```
//!
//! Whatever arrives, the connection ends when the web server ends it, and answers in whole records, of ids that were
//! begun. A handler that reads all before it answers sees and answers what the model says, however the stream is cut.
//!
//! It is worth something only while it finds what is wrong: `tests/fuzz/README.md` has what was planted, and how soon it was
//! found.

use super::model::{Answer, Expected, Rules, Seen, expect};
use super::peer::{Cuts, Peer, Place, Served, limits};
use crate::connection::{Failure, Handle};
use crate::error::Error;
use crate::protocol::{RecordType, Role};
use crate::request::Request;
use crate::response::{Response, ResponseBody};
use crate::stranger::ANSWER;
use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, Read, Write};

/// Longer streams find nothing that shorter ones do not: the limits are small too.
const LONGEST: usize = 16 << 10;

/// The most of one body, where there is a limit.
const MAX_BODY: u64 = 1000;

/// How much may wait for the peer before a socket is full, and an answer is cut for its peer's fault.
const MOST_AT_ONCE: usize = 16 << 10;

/// What kind of application it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// It looks for an abort each time before it reads.
    pub(super) looks: bool,
    pub(super) all_roles: bool,
    pub(super) max_body: bool,
    /// How much it reads at a time.
    pub(super) reads: usize,
}

impl Manner {
    /// Reads all there is to read, in every role.
    #[cfg(test)]
    pub(super) const READER: Manner = Manner {
        looks: false,
        all_roles: true,
        max_body: false,
        reads: 5000,
    };
    /// As that, and looks ahead.
    #[cfg(test)]
    pub(super) const LOOKER: Manner = Manner {
        looks: true,
        ..Manner::READER
    };

    fn of(byte: u8) -> Manner {
        let looks = byte & 1 != 0;
        Manner {
            looks,
            all_roles: byte & 2 != 0,
            // A look sees an abort behind a body that is too long, and is right to.
            max_body: byte & 4 != 0 && !looks,
            reads: [1, 7, 100, 5000][usize::from(byte >> 4 & 3)],
        }
    }

    fn rules(self) -> Rules {
        let limits = limits();
        Rules {
            all_roles: self.all_roles,
            max_body: if self.max_body {
                MAX_BODY as usize
            } else {
                usize::MAX
            },
            max_pairs: limits.max_pairs,
            max_pair: limits.max_pair,
            looks: self.looks,
        }
    }

    pub(super) fn place(self) -> Place {
        let mut limits = limits();
        if self.max_body {
            limits.max_body = MAX_BODY;
        }
        Place::new(limits)
    }
}

/// Serves the connection that `data` says.
///
/// # Panics
/// When it does not come to what it should.
pub fn connection(data: &[u8]) {
    let [manner, cuts, rest @ ..] = data else {
        return;
    };
    if rest.len() > LONGEST {
        return;
    }
    let (cuts, is_wild) = (Cuts::Seed(*cuts), manner & 8 != 0);
    let manner = Manner::of(*manner);
    if !is_wild {
        check(&mut manner.place(), manner, rest, cuts);
        return;
    }
    let Some((&length, rest)) = rest.split_first() else {
        return;
    };
    let (script, stream) = rest.split_at(usize::from(length % 64).min(rest.len()));
    let served = manner.place().serve(stream, cuts, |peer| {
        Box::new(Wild {
            peer,
            manner,
            script,
        })
    });
    let expected = expect(stream, manner.rules());
    answers(&served, &expected);
}

/// What a connection came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) seen: Vec<Seen>,
    pub(super) answers: Vec<Answer>,
    /// We ended it before the web server did.
    pub(super) closed: bool,
}

/// Serves a connection with a handler that reads all before it answers. What it saw, and what was answered.
///
/// # Panics
/// When that is not what the model says.
pub(super) fn check(place: &mut Place, manner: Manner, stream: &[u8], cuts: Cuts) -> Checked {
    let seen = RefCell::default();
    let served = place.serve(stream, cuts, |peer| {
        Box::new(Faithful {
            peer,
            manner,
            seen: &seen,
        })
    });
    let seen = seen.into_inner();
    let expected = expect(stream, manner.rules());
    let answers = answers(&served, &expected);
    if served.most_at_once <= MOST_AT_ONCE {
        compare(manner, &seen, &answers, served.closed, &expected);
    }
    Checked {
        seen,
        answers,
        closed: served.closed,
    }
}

/// # Panics
/// When it is not what was expected.
fn compare(manner: Manner, seen: &[Seen], answers: &[Answer], closed: bool, expected: &Expected) {
    let aside = |answers: &[Answer]| -> Vec<Answer> {
        let aside = answers.iter().filter(|answer| answer.is_aside());
        aside.cloned().collect()
    };
    let of_requests = |answers: &[Answer]| -> Vec<Answer> {
        let others = answers.iter().filter(|answer| !answer.is_aside());
        others.cloned().collect()
    };
    if manner.looks {
        // It sees a question earlier than it answers the request; and one behind the last request at all.
        begins(&aside(answers), &aside(&expected.answers));
        begins(&of_requests(answers), &of_requests(&expected.answers));
        if !expected.depends {
            assert_eq!(of_requests(answers), of_requests(&expected.answers));
        }
    } else {
        begins(answers, &expected.answers);
    }
    for (seen, expected) in seen.iter().zip(&expected.requests) {
        saw(seen, expected, manner.rules());
    }
    let count = expected.requests.len();
    assert!(seen.len() >= count, "{seen:?}");
    if !expected.depends {
        assert_eq!(seen.len(), count, "{seen:?}");
        assert_eq!(closed, expected.closed, "closed, {answers:?}");
        assert!(
            manner.looks || answers == expected.answers,
            "{answers:?}, {:?}",
            expected.answers
        );
    }
}

#[track_caller]
fn begins<T: PartialEq + std::fmt::Debug>(found: &[T], start: &[T]) {
    assert!(
        found.starts_with(start),
        "{found:#?} does not begin as {start:#?}"
    );
}

/// The request was seen as it was sent.
fn saw(seen: &Seen, expected: &Seen, rules: Rules) {
    let head = |seen: &Seen| (seen.role, seen.params.clone(), seen.whole);
    assert_eq!(head(seen), head(expected));
    if !seen.whole && (rules.looks || expected.body.len() > rules.max_body) {
        // How much came before the error, depends on how it is cut.
        assert!(expected.body.starts_with(&seen.body));
        assert!(expected.data.starts_with(&seen.data));
    } else {
        let text =
            |seen: &Seen| [&seen.body, &seen.data].map(|part| part.escape_ascii().to_string());
        assert_eq!(text(seen), text(expected));
    }
}

/// Reads the answers.
///
/// # Panics
/// When they are not whole records in an order that a web server understands.
fn answers(served: &Served, expected: &Expected) -> Vec<Answer> {
    let mut found = Vec::new();
    let mut rest = &served.answers[..];
    // STDOUT of the request that is being answered; whether it has ended.
    let mut page: Option<(u16, Vec<u8>, bool)> = None;
    while !rest.is_empty() {
        if rest == ANSWER && expected.may_be_http {
            break;
        }
        let Some((kind, id, content, behind)) = record(rest) else {
            assert!(
                served.most_at_once > MOST_AT_ONCE,
                "a record is cut: {rest:?}"
            );
            return found;
        };
        rest = behind;
        match RecordType::from_number(kind) {
            RecordType::GetValuesResult if id == 0 => found.push(Answer::Values(content.to_vec())),
            RecordType::UnknownType if id == 0 => {
                assert_eq!((content.len(), &content[1..]), (8, &[0; 7][..]));
                found.push(Answer::Unknown(content[0]));
            }
            RecordType::Stdout => {
                let (open, stdout, ended) = page.get_or_insert((id, Vec::new(), false));
                assert_eq!(
                    (*open, *ended),
                    (id, false),
                    "STDOUT of the request that runs"
                );
                stdout.extend_from_slice(content);
                *ended = content.is_empty();
            }
            RecordType::Stderr => assert!(!content.is_empty(), "nobody ends stderr"),
            RecordType::EndRequest => {
                let [0, 0, 0, 0, status, 0, 0, 0] = *content else {
                    panic!("END_REQUEST is {content:?}");
                };
                assert!(matches!(status, 0 | 1 | 3), "a status of {status}");
                match page.take_if(|(open, ..)| *open == id && status == 0) {
                    Some((_, stdout, true)) => found.push(whole(id, &stdout)),
                    Some(page) => panic!("END_REQUEST before the end of STDOUT: {page:?}"),
                    None => found.push(Answer::End(id, status)),
                }
            }
            other => panic!("a record of type {other:?}, id {id}"),
        }
        assert!(id == 0 || expected.ids.contains(&id), "{id} was not asked");
    }
    found
}

/// An answer of the application's, or a page of ours.
fn whole(id: u16, stdout: &[u8]) -> Answer {
    let head = stdout
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {:?}", stdout.escape_ascii().to_string()));
    let status = stdout
        .strip_prefix(b"Status: ")
        .and_then(|rest| std::str::from_utf8(&rest[..3]).ok()?.parse().ok())
        .unwrap_or_else(|| panic!("no status: {:?}", stdout.escape_ascii().to_string()));
    let body = (status == 200).then(|| stdout[head + 4..].to_vec());
    Answer::Page(id, status, body)
}

/// Type, id, content of the first record, and what is behind it.
fn record(bytes: &[u8]) -> Option<(u8, u16, &[u8], &[u8])> {
    let (&[version, kind, id1, id0, len1, len0, padding, reserved], rest) =
        bytes.split_first_chunk()?;
    assert_eq!((version, reserved), (1, 0), "{bytes:?}");
    let (content, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([len1, len0])))?;
    let (padding, rest) = rest.split_at_checked(usize::from(padding))?;
    let is_padded = (content.len() + padding.len()).is_multiple_of(8) && padding.len() < 8;
    assert!(
        is_padded && padding.iter().all(|&byte| byte == 0),
        "{padding:?}"
    );
    Some((kind, u16::from_be_bytes([id1, id0]), content, rest))
}

/// Reads both streams to their ends, and answers with what they brought.
struct Faithful<'p, 'd> {
    peer: &'p Peer<'d>,
    manner: Manner,
    seen: &'p RefCell<Vec<Seen>>,
}

impl Handle for Faithful<'_, '_> {
    fn has_role(&self, role: Role) -> bool {
        self.manner.all_roles || role == Role::Responder
    }

    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure> {
        let params = request.params();
        let mut seen = Seen {
            role: request.role().number(),
            params: params.map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
            ..Seen::default()
        };
        let read = self
            .read(request, false, &mut seen.body)
            .and_then(|()| self.read(request, true, &mut seen.data));
        seen.whole = read.is_ok();
        let page = [&seen.body[..], &seen.data].concat();
        self.seen.borrow_mut().push(seen);
        read.map_err(Error::from)
            .and_then(|()| response.send(page))
            .map_err(Failure::Error)
    }

    fn failed(&mut self, _: &Failure) {}
}

impl Faithful<'_, '_> {
    fn read(&self, request: &mut Request<'_>, data: bool, into: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 5000];
        loop {
            if self.manner.looks {
                request.is_aborted();
            }
            let body = match data {
                false => request.body(),
                true => request.data(),
            };
            match body.read(&mut chunk[..self.manner.reads]) {
                Ok(0) => return Ok(()),
                Ok(n) => into.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::TimedOut => feed(self.peer),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The time limit for the body is zero, so that it can be waited for here.
fn feed(peer: &Peer<'_>) {
    assert!(peer.feed(), "it waits for a web server that has ended");
}

/// Does what an application may do, in the order of a script.
struct Wild<'p, 'd> {
    peer: &'p Peer<'d>,
    manner: Manner,
    script: &'d [u8],
}

impl Handle for Wild<'_, '_> {
    fn has_role(&self, role: Role) -> bool {
        self.manner.all_roles || role == Role::Responder
    }

    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure> {
        self.run(request, response).map_err(Failure::Error)
    }

    fn failed(&mut self, _: &Failure) {}
}

impl Wild<'_, '_> {
    fn run<'r>(&mut self, request: &mut Request<'_>, response: Response<'r>) -> Result<(), Error> {
        let (mut response, mut out): (_, Option<ResponseBody<'r>>) = (Some(response), None);
        // A script goes on with the next request.
        while let Some((&word, rest)) = self.script.split_first() {
            self.script = rest;
            let size = usize::from(word >> 4);
            let result = match word & 15 {
                0 => {
                    self.peer.feed();
                    Ok(())
                }
                1 => request
                    .body()
                    .read(&mut vec![0; 1 + size * size * 20])
                    .map(drop),
                2 => request.body().fill_buf().map(<[u8]>::len).map(|n| {
                    request.body().consume(n.min(size));
                }),
                // Lent, and used up while it is.
                3 => {
                    let body = request.body();
                    let n = body.fill_buf().map_or(0, <[u8]>::len);
                    body.consume(n.min(size * 10));
                    body.fill_buf().map(drop)
                }
                4 => {
                    request.is_aborted();
                    Ok(())
                }
                5 => request.data().read(&mut vec![0; 1 + size * 10]).map(drop),
                6 => request
                    .stderr()
                    .write(&b"a line for the log"[..=size])
                    .map(drop),
                7 => io::copy(request.body(), &mut io::sink()).map(drop),
                8 => match response.take() {
                    Some(response) => {
                        out = Some(response.header("X-Size", size.to_string()).stream()?);
                        Ok(())
                    }
                    None => Ok(()),
                },
                9 | 10 => match &mut out {
                    Some(out) => out.write_all(&vec![b'w'; size * size * 4]),
                    None => Ok(()),
                },
                11 => match &mut out {
                    Some(out) => out.flush(),
                    None => Ok(()),
                },
                12 => match response.take() {
                    Some(response) => return response.send(vec![b's'; size * 1000]),
                    None => return Ok(()),
                },
                13 => match response.take() {
                    Some(response) => response.finish("done").map_err(io::Error::from),
                    None => Ok(()),
                },
                14 => {
                    response = response.map(|response| match size {
                        0 => response.header("Content-Length", "3"),
                        _ => response.status(200 + 20 * size as u16),
                    });
                    Ok(())
                }
                _ => return Err(Error::new(400 + size as u16, "as the script says")),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::TimedOut && self.peer.feed() => {}
                // It may insist.
                Err(error) if size.is_multiple_of(2) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
