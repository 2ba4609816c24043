//! The first bytes of a file or a pipe, and standard input. Whatever the toolbox reads is read here: the standard library's
//! loops would be in the program once more for each other type of reader.

use crate::net::sys;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// At most so many bytes, from where the file or pipe is now.
pub(super) fn first_bytes(source: impl Into<OwnedFd>, most: u64) -> io::Result<Vec<u8>> {
    read(File::from(source.into()), most)
}

fn read(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Standard input as a file, so that the same code reads it. Nothing else of the program reads it.
pub(super) fn standard_input() -> io::Result<File> {
    sys::duplicate(0).map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn no_more_is_read() {
        for (most, text) in [(2, "ab"), (3, "abc"), (4, "abc")] {
            let (source, mut end) = io::pipe().unwrap();
            end.write_all(b"abc").unwrap();
            drop(end);
            assert_eq!(first_bytes(source, most).unwrap(), text.as_bytes());
        }
    }
}
