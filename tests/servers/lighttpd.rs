//! lighttpd, started privately with the printed configuration included at its end.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::behind::{self, Way};
use crate::folder::Folder;
use crate::guides;
use crate::http::Http;
use crate::process::Process;
use crate::row::Running;
use crate::testbed::{Program, Testbed, Upstream, WORKERS, free_address, installed};
use crate::{Outcome, ensure};

pub fn missing() -> Vec<String> {
    match installed(&["lighttpd"]) {
        Some(_) => Vec::new(),
        None => vec!["lighttpd".to_owned()],
    }
}

pub fn spawned(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &program, &["--workers", WORKERS])
}

/// Each of the four has a socket of its own.
pub fn spawned_four(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(
        folder,
        &program,
        &["--workers", WORKERS, "--processes", "4"],
    )
}

pub fn external_unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    external(folder, testbed, Upstream::unix(folder))
}

pub fn external_tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    external(folder, testbed, Upstream::tcp()?)
}

/// Spawned, with flags for what is printed.
pub fn flagged(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    // The program is told too, and would refuse a large body itself.
    let printed = program.conf("lighttpd", flags)?;
    start_with(folder, &printed.replace(" --max-body 1000000", ""))
}

/// Connected, with flags for what is printed.
pub fn connected(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    external_with(folder, testbed, Upstream::unix(folder), flags)
}

/// With the printed line for answers in pieces made active.
pub fn streaming(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("lighttpd", &["--workers", WORKERS])?;
    let line = "server.stream-response-body = 1";
    ensure!(
        printed.contains(&format!("#{line}")),
        "conf lighttpd prints no line #{line}"
    );
    start_with(folder, &printed.replace(&format!("#{line}"), line))
}

/// With both printed lines made active.
pub fn streaming_both_ways(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("lighttpd", &["--workers", WORKERS])?;
    ensure!(
        printed.contains("#server.stream-request-body = 1"),
        "conf lighttpd prints no line for bodies in pieces"
    );
    start_with(
        folder,
        &printed.replace("#server.stream-", "server.stream-"),
    )
}

/// Rewritten below a place. The program is not told, for the rule has to find it.
pub fn mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    untold(folder, testbed, &["--mount", "/app"])
}

pub fn prefix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    untold(folder, testbed, &["prefix", "--mount", "/app"])
}

/// As printed: the program is told where it stands.
pub fn mounted_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &program, &["--mount", "/app"])
}

pub fn prefix_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &program, &["prefix", "--mount", "/app"])
}

pub fn root(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    untold(folder, testbed, &["root"])
}

/// With the printed line for files made active.
pub fn rewrite_files(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("lighttpd", &[])?;
    let (line, rule) = ("\"^(/static($|/.*))$\" => \"$1\",", "    \"^(/.*)$\"");
    ensure!(
        printed.contains(&format!("itself come before: {line}\n")),
        "conf lighttpd prints no {line}"
    );
    start_with(
        folder,
        &printed.replace(rule, &format!("    {line}\n{rule}")),
    )
}

/// The guides' trouble: without that line the first part of each path is SCRIPT_NAME.
pub fn root_without_fix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start_with(folder, &without_fix(&program)?)
}

pub fn root_without_fix_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    folder.write("www/.ht.app.fcgi", "mount /\n")?;
    start_with(folder, &without_fix(&program)?)
}

pub fn guides_rewrite(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "lighttpd-rewrite")
}

pub fn guides_rewrite_older(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "lighttpd-rewrite-older")
}

/// A block as the guides have it.
pub fn guided(folder: &Folder, testbed: &Testbed, name: &str) -> Outcome<Running> {
    folder.notes().guide(Way::Started);
    testbed.install(folder, "www/app.fcgi")?;
    start_with(folder, &guides::lighttpd(name, folder))
}

/// The guides' prefix, with its mistake mended.
pub fn guides_prefix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.notes().guide(Way::Started);
    testbed.install(folder, "www/app.fcgi")?;
    start_with(folder, &guides::lighttpd_mended("lighttpd-prefix", folder))
}

/// What lighttpd says of these lines.
pub fn refusal(folder: &Folder, conf: &str) -> Outcome<String> {
    folder.write("etc/app.conf", conf)?;
    let conf = folder.write("etc/refused.conf", &outer(folder, free_address()?))?;
    let said = guides::refused(&["lighttpd"], &["-tt", "-f"], &conf.display().to_string())?;
    let log = std::fs::read_to_string(folder.path("log/lighttpd-error.log"));
    Ok(said + &log.unwrap_or_default())
}

fn without_fix(program: &Program) -> Outcome<String> {
    let line = "\"fix-root-scriptname\" => \"enable\",";
    let printed = program.conf("lighttpd", &["root"])?;
    ensure!(
        printed.contains(line),
        "conf lighttpd root prints no line {line}"
    );
    Ok(printed.replace(line, ""))
}

fn untold(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("lighttpd", flags)?;
    start_with(folder, &printed.replace(" --mount /app\"", "\""))
}

/// Spawned as an authorizer in front of `/members/`, as it is printed.
pub fn guarded(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &program, &["authorizer"])
}

/// Spawned twice: as an authorizer in front of `/members/`, and as the responder that has the login.
pub fn guarded_folder(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let entry = |mode: &str| {
        format!(
            "(( \"mode\" => \"{mode}\", \"docroot\" => \"{}\", \"bin-path\" => \"{}\", \"max-procs\" => 1,\n\
             \"socket\" => \"{}\", \"check-local\" => \"disable\" ))",
            folder.text("public"),
            program.path.display(),
            folder.text(&format!("run/{mode}.sock")),
        )
    };
    let (guard, app) = (entry("authorizer"), entry("responder"));
    let conf = format!(
        "server.modules += ( \"mod_fastcgi\" )\n\
         fastcgi.server = ( \"/members/\" => {guard}, \"/login\" => {app}, \"/logout\" => {app} )\n"
    );
    start_with(folder, &conf)
}

/// Spawned, and allowed to send files: the program's settings say so, as on a shared host.
pub fn sendfile(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    folder.write("www/.ht.app.fcgi", "sendfile x-sendfile\n")?;
    let printed = program.conf("lighttpd", &["--workers", WORKERS])?;
    let files = folder.text("www/files");
    let allowed =
        format!("((\n\"x-sendfile\" => \"enable\",\n\"x-sendfile-docroot\" => ( \"{files}\" ),");
    let conf = printed.replacen("((", &allowed, 1);
    start_with(folder, &conf)
}

/// With these lines.
pub fn with(folder: &Folder, conf: &str) -> Outcome<Running> {
    start_with(folder, conf)
}

fn external(folder: &Folder, testbed: &Testbed, upstream: Upstream) -> Outcome<Running> {
    external_with(folder, testbed, upstream, &[])
}

fn external_with(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let listen = upstream.listen();
    let flags = [flags, &["--listen", listen.as_str()]].concat();
    let mut running = start(folder, &program, &flags)?;
    running.processes.push(app);
    running.upstream = Some(upstream);
    Ok(running)
}

fn start(folder: &Folder, program: &Program, flags: &[&str]) -> Outcome<Running> {
    start_with(folder, &program.conf("lighttpd", flags)?)
}

fn start_with(folder: &Folder, conf: &str) -> Outcome<Running> {
    folder.write("etc/app.conf", conf)?;
    let at = free_address()?;
    let conf = folder.write("etc/lighttpd.conf", &outer(folder, at))?;
    let binary = installed(&["lighttpd"]).ok_or("lighttpd is not installed")?;
    let mut command = Command::new(binary);
    command.arg("-D").arg("-f").arg(conf);
    let mut process = Process::start("lighttpd", &mut command, &folder.path("log/lighttpd.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    let file = "log/lighttpd-error.log";
    let version = behind::logged(folder, file, "server started (lighttpd/", ")")?;
    folder.notes().server("lighttpd", version);
    Ok(Running {
        http: Http { at },
        upstream: None,
        processes: vec![process],
    })
}

fn outer(folder: &Folder, at: SocketAddr) -> String {
    let user = match folder.user() {
        Some(user) => format!(
            "server.username = \"{}\"\nserver.groupname = \"{}\"\n",
            user.name, user.group
        ),
        None => String::new(),
    };
    let (run, log, tmp) = (folder.text("run"), folder.text("log"), folder.text("tmp"));
    let include = folder.path("etc/app.conf");
    let include = Path::display(&include);
    format!(
        "{user}\
         server.document-root = \"{}\"\n\
         server.bind = \"{}\"\n\
         server.port = {}\n\
         server.pid-file = \"{run}/lighttpd.pid\"\n\
         server.errorlog = \"{log}/lighttpd-error.log\"\n\
         server.breakagelog = \"{log}/lighttpd-breakage.log\"\n\
         server.upload-dirs = ( \"{tmp}\" )\n\
         include \"{include}\"\n",
        folder.text("public"),
        at.ip(),
        at.port(),
    )
}
