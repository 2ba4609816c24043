//! What `bench` is told: whom to ask for what, how often, and which answers are right. The command line's parser reads it, and
//! `bench` does it.

use crate::cli::asked::{self, Asked};
use crate::cli::command_flags::{self, CommandFlag, switch, text};
use crate::cli::flags::value;
use crate::cli::words::Words;
use crate::net::Address;
use getopts::Matches;
use std::ffi::OsString;
use std::time::Duration;

/// The flags of `bench`, beside those that describe the request.
#[rustfmt::skip]
pub(super) const FLAGS: &[CommandFlag] = &[
    text("", "connect", "ADDR", "the application: unix:/path, 127.0.0.1:9000"),
    text("c", "connections", "N", "open at the same time [8]"),
    switch("k", "keep-conn", "many requests on each; else one"),
    text("", "idle", "N", "more, asked once before and kept open [0]"),
    text("n", "requests", "N", "end after so many, not after --seconds"),
    text("s", "seconds", "SECONDS", "how long [10]"),
    text("", "warm-up", "SECONDS", "before it counts [1; with --requests 0]"),
    text("", "timeout", "SECONDS", "a longer answer is an error [10]"),
    text("t", "threads", "N", "that ask; more where one is the limit [1]"),
    text("", "status", "N", "the only right status [all from 200 to 399]"),
    text("", "expect", "FILE", "the only right body [any]"),
    switch("", "json", "the figures as one json object"),
];

/// What is asked, how often, and how it is told.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Plan {
    pub(super) connect: Address,
    pub(super) asked: Asked,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) keep_conn: bool,
    /// Connections that are asked once and then only kept.
    pub(super) idle: usize,
    /// How many requests count; `None`: as many as the time allows.
    pub(super) requests: Option<u64>,
    pub(super) time: Duration,
    pub(super) warm_up: Duration,
    pub(super) timeout: Duration,
    pub(super) json: bool,
    status: Option<u16>,
    /// The only right body.
    pub(super) expected: Option<Vec<u8>>,
}

const MOST_CONNECTIONS: u64 = 64 << 10;

/// More than anybody waits for.
const MOST_REQUESTS: u64 = 1 << 40;

impl Plan {
    /// Reads the arguments behind `bench`; `None` if its help is asked for.
    ///
    /// # Errors
    /// One sentence.
    pub(in crate::cli) fn parse(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Plan>, Words> {
        match command_flags::parse("bench", super::FLAGS, arguments)? {
            Some(matches) => Plan::of(&matches).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn is_right(&self, status: u16) -> bool {
        match self.status {
            Some(wanted) => status == wanted,
            None => (200..400).contains(&status),
        }
    }

    /// Whether answers have a body.
    pub(super) fn has_bodies(&self) -> bool {
        self.asked.method != "HEAD"
    }

    fn of(matches: &Matches) -> Result<Plan, Words> {
        let requests = number(matches, "requests", MOST_REQUESTS)?;
        let connections = number(matches, "connections", MOST_CONNECTIONS)?.unwrap_or(8) as usize;
        let threads = number(matches, "threads", 256)?.unwrap_or(1) as usize;
        let warm_up = command_flags::value(matches, "warm-up", |text| value::seconds(text, 0))?;
        let least = Duration::from_secs(u64::from(requests.is_none()));
        let keep_conn = matches.opt_present("keep-conn");
        let idle = number(matches, "idle", MOST_CONNECTIONS)?.unwrap_or(0) as usize;
        if idle > 0 && !keep_conn {
            return Err("--idle: only kept connections can be idle; write --keep-conn, too");
        }
        Ok(Plan {
            connect: asked::connect(matches)?.ok_or(
                "bench needs an application that listens: start one with --listen unix:/path, and write --connect unix:/path",
            )?,
            asked: Asked::of(
                matches,
                asked::target("bench", &matches.free, Some("/"))?,
                None,
            )?,
            connections,
            threads: threads.min(connections),
            keep_conn,
            idle,
            requests,
            time: asked::time(matches, "seconds", 10)?,
            warm_up: warm_up.unwrap_or(least),
            timeout: asked::time(matches, "timeout", 10)?,
            json: matches.opt_present("json"),
            status: command_flags::value(matches, "status", |text| value::number(text, 200, 999))?
                .map(|status| status as u16),
            expected: command_flags::value(matches, "expect", |file| {
                std::fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))
            })?,
        })
    }
}

/// The value of a flag that is a number from 1 on.
fn number(matches: &Matches, name: &str, most: u64) -> Result<Option<u64>, Words> {
    command_flags::value(matches, name, |text| value::number(text, 1, most))
}
