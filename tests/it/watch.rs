//! What is said of requests that are slow or stuck, and what becomes of the process. Handlers wait for the test.

use crate::log;
use crate::served::{Served, poll, serve_as};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, Wire};
use ::log::Level;
use fcgi::Server;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A door that every handler but that of `/hello` stands at until the test opens it.
#[derive(Default)]
struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Door {
    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// A server whose handlers wait, and what they wait for.
fn waiting(server: Server) -> (Served, Arc<Door>) {
    let door = Arc::new(Door::default());
    let theirs = Arc::clone(&door);
    let served = serve_as(server, move |req, res| {
        if req.path() != "/quick" {
            theirs.wait();
        }
        res.send("done")
    });
    (served, door)
}

/// All lines that have these words, whoever said them.
fn lines(words: &str) -> Vec<(Level, String)> {
    let lines = log::lines();
    let found = lines.iter().filter(|line| line.text.contains(words));
    found.map(|line| (line.level, line.text.clone())).collect()
}

#[track_caller]
fn wait_for_lines(words: &str, count: usize) -> Vec<(Level, String)> {
    poll(&format!("{count} lines with {words:?}"), || {
        lines(words).len() >= count
    });
    lines(words)
}

/// The seconds behind these words.
#[track_caller]
fn seconds_behind(words: &str, line: &str) -> f64 {
    let (_, rest) = line.split_once(words).expect(line);
    let (seconds, _) = rest.split_once(" s").expect(line);
    seconds.parse().expect(line)
}

#[test]
fn a_slow_request_is_told_while_it_runs_and_when_it_has_ended() {
    for workers in [1, 3] {
        let limit = Duration::from_millis(600);
        let (server, door) = waiting(Server::new().workers(workers).slow(limit));
        // As a web server decodes `%0A`.
        let path = format!("/slow-{workers}/\n");
        let ask = Ask::get("/%0A")
            .param("PATH_INFO", &path)
            .param("REQUEST_URI", &path);
        let mut wire = server.after(ask.bytes());
        let words = format!("GET /slow-{workers}/");
        let told = wait_for_lines(&words, 1);
        let (level, line) = &told[0];
        assert_eq!(*level, Level::Warn);
        assert!(
            line.starts_with(&format!(r"{words}\x0a: it is slow,")),
            "{line}"
        );
        let age = seconds_behind("has run for ", line);
        assert!((0.6..5.0).contains(&age), "{line}");
        if workers > 1 {
            assert_eq!(server.ask(&Ask::get("/quick")).page(), (200, "done"));
        }
        // Three times the limit later it has not been told again.
        thread::sleep(limit * 3);
        assert_eq!(lines(&words).len(), 1);
        door.open();
        assert_eq!(wire.reply(1).page(), (200, "done"));
        let told = wait_for_lines(&words, 2);
        let (level, line) = &told[1];
        assert_eq!(*level, Level::Warn);
        assert!(line.contains("it was slow, and has ended after"), "{line}");
        assert!(seconds_behind("ended after ", line) >= 2.4, "{line}");
        assert_eq!(server.ask(&Ask::get("/quick")).page(), (200, "done"));
        drop(server);
        assert_eq!((lines(&words).len(), lines("GET /quick").len()), (2, 0));
    }
}

#[test]
fn a_request_is_not_slow_unless_it_was_asked_what_is() {
    let (server, door) = waiting(Server::new().workers(1));
    let mut wire = server.after(Ask::get("/unasked").bytes());
    thread::sleep(Duration::from_millis(300));
    door.open();
    assert_eq!(wire.reply(1).page(), (200, "done"));
    drop(server);
    assert_eq!(lines("GET /unasked"), []);
}

/// A person who waits for a page has left by then.
#[test]
fn all_workers_busy_is_told_once_and_when_it_is_over() {
    let (server, door) = waiting(Server::new().workers(2));
    let mut first = server.after(Ask::get("/busy-first").bytes());
    // It has to be the oldest by the clock that counts, whose step is 4 ms.
    thread::sleep(Duration::from_millis(50));
    let mut second = server.after(Ask::get("/busy-second").bytes());
    let told = wait_for_lines("GET /busy-first", 1);
    let (level, line) = &told[0];
    assert_eq!(*level, Level::Warn);
    assert!(
        line.starts_with("all 2 workers have been busy for "),
        "{line}"
    );
    let busy = seconds_behind("busy for ", line);
    let oldest = seconds_behind("the oldest has run for ", line);
    assert!((5.0..10.0).contains(&busy) && oldest >= busy, "{line}");
    door.open();
    for wire in [&mut first, &mut second] {
        assert_eq!(wire.reply(1).page(), (200, "done"));
    }
    wait_for_lines("not all workers are busy any more", 1);
    drop(server);
    assert_eq!(lines("GET /busy-").len(), 1);
}

/// To end would be 500s of a web server that had started it.
#[test]
fn a_stuck_request_is_told_and_counted_where_no_parent_is() {
    let limit = Duration::from_millis(150);
    let server = Server::new()
        .workers(2)
        .timeout(limit)
        .status_page("/status");
    let (server, door) = waiting(server);
    let mut wire = server.after(Ask::get("/stuck").bytes());
    let (level, line) = wait_for_lines("GET /stuck", 1).remove(0);
    assert_eq!(level, Level::Error);
    assert!(line.contains("longer than timeout"), "{line}");
    let here = Ask::get("/status").param("REMOTE_ADDR", "127.0.0.1");
    assert!(server.ask(&here).text().contains("\ntimed out: 1\n"));
    door.open();
    assert_eq!(wire.reply(1).page(), (200, "done"));
    drop(server);
    assert_eq!(lines("GET /stuck").len(), 1);
}

/// What its other workers do is answered.
#[test]
fn a_child_with_a_stuck_request_is_replaced() {
    let flags = [
        "--processes",
        "1",
        "--workers",
        "2",
        "--grace",
        "2",
        "--timeout",
        "0.5s",
    ];
    let mut parent = Testbed::listening_with(&flags);
    let who = |parent: &Testbed| parent.ask(&Ask::get("/pid")).text().to_owned();
    let stuck = who(&parent);
    let spin = Wire::after(parent.address(), Ask::get("/spin").bytes());
    let line = parent.line("GET /spin: it has run for ");
    assert!(line.contains(&format!("[{stuck}] ERROR ")), "{line}");
    assert!(
        line.ends_with("longer than timeout; this process is to be replaced"),
        "{line}"
    );
    poll("another child", || who(&parent) != stuck);
    let line = parent.line("the time to stop is over; cut after ");
    assert!(line.ends_with(" GET /spin"), "{line}");
    poll("the end of the stuck one", || {
        !Path::new(&format!("/proc/{stuck}")).exists()
    });
    parent.assert_serves();
    drop(spin);
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
}

/// The names of its threads.
fn threads(testbed: &Testbed) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", testbed.pid())).unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
    names.map(|name| name.trim().to_owned()).collect()
}

fn is_watched(testbed: &Testbed) -> bool {
    threads(testbed).contains(&"fcgi-watch".to_owned())
}

/// A process that is sent one request after another has one worker, and one thread.
#[test]
fn nobody_watches_what_cannot_be_due() {
    // On a busy machine a few of them are needed now and then; the last one is not.
    let mut testbed = Testbed::listening(64);
    for _ in 0..20 {
        testbed.assert_serves();
    }
    assert!(!is_watched(&testbed));
    testbed.signal("TERM");
    assert_eq!(testbed.wait().1.code(), Some(0));
    let alone = Testbed::listening(1);
    let mut wire = Wire::after(alone.address(), Ask::get("/sleep?ms=100").bytes());
    assert_eq!(wire.reply(1).page(), (200, "slept"));
    assert!(!is_watched(&alone));
    let asked = Testbed::listening_with(&["--workers", "1", "--slow", "10s"]);
    poll("the watcher that was asked for", || is_watched(&asked));
    let busy = Testbed::listening(2);
    let mut wires = [0, 1].map(|_| Wire::after(busy.address(), Ask::get("/sleep?ms=100").bytes()));
    for wire in &mut wires {
        assert_eq!(wire.reply(1).page(), (200, "slept"));
    }
    poll("the watcher", || is_watched(&busy));
}

/// With a limit it wakes once in that time, and else not at all; and a stop ends it at once.
#[test]
fn a_watcher_that_has_nothing_to_tell_sleeps() {
    let mut testbed = Testbed::listening_with(&["--workers", "1", "--slow", "3600"]);
    testbed.assert_serves();
    poll("the watcher", || is_watched(&testbed));
    let switches = |testbed: &Testbed| -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", testbed.pid())).unwrap();
        let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap();
        let watcher = tasks.map(|task| status(task.unwrap()));
        let watcher = watcher
            .into_iter()
            .find(|status| status.contains("fcgi-watch"));
        let watcher = watcher.expect("it is there");
        let line = watcher
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt"));
        line.unwrap()
            .split_whitespace()
            .last()
            .unwrap()
            .parse()
            .unwrap()
    };
    poll("its first sleep", || switches(&testbed) > 0);
    let before = switches(&testbed);
    for _ in 0..50 {
        testbed.assert_serves();
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(switches(&testbed), before);
    testbed.signal("TERM");
    let (took, status) = testbed.wait();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(status.code(), Some(0));
}

/// A shared host may allow a user few threads.
#[test]
fn without_a_thread_for_the_watcher_it_serves_and_says_so_once() {
    let testbed = Testbed::without_threads(&["--slow", "0.5", "--timeout", "0.5"]);
    let line = testbed.line("cannot start the thread that watches");
    assert!(line.contains(" WARN "), "{line}");
    assert_eq!(
        testbed.ask(&Ask::get("/sleep?ms=1000")).page(),
        (200, "slept")
    );
    testbed.line("GET /sleep: it was slow, and has ended after");
    testbed.assert_serves();
    assert_eq!(testbed.lines().len(), 2, "{:?}", testbed.lines());
}

impl Testbed {
    /// With one worker, where its user may start no thread. Limits are not for root, who becomes somebody else.
    fn without_threads(flags: &[&str]) -> Testbed {
        let folder = crate::served::Folder::new();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let program = testbed::command().get_program().to_owned();
        let mut command = testbed::command_of("prlimit");
        command.arg("--nproc=1:1");
        if fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0)
        {
            command.args(["setpriv", "--reuid", "47110", "--clear-groups", "--"]);
        }
        command.arg(program).args(["--workers", "1"]).args(flags);
        command.stdin(std::os::fd::OwnedFd::from(listener));
        Testbed::spawn(command, fcgi::Address::Unix(path), folder)
    }
}
