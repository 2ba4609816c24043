//! Events that a worker has taken with its own. Called by the loop.
//!
//! While requests are quick one worker serves all kept connections in turn (see `reserve`), and takes the events of several at once:
//! that spares a system call for nearly each. With eight connections it came to 1.31 of what a thread for each of them answers,
//! where one event at a time came to 1.23 (twelve interleaved rounds on two cores). It serves the first; the others lie here, for
//! whoever comes by next: itself, if it is as quick as was expected, or else the worker that the reserve sends.
//!
//! Nobody goes on sleeping in the loop while something lies here. Who enters the loop counts as waiting, and then looks here; who
//! leaves it has put aside what it took, and then looks whether somebody waits, who may have looked too early: if so, all goes
//! back to the set, and is an event once more.

use super::{Accept, CONTROL, KIND, LISTENER, PARKED, STOP, TIMER, interest};
use crate::link::Seat;
use crate::log_line::error;
use crate::net::Interest;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

/// How many events are taken at once.
pub(super) const MOST: usize = 8;

impl Accept {
    /// How many events this worker may take: several only if it waits alone, so that nobody else does without. What multiplexed
    /// connections have to say cannot be put aside.
    pub(super) fn how_many(&self, is_quick: bool) -> usize {
        match is_quick && self.waiting.load(Ordering::SeqCst) == 1 && !self.has_multiplexed() {
            true => MOST,
            false => 1,
        }
    }

    /// Of several events the one that this worker sees to; the others are put aside. What cannot be put aside comes first: armed
    /// again it goes behind all that is ready, and with ten connections that always are it would do so for ever.
    #[inline(never)]
    pub(super) fn choose(&self, keys: impl Iterator<Item = u64> + Clone) -> Option<u64> {
        let comes_first = |key: u64| match key & KIND {
            PARKED | STOP => false,
            // Where all are open, the end of the one that made room comes before whoever it is for.
            LISTENER => self.open() < self.limits.max_connections,
            _ => true,
        };
        let own = keys.clone().position(comes_first).unwrap_or(0);
        let others = keys.clone().enumerate().filter(|(at, _)| *at != own);
        self.put_aside(others.map(|(_, key)| key));
        keys.clone().nth(own)
    }

    /// Puts connections aside, and has all else go back to the end of the set.
    fn put_aside(&self, keys: impl Iterator<Item = u64> + Clone) {
        let is_connection = |key: &u64| key & KIND == PARKED;
        let mut parked = self.lock();
        parked.taken.extend(keys.clone().filter(is_connection));
        self.has_taken
            .store(!parked.taken.is_empty(), Ordering::SeqCst);
        drop(parked);
        for key in keys.filter(|key| !is_connection(key)) {
            match key & KIND {
                LISTENER => self.listeners.arm((key & !KIND) as usize),
                TIMER => self.leave(self.timer.as_raw_fd(), key),
                CONTROL => {
                    if let Some(control) = self.control.get() {
                        self.leave(control.as_raw_fd(), key);
                    }
                }
                // Told for as long as it is so.
                STOP => {}
                _ => self.leave_task(key),
            }
        }
    }

    /// Puts a connection that was put aside into `place`, which is empty. Whether there is one.
    #[inline(always)]
    pub(super) fn take_up(&self, place: &mut Seat) -> bool {
        if !self.has_taken.load(Ordering::SeqCst) {
            return false;
        }
        let mut parked = self.lock();
        let is_there = parked.take_up(place);
        self.has_taken
            .store(!parked.taken.is_empty(), Ordering::SeqCst);
        is_there
    }

    /// Gives what was put aside back to the set, for who waits there.
    #[cold]
    pub(super) fn give_back(&self) {
        let mut parked = self.lock();
        while let Some(key) = parked.taken.pop_front() {
            // Nobody can take and close it meanwhile: that needs the lock.
            let Some(waiting) = parked.get(key) else {
                continue;
            };
            let fd = waiting.link.transport.as_raw_fd();
            let armed = self.epoll.rearm(fd, key, interest(waiting.kind));
            if !self.tell_cannot_wait(armed) {
                parked.take(key, &mut Seat::default());
            }
        }
        self.has_taken.store(false, Ordering::SeqCst);
    }

    fn leave(&self, fd: i32, key: u64) {
        if let Err(error) = self.epoll.rearm(fd, key, Interest::ReadOnce) {
            error!("what the process has to do beside its requests cannot be waited for: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use crate::exchange::Home;
    use crate::limits::Limits;
    use crate::net::{Address, Listener, Permit};
    use crate::peers::Peers;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// A loop, and peers of it who have each written their number.
    fn loop_with(peers: u8) -> (Accept, Vec<UnixStream>) {
        loop_on(Vec::new(), peers)
    }

    fn loop_on(listeners: Vec<Listener>, peers: u8) -> (Accept, Vec<UnixStream>) {
        let accept = Accept::new(listeners, Peers::default(), Limits::default()).unwrap();
        let written = |number| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(&[number]).unwrap();
            accept.adopt(ours.into());
            theirs
        };
        let peers = (0..peers).map(written).collect();
        (accept, peers)
    }

    /// Who connects to it, and the listener.
    fn listener() -> (SocketAddr, Listener) {
        let any_port = Address::Tcp(([127, 0, 0, 1], 0).into());
        let listener = Listener::bind(&any_port, &Permit::default()).unwrap();
        let address = listener.socket().local_addr().unwrap();
        (address.as_socket().unwrap(), listener)
    }

    /// The number of who is served next, as a worker that comes into the loop finds it.
    fn next(accept: &Accept, is_quick: bool) -> u8 {
        served(accept, is_quick).0
    }

    fn served(accept: &Accept, is_quick: bool) -> (u8, Seat) {
        let mut buffers = Buffers::new(Limits::default().max_params).unwrap();
        let (mut place, mut task) = (Seat::default(), None);
        accept.expect_worker();
        assert!(accept.next(&mut buffers, &mut place, &mut task, is_quick));
        let mut number = [0];
        let waiting = (*place).as_ref().expect("a connection");
        let fd = waiting.link.transport.as_fd().try_clone_to_owned().unwrap();
        UnixStream::from(fd).read_exact(&mut number).unwrap();
        (number[0], place)
    }

    #[test]
    fn what_is_taken_together_is_served_in_turn() {
        let (accept, _peers) = loop_with(MOST as u8 + 2);
        assert_eq!(next(&accept, true), 0);
        let rest = MOST as u8;
        assert_eq!(accept.lock().taken.len(), MOST - 1);
        assert!((1..rest).all(|number| next(&accept, true) == number));
        assert!(!accept.has_taken.load(Ordering::SeqCst));
        assert_eq!([next(&accept, true), next(&accept, true)], [rest, rest + 1]);
    }

    #[test]
    fn one_that_is_slow_or_not_alone_takes_one() {
        let (accept, _peers) = loop_with(3);
        assert_eq!(next(&accept, false), 0);
        accept.expect_worker();
        assert_eq!(next(&accept, true), 1);
        assert!(!accept.has_taken.load(Ordering::SeqCst));
    }

    #[test]
    fn a_newcomer_comes_in_beside_ten_that_never_pause() {
        const NEWCOMER: u8 = 200;
        let (address, listener) = listener();
        let (accept, mut peers) = loop_on(vec![listener], 10);
        let mut newcomer = TcpStream::connect(address).unwrap();
        newcomer.write_all(&[NEWCOMER]).unwrap();
        let mut turns = 0;
        loop {
            let (number, mut seat) = served(&accept, true);
            if number == NEWCOMER {
                break;
            }
            turns += 1;
            assert!(turns < 20, "it does not come in");
            peers[usize::from(number)].write_all(&[number]).unwrap();
            accept.park(&mut seat);
        }
    }

    #[test]
    fn what_lies_there_when_somebody_waits_is_given_back() {
        let (accept, _peers) = loop_with(4);
        let keys: Vec<u64> = (0..4)
            .map(|_| accept.epoll.look().unwrap().unwrap())
            .collect();
        assert_eq!(accept.epoll.look().unwrap(), None);
        accept.put_aside(keys.iter().copied());
        // It looked before anything lay there, and sleeps.
        accept.expect_worker();
        assert_eq!(next(&accept, true), 0);
        assert!(!accept.has_taken.load(Ordering::SeqCst));
        assert!((1..4).all(|number| next(&accept, false) == number));
    }

    #[test]
    fn what_is_no_connection_goes_back_to_the_set() {
        let (address, listener) = listener();
        let (accept, _) = loop_on(vec![listener], 0);
        let _early = TcpStream::connect(address).unwrap();
        accept.ring_at(1);
        let seen = || {
            let mut seen = [(); 2].map(|()| accept.event(false).unwrap().unwrap());
            seen.sort();
            assert_eq!(seen, [TIMER, LISTENER]);
            assert_eq!(accept.epoll.look().unwrap(), None);
        };
        seen();
        accept.put_aside([TIMER, LISTENER, STOP].into_iter());
        seen();
        assert!(!accept.has_taken.load(Ordering::SeqCst));
    }
}
