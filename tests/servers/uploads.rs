//! Files of any size through nginx to the example `upload`: what lies on the disk is what was sent, byte for byte, and
//! the program's memory does not grow. `main.rs` runs it as a row.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::folder::Folder;
use crate::http::Visitor;
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream};
use crate::{Outcome, ensure, nginx};

/// A block of the file.
const BLOCK: usize = 1 << 20;

/// What the first upload has warmed up: its size, in blocks.
const SMALL: u64 = 4;

/// 2 GiB: one more than fits a signed number of 32 bits.
const LARGE: u64 = 2 << 10;

/// Where nginx has it in a file of its own first.
const GATHERED: u64 = 256;

/// How much more memory the large upload may take than the small one, in KiB.
const MORE: u64 = 256;

/// The file that is written, its pages that the disk has not taken yet, and room for everybody else.
const NEEDED: u64 = 5 << 30;

pub fn missing() -> Vec<String> {
    let mut missing = nginx::missing();
    match free_space(&env::temp_dir()) {
        Ok(free) if free < NEEDED => missing.push(format!(
            "room of {NEEDED} bytes in {}: {free} are free",
            env::temp_dir().display()
        )),
        Ok(_) => {}
        Err(why) => missing.push(why),
    }
    missing
}

/// nginx hands the body on as it comes.
pub fn streamed(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    story(report, folder, LARGE, || start(folder, testbed, false));
}

/// As nginx does unless it is told otherwise.
pub fn gathered(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    story(report, folder, GATHERED, || start(folder, testbed, true));
}

fn story(
    report: &mut Report,
    folder: &Folder,
    blocks: u64,
    start: impl FnOnce() -> Outcome<Running>,
) {
    let Some(running) = report.check("start", start) else {
        return;
    };
    // The web server, then the program.
    let pid = running.processes[1].pid();
    let small = report.check("a file of 4 MiB", || sent(folder, &running, pid, SMALL));
    let Some(small) = small else { return };
    report.check(&format!("a file of {blocks} MiB"), || {
        let large = sent(folder, &running, pid, blocks)?;
        ensure!(
            large.anonymous <= small.anonymous + MORE && large.most <= small.most + MORE,
            "the program takes more memory than for 4 MiB, {small:?}: {large:?}"
        );
        Ok(())
    });
    report.check("stop", || running.stop());
}

fn start(folder: &Folder, testbed: &Testbed, gathers: bool) -> Outcome<Running> {
    let path = folder.install(testbed.example("upload")?.built(), "www/app.fcgi")?;
    let program = Program::at(path, folder);
    let upstream = Upstream::unix(folder);
    let app = program.serve(folder, &upstream, &[])?;
    nginx::uploads(folder, &program, upstream, gathers, app)
}

/// Sends a file of so many blocks, looks at what became of it, and removes it. The memory that the program took.
fn sent(folder: &Folder, running: &Running, pid: u32, blocks: u64) -> Outcome<Memory> {
    let over = AtomicBool::new(false);
    let (uploaded, memory) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut memory = Memory::of(pid)?;
            while !over.load(Ordering::Relaxed) {
                // A tempo, not a wait for something.
                thread::sleep(Duration::from_millis(100));
                memory = memory.max(Memory::of(pid)?);
            }
            Ok(memory)
        });
        let uploaded = running
            .http
            .connect()
            .and_then(|mut visitor| upload(&mut visitor, blocks));
        over.store(true, Ordering::Relaxed);
        let memory = watch.join().map_err(|_| "the watch panicked")?;
        Ok::<_, String>((uploaded, memory))
    })?;
    let same = uploaded.and_then(|()| compare(folder, blocks));
    // Also where it is not the same: 2 GiB are not kept with the folder.
    for file in uploads(folder)? {
        fs::remove_file(&file).map_err(|e| format!("cannot remove {}: {e}", file.display()))?;
    }
    same?;
    memory
}

fn upload(visitor: &mut Visitor, blocks: u64) -> Outcome {
    let begin = "--b0undary\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"\u{1f3a5}.bin\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n";
    let end = "\r\n--b0undary--\r\n";
    let size = blocks * BLOCK as u64;
    let length = size + (begin.len() + end.len()) as u64;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=b0undary\r\n\r\n"
    );
    visitor.write(head.as_bytes())?;
    visitor.write(begin.as_bytes())?;
    let mut block = Block::new();
    (0..blocks).try_for_each(|number| visitor.write(block.numbered(number)))?;
    visitor.write(end.as_bytes())?;
    let answer = visitor.answer()?;
    answer.expect(200, &format!("<p>\u{1f3a5}.bin: {size} bytes"))
}

/// The folder has one file, and it is the one that was sent.
fn compare(folder: &Folder, blocks: u64) -> Outcome {
    let files = uploads(folder)?;
    let [path] = &files[..] else {
        return Err(format!("the uploads are {files:?}"));
    };
    let cannot = |e| format!("cannot read {}: {e}", path.display());
    let mut file = File::open(path).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    let expected = blocks * BLOCK as u64;
    ensure!(
        size == expected,
        "{expected} bytes were sent, {size} lie there"
    );
    let (mut block, mut read) = (Block::new(), vec![0; BLOCK]);
    for number in 0..blocks {
        file.read_exact(&mut read).map_err(cannot)?;
        ensure!(
            read == block.numbered(number),
            "what lies there is not what was sent, within MiB {number}"
        );
    }
    Ok(())
}

fn uploads(folder: &Folder) -> Outcome<Vec<PathBuf>> {
    let path = folder.path("www/uploads");
    let cannot = |e| format!("cannot read {}: {e}", path.display());
    let entries = fs::read_dir(&path).map_err(cannot)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(cannot))
        .collect()
}

/// A MiB of noise, with what begins as a boundary strewn in, and its number in each page: none is like another.
struct Block(Vec<u8>);

impl Block {
    const PAGE: usize = 4096;

    fn new() -> Block {
        let mut state = 1_u64;
        let mut noise = || {
            // xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut bytes: Vec<u8> = (0..BLOCK / 8).flat_map(|_| noise()).collect();
        for (at, begun) in [
            (1000, "\r\n--b0undar"),
            (65_530, "\r\n--b0undaryy"),
            (100_000, "\r\n--b0undary-\r\n"),
            (BLOCK - 3, "\r\n-"),
        ] {
            bytes[at..at + begun.len()].copy_from_slice(begun.as_bytes());
        }
        Block(bytes)
    }

    fn numbered(&mut self, number: u64) -> &[u8] {
        for page in self.0.chunks_mut(Block::PAGE) {
            page[..8].copy_from_slice(&number.to_le_bytes());
        }
        &self.0
    }
}

/// What a process takes, in KiB.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Of its own, at its most: RssAnon.
    anonymous: u64,
    /// The most that it ever had at once, the pages of its file among it: VmHWM.
    most: u64,
}

impl Memory {
    fn of(pid: u32) -> Outcome<Memory> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).map_err(|e| format!("cannot read {path}: {e}"))?;
        let line = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
            value
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| format!("{path} has no {name}"))
        };
        Ok(Memory {
            anonymous: line("RssAnon:")?,
            most: line("VmHWM:")?,
        })
    }

    fn max(self, other: Memory) -> Memory {
        Memory {
            anonymous: self.anonymous.max(other.anonymous),
            most: self.most.max(other.most),
        }
    }
}

/// By POSIX's `df`: standard Rust asks no file system for that.
fn free_space(folder: &Path) -> Outcome<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output();
    let output = output.map_err(|e| format!("cannot run df: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let free = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3));
    let free: Option<u64> = free.and_then(|free| free.parse().ok());
    free.map(|free| free << 10)
        .ok_or_else(|| format!("df does not say how much is free: {text:?}"))
}
