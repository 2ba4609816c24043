//! Whether the system has SELinux, whose rules refuse what the modes of files allow.

use super::{Findings, Subject, text_of};
use std::path::Path;

/// The kernel's own word: 1 is enforcing, 0 permissive; without SELinux there is none.
const ENFORCES: &str = "/sys/fs/selinux/enforce";

pub(super) fn findings(_: &Subject, report: &mut Findings) {
    let said = text_of(Path::new(ENFORCES));
    judge(said, report);
}

fn judge(said: Option<&str>, report: &mut Findings) {
    match said.map(str::trim) {
        None => {}
        Some("1") => report.yellow(
            "SELinux is enforced here: \"Permission denied\" may come from its rules, whatever the modes of files and sockets say",
            "if it does: ausearch -m avc -ts recent names what was refused; a program below /var/www needs the type \
             httpd_sys_script_exec_t (chcon -t), a TCP address setsebool -P httpd_can_network_connect 1",
        ),
        Some(_) => report.green("SELinux only takes notes here (permissive)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn only_what_is_enforced_is_a_trouble() {
        let judged = |said| Findings::of(|report| judge(said, report));
        assert_eq!(judged(None), []);
        assert_eq!(judged(Some("0"))[0].level, Level::Green);
        assert_eq!(judged(Some("1\n"))[0].level, Level::Yellow);
    }
}
