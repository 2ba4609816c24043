//! Every unsafe line of the crate, each behind a small safe function, with the reason why it holds. Called from everywhere.
//!
//! It is one file so that who wants to know what is unsafe here reads one, and a test holds that. In this order:
//!
//! | search for | what is there |
//! | --- | --- |
//! | `# Sockets` | what `socket2` and std do not have, or do with more calls |
//! | `# Waiting` | poll, epoll, timers |
//! | `# Memory` | workers' buffers; what a start gives back |
//! | `# Descriptors and files` | copies of descriptors, the access log, socket files; much of it for signal handlers |
//! | `# Limits of open files` | RLIMIT_NOFILE |
//! | `# Programs that are started, and this one` | spawn, wait, kill, exit |
//! | `# Signals` | handlers, what is ignored, the alarm, errno |
//! | `# Clocks` | monotonic time, a thread's processor time |
//! | `# In glibc's stead` | functions of a static program that name far less than glibc's own |
//! | `# Results of calls` | -1 as an error |
#![allow(unsafe_code)]

use super::stack::Stack;
use crate::decimal::Decimal;
use std::env;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// # Sockets

/// Accepts a connection, without the peer's address, which is seldom asked for and costs time to read.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (listener, none) = (listener.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: without room for an address none is written; a descriptor that is not -1 is new and so ours.
    unsafe {
        owned(libc::accept4(
            listener,
            none,
            none.cast(),
            libc::SOCK_CLOEXEC,
        ))
    }
}

/// Takes what has arrived on a socket. If nothing has, it is `WouldBlock`: at once, or with `wait` after the socket's own time
/// limit.
#[inline]
pub(crate) fn recv(socket: BorrowedFd<'_>, into: &mut [u8], wait: bool) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`.
    received(|| unsafe {
        libc::recv(
            socket.as_raw_fd(),
            into.as_mut_ptr().cast(),
            into.len(),
            how(wait),
        )
    })
}

/// As [`recv`], into one slice after the other.
#[inline]
pub(crate) fn recv_many(
    socket: BorrowedFd<'_>,
    into: &mut [IoSliceMut<'_>],
    wait: bool,
) -> io::Result<usize> {
    // SAFETY: zero is a value of each of its fields: no address, no control data.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    // An IoSliceMut is an iovec, as its documentation says.
    message.msg_iov = into.as_mut_ptr().cast();
    message.msg_iovlen = into.len() as _;
    // SAFETY: the kernel writes to the slices, to each at most its length, and they live through the call.
    received(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, how(wait)) })
}

fn how(wait: bool) -> libc::c_int {
    if wait { 0 } else { libc::MSG_DONTWAIT }
}

#[inline(always)]
fn received(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(n) => return Ok(n),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// Has a socket drop packets of a smaller TTL (by IPv6: hop limit); with 0 it takes all. It needs no privilege.
pub(crate) fn set_min_ttl(socket: BorrowedFd<'_>, is_ipv6: bool, ttl: u8) -> io::Result<()> {
    let (level, name) = match is_ipv6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
        false => (libc::IPPROTO_IP, libc::IP_MINTTL),
    };
    let ttl = libc::c_int::from(ttl);
    // SAFETY: the kernel reads one int, which lives through the call, and its length is given.
    zero(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const ttl).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
}

// # Waiting

/// What to wait for, or what came, on one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Wait {
    pub(crate) const READABLE: Wait = Wait {
        readable: true,
        writable: false,
    };
    pub(crate) const WRITABLE: Wait = Wait {
        readable: false,
        writable: true,
    };
}

/// Waits until one of `fds` can do what it is asked for, has hung up or has failed (both count as all that
/// was asked for), or the time is over: then all are `false`.
pub(crate) fn poll<const N: usize>(
    fds: [(BorrowedFd<'_>, Wait); N],
    timeout: Option<Duration>,
) -> io::Result<[Wait; N]> {
    let mut list = fds.map(|(fd, wait)| libc::pollfd {
        // A negative descriptor is passed over.
        fd: if wait == Wait::default() {
            -1
        } else {
            fd.as_raw_fd()
        },
        events: if wait.readable { libc::POLLIN } else { 0 }
            | if wait.writable { libc::POLLOUT } else { 0 },
        revents: 0,
    });
    let timeout = in_ms(timeout);
    loop {
        // SAFETY: `list` is N pollfds that live through the call.
        let n = unsafe { libc::poll(list.as_mut_ptr(), N as libc::nfds_t, timeout) };
        if n >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let mut came = [Wait::default(); N];
    for ((came, (_, asked)), got) in came.iter_mut().zip(fds).zip(list) {
        let ended = got.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        came.readable = asked.readable && (ended || got.revents & libc::POLLIN != 0);
        came.writable = asked.writable && (ended || got.revents & libc::POLLOUT != 0);
    }
    Ok(came)
}

/// Which of `fds` have something to read, have hung up or have failed. Waits until one has, a signal comes, or the time is
/// over.
pub(crate) fn poll_readable(
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let asked = fds.iter().map(|fd| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let mut list: Vec<libc::pollfd> = asked.collect();
    // SAFETY: `list` is as many pollfds as it says, and lives through the call.
    let n = unsafe {
        libc::poll(
            list.as_mut_ptr(),
            list.len() as libc::nfds_t,
            in_ms(timeout),
        )
    };
    match n {
        0.. => Ok(list.iter().map(|fd| fd.revents != 0).collect()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(vec![false; fds.len()]),
            error => Err(error),
        },
    }
}

/// A timeout in the form of poll(2): milliseconds, rounded up, and -1 for ever.
fn in_ms(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |t| {
        t.as_micros().div_ceil(1000).min(i32::MAX as u128) as libc::c_int
    })
}

/// Whether the other end of a socket is gone. Does not wait.
pub(crate) fn has_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut asked = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: `asked` is one pollfd that lives through the call.
    let n = unsafe { libc::poll(&mut asked, 1, 0) };
    n > 0 && asked.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
}

/// What an entry of an [`Epoll`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read; told once, until the entry is armed again.
    ReadOnce,
    /// Room to write, told once. A socket nearly always has room, so that this is for an entry that is to be told at once.
    WriteOnce,
    /// Something to read or room to write, told once: for an entry that is to be told at once, although the socket may just
    /// have no room.
    BothOnce,
    /// Something to read, told to everyone for as long as it is there.
    ReadAlways,
    /// Something to read or room to write, for as long as either is there.
    BothAlways,
    /// Nothing, until armed again.
    Nothing,
}

impl Interest {
    fn events(self) -> u32 {
        let events = match self {
            Interest::ReadOnce => libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLONESHOT,
            Interest::WriteOnce => libc::EPOLLOUT | libc::EPOLLONESHOT,
            Interest::BothOnce => libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLONESHOT,
            Interest::ReadAlways => libc::EPOLLIN,
            Interest::BothAlways => libc::EPOLLIN | libc::EPOLLOUT,
            Interest::Nothing => libc::EPOLLONESHOT,
        };
        events as u32
    }
}

/// A set of descriptors: a wait yields one that is ready, or as many as there is room for.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: no memory is involved; a descriptor that is not -1 is new and so ours.
        unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC)).map(Epoll) }
    }

    pub(crate) fn add(&self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, key, interest)
    }

    /// Arms an entry again, with a new key.
    pub(crate) fn rearm(&self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, key, interest)
    }

    /// Takes an entry out. From then on nobody who waits looks at the descriptor any more.
    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::ReadOnce)
    }

    /// Waits for entries that are ready, and takes as many as fit, at most `most`: whoever serves them all is spared a call for each.
    /// It finds none when a signal came.
    #[inline(always)]
    pub(crate) fn wait_for_many<const N: usize>(
        &self,
        ready: &mut Ready<N>,
        most: usize,
    ) -> io::Result<()> {
        ready.len = 0;
        let (room, most) = (ready.events.as_mut_ptr().cast(), most.min(N) as libc::c_int);
        // SAFETY: there is room for as many events as are asked for.
        match unsafe { libc::epoll_wait(self.0.as_raw_fd(), room, most, -1) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
            n => {
                ready.len = n as usize;
                Ok(())
            }
        }
    }

    /// The key of one entry that is ready now; `None` if none is, or when a signal came.
    pub(crate) fn look(&self) -> io::Result<Option<u64>> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: there is room for the one event that is asked for.
        let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, 0) };
        match n {
            0 => Ok(None),
            1 => Ok(Some(event.u64)),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
                error => Err(error),
            },
        }
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: RawFd,
        key: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.events(),
            u64: key,
        };
        // SAFETY: the kernel copies the event; a number that is not open is an EBADF.
        zero(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &mut event) })
    }
}

/// What [`Epoll::wait_for_many`] has found.
pub(crate) struct Ready<const N: usize> {
    /// The first `len` were filled by the kernel. To fill all with zeros before each wait took one in two hundred of a request's
    /// instructions.
    events: [MaybeUninit<libc::epoll_event>; N],
    len: usize,
}

impl<const N: usize> Ready<N> {
    pub(crate) fn new() -> Ready<N> {
        Ready {
            events: [MaybeUninit::uninit(); N],
            len: 0,
        }
    }

    /// The keys of the entries.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = u64> + Clone {
        // SAFETY: `wait_for_many` has set `len` to how many the kernel has filled.
        let key = |event: &MaybeUninit<libc::epoll_event>| unsafe { event.assume_init().u64 };
        self.events[..self.len].iter().map(key)
    }
}

/// A timer that an [`Epoll`] can wait for.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    pub(crate) fn new() -> io::Result<Timer> {
        // SAFETY: as in `Epoll::new`.
        unsafe {
            owned(libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
            ))
            .map(Timer)
        }
    }

    /// Has the timer ring once, after `wait`.
    pub(crate) fn set(&self, wait: Duration) -> io::Result<()> {
        // Zero would disarm it.
        self.set_to(wait.max(Duration::from_nanos(1)))
    }

    /// Has the timer not ring; if it has rung, it is not readable any more.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.set_to(Duration::ZERO)
    }

    fn set_to(&self, wait: Duration) -> io::Result<()> {
        let spec = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: wait.as_secs() as libc::time_t,
                tv_nsec: libc::c_long::from(wait.subsec_nanos()),
            },
        };
        // SAFETY: the kernel reads `spec` and writes no old value.
        zero(unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &spec, ptr::null_mut()) })
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

// # Memory

/// Private memory from the kernel. It is zero until it is written to, and only pages that were touched cost memory.
///
/// It does not come from malloc, for it can be given back page by page: a freed buffer of 64 KiB stays in glibc's heap as dirty
/// memory (172 to 364 KiB for four workers).
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a Mapping owns its pages as a Vec owns its allocation; nothing in it belongs to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes, rounded up to whole pages.
    ///
    /// # Errors
    /// When the address space is used up (`RLIMIT_AS`).
    pub(crate) fn new(len: usize) -> io::Result<Mapping> {
        let len = len.next_multiple_of(page_size());
        // SAFETY: an anonymous private mapping at an address that the kernel chooses touches no memory
        // that anyone else has.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, len })
    }

    /// Gives the pages that lie wholly in `from..` back to the kernel: they read as zero afterwards.
    pub(crate) fn release_from(&mut self, from: usize) {
        let from = from.next_multiple_of(page_size());
        if from < self.len {
            // SAFETY: the range lies in our own mapping, which `&mut self` says nobody else looks at;
            // zero bytes are valid bytes. A failure leaves the pages as they are.
            unsafe {
                libc::madvise(
                    self.start.as_ptr().add(from).cast(),
                    self.len - from,
                    libc::MADV_DONTNEED,
                );
            }
        }
    }
}

impl Deref for Mapping {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is the start of `len` readable, initialised (zeroed) bytes that live as long as we.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Mapping {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes it the only view.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap gave, once.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf only reads a constant.
    match unsafe { libc::sysconf(libc::_SC_PAGESIZE) } {
        size @ 1.. => size as usize,
        _ => 4096,
    }
}

/// Makes glibc use one heap for all threads: four threads with a heap each reserve 264 MiB of address space, more than a small
/// host's `RLIMIT_AS`, and `GLIBC_TUNABLES` cannot be set from an `.htaccess`. It is the first thing that a process does.
pub(crate) fn one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives the kernel back what only the start of a process took: free parts of the heap, and pages of its code.
pub(crate) fn give_back_start() {
    trim_heap();
    release_start();
}

/// Gives the kernel back what is free in the heap: reading flags and settings has taken and freed it, and glibc by itself trims
/// no heap below 128 KiB.
fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number, and moves nothing that is held.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back the pages of the program's own code and constants that the start has brought in: three quarters of them are never
/// looked at again. They are pages of the program's file, which stay in the page cache, and come back as they are used, 16 around
/// each that is.
///
/// It does so in a static program alone: what is resident of a shared library is shared with other programs.
fn release_start() {
    #[cfg(all(target_feature = "crt-static", target_pointer_width = "64"))]
    // SAFETY: the callback takes what the C library gives it, and nothing else.
    unsafe {
        libc::dl_iterate_phdr(Some(release_segments), ptr::null_mut());
    }
}

/// What [`release_start`] does for one object. It ends the walk after the first one, which is the program itself.
///
/// # Safety
/// `info` is what `dl_iterate_phdr` gives.
#[cfg(target_pointer_width = "64")]
#[cfg_attr(not(target_feature = "crt-static"), allow(dead_code))]
unsafe extern "C" fn release_segments(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the caller says so.
    let info = unsafe { &*info };
    // SAFETY: the program's headers are mapped as long as it runs, and nobody writes to them.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let is_constant = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0
    };
    let mut pages = FilePages::default();
    // Where nothing is mounted on /proc, no page is given back.
    let _ = File::open("/proc/self/pagemap").and_then(|map| {
        headers.iter().filter(is_constant).try_for_each(|header| {
            let start = (info.dlpi_addr + header.p_vaddr) as usize;
            pages.find(&map, start..start + header.p_memsz as usize)
        })
    });
    // All of them at the very end: code that ran between two of them would bring its pages back.
    // SAFETY: nobody can write to these segments.
    unsafe { pages.release() };
    1
}

/// Pages that hold what the file they are mapped from holds, and so may be given back.
///
/// Others are the process's own, and must stay. In a program that a packer (UPX) has made smaller these are all: its stub
/// writes them to memory that has no file, so that the kernel could not read them again. And a page in which a debugger or a
/// uprobe has set a breakpoint would come back without it.
#[derive(Default)]
#[cfg_attr(
    not(all(target_feature = "crt-static", target_pointer_width = "64")),
    allow(dead_code)
)]
struct FilePages {
    /// Each from where to where. A run that there is no room for is not given back.
    runs: [(usize, usize); 16],
    len: usize,
}

#[cfg_attr(
    not(all(target_feature = "crt-static", target_pointer_width = "64")),
    allow(dead_code)
)]
impl FilePages {
    /// Looks for such pages in `range`. `map` is /proc/self/pagemap.
    fn find(&mut self, map: &File, range: Range<usize>) -> io::Result<()> {
        // What an entry says of its page: it is in memory or swapped out; it is a file's.
        const IS_THERE: u64 = 0b11 << 62;
        const IS_FILE: u64 = 1 << 61;
        let page = page_size();
        let mut entries = [0; 2048];
        let mut at = range.start / page * page;
        while at < range.end {
            let most = (range.end - at).div_ceil(page).min(entries.len() / 8);
            let n = map.read_at(&mut entries[..most * 8], (at / page * 8) as u64)?;
            let (here, _) = entries[..n].as_chunks::<8>();
            if here.is_empty() {
                break;
            }
            for entry in here {
                let entry = u64::from_ne_bytes(*entry);
                if entry & IS_THERE == 0 || entry & IS_FILE != 0 {
                    self.add(at, at + page);
                }
                at += page;
            }
        }
        Ok(())
    }

    fn add(&mut self, from: usize, to: usize) {
        if let Some((_, end)) = self.runs[..self.len].last_mut().filter(|run| run.1 == from) {
            *end = to;
        } else if let Some(free) = self.runs.get_mut(self.len) {
            *free = (from, to);
            self.len += 1;
        }
    }

    /// # Safety
    /// The pages are mapped, and nobody has written to them since they were found.
    unsafe fn release(&self) {
        for &(from, to) in &self.runs[..self.len] {
            // SAFETY: what they hold, as the caller says, the kernel reads from the file again.
            unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
        }
    }
}

// # Descriptors and files

/// Standard input, without the buffer of 8 KiB that std's own has.
pub(crate) fn standard_input() -> BorrowedFd<'static> {
    // SAFETY: nobody owns descriptor 0, so that nobody closes it; std has opened /dev/null there before `main` if it was closed.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// A duplicate of descriptor `fd`, above the three standard ones and closed when another program is executed.
///
/// The number comes from a flag or the environment, so that nobody can say who owns it; a duplicate is ours for certain.
pub(crate) fn duplicate(fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes integers and touches no memory of ours; a number that is not open is an EBADF. The kernel has
    // just opened what it returns, and nobody else has been told the number.
    unsafe { owned(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3)) }
}

/// Makes descriptor `fd`, one of the three standard ones, the same as `as_this` from now on.
pub(crate) fn point(fd: i32, as_this: BorrowedFd<'_>) -> io::Result<()> {
    debug_assert!((0..3).contains(&fd));
    // SAFETY: the call takes integers and touches no memory of ours. Nobody owns a standard descriptor, so that nobody's
    // is closed, and it is open all the time.
    match unsafe { libc::dup2(as_this.as_raw_fd(), fd) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Makes the descriptor `fd` another open file. Whoever writes to it meanwhile writes to one of the two. Async-signal-safe.
pub(crate) fn replace(fd: BorrowedFd<'_>, by: OwnedFd) -> io::Result<()> {
    // SAFETY: both are open; the call takes integers, and leaves `fd` an open descriptor of its owner.
    match unsafe { libc::dup3(by.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Closes descriptor `fd` when another program is executed.
pub(crate) fn close_on_exec(fd: i32) -> io::Result<()> {
    set_descriptor_flags(fd, libc::FD_CLOEXEC)
}

/// Passes descriptor `fd` on to a program that is executed.
pub(crate) fn keep_on_exec(fd: i32) -> io::Result<()> {
    set_descriptor_flags(fd, 0)
}

fn set_descriptor_flags(fd: i32, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the call takes integers and touches no memory of ours; a number that is not open is an EBADF.
    zero(unsafe { libc::fcntl(fd, libc::F_SETFD, flags) })
}

/// Opens a file to write at its end, however many processes do the same. If there is none it is made, with mode 0640 less the
/// umask. It never waits: a named pipe that nobody reads is an error. Async-signal-safe.
pub(crate) fn open_log(path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_WRONLY
        | libc::O_APPEND
        | libc::O_CREAT
        | libc::O_CLOEXEC
        | libc::O_NOCTTY
        | libc::O_NONBLOCK;
    // SAFETY: `path` ends in NUL; the result is -1 or a new descriptor.
    unsafe { owned(libc::open(path.as_ptr(), flags, 0o640 as libc::c_uint)) }
}

/// Writes all of `text`, unless that would have to wait (for a pipe that is full) or fails; nobody is told. `text` is at most
/// PIPE_BUF long, which a pipe takes whole once it is writable. Async-signal-safe.
pub(crate) fn write_quietly(fd: i32, mut text: &[u8]) {
    while !text.is_empty() {
        let mut room = libc::pollfd {
            fd,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one pollfd that lives through the call.
        if unsafe { libc::poll(&mut room, 1, 0) } != 1 {
            return;
        }
        // SAFETY: the kernel reads at most `text.len()` bytes of `text`.
        match usize::try_from(unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) }) {
            Ok(n @ 1..) => text = &text[n..],
            _ => return,
        }
    }
}

/// Removes a socket's path if it is still the file with this device and inode. Async-signal-safe.
pub(crate) fn unlink_if(path: &CStr, device: u64, inode: u64) {
    // SAFETY: `path` ends in NUL; all zero bytes are a valid stat, which lstat fills.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        let same = libc::lstat(path.as_ptr(), &mut stat) == 0
            && (stat.st_dev, stat.st_ino) == (device, inode);
        if same {
            libc::unlink(path.as_ptr());
        }
    }
}

/// Removes a file. If that fails, nobody is told. Async-signal-safe.
#[cfg(feature = "multipart")]
pub(crate) fn unlink(path: &CStr) {
    // SAFETY: `path` ends in NUL.
    unsafe { libc::unlink(path.as_ptr()) };
}

/// Gives the file behind `fd` to another user, group, or both. Unlike std's `fchown` it takes a descriptor that only names a
/// file, and does not open it (`O_PATH`).
pub(crate) fn change_owner(
    fd: BorrowedFd<'_>,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    let as_it_is = u32::MAX;
    // SAFETY: the path is an empty C string, and the call takes numbers apart from it.
    zero(unsafe {
        libc::fchownat(
            fd.as_raw_fd(),
            c"".as_ptr(),
            user.unwrap_or(as_it_is),
            group.unwrap_or(as_it_is),
            libc::AT_EMPTY_PATH,
        )
    })
}

/// A file's access control list as the kernel keeps it. `None` if the file has none, or its file system knows none.
pub(crate) fn access_list(path: &Path) -> Option<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // More entries than anybody makes.
    let mut list = vec![0; 4096];
    // SAFETY: both strings end in NUL, and the kernel writes at most `list.len()` bytes into `list`.
    let len = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"system.posix_acl_access".as_ptr(),
            list.as_mut_ptr().cast(),
            list.len(),
        )
    };
    list.truncate(usize::try_from(len).ok()?);
    Some(list)
}

// # Limits of open files

/// The most descriptors that this process may have open, and the most that it may allow itself: the soft and the hard
/// `RLIMIT_NOFILE`.
pub(crate) fn descriptor_limits() -> (usize, usize) {
    let limit = descriptor_rlimit();
    let number = |limit| usize::try_from(limit).unwrap_or(usize::MAX);
    (number(limit.rlim_cur), number(limit.rlim_max))
}

/// Whether there is no descriptor left, in this process or on this machine.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Raises the soft limit of descriptors to the hard one. Where that is refused it stays as it is.
pub(crate) fn raise_descriptor_limit() {
    let limit = *STARTED_WITH.get_or_init(descriptor_rlimit);
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: the kernel reads `raised`.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) };
}

/// The soft limit of descriptors that this process was started with, once it was raised.
static STARTED_WITH: OnceLock<libc::rlimit> = OnceLock::new();

fn descriptor_rlimit() -> libc::rlimit {
    let mut limit = libc::rlimit {
        rlim_cur: 1024,
        rlim_max: 1024,
    };
    // SAFETY: the kernel fills `limit`; if it does not, the usual one stands there.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit
}

// # Programs that are started, and this one

/// Has the program that `command` starts begin as this process did: with the limit of descriptors that it was started with, and
/// ended by SIGXFSZ when it writes too large a file.
pub(crate) fn as_we_were_started(command: &mut Command) {
    let limit = STARTED_WITH.get().copied();
    let heeds_sigxfsz = IGNORES_SIGXFSZ.load(Ordering::Relaxed);
    if limit.is_none() && !heeds_sigxfsz {
        return;
    }
    // SAFETY: between fork and exec only setrlimit and signal are called, which take copies of numbers, lock nothing and
    // allocate nothing; SIG_DFL is a valid disposition.
    unsafe {
        command.pre_exec(move || {
            if heeds_sigxfsz {
                libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
            }
            limit.map_or(Ok(()), |limit| {
                zero(libc::setrlimit(libc::RLIMIT_NOFILE, &limit))
            })
        });
    }
}

/// Calls `start`, which starts a program, while limit and signal are set back to what this process was started with. Only a
/// process of one thread can do that. [`as_we_were_started`] has code run between fork and exec instead, and then std starts the
/// program by glibc's `execvp`, which would hand a file that is no program to the shell.
pub(crate) fn while_as_we_were_started<T>(start: impl FnOnce() -> T) -> T {
    let limit = STARTED_WITH.get().copied();
    let heeds_sigxfsz = IGNORES_SIGXFSZ.load(Ordering::Relaxed);
    if let Some(limit) = limit {
        // SAFETY: the kernel reads `limit`.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
    if heeds_sigxfsz {
        // SAFETY: SIG_DFL is a valid disposition.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    }
    let started = start();
    if heeds_sigxfsz {
        ignore_sigxfsz();
    }
    if limit.is_some() {
        raise_descriptor_limit();
    }
    started
}

/// Starts the program that lies at `path`, and returns its pid. The first of the arguments is its name. It has nothing to read on
/// its standard input, this process's environment but for the variables `without`, and SIGPIPE ends it, as it does every program
/// that is not Rust's.
///
/// std's `Command` can do much more, and that weighs 40 KB in a program that starts no other.
pub(crate) fn spawn(path: &Path, arguments: &[OsString], without: &[&str]) -> io::Result<u32> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let arguments = c_strings(arguments)?;
    let environment = env::vars_os().filter(|(name, _)| !without.iter().any(|other| name == other));
    let environment = environment.map(|(mut variable, value)| {
        variable.push("=");
        variable.push(value);
        c_string(variable)
    });
    let environment: Vec<CString> = environment.collect::<io::Result<_>>()?;
    let mut pid = 0;
    let mut attributes = MaybeUninit::uninit();
    let mut actions = MaybeUninit::uninit();
    // SAFETY: attributes and actions are made before they are used, and destroyed once; all zero bytes are a valid sigset;
    // every string ends in NUL and lives through the call, and so do the two lists, which end in a null pointer.
    let error = unsafe {
        libc::posix_spawnattr_init(attributes.as_mut_ptr());
        libc::posix_spawn_file_actions_init(actions.as_mut_ptr());
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut set, libc::SIGPIPE);
        libc::posix_spawnattr_setsigdefault(attributes.as_mut_ptr(), &set);
        let flags = libc::POSIX_SPAWN_SETSIGDEF as libc::c_short;
        libc::posix_spawnattr_setflags(attributes.as_mut_ptr(), flags);
        let opened = libc::posix_spawn_file_actions_addopen(
            actions.as_mut_ptr(),
            0,
            c"/dev/null".as_ptr(),
            libc::O_RDONLY,
            0,
        );
        let error = match opened {
            0 => libc::posix_spawn(
                &mut pid,
                path.as_ptr(),
                actions.as_ptr(),
                attributes.as_ptr(),
                pointers(&arguments).as_ptr(),
                pointers(&environment).as_ptr(),
            ),
            error => error,
        };
        libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
        libc::posix_spawnattr_destroy(attributes.as_mut_ptr());
        error
    };
    match error {
        0 => Ok(pid.unsigned_abs()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Goes on as the program that lies at `path`, with these arguments and this process's environment.
///
/// # Errors
/// When it cannot; it returns for nothing else.
pub(crate) fn execute(path: &Path, arguments: &[OsString]) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let arguments = c_strings(arguments)?;
    // SAFETY: the path and every argument end in NUL and live through the call, and so does their list, which ends in a null
    // pointer.
    unsafe { libc::execv(path.as_ptr(), pointers(&arguments).as_ptr().cast()) };
    Err(io::Error::last_os_error())
}

fn c_strings(texts: &[OsString]) -> io::Result<Vec<CString>> {
    texts.iter().cloned().map(c_string).collect()
}

fn c_string(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}

/// A list of strings as C has it, with a null pointer at its end.
fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    let pointers = strings.iter().map(|text| text.as_ptr().cast_mut());
    pointers.chain([ptr::null_mut()]).collect()
}

/// How a process that this one started has ended, as the number that wait(2) gives. `None` if it has not.
pub(crate) fn ended(pid: u32) -> Option<libc::c_int> {
    let mut status = 0;
    let pid = libc::pid_t::try_from(pid).ok()?;
    // SAFETY: the kernel fills `status`.
    let ended = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) };
    (ended == pid).then_some(status)
}

/// Sends `signal` to the process `pid`. If that is gone nothing happens.
pub(crate) fn send_signal(pid: u32, signal: libc::c_int) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    // SAFETY: the call takes two numbers.
    unsafe { libc::kill(pid, signal) };
}

/// The user whose rights this process has: the effective one.
pub(crate) fn user() -> u32 {
    // SAFETY: the call takes nothing, and cannot fail.
    unsafe { libc::geteuid() }
}

/// Ends the process at once, without unwinding or flushing. Async-signal-safe.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(status) }
}

// # Signals

/// A signal handler: it may only do what is async-signal-safe.
pub(crate) type Handler = extern "C" fn(libc::c_int);

pub(crate) use libc::{
    SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGHUP, SIGILL, SIGINT, SIGKILL, SIGSEGV, SIGSYS, SIGTERM,
    SIGUSR1, SIGXCPU,
};

/// Has `signal` call `handler`, and unblocks it if whoever started us had blocked it.
pub(crate) fn on_signal(signal: libc::c_int, handler: Handler) -> io::Result<()> {
    // SAFETY: all zero bytes are a valid sigaction and sigset; handler is a function for one signal number.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        zero(libc::sigaction(signal, &action, ptr::null_mut()))?;
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut set, signal);
        zero(libc::pthread_sigmask(
            libc::SIG_UNBLOCK,
            &set,
            ptr::null_mut(),
        ))
    }
}

/// Whether `signal` is ignored, as `nohup` has it for SIGHUP.
pub(crate) fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zero bytes are a valid sigaction, which the kernel fills.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// To write to a broken connection must fail, and not end the process. Rust's own start sees to that, a C `main` may not.
pub(crate) fn ignore_sigpipe() {
    // SAFETY: SIG_IGN is a valid disposition.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// To write beyond the largest size of a file (`ulimit -f`) must fail, and not end the process: its log could do that.
pub(crate) fn ignore_sigxfsz() {
    if is_ignored(libc::SIGXFSZ) {
        return;
    }
    IGNORES_SIGXFSZ.store(true, Ordering::Relaxed);
    // SAFETY: SIG_IGN is a valid disposition.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Whether [`ignore_sigxfsz`] has changed it, and not whoever started us.
static IGNORES_SIGXFSZ: AtomicBool = AtomicBool::new(false);

/// Makes sure that SIGCHLD is not ignored. Where it is, children vanish as they end, so that a handler that starts a program
/// cannot wait for it, and `Command::output` is an error. A handler that the application has set itself stays.
pub(crate) fn heed_sigchld() {
    if is_ignored(SIGCHLD) {
        // SAFETY: SIG_DFL is a valid disposition.
        unsafe { libc::signal(SIGCHLD, libc::SIG_DFL) };
    }
}

/// Asks for SIGALRM in so much time; zero takes the request back. Async-signal-safe.
pub(crate) fn alarm(after: Duration) {
    let value = libc::timeval {
        tv_sec: after.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(after.subsec_micros()),
    };
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: value,
    };
    // SAFETY: the kernel reads `timer` and writes no old value.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) };
}

/// The calling thread's `errno`, to be put back at the end of a signal handler.
pub(crate) struct Errno(libc::c_int);

impl Errno {
    pub(crate) fn save() -> Errno {
        // SAFETY: the pointer is valid in every thread.
        Errno(unsafe { *libc::__errno_location() })
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

// # Clocks

/// Milliseconds on the monotonic clock.
pub(crate) fn now_ms() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC_COARSE) / 1_000_000
}

/// Nanoseconds on the same clock, which [`now_ms`] reads in steps of some milliseconds. Async-signal-safe.
pub(crate) fn now_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds.
fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the C library fills `now`; the call is async-signal-safe.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How much processor time the calling thread has used.
pub(crate) fn thread_time() -> Duration {
    Duration::from_nanos(read_clock(libc::CLOCK_THREAD_CPUTIME_ID))
}

// # In glibc's stead

// A static program gets a function of glibc with all that it names, and all that these name in turn. Here are three in the
// stead of glibc's, which name far more than this program has use for. A program that is linked dynamically shares glibc's with
// all other programs, and keeps them.

// `__libc_resp`: where a thread's resolver keeps its state. In a program that looks up no names only `pthread_create` asks for
// it, and glibc's brings in the reading of resolv.conf, netlink and the names of interfaces, 70 KB. It is weak: a program whose
// look-ups name other parts of the resolver, too, gets glibc's. One that names nothing else of it (C code that calls
// `getaddrinfo`) finds room here for the first thread's state, `struct __res_state`, empty as glibc's own is at the start; other
// threads are given theirs.
#[cfg(all(
    target_env = "gnu",
    target_feature = "crt-static",
    target_pointer_width = "64"
))]
std::arch::global_asm!(
    ".pushsection .bss.fcgi_resolver,\"aw\",%nobits",
    ".balign 16",
    "fcgi_resolver:",
    ".zero 568",
    ".popsection",
    ".pushsection .tdata.__libc_resp,\"awT\",%progbits",
    ".weak __libc_resp",
    ".type __libc_resp, %object",
    ".size __libc_resp, 8",
    ".balign 8",
    "__libc_resp:",
    ".quad fcgi_resolver",
    ".popsection",
);

// `__assert_fail`, which `assert` calls: glibc's brings in messages in other languages and their character sets, 29 KB. It is
// weak, as `__libc_resp` is.
#[cfg(all(
    target_env = "gnu",
    target_feature = "crt-static",
    target_arch = "x86_64"
))]
std::arch::global_asm!(
    ".pushsection .text.__assert_fail,\"ax\",%progbits",
    ".weak __assert_fail",
    ".type __assert_fail, %function",
    "__assert_fail:",
    "jmp {}",
    ".popsection",
    sym assert_fail,
);

/// Says which assertion of a C library has failed, as glibc does, and aborts.
///
/// # Safety
/// The three strings end in NUL, or the last is null.
#[cfg(target_env = "gnu")]
#[cfg_attr(not(target_feature = "crt-static"), allow(dead_code))]
unsafe extern "C" fn assert_fail(
    assertion: *const libc::c_char,
    file: *const libc::c_char,
    line: libc::c_uint,
    function: *const libc::c_char,
) -> ! {
    unsafe extern "C" {
        static program_invocation_short_name: *const libc::c_char;
    }
    let text = |pointer: *const libc::c_char| match pointer.is_null() {
        true => &b""[..],
        // SAFETY: the caller says so; the program's name is one from its start on.
        false => unsafe { CStr::from_ptr(pointer) }.to_bytes(),
    };
    // SAFETY: nobody writes to it any more.
    let program = text(unsafe { program_invocation_short_name });
    let (function, line) = (text(function), Decimal::of(line.into()));
    let colon = |name: &[u8]| if name.is_empty() { "" } else { ": " }.as_bytes();
    for part in [
        program,
        colon(program),
        text(file),
        b":",
        line.as_bytes(),
        b": ",
        function,
        colon(function),
        b"Assertion `",
        text(assertion),
        b"' failed.\n",
    ] {
        write_quietly(2, part);
    }
    std::process::abort()
}

/// Says where the calling thread's stack lies.
///
/// Rust's std asks that at the start of every thread, so that it can say of a stack that it has overflowed. glibc's own reads the
/// list of mappings by `sscanf` and `getline`, and these bring in the reading of floats, of every locale's digits and of
/// wide characters, 98 KB.
///
/// This one knows the calling thread alone, and of it only stack and guard; for another thread it fails with ENOSYS. It needs
/// /proc and a descriptor for every thread, glibc's for the first one only; where there is neither, an overflow is a bare SIGSEGV.
///
/// # Safety
/// `attributes` can be written to.
#[cfg(target_env = "gnu")]
#[cfg_attr(target_feature = "crt-static", unsafe(no_mangle))]
#[cfg_attr(not(target_feature = "crt-static"), allow(dead_code))]
unsafe extern "C" fn pthread_getattr_np(
    thread: libc::pthread_t,
    attributes: *mut libc::pthread_attr_t,
) -> libc::c_int {
    // SAFETY: the call takes nothing.
    if thread != unsafe { libc::pthread_self() } {
        return libc::ENOSYS;
    }
    let stack = match stack() {
        Ok(stack) => stack,
        Err(error) => return error.raw_os_error().unwrap_or(libc::ENOENT),
    };
    // SAFETY: the caller says that there is room for attributes, and these three set them.
    unsafe {
        libc::pthread_attr_init(attributes);
        libc::pthread_attr_setguardsize(attributes, stack.guard);
        libc::pthread_attr_setstack(
            attributes,
            ptr::without_provenance_mut(stack.room.start),
            stack.room.len(),
        )
    }
}

#[cfg(target_env = "gnu")]
fn stack() -> io::Result<Stack> {
    let here = 0_u8;
    let stack = Stack::around((&raw const here).addr())?;
    // SAFETY: both calls take nothing, and cannot fail.
    let is_first = unsafe { libc::gettid() == libc::getpid() };
    if !is_first {
        return Ok(stack);
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills `limit`.
    zero(unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) })?;
    let limit = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX);
    Ok(stack.grown_to(limit - limit % page_size()))
}

// # Results of calls

/// A descriptor that a call has returned, or its error.
///
/// # Safety
/// `fd` is -1 or a new descriptor that nobody else owns.
unsafe fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller says so.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a call that returns zero has done, or its error.
fn zero(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    type Ask = unsafe extern "C" fn(libc::pthread_t, *mut libc::pthread_attr_t) -> libc::c_int;

    /// Where the stack begins, its length, and the guard's; or the error.
    fn asked(ask: Ask, thread: libc::pthread_t) -> Result<(usize, usize, usize), i32> {
        let mut attributes = MaybeUninit::uninit();
        let (mut start, mut len, mut guard) = (ptr::null_mut(), 0, 0);
        // SAFETY: what is asked fills the attributes unless it fails, and they are read from then on.
        unsafe {
            match ask(thread, attributes.as_mut_ptr()) {
                0 => {}
                error => return Err(error),
            }
            let attributes = attributes.as_mut_ptr();
            libc::pthread_attr_getstack(attributes, &mut start, &mut len);
            libc::pthread_attr_getguardsize(attributes, &mut guard);
            libc::pthread_attr_destroy(attributes);
        }
        Ok((start.addr(), len, guard))
    }

    #[test]
    fn a_threads_stack_begins_where_the_c_library_has_it() {
        // SAFETY: the call takes nothing.
        let me = || unsafe { libc::pthread_self() };
        let (start, len, guard) = asked(pthread_getattr_np, me()).unwrap();
        let theirs = asked(libc::pthread_getattr_np, me()).unwrap();
        assert_eq!((start, guard), (theirs.0, theirs.2));
        // The kernel may have what lies behind it in the same mapping.
        assert!(len >= theirs.1, "{len} {}", theirs.1);
        let other = std::thread::spawn(move || asked(pthread_getattr_np, me()));
        assert!(other.join().unwrap().is_ok_and(|other| other.0 != start));
    }

    #[test]
    fn of_another_thread_nothing_is_known() {
        // SAFETY: the call takes nothing.
        let me = unsafe { libc::pthread_self() };
        let other = std::thread::spawn(move || asked(pthread_getattr_np, me));
        assert_eq!(other.join().unwrap(), Err(libc::ENOSYS));
    }

    /// As a breakpoint is, or a program that was unpacked.
    #[test]
    fn a_page_that_is_not_the_files_any_more_is_not_given_back() {
        const PAGES: usize = 600;
        const WRITTEN: [usize; 4] = [0, 7, 255, 599];
        let page = page_size();
        let file = File::open("/proc/self/exe").unwrap();
        assert!(file.metadata().unwrap().len() >= (PAGES * page) as u64);
        // SAFETY: a private mapping at an address that the kernel chooses, of which nobody else knows.
        let bytes = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let (len, fd) = (PAGES * page, file.as_raw_fd());
            let start = libc::mmap(ptr::null_mut(), len, protection, libc::MAP_PRIVATE, fd, 0);
            assert_ne!(start, libc::MAP_FAILED);
            std::slice::from_raw_parts_mut(start.cast::<u8>(), len)
        };
        let start = bytes.as_ptr().addr();
        let is_there = |i: usize| {
            let mut entry = [0; 8];
            let pages = File::open("/proc/self/pagemap").unwrap();
            let at = (start / page + i) * 8;
            pages.read_exact_at(&mut entry, at as u64).unwrap();
            u64::from_ne_bytes(entry) >> 63 == 1
        };
        let before: Vec<u8> = bytes.iter().step_by(page).copied().collect();
        for i in WRITTEN {
            bytes[i * page] = !before[i];
        }
        assert!((0..PAGES).all(is_there));
        let mut pages = FilePages::default();
        let map = File::open("/proc/self/pagemap").unwrap();
        pages.find(&map, start..start + bytes.len()).unwrap();
        assert_eq!(pages.len, 3, "between those that are written");
        // SAFETY: nobody has written there since.
        unsafe { pages.release() };
        for i in 0..PAGES {
            assert_eq!(is_there(i), WRITTEN.contains(&i), "page {i}");
        }
        for (i, before) in before.into_iter().enumerate() {
            let is_written = WRITTEN.contains(&i);
            assert_eq!(bytes[i * page], if is_written { !before } else { before });
        }
        // SAFETY: exactly what mmap gave, and not looked at any more.
        unsafe { libc::munmap(bytes.as_mut_ptr().cast(), bytes.len()) };
    }
}
