//! Apache's mod_fastcgi, which no distribution has any more: the program started, asked and ended exactly as its last
//! version (SNAP-0910052141) was seen to do it. `tests/servers` runs the module itself where somebody has it.
//!
//! Its process manager makes one socket with a backlog of 100 and lets every process of a program inherit it on fd 0. A
//! process has an empty environment, the folder of its file, SIGPIPE ignored, the error log on fds 1 and 2, and no
//! argument. Each request is a connection: id 1, no FCGI_KEEP_CONN, a PARAMS record for each pair, a body in records of
//! 8184 bytes. The end is one SIGTERM, whatever the process is doing, and never SIGKILL.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::{self, Ask, PATIENCE, Reply, Wire};
use fcgi::Address;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

const SIGTERM: u32 = 15;

/// A unix socket is what it makes unless `-port` asks for TCP.
const KINDS: [Kind; 2] = [Kind::Unix, Kind::Tcp];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unix,
    Tcp,
}

/// `fcgi-pm`, with one program in a folder of its own.
struct Manager {
    folder: Folder,
    socket: OwnedFd,
    address: Address,
    log: PathBuf,
}

impl Manager {
    fn new(kind: Kind) -> Manager {
        Manager::with_settings(kind, "")
    }

    fn with_settings(kind: Kind, settings: &str) -> Manager {
        let folder = Folder::new();
        let program = folder.path().join("app.fcgi");
        testbed::copy(testbed::example("testbed"), &program);
        fs::write(folder.path().join(".ht.app.fcgi"), settings).unwrap();
        let (socket, address) = match kind {
            Kind::Unix => {
                let path = folder.path().join("dynamic-hash");
                let listener = UnixListener::bind(&path).unwrap();
                (OwnedFd::from(listener), Address::Unix(path))
            }
            // The module itself listens on all addresses.
            Kind::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                (OwnedFd::from(listener), Address::Tcp(address))
            }
        };
        let log = folder.path().join("error.log");
        File::create(&log).unwrap();
        Manager {
            folder,
            socket,
            address,
            log,
        }
    }

    /// As each mode starts a process.
    fn start(&self) -> Process {
        let log = || OpenOptions::new().append(true).open(&self.log).unwrap();
        // Only a shell can ignore a signal for it, and `env` empties what the shell leaves.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", r#"trap "" PIPE; exec /usr/bin/env -i "$0""#])
            .arg(self.folder.path().join("app.fcgi"))
            .env_clear()
            .current_dir(self.folder.path())
            .stdin(self.socket.try_clone().unwrap())
            .stdout(log())
            .stderr(log());
        let child = command.spawn().expect("the program starts");
        Process { child }
    }

    fn ask(&self, ask: Ask) -> Reply {
        answer(&self.address, ask)
    }

    fn pid(&self) -> u32 {
        self.ask(Ask::get("/pid")).text().parse().unwrap()
    }

    /// What stands in the error log that is more than information.
    fn troubles(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().filter(|line| !line.contains(" INFO "));
        let lines = lines.filter(|line| !line.contains("for temporary files"));
        lines.map(str::to_owned).collect()
    }
}

/// One that it has started.
struct Process {
    child: Child,
}

impl Process {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Until it has become the program, with the environment that the module leaves, and would not die of a SIGTERM.
    fn await_start(&self, manager: &Manager) {
        let program = manager.folder.path().join("app.fcgi");
        let exe = format!("/proc/{}/exe", self.pid());
        poll("the program to run", || {
            fs::read_link(&exe).is_ok_and(|file| file == program)
        });
        let environment = fs::read(format!("/proc/{}/environ", self.pid())).unwrap();
        assert_eq!(environment, b"");
        poll("the program to see to SIGTERM", || self.catches_sigterm());
    }

    fn catches_sigterm(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        caught & (1 << (SIGTERM - 1)) != 0
    }

    fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(&mut self) -> ExitStatus {
        testbed::signal(self.pid(), "TERM");
        self.end()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to a request as the module writes it, on a connection of its own that the program closes.
#[track_caller]
fn answer(address: &Address, ask: Ask) -> Reply {
    let mut wire = Wire::after(address, written(ask));
    let reply = wire.reply(1);
    wire.assert_closed();
    reply
}

/// A PARAMS record for each pair; STDIN in pieces of its buffer.
fn written(ask: Ask) -> Vec<u8> {
    let ask = ask
        .param("GATEWAY_INTERFACE", "CGI/1.1")
        .param("SERVER_SOFTWARE", "Apache/2.4")
        .param("PATH", "/usr/bin:/bin");
    let stdin = ask.clone().records_of(8184).stdin();
    let mut bytes = ask.begin();
    for pair in ask.pairs() {
        bytes.extend(wire::record(wire::PARAMS, 1, &pair));
    }
    bytes.extend(wire::record(wire::PARAMS, 1, b""));
    bytes.extend(stdin);
    bytes
}

/// `FastCgiServer … -processes 4`: one a second, and Apache asks whoever accepts.
#[test]
fn static_four_processes_share_one_socket_and_all_of_them_answer() {
    for kind in KINDS {
        let manager = Manager::new(kind);
        let mut four = [(); 4].map(|()| manager.start());
        four.iter()
            .for_each(|process| process.await_start(&manager));
        let all: BTreeSet<u32> = four.iter().map(Process::pid).collect();
        let mut seen = BTreeSet::new();
        poll("all four to have answered", || {
            let asked = [(); 8].map(|()| Wire::after(&manager.address, written(Ask::get("/pid"))));
            for mut wire in asked {
                seen.insert(wire.reply(1).text().parse::<u32>().unwrap());
            }
            seen == all
        });
        let body = vec![b'b'; 300_000];
        let counted = format!("300000 {}", 300_000 * u32::from(b'b'));
        let reply = manager.ask(Ask::post("/count", body));
        assert_eq!(reply.page(), (200, counted.as_str()), "{kind:?}");
        // Apache's end: one signal each.
        for process in &mut four {
            assert_eq!(process.stop().code(), Some(0), "{kind:?}");
        }
        assert_eq!(manager.troubles(), [""; 0]);
        if let Address::Unix(path) = &manager.address {
            assert!(path.exists(), "the socket is the module's");
        }
    }
}

/// The folder of the file, SIGPIPE ignored, the error log on fds 1 and 2; and nothing of it reaches a program that the
/// application starts but the log.
#[test]
fn its_process_finds_its_files_and_its_log() {
    let manager = Manager::new(Kind::Unix);
    fs::create_dir(manager.folder.path().join("files")).unwrap();
    fs::write(manager.folder.path().join("files/page"), "a page").unwrap();
    let mut process = manager.start();
    process.await_start(&manager);
    let reply = manager.ask(Ask::get("/file?name=page"));
    assert_eq!(reply.page(), (200, "a page"));
    let program = manager.ask(Ask::get("/program"));
    assert!(!program.text().contains("socket:"), "{}", program.text());
    assert_eq!(manager.ask(Ask::get("/fail/x")).status, 500);
    poll("the log", || {
        let lines = manager.troubles();
        lines.iter().any(|line| line.contains("no way to /fail/x"))
    });
    // Apache sends the visitor away, and this writes on.
    let wire = Wire::after(&manager.address, written(Ask::get("/bytes?n=30000000")));
    drop(wire);
    manager.ask(Ask::get("/hello"));
    assert_eq!(process.stop().code(), Some(0));
}

/// `-port`, `-socket`: the guides' static mode starts an application that would bind by itself. One that did so has 1 of
/// 4 processes answer, or dies of EADDRINUSE and is left alone for 600 s.
#[test]
fn what_it_would_listen_on_itself_is_ignored() {
    for kind in KINDS {
        let port = Port::new();
        let free = port.address();
        let settings = format!("listen unix:own.sock\nlisten {free}\n");
        let manager = Manager::with_settings(kind, &settings);
        let mut both = [(); 2].map(|()| manager.start());
        both.iter()
            .for_each(|process| process.await_start(&manager));
        assert_eq!(manager.ask(Ask::get("/hello")).page().0, 200);
        assert!(!manager.folder.path().join("own.sock").exists());
        let refused = Wire::try_connect_within(&Address::Tcp(free), Duration::from_secs(1));
        let refused = refused.err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "{kind:?}");
        for process in &mut both {
            assert_eq!(process.stop().code(), Some(0));
        }
        // Each says it once.
        let log = fs::read_to_string(&manager.log).unwrap();
        let said = log.lines().filter(|line| line.contains("ignored"));
        assert_eq!(said.count(), both.len(), "{log}");
    }
}

/// `FastCgiConfig`: the connection waits on the socket until the first process is there, and that one gets all that come:
/// six at once were one process with six connections.
#[test]
fn dynamic_the_first_request_waits_for_the_process_and_six_at_once_are_one_processs() {
    for kind in KINDS {
        let manager = Manager::new(kind);
        let mut early = Wire::after(&manager.address, written(Ask::get("/pid")));
        let mut process = manager.start();
        let pid = process.pid().to_string();
        assert_eq!(early.reply(1).page(), (200, pid.as_str()));
        let six = [(); 6].map(|()| Wire::after(&manager.address, written(Ask::get("/pid"))));
        for mut wire in six {
            assert_eq!(wire.reply(1).page(), (200, pid.as_str()), "{kind:?}");
        }
        // Its idle end, and the next request: the same again.
        assert_eq!(process.stop().code(), Some(0));
        let mut late = Wire::after(&manager.address, written(Ask::get("/pid")));
        let next = manager.start();
        assert_eq!(late.reply(1).page(), (200, next.pid().to_string().as_str()));
    }
}

/// `FastCgiExternalServer -socket`, `-host`: somebody else has started it, and Apache may be there before and after it.
#[test]
fn external_it_is_asked_by_a_unix_socket_and_by_tcp() {
    let port = Port::new();
    let free = port.address();
    let testbed = Testbed::listening_with(&["--listen", &free.to_string()]);
    for address in [testbed.address(), &Address::Tcp(free)] {
        let reply = answer(address, Ask::get("/hello"));
        assert_eq!(reply.page(), (200, "Hello, world!"), "{address}");
        let reply = answer(address, Ask::post("/echo", vec![b'e'; 100_000]));
        assert_eq!((reply.status, reply.body.len()), (200, 100_000));
    }
}

/// A graceful restart ends them at once, also the busy ones, and starts others a moment later: who finishes first is a
/// 200, and who came meanwhile waits for the next process.
#[test]
fn a_stop_during_a_request_finishes_it_and_leaves_the_others_to_the_next_process() {
    for kind in KINDS {
        let manager = Manager::new(kind);
        let mut process = manager.start();
        let mut running = Wire::after(&manager.address, written(Ask::get("/chunks?n=3&ms=200")));
        assert!(running.record().is_some(), "it runs");
        testbed::signal(process.pid(), "TERM");
        assert_eq!(process.end().code(), Some(0), "{kind:?}");
        let mut came = Wire::after(&manager.address, written(Ask::get("/hello")));
        let rest = running.records_until_the_end();
        assert!(rest.iter().any(|record| record.kind == wire::END_REQUEST));
        let mut next = manager.start();
        assert_eq!(came.reply(1).page(), (200, "Hello, world!"));
        assert_eq!(next.stop().code(), Some(0));
        assert_eq!(manager.troubles(), [""; 0]);
    }
}

/// It never kills: a process that will not end has to see to that itself.
#[test]
fn it_ends_by_itself_although_a_handler_does_not() {
    let manager = Manager::with_settings(Kind::Unix, "grace 1s\n");
    let mut process = manager.start();
    assert_eq!(manager.pid(), process.pid());
    let mut wire = Wire::after(&manager.address, written(Ask::get("/spin")));
    let mut looks = 0;
    poll("the handler to spin", || {
        let spins = testbed::thread_states(process.pid()).contains(&'R');
        looks = if spins { looks + 1 } else { 0 };
        looks > 30
    });
    let status = process.stop();
    assert_eq!((status.code(), status.signal()), (Some(1), None));
    assert!(wire.records_until_the_end().is_empty());
    assert!(
        manager
            .troubles()
            .iter()
            .any(|line| line.contains("GET /spin")),
        "{:?}",
        manager.troubles()
    );
}

/// A crash is repaired at once, on the same socket: nobody is refused meanwhile.
#[test]
fn after_a_crash_the_next_process_answers_who_waits() {
    let manager = Manager::new(Kind::Unix);
    let mut process = manager.start();
    assert_eq!(manager.pid(), process.pid());
    testbed::signal(process.pid(), "KILL");
    assert_eq!(process.end().signal(), Some(9));
    let mut waits = Wire::after(&manager.address, written(Ask::get("/pid")));
    let next = manager.start();
    assert_eq!(
        waits.reply(1).page(),
        (200, next.pid().to_string().as_str())
    );
}

/// FastCgiAuthorizer, FastCgiAuthenticator, FastCgiAccessChecker: no STDIN, not even its end. What the first answer says
/// comes back as a parameter of the second.
#[test]
fn its_three_guards_are_asked_without_any_stdin() {
    let manager = Manager::new(Kind::Unix);
    let mut process = manager.start();
    for role in ["AUTHENTICATOR", "AUTHORIZER", "ACCESS_CHECKER"] {
        for (token, status) in [("open", 200), ("wrong", 403)] {
            let ask = Ask::get(&format!("/members?token={token}"))
                .param("FCGI_APACHE_ROLE", role)
                .param("REMOTE_USER", "tester")
                .param("REMOTE_PASSWD", "secret")
                .param("Content_Type", "text/plain");
            let mut bytes = wire::begin_role(1, 2, false);
            for pair in ask.pairs() {
                bytes.extend(wire::record(wire::PARAMS, 1, &pair));
            }
            bytes.extend(wire::record(wire::PARAMS, 1, b""));
            let mut wire = Wire::connect(&manager.address);
            wire.denial = status != 200;
            wire.write(bytes);
            assert_eq!(wire.reply(1).status, status, "{role} {token}");
            wire.assert_closed();
        }
    }
    assert_eq!(process.stop().code(), Some(0));
}
