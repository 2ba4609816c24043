//! What is left in the hands of whoever has started a server in threads of its own.

use crate::access_log::AccessLog;
use crate::net::{Address, Transport};
use crate::pool::Pool;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A server that runs in threads of its own. Dropping it leaves the server running.
///
/// ```
/// # use fcgi::Server;
/// let server = Server::new()
///     .listen("127.0.0.1:0".parse().unwrap()) // any free port
///     .responder(|_, res| res.send("Hello"))
///     .start()
///     .unwrap();
/// assert_eq!(server.addresses().len(), 1);
/// server.stop();
/// server.join();
/// ```
pub struct Handle {
    pub(crate) pool: Arc<Pool>,
}

impl Handle {
    /// Asks the server to stop: sockets that it made are removed, running requests finish, and whoever has connected is
    /// answered.
    ///
    /// By TCP a connection that comes from another machine at the very moment may still be reset. A connection without a request is closed after
    /// a second, one whose request has come in part after [`head_timeout`](crate::Server::head_timeout); one that is kept for its
    /// next request at once.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # let server = Server::new().listen("127.0.0.1:0".parse().unwrap()).responder(|_, res| res.send(""));
    /// let server = server.start().unwrap();
    /// server.stop();
    /// server.join();
    /// ```
    pub fn stop(&self) {
        self.pool.accept().unlink();
        self.pool.accept().ask_to_stop();
    }

    /// Waits until every worker has ended. Without [`stop`](Handle::stop) that is never.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # let server = Server::new().listen("127.0.0.1:0".parse().unwrap()).responder(|_, res| res.send(""));
    /// let server = server.start().unwrap();
    /// server.stop();
    /// server.join(); // no worker runs any more
    /// ```
    pub fn join(self) {
        self.pool.join();
    }

    /// Where the server listens, with the port that was taken for port 0.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # let server = Server::new().listen("127.0.0.1:0".parse().unwrap()).responder(|_, res| res.send(""));
    /// let server = server.start().unwrap();
    /// for address in server.addresses() {
    ///     println!("{address}"); // 127.0.0.1:41233, for one
    /// }
    /// # server.stop();
    /// # server.join();
    /// ```
    pub fn addresses(&self) -> Vec<Address> {
        self.pool
            .accept()
            .listeners()
            .iter()
            .map(|listener| listener.local_addr().clone())
            .collect()
    }

    /// Has the [access log](crate::Server::access_log) go on in the file that has its path now, which is made if there is none: after
    /// whoever turns logs over has renamed it. Without an access log it does nothing.
    ///
    /// ```
    /// # use fcgi::Server;
    /// # let server = Server::new().listen("127.0.0.1:0".parse().unwrap()).responder(|_, res| res.send(""));
    /// let server = server.start().unwrap();
    /// server.reopen_access_log().unwrap(); // after a log was renamed
    /// # server.stop();
    /// # server.join();
    /// ```
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
