//! What each worker is doing, readable at any moment from anywhere, a signal handler included.
//!
//! A worker writes its slot when a request's front freezes; whoever reads it takes what it finds between two
//! equal, even sequence numbers, and gives up otherwise. Nothing locks and nothing allocates. The deadline of a stop, the
//! watcher and the status page read it.
//!
//! It counts, too: one worker writes each slot, so that a count is a load and a store of a cache line that is its own, and
//! costs nothing that could be measured. What is read of several slots is of slightly different moments.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

const WORDS: usize = 19;

/// How much of a request's line a slot keeps: `WORDS * 8` bytes, the first of them the length.
const TEXT: usize = WORDS * 8 - 1;

#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Odd while the slot is being written.
    sequence: AtomicU32,
    /// When the request began, in ms of the monotonic clock; 0 when there is none.
    since: AtomicU64,
    /// The request's number; 0 before the first.
    number: AtomicU64,
    words: [AtomicU64; WORDS],
    /// When the last request ended.
    ended: AtomicU64,
    /// When the first request began of those that came without a rest between them.
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
    /// A request begins. `path` is escaped: what a visitor sends must not write log lines of its own.
    pub(crate) fn begin(&self, now: u64, number: u64, method: &[u8], path: &[u8]) {
        let mut text = [0; WORDS * 8];
        let len = line(method, path, &mut text[1..]);
        text[0] = len as u8;
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let (words, _) = text.as_chunks::<8>();
        for (word, bytes) in self.words.iter().zip(words).take(len / 8 + 1) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.number.store(number, Ordering::Relaxed);
        if now > self.ended.load(Ordering::Relaxed) + REST_MS {
            self.busy_since.store(now, Ordering::Relaxed);
        }
        self.since.store(now.max(1), Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The request has ended, with this status, or without an end of its answer. How many ms it took.
    pub(crate) fn end(&self, now: u64, status: Option<u16>) -> u64 {
        let class = match status {
            Some(status) => usize::from(status / 100).clamp(2, 5) - 2,
            None => Served::CLASSES - 1,
        };
        let count = &self.served[class];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.leave(now)
    }

    /// There is no request any more. How many ms it took.
    pub(crate) fn leave(&self, now: u64) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        self.ended.store(now, Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
        now.saturating_sub(since)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// Since when its worker has not rested; `None` if it rests.
    pub(crate) fn busy_since(&self, now: u64) -> Option<u64> {
        let rested = now > self.ended.load(Ordering::Relaxed) + REST_MS;
        (self.is_busy() || !rested).then(|| self.busy_since.load(Ordering::Relaxed))
    }

    pub(crate) fn served(&self) -> Served {
        Served(std::array::from_fn(|class| {
            self.served[class].load(Ordering::Relaxed)
        }))
    }

    /// When the running request began, and its line.
    pub(crate) fn read(&self) -> Option<(u64, Line)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        let number = self.number.load(Ordering::Relaxed);
        let mut bytes = [0; WORDS * 8];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(&self.words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        fence(Ordering::Acquire);
        let steady =
            sequence.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == sequence;
        let line = Line {
            number,
            text: bytes,
        };
        (steady && since != 0).then_some((since, line))
    }
}

/// A request's method and the start of its path, as one line of printable ASCII; shown behind its id: `4711-12 GET /`.
#[derive(Clone)]
pub(crate) struct Line {
    number: u64,
    text: [u8; WORDS * 8],
}

impl Line {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[1..][..usize::from(self.text[0]).min(TEXT)]
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

/// Milliseconds as seconds with one digit behind the point.
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 / 100 % 10)
    }
}

/// Writes `METHOD path`, as much as there is room for. Returns its length.
fn line(method: &[u8], path: &[u8], into: &mut [u8]) -> usize {
    // Nearly always: nothing to escape, and room for all.
    let plain = method.len() + 1 + path.len();
    let is_plain = |bytes: &[u8]| bytes.iter().all(|&byte| is_shown(byte));
    if method.len() <= 16 && plain <= into.len() && is_plain(method) && is_plain(path) {
        let (first, rest) = into.split_at_mut(method.len());
        first.copy_from_slice(method);
        rest[0] = b' ';
        rest[1..][..path.len()].copy_from_slice(path);
        return plain;
    }
    let mut len = 0;
    for &byte in method.iter().take(16).chain(b" ").chain(path) {
        let escape = escaped(byte);
        let bytes = escape
            .as_ref()
            .map_or(std::slice::from_ref(&byte), |escape| &escape[..]);
        let Some(room) = into.get_mut(len..len + bytes.len()) else {
            break;
        };
        room.copy_from_slice(bytes);
        len += bytes.len();
    }
    len
}

/// Whether it is printable ASCII, and no backslash.
fn is_shown(byte: u8) -> bool {
    matches!(byte, 0x20..0x7f) && byte != b'\\'
}

/// `\xNN` for a byte that is not printable ASCII.
fn escaped(byte: u8) -> Option<[u8; 4]> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    (!is_shown(byte)).then(|| {
        [
            b'\\',
            b'x',
            HEX[usize::from(byte >> 4)],
            HEX[usize::from(byte & 15)],
        ]
    })
}

/// Text of a visitor, for a log line: printable ASCII, at most `TEXT` bytes.
pub(crate) fn printable(method: &str, path: &[u8]) -> String {
    let mut text = [0; TEXT];
    let len = line(method.as_bytes(), path, &mut text);
    String::from_utf8_lossy(&text[..len]).into_owned()
}

/// Text of any length for a log line, its control characters escaped, and what makes a terminal show a line as another.
pub(crate) fn one_line(text: &str) -> String {
    let escape = |c: char| {
        let escape = (c.is_control() || turns_text(c)).then(|| c.escape_default());
        let plain = escape.is_none().then_some(c);
        escape.into_iter().flatten().chain(plain)
    };
    text.chars().flat_map(escape).collect()
}

/// Whether it ends a line or turns its direction (Unicode's line separators and bidirectional controls).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_stays_one_and_reads_as_it_is() {
        let text = one_line("ä \u{1b}[2J\n\u{85}\u{2028}\u{202e}gpj.\u{2066}");
        assert_eq!(text, r"ä \u{1b}[2J\n\u{85}\u{2028}\u{202e}gpj.\u{2066}");
    }

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
        assert!(line.len() <= TEXT && line.ends_with(r"\x0a"), "{line}");
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
