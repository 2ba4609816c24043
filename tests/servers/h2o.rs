//! h2o, started privately with the printed paths in the entry of its only host.

use std::net::TcpStream;
use std::process::Command;

use crate::Outcome;
use crate::behind;
use crate::folder::Folder;
use crate::http::Http;
use crate::process::Process;
use crate::row::Running;
use crate::testbed::{Program, Testbed, Upstream, WORKERS, free_address, installed};

pub fn missing() -> Vec<String> {
    match installed(&["h2o"]) {
        Some(_) => Vec::new(),
        None => vec!["h2o".to_owned()],
    }
}

pub fn spawned(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &program, &["--workers", WORKERS])
}

pub fn unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    connected(folder, testbed, Upstream::unix(folder), &[], &[])
}

pub fn tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    connected(folder, testbed, Upstream::tcp()?, &[], &[])
}

/// Below a place, of which h2o tells the program nothing.
pub fn mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let upstream = Upstream::unix(folder);
    connected(folder, testbed, upstream, &["--mount", "/app"], &[])
}

pub fn mounted_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let (upstream, flags) = (Upstream::unix(folder), ["--mount", "/app"]);
    connected(folder, testbed, upstream, &flags, &flags)
}

/// With flags for what is printed.
pub fn flagged(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    connected(folder, testbed, Upstream::unix(folder), flags, &[])
}

fn connected(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
    app_flags: &[&str],
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, app_flags)?;
    let listen = upstream.listen();
    let flags = [&["--listen", listen.as_str()], flags].concat();
    let mut running = start(folder, &program, &flags)?;
    running.processes.push(app);
    running.upstream = Some(upstream);
    Ok(running)
}

fn start(folder: &Folder, program: &Program, flags: &[&str]) -> Outcome<Running> {
    let paths = program.conf("h2o", flags)?;
    let at = free_address()?;
    let user = match folder.user() {
        Some(user) => format!("user: {}\n", user.name),
        None => String::new(),
    };
    let (run, log, tmp) = (folder.text("run"), folder.text("log"), folder.text("tmp"));
    let (host, port) = (at.ip(), at.port());
    let outer = format!(
        "{user}pid-file: {run}/h2o.pid\nerror-log: {log}/h2o-error.log\ntemp-buffer-path: {tmp}\n\
         listen:\n  host: {host}\n  port: {port}\nhosts:\n  default:\n{paths}"
    );
    let conf = folder.write("etc/h2o.conf", &outer)?;
    let binary = installed(&["h2o"]).ok_or("h2o is not installed")?;
    folder.notes().server("h2o", behind::said(&binary, "-v")?);
    let mut command = Command::new(binary);
    command.arg("-c").arg(conf);
    let mut process = Process::start("h2o", &mut command, &folder.path("log/h2o.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    Ok(Running {
        http: Http { at },
        upstream: None,
        processes: vec![process],
    })
}
