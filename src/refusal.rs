//! What a request gets that is kept from the handler. Made by `front` and `connection`, which answers with it.

/// Why no handler sees a request, and what becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// For the log, and for the page with `debug`.
    pub(crate) why: String,
    /// Whether its connection is closed behind the answer. One that carries several requests is not: the others go on.
    pub(crate) closes: bool,
}

impl Refusal {
    /// The connection goes on.
    #[cold]
    pub(crate) fn new(status: u16, why: impl Into<String>) -> Refusal {
        Refusal {
            status,
            why: why.into(),
            closes: false,
        }
    }

    /// The params exceed a limit. Whoever sends so much is not listened to any longer.
    #[cold]
    pub(crate) fn too_large(why: String) -> Refusal {
        Refusal {
            status: 431,
            why,
            closes: true,
        }
    }
}
