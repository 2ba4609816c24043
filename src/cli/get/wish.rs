//! What `get` is told: whom to ask for what, and how to show the answer. The command line's parser reads it, and `get` does it.

use crate::cli::asked::{self, Asked};
use crate::cli::command_flags::{self, CommandFlag, switch, text};
use crate::cli::words::Words;
use crate::net::Address;
use crate::protocol::Role;
use std::ffi::OsString;
use std::time::Duration;

/// The flags of `get`, beside those that describe the request. Where curl has such a flag, it has curl's name.
pub(super) const FLAGS: &[CommandFlag] = &[
    text("", "connect", "ADDR", "asks who listens there: unix:/path"),
    switch("i", "include", "shows status and headers too"),
    switch("I", "head", "asks with HEAD, shows them alone"),
    switch("", "authorizer", "asks whether it may go on"),
    text("", "timeout", "SECONDS", "the longest silence [60]"),
    switch("v", "verbose", "shows every record, both ways"),
];

/// A request, and how its answer is to be shown.
#[derive(Debug)]
pub(in crate::cli) struct Wish {
    /// Whom to ask; `None`: the program's own handler.
    pub(super) connect: Option<Address>,
    pub(super) asked: Asked,
    /// Whether a script for php-fpm is named.
    pub(super) names_script: bool,
    pub(super) role: Role,
    pub(super) shows_head: bool,
    pub(super) shows_body: bool,
    pub(super) is_verbose: bool,
    pub(super) timeout: Duration,
}

impl Wish {
    /// Reads the arguments behind `get`; `None` if its help is asked for.
    ///
    /// # Errors
    /// One sentence.
    pub(in crate::cli) fn parse(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Wish>, Words> {
        let Some(matches) = command_flags::parse("get", super::FLAGS, arguments)? else {
            return Ok(None);
        };
        let is_head = matches.opt_present("head");
        let target = asked::target("get", &matches.free, None)?;
        Ok(Some(Wish {
            asked: Asked::of(&matches, target, is_head.then_some("HEAD"))?,
            connect: asked::connect(&matches)?,
            names_script: matches.opt_present("script-filename"),
            shows_head: is_head || matches.opt_present("include"),
            shows_body: !is_head,
            is_verbose: matches.opt_present("verbose"),
            timeout: asked::time(&matches, "timeout", 60)?,
            role: match matches.opt_present("authorizer") {
                true => Role::Authorizer,
                false => Role::Responder,
            },
        }))
    }
}
