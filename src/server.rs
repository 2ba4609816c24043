//! `Server`: the builder, and the ways to serve.

use crate::accept::Accept;
use crate::access::Access;
use crate::access_log::{AccessLog, is_served};
use crate::apart::apart;
use crate::buffer::Buffers;
use crate::connection::serve_cgi;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::executable::executable;
use crate::limits::{Limits, MIN_PARAMS};
use crate::net::{
    Address, Facts, Listener, Origin, Owner, Permit, Pipes, Prefix, Transport, refuse_public, sys,
};
use crate::peers::Peers;
use crate::pool::{Application, Call, Handlers, Make, Pool, Size, hook_panics};
use crate::process;
use crate::protocol::Role;
use crate::request::Request;
use crate::response::Response;
use crate::sendfile::Sendfile;
use crate::setup::Setup;
use crate::slot::one_line;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
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
pub trait Handler: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static {}

impl<F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static> Handler for F {}

/// More than a machine that this is for has use for.
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
    /// The line to the parent, in a child of one.
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
    pub fn listen(mut self, address: Address) -> Server {
        self.listen.push(address);
        self
    }

    /// The mode of the socket files that it makes, exactly: `0o666` lets everybody on this machine connect. Default: what
    /// the umask leaves the group of `0o660`, and all of it where [`socket_owner`](Server::socket_owner) names a group.
    /// Whoever can connect can say anything about the visitor, so let it be the web server alone: an owner is the better
    /// way.
    pub fn socket_mode(mut self, mode: u32) -> Server {
        self.permit.mode = Some(mode & 0o777);
        self
    }

    /// Whom the socket files that it makes belong to. Default: the program's own user and group. `":www-data"` lets a web
    /// server connect that runs in that group; only root can name another user, or a group that it is not in. It is in
    /// force before anybody can connect.
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
    pub fn workers(mut self, workers: usize) -> Server {
        self.workers = workers.clamp(1, 1024);
        self
    }

    /// The stack of a worker's thread in bytes. Default 256 KiB, at least 64 KiB: it costs address space, not memory.
    ///
    /// SQLite or a regex overflow 64 KiB. The calling thread, which is the first worker of [`run`](Server::run), has
    /// the stack that it has.
    pub fn stack_size(mut self, bytes: usize) -> Server {
        self.stack_size = bytes.max(64 << 10);
        self
    }

    /// How long running requests may take to finish after a stop signal, and those to be answered that wait: also
    /// connections that nobody has accepted, on sockets that this program made. What is inherited (fd 0, `fd:N`, systemd's) is
    /// left to whoever else accepts there, or is started next. Default 5 s, below mod_fcgid's 8; zero ends at
    /// once.
    pub fn grace(mut self, grace: Duration) -> Server {
        self.grace = grace;
        self
    }

    /// How many processes [`main`](Server::main) serves by, under a small parent that starts them anew when they die, and all
    /// of them at a reload (`SIGHUP`). Default 0: this process serves, and there is no parent.
    ///
    /// Each has its own workers, connections and memory. [`run`](Server::run) and [`start`](Server::start) serve in this
    /// process whatever is set.
    pub fn processes(mut self, processes: usize) -> Server {
        self.processes = processes.min(MOST_PROCESSES);
        self
    }

    /// After how many requests a process of [`processes`](Server::processes) is replaced, for what leaks. Default 0: never.
    ///
    /// Its successor serves before it ends, and it finishes what it has begun. It counts nowhere else: a process that a web
    /// server started never ends by itself.
    pub fn max_requests(mut self, requests: usize) -> Server {
        self.max_requests = requests;
        self
    }

    /// How long an accepted connection may stay silent. Default 30 s. Only the log's level `debug` tells of it.
    pub fn first_byte_timeout(mut self, limit: Duration) -> Server {
        self.limits.first_byte_timeout = limit;
        self
    }

    /// How long a request's parameters may take from their first byte to their end. Default 10 s. The connection is closed
    /// then, and the log says so, once a minute at most. What has come in time counts, however long all workers were busy.
    pub fn head_timeout(mut self, limit: Duration) -> Server {
        self.limits.head_timeout = limit;
        self
    }

    /// How long the body's next byte may take while the handler waits for it. Default 60 s. Over it, reading fails, which
    /// is a 408 unless the handler makes something else of it.
    pub fn body_timeout(mut self, limit: Duration) -> Server {
        self.limits.body_timeout = limit;
        self
    }

    /// How long the web server may take no byte of the answer, and send none. Default 30 s, below mod_fcgid's
    /// FcgidIOTimeout of 40 s.
    pub fn write_timeout(mut self, limit: Duration) -> Server {
        self.limits.write_timeout = limit;
        self
    }

    /// How long a kept connection may stay idle. Default 120 s, above nginx's 60 s.
    pub fn idle_timeout(mut self, limit: Duration) -> Server {
        self.limits.idle_timeout = limit;
        self
    }

    /// How long a closed connection is read from, so that the answer is not lost. Default 5 s.
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
    pub fn timeout(mut self, limit: Duration) -> Server {
        self.limits.timeout = limit;
        self
    }

    /// The most bytes of a request's parameters. Default 256 KiB, at least 64 KiB. Over it: 431 and a close. Each worker reserves
    /// as much address space; only what is used costs memory.
    pub fn max_params(mut self, bytes: usize) -> Server {
        self.limits.max_params = bytes.clamp(MIN_PARAMS, 16 << 20);
        self
    }

    /// The most parameters of a request. Default 4096, and at most 16,384. Over it: 431 and a close.
    pub fn max_pairs(mut self, pairs: usize) -> Server {
        self.limits.max_pairs = pairs.min(16_384);
        self
    }

    /// The most bytes of one parameter, name and value. Default 224 KiB. Over it: 431 and a close.
    pub fn max_pair(mut self, bytes: usize) -> Server {
        self.limits.max_pair = bytes;
        self
    }

    /// The most bytes of a body. Default unlimited, since it is streamed. Over it, reading fails, which is a 413 unless
    /// the handler makes something else of it, and the connection is closed behind the answer. A filter's data does not count.
    pub fn max_body(mut self, bytes: u64) -> Server {
        self.limits.max_body = bytes;
        self
    }

    /// The most bytes, in all, of parameters that are not whole yet and wait, and of requests that were sent before the
    /// answer to the one before. Default 1 MiB. Over it the oldest such connection is closed; the log says so, once a minute
    /// at most.
    pub fn max_waiting_heads(mut self, bytes: usize) -> Server {
        self.limits.max_waiting_heads = bytes;
        self
    }

    /// The most connections, busy or not. Default: the limit of open files less 64, at most 16,384; [`run`](Server::run)
    /// first raises the soft limit to the hard one. Where fewer than 116 files may be open it is half of them less 6. It
    /// is never more than that. Over it the connection that has been idle longest is closed, or else the one that
    /// has been silent longest since it was accepted; if there is none, new ones wait in the backlog, and the log says so.
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.limits.max_connections = connections.max(1);
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
    pub fn mount(mut self, mount: &str) -> Server {
        let mount = mount.trim_matches('/');
        self.setup.mount = Some(match mount {
            "" => String::new(),
            mount => format!("/{mount}"),
        });
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

    /// Whether a visitor is shown why a request failed: the error's message, the place of a panic. Default no: the log has
    /// it, and a stranger should not. It changes the built-in error page alone.
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
    pub fn status_page(mut self, path: &str) -> Server {
        self.setup.status.path = Some(format!("/{}", path.trim_start_matches('/')));
        self
    }

    /// Adds an address, or several by their prefix, from which the [status page](Server::status_page) can be seen. It is
    /// compared with [`Request::remote_addr`]: what a [trusted proxy](Server::trusted_proxy) says counts.
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
    /// # Errors
    /// When there is nothing to serve, an address cannot be listened on, or memory is short.
    pub fn run(self) -> io::Result<()> {
        sys::one_heap();
        let (origin, notes) = Facts::gather().decide(&self.listen, None);
        notes.iter().for_each(|note| log::info!("{note}"));
        match origin {
            Origin::Cgi => apart(|| self.serve_cgi()),
            Origin::Terminal | Origin::Nothing | Origin::Http(_) => Err(io::Error::other(
                "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
                 REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or use Server::listen",
            )),
            origin => self.serve(&origin.addresses()),
        }
    }

    /// Serves in threads of its own, and returns. Touches no signal, hook, umask or descriptor of the process.
    ///
    /// # Errors
    /// When no address is given, one cannot be listened on, or the first worker cannot be started.
    pub fn start(self) -> io::Result<Handle> {
        if self.listen.is_empty() {
            return Err(io::Error::other(
                "there is nothing to serve: give an address by Server::listen",
            ));
        }
        let server = self.with_open_log()?;
        let listeners = server.bind(&server.listen)?;
        server.start_on(listeners)
    }

    pub(crate) fn start_on(self, listeners: Vec<Listener>) -> io::Result<Handle> {
        let pool = self.with_open_log()?.pool(listeners)?;
        pool.start().inspect_err(|_| pool.accept().unlink())?;
        Ok(Handle { pool })
    }

    pub(crate) fn pool(self, listeners: Vec<Listener>) -> io::Result<Arc<Pool>> {
        let limits = self.limits.in_this_process();
        let peers = Peers::new(self.allow);
        let files: Vec<_> = listeners
            .iter()
            .filter_map(Listener::file)
            .cloned()
            .collect();
        let accept = apart(|| Accept::new(listeners, peers, limits.clone()))
            .inspect_err(|_| files.iter().for_each(|file| drop(file.unlink())))?;
        let size = Size {
            workers: self.workers,
            stack: self.stack_size,
            max_requests: self.max_requests,
        };
        Ok(apart(|| {
            Pool::new(accept, self.handlers, limits, self.setup, size)
        }))
    }

    /// Listens at all of these addresses, or at none.
    pub(crate) fn bind(&self, addresses: &[Address]) -> io::Result<Vec<Listener>> {
        let is_said = !self.allow.is_empty();
        addresses
            .iter()
            .try_for_each(|address| refuse_public(address, is_said))?;
        Listener::bind_all(addresses, &self.permit)
    }

    /// Says in the log where it listens, and what is unwise about that or about the log.
    pub(crate) fn announce(&self, listeners: &[Listener], addresses: &[Address]) {
        introduce(listeners, &Peers::new(self.allow.clone()), addresses);
        self.warn_of_served_log();
    }

    pub(crate) fn serve(self, addresses: &[Address]) -> io::Result<()> {
        run_out(&apart(|| self.ready(addresses))?)
    }

    /// The process is ours, it listens, and whoever started us knows.
    pub(crate) fn ready(self, addresses: &[Address]) -> io::Result<Arc<Pool>> {
        self.own_process()?;
        let server = self.with_open_log()?;
        let listeners = server.bind(addresses)?;
        if server.control.is_none() {
            server.announce(&listeners, addresses);
        }
        server.ready_on(listeners)
    }

    /// The process is ours, and the access log open.
    pub(crate) fn ready_on(self, listeners: Vec<Listener>) -> io::Result<Arc<Pool>> {
        process::removes(
            listeners
                .iter()
                .filter_map(|listener| listener.file().cloned()),
        );
        let control = self.control.clone();
        let pool = self.pool(listeners)?;
        process::stops(&pool);
        match control {
            Some(control) => pool.accept().obey(control)?,
            None => process::is_ready(),
        }
        Ok(pool)
    }

    /// The same with its access log open, before anything is bound.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn with_open_log(mut self) -> io::Result<Server> {
        if self.setup.access_log.is_none()
            && let Some(path) = &self.access_log
        {
            self.setup.access_log = Some(Arc::new(AccessLog::open(path)?));
        }
        Ok(self)
    }

    /// Whether the access log can be opened.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn try_access_log(&self) -> io::Result<()> {
        match &self.access_log {
            Some(path) => AccessLog::open(path).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn warn_of_served_log(&self) {
        let Some(path) = &self.access_log else { return };
        if is_served(path, executable().and_then(Path::parent)) {
            log::warn!(
                "the access log {} lies where an .htaccess does, and is shown to whoever asks for it; let its name begin with \
                 .ht, or move it out of the site",
                one_line(&path.display().to_string())
            );
        }
    }

    /// Makes the process ours: its signals, and what is said of panics.
    pub(crate) fn own_process(&self) -> io::Result<()> {
        process::own(self.grace, self.control.is_some())?;
        own_panics();
        Ok(())
    }

    /// As [`own_process`](Server::own_process), but that a signal ends the process at once, as it does every program.
    #[cfg(feature = "toolbox")]
    pub(crate) fn borrow_process(&self) {
        process::endure();
        own_panics();
    }

    /// Answers the one request of a CGI process.
    pub(crate) fn serve_cgi(self) -> io::Result<()> {
        sys::ignore_sigpipe();
        sys::ignore_sigxfsz();
        sys::heed_sigchld();
        own_panics();
        let pipes = Pipes::standard()?;
        let server = self.with_open_log().inspect_err(|_| refuse(&pipes))?;
        let environment =
            std::env::vars_os().map(|(name, value)| (name.into_encoded_bytes(), value.into_vec()));
        let mut buffers = Buffers::new(server.limits.max_params).inspect_err(|_| refuse(&pipes))?;
        let mut application = Application::alone(&server.handlers);
        serve_cgi(
            pipes,
            environment,
            &mut buffers,
            &mut application,
            &server.limits,
            &server.setup,
        );
        Ok(())
    }
}

/// A server that runs in threads of its own. Dropping it leaves the server running.
pub struct Handle {
    pub(crate) pool: Arc<Pool>,
}

impl Handle {
    /// Asks the server to stop: sockets that it made are removed, running requests finish, and whoever has connected is
    /// answered.
    ///
    /// By TCP a connection that comes from another machine at the very moment may still be reset. A connection without a request is closed after
    /// a second, one whose request has come in part after [`head_timeout`](Server::head_timeout); one that is kept for its
    /// next request at once.
    pub fn stop(&self) {
        self.pool.accept().unlink();
        self.pool.accept().ask_to_stop();
    }

    /// Waits until every worker has ended. Without [`stop`](Handle::stop) that is never.
    pub fn join(self) {
        self.pool.join();
    }

    /// Where the server listens, with the port that was taken for port 0.
    pub fn addresses(&self) -> Vec<Address> {
        self.pool
            .accept()
            .listeners()
            .iter()
            .map(|listener| listener.local_addr().clone())
            .collect()
    }

    /// Has the [access log](Server::access_log) go on in the file that has its path now, which is made if there is none: after
    /// whoever turns logs over has renamed it. Without an access log it does nothing.
    ///
    /// # Errors
    /// When it cannot be opened; then it goes on in the file that it was.
    pub fn reopen_access_log(&self) -> io::Result<()> {
        self.pool.access_log().map_or(Ok(()), AccessLog::reopen)
    }

    /// A connection to the server that needs no address.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        self.pool.accept().adopt(Transport::from(theirs));
        Ok(ours)
    }
}

/// Serves with what [`Server::ready`] made, until a signal stops it.
pub(crate) fn run_out(pool: &Arc<Pool>) -> io::Result<()> {
    sys::trim_heap();
    let done = pool.run();
    pool.accept().unlink();
    process::is_done();
    done
}

/// What a CGI request is answered when there is no memory for anything else.
fn refuse(pipes: &Pipes) {
    const PAGE: &[u8] =
        b"Status: 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Retry-After: 5\r\n\r\n503 Service Unavailable\n";
    // If it cannot be written, nobody is there to read it.
    let _ = pipes.write(&[io::IoSlice::new(PAGE)]);
}

/// Says in the log where it listens, and what is unwise about it.
fn introduce(listeners: &[Listener], peers: &Peers, addresses: &[Address]) {
    for listener in listeners {
        let is_tcp = matches!(listener.local_addr(), Address::Tcp(_));
        if listener.is_public() && peers.is_anybody() {
            // Only one that we were given can be: we open none.
            log::warn!(
                "other machines can reach {}, and FastCGI has no password: name the web server's address by --allow, or let \
                 a firewall admit it alone",
                listener.local_addr()
            );
        } else if !matches!(addresses, [Address::Fd(0)]) {
            log::info!("listening on {}", listener.described());
        }
        if is_tcp && let Some(reason) = peers.why_nobody() {
            log::error!("nobody may connect to {}: {reason}", listener.local_addr());
        }
        if listener.is_swept() {
            log::warn!(
                "{} is in a folder for temporary files: cleaners sweep it, and services with a private one (systemd's \
                 PrivateTmp, as Apache's on Debian) do not find it; choose one below /run",
                listener.local_addr()
            );
        }
    }
}

fn own_panics() {
    hook_panics();
    if cfg!(panic = "abort") {
        log::warn!(
            "this program is built with panic = \"abort\": a panic in one request ends them all"
        );
    }
}
