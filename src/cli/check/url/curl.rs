//! Fetches pages by the program curl, which knows https, proxies and certificates. A TLS library would be larger than all the
//! rest of this program, and would need the system's certificates to be found; curl is on nearly every host. Called by whatever
//! `--url` looks at.

use super::super::Findings;
use super::Url;
use crate::cli::input::first_bytes;
use crate::cli::words::{Words, words};
use std::io::{self, ErrorKind, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// So many bytes of an answer are looked at.
const LARGEST: u64 = 64 << 10;

/// How long connecting and the whole answer may take, in seconds, as curl wants them.
const LONGEST_CONNECT: &str = "10";
const LONGEST: &str = "30";

const AGENT: &str = concat!("fcgi/", env!("CARGO_PKG_VERSION"), " check");

/// An answer. Its body is cut to [`LARGEST`].
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) took: Duration,
    fields: Vec<(Words, Words)>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The program curl is not here, or does not start.
    NoCurl(io::Error),
    /// curl's exit status, and what it wrote to standard error.
    Curl(i32, Words),
}

impl Got {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    pub(super) fn kind(&self) -> &str {
        self.field("content-type").unwrap_or("no type")
    }

    pub(super) fn redirect(&self) -> Option<&str> {
        let is_redirect = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.field("location").filter(|_| is_redirect)
    }
}

impl Failure {
    pub(super) fn sentence(&self) -> Words {
        match self {
            Failure::NoCurl(error) => words!("cannot run curl, which fetches pages: {error}"),
            Failure::Curl(_, said) => said,
        }
    }

    /// Whether curl gave up waiting.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Failure::Curl(28, _))
    }

    pub(super) fn finding(&self, url: &Url, report: &mut Findings) {
        let code = match self {
            Failure::NoCurl(_) => {
                return report.red(
                    self.sentence(),
                    "install curl: apt-get install curl, apk add curl, dnf install curl; or ask from another machine, by fcgi check --url",
                );
            }
            Failure::Curl(code, _) => *code,
        };
        let remedy = match code {
            5 => "the proxy that http_proxy or https_proxy names has no address",
            6 => "the host has no address: is it written right?",
            7 => "nobody listens there: start the web server, or name its port",
            28 => {
                "it hangs: the web server waits for the program, or a firewall drops what is sent"
            }
            35 | 56 if url.shown().starts_with("https:") => "is that port https? Try http://",
            51 | 58 | 60 | 66 | 77 | 83 | 90 | 91 => {
                "no browser shows the page either: renew the certificate, or name the host as it is in it"
            }
            52 | 55 | 56 => {
                "the web server closed the connection without an answer; is the port https?"
            }
            _ => "see what curl says",
        };
        report.red(
            words!("{} does not answer: {}", url.shown(), self.sentence()),
            remedy,
        )
    }
}

pub(super) fn get(url: &Url) -> Result<Got, Failure> {
    fetch(url, &[], b"")
}

/// As `get`, with another time limit: of two such flags curl takes the last.
pub(super) fn get_within(url: &Url, seconds: &str) -> Result<Got, Failure> {
    fetch(url, &["--max-time", seconds], b"")
}

/// Sends a body by POST, with a type that no application takes for a form's.
pub(super) fn post(url: &Url, body: &[u8]) -> Result<Got, Failure> {
    let flags = [
        "--data-binary",
        "@-",
        "-H",
        "Content-Type: application/octet-stream",
        // curl would wait for a second for web servers that never answer that header.
        "-H",
        "Expect:",
    ];
    fetch(url, &flags, body)
}

fn fetch(url: &Url, flags: &[&str], input: &[u8]) -> Result<Got, Failure> {
    let begin = Instant::now();
    let mut child = start(url, flags).map_err(Failure::NoCurl)?;
    if let Some(mut stdin) = child.stdin.take() {
        // curl reads all of it before it connects. If it has ended instead, its standard error says why.
        let _ = stdin.write_all(input);
    }
    let (bytes, is_whole) = read(&mut child);
    if !is_whole {
        // The rest is not wanted.
        let _ = child.kill();
    }
    let said = child.stderr.take();
    let said = said.and_then(|stderr| first_bytes(stderr, LARGEST).ok());
    let said = said.unwrap_or_default();
    let status = child.wait().map_err(Failure::NoCurl)?;
    match parse(&bytes) {
        // An answer counts even if curl ended with an error: a web server that refuses a body may answer before it has all of
        // it.
        Some(got) => Ok(Got {
            took: begin.elapsed(),
            ..got
        }),
        None => {
            let said = str::from_utf8(&said).unwrap_or("");
            let said = said.lines().next().unwrap_or("curl says nothing");
            Err(Failure::Curl(status.code().unwrap_or(0), words!("{said}")))
        }
    }
}

fn start(url: &Url, flags: &[&str]) -> io::Result<Child> {
    Command::new("curl")
        // -q has to be first. Without it curl reads .curlrc, which might make it follow redirects or write files. Proxies of
        // the environment count.
        .args(["-q", "-sS", "-g", "-i"])
        .args(["--proto", "=http,https", "-A", AGENT])
        .args(["--connect-timeout", LONGEST_CONNECT, "--max-time", LONGEST])
        .args(flags)
        .args(["--url", &url.text()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => io::Error::new(error.kind(), "it is not installed"),
            _ => error,
        })
}

/// What curl wrote to standard output, and whether that is all of it.
fn read(child: &mut Child) -> (Vec<u8>, bool) {
    let Some(stdout) = child.stdout.take() else {
        return (Vec::new(), true);
    };
    let bytes = first_bytes(stdout, LARGEST).unwrap_or_default();
    let is_whole = (bytes.len() as u64) < LARGEST;
    (bytes, is_whole)
}

/// Reads an answer. In front of its head may stand heads of status 1xx, and that of a proxy's answer to CONNECT.
fn parse(bytes: &[u8]) -> Option<Got> {
    let mut rest = bytes;
    loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = words!("{}", String::from_utf8_lossy(&rest[..end]));
        rest = &rest[end + 4..];
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) || rest.starts_with(b"HTTP/") {
            continue;
        }
        let mut fields = Vec::new();
        for line in lines {
            if let Some((name, value)) = line.split_once(':') {
                fields.push((name, value.trim()));
            }
        }
        return Some(Got {
            status,
            fields,
            body: rest.to_owned(),
            took: Duration::ZERO,
        });
    }
}

#[cfg(test)]
impl Got {
    /// An answer as it might have come.
    pub(super) fn of(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Got {
        Got {
            status,
            body: body.as_ref().to_owned(),
            fields: vec![("Content-Type", words!("{kind}"))],
            took: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_head_counts() {
        let got = parse(
            b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/2 404\r\nLocation: /x\r\ncontent-type:text/plain\r\n\r\n\0a\r\n\r\nb",
        )
        .unwrap();
        assert_eq!((got.status, got.kind()), (404, "text/plain"));
        assert_eq!(got.body, b"\0a\r\n\r\nb");
        assert_eq!(got.redirect(), None);
        let moved = parse(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n").unwrap();
        assert_eq!(moved.redirect(), Some("/x"));
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").is_none());
        assert!(parse(b"").is_none());
    }
}
