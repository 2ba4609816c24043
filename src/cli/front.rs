//! The first bytes of a file or a pipe. Whatever of the toolbox reads comes here: for each other kind of reader the standard
//! library's loops would be there once more.

use crate::net::sys;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// At most so many.
pub(super) fn front_of(source: impl Into<OwnedFd>, most: u64) -> io::Result<Vec<u8>> {
    front(File::from(source.into()), most)
}

fn front(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As a file like others: nothing else reads it.
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
            assert_eq!(front_of(source, most).unwrap(), text.as_bytes());
        }
    }
}
