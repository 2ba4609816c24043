//! The params of one request, lent from where they landed. Called by `front`, which has them read, and by `request`.
//!
//! One walk over the pairs finds the ones that every request needs, checks that the stream is whole and
//! counts; everything else is looked up when it is asked for. Joined values are written once, when the front
//! freezes, and lend like all others.

use super::eight::eight_at;
use super::header_names::{Seen, is_header, of_header};
use super::joined::{has_repeated, join};
use super::names::{GUESSED, KNOWN, Known, NAMES, PAIR_FRONT, SHAPES, guess, short_lengths};
use super::scratch::Scratch;
use crate::protocol::Pairs;

/// Why a params stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamsError {
    /// A length that points past the end.
    Broken,
    TooMany,
    PairTooLarge,
}

/// The params of one request.
#[derive(Clone, Debug)]
pub(crate) struct Params<'buf> {
    stream: &'buf [u8],
    /// Pairs whose values are joined from several of `stream`; nearly always empty.
    joined: &'buf [u8],
    known: [Option<&'buf [u8]>; KNOWN],
    /// Which request headers there may be: to look for one that is not among them takes no walk.
    headers: Seen,
}

impl<'buf> Params<'buf> {
    /// No params yet.
    #[inline(always)]
    pub(crate) fn new() -> Params<'buf> {
        Params {
            stream: &[],
            joined: &[],
            // For `[None; KNOWN]` the compiler makes a second array and copies it to here (Rust 1.95).
            known: Default::default(),
            headers: Seen([0; 8]),
        }
    }

    /// Walks `stream`. `self` is empty before; it is filled in place, since it is large. Values that come in several pairs are
    /// each on their own until [`Params::join`].
    ///
    /// # Errors
    /// What the stream is refused for. What stands in front of the place where it is broken is found all the same,
    /// [`Known::ContentTransferEncoding`] aside.
    #[inline(always)]
    pub(crate) fn read(&mut self, stream: &'buf [u8]) -> Result<Suspects, ParamsError> {
        self.stream = stream;
        let mut suspects = 0;
        let mut at = self.read_short(0, &mut suspects);
        if at < stream.len() {
            at = self.read_on(at, &mut suspects);
        }
        if at < stream.len() {
            return Err(ParamsError::Broken);
        }
        // This name is longer than what the walk compares: whether it was that one is looked up now.
        let hint = &mut self.known[Known::ContentTransferEncoding as usize];
        if hint.is_some() {
            *hint = None;
            let pairs = Pairs::new(stream);
            let (_, name) = NAMES[Known::ContentTransferEncoding as usize];
            *hint = pairs
                .filter(|pair| pair.0 == name)
                .last()
                .map(|pair| pair.1);
        }
        Ok(Suspects(suspects))
    }

    /// Whether there are too many pairs, or one that is too large.
    ///
    /// # Errors
    /// When there are.
    #[inline(always)]
    pub(crate) fn check(&self, max_pairs: usize, max_pair: usize) -> Result<(), ParamsError> {
        // No pair is shorter than its two lengths, and none is larger than the stream.
        let len = self.stream.len();
        match len > 2 * max_pairs || len > max_pair {
            true => check_limits(self.stream, max_pairs, max_pair),
            false => Ok(()),
        }
    }

    /// Writes values that came in several pairs to `scratch`, as one, if there are any.
    pub(crate) fn join(&mut self, suspects: Suspects, scratch: &mut Scratch<'buf>) {
        if !suspects.is_none() && has_repeated(self.stream, suspects.0) {
            self.joined = join(self.stream, scratch);
        }
    }

    /// Reads pairs from `at` on as they come, and says where it has come to: the end, if the stream is whole.
    #[inline(never)]
    fn read_on(&mut self, mut at: usize, suspects: &mut usize) -> usize {
        loop {
            let mut pairs = Pairs::new(self.stream.get(at..).unwrap_or_default());
            let Some((name, value)) = pairs.next() else {
                return at;
            };
            at = self.stream.len() - pairs.rest().len();
            match kind(name) {
                Kind::Other => {}
                // nginx sends SCRIPT_NAME twice in the guides' root configuration; the last one is meant.
                Kind::Known(known) => self.known[known as usize] = Some(value),
                Kind::Header(ends) => *suspects += usize::from(self.headers.insert(ends)),
            }
            at = self.read_short(at, suspects);
        }
    }

    /// Reads pairs from `at` on, as long as each has two short lengths and is no special case, and says where it has come to.
    /// What it stops at is for [`Params::read_on`], which finds the same of any pair in twice the instructions, and calls it again
    /// behind that one.
    ///
    /// It looks at the first [`SHAPED`] bytes of a name at once, without asking whether the name has so many: the pair's other
    /// bytes, or the next pair's, stand behind it. So it needs [`PAIR_FRONT`] bytes, and what it compares has to tell a name from a
    /// shorter one with the right bytes behind it.
    #[inline(always)]
    fn read_short(&mut self, at: usize, suspects: &mut usize) -> usize {
        let mut rest = self.stream.get(at..).unwrap_or_default();
        let Some(mut front) = rest.first_chunk::<PAIR_FRONT>() else {
            return at;
        };
        while let Some(lengths) = short_lengths(front) {
            let pair = 2 + lengths.0 + lengths.1;
            let Some(Ok(next)) = rest.get(pair..pair + PAIR_FRONT).map(TryInto::try_into) else {
                // The last one ends where the stream does.
                if rest.len() == pair && self.take_note(rest, front, lengths, suspects) {
                    rest = &[];
                }
                break;
            };
            if !self.take_note(rest, front, lengths, suspects) {
                break;
            }
            let Some(behind) = rest.get(pair..) else {
                break;
            };
            (rest, front) = (behind, next);
        }
        self.stream.len() - rest.len()
    }

    /// Takes note of the pair that `rest` begins with. `false` if it is a special case.
    #[inline(always)]
    fn take_note(
        &mut self,
        rest: &'buf [u8],
        front: &[u8; PAIR_FRONT],
        (len, value_len): (usize, usize),
        suspects: &mut usize,
    ) -> bool {
        let [_, _, name @ ..] = front;
        if name[..4] == *b"HTTP" {
            if name[4] == b'_' {
                // Its last eight bytes would begin before it; or it ends within HTTP_.
                if len < 8 {
                    return false;
                }
                if let Some(tail) = eight_at(rest, len - 6) {
                    *suspects += usize::from(self.headers.insert(tail ^ len as u64));
                }
            }
        } else if let Some(known) = guess(name[GUESSED], len)
            && SHAPES[known as usize].is_of(name)
        {
            self.known[known as usize] = rest.get(2 + len..2 + len + value_len);
        }
        true
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

    /// The variables of request headers, without their `HTTP_`. Of those that come several times the last one counts, and is
    /// the joined one.
    #[cfg(feature = "http")]
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'buf [u8], &'buf [u8])> + use<'buf> {
        let pairs = Pairs::new(self.stream).chain(Pairs::new(self.joined));
        pairs.filter_map(|(name, value)| Some((of_header(name)?, value)))
    }

    /// The pairs as received, in order.
    pub(crate) fn pairs(&self) -> Pairs<'buf> {
        Pairs::new(self.stream)
    }

    /// The name of the largest pair, and how large it is with its name.
    #[cold]
    pub(crate) fn largest(&self) -> (&'buf [u8], usize) {
        let sizes = self
            .pairs()
            .map(|(name, value)| (name, name.len() + value.len()));
        sizes.max_by_key(|&(_, size)| size).unwrap_or_default()
    }

    fn find(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Option<&'buf [u8]> {
        let mut find = |stream| Pairs::new(stream).filter(|(name, _)| wanted(name)).last();
        find(self.joined)
            .or_else(|| find(self.stream))
            .map(|(_, value)| value)
    }
}

/// What the one walk has to know of a name.
pub(super) enum Kind {
    Known(Known),
    /// Of a request header: how it ends.
    Header(u64),
    Other,
}

/// The kind of a name, for a pair that [`Params::read_short`] leaves out.
pub(super) fn kind(name: &[u8]) -> Kind {
    let len = name.len();
    if let Some(header) = of_header(name) {
        // `Seen::ends` alone would do, for short names and long ones; but where the last pairs are headers it takes a request
        // 20 instructions more.
        return Kind::Header(match len.checked_sub(8).and_then(|at| eight_at(name, at)) {
            Some(tail) => tail ^ len as u64,
            None => Seen::ends(header, |bytes| bytes),
        });
    }
    match name.get(GUESSED).and_then(|byte| guess(*byte, len)) {
        Some(known) if NAMES[known as usize].1 == name => Kind::Known(known),
        _ => Kind::Other,
    }
}

/// How many request headers may have come before: [`Params::join`] finds out.
#[must_use]
pub(crate) struct Suspects(usize);

impl Suspects {
    pub(crate) fn is_none(&self) -> bool {
        self.0 == 0
    }
}

#[cold]
fn check_limits(stream: &[u8], max_pairs: usize, max_pair: usize) -> Result<(), ParamsError> {
    if Pairs::new(stream).count() > max_pairs {
        return Err(ParamsError::TooMany);
    }
    if Pairs::new(stream).any(|(name, value)| name.len() + value.len() > max_pair) {
        return Err(ParamsError::PairTooLarge);
    }
    Ok(())
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
        let mut params = Params::new();
        let suspects = params.read(&bytes).unwrap();
        params.join(suspects, &mut scratch);
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

    /// Of every length, as the last pair of the stream and before others; and no other one is.
    #[test]
    fn a_header_is_found_however_long_its_name_is() {
        for len in 0..=40 {
            let name: String = "Via-Zebra".chars().cycle().take(len).collect();
            let variable = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
            for behind in [&[][..], &[("REQUEST_METHOD", "GET")], &[("HTTP_X", "1"); 9]] {
                with_params(&[&[(&*variable, "v")], behind].concat(), |params| {
                    let asked = [name.clone(), name.to_lowercase(), name.to_uppercase()];
                    for asked in asked {
                        assert_eq!(params.header(&asked), Some(&b"v"[..]), "{asked}");
                    }
                    assert_eq!(params.header(&format!("{name}y")), None);
                });
            }
        }
    }

    /// The walk in between recognizes what a lookup finds, wherever it stands, and nothing that is only like it.
    #[test]
    fn a_name_is_known_wherever_it_stands() {
        for (known, name) in NAMES {
            let name = str::from_utf8(name).unwrap();
            let middle = name.len() / 2;
            let other = format!("{}~{}", &name[..middle], &name[middle + 1..]);
            let longer = format!(
                "{}{}{}",
                &name[..8],
                "~".repeat(32),
                &name[name.len() - 8..]
            );
            let long = "v".repeat(200);
            for value in ["", "value", &long] {
                for (before, behind) in [(0, 0), (0, 3), (3, 0), (3, 3)] {
                    let around = [("HTTP_A", "1"), ("HTTPS", "on"), ("SERVER_PORT", "80")];
                    for (sent, is_it) in [(name, true), (&other, false), (&longer, false)] {
                        let pairs = [&around[..before], &[(sent, value)], &around[..behind]];
                        let found = with_params(&pairs.concat(), |params| {
                            params.known(known).map(<[u8]>::to_vec)
                        });
                        assert_eq!(found, is_it.then(|| value.as_bytes().to_vec()), "{sent}");
                    }
                }
            }
        }
    }

    /// Lengths of one byte and of four, side by side: the walk goes on behind either.
    #[test]
    fn names_of_every_length_leave_what_stands_behind_them() {
        for len in (0..=260).chain([300, 65_535, 65_536, 70_000]) {
            let (name, text) = ("n".repeat(len), "v".repeat(len));
            for (name, value) in [(&*name, "v"), ("N", &*text), (&*name, &*text)] {
                let pairs = [
                    ("HTTP_VIA", "before"),
                    (name, value),
                    ("REQUEST_METHOD", "GET"),
                    ("HTTP_HOST", "behind"),
                ];
                with_params(&pairs, |params| {
                    let found = params.get(name.as_bytes()).map(<[u8]>::len);
                    assert_eq!(found, Some(value.len()), "{len}");
                    let method = params.known(Known::RequestMethod);
                    assert_eq!(method, Some(&b"GET"[..]), "{len}");
                    assert_eq!(params.header("Via"), Some(&b"before"[..]), "{len}");
                    assert_eq!(params.header("Host"), Some(&b"behind"[..]), "{len}");
                });
            }
        }
    }

    #[test]
    fn streams_that_are_broken_or_over_a_limit_are_refused() {
        let whole = stream(&[("A", "1"), ("B", "2")]);
        let refused = |bytes: &[u8], max_pairs, max_pair| {
            let mut params = Params::new();
            let read = params.read(bytes).map(drop);
            read.and_then(|()| params.check(max_pairs, max_pair)).err()
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
