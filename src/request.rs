//! The request as the handler sees it: a view of the worker's buffer.

use crate::body::{Body, connected};
use crate::cgi::{Known, below, encode_path, encoded, raw_path, request_target};
use crate::error::{Error, Result};
use crate::exchange::Shared;
#[cfg(feature = "multipart")]
use crate::form::Multipart;
use crate::form::{Form, FormLimits, cookie_pairs, query_pairs};
use crate::front::Frozen;
use crate::protocol::Role;
use crate::request_id::RequestId;
use crate::setup::Setup;
use crate::visitor::Visitor;
use std::borrow::Cow;
use std::io::{self, Write};

/// A request.
///
/// What it lends (`&'buf str`, `&'buf [u8]`) lies in the worker's buffer and stays readable while the body is read and
/// the answer written, until the handler returns. A value that is not UTF-8 is `None` as text and exact as bytes.
pub struct Request<'buf> {
    role: Role,
    front: &'buf Frozen<'buf>,
    setup: &'buf Setup,
    body: Body<'buf>,
    data: Body<'buf>,
    shared: &'buf Shared<'buf>,
}

impl<'buf> Request<'buf> {
    pub(crate) fn new(
        role: Role,
        front: &'buf Frozen<'buf>,
        shared: &'buf Shared<'buf>,
        setup: &'buf Setup,
    ) -> Request<'buf> {
        Request {
            role,
            front,
            setup,
            body: Body::new(shared),
            data: Body::of_data(shared),
            shared,
        }
    }

    /// What the web server asks the application to be.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the log and the access log call this request: `4711-12`, the 12th of process 4711.
    pub fn id(&self) -> RequestId {
        self.front.ticket.id
    }

    /// The request's method, as sent: `GET`, `POST`, …; `GET` if the web server does not say.
    pub fn method(&self) -> &'buf str {
        text(self.front.params.known(Known::RequestMethod)).unwrap_or("GET")
    }

    /// The path below [`mount`](Request::mount), decoded; it begins with a slash, but for the `*` of `OPTIONS *`.
    ///
    /// The same behind every web server: found from SCRIPT_NAME, PATH_INFO and REQUEST_URI, which no two of them fill in
    /// alike. What they leave to a program is as they left it: Apache, nginx and lighttpd merge slashes and remove dot
    /// segments, h2o removes dot segments, HAProxy and Caddy do neither; `%2F` is a slash behind all of them but Apache,
    /// which refuses it. Bytes that are not UTF-8 are replaced by `U+FFFD`; [`path_bytes`](Request::path_bytes) has them.
    ///
    /// There is no router to learn: match on method and path.
    ///
    /// ```
    /// # use fcgi::{Error, Request, Response};
    /// fn app(req: &mut Request, res: Response) -> fcgi::Result {
    ///     match (req.method(), req.path()) {
    ///         ("GET" | "HEAD", "/") => res.send("the front page"),
    ///         ("POST", "/news") => post(req, res),
    ///         ("GET" | "HEAD", path) if path.starts_with("/news/") => res.send(&path["/news/".len()..]),
    ///         (_, "/" | "/news") => Err(Error::new(405, format!("{} is not for {}", req.method(), req.path()))),
    ///         _ => Err(Error::new(404, "there is no such page")),
    ///     }
    /// }
    /// # fn post(_: &mut Request, res: Response) -> fcgi::Result { res.send("") }
    /// ```
    pub fn path(&self) -> &'buf str {
        self.front.path
    }

    /// The path below the mount, decoded, byte for byte.
    pub fn path_bytes(&self) -> &'buf [u8] {
        self.front.place.path
    }

    /// The path below the mount as the visitor sent it, not decoded: `/a%2Fb`.
    ///
    /// For an application to which an escaped slash is no slash. It is not cleaned either. All of the URL's path if the
    /// mount is not what it begins with; the decoded path if the web server does not send REQUEST_URI. Behind Caddy a
    /// byte beyond ASCII is escaped that was not.
    pub fn raw_path(&self) -> &'buf [u8] {
        match self.front.params.known(Known::RequestUri) {
            Some(uri) => raw_path(uri, self.front.place.mount),
            None => self.front.place.path,
        }
    }

    /// What the application is reached under, decoded and without a slash at its end: `""` at the root of the site.
    ///
    /// [`Server::mount`](crate::Server::mount) sets it where it cannot be found.
    pub fn mount(&self) -> &'buf str {
        text(Some(self.front.place.mount)).unwrap_or("")
    }

    /// The query string, not decoded, without the question mark; empty if there is none.
    pub fn query(&self) -> &'buf str {
        text(self.front.params.known(Known::QueryString)).unwrap_or("")
    }

    /// The query's names and values, decoded, in order: of `?name=John&x`, `("name", "John")` and `("x", "")`.
    pub fn query_pairs(
        &self,
    ) -> impl Iterator<Item = (Cow<'buf, str>, Cow<'buf, str>)> + use<'buf> {
        let query = self.front.params.known(Known::QueryString);
        query_pairs(query.unwrap_or_default())
    }

    /// The first value of that name in the query, decoded.
    ///
    /// ```
    /// # use fcgi::{Request, Response, html_escape};
    /// fn greet(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let name = req.query_value("name").unwrap_or("nobody".into());
    ///     res.content_type("text/html; charset=utf-8").send(format!("<p>Hello, {}!", html_escape(&name)))
    /// }
    /// ```
    pub fn query_value(&self, name: &str) -> Option<Cow<'buf, str>> {
        self.query_pairs()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// A CGI parameter by its name: `SERVER_NAME`, `HTTP_ACCEPT`, …
    ///
    /// Of a repeated name the last value counts, as nginx means it; the values of a repeated header are joined, by `; `
    /// for cookies and by `, ` for all others.
    pub fn param(&self, name: &str) -> Option<&'buf str> {
        text(self.param_bytes(name))
    }

    /// As [`param`](Request::param), byte for byte.
    pub fn param_bytes(&self, name: &str) -> Option<&'buf [u8]> {
        self.front.params.get(name.as_bytes())
    }

    /// All parameters as received: in order, repeated ones repeated.
    pub fn params(&self) -> impl Iterator<Item = (&'buf [u8], &'buf [u8])> + use<'buf> {
        self.front.params.pairs()
    }

    /// A request header by its name in HTTP, in any case: `Accept-Language`.
    ///
    /// `-`, `_` and, behind most web servers, other characters of the name cannot be told apart in CGI. Authorization is
    /// not passed on by Apache unless `CGIPassAuth On`.
    pub fn header(&self, name: &str) -> Option<&'buf str> {
        text(self.front.params.header(name))
    }

    /// The length that the web server gives for the body: `None` if it gives none that is a number.
    ///
    /// A hint: read to the body's end to know. It is 0 or absent for a GET, and absent or -1 for a chunked upload behind
    /// some web servers.
    pub fn content_length(&self) -> Option<u64> {
        text(self.front.params.known(Known::ContentLength))?
            .parse()
            .ok()
    }

    /// The body's type, as sent; `None` if there is none.
    pub fn content_type(&self) -> Option<&'buf str> {
        text(self.front.params.known(Known::ContentType)).filter(|value| !value.is_empty())
    }

    /// The visitor's address.
    ///
    /// The one that the web server was asked from, unless that is a [trusted proxy](crate::Server::trusted_proxy): then
    /// the last one of `X-Forwarded-For` that is none. The web server's own word is `param("REMOTE_ADDR")`.
    pub fn remote_addr(&self) -> Option<&'buf str> {
        self.visitor().remote_addr()
    }

    /// Who the web server says that the visitor is: REMOTE_USER.
    ///
    /// The web server's word, and worth what its configuration is: Apache sets it only after it has asked for the
    /// password, but nginx and HAProxy copy it, unverified, out of any `Authorization: Basic` that a visitor sends. After
    /// a rewrite Apache calls it REDIRECT_REMOTE_USER, which is read too.
    pub fn remote_user(&self) -> Option<&'buf str> {
        self.either(&["REMOTE_USER", "REDIRECT_REMOTE_USER"])
    }

    /// The Authorization header.
    ///
    /// Apache and HAProxy do not pass it on unless they are told to: `CGIPassAuth On` for Apache 2.4.13 and later. The
    /// rewrite rule of older guides, `[E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]`, arrives as
    /// REDIRECT_HTTP_AUTHORIZATION, or with two REDIRECT_ after two rewrites; both are read too.
    pub fn authorization(&self) -> Option<&'buf str> {
        self.either(&[
            "HTTP_AUTHORIZATION",
            "REDIRECT_HTTP_AUTHORIZATION",
            "REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
        ])
    }

    /// The scheme of the URL, `https` or `http`: by HTTPS (`on` or `1`), else by REQUEST_SCHEME; by `X-Forwarded-Proto`
    /// behind a [trusted proxy](crate::Server::trusted_proxy).
    pub fn scheme(&self) -> &'static str {
        self.visitor().scheme()
    }

    /// The host of the URL, without its port: `example.org`, `[::1]`.
    ///
    /// From the Host header, which a visitor can make up: a link in a mail should not be built of it unless the web
    /// server serves named hosts only. One that is not legal counts as none; then SERVER_NAME is taken. Behind a
    /// [trusted proxy](crate::Server::trusted_proxy) `X-Forwarded-Host` comes first.
    pub fn host(&self) -> Option<&'buf str> {
        self.visitor().host()
    }

    /// The port of the URL: of the same header as the [host](Request::host), or the scheme's own, 80 or 443.
    pub fn port(&self) -> u16 {
        self.visitor().port()
    }

    /// The whole URL that was asked for, query included: `https://example.org/app/news?x=1`.
    pub fn url(&self) -> String {
        let (mut url, place) = (self.visitor().origin(), self.front.place);
        let mut target = String::new();
        match self.front.params.known(Known::RequestUri) {
            Some(b"*") => return url,
            Some(uri) => target = encoded(request_target(uri)),
            None => {
                encode_path(place.mount, &mut target);
                encode_path(place.path, &mut target);
                if !self.query().is_empty() {
                    target.push('?');
                    target += &encoded(self.query().as_bytes());
                }
            }
        }
        // h2o 2.2.5 passes `GET @host/ HTTP/1.1` on, which would make another host's address of it.
        if !target.starts_with('/') {
            url.push('/');
        }
        url + &target
    }

    /// The address of a page of this application: `path` with the mount in front, `/app/login` for `/login`.
    ///
    /// `path` may have a query and a fragment. What a URL cannot hold is escaped; what is escaped already stays. It is
    /// an address on this site whatever `path` is: slashes at its start are made one.
    pub fn url_for(&self, path: &str) -> String {
        below(self.mount(), path)
    }

    /// The cookies, in order: names and values as sent, quotes around a value taken off.
    ///
    /// They may be separated by commas too, as Apache and Caddy join several Cookie headers.
    pub fn cookies(&self) -> impl Iterator<Item = (&'buf str, &'buf str)> + use<'buf> {
        cookie_pairs(self.header("Cookie").unwrap_or(""))
    }

    /// The first cookie of that name, which is the one that was set for the longest path (RFC 6265, section 5.4).
    pub fn cookie(&self, name: &str) -> Option<&'buf str> {
        self.cookies()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// The body, streamed.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn shout(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let mut out = res.content_type("text/plain").stream()?;
    ///     std::io::copy(req.body(), &mut out)?;
    ///     Ok(())
    /// }
    /// ```
    pub fn body(&mut self) -> &mut Body<'buf> {
        self.data.give_back();
        &mut self.body
    }

    /// What a visitor filled in: the query's values, and the body's fields and files, all of it in memory, within the
    /// default [`FormLimits`].
    ///
    /// Without a body it is the query alone, and never an error.
    ///
    /// ```
    /// # use fcgi::{Request, Response, html_escape};
    /// fn greet(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let form = req.form()?;
    ///     let name = form.get("name").unwrap_or("nobody");
    ///     res.content_type("text/html; charset=utf-8").send(format!("<p>Hello, {}!", html_escape(name)))
    /// }
    /// ```
    ///
    /// # Errors
    /// Each is the answer that `?` makes of it: status 413 where the form has more than its limits allow, 400 where it is
    /// malformed or not UTF-8, 415 where the body has another Content-Type than `application/x-www-form-urlencoded` and
    /// `multipart/form-data`. Those of the [`Body`]. 500 if the body was read already, by an earlier call most often.
    pub fn form(&mut self) -> Result<Form> {
        self.form_with(&FormLimits::default())
    }

    /// As [`form`](Request::form), with limits of one's own.
    ///
    /// # Errors
    /// As [`form`](Request::form).
    pub fn form_with(&mut self, limits: &FormLimits) -> Result<Form> {
        let query = self.front.params.known(Known::QueryString);
        let (content_type, content_length) = (self.content_type(), self.content_length());
        let body = self.unread_body()?;
        Form::read(
            query.unwrap_or_default(),
            content_type,
            content_length,
            body,
            limits,
        )
    }

    /// The parts of a multipart/form-data body, of any size, one after the other.
    ///
    /// # Errors
    /// Status 415 if the body is no multipart, and 400 if its Content-Type does not say how its parts are divided.
    /// 500 if the body was read already.
    #[cfg(feature = "multipart")]
    pub fn multipart(&mut self) -> Result<Multipart<'_>> {
        let content_type = self.content_type();
        Multipart::of(content_type, self.unread_body()?)
    }

    /// A filter's second stream, the file that it is to change (section 6.4); empty in every other role. What is left of
    /// the body, which comes before it, is passed over at the first read.
    ///
    /// How long it is and when the file was changed last is said by `param("FCGI_DATA_LENGTH")`, in bytes, and
    /// `param("FCGI_DATA_LAST_MOD")`, in seconds since 1970. No web server of those that were tried asks for a filter.
    pub fn data(&mut self) -> &mut Body<'buf> {
        self.body.give_back();
        &mut self.data
    }

    /// Whether nobody waits for the answer any more, as far as is known: looks at what has come, and waits for nothing to
    /// come.
    ///
    /// For work that takes its time. The web server has given the request up (HAProxy does when the visitor leaves in the
    /// middle of an upload), or has closed the connection: nginx does at once when the visitor leaves, mod_fcgid,
    /// mod_proxy_fcgi, lighttpd and h2o do not tell. By TCP a closed connection is known only once something was
    /// written to it. Reading and writing fail with `ConnectionAborted` then.
    pub fn is_aborted(&mut self) -> bool {
        self.give_back();
        match &mut *self.shared.borrow_mut() {
            Some(exchange) => {
                exchange.wire.look();
                exchange.wire.is_given_up() || exchange.wire.is_cut_short()
            }
            None => false,
        }
    }

    /// Gives back what a `fill_buf` without `consume` still holds.
    pub(crate) fn give_back(&mut self) {
        self.body.give_back();
        self.data.give_back();
    }

    /// The web server's error log, as FastCGI's stderr stream: one record a `write`.
    ///
    /// Log lines go better to fd 2 (`log`, `eprintln!`), which the web server that started the application shows too:
    /// one record here makes HAProxy 2.6 crash. In CGI it is standard error.
    pub fn stderr(&self) -> Stderr<'buf> {
        Stderr {
            shared: self.shared,
        }
    }

    fn unread_body(&mut self) -> Result<&mut Body<'buf>> {
        let body = self.body();
        if body.is_begun() {
            let message =
                "the form cannot be read: the body was read already; keep what the first call gave";
            return Err(Error::new(500, message));
        }
        Ok(body)
    }

    fn visitor(&self) -> Visitor<'_, 'buf> {
        Visitor {
            params: &self.front.params,
            trusted: &self.setup.trusted_proxies,
        }
    }

    /// The first of these parameters that is not empty.
    fn either(&self, names: &[&str]) -> Option<&'buf str> {
        let mut values = names.iter().filter_map(|name| self.param(name));
        values.find(|value| !value.is_empty())
    }
}

/// FastCGI's stderr stream: see [`Request::stderr`].
pub struct Stderr<'buf> {
    shared: &'buf Shared<'buf>,
}

impl Write for Stderr<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        connected(self.shared)?.write_stderr(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}
