//! The visitor: HTTP/1.1 over a plain socket, so that the tests see what really arrived and when, and whether it was
//! whole. The requests and the stories use it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::Outcome;

/// A whole answer takes no longer, or the row fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// A web server to ask.
#[derive(Clone, Copy, Debug)]
pub struct Http {
    pub at: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended as its head said: all of Content-Length, or the last chunk.
    pub whole: bool,
    /// From the first byte of the body to its end.
    pub lasted: Duration,
}

impl Answer {
    fn new(status: u16, headers: Vec<(String, String)>) -> Answer {
        Answer {
            status,
            headers,
            body: Vec::new(),
            whole: true,
            lasted: Duration::ZERO,
        }
    }

    fn is_chunked(&self) -> bool {
        let coding = self.header("Transfer-Encoding");
        coding.eq_ignore_ascii_case("chunked")
    }

    /// The values of every header of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter();
        values
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless the answer is whole and is this one.
    pub fn expect(&self, status: u16, body: &str) -> Outcome {
        if self.status == status && self.whole && self.body == body.as_bytes() {
            return Ok(());
        }
        let whole = if self.whole { "whole" } else { "cut" };
        let text: String = self.text().chars().take(300).collect();
        Err(format!(
            "expected {status} {body:?}, got {} ({whole}, {} bytes) {text:?}",
            self.status,
            self.body.len()
        ))
    }
}

impl Http {
    pub fn get(self, target: &str) -> Outcome<Answer> {
        self.send(&request("GET", target, &[], b""))
    }

    pub fn post(self, target: &str, body: &[u8]) -> Outcome<Answer> {
        let length = body.len().to_string();
        self.send(&request(
            "POST",
            target,
            &[("Content-Length", &length)],
            body,
        ))
    }

    pub fn send(self, bytes: &[u8]) -> Outcome<Answer> {
        self.connect()?.exchange(bytes, Pace::Fast)
    }

    pub fn connect(self) -> Outcome<Visitor> {
        Visitor::new(self.at, None)
    }

    /// A visitor with room for few bytes on the way: the web server soon has to wait.
    pub fn connect_narrow(self) -> Outcome<Visitor> {
        Visitor::new(self.at, Some(4096))
    }
}

/// The bytes of a request that is the only one of its connection, unless `headers` has another `Connection`.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    if !headers.iter().any(|(name, _)| *name == "Connection") {
        bytes.extend(b"Connection: close\r\n");
    }
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// How a visitor writes its request and reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Fast,
    /// Some bytes at a time, with a pause after each: a tempo, not a wait for something.
    Slow {
        piece: usize,
        pause: Duration,
    },
}

/// One connection to the web server.
pub struct Visitor {
    writer: TcpStream,
    reader: BufReader<Timed>,
}

impl Visitor {
    fn new(at: SocketAddr, room: Option<usize>) -> Outcome<Visitor> {
        let connect = || -> io::Result<Visitor> {
            let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
            if let Some(room) = room {
                socket.set_recv_buffer_size(room)?;
            }
            socket.connect_timeout(&at.into(), Duration::from_secs(5))?;
            let stream = TcpStream::from(socket);
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(DEADLINE))?;
            Ok(Visitor {
                writer: stream.try_clone()?,
                reader: BufReader::new(Timed {
                    stream,
                    deadline: Instant::now() + DEADLINE,
                    pace: Pace::Fast,
                }),
            })
        };
        connect().map_err(|e| format!("cannot connect to {at}: {e}"))
    }

    /// Writes and reads at the same time: a web server that passes a body on may answer before it has all of it.
    pub fn exchange(&mut self, request: &[u8], pace: Pace) -> Outcome<Answer> {
        let bodiless = request.starts_with(b"HEAD ");
        self.reader.get_mut().pace = pace;
        let (writer, reader) = (&mut self.writer, &mut self.reader);
        thread::scope(|scope| {
            // A web server may refuse a request before it has read it: then only the answer counts.
            scope.spawn(move || write(writer, request, pace));
            read_answer(reader, bodiless)
        })
    }

    /// The answer to what was written, however long that took.
    pub fn answer(&mut self) -> Outcome<Answer> {
        self.reader.get_mut().deadline = Instant::now() + DEADLINE;
        read_answer(&mut self.reader, false)
    }

    /// Waits until the answer begins, and leaves it unread.
    pub fn hears(&mut self) -> Outcome {
        match self.reader.fill_buf() {
            Ok([]) => Err("no answer: the connection is closed".to_owned()),
            Ok(_) => Ok(()),
            Err(e) => Err(format!("no answer: {e}")),
        }
    }

    /// Reads that many bytes of what comes, whatever it is.
    pub fn read_some(&mut self, count: usize) -> Outcome {
        let mut bytes = vec![0; count];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|e| format!("cannot read {count} bytes of the answer: {e}"))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.writer
            .write_all(bytes)
            .map_err(|e| format!("cannot write a request: {e}"))
    }
}

/// An answer without an end, which is read as it comes.
pub struct Stream {
    reader: BufReader<Timed>,
    pub head: Answer,
    chunked: bool,
    /// Read, and not asked for yet.
    rest: Vec<u8>,
}

impl Visitor {
    /// Asks, and reads the head of the answer alone.
    pub fn open(mut self, request: &[u8]) -> Outcome<Stream> {
        self.write(request)?;
        let (status, headers) =
            read_head(&mut self.reader).map_err(|e| format!("no answer: {e}"))?;
        let head = Answer::new(status, headers);
        Ok(Stream {
            reader: self.reader,
            chunked: head.is_chunked(),
            head,
            rest: Vec::new(),
        })
    }

    /// Whether nothing at all comes in that time.
    pub fn hears_nothing_for(&mut self, time: Duration) -> Outcome<bool> {
        self.reader.get_mut().deadline = Instant::now() + time;
        match self.reader.fill_buf() {
            Ok(bytes) => Ok(bytes.is_empty()),
            Err(e) if is_late(&e) => Ok(true),
            Err(e) => Err(format!("cannot read an answer: {e}")),
        }
    }
}

impl Stream {
    /// What comes before `end`, which is taken away, too.
    pub fn until(&mut self, end: &str) -> Outcome<String> {
        loop {
            let found = self
                .rest
                .windows(end.len())
                .position(|w| w == end.as_bytes());
            if let Some(at) = found {
                let piece: Vec<u8> = self.rest.drain(..at + end.len()).collect();
                return Ok(String::from_utf8_lossy(&piece[..at]).into_owned());
            }
            self.read().map_err(|e| {
                let got = String::from_utf8_lossy(&self.rest);
                format!("the stream goes on with {got:?}, and then: {e}")
            })?;
        }
    }

    /// Whether that has come already, behind what was asked for.
    pub fn has(&self, text: &str) -> bool {
        let mut places = self.rest.windows(text.len());
        places.any(|window| window == text.as_bytes())
    }

    fn read(&mut self) -> io::Result<()> {
        if self.chunked {
            return match read_chunk(&mut self.reader, &mut self.rest)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            };
        }
        let bytes = self.reader.fill_buf()?;
        let count = bytes.len();
        self.rest.extend_from_slice(bytes);
        self.reader.consume(count);
        match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

fn write(stream: &mut TcpStream, request: &[u8], pace: Pace) -> io::Result<()> {
    match pace {
        Pace::Fast => stream.write_all(request),
        Pace::Slow { piece, pause } => request.chunks(piece).try_for_each(|piece| {
            thread::sleep(pause);
            stream.write_all(piece)
        }),
    }
}

/// A socket whose every read ends by the deadline.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
    pace: Pace,
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.pace {
            Pace::Slow { pause, .. } => thread::sleep(pause),
            Pace::Fast => {}
        }
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(buf) {
                // A read with a time limit ends so when the machine was stopped meanwhile, without any signal.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

fn read_answer(reader: &mut impl BufRead, bodiless: bool) -> Outcome<Answer> {
    let (status, headers) = read_head(reader).map_err(|e| format!("no answer: {e}"))?;
    if status == 100 {
        return read_answer(reader, bodiless);
    }
    let mut answer = Answer::new(status, headers);
    if bodiless || status == 204 || status == 304 {
        return Ok(answer);
    }
    let chunked = answer.is_chunked();
    let length = answer.header("Content-Length").parse().ok();
    // The first byte of the body starts the clock.
    let _ = reader.fill_buf();
    let begin = Instant::now();
    let ended = match (chunked, length) {
        (true, _) => read_chunks(reader, &mut answer.body),
        (false, Some(length)) => read_length(reader, length, &mut answer.body),
        (false, None) => reader.read_to_end(&mut answer.body).map(drop),
    };
    answer.lasted = begin.elapsed();
    match ended {
        Ok(()) => Ok(answer),
        Err(e) if is_late(&e) => {
            let got = answer.body.len();
            Err(format!("the answer stood still after {got} bytes"))
        }
        Err(_) => {
            answer.whole = false;
            Ok(answer)
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let first = line(reader)?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .or(first.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the first line is {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| io::Error::other(format!("a header line is {line:?}")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = String::from_utf8_lossy(&line);
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    while read_chunk(reader, body)? > 0 {}
    Ok(())
}

/// Its length; 0 is the last one.
fn read_chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<u64> {
    let size = line(reader)?;
    let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
        .map_err(|_| io::Error::other(format!("a chunk's size is {size:?}")))?;
    read_length(reader, size, body)?;
    let end = line(reader)?;
    if !end.is_empty() {
        return Err(io::Error::other(format!("after a chunk comes {end:?}")));
    }
    Ok(size)
}

fn read_length(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(length).read_to_end(body)?;
    if (read as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
