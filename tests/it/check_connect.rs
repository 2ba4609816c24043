//! `check --connect`: applications of every kind, those that do all wrong, and addresses at which nobody answers.
//! And `check --url` where no web server is needed to see that it is wrong; `tests/servers` has real ones.

use crate::check::{Report, check};
use crate::cli::{Home, told};
use crate::get::{Running, libfcgi, php_fpm, skip, start_libfcgi, start_php_fpm};
use crate::port::Port;
use crate::served::{Folder, serve};
use crate::steady::steady;
use crate::testbed::{Testbed, command, command_of, example};
use crate::wire::{END_REQUEST, STDERR, STDOUT, record};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const STDIN_END: [u8; 8] = [1, 5, 0, 1, 0, 0, 0, 0];

/// Application status 0, request complete.
const COMPLETE: [u8; 8] = [0; 8];

fn connect(address: &str) -> Report {
    check(&["--connect", address])
}

fn address_of(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// An application that gives each connection this answer, and then closes it unless `is_kept`; to what is no request it says
/// nothing at all and closes.
fn stub(answer: Vec<u8>, is_kept: bool) -> (Folder, String) {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let address = address_of(&path);
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asks may have gone.
            let _ = stream.and_then(|stream| answer_one(stream, &answer, is_kept));
        }
    });
    (folder, address)
}

fn answer_one(mut stream: UnixStream, answer: &[u8], is_kept: bool) -> io::Result<()> {
    loop {
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        while !request.ends_with(&STDIN_END) {
            match stream.read(&mut some)? {
                0 => return Ok(()),
                n => request.extend_from_slice(&some[..n]),
            }
            // GET_VALUES
            if request.starts_with(&[1, 9]) {
                return Ok(());
            }
        }
        stream.write_all(answer)?;
        if !is_kept {
            return stream.shutdown(Shutdown::Both);
        }
    }
}

fn answer_of(stdout: &[u8], end: [u8; 8]) -> Vec<u8> {
    [record(STDOUT, 1, stdout), record(END_REQUEST, 1, &end)].concat()
}

#[test]
fn the_testbed_is_all_green() {
    steady(Duration::from_millis(300), || {
        for testbed in [Testbed::listening(2), Testbed::on_tcp(2)] {
            let address = testbed.address().to_string();
            let report = connect(&address);
            let by = format!("(process {}, of ", testbed.pid());
            let line = report.line("connect", "takes connections, within ");
            assert!(line.what.contains(&by), "{line:?}");
            for words in [
                "it answers GET_VALUES: FCGI_MAX_CONNS=",
                "it keeps a connection open when it is asked to",
                "GET / takes ",
            ] {
                report.assert_has("green", "connect", words);
            }
            // It has no page at /.
            report.assert_has("yellow", "connect", "GET / is answered 404, text/plain");
            assert_eq!(report.code, Some(0), "{report:#?}");
            testbed.assert_serves();
        }
    });
}

#[test]
fn a_page_is_green_and_one_that_fails_is_red() {
    let served = serve(|_, res| res.content_type("text/html").send("<p>Hello"));
    let report = connect(&served.address().to_string());
    report.assert_has(
        "green",
        "connect",
        "GET / is answered 200, text/html, 8 bytes",
    );
    assert_eq!(report.code, Some(0));
    let fails = serve(|_, res| res.status(500).send(""));
    let report = connect(&fails.address().to_string());
    report.assert_has("red", "connect", "GET / is answered 500");
    assert_eq!(report.code, Some(1));
}

/// An answer that goes on for ever, and one to GET_VALUES of a byte now and then: neither keeps whoever asks.
#[test]
fn what_has_no_end_is_given_up() {
    let endless = serve(|_, res| {
        let mut body = res.content_type("text/plain").stream()?;
        loop {
            body.write_all(&[b'x'; 30_000])?;
        }
    });
    let report = connect(&endless.address().to_string());
    report.assert_has("red", "connect", "its answer has no end: ");
    assert_eq!(report.code, Some(1));
}

/// What is wrong with an answer is told; all that is asked is closed without a word before.
#[test]
fn an_answer_that_is_not_proper_is_told() {
    let page = |head: &str| answer_of(format!("{head}\r\n\r\nabc").as_bytes(), COMPLETE);
    let said = |text: &str| {
        [
            record(STDERR, 1, text.as_bytes()),
            page("Content-Type: a/b"),
        ]
        .concat()
    };
    for (answer, level, words) in [
        (
            page("Content-Type: a/b"),
            "green",
            "is answered 200, a/b, 3 bytes",
        ),
        (
            page("Content-Type: a/b\r\nContent-Length: 9"),
            "red",
            "says 9 bytes, and 3 came",
        ),
        (page("Status: 200"), "yellow", "no Content-Type"),
        (
            said("out of paper\n"),
            "yellow",
            "wrote to its standard error: out of paper",
        ),
        (
            answer_of(b"Content-Type: a/b\r\n\r\nabc", [0, 0, 0, 3, 0, 0, 0, 0]),
            "yellow",
            "application status 3",
        ),
        (
            record(END_REQUEST, 1, &[0, 0, 0, 0, 2, 0, 0, 0]),
            "red",
            "it is overloaded",
        ),
        (
            record(END_REQUEST, 1, &[0, 0, 0, 0, 3, 0, 0, 0]),
            "red",
            "it does not have the role",
        ),
        (
            record(END_REQUEST, 1, &COMPLETE),
            "red",
            "without an answer",
        ),
        (answer_of(b"<html>\n\n", COMPLETE), "red", "without a colon"),
        (
            record(STDOUT, 1, b"Status: 200\r\n\r\nab"),
            "red",
            "cut after 17 bytes",
        ),
    ] {
        let (_folder, address) = stub(answer, false);
        let report = connect(&address);
        report.assert_has(level, "connect", words);
        report.assert_has(
            "yellow",
            "connect",
            "it closes the connection when it is asked GET_VALUES",
        );
        assert_eq!(report.code, Some(i32::from(level == "red")), "{report:#?}");
    }
}

#[test]
fn connections_that_are_kept_or_closed_against_the_wish_are_told() {
    let page = answer_of(b"Content-Type: a/b\r\n\r\nabc", COMPLETE);
    let (_folder, address) = stub(page.clone(), false);
    connect(&address).assert_has("yellow", "connect", "it closes each connection");
    let (_folder, address) = stub(page, true);
    let kept = connect(&address);
    kept.assert_has("red", "connect", "it left the connection open for 2s");
}

#[test]
fn php_fpm_is_asked() {
    let Some(program) = php_fpm() else {
        return skip("php-fpm");
    };
    let folder = Folder::new();
    let _running = start_php_fpm(&program, folder.path());
    let report = connect(&address_of(&folder.path().join("s")));
    report.assert_has("green", "connect", "it answers GET_VALUES: FCGI_M");
    let page = report.line("connect", "GET / is answered 404");
    assert_eq!(page.level, "yellow");
    assert!(page.remedy.contains("--script-filename"), "{page:?}");
    report.assert_has("green", "connect", "it keeps a connection open");
    let script = folder.path().join("mine.php");
    fs::write(&script, "<?php echo 'hi';").unwrap();
    let report = check(&[
        "--connect",
        &address_of(&folder.path().join("s")),
        "--script-filename",
        script.to_str().unwrap(),
    ]);
    report.assert_has("green", "connect", "GET / is answered 200, text/html");
}

#[test]
fn a_program_of_libfcgi_is_asked() {
    let folder = Folder::new();
    let Some(program) = libfcgi(folder.path()) else {
        return skip("libfcgi (libfcgi-dev and a C compiler)");
    };
    let (_running, address) = start_libfcgi(&program, folder.path());
    let report = connect(&address);
    // A record without padding, as HAProxy's is too.
    report.assert_has(
        "yellow",
        "connect",
        "it was silent for 1s when it was asked GET_VALUES",
    );
    report.assert_has(
        "green",
        "connect",
        "GET / is answered 200, text/plain, 4 bytes",
    );
    report.assert_has(
        "yellow",
        "connect",
        "wrote to its standard error: asked for /",
    );
    report.assert_has("green", "connect", "it keeps a connection open");
    assert_eq!(report.code, Some(0), "{report:#?}");
}

#[test]
fn nobody_there_is_told_with_who_is_near() {
    let testbed = Testbed::listening(1);
    let place = testbed.folder.path();
    let near = place.join("t");
    let report = connect(&address_of(&near));
    report.assert_has(
        "red",
        "connect",
        &format!("there is no unix:{}", near.display()),
    );
    let line = report.line("connect", "is listened on, by testbed (process ");
    assert_eq!(line.level, "yellow");
    assert!(
        line.what
            .contains(&format!("(process {}, of ", testbed.pid())),
        "{line:?}"
    );
    let remedy = format!("--connect {}", testbed.address());
    assert!(line.remedy.ends_with(&remedy), "{line:?}");
    assert_eq!(report.code, Some(1));
    let nowhere = connect(&address_of(&place.join("no/s")));
    nowhere.assert_has("red", "connect", "and no folder ");
    let stale = place.join("u");
    drop(UnixListener::bind(&stale).unwrap());
    connect(&address_of(&stale)).assert_has(
        "red",
        "connect",
        "any more: whoever made it has ended",
    );
    // What nobody listens on needs no rights.
    let foreign = check(&["--as", "nobody", "--connect", &address_of(&stale)]);
    let told = foreign
        .lines
        .iter()
        .filter(|line| line.what.contains("may not connect"));
    assert_eq!(told.count(), 0, "{foreign:#?}");
    let file = place.join("file");
    fs::write(&file, "").unwrap();
    connect(&address_of(&file)).assert_has("red", "connect", "is no socket");
}

#[test]
fn a_port_at_which_nobody_listens_is_told_with_those_near_it() {
    let testbed = Testbed::on_tcp(1);
    let port = testbed.tcp().port();
    // One beside it that nobody has.
    let mut free = (1..=10).filter_map(|far| port.checked_add(far).or(port.checked_sub(far)));
    let free = free.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let address = free.expect("a free port").local_addr().unwrap();
    let report = connect(&address.to_string());
    report.assert_has("red", "connect", &format!("nobody listens on {address}"));
    let line = report.line(
        "connect",
        &format!("{} is listened on, by testbed", testbed.tcp()),
    );
    assert_eq!(line.level, "yellow", "{line:?}");
}

/// With the eyes of somebody who may not, and as somebody who may not.
#[test]
fn a_folder_that_is_closed_is_told() {
    let testbed = Testbed::listening(1);
    let place = testbed.folder.path();
    if fs::metadata(place).unwrap().uid() != 0 {
        eprintln!("SKIPPED: only root can be somebody else");
        return;
    }
    set_mode(place, 0o700);
    let address = testbed.address().to_string();
    let ask = |arguments: &[&str]| check(&[&["--connect", &address], arguments].concat());
    let closed = ask(&["--as", "nobody"]);
    closed.assert_has(
        "red",
        "connect",
        &format!("nobody cannot enter {}", place.display()),
    );
    closed.assert_has("green", "connect", "takes connections");
    assert_eq!(closed.code, Some(1));
    // The folder is open then, and the socket is not.
    set_mode(place, 0o711);
    let refused = ask(&["--as", "nobody"]);
    refused.assert_has("red", "connect", "nobody may not connect to ");
    set_mode(&place.join("s"), 0o666);
    ask(&["--as", "nobody"]).assert_has("green", "connect", "nobody may connect to ");
    // As nobody, who cannot read where this program lies: a copy.
    let home = Home::new();
    set_mode(home.path(), 0o755);
    for (mode, words) in [
        (0o700, "nobody cannot enter "),
        (0o711, "nobody may not connect to "),
    ] {
        set_mode(place, mode);
        set_mode(&place.join("s"), 0o600);
        let mut command = home.command(&["check", "--connect", &address]);
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
        let report = Report::of(told(command));
        report.assert_has("red", "connect", words);
        assert_eq!(report.code, Some(1));
    }
}

#[test]
fn a_web_server_and_a_silent_one_are_told() {
    let mut http = command();
    let port = Port::new();
    let address = port.address().to_string();
    http.args(["--http", &address]).stderr(Stdio::null());
    let _running = Running(http.spawn().unwrap());
    crate::served::poll("http", || std::net::TcpStream::connect(&address).is_ok());
    let report = connect(&address);
    report.assert_has("red", "connect", "a web server answers there");
    assert_eq!(report.code, Some(1));
    let folder = Folder::new();
    let path = folder.path().join("s");
    // Its queue takes what nobody ever looks at.
    let _listener = UnixListener::bind(&path).unwrap();
    let silent = connect(&address_of(&path));
    silent.assert_has(
        "yellow",
        "connect",
        "it was silent for 1s when it was asked GET_VALUES",
    );
    silent.assert_has("red", "connect", "GET / has no answer");
    assert_eq!(silent.code, Some(1));
}

/// Most web servers wait for the end of a line.
#[test]
fn a_web_server_that_waits_is_told_from_a_silent_application() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut some)? {
                0 => return Ok(()),
                n => request.extend_from_slice(&some[..n]),
            }
        }
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let report = connect(&address);
    let words =
        "a web server answers there, and no FastCGI application: \"HTTP/1.1 400 Bad Request\"";
    report.assert_has("red", "connect", words);
}

#[test]
fn a_program_can_read_it() {
    let testbed = Testbed::listening(1);
    let address = testbed.address().to_string();
    let mut command = command();
    command.args(["check", "--json", "--connect", &address]);
    command.stdout(Stdio::piped());
    let told = told(command);
    assert_eq!(told.code, Some(0));
    let begin = format!("{{\"program\":\"{address}\",\"level\":\"yellow\",\"findings\":[");
    assert!(told.stdout.starts_with(&begin), "{told:?}");
    assert!(
        told.stdout
            .contains("{\"level\":\"green\",\"about\":\"connect\","),
        "{told:?}"
    );
    assert!(!told.stdout.contains("\"about\":\"file\""), "{told:?}");
}

#[test]
fn what_is_asked_for_must_be_an_address() {
    let home = Home::new();
    for (arguments, sentence) in [
        (
            &["--connect", "fd:3"][..],
            "--connect: fd:3 is a descriptor, and nobody listens at its other end; write unix:/path or 127.0.0.1:9000",
        ),
        (
            &["--url", "example.org/x"],
            "--url: \"example.org/x\" is no page's address; write https://example.org/x",
        ),
        (
            &["--script-filename", "x.php"],
            "--script-filename is for php-fpm, and nobody is asked; write --connect and its address, too",
        ),
        (
            &["--log", "x", "--url", "http://localhost/"],
            "--log explains a file, and --connect and --url ask somebody; leave one out",
        ),
        (
            &["--connect", "127.0.0.1:9000", "/shop/"],
            "--connect asks for /, and looks at no file; leave one out",
        ),
    ] {
        let told = home.run(&[&["check"], arguments].concat());
        assert_eq!(told.code, Some(2));
        assert_eq!(told.sentence(), sentence);
    }
}

/// curl is looked for where PATH says.
#[test]
fn without_curl_one_sentence_says_what_to_install() {
    let home = Home::new();
    let mut command = home.command(&["check", "--url", "http://127.0.0.1:1/"]);
    command.env("PATH", home.path());
    let report = Report::of(told(command));
    let line = report.line("url", "cannot run curl");
    assert_eq!((line.level.as_str(), report.lines.len()), ("red", 1));
    assert!(line.remedy.starts_with("install curl: "), "{line:?}");
    assert_eq!(report.code, Some(1));
}

fn has_curl() -> bool {
    let found = Command::new("curl")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    let has_it = found.is_ok();
    if !has_it {
        skip("curl");
    }
    has_it
}

#[test]
fn a_page_that_nobody_answers_is_red() {
    if !has_curl() {
        return;
    }
    let port = Port::new();
    let address = port.address();
    let report = check(&["--url", &format!("http://ada:key@{address}/")]);
    let line = report.line("url", "does not answer: curl: (7)");
    assert!(line.remedy.starts_with("nobody listens there"), "{line:?}");
    assert!(!line.what.contains("key"), "{line:?}");
    assert_eq!(report.code, Some(1));
}

/// mod_fcgid starts what ends at once ever more slowly: a name that waits for it is no file, and nothing to tell.
#[test]
fn a_program_that_does_not_start_is_not_waited_for() {
    if !has_curl() {
        return;
    }
    const PAGE: &str =
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>500";
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", port.local_addr().unwrap());
    thread::spawn(move || {
        let mut waiting = Vec::new();
        for stream in port.incoming().flatten() {
            let mut line = String::new();
            let mut lines = BufReader::new(&stream);
            lines.read_line(&mut line).unwrap();
            // Its head is read whole: a close with bytes unread would take the answer along.
            let mut rest = String::new();
            while lines.read_line(&mut rest).is_ok_and(|length| length > 2) {}
            match line.contains("/app.fcgi.old ") {
                true => waiting.push(stream),
                false => {
                    let _ = write!(
                        &stream,
                        "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n{PAGE}"
                    );
                }
            }
        }
    });
    let report = Home::new().run(&["check", "--url", &url]);
    let report = Report::of(report);
    let line = report.line("url", "is answered 500");
    assert_eq!(line.level, "red", "{line:?}");
    assert!(
        !format!("{report:?}").contains("could not be asked for"),
        "{report:#?}"
    );
}

/// By its own http: it runs no file, and sends none.
#[test]
fn a_program_that_answers_by_itself_shows_no_file() {
    if !has_curl() {
        return;
    }
    let home = Home::new();
    fs::write(home.path().join("guests.db"), "SQLite format 3\0").unwrap();
    let port = Port::new();
    let address = port.address().to_string();
    let mut http = command_of(example("testbed"));
    http.args(["--http", &address]).stderr(Stdio::null());
    let _running = Running(http.spawn().unwrap());
    crate::served::poll("http", || std::net::TcpStream::connect(&address).is_ok());
    let url = format!("http://{address}/hello");
    let report = Report::of(home.run(&["check", "--url", &url]));
    report.assert_has("green", "url", "/hello is answered 200, text/plain");
    report.assert_has(
        "green",
        "url",
        "is answered by the program: all addresses lead to it",
    );
    report.assert_has(
        "green",
        "url",
        "a POST of 200 KiB is answered as one of a byte is",
    );
    let line = report.line("url", "no file comes back that nobody may read");
    for name in ["app.fcgi", ".ht.app.fcgi", "guests.db", ".git/config"] {
        assert!(line.what.contains(name), "{name}: {line:?}");
    }
    assert_eq!(report.code, Some(0), "{report:#?}");
    // The stock program is no site's: what is asked for is what applications are called mostly.
    let mut stock = command_of(env!("CARGO_BIN_EXE_fcgi"));
    stock.args(["check", "--url", &url]).stdout(Stdio::piped());
    let report = Report::of(told(stock));
    let line = report.line("url", "no file comes back that nobody may read");
    assert!(line.what.contains(" app.fcgi, "), "{line:?}");
    assert!(!line.what.contains(" fcgi,"), "{line:?}");
}
