//! What web servers and this crate write about a program that does not answer: the shape of each line, its cause and its
//! remedy. `explain` goes through them in this order, and the first that fits counts.
//!
//! `tests/servers` has the commonest lines of Apache 2.4.71 with mod_fcgid 2.3.9, of nginx 1.22.1 and of lighttpd 1.4.69
//! written by these themselves, and of HAProxy 2.6.12 and Caddy 2.6.2 what they say of a program that has ended. The guides
//! have mod_fastcgi's. All others are shapes only, and say nothing of versions.

use super::start;

/// Who writes lines.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) name: &'static str,
    /// One of these is in each of its lines that a rule is for: others are not looked at further.
    pub(super) marks: &'static [&'static str],
    pub(super) rules: &'static [Rule],
}

/// What a line means.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its shapes, see `pattern`.
    pub(super) patterns: &'static [&'static str],
    /// With `{object}` and `{detail}` of the line.
    pub(super) cause: &'static str,
    pub(super) remedy: &'static str,
    /// Apache writes it, too, when the line in front has told why.
    pub(super) follows: bool,
}

pub(super) const fn rule(
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

/// Lines of servers on which all is well: whoever asks for `.htaccess` is refused.
pub(super) const HARMLESS: &[&str] = &["AH01630: client denied by server configuration: <>/.ht<>"];

pub(super) static RULES: &[Author] = &[
    Author {
        name: "the program",
        marks: &["] ERROR ", "] WARN ", "there is nothing to serve"],
        rules: OURS,
    },
    Author {
        name: "Apache, mod_fastcgi",
        marks: &["FastCGI: "],
        rules: MOD_FASTCGI,
    },
    Author {
        name: "Apache, mod_fcgid",
        marks: &["mod_fcgid: "],
        rules: MOD_FCGID,
    },
    Author {
        name: "lighttpd",
        marks: &[
            "gw_backend.c",
            "mod_fastcgi.c",
            "http-header-glue.c",
            "mod_cgi.c",
            "configfile.c",
            "fdevent",
        ],
        rules: LIGHTTPD,
    },
    Author {
        name: "nginx",
        marks: &[
            "upstream",
            "client intended",
            "access forbidden",
            "redirection cycle",
            "FastCGI sent in stderr",
        ],
        rules: NGINX,
    },
    Author {
        name: "Apache",
        marks: &[
            "AH0",
            "AH1",
            "script",
            "ExecCGI",
            ".htaccess",
            "suexec",
            "by others",
            "exec of",
            "end of headers",
        ],
        rules: APACHE,
    },
    Author {
        name: "HAProxy",
        marks: &[
            "Layer",
            " is DOWN, reason: ",
            " SC--",
            " SH--",
            " sH--",
            " has no server available",
        ],
        rules: HAPROXY,
    },
    Author {
        name: "Caddy",
        marks: &["dial unix ", "dial tcp ", "http.log.error"],
        rules: CADDY,
    },
    Author {
        name: "spawn-fcgi",
        marks: &["spawn-fcgi: "],
        rules: SPAWN_FCGI,
    },
    // Last: where a web server says whose words they are, that is known.
    Author {
        name: "the program's start",
        marks: start::MARKS,
        rules: start::RULES,
    },
];

// What is said of more than one web server.

const CLOSED_SOCKET: &str = "the web server's user may not connect to {object}: that takes the right to write to the socket, and to enter each \
     folder above it";
const OPEN_SOCKET: &str = "start the program with --socket-owner :GROUP, where GROUP is the web server's (www-data on Debian), and make the \
     folders above the socket enterable (chmod o+x); a socket that an earlier start left with other rights is \
     replaced then, by hand: stop the program, rm the socket, start the program";
const NO_SOCKET: &str = "there is no {object}: the program does not run, listens elsewhere, or the path is another one in the web server's \
     eyes (PrivateTmp hides /tmp)";
const MAKE_SOCKET: &str = "start the program with --listen and the very same path, below /run rather than /tmp; let systemd or supervisor keep \
     it running (conf systemd, conf supervisor)";
const NOBODY: &str =
    "nobody listens on {object} any more: the program has ended, or was never started";
const START: &str = "start it with --listen and that address, read what it says on its standard error, and let systemd or supervisor keep it \
     running (conf systemd, conf supervisor)";
const SAYS_WHY: &str = "look for the program's own lines just above: what it wrote to standard error; then start it by hand as the web server's \
     user: su -s /bin/sh www-data -c '/path/to/program --http 127.0.0.1:8000'";
const RUNS_AT_ALL: &str = "see that it can be run at all (chmod 755, machine, libraries, first line): fcgi check --as www-data /path/to/program says; \
     if it can, start it as the web server's user and read what it says: su -s /bin/sh www-data -c '/path/to/program --http \
     127.0.0.1:8000'; LogLevel fcgid:info tells how its processes end";
const NOT_FASTCGI: &str = "let it speak FastCGI and print to standard error only; behind a program of this crate nothing else can come, so that \
     the address is another program's: see who listens there with ss -lxtp";

/// This crate's own lines; those that name the remedy themselves are not here.
const OURS: &[Rule] = &[
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
        "let the web server start it (conf htaccess, conf lighttpd), or write --listen; by hand: --http 127.0.0.1:8000",
    ),
    rule(
        &[
            "Z <object>[<>] <>: panicked <detail>",
            "Z <object>[<>] <>: panicked<detail>",
        ],
        "{object} has a bug: a request made it panic {detail}",
        "the line has the place in the source; ask for the same page with --http 127.0.0.1:8000 --debug, which shows it in \
         the browser",
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
        &["Z <object>[<>] ERROR <detail>"],
        "{object} says itself: {detail}",
        "the sentence names the object; --debug shows the same on the page",
    ),
];

/// The guides' lines, and others. Apache 2.4 puts `[client …]` into their middle.
const MOD_FASTCGI: &[Rule] = &[
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
        "9 is most likely the kernel's, out of memory (dmesg); 11, 6 and 4 are bugs of the program",
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

const MOD_FCGID: &[Rule] = &[
    rule(
        &["mod_fcgid: HTTP request length <> exceeds MaxRequestLen (<detail>)"],
        "a visitor sent more than FcgidMaxRequestLen, {detail} bytes, and got a 500; the program was not asked",
        "FcgidMaxRequestLen in the server's configuration, which .htaccess cannot: on a shared host send large uploads in pieces",
    ),
    rule(
        &["mod_fcgid: stderr: <detail>"],
        "the program wrote to its standard error: {detail}",
        "that is the application's own text, and as a rule the reason of what goes wrong after it",
    ),
    rule(
        &["mod_fcgid: read data timeout in <detail> seconds"],
        "the program was silent for {detail} s, which is FcgidIOTimeout, and the visitor got a 500",
        "make that page faster or let it write early (Response::stream, flush), or raise FcgidIOTimeout in the server's \
         configuration; --slow names such requests",
    ),
    rule(
        &["mod_fcgid: <object> took longer than busy timeout (<detail> secs)"],
        "a request of {object} ran longer than FcgidBusyTimeout, {detail} s, and its process is killed",
        "answer first and go on working after Response::finish in another thread, or raise FcgidBusyTimeout",
    ),
    rule(
        &["mod_fcgid: process <object>(<>) exit(<>), get stop signal 9"],
        "a process of {object} was killed by signal 9",
        "most likely the kernel was out of memory (dmesg), or the host allows less (RLimitMEM, its own watchdog)",
    ),
    rule(
        &[
            "mod_fcgid: process <object>(<>) exit(<>), get unexpected signal <detail>",
            "mod_fcgid: process <object>(<>) exit(<>), get signal <detail>,",
        ],
        "a process of {object} was killed by signal {detail}",
        "9 is most likely the kernel's, out of memory (dmesg), or the host's; 11, 6 and 4 are bugs of the program",
    ),
    rule(
        &[
            "mod_fcgid: process <object>(<>) exit(communication error), terminated by calling exit(), return code: <detail>",
            "mod_fcgid: process <object>(<>) exit(server exited), terminated by calling exit(), return code: <detail>",
        ],
        "{object} ended by itself, with status {detail}, instead of serving (255: it could not be run at all)",
        RUNS_AT_ALL,
    ),
    rule(
        &["mod_fcgid: process <object>(<>) exit(communication error), <detail>"],
        "a process of {object} is replaced, since it closed a connection without an answer: {detail}",
        SAYS_WHY,
    ),
    rule(
        &["mod_fcgid: can't apply process slot for <object>"],
        "Apache has no process for {object}: none starts, or FcgidMaxProcesses and FcgidMaxProcessesPerClass are reached",
        "if nothing else is said above, fewer and faster requests, or higher limits in the server's configuration",
    ),
    rule(
        &[
            "mod_fcgid: <object> total process count <detail>, skip the spawn request",
            "mod_fcgid: too many <object> processes (<detail>), skip the spawn request",
        ],
        "as many processes of {object} run as are allowed ({detail}), and visitors wait",
        "raise FcgidMaxProcesses and FcgidMaxProcessesPerClass, or make requests shorter",
    ),
    rule(
        &["mod_fcgid: <object> spawn score <detail>, skip the spawn request"],
        "{object} is started and ends too often ({detail}), so that mod_fcgid waits",
        SAYS_WHY,
    ),
    following(
        &[
            "mod_fcgid: error reading data, FastCGI server closed connection",
            "mod_fcgid: error reading data from FastCGI server",
            "mod_fcgid: can't read data from fcgid handler",
            "mod_fcgid: error writing data to FastCGI server",
        ],
        "{object} could not be run, or ended, or closed the connection before it had answered",
        RUNS_AT_ALL,
    ),
    rule(
        &["mod_fcgid: can't connect unix domain socket: <object>"],
        "the program that mod_fcgid has just started does not serve {object}: it ended at once, or was still starting",
        SAYS_WHY,
    ),
    rule(
        &[
            "mod_fcgid: can't run <object>",
            "mod_fcgid: spawn process <object> error",
            "mod_fcgid: don't know how to spawn child process: <object>",
        ],
        "Apache cannot start {object}",
        "chmod 755 it, see that it runs on this machine (file, ldd, the first line of a script), and under suexec that it and its \
         folder belong to the site's user and nobody else may write to them",
    ),
    rule(
        &["mod_fcgid: can't get <object> file info"],
        "Apache cannot find {object}, or may not look at it",
        "upload it, write its name right, and make its folders enterable for Apache's user (chmod o+x)",
    ),
    rule(
        &["mod_fcgid: location of script <object> does not have ExecCGI enabled"],
        "Apache does not run programs in the folder of {object}",
        "Options +ExecCGI in its .htaccess or <Directory>; in .htaccess it takes AllowOverride Options (conf htaccess)",
    ),
    rule(
        &["mod_fcgid: header overflow"],
        "the program's answer has a larger head than mod_fcgid takes, or is no answer",
        "send fewer and smaller headers, cookies above all; a program that prints belongs on standard error with it",
    ),
    rule(
        &[
            "mod_fcgid: couldn't bind unix domain socket <object>",
            "mod_fcgid: Can't create unix socket dir <object>",
        ],
        "mod_fcgid cannot make its sockets in {object}",
        "FcgidIPCDir has to be a folder that Apache's user may write to; that is the server's administrator's to mend",
    ),
    following(
        &["mod_fcgid: ap_pass_brigade failed in handle_request_ipc function"],
        "the visitor left before the answer was through",
        "nothing, unless there are many: then the pages are too slow",
    ),
];

const APACHE: &[Rule] = &[
    rule(
        &["(13)Permission denied<>AH02454: <>Unix domain socket <object> ("],
        CLOSED_SOCKET,
        OPEN_SOCKET,
    ),
    rule(
        &["(2)No such file or directory<>AH02454: <>Unix domain socket <object> ("],
        NO_SOCKET,
        MAKE_SOCKET,
    ),
    rule(
        &[
            "(111)Connection refused<>AH02454: <>Unix domain socket <object> (",
            "(111)Connection refused<>AH00957: FCGI: attempt to connect to <object> (",
        ],
        NOBODY,
        START,
    ),
    rule(
        &[
            "AH02454: <>Unix domain socket <object> (",
            "AH00957: FCGI: attempt to connect to <object> (",
        ],
        "Apache gets no connection to {object}",
        "the line begins with the system's reason; a time-out is a full queue or a firewall: see with --status whether all \
         workers are busy",
    ),
    rule(
        &["AH01079: failed to make connection to backend: <object>"],
        "Apache has no connection to {object}; the line above says why",
        "see that line; disablereuse and retry=0 at ProxyPass make Apache try again at once",
    ),
    rule(
        &[
            "AH00940: <>: disabled connection for (<object>)",
            "AH00959: <>disabling worker for (<object>) for <detail>",
        ],
        "after a failure Apache does not ask {object} for a minute, and answers 503 by itself",
        "mend the failure above; retry=0 at ProxyPass makes it try again at once",
    ),
    rule(
        &[
            "(70007)The timeout specified has expired<>AH01075: Error dispatching request to <>:",
            "(70007)The timeout specified has expired<>AH01067",
        ],
        "the program was silent for longer than ProxyTimeout, and the visitor got a 504",
        "make that page faster or let it write early; ProxyTimeout (60 s) has to be longer than --timeout; --slow names such \
         requests",
    ),
    rule(
        &["AH01068: Got bogus version <detail>"],
        "what listens at the address speaks no FastCGI: record version {detail} (72 is the H of http)",
        NOT_FASTCGI,
    ),
    rule(
        &[
            "AH01069: Got bogus rid <detail>",
            "AH01072: Got bogus record <detail>",
        ],
        "what the program sent breaks the FastCGI protocol: {detail}",
        NOT_FASTCGI,
    ),
    rule(
        &["AH01070: Error parsing script headers"],
        "the program's answer has no proper head",
        "what a program prints goes into the answer: print to standard error, and answer by the handler's Response",
    ),
    rule(
        &[
            "AH01067: Failed to read FastCGI header",
            "AH01073: Failed Writing Request to ",
            "AH01074: Failed writing Environment to ",
            "AH01075: Error dispatching request to <>: (reading",
            "AH01075: Error dispatching request to <>:",
        ],
        "the program closed the connection without an answer",
        SAYS_WHY,
    ),
    rule(
        &["AH01071: Got error '<detail>'"],
        "the program wrote to its standard error: {detail}",
        "that is the application's own text, and as a rule the reason of what goes wrong beside it",
    ),
    rule(
        &["AH01144: No protocol handler was valid for the URL <object> (scheme '<detail>')"],
        "Apache does not know how to speak {detail}: its module is not loaded",
        "a2enmod proxy_fcgi, and restart Apache",
    ),
    rule(
        &[
            "ptions ExecCGI is off in this directory: <object>",
            "ptions ExecCGI is off in this directory",
        ],
        "Apache does not run programs in the folder of {object}",
        "Options +ExecCGI in its .htaccess or <Directory>; in .htaccess it takes AllowOverride Options (conf htaccess)",
    ),
    rule(
        &["(2)No such file or directory<>exec of '<object>' failed"],
        "{object} cannot be run, although it is there: what runs it is missing, its interpreter or its loader",
        "a script: the path in its first line, and no CR at that line's end; a binary: built for another system, so build it \
         static (file {object}, ldd {object})",
    ),
    rule(
        &["(8)Exec format error<>exec of '<object>' failed"],
        "{object} is no program for this machine: built for another processor, cut short by an upload, or a script without #!",
        "file {object} says what it is; upload in binary mode, build for uname -m",
    ),
    rule(
        &["(13)Permission denied<>exec of '<object>' failed"],
        "{object} may not be run by Apache's user",
        "chmod 755 {object}, make its folders enterable (chmod o+x), and see that the file system is not mounted noexec",
    ),
    rule(
        &["exec of '<object>' failed"],
        "{object} cannot be run",
        "the line begins with the system's reason; try it: su -s /bin/sh www-data -c '{object} --version'",
    ),
    following(
        &[
            "remature end of script headers: <object>",
            "nd of script output before headers: <object>",
            "remature end of script headers",
            "nd of script output before headers",
            "remature end of headers",
        ],
        "{object} could not be run, or ended or was given up before it answered",
        RUNS_AT_ALL,
    ),
    rule(
        &[
            "malformed header from script '<object>': Bad header: <detail>",
            "malformed header from script<>: Bad header=<detail>",
        ],
        "{object} printed something else than a head: {detail}",
        "what a program prints goes into the answer: print to standard error, and answer by the handler's Response",
    ),
    rule(
        &["AH02429: Response header name '<detail>' contains invalid characters"],
        "the program sent a header whose name is none: {detail}",
        "send headers by Response::header, which refuses such",
    ),
    rule(
        &[
            "script not found or unable to stat: <object>",
            "script not found or unable to stat",
        ],
        "Apache cannot find {object}, or may not look at it",
        "upload it, write its name right, and make its folders enterable for Apache's user (chmod o+x)",
    ),
    rule(
        &[" <object>: Invalid command '<detail>'"],
        "{object} has a directive that Apache does not know, {detail}, and every request there is a 500: its module is not loaded",
        "have the module loaded (Redirect: a2enmod alias, RewriteEngine: a2enmod rewrite, FcgidWrapper: a2enmod fcgid), or leave the line out",
    ),
    rule(
        &[
            " <object>: <detail> not allowed here",
            // Within a section, Apache 2.4.71.
            " <object>: <detail> not allowed in <> context",
        ],
        "{object} has a line that the host does not allow there, {detail}, and every request there is a 500",
        "AllowOverride FileInfo Options in the server's configuration; on a shared host ask for it, or leave the line out",
    ),
    rule(
        &["AH00529: <object> pcfg_openfile: unable to check htaccess file"],
        "Apache may not read {object} or enter its folder, and refuses everything there",
        "chmod 644 {object}, and chmod o+x for each folder above it",
    ),
    rule(
        &["AH00035: access to <> denied (filesystem path '<object>')"],
        "Apache's user may not enter a folder above {object}",
        "chmod o+x each folder on the way, the home folder too",
    ),
    rule(
        &["AH00670: Options FollowSymLinks and SymLinksIfOwnerMatch are both off<>: <object>"],
        "rewrite rules are forbidden where Options FollowSymLinks is off, so that {object} is never reached",
        "Options +FollowSymLinks (or +SymLinksIfOwnerMatch) in the same .htaccess",
    ),
    rule(
        &["AH00124: Request exceeded the limit of <detail> internal redirects"],
        "a rewrite rule leads to itself: after {detail} rounds Apache gives up",
        "RewriteCond %{REQUEST_FILENAME} !-f in front of the rule, and the program's file where the rule leads (conf htaccess)",
    ),
    rule(
        &["AH00128: File does not exist: <object>"],
        "Apache looked for the file {object}: nothing in its configuration sends that address to the program",
        "ScriptAlias /app and ProxyPass /app (without a slash behind it) take /app and /app/; ProxyPass /app/ takes only what is \
         below; in a folder with .htaccess the rewrite rule is missing, switched off, or not read (AllowOverride)",
    ),
    rule(
        &["AH10508: Unsafe URL"],
        "a visitor's path has %3f in it, which Apache refuses to rewrite: a 403",
        "nothing, if it was an attack; else ScriptAlias in place of the rewrite (conf apache), or the flag UnsafeAllow3F",
    ),
    rule(
        &["AH01630: client denied by server configuration: <object>"],
        "Apache's configuration refuses {object}",
        "as it should, if that is a file beside the program; else Require all granted in <Directory>",
    ),
    rule(
        &["AH00132: file permissions deny server access: <object>"],
        "Apache's user may not read {object}",
        "chmod 644 a file, 755 a program; it was to be run and not read? then its handler is missing (conf htaccess)",
    ),
    rule(
        &["suexec policy violation"],
        "suexec refused to start the program",
        "the suexec log (suexec.log beside this one) has the reason: as a rule the file or its folder is writable by others \
         (chmod 755) or belongs to somebody else than the site's user",
    ),
    rule(
        &[
            "file is writable by others: (<object>)",
            "directory is writable by others: (<object>)",
        ],
        "suexec refuses {object}, since others may write to it",
        "chmod go-w {object}, and its folder too",
    ),
    rule(
        &["target uid/gid (<detail>) mismatch with <object>"],
        "suexec refuses a program of another owner: {detail}, {object}",
        "chown the program and its folder to the site's user and group",
    ),
];

const NGINX: &[Rule] = &[
    rule(
        &["connect() to <object> failed (13: "],
        CLOSED_SOCKET,
        OPEN_SOCKET,
    ),
    rule(
        &["connect() to <object> failed (2: "],
        NO_SOCKET,
        MAKE_SOCKET,
    ),
    rule(
        &[
            "connect() failed (111: <>upstream: \"<object>\"",
            "connect() to <object> failed (111: ",
            "connect() failed (111: ",
        ],
        NOBODY,
        START,
    ),
    rule(
        &["connect() to <object> failed (11: "],
        "the queue of {object} is full: more connections wait than the system lets it hold",
        "raise --workers, and net.core.somaxconn if it is small; fastcgi_next_upstream can ask another",
    ),
    rule(
        &[
            "connect() failed (<detail>)<>upstream: \"<object>\"",
            "connect() to <object> failed (<detail>)",
        ],
        "nginx gets no connection to {object}: {detail}",
        "see that the program runs and listens there: ss -lxtp",
    ),
    rule(
        &[
            "FastCGI sent in stderr: \"<detail>\" while <>upstream: \"<object>\"",
            "FastCGI sent in stderr: \"<detail>",
        ],
        "the program behind {object} wrote to its standard error: {detail}",
        "that is the application's own text; \"Primary script unknown\" is php-fpm's, for a SCRIPT_FILENAME that it does not \
         find",
    ),
    rule(
        &[
            "upstream sent unsupported FastCGI protocol version: <detail> while<>upstream: \"<object>\"",
            "upstream sent unsupported FastCGI protocol version: <detail>",
        ],
        "what listens on {object} speaks no FastCGI: record version {detail} (72 is the H of http)",
        NOT_FASTCGI,
    ),
    rule(
        &[
            "upstream sent too big header<>upstream: \"<object>\"",
            "upstream sent too big header",
        ],
        "the head of an answer of {object} does not fit fastcgi_buffer_size (4 KiB)",
        "fastcgi_buffer_size 16k; fastcgi_buffers 8 16k; or fewer and smaller headers, cookies above all",
    ),
    rule(
        &[
            "upstream prematurely closed FastCGI stdout<>upstream: \"<object>\"",
            "upstream prematurely closed connection<>upstream: \"<object>\"",
            "upstream prematurely closed FastCGI request<>upstream: \"<object>\"",
            "upstream prematurely closed",
        ],
        "the program behind {object} ended its answer before its head was whole, or ended itself",
        SAYS_WHY,
    ),
    rule(
        &["upstream timed out (<>) while connecting to upstream<>upstream: \"<object>\""],
        "{object} takes no connection: a firewall, or a queue that is full",
        "see that the address is right, and with --status whether all workers are busy",
    ),
    rule(
        &[
            "upstream timed out (<>) while <detail>, client: <>upstream: \"<object>\"",
            "upstream timed out",
        ],
        "the program behind {object} was silent for longer than fastcgi_read_timeout (60 s unless set): a 504, or what the next of several servers answers",
        "make that page faster or let it write early; fastcgi_read_timeout has to be longer than --timeout; --slow names such \
         requests",
    ),
    rule(
        &[
            "recv() failed (104: <>upstream: \"<object>\"",
            "readv() failed (104: <>upstream: \"<object>\"",
            "writev() failed (<>upstream: \"<object>\"",
            "sendfile() failed (<>upstream: \"<object>\"",
        ],
        "the program behind {object} closed the connection in the middle of a request",
        SAYS_WHY,
    ),
    rule(
        &[
            "upstream sent invalid <detail> while<>upstream: \"<object>\"",
            "upstream sent unexpected <detail> while<>upstream: \"<object>\"",
            "upstream sent duplicate <detail> while<>upstream: \"<object>\"",
            "upstream sent no valid <detail> while<>upstream: \"<object>\"",
        ],
        "the program behind {object} sent what nginx does not take: {detail}",
        "what a program prints goes into the answer: print to standard error, and answer by the handler's Response",
    ),
    rule(
        &[
            "no live upstreams while connecting to upstream<>upstream: \"<object>\"",
            "no live upstreams",
        ],
        "each server of {object} has failed just now, so that nginx asks none of them for 10 s",
        "mend what the lines above name; max_fails=0 at a server alone makes nginx try on",
    ),
    rule(
        &[
            "client intended to send too large body: <detail> bytes",
            "client intended to send too large chunked body: <detail> bytes",
        ],
        "a visitor sent {detail} bytes, more than client_max_body_size (1 MiB), and got a 413; the program was not asked",
        "client_max_body_size 64m in server { } or the location; --max-body is the program's own limit",
    ),
    rule(
        &["rewrite or internal redirection cycle while <detail> \"<object>\""],
        "nginx goes round in circles with {object} ({detail}), and answers 500",
        "try_files needs a last word that exists: the named location with fastcgi_pass (conf nginx)",
    ),
    rule(
        &["access forbidden by rule<>request: \"<object>\""],
        "nginx's configuration refuses the request {object}",
        "as it should, if that is a hidden file; else look for deny in the configuration",
    ),
];

const LIGHTTPD: &[Rule] = &[
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
        "9 is most likely the kernel's, out of memory (dmesg); 11, 6 and 4 are bugs of the program",
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

const HAPROXY: &[Rule] = &[
    rule(
        &[
            "Server <object> is DOWN, reason: <detail>, check duration",
            "Server <object> is DOWN, reason: <detail>",
        ],
        "HAProxy takes {object} for dead: {detail}",
        "start the program with --listen and the address of that server line; a unix socket has to be open to HAProxy's user \
         (--socket-owner :haproxy), and to lie inside its chroot",
    ),
    rule(
        &[
            "backend <object> has no server available",
            "proxy <object> has no server available",
        ],
        "HAProxy has no server left for {object}, and answers 503",
        "start the program; the lines above say why it was taken for dead",
    ),
    rule(
        &[" 503 <> SC-- "],
        "HAProxy gets no connection to the program, and answers 503",
        START,
    ),
    rule(
        &[" 502 <> SH-- "],
        "the program closed the connection before its head was whole, and HAProxy answers 502",
        SAYS_WHY,
    ),
    rule(
        &[" 504 <> sH-- "],
        "the program was silent for longer than timeout server, and HAProxy answers 504",
        "make that page faster; timeout server has to be longer than --timeout",
    ),
];

const CADDY: &[Rule] = &[
    rule(
        &["dial unix <object>: connect: permission denied"],
        CLOSED_SOCKET,
        OPEN_SOCKET,
    ),
    rule(
        &["dial unix <object>: connect: no such file or directory"],
        NO_SOCKET,
        MAKE_SOCKET,
    ),
    rule(
        &[
            "dial unix <object>: connect: connection refused",
            "dial tcp <object>: connect: connection refused",
        ],
        NOBODY,
        START,
    ),
    rule(
        &[
            "dial unix <object>: <detail>\"",
            "dial tcp <object>: <detail>\"",
        ],
        "Caddy gets no connection to {object}: {detail}",
        "see that the program runs and listens there: ss -lxtp",
    ),
];

const SPAWN_FCGI: &[Rule] = &[
    rule(
        &["spawn-fcgi: child exited with: <detail>"],
        "the program ended at once with status {detail}",
        "126 is a file that may not be run, 127 one that is not there; else start it by hand and read what it says: it needs no \
         --listen under spawn-fcgi",
    ),
    rule(
        &[
            "spawn-fcgi: bind failed: <detail>",
            "spawn-fcgi: couldn't bind socket: <detail>",
            "spawn-fcgi: socket is already in use, can't spawn",
        ],
        "spawn-fcgi cannot make the socket: {detail}",
        "stop who listens there (ss -lxtp), or let the folder be writable; a socket that nobody serves is removed by rm",
    ),
];
