//! `name=value&…`, as a query string has it (the WHATWG's application/x-www-form-urlencoded).

use std::borrow::Cow;

/// Names and values, decoded; bytes that are no UTF-8 are replaced by `U+FFFD`.
pub(crate) fn query_pairs(
    text: &[u8],
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_> {
    form_urlencoded::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_names_and_values() {
        let all = |text: &'static str| -> Vec<(String, String)> {
            let owned = |(name, value): (Cow<str>, Cow<str>)| (name.into(), value.into());
            query_pairs(text.as_bytes()).map(owned).collect()
        };
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
}
