//! The addresses that the program would listen on: their folders, who listens there now, and who could connect. Nothing is
//! connected to: the kernel's tables say who listens.

use super::person::{Node, Person, RUN, WRITE, name_of, processes, way_to};
use super::{Finding, Subject, text_of};
use crate::net::{Address, Permit, SWEPT, refuse_public};
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What is at the path of a socket.
#[derive(Debug)]
enum There {
    Nothing,
    /// Not a socket.
    Else,
    /// With the number of whoever listens.
    Listening(Node, u64),
    Stale(Node),
}

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let addresses = &subject.server.listen;
    if addresses.is_empty() {
        return vec![Finding::green(
            "no address is given: whoever starts the program makes the socket, and leaves it on fd 0",
        )];
    }
    let find = |address: &Address| match address {
        Address::Unix(_) => of_file(subject, address),
        Address::Tcp(tcp) => of_tcp(subject, address, *tcp),
        Address::Fd(fd) => vec![Finding::green(format!(
            "fd:{fd} is what the starter passes on"
        ))],
    };
    addresses.iter().flat_map(find).collect()
}

fn of_file(subject: &Subject, address: &Address) -> Vec<Finding> {
    let here = std::env::current_dir().unwrap_or_default();
    let Address::Unix(path) = address.resolved(&here) else {
        return Vec::new();
    };
    let Some(me) = Person::of_process("self") else {
        return Vec::new();
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let Ok(found) = fs::metadata(folder) else {
        return vec![Finding::red(
            format!("the folder {} of {address} is not there", folder.display()),
            format!("mkdir {}; systemd: RuntimeDirectory=", folder.display()),
        )];
    };
    let folder = Node::of(folder, &found);
    let there = look(&path);
    let mut findings = of_folder(&folder, &there, &me);
    findings.push(state(address, &there, &folder, &me));
    if swept(&folder.path) {
        findings.push(Finding::yellow(
            format!("{} is emptied now and then, and services with a private one (PrivateTmp) do not see it", folder.path.display()),
            "choose a folder below /run",
        ));
    }
    let socket = match &there {
        There::Listening(node, _) => Some(node.clone()),
        There::Nothing | There::Stale(_) => to_be_made(&subject.server.permit, &path, &me),
        There::Else => None,
    };
    if let Some(socket) = socket {
        let way = way_to(&path);
        findings.extend(
            subject
                .people
                .iter()
                .map(|person| connects(subject, person, &socket, &way)),
        );
    }
    findings
}

fn look(path: &Path) -> There {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return There::Nothing,
        Err(_) => return There::Nothing,
        Ok(found) => found,
    };
    if !found.file_type().is_socket() {
        return There::Else;
    }
    let node = Node::of(path, &found);
    let table = text_of(Path::new("/proc/net/unix")).unwrap_or_default();
    match listening(&table, path) {
        Some(inode) => There::Listening(node, inode),
        None => There::Stale(node),
    }
}

/// The socket's number in the kernel's table, if somebody listens at that path: it is there as it was bound.
fn listening(table: &str, path: &Path) -> Option<u64> {
    let is_it = |other: &str| {
        let other = Path::new(other);
        let same_folder = || {
            let folder = |path: &Path| fs::canonicalize(path.parent()?).ok();
            folder(other).is_some() && folder(other) == folder(path)
        };
        other == path || (other.file_name() == path.file_name() && same_folder())
    };
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.splitn(8, ' ').collect();
        let [_, _, _, flags, _, _, rest @ ..] = &fields[..] else {
            return None;
        };
        // The inode is padded to five places.
        let rest = rest.join(" ");
        let (inode, bound) = rest.trim_start().split_once(' ')?;
        // __SO_ACCEPTCON
        let listens = u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0;
        (listens && is_it(bound)).then(|| inode.parse().ok())?
    })
}

fn of_folder(folder: &Node, there: &There, me: &Person) -> Vec<Finding> {
    let path = folder.path.display();
    let mut findings = Vec::new();
    if folder.mode & OTHERS_WRITE != 0 && folder.mode & STICKY == 0 {
        findings.push(Finding::red(
            format!("everybody may replace the socket: {path} can be written by all"),
            format!("chmod o-w {path}"),
        ));
    }
    if !matches!(there, There::Listening(..)) && !me.may(WRITE | RUN, folder) {
        findings.push(Finding::red(
            format!(
                "{} cannot make a socket in {path} ({})",
                me.name,
                folder.described()
            ),
            format!(
                "start it as {}, or: chown {} {path}",
                name_of(folder.uid),
                me.name
            ),
        ));
    }
    findings
}

fn state(address: &Address, there: &There, folder: &Node, me: &Person) -> Finding {
    match there {
        There::Nothing => {
            Finding::green(format!("{address} is not there yet, and made at the start"))
        }
        There::Else => Finding::red(
            format!("{address} is no socket, and no start replaces it"),
            "remove what is there, or choose another path",
        ),
        There::Listening(node, inode) => Finding::green(format!(
            "{address} is listened on by {} ({})",
            holder(*inode, node.uid),
            node.described()
        )),
        There::Stale(node) => {
            let what = format!(
                "{address} is a socket on which nobody listens ({})",
                node.described()
            );
            let is_theirs = me.uid != 0 && me.uid != node.uid && me.uid != folder.uid;
            match is_theirs && (folder.mode & STICKY != 0 || !me.may(WRITE | RUN, folder)) {
                true => Finding::red(
                    format!("{what}, and {} may not remove it", me.name),
                    format!(
                        "as {} or root: rm {}",
                        name_of(node.uid),
                        node.path.display()
                    ),
                ),
                false => Finding::yellow(
                    format!("{what}: whoever made it was killed"),
                    "start the program, which takes it over",
                ),
            }
        }
    }
}

fn swept(folder: &Path) -> bool {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    SWEPT.iter().any(|swept| folder.starts_with(swept))
}

/// The socket file as the start would make it. The umask is another's at the real start.
fn to_be_made(permit: &Permit, path: &Path, me: &Person) -> Option<Node> {
    let owner = permit
        .owner
        .as_ref()
        .map(|owner| owner.numbers())
        .transpose();
    let (user, group) = owner.ok()?.unwrap_or((None, None));
    let own_group = *me.groups.last()?;
    // What the usual umask of 022 leaves of 0660, unless a group is named.
    let usual = if group.is_some() { 0o660 } else { 0o640 };
    Some(Node {
        path: path.to_owned(),
        mode: permit.mode.unwrap_or(usual),
        uid: user.unwrap_or(me.uid),
        gid: group.unwrap_or(own_group),
        is_folder: false,
    })
}

fn connects(subject: &Subject, person: &Person, socket: &Node, way: &[Node]) -> Finding {
    let (name, path) = (&person.name, socket.path.display());
    if let Some(folder) = person.stopped_at(way) {
        return subject.refused(
            format!(
                "{name} cannot enter {} ({})",
                folder.path.display(),
                folder.described()
            ),
            format!(
                "chmod o+x {}, or choose a folder below /run",
                folder.path.display()
            ),
        );
    }
    match person.may(WRITE, socket) {
        true => Finding::green(format!("{name} may connect to {path}")),
        false => subject.refused(
            format!(
                "{name} may not connect to {path} ({}): \"Permission denied\", a 502 or 503",
                socket.described()
            ),
            format!("--socket-owner :{name}, which gives the socket to its group"),
        ),
    }
}

fn of_tcp(subject: &Subject, address: &Address, tcp: SocketAddr) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = refuse_public(address, !subject.server.allow.is_empty()) {
        findings.push(Finding::red(
            error.to_string(),
            "listen on 127.0.0.1 or a unix socket",
        ));
    }
    if tcp.port() < 1024
        && tcp.port() != 0
        && Person::of_process("self").is_some_and(|me| me.uid != 0)
    {
        findings.push(Finding::yellow(
            format!("{address}: only root may listen on a port below 1024"),
            "choose a higher one",
        ));
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|table| text_of(Path::new(table)).unwrap_or_default());
    let found = tables.iter().find_map(|table| tcp_holder(table, tcp));
    findings.push(match found {
        Some((uid, inode)) => Finding::green(format!(
            "{address} is listened on by {}",
            holder(inode, uid)
        )),
        None => Finding::green(format!("nobody listens on {address} yet")),
    });
    findings
}

/// User and number of whoever listens there.
fn tcp_holder(table: &str, wanted: SocketAddr) -> Option<(u32, u64)> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (fields.get(1)?, fields.get(3)?);
        let address = socket_address(local)?;
        let is_it = address.port() == wanted.port()
            && (address.ip() == wanted.ip() || address.ip().is_unspecified());
        // TCP_LISTEN
        (is_it && *state == "0A")
            .then(|| Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?)))?
    })
}

/// `0100007F:2328`: words as the machine has them.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = ip
        .as_bytes()
        .chunks(8)
        .map(|word| {
            let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
            Some(word.to_ne_bytes())
        })
        .collect();
    let bytes = words?.concat();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The process that has a socket open, where this user may see it.
fn holder(inode: u64, uid: u32) -> String {
    let link = format!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|path| path.as_os_str() == link.as_str())
    };
    match processes().into_iter().find(has_it) {
        Some(pid) => {
            let name = text_of(Path::new(&format!("/proc/{pid}/comm"))).unwrap_or_default();
            format!("{} (process {pid})", name.trim_end())
        }
        None => format!("a process that only {} and root may see", name_of(uid)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn node(mode: u32, uid: u32) -> Node {
        Node {
            path: "/run/x".into(),
            mode,
            uid,
            gid: uid,
            is_folder: true,
        }
    }

    fn person(uid: u32) -> Person {
        Person {
            name: "ada".into(),
            uid,
            groups: vec![uid],
        }
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03 17 /run/nowhere/a b\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01    18 /run/nowhere/a b\n";
        assert_eq!(listening(table, Path::new("/run/nowhere/a b")), Some(18));
        assert_eq!(listening(table, Path::new("/run/nowhere/a")), None);
        let line = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 77 1\n";
        if cfg!(target_endian = "little") {
            let wanted = "127.0.0.1:9000".parse().unwrap();
            assert_eq!(tcp_holder(line, wanted), Some((33, 77)));
            assert_eq!(tcp_holder(&line.replace(" 0A ", " 01 "), wanted), None);
            assert_eq!(tcp_holder(line, "127.0.0.1:9001".parse().unwrap()), None);
            let any = line.replace("0100007F", &"0".repeat(32));
            assert_eq!(
                tcp_holder(&any, "[::1]:9000".parse().unwrap()),
                Some((33, 77))
            );
        }
    }

    #[test]
    fn a_stale_socket_is_taken_over_unless_it_is_somebody_elses() {
        let address: Address = "unix:/run/x/s".parse().unwrap();
        for (owner, folder, who, level) in [
            (1, node(0o755, 1), 1, Level::Yellow),
            (2, node(0o1777, 0), 1, Level::Red),
            (2, node(0o755, 0), 1, Level::Red),
            (2, node(0o755, 1), 1, Level::Yellow),
            (2, node(0o755, 2), 0, Level::Yellow),
        ] {
            let there = There::Stale(node(0o660, owner));
            assert_eq!(state(&address, &there, &folder, &person(who)).level, level);
        }
        assert_eq!(
            state(&address, &There::Else, &node(0o755, 1), &person(1)).level,
            Level::Red
        );
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
    }
}
