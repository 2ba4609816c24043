//! A connection as it goes from hand to hand: from the accept loop to a worker, and back to wait.

use crate::limits::Limits;
use crate::net::{Epoll, Transport};
use crate::protocol::{Event, Sequence};
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An open connection and where it stands.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its entry in the accept loop's set, if there is one. It stands before the transport, and so ends before it.
    pub(crate) registration: Option<Registration>,
    pub(crate) transport: Transport,
    pub(crate) sequence: Sequence,
    /// Requests that were answered on it.
    pub(crate) served: u32,
    /// Whether the body of the last request may still be on its way.
    pub(crate) body_pending: bool,
    /// When the head that is being waited for began to come, in ms of the monotonic clock; 0 if none has.
    pub(crate) head_since: u64,
    _open: Open,
}

impl Link {
    pub(crate) fn new(transport: Transport, open: &Arc<AtomicUsize>) -> Link {
        open.fetch_add(1, Ordering::Relaxed);
        let sequence = Sequence::default();
        Link {
            registration: None,
            transport,
            sequence,
            served: 0,
            body_pending: false,
            head_since: 0,
            _open: Open(Arc::clone(open)),
        }
    }

    /// Is counted by, and waits in, another accept loop from now on.
    pub(crate) fn belong_to(&mut self, open: &Arc<AtomicUsize>) {
        open.fetch_add(1, Ordering::Relaxed);
        self._open = Open(Arc::clone(open));
        self.registration = None;
    }

    /// Sends a short record between answers. A peer that does not even take that is given up.
    pub(crate) fn send_short(&self, record: &[u8]) -> bool {
        matches!(self.transport.send(record), Ok(n) if n == record.len())
    }
}

/// A connection's entry in a set, taken out when dropped: before the connection is closed.
///
/// A worker that waits holds, for a moment, each socket that it looks at in the set. To close one in that moment closes
/// nothing: its end comes when that worker wakes up, which may be hours later (Linux 6.18, where the set takes a
/// reference to look). Nobody looks at what is not in the set.
#[derive(Debug)]
pub(crate) struct Registration {
    set: Arc<Epoll>,
    fd: RawFd,
}

impl Registration {
    pub(crate) fn new(set: &Arc<Epoll>, fd: RawFd) -> Registration {
        Registration {
            set: Arc::clone(set),
            fd,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // It fails only where it was never put in.
        let _ = self.set.remove(self.fd);
    }
}

/// Counts a connection for as long as it is open.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that waits, and what is known of its next request.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) link: Link,
    pub(crate) kind: Kind,
    /// When it is given up, in ms of the monotonic clock.
    pub(crate) deadline: u64,
    pub(crate) head: Head,
    /// The bytes that `head` is about; empty if there are none.
    pub(crate) block: Vec<u8>,
}

impl Waiting {
    /// Whether it waits for a worker and no more for its peer: its event is there, or comes as soon as it is armed. While
    /// all workers are busy, the time is not its own. Async-signal-safe.
    pub(crate) fn has_come(&self) -> bool {
        match self.kind {
            Kind::Ready => true,
            // What we have ended, or what is read away.
            Kind::Linger | Kind::Ended => false,
            Kind::FirstByte | Kind::Idle | Kind::Head => self.link.transport.is_readable(),
        }
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first byte after it was accepted.
    FirstByte,
    /// Its next request.
    Idle,
    /// The rest of a head.
    Head,
    /// A worker: what it holds has not been looked at.
    Ready,
    /// The peer's end, after we ended our side.
    Linger,
    /// Nothing: both sides are ended, which is the event that closes it.
    Ended,
}

impl Kind {
    /// How long it may wait, in ms.
    pub(crate) fn limit(self, limits: &Limits) -> u64 {
        let limit = match self {
            Kind::FirstByte => limits.first_byte_timeout,
            Kind::Idle => limits.idle_timeout,
            Kind::Head => limits.head_timeout,
            Kind::Linger => limits.linger_timeout,
            // For us, not for its peer.
            Kind::Ready | Kind::Ended => return u64::MAX,
        };
        u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
    }
}

/// How far a request's head was read, in whatever buffer holds it.
///
/// ```text
/// [ … | params, their records slid together | not looked at | free ]
///       params.start        params.end <= at           filled
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) params: Range<usize>,
    pub(crate) at: usize,
    pub(crate) filled: usize,
}

/// The params of one request are larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The most that lies in front of params that are read into: a BEGIN_REQUEST and two headers.
const FRONT: usize = 32;

impl Head {
    /// A head of which `filled` bytes are there, unseen.
    pub(crate) fn of(filled: usize) -> Head {
        Head {
            params: 0..0,
            at: 0,
            filled,
        }
    }

    /// Whether `buffer` begins with a whole head of the usual form; then it is read.
    #[inline]
    pub(crate) fn is_whole(
        &mut self,
        sequence: &mut Sequence,
        buffer: &[u8],
        max_params: usize,
    ) -> bool {
        let is_fresh = self.at == 0 && self.filled <= max_params;
        let params = is_fresh
            .then(|| sequence.whole_head(&buffer[..self.filled], &mut self.at))
            .flatten();
        match params {
            Some(params) => {
                self.params = params;
                true
            }
            None => false,
        }
    }

    /// What comes next, `Params` taken care of: their content stays where it landed, and that of a further
    /// record is slid left over its header, so that a pair that straddles records is whole.
    ///
    /// After `More` all of `buffer` from `filled` on is free.
    pub(crate) fn next(
        &mut self,
        sequence: &mut Sequence,
        buffer: &mut [u8],
        max_params: usize,
    ) -> Result<Event, TooLarge> {
        loop {
            match sequence.next(&buffer[..self.filled], &mut self.at) {
                Event::Params(n) => {
                    if self.params.len() + n > max_params {
                        return Err(TooLarge);
                    }
                    if self.params.is_empty() {
                        self.params = self.at..self.at;
                    }
                    if self.at > self.params.end {
                        buffer.copy_within(self.at..self.at + n, self.params.end);
                    }
                    self.params.end += n;
                    self.at += n;
                    sequence.take(n);
                }
                Event::More => {
                    if self.params.is_empty() {
                        self.params = 0..0;
                    } else if self.params.start > FRONT {
                        buffer.copy_within(self.params.clone(), 0);
                        self.params = 0..self.params.len();
                    }
                    self.at = self.params.end;
                    self.filled = self.params.end;
                    return Ok(Event::More);
                }
                Event::Begin(role) => {
                    self.params = 0..0;
                    return Ok(Event::Begin(role));
                }
                event => return Ok(event),
            }
        }
    }

    /// The place of what was not looked at.
    pub(crate) fn unread(&self) -> Range<usize> {
        self.at..self.filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{RecordHeader, RecordType};

    /// A head whose params are cut into records of `size` bytes.
    fn head_of(params: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = vec![1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for piece in params.chunks(size) {
            let header = RecordHeader::new(RecordType::Params, 1, piece.len() as u16);
            bytes.extend_from_slice(&header.encode());
            bytes.extend_from_slice(piece);
            bytes.extend(std::iter::repeat_n(0xee, header.padding as usize));
        }
        bytes.extend_from_slice(&[1, 4, 0, 1, 0, 0, 0, 0]);
        bytes.extend_from_slice(b"\x01\x05\0\x01\0\x01\0\0b");
        bytes
    }

    #[test]
    fn params_are_whole_however_they_were_cut() {
        let params: Vec<u8> = (0..200_u8).collect();
        for record in [1, 7, 100, 200] {
            let stream = head_of(&params, record);
            for read in 1..stream.len() {
                let mut buffer = vec![0; stream.len() + 64];
                let (mut head, mut sequence, mut rest) =
                    (Head::default(), Sequence::default(), &stream[..]);
                loop {
                    match head.next(&mut sequence, &mut buffer, 200).unwrap() {
                        Event::Begin(1) => {}
                        Event::Head => break,
                        Event::More => {
                            let n = read.min(rest.len());
                            buffer[head.filled..][..n].copy_from_slice(&rest[..n]);
                            head.filled += n;
                            rest = &rest[n..];
                        }
                        event => panic!("{event:?}"),
                    }
                }
                assert_eq!(
                    buffer[head.params.clone()],
                    params,
                    "records of {record}, reads of {read}"
                );
                let body = [&buffer[head.unread()], rest].concat();
                assert_eq!(body, b"\x01\x05\0\x01\0\x01\0\0b");
            }
        }
    }

    #[test]
    fn params_above_the_limit_are_too_large() {
        let mut stream = head_of(&[0; 200], 64);
        let mut head = Head::of(stream.len());
        let mut sequence = Sequence::default();
        assert_eq!(
            head.next(&mut sequence, &mut stream, 199),
            Ok(Event::Begin(1))
        );
        assert_eq!(head.next(&mut sequence, &mut stream, 199), Err(TooLarge));
    }
}
