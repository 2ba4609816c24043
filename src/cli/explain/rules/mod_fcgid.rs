//! Lines of mod_fcgid, by which Apache starts programs.

use super::{Author, RUNS_AT_ALL, Rule, SAYS_WHY, author, following, rule};

pub(super) const AUTHOR: Author = Author {
    tells_why: true,
    ..author("Apache, mod_fcgid", &["mod_fcgid: "], RULES)
};

const RULES: &[Rule] = &[
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
        "9 is most likely the kernel's, out of memory (dmesg), or the host's; 11, 7, 6 and 4 are bugs of the program, or half a file: check FILE",
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
                    "[fcgid:warn] [pid 1:tid 2] (104)Connection reset by peer: [client 127.0.0.1:5] mod_fcgid: error reading data from FastCGI server",
                    "",
                    "could not be run",
                ),
                (
                    "[fcgid:warn] [pid 1:tid 2] [client 127.0.0.1:5] mod_fcgid: HTTP request length 140000 (so far) exceeds MaxRequestLen (131072)",
                    "",
                    "131072 bytes",
                ),
                (
                    "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: stderr: no paper",
                    "",
                    "standard error: no paper",
                ),
                (
                    "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: read data timeout in 40 seconds",
                    "",
                    "silent for 40 s",
                ),
                (
                    "[fcgid:error] [client 127.0.0.1:5] mod_fcgid: location of script /srv/app.fcgi does not have ExecCGI enabled",
                    "/srv/app.fcgi",
                    "does not run programs in the folder of",
                ),
                (
                    "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(communication error), get unexpected signal 11",
                    "/srv/app.fcgi",
                    "signal 11",
                ),
                (
                    "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(communication error), get stop signal 9",
                    "/srv/app.fcgi",
                    "signal 9",
                ),
                (
                    "[fcgid:info] [pid 1:tid 1] mod_fcgid: process /srv/app.fcgi(123) exit(server exited), terminated by calling exit(), return code: 127",
                    "/srv/app.fcgi",
                    "with status 127",
                ),
                (
                    "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: can't apply process slot for /srv/app.fcgi",
                    "/srv/app.fcgi",
                    "no process",
                ),
            ],
        );
    }
}
