//! Troubles of which guides to FastCGI warn, as broken set-ups behind real web servers: what names the cause, and with
//! which words. `explained.rs` has those of programs that do not answer, and `tests/it/guides.rs` those that take no web
//! server. `main.rs` runs it as a row for each web server.

use std::fs;
use std::path::{Path, PathBuf};

use crate::explained::{says, set_mode};
use crate::folder::Folder;
use crate::http::Http;
use crate::process::{Process, until};
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream};
use crate::{Outcome, apache, caddy, ensure, haproxy, lighttpd, nginx};

/// One trouble.
struct Entry {
    /// In our own words.
    trouble: &'static str,
    /// Puts it below `www`; what the configuration breaks needs no more.
    broken: fn(&Folder) -> Outcome,
    /// What a visitor asks for then.
    target: &'static str,
    by: By,
    names: &'static [&'static str],
}

/// What has to name the cause.
#[derive(Clone, Copy)]
enum By {
    /// `check --log` of the web server's log.
    Log,
    /// The same of all that it wrote, its start included.
    WholeLog,
    /// `check --log` of what the program itself wrote.
    OwnLog,
    /// The page that the visitor gets.
    Page,
}

const APACHE: &[Entry] = &[
    Entry {
        trouble: "by mod_fcgid: what it loads is not on this machine",
        broken: |folder| {
            let small = fs::read(SMALL).map_err(|e| format!("cannot read {SMALL}: {e}"))?;
            program(
                folder,
                "lacks.fcgi",
                &replaced(&small, b"libc.so.6", b"libx.so.6")?,
            )
        },
        target: "/lacks.fcgi",
        by: By::Log,
        names: &["lacks.fcgi does not begin: the library libx.so.6"],
    },
    Entry {
        trouble: "by mod_fcgid: what it imports is not on its path",
        broken: |folder| {
            let script =
                "#!/bin/sh\necho 'ImportError: No module named yourapplication' >&2\nexit 1\n";
            program(folder, "imports.fcgi", script.as_bytes())
        },
        target: "/imports.fcgi",
        by: By::Log,
        names: &["its interpreter finds no module yourapplication"],
    },
    Entry {
        trouble: "by mod_fcgid: the interpreter is not in the PATH that is passed on",
        broken: |folder| program(folder, "env.fcgi", b"#!/usr/bin/env nowhere-python\n"),
        target: "/env.fcgi",
        by: By::Log,
        names: &["env finds no ", "nowhere-python"],
    },
    Entry {
        trouble: "by mod_fcgid: it panics before it serves",
        broken: |folder| {
            let script = "#!/bin/sh\necho \"thread 'main' (7) panicked at src/main.rs:3:9:\" >&2\nexit 101\n";
            program(folder, "panics.fcgi", script.as_bytes())
        },
        target: "/panics.fcgi",
        by: By::Log,
        names: &["panicked before it served, or outside of a request: src/main.rs:3:9"],
    },
    Entry {
        trouble: "by mod_fcgid: a relative path, and another folder than by hand",
        broken: |_| Ok(()),
        target: "/sub/app.fcgi/relative?name=no-such-file",
        by: By::Log,
        names: &[
            "app.fcgi says itself: ",
            "No such file or directory",
            "a relative path counts from ",
            "/www/sub here",
        ],
    },
    Entry {
        trouble: "by mod_fcgid: a variable that only a shell sets",
        broken: |_| Ok(()),
        target: "/sub/app.fcgi/variable?name=FCGI_DATABASE",
        by: By::Log,
        names: &[
            "app.fcgi says itself: ",
            "environment variable not found",
            "FcgidInitialEnv, bin-environment",
        ],
    },
    Entry {
        trouble: "as CGI: its interpreter is not there",
        broken: |folder| program(folder, "orphan.cgi", b"#!/nowhere/python\n"),
        target: "/orphan.cgi",
        by: By::Log,
        names: &["www/orphan.cgi cannot be run, although it is there"],
    },
    Entry {
        trouble: "as CGI: it is no program, or cut off",
        broken: |folder| program(folder, "broken.cgi", b"\x7fELF and no more\n"),
        target: "/broken.cgi",
        by: By::Log,
        names: &["www/broken.cgi is no program for this machine"],
    },
    Entry {
        trouble: "as CGI: it is not executable",
        broken: |folder| {
            program(folder, "closed.cgi", b"#!/bin/sh\nexit 0\n")?;
            set_mode(&folder.path("www/closed.cgi"), 0o644)
        },
        target: "/closed.cgi",
        by: By::Log,
        names: &[
            "www/closed.cgi may not be run by Apache's user",
            "chmod 755",
        ],
    },
    Entry {
        trouble: "as CGI: it prints before its headers",
        broken: |folder| {
            program(
                folder,
                "prints.cgi",
                b"#!/bin/sh\necho loading the database\necho\n",
            )
        },
        target: "/prints.cgi",
        by: By::Log,
        names: &["prints.cgi printed something else than a head: loading the database"],
    },
    Entry {
        trouble: "as CGI: it ends without a word, \"premature end of script headers\"",
        broken: |folder| program(folder, "silent.cgi", b"#!/bin/sh\nexit 0\n"),
        target: "/silent.cgi",
        by: By::Log,
        names: &["silent.cgi could not be run, or ended"],
    },
    Entry {
        trouble: "as CGI: a syntax error",
        broken: |folder| program(folder, "syntax.cgi", b"#!/bin/sh\nif\n"),
        target: "/syntax.cgi",
        by: By::Log,
        names: &["syntax.cgi does not begin: a syntax error"],
    },
    Entry {
        trouble: "a rewrite rule that has lost its condition leads to itself",
        broken: |folder| {
            folder.make("www/round")?;
            program(folder, "round/app.fcgi", b"#!/bin/sh\n")?;
            rules(folder, "round", "RewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n")
        },
        target: "/round/x",
        by: By::Log,
        names: &["a rewrite rule leads to itself: after 10 rounds"],
    },
    Entry {
        trouble: "a place is named with a slash behind it, and asked for without",
        broken: |_| Ok(()),
        target: "/below",
        by: By::Log,
        names: &[
            "Apache looked for the file ",
            "www/below",
            "without a slash",
        ],
    },
    Entry {
        trouble: "the web server speaks http to the program",
        broken: |_| Ok(()),
        target: "/http",
        by: By::OwnLog,
        names: &[
            "the web server speaks http to app.fcgi",
            "fcgi:// in place of http://",
        ],
    },
];

const NGINX: &[Entry] = &[
    Entry {
        trouble: "by default no parameters are passed on",
        broken: |_| Ok(()),
        target: "/bare",
        by: By::Page,
        names: &["no CGI parameters", "include fastcgi_params"],
    },
    Entry {
        trouble: "the same, in the program's log",
        broken: |_| Ok(()),
        target: "/bare",
        by: By::OwnLog,
        names: &["no CGI parameters", "include fastcgi_params"],
    },
    Entry {
        trouble: "the path of the socket is not exactly the same",
        broken: |_| Ok(()),
        target: "/typo",
        by: By::Log,
        names: &["there is no unix:", "run/testbed.sok", "the very same path"],
    },
    Entry {
        trouble: "SCRIPT_NAME is the whole path, and the program is not told where it is mounted",
        broken: |_| Ok(()),
        target: "/app/path",
        by: By::Page,
        names: &["<tr><th>mount<td>&ndash;\n", "<tr><th>path<td>/app/path\n"],
    },
    Entry {
        trouble: "the web server speaks http to the program",
        broken: |_| Ok(()),
        target: "/http",
        by: By::OwnLog,
        names: &[
            "the web server speaks http to app.fcgi",
            "nginx: fastcgi_pass",
        ],
    },
];

const LIGHTTPD: &[Entry] = &[
    Entry {
        trouble: "mod_fastcgi is not loaded",
        broken: |_| Ok(()),
        target: "/app/hello",
        by: By::WholeLog,
        names: &["lighttpd does not know fastcgi.server", "mod_fastcgi"],
    },
    Entry {
        trouble: "mod_rewrite is not loaded",
        broken: |_| Ok(()),
        target: "/hello",
        by: By::WholeLog,
        names: &["lighttpd does not know url.rewrite-once", "mod_rewrite"],
    },
];

const HAPROXY: &[Entry] = &[Entry {
    trouble: "nothing starts the program again that has ended: behind HAProxy",
    broken: |_| Ok(()),
    target: "/hello",
    by: By::WholeLog,
    names: &["HAProxy gets no connection to the program", "conf systemd"],
}];

const CADDY: &[Entry] = &[Entry {
    trouble: "nothing starts the program again that has ended: behind Caddy",
    broken: |_| Ok(()),
    target: "/hello",
    by: By::WholeLog,
    names: &["there is no ", "run/testbed.sock", "conf systemd"],
}];

/// In the log of what the program writes.
const BY_LIGHTTPD: &[Entry] = &[
    Entry {
        trouble: "started by lighttpd: a relative path, and another folder than by hand",
        broken: |_| Ok(()),
        target: "/app/relative?name=no-such-file",
        by: By::Log,
        names: &[
            "app.fcgi says itself: ",
            "No such file or directory",
            "a relative path counts from ",
            "/www here",
        ],
    },
    Entry {
        trouble: "started by lighttpd: a variable that only a shell sets",
        broken: |_| Ok(()),
        target: "/app/variable?name=FCGI_DATABASE",
        by: By::Log,
        names: &[
            "app.fcgi says itself: ",
            "environment variable not found",
            "FcgidInitialEnv, bin-environment",
        ],
    },
];

pub fn apache(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let (app, upstream) = (
            testbed.install(folder, "www/sub/app.fcgi")?,
            Upstream::tcp()?,
        );
        let process = app.serve(folder, &upstream, &[])?;
        let (www, at) = (folder.text("www"), upstream.listen());
        let host = format!(
            "AddHandler fcgid-script .fcgi\nAddHandler cgi-script .cgi\n\
             <Directory \"{www}\">\nAllowOverride All\nOptions +ExecCGI +FollowSymLinks\nRequire all granted\n</Directory>\n\
             ProxyPass /below/ fcgi://{at}/\nProxyPass /http http://{at}/\n"
        );
        let running = apache::with(folder, &apache::TROUBLES, "warn core:info", &host)?;
        Ok((app, with(running, process)))
    };
    let Some((app, running)) = report.check("start", begin) else {
        return;
    };
    let log = folder.path("log/apache-error.log");
    all(APACHE, report, folder, &app, &log, running.http);
    report.check("check sees by the eyes of Apache, which started it", || {
        let script = format!(
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nexec env -u GATEWAY_INTERFACE {} check 2>&1\n",
            app.path.display()
        );
        program(folder, "check.cgi", script.as_bytes())?;
        let text = running.http.get("/check.cgi")?.text();
        ensure!(text.contains(": Apache, by mod_fcgid or as CGI"), "{text}");
        if let Some(user) = folder.user() {
            let line = format!("{} may run it", user.name);
            ensure!(text.contains(&line), "no {line:?} in {text}");
            ensure!(text.matches(" may run it").count() == 1, "{text}");
        }
        Ok(())
    });
    report.check("stop", || running.stop());
}

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let app = testbed.install(folder, "www/app.fcgi")?;
        let upstream = Upstream::unix(folder);
        let process = app.serve(folder, &upstream, &["--debug"])?;
        let (socket, page) = (
            folder.text("run/testbed.sock"),
            folder.text("run/page.sock"),
        );
        let stock = stock(folder)?;
        let blocks = format!(
            "location = /bare {{ fastcgi_pass unix:{socket}; }}\n\
             location /typo {{ include fastcgi_params; fastcgi_pass unix:{}; }}\n\
             location /app/ {{ include fastcgi_params; fastcgi_pass unix:{page}; }}\n\
             location /http {{ proxy_pass http://unix:{socket}:/; }}\n",
            socket.replace(".sock", ".sok")
        );
        let mut running = with(nginx::with(folder, &blocks)?, process);
        running.processes.push(stock);
        Ok((app, running))
    };
    let Some((app, running)) = report.check("start", begin) else {
        return;
    };
    let log = folder.path("log/nginx-error.log");
    all(NGINX, report, folder, &app, &log, running.http);
    report.check("stop", || running.stop());
}

pub fn lighttpd(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        let app = testbed.install(folder, "www/app.fcgi")?;
        let conf = format!(
            "fastcgi.server = ( \"/app\" => (( \"bin-path\" => \"{}\", \"socket\" => \"{}\" )) )\n\
             url.rewrite-once = ( \"^(/.*)$\" => \"/app.fcgi$1\" )\n",
            app.path.display(),
            folder.text("run/app.sock")
        );
        Ok((app, lighttpd::with(folder, &conf)?))
    };
    let Some((app, running)) = report.check("start", begin) else {
        return;
    };
    let log = folder.path("log/lighttpd-error.log");
    all(LIGHTTPD, report, folder, &app, &log, running.http);
    report.check("stop", || running.stop());
    let begin = || lighttpd::with(folder, &app.conf("lighttpd", &["--mount", "/app"])?);
    let Some(running) = report.check("start with its module", begin) else {
        return;
    };
    let log = folder.path("log/lighttpd-breakage.log");
    all(BY_LIGHTTPD, report, folder, &app, &log, running.http);
    report.check("stop", || running.stop());
}

pub fn haproxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    gone(
        report,
        folder,
        testbed,
        haproxy::unix,
        "haproxy.out",
        HAPROXY,
    );
}

pub fn caddy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    gone(report, folder, testbed, caddy::unix, "caddy.out", CADDY);
}

/// Ends the program behind a web server that only connects.
fn gone(
    report: &mut Report,
    folder: &Folder,
    testbed: &Testbed,
    start: fn(&Folder, &Testbed) -> Outcome<Running>,
    log: &str,
    entries: &[Entry],
) {
    let begin = || {
        let mut running = start(folder, testbed)?;
        let mut program = running.processes.pop().ok_or("no program")?;
        program.stop()?;
        Ok(running)
    };
    let Some(running) = report.check("start, and the program ends", begin) else {
        return;
    };
    let app = Program::at(folder.path("www/app.fcgi"), folder);
    let log = folder.path(&format!("log/{log}"));
    all(entries, report, folder, &app, &log, running.http);
    report.check("stop", || running.stop());
}

/// Builds each set-up, asks, and looks for the words.
fn all(
    entries: &[Entry],
    report: &mut Report,
    folder: &Folder,
    app: &Program,
    log: &Path,
    http: Http,
) {
    for Entry {
        trouble,
        broken,
        target,
        by,
        names,
    } in entries
    {
        report.check(trouble, || {
            broken(folder)?;
            if matches!(by, By::Log) {
                // Of many alike some are only counted.
                fs::write(log, "").map_err(|e| format!("cannot empty {}: {e}", log.display()))?;
            }
            let answer = http.get(target);
            let log = match by {
                By::Log | By::WholeLog => log.to_owned(),
                By::OwnLog => folder.path("log/testbed.log"),
                By::Page => {
                    let text = answer?.text();
                    let missing = names.iter().find(|words| !text.contains(**words));
                    ensure!(missing.is_none(), "no {missing:?} in {text}");
                    return Ok(());
                }
            };
            until(&format!("the log explains {names:?}"), || {
                says(app, &log, names).then_some(())
            })
        });
    }
}

/// A small program that every system has, and that loads libraries on most.
const SMALL: &str = "/bin/true";

fn program(folder: &Folder, name: &str, content: &[u8]) -> Outcome {
    let path = folder.path("etc/new");
    fs::write(&path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    folder.install(&path, &format!("www/{name}")).map(drop)
}

fn rules(folder: &Folder, place: &str, rules: &str) -> Outcome {
    let text = format!("RewriteEngine On\n{rules}");
    folder
        .write(&format!("www/{place}/.htaccess"), &text)
        .map(drop)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Outcome<Vec<u8>> {
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.ok_or("/bin/true loads no C library")?;
    Ok([&bytes[..at], to, &bytes[at + to.len()..]].concat())
}

/// The stock binary on a socket of its own.
fn stock(folder: &Folder) -> Outcome<Process> {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_fcgi"));
    let path = folder.install(&built, "www/fcgi")?;
    let upstream = Upstream::Unix(folder.path("run/page.sock"));
    Program::at(path, folder).serve(folder, &upstream, &[])
}

fn with(mut running: Running, process: Process) -> Running {
    running.processes.push(process);
    running
}
