//! Caddy, started privately with the printed directives in the block of its site.

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
    match installed(&["caddy"]) {
        Some(_) => Vec::new(),
        None => vec!["caddy".to_owned()],
    }
}

pub fn unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), &[])
}

pub fn tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::tcp()?, &[])
}

pub fn php(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), &["php"])
}

pub fn mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(
        folder,
        testbed,
        Upstream::unix(folder),
        &["--mount", "/app"],
    )
}

pub fn php_mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["php", "--mount", "/app"];
    start(folder, testbed, Upstream::unix(folder), &flags)
}

/// With flags for what is printed.
pub fn flagged(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), flags)
}

/// Where the directives of a site's own files stand.
#[derive(Clone, Copy, Debug)]
pub enum Files {
    Above,
    Below,
}

/// Below a place of a site that has files of its own.
pub fn beside_files(
    folder: &Folder,
    testbed: &Testbed,
    form: &[&str],
    files: Files,
) -> Outcome<Running> {
    let own = format!("root * \"{}\"\nfile_server\n", folder.text("public"));
    let (above, below) = match files {
        Files::Above => (own.as_str(), ""),
        Files::Below => ("", own.as_str()),
    };
    let flags = [form, &["--mount", "/app"]].concat();
    start_within(
        folder,
        testbed,
        Upstream::unix(folder),
        &flags,
        [above, below],
    )
}

fn start(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
) -> Outcome<Running> {
    start_within(folder, testbed, upstream, flags, ["", ""])
}

/// `around`: what stands above and below the printed directives.
fn start_within(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
    around: [&str; 2],
) -> Outcome<Running> {
    let [above, below] = around;
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let listen = upstream.listen();
    let flags = [flags, &["--listen", listen.as_str(), "--workers", WORKERS]].concat();
    let directives = program.conf("caddy", &flags)?;
    let at = free_address()?;
    let (host, port) = (at.ip(), at.port());
    let outer = format!(
        "{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind {host}\n{above}{directives}{below}}}\n"
    );
    let conf = folder.write("etc/Caddyfile", &outer)?;
    let binary = installed(&["caddy"]).ok_or("Caddy is not installed")?;
    folder
        .notes()
        .server("Caddy", behind::said(&binary, "version")?);
    let mut command = Command::new(binary);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(conf)
        // It keeps things for the user that it runs as.
        .env("HOME", folder.path("tmp"))
        .env("XDG_DATA_HOME", folder.path("tmp"))
        .env("XDG_CONFIG_HOME", folder.path("tmp"));
    folder.give_up_root(&mut command);
    let mut process = Process::start("Caddy", &mut command, &folder.path("log/caddy.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    Ok(Running {
        http: Http { at },
        upstream: Some(upstream),
        processes: vec![process, app],
    })
}
