//! What the parts of a request cost: `cargo bench --bench parts`, or `cargo bench --bench parts -- params` for some.
//!
//! For whoever changes one of them: these say which part a change made slower or faster; what users get of it,
//! `scripts/bench` says. `protocol` and `cgi` are private and pure, so that they can be compiled a second time here; the
//! whole way goes through the public API, over a socket.

#[allow(dead_code, unused_imports)]
#[path = "../../src/cgi/mod.rs"]
mod cgi;
#[allow(dead_code, unused_imports)]
#[path = "../../src/protocol/mod.rs"]
mod protocol;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use protocol::{BeginRequest, RecordHeader, RecordType, Role, encode_pair};

fn main() {
    divan::main();
}

/// From the params that nobody goes below to the default limit's neighbourhood; 29 are nginx's.
const COUNTS: [usize; 5] = [10, 29, 100, 300, 1000];

/// What nginx sends for a browser's GET with `fastcgi_params` and the script's name.
const NGINX: [(&str, &str); 29] = [
    ("QUERY_STRING", "page=2"),
    ("REQUEST_METHOD", "GET"),
    ("CONTENT_TYPE", ""),
    ("CONTENT_LENGTH", ""),
    ("SCRIPT_NAME", "/news"),
    ("REQUEST_URI", "/news?page=2"),
    ("DOCUMENT_URI", "/news"),
    ("DOCUMENT_ROOT", "/srv/www/example"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_SCHEME", "https"),
    ("HTTPS", "on"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/1.22.1"),
    ("REMOTE_ADDR", "192.0.2.17"),
    ("REMOTE_PORT", "49152"),
    ("SERVER_ADDR", "198.51.100.4"),
    ("SERVER_PORT", "443"),
    ("SERVER_NAME", "www.example.org"),
    ("REDIRECT_STATUS", "200"),
    ("PATH_INFO", "/news"),
    ("SCRIPT_FILENAME", "/srv/www/example/app.fcgi"),
    ("HTTP_HOST", "www.example.org"),
    (
        "HTTP_USER_AGENT",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    (
        "HTTP_ACCEPT",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("HTTP_ACCEPT_LANGUAGE", "de,en-US;q=0.7,en;q=0.3"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"),
    ("HTTP_REFERER", "https://www.example.org/news?page=1"),
    ("HTTP_CONNECTION", "keep-alive"),
    ("HTTP_COOKIE", "session=5d1f3c72a09be846; theme=dark"),
];

/// The first so many of nginx's, and behind those the headers that a client with many would send, each of its own name.
fn params(count: usize) -> Vec<u8> {
    params_named(count, |number| {
        let mut state = number as u64;
        let letters = (0..6 + number % 7).map(|_| {
            // Knuth's generator, of MMIX.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'A' + ((state >> 33) % 26) as u8)
        });
        format!("HTTP_X_{}", letters.collect::<String>())
    })
}

/// The same with names of so little difference that a glance does not tell them apart.
fn params_alike(count: usize) -> Vec<u8> {
    params_named(count, |number| format!("HTTP_X_FIELD_{number:04}"))
}

fn params_named(count: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let mut stream = Vec::new();
    for (name, value) in NGINX.iter().take(count) {
        encode_pair(name.as_bytes(), value.as_bytes(), &mut stream);
    }
    for number in NGINX.len()..count {
        encode_pair(
            name(number).as_bytes(),
            b"a value of some bytes",
            &mut stream,
        );
    }
    stream
}

/// All records of a request, to be kept open after it.
fn request(count: usize) -> Vec<u8> {
    let begin = BeginRequest {
        role: Role::Responder.number(),
        keep_conn: true,
    };
    let mut bytes = record(RecordType::BeginRequest, &begin.encode());
    bytes.extend(record(RecordType::Params, &params(count)));
    bytes.extend(record(RecordType::Params, b""));
    bytes.extend(record(RecordType::Stdin, b""));
    bytes
}

fn record(record_type: RecordType, content: &[u8]) -> Vec<u8> {
    let header = RecordHeader::new(record_type, 1, content.len() as u16);
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(header.padding), 0);
    bytes
}

/// The rule book of records, without what stands in them.
mod records {
    use super::*;
    use protocol::{Event, Sequence};

    /// Each record of nginx's request.
    #[divan::bench]
    fn small_request(bencher: Bencher) {
        let bytes = request(29);
        bencher.bench_local(|| walk(&mut Sequence::default(), black_box(&bytes)));
    }

    /// The records of a MiB of body, of 32 KiB each as nginx makes them, of which so many bytes are read at a time.
    #[divan::bench(args = [4 << 10, 64 << 10])]
    fn body_of_a_mib(bencher: Bencher, window: usize) {
        let mut bytes = request(29);
        bytes.truncate(bytes.len() - protocol::HEADER_LEN);
        for _ in 0..32 {
            bytes.extend(record(RecordType::Stdin, &[b'x'; 32 << 10]));
        }
        bencher.bench_local(|| {
            let mut sequence = Sequence::default();
            let pieces = black_box(&bytes).chunks(window);
            pieces
                .map(|piece| walk(&mut sequence, piece))
                .sum::<usize>()
        });
    }

    /// How much content lies in `bytes`.
    fn walk(sequence: &mut Sequence, bytes: &[u8]) -> usize {
        let (mut at, mut content) = (0, 0);
        loop {
            match sequence.next(bytes, &mut at) {
                Event::More => return content,
                Event::Params(n) | Event::Stdin(n) => {
                    sequence.take(n);
                    at += n;
                    content += n;
                }
                Event::Begin(_) | Event::Head | Event::StdinEnd => {}
                other => panic!("{other:?} of a request that is right"),
            }
        }
    }
}

/// What is found in the one walk over a request's params, and behind it.
mod params {
    use super::*;
    use cgi::{Known, Params, Scratch};

    fn read<'buf>(stream: &'buf [u8], scratch: &mut Scratch<'buf>) -> Params<'buf> {
        let mut params = Params::new();
        let suspects = params.read(black_box(stream)).unwrap();
        params.check(4096, 224 << 10).unwrap();
        params.join(suspects, scratch);
        params
    }

    /// The walk: what every request needs, and whether a header is repeated.
    #[divan::bench(args = COUNTS)]
    fn walk(bencher: Bencher, count: usize) {
        let stream = params(count);
        let (mut room, mut desk) = (vec![0; stream.len() * 2], vec![0; 4 * count]);
        bencher
            .counter(ItemsCount::new(count))
            .bench_local(move || {
                let mut scratch = Scratch::new(&mut room, &mut desk);
                let found = read(&stream, &mut scratch);
                found.known(Known::RequestUri).map(<[u8]>::len)
            });
    }

    /// As `walk`, where names are alike: each may be a repeated one.
    #[divan::bench(args = COUNTS)]
    fn walk_of_names_alike(bencher: Bencher, count: usize) {
        let stream = params_alike(count);
        let (mut room, mut desk) = (vec![0; stream.len() * 2], vec![0; 4 * count]);
        bencher.bench_local(move || {
            let mut scratch = Scratch::new(&mut room, &mut desk);
            let found = read(&stream, &mut scratch);
            found.known(Known::RequestUri).map(<[u8]>::len)
        });
    }

    /// As `walk`, where the last header came twice: its values are joined.
    #[divan::bench(args = COUNTS)]
    fn walk_with_a_repeated_header(bencher: Bencher, count: usize) {
        let mut stream = params(count);
        encode_pair(b"HTTP_X_TWICE", b"one", &mut stream);
        encode_pair(b"HTTP_X_TWICE", b"two", &mut stream);
        let (mut room, mut desk) = (vec![0; stream.len() * 2], vec![0; 4 * count + 8]);
        bencher.bench_local(move || {
            let mut scratch = Scratch::new(&mut room, &mut desk);
            let found = read(&stream, &mut scratch);
            found.get(b"HTTP_X_TWICE").map(<[u8]>::len)
        });
    }

    /// A handler's question for what is not there: all of them are looked at.
    #[divan::bench(args = COUNTS)]
    fn lookup(bencher: Bencher, count: usize) {
        let stream = params(count);
        let (mut room, mut desk) = (vec![0; stream.len() * 2], vec![0; 4 * count]);
        let mut scratch = Scratch::new(&mut room, &mut desk);
        let found = read(&stream, &mut scratch);
        bencher.bench_local(|| found.header(black_box("X-Requested-With")).is_none());
    }
}

/// What a handler writes in front of a body.
mod head {
    use super::*;
    use fcgi::testing;

    /// Whether a field may be sent, before it is written.
    #[divan::bench]
    fn check_of_a_field() -> bool {
        let value = "text/html; charset=utf-8";
        cgi::check_field(black_box(b"Content-Type"), black_box(value.as_bytes())).is_ok()
    }

    /// One field written in place of the one that was there.
    #[divan::bench]
    fn field_replaced(bencher: Bencher) {
        let answer = testing::request("GET", "/").call(|_, res| {
            let mut res = Some(res.content_type("text/html; charset=utf-8"));
            bencher.bench_local(|| res = res.take().map(|res| res.etag(black_box("\"v2\""))));
            res.expect("it is put back").send("")
        });
        assert_eq!(answer.header("ETag"), Some("\"v2\""));
    }
}

/// From a socket to a handler and back.
mod whole {
    use super::*;
    use fcgi::{Handle, Request, Response, Server, testing};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    /// How many requests are written at once: the server takes one after the other, so that one pair of wake-ups is shared.
    const AT_ONCE: usize = 16;

    fn hello(_: &mut Request, res: Response) -> fcgi::Result {
        res.content_type("text/plain; charset=utf-8")
            .send("Hello, world!")
    }

    /// A small request on a kept connection, by the number of its params.
    #[divan::bench(args = COUNTS)]
    fn kept(bencher: Bencher, count: usize) {
        let served = Served::by(hello);
        served.bench(bencher, &request(count));
    }

    /// The same, by the number of fields in the answer's head.
    #[divan::bench(args = [1, 4, 16, 64])]
    fn kept_with_fields(bencher: Bencher, fields: usize) {
        let served = Served::by(move |_, mut res| {
            for _ in 0..fields {
                res = res.header("X-Field", "a value of some bytes");
            }
            res.send("Hello, world!")
        });
        served.bench(bencher, &request(29));
    }

    /// A connection for each request, one after the other: connecting, two wake-ups and closing are in it.
    #[divan::bench]
    fn connection_each(bencher: Bencher) {
        let served = Served::by(hello);
        let request = request(29);
        bencher.bench_local(|| {
            let mut connection = served.connect();
            connection.write_all(&request).unwrap();
            read_answers(&mut connection, 1)
        });
    }

    /// What a test of a handler costs.
    #[divan::bench]
    fn testing_call() -> u16 {
        testing::request("GET", "/hello").call(hello).status()
    }

    /// A server with one worker, on a socket of its own.
    struct Served {
        handle: Option<Handle>,
        socket: PathBuf,
    }

    impl Served {
        fn by<F>(handler: F) -> Served
        where
            F: Fn(&mut Request<'_>, Response<'_>) -> fcgi::Result + Send + Sync + 'static,
        {
            let name = format!("fcgi-parts-{}.sock", std::process::id());
            let socket = std::env::temp_dir().join(name);
            let address = format!("unix:{}", socket.display()).parse().unwrap();
            let server = Server::new().workers(1).listen(address);
            let handle = Some(server.responder(handler).start().unwrap());
            Served { handle, socket }
        }

        fn connect(&self) -> UnixStream {
            UnixStream::connect(&self.socket).unwrap()
        }

        fn bench(&self, bencher: Bencher, request: &[u8]) {
            let requests = request.repeat(AT_ONCE);
            let mut connection = self.connect();
            bencher.counter(ItemsCount::new(AT_ONCE)).bench_local(|| {
                connection.write_all(&requests).unwrap();
                read_answers(&mut connection, AT_ONCE)
            });
        }
    }

    impl Drop for Served {
        fn drop(&mut self) {
            if let Some(handle) = self.handle.take() {
                handle.stop();
                handle.join();
            }
        }
    }

    /// Reads up to the last END_REQUEST. An answer ends with it, so that it is looked for where a record begins.
    fn read_answers(from: &mut UnixStream, count: usize) -> usize {
        let mut buffer = [0; 64 << 10];
        let (mut ended, mut have, mut bytes) = (0, 0, 0);
        while ended < count {
            let n = from.read(&mut buffer[have..]).unwrap();
            assert!(n > 0, "closed after {ended} of {count} answers");
            (have, bytes) = (have + n, bytes + n);
            let mut at = 0;
            while let Some(header) = buffer[at..have].first_chunk() {
                let header = RecordHeader::decode(header).expect("a record");
                let len = protocol::HEADER_LEN
                    + usize::from(header.content)
                    + usize::from(header.padding);
                if have - at < len {
                    break;
                }
                ended += usize::from(header.record_type == RecordType::EndRequest);
                at += len;
            }
            buffer.copy_within(at..have, 0);
            have -= at;
        }
        bytes
    }
}
