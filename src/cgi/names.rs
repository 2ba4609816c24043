//! The names of the params that every request needs, and how a walk over all pairs tells them from others at one look. Called by
//! `params`.

use super::eight::word;

/// The params that every request needs, found in the one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    PathInfo,
    RemoteAddr,
    RequestUri,
    ScriptName,
    QueryString,
    ContentType,
    ContentLength,
    RequestMethod,
    /// cherokee's word for a body that is still in chunks.
    ContentTransferEncoding,
}

/// How many there are.
pub(super) const KNOWN: usize = Known::ContentTransferEncoding as usize + 1;

/// In the order of their numbers.
pub(crate) static NAMES: [(Known, &[u8]); KNOWN] = [
    (Known::PathInfo, b"PATH_INFO"),
    (Known::RemoteAddr, b"REMOTE_ADDR"),
    (Known::RequestUri, b"REQUEST_URI"),
    (Known::ScriptName, b"SCRIPT_NAME"),
    (Known::QueryString, b"QUERY_STRING"),
    (Known::ContentType, b"CONTENT_TYPE"),
    (Known::ContentLength, b"CONTENT_LENGTH"),
    (Known::RequestMethod, b"REQUEST_METHOD"),
    (Known::ContentTransferEncoding, b"CONTENT_TRANSFER_ENCODING"),
];

/// How much of a name the walk of `params` compares, whether the name has so many bytes or not.
pub(super) const SHAPED: usize = 16;

/// What the walk recognizes a name by: its first bytes, [`SHAPED`] at the most. Of the one name that is longer, the last in [`NAMES`],
/// they are no more than a hint.
#[repr(align(32))]
pub(super) struct Shape {
    first: u64,
    second: u64,
    /// Which bytes of the second eight there are.
    mask: u64,
}

impl Shape {
    /// Whether `name` begins with these bytes. Its length is right, too, then: for another length there is another guess.
    #[inline(always)]
    pub(super) fn is_of(&self, name: &[u8; SHAPED]) -> bool {
        let ([first, second], _) = name.as_chunks() else {
            return false;
        };
        (word(first) ^ self.first) | ((word(second) ^ self.second) & self.mask) == 0
    }
}

/// Of each known name, in the same order.
pub(super) static SHAPES: [Shape; KNOWN] = {
    const NONE: Shape = Shape {
        first: 0,
        second: 0,
        mask: 0,
    };
    let mut shapes = [NONE; KNOWN];
    let mut i = 0;
    while i < KNOWN {
        let (known, name) = NAMES[i];
        assert!(known as usize == i, "they are in order");
        let (mut bytes, mut mask) = ([[0; 8]; 2], [0; 8]);
        let mut at = 0;
        while at < name.len() && at < SHAPED {
            bytes[at / 8][at % 8] = name[at];
            if at >= 8 {
                mask[at - 8] = 0xff;
            }
            at += 1;
        }
        assert!(at > 8, "a name is shorter than its first number");
        shapes[i] = Shape {
            first: word(&bytes[0]),
            second: word(&bytes[1]),
            mask: word(&mask),
        };
        i += 1;
    }
    shapes
};

/// How much of a pair is looked at at once: two lengths, and the first bytes of a name.
pub(super) const PAIR_FRONT: usize = 2 + SHAPED;

/// The lengths of a name and a value, if each is below 128.
#[inline(always)]
pub(super) fn short_lengths(front: &[u8; PAIR_FRONT]) -> Option<(usize, usize)> {
    // By one load for both.
    let lengths = word(front.first_chunk()?);
    let each = |lengths: u64| usize::from(lengths as u8);
    (lengths & 0x8080 == 0).then_some((each(lengths), each(lengths >> 8)))
}

/// The place of the byte that, with a name's length, tells the known names apart, and nearly all others from them: the others take
/// no more than one look into a table.
pub(super) const GUESSED: usize = 5;

/// The size of the table of guesses: every byte with every length below 256 has a place in it.
const PLACES: usize = 256 + 8 * 256;

/// The one known name that has this byte at [`GUESSED`] and this length, if any. Others may have them, too: it is to be compared.
#[inline(always)]
pub(super) fn guess(byte: u8, len: usize) -> Option<Known> {
    static GUESSES: [Option<Known>; PLACES] = {
        let mut guesses = [None; PLACES];
        let mut i = 0;
        while i < KNOWN {
            let (known, name) = NAMES[i];
            let place = place(name[GUESSED], name.len());
            assert!(guesses[place].is_none(), "two names have one place");
            guesses[place] = Some(known);
            i += 1;
        }
        guesses
    };
    /// No two lengths of one byte share a place.
    const fn place(byte: u8, len: usize) -> usize {
        byte as usize + 8 * len
    }
    *GUESSES.get(place(byte, len))?
}
