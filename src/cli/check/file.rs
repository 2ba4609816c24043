//! Whether the file can be run, and by whom: its mode, its owner, the folders on the way, the file system it lies on.

use super::person::{Node, Person, RUN, way_to};
use super::{Findings, Subject, text_of};
use crate::cli::words::words;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;
const SETS_USER_OR_GROUP: u32 = 0o6000;

/// The error for too many links: Linux's number on all machines but MIPS, Alpha and SPARC.
const ELOOP: i32 = 40;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let found = match fs::metadata(&subject.program) {
        Ok(found) => found,
        Err(error) => return missing(&subject.program, &error, report),
    };
    let node = Node::of(&subject.file, &found);
    if !found.is_file() {
        return report.red(
            words!("{} is no file", subject.program.display()),
            "name the program itself",
        );
    }
    let mut way = way_to(&subject.file);
    let folder = way.last().copied();
    for folder in way_to(&subject.program) {
        if !way.contains(&folder) {
            way.push(folder);
        }
    }
    runnable(&node, report);
    // A cause is told once: of a file that nobody may run it is not told again that each of them may not.
    let is_run = node.mode & 0o111 != 0;
    let is_anybodys = folder.is_none_or(|folder| is_anybodys(&subject.people, &folder, &node));
    for person in &subject.people {
        if is_run || person.stopped_at(&way).is_some() {
            reached(subject, person, is_anybodys, &node, &way, report);
        }
    }
    writable(&node, report);
    if let Some(folder) = folder {
        folder_writable(&folder, report);
    }
    mounted(&subject.file, report);
}

/// Whether there is a file that somebody may run.
pub(super) fn is_program(path: &Path) -> bool {
    Node::at(path).is_ok_and(|node| !node.is_folder && node.mode & 0o111 != 0)
}

fn missing(path: &Path, error: &std::io::Error, report: &mut Findings) {
    let is_link = path.is_symlink();
    match error.kind() {
        ErrorKind::NotFound if is_link => report.red(
            words!("{} is a link that leads nowhere", path.display()),
            "make it anew: ln -sf /path/of/the/program",
        ),
        // Stable Rust has no `ErrorKind` for it.
        _ if error.raw_os_error() == Some(ELOOP) => report.red(
            words!(
                "{} is a link that leads to itself, or through too many others",
                path.display()
            ),
            "make it anew: ln -sf /path/of/the/program",
        ),
        ErrorKind::NotFound | ErrorKind::NotADirectory => report.red(
            words!("there is no {}", path.display()),
            "upload it, or write its name as it is: large and small letters differ",
        ),
        _ => report.red(
            words!("cannot look at {}: {error}", path.display()),
            "check as a user who may enter its folder, or as root",
        ),
    }
}

fn runnable(node: &Node, report: &mut Findings) {
    let path = node.path.display();
    match node.mode & 0o111 {
        0 => report.red(
            words!(
                "{path} is not executable ({}): a web server answers 500 or 503",
                node.described()
            ),
            words!("chmod 755 {path}"),
        ),
        _ => report.green(node.described()),
    }
}

/// Whether one of those may run it who would: these people, or, by suexec, the user of its folder.
fn is_anybodys(people: &[Person], folder: &Node, node: &Node) -> bool {
    // suexec runs no file of another than the folder's user.
    let is_owners = node.uid == folder.uid && node.mode & 0o100 != 0;
    is_owners || people.iter().any(|person| person.may(RUN, node))
}

fn reached(
    subject: &Subject,
    person: &Person,
    is_anybodys: bool,
    node: &Node,
    way: &[Node],
    report: &mut Findings,
) {
    let name = &person.name;
    if let Some(folder) = person.stopped_at(way) {
        let path = folder.path.display();
        return subject.refused(
            words!("{name} cannot enter {path} ({})", folder.described()),
            words!("chmod o+x {path}, or put the program elsewhere"),
            report,
        );
    }
    if person.may(RUN, node) {
        return report.green(words!("{name} may run it"));
    }
    let what = words!("{name} may not run it ({})", node.described());
    let remedy = words!("chmod 755 {}", node.path.display());
    match is_anybodys {
        true => subject.refused(what, remedy, report),
        false => report.red(what, remedy),
    }
}

/// Whether others than the owner can change what is run: suexec refuses such a file.
fn writable(node: &Node, report: &mut Findings) {
    let path = node.path.display();
    if node.mode & OTHERS_WRITE != 0 {
        report.red(
            words!("everybody here can replace what {path} does, and suexec refuses it"),
            words!("chmod go-w {path}"),
        );
    } else if node.mode & GROUP_WRITES != 0 {
        report.yellow(
            words!("its group can write {path}: suexec refuses that"),
            words!("chmod go-w {path}"),
        );
    }
    if node.mode & SETS_USER_OR_GROUP != 0 {
        report.yellow(
            words!("{path} runs as its owner or group whoever starts it: suexec refuses that"),
            words!("chmod ug-s {path}"),
        );
    }
}

/// The same for the folder, in which the file can be replaced.
fn folder_writable(folder: &Node, report: &mut Findings) {
    let path = folder.path.display();
    match folder.mode {
        mode if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 => report.red(
            words!(
                "everybody here can put another program in its place: {path} is writable by all"
            ),
            words!("chmod go-w {path}"),
        ),
        mode if mode & (OTHERS_WRITE | GROUP_WRITES) != 0 => report.yellow(
            words!("others can write its folder {path}: suexec refuses that"),
            words!("chmod go-w {path}"),
        ),
        _ => {}
    }
}

fn mounted(file: &Path, report: &mut Findings) {
    let mounts = text_of(Path::new("/proc/self/mounts")).unwrap_or_default();
    if let Some(folder) = noexec(mounts, file) {
        report.red(
            words!(
                "nothing can be run below {}: it is mounted noexec",
                folder.display()
            ),
            "put the program on another file system, or have it mounted with exec",
        );
    }
}

/// Where the file system begins that a file lies on, if it runs no programs.
fn noexec(mounts: &str, file: &Path) -> Option<PathBuf> {
    let mut nearest: Option<(PathBuf, bool)> = None;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, folder, _, options, ..] = fields[..] else {
            continue;
        };
        let folder = PathBuf::from(unescaped(folder));
        let is_nearer = |(other, _): &(PathBuf, bool)| folder.starts_with(other);
        // Of two mounts at the same place the later one hides the earlier.
        if file.starts_with(&folder) && nearest.as_ref().is_none_or(is_nearer) {
            let is_noexec = options.split(',').any(|option| option == "noexec");
            nearest = Some((folder, is_noexec));
        }
    }
    nearest.and_then(|(folder, is_noexec)| is_noexec.then_some(folder))
}

/// A path of /proc/self/mounts as it is: blanks and the like are octal numbers there.
fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for (code, letter) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(code, letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn node(mode: u32) -> Node {
        Node {
            path: Path::new("/srv/app.fcgi"),
            mode,
            uid: 0,
            gid: 0,
            is_folder: false,
        }
    }

    #[test]
    fn the_mode_decides() {
        let levels = |mode| -> Vec<Level> {
            let all = Findings::of(|report| {
                runnable(&node(mode), report);
                writable(&node(mode), report);
                folder_writable(&node(mode), report);
            });
            all.iter().map(|finding| finding.level).collect()
        };
        use Level::{Green, Red, Yellow};
        assert_eq!(levels(0o755), [Green]);
        assert_eq!(levels(0o644), [Red]);
        assert_eq!(levels(0o775), [Green, Yellow, Yellow]);
        assert_eq!(levels(0o777), [Green, Red, Red]);
        assert_eq!(levels(0o4755), [Green, Yellow]);
        assert_eq!(levels(0o1777), [Green, Red, Yellow]);
    }

    /// Root's, mode 0700, in a folder of the site's user: no web server here may run it, and suexec may not, either.
    #[test]
    fn what_neither_a_web_server_nor_the_folders_user_may_run_is_nobodys() {
        let www = Person {
            name: "www-data",
            uid: 33,
            groups: &[33],
        };
        let folder = |uid| Node {
            uid,
            gid: uid,
            is_folder: true,
            ..node(0o755)
        };
        for (mode, uid, expected) in [
            (0o700, 1000, false),
            (0o755, 1000, true),
            (0o700, 0, true),
            (0o710, 0, true),
            (0o710, 33, false),
        ] {
            let found = is_anybodys(&[www], &folder(uid), &node(mode));
            assert_eq!(found, expected, "{mode:o} {uid}");
        }
    }

    #[test]
    fn the_nearest_mount_decides() {
        let mounts = "/dev/a / ext4 rw,relatime 0 0\ntmpfs /srv/my\\040site tmpfs rw,nosuid,noexec 0 0\n\
                      b /srv/my\\040site/bin ext4 rw,noexecutive 0 0\n";
        let at = |path: &str| noexec(mounts, Path::new(path));
        assert_eq!(at("/srv/my site/app.fcgi"), Some("/srv/my site".into()));
        assert_eq!(at("/srv/my site/bin/app.fcgi"), None);
        assert_eq!(at("/srv/my/app.fcgi"), None);
        let again = format!("{mounts}c / ext4 ro,noexec 0 0\n");
        assert_eq!(noexec(&again, Path::new("/app")), Some("/".into()));
    }
}
