//! What browsers send, and send back that pages gave them: thin faces over well-kept parsing. Pure, like `cgi`.

mod cookie;
mod urlencoded;

pub(crate) use cookie::cookie_pairs;
pub use cookie::{Cookie, SameSite};
pub(crate) use urlencoded::query_pairs;
