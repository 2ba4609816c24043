//! A connected stream socket, unix or TCP. Everything is tried without waiting; waiting is a step of its own
//! with its own time limit, so that the common path pays nothing for limits.

use super::sys::{self, Wait};
use socket2::Socket;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Transport(Socket);

impl Transport {
    pub(crate) fn new(socket: Socket) -> Transport {
        Transport(socket)
    }

    /// The other end's address, if it came by TCP.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        let peer = self.0.peer_addr().ok()?;
        peer.as_socket().map(|address| address.ip())
    }

    /// Takes in everything. A connection that came while its listener let nobody in by a least TTL has inherited that.
    pub(crate) fn hear_everything(&self) {
        for is_ipv6 in [false, true] {
            // It fails by the other kind of IP, and where this is no TCP at all.
            let _ = sys::set_min_ttl(self.0.as_fd(), is_ipv6, 0);
        }
    }

    /// How connecting went, after [`Transport::begin`] did not wait for it.
    pub(crate) fn connected(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Takes what has arrived; `WouldBlock` if nothing has, 0 when the peer has closed its side.
    pub(crate) fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        sys::recv(self.0.as_fd(), into, false)
    }

    /// As [`Transport::recv`]; or it waits, as long as [`Transport::limit_recvs`] said: then it is `WouldBlock`.
    #[inline(always)]
    pub(crate) fn recv_or_wait(&self, into: &mut [u8], waits: bool) -> io::Result<usize> {
        sys::recv(self.0.as_fd(), into, waits)
    }

    /// As [`Transport::recv_or_wait`], into one slice after the other.
    #[inline(always)]
    pub(crate) fn recv_many(&self, into: &mut [IoSliceMut<'_>], waits: bool) -> io::Result<usize> {
        sys::recv_many(self.0.as_fd(), into, waits)
    }

    /// Whether it is set how long [`Transport::recv_or_wait`] waits.
    pub(crate) fn limit_recvs(&self, limit: Duration) -> bool {
        // 0 would be for ever.
        limit >= Duration::from_millis(1) && self.0.set_read_timeout(Some(limit)).is_ok()
    }

    /// Sends as much as the socket takes; `WouldBlock` if that is nothing.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| self.0.send_with_flags(bytes, FLAGS))
    }

    /// As [`Transport::send`], from many slices at once.
    pub(crate) fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| self.0.send_vectored_with_flags(slices, FLAGS))
    }

    /// As [`Transport::send_vectored`], and waits meanwhile, each time for room as long as [`Transport::limit_sends`] said:
    /// then it is less than all, or `WouldBlock`.
    pub(crate) fn send_waiting(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| self.0.send_vectored_with_flags(slices, libc::MSG_NOSIGNAL))
    }

    /// Whether it is set how long [`Transport::send_waiting`] waits.
    pub(crate) fn limit_sends(&self, limit: Duration) -> bool {
        self.0.set_write_timeout(Some(limit)).is_ok()
    }

    /// Waits for what `wait` asks; both `false` when the time is over.
    pub(crate) fn wait(&self, wait: Wait, limit: Duration) -> io::Result<Wait> {
        sys::poll([(self.0.as_fd(), wait)], Some(limit)).map(|[came]| came)
    }

    /// Whether something to read, an end or an error is there. Async-signal-safe.
    pub(crate) fn is_readable(&self) -> bool {
        self.wait(Wait::READABLE, Duration::ZERO)
            .is_ok_and(|came| came.readable)
    }

    /// Whether the peer has closed both directions, or is gone. By TCP that shows only once we have written.
    pub(crate) fn has_hung_up(&self) -> bool {
        sys::has_hung_up(self.0.as_fd())
    }

    /// Says that we send nothing more; the peer's last bytes can still be read.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    /// Closes so that the peer sees a reset: all it has read is not all there was.
    pub(crate) fn reset(self) {
        // Where it fails the peer sees an end that it may take for the whole; there is nothing else to try.
        let _ = self.0.set_linger(Some(Duration::ZERO));
    }

    /// Ends both directions; what waits for the connection sees it.
    pub(crate) fn shutdown(&self) {
        // It fails only when the peer has ended the connection already, which is seen too.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<std::os::unix::net::UnixStream> for Transport {
    fn from(stream: std::os::unix::net::UnixStream) -> Transport {
        Transport(stream.into())
    }
}

/// A connected stream socket that someone else has made.
impl From<OwnedFd> for Transport {
    fn from(socket: OwnedFd) -> Transport {
        Transport(socket.into())
    }
}

const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

fn retry(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
