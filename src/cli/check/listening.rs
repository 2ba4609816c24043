//! Who listens on this machine now, by the kernel's own tables, and whose processes those are. `sockets` and `connect` ask.

use super::person::{Person, name_of, processes};
use super::text_of;
use crate::cli::words::{Words, words};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The inode of the socket on which somebody listens at that path. The table has the path as it was written when it was bound.
pub(super) fn at_path(path: &Path) -> Option<u64> {
    let all = unix();
    let mut all = all.iter();
    all.find(|(_, bound)| is_same(bound, path))
        .map(|(inode, _)| *inode)
}

/// The user who listens on that port, and the socket's inode.
pub(super) fn at_port(wanted: SocketAddr) -> Option<(u32, u64)> {
    let is_it = |(address, ..): &(SocketAddr, u32, u64)| {
        address.port() == wanted.port()
            && (address.ip() == wanted.ip() || address.ip().is_unspecified())
    };
    let found = tcp().into_iter().find(is_it);
    found.map(|(_, uid, inode)| (uid, inode))
}

/// The inodes and paths of all unix sockets that have a path and on which somebody listens.
pub(super) fn unix() -> Vec<(u64, PathBuf)> {
    unix_of(&table_of("/proc/net/unix"))
}

/// All TCP addresses on which somebody listens, with the user and the socket's inode.
pub(super) fn tcp() -> Vec<(SocketAddr, u32, u64)> {
    let mut all = tcp_of(&table_of("/proc/net/tcp"));
    all.extend(tcp_of(&table_of("/proc/net/tcp6")));
    all
}

/// In words: the process that has the socket of that inode open, and its user; or who `uid` is, where this user may not see
/// that process.
pub(super) fn holder(inode: u64, uid: u32) -> Words {
    let link = words!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let fds = fs::read_dir(words!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|path| path.as_os_str() == link)
    };
    match processes().into_iter().find(has_it) {
        Some(pid) => {
            let name = text_of(Path::new(words!("/proc/{pid}/comm"))).unwrap_or_default();
            let user = Person::of_process(&pid.to_string()).map_or(uid, |person| person.uid);
            words!("{} (process {pid}, of {})", name.trim_end(), name_of(user))
        }
        None => words!("a process that only {} and root may see", name_of(uid)),
    }
}

/// A table of the kernel's, whole. `text_of` would cut it: a busy machine has more than ten thousand sockets.
fn table_of(path: &str) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether two paths are those of one file: its folder may have several names.
fn is_same(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| fs::canonicalize(path.parent()?).ok();
    one == other
        || (one.file_name() == other.file_name()
            && folder(one).is_some()
            && folder(one) == folder(other))
}

fn unix_of(table: &str) -> Vec<(u64, PathBuf)> {
    let listening = |line: &str| {
        let fields: Vec<&str> = line.splitn(8, ' ').collect();
        let [_, _, _, flags, _, _, rest @ ..] = &fields[..] else {
            return None;
        };
        // The inode is padded to five places.
        let rest = rest.join(" ");
        let (inode, bound) = rest.trim_start().split_once(' ')?;
        // __SO_ACCEPTCON
        let listens = u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0;
        (listens && bound.starts_with('/')).then(|| Some((inode.parse().ok()?, bound.into())))?
    };
    let mut all = Vec::new();
    for line in table.lines() {
        all.extend(listening(line));
    }
    all
}

fn tcp_of(table: &str) -> Vec<(SocketAddr, u32, u64)> {
    let listening = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (fields.get(1)?, fields.get(3)?);
        // TCP_LISTEN
        (*state == "0A").then(|| {
            let (uid, inode) = (fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?);
            Some((socket_address(local)?, uid, inode))
        })?
    };
    let mut all = Vec::new();
    for line in table.lines() {
        all.extend(listening(line));
    }
    all
}

/// Reads `0100007F:2328`. The address is in words of 32 bits, with the bytes in this machine's order.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for word in ip.as_bytes().chunks(8) {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03 17 /run/nowhere/a b\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01    18 /run/nowhere/a b\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01    19 @hidden\n";
        assert_eq!(unix_of(table), [(18, "/run/nowhere/a b".into())]);
        let line = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 77 1\n";
        if cfg!(target_endian = "little") {
            let address = "127.0.0.1:9000".parse().unwrap();
            assert_eq!(tcp_of(line), [(address, 33, 77)]);
            assert_eq!(tcp_of(&line.replace(" 0A ", " 01 ")), []);
            let any = line.replace("0100007F", &"0".repeat(32));
            assert_eq!(tcp_of(&any), [("[::]:9000".parse().unwrap(), 33, 77)]);
        }
    }

    /// More than any text file is read to, which cut off the last of 12,000 sockets: they were taken to be nobody's.
    #[test]
    fn a_table_of_any_size_is_read_to_its_end() {
        let this = "/proc/self/exe";
        let size = fs::metadata(this).unwrap().len();
        assert!(size > super::super::LARGEST_TEXT);
        assert!(table_of(this).len() as u64 >= size);
    }

    #[test]
    fn one_file_may_have_two_names() {
        assert!(is_same(Path::new("/proc/self/../x"), Path::new("/proc/x")));
        assert!(!is_same(Path::new("/proc/x"), Path::new("/proc/y")));
        assert!(!is_same(Path::new("/nowhere/x"), Path::new("/nobody/x")));
    }
}
