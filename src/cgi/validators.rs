//! Whether a visitor has the current version of a page already: RFC 9110, sections 8.8 and 13. Called by `Response`.

use httpdate::HttpDate;
use std::borrow::Cow;
use std::str::from_utf8;

/// What a page is known by, or what a visitor knows of it: an entity tag (or a list of them) and a date.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Version<'a> {
    pub(crate) tag: Option<&'a [u8]>,
    pub(crate) date: Option<&'a [u8]>,
}

/// An entity tag as it is written, with quotes: `"x"` or `W/"x"`. `None` if it is none.
pub(crate) fn entity_tag(tag: &str) -> Option<Cow<'_, str>> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"');
    let (opaque, written) = match quoted.and_then(|tag| tag.strip_suffix('"')) {
        Some(opaque) => (opaque, Cow::Borrowed(tag)),
        None => (tag, Cow::Owned(format!("\"{tag}\""))),
    };
    let is_legal = |byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
    opaque.bytes().all(is_legal).then_some(written)
}

/// Whether what a visitor `has`, by If-None-Match and If-Modified-Since, is what `is` current.
///
/// If-None-Match alone counts where it is sent; tags are compared weakly, since nginx makes them weak when it compresses.
/// A date that is none is no condition.
pub(crate) fn is_current(is: Version<'_>, has: Version<'_>) -> bool {
    if let Some(tags) = has.tag {
        return match tags.trim_ascii() {
            b"*" => is.tag.is_some() || is.date.is_some(),
            tags => is.tag.is_some_and(|tag| holds(tags, strong(tag))),
        };
    }
    let date = |text: Option<&[u8]>| from_utf8(text?).ok()?.trim().parse::<HttpDate>().ok();
    match (date(is.date), date(has.date)) {
        (Some(is), Some(has)) => is <= has,
        _ => false,
    }
}

fn strong(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether a list of tags holds this one. What is between quotes may have commas.
fn holds(mut list: &[u8], tag: &[u8]) -> bool {
    while let Some(start) = list.iter().position(|&byte| byte == b'"') {
        let Some(len) = list[start + 1..].iter().position(|&byte| byte == b'"') else {
            return false;
        };
        let (quoted, rest) = list[start..].split_at(len + 2);
        if quoted == tag {
            return true;
        }
        list = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gets_quotes_and_holds_nothing_else_of_them() {
        for (tag, written) in [
            ("abc", Some("\"abc\"")),
            ("\"abc\"", Some("\"abc\"")),
            ("W/\"abc\"", Some("W/\"abc\"")),
            ("", Some("\"\"")),
            ("\"\"", Some("\"\"")),
            ("W/abc", Some("\"W/abc\"")),
            ("!#,;\u{e9}", Some("\"!#,;\u{e9}\"")),
            ("a\"b", None),
            ("\"a", None),
            ("\"", None),
            ("\"a\"b\"", None),
            ("w/\"a\"", None),
            ("a b", None),
            ("a\r\nX: b", None),
            ("\"\0\"", None),
            ("\x7f", None),
        ] {
            assert_eq!(entity_tag(tag).as_deref(), written, "{tag:?}");
        }
    }

    #[test]
    fn a_visitor_has_the_current_version_or_has_not() {
        let (old, new) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
        );
        let version = |tag: &'static str, date: &'static str| Version {
            tag: (!tag.is_empty()).then_some(tag.as_bytes()),
            date: (!date.is_empty()).then_some(date.as_bytes()),
        };
        for (tag, date, if_none_match, if_modified_since, is_current) in [
            ("", "", "", "", false),
            ("\"a\"", "", "\"a\"", "", true),
            ("\"a\"", "", "\"b\"", "", false),
            ("\"a\"", "", "\"a", "", false),
            ("\"a\"", "", "a", "", false),
            // Weakly, either way.
            ("\"a\"", "", "W/\"a\"", "", true),
            ("W/\"a\"", "", "\"a\"", "", true),
            ("W/\"a\"", "", "W/\"a\"", "", true),
            // Lists, and tags with commas.
            ("\"a\"", "", "\"b\", W/\"a\" ,\"c\"", "", true),
            ("\"a\"", "", "\"b\",,\"c\"", "", false),
            ("\"a,b\"", "", "\"x\", \"a,b\"", "", true),
            ("\"b\"", "", "\"a\"b\"c\"", "", false),
            ("\"\"", "", "\"a\", \"\"", "", true),
            // Whatever it is.
            ("\"a\"", "", " * ", "", true),
            ("", old, "*", "", true),
            ("", "", "*", "", false),
            // A date counts for what it is.
            ("", old, "", old, true),
            ("", old, "", new, true),
            ("", new, "", old, false),
            ("", old, "", "Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("", old, "", "Sun Nov  6 08:49:37 1994", true),
            ("", old, "", "tomorrow", false),
            (
                "",
                old,
                "",
                "Sun, 06 Nov 1994 08:49:37 GMT; length=3",
                false,
            ),
            ("", "", "", old, false),
            // If-None-Match wins.
            ("\"a\"", old, "\"b\"", new, false),
            ("\"a\"", new, "\"a\"", old, true),
            ("", old, "\"a\"", new, false),
        ] {
            let (is, has) = (
                version(tag, date),
                version(if_none_match, if_modified_since),
            );
            assert_eq!(
                super::is_current(is, has),
                is_current,
                "{tag} {date} {if_none_match} {if_modified_since}"
            );
        }
    }
}
