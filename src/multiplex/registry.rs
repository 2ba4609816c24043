//! The multiplexed connections on which requests are under way, as the accept loop knows them: by the keys of their events.
//! Called by `accept`. It holds none of them open.

use super::connection::Connection;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

/// A place for each connection; the key of a place is another one each time that it is given away.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Entry {
    /// How often the place was given back: an event of its last connection has another generation in its key.
    generation: u32,
    /// `None`: the place is free.
    fd: Option<RawFd>,
    connection: Option<Weak<Connection>>,
}

impl Registry {
    /// Gives a place away. Its key: 24 bits of generation, 32 of index.
    pub(crate) fn reserve(&mut self, fd: RawFd) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        entry.fd = Some(fd);
        let generation = entry.generation;
        u64::from(generation & 0xff_ffff) << 32 | u64::from(index)
    }

    pub(crate) fn insert(&mut self, key: u64, connection: &Arc<Connection>) {
        if let Some(entry) = self.entry(key) {
            entry.connection = Some(Arc::downgrade(connection));
        }
    }

    pub(crate) fn remove(&mut self, key: u64) {
        if let Some(entry) = self.entry(key) {
            (entry.fd, entry.connection) = (None, None);
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(key as u32);
        }
    }

    /// The connection whose event this is, if requests are still under way on it.
    pub(crate) fn get(&mut self, key: u64) -> Option<Arc<Connection>> {
        self.entry(key)?.connection.as_ref()?.upgrade()
    }

    /// The descriptor of the connection whose event this is, which is open for as long as it has its place.
    pub(crate) fn fd(&mut self, key: u64) -> Option<RawFd> {
        self.entry(key)?.fd
    }

    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        let connections = self.entries.iter().filter_map(|e| e.connection.as_ref());
        connections.filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    fn entry(&mut self, key: u64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key as u32 as usize)?;
        let generation = (key >> 32) as u32 & 0xff_ffff;
        (entry.generation & 0xff_ffff == generation).then_some(entry)
    }
}
