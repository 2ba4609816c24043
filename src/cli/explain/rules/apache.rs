//! Lines of Apache itself, of its mod_proxy_fcgi and of suexec.

use super::{
    Author, CLOSED_SOCKET, MAKE_SOCKET, NO_SOCKET, NOBODY, NOT_FASTCGI, OPEN_SOCKET, RUNS_AT_ALL,
    Rule, SAYS_WHY, START, author, following, rule,
};

pub(super) const AUTHOR: Author = author(
    "Apache",
    &[
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
    RULES,
);

const RULES: &[Rule] = &[
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
                    "premature end of script headers",
                    "",
                    "could not be run, or ended",
                ),
                ("premature end of headers", "", "could not be run, or ended"),
                (
                    "[core:error] [pid 1:tid 2] [client 127.0.0.1:5] End of script output before headers: app.fcgi",
                    "app.fcgi",
                    "app.fcgi could not be run",
                ),
                (
                    "[error] [client 192.0.2.1] Premature end of script headers: app.fcgi, referer: http://a/",
                    "app.fcgi",
                    "app.fcgi could not be run",
                ),
                (
                    "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Invalid command 'RewriteEngin', perhaps misspelled or defined by a module not included in the server configuration",
                    "/srv/.htaccess",
                    "does not know, RewriteEngin",
                ),
                (
                    "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Option ExecCGI not allowed here",
                    "/srv/.htaccess",
                    "does not allow there, Option ExecCGI",
                ),
                (
                    "[core:alert] [pid 1:tid 2] [client 127.0.0.1:5] /srv/.htaccess: Options not allowed in <Files> context",
                    "/srv/.htaccess",
                    "does not allow there, Options,",
                ),
                (
                    "[core:crit] (13)Permission denied: [client 127.0.0.1:5] AH00529: /srv/.htaccess pcfg_openfile: unable to check htaccess file, ensure it is readable and that '/srv/' is executable",
                    "/srv/.htaccess",
                    "may not read /srv/.htaccess",
                ),
                (
                    "file is writable by others: (/srv/app.fcgi)",
                    "/srv/app.fcgi",
                    "suexec refuses",
                ),
                (
                    "[proxy:error] [pid 1:tid 2] (13)Permission denied: AH02454: FCGI: attempt to connect to Unix domain socket /run/app.sock (localhost:8000) failed",
                    "/run/app.sock",
                    "may not connect to /run/app.sock",
                ),
                (
                    "[proxy:error] [pid 1:tid 2] (2)No such file or directory: AH02454: FCGI: attempt to connect to Unix domain socket /run/app.sock (localhost:8000) failed",
                    "/run/app.sock",
                    "there is no /run/app.sock",
                ),
                (
                    "[proxy:error] [pid 1:tid 2] (111)Connection refused: AH00957: FCGI: attempt to connect to 127.0.0.1:9000 (127.0.0.1:9000) failed",
                    "127.0.0.1:9000",
                    "nobody listens on 127.0.0.1:9000",
                ),
                (
                    "[proxy_fcgi:error] (70007)The timeout specified has expired: [client 127.0.0.1:5] AH01075: Error dispatching request to : (polling)",
                    "",
                    "silent for longer than ProxyTimeout",
                ),
                (
                    "[proxy_fcgi:error] [client 127.0.0.1:5] AH01068: Got bogus version 72",
                    "",
                    "record version 72",
                ),
                (
                    "[proxy_fcgi:error] [client 127.0.0.1:5] AH01071: Got error 'Primary script unknown'",
                    "",
                    "standard error: Primary script unknown",
                ),
                (
                    "[proxy:warn] [client 127.0.0.1:5] AH01144: No protocol handler was valid for the URL / (scheme 'fcgi'). If you are using a DSO version of mod_proxy, make sure",
                    "/",
                    "how to speak fcgi",
                ),
                (
                    "[core:info] [pid 1:tid 2] [client 127.0.0.1:5] AH00128: File does not exist: /srv/www/below",
                    "/srv/www/below",
                    "looked for the file /srv/www/below",
                ),
            ],
        );
    }
}
