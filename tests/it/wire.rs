//! The web server's side of a connection: what it writes, record by record, and what it reads, with nothing let pass.
//!
//! Written from the specification alone. Whatever an answer has that the specification or the web servers do not
//! bear is a panic here, in every test that reads one.

use fcgi::Address;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

// Section 8.
pub const BEGIN_REQUEST: u8 = 1;
pub const ABORT_REQUEST: u8 = 2;
pub const END_REQUEST: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
pub const STDOUT: u8 = 6;
pub const STDERR: u8 = 7;
pub const DATA: u8 = 8;
pub const GET_VALUES: u8 = 9;
pub const GET_VALUES_RESULT: u8 = 10;
pub const UNKNOWN_TYPE: u8 = 11;

pub const REQUEST_COMPLETE: u8 = 0;
pub const CANT_MPX_CONN: u8 = 1;
pub const UNKNOWN_ROLE: u8 = 3;

/// Longer than anything here takes, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A record without padding.
pub fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    padded(kind, id, content, 0)
}

/// A record; its padding and its reserved byte are not zero, since nobody may look at them.
pub fn padded(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("a record has at most 65,535 bytes");
    let mut bytes = vec![1, kind];
    bytes.extend(id.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend([padding, 0xaa]);
    bytes.extend(content);
    bytes.extend(vec![0x5a; padding.into()]);
    bytes
}

/// BEGIN_REQUEST for a responder.
pub fn begin(id: u16, keep_conn: bool) -> Vec<u8> {
    begin_role(id, 1, keep_conn)
}

pub fn begin_role(id: u16, role: u16, keep_conn: bool) -> Vec<u8> {
    let [role1, role0] = role.to_be_bytes();
    record(
        BEGIN_REQUEST,
        id,
        &[role1, role0, keep_conn.into(), 0, 0, 0, 0, 0],
    )
}

/// A name-value pair with the shortest lengths.
pub fn pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let short = |len: usize| len < 128;
    pair_with(name, value, short)
}

/// A name-value pair whose lengths take four bytes, which is legal for short ones too.
pub fn long_pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    pair_with(name, value, |_| false)
}

fn pair_with(
    name: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
    is_short: impl Fn(usize) -> bool,
) -> Vec<u8> {
    let (name, value) = (name.as_ref(), value.as_ref());
    let mut bytes = Vec::new();
    for len in [name.len(), value.len()] {
        if is_short(len) {
            bytes.push(len as u8);
        } else {
            bytes.extend((1_u32 << 31 | len as u32).to_be_bytes());
        }
    }
    [&bytes, name, value].concat()
}

/// Content in records of at most `size` bytes, each with so much padding, and the empty record that ends it.
pub fn stream(kind: u8, id: u16, content: &[u8], size: usize, padding: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in content.chunks(size) {
        bytes.extend(padded(kind, id, piece, padding));
    }
    bytes.extend(padded(kind, id, &[], padding));
    bytes
}

/// A request as a web server would send it.
#[derive(Clone)]
pub struct Ask {
    id: u16,
    keep_conn: bool,
    pairs: Vec<u8>,
    body: Vec<u8>,
    size: usize,
    padding: u8,
}

impl Ask {
    /// A GET of a path, with a query if it has one.
    pub fn get(target: &str) -> Ask {
        Ask::new("GET", target)
    }

    /// A POST with a body and its CONTENT_LENGTH.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Ask {
        let body = body.into();
        let mut ask = Ask::new("POST", target).param("CONTENT_LENGTH", body.len().to_string());
        ask.body = body;
        ask
    }

    pub fn new(method: &str, target: &str) -> Ask {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ask::bare()
            .param("REQUEST_METHOD", method)
            .param("REQUEST_URI", target)
            .param("SCRIPT_NAME", "")
            .param("PATH_INFO", path)
            .param("QUERY_STRING", query)
    }

    /// A request without a single parameter.
    pub fn bare() -> Ask {
        Ask {
            id: 1,
            keep_conn: false,
            pairs: Vec::new(),
            body: Vec::new(),
            size: 65_535,
            padding: 0,
        }
    }

    pub fn param(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Ask {
        self.pairs.extend(pair(name, value));
        self
    }

    /// Adds bytes to the PARAMS stream as they are.
    pub fn raw_params(mut self, bytes: impl AsRef<[u8]>) -> Ask {
        self.pairs.extend(bytes.as_ref());
        self
    }

    pub fn id(mut self, id: u16) -> Ask {
        self.id = id;
        self
    }

    /// With FCGI_KEEP_CONN.
    pub fn keep(mut self) -> Ask {
        self.keep_conn = true;
        self
    }

    /// Streams in records of at most `size` bytes.
    pub fn records_of(mut self, size: usize) -> Ask {
        self.size = size;
        self
    }

    /// So much padding behind every record of its streams.
    pub fn padding(mut self, padding: u8) -> Ask {
        self.padding = padding;
        self
    }

    pub fn begin(&self) -> Vec<u8> {
        begin(self.id, self.keep_conn)
    }

    pub fn params(&self) -> Vec<u8> {
        stream(PARAMS, self.id, &self.pairs, self.size, self.padding)
    }

    /// Everything up to the end of PARAMS.
    pub fn head(&self) -> Vec<u8> {
        [self.begin(), self.params()].concat()
    }

    /// Each pair of its parameters, as long as their lengths are those that [`pair`] writes.
    pub fn pairs(&self) -> Vec<Vec<u8>> {
        let (mut pairs, mut rest) = (Vec::new(), &self.pairs[..]);
        while !rest.is_empty() {
            let (name, after) = length(rest);
            let (value, content) = length(after);
            let end = rest.len() - content.len() + name + value;
            pairs.push(rest[..end].to_vec());
            rest = &rest[end..];
        }
        pairs
    }

    pub fn stdin(&self) -> Vec<u8> {
        stream(STDIN, self.id, &self.body, self.size, self.padding)
    }

    pub fn bytes(&self) -> Vec<u8> {
        [self.head(), self.stdin()].concat()
    }
}

/// A length in one byte or four, and what follows it.
fn length(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes[0] {
        short @ 0..128 => (short.into(), &bytes[1..]),
        _ => {
            let (four, rest) = bytes.split_at(4);
            let long = u32::from_be_bytes(four.try_into().unwrap()) & !(1 << 31);
            (long as usize, rest)
        }
    }
}

/// A record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: u8,
    pub id: u16,
    pub content: Vec<u8>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With END_REQUEST: application status, protocol status.
    Whole(u32, u8),
    /// By the end of the connection.
    Cut,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 0 if no head came.
    pub status: u16,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: End,
    /// The content length of each STDOUT record but the empty one.
    pub sizes: Vec<usize>,
}

impl Reply {
    /// The value of a field that stands there once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} is there twice: {values:?}");
        values.first().copied()
    }

    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| std::str::from_utf8(value).expect("a field of text"))
            .collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    pub fn is_whole(&self) -> bool {
        self.end == End::Whole(0, REQUEST_COMPLETE)
    }

    /// What a test mostly wants to know, in one value.
    #[track_caller]
    pub fn page(&self) -> (u16, &str) {
        assert!(
            self.is_whole(),
            "the answer is cut or refused: {:?}",
            self.end
        );
        (self.status, self.text())
    }
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection to the application.
pub struct Wire {
    socket: Socket,
    /// What came and was not looked at.
    came: Vec<u8>,
    /// A denial is awaited, whose status is first even before a Location.
    pub denial: bool,
}

impl Wire {
    #[track_caller]
    pub fn connect(address: &Address) -> Wire {
        Wire::try_connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    pub fn try_connect(address: &Address) -> io::Result<Wire> {
        Wire::try_connect_within(address, PATIENCE)
    }

    /// As [`Wire::try_connect`], by TCP with less patience.
    pub fn try_connect_within(address: &Address, limit: Duration) -> io::Result<Wire> {
        let socket = match address {
            Address::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Socket::Unix(socket)
            }
            Address::Tcp(address) => {
                let socket = TcpStream::connect_timeout(address, limit)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.set_nodelay(true)?;
                Socket::Tcp(socket)
            }
            other => panic!("{other} cannot be connected to"),
        };
        Ok(Wire {
            socket,
            came: Vec::new(),
            denial: false,
        })
    }

    /// A connection on which this was written.
    #[track_caller]
    pub fn after(address: &Address, bytes: impl AsRef<[u8]>) -> Wire {
        let mut wire = Wire::connect(address);
        wire.write(bytes);
        wire
    }

    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).expect("the server does not read");
    }

    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.socket {
            Socket::Unix(socket) => socket.write_all(bytes.as_ref()),
            Socket::Tcp(socket) => socket.write_all(bytes.as_ref()),
        }
    }

    /// Writes until nothing has been taken for a while. How much was.
    pub fn write_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.set_nonblocking(true);
        let (mut written, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(100) && written < bytes.len() {
            let done = match &mut self.socket {
                Socket::Unix(socket) => socket.write(&bytes[written..]),
                Socket::Tcp(socket) => socket.write(&bytes[written..]),
            };
            match done {
                Ok(n) => {
                    written += n;
                    since = Instant::now();
                }
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        self.set_nonblocking(false);
        written
    }

    /// Says that nothing more will be written.
    pub fn end(&mut self) {
        match &self.socket {
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
        }
        .expect("the connection is gone");
    }

    /// Our own address, if it is a TCP connection.
    pub fn local_addr(&self) -> SocketAddr {
        match &self.socket {
            Socket::Unix(_) => panic!("a unix socket has no port"),
            Socket::Tcp(socket) => socket.local_addr().unwrap(),
        }
    }

    /// All bytes up to the connection's end, which need not be whole records.
    pub fn bytes_until_the_end(&mut self) -> Vec<u8> {
        self.try_bytes_until_the_end().expect("the connection ends")
    }

    pub fn try_bytes_until_the_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.came);
        match &mut self.socket {
            Socket::Unix(socket) => socket.read_to_end(&mut bytes),
            Socket::Tcp(socket) => socket.read_to_end(&mut bytes),
        }?;
        Ok(bytes)
    }

    /// The same connection twice: one to read from, one to write to meanwhile.
    pub fn split(self) -> (Wire, Wire) {
        let socket = match &self.socket {
            Socket::Unix(socket) => Socket::Unix(socket.try_clone().unwrap()),
            Socket::Tcp(socket) => Socket::Tcp(socket.try_clone().unwrap()),
        };
        let writer = Wire {
            socket,
            came: Vec::new(),
            denial: self.denial,
        };
        (self, writer)
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn ask(&mut self, ask: &Ask) -> Reply {
        self.write(ask.bytes());
        self.reply(ask.id)
    }

    /// The answer to request `id`, up to END_REQUEST or to the end of the connection.
    #[track_caller]
    pub fn reply(&mut self, id: u16) -> Reply {
        self.reply_by(id, Wire::record)
    }

    /// As [`Wire::reply`], for an answer that was cut where it stood: its last record may not be whole.
    #[track_caller]
    pub fn reply_of_the_cut(&mut self, id: u16) -> Reply {
        self.reply_by(id, |wire| wire.is_record_whole().then(|| wire.record())?)
    }

    /// The answers to so many requests, whose records may be mixed, by their ids; those too that the end of the connection cut.
    #[track_caller]
    pub fn replies(&mut self, count: usize) -> BTreeMap<u16, Reply> {
        let (mut records, mut ended) = (BTreeMap::<u16, VecDeque<Record>>::new(), 0);
        while ended < count
            && let Some(record) = self.record()
        {
            ended += usize::from(record.kind == END_REQUEST);
            records.entry(record.id).or_default().push_back(record);
        }
        let reply = |(id, records): (u16, VecDeque<Record>)| {
            let records = RefCell::new(records);
            let reply = self.reply_by(id, |_| records.borrow_mut().pop_front());
            assert!(records.borrow().is_empty(), "{id}: more behind its end");
            (id, reply)
        };
        records.into_iter().map(reply).collect()
    }

    fn reply_by(&mut self, id: u16, record: impl Fn(&mut Wire) -> Option<Record>) -> Reply {
        let mut stdout = Vec::new();
        let mut reply = Reply {
            status: 0,
            fields: Vec::new(),
            body: Vec::new(),
            stderr: Vec::new(),
            end: End::Cut,
            sizes: Vec::new(),
        };
        let mut ended = false;
        while let Some(Record {
            kind,
            id: of,
            content,
        }) = record(self)
        {
            assert_eq!(of, id, "a record of another request: type {kind}");
            match kind {
                STDOUT => {
                    assert!(!ended, "STDOUT after its end");
                    ended = content.is_empty();
                    assert!(
                        !ended || head_end(&stdout).is_some(),
                        "STDOUT ends before its head is whole"
                    );
                    if !ended {
                        reply.sizes.push(content.len());
                    }
                    stdout.extend(content);
                }
                STDERR => {
                    assert!(!content.is_empty(), "an empty STDERR that nobody asked for");
                    reply.stderr.extend(content);
                }
                END_REQUEST => {
                    assert_eq!(content.len(), 8, "END_REQUEST has eight bytes");
                    assert_eq!(content[5..], [0; 3], "reserved bytes are zero");
                    let app_status = u32::from_be_bytes(content[..4].try_into().unwrap());
                    reply.end = End::Whole(app_status, content[4]);
                    assert!(
                        ended || stdout.is_empty(),
                        "END_REQUEST before the end of STDOUT"
                    );
                    break;
                }
                other => panic!("nobody asked for a record of type {other}"),
            }
        }
        if !stdout.is_empty() {
            let end = head_end(&stdout).expect("a head that is not whole");
            (reply.status, reply.fields) = head(&stdout[..end - 2], self.denial);
            reply.body = stdout.split_off(end);
        }
        reply
    }

    /// The next record. `None` when the server has closed the connection, in order.
    #[track_caller]
    pub fn record(&mut self) -> Option<Record> {
        if self.came.is_empty() && !self.read_more().expect("the server does not answer") {
            return None;
        }
        while self.came.len() < 8 {
            assert!(self.read_more().expect("half a header"), "half a header");
        }
        let [version, kind, id1, id0, len1, len0, padding, reserved] =
            *self.came.first_chunk().unwrap();
        assert_eq!((version, reserved), (1, 0), "version and reserved byte");
        let len = usize::from(u16::from_be_bytes([len1, len0]));
        let whole = 8 + len + usize::from(padding);
        assert_eq!(whole % 8, 0, "a record that is not padded to eight bytes");
        assert!(padding < 8, "more padding than it takes");
        while self.came.len() < whole {
            assert!(self.read_more().expect("half a record"), "half a record");
        }
        let content = self.came[8..8 + len].to_vec();
        assert!(
            self.came[8 + len..whole].iter().all(|&byte| byte == 0),
            "padding that tells what was in memory"
        );
        self.came.drain(..whole);
        let id = u16::from_be_bytes([id1, id0]);
        let is_management = matches!(kind, GET_VALUES_RESULT | UNKNOWN_TYPE);
        assert_eq!(id == 0, is_management, "type {kind} with id {id}");
        Some(Record { kind, id, content })
    }

    /// Whether a whole record comes before the end of the connection.
    fn is_record_whole(&mut self) -> bool {
        while !self.is_whole_here() {
            if !self.read_more().expect("the server does not close") {
                return false;
            }
        }
        true
    }

    /// Whether a whole record has come.
    fn is_whole_here(&self) -> bool {
        let [_, _, _, _, len1, len0, padding, _, ..] = self.came[..] else {
            return false;
        };
        let content = usize::from(u16::from_be_bytes([len1, len0]));
        self.came.len() >= 8 + content + usize::from(padding)
    }

    /// Asserts that the server closes its side, and has sent nothing more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        if let Some(record) = self.record() {
            panic!("more came: {record:?}");
        }
    }

    /// Waits for the end of the connection, orderly or not, whatever came before. Whether anything did.
    pub fn wait_for_end(&mut self) -> bool {
        loop {
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => return !self.came.is_empty(),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return !self.came.is_empty();
                }
                Err(error) => panic!("the connection does not end: {error}"),
            }
        }
    }

    /// All that comes, up to the end of the connection, orderly or not; what is not whole then is left out.
    #[track_caller]
    pub fn records_until_the_end(&mut self) -> Vec<Record> {
        self.wait_for_end();
        let mut records = Vec::new();
        while self.is_whole_here() {
            records.extend(self.record());
        }
        records
    }

    /// Whether nothing has come, not even the end. At this moment: wait for the server before.
    pub fn is_silent(&mut self) -> bool {
        self.set_nonblocking(true);
        let more = self.read_more();
        self.set_nonblocking(false);
        self.came.is_empty() && more.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn set_nonblocking(&self, yes: bool) {
        match &self.socket {
            Socket::Unix(socket) => socket.set_nonblocking(yes),
            Socket::Tcp(socket) => socket.set_nonblocking(yes),
        }
        .unwrap();
    }

    /// Reads what there is; `false` at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 64 << 10];
        loop {
            let read = match &mut self.socket {
                Socket::Unix(socket) => socket.read(&mut bytes),
                Socket::Tcp(socket) => socket.read(&mut bytes),
            };
            match read {
                // A process that these tests started has ended.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let n = read?;
                    self.came.extend(&bytes[..n]);
                    return Ok(n > 0);
                }
            }
        }
    }
}

/// Where the body begins.
fn head_end(stdout: &[u8]) -> Option<usize> {
    let end = stdout.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

/// The lines of a head, each with its end.
fn head(mut lines: &[u8], denial: bool) -> (u16, Vec<(String, Vec<u8>)>) {
    let mut fields = Vec::new();
    while let Some(end) = lines.windows(2).position(|window| window == b"\r\n") {
        let (line, rest) = lines.split_at(end);
        lines = &rest[2..];
        let colon = line.windows(2).position(|window| window == b": ");
        let (name, value) = line.split_at(colon.expect("a line without a name"));
        let name = String::from_utf8(name.to_vec()).expect("a name of text");
        fields.push((name, value[2..].to_vec()));
    }
    assert!(lines.is_empty(), "a line without an end");
    let located = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("location"));
    let (name, value) = match located && !denial {
        // HAProxy 2.6.12 makes a 302 of whatever status stands before a Location, and lighttpd 1.4.69 drops what stands
        // before a denial's status.
        true => fields.pop().expect("a status"),
        false => fields.remove(0),
    };
    assert_eq!(
        name, "Status",
        "Status is not first, or last behind a responder's Location"
    );
    assert!(
        !fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("status")),
        "two Status fields"
    );
    let value = String::from_utf8(value).expect("a status of text");
    let (number, reason) = value.split_once(' ').expect("a status with its reason");
    assert!(!reason.is_empty() && number.len() == 3, "Status: {value}");
    (number.parse().expect("a status is a number"), fields)
}
