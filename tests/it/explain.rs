//! `check --log`: which logs it reads, and how it ends. What it makes of lines is tested beside the rules, and of real web
//! servers' logs in `tests/servers`.

use crate::cli::{Home, told};
use std::fs::{self, File};
use std::process::Stdio;

const REFUSED: &str = "connect() to unix:/run/app.sock failed (111: Connection refused) while connecting to upstream\n";

#[test]
fn the_exit_code_says_whether_something_was_found() {
    let home = Home::new();
    let log = home.path().join("error.log");
    let path = log.to_str().unwrap();
    fs::write(&log, format!("hello\n{REFUSED}{REFUSED}")).unwrap();
    let found = home.run(&["check", "--log", path]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), ""));
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "nginx, line 2 and 1 more like it, the last is line 3:"
    );
    assert!(lines[2].starts_with("  cause:  nobody listens on unix:/run/app.sock any more"));
    assert!(lines[3].starts_with("  remedy: start it with --listen"));
    assert_eq!(lines[5..], ["2 lines explained, 1 line passed over."]);
    fs::write(&log, "hello\n").unwrap();
    let nothing = home.run(&["check", "--log", path]);
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert_eq!(
        nothing.stdout,
        "1 line, and none of a kind that is known here.\n"
    );
}

#[test]
fn a_log_can_come_by_standard_input() {
    let home = Home::new();
    let log = home.path().join("error.log");
    fs::write(&log, REFUSED).unwrap();
    let mut command = home.command(&["check", "--log", "-"]);
    command.stdin(Stdio::from(File::open(&log).unwrap()));
    let found = told(command);
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    assert!(
        found.stdout.starts_with("nginx, line 1:\n"),
        "{}",
        found.stdout
    );
}

#[test]
fn a_log_that_cannot_be_read_is_a_sentence() {
    let home = Home::new();
    let place = home.path().to_str().unwrap().to_owned();
    let compressed = format!("{place}/error.log.1.gz");
    fs::write(&compressed, b"\x1f\x8b\x08 and so on").unwrap();
    let absent = format!("{place}/absent.log");
    for (arguments, sentence) in [
        (
            &["check", "--log", &absent][..],
            format!(
                "cannot open the log {absent}: No such file or directory (os error 2); Apache's is where ErrorLog says, \
                 nginx's where error_log does, lighttpd's where server.errorlog does"
            ),
        ),
        (
            &["check", "--log", &place],
            format!("cannot read the log {place}: Is a directory (os error 21)"),
        ),
        (
            &["check", "--log", &compressed],
            format!(
                "the log {compressed} is compressed; write zcat {compressed} | app.fcgi check --log -"
            ),
        ),
        (
            &["check", "--log"],
            "--log needs a value; write --log FILE".into(),
        ),
        (
            &["check", "./app.fcgi", "--log", "-"],
            "--log explains -, and ./app.fcgi is looked at by itself; leave one out".into(),
        ),
    ] {
        let told = home.run(arguments);
        assert_eq!(
            (told.code, told.sentence()),
            (Some(2), sentence.as_str()),
            "{arguments:?}"
        );
    }
}

/// Settings are for serving: a mistake in them does not keep a log from being explained, nor is `log` one of them.
#[test]
fn the_settings_file_is_not_asked() {
    let home = Home::with("wrokers 4");
    assert_eq!(home.run(&["check", "--log", "/dev/null"]).code, Some(0));
    home.set("lgo error.log");
    let told = home.run(&["conf", "nginx"]);
    assert!(
        told.sentence().ends_with("lgo is no flag; see --help"),
        "{}",
        told.stderr
    );
}
