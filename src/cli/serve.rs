//! `serve`: http on this machine in front of any FastCGI application that listens somewhere, without a web server. Called by
//! `cli::main`.
//!
//! The http server is that of `--http`, in `http`; here is the application behind it. Each request has a connection of its own:
//! if the application is started anew, the next request reaches it.

use super::asked::{self, remedy};
use super::command_flags::{self, CommandFlag, Tables, many, text};
use super::flags::value;
use super::http::{Backend, Front, MAX_CONNECTIONS, Param};
use super::script::Script;
use super::words::Words;
use super::{exit_code, log_lines, print};
use crate::client::Client;
use crate::net::{Address, Prefix};
use crate::process;
use getopts::Matches;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// All flags of its own.
pub(super) const FLAGS: Tables = &[TABLE];

const TABLE: &[CommandFlag] = &[
    text(
        "",
        "connect",
        "ADDR",
        "where it listens: unix:/path, host:port",
    ),
    text("", "http", "ADDR", "where browsers come [127.0.0.1:8000]"),
    text(
        "",
        "script-filename",
        "FILE",
        "php-fpm: this script answers all",
    ),
    text("", "root", "DIR", "php-fpm: /x.php is DIR/x.php"),
    many(
        "",
        "allow",
        "PREFIX",
        "which other machine may come to --http",
    ),
    text("", "timeout", "SECONDS", "the longest silence [60]"),
];

/// So long requests may go on when it is asked to stop. A stream of events would never end, and a person waits at the terminal.
const GRACE: Duration = Duration::from_secs(2);

/// After this the process ends, even if it has not stopped.
const LAST: Duration = Duration::from_secs(10);

/// Where requests come from, and where they go.
#[derive(Debug)]
pub(super) struct Wish {
    /// Where browsers come; `None`: the usual address.
    http: Option<SocketAddr>,
    allow: Vec<Prefix>,
    timeout: Duration,
    application: Application,
}

/// The application that is asked.
#[derive(Debug)]
struct Application {
    address: Address,
    /// For php-fpm, the script that it is to run; other applications need none.
    script: Option<Script>,
}

impl Wish {
    /// Reads the arguments behind `serve`; `None` if its help is asked for.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Option<Wish>, String> {
        match command_flags::parse("serve", FLAGS, arguments)? {
            Some(matches) => Wish::of(&matches).map(Some),
            None => Ok(None),
        }
    }

    fn of(matches: &Matches) -> Result<Wish, String> {
        if let Some(word) = matches.free.first() {
            return Err(format!(
                "serve takes flags alone, and {word:?} is none; leave it out"
            ));
        }
        let allow = matches.opt_strs("allow");
        let allow: Result<Vec<Prefix>, String> =
            allow.iter().map(|text| value::prefix(text)).collect();
        let allow = allow.map_err(|reason| format!("--allow: {reason}"))?;
        let http = command_flags::value(matches, "http", value::http)?;
        let is_open = http.is_some_and(|http| Address::Tcp(http).is_public());
        if !allow.is_empty() && !is_open {
            return Err("--allow names other machines, and none can reach this one's loopback; write --http 0.0.0.0:8000 too".into());
        }
        Ok(Wish {
            allow,
            http,
            timeout: asked::time(matches, "timeout", 60)?,
            application: Application {
                address: asked::connect(matches)?.ok_or(
                    "serve needs an application; write --connect unix:/path, where it listens",
                )?,
                script: script(matches)?,
            },
        })
    }
}

/// What --script-filename and --root say.
fn script(matches: &Matches) -> Result<Option<Script>, Words> {
    match (matches.opt_str("script-filename"), matches.opt_str("root")) {
        (Some(_), Some(_)) => Err(
            "--script-filename is one script for all paths, and --root has one for each; leave one out",
        ),
        (Some(file), None) => Script::file(&file).map(Some),
        (None, Some(folder)) => Script::below(&folder).map(Some),
        (None, None) => Ok(None),
    }
}

/// One screen.
pub(super) fn help(name: &str) -> String {
    format!(
        "Usage: {name} serve --connect ADDR [FLAG]...    http before an application\n{}\
         For development: this machine alone comes in, unless --allow names others; {MAX_CONNECTIONS}\n\
         connections at a time are answered, and further ones wait. Bodies are streamed\n\
         both ways, and there are no files but those that the application sends. Where\n\
         8000 is taken and --http not given, the port is a free one: the first line on\n\
         standard output says which.\n\
         With --root other paths than those of scripts go to index.php: that of their\n\
         folder, or that of DIR.\n\
         To standard error goes a line for each request (method, path, status, bytes,\n\
         time), what the application writes to stderr, and why an answer failed. The\n\
         browser sees 502 if the application is not there, does not speak FastCGI or\n\
         breaks off, and 504 if it is silent. It may be started anew at any time.\n\
         Exit status: 0 after Ctrl-C, 1 when serving failed, 2 misused.\n",
        command_flags::lines(TABLE)
    )
}

/// Serves until a signal stops it.
pub(super) fn run(wish: Wish) -> ExitCode {
    log_lines::start(None);
    let front = match wish.http {
        Some(address) => Front::bind(address, &wish.allow),
        None => Front::bind_usual(),
    };
    exit_code(front.and_then(|front| serve(front, wish)))
}

fn serve(mut front: Front, wish: Wish) -> io::Result<()> {
    front.limits().application = wish.timeout;
    front.limits().stop = Some(GRACE);
    process::own(LAST, false)?;
    let stop = process::signal_pipe()?;
    print(&format!("http://{}/\n", front.local_addr()));
    front.run(wish.application, stop)?;
    process::call_off_deadline();
    Ok(())
}

impl Backend for Application {
    fn connect(&self) -> io::Result<Client> {
        Client::connect(&self.address)
            .map_err(|error| io::Error::new(error.kind(), format!("{error}{}", remedy(&error))))
    }

    fn adapt(&self, params: &mut Vec<Param>) {
        if let Some(script) = &self.script {
            script.name_in(params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_screen_and_has_every_flag() {
        let help = help("app.fcgi");
        assert!(help.lines().count() <= 24, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for flag in TABLE {
            assert!(help.contains(&format!("--{} ", flag.name)), "{}", flag.name);
        }
    }
}
