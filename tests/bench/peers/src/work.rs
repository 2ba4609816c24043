//! What the three programs of this package have in common, so that libraries are compared and not what is done with them:
//! `/hello`, `/count` of a body and `/bytes?n=N`, as the project's testbed has them.

use std::io::{BufRead, Result};

/// What `/bytes` is written from.
pub static BYTES: [u8; 384 << 10] = [b'x'; 384 << 10];

pub const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
pub const BINARY: &str = "Content-Type: application/octet-stream\r\n\r\n";

/// The N of `n=N`.
pub fn number(query: &str) -> usize {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("n="));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// `LEN SUM` of all that comes.
#[allow(dead_code)]
pub fn count(from: &mut dyn BufRead) -> Result<String> {
    let (mut len, mut sum) = (0, 0);
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok(format!("{len} {sum}"));
        }
        sum = add(sum, piece);
        let n = piece.len();
        len += n;
        from.consume(n);
    }
}

/// Modulo 2^32, by blocks that the compiler sums in vectors.
pub fn add(sum: u32, bytes: &[u8]) -> u32 {
    let blocks = bytes.chunks(256);
    let blocks = blocks.map(|block| block.iter().map(|&byte| u16::from(byte)).sum::<u16>());
    blocks.fold(sum, |sum, block| sum.wrapping_add(u32::from(block)))
}
