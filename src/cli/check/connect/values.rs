//! Whether an application answers GET_VALUES (specification, section 4.1), and with what; or speaks something else.
//!
//! Of the web servers only HAProxy was seen to ask. Our own library answers; php-fpm 8.2 does and closes the connection;
//! libfcgi 2.4.2 waits for more unless the record has padding, which HAProxy's has not; many others close without a word.

use super::super::Findings;
use crate::cli::words::{joined, words};
use crate::net::{Transport, Wait};
use crate::protocol::{HEADER_LEN, Pairs, RecordHeader, RecordType, encode_pair};
use std::io;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];

/// It costs an application no work.
const LONGEST: Duration = Duration::from_secs(1);

/// More than any answer has.
const LARGEST: usize = 16 << 10;

/// What an application says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Values {
    Known(Vec<(String, String)>),
    /// It knows the protocol, and not this question.
    Unknown,
    Closed,
    Silent,
    /// A web server, by the first line of what it said.
    Http(String),
    /// Neither FastCGI nor http.
    Foreign,
}

pub(super) fn ask(transport: &Transport) -> Values {
    if send(transport, &question()).is_err() {
        return Values::Closed;
    }
    match hear(transport) {
        // A web server waits for the end of a line. No FastCGI application is asked anything more on this connection.
        Values::Silent if send(transport, b"\r\n\r\n").is_ok() => match hear(transport) {
            Values::Http(line) => Values::Http(line),
            _ => Values::Silent,
        },
        values => values,
    }
}

impl Values {
    pub(super) fn finding(&self, report: &mut Findings) {
        let harmless = "leave out HAProxy's option get-values; no other web server asks";
        match self {
            Values::Known(values) if values.is_empty() => {
                report.green("it answers GET_VALUES, and says nothing of its connections")
            }
            Values::Known(values) => {
                let mut told = values.iter().map(|(name, value)| words!("{name}={value}"));
                report.green(words!("it answers GET_VALUES: {}", joined(&mut told, ", ")))
            }
            Values::Unknown => {
                report.yellow("it does not know GET_VALUES, and says so", harmless)
            }
            Values::Closed => report.yellow(
                "it closes the connection when it is asked GET_VALUES",
                harmless,
            ),
            Values::Silent => report.yellow(
                words!("it was silent for {LONGEST:?} when it was asked GET_VALUES"),
                words!("libfcgi 2.4.2 is so: {harmless}; or all its workers are busy"),
            ),
            Values::Http(line) => report.red(
                words!("a web server answers there, and no FastCGI application: {line:?}"),
                "name the address that the application listens on; a web server's proxy_pass (not fastcgi_pass) is for this one",
            ),
            Values::Foreign => report.red(
                "what answers there speaks no FastCGI",
                "name the address that the application listens on",
            ),
        }
    }
}

fn question() -> Vec<u8> {
    let mut content = Vec::new();
    for name in NAMES {
        encode_pair(name.as_bytes(), b"", &mut content);
    }
    let header = RecordHeader::new(RecordType::GetValues, 0, content.len() as u16);
    let mut record = header.encode().to_vec();
    record.append(&mut content);
    record.resize(record.len() + usize::from(header.padding), 0);
    record
}

/// So few bytes fit into any socket at once.
fn send(transport: &Transport, bytes: &[u8]) -> io::Result<usize> {
    transport.send(bytes)
}

fn hear(transport: &Transport) -> Values {
    let readable = Wait {
        readable: true,
        writable: false,
    };
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    let begin = Instant::now();
    loop {
        // In all: a byte a second is no answer either.
        match transport.wait(readable, LONGEST.saturating_sub(begin.elapsed())) {
            Ok(came) if came.readable => {}
            _ => return Values::Silent,
        }
        match transport.recv(&mut some) {
            Ok(0) => return told(&bytes).unwrap_or(Values::Closed),
            Ok(n) => bytes.extend_from_slice(&some[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Values::Closed,
        }
        match told(&bytes) {
            Some(values) => return values,
            None if bytes.len() > LARGEST => return Values::Foreign,
            None => {}
        }
    }
}

/// What these first bytes are; `None` if more are needed.
fn told(bytes: &[u8]) -> Option<Values> {
    // nginx answers what is no http to it without a head: HTTP/0.9.
    if bytes.starts_with(b"HTTP/") || bytes.starts_with(b"<html>") || bytes.starts_with(b"<!") {
        let line = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next();
        return Some(Values::Http(
            String::from_utf8_lossy(line.unwrap_or(bytes)).into_owned(),
        ));
    }
    let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let Some(header) = RecordHeader::decode(header) else {
        return Some(Values::Foreign);
    };
    let content = rest.get(..usize::from(header.content))?;
    Some(match header.record_type {
        RecordType::GetValuesResult => Values::Known(
            Pairs::new(content)
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        ),
        RecordType::UnknownType => Values::Unknown,
        _ => Values::Foreign,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{unknown_type, values_result};

    #[test]
    fn the_first_bytes_say_who_speaks() {
        let asked = &question()[HEADER_LEN..];
        let result = values_result(asked, 7, 8);
        let known = [
            ("FCGI_MAX_CONNS", "7"),
            ("FCGI_MAX_REQS", "8"),
            ("FCGI_MPXS_CONNS", "0"),
        ];
        let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told(&result), Some(Values::Known(known.to_vec())));
        assert_eq!(told(&result[..9]), None);
        assert_eq!(told(&unknown_type(9)), Some(Values::Unknown));
        assert_eq!(
            told(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
            Some(Values::Http("HTTP/1.1 400 Bad Request".into()))
        );
        assert_eq!(told(b"SSH-2.0-OpenSSH"), Some(Values::Foreign));
        assert_eq!(told(b""), None);
    }

    #[test]
    fn a_byte_now_and_then_is_silence() {
        let (mut peer, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let drips = std::thread::spawn(move || {
            // Until whoever listens has gone.
            while io::Write::write_all(&mut peer, &[1]).is_ok() {
                std::thread::sleep(LONGEST / 20);
            }
        });
        let begin = Instant::now();
        assert_eq!(
            hear(&Transport::from(std::os::fd::OwnedFd::from(ours))),
            Values::Silent
        );
        assert!(begin.elapsed() < LONGEST * 2);
        drips.join().unwrap();
    }
}
