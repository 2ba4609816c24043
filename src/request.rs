//! The request as the handler sees it: a view of the worker's buffer.

use crate::body::{Body, connected};
use crate::cgi::Known;
use crate::exchange::Shared;
use crate::front::Frozen;
use crate::protocol::Role;
use crate::setup::Setup;
use std::io::{self, Write};

/// A request.
///
/// What it lends (`&'buf str`, `&'buf [u8]`) lies in the worker's buffer and stays readable while the body is read and
/// the answer written, until the handler returns. A value that is not UTF-8 is `None` as text and exact as bytes.
pub struct Request<'buf> {
    role: Role,
    front: &'buf Frozen<'buf>,
    setup: &'buf Setup,
    body: Body<'buf>,
    shared: &'buf Shared<'buf>,
}

impl<'buf> Request<'buf> {
    pub(crate) fn new(
        role: Role,
        front: &'buf Frozen<'buf>,
        shared: &'buf Shared<'buf>,
        setup: &'buf Setup,
    ) -> Request<'buf> {
        Request {
            role,
            front,
            setup,
            body: Body::new(shared),
            shared,
        }
    }

    /// What the web server asks the application to be.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The request's method, as sent: `GET`, `POST`, …; `GET` if the web server does not say.
    pub fn method(&self) -> &'buf str {
        text(self.front.params.known(Known::RequestMethod)).unwrap_or("GET")
    }

    /// The path below [`mount`](Request::mount), decoded; it begins with a slash.
    ///
    /// The same behind every web server: found from SCRIPT_NAME, PATH_INFO and REQUEST_URI, which no two of them fill in
    /// alike. Bytes that are not UTF-8 are replaced by `U+FFFD`; [`path_bytes`](Request::path_bytes) has them.
    pub fn path(&self) -> &'buf str {
        self.front.path
    }

    /// The path below the mount, decoded, byte for byte.
    pub fn path_bytes(&self) -> &'buf [u8] {
        self.front.place.path
    }

    /// What the application is reached under, without a slash at its end: `""` at the root of the site.
    pub fn mount(&self) -> &'buf str {
        text(Some(self.front.place.mount)).unwrap_or("")
    }

    /// The query string, not decoded, without the question mark; empty if there is none.
    pub fn query(&self) -> &'buf str {
        text(self.front.params.known(Known::QueryString)).unwrap_or("")
    }

    /// A CGI parameter by its name: `SERVER_NAME`, `HTTP_ACCEPT`, …
    ///
    /// Of a repeated name the last value counts, as nginx means it; the values of a repeated header are joined, by `; `
    /// for cookies and by `, ` for all others.
    pub fn param(&self, name: &str) -> Option<&'buf str> {
        text(self.param_bytes(name))
    }

    /// As [`param`](Request::param), byte for byte.
    pub fn param_bytes(&self, name: &str) -> Option<&'buf [u8]> {
        self.front.params.get(name.as_bytes())
    }

    /// All parameters as received: in order, repeated ones repeated.
    pub fn params(&self) -> impl Iterator<Item = (&'buf [u8], &'buf [u8])> + use<'buf> {
        self.front.params.pairs()
    }

    /// A request header by its name in HTTP, in any case: `Accept-Language`.
    ///
    /// `-`, `_` and, behind most web servers, other characters of the name cannot be told apart in CGI. Authorization is
    /// not passed on by Apache unless `CGIPassAuth On`.
    pub fn header(&self, name: &str) -> Option<&'buf str> {
        text(self.front.params.header(name))
    }

    /// The length that the web server gives for the body: `None` if it gives none that is a number.
    ///
    /// A hint: read to the body's end to know. It is 0 or absent for a GET, and absent or -1 for a chunked upload behind
    /// some web servers.
    pub fn content_length(&self) -> Option<u64> {
        text(self.front.params.known(Known::ContentLength))?
            .parse()
            .ok()
    }

    /// The body's type, as sent; `None` if there is none.
    pub fn content_type(&self) -> Option<&'buf str> {
        text(self.front.params.known(Known::ContentType)).filter(|value| !value.is_empty())
    }

    /// The address that the web server was asked from: a visitor's, or a proxy's in front of it.
    pub fn remote_addr(&self) -> Option<&'buf str> {
        text(self.front.params.known(Known::RemoteAddr)).filter(|value| !value.is_empty())
    }

    /// The body, streamed.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn shout(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let mut out = res.content_type("text/plain").stream()?;
    ///     std::io::copy(req.body(), &mut out)?;
    ///     Ok(())
    /// }
    /// ```
    pub fn body(&mut self) -> &mut Body<'buf> {
        &mut self.body
    }

    /// The web server's error log, as FastCGI's stderr stream: one record a `write`.
    ///
    /// Log lines go better to fd 2 (`log`, `eprintln!`), which the web server that started the application shows too:
    /// one record here makes HAProxy 2.6 crash. In CGI it is standard error.
    pub fn stderr(&self) -> Stderr<'buf> {
        Stderr {
            shared: self.shared,
        }
    }
}

/// FastCGI's stderr stream: see [`Request::stderr`].
pub struct Stderr<'buf> {
    shared: &'buf Shared<'buf>,
}

impl Write for Stderr<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        connected(self.shared)?.write_stderr(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}
