//! Answer FastCGI from one small Rust binary, with an ordinary blocking function.
//!
//! ```no_run
//! fn app(req: &mut fcgi::Request, res: fcgi::Response) -> fcgi::Result {
//!     res.content_type("text/plain; charset=utf-8")
//!         .send(format!("Hello, {}!", req.path()))
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     fcgi::cli::main(app)
//! }
//! ```
//!
//! This is a whole program. mod_fcgid and lighttpd start it; nginx, Apache, HAProxy, Caddy and h2o connect to it
//! (`--listen unix:/run/app.sock`); as CGI it answers one request; in a terminal it shows itself to a browser. It has the commands
//! `conf`, `check`, `get`, `serve` and `bench`, and `--help`.
//!
//! # A request, and its answer
//!
//! A handler is a function of a [`Request`] and a [`Response`] that returns a [`Result`]. What the request lends stays readable while
//! the body is read and the answer written. The response is taken by what answers, [`send`](Response::send),
//! [`redirect`](Response::redirect), [`send_file`](Response::send_file), [`stream`](Response::stream) or
//! [`finish`](Response::finish): to answer twice, or to set a header after the body, does not compile.
//!
//! There is no router. A `match` is one, and says all that an application answers to in one place:
//!
//! ```
//! use fcgi::testing::request;
//! use fcgi::{Error, Request, Response, html_escape};
//!
//! fn app(req: &mut Request, res: Response) -> fcgi::Result {
//!     match (req.method(), req.path()) {
//!         ("GET" | "HEAD", "/") => res.send("the list"),
//!         ("POST", "/") => sign(req, res),
//!         ("GET" | "HEAD", "/about") => res.send("about us"),
//!         (_, "/") => Err(Error::new(405, "only GET and POST")),
//!         _ => Err(Error::new(404, "no such page")),
//!     }
//! }
//!
//! fn sign(req: &mut Request, res: Response) -> fcgi::Result {
//!     let form = req.form()?; // malformed: 400; too large: 413
//!     let name = form.get("name");
//!     let name = name.ok_or_else(|| Error::new(400, "the name is missing"))?;
//!     res.content_type("text/html; charset=utf-8")
//!         .send(format!("<p>Thank you, {}!", html_escape(name)))
//! }
//!
//! let answer = request("POST", "/").form(&[("name", "Ada & Co")]).call(app);
//! assert_eq!(answer.text(), "<p>Thank you, Ada &amp; Co!");
//! assert_eq!(request("GET", "/lost").call(app).status(), 404);
//! ```
//!
//! A router of another crate fits in by the feature `http`: the example `router`.
//!
//! # When it fails
//!
//! Any error converts into an [`Error`] by `?`. It is answered with a page of its status, 500 unless it carries another, and the log has
//! its message; [`Server::error_page`] makes one's own page of it. A panic is a 500 and a line, too, and the process goes on. An answer
//! that fails behind its head is cut, so that nobody takes half a page for a whole one.
//!
//! # Beyond one function
//!
//! [`Server`] is the builder of all that can be set: workers, limits, time limits, a state for each worker
//! ([`responder_with`](Server::responder_with)), authorizers and filters. [`main`](Server::main) makes a program of it,
//! [`run`](Server::run) serves in a program with flags of its own, and [`start`](Server::start) in threads beside something else:
//!
//! ```
//! # fn main() -> fcgi::Result {
//! # let folder = std::env::temp_dir().join(format!("fcgi-front-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let socket = format!("unix:{}/app.sock", folder.display());
//! use fcgi::client::{Begin, Client};
//! use fcgi::{Address, Server};
//!
//! let address: Address = socket.parse()?; // "unix:/run/app.sock", "127.0.0.1:9000", …
//! let server = Server::new()
//!     .listen(address.clone())
//!     .workers(2)
//!     .responder(|req, res| res.send(req.path()))
//!     .start()?;
//!
//! // Any FastCGI application is asked so, from a test or a tool.
//! let params = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/news"), ("SCRIPT_NAME", "")];
//! let answer = Client::connect(&address)?.request(Begin::default(), params, b"")?;
//! assert_eq!((answer.head.status(), &answer.body[..]), (200, &b"/news"[..]));
//!
//! server.stop(); // what runs is finished
//! server.join();
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # In reading order
//!
//! | | |
//! | --- | --- |
//! | [`Request`], [`Body`], [`Role`], [`RequestId`] | what was asked: path, query, headers, cookies, visitor, body |
//! | [`Response`], [`ResponseBody`], [`Cookie`] | the answer |
//! | [`Error`], [`Result`] | what handlers return |
//! | [`Form`], [`FormFile`], [`FormLimits`] | a form in memory |
//! | `Multipart`, `Part`, `Saved` | uploads of any size (feature `multipart`) |
//! | [`Access`], [`Grant`] | an authorizer's answer |
//! | [`Server`], [`Handle`], [`Handler`] | settings, limits, and the ways to serve |
//! | [`Address`], [`Owner`], [`Prefix`], [`Sendfile`] | what settings are made of |
//! | [`cli`], [`home()`] | the command line, and the program's folder |
//! | [`testing`] | a handler in a `#[test]` function, as each web server would ask it |
//! | [`client`] | the web server's part: asks any FastCGI application |
//! | [`html_escape`], [`command()`] | text into html; a program that a handler starts |
//! | [`guide`] | writing, testing, deploying, debugging, security, sizing, coming from elsewhere, architecture, decisions |
//!
//! # Features
//!
//! | feature | default | what it brings | crates |
//! | --- | --- | --- | --- |
//! | `toolbox` | yes | the commands: `conf`, `check`, `get`, `bench`; without it [`cli::main`] still knows every way to start | |
//! | `dev` | yes | http on loopback, `--http` and `serve` | httparse |
//! | `multipart` | yes | forms with files, and uploads: `Request::multipart`; without it such a form is a 415 | memchr, tempfile |
//! | `http` | no | handlers of the `http` crate's types, for routers and middleware that know these: `fcgi::http::responder` | http |
//!
//! # Limits
//!
//! Linux alone, and Rust 1.89 or later. Every unsafe line is in one file. Everything that grows has a limit and every wait an end, each with
//! a method of [`Server`] that says its default. A slow request holds a worker, and workers are threads: this is not for async handlers,
//! nor for hundreds of streams that stay open.
//!
//! Where a rule comes from stands with what keeps it: "section 6.3" without further words is of the FastCGI 1.0 specification, RFC 3875 is
//! CGI 1.1, RFC 9110 is HTTP, RFC 6265 is cookies. What a web server "was seen to do" was recorded from it, and a test holds it.
#![deny(unsafe_code)]
#![warn(missing_docs)]
// What only one feature uses is not marked line by line; with all of them nothing may lie about.
#![cfg_attr(not(all(feature = "toolbox", feature = "dev")), allow(dead_code))]

mod accept;
mod access;
mod access_line;
mod access_log;
mod apart;
mod application;
mod body;
mod buffer;
mod cgi;
pub mod cli;
pub mod client;
mod connection;
mod contain;
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
#[cfg(any(doc, doctest))]
pub mod guide;
mod hint;
#[cfg(feature = "http")]
pub mod http;
mod limits;
mod link;
mod listeners;
mod log_line;
mod log_text;
mod multiplex;
mod net;
mod page;
mod parent;
mod peers;
mod pool;
mod process;
mod protocol;
mod refusal;
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

/// Serves `app` until a signal stops it: [`Server::run`] with the defaults, for a program that has flags of its own.
///
/// [`cli::main`] does the same with a command line.
///
/// ```no_run
/// fn main() -> std::io::Result<()> {
///     fcgi::run(|req, res| res.send(req.path()))
/// }
/// ```
///
/// # Errors
/// As [`Server::run`].
pub fn run<F>(app: F) -> std::io::Result<()>
where
    F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
{
    Server::new().responder(app).run()
}

/// The README's examples are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
