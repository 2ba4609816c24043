//! Heap allocations: a request makes none, whatever it asks for.

use crate::alone;
use crate::folder::Folder;
use crate::wire::{closing, read_answer, request};
use fcgi::{Address, Request, Response, Server};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what every thread allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Nor do as many lines of the access log, written or lost.
#[test]
fn a_thousand_requests_allocate_nothing() {
    let _alone = alone();
    if is_among_others("allocations::a_thousand_requests_allocate_nothing") {
        return;
    }
    assert_eq!(allocations(&Folder::new(), Server::new()), 0);
    let folder = Folder::new();
    let log = folder.path("access.log");
    let server = Server::new().access_log(&log);
    assert_eq!(allocations(&folder, server), 0, "with an access log");
    let lines = std::fs::read_to_string(log).unwrap();
    let asked = 2 * (FIRST + COUNTED) * ASKED.len();
    assert_eq!(lines.lines().count(), asked);
    let server = Server::new().access_log("/dev/full");
    assert_eq!(allocations(&Folder::new(), server), 0, "on a full disk");
}

/// Runs this test in a process of its own, unless this is it: the end of another test allocates, and its beginning.
fn is_among_others(test: &str) -> bool {
    const OWN: &str = "FIGURES_OWN_PROCESS";
    if std::env::var_os(OWN).is_some() {
        return false;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(OWN, "1")
        .status();
    assert!(status.unwrap().success(), "it failed in its own process");
    true
}

/// Paths of [`app`], and how long a body they get.
const ASKED: [(&str, usize); 8] = [
    ("/get", 0),
    ("/post", 9),
    ("/stream", 0),
    ("/params", 0),
    ("/headers", 0),
    ("/finish", 0),
    ("/large", 0),
    ("/upload", LARGE.len()),
];
static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

/// How often each is asked before it counts: the first ones make the handler and the table of parked connections.
const FIRST: usize = 50;
const COUNTED: usize = 125;

/// How often 1,000 requests allocate on one connection, and 1,000 on one each.
fn allocations(folder: &Folder, server: Server) -> u64 {
    let socket = folder.path("s");
    let address: Address = format!("unix:{}", socket.display()).parse().unwrap();
    // One worker: on a machine that has other things to do another one may start at any time, and a thread's start
    // allocates.
    let server = server.workers(1).listen(address).responder(app);
    let server = server.start().unwrap();
    let connect = || UnixStream::connect(&socket).unwrap();
    let ask = |stream: &mut UnixStream, request: &[u8]| {
        stream.write_all(request).unwrap();
        assert!(read_answer(stream, &mut [0; 32 << 10]) > 0);
    };

    let requests = ASKED.map(|(path, length)| request(path, &LARGE[..length]));
    let mut kept = connect();
    let on_one = counted(|| requests.iter().for_each(|request| ask(&mut kept, request)));
    println!("figure: {on_one} allocations in 1,000 kept-alive requests");
    drop(kept);

    let requests = requests.map(closing);
    let on_many = counted(|| {
        for request in &requests {
            let mut stream = connect();
            ask(&mut stream, request);
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    });
    println!("figure: {on_many} allocations in 1,000 requests with a connection each");
    server.stop();
    server.join();
    on_one + on_many
}

fn counted(mut round: impl FnMut()) -> u64 {
    (0..FIRST).for_each(|_| round());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..COUNTED).for_each(|_| round());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    let res = res.content_type("text/plain");
    match req.path() {
        "/post" => {
            assert_eq!(read(req)?, (9, 9 * u32::from(b'x')));
            res.send("posted")
        }
        "/upload" => {
            assert_eq!(read(req)?.0, LARGE.len());
            res.send("uploaded")
        }
        "/stream" => {
            let mut body = res.stream()?;
            body.write_all(b"one ")?;
            body.flush()?;
            body.write_all(b"two")?;
            Ok(())
        }
        "/params" => {
            assert_eq!(req.param("SERVER_NAME"), Some("example"));
            assert_eq!(req.param("HTTPS"), None);
            let length: usize = req.params().map(|(_, value)| value.len()).sum();
            assert!(length > 0);
            res.send(req.param("SERVER_NAME").unwrap_or("none"))
        }
        "/headers" => {
            let host = req.header("Host").unwrap_or("none");
            assert_eq!(req.header("X-Twice"), Some("a, b"));
            res.header("X-Host", host).send(req.path())
        }
        "/finish" => res.finish("finished"),
        "/large" => res.send(&LARGE[..]),
        _ => res.send("got"),
    }
}

/// Length and sum of the body.
fn read(req: &mut Request) -> fcgi::Result<(usize, u32)> {
    let (mut length, mut sum) = (0, 0_u32);
    loop {
        let piece = req.body().fill_buf()?;
        if piece.is_empty() {
            return Ok((length, sum));
        }
        sum += piece.iter().map(|&b| u32::from(b)).sum::<u32>();
        let n = piece.len();
        length += n;
        req.body().consume(n);
    }
}
