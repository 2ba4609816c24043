//! GET_VALUES: its record in a stream, and what answers it. Called by the target `get_values`.

use crate::protocol::{
    Event, HEADER_LEN, Pairs, RecordHeader, RecordType, Sequence, values_result,
};

/// What a question is looked at, at most.
const LOOKED_AT: usize = 1024;

/// The first byte says how the question is cut, the rest is its content, on a connection with no request yet.
///
/// # Panics
/// When the answer is not what was asked for, or is longer than the three values that there are.
pub fn get_values(data: &[u8]) {
    let Some((&cut, content)) = data.split_first() else {
        return;
    };
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    let header = RecordHeader::new(RecordType::GetValues, 0, content.len() as u16);
    let padding = vec![0xee; usize::from(header.padding)];
    let stream = [&header.encode(), content, &padding].concat();

    let mut sequence = Sequence::default();
    let mut asked = None;
    for piece in stream.chunks(usize::from(cut).max(1)) {
        let mut at = 0;
        loop {
            match sequence.next(piece, &mut at) {
                Event::More => break,
                Event::GetValues => {
                    assert!(asked.is_none(), "it is asked once");
                    asked = Some(sequence.take_management());
                }
                event => panic!("{event:?}"),
            }
        }
        assert_eq!(at, piece.len());
    }
    assert!(sequence.request_id() == 0 && !sequence.keep_conn());
    let asked = asked.expect("the question is whole");
    assert_eq!(asked, content[..content.len().min(LOOKED_AT)]);
    answer(&asked);
}

fn answer(asked: &[u8]) {
    let record = values_result(asked, 16_384, 4, false);
    let header = RecordHeader::decode(record.first_chunk().expect("it has a header"))
        .expect("its version is 1");
    assert_eq!(header.record_type, RecordType::GetValuesResult);
    assert_eq!(header.request_id, 0);
    let content_end = HEADER_LEN + usize::from(header.content);
    assert_eq!(record.len(), content_end + usize::from(header.padding));
    assert!(record.len().is_multiple_of(8) && record.len() <= 80);

    let mut told = Pairs::new(&record[HEADER_LEN..content_end]);
    let all = [
        (&b"FCGI_MAX_CONNS"[..], &b"16384"[..]),
        (b"FCGI_MAX_REQS", b"4"),
        (b"FCGI_MPXS_CONNS", b"0"),
    ];
    let is_asked = |name: &[u8]| Pairs::new(asked).any(|(asked, _)| asked == name);
    let expected = all.iter().filter(|(name, _)| is_asked(name));
    assert!(told.by_ref().eq(expected.copied()) && told.rest().is_empty());
}
