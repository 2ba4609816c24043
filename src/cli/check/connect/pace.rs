//! How fast an application answers, and whether it keeps a connection that it is asked to keep. Called by `connect`.

use super::super::Findings;
use super::answer::Answer;
use crate::cli::order::sort;
use crate::cli::script::Script;
use crate::cli::words::{Words, words};
use crate::client::Client;
use crate::net::Address;
use std::io;
use std::time::{Duration, Instant};

/// So many requests are made at most, and none after so long.
const MOST: usize = 20;
const LONGEST: Duration = Duration::from_secs(2);

/// So many requests go over a connection. Some applications close one after a number of them, which is no failure.
const REQUESTS_OF_A_CONNECTION: usize = 10;

/// A visitor notices when an answer takes so long.
const SLOW: Duration = Duration::from_secs(1);

pub(super) fn findings(
    address: &Address,
    script: Option<&Script>,
    first: &Answer,
    report: &mut Findings,
) {
    match measure(address, script) {
        Ok((is_kept, times)) => {
            kept(is_kept, report);
            pace(first.took, times, report);
        }
        Err(error) => report.red(
            words!("a further GET / has no answer: {error}"),
            "it answers once and then no more: its log says why",
        ),
    }
}

/// A time for people: `0.25 ms`, `1.2 s`. It is computed without floats: see `seconds_of` in `flags::value`.
pub(in crate::cli::check) fn shown(time: Duration) -> Words {
    let ns = time.as_nanos() as u64;
    let rounded = |unit: u64| (ns + unit / 2) / unit;
    let (tenths, hundredths) = (rounded(100_000_000), rounded(10_000));
    match ns {
        1_000_000_000.. => words!("{}.{} s", tenths / 10, tenths % 10),
        10_000_000.. => words!("{} ms", rounded(1_000_000)),
        _ => words!("{}.{:02} ms", hundredths / 100, hundredths % 100),
    }
}

/// Whether the connection was kept, and how long each request took. If it was, the requests go over kept connections, else each
/// has one of its own.
fn measure(address: &Address, script: Option<&Script>) -> io::Result<(bool, Vec<Duration>)> {
    let begin = Instant::now();
    let mut client = Client::connect(address)?.timeout(LONGEST * 5);
    let mut times = vec![Answer::on(&mut client, script, true)?.took];
    let is_kept = match Answer::on(&mut client, script, true) {
        Ok(second) => {
            times.push(second.took);
            true
        }
        Err(_) => false,
    };
    while times.len() < MOST && begin.elapsed() < LONGEST {
        if !is_kept {
            times.push(Answer::first(address, script)?.took);
            continue;
        }
        if times.len().is_multiple_of(REQUESTS_OF_A_CONNECTION) {
            client = Client::connect(address)?.timeout(LONGEST * 5);
        }
        times.push(Answer::on(&mut client, script, true)?.took);
    }
    Ok((is_kept, times))
}

fn kept(is_kept: bool, report: &mut Findings) {
    match is_kept {
        true => report.green("it keeps a connection open when it is asked to"),
        false => report.yellow(
            "it closes each connection, also one that it is asked to keep",
            "leave out nginx's keepalive and fastcgi_keep_conn, mod_proxy_fcgi's enablereuse=on",
        ),
    }
}

/// Tells how long a request takes. `times` is not empty.
fn pace(first: Duration, mut times: Vec<Duration>, report: &mut Findings) {
    sort(&mut times, |one, other| one > other);
    let median = times[times.len() / 2];
    let slowest = times[times.len() - 1];
    let what = words!(
        "GET / takes {} (median of {}; the first took {}, the slowest of them {})",
        shown(median),
        times.len(),
        shown(first),
        shown(slowest)
    );
    match median >= SLOW {
        true => report.yellow(
            what,
            "find out what it waits for; a process that is started for each request is slow as well",
        ),
        false => report.green(what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Level;
    use super::*;

    #[test]
    fn the_one_in_the_middle_counts() {
        let ms = Duration::from_millis;
        let paced = |first, times| Findings::one(|report| pace(ms(first), times, report));
        let found = paced(30, vec![ms(5000), ms(2), ms(12)]);
        assert_eq!(found.level, Level::Green);
        assert_eq!(
            found.what,
            "GET / takes 12 ms (median of 3; the first took 30 ms, the slowest of them 5.0 s)"
        );
        assert_eq!(paced(1, vec![ms(1000)]).level, Level::Yellow);
        for (us, text) in [
            (254, "0.25 ms"),
            (9_999, "10.00 ms"),
            (10_000, "10 ms"),
            (1_249_999, "1.2 s"),
        ] {
            assert_eq!(shown(Duration::from_micros(us)), text);
        }
    }
}
