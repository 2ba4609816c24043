//! `--url`: the program as visitors get it, through the web server. Called by `check`.
//!
//! Asked for are that page (`page`), an address that nobody has and the program by its own name (`routes`), a POST (`post`), and
//! files that nobody may read (`exposed`). A web server may take their names for an attack: they are few, and each is asked for
//! once. `curl` fetches.

mod address;
mod curl;
mod exposed;
mod page;
mod post;
mod routes;

use super::progress::Progress;
use super::{Findings, Subject};
use crate::cli::words::words;
pub(in crate::cli) use address::Url;
use curl::Got;
use std::path::Path;

/// So many redirects are followed, to the same host only.
const MOST_REDIRECTS: usize = 3;

/// The program that this crate itself builds. It is no application, so that what lies beside it is not looked for.
const STOCK: &str = "fcgi";

/// What the application is most likely called, if nobody has named it.
const USUAL: &str = "app.fcgi";

/// Folders whose files no web server sends: what lies beside a program there is not looked for.
const NOT_SERVED: [&str; 7] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/bin",
];

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let Some(url) = &subject.url else {
        return;
    };
    let progress = Progress::new();
    progress.say(words!("asking {}", url.shown()));
    let (url, page) = match first(url) {
        Ok(first) => first,
        Err(failure) => return failure.finding(url, report),
    };
    // A link is not followed: the web server's folder is the one in which the link is.
    let folder = subject.program.parent().filter(|folder| is_served(folder));
    let name = folder.and_then(|_| subject.program.file_name());
    let name = name.map(|name| name.to_string_lossy().into_owned());
    let (folder, name) = match subject.is_this && name.as_deref() == Some(STOCK) {
        true => (None, Some(USUAL.to_owned())),
        false => (folder, name),
    };
    page::finding(&url, &page, folder, report);
    let folders = url.folders(name.as_deref());
    let routes = routes::ask(&folders, name.as_deref());
    routes.findings(&page, report);
    if let Some(reaching) = routes.reaching() {
        post::finding(&reaching, report);
    }
    let is_broken = page.status >= 500 && page::own(&page).is_some();
    let name = name.as_deref();
    exposed::findings(&folders, name, folder, is_broken, &progress, report);
}

/// The page, and the address at which it was found.
fn first(url: &Url) -> Result<(Url, Got), curl::Failure> {
    let mut url = *url;
    let mut got = curl::get(&url)?;
    for _ in 0..MOST_REDIRECTS {
        let Some(next) = got.redirect().and_then(|to| url.on_same_host(to)) else {
            break;
        };
        url = next;
        got = curl::get(&url)?;
    }
    Ok((url, got))
}

fn is_served(folder: &Path) -> bool {
    !NOT_SERVED.iter().any(|other| folder == Path::new(other))
}
