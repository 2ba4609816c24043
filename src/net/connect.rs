//! Connecting to an address, as a web server does. Called by `client`, and by what the command line asks of a running program.

use super::refusal::{invalid, reword};
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
            Address::Fd(_) => Err(invalid(
                "it is a descriptor; name the socket's path or its address and port",
            )),
        };
        connected
            .map(Transport::new)
            .map_err(|reason| reword(&reason, format!("cannot connect to {address}: {reason}")))
    }

    /// Begins to connect, without waiting. With `true` the connection is made; with `false` it is on its way, until it can be
    /// written to, and then [`Transport::connected`] says how it went. `WouldBlock` if the listener's queue is full, by a unix
    /// socket: nothing tells of the end of that but another try.
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

/// While the listener's queue is full, connect(2) waits for as long as a write may; with O_NONBLOCK it would fail at once.
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
    // Records are written whole: none may wait for the acknowledgement of the one before.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}
