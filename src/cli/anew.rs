//! A process that a web server started begins anew, as the same process, when its settings have changed and the application
//! answers 503. Called by `cli::main`, and by the gate once it is open.
//!
//! What an application needs at its start is often a setting of its own: a data folder, a database. On a shared host nobody can
//! restart the process that has found it wrong, and who mends the file would read the same 503 until the web server ends the
//! process. So a 503 has the file looked at. If it has changed, the process answers whom it has accepted, and executes itself:
//! fd 0, the pid, arguments and environment stay, and who connects meanwhile waits in the socket's backlog, or is a sibling's.
//!
//! While all goes well the file is not looked at: settings count from a start on.

use super::program;
use super::settings::{Settings, Version};
use crate::connection::Failure;
use crate::log_line::info;
use crate::net::sys;
use crate::pool::Pool;
use crate::process;
use crate::server::Server;
use std::env;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Looks at the settings when the application answers 503.
pub(super) struct Anew {
    settings: Settings,
    /// Of the file, before it was read.
    version: Version,
    pool: OnceLock<Arc<Pool>>,
    is_due: AtomicBool,
}

impl Anew {
    /// For the settings of this program, before they are read. `None` if nobody knows where the program lies.
    pub(super) fn of_program() -> Option<Arc<Anew>> {
        Settings::of_program().map(Anew::of)
    }

    pub(super) fn of(settings: Settings) -> Arc<Anew> {
        Arc::new(Anew {
            version: settings.version(),
            settings,
            pool: OnceLock::new(),
            is_due: AtomicBool::new(false),
        })
    }

    /// Has this server tell of its failures.
    pub(super) fn watch(self: &Arc<Anew>, server: &mut Server) {
        let (anew, failed) = (Arc::clone(self), server.handlers.failed.take());
        server.handlers.failed = Some(Arc::new(move |failure| {
            if let Some(failed) = &failed {
                failed(failure);
            }
            anew.look(failure);
        }));
    }

    /// That server's workers: they end when the process is to begin anew.
    pub(super) fn stops(&self, pool: &Arc<Pool>) {
        let _ = self.pool.set(Arc::clone(pool));
    }

    fn look(&self, failure: &Failure) {
        let is_503 = matches!(failure, Failure::Error(error) if error.status() == 503);
        // A process whose program is gone for a moment stays what it is.
        let is_there = || program::executable().is_some_and(Path::exists);
        if !is_503 || self.settings.version() == self.version || !is_there() {
            return;
        }
        if let Some(pool) = self.pool.get()
            && !self.is_due.swap(true, Ordering::SeqCst)
        {
            info!("the settings have changed: the next request finds them read anew");
            pool.accept().ask_to_stop();
        }
    }

    /// Begins anew where that is due, once the workers have ended. It returns if it is not, or if the program cannot be executed.
    ///
    /// # Errors
    /// What `done` was, or why the program cannot be executed.
    pub(super) fn begin(&self, done: io::Result<()>) -> io::Result<()> {
        if !self.is_due.load(Ordering::SeqCst) || process::was_asked_to_stop() {
            return done;
        }
        let path = program::as_typed().unwrap_or_default();
        let arguments: Vec<_> = env::args_os().collect();
        sys::execute(&path, &arguments)
    }
}
