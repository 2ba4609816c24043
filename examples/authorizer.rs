//! A login in front of a folder of files, which Apache serves: the program says only who may pass, and has the login page.
//!
//! On a shared host with mod_fcgid: the program in the site's folder as `app.fcgi`, with the `.htaccess` that
//! `./app.fcgi conf htaccess` prints and a key (`(umask 077; openssl rand -hex 32 > .ht.session-key)`); and in `members`, the
//! folder to be guarded, an `.htaccess` of its own, which needs `AllowOverride FileInfo` (or All) of the host:
//!
//! ```text
//! FcgidAccessChecker /srv/www/app.fcgi
//! ErrorDocument 401 /login
//! ```
//!
//! lighttpd asks as `fcgi::Access` has it, and takes a second entry, `"/login"`, by which the program is the responder. nginx
//! asks the responder alone: as there, with `error_page 401 = /login;` beside `auth_request /may-pass;`.

use cookie::{CookieJar, Key};
use fcgi::{Access, Cookie, Error, Request, Response, Server, html_escape};
use std::fs;
use std::time::{Duration, SystemTime};

const NAME: &str = "member";
const DAY: Duration = Duration::from_secs(86_400);

/// Asked about every request below the folder.
fn guard(key: &Key, req: &mut Request, access: Access) -> fcgi::Result {
    match member(key, req) {
        // What answers the request finds it in its environment.
        Some(member) => access.grant().variable("MEMBER", &member).send(),
        // mod_fcgid makes a 401 of any denial, and Apache shows its ErrorDocument. lighttpd hands the redirect on.
        None => access.deny(303).redirect("/login"),
    }
}

/// Asked about all that is not a file.
fn app(key: &Key, req: &mut Request, res: Response) -> fcgi::Result {
    let res = res.header("Cache-Control", "no-store");
    match (req.method(), req.path()) {
        ("GET" | "HEAD", "/login") => login_page(req, res),
        ("POST", "/login") => log_in(key, req, res),
        ("POST", "/logout") => res.set_cookie(Cookie::removal(NAME)).redirect("/login"),
        (_, "/may-pass") if member(key, req).is_some() => res.send(""),
        (_, "/may-pass") => res.status(401).send(""),
        _ => Err(Error::new(404, "no such page")),
    }
}

fn login_page(req: &Request, res: Response) -> fcgi::Result {
    // As an ErrorDocument it is asked for in the place of another page, where the visitor wants to go.
    let wanted = req.param("REQUEST_URI").unwrap_or("/login");
    let (status, to) = match wanted.starts_with("/login") {
        true => (200, "/members/"),
        false => (401, wanted),
    };
    let page = res.status(status).content_type("text/html; charset=utf-8");
    page.send(format!(
        "<form method=post action=/login><input name=name placeholder=Name>
        <input name=password type=password placeholder=Password>
        <input name=to type=hidden value='{}'><button>Log in</button></form>",
        html_escape(to)
    ))
}

fn log_in(key: &Key, req: &mut Request, res: Response) -> fcgi::Result {
    let form = req.form()?;
    let field = |name| form.get(name).unwrap_or_default();
    let (name, to) = (field("name"), field("to"));
    if !is_password(name, field("password")) {
        return res.status(403).send("Wrong name or password.");
    }
    let session = Cookie::new(NAME, sign(key, name))
        .max_age(DAY)
        .secure(req.scheme() == "https");
    let res = res.set_cookie(session);
    // A visitor can write anything there. What begins with a slash stays on this host.
    res.redirect(if to.starts_with('/') { to } else { "/members/" })
}

/// Yours asks a database, in which passwords are hashed (crate `argon2`).
fn is_password(name: &str, password: &str) -> bool {
    (name, password) == ("ada", "lovelace")
}

/// Who the visitor is, by a cookie that was signed here and is not too old: the example `cookies` says more of that.
fn member(key: &Key, req: &Request) -> Option<String> {
    let cookie = cookie::Cookie::new(NAME, req.cookie(NAME)?.to_owned());
    let cookie = CookieJar::new().signed(key).verify(cookie)?;
    let (until, member) = cookie.value().split_once('.')?;
    (now().as_secs() < until.parse().ok()?).then(|| member.to_owned())
}

fn sign(key: &Key, member: &str) -> String {
    let mut jar = CookieJar::new();
    let until = (now() + DAY).as_secs();
    jar.signed_mut(key).add((NAME, format!("{until}.{member}")));
    jar.get(NAME)
        .map_or(String::new(), |cookie| cookie.value().to_owned())
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// Read for each request, so that another one counts at once. Without it nobody may pass: an error grants nothing.
fn key() -> fcgi::Result<Key> {
    let path = fcgi::home().join(".ht.session-key");
    match fs::read(&path) {
        Ok(key) if key.len() >= 32 => Ok(Key::derive_from(&key)),
        found => {
            let why = found.map_or_else(|e| e.to_string(), |_| "it has less than 32 bytes".into());
            let why = format!(
                "no session key in {}: {why}; make it: openssl rand -hex 32",
                path.display()
            );
            Err(Error::new(503, why))
        }
    }
}

fn server(key: fn() -> fcgi::Result<Key>) -> Server {
    Server::new()
        .authorizer(move |req, access| guard(&key()?, req, access))
        .responder(move |req, res| app(&key()?, req, res))
}

fn main() -> std::process::ExitCode {
    server(key).main()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::{Answer, request};

    fn test_key() -> fcgi::Result<Key> {
        Ok(Key::derive_from(b"0123456789abcdef0123456789abcdef"))
    }

    fn log_in(body: &str) -> Answer {
        let ask =
            request("POST", "/login").header("Content-Type", "application/x-www-form-urlencoded");
        ask.body(body).serve(&server(test_key))
    }

    fn may_pass(cookie: &str) -> Answer {
        let ask = request("GET", "/members/page.txt").header("Cookie", cookie);
        ask.as_authorizer().serve(&server(test_key))
    }

    /// What a browser sends back of it.
    fn cookie(answer: &Answer) -> String {
        let field = answer.header("Set-Cookie").unwrap_or_default();
        field.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn who_has_logged_in_may_pass_by_name() {
        let session = cookie(&log_in("name=ada&password=lovelace"));
        let granted = may_pass(&session);
        assert_eq!(
            (granted.status(), granted.header("Variable-MEMBER")),
            (200, Some("ada"))
        );
    }

    #[test]
    fn nobody_else_may() {
        let session = cookie(&log_in("name=ada&password=lovelace"));
        let forged = session.replacen(".ada", ".bob", 1);
        let old = {
            let mut jar = CookieJar::new();
            let key = test_key().unwrap();
            jar.signed_mut(&key).add((NAME, "1.ada"));
            jar.get(NAME).unwrap().to_string()
        };
        for cookie in [
            "",
            "member=ada",
            "member=9999999999.ada",
            &forged,
            &old,
            &cookie(&log_in("name=ada&password=x")),
        ] {
            let denied = may_pass(cookie);
            assert_eq!(
                (denied.status(), denied.header("Location")),
                (303, Some("/login")),
                "{cookie}"
            );
            assert_eq!(denied.header("Variable-MEMBER"), None);
        }
    }

    #[test]
    fn without_a_key_nobody_may_pass() {
        let none = server(|| Err(Error::new(503, "there is no key")));
        let answer = request("GET", "/members/").as_authorizer().serve(&none);
        assert_eq!(answer.status(), 503, "{answer:?}");
    }

    #[test]
    fn the_login_leads_to_the_page_that_was_wanted_and_to_no_other_site() {
        for (to, location) in [
            ("/members/page.txt?x=1", "/members/page.txt?x=1"),
            ("", "/members/"),
            ("https://elsewhere.example/", "/members/"),
            ("//elsewhere.example/", "/elsewhere.example/"),
            ("/\\elsewhere.example/", "/%5Celsewhere.example/"),
        ] {
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
            let answer = log_in(&format!("name=ada&password=lovelace&to={to}"));
            assert_eq!(
                (answer.status(), answer.header("Location")),
                (303, Some(location))
            );
        }
    }

    #[test]
    fn in_the_place_of_a_page_the_login_is_a_401_that_knows_the_page() {
        let page = request("GET", "/login").serve(&server(test_key));
        assert_eq!(page.status(), 200);
        let ask = request("GET", "/login").param("REQUEST_URI", "/members/a'b");
        // As Apache has it after a rewrite.
        let ask = ask
            .param("PATH_INFO", "/login")
            .param("SCRIPT_NAME", "/app.fcgi");
        let page = ask.serve(&server(test_key));
        assert_eq!(page.status(), 401, "{page:?}");
        assert!(page.text().contains("value='/members/a&#39;b'"), "{page:?}");
    }

    #[test]
    fn the_responder_says_the_same_for_nginx() {
        let session = cookie(&log_in("name=ada&password=lovelace"));
        for (cookie, status) in [(&session[..], 200), ("", 401)] {
            let ask = request("GET", "/may-pass").header("Cookie", cookie);
            assert_eq!(ask.serve(&server(test_key)).status(), status);
        }
    }
}
