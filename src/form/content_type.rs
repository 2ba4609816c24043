//! How the body of a form is encoded, as its Content-Type says, and the parameters of such a header: `; name="value"`.

use super::shown;
use crate::error::{Error, Result};

/// How a form's body is encoded.
#[derive(Debug, PartialEq)]
pub(super) enum Encoding {
    Urlencoded,
    /// With the boundary between its parts.
    Multipart(Vec<u8>),
}

impl Encoding {
    /// # Errors
    /// 415 for any other type and for none; 400 for a multipart without a usable boundary.
    pub(super) fn of(content_type: Option<&str>) -> Result<Encoding> {
        let text = content_type.unwrap_or("");
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        match essence.trim_ascii().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Ok(Encoding::Urlencoded),
            "multipart/form-data" => boundary(parameters.as_bytes()).map(Encoding::Multipart),
            "" => Err(Error::new(
                415,
                "the form has no Content-Type, or none that is UTF-8: application/x-www-form-urlencoded or multipart/form-data is expected",
            )),
            _ => Err(Error::new(
                415,
                format!(
                    "the body is no form but {}: application/x-www-form-urlencoded or multipart/form-data is expected",
                    shown(text)
                ),
            )),
        }
    }
}

/// RFC 2046, section 5.1.1: 1 to 70 characters. Chromium's has 38, Firefox's 57, curl's 40.
const MAX_BOUNDARY: usize = 70;

fn boundary(parameters: &[u8]) -> Result<Vec<u8>> {
    let found = Parameters(parameters)
        .find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"))
        .map(|(_, value)| value);
    match found {
        Some(value) if (1..=MAX_BOUNDARY).contains(&value.len()) => Ok(value),
        Some(value) => Err(Error::new(
            400,
            format!(
                "the boundary in the Content-Type has {} characters: 1 to {MAX_BOUNDARY} are legal",
                value.len()
            ),
        )),
        None => Err(Error::new(
            400,
            "the Content-Type multipart/form-data names no boundary",
        )),
    }
}

/// What follows the first word of a header: `; name=value; name="quoted value"`. What is not of that form is passed over.
pub(super) struct Parameters<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Vec<u8>);

    fn next(&mut self) -> Option<(&'a [u8], Vec<u8>)> {
        loop {
            let rest = self.0.trim_ascii_start();
            let rest = rest.strip_prefix(b";").unwrap_or(rest).trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
            let end = rest.iter().position(|byte| b";=".contains(byte));
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            let Some(value) = after.strip_prefix(b"=") else {
                self.0 = after;
                continue;
            };
            let (value, after) = value_of(value.trim_ascii_start());
            self.0 = after;
            return Some((name.trim_ascii_end(), value));
        }
    }
}

/// The value, quoted or not, and what comes after it.
fn value_of(text: &[u8]) -> (Vec<u8>, &[u8]) {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let (end, is_escaped) = end_of(quoted);
        let after = quoted.get(end + 1..).unwrap_or_default();
        return (without_escapes(&quoted[..end], is_escaped), after);
    }
    let end = text.iter().position(|&byte| byte == b';');
    let (value, after) = text.split_at(end.unwrap_or(text.len()));
    (value.trim_ascii_end().to_vec(), after)
}

/// Where the closing quote stands, and whether a backslash escapes. Go, and curl before 7.81, write one before
/// each quote and each backslash; today's browsers before neither, so that `ends with\` comes with a quote behind it that
/// is the closing one (seen in Chromium 156); older Firefoxes before quotes alone.
fn end_of(text: &[u8]) -> (usize, bool) {
    let last = text.iter().rposition(|&byte| byte == b'"');
    let last = last.unwrap_or(text.len());
    let (mut at, mut is_escaped) = (0, true);
    while at < last {
        at += match text[at..] {
            [b'\\', b'\\', ..] => 2,
            [b'\\', b'"', ..] if at + 1 < last => 2,
            // It stands for itself: no client that escapes would have let it pass.
            [b'\\', ..] => {
                is_escaped = false;
                1
            }
            [b'"', ..] => break,
            _ => 1,
        };
    }
    (at, is_escaped)
}

fn without_escapes(mut text: &[u8], is_escaped: bool) -> Vec<u8> {
    let mut value = Vec::new();
    while let Some((&byte, after)) = text.split_first() {
        let (byte, after) = match text {
            [b'\\', b'"', after @ ..] => (b'"', after),
            [b'\\', b'\\', after @ ..] if is_escaped => (b'\\', after),
            _ => (byte, after),
        };
        value.push(byte);
        text = after;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_says_how_a_form_is_encoded() {
        let multipart = |text: &str| Encoding::Multipart(text.into());
        for (text, expected) in [
            ("application/x-www-form-urlencoded", Encoding::Urlencoded),
            (
                " Application/X-WWW-form-urlencoded ; charset=UTF-8",
                Encoding::Urlencoded,
            ),
            ("multipart/form-data; boundary=x", multipart("x")),
            (
                "Multipart/Form-Data;charset=utf-8 ; BOUNDARY=\"a b:\\\"c\" ; x",
                multipart("a b:\"c"),
            ),
            (
                "multipart/form-data; boundary = ----WebKitFormBoundaryA1 ",
                multipart("----WebKitFormBoundaryA1"),
            ),
            (
                "multipart/form-data; x; boundary=x; boundary=y",
                multipart("x"),
            ),
        ] {
            assert_eq!(Encoding::of(Some(text)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn any_other_type_is_415_and_a_boundary_that_is_none_400() {
        for text in [
            None,
            Some(""),
            Some("application/json"),
            Some("text/plain; boundary=x"),
            Some("multipart/mixed; boundary=x"),
            Some("multipart/form-datax; boundary=x"),
        ] {
            assert_eq!(Encoding::of(text).unwrap_err().status(), 415, "{text:?}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for text in [
            "multipart/form-data",
            "multipart/form-data; boundary",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; xboundary=x",
            &long,
        ] {
            assert_eq!(
                Encoding::of(Some(text)).unwrap_err().status(),
                400,
                "{text:?}"
            );
        }
    }

    #[test]
    fn parameters_are_quoted_or_not() {
        for (text, expected) in [
            (
                "; name=\"a\"; filename=\"b;c\"",
                &[("name", "a"), ("filename", "b;c")][..],
            ),
            (
                ";name=a b ;filename=c",
                &[("name", "a b"), ("filename", "c")],
            ),
            ("; name=\"a\\\"b\\\\c\"", &[("name", "a\"b\\c")]),
            // A backslash that escapes nothing says that another does not either.
            ("; name=\"a\\\"b\\\\c\\d\"", &[("name", "a\"b\\\\c\\d")]),
            (
                "; filename=\"\\\\server\\share\\\"; x=y",
                &[("filename", "\\\\server\\share\\"), ("x", "y")],
            ),
            (
                "; name=\"\\\\\"; filename=\"ends with\\\"",
                &[("name", "\\"), ("filename", "ends with\\")],
            ),
            ("; name=\"\\", &[("name", "\\")]),
            ("; name=\"", &[("name", "")]),
            ("; name=\"no end", &[("name", "no end")]),
            ("; filename=\"a\\\" ", &[("filename", "a\\")]),
            ("; filename=\"\\\\\"", &[("filename", "\\")]),
            (
                "; name=\"\"; ; =; x; y=",
                &[("name", ""), ("", ""), ("y", "")],
            ),
            ("", &[]),
            (";;;", &[]),
        ] {
            let found: Vec<(String, String)> = Parameters(text.as_bytes())
                .map(|(name, value)| {
                    (
                        String::from_utf8_lossy(name).into(),
                        String::from_utf8(value).unwrap(),
                    )
                })
                .collect();
            let expected: Vec<(String, String)> = expected
                .iter()
                .map(|(a, b)| ((*a).into(), (*b).into()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
