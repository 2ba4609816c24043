//! The flags of serving, as one table. The command line and the settings file are both read by it (`command`, `file`), the help
//! prints it (`help`), and what was asked for is an `Options`. How a flag's value is written is in `value`.

pub(super) mod file;
pub(super) mod help;
pub(super) mod options;
pub(super) mod value;

use crate::cli::nearest::nearest;
use crate::server::{MOST_PROCESSES, Server};
use getopts::Matches;
use help::Topic;
use options::Value;
use std::sync::OnceLock;
use std::time::Duration;
use value::LEAST_WAIT;

/// All flags of serving. A value that is out of its range is refused; the builder's methods clamp it instead.
#[rustfmt::skip]
static FLAGS: &[Flag] = &[
    flag("listen", "ADDR", "unix:/path, 127.0.0.1:9000 or fd:3; repeatable", Kind::Listen),
    flag("http", "ADDR", "http, to try it out: 127.0.0.1:8000", Kind::Http),
    running("socket-mode", "MODE", "of a socket file, exactly [0660 less the umask]", Kind::SocketMode),
    running("socket-owner", "OWNER", "of a socket file: app:www-data, :www-data", Kind::SocketOwner),
    running("allow", "PREFIX", "who may connect by TCP; repeatable", Kind::Allow),
    flag("mount", "PATH", "what it is reached under: /app [found]", Kind::Mount),
    flag("trusted-proxy", "PREFIX", "its X-Forwarded-* count; repeatable", Kind::TrustedProxy),
    flag("workers", "N", "requests answered at once", Kind::Number(1, 1024, |s| &mut s.workers)),
    running("stack-size", "BYTES", "stack of a worker", Kind::Number(64 << 10, 1 << 30, |s| &mut s.stack_size)),
    running("processes", "N", "served by, under one parent; 0: by itself", Kind::Number(0, MOST_PROCESSES, |s| &mut s.processes)),
    running("max-requests", "N", "of a process, until it is replaced; 0: never", Kind::Number(0, MOST_REQUESTS, |s| &mut s.max_requests)),
    running("grace", "SECONDS", "for what runs when asked to stop", Kind::Seconds(0, |s| &mut s.grace)),
    flag("log-level", "LEVEL", "off error warn info debug trace [RUST_LOG, info]", Kind::Level),
    running("access-log", "FILE", "a line for each request, in Apache's format", Kind::AccessLog),
    wait("first-byte-timeout", "silence of a new connection", |s| &mut s.limits.first_byte_timeout),
    wait("head-timeout", "all of a request's parameters", |s| &mut s.limits.head_timeout),
    wait("body-timeout", "the next byte of a body", |s| &mut s.limits.body_timeout),
    wait("write-timeout", "an answer of which nothing is taken", |s| &mut s.limits.write_timeout),
    wait("idle-timeout", "a kept connection without a request", |s| &mut s.limits.idle_timeout),
    wait("linger-timeout", "a close with unread bytes", |s| &mut s.limits.linger_timeout),
    running("slow", "SECONDS", "log a request that runs longer; 0: off", Kind::Seconds(0, |s| &mut s.limits.slow)),
    running("timeout", "SECONDS", "end a longer one, with --processes; 0: off", Kind::Seconds(0, |s| &mut s.limits.timeout)),
    most("max-params", "BYTES", "all parameters; 64K is 65536", 64 << 10, 16 << 20, |s| &mut s.limits.max_params),
    most("max-pairs", "N", "parameters of a request", 1, 16_384, |s| &mut s.limits.max_pairs),
    most("max-pair", "BYTES", "one parameter, name and value", 256, 16 << 20, |s| &mut s.limits.max_pair),
    Flag { topic: Topic::Limits, ..flag("max-body", "BYTES", "the body of a request", Kind::Bytes(|s| &mut s.limits.max_body)) },
    most("max-waiting-heads", "BYTES", "parameters, not whole yet", 0, 1 << 30, |s| &mut s.limits.max_waiting_heads),
    most("max-connections", "N", "open connections", 1, 1 << 20, |s| &mut s.limits.max_connections),
    running("multiplex", "", "several requests at once on a connection", Kind::Switch(|s| &mut s.limits.multiplex)),
    most("mpx-body", "BYTES", "kept of a body there until it is read", 1 << 10, 64 << 20, |s| &mut s.limits.mpx_body),
    Flag { topic: Topic::Limits, ..running("mpx-stall", "SECONDS", "that a body may hold up its connection", Kind::Seconds(0, |s| &mut s.limits.mpx_stall)) },
    flag("sendfile", "HOW", "x-sendfile, or x-accel:/folder=/location", Kind::Sendfile),
    running("status", "PATH", "a page that says what it is doing: /status", Kind::Status),
    running("status-allow", "PREFIX", "sees it, as this machine does; repeatable", Kind::StatusAllow),
    flag("debug", "", "show visitors why a request failed", Kind::Switch(|s| &mut s.setup.debug)),
    flag("keepalive", "", "conf: the server keeps connections open", Kind::Keepalive),
];

/// The application's own flags ([`Server::flag`]), which are known from the start of `main` on.
static OF_APPLICATION: OnceLock<Vec<Flag>> = OnceLock::new();

/// Has the application's own flags read and shown as all others are.
///
/// # Panics
/// If one of them has the name of another flag: nobody could give it.
pub(super) fn know(server: &Server) {
    let own = server.setup.flags.iter();
    let own: Vec<Flag> = own
        .map(|own| flag(own.name, own.value, own.help, Kind::Application))
        .collect();
    for (at, new) in own.iter().enumerate() {
        let is_same = |other: &Flag| other.name == new.name;
        let is_taken = FLAGS.iter().chain(&own[..at]).any(is_same)
            || ["help", "version", "child"].contains(&new.name);
        assert!(!is_taken, "there is a flag {} already", new.name);
    }
    let _ = OF_APPLICATION.set(own);
}

/// All flags, the application's included.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> + Clone {
    FLAGS
        .iter()
        .chain(OF_APPLICATION.get().into_iter().flatten())
}

/// More than a process answers in its life.
const MOST_REQUESTS: usize = 1 << 40;

/// Where in the server a flag's value is.
pub(super) type Field<T> = fn(&mut Server) -> &mut T;

/// A flag of serving.
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// Its value's name in the help.
    pub(super) value: &'static str,
    help: &'static str,
    pub(super) kind: Kind,
    /// On which screen of help it stands.
    topic: Topic,
}

/// What kind of value a flag has, and what it changes.
pub(super) enum Kind {
    Listen,
    Http,
    Level,
    AccessLog,
    Keepalive,
    Mount,
    TrustedProxy,
    Sendfile,
    Status,
    StatusAllow,
    /// It has no value: it turns something on.
    Switch(Field<bool>),
    SocketMode,
    SocketOwner,
    Allow,
    /// The least that it may be, in ms.
    Seconds(u64, Field<Duration>),
    /// The least and the most that it may be.
    Number(usize, usize, Field<usize>),
    Bytes(Field<u64>),
    /// The application has it for its own use.
    Application,
}

/// The names of all flags of serving.
#[cfg(feature = "toolbox")]
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    all().map(|flag| flag.name)
}

/// What the help calls the value of the flag with this name.
pub(super) fn value_name(name: &str) -> Option<&'static str> {
    let flag = all().find(|flag| flag.name == name);
    flag.map(|flag| flag.value)
}

const fn flag(name: &'static str, value: &'static str, help: &'static str, kind: Kind) -> Flag {
    Flag {
        name,
        value,
        help,
        kind,
        topic: Topic::Serve,
    }
}

/// A flag of how the program runs and what it tells.
const fn running(name: &'static str, value: &'static str, help: &'static str, kind: Kind) -> Flag {
    Flag {
        topic: Topic::Running,
        ..flag(name, value, help, kind)
    }
}

/// A limit of time.
const fn wait(name: &'static str, help: &'static str, field: Field<Duration>) -> Flag {
    Flag {
        topic: Topic::Limits,
        ..flag(name, "SECONDS", help, Kind::Seconds(LEAST_WAIT, field))
    }
}

/// A limit of size or number.
const fn most(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    least: usize,
    most: usize,
    field: Field<usize>,
) -> Flag {
    Flag {
        topic: Topic::Limits,
        ..flag(name, value, help, Kind::Number(least, most, field))
    }
}

impl Flag {
    /// Its values on the command line, in their order. That of a flag without a value is empty.
    pub(super) fn values(&self, matches: &Matches) -> Vec<String> {
        match self.takes_value() {
            true => matches.opt_strs(self.name),
            false if matches.opt_present(self.name) => vec![String::new()],
            false => Vec::new(),
        }
    }

    pub(super) fn takes_value(&self) -> bool {
        !matches!(self.kind, Kind::Keepalive | Kind::Switch(_))
    }

    /// Whether it may be given more than once.
    pub(super) fn is_repeatable(&self) -> bool {
        use Kind::*;
        matches!(self.kind, Listen | TrustedProxy | StatusAllow | Allow)
    }

    /// Whether what it asks for is compiled in.
    fn is_built_in(&self) -> bool {
        let is_for_http = matches!(self.kind, Kind::Http);
        let is_for_conf = matches!(self.kind, Kind::Keepalive);
        (cfg!(feature = "dev") || !is_for_http) && (cfg!(feature = "toolbox") || !is_for_conf)
    }

    /// Reads its value.
    ///
    /// # Errors
    /// One sentence, without the flag's name.
    fn read(&self, text: &str) -> Result<Value, String> {
        if !self.is_built_in() {
            return Err(
                "this program is built without it; build it with fcgi's features dev and toolbox"
                    .into(),
            );
        }
        Ok(match self.kind {
            Kind::Listen => Value::Listen(value::address(text)?),
            Kind::Http => Value::Http(value::http(text)?),
            Kind::Level => Value::Level(value::level(text)?),
            Kind::AccessLog => Value::AccessLog(value::file(text)?),
            Kind::Keepalive => Value::Keepalive,
            Kind::Mount => Value::Mount(value::mount(text)?),
            Kind::TrustedProxy => Value::TrustedProxy(value::prefix(text)?),
            Kind::Sendfile => Value::Sendfile(value::sendfile(text)?),
            Kind::Status => Value::Status(value::status(text)?),
            Kind::StatusAllow => Value::StatusAllow(value::prefix(text)?),
            Kind::Switch(field) => Value::Switch(field),
            Kind::SocketMode => Value::SocketMode(value::socket_mode(text)?),
            Kind::SocketOwner => Value::SocketOwner(value::owner(text)?),
            Kind::Allow => Value::Allow(value::prefix(text)?),
            Kind::Seconds(least, field) => Value::Seconds(field, value::seconds(text, least)?),
            Kind::Number(least, most, field) => Value::Number(
                field,
                value::number(text, least as u64, most as u64)? as usize,
            ),
            Kind::Bytes(field) => Value::Bytes(field, value::number(text, 0, u64::MAX)?),
            Kind::Application => Value::Application(self.name, text.to_owned()),
        })
    }

    /// What the application has set it to, for its line of help: ` [30]`. Empty if there is nothing to be told.
    fn default(&self, server: &mut Server) -> String {
        match self.kind {
            Kind::Listen
            | Kind::Http
            | Kind::Level
            | Kind::AccessLog
            | Kind::Keepalive
            | Kind::Mount
            | Kind::TrustedProxy
            | Kind::Sendfile
            | Kind::Status
            | Kind::StatusAllow
            | Kind::Switch(_)
            | Kind::SocketMode
            | Kind::SocketOwner
            | Kind::Allow => String::new(),
            Kind::Seconds(_, field) => format!(" [{}]", value::seconds_of(*field(server))),
            Kind::Number(_, _, field) => format!(" [{}]", value::short(*field(server) as u64)),
            Kind::Bytes(field) => format!(" [{}]", value::short(*field(server))),
            Kind::Application => match server.flag_of(self.name) {
                "" => String::new(),
                text => format!(" [{text}]"),
            },
        }
    }
}

/// The sentence for a name that no flag of serving has; `dashes` is `--` on the command line and empty in the settings file.
pub(super) fn unknown(name: &str, dashes: &str) -> String {
    let dashed = match name.chars().count() {
        1 if !dashes.is_empty() => "-",
        _ => dashes,
    };
    let names = all().map(|flag| flag.name);
    let near = nearest(name, &mut names.chain(["help", "version"]));
    let near = near.filter(|near| dashes == "--" || !["help", "version"].contains(near));
    match near {
        Some(near) => format!("{dashed}{name} is no flag; did you mean {dashes}{near}?"),
        None => format!("{dashed}{name} is no flag; see --help"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::served;
    use std::path::Path;

    /// Each flag with a value that is good and not the default, and how the server has it then.
    #[test]
    fn every_flag_sets_what_it_names() {
        for (flag, value, shown) in [
            ("workers", "9", "[9]"),
            ("stack-size", "64k", "[64K]"),
            ("grace", "0", "[0]"),
            ("processes", "256", "[256]"),
            ("max-requests", "10000", "[10000]"),
            ("first-byte-timeout", "0.1", "[0.1]"),
            ("head-timeout", "86400", "[86400]"),
            ("body-timeout", "1.25", "[1.25]"),
            ("write-timeout", "2.5", "[2.5]"),
            ("idle-timeout", "007", "[7]"),
            ("linger-timeout", "1.0", "[1]"),
            ("slow", "10s", "[10]"),
            ("timeout", "2.5s", "[2.5]"),
            ("max-params", "16M", "[16M]"),
            ("max-pairs", "16384", "[16384]"),
            ("max-pair", "1000", "[1000]"),
            ("max-body", "2G", "[2G]"),
            ("max-waiting-heads", "0", "[0]"),
            ("max-connections", "1M", "[1M]"),
        ] {
            let all = |server: &mut Server| {
                help::serving("app", server)
                    + &help::running("app", server)
                    + &help::limits("app", server)
            };
            let help = all(&mut served(&[&format!("--{flag}"), value]));
            let line = help
                .lines()
                .find(|line| line.contains(&format!("--{flag} ")));
            assert!(line.unwrap().ends_with(shown), "{line:?}");
            let text = format!("{flag} {value}");
            let file = file::parse_file(&text, Path::new("/")).unwrap();
            let from_file = all(&mut file.apply(Server::new()));
            assert_eq!(from_file, help, "the file says the same");
        }
        assert_eq!(served(&["--max-params", "16M"]).limits.max_params, 16 << 20);
        assert_eq!(
            served(&["--head-timeout=0.25"]).limits.head_timeout,
            Duration::from_millis(250)
        );
    }

    /// The builder clamps; what is refused here must not be looser than that.
    #[test]
    fn every_range_lies_within_the_builders() {
        let largest = Server::new()
            .workers(1024)
            .processes(256)
            .max_params(16 << 20)
            .max_pairs(16_384)
            .mpx_body(usize::MAX);
        let smallest = Server::new()
            .workers(1)
            .stack_size(64 << 10)
            .max_params(64 << 10)
            .mpx_body(0)
            .max_connections(1);
        for flag in FLAGS {
            let Kind::Number(least, most, field) = flag.kind else {
                continue;
            };
            let unbounded = [
                "stack-size",
                "max-requests",
                "max-pair",
                "max-waiting-heads",
                "max-connections",
            ];
            if !unbounded.contains(&flag.name) {
                assert_eq!(*field(&mut largest.clone()), most, "{}", flag.name);
            }
            if !["max-pairs", "max-pair", "max-waiting-heads"].contains(&flag.name) {
                assert_eq!(*field(&mut smallest.clone()), least, "{}", flag.name);
            }
        }
    }
}
