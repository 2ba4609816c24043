//! Why nobody can be reached at an address, and who listens near it.

use super::super::person::{Person, WEB_SERVERS, way_to};
use super::super::sockets::{self, There};
use super::super::{Finding, listening};
use super::LONGEST_CONNECT;
use crate::cli::nearest::distance;
use crate::cli::order::sort;
use crate::cli::words::words;
use crate::net::Address;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// So many neighbours are named.
const MOST: usize = 3;

pub(super) fn findings(address: &Address, error: &io::Error) -> Vec<Finding> {
    let neighbours = match address {
        Address::Unix(path) => near_paths(path),
        Address::Tcp(tcp) => near_ports(*tcp),
        Address::Fd(_) => Vec::new(),
    };
    let why = match address {
        Address::Unix(path) => of_path(path, error),
        _ => of_port(address, error),
    };
    let is_elsewhere = matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
    );
    let neighbours = neighbours.into_iter().filter(|_| is_elsewhere);
    [why].into_iter().chain(neighbours).collect()
}

fn of_path(path: &Path, error: &io::Error) -> Finding {
    let (shown, folder) = (path.display(), path.parent().unwrap_or(Path::new("/")));
    match (error.kind(), sockets::look(path)) {
        (ErrorKind::NotFound, _) if !folder.exists() => Finding::red(
            words!(
                "there is no unix:{shown}, and no folder {}",
                folder.display()
            ),
            "start the application (systemd: RuntimeDirectory= makes a folder below /run), or name the socket that it made",
        ),
        (ErrorKind::NotFound, _) => Finding::red(
            words!("there is no unix:{shown}"),
            "start the application, or name the socket that it made: its --listen, php-fpm's listen =",
        ),
        (ErrorKind::PermissionDenied, _) => denied(path),
        (ErrorKind::ConnectionRefused, There::Else) => Finding::red(
            words!("unix:{shown} is no socket"),
            "name the socket that the application made",
        ),
        (ErrorKind::ConnectionRefused, _) => Finding::red(
            words!("nobody listens on unix:{shown} any more: whoever made it has ended"),
            "start the application, and see its log for why it ended",
        ),
        (ErrorKind::TimedOut, _) => Finding::red(
            words!("unix:{shown} took no connection for {LONGEST_CONNECT:?}: its queue is full"),
            "all its workers are busy, or it hangs; start more of them",
        ),
        _ => Finding::red(words!("{error}"), "name a stream socket of an application"),
    }
}

/// By the modes, as far as they can be looked at.
fn denied(path: &Path) -> Finding {
    let shown = path.display();
    let Some(me) = Person::of_process("self") else {
        return Finding::red(
            words!("may not connect to unix:{shown}"),
            "ask as the web server's user",
        );
    };
    let way = way_to(path);
    if let Some(folder) = me.stopped_at(&way) {
        return Finding::red(
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
    Finding::red(
        words!("{} may not connect to unix:{shown}{mode}", me.name),
        words!(
            "--socket-owner :{}, which gives the socket to its group (php-fpm: listen.group); or ask as the web server's user",
            me.group()
        ),
    )
}

fn of_port(address: &Address, error: &io::Error) -> Finding {
    match error.kind() {
        ErrorKind::ConnectionRefused => Finding::red(
            words!("nobody listens on {address}"),
            "start the application, or name the port that it listens on",
        ),
        ErrorKind::TimedOut => Finding::red(
            words!("{address} did not answer for {LONGEST_CONNECT:?}"),
            "a firewall drops what is sent there, the machine is off, or the queue is full",
        ),
        _ => Finding::red(
            words!("{error}"),
            "name an address that can be reached from here",
        ),
    }
}

/// The sockets whose names are most like it, or that lie in its folder.
fn near_paths(path: &Path) -> Vec<Finding> {
    let sockets = listening::unix();
    let paths = sockets.iter().map(|(_, other)| other.as_path());
    let told = nearest(path, paths).into_iter().map(|near| {
        let inode = sockets.iter().find(|(_, other)| *other == near);
        let inode = inode.map_or(0, |(inode, _)| *inode);
        let uid = fs::metadata(&near).map_or(0, |found| found.uid());
        neighbour(
            words!("unix:{}", near.display()),
            listening::holder(inode, uid),
        )
    });
    told.collect()
}

fn nearest<'p>(path: &Path, others: impl Iterator<Item = &'p Path>) -> Vec<PathBuf> {
    let folder = path.parent();
    let mut near: Vec<(usize, &Path)> = others
        .filter_map(|other| {
            let (name, wanted) = (text(other.file_name()?), text(path.file_name()?));
            let far = distance(&name, &wanted);
            let is_alike = far <= name.len().max(wanted.len()) / 3;
            let is_beside = other.parent() == folder;
            (is_alike || is_beside).then_some((far, other))
        })
        .collect();
    sort(&mut near, |one, other| one > other);
    near.dedup();
    let near = near.into_iter().take(MOST);
    near.map(|(_, other)| other.to_owned()).collect()
}

/// On this machine; of others nothing is known.
fn near_ports(wanted: SocketAddr) -> Vec<Finding> {
    let mut ports = listening::tcp();
    if !wanted.ip().is_loopback() && !ports.iter().any(|(other, ..)| other.ip() == wanted.ip()) {
        return Vec::new();
    }
    let far = |port: u16| {
        let mistyped = distance(&port.to_string(), &wanted.port().to_string());
        usize::from(port.abs_diff(wanted.port())).min(mistyped * 10)
    };
    ports.retain(|(other, ..)| far(other.port()) <= 10);
    sort(&mut ports, |(one, ..), (other, ..)| {
        (far(one.port()), one) > (far(other.port()), other)
    });
    let told = ports
        .into_iter()
        .map(|(other, uid, inode)| (other, listening::holder(inode, uid)));
    told.filter(|(_, holder)| !is_web_server(holder))
        .take(MOST)
        .map(|(other, holder)| neighbour(words!("{other}"), holder))
        .collect()
}

/// Those take http there.
fn is_web_server(holder: &str) -> bool {
    let name = holder.split(' ').next().unwrap_or("");
    WEB_SERVERS.contains(&name)
}

fn neighbour(address: &str, holder: &str) -> Finding {
    Finding::yellow(
        words!("{address} is listened on, by {holder}"),
        words!("if that is the application: --connect {address}"),
    )
}

fn text(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().into_owned()
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
