//! GET `/`, asked of an application as a web server asks it, and whether the answer is a proper one. Called by `connect` and
//! `pace`.

use super::super::Findings;
use super::pace;
use crate::cli::script::Script;
use crate::cli::words::words;
use crate::client::{Begin, Client, End, Head, HeadReader, MAX_HEAD, Part};
use crate::net::{Address, Transport, Wait};
use crate::testing::request;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// So long is an answer waited for. No visitor waits longer.
const LONGEST: Duration = Duration::from_secs(10);

/// So soon has a connection to be closed that was not to be kept.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);

/// So many bytes of the stderr stream are kept.
const LARGEST_STDERR: usize = 4 << 10;

const AGENT: &str = concat!("fcgi/", env!("CARGO_PKG_VERSION"));

/// A whole answer, and how long it took.
#[derive(Debug)]
pub(super) struct Answer {
    /// How long it took; with connecting, if the connection was made for this request.
    pub(super) took: Duration,
    head: Head,
    body_len: u64,
    stderr: Vec<u8>,
    end: End,
    /// Whether the application has closed the connection, if it was asked to.
    is_closed: bool,
}

impl Answer {
    /// Asks on a connection of its own, which is not to be kept, as most web servers do.
    pub(super) fn first(address: &Address, script: Option<&Script>) -> io::Result<Answer> {
        let begin = Instant::now();
        let mut client = Client::connect(address)?.timeout(LONGEST);
        let mut asked = Answer::on(&mut client, script, false)?;
        asked.took = begin.elapsed();
        asked.is_closed = is_closed(&client);
        Ok(asked)
    }

    /// Asks on this connection.
    pub(super) fn on(
        client: &mut Client,
        script: Option<&Script>,
        keep_conn: bool,
    ) -> io::Result<Answer> {
        let begin = Instant::now();
        let (mut stdout, mut stderr, mut length) = (Vec::new(), Vec::new(), 0);
        let begun = Begin {
            keep_conn,
            ..Begin::default()
        };
        let ask = request("GET", "/").header("User-Agent", AGENT);
        let (mut params, _) = ask.header("Accept", "*/*").into_parts();
        if let Some(script) = script {
            script.name_in(&mut params);
        }
        let end = client.exchange(begun, params, io::empty(), |part| {
            // A page may go on for ever, and its connection is then never silent.
            if begin.elapsed() > LONGEST {
                let what = words!("its answer has no end: {length} bytes within {LONGEST:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            match part {
                Part::Stdout(bytes) => {
                    length += bytes.len() as u64;
                    let room = (MAX_HEAD + 1).saturating_sub(stdout.len());
                    stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Part::Stderr(bytes) => {
                    let room = LARGEST_STDERR - stderr.len();
                    stderr.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Part::End(_) => {}
            }
            Ok(())
        })?;
        let took = begin.elapsed();
        if let Some(sentence) = end.refusal() {
            return Err(io::Error::other(sentence));
        }
        let Some((head, head_len)) = HeadReader::default().read(&stdout)? else {
            let what = match length {
                0 => "it ended the request without an answer",
                _ => "its answer ends within its head",
            };
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        Ok(Answer {
            took,
            head,
            body_len: length - head_len as u64,
            stderr,
            end,
            is_closed: true,
        })
    }

    pub(super) fn findings(&self, address: &Address, report: &mut Findings) {
        self.page(address, report);
        let declared = self.head.content_length();
        if let Some(declared) = declared.filter(|&declared| declared != self.body_len) {
            report.red(
                words!(
                    "its Content-Length says {declared} bytes, and {} came",
                    self.body_len
                ),
                "let the application count bytes and not letters, or leave Content-Length out",
            );
        }
        if self.body_len > 0 && self.head.field("content-type").is_none() {
            report.yellow(
                "its answer has no Content-Type: browsers guess",
                "let the application send one: text/html; charset=utf-8",
            );
        }
        if !self.stderr.is_empty() {
            report.yellow(
                words!(
                    "it wrote to its standard error: {}",
                    String::from_utf8_lossy(&self.stderr).trim_end()
                ),
                "read what it says; HAProxy 2.6 ends an answer for such a record",
            );
        }
        if self.end.app_status != 0 {
            report.yellow(
                words!(
                    "it ended the request with application status {}",
                    self.end.app_status
                ),
                "0 is the custom; web servers log others or ignore them",
            );
        }
        if !self.is_closed {
            report.red(
                words!(
                    "it left the connection open for {LONGEST_CLOSE:?} though it was asked to close it: nginx and others wait for that"
                ),
                "fastcgi_keep_conn on; or let the application close it behind END_REQUEST",
            );
        }
    }

    fn page(&self, address: &Address, report: &mut Findings) {
        let kind = self.head.field("content-type");
        let kind = kind.map_or("no type".into(), String::from_utf8_lossy);
        let status = self.head.status();
        let what = words!(
            "GET / is answered {status}, {kind}, {} bytes, within {}",
            self.body_len,
            pace::shown(self.took)
        );
        let show = words!("get --connect {address} -i / shows the page");
        match status {
            500.. => report.red(what, words!("its log says why; {show}")),
            404 if self.stderr.starts_with(b"Primary script unknown") || is_php(&self.head) => {
                report.yellow(
                    what,
                    words!(
                        "php-fpm wants to know its script: check --connect {address} --script-filename FILE"
                    ),
                )
            }
            400.. => report.yellow(what, words!("it answers, and has no page at /; {show}")),
            _ => report.green(what),
        }
    }
}

/// Tells of a request that had no answer.
pub(super) fn failure(address: &Address, error: &io::Error, report: &mut Findings) {
    let remedy = match error.kind() {
        io::ErrorKind::TimedOut => {
            "all its workers are busy, or it hangs: see what it does; start more of them"
        }
        io::ErrorKind::UnexpectedEof => {
            "it ended or gave up: its log, or that of whoever starts it, says why"
        }
        io::ErrorKind::InvalidData => "web servers make a 500 or 502 of it: mend the application",
        _ => "its log says why",
    };
    report.red(
        words!("GET / has no answer from {address}: {error}"),
        remedy,
    )
}

fn is_php(head: &Head) -> bool {
    let powered = head.field("x-powered-by").unwrap_or_default();
    powered.starts_with(b"PHP/")
}

/// Whether the application closes the connection. Behind END_REQUEST nothing else can come, so that readable means its end.
fn is_closed(client: &Client) -> bool {
    let Ok(socket) = client.as_fd().try_clone_to_owned() else {
        return true;
    };
    let readable = Wait {
        readable: true,
        writable: false,
    };
    let transport = Transport::from(socket);
    let came = transport.wait(readable, LONGEST_CLOSE);
    came.is_ok_and(|came| came.readable)
}
