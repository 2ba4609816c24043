//! HAProxy, started privately with the printed sections behind a frontend whose rule is the one that they show.

use std::net::TcpStream;
use std::process::Command;

use crate::Outcome;
use crate::behind;
use crate::folder::Folder;
use crate::http::Http;
use crate::process::Process;
use crate::row::Running;
use crate::testbed::{Testbed, Upstream, WORKERS, free_address, installed};

pub fn missing() -> Vec<String> {
    match installed(&["haproxy"]) {
        Some(_) => Vec::new(),
        None => vec!["haproxy".to_owned()],
    }
}

pub fn unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), &[])
}

pub fn tcp_kept(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::tcp()?, &["--keepalive"])
}

pub fn mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(
        folder,
        testbed,
        Upstream::unix(folder),
        &["--mount", "/app"],
    )
}

/// Several requests at once on a connection, and all that HAProxy sends on one of them: it has one thread.
pub fn multiplexed(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    multiplexed_by(folder, testbed, WORKERS)
}

/// As [`multiplexed`], by so many workers.
pub fn multiplexed_by(folder: &Folder, testbed: &Testbed, workers: &str) -> Outcome<Running> {
    let upstream = Upstream::unix(folder);
    let program = testbed.install(folder, "www/app.fcgi")?;
    let flags = ["--multiplex", "--workers", workers];
    let app = program.serve(folder, &upstream, &flags)?;
    let listen = upstream.listen();
    let flags = [&["--listen", listen.as_str()], &flags[..]].concat();
    let sections = program.conf("haproxy", &flags)?;
    let sections = format!("global\n    nbthread 1\n{sections}");
    printed(folder, &sections, upstream, vec![app])
}

/// With flags for what is printed.
pub fn flagged(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), flags)
}

fn start(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let listen = upstream.listen();
    let flags = [&["--listen", listen.as_str(), "--workers", WORKERS], flags].concat();
    let sections = program.conf("haproxy", &flags)?;
    printed(folder, &sections, upstream, vec![app])
}

/// With a master process, which can be told to reload.
pub fn reloadable(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let upstream = Upstream::unix(folder);
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let listen = upstream.listen();
    let sections = program.conf("haproxy", &["--listen", &listen, "--workers", WORKERS])?;
    run(folder, &sections, upstream, vec![app], "-W")
}

/// With what was printed, in front of programs that are served already.
pub fn printed(
    folder: &Folder,
    sections: &str,
    upstream: Upstream,
    apps: Vec<Process>,
) -> Outcome<Running> {
    run(folder, sections, upstream, apps, "-db")
}

fn run(
    folder: &Folder,
    sections: &str,
    upstream: Upstream,
    apps: Vec<Process>,
    mode: &str,
) -> Outcome<Running> {
    // What the frontend needs stands there behind a `#`.
    let rule = sections
        .lines()
        .find_map(|line| {
            line.trim_start()
                .strip_prefix("#default_backend")
                .map(|rest| format!("default_backend{rest}"))
                .or_else(|| {
                    line.trim_start()
                        .strip_prefix("#use_backend")
                        .map(|rest| format!("use_backend{rest}"))
                })
        })
        .ok_or("conf haproxy prints no rule for the frontend")?;
    let at = free_address()?;
    let user = match folder.user() {
        Some(user) => format!("    user {}\n    group {}\n", user.name, user.group),
        None => String::new(),
    };
    let outer = format!(
        "global\n{user}    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    option httplog\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    timeout queue 60s\n\
         frontend web\n    bind {at}\n    {rule}\n\n{sections}"
    );
    let conf = folder.write("etc/haproxy.cfg", &outer)?;
    let binary = installed(&["haproxy"]).ok_or("HAProxy is not installed")?;
    folder
        .notes()
        .server("HAProxy", behind::said(&binary, "-v")?);
    let mut command = Command::new(binary);
    command.arg(mode).arg("-f").arg(conf);
    let mut process = Process::start("HAProxy", &mut command, &folder.path("log/haproxy.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    Ok(Running {
        http: Http { at },
        upstream: Some(upstream),
        processes: [vec![process], apps].into_iter().flatten().collect(),
    })
}
