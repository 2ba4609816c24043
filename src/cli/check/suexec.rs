//! The owners of the program and of its folder: suexec starts a program only if both belong to the site's user and group.

use super::person::{Node, name_of};
use super::{Findings, Subject};
use crate::cli::words::words;
use std::path::Path;

/// Where suexec is on Debian and Red Hat, and where Apache installs it.
const PLACES: [&str; 4] = [
    "/usr/lib/apache2/suexec",
    "/usr/lib/apache2/suexec-pristine",
    "/usr/sbin/suexec",
    "/usr/local/apache2/bin/suexec",
];

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let is_here = PLACES.iter().any(|place| Path::new(place).exists());
    // A host whose users write a .htaccess as a rule starts their programs by suexec, wherever that is.
    if !is_here && !subject.site().join(".htaccess").exists() {
        return;
    }
    if let (Ok(file), Ok(folder)) = (Node::at(&subject.file), Node::at(subject.folder()))
        && !file.is_folder
    {
        judge(&file, &folder, report);
    }
}

fn judge(file: &Node, folder: &Node, report: &mut Findings) {
    if (file.uid, file.gid) == (folder.uid, folder.gid) {
        return;
    }
    let owner = |node: &Node| words!("{} (group {})", name_of(node.uid), node.gid);
    // suexec starts nothing of root's: then the folder is what is wrong.
    let (owned, other) = match folder.uid {
        0 => (folder, file),
        _ => (file, folder),
    };
    report.yellow(
        words!(
            "it belongs to {}, and its folder to {}: suexec refuses that, \"target uid/gid mismatch\"",
            owner(file),
            owner(folder)
        ),
        words!(
            "where suexec starts it: chown {}:{} {}",
            other.uid,
            other.gid,
            owned.path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_to_be_of_one_user_and_group() {
        let node = |uid, gid| Node {
            path: Path::new("/srv/app.fcgi"),
            mode: 0o755,
            uid,
            gid,
            is_folder: false,
        };
        let judged = |file, folder| Findings::of(|report| judge(&file, &folder, report));
        assert_eq!(judged(node(1000, 1000), node(1000, 1000)), []);
        for (file, folder) in [
            (node(33, 1000), node(1000, 1000)),
            (node(1000, 33), node(1000, 1000)),
        ] {
            let found = judged(file, folder)[0];
            assert!(found.what.contains("suexec refuses"), "{found:?}");
            assert!(found.remedy.contains("chown 1000:1000 /srv/app.fcgi"));
        }
        let roots = Node {
            path: Path::new("/srv"),
            ..node(0, 0)
        };
        let found = judged(node(1000, 1000), roots)[0];
        assert!(found.remedy.ends_with("chown 1000:1000 /srv"), "{found:?}");
    }
}
