//! What each worker is doing, readable at any moment from anywhere, a signal handler included. `connection` writes it; the deadline
//! of a stop, the watcher and the status page read it.
//!
//! A worker writes its slot when a request's front freezes. Whoever reads a slot takes what it finds between two equal, even
//! sequence numbers, and nothing if these differ. Nothing locks and nothing allocates.
//!
//! A slot counts requests, too. Only its worker writes to it, so that a count is a load and a store of a cache line of the
//! worker's own, and costs nothing that could be measured. What is read of several slots is of slightly different moments.

use crate::cgi::up_to_eight;
use crate::log_text::{self, MAX_REQUEST};
use std::fmt;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// How much of a method and of a path a slot keeps, in numbers of eight bytes. A line cannot show more than that of them: a byte takes
/// one character of it, or several if it is escaped.
const METHOD: usize = 2;
const PATH: usize = MAX_REQUEST.div_ceil(8);

#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Odd while the slot is being written.
    sequence: AtomicU32,
    /// When the request began, in ms of the monotonic clock; 0 when there is none.
    since: AtomicU64,
    /// The request's number; 0 before the first.
    number: AtomicU64,
    /// The length of the method, and above its lowest byte that of the path.
    lengths: AtomicU64,
    method: [AtomicU64; METHOD],
    path: [AtomicU64; PATH],
    /// When the last request ended.
    ended: AtomicU64,
    /// When the first request after the worker's last rest began.
    busy_since: AtomicU64,
    served: [AtomicU64; Served::CLASSES],
}

/// A worker that has had nothing to do for so many ms has rested. The clock's step is 4 ms, on some kernels 10.
const REST_MS: u64 = 20;

/// How many requests were answered, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Served([u64; Served::CLASSES]);

impl Served {
    /// 2xx, 3xx, 4xx, 5xx, and those that were cut or given up.
    pub(crate) const CLASSES: usize = 5;
    pub(crate) const NAMES: [&str; Served::CLASSES] = ["2xx", "3xx", "4xx", "5xx", "cut"];

    /// Adds what another worker has served.
    pub(crate) fn and(self, other: Served) -> Served {
        Served(std::array::from_fn(|class| self.0[class] + other.0[class]))
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each class by its name.
    pub(crate) fn by_class(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Served::NAMES.into_iter().zip(self.0)
    }
}

impl Slot {
    /// A request begins.
    pub(crate) fn begin(&self, now: u64, number: u64, method: &[u8], path: &[u8]) {
        let method = &method[..method.len().min(METHOD * 8)];
        let path = &path[..path.len().min(PATH * 8)];
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let lengths = method.len() | path.len() << 8;
        self.lengths.store(lengths as u64, Ordering::Relaxed);
        keep(method, &self.method);
        keep(path, &self.path);
        self.number.store(number, Ordering::Relaxed);
        if now > self.ended.load(Ordering::Relaxed) + REST_MS {
            self.busy_since.store(now, Ordering::Relaxed);
        }
        self.since.store(now.max(1), Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The request has ended: with this status, or with none if its answer has no end. Returns how many ms it took.
    pub(crate) fn end(&self, now: u64, status: Option<u16>) -> u64 {
        let class = match status {
            Some(status) => usize::from(status / 100).clamp(2, 5) - 2,
            None => Served::CLASSES - 1,
        };
        let count = &self.served[class];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.leave(now)
    }

    /// The request has ended, and is not counted here. Returns how many ms it took.
    pub(crate) fn leave(&self, now: u64) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        self.ended.store(now, Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
        now.saturating_sub(since)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// Since when the worker has not rested; `None` if it rests now.
    pub(crate) fn busy_since(&self, now: u64) -> Option<u64> {
        let rested = now > self.ended.load(Ordering::Relaxed) + REST_MS;
        (self.is_busy() || !rested).then(|| self.busy_since.load(Ordering::Relaxed))
    }

    pub(crate) fn served(&self) -> Served {
        Served(std::array::from_fn(|class| {
            self.served[class].load(Ordering::Relaxed)
        }))
    }

    /// When the running request began, and its line, in which what the visitor has sent is escaped. `None` if none runs, or the
    /// worker writes at this moment.
    pub(crate) fn read(&self) -> Option<(u64, Line)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        let number = self.number.load(Ordering::Relaxed);
        let [method_len, path_len, ..] = self.lengths.load(Ordering::Relaxed).to_le_bytes();
        let (method, path) = (kept(&self.method), kept(&self.path));
        fence(Ordering::Acquire);
        let steady =
            sequence.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == sequence;
        if !steady || since == 0 {
            return None;
        }
        let mut line = Line {
            number,
            text: [0; MAX_REQUEST],
            len: 0,
        };
        let method = method.as_flattened().get(..method_len.into())?;
        let path = path.as_flattened().get(..path_len.into())?;
        line.len = log_text::request(method, path, &mut line.text);
        Some((since, line))
    }
}

/// A request's method and the start of its path, as one line of printable ASCII; shown behind its id: `4711-12 GET /`.
#[derive(Clone)]
pub(crate) struct Line {
    number: u64,
    text: [u8; MAX_REQUEST],
    len: usize,
}

impl Line {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    /// Which request of this process it is.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} {}", process::id(), self.number, self.text())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Stores bytes, for all of which there is room.
#[inline(always)]
fn keep(bytes: &[u8], there: &[AtomicU64]) {
    let mut rest = bytes;
    for word in there {
        word.store(up_to_eight(rest), Ordering::Relaxed);
        match rest {
            [_, _, _, _, _, _, _, _, behind @ ..] if !behind.is_empty() => rest = behind,
            _ => return,
        }
    }
}

fn kept<const N: usize>(there: &[AtomicU64; N]) -> [[u8; 8]; N] {
    std::array::from_fn(|i| there[i].load(Ordering::Relaxed).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(slot: &Slot) -> Option<String> {
        slot.read()
            .map(|(_, line)| String::from_utf8(line.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_slot_tells_the_running_request_and_nothing_else() {
        let slot = Slot::default();
        assert_eq!(text(&slot), None);
        slot.begin(5, 0, b"GET", b"/a/very/long/path/that/comes/first");
        slot.begin(7, 0, b"POST", b"/b");
        assert_eq!(text(&slot).as_deref(), Some("POST /b"));
        assert_eq!(slot.read().unwrap().0, 7);
        assert_eq!(slot.end(12, Some(200)), 5);
        assert_eq!(text(&slot), None);
    }

    #[test]
    fn requests_are_counted_by_what_became_of_them() {
        let slot = Slot::default();
        for status in [200, 204, 303, 404, 500, 511, 599] {
            slot.begin(1, 0, b"GET", b"/");
            slot.end(1, Some(status));
        }
        slot.begin(1, 0, b"GET", b"/");
        slot.end(1, None);
        let served = slot.served().and(slot.served());
        let counts: Vec<_> = served.by_class().collect();
        let wanted = [("2xx", 4), ("3xx", 2), ("4xx", 2), ("5xx", 6), ("cut", 2)];
        assert_eq!((counts, served.total()), (wanted.to_vec(), 16));
    }

    #[test]
    fn a_worker_is_busy_from_its_last_rest_on() {
        let slot = Slot::default();
        assert_eq!(slot.busy_since(1000), None);
        slot.begin(1000, 0, b"GET", b"/");
        assert_eq!(slot.busy_since(5000), Some(1000));
        slot.end(5000, Some(200));
        assert_eq!(slot.busy_since(5000 + REST_MS), Some(1000));
        slot.begin(5000 + REST_MS, 0, b"GET", b"/");
        assert_eq!(slot.busy_since(6000), Some(1000), "no rest between them");
        slot.end(6000, Some(200));
        assert_eq!(slot.busy_since(6001 + REST_MS), None);
        slot.begin(6001 + REST_MS, 0, b"GET", b"/");
        assert_eq!(slot.busy_since(7000), Some(6001 + REST_MS));
    }

    #[test]
    fn what_a_visitor_sends_is_one_printable_line() {
        let slot = Slot::default();
        slot.begin(1, 0, b"GET", b"/a\nb\x1b[31m\\\xe9");
        assert_eq!(text(&slot).as_deref(), Some(r"GET /a\x0ab\x1b[31m\x5c\xe9"));
        slot.begin(1, 0, &[b'M'; 100], &[b'\n'; 1000]);
        let line = text(&slot).unwrap();
        assert!(
            line.len() <= MAX_REQUEST && line.ends_with(r"\x0a"),
            "{line}"
        );
    }

    /// Readers see one request or none, never a mixture.
    #[test]
    fn a_line_is_never_torn() {
        let slot = Slot::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..50_000_u64 {
                    let path = [b'a' + (i % 26) as u8; 120];
                    slot.begin(i + 1, 0, b"GET", &path);
                }
            });
            for _ in 0..50_000 {
                if let Some((_, line)) = slot.read() {
                    let path = &line.as_bytes()[4..];
                    assert!(path.iter().all(|&b| b == path[0]), "{path:?}");
                }
            }
        });
    }
}
