//! The flags that a command has of its own. Each command has them as a table, and reads and shows them by what is here; they
//! mean nothing to serving.

use super::command::{dashed, sentence};
use super::flags;
use super::nearest::nearest;
use super::words::{Words, joined, words};
use getopts::{Fail, Matches};
use std::ffi::OsString;

/// A flag that only one command has.
#[derive(Clone, Copy)]
pub(super) struct CommandFlag {
    /// Its letter; empty if it has none.
    short: &'static str,
    pub(super) name: &'static str,
    /// Its value's name in the help; empty if it takes none.
    value: &'static str,
    help: &'static str,
    is_repeatable: bool,
}

/// A flag without a value.
pub(super) const fn switch(
    short: &'static str,
    name: &'static str,
    help: &'static str,
) -> CommandFlag {
    text(short, name, "", help)
}

/// A flag with a value, given once.
pub(super) const fn text(
    short: &'static str,
    name: &'static str,
    value: &'static str,
    help: &'static str,
) -> CommandFlag {
    CommandFlag {
        short,
        name,
        value,
        help,
        is_repeatable: false,
    }
}

/// A flag with a value that can be given again.
pub(super) const fn many(
    short: &'static str,
    name: &'static str,
    value: &'static str,
    help: &'static str,
) -> CommandFlag {
    CommandFlag {
        is_repeatable: true,
        ..text(short, name, value, help)
    }
}

/// The flags of a command, in one table or more.
pub(super) type Tables<'a> = &'a [&'a [CommandFlag]];

/// Reads the arguments behind `command`; `None` if its help is asked for.
///
/// # Errors
/// One sentence.
pub(super) fn parse(
    command: &str,
    tables: Tables,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Option<Matches>, Words> {
    let mut grammar = getopts::Options::new();
    grammar.optflag("h", "help", "");
    add(&mut grammar, tables);
    let arguments: Vec<OsString> = arguments.collect();
    if let Some(argument) = arguments
        .iter()
        .find(|argument| argument.to_str().is_none())
    {
        return Err(words!(
            "{argument:?} is not UTF-8, as arguments have to be; in a path write such a byte as %FF"
        ));
    }
    let matches = grammar
        .parse(&arguments)
        .map_err(|fail| explain(command, tables, false, fail))?;
    Ok((!matches.opt_present("help")).then_some(matches))
}

/// Whether one of these flags has that name or letter.
pub(super) fn has(tables: Tables, name: &str) -> bool {
    let mut flags = tables.iter().copied().flatten();
    flags.any(|flag| flag.name == name || (flag.short == name && !name.is_empty()))
}

/// Makes these flags known to a parser.
pub(super) fn add(grammar: &mut getopts::Options, tables: Tables) {
    for flag in tables.concat() {
        match (flag.value, flag.is_repeatable) {
            ("", _) => grammar.optflag(flag.short, flag.name, ""),
            (_, true) => grammar.optmulti(flag.short, flag.name, "", ""),
            (_, false) => grammar.optopt(flag.short, flag.name, "", ""),
        };
    }
}

/// The sentence for what the parser did not understand. `serves`: the command has the flags of serving as well.
pub(super) fn explain(command: &str, tables: Tables, serves: bool, fail: Fail) -> Words {
    let known = tables.concat();
    let value_name = |name: &str| {
        let is_it = |flag: &&CommandFlag| [flag.short, flag.name].contains(&name);
        let flag = known.iter().find(is_it).map(|flag| flag.value);
        flag.or_else(|| flags::value_name(name))
    };
    let unknown = |name: &str| {
        // The parser quotes an argument that is not UTF-8, a flag or not.
        if name.starts_with('"') && name.ends_with('"') {
            return format!(
                "{name} is not UTF-8; where it is a file, name it by a link: ln -s FILE app.fcgi"
            );
        }
        let serving = flags::names().filter(|_| serves);
        let own = known.iter().map(|flag| flag.name);
        let near = nearest(name, &mut own.chain(["help"]).chain(serving))
            .filter(|_| name.chars().count() > 1);
        let flag = dashed(name);
        match near {
            Some(near) => format!("{flag} is no flag of {command}; did you mean --{near}?"),
            None if flags::names().any(|serving| serving == name) => format!(
                "{flag} is for serving and no flag of {command}; leave it out, or write it into the settings file"
            ),
            None => format!("{flag} is no flag of {command}; see help {command}"),
        }
    };
    sentence(fail, &value_name, &unknown).leak()
}

/// A flag's value, as `read` understands it; `None` if the flag is not given.
///
/// # Errors
/// The flag's name, and the reason that `read` gives.
pub(super) fn value<T>(
    matches: &Matches,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Words> {
    match matches.opt_str(name) {
        Some(value) => match read(&value) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(refused(name, &reason)),
        },
        None => Ok(None),
    }
}

fn refused(name: &str, reason: &str) -> Words {
    words!("--{name}: {reason}")
}

/// The lines of these flags in the command's help.
pub(super) fn lines(flags: &[CommandFlag]) -> String {
    let line = |flag: &CommandFlag| {
        let short = match flag.short {
            "" => "    ",
            short => words!("-{short}, "),
        };
        let left = words!("{short}--{} {}", flag.name, flag.value);
        words!("  {left:<28} {}\n", flag.help)
    };
    joined(&mut flags.iter().map(line), "").to_owned()
}
