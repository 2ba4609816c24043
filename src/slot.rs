//! What each worker is doing, readable at any moment from anywhere, a signal handler included.
//!
//! A worker writes its slot when a request's front freezes; whoever reads it takes what it finds between two
//! equal, even sequence numbers, and gives up otherwise. Nothing locks and nothing allocates.

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
    words: [AtomicU64; WORDS],
}

impl Slot {
    /// A request begins. `path` is escaped: what a visitor sends must not write log lines of its own.
    pub(crate) fn begin(&self, now: u64, method: &[u8], path: &[u8]) {
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
        self.since.store(now.max(1), Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The request has ended.
    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// When the running request began, and its line.
    pub(crate) fn read(&self) -> Option<(u64, Line)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        let mut bytes = [0; WORDS * 8];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(&self.words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        fence(Ordering::Acquire);
        let steady =
            sequence.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == sequence;
        (steady && since != 0).then_some((since, Line(bytes)))
    }
}

/// A request's method and the start of its path, as one line of printable ASCII.
pub(crate) struct Line([u8; WORDS * 8]);

impl Line {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0[1..][..usize::from(self.0[0]).min(TEXT)]
    }
}

/// Writes `METHOD path`, as much as there is room for. Returns its length.
fn line(method: &[u8], path: &[u8], into: &mut [u8]) -> usize {
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

/// `\xNN` for a byte that is not printable ASCII.
fn escaped(byte: u8) -> Option<[u8; 4]> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let printable = (0x20..0x7f).contains(&byte) && byte != b'\\';
    (!printable).then(|| {
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

/// Text of any length for a log line, its control characters escaped.
pub(crate) fn one_line(text: &str) -> String {
    let escape = |c: char| {
        let escape = c.is_control().then(|| c.escape_default());
        let plain = escape.is_none().then_some(c);
        escape.into_iter().flatten().chain(plain)
    };
    text.chars().flat_map(escape).collect()
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
        slot.begin(5, b"GET", b"/a/very/long/path/that/comes/first");
        slot.begin(7, b"POST", b"/b");
        assert_eq!(text(&slot).as_deref(), Some("POST /b"));
        assert_eq!(slot.read().unwrap().0, 7);
        slot.end();
        assert_eq!(text(&slot), None);
    }

    #[test]
    fn what_a_visitor_sends_is_one_printable_line() {
        let slot = Slot::default();
        slot.begin(1, b"GET", b"/a\nb\x1b[31m\\\xe9");
        assert_eq!(text(&slot).as_deref(), Some(r"GET /a\x0ab\x1b[31m\x5c\xe9"));
        slot.begin(1, &[b'M'; 100], &[b'\n'; 1000]);
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
                    slot.begin(i + 1, b"GET", &path);
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
