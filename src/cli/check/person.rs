//! Users as the kernel sees them, and what the modes of files let them do. The concerns of `check` ask what the web server's
//! user may do.

use super::{acl, text_of};
use crate::cli::order::sort;
use crate::cli::words::{Words, words};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What somebody may do, in the bits of a mode.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
/// For a folder it means to enter it.
pub(super) const RUN: u32 = 1;

/// The names of processes that are web servers, on Debian, on Red Hat and as their authors build them. fcgi-pm is the part of
/// Apache that mod_fastcgi starts.
pub(super) const WEB_SERVERS: [&str; 10] = [
    "apache2",
    "httpd",
    "fcgi-pm",
    "nginx",
    "lighttpd",
    "lighttpd-angel",
    "haproxy",
    "caddy",
    "h2o",
    "cherokee-worker",
];

/// A user, with whose eyes files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: Words,
    pub(super) uid: u32,
    /// All groups; the one that new files get is first.
    pub(super) groups: &'static [u32],
}

/// A file or folder, as far as it matters to who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: &'static Path,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) is_folder: bool,
}

impl Person {
    /// The user of the process with this number; `self` is this process.
    pub(super) fn of_process(process: &str) -> Option<Person> {
        let status = text_of(Path::new(&format!("/proc/{process}/status")))?;
        let (uid, groups) = ids(status)?;
        Some(Person {
            name: name_of(uid),
            uid,
            groups: groups.leak(),
        })
    }

    /// The user of this name in /etc/passwd, or of this number.
    ///
    /// # Errors
    /// One sentence, for a name that is not there.
    pub(super) fn named(text: &str) -> Result<Person, Words> {
        let (users, groups) = (accounts_of("/etc/passwd"), accounts_of("/etc/group"));
        find(text, &users, &groups).ok_or_else(|| {
            words!(
                "--as: there is no user {text:?} in /etc/passwd; name one that is, or write a number"
            )
        })
    }

    /// The users of the web servers that run here now, each once; but not root.
    pub(super) fn web_servers() -> Vec<Person> {
        let mut found: Vec<Person> = Vec::new();
        for process in processes() {
            let Some(name) = text_of(Path::new(&format!("/proc/{process}/comm"))) else {
                continue;
            };
            if !is_web_server(name.trim_end()) {
                continue;
            }
            if let Some(person) = Person::of_process(&process.to_string())
                && person.uid != 0
                && !found.iter().any(|other| other.uid == person.uid)
            {
                found.push(person);
            }
        }
        found
    }

    /// The name of the user's first group, which may be another than the user's: nobody's is nogroup. Its number, if it has no
    /// name.
    pub(super) fn group(&self) -> String {
        group_name_of(self.groups.first().copied().unwrap_or(self.uid))
    }

    /// Whether the user may do what is `wanted`. An access control list decides, if there is one; else the first of owner,
    /// group and others that the user is. Root may do everything, except run a file that nobody may run.
    pub(super) fn may(&self, wanted: u32, node: &Node) -> bool {
        if self.uid == 0 {
            return wanted & RUN == 0 || node.is_folder || node.mode & 0o111 != 0;
        }
        let listed = acl::lets(self, wanted, node.path, node.uid, node.gid);
        if let Some(is_let) = listed {
            return is_let;
        }
        let shift = match () {
            () if self.uid == node.uid => 6,
            () if self.groups.contains(&node.gid) => 3,
            () => 0,
        };
        node.mode >> shift & wanted == wanted
    }

    /// The first folder of a way to a file that this user cannot enter.
    pub(super) fn stopped_at<'n>(&self, way: &'n [Node]) -> Option<&'n Node> {
        way.iter().find(|folder| !self.may(RUN, folder))
    }
}

impl Node {
    pub(super) fn at(path: &Path) -> io::Result<Node> {
        Ok(Node::of(path, &fs::metadata(path)?))
    }

    pub(super) fn of(path: &Path, found: &Metadata) -> Node {
        Node {
            path: path.to_owned().leak(),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            is_folder: found.is_dir(),
        }
    }

    /// `0750, of ada`.
    pub(super) fn described(&self) -> Words {
        words!("mode {:04o}, of {}", self.mode, name_of(self.uid))
    }
}

/// The folders above a path, from the root on; those are left out that cannot be looked at.
pub(super) fn way_to(path: &Path) -> Vec<Node> {
    let mut way = Vec::new();
    for folder in path.ancestors().skip(1) {
        way.extend(Node::at(folder));
    }
    way.reverse();
    way
}

/// Whether a process of that name is a web server.
pub(super) fn is_web_server(name: &str) -> bool {
    WEB_SERVERS.contains(&name)
}

/// The numbers of all processes that can be seen.
pub(super) fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers = Vec::new();
    for entry in entries {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        numbers.extend(number);
    }
    sort(&mut numbers, |one, other| one > other);
    numbers
}

/// The name of a user; the number, if it has none.
pub(super) fn name_of(uid: u32) -> Words {
    let users = accounts_of("/etc/passwd");
    let number = uid.to_string();
    let named = accounts(&users).find(|account| account.get(2) == Some(&number.as_str()));
    match named {
        Some(account) => words!("{}", account[0]),
        None => words!("user {uid}"),
    }
}

/// The text of /etc/passwd or /etc/group. A name in another encoding than UTF-8 does not make the rest unreadable.
fn accounts_of(file: &str) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The user of this name or number, in the texts of /etc/passwd and /etc/group. A number need not be in them.
fn find(text: &str, users: &str, groups: &str) -> Option<Person> {
    let number = text.parse::<u32>().ok();
    let is_wanted = |account: &Vec<&str>| match number {
        Some(number) => account.get(2).and_then(|uid| uid.parse().ok()) == Some(number),
        None => account.first() == Some(&text),
    };
    let Some(account) = accounts(users).find(is_wanted) else {
        return number.map(|uid| Person {
            name: words!("user {uid}"),
            uid,
            groups: &[],
        });
    };
    let name = account[0];
    let own = account.get(3).and_then(|gid| gid.parse().ok());
    let others = accounts(groups).filter_map(|group| {
        let is_member = group.get(3)?.split(',').any(|member| member == name);
        is_member.then(|| group[2].parse().ok())?
    });
    Some(Person {
        name: words!("{name}"),
        uid: account.get(2)?.parse().ok()?,
        groups: own.into_iter().chain(others).collect::<Vec<u32>>().leak(),
    })
}

/// The name of the group of that number in the text of /etc/group; else the number.
pub(super) fn group_name_of(number: u32) -> String {
    group_of(number, &accounts_of("/etc/group"))
}

fn group_of(number: u32, groups: &str) -> String {
    let wanted = number.to_string();
    let found = accounts(groups).find(|group| group.get(2) == Some(&&*wanted));
    found.map_or(wanted.clone(), |group| group[0].to_owned())
}

/// The fields of each line.
fn accounts(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

/// The effective user and all groups of a process, by the text of its status; the effective group is first.
fn ids(status: &str) -> Option<(u32, Vec<u32>)> {
    let numbers = |name: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().flat_map(str::parse).collect())
    };
    let uid = *numbers("Uid:")?.get(1)?;
    let first = numbers("Gid:")?.get(1).copied();
    let others = numbers("Groups:")?;
    Some((uid, first.into_iter().chain(others).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(uid: u32, groups: &[u32]) -> Person {
        Person {
            name: "",
            uid,
            groups: groups.to_vec().leak(),
        }
    }

    #[test]
    fn owner_before_group_before_others() {
        let node = |mode| Node {
            path: Path::new(""),
            mode,
            uid: 1000,
            gid: 33,
            is_folder: false,
        };
        for (mode, wanted, owner, group, other, root) in [
            (0o700, RUN, true, false, false, true),
            (0o070, RUN, false, true, false, true),
            (0o707, READ | RUN, true, false, true, true),
            (0o644, WRITE, true, false, false, true),
            (0o644, RUN, false, false, false, false),
        ] {
            let node = node(mode);
            let may = |uid, groups| person(uid, groups).may(wanted, &node);
            let told = (may(1000, &[33]), may(5, &[4, 33]), may(5, &[]), may(0, &[]));
            assert_eq!(told, (owner, group, other, root), "{mode:o}");
        }
    }

    #[test]
    fn a_user_is_found_with_all_groups() {
        let users = "root:x:0:0::/:\nwww-data:x:33:33:w:/:\n";
        let groups = "www-data:x:33:\napp:x:1000:ada,www-data\nx:x:7:www\n";
        let www = Person {
            name: "www-data",
            ..person(33, &[33, 1000])
        };
        assert_eq!(find("www-data", users, groups), Some(www));
        for number in ["33", "033", "+33"] {
            assert_eq!(find(number, users, groups), Some(www), "{number}");
        }
        assert_eq!(find("nobody", users, groups), None);
        assert_eq!(find("77", users, groups).unwrap().uid, 77);
    }

    #[test]
    fn a_group_has_a_name_of_its_own() {
        let groups = "www-data:x:33:\nnogroup:x:65534:\n";
        assert_eq!(group_of(65534, groups), "nogroup");
        assert_eq!(group_of(7, groups), "7");
    }

    #[test]
    fn a_process_tells_whose_it_is() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        assert_eq!(ids(status), Some((2, vec![6, 9, 10])));
        assert_eq!(
            Person::of_process("self").unwrap().uid,
            crate::net::sys::user()
        );
    }
}
