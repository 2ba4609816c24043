//! The two applications of the target `connection`: one that the model foretells, and one that does anything. Called by
//! `connection`.

use super::model::{Rules, Seen};
use super::peer::Peer;
use super::place::{Place, limits};
use crate::connection::{Failure, Handle};
use crate::error::Error;
use crate::protocol::Role;
use crate::request::Request;
use crate::response::{Response, ResponseBody};
use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, Read, Write};

/// The most of one body, where there is a limit.
const MAX_BODY: u64 = 1000;

/// What kind of application it is, and what its server is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// It looks for an abort each time before it reads.
    pub(super) looks: bool,
    pub(super) all_roles: bool,
    pub(super) max_body: bool,
    /// How many bytes it reads at a time.
    pub(super) reads: usize,
}

impl Manner {
    /// Reads all there is to read, in every role.
    #[cfg(test)]
    pub(super) const READER: Manner = Manner {
        looks: false,
        all_roles: true,
        max_body: false,
        reads: 5000,
    };
    /// Reads all there is to read, in every role, and looks ahead.
    #[cfg(test)]
    pub(super) const LOOKER: Manner = Manner {
        looks: true,
        ..Manner::READER
    };

    pub(super) fn of(byte: u8) -> Manner {
        let looks = byte & 1 != 0;
        Manner {
            looks,
            all_roles: byte & 2 != 0,
            // Not both: a look sees an abort that comes behind a body which is too long, and is right to.
            max_body: byte & 4 != 0 && !looks,
            reads: [1, 7, 100, 5000][usize::from(byte >> 4 & 3)],
        }
    }

    pub(super) fn rules(self) -> Rules {
        let limits = limits();
        Rules {
            all_roles: self.all_roles,
            max_body: if self.max_body {
                MAX_BODY as usize
            } else {
                usize::MAX
            },
            max_pairs: limits.max_pairs,
            max_pair: limits.max_pair,
            looks: self.looks,
        }
    }

    pub(super) fn place(self) -> Place {
        let mut limits = limits();
        if self.max_body {
            limits.max_body = MAX_BODY;
        }
        Place::new(limits)
    }
}

/// Reads both streams to their ends, and answers with what they brought.
pub(super) struct Faithful<'p, 'd> {
    pub(super) peer: &'p Peer<'d>,
    pub(super) manner: Manner,
    pub(super) seen: &'p RefCell<Vec<Seen>>,
}

impl Handle for Faithful<'_, '_> {
    fn has_role(&self, role: Role) -> bool {
        self.manner.all_roles || role == Role::Responder
    }

    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure> {
        let params = request.params();
        let mut seen = Seen {
            role: request.role().number(),
            params: params.map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
            ..Seen::default()
        };
        let read = self
            .read(request, false, &mut seen.body)
            .and_then(|()| self.read(request, true, &mut seen.data));
        seen.whole = read.is_ok();
        let page = [&seen.body[..], &seen.data].concat();
        self.seen.borrow_mut().push(seen);
        read.map_err(Error::from)
            .and_then(|()| response.send(page))
            .map_err(Failure::Error)
    }

    fn failed(&mut self, _: &Failure) {}
}

impl Faithful<'_, '_> {
    fn read(&self, request: &mut Request<'_>, data: bool, into: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 5000];
        loop {
            if self.manner.looks {
                request.is_aborted();
            }
            let body = match data {
                false => request.body(),
                true => request.data(),
            };
            match body.read(&mut chunk[..self.manner.reads]) {
                Ok(0) => return Ok(()),
                Ok(n) => into.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::TimedOut => feed(self.peer),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Has the next piece come. The time limit for a body is zero, so that the handler waits for it by this.
fn feed(peer: &Peer<'_>) {
    assert!(peer.feed(), "it waits for a web server that has ended");
}

/// Does what an application may do, in the order of a script.
pub(super) struct Wild<'p, 'd> {
    pub(super) peer: &'p Peer<'d>,
    pub(super) manner: Manner,
    pub(super) script: &'d [u8],
}

impl Handle for Wild<'_, '_> {
    fn has_role(&self, role: Role) -> bool {
        self.manner.all_roles || role == Role::Responder
    }

    fn call(&mut self, request: &mut Request<'_>, response: Response<'_>) -> Result<(), Failure> {
        self.run(request, response).map_err(Failure::Error)
    }

    fn failed(&mut self, _: &Failure) {}
}

impl Wild<'_, '_> {
    fn run<'r>(&mut self, request: &mut Request<'_>, response: Response<'r>) -> Result<(), Error> {
        let (mut response, mut out): (_, Option<ResponseBody<'r>>) = (Some(response), None);
        // What is left of the script is for the next request.
        while let Some((&word, rest)) = self.script.split_first() {
            self.script = rest;
            let size = usize::from(word >> 4);
            let result = match word & 15 {
                0 => {
                    self.peer.feed();
                    Ok(())
                }
                1 => request
                    .body()
                    .read(&mut vec![0; 1 + size * size * 20])
                    .map(drop),
                2 => request.body().fill_buf().map(<[u8]>::len).map(|n| {
                    request.body().consume(n.min(size));
                }),
                // What is lent is asked for again before it is given back.
                3 => {
                    let body = request.body();
                    let n = body.fill_buf().map_or(0, <[u8]>::len);
                    body.consume(n.min(size * 10));
                    body.fill_buf().map(drop)
                }
                4 => {
                    request.is_aborted();
                    Ok(())
                }
                5 => request.data().read(&mut vec![0; 1 + size * 10]).map(drop),
                6 => request
                    .stderr()
                    .write(&b"a line for the log"[..=size])
                    .map(drop),
                7 => io::copy(request.body(), &mut io::sink()).map(drop),
                8 => match response.take() {
                    Some(response) => {
                        out = Some(response.header("X-Size", size.to_string()).stream()?);
                        Ok(())
                    }
                    None => Ok(()),
                },
                9 | 10 => match &mut out {
                    Some(out) => out.write_all(&vec![b'w'; size * size * 4]),
                    None => Ok(()),
                },
                11 => match &mut out {
                    Some(out) => out.flush(),
                    None => Ok(()),
                },
                12 => match response.take() {
                    Some(response) => return response.send(vec![b's'; size * 1000]),
                    None => return Ok(()),
                },
                13 => match response.take() {
                    Some(response) => response.finish("done").map_err(io::Error::from),
                    None => Ok(()),
                },
                14 => {
                    response = response.map(|response| match size {
                        0 => response.header("Content-Length", "3"),
                        _ => response.status(200 + 20 * size as u16),
                    });
                    Ok(())
                }
                _ => return Err(Error::new(400 + size as u16, "as the script says")),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::TimedOut && self.peer.feed() => {}
                // An application may give up at an error, or go on as if nothing were.
                Err(error) if size.is_multiple_of(2) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
