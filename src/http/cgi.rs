//! What CGI says of a request, and the `http` crate's types have no place for. Made by `request`; the application takes it out
//! of the extensions.

use crate::cgi::below;
use crate::protocol::{Pairs, encode_pair};
use crate::request::Request;
use crate::request_id::RequestId;
use std::sync::Arc;

/// Mount, visitor, site and parameters of a request, among the extensions of the [`http::Request`].
///
/// ```
/// use fcgi::http::Cgi;
/// # use fcgi::{Body, Error};
///
/// fn app(req: http::Request<&mut Body>) -> fcgi::Result<http::Response<String>> {
///     let cgi: &Cgi = req.extensions().get().expect("every request has it");
///     let visitor = cgi.remote_addr().unwrap_or("somebody");
///     Ok(http::Response::new(format!("{visitor}, by {}; see {}", cgi.scheme(), cgi.url_for("/help"))))
/// }
/// # use fcgi::testing::{Behind, request};
/// # let answer = request("GET", "/").behind(Behind::NginxMount("/app")).call(fcgi::http::responder(app));
/// # assert_eq!(answer.text(), "127.0.0.1, by http; see /app/help");
/// ```
///
/// Its methods are those of [`Request`](crate::Request), and say what is said there.
#[derive(Clone)]
pub struct Cgi(Arc<Inner>);

struct Inner {
    id: RequestId,
    path: String,
    mount: String,
    url: String,
    scheme: &'static str,
    host: Option<String>,
    port: u16,
    remote_addr: Option<String>,
    remote_user: Option<String>,
    /// As a stream of PARAMS has them.
    params: Vec<u8>,
}

impl Cgi {
    pub(super) fn new(req: &Request<'_>) -> Cgi {
        let most = |(name, value): (&[u8], &[u8])| name.len() + value.len() + 8;
        let mut params = Vec::with_capacity(req.params().map(most).sum());
        for (name, value) in req.params() {
            encode_pair(name, value, &mut params);
        }
        Cgi(Arc::new(Inner {
            id: req.id(),
            path: req.path().to_owned(),
            mount: req.mount().to_owned(),
            url: req.url(),
            scheme: req.scheme(),
            host: req.host().map(str::to_owned),
            port: req.port(),
            remote_addr: req.remote_addr().map(str::to_owned),
            remote_user: req.remote_user().map(str::to_owned),
            params,
        }))
    }

    /// What the log calls this request: [`Request::id`](crate::Request::id).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// log::info!("{}: the table was made anew", cgi.id());
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// The path below the mount, decoded: [`Request::path`](crate::Request::path). A router that matches on it gives decoded
    /// values.
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").behind(Behind::NginxMount("/app")).call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.path(), "/news"); // of /app/news
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What the application is reached under: [`Request::mount`](crate::Request::mount).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").behind(Behind::NginxMount("/app")).call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.mount(), "/app"); // of /app/news
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn mount(&self) -> &str {
        &self.0.mount
    }

    /// The address of a page of this application, for a link or a Location: [`Request::url_for`](crate::Request::url_for).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").behind(Behind::NginxMount("/app")).call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.url_for("/login"), "/app/login"); // below /app
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn url_for(&self, path: &str) -> String {
        below(self.mount(), path)
    }

    /// The whole URL that was asked for: [`Request::url`](crate::Request::url).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news?x=1").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.url(), "http://localhost/news?x=1");
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// `https` or `http`: [`Request::scheme`](crate::Request::scheme).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.scheme(), "http");
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn scheme(&self) -> &'static str {
        self.0.scheme
    }

    /// The host of the URL: [`Request::host`](crate::Request::host).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.host(), Some("localhost"));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// The port of the URL: [`Request::port`](crate::Request::port).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.port(), 80);
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The visitor's address: [`Request::remote_addr`](crate::Request::remote_addr).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.remote_addr(), Some("127.0.0.1"));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn remote_addr(&self) -> Option<&str> {
        self.0.remote_addr.as_deref()
    }

    /// Who the web server says that the visitor is: [`Request::remote_user`](crate::Request::remote_user).
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").param("REMOTE_USER", "ada").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.remote_user(), Some("ada"));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn remote_user(&self) -> Option<&str> {
        self.0.remote_user.as_deref()
    }

    /// A CGI parameter by its name, `SERVER_NAME`; of a repeated one the last. Headers are better asked of the request, which
    /// joins repeated ones.
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.param("SERVER_PROTOCOL"), Some("HTTP/1.1"));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn param(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.param_bytes(name)?).ok()
    }

    /// As [`param`](Cgi::param), byte for byte.
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert_eq!(cgi.param_bytes("SERVER_PROTOCOL"), Some(&b"HTTP/1.1"[..]));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn param_bytes(&self, name: &str) -> Option<&[u8]> {
        let found = self.params().filter(|(other, _)| *other == name.as_bytes());
        found.last().map(|(_, value)| value)
    }

    /// All parameters as received: in order, repeated ones repeated.
    ///
    /// ```
    /// # use fcgi::http::{Cgi, responder};
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").call(responder(|req| {
    /// let cgi: &Cgi = req.extensions().get().expect("every request has it");
    /// assert!(cgi.params().any(|(name, _)| name == b"SERVER_NAME"));
    /// # Ok(http::Response::new("")) }));
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn params(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Pairs::new(&self.0.params)
    }
}
