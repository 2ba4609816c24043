//! RewriteBase: whether it is the address of its folder, where Apache's own configuration tells that address. Called by
//! `htaccess`.

use super::super::Findings;
use super::super::apache::values;
use crate::cli::words::{Words, words};
use std::path::Path;

/// Judges the text of a `.htaccess` in that folder; `configuration` is Apache's own.
pub(super) fn judge(text: &str, folder: &Path, configuration: &str, report: &mut Findings) {
    let bases = values(text, "RewriteBase");
    let (Some(base), Some(address)) = (bases.first(), address(folder, configuration)) else {
        return;
    };
    if plain(base) == plain(address) {
        return;
    }
    report.yellow(
        words!(
            "RewriteBase {base} is not the address of its folder, which is {address}: each request is a 404, unless an \
             Alias leads there"
        ),
        words!("write RewriteBase {address}, or leave the line out"),
    )
}

/// Without quotes and slashes around it.
fn plain(address: &str) -> &str {
    address.trim_matches(['"', '/'])
}

/// The address that a folder has below the nearest of all document roots above it.
fn address(folder: &Path, configuration: &str) -> Option<Words> {
    let roots = values(configuration, "DocumentRoot").into_iter();
    let roots = roots.map(|root| Path::new(root.trim_matches('"')));
    let below = roots.filter_map(|root| folder.strip_prefix(root).ok());
    let nearest = below.min_by_key(|rest| rest.components().count())?;
    Some(words!("/{}", nearest.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_address_of_the_folder() {
        let configuration = "DocumentRoot /var/www\n DocumentRoot \"/var/www/html\"\n";
        for (text, folder, wrong) in [
            ("RewriteBase /\n", "/var/www/html", None),
            ("RewriteBase /sub/\n", "/var/www/html/sub", None),
            ("RewriteBase /sub\n", "/var/www/html/sub", None),
            (
                "RewriteBase /\n",
                "/var/www/html/sub",
                Some("which is /sub:"),
            ),
            ("RewriteBase /sub\n", "/var/www/html", Some("which is /:")),
            ("RewriteBase /\n", "/home/ada/public_html", None),
            ("#RewriteBase /x\n", "/var/www/html", None),
        ] {
            let found =
                Findings::of(|report| judge(text, Path::new(folder), configuration, report));
            match wrong {
                None => assert_eq!(found, [], "{text}{folder}"),
                Some(words) => assert!(found[0].what.contains(words), "{text}{folder}"),
            }
        }
    }
}
