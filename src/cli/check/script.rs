//! The line `#!` of a script, as the kernel reads it. Called by `format`.

use super::Findings;
use crate::cli::words::words;
use std::path::Path;

/// So many bytes of a script the kernel looks at: `BINPRM_BUF_SIZE`.
pub(super) const LONGEST: u64 = 256;

/// The line `#!` of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// As the kernel takes it: a CR at the end is a part of the name.
    interpreter: String,
    argument: String,
    /// Whether the line ends within what the kernel looks at.
    is_whole: bool,
}

/// Reads the line from the first bytes of a file. `None`: it is no script.
pub(super) fn read(head: &[u8]) -> Option<Script> {
    let line = head.strip_prefix(b"#!")?;
    let end = line.iter().position(|&byte| byte == b'\n');
    let line = String::from_utf8_lossy(&line[..end.unwrap_or(line.len())]).into_owned();
    let line = line.trim_matches([' ', '\t']);
    let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    Some(Script {
        interpreter: interpreter.to_owned(),
        argument: argument.trim_start_matches([' ', '\t']).to_owned(),
        is_whole: end.is_some() || (head.len() as u64) < LONGEST,
    })
}

pub(super) fn judge(script: &Script, is_program: &dyn Fn(&Path) -> bool, report: &mut Findings) {
    let Script {
        interpreter,
        argument,
        is_whole,
    } = script;
    let name = interpreter.trim_end_matches('\r');
    if interpreter.ends_with('\r') || argument.ends_with('\r') {
        return report.red(
            words!(
                "its line #! ends in CR, as Windows writes lines: the kernel looks for {name:?} with a CR, and says \"No \
                 such file or directory\""
            ),
            "upload it as text, or: sed -i 's/\\r$//' FILE",
        );
    }
    if name.is_empty() {
        return report.red(
            "its line #! names no interpreter",
            "write one: #!/usr/bin/php-cgi",
        );
    }
    if !name.starts_with('/') {
        return report.red(
            words!("its line #! names {name}, which is no absolute path: it depends on the folder"),
            words!("write where it is: #!/usr/bin/{name}"),
        );
    }
    if !is_whole {
        return report.red(
            words!("its line #! is longer than the {LONGEST} bytes that the kernel reads"),
            "shorten it",
        );
    }
    if !is_program(Path::new(name)) {
        return report.red(
            words!(
                "its interpreter {name} is not here: \"No such file or directory\" is said of the script itself"
            ),
            "install it, or write where it is",
        );
    }
    if name.ends_with("/env") {
        return report.yellow(
            words!(
                "a script that looks for {argument} in PATH, which mod_fastcgi does not pass on"
            ),
            "write the interpreter's own path in its line #!",
        );
    }
    report.green(words!("a script for {name}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn the_line_is_read_as_the_kernel_does() {
        let long = format!("#!/{}\n", "x".repeat(300));
        for (head, level, words) in [
            ("#!/bin/sh\nx\r\n", Level::Green, "a script for /bin/sh"),
            ("#! /bin/sh -e\n", Level::Green, "/bin/sh"),
            ("#!/bin/sh", Level::Green, "/bin/sh"),
            ("#!/bin/sh\r\n", Level::Red, "ends in CR"),
            ("#!/bin/sh -e\r\n", Level::Red, "ends in CR"),
            ("#!\n", Level::Red, "names no interpreter"),
            ("#!sh\n", Level::Red, "no absolute path"),
            ("#!/bin/nowhere\n", Level::Red, "is not here"),
            ("#!/usr/bin/env perl\n", Level::Yellow, "looks for perl"),
            (&long[..256], Level::Red, "longer than"),
        ] {
            let script = read(head.as_bytes()).unwrap();
            let is_program = |path: &Path| path != Path::new("/bin/nowhere");
            let finding = Findings::one(|report| judge(&script, &is_program, report));
            assert_eq!(finding.level, level, "{head:?}: {finding:?}");
            assert!(finding.what.contains(words), "{head:?}: {finding:?}");
        }
        assert_eq!(read(b"\x7fELF"), None);
    }
}
