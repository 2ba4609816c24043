//! Why nobody can be reached at an address, and who listens at addresses that are like it. Called by `connect`.

use super::super::person::{Person, WEB_SERVERS, way_to};
use super::super::sockets::{self, There};
use super::super::{Findings, listening};
use super::LONGEST_CONNECT;
use crate::cli::nearest::distance;
use crate::cli::order::sort;
use crate::cli::words::words;
use crate::net::Address;
use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// So many addresses that are like it are named.
const MOST: usize = 3;

pub(super) fn findings(address: &Address, error: &io::Error, report: &mut Findings) {
    match address {
        Address::Unix(path) => of_path(path, error, report),
        _ => of_port(address, error, report),
    }
    let is_elsewhere = matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
    );
    match address {
        Address::Unix(path) if is_elsewhere => near_paths(path, report),
        Address::Tcp(tcp) if is_elsewhere => near_ports(*tcp, report),
        _ => {}
    }
}

fn of_path(path: &Path, error: &io::Error, report: &mut Findings) {
    let (shown, folder) = (path.display(), path.parent().unwrap_or(Path::new("/")));
    match (error.kind(), sockets::look(path)) {
        (ErrorKind::NotFound, _) if !folder.exists() => report.red(
            words!(
                "there is no unix:{shown}, and no folder {}",
                folder.display()
            ),
            "start the application (systemd: RuntimeDirectory= makes a folder below /run), or name the socket that it made",
        ),
        (ErrorKind::NotFound, _) => report.red(
            words!("there is no unix:{shown}"),
            "start the application, or name the socket that it made: its --listen, php-fpm's listen =",
        ),
        (ErrorKind::PermissionDenied, _) => denied(path, report),
        (ErrorKind::ConnectionRefused, There::Else) => report.red(
            words!("unix:{shown} is no socket"),
            "name the socket that the application made",
        ),
        (ErrorKind::ConnectionRefused, _) => report.red(
            words!("nobody listens on unix:{shown} any more: whoever made it has ended"),
            "start the application, and see its log for why it ended",
        ),
        (ErrorKind::TimedOut, _) => report.red(
            words!("unix:{shown} took no connection for {LONGEST_CONNECT:?}: its queue is full"),
            "all its workers are busy, or it hangs; start more of them",
        ),
        _ => report.red(words!("{error}"), "name a stream socket of an application"),
    }
}

/// Why this user may not connect, by the modes of folders and socket, as far as they can be looked at.
fn denied(path: &Path, report: &mut Findings) {
    let shown = path.display();
    let Some(me) = Person::of_process("self") else {
        return report.red(
            words!("may not connect to unix:{shown}"),
            "ask as the web server's user",
        );
    };
    let way = way_to(path);
    if let Some(folder) = me.stopped_at(&way) {
        return report.red(
            words!(
                "{} cannot enter {} ({}): unix:{shown} is out of reach",
                me.name,
                folder.path.display(),
                folder.described()
            ),
            words!(
                "chmod o+x {}, or ask as the web server's user",
                folder.path.display()
            ),
        );
    }
    let mode = match sockets::look(path) {
        There::Listening(node, _) | There::Stale(node) => words!(" ({})", node.described()),
        _ => "",
    };
    report.red(
        words!("{} may not connect to unix:{shown}{mode}", me.name),
        words!(
            "--socket-owner :{}, which gives the socket to its group (php-fpm: listen.group); or ask as the web server's user",
            me.group()
        ),
    )
}

fn of_port(address: &Address, error: &io::Error, report: &mut Findings) {
    match error.kind() {
        ErrorKind::ConnectionRefused => report.red(
            words!("nobody listens on {address}"),
            "start the application, or name the port that it listens on",
        ),
        ErrorKind::TimedOut => report.red(
            words!("{address} did not answer for {LONGEST_CONNECT:?}"),
            "a firewall drops what is sent there, the machine is off, or the queue is full",
        ),
        _ => report.red(
            words!("{error}"),
            "name an address that can be reached from here",
        ),
    }
}

/// Tells of sockets that are like it.
fn near_paths(path: &Path, report: &mut Findings) {
    let sockets = listening::unix();
    let paths = sockets.iter().map(|(_, other)| other.as_path());
    for near in nearest(path, paths) {
        let inode = sockets.iter().find(|(_, other)| other == near);
        let inode = inode.map_or(0, |(inode, _)| *inode);
        let uid = fs::metadata(near).map_or(0, |found| found.uid());
        let holder = listening::holder(inode, uid);
        neighbour(words!("unix:{}", near.display()), holder, report);
    }
}

/// The sockets whose names are most like the wanted one's, or that are in its folder.
fn nearest<'p>(path: &Path, others: impl Iterator<Item = &'p Path>) -> Vec<&'p Path> {
    let folder = path.parent();
    let wanted = name_of(path);
    let mut near = Vec::new();
    for other in others {
        let name = name_of(other);
        let far = distance(&name, &wanted);
        let is_alike = far <= name.len().max(wanted.len()) / 3;
        if is_alike || other.parent() == folder {
            near.push((far, other.as_os_str()));
        }
    }
    sort(&mut near, |one, other| one > other);
    near.dedup();
    near.truncate(MOST);
    near.into_iter()
        .map(|(_, other)| Path::new(other))
        .collect()
}

/// Tells of ports that are like it, on this machine: of other machines nothing is known.
fn near_ports(wanted: SocketAddr, report: &mut Findings) {
    let mut ports = listening::tcp();
    if !wanted.ip().is_loopback() && !ports.iter().any(|(other, ..)| other.ip() == wanted.ip()) {
        return;
    }
    let far = |port: u16| {
        let mistyped = distance(&port.to_string(), &wanted.port().to_string());
        usize::from(port.abs_diff(wanted.port())).min(mistyped * 10)
    };
    ports.retain(|(other, ..)| far(other.port()) <= 10);
    sort(&mut ports, |(one, ..), (other, ..)| {
        (far(one.port()), one) > (far(other.port()), other)
    });
    let mut told = 0;
    for (other, uid, inode) in ports {
        let holder = listening::holder(inode, uid);
        if !is_web_server(holder) && told < MOST {
            neighbour(words!("{other}"), holder, report);
            told += 1;
        }
    }
}

/// Whether a web server listens there: it takes http, and is not the application.
fn is_web_server(holder: &str) -> bool {
    let name = holder.split(' ').next().unwrap_or("");
    WEB_SERVERS.contains(&name)
}

fn neighbour(address: &str, holder: &str, report: &mut Findings) {
    report.yellow(
        words!("{address} is listened on, by {holder}"),
        words!("if that is the application: --connect {address}"),
    )
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_server_is_not_taken_for_the_application() {
        assert!(is_web_server("nginx (process 7, of root)"));
        assert!(!is_web_server("nginx-app (process 7, of root)"));
        assert!(!is_web_server("a process that only ada and root may see"));
    }

    #[test]
    fn names_that_are_alike_are_found() {
        let others = [
            "/run/dbus/system_bus_socket",
            "/run/app/apq.sock",
            "/var/run/apps.sock",
            "/run/app/other",
            "/run/php/php8.2-fpm.sock",
        ];
        let found = |wanted: &str| {
            let others = others.iter().map(Path::new);
            let found = nearest(Path::new(wanted), others);
            let found = found.iter().map(|path| path.display().to_string());
            found.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            found("/run/app/app.sock"),
            "/run/app/apq.sock /var/run/apps.sock /run/app/other"
        );
        assert_eq!(found("/run/php-fpm.sock"), "/run/php/php8.2-fpm.sock");
        assert_eq!(found("/srv/nothing-alike"), "");
    }
}
