//! `--connect`: an application of any kind that listens somewhere, asked as a web server asks it. Called by `check`.
//!
//! Only that address is connected to, and all that is asked is GET_VALUES and GET `/`.

mod answer;
mod pace;
mod refusal;
mod values;

use super::person::{Person, way_to};
use super::progress::Progress;
use super::sockets::{self, There};
use super::{Finding, Subject, listening};
use crate::cli::script::Script;
use crate::cli::words::{Words, words};
use crate::net::{Address, Transport};
use answer::Answer;
pub(super) use pace::shown;
use std::io;
use std::time::{Duration, Instant};
use values::Values;

/// A queue that is full, or a firewall that says nothing.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let Some(address) = &subject.connect else {
        return Vec::new();
    };
    let progress = Progress::new();
    progress.say(words!("asking {address}"));
    let begin = Instant::now();
    let connected = Transport::connect(address, LONGEST_CONNECT);
    let took = begin.elapsed();
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let me = match &connected {
        Err(error) if is_refused(error) => Person::of_process("self"),
        _ => None,
    };
    let mut findings = others(subject, address, me.as_ref());
    match connected {
        Err(error) => findings.extend(refusal::findings(address, &error)),
        Ok(transport) => {
            findings.push(Finding::green(words!(
                "{address} takes connections, within {}{}",
                shown(took),
                listener(address)
            )));
            findings.extend(conversation(address, subject.script.as_ref(), transport));
        }
    }
    findings
}

/// Whether those could connect with whose eyes is looked; but `me`, who has tried. A TCP port is open to all.
fn others(subject: &Subject, address: &Address, me: Option<&Person>) -> Vec<Finding> {
    let Address::Unix(path) = address else {
        return Vec::new();
    };
    let (There::Listening(socket, _) | There::Stale(socket)) = sockets::look(path) else {
        return Vec::new();
    };
    let way = way_to(path);
    let people = subject.people.iter();
    people
        .filter(|person| me.is_none_or(|me| me.uid != person.uid))
        .map(|person| sockets::connects(subject, person, &socket, &way))
        .collect()
}

/// Who answers there, as far as the kernel's tables tell.
fn listener(address: &Address) -> Words {
    let found = match address {
        Address::Unix(path) => match sockets::look(path) {
            There::Listening(node, inode) => Some((node.uid, inode)),
            _ => None,
        },
        Address::Tcp(tcp) if tcp.ip().is_loopback() => listening::at_port(*tcp),
        _ => None,
    };
    found.map_or("", |(uid, inode)| {
        words!("; it is listened on by {}", listening::holder(inode, uid))
    })
}

fn conversation(address: &Address, script: Option<&Script>, transport: Transport) -> Vec<Finding> {
    let values = values::ask(&transport);
    // An application of one process has nobody else for the next connection.
    drop(transport);
    let mut findings = vec![values.finding()];
    if let Values::Http(_) | Values::Foreign = values {
        return findings;
    }
    let first = match Answer::first(address, script) {
        Ok(first) => first,
        Err(error) => {
            findings.push(answer::failure(address, &error));
            return findings;
        }
    };
    findings.extend(first.findings(address));
    findings.extend(pace::findings(address, script, &first));
    findings
}
