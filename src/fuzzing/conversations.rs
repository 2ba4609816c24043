//! Any valid conversation in any fragmentation, against the model and against itself in one piece: a property test.
//!
//! `tests/it/conversations.rs` has such a test over a real server. Here other records stand between those of a request (of no
//! request, or of one that is not active), every role takes part, and a connection takes microseconds.

use super::connection::{Checked, check};
use super::cuts::Cuts;
use super::handlers::Manner;
use super::model::{Answer, Shown};
use super::peer::record;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::fmt;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

/// A request, as it is sent: the ids of requests that follow each other may be the same.
#[derive(Clone)]
struct Turn {
    id: u16,
    role: u8,
    params: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    data: Vec<u8>,
    /// The most content of a record.
    size: usize,
    /// The padding of each.
    padding: u8,
    between: Vec<(Index, Between)>,
}

/// What may come between any two records.
#[derive(Clone)]
enum Between {
    GetValues(Vec<u8>),
    UnknownType(u8),
    /// Of an id that is not active, any type but BEGIN_REQUEST.
    Stray(u8, Vec<u8>),
    /// A request too many, while one runs.
    Begin,
}

// What a failed test shows: each on one line.

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Turn {
            id,
            role,
            size,
            padding,
            ..
        } = self;
        write!(
            f,
            "id {id}, role {role}, records of {size}, padding {padding}, params"
        )?;
        for (name, value) in &self.params {
            write!(f, " {name}={:?}", Shown(value))?;
        }
        let (body, data) = (Shown(&self.body), Shown(&self.data));
        write!(f, ", body {body:?}, data {data:?}, between")?;
        for (place, between) in &self.between {
            write!(f, " {between:?} at {}", place.index(usize::MAX))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Between::GetValues(asked) => write!(f, "GetValues({:?})", Shown(asked)),
            Between::UnknownType(kind) => write!(f, "UnknownType({kind})"),
            Between::Stray(kind, content) => write!(f, "Stray({kind}, {:?})", Shown(content)),
            Between::Begin => f.write_str("Begin"),
        }
    }
}

impl Between {
    /// `None` where it would not be valid.
    fn record(&self, turn: &Turn, is_running: bool) -> Option<Vec<u8>> {
        let (stray, padding) = (turn.id ^ 0x0101, turn.padding / 3);
        Some(match self {
            Between::GetValues(asked) => record(9, 0, asked, padding),
            Between::UnknownType(kind) => record(*kind, 0, b"whatever", padding),
            Between::Stray(kind, content) if stray != 0 => record(*kind, stray, content, padding),
            Between::Begin if is_running && stray != 0 => {
                record(1, stray, &[0, 1, 1, 0, 0, 0, 0, 0], padding)
            }
            _ => return None,
        })
    }
}

impl Turn {
    fn records(&self, keep: bool) -> Vec<Vec<u8>> {
        let mut params = b"\x0e\x04REQUEST_METHODPOST".to_vec();
        for (name, value) in &self.params {
            crate::protocol::encode_pair(name.as_bytes(), value, &mut params);
        }
        let begin = [0, self.role, keep.into(), 0, 0, 0, 0, 0];
        let mut records = vec![record(1, self.id, &begin, self.padding)];
        let mut stream = |kind, bytes: &[u8]| {
            for piece in bytes.chunks(self.size).chain([&b""[..]]) {
                records.push(record(kind, self.id, piece, self.padding));
            }
        };
        stream(4, &params);
        // An authorizer has no body, and ends with its params.
        if self.role != 2 {
            stream(5, &self.body);
        }
        if self.role == 3 {
            stream(8, &self.data);
        }
        let last = records.len() - 1;
        for (place, between) in &self.between {
            let place = place.index(last + 1);
            // Behind the record at `place`; the last one ends the request.
            if let Some(more) = between.record(self, place < last) {
                records[place].extend(more);
            }
        }
        records
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    let between = prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(Between::GetValues),
        Just(Between::GetValues(b"\x0f\0FCGI_MPXS_CONNS".to_vec())),
        (12_u8..).prop_map(Between::UnknownType),
        (2_u8..9, vec(any::<u8>(), 0..20)).prop_map(|(kind, bytes)| Between::Stray(kind, bytes)),
        Just(Between::Begin),
    ];
    let params = vec(("[A-Z_]{0,9}", vec(any::<u8>(), 0..200)), 0..9);
    let size = prop_oneof![1_usize..20, 20_usize..2000];
    let bytes = || prop_oneof![vec(any::<u8>(), 0..30), vec(any::<u8>(), 0..3000)];
    let id = prop_oneof![Just(1_u16), 1_u16..];
    let padding = prop_oneof![Just(0_u8), any::<u8>()];
    let between = vec((any::<Index>(), between), 0..5);
    (
        id,
        1_u8..4,
        params,
        bytes(),
        bytes(),
        size,
        padding,
        between,
    )
        .prop_map(
            |(id, role, params, body, data, size, padding, between)| Turn {
                id,
                role,
                params,
                body,
                data,
                size,
                padding,
                between,
            },
        )
}

/// The whole stream. With `closes` the last request asks for the end of the connection.
fn bytes(turns: &[Turn], closes: bool) -> Vec<u8> {
    let count = turns.len();
    let keeps = |i| !(closes && i + 1 == count);
    let records = turns.iter().enumerate();
    records
        .flat_map(|(i, turn)| turn.records(keeps(i)).concat())
        .collect()
}

/// Runs a property whose every failing case panics, some thousand of them on the way to the smallest: that one is shown, and no
/// other.
fn quietly<T>(f: impl FnOnce() -> T) -> T {
    thread_local!(static IS_QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                others(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = f();
    IS_QUIET.set(false);
    result
}

#[test]
fn any_conversation_is_the_same_in_any_fragmentation() {
    let conversation = (
        vec(turn(), 1..5),
        any::<bool>(),
        vec(prop_oneof![1_usize..12, 1_usize..2000], 0..60),
    );
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = quietly(|| {
        TestRunner::new(config).run(&conversation, |(turns, closes, sizes)| {
            let stream = bytes(&turns, closes);
            let serve = |manner: Manner, cuts| check(&mut manner.place(), manner, &stream, cuts);
            let whole = serve(Manner::READER, Cuts::Seed(0));
            let seen = whole
                .seen
                .iter()
                .map(|seen| (&seen.body[..], &seen.data[..], seen.whole));
            let sent = turns.iter().map(|turn| match turn.role {
                1 => (&turn.body[..], &b""[..], true),
                2 => (&b""[..], &b""[..], true),
                _ => (&turn.body[..], &turn.data[..], true),
            });
            prop_assert!(seen.eq(sent), "each request is seen as it was sent");
            prop_assert_eq!(whole.closed, closes);
            prop_assert_eq!(&serve(Manner::READER, Cuts::At(sizes.clone())), &whole);
            // With looks ahead, questions are answered sooner, and requests as without.
            let pages = |checked: &Checked| -> Vec<Answer> {
                let answers = checked.answers.iter();
                answers
                    .filter(|answer| !answer.is_aside())
                    .cloned()
                    .collect()
            };
            let ids_differ = turns.windows(2).any(|turns| turns[0].id != turns[1].id);
            if !ids_differ {
                let looked = serve(Manner::LOOKER, Cuts::At(sizes));
                prop_assert_eq!(&looked.seen, &whole.seen);
                prop_assert_eq!(pages(&looked), pages(&whole));
            }
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
