//! What a program, or its loader or interpreter, writes when it does not even begin to serve. It stands in the web server's
//! log as it was written, since nobody reads that program's standard error but the log.

use super::rules::{Rule, rule};

/// One of these is in each such line.
pub(super) const MARKS: &[&str] = &[
    "error while loading shared libraries",
    "not found (required by",
    " panicked at ",
    "No module named",
    "env: ",
    "yntax error",
    "SyntaxError: ",
];

pub(super) const RULES: &[Rule] = &[
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
