//! libfcgi's own client, `cgi-fcgi`, which turns a CGI program's environment and standard input into a request: a foreign
//! oracle for the protocol. `main.rs` runs it as a row.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::row::Report;
use crate::testbed::{Testbed, Upstream, installed};
use crate::{Outcome, ensure};

pub fn missing() -> Vec<String> {
    match installed(&["cgi-fcgi"]) {
        Some(_) => Vec::new(),
        None => vec!["cgi-fcgi (libfcgi-bin)".to_owned()],
    }
}

pub fn story(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    for upstream in [Some(Upstream::unix(folder)), Upstream::tcp().ok()] {
        let Some(upstream) = upstream else { continue };
        let started = report.check("start", || {
            let program = testbed.install(folder, "www/app.fcgi")?;
            program.serve(folder, &upstream, &[])
        });
        let Some(mut app) = started else { return };
        report.check("a page", || {
            expect(&upstream, "/hello", "", b"", "200 OK", b"Hello, world!")
        });
        report.check("an error", || {
            expect(
                &upstream,
                "/nowhere",
                "",
                b"",
                "404 Not Found",
                b"not found",
            )
        });
        report.check("a body", || {
            let body = vec![b'b'; 300_000];
            expect(&upstream, "/count", "", &body, "200 OK", b"300000 29400000")
        });
        report.check("an echo", || {
            let body: Vec<u8> = (0..50_000_u32).map(|i| i as u8).collect();
            expect(&upstream, "/echo", "", &body, "200 OK", &body)
        });
        report.check("a large answer", || {
            let page = vec![b'x'; 3 << 20];
            expect(&upstream, "/bytes", "n=3145728", b"", "200 OK", &page)
        });
        report.check("a panic", || {
            let answer = ask(&upstream, "/panic", "", b"")?;
            ensure!(answer.starts_with(b"Status: 500"), "no 500");
            Ok(())
        });
        report.check("stop", || app.stop());
    }
}

fn expect(
    upstream: &Upstream,
    path: &str,
    query: &str,
    body: &[u8],
    status: &str,
    page: &[u8],
) -> Outcome {
    let answer = ask(upstream, path, query, body)?;
    let status = format!("Status: {status}\r\n");
    ensure!(answer.starts_with(status.as_bytes()), "no {status:?}");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let head = end.ok_or("no head")?;
    let found = &answer[head + 4..];
    ensure!(
        found == page,
        "{} bytes instead of {}",
        found.len(),
        page.len()
    );
    Ok(())
}

fn ask(upstream: &Upstream, path: &str, query: &str, body: &[u8]) -> Outcome<Vec<u8>> {
    let client = installed(&["cgi-fcgi"]).ok_or("cgi-fcgi is not installed")?;
    let listen = upstream.listen();
    let mut command = Command::new(client);
    command
        .args(["-bind", "-connect", listen.trim_start_matches("unix:")])
        .env_clear()
        .env(
            "REQUEST_METHOD",
            if body.is_empty() { "GET" } else { "POST" },
        )
        .env("REQUEST_URI", path)
        .env("PATH_INFO", path)
        .env("SCRIPT_NAME", "")
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot start cgi-fcgi: {e}"))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let body = body.to_vec();
    // It writes while it reads, and so must we.
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = child
        .wait_with_output()
        .map_err(|e| format!("cgi-fcgi: {e}"))?;
    let _ = writer.join();
    Ok(output.stdout)
}
