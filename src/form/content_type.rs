//! How the body of a form is encoded, as its Content-Type says. Asked by `Form` and `Multipart`.

use super::parameters::Parameters;
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
}
