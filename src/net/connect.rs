//! Connecting to an address, as a client does.

use super::{Address, Transport};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::time::Duration;

impl Transport {
    /// Connects within `limit`.
    pub(crate) fn connect(address: &Address, limit: Duration) -> io::Result<Transport> {
        let connected = match address {
            Address::Unix(path) => connect_unix(SockAddr::unix(path)?, limit),
            Address::Tcp(address) => connect_tcp(SockAddr::from(*address), limit),
            Address::Fd(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a descriptor; name the socket's path or its address and port",
            )),
        };
        connected.map(Transport::new).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot connect to {address}: {error}"),
            )
        })
    }
}

impl Transport {
    /// Connects without waiting. The connection is there, or (`false`) will be when it can be written to:
    /// [`Transport::connected`] says how that went. `WouldBlock` if a unix socket's queue is full, of whose end nothing
    /// tells but the next try.
    pub(crate) fn begin(address: &Address) -> io::Result<(Transport, bool)> {
        let (domain, address) = match address {
            Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
            Address::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            Address::Fd(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
        if domain != Domain::UNIX {
            socket.set_tcp_nodelay(true)?;
        }
        match socket.connect(&address) {
            Ok(()) => Ok((Transport::new(socket), true)),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                Ok((Transport::new(socket), false))
            }
            Err(error) => Err(error),
        }
    }
}

/// While the listener's queue is full, connecting waits as long as a write may; without O_NONBLOCK, with which it
/// would fail at once.
fn connect_unix(address: SockAddr, limit: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(limit))?;
    match socket.connect(&address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("its queue was full for {limit:?}"),
        )),
        done => done.map(|()| socket),
    }
}

fn connect_tcp(address: SockAddr, limit: Duration) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    socket.connect_timeout(&address, limit)?;
    // Records are written whole: one must not wait for the last one's ACK.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}
