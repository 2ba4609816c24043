//! A form's body, whole and in pieces, against a reading of all of it at once. Called by the target `form`.

use crate::error::Result;
use crate::form::{Form, FormLimits, Multipart};
use std::io::{self, BufRead, Read};

const TYPES: [&str; 4] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=\"x-x\"",
    "text/plain",
];

/// The first byte chooses a Content-Type, the second how many bytes come at a time; the rest is the body.
///
/// # Panics
/// When what is read depends on the pieces, or is not what the body has.
pub fn form(data: &[u8]) {
    let [choice, piece, body @ ..] = data else {
        return;
    };
    let content_type = TYPES[usize::from(*choice) % TYPES.len()];
    let limits = FormLimits::default()
        .max_body(1 << 16)
        .max_fields(20)
        .max_field(1 << 10)
        .max_files(5);
    let whole = read(body, usize::MAX, content_type, &limits);
    assert_eq!(
        whole,
        read(body, usize::from(*piece) + 1, content_type, &limits),
        "it depends on the pieces"
    );
    if let Some(boundary) = content_type.split("boundary=").nth(1) {
        let boundary = boundary.trim_matches('"');
        assert_eq!(
            contents(body, *piece, content_type),
            at_once(body, boundary),
            "other parts than there are"
        );
    }
}

/// All of the form, shown; or the status.
fn read(
    body: &[u8],
    piece: usize,
    content_type: &str,
    limits: &FormLimits,
) -> std::result::Result<String, u16> {
    let mut pieces = Pieces { body, piece };
    let form = Form::read(b"", Some(content_type), None, &mut pieces, limits);
    let form = form.map_err(|error| error.status())?;
    let len: usize = form
        .fields()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let files: usize = form.files().map(|file| file.bytes().len()).sum();
    assert!(len + files <= body.len() && form.fields().count() <= 20 && form.files().count() <= 5);
    Ok(format!("{form:?}"))
}

/// What the parts hold, as far as they are well-formed.
fn contents(body: &[u8], piece: u8, content_type: &str) -> Vec<Vec<u8>> {
    let (mut seen, mut pieces) = (
        Vec::new(),
        Pieces {
            body,
            piece: usize::from(piece) + 1,
        },
    );
    let mut read = || -> Result<()> {
        let mut parts = Multipart::of(Some(content_type), &mut pieces)?;
        while let Some(mut part) = parts.next_part()? {
            let mut content = Vec::new();
            part.read_to_end(&mut content)?;
            seen.push(content);
        }
        Ok(())
    };
    let _ = read();
    seen
}

/// What the parts hold, by the letter of RFC 2046 and with all of the body in sight. Whether the lines above a part are those of
/// one is asked of the library: [`read`] looks at that.
fn at_once(body: &[u8], boundary: &str) -> Vec<Vec<u8>> {
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", body].concat();
    let find = |from: usize, what: &[u8]| {
        let found = body[from..]
            .windows(what.len())
            .position(|window| window == what);
        found.map(|n| from + n)
    };
    // Where the next delimiter begins and where it ends; with `true` the last one.
    let next = |mut from: usize| loop {
        let start = find(from, delimiter.as_bytes())?;
        let mut end = start + delimiter.len();
        if body[end..].starts_with(b"--") {
            return Some((start, end + 2, true));
        }
        let blanks = body[end..]
            .iter()
            .take_while(|byte| b" \t".contains(byte))
            .count();
        end += blanks;
        if blanks <= 64 && body[end..].starts_with(b"\r\n") {
            return Some((start, end + 2, false));
        }
        from = start + 1;
    };
    let mut seen = Vec::new();
    let Some((start, mut at, mut is_last)) = next(0) else {
        return seen;
    };
    if start > (8 << 10) {
        return seen;
    }
    while !is_last {
        let head_end = match body[at..].starts_with(b"\r\n") {
            true => at + 2,
            false => match find(at, b"\r\n\r\n") {
                Some(n) => n + 4,
                None => return seen,
            },
        };
        if head_end - at > (8 << 10) || !is_head(&body[at..head_end]) {
            return seen;
        }
        let Some((start, end, last)) = next(head_end - 2) else {
            return seen;
        };
        seen.push(body[head_end.min(start)..start].to_vec());
        (at, is_last) = (end, last);
    }
    seen
}

/// Whether the library takes these lines above a part.
fn is_head(head: &[u8]) -> bool {
    let body = [b"--q\r\n", head, b"\r\n--q--"].concat();
    let mut body = &body[..];
    let parts = Multipart::of(Some("multipart/form-data; boundary=q"), &mut body);
    parts
        .and_then(|mut parts| parts.next_part().map(|part| part.is_some()))
        .unwrap_or(false)
}

struct Pieces<'a> {
    body: &'a [u8],
    piece: usize,
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.body[..self.piece.min(self.body.len())])
    }

    fn consume(&mut self, n: usize) {
        self.body = &self.body[n..];
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}
