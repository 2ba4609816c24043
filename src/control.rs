//! The line between a parent and its child: a socket on which each byte is a word. The parent's end is held by `parent`, the child's
//! by the accept loop.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// From the child: it accepts connections.
pub(crate) const READY: u8 = b'R';

/// From the child: it has answered as many requests as it should, and serves until its successor does.
pub(crate) const REPLACE_ME: u8 = b'M';

/// From the parent: nobody accepts after this child; what waits in the backlog is to be answered.
pub(crate) const EMPTY: u8 = b'E';

/// One end of the line. When the process at the other end dies, [`hear`](Control::hear) says so.
#[derive(Debug)]
pub(crate) struct Control(UnixStream);

impl Control {
    /// The parent's end and the child's.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(crate) fn pair() -> io::Result<(Control, Control)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok((Control(ours), Control(theirs)))
    }

    /// The end that a parent has passed on.
    ///
    /// # Errors
    /// When it is no socket.
    pub(crate) fn passed_on(line: OwnedFd) -> io::Result<Control> {
        let line = UnixStream::from(line);
        line.local_addr()?;
        Ok(Control(line))
    }

    /// Says a word. That fails only when the other is gone, and then hearing does, too.
    pub(crate) fn say(&self, word: u8) {
        let _ = (&self.0).write(&[word]);
    }

    /// The next word, or `None` while nothing is said.
    ///
    /// # Errors
    /// When the other is gone.
    pub(crate) fn hear(&self) -> io::Result<Option<u8>> {
        let mut word = [0];
        match (&self.0).read(&mut word) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(word[0])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Control {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
