//! A TCP port of one test, for a program that is told where to listen and for what finds nobody there.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
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
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        Port { socket }
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
