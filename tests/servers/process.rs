//! Processes that a row starts: awaited by polling, stopped by their pid, also when the row panics. Every module here
//! that starts something goes through this one.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long anything may take that is expected to happen at once.
pub const SOON: Duration = Duration::from_secs(20);

/// Asks until there is an answer. `what` completes the sentence "within 20 s: …".
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> Outcome<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if begin.elapsed() > SOON {
            return Err(format!("within {} s: {what}", SOON.as_secs()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A process in a group of its own, so that what it starts in turn can be found.
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    watch: Watch,
}

impl Process {
    /// Starts the command with nothing on fd 0, and its output in `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Outcome<Process> {
        Process::start_on(Stdio::null(), name, command, log)
    }

    /// The same with something on fd 0.
    pub fn start_on(
        stdin: impl Into<Stdio>,
        name: &str,
        command: &mut Command,
        log: &Path,
    ) -> Outcome<Process> {
        let out = File::create(log).map_err(|e| format!("cannot write {}: {e}", log.display()))?;
        let err = out
            .try_clone()
            .map_err(|e| format!("cannot write {}: {e}", log.display()))?;
        let child = command
            .stdin(stdin)
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot start {name}: {e}"))?;
        let watch = Watch::over(child.id());
        Ok(Process {
            name: name.to_owned(),
            child,
            ended: None,
            watch: watch.map_err(|e| format!("cannot start a shell to watch {name}: {e}"))?,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; an end of the process before that is the error.
    pub fn await_ready(&mut self, mut ready: impl FnMut() -> bool) -> Outcome {
        let name = self.name.clone();
        until(&format!("{name} accepts connections"), || {
            if ready() {
                return Some(Ok(()));
            }
            let ended = self.ended()?;
            Some(Err(format!("{name} ended at its start: {ended}")))
        })?
    }

    /// Waits for its end by itself.
    pub fn end(&mut self) -> Outcome<ExitStatus> {
        let name = self.name.clone();
        until(&format!("{name} ends"), || self.ended())
    }

    /// Ends it as a web server is ended in everyday life, and looks that nothing of its group is left.
    pub fn stop(&mut self) -> Outcome {
        let name = self.name.clone();
        if self.ended().is_none() {
            signal("TERM", self.child.id());
            until(&format!("{name} ends after SIGTERM"), || self.ended())?;
        }
        until(&format!("nothing that {name} started is left"), || {
            members(self.child.id()).is_empty().then_some(())
        })
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }
}

impl Drop for Process {
    /// For a row that went wrong: `stop` has left nothing to do otherwise.
    fn drop(&mut self) {
        let _ = self.stop();
        for pid in members(self.child.id()) {
            signal("KILL", pid);
        }
        let _ = self.child.wait();
        self.watch.end();
    }
}

/// A shell that ends the group if these tests are ended themselves: a group of its own does not hear Ctrl-C.
struct Watch {
    shell: Child,
    line: Option<ChildStdin>,
}

impl Watch {
    fn over(group: u32) -> std::io::Result<Watch> {
        let mut shell = Command::new("sh")
            .args(["-c", r#"read -r word || kill -s TERM -- "-$0""#])
            .arg(group.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let line = shell.stdin.take();
        Ok(Watch { shell, line })
    }

    fn end(&mut self) {
        if let Some(mut line) = self.line.take() {
            let _ = line.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

/// A signal by the shell's own `kill`: the standard library knows only SIGKILL.
pub fn signal(name: &str, pid: u32) {
    signal_all(name, &[pid]);
}

/// The same for several, as nearly at once as can be.
pub fn signal_all(name: &str, pids: &[u32]) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$@" 2>/dev/null"#, name])
        .args(pids.iter().map(u32::to_string))
        .status();
}

/// The processes of a group, zombies aside.
fn members(group: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| group_of(pid) == Some(group))
        .collect()
}

/// From `/proc/PID/stat`: pid, (name), state, parent, group. The name may hold anything, also a parenthesis.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let (state, _, group) = (fields.next()?, fields.next()?, fields.next()?);
    (state != "Z").then(|| group.parse().ok())?
}
