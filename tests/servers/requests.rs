//! The table of requests that every web server has to answer, whatever its configuration. `main.rs` runs it for each
//! row; where web servers differ, the row's [`Traits`] say what was measured.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::http::{Answer, Http, Pace, request};
use crate::process::until;
use crate::row::{Cut, Traits};
use crate::testbed::Upstream;
use crate::{Outcome, ensure};

/// One web server, ready to be asked.
pub struct Asked<'a> {
    pub http: Http,
    pub traits: &'a Traits,
    pub upstream: Option<&'a Upstream>,
}

pub type Check = fn(&Asked) -> Outcome;

pub const TABLE: &[(&str, Check)] = &[
    ("GET", get),
    ("the path is whole and decoded", path),
    ("the parameters of CGI", parameters),
    ("Authorization", authorization),
    ("POST counted: 0 B", |asked| count(asked, 0)),
    ("POST counted: 1 B", |asked| count(asked, 1)),
    ("POST counted: 64 KiB", |asked| count(asked, 64 << 10)),
    ("POST counted: 10 MiB", |asked| count(asked, 10 << 20)),
    ("POST counted: in chunks", count_chunked),
    ("POST echoed: 0 B", |asked| echo(asked, 0)),
    ("POST echoed: 1 B", |asked| echo(asked, 1)),
    ("POST echoed: 64 KiB", |asked| echo(asked, 64 << 10)),
    ("POST echoed: 10 MiB", echo_large),
    ("POST not read", not_read),
    ("HEAD has no body", head),
    ("404", not_found),
    ("a status of the program's own", status),
    ("redirect", redirect),
    ("cookies", cookies),
    ("an illegal header is a 500", illegal_header),
    ("pieces", pieces),
    ("50 MiB download", download),
    ("panic", panic),
    ("panic after output", panic_late),
    ("request dribbled", dribbled_request),
    ("upload dribbled", dribbled_upload),
    ("answer read slowly", slow_reader),
    ("visitor gone in mid-answer", gone),
    ("20 at once", twenty),
    ("connections kept or not", kept),
    ("which files are served", files),
    ("a folder with a program of its own", below),
];

/// Files beside the program, and their content.
pub const FILES: &[(&str, &str)] = &[
    ("public.txt", "public"),
    ("guests.db", "private"),
    ("GUESTS.DB", "private"),
    ("guests.db-wal", "private"),
    ("guests.db.gz", "private"),
    ("app.log.1", "private"),
    ("app.log.2.xz", "private"),
    (".env", "private"),
    ("notes.txt~", "private"),
    ("style.css", "public"),
    ("data.json", "public"),
    ("sub/public.txt", "public"),
    ("guests.sqlite", "private"),
    ("backup.sql.gz", "private"),
    ("settings.toml", "private"),
    ("main.rs", "private"),
    ("app.fcgi.2", "private"),
    ("app.cgi.2", "private"),
    (".ht.none.fcgi", "private"),
    (".git/config", "private"),
    ("sub/guests.db", "private"),
    ("files/guests.db", "private"),
];

fn get(asked: &Asked) -> Outcome {
    let answer = asked.http.get("/hello")?;
    answer.expect(200, "Hello, world!")?;
    let kind = answer.header("Content-Type");
    ensure!(
        kind == "text/plain; charset=utf-8",
        "Content-Type is {kind:?}"
    );
    Ok(())
}

/// `/app/hello` tells a web server that splits the path at its first part from one that does not.
fn path(asked: &Asked) -> Outcome {
    let place = "mount \npath /path\nquery x=%20&y\n";
    asked.http.get("/path?x=%20&y")?.expect(200, place)?;
    asked.http.get("/%70ath?x=%20&y")?.expect(200, place)?;
    for nowhere in ["/app/hello", "/hello/", "/"] {
        asked.http.get(nowhere)?.expect(404, "not found")?;
    }
    Ok(())
}

fn parameters(asked: &Asked) -> Outcome {
    let answer = asked.http.get("/env?x=1&y=%20")?;
    ensure!(answer.status == 200, "status {}", answer.status);
    let text = answer.text();
    for wanted in [
        "REQUEST_METHOD=GET",
        "QUERY_STRING=x=1&y=%20",
        "REQUEST_URI=/env?x=1&y=%20",
        "SERVER_PROTOCOL=HTTP/1.1",
        "REMOTE_ADDR=127.0.0.1",
        if asked.traits.names_cgi {
            "GATEWAY_INTERFACE=CGI/1.1"
        } else {
            "SCRIPT_NAME="
        },
    ] {
        ensure!(
            text.lines().any(|line| line == wanted),
            "{wanted} is not among the parameters:\n{text}"
        );
    }
    Ok(())
}

fn authorization(asked: &Asked) -> Outcome {
    // "ada:secret"
    let headers = [("Authorization", "Basic YWRhOnNlY3JldA==")];
    let answer = asked.http.send(&request("GET", "/env", &headers, b""))?;
    ensure!(answer.status == 200, "status {}", answer.status);
    let wanted = "HTTP_AUTHORIZATION=Basic YWRhOnNlY3JldA==";
    let seen = answer.text().lines().any(|line| line == wanted);
    ensure!(
        seen == asked.traits.authorization,
        "measured before: {}; now {seen}",
        asked.traits.authorization
    );
    Ok(())
}

fn count(asked: &Asked, length: usize) -> Outcome {
    let body = body(length, 0);
    asked
        .http
        .post("/count", &body)?
        .expect(200, &counted(&body))
}

/// Without a Content-Length: the web servers count it themselves, or leave the end to the stream.
fn count_chunked(asked: &Asked) -> Outcome {
    if asked.traits.refuses_chunks {
        let status = send_chunked(asked, &body(10_000, 0))?.status;
        ensure!(status == 411, "411 before, now {status}");
        return Ok(());
    }
    if !asked.traits.takes_chunks {
        let status = send_chunked(asked, &body(100_000, 0))?.status;
        ensure!(status == 400, "400 before, now {status}");
        let body = body(10_000, 0);
        return send_chunked(asked, &body)?.expect(200, &counted(&body));
    }
    let body = body(100_000, 0);
    send_chunked(asked, &body)?.expect(200, &counted(&body))
}

fn send_chunked(asked: &Asked, body: &[u8]) -> Outcome<Answer> {
    let mut chunks = Vec::new();
    for piece in body.chunks(7_000) {
        chunks.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunks.extend(piece);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let headers = [("Transfer-Encoding", "chunked")];
    asked
        .http
        .send(&request("POST", "/count", &headers, &chunks))
}

fn echo(asked: &Asked, length: usize) -> Outcome {
    let body = body(length, 1);
    let answer = asked.http.post("/echo", &body)?;
    ensure!(
        answer.status == 200 && answer.whole && answer.body == body,
        "expected 200 and {length} bytes, got {} and {} bytes (whole: {}, the same: {})",
        answer.status,
        answer.body.len(),
        answer.whole,
        answer.body == body
    );
    Ok(())
}

fn echo_large(asked: &Asked) -> Outcome {
    match asked.traits.echoes_large {
        true => echo(asked, 10 << 20),
        false => Ok(()),
    }
}

/// The answer is there before the body is, and must not be lost when the connection closes over it.
fn not_read(asked: &Asked) -> Outcome {
    let body = body(300_000, 2);
    asked.http.post("/noread", &body)?.expect(200, "ok")
}

/// Bytes after the head of a HEAD's answer would be taken for the next answer.
fn head(asked: &Asked) -> Outcome {
    let mut visitor = asked.http.connect()?;
    let keep = [("Connection", "keep-alive")];
    let head = visitor.exchange(&request("HEAD", "/hello", &keep, b""), Pace::Fast)?;
    ensure!(head.status == 200, "status {}", head.status);
    ensure!(head.body.is_empty(), "a body: {:?}", head.text());
    // h2o 2.2 closes after a HEAD.
    if head.header("Connection").eq_ignore_ascii_case("close") {
        return Ok(());
    }
    visitor
        .exchange(&request("GET", "/hello", &[], b""), Pace::Fast)?
        .expect(200, "Hello, world!")
}

fn not_found(asked: &Asked) -> Outcome {
    asked.http.get("/nowhere")?.expect(404, "not found")
}

fn status(asked: &Asked) -> Outcome {
    asked
        .http
        .get("/status?code=418")?
        .expect(418, "status 418")?;
    let empty = asked.http.get("/status?code=204")?;
    ensure!(empty.status == 204, "status {}", empty.status);
    Ok(())
}

/// A web server may follow a local Location by itself where the status does not forbid it.
fn redirect(asked: &Asked) -> Outcome {
    let answer = asked.http.get("/redirect?to=/hello")?;
    ensure!(answer.status == 303, "status {}", answer.status);
    let location = answer.all("Location");
    ensure!(
        matches!(location[..], [one] if one.ends_with("/hello")),
        "Location is {location:?}"
    );
    Ok(())
}

fn cookies(asked: &Asked) -> Outcome {
    let cookie = [("Cookie", "x=1; y=2")];
    let answer = asked.http.send(&request("GET", "/cookies", &cookie, b""))?;
    answer.expect(200, "x=1; y=2")?;
    let set = answer.all("Set-Cookie");
    ensure!(set == ["a=1", "b=2; HttpOnly"], "Set-Cookie is {set:?}");
    Ok(())
}

fn illegal_header(asked: &Asked) -> Outcome {
    let legal = asked.http.get("/header?name=X-Seen&value=a%20b")?;
    ensure!(
        legal.header("X-Seen") == "a b",
        "X-Seen is {:?}",
        legal.all("X-Seen")
    );
    let split = asked
        .http
        .get("/header?name=X-Seen&value=a%0d%0aSet-Cookie:%20evil=1")?;
    // lighttpd refuses line breaks in a query itself.
    ensure!(
        [400, 500].contains(&split.status) && split.all("Set-Cookie").is_empty(),
        "status {}, Set-Cookie {:?}",
        split.status,
        split.all("Set-Cookie")
    );
    Ok(())
}

/// 4 pauses of 20 ms: where pieces are passed on, the first arrives well before the last.
fn pieces(asked: &Asked) -> Outcome {
    let answer = asked.http.get("/chunks?n=5&ms=20")?;
    answer.expect(200, "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\n")?;
    let over_time = answer.lasted >= Duration::from_millis(60);
    ensure!(
        over_time || !asked.traits.streams,
        "the pieces came within {} ms",
        answer.lasted.as_millis()
    );
    Ok(())
}

fn download(asked: &Asked) -> Outcome {
    large(asked, 50 << 20, Pace::Fast)
}

fn slow_reader(asked: &Asked) -> Outcome {
    let pause = Duration::from_millis(1);
    large(asked, 2 << 20, Pace::Slow { piece: 4096, pause })
}

fn large(asked: &Asked, length: usize, pace: Pace) -> Outcome {
    let target = format!("/bytes?n={length}");
    let mut visitor = match pace {
        Pace::Fast => asked.http.connect()?,
        Pace::Slow { .. } => asked.http.connect_narrow()?,
    };
    let answer = visitor.exchange(&request("GET", &target, &[], b""), pace)?;
    ensure!(
        answer.status == 200 && answer.whole && answer.body.len() == length,
        "expected 200 and {length} bytes, got {} and {} bytes (whole: {})",
        answer.status,
        answer.body.len(),
        answer.whole
    );
    ensure!(
        answer.body.iter().all(|&byte| byte == b'x'),
        "bytes that the program did not send"
    );
    Ok(())
}

fn panic(asked: &Asked) -> Outcome {
    for _ in 0..3 {
        let answer = asked.http.get("/panic")?;
        ensure!(answer.status == 500, "status {}", answer.status);
    }
    asked.http.get("/hello")?.expect(200, "Hello, world!")
}

fn panic_late(asked: &Asked) -> Outcome {
    let answer = asked.http.get("/panic-late")?;
    let cut = match (answer.status, answer.whole) {
        (200, true) => Cut::Hidden,
        (200, false) => Cut::Noticed,
        (status, _) => Cut::Status(status),
    };
    ensure!(
        cut == asked.traits.cut,
        "measured before: {:?}; now {cut:?} with {:?}",
        asked.traits.cut,
        answer.text()
    );
    if answer.status == 200 {
        ensure!(answer.text() == "part", "the body is {:?}", answer.text());
    }
    asked.http.get("/hello")?.expect(200, "Hello, world!")
}

fn dribbled_request(asked: &Asked) -> Outcome {
    let pause = Duration::from_millis(1);
    asked
        .http
        .connect()?
        .exchange(
            &request("GET", "/hello", &[], b""),
            Pace::Slow { piece: 1, pause },
        )?
        .expect(200, "Hello, world!")
}

fn dribbled_upload(asked: &Asked) -> Outcome {
    let body = body(2_000, 3);
    let pause = Duration::from_millis(1);
    let length = body.len().to_string();
    let request = request("POST", "/count", &[("Content-Length", &length)], &body);
    asked
        .http
        .connect()?
        .exchange(&request, Pace::Slow { piece: 11, pause })?
        .expect(200, &counted(&body))
}

fn gone(asked: &Asked) -> Outcome {
    let mut visitor = asked.http.connect_narrow()?;
    visitor.write(&request("GET", "/bytes?n=52428800", &[], b""))?;
    visitor.read_some(50_000)?;
    drop(visitor);
    asked.http.get("/hello")?.expect(200, "Hello, world!")
}

fn twenty(asked: &Asked) -> Outcome {
    let start = Barrier::new(20);
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..20)
            .map(|number| {
                let start = &start;
                scope.spawn(move || {
                    let body = body(10_000 + number, number);
                    start.wait();
                    let answer = asked.http.post("/echo", &body)?;
                    ensure!(
                        answer.status == 200 && answer.whole && answer.body == body,
                        "visitor {number} got {} and {} bytes",
                        answer.status,
                        answer.body.len()
                    );
                    Ok(())
                })
            })
            .collect();
        visitors
            .into_iter()
            .try_for_each(|visitor| visitor.join().map_err(|_| "a visitor panicked")?)
    })
}

fn kept(asked: &Asked) -> Outcome {
    let (Some(keeps), Some(upstream)) = (asked.traits.keeps_connections, asked.upstream) else {
        return Ok(());
    };
    if !keeps {
        return until("every connection to the program is closed", || {
            matches!(upstream.open_connections(), Ok(0)).then_some(())
        });
    }
    for _ in 0..5 {
        get(asked)?;
    }
    // Longer than any close takes that follows an answer.
    thread::sleep(Duration::from_millis(200));
    let open = upstream.open_connections()?;
    ensure!(open > 0, "no connection to the program is open");
    get(asked)
}

fn files(asked: &Asked) -> Outcome {
    if !asked.traits.htaccess {
        return asked.http.get("/public.txt")?.expect(404, "not found");
    }
    for (name, content) in FILES {
        let answer = asked.http.get(&format!("/{name}"))?;
        if *content == "public" {
            answer.expect(200, content)?;
        } else {
            ensure!(answer.status == 403, "{name} is a {}", answer.status);
        }
    }
    // A path of the program's own is no file, whatever it looks like.
    for path in ["/other.db", "/other.db/x", "/.hidden"] {
        asked.http.get(path)?.expect(404, "not found")?;
    }
    for path in ["/app.fcgi", "/app.cgi", "/sub/app.fcgi", "/.htaccess"] {
        let answer = asked.http.get(path)?;
        let is_file = answer.body.starts_with(b"\x7fELF") || answer.text().contains("Rewrite");
        ensure!(!is_file, "{path} is downloaded");
    }
    Ok(())
}

/// The same text in a folder below the document root: the mount is the folder's path.
fn below(asked: &Asked) -> Outcome {
    if !asked.traits.htaccess {
        return Ok(());
    }
    asked
        .http
        .get("/sub/path?x=1")?
        .expect(200, "mount /sub\npath /path\nquery x=1\n")
}

/// Bytes of every value, different for each seed.
fn body(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 7 + at / 251 + seed) as u8)
        .collect()
}

/// What `/count` says of them.
fn counted(body: &[u8]) -> String {
    let sum = body
        .iter()
        .fold(0u32, |sum, &byte| sum.wrapping_add(byte.into()));
    format!("{} {sum}", body.len())
}
