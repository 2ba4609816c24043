//! The flags that one command has alone, as a table: those of serving mean nothing there, and these mean nothing to serving.
//! The commands have the tables; their parsers and their helps come here.

use super::flags;
use super::nearest::nearest;
use super::words::{Words, joined, words};
use getopts::{Fail, Matches};
use std::ffi::OsString;

/// A flag of one command.
#[derive(Clone, Copy)]
pub(super) struct Own {
    /// Empty if it has none.
    short: &'static str,
    pub(super) name: &'static str,
    /// Its value's name in the help; empty if it takes none.
    value: &'static str,
    help: &'static str,
    is_repeatable: bool,
}

/// A flag without a value.
pub(super) const fn switch(short: &'static str, name: &'static str, help: &'static str) -> Own {
    text(short, name, "", help)
}

/// A flag with a value, given once.
pub(super) const fn text(
    short: &'static str,
    name: &'static str,
    value: &'static str,
    help: &'static str,
) -> Own {
    Own {
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
) -> Own {
    Own {
        is_repeatable: true,
        ..text(short, name, value, help)
    }
}

/// The flags of a command, in one table or more.
pub(super) type Tables<'a> = &'a [&'a [Own]];

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

/// Whether one of them is called so.
pub(super) fn has(tables: Tables, name: &str) -> bool {
    let mut flags = tables.iter().copied().flatten();
    flags.any(|flag| flag.name == name || (flag.short == name && !name.is_empty()))
}

/// Lets a parser know them.
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
    let dashed = |name: &str| match name.chars().count() {
        1 => words!("-{name}"),
        _ => words!("--{name}"),
    };
    match fail {
        // The parser's word for what is no UTF-8, a flag or not: the quoted argument.
        Fail::UnrecognizedOption(name) if name.starts_with('"') && name.ends_with('"') => {
            words!(
                "{name} is not UTF-8; where it is a file, name it by a link: ln -s FILE app.fcgi"
            )
        }
        Fail::UnrecognizedOption(name) => {
            let serving = flags::names().filter(|_| serves);
            let own = known.iter().map(|flag| flag.name);
            let near = nearest(&name, &mut own.chain(["help"]).chain(serving))
                .filter(|_| name.chars().count() > 1);
            let dashed = dashed(&name);
            match near {
                Some(near) => words!("{dashed} is no flag of {command}; did you mean --{near}?"),
                None if flags::names().any(|flag| flag == name) => words!(
                    "{dashed} is for serving and no flag of {command}; leave it out, or write it into the settings file"
                ),
                None => words!("{dashed} is no flag of {command}; see help {command}"),
            }
        }
        Fail::ArgumentMissing(name) => {
            let is_it = |flag: &&Own| [flag.short, flag.name].contains(&&*name);
            let value = known.iter().find(is_it).map(|flag| flag.value);
            let value = value.or_else(|| flags::value_of(&name)).unwrap_or("VALUE");
            let dashed = dashed(&name);
            words!("{dashed} needs a value; write {dashed} {value}")
        }
        Fail::OptionDuplicated(name) => {
            words!("{} is given twice; leave one out", dashed(&name))
        }
        Fail::UnexpectedArgument(name) => {
            words!("{0} takes no value; write just {0}", dashed(&name))
        }
        // No flag is required.
        Fail::OptionMissing(name) => words!("{} is missing; write it", dashed(&name)),
    }
}

/// A flag's value, as `read` understands it.
///
/// # Errors
/// The reason that `read` gives, behind the flag's name.
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

/// Their lines in the command's help.
pub(super) fn lines(flags: &[Own]) -> String {
    let line = |flag: &Own| {
        let short = match flag.short {
            "" => "    ",
            short => words!("-{short}, "),
        };
        let left = words!("{short}--{} {}", flag.name, flag.value);
        words!("  {left:<28} {}\n", flag.help)
    };
    joined(&mut flags.iter().map(line), "").to_owned()
}
