//! The request's body, as the handler reads it: a face of `wire`. Made by `request`.

use crate::exchange::{Exchange, Shared};
use crate::wire::Wire;
use std::cell::RefMut;
use std::io::{self, BufRead, Read};

/// The body of a request, or a filter's data: [`Read`] and [`BufRead`], streamed from the worker's buffer.
///
/// Memory does not grow with its length. Only the end of the stream ends it, not CONTENT_LENGTH, which is absent,
/// empty, -1 or wrong on five web servers; a connection that ends before is an error, never a short body.
///
/// ```
/// # use fcgi::testing::request;
/// use std::io::BufRead;
///
/// let answer = request("POST", "/").body("a\nb\nc").call(|req, res| {
///     let lines = req.body().lines().map_while(Result::ok).count(); // none is kept
///     res.send(lines.to_string())
/// });
/// assert_eq!(answer.text(), "3");
/// ```
///
/// # Errors
/// Reading fails with `ConnectionAborted` when the web server has gone or given up, with `NotConnected` after
/// [`Response::finish`](crate::Response::finish), and with an error that carries status 408 or 413 when a time limit
/// or `max_body` is over.
pub struct Body<'buf> {
    shared: &'buf Shared<'buf>,
    /// Whether it is a filter's second stream.
    is_data: bool,
    is_begun: bool,
    /// The bytes that `fill_buf` lends, and how many of them are content not used yet.
    lent: Option<(&'buf mut [u8], usize)>,
}

impl<'buf> Body<'buf> {
    pub(crate) fn new(shared: &'buf Shared<'buf>) -> Body<'buf> {
        Body {
            shared,
            is_data: false,
            is_begun: false,
            lent: None,
        }
    }

    pub(crate) fn of_data(shared: &'buf Shared<'buf>) -> Body<'buf> {
        Body {
            is_data: true,
            ..Body::new(shared)
        }
    }

    /// Whether something of it was taken.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Gives back what a `fill_buf` without `consume` still holds.
    #[inline(always)]
    pub(crate) fn give_back(&mut self) {
        if self.lent.is_some() {
            self.consume(0);
        }
    }

    #[inline(always)]
    fn fill(&self, wire: &mut Wire<'buf>) -> io::Result<usize> {
        match self.is_data {
            false => wire.fill(),
            true => wire.fill_data(),
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        self.give_back();
        let wire = &mut connected(self.shared)?.wire;
        let n = self.fill(wire)?.min(into.len());
        into[..n].copy_from_slice(wire.content(n));
        wire.take(n);
        self.is_begun |= n > 0;
        Ok(n)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.give_back();
        let mut shared = self.shared.borrow_mut();
        let wire = &mut shared.as_mut().ok_or_else(finished)?.wire;
        let n = self.fill(wire)?;
        let (bytes, start) = wire.lend();
        let (bytes, _) = self.lent.insert((bytes, n));
        Ok(&bytes[start..start + n])
    }

    fn consume(&mut self, n: usize) {
        let Some((bytes, here)) = self.lent.take() else {
            return;
        };
        let n = n.min(here);
        self.is_begun |= n > 0;
        if let Some(exchange) = &mut *self.shared.borrow_mut() {
            exchange.wire.give_back(bytes);
            exchange.wire.take(n);
        }
    }
}

/// The exchange, if the answer is not finished and the connection given back.
#[inline(always)]
pub(crate) fn connected<'buf>(
    shared: &'buf Shared<'buf>,
) -> io::Result<RefMut<'buf, Exchange<'buf>>> {
    RefMut::filter_map(shared.borrow_mut(), Option::as_mut).map_err(|_| finished())
}

#[cold]
fn finished() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the answer is finished and the connection given back",
    )
}
