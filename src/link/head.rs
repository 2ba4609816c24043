//! How far a request's head was read, and the reading of it record by record. `connection` calls it with what has come; the place
//! goes with a connection that waits for the rest.

use crate::protocol::{Event, Sequence};
use std::ops::Range;

/// How far a request's head was read, in whatever buffer holds it.
///
/// ```text
/// [ … | params, their records slid together | not looked at | free ]
///       params.start        params.end <= at           filled
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestHead {
    pub(crate) params: Range<usize>,
    pub(crate) at: usize,
    pub(crate) filled: usize,
}

/// The params of one request are larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// How many bytes may lie in front of params when more is read behind them: a BEGIN_REQUEST and two headers. Where there are more
/// the params are moved to the front.
const LEAD: usize = 32;

impl RequestHead {
    /// A head of which `filled` bytes are there, unseen.
    pub(crate) fn of(filled: usize) -> RequestHead {
        RequestHead {
            params: 0..0,
            at: 0,
            filled,
        }
    }

    /// Reads the head if `buffer` begins with a whole one of the usual form, and else nothing. Whether it did.
    #[inline(always)]
    pub(crate) fn read_whole(
        &mut self,
        sequence: &mut Sequence,
        buffer: &[u8],
        max_params: usize,
    ) -> bool {
        if self.at > 0 || self.filled > max_params {
            return false;
        }
        let here = buffer.get(..self.filled).unwrap_or_default();
        match sequence.whole_head(here, &mut self.at) {
            Some(params) => {
                self.params = params;
                true
            }
            None => false,
        }
    }

    /// What comes next, `Params` taken care of: their content stays where it landed, and that of a further
    /// record is slid left over its header, so that a pair that straddles records is whole.
    ///
    /// After `More` all of `buffer` from `filled` on is free.
    pub(crate) fn next(
        &mut self,
        sequence: &mut Sequence,
        buffer: &mut [u8],
        max_params: usize,
    ) -> Result<Event, TooLarge> {
        loop {
            match sequence.next(&buffer[..self.filled], &mut self.at) {
                Event::Params(n) => {
                    if self.params.len() + n > max_params {
                        return Err(TooLarge);
                    }
                    if self.params.is_empty() {
                        self.params = self.at..self.at;
                    }
                    if self.at > self.params.end {
                        buffer.copy_within(self.at..self.at + n, self.params.end);
                    }
                    self.params.end += n;
                    self.at += n;
                    sequence.take(n);
                }
                Event::More => {
                    if self.params.is_empty() {
                        self.params = 0..0;
                    } else if self.params.start > LEAD {
                        buffer.copy_within(self.params.clone(), 0);
                        self.params = 0..self.params.len();
                    }
                    self.at = self.params.end;
                    self.filled = self.params.end;
                    return Ok(Event::More);
                }
                Event::Begin(role) => {
                    self.params = 0..0;
                    return Ok(Event::Begin(role));
                }
                event => return Ok(event),
            }
        }
    }

    /// Of a head that is refused: what of its params has come is all there is.
    #[cold]
    pub(crate) fn leave_rest(&mut self) {
        (self.at, self.filled) = (self.params.end, self.params.end);
    }

    /// The place of what was not looked at.
    pub(crate) fn unread(&self) -> Range<usize> {
        self.at..self.filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{RecordHeader, RecordType};

    /// A head whose params are cut into records of `size` bytes.
    fn head_of(params: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = vec![1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for piece in params.chunks(size) {
            let header = RecordHeader::new(RecordType::Params, 1, piece.len() as u16);
            bytes.extend_from_slice(&header.encode());
            bytes.extend_from_slice(piece);
            bytes.extend(std::iter::repeat_n(0xee, header.padding as usize));
        }
        bytes.extend_from_slice(&[1, 4, 0, 1, 0, 0, 0, 0]);
        bytes.extend_from_slice(b"\x01\x05\0\x01\0\x01\0\0b");
        bytes
    }

    #[test]
    fn params_are_whole_however_they_were_cut() {
        let params: Vec<u8> = (0..200_u8).collect();
        for record in [1, 7, 100, 200] {
            let stream = head_of(&params, record);
            for read in 1..stream.len() {
                let mut buffer = vec![0; stream.len() + 64];
                let (mut head, mut sequence, mut rest) =
                    (RequestHead::default(), Sequence::default(), &stream[..]);
                loop {
                    match head.next(&mut sequence, &mut buffer, 200).unwrap() {
                        Event::Begin(1) => {}
                        Event::Head => break,
                        Event::More => {
                            let n = read.min(rest.len());
                            buffer[head.filled..][..n].copy_from_slice(&rest[..n]);
                            head.filled += n;
                            rest = &rest[n..];
                        }
                        event => panic!("{event:?}"),
                    }
                }
                assert_eq!(
                    buffer[head.params.clone()],
                    params,
                    "records of {record}, reads of {read}"
                );
                let body = [&buffer[head.unread()], rest].concat();
                assert_eq!(body, b"\x01\x05\0\x01\0\x01\0\0b");
            }
        }
    }

    #[test]
    fn params_above_the_limit_are_too_large() {
        let mut stream = head_of(&[0; 200], 64);
        let mut head = RequestHead::of(stream.len());
        let mut sequence = Sequence::default();
        assert_eq!(
            head.next(&mut sequence, &mut stream, 199),
            Ok(Event::Begin(1))
        );
        assert_eq!(head.next(&mut sequence, &mut stream, 199), Err(TooLarge));
    }
}
