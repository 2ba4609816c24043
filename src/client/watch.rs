//! Who is shown all bytes that cross a connection, and which way they go. Set by `Client::watch`.

use std::fmt;

/// Which way bytes go, for [`Client::watch`](super::Client::watch).
///
/// It has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the application.
    Sent,
    /// From it.
    Received,
}

/// Who is shown all bytes, if anybody is.
#[derive(Default)]
pub(super) struct Watch(pub(super) Option<Box<Watcher>>);

pub(super) type Watcher = dyn FnMut(Way, &[u8]) + Send + Sync;

impl Watch {
    pub(super) fn show(&mut self, way: Way, bytes: &[u8]) {
        if let Some(watch) = &mut self.0 {
            watch(way, bytes);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}
