//! What becomes of a connection when its request has been answered: it goes on, is closed, or is read from until its peer has
//! closed it. Called by `connection`, and by `exchange` for an answer that is finished early.

use super::{End, Held, Wire};
use crate::buffer::{KEPT, WINDOW, Window};
use crate::link::Link;
use crate::protocol::Event;
use std::ops::Range;
use std::time::Instant;

/// Whether a connection goes on, closes at once, or is read from until its peer has closed it.
enum Fate {
    Keep,
    Close,
    Linger,
}

/// What becomes of the connection after a request.
pub(crate) enum Ending {
    /// It goes on; the unread bytes lie here, in the worker's input.
    Keep([Range<usize>; 2]),
    /// Nothing is left unread: closing loses nothing.
    Close,
    /// Something is or may be unread, and a plain close would lose the answer on three web servers.
    Linger,
}

/// What becomes of a connection that leaves its worker before the handler has returned.
pub(crate) enum Parting {
    /// It goes on, with a copy of what came and was not looked at.
    Keep(Link, Vec<u8>),
    Close,
    Linger(Link),
}

impl<'buf> Wire<'buf> {
    /// Ends the request on its connection. `cut`: the answer is not whole, and the connection cannot go on.
    pub(crate) fn end(&mut self, cut: bool) -> Ending {
        let fate = self.fate(cut);
        self.part(fate)
    }

    /// As `end`, for a connection that goes on without this worker.
    pub(crate) fn end_apart(mut self) -> Parting {
        let fate = self.fate(false);
        let unread = |window: &Window<'_>| {
            let unread = window.bytes.get(window.at..window.filled);
            unread.unwrap_or_default().to_vec()
        };
        let unread = [unread(&self.window), unread(&self.spare)].concat();
        let ending = self.part(fate);
        let link = match self.end {
            End::Records(Held(place)) => place.take().map(|waiting| waiting.link),
            End::Plain(..) | End::Multiplexed(_) => None,
        };
        match (ending, link) {
            (Ending::Keep(_), Some(link)) => Parting::Keep(link, unread),
            (Ending::Linger, Some(link)) => Parting::Linger(link),
            _ => Parting::Close,
        }
    }

    /// What has to become of the connection, by what was asked, went wrong and is unread.
    fn fate(&mut self, cut: bool) -> Fate {
        self.window.skip_ready();
        self.spare.skip_ready();
        let cut = cut || self.failed.is_some();
        let End::Records(link) = &self.end else {
            return self.fate_apart(cut);
        };
        let keep = link.sequence.keep_conn() && !cut && !self.lent && !self.input_ended;
        if keep && self.skim() {
            Fate::Keep
        } else if self.settle() {
            Fate::Close
        } else {
            Fate::Linger
        }
    }

    /// As `fate`, of what is no connection of its own: the pipes of CGI, one of several requests.
    #[cold]
    fn fate_apart(&mut self, cut: bool) -> Fate {
        match &mut self.end {
            End::Multiplexed(lane) => lane.end(cut),
            End::Plain(..) if !cut => self.drain_plain(),
            End::Plain(..) | End::Records(_) => {}
        }
        Fate::Close
    }

    /// Ends the request in what is known of the connection.
    fn part(&mut self, fate: Fate) -> Ending {
        let End::Records(link) = &mut self.end else {
            return Ending::Close;
        };
        let link = &mut **link;
        link.body_pending = !link.sequence.input_ended();
        link.sequence.end_request();
        link.served = link.served.saturating_add(1);
        match fate {
            Fate::Keep => Ending::Keep([self.window.unread(), self.spare.unread()]),
            Fate::Close => Ending::Close,
            Fate::Linger => Ending::Linger,
        }
    }

    /// Reads away what is left of a CGI request's body: mod_cgid (Apache 2.4.71) writes all of it before it reads the
    /// answer, and loses the answer when our end of the socket closes before. As long as a connection lingers, at most.
    fn drain_plain(&mut self) {
        let End::Plain(pipes, left) = &mut self.end else {
            return;
        };
        let here = self.window.unread().len() + self.spare.unread().len();
        let mut left = left.map(|left| left.saturating_sub(here as u64));
        let began = Instant::now();
        while left != Some(0) && !self.input_ended {
            let time = self.limits.linger_timeout.saturating_sub(began.elapsed());
            if !pipes.wait_readable(time).unwrap_or(false) {
                return;
            }
            match pipes.read(self.spare.bytes) {
                Ok(n @ 1..) => left = left.map(|left| left.saturating_sub(n as u64)),
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Passes over what is left of the body and has come already: of a GET nearly always its end. `false` if the connection
    /// cannot go on with what follows.
    fn skim(&mut self) -> bool {
        loop {
            let End::Records(link) = &mut self.end else {
                return false;
            };
            if link.sequence.input_ended() {
                return true;
            }
            let here = &self.window.bytes[..self.window.filled];
            match link.sequence.next(here, &mut self.window.at) {
                Event::Stdin(n) | Event::Data(n) => {
                    link.sequence.take(n);
                    self.window.at += n;
                }
                Event::Abort => return true,
                Event::StdinEnd | Event::DataEnd => {}
                Event::More if self.spare.is_used_up() => return true,
                Event::More => std::mem::swap(&mut self.window, &mut self.spare),
                event => {
                    if self.between(event).is_err() {
                        return false;
                    }
                }
            }
        }
    }

    /// Looks through what has come, without waiting. Whether the body's end is there and nothing behind it.
    fn settle(&mut self) -> bool {
        let End::Records(link) = &mut self.end else {
            return true;
        };
        let mut tried = false;
        while !self.lent {
            let ended = link.sequence.input_ended();
            let event = match ended && self.window.is_used_up() {
                true => Event::More,
                false => link.sequence.next(
                    &self.window.bytes[..self.window.filled],
                    &mut self.window.at,
                ),
            };
            match event {
                Event::Stdin(n) | Event::Data(n) => {
                    link.sequence.take(n);
                    self.window.at += n;
                }
                Event::StdinEnd | Event::DataEnd => {}
                Event::More if !self.spare.is_used_up() => {
                    std::mem::swap(&mut self.window, &mut self.spare);
                }
                Event::More if link.sequence.is_over() => return true,
                // The end of a GET's empty body often comes right behind what was read.
                Event::More if !tried => {
                    tried = true;
                    self.window.at = 0;
                    let room = self.window.bytes.len().min(WINDOW);
                    self.window.filled = link
                        .transport
                        .recv(&mut self.window.bytes[..room])
                        .unwrap_or(0);
                    self.large |= self.window.unread().end > KEPT;
                }
                _ => return false,
            }
        }
        false
    }
}
