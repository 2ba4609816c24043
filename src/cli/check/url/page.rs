//! Who has made a page: the program, or the web server in its place. Pure, but for the files that it may be. Called by whatever
//! `--url` looks at.

use super::super::Findings;
use super::Url;
use super::curl::Got;
use crate::cli::input::first_bytes;
use crate::cli::words::{Words, words};
use std::fs::File;
use std::path::Path;

/// What web servers' own error pages have in them: those of Apache 2.4.57 and 2.4.71, nginx 1.22, lighttpd 1.4.69, HAProxy 2.6.
const OWN: [(&str, &str); 6] = [
    (
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>",
        "Apache",
    ),
    (
        "\"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>",
        "Apache",
    ),
    ("<hr><center>nginx", "nginx"),
    (
        "\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\" \
         xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>",
        "lighttpd",
    ),
    (
        "\nNo server is available to handle this request.\n",
        "HAProxy",
    ),
    (
        "\nThe server returned an invalid or incomplete response.\n",
        "HAProxy",
    ),
];

/// Pages that a fresh web server shows.
const WELCOME: [(&str, &str); 5] = [
    ("Apache2 Debian Default Page", "Apache"),
    ("Apache2 Ubuntu Default Page", "Apache"),
    ("<h1>It works!</h1>", "Apache"),
    ("Welcome to nginx!", "nginx"),
    ("<title>Welcome page</title>", "lighttpd"),
];

/// The web server whose own page this is, an error nearly always; `None` if it is the program's.
pub(super) fn own(got: &Got) -> Option<&'static str> {
    let has = |name| got.field(name).is_some();
    // Caddy's error pages are empty, and so is the 200 that it says where it has nothing. What a program sends is handed on with
    // the field Status (Caddy 2.6).
    if got.body.is_empty()
        && (got.status >= 400 || got.status == 200 && !has("content-type") && !has("status"))
    {
        return got
            .field("server")
            .is_some_and(|server| server == "Caddy")
            .then_some("Caddy");
    }
    if got.status < 400 {
        return None;
    }
    let text = String::from_utf8_lossy(&got.body);
    let mut known = OWN.iter();
    let found = known.find(|(words, _)| text.contains(words));
    found.map(|(_, server)| *server)
}

/// Whether a program of this crate says that the web server speaks http to it.
pub(super) fn is_by_http(got: &Got) -> bool {
    got.body.starts_with(b"This is a FastCGI application,")
}

/// Judges the page that was asked for. `folder` is where the program lies.
pub(super) fn finding(url: &Url, got: &Got, folder: Option<&Path>, report: &mut Findings) {
    let what = words!(
        "{} is answered {}, {}, within {}",
        url.shown(),
        got.status,
        got.kind(),
        super::super::connect::shown(got.took)
    );
    if let Some(to) = got.redirect() {
        return report.yellow(
            words!("{what}: it leads to {to}"),
            "if that is the application too, check it at that address",
        );
    }
    match (got.status, own(got)) {
        (500.., own) => report.red(what, of_failure(got.status, own)),
        (status, Some(server)) => report.red(
            words!("{what}, by {server} itself and not by the program"),
            of_refusal(status, server),
        ),
        (401, None) => report.yellow(
            words!("{what}: it wants a password"),
            "https://NAME:PASSWORD@host/ gives one",
        ),
        (400, None) if is_by_http(got) => {
            report.red(what, "fastcgi_pass in place of proxy_pass: conf nginx")
        }
        (400.., None) => report.yellow(what, "the program answers so; name a page that it has"),
        _ => of_success(what, got, folder, report),
    }
}

fn of_success(what: Words, got: &Got, folder: Option<&Path>, report: &mut Findings) {
    if got.body.starts_with(b"\x7fELF") {
        return report.red(
            words!("{what}, and is a program's bytes"),
            "the web server sends the program instead of running it: conf htaccess, conf nginx and the others print what it needs",
        );
    }
    let text = String::from_utf8_lossy(&got.body);
    if text.contains("<title>Index of /") {
        return report.red(
            words!("{what}, and lists the folder's files"),
            "Options -Indexes, and the lines that conf htaccess prints",
        );
    }
    if let Some((_, server)) = WELCOME.iter().find(|(words, _)| text.contains(words)) {
        return report.yellow(
            words!("{what}, and is {server}'s own first page"),
            "the web server does not know the program at this address: conf prints what it needs; or name the program's",
        );
    }
    let mut index = ["index.html", "index.htm", "index.php"].into_iter();
    let is_it = |name: &&str| folder.is_some_and(|folder| is_file(&folder.join(name), &got.body));
    if let Some(name) = index.find(is_it) {
        return report.yellow(
            words!("{what}, and is the file {name}, not the program's"),
            words!("remove {name}, or name a page of the program's"),
        );
    }
    report.green(what)
}

/// Whether a body begins as the file does.
pub(super) fn is_file(path: &Path, body: &[u8]) -> bool {
    let start = File::open(path).and_then(|file| first_bytes(file, 4096));
    start.is_ok_and(|start| !start.is_empty() && body.starts_with(&start))
}

/// The remedy for a page that is an error.
fn of_failure(status: u16, own: Option<&str>) -> &'static str {
    match (status, own) {
        (502, _) => {
            "the web server does not reach the program, or it broke off: check --connect ADDR --as www-data, and check --log its error log"
        }
        (503, Some("Apache" | "lighttpd" | "HAProxy")) => {
            "the web server does not reach the program (check --connect ADDR --as www-data), or all its processes are busy; check --log its error log"
        }
        (503, _) => {
            "if the program says so itself, its settings are wrong (check FILE names the line), it lacks what it needs, or is overloaded; check --log the error log"
        }
        (504, _) => {
            "the program takes longer than the web server waits: fastcgi_read_timeout, ProxyTimeout; see where it hangs"
        }
        (500, Some("Apache")) => {
            "Apache could not run it, or it ended before its head (\"Premature end of script headers\"), or .htaccess has a line that is not allowed: check FILE, and check --log the error log"
        }
        _ => "the program failed, or did not start: check FILE, and check --log the error log",
    }
}

/// The remedy for a page that the web server itself refuses.
fn of_refusal(status: u16, server: &str) -> &'static str {
    match status {
        200 => "Caddy has nothing at this address: conf caddy",
        403 if server == "nginx" => {
            "a folder, or a file that nginx may not read: try_files $uri @app, without $uri/ (conf nginx)"
        }
        404 if server == "nginx" => "no location leads to the program: conf nginx",
        403 => {
            "Options +ExecCGI where the program lies (\"ExecCGI is off\"), a folder that its user can enter, and rewriting for /: conf htaccess prints the lines"
        }
        404 => {
            "rewriting is off (AllowOverride FileInfo, a2enmod rewrite), or the address is another: conf htaccess and the others print the lines"
        }
        400 => "is that port https? Name it so",
        405 => "no program is behind this address: conf prints what the web server needs",
        _ => "the web server's error log says why: check --log it",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Level;
    use super::*;
    use crate::stranger::ANSWER;

    const APACHE: &str = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>403 Forbidden</title>";
    const NGINX: &str = "<hr><center>nginx/1.22.1</center>";

    #[test]
    fn the_status_is_explained() {
        let url = Url::parse("http://localhost/").unwrap();
        let by_http = str::from_utf8(ANSWER)
            .unwrap()
            .split("\r\n\r\n")
            .last()
            .unwrap();
        for (status, body, level, words) in [
            (200, "hello", Level::Green, ""),
            (200, "\x7fELF\x02", Level::Red, "conf htaccess"),
            (
                200,
                "<html><head><title>Index of /</title>",
                Level::Red,
                "-Indexes",
            ),
            (
                200,
                "<h1>Welcome to nginx!</h1>",
                Level::Yellow,
                "conf prints",
            ),
            (404, "not found", Level::Yellow, "a page that it has"),
            (404, APACHE, Level::Red, "rewriting is off"),
            (403, APACHE, Level::Red, "+ExecCGI"),
            (403, NGINX, Level::Red, "without $uri/"),
            (404, NGINX, Level::Red, "no location leads"),
            (400, by_http, Level::Red, "fastcgi_pass"),
            (401, "", Level::Yellow, "PASSWORD"),
            (500, APACHE, Level::Red, "Premature end"),
            (502, NGINX, Level::Red, "check --connect"),
            (503, APACHE, Level::Red, "check --connect"),
            (503, "set up wrong", Level::Red, "settings are wrong"),
            (504, "", Level::Red, "ProxyTimeout"),
        ] {
            let got = Got::of(status, "text/html", body);
            let found = Findings::one(|report| finding(&url, &got, None, report));
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.remedy.contains(words), "{words}: {found:?}");
        }
    }

    #[test]
    fn a_page_may_be_a_file() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let body = std::fs::read(&file).unwrap();
        assert!(is_file(&file, &body));
        assert!(!is_file(&file, &body[1..]));
        assert!(!is_file(Path::new("/nowhere"), b""));
    }
}
