//! The answer, as the handler makes it: a head, then a body, and nothing twice.

use crate::body::connected;
use crate::error::Result;
use crate::exchange::{Home, Shared, hand_back};
use crate::front::Frozen;
use std::io::{self, Write};

/// The answer to one request: set its head, then [`send`](Response::send), [`stream`](Response::stream) or
/// [`finish`](Response::finish) it.
///
/// Each of these takes it, so that answering twice, or a header after the body, does not compile. The status is 200
/// unless it is set, and always sent first. A handler that returns without answering is a logged 500.
///
/// Behind a HEAD request, and for status 204 and 304, no body is sent, whatever is written.
#[must_use = "a request that is not answered is a 500"]
pub struct Response<'buf> {
    front: &'buf Frozen<'buf>,
    shared: &'buf Shared<'buf>,
    home: &'buf dyn Home,
}

impl<'buf> Response<'buf> {
    pub(crate) fn new(
        front: &'buf Frozen<'buf>,
        shared: &'buf Shared<'buf>,
        home: &'buf dyn Home,
    ) -> Response<'buf> {
        Response {
            front,
            shared,
            home,
        }
    }

    /// Sets the status: 200 to 599. Another one is refused when the answer is sent.
    pub fn status(self, status: u16) -> Response<'buf> {
        self.change(|exchange| exchange.set_status(status))
    }

    /// Adds a header. A name may come several times, as `Set-Cookie` does.
    ///
    /// The first one that is not legal is remembered and becomes the error of [`send`](Response::send),
    /// [`stream`](Response::stream) or [`finish`](Response::finish): a name that is no token, a value with a control
    /// character (CR LF would split the response), a second and different Content-Length, and what the web server
    /// writes itself: Status, Connection, Transfer-Encoding, Trailer, Upgrade. So are more than 100 fields or 8 KiB.
    ///
    /// A Content-Length that is set is kept: bytes beyond it are not sent, and an answer shorter than it is cut.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Response<'buf> {
        self.change(|exchange| exchange.add_field(name, value.as_ref()))
    }

    /// Sets the Content-Type: `text/html; charset=utf-8`.
    pub fn content_type(self, value: &str) -> Response<'buf> {
        self.header("Content-Type", value)
    }

    /// Answers with a whole body, and its Content-Length. A small answer leaves in one write, when the handler returns; a
    /// large one is sent from `body` uncopied.
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn send(self, body: impl AsRef<[u8]>) -> Result {
        let body = body.as_ref();
        let mut exchange = connected(self.shared)?;
        exchange.begin_body(Some(body.len()))?;
        exchange.write_body(body)?;
        exchange.close_body();
        Ok(())
    }

    /// Sends the head now, and gives a writer for the body.
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn stream(self) -> Result<ResponseBody<'buf>> {
        let mut exchange = connected(self.shared)?;
        exchange.begin_body(None)?;
        exchange.flush()?;
        Ok(ResponseBody {
            shared: self.shared,
        })
    }

    /// Answers with a whole body and ends the request: the visitor is answered, and the handler goes on.
    ///
    /// The connection is given back first, so that the web server can go on with it. Parameters stay readable; body and
    /// stderr then say `NotConnected`. An error that the handler returns later is only logged.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn order(req: &mut Request, res: Response) -> fcgi::Result {
    ///     res.status(202).finish("thank you")?;
    ///     send_mail(req.query()); // takes its time; nobody waits for it
    ///     Ok(())
    /// }
    /// # fn send_mail(_: &str) {}
    /// ```
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn finish(self, body: impl AsRef<[u8]>) -> Result {
        let (shared, home) = (self.shared, self.home);
        self.send(body)?;
        connected(shared)?.complete()?;
        hand_back(shared, home);
        Ok(())
    }

    fn change(self, change: impl FnOnce(&mut crate::exchange::Exchange<'buf>)) -> Response<'buf> {
        if let Some(exchange) = &mut *self.shared.borrow_mut() {
            change(exchange);
        }
        self
    }
}

/// The body of an answer that is written piece by piece.
///
/// Pieces gather and leave in records; [`flush`](Write::flush) sends what has gathered as one record, now. Whether the
/// visitor sees it now is the web server's choice: mod_fcgid holds up to 64 KiB back, nginx unless `fastcgi_buffering off`.
///
/// # Errors
/// Writing fails when the connection is gone, when the web server takes nothing for `write_timeout`, and beyond a declared
/// Content-Length.
pub struct ResponseBody<'buf> {
    shared: &'buf Shared<'buf>,
}

impl Write for ResponseBody<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        connected(self.shared)?.write_body(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        connected(self.shared)?.flush()
    }
}
