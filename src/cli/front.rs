//! The first bytes of a file or a pipe. Whatever of the toolbox reads comes here: for each other kind of reader the standard
//! library's loop would be there once more.

use std::io::{self, Read};

/// At most so many.
pub(super) fn front_of(source: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read() {
        assert_eq!(front_of(&mut &b"abc"[..], 2).unwrap(), b"ab");
        assert_eq!(front_of(&mut &b"a"[..], 2).unwrap(), b"a");
    }
}
