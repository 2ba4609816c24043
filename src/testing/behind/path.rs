//! Paths as web servers take them apart: decoded, cleaned, encoded again. Called by the presets. The library's own decoding is
//! not used here, since tests that ask by a preset look whether that comes to the path which the visitor meant.

/// Path and query of a target.
pub(super) fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

pub(super) fn uri(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Whether the escape `%hex` stands in a path.
pub(super) fn has_escape(raw: &str, hex: &str) -> bool {
    raw.to_ascii_uppercase().contains(&format!("%{hex}"))
}

/// Decodes `%XX`; `None` if there is a `%` that begins no escape.
pub(super) fn decode(raw: &str) -> Option<Vec<u8>> {
    let mut escapes = raw.split('%').skip(1);
    let is_whole = escapes.all(|rest| escaped(rest).is_some());
    is_whole.then(|| decode_leniently(raw))
}

/// Decodes `%XX`, and leaves other `%` alone.
pub(super) fn decode_leniently(raw: &str) -> Vec<u8> {
    let mut parts = raw.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match escaped(part) {
            Some(byte) => {
                decoded.push(byte);
                decoded.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                decoded.push(b'%');
                decoded.extend_from_slice(part.as_bytes());
            }
        }
    }
    decoded
}

/// The byte whose hexadecimal number the first two characters are.
pub(super) fn escaped(rest: &str) -> Option<u8> {
    let digits = rest.get(..2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Removes dot segments, and with `merge` all but one of several slashes in a row. A path that leads above the root is `None`
/// with `strict`, and else stops at the root.
pub(super) fn clean(path: &[u8], merge: bool, strict: bool) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.get(1..)?.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"" if merge && !is_last => continue,
            b"." => {}
            b".." => {
                if kept.pop().is_none() && strict {
                    return None;
                }
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push(b"");
        }
    }
    let mut cleaned = Vec::new();
    for segment in kept {
        cleaned.push(b'/');
        cleaned.extend_from_slice(segment);
    }
    Some(cleaned)
}

/// Percent-encodes what does not stand in a path as it is.
pub(super) fn encode(path: &[u8]) -> String {
    path.iter()
        .fold(String::new(), |encoded, &byte| match stands_in_path(byte) {
            true => encoded + &char::from(byte).to_string(),
            false => encoded + &format!("%{byte:02X}"),
        })
}

/// RFC 3986: `pchar` and the slash.
pub(super) fn stands_in_path(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
