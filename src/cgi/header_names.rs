//! The names of request headers, as HTTP and as their variables have them (RFC 3875, section 4.1.18), and a small set of them.
//! Called by `params` and `joined`.

use super::eight::{each, eight_at, up_to_eight, word};

/// Whether `param` is the variable of the request header `name`: RFC 3875, section 4.1.18.
pub(super) fn is_header(param: &[u8], name: &[u8]) -> bool {
    let Some(param) = of_header(param) else {
        return false;
    };
    param.len() == name.len() && param.iter().zip(name).all(|(&p, &n)| p == as_in_param(n))
}

/// What the variable of a request header has behind its `HTTP_`.
#[inline(always)]
pub(super) fn of_header(param: &[u8]) -> Option<&[u8]> {
    match param {
        [b'H', b'T', b'T', b'P', b'_', header @ ..] => Some(header),
        _ => None,
    }
}

/// A small set of header variables, by their last bytes and their length, which tell the usual ones apart. It may take one that
/// was not seen for one that was, never the other way round.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(pub(super) [u64; 8]);

impl Seen {
    /// Whether a name that ends so was here before.
    #[inline(always)]
    pub(super) fn insert(&mut self, ends: u64) -> bool {
        let (word, bit) = Seen::place(ends);
        let seen = self.0[word] & bit != 0;
        self.0[word] |= bit;
        seen
    }

    /// Whether the variable of a header of this name, as it is in HTTP, may have been here.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let (word, bit) = Seen::place(Seen::ends(name.as_bytes(), all_as_in_param));
        self.0[word] & bit != 0
    }

    /// The last eight bytes of `HTTP_` and `header` as a number, with the length of both: what the walk of `params` takes
    /// from the variable as it stands.
    #[inline(always)]
    pub(super) fn ends(header: &[u8], as_in_param: impl Fn(u64) -> u64) -> u64 {
        let len = header.len();
        let tail = match len.checked_sub(8).and_then(|at| eight_at(header, at)) {
            Some(tail) => as_in_param(tail),
            None => {
                let behind = 8 * len as u32;
                let front = word(b"\0\0\0HTTP_") >> behind;
                // By 64 - behind, in two steps: no number can be shifted by 64, which it is for an empty name.
                front | as_in_param(up_to_eight(header)) << (56 - behind) << 8
            }
        };
        tail ^ (len as u64 + 5)
    }

    #[inline(always)]
    fn place(ends: u64) -> (usize, u64) {
        // Times the golden ratio: the product's upper bits depend on all bits of the number.
        let hash = ends.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> 61) as usize, 1_u64 << (hash << 3 >> 58))
    }
}

/// A byte of a header's name, as its variable has it.
fn as_in_param(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// As [`as_in_param`], of eight bytes at once.
#[inline(always)]
fn all_as_in_param(bytes: u64) -> u64 {
    // A condition is a byte's uppermost bit. It is set by a sum of the seven below that reaches 0x80: no sum is carried into
    // the next byte.
    let (lower, upper) = (bytes & each(0x7f), each(0x80));
    let (from_a, behind_z) = (lower + each(0x80 - b'a'), lower + each(0x7f - b'z'));
    let is_letter = from_a & !behind_z & !bytes & upper;
    let dash = bytes ^ each(b'-');
    let is_dash = !(((dash & each(0x7f)) + each(0x7f)) | dash) & upper;
    bytes ^ (is_letter >> 2) ^ ((is_dash >> 7) * u64::from(b'-' ^ b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_at_once_are_as_each_of_them() {
        for byte in 0..=255 {
            for neighbour in [0, b'a', b'z', b'-', 0x7f, 0x80, 0xff] {
                let mut bytes = [neighbour; 8];
                (bytes[3], bytes[7]) = (byte, byte);
                let all = all_as_in_param(word(&bytes)).to_le_bytes();
                assert_eq!(all, bytes.map(as_in_param));
            }
        }
    }
}
