//! Listening sockets, of every kind: socket files (`socket_file`), TCP ports (`tcp`), and what whoever started the program left
//! open (`inherited`). `server` binds them at the start; the accept loop accepts from them, and a `parent` hands them to children.

use super::address::Address;
use super::folder::is_swept;
use super::refusal::reword;
use super::socket_file::{PathIs, Permit, SocketFile};
use super::sys::{self, Wait};
use super::transport::Transport;
use super::{inherited, tcp};
use socket2::Socket;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// More than any kernel gives: Linux cuts it to `net.core.somaxconn`, 4096 since 5.4. The backlog is the queue for
/// busy workers, so there is no reason to want less.
pub(super) const BACKLOG: i32 = i32::MAX;

/// A listening socket. Dropping it closes the socket, but leaves its file: see [`unlink`](Listener::unlink).
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    address: Address,
    /// The socket file that we made, if we bound a path.
    file: Option<Arc<SocketFile>>,
    /// Whether we bound the socket. Else it was inherited.
    is_ours: bool,
}

impl Listener {
    /// Listens at `address`. A socket file is made as `permit` says.
    ///
    /// # Errors
    ///
    /// One sentence that names the address and what to do. Nothing is left behind then.
    pub(crate) fn bind(address: &Address, permit: &Permit) -> io::Result<Listener> {
        match address {
            Address::Unix(path) => Listener::at_path(path, permit),
            Address::Tcp(address) => Listener::at_port(*address),
            Address::Fd(fd) => Listener::on_descriptor(*fd),
        }
        .map_err(|reason| reword(&reason, format!("cannot listen on {address}: {reason}")))
    }

    /// Listens at all of these addresses, or at none.
    pub(crate) fn bind_all(addresses: &[Address], permit: &Permit) -> io::Result<Vec<Listener>> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            match Listener::bind(address, permit) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    // Should removing a file fail as well: what failed first is what the user has to know.
                    listeners.iter().for_each(|made| drop(made.unlink()));
                    return Err(error);
                }
            }
        }
        Ok(listeners)
    }

    /// Where it listens: the port that was taken for port 0, the path as it was bound. An inherited socket that has neither
    /// (a unix socket without a file) goes by its descriptor.
    pub(crate) fn local_addr(&self) -> &Address {
        &self.address
    }

    /// The address for the log, with who may connect there: a web server that may not answers 502, and the cause is hard to
    /// find.
    pub(crate) fn described(&self) -> String {
        let mode = match &self.address {
            Address::Unix(path) => fs::metadata(path).ok().map(|found| found.mode() & 0o777),
            _ => None,
        };
        match mode {
            Some(mode) if mode & 0o002 != 0 => {
                format!(
                    "{} (mode {mode:04o}: for everybody on this machine)",
                    self.address
                )
            }
            Some(mode) if mode & 0o020 == 0 => {
                format!("{} (mode {mode:04o}: for this user alone)", self.address)
            }
            Some(mode) => format!("{} (mode {mode:04o})", self.address),
            None => self.address.to_string(),
        }
    }

    /// Whether we bound the socket, so that it ends with us and what waits in its backlog is ours to answer. An inherited
    /// one (fd 0, `fd:N`, systemd's) is still held by whoever left it there, and siblings may accept from it.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Lets nobody in any more; whoever is in the backlog can still be accepted. An inherited socket stays as it is.
    ///
    /// To unlink the path of a unix socket is not enough: a visitor who has looked the path up before comes in afterwards. So
    /// the socket is shut: that takes the lock which connect(2) takes, and refuses whoever is not in the backlog by then
    /// (Linux, `unix_stream_connect`).
    ///
    /// A TCP socket that is shut would reset its backlog. It gets a filter instead, which drops what opens a connection:
    /// whoever comes now tries again in a second, and finds the next process or nobody. A connection that was let in before
    /// has to come all the way into the backlog: that is at once on this machine, a round trip later from another one.
    pub(crate) fn admit_nobody(&self) {
        match self.address {
            Address::Unix(_) => self.end(),
            _ => self.admit_nobody_by_tcp(),
        }
    }

    /// [`admit_nobody`](Listener::admit_nobody) for a TCP socket; any other stays as it is. A parent calls it, whose children
    /// go on to accept what is in the backlog: a unix socket has lost its path by then, and to shut it would be an error to
    /// them.
    pub(crate) fn admit_nobody_by_tcp(&self) {
        let Address::Tcp(address) = self.address else {
            return;
        };
        if self.is_ours {
            tcp::admit_nobody(&self.socket, address);
        }
    }

    /// Whether somebody waits to be accepted from a socket of ours. Async-signal-safe.
    pub(crate) fn has_backlog(&self) -> bool {
        let looked = sys::poll([(self.as_fd(), Wait::READABLE)], Some(Duration::ZERO));
        // A socket that has ended is readable, too, and has no backlog.
        let listens = || self.socket.is_listener().unwrap_or(false);
        self.is_ours && looked.is_ok_and(|[came]| came.readable) && listens()
    }

    /// Stops listening, for all processes that have the socket: of ours nobody else has one. A TCP socket's backlog is reset.
    pub(crate) fn end(&self) {
        if self.is_ours {
            // It fails only where the socket has ended already.
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }

    /// [`end`](Listener::end) for a child, which inherits all its sockets: for a TCP socket that its parent made, and of which
    /// the parent has said that nobody else accepts from it. Otherwise the kernel would go on completing connections until
    /// the last sibling's last request is answered.
    pub(crate) fn end_by_tcp(&self) {
        if let Address::Tcp(_) = self.address {
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }

    /// Whether other machines can reach the socket.
    pub(crate) fn is_public(&self) -> bool {
        self.address.is_public()
    }

    /// Whether it is a socket file that we made in a folder that is swept now and then.
    pub(crate) fn is_swept(&self) -> bool {
        let folder = self.file().and_then(|file| file.path.parent());
        folder.is_some_and(is_swept)
    }

    /// The socket file that we made, for a signal handler, which has to remove it without this value.
    pub(crate) fn file(&self) -> Option<&Arc<SocketFile>> {
        self.file.as_ref()
    }

    /// What is at the path of our socket file now; `Ours` if we made none.
    pub(crate) fn path_is(&self) -> PathIs {
        self.file().map_or(PathIs::Ours, |file| file.look())
    }

    /// Listens again at a path that has vanished, by a new socket that shares the [`file`](Listener::file) of this one. `None`
    /// if we made no file, or if another starter has locked the folder at present.
    ///
    /// # Errors
    ///
    /// One sentence. Whatever is at the path stays as it is.
    pub(crate) fn again(&self) -> io::Result<Option<Listener>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match file.bind_again() {
            Ok(socket) => Ok(Some(Listener {
                socket,
                address: self.address.clone(),
                file: Some(Arc::clone(file)),
                is_ours: true,
            })),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The socket itself, to accept from.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Accepts whoever has connected, without waiting.
    pub(crate) fn accept(&self) -> io::Result<Transport> {
        sys::accept(self.socket.as_fd()).map(Transport::from)
    }

    /// Removes the socket file, if we made one and the file at its path is still ours.
    ///
    /// It is on purpose that only a listener can be asked to: another starter who probes the path meanwhile is answered by
    /// this socket, and so puts none of its own there between our look at the path and the unlink.
    pub(crate) fn unlink(&self) -> io::Result<()> {
        self.file().map_or(Ok(()), |file| file.unlink())
    }
}

/// One way to listen for each kind of address.
impl Listener {
    fn at_path(path: &Path, permit: &Permit) -> io::Result<Listener> {
        let (socket, file) = SocketFile::bind(path, permit)?;
        Ok(Listener {
            socket,
            address: Address::Unix(file.path.clone()),
            file: Some(Arc::new(file)),
            is_ours: true,
        })
    }

    fn at_port(address: SocketAddr) -> io::Result<Listener> {
        let socket = tcp::bind(address)?;
        Ok(Listener {
            address: local_address(&socket).unwrap_or(Address::Tcp(address)),
            socket,
            file: None,
            is_ours: true,
        })
    }

    fn on_descriptor(fd: RawFd) -> io::Result<Listener> {
        let socket = inherited::take_over(fd)?;
        let address = local_address(&socket).unwrap_or(Address::Fd(fd));
        if let Address::Tcp(_) = address {
            tcp::speed_up(&socket)?;
        }
        Ok(Listener {
            socket,
            address,
            file: None,
            is_ours: false,
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Where the kernel says that a socket listens. `None` for a unix socket without a file.
fn local_address(socket: &Socket) -> Option<Address> {
    let address = socket.local_addr().ok()?;
    match address.as_socket() {
        Some(address) => Some(Address::Tcp(address)),
        None => Some(Address::Unix(address.as_pathname()?.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Folder, tcp, unix};
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    #[test]
    fn one_address_that_fails_leaves_none_bound() {
        let folder = Folder::new();
        let good = unix(folder.file("app.sock"));
        let bad = unix(folder.file("no/app.sock"));
        let error = Listener::bind_all(&[good.clone(), bad], &Permit::default()).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
        assert!(folder.is_empty());
        let other = unix(folder.file("other.sock"));
        assert_eq!(
            Listener::bind_all(&[good, other], &Permit::default())
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn whoever_is_in_the_backlog_can_be_accepted_and_nobody_comes_after_them() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        assert!(listener.is_ours() && !listener.has_backlog());
        let _waiting = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
        assert!(listener.has_backlog());
        listener.admit_nobody();
        let refused = UnixStream::connect(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        for _ in 0..2 {
            listener.socket().accept().unwrap();
        }
        let end = listener.socket().accept().unwrap_err().kind();
        assert!(
            [ErrorKind::InvalidInput, ErrorKind::WouldBlock].contains(&end),
            "{end}"
        );

        let listener = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *listener.local_addr() else {
            panic!("not TCP");
        };
        assert!(listener.is_ours());
        let mut waiting = TcpStream::connect(address).unwrap();
        listener.admit_nobody();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::TimedOut);
        let (mut accepted, _) = listener.socket().accept().unwrap();
        let end = listener.socket().accept().unwrap_err().kind();
        assert_eq!(end, ErrorKind::WouldBlock);
        listener.end();
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // The filter is nothing to a connection that there is.
        waiting.write_all(b"x").unwrap();
        waiting.shutdown(Shutdown::Write).unwrap();
        accepted.set_nonblocking(false).unwrap();
        let mut came = Vec::new();
        accepted.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"x");
    }

    /// What is done where filters are root's alone.
    #[test]
    fn a_listener_that_is_deaf_lets_nobody_in_and_its_connections_can_hear_again() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = Listener::bind(&tcp(local), &Permit::default()) else {
                eprintln!("skipped: there is no {local}");
                continue;
            };
            let Address::Tcp(address) = *listener.local_addr() else {
                panic!("not TCP");
            };
            let mut waiting = TcpStream::connect(address).unwrap();
            let (accepted, _) = listener.socket().accept().unwrap();
            for socket in [listener.as_fd(), accepted.as_fd()] {
                sys::set_min_ttl(socket, address.is_ipv6(), u8::MAX).unwrap();
            }
            let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
            assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
            waiting.write_all(b"x").unwrap();
            let transport = Transport::new(accepted);
            let mut came = [0; 2];
            let nothing = transport.recv(&mut came).unwrap_err().kind();
            assert_eq!(nothing, ErrorKind::WouldBlock);
            transport.hear_everything();
            sys::poll(
                [(transport.as_fd(), Wait::READABLE)],
                Some(Duration::from_secs(20)),
            )
            .unwrap();
            assert_eq!(transport.recv(&mut came).unwrap(), 1);
        }
    }
}
