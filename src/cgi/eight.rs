//! Bytes eight at a time, as one number, the first of them its lowest. For what every request runs through: the params, the
//! path, a response's fields, a worker's slot.

/// The first eight bytes, or all of fewer, with zeros behind them.
#[inline(always)]
pub(crate) fn up_to_eight(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    if let ([a, b, c, d, ..], [.., e, f, g, h]) = (bytes, bytes) {
        // They overlap.
        let last = u64::from(u32::from_le_bytes([*e, *f, *g, *h]));
        return u64::from(u32::from_le_bytes([*a, *b, *c, *d])) | last << (8 * (bytes.len() - 4));
    }
    match *bytes {
        [] => 0,
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, ..] => u32::from_le_bytes([a, b, c, 0]).into(),
    }
}

/// Eight bytes from there on, if there are so many. By `get`: at opt-level z each index is a call.
#[inline(always)]
pub(crate) fn eight_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at + 8)?.first_chunk()?;
    Some(u64::from_le_bytes(*eight))
}

/// That byte eight times.
#[inline(always)]
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Eight bytes.
#[inline(always)]
pub(crate) const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_eight_have_zeros_behind_them() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        for len in 0..=bytes.len() {
            let mut wanted = [0; 8];
            let here = len.min(8);
            wanted[..here].copy_from_slice(&bytes[..here]);
            assert_eq!(up_to_eight(&bytes[..len]), u64::from_le_bytes(wanted));
        }
    }
}
