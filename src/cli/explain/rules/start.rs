//! Lines of a program, its loader or its interpreter when the program does not even begin to serve. They stand in the web
//! server's log as they were written: the log is where that program's standard error goes.

use super::{Author, Rule, author, rule};

pub(super) const AUTHOR: Author = author(
    "the program's start",
    &[
        "error while loading shared libraries",
        "not found (required by",
        " panicked at ",
        "No module named",
        "env: ",
        "yntax error",
        "SyntaxError: ",
    ],
    RULES,
);

const RULES: &[Rule] = &[
    rule(
        &["<object>: error while loading shared libraries: <detail>: "],
        "{object} does not begin: the library {detail} is not on this machine, or not for whoever starts it here",
        "install it, or build the program static (scripts/build-static); check FILE lists all that is missing; LD_LIBRARY_PATH \
         of a shell is not passed on",
    ),
    rule(
        &["version `<detail>' not found (required by <object>)"],
        "{object} does not begin: it was built on a newer system, and wants {detail} of the C library",
        "build it static (scripts/build-static), or on a system as old as this one",
    ),
    rule(
        &[
            "thread '<>' (<>) panicked at <detail>",
            "thread '<>' panicked at <detail>",
        ],
        "the program panicked before it served, or outside of a request: {detail}",
        "the next line of the log has its words; NotFound is most likely a path that counts from another folder, NotPresent a \
         variable that only a shell sets; start it as the web server does: su -s /bin/sh www-data -c 'cd / && env -i \
         /path/to/program get /'",
    ),
    rule(
        &["Error: No module named <detail>"],
        "the script does not begin: its interpreter finds no module {detail}",
        "the web server's user has another search path, or the first line names another interpreter: start it as that user, su \
         -s /bin/sh www-data -c '/path/to/script'",
    ),
    rule(
        &[
            "<object>: <detail>: Syntax error: ",
            "<object>: <detail>: syntax error ",
            "<object>: <detail>: syntax error: ",
            "SyntaxError: <detail>",
        ],
        "{object} does not begin: a syntax error ({detail})",
        "have it checked before it is uploaded: sh -n, php -l, perl -c, python -m py_compile",
    ),
    rule(
        &[
            "env: <detail>: No such file or directory",
            "env: <detail>: Permission denied",
        ],
        "the script does not begin: env finds no {detail} in the PATH that the web server passes on",
        "write the interpreter's own path into the script's first line, without a CR at its end",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::tests::assert_explained;

    /// The lines are from logs of Apache and lighttpd, but for those on GLIBC's versions and Python.
    #[test]
    fn each_line_is_explained() {
        assert_explained(
            &AUTHOR,
            &[
                (
                    "/srv/app.fcgi: error while loading shared libraries: libx.so.6: cannot open shared object file: No such file or directory",
                    "/srv/app.fcgi",
                    "the library libx.so.6 is not on this machine",
                ),
                (
                    "/srv/app.fcgi: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.99' not found (required by /srv/app.fcgi)",
                    "/srv/app.fcgi",
                    "wants GLIBC_2.99 of the C library",
                ),
                (
                    "thread 'main' (7) panicked at src/main.rs:3:9:",
                    "",
                    "before it served, or outside of a request: src/main.rs:3:9",
                ),
                (
                    "/usr/bin/env: 'nowhere-python': Permission denied",
                    "",
                    "env finds no 'nowhere-python'",
                ),
                (
                    "/srv/app.cgi: 3: Syntax error: end of file unexpected (expecting \"then\")",
                    "/srv/app.cgi",
                    "/srv/app.cgi does not begin: a syntax error",
                ),
                (
                    "ModuleNotFoundError: No module named 'flup'",
                    "",
                    "finds no module 'flup'",
                ),
            ],
        );
    }
}
