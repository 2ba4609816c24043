//! `Server`: what can be set, each by a method of its own. `serving` has the ways to serve with it, `handle` what is left in the
//! hands of who started one. Called by applications, and by the command line, whose flags and settings file set the same.

mod handle;
mod serving;

use crate::access::Access;
use crate::application::{Call, Handlers, Make};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::limits::{Limits, MIN_PARAMS};
use crate::net::{Address, Owner, Permit, Prefix};
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::sendfile::Sendfile;
use crate::setup::{Own, Setup};
pub use handle::Handle;
pub(crate) use serving::run_out;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a handler is: a function of a request and its response, called by several workers at once.
///
/// An alias of its bound; there is nothing to implement. It lets middleware be written as
/// `fn log(next: impl Handler) -> impl Handler`.
///
/// Whatever safe code does in it, the web server gets a whole answer or a cut one: an error, a panic, no answer at all are
/// error pages. Only what ends the process leaves its requests unanswered ("Premature end of script headers", as Apache
/// says): `std::process::exit`, an abort, a stack or memory that runs out, a destructor that panics while another panic
/// unwinds.
///
/// ```
/// # use fcgi::testing::request;
/// use fcgi::{Handler, Request, Response};
///
/// fn no_store(next: impl Handler) -> impl Handler {
///     move |req: &mut Request, res: Response| next(req, res.header("Cache-Control", "no-store"))
/// }
///
/// let app = no_store(|_: &mut Request<'_>, res: Response<'_>| res.send(""));
/// assert_eq!(request("GET", "/").call(app).header("Cache-Control"), Some("no-store"));
/// ```
pub trait Handler: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static {}

impl<F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static> Handler for F {}

/// The most processes that can be asked for: more than any machine that this program is for has use for.
pub(crate) const MOST_PROCESSES: usize = 256;

/// A FastCGI server, and its own builder.
///
/// ```no_run
/// # fn main() -> fcgi::Result {
/// let server = fcgi::Server::new()
///     .listen("unix:/run/hello.sock".parse()?)
///     .workers(16)
///     .responder(|req, res| res.send(format!("{} {}", req.method(), req.path())))
///     .start()?;
/// // …
/// server.stop(); // finish what is under way, accept nothing new
/// server.join();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    pub(crate) listen: Vec<Address>,
    pub(crate) handlers: Handlers,
    pub(crate) limits: Limits,
    pub(crate) setup: Setup,
    pub(crate) workers: usize,
    pub(crate) stack_size: usize,
    pub(crate) grace: Duration,
    pub(crate) processes: usize,
    pub(crate) max_requests: usize,
    pub(crate) access_log: Option<PathBuf>,
    /// The line to the parent, in a process that a parent has started.
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) permit: Permit,
    pub(crate) allow: Vec<Prefix>,
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Server {
    /// A server with the defaults: 4 workers, and the limits that each method below names.
    ///
    /// ```
    /// # use fcgi::Server;
    /// let server = Server::new().workers(8).max_body(16 << 20).responder(|_, res| res.send("Hello"));
    /// # assert_eq!(fcgi::testing::request("GET", "/").serve(&server).text(), "Hello");
    /// ```
    pub fn new() -> Server {
        Server {
            listen: Vec::new(),
            handlers: Handlers::default(),
            limits: Limits::default(),
            setup: Setup::default(),
            workers: 4,
            stack_size: 256 << 10,
            grace: Duration::from_secs(5),
            processes: 0,
            max_requests: 0,
            access_log: None,
            control: None,
            permit: Permit::default(),
            allow: Vec::new(),
        }
    }

    /// Adds an address to listen on. Without one, [`run`](Server::run) serves the socket that a web server left on
    /// fd 0, which wins over all addresses.
    ///
    /// As a flag, and in the settings file: `--listen unix:/run/app.sock`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().listen("unix:/run/app.sock".parse().unwrap()).listen("127.0.0.1:9000".parse().unwrap());
    /// ```
    pub fn listen(mut self, address: Address) -> Server {
        self.listen.push(address);
        self
    }

    /// The mode of the socket files that it makes, exactly: `0o666` lets everybody on this machine connect. Default: what
    /// the umask leaves the group of `0o660`, and all of it where [`socket_owner`](Server::socket_owner) names a group.
    /// Whoever can connect can say anything about the visitor, so let it be the web server alone: an owner is the better
    /// way.
    ///
    /// As a flag, and in the settings file: `--socket-mode 660`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().socket_mode(0o660);
    /// ```
    pub fn socket_mode(mut self, mode: u32) -> Server {
        self.permit.mode = Some(mode & 0o777);
        self
    }

    /// Whom the socket files that it makes belong to. Default: the program's own user and group. `":www-data"` lets a web
    /// server connect that runs in that group; only root can name another user, or a group that it is not in. It is in
    /// force before anybody can connect.
    ///
    /// As a flag, and in the settings file: `--socket-owner :www-data`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().socket_owner(":www-data".parse().unwrap());
    /// ```
    pub fn socket_owner(mut self, owner: Owner) -> Server {
        self.permit.owner = Some(owner);
        self
    }

    /// Adds an address, or several by their prefix, that may connect by TCP. Default: none has to be named, and only
    /// loopback addresses can be listened on.
    ///
    /// With it any of this machine's addresses can be listened on, and connections from everybody else are closed at once,
    /// also on loopback and on sockets that whoever started the program made. It says nothing about unix sockets, whose
    /// files have permissions.
    ///
    /// The environment variable `FCGI_WEB_SERVER_ADDRS`, addresses with commas between them, narrows it further: who
    /// connects by TCP has to be named in both, where both are given. An address in it that is none lets nobody in.
    /// Section 3.2 of the FastCGI specification would have connections to unix sockets closed where it is set; here
    /// they are not, as in libfcgi.
    ///
    /// ```
    /// # fn main() -> fcgi::Result {
    /// fcgi::Server::new().listen("0.0.0.0:9000".parse()?).allow("10.0.0.7".parse()?).allow("fd00::/8".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow(mut self, peer: Prefix) -> Server {
        self.allow.push(peer);
        self
    }

    /// The handler for ordinary requests.
    ///
    /// ```
    /// # use fcgi::Server;
    /// let server = Server::new().responder(|req, res| res.send(req.path()));
    /// # assert_eq!(fcgi::testing::request("GET", "/a").serve(&server).text(), "/a");
    /// ```
    pub fn responder<F>(self, handler: F) -> Server
    where
        F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
    {
        self.role(Role::Responder, handler)
    }

    /// The handler that says whether a request may go on: FastCGI's authorizer (section 6.3). [`Access`] has an example, and
    /// what each web server makes of the answer.
    ///
    /// It is called with the request's head alone; there is no body. Without one a web server that asks for an authorizer
    /// is told that there is none, and most of them answer 500.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|req, access| match req.cookie("token") {
    ///     Some("4f2a") => access.grant().send(),
    ///     _ => access.deny(403).send("members only"),
    /// });
    /// assert_eq!(request("GET", "/").as_authorizer().serve(&server).status(), 403);
    /// ```
    pub fn authorizer<F>(self, handler: F) -> Server
    where
        F: Fn(&mut Request<'_>, Access<'_>) -> Result + Send + Sync + 'static,
    {
        self.role(Role::Authorizer, move |request, response| {
            handler(request, Access::new(response))
        })
    }

    /// The handler for filters (section 6.4): requests with a second stream, [`Request::data`].
    ///
    /// ```
    /// # use fcgi::{Request, Response, Server};
    /// # use std::io::{BufRead, Write};
    /// fn shout(req: &mut Request, res: Response) -> fcgi::Result {
    ///     let mut out = res.content_type("text/plain").stream()?;
    ///     loop {
    ///         let piece = req.data().fill_buf()?.to_ascii_uppercase();
    ///         if piece.is_empty() {
    ///             return Ok(());
    ///         }
    ///         req.data().consume(piece.len());
    ///         out.write_all(&piece)?;
    ///     }
    /// }
    /// # let _ =
    /// Server::new().filter(shout);
    /// ```
    pub fn filter<F>(self, handler: F) -> Server
    where
        F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
    {
        self.role(Role::Filter, handler)
    }

    /// A handler with a state of its own for each worker: a database connection, a cache.
    ///
    /// `init` makes it before the worker's first request, and anew after a panic. While it fails or panics, requests are
    /// answered 503 (or the status of its error) with a `Retry-After`, and the log says why. The first request after 1 s
    /// tries again, then the first after 2 s, 4 s and so on, at most 60 s; those in between are answered at once. This
    /// counts for all workers of the process together, until one succeeds.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # struct Database; impl Database { fn open(_: &str) -> fcgi::Result<Database> { Ok(Database) } fn page(&mut self) -> String { String::new() } }
    /// Server::new().responder_with(
    ///     || Database::open("guests.db"),
    ///     |database, _req, res| res.send(database.page()),
    /// );
    /// ```
    pub fn responder_with<S, I, F>(mut self, init: I, handler: F) -> Server
    where
        S: 'static,
        I: Fn() -> Result<S> + Send + Sync + 'static,
        F: Fn(&mut S, &mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let make: Make = Arc::new(move || {
            let (mut state, handler) = (init()?, Arc::clone(&handler));
            let call: Call =
                Box::new(move |request, response| handler(&mut state, request, response));
            Ok(call)
        });
        self.handlers.roles[Role::Responder.index()] = Some(make);
        self
    }

    /// A page of the application's own for what went wrong, in place of the built-in one, which is the status and its words
    /// as html or text.
    ///
    /// It is called when a handler fails or panics, and for what no handler sees (parameters over a limit), with the
    /// response's status set already. What the handler had set is gone. If the page fails, panics or answers nothing, the
    /// built-in one goes out, and the log says so. An answer whose head has left gets no page: it is cut.
    ///
    /// ```
    /// # use fcgi::{Server, html_escape};
    /// Server::new()
    ///     .responder(|_, _| Err(fcgi::Error::new(404, "no such page")))
    ///     .error_page(|error, req, res| {
    ///         let path = html_escape(req.path());
    ///         let page = format!("<!DOCTYPE html><title>Sorry</title><h1>{}</h1><p>{path}", error.status());
    ///         res.content_type("text/html; charset=utf-8").send(page)
    ///     });
    /// ```
    ///
    /// The error's message is for the log: it may say more than a stranger should read.
    pub fn error_page<F>(mut self, page: F) -> Server
    where
        F: Fn(&Error, &Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
    {
        self.handlers.error_page = Some(Arc::new(page));
        self
    }

    /// The most requests that are answered at once: the size of the fixed pool. Default 4, at least 1.
    ///
    /// A thread starts when it is first needed; with 1 everything runs on the calling thread. A slow body or a slow
    /// reader holds a worker until its time limit.
    ///
    /// As a flag, and in the settings file: `--workers 16`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().workers(16);
    /// ```
    pub fn workers(mut self, workers: usize) -> Server {
        self.workers = workers.clamp(1, 1024);
        self
    }

    /// The stack of a worker's thread in bytes. Default 256 KiB, at least 64 KiB: it costs address space, not memory.
    ///
    /// SQLite or a regex overflow 64 KiB. The calling thread, which is the first worker of [`run`](Server::run), has
    /// the stack that it has.
    ///
    /// As a flag, and in the settings file: `--stack-size 1M`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().stack_size(1 << 20);
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Server {
        self.stack_size = bytes.max(64 << 10);
        self
    }

    /// How long running requests may take to finish after a stop signal, and those to be answered that wait: also
    /// connections that nobody has accepted, on sockets that this program made. What is inherited (fd 0, `fd:N`, systemd's) is
    /// left to whoever else accepts there, or is started next. Default 5 s, below mod_fcgid's 8; zero ends at
    /// once.
    ///
    /// As a flag, and in the settings file: `--grace 20`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().grace(Duration::from_secs(20));
    /// ```
    pub fn grace(mut self, grace: Duration) -> Server {
        self.grace = grace;
        self
    }

    /// How many processes [`main`](Server::main) serves by, under a small parent that starts them anew when they die, and all
    /// of them at a reload (`SIGHUP`). Default 0: this process serves, and there is no parent.
    ///
    /// Each has its own workers, connections and memory. [`run`](Server::run) and [`start`](Server::start) serve in this
    /// process whatever is set.
    ///
    /// As a flag, and in the settings file: `--processes 2`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().processes(2);
    /// ```
    pub fn processes(mut self, processes: usize) -> Server {
        self.processes = processes.min(MOST_PROCESSES);
        self
    }

    /// After how many requests a process of [`processes`](Server::processes) is replaced, for what leaks. Default 0: never.
    ///
    /// Its successor serves before it ends, and it finishes what it has begun. It counts nowhere else: a process that a web
    /// server started never ends by itself.
    ///
    /// As a flag, and in the settings file: `--max-requests 10000`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().processes(2).max_requests(10_000);
    /// ```
    pub fn max_requests(mut self, requests: usize) -> Server {
        self.max_requests = requests;
        self
    }

    /// How long an accepted connection may stay silent. Default 30 s. Only the log's level `debug` tells of it.
    ///
    /// As a flag, and in the settings file: `--first-byte-timeout 10`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().first_byte_timeout(Duration::from_secs(10));
    /// ```
    pub fn first_byte_timeout(mut self, limit: Duration) -> Server {
        self.limits.first_byte_timeout = limit;
        self
    }

    /// How long a request's parameters may take from their first byte to their end. Default 10 s. The connection is closed
    /// then, and the log says so, once a minute at most. What has come in time counts, however long all workers were busy.
    ///
    /// As a flag, and in the settings file: `--head-timeout 5`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().head_timeout(Duration::from_secs(5));
    /// ```
    pub fn head_timeout(mut self, limit: Duration) -> Server {
        self.limits.head_timeout = limit;
        self
    }

    /// How long the body's next byte may take while the handler waits for it. Default 60 s. Over it, reading fails, which
    /// is a 408 unless the handler makes something else of it.
    ///
    /// As a flag, and in the settings file: `--body-timeout 30`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().body_timeout(Duration::from_secs(30));
    /// ```
    pub fn body_timeout(mut self, limit: Duration) -> Server {
        self.limits.body_timeout = limit;
        self
    }

    /// How long the web server may take no byte of the answer, and send none. Default 30 s, below mod_fcgid's
    /// FcgidIOTimeout of 40 s.
    ///
    /// As a flag, and in the settings file: `--write-timeout 20`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().write_timeout(Duration::from_secs(20));
    /// ```
    pub fn write_timeout(mut self, limit: Duration) -> Server {
        self.limits.write_timeout = limit;
        self
    }

    /// How long a kept connection may stay idle. Default 120 s, above nginx's 60 s.
    ///
    /// As a flag, and in the settings file: `--idle-timeout 300`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().idle_timeout(Duration::from_secs(300));
    /// ```
    pub fn idle_timeout(mut self, limit: Duration) -> Server {
        self.limits.idle_timeout = limit;
        self
    }

    /// How long a closed connection is read from, so that the answer is not lost. Default 5 s.
    ///
    /// As a flag, and in the settings file: `--linger-timeout 2`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().linger_timeout(Duration::from_secs(2));
    /// ```
    pub fn linger_timeout(mut self, limit: Duration) -> Server {
        self.limits.linger_timeout = limit;
        self
    }

    /// A request that runs longer is a warning in the log, once while it runs and once more when it has ended. Default zero:
    /// never.
    ///
    /// It runs from the end of its parameters to the end of its answer: a slow upload and a slow reader count, too. A thread
    /// watches (64 KiB of stack); where it cannot be started a slow request is told when it has ended.
    ///
    /// Set or not: once every worker's thread runs, and there are several, the log says when all of them have been busy for
    /// 5 s, and when that is over.
    ///
    /// As a flag, and in the settings file: `--slow 10s`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().slow(Duration::from_secs(10));
    /// ```
    pub fn slow(mut self, limit: Duration) -> Server {
        self.limits.slow = limit;
        self
    }

    /// A request that runs longer is stuck. Default zero: none is.
    ///
    /// A thread cannot be ended from outside, but a process can. Under the parent of [`processes`](Server::processes) another
    /// one takes this one's place; then this one stops, so that its other requests have [`grace`](Server::grace) to end, and
    /// what runs by then is cut. A process that anyone else started goes on: the log says which request it is, and the
    /// [status page](Server::status_page) how many there have been. As with [`slow`](Server::slow), slow uploads count: it is for
    /// what should never happen, far above what does.
    ///
    /// As a flag, and in the settings file: `--timeout 300s`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().processes(2).timeout(Duration::from_secs(300));
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Server {
        self.limits.timeout = limit;
        self
    }

    /// The most bytes of a request's parameters. Default 256 KiB, at least 64 KiB. Over it: 431 and a close; with
    /// [`multiplex`](Server::multiplex) the connection's other requests go on. Each worker reserves as much address space; only
    /// what is used costs memory.
    ///
    /// As a flag, and in the settings file: `--max-params 64K`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().max_params(64 << 10);
    /// ```
    pub fn max_params(mut self, bytes: usize) -> Server {
        self.limits.max_params = bytes.clamp(MIN_PARAMS, 16 << 20);
        self
    }

    /// The most parameters of a request. Default 4096, and at most 16,384. Over it: 431 and a close; with
    /// [`multiplex`](Server::multiplex) the connection's other requests go on.
    ///
    /// As a flag, and in the settings file: `--max-pairs 500`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().max_pairs(500);
    /// ```
    pub fn max_pairs(mut self, pairs: usize) -> Server {
        self.limits.max_pairs = pairs.min(16_384);
        self
    }

    /// The most bytes of one parameter, name and value. Default 224 KiB. Over it: 431 and a close; with
    /// [`multiplex`](Server::multiplex) the connection's other requests go on.
    ///
    /// As a flag, and in the settings file: `--max-pair 8K`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().max_pair(8 << 10);
    /// ```
    pub fn max_pair(mut self, bytes: usize) -> Server {
        self.limits.max_pair = bytes;
        self
    }

    /// The most bytes of a body. Default unlimited, since it is streamed. Over it, reading fails, which is a 413 unless
    /// the handler makes something else of it, and the connection is closed behind the answer. A filter's data does not count.
    ///
    /// As a flag, and in the settings file: `--max-body 16M`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// let server = Server::new().max_body(4).responder(|req, res| {
    ///     let text = std::io::read_to_string(req.body())?;
    ///     res.send(text)
    /// });
    /// assert_eq!(fcgi::testing::request("POST", "/").body("12345").serve(&server).status(), 413);
    /// ```
    pub fn max_body(mut self, bytes: u64) -> Server {
        self.limits.max_body = bytes;
        self
    }

    /// The most bytes, in all, of parameters that are not whole yet and wait, and of requests that were sent before the
    /// answer to the one before. Default 1 MiB. Over it the oldest such connection is closed; the log says so, once a minute
    /// at most.
    ///
    /// As a flag, and in the settings file: `--max-waiting-heads 256K`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().max_waiting_heads(256 << 10);
    /// ```
    pub fn max_waiting_heads(mut self, bytes: usize) -> Server {
        self.limits.max_waiting_heads = bytes;
        self
    }

    /// The most connections, busy or not. Default: the limit of open files less 64, at most 16,384; [`run`](Server::run)
    /// first raises the soft limit to the hard one. Where fewer than 116 files may be open it is half of them less 6. It
    /// is never more than that. Over it the connection that has been idle longest is closed, or else the one that
    /// has been silent longest since it was accepted; if there is none, new ones wait in the backlog, and the log says so.
    ///
    /// As a flag, and in the settings file: `--max-connections 200`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().max_connections(200);
    /// ```
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.limits.max_connections = connections.max(1);
        self
    }

    /// Whether a connection carries several requests at once, their records mixed. Default no: one after the other, and what
    /// begins meanwhile is refused. GET_VALUES tells which it is (FCGI_MPXS_CONNS).
    ///
    /// Of the web servers only HAProxy sends requests so, by `option mpxs-conns`; `conf haproxy --multiplex` prints what it
    /// takes. It is worth it where connections are dear and requests wait long: events, long polls, a program on another
    /// machine. It makes nothing faster: a request that is alone on its connection costs about three times the processor time
    /// that it costs without.
    ///
    /// FastCGI has no flow control for one request of several, so that one can hold the others up:
    ///
    /// - a visitor who reads a large answer slowly, if the web server stops reading then: for up to
    ///   [`write_timeout`](Server::write_timeout);
    /// - a body that comes faster than it is read: [`mpx_body`](Server::mpx_body), [`mpx_stall`](Server::mpx_stall).
    ///
    /// And HAProxy 2.6.12 itself answers some of many requests that come at the same moment with a 500 ("IH" in its log), whatever
    /// is behind it: 2 in a hundred of fifty at a time, one in six of fifty uploads of 300,000 bytes.
    ///
    /// A request goes to a worker when its parameters are whole, whatever has come of its body. Of one connection 64 may wait
    /// for a worker; what is beyond is answered 503, and so are those beyond 1024 of all connections, and beyond
    /// [`max_waiting_heads`](Server::max_waiting_heads): the log says so once a minute, the access log knows nothing of them. With
    /// one worker they run one after the other. What goes wrong with a
    /// request costs the others nothing (parameters that are too large or late, a body over [`max_body`](Server::max_body)), but
    /// for three things:
    ///
    /// - What breaks the protocol ends the connection, when those that run are answered.
    /// - An answer that breaks off (a panic behind its head, say) must not look whole, and HAProxy 2.6 takes every END_REQUEST for
    ///   the end of a whole answer, or waits for the rest, whatever its protocol status. So the connection is closed: as soon as
    ///   the others that run are answered, and after [`mpx_stall`](Server::mpx_stall) at the latest. New ones are answered 503
    ///   until then.
    /// - An answer that the web server gives up half sent is ended, and not cut as it would be on a connection of its own.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use std::time::Duration;
    /// Server::new().multiplex(true).mpx_body(256 << 10).mpx_stall(Duration::from_secs(3));
    /// ```
    pub fn multiplex(mut self, multiplex: bool) -> Server {
        self.limits.multiplex = multiplex;
        self
    }

    /// With [`multiplex`](Server::multiplex), how many bytes of a request's body are kept until they are read. Default 64 KiB,
    /// at least 1 KiB and at most 64 MiB. A connection takes as much for each request that runs or waits on it, at most.
    ///
    /// FastCGI has no flow control for one request of several. While there is no room for more of a body, nothing is read of
    /// its connection, the bodies of the others included, for up to [`mpx_stall`](Server::mpx_stall).
    ///
    /// [`multiplex`](Server::multiplex) has an example.
    pub fn mpx_body(mut self, bytes: usize) -> Server {
        self.limits.mpx_body = bytes.clamp(1 << 10, 64 << 20);
        self
    }

    /// With [`multiplex`](Server::multiplex), how long one request may hold up the others of its connection. Default 1 s.
    ///
    /// When more than [`mpx_body`](Server::mpx_body) of a body has come and nothing of it is read for that long, because its
    /// handler does something else or no worker is free for it, that request fails: reading the body does, which is a 503
    /// unless the handler makes something else of it; the rest of the body is passed over, and the others go on. FastCGI
    /// has no flow control for one request of several that could make the web server wait with that one alone.
    ///
    /// [`multiplex`](Server::multiplex) has an example.
    pub fn mpx_stall(mut self, limit: Duration) -> Server {
        self.limits.mpx_stall = limit;
        self
    }

    /// What the application is reached under: `/app`, or `/` for the root of the site.
    ///
    /// Found from what the web server sends, unless it is set here. Where nothing that is sent tells, it has to be:
    ///
    /// - lighttpd's `"/" =>` without `fix-root-scriptname` sends the first part of the path as SCRIPT_NAME (`/`);
    /// - Apache's `SetHandler` and `FcgidWrapper … virtual` for the whole site do so, too (`/`);
    /// - Apache's `ProxyPass /app/`, h2o's `"/app":`, and nginx's `location /app/` with an empty SCRIPT_NAME send the whole
    ///   path, and not where it is divided (`/app`);
    /// - a mount that is asked for without its slash looks like a path below the root to nearly all (`/app`);
    /// - so does one behind nginx's `fastcgi_split_path_info ^(/app)(.*)$` if a line break is in the path (`/app`).
    ///
    /// A path that is not below it has the mount `""`, and all of it is the path: the setting is no wall, and a web server
    /// that hands on more than what is below the mount is to be told. A wrong mount is therefore seen in the path alone.
    ///
    /// As a flag, and in the settings file: `--mount /app`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use fcgi::testing::{Behind, request};
    /// let server = Server::new().mount("/app");
    /// let ask = request("GET", "/news").behind(Behind::H2oMount("/app")).settings(&server);
    /// assert_eq!(ask.call(|req, res| res.send(req.path())).text(), "/news");
    /// ```
    pub fn mount(mut self, mount: &str) -> Server {
        self.set_mount(mount);
        self
    }

    /// Adds a proxy, or several by their prefix, whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. Default none.
    ///
    /// Only for proxies in front of the web server that this program is behind, and only if they set these headers
    /// themselves: anybody can send them. The web server says in REMOTE_ADDR who asked it. Behind lighttpd, Caddy and h2o a
    /// visitor's `X_Forwarded_For` cannot be told from the proxy's header: the proxy has to drop names with an underscore, as
    /// nginx does.
    ///
    /// ```
    /// # fn main() -> fcgi::Result {
    /// fcgi::Server::new().trusted_proxy("127.0.0.1".parse()?).trusted_proxy("10.0.0.0/8".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trusted_proxy(mut self, proxy: Prefix) -> Server {
        self.setup.trusted_proxies.push(proxy);
        self
    }

    /// Adds a flag of the application's own: [`main`](Server::main) reads it on the command line (`--data /srv/guests`) and in
    /// the settings file (`data /srv/guests`), which is all that there is under `.htaccess`, and `--help` shows it.
    /// [`Request::flag`] has what was given, or else `default`. Given twice it is an error, and so is a value that is empty.
    ///
    /// ```
    /// use fcgi::{Request, Response, Server};
    ///
    /// fn app(req: &mut Request, res: Response) -> fcgi::Result {
    ///     res.send(format!("Welcome to {}!", req.flag("title")))
    /// }
    ///
    /// fn server() -> Server {
    ///     Server::new().responder(app).flag("title", "TEXT", "what the page is called", "my page")
    /// }
    /// # let answer = fcgi::testing::request("GET", "/").serve(&server());
    /// # assert_eq!(answer.text(), "Welcome to my page!");
    /// ```
    ///
    /// # Panics
    /// In [`main`](Server::main), if there is a flag of this name already.
    pub fn flag(
        mut self,
        name: &'static str,
        value: &'static str,
        help: &'static str,
        default: impl Into<String>,
    ) -> Server {
        self.setup.flags.push(Own {
            name,
            value,
            help,
            text: default.into(),
        });
        self
    }

    /// Whether a visitor is shown why a request failed: the error's message, the place of a panic. Default no: the log has
    /// it, and a stranger should not. It changes the built-in error page alone.
    ///
    /// As a flag, and in the settings file: `--debug`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # use fcgi::testing::request;
    /// let server = Server::new().debug(true);
    /// let answer = request("GET", "/").settings(&server).call(|_, _| Err(fcgi::Error::new(500, "out of paper")));
    /// assert!(answer.text().contains("out of paper"));
    /// ```
    pub fn debug(mut self, debug: bool) -> Server {
        self.setup.debug = debug;
        self
    }

    /// Where the server itself says what it is doing: a path below the mount, such as `/status`. Default nowhere.
    ///
    /// How many workers are busy, how many connections are open and parked, what was served and with which statuses, and the
    /// running request that began first: as text, or as json for `?json` and `Accept: application/json`. Of this process alone:
    /// of several each counts for itself, and who answers is chance. Asking for the page is not counted.
    ///
    /// It is for visitors from this machine (127.0.0.0/8 and ::1, if no header says that a proxy passed the request on), and
    /// from [`status_allow`](Server::status_allow). For all others there is no such page: the application answers.
    ///
    /// As a flag, and in the settings file: `--status /status`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// let server = Server::new().status_page("/status").responder(|_, res| res.status(404).send(""));
    /// let answer = fcgi::testing::request("GET", "/status").serve(&server);
    /// assert!(answer.text().contains("workers: 4"), "{answer:?}");
    /// ```
    pub fn status_page(mut self, path: &str) -> Server {
        self.set_status_page(path);
        self
    }

    /// Adds an address, or several by their prefix, from which the [status page](Server::status_page) can be seen. It is
    /// compared with [`Request::remote_addr`]: what a [trusted proxy](Server::trusted_proxy) says counts.
    ///
    /// As a flag, and in the settings file: `--status-allow 192.0.2.0/24`.
    ///
    /// ```
    /// # use fcgi::Server;
    /// Server::new().status_page("/status").status_allow("192.0.2.0/24".parse().unwrap());
    /// ```
    pub fn status_allow(mut self, range: Prefix) -> Server {
        self.setup.status.allow.push(range);
        self
    }

    /// Which web server sends files that [`Response::send_file`] names, and how it is asked to. Default none: the application
    /// sends them itself, which holds a worker until a visitor has them.
    ///
    /// Only for a web server that is set up for it: another one shows the visitor an empty page and the path of the file.
    ///
    /// ```
    /// # use fcgi::{Sendfile, Server};
    /// Server::new().sendfile(Sendfile::Accel { folder: "/srv/files".into(), location: "/protected".into() });
    /// ```
    pub fn sendfile(mut self, sendfile: Sendfile) -> Server {
        self.setup.sendfile = Some(sendfile);
        self
    }

    /// A file in which each request has a line: Apache's combined format, and behind it how many microseconds the answer took
    /// and the request's [`id`](crate::Request::id), which the lines of the log have, too. Default none.
    ///
    /// ```text
    /// 192.0.2.1 - - [21/Nov/2026:01:02:03 +0000] "GET /news?page=2 HTTP/1.1" 200 5316 "-" "curl/8.5.0" 412 4711-12
    /// ```
    ///
    /// The visitor's address ([`remote_addr`](crate::Request::remote_addr)), `-`, the user's name; when the request came, in UTC; the
    /// request; the status, and the body's length or `-` for none; Referer and User-Agent. Status 499 says that nothing of an
    /// answer was sent, since the web server gave the request up. A quote, a backslash and what is not printable ASCII are
    /// escaped as Apache does, in what is not quoted a blank, too. What is very long ends in `...`: no line is longer than 4096 bytes.
    ///
    /// A line is written at one stroke, so that several processes can share the file. It is made with mode 0640 if there
    /// is none. A disk that is full costs lines, and no request. `SIGHUP` has [`run`](Server::run) and [`main`](Server::main) open it anew, after
    /// it was renamed; beside [`start`](Server::start) that is [`Handle::reopen_access_log`]. A relative path is the current folder's, in a settings file
    /// that of the program.
    ///
    /// Beside an `.htaccess` let its name begin with `.ht`: Apache shows all other files to whoever asks for them.
    pub fn access_log(mut self, path: impl Into<PathBuf>) -> Server {
        self.access_log = Some(path.into());
        self
    }

    /// Serves until a signal stops it: `TERM`, `INT` or `USR1`.
    ///
    /// Where requests come from, the first match: a listening socket on fd 0; the environment of a CGI request; the
    /// sockets that systemd passes; the addresses of [`listen`](Server::listen). It owns the process: signals, and the
    /// panic hook inside handlers. Once in a process.
    ///
    /// In CGI standard output is the answer's, and standard input the body's: from here on what the application prints goes
    /// to standard error, and what it reads is empty. What it has printed before stands in front of the answer, and spoils it.
    ///
    /// ```no_run
    /// # use fcgi::Server;
    /// fn main() -> std::io::Result<()> {
    ///     Server::new().listen("unix:/run/app.sock".parse().unwrap()).responder(|_, res| res.send("Hello")).run()
    /// }
    /// ```
    ///
    /// # Errors
    /// When there is nothing to serve, an address cannot be listened on, or memory is short.
    pub fn run(self) -> io::Result<()> {
        serving::run(self)
    }

    /// Serves in threads of its own, and returns. Touches no signal, hook, umask or descriptor of the process.
    ///
    /// The front page of this crate has an example.
    ///
    /// # Errors
    /// When no address is given, one cannot be listened on, or the first worker cannot be started.
    pub fn start(self) -> io::Result<Handle> {
        serving::start(self)
    }
}

/// What the setters share with the command line, which has a `&mut Server`.
impl Server {
    pub(crate) fn set_mount(&mut self, mount: &str) {
        let mount = mount.trim_matches('/');
        self.setup.mount = Some(match mount {
            "" => String::new(),
            mount => format!("/{mount}"),
        });
    }

    /// Gives the application's flag of this name a value.
    pub(crate) fn set_flag(&mut self, name: &str, text: &str) {
        let mut own = self.setup.flags.iter_mut();
        if let Some(own) = own.find(|own| own.name == name) {
            text.clone_into(&mut own.text);
        }
    }

    /// What the application's flag of this name has for its value; empty if there is no such flag.
    pub(crate) fn flag_of(&self, name: &str) -> &str {
        self.setup.flag(name).unwrap_or_default()
    }

    pub(crate) fn set_status_page(&mut self, path: &str) {
        self.setup.status.path = Some(format!("/{}", path.trim_start_matches('/')));
    }

    fn role<F>(mut self, role: Role, handler: F) -> Server
    where
        F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let make: Make = Arc::new(move || {
            let handler = Arc::clone(&handler);
            let call: Call = Box::new(move |request, response| handler(request, response));
            Ok(call)
        });
        self.handlers.roles[role.index()] = Some(make);
        self
    }
}
