//! What browsers send back that pages gave them: thin faces over text. Pure, like `cgi`.

mod cookie;

#[allow(unused_imports)] // until requests lend cookies
pub(crate) use cookie::pairs;
pub use cookie::{Cookie, SameSite};
