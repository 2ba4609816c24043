//! The flags, as one table: the command line and the settings file are both read by it, and `--help` prints it.

use super::nearest::nearest;
#[cfg(feature = "toolbox")]
use super::own::{self, Tables};
#[cfg(all(feature = "toolbox", feature = "dev"))]
use super::serve;
#[cfg(feature = "toolbox")]
use super::{bench, check, get};
use crate::net::{Address, Owner, Prefix};
use crate::sendfile::Sendfile;
use crate::server::{MOST_PROCESSES, Server};
use getopts::{Fail, Matches};
use log::LevelFilter;
use std::env;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All that can be asked for. Values that are out of range are refused here, not clamped.
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
    running("timeout", "SECONDS", "replace the process of a longer one; 0: off", Kind::Seconds(0, |s| &mut s.limits.timeout)),
    most("max-params", "BYTES", "all parameters; 64K is 65536", 64 << 10, 16 << 20, |s| &mut s.limits.max_params),
    most("max-pairs", "N", "parameters of a request", 1, 16_384, |s| &mut s.limits.max_pairs),
    most("max-pair", "BYTES", "one parameter, name and value", 256, 16 << 20, |s| &mut s.limits.max_pair),
    Flag { topic: Topic::Limits, ..flag("max-body", "BYTES", "the body of a request", Kind::Bytes(|s| &mut s.limits.max_body)) },
    most("max-waiting-heads", "BYTES", "parameters, not whole yet", 0, 1 << 30, |s| &mut s.limits.max_waiting_heads),
    most("max-connections", "N", "open connections", 1, 1 << 20, |s| &mut s.limits.max_connections),
    flag("sendfile", "HOW", "x-sendfile, or x-accel:/folder=/location", Kind::Sendfile),
    running("status", "PATH", "a page that says what it is doing: /status", Kind::Status),
    running("status-allow", "PREFIX", "sees it, as this machine does; repeatable", Kind::StatusAllow),
    flag("debug", "", "show visitors why a request failed", Kind::Debug),
    flag("keepalive", "", "conf: the server keeps connections open", Kind::Keepalive),
];

/// More than a process answers in its life.
const MOST_REQUESTS: usize = 1 << 40;

/// In ms. A wait of nothing would give up what arrives in the next packet; the accept loop looks at its clock in steps
/// of 50 ms.
pub(super) const LEAST_WAIT: u64 = 100;

/// In ms: a day.
const LONGEST: u64 = 86_400_000;

/// What a person or a file asks for. What is not named stays as the application has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// In their order; of a flag that may be repeated each.
    settings: Vec<Setting>,
    /// What a parent has passed on: the line to it, and its listeners.
    pub(super) child: Option<Vec<RawFd>>,
    /// The file that the lines are in.
    pub(super) file: PathBuf,
}

/// What was named, and where.
#[derive(Clone, Debug)]
struct Setting {
    flag: &'static str,
    value: Value,
    /// As it was written.
    text: String,
    /// `None`: a flag.
    line: Option<usize>,
}

/// One value of the server that is to be another.
#[derive(Clone, Debug)]
enum Value {
    Listen(Address),
    Http(SocketAddr),
    Level(LevelFilter),
    AccessLog(PathBuf),
    Keepalive,
    Mount(String),
    TrustedProxy(Prefix),
    Sendfile(Sendfile),
    Status(String),
    StatusAllow(Prefix),
    Debug,
    SocketMode(u32),
    SocketOwner(Owner),
    Allow(Prefix),
    Seconds(Field<Duration>, Duration),
    Number(Field<usize>, usize),
    Bytes(Field<u64>, u64),
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Command {
    Serve,
    /// For which web server, in which of its forms: nothing for the usual one.
    Conf(String, String),
    #[cfg(feature = "toolbox")]
    Check(Box<check::Wish>),
    #[cfg(feature = "toolbox")]
    Get(Box<get::Wish>),
    #[cfg(feature = "toolbox")]
    Bench(Box<bench::Plan>),
    /// Http in front of another application.
    #[cfg(all(feature = "toolbox", feature = "dev"))]
    Front(Box<serve::Wish>),
    Help(Topic),
    Version,
}

/// What can be typed in front of flags.
const COMMANDS: [&str; 5] = ["conf", "check", "get", "bench", "serve"];

/// Those of them with flags of their own: they come first.
#[cfg(feature = "toolbox")]
const OWNERS: &[(&str, Tables)] = &[
    ("check", check::FLAGS),
    ("get", get::FLAGS),
    ("bench", bench::FLAGS),
    #[cfg(feature = "dev")]
    ("serve", serve::FLAGS),
];

/// One screen of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Serve,
    /// Processes, sockets, logs.
    Running,
    Limits,
    Conf,
    Check,
    Get,
    Bench,
    #[cfg(all(feature = "toolbox", feature = "dev"))]
    Front,
}

/// Where in the server a flag's value is.
type Field<T> = fn(&mut Server) -> &mut T;

struct Flag {
    name: &'static str,
    /// Its value's name in the help.
    value: &'static str,
    help: &'static str,
    kind: Kind,
    /// Which screen it stands on.
    topic: Topic,
}

enum Kind {
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
    Debug,
    SocketMode,
    SocketOwner,
    Allow,
    /// At least so many ms.
    Seconds(u64, Field<Duration>),
    /// From least to most.
    Number(usize, usize, Field<usize>),
    Bytes(Field<u64>),
}

/// Reads the arguments behind the program's name.
///
/// # Errors
/// One sentence.
pub(super) fn parse(
    arguments: impl Iterator<Item = OsString>,
) -> Result<(Command, Options), String> {
    #[cfg(feature = "toolbox")]
    let mut arguments = arguments.peekable();
    #[cfg(feature = "toolbox")]
    if let Some(word) = arguments.next_if(|word| OWNERS.iter().any(|owner| word == owner.0)) {
        return command_of_its_own(&word.to_string_lossy(), arguments);
    }
    #[cfg(all(feature = "toolbox", not(feature = "dev")))]
    if arguments.next_if(|word| word == "serve").is_some() {
        return Err(
            "serve is http, and this program is built without it; build it with fcgi's feature dev"
                .into(),
        );
    }
    let arguments: Vec<OsString> = arguments.collect();
    let matches = grammar(&arguments).parse(&arguments).map_err(explain)?;
    if matches.opt_present("help") {
        return Ok((Command::Help(topic(&matches.free)), Options::default()));
    }
    if matches.opt_present("version") {
        return Ok((Command::Version, Options::default()));
    }
    let command = command(&matches)?;
    let options = options_of(&matches)?;
    if options.http().is_some() && matches!(command, Command::Conf(..)) {
        return Err("--http serves, and the command conf only prints; leave one out".into());
    }
    if options.keepalive() && !matches!(command, Command::Conf(..)) {
        return Err("--keepalive is for the command conf; see --help".into());
    }
    Ok((command, options))
}

/// Reads the arguments behind a command that has flags of its own beside those of serving; `None` if its help is asked for.
///
/// # Errors
/// One sentence.
#[cfg(feature = "toolbox")]
pub(super) fn parse_with(
    word: &str,
    own: Tables,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Option<(Matches, Options)>, String> {
    let arguments: Vec<OsString> = arguments.collect();
    let mut grammar = grammar(&arguments);
    own::add(&mut grammar, own);
    let matches = grammar
        .parse(&arguments)
        .map_err(|fail| own::explain(word, own, true, fail))?;
    if matches.opt_present("help") {
        return Ok(None);
    }
    let options = options_of(&matches)?;
    Ok(Some((matches, options)))
}

/// What the flags of serving ask for.
fn options_of(matches: &Matches) -> Result<Options, String> {
    let mut options = Options::default();
    for flag in FLAGS.iter().filter(|flag| matches.opt_defined(flag.name)) {
        for text in flag.values(matches) {
            options
                .add(flag, &text, None)
                .map_err(|reason| format!("--{}: {reason}", flag.name))?;
        }
    }
    if let Some(numbers) = matches.opt_str("child") {
        options.child = Some(child(&numbers)?);
    }
    let here = env::current_dir().unwrap_or_default();
    if let Some(address) = options.repeated(&here) {
        return Err(format!("--listen {address} is given twice; leave one out"));
    }
    Ok(options)
}

/// Reads what is behind a command with flags of its own.
#[cfg(feature = "toolbox")]
fn command_of_its_own(
    word: &str,
    arguments: impl Iterator<Item = OsString>,
) -> Result<(Command, Options), String> {
    let mut options = Options::default();
    let (command, topic) = match word {
        "get" => {
            let wish = get::Wish::parse(arguments)?;
            (wish.map(|wish| Command::Get(Box::new(wish))), Topic::Get)
        }
        "bench" => {
            let plan = bench::Plan::parse(arguments)?;
            let bench = plan.map(|plan| Command::Bench(Box::new(plan)));
            (bench, Topic::Bench)
        }
        #[cfg(feature = "dev")]
        "serve" => {
            let wish = serve::Wish::parse(arguments)?;
            let front = wish.map(|wish| Command::Front(Box::new(wish)));
            (front, Topic::Front)
        }
        _ => {
            let check = check::Wish::parse(arguments)?.map(|(wish, flags)| {
                options = flags;
                Command::Check(Box::new(wish))
            });
            (check, Topic::Check)
        }
    };
    Ok((command.unwrap_or(Command::Help(topic)), options))
}

/// Reads the text of a settings file: one flag a line. Relative paths are taken from `home`.
///
/// # Errors
/// The number of the line, and one sentence.
pub(super) fn parse_file(text: &str, home: &Path) -> Result<Options, (usize, String)> {
    let mut options = Options::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        parse_line(line, number, home, &mut options).map_err(|reason| (number, reason))?;
    }
    for setting in &mut options.settings {
        match &mut setting.value {
            Value::Listen(address) => *address = address.resolved(home),
            Value::AccessLog(path) => *path = home.join(&*path),
            Value::Sendfile(Sendfile::Accel { folder, .. }) => *folder = home.join(&*folder),
            _ => {}
        }
    }
    Ok(options)
}

/// What all flags of serving are called.
#[cfg(feature = "toolbox")]
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    FLAGS.iter().map(|flag| flag.name)
}

/// What the value of one of them is called in the help.
#[cfg(feature = "toolbox")]
pub(super) fn value_of(name: &str) -> Option<&'static str> {
    let flag = FLAGS.iter().find(|flag| flag.name == name);
    flag.map(|flag| flag.value)
}

/// What fits a screen: how it is started and with which flags.
pub(super) fn help(name: &str, server: &mut Server) -> String {
    let mut text =
        format!("Usage: {name} [FLAG]...    serves; web servers start it without flags\n");
    if cfg!(feature = "toolbox") {
        text += &format!(
            "       {name} conf SERVER     prints a web server's configuration: help conf\n       \
             {name} check           what is wrong with it here: help check\n       \
             {name} get /path       one request, without any server: help get\n       \
             {name} bench           how fast an application answers: help bench\n"
        );
    }
    if cfg!(all(feature = "toolbox", feature = "dev")) {
        text +=
            &format!("       {name} serve           a browser sees any application: help serve\n");
    }
    text += &lines(server, Topic::Serve);
    text += "  --help, --version\n";
    text += &format!(
        "  {:<29} processes, sockets and logs: more flags\n",
        "help running"
    );
    text += &format!("  {:<29} the limits, which are flags too\n", "help limits");
    text += &format!("The file .ht.{name} has the same flags, one a line, without dashes.\n");
    text
}

/// The limits of time and size.
pub(super) fn help_limits(name: &str, server: &mut Server) -> String {
    format!(
        "{name} limits everything that grows and everything that waits:\n{}\
         What is not given is as in brackets. {name} --help shows the other flags.\n",
        lines(server, Topic::Limits)
    )
}

/// Processes, sockets and logs.
pub(super) fn help_running(name: &str, server: &mut Server) -> String {
    format!(
        "How {name} runs, who may connect, and what it tells:\n{}\
         --log-level, here or in the file, counts before RUST_LOG. SIGHUP opens the\n\
         access log anew; processes under a parent are replaced; a terminal hangs up.\n\
         What is not given is as in brackets. {name} --help shows the other flags.\n\
         Exit status: 0 asked to stop, and did in time; 1 serving failed; 2 started\n\
         wrongly, nothing was touched. Commands: in the help of each.\n",
        lines(server, Topic::Running)
    )
}

fn lines(server: &mut Server, topic: Topic) -> String {
    let wanted = FLAGS
        .iter()
        .filter(|flag| flag.is_built_in() && flag.topic == topic);
    let line = |flag: &Flag| {
        let left = format!("--{} {}", flag.name, flag.value);
        let default = flag.default(server);
        format!("  {left:<29} {}{default}\n", flag.help)
    };
    wanted.map(line).collect()
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

/// A flag of how it runs and what it tells.
const fn running(name: &'static str, value: &'static str, help: &'static str, kind: Kind) -> Flag {
    Flag {
        topic: Topic::Running,
        ..flag(name, value, help, kind)
    }
}

const fn wait(name: &'static str, help: &'static str, field: Field<Duration>) -> Flag {
    Flag {
        topic: Topic::Limits,
        ..flag(name, "SECONDS", help, Kind::Seconds(LEAST_WAIT, field))
    }
}

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

impl Options {
    pub(super) fn listen(&self) -> impl Iterator<Item = &Address> + Clone {
        self.settings
            .iter()
            .filter_map(|setting| match &setting.value {
                Value::Listen(address) => Some(address),
                _ => None,
            })
    }

    pub(super) fn http(&self) -> Option<SocketAddr> {
        self.settings
            .iter()
            .find_map(|setting| match setting.value {
                Value::Http(address) => Some(address),
                _ => None,
            })
    }

    pub(super) fn log_level(&self) -> Option<LevelFilter> {
        self.settings
            .iter()
            .find_map(|setting| match setting.value {
                Value::Level(level) => Some(level),
                _ => None,
            })
    }

    pub(super) fn keepalive(&self) -> bool {
        self.names("keepalive")
    }

    /// These over those: what these do not name is as in `below`.
    pub(super) fn over(self, mut below: Options) -> Options {
        // Who asks for one way to serve does not want the other one, which was asked for before.
        if self.names("http") {
            below.forget("listen");
        }
        if self.names("listen") {
            below.forget("http");
        }
        self.settings
            .iter()
            .for_each(|setting| below.forget(setting.flag));
        below.settings.extend(self.settings);
        below.child = self.child.or(below.child);
        below
    }

    /// Each value that serving goes by, and where it comes from: `workers 8 (line 3 of /srv/.ht.app.fcgi)`. `server` has
    /// them all.
    pub(super) fn told(&self, server: &mut Server) -> Vec<String> {
        let mut told = Vec::new();
        for flag in FLAGS {
            let default = flag.default(server);
            match default.trim_matches([' ', '[', ']']) {
                value if !value.is_empty() && !self.names(flag.name) => {
                    told.push(format!("{} {value} (default)", flag.name));
                }
                _ => told.append(&mut self.named(&[flag.name])),
            }
        }
        told
    }

    /// What was named of these flags, and where.
    pub(super) fn named(&self, flags: &[&str]) -> Vec<String> {
        let mut named = Vec::new();
        for flag in flags {
            let settings = self.settings.iter();
            let settings = settings.filter(|setting| setting.flag == *flag);
            named.extend(settings.map(|setting| setting.told(&self.file)));
        }
        named
    }

    fn names(&self, flag: &str) -> bool {
        self.settings.iter().any(|setting| setting.flag == flag)
    }

    fn add(&mut self, flag: &Flag, text: &str, line: Option<usize>) -> Result<(), String> {
        self.settings.push(Setting {
            flag: flag.name,
            value: flag.value_of(text)?,
            text: text.to_owned(),
            line,
        });
        Ok(())
    }

    fn forget(&mut self, flag: &str) {
        self.settings.retain(|setting| setting.flag != flag);
    }

    /// An address that was there before: listening on it would fail as if somebody else were serving there. Only
    /// port 0 is another one each time.
    fn repeated(&self, base: &Path) -> Option<&Address> {
        self.listen().enumerate().find_map(|(at, address)| {
            let is_any_port = matches!(address, Address::Tcp(tcp) if tcp.port() == 0);
            let is_same = |other: &Address| other.resolved(base) == address.resolved(base);
            (!is_any_port && self.listen().take(at).any(is_same)).then_some(address)
        })
    }

    /// These over what the application asks for.
    pub(super) fn apply(&self, mut server: Server) -> Server {
        // Several replace several.
        for setting in &self.settings {
            match setting.value {
                Value::Listen(_) | Value::Http(_) => server.listen.clear(),
                Value::TrustedProxy(_) => server.setup.trusted_proxies.clear(),
                Value::StatusAllow(_) => server.setup.status.allow.clear(),
                Value::Allow(_) => server.allow.clear(),
                _ => {}
            }
        }
        for setting in &self.settings {
            setting.value.apply(&mut server);
        }
        server
    }
}

impl Value {
    fn apply(&self, server: &mut Server) {
        match self {
            Value::Listen(address) => server.listen.push(address.clone()),
            Value::AccessLog(path) => server.access_log = Some(path.clone()),
            Value::Mount(mount) => server.set_mount(mount),
            Value::TrustedProxy(proxy) => server.setup.trusted_proxies.push(*proxy),
            Value::Sendfile(sendfile) => server.setup.sendfile = Some(sendfile.clone()),
            Value::Status(path) => server.set_status_page(path),
            Value::StatusAllow(range) => server.setup.status.allow.push(*range),
            Value::Debug => server.setup.debug = true,
            Value::SocketMode(mode) => server.permit.mode = Some(*mode),
            Value::SocketOwner(owner) => server.permit.owner = Some(owner.clone()),
            Value::Allow(peer) => server.allow.push(*peer),
            Value::Seconds(field, value) => *field(server) = *value,
            Value::Number(field, value) => *field(server) = *value,
            Value::Bytes(field, value) => *field(server) = *value,
            // Of these the server itself knows nothing.
            Value::Http(_) | Value::Level(_) | Value::Keepalive => {}
        }
    }
}

impl Setting {
    fn told(&self, file: &Path) -> String {
        let place = match self.line {
            Some(line) => format!("line {line} of {}", file.display()),
            None => format!("--{}", self.flag),
        };
        let space = if self.text.is_empty() { "" } else { " " };
        format!("{}{space}{} ({place})", self.flag, self.text)
    }
}

impl Flag {
    fn values(&self, matches: &Matches) -> Vec<String> {
        match self.kind {
            Kind::Keepalive | Kind::Debug if matches.opt_present(self.name) => vec![String::new()],
            Kind::Keepalive | Kind::Debug => Vec::new(),
            _ => matches.opt_strs(self.name),
        }
    }

    /// Whether what it asks for is compiled in.
    fn is_built_in(&self) -> bool {
        let is_for_http = matches!(self.kind, Kind::Http);
        let is_for_conf = matches!(self.kind, Kind::Keepalive);
        (cfg!(feature = "dev") || !is_for_http) && (cfg!(feature = "toolbox") || !is_for_conf)
    }

    fn value_of(&self, text: &str) -> Result<Value, String> {
        if !self.is_built_in() {
            return Err(
                "this program is built without it; build it with fcgi's features dev and toolbox"
                    .into(),
            );
        }
        Ok(match self.kind {
            Kind::Listen => Value::Listen(address(text)?),
            Kind::Http => Value::Http(http(text)?),
            Kind::Level => Value::Level(level(text)?),
            Kind::AccessLog => Value::AccessLog(file(text)?),
            Kind::Keepalive => Value::Keepalive,
            Kind::Mount => Value::Mount(mount(text)?),
            Kind::TrustedProxy => Value::TrustedProxy(prefix(text)?),
            Kind::Sendfile => Value::Sendfile(sendfile(text)?),
            Kind::Status => Value::Status(status(text)?),
            Kind::StatusAllow => Value::StatusAllow(prefix(text)?),
            Kind::Debug => Value::Debug,
            Kind::SocketMode => Value::SocketMode(socket_mode(text)?),
            Kind::SocketOwner => Value::SocketOwner(owner(text)?),
            Kind::Allow => Value::Allow(prefix(text)?),
            Kind::Seconds(least, field) => Value::Seconds(field, seconds(text, least)?),
            Kind::Number(least, most, field) => {
                Value::Number(field, number(text, least as u64, most as u64)? as usize)
            }
            Kind::Bytes(field) => Value::Bytes(field, number(text, 0, u64::MAX)?),
        })
    }

    /// What the application has it at: ` [30]`.
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
            | Kind::Debug
            | Kind::SocketMode
            | Kind::SocketOwner
            | Kind::Allow => String::new(),
            Kind::Seconds(_, field) => format!(" [{}]", seconds_of(*field(server))),
            Kind::Number(_, _, field) => format!(" [{}]", short(*field(server) as u64)),
            Kind::Bytes(field) => format!(" [{}]", short(*field(server))),
        }
    }
}

/// Of the flags that these arguments name. What all of them would take is 16 KiB of heap, which an idle process has for ever, and
/// a quarter of the instructions of a start.
fn grammar(arguments: &[OsString]) -> getopts::Options {
    let mut grammar = getopts::Options::new();
    grammar.optflag("h", "help", "").optflag("V", "version", "");
    // What a parent starts a child with; nothing that a person would type, and so not in the help.
    grammar.optopt("", "child", "", "");
    let named: Vec<&str> = arguments
        .iter()
        .filter_map(|word| long_name(word))
        .collect();
    for flag in FLAGS.iter().filter(|flag| named.contains(&flag.name)) {
        match flag.kind {
            Kind::Listen | Kind::TrustedProxy | Kind::StatusAllow | Kind::Allow => {
                grammar.optmulti("", flag.name, "", "")
            }
            Kind::Keepalive | Kind::Debug => grammar.optflag("", flag.name, ""),
            _ => grammar.optopt("", flag.name, "", ""),
        };
    }
    grammar
}

/// `listen` of `--listen` and `--listen=unix:/path`.
fn long_name(argument: &OsStr) -> Option<&str> {
    let long = argument.to_str()?.strip_prefix("--")?;
    Some(long.split_once('=').map_or(long, |(name, _)| name))
}

/// `3,4,5`: the line to the parent, and its listeners.
fn child(numbers: &str) -> Result<Vec<RawFd>, String> {
    let fds: Result<Vec<RawFd>, _> = numbers.split(',').map(str::parse).collect();
    match fds {
        Ok(fds) if fds.len() > 1 && fds.iter().all(|&fd| fd > 2) => Ok(fds),
        _ => Err(format!(
            "--child {numbers}: only the parent of --processes writes that; leave it out"
        )),
    }
}

fn command(matches: &Matches) -> Result<Command, String> {
    let words: Vec<&str> = matches.free.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(Command::Serve),
        ["conf"] => Ok(Command::Conf(String::new(), String::new())),
        ["conf", server] => Ok(Command::Conf(server.into(), String::new())),
        ["conf", server, form] => Ok(Command::Conf(server.into(), form.into())),
        ["conf", _, _, word, ..] => Err(format!(
            "conf takes one web server and one form, and {word:?} is one word more; leave it out"
        )),
        ["help", ..] => Ok(Command::Help(topic(&matches.free))),
        #[cfg(feature = "toolbox")]
        [word, ..] if OWNERS.iter().any(|owner| owner.0 == word) => Err(format!(
            "the command {word} stands in front of its flags; see help {word}"
        )),
        [word, ..] => Err(match nearest(word, &mut COMMANDS.into_iter()) {
            Some(near) => format!("{word:?} is no command; did you mean {near}?"),
            None => format!(
                "{word:?} is no command; the commands are {}, and flags begin with --: see --help",
                listed(&COMMANDS)
            ),
        }),
    }
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// `help limits`, `conf --help`.
fn topic(words: &[String]) -> Topic {
    let has = |wanted| words.iter().any(|word| word == wanted);
    match () {
        () if has("limits") => Topic::Limits,
        () if has("running") => Topic::Running,
        () if has("conf") && cfg!(feature = "toolbox") => Topic::Conf,
        () if has("check") && cfg!(feature = "toolbox") => Topic::Check,
        () if has("get") && cfg!(feature = "toolbox") => Topic::Get,
        () if has("bench") && cfg!(feature = "toolbox") => Topic::Bench,
        #[cfg(all(feature = "toolbox", feature = "dev"))]
        () if has("serve") => Topic::Front,
        () => Topic::Serve,
    }
}

/// Reads the line of this number.
fn parse_line(line: &str, number: usize, home: &Path, options: &mut Options) -> Result<(), String> {
    let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Some(name) = name.strip_prefix("--") {
        return Err(format!("a flag has no dashes here; write {name}"));
    }
    if let Some((name, value)) = assigned(line) {
        return Err(format!(
            "between name and value is a space here; write {name} {value}"
        ));
    }
    let flag = FLAGS.iter().find(|flag| flag.name == name);
    let flag = flag.ok_or_else(|| unknown(name, ""))?;
    match flag.kind {
        Kind::Keepalive => return Err("keepalive is for the command conf; leave it out".into()),
        Kind::Debug if !value.is_empty() => return Err("debug takes no value; write debug".into()),
        Kind::Listen | Kind::TrustedProxy | Kind::StatusAllow | Kind::Allow => {}
        _ if options.names(name) => {
            return Err(format!("{name} is given twice; leave one out"));
        }
        _ => {}
    }
    if value.is_empty() && !matches!(flag.kind, Kind::Debug) {
        return Err(format!("{name} needs a value; write {name} {}", flag.value));
    }
    options
        .add(flag, value.trim(), Some(number))
        .map_err(|reason| format!("{name}: {reason}"))?;
    match options.repeated(home) {
        Some(address) => Err(format!("listen {address} is given twice; leave one out")),
        None => Ok(()),
    }
}

/// Name and value of a line as other settings files have it: `workers = 4`, `workers=4`, `workers: 4`. An equals sign
/// would be taken for a path's beginning; a colon can be one (`socket-owner :www-data`), so that it counts at the name only.
fn assigned(line: &str) -> Option<(&str, &str)> {
    let end = line.find(|at: char| at.is_whitespace() || "=:".contains(at))?;
    let (name, rest) = line.split_at(end);
    let value = rest
        .strip_prefix(':')
        .or_else(|| rest.trim_start().strip_prefix('='))?;
    Some((name, value.trim()))
}

/// A `#` begins a comment at the start of a line and after a space: a path may have one within.
fn without_comment(line: &str) -> &str {
    let is_start = |at: usize| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    let start = line.match_indices('#').find(|&(at, _)| is_start(at));
    start.map_or(line, |(at, _)| &line[..at])
}

fn explain(fail: Fail) -> String {
    match fail {
        Fail::UnrecognizedOption(name) => unknown(&name, "--"),
        Fail::ArgumentMissing(name) => {
            let flag = FLAGS.iter().find(|flag| flag.name == name);
            let value = flag.map_or("VALUE", |flag| flag.value);
            format!("--{name} needs a value; write --{name} {value}")
        }
        Fail::OptionDuplicated(name) => format!("--{name} is given twice; leave one out"),
        Fail::UnexpectedArgument(name) => {
            format!("--{name} takes no value; write just --{name}")
        }
        // No flag is required.
        Fail::OptionMissing(name) => format!("--{name} is missing; write it"),
    }
}

fn unknown(name: &str, dashes: &str) -> String {
    let dashed = match name.chars().count() {
        1 if !dashes.is_empty() => "-",
        _ => dashes,
    };
    #[cfg(feature = "toolbox")]
    if dashes == "--"
        && let Some((owner, _)) = OWNERS.iter().find(|(_, flags)| own::has(flags, name))
    {
        return format!("{dashed}{name} is for the command {owner}; see help {owner}");
    }
    let names = FLAGS.iter().map(|flag| flag.name);
    let near = nearest(name, &mut names.chain(["help", "version"]));
    let near = near.filter(|near| dashes == "--" || !["help", "version"].contains(near));
    match near {
        Some(near) => format!("{dashed}{name} is no flag; did you mean {dashes}{near}?"),
        None => format!("{dashed}{name} is no flag; see --help"),
    }
}

/// Only what a URL's path can begin with.
fn mount(value: &str) -> Result<String, String> {
    let is_path = value.starts_with('/') && !value.contains("//");
    match is_path && !value.contains(['?', '#', '%']) && !value.contains(char::is_control) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "{value:?} is no mount; write the path of the URL that the application is reached under, decoded: /app, or /"
        )),
    }
}

/// A path of the application's, as [`Request::path`](crate::Request::path) has it.
fn status(value: &str) -> Result<String, String> {
    let is_path = value.starts_with('/') && !value.contains(['?', '#', '%']);
    match is_path && !value.contains(char::is_control) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "{value:?} is no path; write the page's path below the mount, decoded: /status"
        )),
    }
}

/// Octal, as for chmod.
fn socket_mode(value: &str) -> Result<u32, String> {
    let is_octal = !value.is_empty() && value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(value, 8).ok().filter(|_| is_octal);
    mode.filter(|&mode| mode <= 0o777).ok_or_else(|| {
        format!(
            "{value:?} is no mode; write three octal digits, such as 0660 for its user and group"
        )
    })
}

fn owner(value: &str) -> Result<Owner, String> {
    value
        .parse()
        .map_err(|error: std::io::Error| error.to_string())
}

pub(super) fn prefix(value: &str) -> Result<Prefix, String> {
    value
        .parse()
        .map_err(|error: std::io::Error| error.to_string())
}

/// A path may have an equals sign: the last one ends the folder.
fn sendfile(value: &str) -> Result<Sendfile, String> {
    if value == "x-sendfile" {
        return Ok(Sendfile::Header);
    }
    let parts = value
        .strip_prefix("x-accel:")
        .and_then(|v| v.rsplit_once('='));
    match parts {
        Some((folder, location)) if !folder.is_empty() && location.starts_with('/') => {
            Ok(Sendfile::Accel {
                folder: folder.into(),
                location: location.to_owned(),
            })
        }
        _ => Err(format!(
            "{value:?} names no way; write x-sendfile (lighttpd, mod_xsendfile), or for nginx its internal location: \
             x-accel:/srv/files=/protected"
        )),
    }
}

pub(super) fn address(value: &str) -> Result<Address, String> {
    value
        .parse()
        .map_err(|error: std::io::Error| error.to_string())
}

/// Who may come there is asked when it is bound.
pub(super) fn http(value: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = value.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    match address(value) {
        Ok(Address::Tcp(address)) => Ok(address),
        // Without a port it is a path or a word, and what is said of those is not meant for this one.
        Err(reason) if value.contains(':') => Err(reason),
        _ => Err(format!(
            "{value:?} is no TCP address; write 8000, 127.0.0.1:8000 or [::1]:8000"
        )),
    }
}

fn file(value: &str) -> Result<PathBuf, String> {
    match value.is_empty() || value.ends_with('/') {
        true => Err(format!(
            "{value:?} is no file; write its path: .ht.access.log"
        )),
        false => Ok(value.into()),
    }
}

fn level(value: &str) -> Result<LevelFilter, String> {
    value
        .parse()
        .map_err(|_| format!("{value:?} is no level; write off, error, warn, info, debug or trace"))
}

/// Seconds, with up to three digits after a point; their `s` may stand behind.
pub(super) fn seconds(value: &str, least: u64) -> Result<Duration, String> {
    let bare = value.strip_suffix('s').unwrap_or(value);
    let (whole, part) = bare.split_once('.').unwrap_or((bare, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let ms = (are_digits(whole) && are_digits(part) && part.len() <= 3)
        .then(|| format!("{whole}{part:0<3}").parse().ok())
        .flatten();
    match ms {
        Some(ms) if (least..=LONGEST).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(format!(
            "{value:?} cannot be used; write seconds from {} to {}, such as 2.5",
            seconds_of(Duration::from_millis(least)),
            LONGEST / 1000
        )),
    }
}

/// As one would write it: `30`, `2.5`. Not by way of a float, which would be the only one in a static program.
pub(super) fn seconds_of(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number, with K, M or G for 1024, its square and its cube.
pub(super) fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    let (digits, shift) = match value.as_bytes().last() {
        Some(b'K' | b'k') => (&value[..value.len() - 1], 10),
        Some(b'M' | b'm') => (&value[..value.len() - 1], 20),
        Some(b'G' | b'g') => (&value[..value.len() - 1], 30),
        _ => (value, 0),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number);
    match number.and_then(|number| number.checked_mul(1 << shift)) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == u64::MAX => Err(format!(
            "{value:?} cannot be used; write a number, such as 8 or 64K"
        )),
        _ => Err(format!(
            "{value:?} cannot be used; write a number from {} to {}",
            short(least),
            short(most)
        )),
    }
}

/// As one would type it: 262144 is 256K.
fn short(number: u64) -> String {
    if number == u64::MAX {
        return "unlimited".into();
    }
    let (mut rest, mut suffix) = (number, "");
    for larger in ["K", "M", "G"] {
        if number < 64 << 10 || rest % 1024 != 0 {
            break;
        }
        (rest, suffix) = (rest / 1024, larger);
    }
    format!("{rest}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Command, Options), String> {
        parse(arguments.iter().map(OsString::from))
    }

    fn server(arguments: &[&str]) -> Server {
        parsed(arguments).unwrap().1.apply(Server::new())
    }

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
                help("app", server) + &help_running("app", server) + &help_limits("app", server)
            };
            let help = all(&mut server(&[&format!("--{flag}"), value]));
            let line = help
                .lines()
                .find(|line| line.contains(&format!("--{flag} ")));
            assert!(line.unwrap().ends_with(shown), "{line:?}");
            let text = format!("{flag} {value}");
            let file = parse_file(&text, Path::new("/")).unwrap();
            let from_file = all(&mut file.apply(Server::new()));
            assert_eq!(from_file, help, "the file says the same");
        }
        assert_eq!(server(&["--max-params", "16M"]).limits.max_params, 16 << 20);
        assert_eq!(
            server(&["--head-timeout=0.25"]).limits.head_timeout,
            Duration::from_millis(250)
        );
    }

    #[test]
    fn mount_proxies_and_debug_are_settings_too() {
        let asked = [
            "--mount",
            "/app",
            "--debug",
            "--trusted-proxy",
            "127.0.0.1",
            "--trusted-proxy=fd00::/8",
        ];
        let file =
            "mount /app\ndebug\ntrusted-proxy 127.0.0.1\ntrusted-proxy fd00::/8 # all of ours\n";
        let file = parse_file(file, Path::new("/")).unwrap();
        for server in [server(&asked), file.clone().apply(Server::new())] {
            assert_eq!(server.setup.mount.as_deref(), Some("/app"));
            assert!(server.setup.debug);
            let proxies: Vec<String> = server
                .setup
                .trusted_proxies
                .iter()
                .map(Prefix::to_string)
                .collect();
            assert_eq!(proxies, ["127.0.0.1", "fd00::/8"]);
        }
        let (_, over) = parsed(&["--trusted-proxy", "::1", "--mount", "/"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert_eq!(server.setup.mount.as_deref(), Some(""));
        assert_eq!(
            server.setup.trusted_proxies,
            ["::1".parse().unwrap()],
            "they replace those of the file"
        );
    }

    #[test]
    fn the_status_page_is_a_setting_too() {
        let asked = [
            "--status",
            "/s",
            "--status-allow",
            "::1",
            "--status-allow=10.0.0.0/8",
        ];
        let file = "status /s\nstatus-allow ::1\nstatus-allow 10.0.0.0/8";
        let file = parse_file(file, Path::new("/")).unwrap();
        let allowed = |server: &Server| {
            let ranges = server.setup.status.allow.iter().map(Prefix::to_string);
            ranges.collect::<Vec<_>>().join(" ")
        };
        for server in [server(&asked), file.clone().apply(Server::new())] {
            assert!(server.setup.status.is_at(b"/s"));
            assert_eq!(allowed(&server), "::1 10.0.0.0/8");
        }
        let (_, over) = parsed(&["--status", "/t", "--status-allow", "::2"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert!(server.setup.status.is_at(b"/t") && !server.setup.status.is_at(b"/s"));
        assert_eq!(allowed(&server), "::2", "they replace those of the file");
        assert!(!Server::new().setup.status.is_at(b"/"));
    }

    #[test]
    fn who_may_connect_is_a_setting_too() {
        let asked = [
            "--socket-mode=0606",
            "--socket-owner",
            ":33",
            "--allow",
            "10.0.0.7",
            "--allow",
            "fd00::/8",
        ];
        let file = "socket-mode 606\nsocket-owner :33\nallow 10.0.0.7\nallow fd00::/8\n";
        let file = parse_file(file, Path::new("/")).unwrap();
        for server in [server(&asked), file.clone().apply(Server::new())] {
            assert_eq!(server.permit.mode, Some(0o606));
            assert_eq!(server.permit.owner, Some(":33".parse().unwrap()));
            let allowed: Vec<String> = server.allow.iter().map(Prefix::to_string).collect();
            assert_eq!(allowed, ["10.0.0.7", "fd00::/8"]);
        }
        let (_, over) = parsed(&["--allow", "::1", "--socket-owner", "app"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert_eq!(
            server.allow,
            ["::1".parse().unwrap()],
            "they replace those of the file"
        );
        assert_eq!(server.permit.owner, Some("app".parse().unwrap()));
        assert_eq!(server.permit.mode, Some(0o606));
        for (text, mode) in [
            ("0", Some(0)),
            ("660", Some(0o660)),
            ("0777", Some(0o777)),
            ("1660", None),
            ("+660", None),
            ("0o660", None),
            ("", None),
            ("0800", None),
            ("00000000000000000000660", Some(0o660)),
            ("77777777777777", None),
        ] {
            assert_eq!(socket_mode(text).ok(), mode, "{text}");
        }
    }

    /// The builder clamps; what is refused here must not be looser than that.
    #[test]
    fn every_range_lies_within_the_builders() {
        let largest = Server::new()
            .workers(1024)
            .processes(256)
            .max_params(16 << 20)
            .max_pairs(16_384);
        let smallest = Server::new()
            .workers(1)
            .stack_size(64 << 10)
            .max_params(64 << 10)
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

    #[test]
    fn a_bad_value_is_one_sentence_with_flag_value_and_what_is_wanted() {
        for (flag, value, wanted) in [
            ("workers", "0", "a number from 1 to 1024"),
            ("workers", "1025", "a number from 1 to 1024"),
            ("workers", "many", "a number from 1 to 1024"),
            ("workers", "", "a number from 1 to 1024"),
            ("workers", "+4", "a number from 1 to 1024"),
            ("workers", "-4", "a number from 1 to 1024"),
            ("workers", "K", "a number from 1 to 1024"),
            ("workers", "99999999999999999999", "a number from 1 to 1024"),
            ("stack-size", "63K", "a number from 64K to 1G"),
            ("max-params", "17M", "a number from 64K to 16M"),
            ("max-pairs", "16385", "a number from 1 to 16384"),
            ("max-body", "17179869184G", "a number, such as 8 or 64K"),
            ("max-body", "1.5M", "a number, such as 8 or 64K"),
            ("max-body", "ü", "a number, such as 8 or 64K"),
            ("grace", "86400.001", "seconds from 0 to 86400"),
            ("grace", "-1", "seconds from 0 to 86400"),
            ("grace", "1e3", "seconds from 0 to 86400"),
            ("grace", "inf", "seconds from 0 to 86400"),
            ("grace", "1.", "seconds from 0 to 86400"),
            ("grace", ".5", "seconds from 0 to 86400"),
            ("grace", "1.2345", "seconds from 0 to 86400"),
            ("grace", "18446744073709551616", "seconds from 0 to 86400"),
            ("head-timeout", "0.099", "seconds from 0.1 to 86400"),
            ("slow", "s", "seconds from 0 to 86400"),
            ("slow", "10 s", "seconds from 0 to 86400"),
            ("timeout", "10m", "seconds from 0 to 86400"),
            ("status", "status", "is no path; write the page's path"),
            (
                "status",
                "/status?json",
                "is no path; write the page's path",
            ),
            ("status-allow", "localhost", "is no address and no prefix"),
            ("mount", "app", "is no mount; write the path"),
            ("mount", "//app", "is no mount; write the path"),
            ("mount", "/a%20b", "is no mount; write the path"),
            ("mount", "/app?x", "is no mount; write the path"),
            ("trusted-proxy", "localhost", "is no address and no prefix"),
            ("trusted-proxy", "10.1.0.0/8", "has bits behind its first 8"),
            (
                "log-level",
                "loud",
                "off, error, warn, info, debug or trace",
            ),
            ("listen", "nowhere", "write unix:/path, 127.0.0.1:9000"),
        ] {
            for arguments in [
                vec![format!("--{flag}={value}")],
                vec![format!("--{flag}"), value.into()],
            ] {
                let error = parse(arguments.iter().map(OsString::from)).unwrap_err();
                assert!(error.starts_with(&format!("--{flag}: ")), "{error}");
                assert!(error.contains(&format!("{value:?}")), "{error}");
                assert!(error.contains(wanted), "{error}");
                assert_eq!(error.lines().count(), 1, "{error}");
            }
            if !value.is_empty() {
                let (line, error) =
                    parse_file(&format!("\n{flag} {value}"), Path::new("/")).unwrap_err();
                assert_eq!(line, 2);
                assert!(
                    error.starts_with(&format!("{flag}: ")) && error.contains(wanted),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_mistake_is_one_sentence_that_says_what_to_write() {
        for (arguments, sentence) in [
            (
                &["--workrs", "4"][..],
                "--workrs is no flag; did you mean --workers?",
            ),
            (
                &["--work", "4"],
                "--work is no flag; did you mean --workers?",
            ),
            (
                &["--Listen=x"],
                "--Listen is no flag; did you mean --listen?",
            ),
            (
                &["--keep-alive"],
                "--keep-alive is no flag; did you mean --keepalive?",
            ),
            (
                &["--verison"],
                "--verison is no flag; did you mean --version?",
            ),
            (&["--bananas"], "--bananas is no flag; see --help"),
            (&["-x"], "-x is no flag; see --help"),
            (&["-w4"], "-w is no flag; see --help"),
            (&["--"], ""),
            (&["--workers"], "--workers needs a value; write --workers N"),
            (
                &["--workers", "1", "--workers", "2"],
                "--workers is given twice; leave one out",
            ),
            (
                &[
                    "--listen",
                    "/run/s",
                    "--listen=fd:3",
                    "--listen",
                    "unix:/run/./s",
                ],
                "--listen unix:/run/./s is given twice; leave one out",
            ),
            (
                &["--listen", "localhost:9000", "--listen", "127.0.0.1:9000"],
                "--listen 127.0.0.1:9000 is given twice; leave one out",
            ),
            (
                &["conf", "nginx", "--http", "8000"],
                "--http serves, and the command conf only prints; leave one out",
            ),
            (&["--help=me"], "--help takes no value; write just --help"),
            (
                &["--keepalive"],
                "--keepalive is for the command conf; see --help",
            ),
            (
                &["launch"],
                "\"launch\" is no command; the commands are conf, check, get, bench and serve, and flags begin with --: see --help",
            ),
            (
                &["--", "--workers"],
                "\"--workers\" is no command; the commands are conf, check, get, bench and serve, and flags begin with --: see --help",
            ),
            (
                &["conf", "nginx", "x", "y"],
                "conf takes one web server and one form, and \"y\" is one word more; leave it out",
            ),
        ] {
            let error = parsed(arguments).err().unwrap_or_default();
            assert_eq!(error, sentence, "{arguments:?}");
        }
        let not_text: OsString = std::os::unix::ffi::OsStringExt::from_vec(b"--work\xff".to_vec());
        assert!(
            parse([not_text].into_iter())
                .unwrap_err()
                .ends_with("is no flag; see --help")
        );
    }

    #[test]
    fn a_file_has_one_flag_a_line() {
        let text = [
            "# for the shared host\r",
            "\r",
            "  workers\t 2 # two are enough\r",
            "listen unix:a#b.sock",
            "listen /run/c.sock",
            "socket-owner :0",
        ];
        let options = parse_file(&text.join("\n"), Path::new("/srv/www")).unwrap();
        let addresses: Vec<String> = options.listen().map(Address::to_string).collect();
        assert_eq!(addresses, ["unix:/srv/www/a#b.sock", "unix:/run/c.sock"]);
        assert_eq!(options.apply(Server::new()).workers, 2);
        assert!(parse_file("", Path::new("/")).is_ok());
    }

    #[test]
    fn a_wrong_line_has_its_number() {
        for (text, number, sentence) in [
            ("wrokers 4", 1, "wrokers is no flag; did you mean workers?"),
            (
                "# x\n\n--workers 4",
                3,
                "a flag has no dashes here; write workers",
            ),
            (
                "workers=4",
                1,
                "between name and value is a space here; write workers 4",
            ),
            (
                "access-log = .ht.access.log",
                1,
                "between name and value is a space here; write access-log .ht.access.log",
            ),
            (
                "log-level: debug",
                1,
                "between name and value is a space here; write log-level debug",
            ),
            ("workers", 1, "workers needs a value; write workers N"),
            ("workers # 4", 1, "workers needs a value; write workers N"),
            (
                "workers 4\nworkers 4\n",
                2,
                "workers is given twice; leave one out",
            ),
            (
                "listen unix:s\nworkers 4\nlisten /srv/www/s\n",
                3,
                "listen unix:/srv/www/s is given twice; leave one out",
            ),
            (
                "keepalive",
                1,
                "keepalive is for the command conf; leave it out",
            ),
            ("help", 1, "help is no flag; see --help"),
            ("bananas 3", 1, "bananas is no flag; see --help"),
        ] {
            let error = parse_file(text, Path::new("/srv/www")).unwrap_err();
            assert_eq!(error, (number, sentence.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_application() {
        let application = Server::new()
            .workers(7)
            .grace(Duration::from_secs(1))
            .max_pairs(5);
        let application = application.listen(Address::Fd(9));
        let file = parse_file(
            "workers 8\ngrace 2\nlisten fd:4\nlog-level warn",
            Path::new("/"),
        )
        .unwrap();
        let flags = parsed(&["--workers", "9", "--listen", "fd:5", "--listen", "fd:6"])
            .unwrap()
            .1;
        let only_file = file.apply(application.clone());
        assert_eq!(only_file.listen, [Address::Fd(4)]);
        let both = flags.over(file);
        assert_eq!(both.log_level(), Some(LevelFilter::Warn));
        let server = both.apply(application);
        assert_eq!(server.listen, [Address::Fd(5), Address::Fd(6)]);
        assert_eq!(
            (server.workers, server.grace, server.limits.max_pairs),
            (9, Duration::from_secs(2), 5)
        );
    }

    #[test]
    fn what_is_asked_for_twice_without_being_the_same_is_right() {
        let any = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
        assert_eq!(parsed(&any).unwrap().1.listen().count(), 2);
        let relative = ["--listen", "unix:s", "--listen", "unix:/s"];
        assert_eq!(parsed(&relative).unwrap().1.listen().count(), 2);
    }

    /// The last one who said how to serve is obeyed, and not both.
    #[test]
    fn listen_and_http_replace_each_other_from_above() {
        let flags = |arguments: &[&str]| parsed(arguments).unwrap().1;
        let file = |text| parse_file(text, Path::new("/")).unwrap();
        let application = || Server::new().listen(Address::Fd(9));
        let http = Some("127.0.0.1:8000".parse().unwrap());
        let over = |flags: Options, file: Options| {
            let options = flags.over(file);
            (options.http(), options.apply(application()).listen)
        };
        let http_flag = || flags(&["--http", "8000"]);
        assert_eq!(over(http_flag(), file("listen fd:4")), (http, vec![]));
        assert_eq!(over(http_flag(), file("")), (http, vec![]));
        assert_eq!(over(flags(&[]), file("http 8000")), (http, vec![]));
        let listen = flags(&["--listen", "fd:5"]);
        let fd = |number| vec![Address::Fd(number)];
        assert_eq!(over(listen, file("http 8000")), (None, fd(5)));
        assert_eq!(over(flags(&[]), file("")), (None, fd(9)));
        let both = file("http 8000\nlisten fd:4");
        assert_eq!(over(flags(&[]), both), (http, fd(4)));
    }

    #[test]
    fn each_value_is_told_with_its_source() {
        let text =
            "# x\nworkers 8\nlisten unix:s\n\ndebug\nhttp 8000\ntrusted-proxy ::1\nmax-body 1K";
        let mut file = parse_file(text, Path::new("/srv")).unwrap();
        file.file = "/srv/.ht.app".into();
        let arguments = [
            "--grace",
            "2",
            "--listen",
            "fd:3",
            "--listen=fd:4",
            "--max-body=2K",
        ];
        let options = parsed(&arguments).unwrap().1.over(file);
        let mut server = options.apply(Server::new().max_pairs(7));
        let told = options.told(&mut server);
        for line in [
            "workers 8 (line 2 of /srv/.ht.app)",
            "listen fd:3 (--listen)",
            "listen fd:4 (--listen)",
            "debug (line 5 of /srv/.ht.app)",
            "trusted-proxy ::1 (line 7 of /srv/.ht.app)",
            "max-body 2K (--max-body)",
            "grace 2 (--grace)",
            "max-pairs 7 (default)",
            "idle-timeout 120 (default)",
        ] {
            let count = told.iter().filter(|told| *told == line).count();
            assert_eq!(count, 1, "{line}: {told:#?}");
        }
        let names = told.iter().map(|line| line.split(' ').next().unwrap());
        let mut names: Vec<&str> = names.collect();
        assert!(!names.contains(&"http") && !names.contains(&"mount"));
        names.dedup();
        assert_eq!(names.len(), told.len() - 1, "only listen has two lines");
    }

    #[test]
    fn a_web_server_is_told_to_send_files_in_its_own_way() {
        let accel = |folder: &str, location: &str| Sendfile::Accel {
            folder: folder.into(),
            location: location.into(),
        };
        for (value, way) in [
            ("x-sendfile", Sendfile::Header),
            (
                "x-accel:/srv/files=/protected",
                accel("/srv/files", "/protected"),
            ),
            ("x-accel:/srv/a=b=/p/", accel("/srv/a=b", "/p/")),
        ] {
            assert_eq!(server(&["--sendfile", value]).setup.sendfile, Some(way));
        }
        for value in [
            "",
            "x",
            "X-Sendfile",
            "x-accel",
            "x-accel:",
            "x-accel:/a",
            "x-accel:=/a",
            "x-accel:/a=b",
        ] {
            let error = parsed(&["--sendfile", value]).unwrap_err();
            assert!(
                error.starts_with("--sendfile: ")
                    && error.contains("x-accel:/srv/files=/protected")
            );
        }
        let file = parse_file("sendfile x-accel:files=/protected", Path::new("/srv/www")).unwrap();
        let below = server(&["--sendfile", "x-sendfile"]);
        assert_eq!(
            file.apply(below).setup.sendfile,
            Some(accel("/srv/www/files", "/protected"))
        );
    }

    #[test]
    fn a_command_is_told_from_flags() {
        let told = |arguments: &[&str]| format!("{:?}", parsed(arguments).unwrap().0);
        assert_eq!(told(&[]), "Serve");
        assert_eq!(told(&["--workers", "4"]), "Serve");
        assert_eq!(told(&["--workers", "4", "--help"]), "Help(Serve)");
        assert_eq!(told(&["-h"]), "Help(Serve)");
        assert_eq!(told(&["help"]), "Help(Serve)");
        assert_eq!(told(&["help", "limits"]), "Help(Limits)");
        assert_eq!(told(&["help", "running"]), "Help(Running)");
        assert_eq!(told(&["help", "conf"]), "Help(Conf)");
        #[cfg(feature = "toolbox")]
        for arguments in [
            &["help", "get"][..],
            &["get", "--help"],
            &["get", "/", "-h"],
            &["--help", "get"],
        ] {
            assert_eq!(told(arguments), "Help(Get)");
        }
        #[cfg(feature = "toolbox")]
        assert!(told(&["get", "/"]).starts_with("Get("));
        assert_eq!(told(&["conf", "nginx", "--help"]), "Help(Conf)");
        assert_eq!(told(&["-V"]), "Version");
        assert_eq!(told(&["conf"]), "Conf(\"\", \"\")");
        let (command, options) =
            parsed(&["--listen", "fd:3", "conf", "nginx", "--keepalive"]).unwrap();
        assert!(matches!(command, Command::Conf(server, _) if server == "nginx"));
        assert!(options.keepalive());
    }

    #[test]
    fn help_fits_a_screen() {
        let serve = help("app.fcgi", &mut Server::new());
        let limits = help_limits("app.fcgi", &mut Server::new());
        let running = help_running("app.fcgi", &mut Server::new());
        for help in [&serve, &running, &limits] {
            assert!(help.lines().count() <= 24, "{help}");
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
        for default in ["[256K]", "[unlimited]", "[30]"] {
            assert!(limits.contains(default), "{limits}");
        }
        for flag in FLAGS {
            let name = format!("--{} ", flag.name);
            let screens = [&serve, &running, &limits].map(|help| help.contains(&name));
            assert_eq!(screens.iter().filter(|&&has| has).count(), 1, "{name}");
        }
    }

    #[test]
    fn http_is_served_by_tcp_and_a_port_alone_is_this_machines() {
        for (value, address) in [
            ("8000", "127.0.0.1:8000"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(http(value).unwrap(), address.parse().unwrap());
        }
        for (value, wanted) in [("unix:/run/a", "no TCP address"), ("70000", "address")] {
            let error = http(value).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
