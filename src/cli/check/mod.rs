//! `check`: what is right and what is wrong with a program where it lies, and the remedy. Called by the command line.
//!
//! Each concern is a file. Its function `findings` gathers facts, and small pure ones judge them. They look and touch nothing:
//! nothing is bound, connected to, written or started, and only regular files are opened. Only the addresses that `--connect`
//! and `--url` name are asked.

mod acl;
mod apache;
mod connect;
mod elf;
mod environment;
mod fds;
mod file;
mod folder;
mod format;
mod htaccess;
mod libraries;
mod limits;
mod listening;
mod memory;
mod modules;
mod name_pattern;
mod person;
mod progress;
mod report;
mod running;
mod script;
mod selinux;
mod settings;
mod sockets;
mod start;
mod starter;
mod suexec;
mod timeouts;
mod url;
mod wish;

pub(super) use wish::Wish;

use super::command_flags::Tables;
use super::explain;
use super::flags::options::Options;
use super::input::first_bytes;
use super::script::Script;
use super::settings::Settings;
use super::{misused, print, program};
use crate::cli::order::sort;
use crate::cli::words::{Words, words};
use crate::net::{Address, Facts};
use crate::server::Server;
use person::Person;
use progress::Progress;
use report::{Finding, Findings, Level, Report, has_colour};
use std::fs;
use std::fs::File;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use url::Url;

/// One concern: its name, and what is found about it.
type Concern = (&'static str, fn(&Subject, &mut Findings));

/// What is looked at, in this order. Findings are told in it, too, but the worst ones last.
const CONCERNS: &[Concern] = &[
    ("start", start::findings),
    ("starter", starter::findings),
    ("file", file::findings),
    ("suexec", suexec::findings),
    ("selinux", selinux::findings),
    ("format", format::findings),
    ("running", running::findings),
    ("htaccess", htaccess::findings),
    ("modules", modules::findings),
    ("sockets", sockets::findings),
    ("fds", fds::findings),
    ("limits", limits::findings),
    ("memory", memory::findings),
    ("environment", environment::findings),
    ("folder", folder::findings),
    ("settings", settings::findings),
    ("timeouts", timeouts::findings),
];

/// The concerns that need /proc, which a bare chroot or jail has not: nothing is said of them there.
const OF_PROC: [&str; 6] = ["starter", "running", "sockets", "fds", "limits", "memory"];

/// What is looked at instead with `--connect` or `--url`, which are not about where the program lies.
const ASKED: &[Concern] = &[("connect", connect::findings), ("url", url::findings)];

/// In bytes: what is behind them in a text file is not read.
const LARGEST_TEXT: u64 = 1 << 20;

/// All flags of its own.
pub(super) const FLAGS: Tables = &[wish::FLAGS];

/// One screen.
pub(super) fn help(name: &str) -> String {
    format!(
        "\
Usage: {name} check [FILE] [FLAG]...    what is wrong here, and the remedy

Looks at {name}, or at FILE, where it lies: how it would be started and by whom;
who may run it; its machine and libraries; .htaccess; sockets; limits; memory;
settings, and where each came from; the web server's time limits. It serves
and changes nothing, and connects only to what --connect and --url name.

  --as USER      with that user's eyes: www-data. Without it with those of the web
                 server that started this, or of those that run here, else yours
  --log FILE     not that, but what a web server's log means; -: standard input
  --connect ADDR not that, but whether any FastCGI application answers there
  --script-filename FILE   of --connect to php-fpm: what it is to run
  --url URL      not that, but what visitors get there, private files too
  --json         for programs: an object with \"level\" and \"findings\"
  --listen ADDR  and all other flags: as {name} will be started with them

A line is green, yellow (it may be meant so) or red (it does not work, or is not
safe), and below it is what to do. Colour only on a terminal; NO_COLOR heeded.
Exit status: 0 nothing is red, 1 something is, 2 not understood.

As the web server's user, who has no shell of its own:
  su -s /bin/sh www-data -c './{name} check'
"
    )
}

/// Tells what is right and what is wrong. The exit status is 1 if something is.
pub(super) fn run(server: Server, facts: Facts, wish: &Wish, flags: Options) -> ExitCode {
    let told = match &wish.log {
        Some(log) => explained(log).map(|report| match wish.is_json {
            true => (report.json(), report.has_findings()),
            false => (report.to_string(), report.has_findings()),
        }),
        None => Subject::of(server, facts, wish, flags).map(|subject| {
            let report = subject.report();
            match wish.is_json {
                true => (report.json(), report.is_red()),
                false => (report.text(has_colour()), report.is_red()),
            }
        }),
    };
    match told {
        Ok((text, is_wrong)) => match (print(&text), is_wrong) {
            (ExitCode::SUCCESS, true) => ExitCode::FAILURE,
            (printed, _) => printed,
        },
        Err(sentence) => misused(sentence),
    }
}

fn explained(log: &str) -> Result<explain::Report, Words> {
    let progress = Progress::new();
    explain::read(log, &|lines| {
        progress.say(&format!("{lines} lines are read"))
    })
}

/// The program that is looked at, how it would be started, and who else is asked.
struct Subject {
    /// Its absolute path as it was typed: a link is not followed.
    program: PathBuf,
    /// Its path with links followed.
    file: PathBuf,
    /// Whether it is the program that runs now: its defaults are known.
    is_this: bool,
    /// How it would serve, by its defaults, its settings and the flags.
    server: Server,
    /// What the flags and the settings ask for.
    options: Options,
    /// How this process was started.
    facts: Facts,
    /// The path of the settings file, and what is wrong with the file.
    settings: Option<(PathBuf, Option<String>)>,
    /// The users with whose eyes it is looked at: whom `--as` names; else the web server that started this process; else all
    /// web servers that run here; else whoever asks.
    people: Vec<Person>,
    /// The address of an application of any kind, which is asked.
    connect: Option<Address>,
    /// What that application is to run, if it is php-fpm.
    script: Option<Script>,
    /// A page of the program, which is asked for as visitors do.
    url: Option<Url>,
    /// Whether the `people` are surely those who start the program or connect to it. What they cannot do is wrong then.
    is_surely: bool,
}

impl Subject {
    /// # Errors
    /// One sentence about what was typed.
    fn of(server: Server, facts: Facts, wish: &Wish, flags: Options) -> Result<Subject, Words> {
        let this = program::as_typed();
        let program = match &wish.file {
            Some(file) => path::absolute(file).map_err(|error| words!("{error}"))?,
            None => this.clone().ok_or(
                "nobody knows where this program lies: the system has no /proc; name the file behind check",
            )?,
        };
        let file = fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        let is_this = program::executable().is_some_and(|executable| executable == file);
        let beside = Settings::beside(&file);
        let read = beside.as_ref().map(Settings::read);
        let (below, wrong) = match read {
            Some(Ok(options)) => (options, None),
            Some(Err(wrong)) => (Options::default(), Some(wrong.sentence)),
            None => (Options::default(), None),
        };
        let options = flags.over(below);
        let (people, is_surely) = people(wish.user.as_deref())?;
        Ok(Subject {
            server: options.apply(if is_this { server } else { Server::new() }),
            settings: beside.map(|settings| (settings.path().to_owned(), wrong)),
            people,
            is_surely,
            connect: wish.connect.clone(),
            script: wish.script.as_deref().map(Script::file).transpose()?,
            url: wish.url,
            program,
            file,
            is_this,
            options,
            facts,
        })
    }

    fn report(&self) -> Report {
        let concerns = match (&self.connect, &self.url) {
            (None, None) => CONCERNS,
            _ => ASKED,
        };
        let has_proc = Path::new("/proc/self").exists();
        let mut findings: Vec<(&str, Finding)> = Vec::new();
        for (name, look) in concerns {
            if has_proc || !OF_PROC.contains(name) {
                let mut found = Findings::default();
                look(self, &mut found);
                findings.extend(found.0.into_iter().map(|finding| (*name, finding)));
            }
        }
        if !has_proc {
            let what = words!(
                "the system has no /proc, so nothing is said of {}",
                OF_PROC.join(", ")
            );
            let finding = Finding {
                level: Level::Yellow,
                what,
                remedy: "check where there is one: mount -t proc proc /proc",
            };
            findings.push(("system", finding));
        }
        // A screen may be too small for all findings, and shows the end of them. But what was found by asking stays in its
        // order: later lines speak of earlier ones.
        if concerns == CONCERNS {
            sort(&mut findings, |(_, one), (_, other)| {
                one.level > other.level
            });
        }
        Report {
            title: self.title(),
            findings,
        }
    }

    fn title(&self) -> Words {
        match (&self.connect, &self.url) {
            (None, None) => words!("{}", self.program.display()),
            (Some(address), None) => words!("{address}"),
            (None, Some(url)) => url.shown(),
            (Some(address), Some(url)) => words!("{address}, {}", url.shown()),
        }
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// The folder in which a web server sees the program: that of a link to it, if a `.htaccess` is beside the link.
    fn site(&self) -> &Path {
        let typed = self.program.parent();
        let typed = typed.filter(|folder| folder.join(".htaccess").exists());
        typed.unwrap_or(self.folder())
    }

    /// The program's name in that folder.
    fn name(&self) -> String {
        let is_link = self.program.parent() == Some(self.site());
        let path = if is_link { &self.program } else { &self.file };
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Tells what one of the `people` cannot do.
    fn refused(&self, what: Words, remedy: Words, report: &mut Findings) {
        match self.is_surely {
            true => report.red(what, remedy),
            false => report.yellow(what, remedy),
        }
    }
}

/// With whose eyes it is looked at, and whether it is surely they who start the program or connect to it.
fn people(named: Option<&str>) -> Result<(Vec<Person>, bool), Words> {
    if let Some(name) = named {
        return Ok((vec![Person::named(name)?], true));
    }
    if let Some(person) = starter::web_server() {
        return Ok((vec![person], true));
    }
    let web_servers = Person::web_servers();
    match web_servers[..] {
        [] => Ok((Person::of_process("self").into_iter().collect(), false)),
        _ => Ok((web_servers, false)),
    }
}

/// The text of a regular file, up to [`LARGEST_TEXT`]; `None` if it is none, is not there or may not be read. A named pipe would
/// keep `check` waiting.
fn text_of(path: &Path) -> Option<Words> {
    fs::metadata(path).ok().filter(|found| found.is_file())?;
    let bytes = first_bytes(File::open(path).ok()?, LARGEST_TEXT).ok()?;
    Some(words!("{}", String::from_utf8_lossy(&bytes)))
}
