//! Listening sockets at TCP ports. Called by [`Listener`](super::listener::Listener).

use super::listener::BACKLOG;
use super::refusal::reword;
use super::sys;
use socket2::{Domain, SockFilter, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

/// How long a connection that was let in may take to reach the backlog: a handshake on this machine takes microseconds.
const HANDSHAKE: Duration = Duration::from_millis(2);

/// A filter for a socket. It drops a TCP segment that has SYN and not ACK, which is the first one of a connection, and lets all
/// others through. Accepted connections inherit the filter, and have no use for such a segment either.
const NO_SYN: [SockFilter; 5] = {
    use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new((BPF_LD | BPF_B | BPF_ABS) as u16, 0, 0, FLAGS),
        SockFilter::new((BPF_ALU | BPF_AND | BPF_K) as u16, 0, 0, SYN | ACK),
        SockFilter::new((BPF_JMP | BPF_JEQ | BPF_K) as u16, 0, 1, SYN),
        SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, 0),
        SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, u32::MAX),
    ]
};

/// A socket that listens there.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let address = unmapped(address);
    let bound = new_tcp_socket(address).and_then(|socket| {
        socket.bind(&address.into())?;
        // With SO_REUSEADDR two sockets can be bound to one port, and the second is told only here.
        socket.listen(BACKLOG)?;
        Ok(socket)
    });
    let socket = bound.map_err(|error| refused_tcp(address, &error))?;
    speed_up(&socket)?;
    Ok(socket)
}

/// Lets nobody in any more; whoever is in the backlog can still be accepted. To shut the socket would reset the backlog.
pub(super) fn admit_nobody(socket: &Socket, address: SocketAddr) {
    // Some kernels let only root set a filter (EPERM for others on a 6.18 of Firecracker's). Then a least TTL of 255 does it:
    // a segment that opens a connection has 64 as a rule.
    let is_deaf = |_| sys::set_min_ttl(socket.as_fd(), address.is_ipv6(), u8::MAX);
    // Where both are forbidden (seccomp), the few connections that come until `Listener::end` are reset.
    if socket.attach_filter(&NO_SYN).or_else(is_deaf).is_ok() {
        thread::sleep(HANDSHAKE);
    }
}

fn new_tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    // It does not block, for children may share it later.
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    // Without it the connections of the process before keep the port for a minute, and a restart finds it taken.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So `[::]:9000` and `0.0.0.0:9000` can be listened on side by side, and each means what it says.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Sets TCP_NODELAY, which accepted connections inherit. Without it the second small record of a streamed answer waits for the
/// web server's delayed acknowledgement, 40 ms.
pub(super) fn speed_up(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)
}

/// `[::ffff:127.0.0.1]` as `127.0.0.1`: a socket that is restricted to IPv6 cannot be bound to it.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

fn refused_tcp(address: SocketAddr, error: &io::Error) -> io::Error {
    let reason = match error.kind() {
        ErrorKind::AddrInUse => {
            "another process is serving there; stop it, or choose another port".into()
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose one that it has, such as 127.0.0.1".into()
        }
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            "a port below 1024 needs root; choose a higher one".into()
        }
        _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            format!(
                "this machine has no IPv6; choose 127.0.0.1:{}",
                address.port()
            )
        }
        _ => format!("the system refuses it ({error}); choose another address"),
    };
    reword(error, reason)
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::fixtures::{accept_when_there, refusal, tcp, wait_until_refused};
    use super::super::listener::Listener;
    use super::super::socket_file::Permit;
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_tcp_port_is_bound_and_its_connections_do_not_wait() {
        let listener = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *listener.local_addr() else {
            panic!("{listener:?}");
        };
        assert_ne!(address.port(), 0);
        assert!(!listener.is_public());
        assert!(listener.file().is_none());
        let _client = TcpStream::connect(address).unwrap();
        assert!(accept_when_there(&listener).tcp_nodelay().unwrap());
    }

    #[test]
    fn a_port_can_be_bound_again_at_once() {
        let first = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *first.local_addr() else {
            panic!("{first:?}");
        };
        let mut client = TcpStream::connect(address).unwrap();
        // Who closes first keeps the port in TIME_WAIT.
        drop(accept_when_there(&first));
        assert_eq!(io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        drop((first, client));
        wait_until_refused(|| TcpStream::connect(address));
        Listener::bind(&Address::Tcp(address), &Permit::default()).unwrap();
    }

    #[test]
    fn a_port_in_use_and_an_address_elsewhere_are_refused() {
        let taken = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let _taken = Listener::bind(&Address::Tcp(taken), &Permit::default()).unwrap();
        let error = refusal(&Address::Tcp(taken));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .contains("another process is serving there"),
            "{error}"
        );
        let error = refusal(&tcp("192.0.2.1:9000"));
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn an_ipv6_address_means_ipv6_alone() {
        let bound = Listener::bind(&tcp("[::1]:0"), &Permit::default());
        if TcpListener::bind("[::1]:0").is_ok() {
            let listener = bound.unwrap();
            assert!(!listener.is_public());
            // A socket that is bound to one IPv6 address is so restricted anyway; this one would not be.
            let unbound = new_tcp_socket("[::]:0".parse().unwrap()).unwrap();
            assert!(unbound.only_v6().unwrap());
        } else {
            let error = bound.unwrap_err().to_string();
            assert!(error.contains("this machine has no"), "{error}");
        }
        let mapped = Listener::bind(&tcp("[::ffff:127.0.0.1]:0"), &Permit::default()).unwrap();
        assert!(mapped.local_addr().to_string().starts_with("127.0.0.1:"));
    }

    #[test]
    fn a_port_that_is_refused_comes_with_advice() {
        let (low, high) = ("127.0.0.1:80", "[::1]:9000");
        for (address, code, reason) in [
            (
                low,
                libc::EADDRINUSE,
                "another process is serving there; stop",
            ),
            (low, libc::EACCES, "a port below 1024 needs root; choose"),
            (
                high,
                libc::EACCES,
                "the system refuses it (Permission denied",
            ),
            (high, libc::EADDRNOTAVAIL, "no such address; choose"),
            (
                high,
                libc::EAFNOSUPPORT,
                "this machine has no IPv6; choose 127.0.0.1:9000",
            ),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let text = refused_tcp(address.parse().unwrap(), &error).to_string();
            assert!(text.contains(reason), "{text}\nlacks: {reason}");
            assert!(text.contains("; c") || text.contains("; stop"), "{text}");
        }
    }
}
