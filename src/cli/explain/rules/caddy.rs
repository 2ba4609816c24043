//! Lines of Caddy.

use super::{
    Author, CLOSED_SOCKET, MAKE_SOCKET, NO_SOCKET, NOBODY, OPEN_SOCKET, Rule, START, author, rule,
};

pub(super) const AUTHOR: Author = author(
    "Caddy",
    &["dial unix ", "dial tcp ", "http.log.error"],
    RULES,
);

const RULES: &[Rule] = &[
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
                    "{\"level\":\"error\",\"logger\":\"http.log.error\",\"msg\":\"dial unix /run/app.sock: connect: permission denied\"}",
                    "/run/app.sock",
                    "may not connect",
                ),
                (
                    "{\"level\":\"error\",\"logger\":\"http.log.error\",\"msg\":\"dial tcp 127.0.0.1:9000: connect: connection refused\"}",
                    "127.0.0.1:9000",
                    "nobody listens",
                ),
            ],
        );
    }
}
