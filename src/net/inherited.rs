//! Listening sockets that whoever started the program left open: fd 0, `fd:N`, systemd's. Called by
//! [`Listener`](super::listener::Listener).

use super::refusal::{invalid, reword};
use super::sys;
use socket2::{Socket, Type};
use std::io;
use std::os::fd::RawFd;

/// The listening socket behind a descriptor. The descriptor itself stays open; unless it is one of the standard three it is
/// closed when another program is executed, lest a program that a handler starts keeps the socket alive.
///
/// # Errors
/// When there is no listening stream socket.
pub(super) fn take_over(fd: RawFd) -> io::Result<Socket> {
    let socket = match sys::duplicate(fd) {
        Ok(socket) => Socket::from(socket),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            return Err(reword(
                &error,
                "it is not open; whoever starts this program has to leave a listening socket there",
            ));
        }
        Err(error) => return Err(error),
    };
    match socket.is_listener() {
        Ok(true) => {}
        Ok(false) => {
            return Err(invalid(
                "it is a socket, but one that does not listen; pass one on which listen was called",
            ));
        }
        Err(_) => return Err(invalid("it is not a socket; pass a listening one")),
    }
    if socket.r#type()? != Type::STREAM {
        return Err(invalid(
            "it is not a stream socket; pass one of type SOCK_STREAM",
        ));
    }
    if fd > 2 {
        sys::close_on_exec(fd)?;
    }
    // mod_fastcgi, lighttpd and supervisor let processes share one socket: where one sibling takes a connection, a blocking
    // accept of the next would hang. O_NONBLOCK belongs to the open file description, so that every sibling gets it. It is
    // never taken back, for a sibling may have come to rely on it.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::fixtures::{Folder, refusal, tcp, unix};
    use super::super::listener::Listener;
    use super::super::socket_file::Permit;
    use super::*;
    use socket2::{Domain, SockAddr, SockRef};
    use std::fs::{self, File};
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_listening_socket_is_taken_over_as_it_is() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let inherited = UnixListener::bind(&path).unwrap();
        let fd = inherited.as_raw_fd();
        assert!(!SockRef::from(&inherited).nonblocking().unwrap());
        let listener = Listener::bind(&Address::Fd(fd), &Permit::default()).unwrap();
        assert_eq!(listener.local_addr(), &unix(&path));
        // The flag is one for both, since the open file description is.
        assert!(SockRef::from(&inherited).nonblocking().unwrap());
        let _client = UnixStream::connect(&path).unwrap();
        listener.socket().accept().unwrap();
        listener.unlink().unwrap();
        assert!(path.exists());
        drop(listener);
        UnixStream::connect(&path).unwrap();

        let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inherited.local_addr().unwrap();
        let listener =
            Listener::bind(&Address::Fd(inherited.as_raw_fd()), &Permit::default()).unwrap();
        assert_eq!(listener.local_addr(), &Address::Tcp(address));
        assert!(listener.socket().tcp_nodelay().unwrap());
    }

    #[test]
    fn a_socket_that_was_taken_over_ends_for_nobody() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let theirs = UnixListener::bind(&path).unwrap();
        let listener =
            Listener::bind(&Address::Fd(theirs.as_raw_fd()), &Permit::default()).unwrap();
        listener.admit_nobody();
        listener.end();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert!(!listener.is_ours() && !listener.has_backlog());
        theirs.accept().unwrap();
    }

    #[test]
    fn no_descriptor_outlives_an_exec() {
        let folder = Folder::new();
        let socket = Socket::new_raw(Domain::UNIX, Type::STREAM, None).unwrap();
        socket
            .bind(&SockAddr::unix(folder.file("app.sock")).unwrap())
            .unwrap();
        socket.listen(1).unwrap();
        assert!(!is_closed_on_exec(socket.as_raw_fd()));
        let listener =
            Listener::bind(&Address::Fd(socket.as_raw_fd()), &Permit::default()).unwrap();
        assert!(is_closed_on_exec(socket.as_raw_fd()));
        assert!(is_closed_on_exec(listener.as_raw_fd()));
        let bound = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        assert!(is_closed_on_exec(bound.as_raw_fd()));
    }

    fn is_closed_on_exec(fd: RawFd) -> bool {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        flags & libc::O_CLOEXEC != 0
    }

    #[test]
    fn what_does_not_listen_is_not_taken_over() {
        let folder = Folder::new();
        let file = File::create(folder.file("file")).unwrap();
        let (connected, _peer) = UnixStream::pair().unwrap();
        let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let packets = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        packets
            .bind(&SockAddr::unix(folder.file("packets")).unwrap())
            .unwrap();
        packets.listen(1).unwrap();
        for (fd, reason) in [
            (1_000_000, "it is not open"),
            (-1, "it is not open"),
            (file.as_raw_fd(), "it is not a socket"),
            (connected.as_raw_fd(), "one that does not listen"),
            (unbound.as_raw_fd(), "one that does not listen"),
            (udp.as_raw_fd(), "one that does not listen"),
            (packets.as_raw_fd(), "it is not a stream socket"),
        ] {
            let error = refusal(&Address::Fd(fd));
            assert!(
                error.to_string().contains(reason),
                "{error}\nlacks: {reason}"
            );
        }
        assert!(!SockRef::from(&connected).nonblocking().unwrap());
    }
}
