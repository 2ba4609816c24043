//! What kind of file it is: a program for this machine with all that it loads, or a script whose interpreter is there.

use super::elf::{self, Elf};
use super::libraries::{self, Missing};
use super::script;
use super::{Findings, Subject};
use crate::cli::input::first_bytes;
use crate::cli::words::{Words, words};
use std::fs::{self, File};
use std::path::Path;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let path = &subject.file;
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return;
    }
    let head = File::open(path).and_then(|file| first_bytes(file, script::LONGEST));
    let head = match head {
        Ok(head) => head,
        Err(error) => {
            return report.yellow(
                words!("its content cannot be read: {error}"),
                "check as its owner, or as root",
            );
        }
    };
    if let Some(script) = script::read(&head) {
        return script::judge(&script, &super::file::is_program, report);
    }
    match libraries::open(path) {
        Some(elf) => of_program(path, &elf, report),
        None => neither(&head, report),
    }
}

fn of_program(path: &Path, elf: &Elf, report: &mut Findings) {
    let ours = elf::ours();
    if !runs(elf.machine, ours) {
        return machine(elf.machine, ours, report);
    }
    let mut wrong = Findings::default();
    interpreter(elf, &super::file::is_program, &mut wrong);
    lacking(&libraries::missing(path, elf), &mut wrong);
    outdated(&libraries::missing_versions(elf), &mut wrong);
    match wrong.is_empty() {
        true => loads(elf, report),
        false => machine(elf.machine, ours, report),
    }
    report.append(wrong);
}

/// Whether this machine runs programs of that one: x86-64 also runs those of 32 bits, if their loader is there.
fn runs(its: u16, ours: Option<u16>) -> bool {
    ours.is_none_or(|ours| ours == its || (ours, its) == (62, 3))
}

fn machine(its: u16, ours: Option<u16>, report: &mut Findings) {
    let name = elf::name(its).unwrap_or_else(|| words!("machine {its}"));
    if runs(its, ours) {
        return report.green(words!("a program for {name}"));
    }
    let here = ours.and_then(elf::name).unwrap_or("another");
    report.red(
        words!("it is built for {name}, and this machine is {here}: \"Exec format error\""),
        words!("build it for {here}: cargo build --target"),
    )
}

fn loads(elf: &Elf, report: &mut Findings) {
    let name = elf::name(elf.machine).unwrap_or("this machine");
    match (&elf.interpreter, elf.needed.len()) {
        (None, _) => report.green(words!("a program for {name}, static: it needs nothing")),
        (Some(loader), count) => report.green(words!(
            "a program for {name}; its loader {loader} and its {count} libraries are here"
        )),
    }
}

fn interpreter(elf: &Elf, is_program: &dyn Fn(&Path) -> bool, report: &mut Findings) {
    let Some(loader) = &elf.interpreter else {
        return;
    };
    if is_program(Path::new(loader)) {
        return;
    }
    report.red(
        words!(
            "its loader {loader} is not here: \"No such file or directory\" is said of the program itself"
        ),
        match loader.contains("musl") {
            true => "build it static, or install musl",
            false => {
                "build it static (--target x86_64-unknown-linux-musl), or on a system like this one"
            }
        },
    )
}

fn lacking(missing: &[Missing], report: &mut Findings) {
    for missing in missing {
        report.red(
            words!(
                "the library {} is not here, which {} needs",
                missing.name,
                missing.needed_by
            ),
            "install it, or build the program static; LD_LIBRARY_PATH is not passed on by mod_fcgid",
        );
    }
}

fn outdated(versions: &[Words], report: &mut Findings) {
    if !versions.is_empty() {
        report.red(
            words!(
                "the C library here is too old for it: it lacks {}",
                versions.join(", ")
            ),
            "build it static, or on a system as old as this one",
        );
    }
}

fn neither(head: &[u8], report: &mut Findings) {
    match head {
        b"" => report.red("it is empty", "upload it again"),
        _ if head.starts_with(b"\x7fELF") => report.red(
            "the program was cut off, or damaged",
            "upload it again, in binary mode",
        ),
        _ if head.starts_with(b"\xef\xbb\xbf#!") => report.red(
            "before #! is a byte order mark, with which the kernel does not see it",
            "save the file as UTF-8 without a byte order mark",
        ),
        _ => report.red(
            "it is no program and has no line #!: \"Exec format error\"",
            "if it is a script, begin it with a line as #!/usr/bin/php-cgi",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn a_program_of_another_machine_does_not_run() {
        let judged = |its| Findings::one(|report| machine(its, Some(62), report));
        assert_eq!(judged(62).level, Level::Green);
        assert_eq!(judged(3).level, Level::Green);
        let wrong = judged(183);
        assert_eq!(wrong.level, Level::Red);
        assert!(wrong.what.contains("aarch64") && wrong.what.contains("x86-64"));
    }

    #[test]
    fn what_is_no_program_says_what_it_is() {
        for (head, words) in [
            (&b""[..], "empty"),
            (b"\x7fELF\x02", "cut off"),
            (b"\xef\xbb\xbf#!/bin/sh", "byte order mark"),
            (b"<?php", "no line #!"),
        ] {
            let finding = Findings::one(|report| neither(head, report));
            assert!(finding.what.contains(words), "{finding:?}");
            assert_eq!(finding.level, Level::Red);
        }
    }

    #[test]
    fn without_its_loader_it_does_not_begin() {
        let elf = Elf {
            interpreter: Some("/lib/ld-musl-x86_64.so.1"),
            ..Elf::default()
        };
        let judged =
            |elf: &Elf, is_there| Findings::of(|report| interpreter(elf, &|_| is_there, report));
        assert_eq!(judged(&elf, true), []);
        assert_eq!(judged(&elf, false)[0].level, Level::Red);
        assert_eq!(judged(&Elf::default(), false), []);
    }
}
