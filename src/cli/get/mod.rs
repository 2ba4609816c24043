//! `get`: one request through the program's own handler, or to any FastCGI application, without a web server. Called by
//! `cli::main`.
//!
//! The body of the answer goes to standard output as it comes; all else that there is to know goes to standard error. `wish` is
//! what is asked for, `trace` shows records for `--verbose`, and `waiting` tells a person that nothing comes.

mod trace;
mod waiting;
mod wish;

pub(super) use wish::Wish;

use self::trace::Trace;
use self::waiting::Waiting;
use super::asked::remedy;
use super::command_flags::Tables;
use super::stderr::{Stderr, printable};
use super::{asked, command_flags, log_lines, misused, program, read_settings, say};
use crate::client::{Begin, Client, End, Head, HeadReader, Part, Way};
use crate::net::Address;
use crate::server::Server;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};
use std::process::ExitCode;
use std::time::Instant;

/// The exit statuses: curl's numbers, where curl has one for that.
mod code {
    pub(super) const FAILED: u8 = 1;
    pub(super) const NO_CONNECTION: u8 = 7;
    pub(super) const NO_FASTCGI: u8 = 8;
    pub(super) const CUT: u8 = 18;
    pub(super) const STATUS: u8 = 22;
    pub(super) const UNWRITABLE: u8 = 23;
    pub(super) const SILENT: u8 = 28;
    pub(super) const NO_ANSWER: u8 = 52;
}

/// All flags of its own.
pub(super) const FLAGS: Tables = &[wish::FLAGS, asked::FLAGS];

/// One screen.
pub(super) fn help(name: &str) -> String {
    format!(
        "Usage: {name} get [FLAG]... /path?query    one request, without any server\n{}{}\
         The body goes to standard output; to standard error what the application wrote\n\
         to stderr, and how it ended. Without --connect {name} answers by itself.\n\
         Exit status: 0, 22 for a status from 400, 7 no connection, 8 not FastCGI,\n\
         18 cut, 28 silent for too long, 52 no answer, 23 output not taken, 2 misused,\n\
         1 not asked. As Apache's user: su -s /bin/sh www-data -c './{name} get /'\n",
        command_flags::lines(wish::FLAGS),
        command_flags::lines(asked::FLAGS)
    )
}

/// Asks, and shows the answer.
pub(super) fn run(server: Server, wish: Wish) -> ExitCode {
    match &wish.connect {
        Some(address) => ask_at(address, &wish),
        None => ask_ourselves(server, &wish),
    }
}

fn ask_at(address: &Address, wish: &Wish) -> ExitCode {
    let waiting = Waiting::begin();
    match Client::connect_within(address, wish.timeout.min(Client::CONNECT_LIMIT)) {
        Ok(client) => ExitCode::from(hear(client, wish, waiting)),
        Err(error) => {
            say(&format!("{error}{}", remedy(&error)));
            ExitCode::from(code::NO_CONNECTION)
        }
    }
}

/// Asks this program's own handler, with its settings file and its workers, as if it were served. But nothing is done that only
/// a web server could do or a visitor causes.
fn ask_ourselves(server: Server, wish: &Wish) -> ExitCode {
    let settings = match read_settings() {
        Ok(settings) => settings,
        Err((_, wrong)) => return misused(&wrong.sentence),
    };
    let mut server = settings.apply(server);
    log_lines::start(settings.log_level());
    // There is no web server here that would send files; and the access log is for visitors.
    server.setup.sendfile = None;
    server.access_log = None;
    // Ctrl-C ends the process at once: nobody else waits for an answer.
    server.borrow_process();
    let handle = match server.start_on(Vec::new()) {
        Ok(handle) => handle,
        Err(error) => return failed(&error),
    };
    let code = match handle.connect() {
        Ok(stream) => hear(Client::from(stream), wish, Waiting::begin()),
        Err(error) => return failed(&error),
    };
    // A handler that was silent for too long would not end now either: it is not waited for.
    if code != code::SILENT {
        handle.stop();
        handle.join();
    }
    ExitCode::from(code)
}

/// The program could not even be asked.
fn failed(error: &io::Error) -> ExitCode {
    say(&format!("cannot ask {}: {error}", program::name()));
    ExitCode::from(code::FAILED)
}

/// Asks on this connection, and shows the answer. Returns the exit status.
fn hear(client: Client, wish: &Wish, waiting: Waiting) -> u8 {
    let mut client = client.timeout(wish.timeout);
    if wish.is_verbose {
        let mut trace = Trace::default();
        client = client.watch(move |way: Way, bytes| note(&trace.lines(way, bytes)));
    }
    let begin = Begin {
        role: wish.role,
        ..Begin::default()
    };
    let mut hearing = Hearing::new(wish, waiting);
    let params = wish.asked.params.iter().map(|(name, value)| (name, value));
    let end = client.exchange(begin, params, &wish.asked.body[..], |part| {
        hearing.take(part)
    });
    hearing.finish(end)
}

/// An answer on its way to the person who asked.
struct Hearing<'a> {
    wish: &'a Wish,
    waiting: Waiting,
    began: Instant,
    reader: HeadReader,
    head: Option<Head>,
    /// How many bytes of the body have come.
    body: u64,
    /// Something has come on the stream STDOUT.
    has_begun: bool,
    stderr: Stderr,
    /// php-fpm has said that it does not find the script.
    has_no_script: bool,
    out: StdoutLock<'static>,
    /// What was written last to standard output ended within a line.
    is_in_line: bool,
    /// Why standard output does not take the answer.
    unwritable: Option<ErrorKind>,
}

impl<'a> Hearing<'a> {
    fn new(wish: &'a Wish, waiting: Waiting) -> Hearing<'a> {
        Hearing {
            wish,
            waiting,
            began: Instant::now(),
            reader: HeadReader::default(),
            head: None,
            body: 0,
            has_begun: false,
            stderr: Stderr::default(),
            has_no_script: false,
            out: io::stdout().lock(),
            is_in_line: false,
            unwritable: None,
        }
    }

    fn take(&mut self, part: Part<'_>) -> io::Result<()> {
        self.waiting.came();
        match part {
            Part::Stdout(bytes) if self.head.is_some() => self.take_body(bytes),
            Part::Stdout(bytes) => {
                self.has_begun = true;
                match self.reader.read(bytes)? {
                    Some((head, n)) => {
                        self.take_head(head)?;
                        self.take_body(&bytes[n..])
                    }
                    None => Ok(()),
                }
            }
            Part::Stderr(bytes) => {
                self.stderr
                    .take(bytes, |line| tell_stderr(line, &mut self.has_no_script));
                Ok(())
            }
            Part::End(_) => Ok(()),
        }
    }

    fn take_head(&mut self, head: Head) -> io::Result<()> {
        if self.wish.shows_head {
            let mut text = format!("Status: {}\n", status(&head)).into_bytes();
            for (name, value) in head.fields() {
                text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\n"].concat());
            }
            text.push(b'\n');
            self.write(&text)?;
        }
        self.head = Some(head);
        Ok(())
    }

    fn take_body(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.body += bytes.len() as u64;
        match self.wish.shows_body {
            true => self.write(bytes),
            false => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_in_line = bytes.last().map_or(self.is_in_line, |&last| last != b'\n');
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        written.inspect_err(|error| self.unwritable = Some(error.kind()))
    }

    /// Tells how the answer ended. Returns the exit status.
    fn finish(mut self, end: io::Result<End>) -> u8 {
        self.stderr
            .end(|line| tell_stderr(line, &mut self.has_no_script));
        self.end_line();
        match end {
            Ok(end) => self.ended(end),
            Err(error) => self.broke_off(&error),
        }
    }

    /// Ends the body's last line, if it goes to a terminal: sentences on standard error stand below it there.
    fn end_line(&mut self) {
        if self.is_in_line && self.unwritable.is_none() && io::stdout().is_terminal() {
            let _ = self.write(b"\n");
        }
    }

    fn ended(&self, end: End) -> u8 {
        let statuses = format!(
            "application status {}, protocol status {}{}",
            end.app_status,
            end.protocol_status,
            end.refusal()
                .map_or(String::new(), |refusal| format!(": {refusal}"))
        );
        let Some(head) = &self.head else {
            note(&format!("end: {statuses}\n"));
            return self.ended_without_head();
        };
        note(&format!(
            "end: {}, {} bytes of body in {} ms; {statuses}\n",
            status(head),
            self.body,
            self.began.elapsed().as_millis() as u64
        ));
        if let Some(declared) = self.announced(head).filter(|&length| length != self.body) {
            let what = match self.body < declared {
                true => "cut",
                false => "too long, and web servers cut it",
            };
            say(&format!(
                "the answer is {what}: Content-Length says {declared} bytes, and {} came",
                self.body
            ));
            return code::CUT;
        }
        if self.has_no_script {
            say(match self.wish.names_script {
                true => {
                    "php-fpm does not find that file: its user has to be able to read it, and a chroot = counts from there"
                }
                false => {
                    "php-fpm has to be told what to run; write --script-filename /path/of/index.php"
                }
            });
        }
        match head.status() {
            ..400 => 0,
            _ => code::STATUS,
        }
    }

    fn ended_without_head(&self) -> u8 {
        let (what, code) = match self.has_begun {
            true => (
                "the answer ends within its head: an empty line has to follow the headers",
                code::NO_FASTCGI,
            ),
            false => (
                "the application ended the request without an answer",
                code::NO_ANSWER,
            ),
        };
        say(what);
        code
    }

    /// The length that the body has to have, by its head and by the method.
    fn announced(&self, head: &Head) -> Option<u64> {
        let has_body = self.wish.asked.method != "HEAD" && ![204, 304].contains(&head.status());
        head.content_length().filter(|_| has_body)
    }

    fn broke_off(&self, error: &io::Error) -> u8 {
        match self.unwritable {
            // The reader has seen enough, as in `get / | head -1`: no sentence is needed.
            Some(ErrorKind::BrokenPipe) => return code::UNWRITABLE,
            Some(_) => {
                say(&format!("cannot write to standard output: {error}"));
                return code::UNWRITABLE;
            }
            None => say(&error.to_string()),
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => code::CUT,
            ErrorKind::TimedOut => code::SILENT,
            ErrorKind::InvalidData => code::NO_FASTCGI,
            _ => code::FAILED,
        }
    }
}

/// What php-fpm writes to stderr if it does not find the script.
const NO_SCRIPT: &str = "Primary script unknown";

fn status(head: &Head) -> String {
    let text = format!("{} {}", head.status(), printable(head.reason()));
    text.trim_end().to_owned()
}

fn tell_stderr(line: &str, has_no_script: &mut bool) {
    *has_no_script |= line.contains(NO_SCRIPT);
    note(&format!("stderr: {line}\n"));
}

/// Writes to standard error. Perhaps nobody reads it: an error is no matter.
fn note(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_screen_and_has_every_flag_and_exit_status() {
        let help = help("app.fcgi");
        assert!(help.lines().count() <= 24, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for flag in wish::FLAGS.iter().chain(asked::FLAGS) {
            let name = format!("--{} ", flag.name);
            assert!(help.contains(&name), "{name}");
        }
        for code in [
            code::NO_CONNECTION,
            code::NO_FASTCGI,
            code::CUT,
            code::STATUS,
            code::UNWRITABLE,
            code::SILENT,
            code::NO_ANSWER,
            code::FAILED,
        ] {
            assert!(help.contains(&format!("{code} ")), "{code}");
        }
    }
}
