//! The paths of the files that nobody has kept yet, where a signal handler can read them. [`Saved`](super::Saved) has its
//! file listed; at the deadline of a stop, `process` asks which ones are there, and removes them.
//!
//! A signal handler may interrupt any line of the program: so there is no lock here, and no memory that could be given
//! back meanwhile.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Calls `each` with the path of every file that nobody has kept yet. Async-signal-safe if `each` is.
pub(crate) fn unkept(mut each: impl FnMut(&CStr)) {
    for place in &PLACES {
        let mut room = [0; WORDS * 8];
        if let Some(path) = place.read(&mut room) {
            each(path);
        }
    }
}

/// Keeps a file listed for as long as this lives. `None`: it is not, since there was no place for it.
#[derive(Debug)]
pub(super) struct Listed(Option<usize>);

impl Listed {
    pub(super) fn new(path: &Path) -> Listed {
        let path = path.as_os_str().as_bytes();
        let fits = path.len() < WORDS * 8;
        Listed(PLACES.iter().position(|place| fits && place.claim(path)))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            PLACES[place].free();
        }
    }
}

/// How many files can be listed at a time. One more is not listed: only its destructor removes it.
pub(super) const PLACED: usize = 64;
static PLACES: [Place; PLACED] = [const { Place::new() }; PLACED];

/// The longest path that can be listed, its NUL included, in words of eight bytes.
const WORDS: usize = 64;

/// Room for the path of one file.
///
/// Whoever reads it while it changes notices: `state` is another number afterwards.
struct Place {
    /// In the lowest two bits one of the states below; above them a number that grows with each path that was written.
    state: AtomicU32,
    words: [AtomicU64; WORDS],
}

const FREE: u32 = 0;
/// A thread is about to write the path.
const CHANGING: u32 = 1;
/// The path is whole.
const SET: u32 = 2;

impl Place {
    const fn new() -> Place {
        Place {
            state: AtomicU32::new(FREE),
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// Takes the place for a path, if it is free. Whether it was.
    fn claim(&self, path: &[u8]) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        let claimed = state & 3 == FREE
            && self
                .state
                .compare_exchange(
                    state,
                    state | CHANGING,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok();
        if !claimed {
            return false;
        }
        fence(Ordering::Release);
        let mut room = [0; WORDS * 8];
        room[..path.len()].copy_from_slice(path);
        let (words, _) = room.as_chunks::<8>();
        for (word, bytes) in self.words.iter().zip(words).take(path.len() / 8 + 1) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.state
            .store(state.wrapping_add(4) | SET, Ordering::Release);
        true
    }

    fn free(&self) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state & !3, Ordering::Release);
    }

    /// The path; `None` if the place has none, or was given to another while this read it.
    fn read<'room>(&self, room: &'room mut [u8; WORDS * 8]) -> Option<&'room CStr> {
        let state = self.state.load(Ordering::Acquire);
        if state & 3 != SET {
            return None;
        }
        let (chunks, _) = room.as_chunks_mut::<8>();
        for (bytes, word) in chunks.iter_mut().zip(&self.words) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        fence(Ordering::Acquire);
        let is_same = self.state.load(Ordering::Relaxed) == state;
        CStr::from_bytes_until_nul(room).ok().filter(|_| is_same)
    }
}
