//! The ways to serve with what a [`Server`] was told, and the steps that they have in common. Called by applications, by the
//! command line, and by `parent` for itself and in its children.

use super::{Handle, Server};
use crate::accept::Accept;
use crate::access_log::{AccessLog, is_served};
use crate::apart::apart;
use crate::application::Application;
use crate::buffer::Buffers;
use crate::connection::serve_cgi;
use crate::contain::hook_panics;
use crate::executable::executable;
use crate::log_line::{error, info, warn};
use crate::log_text::one_line;
use crate::net::{Address, Facts, Listener, Origin, Pipes, refuse_public, sys};
use crate::peers::Peers;
use crate::pool::{Pool, Size};
use crate::process;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

/// [`Server::run`].
pub(super) fn run(server: Server) -> io::Result<()> {
    sys::one_heap();
    let (origin, notes) = Facts::gather().decide(&server.listen, None);
    notes.iter().for_each(|note| info!("{note}"));
    match origin {
        Origin::Cgi => apart(|| server.serve_cgi()),
        Origin::Terminal | Origin::Nothing | Origin::Http(_) => Err(io::Error::other(
            "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
             REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or use Server::listen",
        )),
        origin => server.serve(&origin.addresses()),
    }
}

/// [`Server::start`].
pub(super) fn start(server: Server) -> io::Result<Handle> {
    if server.listen.is_empty() {
        return Err(io::Error::other(
            "there is nothing to serve: give an address by Server::listen",
        ));
    }
    let server = server.with_open_log()?;
    let listeners = server.bind(&server.listen)?;
    server.start_on(listeners)
}

impl Server {
    /// Serves at these addresses until a signal stops it, as a process of its own.
    pub(crate) fn serve(self, addresses: &[Address]) -> io::Result<()> {
        run_out(&apart(|| self.ready(addresses))?)
    }

    /// Makes the process ours, listens, and tells whoever started the process. What it returns is for [`run_out`].
    pub(crate) fn ready(self, addresses: &[Address]) -> io::Result<Arc<Pool>> {
        self.own_process()?;
        let server = self.with_open_log()?;
        let listeners = server.bind(addresses)?;
        if server.control.is_none() {
            server.announce(&listeners, addresses);
        }
        server.ready_on(listeners)
    }

    /// As [`ready`](Server::ready), once the process is ours, the access log is open, and these sockets listen.
    pub(crate) fn ready_on(self, listeners: Vec<Listener>) -> io::Result<Arc<Pool>> {
        process::remove_at_end(
            listeners
                .iter()
                .filter_map(|listener| listener.file().cloned()),
        );
        let control = self.control.clone();
        let pool = self.pool(listeners)?;
        process::stop_on_signal(&pool);
        match control {
            Some(control) => pool.accept().obey(control)?,
            None => process::tell_ready(),
        }
        Ok(pool)
    }

    /// As [`start`], on sockets that listen.
    pub(crate) fn start_on(self, listeners: Vec<Listener>) -> io::Result<Handle> {
        let pool = self.with_open_log()?.pool(listeners)?;
        pool.start().inspect_err(|_| pool.accept().unlink())?;
        Ok(Handle { pool })
    }

    /// A pool of workers, none of which runs yet, on these sockets. Their files are gone if it cannot be made.
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

    /// Listens at all of these addresses, or at none.
    pub(crate) fn bind(&self, addresses: &[Address]) -> io::Result<Vec<Listener>> {
        let is_said = !self.allow.is_empty();
        addresses
            .iter()
            .try_for_each(|address| refuse_public(address, is_said))?;
        Listener::bind_all(addresses, &self.permit)
    }

    /// Says in the log where the server listens, and what is unwise about that or about the access log.
    pub(crate) fn announce(&self, listeners: &[Listener], addresses: &[Address]) {
        introduce(listeners, &Peers::new(self.allow.clone()), addresses);
        self.warn_of_served_log();
    }

    /// The same server with its access log open. It is called before anything is bound.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub(crate) fn with_open_log(mut self) -> io::Result<Server> {
        if self.setup.access_log.is_none()
            && let Some(path) = &self.access_log
        {
            self.setup.access_log = Some(Arc::new(AccessLog::open(path)?));
        }
        Ok(self)
    }

    /// Whether the access log can be opened, for who only tries the settings.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn try_access_log(&self) -> io::Result<()> {
        match &self.access_log {
            Some(path) => AccessLog::open(path).map(drop),
            None => Ok(()),
        }
    }

    /// Warns of an access log that the web server may show to visitors.
    fn warn_of_served_log(&self) {
        let Some(path) = &self.access_log else { return };
        if is_served(path, executable().and_then(Path::parent)) {
            warn!(
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

    /// As [`own_process`](Server::own_process), except that a signal ends the process at once, as it does every program.
    #[cfg(feature = "toolbox")]
    pub(crate) fn borrow_process(&self) {
        process::endure();
        own_panics();
    }
}

/// Serves with what [`Server::ready`] has made, until a signal stops it.
pub(crate) fn run_out(pool: &Arc<Pool>) -> io::Result<()> {
    sys::give_back_start();
    let done = pool.run();
    pool.accept().unlink();
    process::call_off_deadline();
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

/// Says in the log where these sockets listen, and what is unwise about each.
fn introduce(listeners: &[Listener], peers: &Peers, addresses: &[Address]) {
    for listener in listeners {
        let is_tcp = matches!(listener.local_addr(), Address::Tcp(_));
        if listener.is_public() && peers.is_anybody() {
            // It can only be inherited: we refuse to bind such an address unless --allow names who may connect.
            warn!(
                "other machines can reach {}, and FastCGI has no password: name the web server's address by --allow, or let \
                 a firewall admit it alone",
                listener.local_addr()
            );
        } else if !matches!(addresses, [Address::Fd(0)]) {
            info!("listening on {}", listener.described());
        }
        if is_tcp && let Some(reason) = peers.why_nobody() {
            error!("nobody may connect to {}: {reason}", listener.local_addr());
        }
        if listener.is_swept() {
            warn!(
                "{} is in a folder for temporary files: cleaners sweep it, and services with a private one (systemd's \
                 PrivateTmp, as Apache's on Debian) do not find it; choose one below /run",
                listener.local_addr()
            );
        }
    }
}

/// Has a panic in a handler be a line in the log, and says where a panic cannot be contained.
fn own_panics() {
    hook_panics();
    if cfg!(panic = "abort") {
        warn!("this program is built with panic = \"abort\": a panic in one request ends them all");
    }
}
