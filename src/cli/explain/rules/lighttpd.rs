//! Lines of lighttpd.

use super::{
    Author, CLOSED_SOCKET, MAKE_SOCKET, NO_SOCKET, NOBODY, OPEN_SOCKET, Rule, SAYS_WHY, START,
    author, rule,
};

pub(super) const AUTHOR: Author = author(
    "lighttpd",
    &[
        "gw_backend.c",
        "mod_fastcgi.c",
        "http-header-glue.c",
        "mod_cgi.c",
        "configfile.c",
        "fdevent",
    ],
    RULES,
);

const RULES: &[Rule] = &[
    rule(
        &["unknown config-key: <object> (ignored)"],
        "lighttpd does not know {object}: the module of that name is not loaded, and visitors get files, or 404",
        "server.modules += ( \"mod_fastcgi\" ), and \"mod_rewrite\" or \"mod_alias\" for url.rewrite-once and alias.url (conf lighttpd)",
    ),
    rule(
        &[
            "connect failed: Permission denied on <object>",
            ") connect <object>: Permission denied",
            "establishing connection failed: socket: <object>: Permission denied",
            "establishing connection failed: Permission denied socket: <object>",
        ],
        CLOSED_SOCKET,
        OPEN_SOCKET,
    ),
    rule(
        &[
            "connect failed: No such file or directory on <object>",
            ") connect <object>: No such file or directory",
            "establishing connection failed: socket: <object>: No such file or directory",
            "establishing connection failed: No such file or directory socket: <object>",
        ],
        NO_SOCKET,
        MAKE_SOCKET,
    ),
    rule(
        &[
            "connect failed: Connection refused on <object>",
            ") connect <object>: Connection refused",
            "establishing connection failed: socket: <object>: Connection refused",
            "establishing connection failed: Connection refused socket: <object>",
        ],
        NOBODY,
        START,
    ),
    rule(
        &[
            "connect delayed; will continue later: <object>",
            "connect failed: Resource temporarily unavailable on <object>",
            ") connect <object>: Resource temporarily unavailable",
        ],
        "the queue of {object} is full: more requests wait than it can hold",
        "raise --workers, or max-procs where lighttpd starts the program",
    ),
    rule(
        &[
            "establishing connection failed: socket: unix:<object>: <detail>",
            "establishing connection failed: socket: tcp:<object>: <detail>",
            ") connect <object>: <detail>",
        ],
        "lighttpd gets no connection to {object}: {detail}",
        "see that the program runs and listens there: ss -lxtp",
    ),
    rule(
        &[
            "unexpected end-of-file (perhaps the fastcgi process died):<>socket: <object>",
            "connection was dropped after accept() (perhaps the <> process died)<>socket: <object>",
        ],
        "the program behind {object} died, or closed the connection, in the middle of a request",
        SAYS_WHY,
    ),
    rule(
        &[
            "response not received, request sent: <> on socket: <object> for <detail>, closing connection",
            "response not received, request not sent on socket: <object> for <detail>, reconnecting",
            "response already sent out, but backend returned error on socket: <object> for <detail>, terminating",
        ],
        "the program behind {object} did not answer the request for {detail} to its end",
        SAYS_WHY,
    ),
    rule(
        &["FastCGI-stderr:<detail>"],
        "the program wrote to its standard error: {detail}",
        "that is the application's own text, and as a rule the reason of what goes wrong beside it",
    ),
    rule(
        &["invalid \"bin-path\" => \"<object>\""],
        "lighttpd cannot start {object}: it is not there, no file, or not executable for lighttpd's user; lighttpd does not start",
        "write the path right and chmod 755 the file, without arguments in quotes of their own",
    ),
    rule(
        &[
            "gw-backend failed to start: <object>",
            "fcgi-backend failed to start: <object>",
            "the fastcgi-backend <object> failed to start",
            "fastcgi-server died<object>",
        ],
        "{object} ends as soon as lighttpd starts it",
        "start it by hand as lighttpd's user and read what it says: a wrong flag in bin-path, --listen there (lighttpd gives it \
         its socket), or a missing library",
    ),
    rule(
        &[
            "child exited: <detail> <object>",
            "child exited: <detail>",
            "child exited with status <detail> <object>",
            "child exited with status <detail>",
        ],
        "{object} ended by itself with status {detail}, and lighttpd starts it again",
        "126 is a file that may not be run, 127 one that is not there; else see what it says: server.breakagelog has its standard \
         error",
    ),
    rule(
        &["child signalled: <detail>"],
        "a program that lighttpd started was killed by signal {detail}",
        "9 is most likely the kernel's, out of memory (dmesg); 11, 7, 6 and 4 are bugs of the program, or half a file: check FILE",
    ),
    rule(
        &[
            "ERROR: spawning gw failed",
            "[ERROR]: spawning gw failed",
            "ERROR: spawning backend failed",
            "[ERROR]: spawning fcgi failed",
            "respawning failed, will retry later",
        ],
        "lighttpd cannot start the program",
        "the lines above have the reason; chmod 755 the program, and let the folder of \"socket\" be writable for lighttpd's user",
    ),
    rule(
        &["all handlers for <detail> on <object> are down"],
        "none of the processes behind {object} is there for {detail}, and the visitor got a 503",
        "see why they ended in the lines above; \"disable-time\" => 1 makes lighttpd try again sooner",
    ),
    rule(
        &[
            "backend error; we'll disable for <detail>secs",
            "backend is overloaded; we'll disable it for <detail>",
        ],
        "a process of the program is not asked for {detail} s, since it failed just now",
        "see why in the lines above; raise --workers if it was overloaded",
    ),
    rule(
        &[
            "This means that you have more incoming requests than your FastCGI backend can handle<>FastCGI backend <object> is <detail>",
            "you have more incoming requests than your FastCGI backend can handle",
        ],
        "more requests arrive than {object} can take",
        "raise --workers, or max-procs where lighttpd starts the program",
    ),
    rule(
        &["<detail> timeout on socket: <object> (fd:"],
        "the program behind {object} was silent for too long",
        "make that page faster, or raise \"read-timeout\" of its entry; --slow names such requests",
    ),
    rule(
        &[
            "bind failed for: <object>: <detail>",
            "bind() <object>: <detail>",
        ],
        "lighttpd cannot make the socket {object}: {detail}",
        "let its folder be writable for lighttpd's user",
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
                    "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: unix:/run/app.sock: No such file or directory",
                    "unix:/run/app.sock",
                    "there is no",
                ),
                (
                    "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: unix:/run/app.sock: Permission denied",
                    "unix:/run/app.sock",
                    "may not connect",
                ),
                (
                    "2026-11-21 13:37:57: (gw_backend.c.274) establishing connection failed: socket: tcp:127.0.0.1:9000: Connection refused",
                    "tcp:127.0.0.1:9000",
                    "nobody listens",
                ),
                (
                    "2010-01-01 00:00:00: (mod_fastcgi.c.1768) connect failed: Permission denied on unix:/run/app.sock",
                    "unix:/run/app.sock",
                    "may not connect",
                ),
                (
                    "2026-11-21 13:39:19: (mod_fastcgi.c.360) unexpected end-of-file (perhaps the fastcgi process died):pid: 0 socket: unix:/run/app.sock",
                    "unix:/run/app.sock",
                    "died",
                ),
                (
                    "2026-11-21 13:39:19: (gw_backend.c.2389) response not received, request sent: 525 on socket: unix:/run/app.sock for /cut?, closing connection",
                    "unix:/run/app.sock",
                    "the request for /cut?",
                ),
                (
                    "2026-11-21 13:39:40: (gw_backend.c.362) child exited: 3 unix:/run/app.sock-0",
                    "unix:/run/app.sock-0",
                    "with status 3",
                ),
                (
                    "2026-11-21 13:39:40: (gw_backend.c.637) gw-backend failed to start: /srv/app.fcgi",
                    "/srv/app.fcgi",
                    "as soon as lighttpd starts it",
                ),
                (
                    "2026-11-21 13:39:40: (gw_backend.c.1583) invalid \"bin-path\" => \"/srv/app.fcgi\" (check that file exists, is regular file, and is executable by lighttpd)",
                    "/srv/app.fcgi",
                    "cannot start /srv/app.fcgi",
                ),
                (
                    "2026-11-21 13:39:18: (gw_backend.c.2708) read timeout on socket: unix:/run/app.sock (fd: 11)",
                    "unix:/run/app.sock",
                    "silent",
                ),
                (
                    "2026-11-21 13:37:57: (gw_backend.c.960) all handlers for /app? on /app are down.",
                    "/app",
                    "is there for /app?",
                ),
                (
                    "2026-11-21 13:37:57: (mod_fastcgi.c.449) FastCGI-stderr:no paper",
                    "",
                    "standard error: no paper",
                ),
                (
                    "2026-11-21 14:48:27: (configfile.c.1289) WARNING: unknown config-key: fastcgi.server (ignored)",
                    "fastcgi.server",
                    "does not know fastcgi.server",
                ),
            ],
        );
    }
}
