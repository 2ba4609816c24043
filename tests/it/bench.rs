//! `bench`, run by the testbed's own command line: against the testbed, whose status page counts with it, and against
//! applications that do wrong what can be done wrong.

use crate::served::{Folder, poll};
use crate::steady::steady;
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, END_REQUEST, STDOUT, record};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn bench(address: &str, arguments: &[&str]) -> Output {
    let mut command = testbed::command();
    command
        .args(["bench", "--connect", address])
        .args(arguments);
    command.stdout(Stdio::piped()).output().expect("it runs")
}

/// What a real parser makes of the json: a value by the names that lead to it.
struct Json(Vec<(String, String)>);

impl Json {
    #[track_caller]
    fn of(text: &[u8]) -> Json {
        let walk = "import json, sys\n\
                    def walk(name, value):\n\
                    \x20   if isinstance(value, dict):\n\
                    \x20       for key in value: walk(name + '/' + key, value[key])\n\
                    \x20   else: print(name[1:], value)\n\
                    walk('', json.load(sys.stdin))";
        let mut python = Command::new("python3")
            .args(["-c", walk])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is here");
        python.stdin.take().unwrap().write_all(text).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(text));
        let lines = String::from_utf8(output.stdout).unwrap();
        let pairs = lines.lines().filter_map(|line| line.split_once(' '));
        Json(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    #[track_caller]
    fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        &found
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
            .1
    }

    #[track_caller]
    fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap()
    }
}

/// Runs it to its json and its exit status.
#[track_caller]
fn figures(address: &str, arguments: &[&str]) -> (Json, i32) {
    let output = bench(address, &[&["--json"], arguments].concat());
    let code = output.status.code().expect("it ends by itself");
    (Json::of(&output.stdout), code)
}

/// An application of one's own: each connection but the first, on which nothing is asked, is given to `serve`.
fn application(serve: impl Fn(UnixStream) + Send + 'static) -> (Folder, String) {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().skip(1) {
            serve(stream.unwrap());
        }
    });
    (folder, format!("unix:{}", path.display()))
}

fn served(testbed: &Testbed) -> u64 {
    let reply = testbed.ask(&Ask::get("/status").param("REMOTE_ADDR", "127.0.0.1"));
    let (_, page) = reply.page();
    let line = page.lines().find_map(|line| line.strip_prefix("served: "));
    line.expect("a number").parse().unwrap()
}

#[test]
fn as_many_requests_as_asked_for_reach_the_application() {
    let testbed = Testbed::listening_with(&["--workers", "2", "--status", "/status"]);
    let address = testbed.address().to_string();
    for flags in [
        &[][..],
        &["-k"],
        &["-t", "2", "-c", "3"],
        &["-k", "-d", "body"],
    ] {
        let before = served(&testbed);
        let arguments = [&["-n", "301", "/hello"], flags].concat();
        let (json, code) = figures(&address, &arguments);
        assert_eq!((json.text("requests"), code), ("301", 0), "{flags:?}");
        poll("the last one to be counted", || {
            served(&testbed) >= before + 301
        });
        assert_eq!(served(&testbed), before + 301, "{flags:?}");
        assert_eq!(json.text("errors/all"), "0");
        assert_eq!(json.text("statuses/200"), "301");
        assert_eq!(json.text("reconnected"), "0");
    }
}

#[test]
fn requests_of_the_warm_up_are_asked_and_not_counted() {
    let testbed = Testbed::listening_with(&["--workers", "2", "--status", "/status"]);
    let address = testbed.address().to_string();
    let (json, code) = figures(&address, &["-n", "5", "--warm-up", "0.2", "/hello"]);
    assert_eq!((json.text("requests"), code), ("5", 0));
    assert!(served(&testbed) > 5);
}

#[test]
fn bodies_and_headers_arrive_whole() {
    let testbed = Testbed::listening(2);
    let address = testbed.address().to_string();
    let body = testbed.folder.path().join("body");
    std::fs::write(&body, vec![b'b'; 1_000_000]).unwrap();
    let data = format!("@{}", body.display());
    for flags in [&[][..], &["-k"]] {
        let (json, code) = figures(
            &address,
            &[&["-n", "20", "-d", &data, "/echo"], flags].concat(),
        );
        assert_eq!((json.text("requests"), code), ("20", 0));
        assert!(json.number("bytes_received") > 20_000_000.0);
        assert!(json.number("bytes_sent") > 20_000_000.0);
    }
    let (short, _) = figures(&address, &["-n", "1", "/env"]);
    let header = format!("X-Long: {}", "0123456789".repeat(10));
    let (long, _) = figures(&address, &["-n", "1", "-H", &header, "/env"]);
    let more = long.number("bytes_received") - short.number("bytes_received");
    // Padding may be less than before.
    let least = "HTTP_X_LONG=\n".len() + 100 - 7;
    assert!(more >= least as f64, "{more}");
}

#[test]
fn times_are_those_of_the_application() {
    steady(Duration::from_millis(100), || {
        let testbed = Testbed::listening(2);
        let address = testbed.address().to_string();
        let (json, _) = figures(&address, &["-n", "20", "-c", "2", "/sleep?ms=40"]);
        let [p50, p90, max] = ["p50", "p90", "max"].map(|name| json.number(&format!("ms/{name}")));
        assert!((39.6..400.0).contains(&p50), "{p50}");
        assert!(p50 <= p90 && p90 <= max, "{p50} {p90} {max}");
        let rate = json.number("requests_per_second");
        assert!((2.0..=50.0).contains(&rate), "two at a time: {rate}");
    });
}

#[test]
fn a_wrong_status_is_counted_by_its_number() {
    let testbed = Testbed::listening(2);
    let address = testbed.address().to_string();
    let (json, code) = figures(&address, &["-n", "9", "/status?code=503"]);
    assert_eq!((json.text("errors/status/503"), code), ("9", 1));
    assert_eq!((json.text("requests"), json.text("errors/all")), ("0", "9"));
    let (json, code) = figures(&address, &["-n", "9", "--status", "404", "/nowhere"]);
    assert_eq!((json.text("requests"), code), ("9", 0));
}

#[test]
fn a_cut_answer_is_one_in_any_place() {
    let testbed = Testbed::listening(2);
    let (json, code) = figures(&testbed.address().to_string(), &["-n", "6", "/panic-late"]);
    assert_eq!((json.text("errors/cut"), code), ("6", 1));
    let (_folder, address) = application(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    for flags in [&[][..], &["-k"]] {
        let (json, code) = figures(&address, &[&["-n", "6"], flags].concat());
        assert_eq!((json.text("errors/cut"), code), ("6", 1));
        assert_eq!(json.text("errors/all"), "6");
    }
}

#[test]
fn a_body_of_another_length_than_announced_is_cut() {
    let (_folder, address) = application(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let head = b"Content-Length: 9\r\n\r\nabc";
        let _ =
            stream.write_all(&[record(STDOUT, 1, head), record(END_REQUEST, 1, &[0; 8])].concat());
    });
    // The second time the head is not read anew.
    let (json, code) = figures(&address, &["-n", "6"]);
    assert_eq!((json.text("errors/cut"), code), ("6", 1));
    let example = json.text("examples/cut");
    assert_eq!(example, "Content-Length says 9 bytes, and the body has 3");
    let (json, code) = figures(&address, &["-n", "6", "-X", "HEAD"]);
    assert_eq!((json.text("requests"), code), ("6", 0));
}

#[test]
fn wrong_answers_are_answers() {
    steady(Duration::from_millis(100), || {
        let testbed = Testbed::listening(2);
        let arguments = ["-s", "0.3", "--warm-up", "0", "/nowhere"];
        let (json, code) = figures(&testbed.address().to_string(), &arguments);
        assert_eq!((json.text("warnings"), code), ("[]", 1));
        let (_folder, address) = application(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let (json, code) = figures(&address, &["-s", "0.3", "--warm-up", "0"]);
        assert_eq!((json.text("warnings"), code), ("[]", 1));
    });
}

/// Answers so many requests, one a connection.
fn answer(listener: &UnixListener, count: usize) {
    let head = record(STDOUT, 1, b"Content-Length: 2\r\n\r\nok");
    let answer = [head, record(END_REQUEST, 1, &[0; 8])].concat();
    for stream in listener.incoming().take(count).map_while(Result::ok) {
        stream.set_nonblocking(false).unwrap();
        let _ = (&stream).read(&mut [0; 4096]);
        let _ = (&stream).write_all(&answer);
    }
}

#[test]
fn an_application_that_is_started_again_is_asked_again() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let address = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    let (tell, told) = mpsc::channel();
    let application = thread::spawn(move || {
        // The first connection is to see whether somebody is there.
        answer(&listener, 101);
        // Nobody connects any more, and who has is answered: else the end of the listener resets one now and then.
        std::fs::remove_file(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        answer(&listener, 1000);
        drop(listener);
        let gone = Instant::now();
        // As long as a restart may take.
        thread::sleep(Duration::from_millis(100));
        let again = UnixListener::bind(&path).unwrap();
        let _ = tell.send(gone.elapsed());
        answer(&again, 300);
    });
    let (json, code) = figures(&address, &["-n", "350", "-c", "1", "--timeout", "10"]);
    assert_eq!(code, 1);
    let wrong = json.number("errors/connect");
    let most = told.recv().unwrap().as_secs_f64() * 100.0 + 20.0;
    assert!(
        (1.0..=most).contains(&wrong),
        "a hundred times a second: {wrong}"
    );
    assert_eq!(json.number("requests") + wrong, 350.0);
    assert_eq!(json.text("errors/all"), json.text("errors/connect"));
    drop(application);
}

#[test]
fn what_is_no_fastcgi_is_an_error_of_the_protocol() {
    let (_folder, address) = application(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let (json, code) = figures(&address, &["-n", "4"]);
    assert_eq!((json.text("errors/protocol"), code), ("4", 1));
    assert!(
        json.text("examples/protocol")
            .contains("that is not FastCGI")
    );
}

#[test]
fn an_application_that_never_answers_is_a_time_out() {
    let (_folder, address) = application(std::mem::forget);
    let (json, code) = figures(&address, &["-n", "4", "--timeout", "0.2"]);
    assert_eq!((json.text("errors/timeout"), code), ("4", 1));
    let (json, code) = figures(&address, &["-s", "0.2", "--warm-up", "0", "-c", "3"]);
    assert_eq!((json.text("unanswered"), code), ("3", 1));
    assert!(
        json.text("warnings")
            .contains("had no answer when the time was over")
    );
}

#[test]
fn an_application_that_goes_away_cannot_be_connected_to() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let first = thread::spawn(move || {
        let _probe = listener.accept().unwrap();
    });
    let address = format!("unix:{}", path.display());
    let (json, code) = figures(&address, &["-n", "3", "-c", "1", "--warm-up", "0.2"]);
    first.join().unwrap();
    assert_eq!((json.text("errors/connect"), code), ("3", 1));
    // And from the beginning.
    let output = bench(&address, &["-n", "3"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains(&format!("cannot connect to {address}: "))
            && told.contains("nobody listens there"),
        "{told}"
    );
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn a_closed_connection_that_was_to_be_kept_is_opened_again() {
    let answer = [
        &[1, 6, 0, 1, 0, 22, 0, 0][..],
        b"Status: 200 OK\r\nA: b\n\n",
        &[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let (_folder, address) = application(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&answer);
    });
    let (json, code) = figures(&address, &["-n", "8", "-c", "1", "-k"]);
    assert_eq!((json.text("requests"), code), ("8", 0));
    assert_eq!(json.text("reconnected"), "7");
}

#[test]
fn answers_that_differ_in_size_are_told() {
    let testbed = Testbed::listening(1);
    let address = testbed.address().to_string();
    let output = bench(&address, &["-n", "5", "/hello"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains("differ") && text.contains("errors: 0"),
        "{text}"
    );
    let (_folder, address) = application({
        let sizes = std::sync::atomic::AtomicU8::new(0);
        move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let size = sizes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut answer = vec![1, 6, 0, 1, 0, 6 + size, 0, 0];
            answer.extend(b"A: b\n\n");
            answer.resize(answer.len() + usize::from(size), b'x');
            answer.extend([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let _ = stream.write_all(&answer);
        }
    });
    let output = bench(&address, &["-n", "5"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("differ in size: their bodies have from 0 to 4 bytes"),
        "{text}"
    );
}

#[test]
fn idle_connections_are_asked_once_and_kept() {
    let testbed = Testbed::listening_with(&["--workers", "2", "--status", "/status"]);
    let address = testbed.address().to_string();
    for threads in ["1", "2", "9"] {
        let before = served(&testbed);
        let arguments = ["-n", "90", "-k", "--idle", "7", "-c", "9", "/hello"];
        let (json, code) = figures(&address, &[&arguments[..], &["-t", threads]].concat());
        assert_eq!((json.text("requests"), code), ("90", 0));
        assert_eq!(json.text("idle/kept"), "7");
        assert_eq!(json.text("starved"), "0");
        poll("all requests to be counted", || {
            served(&testbed) >= before + 97
        });
    }
}

#[test]
fn nobody_else_asks_before_the_idle_ones_are_answered() {
    let (events, told) = std::sync::mpsc::channel();
    let connections = std::sync::atomic::AtomicUsize::new(0);
    let (_folder, address) = application(move |mut stream| {
        let number = connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let events = events.clone();
        thread::spawn(move || {
            let head = record(STDOUT, 1, b"Content-Length: 2\r\n\r\nok");
            let answer = [head, record(END_REQUEST, 1, &[0; 8])].concat();
            while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                let _ = events.send((number, "asked"));
                if number < 3 {
                    // As long as an answer may take.
                    thread::sleep(Duration::from_millis(50));
                    let _ = events.send((number, "answered"));
                }
                let _ = stream.write_all(&answer);
            }
        });
    });
    let (json, code) = figures(&address, &["-n", "20", "-k", "-c", "2", "--idle", "3"]);
    assert_eq!(
        (json.text("requests"), json.text("idle/kept"), code),
        ("20", "3", 0)
    );
    let told: Vec<_> = told.try_iter().collect();
    let (idle, busy) = told.split_at(6);
    assert!(idle.iter().all(|&(number, _)| number < 3), "{told:?}");
    assert!(busy.iter().all(|&(number, _)| number >= 3), "{told:?}");
}

/// What libfcgi does: whoever has its connection and asks nothing has a worker.
#[test]
fn an_application_that_ties_its_worker_to_an_idle_connection_is_shown_to() {
    let (_folder, address) = application(|mut stream| {
        let head = record(STDOUT, 1, b"Content-Length: 2\r\n\r\nok");
        let answer = [head, record(END_REQUEST, 1, &[0; 8])].concat();
        while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
            let _ = stream.write_all(&answer);
        }
    });
    let arguments = ["-s", "0.2", "--warm-up=0", "-k", "-c", "3", "--timeout=0.3"];
    let (json, code) = figures(&address, &[&arguments[..], &["--idle", "2"]].concat());
    assert_eq!((json.text("requests"), code), ("0", 1));
    assert_eq!((json.text("idle/kept"), json.text("starved")), ("1", "3"));
    let warnings = json.text("warnings");
    assert!(warnings.contains("of 2 idle connections 1 were answered and kept"));
    // Without idle ones, one of three has the worker.
    let (json, _) = figures(&address, &arguments);
    assert_eq!(json.text("starved"), "2");
    let warnings = json.text("warnings");
    assert!(warnings.contains("2 of 3 connections had no answer at all, while others had"));
}

#[test]
fn a_body_that_is_not_the_expected_one_is_an_error() {
    let testbed = Testbed::listening(2);
    let address = testbed.address().to_string();
    let file = testbed.folder.path().join("expected");
    let expect = file.display().to_string();
    let bench = |body: &[u8], arguments: &[&str]| {
        std::fs::write(&file, body).unwrap();
        figures(
            &address,
            &[&["-n", "9", "--expect", &expect], arguments].concat(),
        )
    };
    let large = [b'x'; 300_000];
    for (body, target) in [
        (&b"Hello, world!"[..], "/hello"),
        (&large, "/bytes?n=300000"),
    ] {
        let (json, code) = bench(body, &[target]);
        assert_eq!((json.text("requests"), code), ("9", 0), "{target}");
        for wrong in [
            &body[1..],
            &[body, b"x"].concat(),
            &[b"y", &body[1..]].concat(),
        ] {
            let (json, code) = bench(wrong, &["-k", target]);
            assert_eq!((json.text("errors/body"), code), ("9", 1), "{target}");
            assert_eq!(json.text("errors/all"), "9");
        }
    }
    let (json, code) = bench(b"Hello, world!", &["-X", "HEAD", "/hello"]);
    assert_eq!((json.text("requests"), code), ("9", 0));
}

#[test]
fn only_the_params_that_were_given_are_sent() {
    let testbed = Testbed::listening(1);
    let params = "REQUEST_METHOD=GET\nREQUEST_URI=/env\nSCRIPT_NAME=\nX=y\n";
    let file = testbed.folder.path().join("expected");
    std::fs::write(&file, params).unwrap();
    let mut arguments = vec!["-n", "2", "--only-params", "--expect"];
    let expect = file.display().to_string();
    arguments.push(&expect);
    arguments.extend(params.lines().flat_map(|param| ["--param", param]));
    let (json, code) = figures(&testbed.address().to_string(), &arguments);
    assert_eq!((json.text("requests"), code), ("2", 0));
}

#[test]
fn an_interrupt_ends_it_with_the_figures_so_far() {
    let testbed = Testbed::listening_with(&["--workers", "2", "--status", "/status"]);
    let mut command = testbed::command();
    let address = testbed.address().to_string();
    command.args([
        "bench",
        "--json",
        "--connect",
        &address,
        "--warm-up=0",
        "-s",
        "600",
        "/hello",
    ]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    poll("some requests", || served(&testbed) > 10);
    testbed::signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json = Json::of(&output.stdout);
    assert!(json.number("requests") > 0.0 && json.number("seconds") < 600.0);
}

#[test]
fn a_wrong_command_line_is_one_sentence() {
    for (arguments, sentence) in [
        (
            &["--jsn"][..],
            "--jsn is no flag of bench; did you mean --json?",
        ),
        (
            &["--workers", "3"],
            "--workers is for serving and no flag of bench; leave it out, or write it into the settings file",
        ),
        (&["-c"], "-c needs a value; write -c N"),
        (
            &["--idle", "3"],
            "--idle: only kept connections can be idle; write --keep-conn, too",
        ),
        (
            &["-c", "0"],
            "--connections: \"0\" cannot be used; write a number from 1 to 64K",
        ),
        (
            &["hello"],
            "\"hello\" is no path, which begins with a slash; write /hello",
        ),
        (
            &["-H", "x"],
            "--header: \"x\" has no colon; write \"NAME: VALUE\"",
        ),
        (
            &["-d", "@/nowhere/x"],
            "cannot read \"/nowhere/x\" for the body: No such file or directory (os error 2); name a file that is there",
        ),
    ] {
        let output = bench("unix:/nowhere/s", arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.split_once(": ").unwrap().1.trim_end(), sentence);
        assert_eq!(output.status.code(), Some(2));
    }
}
