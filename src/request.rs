//! The request as the handler sees it: a view of the worker's buffer. Made by `connection`, called by the handler.

use crate::body::{Body, connected};
use crate::cgi::{Known, below, encode_path, encoded, raw_path, request_target};
#[cfg(feature = "http")]
use crate::cgi::{Params, Place};
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
///
/// ```
/// # use fcgi::testing::request;
/// # use fcgi::{Request, Response};
/// fn app(req: &mut Request, res: Response) -> fcgi::Result {
///     let (path, language) = (req.path(), req.header("Accept-Language").unwrap_or("-")); // lent
///     let text = std::io::read_to_string(req.body())?;
///     res.send(format!("{path} {language} {text}"))
/// }
/// # assert_eq!(request("POST", "/a").header("Accept-Language", "de").body("x").call(app).text(), "/a de x");
/// ```
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
    ///
    /// ```
    /// # use fcgi::{Role, testing::request};
    /// # let answer = request("GET", "/").call(|req, res| {
    /// assert_eq!(req.role(), Role::Responder);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the log and the access log call this request: `4711-12`, the 12th of process 4711.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # request("GET", "/").call(|req, res| {
    /// log::info!("{}: the table was made anew", req.id());
    /// # res.send("") });
    /// ```
    pub fn id(&self) -> RequestId {
        self.front.ticket.id
    }

    /// The request's method, as sent: `GET`, `POST`, …; `GET` if the web server does not say.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("DELETE", "/").call(|req, res| {
    /// assert_eq!(req.method(), "DELETE");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
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
        self.front.path()
    }

    /// The path below the mount, decoded, byte for byte.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/caf%E9").call(|req, res| {
    /// assert_eq!((req.path_bytes(), req.path()), (&b"/caf\xE9"[..], "/caf\u{fffd}")); // of /caf%E9
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn path_bytes(&self) -> &'buf [u8] {
        self.front.place.path
    }

    /// The path below the mount as the visitor sent it, not decoded: `/a%2Fb`.
    ///
    /// For an application to which an escaped slash is no slash. It is not cleaned either. All of the URL's path if the
    /// mount is not what it begins with; the decoded path if the web server does not send REQUEST_URI. Behind Caddy a
    /// byte beyond ASCII is escaped that was not.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/a%2Fb?x").call(|req, res| {
    /// assert_eq!((req.raw_path(), req.path()), (&b"/a%2Fb"[..], "/a/b")); // of /a%2Fb?x
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn raw_path(&self) -> &'buf [u8] {
        match self.front.params.known(Known::RequestUri) {
            Some(uri) => raw_path(uri, self.front.place.mount),
            None => self.front.place.path,
        }
    }

    /// What the application is reached under, decoded and without a slash at its end: `""` at the root of the site.
    ///
    /// [`Server::mount`](crate::Server::mount) sets it where it cannot be found.
    ///
    /// ```
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/news").behind(Behind::NginxMount("/app")).call(|req, res| {
    /// assert_eq!((req.mount(), req.path()), ("/app", "/news")); // of /app/news
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn mount(&self) -> &'buf str {
        text(Some(self.front.place.mount)).unwrap_or("")
    }

    /// The query string, not decoded, without the question mark; empty if there is none.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/?a=%26&b").call(|req, res| {
    /// assert_eq!(req.query(), "a=%26&b");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn query(&self) -> &'buf str {
        text(self.front.params.known(Known::QueryString)).unwrap_or("")
    }

    /// The query's names and values, decoded, in order: of `?name=John&x`, `("name", "John")` and `("x", "")`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/?tag=a&page=2&tag=b").call(|req, res| {
    /// let tags: Vec<_> = req.query_pairs().filter(|(name, _)| name == "tag").map(|(_, tag)| tag).collect();
    /// assert_eq!(tags, ["a", "b"]); // of ?tag=a&page=2&tag=b
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
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
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").param("APP_MODE", "test").call(|req, res| {
    /// assert_eq!(req.param("SERVER_PROTOCOL"), Some("HTTP/1.1"));
    /// assert_eq!(req.param("APP_MODE"), Some("test")); // nginx: fastcgi_param APP_MODE test;
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn param(&self, name: &str) -> Option<&'buf str> {
        text(self.param_bytes(name))
    }

    /// As [`param`](Request::param), byte for byte.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").header("X-Name", b"J\xFCrgen").call(|req, res| {
    /// assert_eq!(req.param_bytes("HTTP_X_NAME"), Some(&b"J\xFCrgen"[..])); // no UTF-8: `param` is None
    /// # assert_eq!(req.param("HTTP_X_NAME"), None);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn param_bytes(&self, name: &str) -> Option<&'buf [u8]> {
        self.front.params.get(name.as_bytes())
    }

    /// All parameters as received: in order, repeated ones repeated.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # request("GET", "/").call(|req, res| {
    /// let mut page = String::new();
    /// for (name, value) in req.params() {
    ///     page += &format!("{}={}\n", name.escape_ascii(), value.escape_ascii());
    /// }
    /// # res.send(page) });
    /// ```
    pub fn params(&self) -> impl Iterator<Item = (&'buf [u8], &'buf [u8])> + use<'buf> {
        self.front.params.pairs()
    }

    /// A request header by its name in HTTP, in any case: `Accept-Language`.
    ///
    /// `-`, `_` and, behind most web servers, other characters of the name cannot be told apart in CGI. Authorization is
    /// not passed on by Apache unless `CGIPassAuth On`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").header("Accept-Language", "de").call(|req, res| {
    /// assert_eq!(req.header("accept-language"), Some("de"));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn header(&self, name: &str) -> Option<&'buf str> {
        text(self.front.params.header(name))
    }

    /// The length that the web server gives for the body: `None` if it gives none that is a number.
    ///
    /// A hint: read to the body's end to know. It is 0 or absent for a GET, and absent or -1 for a chunked upload behind
    /// some web servers.
    ///
    /// ```
    /// # use fcgi::{Error, testing::request};
    /// # let answer = request("POST", "/").body("more than ten bytes").call(|req, res| {
    /// if req.content_length().is_some_and(|bytes| bytes > 10) {
    ///     return Err(Error::new(413, "at most ten bytes")); // before anything was read; `max_body` counts in any case
    /// }
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 413, "{answer:?}");
    /// ```
    pub fn content_length(&self) -> Option<u64> {
        self.front.content_length()
    }

    /// The body's type, as sent; `None` if there is none.
    ///
    /// ```
    /// # use fcgi::{Error, testing::request};
    /// # let answer = request("POST", "/").header("Content-Type", "text/plain").body("x").call(|req, res| {
    /// if req.content_type() != Some("application/json") {
    ///     return Err(Error::new(415, "json, please"));
    /// }
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 415, "{answer:?}");
    /// ```
    pub fn content_type(&self) -> Option<&'buf str> {
        text(self.front.params.known(Known::ContentType)).filter(|value| !value.is_empty())
    }

    /// The visitor's address.
    ///
    /// The one that the web server was asked from, unless that is a [trusted proxy](crate::Server::trusted_proxy): then
    /// the last one of `X-Forwarded-For` that is none. The web server's own word is `param("REMOTE_ADDR")`.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().trusted_proxy("127.0.0.1".parse().unwrap());
    /// let ask = request("GET", "/").header("X-Forwarded-For", "192.0.2.7").settings(&server);
    /// let answer = ask.call(|req, res| res.send(req.remote_addr().unwrap_or("-")));
    /// assert_eq!(answer.text(), "192.0.2.7");
    /// ```
    pub fn remote_addr(&self) -> Option<&'buf str> {
        self.visitor().remote_addr()
    }

    /// Who the web server says that the visitor is: REMOTE_USER.
    ///
    /// The web server's word, and worth what its configuration is: Apache sets it only after it has asked for the
    /// password, but nginx and HAProxy copy it, unverified, out of any `Authorization: Basic` that a visitor sends. After
    /// a rewrite Apache calls it REDIRECT_REMOTE_USER, which is read too.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").param("REMOTE_USER", "ada").call(|req, res| {
    ///     res.send(req.remote_user().unwrap_or("nobody"))
    /// });
    /// assert_eq!(answer.text(), "ada");
    /// ```
    pub fn remote_user(&self) -> Option<&'buf str> {
        self.either(&["REMOTE_USER", "REDIRECT_REMOTE_USER"])
    }

    /// The Authorization header.
    ///
    /// Apache and HAProxy do not pass it on unless they are told to: `CGIPassAuth On` for Apache 2.4.13 and later. The
    /// rewrite rule of older guides, `[E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]`, arrives as
    /// REDIRECT_HTTP_AUTHORIZATION, or with two REDIRECT_ after two rewrites; both are read too.
    ///
    /// ```
    /// # use fcgi::{Request, Response, testing::request};
    /// fn guarded(req: &mut Request, res: Response) -> fcgi::Result {
    ///     match req.authorization() {
    ///         Some("Bearer 4f2a") => res.send("the secret"),
    ///         _ => res.status(401).header("WWW-Authenticate", "Bearer").send("who are you?"),
    ///     }
    /// }
    /// # assert_eq!(request("GET", "/").call(guarded).status(), 401);
    /// # assert_eq!(request("GET", "/").header("Authorization", "Bearer 4f2a").call(guarded).status(), 200);
    /// ```
    pub fn authorization(&self) -> Option<&'buf str> {
        self.either(&[
            "HTTP_AUTHORIZATION",
            "REDIRECT_HTTP_AUTHORIZATION",
            "REDIRECT_REDIRECT_HTTP_AUTHORIZATION",
        ])
    }

    /// The scheme of the URL, `https` or `http`: by HTTPS (`on` or `1`), else by REQUEST_SCHEME; by `X-Forwarded-Proto`
    /// behind a [trusted proxy](crate::Server::trusted_proxy).
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let app = |req: &mut fcgi::Request<'_>, res: fcgi::Response<'_>| res.send(req.scheme());
    /// assert_eq!(request("GET", "/").param("HTTPS", "on").call(app).text(), "https");
    /// ```
    pub fn scheme(&self) -> &'static str {
        self.visitor().scheme()
    }

    /// The host of the URL, without its port: `example.org`, `[::1]`.
    ///
    /// From the Host header, which a visitor can make up: a link in a mail should not be built of it unless the web
    /// server serves named hosts only. One that is not legal counts as none; then SERVER_NAME is taken. Behind a
    /// [trusted proxy](crate::Server::trusted_proxy) `X-Forwarded-Host` comes first.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").header("Host", "example.org:8080").call(|req, res| {
    /// assert_eq!((req.host(), req.port()), (Some("example.org"), 8080)); // Host: example.org:8080
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn host(&self) -> Option<&'buf str> {
        self.visitor().host()
    }

    /// The port of the URL: of the same header as the [host](Request::host), or the scheme's own, 80 or 443.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").header("Host", "example.org").call(|req, res| {
    /// assert_eq!(req.port(), 80); // Host: example.org
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn port(&self) -> u16 {
        self.visitor().port()
    }

    /// The whole URL that was asked for, query included: `https://example.org/app/news?x=1`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/news?x=1").header("Host", "example.org").call(|req, res| {
    /// assert_eq!(req.url(), "http://example.org/news?x=1");
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
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
    ///
    /// ```
    /// # use fcgi::testing::{Behind, request};
    /// # let answer = request("GET", "/").behind(Behind::NginxMount("/app")).call(|req, res| {
    /// assert_eq!(req.url_for("/a b?page=2"), "/app/a%20b?page=2"); // below /app
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn url_for(&self, path: &str) -> String {
        below(self.mount(), path)
    }

    /// What was given for a flag of the application's own, or else its default: [`Server::flag`](crate::Server::flag).
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().flag("title", "TEXT", "of the page", "Guests");
    /// let answer = request("GET", "/").settings(&server).call(|req, res| res.send(req.flag("title")));
    /// assert_eq!(answer.text(), "Guests");
    /// ```
    ///
    /// # Panics
    /// If the application has no flag of this name.
    #[track_caller]
    pub fn flag(&self, name: &str) -> &'buf str {
        match self.setup.flag(name) {
            Some(text) => text,
            None => panic!("there is no flag {name:?}: Server::flag adds it"),
        }
    }

    /// The cookies, in order: names and values as sent, quotes around a value taken off.
    ///
    /// They may be separated by commas too, as Apache and Caddy join several Cookie headers.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").header("Cookie", "a=1; b=\"2\"").call(|req, res| {
    /// assert!(req.cookies().eq([("a", "1"), ("b", "2")])); // Cookie: a=1; b="2"
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn cookies(&self) -> impl Iterator<Item = (&'buf str, &'buf str)> + use<'buf> {
        cookie_pairs(self.header("Cookie").unwrap_or(""))
    }

    /// The first cookie of that name, which is the one that was set for the longest path (RFC 6265, section 5.4).
    ///
    /// A visitor can send anything as a cookie. One that is to be believed is signed, as by the crate `cookie`; the example
    /// `cookies` keeps a login so:
    ///
    /// ```
    /// use cookie::{CookieJar, Key};
    /// # use fcgi::{Cookie, Request, Response};
    ///
    /// fn remember(key: &Key, user: &str, res: Response) -> fcgi::Result {
    ///     let mut jar = CookieJar::new();
    ///     jar.signed_mut(key).add(("user", user.to_owned()));
    ///     let signed = jar.get("user").map_or("", |cookie| cookie.value());
    ///     res.set_cookie(Cookie::new("user", signed)).redirect("/")
    /// }
    ///
    /// /// `None` also for a cookie that was tampered with.
    /// fn user(key: &Key, req: &Request) -> Option<String> {
    ///     let cookie = cookie::Cookie::new("user", req.cookie("user")?.to_owned());
    ///     let cookie = CookieJar::new().signed(key).verify(cookie)?;
    ///     Some(cookie.value().to_owned())
    /// }
    /// # let key = Key::generate();
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").call(|_, res| remember(&key, "ada", res));
    /// # let cookie = answer.header("Set-Cookie").unwrap().split(';').next().unwrap();
    /// # let known = |cookie: &str| {
    /// #     let ask = request("GET", "/").header("Cookie", cookie);
    /// #     ask.call(|req, res| res.send(user(&key, req).unwrap_or_default())).text().to_owned()
    /// # };
    /// # assert_eq!((&*known(cookie), &*known("user=ada")), ("ada", ""));
    /// ```
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
    /// ```
    /// # use fcgi::{FormLimits, testing::request};
    /// # let answer = request("POST", "/").form(&[("a", "1"), ("b", "2")]).call(|req, res| {
    /// let form = req.form_with(&FormLimits::default().max_fields(1).max_files(0))?; // two fields: a 413
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 413, "{answer:?}");
    /// ```
    ///
    /// # Errors
    /// As [`form`](Request::form).
    pub fn form_with(&mut self, limits: &FormLimits) -> Result<Form> {
        let query = self.front.params.known(Known::QueryString);
        let (content_type, content_length) = (self.content_type(), self.content_length());
        let body = unread(self.body())?;
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
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").field("title", "x").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// while let Some(mut part) = parts.next_part()? {
    ///     let bytes = std::io::copy(&mut part, &mut std::io::sink())?;
    ///     println!("{}: {bytes} bytes", part.name());
    /// }
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    ///
    /// # Errors
    /// Status 415 if the body is no multipart, and 400 if its Content-Type does not say how its parts are divided.
    /// 500 if the body was read already.
    #[cfg(feature = "multipart")]
    pub fn multipart(&mut self) -> Result<Multipart<'_>> {
        let content_type = self.content_type();
        Multipart::of(content_type, unread(self.body())?)
    }

    /// A filter's second stream, the file that it is to change (section 6.4); empty in every other role. What is left of
    /// the body, which comes before it, is passed over at the first read.
    ///
    /// How long it is and when the file was changed last is said by `param("FCGI_DATA_LENGTH")`, in bytes, and
    /// `param("FCGI_DATA_LAST_MOD")`, in seconds since 1970. No web server of those that were tried asks for a filter.
    ///
    /// [`Server::filter`](crate::Server::filter) has an example.
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
    ///
    /// ```
    /// # use fcgi::{Error, Request, Response, testing::request};
    /// fn report(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let mut sum = 0;
    ///     for row in 0..1000 {
    ///         if row % 100 == 0 && req.is_aborted() {
    ///             return Err(Error::new(503, "nobody waits for it any more"));
    ///         }
    ///         sum += row; // which takes its time
    ///     }
    ///     res.send(sum.to_string())
    /// }
    /// # assert_eq!(request("GET", "/").call(report).text(), "499500");
    /// ```
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
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// use std::io::Write;
    ///
    /// let answer = request("GET", "/").call(|req, res| {
    ///     writeln!(req.stderr(), "the disk is nearly full")?;
    ///     res.send("")
    /// });
    /// assert_eq!(answer.stderr(), b"the disk is nearly full\n");
    /// ```
    pub fn stderr(&self) -> Stderr<'buf> {
        Stderr {
            shared: self.shared,
        }
    }

    /// What an `http::Request` is made of.
    #[cfg(feature = "http")]
    pub(crate) fn params_and_place(&self) -> (&'buf Params<'buf>, Place<'buf>) {
        (&self.front.params, self.front.place)
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
///
/// It has an example.
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

/// The body of a form, of which nothing was read yet.
///
/// # Errors
/// Status 500 if something was: what is left would not be the form.
pub(crate) fn unread<'r, 'buf>(body: &'r mut Body<'buf>) -> Result<&'r mut Body<'buf>> {
    if body.is_begun() {
        let message =
            "the form cannot be read: the body was read already; keep what the first call gave";
        return Err(Error::new(500, message));
    }
    Ok(body)
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}
