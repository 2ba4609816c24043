//! What browsers send: forms, whole in memory (`whole`) or part by part (`multipart`), and cookies. Called by `request` and
//! `response`. Pure, as `cgi` is: a body is any `BufRead`, and only `spool` writes files.

mod content_type;
mod cookie;
mod fields;
mod limits;
#[cfg(feature = "multipart")]
mod multipart;
mod parameters;
#[cfg(feature = "multipart")]
mod part_head;
#[cfg(feature = "multipart")]
mod scanner;
mod urlencoded;
mod whole;

pub(crate) use cookie::cookie_pairs;
pub use cookie::{Cookie, SameSite};
pub use limits::FormLimits;
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, Part};
#[cfg(feature = "toolbox")]
pub(crate) use urlencoded::encoded;
pub(crate) use urlencoded::{query_pairs, urlencoded};
pub use whole::{Form, FormFile};

use crate::error::{Error, Result};
use std::io::BufRead;

/// Reads to the end.
///
/// How much that is, the visitor decides. So the memory for it is asked for: where there is none the answer is a 503, and
/// the program goes on.
fn append_all(from: &mut dyn BufRead, into: &mut Vec<u8>) -> Result<()> {
    loop {
        let here = from.fill_buf()?;
        if here.is_empty() {
            return Ok(());
        }
        into.try_reserve(here.len()).map_err(|_| no_memory())?;
        into.extend_from_slice(here);
        let n = here.len();
        from.consume(n);
    }
}

fn no_memory() -> Error {
    Error::new(503, "there is no memory for the form that a visitor sent")
}

fn malformed(what: &str) -> Error {
    Error::new(400, format!("the form is malformed: {what}"))
}

/// A visitor's word as an error quotes it, cut to [`MAX_SHOWN`] characters: the name of a field can be as long as the lines
/// above a part.
fn shown(word: &str) -> String {
    match word.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{:?}…", &word[..at]),
        None => format!("{word:?}"),
    }
}

const MAX_SHOWN: usize = 40;
