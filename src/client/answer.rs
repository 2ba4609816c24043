//! What comes back for a request: in parts as they arrive, or collected into a whole [`Answer`]. Made by `Client`.

use super::{Head, HeadReader, broken};
use std::io;

/// A piece of an answer, in the order in which they came.
///
/// [`Client::step`](super::Client::step) and [`Client::exchange`](super::Client::exchange) give them, and have examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Some of the response: a head as in CGI ([`HeadReader`] finds its end), then the body.
    Stdout(&'a [u8]),
    /// Some of what the application has to say to the web server's log.
    Stderr(&'a [u8]),
    /// The request has ended.
    End(End),
}

/// How a request ended.
///
/// [`Client::step`](super::Client::step) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The application's own status, as of a program's exit: 0 by custom.
    pub app_status: u32,
    /// 0: complete. 1: no second request on this connection. 2: overloaded. 3: the role is unknown.
    pub protocol_status: u8,
}

impl End {
    /// Why the application refused the request; `None` if it did not.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        refusal(self.protocol_status)
    }
}

/// What a protocol status says for the application (section 5.5 of the specification).
pub(crate) fn refusal(protocol_status: u8) -> Option<&'static str> {
    match protocol_status {
        0 => None,
        1 => Some("it takes no second request on a connection (FCGI_CANT_MPX_CONN)"),
        2 => Some("it is overloaded (FCGI_OVERLOADED)"),
        3 => Some("it does not have the role that it was asked in (FCGI_UNKNOWN_ROLE)"),
        _ => Some("it ended the request with a protocol status that nobody knows"),
    }
}

/// A whole answer, collected by [`Client::request`](super::Client::request).
///
/// [`Client`](super::Client) has an example.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status and the fields.
    pub head: Head,
    /// What followed the head.
    pub body: Vec<u8>,
    /// What came on the stderr stream.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// What has come of an [`Answer`] so far.
pub(super) struct Collected {
    reader: HeadReader,
    head: Option<Head>,
    body: Vec<u8>,
    stderr: Vec<u8>,
    /// `body.len() + stderr.len() <= limit`
    limit: usize,
}

impl Collected {
    pub(super) fn new(limit: usize) -> Collected {
        Collected {
            reader: HeadReader::default(),
            head: None,
            body: Vec::new(),
            stderr: Vec::new(),
            limit,
        }
    }

    pub(super) fn add(&mut self, part: Part<'_>) -> io::Result<()> {
        match part {
            Part::Stdout(bytes) if self.head.is_some() => self.add_body(bytes),
            Part::Stdout(bytes) => match self.reader.read(bytes)? {
                Some((head, n)) => {
                    self.head = Some(head);
                    self.add_body(&bytes[n..])
                }
                None => Ok(()),
            },
            Part::Stderr(bytes) => {
                self.expect_room(bytes)?;
                self.stderr.extend_from_slice(bytes);
                Ok(())
            }
            Part::End(_) => Ok(()),
        }
    }

    fn add_body(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.expect_room(bytes)?;
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn expect_room(&self, bytes: &[u8]) -> io::Result<()> {
        if self.body.len() + self.stderr.len() + bytes.len() <= self.limit {
            return Ok(());
        }
        Err(broken(format!(
            "the answer is larger than {} bytes, the most that is collected",
            self.limit
        )))
    }

    pub(super) fn finish(self, end: End) -> io::Result<Answer> {
        let Some(head) = self.head else {
            return Err(broken(format!(
                "the application ended the request without a whole head (protocol status {})",
                end.protocol_status
            )));
        };
        Ok(Answer {
            head,
            body: self.body,
            stderr: self.stderr,
            end,
        })
    }
}
