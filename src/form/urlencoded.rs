//! `name=value&…`, as a query string has it and a form's body (the WHATWG's application/x-www-form-urlencoded).

use super::malformed;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;

/// Names and values, decoded; bytes that are no UTF-8 are replaced by `U+FFFD`.
pub(crate) fn query_pairs(
    text: &[u8],
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_> {
    form_urlencoded::parse(text)
}

/// Decodes a form's body where it lies, so that a large one takes no second piece of memory. Afterwards `text` is the names
/// and values, one behind the other; `each` is told of every pair. Unlike in a query, nothing is replaced or guessed.
///
/// # Errors
/// 400 for a `%` without two hexadecimal digits, and for what is no UTF-8; those of `each`.
pub(super) fn decode_pairs(
    text: &mut Vec<u8>,
    mut each: impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        let pair = &text[at..];
        let len = pair.iter().position(|&byte| byte == b'&');
        let next = at + len.unwrap_or(pair.len());
        if next > at {
            let name = pair[..next - at].iter().position(|&byte| byte == b'=');
            let name_stop = name.map_or(next, |len| at + len);
            let name_end = decode(text, at..name_stop, end)?;
            let value_end = decode(text, next.min(name_stop + 1)..next, name_end)?;
            each(
                utf_8(&text[end..name_end])?,
                utf_8(&text[name_end..value_end])?,
            )?;
            end = value_end;
        }
        at = next + 1;
    }
    text.truncate(end);
    Ok(())
}

/// Decodes one name or value, which lies at `from`, to where `to` is: there, or before it. Where it ends then.
fn decode(text: &mut [u8], from: Range<usize>, mut to: usize) -> Result<usize> {
    let mut at = from.start;
    while at < from.end {
        text[to] = match text[at..from.end] {
            [b'+', ..] => b' ',
            [b'%', high, low, ..] => {
                at += 2;
                let (high, low) = digit(high).zip(digit(low)).ok_or_else(bad_escape)?;
                high << 4 | low
            }
            [b'%', ..] => return Err(bad_escape()),
            _ => text[at],
        };
        at += 1;
        to += 1;
    }
    Ok(to)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn utf_8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| malformed("it is not UTF-8; the page that sends it should be"))
}

fn bad_escape() -> Error {
    malformed("a % without two hexadecimal digits")
}

/// Encodes fields as a page's form sends them.
pub(crate) fn urlencoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Encodes one name or value.
#[cfg(feature = "toolbox")]
pub(crate) fn encoded(value: &[u8]) -> String {
    form_urlencoded::byte_serialize(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owned<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Vec<(String, String)> {
        pairs
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn decoded(text: &[u8]) -> Result<Vec<(String, String)>> {
        let (mut text, mut pairs) = (text.to_vec(), Vec::new());
        decode_pairs(&mut text, |name, value| {
            pairs.push((name.to_owned(), value.to_owned()));
            Ok(())
        })?;
        let all: String = pairs
            .iter()
            .map(|(name, value)| name.clone() + value)
            .collect();
        assert_eq!(text, all.as_bytes(), "it does not lie where it is said to");
        Ok(pairs)
    }

    #[test]
    fn a_query_is_decoded_and_what_is_no_utf_8_is_replaced() {
        let all = |text: &'static str| owned(query_pairs(text.as_bytes()));
        let expected = [
            ("a", "1 2"),
            ("b", ""),
            ("", "x"),
            ("c", "=/\u{e9}\u{fffd}%zz"),
            ("a", "+"),
        ];
        let expected: Vec<_> = expected
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        assert_eq!(all("a=1+2&b&=x&&c==/%C3%A9%E9%zz&a=%2B"), expected);
        assert_eq!(all(""), []);
    }

    #[test]
    fn what_a_form_sends_is_taken_as_a_query_is() {
        for text in [
            "",
            "a=1+2&b&=x&&c==/%C3%A9%e2%82%AC&a=%2B",
            "\u{e9}=\u{20ac}",
            "%00=%0a",
            "&&a&==&a==b=c&+=%2b+&=&",
            "%26=%3D&a",
        ] {
            let expected = owned(query_pairs(text.as_bytes()));
            assert_eq!(decoded(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_form_is_guessed() {
        for text in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"%4=a",
            b"a=%%41",
            b"a=\xe9",
            b"\xe9=a",
            b"a=%E9",
            b"a=%C3&%A9=b", // no character reaches over the end of a value
            b"a=%ED%A0%80", // half a surrogate pair
        ] {
            let error = decoded(text).expect_err("a malformed form was taken");
            assert_eq!(error.status(), 400, "{error} {}", text.escape_ascii());
        }
    }

    proptest! {
        /// Decoding in place is the same as by the crate, wherever nothing had to be replaced.
        #[test]
        fn what_is_decoded_in_place_is_what_a_query_would_be(text in "([a&=+\u{e9}]|%(26|3D|2B|00|C3%A9|41|25|e|C3)){0,20}") {
            let expected = owned(query_pairs(text.as_bytes()));
            let is_whole = !expected.iter().any(|(name, value)| (name.clone() + value).contains('\u{fffd}'));
            match decoded(text.as_bytes()) {
                Ok(pairs) => prop_assert_eq!(pairs, expected),
                Err(error) => prop_assert!(!is_whole || error.to_string().contains('%'), "{}", error),
            }
        }
    }
}
