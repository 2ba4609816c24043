//! The gate stands before the application while its settings are wrong: requests are answered 503, and the log says why, until
//! somebody puts the settings file right. Called by `cli::main` for a program that a web server has started.
//!
//! Such a process must not exit: mod_fcgid would start it again at once, and mod_fastcgi and lighttpd would give it up. And
//! nobody can restart it on a shared host. So a first pool of one worker serves fd 0 with what the flags alone say, and looks
//! at the file at each request. The request that finds it right starts a second pool, with the file's settings, on the same
//! socket, and is itself answered by the application, unless it came too early for values that the application has there. The
//! connections that wait in the first pool are handed over to the second, so that no visitor notices the change.
//!
//! Flags stay as they are for as long as the process lives: if they are wrong, every request is a 503 until it is stopped.

use super::anew::Anew;
use super::flags::options::Options;
use super::log_lines;
use super::settings::{Settings, Wrong};
use crate::application::{Call, Handlers, Make, start_up};
use crate::error::Error;
use crate::log_line::{debug, error, info, warn};
use crate::net::{Address, Facts, Listener};
use crate::pool::Pool;
use crate::process;
use crate::server::Server;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The socket that the web server has passed on.
const SOCKET: [Address; 1] = [Address::Fd(0)];

/// Serves until a signal stops it: first behind the gate, as the flags alone say; once the settings are right, as they say.
pub(super) fn serve(
    server: Server,
    facts: Facts,
    flags: Options,
    settings: Settings,
    wrong: Wrong,
) -> io::Result<()> {
    let mut gatekeeper = flags.apply(server.clone()).workers(1);
    // The access log may be what is wrong.
    gatekeeper.access_log = None;
    gatekeeper.own_process()?;
    let listeners = gatekeeper.bind(&SOCKET)?;
    let gate = Arc::new(Gate {
        server,
        facts,
        flags,
        settings,
        told: Mutex::default(),
        first: OnceLock::new(),
        second: OnceLock::new(),
    });
    gate.tell(wrong);
    gatekeeper.handlers = gate.before(&gatekeeper.handlers);
    let first = gatekeeper.pool(listeners)?;
    let _ = gate.first.set(Arc::clone(&first));
    process::stop_on_signal(&first);
    let mut done = first.run();
    if let Some(second) = gate.second.get() {
        first.accept().hand_over(second.pool.accept());
        match second.has_threads {
            true => second.pool.join(),
            false => done = second.pool.run(),
        }
        process::call_off_deadline();
        return second.anew.begin(done);
    }
    process::call_off_deadline();
    done
}

/// Answers every request 503, until a signal stops it: for wrong flags, which nobody can put right while the program runs.
pub(super) fn refuse(mut server: Server, sentence: &str) -> io::Result<()> {
    error!("every request is answered 503 until this program is started otherwise: {sentence}");
    let refused = sentence.to_owned();
    let refusing: Make = Arc::new(move || {
        let sentence = refused.clone();
        let call: Call = Box::new(move |_, _| Err(Error::new(503, &*sentence).told()));
        Ok(call)
    });
    for role in server.handlers.roles.iter_mut().flatten() {
        *role = Arc::clone(&refusing);
    }
    server.workers(1).serve(&SOCKET)
}

/// What both pools share.
struct Gate {
    /// The application's own, without flags and settings.
    server: Server,
    facts: Facts,
    flags: Options,
    settings: Settings,
    /// What is wrong, as the log has it.
    told: Mutex<Option<Wrong>>,
    /// The pool that serves behind the closed gate.
    first: OnceLock<Arc<Pool>>,
    /// Set once the gate is open.
    second: OnceLock<Second>,
}

/// The pool that serves once the gate is open.
struct Second {
    pool: Arc<Pool>,
    /// Whether threads could be started for its workers. If not, the thread that called [`serve`] works in it, after the first
    /// pool.
    has_threads: bool,
    anew: Arc<Anew>,
}

impl Gate {
    /// The same handlers, each with the gate before it.
    fn before(self: &Arc<Gate>, handlers: &Handlers) -> Handlers {
        let roles = std::array::from_fn(|role| {
            let (gate, make) = (Arc::clone(self), handlers.roles[role].clone()?);
            let gated: Make = Arc::new(move || Ok(gate.guard(role, Arc::clone(&make))));
            Some(gated)
        });
        Handlers {
            roles,
            failed: handlers.failed.clone(),
            error_page: handlers.error_page.clone(),
            // Handlers that the gate makes cannot fail to be made. The application's can: those are counted in its own server's
            // `start_ups`, by one count for both pools.
            start_ups: Arc::default(),
        }
    }

    /// A handler that asks the gate, and makes the application's own with the first request that is let through.
    fn guard(self: &Arc<Gate>, role: usize, make: Make) -> Call {
        let (gate, mut application) = (Arc::clone(self), None);
        Box::new(move |request, response| {
            if !gate.is_open() {
                return Err(gate.refusal());
            }
            let application = match &mut application {
                Some(application) => application,
                none => {
                    let start_ups = &gate.server.handlers.start_ups;
                    none.insert(start_ups.make(role, || start_up(&make))?)
                }
            };
            application(request, response)
        })
    }

    /// Whether a request may go on to the application. If the gate is closed, the settings are looked at again, and the gate
    /// is opened if they are right.
    fn is_open(&self) -> bool {
        if self.second.get().is_some() {
            return true;
        }
        let anew = Anew::of(self.settings.clone());
        let settings = match self.settings.read() {
            Ok(settings) => settings,
            Err(wrong) => {
                self.tell(wrong);
                return false;
            }
        };
        let has_own = settings.has_own();
        let options = self.flags.clone().over(settings);
        let server = options.apply(self.server.clone());
        if let Err(error) = server.try_access_log() {
            self.tell(Wrong::access_log(&error));
            return false;
        }
        match self.open(server, &options, anew) {
            // Whoever asks now has come before the settings counted: they may say who may connect, and have values of the
            // application's own, which the request does not know. It has to come again.
            Ok(is_for_all) => is_for_all && !has_own,
            Err(error) => {
                error!("the settings are right, but cannot be followed yet: {error}");
                false
            }
        }
    }

    /// Logs what is wrong: once for each version of the file, not at each request.
    fn tell(&self, wrong: Wrong) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&wrong) {
            error!("every request is answered 503: {}", wrong.sentence);
            *told = Some(wrong);
        }
    }

    /// What a request is answered. The log has the reason already.
    fn refusal(&self) -> Error {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let why = told
            .as_ref()
            .map_or("the settings cannot be followed yet", |wrong| {
                &wrong.sentence
            });
        Error::new(503, why).told()
    }

    /// Starts the second pool, and has the first one hand over to it. Returns whether everybody who could connect so far still
    /// may.
    fn open(&self, server: Server, options: &Options, anew: Arc<Anew>) -> io::Result<bool> {
        let mut server = server.with_open_log()?;
        anew.watch(&mut server);
        let (grace, listen_given) = (server.grace, server.listen.clone());
        let has_parent = server.processes > 0;
        let told = options.told(&mut server);
        let listeners = server.bind(&SOCKET)?;
        let is_tcp = |listener: &Listener| matches!(listener.local_addr(), Address::Tcp(_));
        let is_for_all = server.allow.is_empty() || !listeners.iter().any(is_tcp);
        let pool = server.pool(listeners)?;
        anew.stops(&pool);
        log_lines::start(options.log_level());
        info!("the settings are right now");
        told.iter().for_each(|line| debug!("{line}"));
        let (_, notes) = self.facts.decide(&listen_given, options.http());
        notes.iter().for_each(|note| info!("{note}"));
        if has_parent {
            // A parent of --processes forks before it has threads, and has no workers. This process has both already.
            warn!(
                "processes counts from the next start on; until then this process serves by itself"
            );
        }
        process::set_grace(grace);
        process::stop_on_signal(&pool);
        let has_threads = pool.start().is_ok();
        if let Some(first) = self.first.get() {
            first.accept().hand_over(pool.accept());
            first.accept().ask_to_leave();
        }
        let _ = self.second.set(Second {
            pool,
            has_threads,
            anew,
        });
        Ok(is_for_all)
    }
}
