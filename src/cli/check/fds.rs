//! What the descriptors 0, 1 and 2 are, as they were passed on to this process.

use super::{Findings, Subject};
use crate::cli::words::{joined, words};
use std::fs;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let told: Vec<String> = (0..3)
        .map(|fd| {
            let link = fs::read_link(words!("/proc/self/fd/{fd}"));
            link.map_or("closed".into(), |path| path.display().to_string())
        })
        .collect();
    judge(&told, subject.facts.is_inherited(), report);
}

fn judge(told: &[String], is_socket: bool, report: &mut Findings) {
    let kinds = (0..)
        .zip(told)
        .map(|(fd, path)| (fd, kind(path, fd, is_socket)));
    let mut what = kinds.map(|(fd, kind)| words!("{fd}: {kind}"));
    let what = joined(&mut what, ", ");
    match told.get(2).map_or("", String::as_str) {
        "/dev/null" | "closed" => report.yellow(
            words!("{what}; log lines go to 2, where nobody sees them"),
            "let whoever starts it pass on a file: 2>>/var/log/app.log; lighttpd: server.breakagelog",
        ),
        _ => report.green(what),
    }
}

fn kind(path: &str, fd: usize, is_socket: bool) -> &str {
    match path {
        _ if fd == 0 && is_socket => "a listening socket",
        path if path.starts_with("socket:") => "a connected socket",
        path if path.starts_with("pipe:") => "a pipe",
        path if path.starts_with("/dev/pts/") || path.starts_with("/dev/tty") => "a terminal",
        path => path,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn a_log_that_nobody_sees_is_told() {
        let of = |told: [&str; 3], is_socket| {
            let told = told.map(str::to_owned);
            Findings::one(|report| judge(&told, is_socket, report))
        };
        let fine = of(["/dev/pts/3", "pipe:[7]", "/var/log/e"], false);
        assert_eq!(fine.level, Level::Green);
        assert_eq!(fine.what, "0: a terminal, 1: a pipe, 2: /var/log/e");
        let lost = of(["socket:[7]", "socket:[8]", "/dev/null"], true);
        assert_eq!(lost.level, Level::Yellow);
        assert!(
            lost.what
                .starts_with("0: a listening socket, 1: a connected socket, 2: /dev/null;")
        );
    }
}
