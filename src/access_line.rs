//! The access log's line of a request: Apache's combined format, and behind it the time that the request took and its id. Called
//! where an answer has ended: by `connection`, and by `response` for one that is finished early.
//!
//! ```text
//! LogFormat "%a - %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-agent}i\" %D ID"
//! 192.0.2.1 - - [21/Nov/2026:01:02:03 +0000] "GET /news?page=2 HTTP/1.1" 200 5316 "-" "curl/8.5.0" 412 4711-12
//! ```
//!
//! The line is made on the stack, and nothing is allocated.

use crate::access_log::{AccessLog, Line, MAX_LINE};
use crate::cgi::Known;
use crate::date::Utc;
use crate::decimal::Decimal;
use crate::front::Frozen;
use crate::net::sys::now_ns;
use crate::setup::Setup;
use crate::visitor::Visitor;
use std::time::{Duration, SystemTime};

/// The most bytes of each field as it is written, its escapes included. More is cut, and ends in `...`.
const MAX_ADDRESS: usize = 64;
const MAX_USER: usize = 64;
const MAX_METHOD: usize = 32;
const MAX_TARGET: usize = 2000;
const MAX_PROTOCOL: usize = 32;
/// Of Referer and User-Agent each.
const MAX_HEADER: usize = 768;

/// The most bytes of all the rest of a line, which is our own: time, status, length, duration, id, and what stands between.
const REST: usize = 200;

const _: () = assert!(
    MAX_ADDRESS + MAX_USER + MAX_METHOD + MAX_TARGET + MAX_PROTOCOL + 2 * MAX_HEADER + REST
        <= MAX_LINE
);

/// What was sent of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) status: u16,
    /// The length of its body.
    pub(crate) bytes: u64,
}

/// Has the line of a request written, if there is an access log.
#[inline]
pub(crate) fn tell(front: &Frozen<'_>, setup: &Setup, sent: impl FnOnce() -> Sent) {
    if let Some(log) = &setup.access_log {
        write(log, front, setup, sent());
    }
}

/// A function of its own, so that the callers need no room for a line on their stacks.
#[inline(never)]
fn write(log: &AccessLog, front: &Frozen<'_>, setup: &Setup, sent: Sent) {
    let took = Duration::from_nanos(now_ns().saturating_sub(front.ticket.began));
    let began = SystemTime::now().checked_sub(took);
    let line = line(
        front,
        setup,
        sent,
        Utc::of(began.unwrap_or(SystemTime::UNIX_EPOCH)),
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    );
    log.append(&line);
}

fn line(front: &Frozen<'_>, setup: &Setup, sent: Sent, began: Utc, micros: u64) -> Line {
    let mut line = Line::new();
    let params = &front.params;
    let visitor = Visitor {
        params,
        trusted: &setup.trusted_proxies,
    };
    let address = visitor.remote_addr().map(str::as_bytes);
    line.push_word(address.unwrap_or(b"-"), MAX_ADDRESS);
    line.push(b" - ");
    // nginx's own fastcgi_params send it empty for everybody who has not logged in.
    let user = params.get(b"REMOTE_USER").filter(|user| !user.is_empty());
    line.push_word(user.unwrap_or(b"-"), MAX_USER);
    push_time(&mut line, began);
    push_request(&mut line, front);
    push_number(&mut line, sent.status.into());
    line.push(b" ");
    match sent.bytes {
        0 => line.push(b"-"),
        bytes => push_number(&mut line, bytes),
    }
    for name in ["Referer", "User-Agent"] {
        line.push(b" \"");
        line.push_quoted(params.header(name).unwrap_or(b"-"), MAX_HEADER);
        line.push(b"\"");
    }
    line.push(b" ");
    push_number(&mut line, micros);
    line.push(b" ");
    push_number(&mut line, std::process::id().into());
    line.push(b"-");
    push_number(&mut line, front.ticket.id.number());
    line.push(b"\n");
    line
}

/// ` [21/Nov/2026:01:02:03 +0000] `
fn push_time(line: &mut Line, time: Utc) {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    line.push(b" [");
    push_two(line, time.day);
    line.push(b"/");
    line.push(MONTHS[(time.month as usize).clamp(1, 12) - 1]);
    line.push(b"/");
    push_number(line, time.year);
    for part in [time.hour, time.minute, time.second] {
        line.push(b":");
        push_two(line, part);
    }
    line.push(b" +0000] ");
}

/// `"GET /news?page=2 HTTP/1.1" `
fn push_request(line: &mut Line, front: &Frozen<'_>) {
    let known = |known| front.params.known(known);
    let Some(method) = known(Known::RequestMethod) else {
        return line.push(b"\"-\" ");
    };
    line.push(b"\"");
    line.push_quoted(method, MAX_METHOD);
    line.push(b" ");
    match known(Known::RequestUri) {
        Some(target) => line.push_quoted(target, MAX_TARGET),
        None => push_path(line, front),
    }
    line.push(b" ");
    let protocol = front.params.get(b"SERVER_PROTOCOL");
    line.push_quoted(protocol.unwrap_or(b"HTTP/1.0"), MAX_PROTOCOL);
    line.push(b"\" ");
}

/// For a web server that sends no REQUEST_URI: what it sends in its place.
fn push_path(line: &mut Line, front: &Frozen<'_>) {
    let known = |known| front.params.known(known).unwrap_or_default();
    line.push_quoted(known(Known::ScriptName), MAX_TARGET / 4);
    line.push_quoted(known(Known::PathInfo), MAX_TARGET / 4);
    let query = known(Known::QueryString);
    if !query.is_empty() {
        line.push(b"?");
        line.push_quoted(query, MAX_TARGET / 4);
    }
}

fn push_number(line: &mut Line, number: u64) {
    line.push(Decimal::of(number).as_bytes());
}

fn push_two(line: &mut Line, number: u64) {
    if number < 10 {
        line.push(b"0");
    }
    push_number(line, number);
}
