//! What browsers send and are sent: thin faces over well-kept parsing. Pure.

mod urlencoded;

pub(crate) use urlencoded::pairs;
