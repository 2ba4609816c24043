//! The addresses that the program would listen on: whether it could make its sockets, who listens there now, and whether the
//! web server could connect. Nothing is connected to: the kernel's tables say who listens.

use super::listening;
use super::person::{Node, Person, RUN, WRITE, group_name_of, name_of, way_to};
use super::{Findings, Subject};
use crate::cli::words::words;
use crate::net::{Address, Permit, is_swept, refuse_public};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What is at the path of a socket.
#[derive(Debug)]
pub(super) enum There {
    Nothing,
    /// Something that is no socket.
    Else,
    /// A socket on which somebody listens, and its inode.
    Listening(Node, u64),
    /// A socket on which nobody listens.
    Stale(Node),
}

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let addresses = &subject.server.listen;
    if addresses.is_empty() {
        return report.green(
            "no address is given: whoever starts the program makes the socket, and leaves it on fd 0",
        );
    }
    for address in addresses {
        match address {
            Address::Unix(_) => of_file(subject, address, report),
            Address::Tcp(tcp) => of_tcp(subject, address, *tcp, report),
            Address::Fd(fd) => report.green(words!("fd:{fd} is what the starter passes on")),
        }
    }
}

fn of_file(subject: &Subject, address: &Address, report: &mut Findings) {
    let here = std::env::current_dir().unwrap_or_default();
    let Address::Unix(path) = address.resolved(&here) else {
        return;
    };
    let Some(me) = Person::of_process("self") else {
        return;
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) => return unseen(address, folder, &error, report),
    };
    let folder = Node::of(folder, &found);
    let there = look(&path);
    of_folder(&folder, &there, &me, report);
    state(address, &there, &folder, &me, report);
    if is_swept(folder.path) {
        report.yellow(
            words!("{} is emptied now and then, and services with a private one (PrivateTmp) do not see it", folder.path.display()),
            "choose a folder below /run",
        );
    }
    let socket = match &there {
        There::Listening(node, _) => Some(*node),
        There::Nothing | There::Stale(_) => to_be_made(&subject.server.permit, &path, &me),
        There::Else => None,
    };
    if let Some(socket) = socket {
        let way = way_to(&path);
        for person in &subject.people {
            connects(subject, person, &socket, &way, report);
        }
    }
}

/// The folder of a socket cannot be looked at.
fn unseen(address: &Address, folder: &Path, error: &io::Error, report: &mut Findings) {
    let folder = folder.display();
    match error.kind() {
        ErrorKind::NotFound => report.red(
            words!("the folder {folder} of {address} is not there"),
            words!("mkdir {folder}; systemd: RuntimeDirectory="),
        ),
        _ => report.red(
            words!("cannot look at {folder}, the folder of {address}: {error}"),
            "check as a user who may enter it, or as root; who starts the program has to be allowed to as well",
        ),
    }
}

/// What is at this path now.
pub(super) fn look(path: &Path) -> There {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return There::Nothing,
        Err(_) => return There::Nothing,
        Ok(found) => found,
    };
    if !found.file_type().is_socket() {
        return There::Else;
    }
    let node = Node::of(path, &found);
    match listening::at_path(path) {
        Some(inode) => There::Listening(node, inode),
        None => There::Stale(node),
    }
}

/// Whether the program can make its socket in this folder, and nobody else can replace it.
fn of_folder(folder: &Node, there: &There, me: &Person, report: &mut Findings) {
    let path = folder.path.display();
    if folder.mode & OTHERS_WRITE != 0 && folder.mode & STICKY == 0 {
        report.red(
            words!("everybody may replace the socket: {path} can be written by all"),
            words!("chmod o-w {path}"),
        );
    }
    if !matches!(there, There::Listening(..)) && !me.may(WRITE | RUN, folder) {
        report.red(
            words!(
                "{} cannot make a socket in {path} ({})",
                me.name,
                folder.described()
            ),
            words!(
                "start it as {}, or: chown {} {path}",
                name_of(folder.uid),
                me.name
            ),
        );
    }
}

/// What is at the address now, and what the start does with it.
fn state(address: &Address, there: &There, folder: &Node, me: &Person, report: &mut Findings) {
    match there {
        There::Nothing => report.green(words!("{address} is not there yet, and made at the start")),
        There::Else => report.red(
            words!("{address} is no socket, and no start replaces it"),
            "remove what is there, or choose another path",
        ),
        There::Listening(node, inode) => report.green(words!(
            "{address} is listened on by {} ({})",
            listening::holder(*inode, node.uid),
            node.described()
        )),
        There::Stale(node) => {
            let what = words!(
                "{address} is a socket on which nobody listens ({})",
                node.described()
            );
            let is_theirs = me.uid != 0 && me.uid != node.uid && me.uid != folder.uid;
            match is_theirs && (folder.mode & STICKY != 0 || !me.may(WRITE | RUN, folder)) {
                true => report.red(
                    words!("{what}, and {} may not remove it", me.name),
                    words!(
                        "as {} or root: rm {}",
                        name_of(node.uid),
                        node.path.display()
                    ),
                ),
                false => report.yellow(
                    words!("{what}: whoever made it was killed"),
                    "start the program, which takes it over",
                ),
            }
        }
    }
}

/// The socket file as the program would make it. Its mode is an estimate: whoever really starts it may have another umask.
fn to_be_made(permit: &Permit, path: &Path, me: &Person) -> Option<Node> {
    let owner = permit
        .owner
        .as_ref()
        .map(|owner| owner.numbers())
        .transpose();
    let (user, group) = owner.ok()?.unwrap_or((None, None));
    let own_group = *me.groups.first()?;
    // What the usual umask of 022 leaves of 0660, unless a group is named.
    let usual = if group.is_some() { 0o660 } else { 0o640 };
    Some(Node {
        path: path.to_owned().leak(),
        mode: permit.mode.unwrap_or(usual),
        uid: user.unwrap_or(me.uid),
        gid: group.unwrap_or(own_group),
        is_folder: false,
    })
}

/// Whether somebody could connect to a socket; `way` are the folders that lead to it.
pub(super) fn connects(
    subject: &Subject,
    person: &Person,
    socket: &Node,
    way: &[Node],
    report: &mut Findings,
) {
    let (name, path) = (&person.name, socket.path.display());
    if let Some(folder) = person.stopped_at(way) {
        return subject.refused(
            words!(
                "{name} cannot enter {} ({})",
                folder.path.display(),
                folder.described()
            ),
            words!(
                "chmod o+x {}, or choose a folder below /run",
                folder.path.display()
            ),
            report,
        );
    }
    match person.may(WRITE, socket) {
        true => report.green(words!("{name} may connect to {path}")),
        false => subject.refused(
            words!(
                "{name} may not connect to {path} ({}:{}): \"Permission denied\", a 502 or 503",
                socket.described(),
                group_name_of(socket.gid)
            ),
            // The socket is the group's already.
            if person.groups.contains(&socket.gid) {
                "--socket-mode 660, or leave --socket-mode out (php-fpm: listen.mode)"
            } else {
                words!(
                "--socket-owner :{}, which gives the socket to its group (php-fpm: listen.group and listen.mode); the program's user has to be in it",
                person.group()
                )
            },
            report,
        ),
    }
}

fn of_tcp(subject: &Subject, address: &Address, tcp: SocketAddr, report: &mut Findings) {
    if let Err(error) = refuse_public(address, !subject.server.allow.is_empty()) {
        report.red(words!("{error}"), "listen on 127.0.0.1 or a unix socket");
    }
    if tcp.port() < 1024
        && tcp.port() != 0
        && Person::of_process("self").is_some_and(|me| me.uid != 0)
    {
        report.yellow(
            words!("{address}: only root may listen on a port below 1024"),
            "choose a higher one",
        );
    }
    match listening::at_port(tcp) {
        Some((uid, inode)) => report.green(words!(
            "{address} is listened on by {}",
            listening::holder(inode, uid)
        )),
        None => report.green(words!("nobody listens on {address} yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn node(mode: u32, uid: u32) -> Node {
        Node {
            path: Path::new("/run/x"),
            mode,
            uid,
            gid: uid,
            is_folder: true,
        }
    }

    fn person(uid: u32) -> Person {
        Person {
            name: "ada",
            uid,
            groups: vec![uid].leak(),
        }
    }

    #[test]
    fn a_stale_socket_is_taken_over_unless_it_is_somebody_elses() {
        let address: Address = "unix:/run/x/s".parse().unwrap();
        let judged = |there: &There, folder: &Node, me: &Person| {
            Findings::one(|report| state(&address, there, folder, me, report)).level
        };
        for (owner, folder, who, level) in [
            (1, node(0o755, 1), 1, Level::Yellow),
            (2, node(0o1777, 0), 1, Level::Red),
            (2, node(0o755, 0), 1, Level::Red),
            (2, node(0o755, 1), 1, Level::Yellow),
            (2, node(0o755, 2), 0, Level::Yellow),
        ] {
            let there = There::Stale(node(0o660, owner));
            assert_eq!(judged(&there, &folder, &person(who)), level);
        }
        assert_eq!(
            judged(&There::Else, &node(0o755, 1), &person(1)),
            Level::Red
        );
    }

    #[test]
    fn a_folder_that_cannot_be_seen_may_be_there() {
        let address: Address = "unix:/run/x/s".parse().unwrap();
        let of = |kind: ErrorKind| {
            let look =
                |report: &mut Findings| unseen(&address, Path::new("/run/x"), &kind.into(), report);
            Findings::one(look).what
        };
        assert!(of(ErrorKind::NotFound).ends_with("is not there"));
        assert!(of(ErrorKind::PermissionDenied).starts_with("cannot look at /run/x"));
    }

    #[test]
    fn what_will_be_made_is_for_the_group_that_is_named() {
        let path = Path::new("/run/x/s");
        let plain = to_be_made(&Permit::default(), path, &person(7)).unwrap();
        assert!(!person(33).may(WRITE, &plain) && person(7).may(WRITE, &plain));
        let permit = Permit {
            mode: None,
            owner: Some(":33".parse().unwrap()),
        };
        let given = to_be_made(&permit, path, &person(7)).unwrap();
        assert!(person(33).may(WRITE, &given) && !person(34).may(WRITE, &given));
        // Else it gets the group that every new file gets, and no other that its maker is in.
        let of_two = Person {
            groups: &[7, 33],
            ..person(7)
        };
        let permit = Permit {
            mode: Some(0o660),
            owner: None,
        };
        let own = to_be_made(&permit, path, &of_two).unwrap();
        assert_eq!((own.gid, person(33).may(WRITE, &own)), (7, false));
    }
}
