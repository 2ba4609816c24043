//! Lines of spawn-fcgi.

use super::{Author, Rule, author, rule};

pub(super) const AUTHOR: Author = author("spawn-fcgi", &["spawn-fcgi: "], RULES);

const RULES: &[Rule] = &[
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::tests::assert_explained;

    #[test]
    fn each_line_is_explained() {
        assert_explained(
            &AUTHOR,
            &[("spawn-fcgi: child exited with: 127", "", "status 127")],
        );
    }
}
