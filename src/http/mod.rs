//! Handlers of the `http` crate's types: for an application that is written with them, with a router or with middleware that
//! knows nothing of FastCGI. Feature `http`, which is off by default; the only part of the library that has another
//! crate's types in its face.
//!
//! [`responder`] makes a handler of a function from [`http::Request`] to
//! [`http::Response`], for [`run`](crate::run), [`cli::main`](crate::cli::main) and
//! [`Server::responder`](crate::Server::responder). The example `router` is a whole program.
//!
//! ```
//! use fcgi::Body;
//! use http::{Request, Response, StatusCode};
//!
//! fn app(req: Request<&mut Body>) -> fcgi::Result<Response<String>> {
//!     let (parts, body) = req.into_parts();
//!     let text = std::io::read_to_string(body)?;
//!     Ok(Response::builder()
//!         .status(StatusCode::CREATED)
//!         .header("content-type", "text/plain; charset=utf-8")
//!         .body(format!("{} {}: {text}", parts.method, parts.uri))?)
//! }
//!
//! # fn served() -> std::io::Result<()> {
//! fcgi::run(fcgi::http::responder(app))
//! # }
//! # let _ = served;
//! # let answer = fcgi::testing::request("POST", "/a?b").body("hello").call(fcgi::http::responder(app));
//! # assert_eq!((answer.status(), answer.text()), (201, "POST /a?b: hello"));
//! ```
//!
//! A closure does as well: `responder(|req| Ok(http::Response::new("Hello, world!")))`.
//!
//! # The request
//!
//! - **uri**: the path below the mount, and the query. The path decodes to what [`Request::path`](crate::Request::path) is; it
//!   is as the visitor sent it, `/a%2Fb`, unless the web server cleaned or rewrote it. Scheme and host are not in it.
//! - **version**: of SERVER_PROTOCOL, HTTP/1.1 if that says nothing known.
//! - **headers**: as [`Request::header`](crate::Request::header) has them, so that each name comes once: the values of a repeated
//!   one are joined, by `; ` for cookies and by `, ` for all others. Content-Length is left out where it is no number, and
//!   an Authorization that a rewrite rule renamed is found.
//! - **body**: the [`Body`] itself, which is read from the worker's buffer as it comes.
//! - **extensions**: a [`Cgi`], which has all that HTTP's types have no place for: mount, visitor's address, scheme, parameters.
//!
//! [`form`] and [`form_with`] read a form of it, and `multipart` uploads, as the library's own request does.
//!
//! # The answer
//!
//! Its status and headers are held to the rules of [`Response::header`](crate::Response::header) and
//! [`Response::status`](crate::Response::status): Transfer-Encoding, Connection, a wrong Content-Length, a status
//! outside 200–599 and so on are a logged 500. HEAD, 204 and 304 send no body. Its version and extensions are not looked at.
//! A path in Location is the visitor's, mount and all: [`Cgi::url_for`] makes it.
//!
//! The body is a [`Content`]: text or bytes go out whole, with a Content-Length; a [`File`](std::fs::File) and a boxed
//! [`Read`](std::io::Read) are read while they are sent, so that memory does not grow with them.
//!
//! # Limits
//!
//! The body streams in and the answer streams out, but not through: the request's body is lent until the function returns, and
//! the answer begins after that. An answer that is written while the body is read, a
//! [`finish`](crate::Response::finish) with work after it, and [`is_aborted`](crate::Request::is_aborted) take a handler of
//! the library's own types.
//!
//! Names, values and parameters are copied out of the worker's buffer: 30 allocations and 2.5 KB for a small request of nginx's.
//! A handler of the library's own types costs none.
//!
//! A [`File`](std::fs::File) goes out by way of the program. That the web server sends it
//! ([`Server::sendfile`](crate::Server::sendfile)), and a 304 for who has it, are
//! [`Response::send_file`](crate::Response::send_file)'s: a [`Content`] of one's own can call it.
//!
//! # Errors
//!
//! What these types cannot hold never reaches the function: a method, header name or value that is not legal in HTTP is answered
//! 400, more than 65,534 bytes of path and query 414. Some web servers pass such on. What the function returns as an error is answered as any handler's.

mod cgi;
mod content;
mod request;

pub use cgi::Cgi;
pub use content::Content;

use crate::body::Body;
use crate::error::Result;
#[cfg(feature = "multipart")]
use crate::form::Multipart;
use crate::form::{Form, FormLimits};
use crate::request::{Request, unread};
use crate::response::Response;
use ::http::HeaderMap;
use ::http::header::{AsHeaderName, CONTENT_LENGTH, CONTENT_TYPE};

/// A handler that calls `app` with an [`http::Request`] and answers with the
/// [`http::Response`] that it returns: see the [module](self).
///
/// ```
/// # use fcgi::testing::request;
/// let app = fcgi::http::responder(|req| Ok(http::Response::new(format!("You asked for {}", req.uri()))));
/// assert_eq!(request("GET", "/a?b").call(app).text(), "You asked for /a?b");
/// ```
pub fn responder<F, B>(
    app: F,
) -> impl Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static
where
    F: Fn(::http::Request<&mut Body<'_>>) -> Result<::http::Response<B>> + Send + Sync + 'static,
    B: Content + 'static,
{
    move |req, res| {
        let head = request::head(req)?;
        let (parts, content) = app(head.map(|()| req.body()))?.into_parts();
        let mut res = res.status(parts.status.as_u16());
        for (name, value) in &parts.headers {
            res = res.header(name.as_str(), value);
        }
        content.send(res)
    }
}

/// What a visitor filled in: as [`Request::form`](crate::Request::form).
///
/// ```
/// # use fcgi::{Body, testing::request};
/// fn greet(mut req: http::Request<&mut Body>) -> fcgi::Result<http::Response<String>> {
///     let form = fcgi::http::form(&mut req)?;
///     Ok(http::Response::new(format!("Hello, {}!", form.get("name").unwrap_or("nobody"))))
/// }
/// # let answer = request("POST", "/").form(&[("name", "Ada")]).call(fcgi::http::responder(greet));
/// # assert_eq!(answer.text(), "Hello, Ada!");
/// ```
///
/// # Errors
/// As [`Request::form`](crate::Request::form).
pub fn form(req: &mut ::http::Request<&mut Body<'_>>) -> Result<Form> {
    form_with(req, &FormLimits::default())
}

/// As [`form`], with limits of one's own.
///
/// ```
/// # use fcgi::{Body, FormLimits, testing::request};
/// fn greet(mut req: http::Request<&mut Body>) -> fcgi::Result<http::Response<String>> {
///     let form = fcgi::http::form_with(&mut req, &FormLimits::default().max_body(100))?;
///     Ok(http::Response::new(form.get("name").unwrap_or("nobody").to_owned()))
/// }
/// # let answer = request("POST", "/").form(&[("name", &"a".repeat(200))]).call(fcgi::http::responder(greet));
/// # assert_eq!(answer.status(), 413);
/// ```
///
/// # Errors
/// As [`form`].
pub fn form_with(req: &mut ::http::Request<&mut Body<'_>>, limits: &FormLimits) -> Result<Form> {
    let query = req.uri().query().unwrap_or_default().to_owned();
    let content_type = text(req.headers(), CONTENT_TYPE);
    let content_length = text(req.headers(), CONTENT_LENGTH).and_then(|text| text.parse().ok());
    Form::read(
        query.as_bytes(),
        content_type.as_deref(),
        content_length,
        unread(req.body_mut())?,
        limits,
    )
}

/// The parts of a multipart/form-data body: as [`Request::multipart`](crate::Request::multipart).
///
/// ```
/// # use fcgi::{Body, testing::request};
/// fn names(mut req: http::Request<&mut Body>) -> fcgi::Result<http::Response<String>> {
///     let mut names = Vec::new();
///     let mut parts = fcgi::http::multipart(&mut req)?;
///     while let Some(part) = parts.next_part()? {
///         names.push(part.name().to_owned());
///     }
///     Ok(http::Response::new(names.join(", ")))
/// }
/// # let answer = request("POST", "/").file("film", "a.mp4", [0; 9]).call(fcgi::http::responder(names));
/// # assert_eq!(answer.text(), "film");
/// ```
///
/// # Errors
/// As [`Request::multipart`](crate::Request::multipart).
#[cfg(feature = "multipart")]
pub fn multipart<'req>(req: &'req mut ::http::Request<&mut Body<'_>>) -> Result<Multipart<'req>> {
    let content_type = text(req.headers(), CONTENT_TYPE);
    Multipart::of(content_type.as_deref(), unread(req.body_mut())?)
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
