//! What may follow what: the rule book of a connection that carries one request at a time, seen from the application's side.
//! Called by `link/head` till a head is whole, and by `wire` for what follows.
//!
//! [`Sequence::next`] is fed bytes as they arrive and says what they mean *now*. It keeps no content but
//! the few bytes of BEGIN_REQUEST and of a management record: PARAMS and STDIN stay where they landed.

use super::bodies::BeginRequest;
use super::gathered::Gathered;
use super::reader::{RecordReader, Step};
use super::record::{HEADER_LEN, RecordHeader, RecordType, Role};
use super::run::Run;
use std::ops::Range;

/// The number of the role that nearly every request asks for.
const RESPONDER: u8 = Role::Responder.number() as u8;

/// Where a connection stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    reader: RecordReader,
    phase: Phase,
    /// The running request's id; 0 when `phase` is `Idle`.
    request_id: u16,
    begin: Option<BeginRequest>,
    /// What the content of the current record is for.
    purpose: Purpose,
    gathered: Gathered,
    /// Whether the peer has sent the header of a record.
    speaks_fastcgi: bool,
    /// Why nothing more can be understood.
    fault: Option<Fault>,
}

// Which bytes [`Sequence::whole_head`] looks at, of eight at once.

/// A header's version and type; the role's number, where BEGIN_REQUEST's content begins.
const FIRST_TWO: u64 = number(&[0xff, 0xff, 0, 0, 0, 0, 0, 0]);
/// A header's id.
const ID: u64 = number(&[0, 0, 0xff, 0xff, 0, 0, 0, 0]);
/// A header's lengths, of content and padding. The byte behind them is reserved.
const LENGTHS: u64 = number(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0]);
/// All of a header that has a meaning.
const WHOLE: u64 = FIRST_TWO | ID | LENGTHS;

#[inline(always)]
const fn number(bytes: &[u8; HEADER_LEN]) -> u64 {
    u64::from_ne_bytes(*bytes)
}

/// 0 if the bytes are `wanted` with this id in them, as far as they are `looked_at`.
#[inline(always)]
fn differs(bytes: &[u8; HEADER_LEN], wanted: [u8; HEADER_LEN], looked_at: u64, id: u64) -> u64 {
    (number(bytes) ^ (number(&wanted) | id)) & looked_at
}

/// What part of a request comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No request runs; BEGIN_REQUEST starts one.
    #[default]
    Idle,
    /// BEGIN_REQUEST came, the PARAMS stream is open.
    Params,
    /// The head is whole, the STDIN stream is open.
    Stdin,
    /// A filter's STDIN ended, its DATA stream is open.
    Data,
    /// The head was refused before its end: what else comes of the request is passed over.
    Refused,
    /// All that a request has has come; the answer may still be on its way out.
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Purpose {
    #[default]
    Skip,
    Begin(u16),
    /// As `Begin`, of the next request: it waits until the one before is answered.
    Next(u16),
    Params,
    /// Set when the stream opens, before its first record, and never once it has ended or there is a fault: so
    /// [`Sequence::stdin_here`] has to ask for nothing else.
    Stdin,
    Data,
    GetValues,
}

/// What the bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// All bytes are used up; nothing more to say.
    More,
    /// A request begins, with this role.
    Begin(u16),
    /// So many bytes of PARAMS lie in front: [`Sequence::take`] them.
    Params(usize),
    /// PARAMS ended: the head is whole.
    Head,
    /// So many bytes of STDIN lie in front: [`Sequence::take`] them.
    Stdin(usize),
    /// STDIN ended.
    StdinEnd,
    /// So many bytes of DATA lie in front: [`Sequence::take`] them.
    Data(usize),
    /// DATA ended.
    DataEnd,
    /// The web server gives the request up.
    Abort,
    /// The next request begins, sent before this one, whose streams have ended, is answered: nothing is looked at until
    /// [`Sequence::end_request`].
    Next,
    /// Another request begins while one runs; we take one at a time on a connection.
    SecondBegin(u16),
    /// A question for values: [`Sequence::take_management`] is its content.
    GetValues,
    /// A management record of a type that we do not know.
    UnknownType(u8),
    /// This is not FastCGI, or not in an order that means anything: the connection cannot go on.
    Fault(Fault),
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The first byte of a record is not 1: what stands in its header's place.
    Version([u8; HEADER_LEN]),
    /// STDIN before the end of PARAMS.
    StdinBeforeParamsEnd,
    /// BEGIN_REQUEST of less than eight bytes.
    ShortBegin,
    /// BEGIN_REQUEST with the id of the request that runs.
    BeginTwice,
}

impl Sequence {
    /// Says what `bytes[*at..]` begins with, and moves `at` over headers, padding and all that the caller need not see.
    pub(crate) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Event {
        if let Some(fault) = self.fault {
            return Event::Fault(fault);
        }
        loop {
            let event = match self.reader.step(bytes, at) {
                Step::More => Some(Event::More),
                Step::BadVersion(header) => Some(Event::Fault(Fault::Version(header))),
                Step::Header(header) => self.accept(header),
                Step::Content(n) => self.content(&bytes[*at..*at + n], at),
            };
            if let Some(event) = event {
                if let Event::Fault(fault) = event {
                    self.fault = Some(fault);
                    self.purpose = Purpose::Skip;
                }
                return event;
            }
        }
    }

    /// The head of a request as every web server sends it, in one look: BEGIN_REQUEST of a responder, one record of PARAMS,
    /// their end, whole from `at` on, and the end of STDIN if it comes next. Then it is as if [`Sequence::next`] had seen them
    /// all; what is returned is the place of the params.
    ///
    /// Anything else is for `next`, and nothing is changed.
    #[inline(always)]
    pub(crate) fn whole_head(&mut self, bytes: &[u8], at: &mut usize) -> Option<Range<usize>> {
        if self.phase != Phase::Idle || self.fault.is_some() || !self.reader.at_boundary() {
            return None;
        }
        let front = bytes.get(*at..)?.first_chunk::<{ 3 * HEADER_LEN }>()?;
        let ([begin, role, params], _) = front.as_chunks::<HEADER_LEN>() else {
            return None;
        };
        let id = number(begin) & ID;
        let &[_, _, flags, ..] = role;
        let &[_, _, _, _, n1, n0, padding, _] = params;
        let is_usual = differs(begin, [1, 1, 0, 0, 0, 8, 0, 0], FIRST_TWO | LENGTHS, 0)
            | differs(role, [0, RESPONDER, 0, 0, 0, 0, 0, 0], FIRST_TWO, 0)
            | differs(params, [1, 4, 0, 0, 0, 0, 0, 0], FIRST_TWO | ID, id)
            == 0;
        let start = *at + front.len();
        let end = start + usize::from(u16::from_be_bytes([n1, n0]));
        let last = end + usize::from(padding);
        let ended = bytes.get(last..)?.first_chunk()?;
        if !is_usual || differs(ended, [1, 4, 0, 0, 0, 0, 0, 0], WHOLE, id) != 0 {
            return None;
        }
        if id == 0 || start == end {
            return None;
        }
        *at = last + HEADER_LEN;
        // Behind the head of a GET stands the end of its empty body.
        (self.phase, self.purpose) = match bytes[*at..].first_chunk() {
            Some(behind) if differs(behind, [1, 5, 0, 0, 0, 0, 0, 0], WHOLE, id) == 0 => {
                *at += HEADER_LEN;
                (Phase::Ended, Purpose::Skip)
            }
            _ => (Phase::Stdin, Purpose::Stdin),
        };
        let &[_, _, id1, id0, ..] = begin;
        self.request_id = u16::from_be_bytes([id1, id0]);
        self.begin = Some(BeginRequest {
            role: RESPONDER.into(),
            keep_conn: flags & 1 != 0,
        });
        self.speaks_fastcgi = true;
        Some(start..end)
    }

    /// So many bytes of STDIN lie in front, of the record that was begun or of one that begins here: what a look at a body
    /// finds nearly always. 0 if nothing lies there, and [`Sequence::next`] would ask for more. `None` leaves it to `next`,
    /// which says the same more slowly.
    #[inline(always)]
    pub(crate) fn stdin_here(&mut self, bytes: &[u8], at: &mut usize) -> Option<usize> {
        if self.purpose != Purpose::Stdin {
            return None;
        }
        if self.reader.content_left() == 0 {
            let id = self.request_id;
            let begun = self.reader.begin_content(bytes, at, RecordType::Stdin, id);
            if begun.is_none() {
                return (*at == bytes.len()).then_some(0);
            }
        }
        Some((bytes.len() - *at).min(self.reader.content_left()))
    }

    /// Records of STDIN as they are expected, for at most `most` bytes.
    #[inline(always)]
    pub(crate) fn run(&self, most: usize) -> Option<Run> {
        match self.purpose {
            Purpose::Stdin => self.reader.run(most, RecordType::Stdin, self.request_id),
            _ => None,
        }
    }

    /// As [`Sequence::take`], of all that came of a [`Run`]: so much of its last record is still to come.
    pub(crate) fn go_on(&mut self, content: u16) {
        self.reader.go_on(content);
    }

    /// How much to read next, of at most `most`.
    pub(crate) fn most_whole(&self, most: usize) -> usize {
        self.reader.most_whole(most)
    }

    /// `n` bytes of PARAMS, STDIN or DATA were used.
    pub(crate) fn take(&mut self, n: usize) {
        self.reader.take(n);
    }

    /// The request is answered: what still comes for its id is of no request, and passed over.
    ///
    /// nginx, mod_proxy_fcgi and HAProxy go on sending the rest of a body after an early END_REQUEST,
    /// and then begin the next request with the same id.
    pub(crate) fn end_request(&mut self) {
        self.phase = Phase::Idle;
        self.request_id = 0;
        self.begin = None;
        self.purpose = match self.purpose {
            Purpose::GetValues => Purpose::GetValues,
            Purpose::Next(id) => Purpose::Begin(id),
            _ => Purpose::Skip,
        };
    }

    /// Whatever the web server asked for, the connection ends with this request.
    pub(crate) fn close_after(&mut self) {
        if let Some(begin) = &mut self.begin {
            begin.keep_conn = false;
        }
    }

    /// The rest of the head is not wanted, nor what follows it; the connection ends with this request.
    pub(crate) fn refuse_head(&mut self) {
        self.phase = Phase::Refused;
        self.purpose = Purpose::Skip;
        self.close_after();
    }

    pub(crate) fn request_id(&self) -> u16 {
        self.request_id
    }

    pub(crate) fn keep_conn(&self) -> bool {
        self.begin.is_some_and(|begin| begin.keep_conn)
    }

    pub(crate) fn speaks_fastcgi(&self) -> bool {
        self.speaks_fastcgi
    }

    /// What the running request asks the application to be.
    pub(crate) fn role(&self) -> Option<Role> {
        Role::from_number(self.begin?.role)
    }

    /// Whether a request's head is on its way.
    pub(crate) fn in_head(&self) -> bool {
        self.phase == Phase::Params || matches!(self.purpose, Purpose::Begin(_))
    }

    pub(crate) fn stdin_ended(&self) -> bool {
        matches!(self.phase, Phase::Data | Phase::Ended)
    }

    /// Whether every stream of the request ended.
    pub(crate) fn input_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether nothing more of the request can come: its streams ended, and so did the padding of the last record.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Ended && self.reader.at_boundary()
    }

    /// Whether the bytes so far end inside of a record.
    pub(crate) fn in_record(&self) -> bool {
        !self.reader.at_boundary()
    }

    /// The content of the question that was told last.
    pub(crate) fn take_management(&mut self) -> Vec<u8> {
        self.gathered.take_asked()
    }

    /// The rule book: what a record means, by its type, its id and where we stand. For a connection that carries several requests
    /// `multiplex/reader` and `multiplex/state` have the same rules: who changes one here looks there, too.
    #[inline]
    fn accept(&mut self, header: RecordHeader) -> Option<Event> {
        use RecordType::*;
        let RecordHeader {
            record_type,
            request_id: id,
            content,
            ..
        } = header;
        let running = self.phase != Phase::Idle;
        let ours = running && id == self.request_id;
        let is_long_enough = content as usize >= self::BeginRequest::LEN;
        self.purpose = Purpose::Skip;
        self.speaks_fastcgi = true;
        match record_type {
            // Section 3.3: id 0 is for management records, which are not about a request.
            GetValues if id == 0 => {
                self.gathered.expect_question();
                self.purpose = Purpose::GetValues;
                (content == 0).then_some(Event::GetValues)
            }
            // HAProxy takes what we send back unasked for output, so results are not for us to answer.
            GetValuesResult | UnknownType if id == 0 => None,
            other if id == 0 => Some(Event::UnknownType(other.number())),

            BeginRequest if ours && self.phase == Phase::Ended && is_long_enough => {
                self.purpose = Purpose::Next(id);
                self.gathered.expect_begin();
                Some(Event::Next)
            }
            BeginRequest if ours => Some(Event::Fault(Fault::BeginTwice)),
            BeginRequest if !is_long_enough => Some(Event::Fault(Fault::ShortBegin)),
            BeginRequest if running => Some(Event::SecondBegin(id)),
            BeginRequest => {
                self.purpose = Purpose::Begin(id);
                self.gathered.expect_begin();
                None
            }

            // Section 3.3: records of an id that is not active are ignored.
            _ if !ours => None,

            AbortRequest => Some(Event::Abort),
            _ if self.phase == Phase::Refused => None,
            Params if self.phase == Phase::Params && content == 0 => {
                // Section 6.3, and as seen: mod_fcgid, mod_authnz_fcgi and lighttpd send an authorizer no STDIN record at
                // all, not even the empty one.
                (self.phase, self.purpose) = match self.role() {
                    Some(Role::Authorizer) => (Phase::Ended, Purpose::Skip),
                    _ => (Phase::Stdin, Purpose::Stdin),
                };
                Some(Event::Head)
            }
            Params if self.phase == Phase::Params => {
                self.purpose = Purpose::Params;
                None
            }
            Stdin if self.phase == Phase::Params => Some(Event::Fault(Fault::StdinBeforeParamsEnd)),
            Stdin if self.phase == Phase::Stdin && content == 0 => {
                self.phase = match self.role() {
                    Some(Role::Filter) => Phase::Data,
                    _ => Phase::Ended,
                };
                Some(Event::StdinEnd)
            }
            Stdin if self.phase == Phase::Stdin => {
                self.purpose = Purpose::Stdin;
                None
            }
            Data if self.phase == Phase::Data && content == 0 => {
                self.phase = Phase::Ended;
                Some(Event::DataEnd)
            }
            Data if self.phase == Phase::Data => {
                self.purpose = Purpose::Data;
                None
            }
            // PARAMS after their end, STDIN after its end, DATA for a responder or before a filter's STDIN ended, and types
            // that only an application sends or nobody knows: of no meaning here, and harmless.
            _ => None,
        }
    }

    /// `here` is content of the current record; what is not PARAMS or STDIN is used up at once.
    fn content(&mut self, here: &[u8], at: &mut usize) -> Option<Event> {
        let n = here.len();
        match self.purpose {
            Purpose::Params => return Some(Event::Params(n)),
            Purpose::Stdin => return Some(Event::Stdin(n)),
            Purpose::Data => return Some(Event::Data(n)),
            Purpose::Next(_) => return Some(Event::Next),
            Purpose::Skip => {}
            Purpose::GetValues => self.gathered.push_asked(here),
            Purpose::Begin(_) => self.gathered.push_begin(here),
        }
        *at += n;
        self.reader.take(n);
        if self.reader.content_left() > 0 {
            return None;
        }
        match std::mem::take(&mut self.purpose) {
            Purpose::Begin(id) => {
                let begin = self.gathered.begin();
                self.phase = Phase::Params;
                self.request_id = id;
                self.begin = Some(begin);
                Some(Event::Begin(begin.role))
            }
            Purpose::GetValues => Some(Event::GetValues),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[&[u8]] = &[
        &[1, 1, 0, 7, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
        &[1, 4, 0, 7, 0, 4, 4, 0, 1, 1, b'A', b'x', 9, 9, 9, 9],
        &[1, 4, 0, 7, 0, 0, 0, 0],
        &[1, 5, 0, 7, 0, 3, 0, 0, b'a', b'b', b'c'],
        &[1, 5, 0, 7, 0, 0, 0, 0],
    ];

    /// What `next` says of a head, and where it and the params end; with the end of STDIN, if that is what follows.
    fn head_by_steps(stream: &[u8]) -> Option<(Sequence, Range<usize>, usize)> {
        let (mut sequence, mut at) = (Sequence::default(), 0);
        let mut params = Vec::new();
        loop {
            match sequence.next(stream, &mut at) {
                Event::Begin(1) => {}
                Event::Params(n) => {
                    params.push(at..at + n);
                    sequence.take(n);
                    at += n;
                }
                Event::Head => break,
                _ => return None,
            }
        }
        let (mut ended, mut end) = (sequence.clone(), at);
        let is_padded = stream.get(at + 6).is_some_and(|&padding| padding > 0);
        let has_ended = ended.next(stream, &mut end) == Event::StdinEnd;
        if has_ended && end == at + HEADER_LEN && !is_padded {
            (sequence, at) = (ended, end);
        }
        match &params[..] {
            [one] => Some((sequence, one.clone(), at)),
            _ => None,
        }
    }

    /// One byte changed at a time, to each value, and cut at each place: either both say the same, or one look leaves it to
    /// the steps.
    #[test]
    fn one_look_at_a_head_is_as_good_as_its_steps() {
        let get = [&GET.concat()[..16 + 16 + 8], GET[4], b"\x01\x01"].concat();
        let post = GET.concat();
        let mut usual = 0;
        for stream in [get, post] {
            for place in 0..stream.len() {
                for byte in 0..=255 {
                    let mut stream = stream.clone();
                    stream[place] = byte;
                    usual += usize::from(assert_same_head(&stream));
                }
                assert_same_head(&stream[..place]);
            }
        }
        assert!(usual > 5000, "only {usual} were of the usual form");
    }

    fn assert_same_head(stream: &[u8]) -> bool {
        let (mut sequence, mut at) = (Sequence::default(), 0);
        let Some(params) = sequence.whole_head(stream, &mut at) else {
            let is_untouched = sequence.phase == Phase::Idle && !sequence.speaks_fastcgi;
            assert!(at == 0 && is_untouched, "{stream:?}");
            return false;
        };
        let steps = head_by_steps(stream);
        let (steps, their_params, their_at) = steps.expect("the steps find no head");
        assert_eq!((params, at), (their_params, their_at), "{stream:?}");
        let state = |sequence: &Sequence| {
            let Sequence {
                phase,
                request_id,
                begin,
                purpose,
                speaks_fastcgi,
                fault,
                ..
            } = sequence;
            format!(
                "{phase:?} {request_id} {begin:?} {purpose:?} {speaks_fastcgi} {fault:?} {}",
                sequence.reader.at_boundary()
            )
        };
        assert_eq!(state(&sequence), state(&steps), "{stream:?}");
        true
    }

    /// All events of a stream that comes in pieces of `size`; contents are counted together.
    fn events(stream: &[u8], size: usize) -> Vec<Event> {
        let mut sequence = Sequence::default();
        let mut events: Vec<Event> = Vec::new();
        for piece in stream.chunks(size) {
            let mut at = 0;
            loop {
                let event = sequence.next(piece, &mut at);
                match event {
                    Event::More => break,
                    Event::Params(n) | Event::Stdin(n) | Event::Data(n) => {
                        sequence.take(n);
                        at += n;
                    }
                    _ => {}
                }
                match (events.last_mut(), event) {
                    (Some(Event::Params(sum)), Event::Params(n)) => *sum += n,
                    (Some(Event::Stdin(sum)), Event::Stdin(n)) => *sum += n,
                    (Some(Event::Data(sum)), Event::Data(n)) => *sum += n,
                    _ => events.push(event),
                }
                if matches!(event, Event::Fault(_)) {
                    return events;
                }
            }
        }
        events
    }

    fn assert_events(stream: &[u8], expected: &[Event]) {
        for size in 1..=stream.len() {
            assert_eq!(events(stream, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_request_is_begin_params_stdin() {
        let expected = [
            Event::Begin(1),
            Event::Params(4),
            Event::Head,
            Event::Stdin(3),
            Event::StdinEnd,
        ];
        assert_events(&GET.concat(), &expected);
    }

    #[test]
    fn records_of_ids_that_are_not_active_are_skipped() {
        let stray: &[u8] = &[1, 5, 0, 9, 0, 2, 1, 0, b'z', b'z', 0];
        let abort: &[u8] = &[1, 2, 0, 9, 0, 0, 0, 0];
        let mut stream = [stray, abort].concat();
        for record in GET {
            stream.extend_from_slice(record);
            stream.extend_from_slice(stray);
        }
        let expected = [
            Event::Begin(1),
            Event::Params(4),
            Event::Head,
            Event::Stdin(3),
            Event::StdinEnd,
        ];
        assert_events(&stream, &expected);
    }

    #[test]
    fn a_second_begin_is_told_and_the_first_request_goes_on() {
        let mut stream = GET[..4].concat();
        stream.extend_from_slice(&[1, 1, 0, 8, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        stream.extend_from_slice(GET[4]);
        let expected = [
            Event::Begin(1),
            Event::Params(4),
            Event::Head,
            Event::Stdin(3),
            Event::SecondBegin(8),
            Event::StdinEnd,
        ];
        assert_events(&stream, &expected);
    }

    #[test]
    fn what_cannot_go_on_is_a_fault() {
        assert_events(
            b"GET / HTTP/1.1\r\n",
            &[Event::Fault(Fault::Version(*b"GET / HT"))],
        );
        let early = [GET[0], GET[3]].concat();
        let fault = Event::Fault(Fault::StdinBeforeParamsEnd);
        assert_events(&early, &[Event::Begin(1), fault]);
        let twice = [GET[0], GET[0]].concat();
        assert_events(&twice, &[Event::Begin(1), Event::Fault(Fault::BeginTwice)]);
        let short = [1, 1, 0, 7, 0, 3, 0, 0, 0, 1, 0];
        assert_events(&short, &[Event::Fault(Fault::ShortBegin)]);
    }

    #[test]
    fn management_records_may_come_at_any_time() {
        let ask: &[u8] = &[1, 9, 0, 0, 0, 3, 5, 0, 1, 0, b'N', 0, 0, 0, 0, 0];
        let what: &[u8] = &[1, 99, 0, 0, 0, 2, 0, 0, 1, 2];
        let stream = [ask, GET[0], what, GET[1], ask, GET[2], GET[3], ask, GET[4]].concat();
        let expected = [
            Event::GetValues,
            Event::Begin(1),
            Event::UnknownType(99),
            Event::Params(4),
            Event::GetValues,
            Event::Head,
            Event::Stdin(3),
            Event::GetValues,
            Event::StdinEnd,
        ];
        assert_events(&stream, &expected);
    }

    #[test]
    fn a_request_is_over_when_the_padding_behind_its_last_record_has_passed() {
        let stream = [GET[0], GET[1], GET[2], &[1, 5, 0, 7, 0, 0, 3, 0, 0, 0, 0]].concat();
        for here in 0..=stream.len() {
            let (mut sequence, mut at) = (Sequence::default(), 0);
            loop {
                match sequence.next(&stream[..here], &mut at) {
                    Event::Params(n) => {
                        sequence.take(n);
                        at += n;
                    }
                    Event::More => break,
                    _ => {}
                }
            }
            assert_eq!(sequence.is_over(), here == stream.len(), "{here} bytes");
        }
    }

    #[test]
    fn a_next_request_waits_for_the_end_of_this_one() {
        let late: &[u8] = &[1, 5, 0, 7, 0, 1, 0, 0, b'z'];
        let padded: &[u8] = &[1, 5, 0, 7, 0, 0, 3, 0, 0, 0, 0];
        let stream = [GET[0], GET[1], GET[2], padded, late, GET[0], GET[1]].concat();
        for size in 1..=stream.len() {
            let (mut sequence, mut waits) = (Sequence::default(), 0);
            let mut after = Vec::new();
            for piece in stream.chunks(size) {
                let mut at = 0;
                loop {
                    match sequence.next(piece, &mut at) {
                        Event::More => break,
                        Event::Next => {
                            waits += 1;
                            // Asked again it says the same, if anything lies there.
                            let again = sequence.next(piece, &mut { at });
                            assert!(again == Event::Next || at == piece.len(), "{again:?}");
                            sequence.end_request();
                        }
                        Event::Params(n) => {
                            sequence.take(n);
                            at += n;
                        }
                        event if waits > 0 => after.push(event),
                        _ => {}
                    }
                }
            }
            assert_eq!(
                (waits, &after[..]),
                (1, &[Event::Begin(1)][..]),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn an_ended_request_leaves_the_connection_to_the_next() {
        let mut sequence = Sequence::default();
        let (mut at, stream) = (0, GET[..4].concat());
        let stream = &stream[..stream.len() - 1]; // the last byte of the body is still to come
        loop {
            match sequence.next(stream, &mut at) {
                Event::Stdin(_) => break,
                Event::Params(n) => {
                    sequence.take(n);
                    at += n;
                }
                _ => {}
            }
        }
        sequence.end_request();
        assert_eq!(sequence.next(stream, &mut at), Event::More);
        let rest = [b"c", GET[4], GET[0]].concat();
        let mut at = 0;
        assert_eq!(sequence.next(&rest, &mut at), Event::Begin(1));
        assert_eq!(at, rest.len());
        assert_eq!(sequence.request_id(), 7);
    }
}
