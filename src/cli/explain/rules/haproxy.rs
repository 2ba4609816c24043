//! Lines of HAProxy.

use super::{Author, Rule, SAYS_WHY, START, author, rule};

pub(super) const AUTHOR: Author = author(
    "HAProxy",
    &[
        "Layer",
        " is DOWN, reason: ",
        " SC--",
        " SH--",
        " sH--",
        " has no server available",
    ],
    RULES,
);

const RULES: &[Rule] = &[
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
                    "[WARNING] (7) : Server app/one is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: 0ms. 0 active",
                    "app/one",
                    "for dead: Layer4 connection problem",
                ),
                (
                    "[WARNING] (7) : Server app/one is DOWN, reason: Socket error, info: \"General socket error (Connection refused)\", check duration: 0ms. 0 active",
                    "app/one",
                    "for dead: Socket error",
                ),
                (
                    "127.0.0.1:5 [21/Nov/2026:13:00:00.0] web app/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
                    "",
                    "gets no connection",
                ),
            ],
        );
    }
}
