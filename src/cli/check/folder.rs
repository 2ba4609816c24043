//! The folder that relative paths count from: here, and where web servers and process managers start the program.

use super::{Findings, Subject};
use crate::cli::words::words;
use std::env;
use std::path::Path;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let here = env::current_dir().ok();
    judge(here.as_deref(), subject.folder(), report);
}

/// mod_fcgid 2.3.9 and lighttpd 1.4.69 start a program in its own folder (`tests/servers/troubles.rs`); the others pass on
/// their own.
fn judge(here: Option<&Path>, own: &Path, report: &mut Findings) {
    let here = here.map_or("nowhere".into(), |here| here.display().to_string());
    report.green(words!(
        "relative paths count from {here} here; under mod_fcgid and lighttpd from {}, under systemd from /, under supervisor \
         and spawn-fcgi from their own folder: fcgi::home() is the program's everywhere",
        own.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_folders_are_named() {
        let told = |here: Option<&str>, own| {
            let here = here.map(Path::new);
            Findings::one(|report| judge(here, Path::new(own), report)).what
        };
        let nowhere = told(None, "/");
        let told = told(Some("/root"), "/srv/www");
        assert!(told.contains("from /root here") && told.contains("lighttpd from /srv/www,"));
        assert!(nowhere.contains("from nowhere"));
    }
}
