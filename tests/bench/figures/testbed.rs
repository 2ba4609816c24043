//! A program that serves on a unix socket, as a process of its own, and what /proc has of it.

use crate::built::linked;
use crate::folder::Folder;
use crate::wire::{read_answer, record, request};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes, under valgrind and on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The testbed as a process of its own, on a unix socket.
pub struct Testbed {
    process: Child,
    pub socket: PathBuf,
}

impl Testbed {
    pub fn start(folder: &Folder, workers: usize) -> Testbed {
        Testbed::start_program(&linked("testbed"), folder, workers)
    }

    pub fn start_program(program: &Path, folder: &Folder, workers: usize) -> Testbed {
        Testbed::launch(Command::new(program), folder, workers)
    }

    /// As the last words of another program's command line. Nothing of the environment, so that it starts alike anywhere.
    pub fn watched(
        mut watcher: Command,
        program: &Path,
        folder: &Folder,
        workers: usize,
    ) -> Testbed {
        watcher.arg(program).env_clear();
        Testbed::launch(watcher, folder, workers)
    }

    fn launch(mut command: Command, folder: &Folder, workers: usize) -> Testbed {
        let socket = folder.path("s");
        let mut process = command
            .args([
                "--listen",
                &format!("unix:{}", socket.display()),
                "--workers",
                &workers.to_string(),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "{command:?} does not serve");
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?}: {ended:?}");
            std::thread::yield_now();
        }
        Testbed { process, socket }
    }

    /// TERM to the program, not to what watches it, which then writes what it has seen.
    pub fn stop_watched(mut self) {
        let pid = self.pid();
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status();
        assert!(killed.unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "process {pid} does not stop");
            std::thread::yield_now();
        }
    }

    /// The program's own: valgrind becomes it, strace is its parent.
    fn pid(&self) -> u32 {
        let own = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let child = children.unwrap_or_default();
        let child = child.split_whitespace().next();
        child.map_or(own, |pid| pid.parse().unwrap())
    }

    /// One request with a body of so many bytes, looking around after each MiB of it or of the answer.
    pub fn exchange(&self, path: &str, length: usize, mut look: impl FnMut()) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let mut answer = stream.try_clone().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = request(path, b"");
        stream.write_all(&head[..head.len() - 8]).unwrap(); // the end of stdin comes after the body
        let piece = record(5, &[b'x'; 32768]);
        for i in 0..length / 32768 {
            stream.write_all(&piece).unwrap();
            if i % 32 == 0 {
                look();
            }
        }
        stream.write_all(&record(5, b"")).unwrap();
        let mut buffer = [0; 4096];
        let mut looking = Looking {
            answer: &mut answer,
            read: 0,
            look: &mut look,
        };
        read_answer(&mut looking, &mut buffer);
    }

    /// Requests that take their time, as many as there are workers: a worker begins when it is needed first.
    pub fn have_all_work(&self, workers: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.figure("status", "Threads:") < workers as u64 {
            assert!(Instant::now() < deadline, "not all workers have begun");
            let connect = |_| UnixStream::connect(&self.socket).unwrap();
            let mut streams: Vec<UnixStream> = (0..workers).map(connect).collect();
            for stream in &mut streams {
                stream.write_all(&request("/sleep?ms=100", b"")).unwrap();
            }
            for stream in &mut streams {
                assert!(read_answer(stream, &mut [0; 4096]) > 0);
            }
        }
    }

    /// Until all of its threads wait for something to happen.
    pub fn wait_until_asleep(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_asleep() {
            assert!(Instant::now() < deadline, "the program never waits");
            std::thread::yield_now();
        }
    }

    fn is_asleep(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut stats =
            tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")));
        // The state stands behind the name, which is in brackets; a thread may end meanwhile.
        stats.all(|stat| stat.is_ok_and(|stat| stat.contains(") S ")))
    }

    pub fn resident_kib(&self) -> u64 {
        self.figure("status", "VmRSS:")
    }

    pub fn anonymous_kib(&self) -> u64 {
        self.figure("status", "RssAnon:")
    }

    pub fn figure(&self, file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

/// Reads, and looks around after each MiB.
struct Looking<'a, R, F> {
    answer: &'a mut R,
    read: usize,
    look: F,
}

impl<R: Read, F: FnMut()> Read for Looking<'_, R, F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.answer.read(into)?;
        if (self.read + n) >> 20 > self.read >> 20 {
            (self.look)();
        }
        self.read += n;
        Ok(n)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
