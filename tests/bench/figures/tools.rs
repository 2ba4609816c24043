//! Programs that watch another one: whether they are here, and may do so.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output};

/// Says on the terminal that something is not measured, past what catches the output of tests.
pub fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "\nskipped: {what}");
}

/// Whether strace counts here. In CI it has to be installed; where the kernel forbids it to, nobody can help that.
pub fn strace() -> bool {
    let arguments = ["-f", "-c", "-o", "/dev/null", "true"];
    match run("strace", arguments) {
        Some(output) if output.status.success() => true,
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                said.contains("PTRACE") && said.contains("not permitted"),
                "strace does not run: {said}"
            );
            skip("system calls, since the kernel forbids to trace (ptrace)");
            false
        }
        None => missing("system calls", "strace"),
    }
}

pub fn valgrind() -> bool {
    match run("valgrind", ["--version"]) {
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "valgrind does not run: {said}");
            true
        }
        None => missing("instructions", "valgrind"),
    }
}

fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<Output> {
    match Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
    {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => panic!("cannot run {program}: {e}"),
    }
}

fn missing(figures: &str, program: &str) -> bool {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "CI=true, and {program} is not installed");
    skip(&format!("{figures}, without {program}"));
    false
}
