//! Heap allocations: a request makes none, whatever it asks for.

use crate::alone;
use crate::folder::Folder;
use crate::wire::{read_answer, request};
use fcgi::{Address, Request, Response, Server};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, Write};
use std::os::unix::net::UnixStream;
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

/// Nor do as many lines of the access log, written or lost. One test, since the end of another would allocate meanwhile.
#[test]
fn a_thousand_kept_alive_requests_allocate_nothing() {
    let _alone = alone();
    assert_eq!(allocations(&Folder::new(), Server::new()), 0);
    let folder = Folder::new();
    let log = folder.path("access.log");
    let server = Server::new().access_log(&log);
    assert_eq!(allocations(&folder, server), 0, "with an access log");
    let lines = std::fs::read_to_string(log).unwrap();
    assert_eq!(lines.lines().count(), 1400);
    let server = Server::new().access_log("/dev/full");
    assert_eq!(allocations(&Folder::new(), server), 0, "on a full disk");
}

/// How often 1,000 requests allocate, on one connection, behind 400 others.
fn allocations(folder: &Folder, server: Server) -> u64 {
    let address: Address = format!("unix:{}", folder.path("s").display())
        .parse()
        .unwrap();
    // One worker: on a machine that has other things to do another one may start at any time, and a thread's start
    // allocates.
    let server = server.workers(1).listen(address).responder(app);
    let server = server.start().unwrap();
    let mut web_server = UnixStream::connect(folder.path("s")).unwrap();
    let requests = ["/get", "/post", "/stream", "/headers"].map(|path| request(path, b"some body"));
    let mut answer = [0; 4096];
    let mut round = || {
        for request in &requests {
            web_server.write_all(request).unwrap();
            read_answer(&mut web_server, &mut answer);
        }
    };
    // The first ones make the handler and the table of parked connections.
    (0..100).for_each(|_| round());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..250).for_each(|_| round());
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!("figure: {allocations} allocations in 1,000 kept-alive requests");
    server.stop();
    drop(web_server);
    server.join();
    allocations
}

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match req.path() {
        "/post" => {
            let mut sum = 0_u32;
            let body = req.body();
            loop {
                let piece = body.fill_buf()?;
                if piece.is_empty() {
                    break;
                }
                sum += piece.iter().map(|&b| u32::from(b)).sum::<u32>();
                let n = piece.len();
                body.consume(n);
            }
            assert_eq!(sum, b"some body".iter().map(|&b| u32::from(b)).sum());
            res.content_type("text/plain").send("posted")
        }
        "/stream" => {
            let mut body = res.content_type("text/plain").stream()?;
            body.write_all(b"one ")?;
            body.flush()?;
            body.write_all(b"two")?;
            Ok(())
        }
        "/headers" => {
            let host = req.header("Host").unwrap_or("none");
            assert_eq!(req.header("X-Twice"), Some("a, b"));
            assert_eq!(req.param("SERVER_NAME"), Some("example"));
            res.header("X-Host", host).send(req.query())
        }
        _ => res.content_type("text/plain").send("got"),
    }
}
