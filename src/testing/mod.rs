//! Tests of an application's handler, in the application's own test functions: no web server, no address, no thread to wait
//! for.
//!
//! [`request`] begins a request, [`call`](Ask::call) gives it to a handler on the calling thread, and what comes back is an
//! [`Answer`]. In between is the real thing: the params are encoded, go over a connection inside the process and are read as a
//! web server's would be; errors become pages, and a panic becomes a 500.
//!
//! ```
//! use fcgi::testing::{Behind, request};
//! use fcgi::{Error, Request, Response};
//!
//! fn app(req: &mut Request, res: Response) -> fcgi::Result {
//!     match (req.method(), req.path()) {
//!         ("GET", "/") => res.content_type("text/plain").send("welcome"),
//!         ("POST", "/guests") => {
//!             let name = std::io::read_to_string(req.body())?;
//!             res.status(201).send(format!("{name} was here"))
//!         }
//!         (_, path) => Err(Error::new(404, format!("there is no {path}"))),
//!     }
//! }
//!
//! // In a function with #[test]:
//! let answer = request("GET", "/").call(app);
//! assert_eq!((answer.status(), answer.text()), (200, "welcome"));
//! assert_eq!(answer.header("Content-Type"), Some("text/plain"));
//!
//! let answer = request("POST", "/guests").body("Ada").call(app);
//! assert_eq!((answer.status(), answer.text()), (201, "Ada was here"));
//!
//! // A visitor is not told why; the test is.
//! let answer = request("GET", "/gusets").call(app);
//! assert_eq!((answer.status(), answer.error()), (404, Some("there is no /gusets")));
//!
//! // The same request as nginx passes it on for an application below /app.
//! let answer = request("GET", "/").behind(Behind::NginxMount("/app")).call(app);
//! assert_eq!(answer.text(), "welcome");
//! ```
//!
//! A handler that is called may borrow what the test has, and change it:
//!
//! ```
//! # use fcgi::testing::request;
//! let mut seen = Vec::new();
//! request("GET", "/a").call(|req, res| {
//!     seen.push(req.path().to_owned());
//!     res.send("")
//! });
//! assert_eq!(seen, ["/a"]);
//! ```
//!
//! [`serve`](Ask::serve) asks a whole [`Server`] instead: its settings, its workers, what `responder_with` makes.

mod answer;
mod behind;
mod call;
mod heard;

pub use answer::Answer;
pub use behind::Behind;

use self::behind::{Pair, Sketch};
use self::call::{Once, serve_one};
use self::heard::ask;
use crate::application::ErrorPage;
use crate::cgi::is_token;
use crate::client::Client;
use crate::connection::Failure;
use crate::error::Result;
use crate::form::urlencoded;
use crate::limits::Limits;
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::server::{Handle, Server};
use crate::setup::Setup;
use std::cell::RefCell;
use std::fmt::Display;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How long a [`Server`] may take to answer, and to end after that.
const LIMIT: Duration = Duration::from_secs(10);

/// A request, as a visitor's browser makes it: a method and a target, `/path?query`.
///
/// The target is what the application is asked for. Below a mount ([`Behind`]) the mount is put in front of it, and an empty
/// path stands for the mount without its slash.
///
/// ```
/// use fcgi::testing::request;
///
/// assert_eq!(request("GET", "/a?b=c").call(|req, res| res.send(req.query())).text(), "b=c");
/// ```
///
/// # Panics
/// If the method is not legal in HTTP, or the target does not begin with a slash (and is not `*`) or has a character that
/// has to be written as `%20` and the like: a blank, a control character, `#`.
#[track_caller]
pub fn request<'a>(method: &'a str, target: &'a str) -> Ask<'a> {
    let is_legal = is_token(method.as_bytes());
    assert!(is_legal, "the method {method:?} is not legal in HTTP");
    let is_path = target.is_empty() || target.starts_with(['/', '?']) || target == "*";
    assert!(
        is_path,
        "the target {target:?} has to begin with a slash: /path?query"
    );
    let bad = |c: char| c == '#' || c == ' ' || c.is_control();
    if let Some(bad) = target.chars().find(|&c| bad(c)) {
        panic!(
            "the target {target:?} has {bad:?} in it: write %{:02X}",
            u32::from(bad)
        );
    }
    Ask {
        method,
        target,
        headers: vec![("Host".to_owned(), b"localhost".to_vec())],
        body: None,
        params: Vec::new(),
        behind: None,
        role: Role::Responder,
        limits: Limits::default(),
        setup: Setup::default(),
        error_page: None,
    }
}

/// A request that a test asks: made by [`request`], ended by [`call`](Ask::call) or [`serve`](Ask::serve).
///
/// It has what a handler may look for: the method, the query, a Host (`localhost`), a visitor's address (`127.0.0.1`) and so
/// on, as CGI parameters.
///
/// The [module](self) has an example.
#[must_use = "nothing is asked before `call` or `serve`"]
pub struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    /// What [`param`](Ask::param) sets; `None` for what [`without`](Ask::without) takes away.
    params: Vec<(String, Option<Vec<u8>>)>,
    behind: Option<Behind<'a>>,
    role: Role,
    limits: Limits,
    setup: Setup,
    /// Of [`settings`](Ask::settings): a call has no other.
    error_page: Option<ErrorPage>,
}

impl<'a> Ask<'a> {
    /// Adds a request header. A name may come several times; `Host` replaces the one that is there.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let ask = request("GET", "/").header("Cookie", "a=1").header("Host", "example.org");
    /// assert_eq!(ask.call(|req, res| res.send(req.host().unwrap_or("-"))).text(), "example.org");
    /// ```
    ///
    /// # Panics
    /// If the name or the value is not legal in HTTP, and for Content-Length, which [`body`](Ask::body) sets.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Ask<'a> {
        let is_legal = is_token(name.as_bytes());
        assert!(is_legal, "the header name {name:?} is not legal in HTTP");
        assert!(
            !name.eq_ignore_ascii_case("content-length"),
            "body() sets Content-Length; a wrong one is param(\"CONTENT_LENGTH\", …)"
        );
        let value = value.as_ref();
        let is_control = |&byte: &u8| byte < b' ' && byte != b'\t' || byte == 0x7f;
        assert!(
            !value.iter().any(is_control),
            "the value of the header {name} has a control character: {:?}",
            String::from_utf8_lossy(value)
        );
        match name.eq_ignore_ascii_case("host") {
            true => self.headers[0].1 = value.to_vec(),
            false => self.headers.push((name.to_owned(), value.to_vec())),
        }
        self
    }

    /// Sets the request's body, and its length.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let ask = request("POST", "/").header("Content-Type", "application/json").body("[1, 2]");
    /// assert_eq!(ask.call(|req, res| res.send(std::io::read_to_string(req.body())?)).text(), "[1, 2]");
    /// ```
    ///
    /// # Panics
    /// If there is one already.
    #[track_caller]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Ask<'a> {
        assert!(self.body.is_none(), "a request has one body");
        let body = body.into();
        let length = body.len().to_string().into_bytes();
        self.headers.push(("Content-Length".to_owned(), length));
        self.body = Some(body);
        self
    }

    /// Sets the body, and its type, as a page's form does that has no `enctype`: names and values, urlencoded.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("POST", "/").form(&[("a", "1 & 2")]).call(|req, res| {
    ///     let body = std::io::read_to_string(req.body())?;
    ///     res.send(body)
    /// });
    /// assert_eq!(answer.text(), "a=1+%26+2");
    /// ```
    ///
    /// # Panics
    /// If there is a body already.
    #[track_caller]
    pub fn form(self, fields: &[(&str, &str)]) -> Ask<'a> {
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(urlencoded(fields))
    }

    /// Adds a field to a multipart/form-data body, as a form sends it that has `enctype="multipart/form-data"`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("POST", "/").field("a", "1").file("f", "x.txt", "hello").call(|req, res| {
    ///     let form = req.form()?;
    ///     res.send(format!("{:?} {}", form.get("a"), form.file("f").unwrap().file_name()))
    /// });
    /// assert_eq!(answer.text(), "Some(\"1\") x.txt");
    /// ```
    ///
    /// # Panics
    /// If there is a body of another kind.
    #[track_caller]
    pub fn field(self, name: &str, value: &str) -> Ask<'a> {
        self.part(name, None, None, value.as_bytes())
    }

    /// Adds a file to a multipart/form-data body. Its name can be any that a visitor may have, `../../.htaccess` as well.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("POST", "/").file("f", "../../.htaccess", "hello").call(|req, res| {
    ///     let form = req.form()?;
    ///     res.send(form.file("f").unwrap().bytes())
    /// });
    /// assert_eq!(answer.text(), "hello");
    /// ```
    ///
    /// # Panics
    /// If there is a body of another kind.
    #[track_caller]
    pub fn file(self, name: &str, file_name: &str, content: impl AsRef<[u8]>) -> Ask<'a> {
        let content_type = Some("application/octet-stream");
        self.part(name, Some(file_name), content_type, content.as_ref())
    }

    /// Adds whatever may stand in a multipart/form-data body.
    #[track_caller]
    pub(crate) fn part(
        mut self,
        name: &str,
        file_name: Option<&str>,
        content_type: Option<&str>,
        content: &[u8],
    ) -> Ask<'a> {
        let mut names = format!("name=\"{}\"", part_name(name));
        if let Some(file_name) = file_name {
            names += &format!("; filename=\"{}\"", part_name(file_name));
        }
        if let Some(content_type) = content_type {
            names += &format!("\r\nContent-Type: {content_type}");
        }
        let mut body = match self.body.take() {
            None => {
                let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
                self = self.header("Content-Type", content_type);
                Vec::new()
            }
            Some(body) => {
                self.headers.retain(|(name, _)| name != "Content-Length");
                let parts = body.strip_suffix(LAST_BOUNDARY.as_bytes());
                parts.expect("a request has one body").to_vec()
            }
        };
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(LAST_BOUNDARY.as_bytes());
        self.body(body)
    }

    /// Sets a CGI parameter, whatever else it would be: `REMOTE_USER`, `HTTPS`, or `CONTENT_LENGTH` for one that is wrong.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let ask = request("GET", "/").param("HTTPS", "on").param("REMOTE_USER", "ada");
    /// assert_eq!(ask.call(|req, res| res.send(format!("{} {:?}", req.scheme(), req.remote_user()))).text(), "https Some(\"ada\")");
    /// ```
    ///
    /// # Panics
    /// If the name is empty.
    #[track_caller]
    pub fn param(mut self, name: &str, value: impl AsRef<[u8]>) -> Ask<'a> {
        assert!(!name.is_empty(), "a CGI parameter has a name");
        let value = value.as_ref().to_vec();
        self.params.push((name.to_owned(), Some(value)));
        self
    }

    /// Takes a CGI parameter away: some web servers do not send `CONTENT_LENGTH` for a chunked upload.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let ask = request("POST", "/").body("abc").without("CONTENT_LENGTH");
    /// assert_eq!(ask.call(|req, res| res.send(std::io::read_to_string(req.body())?)).text(), "abc");
    /// ```
    pub fn without(mut self, name: &str) -> Ask<'a> {
        self.params.push((name.to_owned(), None));
        self
    }

    /// Asks as a web server does: with the parameters that it was seen to send. Without it they are those of CGI, with the
    /// application at the root of its site.
    ///
    /// ```
    /// # use fcgi::testing::{Behind, request};
    /// let ask = request("GET", "/news").behind(Behind::CaddyPhp);
    /// assert_eq!(ask.call(|req, res| res.send(req.path())).text(), "/news");
    /// ```
    ///
    /// # Panics
    /// If the preset's mount is not written as `/app`.
    #[track_caller]
    pub fn behind(mut self, behind: Behind<'a>) -> Ask<'a> {
        behind.expect_mount();
        self.behind = Some(behind);
        self
    }

    /// Asks a server's [`authorizer`](Server::authorizer) whether the request may go on, in place of its responder. What it
    /// grants has status 200, and its variables in headers: `Variable-AUTH_USER`. Only for [`serve`](Ask::serve).
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|req, access| match req.cookie("token") {
    ///     Some("4f2a") => access.grant().variable("MEMBER", "ada").send(),
    ///     _ => access.deny(403).send("members only"),
    /// });
    /// assert_eq!(request("GET", "/x").as_authorizer().serve(&server).status(), 403);
    /// let granted = request("GET", "/x").header("Cookie", "token=4f2a").as_authorizer().serve(&server);
    /// assert_eq!((granted.status(), granted.header("Variable-MEMBER")), (200, Some("ada")));
    /// ```
    pub fn as_authorizer(mut self) -> Ask<'a> {
        self.role = Role::Authorizer;
        self
    }

    /// Calls the handler with the settings of `server`, [`Server::mount`], [`Server::error_page`] and the like, in place of
    /// the defaults.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let ask = request("GET", "/app/news").settings(&Server::new().mount("/app"));
    /// assert_eq!(ask.call(|req, res| res.send(req.path())).text(), "/news");
    /// ```
    pub fn settings(mut self, server: &Server) -> Ask<'a> {
        self.limits = server.limits.clone();
        self.setup = server.setup.clone();
        self.error_page = server.handlers.error_page.clone();
        self
    }

    /// Calls `handler` with the request, on this thread, and gives its answer.
    ///
    /// A body and an answer of any size will do. A panic in the handler is a 500, as it would be in a server; the text that
    /// Rust writes of it is among the test's output.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|_, res| res.status(201).send("made"));
    /// assert_eq!((answer.status(), answer.text()), (201, "made"));
    /// ```
    ///
    /// # Panics
    /// If nobody could be asked this: a target without a slash, a request that the web server of [`behind`](Ask::behind)
    /// answers itself, parameters of more than a MiB, an authorizer.
    #[track_caller]
    pub fn call<F>(self, handler: F) -> Answer
    where
        F: FnOnce(&mut Request<'_>, Response<'_>) -> Result,
    {
        assert!(
            self.role == Role::Responder,
            "a handler that is called is a responder; use `serve` to ask an authorizer"
        );
        let params = self.all_params();
        let body = self.body.unwrap_or_default();
        let (ours, theirs) = UnixStream::pair().unwrap_or_else(|error| cannot("connect", error));
        let why = RefCell::new(None);
        let once = Once {
            handler: Some(handler),
            error_page: self.error_page.as_ref(),
            why: &why,
        };
        let heard = thread::scope(|scope| {
            // The body goes out, and the answer comes in, while the handler runs here.
            let asking = thread::Builder::new().spawn_scoped(scope, || {
                ask(
                    Client::from(ours),
                    Role::Responder,
                    &params,
                    &body,
                    Duration::MAX,
                )
            });
            let asking = asking.unwrap_or_else(|error| cannot("start a thread", error));
            serve_one(theirs.into(), Box::new(once), &self.limits, &self.setup);
            asking.join().expect("BUG: asking does not panic")
        });
        match heard {
            Ok(heard) => Answer::new(heard, why.into_inner()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts a copy of `server`, asks it, stops it, and gives the answer.
    ///
    /// It runs as [`Server::start`] does, in threads of its own and with its own settings, but listens nowhere. It has ended
    /// when this returns; so has a handler that went on after [`Response::finish`]. What
    /// [`responder_with`](Server::responder_with) makes is made anew each time.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().workers(1).responder(|_, res| res.send("Hello"));
    /// assert_eq!(request("GET", "/").serve(&server).text(), "Hello");
    /// ```
    ///
    /// # Panics
    /// As [`call`](Ask::call); and if the answer, or the end of the handler after it, takes more than 10 s.
    #[track_caller]
    pub fn serve(self, server: &Server) -> Answer {
        self.serve_within(server, LIMIT)
    }

    #[track_caller]
    fn serve_within(self, server: &Server, limit: Duration) -> Answer {
        let (params, role) = (self.all_params(), self.role);
        let body = self.body.unwrap_or_default();
        let why = Arc::new(Mutex::new(None));
        let told = Arc::clone(&why);
        let mut server = server.clone();
        server.handlers.start_ups = Arc::default();
        server.handlers.failed = Some(Arc::new(move |failure: &Failure| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.get_or_insert_with(|| failure.to_string());
        }));
        let handle = server.start_on(Vec::new());
        let handle = handle.unwrap_or_else(|error| cannot("start the server", error));
        let heard = handle
            .connect()
            .and_then(|stream| ask(Client::from(stream), role, &params, &body, limit));
        handle.stop();
        let heard = heard.unwrap_or_else(|error| panic!("{error}"));
        expect_end(handle, limit);
        let why = why.lock().unwrap_or_else(PoisonError::into_inner).take();
        Answer::new(heard, why)
    }

    /// The CGI parameters and the body, for the command `get`, which asks by a connection of its own. It has no preset of
    /// [`behind`](Ask::behind).
    #[cfg(feature = "toolbox")]
    pub(crate) fn into_parts(self) -> (Vec<Pair>, Vec<u8>) {
        let params = behind::plain(&self.sketch());
        (self.with_own(params), self.body.unwrap_or_default())
    }

    /// The CGI parameters, as the web server of [`behind`](Ask::behind) sends them, and those that the test has set.
    #[track_caller]
    fn all_params(&self) -> Vec<Pair> {
        self.with_own(behind::params(self.behind, &self.sketch()))
    }

    fn sketch(&self) -> Sketch<'_> {
        Sketch {
            method: self.method,
            target: self.target,
            headers: &self.headers,
        }
    }

    /// Sets what [`param`](Ask::param) was given and takes away what [`without`](Ask::without) was.
    fn with_own(&self, mut params: Vec<Pair>) -> Vec<Pair> {
        for (name, value) in &self.params {
            params.retain(|(other, _)| *other != name.as_bytes());
            if let Some(value) = value {
                params.push((name.clone().into_bytes(), value.clone()));
            }
        }
        params
    }
}

const BOUNDARY: &str = "----fcgi-testing-5d1f3c72a09be846";
const LAST_BOUNDARY: &str = "------fcgi-testing-5d1f3c72a09be846--\r\n";

/// The name of a field or a file, escaped as browsers do (the WHATWG's multipart/form-data encoding algorithm).
fn part_name(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Waits for the server's end: all of a handler's work, also what it does after its answer.
#[track_caller]
fn expect_end(handle: Handle, limit: Duration) {
    let (done, ended) = mpsc::channel();
    let join = move || {
        handle.join();
        let _ = done.send(());
    };
    if let Err(error) = thread::Builder::new().spawn(join) {
        cannot("start a thread", error);
    }
    assert!(
        ended.recv_timeout(limit).is_ok(),
        "the handler still runs {limit:?} after its answer"
    );
}

#[track_caller]
fn cannot(what: &str, error: impl Display) -> ! {
    panic!("cannot {what} for a test: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The handler is let go afterwards, so that nothing of it stays.
    #[test]
    fn a_server_that_does_not_come_to_an_end_fails_the_test_after_a_time() {
        let (go, gone) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let gone = Mutex::new(gone);
        let server = Server::new().workers(1).responder(move |req, res| {
            if req.path() == "/finish" {
                res.finish("answered")?;
            }
            let _ = gone.lock().unwrap().recv();
            tell.send(()).unwrap();
            Ok(())
        });
        for (path, words) in [
            ("/", "the application sent nothing for 2s"),
            ("/finish", "the handler still runs 2s after its answer"),
        ] {
            let serve = || request("GET", path).serve_within(&server, Duration::from_secs(2));
            let panic = catch_unwind(AssertUnwindSafe(serve)).unwrap_err();
            let panic = panic.downcast::<String>().unwrap();
            assert!(panic.contains(words), "{panic}");
        }
        drop(go);
        told.recv().unwrap();
        told.recv().unwrap();
    }

    #[test]
    fn an_answer_without_an_end_fails_the_test_after_a_time() {
        let server = Server::new().responder(|_, res| {
            let mut body = res.stream()?;
            loop {
                body.write_all(b"x")?;
                body.flush()?;
            }
        });
        let serve = || request("GET", "/").serve_within(&server, Duration::from_secs(2));
        let panic = catch_unwind(AssertUnwindSafe(serve)).unwrap_err();
        let panic = panic.downcast::<String>().unwrap();
        assert!(panic.contains("has not ended after 2s"), "{panic}");
    }
}
