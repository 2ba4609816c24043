//! The short contents that mean something only when they are whole: BEGIN_REQUEST's, and a question's. Called by `sequence` and by
//! `multiplex/reader`.

use super::bodies::BeginRequest;

/// The most bytes of one GET_VALUES record that are looked at. The three names that exist take 59.
const MOST_ASKED: usize = 1024;

/// What has come of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    begin: [u8; BeginRequest::LEN],
    begin_len: usize,
    asked: Option<Box<Asked>>,
}

/// GET_VALUES' content: `len() <= MOST_ASKED`. In a box, since few connections ever have one.
#[derive(Clone, Debug, Default)]
struct Asked(Vec<u8>);

impl Gathered {
    /// A BEGIN_REQUEST comes.
    pub(crate) fn expect_begin(&mut self) {
        self.begin_len = 0;
    }

    pub(crate) fn push_begin(&mut self, here: &[u8]) {
        let taken = here.len().min(BeginRequest::LEN - self.begin_len);
        self.begin[self.begin_len..][..taken].copy_from_slice(&here[..taken]);
        self.begin_len += taken;
    }

    /// BEGIN_REQUEST, whose content is whole.
    pub(crate) fn begin(&self) -> BeginRequest {
        BeginRequest::decode(&self.begin)
    }

    /// A question comes.
    #[cold]
    pub(crate) fn expect_question(&mut self) {
        self.asked = None;
    }

    #[cold]
    pub(crate) fn push_asked(&mut self, here: &[u8]) {
        let Asked(asked) = &mut **self.asked.get_or_insert_default();
        let room = MOST_ASKED - asked.len();
        asked.extend_from_slice(&here[..here.len().min(room)]);
    }

    /// The question's content. It is given away: nothing of it stays with a connection that waits.
    #[cold]
    pub(crate) fn take_asked(&mut self) -> Vec<u8> {
        self.asked.take().map_or_else(Vec::new, |asked| asked.0)
    }
}
