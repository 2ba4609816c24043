//! Web servers in front of what does not work, and what `check --log` makes of their own logs. `main.rs` runs it as a row
//! for each web server.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::folder::Folder;
use crate::http::Http;
use crate::process::until;
use crate::row::Report;
use crate::testbed::{Program, Testbed, free_address};
use crate::{Outcome, apache, lighttpd, nginx};

/// What is asked for, and what has to be said of it: pieces of one finding.
pub type Case<'a> = (&'a str, &'a [&'a str]);

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let wrong = Wrong::all(folder)?;
        let tcp = free_address()?;
        let mut blocks = format!(
            "fastcgi_read_timeout 1s;\n\
             location /tcp {{ include fastcgi_params; fastcgi_pass {tcp}; }}\n\
             location /large {{ client_max_body_size 10; include fastcgi_params; fastcgi_pass {tcp}; }}\n\
             location /round {{ try_files /none /round; }}\n"
        );
        for name in NAMES {
            let socket = folder.text(&format!("run/{name}.sock"));
            blocks += &format!(
                "location /{name} {{ include fastcgi_params; fastcgi_pass unix:{socket}; }}\n"
            );
        }
        let program = testbed.install(folder, "www/app.fcgi")?;
        Ok((wrong, program, tcp, nginx::with(folder, &blocks)?))
    };
    let Some((_wrong, program, tcp, running)) = report.check("start", begin) else {
        return;
    };
    let (log, http, tcp) = (
        folder.path("log/nginx-error.log"),
        running.http,
        tcp.to_string(),
    );
    ask(
        &program,
        &log,
        http,
        folder,
        report,
        &[
            (
                "/absent",
                &["there is no unix:", "run/absent.sock:", "--listen"],
            ),
            (
                "/stale",
                &["nobody listens on unix:", "run/stale.sock any more"],
            ),
            ("/tcp", &["nobody listens on ", &tcp]),
            (
                "/closed",
                &[
                    "may not connect to unix:",
                    "run/closed.sock",
                    "--socket-owner",
                ],
            ),
            (
                "/silent",
                &["run/silent.sock was silent", "fastcgi_read_timeout"],
            ),
            ("/cut", &["run/cut.sock ended its answer"]),
            (
                "/http",
                &["run/http.sock speaks no FastCGI: record version 72"],
            ),
            ("/garbage", &["run/garbage.sock"]),
            ("/big", &["run/big.sock does not fit fastcgi_buffer_size"]),
            (
                "/stderr",
                &["run/stderr.sock wrote to its standard error: no paper"],
            ),
            (
                "POST /large",
                &[
                    "a visitor sent 100 bytes",
                    "client_max_body_size (1 MiB unless set)",
                    "--max-body N",
                ],
            ),
            ("/round", &["goes round in circles"]),
        ],
    );
    report.check("stop", || running.stop());
}

pub fn proxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let wrong = Wrong::all(folder)?;
        let tcp = free_address()?;
        let mut host = format!("ProxyTimeout 1\nProxyPass /tcp fcgi://{tcp}/\n");
        for name in NAMES {
            let socket = folder.text(&format!("run/{name}.sock"));
            host += &format!("ProxyPass /{name} unix:{socket}|fcgi://{name}/\n");
        }
        let program = testbed.install(folder, "www/app.fcgi")?;
        Ok((
            wrong,
            program,
            tcp,
            apache::with(folder, &["proxy", "proxy_fcgi"], "warn", &host)?,
        ))
    };
    let Some((_wrong, program, tcp, running)) = report.check("start", begin) else {
        return;
    };
    let (log, http, tcp) = (
        folder.path("log/apache-error.log"),
        running.http,
        tcp.to_string(),
    );
    ask(
        &program,
        &log,
        http,
        folder,
        report,
        &[
            ("/absent", &["there is no ", "run/absent.sock:"]),
            ("/stale", &["nobody listens on ", "run/stale.sock any more"]),
            ("/tcp", &["nobody listens on ", &tcp]),
            (
                "/closed",
                &["may not connect to ", "run/closed.sock", "--socket-owner"],
            ),
            ("/silent", &["silent", "ProxyTimeout"]),
            ("/cut", &["closed the connection without an answer"]),
            ("/http", &["speaks no FastCGI: record version 72"]),
            ("/garbage", &["no proper head"]),
            ("/stderr", &["wrote to its standard error: no paper"]),
        ],
    );
    report.check("stop", || running.stop());
}

pub fn fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = |level: &str| {
        let program = testbed.install(folder, "www/app.fcgi")?;
        for (name, content, mode) in [
            ("closed", "#!/bin/sh\nexit 0\n", 0o644),
            ("exits", "#!/bin/sh\nexit 3\n", 0o755),
            ("killed", "#!/bin/sh\nkill -9 $$\n", 0o755),
            ("orphan", "#!/nowhere/python\n", 0o755),
            ("broken", "\x7fELF and no more\n", 0o755),
        ] {
            let path = folder.write(&format!("www/{name}.fcgi"), content)?;
            set_mode(&path, mode)?;
        }
        for name in [
            "www/off",
            "www/mistyped",
            "www/forbidden",
            "www/wrong",
            "www/fails",
        ] {
            folder.make(name)?;
        }
        testbed.install(folder, "www/off/app.fcgi")?;
        folder.write("www/mistyped/.htaccess", "RewriteEngin On\n")?;
        folder.write("www/forbidden/.htaccess", "Require all granted\n")?;
        testbed.install(folder, "www/wrong/app.fcgi")?;
        folder.write("www/wrong/.ht.app.fcgi", "wrokers 4\n")?;
        testbed.install(folder, "www/fails/app.fcgi")?;
        let www = folder.text("www");
        let host = format!(
            "FcgidIOTimeout 1\nFcgidMaxRequestLen 10\nAddHandler fcgid-script .fcgi\n\
             <Directory \"{www}\">\nAllowOverride FileInfo\nOptions +ExecCGI\nRequire all granted\n</Directory>\n\
             <Directory \"{www}/off\">\nOptions -ExecCGI\n</Directory>\n"
        );
        Ok((
            program,
            apache::with(folder, &["rewrite", "fcgid"], level, &host)?,
        ))
    };
    let Some((program, running)) = report.check("start", || begin("warn")) else {
        return;
    };
    let (log, http) = (folder.path("log/apache-error.log"), running.http);
    ask(
        &program,
        &log,
        http,
        folder,
        report,
        &[
            // By its default level Apache does not say more of them.
            (
                "/closed.fcgi",
                &["closed.fcgi could not be run", "chmod 755"],
            ),
            ("/exits.fcgi", &["exits.fcgi could not be run, or ended"]),
            (
                "/off/app.fcgi",
                &[
                    "does not run programs in the folder of ",
                    "www/off/app.fcgi",
                    "+ExecCGI",
                ],
            ),
            (
                "/mistyped/",
                &["www/mistyped/.htaccess has a directive that Apache does not know, RewriteEngin"],
            ),
            (
                "/forbidden/",
                &["www/forbidden/.htaccess has a line that the host does not allow there"],
            ),
            (
                "/wrong/app.fcgi",
                &[
                    "app.fcgi cannot be set up",
                    "wrokers is no flag",
                    ".ht.app.fcgi",
                ],
            ),
            ("/app.fcgi/panic", &["app.fcgi has a bug", "as asked"]),
            (
                "/app.fcgi/sleep?ms=2500",
                &["silent for 1 s", "FcgidIOTimeout"],
            ),
            (
                "POST /app.fcgi/echo",
                &["a visitor sent more than FcgidMaxRequestLen, 10 bytes"],
            ),
        ],
    );
    report.check("stop", || running.stop());
    let Some((program, running)) = report.check("start with LogLevel fcgid:info", || {
        begin("warn fcgid:info")
    }) else {
        return;
    };
    let http = running.http;
    ask(
        &program,
        &log,
        http,
        folder,
        report,
        &[
            (
                "/closed.fcgi",
                &["www/closed.fcgi ended by itself, with status 255"],
            ),
            (
                "/exits.fcgi",
                &["www/exits.fcgi ended by itself, with status 3"],
            ),
            ("/killed.fcgi", &["www/killed.fcgi was killed by signal 9"]),
            (
                "/orphan.fcgi",
                &["www/orphan.fcgi ended by itself, with status 255"],
            ),
            (
                "/broken.fcgi",
                &["www/broken.fcgi ended by itself, with status 255"],
            ),
        ],
    );
    report.check("stop", || running.stop());
}

pub fn lighttpd(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let wrong = Wrong::all(folder)?;
        let tcp = free_address()?;
        let mut entries = format!(
            "\"/tcp\" => (( \"host\" => \"{}\", \"port\" => {}, \"check-local\" => \"disable\" )),\n",
            tcp.ip(),
            tcp.port()
        );
        for name in NAMES {
            let socket = folder.text(&format!("run/{name}.sock"));
            entries += &format!(
                "\"/{name}\" => (( \"socket\" => \"{socket}\", \"check-local\" => \"disable\", \"read-timeout\" => 1 )),\n"
            );
        }
        let conf =
            format!("server.modules += ( \"mod_fastcgi\" )\nfastcgi.server = (\n{entries})\n");
        let program = testbed.install(folder, "www/app.fcgi")?;
        Ok((wrong, program, tcp, lighttpd::with(folder, &conf)?))
    };
    let Some((_wrong, program, tcp, running)) = report.check("start", begin) else {
        return;
    };
    let (log, http, tcp) = (
        folder.path("log/lighttpd-error.log"),
        running.http,
        tcp.to_string(),
    );
    ask(
        &program,
        &log,
        http,
        folder,
        report,
        &[
            ("/absent", &["there is no unix:", "run/absent.sock:"]),
            (
                "/stale",
                &["nobody listens on unix:", "run/stale.sock any more"],
            ),
            ("/tcp", &["nobody listens on tcp:", &tcp]),
            (
                "/closed",
                &[
                    "may not connect to unix:",
                    "run/closed.sock",
                    "--socket-owner",
                ],
            ),
            ("/silent", &["run/silent.sock was silent"]),
            ("/cut", &["run/cut.sock died, or closed the connection"]),
            ("/http", &["run/http.sock"]),
            ("/stderr", &["wrote to its standard error: no paper"]),
        ],
    );
    report.check("stop", || running.stop());
    for (what, content, mode, wanted) in [
        (
            "ends at once",
            "#!/bin/sh\nexit 3\n",
            0o755,
            "ends as soon as lighttpd starts it",
        ),
        (
            "may not be run",
            "#!/bin/sh\nexit 3\n",
            0o644,
            "cannot start",
        ),
    ] {
        report.check(&format!("a program that {what}"), || {
            let path = folder.write("www/wrong.fcgi", content)?;
            set_mode(&path, mode)?;
            let conf = format!(
                "server.modules += ( \"mod_fastcgi\" )\n\
                 fastcgi.server = ( \"/\" => (( \"bin-path\" => \"{}\", \"socket\" => \"{}\", \"max-procs\" => 1 )) )\n",
                path.display(),
                folder.text("run/wrong.sock")
            );
            // It may accept a connection before it ends: then it is not to be stopped before it has said why.
            let _running = lighttpd::with(folder, &conf);
            // What it says before it opens the log goes to its standard error.
            let logs = [&log, &folder.path("log/lighttpd.out")];
            until(&format!("one of the logs explains {wanted:?}"), || {
                logs.iter().any(|log| says(&program, log, &[wanted])).then_some(())
            })
        });
    }
}

/// Asks for each, and looks for what the log has to say of it.
pub fn ask(
    program: &Program,
    log: &Path,
    http: Http,
    folder: &Folder,
    report: &mut Report,
    cases: &[Case],
) {
    for (target, wanted) in cases {
        if target.starts_with("/closed") && folder.user().is_none() && !target.ends_with(".fcgi") {
            report.say(&format!(
                "SKIPPED {target}: only root can start the web server as another user"
            ));
            continue;
        }
        report.check(target, || {
            // An answer may be an error or none at all: the log is what counts.
            let _ = match target.strip_prefix("POST ") {
                Some(target) => http.post(target, &[b'x'; 100]),
                None => http.get(target),
            };
            until(&format!("the log explains {wanted:?}"), || {
                says(program, log, wanted).then_some(())
            })
        });
    }
}

/// Whether one finding has all the pieces.
pub fn says(program: &Program, log: &Path, wanted: &[&str]) -> bool {
    let told = Command::new(&program.path)
        .args(["check", "--log"])
        .arg(log)
        .stdin(Stdio::null())
        .output();
    let Ok(told) = told else {
        return false;
    };
    let text = String::from_utf8_lossy(&told.stdout);
    let mut findings = text.split("\n\n");
    told.status.code() == Some(1)
        && findings.any(|finding| wanted.iter().all(|piece| finding.contains(piece)))
}

pub fn set_mode(path: &Path, mode: u32) -> Outcome {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|e| format!("cannot chmod {}: {e}", path.display()))
}

/// The sockets below `run` that are wrong, each by its name.
const NAMES: [&str; 9] = [
    "absent", "stale", "closed", "silent", "cut", "http", "garbage", "big", "stderr",
];

/// Programs that answer in a wrong way, or not.
struct Wrong {
    _silent: Vec<UnixListener>,
    threads: Vec<(PathBuf, JoinHandle<()>)>,
    stop: Arc<AtomicBool>,
}

impl Wrong {
    fn all(folder: &Folder) -> Outcome<Wrong> {
        let bind = |name: &str, mode| {
            let path = folder.path(&format!("run/{name}.sock"));
            let listener = UnixListener::bind(&path)
                .map_err(|e| format!("cannot listen on {}: {e}", path.display()))?;
            set_mode(&path, mode)?;
            Ok::<_, String>((path, listener))
        };
        drop(bind("stale", 0o666)?);
        let mut wrong = Wrong {
            _silent: vec![bind("closed", 0o600)?.1, bind("silent", 0o666)?.1],
            threads: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
        };
        for (name, answer) in [
            ("cut", Vec::new()),
            ("http", b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()),
            ("garbage", answer(6, b"hello, this is no head\n\n")),
            (
                "big",
                answer(6, &[b"X-Large: ", &[b'x'; 5000][..], b"\r\n\r\n"].concat()),
            ),
            ("stderr", answer(7, b"no paper")),
        ] {
            let (path, listener) = bind(name, 0o666)?;
            let stop = Arc::clone(&wrong.stop);
            let thread = thread::spawn(move || serve(&listener, &answer, &stop));
            wrong.threads.push((path, thread));
        }
        Ok(wrong)
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for (path, thread) in self.threads.drain(..) {
            let _ = UnixStream::connect(&path);
            let _ = thread.join();
        }
    }
}

fn serve(listener: &UnixListener, answer: &[u8], stop: &AtomicBool) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        hear_out(&mut stream);
        let _ = stream.write_all(answer);
    }
}

/// Reads the request to its end, the empty record of stdin. What is closed before is another trouble: "broken pipe".
fn hear_out(stream: &mut UnixStream) {
    let mut bytes: Vec<u8> = Vec::new();
    let mut piece = [0; 16 << 10];
    while !bytes.windows(6).any(|window| window == [1, 5, 0, 1, 0, 0]) {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => bytes.extend(&piece[..length]),
            _ => return,
        }
    }
}

/// One record of stdout (6) or stderr (7), and the end of the request.
fn answer(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut bytes = vec![1, kind, 0, 1, high, low, 0, 0];
    bytes.extend(content);
    bytes.extend([1, 6, 0, 1, 0, 0, 0, 0]);
    bytes.extend([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}
