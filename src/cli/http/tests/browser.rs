//! A front that runs, and a browser's side of its connections, for the tests of the http server.

use crate::cli::http::Front;
use crate::cli::http::connection::Limits;
use crate::client::stub::{Stub, application};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Far above what anything takes that works, and below what anyone waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running front.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) stop: UnixStream,
    pub(super) thread: JoinHandle<io::Result<()>>,
    pub(super) applications: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// A front whose requests `serve` answers, each on a connection of its own.
pub(super) fn front(serve: impl Fn(Stub) + Send + Sync + 'static) -> Served {
    front_with(Limits::default(), serve)
}

pub(super) fn front_with(limits: Limits, serve: impl Fn(Stub) + Send + Sync + 'static) -> Served {
    let applications = Arc::new(Mutex::new(Vec::new()));
    let (started, serve) = (Arc::clone(&applications), Arc::new(serve));
    let connect = move || {
        let serve = Arc::clone(&serve);
        let (stream, thread) = application(move |stub| serve(stub));
        started.lock().unwrap().push(thread);
        Ok(stream)
    };
    let mut front = Front::bind(ANY_PORT, &[]).unwrap();
    front.limits = limits;
    let address = front.local_addr();
    let (stop, stopped) = UnixStream::pair().unwrap();
    Served {
        address,
        stop,
        thread: thread::spawn(move || front.run(connect, stopped)),
        applications,
    }
}

impl Served {
    pub(super) fn browser(&self) -> Browser {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Browser(BufReader::new(stream))
    }

    /// Sends one request on a connection of its own, and gives all that comes.
    pub(super) fn get(&self, request: &str) -> String {
        let mut browser = self.browser();
        browser.send(request);
        let mut all = Vec::new();
        browser.0.read_to_end(&mut all).unwrap();
        String::from_utf8(all).unwrap()
    }

    /// Stops it, and fails if an application did.
    pub(super) fn finish(self) {
        drop(self.stop);
        self.thread.join().unwrap().unwrap();
        for application in self.applications.lock().unwrap().drain(..) {
            application.join().unwrap();
        }
    }
}

/// A browser's connection.
pub(super) struct Browser(pub(super) BufReader<TcpStream>);

/// What a browser makes of an answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Page {
    pub(super) fn has(&self, line: &str) -> bool {
        self.head.lines().any(|candidate| candidate == line)
    }
}

impl Browser {
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// A whole answer; an error if it is cut.
    pub(super) fn page(&mut self) -> io::Result<Page> {
        let head = self.head()?;
        let mut body = Vec::new();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        if let Some(length) = length {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body)?;
        } else if head.contains("\nTransfer-Encoding: chunked\r\n") {
            while let n @ 1.. = self.chunk(&mut body)? {
                assert!(n <= body.len());
            }
        } else if head.contains("\nConnection: close\r\n") {
            self.0.read_to_end(&mut body)?;
        }
        Ok(Page { head, body })
    }

    pub(super) fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// Appends one chunk; its size.
    pub(super) fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<usize> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let Some(size) = line.strip_suffix("\r\n") else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let size = usize::from_str_radix(size, 16).unwrap();
        let start = body.len();
        body.resize(start + size + 2, 0);
        self.0.read_exact(&mut body[start..])?;
        assert!(body.ends_with(b"\r\n"));
        body.truncate(start + size);
        Ok(size)
    }

    pub(super) fn is_closed(&mut self) -> bool {
        match self.0.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            // It is still there, and says nothing.
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    pub(super) fn is_waiting(&mut self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let waiting = matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        waiting
    }
}
