//! Lines of nginx.

use super::{
    Author, CLOSED_SOCKET, MAKE_SOCKET, NO_SOCKET, NOBODY, NOT_FASTCGI, OPEN_SOCKET, Rule,
    SAYS_WHY, START, author, rule,
};

pub(super) const AUTHOR: Author = author(
    "nginx",
    &[
        "upstream",
        "client intended",
        "access forbidden",
        "redirection cycle",
        "fastcgi request record is too big",
        "FastCGI sent in stderr",
    ],
    RULES,
);

const RULES: &[Rule] = &[
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
        "each server of {object} has failed just now, so that nginx asks none of them for fail_timeout (10 s unless set)",
        "mend what the lines above name; between two restarts wait longer than that; max_fails=0 makes nginx try on",
    ),
    rule(
        &[
            "client intended to send too large body: <detail> bytes",
            "client intended to send too large chunked body: <detail> bytes",
        ],
        "a visitor sent {detail} bytes, more than client_max_body_size (1 MiB unless set), and got a 413; the program was not asked",
        "a larger client_max_body_size in server { }, and in a location that has its own (conf nginx --max-body N prints it)",
    ),
    rule(
        &["fastcgi request record is too big: <detail>, client"],
        "the parameters of a request took {detail} bytes, more than the record of 65535 that nginx puts all of them into, and the \
         visitor got a 500; the program was not asked",
        "fewer and smaller cookies; a long address counts several times (REQUEST_URI, QUERY_STRING, DOCUMENT_URI, PATH_INFO); \
         with smaller large_client_header_buffers it is a 400 or 414",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::tests::assert_explained;

    #[test]
    fn each_line_is_explained() {
        let with_request = |text| {
            format!(
                "2026/11/21 13:24:18 [error] 1#1: *1 {text}, client: 127.0.0.1, server: , request: \"GET / HTTP/1.1\", upstream: \"fastcgi://unix:/run/app.sock:\", host: \"a\""
            )
        };
        for (text, object, cause) in [
            (
                "connect() to unix:/run/app.sock failed (13: Permission denied) while connecting to upstream",
                "unix:/run/app.sock",
                "may not connect",
            ),
            (
                "connect() to unix:/run/app.sock failed (2: No such file or directory) while connecting to upstream",
                "unix:/run/app.sock",
                "there is no",
            ),
            (
                "connect() to unix:/run/app.sock failed (111: Connection refused) while connecting to upstream",
                "unix:/run/app.sock",
                "nobody listens",
            ),
            (
                "connect() failed (111: Connection refused) while connecting to upstream",
                "unix:/run/app.sock",
                "nobody listens",
            ),
            (
                "connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable) while connecting to upstream",
                "unix:/run/app.sock",
                "queue of",
            ),
            (
                "upstream prematurely closed FastCGI stdout while reading response header from upstream",
                "unix:/run/app.sock",
                "before its head was whole",
            ),
            (
                "upstream sent too big header while reading response header from upstream",
                "unix:/run/app.sock",
                "fastcgi_buffer_size",
            ),
            (
                "upstream timed out (110: Connection timed out) while reading response header from upstream",
                "unix:/run/app.sock",
                "silent for longer",
            ),
            (
                "upstream timed out (110: Connection timed out) while connecting to upstream",
                "unix:/run/app.sock",
                "takes no connection",
            ),
            (
                "upstream sent unsupported FastCGI protocol version: 72 while reading response header from upstream",
                "unix:/run/app.sock",
                "record version 72",
            ),
            (
                "recv() failed (104: Connection reset by peer) while reading response header from upstream",
                "unix:/run/app.sock",
                "in the middle of a request",
            ),
            (
                "FastCGI sent in stderr: \"no paper\" while reading response header from upstream",
                "unix:/run/app.sock",
                "standard error: no paper",
            ),
            (
                "no live upstreams while connecting to upstream",
                "unix:/run/app.sock",
                "has failed just now",
            ),
            (
                "client intended to send too large body: 1048577 bytes",
                "",
                "sent 1048577 bytes",
            ),
            (
                "fastcgi request record is too big: 70502",
                "",
                "took 70502 bytes",
            ),
        ] {
            assert_explained(&AUTHOR, &[(&with_request(text), object, cause)]);
        }
    }
}
