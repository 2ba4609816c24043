//! The numbers that are printed for flags, as the web servers take them; and several addresses, of which one does not
//! answer. `main.rs` runs each web server as a row.

use std::thread;
use std::time::Duration;

use crate::folder::Folder;
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream};
use crate::{Outcome, apache, caddy, ensure, h2o, haproxy, lighttpd, nginx};

type Start = fn(&Folder, &Testbed, &[&str]) -> Outcome<Running>;

pub fn apache_fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    // mod_fcgid refuses with 500 what is above FcgidMaxRequestLen.
    flags(report, folder, testbed, apache::fcgid, 500);
}

pub fn apache_wrapper(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start: Start =
        |folder, testbed, flags| apache::fcgid(folder, testbed, &[&["wrapper"], flags].concat());
    flags(report, folder, testbed, start, 500);
}

pub fn apache_proxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    // It has no limit for bodies: they arrive.
    flags(report, folder, testbed, apache::proxied, 200);
}

pub fn apache_sethandler(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start: Start = |folder, testbed, flags| {
        apache::proxied(folder, testbed, &[&["sethandler"], flags].concat())
    };
    flags(report, folder, testbed, start, 200);
}

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    flags(report, folder, testbed, nginx::flagged, 413);
}

pub fn lighttpd(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    flags(report, folder, testbed, lighttpd::flagged, 413);
}

pub fn lighttpd_external(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    flags(report, folder, testbed, lighttpd::connected, 413);
}

pub fn haproxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    // It has no limit for bodies: they arrive.
    flags(report, folder, testbed, haproxy::flagged, 200);
}

pub fn caddy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    flags(report, folder, testbed, caddy::flagged, 413);
}

pub fn caddy_php(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start: Start =
        |folder, testbed, flags| caddy::flagged(folder, testbed, &[&["php"], flags].concat());
    flags(report, folder, testbed, start, 413);
}

pub fn h2o(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    // Its limit is one of all hosts, and only told of.
    flags(report, folder, testbed, h2o::flagged, 200);
}

pub fn nginx_several(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    several(report, folder, testbed, nginx::flagged);
}

pub fn nginx_several_kept(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start: Start = |folder, testbed, flags| {
        nginx::flagged(folder, testbed, &[flags, &["--keepalive"]].concat())
    };
    several(report, folder, testbed, start);
}

pub fn lighttpd_several(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    several(report, folder, testbed, lighttpd::connected);
}

pub fn haproxy_several(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    several(report, folder, testbed, haproxy::flagged);
}

pub fn caddy_several(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    several(report, folder, testbed, caddy::flagged);
}

/// The configuration for all flags that have a number: the web server starts with it, asks, and holds the limit of bodies.
/// The program itself is not told, so that it is the web server who refuses.
fn flags(report: &mut Report, folder: &Folder, testbed: &Testbed, start: Start, too_large: u16) {
    let flags = [
        "--processes",
        "2",
        "--timeout",
        "20",
        "--idle-timeout",
        "20",
        "--grace",
        "7",
        "--max-body",
        "1000000",
        "--keepalive",
    ];
    let Some(running) = report.check("start", || start(folder, testbed, &flags)) else {
        return;
    };
    let http = running.http;
    report.check("it asks the program", || {
        http.get("/hello")?.expect(200, "Hello, world!")
    });
    report.check("a body of that size", || {
        let sum = 1_000_000 * u32::from(b'x');
        let counted = format!("1000000 {sum}");
        http.post("/count", &[b'x'; 1_000_000])?
            .expect(200, &counted)
    });
    report.check("a larger one", || {
        // lighttpd counts in KiB.
        let status = http.post("/count", &[b'x'; 1_002_000])?.status;
        ensure!(status == too_large, "status {status}");
        Ok(())
    });
    report.check("the program serves on", || {
        http.get("/hello")?.expect(200, "Hello, world!")
    });
    report.check("stop", || running.stop());
}

/// How long to wait between the restarts of two programs, as nginx's configuration says. It is nginx's own clock that has to go
/// on: fail_timeout, in whole seconds.
const PAUSE: Duration = Duration::from_secs(3);

/// Two programs, of which one is not started yet, and then the other one stops: visitors notice neither. Then the first one
/// comes back, and the other one goes.
fn several(report: &mut Report, folder: &Folder, testbed: &Testbed, start: Start) {
    let Some(other) = report.check("an address", Upstream::tcp) else {
        return;
    };
    let listen = other.listen();
    let flags = ["--listen", listen.as_str()];
    let Some(mut running) = report.check("start", || start(folder, testbed, &flags)) else {
        return;
    };
    let http = running.http;
    let pid = || -> Outcome<String> {
        let answer = http.get("/pid")?;
        ensure!(answer.status == 200, "status {}", answer.status);
        Ok(answer.text())
    };
    let first = report.check("the second one is not there: the first answers", || {
        let first = pid()?;
        for _ in 0..10 {
            let answered = pid()?;
            ensure!(answered == first, "{answered} answers, and {first} does");
        }
        Ok(first)
    });
    let second = report.check("the second one starts", || {
        let program = testbed.install(folder, "www/other.fcgi")?;
        program.serve(folder, &other, &[])
    });
    let (Some(first), Some(mut second)) = (first, second) else {
        return;
    };
    report.check("the first one stops: the second answers", || {
        // Whoever looks after them has to notice that the second one is there.
        let mut own = running.processes.pop().ok_or("nothing was started")?;
        ensure!(first == own.pid().to_string(), "another one has answered");
        own.stop()?;
        let pid_of_second = second.pid().to_string();
        // Each of nginx's two processes has to notice for itself.
        until("the second one answers ten times in a row", || {
            let answers = || pid().is_ok_and(|pid| pid == pid_of_second);
            (0..10).all(|_| answers()).then_some(())
        })?;
        Ok(())
    });
    let again = report.check("both are restarted in turn: no visitor notices", || {
        let program = Program::at(folder.path("www/app.fcgi"), folder);
        let first = program.serve(folder, &Upstream::unix(folder), &[])?;
        thread::sleep(PAUSE);
        second.stop()?;
        let pid_of_first = first.pid().to_string();
        for _ in 0..20 {
            let answered = pid()?;
            ensure!(answered == pid_of_first, "{answered} answers");
        }
        Ok(first)
    });
    running.processes.extend(again);
    report.check("stop", || running.stop());
}
