//! Records on their way to the application: queued whole, and sent as the connection takes them. Filled by `Client`.

use super::watch::{Watch, Way};
use crate::error::is_disconnect;
use crate::net::Transport;
use crate::protocol::{RecordType, append_record};
use std::io;

/// While so many bytes wait to be sent, no more of a body is queued.
pub(super) const FULL: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Whole records, of which `bytes[sent..]` is still to be sent. At most `FULL` bytes and a record, or the params.
    bytes: Vec<u8>,
    sent: usize,
    is_deaf: bool,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    /// Whether the application reads no more: what was to be sent to it is dropped, and what it sends still counts.
    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Queues one record of a request.
    pub(super) fn push(&mut self, request_id: u16, record_type: RecordType, content: &[u8]) {
        append_record(record_type, request_id, content, &mut self.bytes);
    }

    /// Sends as much as the connection takes without waiting. That the application has closed it is no error.
    pub(super) fn send(&mut self, transport: &Transport, watch: &mut Watch) -> io::Result<()> {
        while !self.is_empty() && !self.is_deaf {
            match transport.send(&self.bytes[self.sent..]) {
                Ok(n) => {
                    watch.show(Way::Sent, &self.bytes[self.sent..][..n]);
                    self.sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_disconnect(&error) => self.is_deaf = true,
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(2 * FULL);
        self.sent = 0;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
