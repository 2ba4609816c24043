//! The head of an ELF file, as far as it says where the program can run: its machine, its loader, and the libraries that the
//! loader looks for. Pure: the caller reads the bytes. Called by `format` and `libraries`.

use crate::cli::words::{Words, words};

/// What an ELF file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) machine: u16,
    pub(super) interpreter: Option<Words>,
    pub(super) needed: Vec<Words>,
    /// Folders in which its libraries are looked for first.
    pub(super) run_path: Vec<Words>,
    /// Whether DT_RUNPATH says that. It counts for this file alone, and then no RPATH of another file counts for it.
    pub(super) has_run_path: bool,
    /// Versions of the C library that it was built against: `GLIBC_2.34`.
    pub(super) versions: Vec<Words>,
}

/// Reads from an offset on so many bytes of the file, or fewer at its end.
pub(super) type ReadAt<'r> = &'r dyn Fn(u64, usize) -> Vec<u8>;

/// No program has a larger table. A file may claim anything, and may be of any size if it has holes.
const LARGEST: u64 = 16 << 20;

/// No program needs more libraries, or has longer names.
const MOST_NEEDED: usize = 1000;
const LONGEST_NAME: usize = 4096;

/// Kinds of segments: PT_LOAD and the others.
const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;

/// Tags of entries of the dynamic segment: DT_NEEDED and the others.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const STRINGS_SIZE: u64 = 10;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// Reads a head. `None`: it is no ELF file, or one that was cut.
pub(super) fn read(read_at: ReadAt) -> Option<Elf> {
    let head = read_at(0, 64);
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let form = Form {
        is_64: *head.get(4)? == 2,
        is_big: *head.get(5)? == 2,
    };
    let number = |at, len| form.number(&head, at, len);
    let (table, size, count) = match form.is_64 {
        true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
        false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
    };
    let bytes = read_at(table, (size * count).min(LARGEST) as usize);
    let mut segments = Vec::new();
    for bytes in bytes.chunks(size.max(1) as usize) {
        match form.segment(bytes) {
            Some(segment) => segments.push(segment),
            None => break,
        }
    }
    if segments.len() as u64 != count || count == 0 {
        return None;
    }
    // An upload that broke off has its head all the same.
    let is_there = |segment: &Segment| {
        let end = segment.offset.saturating_add(segment.size);
        segment.kind != LOAD || end == segment.offset || !read_at(end - 1, 1).is_empty()
    };
    if !segments.iter().all(is_there) {
        return None;
    }
    let mut elf = Elf {
        machine: number(18, 2)? as u16,
        ..Elf::default()
    };
    let content = |segment: &Segment| read_at(segment.offset, segment.size.min(LARGEST) as usize);
    if let Some(segment) = segments.iter().find(|segment| segment.kind == INTERPRETER) {
        elf.interpreter = Some(string(&content(segment), 0)?);
    }
    if let Some(segment) = segments.iter().find(|segment| segment.kind == DYNAMIC) {
        elf.add_dynamic(form, &content(segment), &segments, read_at)?;
    }
    Some(elf)
}

/// How numbers are written in this file.
#[derive(Clone, Copy)]
struct Form {
    /// Addresses have 64 bits, and not 32.
    is_64: bool,
    /// The largest byte of a number comes first.
    is_big: bool,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl Form {
    fn number(self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        let bytes = bytes.get(at..at + len)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.is_big {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    fn segment(self, bytes: &[u8]) -> Option<Segment> {
        let (offset, address, size, len) = match self.is_64 {
            true => (8, 16, 32, 8),
            false => (4, 8, 16, 4),
        };
        Some(Segment {
            kind: self.number(bytes, 0, 4)?,
            offset: self.number(bytes, offset, len)?,
            address: self.number(bytes, address, len)?,
            size: self.number(bytes, size, len)?,
        })
    }

    /// The tags and values of the dynamic segment, up to the tag 0, which ends them.
    fn entries(self, bytes: &[u8]) -> Vec<(u64, u64)> {
        let len = if self.is_64 { 8 } else { 4 };
        let mut entries = Vec::new();
        for bytes in bytes.chunks_exact(2 * len) {
            match (self.number(bytes, 0, len), self.number(bytes, len, len)) {
                (Some(tag), Some(value)) if tag != 0 => entries.push((tag, value)),
                _ => break,
            }
        }
        entries
    }
}

impl Elf {
    fn add_dynamic(
        &mut self,
        form: Form,
        bytes: &[u8],
        segments: &[Segment],
        read_at: ReadAt,
    ) -> Option<()> {
        let entries = form.entries(bytes);
        let value = |wanted| {
            entries
                .iter()
                .find(|&&(tag, _)| tag == wanted)
                .map(|entry| entry.1)
        };
        let (Some(address), Some(size)) = (value(STRINGS), value(STRINGS_SIZE)) else {
            return Some(());
        };
        let is_there = |segment: &&Segment| {
            let end = segment.address.saturating_add(segment.size);
            segment.kind == LOAD && (segment.address..end).contains(&address)
        };
        let segment = segments.iter().find(is_there)?;
        let offset = segment.offset.checked_add(address - segment.address)?;
        let strings = read_at(offset, size.min(LARGEST) as usize);
        for (tag, at) in entries {
            match tag {
                NEEDED if self.needed.len() == MOST_NEEDED => return None,
                NEEDED => self.needed.push(string(&strings, at)?),
                RPATH | RUNPATH if self.run_path.len() < MOST_NEEDED => {
                    self.has_run_path |= tag == RUNPATH;
                    let folders = string(&strings, at)?;
                    self.run_path.extend(folders.split(':'));
                }
                _ => {}
            }
        }
        for name in strings.split(|&byte| byte == 0) {
            let is_version = name.starts_with(b"GLIBC_2.") || name.starts_with(b"GLIBC_ABI_");
            if let Ok(name) = str::from_utf8(name)
                && is_version
                && name.len() < LONGEST_NAME
            {
                self.versions.push(words!("{name}"));
            }
        }
        Some(())
    }
}

/// The string that begins there and ends with a NUL.
fn string(bytes: &[u8], at: u64) -> Option<Words> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let bytes = &bytes[..bytes.len().min(LONGEST_NAME)];
    let len = bytes.iter().position(|&byte| byte == 0)?;
    Some(words!("{}", String::from_utf8_lossy(&bytes[..len])))
}

/// What people call a machine; `None` for one on which no web server runs.
pub(super) fn name(machine: u16) -> Option<&'static str> {
    let found = MACHINES.iter().find(|known| known.0 == machine);
    found.map(|known| known.1)
}

/// The number of the machine that this is built for.
pub(super) fn ours() -> Option<u16> {
    let arch = std::env::consts::ARCH;
    let found = MACHINES.iter().find(|known| known.2 == arch);
    found.map(|known| known.0)
}

/// The number in ELF files, the name, and Rust's name for it.
const MACHINES: [(u16, &str, &str); 10] = [
    (3, "x86 of 32 bits", "x86"),
    (62, "x86-64", "x86_64"),
    (40, "ARM of 32 bits", "arm"),
    (183, "ARM of 64 bits (aarch64)", "aarch64"),
    (243, "RISC-V", "riscv64"),
    (21, "PowerPC of 64 bits", "powerpc64"),
    (22, "S/390", "s390x"),
    (8, "MIPS", "mips64"),
    (258, "LoongArch", "loongarch64"),
    (20, "PowerPC", "powerpc"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<Elf> {
        read(&|at, len| {
            let start = (at as usize).min(bytes.len());
            bytes[start..start.saturating_add(len).min(bytes.len())].to_vec()
        })
    }

    fn this() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn this_program_is_for_this_machine() {
        let elf = of(&this()).unwrap();
        assert_eq!(Some(elf.machine), ours());
        let is_dynamic = !elf.needed.is_empty();
        assert_eq!(is_dynamic, elf.interpreter.is_some(), "{elf:?}");
        if cfg!(all(target_env = "gnu", not(target_feature = "crt-static"))) {
            assert!(elf.needed.contains(&"libc.so.6"), "{elf:?}");
            assert!(!elf.versions.is_empty());
        }
    }

    #[test]
    fn numbers_of_32_bits_and_large_ends_are_read() {
        let mut bytes = vec![0; 52 + 32];
        bytes[..6].copy_from_slice(b"\x7fELF\x01\x02");
        for (at, value) in [
            (19, 20),
            (31, 52),
            (43, 32),
            (45, 1),
            (55, 3),
            (59, 84),
            (71, 3),
        ] {
            bytes[at] = value;
        }
        bytes.extend(b"/l\0");
        let elf = of(&bytes).unwrap();
        assert_eq!((elf.machine, elf.interpreter), (20, Some("/l")));
    }

    #[test]
    fn what_is_cut_or_wild_is_no_program() {
        let whole = this();
        assert_eq!(of(b"#!/bin/sh\n"), None);
        for len in (0..64).chain([1000, 4096]) {
            assert_eq!(of(&whole[..len]), None);
        }
        // Any byte of the head wrong: never a panic.
        for at in 0..64.min(whole.len()) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole[..4096].to_vec();
                bytes[at] = value;
                let _ = of(&bytes);
            }
        }
    }

    /// By an upload that went wrong, or by somebody who means harm. None of them may cause a panic, or take memory or time
    /// without end.
    #[test]
    fn ten_thousand_damaged_programs_are_read() {
        let mut bytes = std::fs::read("/bin/true").unwrap();
        let whole = bytes.clone();
        let mut seed = 7_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let mut readable = 0;
        for round in 0..10_000 {
            let mut touched = Vec::new();
            for _ in 0..=next(4) {
                // Mostly in the heads, where a byte decides.
                let within = if round % 4 == 0 { bytes.len() } else { 0x400 };
                let at = next(within.min(bytes.len()));
                touched.push(at);
                bytes[at] = [0, 0xff, 0x7f, 1, next(256) as u8][next(5)];
            }
            let len = if round % 8 == 0 {
                next(bytes.len())
            } else {
                bytes.len()
            };
            readable += usize::from(of(&bytes[..len]).is_some());
            for at in touched {
                bytes[at] = whole[at];
            }
        }
        assert!(readable > 100 && readable < 10_000, "{readable}");
    }

    /// A file of holes says that it has a table of 4 GiB, and a thousand thousand libraries whose names are of 16 MiB.
    #[test]
    fn what_a_file_claims_is_not_taken_into_memory() {
        let asked = std::cell::Cell::new(0);
        let mut head = [0; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[54..58].fill(0xff);
        let elf = read(&|at, len| {
            asked.set(asked.get().max(len));
            match at {
                0 => [&head[..], &vec![0; len.min(64)]].concat()[..len.min(64)].to_vec(),
                _ => Vec::new(),
            }
        });
        assert_eq!(elf, None);
        assert!(asked.get() as u64 <= LARGEST, "{}", asked.get());
        let mut entries: Vec<u8> = Vec::new();
        for (tag, value) in [(STRINGS, 0), (STRINGS_SIZE, LARGEST)]
            .into_iter()
            .chain((0..100_000).map(|_| (NEEDED, 0)))
        {
            entries.extend(u64::to_le_bytes(tag));
            entries.extend(u64::to_le_bytes(value));
        }
        let form = Form {
            is_64: true,
            is_big: false,
        };
        let segments = [Segment {
            kind: LOAD,
            offset: 0,
            address: 0,
            size: LARGEST,
        }];
        let strings = |_: u64, len: usize| [vec![b'x'; 1000], vec![0; len - 1000]].concat();
        let mut elf = Elf::default();
        assert_eq!(elf.add_dynamic(form, &entries, &segments, &strings), None);
        assert_eq!(elf.needed.len(), MOST_NEEDED);
        assert_eq!(string(&[b'x'; LONGEST_NAME + 1], 0), None);
    }
}
