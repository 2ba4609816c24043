//! The head of a CGI response as the web server reads it (RFC 3875, section 6): incrementally, from STDOUT. Pure.

use std::io;

/// The most bytes of a response's head: twice what the most patient web server that was tried takes.
///
/// ```
/// assert_eq!(fcgi::client::MAX_HEAD, 64 << 10);
/// ```
pub const MAX_HEAD: usize = 64 << 10;

/// The status and the fields of a response.
///
/// A [`HeadReader`] reads it, and has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    status: u16,
    reason: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
    content_length: Option<u64>,
}

impl Head {
    /// What `Status:` says; without it 302 if there is a `Location`, else 200.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// assert_eq!(head.status(), 404); // Status: 404 Not Found
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The words behind the status's number, empty if there are none.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// assert_eq!(head.reason(), b"Not Found"); // Status: 404 Not Found
    /// ```
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// The fields in order, without `Status`.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// let names: Vec<&str> = head.fields().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["Content-Type", "Content-Length"]);
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many bytes of body it announces, if it says so.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// assert_eq!(head.content_length(), Some(2));
    /// ```
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The first field of this name, upper or lower case.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// assert_eq!(head.field("content-type"), Some(&b"text/plain"[..]));
    /// ```
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Finds the end of a response's head in STDOUT, in whatever pieces it comes.
///
/// ```
/// use fcgi::client::HeadReader;
///
/// let mut reader = HeadReader::default();
/// assert!(reader.read(b"Status: 404 Not Found\r\nContent-Ty").unwrap().is_none());
/// let (head, used) = reader.read(b"pe: text/plain\r\n\r\nNo").unwrap().unwrap();
/// assert_eq!((head.status(), head.reason(), used), (404, &b"Not Found"[..], 18));
/// assert_eq!(head.field("content-type"), Some(&b"text/plain"[..]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    /// The head so far: `bytes.len() <= MAX_HEAD`.
    bytes: Vec<u8>,
    /// Where the current line starts in `bytes`.
    line: usize,
}

impl HeadReader {
    /// Takes the next piece of STDOUT. `None` if more is needed; else the head, and how many bytes of the piece
    /// belonged to it: the body comes after them.
    ///
    /// ```
    /// # use fcgi::client::HeadReader;
    /// # let mut reader = HeadReader::default();
    /// # let bytes = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nNo";
    /// let (head, used) = reader.read(bytes).unwrap().unwrap();
    /// assert_eq!((&bytes[used..], head.status()), (&b"No"[..], 404)); // the body comes after it
    /// ```
    ///
    /// # Errors
    /// `InvalidData` if it is longer than [`MAX_HEAD`], or not a head: web servers answer with an error page then.
    pub fn read(&mut self, stdout: &[u8]) -> io::Result<Option<(Head, usize)>> {
        let mut rest = stdout;
        while !rest.is_empty() {
            let piece = match rest.iter().position(|&byte| byte == b'\n') {
                Some(end) => &rest[..=end],
                None => rest,
            };
            if self.bytes.len() + piece.len() > MAX_HEAD {
                return Err(bad(format!("is longer than {MAX_HEAD} bytes")));
            }
            self.bytes.extend_from_slice(piece);
            rest = &rest[piece.len()..];
            if matches!(self.bytes[self.line..], [b'\n'] | [b'\r', b'\n']) {
                return Ok(Some((
                    parse(&self.bytes[..self.line])?,
                    stdout.len() - rest.len(),
                )));
            }
            if piece.ends_with(b"\n") {
                self.line = self.bytes.len();
            }
        }
        Ok(None)
    }
}

/// Reads a head. `lines` are whole, each with its line end.
fn parse(lines: &[u8]) -> io::Result<Head> {
    let mut head = Head {
        status: 0,
        reason: Vec::new(),
        fields: Vec::new(),
        content_length: None,
    };
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (name, value) = field(line)?;
        if !name.eq_ignore_ascii_case("status") {
            head.fields.push((name.to_owned(), value.to_owned()));
        } else if head.status == 0 {
            (head.status, head.reason) = status(value)?;
        } else {
            return Err(bad("has two Status lines".into()));
        }
    }
    if head.fields.is_empty() && head.status == 0 {
        return Err(bad("is empty".into()));
    }
    if head.status == 0 {
        // nginx, lighttpd and HAProxy do so; mod_proxy_fcgi, Caddy and h2o make it a 200.
        head.status = match head.field("location") {
            Some(_) => 302,
            None => 200,
        };
    }
    head.content_length = content_length(&head)?;
    Ok(head)
}

/// The length that the head announces. Where it is announced twice, both have to be the same: the web server could go by the
/// one and the browser by the other.
fn content_length(head: &Head) -> io::Result<Option<u64>> {
    let mut length = None;
    for (name, value) in head.fields() {
        if !name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        let text = std::str::from_utf8(value).unwrap_or_default();
        let this = match text.parse::<u64>() {
            // `parse` takes a plus sign.
            Ok(this) if text.bytes().all(|byte| byte.is_ascii_digit()) => this,
            _ => {
                return Err(bad(format!(
                    "has the Content-Length {}, which is not a number",
                    shown(value)
                )));
            }
        };
        if length.is_some_and(|length| length != this) {
            return Err(bad("has two different Content-Lengths".into()));
        }
        length = Some(this);
    }
    Ok(length)
}

fn field(line: &[u8]) -> io::Result<(&str, &[u8])> {
    let split = line.iter().position(|&byte| byte == b':');
    let Some((name, value)) = split.map(|colon| (&line[..colon], &line[colon + 1..])) else {
        return Err(bad(format!("has a line without a colon, {}", shown(line))));
    };
    let name = match std::str::from_utf8(name) {
        Ok(name) if !name.is_empty() && name.bytes().all(is_token) => name,
        _ => {
            return Err(bad(format!(
                "has a field name that is not legal in HTTP, {}",
                shown(name)
            )));
        }
    };
    if value
        .iter()
        .any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
    {
        return Err(bad(format!(
            "has a control character in the value of {name}"
        )));
    }
    Ok((name, value.trim_ascii()))
}

/// The number and the words of a status. A 1xx is refused: as a final status it broke the response behind every web server
/// that was tried.
fn status(value: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let (number, reason) = match value.iter().position(|&byte| byte == b' ') {
        Some(space) => (&value[..space], value[space..].trim_ascii()),
        None => (value, &b""[..]),
    };
    match *number {
        [a @ b'2'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte| u16::from(byte - b'0');
            let number = digit(a) * 100 + digit(b) * 10 + digit(c);
            Ok((number, reason.to_owned()))
        }
        _ => Err(bad(format!(
            "has the status {}, not a number from 200 to 999",
            shown(value)
        ))),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The beginning of what is wrong, escaped for a log.
fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(60)].escape_ascii())
}

fn bad(what: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the head of the application's answer {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of `stdout` in pieces of `size`, and what follows it.
    fn read(stdout: &[u8], size: usize) -> io::Result<Option<(Head, &[u8])>> {
        let mut reader = HeadReader::default();
        for (i, piece) in stdout.chunks(size).enumerate() {
            if let Some((head, n)) = reader.read(piece)? {
                return Ok(Some((head, &stdout[i * size + n..])));
            }
        }
        Ok(None)
    }

    type Row = (
        &'static [u8],
        u16,
        &'static str,
        &'static [(&'static str, &'static [u8])],
    );

    #[test]
    fn a_head_ends_at_the_first_empty_line_in_pieces_of_every_size() {
        let rows: &[Row] = &[
            (b"Status: 204 No Content\r\n\r\n", 204, "No Content", &[]),
            (b"Status:404\n\n", 404, "", &[]),
            (b"A: b\nC:d\n\n", 200, "", &[("A", b"b"), ("C", b"d")]),
            (b"A: b\r\n\n", 200, "", &[("A", b"b")]),
            (b"A: b\n\r\n", 200, "", &[("A", b"b")]),
            (b"A:\r\nB: \t \r\n\r\n", 200, "", &[("A", b""), ("B", b"")]),
            (b"Location: /x\n\n", 302, "", &[("Location", b"/x")]),
            (
                b"Location: /x\nstatus: 201 Created  here\n\n",
                201,
                "Created  here",
                &[("Location", b"/x")],
            ),
            (
                b"Set-Cookie: a\r\nSet-Cookie: b\xe9:c\r\n\r\n",
                200,
                "",
                &[("Set-Cookie", b"a"), ("Set-Cookie", b"b\xe9:c")],
            ),
        ];
        for &(bytes, status, reason, fields) in rows {
            let stdout = [bytes, b"\r\nbody\n\n"].concat();
            for size in 1..=stdout.len() {
                let (head, rest) = read(&stdout, size).unwrap().unwrap();
                assert_eq!(rest, b"\r\nbody\n\n", "pieces of {size}");
                assert_eq!(head.status(), status);
                assert_eq!(head.reason(), reason.as_bytes());
                assert_eq!(head.fields().collect::<Vec<_>>(), fields);
            }
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length], 3).unwrap(), None);
            }
        }
    }

    #[test]
    fn fields_are_found_in_upper_and_lower_case() {
        let (head, _) = read(b"X-One: 1\nx-one: 2\n\n", 99).unwrap().unwrap();
        assert_eq!(head.field("x-ONE"), Some(&b"1"[..]));
        assert_eq!(head.field("x-two"), None);
    }

    #[test]
    fn what_is_no_head_is_an_error() {
        let rows: &[(&[u8], &str)] = &[
            (b"\n", "is empty"),
            (b"HTTP/1.1 200 OK\n\n", "without a colon, \"HTTP/1.1 200"),
            (b"A: b\n folded\n\n", "without a colon, \" folded\""),
            (b"A: b\n folded: x\n\n", "not legal in HTTP, \" folded\""),
            (b"X-Space : v\n\n", "not legal in HTTP, \"X-Space \""),
            (b": v\n\n", "not legal in HTTP, \"\""),
            (b"A: b\0c\n\n", "control character in the value of A"),
            (b"A: b\rc\n\n", "control character in the value of A"),
            (b"Status: 99\n\n", "the status \"99\""),
            (b"Status: abc\n\n", "the status \"abc\""),
            (b"Status: 2000\n\n", "the status \"2000\""),
            (b"Status: 103 Early Hints\n\n", "the status \"103"),
            (b"Status:\n\n", "the status \"\""),
            (b"Status: 200\nStatus: 404\n\n", "two Status lines"),
        ];
        for (stdout, words) in rows {
            for size in 1..=stdout.len() {
                let error = read(stdout, size).unwrap_err();
                assert!(error.to_string().contains(words), "{error}");
            }
        }
    }

    #[test]
    fn a_head_of_64_kib_is_the_longest() {
        let head = |length: usize| {
            let mut head = b"A: ".to_vec();
            head.resize(length - 2, b'x');
            head.extend_from_slice(b"\n\n");
            head
        };
        for size in [1, 1000, MAX_HEAD + 1] {
            assert!(read(&head(MAX_HEAD), size).unwrap().is_some());
            let error = read(&head(MAX_HEAD + 1), size).unwrap_err();
            assert!(error.to_string().contains("longer than 65536"), "{error}");
        }
    }
}
