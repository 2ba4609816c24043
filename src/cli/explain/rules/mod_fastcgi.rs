//! Lines of mod_fastcgi, the older of Apache's FastCGI modules: those of the guides, and others. Apache 2.4 puts
//! `[client …]` into the middle of them.

use super::{Author, Rule, SAYS_WHY, author, rule};

pub(super) const AUTHOR: Author = Author {
    tells_why: true,
    ..author("Apache, mod_fastcgi", &["FastCGI: "], RULES)
};

const RULES: &[Rule] = &[
    rule(
        &[
            "(13)Permission denied<>FastCGI: failed to connect to <>server \"<object>\"",
            "(13)Permission denied: FastCGI: failed to connect",
        ],
        "Apache may not connect to the socket of {object}: its user needs the right to write to it, and to enter each folder \
         above it",
        "start the program as Apache's user, or with --socket-owner :www-data; if an earlier start left the socket with other \
         rights, stop both, rm the socket and start again",
    ),
    rule(
        &[
            "No such file or directory<>FastCGI: failed to connect to <>server \"<object>\"",
            "No such file or directory: FastCGI",
        ],
        "there is no socket for {object}: the program was not started, or does not exist where FastCgiServer or \
         FastCgiExternalServer says",
        "external: start it with --listen and the path of -socket; else see that the file exists and runs for Apache's user: \
         su -s /bin/sh www-data -c '{object} --version'",
    ),
    rule(
        &["(111)Connection refused<>FastCGI: failed to connect to <>server \"<object>\""],
        "nobody listens on the socket of {object} any more: the program has ended",
        "external: start it again, under systemd or supervisor; else look above for why it ended",
    ),
    rule(
        &["FastCGI: failed to connect to <>server \"<object>\": <detail>"],
        "Apache gets no connection to {object}: {detail}",
        "see that the program runs, and that its workers are not all busy (--status); -appConnTimeout is how long Apache waits",
    ),
    rule(
        &[
            "FastCGI: incomplete headers (<detail> bytes) received from <>server \"<object>\"",
            "FastCGI: incomplete headers (<detail> bytes)",
            "incomplete headers (<detail> bytes)",
        ],
        "{object} ended its answer, or itself, after {detail} bytes of head; with 0 bytes it never began, or there was no \
         connection: the line above says why",
        SAYS_WHY,
    ),
    rule(
        &[
            "FastCGI: \"ExecCGI Option\" is off in this directory: <object>",
            "\"ExecCGI Option\" is off",
        ],
        "Apache does not run programs in the folder of {object}",
        "Options +ExecCGI in its .htaccess or <Directory>; in .htaccess it takes AllowOverride Options (conf htaccess)",
    ),
    rule(
        &["FastCGI: <>server \"<object>\" stderr: <detail>"],
        "{object} wrote to its standard error: {detail}",
        "that is the application's own text, and as a rule the reason of what goes wrong after it",
    ),
    rule(
        &[
            "FastCGI: comm with <>server \"<object>\" aborted: (first read) idle timeout (<detail> sec)",
            "(first read) idle timeout (<detail> sec)",
        ],
        "{object} took the request and answered nothing for {detail} s: all its workers were busy, or it does not read its \
         socket",
        "see with --status what the workers do; -idle-timeout of FastCgiServer, FastCgiExternalServer and FastCgiConfig has to be \
         5 s longer than --timeout",
    ),
    rule(
        &["FastCGI: comm with <>server \"<object>\" aborted: idle timeout (<detail> sec)"],
        "{object} was silent for {detail} s in the middle of an answer",
        "make that page faster or let it write early; -idle-timeout has to be 5 s longer than --timeout",
    ),
    rule(
        &["FastCGI: comm with <>server \"<object>\" aborted: error parsing headers: <detail>"],
        "{object} printed something else than a head: {detail}",
        "what a program prints goes into the answer there: print to standard error, and answer by the handler's Response",
    ),
    rule(
        &["FastCGI: comm with <>server \"<object>\" aborted: <detail>"],
        "the connection with {object} broke: {detail}; the program ended in the middle of a request",
        SAYS_WHY,
    ),
    rule(
        &["FastCGI: <>server \"<object>\" has failed to remain running for <detail> seconds"],
        "{object} ends as soon as it is started, and is not tried again for some minutes",
        "a program that binds an address of its own does that under FastCgiServer: no --listen there; else start it by hand as \
         Apache's user and read what it says",
    ),
    rule(
        &["FastCGI: <>server \"<object>\" <>terminated by calling exit with status '<detail>'"],
        "{object} ended by itself with status {detail}",
        SAYS_WHY,
    ),
    rule(
        &["FastCGI: <>server \"<object>\" <>terminated due to uncaught signal '<detail>'"],
        "{object} was killed by signal {detail}",
        "9 is most likely the kernel's, out of memory (dmesg); 11, 7, 6 and 4 are bugs of the program, or half a file: check FILE",
    ),
    rule(
        &["FastCGI: can't start <>server \"<object>\": <detail>"],
        "Apache cannot start {object}: {detail}",
        "chmod 755 it, and see that it runs on this machine: file {object}, ldd {object}",
    ),
    rule(
        &["FastCGI: invalid <>server \"<object>\": <detail>"],
        "Apache does not accept {object} as a FastCGI program: {detail}",
        "the path has to be the file's own, readable and executable for Apache's user (chmod 755)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::tests::assert_explained;

    #[test]
    fn the_guides_lines_are_explained() {
        assert_explained(
            &AUTHOR,
            &[
                (
                    "(13)Permission denied: FastCGI: failed to connect to server \"/var/www/test/htdocs/app.py\": connect() failed",
                    "/var/www/test/htdocs/app.py",
                    "may not connect to the socket of /var/www/test/htdocs/app.py",
                ),
                (
                    "FastCGI: incomplete headers (0 bytes) received from server \"/var/www/test/htdocs/app.py\"",
                    "/var/www/test/htdocs/app.py",
                    "after 0 bytes of head",
                ),
                (
                    " No such file or directory: FastCGI: failed to connect to server \"/var/www/test/htdocs/app.py\": connect() failed",
                    "/var/www/test/htdocs/app.py",
                    "there is no socket for /var/www/test/htdocs/app.py",
                ),
                (
                    "FastCGI: \"ExecCGI Option\" is off in this directory: /app.py",
                    "/app.py",
                    "does not run programs in the folder of /app.py",
                ),
                (
                    "FastCGI: server \"/var/www/test/htdocs/app.py\" stderr: SOME TEXT",
                    "/var/www/test/htdocs/app.py",
                    "wrote to its standard error: SOME TEXT",
                ),
                (
                    "FastCGI: comm with (dynamic) server \"/var/www/test/htdocs/app.py\" aborted: (first read) idle timeout (30 sec)",
                    "/var/www/test/htdocs/app.py",
                    "answered nothing for 30 s",
                ),
            ],
        );
    }

    /// Somebody has copied only a part of the line.
    #[test]
    fn half_a_line_is_explained_too() {
        assert_explained(
            &AUTHOR,
            &[
                (
                    "(13)Permission denied: FastCGI: failed to connect",
                    "",
                    "may not connect",
                ),
                (
                    "No such file or directory: FastCGI: failed",
                    "",
                    "there is no socket",
                ),
                ("FastCGI: incomplete headers (0 bytes)", "", "after 0 bytes"),
                (
                    "FastCGI: \"ExecCGI Option\" is off",
                    "",
                    "does not run programs",
                ),
                (
                    "FastCGI: (first read) idle timeout (30 sec)",
                    "",
                    "for 30 s",
                ),
            ],
        );
    }

    #[test]
    fn what_apache_puts_around_the_guides_lines_is_passed_over() {
        assert_explained(
            &AUTHOR,
            &[
                (
                    "[Sat Mar 28 19:12:28.1 2015] [fastcgi:error] [pid 1] (13)Permission denied: [client 192.0.2.1:5] FastCGI: failed to connect to (dynamic) server \"/srv/app.fcgi\": connect() failed, referer: http://a/",
                    "/srv/app.fcgi",
                    "may not connect",
                ),
                (
                    "[error] [client 192.0.2.1] (111)Connection refused: FastCGI: failed to connect to server \"/srv/app.fcgi\": connect() failed",
                    "/srv/app.fcgi",
                    "nobody listens",
                ),
                (
                    "[fastcgi:error] (104)Connection reset by peer: [client 192.0.2.1:5] FastCGI: comm with server \"/srv/app.fcgi\" aborted: read failed",
                    "/srv/app.fcgi",
                    "broke: read failed",
                ),
                (
                    "[warn] FastCGI: (dynamic) server \"/srv/app.fcgi\" has failed to remain running for 30 seconds given 3 attempts, its restart interval has been backed off to 600 seconds",
                    "/srv/app.fcgi",
                    "ends as soon as it is started",
                ),
                (
                    "[warn] FastCGI: server \"/srv/app.fcgi\" (pid 7) terminated by calling exit with status '1'",
                    "/srv/app.fcgi",
                    "by itself with status 1",
                ),
                (
                    "[warn] FastCGI: server \"/srv/app.fcgi\" (pid 7) terminated due to uncaught signal '9' (Killed)",
                    "/srv/app.fcgi",
                    "was killed by signal 9",
                ),
            ],
        );
    }
}
