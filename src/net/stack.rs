//! Where the calling thread's stack lies, as it stands in the kernel's list of the process's memory, /proc/self/maps. In a static
//! program `sys` answers by it what Rust's std asks glibc.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

/// A thread's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stack {
    /// The addresses that it may use; of the first thread's, which grows, those that it has come to.
    pub(super) room: Range<usize>,
    /// Where the mapping before it ends.
    before: usize,
    /// How many bytes just below it may not be touched.
    pub(super) guard: usize,
}

impl Stack {
    /// The stack that `address` lies in.
    ///
    /// # Errors
    /// When nothing is mounted on /proc, or no descriptor is left.
    pub(super) fn around(address: usize) -> io::Result<Stack> {
        let mut maps = File::open("/proc/self/maps")?;
        let mut search = Search::new(address);
        let mut piece = [0; 512];
        loop {
            let n = maps.read(&mut piece)?;
            if n == 0 {
                return Err(io::ErrorKind::NotFound.into());
            }
            if let Some(stack) = piece[..n].iter().find_map(|&byte| search.next(byte)) {
                return Ok(stack);
            }
        }
    }

    /// The first thread's stack with all that it may grow to: down to its limit, or to what lies before it.
    pub(super) fn grown_to(mut self, limit: usize) -> Stack {
        let lowest = self.room.end.saturating_sub(limit);
        self.room.start = self.before.max(lowest);
        self
    }
}

/// Reads the list byte by byte, and nothing is allocated: `7f1e5d21f000-7f1e5d241000 rw-p 00000000 00:00 0`.
struct Search {
    address: usize,
    /// The mapping before this one, and whether it cannot be read.
    before: Range<usize>,
    is_guard: bool,
    /// Where this mapping starts.
    start: usize,
    /// The number that is being read.
    number: usize,
    /// How many of the blanks and hyphens that end a field have come in this line.
    field: usize,
}

impl Search {
    fn new(address: usize) -> Search {
        Search {
            address,
            before: 0..0,
            is_guard: false,
            start: 0,
            number: 0,
            field: 0,
        }
    }

    fn next(&mut self, byte: u8) -> Option<Stack> {
        match (self.field, byte) {
            (_, b'\n') => self.field = 0,
            (0, b'-') => {
                self.start = std::mem::take(&mut self.number);
                self.field = 1;
            }
            (1, b' ') => {
                let room = self.start..std::mem::take(&mut self.number);
                if room.contains(&self.address) {
                    return Some(self.found(room));
                }
                self.before = room;
                self.field = 2;
            }
            (0 | 1, _) => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.number = self.number << 4 | digit as usize;
            }
            // The first letter of `rw-p`: whether the mapping can be read.
            (2, _) => {
                self.is_guard = byte == b'-';
                self.field = 3;
            }
            _ => {}
        }
        None
    }

    fn found(&self, room: Range<usize>) -> Stack {
        let is_guarded = self.is_guard && self.before.end == room.start;
        Stack {
            guard: if is_guarded { self.before.len() } else { 0 },
            before: self.before.end,
            room,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 1311 /srv/a-b 3\n\
7f1e5c000000-7f1e5c021000 ---p 00000000 00:00 0 \n\
7f1e5c021000-7f1e5c031000 rw-p 00000000 00:00 0 \n\
7f1e5d000000-7f1e5d021000 ---p 00000000 00:00 0 \n\
7f1e5d031000-7f1e5d041000 rw-p 00000000 00:00 0 [heap]\n\
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]\n";

    fn found(address: usize) -> Option<Stack> {
        let mut search = Search::new(address);
        MAPS.bytes().find_map(|byte| search.next(byte))
    }

    #[test]
    fn a_guard_is_what_cannot_be_read_and_lies_just_below() {
        let stack = found(0x7f1e_5c03_0fff).unwrap();
        assert_eq!(stack.room, 0x7f1e_5c02_1000..0x7f1e_5c03_1000);
        assert_eq!(stack.guard, 0x21000);
        let stack = found(0x7f1e_5d03_1000).unwrap();
        assert_eq!(stack.room, 0x7f1e_5d03_1000..0x7f1e_5d04_1000);
        assert_eq!(stack.guard, 0, "there is a gap");
        assert_eq!(found(0x0040_0000).unwrap().room, 0x0040_0000..0x0040_1000);
        assert_eq!(found(0x7f1e_5d04_1000), None);
    }

    #[test]
    fn the_first_stack_grows_to_its_limit_and_into_nothing() {
        let stack = found(0x7ffd_0000_0000).unwrap();
        let grown = stack.clone().grown_to(0x80_0000);
        assert_eq!(grown.room, 0x7ffc_ff82_1000..0x7ffd_0002_1000);
        let grown = stack.grown_to(usize::MAX);
        assert_eq!(grown.room, 0x7f1e_5d04_1000..0x7ffd_0002_1000);
    }
}
