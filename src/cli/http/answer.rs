//! The application's answer as a browser gets it: a CGI response becomes one of HTTP/1.1. Pure. Called by `connection`.

use super::SOFTWARE;
use crate::cgi::{is_bodiless, reason};
use crate::client::{End, Head, HeadReader};
use crate::date::http_date;
use std::fmt::Write;
use std::time::SystemTime;

/// One answer on its way. What goes to the browser is appended to the caller's buffer.
#[derive(Debug)]
pub(super) struct Answer {
    to: Asked,
    /// Reads the head, until it is whole.
    reader: HeadReader,
    /// What the browser was told, once its head is written.
    begun: Option<Begun>,
}

/// What the request was, as far as the answer's form depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) is_http_1_0: bool,
    pub(super) keep_alive: bool,
}

/// A response whose head is written.
#[derive(Clone, Copy, Debug)]
struct Begun {
    status: u16,
    framing: Framing,
    /// How many bytes of the body are written, without what frames them.
    body: u64,
    /// The application gave more than its Content-Length says.
    surplus: bool,
}

/// How the browser knows the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none, whatever the application writes.
    None,
    /// By its length, of which so much is still to come.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    ToClose,
}

impl Answer {
    pub(super) fn new(to: Asked) -> Answer {
        Answer {
            to,
            reader: HeadReader::default(),
            begun: None,
        }
    }

    /// The next piece of STDOUT.
    ///
    /// # Errors
    /// A sentence, if the application's head is not one.
    pub(super) fn stdout(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if let Some(begun) = &mut self.begun {
            begun.body(bytes, out);
            return Ok(());
        }
        let read = self.reader.read(bytes).map_err(|error| error.to_string())?;
        if let Some((head, n)) = read {
            let mut begun = self.begin(&head, out)?;
            begun.body(&bytes[n..], out);
            self.begun = Some(begun);
        }
        Ok(())
    }

    /// The request has ended.
    ///
    /// # Errors
    /// A sentence, if the answer is not whole.
    pub(super) fn end(&mut self, end: End, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(begun) = self.begun else {
            return Err(format!(
                "the application ended the request without a whole head{}",
                end.refusal()
                    .map_or(String::new(), |refusal| format!(": {refusal}"))
            ));
        };
        match begun.framing {
            Framing::Chunked => out.extend_from_slice(b"0\r\n\r\n"),
            Framing::Length(left @ 1..) => {
                return Err(format!(
                    "the application gave {left} bytes less than its Content-Length says"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the browser was told something, so that no other answer is possible.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether the connection can go on after this answer.
    pub(super) fn keeps(&self) -> bool {
        self.to.keep_alive
            && self
                .begun
                .is_some_and(|begun| begun.framing != Framing::ToClose)
    }

    /// Whether an end of the connection would look like the end of a whole answer.
    pub(super) fn ends_by_close(&self) -> bool {
        self.begun
            .is_some_and(|begun| begun.framing == Framing::ToClose)
    }

    /// Status and bytes of the body, for the log.
    pub(super) fn told(&self) -> Option<(u16, u64)> {
        self.begun.map(|begun| (begun.status, begun.body))
    }

    /// Whether the body was longer than its Content-Length: the rest was dropped, as nginx does.
    pub(super) fn has_surplus(&self) -> bool {
        self.begun.is_some_and(|begun| begun.surplus)
    }

    /// Writes the head.
    fn begin(&self, head: &Head, out: &mut Vec<u8>) -> Result<Begun, String> {
        let length = head.content_length();
        let framing = match length {
            _ if self.to.is_head || is_bodiless(head.status()) => Framing::None,
            Some(length) => Framing::Length(length),
            None if self.to.is_http_1_0 => Framing::ToClose,
            None => Framing::Chunked,
        };
        let keeps = self.to.keep_alive && framing != Framing::ToClose;
        write_status(head.status(), head.reason(), out);
        for (name, value) in head.fields().filter(|(name, _)| is_passed_on(name)) {
            write_field(name, value, out);
        }
        if head.field("date").is_none() {
            write_field(
                "Date",
                http_date(SystemTime::now()).to_string().as_bytes(),
                out,
            );
        }
        if head.field("server").is_none() {
            write_field("Server", SOFTWARE.as_bytes(), out);
        }
        if let Some(length) = length.filter(|_| !is_bodiless(head.status())) {
            write_field("Content-Length", length.to_string().as_bytes(), out);
        }
        if framing == Framing::Chunked {
            write_field("Transfer-Encoding", b"chunked", out);
        }
        write_connection(keeps, self.to.is_http_1_0, out);
        out.extend_from_slice(b"\r\n");
        Ok(Begun {
            status: head.status(),
            framing,
            body: 0,
            surplus: false,
        })
    }
}

impl Begun {
    /// Writes a piece of the body.
    fn body(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let bytes = match &mut self.framing {
            Framing::None => return,
            Framing::Length(left) => {
                let n = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= n as u64;
                self.surplus |= n < bytes.len();
                &bytes[..n]
            }
            Framing::Chunked | Framing::ToClose => bytes,
        };
        self.body += bytes.len() as u64;
        if self.framing != Framing::Chunked {
            out.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Writes a whole answer of our own, after which the connection ends. Returns how many bytes its body has.
pub(super) fn write_page(status: u16, sentence: &str, is_head: bool, out: &mut Vec<u8>) -> usize {
    let page = format!("{status} {}\n\n{sentence}\n", reason(status));
    write_status(status, b"", out);
    write_field(
        "Date",
        http_date(SystemTime::now()).to_string().as_bytes(),
        out,
    );
    write_field("Server", SOFTWARE.as_bytes(), out);
    write_field("Content-Type", b"text/plain; charset=utf-8", out);
    // A sentence may quote what came from outside: no browser is to guess that it is html.
    write_field("X-Content-Type-Options", b"nosniff", out);
    write_field("Content-Length", page.len().to_string().as_bytes(), out);
    write_connection(false, false, out);
    out.extend_from_slice(b"\r\n");
    if is_head {
        return 0;
    }
    out.extend_from_slice(page.as_bytes());
    page.len()
}

/// Writes the first line. It says HTTP/1.1 even to a browser that speaks HTTP/1.0: it is the version of the server (RFC 9110,
/// section 6.2), and nginx does so, too.
fn write_status(status: u16, words: &[u8], out: &mut Vec<u8>) {
    let words = match words {
        b"" => reason(status).as_bytes(),
        words => words,
    };
    out.extend_from_slice(format!("HTTP/1.1 {status} ").as_bytes());
    out.extend_from_slice(words);
    out.extend_from_slice(b"\r\n");
}

fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_connection(keeps: bool, is_http_1_0: bool, out: &mut Vec<u8>) {
    match keeps {
        false => write_field("Connection", b"close", out),
        true if is_http_1_0 => write_field("Connection", b"keep-alive", out),
        true => {}
    }
}

/// Whether a header field of the application is passed on. Those that concern the browser's connection are not: the server
/// writes its own.
fn is_passed_on(name: &str) -> bool {
    const OURS: [&str; 7] = [
        "connection",
        "content-length",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    !OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

/// `bytes` for a log line: printable, on one line, and not too long.
pub(super) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let mut shown = bytes[..bytes.len().min(MOST)].escape_ascii().to_string();
    if bytes.len() > MOST {
        // Writing to a String cannot fail.
        let _ = write!(shown, "… ({} bytes)", bytes.len());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Asked = Asked {
        is_head: false,
        is_http_1_0: false,
        keep_alive: true,
    };
    const HEAD: Asked = Asked {
        is_head: true,
        ..GET
    };
    const OLD: Asked = Asked {
        is_http_1_0: true,
        ..GET
    };
    const LAST: Asked = Asked {
        keep_alive: false,
        ..GET
    };
    const COMPLETE: End = End {
        app_status: 0,
        protocol_status: 0,
    };

    /// What the browser gets but for `Date` and `Server`, of an answer that comes in pieces of `size`, and whether the
    /// connection is kept.
    fn answer(asked: Asked, stdout: &[u8], size: usize) -> Result<(String, bool), String> {
        let (mut answer, mut out) = (Answer::new(asked), Vec::new());
        for piece in stdout.chunks(size) {
            answer.stdout(piece, &mut out)?;
        }
        answer.end(COMPLETE, &mut out)?;
        let text = String::from_utf8(out).unwrap();
        let lines = text.split_inclusive("\r\n");
        let ours = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Server: fcgi/");
        let shown = lines.filter(ours).collect::<String>().replace("\r\n", "|");
        Ok((shown, answer.keeps()))
    }

    #[test]
    fn an_answer_is_framed_as_its_request_can_take_it() {
        #[rustfmt::skip]
        let table: &[(Asked, &str, &str, bool)] = &[
            (GET, "A: b\n\nbody", "HTTP/1.1 200 OK|A: b|Transfer-Encoding: chunked||4|body|0||", true),
            (GET, "A: b\n\n", "HTTP/1.1 200 OK|A: b|Transfer-Encoding: chunked||0||", true),
            (GET, "Status: 404 Nope\nContent-length: 4\n\nbody", "HTTP/1.1 404 Nope|Content-Length: 4||body", true),
            (GET, "Content-Length: 2\n\nbody", "HTTP/1.1 200 OK|Content-Length: 2||bo", true),
            (GET, "Content-Length: 0\n\n", "HTTP/1.1 200 OK|Content-Length: 0||", true),
            (LAST, "Content-Length: 2\n\nbo", "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||bo", false),
            (OLD, "Content-Length: 2\n\nbo", "HTTP/1.1 200 OK|Content-Length: 2|Connection: keep-alive||bo", true),
            (OLD, "A: b\n\nbody", "HTTP/1.1 200 OK|A: b|Connection: close||body", false),
            (HEAD, "A: b\n\nbody", "HTTP/1.1 200 OK|A: b||", true),
            (HEAD, "Content-Length: 4\n\nbody", "HTTP/1.1 200 OK|Content-Length: 4||", true),
            (GET, "Status: 204\nContent-Length: 4\n\nbody", "HTTP/1.1 204 No Content||", true),
            (GET, "Status: 304\nETag: x\n\nbody", "HTTP/1.1 304 Not Modified|ETag: x||", true),
            (GET, "Location: /x\n\n", "HTTP/1.1 302 Found|Location: /x|Transfer-Encoding: chunked||0||", true),
            (GET, "Connection: x\nTransfer-Encoding: chunked\nUpgrade: h2c\nKeep-Alive: 5\nContent-Length: 0\n\n",
                "HTTP/1.1 200 OK|Content-Length: 0||", true),
            (GET, "Set-Cookie: a\nSet-Cookie: b\nContent-Length: 0\n\n",
                "HTTP/1.1 200 OK|Set-Cookie: a|Set-Cookie: b|Content-Length: 0||", true),
        ];
        for &(asked, stdout, expected, keeps) in table {
            let expected = Ok((expected.to_owned(), keeps));
            assert_eq!(
                answer(asked, stdout.as_bytes(), stdout.len()),
                expected,
                "{stdout}"
            );
        }
    }

    #[test]
    fn an_answer_in_pieces_has_the_same_content() {
        let stdout = b"Content-Length: 10\r\n\r\n0123456789";
        let whole = answer(GET, stdout, stdout.len()).unwrap();
        for size in 1..stdout.len() {
            assert_eq!(
                answer(GET, stdout, size).unwrap(),
                whole,
                "pieces of {size}"
            );
        }
        let (text, _) = answer(GET, b"A: b\n\n0123456789", 4).unwrap();
        assert!(text.ends_with("chunked||2|01|4|2345|4|6789|0||"), "{text}");
    }

    #[test]
    fn an_application_that_says_when_and_who_is_believed() {
        let (mut answer, mut out) = (Answer::new(GET), Vec::new());
        answer
            .stdout(b"date: now\nserver: me\n\n", &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap().to_ascii_lowercase();
        assert_eq!(
            (
                text.matches("date:").count(),
                text.matches("server:").count()
            ),
            (1, 1)
        );
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let rows = [
            ("A: b\n", "without a whole head"),
            ("HTTP/1.1 200 OK\n\n", "without a colon"),
            ("Content-Length: x\n\n", "not a number"),
            ("Content-Length: +1\n\n", "not a number"),
            ("Content-Length: 1\nContent-Length: 2\n\n", "two different"),
            ("Content-Length: 5\n\nbody", "1 bytes less"),
        ];
        for (stdout, words) in rows {
            let error = answer(GET, stdout.as_bytes(), 7).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn surplus_is_told_apart() {
        for (body, surplus) in [("bo", false), ("bod", true)] {
            let mut answer = Answer::new(GET);
            let stdout = format!("Content-Length: 2\n\n{body}");
            answer.stdout(stdout.as_bytes(), &mut Vec::new()).unwrap();
            assert_eq!(answer.has_surplus(), surplus);
            assert_eq!(answer.told(), Some((200, 2)));
        }
    }

    #[test]
    fn log_lines_stay_lines() {
        assert_eq!(shown(b"/a\n\x1b[31m\xff"), "/a\\n\\x1b[31m\\xff");
        assert_eq!(shown(&[b'x'; 300]).len(), 200 + "… (300 bytes)".len());
    }
}
