//! The folder that relative paths count from: here, and where web servers and managers start the program.

use super::{Finding, Subject};
use crate::cli::words::words;
use std::env;
use std::path::Path;

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let here = env::current_dir().ok();
    vec![judge(here.as_deref(), subject.folder())]
}

/// mod_fcgid 2.3.9 and lighttpd 1.4.69 do so in `tests/servers/troubles.rs`; the others pass on a folder.
fn judge(here: Option<&Path>, own: &Path) -> Finding {
    let here = here.map_or("nowhere".into(), |here| here.display().to_string());
    Finding::green(words!(
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
        let told = judge(Some(Path::new("/root")), Path::new("/srv/www")).what;
        assert!(told.contains("from /root here") && told.contains("lighttpd from /srv/www,"));
        assert!(judge(None, Path::new("/")).what.contains("from nowhere"));
    }
}
