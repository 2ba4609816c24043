//! The testbed: one small application with a path for each thing that a web server can get wrong. The project's tests
//! drive it behind every web server, and a load generator can compare it with the same application on another library.
//!
//! Every text answer is `text/plain; charset=utf-8`. Arguments come from the query string.
//!
//! | path | arguments | answer |
//! | --- | --- | --- |
//! | `/hello` | | exactly `Hello, world!` |
//! | `/env` | | every parameter, `NAME=VALUE` a line, in the order received |
//! | `/echo` | | the body, byte for byte, as `application/octet-stream` |
//! | `/count` | | reads the body as a stream: `LEN SUM`, the sum of its bytes modulo 2^32 |
//! | `/drain` | | reads the body as a stream and does nothing with it: `LEN` |
//! | `/form` | | the query, and a urlencoded or multipart body; one line each: `query NAME=VALUE`, `field NAME=VALUE`, `file NAME=FILENAME:SIZE:SUM`; control characters and backslashes as Rust writes them |
//! | `/parts` | | reads a multipart body as a stream: a line `part NAME=FILENAME:SIZE:SUM` each, with `-` for no file name |
//! | `/save` | `dir` | saves each part of a multipart body in that folder and keeps none: `saved SIZE` a line |
//! | `/noread` | | `ok`, without reading the body |
//! | `/bytes` | `n` | N bytes of `x`, streamed, as `application/octet-stream` |
//! | `/status` | `code` | that status, and `status CODE` |
//! | `/header` | `name`, `value` | that response header; an illegal one is a 500 |
//! | `/redirect` | `to` | 303 to that place |
//! | `/cookies` | | sets `a=1` and `b=2`, and answers the cookies it got |
//! | `/stderr` | `msg` | `msg` on FastCGI's stderr stream, then `ok` |
//! | `/sleep` | `ms` | sleeps, then `slept` |
//! | `/spin` | | never returns |
//! | `/chunks` | `n`, `ms` | N times `chunk I`, flushed each, M ms apart |
//! | `/finish` | `ms` | `finished`, then goes on for M ms |
//! | `/file` | `name` | the file of that name in the folder `files` beside the program |
//! | `/relative` | `name` | the file of that name in the current folder |
//! | `/variable` | `name` | that variable of the environment |
//! | `/panic` | | panics: a 500 |
//! | `/panic-late` | | flushes `part`, then panics: the answer is cut |
//! | `/path` | | mount, path and query as the library sees them |
//! | `/pid` | | the process id |
//! | `/files` | | how many open files it may have, and a program that it starts |
//! | `/program` | | what /proc has of a program that it starts: its open files, and its status |
//! | `/fail/…` | | an error whose words have the path: a 500 |
//! | anything else | | 404, `not found` |
//! | any, in the role authorizer | `token=open`, or the header `X-Token: open` | 200 with the variable `AUTH_USER`, else 403 |
//! | any, in the role filter | | the data, each ASCII letter in upper case |
//! | any, while a file `away` lies in the folder `files` beside the program when it starts | | 503: the start-up fails |
//! | any, with the header `X-Show: place` | | mount and path, a `|` between them, as the library sees them; then, each a line, the path as sent, the URL, and the address of a page `/login` |
//! | any, with the header `X-Show: headers` | the header `X-Rep` and the cookies `x` and `y` as the library sees them, a line each; and the header `X-Rep` twice, `c` and `d` |

use fcgi::{Access, Error, Request, Response, Server};
use std::io::{BufRead, Write};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

/// What `/bytes` writes from: large enough that a MiB leaves in three system calls, and address space all the same.
static BYTES: [u8; 384 << 10] = [b'x'; 384 << 10];

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match req.header("X-Show") {
        Some("place") => return place(req, res),
        Some("headers") => return headers(req, res),
        _ => {}
    }
    let query = req.query();
    match req.path() {
        "/hello" => plain(res).send("Hello, world!"),
        "/env" => env(req, res),
        "/echo" => echo(req, res),
        "/count" => count(req, res),
        "/drain" => drain(req, res),
        "/form" => form(req, res),
        #[cfg(feature = "multipart")]
        "/parts" => parts(req, res),
        #[cfg(feature = "multipart")]
        "/save" => save(req, res),
        "/noread" => plain(res).send("ok"),
        "/bytes" => bytes(number(query, "n")?, res),
        "/status" => {
            let code = number(query, "code")?;
            plain(res)
                .status(u16::try_from(code)?)
                .send(format!("status {code}"))
        }
        "/header" => {
            let (name, value) = (argument(query, "name")?, argument(query, "value")?);
            plain(res)
                .header(&String::from_utf8(name)?, value)
                .send("ok")
        }
        "/redirect" => plain(res)
            .status(303)
            .header("Location", argument(query, "to")?)
            .send(""),
        "/cookies" => {
            let cookies = req.header("Cookie").unwrap_or("");
            plain(res)
                .header("Set-Cookie", "a=1")
                .header("Set-Cookie", "b=2; HttpOnly")
                .send(cookies)
        }
        "/stderr" => {
            let mut message = argument(query, "msg")?;
            message.push(b'\n');
            req.stderr().write_all(&message)?;
            plain(res).send("ok")
        }
        "/sleep" => {
            sleep(Duration::from_millis(number(query, "ms")?));
            plain(res).send("slept")
        }
        "/spin" => loop {
            std::hint::spin_loop();
        },
        "/chunks" => chunks(
            number(query, "n")?,
            Duration::from_millis(number(query, "ms")?),
            res,
        ),
        "/finish" => {
            plain(res).finish("finished")?;
            sleep(Duration::from_millis(number(query, "ms")?));
            Ok(())
        }
        "/file" => {
            let name = String::from_utf8(argument(query, "name")?)?;
            res.content_type("text/x-file")
                .send_file(fcgi::home().join("files").join(name))
        }
        "/relative" => {
            let name = String::from_utf8(argument(query, "name")?)?;
            plain(res).send(std::fs::read_to_string(name)?)
        }
        "/variable" => {
            let name = String::from_utf8(argument(query, "name")?)?;
            plain(res).send(std::env::var(name)?)
        }
        "/panic" => panic!("as asked"),
        "/panic-late" => {
            let mut body = plain(res).stream()?;
            body.write_all(b"part")?;
            body.flush()?;
            panic!("late, as asked")
        }
        "/path" => {
            let place = format!(
                "mount {}\npath {}\nquery {query}\n",
                req.mount(),
                req.path()
            );
            plain(res).send(place)
        }
        "/files" => files(res),
        "/program" => program(res),
        "/pid" => plain(res).send(std::process::id().to_string()),
        path if path.starts_with("/fail/") => Err(Error::new(500, format!("no way to {path}"))),
        _ => plain(res).status(404).send("not found"),
    }
}

fn headers(req: &mut Request, res: Response) -> fcgi::Result {
    let seen = [req.header("X-Rep"), req.cookie("x"), req.cookie("y")];
    let seen: String = seen
        .iter()
        .map(|value| format!("{}\n", value.unwrap_or("-")))
        .collect();
    plain(res)
        .header("X-Rep", "c")
        .header("X-Rep", "d")
        .send(seen)
}

fn place(req: &mut Request, res: Response) -> fcgi::Result {
    let place = format!(
        "{}|{}\n{}\n{}\n{}\n",
        req.mount(),
        req.path_bytes().escape_ascii(),
        req.raw_path().escape_ascii(),
        req.url(),
        req.url_for("/login")
    );
    plain(res).send(place)
}

fn files(res: Response) -> fcgi::Result {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let open = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let ours = open.and_then(|line| line.split_whitespace().nth(3));
    let theirs = fcgi::command("/bin/sh")
        .args(["-c", "ulimit -Sn"])
        .output()?;
    let theirs = String::from_utf8_lossy(&theirs.stdout);
    plain(res).send(format!("{} {}", ours.unwrap_or("?"), theirs.trim()))
}

fn program(res: Response) -> fcgi::Result {
    let script = "ls -l /proc/$$/fd; exec cat /proc/self/status";
    // As what goes on in the background is started: standard input is as `fcgi::command` has it.
    let mut shell = fcgi::command("/bin/sh");
    let shell = shell.args(["-c", script]).stdout(Stdio::piped()).spawn()?;
    plain(res).send(shell.wait_with_output()?.stdout)
}

fn plain(res: Response) -> Response {
    res.content_type("text/plain; charset=utf-8")
}

fn env(req: &mut Request, res: Response) -> fcgi::Result {
    let mut body = plain(res).stream()?;
    for (name, value) in req.params() {
        for part in [name, b"=", value, b"\n"] {
            body.write_all(part)?;
        }
    }
    Ok(())
}

/// With a frame of its own: `copy` has 8 KiB there, which would be in that of every request.
#[inline(never)]
fn echo(req: &mut Request, res: Response) -> fcgi::Result {
    let res = res.content_type("application/octet-stream");
    let res = match req.content_length() {
        Some(length) => res.header("X-Body-Length", length.to_string()),
        None => res,
    };
    let mut body = res.stream()?;
    std::io::copy(req.body(), &mut body)?;
    Ok(())
}

fn count(req: &mut Request, res: Response) -> fcgi::Result {
    let (length, sum) = length_and_sum(req.body())?;
    plain(res).send(format!("{length} {sum}"))
}

fn drain(req: &mut Request, res: Response) -> fcgi::Result {
    let (mut length, body) = (0, req.body());
    loop {
        let n = body.fill_buf()?.len();
        if n == 0 {
            return plain(res).send(length.to_string());
        }
        length += n;
        body.consume(n);
    }
}

fn length_and_sum(from: &mut impl BufRead) -> std::io::Result<(u64, u32)> {
    let (mut length, mut sum) = (0_u64, 0_u32);
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok((length, sum));
        }
        sum = sum.wrapping_add(sum_of(piece));
        let n = piece.len();
        length += n as u64;
        from.consume(n);
    }
}

/// The sum of the bytes modulo 2^32. Eight bytes at a time by hand: no loop becomes one of vectors in a program that is
/// built to be small.
fn sum_of(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks();
    let rest: u32 = rest.iter().map(|&byte| u32::from(byte)).sum();
    // So many words that a sum of 16 bits cannot overflow.
    let blocks = words.chunks(128).map(sum_of_words);
    blocks.fold(rest, u32::wrapping_add)
}

fn sum_of_words(words: &[[u8; 8]]) -> u32 {
    const ODD: u64 = 0x00ff_00ff_00ff_00ff;
    // Four sums of 16 bits in each: of the pairs of bytes as numbers, which overflow into one another until those of the
    // odd bytes are taken off 255 times, and of the odd bytes.
    let (mut pairs, mut odd) = (0_u64, 0_u64);
    let mut add = |word| {
        let word = u64::from_le_bytes(word);
        pairs = pairs.wrapping_add(word);
        odd += word >> 8 & ODD;
    };
    let (eights, rest) = words.as_chunks();
    for &[a, b, c, d, e, f, g, h] in eights {
        add(a);
        add(b);
        add(c);
        add(d);
        add(e);
        add(f);
        add(g);
        add(h);
    }
    rest.iter().copied().for_each(&mut add);
    let sums = pairs.wrapping_sub(odd.wrapping_mul(255));
    (0..4).map(|i| (sums >> (16 * i)) as u32 & 0xffff).sum()
}

fn form(req: &mut Request, res: Response) -> fcgi::Result {
    let form = req.form()?;
    let mut lines = String::new();
    for (name, value) in form.query() {
        lines += &format!("query {}={}\n", visible(name), visible(value));
    }
    for (name, value) in form.fields() {
        lines += &format!("field {}={}\n", visible(name), visible(value));
    }
    for file in form.files() {
        let (name, file_name) = (visible(file.name()), visible(file.file_name()));
        let bytes = file.bytes();
        lines += &format!(
            "file {name}={file_name}:{}:{}\n",
            bytes.len(),
            sum_of(bytes)
        );
    }
    plain(res).send(lines)
}

#[cfg(feature = "multipart")]
fn parts(req: &mut Request, res: Response) -> fcgi::Result {
    let mut lines = String::new();
    let mut parts = req.multipart()?;
    while let Some(mut part) = parts.next_part()? {
        let (length, sum) = length_and_sum(&mut part)?;
        let (name, file_name) = (part.name(), part.file_name().unwrap_or("-"));
        lines += &format!("part {name}={file_name}:{length}:{sum}\n");
    }
    plain(res).send(lines)
}

#[cfg(feature = "multipart")]
fn save(req: &mut Request, res: Response) -> fcgi::Result {
    let folder = String::from_utf8(argument(req.query(), "dir")?)?;
    let (mut lines, mut parts) = (String::new(), req.multipart()?);
    while let Some(mut part) = parts.next_part()? {
        lines += &format!("saved {}\n", part.save_to(&folder)?.len());
    }
    plain(res).send(lines)
}

/// On one line, whatever a visitor sent.
fn visible(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        match c.is_control() || c == '\\' {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

fn bytes(mut n: u64, res: Response) -> fcgi::Result {
    let mut body = res.content_type("application/octet-stream").stream()?;
    while n > 0 {
        let piece = BYTES.len().min(usize::try_from(n).unwrap_or(usize::MAX));
        body.write_all(&BYTES[..piece])?;
        n -= piece as u64;
    }
    Ok(())
}

fn chunks(n: u64, pause: Duration, res: Response) -> fcgi::Result {
    let mut body = plain(res).stream()?;
    for i in 0..n {
        if i > 0 {
            sleep(pause);
        }
        writeln!(body, "chunk {i}")?;
        body.flush()?;
    }
    Ok(())
}

fn number(query: &str, name: &str) -> fcgi::Result<u64> {
    let sent = sent(query, name)?;
    // Nearly always: nothing to decode. A plus would be a blank.
    if !sent.starts_with('+')
        && let Ok(number) = sent.parse()
    {
        return Ok(number);
    }
    let value = String::from_utf8(argument(query, name)?)?;
    value
        .parse()
        .map_err(|_| Error::new(400, format!("{name}={value} is no number")))
}

/// An argument of the query string, decoded.
fn argument(query: &str, name: &str) -> fcgi::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut bytes = sent(query, name)?.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let byte = digit().zip(digit()).map(|(high, low)| high << 4 | low);
                byte.ok_or_else(|| Error::new(400, "broken percent-encoding"))? as u8
            }
            other => other,
        });
    }
    Ok(decoded)
}

/// An argument as it was sent.
fn sent<'a>(query: &'a str, name: &str) -> fcgi::Result<&'a str> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.ok_or_else(|| Error::new(400, format!("the argument {name} is missing")))
}

/// The role authorizer: who has the token may pass.
fn guard(req: &mut Request, access: Access) -> fcgi::Result {
    let is_open = req.header("X-Token") == Some("open") || req.query() == "token=open";
    match is_open {
        true => access.grant().variable("AUTH_USER", "tester").send(),
        false => plain(access.deny(403)).send("denied"),
    }
}

/// The role filter: the data in upper case.
fn shout(req: &mut Request, res: Response) -> fcgi::Result {
    let mut out = plain(res).stream()?;
    loop {
        let piece = req.data().fill_buf()?.to_ascii_uppercase();
        if piece.is_empty() {
            return Ok(());
        }
        req.data().consume(piece.len());
        out.write_all(&piece)?;
    }
}

/// What fails in other applications is a database that is away.
fn start_up() -> fcgi::Result {
    match fcgi::home().join("files/away").exists() {
        true => Err(Error::new(500, "the database is away")),
        false => Ok(()),
    }
}

fn main() -> std::process::ExitCode {
    Server::new()
        .responder_with(start_up, |(), req, res| app(req, res))
        .authorizer(guard)
        .filter(shout)
        .main()
}

#[cfg(test)]
mod tests {
    use super::app;
    use fcgi::Server;
    use fcgi::testing::{Behind, request};

    #[test]
    fn arguments_are_decoded_and_missed() {
        for (target, status, text) in [
            ("/status?code=404", 404, "status 404"),
            ("/status?code=99", 500, "500 "),
            ("/status?code=x", 400, "400 "),
            ("/status", 400, "400 "),
            ("/header?name=X&value=a%2", 400, "400 "),
            ("/header?name=X&value=a%0D%0Ab", 500, "500 "),
            ("/nowhere", 404, "not found"),
        ] {
            let answer = request("GET", target).call(app);
            assert_eq!(answer.status(), status, "{target}: {answer:?}");
            assert!(answer.text().starts_with(text), "{target}: {answer:?}");
        }
        let answer = request("GET", "/header?name=X&value=a%2Bb+c").call(app);
        assert_eq!(answer.header("X"), Some("a+b c"));
    }

    #[test]
    fn bodies_are_echoed_and_counted() {
        let body: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
        let sum: u64 = body.iter().map(|&byte| u64::from(byte)).sum();
        let answer = request("POST", "/echo").body(&body[..]).call(app);
        assert_eq!(answer.header("X-Body-Length"), Some("100000"));
        assert!(answer.body() == body);
        let answer = request("POST", "/count").body(&body[..]).call(app);
        assert_eq!(answer.text(), format!("100000 {sum}"));
        let answer = request("POST", "/drain").body(body).call(app);
        assert_eq!(answer.text(), "100000");
        let answer = request("GET", "/bytes?n=600000").call(app);
        assert!(answer.body() == [b'x'; 600_000]);
    }

    #[test]
    fn the_path_is_the_same_behind_every_web_server() {
        for behind in [
            Behind::ApacheHtaccessIn("/a"),
            Behind::NginxMount("/a"),
            Behind::LighttpdPrefix("/a"),
            Behind::HaProxyMount("/a"),
            Behind::CaddyTransportMount("/a"),
        ] {
            let answer = request("GET", "/path?q").behind(behind).call(app);
            assert_eq!(
                answer.text(),
                "mount /a\npath /path\nquery q\n",
                "{behind:?}"
            );
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_seen_to() {
        let server = Server::new().responder(app);
        let answer = request("GET", "/panic-late").serve(&server);
        assert!(answer.is_cut());
        assert_eq!((answer.status(), answer.text()), (200, "part"));
        let answer = request("GET", "/panic").serve(&server);
        assert_eq!((answer.status(), answer.is_cut()), (500, false));
        assert_eq!(answer.error(), Some("panicked: as asked"));
        let answer = request("GET", "/stderr?msg=oh").serve(&server);
        assert_eq!((answer.text(), answer.stderr()), ("ok", &b"oh\n"[..]));
    }
}
