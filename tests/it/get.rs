//! The command `get` as people type it: the testbed asks itself, and asks others: another testbed, applications that do all
//! wrong, php-fpm, and a program of libfcgi.

use crate::cli::{Home, told};
use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed, command_of};
use crate::wire::{END_REQUEST, STDERR, STDOUT, record};
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a `get` ended, and what it said.
#[derive(Debug)]
struct Got {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Got {
    #[track_caller]
    fn text(&self) -> (Option<i32>, &str) {
        let text = std::str::from_utf8(&self.stdout).expect("text");
        (self.code, text)
    }

    /// Asserts the exit status, that nothing came, and gives the last thing that was said.
    #[track_caller]
    fn failure(&self, code: i32) -> &str {
        assert_eq!(self.text(), (Some(code), ""), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        last.strip_prefix("app.fcgi: ").expect(last)
    }

    /// How the request ended, without the time it took.
    #[track_caller]
    fn end(&self) -> String {
        let ends: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("end: "))
            .collect();
        let [end] = ends[..] else {
            panic!("one line: {self:?}")
        };
        let Some((front, rest)) = end.split_once(" in ") else {
            return end.to_owned();
        };
        let (ms, rest) = rest.split_once(" ms").expect("a time");
        ms.parse::<u32>().expect("a number");
        format!("{front}{rest}")
    }
}

/// Runs `get` with these arguments, and this on its standard input.
#[track_caller]
fn get_with(home: &Home, arguments: &[&str], input: &[u8]) -> Got {
    let mut command = home.command(&[&["get"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It may not want all of it.
    let writing = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let _ = writing.join();
    Got {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

#[track_caller]
fn get(arguments: &[&str]) -> Got {
    get_with(&Home::new(), arguments, b"")
}

const COMPLETE: &str = "application status 0, protocol status 0";

/// What a request ends with.
const STDIN_END: [u8; 8] = [1, 5, 0, 1, 0, 0, 0, 0];

/// An application for one request, which it answers with these bytes, and its address.
fn stub(answer: Vec<u8>) -> (Folder, String) {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        while !request.ends_with(&STDIN_END) {
            match stream.read(&mut some)? {
                0 => return Ok(0),
                n => request.extend_from_slice(&some[..n]),
            }
        }
        stream.write_all(&answer)?;
        stream.shutdown(Shutdown::Write)?;
        // What is not read would reset the connection.
        io::copy(&mut stream, &mut io::sink())
    });
    let address = format!("unix:{}", path.display());
    (folder, address)
}

fn answer_of(stdout: &[u8], end: [u8; 8]) -> Vec<u8> {
    [record(STDOUT, 1, stdout), record(END_REQUEST, 1, &end)].concat()
}

#[test]
fn the_handler_answers_without_any_server() {
    let got = get(&["/hello"]);
    assert_eq!(got.text(), (Some(0), "Hello, world!"));
    assert_eq!(got.stderr.lines().count(), 1, "{got:?}");
    assert_eq!(
        got.end(),
        format!("end: 200 OK, 13 bytes of body; {COMPLETE}")
    );
}

#[test]
fn the_exit_status_says_what_the_answer_was() {
    for (status, code) in [
        ("200", 0),
        ("304", 0),
        ("399", 0),
        ("400", 22),
        ("404", 22),
        ("503", 22),
    ] {
        let got = get(&[&format!("/status?code={status}")]);
        assert_eq!(got.code, Some(code), "{got:?}");
        assert!(got.end().starts_with(&format!("end: {status}")), "{got:?}");
    }
    let panicked = get(&["/panic"]);
    assert_eq!(panicked.code, Some(22));
    assert!(panicked.stderr.contains("panicked at"), "{panicked:?}");
    let cut = get(&["/panic-late"]);
    assert_eq!(cut.text(), (Some(18), "part"));
    assert!(
        cut.stderr.contains("before END_REQUEST: the answer is cut"),
        "{cut:?}"
    );
}

#[test]
fn heads_are_shown_as_by_curl() {
    let head =
        "Status: 404 Not Found\nContent-Type: text/plain; charset=utf-8\nContent-Length: 10\n\n";
    let path = "/status?code=404";
    assert_eq!(
        get(&[path, "-i"]).text(),
        (Some(22), &*format!("{head}status 404"))
    );
    let alone = get(&["-I", path]);
    assert_eq!(alone.text(), (Some(22), head));
    assert_eq!(
        alone.end(),
        format!("end: 404 Not Found, 0 bytes of body; {COMPLETE}")
    );
}

/// What the application sees, as `NAME=VALUE` lines.
#[track_caller]
fn seen(arguments: &[&str]) -> Vec<String> {
    let got = get(&[&["/env?x=1"], arguments].concat());
    assert_eq!(got.code, Some(0), "{got:?}");
    let text = String::from_utf8(got.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_request_is_that_of_a_web_server_and_as_the_flags_ask() {
    let usual = seen(&[]);
    for line in [
        "GATEWAY_INTERFACE=CGI/1.1",
        "REQUEST_METHOD=GET",
        "REQUEST_URI=/env?x=1",
        "PATH_INFO=/env",
        "QUERY_STRING=x=1",
        "HTTP_HOST=localhost",
        "HTTP_ACCEPT=*/*",
    ] {
        assert!(usual.iter().any(|seen| seen == line), "{line}: {usual:#?}");
    }
    for (flags, wanted) in [
        (&["-X", "PUT"][..], &["REQUEST_METHOD=PUT"][..]),
        (&["-XDELETE"], &["REQUEST_METHOD=DELETE"]),
        (&["-H", "X-One: a", "-H", "x-one:b"], &["HTTP_X_ONE=a, b"]),
        (
            &["-H", "Cookie: a=1", "--header", "Cookie: b=2"],
            &["HTTP_COOKIE=a=1; b=2"],
        ),
        (
            &["-H", "Host: example.org:81"],
            &[
                "HTTP_HOST=example.org:81",
                "SERVER_NAME=example.org",
                "SERVER_PORT=81",
            ],
        ),
        (&["-H", "X-Empty;"], &["HTTP_X_EMPTY="]),
        (&["-H", "accept: text/html"], &["HTTP_ACCEPT=text/html"]),
        (
            &["--param", "REMOTE_USER=ada", "--param", "HTTPS=on"],
            &["REMOTE_USER=ada", "HTTPS=on"],
        ),
        (
            &["-d", "a=1", "--data", "b=2"],
            &[
                "REQUEST_METHOD=POST",
                "CONTENT_LENGTH=7",
                "CONTENT_TYPE=application/x-www-form-urlencoded",
            ],
        ),
        (
            &["-d", "{}", "-H", "Content-Type: application/json"],
            &["CONTENT_TYPE=application/json", "CONTENT_LENGTH=2"],
        ),
        (
            &["-d", "", "-X", "PATCH"],
            &["REQUEST_METHOD=PATCH", "CONTENT_LENGTH=0"],
        ),
        (
            &["-b", "a=1", "-b", "b=2; c=3"],
            &["HTTP_COOKIE=a=1; b=2; c=3"],
        ),
        (
            &["-G", "-d", "a=1", "--data-urlencode", "b=ü &", "-d", "c"],
            &[
                "REQUEST_METHOD=GET",
                "QUERY_STRING=x=1&a=1&b=%C3%BC+%26&c",
                "REQUEST_URI=/env?x=1&a=1&b=%C3%BC+%26&c",
            ],
        ),
        (
            &["--script-filename", "/srv/www/env"],
            &[
                "SCRIPT_FILENAME=/srv/www/env",
                "SCRIPT_NAME=/env",
                "DOCUMENT_ROOT=/srv/www",
            ],
        ),
    ] {
        let seen = seen(flags);
        for &line in wanted {
            let name = &line[..=line.find('=').unwrap()];
            let found: Vec<&String> = seen.iter().filter(|seen| seen.starts_with(name)).collect();
            assert_eq!(found, [line], "{flags:?}");
        }
    }
    let without = seen(&["-H", "User-Agent:", "-H", "Accept:"]);
    assert!(
        !without
            .iter()
            .any(|line| line.starts_with("HTTP_A") || line.starts_with("HTTP_U"))
    );
}

#[test]
fn bodies_come_from_arguments_files_and_standard_input() {
    let home = Home::new();
    let file = home.path().join("body");
    fs::write(&file, b"one\r\ntwo\0\n\xff").unwrap();
    let file = file.to_str().unwrap();
    for (flags, input, wanted) in [
        (&["-d", "a=1", "-d", "b=2"][..], &b""[..], &b"a=1&b=2"[..]),
        (&["-d", &format!("@{file}")], b"", b"onetwo\xff"),
        (
            &["--data-binary", &format!("@{file}")],
            b"",
            b"one\r\ntwo\0\n\xff",
        ),
        (&["-d", "@-"], b"x\ny\n", b"xy"),
        (&["--data-binary", "@-"], b"x\ny\n", b"x\ny\n"),
        (&["-d", "a", "-d", "@-"], b"b", b"a&b"),
        (&["--data-raw", "@a", "-d", "b"], b"", b"@a&b"),
        (
            &["--data-urlencode", "n@-", "--data-binary", "b\n"],
            b"a\nb",
            b"n=a%0Ab&b\n",
        ),
    ] {
        let got = get_with(&home, &[&["/echo"], flags].concat(), input);
        assert_eq!((got.code, &got.stdout[..]), (Some(0), wanted), "{flags:?}");
    }
    let large = vec![b'b'; 3 << 20];
    let got = get_with(&home, &["/echo", "--data-binary", "@-"], &large);
    assert!(
        got.stdout == large,
        "{} bytes: {}",
        got.stdout.len(),
        got.stderr
    );
    let form = [
        "/form?q=1",
        "--form",
        "name=Ada L",
        "-F",
        &format!("up=@{file}"),
    ];
    let sum: u32 = b"one\r\ntwo\0\n\xff"
        .iter()
        .map(|&byte| u32::from(byte))
        .sum();
    let wanted = format!("query q=1\nfield name=Ada L\nfile up=body:11:{sum}\n");
    let part = get_with(
        &home,
        &["/echo", "-F", &format!("a=@{file};type=x/y;filename=b")],
        b"",
    );
    let part = String::from_utf8_lossy(&part.stdout);
    let head = "name=\"a\"; filename=\"b\"\r\nContent-Type: x/y\r\n\r\none\r\ntwo";
    assert!(part.contains(head), "{part}");
    // Not of the body's order, which the testbed has by kind.
    assert_eq!(get_with(&home, &form, b"").text(), (Some(0), &*wanted));
}

#[test]
fn its_own_settings_file_counts() {
    let home = Home::with("mount /app\naccess-log log\n");
    assert_eq!(
        get_with(&home, &["/app/hello"], b"").text(),
        (Some(0), "Hello, world!")
    );
    assert!(!home.path().join("log").exists(), "it is no visitor");
    home.set("wrokers 4\n");
    let wrong = get_with(&home, &["/hello"], b"");
    assert!(
        wrong.failure(2).contains("did you mean workers?"),
        "{wrong:?}"
    );
    let testbed = Testbed::listening(1);
    let address = testbed.address().to_string();
    let other = get_with(&home, &["--connect", &address, "/hello"], b"");
    assert_eq!(
        other.text(),
        (Some(0), "Hello, world!"),
        "another's request has nothing to do with it"
    );
}

#[test]
fn any_application_is_asked_at_its_address() {
    for testbed in [Testbed::listening(2), Testbed::on_tcp(2)] {
        let address = testbed.address().to_string();
        let ask = |arguments: &[&str]| get(&[&["--connect", &address], arguments].concat());
        let said = ask(&["/stderr?msg=one%0Atwo%1B"]);
        assert_eq!(said.text(), (Some(0), "ok"));
        let lines: Vec<&str> = said.stderr.lines().take(2).collect();
        assert_eq!(lines, ["stderr: one", "stderr: two\\u{1b}"], "{said:?}");
        assert_eq!(ask(&["/bytes?n=3000000"]).stdout.len(), 3_000_000);
        let cut = ask(&["/panic-late"]);
        assert_eq!(cut.text(), (Some(18), "part"), "{cut:?}");
        let role = ask(&["--authorizer", "/?token=open", "-i"]);
        assert_eq!(role.code, Some(0), "{role:?}");
        assert!(
            role.text().1.contains("Variable-AUTH_USER: tester"),
            "{role:?}"
        );
        testbed.assert_serves();
    }
}

#[test]
fn every_record_can_be_seen_both_ways() {
    let (_folder, address) = stub(
        [
            record(STDERR, 1, b"hey"),
            answer_of(b"Status: 404\r\n\r\nno", [0, 0, 0, 3, 0, 0, 0, 0]),
        ]
        .concat(),
    );
    let got = get(&["-v", "--connect", &address, "/a?b", "-d", "x\ny"]);
    assert_eq!(got.text(), (Some(22), "no"));
    let mut lines: Vec<&str> = got.stderr.lines().collect();
    lines.retain(|line| !line.starts_with(">   ") || line.contains("REQUEST_URI"));
    lines.retain(|line| !line.contains("PARAMS 1, 4") && !line.starts_with("end: "));
    let wanted = [
        "> BEGIN_REQUEST 1, 8 bytes: responder, connection not kept",
        "> PARAMS 1, 0 bytes: its end",
        ">   REQUEST_URI=/a?b",
        "> STDIN 1, 3 bytes: \"x\\ny\"",
        "> STDIN 1, 0 bytes: its end",
        "< STDERR 1, 3 bytes: \"hey\"",
        "< STDOUT 1, 17 bytes: \"Status: 404\\r\\n\\r\\nno\"",
        "< END_REQUEST 1, 8 bytes: application status 3, protocol status 0",
        "stderr: hey",
    ];
    assert_eq!(lines, wanted, "{got:?}");
    assert_eq!(
        got.end(),
        "end: 404, 2 bytes of body; application status 3, protocol status 0"
    );
}

#[test]
fn what_goes_wrong_has_an_exit_status_and_a_sentence() {
    let ended = |protocol| [0, 0, 0, 0, protocol, 0, 0, 0];
    for (answer, code, words) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            8,
            "that is not FastCGI",
        ),
        (answer_of(b"<html>\n\n", ended(0)), 8, "without a colon"),
        (
            answer_of(b"Status: 200\r\n", ended(0)),
            8,
            "ends within its head",
        ),
        (record(END_REQUEST, 1, &ended(0)), 52, "without an answer"),
        (record(END_REQUEST, 1, &ended(2)), 52, "without an answer"),
        (Vec::new(), 18, "cut after 0 bytes"),
    ] {
        let (_folder, address) = stub(answer);
        let got = get(&["--connect", &address, "/"]);
        assert!(got.failure(code).contains(words), "{got:?}");
    }
    let (_folder, address) = stub(record(END_REQUEST, 1, &ended(2)));
    assert!(
        get(&["--connect", &address, "/"])
            .end()
            .ends_with(": it is overloaded (FCGI_OVERLOADED)")
    );
    let (_folder, address) = stub(answer_of(b"Content-Length: 9\r\n\r\nabc", ended(0)));
    let short = get(&["--connect", &address, "/"]);
    assert_eq!(short.text(), (Some(18), "abc"));
    assert!(
        short.stderr.contains("says 9 bytes, and 3 came"),
        "{short:?}"
    );
}

#[test]
fn nobody_there_and_nobody_who_answers_are_told_apart() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let address = format!("unix:{}", path.display());
    let ask = |flags: &[&str]| get(&[&["--connect", &address, "/"], flags].concat());
    let nowhere = ask(&[]);
    assert!(
        nowhere.failure(7).contains("is the application running"),
        "{nowhere:?}"
    );
    let listener = UnixListener::bind(&path).unwrap();
    let silent = ask(&["--timeout", "0.1"]);
    assert!(
        silent.failure(28).ends_with("sent nothing for 100ms"),
        "{silent:?}"
    );
    drop(listener);
    let stale = ask(&[]);
    assert!(
        stale.failure(7).contains("nobody listens there"),
        "{stale:?}"
    );
    let port = Port::new();
    let address = port.address().to_string();
    let refused = get(&["--connect", &address, "/"]);
    assert!(
        refused
            .failure(7)
            .starts_with(&format!("cannot connect to {address}: ")),
        "{refused:?}"
    );
    let slow = get(&["/sleep?ms=60000", "--timeout", "0.1"]);
    assert!(
        slow.failure(28).contains("sent nothing for 100ms"),
        "{slow:?}"
    );
}

#[test]
fn a_queue_that_stays_full_is_waited_for_as_long_as_asked() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let _only_place = UnixStream::connect(&path).unwrap();
    let address = format!("unix:{}", path.display());
    let since = Instant::now();
    let full = get(&["--connect", &address, "--timeout", "0.2", "/"]);
    let sentence = full.failure(7);
    assert!(
        sentence.ends_with("all of its workers are busy, or it hangs"),
        "{full:?}"
    );
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "not the usual ten"
    );
}

#[test]
fn standard_output_that_takes_nothing_is_told() {
    let home = Home::new();
    let ask = |stdout: Stdio| {
        let mut child = home
            .command(&["get", "/bytes?n=3000000"])
            .stdout(stdout)
            .spawn()
            .unwrap();
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        (child.wait().unwrap().code(), stderr)
    };
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (code, stderr) = ask(full.into());
    assert_eq!(code, Some(23));
    assert!(
        stderr.contains("cannot write to standard output: No space left"),
        "{stderr}"
    );
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let (code, stderr) = ask(writer.into());
    assert_eq!(code, Some(23));
    assert!(
        !stderr.contains("standard output"),
        "they have seen enough: {stderr}"
    );
}

#[test]
fn a_content_length_that_web_servers_refuse_is_no_answer() {
    for (head, code, words) in [
        (
            "Content-Length: 99999999999999999999",
            8,
            "which is not a number",
        ),
        (
            "Content-Length: 1\r\nContent-Length: 2",
            8,
            "two different Content-Lengths",
        ),
        (
            "Content-Length: 3",
            18,
            "Content-Length says 3 bytes, and 2 came",
        ),
        ("Content-Length: 1", 18, "too long, and web servers cut it"),
    ] {
        let (_folder, address) = stub(answer_of(format!("{head}\r\n\r\nab").as_bytes(), [0; 8]));
        let got = get(&["--connect", &address, "/"]);
        assert_eq!(got.code, Some(code), "{got:?}");
        assert!(got.stderr.contains(words), "{got:?}");
    }
    let (_folder, address) = stub(answer_of(b"Content-Length: 7\r\n\r\n", [0; 8]));
    assert_eq!(get(&["--connect", &address, "-I", "/"]).code, Some(0));
}

#[test]
fn nothing_of_the_application_is_an_order_to_the_terminal() {
    // U+009B begins an order as ESC [ does.
    let head = "Status: 200 \u{9b}31mOK\r\nX: \u{9b}31m\r\n\r\n".as_bytes();
    let answer = [
        record(STDERR, 1, "\u{9b}31m\x1b[2J\n".as_bytes()),
        answer_of(head, [0; 8]),
    ];
    let (_folder, address) = stub(answer.concat());
    let got = get(&["--connect", &address, "-v", "/"]);
    assert_eq!(got.code, Some(0), "{got:?}");
    let is_order = |c: char| c.is_control() && c != '\n';
    assert!(!got.stderr.contains(is_order), "{got:?}");
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let home = Home::new();
    let mut command = home.command(&["get", "/chunks?n=1000&ms=100"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut some = [0; 5];
    let mut stdout = running.0.stdout.take().unwrap();
    stdout.read_exact(&mut some).expect("the first chunk");
    let since = Instant::now();
    testbed::signal(running.0.id(), "INT");
    let status = running.0.wait().expect("it ends");
    assert_eq!(status.signal(), Some(2), "as every program: {status}");
    assert!(since.elapsed() < Duration::from_secs(3), "no grace");
}

#[test]
fn a_person_at_a_terminal_sees_that_it_waits() {
    let home = Home::new();
    let get = home.command(&["get", "/sleep?ms=1500"]);
    let silent = told(home.command(&["get", "/sleep?ms=1200"]));
    assert!(!silent.stderr.contains("waiting"), "{silent:?}");
    let mut script = command_of("script");
    script.stdout(Stdio::piped());
    let program = get.get_program().to_str().unwrap();
    let line = format!("{program} get '/sleep?ms=1500'");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let told = told(script);
    assert_eq!(told.code, Some(0), "{told:?}");
    let waits = told.stdout.matches("waiting: nothing came for 1 s");
    assert_eq!(waits.count(), 1, "{told:?}");
    // The body does not end its line.
    assert!(told.stdout.contains("\r\nend: 200"), "{told:?}");
}

#[test]
fn an_argument_that_is_no_text_is_said_to_be_none() {
    let home = Home::new();
    for place in [&["/"][..], &["/", "-H"], &["/", "--connect"]] {
        let mut command = home.command(&[&["get"], place].concat());
        command.arg(OsStr::from_bytes(b"a\xff"));
        let told = told(command);
        assert_eq!(told.code, Some(2));
        assert!(
            told.sentence().starts_with("\"a\\xFF\" is not UTF-8"),
            "{told:?}"
        );
    }
}

#[test]
fn misuse_is_one_sentence() {
    for (arguments, sentence) in [
        (&[][..], "get needs a path; write get /"),
        (
            &["news"],
            "\"news\" is no path, which begins with a slash; write /news",
        ),
        (
            &["/a", "/b"],
            "get takes one path, and \"/b\" is one word more; leave it out",
        ),
        (&["/a b"], "\"/a b\" has ' ' in it; write %20"),
        (
            &["/a#b"],
            "\"/a#b\" has a #, and no browser sends what stands behind it; leave it out, or write %23",
        ),
        (
            &["http://localhost/a?b"],
            "\"http://localhost/a?b\" has a host, and get asks the application itself; write /a?b, and --header \"Host: NAME\" \
             if it matters",
        ),
        (
            &["/", "--heda"],
            "--heda is no flag of get; did you mean --head?",
        ),
        (
            &["/", "--bananas"],
            "--bananas is no flag of get; see help get",
        ),
        (&["/", "-x"], "-x is no flag of get; see help get"),
        (
            &["/", "--workers", "4"],
            "--workers is for serving and no flag of get; leave it out, or write it into the settings file",
        ),
        (&["/", "-d"], "-d needs a value; write -d DATA"),
        (
            &["/", "--include=x"],
            "--include takes no value; write just --include",
        ),
        (
            &["/", "-X", "A B"],
            "--request: \"A B\" is not legal in HTTP; write GET, POST and the like",
        ),
        (
            &["/", "-H", "X"],
            "--header: \"X\" has no colon; write \"NAME: VALUE\"",
        ),
        (
            &["/", "-H", "X_A: 1"],
            "--header: X_A cannot be in CGI, whose names have letters, digits and hyphens, and web servers drop it; write X-A",
        ),
        (
            &["/", "-H", "X A: 1"],
            "--header: the name \"X A\" is not legal in HTTP; write letters, digits and hyphens",
        ),
        (
            &["/", "-H", "X: a\nb"],
            "--header: the value of X has a control character, which HTTP forbids; leave it out",
        ),
        (
            &["/", "-H", "Content-Length: 3"],
            "--header: the body sets Content-Length; leave it out, or write a wrong one with --param CONTENT_LENGTH=N",
        ),
        (
            &["/", "-F", "x"],
            "--form: \"x\" is not NAME=VALUE; write both, with an equals sign between",
        ),
        (
            &["/", "-F", "x=1", "-d", "y"],
            "--form is a body, and the data of --data and the like is another, but a request has one; leave one out",
        ),
        (
            &["/", "-G"],
            "--get puts data into the query; write --data NAME=VALUE, too",
        ),
        (
            &["/", "-G", "-d", "a b"],
            "--get: the data have what no path can have; write --data-urlencode, which encodes it",
        ),
        (
            &["/", "-b", "jar"],
            "--cookie: \"jar\" is not NAME=VALUE; write both, with an equals sign between",
        ),
        (
            &["/", "-d", "@/dev/zero"],
            "\"/dev/zero\" makes the body longer than 256 MiB; write a shorter one, or upload it through serve, with curl",
        ),
        (
            &["/", "-I", "-d", "y"],
            "--head asks without a body; leave it or the body out",
        ),
        (
            &["/", "-d", "@/nowhere"],
            "cannot read \"/nowhere\" for the body: No such file or directory (os error 2); name a file that is there",
        ),
        (
            &["/", "--timeout", "0"],
            "--timeout: \"0\" cannot be used; write seconds from 0.1 to 86400, such as 2.5",
        ),
        (
            &["/", "--connect", "fd:3"],
            "--connect: fd:3 is a descriptor, and nobody listens at its other end; write unix:/path or 127.0.0.1:9000",
        ),
        (
            &["/", "--connect", "9000"],
            "--connect: cannot use \"9000\" as an address: it does not say on which of this machine's addresses; write 127.0.0.1:9000",
        ),
    ] {
        let got = get(arguments);
        assert_eq!(got.failure(2), sentence, "{arguments:?}");
        assert_eq!(got.stderr.lines().count(), 1, "{got:?}");
    }
    let late = Home::new().run(&["--workers", "4", "get", "/"]);
    assert_eq!(late.code, Some(2));
    assert!(
        late.sentence()
            .starts_with("the command get stands in front of its flags")
    );
    let near = Home::new().run(&["gett", "/"]);
    assert_eq!(near.sentence(), "\"gett\" is no command; did you mean get?");
}

/// A process of this test's. It is killed when it is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Workers of php-fpm outlive a parent that is killed.
        testbed::signal_all(&[self.0.id()], "TERM");
        let _ = self.0.wait();
    }
}

/// Says on the terminal that something is not here, past what catches the output of tests.
pub fn skip(what: &str) {
    let required = std::env::var("REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    assert!(!required, "REQUIRE_SERVERS=1, and there is no {what}");
    let _ = writeln!(
        io::stderr(),
        "\nskipped: asking {what}, which is not installed"
    );
}

pub fn php_fpm() -> Option<PathBuf> {
    let names = fs::read_dir("/usr/sbin").ok()?.flatten();
    let mut found =
        names.filter(|entry| entry.file_name().to_string_lossy().starts_with("php-fpm"));
    found.next().map(|entry| entry.path())
}

pub fn start_php_fpm(program: &Path, folder: &Path) -> Running {
    let text = format!(
        "[global]\nerror_log = {0}/log\ndaemonize = no\n[www]\nuser = root\ngroup = root\nlisten = {0}/s\npm = static\n\
         pm.max_children = 1\n",
        folder.display()
    );
    let conf = folder.join("conf");
    fs::write(&conf, text).unwrap();
    let mut command = command_of(program);
    // `-n`: no php.ini but what PHP has built in; `-R`: tests may run as root.
    command
        .args(["-n", "-R", "-y"])
        .arg(&conf)
        .stderr(Stdio::null());
    let running = Running(command.spawn().expect("php-fpm starts"));
    poll("php-fpm to listen", || {
        UnixStream::connect(folder.join("s")).is_ok()
    });
    running
}

#[test]
fn php_fpm_is_asked_for_a_script() {
    let Some(program) = php_fpm() else {
        return skip("php-fpm");
    };
    let folder = Folder::new();
    let script = folder.path().join("index.php");
    let page = "<?php error_log('seen'); header('X-Script: ' . $_SERVER['SCRIPT_NAME']);\n\
                echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['PATH_INFO'] ?? '-', ' ', $_SERVER['QUERY_STRING'], ' ',\n\
                $_SERVER['DOCUMENT_ROOT'], ' ', file_get_contents('php://input');";
    fs::write(&script, page).unwrap();
    let _running = start_php_fpm(&program, folder.path());
    let root = folder.path().display();
    let address = format!("unix:{root}/s");
    let script = script.to_str().unwrap();
    for (flags, remedy) in [
        (
            &[][..],
            "php-fpm has to be told what to run; write --script-filename",
        ),
        (
            &["--script-filename", "/no/such.php"],
            "php-fpm does not find that file",
        ),
    ] {
        let lost = get(&[&["--connect", &address, "/"], flags].concat());
        assert_eq!(lost.code, Some(22), "{lost:?}");
        assert!(lost.stderr.contains(remedy), "{lost:?}");
    }
    let ask = |arguments: &[&str]| get(&[&["--connect", &address], arguments].concat());
    for (path, path_info) in [
        ("/index.php", "-"),
        ("/", "-"),
        ("/news", "-"),
        ("/index.php/a%20b", "/a b"),
    ] {
        let target = format!("{path}?x=1");
        let got = ask(&[
            "--script-filename",
            script,
            "-i",
            &target,
            "--data-binary",
            "two\nlines",
        ]);
        let (head, body) = got.text().1.split_once("\n\n").expect("a head");
        assert!(head.contains("X-Script: /index.php"), "{head}");
        assert_eq!(
            body,
            format!("POST {path_info} x=1 {root} two\nlines"),
            "{got:?}"
        );
        assert!(
            got.stderr.contains("stderr: PHP message: seen\n"),
            "{got:?}"
        );
        assert_eq!(got.code, Some(0));
    }
    let missing = ask(&["--script-filename", &format!("{root}/gone.php"), "/"]);
    assert_eq!(missing.code, Some(22), "{missing:?}");
    assert!(
        missing.stderr.contains("stderr: Primary script unknown"),
        "{missing:?}"
    );
    assert!(
        missing.end().starts_with("end: 404 Not Found, "),
        "{missing:?}"
    );
}

/// The program of `tests/data/libfcgi.c`, if it can be built.
pub fn libfcgi(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("libfcgi");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/libfcgi.c");
    if !Path::new("/usr/include/fcgiapp.h").exists() {
        return None;
    }
    let built = Command::new("cc")
        .arg("-o")
        .arg(&program)
        .arg(source)
        .arg("-lfcgi")
        .status();
    match built {
        Ok(status) => {
            assert!(status.success(), "tests/data/libfcgi.c does not build");
            Some(program)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("cc: {error}"),
    }
}

/// It runs until this is dropped; its address.
pub fn start_libfcgi(program: &Path, folder: &Path) -> (Running, String) {
    let path = folder.join("s");
    let socket: OwnedFd = UnixListener::bind(&path).unwrap().into();
    let running = command_of(program).stdin(socket).spawn();
    (
        Running(running.expect("it starts")),
        format!("unix:{}", path.display()),
    )
}

#[test]
fn a_program_of_libfcgi_is_asked() {
    let folder = Folder::new();
    let Some(program) = libfcgi(folder.path()) else {
        return skip("libfcgi (libfcgi-dev and a C compiler)");
    };
    let (_running, address) = start_libfcgi(&program, folder.path());
    let body = "b".repeat(200_000);
    let got = get_with(
        &Home::new(),
        &["--connect", &address, "/a?7", "--data-binary", "@-"],
        body.as_bytes(),
    );
    assert_eq!(got.text(), (Some(0), &*format!("POST:{body}")));
    assert!(
        got.stderr.starts_with("stderr: asked for /a?7\n"),
        "{got:?}"
    );
    assert_eq!(
        got.end(),
        "end: 200, 200005 bytes of body; application status 7, protocol status 0"
    );
    let none = get(&["--connect", &address, "-v", "/"]);
    assert_eq!(none.text(), (Some(0), "GET:"));
}

#[test]
fn the_stock_program_shows_the_request_and_the_server() {
    let mut command = command_of(env!("CARGO_BIN_EXE_fcgi"));
    command.args([
        "get",
        "-d",
        "a=b",
        "--param",
        "REMOTE_USER=ada",
        "/x%20y?z=<1>",
    ]);
    command.stdout(Stdio::piped());
    let told = command.output().expect("the stock program");
    let page = String::from_utf8(told.stdout).expect("text");
    for row in [
        "method<td>POST",
        "address<td>http://localhost/x%20y?z=%3C1%3E",
        "path<td>/x y",
        "query<td>z=&lt;1&gt;",
        "visitor<td>127.0.0.1",
        "user<td>ada",
        "bytes of body<td>3",
        "web server<td>fcgi/",
        "protocol<td>HTTP/1.1",
        "program<td>fcgi ",
    ] {
        assert!(page.contains(&format!("<tr><th>{row}")), "{row}: {page}");
    }
    assert_eq!(told.status.code(), Some(0));
}
