//! Who comes first and who goes first: the web server stops gracefully and reloads while a request runs, so does the
//! program, and either of them is started before the other. `main.rs` runs each web server as a row.

use std::fs;
use std::sync::atomic::Ordering;
use std::thread;

use crate::family::Family;
use crate::folder::Folder;
use crate::http::{Answer, Http, Stream, request};
use crate::load::under_load;
use crate::process::{signal, until};
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, WORKERS};
use crate::{Outcome, apache, caddy, ensure, h2o, haproxy, lighttpd, nginx};

/// A web server, and the signals by which it is asked to finish what runs.
#[derive(Clone, Copy)]
struct Front {
    start: fn(&Folder, &Testbed) -> Outcome<Running>,
    /// `None`: there is none, or it is no signal.
    reload: Option<&'static str>,
    stop: &'static str,
    /// Idle ones say nothing of what runs. It hands on pieces as they come, then.
    keeps_connections: bool,
    /// Whether nothing is lost when it reloads under load.
    loses_nothing: bool,
    /// What a visitor gets while the program is not there.
    absent: u16,
    /// What is asked for while the web server reloads or stops, and its answer.
    slow: (&'static str, &'static str),
}

const PIECES: (&str, &str) = (
    "/chunks?n=8&ms=200",
    "chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4\nchunk 5\nchunk 6\nchunk 7\n",
);

pub fn apache_proxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: apache::proxy_unix,
        reload: Some("USR1"),
        stop: "WINCH",
        keeps_connections: false,
        loses_nothing: true,
        absent: 503,
        slow: PIECES,
    };
    connected(report, folder, testbed, front);
}

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: nginx::unix,
        ..NGINX
    };
    connected(report, folder, testbed, front);
}

pub fn nginx_keepalive(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: nginx::unix_kept,
        keeps_connections: true,
        ..NGINX
    };
    connected(report, folder, testbed, front);
}

const NGINX: Front = Front {
    start: nginx::unix,
    reload: Some("HUP"),
    stop: "QUIT",
    keeps_connections: false,
    loses_nothing: true,
    absent: 502,
    slow: PIECES,
};

pub fn lighttpd_external(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: lighttpd::external_unix,
        ..LIGHTTPD
    };
    connected(report, folder, testbed, front);
}

const LIGHTTPD: Front = Front {
    start: lighttpd::external_unix,
    reload: Some("USR1"),
    stop: "INT",
    keeps_connections: false,
    loses_nothing: true,
    absent: 503,
    slow: PIECES,
};

pub fn haproxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: haproxy::reloadable,
        reload: Some("USR2"),
        stop: "USR1",
        // HAProxy 2.6.12: now and then a request that is under way is a 502.
        keeps_connections: false,
        loses_nothing: false,
        absent: 503,
        // At a stop of its own, and at a reload, HAProxy 2.6.12 sends ABORT_REQUEST for an answer of which another piece
        // comes. One that comes at once is finished.
        slow: ("/sleep?ms=1500", "slept"),
    };
    connected(report, folder, testbed, front);
}

/// What HAProxy gives up when it stops, a visitor can tell from a whole answer.
pub fn haproxy_streams(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(mut running) = report.check("start", || haproxy::unix(folder, testbed)) else {
        return;
    };
    let (http, web_server) = (running.http, running.processes[0].pid());
    report.check("a part of an answer is never a whole one", || {
        thread::scope(|scope| {
            let slow = scope.spawn(|| http.get(PIECES.0));
            until("a request runs", || {
                (connections_below(folder) > 0 || slow.is_finished()).then_some(())
            })?;
            signal("USR1", web_server);
            let answer = slow.join().map_err(|_| "the visitor panicked")??;
            ensure!(
                answer.whole == (answer.text() == PIECES.1),
                "whole: {}, {:?}",
                answer.whole,
                answer.text()
            );
            Ok(())
        })
    });
    report.check("HAProxy ends", || running.processes[0].end().map(drop));
    report.check("stop", || running.stop());
}

/// Caddy reloads by its admin address, which is off here.
pub fn caddy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: caddy::unix,
        reload: None,
        stop: "TERM",
        keeps_connections: false,
        loses_nothing: true,
        absent: 502,
        slow: PIECES,
    };
    connected(report, folder, testbed, front);
}

/// h2o reloads only under its start_server.
pub fn h2o(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: h2o::unix,
        reload: None,
        stop: "TERM",
        keeps_connections: false,
        loses_nothing: true,
        absent: 503,
        slow: PIECES,
    };
    connected(report, folder, testbed, front);
}

/// mod_fcgid ends its processes at each reload, 3 s after it has asked them to: a request of that time is finished.
pub fn apache_fcgid(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: apache::fcgid_script_alias,
        reload: Some("USR1"),
        stop: "WINCH",
        keeps_connections: false,
        loses_nothing: true,
        absent: 500,
        slow: PIECES,
    };
    spawned(report, folder, testbed, front);
}

pub fn lighttpd_spawned(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        start: lighttpd::spawned,
        ..LIGHTTPD
    };
    spawned(report, folder, testbed, front);
}

/// The program is the web server's.
fn spawned(report: &mut Report, folder: &Folder, testbed: &Testbed, front: Front) {
    let Some(mut running) = report.check("start", || (front.start)(folder, testbed)) else {
        return;
    };
    let http = running.http;
    let busy = || connections_below(folder) > 0;
    let seen = Seen::ByConnections(&busy);
    if let Some(name) = front.reload {
        let pid = running.processes[0].pid();
        report.check("the web server reloads during a request", || {
            during(http, front.slow, seen, || {
                signal(name, pid);
                Ok(())
            })?;
            serves(http)
        });
    }
    report.check("the web server stops during a request", || {
        during(http, front.slow, seen, || {
            signal(front.stop, running.processes[0].pid());
            Ok(())
        })?;
        running.processes[0].end().map(drop)
    });
    report.check("stop", || running.stop());
}

/// Somebody else has started the program.
fn connected(report: &mut Report, folder: &Folder, testbed: &Testbed, front: Front) {
    let Some(mut running) = report.check("start", || (front.start)(folder, testbed)) else {
        return;
    };
    let Some(upstream) = running.upstream.clone() else {
        return;
    };
    let http = running.http;
    let busy = || matches!(upstream.open_connections(), Ok(1..));
    let seen = match front.keeps_connections {
        true => Seen::ByPieces,
        false => Seen::ByConnections(&busy),
    };
    let web_server = running.processes[0].pid();
    if let Some(name) = front.reload {
        report.check("the web server reloads during a request", || {
            during(http, front.slow, seen, || {
                signal(name, web_server);
                Ok(())
            })?;
            serves(http)
        });
        if front.loses_nothing {
            report.check("the web server reloads under load", || {
                repeatedly(http, || {
                    signal(name, web_server);
                    Ok(())
                })
            });
        }
    }
    report.check("the program stops during a request", || {
        let mut app = running.processes.pop().ok_or("nothing was started")?;
        during_a_request(http, seen, || app.stop())?;
        let status = http.get("/hello")?.status;
        ensure!(
            status == front.absent,
            "{} without a program, now {status}",
            front.absent
        );
        Ok(())
    });
    let family = report.check("the program is started after the web server", || {
        let program = Program::at(folder.path("www/app.fcgi"), folder);
        let family = Family::start(folder, &program, &upstream, &["--workers", WORKERS])?;
        serves(http)?;
        Ok(family)
    });
    let Some(mut family) = family else { return };
    report.check("the program reloads during a request", || {
        during_a_request(http, seen, || family.reload())
    });
    report.check("the program reloads under load", || {
        repeatedly(http, || family.reload())
    });
    report.check("the web server stops during a request", || {
        during(http, front.slow, seen, || {
            signal(front.stop, web_server);
            Ok(())
        })?;
        running.processes[0].end().map(drop)
    });
    report.check("the program stops after the web server", || {
        let status = family.stop()?;
        ensure!(status.code() == Some(0), "it ended with {status}");
        Ok(())
    });
    report.check("stop", || running.stop());
}

/// Where it is seen that a request runs.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// The program has a connection: where the web server keeps none.
    ByConnections(&'a dyn Fn() -> bool),
    /// The visitor has a piece of the answer.
    ByPieces,
}

/// Does it while a request is answered, which loses nothing by it.
fn during_a_request(http: Http, seen: Seen<'_>, turn: impl FnOnce() -> Outcome) -> Outcome {
    during(http, PIECES, seen, turn)
}

fn during(
    http: Http,
    (target, expected): (&str, &str),
    seen: Seen<'_>,
    turn: impl FnOnce() -> Outcome,
) -> Outcome {
    match seen {
        Seen::ByConnections(busy) => during_a_connection(http, (target, expected), busy, turn),
        Seen::ByPieces => during_a_stream(http, (target, expected), turn),
    }
}

fn during_a_connection(
    http: Http,
    (target, expected): (&str, &str),
    busy: &dyn Fn() -> bool,
    turn: impl FnOnce() -> Outcome,
) -> Outcome {
    until("what ran before has ended", || (!busy()).then_some(()))?;
    thread::scope(|scope| {
        let slow = scope.spawn(|| http.get(target));
        until("a request runs", || {
            (busy() || slow.is_finished()).then_some(())
        })?;
        let begun_in_time = !slow.is_finished();
        let turned = turn();
        let answer: Answer = slow.join().map_err(|_| "the visitor panicked")??;
        turned?;
        answer.expect(200, expected)?;
        ensure!(
            begun_in_time,
            "the request was over before anything happened"
        );
        Ok(())
    })
}

fn during_a_stream(
    http: Http,
    (target, expected): (&str, &str),
    turn: impl FnOnce() -> Outcome,
) -> Outcome {
    let mut stream = http.connect()?.open(&request("GET", target, &[], b""))?;
    ensure!(stream.head.status == 200, "status {}", stream.head.status);
    let mut lines = expected.split_inclusive('\n');
    let mut next = |stream: &mut Stream| -> Outcome<bool> {
        let Some(line) = lines.next() else {
            return Ok(false);
        };
        let before = stream.until(line)?;
        ensure!(before.is_empty(), "before {line:?} comes {before:?}");
        Ok(true)
    };
    next(&mut stream)?;
    turn()?;
    while next(&mut stream)? {}
    Ok(())
}

/// Visitors that ask meanwhile, and some of them in between.
fn repeatedly(http: Http, turn: impl Fn() -> Outcome + Sync) -> Outcome {
    const VISITORS: [&str; 4] = [
        "/hello",
        "/sleep?ms=20",
        "/bytes?n=300000",
        "/chunks?n=3&ms=10",
    ];
    under_load(http, &VISITORS, |answered| {
        for _ in 0..5 {
            let enough = answered.load(Ordering::Relaxed) + 20;
            until("20 more answers", || {
                (answered.load(Ordering::Relaxed) >= enough).then_some(())
            })?;
            turn()?;
        }
        let enough = answered.load(Ordering::Relaxed) + 50;
        until("50 more answers", || {
            (answered.load(Ordering::Relaxed) >= enough).then_some(())
        })
    })
}

/// Soon: a web server may leave a program alone for a while that was not there.
fn serves(http: Http) -> Outcome {
    until("a visitor is answered", || {
        let answer = http.get("/hello").ok()?;
        answer.expect(200, "Hello, world!").ok()
    })
}

/// Connections to sockets in the row's folder: 03 is connected.
fn connections_below(folder: &Folder) -> usize {
    let place = folder.text("");
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let lines = table.lines().filter(|line| line.contains(&place));
    lines
        .filter(|line| line.split_whitespace().nth(5) == Some("03"))
        .count()
}
