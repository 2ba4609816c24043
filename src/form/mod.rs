//! What browsers send back that pages gave them: thin faces over text. Pure, like `cgi`.

mod cookie;

pub(crate) use cookie::pairs;
pub use cookie::{Cookie, SameSite};
