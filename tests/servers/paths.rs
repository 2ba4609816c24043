//! Where a request points, behind every configuration that can be printed, and those of the guides that cannot: mount and
//! path as the program sees them. `main.rs` runs a table for each row; it has one column for each way in which a web server
//! takes a path apart, as measured.

use crate::http::{Http, request};
use crate::{Outcome, ensure};

/// How a web server treats what is odd in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Apache by the rewrite of an `.htaccess`: it decodes once more, and refuses what it then sees.
    Htaccess,
    Apache,
    /// Apache where the whole path is SCRIPT_NAME and nothing else is sent.
    ProxyPass,
    Nginx,
    Lighttpd,
    HaProxy,
    Caddy,
    H2o,
}

const WAYS: [Way; 8] = [
    Way::Htaccess,
    Way::Apache,
    Way::ProxyPass,
    Way::Nginx,
    Way::Lighttpd,
    Way::HaProxy,
    Way::Caddy,
    Way::H2o,
];

/// A row's expectations.
#[derive(Clone, Copy, Debug)]
pub struct Paths {
    /// What stands in front of each path in the URL.
    pub base: &'static str,
    pub mount: &'static str,
    /// What of `base` is found in the path, where the mount cannot be found.
    pub above: &'static str,
    pub way: Way,
    /// Whether what only begins like `base` is none of the program's addresses.
    pub alone: bool,
    /// What is answered for `base` and for `base/`: mount and path with a `|` between them, or the web server's own status.
    pub bare: [&'static str; 2],
}

impl Paths {
    /// At the root of the site.
    pub const fn root(way: Way) -> Paths {
        Paths {
            base: "",
            mount: "",
            above: "",
            way,
            alone: false,
            bare: ["", "|/"],
        }
    }

    /// Below `/app`, and found to be.
    pub const fn mounted(way: Way, bare: [&'static str; 2]) -> Paths {
        Paths {
            base: "/app",
            mount: "/app",
            above: "",
            way,
            alone: true,
            bare,
        }
    }

    /// Below `/app`, where nothing tells.
    pub const fn unknown(way: Way, bare: [&'static str; 2]) -> Paths {
        Paths {
            base: "/app",
            mount: "",
            above: "/app",
            way,
            alone: true,
            bare,
        }
    }
}

/// What is sent below the mount, and what comes out, in the order of [`WAYS`]: a path, or the web server's own status.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 8])] = &[
    ("/news/today?x=1", ["/news/today"; 8]),
    ("/news?",          ["/news"; 8]),
    ("/news/",          ["/news/"; 8]),
    ("/a%20b",          ["/a b"; 8]),
    ("/a+b",            ["/a+b"; 8]),
    ("/a;p=1/b",        ["/a;p=1/b"; 8]),
    ("/%C3%A9",         [r"/\xc3\xa9"; 8]),
    ("/a%2Fb",          ["404", "404", "404", "/a/b", "/a/b", "/a/b", "/a/b", "/a/b"]),
    ("//x//y",          ["/x/y", "/x/y", "/x/y", "/x/y", "/x/y", "//x//y", "//x//y", "//x//y"]),
    ("/a/./b/../c",     ["/a/c", "/a/c", "/a/c", "/a/c", "/a/c", "/a/./b/../c", "/a/./b/../c", "/a/c"]),
    ("/a%3Fq",          ["403", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q"]),
    ("/a%25b",          ["400", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b"]),
    ("/a%0Ab",          [r"/a\nb", r"/a\nb", r"/a\nb", r"/a\nb", "400", "500", r"/a\nb", r"/a\nb"]),
];

/// Asks all of the table.
pub fn check(http: Http, paths: &Paths) -> Vec<(String, Outcome)> {
    let column = WAYS.iter().position(|&way| way == paths.way).unwrap_or(0);
    let mut outcomes = Vec::new();
    for (target, by_way) in TABLE {
        let wanted = match by_way[column] {
            path if path.starts_with('/') => format!("{}|{}{path}", paths.mount, paths.above),
            status => status.to_owned(),
        };
        let target = format!("{}{target}", paths.base);
        outcomes.push((target.clone(), ask(http, &target, &wanted)));
    }
    let [bare, slashed] = paths.bare;
    if !paths.base.is_empty() {
        outcomes.push((format!("{} alone", paths.base), ask(http, paths.base, bare)));
    }
    let target = format!("{}/", paths.base);
    outcomes.push((format!("{target} alone"), ask(http, &target, slashed)));
    // The absolute form, which every server has to take (RFC 9112, section 3.2.2).
    let target = format!("http://localhost{}/news?x=1", paths.base);
    let wanted = match (paths.way, paths.base) {
        // h2o 2.2 takes it for a path, which begins with no place of its own.
        (Way::H2o, base) if !base.is_empty() => "404".to_owned(),
        _ => format!("{}|{}/news", paths.mount, paths.above),
    };
    outcomes.push((target.clone(), ask(http, &target, &wanted)));
    if paths.alone {
        for target in [
            format!("{}le", paths.base),
            format!("{}le/news", paths.base),
        ] {
            let outcome = ask_neighbour(http, &target);
            outcomes.push((format!("{target} is not the program's"), outcome));
        }
    }
    if paths.base.is_empty() {
        outcomes.push(("OPTIONS *".to_owned(), ask_options(http, paths.way)));
    }
    outcomes
}

/// The asterisk form (RFC 9112, section 3.2.4): all but h2o answer it themselves.
fn ask_options(http: Http, way: Way) -> Outcome {
    let wanted = match way {
        Way::H2o => "|*",
        Way::Nginx => "400",
        Way::HaProxy => "500",
        _ => "",
    };
    ask_for(http, "OPTIONS", "*", wanted)
}

/// Whoever guards `/app/` does not guard `/apple/`, so the program must not answer there as if it were `/app/`.
fn ask_neighbour(http: Http, target: &str) -> Outcome {
    let answer = http.send(&request("GET", target, &[("X-Show", "place")], b""))?;
    let text = answer.text();
    let is_program = answer.status == 200 && text.contains('|');
    ensure!(!is_program, "the program was asked, and found {text:?}");
    Ok(())
}

fn ask(http: Http, target: &str, wanted: &str) -> Outcome {
    ask_for(http, "GET", target, wanted)
}

/// `wanted` begins with a digit if it is a status.
fn ask_for(http: Http, method: &str, target: &str, wanted: &str) -> Outcome {
    let answer = http.send(&request(method, target, &[("X-Show", "place")], b""))?;
    let found = match answer.status {
        200 => answer.text(),
        status => status.to_string(),
    };
    ensure!(found == wanted, "expected {wanted:?}, got {found:?}");
    Ok(())
}
