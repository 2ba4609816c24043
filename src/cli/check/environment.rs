//! The environment: what is set here, and what is left of it where a web server starts the program.

use super::{Findings, Subject};
use crate::cli::words::{joined, words};
use std::env;

/// Variables that change how a program is loaded or behaves, and that only a person's shell sets.
const MISSED: [&str; 3] = ["LD_LIBRARY_PATH", "LD_PRELOAD", "RUST_LOG"];

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let mut names = Vec::new();
    for (name, _) in env::vars_os() {
        names.push(name.to_string_lossy().into_owned());
    }
    let is_apache = subject.site().join(".htaccess").exists();
    judge(&names, is_apache, subject.server.listen.is_empty(), report);
}

fn judge(names: &[String], is_apache: bool, is_started_by_server: bool, report: &mut Findings) {
    let here = match names {
        [] => "empty here",
        _ => words!("{} variables here", names.len()),
    };
    let there = match (is_apache, is_started_by_server) {
        (true, _) => {
            "mod_fcgid leaves nothing of it but PATH (and sets what FcgidInitialEnv says), CGI puts the request into it"
        }
        (_, true) => {
            "mod_fcgid leaves nothing of it but PATH, mod_fastcgi nothing at all; lighttpd and supervisor give all of their own, systemd a bare one"
        }
        _ => "systemd and init scripts give a bare one, without what a shell's profile sets",
    };
    report.green(words!("{here}; {there}"));
    let missed = MISSED.into_iter();
    let mut missed = missed.filter(|name| names.iter().any(|other| other == name));
    let missed = joined(&mut missed, ", ");
    if !missed.is_empty() {
        report.yellow(
            words!("{missed} is set here and will not be there"),
            "write log-level into the settings file for RUST_LOG; build static, or with a run path, for libraries",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn what_will_be_missed_is_told() {
        let names = ["LD_LIBRARY_PATH", "PATH"].map(str::to_owned);
        let found = Findings::of(|report| judge(&names, true, true, report));
        assert!(
            found[0]
                .what
                .starts_with("2 variables here; mod_fcgid leaves nothing of it but PATH")
        );
        assert_eq!(found[1].level, Level::Yellow);
        let fine = Findings::of(|report| judge(&names[1..], false, false, report));
        assert_eq!(fine.len(), 1);
    }
}
