//! The command `serve` with curl in front, and behind it the testbed, php-fpm, a program of libfcgi, and applications that do
//! all wrong.

use crate::cli::{Home, Http, http};
use crate::get::{libfcgi, php_fpm, skip, start_libfcgi, start_php_fpm};
use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{Testbed, command};
use crate::wire::{END_REQUEST, PATIENCE, STDERR, STDOUT, record};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

/// A `serve` that runs.
struct Front {
    http: Http,
    _home: Home,
}

/// What curl got.
#[derive(Debug)]
struct Got {
    code: Option<i32>,
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Front {
    /// In front of whoever listens at `connect`, with these flags.
    #[track_caller]
    fn new(connect: &str, flags: &[&str]) -> Front {
        let home = Home::new();
        let arguments = [&["serve", "--connect", connect, "--http", "0"], flags].concat();
        let http = http(home.command(&arguments));
        Front { http, _home: home }
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.http.address)
    }

    /// Has curl ask, with this on its standard input.
    #[track_caller]
    fn curl_with(&self, target: &str, flags: &[&str], input: &[u8]) -> Got {
        let mut command = Command::new("curl");
        command
            .args(["-q", "-sS", "--noproxy", "*", "--max-time", "20", "-i"])
            .args(flags)
            .arg(self.url(target));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl is there");
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // It may not want all of it.
        let writing = thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("it ends");
        let _ = writing.join();
        Got::of(output)
    }

    #[track_caller]
    fn curl(&self, target: &str, flags: &[&str]) -> Got {
        self.curl_with(target, flags, b"")
    }

    /// Asserts that it goes on.
    #[track_caller]
    fn assert_serves(&self) {
        let got = self.curl("/hello", &[]);
        assert_eq!((got.status, got.text()), (200, "Hello, world!"), "{got:?}");
    }

    /// A browser's connection.
    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(&self.http.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    /// Waits for the one line of a request, and gives it without what stands in front and the time that it took.
    #[track_caller]
    fn request_line(&self, words: &str) -> String {
        let line = self.http.testbed.line(words);
        let (_, line) = line.split_once("] ").expect("a log line");
        let (front, rest) = line.split_once(" B ").expect(line);
        let (ms, rest) = rest.split_once(" ms").expect(line);
        ms.parse::<u32>().expect("a number");
        format!("{front} B{rest}")
    }
}

impl Got {
    fn of(output: Output) -> Got {
        let mut body = output.stdout;
        let mut head = String::new();
        // One head for each 100 Continue, and the last.
        while let Some(end) = body.windows(4).position(|four| four == b"\r\n\r\n")
            && body.starts_with(b"HTTP/1.1 ")
        {
            let rest = body.split_off(end + 4);
            head = String::from_utf8(body).expect("text");
            body = rest;
            if !head.starts_with("HTTP/1.1 100") {
                break;
            }
        }
        let status = head.get(9..12).and_then(|number| number.parse().ok());
        Got {
            code: output.status.code(),
            status: status.unwrap_or(0),
            head,
            body,
        }
    }

    #[track_caller]
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|found| found == line)
    }
}

/// An application that gives each request these bytes, read to its end or not, and then closes.
fn stub(answer: Vec<u8>) -> (Folder, String) {
    application(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&answer);
    })
}

fn application(serve: impl Fn(UnixStream) + Send + Sync + 'static) -> (Folder, String) {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        thread::scope(|scope| {
            for stream in listener.incoming().map_while(Result::ok) {
                scope.spawn(|| serve(stream));
            }
        });
    });
    (folder, format!("unix:{}", path.display()))
}

/// Until the end of its body.
fn read_request(stream: &mut UnixStream) {
    const STDIN_END: [u8; 8] = [1, 5, 0, 1, 0, 0, 0, 0];
    let (mut request, mut some) = (Vec::new(), [0; 4096]);
    while !request.ends_with(&STDIN_END) {
        match stream.read(&mut some) {
            Ok(n @ 1..) => request.extend_from_slice(&some[..n]),
            _ => return,
        }
    }
}

fn answer_of(stdout: &[u8], protocol_status: u8) -> Vec<u8> {
    let end = [0, 0, 0, 0, protocol_status, 0, 0, 0];
    [record(STDOUT, 1, stdout), record(END_REQUEST, 1, &end)].concat()
}

fn large() -> Vec<u8> {
    (0..10_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Reads up to this line.
#[track_caller]
fn read_until(browser: &mut BufReader<TcpStream>, wanted: &str) {
    let mut line = String::new();
    while line.trim_end() != wanted {
        line.clear();
        let n = browser.read_line(&mut line).expect(wanted);
        assert!(n > 0, "the answer ends before {wanted:?}");
    }
}

#[test]
fn any_application_is_asked_by_unix_and_tcp() {
    for testbed in [Testbed::listening(2), Testbed::on_tcp(2)] {
        let front = Front::new(&testbed.address().to_string(), &[]);
        front.assert_serves();
        assert_eq!(
            front.request_line(" GET /hello "),
            "INFO GET /hello 200 13 B"
        );
        let env = front.curl("/env?x=%20", &["-H", "X-One: two"]);
        for line in [
            "REQUEST_METHOD=GET",
            "REQUEST_URI=/env?x=%20",
            "QUERY_STRING=x=%20",
            "SCRIPT_NAME=",
            "PATH_INFO=/env",
            "HTTP_X_ONE=two",
            "SERVER_NAME=127.0.0.1",
            &format!("HTTP_HOST={}", front.http.address),
        ] {
            let lines: Vec<&str> = env.text().lines().collect();
            assert!(lines.contains(&line), "{line}: {lines:#?}");
        }
        let cookies = front.curl("/cookies", &["-H", "Cookie: c=3"]);
        assert_eq!(cookies.head.matches("Set-Cookie: ").count(), 2);
        assert_eq!(cookies.text(), "c=3");
        front.curl("/fail/a%20b?secret", &[]);
        let line = front.request_line(" /fail/");
        assert!(line.starts_with("INFO GET /fail/a%20b 500 "), "{line}");
    }
}

#[test]
fn a_browser_keeps_its_connection() {
    let testbed = Testbed::listening(2);
    let front = Front::new(&testbed.address().to_string(), &[]);
    let url = front.url("/echo");
    let flags = ["-d", "one", "-w", "|%{num_connects}|", &url];
    let got = front.curl("/chunks?n=2&ms=0", &flags);
    let all = [got.head.as_bytes(), &got.body].concat();
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text.matches("|1|").count(), 1, "{text}");
    assert_eq!(text.matches("|0|").count(), 1, "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}

#[test]
fn ten_mib_go_through_both_ways_stated_and_in_chunks() {
    let testbed = Testbed::on_tcp(2);
    let front = Front::new(&testbed.address().to_string(), &[]);
    let body = large();
    for flags in [&["--data-binary", "@-"][..], &["-X", "POST", "-T", "-"]] {
        let got = front.curl_with("/echo", flags, &body);
        assert_eq!((got.code, got.status), (Some(0), 200), "{flags:?}");
        assert!(got.body == body, "{flags:?}: {} bytes", got.body.len());
        let is_stated = flags[0] == "--data-binary";
        assert_eq!(got.has("X-Body-Length: 10485760"), is_stated, "{flags:?}");
    }
    let got = front.curl("/bytes?n=10485760", &["--http1.0"]);
    assert_eq!((got.code, got.body.len()), (Some(0), 10 << 20));
}

/// Nothing of it could be seen if a body had to be there whole.
#[test]
fn a_body_is_on_its_way_back_while_it_is_sent() {
    let (_folder, address) = application(|mut stream| {
        let (mut some, mut seen) = ([0; 4096], Vec::new());
        let _ = stream.write_all(&record(STDOUT, 1, b"A: b\n\n"));
        // Each mark that comes is answered by one line.
        while let Ok(n @ 1..) = stream.read(&mut some) {
            let before = seen.iter().filter(|&&byte| byte == b'!').count();
            seen.extend_from_slice(&some[..n]);
            let now = seen.iter().filter(|&&byte| byte == b'!').count();
            for number in before..now {
                let line = format!("mark {number}\n");
                let _ = stream.write_all(&record(STDOUT, 1, line.as_bytes()));
            }
        }
    });
    let front = Front::new(&address, &[]);
    let mut browser = front.connect();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    browser.get_mut().write_all(head.as_bytes()).unwrap();
    for number in 0..3 {
        browser.get_mut().write_all(b"1\r\n!\r\n").unwrap();
        read_until(&mut browser, &format!("mark {number}"));
    }
}

#[test]
fn events_come_one_by_one() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (_folder, address) = application(move |mut stream| {
        read_request(&mut stream);
        let wait = wait.lock().unwrap();
        let _ = stream.write_all(&record(
            STDOUT,
            1,
            b"Content-Type: text/event-stream\n\ndata: 0\n\n",
        ));
        for number in 1..4 {
            wait.recv().unwrap();
            let event = format!("data: {number}\n\n");
            let _ = stream.write_all(&record(STDOUT, 1, event.as_bytes()));
        }
        wait.recv().unwrap();
        let _ = stream.write_all(&record(END_REQUEST, 1, &[0; 8]));
    });
    let front = Front::new(&address, &[]);
    let mut browser = front.connect();
    let head = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n";
    browser.get_mut().write_all(head).unwrap();
    for number in 0..4 {
        read_until(&mut browser, &format!("data: {number}"));
        // The next one is made only now.
        go.send(()).unwrap();
    }
    read_until(&mut browser, "0");
    assert_eq!(
        front.request_line(" GET /events "),
        "INFO GET /events 200 36 B"
    );
}

/// Whatever the application writes: libfcgi's and PHP's write a body for a HEAD too.
#[test]
fn an_answer_without_a_body_has_none() {
    for (method, head, status) in [
        ("HEAD", "A: b", 200),
        ("HEAD", "Content-Length: 4", 200),
        ("GET", "Status: 204", 204),
        ("GET", "Status: 204\nContent-Length: 4", 204),
        ("GET", "Status: 304\nETag: \"x\"", 304),
        ("HEAD", "Status: 304", 304),
    ] {
        let answer = answer_of(format!("{head}\n\nbody").as_bytes(), 0);
        let (_folder, address) = stub(answer);
        let front = Front::new(&address, &[]);
        let mut browser = front.connect();
        let ask = format!("{method} / HTTP/1.1\r\nHost: a\r\n");
        let both = format!("{ask}\r\n{ask}Connection: close\r\n\r\n");
        browser.get_mut().write_all(both.as_bytes()).unwrap();
        let mut text = String::new();
        browser.read_to_string(&mut text).unwrap();
        // A byte too many would stand in front of the second.
        let answers: Vec<&str> = text.split("\r\n\r\n").collect();
        let [first, second, ""] = answers[..] else {
            panic!("{method} {head}: {text}");
        };
        for answer in [first, second] {
            let wanted = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&wanted), "{method} {head}: {text}");
        }
        let got = front.curl("/", if method == "HEAD" { &["-I"] } else { &[] });
        assert_eq!((got.code, got.status, got.text()), (Some(0), status, ""));
        let line = front.http.testbed.lines();
        assert!(line.iter().all(|line| line.contains(" 0 B ")), "{line:?}");
    }
}

#[test]
fn what_it_writes_to_stderr_is_shown_line_by_line() {
    let testbed = Testbed::listening(1);
    let front = Front::new(&testbed.address().to_string(), &[]);
    let got = front.curl("/stderr?msg=one%0Atwo%1B%C3%BC", &[]);
    assert_eq!((got.status, got.text()), (200, "ok"));
    front.http.testbed.line("WARN the application says: one");
    let line = front.http.testbed.line("says: two");
    assert!(line.ends_with("says: two\\u{1b}ü"), "{line}");
    // A line in pieces, the last of which has no end.
    let pieces = [record(STDERR, 1, b"three "), record(STDERR, 1, b"four")];
    let (_folder, address) = stub([&pieces.concat(), &answer_of(b"A: b\n\n", 0)[..]].concat());
    let front = Front::new(&address, &[]);
    front.curl("/", &[]);
    front.http.testbed.line("says: three four");
}

/// The page that an application in that state makes, and the log line of its request.
#[track_caller]
fn assert_page(front: &Front, status: u16, words: &str) {
    let got = front.curl("/x", &[]);
    assert_eq!((got.code, got.status), (Some(0), status), "{got:?}");
    let [_, "", sentence] = got.text().lines().collect::<Vec<_>>()[..] else {
        panic!("one sentence: {got:?}");
    };
    assert!(sentence.contains(words), "{sentence}");
    let line = front.request_line(&format!(" GET /x {status} "));
    assert!(line.contains(words), "{line}");
    let head = front.curl("/head", &["-I"]);
    assert_eq!((head.status, head.text()), (status, ""), "{head:?}");
}

#[test]
fn an_application_that_is_not_there_is_a_502_until_it_is() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let address = format!("unix:{}", path.display());
    let new = || Front::new(&address, &[]);
    assert_page(&new(), 502, "is the application running");
    let listener = UnixListener::bind(&path).unwrap();
    drop(listener);
    let front = new();
    assert_page(&front, 502, "nobody listens there: start the application");
    fs::remove_file(&path).unwrap();
    let mut command = command();
    command.args(["--listen", &address]);
    let address = fcgi::Address::Unix(path);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to listen", || {
        testbed.try_ask("/hello").is_some()
    });
    front.assert_serves();
    let port = Port::new();
    let address = port.address().to_string();
    assert_page(&Front::new(&address, &[]), 502, "nobody listens");
}

#[test]
fn a_silent_application_is_a_504() {
    let (_folder, address) = application(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let flags = ["--timeout", "0.2"];
    let front = Front::new(&address, &flags);
    assert_page(&front, 504, "nothing came from the application for 200ms");
    // Not even accepted: that is all that can be seen of workers who are all busy.
    let folder = Folder::new();
    let path = folder.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let front = Front::new(&format!("unix:{}", path.display()), &flags);
    assert_page(&front, 504, "nothing came from the application for 200ms");
}

#[test]
fn what_is_no_answer_is_a_502_that_says_why() {
    for (answer, words) in [
        (Vec::new(), "before END_REQUEST"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "that is not FastCGI",
        ),
        (vec![0xff; 100], "that is not FastCGI"),
        (answer_of(b"<html>\n\n", 0), "without a colon"),
        (answer_of(b"A: b\n", 0), "without a whole head"),
        (answer_of(b"", 2), "it is overloaded"),
        (answer_of(b"", 3), "it does not have the role"),
    ] {
        let (_folder, address) = stub(answer);
        assert_page(&Front::new(&address, &[]), 502, words);
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_whole_one() {
    let cut = |stdout: &[u8]| record(STDOUT, 1, stdout);
    for (answer, flags, code) in [
        (cut(b"A: b\n\npart"), &[][..], 18),
        (cut(b"Content-Length: 9\n\npart"), &[], 18),
        (answer_of(b"Content-Length: 9\n\npart", 0), &[], 18),
        // A reset, where the end of the connection would be that of the answer.
        (cut(b"A: b\n\npart"), &["--http1.0"], 56),
    ] {
        let (_folder, address) = stub(answer);
        let front = Front::new(&address, &[]);
        let got = front.curl("/", flags);
        assert_eq!(got.code, Some(code), "{got:?}");
        let line = front.request_line(" GET / 200 4 B ");
        assert!(line.contains(", cut: the application "), "{line}");
        // Once more, from the start.
        assert_ne!(front.curl("/", flags).code, Some(0));
    }
}

#[test]
fn it_outlives_an_application_that_is_killed_and_started_anew() {
    let mut testbed = Testbed::listening(2);
    let (address, path) = match testbed.address() {
        fcgi::Address::Unix(path) => (testbed.address().to_string(), path.clone()),
        other => panic!("{other}"),
    };
    let front = Front::new(&address, &[]);
    let mut browser = front.connect();
    let head = b"GET /chunks?n=100000&ms=10 HTTP/1.1\r\nHost: a\r\n\r\n";
    browser.get_mut().write_all(head).unwrap();
    read_until(&mut browser, "chunk 0");
    testbed.signal("KILL");
    testbed.wait();
    let mut rest = String::new();
    browser.read_to_string(&mut rest).unwrap();
    assert!(!rest.ends_with("0\r\n\r\n"), "as if it were whole: {rest}");
    let line = front.request_line(" GET /chunks 200 ");
    assert!(line.contains(", cut: the application "), "{line}");
    assert_page(&front, 502, "nobody listens there");
    let mut command = command();
    command.args(["--listen", &address]);
    let address = fcgi::Address::Unix(path);
    let again = Testbed::spawn(command, address, Folder::new());
    poll("the testbed to listen", || {
        again.try_ask("/hello").is_some()
    });
    front.assert_serves();
}

#[test]
fn a_browser_that_leaves_is_not_worked_for() {
    let (gone, wait) = channel();
    let gone = std::sync::Mutex::new(gone);
    let (_folder, address) = application(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&record(STDOUT, 1, b"A: b\n\nhello\n"));
        // Only its end ends this.
        let _ = stream.read_to_end(&mut Vec::new());
        let _ = gone.lock().unwrap().send(());
    });
    let front = Front::new(&address, &[]);
    let mut browser = front.connect();
    let head = b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
    browser.get_mut().write_all(head).unwrap();
    read_until(&mut browser, "hello");
    drop(browser);
    wait.recv_timeout(PATIENCE).expect("it was told");
    assert_eq!(
        front.request_line(" GET /long "),
        "INFO GET /long 200 6 B, the browser has gone"
    );
}

#[test]
fn twenty_are_answered_at_once() {
    // Nobody is answered before all are there.
    let all = std::sync::Barrier::new(20);
    let (_folder, address) = application(move |mut stream| {
        read_request(&mut stream);
        all.wait();
        let _ = stream.write_all(&answer_of(b"A: b\n\ntogether", 0));
    });
    let front = Front::new(&address, &["--timeout", "10"]);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..20)
            .map(|number| {
                let front = &front;
                scope.spawn(move || front.curl(&format!("/{number}"), &[]))
            })
            .collect();
        for got in asking {
            let got = got.join().unwrap();
            assert_eq!((got.status, got.text()), (200, "together"), "{got:?}");
        }
    });
}

#[test]
fn it_ends_with_0_when_asked_whatever_runs() {
    let testbed = Testbed::listening(4);
    let address = testbed.address().to_string();
    let ask = |front: &Front, target: &str| {
        let mut browser = front.connect();
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        browser.get_mut().write_all(head.as_bytes()).unwrap();
        read_until(&mut browser, "chunk 0");
        browser
    };
    for (name, target, is_cut) in [
        ("INT", "/chunks?n=2&ms=300", false),
        ("TERM", "/chunks?n=100000&ms=10", true),
    ] {
        let mut front = Front::new(&address, &[]);
        front.assert_serves();
        let mut browser = ask(&front, target);
        let since = Instant::now();
        front.http.testbed.signal(name);
        let mut rest = String::new();
        let _ = browser.read_to_string(&mut rest);
        assert_eq!(rest.ends_with("0\r\n\r\n"), !is_cut, "{rest}");
        let (_, status) = front.http.testbed.wait();
        assert_eq!(status.code(), Some(0), "{name}");
        assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
        let lines = front.http.testbed.last_lines();
        let told = lines.iter().any(|line| line.contains("still ran"));
        assert_eq!(told, is_cut, "{lines:#?}");
    }
}

#[test]
fn php_fpm_has_one_script_or_a_folder_of_them() {
    let Some(program) = php_fpm() else {
        return skip("php-fpm");
    };
    let folder = Folder::new();
    let page = "<?php error_log('seen'); echo $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '-', ' ',\n\
                $_SERVER['DOCUMENT_ROOT'], ' ', $_GET['x'] ?? '-', ' ', strlen(file_get_contents('php://input'));";
    fs::create_dir(folder.path().join("blog")).unwrap();
    for name in ["index.php", "a.php", "blog/index.php"] {
        fs::write(folder.path().join(name), page).unwrap();
    }
    let _running = start_php_fpm(&program, folder.path());
    let root = folder.path().to_str().unwrap();
    let address = format!("unix:{root}/s");
    let script = format!("{root}/index.php");
    let front = Front::new(&address, &["--script-filename", &script]);
    for (target, wanted) in [
        ("/", "/index.php - "),
        ("/news", "/index.php - "),
        ("/a.php", "/index.php - "),
        ("/index.php/b%20c", "/index.php /b c "),
    ] {
        let body = vec![b'b'; 100_000];
        let got = front.curl_with(&format!("{target}?x=1"), &["--data-binary", "@-"], &body);
        let wanted = format!("{wanted}{root} 1 100000");
        assert_eq!((got.status, got.text()), (200, &*wanted), "{got:?}");
        assert!(got.head.contains("\r\nX-Powered-By: PHP"), "{got:?}");
    }
    let says = "WARN the application says: PHP message: seen";
    poll("stderr", || {
        let lines = front.http.testbed.lines();
        lines.iter().filter(|line| line.ends_with(says)).count() == 4
    });
    let front = Front::new(&address, &["--root", root]);
    for (target, wanted) in [
        ("/", "/index.php - "),
        ("/news", "/index.php - "),
        ("/a.php", "/a.php - "),
        ("/a.php/b", "/a.php /b "),
        ("/blog/", "/blog/index.php - "),
        ("/blog", "/blog/index.php - "),
    ] {
        let got = front.curl(target, &[]);
        let wanted = format!("{wanted}{root} - 0");
        assert_eq!((got.status, got.text()), (200, &*wanted), "{got:?}");
    }
    let gone = front.curl("/gone.php", &[]);
    assert_eq!(gone.status, 404, "{gone:?}");
    front.http.testbed.line("says: Primary script unknown");
}

#[test]
fn a_program_of_libfcgi_is_served() {
    let folder = Folder::new();
    let Some(program) = libfcgi(folder.path()) else {
        return skip("libfcgi (libfcgi-dev and a C compiler)");
    };
    let (_running, address) = start_libfcgi(&program, folder.path());
    let front = Front::new(&address, &[]);
    let body = large();
    let wanted = [b"POST:", &body[..]].concat();
    for flags in [&["--data-binary", "@-"][..], &["-X", "POST", "-T", "-"]] {
        let got = front.curl_with("/a?7", flags, &body);
        assert_eq!((got.code, got.status), (Some(0), 200));
        assert!(got.body == wanted, "{flags:?}: {} bytes", got.body.len());
    }
    let none = front.curl("/b", &[]);
    assert_eq!((none.status, none.text()), (200, "GET:"), "{none:?}");
    front.http.testbed.line("says: asked for /b");
}

#[test]
fn misuse_is_one_sentence() {
    let home = Home::new();
    for (arguments, sentence) in [
        (
            &[][..],
            "serve needs an application; write --connect unix:/path, where it listens",
        ),
        (
            &["/path"],
            "serve takes flags alone, and \"/path\" is none; leave it out",
        ),
        (
            &["--connect", "fd:0"],
            "--connect: fd:0 is a descriptor, and nobody listens at its other end; write unix:/path or 127.0.0.1:9000",
        ),
        (
            &["--connect", "unix:/s", "--allow", "all"],
            "--allow: \"all\" is no address and no prefix; write 127.0.0.1, 10.0.0.0/8 or fd00::/8",
        ),
        (
            &["--connect", "unix:/s", "--allow", "10.0.0.7"],
            "--allow names other machines, and none can reach this one's loopback; write --http 0.0.0.0:8000 too",
        ),
        (
            &[
                "--connect",
                "unix:/s",
                "--root",
                "/",
                "--script-filename",
                "/x",
            ],
            "--script-filename is one script for all paths, and --root has one for each; leave one out",
        ),
        (
            &["--connect", "unix:/s", "--http", "here"],
            "--http: \"here\" is no TCP address; write 8000, 127.0.0.1:8000 or [::1]:8000",
        ),
        (
            &["--connect", "unix:/s", "--timeout", "never"],
            "--timeout: \"never\" cannot be used; write seconds from 0.1 to 86400, such as 2.5",
        ),
        (
            &["--conect", "unix:/s"],
            "--conect is no flag of serve; did you mean --connect?",
        ),
        (
            &["--listen", "unix:/s"],
            "--listen is for serving and no flag of serve; leave it out, or write it into the settings file",
        ),
    ] {
        let told = home.run(&[&["serve"], arguments].concat());
        assert_eq!(told.code, Some(2), "{arguments:?}: {told:?}");
        assert_eq!(told.sentence(), sentence, "{arguments:?}");
    }
    let late = home.run(&["--http", "0", "serve", "--connect", "unix:/s"]);
    assert_eq!(late.code, Some(2), "{late:?}");
    let help = home.run(&["help", "serve"]);
    assert_eq!(
        (help.code, &help.stdout),
        (Some(0), &home.run(&["serve", "--help"]).stdout)
    );
    assert!(help.stdout.contains("--script-filename FILE"), "{help:?}");
    let public = home.run(&["serve", "--connect", "unix:/s", "--http", "0.0.0.0:0"]);
    assert_eq!(public.code, Some(1), "{public:?}");
    assert!(
        public.stderr.contains("other machines could reach it"),
        "{public:?}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = home.run(&["serve", "--connect", "unix:/s", "--http", &address]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("choose another port"), "{told:?}");
}
