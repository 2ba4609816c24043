//! Finds the boundaries in a multipart body (RFC 2046, section 5.1.1), with one buffer of a fixed size.
//!
//! Why no crate does this here (seven were built and fed, November 2026):
//!
//! - multer 3.1, of 2024 and the one in wide use, gathers all of a body that is always ready (a part of 1 GiB took 1 GiB), has no
//!   limit for what stands above a part, and finds `name=` within a file's name. What would mend that around it is as long as
//!   this file, and it brings 17 further crates and 102 KB of static binary.
//! - form-data 0.6 never ends on a body that ends early; multiparty 0.1 takes such a body for a whole one.
//! - multipart 0.18 is unmaintained (RUSTSEC-2023-0050), and ends a part at a boundary within a line.
//! - multra, nostd-multipart and form-net were weeks or months old.

use super::{malformed, no_memory};
use crate::error::{Error, Result};
use memchr::memmem::{self, Finder};
use std::io::{self, Read};

const LINE_END: &[u8; 2] = b"\r\n";

/// What is read at a time.
const BUFFER: usize = 64 << 10;

/// The most bytes of the lines above a part, for which browsers need some 200 and the names; and the most that may stand above
/// the first boundary.
pub(super) const MAX_PART_HEAD: usize = 8 << 10;

/// The most blanks between a boundary and its line end, which RFC 2046 allows and nobody sends.
const MAX_PADDING: usize = 64;

/// How much is read of what stands below the last part.
const MAX_EPILOGUE: usize = BUFFER;

pub(super) struct Scanner {
    /// Finds CR LF `--` and the boundary.
    delimiter: Finder<'static>,
    /// `bytes[at..filled]` was read and not used yet.
    bytes: Box<[u8]>,
    at: usize,
    filled: usize,
    /// How many of these bytes are known to be content of the part. What lies behind them was not looked at yet, or is no
    /// content.
    content: usize,
    place: Place,
    /// The first delimiter was found.
    is_begun: bool,
    /// Nothing of the part was given yet. What is here begins with the last line end above it, which is the line end before the
    /// next delimiter as well where the part has no content.
    is_fresh: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Above the first part, or within one.
    Content,
    /// Behind a delimiter and its line end.
    Head,
    /// Behind the last delimiter.
    End,
}

/// What stands behind the bytes of a delimiter.
enum Behind {
    /// A line end, so many bytes with the blanks before it: it is a delimiter, and the lines above a part follow.
    Head(usize),
    /// Two hyphens, so many bytes: it is the last delimiter.
    End(usize),
    /// Anything else: it is content that begins as a delimiter does, as the content of a form within a form may.
    Content,
    /// Too little has come to tell.
    More,
}

impl Scanner {
    pub(super) fn new(boundary: &[u8]) -> Result<Scanner> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(BUFFER).map_err(|_| no_memory())?;
        bytes.resize(BUFFER, 0);
        // The first delimiter has no line end before it, unless there is a preamble. With one put before the body, it is found as
        // all others are.
        bytes[..LINE_END.len()].copy_from_slice(LINE_END);
        let delimiter = [b"\r\n--", boundary].concat();
        Ok(Scanner {
            delimiter: Finder::new(&delimiter).into_owned(),
            bytes: bytes.into(),
            at: 0,
            filled: LINE_END.len(),
            content: 0,
            place: Place::Content,
            is_begun: false,
            is_fresh: false,
        })
    }

    /// Passes over what is left of the part, and gives the lines above the next one; `None` after the last part.
    pub(super) fn next_head(&mut self, body: &mut dyn Read) -> Result<Option<&[u8]>> {
        let mut passed = 0;
        while let n @ 1.. = self.content(body)?.len() {
            passed += self.consume(n);
            if !self.is_begun && passed > MAX_PART_HEAD {
                let what = "the boundary that its Content-Type names is not at its beginning";
                return Err(malformed(what));
            }
        }
        self.is_begun = true;
        if self.place == Place::End {
            self.pass_epilogue(body)?;
            return Ok(None);
        }
        let n = self.head_len(body)?;
        let head = self.at..self.at + n;
        self.pass(n - LINE_END.len(), Place::Content);
        self.is_fresh = true;
        Ok(Some(&self.bytes[head]))
    }

    /// Some of what is left of the part; nothing at its end.
    pub(super) fn content(&mut self, body: &mut dyn Read) -> io::Result<&[u8]> {
        self.find_content(body)?;
        // The line end above the part is no content: CR is passed over, and then LF, which is the last byte of it.
        while self.is_fresh && self.content > 0 {
            self.is_fresh = self.bytes[self.at] == LINE_END[0];
            self.consume(1);
            self.find_content(body)?;
        }
        Ok(&self.bytes[self.at..self.at + self.content])
    }

    fn find_content(&mut self, body: &mut dyn Read) -> io::Result<()> {
        while self.content == 0 && self.place == Place::Content {
            self.look(body)?;
        }
        Ok(())
    }

    /// Uses up `n` bytes of the content, or as many as there are. How many those were.
    pub(super) fn consume(&mut self, n: usize) -> usize {
        let n = n.min(self.content);
        self.at += n;
        self.content -= n;
        n
    }

    /// Looks for the next delimiter. Each byte is looked at once, whatever is read at a time: what is known to be content
    /// is not looked at again.
    fn look(&mut self, body: &mut dyn Read) -> io::Result<()> {
        let here = &self.bytes[self.at..self.filled];
        let len = self.delimiter.needle().len();
        match self.delimiter.find(here) {
            Some(0) => match behind(&here[len..]) {
                Behind::Head(n) => self.pass(len + n, Place::Head),
                Behind::End(n) => self.pass(len + n, Place::End),
                Behind::Content => self.content = 1,
                Behind::More => self.fill(body)?,
            },
            Some(n) => self.content = n,
            // The last bytes may be the beginning of a delimiter.
            None if here.len() >= len => self.content = here.len() - (len - 1),
            None => self.fill(body)?,
        }
        Ok(())
    }

    /// Passes over `n` bytes, to another place.
    fn pass(&mut self, n: usize, to: Place) {
        self.at += n;
        self.place = to;
    }

    /// How long the lines above a part are, the empty one included.
    fn head_len(&mut self, body: &mut dyn Read) -> Result<usize> {
        // What was looked at is not looked at again, but for its last bytes, as in `look`.
        let mut looked = 0;
        loop {
            let here = &self.bytes[self.at..self.filled];
            let here = &here[..here.len().min(MAX_PART_HEAD)];
            if here.starts_with(LINE_END) {
                return Ok(LINE_END.len());
            }
            if let Some(n) = memmem::find(&here[looked..], b"\r\n\r\n") {
                return Ok(looked + n + 4);
            }
            looked = here.len().saturating_sub(3);
            if here.len() == MAX_PART_HEAD {
                let message = format!(
                    "the lines above a part of the form have more than {MAX_PART_HEAD} bytes"
                );
                return Err(Error::new(413, message));
            }
            self.fill(body)?;
        }
    }

    /// Reads to the end of the body, so that a kept connection can go on; but not for ever.
    fn pass_epilogue(&mut self, body: &mut dyn Read) -> io::Result<()> {
        let mut passed = 0;
        while passed <= MAX_EPILOGUE {
            match body.read(&mut self.bytes)? {
                0 => return Ok(()),
                n => passed += n,
            }
        }
        Ok(())
    }

    fn fill(&mut self, body: &mut dyn Read) -> io::Result<()> {
        self.bytes.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        match body.read(&mut self.bytes[self.filled..])? {
            0 => Err(malformed("it ends before its last boundary").into()),
            n => {
                self.filled += n;
                Ok(())
            }
        }
    }
}

/// What `rest`, the bytes behind those of a delimiter, makes of them.
fn behind(rest: &[u8]) -> Behind {
    if let [b'-', b'-', ..] = rest {
        return Behind::End(2);
    }
    let blanks = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
    match &rest[blanks..] {
        _ if blanks > MAX_PADDING => Behind::Content,
        [b'\r', b'\n', ..] => Behind::Head(blanks + 2),
        [] | [b'\r'] => Behind::More,
        [b'-'] if blanks == 0 => Behind::More,
        _ => Behind::Content,
    }
}
