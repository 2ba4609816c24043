//! What a body's reader waits for: the next bytes of the connection, as many and as whole as they come. Called by `body`.

use super::{End, Wire, body_timed_out};
use crate::buffer::{KEPT, READ};
use crate::net::Wait;
use crate::protocol::{HEADER_LEN, Run};
use std::io::{self, IoSliceMut};
use std::time::Duration;

impl<'buf> Wire<'buf> {
    /// The window is used up: what came meanwhile is next, or what comes now.
    #[inline(never)]
    pub(super) fn more(&mut self) -> io::Result<()> {
        if !self.spare.is_used_up() {
            std::mem::swap(&mut self.window, &mut self.spare);
            (self.spare.at, self.spare.filled) = (0, 0);
            return Ok(());
        }
        let mut came = self.receive();
        if !matches!(came, Ok(1..)) {
            came = self.receive_late(came);
        }
        came?;
        self.large |= self.window.unread().end > KEPT;
        Ok(())
    }

    /// Takes what has come, in place of all that was there.
    #[inline(always)]
    fn receive(&mut self) -> io::Result<usize> {
        let End::Records(link) = &mut self.end else {
            unreachable!("BUG: plain bytes have no records")
        };
        let most = self.window.bytes.len().min(READ);
        if !self.is_uneven
            && let Some(run) = link.sequence.run(most)
        {
            return self.receive_run(run);
        }
        let room = &mut self.window.bytes[..link.sequence.most_whole(most)];
        let n = link.transport.recv_or_wait(room, self.waits_in_recv)?;
        (self.window.at, self.window.filled) = (0, n);
        Ok(n)
    }

    /// As `receive`, of records whose headers are received apart, so that the contents make one: a handler has 96 KiB in one
    /// piece where nginx has sent three records of 32.
    fn receive_run(&mut self, run: Run) -> io::Result<usize> {
        let End::Records(link) = &mut self.end else {
            unreachable!("BUG: plain bytes have no records")
        };
        let window = &mut self.window;
        let mut headers = [[0; HEADER_LEN]; Run::MOST];
        let (first, others) = window.bytes.split_at_mut(run.first);
        let mut others = others.chunks_exact_mut(run.each);
        let mut next = || others.next().unwrap_or_default();
        let [one, two, three, four] = &mut headers;
        let mut list = [
            IoSliceMut::new(first),
            IoSliceMut::new(one),
            IoSliceMut::new(next()),
            IoSliceMut::new(two),
            IoSliceMut::new(next()),
            IoSliceMut::new(three),
            IoSliceMut::new(next()),
            IoSliceMut::new(four),
        ];
        let list = &mut list[..2 * run.records];
        let n = link.transport.recv_many(list, self.waits_in_recv)?;
        let came = run.came(n, &headers);
        link.sequence.go_on(came.open);
        if came.behind > 0 {
            self.is_uneven = true;
            run.put_back(
                &mut window.bytes[came.content..],
                came.behind,
                &headers[came.headers..],
            );
        }
        (window.at, window.ready) = (0, came.content);
        window.filled = came.content + came.behind;
        Ok(n)
    }

    /// Nothing has come yet, or nothing more will.
    #[inline(never)]
    fn receive_late(&mut self, mut came: io::Result<usize>) -> io::Result<usize> {
        let limit = self.limits.body_timeout;
        loop {
            match came {
                Ok(0) => {
                    self.input_ended = true;
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the web server closed the connection before the end of the request's body",
                    ));
                }
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.waits_in_recv {
                        return Err(body_timed_out(self.limits));
                    }
                    self.wait_in_recv(limit)?;
                }
                Err(error) => {
                    self.failed = Some(error.kind());
                    return Err(error);
                }
            }
            came = self.receive();
        }
    }

    /// From now on the kernel waits for a body that is late, which spares an upload a fifth of its calls. Where it cannot,
    /// it is waited for here.
    fn wait_in_recv(&mut self, limit: Duration) -> io::Result<()> {
        let End::Records(link) = &self.end else {
            unreachable!("BUG: plain bytes have no records")
        };
        self.waits_in_recv = link.transport.limit_recvs(limit);
        let wait = Wait {
            readable: true,
            writable: false,
        };
        if !self.waits_in_recv && !link.transport.wait(wait, limit)?.readable {
            return Err(body_timed_out(self.limits));
        }
        Ok(())
    }
}
