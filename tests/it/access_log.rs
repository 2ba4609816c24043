//! The access log, as whoever reads it later sees it: its lines, who can forge them, and what becomes of it when it is
//! turned over, shared, full, or cannot be opened.

use crate::cli::Home;
use crate::served::{Folder, poll, serve_as};
use crate::testbed::{self, Testbed};
use crate::wire::{ABORT_REQUEST, Ask, PATIENCE, record};
use ::log::Level;
use fcgi::{Address, Error, Server};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A line, taken apart as tools for Apache's format do; quotes and brackets are off, escapes are as written.
#[derive(Debug)]
struct Line(Vec<String>);

impl Line {
    /// Panics if it is not of that format to the letter.
    #[track_caller]
    fn of(text: &str) -> Line {
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{text:?}");
        let mut fields = Vec::new();
        let mut rest = text;
        loop {
            let (field, behind) = match rest.as_bytes().first() {
                Some(b'"') => {
                    let end = end_of_quoted(&rest[1..]);
                    (&rest[1..=end], &rest[end + 2..])
                }
                Some(b'[') => rest[1..].split_once(']').expect("a bracket"),
                _ => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
            };
            fields.push(field.to_owned());
            match behind.strip_prefix(' ') {
                Some(next) => rest = next,
                None => break assert_eq!(behind, "", "{text}"),
            }
        }
        assert_eq!(fields.len(), 11, "{text}");
        Line(fields)
    }

    fn user(&self) -> &str {
        &self.0[2]
    }

    fn request(&self) -> &str {
        &self.0[4]
    }

    /// Status and length of the body.
    fn answer(&self) -> (&str, &str) {
        (&self.0[5], &self.0[6])
    }

    fn micros(&self) -> u64 {
        self.0[9].parse().expect("a number")
    }

    fn id(&self) -> &str {
        &self.0[10]
    }
}

fn end_of_quoted(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    panic!("no quote ends {text:?}");
}

/// The lines of a log that has to have so many; waits for the last one.
#[track_caller]
fn lines(path: &Path, count: usize) -> Vec<String> {
    let mut text = String::new();
    poll(&format!("{count} lines in {}", path.display()), || {
        text = fs::read_to_string(path).unwrap_or_default();
        text.lines().count() >= count
    });
    assert!(text.ends_with('\n'), "{text:?}");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{text}");
    lines
}

/// A testbed without a terminal, to which a SIGHUP is no hang-up, wherever these tests run.
fn without_terminal(flags: &[&str]) -> Testbed {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_without_terminal(testbed::example("testbed"));
    command.args(["--listen", &address.to_string()]).args(flags);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to serve", || {
        testbed
            .try_ask("/hello")
            .is_some_and(|reply| reply.status == 200)
    });
    testbed
}

fn log_in(folder: &Folder) -> (PathBuf, String) {
    let path = folder.path().join("access.log");
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

fn visitor(ask: Ask) -> Ask {
    ask.param("REMOTE_ADDR", "192.0.2.1")
        .param("SERVER_PROTOCOL", "HTTP/1.1")
}

#[test]
fn a_request_is_a_line_of_the_combined_format() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = Testbed::listening_with(&["--access-log", &log]);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ask = visitor(Ask::get("/sleep?ms=30"))
        .param("REMOTE_USER", "ada")
        .param("HTTP_REFERER", "http://example.org/")
        .param("HTTP_USER_AGENT", "curl/8.5.0");
    assert_eq!(testbed.ask(&ask).status, 200);
    let text = lines(&path, 1).remove(0);
    let line = Line::of(&text);
    let (start, rest) = text.split_once(" [").unwrap();
    assert_eq!(start, "192.0.2.1 - ada");
    let (time, rest) = rest.split_once("] ").unwrap();
    let end = r#""GET /sleep?ms=30 HTTP/1.1" 200 5 "http://example.org/" "curl/8.5.0" "#;
    assert!(rest.starts_with(end), "{text}");
    assert!((30_000..PATIENCE.as_micros() as u64).contains(&line.micros()));
    assert_eq!(line.id(), format!("{}-1", testbed.pid()));
    // As another program reads it: when the request came, not when it was answered.
    let date = [
        "-u",
        "+%s",
        "-d",
        &time.replace('/', " ").replacen(':', " ", 1),
    ];
    let Output { stdout, .. } = Command::new("date").args(date).output().unwrap();
    let seconds: u64 = String::from_utf8(stdout).unwrap().trim().parse().unwrap();
    assert!(seconds.abs_diff(before.as_secs()) <= 1, "{time}");
    assert!(time.ends_with(" +0000"), "{time}");
}

#[test]
fn what_there_is_not_is_a_dash() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = Testbed::listening_with(&["--workers", "1", "--access-log", &log]);
    let asks = [
        // No REQUEST_URI, and nobody says by which protocol.
        Ask::bare()
            .param("REQUEST_METHOD", "GET")
            .param("SCRIPT_NAME", "/app")
            .param("PATH_INFO", "/hello")
            .param("QUERY_STRING", "a=b"),
        Ask::bare(),
        visitor(Ask::new("HEAD", "/hello")),
        visitor(Ask::get("/status?code=204")).param("REMOTE_USER", ""),
        visitor(Ask::get("/bytes?n=300000")),
        visitor(Ask::get("/nowhere")),
    ];
    for ask in &asks {
        testbed.ask(ask);
    }
    let lines = lines(&path, asks.len());
    let told: Vec<_> = lines.iter().map(|line| Line::of(line)).collect();
    let summary: Vec<_> = told
        .iter()
        .map(|line| (line.user(), line.request(), line.answer()))
        .collect();
    assert_eq!(
        summary,
        [
            ("-", "GET /app/hello?a=b HTTP/1.0", ("200", "13")),
            ("-", "-", ("500", "26")),
            ("-", "HEAD /hello HTTP/1.1", ("200", "-")),
            ("-", "GET /status?code=204 HTTP/1.1", ("204", "-")),
            ("-", "GET /bytes?n=300000 HTTP/1.1", ("200", "300000")),
            ("-", "GET /nowhere HTTP/1.1", ("404", "9")),
        ]
    );
    assert!(lines[0].starts_with("- - - ["), "{}", lines[0]);
    assert!(lines[0].contains(r#" "-" "-" "#), "{}", lines[0]);
}

/// What a visitor sends, in a path, a name or a header, is neither a line of its own nor a word to a terminal.
#[test]
fn nobody_writes_lines_of_their_own_into_either_log() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let mut testbed = Testbed::listening_with(&["--workers", "1", "--access-log", &log]);
    let forged = "\n2026-01-01T00:00:00Z app.fcgi[1] ERROR \x1b[2J\"\\\r\x7f\u{9b}x";
    let ask = Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("REQUEST_URI", "/panic%0aforged%1b[2J")
        .param("SCRIPT_NAME", "")
        .param("PATH_INFO", "/panic\nforged\x1b[2J")
        .param("REMOTE_ADDR", forged)
        .param("REMOTE_USER", forged)
        .param("SERVER_PROTOCOL", forged)
        .param("HTTP_REFERER", forged)
        .param("HTTP_USER_AGENT", forged);
    assert_eq!(testbed.ask(&ask).status, 404);
    // Undecoded, as no web server should pass it on, and as the method.
    let ask = Ask::bare()
        .param("REQUEST_METHOD", forged)
        .param("REQUEST_URI", format!("/panic?{forged}"))
        .param("SCRIPT_NAME", "")
        .param("PATH_INFO", "/panic");
    assert_eq!(testbed.ask(&ask).status, 500);
    let lines = lines(&path, 2);
    let escaped = r#"\n2026-01-01T00:00:00Z app.fcgi[1] ERROR \x1b[2J\"\\\r\x7f\xc2\x9bx"#;
    let word = escaped.replace(' ', "\\x20");
    let line = Line::of(&lines[0]);
    let request = format!("GET /panic%0aforged%1b[2J {}...", &escaped[..32]);
    assert_eq!(line.request(), request);
    // The next escape does not fit.
    let word = format!("{}...", word.split_once("\\x7f").unwrap().0);
    assert_eq!((&line.0[0][..], line.user()), (&word[..], &word[..]));
    assert_eq!((&line.0[7][..], &line.0[8][..]), (escaped, escaped));
    let line = Line::of(&lines[1]);
    let wanted = format!("{}... /panic?{escaped} HTTP/1.0", &escaped[..32]);
    assert_eq!(line.request(), wanted);
    testbed.signal("TERM");
    testbed.wait();
    for line in testbed.last_lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        let process = format!("Z testbed[{}] ", testbed.pid());
        assert_eq!(
            line.find(&process),
            Some("2026-11-21T01:02:03".len()),
            "{line}"
        );
    }
}

/// A path that does fail, and words that quote it.
#[test]
fn a_path_and_words_of_a_visitor_are_escaped_in_the_log() {
    let server = serve_as(Server::new().workers(1), |req, _| {
        Err(Error::new(500, format!("no {}", req.path())))
    });
    server.assert_serves();
    let ask = Ask::get("/a%0ab").param("PATH_INFO", "/a\nERROR\x1b[2J\u{9b}");
    assert_eq!(server.ask(&ask).status, 500);
    let line = server.line(Level::Error, "ERROR");
    let words = r"GET /a\x0aERROR\x1b[2J\xc2\x9b: no /a\nERROR\u{1b}[2J\u{9b}; answered 500";
    assert_eq!(line, words);
}

#[test]
fn the_log_calls_a_request_as_the_access_log_does() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let mut testbed = Testbed::listening_with(&[
        "--workers",
        "1",
        "--access-log",
        &log,
        "--log-level",
        "debug",
    ]);
    for target in ["/hello", "/panic?first", "/panic-late", "/panic?second"] {
        let mut wire = testbed.connect();
        wire.write(Ask::get(target).bytes());
        wire.bytes_until_the_end();
    }
    let lines = lines(&path, 4);
    testbed.signal("TERM");
    testbed.wait();
    let told = testbed.last_lines();
    for (number, line) in (1..).zip(&lines) {
        let line = Line::of(line);
        assert_eq!(line.id(), format!("{}-{number}", testbed.pid()));
        let words = format!(" ERROR {} GET /panic", line.id());
        let found = told.iter().filter(|told| told.contains(&words)).count();
        assert_eq!(found, usize::from(number > 1), "{told:?}");
    }
    assert_eq!(Line::of(&lines[2]).answer(), ("200", "4"), "cut");
}

#[test]
fn a_handler_knows_the_id() {
    let folder = Folder::new();
    let (path, _) = log_in(&folder);
    let server = serve_as(Server::new().workers(2).access_log(&path), |req, res| {
        let id = req.id();
        assert!(id.to_string().ends_with(&format!("-{}", id.number())));
        res.finish(id.to_string())
    });
    let id = server.ask(&Ask::get("/id")).text().to_owned();
    assert_eq!(Line::of(&lines(&path, 1)[0]).id(), id);
    assert_ne!(server.ask(&Ask::get("/id")).text(), id);
}

#[test]
fn a_finished_answer_has_its_line_while_the_handler_goes_on() {
    let folder = Folder::new();
    let (path, _) = log_in(&folder);
    let (go, goes) = mpsc::channel();
    let goes = Mutex::new(goes);
    let server = Server::new().workers(1).access_log(&path);
    let server = serve_as(server, move |_, res| {
        res.finish("finished")?;
        goes.lock().unwrap().recv()?;
        Ok(())
    });
    let begun = Instant::now();
    assert_eq!(server.ask(&Ask::get("/")).status, 200);
    let line = lines(&path, 1).remove(0);
    assert_eq!(Line::of(&line).answer(), ("200", "8"));
    assert!(u128::from(Line::of(&line).micros()) <= begun.elapsed().as_micros());
    go.send(()).unwrap();
    // And no second one when it ends.
    server.assert_serves();
    lines(&path, 2);
}

#[test]
fn what_was_given_up_before_any_answer_is_a_499() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = Testbed::listening_with(&["--access-log", &log]);
    let ask = Ask::post("/count", "body").keep();
    let mut wire = testbed.connect();
    wire.write([ask.head(), record(ABORT_REQUEST, 1, b"")].concat());
    assert_eq!(Line::of(&lines(&path, 1)[0]).answer(), ("499", "-"));
}

#[test]
fn long_fields_are_cut_and_a_line_has_its_limit() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = Testbed::listening_with(&["--access-log", &log]);
    let long = |byte: &str| byte.repeat(20_000);
    let ask = Ask::new(&long("M"), &format!("/{}", long("\x01")))
        .param("REMOTE_ADDR", long("1"))
        .param("REMOTE_USER", long(" "))
        .param("SERVER_PROTOCOL", long("H"))
        .param("HTTP_REFERER", long("\""))
        .param("HTTP_USER_AGENT", long("\u{e9}"));
    assert_eq!(testbed.ask(&ask).status, 404);
    let text = lines(&path, 1).remove(0);
    assert!((3600..4096).contains(&text.len()), "{}", text.len());
    let line = Line::of(&text);
    assert_eq!(line.0[0], format!("{}...", "1".repeat(64)));
    assert_eq!(line.user(), format!("{}...", "\\x20".repeat(16)));
    assert_eq!(line.0[7], format!("{}...", "\\\"".repeat(384)));
    assert_eq!(line.0[8], format!("{}...", "\\xc3\\xa9".repeat(96)));
    assert!(line.request().ends_with(&format!(" {}...", "H".repeat(32))));
}

/// Set when it goes, as it does when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As logrotate does it: rename, then SIGHUP. Each request has its line in one of the files.
#[test]
fn a_hang_up_without_a_terminal_opens_the_log_anew_and_loses_nothing() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = without_terminal(&["--access-log", &log]);
    let stop = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let asking: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !stop.load(Ordering::Relaxed) {
                        testbed.assert_serves();
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        let end = End(&stop);
        for turn in 0..20 {
            fs::rename(&path, folder.path().join(format!("old.{turn}"))).unwrap();
            testbed.signal("HUP");
            poll("the log to be there again", || path.exists());
            let inode = fs::metadata(&path).unwrap().ino();
            poll("a line in it", || fs::metadata(&path).unwrap().len() > 0);
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        }
        drop(end);
        asking.into_iter().map(|a| a.join().unwrap()).sum::<usize>()
    });
    let mut ids = Vec::new();
    // One was asked to see whether it serves.
    poll("the last line", || {
        ids.clear();
        for name in folder.names() {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            ids.extend(text.lines().map(|line| Line::of(line).id().to_owned()));
        }
        ids.len() > asked
    });
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), asked + 1);
    let told = testbed.lines();
    let words = format!("] INFO SIGHUP: the access log {log} is open anew");
    let said = told.iter().filter(|line| line.ends_with(&words)).count();
    assert_eq!(said, 20, "{told:?}");
    let prefix = format!("Z testbed[{}", testbed.pid());
    assert!(told.iter().all(|line| line.contains(&prefix)), "{told:?}");
}

#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_where_it_was() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = without_terminal(&["--access-log", &log]);
    let old = folder.path().join("old");
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    testbed.signal("HUP");
    let line = testbed.line("SIGHUP: cannot open the access log");
    assert!(
        line.contains(&format!("{log} anew (it is a folder, os error 21)")),
        "{line}"
    );
    testbed.assert_serves();
    lines(&old, 2);
}

#[test]
fn a_hang_up_without_an_access_log_changes_nothing() {
    let testbed = without_terminal(&[]);
    testbed.signal("HUP");
    testbed.line("] INFO SIGHUP: there is no access log to open anew");
    testbed.assert_serves();
    let quiet = without_terminal(&["--log-level", "warn"]);
    quiet.signal("HUP");
    quiet.assert_serves();
    assert_eq!(quiet.lines(), [""; 0]);
}

/// `nohup` ignores the signal for the program; then there is nothing that it could mean.
#[test]
fn a_hang_up_that_was_ignored_stays_ignored() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_without_terminal("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" --listen \"$1\""])
        .arg(testbed::example("testbed"))
        .arg(address.to_string());
    let testbed = Testbed::spawn(command, address, folder);
    testbed.line("listening on");
    testbed.signal("HUP");
    testbed.assert_serves();
    assert_eq!(testbed.lines().len(), 1);
}

/// With a terminal it is the terminal that hangs up, and takes the program with it: in order.
#[test]
fn a_hang_up_at_a_terminal_is_a_stop() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut script = testbed::command_of("script");
    let program = testbed::example("testbed");
    let command = format!(
        "exec {} --listen {address} --log-level off",
        program.display()
    );
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let mut testbed = Testbed::spawn(script, address, folder);
    poll("the testbed to serve", || {
        testbed
            .try_ask("/hello")
            .is_some_and(|reply| reply.status == 200)
    });
    let pid = testbed.ask(&Ask::get("/pid")).text().parse().unwrap();
    testbed::signal(pid, "HUP");
    assert_eq!(testbed.wait().1.code(), Some(0));
    assert_eq!(testbed.folder.names(), [""; 0], "the socket is left");
}

#[test]
fn several_processes_share_a_log() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbeds = [(); 3].map(|()| Testbed::listening_with(&["--access-log", &log]));
    let agent = "x".repeat(700);
    thread::scope(|scope| {
        for testbed in &testbeds {
            for _ in 0..2 {
                scope.spawn(|| {
                    let ask = Ask::get("/hello").param("HTTP_USER_AGENT", &agent);
                    (0..200).for_each(|_| assert_eq!(testbed.ask(&ask).status, 200));
                });
            }
        }
    });
    let lines = lines(&path, 1200);
    let mut ids: Vec<_> = lines
        .iter()
        .map(|line| Line::of(line).id().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1200);
}

#[test]
fn a_full_disk_loses_lines_and_no_request() {
    let testbed = Testbed::listening_with(&["--access-log", "/dev/full"]);
    // Alone: of several at once the first line that is lost may be told when there are more already.
    testbed.assert_serves();
    testbed.line("cannot write to the access log");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| testbed.assert_serves()));
        }
    });
    let line = testbed.line("cannot write to the access log");
    assert!(
        line.ends_with(
            "] WARN cannot write to the access log /dev/full: No space left on device (os error 28); 1 line is lost; \
             requests are answered all the same"
        ),
        "{line}"
    );
}

/// `ulimit -f` kills whoever writes more, unless that is ignored.
#[test]
fn a_limit_of_file_size_loses_lines_and_no_request() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_of("prlimit");
    command
        .arg("--fsize=1000")
        .arg(testbed::example("testbed"))
        .args(["--listen", &address.to_string(), "--access-log", &log]);
    let testbed = Testbed::spawn(command, address, Folder::new());
    poll("the testbed to serve", || {
        testbed
            .try_ask("/hello")
            .is_some_and(|reply| reply.status == 200)
    });
    // A line of these fits, and of the next one a part.
    let ask = Ask::get("/hello").param("HTTP_USER_AGENT", "x".repeat(600));
    (0..50).for_each(|_| assert_eq!(testbed.ask(&ask).status, 200));
    testbed.line("there is no room for a whole line; 1 line is lost");
    assert_eq!(fs::metadata(&path).unwrap().len(), 1000, "it was torn");
    // Somebody makes room, and what is torn does not spoil the next line.
    let torn = fs::read_to_string(&path).unwrap()[..10].to_owned();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(10).unwrap();
    testbed.assert_serves();
    let mut text = String::new();
    poll("a line behind the torn one", || {
        text = fs::read_to_string(&path).unwrap();
        text.lines().count() > 1 && text.ends_with('\n')
    });
    assert_eq!(text.lines().next(), Some(&torn[..]));
    // The first of them may tell of a request before that.
    for line in text.lines().skip(1) {
        assert_eq!(Line::of(line).request(), "GET /hello HTTP/1.0");
    }
}

#[test]
fn a_new_log_is_for_owner_and_group() {
    let folder = Folder::new();
    for (umask, mode) in [("022", 0o640), ("000", 0o640), ("077", 0o600)] {
        let path = folder.path().join(umask);
        let program = testbed::example("testbed");
        let mut command = testbed::command_of("sh");
        command
            .arg("-c")
            .arg(format!("umask {umask}; exec \"$0\" --access-log \"$1\""))
            .args([program.as_os_str(), path.as_os_str()]);
        let told = command.output().unwrap();
        assert_eq!(told.status.code(), Some(2), "there is nothing to serve");
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{umask}: {found:o}");
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_one_sentence_and_exit_code_2() {
    let (home, folder) = (Home::new(), Folder::new());
    let missing = folder.path().join("no/access.log");
    for (log, why) in [
        (
            missing.to_str().unwrap(),
            "No such file or directory (os error 2)",
        ),
        ("/tmp", "Is a directory (os error 21)"),
    ] {
        let socket = format!("unix:{}", folder.path().join("s").display());
        for more in [&[][..], &["--processes", "2"]] {
            let flags = [&["--listen", &socket, "--access-log", log], more].concat();
            let told = home.run(&flags);
            let sentence = format!(
                "cannot open the access log {log}: {why}; name a file in a folder that there is, and that this user may \
                 write"
            );
            assert_eq!((told.code, told.sentence()), (Some(2), &sentence[..]));
            assert_eq!(folder.names(), [""; 0], "something was bound");
        }
    }
    let told = home.run(&["--access-log", "logs/"]);
    assert_eq!(
        told.sentence(),
        "--access-log: \"logs/\" is no file; write its path: .ht.access.log"
    );
}

#[test]
fn behind_a_web_server_it_is_a_503_until_it_can_be_opened() {
    let home = Home::with("access-log logs/.ht.access\n");
    let testbed = home.start(&[]);
    for _ in 0..3 {
        assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    }
    let path = home.path().join("logs/.ht.access");
    let beginning = format!(
        "ERROR every request is answered 503: cannot open the access log {}: ",
        path.display()
    );
    testbed.line(&beginning);
    assert_eq!(testbed.lines().len(), 1, "once, not for each request");
    fs::create_dir(home.path().join("logs")).unwrap();
    testbed.assert_serves();
    testbed.line("the settings are right now");
    // That request was the gate's; from then on each has its line.
    testbed.assert_serves();
    let line = lines(&path, 1).remove(0);
    assert_eq!(Line::of(&line).request(), "GET /hello HTTP/1.0");
}

#[test]
fn as_cgi_a_request_has_its_line_too() {
    let home = Home::with("access-log .ht.access\n");
    let told = home.run_cgi("/hello");
    assert!(told.ends_with("\r\n\r\nHello, world!"), "{told}");
    let path = home.path().join(".ht.access");
    let line = lines(&path, 1).remove(0);
    assert_eq!(Line::of(&line).request(), "GET /app.fcgi/hello HTTP/1.0");
    assert_eq!(Line::of(&line).answer(), ("200", "13"));
    home.set("access-log no/.ht.access\n");
    let told = home.run_cgi("/hello");
    assert!(told.starts_with("Status: 503"), "{told}");
}

#[test]
fn a_log_that_the_web_server_would_show_is_warned_of() {
    let home = Home::with("access-log access.log\n");
    fs::write(home.path().join(".htaccess"), "").unwrap();
    let testbed = home.start(&[]);
    testbed.assert_serves();
    let line = testbed.line("is shown to whoever asks for it");
    assert!(line.contains("] WARN the access log "), "{line}");
    home.set("access-log .ht.access\n");
    let testbed = home.start(&[]);
    testbed.assert_serves();
    assert_eq!(testbed.lines(), [""; 0]);
}

/// Each child has the file open; a reload opens it anew in those that stay as long as in those that come.
#[test]
fn under_a_parent_all_children_write_one_log() {
    let folder = Folder::new();
    let (path, log) = log_in(&folder);
    let testbed = without_terminal(&["--access-log", &log, "--processes", "2"]);
    let old = folder.path().join("old");
    fs::rename(&path, &old).unwrap();
    testbed.signal("HUP");
    testbed.line("reload: the new processes serve");
    poll("a line in the new log", || {
        testbed.assert_serves();
        fs::read_to_string(&path).is_ok_and(|text| text.lines().count() > 2)
    });
    for file in [&old, &path] {
        let text = fs::read_to_string(file).unwrap();
        text.lines().for_each(|line| drop(Line::of(line)));
    }
}

/// Those that stay go on in the new log.
#[test]
fn a_reload_that_fails_opens_the_log_anew_all_the_same() {
    let (home, folder) = (Home::new(), Folder::new());
    let (path, log) = log_in(&folder);
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_without_terminal(home.path().join("app.fcgi"));
    command
        .args(["--listen", &address.to_string(), "--access-log", &log])
        .args(["--processes", "1"]);
    let testbed = Testbed::spawn(command, address, Folder::new());
    testbed.line("1 processes serve");
    testbed.assert_serves();
    let old = folder.path().join("old");
    lines(&path, 1);
    fs::rename(&path, &old).unwrap();
    fs::remove_file(home.path().join("app.fcgi")).unwrap();
    testbed.signal("HUP");
    testbed.line("the reload failed");
    testbed.line("SIGHUP: the access log");
    testbed.assert_serves();
    lines(&path, 1);
    lines(&old, 1);
}

#[test]
fn an_embedded_server_touches_no_signal_and_opens_its_log_when_asked() {
    let signals = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let mask = line.split_whitespace().nth(1).unwrap();
            u64::from_str_radix(mask, 16).unwrap()
        };
        (of("SigIgn:"), of("SigCgt:"))
    };
    let before = signals();
    let folder = Folder::new();
    let (path, _) = log_in(&folder);
    let server = Server::new()
        .listen(Address::Unix(folder.path().join("s")))
        .access_log(&path)
        .responder(|_, res| res.send("hello"));
    let handle = server.start().unwrap();
    let mut wire = crate::wire::Wire::connect(&handle.addresses()[0]);
    assert_eq!(wire.ask(&Ask::get("/one").keep()).status, 200);
    lines(&path, 1);
    let old = folder.path().join("old");
    fs::rename(&path, &old).unwrap();
    handle.reopen_access_log().unwrap();
    assert_eq!(wire.ask(&Ask::get("/two").keep()).status, 200);
    lines(&path, 1);
    lines(&old, 1);
    drop(wire);
    handle.stop();
    handle.join();
    assert_eq!(signals(), before);
    let error = Server::new()
        .listen(Address::Unix(folder.path().join("s")))
        .access_log(folder.path())
        .start()
        .err()
        .expect("it is a folder");
    assert!(error.to_string().starts_with("cannot open the access log "));
    assert!(
        !folder.names().contains(&"s".to_owned()),
        "nothing is bound"
    );
}
