//! Memory: what a server has of its own, idle and after work, and that it grows with nothing that is sent to it.

use crate::built::{ALL, built};
use crate::folder::Folder;
use crate::load::{BYTES, CLOSED, COUNTED, KEPT};
use crate::testbed::Testbed;
use crate::wire::{read_answer, record, request};
use crate::{alone, recorded, tools};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn memory_does_not_grow_with_a_body() {
    let _alone = alone();
    let folder = Folder::new();
    let server = Testbed::start(&folder, 4);
    let mut parameters = vec![("/count".to_owned(), BODY), (format!("/bytes?n={BODY}"), 0)];
    if let Ok(gib) = std::env::var("FIGURES_GIB") {
        let length = gib.parse::<usize>().unwrap() << 30;
        parameters.extend([
            ("/count".to_owned(), length),
            (format!("/bytes?n={length}"), 0),
        ]);
    }
    for (path, length) in parameters {
        server.exchange(
            &path.replace(&format!("n={BODY}"), "n=1000000"),
            length.min(1_000_000),
            || (),
        );
        let start = server.anonymous_kib();
        let mut most = start;
        server.exchange(&path, length, || most = most.max(server.anonymous_kib()));
        println!("figure: {path} with {length} bytes: {start} KiB anonymous, at most {most}");
        assert!(
            most - start <= 192,
            "{path}: grew from {start} to {most} KiB"
        );
    }
}

const BODY: usize = 64 << 20;

#[test]
fn an_idle_server_has_little_memory_of_its_own() {
    let _alone = alone();
    let folder = Folder::new();
    let server = Testbed::start(&folder, 4);
    server.exchange("/hello", 0, || ());
    // The pages of a new executable count as dirty until they are written back.
    assert!(Command::new("sync").status().unwrap().success());
    let dirty = server.figure("smaps_rollup", "Private_Dirty:");
    println!("figure: {dirty} KiB private dirty, idle, 4 workers");
    assert!(dirty <= 250, "{dirty} KiB");
}

/// As it is put on a web host. The goals are 5 MiB of address space, 1,250 KiB resident, 100 KiB of its own, 180 after work.
#[test]
fn a_static_server_has_as_little_memory_as_recorded() {
    let _alone = alone();
    let programs = Folder::new();
    let Some(path) = built("testbed", ALL, &programs) else {
        return;
    };
    let folder = Folder::new();
    let server = Testbed::start_program(&path, &folder, 4);
    let record = |what: &str, file, name| {
        server.wait_until_asleep();
        let kib = server.figure(file, name);
        recorded::compare(&format!("KiB {what}, static, 4 workers"), kib, 10);
    };
    KEPT.run(&server.socket, 1);
    record("of address space, idle", "status", "VmSize:");
    record("resident, idle", "smaps_rollup", "Rss:");
    record("private dirty, idle", "smaps_rollup", "Private_Dirty:");
    server.have_all_work(4);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (load, requests) in [(CLOSED, 200), (COUNTED, 20), (BYTES, 20)] {
                    load.run(&server.socket, requests);
                }
            });
        }
    });
    record("of address space, after work", "status", "VmSize:");
    record(
        "private dirty, after work",
        "smaps_rollup",
        "Private_Dirty:",
    );
}

/// Issue a request on each of 10,000 kept connections, before and again after eight others were busy.
#[test]
fn ten_thousand_parked_connections_cost_little_and_starve_nobody() {
    let _alone = alone();
    let folder = Folder::new();
    let server = Testbed::start(&folder, 4);
    let parked = 10_000.min(raise_descriptors() - 100);
    if parked < 10_000 {
        tools::skip(&format!(
            "10,000 parked, since the hard limit of open files allows {parked}"
        ));
    }
    let hello = request("/hello", b"");
    let ask = |stream: &mut UnixStream| {
        stream.write_all(&hello).unwrap();
        read_answer(stream, &mut [0; 4096])
    };
    let busy = |what: &str| {
        let until = Instant::now() + Duration::from_secs(2);
        let counts: Vec<u64> = std::thread::scope(|scope| {
            let busy: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut stream = UnixStream::connect(&server.socket).unwrap();
                        let mut count = 0;
                        while Instant::now() < until {
                            ask(&mut stream);
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            busy.into_iter().map(|busy| busy.join().unwrap()).collect()
        });
        let all: u64 = counts.iter().sum();
        println!(
            "figure: eight busy connections, {what}: {} requests a second",
            all / 2
        );
        assert!(
            counts.iter().all(|&count| count > all / 80),
            "{what}: {counts:?}"
        );
    };
    busy("none parked");
    let before = server.anonymous_kib();
    let mut streams: Vec<UnixStream> = (0..parked)
        .map(|_| UnixStream::connect(&server.socket).unwrap())
        .collect();
    for stream in &mut streams {
        assert!(ask(stream) > 0);
    }
    let each = (server.anonymous_kib() - before) * 1024 / parked as u64;
    println!("figure: {each} bytes of memory for a parked connection");
    busy("10,000 parked");
    for stream in &mut streams {
        assert!(ask(stream) > 0);
    }
    let private = server.anonymous_kib();
    println!("figure: {private} KiB of private memory with {parked} parked");
    assert!(each <= 512, "{each} bytes");
    assert!(private <= 8 << 10, "{private} KiB");
}

/// A tenth of the requests is malformed, or cut. FIGURES_MIXED says how many there are.
#[test]
fn memory_does_not_grow_with_requests_good_or_bad() {
    let _alone = alone();
    let folder = Folder::new();
    let server = Testbed::start(&folder, 4);
    let total = std::env::var("FIGURES_MIXED").map_or(100_000, |n| n.parse().unwrap());
    let good = [
        request("/hello", b""),
        request("/count", &[b'b'; 3000]),
        request("/env?x=1", b""),
        request("/status?code=404", b""),
        request("/bytes?n=20000", b""),
    ];
    let bad = awkward(&good[1]);
    let connect = || UnixStream::connect(&server.socket).unwrap();
    let (mut stream, mut early) = (connect(), 0);
    for i in 0..total {
        if i == 10_000 {
            early = server.resident_kib();
        }
        if i % 10 == 9 {
            let mut stream = connect();
            // What is refused may be closed before all of it was written.
            let _ = stream.write_all(&bad[i / 10 % bad.len()]);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        } else {
            stream.write_all(&good[i % good.len()]).unwrap();
            assert!(read_answer(&mut stream, &mut [0; 4096]) > 0);
        }
        if i % 1000 == 0 {
            stream = connect();
        }
    }
    let late = server.resident_kib();
    println!("figure: {early} KiB resident after 10,000 mixed requests, {late} after {total}");
    assert!(late <= early + 128, "from {early} to {late} KiB");
}

/// Requests that no web server sends, and some that are cut.
fn awkward(good: &[u8]) -> Vec<Vec<u8>> {
    let begin = |role: u8| record(1, &[0, role, 1, 0, 0, 0, 0, 0]);
    vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0xff; 300],
        good[..11].to_vec(),
        good[..60].to_vec(),
        good[..good.len() - 2000].to_vec(),
        [
            &begin(1),
            &record(4, b"\xff\xff\xff\xff\xff\xff\xff\xff")[..],
            &record(4, b""),
        ]
        .concat(),
        [begin(1), record(5, b"too early")].concat(),
        [begin(9), record(4, b""), record(5, b"")].concat(),
        [begin(1), begin(1)].concat(),
        [begin(1), record(4, b""), record(5, b"")].concat(),
        [&good[..good.len() - 1000], &record(2, b"")].concat(),
        [
            begin(1),
            record(4, &[0; 60_000]),
            record(4, b""),
            record(5, b""),
        ]
        .concat(),
        record(9, &[7; 5000]),
    ]
}

/// Allows this process as many descriptors as may be allowed, and says how many.
fn raise_descriptors() -> usize {
    let pid = std::process::id().to_string();
    let hard = Command::new("prlimit")
        .args([
            "--pid",
            &pid,
            "--nofile",
            "--output",
            "HARD",
            "--noheadings",
        ])
        .output()
        .unwrap();
    let hard = String::from_utf8(hard.stdout).unwrap();
    let hard = hard.trim().parse().unwrap_or(1 << 20);
    let limit = format!("--nofile={hard}:{hard}");
    let raised = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(raised.unwrap().success());
    hard
}

/// Of a small host's `RLIMIT_AS` the most is the application's. glibc's heaps for each thread would be 64 MiB a worker.
#[test]
fn a_static_program_has_little_address_space() {
    let _alone = alone();
    let programs = Folder::new();
    let Some(path) = built("testbed", ALL, &programs) else {
        return;
    };
    for (workers, most) in [(4, 8 << 10), (8, 12 << 10)] {
        let folder = Folder::new();
        let server = Testbed::start_program(&path, &folder, workers);
        let idle = server.figure("status", "VmSize:");
        server.have_all_work(workers);
        for _ in 0..1000 {
            let mut stream = UnixStream::connect(&server.socket).unwrap();
            stream.write_all(&request("/hello", b"")).unwrap();
            assert!(read_answer(&mut stream, &mut [0; 4096]) > 0);
        }
        let busy = server.figure("status", "VmSize:");
        println!(
            "figure: {idle} KiB of address space, idle, {workers} workers, static; {busy} after 1,000 requests"
        );
        assert!(idle <= most && busy <= most, "{idle} and {busy} KiB");
    }
}
