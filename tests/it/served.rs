//! A server inside this process, on a socket of its own, and what it says to the log.

use crate::log;
use crate::wire::{Ask, PATIENCE, Reply, Wire};
use ::log::Level;
use fcgi::{Address, Handle, Request, Response, Server};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use std::{env, fs, process};

/// A folder of one test, gone with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "fcgi-it-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder for the test");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that runs until it is dropped; then each of its workers has to end.
pub struct Served {
    handle: Option<Handle>,
    address: Address,
    /// The workers that have called the handler.
    threads: Arc<Mutex<HashSet<ThreadId>>>,
    _folder: Folder,
}

/// Serves `app` by one worker and the defaults.
pub fn serve<F>(app: F) -> Served
where
    F: Fn(&mut Request<'_>, Response<'_>) -> fcgi::Result + Send + Sync + 'static,
{
    serve_as(Server::new().workers(1), app)
}

/// Serves `app` as `server` is set.
pub fn serve_as<F>(server: Server, app: F) -> Served
where
    F: Fn(&mut Request<'_>, Response<'_>) -> fcgi::Result + Send + Sync + 'static,
{
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&threads);
    let server = server.responder(move |req, res| {
        seen.lock().unwrap().insert(thread::current().id());
        match req.path() {
            "/hello" => res.content_type("text/plain").send("hello"),
            _ => app(req, res),
        }
    });
    start(server, threads)
}

/// Starts a server that has its responder.
pub fn start(server: Server, threads: Arc<Mutex<HashSet<ThreadId>>>) -> Served {
    log::collect();
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let handle = server.listen(address.clone()).start().expect("it starts");
    Served {
        handle: Some(handle),
        address,
        threads,
        _folder: folder,
    }
}

impl Served {
    pub fn address(&self) -> &Address {
        &self.address
    }

    #[track_caller]
    pub fn connect(&self) -> Wire {
        Wire::connect(&self.address)
    }

    /// A connection on which this was written.
    #[track_caller]
    pub fn after(&self, bytes: impl AsRef<[u8]>) -> Wire {
        Wire::after(&self.address, bytes)
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Reply {
        self.connect().ask(ask)
    }

    /// Asserts that it goes on: a plain request is answered.
    #[track_caller]
    pub fn assert_serves(&self) {
        assert_eq!(self.ask(&Ask::get("/hello")).page(), (200, "hello"));
    }

    /// Log lines of its workers, as far as they have called the handler; `/hello` counts.
    pub fn lines(&self, least: Level) -> Vec<String> {
        let threads = self.threads.lock().unwrap();
        log::lines()
            .iter()
            .filter(|line| line.level <= least && threads.contains(&line.thread))
            .map(|line| line.text.clone())
            .collect()
    }

    /// The one line of that level and above that has these words; waits for it.
    #[track_caller]
    pub fn line(&self, least: Level, words: &str) -> String {
        let mut found = Vec::new();
        poll(&format!("a log line with {words:?}"), || {
            found = self.lines(least);
            found.retain(|line| line.contains(words));
            !found.is_empty()
        });
        assert_eq!(found.len(), 1, "one line, not {found:?}");
        found.remove(0)
    }

    pub fn stop(&self) {
        self.handle.as_ref().expect("it runs").stop();
    }

    /// Whether all of it has ended within `limit`.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let handle = self.handle.take().expect("it runs");
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            handle.join();
            let _ = done.send(());
        });
        ended.recv_timeout(limit).is_ok()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.handle.is_some() {
            self.stop();
            let ended = self.ends_within(PATIENCE);
            assert!(ended || thread::panicking(), "a worker does not end");
        }
    }
}

/// Looks again and again until it is so.
#[track_caller]
pub fn poll(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
