//! `name=value&…`, as a query string has it and a form's body (the WHATWG's application/x-www-form-urlencoded).

use crate::error::{Error, Result};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Names and values, decoded; bytes that are no UTF-8 are replaced by `U+FFFD`.
pub(crate) fn query_pairs(
    text: &[u8],
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_> {
    form_urlencoded::parse(text)
}

/// As [`query_pairs`], of a text that no browser's form would have made otherwise: nothing of it is replaced or guessed.
///
/// # Errors
/// 400 for a `%` without two hexadecimal digits, and for what is no UTF-8.
pub(super) fn checked_pairs(
    text: &[u8],
) -> Result<impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_>> {
    if !is_escaped(text) {
        return Err(Error::new(
            400,
            "the form is malformed: a % without two hexadecimal digits",
        ));
    }
    // What separates is ASCII, and no part of a longer character: the whole is UTF-8 if each value is, and only then.
    if percent_decode(text).decode_utf8().is_err() {
        return Err(Error::new(
            400,
            "the form is malformed: it is not UTF-8; the page that sends it should be",
        ));
    }
    Ok(query_pairs(text))
}

/// As a page's form sends its fields.
pub(crate) fn urlencoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn is_escaped(text: &[u8]) -> bool {
    let mut rest = text.split(|&byte| byte == b'%');
    rest.next();
    rest.all(|after| matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Vec<(String, String)> {
        pairs
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn a_query_is_names_and_values() {
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
        ] {
            let checked = checked_pairs(text.as_bytes()).unwrap();
            assert_eq!(
                owned(checked),
                owned(query_pairs(text.as_bytes())),
                "{text}"
            );
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
            let error = checked_pairs(text)
                .err()
                .expect("a malformed form was taken");
            assert_eq!(error.status(), 400, "{error} {}", text.escape_ascii());
        }
    }
}
