//! Room for what stands nowhere in a request as it came: joined values, decoded paths. Filled by `params` and `mount`; made by
//! `front`, when a head freezes.

/// Room in the worker's buffer for values that stand nowhere in the stream, handed out from its front.
#[derive(Debug, Default)]
pub(crate) struct Scratch<'buf> {
    rest: &'buf mut [u8],
    /// `len <= rest.len()`: the value in the making.
    len: usize,
    /// Room to sort in; of no meaning afterwards.
    pub(super) desk: &'buf mut [u8],
    pub(super) touched: bool,
}

impl<'buf> Scratch<'buf> {
    /// `desk` has four bytes for each pair that may be there.
    pub(crate) fn new(rest: &'buf mut [u8], desk: &'buf mut [u8]) -> Scratch<'buf> {
        Scratch {
            rest,
            len: 0,
            desk,
            touched: false,
        }
    }

    /// Appends to the value in the making. `false` if there is no room left.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.rest.get_mut(self.len..self.len + bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        self.touched = true;
        true
    }

    /// The value in the making.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.rest[..self.len]
    }

    /// Takes the end of the value in the making away.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The value that was made since the last call.
    pub(crate) fn finish(&mut self) -> &'buf [u8] {
        let (done, rest) = std::mem::take(&mut self.rest).split_at_mut(self.len);
        self.rest = rest;
        self.len = 0;
        done
    }

    /// Whether anything was ever written.
    pub(crate) fn was_touched(&self) -> bool {
        self.touched
    }

    /// Gives the desk back to whoever lent it.
    pub(crate) fn into_desk(self) -> &'buf mut [u8] {
        self.desk
    }
}
