//! Lines of this crate. Those that name their remedy themselves have no rule here.

use super::{Author, OPEN_SOCKET, Rule, author, rule};

pub(super) const AUTHOR: Author = Author {
    is_quoted: true,
    tells_why: true,
    ..author(
        "the program",
        &[
            "] ERROR ",
            "] WARN ",
            "there is nothing to serve",
            ": the body is longer than ",
        ],
        RULES,
    )
};

const RULES: &[Rule] = &[
    rule(
        &[
            "Z <object>[<>] ERROR every request is answered 503: <detail>",
            "Z <object>[<>] ERROR every request is answered 503 <>: <detail>",
        ],
        "{object} cannot be set up and answers every request 503: {detail}",
        "mend what the sentence names in .ht.{object} beside the program, or in how it is started; the file is read again by \
         itself",
    ),
    rule(
        &["<object>: there is nothing to serve: <detail>"],
        "the program was started without a socket, an address or a CGI request",
        "let the web server start it (conf htaccess, conf lighttpd), or write --listen; by hand: get /",
    ),
    rule(
        &[
            "Z <object>[<>] <>: panicked <detail>",
            "Z <object>[<>] <>: panicked<detail>",
        ],
        "{object} has a bug: a request made it panic {detail}",
        "the line has the place in the source; ask for the same page without a web server: get /PAGE",
    ),
    rule(
        &["Z <object>[<>] <>; requests are answered <detail>, and the next try is in"],
        "the start-up of {object} fails, and meanwhile requests are answered {detail}",
        "mend what the beginning of the line names; it is tried again by itself",
    ),
    rule(
        &["Z <object>[<>] ERROR <>: it has run for <detail> s, longer than timeout"],
        "a request of {object} ran for {detail} s, longer than --timeout, and its process was replaced",
        "make that page faster, or raise --timeout; the web server's own limit has to be longer by some seconds",
    ),
    rule(
        &["Z <object>[<>] WARN <>: it is slow, and has run for <detail> s"],
        "a request of {object} takes long: {detail} s so far",
        "the line has its path; mod_fcgid gives up after 40 s of silence, nginx after 60 s: answer early, or raise \
         FcgidIOTimeout or fastcgi_read_timeout",
    ),
    rule(
        &["Z <object>[<>] WARN all <detail> workers have been busy"],
        "all {detail} workers of {object} are busy, and visitors wait",
        "raise --workers, or look at what the oldest request does; --status shows all of them",
    ),
    rule(
        &["] ERROR nobody may connect to <object>: <detail>"],
        "the socket {object} is closed to everybody else: {detail}",
        OPEN_SOCKET,
    ),
    rule(
        &["] WARN somebody has replaced <object>: "],
        "another program has put its own socket at {object}, and gets the visitors",
        "see who it is with ss -lxp, and stop one of the two; two programs need two paths",
    ),
    rule(
        &[
            "] WARN <object> had vanished: ",
            "] ERROR <object> has vanished: ",
        ],
        "somebody removed the socket {object}: a cleaner of /tmp, most likely",
        "choose a path below /run; systemd's RuntimeDirectory= makes the folder (conf systemd)",
    ),
    rule(
        &["Z <object>[<>] WARN <>what came is http, not FastCGI"],
        "the web server speaks http to {object}, which speaks FastCGI",
        "nginx: fastcgi_pass in place of proxy_pass; Apache: fcgi:// in place of http://; {object} conf SERVER prints it all",
    ),
    rule(
        &["Z <object>[<>] WARN <>TLS came where FastCGI was expected"],
        "somebody speaks TLS to {object}, which speaks FastCGI",
        "let the web server end TLS, and name the program's address to it alone",
    ),
    rule(
        &["Z <object>[<>] WARN a request for role <detail> is refused"],
        "the web server asks {object} in role {detail}, for which it has no handler",
        "take that directive (FcgidAccessChecker, \"mode\" => \"authorizer\") away, or give the program such a handler",
    ),
    rule(
        &["Z <object>[<>] WARN no room for another connection (<detail>)"],
        "{object} has as many connections as it can: {detail}",
        "raise the limit of open files (ulimit -n, LimitNOFILE=); lower --idle-timeout, or the web server's keepalive",
    ),
    rule(
        &["Z <object>[<>] WARN cannot start another worker: <detail>"],
        "the host does not let {object} start as many threads as --workers asks for: {detail}",
        "set workers to the number that the line names, or have the host raise its limit of processes (ulimit -u)",
    ),
    rule(
        &["Z <object>[<>] ERROR process <> after <detail> s: another is started"],
        "a process of {object} ended by itself after {detail} s",
        "the line says how; a signal 9 is most likely the kernel's, out of memory (dmesg), and any other a bug or a panic that \
         aborts",
    ),
    rule(
        &["Z <object>[<>] ERROR the reload failed, and the old processes go on serving: <detail>"],
        "the new version of {object} does not start: {detail}",
        "start the new file by hand and read what it says; SIGHUP tries again",
    ),
    rule(
        &["Z <object>[<>] WARN <detail> log lines were lost here"],
        "whoever should read what {object} writes does not, and {detail} lines are lost",
        "repair the reader of its standard error, or let it write to a file",
    ),
    rule(
        &["Z <object>[<>] ERROR the time to stop is over; <detail>"],
        "a request of {object} was not ready when its process had to end, for --timeout or a stop: {detail}",
        "the access log has no line of it; make that page faster, or raise --timeout or --grace",
    ),
    rule(
        &["Z <object>[<>] <>: the body is longer than <detail>; answered"],
        "a visitor sent {object} a body that is longer than {detail}",
        "raise --max-body; conf has the web server agree",
    ),
    rule(
        &["Z <object>[<>] ERROR <detail>"],
        "{object} says itself: {detail}",
        "the sentence names the object; --debug shows the same on the page",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::tests::assert_explained;

    #[test]
    fn each_line_is_explained() {
        assert_explained(
            &AUTHOR,
            &[
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] ERROR every request is answered 503: /srv/.ht.app.fcgi, line 1: wrokers is no flag; did you mean workers?",
                    "app.fcgi",
                    "line 1: wrokers is no flag",
                ),
                (
                    "[fcgid:warn] mod_fcgid: stderr: 2026-11-21T13:41:54Z app.fcgi[7] ERROR 7-1 GET /panic: panicked at src/app.rs:1:1: as asked; answered 500",
                    "app.fcgi",
                    "made it panic at src/app.rs:1:1",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] WARN 7-1 GET /x: it is slow, and has run for 10 s",
                    "app.fcgi",
                    "takes long: 10 s",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] WARN all 4 workers have been busy for 5 s, and further requests have to wait",
                    "app.fcgi",
                    "all 4 workers",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] WARN a connection is closed: what came is http, not FastCGI; use fastcgi_pass (nginx) or fcgi:// (Apache), not proxy_pass or http://",
                    "app.fcgi",
                    "speaks http to app.fcgi",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] WARN unix:/tmp/s had vanished: somebody removed the socket; it is bound again",
                    "unix:/tmp/s",
                    "removed the socket",
                ),
                (
                    "app.fcgi: there is nothing to serve: fd 0 is no listening socket",
                    "app.fcgi",
                    "without a socket",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] ERROR the time to stop is over; cut after 8 s: 7-1 GET /x",
                    "app.fcgi",
                    "cut after 8 s: 7-1 GET /x",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] INFO 7-1 POST /x: the body is longer than max-body, 1000 bytes; answered 413",
                    "app.fcgi",
                    "longer than max-body, 1000 bytes",
                ),
                (
                    "2026-11-21T13:41:54Z app.fcgi[7] ERROR 7-1 GET /x: out of paper; answered 500",
                    "app.fcgi",
                    "says itself: 7-1 GET /x: out of paper",
                ),
            ],
        );
    }
}
