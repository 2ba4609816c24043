//! What `check` is told to look at, and how it is to tell what it finds. The command line's parser reads it, and `check` does
//! it.

use super::url::Url;
use crate::cli::asked;
use crate::cli::command;
use crate::cli::command_flags::{self, CommandFlag, switch, text};
use crate::cli::flags::options::Options;
use crate::net::Address;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The flags of `check`. It takes those of serving as well: it looks at the program as it will be started with them.
pub(super) const FLAGS: &[CommandFlag] = &[
    text("", "as", "USER", ""),
    text("", "log", "FILE", ""),
    text("", "connect", "ADDR", ""),
    text("", "url", "URL", ""),
    text("", "script-filename", "FILE", ""),
    switch("", "json", ""),
];

/// What is looked at, and how it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Wish {
    /// `None`: this program.
    pub(super) file: Option<PathBuf>,
    /// With whose eyes it is looked at.
    pub(super) user: Option<String>,
    /// A web server's log, which is explained instead; `-` is standard input.
    pub(super) log: Option<String>,
    /// The address of an application of any kind, which is asked instead.
    pub(super) connect: Option<Address>,
    /// The script that php-fpm is to run there.
    pub(super) script: Option<String>,
    /// A page of the program, which is asked for as visitors do.
    pub(super) url: Option<Url>,
    pub(super) is_json: bool,
}

impl Wish {
    /// Reads the arguments behind `check`; `None` if its help is asked for.
    ///
    /// # Errors
    /// One sentence.
    pub(in crate::cli) fn parse(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<(Wish, Options)>, String> {
        let Some((matches, options)) = command::parse_with("check", super::FLAGS, arguments)?
        else {
            return Ok(None);
        };
        if let [_, word, ..] = &matches.free[..] {
            return Err(format!(
                "check takes one file, and {word:?} is one word more; leave it out"
            ));
        }
        let wish = Wish {
            file: matches.free.first().map(PathBuf::from),
            user: matches.opt_str("as"),
            log: matches.opt_str("log"),
            connect: asked::connect(&matches)?
                .map(|address| address.resolved(&env::current_dir().unwrap_or_default())),
            script: matches.opt_str("script-filename"),
            url: command_flags::value(&matches, "url", Url::parse)?,
            is_json: matches.opt_present("json"),
        };
        if let (Some(file), Some(log)) = (&wish.file, &wish.log) {
            return Err(format!(
                "--log explains {log}, and {} is looked at by itself; leave one out",
                file.display()
            ));
        }
        if wish.file.is_some() && wish.connect.is_some() {
            return Err("--connect asks for /, and looks at no file; leave one out".into());
        }
        let others = [wish.connect.is_some(), wish.url.is_some()];
        if wish.log.is_some() && others.contains(&true) {
            return Err(
                "--log explains a file, and --connect and --url ask somebody; leave one out".into(),
            );
        }
        if wish.script.is_some() && wish.connect.is_none() {
            return Err(
                "--script-filename is for php-fpm, and nobody is asked; write --connect and its address, too"
                    .into(),
            );
        }
        Ok(Some((wish, options)))
    }
}
