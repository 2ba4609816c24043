//! The lines above a part of a multipart body: which field it is, and what the visitor calls the file. Read by `Multipart`, and
//! tested with it.

use super::malformed;
use super::parameters::Parameters;
use super::scanner::MAX_PART_HEAD;
use crate::error::Result;
use percent_encoding::percent_decode;

/// What the lines above a part say of it.
#[derive(Debug, PartialEq)]
pub(super) struct PartHead {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

impl PartHead {
    /// # Errors
    /// Status 400 if it is no part of a form, or not UTF-8.
    pub(super) fn parse(head: &[u8]) -> Result<PartHead> {
        debug_assert!(head.len() <= MAX_PART_HEAD);
        let (mut disposition, mut content_type) = (None, None);
        for line in lines(head) {
            let colon = line.iter().position(|&byte| byte == b':');
            let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
                return Err(malformed("a line above a part has no colon"));
            };
            let value = value[1..].trim_ascii();
            if name.eq_ignore_ascii_case(b"Content-Disposition") {
                disposition = disposition.or(Some(value));
            } else if name.eq_ignore_ascii_case(b"Content-Type") {
                content_type = content_type.or(Some(value));
            }
        }
        let parameters = disposition
            .and_then(|value| value.split_at_checked("form-data".len()))
            .filter(|(form_data, _)| form_data.eq_ignore_ascii_case(b"form-data"))
            .map(|(_, parameters)| parameters)
            .ok_or_else(|| malformed("a part has no Content-Disposition: form-data"))?;
        let find = |wanted: &str| {
            let mut all = Parameters(parameters);
            all.find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
                .map(|(_, value)| value)
        };
        let name = find("name").ok_or_else(|| malformed("a part has no name"))?;
        // RFC 7578 forbids `filename*`, and clients send it nevertheless. Where both are there it is the exact one: the other
        // can be a spelling without what is not ASCII.
        let file_name = match find("filename*").and_then(|value| extended(&value)) {
            Some(value) => Some(value),
            None => find("filename")
                .map(|value| text("a file's name", unescaped(value)))
                .transpose()?,
        };
        Ok(PartHead {
            name: text("a field's name", unescaped(name))?,
            file_name,
            content_type: content_type
                .map(|value| text("a part's type", value.to_vec()))
                .transpose()?,
        })
    }
}

/// The lines of a head. One goes on in the next one if that begins with a blank: no browser writes so, but libraries for
/// mail do, and some programs send forms with these.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let next = std::iter::from_fn(move || {
        let mut pairs = rest.windows(2);
        let end = pairs.position(|pair| pair[0] == b'\n' && !b" \t".contains(&pair[1]));
        let (line, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        rest = after;
        (!line.is_empty()).then(|| line.trim_ascii_end())
    });
    next.filter(|line| !line.is_empty())
}

/// Undoes the three escapes that browsers write, and no other: `%22`, `%0D` and `%0A`, for the quote and the line ends that
/// would end the value (the WHATWG's multipart/form-data encoding algorithm; seen in Chromium and Firefox).
///
/// A visitor's own `%22` becomes a quote as well: it arrives the same.
fn unescaped(value: Vec<u8>) -> Vec<u8> {
    let mut rest = &value[..];
    let mut plain = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', b'2', b'2', after @ ..] => (b'"', after),
            [b'%', b'0', b'D' | b'd', after @ ..] => (b'\r', after),
            [b'%', b'0', b'A' | b'a', after @ ..] => (b'\n', after),
            _ => (byte, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

/// Decodes the value of `filename*`, `UTF-8'en'%e2%82%ac.txt` (RFC 8187). `None` if it is not of that form: then `filename`
/// counts.
fn extended(value: &[u8]) -> Option<String> {
    let mut pieces = value.splitn(3, |&byte| byte == b'\'');
    let (charset, _language, escaped) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if !charset.eq_ignore_ascii_case(b"UTF-8") {
        return None;
    }
    percent_decode(escaped).decode_utf8().ok().map(String::from)
}

fn text(what: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| malformed(&format!("{what} is not UTF-8")))
}
