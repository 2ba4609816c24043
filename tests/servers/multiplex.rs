//! Several requests at once on one connection, as HAProxy's `option mpxs-conns` sends them. `main.rs` runs it as a row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::folder::Folder;
use crate::http::{Answer, Http, Pace, request};
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::Testbed;
use crate::{Outcome, ensure, haproxy};

/// As many visitors at once.
const VISITORS: usize = 50;

pub fn haproxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || haproxy::multiplexed_by(folder, testbed, "50");
    let Some(running) = report.check("start", start) else {
        return;
    };
    // Till one is open, HAProxy opens one for each visitor.
    report.check("alone", || {
        running.http.get("/hello")?.expect(200, "Hello, world!")
    });
    report.check("fifty at once, on one connection", || at_once(&running));
    report.check("large answers, whole", || {
        all(running.http, |http, i| {
            let answer = get(http, &format!("/bytes?n={}", 1_000_000 + i))?;
            ensure!(
                answer.status == 200 && answer.whole && answer.body.len() == 1_000_000 + i,
                "{} bytes, whole: {}",
                answer.body.len(),
                answer.whole
            );
            Ok(())
        })
    });
    report.check("uploads that do not end hold nobody up", || {
        unfinished(running.http)
    });
    report.check("large answers beside uploads that do not end", || {
        thread::scope(|scope| {
            let uploads = scope.spawn(|| unfinished(running.http));
            all(running.http, |http, _| {
                let answer = get(http, "/bytes?n=2000000")?;
                ensure!(answer.whole && answer.body.len() == 2_000_000, "it is cut");
                Ok(())
            })?;
            uploads.join().map_err(|_| "a visitor panicked")?
        })
    });
    report.check("still on one connection", || one_connection(&running));
    report.check("stop", || running.stop());
}

/// What each visitor does, all at once.
fn all(http: Http, visit: impl Fn(Http, usize) -> Outcome + Sync) -> Outcome {
    thread::scope(|scope| {
        let visit = &visit;
        let visitors: Vec<_> = (0..VISITORS)
            .map(|i| scope.spawn(move || visit(http, i)))
            .collect();
        visitors
            .into_iter()
            .try_for_each(|visitor| visitor.join().map_err(|_| "a visitor panicked")?)
    })
}

/// Asks again where HAProxy 2.6.12 itself answers 500 ("IH" in its log): of fifty requests that come at once for one connection it
/// did so to some, also where the program behind it reads all at once and is no library's.
fn get(http: Http, target: &str) -> Outcome<Answer> {
    const ITS_OWN: &str = "An internal server error occurred.";
    until("an answer that is not HAProxy's own", || {
        match http.get(target) {
            Ok(answer) if answer.status == 500 && answer.text().contains(ITS_OWN) => None,
            answered => Some(answered),
        }
    })?
}

fn at_once(running: &Running) -> Outcome {
    let (most, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) == 0 {
                let open = running.upstream.as_ref().map(|up| up.open_connections());
                if let Some(Ok(open)) = open {
                    most.fetch_max(open, Ordering::Relaxed);
                }
            }
        });
        // With fewer at once than all of them it would take longer than its time limit.
        let answered = all(running.http, |http, _| {
            let answer = get(http, "/sleep?ms=500")?;
            ensure!(answer.status == 200, "{}", answer.status);
            Ok(())
        });
        done.store(1, Ordering::Relaxed);
        answered
    })?;
    let most = most.into_inner();
    ensure!(most == 1, "{most} connections");
    Ok(())
}

fn one_connection(running: &Running) -> Outcome {
    let upstream = running.upstream.as_ref().ok_or("it has no upstream")?;
    let open = upstream.open_connections()?;
    ensure!(open == 1, "{open} connections");
    Ok(())
}

/// Half of the visitors have sent half of their bodies, and the other half are answered; then the first are.
fn unfinished(http: Http) -> Outcome {
    let body = vec![b'u'; 20_000];
    let length = body.len().to_string();
    let bytes = request("POST", "/count", &[("Content-Length", &length)], &body);
    let half = bytes.len() - 10_000;
    let mut uploads = Vec::new();
    for _ in 0..VISITORS / 2 {
        let mut visitor = http.connect()?;
        visitor.write(&bytes[..half])?;
        uploads.push(visitor);
    }
    for _ in 0..VISITORS {
        get(http, "/hello")?.expect(200, "Hello, world!")?;
    }
    for mut visitor in uploads {
        let answer = visitor.exchange(&bytes[half..], Pace::Fast)?;
        answer.expect(200, "20000 2340000")?;
    }
    Ok(())
}
