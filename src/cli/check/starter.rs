//! Who started this process: the names and users of its parents. Other concerns ask here whether a web server is among them.

use super::person::{Person, is_web_server};
use super::{Findings, Subject, text_of};
use crate::cli::words::{Words, joined, words};
use std::path::Path;

/// So many parents are told. Further up is only who started the machine.
const MOST: usize = 5;

/// A process on the way up.
struct Parent {
    pid: u32,
    name: Words,
    user: Words,
}

pub(super) fn findings(_: &Subject, report: &mut Findings) {
    let parents = pids().into_iter().map(|pid| Parent {
        pid,
        name: name(pid),
        user: Person::of_process(&pid.to_string()).map_or("?", |person| person.name),
    });
    judge(&parents.collect::<Vec<Parent>>(), report);
}

/// The user of the web server that started this process: of the nearest parent that is one. `None` if that is root, who may
/// do everything, so that nothing would be found wrong.
pub(super) fn web_server() -> Option<Person> {
    let pid = pids().into_iter().find(|&pid| is_web_server(name(pid)))?;
    let person = Person::of_process(&pid.to_string())?;
    (person.uid != 0).then_some(person)
}

/// The parents, the nearest first.
fn pids() -> Vec<u32> {
    let mut pids = Vec::new();
    let mut next = parent_of("self");
    while let Some(pid) = next.filter(|&pid| pid != 0 && pids.len() < MOST) {
        pids.push(pid);
        next = parent_of(&pid.to_string());
    }
    pids
}

fn judge(parents: &[Parent], report: &mut Findings) {
    let mut told = parents.iter().map(|parent| {
        words!(
            "{} (process {}, of {})",
            parent.name,
            parent.pid,
            parent.user
        )
    });
    match parents.first() {
        None => report.green("nobody here: the parent is outside of this container"),
        Some(parent) => report.green(words!("{}{}", joined(&mut told, " < "), kind(parent.name))),
    }
}

/// What a parent of that name means.
fn kind(name: &str) -> &'static str {
    match name {
        "apache2" | "httpd" => ": Apache, by mod_fcgid or as CGI",
        "fcgi-pm" => ": Apache's mod_fastcgi",
        "lighttpd" | "lighttpd-angel" => ": lighttpd starts it by itself (bin-path)",
        "supervisord" => ": supervisor",
        "systemd" => ": a service of systemd",
        "sh" | "bash" | "dash" | "zsh" | "fish" | "ksh" | "su" | "sudo" => {
            ": a person, or a script"
        }
        _ => "",
    }
}

/// The number of a process's parent; `self` is this process.
pub(super) fn parent_of(process: &str) -> Option<u32> {
    let status = text_of(Path::new(&format!("/proc/{process}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// What the kernel calls a process: its program's name.
pub(super) fn name(pid: u32) -> Words {
    let name = text_of(Path::new(&format!("/proc/{pid}/comm"))).unwrap_or_default();
    match name.trim_end() {
        "" => "?",
        name => words!("{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_parent_comes_first() {
        let parent = |pid, name, user| Parent { pid, name, user };
        let parents = [
            parent(7, "lighttpd", "www-data"),
            parent(1, "systemd", "root"),
        ];
        let found = Findings::one(|report| judge(&parents, report));
        let expected = "lighttpd (process 7, of www-data) < systemd (process 1, of root): lighttpd starts it by itself \
                        (bin-path)";
        assert_eq!(found.what, expected);
        assert!(
            Findings::one(|report| judge(&[], report))
                .what
                .starts_with("nobody")
        );
    }

    #[test]
    fn our_own_parent_is_found() {
        let pid = parent_of("self").unwrap();
        assert_eq!(pid, std::os::unix::process::parent_id());
        assert_ne!(name(pid), "?");
    }
}
