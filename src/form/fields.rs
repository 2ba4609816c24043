//! A whole form in memory: what `Request::form` gives.

use super::content_type::Encoding;
#[cfg(feature = "multipart")]
use super::multipart::{Multipart, Part};
use super::urlencoded::{decode_pairs, query_pairs};
use super::{append_all, no_memory, shown};
use crate::error::{Error, Result};
use std::io::{self, BufRead, Read};

/// What a form may hold, at most. What is more is answered with 413 and told in the log.
///
/// ```
/// # use fcgi::{FormLimits, Request, Response};
/// fn guestbook(req: &mut Request, res: Response) -> fcgi::Result {
///     let form = req.form_with(&FormLimits::default().max_body(64 << 10).max_files(0))?;
///     res.send(form.get("name").unwrap_or("nobody"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FormLimits {
    body: usize,
    fields: usize,
    field: usize,
    files: usize,
}

impl Default for FormLimits {
    fn default() -> FormLimits {
        FormLimits {
            body: 2 << 20,
            fields: 1000,
            field: 256 << 10,
            files: 20,
        }
    }
}

impl FormLimits {
    /// The body, in bytes as sent, files included: all of it is held in memory. Default 2 MiB; mod_fcgid's own limit is
    /// 128 KiB (`FcgidMaxRequestLen`), nginx's 1 MiB (`client_max_body_size`).
    ///
    /// Memory grows by doubling, which takes up to three times as much for a moment: by default 6 MiB for each worker that
    /// reads a form. Where there is no memory the answer is a 503, and the program goes on.
    pub fn max_body(mut self, bytes: usize) -> FormLimits {
        self.body = bytes;
        self
    }

    /// How many fields the body may have. Default 1,000. The query is bounded by
    /// [`Server::max_params`](crate::Server::max_params), and takes up to 3 MiB more at its default.
    pub fn max_fields(mut self, fields: usize) -> FormLimits {
        self.fields = fields;
        self
    }

    /// One field of the body, name and value together, in bytes. Default 256 KiB.
    pub fn max_field(mut self, bytes: usize) -> FormLimits {
        self.field = bytes;
        self
    }

    /// How many files the body may have. Default 20.
    pub fn max_files(mut self, files: usize) -> FormLimits {
        self.files = files;
        self
    }

    fn body_is_over(&self) -> Error {
        over(format!("more than {} bytes (max_body)", self.body))
    }

    fn fields_are_over(&self) -> Error {
        over(format!("more than {} fields (max_fields)", self.fields))
    }

    fn field_is_over(&self, name: &str) -> Error {
        let (name, field) = (shown(name), self.field);
        over(format!(
            "a field of more than {field} bytes (max_field): {name}"
        ))
    }

    /// Whether there may be this field where there are `before` others.
    fn check_field(&self, before: usize, name: &str, value: &str) -> Result<()> {
        if before == self.fields {
            return Err(self.fields_are_over());
        }
        if name.len() + value.len() > self.field {
            return Err(self.field_is_over(name));
        }
        Ok(())
    }

    #[cfg(feature = "multipart")]
    fn files_are_over(&self) -> Error {
        over(format!("more than {} files (max_files)", self.files))
    }
}

fn over(what: String) -> Error {
    Error::new(
        413,
        format!("the form has {what}; FormLimits sets what it may have"),
    )
}

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
#[derive(Debug)]
pub struct FormFile {
    name: String,
    file_name: String,
    content_type: Option<String>,
    bytes: Vec<u8>,
}

impl Form {
    /// The first value of this name, of the body's fields or, if none has it, of the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of this name, the body's before the query's: boxes that are ticked, choices of a list.
    pub fn all<'form>(&'form self, name: &str) -> impl Iterator<Item = &'form str> {
        let all = self.fields().chain(self.query());
        all.filter(move |(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// The body's fields in order, names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }

    /// The query's names and values in order. What is no UTF-8 there, or escaped wrongly, is as in
    /// [`Request::query_pairs`](crate::Request::query_pairs): a link from anywhere should not be an error.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter()
    }

    /// The first file of this name. A box for a file that the visitor left empty has none.
    pub fn file(&self, name: &str) -> Option<&FormFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// All files in order.
    pub fn files(&self) -> impl Iterator<Item = &FormFile> {
        self.files.iter()
    }

    /// Reads the body as its Content-Type says that it is encoded. Without a body there is no question how.
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
        // What is as long as that need not come first.
        if content_length.is_some_and(|length| length > limits.body as u64) {
            return Err(limits.body_is_over());
        }
        let mut body = Bounded {
            body,
            left: limits.body,
            over: &|| limits.body_is_over(),
        };
        match encoding {
            Encoding::Urlencoded => form.read_urlencoded(&mut body, limits)?,
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

    fn read_urlencoded(&mut self, body: &mut dyn BufRead, limits: &FormLimits) -> Result<()> {
        let (mut text, mut ends, mut end) = (Vec::new(), Vec::new(), 0);
        append_all(body, &mut text)?;
        decode_pairs(&mut text, |name, value| {
            limits.check_field(ends.len(), name, value)?;
            ends.try_reserve(1).map_err(|_| no_memory())?;
            let end_of_name = end + name.len();
            end = end_of_name + value.len();
            ends.push((end_of_name, end));
            Ok(())
        })?;
        let text = String::from_utf8(text).expect("BUG: each name and value was looked at");
        self.fields = Fields { text, ends };
        Ok(())
    }

    #[cfg(feature = "multipart")]
    fn read_parts(&mut self, parts: Multipart<'_>, limits: &FormLimits) -> Result<()> {
        let mut parts = parts.max_parts(usize::MAX);
        while let Some(mut part) = parts.next_part()? {
            match part.file_name() {
                // A box for a file that was left empty.
                Some("") => {}
                Some(_) if self.files.len() == limits.files => return Err(limits.files_are_over()),
                Some(_) => self.files.push(FormFile::read(&mut part)?),
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
                    limits.check_field(self.fields.ends.len(), &name, &value)?;
                    self.fields.push(&name, &value)?;
                }
            }
        }
        Ok(())
    }
}

impl FormFile {
    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the visitor calls the file: words of a stranger, not a path, and nothing to name a file by.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// What the visitor's browser takes the file for, by its name most often: not to be relied on.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The file.
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

/// Names and values, one behind the other in one piece of memory: it takes what came, and little more, however many
/// there are.
#[derive(Debug, Default)]
struct Fields {
    text: String,
    /// Where each name ends, and each value. A name begins where the value before it ended.
    ends: Vec<(usize, usize)>,
}

impl Fields {
    fn push(&mut self, name: &str, value: &str) -> Result<()> {
        let len = name.len() + value.len();
        self.text.try_reserve(len).map_err(|_| no_memory())?;
        self.ends.try_reserve(1).map_err(|_| no_memory())?;
        self.text.push_str(name);
        let end_of_name = self.text.len();
        self.text.push_str(value);
        self.ends.push((end_of_name, self.text.len()));
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        let spans = starts.zip(&self.ends);
        spans.map(|(start, &(name, end))| (&self.text[start..name], &self.text[name..end]))
    }
}

/// The body, or a field of it, as far as the form may have one.
struct Bounded<'a> {
    body: &'a mut dyn BufRead,
    left: usize,
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
