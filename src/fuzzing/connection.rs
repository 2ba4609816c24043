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

use super::cuts::Cuts;
use super::handlers::{Faithful, Manner, Wild};
use super::model::{Answer, Expected, Rules, Seen, expect};
use super::place::{Place, Served};
use crate::protocol::RecordType;
use crate::stranger::ANSWER;
use std::cell::RefCell;

/// Longer streams find nothing that shorter ones do not: the limits are small too.
const LONGEST: usize = 16 << 10;

/// How much may wait for the peer before a socket is full, and an answer is cut for its peer's fault.
const MOST_AT_ONCE: usize = 16 << 10;

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
        // A look sees a question before the request is answered; and only by a look one behind the last request is seen at all.
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
        "{found:?} does not begin as {start:?}"
    );
}

/// The application saw the request as it was sent.
fn saw(seen: &Seen, expected: &Seen, rules: Rules) {
    let head = |seen: &Seen| (seen.role, seen.params.clone(), seen.whole);
    assert_eq!(head(seen), head(expected));
    if !seen.whole && (rules.looks || expected.body.len() > rules.max_body) {
        // How much of it came before the error depends on the cuts.
        assert!(expected.body.starts_with(&seen.body));
        assert!(expected.data.starts_with(&seen.data));
    } else {
        let text =
            |seen: &Seen| [&seen.body, &seen.data].map(|part| part.escape_ascii().to_string());
        assert_eq!(text(seen), text(expected));
    }
}

/// Takes the records apart that were answered, and looks at each.
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
