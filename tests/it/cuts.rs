//! Every stream cut at every offset, over real sockets: the first part, the server seen waiting, then the rest, or the
//! end of the connection.
//!
//! The server is seen waiting when the kernel holds no byte that it has not read and every thread of it sleeps. So the
//! cut is a cut: what comes later comes by another read.

use crate::testbed::Testbed;
use crate::wire::{
    self, Ask, END_REQUEST, GET_VALUES, PARAMS, Record, STDIN, STDOUT, Wire, begin, long_pair,
    padded, pair, stream,
};
use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Connections that are cut at the same time; a body that is awaited holds a worker.
const AT_ONCE: usize = 48;

/// What a web server sends on one connection.
struct Script {
    bytes: Vec<u8>,
    /// Up to here nothing may be answered; from here on something has to be, whether the rest comes or not.
    due: usize,
    /// Whether an answer may begin to leave before it is whole.
    streams: bool,
}

#[test]
fn a_get_is_the_same_cut_anywhere_and_answered_when_its_head_is_whole() {
    let pairs = [
        pair("REQUEST_METHOD", "GET"),
        long_pair("SCRIPT_NAME", ""),
        pair("PATH_INFO", "/env"),
        pair("LONG", "l".repeat(130)),
    ]
    .concat();
    let params = stream(PARAMS, 513, &pairs, 70, 3);
    let head = [begin(513, false), params].concat();
    let stdin = padded(STDIN, 513, &[], 5);
    check(&Script {
        due: head.len() - 3,
        streams: false,
        bytes: [head, stdin].concat(),
    });
}

#[test]
fn a_post_is_the_same_cut_anywhere_and_answered_when_its_body_is_whole() {
    let ask = Ask::post("/count", "a body of some length")
        .records_of(9)
        .padding(2);
    let bytes = ask.bytes();
    check(&Script {
        due: bytes.len() - 2,
        streams: false,
        bytes,
    });
}

#[test]
fn an_answer_that_streams_is_the_same_cut_anywhere() {
    let ask = Ask::post("/echo", "a body of some length")
        .records_of(9)
        .padding(1);
    check(&Script {
        due: ask.head().len() - 1,
        streams: true,
        bytes: ask.bytes(),
    });
}

/// Two requests on one connection, what comes late of the first, and questions in between.
#[test]
fn a_kept_connection_is_the_same_cut_anywhere() {
    let question = padded(GET_VALUES, 0, &pair("FCGI_MPXS_CONNS", ""), 3);
    let unread = Ask::post("/noread", "never read")
        .keep()
        .id(7)
        .records_of(60);
    let read = Ask::post("/count", "read").id(7).records_of(100);
    let due = unread.head().len();
    let bytes = [
        unread.bytes(),
        padded(wire::ABORT_REQUEST, 7, b"late", 4),
        question,
        padded(77, 0, b"unknown", 1),
        read.bytes(),
    ]
    .concat();
    check(&Script {
        due,
        streams: false,
        bytes,
    });
}

fn check(script: &Script) {
    let testbed = Testbed::on_tcp(AT_ONCE);
    let whole = transcript(&mut Wire::after(testbed.address(), &script.bytes));
    assert!(whole.iter().any(|record| record.kind == END_REQUEST));
    let cuts: Vec<usize> = (0..=script.bytes.len()).collect();
    for cuts in cuts.chunks(AT_ONCE) {
        go_on(&testbed, script, cuts, &whole);
        close(&testbed, script, cuts, &whole);
    }
    let serving: Vec<Wire> = (0..AT_ONCE)
        .map(|_| Wire::after(testbed.address(), Ask::get("/hello").bytes()))
        .collect();
    for mut wire in serving {
        assert_eq!(wire.reply(1).page(), (200, "Hello, world!"));
    }
    let bad = |line: &String| line.contains("ERROR") || line.contains("panic");
    let lines = testbed.lines();
    assert!(!lines.iter().any(bad), "{lines:?}");
}

/// The first part, then the rest: the same answer.
fn go_on(testbed: &Testbed, script: &Script, cuts: &[usize], whole: &[Record]) {
    let mut wires = first_parts(testbed, script, cuts);
    for (wire, &cut) in wires.iter_mut().zip(cuts) {
        assert_eq!(wire.is_silent(), cut < script.due, "cut at {cut}");
        wire.write(&script.bytes[cut..]);
    }
    for (wire, cut) in wires.iter_mut().zip(cuts) {
        assert_eq!(transcript(wire), whole, "cut at {cut}");
    }
}

/// The first part, then the end: whole answers or none.
fn close(testbed: &Testbed, script: &Script, cuts: &[usize], whole: &[Record]) {
    let mut wires = first_parts(testbed, script, cuts);
    for (i, wire) in wires.iter_mut().enumerate() {
        // Every other one stays to see what comes.
        if i % 2 == 0 {
            wire.end();
        }
    }
    for (wire, &cut) in wires.iter_mut().zip(cuts).step_by(2) {
        let came = transcript(wire);
        if script.streams {
            // The head has left, the body may have. Without the end of STDIN nobody vouches for it.
            let ended = came.iter().any(|record| record.kind == END_REQUEST);
            assert!(!ended || came == whole, "cut at {cut}: {came:?}");
            continue;
        }
        assert!(whole.starts_with(&came), "cut at {cut}: {came:?}");
        let last = came.last().map(|record| record.kind);
        assert_ne!(last, Some(STDOUT), "cut at {cut}: half a page");
    }
}

/// Connections on which the first part was written, and read by a server that now waits.
fn first_parts(testbed: &Testbed, script: &Script, cuts: &[usize]) -> Vec<Wire> {
    let wires: Vec<Wire> = cuts
        .iter()
        .map(|&cut| Wire::after(testbed.address(), &script.bytes[..cut]))
        .collect();
    let ours = wires.iter().map(Wire::local_addr).collect();
    let start = Instant::now();
    while !(all_is_read(testbed.tcp(), &ours) && all_sleep(testbed)) {
        assert!(start.elapsed() < wire::PATIENCE, "the server does not wait");
        thread::sleep(Duration::from_millis(1));
    }
    wires
}

/// All that comes on a connection, with neighbouring pieces of STDOUT made one.
fn transcript(wire: &mut Wire) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    while let Some(record) = wire.record() {
        match records.last_mut() {
            Some(last)
                if (last.kind, record.kind) == (STDOUT, STDOUT) && !record.content.is_empty() =>
            {
                last.content.extend(record.content);
            }
            _ => records.push(record),
        }
    }
    records
}

fn all_sleep(testbed: &Testbed) -> bool {
    testbed.thread_states().iter().all(|&state| state == 'S')
}

/// Whether the kernel holds nothing of these connections that the server has not read: its receive queues.
fn all_is_read(server: SocketAddr, clients: &HashSet<SocketAddr>) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut found = HashSet::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, _, queues, ..] = columns[..] else {
            panic!("a line of /proc/net/tcp: {line}");
        };
        let remote = address(remote);
        if address(local) == server && clients.contains(&remote) {
            found.insert(remote);
            if !queues.ends_with(":00000000") {
                return false;
            }
        }
    }
    // The kernel writes the table while it changes, and a line may be missing or there twice.
    found.len() == clients.len()
}

/// `0100007F:1F90` is 127.0.0.1:8080, in the machine's order of bytes.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').expect("an address and a port");
    let ip = u32::from_str_radix(ip, 16).unwrap().to_ne_bytes();
    SocketAddr::from((ip, u16::from_str_radix(port, 16).unwrap()))
}
