//! What web servers and this crate write into a log about a program that does not answer: the shape of each line, its cause
//! and its remedy. A file for each author; `explain` goes through the authors in the order of [`AUTHORS`] and through an
//! author's rules in theirs, and the first rule that fits counts.
//!
//! `tests/servers` has the commonest lines of Apache 2.4.71 with mod_fcgid 2.3.9, of nginx 1.22.1 and of lighttpd 1.4.69
//! written by these servers themselves, and what HAProxy 2.6.12 and Caddy 2.6.2 say of a program that has ended. The lines of
//! mod_fastcgi are from the guides. All other rules have the shape of a line only, and say nothing of versions.

mod apache;
mod caddy;
mod haproxy;
mod lighttpd;
mod mod_fastcgi;
mod mod_fcgid;
mod nginx;
mod ours;
mod spawn_fcgi;
mod start;

/// All of them, in the order in which they are tried.
pub(super) static AUTHORS: &[Author] = &[
    ours::AUTHOR,
    mod_fastcgi::AUTHOR,
    mod_fcgid::AUTHOR,
    lighttpd::AUTHOR,
    nginx::AUTHOR,
    apache::AUTHOR,
    haproxy::AUTHOR,
    caddy::AUTHOR,
    spawn_fcgi::AUTHOR,
    // Last: where a web server says whose words it repeats, its own rule is the better one.
    start::AUTHOR,
];

/// Lines of servers on which all is well: Apache refuses `.htaccess` and the settings file to whoever asks for them.
pub(super) const HARMLESS: &[&str] = &["AH01630: client denied by server configuration: <>/.ht<>"];

/// Who writes lines into a log.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) name: &'static str,
    /// Each line that one of the rules is for has one of these words in it: a line without them is not looked at further.
    pub(super) marks: &'static [&'static str],
    pub(super) rules: &'static [Rule],
    /// A web server's words always stand in front of this author's, in the same line: they are passed over.
    pub(super) is_quoted: bool,
    /// Its line says why a request failed, and Apache may write a line of its own about that request right below.
    pub(super) tells_why: bool,
}

/// What a line means.
#[derive(Debug)]
pub(super) struct Rule {
    /// The line has one of these shapes: see `pattern`.
    pub(super) patterns: &'static [&'static str],
    /// In this and in the remedy `{object}` and `{detail}` stand for what the pattern has taken from the line.
    pub(super) cause: &'static str,
    pub(super) remedy: &'static str,
    /// Apache also writes this line right below one that says why: then it says no more than that one.
    pub(super) follows: bool,
}

const fn author(
    name: &'static str,
    marks: &'static [&'static str],
    rules: &'static [Rule],
) -> Author {
    Author {
        name,
        marks,
        rules,
        is_quoted: false,
        tells_why: false,
    }
}

/// A line that stands for itself.
const fn rule(
    patterns: &'static [&'static str],
    cause: &'static str,
    remedy: &'static str,
) -> Rule {
    Rule {
        patterns,
        cause,
        remedy,
        follows: false,
    }
}

/// A line that Apache also writes right below one that says why.
const fn following(
    patterns: &'static [&'static str],
    cause: &'static str,
    remedy: &'static str,
) -> Rule {
    Rule {
        follows: true,
        ..rule(patterns, cause, remedy)
    }
}

// What more than one author's rules say.

const CLOSED_SOCKET: &str = "the web server's user may not connect to {object}: that takes the right to write to the socket, and to enter each \
     folder above it";
const OPEN_SOCKET: &str = "start the program with --socket-owner :GROUP, where GROUP is the web server's (www-data on Debian) and has the program's user in it, and make the \
     folders above the socket enterable (chmod o+x); a start makes the socket anew";
const NO_SOCKET: &str = "there is no {object}: the program does not run, listens elsewhere, or the path is another one in the web server's \
     eyes (PrivateTmp hides /tmp)";
const MAKE_SOCKET: &str = "start the program with --listen and the very same path, below /run rather than /tmp; let systemd or supervisor keep \
     it running (conf systemd, conf supervisor)";
const NOBODY: &str =
    "nobody listens on {object} any more: the program has ended, or was never started";
const START: &str = "start it with --listen and that address, read what it says on its standard error, and let systemd or supervisor keep it \
     running (conf systemd, conf supervisor)";
const SAYS_WHY: &str = "look for the program's own lines just above: what it wrote to standard error; then start it by hand as the web server's \
     user: su -s /bin/sh www-data -c '/path/to/program get /'";
const RUNS_AT_ALL: &str = "most often it is not chmod 755, or was sent in text mode and not binary; any other program of this crate says more: \
     OTHER check --as www-data /path/to/program; if it can be run, start it as the web server's user and read what it says: su -s /bin/sh www-data -c '/path/to/program get /'; \
     LogLevel fcgid:info tells how its processes end";
const NOT_FASTCGI: &str = "let it speak FastCGI and print to standard error only; behind a program of this crate nothing else can come, so that \
     the address is another program's: see who listens there with ss -lxtp";
