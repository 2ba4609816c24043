//! The params of one request, lent from where they landed.
//!
//! One walk over the pairs finds the ones that every request needs, checks that the stream is whole and
//! counts; everything else is looked up when it is asked for. Joined values are written once, when the front
//! freezes, and lend like all others.

use crate::protocol::Pairs;

/// The params that every request needs, found in the one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    PathInfo,
    RemoteAddr,
    RequestUri,
    ScriptName,
    QueryString,
    ContentType,
    ContentLength,
    RequestMethod,
    /// cherokee's word for a body that is still in chunks.
    ContentTransferEncoding,
}

const KNOWN: usize = Known::ContentTransferEncoding as usize + 1;

/// Why a params stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamsError {
    /// A length that points past the end.
    Broken,
    TooMany,
    PairTooLarge,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Params<'buf> {
    stream: &'buf [u8],
    /// Pairs whose values are joined from several of `stream`; nearly always empty.
    joined: &'buf [u8],
    known: [Option<&'buf [u8]>; KNOWN],
    /// Which request headers there may be: one that is not asks for no walk.
    headers: Seen,
}

impl<'buf> Params<'buf> {
    /// Walks `stream`, and writes what has to be joined to `scratch`. Of an empty one; in place, since it is large.
    ///
    /// # Errors
    /// What the stream is refused for: then what was found is of no meaning.
    #[inline]
    pub(crate) fn read(
        &mut self,
        stream: &'buf [u8],
        max_pairs: usize,
        max_pair: usize,
        scratch: &mut Scratch<'buf>,
    ) -> Result<(), ParamsError> {
        self.stream = stream;
        let mut pairs = Pairs::new(stream);
        let (mut count, mut suspects) = (0, 0);
        for (name, value) in pairs.by_ref() {
            count += 1;
            match kind(name) {
                Kind::Other => {}
                // nginx sends SCRIPT_NAME twice in the guides' root configuration; the last one is meant.
                Kind::Known(known) => self.known[known as usize] = Some(value),
                Kind::Header(ends) => suspects += usize::from(self.headers.insert(ends)),
            }
        }
        if !pairs.is_whole() {
            return Err(ParamsError::Broken);
        }
        if count > max_pairs {
            return Err(ParamsError::TooMany);
        }
        // No pair of a stream is larger than the stream.
        if stream.len() > max_pair
            && Pairs::new(stream).any(|(name, value)| name.len() + value.len() > max_pair)
        {
            return Err(ParamsError::PairTooLarge);
        }
        if suspects > 0 && has_repeated(stream, suspects) {
            self.joined = join(stream, scratch);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn known(&self, known: Known) -> Option<&'buf [u8]> {
        self.known[known as usize]
    }

    /// The value of a param: of a repeated header all values joined, of any other repeated name the last.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&'buf [u8]> {
        self.find(|candidate| candidate == name)
    }

    /// The value of a request header, by the name that it has in HTTP.
    pub(crate) fn header(&self, name: &str) -> Option<&'buf [u8]> {
        if name.eq_ignore_ascii_case("content-type") {
            return self.known(Known::ContentType);
        }
        if name.eq_ignore_ascii_case("content-length") {
            return self.known(Known::ContentLength);
        }
        if !self.headers.may_have(name) {
            return None;
        }
        self.find(|candidate| is_header(candidate, name.as_bytes()))
    }

    /// The pairs as received, in order.
    pub(crate) fn pairs(&self) -> Pairs<'buf> {
        Pairs::new(self.stream)
    }

    fn find(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Option<&'buf [u8]> {
        let mut find = |stream| Pairs::new(stream).filter(|(name, _)| wanted(name)).last();
        find(self.joined)
            .or_else(|| find(self.stream))
            .map(|(_, value)| value)
    }
}

/// Whether `param` is the variable of the request header `name`: RFC 3875, section 4.1.18.
fn is_header(param: &[u8], name: &[u8]) -> bool {
    let Some(param) = of_header(param) else {
        return false;
    };
    param.len() == name.len() && param.iter().zip(name).all(|(&p, &n)| p == as_in_param(n))
}

/// What the variable of a request header has behind its `HTTP_`.
#[inline(always)]
fn of_header(param: &[u8]) -> Option<&[u8]> {
    match param {
        [b'H', b'T', b'T', b'P', b'_', header @ ..] => Some(header),
        _ => None,
    }
}

/// A byte of a header's name, as its variable has it.
fn as_in_param(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// What the one walk has to know of a name.
enum Kind {
    Known(Known),
    /// Of a request header: how it ends.
    Header(u64),
    Other,
}

/// The first and the last eight bytes, as one number each, tell all names apart that are looked for: of nginx's 29 most
/// are done after three comparisons.
#[inline(always)]
fn kind(name: &[u8]) -> Kind {
    const CONTENT: u64 = word(b"CONTENT_");
    const PATH: u64 = word(b"PATH_INF");
    const QUERY: u64 = word(b"QUERY_ST");
    const REMOTE: u64 = word(b"REMOTE_A");
    const REQUEST: u64 = word(b"REQUEST_");
    const SCRIPT: u64 = word(b"SCRIPT_N");
    let len = name.len();
    if len < 8 {
        // `HTTP_TE`; none that is known is as short.
        return of_header(name).map_or(Kind::Other, |header| Kind::Header(short_ends(header)));
    }
    let (Some(head), Some(tail)) = (first(name), last(name)) else {
        return Kind::Other;
    };
    if head << 24 == word(b"HTTP_\0\0\0") << 24 {
        return Kind::Header(tail ^ len as u64);
    }
    Kind::Known(match head {
        CONTENT if len == 12 && tail == word(b"ENT_TYPE") => Known::ContentType,
        CONTENT if len == 14 && tail == word(b"T_LENGTH") => Known::ContentLength,
        CONTENT if name == b"CONTENT_TRANSFER_ENCODING" => Known::ContentTransferEncoding,
        PATH if len == 9 && tail == word(b"ATH_INFO") => Known::PathInfo,
        QUERY if len == 12 && tail == word(b"Y_STRING") => Known::QueryString,
        REMOTE if len == 11 && tail == word(b"OTE_ADDR") => Known::RemoteAddr,
        REQUEST if len == 11 && tail == word(b"UEST_URI") => Known::RequestUri,
        REQUEST if len == 14 && tail == word(b"T_METHOD") => Known::RequestMethod,
        SCRIPT if len == 11 && tail == word(b"IPT_NAME") => Known::ScriptName,
        _ => return Kind::Other,
    })
}

/// The first eight bytes. By a pattern: at opt-level `z` the standard library's way is a call.
#[inline(always)]
fn first(name: &[u8]) -> Option<u64> {
    match *name {
        [a, b, c, d, e, f, g, h, ..] => Some(word(&[a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

/// The last eight bytes.
#[inline(always)]
fn last(name: &[u8]) -> Option<u64> {
    match *name {
        [.., a, b, c, d, e, f, g, h] => Some(word(&[a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

#[inline(always)]
const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

#[cold]
fn short_ends(header: &[u8]) -> u64 {
    Seen::ends(header, |byte| byte)
}

/// A small set of variables of headers that may say "seen before" of one that was not, never the other way round. How a
/// variable ends, and its length, tell the usual ones apart.
#[derive(Clone, Debug, Default)]
struct Seen([u64; 8]);

impl Seen {
    /// Whether a name that ends so was here before.
    #[inline(always)]
    fn insert(&mut self, ends: u64) -> bool {
        let (word, bit) = Seen::place(ends);
        let seen = self.0[word] & bit != 0;
        self.0[word] |= bit;
        seen
    }

    /// Whether the variable of a header of this name, as it is in HTTP, may have been here.
    fn may_have(&self, name: &str) -> bool {
        let (word, bit) = Seen::place(Seen::ends(name.as_bytes(), as_in_param));
        self.0[word] & bit != 0
    }

    /// The last eight bytes of `HTTP_` and `header` as a number, with the length of both.
    fn ends(header: &[u8], as_in_param: impl Fn(u8) -> u8) -> u64 {
        let (mut tail, len) = (word(b"\0\0\0HTTP_"), header.len());
        for &byte in &header[len.saturating_sub(8)..] {
            tail = tail >> 8 | u64::from(as_in_param(byte)) << 56;
        }
        tail ^ (len as u64 + 5)
    }

    #[inline(always)]
    fn place(ends: u64) -> (usize, u64) {
        // The golden ratio's bits; the upper ones of the product depend on all of them.
        let hash = ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55;
        (hash as usize / 64, 1 << (hash % 64))
    }
}

/// How many names that may be repeated are looked up one by one.
const MOST_SUSPECTS: usize = 16;

/// Whether a request header stands in `stream` more than once, where so many ended as one before them did. A few are looked
/// up; of many the sorting finds out.
#[cold]
fn has_repeated(stream: &[u8], suspects: usize) -> bool {
    let mut seen = Seen::default();
    suspects > MOST_SUSPECTS
        || Pairs::new(stream).any(|(name, _)| match kind(name) {
            Kind::Header(ends) => seen.insert(ends) && is_repeated(stream, name),
            _ => false,
        })
}

/// Whether `name` stands in `stream` more than once.
fn is_repeated(stream: &[u8], name: &[u8]) -> bool {
    Pairs::new(stream)
        .filter(|(other, _)| *other == name)
        .nth(1)
        .is_some()
}

/// Room in the worker's buffer for values that stand nowhere in the stream, handed out from its front.
#[derive(Debug, Default)]
pub(crate) struct Scratch<'buf> {
    rest: &'buf mut [u8],
    /// `len <= rest.len()`: the value in the making.
    len: usize,
    /// Room to sort in; of no meaning afterwards.
    desk: &'buf mut [u8],
    touched: bool,
}

impl<'buf> Scratch<'buf> {
    /// `desk` has four bytes for each pair that may be there.
    pub(crate) fn new(rest: &'buf mut [u8], desk: &'buf mut [u8]) -> Scratch<'buf> {
        Scratch {
            rest,
            len: 0,
            desk,
            touched: false,
        }
    }

    /// Appends to the value in the making. `false` if there is no room left.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.rest.get_mut(self.len..self.len + bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        self.touched = true;
        true
    }

    /// The value in the making.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.rest[..self.len]
    }

    /// Takes the end of the value in the making away.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The value that was made since the last call.
    pub(crate) fn finish(&mut self) -> &'buf [u8] {
        let (done, rest) = std::mem::take(&mut self.rest).split_at_mut(self.len);
        self.rest = rest;
        self.len = 0;
        done
    }

    /// Whether anything was ever written.
    pub(crate) fn was_touched(&self) -> bool {
        self.touched
    }

    /// Gives the desk back to whoever lent it.
    pub(crate) fn into_desk(self) -> &'buf mut [u8] {
        self.desk
    }
}

/// Writes one pair for each `HTTP_*` name that stands in `stream` more than once, its values joined.
///
/// nginx 1.22, HAProxy and h2o send a repeated request header as repeated pairs. The names are sorted, by their
/// offsets, so that thousands of repeated ones are not compared each with each.
fn join<'buf>(stream: &'buf [u8], scratch: &mut Scratch<'buf>) -> &'buf [u8] {
    let desk = std::mem::take(&mut scratch.desk);
    scratch.touched = true;
    let (offsets, _) = desk.as_chunks_mut::<4>();
    let pair_at = |offset: &[u8; 4]| {
        let pair = Pairs::new(&stream[u32::from_be_bytes(*offset) as usize..]).next();
        pair.expect("BUG: an offset that no pair began at")
    };
    let headers = header_offsets(stream)
        .zip(offsets.iter_mut())
        .map(|(from, to)| *to = from)
        .count();
    let offsets = &mut offsets[..headers];
    sort(offsets, |a, b| (pair_at(a).0, a) < (pair_at(b).0, b));
    for group in offsets.chunk_by(|a, b| pair_at(a).0 == pair_at(b).0) {
        if let [first, _, ..] = group {
            push_joined(
                pair_at(first).0,
                || group.iter().map(|offset| pair_at(offset).1),
                scratch,
            );
        }
    }
    scratch.desk = desk;
    scratch.finish()
}

/// A heap's sort, of which a stream may have thousands to do; the standard library's is 4 KB of every program.
fn sort<T>(list: &mut [T], is_before: impl Fn(&T, &T) -> bool) {
    for start in (0..list.len() / 2).rev() {
        sink(list, start, &is_before);
    }
    for end in (1..list.len()).rev() {
        list.swap(0, end);
        sink(&mut list[..end], 0, &is_before);
    }
}

/// Lets an entry change places with what is below it until nothing there comes after it.
fn sink<T>(heap: &mut [T], mut at: usize, is_before: &impl Fn(&T, &T) -> bool) {
    loop {
        let (left, right) = (2 * at + 1, 2 * at + 2);
        let Some(mut last) = heap.get(left) else {
            return;
        };
        let mut below = left;
        if let Some(other) = heap.get(right).filter(|other| is_before(last, other)) {
            (last, below) = (other, right);
        }
        if !is_before(&heap[at], last) {
            return;
        }
        heap.swap(at, below);
        at = below;
    }
}

/// Where the pairs of request headers begin.
fn header_offsets(stream: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    let mut pairs = Pairs::new(stream);
    std::iter::from_fn(move || {
        loop {
            let offset = (stream.len() - pairs.rest().len()) as u32;
            let (name, _) = pairs.next()?;
            if of_header(name).is_some() {
                return Some(offset.to_be_bytes());
            }
        }
    })
}

/// Appends a pair; the four-byte form of both lengths is legal for every length (section 3.4).
fn push_joined<'v, V: Iterator<Item = &'v [u8]>>(
    name: &[u8],
    values: impl Fn() -> V,
    scratch: &mut Scratch<'_>,
) {
    let separator: &[u8] = if name == b"HTTP_COOKIE" { b"; " } else { b", " };
    let (count, sum) = values().fold((0, 0), |(count, sum), value| (count + 1, sum + value.len()));
    let value_len = sum + (count - 1) * separator.len();
    let start = scratch.len;
    let mut whole = [name.len(), value_len]
        .iter()
        .all(|&len| scratch.push(&(len as u32 | 0x8000_0000).to_be_bytes()));
    whole &= scratch.push(name);
    for (i, value) in values().enumerate() {
        whole &= (i == 0 || scratch.push(separator)) && scratch.push(value);
    }
    if !whole {
        // No room: the joined form of a name is never much longer than its pairs, so this takes a stream of
        // the largest size made of nothing else. Then the last value stands, as for any other name.
        scratch.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::encode_pair;

    fn stream(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in pairs {
            encode_pair(name.as_bytes(), value.as_bytes(), &mut bytes);
        }
        bytes
    }

    fn with_params<T>(pairs: &[(&str, &str)], look: impl FnOnce(&Params<'_>) -> T) -> T {
        let (mut room, mut desk) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let bytes = stream(pairs);
        let mut scratch = Scratch::new(&mut room, &mut desk);
        let mut params = Params::default();
        params.read(&bytes, 4096, 224 << 10, &mut scratch).unwrap();
        look(&params)
    }

    #[test]
    fn the_last_of_a_repeated_cgi_variable_wins() {
        let pairs = [
            ("SCRIPT_NAME", "/a"),
            ("X", "1"),
            ("SCRIPT_NAME", ""),
            ("X", "2"),
        ];
        with_params(&pairs, |params| {
            assert_eq!(params.known(Known::ScriptName), Some(&b""[..]));
            assert_eq!(params.get(b"SCRIPT_NAME"), Some(&b""[..]));
            assert_eq!(params.get(b"X"), Some(&b"2"[..]));
        });
    }

    #[test]
    fn repeated_headers_are_joined_and_cookies_by_semicolon() {
        let pairs = [
            ("HTTP_X_REP", "a"),
            ("HTTP_COOKIE", "k=1"),
            ("HTTP_HOST", "h"),
            ("HTTP_X_REP", ""),
            ("HTTP_COOKIE", "l=2"),
            ("HTTP_X_REP", "c"),
        ];
        with_params(&pairs, |params| {
            assert_eq!(params.get(b"HTTP_X_REP"), Some(&b"a, , c"[..]));
            assert_eq!(params.header("x-rep"), Some(&b"a, , c"[..]));
            assert_eq!(params.header("Cookie"), Some(&b"k=1; l=2"[..]));
            assert_eq!(params.header("Host"), Some(&b"h"[..]));
            assert_eq!(params.header("X-Absent"), None);
            assert_eq!(params.pairs().count(), 6, "the raw pairs stay as received");
        });
    }

    #[test]
    fn thousands_of_repeated_headers_are_joined_in_order() {
        let names: Vec<String> = (0..2000).map(|i| format!("HTTP_X_{}", i % 500)).collect();
        let values: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
        let pairs: Vec<_> = names
            .iter()
            .map(|n| n.as_str())
            .zip(values.iter().map(|v| v.as_str()))
            .collect();
        with_params(&pairs, |params| {
            assert_eq!(params.get(b"HTTP_X_7"), Some(&b"7, 507, 1007, 1507"[..]));
            assert_eq!(
                params.get(b"HTTP_X_499"),
                Some(&b"499, 999, 1499, 1999"[..])
            );
        });
    }

    #[test]
    fn lists_of_every_length_are_sorted() {
        for len in 0..70_u32 {
            let mut list: Vec<u32> = (0..len).map(|i| i * 37 % 61 / 2).collect();
            let mut expected = list.clone();
            expected.sort_unstable();
            sort(&mut list, |a, b| a < b);
            assert_eq!(list, expected);
        }
    }

    #[test]
    fn headers_are_looked_up_by_their_http_names() {
        let pairs = [
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "3"),
            ("HTTP_X_DOT.NAME", "d"),
        ];
        with_params(&pairs, |params| {
            assert_eq!(params.header("Content-Type"), Some(&b"text/plain"[..]));
            assert_eq!(params.header("content-length"), Some(&b"3"[..]));
            assert_eq!(params.header("X-Dot.Name"), Some(&b"d"[..]));
        });
    }

    #[test]
    fn streams_that_are_broken_or_over_a_limit_are_refused() {
        let whole = stream(&[("A", "1"), ("B", "2")]);
        let refused = |bytes: &[u8], max_pairs, max_pair| {
            let mut params = Params::default();
            params
                .read(bytes, max_pairs, max_pair, &mut Scratch::default())
                .err()
        };
        assert_eq!(refused(&whole, 2, 2), None);
        assert_eq!(refused(&whole, 1, 2), Some(ParamsError::TooMany));
        assert_eq!(refused(&whole, 2, 1), Some(ParamsError::PairTooLarge));
        for cut in 1..whole.len() {
            let expected = (cut != 4).then_some(ParamsError::Broken);
            assert_eq!(refused(&whole[..cut], 2, 2), expected, "cut at {cut}");
        }
    }
}
