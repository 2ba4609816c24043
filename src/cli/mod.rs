//! The command line that every application carries.
//!
//! What it decides, in this order: whether this is a CGI request, in which the arguments are a visitor's and are not
//! looked at; the flags; the settings file; and by them where requests come from.

mod anew;
#[cfg(feature = "toolbox")]
mod asked;
#[cfg(feature = "toolbox")]
mod bench;
#[cfg(feature = "toolbox")]
mod check;
mod command;
#[cfg(feature = "toolbox")]
mod command_flags;
#[cfg(feature = "toolbox")]
mod conf;
#[cfg(feature = "toolbox")]
mod explain;
mod flags;
mod gate;
#[cfg(feature = "toolbox")]
mod get;
#[cfg(feature = "dev")]
mod http;
#[cfg(feature = "toolbox")]
mod input;
#[cfg(feature = "toolbox")]
mod json;
mod log_lines;
mod nearest;
#[cfg(feature = "toolbox")]
mod order;
mod program;
#[cfg(feature = "toolbox")]
mod script;
#[cfg(all(feature = "toolbox", feature = "dev"))]
mod serve;
mod settings;
#[cfg(any(feature = "toolbox", feature = "dev"))]
mod stderr;
mod trial;
#[cfg(feature = "toolbox")]
mod words;

use crate::apart::apart;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::log_line::{debug, error, info, warn};
use crate::net::{Address, Facts, Origin, sys};
use crate::parent::{self, Plan, Program};
use crate::pool::Pool;
use crate::request::Request;
use crate::response::Response;
use crate::server::{Server, run_out};
use anew::Anew;
use command::Command;
use flags::help::Topic;
use flags::options::Options;
use settings::{Settings, Wrong};
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::sync::Arc;

pub use program::{home, settings_file};

/// Serves `app` as its command line, its settings file and whoever started it ask: [`Server::main`] with the defaults.
///
/// What stands before it in the program's `main` runs for `check`, `conf` and `--version`, too: what has effects, such as a
/// folder that is made, belongs into [`Server::responder_with`].
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     fcgi::cli::main(|req, res| res.send(req.path()))
/// }
/// ```
pub fn main<F>(app: F) -> ExitCode
where
    F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
{
    Server::new().responder(app).main()
}

/// The arguments behind the program's name, for an order of the application's own that is looked for before [`main`]:
/// `app --set-password`. In CGI there are none: a visitor's query stands there, as in `?--set-password`, and what a visitor
/// sends is on standard input.
///
/// ```no_run
/// # fn set_password() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
/// # fn app(_: &mut fcgi::Request, res: fcgi::Response) -> fcgi::Result { res.send("") }
/// fn main() -> std::process::ExitCode {
///     match fcgi::cli::arguments().next() {
///         Some(order) if order == "--set-password" => set_password(),
///         _ => fcgi::cli::main(app),
///     }
/// }
/// ```
pub fn arguments() -> impl Iterator<Item = OsString> {
    let is_cgi = Facts::gather().is_cgi();
    env::args_os().skip(1).filter(move |_| !is_cgi)
}

impl Server {
    /// As [`run`](Server::run), with the command line: `--help` shows it.
    ///
    /// What the builder sets are the defaults. The settings file `.ht.NAME` beside the executable changes them, and
    /// flags change both; addresses replace addresses. Log lines go to standard error, unless the program has set a
    /// logger.
    ///
    /// The exit code is 0 when it was asked to stop and did in time, 1 when serving failed, 2 when it was started
    /// wrongly or there is nothing to serve; standard error has one sentence then, and nothing was touched. That of the
    /// command `get` says what the answer was: `help get` lists them.
    ///
    /// A process that a web server started, with a listening socket on fd 0, does not end for that: it answers 503, and
    /// the log has the sentence. Settings that are put right are followed from the next request on. While the application itself
    /// answers 503 (its start-up fails, say), settings that have changed are read anew: the same process executes the program
    /// once more, when what runs has been answered.
    ///
    /// ```no_run
    /// # use fcgi::Server;
    /// fn main() -> std::process::ExitCode {
    ///     Server::new().workers(2).responder(|req, res| res.send(req.path())).main()
    /// }
    /// ```
    pub fn main(self) -> ExitCode {
        sys::one_heap();
        match apart(|| begin(self)) {
            Begun::Serves(server, addresses, anew) => {
                let pool = apart(move || server.ready(&addresses));
                exit_code(pool.and_then(|pool| match anew {
                    Some(anew) => serve_on(&pool, &anew),
                    None => run_out(&pool),
                }))
            }
            Begun::Done(code) => code,
        }
    }
}

/// What the command line comes to.
enum Begun {
    /// This server is to serve at these addresses. All that was read to find that out has been freed.
    Serves(Box<Server>, Vec<Address>, Option<Arc<Anew>>),
    /// All is done, and the process is to end.
    Done(ExitCode),
}

/// Does what the command line asks for, up to serving itself: see [`Begun`]. `command` reads the arguments by the table in
/// `flags`; each command is a module of its own.
fn begin(server: Server) -> Begun {
    flags::know(&server);
    let facts = Facts::gather();
    if facts.is_cgi() {
        return Begun::Done(apart(|| answer_cgi(server)));
    }
    Begun::Done(match apart(|| command::parse(env::args_os().skip(1))) {
        Ok((Command::Serve, flags)) => return serve(server, facts, flags),
        #[cfg(feature = "toolbox")]
        Ok((Command::Conf(name, form), flags)) => apart(|| conf::run(server, &name, &form, flags)),
        #[cfg(not(feature = "toolbox"))]
        Ok((Command::Conf(..), _)) => {
            misused("this program is built without conf; build it with the feature toolbox")
        }
        #[cfg(feature = "toolbox")]
        Ok((Command::Check(wish), flags)) => apart(|| check::run(server, facts, &wish, flags)),
        #[cfg(feature = "toolbox")]
        Ok((Command::Get(wish), _)) => apart(|| get::run(server, *wish)),
        #[cfg(feature = "toolbox")]
        Ok((Command::Bench(plan), _)) => apart(|| bench::run(&plan)),
        #[cfg(all(feature = "toolbox", feature = "dev"))]
        Ok((Command::Front(wish), _)) => apart(|| serve::run(*wish)),
        Ok((Command::Help(topic), _)) => apart(|| print(&help(topic, server))),
        Ok((Command::Version, _)) => apart(|| {
            print(&format!(
                "{}, with fcgi {}\n",
                program::name(),
                env!("CARGO_PKG_VERSION")
            ))
        }),
        Err(sentence) if facts.is_inherited() => apart(|| {
            log_lines::start(None);
            exit_code(gate::refuse(server, &sentence))
        }),
        Err(sentence) => misused(&sentence),
    })
}

/// The text of a screen of help.
fn help(topic: Topic, mut server: Server) -> String {
    let name = program::name();
    match topic {
        Topic::Serve => flags::help::serving(&name, &mut server),
        Topic::Running => flags::help::running(&name, &mut server),
        Topic::Limits => flags::help::limits(&name, &mut server),
        #[cfg(feature = "toolbox")]
        Topic::Conf => conf::help(&name),
        #[cfg(feature = "toolbox")]
        Topic::Check => check::help(&name),
        #[cfg(feature = "toolbox")]
        Topic::Get => get::help(&name),
        #[cfg(feature = "toolbox")]
        Topic::Bench => bench::help(&name),
        #[cfg(all(feature = "toolbox", feature = "dev"))]
        Topic::Front => serve::help(&name),
        #[cfg(not(feature = "toolbox"))]
        Topic::Conf | Topic::Check | Topic::Get | Topic::Bench => {
            flags::help::serving(&name, &mut server)
        }
    }
}

/// Answers one CGI request: with a 503 if the settings are wrong.
fn answer_cgi(server: Server) -> ExitCode {
    let server = match read_settings() {
        Ok(settings) => {
            log_lines::start(settings.log_level());
            let mut server = settings.apply(server);
            tell(&settings, &mut server);
            with_access_log(server)
        }
        Err((_, wrong)) => {
            log_lines::start(None);
            server.responder(move |_, _| Err(Error::new(503, wrong.sentence.clone())))
        }
    };
    exit_code(server.serve_cgi())
}

/// The server with its access log open; if that cannot be opened, one that answers 503 and says why.
fn with_access_log(mut server: Server) -> Server {
    match server.try_access_log() {
        Ok(()) => server,
        Err(error) => {
            server.access_log = None;
            server.responder(move |_, _| Err(Error::new(503, error.to_string())))
        }
    }
}

/// Reads the settings, finds out where requests come from, and serves there, or prepares to: see [`Begun`].
///
/// A process that a web server has started does not end for what is wrong with its settings: the gate answers for it.
fn serve(server: Server, facts: Facts, flags: Options) -> Begun {
    let anew = facts.is_inherited().then(Anew::of_program).flatten();
    let settings = match apart(read_settings) {
        Ok(settings) => settings,
        Err((file, wrong)) if facts.is_inherited() => {
            log_lines::start(flags.log_level());
            return done(apart(|| gate::serve(server, facts, flags, file, wrong)));
        }
        Err((_, wrong)) => return Begun::Done(misused(&wrong.sentence)),
    };
    let options = flags.clone().over(settings);
    let application = server.clone();
    let mut server = options.apply(server);
    log_lines::start(options.log_level());
    if let Err(error) = server.try_access_log() {
        return match Settings::of_program() {
            Some(file) if facts.is_inherited() && options.child.is_none() => {
                let wrong = Wrong::access_log(&error);
                done(apart(|| {
                    gate::serve(application, facts, flags, file, wrong)
                }))
            }
            _ => Begun::Done(misused(&error.to_string())),
        };
    }
    if let Some(fds) = options.child {
        return serve_as_child(server, &fds);
    }
    let (origin, notes) = facts.decide(&server.listen, options.http());
    if let (Origin::Listen(_), Some(_)) = (&origin, options.http()) {
        return Begun::Done(misused(&format!(
            "{}: one waits for a web server, and the other is one; leave one out",
            options.named(&["listen", "http"]).join(", ")
        )));
    }
    tell(&options, &mut server);
    notes.iter().for_each(|note| info!("{note}"));
    warn_of_vain(&server, &origin);
    match origin {
        Origin::Nothing => Begun::Done(misused(&nothing_to_serve())),
        Origin::Terminal => Begun::Done(apart(|| trial::at_terminal(server))),
        Origin::Http(address) => Begun::Done(apart(|| trial::serve(server, address))),
        origin if server.processes > 0 => {
            done(apart(|| serve_as_parent(server, &origin.addresses())))
        }
        origin => {
            if let Some(anew) = &anew {
                anew.watch(&mut server);
            }
            Begun::Serves(Box::new(server), origin.addresses(), anew)
        }
    }
}

/// Serves until a signal stops it, or changed settings have the process begin anew.
fn serve_on(pool: &Arc<Pool>, anew: &Anew) -> io::Result<()> {
    anew.stops(pool);
    anew.begin(run_out(pool))
}

/// The sentence for a start without any place where requests could come from.
fn nothing_to_serve() -> String {
    format!(
        "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
         REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or write \
         --listen unix:/path{}",
        if cfg!(feature = "dev") {
            ", or --http 8000 to look at it in a browser"
        } else {
            ""
        }
    )
}

/// Starts children that serve at these addresses, and looks after them until a signal stops it.
fn serve_as_parent(server: Server, addresses: &[Address]) -> io::Result<()> {
    let path = program::as_typed()
        .ok_or_else(|| io::Error::other("--processes needs /proc to find the program"))?;
    parent::run(Plan {
        program: Program {
            path,
            arguments: env::args_os().collect(),
        },
        addresses: addresses.to_vec(),
        server,
    })
}

/// Prepares a child of `--processes`: its parent has passed on these descriptors, the line between them and the listeners.
fn serve_as_child(mut server: Server, fds: &[RawFd]) -> Begun {
    let Some((&control, listeners)) = fds.split_first() else {
        return Begun::Done(misused("--child has no descriptors"));
    };
    let control = match sys::duplicate(control).and_then(|line| {
        sys::close_on_exec(control)?;
        Control::passed_on(line)
    }) {
        Ok(control) => control,
        Err(error) => {
            return Begun::Done(misused(&format!(
                "--child {control}: only the parent of --processes writes that ({error}); leave it out"
            )));
        }
    };
    server.control = Some(Arc::new(control));
    let addresses = listeners.iter().copied().map(Address::Fd).collect();
    Begun::Serves(Box::new(server), addresses, None)
}

/// Logs which flags count for nothing, since something else is missing that they belong to.
fn warn_of_vain(server: &Server, origin: &Origin) {
    let is_trial = matches!(origin, Origin::Http(_) | Origin::Terminal);
    let has_page = server.setup.status.path.is_some();
    let (processes, allow) = (server.processes, &server.setup.status.allow);
    for (name, owner, is_vain) in [
        (
            "--max-requests",
            "the children of --processes",
            server.max_requests > 0 && processes == 0,
        ),
        (
            "--processes",
            "what web servers ask for",
            is_trial && processes > 0,
        ),
        (
            "--status-allow",
            "the page of --status",
            !allow.is_empty() && !has_page,
        ),
    ] {
        if is_vain {
            warn!("{name} counts for {owner} alone; it is ignored");
        }
    }
}

/// Logs each value and where it comes from, at level debug: for whoever looks for the reason of something.
fn tell(options: &Options, server: &mut Server) {
    if log::log_enabled!(log::Level::Debug) {
        options
            .told(server)
            .iter()
            .for_each(|line| debug!("{line}"));
    }
}

/// What the program's settings file asks for; nothing if there is none, or nobody knows where the program lies.
///
/// # Errors
/// What is wrong with the file, and the file, so that it can be read again later.
fn read_settings() -> Result<Options, (Settings, Wrong)> {
    match Settings::of_program() {
        Some(file) => file.read().map_err(|wrong| (file, wrong)),
        None => Ok(Options::default()),
    }
}

/// Writes to standard output. A reader who has seen enough (`conf nginx | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Ends a program that was started wrongly: one sentence on standard error, and status 2.
fn misused(sentence: &str) -> ExitCode {
    say(sentence);
    ExitCode::from(2)
}

/// Writes a sentence to standard error. `eprintln!` would panic where nobody reads that any more.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}: {sentence}", program::name());
}

/// The process ends with this result.
fn done(how: io::Result<()>) -> Begun {
    Begun::Done(exit_code(how))
}

/// The exit status for this result. An error is logged.
fn exit_code(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}
