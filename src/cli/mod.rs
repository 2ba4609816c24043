//! The command line that every application carries.
//!
//! What it decides, in this order: whether this is a CGI request, in which the arguments are a visitor's and are not
//! looked at; the flags; the settings file; and by them where requests come from.

#[cfg(feature = "toolbox")]
mod conf;
mod flags;
mod gate;
#[cfg(feature = "dev")]
mod http;
mod lines;
mod program;
mod settings;
mod trial;

use crate::error::{Error, Result};
use crate::net::{Facts, Origin, sys};
use crate::request::Request;
use crate::response::Response;
use crate::server::Server;
use flags::{Command, Options, Topic};
use settings::{Settings, Wrong};
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

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
    /// wrongly or there is nothing to serve; standard error has one sentence then.
    pub fn main(self) -> ExitCode {
        sys::one_heap();
        let facts = Facts::gather();
        if facts.is_cgi() {
            return answer_cgi(self);
        }
        match flags::parse(env::args_os().skip(1)) {
            Ok((Command::Serve, flags)) => serve(self, facts, flags),
            Ok((Command::Conf(server, form), flags)) => print_conf(self, &server, &form, flags),
            Ok((Command::Help(topic), _)) => print(&help(topic, self)),
            Ok((Command::Version, _)) => print(&format!(
                "{}, with fcgi {}\n",
                program::name(),
                env!("CARGO_PKG_VERSION")
            )),
            Err(sentence) => misused(&sentence),
        }
    }
}

fn help(topic: Topic, mut server: Server) -> String {
    let name = program::name();
    match topic {
        Topic::Serve => flags::help(&name, &mut server),
        Topic::Limits => flags::help_limits(&name, &mut server),
        #[cfg(feature = "toolbox")]
        Topic::Conf => conf::help(&name),
        #[cfg(not(feature = "toolbox"))]
        Topic::Conf => flags::help(&name, &mut server),
    }
}

fn answer_cgi(server: Server) -> ExitCode {
    let server = match read_settings() {
        Ok(settings) => {
            lines::start(settings.log_level);
            settings.apply(server)
        }
        Err((_, wrong)) => {
            lines::start(None);
            server.responder(move |_, _| Err(Error::new(503, wrong.sentence.clone())))
        }
    };
    exit_code(server.serve_cgi())
}

fn serve(server: Server, facts: Facts, flags: Options) -> ExitCode {
    let settings = match read_settings() {
        Ok(settings) => settings,
        Err((file, wrong)) if facts.is_inherited() => {
            lines::start(flags.log_level);
            return exit_code(gate::serve(server, facts, flags, file, wrong));
        }
        Err((_, wrong)) => return misused(&wrong.sentence),
    };
    let options = flags.over(settings);
    let server = options.apply(server);
    lines::start(options.log_level);
    let (origin, notes) = facts.decide(&server.listen, options.http);
    notes.iter().for_each(|note| log::info!("{note}"));
    match origin {
        Origin::Nothing => misused(&format!(
            "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
             REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or write \
             --listen unix:/path{}",
            if cfg!(feature = "dev") {
                ", or --http 8000 to look at it in a browser"
            } else {
                ""
            }
        )),
        Origin::Terminal => trial::at_terminal(server),
        Origin::Http(address) => trial::serve(server, address),
        origin => exit_code(server.serve(&origin.addresses())),
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
        keepalive: options.keepalive,
        mount: server.setup.mount.as_deref().unwrap_or(""),
        access: &access(&server),
    };
    match conf::text(web_server, form, &site) {
        Ok(text) => print(&text),
        Err(sentence) => misused(&sentence),
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

fn exit_code(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
