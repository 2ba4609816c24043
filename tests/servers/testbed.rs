//! The program behind every web server here: the example `testbed`, built by cargo, copied into the row's folder, and
//! asked there for the configuration that the row runs.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::behind::Notes;
use crate::folder::Folder;
use crate::process::Process;
use crate::{Outcome, ensure};

/// Requests that the program answers at once, where a row can say so.
pub const WORKERS: &str = "4";

/// Where a program listens that a row starts itself.
#[derive(Clone, Debug)]
pub enum Upstream {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// The example as cargo built it.
pub struct Testbed {
    built: PathBuf,
}

impl Testbed {
    /// Beside the test's own executable: `target/PROFILE/examples/testbed`.
    pub fn find() -> Outcome<Testbed> {
        let exe = env::current_exe().map_err(|e| format!("cannot find this test: {e}"))?;
        let profile = exe
            .parent()
            .and_then(Path::parent)
            .ok_or("this test does not lie in a folder of cargo's")?;
        build(profile, "testbed")?;
        let built = profile.join("examples/testbed");
        if !built.is_file() {
            return Err(format!(
                "{} is missing; build it with: cargo build --example testbed",
                built.display()
            ));
        }
        Ok(Testbed { built })
    }

    /// Another program, to be told from this one by its answers: the example `hello`, which answers every address alike.
    pub fn other(&self) -> Outcome<PathBuf> {
        Ok(self.example("hello")?.built)
    }

    /// An example in the place of the testbed.
    pub fn example(&self, name: &str) -> Outcome<Testbed> {
        let examples = self.built.parent().ok_or("the example lies nowhere")?;
        let profile = examples.parent().ok_or("the examples lie nowhere")?;
        build(profile, name)?;
        let built = examples.join(name);
        Ok(Testbed { built })
    }

    /// An application that is a package of its own in examples/.
    pub fn package(&self, name: &str) -> Outcome<Testbed> {
        let examples = self.built.parent().ok_or("the example lies nowhere")?;
        let profile = examples.parent().ok_or("the examples lie nowhere")?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name);
        let target = profile.parent().ok_or("the examples lie nowhere")?;
        let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
        // In its folder, where its .cargo/config.toml counts.
        let mut command = Command::new(cargo);
        command
            .args(["build", "--quiet", "--locked"])
            .current_dir(folder);
        command.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            command.arg("--release");
        }
        let status = command.stdin(Stdio::null()).status();
        let status = status.map_err(|e| format!("cannot run cargo: {e}"))?;
        ensure!(status.success(), "cargo build failed in examples/{name}");
        Ok(Testbed {
            built: profile.join(name),
        })
    }

    /// The file that cargo has built.
    pub fn built(&self) -> &Path {
        &self.built
    }

    pub fn install(&self, folder: &Folder, name: &str) -> Outcome<Program> {
        let path = folder.install(&self.built, name)?;
        Ok(Program::at(path, folder))
    }
}

/// `cargo test --test servers` builds no example. Where cargo has built it already this changes nothing.
fn build(profile: &Path, example: &str) -> Outcome {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(cargo), Some(name)) = (env::var_os("CARGO"), profile.file_name()) else {
        return Ok(());
    };
    if built.contains(example) {
        return Ok(());
    }
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--example", example]);
    if name == "release" {
        command.arg("--release");
    }
    if let Some(target) = profile.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command
        .stdin(Stdio::null())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !status.success() {
        return Err(format!("cargo build --example {example} failed"));
    }
    built.insert(example.to_owned());
    Ok(())
}

/// The copy in a row's folder.
pub struct Program {
    pub path: PathBuf,
    notes: Notes,
}

impl Program {
    /// One that lies in the row's folder already.
    pub fn at(path: PathBuf, folder: &Folder) -> Program {
        Program {
            path,
            notes: folder.notes().clone(),
        }
    }

    /// What `PROGRAM conf SERVER FLAGS` prints, byte for byte.
    pub fn conf(&self, server: &str, flags: &[&str]) -> Outcome<String> {
        self.notes.conf(server, flags);
        let what = format!("{} conf {server} {}", self.path.display(), flags.join(" "));
        let output = Command::new(&self.path)
            .args(["conf", server])
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot run {what}: {e}"))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{what} ended with {}: {errors}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|e| format!("{what} printed no text: {e}"))
    }

    /// Starts the program for a web server that only connects, as the user that the web server runs as.
    pub fn serve(&self, folder: &Folder, upstream: &Upstream, flags: &[&str]) -> Outcome<Process> {
        let mut command = self.command(folder, upstream, flags);
        folder.give_up_root(&mut command);
        started(command, folder, upstream)
    }

    /// As [`Program::serve`], as the user that runs the tests.
    pub fn serve_as_we(
        &self,
        folder: &Folder,
        upstream: &Upstream,
        flags: &[&str],
    ) -> Outcome<Process> {
        started(self.command(folder, upstream, flags), folder, upstream)
    }

    fn command(&self, folder: &Folder, upstream: &Upstream, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["--listen", &upstream.listen()]).args(flags);
        if !flags.contains(&"--workers") {
            command.args(["--workers", WORKERS]);
        }
        command.current_dir(folder.path("www"));
        command
    }
}

fn started(mut command: Command, folder: &Folder, upstream: &Upstream) -> Outcome<Process> {
    let mut process = Process::start("testbed", &mut command, &folder.path("log/testbed.log"))?;
    process.await_ready(|| upstream.accepts())?;
    Ok(process)
}

impl Upstream {
    pub fn unix(folder: &Folder) -> Upstream {
        Upstream::Unix(folder.path("run/testbed.sock"))
    }

    pub fn tcp() -> Outcome<Upstream> {
        Ok(Upstream::Tcp(free_address()?))
    }

    /// As a value of `--listen`.
    pub fn listen(&self) -> String {
        match self {
            Upstream::Unix(path) => format!("unix:{}", path.display()),
            Upstream::Tcp(address) => address.to_string(),
        }
    }

    fn accepts(&self) -> bool {
        match self {
            Upstream::Unix(path) => UnixStream::connect(path).is_ok(),
            Upstream::Tcp(address) => TcpStream::connect(address).is_ok(),
        }
    }

    /// Connections to the program that are open now, by the kernel's own tables.
    pub fn open_connections(&self) -> Outcome<usize> {
        let (table, wanted) = match self {
            Upstream::Unix(path) => ("/proc/net/unix", path.display().to_string()),
            Upstream::Tcp(address) => ("/proc/net/tcp", format!(":{:04X}", address.port())),
        };
        let text = fs::read_to_string(table).map_err(|e| format!("cannot read {table}: {e}"))?;
        let open = text.lines().filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            match self {
                // Num RefCount Protocol Flags Type St Inode Path; 03 is connected.
                Upstream::Unix(_) => {
                    fields.get(5) == Some(&"03") && fields.get(7) == Some(&wanted.as_str())
                }
                // sl local remote st; 01 is established. Seen from the web server's end.
                Upstream::Tcp(_) => {
                    fields.get(3) == Some(&"01")
                        && fields
                            .get(2)
                            .is_some_and(|remote| remote.ends_with(&wanted))
                }
            }
        });
        Ok(open.count())
    }
}

/// An address of loopback that nobody listens on, and that no other row was given.
pub fn free_address() -> Outcome<SocketAddr> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let free = free.map_err(|e| format!("cannot get a free port: {e}"))?;
        if given.insert(free.port()) {
            return Ok(free);
        }
    }
}

/// The first of these programs that is installed. Web servers lie where an ordinary user's PATH does not look.
pub fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
        })
}
