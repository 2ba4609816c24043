//! nginx, started privately with the printed blocks in `server { }` and, where the text says so, in `http { }`.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
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
    match installed(&["nginx"]) {
        Some(_) => Vec::new(),
        None => vec!["nginx".to_owned()],
    }
}

pub fn unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), &[])
}

pub fn unix_kept(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), &["--keepalive"])
}

pub fn tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(folder, testbed, Upstream::tcp()?, &[])
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

/// With flags for what is printed.
pub fn flagged(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    start(folder, testbed, Upstream::unix(folder), flags)
}

/// Without files, and below a place; the program is not told of it.
pub fn location(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["location", "--mount", "/app"];
    start(folder, testbed, Upstream::unix(folder), &flags)
}

/// Two programs in one `server { }`: at the root, and another below a place.
pub fn beside(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let upstream = Upstream::unix(folder);
    let other = testbed.install(folder, "www/other")?;
    let listen = upstream.listen();
    let printed = other.conf("nginx", &["--mount", "/app", "--listen", &listen])?;
    start_as(folder, testbed, upstream, &[], &[], &printed)
}

pub fn guides_root(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "nginx-root", &[])
}

pub fn guides_mount(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "nginx-mount", &[])
}

pub fn guides_older(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "nginx-older", &[])
}

pub fn guides_fourth(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "nginx-fourth", &[])
}

pub fn guides_fourth_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guided(folder, testbed, "nginx-fourth", &["--mount", guides::PLACE])
}

/// A block as the guides have it.
fn guided(folder: &Folder, testbed: &Testbed, name: &str, flags: &[&str]) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    folder.notes().guide(Way::Unix);
    let upstream = Upstream::unix(folder);
    let app = program.serve(folder, &upstream, flags)?;
    // As the guides' `apt-get install` leaves it, but for the size of a body: 1 MiB.
    let blocks = guides::nginx(name, &folder.text("run/testbed.sock"));
    let blocks = format!("client_max_body_size 20m;\n{blocks}");
    run(folder, "", &blocks, upstream, vec![app])
}

/// The guides' oldest block.
pub fn by_if(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    start(
        folder,
        testbed,
        Upstream::unix(folder),
        &["if", "--mount", "/app"],
    )
}

/// With an internal location, and a program that hands files over to it.
pub fn accel(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let files = folder.text("www/files");
    let location = format!("location /protected/ {{ internal; alias {files}/; }}\n");
    let sendfile = format!("x-accel:{files}=/protected");
    let upstream = Upstream::unix(folder);
    start_as(
        folder,
        testbed,
        upstream,
        &[],
        &["--sendfile", &sendfile],
        &location,
    )
}

/// With the blocks that have the program asked who may pass below `/members/`.
pub fn asking(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let upstream = Upstream::unix(folder);
    let blocks = format!(
        "location /members/ {{ auth_request /may-pass; error_page 401 = /login; }}\n\
         location = /may-pass {{ internal; include fastcgi_params; fastcgi_param PATH_INFO /may-pass;\n\
         fastcgi_param SCRIPT_NAME \"\"; fastcgi_pass_request_body off; fastcgi_param CONTENT_LENGTH \"\";\n\
         fastcgi_pass {}; }}\n",
        upstream.listen()
    );
    start_as(folder, testbed, upstream, &[], &[], &blocks)
}

/// With a second address, for https.
pub fn secure(
    folder: &Folder,
    testbed: &Testbed,
    at: SocketAddr,
    certificate: &str,
) -> Outcome<Running> {
    let lines = format!(
        "listen {at} ssl;\nssl_certificate {certificate};\nssl_certificate_key {certificate};\n"
    );
    start_as(folder, testbed, Upstream::unix(folder), &[], &[], &lines)
}

/// With bodies handed on as they come.
pub fn ungathered(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let more = "fastcgi_request_buffering off;\n";
    start_as(folder, testbed, Upstream::unix(folder), &[], &[], more)
}

/// Answers and bodies both in pieces.
pub fn unbuffered(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let more = "fastcgi_buffering off;\nfastcgi_request_buffering off;\n";
    start_as(folder, testbed, Upstream::unix(folder), &[], &[], more)
}

/// With an access log of the program's own.
pub fn logged(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let log = folder.text("log/access.log");
    let upstream = Upstream::unix(folder);
    start_as(folder, testbed, upstream, &[], &["--access-log", &log], "")
}

fn start(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
) -> Outcome<Running> {
    start_as(folder, testbed, upstream, flags, &[], "")
}

/// With `flags` for what `conf` prints, others for the program, and more lines for `server { }`.
fn start_as(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
    app_flags: &[&str],
    more: &str,
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, app_flags)?;
    before(folder, &program, upstream, flags, more, vec![app])
}

/// In front of a program that is served already.
pub fn before(
    folder: &Folder,
    program: &Program,
    upstream: Upstream,
    flags: &[&str],
    more: &str,
    apps: Vec<Process>,
) -> Outcome<Running> {
    before_as(folder, program, upstream, flags, more, apps, |conf| conf)
}

/// For bodies of any size, which nginx hands on as they come unless `gathers`: then it writes them to a file first.
pub fn uploads(
    folder: &Folder,
    program: &Program,
    upstream: Upstream,
    gathers: bool,
    app: Process,
) -> Outcome<Running> {
    let limit = "client_max_body_size 64m;";
    let printed = program.conf("nginx", &["--listen", &upstream.listen()])?;
    ensure!(printed.contains(limit), "conf nginx prints no {limit}");
    let unlimited = |conf: String| conf.replace(limit, "client_max_body_size 0;");
    let more = match gathers {
        true => "fastcgi_request_buffering on;\n",
        false => "fastcgi_request_buffering off;\n",
    };
    before_as(folder, program, upstream, &[], more, vec![app], unlimited)
}

/// With a change to what was printed.
fn before_as(
    folder: &Folder,
    program: &Program,
    upstream: Upstream,
    flags: &[&str],
    more: &str,
    apps: Vec<Process>,
    change: impl Fn(String) -> String,
) -> Outcome<Running> {
    let listen = upstream.listen();
    // A form comes first.
    let flags = [flags, &["--listen", listen.as_str(), "--workers", WORKERS]].concat();
    let text = change(program.conf("nginx", &flags)?);
    printed(folder, &text, more, upstream, apps)
}

/// With what was printed, and more lines for `server { }`.
pub fn printed(
    folder: &Folder,
    text: &str,
    more: &str,
    upstream: Upstream,
    apps: Vec<Process>,
) -> Outcome<Running> {
    // The text's own headings say where each part belongs.
    let heading = "# Inside server { }:";
    let (http, server) = text
        .split_once(heading)
        .ok_or_else(|| format!("conf nginx prints no line {heading:?}"))?;
    run(folder, http, &format!("{server}{more}"), upstream, apps)
}

/// With these blocks in `server { }`, and nothing behind it.
pub fn with(folder: &Folder, server: &str) -> Outcome<Running> {
    run(folder, "", server, Upstream::unix(folder), Vec::new())
}

/// nginx with these parts in `http { }` and in `server { }`.
fn run(
    folder: &Folder,
    http: &str,
    server: &str,
    upstream: Upstream,
    apps: Vec<Process>,
) -> Outcome<Running> {
    folder.write("etc/http.conf", http)?;
    folder.write("etc/server.conf", server)?;
    symlink(
        "/etc/nginx/fastcgi_params",
        folder.path("etc/fastcgi_params"),
    )
    .map_err(|e| format!("cannot link nginx's fastcgi_params: {e}"))?;

    let at = free_address()?;
    let conf = folder.write("etc/nginx.conf", &outer(folder, at))?;
    let binary = installed(&["nginx"]).ok_or("nginx is not installed")?;
    let mut command = Command::new(binary);
    command.arg("-c").arg(conf).arg("-p").arg(folder.path(""));
    command.arg("-e").arg(folder.path("log/nginx-error.log"));
    let mut process = Process::start("nginx", &mut command, &folder.path("log/nginx.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    let version = behind::logged(folder, "log/nginx-error.log", ": nginx/", "\n")?;
    folder.notes().server("nginx", version);
    Ok(Running {
        http: Http { at },
        upstream: Some(upstream),
        processes: [vec![process], apps].into_iter().flatten().collect(),
    })
}

fn outer(folder: &Folder, at: SocketAddr) -> String {
    let user = match folder.user() {
        Some(user) => format!("user {} {};\n", user.name, user.group),
        None => String::new(),
    };
    let (run, log, tmp) = (folder.text("run"), folder.text("log"), folder.text("tmp"));
    let public = folder.text("public");
    // Every kind of temporary folder has a default that only root may make.
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {tmp}/{kind};\n"))
        .collect();
    format!(
        "{user}\
         daemon off;\n\
         worker_processes 2;\n\
         pid {run}/nginx.pid;\n\
         error_log {log}/nginx-error.log info;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
         access_log off;\n\
         {temp}\
         include http.conf;\n\
         server {{\n\
         listen {at};\n\
         root {public};\n\
         include server.conf;\n\
         }}\n\
         }}\n"
    )
}
