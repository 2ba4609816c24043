//! "Premature end of script headers", in Apache's words: no safe code of an application brings a web server to say so.
//! Whatever the program `rogue` does wrong is a whole answer, as CGI and as FastCGI.

use crate::served::Folder;
use crate::testbed::{Testbed, command_of, example};
use crate::wire::{Ask, PATIENCE};
use fcgi::Address;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is asked for, and what is answered: the status, and the body where it is no error page.
const TABLE: &[(&str, u16, &str)] = &[
    ("/", 200, "hello"),
    ("/print", 200, "a page"),
    ("/print-late", 200, "a page"),
    ("/print-finished", 200, "a page"),
    ("/print-only", 500, ""),
    ("/read", 200, "stolen 0, body the body"),
    ("/nothing", 500, ""),
    ("/forgotten", 500, ""),
    ("/swallowed", 500, ""),
    ("/swallowed-stream", 500, ""),
    ("/large-head", 500, ""),
    ("/error", 404, ""),
    ("/error-late", 404, ""),
    ("/error-traps", 500, ""),
    ("/file", 404, ""),
    ("/panic", 500, ""),
    ("/panic-late", 500, ""),
    ("/panic-value", 500, ""),
    ("/drop", 500, ""),
    ("/drop-body", 500, ""),
    ("/drop-finish", 500, ""),
    ("/drop-header", 500, ""),
    ("/body-panics", 500, ""),
    ("/thread", 200, "a page"),
    // Last: it takes the library's hook away.
    ("/panic-hook", 500, ""),
];

/// What goes wrong around the handler, and what becomes of `/panic`.
const AROUND: &[(&str, u16)] = &[
    ("init-error", 503),
    ("init-panic", 503),
    ("state-drop", 500),
    ("page-error", 500),
    ("page-panic", 500),
    ("page-nothing", 500),
    ("page-illegal", 500),
    ("logger", 500),
    ("run", 500),
];

fn page(status: u16) -> &'static str {
    match status {
        404 => "404 Not Found\n",
        503 => "503 Service Unavailable\n",
        _ => "500 Internal Server Error\n",
    }
}

#[test]
fn as_fastcgi_every_mistake_is_a_whole_answer_and_the_process_serves_on() {
    let rogue = started("");
    for &(path, status, body) in TABLE {
        let body = if body.is_empty() { page(status) } else { body };
        let reply = rogue.ask(&Ask::post(path, "the body"));
        assert_eq!(reply.page(), (status, body), "{path}");
        assert_eq!(
            rogue.ask(&Ask::get("/")).page(),
            (200, "hello"),
            "after {path}"
        );
    }
    for &(mode, status) in AROUND {
        let rogue = started(mode);
        for _ in 0..3 {
            let reply = rogue.ask(&Ask::get("/panic"));
            assert_eq!(reply.page(), (status, page(status)), "{mode}");
            assert_eq!(reply.field("X-Page"), None);
        }
    }
}

#[test]
fn as_cgi_every_mistake_is_a_whole_answer() {
    for &(path, status, body) in TABLE {
        let body = if body.is_empty() { page(status) } else { body };
        assert_answer(&cgi("", path, "the body"), status, body, path);
    }
    for &(mode, status) in AROUND {
        assert_answer(&cgi(mode, "/panic", ""), status, page(status), mode);
    }
}

/// There is no room for the buffers, which take `max_params`, and little more than for the program itself.
#[test]
fn as_cgi_a_lack_of_memory_is_a_503() {
    let limited = "ulimit -v 20000; exec \"$0\"";
    let mut command = command_of("/bin/sh");
    command.args(["-c", limited]).arg(example("rogue"));
    let (stdout, stderr) = told(as_cgi(command, "memory", "/", ""), "");
    assert!(
        stdout.starts_with("Status: 503 Service Unavailable\r\n"),
        "{stdout:?} {stderr}"
    );
    assert!(
        stdout.ends_with("\r\n\r\n503 Service Unavailable\n"),
        "{stdout:?}"
    );
    assert!(stderr.contains("memory"), "{stderr}");
}

/// What is printed is not lost, but goes where log lines go.
#[test]
fn as_cgi_standard_output_is_standard_error() {
    let told = cgi("", "/print", "");
    for noise in ["noise\n", "noise of a child\n", "noise without an end"] {
        assert!(told.1.contains(noise), "{told:?}");
    }
}

/// Whoever waits for the end of the answer has it when `finish` returns, with the handler and its children still there.
#[test]
fn as_cgi_a_finished_answer_has_its_end() {
    let mut child = command("", "/finish-and-wait", "").spawn().unwrap();
    let mut answer = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answer)
        .unwrap();
    assert!(answer.ends_with("\r\n\r\nfinished"), "{answer}");
    assert!(child.try_wait().unwrap().is_none(), "the handler goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Standard output and standard error of a CGI run.
type Told = (String, String);

#[track_caller]
fn assert_answer((stdout, stderr): &Told, status: u16, body: &str, what: &str) {
    let (head, came) = stdout.split_once("\r\n\r\n").unwrap_or_default();
    assert!(
        head.starts_with(&format!("Status: {status} ")),
        "{what}: {stdout:?} {stderr}"
    );
    assert_eq!(came, body, "{what}: {stderr}");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line == length), "{what}: {head}");
}

fn cgi(mode: &str, path: &str, body: &str) -> Told {
    told(command(mode, path, body), body)
}

fn told(mut command: Command, body: &str) -> Told {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end before it has read what it need not read. A server need not close its end: RFC 3875, section 4.2.
    let _ = stdin.write_all(body.as_bytes());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn command(mode: &str, path: &str, body: &str) -> Command {
    as_cgi(command_of(example("rogue")), mode, path, body)
}

fn as_cgi(mut command: Command, mode: &str, path: &str, body: &str) -> Command {
    command
        .env("ROGUE", mode)
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", "GET")
        .env("SCRIPT_NAME", "")
        .env("PATH_INFO", path)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The program behind a socket on fd 0.
fn started(mode: &str) -> Testbed {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let socket: OwnedFd = UnixListener::bind(&path).unwrap().into();
    let mut command = command_of(example("rogue"));
    command.env("ROGUE", mode).stdin(socket);
    Testbed::spawn(command, Address::Unix(path), folder)
}
