//! A whole form in memory: what `Request::form` gives.

use super::append_all;
use super::content_type::Encoding;
use super::fields::Fields;
use super::limits::FormLimits;
#[cfg(feature = "multipart")]
use super::multipart::{Multipart, Part};
use super::urlencoded::query_pairs;
use crate::error::{Error, Result};
use std::io::{self, BufRead, Read};

/// What a visitor filled in: the query's values, and the body's fields and files.
///
/// Values are text, exactly as sent but for the encoding; where the form is UTF-8, as every page of this century is,
/// they can be any text. Names may come more than once, and in any order that the visitor likes.
///
/// What is missing and what is no number is for the application to say, with the status 400; a `?` alone would make a 500
/// of it.
///
/// ```
/// # use fcgi::{Error, Request, Response};
/// fn order(req: &mut Request, res: Response) -> fcgi::Result {
///     let form = req.form()?;
///     let name = form.get("name").ok_or_else(|| Error::new(400, "the name is missing"))?;
///     let count: u32 = match form.get("count") {
///         None | Some("") => 1,
///         Some(count) => count.parse().map_err(|_| Error::new(400, format!("{count:?} is no number")))?,
///     };
///     let extras: Vec<&str> = form.all("extra").collect(); // the boxes that are ticked
///     let is_gift = form.get("gift").is_some(); // one that is not ticked is not sent
///     res.send(format!("{count} for {name}, with {extras:?}, a gift: {is_gift}"))
/// }
/// # let ask = fcgi::testing::request("POST", "/").form(&[("name", "Ada"), ("count", "2"), ("extra", "tea")]);
/// # assert_eq!(ask.call(order).text(), r#"2 for Ada, with ["tea"], a gift: false"#);
/// # let ask = fcgi::testing::request("POST", "/").form(&[("name", "Ada"), ("count", "x")]);
/// # assert_eq!(ask.call(order).status(), 400);
/// ```
#[derive(Debug, Default)]
pub struct Form {
    query: Fields,
    fields: Fields,
    files: Vec<FormFile>,
}

/// A file that came with a [`Form`], held in memory.
///
/// ```
/// # use fcgi::testing::request;
/// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
/// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
/// let file = form.file("picture").unwrap();
/// assert_eq!((file.name(), file.file_name(), file.bytes()), ("picture", "a.png", &[0; 9][..]));
/// # res.send("") });
/// # assert_eq!(answer.status(), 200, "{answer:?}");
/// ```
#[derive(Debug)]
pub struct FormFile {
    name: String,
    file_name: String,
    content_type: Option<String>,
    bytes: Vec<u8>,
}

impl Form {
    /// The first value of this name, of the body's fields or, if none has it, of the query.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert_eq!((form.get("tag"), form.get("page"), form.get("none")), (Some("a"), Some("2"), None));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of this name, the body's before the query's: boxes that are ticked, choices of a list.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert!(form.all("tag").eq(["a", "b"]));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn all<'form>(&'form self, name: &str) -> impl Iterator<Item = &'form str> {
        let all = self.fields().chain(self.query());
        all.filter(move |(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// The body's fields in order, names and values.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert!(form.fields().eq([("tag", "a"), ("tag", "b")]));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }

    /// The query's names and values in order. What is no UTF-8 there, or escaped wrongly, is as in
    /// [`Request::query_pairs`](crate::Request::query_pairs): a link from anywhere should not be an error.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert!(form.query().eq([("page", "2")]));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter()
    }

    /// The first file of this name. A box for a file that the visitor left empty has none.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert_eq!(form.file("picture").map(|file| file.bytes().len()), Some(9));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn file(&self, name: &str) -> Option<&FormFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// All files in order.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/?page=2").field("tag", "a").field("tag", "b").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?; // ?page=2, tag=a, tag=b and a file
    /// assert!(form.files().map(|file| file.file_name()).eq(["a.png"]));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn files(&self) -> impl Iterator<Item = &FormFile> {
        self.files.iter()
    }

    /// Reads the body as its Content-Type says that it is encoded. Where there is no body, the Content-Type does not matter.
    pub(crate) fn read(
        query: &[u8],
        content_type: Option<&str>,
        content_length: Option<u64>,
        body: &mut dyn BufRead,
        limits: &FormLimits,
    ) -> Result<Form> {
        let mut form = Form::default();
        for (name, value) in query_pairs(query) {
            form.query.push(&name, &value)?;
        }
        if body.fill_buf()?.is_empty() {
            return Ok(form);
        }
        let encoding = Encoding::of(content_type)?;
        // A body that is announced to be too long is refused before it is read.
        if content_length.is_some_and(|length| length > limits.body as u64) {
            return Err(limits.body_is_over());
        }
        let mut body = Bounded {
            body,
            left: limits.body,
            over: &|| limits.body_is_over(),
        };
        match encoding {
            Encoding::Urlencoded => {
                let mut text = Vec::new();
                append_all(&mut body, &mut text)?;
                form.fields = Fields::of_urlencoded(text, limits)?;
            }
            #[cfg(not(feature = "multipart"))]
            Encoding::Multipart(_) => {
                let message = "the form has parts, and this program was built without fcgi's feature multipart";
                return Err(Error::new(415, message));
            }
            #[cfg(feature = "multipart")]
            Encoding::Multipart(boundary) => {
                form.read_parts(Multipart::new(&boundary, &mut body)?, limits)?
            }
        }
        Ok(form)
    }

    #[cfg(feature = "multipart")]
    fn read_parts(&mut self, parts: Multipart<'_>, limits: &FormLimits) -> Result<()> {
        let mut parts = parts.max_parts(usize::MAX);
        while let Some(mut part) = parts.next_part()? {
            match part.file_name() {
                // Browsers send the box for a file that was left empty as a file without a name.
                Some("") => {}
                Some(_) => {
                    limits.check_file(self.files.len())?;
                    self.files.push(FormFile::read(&mut part)?);
                }
                None => {
                    let name = part.name().to_owned();
                    let mut content = Bounded {
                        left: limits.field.saturating_sub(name.len()),
                        over: &|| limits.field_is_over(&name),
                        body: &mut part,
                    };
                    let mut value = Vec::new();
                    append_all(&mut content, &mut value)?;
                    let value = part.utf_8(value)?;
                    limits.check_field(self.fields.len(), &name, &value)?;
                    self.fields.push(&name, &value)?;
                }
            }
        }
        Ok(())
    }
}

impl FormFile {
    /// The name of the field.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?;
    /// let file = form.file("picture").unwrap();
    /// assert_eq!(file.name(), "picture");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the visitor calls the file: words of a stranger, not a path, and nothing to name a file by.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?;
    /// let file = form.file("picture").unwrap();
    /// assert_eq!(file.file_name(), "a.png");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// What the visitor's browser takes the file for, by its name most often: not to be relied on.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?;
    /// let file = form.file("picture").unwrap();
    /// println!("{}", file.content_type().unwrap_or("-"));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The file.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").file("picture", "a.png", [0; 9]).call(|req, res| {
    /// let form = req.form()?;
    /// let file = form.file("picture").unwrap();
    /// assert_eq!(file.bytes(), [0; 9]);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(feature = "multipart")]
    fn read(part: &mut Part<'_>) -> Result<FormFile> {
        let mut bytes = Vec::new();
        append_all(part, &mut bytes)?;
        Ok(FormFile {
            name: part.name().to_owned(),
            file_name: part.file_name().unwrap_or("").to_owned(),
            content_type: part.content_type().map(str::to_owned),
            bytes,
        })
    }
}

/// Reads a body, or one field of it, and fails at the first byte that is more than may be there.
struct Bounded<'a> {
    body: &'a mut dyn BufRead,
    /// How many bytes may still come.
    left: usize,
    /// Says what is too long.
    over: &'a dyn Fn() -> Error,
}

impl BufRead for Bounded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let here = self.body.fill_buf()?;
        if self.left == 0 && !here.is_empty() {
            return Err((self.over)().into());
        }
        Ok(&here[..here.len().min(self.left)])
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.left);
        self.left -= n;
        self.body.consume(n);
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URLENCODED: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=x";

    fn read(query: &str, content_type: &str, body: &str, limits: &FormLimits) -> Result<Form> {
        let length = Some(body.len() as u64);
        Form::read(
            query.as_bytes(),
            Some(content_type),
            length,
            &mut body.as_bytes(),
            limits,
        )
    }

    fn default(query: &str, content_type: &str, body: &str) -> Result<Form> {
        read(query, content_type, body, &FormLimits::default())
    }

    fn refused(read: Result<Form>) -> (u16, String) {
        let error = read.expect_err("the form was taken");
        (error.status(), error.to_string())
    }

    const ALL: &str = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
                       --x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.txt\"\r\nContent-Type: text/plain\r\n\r\n\
                       line\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n\
                       --x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--x--\r\n";

    #[cfg(feature = "multipart")]
    #[test]
    fn the_body_comes_before_the_query_and_all_is_there_in_order() {
        for (content_type, body) in [(URLENCODED, "a=1&b=+%C3%A9&a=2"), (MULTIPART, ALL)] {
            let form = default("q=3&a=4", content_type, body).unwrap();
            assert_eq!(form.get("a"), Some("1"));
            assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2", "4"]);
            assert_eq!((form.get("q"), form.get("x")), (Some("3"), None));
            assert_eq!(form.query().collect::<Vec<_>>(), [("q", "3"), ("a", "4")]);
        }
        let form = default("", URLENCODED, "a=1&b=+%C3%A9&=&").unwrap();
        assert_eq!(
            form.fields().collect::<Vec<_>>(),
            [("a", "1"), ("b", " \u{e9}"), ("", "")]
        );
    }

    #[cfg(feature = "multipart")]
    #[test]
    fn files_are_beside_the_fields_and_an_empty_box_is_none() {
        let form = default("", MULTIPART, ALL).unwrap();
        assert_eq!(form.fields().collect::<Vec<_>>(), [("a", "1"), ("a", "2")]);
        assert_eq!((form.files().count(), form.get("f")), (1, None));
        let file = form.file("f").unwrap();
        assert_eq!((file.name(), file.file_name()), ("f", "n.txt"));
        assert_eq!(
            (file.content_type(), file.bytes()),
            (Some("text/plain"), &b"line\r\n"[..])
        );
    }

    #[test]
    fn without_a_body_it_is_the_query_whatever_else_is_said() {
        for content_type in [
            None,
            Some(""),
            Some(URLENCODED),
            Some(MULTIPART),
            Some("multipart/form-data"),
            Some("application/json"),
            Some("\u{e9}"),
        ] {
            for length in [None, Some(0), Some(u64::MAX)] {
                let limits = FormLimits::default().max_body(0);
                let form = Form::read(
                    b"a=1&%zz=%ff\xff",
                    content_type,
                    length,
                    &mut &b""[..],
                    &limits,
                );
                let form = form.unwrap();
                let expected = [("a", "1"), ("%zz", "\u{fffd}\u{fffd}")];
                assert_eq!(form.query().collect::<Vec<_>>(), expected);
                assert_eq!((form.fields().count(), form.files().count()), (0, 0));
            }
        }
    }

    #[cfg(feature = "multipart")]
    #[test]
    fn what_is_no_form_is_415_and_what_is_malformed_400() {
        assert_eq!(refused(default("", "application/json", "{}")).0, 415);
        assert_eq!(refused(default("", "", "a=b")).0, 415);
        assert_eq!(refused(default("", URLENCODED, "a=%zz")).0, 400);
        assert_eq!(refused(default("", URLENCODED, "a=%ff")).0, 400);
        assert_eq!(refused(default("", MULTIPART, "a=b")).0, 400);
        assert_eq!(refused(default("", "multipart/form-data", ALL)).0, 400);
        let text = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        assert_eq!(refused(default("", MULTIPART, text)).0, 400);
    }

    #[cfg(feature = "multipart")]
    #[test]
    fn each_limit_holds_to_the_byte() {
        let limits = FormLimits::default;
        let part = "--x\r\nContent-Disposition: form-data; name=abc\r\n\r\n1234\r\n";
        let part = |n: usize| part.repeat(n) + "--x--";
        let file = ALL.len();
        for (content_type, body, fits, over, says) in [
            (
                URLENCODED,
                "a=1&b=2".to_owned(),
                limits().max_body(7),
                limits().max_body(6),
                "6 bytes (max_body)",
            ),
            (
                MULTIPART,
                ALL.into(),
                limits().max_body(file),
                limits().max_body(file - 1),
                "bytes (max_body)",
            ),
            (
                URLENCODED,
                "a=1&b=2".into(),
                limits().max_fields(2),
                limits().max_fields(1),
                "1 fields (max_fields)",
            ),
            (
                MULTIPART,
                part(3),
                limits().max_fields(3),
                limits().max_fields(2),
                "2 fields (max_fields)",
            ),
            (
                URLENCODED,
                "abc=12%34".into(),
                limits().max_field(6),
                limits().max_field(5),
                "5 bytes (max_field): \"abc\"",
            ),
            (
                MULTIPART,
                part(1),
                limits().max_field(7),
                limits().max_field(6),
                "6 bytes (max_field): \"abc\"",
            ),
            (
                MULTIPART,
                part(1),
                limits().max_field(7),
                limits().max_field(3),
                "3 bytes (max_field): \"abc\"",
            ),
            (
                MULTIPART,
                ALL.into(),
                limits().max_files(1),
                limits().max_files(0),
                "0 files (max_files)",
            ),
        ] {
            read("a=b&c=d", content_type, &body, &fits).unwrap();
            let (status, message) = refused(read("a=b&c=d", content_type, &body, &over));
            assert_eq!(status, 413, "{message}");
            assert!(message.contains(says), "{message}, not {says}");
        }
    }

    #[test]
    fn a_length_that_lies_changes_nothing_but_one_that_is_too_large_is_not_waited_for() {
        for length in [None, Some(0), Some(1), Some(1 << 20)] {
            let form = Form::read(
                b"",
                Some(URLENCODED),
                length,
                &mut &b"a=1"[..],
                &FormLimits::default(),
            );
            assert_eq!(form.unwrap().get("a"), Some("1"), "{length:?}");
        }
        struct Waits(bool);
        impl Read for Waits {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("the body was read");
            }
        }
        impl BufRead for Waits {
            fn fill_buf(&mut self) -> io::Result<&[u8]> {
                assert!(
                    !std::mem::replace(&mut self.0, true),
                    "the body was waited for"
                );
                Ok(b"a=1")
            }
            fn consume(&mut self, _: usize) {
                panic!("the body was read");
            }
        }
        let limits = FormLimits::default();
        let form = Form::read(
            b"",
            Some(URLENCODED),
            Some((2 << 20) + 1),
            &mut Waits(false),
            &limits,
        );
        assert_eq!(refused(form).0, 413);
    }
}
