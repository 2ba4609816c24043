//! The body of a request, as it is found in the window: content, its records taken off. Called by
//! `body`, through `exchange`.

use super::{End, Wire, body_timed_out};
use crate::buffer::{KEPT, WINDOW};
use crate::error::Error;
use crate::protocol::{Event, RecordType};
use std::io;

/// One of the two streams that a request can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdin,
    Data,
}

impl<'buf> Wire<'buf> {
    /// Waits until there is content of the body in front. Its length; 0 at the body's end.
    #[inline(always)]
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.stdin_here() {
                Some(0) => self.more()?,
                Some(n) if self.may_have(n) => return Ok(n),
                _ => return self.fill_seldom(),
            }
        }
    }

    #[inline(never)]
    fn fill_seldom(&mut self) -> io::Result<usize> {
        let n = self.find(Stream::Stdin)?;
        match self.may_have(n) {
            true => Ok(n),
            false => Err(self.refuse_body()),
        }
    }

    /// Whether so much more of the body is within its limit.
    #[inline(always)]
    fn may_have(&self, n: usize) -> bool {
        self.body_read + n as u64 <= self.limits.max_body
    }

    #[cold]
    fn refuse_body(&mut self) -> io::Error {
        match &mut self.end {
            // The rest may have no end.
            End::Records(link) => link.sequence.close_after(),
            End::Plain(..) => {}
            End::Multiplexed(lane) => lane.drop_rest(),
        }
        let message = format!(
            "the body is longer than max-body, {} bytes",
            self.limits.max_body
        );
        Error::new(413, message).into()
    }

    /// As `fill`, of a filter's second stream. What is left of the body is passed over.
    pub(crate) fn fill_data(&mut self) -> io::Result<usize> {
        while self.request_id().is_some() {
            match self.find(Stream::Stdin)? {
                0 => return self.find(Stream::Data),
                n => self.take(n),
            }
        }
        Ok(0)
    }

    /// What `find` would say, if that takes nothing but a look at the next header.
    #[inline(always)]
    fn stdin_here(&mut self) -> Option<usize> {
        if self.is_given_up() {
            return None;
        }
        let End::Records(link) = &mut self.end else {
            return None;
        };
        if self.window.ready > 0 {
            return Some(self.window.ready);
        }
        let here = &self.window.bytes[..self.window.filled];
        link.sequence.stdin_here(here, &mut self.window.at)
    }

    fn find(&mut self, stream: Stream) -> io::Result<usize> {
        self.check_aborted()?;
        match self.end {
            End::Records(_) => {}
            End::Plain(..) => return self.fill_plain(),
            End::Multiplexed(_) => return self.fill_multiplexed(stream),
        }
        loop {
            let End::Records(link) = &mut self.end else {
                unreachable!("BUG: an end does not change")
            };
            let has_ended = match stream {
                Stream::Stdin => link.sequence.stdin_ended(),
                Stream::Data => link.sequence.input_ended(),
            };
            // What is ready is of the stream that ended last, or goes on.
            if self.window.ready > 0 {
                return Ok(self.window.ready);
            }
            if has_ended && self.spare.ready == 0 {
                return Ok(0);
            }
            if has_ended {
                self.more()?;
                continue;
            }
            match link.sequence.next(
                &self.window.bytes[..self.window.filled],
                &mut self.window.at,
            ) {
                Event::Stdin(n) | Event::Data(n) => return Ok(n),
                Event::StdinEnd | Event::DataEnd => return Ok(0),
                Event::More => self.more()?,
                event => self.between(event)?,
            }
        }
    }

    /// The content that `fill` found.
    pub(crate) fn content(&self, n: usize) -> &[u8] {
        &self.window.bytes[self.window.at..][..n]
    }

    /// `n` bytes of content were used.
    #[inline(always)]
    pub(crate) fn take(&mut self, n: usize) {
        self.window.at += n;
        self.body_read += n as u64;
        // As in `request_id`.
        match &mut self.end {
            End::Records(link) if self.window.ready == 0 => link.sequence.take(n),
            _ => self.take_apart(n),
        }
    }

    #[inline(never)]
    fn take_apart(&mut self, n: usize) {
        match &mut self.end {
            End::Plain(_, left) => *left = left.map(|left| left - n as u64),
            End::Records(_) | End::Multiplexed(_) => self.window.ready -= n,
        }
    }

    /// Lends the bytes that `content` looks at, so that they can be held while the connection is written to; and where in
    /// them content begins.
    #[inline(always)]
    pub(crate) fn lend(&mut self) -> (&'buf mut [u8], usize) {
        self.lent = true;
        (std::mem::take(&mut self.window.bytes), self.window.at)
    }

    #[inline(always)]
    pub(crate) fn give_back(&mut self, bytes: &'buf mut [u8]) {
        self.lent = false;
        self.window.bytes = bytes;
    }

    fn fill_plain(&mut self) -> io::Result<usize> {
        let End::Plain(pipes, left) = &mut self.end else {
            unreachable!("BUG: records are not plain")
        };
        let most = left.unwrap_or(u64::MAX);
        if most == 0 {
            return Ok(0);
        }
        if self.window.is_used_up() && !self.spare.is_used_up() {
            std::mem::swap(&mut self.window, &mut self.spare);
            (self.spare.at, self.spare.filled) = (0, 0);
        }
        if self.window.is_used_up() {
            if !pipes.wait_readable(self.limits.body_timeout)? {
                return Err(body_timed_out(self.limits));
            }
            let room = self.window.bytes.len().min(WINDOW);
            self.window.at = 0;
            self.window.filled = pipes.read(&mut self.window.bytes[..room])?;
            if self.window.filled == 0 {
                self.input_ended = true;
                return match left {
                    None => Ok(0),
                    Some(_) => Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "standard input ended before CONTENT_LENGTH bytes of the request's body",
                    )),
                };
            }
        }
        let here = self.window.filled - self.window.at;
        Ok(here.min(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    fn fill_multiplexed(&mut self, stream: Stream) -> io::Result<usize> {
        let End::Multiplexed(lane) = self.end else {
            unreachable!("BUG: an end does not change")
        };
        let of = match stream {
            Stream::Stdin => RecordType::Stdin,
            Stream::Data => RecordType::Data,
        };
        if self.window.ready > 0 {
            // DATA comes behind the end of STDIN.
            return Ok(if lane.of() == of {
                self.window.ready
            } else {
                0
            });
        }
        let room = self.window.bytes.len().min(WINDOW);
        match lane.read(of, &mut self.window.bytes[..room]) {
            Ok(n) => {
                (self.window.at, self.window.filled, self.window.ready) = (0, n, n);
                self.large |= self.window.unread().end > KEPT;
                Ok(n)
            }
            Err(error) => {
                let seen = lane.seen();
                self.note(seen);
                Err(error)
            }
        }
    }
}
