//! The request's body, as the handler reads it.

use crate::exchange::{Exchange, Shared};
use std::cell::RefMut;
use std::io::{self, BufRead, Read};
use std::ops::Range;

/// The body of a request, or a filter's data: [`Read`] and [`BufRead`], streamed from the worker's buffer.
///
/// Memory does not grow with its length. Only the end of the stream ends it, not CONTENT_LENGTH, which is absent,
/// empty, -1 or wrong on five web servers; a connection that ends before is an error, never a short body.
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
    /// The bytes that `fill_buf` lends, and which of them are content not used yet.
    lent: Option<(&'buf mut [u8], Range<usize>)>,
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
    pub(crate) fn give_back(&mut self) {
        let Some((bytes, _)) = self.lent.take() else {
            return;
        };
        if let Some(exchange) = &mut *self.shared.borrow_mut() {
            exchange.wire.give_back(bytes);
        }
    }

    fn exchange(&mut self) -> io::Result<RefMut<'buf, Exchange<'buf>>> {
        self.give_back();
        connected(self.shared)
    }

    fn fill(&self, exchange: &mut Exchange<'buf>) -> io::Result<usize> {
        match self.is_data {
            false => exchange.wire.fill(),
            true => exchange.wire.fill_data(),
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut exchange = self.exchange()?;
        let n = self.fill(&mut exchange)?.min(into.len());
        into[..n].copy_from_slice(exchange.wire.content(n));
        exchange.wire.take(n);
        self.is_begun |= n > 0;
        Ok(n)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let mut exchange = self.exchange()?;
        let n = self.fill(&mut exchange)?;
        let lent = exchange.wire.lend(n);
        drop(exchange);
        let (bytes, content) = self.lent.insert(lent);
        Ok(&bytes[content.clone()])
    }

    fn consume(&mut self, n: usize) {
        let Some((bytes, content)) = self.lent.take() else {
            return;
        };
        let n = n.min(content.len());
        self.is_begun |= n > 0;
        if let Some(exchange) = &mut *self.shared.borrow_mut() {
            exchange.wire.give_back(bytes);
            exchange.wire.take(n);
        }
    }
}

/// The exchange, if the answer is not finished.
pub(crate) fn connected<'buf>(
    shared: &'buf Shared<'buf>,
) -> io::Result<RefMut<'buf, Exchange<'buf>>> {
    RefMut::filter_map(shared.borrow_mut(), Option::as_mut).map_err(|_| {
        io::Error::new(
            io::ErrorKind::NotConnected,
            "the answer is finished and the connection given back",
        )
    })
}
