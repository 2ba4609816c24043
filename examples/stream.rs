//! Server-sent events: each line of the file `.ht.news` beside the program is one, and is seen as soon as it is written.
//! `cargo run --example stream -- --http 8000 --workers 16`, then `echo hello >> target/debug/examples/.ht.news`.
//!
//! **Each open stream holds a worker**: `--workers` has to be above the number of visitors who look on at once. A stop waits
//! for open streams until `--grace` is over.
//!
//! Events are passed on at once by nginx (`Response::stream` asks it to) and by what `conf apache --listen …` prints
//! (`flushpackets=on`); by lighttpd with `server.stream-response-body = 1`; by mod_fcgid with `FcgidOutputBufferSize 0`, which
//! cannot stand in an `.htaccess`: without it 64 KiB are held back.

use fcgi::{Error, Request, Response};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAGE: &str = "<!doctype html><title>News</title><ul></ul><script>
new EventSource('events').onmessage = event => {
    const item = document.createElement('li');
    item.textContent = event.data;
    document.querySelector('ul').append(item);
};
</script>";

struct Pace {
    /// Between two looks at the file.
    look: Duration,
    /// Silence that is broken by a comment: behind Apache and lighttpd only a write shows that the visitor has left. Web servers
    /// give a silent program up, mod_fcgid after 40 s (FcgidIOTimeout), nginx and mod_proxy_fcgi after 60 s.
    silence: Duration,
    /// Then the stream ends, and the browser comes again by itself. mod_fcgid ends a program that takes 300 s for one request
    /// (FcgidBusyTimeout).
    life: Duration,
}

const PACE: Pace = Pace {
    look: Duration::from_millis(500),
    silence: Duration::from_secs(15),
    life: Duration::from_secs(240),
};

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match (req.method(), req.path()) {
        ("GET" | "HEAD", "/") => res.content_type("text/html; charset=utf-8").send(PAGE),
        ("GET", "/events") => events(req, res, &fcgi::home().join(".ht.news"), &PACE),
        _ => Err(Error::new(404, "no such page")),
    }
}

fn events(req: &mut Request, res: Response, news: &Path, pace: &Pace) -> fcgi::Result {
    // A browser that comes again says what it has seen last.
    let last = req.header("Last-Event-ID");
    let mut at = last.and_then(|id| id.parse().ok()).unwrap_or(0);
    let res = res.content_type("text/event-stream");
    let mut out = res.header("Cache-Control", "no-store").stream()?;
    // nginx and Apache hold the head back until something follows it.
    out.write_all(b"retry: 2000\n\n")?;
    out.flush()?;
    let began = Instant::now();
    let mut spoke = began;
    // Behind nginx it is aborted as soon as the visitor has left; elsewhere the next write fails.
    while began.elapsed() < pace.life && !req.is_aborted() {
        let from = at;
        at = send_lines(news, from, &mut out)?;
        if at != from {
            spoke = Instant::now();
        } else if spoke.elapsed() >= pace.silence {
            out.write_all(b":\n\n")?;
            out.flush()?;
            spoke = Instant::now();
        }
        sleep(pace.look);
    }
    Ok(())
}

/// Sends the lines that begin at `at` or later, each with an id that says where the next one begins, and returns the last id.
fn send_lines(news: &Path, mut at: u64, out: &mut impl Write) -> io::Result<u64> {
    let mut file = match File::open(news) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(at),
        file => BufReader::new(file?),
    };
    if at > file.get_ref().metadata()?.len() {
        at = 0; // The file was begun anew.
    }
    file.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    // The end of a line that is still being written comes with the next look.
    while file.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        at += line.len() as u64;
        let text = String::from_utf8_lossy(&line);
        // A carriage return inside would end the field, as a line feed does.
        let data = text.trim_end().replace('\r', " ");
        write!(out, "id: {at}\ndata: {data}\n\n")?;
        out.flush()?;
        line.clear();
    }
    Ok(at)
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::request;
    use std::fs;
    use std::path::PathBuf;

    /// A stream that ends after its first look, unless it is told to live longer.
    const ONCE: Pace = Pace {
        look: Duration::from_millis(1),
        silence: Duration::from_secs(60),
        life: Duration::from_millis(1),
    };

    fn news(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("fcgi-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn each_whole_line_is_an_event_and_its_id_says_where_the_next_begins() {
        let path = news("events", "one\ntwo\rid: 9\nthr");
        let answer = request("GET", "/events").call(|req, res| events(req, res, &path, &ONCE));
        let text = "retry: 2000\n\nid: 4\ndata: one\n\nid: 14\ndata: two id: 9\n\n";
        assert_eq!((answer.status(), answer.text()), (200, text), "{answer:?}");
        assert_eq!(answer.header("Content-Type"), Some("text/event-stream"));
        assert_eq!(answer.header("X-Accel-Buffering"), Some("no"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn who_comes_again_gets_what_was_missed() {
        let path = news("again", "one\ntwo\n");
        for (id, text) in [
            ("4", "id: 8\ndata: two\n\n"),
            ("8", ""),
            // The file is shorter than that: another one. And what is no number is the beginning.
            (
                "18446744073709551615",
                "id: 4\ndata: one\n\nid: 8\ndata: two\n\n",
            ),
            ("x", "id: 4\ndata: one\n\nid: 8\ndata: two\n\n"),
        ] {
            let ask = request("GET", "/events").header("Last-Event-ID", id);
            let answer = ask.call(|req, res| events(req, res, &path, &ONCE));
            let events = answer.text().strip_prefix("retry: 2000\n\n");
            assert_eq!(events, Some(text), "{id}: {answer:?}");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn silence_is_broken_by_comments() {
        let path = news("silence", "");
        let pace = Pace {
            silence: Duration::ZERO,
            ..ONCE
        };
        let answer = request("GET", "/events").call(|req, res| events(req, res, &path, &pace));
        assert!(answer.text().ends_with("\n\n:\n\n"), "{answer:?}");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn before_the_first_line_there_is_no_file_and_no_error() {
        let path = std::env::temp_dir().join("fcgi-there-is-no-such-file");
        let answer = request("GET", "/events").call(|req, res| events(req, res, &path, &ONCE));
        assert_eq!(
            (answer.status(), answer.text(), answer.error()),
            (200, "retry: 2000\n\n", None)
        );
    }

    #[test]
    fn the_page_asks_for_the_stream() {
        let page = request("GET", "/").call(app);
        assert!(page.text().contains("EventSource('events')"), "{page:?}");
    }
}
