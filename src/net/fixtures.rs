//! What several tests of `net` need: a folder, sockets in it, and what is refused there.

use super::address::Address;
use super::listener::Listener;
use super::socket_file::Permit;
use socket2::Socket;
use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A folder of its own for one test, gone afterwards.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("fcgi-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn unix(path: impl Into<PathBuf>) -> Address {
    Address::Unix(path.into())
}

pub(super) fn tcp(text: &str) -> Address {
    text.parse().unwrap()
}

pub(super) fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// Binding fails with one sentence about this address.
pub(super) fn refusal(address: &Address) -> io::Error {
    let error = Listener::bind(address, &Permit::default()).unwrap_err();
    let sentence = error.to_string();
    let start = format!("cannot listen on {address}: ");
    assert!(sentence.starts_with(&start), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");
    error
}

/// A test that starts a process at this moment has a copy of every descriptor until the process executes.
pub(super) fn wait_until_refused<T>(connect: impl Fn() -> io::Result<T>) {
    loop {
        match connect() {
            Ok(_) => thread::yield_now(),
            Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        }
    }
}

/// A TCP connect may return a moment before the listener sees the connection.
pub(super) fn accept_when_there(listener: &Listener) -> Socket {
    loop {
        match listener.socket().accept() {
            Ok((socket, _)) => return socket,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}
