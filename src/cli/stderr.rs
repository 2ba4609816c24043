//! What an application writes to FastCGI's stderr stream, line by line for a person. Called by `get` and by `http`. Pure.

/// In bytes: a longer line is told in pieces.
const LONGEST_LINE: usize = 8 << 10;

/// The stderr stream of one request. A record may end within a line, as libfcgi's do.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    /// What has come of a line that has not ended yet; at most `LONGEST_LINE`.
    line: Vec<u8>,
}

impl Stderr {
    /// Takes the next piece; `tell` gets the lines that end in it.
    pub(super) fn take(&mut self, bytes: &[u8], mut tell: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            for part in piece.chunks(LONGEST_LINE) {
                if self.line.len() + part.len() > LONGEST_LINE {
                    self.end(&mut tell);
                }
                self.line.extend_from_slice(part);
            }
            if piece.ends_with(b"\n") {
                self.end(&mut tell);
            }
        }
    }

    /// Nothing more comes: `tell` gets the line that has not ended.
    pub(super) fn end(&mut self, mut tell: impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if !line.is_empty() {
            tell(&printable(line));
        }
    }
}

/// The text, with all that a terminal would take for a command escaped.
pub(super) fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let escape = |c: char| match c.is_control() && c != '\t' {
        true => c.escape_default().collect(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut stderr, mut lines) = (Stderr::default(), Vec::new());
        for piece in pieces {
            stderr.take(piece, |line| lines.push(line.to_owned()));
        }
        stderr.end(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_are_whole_whatever_the_pieces_are() {
        let text = "one\r\n\ntwo, ü\nand three".as_bytes();
        for size in 1..=text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(lines(&pieces), ["one", "two, ü", "and three"], "{size}");
        }
        assert!(lines(&[b"", b"\n", b" \r\n"]).is_empty());
    }

    #[test]
    fn a_line_without_an_end_is_told_in_pieces() {
        let text = vec![b'x'; 3 * LONGEST_LINE + 1];
        for size in [1000, LONGEST_LINE, text.len()] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            let lines = lines(&pieces);
            assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE));
            assert_eq!(lines.concat().len(), text.len(), "{size}");
        }
    }

    #[test]
    fn no_order_of_an_application_reaches_the_terminal() {
        assert_eq!(
            printable(b"a\tb\x1b[2J\xff\x07"),
            "a\tb\\u{1b}[2J\u{fffd}\\u{7}"
        );
    }
}
