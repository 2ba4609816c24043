//! FastCGI by an ordinary blocking function.
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![allow(dead_code)]

mod buffer;
mod cgi;
mod net;
mod protocol;
