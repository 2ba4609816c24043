//! A foreign FastCGI client as oracle: the crate `fastcgi-client`, which knows php-fpm and nothing of us. libfcgi's own
//! `cgi-fcgi` is a row of the server tests.

use crate::served::{Served, serve};
use fastcgi_client::{Client, Params, Request};
use fcgi::Address;
use futures::executor::block_on;
use futures::io::AllowStdIo;
use std::io::{Cursor, Read, Write};
use std::os::unix::net::UnixStream;

fn served() -> Served {
    serve(|req, res| match req.path() {
        "/echo" => {
            let mut out = res.content_type("application/octet-stream").stream()?;
            std::io::copy(req.body(), &mut out)?;
            Ok(())
        }
        "/stderr" => {
            req.stderr().write_all(b"a line for the log")?;
            res.send("told")
        }
        "/fails" => Err(fcgi::Error::new(418, "as asked")),
        _ => {
            let mut body = Vec::new();
            req.body().read_to_end(&mut body)?;
            res.send(format!("{} {} {}", req.method(), req.query(), body.len()))
        }
    })
}

fn connect(server: &Served) -> AllowStdIo<UnixStream> {
    let Address::Unix(path) = server.address() else {
        panic!("a unix socket")
    };
    let stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(crate::wire::PATIENCE))
        .unwrap();
    AllowStdIo::new(stream)
}

fn params<'a>(path: &'a str, query: &'a str, length: usize) -> Params<'a> {
    Params::default()
        .request_method("POST")
        .script_name("")
        .request_uri(path)
        .query_string(query)
        .content_length(length)
        .custom("PATH_INFO", path)
        .custom("HTTP_X_LONG", "l".repeat(300))
}

/// Head and body of an answer, and what was written to stderr.
fn page(response: &fastcgi_client::Response) -> (String, Vec<u8>, String) {
    let stdout = response.stdout.clone().unwrap_or_default();
    let at = stdout
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(stdout[..at].to_vec()).unwrap();
    let stderr = String::from_utf8(response.stderr.clone().unwrap_or_default()).unwrap();
    (head, stdout[at + 4..].to_vec(), stderr)
}

#[test]
fn a_foreign_client_is_answered() {
    let server = served();
    let ask = |path: &str, body: &[u8]| {
        let client = Client::new(connect(&server));
        let body_reader = AllowStdIo::new(Cursor::new(body.to_vec()));
        let request = Request::new(params(path, "x=1", body.len()), body_reader);
        page(&block_on(client.execute_once(request)).unwrap())
    };
    let (head, body, _) = ask("/any", b"four");
    assert!(head.starts_with("Status: 200 OK"), "{head}");
    assert_eq!(body, b"POST x=1 4");
    let large: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
    assert_eq!(ask("/any", &large).1, b"POST x=1 1000000");
    assert_eq!(ask("/echo", &large[..200_000]).1, &large[..200_000]);
    assert_eq!(ask("/stderr", b"").2, "a line for the log");
    assert!(ask("/fails", b"").0.starts_with("Status: 418"));
    server.assert_serves();
}

#[test]
fn a_foreign_client_keeps_its_connection() {
    let server = served();
    let mut client = Client::new_keep_alive(connect(&server));
    for length in [0, 1, 70_000, 3] {
        let query = format!("n={length}");
        let body = AllowStdIo::new(Cursor::new(vec![b'b'; length]));
        let request = Request::new(params("/any", &query, length), body);
        let (_, body, _) = page(&block_on(client.execute(request)).unwrap());
        assert_eq!(body, format!("POST n={length} {length}").into_bytes());
    }
}
