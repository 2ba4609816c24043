//! `--connect`: an application of any kind that listens somewhere is asked as a web server asks it. Called by `check`.
//!
//! Only that address is connected to, and only GET_VALUES (`values`) and GET `/` are asked (`answer`, and `pace` for how fast).
//! `refusal` tells why nobody could be reached.

mod answer;
mod pace;
mod refusal;
mod values;

use super::person::{Person, way_to};
use super::progress::Progress;
use super::sockets::{self, There};
use super::{Findings, Subject, listening};
use crate::cli::script::Script;
use crate::cli::words::{Words, words};
use crate::net::{Address, Transport};
use answer::Answer;
pub(super) use pace::shown;
use std::io;
use std::time::{Duration, Instant};
use values::Values;

/// So long is connecting tried. The application's queue may be full, or a firewall may drop what is sent.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let Some(address) = &subject.connect else {
        return;
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
    others(subject, address, me.as_ref(), report);
    match connected {
        Err(error) => refusal::findings(address, &error, report),
        Ok(transport) => {
            report.green(words!(
                "{address} takes connections, within {}{}",
                shown(took),
                listener(address)
            ));
            conversation(address, subject.script.as_ref(), transport, report);
        }
    }
}

/// Whether the people could connect with whose eyes it is looked, by the modes of the socket and its folders. `me` has tried
/// already, and is left out. A TCP port is open to all.
fn others(subject: &Subject, address: &Address, me: Option<&Person>, report: &mut Findings) {
    let Address::Unix(path) = address else {
        return;
    };
    // Of one on which nobody listens the rights do not matter any more.
    let There::Listening(socket, _) = sockets::look(path) else {
        return;
    };
    let way = way_to(path);
    for person in &subject.people {
        if me.is_none_or(|me| me.uid != person.uid) {
            sockets::connects(subject, person, &socket, &way, report);
        }
    }
}

/// Who listens there, as far as the kernel's tables tell.
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

/// Asks on the connection that was made, and on further ones.
fn conversation(
    address: &Address,
    script: Option<&Script>,
    transport: Transport,
    report: &mut Findings,
) {
    let values = values::ask(&transport);
    // An application of one process has nobody else for the next connection.
    drop(transport);
    values.finding(report);
    if let Values::Http(_) | Values::Foreign = values {
        return;
    }
    match Answer::first(address, script) {
        Ok(first) => {
            first.findings(address, report);
            pace::findings(address, script, &first, report);
        }
        Err(error) => answer::failure(address, &error, report),
    }
}
