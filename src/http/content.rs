//! What the body of an `http::Response` may be, and how it is sent. Called by `responder`.

use crate::error::Result;
use crate::response::Response;
use std::fs::File;
use std::io::{Read, Seek};

/// The body of an answer.
///
/// An application whose pages differ makes an enum of them:
///
/// ```
/// use fcgi::{Response, http::Content};
/// use std::fs::File;
///
/// enum Page {
///     Text(String),
///     File(File),
/// }
///
/// impl Content for Page {
///     fn send(self, res: Response) -> fcgi::Result {
///         match self {
///             Page::Text(text) => text.send(res),
///             Page::File(file) => file.send(res),
///         }
///     }
/// }
/// ```
pub trait Content {
    /// Sends it as the body of `res`, which has its status and headers.
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone; what cannot be read.
    fn send(self, res: Response<'_>) -> Result;
}

impl Content for Vec<u8> {
    fn send(self, res: Response<'_>) -> Result {
        res.send(self)
    }
}

impl Content for String {
    fn send(self, res: Response<'_>) -> Result {
        res.send(self)
    }
}

impl Content for &'static str {
    fn send(self, res: Response<'_>) -> Result {
        res.send(self)
    }
}

impl Content for &'static [u8] {
    fn send(self, res: Response<'_>) -> Result {
        res.send(self)
    }
}

/// No body: `Content-Length: 0`, where an answer may have one.
impl Content for () {
    fn send(self, res: Response<'_>) -> Result {
        res.send("")
    }
}

/// From where it stands to its end. A regular file has a Content-Length, and is cut if it gets shorter meanwhile; a pipe or a
/// device is sent as it comes.
impl Content for File {
    fn send(mut self, res: Response<'_>) -> Result {
        let found = self.metadata()?;
        if !found.is_file() {
            return res.stream_from(&mut self);
        }
        let length = found.len().saturating_sub(self.stream_position()?);
        res.send_from(&mut self, length)
    }
}

/// What each read gives is sent at once, as by [`Response::stream`]: a source of small pieces stands in a
/// [`BufReader`](std::io::BufReader) where they are not waited for. Nothing is read beyond a Content-Length that was set,
/// and nothing at all for a HEAD. One that fails at its first read is an error page, and later a cut answer.
impl Content for Box<dyn Read> {
    fn send(mut self, res: Response<'_>) -> Result {
        res.stream_from(&mut *self)
    }
}

impl Content for Box<dyn Read + Send> {
    fn send(mut self, res: Response<'_>) -> Result {
        res.stream_from(&mut *self)
    }
}
