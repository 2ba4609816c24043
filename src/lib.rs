#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! A handler is a function of a [`Request`] and a [`Response`] that returns a [`Result`]; [`Error`] carries the status that
//! answers a request that failed. [`cli::main`] makes a program of it, [`run`] does for a program with flags of its own, and
//! [`Server`] sets limits, or serves in threads beside something else. [`testing`] calls a handler in a test.
//!
//! # Routes
//!
//! There is no router. A `match` is one, and says all that an application answers to in one place:
//!
//! ```
//! use fcgi::{Error, Request, Response};
//!
//! fn app(req: &mut Request, res: Response) -> fcgi::Result {
//!     match (req.method(), req.path()) {
//!         ("GET" | "HEAD", "/") => res.send("the list"),
//!         ("POST", "/") => res.redirect("/"),
//!         ("GET" | "HEAD", path) if let Some(name) = path.strip_prefix("/item/") => item(name, res),
//!         (_, "/") => Err(Error::new(405, "only GET and POST")),
//!         _ => Err(Error::new(404, "no such page")),
//!     }
//! }
//! # fn item(_: &str, res: Response) -> fcgi::Result { res.send("") }
//! ```
//!
//! An error is answered with a page of its status; [`Server::error_page`] makes one's own of it. What a visitor sent goes
//! into html by way of [`html_escape`].
#![deny(unsafe_code)]
#![warn(missing_docs)]
// What only one feature uses is not marked line by line; with all of them nothing may lie about.
#![cfg_attr(not(all(feature = "toolbox", feature = "dev")), allow(dead_code))]

mod accept;
mod access;
mod access_line;
mod access_log;
mod apart;
mod body;
mod buffer;
mod cgi;
pub mod cli;
pub mod client;
mod connection;
mod control;
mod date;
mod decimal;
mod error;
mod exchange;
mod executable;
mod form;
mod front;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hint;
mod limits;
mod link;
mod listeners;
mod net;
mod page;
mod parent;
mod peers;
mod pool;
mod process;
mod protocol;
mod request;
mod request_id;
mod reserve;
mod response;
mod seldom;
mod sendfile;
mod server;
mod setup;
mod slot;
#[cfg(feature = "multipart")]
mod spool;
mod start_up;
mod status;
mod stranger;
pub mod testing;
mod visitor;
mod watch;
mod wire;

pub use access::{Access, Grant};
pub use body::Body;
pub use cli::home;
pub use error::{Error, Result};
pub use form::{Cookie, Form, FormFile, FormLimits, SameSite};
#[cfg(feature = "multipart")]
pub use form::{Multipart, Part};
pub use net::{Address, Owner, Prefix};
pub use page::html_escape;
pub use protocol::Role;
pub use request::{Request, Stderr};
pub use request_id::RequestId;
pub use response::{Response, ResponseBody};
pub use sendfile::Sendfile;
pub use server::{Handle, Handler, Server};
#[cfg(feature = "multipart")]
pub use spool::Saved;

/// A program to start from a handler: [`Command::new`](std::process::Command::new), with the limit of open files that this
/// process was started with, and nothing to read on its standard input.
///
/// [`run`] and [`cli::main`] raise the soft limit to the hard one, and a program that is started inherits it. Some take it
/// for a number of descriptors to close one by one, or use `select`, which breaks above 1024. And standard input may be the
/// web server's listening socket: a program that goes on in the background would keep it open. What you set yourself
/// with `stdin` counts.
///
/// ```
/// # use fcgi::{Request, Response};
/// fn today(_: &mut Request, res: Response) -> fcgi::Result {
///     let date = fcgi::command("date").output()?;
///     res.content_type("text/plain").send(date.stdout)
/// }
/// ```
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.stdin(std::process::Stdio::null());
    net::sys::as_we_were_started(&mut command);
    command
}

/// Serves `app` until a signal stops it: [`Server::run`] with the defaults.
///
/// # Errors
/// As [`Server::run`].
pub fn run<F>(app: F) -> std::io::Result<()>
where
    F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
{
    Server::new().responder(app).run()
}
