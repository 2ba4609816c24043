//! Which addresses lead to the program: all of them, by rewriting, or only those behind its own name. Called by `url`.

use super::super::Findings;
use super::curl::{self, Got};
use super::{Url, page};
use crate::cli::words::words;
use std::process;

/// What two addresses are answered; `None` if one was not asked, or had no answer.
pub(super) struct Routes {
    /// An address that has no page.
    nowhere: Option<(Url, Got)>,
    /// `/app.fcgi/`, if the program has a name there.
    direct: Option<(Url, Got)>,
}

/// Asks at both. `folders` are those that the program of this `name` may be in, the deepest first; there is at least one.
pub(super) fn ask(folders: &[Url], name: Option<&str>) -> Routes {
    let get = |url: Url| curl::get(&url).ok().map(|got| (url, got));
    let nowhere = folders.first().map(|folder| {
        let page = words!("fcgi-check-{}", process::id());
        folder.join(page)
    });
    let mut direct = None;
    for folder in folders {
        direct = name.and_then(|name| get(folder.join(words!("{name}/"))));
        if direct.as_ref().is_some_and(|(_, got)| is_programs(got)) {
            break;
        }
    }
    Routes {
        nowhere: nowhere.and_then(get),
        direct,
    }
}

impl Routes {
    /// An address that leads to the program, and has no page there.
    pub(super) fn reaching(&self) -> Option<Url> {
        let reached = |route: &&(Url, Got)| is_programs(&route.1);
        let nowhere = self.nowhere.as_ref().filter(reached);
        let direct = self.direct.as_ref().filter(reached);
        nowhere
            .map(|(url, _)| *url)
            .or_else(|| direct.map(|(url, _)| url.join("fcgi-check")))
    }

    pub(super) fn findings(&self, page: &Got, report: &mut Findings) {
        let Some((nowhere, missing)) = &self.nowhere else {
            return;
        };
        let direct = self.direct.as_ref();
        match (page::own(missing), direct) {
            (None, _) if is_programs(missing) => report.green(
                "a page that is nowhere is answered by the program: all addresses lead to it",
            ),
            // An error of the server's does not mean that rewriting is off: what answers behind the name may then be another
            // program, of a folder above.
            (Some(server), Some((url, direct))) if is_programs(direct) && missing.status < 500 => {
                report.yellow(
                    words!(
                        "{} leads to the program, and {} does not: {server} answers that itself",
                        url.shown(),
                        nowhere.shown()
                    ),
                    match server {
                        "Apache" => {
                            "rewriting is off: RewriteEngine On and its rules (conf htaccess), AllowOverride FileInfo, a2enmod rewrite; or nothing, if it is meant so"
                        }
                        _ => "nothing, if it is meant so; else conf prints what all addresses need",
                    },
                );
            }
            // If the page itself is the server's own, that is told already.
            (Some(server), _) if page::own(page).is_none() => report.yellow(
                words!(
                    "{} does not lead to the program: {server} answers it itself",
                    nowhere.shown()
                ),
                "rewriting is off, or only some addresses are the program's; conf prints the usual lines",
            ),
            _ => {}
        }
        if let Some((url, direct)) = direct
            // If the page has the same status, that is told of the page.
            && let Some(server) = page::own(direct).filter(|_| ![404, page.status].contains(&direct.status))
        {
            report.yellow(
                words!(
                    "{} is answered {} by {server} itself",
                    url.shown(),
                    direct.status
                ),
                "harmless if nobody is sent there; Apache runs it with Options +ExecCGI and a handler for it",
            );
        }
    }
}

/// Whether an answer is the program's, as far as can be seen: it is no web server's own page, no redirect, and no program's
/// bytes.
fn is_programs(got: &Got) -> bool {
    got.status < 500
        && page::own(got).is_none()
        && !page::is_by_http(got)
        && got.redirect().is_none()
        && !got.body.starts_with(b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Level;
    use super::*;

    #[test]
    fn rewriting_that_is_off_is_told() {
        let apache = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>";
        let nginx = "<hr><center>nginx/1.22.1</center>";
        let url = Url::parse("http://localhost/x").unwrap();
        let route = |status, body: &str| Some((url, Got::of(status, "text/html", body)));
        let page = Got::of(200, "text/html", "mine");
        let of = |nowhere, direct| {
            let routes = Routes { nowhere, direct };
            let found = Findings::of(|report| routes.findings(&page, report));
            let levels: Vec<Level> = found.iter().map(|f| f.level).collect();
            (levels, routes.reaching().map(|url| url.text()))
        };
        let (yellow, green) = (Level::Yellow, Level::Green);
        let nowhere = Some("http://localhost/x".to_owned());
        let direct = Some("http://localhost/xfcgi-check".to_owned());
        assert_eq!(of(route(404, "no"), None), (vec![green], nowhere.clone()));
        assert_eq!(of(route(404, apache), None), (vec![yellow], None));
        assert_eq!(
            of(route(404, apache), route(404, "no")),
            (vec![yellow], direct)
        );
        assert_eq!(
            of(route(404, "no"), route(404, apache)),
            (vec![green], nowhere.clone())
        );
        assert_eq!(
            of(route(404, "no"), route(403, apache)),
            (vec![green, yellow], nowhere)
        );
        for (own, remedy) in [(apache, "a2enmod rewrite"), (nginx, "conf prints")] {
            let (nowhere, direct) = (route(404, own), route(404, "no"));
            let routes = Routes { nowhere, direct };
            let found = Findings::one(|report| routes.findings(&page, report));
            assert!(found.remedy.contains(remedy), "{found:?}");
        }
        let routes = Routes {
            nowhere: route(500, apache),
            direct: route(500, apache),
        };
        let page = Got::of(500, "text/html", apache);
        assert_eq!(Findings::of(|report| routes.findings(&page, report)), []);
        let routes = Routes {
            nowhere: route(500, apache),
            direct: route(404, "no"),
        };
        assert_eq!(Findings::of(|report| routes.findings(&page, report)), []);
    }
}
