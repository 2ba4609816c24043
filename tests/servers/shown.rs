//! `check --url` through real web servers: pages that fail, files that come back, and set-ups where all is well. `main.rs`
//! runs it as a row for each web server.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::http::Http;
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream, installed};
use crate::{Outcome, apache, caddy, ensure, nginx};

/// The first bytes of every SQLite file, and what is enough of one.
const DATABASE: &str = "SQLite format 3\0 and the guests' addresses";

/// A level, and words of a line that has it; the level `no`: there is no such line.
type Wanted<'a> = (&'a str, &'a str);

pub fn missing_fcgid() -> Vec<String> {
    with_curl(apache::missing_fcgid())
}

pub fn missing_nginx() -> Vec<String> {
    with_curl(nginx::missing())
}

pub fn missing_caddy() -> Vec<String> {
    with_curl(caddy::missing())
}

/// mod_fcgid with the guides' `.htaccess`, with the printed one, and with neither.
pub fn fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begun = report.check("start with the guides' .htaccess", || {
        private_files(folder)?;
        apache::guides_htaccess(folder, testbed)
    });
    let Some(running) = begun else {
        return;
    };
    let program = Program::at(folder.path("www/app.fcgi"), folder);
    let ask = |report: &mut Report, running: &Running, target: &str, code, wanted: &[Wanted]| {
        asked(report, &program, running.http, target, code, wanted);
    };
    let limit = "a POST of 200 KiB is answered 500, and one of a byte 404";
    ask(
        report,
        &running,
        "/hello",
        1,
        &[
            ("green", "/hello is answered 200, text/plain"),
            ("green", "all addresses lead to it"),
            ("yellow", limit),
            ("red", "/guests.db comes back: a database"),
            ("red", "/backup~ comes back: a copy"),
            ("red", "/data/more.sqlite3 comes back: a database"),
        ],
    );
    // In a folder below; the program is at its own name.
    ask(
        report,
        &running,
        "/app.fcgi/hello",
        1,
        &[
            ("green", "/app.fcgi/hello is answered 200"),
            ("red", "/guests.db comes back"),
        ],
    );
    report.check("stop", || running.stop());

    let begun = report.check("start with the printed .htaccess", || {
        apache::fcgid_htaccess(folder, testbed)
    });
    let Some(running) = begun else {
        return;
    };
    ask(
        report,
        &running,
        "/hello",
        0,
        &[
            ("green", "/hello is answered 200, text/plain"),
            ("green", "all addresses lead to it"),
            ("green", "a POST of 200 KiB is answered as one of a byte is"),
            (
                "green",
                "no file comes back that nobody may read; asked in ",
            ),
        ],
    );
    report.check("stop", || running.stop());
    without_htaccess(report, folder, &program);
}

/// What Apache does where nobody has told it enough.
fn without_htaccess(report: &mut Report, folder: &Folder, program: &Program) {
    let begun = report.check("start without .htaccess", || {
        fs::remove_file(folder.path("www/.htaccess")).map_err(|e| e.to_string())?;
        let exits = folder.write("etc/exits", "#!/bin/sh\nexit 3\n")?;
        folder.install(&exits, "www/exits.fcgi")?;
        folder.make("www/off")?;
        folder.write("www/off/off.fcgi", "#!/bin/sh\n")?;
        let www = folder.text("www");
        let host = format!(
            "AddHandler fcgid-script .fcgi\n\
             <Directory \"{www}\">\nOptions +ExecCGI\nRequire all granted\n</Directory>\n\
             <Directory \"{www}/off\">\nOptions -ExecCGI\n</Directory>\n"
        );
        apache::with(folder, &["rewrite", "fcgid"], "warn", &host)
    });
    let Some(running) = begun else {
        return;
    };
    let http = running.http;
    let exits = [
        ("red", "/exits.fcgi is answered 500"),
        ("remedy", "Premature end"),
    ];
    asked(report, program, http, "/exits.fcgi", 1, &exits);
    // mod_fcgid tries for three seconds each time.
    report.check("the one that exits goes", || {
        fs::remove_file(folder.path("www/exits.fcgi")).map_err(|e| e.to_string())
    });
    for (target, wanted) in [
        (
            "/off/off.fcgi",
            &[
                ("red", "/off/off.fcgi is answered 403"),
                ("remedy", "(\"ExecCGI is off\")"),
            ][..],
        ),
        (
            "/nowhere",
            &[
                ("red", "/nowhere is answered 404"),
                ("remedy", "rewriting is off (AllowOverride"),
            ],
        ),
        (
            "/app.fcgi/hello",
            &[
                ("green", "/app.fcgi/hello is answered 200"),
                ("yellow", "/app.fcgi/ leads to the program, and "),
            ],
        ),
    ] {
        asked(report, program, http, target, 1, wanted);
    }
    report.check("stop", || running.stop());
    let begun = report.check("start without mod_fcgid", || {
        let www = folder.text("www");
        let host = format!("<Directory \"{www}\">\nRequire all granted\n</Directory>");
        apache::with(folder, &["rewrite"], "warn", &host)
    });
    let Some(running) = begun else {
        return;
    };
    let sent = [
        ("red", "/app.fcgi is answered 200"),
        ("red", "/app.fcgi comes back: a program's bytes"),
    ];
    asked(report, program, running.http, "/app.fcgi", 1, &sent);
    report.check("stop", || running.stop());
}

/// nginx as it is printed, with the program away, and with the program's folder as its root.
pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begun = report.check("start", || {
        private_files(folder)?;
        nginx::unix(folder, testbed)
    });
    let Some(mut running) = begun else {
        return;
    };
    let program = Program::at(folder.path("www/app.fcgi"), folder);
    let all_is_well = [
        ("green", "/hello is answered 200, text/plain"),
        ("green", "all addresses lead to it"),
        ("green", "a POST of 200 KiB is answered as one of a byte is"),
        (
            "green",
            "no file comes back that nobody may read; asked in ",
        ),
    ];
    asked(report, &program, running.http, "/hello", 0, &all_is_well);
    let app = running.processes.pop();
    report.check("the program stops", || match app {
        Some(mut app) => app.stop(),
        None => Err("nginx::unix starts no program".to_owned()),
    });
    let gone = [
        ("red", "/hello is answered 502"),
        ("remedy", "check --connect ADDR"),
    ];
    asked(report, &program, running.http, "/hello", 1, &gone);
    report.check("stop", || running.stop());
}

/// A program whose mount has its own name, beside files that nobody may read; and what else nginx may say of an address.
pub fn nginx_mount(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begun = report.check("start", || {
        let program = testbed.install(folder, "www/shop")?;
        let upstream = Upstream::unix(folder);
        let app = program.serve(folder, &upstream, &["--mount", "/shop"])?;
        folder.make("public/shop")?;
        folder.write("public/shop/app.db", DATABASE)?;
        folder.make("public/empty")?;
        let more = format!(
            "location /http/ {{ proxy_pass http://unix:{}:/; }}\n",
            folder.text("run/testbed.sock")
        );
        let flags = ["--mount", "/shop"];
        let running = nginx::before(folder, &program, upstream, &flags, &more, vec![app])?;
        Ok((program, running))
    });
    let Some((program, running)) = begun else {
        return;
    };
    let exposed = [
        ("red", "/shop/app.db comes back: a database"),
        ("green", "all addresses lead to it"),
        ("no", "RewriteEngine"),
    ];
    for target in ["/shop/", "/shop"] {
        asked(report, &program, running.http, target, 1, &exposed);
    }
    let by_http = [
        ("red", "/http/ is answered 400"),
        ("remedy", "fastcgi_pass in place of proxy_pass"),
    ];
    asked(report, &program, running.http, "/http/", 1, &by_http);
    let refused = [
        ("red", "/empty/ is answered 403"),
        ("remedy", "without $uri/"),
        ("no", "ExecCGI"),
    ];
    asked(report, &program, running.http, "/empty/", 1, &refused);
    let nowhere = [
        ("red", "/nowhere is answered 404"),
        ("remedy", "no location leads to the program"),
        ("no", "AllowOverride"),
    ];
    asked(report, &program, running.http, "/nowhere", 1, &nowhere);
    report.check("stop", || running.stop());
}

/// Caddy, which answers 200 with nothing where it has nothing.
pub fn caddy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(mut running) = report.check("start", || caddy::mounted(folder, testbed)) else {
        return;
    };
    let program = Program::at(folder.path("www/app.fcgi"), folder);
    let well = [
        ("green", "/app/hello is answered 200, text/plain"),
        ("green", "a POST of 200 KiB is answered as one of a byte is"),
    ];
    asked(report, &program, running.http, "/app/hello", 0, &well);
    let nothing = [
        ("red", "by Caddy itself and not by the program"),
        ("remedy", "conf caddy"),
        ("no", "all addresses lead to it"),
        ("no", "a POST of 200 KiB is answered as one of a byte is"),
    ];
    asked(report, &program, running.http, "/", 1, &nothing);
    let app = running.processes.pop();
    report.check("the program stops", || match app {
        Some(mut app) => app.stop(),
        None => Err("caddy::mounted starts no program".to_owned()),
    });
    let gone = [
        ("red", "/app/hello is answered 502"),
        ("no", "a POST of 200 KiB is answered as one of a byte is"),
    ];
    asked(report, &program, running.http, "/app/hello", 1, &gone);
    report.check("stop", || running.stop());
}

/// nginx that sends whatever lies beside the program.
pub fn nginx_root(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begun = report.check("start", || {
        private_files(folder)?;
        let program = testbed.install(folder, "www/app.fcgi")?;
        let root = format!("location / {{ root {}; }}\n", folder.text("www"));
        Ok((program, nginx::with(folder, &root)?))
    });
    let Some((program, running)) = begun else {
        return;
    };
    let sent = [
        ("red", "/ is answered 403"),
        ("red", "/app.fcgi comes back: a program's bytes"),
        ("red", "/.ht.app.fcgi comes back: the settings file"),
        ("red", "/guests.db comes back: a database"),
        ("red", "/.env comes back"),
        ("red", "/.git/config comes back"),
        ("red", "/backup~ comes back"),
    ];
    asked(report, &program, running.http, "/", 1, &sent);
    // From elsewhere, where the folder cannot be seen: by names that are common, and by first bytes.
    let elsewhere = report.check("another machine's program", || {
        testbed.install(folder, "public/app.fcgi")
    });
    if let Some(elsewhere) = elsewhere {
        let sent = [
            ("red", "/app.fcgi comes back"),
            ("red", "/.env comes back"),
            ("red", "/.git/config comes back"),
            ("red", "/app.db comes back"),
        ];
        asked(report, &elsewhere, running.http, "/", 1, &sent);
    }
    report.check("stop", || running.stop());
}

fn with_curl(mut missing: Vec<String>) -> Vec<String> {
    if installed(&["curl"]).is_none() {
        missing.push("curl".to_owned());
    }
    missing
}

/// What should not lie where a web server sends files, and often does.
fn private_files(folder: &Folder) -> Outcome {
    folder.make("www/data")?;
    folder.make("www/.git")?;
    for (name, content) in [
        ("guests.db", DATABASE),
        ("app.db", DATABASE),
        ("data/more.sqlite3", DATABASE),
        ("backup~", "an old version"),
        (".ht.app.fcgi", "workers 3\n"),
        (".env", "DB_PASSWORD=secret\n"),
        (".git/config", "[core]\n\tbare = false\n"),
        ("picture.png", "\u{89}PNG"),
    ] {
        folder.write(&format!("www/{name}"), content)?;
    }
    Ok(())
}

/// Each wanted line is there once, with its level; `remedy` is the line below one.
fn asked(
    report: &mut Report,
    program: &Program,
    http: Http,
    target: &str,
    code: i32,
    wanted: &[Wanted],
) {
    report.check(&format!("check --url {target}"), || {
        let url = format!("http://{}{target}", http.at);
        let text = told(&program.path, &url, code)?;
        for (level, words) in wanted {
            let begin = if *level == "remedy" { "->" } else { level };
            let lines = text.lines().map(str::trim_start);
            let found = lines.filter(|line| line.starts_with(begin) && line.contains(words));
            let count = found.count();
            if *level == "no" {
                ensure!(!text.contains(words), "{words:?} is in:\n{text}");
                continue;
            }
            ensure!(
                count == 1,
                "{count} lines are {level} with {words:?} in:\n{text}"
            );
        }
        ensure!(
            !text.contains("picture.png"),
            "pictures are for all:\n{text}"
        );
        Ok(())
    });
}

fn told(program: &Path, url: &str, code: i32) -> Outcome<String> {
    let told = Command::new(program)
        .args(["check", "--url", url])
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(
        told.status.code() == Some(code),
        "{} instead of {code}:\n{text}{}",
        told.status,
        String::from_utf8_lossy(&told.stderr)
    );
    Ok(text)
}
