//! A host that allows little: no threads, no processes, little memory, few files. What there is serves, and one line says what is
//! missing and what helps.
//!
//! Limits are set by `prlimit` on a testbed that can gain no rights. They are not for root, who becomes somebody else, and
//! nobody else is that user: its processes are counted.

use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed, children, command_of, example, signal};
use crate::wire::{Ask, Wire};
use fcgi::Address;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const HELLO: (u16, &str) = (200, "Hello, world!");

/// A program on such a host, before it is started.
struct Host {
    folder: Folder,
    /// `None` where these tests are not root's: it is who runs them.
    user: Option<u32>,
    command: Command,
}

impl Host {
    /// With these limits, as prlimit has them, of the processes that come after `before`.
    fn with(limits: &[&str]) -> Host {
        Host::behind(command_of("setpriv"), limits)
    }

    fn behind(mut command: Command, limits: &[&str]) -> Host {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = Folder::new();
        let user = is_root()
            .then(|| 1_500_000_000 + id() % 1_000_000 * 100 + NEXT.fetch_add(1, Ordering::Relaxed));
        command.arg("--no-new-privs");
        if let Some(user) = user {
            chown(folder.path(), Some(user), Some(user)).unwrap();
            become_user(&mut command, user);
        }
        command.arg("prlimit").args(limits).arg(example("testbed"));
        Host {
            folder,
            user,
            command,
        }
    }

    fn flags(mut self, flags: &[&str]) -> Host {
        self.command.args(flags);
        self
    }

    fn address(&self) -> Address {
        Address::Unix(self.folder.path().join("s"))
    }

    fn start(mut self) -> Testbed {
        let address = self.address();
        self.command.args(["--listen", &address.to_string()]);
        Testbed::spawn(self.command, address, self.folder)
    }

    fn listen(self) -> Testbed {
        let testbed = self.start();
        testbed.wait_until_it_listens();
        testbed
    }

    /// As mod_fcgid starts programs.
    fn on_stdin(mut self) -> Testbed {
        let address = self.address();
        let listener = UnixListener::bind(self.folder.path().join("s")).unwrap();
        self.command.stdin(OwnedFd::from(listener));
        Testbed::spawn(self.command, address, self.folder)
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Whether a limit of more than one process says something: whoever runs these tests has others.
fn has_user_of_its_own(test: &str) -> bool {
    if !is_root() {
        eprintln!("SKIPPED: {test} takes root");
    }
    is_root()
}

fn become_user(command: &mut Command, user: u32) {
    let user = user.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
}

/// Asks so often at once; each has to be answered.
fn ask_at_once(testbed: &Testbed, count: usize, target: &str, text: &str) {
    let asks = [Ask::get(target).bytes()];
    let wires = asks.iter().cycle().take(count);
    let mut wires: Vec<Wire> = wires
        .map(|bytes| Wire::after(testbed.address(), bytes))
        .collect();
    for wire in &mut wires {
        assert_eq!(wire.reply(1).page(), (200, text));
    }
}

/// The troubles that the log has: exactly one, with these words.
#[track_caller]
fn assert_one_trouble(testbed: &Testbed, words: &[&str]) {
    testbed.line(words[0]);
    let mut lines = testbed.lines();
    lines.retain(|line| !line.contains(" INFO "));
    assert_eq!(lines.len(), 1, "{lines:?}");
    for words in words {
        assert!(lines[0].contains(words), "{words:?} in {lines:?}");
    }
}

/// It has all that it needs, and so has nothing to say.
fn assert_serves_in_silence(testbed: Testbed) {
    ask_at_once(&testbed, 6, "/sleep?ms=10", "slept");
    let lines = testbed.lines();
    let is_silent = lines.iter().all(|line| line.contains(" INFO "));
    assert!(is_silent, "{lines:?}");
    assert_ends_well(testbed);
}

#[track_caller]
fn assert_ends_well(mut testbed: Testbed) {
    testbed.signal("TERM");
    assert_eq!(testbed.wait().1.code(), Some(0), "{:?}", testbed.lines());
}

/// What of the processors is used in a second, in hundredths of one.
fn ticks_in_a_second(testbed: &Testbed) -> u64 {
    let before = testbed.cpu_ticks();
    let since = Instant::now();
    poll("a second", || since.elapsed() >= Duration::from_secs(1));
    testbed.cpu_ticks() - before
}

#[test]
fn where_no_thread_is_allowed_the_main_one_serves_and_that_is_told_once() {
    let limit = ["--nproc=1"];
    for testbed in [Host::with(&limit).listen(), Host::with(&limit).on_stdin()] {
        // Longer than until it is tried again.
        ask_at_once(&testbed, 6, "/sleep?ms=200", "slept");
        ask_at_once(&testbed, 6, "/hello", HELLO.1);
        assert_eq!(testbed.thread_states().len(), 1);
        let words = [
            "cannot start another worker",
            "1 of 4 serve",
            "ulimit -u",
            "workers to 1",
        ];
        assert_one_trouble(&testbed, &words);
        assert_ends_well(testbed);
    }
}

#[test]
fn where_one_thread_is_allowed_two_workers_serve() {
    if has_user_of_its_own("where_one_thread_is_allowed_two_workers_serve") {
        let testbed = Host::with(&["--nproc=2"]).listen();
        ask_at_once(&testbed, 6, "/sleep?ms=30", "slept");
        assert_eq!(testbed.thread_states().len(), 2);
        assert_one_trouble(&testbed, &["cannot start another worker", "2 of 4 serve"]);
        assert_ends_well(testbed);
    }
}

#[test]
fn a_thread_is_started_as_soon_as_it_is_allowed() {
    if has_user_of_its_own("a_thread_is_started_as_soon_as_it_is_allowed") {
        let host = Host::with(&["--nproc=1:9"]);
        let user = host.user;
        let testbed = host.listen();
        ask_at_once(&testbed, 2, "/sleep?ms=30", "slept");
        assert_eq!(testbed.thread_states().len(), 1);
        let mut more = command_of("setpriv");
        user.into_iter()
            .for_each(|user| become_user(&mut more, user));
        let pid = testbed.pid().to_string();
        more.args(["prlimit", "--pid", &pid, "--nproc=9:"]);
        assert!(more.status().unwrap().success());
        poll("a second worker", || {
            ask_at_once(&testbed, 2, "/sleep?ms=30", "slept");
            testbed.thread_states().len() > 1
        });
        assert_one_trouble(&testbed, &["cannot start another worker"]);
    }
}

/// A thread whose stack for overflows cannot be mapped ends the process (Rust 1.95): there is a gap between a limit that has room
/// for the stack and one that has room for all.
#[test]
fn no_limit_of_memory_is_one_that_ends_the_process() {
    let data = |testbed: &Testbed| {
        let status = fs::read_to_string(format!("/proc/{}/status", testbed.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB").parse::<u64>();
        kib.unwrap()
    };
    let testbed = Host::with(&["--core=0"]).on_stdin();
    ask_at_once(&testbed, 1, "/hello", HELLO.1);
    poll("a second worker", || testbed.thread_states().len() == 2);
    let two_workers = data(&testbed);
    drop(testbed);
    let mut served_by_one = 0;
    for less in (0..=40).step_by(4) {
        let limit = format!("--data={}", (two_workers + 4 - less) << 10);
        let testbed = Host::with(&[&limit]).on_stdin();
        ask_at_once(&testbed, 6, "/sleep?ms=10", "slept");
        served_by_one += usize::from(testbed.thread_states().len() == 1);
        assert_one_trouble(
            &testbed,
            &["cannot start another worker", "of 4 serve", "ulimit -v"],
        );
        assert_ends_well(testbed);
    }
    assert!(served_by_one > 0, "no limit was too low");
}

#[test]
fn forty_eight_mebibytes_are_enough_for_large_bodies_and_large_answers() {
    const LARGE: usize = 20 << 20;
    let limit = format!("--as={}", 48 << 20);
    let testbed = Host::with(&[&limit]).listen();
    let up = Ask::post("/count", vec![b'x'; LARGE]);
    let down = Ask::get(&format!("/bytes?n={LARGE}"));
    let counted = format!("{LARGE} {}", LARGE * usize::from(b'x'));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(testbed.ask(&up).page(), (200, counted.as_str())));
            scope.spawn(|| assert_eq!(testbed.ask(&down).body.len(), LARGE));
        }
    });
    let lines = testbed.lines();
    assert!(
        lines.iter().all(|line| line.contains(" INFO ")),
        "{lines:?}"
    );
    assert_ends_well(testbed);
}

#[test]
fn memory_that_is_too_little_for_one_worker_is_told_and_nothing_is_left_behind() {
    let limit = format!("--as={}", 16 << 20);
    let mut testbed = Host::with(&[&limit])
        .flags(&["--max-params", "16777216"])
        .start();
    assert_eq!(testbed.wait().1.code(), Some(1));
    let troubles = testbed.last_troubles();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(
        troubles[0].contains("no memory for a worker, whose max_params is 16777216"),
        "{troubles:?}"
    );
    assert_eq!(testbed.folder.names(), [""; 0]);
}

#[test]
fn of_thirty_two_files_ten_are_connections() {
    let testbed = Host::with(&["--nofile=32"]).listen();
    let hello = Ask::get("/hello").keep();
    let mut kept: Vec<Wire> = (0..10).map(|_| testbed.connect()).collect();
    for _ in 0..2 {
        for wire in &mut kept {
            assert_eq!(wire.ask(&hello).page(), HELLO);
        }
    }
    let lines = testbed.lines();
    assert!(
        lines.iter().all(|line| line.contains(" INFO ")),
        "{lines:?}"
    );
    // Who comes when all are open gets the place of one that is idle.
    assert_eq!(testbed.ask(&Ask::get("/hello")).page(), HELLO);
    let words = ["no room for another connection", "32 files", "ulimit -n"];
    assert_one_trouble(&testbed, &words);
    assert_ends_well(testbed);
}

/// All that there is room for are in the middle of something, and the rest waits without costing anything.
#[test]
fn whoever_there_is_no_file_for_waits_without_a_spin_and_is_served() {
    for files in ["--nofile=32", "--nofile=16"] {
        let testbed = Host::with(&[files]).listen();
        let ask = Ask::get("/hello").bytes();
        let (half, rest) = ask.split_at(20);
        let wires = (0..40).map(|_| Wire::after(testbed.address(), half));
        let mut wires: Vec<Wire> = wires.collect();
        testbed.line("no room for another connection");
        let spent = ticks_in_a_second(&testbed);
        assert!(
            spent <= 5,
            "{files}: {spent} hundredths of a second of work"
        );
        wires.iter_mut().for_each(|wire| wire.write(rest));
        for wire in &mut wires {
            assert_eq!(wire.reply(1).page(), HELLO);
        }
        assert_one_trouble(&testbed, &["no room for another connection"]);
        assert_ends_well(testbed);
    }
}

#[test]
fn files_that_are_too_few_for_one_connection_are_told_and_nothing_is_left_behind() {
    for files in ["5", "6", "7", "8"] {
        let mut testbed = Host::with(&[&format!("--nofile={files}")]).start();
        assert_eq!(testbed.wait().1.code(), Some(1), "{files}");
        let troubles = testbed.last_troubles();
        assert_eq!(troubles.len(), 1, "{files}: {troubles:?}");
        assert!(troubles[0].contains("Too many open files"), "{troubles:?}");
        assert_eq!(testbed.folder.names(), [""; 0], "{files}");
    }
}

#[test]
fn a_largest_file_of_nothing_costs_the_access_log_and_no_request() {
    let host = Host::with(&["--fsize=0"]);
    let log = host.folder.path().join("log");
    let log = log.to_str().unwrap().to_owned();
    let testbed = host.flags(&["--access-log", &log]).listen();
    ask_at_once(&testbed, 6, "/hello", HELLO.1);
    assert_one_trouble(
        &testbed,
        &["cannot write to the access log", "File too large"],
    );
    assert_ends_well(testbed);
}

#[test]
fn a_stack_of_64_kib_and_one_without_limit_serve() {
    for limit in ["--stack=65536", "--stack=unlimited"] {
        let testbed = Host::with(&[limit]).listen();
        assert_serves_in_silence(testbed);
    }
}

/// Neither where the program lies nor how many descriptors are open can be looked up.
#[test]
fn without_proc_it_serves() {
    let mut hidden = command_of("unshare");
    hidden.args([
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs none /proc && exec \"$0\" \"$@\"",
        "setpriv",
    ]);
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: without_proc_it_serves takes root, and namespaces");
        return;
    }
    let testbed = Host::behind(hidden, &["--core=0"]).listen();
    assert_serves_in_silence(testbed);
}

#[test]
fn where_no_process_is_allowed_the_parent_serves_and_that_is_told() {
    let limit = ["--nproc=1"];
    let flags = ["--processes", "2", "--workers", "1"];
    let host = || Host::with(&limit).flags(&flags);
    for testbed in [host().listen(), host().on_stdin()] {
        ask_at_once(&testbed, 6, "/hello", HELLO.1);
        let spent = ticks_in_a_second(&testbed);
        assert!(spent <= 5, "{spent} hundredths of a second of work");
        let words = ["this one serves alone", "0 of 2 processes", "ulimit -u"];
        assert_one_trouble(&testbed, &words);
        assert_ends_well(testbed);
    }
    let testbed = host().listen();
    testbed.line("serves alone");
    let folder = testbed.folder.path().to_owned();
    testbed.signal("TERM");
    poll("the socket to go", || !folder.join("s").exists());
}

#[test]
fn a_stop_while_no_process_can_be_started_is_one() {
    let testbed = Host::with(&["--nproc=1"])
        .flags(&["--processes", "2"])
        .listen();
    assert_ends_well(testbed);
}

/// Those that there is room for serve, whoever waits for READY=1 hears of it, and one that dies is replaced.
#[test]
fn where_one_process_is_allowed_it_serves_in_place_of_two() {
    if !has_user_of_its_own("where_one_process_is_allowed_it_serves_in_place_of_two") {
        return;
    }
    let mut host = Host::with(&["--nproc=2"]).flags(&["--processes", "2", "--workers", "1"]);
    let notify = host.folder.path().join("notify");
    let told = UnixDatagram::bind(&notify).unwrap();
    chown(&notify, host.user, None).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    host.command.env("NOTIFY_SOCKET", &notify);
    let testbed = host.listen();
    let mut heard = [0; 64];
    let n = told
        .recv(&mut heard)
        .expect("a manager hears that it serves");
    assert!(heard[..n].starts_with(b"READY=1"));
    ask_at_once(&testbed, 6, "/hello", HELLO.1);
    let spent = ticks_in_a_second(&testbed);
    assert!(spent <= 5, "{spent} hundredths of a second of work");
    assert_one_trouble(&testbed, &["1 of 2 processes are there", "ulimit -u"]);
    let [child] = children(testbed.pid())[..] else {
        panic!("one child");
    };
    let since = Instant::now();
    signal(child, "KILL");
    poll("another one", || {
        let now = testbed::children(testbed.pid());
        !now.is_empty() && now != [child]
    });
    ask_at_once(&testbed, 6, "/hello", HELLO.1);
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    assert_ends_well(testbed);
}
