//! A client against applications of raw records: what it sends, what it makes of what comes.

use super::queue::FULL;
use super::stub::{Stub, application, application_of};
use super::*;
use crate::protocol::HEADER_LEN;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

const LARGE: usize = 10 << 20;
const NO_PARAMS: [(&str, &str); 0] = [];
const KEPT: Begin = Begin {
    role: Role::Responder,
    keep_conn: true,
    request_id: NonZeroU16::MIN,
};

fn client(stream: UnixStream) -> Client {
    Client::from(stream).timeout(Duration::from_secs(10))
}

fn large() -> Vec<u8> {
    (0..LARGE as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn a_body_comes_back_while_it_is_sent() {
    let (stream, app) = application(|mut stub| {
        stub.head();
        stub.stdout(b"A: b\n\n");
        while let Some(piece) = stub.body() {
            stub.stdout(&piece);
        }
        stub.end();
    });
    let body = large();
    let answer = client(stream)
        .request(Begin::default(), NO_PARAMS, &body)
        .unwrap();
    assert!(answer.body == body, "the body came back changed");
    app.join().unwrap();
}

#[test]
fn an_answer_may_come_before_the_body_was_read() {
    let (stream, app) = application(|mut stub| {
        stub.head();
        stub.stdout(b"A: b\n\nearly");
        stub.end();
        stub.wait_for_close();
    });
    let mut client = client(stream);
    let mut body = io::repeat(b'x').take(LARGE as u64);
    let mut stdout = Vec::new();
    let end = client
        .exchange(Begin::default(), NO_PARAMS, &mut body, |part| {
            if let Part::Stdout(bytes) = part {
                stdout.extend_from_slice(bytes);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(
        (end.protocol_status, &stdout[..]),
        (0, &b"A: b\n\nearly"[..])
    );
    assert!(body.limit() > 0, "an unwanted body was read to its end");
    drop(client);
    app.join().unwrap();
}

#[test]
fn an_answer_counts_although_its_application_closed_with_the_body_unread() {
    let (stream, app) = application(|mut stub| {
        stub.head();
        stub.stdout(b"A: b\n\nearly");
        stub.end();
    });
    let mut client = client(stream);
    client.begin(Begin::default(), NO_PARAMS).unwrap();
    while client.try_write(&[b'x'; 1000]).unwrap() > 0 && !client.queue.is_deaf() {}
    app.join().unwrap();
    assert_eq!(client.next_part().unwrap(), Part::Stdout(b"A: b\n\nearly"));
    assert!(matches!(client.next_part().unwrap(), Part::End(_)));
    assert!(!client.is_reusable());
}

#[test]
fn what_a_closed_application_should_get_is_dropped() {
    let (all_was_taken, wait_until) = std::sync::mpsc::channel();
    let (stream, app) = application(move |mut stub| {
        stub.head();
        stub.shut_for_reading();
        stub.stdout(b"A: b\n\n");
        wait_until.recv().unwrap();
        stub.end();
    });
    let mut client = client(stream);
    client.begin(Begin::default(), NO_PARAMS).unwrap();
    assert_eq!(client.next_part().unwrap(), Part::Stdout(b"A: b\n\n"));
    let (mut left, piece) = (LARGE, [b'x'; 1 << 16]);
    while left > 0 {
        match client.step(&piece[..left.min(piece.len())]).unwrap() {
            Step::Took(n) => left -= n,
            Step::Part(part) => panic!("{part:?}"),
        }
    }
    all_was_taken.send(()).unwrap();
    client.end_body().unwrap();
    assert!(matches!(client.next_part().unwrap(), Part::End(_)));
    app.join().unwrap();
}

#[test]
fn a_kept_connection_takes_another_request_although_the_last_body_was_not_ended() {
    let (stream, app) = application(|mut stub| {
        for answer in ["A: 1\n\none", "A: 2\n\ntwo"] {
            stub.head();
            stub.stdout(answer.as_bytes());
            stub.end();
        }
        stub.wait_for_close();
    });
    let mut client = client(stream);
    client.begin(KEPT, NO_PARAMS).unwrap();
    assert!(!client.is_reusable());
    assert_eq!(
        client.begin(KEPT, NO_PARAMS).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(client.try_write(b"some").unwrap(), 4);
    while !matches!(client.next_part().unwrap(), Part::End(_)) {}
    assert!(client.is_reusable());
    assert!(client.try_write(b"late").is_err());

    let answer = client
        .request(Begin::default(), NO_PARAMS, b"body")
        .unwrap();
    assert_eq!(answer.body, b"two");
    assert!(!client.is_reusable());
    let error = client.begin(KEPT, NO_PARAMS).unwrap_err();
    assert!(error.to_string().contains("connect again"), "{error}");
    drop(client);
    app.join().unwrap();
}

#[test]
fn padding_after_the_end_is_no_further_answer_but_a_record_is() {
    let end: &[u8] = &[1, 3, 0, 1, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let rows: &[(&[u8], bool)] = &[
        (&[9; 7], true),
        (&[9; 3], true),
        (&[9, 9, 9, 9, 9, 9, 9, 1, 11, 0, 0, 0, 0, 0, 0], true),
        (&[9, 9, 9, 9, 9, 9, 9, 1, 6, 0, 1, 0, 1, 0, 0, b'x'], false),
        (&[9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, b'x'], false),
    ];
    for &(after, fine) in rows {
        let (stream, app) = application(move |mut stub| {
            stub.head();
            stub.raw(&[end, after].concat());
            stub.wait_for_close();
        });
        let mut client = client(stream);
        client.begin(KEPT, NO_PARAMS).unwrap();
        assert!(matches!(client.next_part().unwrap(), Part::End(_)));
        assert_eq!(client.begin(KEPT, NO_PARAMS).is_ok(), fine, "{after:?}");
        drop(client);
        app.join().unwrap();
    }
}

const ANSWER: &[&[u8]] = &[
    &[
        1, 6, 0, 1, 0, 8, 0, 0, b'A', b':', b' ', b'b', b'\r', b'\n', b'\r', b'\n',
    ],
    &[1, 7, 0, 1, 0, 3, 5, 0, b'l', b'o', b'g', 0, 0, 0, 0, 0],
    &[1, 6, 0, 1, 0, 4, 4, 0, b'b', b'o', b'd', b'y', 0, 0, 0, 0],
    &[1, 6, 0, 1, 0, 0, 0, 0],
    &[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0],
];

#[test]
fn an_answer_that_comes_byte_by_byte_is_the_same() {
    let (stream, app) = application(|mut stub| {
        stub.head();
        for byte in ANSWER.concat() {
            stub.raw(&[byte]);
            thread::yield_now();
        }
    });
    let answer = client(stream).request(KEPT, NO_PARAMS, b"").unwrap();
    assert_eq!(answer.head.field("A"), Some(&b"b"[..]));
    assert_eq!(
        (&answer.body[..], &answer.stderr[..]),
        (&b"body"[..], &b"log"[..])
    );
    assert_eq!(answer.end.app_status, 9);
    app.join().unwrap();
}

#[test]
fn an_answer_that_ends_anywhere_before_its_end_is_cut() {
    let whole = ANSWER.concat();
    for length in 0..whole.len() {
        let (stream, app) = application_of(&whole[..length]);
        let error = client(stream).request(KEPT, NO_PARAMS, b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
        assert!(
            error.to_string().contains("the answer is cut after"),
            "{error}"
        );
        app.join().unwrap();
    }
    let (stream, app) = application_of(&whole);
    client(stream).request(KEPT, NO_PARAMS, b"").unwrap();
    app.join().unwrap();
}

#[test]
fn no_more_than_a_little_is_queued_for_a_slow_reader() {
    let (stream, mut application) = UnixStream::pair().unwrap();
    let mut client = client(stream);
    client.begin(KEPT, NO_PARAMS).unwrap();
    let (mut left, mut came) = (LARGE, vec![0; BODY_RECORD]);
    while left > 0 {
        match client.try_write(&[b'x'; BODY_RECORD]).unwrap() {
            // So little that there is always something that could not leave yet.
            0 => application.read_exact(&mut came).unwrap(),
            n => left -= n,
        }
        assert!(client.queue.len() < FULL + HEADER_LEN + BODY_RECORD);
    }
}

#[test]
fn params_of_every_size_arrive_whole() {
    let long = vec![b'v'; 300 << 10];
    for length in [
        0,
        127,
        128,
        MAX_CONTENT - 8,
        MAX_CONTENT,
        200_000,
        long.len(),
    ] {
        let params = [("FIRST", &long[..length]), ("LAST", b"")];
        let expected = params.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        let (stream, app) = application(move |mut stub| {
            let head = stub.head();
            assert!(head == expected, "the params are not those that were sent");
            assert_eq!(stub.body(), None);
            stub.stdout(b"A: b\n\n");
            stub.end();
        });
        client(stream)
            .request(Begin::default(), params, b"")
            .unwrap();
        app.join().unwrap();
    }
}

#[test]
fn params_above_their_limit_are_refused_and_the_connection_is_as_before() {
    let (stream, app) = application_of(&ANSWER.concat());
    let mut client = client(stream);
    let huge = vec![b'v'; MAX_PARAMS - 8];
    assert!(client.begin(KEPT, [("A", &huge)]).is_err());
    client.request(KEPT, [("A", &huge[1..])], b"").unwrap();
    app.join().unwrap();
}

#[test]
fn an_application_that_does_nothing_is_given_up() {
    let (stream, _app) = UnixStream::pair().unwrap();
    let mut client = Client::from(stream).timeout(Duration::from_millis(20));
    client.begin(KEPT, NO_PARAMS).unwrap();
    let error = client.next_part().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the application sent nothing for 20ms");
    let error = loop {
        match client.step(&[0; 4096]) {
            Ok(step) => assert_eq!(step, Step::Took(4096)),
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        "the application took and sent nothing for 20ms"
    );
    assert!(
        client.queue.len() < FULL + BODY_RECORD + HEADER_LEN,
        "no more is queued"
    );
}

#[test]
fn an_authorizer_is_sent_no_body_at_all() {
    let (stream, app) = application(|mut stub| {
        stub.raw(&ANSWER.concat());
        let sent = stub.wait_for_close();
        assert_eq!(sent.len(), 16 + 8, "BEGIN_REQUEST, and the end of PARAMS");
    });
    let mut client = client(stream);
    let begin = Begin {
        role: Role::Authorizer,
        ..Begin::default()
    };
    client.request(begin, NO_PARAMS, b"").unwrap();
    drop(client);
    app.join().unwrap();
}

#[test]
fn an_abort_is_a_record_and_ends_the_body() {
    let (stream, app) = application(|mut stub| {
        stub.head();
        let rest = stub.wait_for(8);
        assert_eq!(rest, [1, 2, 0, 1, 0, 0, 0, 0]);
        stub.raw(ANSWER.last().unwrap());
    });
    let mut client = client(stream);
    assert!(client.abort().is_err());
    client.begin(Begin::default(), NO_PARAMS).unwrap();
    client.abort().unwrap();
    assert!(client.try_write(b"x").is_err());
    assert!(matches!(client.next_part().unwrap(), Part::End(_)));
    app.join().unwrap();
}

#[test]
fn no_more_is_collected_than_was_asked_for() {
    for (limit, fine) in [(7, true), (6, false)] {
        let (stream, app) = application_of(&ANSWER.concat());
        let mut client = client(stream).max_answer(limit);
        assert_eq!(client.request(KEPT, NO_PARAMS, b"").is_ok(), fine);
        app.join().unwrap();
    }
}

#[test]
fn an_end_without_a_head_is_an_error_that_says_the_status() {
    let (stream, app) = application_of(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    let error = client(stream).request(KEPT, NO_PARAMS, b"").unwrap_err();
    assert!(error.to_string().contains("protocol status 2"), "{error}");
    app.join().unwrap();
}

#[test]
fn who_watches_sees_every_byte_both_ways() {
    let (stream, app) = application_of(&ANSWER.concat());
    let (tell, told) = std::sync::mpsc::sync_channel(100);
    let watch = move |way, bytes: &[u8]| tell.send((way, bytes.to_vec())).unwrap();
    let mut client = client(stream).watch(watch);
    client.request(KEPT, [("A", "b")], b"body").unwrap();
    drop(client);
    app.join().unwrap();
    let pieces: Vec<(Way, Vec<u8>)> = told.iter().collect();
    let of = |wanted| -> Vec<u8> {
        let pieces = pieces.iter().filter(|(way, _)| *way == wanted);
        pieces.flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(of(Way::Received), ANSWER.concat());
    let mut whole = [&[1, 1, 0, 1, 0, 8, 0, 0][..], &[0, 1, 1, 0, 0, 0, 0, 0]].concat();
    whole.extend([1, 4, 0, 1, 0, 4, 4, 0, 1, 1, b'A', b'b', 0, 0, 0, 0]);
    whole.extend([1, 4, 0, 1, 0, 0, 0, 0]);
    whole.extend([&[1, 5, 0, 1, 0, 4, 4, 0][..], b"body", &[0; 4]].concat());
    whole.extend([1, 5, 0, 1, 0, 0, 0, 0]);
    // The answer may be there before the body's end is sent.
    let sent = of(Way::Sent);
    assert!(
        whole.starts_with(&sent) && sent.len() >= whole.len() - 8,
        "{sent:?}"
    );
}

#[test]
fn every_kind_of_address_is_connected_to() {
    let serve = |mut stub: Stub| {
        stub.head();
        stub.raw(&ANSWER.concat());
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let app = thread::spawn(move || {
        for _ in 0..2 {
            serve(Stub::new(
                OwnedFd::from(listener.accept().unwrap().0).into(),
            ));
        }
    });
    let mut client = Client::connect(&address).unwrap();
    client.request(Begin::default(), NO_PARAMS, b"").unwrap();
    let Address::Tcp(tcp) = address else {
        unreachable!()
    };
    let mut client = Client::from(TcpStream::connect(tcp).unwrap());
    client.request(Begin::default(), NO_PARAMS, b"").unwrap();
    app.join().unwrap();

    let name = format!("fcgi-client-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let app = thread::spawn(move || serve(Stub::new(listener.accept().unwrap().0)));
    let address = Address::Unix(path.clone());
    let mut client = Client::connect(&address).unwrap();
    client.request(Begin::default(), NO_PARAMS, b"").unwrap();
    app.join().unwrap();
    std::fs::remove_file(&path).unwrap();

    let error = Client::connect(&address).unwrap_err();
    let words = format!("cannot connect to {address}: ");
    assert!(error.to_string().starts_with(&words), "{error}");
    assert!(Client::connect(&Address::Fd(0)).is_err());
}

#[test]
fn a_full_queue_of_connections_is_waited_for_in_vain_only_so_long() {
    let name = format!("fcgi-full-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let _listener = UnixListener::bind(&path).unwrap();
    let address = Address::Unix(path.clone());
    let mut taken = Vec::new();
    let error = loop {
        match Transport::connect(&address, Duration::from_millis(20)) {
            Ok(transport) => taken.push(transport),
            Err(error) => break error,
        }
        assert!(taken.len() < 10_000);
    };
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
}
