//! A socket file, from its making to its end. [`Listener`](super::listener::Listener) has one for each path that it listens at.
//!
//! A socket file is made in an order in which at no moment a visitor or another starter is led astray. All of it happens
//! under an exclusive `flock` on the folder:
//!
//! 1. *Probe.* A socket that somebody answers on is left alone, and so is everything that is not a socket.
//! 2. *Unlink* a socket that nobody answers on: a program that was killed has left it behind.
//! 3. *Bind*, then *chmod* and *chown*. As long as the socket does not listen a connect is refused: so nobody gets in before the
//!    permissions are right, and no connection is lost.
//! 4. *Listen.*
//!
//! Between steps 3 and 4 the socket looks to another starter like the dead one of step 2: who connects is refused. That is why
//! the lock covers all four steps. A program that takes no such lock would lose its file here if it were caught between its own
//! bind and listen; `spawn-fcgi` and the like spend microseconds there.
//!
//! A path that has vanished under a socket that serves is bound again by steps 3 and 4 alone: whatever lies there by then is
//! somebody else's.

use super::address::check_path;
use super::folder::{LOCK_LIMIT, folder_of, lock, refused_by_folder};
use super::listener::BACKLOG;
use super::owner::Owner;
use super::refusal::{invalid, reword};
use super::sys;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The most that a new socket file allows if no mode is asked for: owner and group may connect. The umask takes away from it.
const DEFAULT_MODE: u32 = 0o660;

/// What the umask does not take away: a socket that we cannot connect to ourselves cannot be probed, and a program that was
/// killed would never start again.
const OWN_MODE: u32 = 0o600;

/// Who may connect to a socket file that we make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permit {
    /// The file's mode, exactly. Without it the mode is 0660 if `owner` names a group, and else what the umask leaves of 0660.
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<Owner>,
}

impl Permit {
    /// The mode for a file that the umask has left with the mode `found`. A group is named so that it may connect, for which
    /// it has to be allowed to write, and the usual umask of 022 would take that away.
    fn mode(&self, found: u32) -> u32 {
        match (self.mode, &self.owner) {
            (Some(mode), _) => mode,
            (None, Some(owner)) if owner.names_group() => DEFAULT_MODE,
            (None, _) => found & DEFAULT_MODE | OWN_MODE,
        }
    }
}

/// A socket file that we made. While its socket is open no other file is given the inode number.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute, so that it stays right when the current folder changes.
    pub(crate) path: PathBuf,
    /// Which file it is; another one when the path was bound again. Who reads these two between the two stores has the id of
    /// no file.
    device: AtomicU64,
    inode: AtomicU64,
    permit: Permit,
}

/// What is at the path of a socket file that we made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathIs {
    /// Our file, or nobody can tell.
    Ours,
    Vanished,
    SomebodyElses,
}

impl SocketFile {
    /// Makes a socket file, and a socket that listens there.
    ///
    /// # Errors
    /// When the path or its folder is no place for one, or somebody serves there. Nothing is left behind then.
    pub(super) fn bind(path: &Path, permit: &Permit) -> io::Result<(Socket, SocketFile)> {
        // Looked at before it is made absolute: an empty path would become the current folder.
        check_path(path)?;
        let path = path::absolute(path)?;
        check_path(&path)?;
        let folder = folder_of(&path);
        let _lock = lock(folder, LOCK_LIMIT)?;
        clear(folder, &path)?;
        let (socket, (device, inode)) = make(folder, &path, permit)?;
        let file = SocketFile {
            path,
            device: AtomicU64::new(device),
            inode: AtomicU64::new(inode),
            permit: permit.clone(),
        };
        Ok((socket, file))
    }

    /// Makes the file again, whose path has vanished, and another socket that listens there.
    ///
    /// # Errors
    /// As [`SocketFile::bind`]; `TimedOut` if another starter has locked the folder: the caller is a worker, and does not wait.
    pub(super) fn bind_again(&self) -> io::Result<Socket> {
        let folder = folder_of(&self.path);
        let _lock = lock(folder, Duration::ZERO)?;
        // The kernel refuses to bind where something lies by now, whatever that is.
        let (socket, (device, inode)) = make(folder, &self.path, &self.permit)?;
        self.device.store(device, Ordering::Relaxed);
        self.inode.store(inode, Ordering::Relaxed);
        Ok(socket)
    }

    /// Device and inode. Async-signal-safe.
    pub(crate) fn id(&self) -> (u64, u64) {
        (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        )
    }

    pub(super) fn look(&self) -> PathIs {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.id() => PathIs::Ours,
            Ok(_) => PathIs::SomebodyElses,
            // The folder may have gone with the file, and a file may lie in the folder's place.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                PathIs::Vanished
            }
            Err(_) => PathIs::Ours,
        }
    }

    /// Removes the file, if the one at its path is still the one that we made.
    pub(crate) fn unlink(&self) -> io::Result<()> {
        if self.look() != PathIs::Ours {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(reword(
                &error,
                format!("cannot remove the socket {}: {error}", self.path.display()),
            )),
            _ => Ok(()),
        }
    }
}

/// Steps 1 and 2. What lies at the path is removed if it is a socket that nobody answers on; anything else is left alone, and
/// refused.
fn clear(folder: &Path, path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused_by_folder(folder, &error)),
    };
    if !found.is_socket() {
        let kind = match () {
            () if found.is_dir() => "a folder",
            () if found.is_symlink() => "a symbolic link",
            () => "a file that is not a socket",
        };
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("there is {kind} of that name; move it away, or choose another path"),
        ));
    }
    // While a live socket's backlog is full a blocking connect would wait; this one fails with EAGAIN.
    let Err(error) = new_socket()?.connect(&SockAddr::unix(path)?) else {
        return Err(served());
    };
    match error.kind() {
        ErrorKind::WouldBlock => Err(served()),
        ErrorKind::ConnectionRefused => remove_dead(path),
        // Its owner has just stopped, and removed it.
        ErrorKind::NotFound => Ok(()),
        ErrorKind::PermissionDenied => Err(reword(
            &error,
            format!(
                "this user may not look whether the socket there is in use ({error}), and it may be another user's; \
                 choose another path, or remove it once you know that it is not"
            ),
        )),
        // It is a socket of another type, for one.
        _ => Err(reword(
            &error,
            format!(
                "nobody can tell whether the socket there is in use ({error}); remove it, or choose another path"
            ),
        )),
    }
}

fn served() -> io::Error {
    io::Error::new(
        ErrorKind::AddrInUse,
        "another process is serving there; stop it, or choose another path",
    )
}

fn remove_dead(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Its owner had unlinked it, and closed it just when we connected: that is why we were refused.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(reword(
            &error,
            format!(
                "the dead socket there cannot be removed ({error}); have it removed, or choose another path"
            ),
        )),
        Ok(()) => Ok(()),
    }
}

/// Steps 3 and 4: a socket that listens at the path, and the device and inode of its file. When that fails no file is left. The
/// caller has the folder's lock.
fn make(folder: &Path, path: &Path, permit: &Permit) -> io::Result<(Socket, (u64, u64))> {
    // Before anything is made: a name that is not known is an error.
    let numbers = permit.owner.as_ref().map(Owner::numbers).transpose()?;
    let socket = new_socket()?;
    socket
        .bind(&SockAddr::unix(path)?)
        .map_err(|error| refused_by_folder(folder, &error))?;
    let made = open_made(path).and_then(|made| {
        let found = made.metadata()?;
        // The mode before the owner: a file that was given away is no longer ours to change.
        let mode = permit.mode(found.mode());
        if mode != found.mode() & 0o7777 {
            set_mode(path, &made, mode)?;
        }
        if let (Some(owner), Some((user, group))) = (&permit.owner, numbers) {
            sys::change_owner(made.as_fd(), user, group)
                .map_err(|error| refused_owner(owner, &error))?;
        }
        socket.listen(BACKLOG)?;
        Ok((found.dev(), found.ino()))
    });
    match made {
        Ok(id) => Ok((socket, id)),
        Err(error) => {
            let found = fs::symlink_metadata(path);
            if found.is_ok_and(|found| found.file_type().is_socket()) {
                let _ = fs::remove_file(path);
            }
            Err(error)
        }
    }
}

/// The socket file that was just bound, so that its mode and owner are changed by descriptor. By its path they would be
/// changed of whatever lies there: anybody who may write in the folder could put a link to another file in its place, and have
/// root give that away.
fn open_made(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
        .open(path)?;
    let found = made.metadata()?;
    match found.file_type().is_socket() && found.nlink() == 1 {
        true => Ok(made),
        false => Err(invalid(
            "another process put something in its place at once; choose a folder that is yours alone",
        )),
    }
}

fn set_mode(path: &Path, made: &File, mode: u32) -> io::Result<()> {
    // fchmod takes no descriptor that was opened with O_PATH before Linux 6.6; chmod by the link to it does.
    let link = format!("/proc/self/fd/{}", made.as_raw_fd());
    let set = match fs::set_permissions(link, Permissions::from_mode(mode)) {
        // Nothing is mounted on /proc: by its path, then.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::set_permissions(path, Permissions::from_mode(mode))
        }
        set => set,
    };
    set.map_err(|error| {
        let reason =
            format!("its mode cannot be set to {mode:04o} ({error}); choose another folder");
        reword(&error, reason)
    })
}

fn refused_owner(owner: &Owner, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => {
            "name only a group, as in :www-data, and put its user there: usermod -aG GROUP USER"
        }
        _ => "choose another owner or another folder",
    };
    reword(
        error,
        format!("it cannot be given to {owner} ({error}); {advice}"),
    )
}

/// A socket that does not block, for children may share it later.
fn new_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Folder, inode, refusal, unix, wait_until_refused};
    use super::super::listener::Listener;
    use super::*;
    use std::env;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::process;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Barrier};
    use std::thread;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn exactly(mode: u32) -> Permit {
        Permit {
            mode: Some(mode),
            owner: None,
        }
    }

    fn owned_by(owner: &str) -> Permit {
        Permit {
            mode: None,
            owner: Some(owner.parse().unwrap()),
        }
    }

    #[test]
    fn a_new_socket_file_listens_until_it_is_unlinked_by_us() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        assert_eq!(listener.local_addr(), &unix(&path));
        assert_eq!(listener.file().unwrap().path, path);
        assert!(!listener.is_public());
        assert!(listener.socket().nonblocking().unwrap());
        let _client = UnixStream::connect(&path).unwrap();
        listener.socket().accept().unwrap();
        let none_left = listener.socket().accept().unwrap_err();
        assert_eq!(none_left.kind(), ErrorKind::WouldBlock);
        listener.unlink().unwrap();
        assert!(folder.is_empty());
        listener.unlink().unwrap();
    }

    #[test]
    fn dropping_a_listener_leaves_its_file_and_the_next_starter_replaces_it() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        drop(Listener::bind(&unix(&path), &Permit::default()).unwrap());
        wait_until_refused(|| UnixStream::connect(&path));
        let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(listener.file().unwrap().id().1, inode(&path));
    }

    #[test]
    fn a_mode_is_exact_and_the_default_lets_no_other_user_in() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        for wanted in [0o600, 0o660, 0o666, 0o777, 0o622] {
            let listener = Listener::bind(&unix(&path), &exactly(wanted)).unwrap();
            assert_eq!(mode(&path), wanted);
            listener.unlink().unwrap();
        }
        let _listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        assert_eq!(mode(&path) & !DEFAULT_MODE, 0);
        assert_eq!(mode(&path) & 0o600, 0o600);
    }

    #[test]
    fn a_relative_path_stays_right_when_the_current_folder_changes() {
        const ROLE: &str = "FCGI_TEST_RELATIVE_PATH";
        if env::var_os(ROLE).is_some() {
            let listener = Listener::bind(&unix("app.sock"), &Permit::default()).unwrap();
            assert!(Path::new("app.sock").exists());
            // Short as it is written, and too long for whoever is to connect from another folder.
            let error = refusal(&unix("x".repeat(100)));
            assert!(error.to_string().contains("may have 107"), "{error}");
            env::set_current_dir("/").unwrap();
            return listener.unlink().unwrap();
        }
        let folder = Folder::new();
        // A process of its own, since the current folder belongs to the process.
        let name =
            "net::socket_file::tests::a_relative_path_stays_right_when_the_current_folder_changes";
        let child = process::Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .current_dir(&folder.0)
            .env(ROLE, "")
            .output()
            .unwrap();
        let has_run = String::from_utf8_lossy(&child.stdout).contains("1 passed");
        assert!(has_run && child.status.success(), "{child:?}");
        assert!(folder.is_empty());
    }

    #[test]
    fn a_live_socket_is_left_alone() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let live = UnixListener::bind(&path).unwrap();
        let before = inode(&path);
        let error = refusal(&unix(&path));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .contains("another process is serving there"),
            "{error}"
        );
        assert_eq!(inode(&path), before);
        live.accept().unwrap();
    }

    #[test]
    fn a_live_socket_whose_backlog_is_full_is_left_alone_and_nobody_waits_for_it() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let address = SockAddr::unix(&path).unwrap();
        let live = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        live.bind(&address).unwrap();
        live.listen(1).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            let client = new_socket().unwrap();
            match client.connect(&address) {
                Ok(()) => waiting.push(client),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        assert_eq!(refusal(&unix(&path)).kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
    }

    #[test]
    fn as_many_wait_as_the_kernel_allows() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let _listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        // Twice what the usual constant gives, and far below the limit of open descriptors.
        let some = allowed.trim().parse::<usize>().unwrap().min(256);
        let connect = |_| new_socket()?.connect(&SockAddr::unix(&path)?);
        (0..some).try_for_each(connect).unwrap();
    }

    #[test]
    fn a_dead_socket_may_be_gone_before_we_remove_it() {
        let folder = Folder::new();
        remove_dead(&folder.file("gone.sock")).unwrap();
        let error = remove_dead(&folder.0).unwrap_err();
        assert!(error.to_string().contains("cannot be removed"), "{error}");
    }

    #[test]
    fn a_socket_of_another_type_is_left_alone() {
        let folder = Folder::new();
        let path = folder.file("log");
        let _datagrams = UnixDatagram::bind(&path).unwrap();
        let error = refusal(&unix(&path));
        assert!(
            error
                .to_string()
                .contains("remove it, or choose another path"),
            "{error}"
        );
        assert!(path.exists());
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let folder = Folder::new();
        let [file, sub, live] = ["file", "sub", "live"].map(|name| folder.file(name));
        let [to_nothing, to_live] = ["to_nothing", "to_live"].map(|name| folder.file(name));
        fs::write(&file, "precious").unwrap();
        fs::create_dir(&sub).unwrap();
        let _live = UnixListener::bind(&live).unwrap();
        std::os::unix::fs::symlink(folder.file("nothing"), &to_nothing).unwrap();
        std::os::unix::fs::symlink(&live, &to_live).unwrap();
        for (path, kind) in [
            (&file, "a file that is not a socket"),
            (&sub, "a folder"),
            (&to_nothing, "a symbolic link"),
            (&to_live, "a symbolic link"),
        ] {
            let before = inode(path);
            let error = refusal(&unix(path));
            assert!(error.to_string().contains(kind), "{error}");
            assert_eq!(inode(path), before);
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        assert!(!folder.file("nothing").exists());
    }

    #[test]
    fn a_path_that_cannot_hold_a_socket_is_refused() {
        let folder = Folder::new();
        let file = folder.file("file");
        fs::write(&file, "").unwrap();
        let long = folder.file(&"x".repeat(107));
        let bytes = format!("has {} bytes", long.as_os_str().len());
        for (path, reason) in [
            (folder.file("no/app.sock"), "there is no folder"),
            (file.join("app.sock"), "is not a folder"),
            (folder.file("sub/"), "names a folder"),
            (folder.file(".."), "a folder of that name"),
            (PathBuf::new(), "a path is missing"),
            (long, &bytes),
        ] {
            let error = refusal(&unix(path));
            assert!(
                error.to_string().contains(reason),
                "{error}\nlacks: {reason}"
            );
        }
    }

    #[test]
    fn a_socket_file_is_given_away_by_name_or_number() {
        let folder = Folder::new();
        if sys::user() != 0 {
            eprintln!("SKIPPED: only root may give files away");
            return;
        }
        for (number, (asked, owner)) in [
            ("4711:4712", (4711, 4712)),
            (":4712", (0, 4712)),
            ("4711", (4711, 0)),
            ("nobody:root", (65534, 0)),
        ]
        .into_iter()
        .enumerate()
        {
            let path = folder.file(&number.to_string());
            let permit = Permit {
                mode: Some(0o640),
                ..owned_by(asked)
            };
            let listener = Listener::bind(&unix(&path), &permit).unwrap();
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!((found.uid(), found.gid()), owner, "{asked}");
            assert_eq!(mode(&path), 0o640);
            assert_eq!(listener.path_is(), PathIs::Ours);
            listener.unlink().unwrap();
        }
        assert!(folder.is_empty());
    }

    #[test]
    fn a_group_that_is_named_may_connect_whatever_the_umask() {
        for (permit, found, mode) in [
            (Permit::default(), 0o755, 0o640),
            (Permit::default(), 0o777, 0o660),
            (Permit::default(), 0o700, 0o600),
            (owned_by("app"), 0o755, 0o640),
            (owned_by(":www-data"), 0o755, 0o660),
            (owned_by("app:33"), 0o700, 0o660),
            (exactly(0o666), 0o700, 0o666),
            (exactly(0), 0o777, 0),
        ] {
            assert_eq!(permit.mode(found), mode, "{permit:?} {found:o}");
        }
    }

    #[test]
    fn an_owner_that_cannot_be_is_one_sentence_and_nothing_is_left_behind() {
        let folder = Folder::new();
        let address = unix(folder.file("app.sock"));
        for (owner, reason) in [
            (
                "no-such-user",
                "there is no user \"no-such-user\" in /etc/passwd",
            ),
            (
                "root:no-such",
                "there is no group \"no-such\" in /etc/group",
            ),
        ] {
            let error = Listener::bind(&address, &owned_by(owner)).unwrap_err();
            let start = format!("cannot listen on {address}: {reason}");
            assert!(error.to_string().starts_with(&start), "{error}");
            assert!(folder.is_empty());
        }
        let denied = io::Error::from_raw_os_error(libc::EPERM);
        let sentence = refused_owner(&":33".parse().unwrap(), &denied).to_string();
        assert!(sentence.contains("cannot be given to :33"), "{sentence}");
        assert!(sentence.contains("usermod -aG GROUP USER"), "{sentence}");
    }

    #[test]
    fn a_path_that_has_vanished_is_bound_again_as_it_was() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let first = Listener::bind(&unix(&path), &exactly(0o604)).unwrap();
        let waiting = UnixStream::connect(&path).unwrap();
        assert_eq!(first.path_is(), PathIs::Ours);
        fs::remove_file(&path).unwrap();
        assert_eq!(first.path_is(), PathIs::Vanished);
        let again = first.again().unwrap().unwrap();
        assert_eq!(mode(&path), 0o604);
        assert_eq!(again.local_addr(), first.local_addr());
        assert_eq!(again.path_is(), PathIs::Ours);
        assert_eq!(again.file().unwrap().id().1, inode(&path));
        // Whoever has the file to remove it at the end removes the new one.
        assert!(Arc::ptr_eq(first.file().unwrap(), again.file().unwrap()));
        let _late = UnixStream::connect(&path).unwrap();
        again.socket().accept().unwrap();
        first.socket().accept().unwrap();
        drop(waiting);
        again.unlink().unwrap();
        assert!(folder.is_empty());
    }

    #[test]
    fn what_somebody_else_put_there_is_not_bound_again() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let first = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        let theirs = inode(&path);
        assert_eq!(first.path_is(), PathIs::SomebodyElses);
        // Nobody answers there, and it is left alone all the same.
        assert!(first.again().is_err());
        assert_eq!(inode(&path), theirs);
        fs::remove_file(&path).unwrap();
        let held = lock(&folder.0, Duration::ZERO).unwrap();
        assert!(first.again().unwrap().is_none(), "a starter is at work");
        assert!(folder.is_empty());
        drop(held);
        fs::remove_dir(&folder.0).unwrap();
        assert_eq!(first.path_is(), PathIs::Vanished);
        let error = first.again().unwrap_err().to_string();
        assert!(error.contains("there is no folder"), "{error}");
        fs::create_dir(&folder.0).unwrap();
        first.again().unwrap().unwrap().unlink().unwrap();
    }

    #[test]
    fn only_a_socket_that_was_just_made_is_changed() {
        let folder = Folder::new();
        let [file, link, twin] = ["file", "link", "twin"].map(|name| folder.file(name));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_made(&file).is_err());
        assert!(open_made(&link).is_err());
        let socket = folder.file("socket");
        let _socket = UnixListener::bind(&socket).unwrap();
        assert!(open_made(&socket).is_ok());
        fs::hard_link(&socket, &twin).unwrap();
        assert!(open_made(&twin).is_err());
    }

    #[test]
    fn unlink_leaves_what_somebody_else_put_there() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let ours = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        ours.unlink().unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn of_twenty_starters_exactly_one_serves_and_nothing_is_left_behind() {
        const STARTERS: usize = 20;
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let start = Barrier::new(STARTERS);
        for round in 1..=100 {
            let starter = || {
                start.wait();
                Listener::bind(&unix(&path), &Permit::default())
            };
            // The sockets stay open until all have tried.
            let outcomes: Vec<_> = thread::scope(|threads| {
                let starters: Vec<_> = (0..STARTERS).map(|_| threads.spawn(starter)).collect();
                starters
                    .into_iter()
                    .map(|starter| starter.join().unwrap())
                    .collect()
            });
            let (serving, refused): (Vec<_>, Vec<_>) =
                outcomes.into_iter().partition(Result::is_ok);
            for error in refused.into_iter().map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            }
            let [listener] = &serving[..] else {
                panic!("round {round}: {} are serving", serving.len());
            };
            let listener = listener.as_ref().unwrap();
            assert_eq!(listener.file().unwrap().id().1, inode(&path));
            UnixStream::connect(&path).unwrap();
            // Every second round begins with the dead socket of a process that was killed.
            if round % 2 == 0 {
                listener.unlink().unwrap();
                assert!(folder.is_empty());
            } else {
                drop(serving);
                wait_until_refused(|| UnixStream::connect(&path));
            }
        }
        assert!(folder.is_empty());
    }

    #[test]
    fn starting_and_stopping_never_unlinks_a_live_socket() {
        const TURNS: usize = 400;
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let turns = AtomicUsize::new(0);
        let starter = || {
            while turns.load(Ordering::SeqCst) < TURNS {
                match Listener::bind(&unix(&path), &Permit::default()) {
                    Ok(listener) => {
                        turns.fetch_add(1, Ordering::SeqCst);
                        for _ in 0..3 {
                            UnixStream::connect(&path).unwrap();
                            assert_eq!(listener.file().unwrap().id().1, inode(&path));
                        }
                        listener.unlink().unwrap();
                    }
                    // On a busy machine one of eight may find the folder locked each time that it looks.
                    Err(error) => assert!(
                        [ErrorKind::AddrInUse, ErrorKind::TimedOut].contains(&error.kind()),
                        "{error}"
                    ),
                }
            }
        };
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(starter);
            }
        });
        assert!(folder.is_empty());
    }
}
