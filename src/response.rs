//! The answer, as the handler makes it: a head, then a body, and nothing twice. Made by `connection`, called by the handler.

use crate::access_line;
use crate::body::connected;
use crate::cgi::{Version, below, encoded, entity_tag, is_current, reason};
use crate::date::http_date;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, Home, Shared, hand_back};
use crate::form::Cookie;
use crate::front::Frozen;
use crate::net::sys;
use crate::page::{HTML, redirect_page};
use crate::setup::Setup;
use std::fs::{self, File, Metadata};
#[cfg(feature = "http")]
use std::io::Read;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The answer to one request: set its head, then [`send`](Response::send), [`stream`](Response::stream) or
/// [`finish`](Response::finish) it.
///
/// [`redirect`](Response::redirect), [`send_file`](Response::send_file) and [`not_modified`](Response::not_modified) answer
/// with what their names say. Each of these takes it, so that answering twice, or a header after the body, does not compile. The status is 200
/// unless it is set, and always sent first. A handler that returns without answering is a logged 500.
///
/// Behind a HEAD request, and for status 204 and 304, no body is sent, whatever is written.
///
/// ```
/// # use fcgi::testing::request;
/// let answer = request("GET", "/").call(|_, res| {
///     res.status(201).header("X-Made", "now").content_type("text/plain; charset=utf-8").send("made")
/// });
/// assert_eq!((answer.status(), answer.header("X-Made"), answer.text()), (201, Some("now"), "made"));
/// ```
#[must_use = "a request that is not answered is a 500"]
pub struct Response<'buf> {
    on: &'buf Answering<'buf>,
}

/// What answers a request, behind one reference: a `Response` is handed on by value with each thing that is set.
pub(crate) struct Answering<'buf> {
    pub(crate) front: &'buf Frozen<'buf>,
    pub(crate) shared: &'buf Shared<'buf>,
    pub(crate) home: &'buf dyn Home,
    pub(crate) setup: &'buf Setup,
}

impl<'buf> Response<'buf> {
    pub(crate) fn new(on: &'buf Answering<'buf>) -> Response<'buf> {
        Response { on }
    }

    /// Sets the status: 200 to 599. Another one is refused when the answer is sent.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// assert_eq!(request("GET", "/").call(|_, res| res.status(404).send("not here")).status(), 404);
    /// ```
    pub fn status(self, status: u16) -> Response<'buf> {
        self.change(|exchange| exchange.set_status(status))
    }

    /// Adds a header. A name may come several times, as `Set-Cookie` does.
    ///
    /// The first one that is not legal is remembered and becomes the error of [`send`](Response::send),
    /// [`stream`](Response::stream) or [`finish`](Response::finish): a name that is no token, a value with a control
    /// character (CR LF would split the response), a second and different Content-Length, and what the web server
    /// writes itself: Status, Connection, Transfer-Encoding, Trailer, Upgrade. So are more than 100 fields or 8 KiB, and
    /// a Location with status 200, which web servers take for different things.
    ///
    /// A Content-Length that is set is kept: bytes beyond it are not sent, and an answer shorter than it is cut.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|_, res| res.header("Cache-Control", "no-store").send(""));
    /// assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    /// assert_eq!(request("GET", "/").call(|_, res| res.header("X-A", "1\r\nX-B: 2").send("")).status(), 500);
    /// ```
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Response<'buf> {
        let value = value.as_ref();
        self.change(|exchange| exchange.add_field(name, value))
    }

    /// Sets the Content-Type: `text/html; charset=utf-8`.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|_, res| res.content_type("application/json").send("{}"));
    /// assert_eq!(answer.header("Content-Type"), Some("application/json"));
    /// ```
    pub fn content_type(self, value: &str) -> Response<'buf> {
        self.change(|exchange| exchange.add_content_type(value.as_bytes()))
    }

    /// Sets a cookie: a `Set-Cookie` header of its own.
    ///
    /// Its path is the mount, unless it names another. One that [`Cookie`] says is not allowed is refused as
    /// [`header`](Response::header) refuses.
    ///
    /// ```
    /// # use fcgi::{Cookie, testing::request};
    /// let answer = request("GET", "/").call(|_, res| res.set_cookie(Cookie::new("theme", "dark")).send(""));
    /// assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn set_cookie(self, cookie: Cookie) -> Response<'buf> {
        let field = cookie.field(self.mount());
        self.change(|exchange| match field {
            Ok(field) => exchange.add_field("Set-Cookie", field.as_bytes()),
            Err(why) => {
                exchange.refuse(|| format!("the cookie {:?} is refused: {why}", cookie.name()));
            }
        })
    }

    /// Sets the `ETag`: what this version of the page is known by. `"v2"`, or `W/"v2"` for one that is only much the same;
    /// without quotes it gets them. A blank, quote or control character inside is refused as
    /// [`header`](Response::header) refuses.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|_, res| res.etag("v2").send("the page"));
    /// assert_eq!(answer.header("ETag"), Some("\"v2\""));
    /// ```
    pub fn etag(self, tag: &str) -> Response<'buf> {
        self.change(|exchange| match entity_tag(tag) {
            Some(tag) => exchange.replace_field(b"ETag", tag.as_bytes()),
            None => exchange.refuse(|| {
                format!("the ETag {tag:?} is refused: it has a blank, quote or control character")
            }),
        })
    }

    /// Sets `Last-Modified`, in whole seconds. A time to come counts as now (RFC 9110, section 8.8.2.1).
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let made = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    /// let answer = request("GET", "/").call(|_, res| res.last_modified(made).send("the page"));
    /// assert_eq!(answer.header("Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    /// ```
    pub fn last_modified(self, time: SystemTime) -> Response<'buf> {
        let date = http_date(time.min(SystemTime::now())).to_string();
        self.change(|exchange| exchange.replace_field(b"Last-Modified", date.as_bytes()))
    }

    /// Whether the visitor has this version of the page already: what [`etag`](Response::etag) and
    /// [`last_modified`](Response::last_modified) have set, compared with the request's If-None-Match, or else
    /// If-Modified-Since (RFC 9110, section 13). Only a GET or HEAD can be answered so, and no error page or redirect.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn report(_: &mut Request, res: Response) -> fcgi::Result {
    ///     let res = res.etag(&format!("v{}", version()));
    ///     if res.is_not_modified() {
    ///         return res.not_modified();
    ///     }
    ///     res.send(render()) // only now the work is done
    /// }
    /// # fn version() -> u32 { 1 }
    /// # fn render() -> String { String::new() }
    /// ```
    pub fn is_not_modified(&self) -> bool {
        let is_success = (200..300).contains(&self.current_status());
        if !is_success || !matches!(self.method(), b"GET" | b"HEAD") {
            return false;
        }
        let exchange = self.on.shared.borrow();
        let field = |name: &[u8]| exchange.as_ref()?.field(name);
        let is = Version {
            tag: field(b"ETag"),
            date: field(b"Last-Modified"),
        };
        let has = Version {
            tag: self.on.front.params.header("if-none-match"),
            date: self.on.front.params.header("if-modified-since"),
        };
        is_current(is, has)
    }

    /// Answers 304: the visitor goes on with what it has. The other headers that were set go along, as the page's would,
    /// without the Content-Type.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let app = |_: &mut fcgi::Request<'_>, res: fcgi::Response<'_>| {
    ///     let res = res.etag("v2");
    ///     if res.is_not_modified() { res.not_modified() } else { res.send("the page") }
    /// };
    /// let again = request("GET", "/").header("If-None-Match", "\"v2\"").call(app);
    /// assert_eq!((again.status(), again.text()), (304, ""));
    /// ```
    ///
    /// # Errors
    /// A header that was refused; a connection that is gone.
    pub fn not_modified(self) -> Result {
        let res = self.change(|exchange| {
            exchange.set_status(304);
            exchange.remove_fields(b"Content-Type");
        });
        res.send("")
    }

    /// Sends the visitor elsewhere: 303, or the 3xx status that was set, and its Location. With a page that has the link,
    /// for who does not follow.
    ///
    /// A path is meant below the mount: `redirect("/list")` leads to `/app/list` of an application that is reached under
    /// `/app`. `?page=2` and `#top` are relative to the page that was asked for. What begins with `http://` or `https://` is
    /// taken as it is; give it nothing that a visitor sent, who would choose where your links lead. Anything else stays on
    /// this host: `//elsewhere` is the path `/elsewhere`. What a URL may not hold is percent-encoded, line breaks too.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn save(_: &mut Request, res: Response) -> fcgi::Result {
    ///     res.redirect("/list?saved=1")
    /// }
    ///
    /// fn moved(_: &mut Request, res: Response) -> fcgi::Result {
    ///     res.status(308).redirect("https://example.org/new")
    /// }
    /// ```
    ///
    /// # Errors
    /// A header that was refused, such as a Location of several KiB; a connection that is gone.
    pub fn redirect(self, to: &str) -> Result {
        let to = if is_absolute(to) || to.starts_with(['?', '#']) {
            encoded(to)
        } else {
            below(self.mount(), to)
        };
        let mut page = String::new();
        let res = self.change(|exchange| {
            if !matches!(exchange.status(), 300..=303 | 305..=399) {
                exchange.set_status(303);
            }
            exchange.replace_field(b"Location", to.as_bytes());
            exchange.replace_field(b"Content-Type", HTML.as_bytes());
            page = redirect_page(exchange.status(), reason(exchange.status()), &to);
        });
        res.send(page)
    }

    /// Answers with a file.
    ///
    /// Where the owner has said that the web server sends files ([`Server::sendfile`](crate::Server::sendfile)), it is only
    /// told which. Else the file is streamed, with its Content-Length; a HEAD reads nothing, and there are no ranges. Either
    /// way a visitor who has the file's current version is answered 304, by `ETag` and `Last-Modified`, which are made of its
    /// time and size unless the application sets them. It sets no Content-Type.
    ///
    /// A relative path is one of the process' working folder, which a web server chooses: begin with
    /// [`fcgi::home()`](crate::home). A path that a visitor has a say in has to be checked before (`..`).
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn manual(_: &mut Request, res: Response) -> fcgi::Result {
    ///     res.content_type("application/pdf").send_file(fcgi::home().join("manual.pdf"))
    /// }
    /// ```
    ///
    /// # Errors
    /// 404 if there is no such file, or it is no regular file; 403 if this user may not read it. A header that was refused,
    /// a connection that is gone.
    pub fn send_file(self, path: impl AsRef<Path>) -> Result {
        let path = path.as_ref();
        let (mut file, found) = open(path)?;
        let is_plain = self.current_status() == 200;
        let res = self.known_by(&found);
        if is_plain && res.is_not_modified() {
            return res.not_modified();
        }
        let sendfile = res.on.setup.sendfile.as_ref().filter(|_| is_plain);
        let field = sendfile.and_then(|sendfile| sendfile.field(path));
        let mut exchange = connected(res.on.shared)?;
        if let Some((name, value)) = field {
            exchange.replace_field(name, value.as_bytes());
            exchange.forget_length();
            exchange.begin_body(None)?;
        } else {
            exchange.begin_body(Some(found.len()))?;
            exchange.write_from(&mut file, found.len())?;
        }
        exchange.close_body();
        Ok(())
    }

    /// Answers with a whole body, and its Content-Length. A small answer leaves in one write, when the handler returns; a
    /// large one is sent from `body` uncopied. It sets no Content-Type; without one a browser guesses.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// let answer = request("GET", "/").call(|_, res| res.content_type("text/plain").send("Hello"));
    /// assert_eq!((answer.text(), answer.header("Content-Length")), ("Hello", Some("5")));
    /// ```
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn send(self, body: impl AsRef<[u8]>) -> Result {
        let body = body.as_ref();
        connected(self.on.shared)?.answer(body)
    }

    /// Sends the head now, and gives a writer for the body.
    ///
    /// The header `X-Accel-Buffering: no` asks nginx to pass pieces on as they come, unless the application has set it
    /// itself: `yes` lets nginx gather them, which frees the worker from a slow visitor. Other web servers pass it on. What
    /// nginx does not gather it ends in order when the answer is cut, so that the visitor takes a part for the whole: a
    /// Content-Length, where it is known, tells.
    ///
    /// nginx and Apache hold the head back until a piece of the body follows it.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// # use std::io::Write;
    /// # use std::time::Duration;
    /// /// Server-sent events. An open stream holds a worker: `--workers` says how many visitors may look on at once.
    /// fn countdown(req: &mut Request, res: Response) -> fcgi::Result {
    ///     // Whoever comes again goes on behind the last event that was seen.
    ///     let last = req.header("Last-Event-ID").and_then(|id| id.parse().ok()).unwrap_or(10_u32);
    ///     let mut out = res.content_type("text/event-stream").stream()?;
    ///     for number in (0..last).rev() {
    ///         write!(out, "id: {number}\ndata: {number} to go\n\n")?; // fails once the visitor has left
    ///         out.flush()?;
    ///         std::thread::sleep(Duration::from_secs(1));
    /// #       if number < 8 { break }
    ///     }
    ///     Ok(())
    /// }
    /// # let answer = fcgi::testing::request("GET", "/").header("Last-Event-ID", "2").call(countdown);
    /// # assert_eq!(answer.text(), "id: 1\ndata: 1 to go\n\n");
    /// ```
    ///
    /// The example `stream` is a whole one: with comments that find out who has left, and what each web server needs.
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn stream(self) -> Result<ResponseBody<'buf>> {
        let mut exchange = connected(self.on.shared)?;
        exchange.ask_not_to_buffer();
        exchange.begin_body(None)?;
        exchange.flush()?;
        Ok(ResponseBody {
            shared: self.on.shared,
        })
    }

    /// Answers with a whole body and ends the request: the visitor is answered, and the handler goes on.
    ///
    /// The connection is given back first, so that the web server can go on with it. Parameters stay readable; body and
    /// stderr then say `NotConnected`. An error that the handler returns later is only logged.
    ///
    /// ```
    /// # use fcgi::{Request, Response};
    /// fn order(req: &mut Request, res: Response) -> fcgi::Result {
    ///     res.status(202).finish("thank you")?;
    ///     send_mail(req.query()); // takes its time; nobody waits for it
    ///     Ok(())
    /// }
    /// # fn send_mail(_: &str) {}
    /// ```
    ///
    /// # Errors
    /// A header or status that was refused; a connection that is gone.
    pub fn finish(self, body: impl AsRef<[u8]>) -> Result {
        let (shared, home, front, setup) =
            (self.on.shared, self.on.home, self.on.front, self.on.setup);
        self.send(body)?;
        let mut exchange = connected(shared)?;
        exchange.complete()?;
        front.finished_with.set(exchange.status());
        access_line::tell(front, setup, || exchange.sent());
        drop(exchange);
        hand_back(shared, home);
        Ok(())
    }

    /// Answers with the next `length` bytes of `source`.
    #[cfg(feature = "http")]
    pub(crate) fn send_from(self, source: &mut dyn Read, length: u64) -> Result {
        let mut exchange = connected(self.on.shared)?;
        exchange.begin_body(Some(length))?;
        exchange.write_from(source, length)?;
        exchange.close_body();
        Ok(())
    }

    /// Answers with what `source` gives, as it gives it.
    #[cfg(feature = "http")]
    pub(crate) fn stream_from(self, source: &mut dyn Read) -> Result {
        let mut exchange = connected(self.on.shared)?;
        exchange.ask_not_to_buffer();
        exchange.begin_body(None)?;
        exchange.write_as_it_comes(source)?;
        exchange.close_body();
        Ok(())
    }

    /// Sets a file's validators, as far as the application has not.
    fn known_by(self, file: &Metadata) -> Response<'buf> {
        let has = |name: &[u8]| {
            let exchange = self.on.shared.borrow();
            exchange.as_ref().is_some_and(|e| e.field(name).is_some())
        };
        let (has_tag, has_date) = (has(b"ETag"), has(b"Last-Modified"));
        let mut res = self;
        if !has_tag {
            // With its nanoseconds: within one second a file may have two versions of one length.
            let (seconds, nanos) = (file.mtime(), file.mtime_nsec());
            res = res.etag(&format!("{:x}-{seconds:x}.{nanos:x}", file.len()));
        }
        match file.modified() {
            Ok(time) if !has_date => res.last_modified(time),
            _ => res,
        }
    }

    /// Makes it one that must not grant anything.
    pub(crate) fn denial(self) -> Response<'buf> {
        self.change(|exchange| exchange.is_denial = true)
    }

    fn mount(&self) -> &'buf str {
        std::str::from_utf8(self.on.front.place.mount).unwrap_or("")
    }

    fn method(&self) -> &'buf [u8] {
        self.on.front.method()
    }

    fn current_status(&self) -> u16 {
        let exchange = self.on.shared.borrow();
        exchange.as_ref().map_or(0, |exchange| exchange.status())
    }

    fn change(self, change: impl FnOnce(&mut Exchange<'buf>)) -> Response<'buf> {
        if let Some(exchange) = &mut *self.on.shared.borrow_mut() {
            change(exchange);
        }
        self
    }
}

fn is_absolute(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// A regular file, opened.
fn open(path: &Path) -> Result<(File, Metadata)> {
    let not_there = |why: &str| Error::new(404, format!("cannot send {}: {why}", path.display()));
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => not_there("there is no such file"),
        ErrorKind::PermissionDenied => Error::new(
            403,
            format!("cannot send {}: this user may not read it", path.display()),
        ),
        _ if sys::is_out_of_files(&error) => Error::new(
            503,
            format!(
                "cannot send {}: {error}; allow more (ulimit -n)",
                path.display()
            ),
        ),
        _ => Error::new(500, format!("cannot send {}: {error}", path.display())),
    };
    // Before it is opened: a named pipe would keep us waiting for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(not_there("it is no regular file"));
    }
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    Ok((file, found))
}

/// The body of an answer that is written piece by piece.
///
/// Pieces gather and leave in records; [`flush`](Write::flush) sends what has gathered as one record, now. Whether the
/// visitor sees it now is the web server's choice: nginx passes it on, and so does mod_proxy_fcgi with `flushpackets=on`;
/// mod_fcgid holds up to 64 KiB back, unless the server's own configuration has `FcgidOutputBufferSize 0`, and lighttpd all of
/// it unless `server.stream-response-body` is 1 or 2.
///
/// ```
/// # use fcgi::testing::request;
/// use std::io::Write;
///
/// let answer = request("GET", "/").call(|_, res| {
///     let mut out = res.content_type("text/csv").stream()?;
///     for row in 0..3 {
///         writeln!(out, "{row},{}", row * row)?;
///     }
///     Ok(())
/// });
/// assert_eq!(answer.text(), "0,0\n1,1\n2,4\n");
/// ```
///
/// # Errors
/// Writing fails when the connection is gone, when the web server takes nothing for `write_timeout`, and beyond a declared
/// Content-Length.
pub struct ResponseBody<'buf> {
    shared: &'buf Shared<'buf>,
}

impl Write for ResponseBody<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        connected(self.shared)?.write_piece(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        connected(self.shared)?.flush_piece()
    }
}
