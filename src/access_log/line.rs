//! A line of the access log in the making: an array, and what may come from a stranger escaped in it. `access_line` makes one of a
//! request, and the log writes it.

use crate::log_text::hex_escape;

/// The most bytes of a line, its end included: what a pipe takes at one stroke, too.
pub(crate) const MAX_LINE: usize = 4096;

/// A line in the making.
pub(crate) struct Line {
    /// A line end stands in front. It is written if the line before is torn.
    pub(super) bytes: [u8; MAX_LINE],
    pub(super) len: usize,
}

impl Line {
    pub(crate) fn new() -> Line {
        let mut bytes = [0; MAX_LINE];
        bytes[0] = b'\n';
        Line { bytes, len: 1 }
    }

    /// Bytes of our own, as they are. What does not fit is left out.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// What may come from a stranger, to stand within quotes: escaped as Apache does it. If that is longer than `most` bytes it
    /// is cut, and ends in `...`.
    pub(crate) fn push_quoted(&mut self, bytes: &[u8], most: usize) {
        self.push_escaped(bytes, most, escape);
    }

    /// As [`push_quoted`](Line::push_quoted), to stand without quotes: a blank, which would begin the next field, is escaped, too.
    pub(crate) fn push_word(&mut self, bytes: &[u8], most: usize) {
        let escape = |byte| match byte {
            b' ' => Escape::of(b"\\x20"),
            byte => escape(byte),
        };
        self.push_escaped(bytes, most, escape);
    }

    fn push_escaped(&mut self, bytes: &[u8], most: usize, escape: impl Fn(u8) -> Escape) {
        let end = self.len + most;
        for &byte in bytes {
            let escape = escape(byte);
            if self.len + escape.as_bytes().len() > end {
                return self.push(b"...");
            }
            self.push(escape.as_bytes());
        }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[1..self.len]).expect("printable ASCII")
    }
}

/// How one byte is written.
#[derive(Clone, Copy)]
struct Escape {
    bytes: [u8; 4],
    len: usize,
}

impl Escape {
    fn of(text: &[u8]) -> Escape {
        let mut bytes = [0; 4];
        bytes[..text.len()].copy_from_slice(text);
        Escape {
            bytes,
            len: text.len(),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Quotes, backslashes and what is no printable ASCII are written as `ap_escape_logitem` of Apache 2.4 does it.
fn escape(byte: u8) -> Escape {
    match byte {
        b'"' => Escape::of(b"\\\""),
        b'\\' => Escape::of(b"\\\\"),
        0x20..0x7f => Escape::of(&[byte]),
        0x08 => Escape::of(b"\\b"),
        b'\n' => Escape::of(b"\\n"),
        b'\r' => Escape::of(b"\\r"),
        b'\t' => Escape::of(b"\\t"),
        0x0b => Escape::of(b"\\v"),
        _ => Escape::of(&hex_escape(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sends_is_escaped_as_apache_does() {
        for (bytes, quoted) in [
            (&b"/plain ~path?a=b"[..], "/plain ~path?a=b"),
            (b"\"\\", r#"\"\\"#),
            (b"\x08\n\r\t\x0b", r"\b\n\r\t\v"),
            (
                b"\0\x07\x0c\x1b[31m\x7f\x80\xff",
                r"\x00\x07\x0c\x1b[31m\x7f\x80\xff",
            ),
        ] {
            let mut line = Line::new();
            line.push_quoted(bytes, 100);
            assert_eq!(line.text(), quoted);
        }
        let mut line = Line::new();
        line.push_word(b"a b\n", 100);
        assert_eq!(line.text(), r"a\x20b\n");
    }

    #[test]
    fn what_is_long_is_cut_and_no_escape_is_halved() {
        for (bytes, most, quoted) in [
            (&b"abcd"[..], 4, "abcd"),
            (b"abcde", 4, "abcd..."),
            (b"abc\x1b", 6, "abc..."),
            (b"abc\x1b", 7, r"abc\x1b"),
            (b"", 0, ""),
        ] {
            let mut line = Line::new();
            line.push_quoted(bytes, most);
            assert_eq!(line.text(), quoted);
        }
        let mut line = Line::new();
        line.push(&[b'x'; MAX_LINE - 1]);
        line.push(b"y");
        assert_eq!(line.text().len(), MAX_LINE - 1);
    }
}
