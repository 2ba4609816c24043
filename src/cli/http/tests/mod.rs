//! The http server over real sockets, in front of an application of raw records.

mod browser;

use super::connection::Limits;
use super::{Front, MAX_CONNECTIONS};
use crate::client::stub::Stub;
use crate::protocol::{EndRequest, ProtocolStatus, RecordHeader, RecordType};
use browser::{ANY_PORT, Browser, PATIENCE, front, front_with};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const LARGE: usize = 10 << 20;

/// Answers with the path and the body.
fn echo(mut stub: Stub) {
    let head = stub.head();
    let get = |name: &str| {
        let found = head
            .iter()
            .find(|(candidate, _)| candidate == name.as_bytes());
        found.map(|(_, value)| value.clone())
    };
    stub.stdout(b"Content-Type: text/plain\n\n");
    stub.stdout(&get("PATH_INFO").unwrap());
    stub.stdout(b" ");
    while let Some(piece) = stub.body() {
        stub.stdout(&piece);
    }
    stub.end();
}

fn large() -> Vec<u8> {
    (0..LARGE as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn the_application_gets_the_params_over_the_wire() {
    let served = front(|mut stub| {
        let head = stub.head();
        assert_eq!(stub.body(), None);
        stub.stdout(b"Content-Type: text/plain\n\n");
        for (name, value) in head {
            stub.stdout(&[&name[..], b"=", &value, b"\n"].concat());
        }
        stub.end();
    });
    let mut browser = served.browser();
    let port = browser.0.get_ref().local_addr().unwrap().port();
    browser.send("GET /a%20b?c HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n\r\n");
    let expected = format!(
        "GATEWAY_INTERFACE=CGI/1.1\nSERVER_SOFTWARE=fcgi/{}\nSERVER_PROTOCOL=HTTP/1.1\nSERVER_NAME=localhost\n\
         SERVER_ADDR=127.0.0.1\nSERVER_PORT={}\nREMOTE_ADDR=127.0.0.1\nREMOTE_PORT={port}\nREQUEST_METHOD=GET\n\
         REQUEST_SCHEME=http\nREQUEST_URI=/a%20b?c\nDOCUMENT_URI=/a b\nSCRIPT_NAME=\nPATH_INFO=/a b\n\
         QUERY_STRING=c\nHTTP_HOST=localhost\nHTTP_X_A=b\n",
        env!("CARGO_PKG_VERSION"),
        served.address.port(),
    );
    let page = browser.page().unwrap();
    assert!(page.has("Content-Type: text/plain"));
    assert_eq!(String::from_utf8(page.body).unwrap(), expected);
    served.finish();
}

#[test]
fn ten_mib_go_both_ways_at_once() {
    for framing in [
        "Content-Length: 10485760\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let served = front(echo);
        let mut browser = served.browser();
        let mut upload = browser.0.get_ref().try_clone().unwrap();
        let sending = thread::spawn(move || {
            upload
                .write_all(format!("POST /x HTTP/1.1\r\nHost: a\r\n{framing}\r\n").as_bytes())
                .unwrap();
            let body = large();
            if framing.starts_with("Content") {
                return upload.write_all(&body).unwrap();
            }
            for piece in body.chunks(70_001) {
                upload
                    .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
                    .unwrap();
                upload.write_all(piece).unwrap();
                upload.write_all(b"\r\n").unwrap();
            }
            upload.write_all(b"0\r\n\r\n").unwrap();
        });
        let page = browser.page().unwrap();
        assert!(
            page.body.strip_prefix(b"/x ").unwrap() == large(),
            "the body came back changed"
        );
        sending.join().unwrap();
        browser.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(browser.page().unwrap().body, b"/next ");
        served.finish();
    }
}

#[test]
fn an_answer_may_come_while_the_body_is_sent() {
    let served = front(|mut stub| {
        stub.head();
        stub.stdout(b"Content-Length: 5\n\nearly");
        stub.end();
        stub.wait_for_close();
    });
    let mut browser = served.browser();
    browser.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
    ));
    let mut upload = browser.0.get_ref().try_clone().unwrap();
    // The front stops reading at some time; how far this comes is not for the browser to choose.
    let sending = thread::spawn(move || upload.write_all(&large()));
    let page = browser.page().unwrap();
    assert_eq!((page.body, browser.is_closed()), (b"early".to_vec(), true));
    drop(browser);
    let _ = sending.join().unwrap();
    served.finish();
}

#[test]
fn an_unread_body_is_held_back_and_the_answer_is_not() {
    let (go, wait_for_go) = channel();
    let wait_for_go = Mutex::new(wait_for_go);
    let served = front(move |mut stub| {
        stub.head();
        wait_for_go.lock().unwrap().recv().unwrap();
        // All ways to here are full. This one has to be taken, or nothing will ever move again.
        stub.stdout(b"A: b\n\n");
        stub.stdout(&large());
        let mut length = 0;
        while let Some(piece) = stub.body() {
            length += piece.len();
        }
        stub.stdout(length.to_string().as_bytes());
        stub.end();
    });
    let mut browser = served.browser();
    browser.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
    ));
    let mut upload = browser.0.get_ref().try_clone().unwrap();
    upload
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let (body, mut sent) = (large(), 0);
    // Until nothing moved for 100 ms: the kernel's buffers and ours are full.
    while let Ok(n) = upload.write(&body[sent..]) {
        sent += n;
        assert!(sent < LARGE, "all of a body that nobody reads was taken");
    }
    upload.set_write_timeout(Some(PATIENCE)).unwrap();
    let sending = thread::spawn(move || upload.write_all(&body[sent..]).unwrap());
    go.send(()).unwrap();
    let page = browser.page().unwrap();
    assert_eq!(&page.body[LARGE..], LARGE.to_string().as_bytes());
    sending.join().unwrap();
    served.finish();
}

#[test]
fn the_end_is_seen_that_came_together_with_more_answer_than_there_is_room_for() {
    // With the head, that is more than the 64 KiB of `OUTPUT`; without it, all comes in one read of the client's.
    let body = vec![b'x'; 65_481];
    let content = [b"Content-Length: 65481\n\n", &body[..]].concat();
    let served = front(move |mut stub| {
        stub.head();
        let header = RecordHeader::new(RecordType::Stdout, 1, content.len() as u16);
        assert_eq!(header.padding, 0);
        let end = EndRequest::record(1, ProtocolStatus::RequestComplete);
        stub.raw(&[&header.encode(), &content[..], &end].concat());
        stub.wait_for_close();
    });
    for _ in 0..3 {
        let mut browser = served.browser();
        browser.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(browser.page().unwrap().body == body);
        assert!(browser.is_closed(), "the end was not seen");
    }
    served.finish();
}

#[test]
fn an_answer_that_nobody_takes_is_held_back() {
    const PIECES: usize = 768; // 48 MiB, far above what the kernel's buffers take
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let served = front(move |mut stub| {
        stub.head();
        stub.stdout(b"A: b\n\n");
        for _ in 0..PIECES {
            stub.stdout(&[b'x'; 64 << 10]);
            count.fetch_add(1, Ordering::Relaxed);
        }
        stub.end();
    });
    let mut browser = served.browser();
    browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    browser.head().unwrap();
    let (mut seen, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(200) {
        let now = given.load(Ordering::Relaxed);
        assert!(now < PIECES, "all of an answer that nobody reads was taken");
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        thread::yield_now();
    }
    let mut body = Vec::new();
    while browser.chunk(&mut body).unwrap() > 0 {}
    assert_eq!(body.len(), PIECES * (64 << 10));
    served.finish();
}

#[test]
fn what_the_application_flushes_is_seen_at_once() {
    let (seen, wait_until_seen) = channel();
    let wait_until_seen: Mutex<Receiver<()>> = Mutex::new(wait_until_seen);
    let served = front(move |mut stub| {
        stub.head();
        stub.stdout(b"A: b\n\n");
        for piece in ["one", "two", "three"] {
            stub.stdout(piece.as_bytes());
            wait_until_seen.lock().unwrap().recv().unwrap();
        }
        stub.end();
    });
    let mut browser = served.browser();
    browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    browser.head().unwrap();
    let mut body = Vec::new();
    for expected in ["one", "onetwo", "onetwothree"] {
        browser.chunk(&mut body).unwrap();
        assert_eq!(body, expected.as_bytes());
        seen.send(()).unwrap();
    }
    assert_eq!(browser.chunk(&mut body).unwrap(), 0);
    served.finish();
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let served = front(|mut stub| {
        let head = stub.head();
        let path = head.iter().find(|(name, _)| name == b"PATH_INFO").unwrap();
        let answer: &[u8] = match &path.1[..] {
            b"/204" => b"Status: 204\n\n",
            b"/304" => b"Status: 304\nContent-Length: 9\n\nsome body",
            b"/length" => b"Content-Length: 4\n\nbody",
            _ => b"A: b\n\nbody",
        };
        stub.stdout(answer);
        stub.end();
    });
    let mut browser = served.browser();
    for (request, status, length) in [
        ("HEAD /", 200, None),
        ("HEAD /length", 200, Some("4")),
        ("GET /204", 204, None),
        ("GET /304", 304, None),
        ("HEAD /204", 204, None),
    ] {
        browser.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = browser.head().unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let told = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(told, length, "{request}: {head}");
        assert!(!head.contains("Transfer-Encoding"), "{head}");
    }
    browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(browser.page().unwrap().body, b"body");
    served.finish();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = front(echo);
    let requests = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none\
                    POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n\
                    GET /3 HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let expected: [&[u8]; 4] = [b"/1 one", b"/2 two", b"/3 ", b"/4 "];
    // However they arrive: at once, in pieces, byte by byte.
    for size in [requests.len(), 50, 7, 1] {
        let mut browser = served.browser();
        let mut upload = browser.0.get_ref().try_clone().unwrap();
        let sending = thread::spawn(move || {
            for piece in requests.as_bytes().chunks(size) {
                upload.write_all(piece).unwrap();
            }
        });
        for expected in expected {
            assert_eq!(browser.page().unwrap().body, expected, "pieces of {size}");
        }
        assert!(
            browser.is_closed(),
            "an answer without a length ends an old connection"
        );
        sending.join().unwrap();
    }
    served.finish();
}

#[test]
fn a_browser_that_asks_first_is_told_to_go_on() {
    let served = front(echo);
    let mut browser = served.browser();
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    browser.send(head);
    assert_eq!(browser.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    browser.send("body");
    assert_eq!(browser.page().unwrap().body, b"/x body");
    // One that has not waited needs no word.
    browser.send(head.to_owned() + "body");
    assert_eq!(browser.page().unwrap().body, b"/x body");
    served.finish();
}

/// The records of a whole answer, in one.
fn records(stdout: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 6, 0, 1, 0, stdout.len() as u8, 0, 0];
    bytes.extend_from_slice(stdout);
    bytes.extend_from_slice(&[1, 6, 0, 1, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

#[test]
fn a_cut_answer_never_looks_whole() {
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ];
    for stdout in ["A: b\n\nbody", "Content-Length: 4\n\nbody"] {
        let answer = records(stdout.as_bytes());
        for request in requests {
            for length in [
                0,
                5,
                8,
                8 + 5,
                8 + stdout.len() - 2,
                8 + stdout.len(),
                answer.len() - 1,
                answer.len(),
            ] {
                let part = answer[..length].to_vec();
                let served = front(move |mut stub| {
                    stub.head();
                    stub.body();
                    stub.raw(&part);
                });
                let mut browser = served.browser();
                browser.send(request);
                let page = browser.page();
                let case = format!("{length} bytes of {stdout:?} to {request:?}: {page:?}");
                let is_head_whole = length >= 8 + stdout.len() - 4;
                let has_length = stdout.starts_with("Content-Length") && length >= 8 + stdout.len();
                match page {
                    Ok(page) if length == answer.len() => assert_eq!(page.body, b"body", "{case}"),
                    Ok(page) if !is_head_whole => {
                        assert!(page.has("HTTP/1.1 502 Bad Gateway"), "{case}");
                        let words = String::from_utf8(page.body).unwrap();
                        assert!(words.contains("before END_REQUEST"), "{case}");
                    }
                    // All that was promised is there: nobody can see that the end is missing.
                    Ok(page) => assert!(has_length && page.body == b"body", "{case}"),
                    Err(_) => assert!(is_head_whole && !has_length, "{case}"),
                }
                served.finish();
            }
        }
    }
}

#[test]
fn what_is_no_answer_becomes_a_page_that_says_why() {
    let overloaded = [1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0].to_vec();
    let rows = [
        (overloaded, "it is overloaded"),
        (records(b"no head"), "without a whole head"),
        (records(b"no head\n\n"), "a line without a colon"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "not FastCGI"),
    ];
    for (answer, words) in rows {
        let served = front(move |mut stub| {
            stub.head();
            stub.body();
            stub.raw(&answer);
        });
        let page = served.get("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{page}");
        assert!(page.contains(words), "{page}");
        served.finish();
    }
}

#[test]
fn an_application_that_cannot_be_reached_is_a_page_too() {
    for (kind, status) in [
        (io::ErrorKind::Other, "502 Bad Gateway"),
        // Its queue was full for too long.
        (io::ErrorKind::TimedOut, "504 Gateway Timeout"),
    ] {
        let front = Front::bind(ANY_PORT, &[]).unwrap();
        let address = front.local_addr();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let connect =
            move || -> io::Result<UnixStream> { Err(io::Error::new(kind, "it is not there")) };
        let thread = thread::spawn(move || front.run(connect, stopped));
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        assert!(
            page.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{page}"
        );
        assert!(page.ends_with("\r\n\r\n"), "a HEAD has no body: {page}");
        drop(stop);
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn what_is_no_request_is_answered_and_closed() {
    let served = front(echo);
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "A: b\r\n".repeat(101)
    );
    let rows = [
        ("nonsense\r\n\r\n", "400 Bad Request"),
        ("\x16\x03\x01\x02\0\x01", "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "400 Bad Request",
        ),
        (&huge, "431 Request Header Fields Too Large"),
        (&many, "431 Request Header Fields Too Large"),
    ];
    for (request, status) in rows {
        let page = served.get(request);
        assert!(
            page.starts_with(&format!("HTTP/1.1 {status}")),
            "{request:.60}: {page}"
        );
        assert!(page.contains("\r\nConnection: close\r\n"), "{page}");
    }
    // The front goes on. (The application of the broken body saw its connection close, which `echo` does not expect.)
    let mut browser = served.browser();
    browser.send("GET /fine HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(browser.page().unwrap().body, b"/fine ");
    drop(served.stop);
    served.thread.join().unwrap().unwrap();
}

#[test]
fn whoever_stands_still_is_given_up() {
    let limit = Duration::from_millis(50);
    let rows: [(&str, &str, Limits); 5] = [
        (
            "",
            "",
            Limits {
                idle: limit,
                ..Limits::default()
            },
        ),
        (
            "GET / HT",
            "HTTP/1.1 408 ",
            Limits {
                head: limit,
                ..Limits::default()
            },
        ),
        (
            "GET / HTTP/1.1\r\n",
            "HTTP/1.1 408 ",
            Limits {
                head: limit,
                ..Limits::default()
            },
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
            "HTTP/1.1 408 ",
            Limits {
                browser: limit,
                ..Limits::default()
            },
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "HTTP/1.1 504 Gateway Timeout\r\n",
            Limits {
                application: limit,
                ..Limits::default()
            },
        ),
    ];
    for (request, answer, limits) in rows {
        let served = front_with(limits, |mut stub| {
            stub.wait_for_close();
        });
        let page = served.get(request);
        assert!(
            page.starts_with(answer) && page.is_empty() == answer.is_empty(),
            "{request:?}: {page:?}"
        );
        served.finish();
    }
}

#[test]
fn a_head_in_time_is_not_a_matter_of_single_bytes() {
    let limits = Limits {
        head: Duration::from_millis(200),
        ..Limits::default()
    };
    let served = front_with(limits, echo);
    let mut browser = served.browser();
    let since = Instant::now();
    let mut upload = browser.0.get_ref().try_clone().unwrap();
    let sending = thread::spawn(move || {
        // A byte at a time, for ever: each comes in time, the head does not.
        while upload.write_all(b"x").is_ok() && since.elapsed() < PATIENCE {
            thread::yield_now();
        }
    });
    let status = browser.head().unwrap();
    // 431 if 64 KiB were faster.
    assert!(status.starts_with("HTTP/1.1 4"), "{status}");
    drop(browser);
    sending.join().unwrap();
    assert!(since.elapsed() < PATIENCE);
    served.finish();
}

#[test]
fn a_browser_that_goes_takes_the_application_s_connection_with_it() {
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome",
    ];
    for request in requests {
        let (closed, wait_until_closed) = channel();
        let (begun, wait_until_begun) = channel();
        let served = front(move |mut stub| {
            stub.head();
            begun.send(()).unwrap();
            let rest = stub.wait_for_close();
            closed.send(rest).unwrap();
        });
        let mut browser = served.browser();
        browser.send(request);
        wait_until_begun.recv_timeout(PATIENCE).unwrap();
        drop(browser);
        let rest = wait_until_closed.recv_timeout(PATIENCE).unwrap();
        let end_of_body = [1, 5, 0, 1, 0, 0, 0, 0];
        assert_eq!(
            rest.ends_with(&end_of_body),
            request.starts_with("GET"),
            "{rest:?}"
        );
        served.finish();
    }
}

#[test]
fn stopping_ends_idle_connections_at_once_and_running_requests_after_their_answer() {
    let (stopped, wait_until_stopped) = channel();
    let (begun, wait_until_begun) = channel();
    let wait_until_stopped = Mutex::new(wait_until_stopped);
    let served = front(move |mut stub| {
        stub.head();
        begun.send(()).unwrap();
        wait_until_stopped.lock().unwrap().recv().unwrap();
        stub.stdout(b"A: b\n\nbody");
        stub.end();
    });
    let (mut idle, mut half, mut busy) = (served.browser(), served.browser(), served.browser());
    half.send("GET / HT");
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
    wait_until_begun.recv_timeout(PATIENCE).unwrap();
    let since = Instant::now();
    (&served.stop).write_all(b"!").unwrap();
    assert!(idle.is_closed() && half.is_closed());
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "idle ones were waited for"
    );
    assert!(!served.thread.is_finished(), "a request runs");
    for _ in 0..2 {
        stopped.send(()).unwrap();
    }
    assert_eq!(busy.page().unwrap().body, b"body");
    // What had come with it is answered too, and told to be the last.
    assert!(busy.page().unwrap().has("Connection: close"));
    assert!(busy.is_closed());
    served.finish();
}

#[test]
fn a_front_without_connections_stops_at_once() {
    let served = front(echo);
    let (address, since) = (served.address, Instant::now());
    served.finish();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn connections_above_the_limit_wait_for_their_turn() {
    // A busy machine may take long for them.
    let limits = Limits {
        idle: PATIENCE,
        head: PATIENCE,
        ..Limits::default()
    };
    let served = front_with(limits, echo);
    let mut others: Vec<Browser> = (0..MAX_CONNECTIONS).map(|_| served.browser()).collect();
    for browser in &mut others {
        browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        browser.page().unwrap();
    }
    let mut late = served.browser();
    late.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    // The others are served meanwhile, so there was time for the late one as well.
    for browser in &mut others {
        browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        browser.page().unwrap();
    }
    assert!(late.is_waiting());
    others.pop();
    assert_eq!(late.page().unwrap().body, b"/late ");
    drop(others);
    served.finish();
}

#[test]
fn only_loopback_addresses_are_served() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let error = Front::bind(address.parse().unwrap(), &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("other machines"), "{error}");
    }
    let first = Front::bind(ANY_PORT, &[]).unwrap();
    let error = Front::bind(first.local_addr(), &[]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[test]
fn other_machines_are_let_in_as_far_as_they_are_named() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let front = Front::bind(everywhere, &["10.0.0.0/8".parse().unwrap()]).unwrap();
    for (peer, is_admitted) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("11.0.0.1", false),
        ("fd00::1", false),
        ("127.0.0.2", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
    ] {
        assert_eq!(front.admits(peer.parse().unwrap()), is_admitted, "{peer}");
    }
}

#[test]
fn surplus_is_dropped_and_the_next_answer_is_in_step() {
    let served = front(|mut stub| {
        stub.head();
        stub.stdout(b"Content-Length: 4\n\nbody and more");
        stub.stderr(b"a word for the log\nand \x1b another\n");
        stub.stdout(b" of it");
        stub.end();
    });
    let mut browser = served.browser();
    for _ in 0..2 {
        browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(browser.page().unwrap().body, b"body");
    }
    served.finish();
}
