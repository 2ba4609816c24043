//! Several requests at once on one connection: their records mixed, both ways, and what one of them does to the others.

#[cfg(feature = "toolbox")]
use crate::check::check;
use crate::served::{Folder, Served, poll, serve_as, start};
use crate::steady::steady;
use crate::testbed::Testbed;
use crate::wire::{
    ABORT_REQUEST, Ask, DATA, END_REQUEST, End, GET_VALUES, GET_VALUES_RESULT, PARAMS, PATIENCE,
    REQUEST_COMPLETE, Record, STDIN, STDOUT, UNKNOWN_ROLE, UNKNOWN_TYPE, begin, begin_role, pair,
    record, stream,
};
use fcgi::{Request, Response, Server};
use log::Level;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Shorter than any default.
const SHORT: Duration = Duration::from_millis(150);

fn multiplexing(workers: usize) -> Server {
    Server::new().workers(workers).multiplex(true)
}

/// Answers with the length of the body, or with as many bytes as the query asks for.
fn app(req: &mut Request<'_>, res: Response<'_>) -> fcgi::Result {
    match req.path() {
        "/length" => {
            let mut body = Vec::new();
            req.body().read_to_end(&mut body)?;
            res.send(body.len().to_string())
        }
        "/large" => {
            let n = req.query().parse()?;
            res.send(vec![b'x'; n])
        }
        path => res.send(path),
    }
}

fn serve(workers: usize) -> Served {
    serve_as(multiplexing(workers), app)
}

fn abort(id: u16) -> Vec<u8> {
    record(ABORT_REQUEST, id, &[])
}

#[test]
fn requests_on_one_connection_are_answered_at_once() {
    let all = Arc::new(Barrier::new(8));
    let server = serve_as(multiplexing(8), move |req, res| {
        // None is answered before all of them run.
        all.wait();
        res.send(req.path())
    });
    let asks: Vec<Ask> = (1..=8)
        .map(|id| Ask::get(&format!("/{id}")).id(id).keep())
        .collect();
    let mut wire = server.connect();
    for _ in 0..3 {
        // Record by record, one of each in turn.
        for part in [Ask::begin, Ask::params, Ask::stdin] {
            let records: Vec<u8> = asks.iter().flat_map(part).collect();
            wire.write(records);
        }
        let replies = wire.replies(8);
        for id in 1..=8 {
            assert_eq!(replies[&id].page(), (200, format!("/{id}").as_str()));
        }
    }
}

#[test]
fn fifty_requests_wait_for_one_worker() {
    for workers in [1, 2, 4] {
        let server = serve(workers);
        let mut wire = server.connect();
        for round in 0..3 {
            let asks = (1..=50).map(|id| Ask::get(&format!("/{round}/{id}")).id(id).keep());
            wire.write(asks.flat_map(|ask| ask.bytes()).collect::<Vec<u8>>());
            let replies = wire.replies(50);
            for id in 1..=50 {
                let page = format!("/{round}/{id}");
                assert_eq!(replies[&id].page(), (200, page.as_str()));
            }
        }
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    }
}

/// Small uploads end while a large one has not, and large answers leave meanwhile.
#[test]
fn large_answers_and_unfinished_uploads_share_a_connection() {
    for workers in [2, 4] {
        let server = serve(workers);
        let body = vec![b'b'; 200_000];
        let upload = Ask::post("/length", body).id(9).keep().records_of(10_000);
        let stdin = upload.stdin();
        let (mut reader, mut writer) = server.connect().split();
        writer.write(upload.head());
        for (i, piece) in stdin.chunks(40_000).enumerate() {
            writer.write(piece);
            // A piece may end inside of a record.
            if i == 0 {
                writer.write(&stdin[40_000..][..0]);
            }
        }
        assert_eq!(reader.reply(9).page(), (200, "200000"));
        let piece = 10_008 * 4;
        writer.write([upload.head(), stdin[..piece].to_vec()].concat());
        for id in 1..=3 {
            let large = Ask::get("/large?3000000").id(id).keep();
            writer.write(large.bytes());
        }
        let replies = reader.replies(3);
        assert!(replies.values().all(|reply| reply.body.len() == 3_000_000));
        writer.write(&stdin[piece..]);
        assert_eq!(reader.reply(9).page(), (200, "200000"));
    }
}

#[test]
fn it_says_so_when_it_is_asked() {
    let server = serve(2);
    let question = record(GET_VALUES, 0, &pair("FCGI_MPXS_CONNS", ""));
    let mut wire = server.after([begin(1, true), question].concat());
    let values = wire.record().unwrap();
    assert_eq!(values.kind, GET_VALUES_RESULT);
    assert_eq!(values.content, pair("FCGI_MPXS_CONNS", "1"));
}

/// Under a parent each child does, and `check` says what HAProxy can be told.
#[cfg(feature = "toolbox")]
#[test]
fn it_is_a_flag_that_children_have_and_check_knows() {
    for processes in ["0", "2"] {
        let flags = [
            "--multiplex",
            "--mpx-body",
            "32K",
            "--mpx-stall",
            "0.5",
            "--processes",
            processes,
        ];
        let testbed = Testbed::listening_with(&flags);
        let report = check(&["--connect", &testbed.address().to_string()]);
        report.assert_has(
            "green",
            "connect",
            "several requests at once: HAProxy's option mpxs-conns",
        );
        let mut wire = testbed.connect();
        wire.write(
            (1..=9)
                .flat_map(|id| Ask::get("/hello").id(id).keep().bytes())
                .collect::<Vec<u8>>(),
        );
        assert_eq!(wire.replies(9).len(), 9);
    }
}

/// Records of one request, each of one byte, behind which another goes on.
fn dribble(asks: &[Ask]) -> Vec<u8> {
    let streams: Vec<Vec<u8>> = asks
        .iter()
        .map(|ask| ask.clone().records_of(1).bytes())
        .collect();
    let mut records = Vec::new();
    let mut rests: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    while rests.iter().any(|rest| !rest.is_empty()) {
        for rest in &mut rests {
            if rest.is_empty() {
                continue;
            }
            let len = 8 + usize::from(rest[5]) + usize::from(rest[6]);
            records.extend_from_slice(&rest[..len]);
            *rest = &rest[len..];
        }
    }
    records
}

#[test]
fn records_of_one_byte_from_several_requests_come_in_pieces_of_any_size() {
    for workers in [1, 3] {
        let server = serve(workers);
        let asks: Vec<Ask> = (1..=4)
            .map(|id| {
                Ask::post("/length", vec![b'x'; usize::from(id) * 11])
                    .id(id)
                    .keep()
            })
            .collect();
        let bytes = dribble(&asks);
        for size in [1, 7, 500, bytes.len()] {
            let mut wire = server.connect();
            for piece in bytes.chunks(size) {
                wire.write(piece);
            }
            let replies = wire.replies(4);
            for id in 1..=4 {
                let length = (id * 11).to_string();
                assert_eq!(
                    replies[&id].page(),
                    (200, length.as_str()),
                    "pieces of {size}"
                );
            }
        }
    }
}

/// Of answers that are larger than what a connection holds, to a reader that takes its time, no record is torn.
#[test]
fn answers_that_have_to_wait_for_room_leave_record_by_record() {
    let server = serve_as(multiplexing(4), |req, res| {
        let byte = req.path().as_bytes()[1];
        let mut out = res.stream()?;
        for n in 1..400 {
            out.write_all(&vec![byte; n * 37 % 20_000])?;
            out.flush()?;
        }
        Ok(())
    });
    let wanted: usize = (1..400).map(|n| n * 37 % 20_000).sum();
    let mut wire = server.connect();
    for id in 1..=4_u16 {
        wire.write(Ask::get(&format!("/{id}")).id(id).keep().bytes());
    }
    let (mut records, mut ended) = (Vec::<Record>::new(), 0);
    while ended < 4 {
        let record = wire.record().expect("all of them");
        ended += usize::from(record.kind == END_REQUEST);
        records.push(record);
        if records.len().is_multiple_of(100) {
            // The others fill what there is meanwhile.
            thread::yield_now();
        }
    }
    let turns = records.windows(2).filter(|pair| pair[0].id != pair[1].id);
    assert!(turns.count() > 20, "they wait for each other");
    for id in 1..=4_u16 {
        let of = records.iter().filter(|r| r.id == id && r.kind == STDOUT);
        let bytes: Vec<u8> = of.flat_map(|record| record.content.clone()).collect();
        let body = &bytes[bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
        assert_eq!(body.len(), wanted);
        let byte = b'0' + id as u8;
        assert!(body.iter().all(|&b| b == byte), "bytes of another answer");
    }
}

#[test]
fn an_abort_ends_one_request_and_leaves_the_others() {
    let (tell, told) = mpsc::channel();
    let go_on = Arc::new(Barrier::new(2));
    let goes_on = Arc::clone(&go_on);
    let server = serve_as(multiplexing(3), move |req, res| match req.path() {
        "/streams" => {
            let mut out = res.stream()?;
            tell.send(())?;
            loop {
                out.write_all(b"more ")?;
                out.flush()?;
                thread::sleep(Duration::from_millis(1));
            }
        }
        "/looks" => {
            tell.send(())?;
            while !req.is_aborted() {
                thread::sleep(Duration::from_millis(1));
            }
            let error = req.body().read(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            Err(error.into())
        }
        "/reads" => {
            tell.send(())?;
            let mut body = Vec::new();
            let error = req.body().read_to_end(&mut body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            Err(error.into())
        }
        _ => {
            tell.send(())?;
            goes_on.wait();
            res.send("whole")
        }
    });
    let mut wire = server.connect();
    for path in ["/streams", "/looks", "/reads"] {
        let stays = Ask::get("/stays").id(7).keep();
        let given_up = Ask::get(path).id(3).keep();
        wire.write([stays.bytes(), given_up.head()].concat());
        (0..2).for_each(|_| told.recv_timeout(PATIENCE).unwrap());
        wire.write(abort(3));
        let end = loop {
            let record = wire.record().expect("the connection stays");
            assert_eq!(record.id, 3, "{path}");
            if record.kind == END_REQUEST {
                break record;
            }
        };
        assert_eq!(end.content[..5], [0, 0, 0, 0, REQUEST_COMPLETE], "{path}");
        go_on.wait();
        assert_eq!(wire.reply(7).page(), (200, "whole"), "{path}");
        assert_eq!(wire.ask(&Ask::get("/hello").id(3).keep()).page().0, 200);
    }
    assert_eq!(server.lines(Level::Info), [""; 0], "it is everyday");
}

/// It ends at once, no handler sees it, and its id can be used again.
#[test]
fn a_request_that_waits_is_given_up_without_a_worker() {
    let (enter, calls) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let (enters, counted) = (Arc::clone(&enter), Arc::clone(&calls));
    let server = serve_as(multiplexing(1), move |req, res| {
        if req.path() == "/holds" {
            enters.wait();
            // Whoever reads for the others is the one worker, while it waits for its body.
            std::io::copy(req.body(), &mut std::io::sink())?;
        } else {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        res.send(req.path())
    });
    let mut wire = server.connect();
    let holds = Ask::get("/holds").id(1).keep();
    wire.write(holds.head());
    enter.wait();
    let waits = Ask::get("/waits").id(2).keep();
    wire.write([waits.bytes(), abort(2)].concat());
    assert_eq!(wire.reply(2).end, End::Whole(0, REQUEST_COMPLETE));
    wire.write(Ask::get("/again").id(2).keep().bytes());
    wire.write(holds.stdin());
    let replies = wire.replies(2);
    assert_eq!(replies[&1].page(), (200, "/holds"));
    assert_eq!(replies[&2].page(), (200, "/again"));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// FastCGI has no flow control for one stream.
#[test]
fn a_body_that_nobody_reads_holds_the_others_up_for_mpx_stall_and_fails() {
    for workers in [2, 4] {
        let (tell, told) = mpsc::channel();
        let (leave, leaves) = mpsc::channel::<()>();
        let leaves = Mutex::new(leaves);
        let server = multiplexing(workers).mpx_stall(SHORT).mpx_body(10_000);
        let server = serve_as(server, move |req, res| {
            if req.path() != "/sits" {
                return app(req, res);
            }
            tell.send(())?;
            leaves.lock().unwrap().recv_timeout(PATIENCE)?;
            let mut body = Vec::new();
            let error = req.body().read_to_end(&mut body).unwrap_err();
            assert!(body.len() <= 10_000, "{}", body.len());
            Err(error.into())
        });
        let (mut reader, mut writer) = server.connect().split();
        let sits = Ask::post("/sits", vec![b'x'; 300_000]).id(1).keep();
        let written = thread::spawn(move || {
            let begun = Instant::now();
            writer.write(sits.bytes());
            writer.write(Ask::get("/hello").id(2).keep().bytes());
            begun.elapsed()
        });
        told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reader.reply(2).page(), (200, "hello"));
        assert!(written.join().unwrap() < PATIENCE / 2);
        leave.send(()).unwrap();
        let reply = reader.reply(1);
        assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
        assert!(reply.field("Retry-After").is_some());
        server.line(Level::Error, "held up the other requests of its connection");
        let body = Ask::post("/length", vec![b'x'; 9_000]).id(1).keep();
        assert_eq!(reader.ask(&body).page(), (200, "9000"));
    }
}

/// A handler that waits reads for all, and does not wait for a body that nobody takes.
#[test]
fn one_worker_is_held_up_by_no_longer_than_mpx_stall() {
    let server = serve_as(multiplexing(1).mpx_stall(SHORT).mpx_body(10_000), app);
    let mut wire = server.connect();
    let [first, second] =
        [(1, 5_000), (2, 30_000)].map(|(id, n)| Ask::post("/length", vec![b'x'; n]).id(id).keep());
    wire.write(first.head());
    wire.write(second.bytes());
    wire.write(first.stdin());
    let replies = wire.replies(2);
    assert_eq!(replies[&1].page(), (200, "5000"));
    assert_eq!(replies[&2].page().0, 503, "its body was not taken in time");
}

#[test]
fn bodies_of_any_length_pass_through_one_worker() {
    let server = serve_as(multiplexing(1).mpx_body(1 << 10), app);
    let mut wire = server.connect();
    for n in [0, 1023, 1024, 1025, 100_000] {
        let (reader, mut writer) = wire.split();
        let ask = Ask::post("/length", vec![b'x'; n]).id(4).keep();
        let written = thread::spawn(move || writer.write(ask.bytes()));
        wire = reader;
        assert_eq!(wire.reply(4).page(), (200, n.to_string().as_str()));
        written.join().unwrap();
    }
}

#[test]
fn the_sixty_fifth_that_waits_is_answered_503_without_a_worker() {
    let enter = Arc::new(Barrier::new(2));
    let (tell, told) = (Arc::clone(&enter), Arc::clone(&enter));
    let server = serve_as(multiplexing(1), move |req, res| {
        if req.path() == "/holds" {
            tell.wait();
            std::io::copy(req.body(), &mut std::io::sink())?;
        }
        res.send(req.path())
    });
    let mut wire = server.connect();
    let holds = Ask::get("/holds").id(1).keep();
    wire.write(holds.head());
    told.wait();
    for id in 2..=67 {
        wire.write(Ask::post("/waits", "body").id(id).keep().bytes());
    }
    // They come before any of the others: the one worker is held.
    for (id, reply) in wire.replies(2) {
        assert!(id > 65, "{id}");
        assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
        assert_eq!(reply.field("Retry-After"), Some("5"));
    }
    wire.write(holds.stdin());
    let replies = wire.replies(65);
    assert!(replies.values().all(|reply| reply.status == 200));
    assert_eq!(
        replies.keys().copied().collect::<Vec<u16>>(),
        (1..=65).collect::<Vec<u16>>()
    );
}

/// What FastCGI could say of a half answer HAProxy takes for its end: see `Server::multiplex`.
#[test]
fn an_answer_that_breaks_off_costs_the_connection_when_the_others_are_whole() {
    let all = Arc::new(Barrier::new(2));
    let server = serve_as(multiplexing(2), move |req, res| {
        if req.path() == "/whole" {
            all.wait();
            // The other has panicked by now, or is about to.
            return res.send("whole");
        }
        let mut out = res.stream()?;
        out.write_all(b"half")?;
        out.flush()?;
        all.wait();
        panic!("on purpose");
    });
    let mut wire = server.connect();
    for (id, path) in [(1, "/half"), (2, "/whole")] {
        wire.write(Ask::get(path).id(id).keep().bytes());
    }
    let replies = wire.replies(2);
    assert_eq!((replies[&1].end, replies[&1].text()), (End::Cut, "half"));
    assert_eq!(replies[&2].page(), (200, "whole"));
    server.line(
        Level::Error,
        "on purpose; the answer is cut, since its head has left",
    );
    server.assert_serves();
}

#[test]
fn a_panic_before_its_head_has_left_is_a_page_of_that_request() {
    let server = serve_as(multiplexing(2), |req, res| match req.path() {
        "/panics" => panic!("on purpose"),
        path => res.send(path),
    });
    let mut wire = server.connect();
    for (id, path) in [(1, "/panics"), (2, "/a"), (3, "/panics"), (4, "/b")] {
        wire.write(Ask::get(path).id(id).keep().bytes());
    }
    let replies = wire.replies(4);
    let statuses: Vec<u16> = replies.values().map(|reply| reply.page().0).collect();
    assert_eq!(statuses, [500, 200, 500, 200]);
}

#[test]
fn without_keep_conn_the_connection_is_closed_behind_the_last_answer() {
    let server = serve(2);
    let mut wire = server.connect();
    wire.write(
        [
            Ask::get("/a").id(1).keep().bytes(),
            Ask::get("/b").id(2).bytes(),
        ]
        .concat(),
    );
    let replies = wire.replies(2);
    assert!(replies.values().all(|reply| reply.is_whole()));
    wire.assert_closed();
}

/// A web server that goes away in the middle costs nothing but its requests.
#[test]
fn all_requests_of_a_connection_see_its_end() {
    let (tell, told) = mpsc::channel();
    let server = serve_as(multiplexing(3), move |req, _| {
        tell.send("begun")?;
        let error = req.body().read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        tell.send("ended")?;
        Err(error.into())
    });
    let mut wire = server.connect();
    for id in 1..=3 {
        wire.write(Ask::get("/").id(id).keep().head());
    }
    (0..3).for_each(|_| assert_eq!(told.recv_timeout(PATIENCE), Ok("begun")));
    drop(wire);
    (0..3).for_each(|_| assert_eq!(told.recv_timeout(PATIENCE), Ok("ended")));
    server.assert_serves();
    assert_eq!(server.lines(Level::Info), [""; 0], "it is everyday");
}

/// One that has ended its side gets all that was asked for.
#[test]
fn a_half_closed_connection_is_answered() {
    let server = serve(1);
    let mut wire = server.connect();
    wire.write(
        (1..=5)
            .flat_map(|id| Ask::get("/x").id(id).keep().bytes())
            .collect::<Vec<u8>>(),
    );
    wire.end();
    assert_eq!(wire.replies(5).len(), 5);
    wire.assert_closed();
}

#[test]
fn what_is_between_the_records_of_requests_is_answered_at_once() {
    let server = serve(1);
    let mut wire = server.connect();
    let ask = Ask::post("/length", "12345").id(1).keep();
    wire.write(ask.head());
    wire.write(record(42, 0, b"?"));
    let unknown = wire.record().unwrap();
    assert_eq!((unknown.kind, unknown.content[0]), (UNKNOWN_TYPE, 42));
    wire.write(record(GET_VALUES, 0, &pair("FCGI_MAX_REQS", "")));
    assert_eq!(wire.record().unwrap().content, pair("FCGI_MAX_REQS", "1"));
    wire.write(begin_role(9, 3, true));
    assert_eq!(wire.reply(9).end, End::Whole(0, UNKNOWN_ROLE));
    // Of requests that nobody knows, and of types that mean nothing.
    for kind in [PARAMS, STDIN, DATA, 99] {
        wire.write(record(kind, 77, b"nobody's"));
    }
    wire.write(ask.stdin());
    assert_eq!(wire.reply(1).page(), (200, "5"));
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    for fault in [
        begin(1, true),
        record(STDIN, 2, b"before the end of its PARAMS"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let server = serve(2);
        let mut wire = server.connect();
        wire.write(
            [
                Ask::post("/length", "1").id(1).keep().head(),
                begin(2, true),
            ]
            .concat(),
        );
        wire.write(fault);
        let reply = wire.reply(1);
        assert_eq!(reply.page(), (400, "400 Bad Request\n"));
        wire.assert_closed();
        server.assert_serves();
    }
    // Nothing but http: it is told what this is.
    let server = serve(1);
    let bytes = server.after("GET / HTTP/1.1\r\n\r\n").bytes_until_the_end();
    assert!(bytes.starts_with(b"HTTP/1.1 400 "), "{}", bytes.len());
}

#[test]
fn params_that_are_too_large_are_refused_and_the_others_go_on() {
    let limited = multiplexing(1).max_params(100_000);
    let server = serve_as(limited.max_pairs(50).max_pair(50_000), app);
    let mut wire = server.connect();
    let large = (0..3).fold(Ask::get("/").id(1).keep(), |ask, i| {
        ask.param(format!("P{i}"), "v".repeat(40_000))
    });
    let (reader, mut writer) = wire.split();
    let written = thread::spawn(move || {
        writer.write([large.bytes(), Ask::get("/hello").id(2).keep().bytes()].concat());
    });
    wire = reader;
    let replies = wire.replies(2);
    assert_eq!(replies[&1].page().0, 431);
    assert_eq!(replies[&2].page(), (200, "hello"));
    written.join().unwrap();
    let ask = Ask::get("/x").keep();
    let many = (0..60).fold(ask.clone(), |ask, i| ask.param(format!("P{i}"), ""));
    let large = ask.clone().param("P", "v".repeat(50_000));
    for (ask, status) in [(many, 431), (large, 431), (ask.raw_params([9]), 400)] {
        assert_eq!(wire.ask(&ask).page().0, status);
        assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
    }
}

#[test]
fn heads_that_wait_are_limited_in_all() {
    let server = serve_as(multiplexing(1).max_waiting_heads(100_000), app);
    let mut wire = server.connect();
    let heavy = |id| Ask::get("/x").id(id).keep().param("P", "v".repeat(60_000));
    wire.write([heavy(1).begin(), record(PARAMS, 1, &[b'v'; 60_000])].concat());
    wire.write([heavy(2).begin(), record(PARAMS, 2, &[b'v'; 60_000])].concat());
    assert_eq!(wire.reply(2).page().0, 503);
    wire.write(abort(1));
    assert_eq!(wire.reply(1).end, End::Whole(0, REQUEST_COMPLETE));
    assert_eq!(wire.ask(&heavy(2)).page(), (200, "/x"));
    server.line(Level::Warn, "the heads that wait exceed max_waiting_heads");
}

#[test]
fn a_head_that_is_late_is_a_408_where_others_are_under_way_and_else_a_close() {
    let server = serve_as(multiplexing(2).head_timeout(SHORT), app);
    let mut wire = server.connect();
    let runs = Ask::post("/length", "1").id(1).keep();
    wire.write([runs.head(), begin(2, true)].concat());
    assert_eq!(wire.reply(2).page(), (408, "408 Request Timeout\n"));
    wire.write(runs.stdin());
    assert_eq!(wire.reply(1).page(), (200, "1"));
    wire.write(begin(2, true));
    wire.assert_closed();
}

#[test]
fn time_limits_are_each_requests_own() {
    let server = multiplexing(2).body_timeout(SHORT).idle_timeout(SHORT * 3);
    let server = serve_as(server, app);
    let mut wire = server.connect();
    wire.write(Ask::post("/length", "1").id(1).keep().head());
    wire.write(Ask::get("/a").id(2).keep().bytes());
    let replies = wire.replies(2);
    assert_eq!(replies[&2].page(), (200, "/a"));
    assert_eq!(replies[&1].page(), (408, "408 Request Timeout\n"));
    // And idle it is closed, as any other.
    wire.assert_closed();
}

#[test]
fn an_answer_that_nobody_takes_ends_the_connection_at_write_timeout() {
    let server = serve_as(multiplexing(2).write_timeout(SHORT), app);
    let mut wire = server.connect();
    for id in 1..=2 {
        wire.write(Ask::get("/large?5000000").id(id).keep().bytes());
    }
    server.line(
        Level::Error,
        "the web server took no byte of the answers for",
    );
    assert!(wire.wait_for_end());
    server.assert_serves();
}

/// A web server may write bodies before it reads answers.
#[test]
fn answers_that_have_to_wait_let_bodies_in() {
    for workers in [1, 2] {
        let server = serve_as(multiplexing(workers), |req, res| {
            let mut out = res.stream()?;
            std::io::copy(req.body(), &mut out)?;
            Ok(())
        });
        let mut wire = server.connect();
        let body = vec![b'x'; 3_000_000];
        let echo = Ask::post("/", body.clone()).id(1).keep();
        wire.write(echo.head());
        // All of it, before a byte is read: it fits nowhere between the two.
        let stdin = echo.stdin();
        let fits = wire.write_what_fits(&stdin);
        let (mut reader, mut writer) = wire.split();
        let rest = thread::spawn(move || writer.write(&stdin[fits..]));
        assert_eq!(reader.reply(1).body.len(), body.len());
        rest.join().unwrap();
    }
}

#[test]
fn a_body_over_max_body_is_a_413_and_the_rest_is_passed_over() {
    let server = serve_as(multiplexing(1).max_body(1000), app);
    let mut wire = server.connect();
    for (n, status) in [(1000, 200), (1001, 413), (50_000, 413), (10, 200)] {
        let ask = Ask::post("/length", vec![b'x'; n]).id(5).keep();
        assert_eq!(wire.ask(&ask).page().0, status, "{n} bytes");
    }
}

#[test]
fn a_finished_answer_frees_its_id_while_the_handler_goes_on() {
    let (tell, told) = mpsc::channel();
    let goes_on = Arc::new(Barrier::new(2));
    let waits = Arc::clone(&goes_on);
    let server = serve_as(multiplexing(2), move |req, res| {
        if req.path() == "/finishes" {
            res.finish("finished")?;
            let error = req.body().read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            waits.wait();
            tell.send(())?;
            return Ok(());
        }
        res.send("other")
    });
    let mut wire = server.connect();
    for _ in 0..3 {
        assert_eq!(
            wire.ask(&Ask::get("/finishes").keep()).page(),
            (200, "finished")
        );
        assert_eq!(wire.ask(&Ask::get("/").keep()).page(), (200, "other"));
        goes_on.wait();
        told.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn filters_have_both_their_streams() {
    let server = multiplexing(2).filter(|req, res| {
        let mut data = Vec::new();
        req.data().read_to_end(&mut data)?;
        assert_eq!(req.body().read(&mut [0; 8])?, 0, "the body is over");
        res.send(data.to_ascii_uppercase())
    });
    let server = start(server.responder(app), Arc::default());
    let mut wire = server.connect();
    let asks: Vec<Vec<u8>> = (1..=2)
        .map(|id| {
            let head = Ask::get("/").id(id).params();
            [
                begin_role(id, 3, true),
                head,
                stream(STDIN, id, b"body", 3, 0),
                stream(DATA, id, &[b'd'; 1000], 300, 0),
            ]
            .concat()
        })
        .collect();
    wire.write(asks.concat());
    let replies = wire.replies(2);
    for id in 1..=2 {
        assert_eq!(replies[&id].page(), (200, "D".repeat(1000).as_str()));
    }
}

#[test]
fn requests_that_have_begun_when_a_stop_begins_are_answered() {
    steady(Duration::from_millis(300), || {
        for workers in ["1", "2", "4"] {
            let flags = ["--multiplex", "--workers", workers];
            let mut testbed = Testbed::listening_with(&flags);
            let mut wire = testbed.connect();
            wire.write(Ask::get("/chunks?n=2&ms=300").id(1).keep().bytes());
            assert!(wire.record().is_some() && wire.record().is_some());
            for id in 2..=6 {
                wire.write(Ask::get("/hello").id(id).keep().bytes());
            }
            // Its PARAMS are not whole.
            let late = Ask::get("/hello").id(7).keep();
            wire.write([late.begin(), late.params()[..20].to_vec()].concat());
            testbed.signal("TERM");
            poll("the path to go", || testbed.folder.names().is_empty());
            wire.write([late.params()[20..].to_vec(), late.stdin()].concat());
            let mut ended = Vec::new();
            while let Some(record) = wire.record() {
                if record.kind == END_REQUEST {
                    ended.push(record.id);
                }
            }
            ended.sort();
            assert_eq!(ended, [1, 2, 3, 4, 5, 6, 7], "{workers} workers");
            let (took, status) = testbed.wait();
            assert_eq!(status.code(), Some(0));
            assert!(took < Duration::from_secs(3), "{took:?}");
            assert_eq!(testbed.last_troubles(), [""; 0]);
        }
    });
}

/// What is under way is answered, and what begins behind it is answered 503 some day: a peer that never pauses does not keep it.
#[test]
fn a_stop_comes_to_its_end_on_a_connection_that_never_rests() {
    steady(Duration::from_millis(300), || {
        let mut testbed = Testbed::listening_with(&["--multiplex", "--workers", "2"]);
        let (mut reader, mut writer) = testbed.connect().split();
        writer.write(Ask::get("/hello").id(1).keep().bytes());
        assert_eq!(reader.reply(1).page().0, 200);
        let asking = thread::spawn(move || {
            for id in (2..=60_000).cycle() {
                if writer
                    .try_write(Ask::get("/hello").id(id).keep().bytes())
                    .is_err()
                {
                    break;
                }
            }
        });
        testbed.signal("TERM");
        let (took, status) = testbed.wait();
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(4), "{took:?}");
        drop(reader);
        asking.join().unwrap();
    });
}

/// Everything that counts and tells knows of them.
#[test]
fn the_access_log_and_the_status_page_know_each_request() {
    let folder = Folder::new();
    let log = folder.path().join("access.log");
    let server = multiplexing(2).access_log(&log).status_page("/state");
    let server = serve_as(server, app);
    let mut wire = server.connect();
    let local = |path: &str, id| {
        let ask = Ask::get(path).id(id).keep();
        ask.param("REMOTE_ADDR", "127.0.0.1")
    };
    wire.write(
        (1..=5)
            .flat_map(|id| local("/x", id).bytes())
            .collect::<Vec<u8>>(),
    );
    assert_eq!(wire.replies(5).len(), 5);
    let lines = || fs::read_to_string(&log).unwrap().lines().count();
    poll("a line for each", || lines() == 5);
    let page = wire.ask(&local("/state", 9));
    for line in ["\nconnections: 1\n", "\nserved: 5\n", "\n2xx: 5\n"] {
        assert!(page.text().contains(line), "{}", page.text());
    }
}

/// As HAProxy does it, with all workers: requests without end, of every kind, on a few connections.
#[test]
fn a_crowd_on_a_few_connections_is_answered() {
    for workers in [1, 2, 4] {
        let server = serve(workers);
        let crowd: Vec<_> = (0..3)
            .map(|n| {
                let mut wire = server.connect();
                thread::spawn(move || {
                    for round in 0..40_usize {
                        let asks = (1..=20_u16).map(|id| match (usize::from(id) + round + n) % 3 {
                            0 => Ask::get("/page").id(id).keep(),
                            1 => Ask::post("/length", vec![b'x'; 900]).id(id).keep(),
                            _ => Ask::get("/large?30000").id(id).keep(),
                        });
                        let bytes: Vec<u8> = asks.flat_map(|ask| ask.bytes()).collect();
                        let (reader, mut writer) = wire.split();
                        let written = thread::spawn(move || writer.write(bytes));
                        wire = reader;
                        let replies = wire.replies(20);
                        assert_eq!(replies.len(), 20);
                        assert!(replies.values().all(|reply| reply.status == 200));
                        written.join().unwrap();
                    }
                })
            })
            .collect();
        crowd.into_iter().for_each(|one| one.join().unwrap());
    }
}
