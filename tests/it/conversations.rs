//! Any valid conversation in any fragmentation gives the same requests and the same answers as in one piece.

use crate::served::{Served, serve};
use crate::wire::{
    ABORT_REQUEST, Ask, DATA, END_REQUEST, GET_VALUES, PARAMS, Record, STDIN, STDOUT, Wire, padded,
    pair,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// One request, and what a web server may send in between that is about no request.
#[derive(Clone, Debug)]
struct Turn {
    id: u16,
    size: usize,
    padding: u8,
    header: String,
    body: Vec<u8>,
    noise: Vec<Noise>,
}

#[derive(Clone, Copy, Debug)]
enum Noise {
    GetValues,
    UnknownType(u8),
    /// A record of an id that is not active, of any kind but BEGIN.
    Stray(u8, u16),
}

impl Noise {
    fn bytes(self, active: u16) -> Vec<u8> {
        match self {
            Noise::GetValues => padded(GET_VALUES, 0, &pair("FCGI_MPXS_CONNS", ""), 3),
            Noise::UnknownType(number) => padded(number, 0, b"whatever", 1),
            // HAProxy's ids rise, so that one more is none that was there.
            Noise::Stray(kind, id) if id != active => padded(kind, id, b"stray", 2),
            Noise::Stray(..) => Vec::new(),
        }
    }
}

fn noise() -> impl Strategy<Value = Noise> {
    let stray = prop_oneof![Just(ABORT_REQUEST), Just(PARAMS), Just(STDIN), Just(DATA)];
    prop_oneof![
        Just(Noise::GetValues),
        (12_u8..=255).prop_map(Noise::UnknownType),
        (stray, 1_u16..).prop_map(|(kind, id)| Noise::Stray(kind, id)),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let size = prop_oneof![1_usize..20, 20_usize..2000, Just(65_535)];
    let body = prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..9000)];
    (
        1_u16..,
        size,
        any::<u8>(),
        "[a-z]{0,300}",
        body,
        vec(noise(), 0..3),
    )
        .prop_map(|(id, size, padding, header, body, noise)| Turn {
            id,
            size,
            padding,
            header,
            body,
            noise,
        })
}

/// The bytes of a whole connection; the last request is the one that closes it.
fn bytes(turns: &[Turn]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, turn) in turns.iter().enumerate() {
        let mut ask = Ask::post(&format!("/{i}"), &turn.body[..])
            .id(turn.id)
            .records_of(turn.size)
            .padding(turn.padding)
            .param("HTTP_X_LONG", &turn.header);
        if i + 1 < turns.len() {
            ask = ask.keep();
        }
        // Between requests every id is stray.
        bytes.extend(turn.noise.iter().flat_map(|noise| noise.bytes(0)));
        bytes.extend(ask.bytes());
    }
    bytes
}

fn served() -> Served {
    serve(|req, res| {
        let header = req.header("X-Long").unwrap_or("none").to_owned();
        let mut page = [req.path().as_bytes(), b" ", header.as_bytes(), b" "].concat();
        std::io::Read::read_to_end(req.body(), &mut page)?;
        res.send(page)
    })
}

/// Each answer as a whole: the records of STDOUT in one, and what came between them.
fn transcript(mut wire: Wire) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for record in wire.records_until_the_end() {
        match records.last_mut() {
            Some(last)
                if (last.kind, record.kind) == (STDOUT, STDOUT) && !record.content.is_empty() =>
            {
                last.content.extend(record.content);
            }
            _ => records.push(record),
        }
    }
    records
}

#[test]
fn any_conversation_is_the_same_in_any_fragmentation() {
    let server = served();
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let conversation = (vec(turn(), 1..4), vec(any::<prop::sample::Index>(), 0..12));
    TestRunner::new(config)
        .run(&conversation, |(turns, cuts)| {
            let bytes = bytes(&turns);
            let whole = transcript(server.after(&bytes));
            let ends: Vec<u16> = whole
                .iter()
                .filter(|record| record.kind == END_REQUEST)
                .map(|record| record.id)
                .collect();
            let ids: Vec<u16> = turns.iter().map(|turn| turn.id).collect();
            prop_assert_eq!(ends, ids, "each request is ended, in order");
            for (i, turn) in turns.iter().enumerate() {
                let page = [format!("/{i} {} ", turn.header).as_bytes(), &turn.body].concat();
                let answered = whole.iter().any(|record| record.content.ends_with(&page));
                prop_assert!(answered, "request {} is answered by its own page", i);
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut wire = server.connect();
            for piece in cuts.windows(2) {
                wire.write(&bytes[piece[0]..piece[1]]);
                std::thread::yield_now();
            }
            prop_assert_eq!(transcript(wire), whole);
            Ok(())
        })
        .unwrap();
}
