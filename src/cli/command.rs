//! The command line: which command it asks for, with which flags. Called by `cli::main`; `check` reads its own flags by it,
//! too, since it takes those of serving.

#[cfg(feature = "toolbox")]
use super::command_flags::{self, Tables};
use super::flags::help::Topic;
use super::flags::options::Options;
use super::flags::{all, unknown, value_name};
use super::nearest::nearest;
#[cfg(all(feature = "toolbox", feature = "dev"))]
use super::serve;
#[cfg(feature = "toolbox")]
use super::{bench, check, get};
#[cfg(test)]
use crate::server::Server;
use getopts::{Fail, Matches};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// No command: the program is to serve.
    Serve,
    /// For which web server, and in which of its forms; the usual one has an empty name.
    Conf(String, String),
    #[cfg(feature = "toolbox")]
    Check(Box<check::Wish>),
    #[cfg(feature = "toolbox")]
    Get(Box<get::Wish>),
    #[cfg(feature = "toolbox")]
    Bench(Box<bench::Plan>),
    /// The command `serve`: http in front of another application.
    #[cfg(all(feature = "toolbox", feature = "dev"))]
    Front(Box<serve::Wish>),
    Help(Topic),
    Version,
}

/// The words that are commands.
const COMMANDS: [&str; 5] = ["conf", "check", "get", "bench", "serve"];

/// The commands that have flags of their own. They stand in front of all flags, so that it is known whose flags these are.
#[cfg(feature = "toolbox")]
const OWNERS: &[(&str, Tables)] = &[
    ("check", check::FLAGS),
    ("get", get::FLAGS),
    ("bench", bench::FLAGS),
    #[cfg(feature = "dev")]
    ("serve", serve::FLAGS),
];

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
        return command_with_flags(&word.to_string_lossy(), arguments);
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

/// Reads the arguments behind a command that takes the flags of serving beside its `own`; `None` if its help is asked for.
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
    command_flags::add(&mut grammar, own);
    let matches = grammar
        .parse(&arguments)
        .map_err(|fail| command_flags::explain(word, own, true, fail))?;
    if matches.opt_present("help") {
        return Ok(None);
    }
    let options = options_of(&matches)?;
    Ok(Some((matches, options)))
}

/// What the flags of serving ask for, of those that the parser has found.
fn options_of(matches: &Matches) -> Result<Options, String> {
    let mut options = Options::default();
    for flag in all().filter(|flag| matches.opt_defined(flag.name)) {
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

/// Reads what stands behind a command that has flags of its own.
#[cfg(feature = "toolbox")]
fn command_with_flags(
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

/// What the parser needs to know of those flags that the arguments name. For all flags it would take 16 KiB of heap, which an
/// idle process would keep for ever, and a quarter of the instructions of a start.
fn grammar(arguments: &[OsString]) -> getopts::Options {
    let mut grammar = getopts::Options::new();
    grammar.optflag("h", "help", "").optflag("V", "version", "");
    // A parent starts a child with it. No person types it, so that it is not in the help.
    grammar.optopt("", "child", "", "");
    let named: Vec<&str> = arguments
        .iter()
        .filter_map(|word| long_name(word))
        .collect();
    for flag in all().filter(|flag| named.contains(&flag.name)) {
        match () {
            () if flag.is_repeatable() => grammar.optmulti("", flag.name, "", ""),
            () if flag.takes_value() => grammar.optopt("", flag.name, "", ""),
            () => grammar.optflag("", flag.name, ""),
        };
    }
    grammar
}

/// The flag that an argument names: `listen` in `--listen` and in `--listen=unix:/path`.
fn long_name(argument: &OsStr) -> Option<&str> {
    let long = argument.to_str()?.strip_prefix("--")?;
    Some(long.split_once('=').map_or(long, |(name, _)| name))
}

/// The descriptors in `3,4,5`: that of the line to the parent, and those of the listeners.
fn child(numbers: &str) -> Result<Vec<RawFd>, String> {
    let fds: Result<Vec<RawFd>, _> = numbers.split(',').map(str::parse).collect();
    match fds {
        Ok(fds) if fds.len() > 1 && fds.iter().all(|&fd| fd > 2) => Ok(fds),
        _ => Err(format!(
            "--child {numbers}: only the parent of --processes writes that; leave it out"
        )),
    }
}

/// The command that the words between the flags are.
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

/// Which screen of help is asked for: by `help limits`, or by `conf --help`.
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

/// The sentence for what the parser did not understand of flags of serving.
fn explain(fail: Fail) -> String {
    sentence(fail, &value_name, &foreign)
}

/// The sentence for what the parser did not understand. `value_name` is how the help calls a flag's value, and `unknown` the
/// sentence for a flag that is not known.
pub(super) fn sentence(
    fail: Fail,
    value_name: &dyn Fn(&str) -> Option<&'static str>,
    unknown: &dyn Fn(&str) -> String,
) -> String {
    match fail {
        Fail::UnrecognizedOption(name) => unknown(&name),
        Fail::ArgumentMissing(name) => {
            let (flag, value) = (dashed(&name), value_name(&name).unwrap_or("VALUE"));
            format!("{flag} needs a value; write {flag} {value}")
        }
        Fail::OptionDuplicated(name) => format!("{} is given twice; leave one out", dashed(&name)),
        Fail::UnexpectedArgument(name) => {
            format!("{0} takes no value; write just {0}", dashed(&name))
        }
        // No flag is required.
        Fail::OptionMissing(name) => format!("{} is missing; write it", dashed(&name)),
    }
}

/// `-h`, `--help`
pub(super) fn dashed(name: &str) -> String {
    match name.chars().count() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    }
}

/// The sentence for a flag that serving does not have.
fn foreign(name: &str) -> String {
    #[cfg(feature = "toolbox")]
    if let Some((owner, _)) = OWNERS
        .iter()
        .find(|(_, flags)| command_flags::has(flags, name))
    {
        let flag = dashed(name);
        return format!("{flag} is for the command {owner}; see help {owner}");
    }
    unknown(name, "--")
}

/// What these words ask for.
#[cfg(test)]
pub(super) fn parsed(arguments: &[&str]) -> Result<(Command, Options), String> {
    parse(arguments.iter().map(OsString::from))
}

/// The default server, as these words have it.
#[cfg(test)]
pub(super) fn served(arguments: &[&str]) -> Server {
    parsed(arguments).unwrap().1.apply(Server::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "toolbox", feature = "dev"))]
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
    fn a_command_is_told_from_flags() {
        let told = |arguments: &[&str]| format!("{:?}", parsed(arguments).unwrap().0);
        assert_eq!(told(&[]), "Serve");
        assert_eq!(told(&["--workers", "4"]), "Serve");
        assert_eq!(told(&["--workers", "4", "--help"]), "Help(Serve)");
        assert_eq!(told(&["-h"]), "Help(Serve)");
        assert_eq!(told(&["help"]), "Help(Serve)");
        assert_eq!(told(&["help", "limits"]), "Help(Limits)");
        assert_eq!(told(&["help", "running"]), "Help(Running)");
        assert_eq!(told(&["-V"]), "Version");
    }

    #[cfg(feature = "toolbox")]
    #[test]
    fn a_command_of_the_toolbox_is_told_from_flags_and_its_help() {
        let told = |arguments: &[&str]| format!("{:?}", parsed(arguments).unwrap().0);
        for arguments in [
            &["help", "get"][..],
            &["get", "--help"],
            &["get", "/", "-h"],
            &["--help", "get"],
        ] {
            assert_eq!(told(arguments), "Help(Get)");
        }
        assert!(told(&["get", "/"]).starts_with("Get("));
        assert_eq!(told(&["help", "conf"]), "Help(Conf)");
        assert_eq!(told(&["conf", "nginx", "--help"]), "Help(Conf)");
        assert_eq!(told(&["conf"]), "Conf(\"\", \"\")");
        let (command, options) =
            parsed(&["--listen", "fd:3", "conf", "nginx", "--keepalive"]).unwrap();
        assert!(matches!(command, Command::Conf(server, _) if server == "nginx"));
        assert!(options.keepalive());
    }
}
