//! The answer that a test looks at. Made by `Ask::call` and `Ask::serve`.

use super::heard::Heard;
use crate::client::{End, Head, HeadReader};
use std::fmt;

/// An answer, as a web server has it.
///
/// `Debug` shows it readably, so that `assert_eq!(answer.status(), 200, "{answer:?}")` says what came instead, and why.
///
/// ```
/// # use fcgi::testing::request;
/// let answer = request("GET", "/").call(|_, res| res.content_type("text/plain").send("Hello"));
/// assert_eq!(answer.status(), 200, "{answer:?}");
/// assert_eq!(answer.header("Content-Type"), Some("text/plain"));
/// assert_eq!((answer.text(), answer.body()), ("Hello", &b"Hello"[..]));
/// assert_eq!((answer.error(), answer.is_cut()), (None, false));
/// ```
pub struct Answer {
    head: Option<Head>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    stderr: Vec<u8>,
    end: Option<End>,
    error: Option<String>,
}

impl Answer {
    #[track_caller]
    pub(super) fn new(heard: Heard, error: Option<String>) -> Answer {
        let Heard {
            stdout,
            stderr,
            end,
        } = heard;
        let (head, body) = match HeadReader::default().read(&stdout) {
            Ok(Some((head, n))) => (Some(head), stdout[n..].to_vec()),
            Ok(None) if stdout.is_empty() => (None, stdout),
            Ok(None) => panic!("BUG: an answer ends in its head: {}", shown(&stdout)),
            Err(error) => panic!("BUG: {error}"),
        };
        let text = |(name, value): (&str, &[u8])| (name.to_owned(), shown(value));
        let headers = head.iter().flat_map(Head::fields).map(text).collect();
        Answer {
            head,
            headers,
            body,
            stderr,
            end,
            error,
        }
    }

    /// The status. 0 if the request ended without an answer, as for a role that has no handler: [`end`](Answer::end) says why.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.status(201).send("made")
    /// });
    /// assert_eq!(answer.status(), 201);
    /// ```
    pub fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, Head::status)
    }

    /// The first header of this name, in upper or lower case. What is not UTF-8 in it is `U+FFFD`;
    /// [`header_bytes`](Answer::header_bytes) has it.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.header("X-A", "1").send("")
    /// });
    /// assert_eq!(answer.header("x-a"), Some("1"));
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// As [`header`](Answer::header), byte for byte.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.header("X-A", b"J\xFCrgen").send("")
    /// });
    /// assert_eq!(answer.header_bytes("X-A"), Some(&b"J\xFCrgen"[..]));
    /// ```
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.head.as_ref()?.field(name)
    }

    /// All headers, in the order in which they were sent, repeated ones repeated.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.header("X-A", "1").header("X-A", "2").send("")
    /// });
    /// assert_eq!(answer.headers().filter(|(name, _)| *name == "X-A").count(), 2);
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.send([0, 159])
    /// });
    /// assert_eq!(answer.body(), [0, 159]);
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.send("Jürgen")
    /// });
    /// assert_eq!(answer.text(), "Jürgen");
    /// ```
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body of the answer is no text: {error}; use body()"),
        }
    }

    /// Why the request failed, for the log and not for the visitor: the handler's error or its panic, or that it did not
    /// answer; `panicked at src/app.rs:5:9: …` for a panic. The first one, if there were several.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     panic!("out of paper")
    /// });
    /// assert!(answer.error().unwrap().ends_with(": out of paper"), "{answer:?}");
    /// ```
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether the answer is cut: the handler failed when the head had left already, and no status could tell the visitor any
    /// more. The web server sees the connection end without END_REQUEST.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     let _begun = res.stream()?;
    ///     Err(fcgi::Error::new(500, "no more"))
    /// });
    /// assert!(answer.is_cut());
    /// ```
    pub fn is_cut(&self) -> bool {
        self.end.is_none()
    }

    /// How the request ended, if the answer is not cut.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|req, res| {
    ///     res.send("")
    /// });
    /// assert_eq!(answer.end().map(|end| end.protocol_status), Some(0));
    /// ```
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// What the handler wrote to [`Request::stderr`](crate::Request::stderr).
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// use std::io::Write;
    ///
    /// let answer = request("GET", "/").call(|req, res| {
    ///     req.stderr().write_all(b"hm")?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.stderr(), b"hm");
    /// ```
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status())
            .field("headers", &self.headers)
            .field("body", &shown(&self.body))
            .field("error", &self.error)
            .field("stderr", &shown(&self.stderr))
            .field("end", &self.end)
            .finish()
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
