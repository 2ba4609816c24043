//! A worker's memory: where records land, where a head is kept, where an answer gathers.
//!
//! Two mappings a worker, made once. Their size is address space; only pages that data reached cost memory,
//! so nothing grows or moves, and what a large request touched is given back before the worker sleeps.
//!
//! ```text
//! input   [ head: params and what was read behind them  max_params + a window ][ joined: max_params ][ spare: a window ]
//! output  [ reserved | head and body of the answer | end of stdout, END_REQUEST ]
//! ```

use crate::net::Mapping;
use std::io;
use std::ops::Range;

/// How much is read at a time. 16 KiB cost a fifth of an upload's speed, 256 KiB gained nothing.
pub(crate) const WINDOW: usize = 64 << 10;

/// How much of a mapping stays with a worker that sleeps.
pub(crate) const KEPT: usize = 8 << 10;

/// An answer's bytes before they leave: enough for a page; more leaves in several records, large slices
/// from where they are.
const OUTPUT: usize = 32 << 10;

/// Header, content and padding of what is not the request's own but lies among its params: a BEGIN_REQUEST
/// in front, a record's header behind.
const SLACK: usize = 64;

/// The memory of one worker.
#[derive(Debug)]
pub(crate) struct Buffers {
    input: Mapping,
    output: Mapping,
    max_params: usize,
    /// Whether more than the first `KEPT` bytes may have been touched since the last release.
    large_input: bool,
    large_output: bool,
}

/// A request's view of it: disjoint parts, so that params stay readable while the body moves through.
pub(crate) struct Parts<'buf> {
    pub(crate) params: &'buf [u8],
    pub(crate) joined: &'buf mut [u8],
    pub(crate) window: Window<'buf>,
    pub(crate) spare: Window<'buf>,
    pub(crate) output: &'buf mut [u8],
}

/// Bytes as they came from the connection, records and all.
#[derive(Debug, Default)]
pub(crate) struct Window<'buf> {
    pub(crate) bytes: &'buf mut [u8],
    /// `at <= filled`: what was looked at.
    pub(crate) at: usize,
    /// `filled <= bytes.len()`
    pub(crate) filled: usize,
    /// So many bytes from `at` on are content whose records were looked at already: `at + ready <= filled`.
    pub(crate) ready: usize,
    /// Where in the worker's input `bytes` begins.
    base: usize,
}

impl Window<'_> {
    pub(crate) fn is_used_up(&self) -> bool {
        self.at == self.filled
    }

    /// Passes over the content that is ready.
    pub(crate) fn skip_ready(&mut self) {
        self.at += std::mem::take(&mut self.ready);
    }

    /// The place of what was not used, in the worker's input.
    pub(crate) fn unread(&self) -> Range<usize> {
        self.base + self.at..self.base + self.filled
    }
}

impl Buffers {
    /// The bytes of one worker's, if all of them were touched.
    pub(crate) fn most(max_params: usize) -> usize {
        SLACK + max_params + WINDOW + max_params + WINDOW + OUTPUT
    }

    /// # Errors
    /// When there is no address space left.
    pub(crate) fn new(max_params: usize) -> io::Result<Buffers> {
        Ok(Buffers {
            input: Mapping::new(Buffers::most(max_params) - OUTPUT)?,
            output: Mapping::new(OUTPUT)?,
            max_params,
            large_input: false,
            large_output: false,
        })
    }

    /// Where a head lands. There is always room for a window behind the largest one.
    pub(crate) fn head(&mut self) -> &mut [u8] {
        &mut self.input[..SLACK + self.max_params + WINDOW]
    }

    /// Freezes the front: `params` stay, and the body goes on in what was read behind them, `unread`.
    pub(crate) fn split(&mut self, params: Range<usize>, unread: Range<usize>) -> Parts<'_> {
        let head_len = SLACK + self.max_params + WINDOW;
        let (head, rest) = self.input.split_at_mut(head_len);
        let (joined, spare) = rest.split_at_mut(self.max_params);
        let spare_base = head_len + joined.len();
        let (front, window) = head.split_at_mut(params.end);
        Parts {
            params: &front[params.start..],
            joined,
            window: Window {
                at: unread.start - params.end,
                filled: unread.end - params.end,
                ready: 0,
                base: params.end,
                bytes: window,
            },
            spare: Window {
                at: 0,
                filled: 0,
                ready: 0,
                base: spare_base,
                bytes: spare,
            },
            output: &mut self.output,
        }
    }

    /// Moves what a finished request left unread, in two pieces, to the front for the next one. Returns its
    /// length: at most two windows, for which the head has room since `max_params` is never below one.
    pub(crate) fn carry(&mut self, [first, second]: [Range<usize>; 2]) -> usize {
        let (first_len, len) = (first.len(), first.len() + second.len());
        if len == 0 {
            return 0;
        }
        if first.start > second.start {
            // The body's windows were swapped: the newer bytes lie where the older ones go to.
            self.input.copy_within(second, first_len);
            self.input.copy_within(first, 0);
        } else {
            self.input.copy_within(first, 0);
            self.input.copy_within(second, first_len);
        }
        len
    }

    /// More than the first few KiB of the input were touched.
    pub(crate) fn mark_large_input(&mut self) {
        self.large_input = true;
    }

    pub(crate) fn mark_large_output(&mut self) {
        self.large_output = true;
    }

    pub(crate) fn is_large(&self) -> bool {
        self.large_input || self.large_output
    }

    /// Gives back what is above the first few KiB: before the worker sleeps, not before it works on.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.large_input) {
            self.input.release_from(KEPT);
        }
        if std::mem::take(&mut self.large_output) {
            self.output.release_from(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both orders of the windows, with lengths around what overlaps.
    #[test]
    fn unread_bytes_are_carried_in_order() {
        for (older, newer) in [(0, 0), (5, 0), (0, 5), (100, 3000), (WINDOW, WINDOW)] {
            for swapped in [false, true] {
                let mut buffers = Buffers::new(WINDOW).unwrap();
                let parts = buffers.split(24..80, 100..100);
                let (mut first, mut second) = (parts.window, parts.spare);
                if swapped {
                    std::mem::swap(&mut first, &mut second);
                }
                for (window, len, start) in [(&mut first, older, 0), (&mut second, newer, older)] {
                    window.at = window.bytes.len().min(WINDOW) - len;
                    window.filled = window.at + len;
                    for (i, byte) in window.bytes[window.at..][..len].iter_mut().enumerate() {
                        *byte = ((start + i) % 251) as u8;
                    }
                }
                let pieces = [first.unread(), second.unread()];
                assert_eq!(buffers.carry(pieces), older + newer);
                let carried = &buffers.head()[..older + newer];
                assert!(
                    carried
                        .iter()
                        .enumerate()
                        .all(|(i, &b)| b == (i % 251) as u8)
                );
            }
        }
    }

    #[test]
    fn released_memory_reads_as_zero_and_the_front_stays() {
        let mut buffers = Buffers::new(WINDOW).unwrap();
        buffers.head().fill(7);
        buffers.mark_large_input();
        buffers.release();
        assert!(!buffers.is_large());
        assert!(buffers.head()[..KEPT].iter().all(|&b| b == 7));
        assert!(buffers.head()[KEPT..].iter().all(|&b| b == 0));
    }
}
