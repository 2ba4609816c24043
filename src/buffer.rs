//! A worker's memory: where records land, where a head is kept, where an answer gathers. Called by
//! `connection`, which divides it anew for each request.
//!
//! Two mappings a worker, made once. Their size is address space; only pages that data reached cost memory,
//! so nothing grows or moves, and what a large request touched is given back before the worker sleeps.
//!
//! ```text
//! input   [ head: params and what was read behind them  max_params + a window ][ spare: a window ]
//!         [ params ][ window ][ joined: the rest of the head's room             ][ spare          ]  when the head is whole
//! output  [ reserved | head and body of the answer | end of stdout, END_REQUEST ]
//! ```
//!
//! Where params are so large that what is written of them might not fit behind them, `joined` is a third mapping until the
//! worker sleeps: a megabyte of address space less for four workers.

use crate::net::Mapping;
use std::io;
use std::ops::Range;

/// How much is read at a time. 16 KiB cost a fifth of an upload's speed, 256 KiB gained nothing.
pub(crate) const WINDOW: usize = 64 << 10;

/// How much of a body is read at a time, where the head leaves room for so much: three of nginx's records of 32 KiB instead of
/// two, which saves a third of the calls. It is not more, since a request may leave no more than two windows to the next.
pub(crate) const READ: usize = 2 * WINDOW;

/// When a request has touched more than this, the memory is worth the calls that give it back.
pub(crate) const KEPT: usize = 8 << 10;

/// How much of a mapping stays when memory is given back: a usual request takes no more.
const STAYS: usize = 4 << 10;

/// All that is written for a request is shorter than so many times its params: headers joined, and the path decoded, made clean,
/// given a slash, and with three bytes for each byte that is no UTF-8.
const MOST_WRITTEN: usize = 16;

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
    /// Where values are written for large params, which leave no room for them in `input`.
    joined: Option<Mapping>,
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
            input: Mapping::new(SLACK + max_params + WINDOW + WINDOW)?,
            output: Mapping::new(OUTPUT)?,
            joined: None,
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
    #[inline(always)]
    pub(crate) fn split(&mut self, params: Range<usize>, unread: Range<usize>) -> Parts<'_> {
        let head_len = SLACK + self.max_params + WINDOW;
        let (head, spare) = self.input.split_at_mut(head_len);
        let (front, rest) = head.split_at_mut(params.end);
        let (unread_len, written) = (unread.end - params.end, MOST_WRITTEN * params.len());
        let window_len = match rest.len() >= READ + written && unread_len <= READ {
            true => READ,
            false => tight_window(rest.len(), unread_len, written),
        };
        let (window, rest) = rest.split_at_mut(window_len);
        let is_tight = rest.len() < written;
        if is_tight && self.joined.is_none() {
            // If there is no address space for another mapping, `joined` is what room is left in this one.
            self.joined = Mapping::new(self.max_params).ok();
        }
        let joined = match &mut self.joined {
            Some(joined) if is_tight => joined,
            _ => rest,
        };
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
                base: head_len,
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
        self.joined = None;
        if std::mem::take(&mut self.large_input) {
            self.input.release_from(STAYS);
        }
        if std::mem::take(&mut self.large_output) {
            self.output.release_from(STAYS);
        }
    }
}

/// How much of `room` the window takes where there is little.
#[cold]
fn tight_window(room: usize, unread: usize, written: usize) -> usize {
    // Less than a window where a head was carried along behind many bytes of no request.
    let least = WINDOW.max(unread).min(room);
    least.max(READ.min(room.saturating_sub(written)))
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
        assert!(buffers.head()[..STAYS].iter().all(|&b| b == 7));
        assert!(buffers.head()[STAYS..].iter().all(|&b| b == 0));
    }

    /// Whatever the size of params: there is a window behind them, and as much room as what is written of them can take, or
    /// `max_params`.
    #[test]
    fn what_is_written_of_params_has_room() {
        let max_params = 4 * WINDOW;
        let mut buffers = Buffers::new(max_params).unwrap();
        for (len, unread) in [
            (0, 0),
            (1000, 500),
            (max_params / MOST_WRITTEN, WINDOW),
            (WINDOW, 2 * WINDOW),
            (max_params, 0),
            (max_params, WINDOW),
        ] {
            let parts = buffers.split(SLACK..SLACK + len, SLACK + len..SLACK + len + unread);
            assert_eq!(parts.params.len(), len);
            assert!(parts.window.bytes.len() >= WINDOW.max(unread));
            assert!(parts.window.bytes.len() <= READ);
            assert!(len > 1000 || parts.window.bytes.len() == READ);
            assert!(parts.joined.len() >= max_params.min(MOST_WRITTEN * len));
            assert_eq!(parts.spare.bytes.len() / WINDOW, 1);
        }
        assert!(buffers.joined.is_some());
        buffers.mark_large_input();
        buffers.release();
        assert!(buffers.joined.is_none(), "it is given back with the rest");
    }

    /// Records of ids that nobody knows may lie before a head that was carried along, up to two windows of them.
    #[test]
    fn params_may_lie_far_behind() {
        let mut buffers = Buffers::new(WINDOW).unwrap();
        let parts = buffers.split(70_000..70_200, 70_208..72_000);
        assert_eq!(parts.params.len(), 200);
        assert_eq!(parts.window.unread(), 70_208..72_000);
        assert!(parts.joined.len() >= MOST_WRITTEN * 200);
    }
}
