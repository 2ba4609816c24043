//! Programs that are stopped and started under load, on a socket that outlives them, behind nginx with a connection for
//! each request and no second try: each request that is lost is a 502. `main.rs` runs it as a row.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

use crate::folder::Folder;
use crate::http::Http;
use crate::load::under_load;
use crate::process::{Process, until};
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream, WORKERS};
use crate::{Outcome, nginx};

/// For each way of passing the socket on, so that they are a hundred.
const STOPS: usize = 34;

/// What visitors ask for, one thing after the other: at a stop some of it runs, and some waits.
const VISITORS: [&str; 6] = [
    "/hello",
    "/hello",
    "/hello",
    "/sleep?ms=5",
    "/bytes?n=300000",
    "/chunks?n=3&ms=2",
];

/// How a program gets the socket that lies on fd 0 here, by a shell that becomes the program.
const WAYS: [(&str, &str); 3] = [
    ("on fd 0", r#"exec "$0" "$@""#),
    (
        "by --listen fd:5",
        r#"exec 5<&0 </dev/null "$0" "$@" --listen fd:5"#,
    ),
    (
        "as systemd passes it",
        r#"export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&0 </dev/null "$0" "$@""#,
    ),
];

/// A socket that this process holds, and nginx in front of it.
struct Shared<'t> {
    folder: &'t Folder,
    program: Program,
    socket: OwnedFd,
    http: Http,
}

pub fn unix(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || Shared::start(folder, testbed, listen_unix(folder)?);
    if let Some((shared, running)) = report.check("start", start) {
        story(report, &shared);
        report.check("stop", || running.stop());
    }
}

pub fn tcp(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || Shared::start(folder, testbed, listen_tcp()?);
    if let Some((shared, running)) = report.check("start", start) {
        story(report, &shared);
        report.check("stop", || running.stop());
    }
}

fn story(report: &mut Report, shared: &Shared) {
    for (way, script) in WAYS {
        report.check(&format!("{way}: one ends, and the next one starts"), || {
            shared.under_load(|answered| shared.one_by_one(script, answered))
        });
        report.check(&format!("{way}: the next one serves, and one ends"), || {
            shared.under_load(|answered| shared.side_by_side(script, answered))
        });
    }
}

impl<'t> Shared<'t> {
    fn start(
        folder: &'t Folder,
        testbed: &Testbed,
        (socket, upstream): (OwnedFd, Upstream),
    ) -> Outcome<(Shared<'t>, Running)> {
        let program = testbed.install(folder, "www/app.fcgi")?;
        let once = "fastcgi_next_upstream off;\n";
        let running = nginx::before(folder, &program, upstream, &[], once, Vec::new())?;
        let http = running.http;
        let shared = Shared {
            folder,
            program,
            socket,
            http,
        };
        Ok((shared, running))
    }

    fn under_load(&self, work: impl FnOnce(&AtomicUsize) -> Outcome<Process>) -> Outcome {
        under_load(self.http, &VISITORS, work)?.stop()
    }

    /// Nobody serves for a moment, and requests wait. The last one is still there.
    fn one_by_one(&self, script: &str, answered: &AtomicUsize) -> Outcome<Process> {
        for i in 0..STOPS {
            let mut process = self.serve(script)?;
            // In the middle of it, and each time elsewhere. Whoever answers is ready to be stopped.
            more(answered, 5 + i % 7)?;
            process.stop()?;
        }
        self.serve(script)
    }

    /// Somebody serves all the time.
    fn side_by_side(&self, script: &str, answered: &AtomicUsize) -> Outcome<Process> {
        let mut process = self.serve(script)?;
        for i in 0..STOPS {
            let next = self.serve(script)?;
            let pid = next.pid().to_string();
            until("the next one answers", || {
                let answer = self.http.get("/pid").ok()?;
                (answer.text() == pid).then_some(())
            })?;
            more(answered, i % 7)?;
            process.stop()?;
            process = next;
        }
        Ok(process)
    }

    fn serve(&self, script: &str) -> Outcome<Process> {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .arg(&self.program.path)
            .args(["--workers", WORKERS])
            .current_dir(self.folder.path("www"));
        self.folder.give_up_root(&mut command);
        let socket = self
            .socket
            .try_clone()
            .map_err(|e| format!("cannot pass the socket on: {e}"))?;
        let log = self.folder.path("log/testbed.log");
        Process::start_on(socket, "testbed", &mut command, &log)
    }
}

/// Waits for so many answers more.
fn more(answered: &AtomicUsize, count: usize) -> Outcome {
    let enough = answered.load(Ordering::Relaxed) + count;
    until(&format!("{count} more answers"), || {
        (answered.load(Ordering::Relaxed) >= enough).then_some(())
    })
}

fn listen_unix(folder: &Folder) -> Outcome<(OwnedFd, Upstream)> {
    let path = folder.path("run/testbed.sock");
    let socket = UnixListener::bind(&path).map_err(told)?;
    // nginx's own user may connect.
    fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).map_err(told)?;
    Ok((socket.into(), Upstream::Unix(path)))
}

fn listen_tcp() -> Outcome<(OwnedFd, Upstream)> {
    let socket = TcpListener::bind("127.0.0.1:0").map_err(told)?;
    let address = socket.local_addr().map_err(told)?;
    Ok((socket.into(), Upstream::Tcp(address)))
}

fn told(error: io::Error) -> String {
    format!("cannot listen: {error}")
}
