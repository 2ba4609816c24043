//! The two ends of CGI, standard input and standard output, whatever these are. `server` takes them; `wire` reads and writes them as it
//! does a connection.

use super::sys::{self, Wait};
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Where a request comes from, and where its answer goes. mod_cgid makes both one unix socket, other web servers two pipes or files.
///
/// Other processes may share them, so that O_NONBLOCK is left as it is. No write blocks nevertheless: it comes after poll has said
/// that there is room, and is small.
#[derive(Debug)]
pub(crate) struct Pipes {
    input: File,
    output: File,
}

/// How much a pipe takes without blocking once it is writable (POSIX: PIPE_BUF, 4096 on Linux).
const ATOMIC: usize = 4096;

impl Pipes {
    pub(crate) fn new(input: OwnedFd, output: OwnedFd) -> Pipes {
        Pipes {
            input: input.into(),
            output: output.into(),
        }
    }

    /// Takes standard input and standard output away from the application: what it prints would stand in front of the answer's
    /// head, and what it reads would be missing from the body. From now on it prints to standard error, and reads nothing.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(crate) fn standard() -> io::Result<Pipes> {
        let pipes = Pipes::new(sys::duplicate(0)?, sys::duplicate(1)?);
        sys::point(1, io::stderr().as_fd())?;
        // Where there is no /dev/null, standard input stays as it is.
        if let Ok(nothing) = File::open("/dev/null") {
            sys::point(0, nothing.as_fd())?;
        }
        Ok(pipes)
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.input).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Writes some of `slices`; `WouldBlock` if there is no room.
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.wait(Wait::WRITABLE, Duration::ZERO)?.writable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(first) = slices.iter().find(|slice| !slice.is_empty()) else {
            return Ok(0);
        };
        (&self.output).write(&first[..first.len().min(ATOMIC)])
    }

    /// Waits until the input (`readable`) or the output (`writable`) is ready; both `false` when the time is over.
    pub(crate) fn wait(&self, wait: Wait, limit: Duration) -> io::Result<Wait> {
        let input = Wait {
            readable: wait.readable,
            writable: false,
        };
        let output = Wait {
            readable: false,
            writable: wait.writable,
        };
        let [input, output] = sys::poll(
            [(self.input.as_fd(), input), (self.output.as_fd(), output)],
            Some(limit),
        )?;
        Ok(Wait {
            readable: input.readable,
            writable: output.writable,
        })
    }

    pub(crate) fn wait_readable(&self, limit: Duration) -> io::Result<bool> {
        self.wait(Wait::READABLE, limit).map(|came| came.readable)
    }
}
