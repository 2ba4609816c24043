//! Listening sockets: bound at an [`Address`] or taken over from whoever started the program. The server makes them
//! at start and hands them to the accept loop.
//!
//! A socket file is made in an order that leaves no moment in which a visitor or another starter goes wrong, all of it
//! under an exclusive `flock` on the folder:
//!
//! 1. *Probe.* A socket that somebody answers on is left alone, and so is everything that is not a socket.
//! 2. *Unlink* a socket that nobody answers on: a program that was killed left it behind.
//! 3. *Bind*, then *chmod* and *chown*. A connect is refused as long as the socket does not listen, and so nobody gets
//!    in before the permissions are right, and no connection is lost.
//! 4. *Listen.*
//!
//! To another starter, 3 looks like 2: bound but not listening is refused just as a dead socket is. That is why the
//! lock covers all four. A program that takes no such lock and is caught between its own bind and listen would lose its
//! file here; `spawn-fcgi` and the like spend microseconds there.
//!
//! A path that has vanished under a socket that serves is bound [`again`](Listener::again), by 3 and 4 alone: whatever
//! lies there by then is somebody else's.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::address::{Address, check_path};
use super::owner::Owner;
use super::sys::{self, Wait};

/// More than any kernel gives: Linux cuts it to `net.core.somaxconn`, 4096 since 5.4. The backlog is the queue for
/// busy workers, so there is no reason to want less.
const BACKLOG: i32 = i32::MAX;

/// How long to wait for another starter in the same folder, who needs microseconds.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// What a new socket file may at most allow, before the umask, if no mode is asked for: owner and group may connect.
const DEFAULT_MODE: u32 = 0o660;

/// What its owner may do, whatever the umask.
const OWN_MODE: u32 = 0o600;

/// Long enough for a handshake on this machine, which takes microseconds.
const HANDSHAKE: Duration = Duration::from_millis(2);

/// Drops a TCP segment that has SYN and not ACK, the first of a connection; lets all others through. Accepted connections
/// inherit it, and have no use for such a segment either.
const NO_SYN: [SockFilter; 5] = {
    use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new((BPF_LD | BPF_B | BPF_ABS) as u16, 0, 0, FLAGS),
        SockFilter::new((BPF_ALU | BPF_AND | BPF_K) as u16, 0, 0, SYN | ACK),
        SockFilter::new((BPF_JMP | BPF_JEQ | BPF_K) as u16, 0, 1, SYN),
        SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, 0),
        SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, u32::MAX),
    ]
};

/// Folders that are emptied of what is old: by systemd-tmpfiles, tmpreaper and tmpwatch, and at a restart. Services that
/// systemd starts with `PrivateTmp=`, as Debian's apache2 is, have their own of both.
pub(crate) const SWEPT: [&str; 2] = ["/tmp", "/var/tmp"];

/// Who may connect to a socket file that we make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permit {
    /// Exactly this. Else it is 0660 for a group that `owner` names, and what the umask leaves of 0660 for our own.
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<Owner>,
}

impl Permit {
    /// The mode of a file that the umask has left `found`. A group is named so that it may connect, which takes the right
    /// to write, and the usual umask of 022 would leave it none.
    fn mode(&self, found: u32) -> u32 {
        match (self.mode, &self.owner) {
            (Some(mode), _) => mode,
            (None, Some(owner)) if owner.names_group() => DEFAULT_MODE,
            // A socket that we cannot connect to ourselves cannot be probed: a killed program would never start again.
            (None, _) => found & DEFAULT_MODE | OWN_MODE,
        }
    }
}

/// A listening socket. Dropping it closes it, but leaves the file: see [`unlink`](Listener::unlink).
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    address: Address,
    /// Present if we bound a path, and not if the socket was taken over.
    made: Option<Made>,
    is_ours: bool,
}

#[derive(Debug)]
struct Made {
    file: Arc<SocketFile>,
    permit: Permit,
}

impl Listener {
    /// Listens at `address`; a socket file is as `permit` says.
    ///
    /// # Errors
    ///
    /// One sentence that names the address and what to do. Nothing is left behind then.
    pub(crate) fn bind(address: &Address, permit: &Permit) -> io::Result<Listener> {
        match address {
            Address::Unix(path) => bind_unix(path, permit),
            Address::Tcp(address) => bind_tcp(*address),
            Address::Fd(fd) => take_over(*fd),
        }
        .map_err(|reason| reword(&reason, format!("cannot listen on {address}: {reason}")))
    }

    /// Listens at all of them, or at none.
    pub(crate) fn bind_all(addresses: &[Address], permit: &Permit) -> io::Result<Vec<Listener>> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            match Listener::bind(address, permit) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    // What failed first is what the user has to know.
                    listeners.iter().for_each(|made| drop(made.unlink()));
                    return Err(error);
                }
            }
        }
        Ok(listeners)
    }

    /// Where it listens: the port that was taken for port 0, the path as it was bound. A socket that has no such
    /// address (one without a file) goes by its descriptor.
    pub(crate) fn local_addr(&self) -> &Address {
        &self.address
    }

    /// The same for the log, with who may connect: a web server that may not is a 502 whose cause is hard to find.
    pub(crate) fn described(&self) -> String {
        let mode = match &self.address {
            Address::Unix(path) => fs::metadata(path).ok().map(|found| found.mode() & 0o777),
            _ => None,
        };
        match mode {
            Some(mode) if mode & 0o002 != 0 => {
                format!(
                    "{} (mode {mode:04o}: for everybody on this machine)",
                    self.address
                )
            }
            Some(mode) if mode & 0o020 == 0 => {
                format!("{} (mode {mode:04o}: for this user alone)", self.address)
            }
            Some(mode) => format!("{} (mode {mode:04o})", self.address),
            None => self.address.to_string(),
        }
    }

    /// Whether we bound it, so that it ends with us and what waits in its backlog is ours to answer. Not so what was taken
    /// over: fd 0, `fd:N`, systemd's. Whoever left it there has it still, and siblings may accept from it.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Lets nobody in any more; whoever is in the backlog can still be accepted. For a socket of ours.
    ///
    /// Unlinking alone does not do it: who has looked the path up before comes in behind it. To shut a unix socket takes the
    /// lock that connect(2) takes, and so whoever is not in the backlog now is refused (Linux, `unix_stream_connect`).
    ///
    /// A TCP socket that is shut resets its backlog. So it gets a filter that drops what opens a connection: whoever comes
    /// now tries again in a second, and finds the next process or nobody. Who was let in before has to have come all the way
    /// into the backlog: at once on this machine, a round trip later from another one.
    pub(crate) fn admit_nobody(&self) {
        match self.address {
            Address::Unix(_) => self.end(),
            _ => self.admit_nobody_by_tcp(),
        }
    }

    /// The same for a parent, whose children accept what is in the backlog. A unix socket has lost its path by then; to
    /// shut it would be an error to them.
    pub(crate) fn admit_nobody_by_tcp(&self) {
        let Address::Tcp(address) = self.address else {
            return;
        };
        // Some kernels give a filter to root alone (EPERM for others on a 6.18 of Firecracker's). What opens a connection
        // has a TTL of 64 as a rule, and 255 is more.
        let is_deaf = |_| sys::set_min_ttl(self.as_fd(), address.is_ipv6(), u8::MAX);
        // Where both are forbidden (seccomp), the few that come until `end` are reset.
        if self.is_ours && self.socket.attach_filter(&NO_SYN).or_else(is_deaf).is_ok() {
            thread::sleep(HANDSHAKE);
        }
    }

    /// Whether somebody waits to be accepted from a socket of ours. Async-signal-safe.
    pub(crate) fn has_backlog(&self) -> bool {
        let wait = Wait {
            readable: true,
            writable: false,
        };
        let looked = sys::poll([(self.as_fd(), wait)], Some(Duration::ZERO));
        // One that has ended is readable, too, and has none.
        let listens = || self.socket.is_listener().unwrap_or(false);
        self.is_ours && looked.is_ok_and(|[came]| came.readable) && listens()
    }

    /// Stops listening, for all who have the socket: if it is ours there is nobody else. A TCP socket's backlog is reset.
    pub(crate) fn end(&self) {
        if self.is_ours {
            // It fails only where it has ended already.
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }

    /// As [`Listener::end`], by TCP, for one that the parent made and has said that nobody else accepts from. Without it
    /// the kernel would go on completing connections until the last sibling's last request is answered.
    pub(crate) fn end_by_tcp(&self) {
        if let Address::Tcp(_) = self.address {
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }

    /// Whether other machines can reach it.
    pub(crate) fn is_public(&self) -> bool {
        self.address.is_public()
    }

    /// Whether it is a socket file that we made in a folder that is swept now and then.
    pub(crate) fn is_swept(&self) -> bool {
        let folder = self.file().and_then(|file| file.path.parent());
        // The folder may be named by way of a symbolic link.
        let folder = folder.and_then(|folder| fs::canonicalize(folder).ok());
        folder.is_some_and(|folder| SWEPT.iter().any(|swept| folder.starts_with(swept)))
    }

    /// The file that we made, for whoever has to remove it without this value: a signal handler.
    pub(crate) fn file(&self) -> Option<&Arc<SocketFile>> {
        self.made.as_ref().map(|made| &made.file)
    }

    /// What is at the path now. Nothing is asked of a listener that made no file.
    pub(crate) fn path_is(&self) -> PathIs {
        self.file().map_or(PathIs::Ours, |file| file.look())
    }

    /// Listens at its path again, which has vanished, as it did at first: a new socket, that goes by the same
    /// [`file`](Listener::file). `None` if it is not for us to do: it made no file, or the folder is locked at present.
    ///
    /// # Errors
    ///
    /// One sentence. Whatever is at the path stays as it is.
    pub(crate) fn again(&self) -> io::Result<Option<Listener>> {
        let Some(made) = &self.made else {
            return Ok(None);
        };
        match bind_again(made) {
            Ok(socket) => Ok(Some(Listener {
                socket,
                address: self.address.clone(),
                made: Some(Made {
                    file: Arc::clone(&made.file),
                    permit: made.permit.clone(),
                }),
                is_ours: true,
            })),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The socket itself, to accept from.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Removes the socket file, if we made it and it is still ours.
    ///
    /// Only a value that still listens can be asked, which is on purpose: a starter who probes meanwhile is answered,
    /// and so nobody can put a socket of their own there between our look and the unlink.
    pub(crate) fn unlink(&self) -> io::Result<()> {
        self.file().map_or(Ok(()), |file| file.unlink())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A socket file that we made. As long as the socket is open the inode number is not given to another file.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute, so that it stays right when the current folder changes.
    pub(crate) path: PathBuf,
    /// Which file it is. Another one, once it was bound again; whoever reads the two in between finds no such file.
    device: AtomicU64,
    inode: AtomicU64,
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
    fn new(path: PathBuf, (device, inode): (u64, u64)) -> SocketFile {
        SocketFile {
            path,
            device: AtomicU64::new(device),
            inode: AtomicU64::new(inode),
        }
    }

    /// Device and inode. Async-signal-safe.
    pub(crate) fn id(&self) -> (u64, u64) {
        (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        )
    }

    fn is_now(&self, (device, inode): (u64, u64)) {
        self.device.store(device, Ordering::Relaxed);
        self.inode.store(inode, Ordering::Relaxed);
    }

    fn look(&self) -> PathIs {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.id() => PathIs::Ours,
            Ok(_) => PathIs::SomebodyElses,
            // The folder may have gone with it, and a file may be in its place.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                PathIs::Vanished
            }
            Err(_) => PathIs::Ours,
        }
    }

    /// Removes the file, if it is the one that we made.
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

// From here on an error's text is only the reason and the advice; `bind` puts the address before it.

fn bind_unix(path: &Path, permit: &Permit) -> io::Result<Listener> {
    // Without it, a path that is empty would become the current folder.
    check_path(path)?;
    let path = path::absolute(path)?;
    check_path(&path)?;
    let folder = folder_of(&path);
    let _lock = lock(folder, LOCK_LIMIT)?;
    clear(folder, &path)?;
    let (socket, id) = make(folder, &path, permit)?;
    Ok(Listener {
        socket,
        address: Address::Unix(path.clone()),
        made: Some(Made {
            file: Arc::new(SocketFile::new(path, id)),
            permit: permit.clone(),
        }),
        is_ours: true,
    })
}

fn bind_again(made: &Made) -> io::Result<Socket> {
    let path = &made.file.path;
    let folder = folder_of(path);
    // The caller is a worker: it does not wait for another starter.
    let _lock = lock(folder, Duration::ZERO)?;
    // The kernel refuses it where something is by now, whatever that is.
    let (socket, id) = make(folder, path, &made.permit)?;
    made.file.is_now(id);
    Ok(socket)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .expect("BUG: an absolute path without a final slash has a parent")
}

/// A new socket file with the socket that listens there, and its device and inode; or nothing. Under the folder's lock.
fn make(folder: &Path, path: &Path, permit: &Permit) -> io::Result<(Socket, (u64, u64))> {
    let ids = permit.owner.as_ref().map(Owner::ids).transpose()?;
    let socket = new_socket(Domain::UNIX)?;
    socket
        .bind(&SockAddr::unix(path)?)
        .map_err(|error| refused_by_folder(folder, &error))?;
    // Nobody can connect yet. The mode first: a file that was given away is no longer ours to change.
    let made = open_made(path).and_then(|made| {
        let found = made.metadata()?;
        let mode = permit.mode(found.mode());
        if mode != found.mode() & 0o7777 {
            set_mode(path, &made, mode)?;
        }
        if let (Some(owner), Some(ids)) = (&permit.owner, ids) {
            sys::change_owner(made.as_fd(), ids.user, ids.group)
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

/// The file itself, to be changed by descriptor: who may write in the folder could put a link to another file in its
/// place, and have root give that away.
fn open_made(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
        .open(path)?;
    let found = made.metadata()?;
    match found.file_type().is_socket() && found.nlink() == 1 {
        true => Ok(made),
        false => Err(refused(
            "another process put something in its place at once; choose a folder that is yours alone",
        )),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let address = unmapped(address);
    let bound = new_tcp_socket(address).and_then(|socket| {
        socket.bind(&address.into())?;
        // With SO_REUSEADDR two sockets can be bound to one port, and the second is told only here.
        socket.listen(BACKLOG)?;
        Ok(socket)
    });
    let socket = bound.map_err(|error| refused_tcp(address, &error))?;
    speed_up(&socket)?;
    let address = local_address(&socket).unwrap_or(Address::Tcp(address));
    Ok(Listener {
        socket,
        address,
        made: None,
        is_ours: true,
    })
}

/// The descriptor itself stays open; unless it is one of the standard three, it is closed when another program is
/// executed, lest a program that a handler starts keeps the socket alive.
fn take_over(fd: RawFd) -> io::Result<Listener> {
    let socket = match sys::duplicate(fd) {
        Ok(socket) => Socket::from(socket),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            return Err(reword(
                &error,
                "it is not open; whoever starts this program has to leave a listening socket there",
            ));
        }
        Err(error) => return Err(error),
    };
    match socket.is_listener() {
        Ok(true) => {}
        Ok(false) => {
            return Err(refused(
                "it is a socket, but one that does not listen; pass one on which listen was called",
            ));
        }
        Err(_) => return Err(refused("it is not a socket; pass a listening one")),
    }
    if socket.r#type()? != Type::STREAM {
        return Err(refused(
            "it is not a stream socket; pass one of type SOCK_STREAM",
        ));
    }
    if fd > 2 {
        sys::close_on_exec(fd)?;
    }
    // O_NONBLOCK belongs to the open file description, so every process that shares this socket gets it, and it is
    // never taken back: a sibling may have come to rely on it. A blocking accept would hang when a sibling takes the
    // connection first, and mod_fastcgi, lighttpd and supervisor all let processes share one socket.
    socket.set_nonblocking(true)?;
    let address = local_address(&socket).unwrap_or(Address::Fd(fd));
    if let Address::Tcp(_) = address {
        speed_up(&socket)?;
    }
    Ok(Listener {
        socket,
        address,
        made: None,
        is_ours: false,
    })
}

/// A new stream socket: non-blocking, for it may be shared with children later, and closed on exec.
fn new_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn new_tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = new_socket(Domain::for_address(address))?;
    // Otherwise a restart finds the port taken for a minute by the connections of the process before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:9000` and `0.0.0.0:9000` can then be asked for side by side, and each means what it says.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Accepted connections inherit it. Without it the second small record of a streamed answer waits for the web server's
/// delayed acknowledgement, 40 ms.
fn speed_up(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)
}

fn local_address(socket: &Socket) -> Option<Address> {
    let address = socket.local_addr().ok()?;
    match address.as_socket() {
        Some(address) => Some(Address::Tcp(address)),
        None => Some(Address::Unix(address.as_pathname()?.to_owned())),
    }
}

/// `[::ffff:127.0.0.1]` as `127.0.0.1`: a socket that is restricted to IPv6 cannot be bound to it.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// Takes the lock of a folder, in which not everybody may replace what others made. The kernel gives it back when the file is closed, however the process ends.
fn lock(folder: &Path, limit: Duration) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // Otherwise a named pipe in the folder's place would keep us waiting for a writer.
        .custom_flags(libc::O_DIRECTORY)
        .open(folder)
        .map_err(|error| refused_by_folder(folder, &error))?;
    check_folder(folder, file.metadata()?.mode())?;
    let started = Instant::now();
    // Waiting in the kernel has no time limit, and a signal to end it would be one for the whole process.
    let mut pause = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < limit => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(16));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "another process has locked the folder {} for {limit:?}; stop it, or choose another folder",
                        folder.display(),
                    ),
                ));
            }
            // NFS wants a file that is open for writing, which a folder cannot be.
            Err(TryLockError::Error(error)) => {
                return Err(reword(
                    &error,
                    format!(
                        "the folder {} cannot be locked ({error}); choose one on a local disk",
                        folder.display()
                    ),
                ));
            }
        }
    }
}

/// Where everybody may write, everybody may put a socket of their own in the place of ours, unless the folder is sticky.
fn check_folder(folder: &Path, mode: u32) -> io::Result<()> {
    if mode & 0o002 == 0 || mode & 0o1000 != 0 {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "everybody may replace what is in the folder {} (mode {:04o}); take that away (chmod o-w), or choose another one",
            folder.display(),
            mode & 0o7777
        ),
    ))
}

/// Makes way for a new socket, and touches nothing but a socket that nobody answers on.
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
    // A blocking connect would wait as long as a live socket's backlog is full; this one says EAGAIN then.
    let Err(error) = new_socket(Domain::UNIX)?.connect(&SockAddr::unix(path)?) else {
        return Err(served());
    };
    match error.kind() {
        ErrorKind::WouldBlock => Err(served()),
        ErrorKind::ConnectionRefused => remove_dead(path),
        // Its owner has just stopped.
        ErrorKind::NotFound => Ok(()),
        ErrorKind::PermissionDenied => Err(reword(
            &error,
            format!(
                "this user may not look whether the socket there is in use ({error}), and it may be another user's; \
                 choose another path, or remove it once you know that it is not"
            ),
        )),
        // A socket of another type.
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
        // Refused because its owner closed it at this moment, having unlinked it before.
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

fn set_mode(path: &Path, made: &File, mode: u32) -> io::Result<()> {
    // A descriptor of this kind cannot be given to fchmod before Linux 6.6.
    let link = format!("/proc/self/fd/{}", made.as_raw_fd());
    let set = match fs::set_permissions(link, Permissions::from_mode(mode)) {
        // Nothing is mounted on /proc.
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
            "start it as root, or name only a group that its user is in, as in :www-data"
        }
        _ => "choose another owner or another folder",
    };
    reword(
        error,
        format!("it cannot be given to {owner} ({error}); {advice}"),
    )
}

fn refused_by_folder(folder: &Path, error: &io::Error) -> io::Error {
    let shown = folder.display();
    let reason = match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no folder {shown}; create it, or choose another path")
        }
        ErrorKind::NotADirectory => format!("{shown} is not a folder; choose another path"),
        ErrorKind::PermissionDenied => format!(
            "this user may not read and write the folder {shown}; allow it, or choose another path"
        ),
        ErrorKind::ReadOnlyFilesystem => {
            format!("the folder {shown} is read-only; choose another path")
        }
        _ => format!("the folder {shown} does not take a socket ({error}); choose another path"),
    };
    reword(error, reason)
}

fn refused_tcp(address: SocketAddr, error: &io::Error) -> io::Error {
    let reason = match error.kind() {
        ErrorKind::AddrInUse => {
            "another process is serving there; stop it, or choose another port".into()
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose one that it has, such as 127.0.0.1".into()
        }
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            "a port below 1024 needs root; choose a higher one".into()
        }
        _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            format!(
                "this machine has no IPv6; choose 127.0.0.1:{}",
                address.port()
            )
        }
        _ => format!("the system refuses it ({error}); choose another address"),
    };
    reword(error, reason)
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, reason)
}

/// Another text for the same kind of error.
fn reword(error: &io::Error, text: impl Into<String>) -> io::Error {
    io::Error::new(error.kind(), text.into())
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::process;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use socket2::SockRef;

    use super::super::transport::Transport;
    use super::*;

    /// A folder of its own for one test, gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            static MADE: AtomicUsize = AtomicUsize::new(0);
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("fcgi-{}-{number}", process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn is_empty(&self) -> bool {
            fs::read_dir(&self.0).unwrap().next().is_none()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn unix(path: impl Into<PathBuf>) -> Address {
        Address::Unix(path.into())
    }

    fn tcp(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn inode(path: &Path) -> u64 {
        fs::symlink_metadata(path).unwrap().ino()
    }

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

    /// Binding fails with one sentence about this address.
    fn refusal(address: &Address) -> io::Error {
        let error = Listener::bind(address, &Permit::default()).unwrap_err();
        let sentence = error.to_string();
        let start = format!("cannot listen on {address}: ");
        assert!(sentence.starts_with(&start), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
        error
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

    /// A test that starts a process at this moment has a copy of every descriptor until the process executes.
    fn wait_until_refused<T>(connect: impl Fn() -> io::Result<T>) {
        loop {
            match connect() {
                Ok(_) => thread::yield_now(),
                Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
        }
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
            "net::listener::tests::a_relative_path_stays_right_when_the_current_folder_changes";
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
            let client = new_socket(Domain::UNIX).unwrap();
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
        let connect = |_| new_socket(Domain::UNIX)?.connect(&SockAddr::unix(&path)?);
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
        assert!(sentence.contains("start it as root"), "{sentence}");
    }

    #[test]
    fn a_folder_in_which_everybody_may_replace_it_is_refused() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        for (mode, is_right) in [
            (0o777, false),
            (0o702, false),
            (0o2777, false),
            (0o1777, true),
            (0o775, true),
            (0o750, true),
        ] {
            fs::set_permissions(&folder.0, Permissions::from_mode(mode)).unwrap();
            if is_right {
                let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
                listener.unlink().unwrap();
            } else {
                let error = refusal(&unix(&path)).to_string();
                let reason = format!(
                    "everybody may replace what is in the folder {}",
                    folder.0.display()
                );
                assert!(error.contains(&reason), "{error}");
                assert!(error.contains(&format!("(mode {mode:04o})")), "{error}");
            }
            assert!(folder.is_empty());
        }
    }

    #[test]
    fn a_folder_for_temporary_files_is_known_by_any_name() {
        let folder = Folder::new();
        fs::create_dir(folder.file("sub")).unwrap();
        let by_link = folder.file("link");
        std::os::unix::fs::symlink("/var/tmp", &by_link).unwrap();
        let mut swept = vec![PathBuf::from("/var/tmp"), by_link];
        if folder.0.starts_with("/tmp") {
            swept.extend([PathBuf::from("/tmp"), folder.file("sub")]);
        }
        for folder in swept {
            let path = folder.join(format!("fcgi-swept-{}", process::id()));
            let listener = Listener::bind(&unix(path), &Permit::default()).unwrap();
            assert!(listener.is_swept(), "{}", folder.display());
            listener.unlink().unwrap();
        }
        let lasting = Path::new("/run").join(format!("fcgi-lasting-{}", process::id()));
        match Listener::bind(&unix(lasting), &Permit::default()) {
            Ok(listener) => {
                assert!(!listener.is_swept());
                listener.unlink().unwrap();
            }
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
        let tcp = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        assert!(!tcp.is_swept());
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
    fn a_locked_folder_is_waited_for_but_not_for_ever() {
        let folder = Folder::new();
        let short = Duration::from_millis(30);
        let held = lock(&folder.0, short).unwrap();
        let error = lock(&folder.0, short).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error.to_string().contains("another process has locked"),
            "{error}"
        );
        thread::scope(|threads| {
            let waiting = threads.spawn(|| lock(&folder.0, LOCK_LIMIT));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
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
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
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

    #[test]
    fn one_address_that_fails_leaves_none_bound() {
        let folder = Folder::new();
        let good = unix(folder.file("app.sock"));
        let bad = unix(folder.file("no/app.sock"));
        let error = Listener::bind_all(&[good.clone(), bad], &Permit::default()).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
        assert!(folder.is_empty());
        let other = unix(folder.file("other.sock"));
        assert_eq!(
            Listener::bind_all(&[good, other], &Permit::default())
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn a_tcp_port_is_bound_and_its_connections_do_not_wait() {
        let listener = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *listener.local_addr() else {
            panic!("{listener:?}");
        };
        assert_ne!(address.port(), 0);
        assert!(!listener.is_public());
        assert!(listener.file().is_none());
        let _client = TcpStream::connect(address).unwrap();
        assert!(accept_when_there(&listener).tcp_nodelay().unwrap());
    }

    /// A TCP connect may return a moment before the listener sees the connection.
    fn accept_when_there(listener: &Listener) -> Socket {
        loop {
            match listener.socket().accept() {
                Ok((socket, _)) => return socket,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    #[test]
    fn a_port_can_be_bound_again_at_once() {
        let first = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *first.local_addr() else {
            panic!("{first:?}");
        };
        let mut client = TcpStream::connect(address).unwrap();
        // Who closes first keeps the port in TIME_WAIT.
        drop(accept_when_there(&first));
        assert_eq!(io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        drop((first, client));
        wait_until_refused(|| TcpStream::connect(address));
        Listener::bind(&Address::Tcp(address), &Permit::default()).unwrap();
    }

    #[test]
    fn a_port_in_use_and_an_address_elsewhere_are_refused() {
        let taken = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let _taken = Listener::bind(&Address::Tcp(taken), &Permit::default()).unwrap();
        let error = refusal(&Address::Tcp(taken));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .contains("another process is serving there"),
            "{error}"
        );
        let error = refusal(&tcp("192.0.2.1:9000"));
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn an_ipv6_address_means_ipv6_alone() {
        let bound = Listener::bind(&tcp("[::1]:0"), &Permit::default());
        if TcpListener::bind("[::1]:0").is_ok() {
            let listener = bound.unwrap();
            assert!(!listener.is_public());
            // A socket that is bound to one IPv6 address is so restricted anyway; this one would not be.
            let unbound = new_tcp_socket("[::]:0".parse().unwrap()).unwrap();
            assert!(unbound.only_v6().unwrap());
        } else {
            let error = bound.unwrap_err().to_string();
            assert!(error.contains("this machine has no"), "{error}");
        }
        let mapped = Listener::bind(&tcp("[::ffff:127.0.0.1]:0"), &Permit::default()).unwrap();
        assert!(mapped.local_addr().to_string().starts_with("127.0.0.1:"));
    }

    #[test]
    fn a_listening_socket_is_taken_over_as_it_is() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let inherited = UnixListener::bind(&path).unwrap();
        let fd = inherited.as_raw_fd();
        assert!(!SockRef::from(&inherited).nonblocking().unwrap());
        let listener = Listener::bind(&Address::Fd(fd), &Permit::default()).unwrap();
        assert_eq!(listener.local_addr(), &unix(&path));
        // The flag is one for both, since the open file description is.
        assert!(SockRef::from(&inherited).nonblocking().unwrap());
        let _client = UnixStream::connect(&path).unwrap();
        listener.socket().accept().unwrap();
        listener.unlink().unwrap();
        assert!(path.exists());
        drop(listener);
        UnixStream::connect(&path).unwrap();

        let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inherited.local_addr().unwrap();
        let listener =
            Listener::bind(&Address::Fd(inherited.as_raw_fd()), &Permit::default()).unwrap();
        assert_eq!(listener.local_addr(), &Address::Tcp(address));
        assert!(listener.socket().tcp_nodelay().unwrap());
    }

    #[test]
    fn whoever_is_in_the_backlog_can_be_accepted_and_nobody_comes_after_them() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
        assert!(listener.is_ours() && !listener.has_backlog());
        let _waiting = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
        assert!(listener.has_backlog());
        listener.admit_nobody();
        let refused = UnixStream::connect(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        for _ in 0..2 {
            listener.socket().accept().unwrap();
        }
        let end = listener.socket().accept().unwrap_err().kind();
        assert!(
            [ErrorKind::InvalidInput, ErrorKind::WouldBlock].contains(&end),
            "{end}"
        );

        let listener = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        let Address::Tcp(address) = *listener.local_addr() else {
            panic!("not TCP");
        };
        assert!(listener.is_ours());
        let mut waiting = TcpStream::connect(address).unwrap();
        listener.admit_nobody();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::TimedOut);
        let (mut accepted, _) = listener.socket().accept().unwrap();
        let end = listener.socket().accept().unwrap_err().kind();
        assert_eq!(end, ErrorKind::WouldBlock);
        listener.end();
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // The filter is nothing to a connection that there is.
        waiting.write_all(b"x").unwrap();
        waiting.shutdown(Shutdown::Write).unwrap();
        accepted.set_nonblocking(false).unwrap();
        let mut came = Vec::new();
        accepted.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"x");
    }

    /// What is done where filters are root's alone.
    #[test]
    fn a_listener_that_is_deaf_lets_nobody_in_and_its_connections_can_hear_again() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = Listener::bind(&tcp(local), &Permit::default()) else {
                eprintln!("skipped: there is no {local}");
                continue;
            };
            let Address::Tcp(address) = *listener.local_addr() else {
                panic!("not TCP");
            };
            let mut waiting = TcpStream::connect(address).unwrap();
            let (accepted, _) = listener.socket().accept().unwrap();
            for socket in [listener.as_fd(), accepted.as_fd()] {
                sys::set_min_ttl(socket, address.is_ipv6(), u8::MAX).unwrap();
            }
            let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
            assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
            waiting.write_all(b"x").unwrap();
            let transport = Transport::new(accepted);
            let mut came = [0; 2];
            let nothing = transport.recv(&mut came).unwrap_err().kind();
            assert_eq!(nothing, ErrorKind::WouldBlock);
            transport.hear_everything();
            let wait = Wait {
                readable: true,
                writable: false,
            };
            sys::poll([(transport.as_fd(), wait)], Some(Duration::from_secs(20))).unwrap();
            assert_eq!(transport.recv(&mut came).unwrap(), 1);
        }
    }

    #[test]
    fn a_socket_that_was_taken_over_ends_for_nobody() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let theirs = UnixListener::bind(&path).unwrap();
        let listener =
            Listener::bind(&Address::Fd(theirs.as_raw_fd()), &Permit::default()).unwrap();
        listener.admit_nobody();
        listener.end();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert!(!listener.is_ours() && !listener.has_backlog());
        theirs.accept().unwrap();
    }

    #[test]
    fn no_descriptor_outlives_an_exec() {
        let folder = Folder::new();
        let socket = Socket::new_raw(Domain::UNIX, Type::STREAM, None).unwrap();
        socket
            .bind(&SockAddr::unix(folder.file("app.sock")).unwrap())
            .unwrap();
        socket.listen(1).unwrap();
        assert!(!is_closed_on_exec(socket.as_raw_fd()));
        let listener =
            Listener::bind(&Address::Fd(socket.as_raw_fd()), &Permit::default()).unwrap();
        assert!(is_closed_on_exec(socket.as_raw_fd()));
        assert!(is_closed_on_exec(listener.as_raw_fd()));
        let bound = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        assert!(is_closed_on_exec(bound.as_raw_fd()));
    }

    fn is_closed_on_exec(fd: RawFd) -> bool {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        flags & libc::O_CLOEXEC != 0
    }

    #[test]
    fn what_does_not_listen_is_not_taken_over() {
        let folder = Folder::new();
        let file = File::create(folder.file("file")).unwrap();
        let (connected, _peer) = UnixStream::pair().unwrap();
        let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let packets = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        packets
            .bind(&SockAddr::unix(folder.file("packets")).unwrap())
            .unwrap();
        packets.listen(1).unwrap();
        for (fd, reason) in [
            (1_000_000, "it is not open"),
            (-1, "it is not open"),
            (file.as_raw_fd(), "it is not a socket"),
            (connected.as_raw_fd(), "one that does not listen"),
            (unbound.as_raw_fd(), "one that does not listen"),
            (udp.as_raw_fd(), "one that does not listen"),
            (packets.as_raw_fd(), "it is not a stream socket"),
        ] {
            let error = refusal(&Address::Fd(fd));
            assert!(
                error.to_string().contains(reason),
                "{error}\nlacks: {reason}"
            );
        }
        assert!(!SockRef::from(&connected).nonblocking().unwrap());
    }

    #[test]
    fn what_the_system_refuses_is_said_with_advice() {
        let folder = Path::new("/srv");
        let low = "127.0.0.1:80".parse().unwrap();
        let high = "[::1]:9000".parse().unwrap();
        let by_folder = |code| refused_by_folder(folder, &io::Error::from_raw_os_error(code));
        let by_tcp = |address, code| refused_tcp(address, &io::Error::from_raw_os_error(code));
        for (error, reason) in [
            (
                by_folder(libc::ENOENT),
                "there is no folder /srv; create it",
            ),
            (by_folder(libc::ENOTDIR), "/srv is not a folder"),
            (
                by_folder(libc::EACCES),
                "may not read and write the folder /srv",
            ),
            (by_folder(libc::EROFS), "the folder /srv is read-only"),
            (
                by_folder(libc::ENOSPC),
                "does not take a socket (No space left",
            ),
            (
                by_tcp(low, libc::EADDRINUSE),
                "another process is serving there",
            ),
            (by_tcp(low, libc::EACCES), "a port below 1024 needs root"),
            (
                by_tcp(high, libc::EACCES),
                "the system refuses it (Permission denied",
            ),
            (by_tcp(high, libc::EADDRNOTAVAIL), "no such address"),
            (
                by_tcp(high, libc::EAFNOSUPPORT),
                "this machine has no IPv6; choose 127.0.0.1:9000",
            ),
        ] {
            let text = error.to_string();
            assert!(text.contains(reason), "{text}\nlacks: {reason}");
            assert!(
                text.contains("; c") || text.contains("; stop") || text.contains("; allow"),
                "{text}"
            );
        }
    }
}
