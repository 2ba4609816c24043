//! What leaves: bytes of the answer, and what comes meanwhile. Called by `exchange` for answers, and by the other parts of the
//! wire for what a web server asks in between.

use super::{End, Wire};
use crate::buffer::WINDOW;
use crate::net::Wait;
use std::io::{self, IoSlice};
use std::time::Duration;

/// How long a call that sends waits. What the peer sends meanwhile is taken in behind it.
const MOMENT: Duration = Duration::from_millis(100);

const SENDS_ITSELF: &str = "BUG: a multiplexed connection sends and waits by itself";

impl<'buf> Wire<'buf> {
    /// Sends all of `slices`. While the peer does not take them, what it sends is taken in: mod_fcgid 2.3.9
    /// writes a whole body before it reads a byte of the answer, and would never read it otherwise.
    pub(crate) fn send(&mut self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.send_many(slices, len)
    }

    /// As `send`, of slices that are so many bytes.
    pub(crate) fn send_many(&mut self, slices: &mut [IoSlice<'_>], len: usize) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(io::Error::new(
                kind,
                "an earlier write of the answer failed",
            ));
        }
        self.try_send(slices, len)
            .inspect_err(|error| self.failed = Some(error.kind()))
    }

    /// As `send`, of what nearly always goes in one piece.
    #[inline(always)]
    pub(crate) fn send_one(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = match (&self.end, self.failed) {
            (End::Records(link), None) => link.transport.send(bytes),
            _ => Ok(0),
        };
        match sent {
            Ok(n) if n == bytes.len() => Ok(()),
            Ok(n) => self.send(&mut [IoSlice::new(&bytes[n..])]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.send(&mut [IoSlice::new(bytes)])
            }
            // The kernel tells an error once: later writes are told by `failed`.
            Err(error) => {
                self.failed = Some(error.kind());
                Err(error)
            }
        }
    }

    /// What is sent next is more than a socket has room for: to try first how much would be a call for nothing.
    pub(crate) fn expect_no_room(&mut self) {
        if !self.waits_in_send {
            self.wait_in_send();
        }
    }

    fn try_send(&mut self, mut slices: &mut [IoSlice<'_>], mut left: usize) -> io::Result<()> {
        if let End::Multiplexed(lane) = &self.end {
            return lane.send(slices);
        }
        IoSlice::advance_slices(&mut slices, 0);
        while left > 0 {
            let sent = match &self.end {
                End::Records(link) => match &*slices {
                    many if self.waits_in_send => link.transport.send_waiting(many),
                    [one] => link.transport.send(one),
                    many => link.transport.send_vectored(many),
                },
                End::Plain(pipes, _) => pipes.write(slices),
                End::Multiplexed(_) => unreachable!("{SENDS_ITSELF}"),
            };
            let sent = match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            left -= sent;
            if left > 0 {
                IoSlice::advance_slices(&mut slices, sent);
                self.find_room(sent > 0)?;
            }
        }
        Ok(())
    }

    /// Once the whole body has come, nothing has to be taken in: then the kernel waits for room, which spares a MiB a third of
    /// its calls.
    fn wait_in_send(&mut self) {
        if let End::Records(link) = &self.end {
            let may_wait = link.sequence.input_ended() && self.limits.write_timeout > MOMENT;
            self.waits_in_send = may_wait && link.transport.limit_sends(MOMENT);
        }
    }

    /// Waits for room, or leaves that to the next call that sends, when not all of an answer has left: `some` of it, or nothing.
    #[inline(never)]
    fn find_room(&mut self, some: bool) -> io::Result<()> {
        let limit = self.limits.write_timeout;
        match (self.waits_in_send, some) {
            (true, true) => return self.wait_for_room(limit),
            (true, false) => return self.wait_for_room(limit - MOMENT),
            _ => {}
        }
        self.wait_in_send();
        match self.waits_in_send || some {
            true => Ok(()),
            false => self.wait_for_room(limit),
        }
    }

    /// Waits for room to send into, and takes in what comes meanwhile.
    fn wait_for_room(&mut self, limit: Duration) -> io::Result<()> {
        loop {
            let wait = Wait {
                readable: self.room() > 0 && !self.input_ended,
                writable: true,
            };
            let came = match &self.end {
                End::Records(link) => link.transport.wait(wait, limit)?,
                End::Plain(pipes, _) => pipes.wait(wait, limit)?,
                End::Multiplexed(_) => unreachable!("{SENDS_ITSELF}"),
            };
            if came == Wait::default() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "the web server took no byte of the answer for {:?}{}",
                        self.limits.write_timeout,
                        if self.room() > 0 {
                            ""
                        } else {
                            ", while it goes on sending a body that is not read"
                        },
                    ),
                ));
            }
            if came.readable {
                self.take_in()?;
            }
            if came.writable {
                return Ok(());
            }
        }
    }

    /// How much may be taken in: what a kept connection carries over to its next request is never more than two windows.
    pub(super) fn room(&self) -> usize {
        let unread = self.window.unread().len() + self.spare.unread().len();
        let free = self.spare.bytes.len() - self.spare.filled;
        free.min((2 * WINDOW).saturating_sub(unread))
    }

    /// Takes what is here into the spare window, without waiting.
    pub(super) fn take_in(&mut self) -> io::Result<()> {
        let end = self.spare.filled + self.room();
        let room = &mut self.spare.bytes[self.spare.filled..end];
        let came = match &self.end {
            End::Records(link) => link.transport.recv(room),
            End::Plain(pipes, _) => pipes.read(room),
            End::Multiplexed(_) => unreachable!("{SENDS_ITSELF}"),
        };
        match came {
            // A half-closed peer still gets its answer.
            Ok(0) => self.input_ended = true,
            Ok(n) => {
                self.spare.filled += n;
                self.large = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
