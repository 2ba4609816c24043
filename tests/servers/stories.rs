//! Checks that are not a request of the table: what a visitor's query cannot do through mod_cgid, files
//! that the web server sends, and an Apache that runs no programs. `main.rs` runs each as a row.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::http::{Http, request};
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::{Testbed, Upstream, free_address};
use crate::{Outcome, apache, caddy, ensure, lighttpd, nginx};

/// mod_cgid turns a query without `=` into arguments (RFC 3875, section 4.4): a stranger writes the command line.
pub fn arguments(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(running) = report.check("start", || apache::cgid(folder, testbed)) else {
        return;
    };
    let http = running.http;
    report.check("mod_cgid does pass a query as arguments", || {
        http.get("/arguments.cgi?--listen+127.0.0.1:1")?
            .expect(200, "[--listen][127.0.0.1:1]")
    });
    for path in ["/app.cgi", "/app.cgi/hello", "/hello", "/nowhere"] {
        report.check(&format!("{path} with a command line as its query"), || {
            same_page(http, path, folder)
        });
    }
    report.check("stop", || running.stop());
}

/// Root's program behind a web server of another user: "permission denied", unless the socket is given to that user or its
/// group, or to all.
pub fn permissions(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(user) = folder.user().cloned() else {
        report.say("SKIPPED: only root can start the web server as another user");
        return;
    };
    let Some(mut running) = report.check("start", || nginx::unix(folder, testbed)) else {
        return;
    };
    let (http, upstream) = (running.http, Upstream::unix(folder));
    report.check("the web server's own user", || {
        http.get("/hello")?.expect(200, "Hello, world!")
    });
    let own = running.processes.pop();
    report.check("the first one stops", || match own {
        Some(mut own) => own.stop(),
        None => Err("nginx::unix starts no program".to_owned()),
    });
    let (group, both) = (
        format!(":{}", user.group),
        format!("{}:{}", user.uid, user.gid),
    );
    for (flags, status) in [
        (&[][..], 502),
        (&["--socket-owner", &group], 200),
        (&["--socket-owner", &user.name], 200),
        (&["--socket-owner", &both, "--socket-mode", "0600"], 200),
        (&["--socket-owner", &group, "--socket-mode", "0600"], 502),
        (&["--socket-mode", "0666"], 200),
    ] {
        report.check(&format!("root's socket with {flags:?}"), || {
            let program = testbed.install(folder, "www/root")?;
            let mut app = program.serve_as_we(folder, &upstream, flags)?;
            let answer = http.get("/hello")?;
            app.stop()?;
            ensure!(answer.status == status, "status {}", answer.status);
            Ok(())
        });
    }
    report.check("stop", || running.stop());
}

fn same_page(http: Http, path: &str, folder: &Folder) -> Outcome {
    let plain = http.get(path)?;
    let files = folder.listing()?;
    let port = free_address()?;
    for query in [
        "--help".to_owned(),
        format!("--listen+{port}"),
        format!("--http+{port}"),
        "conf+nginx".to_owned(),
        "--workers+1".to_owned(),
        "--no-such-flag".to_owned(),
    ] {
        let answer = http.get(&format!("{path}?{query}"))?;
        answer
            .expect(plain.status, &plain.text())
            .map_err(|why| format!("?{query}: {why}"))?;
        ensure!(
            TcpStream::connect(port).is_err(),
            "?{query}: something listens on {port}"
        );
        let now = folder.listing()?;
        ensure!(now == files, "?{query}: files were {files:?}, are {now:?}");
    }
    Ok(())
}

/// The printed lines for files that Apache serves itself, made active.
pub fn apache_files(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("ScriptAlias", || {
        served(folder, "www/static", "/static", || {
            apache::alias_files(folder, testbed)
        })
    });
    report.check("ProxyPass", || {
        served(folder, "www/static", "/static", || {
            apache::proxy_files(folder, testbed, &[])
        })
    });
    report.check("ProxyPass below a mount", || {
        served(folder, "www/app/static", "/app/static", || {
            apache::proxy_files(folder, testbed, &["--mount", "/app"])
        })
    });
}

/// The same for lighttpd's rewrite.
pub fn lighttpd_files(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("rewrite", || {
        served(folder, "public/static", "/static", || {
            lighttpd::rewrite_files(folder, testbed)
        })
    });
}

/// A file of that folder is served below `place`, and the program answers what is beside it.
fn served(
    folder: &Folder,
    name: &str,
    place: &str,
    start: impl FnOnce() -> Outcome<Running>,
) -> Outcome {
    folder.make(name)?;
    folder.write(&format!("{name}/page.txt"), "a file")?;
    let running = start()?;
    running
        .http
        .get(&format!("{place}/page.txt"))?
        .expect(200, "a file")?;
    let beside = place.replace("static", "hello");
    running.http.get(&beside)?.expect(200, "Hello, world!")?;
    running.stop()
}

/// Without a module that runs it a program is a file like any other, and a visitor would download it.
pub fn without_modules(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || apache::bare_htaccess(folder, testbed);
    let Some(running) = report.check("start", start) else {
        return;
    };
    for path in ["/app.fcgi", "/app.fcgi/hello", "/hello", "/sub/hello"] {
        report.check(&format!("{path} is not the program's file"), || {
            let answer = running.http.get(path)?;
            ensure!(answer.status == 503, "status {}", answer.status);
            Ok(())
        });
    }
    report.check("stop", || running.stop());
}

/// Caddy has one `root` a site, and the last one counts: were it the program's, visitors would download the program.
pub fn beside_files(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    for form in [&[][..], &["php"]] {
        for files in [caddy::Files::Above, caddy::Files::Below] {
            let start = || {
                folder.write("public/page.txt", "a page")?;
                caddy::beside_files(folder, testbed, form, files)
            };
            let what = format!("form {form:?}, files {files:?}");
            let Some(running) = report.check(&format!("start: {what}"), start) else {
                continue;
            };
            let http = running.http;
            report.check(&format!("the site's page: {what}"), || {
                http.get("/page.txt")?.expect(200, "a page")
            });
            report.check(&format!("the program's file: {what}"), || {
                let status = http.get("/app.fcgi")?.status;
                ensure!(status == 404, "status {status}");
                Ok(())
            });
            report.check(&format!("the program: {what}"), || {
                http.get("/app/hello")?.expect(200, "Hello, world!")
            });
            report.check("stop", || running.stop());
        }
    }
}

/// mod_fcgid 2.3.9 writes a whole body before it reads a byte of the answer, and stands still when the program answers
/// while it reads, once what both sides hold is full: until its FcgidIOTimeout, 40 s, without a word. We end it before.
pub fn echo(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    const LIMIT: Duration = Duration::from_secs(2);
    let start = || {
        let running = apache::fcgid_htaccess(folder, testbed)?;
        folder.write("www/.ht.app.fcgi", "workers 1\nwrite-timeout 2\n")?;
        Ok(running)
    };
    let Some(running) = report.check("start", start) else {
        return;
    };
    let body = vec![b'e'; 10 << 20];
    report.check("POST echoed: 10 MiB ends at write-timeout", || {
        let begin = Instant::now();
        // What the visitor sees of an answer that is cut is mod_fcgid's choice.
        let whole = running
            .http
            .post("/echo", &body)
            .is_ok_and(|answer| answer.status == 200 && answer.body.len() == body.len());
        let elapsed = begin.elapsed();
        ensure!(!whole, "it was echoed: nothing stood still");
        ensure!(
            elapsed >= LIMIT && elapsed < LIMIT * 5,
            "it took {elapsed:?}"
        );
        Ok(())
    });
    report.check("the log says why", || {
        let log = folder.path("log/apache-error.log");
        let why = "POST /echo: the web server took no byte of the answer for 2s, while it goes on sending a body \
                   that is not read";
        until("a line of Apache's error log", || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.contains(why).then_some(())
        })
    });
    report.check("the program serves on", || {
        running.http.get("/hello")?.expect(200, "Hello, world!")
    });
    report.check("POST counted: the same 10 MiB", || {
        let sum = body.len() as u32 * u32::from(b'e');
        running
            .http
            .post("/count", &body)?
            .expect(200, &format!("{} {sum}", body.len()))
    });
    report.check("stop", || running.stop());
}

/// nginx sends what the program names.
pub fn accel(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let header = "X-Accel-Redirect";
    let Some(running) = files(report, folder, || nginx::accel(folder, testbed), header) else {
        return;
    };
    report.check("a file beside the folder is sent by the program", || {
        running
            .http
            .get("/file?name=../outside.txt")?
            .expect(200, "outside")
    });
    report.check("nobody gets at the location from outside", || {
        let answer = running.http.get("/protected/50%2520%20b.txt")?;
        ensure!(answer.status == 404, "status {}", answer.status);
        Ok(())
    });
    report.check("stop", || running.stop());
}

/// lighttpd sends what the program names.
pub fn sendfile(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let header = "X-Sendfile";
    let start = || lighttpd::sendfile(folder, testbed);
    if let Some(running) = files(report, folder, start, header) {
        report.check("a file that lighttpd may not send is its 403", || {
            let answer = running.http.get("/file?name=../outside.txt")?;
            ensure!(answer.status == 403, "status {}", answer.status);
            Ok(())
        });
        report.check("stop", || running.stop());
    }
}

/// The program's file, asked for in every way. Its name is another if it is decoded once more or once less.
fn files(
    report: &mut Report,
    folder: &Folder,
    start: impl FnOnce() -> Outcome<Running>,
    header: &str,
) -> Option<Running> {
    const TARGET: &str = "/file?name=50%2520%20b.txt";
    let running = report.check("start", || {
        let running = start()?;
        folder.write("www/files/50%20 b.txt", "0123456789")?;
        folder.write("www/outside.txt", "outside")?;
        Ok(running)
    })?;
    let http = running.http;
    let ask = |method: &str, name: &str, value: &str| {
        http.send(&request(method, TARGET, &[(name, value)], b""))
    };
    report.check("the file", || {
        let answer = http.get(TARGET)?;
        answer.expect(200, "0123456789")?;
        ensure!(
            answer.header(header).is_empty(),
            "{header} is shown to the visitor"
        );
        let kind = answer.header("Content-Type");
        ensure!(kind == "text/x-file", "Content-Type: {kind}");
        Ok(())
    });
    report.check("a part of it", || {
        let answer = ask("GET", "Range", "bytes=2-4")?;
        answer.expect(206, "234")
    });
    report.check("HEAD", || {
        let answer = ask("HEAD", "Accept", "*/*")?;
        answer.expect(200, "")?;
        let length = answer.header("Content-Length");
        ensure!(length == "10", "Content-Length: {length:?}");
        Ok(())
    });
    report.check("what the visitor has already", || {
        let answer = http.get(TARGET)?;
        for (condition, validator) in [
            ("If-None-Match", "ETag"),
            ("If-Modified-Since", "Last-Modified"),
        ] {
            let value = answer.header(validator);
            ensure!(!value.is_empty(), "there is no {validator}");
            ask("GET", condition, value)?.expect(304, "")?;
        }
        Ok(())
    });
    report.check("a file that is not there", || {
        http.get("/file?name=absent")?
            .expect(404, "404 Not Found\n")
    });
    Some(running)
}
