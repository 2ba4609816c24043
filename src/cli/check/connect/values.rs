//! Whether an application answers GET_VALUES (specification, section 4.1), and with what; or speaks something else than FastCGI.
//! Called by `connect`.
//!
//! Of the web servers only HAProxy was seen to ask this. This crate answers; php-fpm 8.2 answers and closes the connection;
//! libfcgi 2.4.2 waits for more unless the record has padding, which HAProxy's has not; many others close without a word.

use super::super::Findings;
use crate::cli::words::{joined, words};
use crate::net::{Transport, Wait};
use crate::protocol::{HEADER_LEN, Pairs, RecordHeader, RecordType, append_record, encode_pair};
use std::io;
use std::time::{Duration, Instant};

const MULTIPLEXES: &str = "FCGI_MPXS_CONNS";
const NAMES: [&str; 3] = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", MULTIPLEXES];

/// So long is the answer waited for: it costs an application no work.
const LONGEST: Duration = Duration::from_secs(1);

/// In bytes: no answer is larger.
const LARGEST: usize = 16 << 10;

/// What an application says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Values {
    Known(Vec<(String, String)>),
    /// It says that it does not know the question.
    Unknown,
    Closed,
    Silent,
    /// A web server, by the first line of what it said.
    Http(String),
    /// Neither FastCGI nor http.
    Foreign,
}

/// Asks on this connection.
pub(super) fn ask(transport: &Transport) -> Values {
    if send(transport, &question()).is_err() {
        return Values::Closed;
    }
    match hear(transport) {
        // A web server may wait for the end of a line. Nothing else is asked on this connection, so that an application is not
        // harmed.
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
                let shares = values.iter().any(|(name, value)| name == MULTIPLEXES && value == "1");
                let about = match shares {
                    true => "; a connection takes several requests at once: HAProxy's option mpxs-conns",
                    false => "",
                };
                report.green(words!("it answers GET_VALUES: {}{about}", joined(&mut told, ", ")))
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
                words!("all its workers are busy, or it is libfcgi 2.4.2: {harmless}"),
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
    let mut record = Vec::new();
    append_record(RecordType::GetValues, 0, &content, &mut record);
    record
}

/// One call is enough: any socket takes so few bytes at once.
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
        // The limit is for the whole answer: a byte a second is none.
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

/// What the first bytes of an answer say; `None` if more are needed.
fn told(bytes: &[u8]) -> Option<Values> {
    // nginx takes what is no http for HTTP/0.9, and answers without a head.
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
        let result = values_result(asked, 7, 8, false);
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
        // Else it would hear for ever.
        assert!(begin.elapsed() < LONGEST * 10);
        drips.join().unwrap();
    }
}
