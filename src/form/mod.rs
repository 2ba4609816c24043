//! What browsers send, and send back that pages gave them: thin faces over well-kept parsing. Pure, like `cgi`: over any
//! `BufRead`, and what it saves goes by `spool`.

mod content_type;
mod cookie;
mod fields;
#[cfg(feature = "multipart")]
mod multipart;
#[cfg(feature = "multipart")]
mod scanner;
mod urlencoded;

pub(crate) use cookie::cookie_pairs;
pub use cookie::{Cookie, SameSite};
pub use fields::{Form, FormFile, FormLimits};
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, Part};
#[cfg(feature = "toolbox")]
pub(crate) use urlencoded::encoded;
pub(crate) use urlencoded::{query_pairs, urlencoded};

use crate::error::{Error, Result};
use std::io::BufRead;

/// Reads to the end. What is sent is what makes this large, so it is asked for and not taken.
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

/// The beginning of a visitor's word, for an error: a name may have as many characters as a part has above it.
fn shown(word: &str) -> String {
    match word.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{:?}…", &word[..at]),
        None => format!("{word:?}"),
    }
}

const MAX_SHOWN: usize = 40;
