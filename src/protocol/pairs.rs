//! Name-value pairs (section 3.4): what PARAMS and GET_VALUES are made of. Called by
//! `cgi/params`, by `bodies`, and by whoever sends a request.

/// Walks the pairs of a whole stream, in place.
///
/// Ends at the first pair that is not whole; it is in [`Pairs::rest`] then.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(stream: &'a [u8]) -> Pairs<'a> {
        Pairs { rest: stream }
    }

    /// What the walk has not come to yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    // Every request walks through all of its pairs: a call for each would cost more than the pair.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value, rest) = match *self.rest {
            // Nearly every pair of every web server has two short lengths.
            [n, v, ref pair @ ..] if (n | v) < 0x80 && n as usize + v as usize <= pair.len() => {
                let (name, rest) = pair.split_at(n as usize);
                let (value, rest) = rest.split_at(v as usize);
                (name, value, rest)
            }
            _ => long(self.rest)?,
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// A pair with a length of four bytes, or none that is whole. By value: a walk whose place is in memory is slower.
#[inline(never)]
fn long(stream: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_len, rest) = length(stream)?;
    let (value_len, rest) = length(rest)?;
    let (name, rest) = rest.split_at_checked(name_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    Some((name, value, rest))
}

/// Appends a pair, each length in one byte below 128 and in four from there.
pub(crate) fn encode_pair(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, value] {
        match u8::try_from(part.len()) {
            Ok(short @ ..0x80) => out.push(short),
            _ => out.extend_from_slice(&(part.len() as u32 | 0x8000_0000).to_be_bytes()),
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [short @ ..0x80, ref rest @ ..] => Some((short as usize, rest)),
        [b3, b2, b1, b0, ref rest @ ..] => {
            Some((u32::from_be_bytes([b3 & 0x7f, b2, b1, b0]) as usize, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_below_128_take_one_byte_and_from_there_four() {
        let long = [b'v'; 128];
        let table: &[(&[u8], &[u8], &[u8])] = &[
            (b"A", b"", &[1, 0]),
            (b"A", &long[..127], &[1, 127]),
            (b"A", &long, &[1, 0x80, 0, 0, 128]),
            (&long, b"x", &[0x80, 0, 0, 128, 1]),
            (&long, &long, &[0x80, 0, 0, 128, 0x80, 0, 0, 128]),
        ];
        for &(name, value, lengths) in table {
            let mut bytes = Vec::new();
            encode_pair(name, value, &mut bytes);
            assert_eq!(&bytes[..lengths.len()], lengths);
            let mut pairs = Pairs::new(&bytes);
            assert_eq!(pairs.next(), Some((name, value)));
            assert_eq!(pairs.next(), None);
            assert!(pairs.rest().is_empty());
        }
    }

    #[test]
    fn four_bytes_for_a_short_length_are_legal() {
        let bytes = [0x80, 0, 0, 1, 0x80, 0, 0, 2, b'A', b'x', b'y'];
        assert_eq!(
            Pairs::new(&bytes).collect::<Vec<_>>(),
            [(&b"A"[..], &b"xy"[..])]
        );
    }

    #[test]
    fn each_of_the_four_bytes_of_a_length_counts() {
        let lengths: [(&[u8; 4], usize); 3] = [
            (&[0x80, 1, 2, 3], 0x01_02_03),
            (&[0x80, 0, 2, 3], 0x02_03),
            (&[0x81, 0, 0, 0], 0x01_00_00_00),
        ];
        for (bytes, len) in lengths {
            let mut stream = [&[1], &bytes[..], b"A"].concat();
            stream.resize(stream.len() + len, b'v');
            let mut pairs = Pairs::new(&stream);
            let sizes = pairs.next().map(|(name, value)| (name.len(), value.len()));
            assert_eq!(sizes, Some((1, len)), "{bytes:?}");
            assert!(pairs.rest().is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn a_pair_that_is_not_whole_ends_the_walk_and_is_told() {
        let rows: &[&[u8]] = &[
            &[1],
            &[1, 1],
            &[1, 1, b'A'],
            &[0x80, 0, 0],
            &[0x80, 0, 0, 1],
            &[1, 0x80, 1, 0, 1, b'A', b'x'],
            &[1, 0x81, 0, 0, 1, b'A', b'x'],
            &[1, 0xff, 0xff, 0xff, 0xff, b'A'],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'A'],
        ];
        for row in rows {
            let mut pairs = Pairs::new(row);
            assert_eq!(pairs.next(), None, "{row:?}");
            assert!(!pairs.rest().is_empty(), "{row:?}");
        }
        assert!(Pairs::new(&[]).rest().is_empty());
    }
}
