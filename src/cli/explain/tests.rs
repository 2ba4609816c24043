//! Lines of logs, and what is made of them.

use super::*;
use std::collections::BTreeSet;

/// A line, whom it is of and about, and a part of the cause.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn told(log: &[u8]) -> Report {
    Report::read(log, &|_| {}).expect("a slice can be read")
}

fn explains(rows: &[Row]) {
    for (line, author, object, cause) in rows {
        let report = told(line.as_bytes());
        let [finding] = &report.findings[..] else {
            panic!("{} findings: {line}", report.findings.len());
        };
        let is = (finding.author.name, finding.object.as_str());
        assert_eq!(is, (*author, *object), "{line}");
        let told = finding.to_string();
        assert!(told.contains(cause), "{cause:?} in {told}");
        assert!(
            !told.contains("{object}") && !told.contains("{detail}"),
            "{told}"
        );
    }
}

#[test]
fn the_guides_lines_of_mod_fastcgi() {
    let app = "/var/www/test/htdocs/app.py";
    let name = "Apache, mod_fastcgi";
    explains(&[
        (
            "(13)Permission denied: FastCGI: failed to connect to server \"/var/www/test/htdocs/app.py\": connect() failed",
            name,
            app,
            "may not connect to the socket of /var/www/test/htdocs/app.py",
        ),
        (
            "FastCGI: incomplete headers (0 bytes) received from server \"/var/www/test/htdocs/app.py\"",
            name,
            app,
            "after 0 bytes of head",
        ),
        (
            " No such file or directory: FastCGI: failed to connect to server \"/var/www/test/htdocs/app.py\": connect() failed",
            name,
            app,
            "there is no socket for /var/www/test/htdocs/app.py",
        ),
        (
            "FastCGI: \"ExecCGI Option\" is off in this directory: /app.py",
            name,
            "/app.py",
            "does not run programs in the folder of /app.py",
        ),
        (
            "FastCGI: server \"/var/www/test/htdocs/app.py\" stderr: SOME TEXT",
            name,
            app,
            "wrote to its standard error: SOME TEXT",
        ),
        (
            "FastCGI: comm with (dynamic) server \"/var/www/test/htdocs/app.py\" aborted: (first read) idle timeout (30 sec)",
            name,
            app,
            "answered nothing for 30 s",
        ),
    ]);
}

/// Apache writes two lines of what mod_fcgid could not read, and of what a program has told by itself.
#[test]
fn what_two_lines_say_of_one_request_is_told_once() {
    let pair = |thread: u32, name: &str| {
        format!(
            "[fcgid:warn] [pid 1:tid {thread}] (104)Connection reset by peer: [client 127.0.0.1:5] mod_fcgid: error reading data from FastCGI server\n\
                 [core:error] [pid 1:tid {thread}] [client 127.0.0.1:5] End of script output before headers: {name}\n"
        )
    };
    let late = "[fcgid:warn] [pid 1:tid 9] [client 127.0.0.1:5] mod_fcgid: read data timeout in 40 seconds\n\
                    [core:error] [pid 1:tid 9] [client 127.0.0.1:5] End of script output before headers: a.fcgi\n";
    let told_of = |log: &str| {
        let report = told(log.as_bytes());
        let findings = report.findings.iter();
        let told = findings.map(|finding| (finding.object.clone(), finding.count));
        (told.collect::<Vec<_>>(), report.to_string())
    };
    let a = |count| ("a.fcgi".to_owned(), count);
    let (found, text) = told_of(&pair(2, "a.fcgi").repeat(3));
    assert_eq!(found, [a(3)], "{text}");
    assert_eq!(
        text.matches("cause:  a.fcgi could not be run, or").count(),
        1,
        "{text}"
    );
    assert!(text.contains("before headers: a.fcgi\n  cause:"), "{text}");
    assert!(
        text.contains("6 lines explained, 0 lines passed over"),
        "{text}"
    );
    let (found, text) = told_of(&(pair(2, "a.fcgi") + &pair(3, "b.fcgi")));
    assert_eq!(found, [a(1), ("b.fcgi".to_owned(), 1)], "{text}");
    let (found, text) = told_of(&late.repeat(2));
    assert_eq!(found.len(), 1, "{text}");
    assert!(
        text.contains("FcgidIOTimeout") && !text.contains("could not be run"),
        "{text}"
    );
    // Another thread's line is another request's, and one further down may be.
    let (found, _) = told_of(&late.replacen("tid 9", "tid 8", 1));
    assert_eq!(found.len(), 2);
    let (found, _) = told_of(&format!("{late}{}", pair(9, "a.fcgi")));
    assert_eq!(found.len(), 2);
    let (found, _) = told_of(&late.replacen('\n', "\nanything\n", 1));
    assert_eq!(found.len(), 2);
}

#[test]
fn what_two_kinds_of_lines_have_in_common_is_told_once() {
    let log = "mod_fcgid: error reading data from FastCGI server\nanything\n\
                   [core:error] End of script output before headers: app.fcgi\n\
                   [core:error] /srv/.htaccess: Invalid command 'Redirect', perhaps misspelled\n\
                   AH01630: client denied by server configuration: /srv/.htaccess\n";
    let report = told(log.as_bytes());
    assert_eq!(report.findings.len(), 3);
    let text = report.to_string();
    assert_eq!(
        text.matches("fcgi check --as www-data").count(),
        1,
        "{text}"
    );
    assert_eq!(
        text.matches("  remedy: as for line 1\n").count(),
        1,
        "{text}"
    );
    assert!(text.contains("a2enmod alias"), "{text}");
}

/// Where somebody has copied half a line only.
#[test]
fn the_guides_lines_cut_short() {
    let name = "Apache, mod_fastcgi";
    explains(&[
        (
            "(13)Permission denied: FastCGI: failed to connect",
            name,
            "",
            "may not connect",
        ),
        (
            "No such file or directory: FastCGI: failed",
            name,
            "",
            "there is no socket",
        ),
        (
            "FastCGI: incomplete headers (0 bytes)",
            name,
            "",
            "after 0 bytes",
        ),
        (
            "FastCGI: \"ExecCGI Option\" is off",
            name,
            "",
            "does not run programs",
        ),
        (
            "FastCGI: (first read) idle timeout (30 sec)",
            name,
            "",
            "for 30 s",
        ),
        (
            "premature end of script headers",
            "Apache",
            "",
            "could not be run, or ended",
        ),
        (
            "premature end of headers",
            "Apache",
            "",
            "could not be run, or ended",
        ),
    ]);
}

#[test]
fn apache_2_4_around_the_guides_lines() {
    let (app, name) = ("/srv/app.fcgi", "Apache, mod_fastcgi");
    explains(&[
        (
            "[Sat Mar 28 19:12:28.1 2015] [fastcgi:error] [pid 1] (13)Permission denied: [client 192.0.2.1:5] FastCGI: failed to connect to (dynamic) server \"/srv/app.fcgi\": connect() failed, referer: http://a/",
            name,
            app,
            "may not connect",
        ),
        (
            "[error] [client 192.0.2.1] (111)Connection refused: FastCGI: failed to connect to server \"/srv/app.fcgi\": connect() failed",
            name,
            app,
            "nobody listens",
        ),
        (
            "[fastcgi:error] (104)Connection reset by peer: [client 192.0.2.1:5] FastCGI: comm with server \"/srv/app.fcgi\" aborted: read failed",
            name,
            app,
            "broke: read failed",
        ),
        (
            "[warn] FastCGI: (dynamic) server \"/srv/app.fcgi\" has failed to remain running for 30 seconds given 3 attempts, its restart interval has been backed off to 600 seconds",
            name,
            app,
            "ends as soon as it is started",
        ),
        (
            "[warn] FastCGI: server \"/srv/app.fcgi\" (pid 7) terminated by calling exit with status '1'",
            name,
            app,
            "by itself with status 1",
        ),
        (
            "[warn] FastCGI: server \"/srv/app.fcgi\" (pid 7) terminated due to uncaught signal '9' (Killed)",
            name,
            app,
            "was killed by signal 9",
        ),
    ]);
}

#[test]
fn apache_and_mod_fcgid() {
    let fcgid = "Apache, mod_fcgid";
    explains(&[
        (
            "[fcgid:warn] [pid 1:tid 2] (104)Connection reset by peer: [client 127.0.0.1:5] mod_fcgid: error reading data from FastCGI server",
            fcgid,
            "",
            "could not be run",
        ),
        (
            "[core:error] [pid 1:tid 2] [client 127.0.0.1:5] End of script output before headers: app.fcgi",
            "Apache",
            "app.fcgi",
            "app.fcgi could not be run",
        ),
        (
            "[error] [client 192.0.2.1] Premature end of script headers: app.fcgi, referer: http://a/",
            "Apache",
            "app.fcgi",
            "app.fcgi could not be run",
        ),
        (
            "[fcgid:warn] [pid 1:tid 2] [client 127.0.0.1:5] mod_fcgid: HTTP request length 140000 (so far) exceeds MaxRequestLen (131072)",
            fcgid,
            "",
            "131072 bytes",
        ),
        (
            "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: stderr: no paper",
            fcgid,
            "",
            "standard error: no paper",
        ),
        (
            "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: read data timeout in 40 seconds",
            fcgid,
            "",
            "silent for 40 s",
        ),
        (
            "[fcgid:error] [client 127.0.0.1:5] mod_fcgid: location of script /srv/app.fcgi does not have ExecCGI enabled",
            fcgid,
            "/srv/app.fcgi",
            "does not run programs in the folder of",
        ),
        (
            "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(communication error), get unexpected signal 11",
            fcgid,
            "/srv/app.fcgi",
            "signal 11",
        ),
        (
            "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(communication error), get stop signal 9",
            fcgid,
            "/srv/app.fcgi",
            "signal 9",
        ),
        (
            "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(server exited), terminated by calling exit(), return code: 127",
            fcgid,
            "/srv/app.fcgi",
            "with status 127",
        ),
        (
            "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: can't apply process slot for /srv/app.fcgi",
            fcgid,
            "/srv/app.fcgi",
            "no process",
        ),
        (
            "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Invalid command 'RewriteEngin', perhaps misspelled or defined by a module not included in the server configuration",
            "Apache",
            "/srv/.htaccess",
            "does not know, RewriteEngin",
        ),
        (
            "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Option ExecCGI not allowed here",
            "Apache",
            "/srv/.htaccess",
            "does not allow there, Option ExecCGI",
        ),
        (
            "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Options not allowed in <Files> context",
            "Apache",
            "/srv/.htaccess",
            "does not allow there, Options,",
        ),
        (
            "[core:crit] (13)Permission denied: [client 127.0.0.1:5] AH00529: /srv/.htaccess pcfg_openfile: unable to check htaccess file, ensure it is readable and that '/srv/' is executable",
            "Apache",
            "/srv/.htaccess",
            "may not read /srv/.htaccess",
        ),
        (
            "file is writable by others: (/srv/app.fcgi)",
            "Apache",
            "/srv/app.fcgi",
            "suexec refuses",
        ),
    ]);
}

#[test]
fn apache_and_mod_proxy_fcgi() {
    explains(&[
        (
            "[proxy:error] [pid 1:tid 2] (13)Permission denied: AH02454: FCGI: attempt to connect to Unix domain socket /run/app.sock (localhost:8000) failed",
            "Apache",
            "/run/app.sock",
            "may not connect to /run/app.sock",
        ),
        (
            "[proxy:error] [pid 1:tid 2] (2)No such file or directory: AH02454: FCGI: attempt to connect to Unix domain socket /run/app.sock (localhost:8000) failed",
            "Apache",
            "/run/app.sock",
            "there is no /run/app.sock",
        ),
        (
            "[proxy:error] [pid 1:tid 2] (111)Connection refused: AH00957: FCGI: attempt to connect to 127.0.0.1:9000 (127.0.0.1:9000) failed",
            "Apache",
            "127.0.0.1:9000",
            "nobody listens on 127.0.0.1:9000",
        ),
        (
            "[proxy_fcgi:error] (70007)The timeout specified has expired: [client 127.0.0.1:5] AH01075: Error dispatching request to : (polling)",
            "Apache",
            "",
            "silent for longer than ProxyTimeout",
        ),
        (
            "[proxy_fcgi:error] [client 127.0.0.1:5] AH01068: Got bogus version 72",
            "Apache",
            "",
            "record version 72",
        ),
        (
            "[proxy_fcgi:error] [client 127.0.0.1:5] AH01071: Got error 'Primary script unknown'",
            "Apache",
            "",
            "standard error: Primary script unknown",
        ),
        (
            "[proxy:warn] [client 127.0.0.1:5] AH01144: No protocol handler was valid for the URL / (scheme 'fcgi'). If you are using a DSO version of mod_proxy, make sure",
            "Apache",
            "/",
            "how to speak fcgi",
        ),
    ]);
}

#[test]
fn nginx() {
    let at = ", client: 127.0.0.1, server: , request: \"GET / HTTP/1.1\", upstream: \"fastcgi://unix:/run/app.sock:\", host: \"a\"";
    for (text, object, cause) in [
        (
            "connect() to unix:/run/app.sock failed (13: Permission denied) while connecting to upstream",
            "unix:/run/app.sock",
            "may not connect",
        ),
        (
            "connect() to unix:/run/app.sock failed (2: No such file or directory) while connecting to upstream",
            "unix:/run/app.sock",
            "there is no",
        ),
        (
            "connect() to unix:/run/app.sock failed (111: Connection refused) while connecting to upstream",
            "unix:/run/app.sock",
            "nobody listens",
        ),
        (
            "connect() failed (111: Connection refused) while connecting to upstream",
            "unix:/run/app.sock",
            "nobody listens",
        ),
        (
            "connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable) while connecting to upstream",
            "unix:/run/app.sock",
            "queue of",
        ),
        (
            "upstream prematurely closed FastCGI stdout while reading response header from upstream",
            "unix:/run/app.sock",
            "before its head was whole",
        ),
        (
            "upstream sent too big header while reading response header from upstream",
            "unix:/run/app.sock",
            "fastcgi_buffer_size",
        ),
        (
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
            "unix:/run/app.sock",
            "silent for longer",
        ),
        (
            "upstream timed out (110: Connection timed out) while connecting to upstream",
            "unix:/run/app.sock",
            "takes no connection",
        ),
        (
            "upstream sent unsupported FastCGI protocol version: 72 while reading response header from upstream",
            "unix:/run/app.sock",
            "record version 72",
        ),
        (
            "recv() failed (104: Connection reset by peer) while reading response header from upstream",
            "unix:/run/app.sock",
            "in the middle of a request",
        ),
        (
            "FastCGI sent in stderr: \"no paper\" while reading response header from upstream",
            "unix:/run/app.sock",
            "standard error: no paper",
        ),
        (
            "no live upstreams while connecting to upstream",
            "unix:/run/app.sock",
            "has failed just now",
        ),
        (
            "client intended to send too large body: 1048577 bytes",
            "",
            "sent 1048577 bytes",
        ),
    ] {
        let line = format!("2026/11/21 13:24:18 [error] 1#1: *1 {text}{at}");
        let report = told(line.as_bytes());
        assert_eq!(report.findings.len(), 1, "{line}");
        let finding = &report.findings[0];
        assert_eq!(
            (finding.author.name, finding.object.as_str()),
            ("nginx", object)
        );
        assert!(finding.to_string().contains(cause), "{cause} in {finding}");
    }
}

#[test]
fn lighttpd() {
    let name = "lighttpd";
    explains(&[
        (
            "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: unix:/run/app.sock: No such file or directory",
            name,
            "unix:/run/app.sock",
            "there is no",
        ),
        (
            "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: unix:/run/app.sock: Permission denied",
            name,
            "unix:/run/app.sock",
            "may not connect",
        ),
        (
            "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: tcp:127.0.0.1:9000: Connection refused",
            name,
            "tcp:127.0.0.1:9000",
            "nobody listens",
        ),
        (
            "2010-01-01 00:00:00: (mod_fastcgi.c.1768) connect failed: Permission denied on unix:/run/app.sock",
            name,
            "unix:/run/app.sock",
            "may not connect",
        ),
        (
            "2026-11-21 13:39:19: (mod_fastcgi.c.360) unexpected end-of-file (perhaps the fastcgi process died):pid: 0 socket: unix:/run/app.sock",
            name,
            "unix:/run/app.sock",
            "died",
        ),
        (
            "2026-11-21 13:39:19: (gw_backend.c.2389) response not received, request sent: 525 on socket: unix:/run/app.sock for /cut?, closing connection",
            name,
            "unix:/run/app.sock",
            "the request for /cut?",
        ),
        (
            "2026-11-21 13:39:40: (gw_backend.c.362) child exited: 3 unix:/run/app.sock-0",
            name,
            "unix:/run/app.sock-0",
            "with status 3",
        ),
        (
            "2026-11-21 13:39:40: (gw_backend.c.637) gw-backend failed to start: /srv/app.fcgi",
            name,
            "/srv/app.fcgi",
            "as soon as lighttpd starts it",
        ),
        (
            "2026-11-21 13:39:40: (gw_backend.c.1583) invalid \"bin-path\" => \"/srv/app.fcgi\" (check that file exists, is regular file, and is executable by lighttpd)",
            name,
            "/srv/app.fcgi",
            "cannot start /srv/app.fcgi",
        ),
        (
            "2026-11-21 13:39:18: (gw_backend.c.2708) read timeout on socket: unix:/run/app.sock (fd: 11)",
            name,
            "unix:/run/app.sock",
            "silent",
        ),
        (
            "2026-11-21 13:37:57: (gw_backend.c.960) all handlers for /app? on /app are down.",
            name,
            "/app",
            "is there for /app?",
        ),
        (
            "2026-11-21 13:37:57: (mod_fastcgi.c.449) FastCGI-stderr:no paper",
            name,
            "",
            "standard error: no paper",
        ),
    ]);
}

#[test]
fn haproxy_caddy_and_spawn_fcgi() {
    explains(&[
        (
            "[WARNING] (7) : Server app/one is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: 0ms. 0 active",
            "HAProxy",
            "app/one",
            "for dead: Layer4 connection problem",
        ),
        (
            "[WARNING] (7) : Server app/one is DOWN, reason: Socket error, info: \"General socket error (Connection refused)\", check duration: 0ms. 0 active",
            "HAProxy",
            "app/one",
            "for dead: Socket error",
        ),
        (
            "127.0.0.1:5 [21/Nov/2026:13:00:00.0] web app/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
            "HAProxy",
            "",
            "gets no connection",
        ),
        (
            "{\"level\":\"error\",\"logger\":\"http.log.error\",\"msg\":\"dial unix /run/app.sock: connect: permission denied\"}",
            "Caddy",
            "/run/app.sock",
            "may not connect",
        ),
        (
            "{\"level\":\"error\",\"logger\":\"http.log.error\",\"msg\":\"dial tcp 127.0.0.1:9000: connect: connection refused\"}",
            "Caddy",
            "127.0.0.1:9000",
            "nobody listens",
        ),
        (
            "spawn-fcgi: child exited with: 127",
            "spawn-fcgi",
            "",
            "status 127",
        ),
    ]);
}

#[test]
fn our_own_lines() {
    let name = "the program";
    explains(&[
        (
            "2026-11-21T13:41:54Z app.fcgi[7] ERROR every request is answered 503: /srv/.ht.app.fcgi, line 1: wrokers is no flag; did you mean workers?",
            name,
            "app.fcgi",
            "line 1: wrokers is no flag",
        ),
        (
            "[fcgid:warn] mod_fcgid: stderr: 2026-11-21T13:41:54Z app.fcgi[7] ERROR 7-1 GET /panic: panicked at src/app.rs:1:1: as asked; answered 500",
            name,
            "app.fcgi",
            "made it panic at src/app.rs:1:1",
        ),
        (
            "2026-11-21T13:41:54Z app.fcgi[7] WARN 7-1 GET /x: it is slow, and has run for 10 s",
            name,
            "app.fcgi",
            "takes long: 10 s",
        ),
        (
            "2026-11-21T13:41:54Z app.fcgi[7] WARN all 4 workers have been busy for 5 s, and further requests have to wait",
            name,
            "app.fcgi",
            "all 4 workers",
        ),
        (
            "2026-11-21T13:41:54Z app.fcgi[7] WARN a connection is closed: what came is http, not FastCGI; use fastcgi_pass (nginx) or fcgi:// (Apache), not proxy_pass or http://",
            name,
            "app.fcgi",
            "speaks http to app.fcgi",
        ),
        (
            "2026-11-21T13:41:54Z app.fcgi[7] WARN unix:/tmp/s had vanished: somebody removed the socket; it is bound again",
            name,
            "unix:/tmp/s",
            "removed the socket",
        ),
        (
            "app.fcgi: there is nothing to serve: fd 0 is no listening socket",
            name,
            "app.fcgi",
            "without a socket",
        ),
        (
            "2026-11-21T13:41:54Z app.fcgi[7] ERROR 7-1 GET /x: out of paper; answered 500",
            name,
            "app.fcgi",
            "says itself: 7-1 GET /x: out of paper",
        ),
    ]);
}

#[test]
fn what_is_alike_is_told_once_and_the_rest_is_counted() {
    let refused = "connect() to unix:/run/a.sock failed (111: Connection refused) while connecting to upstream\n";
    let other = refused.replace("a.sock", "b.sock");
    let log = format!("hello\n{refused}\n{refused}{other}{refused}bye");
    let report = told(log.as_bytes());
    let seen = report.findings.iter();
    let seen = seen.map(|f| (f.object.as_str(), f.count, f.first, f.last));
    let seen: Vec<_> = seen.collect();
    assert_eq!(
        seen,
        [("unix:/run/a.sock", 3, 2, 6), ("unix:/run/b.sock", 1, 5, 5)]
    );
    let text = report.to_string();
    assert!(
        text.contains("line 2 and 2 more like it, the last is line 6:"),
        "{text}"
    );
    assert!(
        text.ends_with("4 lines explained, 3 lines passed over.\n"),
        "{text}"
    );
}

/// As the logs of Apache and lighttpd had them, but for those of GLIBC's versions and of Python.
#[test]
fn programs_that_do_not_begin() {
    let name = "the program's start";
    explains(&[
        (
            "/srv/app.fcgi: error while loading shared libraries: libx.so.6: cannot open shared object file: No such file or directory",
            name,
            "/srv/app.fcgi",
            "the library libx.so.6 is not on this machine",
        ),
        (
            "/srv/app.fcgi: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.99' not found (required by /srv/app.fcgi)",
            name,
            "/srv/app.fcgi",
            "wants GLIBC_2.99 of the C library",
        ),
        (
            "thread 'main' (7) panicked at src/main.rs:3:9:",
            name,
            "",
            "before it served, or outside of a request: src/main.rs:3:9",
        ),
        (
            "/usr/bin/env: 'nowhere-python': Permission denied",
            name,
            "",
            "env finds no 'nowhere-python'",
        ),
        (
            "/srv/app.cgi: 3: Syntax error: end of file unexpected (expecting \"then\")",
            name,
            "/srv/app.cgi",
            "/srv/app.cgi does not begin: a syntax error",
        ),
        (
            "ModuleNotFoundError: No module named 'flup'",
            name,
            "",
            "finds no module 'flup'",
        ),
        (
            "2026-11-21 14:48:27: (configfile.c.1289) WARNING: unknown config-key: fastcgi.server (ignored)",
            "lighttpd",
            "fastcgi.server",
            "does not know fastcgi.server",
        ),
        (
            "[core:info] [pid 1:tid 2] [client 127.0.0.1:5] AH00128: File does not exist: /srv/www/below",
            "Apache",
            "/srv/www/below",
            "looked for the file /srv/www/below",
        ),
    ]);
}

/// The same words, where a web server says whose they are.
#[test]
fn a_web_servers_word_comes_before_the_programs() {
    let line = "2026/11/21 13:24:18 [error] 1#1: *1 FastCGI sent in stderr: \"No module named x\" while reading response \
                    header from upstream, client: 127.0.0.1, upstream: \"fastcgi://unix:/run/app.sock:\", host: \"a\"";
    let report = told(line.as_bytes());
    assert_eq!(report.findings[0].author.name, "nginx");
}

#[test]
fn a_log_that_says_nothing() {
    for (log, told_is) in [
        ("", "0 lines, and none of a kind that is known here.\n"),
        (
            "GET / HTTP/1.1 200\n",
            "1 line, and none of a kind that is known here.\n",
        ),
    ] {
        let report = told(log.as_bytes());
        assert!(!report.has_findings());
        assert_eq!(report.to_string(), told_is);
    }
}

/// A visitor chooses some of the objects: they do not push out what else is found, nor fill the memory.
#[test]
fn of_one_kind_a_few_objects_are_told() {
    let mut log = String::new();
    for number in 0..1000 {
        log += &format!("AH01630: client denied by server configuration: /srv/{number}\n");
    }
    log += "End of script output before headers: app.fcgi\n";
    let report = told(log.as_bytes());
    assert_eq!(report.findings.len(), MOST_OBJECTS + 1);
    let text = report.to_string();
    assert!(
        text.contains("995 more such lines are about others."),
        "{text}"
    );
    assert!(text.contains("app.fcgi could not be run"), "{text}");
}

#[test]
fn who_waits_is_told_how_far_it_is() {
    let said = std::cell::RefCell::new(Vec::new());
    let log = "\n".repeat(2 * SAID_EVERY as usize + 1);
    Report::read(log.as_bytes(), &|lines| said.borrow_mut().push(lines)).unwrap();
    assert_eq!(*said.borrow(), [SAID_EVERY, 2 * SAID_EVERY]);
}

#[test]
fn a_line_of_any_length_takes_bounded_memory() {
    let begin = &b"End of script output before headers: "[..];
    let line = [
        begin,
        &vec![b'x'; 1 << 20],
        b"\nEnd of script output before headers: app\n",
    ]
    .concat();
    // The reader's own pieces are smaller than what counts of a line.
    let mut log = BufReader::with_capacity(1000, &line[..]);
    let mut taken = Vec::new();
    assert!(next_line(&mut log, &mut taken).unwrap());
    assert_eq!(taken.len(), LONGEST_LINE);
    assert!(next_line(&mut log, &mut taken).unwrap());
    assert_eq!(taken, b"End of script output before headers: app");
    assert!(!next_line(&mut log, &mut taken).unwrap());
    let report = told(&line);
    assert_eq!((report.lines, report.explained), (2, 2));
    assert!(report.to_string().len() < 3000);
}

/// Nobody writes to the terminal of whoever looks at a log: neither its colours, nor its title, nor lines of its own.
#[test]
fn control_characters_are_escaped() {
    let log =
        b"FastCGI: server \"/srv/\x1b]0;a\x07\" stderr: \x1b[2J\r\xff\xc2\x9b31m \xe2\x80\xae x\n";
    let report = told(log);
    assert!(report.has_findings());
    let text = report.to_string();
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(bad), "{text:?}");
    assert!(text.contains("\\u{1b}"), "{text}");
}

/// What a visitor sends as his Referer is no line of the web server's.
#[test]
fn a_referrer_explains_nothing() {
    for line in [
        "[client 192.0.2.1:5] AH00127: Cannot map GET /x HTTP/1.1 to file, referer: mod_fcgid: can't run /bin/sh",
        "*1 open() \"/srv/x\" failed (2: No such file or directory), request: \"GET /x\", referrer: \"connect() to x failed (13: \", upstream\"",
    ] {
        assert!(!told(line.as_bytes()).has_findings(), "{line}");
    }
}

/// Neither is what he asks for, in any log: it would send whoever reads this after a trouble that there is not.
#[test]
fn an_address_explains_nothing() {
    for line in [
        "2026/11/21 13:24:18 [error] 1#1: *1 open() \"/srv/connect() to unix:/x failed (13: Permission denied) while connecting to upstream\" failed (2: No such file or directory), client: 127.0.0.1",
        "2026/11/21 13:24:18 [error] 1#1: *1 open() \"/srv/x\" failed (2: No such file or directory), client: 127.0.0.1, request: \"GET /connect() to unix:/x failed (111: Connection refused) while connecting to upstream HTTP/1.1\", host: \"a\"",
        "127.0.0.1 - - [21/Nov/2026:13:00:00 +0000] \"GET /mod_fcgid: can't run /bin/x HTTP/1.1\" 404 196 \"-\" \"FastCGI: failed to connect to server\"",
    ] {
        assert!(!told(line.as_bytes()).has_findings(), "{line}");
    }
    for (line, cause) in [
        (
            "[authz_core:error] [client 127.0.0.1:5] AH01630: client denied by server configuration: /srv/End of script output before headers: /bin/x",
            "refuses",
        ),
        (
            "[core:info] [client 127.0.0.1:5] AH00128: File does not exist: /srv/mod_fcgid: can't run /bin/x",
            "looked for the file",
        ),
        (
            "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: stderr: no page /FastCGI: server \"/bin/x\" stderr: x",
            "wrote to its standard error: no page",
        ),
    ] {
        let report = told(line.as_bytes());
        assert!(report.to_string().contains(cause), "{report}");
    }
}

/// A name in braces that the line itself has is text.
#[test]
fn what_a_line_says_is_not_filled_in_again() {
    let report = told(b"FastCGI: server \"/srv/{detail}\" stderr: {object}");
    let text = report.to_string();
    assert!(
        text.contains("/srv/{detail} wrote to its standard error: {object}\n"),
        "{text}"
    );
}

/// No rule is hidden by one before it, or by a mark that its author lacks: each shape, with its holes filled, finds a
/// rule of its own author.
#[test]
fn each_shape_is_found_by_its_author() {
    let mut hidden = BTreeSet::new();
    for author in RULES {
        for rule in author.rules {
            assert!(
                !rule.cause.ends_with('.') && !rule.remedy.ends_with('.'),
                "{}",
                rule.cause
            );
            for shape in rule.patterns {
                let mut line = shape.replace("<>", "x");
                line = line
                    .replace("<object>", "object")
                    .replace("<detail>", "detail");
                let lines = author.marks.iter().map(|mark| format!("{line} {mark}"));
                let lines = std::iter::once(line.clone()).chain(lines);
                let found = lines.filter_map(|line| explained(&line).map(|found| found.1));
                if !found.into_iter().any(|found| std::ptr::eq(found, rule)) {
                    hidden.insert(line);
                }
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}
