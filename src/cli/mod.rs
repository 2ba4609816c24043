//! The command line that every application carries.
//!
//! What it decides, in this order: whether this is a CGI request, in which the arguments are a visitor's and are not
//! looked at; the flags; the settings file; and by them where requests come from.

#[cfg(feature = "toolbox")]
mod asked;
#[cfg(feature = "toolbox")]
mod bench;
#[cfg(feature = "toolbox")]
mod check;
#[cfg(feature = "toolbox")]
mod conf;
#[cfg(feature = "toolbox")]
mod explain;
mod flags;
#[cfg(feature = "toolbox")]
mod front;
mod gate;
#[cfg(feature = "toolbox")]
mod get;
#[cfg(feature = "dev")]
mod http;
#[cfg(feature = "toolbox")]
mod json;
mod lines;
mod nearest;
#[cfg(feature = "toolbox")]
mod order;
#[cfg(feature = "toolbox")]
mod own;
mod program;
#[cfg(feature = "toolbox")]
mod script;
#[cfg(feature = "toolbox")]
mod sent;
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
use crate::net::{Address, Facts, Origin, sys};
use crate::parent::{self, Plan, Program};
use crate::request::Request;
use crate::response::Response;
use crate::server::{Server, run_out};
use flags::{Command, Options, Topic};
use settings::{Settings, Wrong};
use std::env;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::sync::Arc;

pub use program::home;

/// Serves `app` as its command line, its settings file and whoever started it ask: [`Server::main`] with the defaults.
pub fn main<F>(app: F) -> ExitCode
where
    F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
{
    Server::new().responder(app).main()
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
    /// the log has the sentence. Settings that are put right are followed from the next request on.
    pub fn main(self) -> ExitCode {
        sys::one_heap();
        match apart(|| begin(self)) {
            Begun::Serves(server, addresses) => {
                let pool = apart(move || server.ready(&addresses));
                exit_code(pool.and_then(|pool| run_out(&pool)))
            }
            Begun::Done(code) => code,
        }
    }
}

/// What became of a command line.
enum Begun {
    /// This server is to serve here. What was read to find that out is gone.
    Serves(Box<Server>, Vec<Address>),
    Done(ExitCode),
}

fn begin(server: Server) -> Begun {
    let facts = Facts::gather();
    if facts.is_cgi() {
        return Begun::Done(apart(|| answer_cgi(server)));
    }
    Begun::Done(match apart(|| flags::parse(env::args_os().skip(1))) {
        Ok((Command::Serve, flags)) => return serve(server, facts, flags),
        Ok((Command::Conf(name, form), flags)) => apart(|| print_conf(server, &name, &form, flags)),
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
            lines::start(None);
            exit_code(gate::refuse(server, &sentence))
        }),
        Err(sentence) => misused(&sentence),
    })
}

fn help(topic: Topic, mut server: Server) -> String {
    let name = program::name();
    match topic {
        Topic::Serve => flags::help(&name, &mut server),
        Topic::Running => flags::help_running(&name, &mut server),
        Topic::Limits => flags::help_limits(&name, &mut server),
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
        Topic::Conf | Topic::Check | Topic::Get | Topic::Bench => flags::help(&name, &mut server),
    }
}

fn answer_cgi(server: Server) -> ExitCode {
    let server = match read_settings() {
        Ok(settings) => {
            lines::start(settings.log_level());
            let mut server = settings.apply(server);
            tell(&settings, &mut server);
            with_access_log(server)
        }
        Err((_, wrong)) => {
            lines::start(None);
            server.responder(move |_, _| Err(Error::new(503, wrong.sentence.clone())))
        }
    };
    exit_code(server.serve_cgi())
}

/// In its place one that says why, if the log cannot be opened.
fn with_access_log(mut server: Server) -> Server {
    match server.try_access_log() {
        Ok(()) => server,
        Err(error) => {
            server.access_log = None;
            server.responder(move |_, _| Err(Error::new(503, error.to_string())))
        }
    }
}

fn serve(server: Server, facts: Facts, flags: Options) -> Begun {
    let settings = match apart(read_settings) {
        Ok(settings) => settings,
        Err((file, wrong)) if facts.is_inherited() => {
            lines::start(flags.log_level());
            return done(apart(|| gate::serve(server, facts, flags, file, wrong)));
        }
        Err((_, wrong)) => return Begun::Done(misused(&wrong.sentence)),
    };
    let options = flags.clone().over(settings);
    let application = server.clone();
    let mut server = options.apply(server);
    lines::start(options.log_level());
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
    notes.iter().for_each(|note| log::info!("{note}"));
    warn_of_vain(&server, &origin);
    match origin {
        Origin::Nothing => Begun::Done(misused(&format!(
            "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
             REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or write \
             --listen unix:/path{}",
            if cfg!(feature = "dev") {
                ", or --http 8000 to look at it in a browser"
            } else {
                ""
            }
        ))),
        Origin::Terminal => Begun::Done(apart(|| trial::at_terminal(server))),
        Origin::Http(address) => Begun::Done(apart(|| trial::serve(server, address))),
        origin if server.processes > 0 => {
            done(apart(|| serve_as_parent(server, &origin.addresses())))
        }
        origin => Begun::Serves(Box::new(server), origin.addresses()),
    }
}

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
    Begun::Serves(Box::new(server), addresses)
}

/// What was asked for counts for nothing without something else.
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
            log::warn!("{name} counts for {owner} alone; it is ignored");
        }
    }
}

/// What there is to be known about the settings, for whoever looks for the reason of something.
fn tell(options: &Options, server: &mut Server) {
    if log::log_enabled!(log::Level::Debug) {
        options
            .told(server)
            .iter()
            .for_each(|line| log::debug!("{line}"));
    }
}

fn read_settings() -> Result<Options, (Settings, Wrong)> {
    match Settings::of_program() {
        Some(file) => file.read().map_err(|wrong| (file, wrong)),
        None => Ok(Options::default()),
    }
}

#[cfg(feature = "toolbox")]
fn print_conf(server: Server, web_server: &str, form: &str, flags: Options) -> ExitCode {
    let settings = match read_settings() {
        Ok(settings) => settings,
        Err((_, wrong)) => return misused(&wrong.sentence),
    };
    let alone = settings.apply(server.clone());
    let options = flags.over(settings);
    let server = options.apply(server);
    let Some(program) = program::as_typed() else {
        return misused("nobody knows where this program lies: the system has no /proc");
    };
    // A web server does not start in the folder in which this is typed.
    let here = env::current_dir().unwrap_or_default();
    let listen: Vec<String> = server
        .listen
        .iter()
        .map(|address| address.resolved(&here).to_string())
        .collect();
    let site = conf::Site {
        program: &program,
        listen: &listen,
        workers: server.workers,
        keepalive: options.keepalive(),
        mount: server.setup.mount.as_deref().unwrap_or(""),
        access: &access(&server),
        processes: server.processes,
        waits: conf::Waits::of(&server),
        max_body: server.limits.max_body,
        told: &conf::told(&alone, &server),
    };
    match conf::text(web_server, form, &site) {
        Ok(text) => print(text),
        Err(sentence) => misused(sentence),
    }
}

/// Who may connect, as flags. No shell minds them: an owner has neither a space nor a quote.
#[cfg(feature = "toolbox")]
fn access(server: &Server) -> String {
    let mut flags = String::new();
    if let Some(mode) = server.permit.mode {
        flags += &format!(" --socket-mode {mode:04o}");
    }
    if let Some(owner) = &server.permit.owner {
        flags += &format!(" --socket-owner {owner}");
    }
    for peer in &server.allow {
        flags += &format!(" --allow {peer}");
    }
    flags
}

#[cfg(not(feature = "toolbox"))]
fn print_conf(_: Server, _: &str, _: &str, _: Options) -> ExitCode {
    misused("this program is built without conf; build it with the feature toolbox")
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

fn misused(sentence: &str) -> ExitCode {
    say(sentence);
    ExitCode::from(2)
}

/// `eprintln!` would panic where nobody reads standard error any more.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}: {sentence}", program::name());
}

fn done(how: io::Result<()>) -> Begun {
    Begun::Done(exit_code(how))
}

fn exit_code(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
