//! A TCP port of one test, for a program that is told where to listen and for what finds nobody there.

use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Nobody listens on it. It is held as long as this lives: one that is only looked up and let go is soon another test's,
/// whose program then listens or connects there.
pub struct Port {
    /// Bound and never listening: whoever connects is refused, and a listener with SO_REUSEADDR, as all that are tested have
    /// it, may bind beside it.
    socket: Socket,
}

impl Port {
    pub fn new() -> Port {
        Port::of(Ipv4Addr::LOCALHOST.into()).unwrap()
    }

    /// Not every machine has it.
    pub fn ipv6() -> io::Result<Port> {
        Port::of(Ipv6Addr::LOCALHOST.into())
    }

    fn of(ip: IpAddr) -> io::Result<Port> {
        let any = SocketAddr::from((ip, 0));
        let socket = Socket::new(Domain::for_address(any), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&any.into())?;
        Ok(Port { socket })
    }

    pub fn address(&self) -> SocketAddr {
        let address = self.socket.local_addr().unwrap();
        address.as_socket().expect("an address of TCP")
    }

    /// Listening, to be inherited.
    pub fn listening(&self) -> OwnedFd {
        self.socket.listen(128).unwrap();
        self.socket.try_clone().unwrap().into()
    }
}
