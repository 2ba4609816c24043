//! Text for a line of the log. What a stranger sends must neither begin a line of its own nor look like one: it is escaped. Called
//! by whatever writes log lines.

use std::fmt;

/// The most bytes of a request in a log line.
pub(crate) const MAX_REQUEST: usize = 151;

/// Text of any length on one line. Control characters are escaped, and what makes a terminal show a line as another one.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || turns_text(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// A request as [`request`] writes it, at most [`MAX_REQUEST`] bytes.
pub(crate) fn printable(method: &str, path: &[u8]) -> String {
    let mut text = [0; MAX_REQUEST];
    let len = request(method.as_bytes(), path, &mut text);
    String::from_utf8_lossy(&text[..len]).into_owned()
}

/// Writes `METHOD path` of a request, as much of it as there is room for, escaped. Returns its length.
pub(crate) fn request(method: &[u8], path: &[u8], into: &mut [u8]) -> usize {
    // Nearly always: nothing to escape, and room for all.
    let plain = method.len() + 1 + path.len();
    let is_plain = |bytes: &[u8]| bytes.iter().all(|&byte| is_shown(byte));
    if method.len() <= 16 && plain <= into.len() && is_plain(method) && is_plain(path) {
        let (first, rest) = into.split_at_mut(method.len());
        first.copy_from_slice(method);
        rest[0] = b' ';
        rest[1..][..path.len()].copy_from_slice(path);
        return plain;
    }
    let mut len = 0;
    for &byte in method.iter().take(16).chain(b" ").chain(path) {
        let escape = escaped(byte);
        let bytes = escape
            .as_ref()
            .map_or(std::slice::from_ref(&byte), |escape| &escape[..]);
        let Some(room) = into.get_mut(len..len + bytes.len()) else {
            break;
        };
        room.copy_from_slice(bytes);
        len += bytes.len();
    }
    len
}

/// A byte as `\xNN`.
pub(crate) fn hex_escape(byte: u8) -> [u8; 4] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| HEX[usize::from(half)];
    [b'\\', b'x', digit(byte >> 4), digit(byte & 15)]
}

/// Milliseconds as seconds with one digit behind the point.
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 / 100 % 10)
    }
}

/// Whether a character ends a line, or turns its direction: Unicode's line separators and bidirectional controls.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a byte is shown as it is: printable ASCII, and no backslash.
fn is_shown(byte: u8) -> bool {
    matches!(byte, 0x20..0x7f) && byte != b'\\'
}

/// How a byte is written that is not shown as it is.
fn escaped(byte: u8) -> Option<[u8; 4]> {
    (!is_shown(byte)).then(|| hex_escape(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_stays_one_and_reads_as_it_is() {
        let text = one_line("ä \u{1b}[2J\n\u{85}\u{2028}\u{202e}gpj.\u{2066}");
        assert_eq!(text, r"ä \u{1b}[2J\n\u{85}\u{2028}\u{202e}gpj.\u{2066}");
    }
}
