//! The table of requests that every web server has to answer, whatever its configuration. `main.rs` runs it for each
//! row; where web servers differ, the row's [`Traits`] say what was measured.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::http::{Answer, Http, Pace, request};
use crate::paths;
use crate::process::until;
use crate::row::{Chunks, Cut, Files, Stderr, Traits};
use crate::testbed::Upstream;
use crate::{Outcome, ensure};

/// One web server, ready to be asked.
pub struct Asked<'a> {
    pub http: Http,
    pub traits: &'a Traits,
    pub upstream: Option<&'a Upstream>,
    pub folder: &'a Folder,
}

impl Asked<'_> {
    fn get(&self, target: &str) -> Outcome<Answer> {
        self.http.get(&self.target(target))
    }

    fn post(&self, target: &str, body: &[u8]) -> Outcome<Answer> {
        self.http.post(&self.target(target), body)
    }

    fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        request(method, &self.target(target), headers, body)
    }

    /// A line of a log that has these words.
    fn await_line(&self, file: &str, words: &str) -> Outcome {
        until(&format!("{file} has a line with {words:?}"), || {
            let bytes = fs::read(self.folder.path(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            text.lines().any(|line| line.contains(words)).then_some(())
        })
    }

    /// Below the place of the program.
    fn target(&self, target: &str) -> String {
        format!("{}{target}", self.traits.base)
    }
}

pub type Check = fn(&Asked) -> Outcome;

pub const TABLE: &[(&str, Check)] = &[
    ("GET", get),
    ("the path is whole and decoded", path),
    (
        "a blank, a slash, two slashes and UTF-8 in a path",
        odd_paths,
    ),
    ("the parameters of CGI", parameters),
    ("repeated headers and cookies", repeated),
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
    ("HEAD, 204 and 304 have no body", bodiless),
    ("404", not_found),
    ("a status of the program's own", status),
    ("redirect", redirect),
    ("cookies", cookies),
    ("an illegal header is a 500", illegal_header),
    ("pieces", pieces),
    ("events one by one", events),
    ("50 MiB download", download),
    ("panic", panic),
    ("panic after output", panic_late),
    ("what the log says", log),
    ("the stream for errors", stderr),
    ("request dribbled", dribbled_request),
    ("upload dribbled", dribbled_upload),
    ("answer read slowly", slow_reader),
    ("visitor gone in mid-answer", gone),
    ("visitor gone in mid-upload", gone_in_upload),
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
    let answer = asked.get("/hello")?;
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
    let place = format!("mount {}\npath /path\nquery x=%20&y\n", asked.traits.base);
    asked.get("/path?x=%20&y")?.expect(200, &place)?;
    asked.get("/%70ath?x=%20&y")?.expect(200, &place)?;
    for nowhere in ["/app/hello", "/hello/", "/"] {
        asked.get(nowhere)?.expect(404, "not found")?;
    }
    Ok(())
}

/// The paths that the web servers treat most differently. All of them are asked in the rows called `-paths`.
fn odd_paths(asked: &Asked) -> Outcome {
    let Traits { base, way, .. } = *asked.traits;
    for path in ["/a%20b", "/a%2Fb", "//x//y", "/%C3%A9"] {
        paths::check_one(asked.http, base, way, path).map_err(|why| format!("{path}: {why}"))?;
    }
    Ok(())
}

/// The web servers join them in four ways, or send them one by one.
fn repeated(asked: &Asked) -> Outcome {
    let headers = [
        ("X-Show", "headers"),
        ("X-Rep", "a"),
        ("X-Rep", "b"),
        ("Cookie", "x=1"),
        ("Cookie", "y=2"),
    ];
    let answer = asked.http.send(&asked.request("GET", "/", &headers, b""))?;
    let text = answer.text().replace(", ", ",");
    ensure!(
        answer.status == 200 && text == "a,b\n1\n2\n",
        "the program answers {} {text:?}",
        answer.status
    );
    let back = answer.all("X-Rep").join(",").replace(", ", ",");
    ensure!(back == "c,d", "the visitor gets X-Rep {back:?}");
    Ok(())
}

fn parameters(asked: &Asked) -> Outcome {
    let answer = asked.get("/env?x=1&y=%20")?;
    ensure!(answer.status == 200, "status {}", answer.status);
    let text = answer.text();
    let uri = format!("REQUEST_URI={}/env?x=1&y=%20", asked.traits.base);
    for wanted in [
        "REQUEST_METHOD=GET",
        "QUERY_STRING=x=1&y=%20",
        &uri,
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
    let answer = asked
        .http
        .send(&asked.request("GET", "/env", &headers, b""))?;
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
    asked.post("/count", &body)?.expect(200, &counted(&body))
}

/// Without a Content-Length: the web servers count it themselves, or leave the end to the stream.
fn count_chunked(asked: &Asked) -> Outcome {
    let (small, large) = (body(10_000, 0), body(100_000, 0));
    let refused = |body: &[u8], expected: u16| {
        let status = send_chunked(asked, body)?.status;
        ensure!(status == expected, "{expected} before, now {status}");
        Ok(())
    };
    match asked.traits.chunks {
        Chunks::All => send_chunked(asked, &large)?.expect(200, &counted(&large)),
        Chunks::Small => {
            refused(&large, 400)?;
            send_chunked(asked, &small)?.expect(200, &counted(&small))
        }
        Chunks::Early => match send_chunked(asked, &large)? {
            late if late.status == 411 => Ok(()),
            early => early.expect(200, &counted(&large)),
        },
        Chunks::None => refused(&small, 411),
    }
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
        .send(&asked.request("POST", "/count", &headers, &chunks))
}

fn echo(asked: &Asked, length: usize) -> Outcome {
    let body = body(length, 1);
    let answer = asked.post("/echo", &body)?;
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
    asked.post("/noread", &body)?.expect(200, "ok")
}

/// Bytes after the head of such an answer would be taken for the next answer.
fn bodiless(asked: &Asked) -> Outcome {
    for (method, target, status) in [
        ("HEAD", "/hello", 200),
        ("GET", "/status?code=204", 204),
        ("GET", "/status?code=304", 304),
    ] {
        bodiless_answer(asked, method, target, status)
            .map_err(|why| format!("{method} {target}: {why}"))?;
    }
    Ok(())
}

fn bodiless_answer(asked: &Asked, method: &str, target: &str, status: u16) -> Outcome {
    let mut visitor = asked.http.connect()?;
    let keep = [("Connection", "keep-alive")];
    let head = visitor.exchange(&asked.request(method, target, &keep, b""), Pace::Fast)?;
    ensure!(head.status == status, "status {}", head.status);
    ensure!(head.body.is_empty(), "a body: {:?}", head.text());
    // h2o 2.2 closes after a HEAD.
    if head.header("Connection").eq_ignore_ascii_case("close") {
        return Ok(());
    }
    visitor
        .exchange(&asked.request("GET", "/hello", &[], b""), Pace::Fast)?
        .expect(200, "Hello, world!")
}

fn not_found(asked: &Asked) -> Outcome {
    asked.get("/nowhere")?.expect(404, "not found")
}

fn status(asked: &Asked) -> Outcome {
    asked.get("/status?code=418")?.expect(418, "status 418")
}

/// A web server may follow a local Location by itself where the status does not forbid it.
fn redirect(asked: &Asked) -> Outcome {
    let answer = asked.get("/redirect?to=/hello")?;
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
    let answer = asked
        .http
        .send(&asked.request("GET", "/cookies", &cookie, b""))?;
    answer.expect(200, "x=1; y=2")?;
    let set = answer.all("Set-Cookie");
    ensure!(set == ["a=1", "b=2; HttpOnly"], "Set-Cookie is {set:?}");
    Ok(())
}

fn illegal_header(asked: &Asked) -> Outcome {
    let legal = asked.get("/header?name=X-Seen&value=a%20b")?;
    ensure!(
        legal.header("X-Seen") == "a b",
        "X-Seen is {:?}",
        legal.all("X-Seen")
    );
    let split = asked.get("/header?name=X-Seen&value=a%0d%0aSet-Cookie:%20evil=1")?;
    // lighttpd refuses line breaks in a query itself.
    ensure!(
        [400, 500].contains(&split.status) && split.all("Set-Cookie").is_empty(),
        "status {}, Set-Cookie {:?}",
        split.status,
        split.all("Set-Cookie")
    );
    Ok(())
}

/// 4 pauses of 20 ms: where pieces are passed on, the first arrives well before the last. What gathers an answer never has it
/// so; a visitor whom a busy machine wakes late may find all of it there once, and asks again.
fn pieces(asked: &Asked) -> Outcome {
    let ask = || {
        let answer = asked.get("/chunks?n=5&ms=20")?;
        answer.expect(200, "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\n")?;
        Ok::<_, String>(answer.lasted)
    };
    if !asked.traits.streams {
        return ask().map(drop);
    }
    until("the pieces come one by one", || match ask() {
        Ok(lasted) => (lasted >= Duration::from_millis(60)).then_some(Ok(())),
        Err(why) => Some(Err(why)),
    })?
}

/// The first is there long before the last is written. What gathers an answer has it all at once.
fn events(asked: &Asked) -> Outcome {
    if !asked.traits.streams {
        return Ok(());
    }
    let pause = Duration::from_millis(200);
    let begin = Instant::now();
    let mut stream =
        asked
            .http
            .connect()?
            .open(&asked.request("GET", "/chunks?n=4&ms=200", &[], b""))?;
    for number in 0..4u32 {
        stream.until(&format!("chunk {number}\n"))?;
        // Each one before the next one is written, but for what a busy machine takes.
        let late = begin.elapsed().saturating_sub(pause * number);
        let written = pause * (3 - number) + Duration::from_secs(5);
        ensure!(late < written, "chunk {number} is {late:?} late");
        ensure!(
            number == 3 || !stream.has("chunk 3"),
            "chunk {number} came with the last one"
        );
    }
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
    let answer = visitor.exchange(&asked.request("GET", &target, &[], b""), pace)?;
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
        let answer = asked.get("/panic")?;
        ensure!(answer.status == 500, "status {}", answer.status);
    }
    asked.get("/hello")?.expect(200, "Hello, world!")
}

fn panic_late(asked: &Asked) -> Outcome {
    let answer = asked.get("/panic-late")?;
    let cut = match (answer.status, answer.whole) {
        (200, true) => Cut::Hidden,
        (200, false) => Cut::Noticed,
        (status, _) => Cut::Status(status),
    };
    ensure!(
        cut == asked.traits.cut
            || (asked.traits.cut == Cut::Either && matches!(cut, Cut::Hidden | Cut::Noticed))
            || (asked.traits.cut == Cut::NoticedByTwo && cut == Cut::Noticed),
        "measured before: {:?}; now {cut:?} with {:?}",
        asked.traits.cut,
        answer.text()
    );
    if answer.status == 200 {
        ensure!(answer.text() == "part", "the body is {:?}", answer.text());
    }
    if asked.traits.cut == Cut::NoticedByTwo {
        let next = asked.get("/hello")?;
        ensure!(matches!(next.status, 200 | 502), "{}", next.status);
    }
    asked.get("/hello")?.expect(200, "Hello, world!")
}

/// One line for each event, where whoever looks for the reason of a 500 looks.
fn log(asked: &Asked) -> Outcome {
    let path = format!("/fail/{}", std::process::id());
    let answer = asked.get(&path)?;
    ensure!(answer.status == 500, "status {}", answer.status);
    let failed = format!("no way to {path}");
    for said in ["/panic: panicked at ", "/panic-late: panicked at ", &failed] {
        asked.await_line(asked.traits.log, said)?;
    }
    Ok(())
}

fn stderr(asked: &Asked) -> Outcome {
    let words = "words-for-the-log";
    if asked.traits.stderr == Stderr::Deadly {
        return Ok(());
    }
    asked
        .get(&format!("/stderr?msg={words}"))?
        .expect(200, "ok")?;
    match asked.traits.stderr {
        Stderr::Shown(file) => asked.await_line(file, words),
        _ => Ok(()),
    }
}

fn dribbled_request(asked: &Asked) -> Outcome {
    let pause = Duration::from_millis(1);
    asked
        .http
        .connect()?
        .exchange(
            &asked.request("GET", "/hello", &[], b""),
            Pace::Slow { piece: 1, pause },
        )?
        .expect(200, "Hello, world!")
}

fn dribbled_upload(asked: &Asked) -> Outcome {
    let body = body(2_000, 3);
    let pause = Duration::from_millis(1);
    let length = body.len().to_string();
    let request = asked.request("POST", "/count", &[("Content-Length", &length)], &body);
    asked
        .http
        .connect()?
        .exchange(&request, Pace::Slow { piece: 11, pause })?
        .expect(200, &counted(&body))
}

fn gone(asked: &Asked) -> Outcome {
    let mut visitor = asked.http.connect_narrow()?;
    visitor.write(&asked.request("GET", "/bytes?n=52428800", &[], b""))?;
    visitor.read_some(50_000)?;
    drop(visitor);
    asked.get("/hello")?.expect(200, "Hello, world!")
}

/// More of them than there are workers: each one has to come free again.
fn gone_in_upload(asked: &Asked) -> Outcome {
    for _ in 0..6 {
        let mut visitor = asked.http.connect()?;
        let length = [("Content-Length", "1000000")];
        visitor.write(&asked.request("POST", "/count", &length, &body(300_000, 4)))?;
    }
    for _ in 0..6 {
        count(asked, 64 << 10)?;
    }
    match asked.upstream {
        Some(upstream) if asked.traits.keeps_connections == Some(false) => {
            until("every connection to the program is closed", || {
                matches!(upstream.open_connections(), Ok(0)).then_some(())
            })
        }
        _ => Ok(()),
    }
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
                    let answer = asked.post("/echo", &body)?;
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
    let guarded = match asked.traits.files {
        Files::None => return asked.get("/public.txt")?.expect(404, "not found"),
        Files::Guarded => true,
        Files::Open => false,
    };
    for (name, content) in FILES {
        let answer = asked.get(&format!("/{name}"))?;
        let status = match *content {
            "public" => 200,
            _ if guarded || name.starts_with(".ht") => 403,
            // The guides' pattern has no end: whatever has .fcgi in its name is started.
            _ if name.contains(".fcgi") => 500,
            _ => 200,
        };
        ensure!(
            answer.status == status && (status != 200 || answer.text() == *content),
            "{name} is a {} {:?}",
            answer.status,
            answer.text()
        );
    }
    // A path of the program's own is no file, whatever it looks like.
    for path in ["/other.db", "/other.db/x", "/.hidden"] {
        asked.get(path)?.expect(404, "not found")?;
    }
    for path in [
        "/app.fcgi",
        "/app.cgi",
        "/yourapplication.fcgi",
        "/sub/app.fcgi",
        "/.htaccess",
    ] {
        let answer = asked.get(path)?;
        let is_file = answer.body.starts_with(b"\x7fELF") || answer.text().contains("Rewrite");
        ensure!(!is_file, "{path} is downloaded");
    }
    Ok(())
}

/// The same text in a folder below the document root: the mount is the folder's path.
fn below(asked: &Asked) -> Outcome {
    if asked.traits.files == Files::None {
        return Ok(());
    }
    asked
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
