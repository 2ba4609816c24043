//! How a stream is cut into the pieces that arrive. Used by `peer`.

/// How a stream is cut into pieces.
#[derive(Clone, Debug)]
pub(super) enum Cuts {
    /// 0 cuts nowhere, 1 everywhere. Any other number begins a row of [`Random`](Cuts::Random) ones.
    Seed(u8),
    /// After as many bytes each as the next pseudo-random number says.
    Random(u32),
    /// After so many bytes each, and then nowhere.
    #[cfg(test)]
    At(Vec<usize>),
}

impl Cuts {
    /// How long the next piece is.
    pub(super) fn next(&mut self) -> usize {
        match self {
            Cuts::Seed(0) => usize::MAX,
            Cuts::Seed(1) => 1,
            Cuts::Seed(seed) => {
                *self = Cuts::Random(u32::from(*seed) * 0x0101_0101);
                self.next()
            }
            Cuts::Random(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 17;
                *state ^= *state << 5;
                // Mostly short ones: headers are to be cut, and they are short.
                let most = [4, 16, 64, 1024][*state as usize >> 8 & 3];
                1 + (*state >> 16) as usize % most
            }
            #[cfg(test)]
            Cuts::At(sizes) if sizes.is_empty() => usize::MAX,
            #[cfg(test)]
            Cuts::At(sizes) => sizes.remove(0).max(1),
        }
    }
}
