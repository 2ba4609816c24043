//! What browsers send, and send back that pages gave them: thin faces over well-kept parsing. Pure, like `cgi`: over any
//! `BufRead`, and what it saves goes by `spool`.

mod content_type;
mod cookie;
mod fields;
mod multipart;
mod scanner;
mod urlencoded;

pub(crate) use cookie::cookie_pairs;
pub use cookie::{Cookie, SameSite};
pub use fields::{Form, FormFile, FormLimits};
pub use multipart::{Multipart, Part};
pub(crate) use urlencoded::{query_pairs, urlencoded};
