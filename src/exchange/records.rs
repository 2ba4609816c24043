//! An answer as it leaves: what has gathered, framed as records in place, and large slices from where they are. Called by the
//! exchange.

use super::{Exchange, TAIL_ROOM};
use crate::protocol::{
    EndRequest, HEADER_LEN, MAX_CONTENT, ProtocolStatus, RecordHeader, RecordType,
};
use crate::wire::Wire;
use std::io::{self, IoSlice};
use std::ops::Range;

impl<'buf> Exchange<'buf> {
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.output.len() - TAIL_ROOM - self.pending.end;
        if bytes.len() <= room {
            self.gather(bytes);
            return Ok(());
        }
        self.transmit(bytes, false)
    }

    pub(super) fn gather(&mut self, bytes: &[u8]) {
        let end = self.pending.end + bytes.len();
        self.output[self.pending.end..end].copy_from_slice(bytes);
        self.pending.end = end;
    }

    /// Sends what has gathered, and the end: nearly always all of an answer, in one record.
    #[inline(always)]
    pub(super) fn transmit_end(&mut self) -> io::Result<()> {
        let Range { start, end } = self.pending;
        let (Some(id), content @ 1..) = (self.wire.request_id(), end - start) else {
            return self.transmit(&[], true);
        };
        let header = RecordHeader::new(RecordType::Stdout, id, content as u16);
        let padding = usize::from(header.padding & 7);
        let len = HEADER_LEN + content + padding + END_LEN;
        let room = self
            .output
            .get_mut(start - HEADER_LEN..end + TAIL_ROOM)
            .and_then(|room| room.split_first_chunk_mut());
        if let Some((for_header, rest)) = room
            && let Some(tail) = rest
                .get_mut(content..)
                .and_then(|rest| rest.first_chunk_mut::<TAIL_ROOM>())
        {
            *for_header = header.encode();
            tail[..8].copy_from_slice(&[0; 8]);
            tail[padding..padding + END_LEN].copy_from_slice(end_records(id).as_flattened());
        }
        self.on_wire = true;
        self.pending = HEADER_LEN..HEADER_LEN;
        self.high = self.high.max(start - HEADER_LEN + len);
        let whole = self.output.get(start - HEADER_LEN..);
        let whole = whole.and_then(|whole| whole.get(..len)).unwrap_or_default();
        self.wire.send_one(whole)
    }

    /// Sends what has gathered; behind it the `end` of the answer, or `direct`, in records of its own. Never both: an answer's
    /// end is sent with what has gathered.
    pub(super) fn transmit(&mut self, direct: &[u8], end: bool) -> io::Result<()> {
        self.on_wire = true;
        let Some(id) = self.wire.request_id() else {
            let pending = std::mem::replace(&mut self.pending, HEADER_LEN..HEADER_LEN);
            return self
                .wire
                .send(&mut [&self.output[pending], direct].map(IoSlice::new));
        };
        let gathered = self.frame(id, end);
        let gathered = &self.output[gathered];
        match direct.len() {
            0 => self.wire.send_one(gathered),
            // To fill a list that is long enough for a MiB costs as much as all else that a small piece takes.
            1..=FEW_BYTES => send_records::<{ FEW + 1 }>(&mut self.wire, id, gathered, direct),
            _ => {
                self.wire.expect_no_room();
                send_records::<{ MANY + 1 }>(&mut self.wire, id, gathered, direct)
            }
        }
    }

    /// Puts header, padding and, if it is the end, the end around what has gathered.
    #[inline(always)]
    fn frame(&mut self, id: u16, end: bool) -> Range<usize> {
        let Range {
            mut start,
            end: mut stop,
        } = std::mem::replace(&mut self.pending, HEADER_LEN..HEADER_LEN);
        let content = stop - start;
        if content > 0 {
            let header = RecordHeader::new(RecordType::Stdout, id, content as u16);
            start -= HEADER_LEN;
            self.put_at(start, header.encode());
            // Of the eight zeros as many stay as the padding has; the next record, if there is one, covers the others.
            self.put_at(stop, [0; 8]);
            stop += header.padding as usize;
        }
        if end {
            for record in end_records(id) {
                self.put_at(stop, record);
                stop += record.len();
            }
        }
        self.high = self.high.max(stop);
        start..stop
    }

    /// Writes a few bytes. Their number is known when this is compiled: else the copy would be a call.
    #[inline(always)]
    pub(super) fn put_at<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        let room = self.output.get_mut(at..at + N);
        if let Some(room) = room.and_then(|room| room.first_chunk_mut()) {
            *room = bytes;
        }
    }
}

const END_LEN: usize = HEADER_LEN + EndRequest::RECORD_LEN;

/// The empty STDOUT record and END_REQUEST, eight bytes each.
#[inline(always)]
fn end_records(id: u16) -> [[u8; 8]; END_LEN / 8] {
    const STDOUT: [u8; 8] = RecordHeader::new(RecordType::Stdout, 0, 0).encode();
    const END: [u8; 16] = EndRequest::record(0, ProtocolStatus::RequestComplete);
    const { assert!(END.len() == 16 && HEADER_LEN == 8) }
    let [end, content] = const {
        let (eights, _) = END.as_chunks::<8>();
        [eights[0], eights[1]]
    };
    let [id1, id0] = id.to_be_bytes();
    let id = u64::from_le_bytes([0, 0, id1, id0, 0, 0, 0, 0]);
    let with_id = |header| (u64::from_le_bytes(header) | id).to_le_bytes();
    [with_id(STDOUT), with_id(end), content]
}

/// Records for one system call: as many as take a MiB.
const MANY: usize = 17;

/// As many as take 256 KiB, which is more than there is room for in a unix socket.
const FEW: usize = 5;
const FEW_BYTES: usize = FEW * MAX_CONTENT;

/// Sends what has gathered, then a large slice as records, uncopied: header, content, header, content, … As many at a time
/// as there are `PAIRS` behind the first.
fn send_records<const PAIRS: usize>(
    wire: &mut Wire<'_>,
    id: u16,
    mut gathered: &[u8],
    mut direct: &[u8],
) -> io::Result<()> {
    const PADDING: [u8; 8] = [0; 8];
    let header = |len: usize| RecordHeader::new(RecordType::Stdout, id, len as u16).encode();
    let (full, last) = (header(MAX_CONTENT), header(direct.len() % MAX_CONTENT));
    while !direct.is_empty() {
        let (now, later) = direct.split_at(direct.len().min((PAIRS - 1) * MAX_CONTENT));
        let (records, rest) = now.as_chunks::<MAX_CONTENT>();
        // A pair is what comes before a header, and the header. All headers but the last are alike; full records need no padding.
        let mut list = [[IoSlice::new(&[]), IoSlice::new(&full)]; PAIRS];
        let mut len = gathered.len() + now.len() + records.len() * HEADER_LEN;
        list[0][0] = IoSlice::new(std::mem::take(&mut gathered));
        for (pair, record) in list[1..].iter_mut().zip(records) {
            pair[0] = IoSlice::new(record);
        }
        let mut n = 1 + 2 * records.len();
        if !rest.is_empty() {
            let padding = &PADDING[..rest.len().wrapping_neg() & 7];
            list[records.len()][1] = IoSlice::new(&last);
            list[records.len() + 1] = [rest, padding].map(IoSlice::new);
            (n, len) = (n + 3, len + HEADER_LEN + padding.len());
        }
        wire.send_many(&mut list.as_flattened_mut()[..n], len)?;
        direct = later;
    }
    Ok(())
}
