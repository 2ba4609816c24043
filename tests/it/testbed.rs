//! The example `testbed` as a process: for what only a process has, signals, an exit status, its own log, fd 0.

use crate::served::{Folder, poll};
use crate::wire::{Ask, PATIENCE, Reply, Wire};
use fcgi::Address;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A running testbed. It is killed when it is dropped.
pub struct Testbed {
    child: Child,
    address: Address,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    pub folder: Folder,
}

impl Testbed {
    /// Listens on a socket file that it makes itself.
    pub fn listening(workers: usize) -> Testbed {
        Testbed::listening_with(&["--workers", &workers.to_string()])
    }

    /// As [`Testbed::listening`], with these flags.
    pub fn listening_with(flags: &[&str]) -> Testbed {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut command = command();
        command.args(["--listen", &address.to_string()]).args(flags);
        let testbed = Testbed::spawn(command, address, folder);
        testbed.wait_until_it_listens();
        testbed
    }

    /// Connects, and waits until the server has closed that again: it must not count among the connections of a test.
    #[track_caller]
    pub fn wait_until_it_listens(&self) {
        let mut probe = None;
        poll("the testbed to listen", || {
            probe = Wire::try_connect(&self.address).ok();
            probe.is_some()
        });
        if let Some(mut probe) = probe {
            probe.end();
            probe.wait_for_end();
        }
    }

    /// Serves a unix socket that it finds on fd 0, as a web server would start it.
    pub fn on_stdin(listener: &UnixListener, workers: usize) -> Testbed {
        let path = listener.local_addr().unwrap();
        let address = Address::Unix(path.as_pathname().expect("a file").to_owned());
        let socket: OwnedFd = listener.try_clone().unwrap().into();
        Testbed::inheriting(socket, address, workers, &[])
    }

    /// As [`Testbed::on_stdin`], by TCP.
    pub fn on_tcp(workers: usize) -> Testbed {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // With many connections what is not whole may wait for long where the machine is busy.
        let flags = [
            "--first-byte-timeout=600",
            "--head-timeout=600",
            "--body-timeout=600",
            "--idle-timeout=600",
        ];
        Testbed::inheriting(listener.into(), Address::Tcp(address), workers, &flags)
    }

    fn inheriting(socket: OwnedFd, address: Address, workers: usize, flags: &[&str]) -> Testbed {
        let mut command = command();
        command
            .args(["--workers", &workers.to_string()])
            .args(flags)
            .stdin(socket);
        Testbed::spawn(command, address, Folder::new())
    }

    pub fn spawn(mut command: Command, address: Address, folder: Folder) -> Testbed {
        let mut child = command.spawn().expect("the testbed starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let into = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Testbed {
            child,
            address,
            lines,
            reader: Some(reader),
            folder,
        }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn tcp(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            other => panic!("{other} is not TCP"),
        }
    }

    #[track_caller]
    pub fn connect(&self) -> Wire {
        Wire::connect(&self.address)
    }

    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Reply {
        self.connect().ask(ask)
    }

    /// The answer, once there is one.
    pub fn try_ask(&self, target: &str) -> Option<Reply> {
        let mut wire = Wire::try_connect(&self.address).ok()?;
        Some(wire.ask(&Ask::get(target)))
    }

    #[track_caller]
    pub fn assert_serves(&self) {
        let reply = self.ask(&Ask::get("/hello"));
        assert_eq!(reply.page(), (200, "Hello, world!"));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; how long that took, and its status.
    #[track_caller]
    pub fn wait(&mut self) -> (Duration, ExitStatus) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (start.elapsed(), status);
            }
            assert!(start.elapsed() < PATIENCE, "the testbed does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Signals, and waits for its end: how long that took at least and at most, as the signal came somewhere in between, and
    /// its status.
    #[track_caller]
    pub fn end_by(&mut self, name: &str) -> (RangeInclusive<Duration>, ExitStatus) {
        let before = Instant::now();
        self.signal(name);
        let after = Instant::now();
        let (_, status) = self.wait();
        (after.elapsed()..=before.elapsed(), status)
    }

    /// What it wrote on fd 2 so far; but not that these tests are in a folder for temporary files, which is no news.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap().clone();
        lines.retain(|line| !line.contains("for temporary files"));
        lines
    }

    /// All that it wrote on fd 2; it has ended.
    pub fn last_lines(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.lines()
    }

    /// Of the last lines those that are not for information only.
    pub fn last_troubles(&mut self) -> Vec<String> {
        let mut lines = self.last_lines();
        lines.retain(|line| !line.contains(" INFO "));
        lines
    }

    /// The one line that has these words; waits for it.
    #[track_caller]
    pub fn line(&self, words: &str) -> String {
        let mut found = Vec::new();
        poll(&format!("a log line with {words:?}"), || {
            found = self.lines.lock().unwrap().clone();
            found.retain(|line| line.contains(words));
            !found.is_empty()
        });
        assert_eq!(found.len(), 1, "one line, not {found:?}");
        found.remove(0)
    }

    /// Waits until a handler of it spins: something runs for longer than a start or a request takes.
    #[track_caller]
    pub fn wait_until_it_spins(&self) {
        let mut looks = 0;
        poll("the handler to spin", || {
            let runs = self.thread_states().contains(&'R');
            looks = if runs { looks + 1 } else { 0 };
            looks > 30
        });
    }

    /// What it has used of the processors, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, rest) = stat.rsplit_once(") ").expect("a stat line");
        let fields: Vec<&str> = rest.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    pub fn thread_states(&self) -> Vec<char> {
        thread_states(self.pid())
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pids of a process' children.
pub fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// The states of a process' threads, as /proc has them: `S` sleeps.
pub fn thread_states(pid: u32) -> Vec<char> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .map(|stat| {
            let (_, rest) = stat.rsplit_once(") ").expect("a stat line");
            rest.chars().next().expect("a state")
        })
        .collect()
}

/// Stops processes, and waits until each of their threads stands still: `kill` returns before that.
#[track_caller]
pub fn stop_all(pids: &[u32]) {
    assert!(signal_all(pids, "STOP"), "STOP to {pids:?}");
    poll("the threads to stand still", || {
        pids.iter()
            .flat_map(|&pid| thread_states(pid))
            .all(|state| state == 'T')
    });
}

/// Signals a process that these tests started.
pub fn signal(pid: u32, name: &str) {
    assert!(signal_all(&[pid], name), "{name} to {pid}");
}

/// Signals several at once. Whether all of them were there.
pub fn signal_all(pids: &[u32], name: &str) -> bool {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let kill = format!("kill -{name} {}", pids.join(" "));
    let status = Command::new("sh")
        .args(["-c", &kill])
        .stderr(Stdio::null())
        .status();
    status.expect("sh is there").success()
}

/// The testbed's command line so far: nothing on fd 0, fd 2 caught, an environment without surprises.
pub fn command() -> Command {
    command_of(example("testbed"))
}

/// As [`command`], with another program in front.
pub fn command_of(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_clear();
    command
}

/// As [`command_of`], in a session of its own: there it has no terminal, at which SIGHUP is a hang-up, wherever these
/// tests run.
pub fn command_without_terminal(program: impl AsRef<OsStr>) -> Command {
    let mut command = command_of("setsid");
    command.arg(program);
    command
}

/// A copy of a program that can be started at once. Another process makes it: what this one has open for writing, a child of
/// another test may still hold, and then it cannot be executed.
pub fn copy(program: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut copy = Command::new("cp");
    copy.arg(program.as_ref()).arg(to.as_ref());
    assert!(copy.status().expect("cp is there").success());
}

/// An example's binary beside this test's. `cargo test` builds it, `cargo test --test it` alone does not.
pub fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/it");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline"]);
        build.args(["--example", "testbed", "--example", "rogue"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(folder.parent().unwrap());
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "the examples do not build");
        folder.join("examples")
    });
    folder.join(name)
}
