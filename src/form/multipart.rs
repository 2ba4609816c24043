//! multipart/form-data (RFC 7578) as a stream of parts: what `Request::multipart` gives, and `Form` reads.

use super::content_type::Encoding;
use super::part_head::PartHead;
use super::scanner::Scanner;
use super::{append_all, shown};
use crate::error::{Error, Result};
use crate::spool::Saved;
use std::io::{self, BufRead, Read};
use std::path::Path;

/// Parts of any size, one after the other, in the order in which the visitor's browser sends them.
///
/// Memory does not grow with their sizes: 64 KiB at a time lie in a buffer. What is not read of a part is passed over
/// when the next one is asked for.
///
/// ```
/// # use fcgi::{Request, Response};
/// fn upload(req: &mut Request, res: Response) -> fcgi::Result {
///     let mut bytes = 0;
///     let mut parts = req.multipart()?;
///     while let Some(mut part) = parts.next_part()? {
///         if part.file_name().is_some() {
///             bytes += std::io::copy(&mut part, &mut std::io::sink())?;
///         }
///     }
///     res.send(format!("{bytes} bytes in files"))
/// }
/// ```
pub struct Multipart<'a> {
    body: &'a mut dyn Read,
    scanner: Scanner,
    parts: usize,
    max_parts: usize,
}

/// One part of a [`Multipart`]: a field or a file, to be [`Read`].
///
/// ```
/// # use fcgi::testing::request;
/// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
/// let (mut title, mut bytes) = (String::new(), 0);
/// let mut parts = req.multipart()?;
/// while let Some(mut part) = parts.next_part()? {
///     match part.name() {
///         "title" => title = part.text()?,
///         "film" => bytes = std::io::copy(&mut part.max_len(1 << 30), &mut std::io::sink())?,
///         _ => {} // passed over
///     }
/// }
/// # assert_eq!((&*title, bytes), ("Rain", 9));
/// # res.send("") });
/// # assert_eq!(answer.status(), 200, "{answer:?}");
/// ```
///
/// # Errors
/// Reading fails with an error that carries status 400 if the body ends before the part does, with 413 beyond
/// [`max_len`](Part::max_len), and as the [`Body`](crate::Body) does.
pub struct Part<'m> {
    body: &'m mut (dyn Read + 'm),
    scanner: &'m mut Scanner,
    head: PartHead,
    len: u64,
    max_len: u64,
}

impl<'a> Multipart<'a> {
    pub(crate) fn of(content_type: Option<&str>, body: &'a mut dyn Read) -> Result<Multipart<'a>> {
        match Encoding::of(content_type)? {
            Encoding::Multipart(boundary) => Multipart::new(&boundary, body),
            Encoding::Urlencoded => Err(Error::new(
                415,
                "the form is urlencoded, where multipart/form-data is expected: enctype=\"multipart/form-data\" is missing in the page",
            )),
        }
    }

    pub(super) fn new(boundary: &[u8], body: &'a mut dyn Read) -> Result<Multipart<'a>> {
        Ok(Multipart {
            body,
            scanner: Scanner::new(boundary)?,
            parts: 0,
            max_parts: 1000,
        })
    }

    /// How many parts there may be; one more is an error with status 413. Default 1,000.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?.max_parts(1);
    /// while parts.next_part()?.is_some() {} // the second one is a 413
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 413, "{answer:?}");
    /// ```
    pub fn max_parts(mut self, parts: usize) -> Multipart<'a> {
        self.max_parts = parts;
        self
    }

    /// The next part; `None` after the last.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// let mut names = Vec::new();
    /// while let Some(part) = parts.next_part()? {
    ///     names.push(part.name().to_owned());
    /// }
    /// assert_eq!(names, ["title", "film"]);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    ///
    /// # Errors
    /// Status 400 if the body is no multipart, or ends before its last boundary; 413 if there are more parts than
    /// [`max_parts`](Multipart::max_parts), or the part's header is longer than 8 KiB. Those of the
    /// [`Body`](crate::Body).
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>> {
        let Some(head) = self.scanner.next_head(self.body)? else {
            return Ok(None);
        };
        self.parts += 1;
        if self.parts > self.max_parts {
            let message = format!(
                "the form has more than {} parts (max_parts)",
                self.max_parts
            );
            return Err(Error::new(413, message));
        }
        Ok(Some(Part {
            head: PartHead::parse(head)?,
            body: &mut *self.body,
            scanner: &mut self.scanner,
            len: 0,
            max_len: u64::MAX,
        }))
    }
}

/// The most bytes of [`Part::text`] where nobody has set `max_len`.
const MAX_TEXT: u64 = 256 << 10;

impl Part<'_> {
    /// The name of the field.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// assert_eq!(parts.next_part()?.unwrap().name(), "title");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// What the visitor calls the file; `None` for a field that is none, and `""` for a box that was left empty.
    ///
    /// Words of a stranger: to be shown, escaped, and not to name a file by. It may be `../../.htaccess`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// assert_eq!(parts.next_part()?.unwrap().file_name(), None); // a field
    /// assert_eq!(parts.next_part()?.unwrap().file_name(), Some("a.mp4"));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// What the visitor's browser takes the part for, by the file's name most often: not to be relied on.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// while let Some(part) = parts.next_part()? {
    ///     println!("{}: {}", part.name(), part.content_type().unwrap_or("-"));
    /// }
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// How long the part may be, in bytes; what is beyond makes reading fail with status 413. Without a limit by default,
    /// but for [`text`](Part::text).
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// let mut title = parts.next_part()?.unwrap().max_len(3);
    /// title.text()?; // "Rain" has four bytes: a 413
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 413, "{answer:?}");
    /// ```
    pub fn max_len(mut self, bytes: u64) -> Self {
        self.max_len = bytes;
        self
    }

    /// The rest of the part as text: at most [`max_len`](Part::max_len), or 256 KiB.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "Rain").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// assert_eq!(parts.next_part()?.unwrap().text()?, "Rain");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    ///
    /// # Errors
    /// Status 413 if it is longer, 400 if it is not UTF-8, and those of reading.
    pub fn text(&mut self) -> Result<String> {
        if self.max_len == u64::MAX {
            self.max_len = self.len + MAX_TEXT;
        }
        let mut bytes = Vec::new();
        append_all(self, &mut bytes)?;
        self.utf_8(bytes)
    }

    pub(super) fn utf_8(&self, content: Vec<u8>) -> Result<String> {
        String::from_utf8(content).map_err(|_| {
            let message = format!("the field {} of the form is not UTF-8", shown(self.name()));
            Error::new(400, message)
        })
    }

    /// Writes the rest of the part into a new file in `folder`: named at random, for the owner alone, and gone with the
    /// [`Saved`] unless that is kept.
    ///
    /// ```
    /// # use fcgi::{Error, Request, Response};
    /// fn portrait(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let mut parts = req.multipart()?;
    ///     while let Some(part) = parts.next_part()? {
    ///         if part.name() == "portrait" {
    ///             let saved = part.max_len(20 << 20).save_to("/srv/portraits")?;
    ///             let path = saved.keep_here()?; // without this it is gone with the request
    ///             return res.send(format!("saved as {}", path.display()));
    ///         }
    ///     }
    ///     Err(Error::new(400, "no portrait came"))
    /// }
    /// ```
    ///
    /// # Errors
    /// Status 507 when the disk is full or the owner's quota, and 500 if the folder cannot be written to; nothing is left
    /// there. Those of reading.
    pub fn save_to(&mut self, folder: impl AsRef<Path>) -> Result<Saved> {
        let mut saved = Saved::new(folder.as_ref())?;
        loop {
            let content = self.fill_buf()?;
            if content.is_empty() {
                return saved.rewound();
            }
            let n = saved.append(content)?;
            self.consume(n);
        }
    }
}

impl BufRead for Part<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let content = self.scanner.content(self.body)?;
        if self.len + content.len() as u64 > self.max_len {
            let message = format!(
                "the part {} of the form has more than {} bytes (max_len)",
                shown(&self.head.name),
                self.max_len
            );
            return Err(Error::new(413, message).into());
        }
        Ok(content)
    }

    fn consume(&mut self, n: usize) {
        self.len += self.scanner.consume(n) as u64;
    }
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scanner::MAX_PART_HEAD;
    use super::*;
    use proptest::prelude::*;

    /// A name, a file's name, a type, the content.
    type Seen = (String, Option<String>, Option<String>, Vec<u8>);

    /// A body that gives so many bytes a read.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(into.len());
            self.0.read(&mut into[..n])
        }
    }

    fn parts(body: &[u8], boundary: &str, piece: usize) -> Result<Vec<Seen>> {
        let mut pieces = Pieces(body, piece);
        let mut parts = Multipart::new(boundary.as_bytes(), &mut pieces)?;
        let mut seen = Vec::new();
        while let Some(mut part) = parts.next_part()? {
            let mut bytes = Vec::new();
            part.read_to_end(&mut bytes)?;
            let PartHead {
                name,
                file_name,
                content_type,
            } = part.head;
            seen.push((name, file_name, content_type, bytes));
        }
        assert!(
            parts.next_part()?.is_none(),
            "there is something after the end"
        );
        Ok(seen)
    }

    /// However it comes in, the same must come out.
    fn in_any_pieces(body: &[u8], boundary: &str) -> std::result::Result<Vec<Seen>, (u16, String)> {
        let [whole, others @ ..] = [usize::MAX, 1, 2, 3, 7, 64].map(|piece| {
            parts(body, boundary, piece).map_err(|error| (error.status(), error.to_string()))
        });
        for other in others {
            assert_eq!(other, whole, "{}", body.escape_ascii());
        }
        whole
    }

    fn field(name: &str, value: &[u8]) -> Seen {
        (name.into(), None, None, value.into())
    }

    const NAMED: &str = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";

    #[test]
    fn what_browsers_send_is_fields_and_files() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nline\r\nline\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\u{540d}%22\\1.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\n\r\n\r\n\
                    --x\r\ncontent-disposition:FORM-DATA;NAME=none;FileName=\"\"\r\nX: y\r\n\r\n\r\n--x--\r\n";
        let expected = vec![
            field("text", b"line\r\nline"),
            (
                "file".into(),
                Some("\u{540d}\"\\1.txt".into()),
                Some("text/plain".into()),
                b"\r\n".into(),
            ),
            ("none".into(), Some("".into()), None, b"".into()),
        ];
        assert_eq!(in_any_pieces(body.as_bytes(), "x"), Ok(expected));
    }

    #[test]
    fn a_boundary_is_one_at_the_end_of_its_line_only() {
        for (content, rest) in [
            ("", "--x--"),
            ("x--x", "--x--\r\n"),
            ("\r\n", "--x \t\r\n"),
            ("\r\n--xy\r\n--xx", "--x--"),
            ("\r\n--x \r", "--x--anything"),
            ("\r\n--x-\r\n--xx--\r\n--", "--x--"),
            (
                "\n--x--\n\r--x--\r\r\n-\r\n--\r\n--\r\n",
                "--x--\r\n--x\r\n",
            ),
        ] {
            let mut body = format!("--x\r\n{NAMED}{content}\r\n{rest}");
            let mut expected = vec![field("a", content.as_bytes())];
            if !rest.starts_with("--x--") {
                body += &format!("{NAMED}b\r\n--x--");
                expected.push(field("a", b"b"));
            }
            assert_eq!(
                in_any_pieces(body.as_bytes(), "x"),
                Ok(expected),
                "{content:?}"
            );
        }
    }

    #[test]
    fn a_boundary_with_more_than_64_blanks_behind_it_is_none() {
        for (blanks, expected) in [(64, ""), (65, "\r\n--x \r\n")] {
            let blanks = " ".repeat(blanks);
            let body = format!("--x\r\n{NAMED}\r\n--x{blanks}\r\n{NAMED}\r\n--x--");
            let expected = expected.replace(' ', &blanks);
            let seen = in_any_pieces(body.as_bytes(), "x").unwrap();
            let is_one = seen.len() == 1;
            assert_eq!(is_one, !expected.is_empty(), "{seen:?}");
            assert!(seen[0].3.starts_with(expected.as_bytes()), "{seen:?}");
        }
    }

    #[test]
    fn the_first_of_two_headers_counts_and_no_name_is_found_within_a_value() {
        let table = [
            format!(
                "{}Content-Disposition: form-data; name=b\r\n\r\n",
                NAMED.trim_end_matches("\r\n").to_owned() + "\r\n"
            ),
            "Content-Disposition: form-data; x=\"a; name=b;\"; name=a; name=c\r\n\r\n".to_owned(),
        ];
        for head in table {
            let body = format!("--x\r\n{head}1\r\n--x--");
            assert_eq!(
                in_any_pieces(body.as_bytes(), "x"),
                Ok(vec![field("a", b"1")]),
                "{head:?}"
            );
        }
    }

    #[test]
    fn a_preamble_and_an_epilogue_are_passed_over() {
        let body =
            format!("for old mailers\r\n--x\r\n{NAMED}b\r\n--x--\r\nand\r\n--x\r\nfor others");
        assert_eq!(
            in_any_pieces(body.as_bytes(), "x"),
            Ok(vec![field("a", b"b")])
        );
        assert_eq!(in_any_pieces(b"--x--\r\n", "x"), Ok(vec![]));
    }

    #[test]
    fn a_part_may_have_no_content_and_no_line_for_it() {
        let body = format!("--x\r\n{NAMED}--x\r\n{NAMED}\r\n--x\r\n{NAMED}\n--x--\r\n--x--");
        let expected = vec![field("a", b""), field("a", b""), field("a", b"\n--x--")];
        assert_eq!(in_any_pieces(body.as_bytes(), "x"), Ok(expected));
    }

    #[test]
    fn file_names_are_what_the_visitor_calls_them() {
        for (parameters, expected) in [
            ("filename=\"../../etc/passwd\"", "../../etc/passwd"),
            ("filename=\"C:\\dir\\a.txt\"", "C:\\dir\\a.txt"),
            ("filename=\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("filename=\"ends with\\\"", "ends with\\"),
            ("filename=\"a%22%0d%0A%41%2\"", "a\"\r\n%41%2"),
            (
                "filename=\"a;b\"; filename*=UTF-8''%e2%82%AC%20b.txt",
                "\u{20ac} b.txt",
            ),
            ("filename*=utf-8'en'b; filename=a", "b"),
            ("filename*=ISO-8859-1''%A3; filename=\"\u{a3}\"", "\u{a3}"),
            ("filename*=UTF-8''%ff; filename=a", "a"),
            ("filename*=a; filename=b", "b"),
            ("\r\n\tfilename=\"C:\\a\"", "C:\\a"),
        ] {
            let body = format!(
                "--x\r\nContent-Disposition: form-data; name=f; {parameters}\r\n\r\n\r\n--x--"
            );
            let seen = in_any_pieces(body.as_bytes(), "x").unwrap();
            assert_eq!(seen[0].1.as_deref(), Some(expected), "{parameters}");
        }
    }

    #[test]
    fn what_is_malformed_is_400() {
        for body in [
            &b""[..],
            b"--x",
            b"--x-",
            b"--x\r\n",
            b"--y\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--y--",
            b"--x\nContent-Disposition: form-data; name=a\n\n\n--x--",
            b"--x\r\n\r\nno name\r\n--x--",
            b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: attachment; name=a\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Type: text/plain; name=a\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a\r\nno colon\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=\"\xe9\"\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a; filename=\"\xe9\"\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Type: \xe9\r\n\r\n\r\n--x--",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nno end\r\n--x",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nno end\r\n--y--\r\n",
            b"--x\r\nContent-Disposition: form-data; name=a",
        ] {
            let (status, message) = in_any_pieces(body, "x").unwrap_err();
            assert_eq!(status, 400, "{message}: {}", body.escape_ascii());
            assert!(message.starts_with("the form is malformed: "), "{message}");
        }
    }

    #[test]
    fn more_than_8_kib_above_a_part_is_413() {
        let with = |n: usize| format!("--x\r\nX: {}\r\n{NAMED}b\r\n--x--", "y".repeat(n));
        let room = MAX_PART_HEAD - NAMED.len() - "X: \r\n".len();
        assert_eq!(
            in_any_pieces(with(room).as_bytes(), "x"),
            Ok(vec![field("a", b"b")])
        );
        let (status, message) = in_any_pieces(with(room + 1).as_bytes(), "x").unwrap_err();
        assert_eq!(
            (status, &*message),
            (
                413,
                "the lines above a part of the form have more than 8192 bytes"
            )
        );
        let endless = &mut (&b"--x\r\nX: "[..]).chain(io::repeat(b'y'));
        assert_eq!(
            Multipart::new(b"x", endless)
                .unwrap()
                .next_part()
                .err()
                .unwrap()
                .status(),
            413
        );
        let endless = &mut io::repeat(b'y');
        assert_eq!(
            Multipart::new(b"x", endless)
                .unwrap()
                .next_part()
                .err()
                .unwrap()
                .status(),
            400
        );
    }

    #[test]
    fn parts_have_limits_of_number_and_length() {
        let body = format!("--x\r\n{NAMED}1234\r\n--x\r\n{NAMED}5\r\n--x--");
        let mut bytes = body.as_bytes();
        let mut parts = Multipart::new(b"x", &mut bytes).unwrap().max_parts(1);
        let part = parts.next_part().unwrap().unwrap();
        assert_eq!(part.max_len(4).text().unwrap(), "1234");
        let error = parts.next_part().err().unwrap();
        assert_eq!(
            (error.status(), error.to_string()),
            (413, "the form has more than 1 parts (max_parts)".into())
        );

        let mut bytes = body.as_bytes();
        let mut parts = Multipart::new(b"x", &mut bytes).unwrap();
        let mut part = parts.next_part().unwrap().unwrap().max_len(3);
        part.read(&mut [0; 9])
            .expect_err("a byte too much was given");

        let mut bytes = body.as_bytes();
        let mut parts = Multipart::new(b"x", &mut bytes).unwrap();
        let error = parts
            .next_part()
            .unwrap()
            .unwrap()
            .max_len(3)
            .text()
            .unwrap_err();
        assert_eq!(
            (error.status(), error.to_string()),
            (
                413,
                "the part \"a\" of the form has more than 3 bytes (max_len)".into()
            )
        );
    }

    #[test]
    fn text_is_utf_8_and_has_a_limit_of_its_own() {
        let text_of = |content: &[u8]| {
            let body = [b"--x\r\n", NAMED.as_bytes(), content, b"\r\n--x--"].concat();
            let mut bytes = &body[..];
            let mut parts = Multipart::new(b"x", &mut bytes).unwrap();
            let mut part = parts.next_part().unwrap().unwrap();
            part.text().map_err(|error| error.status())
        };
        let largest = vec![b'y'; MAX_TEXT as usize];
        assert_eq!(text_of(&largest).unwrap().len(), largest.len());
        assert_eq!(text_of(&[&largest[..], b"y"].concat()), Err(413));
        assert_eq!(text_of("\u{20ac}".as_bytes()).unwrap(), "\u{20ac}");
        assert_eq!(text_of(b"\xe2\x82"), Err(400));
    }

    #[test]
    fn a_part_that_nobody_reads_is_passed_over_and_a_half_read_one_goes_on() {
        let large = "y".repeat(200_000);
        let body =
            format!("--x\r\n{NAMED}{large}\r\n--x\r\n{NAMED}{large}z\r\n--x\r\n{NAMED}b\r\n--x--");
        let mut bytes = body.as_bytes();
        let mut parts = Multipart::new(b"x", &mut bytes).unwrap();
        parts.next_part().unwrap().unwrap();
        let mut half = [0; 1000];
        parts
            .next_part()
            .unwrap()
            .unwrap()
            .read_exact(&mut half)
            .unwrap();
        let mut last = parts.next_part().unwrap().unwrap();
        assert_eq!(
            (last.read(&mut []).unwrap(), last.text().unwrap()),
            (0, "b".into())
        );
        assert_eq!(last.text().unwrap(), "");
    }

    /// Content of what looks like a delimiter and is none; it is never taken for one, in any pieces.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::sample::select(vec![
            "\r\n--x", "\r\n--", "\r\n", "--", "-", "x", "\r", "\n", " ", "\t", "ab", "",
        ]);
        prop::collection::vec(word, 0..30).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(contents in prop::collection::vec(content(), 0..4), piece in 1usize..9) {
            let boundary = "xab";
            let mut body = Vec::new();
            for content in &contents {
                body.extend([b"--xab\r\n", NAMED.as_bytes(), content, b"\r\n"].concat());
            }
            body.extend(b"--xab--\r\n");
            // The words can make up a delimiter: then the body says something else than was meant.
            prop_assume!(contents.iter().all(|content| {
                let framed = [b"\r\n", &content[..], b"\r\n"].concat();
                memchr::memmem::find(&framed, b"\r\n--xab").is_none()
            }));
            let expected: Vec<_> = contents.iter().map(|content| field("a", content)).collect();
            prop_assert_eq!(parts(&body, boundary, piece).unwrap(), expected);
        }
    }
}
