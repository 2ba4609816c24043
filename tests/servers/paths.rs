//! Where a request points, behind every configuration that can be printed, and those of the guides that cannot: mount and
//! path as the program sees them. `main.rs` runs a table for each row; it has one column for each way in which a web server
//! takes a path apart, as measured.

use crate::http::Http;
use crate::{Outcome, ensure};

/// How a web server treats what is odd in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Apache by the guides' rewrite in an `.htaccess`: it decodes twice, and refuses some of what it then sees.
    Twice,
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
    Way::Twice,
    Way::Apache,
    Way::ProxyPass,
    Way::Nginx,
    Way::Lighttpd,
    Way::HaProxy,
    Way::Caddy,
    Way::H2o,
];

impl Way {
    fn merges_slashes(self) -> bool {
        self.removes_dots() && self != Way::H2o
    }

    fn removes_dots(self) -> bool {
        !matches!(self, Way::HaProxy | Way::Caddy)
    }
}

/// A row's expectations.
#[derive(Clone, Copy, Debug)]
pub struct Paths {
    /// What stands in front of each path in the URL.
    pub base: &'static str,
    pub mount: &'static str,
    /// What of `base` is found in the path, where the mount cannot be found.
    pub above: &'static str,
    pub way: Way,
    /// What is answered for `base` and for `base/`: mount and path with a `|` between them, or the web server's own status.
    pub bare: [&'static str; 2],
    /// The same for a name that only begins like `base`.
    pub longer: &'static str,
    /// What is sent below the mount, and what comes out where it is not what the table has.
    pub odd: &'static [(&'static str, &'static str)],
}

impl Paths {
    /// At the root of the site.
    pub const fn root(way: Way) -> Paths {
        Paths {
            base: "",
            mount: "",
            above: "",
            way,
            bare: ["", "|/"],
            longer: "",
            odd: &[],
        }
    }

    /// Below `/app`, and found to be.
    pub const fn mounted(way: Way, bare: [&'static str; 2]) -> Paths {
        Paths {
            base: "/app",
            mount: "/app",
            above: "",
            way,
            bare,
            longer: "404",
            odd: &[],
        }
    }

    /// With that answer for a name that only begins like `base`.
    pub const fn longer(self, longer: &'static str) -> Paths {
        Paths { longer, ..self }
    }

    /// In another place than `/app`, found or not.
    pub const fn below(self, base: &'static str) -> Paths {
        if self.above.is_empty() {
            Paths {
                base,
                mount: base,
                ..self
            }
        } else {
            Paths {
                base,
                above: base,
                ..self
            }
        }
    }

    pub const fn odd(self, odd: &'static [(&'static str, &'static str)]) -> Paths {
        Paths { odd, ..self }
    }

    /// Below `/app`, where nothing tells.
    pub const fn unknown(way: Way, bare: [&'static str; 2]) -> Paths {
        Paths {
            base: "/app",
            mount: "",
            above: "/app",
            way,
            bare,
            longer: "404",
            odd: &[],
        }
    }
}

/// What is sent below the mount, and what comes out, in the order of [`WAYS`]: a path, or the web server's own status.
/// `\xE9` is that one byte. With a `|` in front the mount is not found.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 8])] = &[
    ("/news/today?x=1", ["/news/today"; 8]),
    ("/news?",          ["/news"; 8]),
    ("/news?a?b=http://c//d/../e", ["/news"; 8]),
    ("/news/",          ["/news/"; 8]),
    ("/a%20b",          ["/a b"; 8]),
    ("/a+b",            ["/a+b"; 8]),
    ("/a;p=1/b",        ["/a;p=1/b"; 8]),
    ("/%C3%A9",         [r"/\xc3\xa9"; 8]),
    (r"/a\xE9b",        [r"/a\xe9b", r"/a\xe9b", r"/a\xe9b", r"/a\xe9b", r"/a\xe9b", "400", r"/a\xe9b", r"/a\xe9b"]),
    ("/a%2Fb",          ["404", "404", "404", "/a/b", "/a/b", "/a/b", "/a/b", "/a/b"]),
    ("/a%252Fb",        ["404", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb"]),
    ("//x//y",          ["/x/y", "/x/y", "/x/y", "/x/y", "/x/y", "//x//y", "//x//y", "//x//y"]),
    ("//x/y",           ["/x/y", "/x/y", "/x/y", "/x/y", "/x/y", "//x/y", "//x/y", "//x/y"]),
    ("/x//",            ["/x/", "/x/", "/x/", "/x/", "/x/", "/x//", "/x//", "/x//"]),
    ("/a/./b/../c",     ["/a/c", "/a/c", "/a/c", "/a/c", "/a/c", "/a/./b/../c", "/a/./b/../c", "/a/c"]),
    ("/a/b/..",         ["/a/", "/a/", "/a/", "/a/", "/a/", "/a/b/..", "/a/b/..", "/a/"]),
    ("/a/..",           ["/", "/", "/", "/", "/", "/a/..", "/a/..", "/"]),
    ("/a%3Fq",          ["403", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q", "/a?q"]),
    ("/a%25b",          ["400", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b", "/a%b"]),
    ("/a%2541",         ["|/aA", "/a%41", "/a%41", "/a%41", "/a%41", "/a%41", "/a%41", "/a%41"]),
    ("/a%23b",          ["|/a", "/a#b", "/a#b", "/a#b", "/a#b", "/a#b", "/a#b", "/a#b"]),
    ("/a%zz",           ["400", "400", "400", "400", "/a%zz", "500", "400", "/a%zz"]),
    ("/a%0Ab",          [r"/a\nb", r"/a\nb", r"/a\nb", r"/a\nb", "400", "500", r"/a\nb", r"/a\nb"]),
];

/// Asks all of the table.
pub fn check(http: Http, paths: &Paths) -> Vec<(String, Outcome)> {
    let column = WAYS.iter().position(|&way| way == paths.way).unwrap_or(0);
    let mut outcomes = Vec::new();
    for (below, by_way) in TABLE {
        let odd = paths.odd.iter().find(|(odd, _)| odd == below);
        let wanted = match odd.map_or(by_way[column], |(_, wanted)| wanted) {
            path if path.starts_with('/') => format!("{}|{}{path}", paths.mount, paths.above),
            as_it_is => as_it_is.to_owned(),
        };
        let target = format!("{}{below}", paths.base);
        outcomes.push((target.clone(), ask(http, &target, &wanted)));
    }
    let [bare, slashed] = paths.bare;
    if !paths.base.is_empty() {
        outcomes.push((format!("{} alone", paths.base), ask(http, paths.base, bare)));
        // The same place, written otherwise: what decides whose a request is has to decode, as what splits the path does.
        let (first, rest) = (paths.base.as_bytes()[1], &paths.base[2..]);
        let target = format!("/%{first:02x}{rest}/news");
        let wanted = format!("{}|{}/news", paths.mount, paths.above);
        outcomes.push((target.clone(), ask(http, &target, &wanted)));
    }
    let target = format!("{}/", paths.base);
    outcomes.push((format!("{target} alone"), ask(http, &target, slashed)));
    // The absolute form, which every server has to take (RFC 9112, section 3.2.2).
    let target = format!("http://localhost:{}{}/news?x=1", http.at.port(), paths.base);
    let wanted = match (paths.way, paths.base) {
        // h2o 2.2 takes it for a path, which begins with no place of its own.
        (Way::H2o, base) if !base.is_empty() => "404".to_owned(),
        _ => format!("{}|{}/news", paths.mount, paths.above),
    };
    outcomes.push((target.clone(), ask(http, &target, &wanted)));
    if !paths.base.is_empty() {
        around_a_mount(http, paths, &mut outcomes);
    }
    if paths.base.is_empty() {
        outcomes.push(("OPTIONS *".to_owned(), ask_options(http, paths.way)));
    }
    outcomes
}

/// Asks one of the table, below a mount that is found, or at the root.
pub fn check_one(http: Http, base: &str, way: Way, below: &str) -> Outcome {
    let column = WAYS.iter().position(|&known| known == way).unwrap_or(0);
    let row = TABLE.iter().find(|(path, _)| *path == below);
    let wanted = match row.ok_or("the table has no such path")?.1[column] {
        path if path.starts_with('/') => format!("{base}|{path}"),
        as_it_is => as_it_is.to_owned(),
    };
    ask(http, &format!("{base}{below}"), &wanted)
}

/// What only a mount can get wrong.
fn around_a_mount(http: Http, paths: &Paths, outcomes: &mut Vec<(String, Outcome)>) {
    let Paths {
        base, mount, above, ..
    } = *paths;
    let mut wanted = vec![
        (
            format!("{base}{base}/x"),
            format!("{mount}|{above}{base}/x"),
        ),
        (format!("{base}xyz/b"), paths.longer.to_owned()),
    ];
    if paths.way.merges_slashes() {
        let path = format!("{mount}|{above}/x/y");
        wanted.push((format!("/{base}//x/y"), path));
    }
    if paths.way.removes_dots() {
        let path = format!("{mount}|{above}/y");
        wanted.push((format!("/x/..{base}/y"), path));
    }
    for (target, wanted) in wanted {
        outcomes.push((target.clone(), ask(http, &target, &wanted)));
    }
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

fn ask(http: Http, target: &str, wanted: &str) -> Outcome {
    ask_for(http, "GET", target, wanted)
}

/// `wanted` begins with a digit if it is a status.
fn ask_for(http: Http, method: &str, target: &str, wanted: &str) -> Outcome {
    let host = format!("localhost:{}", http.at.port());
    let answer = http.send(&request(method, target, &host))?;
    let text = answer.text();
    let mut lines = text.lines();
    let found = match answer.status {
        200 => lines.next().unwrap_or_default().to_owned(),
        status => status.to_string(),
    };
    ensure!(found == wanted, "expected {wanted:?}, got {found:?}");
    let Some((mount, path)) = found.split_once('|') else {
        return Ok(());
    };
    let rest: Vec<&str> = lines.collect();
    ensure!(rest.len() == 3, "the program answers {text:?}");
    // A link leads to this host, whatever a visitor sent.
    let login = format!("{mount}/login");
    ensure!(rest[2] == login, "a page /login is at {:?}", rest[2]);
    match path.starts_with('/') && target.starts_with('/') {
        true => as_sent(target, mount, rest[0], rest[1], &host),
        false => Ok(()),
    }
}

/// The path below the mount and the URL are given back as they were sent; what no URL may hold is escaped in the latter.
fn as_sent(target: &str, mount: &str, raw: &str, url: &str, host: &str) -> Outcome {
    let path = target.split('?').next().unwrap_or_default();
    let wanted = match path.strip_prefix(mount) {
        Some("") => "/".to_owned(),
        Some(below) if below.starts_with('/') => below.replace(r"\xE9", r"\xe9"),
        // A mount in other words: with escapes, or something in front that the web server took away.
        _ if raw.starts_with('/') && path.ends_with(raw) => raw.to_owned(),
        _ => path.to_owned(),
    };
    // Caddy escapes the byte.
    let is_sent = raw == wanted || raw == wanted.replace(r"\xe9", "%E9");
    ensure!(is_sent, "the raw path is {raw:?}, not {wanted:?}");
    let wanted = target.replace(r"\xE9", "%E9").replace("%zz", "%25zz");
    ensure!(
        url == format!("http://{host}{wanted}"),
        "the URL is {url:?}"
    );
    Ok(())
}

fn request(method: &str, target: &str, host: &str) -> Vec<u8> {
    let mut bytes = format!("{method} ").into_bytes();
    for (at, part) in target.split(r"\xE9").enumerate() {
        if at > 0 {
            bytes.push(0xe9);
        }
        bytes.extend(part.as_bytes());
    }
    let head = format!("Host: {host}\r\nConnection: close\r\nX-Show: place\r\n\r\n");
    bytes.extend(b" HTTP/1.1\r\n");
    bytes.extend(head.into_bytes());
    bytes
}
