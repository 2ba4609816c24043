//! Forms and uploads as a web server passes them on: what is wrong with them is the visitor's answer and one line in the
//! log, and what is large costs no memory.

use crate::served::{Folder, poll};
use crate::testbed::{Testbed, command_of, example};
use crate::wire::{Ask, STDIN, record};
use fcgi::Address;
use fcgi::testing::request;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=x";
const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";

fn post(target: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(target, body).param("CONTENT_TYPE", content_type)
}

/// So many fields of one byte.
fn fields(content_type: &str, count: usize) -> String {
    match content_type {
        URLENCODED => "a=1&".repeat(count),
        _ => format!("--x\r\n{NAMED}\r\n\r\n1\r\n").repeat(count) + "--x--\r\n",
    }
}

#[test]
fn forms_come_whole_and_in_parts() {
    let testbed = Testbed::listening(1);
    let reply = testbed.ask(&post("/form?q=1&a=%C3%A9", URLENCODED, "a=b+c&d=%26"));
    let expected = "query q=1\nquery a=\u{e9}\nfield a=b c\nfield d=&\n";
    assert_eq!(reply.page(), (200, expected));

    let file = "Content-Disposition: form-data; name=f; filename=\"\u{732b}.txt\"\r\nContent-Type: text/plain";
    let body = format!("--x\r\n{NAMED}\r\n\r\n\u{e9}\r\n--x\r\n{file}\r\n\r\nab\r\n--x--\r\n");
    for size in [1, 7, 65_535] {
        let whole = testbed.ask(&post("/form", MULTIPART, body.as_str()).records_of(size));
        assert_eq!(
            whole.page(),
            (200, "field a=\u{e9}\nfile f=\u{732b}.txt:2:195\n")
        );
        let parts = testbed.ask(&post("/parts", MULTIPART, body.as_str()).records_of(size));
        assert_eq!(
            parts.page(),
            (200, "part a=-:2:364\npart f=\u{732b}.txt:2:195\n")
        );
    }
    for ask in [
        Ask::get("/form?a=b"),
        post("/form?a=b", "application/json", ""),
    ] {
        assert_eq!(testbed.ask(&ask).page(), (200, "query a=b\n"));
    }
    assert_eq!(testbed.line("listening on"), testbed.lines().concat());
}

#[test]
fn what_is_wrong_with_a_form_is_its_answer_and_one_line() {
    let part = |content: &str| format!("--x\r\n{NAMED}\r\n\r\n{content}");
    let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    let table: [(&str, &str, Vec<u8>, u16, &str); 19] = [
        (
            "/form",
            URLENCODED,
            "a=%zz".into(),
            400,
            "a % without two hexadecimal digits",
        ),
        (
            "/form",
            URLENCODED,
            "a=%e".into(),
            400,
            "a % without two hexadecimal digits",
        ),
        (
            "/form",
            URLENCODED,
            latin("a=\u{e9}"),
            400,
            "it is not UTF-8",
        ),
        ("/form", URLENCODED, latin("%e9=a"), 400, "it is not UTF-8"),
        (
            "/form",
            URLENCODED,
            fields(URLENCODED, 10_000).into(),
            413,
            "more than 1000 fields (max_fields)",
        ),
        (
            "/form",
            MULTIPART,
            fields(MULTIPART, 10_000).into(),
            413,
            "more than 1000 fields (max_fields)",
        ),
        (
            "/parts",
            MULTIPART,
            fields(MULTIPART, 10_000).into(),
            413,
            "more than 1000 parts (max_parts)",
        ),
        (
            "/form",
            URLENCODED,
            vec![b'a'; 300 << 10],
            413,
            "a field of more than 262144 bytes (max_field): \"aaaa",
        ),
        (
            "/form",
            URLENCODED,
            vec![b'a'; (2 << 20) + 1],
            413,
            "more than 2097152 bytes (max_body)",
        ),
        (
            "/form",
            MULTIPART,
            part("no end").into(),
            400,
            "it ends before its last boundary",
        ),
        (
            "/parts",
            MULTIPART,
            part("no end\r\n--x").into(),
            400,
            "it ends before its last boundary",
        ),
        (
            "/parts",
            MULTIPART,
            part("\r\n--y--").into(),
            400,
            "it ends before its last boundary",
        ),
        (
            "/parts",
            MULTIPART,
            "a=b".into(),
            400,
            "it ends before its last boundary",
        ),
        (
            "/parts",
            MULTIPART,
            format!("--x\r\n{NAMED}").into(),
            400,
            "it ends before its last boundary",
        ),
        (
            "/parts",
            MULTIPART,
            latin("--x\r\nContent-Disposition: form-data; name=\"\u{e9}\"\r\n\r\n\r\n--x--"),
            400,
            "a field's name is not UTF-8",
        ),
        (
            "/form",
            MULTIPART,
            latin(&part("\u{e9}\r\n--x--")),
            400,
            "the field \"a\" of the form is not UTF-8",
        ),
        (
            "/form",
            "multipart/form-data",
            part("\r\n--x--").into(),
            400,
            "names no boundary",
        ),
        (
            "/form",
            "application/json",
            "{}".into(),
            415,
            "the body is no form but \"application/json\"",
        ),
        (
            "/parts",
            URLENCODED,
            "a=b".into(),
            415,
            "enctype=\"multipart/form-data\" is missing in the page",
        ),
    ];
    let testbed = Testbed::listening(1);
    testbed.line("listening on");
    for (target, content_type, body, status, words) in table {
        let before = testbed.lines().len();
        let shown = format!(
            "{target} {content_type} {}",
            body[..body.len().min(60)].escape_ascii()
        );
        let reply = testbed.ask(&post(target, content_type, body));
        assert_eq!(reply.page().0, status, "{shown}");
        testbed.assert_serves();
        poll("the line", || testbed.lines().len() > before);
        let lines = &testbed.lines()[before..];
        assert!(
            lines.len() == 1 && lines[0].contains(words),
            "{shown}: {lines:?}"
        );
    }
}

/// The limit that can be set is the one that is named, and a name is told by its beginning: it may have 8 KiB.
#[test]
fn a_long_name_is_not_told_whole_and_cannot_write_lines() {
    let testbed = Testbed::listening(1);
    testbed.line("listening on");
    let name = format!("\x1b[31m%0a2026 INFO forged\t{}", "n".repeat(7000));
    let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    let large = "v".repeat(256 << 10);
    for (target, content_type, body, words) in [
        (
            "/form",
            MULTIPART,
            format!("{head}{large}\r\n--x--"),
            "(max_field): \"\\u{1b}[31m\\n2026",
        ),
        (
            "/form",
            URLENCODED,
            format!("{name}={large}"),
            "(max_field): \"\\u{1b}[31m\\n2026",
        ),
    ] {
        let before = testbed.lines().len();
        assert_eq!(testbed.ask(&post(target, content_type, body)).page().0, 413);
        poll("the line", || testbed.lines().len() > before);
        let lines = &testbed.lines()[before..];
        assert!(
            lines.len() == 1 && lines[0].contains(words) && lines[0].len() < 400,
            "{lines:?}"
        );
    }
    for (body, content_type, status) in [
        (
            [head.as_bytes(), b"\xff\r\n--x--"].concat(),
            MULTIPART.to_owned(),
            400,
        ),
        (b"{}".into(), format!("text/{}", "n".repeat(7000)), 415),
    ] {
        let before = testbed.lines().len();
        let reply = testbed.ask(&post("/form", &content_type, body));
        assert_eq!(reply.page().0, status);
        poll("the line", || testbed.lines().len() > before);
        let lines = &testbed.lines()[before..];
        assert!(lines.len() == 1 && lines[0].len() < 400, "{lines:?}");
    }
}

#[test]
fn an_empty_body_that_was_read_is_no_error() {
    let answer = request("GET", "/?a=b").call(|req, res| {
        std::io::copy(req.body(), &mut std::io::sink())?;
        let (first, second) = (req.form()?, req.form()?);
        assert_eq!(first.get("a"), second.get("a"));
        res.send(first.get("a").unwrap_or("none"))
    });
    assert_eq!((answer.status(), answer.text()), (200, "b"));
    let answer = request("POST", "/").form(&[("a", "b")]).call(|req, res| {
        req.form()?;
        req.form()?;
        res.send("twice")
    });
    assert_eq!(answer.status(), 500);
}

/// A small host's `RLIMIT_AS`. What there is no memory for is answered, and the process goes on.
#[test]
fn forms_where_memory_is_short_are_503_and_end_no_process() {
    let mut limited = command_of("prlimit");
    limited.arg("--as=33554432").arg(example("testbed"));
    let testbed = serving_with(limited, 4);
    // What is escaped and has blanks was copied once for each of both.
    let body = format!("a=+%41{}", "a".repeat((2 << 20) - 6));
    let ask = post("/form", URLENCODED, body);
    let seen: Vec<u16> = thread::scope(|scope| {
        let four = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut seen = [0; 10];
                seen.fill_with(|| testbed.ask(&ask).page().0);
                seen
            })
        });
        four.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        seen.iter().all(|status| [413, 503].contains(status)),
        "{seen:?}"
    );
    testbed.assert_serves();
}

#[test]
fn a_boundary_within_a_part_is_content_unless_it_is_the_whole_line() {
    let testbed = Testbed::listening(1);
    let inner = format!("--xx\r\n{NAMED}\r\n\r\n1\r\n--xx--");
    let body = format!("--x\r\n{NAMED}\r\n\r\n{inner}\r\n--x--");
    let expected = format!("field a={}\n", inner.replace("\r\n", r"\r\n"));
    assert_eq!(
        testbed.ask(&post("/form", MULTIPART, body)).page(),
        (200, &*expected)
    );
}

/// A web server may say anything, or nothing; only the end of STDIN ends a body.
#[test]
fn a_content_length_that_lies_or_is_absurd_is_no_length() {
    let testbed = Testbed::listening(1);
    for (target, content_type, body, expected) in [
        ("/form", URLENCODED, "a=b".to_owned(), "field a=b\n"),
        ("/parts", MULTIPART, fields(MULTIPART, 1), "part a=-:1:49\n"),
    ] {
        for length in [
            "",
            "0",
            "1",
            "4",
            "-1",
            "x",
            "1000000",
            "99999999999999999999999999",
            "\u{e9}",
        ] {
            let ask = post(target, content_type, body.as_str()).param("CONTENT_LENGTH", length);
            assert_eq!(testbed.ask(&ask).page(), (200, expected), "{length}");
        }
    }
    // This one is believed: it is more than would be read.
    let ask = post("/form", URLENCODED, "a=b").param("CONTENT_LENGTH", "2097153");
    assert_eq!(testbed.ask(&ask).page().0, 413);
}

/// A GiB each, as far as it is taken: sent until the answer comes.
#[test]
fn what_is_endless_is_refused_in_little_memory() {
    let testbed = Testbed::listening(1);
    testbed.ask(&post("/form", MULTIPART, fields(MULTIPART, 900)));
    let at_rest = private_kib(testbed.pid());
    let head = format!("--x\r\n{NAMED}\r\n\r\n");
    for (target, content_type, begin, status) in [
        ("/form", URLENCODED, "a=".to_owned(), 413),
        ("/form", URLENCODED, "".into(), 413),
        ("/form", MULTIPART, head.clone(), 413),
        (
            "/form",
            MULTIPART,
            "--x\r\nContent-Disposition: form-data; name=\"".into(),
            413,
        ),
        (
            "/parts",
            MULTIPART,
            "--x\r\nContent-Disposition: form-data; name=\"".into(),
            413,
        ),
        ("/parts", MULTIPART, "".into(), 400),
    ] {
        let ask = Ask::new("POST", target).param("CONTENT_TYPE", content_type);
        let mut wire = testbed.connect();
        wire.write(ask.head());
        wire.write(record(STDIN, 1, format!("{begin}a").as_bytes()));
        let (mut reading, mut writing) = wire.split();
        let endless = record(STDIN, 1, &[b'a'; 65_528]);
        // What is too much is taken from the web server for a while, and thrown away: else it would not see the answer.
        let writer = thread::spawn(move || {
            (0..1 << 14).all(|_| writing.try_write(&endless).is_ok());
        });
        assert_eq!(reading.reply(1).page().0, status, "{target} {begin:?}");
        drop(reading);
        writer.join().unwrap();
        let grown = private_kib(testbed.pid()).saturating_sub(at_rest);
        assert!(grown < 6 << 10, "{target} {begin:?}: {grown} KiB more");
    }
}

/// As nginx passes on, without gathering it, what a visitor sends in single bytes.
#[test]
fn lines_above_a_part_take_no_longer_than_its_content_however_they_come() {
    let testbed = Testbed::listening(1);
    let time = |body: String| {
        let ask = post("/parts", MULTIPART, body).records_of(1);
        let began = Instant::now();
        assert_eq!(testbed.ask(&ask).page().0, 200);
        began.elapsed()
    };
    let head = format!("--x\r\n{NAMED}\r\nX: {}\r\n\r\n\r\n", "y".repeat(8000));
    let content = "y".repeat(80_000);
    let mut taken = Vec::new();
    // What the machine does meanwhile only adds to it.
    let is_linear = (0..10).any(|_| {
        let above = time(head.repeat(10) + "--x--");
        let within = time(format!("--x\r\n{NAMED}\r\n\r\n{content}\r\n--x--"));
        taken.push((above, within));
        above < within * 6
    });
    assert!(is_linear, "{taken:?}");
}

#[test]
fn a_part_of_any_size_takes_no_memory() {
    let testbed = Testbed::listening(1);
    let folder = Folder::new();
    let target = format!("/save?dir={}", folder.path().display());
    let upload = |mib: usize| {
        let mut wire = testbed.connect();
        let ask = Ask::new("POST", &target).param("CONTENT_TYPE", MULTIPART);
        wire.write(ask.head());
        wire.write(record(
            STDIN,
            1,
            format!("--x\r\n{NAMED}\r\n\r\n").as_bytes(),
        ));
        let piece = record(STDIN, 1, &[b'a'; 1 << 15]);
        for _ in 0..mib << 5 {
            wire.write(&piece);
        }
        wire.write(record(STDIN, 1, b"\r\n--x--\r\n"));
        wire.write(record(STDIN, 1, b""));
        let expected = format!("saved {}\n", mib << 20);
        assert_eq!(wire.reply(1).page(), (200, &*expected));
        // Its buffers are given back behind the answer, when it goes to sleep.
        poll("the worker to sleep", || {
            testbed.thread_states().iter().all(|state| *state == 'S')
        });
        private_kib(testbed.pid())
    };
    let (small, large) = (upload(1), upload(100));
    assert!(large <= small + 128, "{small} KiB, then {large} KiB");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn an_upload_that_is_cut_leaves_nothing() {
    let testbed = Testbed::listening(1);
    let folder = Folder::new();
    let target = format!("/save?dir={}", folder.path().display());
    let mut wire = testbed.connect();
    wire.write(
        Ask::new("POST", &target)
            .param("CONTENT_TYPE", MULTIPART)
            .head(),
    );
    wire.write(record(
        STDIN,
        1,
        format!("--x\r\n{NAMED}\r\n\r\nhalf of it").as_bytes(),
    ));
    poll("the file", || !folder.names().is_empty());
    drop(wire);
    poll("its end", || folder.names().is_empty());
    testbed.assert_serves();
}

/// No destructor runs at the deadline of a stop: a large upload that a restart cuts would lie there for ever.
#[test]
fn an_upload_that_a_stop_cuts_leaves_nothing() {
    let folder = Folder::new();
    let testbed = Testbed::listening_with(&["--workers", "1", "--grace", "0.05"]);
    let target = format!("/save?dir={}", folder.path().display());
    let mut wire = testbed.connect();
    let ask = Ask::post(&target, "").param("CONTENT_TYPE", MULTIPART);
    wire.write(ask.head());
    wire.write(record(
        STDIN,
        1,
        format!("--x\r\n{NAMED}\r\n\r\nhalf of it").as_bytes(),
    ));
    poll("the file", || !folder.names().is_empty());
    testbed.signal("TERM");
    testbed.line("the time to stop is over");
    poll("its end", || folder.names().is_empty());
}

#[test]
fn a_full_disk_is_507_with_one_line_and_leaves_nothing() {
    let folder = Folder::new();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    // A file system of 256 KiB that nobody else sees.
    let script = format!(
        "mount -t tmpfs -o size=256k none {0} && exec \"$@\"",
        disk.display()
    );
    let mut unshare = command_of("unshare");
    unshare
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(&script)
        .arg("sh");
    if !is_allowed(&mut unshare) {
        // Past the capture of the test's output: a skip is to be seen.
        let _ = std::io::stderr().write_all(
            b"skipped: a full disk, for no file system can be mounted here (unshare --map-root-user --mount)\n",
        );
        return;
    }
    unshare.arg(example("testbed"));
    assert_full(serving(unshare), &disk);
}

/// What a quota of the host looks like that is set by `ulimit -f`.
#[test]
fn a_file_that_may_not_grow_is_507_as_well() {
    let folder = Folder::new();
    let mut limited = command_of("prlimit");
    limited.arg("--fsize=262144").arg(example("testbed"));
    assert_full(serving(limited), folder.path());
}

fn assert_full(testbed: Testbed, folder: &Path) {
    let target = format!("/save?dir={}", folder.display());
    let upload = |len: usize| {
        let body = format!("--x\r\n{NAMED}\r\n\r\n{}\r\n--x--", "a".repeat(len));
        testbed.ask(&post(&target, MULTIPART, body))
    };
    assert_eq!(upload(100 << 10).page(), (200, "saved 102400\n"));
    testbed.line("listening on");
    let before = testbed.lines().len();
    assert_eq!(upload(300 << 10).page().0, 507);
    poll("the line", || testbed.lines().len() > before);
    let lines = &testbed.lines()[before..];
    let is_said = lines[0].contains("cannot write for an upload in ");
    assert!(lines.len() == 1 && is_said, "{lines:?}");
    // There is room again: nothing of it was left.
    assert_eq!(upload(100 << 10).page(), (200, "saved 102400\n"));
}

fn serving(command: Command) -> Testbed {
    serving_with(command, 1)
}

fn serving_with(mut command: Command, workers: usize) -> Testbed {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let workers = workers.to_string();
    command.args(["--workers", &workers, "--listen", &address.to_string()]);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to listen", || {
        crate::wire::Wire::try_connect(testbed.address()).is_ok()
    });
    testbed
}

fn is_allowed(unshare: &mut Command) -> bool {
    let mut probe = Command::new(unshare.get_program());
    probe
        .args(unshare.get_args())
        .arg("true")
        .stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn private_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
