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
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|&byte| byte == b';');
        let (value, after) = text.split_at(end.unwrap_or(text.len()));
        return (value.trim_ascii_end().to_vec(), after);
    };
    let mut value = Vec::new();
    loop {
        match rest {
            // Browsers do not escape a backslash: this is the last character of `a\`, and the end.
            [b'\\', b'"', after @ ..] if after.trim_ascii_start().is_empty() => {
                value.push(b'\\');
                return (value, after);
            }
            // Older browsers and curl escape so. A lone backslash stays: old ones send `C:\file.txt`.
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [b'"', after @ ..] => return (value, after),
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return (value, rest),
        }
    }
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
            ("; name=\"a\\\"b\\\\c\\d\"", &[("name", "a\"b\\c\\d")]),
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
