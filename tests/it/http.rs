//! Handlers of the `http` crate's types: what they are given, what becomes of their answers, and that neither is gathered.

use crate::served::{Folder, serve};
use crate::wire::{Ask, End, STDIN, STDOUT, record};
use ::http::{Method, Response, Version};
use fcgi::http::{Cgi, Content, form, responder};
use fcgi::testing::{Answer, Behind, request};
use fcgi::{Body, Server};
use log::Level;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

type Request<'a, 'buf> = ::http::Request<&'a mut Body<'buf>>;

/// What `look` finds in the request.
fn seen(ask: fcgi::testing::Ask, look: fn(&Request) -> String) -> String {
    let answer = ask.call(responder(move |req| Ok(Response::new(look(&req)))));
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text().to_owned()
}

/// Answers with `made`, and its body.
fn answer<B: Content + Send + Sync + Clone + 'static>(method: &str, made: Response<B>) -> Answer {
    request(method, "/").call(responder(move |_| Ok(made.clone())))
}

fn boxed(read: impl Read + 'static) -> Box<dyn Read> {
    Box::new(read)
}

#[test]
fn method_uri_and_version_are_the_visitors() {
    let line = |req: &Request| format!("{} {} {:?}", req.method(), req.uri(), req.version());
    for (method, target, expected) in [
        ("GET", "/", "GET / HTTP/1.1"),
        ("POST", "/a%2Fb?x=%20&y", "POST /a%2Fb?x=%20&y HTTP/1.1"),
        ("PROPFIND", "/?", "PROPFIND / HTTP/1.1"),
        ("OPTIONS", "*", "OPTIONS * HTTP/1.1"),
        ("GET", "//evil.example/x", "GET //evil.example/x HTTP/1.1"),
    ] {
        assert_eq!(seen(request(method, target), line), expected);
    }
    let below = |behind| seen(request("GET", "/a%20b?c").behind(behind), line);
    assert_eq!(below(Behind::NginxMount("/app")), "GET /a%20b?c HTTP/1.1");
    for (protocol, version) in [
        ("HTTP/0.9", Version::HTTP_09),
        ("HTTP/1.0", Version::HTTP_10),
        ("HTTP/2.0", Version::HTTP_2),
        ("HTTP/2", Version::HTTP_2),
        ("HTTP/3.0", Version::HTTP_3),
        ("INCLUDED", Version::HTTP_11),
        ("", Version::HTTP_11),
    ] {
        let ask = request("GET", "/").param("SERVER_PROTOCOL", protocol);
        let found = seen(ask, |req| format!("{:?}", req.version()));
        assert_eq!(found, format!("{version:?}"), "{protocol}");
    }
    let none = request("GET", "/").without("REQUEST_METHOD");
    assert_eq!(
        seen(none, |req| (req.method() == Method::GET).to_string()),
        "true"
    );
}

/// As `Request::header` has them.
#[test]
fn each_header_comes_once_with_its_values_joined() {
    let headers = |req: &Request| {
        let line = |(name, value): (&::http::HeaderName, &::http::HeaderValue)| {
            format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut lines: Vec<_> = req.headers().iter().map(line).collect();
        lines.sort();
        lines.concat()
    };
    let ask = request("POST", "/")
        .header("Accept-Language", "de")
        .header("accept-language", "en")
        .header("Cookie", "a=1")
        .header("Cookie", "b=2")
        .header("X-Text", "caf\u{e9}")
        .header("Content-Type", "text/plain");
    let expected = "accept-language: de, en\ncontent-length: 4\ncontent-type: text/plain\n\
                    cookie: a=1; b=2\nhost: localhost\nx-text: caf\u{e9}\n";
    // nginx repeats pairs.
    let ask = ask.body("four").behind(Behind::NginxMount("/app"));
    assert_eq!(seen(ask, headers), expected);
    // What a visitor makes up for variables that are the web server's; a name that no header has; lengths that are none.
    let ask = request("GET", "/")
        .param("HTTP_CONTENT_LENGTH", "7")
        .param("HTTP_CONTENT_TYPE", "text/evil")
        .param("HTTP_X-Y", "1")
        .param("HTTP_x_z", "1")
        .param("HTTPS", "on")
        .param("CONTENT_LENGTH", "")
        .param("CONTENT_TYPE", "");
    assert_eq!(seen(ask, headers), "host: localhost\n");
    let chunked = request("POST", "/").param("CONTENT_LENGTH", "-1");
    assert_eq!(seen(chunked, headers), "host: localhost\n");
    let renamed = request("GET", "/").param("REDIRECT_HTTP_AUTHORIZATION", "Basic eDp5");
    let expected = "authorization: Basic eDp5\nhost: localhost\n";
    assert_eq!(seen(renamed, headers), expected);
}

#[test]
fn what_http_has_no_place_for_is_among_the_extensions() {
    let ask = request("GET", "/a%20b?c")
        .behind(Behind::NginxMount("/app"))
        .header("X-Name", "v")
        .param("REMOTE_USER", "ada")
        .param("X", "1")
        .param("HTTPS", "on");
    let found = seen(ask, |req| {
        let cgi = req.extensions().get::<Cgi>().unwrap().clone();
        let [mount, path, scheme] = [cgi.mount(), cgi.path(), cgi.scheme()];
        let [addr, user, host] = [cgi.remote_addr(), cgi.remote_user(), cgi.host()];
        let params = ["X", "HTTP_X_NAME", "NONE"].map(|name| cgi.param(name));
        let count = cgi.params().filter(|(name, _)| *name == b"X").count();
        assert!(cgi.id().number() > 0);
        format!(
            "{mount} {path} {scheme} {addr:?} {user:?} {host:?} {} {} {} {params:?} {count}",
            cgi.port(),
            cgi.url(),
            cgi.url_for("/x"),
        )
    });
    let expected = "/app /a b https Some(\"127.0.0.1\") Some(\"ada\") Some(\"localhost\") 80 \
                    https://localhost:80/app/a%20b?c /app/x [Some(\"1\"), Some(\"v\"), None] 1";
    assert_eq!(found, expected);
}

#[test]
fn what_the_types_refuse_is_a_400_and_never_reaches_the_application() {
    let long = "x".repeat(70_000);
    for (ask, status, why) in [
        (
            request("GET", "/").param("REQUEST_METHOD", "GE T"),
            400,
            "the method GE T is refused: it is not legal in HTTP",
        ),
        (
            request("GET", "/").param("REQUEST_METHOD", "G\u{fc}T\n"),
            400,
            "the method G\u{fc}T\\n is refused: it is not legal in HTTP",
        ),
        (
            request("GET", "/").param("REQUEST_METHOD", ""),
            400,
            "the method  is refused: it is not legal in HTTP",
        ),
        (
            request("GET", "/").param("HTTP_X_(Y", "1"),
            400,
            "the header X-(Y is refused: its name is not legal in HTTP",
        ),
        (
            request("GET", "/").param("HTTP_X_Y", "1\r\nX: 2"),
            400,
            "the header x-y is refused: its value has a control character",
        ),
        (
            request("GET", "/").param("CONTENT_TYPE", "text/\0"),
            400,
            "the header content-type is refused: its value has a control character",
        ),
        (
            request("GET", "/").param("QUERY_STRING", &long),
            414,
            "path and query of 70002 bytes are refused: an http::Uri holds 65534",
        ),
    ] {
        let answer = ask.call(responder(|_| -> fcgi::Result<Response<()>> {
            panic!("the application is asked")
        }));
        assert_eq!(answer.status(), status, "{answer:?}");
        let error = answer.error().unwrap();
        assert!(error.ends_with(why), "{error}");
    }
    // At the edge, and all bytes that a web server passes on unescaped.
    let fits = request("GET", "/").param("QUERY_STRING", &long[..65_532]);
    assert_eq!(
        seen(fits, |req| req.uri().to_string().len().to_string()),
        "65534"
    );
    let bytes: Vec<u8> = (1..=255).collect();
    let odd = request("GET", "/").param("QUERY_STRING", bytes);
    assert!(seen(odd, |req| req.uri().query().unwrap().to_owned()).ends_with("%FE%FF"));
}

/// As many as a request may have pairs; a `HeaderMap` panics above 24,576.
#[test]
fn the_most_headers_that_may_come_fit() {
    let server = Server::new().max_params(1 << 20).max_pairs(usize::MAX);
    let ask = |count: usize| {
        let mut ask = request("GET", "/").settings(&server);
        for i in 0..count {
            ask = ask.param(&format!("HTTP_X_{i}"), "");
        }
        ask.call(responder(|req| {
            Ok(Response::new(req.headers().len().to_string()))
        }))
    };
    let most = ask(16_300);
    assert_eq!((most.status(), most.text()), (200, "16301"));
    assert_eq!(ask(16_400).status(), 431);
}

#[test]
fn an_answer_keeps_the_rules_of_every_answer() {
    let made = |status: u16, name: &'static str, value: &'static str| {
        let response = Response::builder().status(status);
        response.header(name, value).body("page").unwrap()
    };
    for (made, why) in [
        (
            made(200, "transfer-encoding", "chunked"),
            "transfer-encoding is refused",
        ),
        (made(200, "connection", "close"), "connection is refused"),
        (made(200, "upgrade", "h2c"), "upgrade is refused"),
        (made(200, "status", "404"), "status is refused"),
        (
            made(200, "content-length", "5"),
            "Content-Length 5 is refused: the body has 4 bytes",
        ),
        (made(200, "content-length", "x"), "its value is no number"),
        (
            made(200, "location", "/x"),
            "a Location with status 200 is refused",
        ),
        (made(101, "x", ""), "status 101 is refused"),
        (made(100, "x", ""), "status 100 is refused"),
        (made(600, "x", ""), "status 600 is refused"),
        (made(999, "x", ""), "status 999 is refused"),
    ] {
        let answer = answer("GET", made);
        assert_eq!(answer.status(), 500, "{answer:?}");
        let error = answer.error().unwrap();
        assert!(error.contains(why), "{error}");
    }
    let cookies = Response::builder()
        .status(599)
        .header("set-cookie", "a=1")
        .header("x-text", "caf\u{e9}")
        .header("set-cookie", "b=2");
    let answer = answer("GET", cookies.body("").unwrap());
    let mut fields: Vec<_> = answer.headers().collect();
    fields.sort();
    let expected = [
        ("Content-Length", "0"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-text", "caf\u{e9}"),
    ];
    assert_eq!((answer.status(), &fields[..]), (599, &expected[..]));
}

#[test]
fn head_204_and_304_have_no_body() {
    let page = |status: u16| Response::builder().status(status).body("page").unwrap();
    for (method, status, length) in [
        ("HEAD", 200, Some("4")),
        ("GET", 204, None),
        ("GET", 304, None),
    ] {
        let answer = answer(method, page(status));
        let found = (
            answer.status(),
            answer.body(),
            answer.header("Content-Length"),
        );
        assert_eq!(found, (status, &b""[..], length), "{answer:?}");
    }
}

#[test]
fn a_body_may_be_bytes_text_or_nothing() {
    let bytes = Response::new(vec![0_u8, 255]);
    assert_eq!(answer("GET", bytes).body(), [0, 255]);
    assert_eq!(
        answer("GET", Response::new(String::from("text"))).text(),
        "text"
    );
    assert_eq!(answer("GET", Response::new(&b"bytes"[..])).text(), "bytes");
    let nothing = answer("GET", Response::new(()));
    let found = (nothing.body(), nothing.header("Content-Length"));
    assert_eq!(found, (&b""[..], Some("0")));
}

#[test]
fn a_file_is_sent_from_where_it_stands_with_its_length() {
    let folder = Folder::new();
    let path = folder.path().join("file");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    std::fs::write(&path, &content).unwrap();
    let opened = path.clone();
    let ask = move |method, at| {
        let path = opened.clone();
        request(method, "/").call(responder(move |_| {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(at))?;
            Ok(Response::new(file))
        }))
    };
    for at in [0, 1, 1_199_999, 1_200_000, 2_000_000] {
        let answer = ask("GET", at);
        let rest = content.get(at as usize..).unwrap_or_default();
        assert!(answer.body() == rest && !answer.is_cut(), "from {at}");
        let length = rest.len().to_string();
        assert_eq!(answer.header("Content-Length"), Some(&length[..]));
    }
    let head = ask("HEAD", 0);
    let found = (head.body(), head.header("Content-Length"));
    assert_eq!(found, (&b""[..], Some("1200000")));
    // A folder can be opened, and not read.
    let folder_of_it = folder.path().to_owned();
    let app = responder(move |_| Ok(Response::new(File::open(&folder_of_it)?)));
    assert_eq!(request("GET", "/").call(app).status(), 500);
}

/// With all that the library's own answer can do: here the 304 of `send_file`.
#[test]
fn an_application_may_have_contents_of_its_own() {
    struct Path(std::path::PathBuf);
    impl Content for Path {
        fn send(self, res: fcgi::Response) -> fcgi::Result {
            res.send_file(self.0)
        }
    }
    let folder = Folder::new();
    let path = folder.path().join("file");
    std::fs::write(&path, "content").unwrap();
    let app = responder(move |_| {
        let response = Response::builder().header("etag", "\"v1\"");
        Ok(response.body(Path(path.clone()))?)
    });
    let first = request("GET", "/").call(&app);
    assert_eq!((first.status(), first.text()), (200, "content"));
    let again = request("GET", "/").header("If-None-Match", "\"v1\"");
    assert_eq!(again.call(&app).status(), 304);
}

#[test]
fn a_pipe_is_sent_to_its_end_without_a_length() {
    let answer = request("GET", "/").call(responder(|_| {
        let (reader, mut writer) = io::pipe()?;
        writer.write_all(b"from a program")?;
        Ok(Response::new(File::from(OwnedFd::from(reader))))
    }));
    let found = (
        answer.text(),
        answer.header("Content-Length"),
        answer.is_cut(),
    );
    assert_eq!(found, ("from a program", None, false));
}

/// Gives `text` piece by piece, then fails, and counts how often it is read.
struct Source {
    text: &'static [u8],
    end: io::Result<()>,
    reads: Arc<AtomicUsize>,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match self.text.is_empty() {
            true => std::mem::replace(&mut self.end, Ok(())).map(|()| 0),
            false => self.text.read(&mut into[..1]),
        }
    }
}

fn from_source(
    method: &str,
    length: Option<&'static str>,
    text: &'static str,
    fails: bool,
) -> (Answer, usize) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let app = responder(move |_| {
        let source = Source {
            text: text.as_bytes(),
            end: if fails {
                Err(io::Error::other("the disk is on fire"))
            } else {
                Ok(())
            },
            reads: Arc::clone(&counted),
        };
        let mut response = Response::builder();
        if let Some(length) = length {
            response = response.header("content-length", length);
        }
        Ok(response.body(boxed(source))?)
    });
    (
        request(method, "/").call(app),
        reads.load(Ordering::Relaxed),
    )
}

#[test]
fn a_reader_is_read_to_its_end_or_its_content_length() {
    let (whole, _) = from_source("GET", None, "whole", false);
    assert_eq!(
        (whole.text(), whole.header("Content-Length")),
        ("whole", None)
    );
    assert_eq!(whole.header("X-Accel-Buffering"), Some("no"));
    let (part, reads) = from_source("GET", Some("3"), "whole", true);
    assert_eq!(
        (part.text(), part.is_cut(), reads),
        ("who", false, 3),
        "{part:?}"
    );
    let (short, _) = from_source("GET", Some("9"), "whole", false);
    assert!(short.is_cut() && short.text() == "whole", "{short:?}");
    let (head, reads) = from_source("HEAD", Some("5"), "whole", true);
    assert_eq!((head.body(), reads), (&b""[..], 0));
    assert_eq!(head.header("Content-Length"), Some("5"));
    let (empty, _) = from_source("GET", None, "", false);
    assert_eq!(
        (empty.status(), empty.text(), empty.is_cut()),
        (200, "", false)
    );
}

#[test]
fn a_reader_that_fails_is_a_page_before_its_first_piece_and_a_cut_answer_after_it() {
    let (page, _) = from_source("GET", None, "", true);
    let found = (page.status(), page.error());
    assert_eq!(found, (500, Some("the disk is on fire")), "{page:?}");
    let (cut, _) = from_source("GET", None, "half", true);
    assert!(cut.is_cut() && cut.text() == "half", "{cut:?}");
    assert_eq!(cut.error(), Some("the disk is on fire"));
}

#[test]
fn a_form_and_an_upload_are_read_as_by_the_librarys_own_request() {
    fn app(mut req: Request) -> fcgi::Result<Response<String>> {
        let form = form(&mut req)?;
        let again =
            fcgi::http::form(&mut req).map_or_else(|error| error.to_string(), |_| "".into());
        let fields: Vec<_> = form.fields().chain(form.query()).collect();
        Ok(Response::new(format!("{fields:?} {again}")))
    }
    let ask = request("POST", "/?q=%26").form(&[("name", "a & b")]);
    let again = "the form cannot be read: the body was read already; keep what the first call gave";
    let expected = format!("[(\"name\", \"a & b\"), (\"q\", \"&\")] {again}");
    assert_eq!(ask.call(responder(app)).text(), expected);
    let json = request("POST", "/").header("Content-Type", "application/json");
    assert_eq!(json.body("{}").call(responder(app)).status(), 415);
    let large = request("POST", "/").form(&[("name", &"x".repeat(3 << 20))]);
    assert_eq!(large.call(responder(app)).status(), 413);
    #[cfg(feature = "multipart")]
    {
        let upload = request("POST", "/").file("file", "a.txt", "content");
        let answer = upload.call(responder(|mut req| {
            let mut parts = fcgi::http::multipart(&mut req)?;
            let mut part = parts.next_part()?.unwrap();
            Ok(Response::new(part.text()?))
        }));
        assert_eq!(answer.text(), "content", "{answer:?}");
    }
}

#[test]
fn errors_and_panics_are_pages() {
    let app = |fails: fn() -> fcgi::Result| {
        let handler = responder(move |_| fails().map(Response::new));
        request("GET", "/").call(handler)
    };
    let missing = app(|| Err(fcgi::Error::new(404, "not here")));
    assert_eq!((missing.status(), missing.error()), (404, Some("not here")));
    assert_eq!(app(|| panic!("no")).status(), 500);
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("while it is read")
        }
    }
    let read = request("GET", "/").call(responder(|_| Ok(Response::new(boxed(Panics)))));
    let why = read.error().unwrap();
    assert!(
        read.status() == 500 && why.ends_with("while it is read"),
        "{read:?}"
    );
}

/// On a socket: what was sent is there before the rest is.
#[test]
fn a_body_is_read_as_it_comes() {
    let (tell, told) = mpsc::channel();
    let server = serve(responder(move |req| {
        let body = req.into_body();
        let mut sum = 0;
        loop {
            let n = body.fill_buf()?.len();
            if n == 0 {
                return Ok(Response::new(sum.to_string()));
            }
            body.consume(n);
            sum += n;
            tell.send(sum)?;
        }
    }));
    let ask = Ask::new("POST", "/").keep();
    let mut wire = server.after(ask.head());
    for sum in [5, 10, 15] {
        wire.write(record(STDIN, 1, b"piece"));
        assert_eq!(told.recv().unwrap(), sum);
    }
    wire.write(record(STDIN, 1, b""));
    assert_eq!(wire.reply(1).page(), (200, "15"));
    // The connection goes on, whatever was left unread.
    assert_eq!(wire.ask(&Ask::get("/hello").keep()).page(), (200, "hello"));
}

/// By somebody else, while a slow visitor is sent it.
#[test]
fn a_file_that_gets_shorter_is_cut() {
    let folder = Folder::new();
    let path = folder.path().join("file");
    let file = File::create(&path).unwrap();
    file.set_len(8 << 20).unwrap();
    let server = serve(responder(move |_| Ok(Response::new(File::open(&path)?))));
    let mut wire = server.after(Ask::get("/").bytes());
    let head = wire.record().unwrap();
    assert!(
        head.content
            .starts_with(b"Status: 200 OK\r\nContent-Length: 8388608\r\n\r\n")
    );
    file.set_len(1 << 10).unwrap();
    let rest = wire.records_until_the_end();
    assert!(
        rest.iter().all(|record| record.kind == STDOUT),
        "it is not ended"
    );
    assert!(rest.iter().all(|record| !record.content.is_empty()));
    server.line(Level::Error, "of the 8388608 bytes of its Content-Length");
}

/// Reads what is sent to it, piece by piece.
struct Pieces(mpsc::Receiver<&'static str>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.0.recv().unwrap_or_default();
        piece.as_bytes().read(into)
    }
}

/// A server whose answer is what is sent to it.
fn serving_pieces() -> (crate::served::Served, mpsc::Sender<&'static str>) {
    let (give, given) = mpsc::channel();
    let pieces = Mutex::new(Some(Pieces(given)));
    let server = serve(responder(move |_| {
        let pieces = pieces.lock().unwrap().take().expect("one request");
        Ok(Response::new(boxed(pieces)))
    }));
    (server, give)
}

#[test]
fn what_a_reader_gives_is_on_the_wire_before_it_gives_more() {
    let (server, give) = serving_pieces();
    let mut wire = server.after(Ask::get("/").bytes());
    let mut next = || {
        let record = wire.record().unwrap();
        assert_eq!(record.kind, STDOUT);
        String::from_utf8(record.content).unwrap()
    };
    give.send("one").unwrap();
    assert_eq!(next(), "Status: 200 OK\r\nX-Accel-Buffering: no\r\n\r\none");
    for piece in ["two", "three"] {
        give.send(piece).unwrap();
        assert_eq!(next(), piece);
    }
    drop(give);
    assert_eq!(next(), "");
    assert_eq!(wire.reply(1).end, End::Whole(0, 0));
}

#[test]
fn a_reader_is_left_alone_once_the_visitor_has_left() {
    let (server, give) = serving_pieces();
    let mut wire = server.after(Ask::get("/").bytes());
    give.send("one").unwrap();
    wire.record().unwrap();
    drop(wire);
    // It is dropped with the answer.
    crate::served::poll("the end of the answer", || give.send("more").is_err());
    server.assert_serves();
    assert_eq!(server.lines(Level::Warn), [""; 0], "it is everyday");
}
