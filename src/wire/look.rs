//! A look, without waiting, for a request's end before its time: by handlers that ask, and by answers that go on for long.

use super::{End, Wire};
use crate::buffer::Window;
use crate::net::sys::now_ms;
use crate::protocol::Event;
use std::io;

/// How long after a look a write looks again, in ms.
const LOOK_AFTER: u64 = 100;

/// How often in one look the connection is read from.
const LOOKS: usize = 16;

impl<'buf> Wire<'buf> {
    /// Looks for an early end.
    ///
    /// # Errors
    /// `ConnectionAborted` if the request was given up.
    pub(crate) fn look_for_abort(&mut self) -> io::Result<()> {
        self.look();
        self.check_aborted()
    }

    /// Looks if that was long ago: a handler that only writes would not notice that nobody listens.
    ///
    /// # Errors
    /// `ConnectionAborted` if the request was given up.
    pub(crate) fn look_now_and_then(&mut self) -> io::Result<()> {
        let now = now_ms();
        if now.saturating_sub(self.looked) < LOOK_AFTER {
            return Ok(());
        }
        self.looked = now;
        self.look_for_abort()
    }

    /// Looks, without waiting, for what is no body: an end of the request before its time, questions, further requests.
    /// Body that has come meanwhile is kept, its records taken off.
    pub(crate) fn look(&mut self) {
        if self.lent || self.aborted || self.failed.is_some() {
            return;
        }
        match &self.end {
            End::Records(_) => {}
            End::Plain(..) => return,
            End::Multiplexed(lane) => {
                let seen = lane.look();
                return self.note(seen);
            }
        }
        let mut window = std::mem::take(&mut self.window);
        let mut go_on = self.sift(&mut window);
        self.window = window;
        // Content fills the spare window, which ends the loop; and nobody has more than a few windows of records without any
        // under way.
        for _ in 0..LOOKS {
            if !go_on {
                break;
            }
            let mut spare = std::mem::take(&mut self.spare);
            go_on = self.sift(&mut spare);
            self.spare = spare;
            let before = self.spare.filled;
            if self.room() > 0 && !self.input_ended && self.take_in().is_err() {
                self.hung_up = true;
            }
            go_on &= self.spare.filled > before;
        }
        if let End::Records(link) = &self.end {
            self.hung_up |= self.input_ended && link.transport.has_hung_up();
        }
    }

    /// Looks at the records in `window`, and leaves nothing of them but content. `false` if no more may be looked at.
    fn sift(&mut self, window: &mut Window<'buf>) -> bool {
        let mut at = window.at + window.ready;
        let mut kept = at;
        let go_on = loop {
            let End::Records(link) = &mut self.end else {
                break false;
            };
            if at == window.filled {
                break true;
            }
            // A filter's DATA is another stream, and must not be taken for more of the body.
            let in_data = link.sequence.stdin_ended() && !link.sequence.input_ended();
            if in_data {
                break false;
            }
            match link.sequence.next(&window.bytes[..window.filled], &mut at) {
                Event::Stdin(n) => {
                    window.bytes.copy_within(at..at + n, kept);
                    link.sequence.take(n);
                    at += n;
                    kept += n;
                }
                Event::More => break true,
                Event::Next => break false,
                event => {
                    if self.between(event).is_err() {
                        break false;
                    }
                }
            }
        };
        window.bytes.copy_within(at..window.filled, kept);
        window.ready = kept - window.at;
        window.filled = kept + (window.filled - at);
        go_on
    }
}
