//! The accept loop: one blocking set that holds the listeners, the stop pipe and the parked connections.
//!
//! A free worker blocks in [`Accept::next`] (or is in reserve, see `reserve`), which yields exactly one connection that
//! has something to read; whoever gets it serves it on its own thread. So the loop feeds the pool and no connection
//! crosses threads. The kernel's backlog is the queue.
//!
//! Listeners are ONESHOT and armed again right after accept4, before serving: level-triggered ones wake two workers for
//! each connection, and EPOLLEXCLUSIVE cannot be combined with ONESHOT. Parked connections are ONESHOT too. Whoever
//! removes a parked entry under the lock owns it; keys carry a generation, so that a late event finds nothing. Only the
//! one who gets its event removes an entry: what has waited too long is shut down, which is an event, and whoever gets
//! that closes it. So a descriptor can be armed after the lock is given back, when nobody can have closed it yet.
//! With all workers busy nobody waits here, and time limits fire late.
//!
//! The timer also rings for the looks at our sockets' paths, see `listeners`; a listener whose path was bound again is
//! retired: out of the set, and emptied by whoever exchanged it.

use crate::buffer::Buffers;
use crate::exchange::Home;
use crate::limits::Limits;
use crate::link::{Head, Kind, Link, Registration, Waiting};
use crate::listeners::Listeners;
use crate::net::sys::now_ms;
use crate::net::{Epoll, Interest, Listener, Timer, Transport};
use crate::peers::Peers;
use crossbeam_utils::CachePadded;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const STOP: u64 = 1 << 56;
const TIMER: u64 = 2 << 56;
const LISTENER: u64 = 3 << 56;
const PARKED: u64 = 4 << 56;
const KIND: u64 = 0xff << 56;

/// Deadlines are looked at in steps, so that thousands of them are not thousands of alarms.
const STEP_MS: u64 = 50;

/// How long to wait when there is no descriptor or memory for another connection.
const PAUSE_MS: u64 = 100;

/// How often the log says that there is no room.
const TOLD_MS: u64 = 60_000;

/// How often the paths of our sockets are looked at. All processes of a machine look at the same moments, so that they
/// wake it once.
const LOOK_MS: u64 = 5_000;

/// How soon a path that has vanished is looked at again.
const DOUBT_MS: u64 = 1_000;

/// Asks the loop to end; from anywhere, a signal handler included.
#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    pipe: PipeWriter,
}

impl Stop {
    /// Async-signal-safe: a store and a write. The pipe is never read, so everyone who waits sees it.
    fn ask(&self) {
        if !self.asked.swap(true, Ordering::SeqCst) {
            // One byte into an empty pipe: it neither blocks nor fails.
            let _ = (&self.pipe).write(b"x");
        }
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Accept {
    epoll: Arc<Epoll>,
    timer: Timer,
    listeners: Listeners,
    /// Listeners that were exchanged, and that could not be emptied yet.
    retired: Mutex<Vec<Listener>>,
    peers: Peers,
    stop_pipe: PipeReader,
    stop: Stop,
    parked: Mutex<Parked>,
    /// Workers that wait in the loop.
    waiting: CachePadded<AtomicUsize>,
    open: Arc<AtomicUsize>,
    limits: Limits,
}

/// The connections that wait, and when to look at them again.
#[derive(Debug, Default)]
struct Parked {
    entries: Vec<Entry>,
    free: Vec<u32>,
    turns: u64,
    /// What the timer is set to, in ms of the monotonic clock; 0 if it is not.
    alarm: u64,
    /// Listeners that are not armed, one bit each, until there is room again.
    paused: u64,
    /// When to look at the paths, in ms of the monotonic clock; 0 if there are none.
    look: u64,
    /// Bytes of heads that are not whole.
    head_bytes: usize,
    /// When the log got its last line about missing room, in ms of the monotonic clock; 0 if it has none.
    told_full: u64,
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    /// Counts up with each connection that is parked: deadlines are too coarse to tell who came first.
    turn: u64,
    waiting: Option<Waiting>,
}

impl Accept {
    /// # Errors
    /// When there is no descriptor left, or more than 64 listeners are given.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        peers: Peers,
        limits: Limits,
    ) -> io::Result<Accept> {
        let (stop_pipe, pipe) = io::pipe()?;
        let epoll = Arc::new(Epoll::new()?);
        let accept = Accept {
            timer: Timer::new()?,
            listeners: Listeners::new(listeners, &epoll, LISTENER)?,
            retired: Mutex::default(),
            epoll,
            peers,
            stop_pipe,
            stop: Stop {
                asked: AtomicBool::new(false),
                pipe,
            },
            parked: Mutex::default(),
            waiting: CachePadded::default(),
            open: Arc::default(),
            limits,
        };
        accept
            .epoll
            .add(accept.stop_pipe.as_raw_fd(), STOP, Interest::ReadAlways)?;
        accept
            .epoll
            .add(accept.timer.as_raw_fd(), TIMER, Interest::ReadOnce)?;
        if accept.listeners.have_paths() {
            let mut parked = accept.lock();
            parked.look = next_look(now_ms());
            let at = parked.look;
            accept.set_alarm(&mut parked, at);
        }
        Ok(accept)
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Who may connect by TCP.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Asks every worker that waits, or comes to wait, to end. Async-signal-safe.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Removes the sockets that we made, while they still listen.
    pub(crate) fn unlink(&self) {
        for listener in self.listeners.iter() {
            if let Err(error) = listener.unlink() {
                log::warn!("cannot remove {}: {error}", listener.local_addr());
            }
        }
    }

    /// Takes a connection that came some other way than by a listener.
    pub(crate) fn adopt(&self, transport: Transport) {
        let deadline = now_ms().saturating_add(Kind::FirstByte.limit(&self.limits));
        let link = Link::new(transport, &self.open);
        self.park(Waiting {
            link,
            kind: Kind::FirstByte,
            deadline,
            head: Head::default(),
            block: Vec::new(),
        });
    }

    /// Moves all connections that wait to another loop.
    pub(crate) fn hand_over(&self, to: &Accept) {
        let mut parked = self.lock();
        let all = 0..parked.entries.len();
        let moved: Vec<Waiting> = all.filter_map(|i| parked.remove(i)).collect();
        drop(parked);
        for mut waiting in moved {
            if to.peers.admit(waiting.link.transport.peer()) {
                waiting.link.belong_to(&to.open);
                to.park(waiting);
            }
        }
    }

    /// Waits for a connection that has something to read. `None` when it is time to stop.
    ///
    /// What `buffers` hold beyond their first few KiB is given back before the worker sleeps.
    pub(crate) fn next(&self, buffers: &mut Buffers) -> Option<Waiting> {
        let next = self.wait(buffers);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        next
    }

    /// A worker is about to wait: told before [`Accept::next`], by whoever starts it or by itself.
    pub(crate) fn expect_worker(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker that was expected does not come.
    pub(crate) fn miss_worker(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether a further connection would find no worker.
    pub(crate) fn nobody_waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    fn wait(&self, buffers: &mut Buffers) -> Option<Waiting> {
        loop {
            let mut key = Ok(None);
            if buffers.is_large() {
                key = self.epoll.wait(false);
                if let Ok(None) = key {
                    buffers.release();
                }
            }
            if let Ok(None) = key {
                key = self.epoll.wait(true);
            }
            match key {
                Ok(Some(STOP)) => {
                    // The next to start finds no path of ours, and is answered if it looks just now.
                    self.unlink();
                    return None;
                }
                Ok(Some(key)) => {
                    if let Some(waiting) = self.ready(key) {
                        return Some(waiting);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    log::error!("cannot wait for connections: {error}; the worker ends");
                    self.stop.ask();
                    return None;
                }
            }
        }
    }

    fn ready(&self, key: u64) -> Option<Waiting> {
        match key & KIND {
            LISTENER => self.accept((key & !KIND) as usize),
            PARKED => self.lock().take(key),
            _ => {
                self.expire();
                None
            }
        }
    }

    fn accept(&self, i: usize) -> Option<Waiting> {
        if self.open.load(Ordering::Relaxed) >= self.limits.max_connections {
            self.end_oldest_idle();
            self.pause(i, "max_connections are open");
            return None;
        }
        let accepted = self.listeners.get(i)?.socket().accept();
        if let Err(error) = &accepted
            && !is_everyday(error)
        {
            self.end_oldest_idle();
            self.pause(i, &error.to_string());
            return None;
        }
        self.listeners.arm(i);
        // EAGAIN is everyday: a sibling process that shares the listener took the connection. ECONNABORTED too.
        let (socket, peer) = accepted.ok()?;
        if !self.peers.admit(peer.as_socket().map(|peer| peer.ip())) {
            return None;
        }
        let link = Link::new(Transport::new(socket), &self.open);
        Some(Waiting {
            link,
            kind: Kind::FirstByte,
            deadline: 0,
            head: Head::default(),
            block: Vec::new(),
        })
    }

    /// Leaves a listener alone for a moment: the backlog keeps what comes.
    fn pause(&self, i: usize, why: &str) {
        let mut parked = self.lock();
        let now = now_ms();
        if parked.told_full == 0 || now > parked.told_full + TOLD_MS {
            log::warn!("no room for another connection ({why}): new ones wait");
            parked.told_full = now;
        }
        parked.paused |= 1 << i;
        self.set_alarm(&mut parked, now + PAUSE_MS);
    }

    /// Makes room by ending the idle connection that has waited longest.
    fn end_oldest_idle(&self) {
        self.lock().end_oldest(Kind::Idle);
    }

    /// The timer rang: ends what has waited too long, and arms what was paused.
    fn expire(&self) {
        let now = now_ms();
        let mut parked = self.lock();
        let mut next = u64::MAX;
        let Parked {
            entries,
            head_bytes,
            ..
        } = &mut *parked;
        for waiting in entries
            .iter_mut()
            .filter_map(|entry| entry.waiting.as_mut())
        {
            if waiting.deadline <= now {
                tell_expired(waiting.kind);
                *head_bytes -= end(waiting);
            } else {
                next = next.min(waiting.deadline);
            }
        }
        let is_time_to_look = parked.look != 0 && parked.look <= now;
        if is_time_to_look {
            parked.look = next_look(now);
        }
        if parked.look != 0 {
            next = next.min(parked.look);
        }
        let paused = std::mem::take(&mut parked.paused);
        parked.alarm = 0;
        // Set or cleared before it is armed: one that has rung stays readable, and would wake somebody at once.
        match next {
            u64::MAX => self.clear_alarm(),
            next => self.set_alarm(&mut parked, next),
        }
        if let Err(error) = self
            .epoll
            .rearm(self.timer.as_raw_fd(), TIMER, Interest::ReadOnce)
        {
            log::error!("time limits are off: {error}");
        }
        drop(parked);
        (0..64)
            .filter(|i| paused & 1 << i != 0)
            .for_each(|i| self.listeners.arm(i));
        if is_time_to_look && !self.is_stopping() {
            self.look();
        }
    }

    /// Looks at the paths of our sockets, on whichever worker the timer woke.
    fn look(&self) {
        let look = self.listeners.look();
        if look.is_doubtful {
            let mut parked = self.lock();
            let at = now_ms() + DOUBT_MS;
            parked.look = parked.look.min(at);
            self.set_alarm(&mut parked, at);
        }
        if self.is_stopping() {
            // Perhaps it was asked after the looks began, and the one who unlinked missed what was bound again.
            self.unlink();
        }
        let mut retired = self
            .retired
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        retired.extend(look.retired);
        retired.retain(|listener| !self.empty(listener));
    }

    /// Takes what has connected to a retired listener. Whether that is all; if not, there is no room at present.
    fn empty(&self, listener: &Listener) -> bool {
        while self.open.load(Ordering::Relaxed) < self.limits.max_connections {
            match listener.socket().accept() {
                Ok((socket, _)) => self.adopt(Transport::new(socket)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if is_everyday(&error) => {}
                Err(_) => break,
            }
        }
        self.end_oldest_idle();
        false
    }

    /// Sets the timer, if it is not set to ring before.
    fn set_alarm(&self, parked: &mut Parked, at: u64) {
        // Nothing is due at the end of time.
        let Some(at) = at.checked_next_multiple_of(STEP_MS) else {
            return;
        };
        if parked.alarm != 0 && parked.alarm <= at {
            return;
        }
        parked.alarm = at;
        let wait = Duration::from_millis(at.saturating_sub(now_ms()).max(1));
        if let Err(error) = self.timer.set(wait) {
            log::error!("time limits are off: {error}");
        }
    }

    fn clear_alarm(&self) {
        if let Err(error) = self.timer.clear() {
            log::error!("time limits are off: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Home for Accept {
    fn park(&self, mut waiting: Waiting) {
        let interest = if waiting.kind == Kind::Ready {
            Interest::WriteOnce
        } else {
            Interest::ReadOnce
        };
        let (fd, deadline) = (waiting.link.transport.as_raw_fd(), waiting.deadline);
        let is_registered = waiting.link.registration.is_some();
        if !is_registered {
            waiting.link.registration = Some(Registration::new(&self.epoll, fd));
        }
        let mut parked = self.lock();
        let key = parked.insert(waiting);
        while parked.head_bytes > self.limits.max_waiting_heads && parked.end_oldest(Kind::Head) {
            log::warn!("a connection is closed: the heads that wait exceed max_waiting_heads");
        }
        if deadline < parked.alarm || parked.alarm == 0 {
            self.set_alarm(&mut parked, deadline);
        }
        drop(parked);
        let armed = if is_registered {
            self.epoll.rearm(fd, key, interest)
        } else {
            self.epoll.add(fd, key, interest)
        };
        if let Err(error) = armed {
            log::error!("a connection is closed: it cannot be waited for: {error}");
            drop(self.lock().take(key));
        }
    }

    fn go_on(&self, link: Link, unread: Vec<u8>) {
        let kind = if unread.is_empty() {
            Kind::Idle
        } else {
            Kind::Ready
        };
        let deadline = now_ms().saturating_add(kind.limit(&self.limits));
        self.park(Waiting {
            link,
            kind,
            deadline,
            head: Head::of(unread.len()),
            block: unread,
        });
    }

    fn linger(&self, link: Link) {
        if link.transport.shutdown_write().is_ok() {
            if self.is_stopping() {
                // Nobody will wait in the loop for it.
                return link.transport.drain(self.limits.linger_timeout);
            }
            let deadline = now_ms().saturating_add(Kind::Linger.limit(&self.limits));
            self.park(Waiting {
                link,
                kind: Kind::Linger,
                deadline,
                head: Head::default(),
                block: Vec::new(),
            });
        }
    }

    fn other(&self) -> Option<Waiting> {
        match self.epoll.wait(false) {
            Ok(Some(key)) if key != STOP => self.ready(key),
            _ => None,
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_asked()
    }
}

impl Parked {
    /// Puts a connection in. Its key: kind, 24 bits of generation, 32 of index.
    fn insert(&mut self, waiting: Waiting) -> u64 {
        self.head_bytes += waiting.block.len();
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        self.turns += 1;
        entry.turn = self.turns;
        entry.waiting = Some(waiting);
        PARKED | u64::from(entry.generation & 0xff_ffff) << 32 | u64::from(index)
    }

    fn entry(&mut self, key: u64) -> Option<&mut Waiting> {
        let entry = self.entries.get_mut(key as u32 as usize)?;
        let generation = (key >> 32) as u32 & 0xff_ffff;
        (entry.generation & 0xff_ffff == generation)
            .then_some(entry.waiting.as_mut())
            .flatten()
    }

    fn take(&mut self, key: u64) -> Option<Waiting> {
        self.entry(key)?;
        self.remove(key as u32 as usize)
    }

    fn remove(&mut self, index: usize) -> Option<Waiting> {
        let entry = &mut self.entries[index];
        let waiting = entry.waiting.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index as u32);
        self.head_bytes -= waiting.block.len();
        Some(waiting)
    }

    /// Ends the one of this kind that is due first. Whether there was one.
    fn end_oldest(&mut self, kind: Kind) -> bool {
        let entries = self
            .entries
            .iter_mut()
            .filter_map(|entry| Some((entry.turn, entry.waiting.as_mut()?)));
        let oldest = entries
            .filter(|(_, waiting)| waiting.kind == kind)
            .min_by_key(|(turn, w)| (w.deadline, *turn));
        let freed = oldest.map(|(_, waiting)| end(waiting));
        self.head_bytes -= freed.unwrap_or(0);
        freed.is_some()
    }
}

/// Ends a connection that waits: its next event is its end, and whoever gets that closes it. How many bytes of a head
/// were freed.
fn end(waiting: &mut Waiting) -> usize {
    waiting.link.transport.shutdown();
    waiting.kind = Kind::Linger;
    waiting.deadline = u64::MAX;
    waiting.head = Head::default();
    std::mem::take(&mut waiting.block).len()
}

/// A sibling process that shares the listener took the connection, or its peer has gone. All else (no descriptor, no
/// memory, a listener that a sibling has shut down) is weather: it is waited out, and must not spin.
fn is_everyday(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

fn next_look(now: u64) -> u64 {
    (now / LOOK_MS + 1) * LOOK_MS
}

fn tell_expired(kind: Kind) {
    match kind {
        // A neighbour's probe, a web server that keeps a connection: everyday.
        Kind::FirstByte | Kind::Idle | Kind::Linger => {
            log::debug!("a connection is closed: {kind:?} took too long")
        }
        Kind::Head | Kind::Ready => {
            log::warn!(
                "a connection is closed: a request's head was not whole in time (head_timeout)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Address, Permit};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::{env, fs, process};

    /// A loop without workers, that listens in a folder of its own.
    struct Ours {
        accept: Accept,
        path: PathBuf,
    }

    impl Ours {
        fn new(name: &str, max_connections: usize) -> Ours {
            let folder = env::temp_dir().join(format!("fcgi-accept-{}-{name}", process::id()));
            fs::create_dir(&folder).unwrap();
            let path = folder.join("s");
            let address = Address::Unix(path.clone());
            let listener = Listener::bind(&address, &Permit::default()).unwrap();
            let limits = Limits {
                max_connections,
                ..Limits::default()
            };
            let accept = Accept::new(vec![listener], Peers::default(), limits).unwrap();
            Ours { accept, path }
        }

        fn waiting(&self) -> usize {
            let parked = self.accept.lock();
            let waiting = parked.entries.iter().filter(|e| e.waiting.is_some());
            waiting.count()
        }
    }

    impl Drop for Ours {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.path.parent().unwrap());
        }
    }

    #[test]
    fn what_has_connected_before_the_path_vanished_is_served() {
        let ours = Ours::new("vanished", 100);
        let early: Vec<_> = (0..7)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        assert!(!ours.path.exists(), "somebody may be about to bind it");
        ours.accept.look();
        assert_eq!(ours.waiting(), early.len());
        let late = UnixStream::connect(&ours.path).unwrap();
        // They have sent nothing: the only thing that is ready is the new listener.
        let key = ours.accept.epoll.wait(true).unwrap();
        assert_eq!(key, Some(LISTENER));
        assert!(ours.accept.ready(LISTENER).is_some());
        drop(late);
        ours.accept.unlink();
        assert!(!ours.path.exists(), "the new one is removed at the end");
    }

    #[test]
    fn what_there_is_no_room_for_is_taken_at_a_later_look() {
        let ours = Ours::new("full", 3);
        let early: Vec<_> = (0..5)
            .map(|_| UnixStream::connect(&ours.path).unwrap())
            .collect();
        fs::remove_file(&ours.path).unwrap();
        (0..3).for_each(|_| ours.accept.look());
        assert_eq!(ours.waiting(), 3);
        let all = 0..ours.accept.lock().entries.len();
        all.for_each(|i| drop(ours.accept.lock().remove(i)));
        ours.accept.look();
        assert_eq!(ours.waiting(), 2);
        assert!(ours.accept.retired.lock().unwrap().is_empty());
        drop(early);
    }

    #[test]
    fn a_server_that_stops_binds_nothing_again() {
        let ours = Ours::new("stopping", 100);
        fs::remove_file(&ours.path).unwrap();
        ours.accept.look();
        ours.accept.ask_to_stop();
        ours.accept.look();
        assert!(!ours.path.exists());
    }
}
