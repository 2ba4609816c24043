//! The http server of `--http` and `serve`: an application can be looked at with a browser and no web server at all. Called
//! by `trial` for the program's own handler, and by `serve` for any application that listens somewhere.
//!
//! It plays the web server's part as nginx and lighttpd do: each request becomes a FastCGI request, with the same parameters, on
//! a connection of its own. It is for development: it listens on loopback unless `--allow` names other machines, has a thread for
//! each connection, and has no TLS and no files. It speaks HTTP/1.1 and 1.0 with everything that curl and browsers do: kept and
//! pipelined connections, bodies of a stated length and in chunks, `Expect: 100-continue`, answers that stream while the body is
//! still coming.
//!
//! `request` reads heads, `body` reads the bodies of requests, and `answer` writes answers: all three are pure. `connection`
//! moves the bytes.

mod answer;
mod body;
mod connection;
mod request;
#[cfg(test)]
mod tests;

use self::connection::{Connection, Shared};
use crate::client::Client;
use crate::log_line::{debug, warn};
use crate::net::sys;
use crate::net::{Prefix, Wait};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::connection::Limits;

/// Connections at a time; further ones wait in the kernel's queue.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// Where it listens if nothing else is said, and if that port is free.
const USUAL_PORT: u16 = 8000;

/// A thread's stack: enough for a head of 100 fields and for log lines. Buffers are on the heap.
const STACK: usize = 192 << 10;

/// The time between two tries to accept, when the process is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// The server's name, for the application and for browsers.
const SOFTWARE: &str = concat!("fcgi/", env!("CARGO_PKG_VERSION"));

/// The application that answers the requests. It is called from many threads.
pub(crate) trait Backend: Send + Sync + 'static {
    /// A connection to it, for one request.
    fn connect(&self) -> io::Result<Client>;

    /// Changes the parameters of a request, if this application has to be told something else than others.
    fn adapt(&self, _params: &mut Vec<Param>) {}
}

/// Name and value.
pub(crate) type Param = (String, Vec<u8>);

/// The program's own handler, at the other end of a socket pair.
impl<F> Backend for F
where
    F: Fn() -> io::Result<UnixStream> + Send + Sync + 'static,
{
    fn connect(&self) -> io::Result<Client> {
        self().map(Client::from)
    }
}

/// An http server that listens.
#[derive(Debug)]
pub(crate) struct Front {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    /// Which other machines may connect. This one always may.
    allow: Vec<Prefix>,
}

impl Front {
    /// Listens on `address`; with port 0 the system chooses a free one. Other machines are let in that are in `allow`.
    ///
    /// # Errors
    /// `PermissionDenied` for an address that other machines could reach, if none is allowed; else those of the system.
    pub(crate) fn bind(address: SocketAddr, allow: &[Prefix]) -> io::Result<Front> {
        if !is_of_this_machine(address.ip()) && allow.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "cannot serve http on {address}: other machines could reach it, and this server is for trying things \
                     out; name those that may by --allow 192.168.1.7, or write 127.0.0.1:{port} as the address",
                    port = address.port()
                ),
            ));
        }
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let limits = Limits::default();
            Ok(Front {
                listener,
                address,
                limits,
                allow: allow.to_vec(),
            })
        };
        listen().map_err(|error: io::Error| {
            let message = format!("cannot serve http on {address}: {error}; choose another port");
            io::Error::new(error.kind(), message)
        })
    }

    /// Listens on 127.0.0.1:8000; where that is taken, on a port that the system chooses.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn bind_usual() -> io::Result<Front> {
        let at = |port| Front::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &[]);
        at(USUAL_PORT).or_else(|_| at(0))
    }

    /// How long each step may stand still.
    pub(crate) fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` can be read from or its other end is closed: then idle connections end at once, and it
    /// returns when the running requests are answered, or [`Limits::stop`] is over.
    ///
    /// # Errors
    /// Those of the system before the first connection.
    pub(crate) fn run(self, backend: impl Backend, stop: impl AsFd) -> io::Result<()> {
        let shared = Arc::new(Shared {
            backend: Box::new(backend),
            stop: stop.as_fd().try_clone_to_owned()?,
            limits: self.limits,
        });
        let tokens = Tokens::new(MAX_CONNECTIONS)?;
        // Told once, until a connection is accepted again.
        let mut is_shortage_told = false;
        while let Some(token) = tokens.take(shared.stop.as_fd())? {
            match self.accept(shared.stop.as_fd()) {
                Ok(None) => break,
                Ok(Some((stream, peer))) => {
                    is_shortage_told = false;
                    serve(stream, peer, &shared, token);
                }
                Err(error) => {
                    // To be out of descriptors is a passing state: connections wait in the queue until it is over.
                    if !std::mem::replace(&mut is_shortage_told, true) {
                        warn!("cannot accept http connections at the moment: {error}");
                    }
                    is_readable_within(shared.stop.as_fd(), PAUSE)?;
                }
            }
        }
        drop(self.listener);
        tokens.wait_for_all(self.limits.stop)
    }

    fn admits(&self, peer: IpAddr) -> bool {
        is_of_this_machine(peer) || self.allow.iter().any(|range| range.contains(peer))
    }

    /// The next connection; `None` when it is time to stop.
    fn accept(&self, stop: BorrowedFd<'_>) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            let [stop, came] =
                sys::poll([(stop, READABLE), (self.listener.as_fd(), READABLE)], None)?;
            if stop.readable {
                return Ok(None);
            }
            if came.readable {
                match self.listener.accept() {
                    Ok((_, peer)) if !self.admits(peer.ip()) => {
                        warn!(
                            "refused an http connection from {}: --allow does not name it",
                            peer.ip()
                        );
                    }
                    Ok(accepted) => return Ok(Some(accepted)),
                    // The browser had gone before its turn came.
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// Whether it is a loopback address; one of IPv4 may be written as one of IPv6.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

const READABLE: Wait = Wait {
    readable: true,
    writable: false,
};

/// Serves one connection on a thread of its own.
fn serve(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, token: Token) {
    let shared = Arc::clone(shared);
    let run = move || {
        let _token = token;
        match Connection::new(stream, peer, &shared) {
            Ok(connection) => connection.serve(),
            Err(error) => debug!("an http connection from {peer} was gone at once: {error}"),
        }
    };
    let spawned = thread::Builder::new()
        .name("http".into())
        .stack_size(STACK)
        .spawn(run);
    if let Err(error) = spawned {
        warn!("closed an http connection from {peer}: no thread could be started: {error}");
    }
}

fn is_readable_within(fd: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let [came] = sys::poll([(fd, READABLE)], Some(limit))?;
    Ok(came.readable)
}

/// Whether an error of accepting concerns only one connection, which has gone.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}

/// The limit of how many connections there are: a socket pair that has a byte for each free place, so that one poll waits for a
/// free place and for the stop at once.
struct Tokens {
    taken_from: UnixStream,
    given_to: Arc<UnixStream>,
    count: usize,
}

impl Tokens {
    fn new(count: usize) -> io::Result<Tokens> {
        let (taken_from, given_to) = UnixStream::pair()?;
        (&given_to).write_all(&vec![0; count])?;
        let given_to = Arc::new(given_to);
        Ok(Tokens {
            taken_from,
            given_to,
            count,
        })
    }

    /// Waits for a free place; `None` when it is time to stop.
    fn take(&self, stop: BorrowedFd<'_>) -> io::Result<Option<Token>> {
        let [stop, _] = sys::poll(
            [(stop, READABLE), (self.taken_from.as_fd(), READABLE)],
            None,
        )?;
        if stop.readable {
            return Ok(None);
        }
        (&self.taken_from).read_exact(&mut [0])?;
        Ok(Some(Token(Arc::clone(&self.given_to))))
    }

    /// Waits until every place is free, or `limit` is over.
    fn wait_for_all(self, limit: Option<Duration>) -> io::Result<()> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut running = self.count;
        while running > 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let [came] = sys::poll([(self.taken_from.as_fd(), READABLE)], left)?;
            if !came.readable {
                warn!("cut {running} http connections whose requests still ran");
                return Ok(());
            }
            running -= (&self.taken_from).read(&mut vec![0; running])?;
        }
        Ok(())
    }
}

/// The place of one connection. When it is dropped, also by a panic, the place is free again.
struct Token(Arc<UnixStream>);

impl Drop for Token {
    fn drop(&mut self) {
        // The socket has room for every token. Its other end is closed when the accept loop has ended, and then nobody waits
        // for a place.
        let _ = (&*self.0).write_all(&[0]);
    }
}
