//! A login that is remembered in a signed cookie: the browser keeps the session, and nobody can change or invent one.
//! `SESSION_KEYS=$(openssl rand -hex 32) cargo run --example cookies -- --http 8000` shows it; log in as `ada`, `lovelace`.
//!
//! The key is never in the source. It is in the environment or, where a web server passes none, in the file `.ht.session-keys`
//! beside the program: `(umask 077; openssl rand -hex 32 > .ht.session-keys)`. To change it put a new line on top, and take the
//! old one away a week later: the first key signs, each of them is believed.
//!
//! What is in the cookie can be read by its owner, and a copy of it is good until its end, also after a logout: who has to be
//! able to end sessions keeps a list of them.

use cookie::{CookieJar, Key};
use fcgi::{Cookie, Error, Request, Response, Server, html_escape};
use std::env;
use std::fs;
use std::time::{Duration, SystemTime};

/// Signed values are not tied to their cookie's name: a second kind of cookie takes a key of its own.
const SESSION: &str = "session";
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn app(keys: &Keys, req: &mut Request, res: Response) -> fcgi::Result {
    // What is for one visitor is for no cache.
    let res = res.header("Cache-Control", "no-store");
    let page = res.content_type("text/html; charset=utf-8");
    match (req.method(), req.path(), user(keys, req)) {
        ("GET" | "HEAD", "/", Some(user)) => page.send(format!(
            "<p>Hello, {}! <form method=post action='{}'><button>Log out</button></form>",
            html_escape(&user),
            html_escape(&req.url_for("/logout")),
        )),
        ("GET" | "HEAD", "/", None) => page.send(format!(
            "<form method=post action='{}'><input name=name placeholder=Name>
            <input name=password type=password placeholder=Password><button>Log in</button></form>",
            html_escape(&req.url_for("/login")),
        )),
        ("POST", "/login", _) => {
            let form = req.form()?;
            let name = form.get("name").unwrap_or_default();
            if !is_password(name, form.get("password").unwrap_or_default()) {
                return page.status(403).send("<p>Wrong name or password.");
            }
            page.set_cookie(session(keys, req, name)).redirect("/")
        }
        // By POST: a link from elsewhere logs nobody out, for SameSite=Lax sends the cookie with no other site's POST.
        ("POST", "/logout", _) => page.set_cookie(Cookie::removal(SESSION)).redirect("/"),
        _ => Err(Error::new(404, "no such page")),
    }
}

/// A cookie that is HttpOnly and SameSite=Lax, as every [`Cookie`] unless it is told otherwise.
fn session(keys: &Keys, req: &Request, user: &str) -> Cookie {
    // Max-Age is for the browser alone; what is signed says it, too.
    let value = format!("{}.{user}", (now() + WEEK).as_secs());
    Cookie::new(SESSION, keys.sign(&value))
        .max_age(WEEK)
        .secure(req.scheme() == "https")
}

/// Who has logged in. A cookie that was tampered with, or is too old, is none.
fn user(keys: &Keys, req: &Request) -> Option<String> {
    let mut sessions = req.cookies().filter(|(name, _)| *name == SESSION);
    let value = sessions.find_map(|(_, value)| keys.verify(value))?;
    let (until, user) = value.split_once('.')?;
    (now().as_secs() < until.parse().ok()?).then(|| user.to_owned())
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// Yours asks a database, in which passwords are hashed (crate `argon2`).
fn is_password(name: &str, password: &str) -> bool {
    (name, password) == ("ada", "lovelace")
}

struct Keys(Vec<Key>);

impl Keys {
    fn load() -> fcgi::Result<Keys> {
        if let Ok(text) = env::var("SESSION_KEYS") {
            return Keys::parse(&text);
        }
        let path = fcgi::home().join(".ht.session-keys");
        let text = fs::read_to_string(&path).map_err(|e| {
            Error::new(
                503,
                format!(
                    "cannot read the session keys in {}: {e}; make them: openssl rand -hex 32",
                    path.display()
                ),
            )
        })?;
        Keys::parse(&text)
    }

    fn parse(text: &str) -> fcgi::Result<Keys> {
        let words: Vec<&str> = text.split_whitespace().collect();
        // Key::derive_from panics then.
        if words.is_empty() || words.iter().any(|word| word.len() < 32) {
            let why =
                "there is no session key, or one of less than 32 characters: openssl rand -hex 32";
            return Err(Error::new(503, why));
        }
        let key = |word: &&str| Key::derive_from(word.as_bytes());
        Ok(Keys(words.iter().map(key).collect()))
    }

    fn sign(&self, value: &str) -> String {
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.0[0]).add((SESSION, value.to_owned()));
        jar.get(SESSION)
            .map_or(String::new(), |cookie| cookie.value().to_owned())
    }

    fn verify(&self, signed: &str) -> Option<String> {
        let (jar, cookie) = (
            CookieJar::new(),
            cookie::Cookie::new(SESSION, signed.to_owned()),
        );
        let verify = |key| jar.signed(key).verify(cookie.clone());
        Some(self.0.iter().find_map(verify)?.value().to_owned())
    }
}

fn main() -> std::process::ExitCode {
    // Without a key every request is a 503, and the log says why, until there is one.
    Server::new()
        .responder_with(Keys::load, |keys, req, res| app(keys, req, res))
        .main()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::{Answer, Ask, Behind, request};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OLDER: &str = "fedcba9876543210fedcba9876543210";

    fn ask(request: Ask) -> Answer {
        let keys = Keys::parse(KEY).unwrap();
        request.call(|req, res| app(&keys, req, res))
    }

    fn log_in(request: Ask) -> Answer {
        ask(request.form(&[("name", "ada"), ("password", "lovelace")]))
    }

    /// What a browser sends back of it.
    fn cookie(answer: &Answer) -> String {
        let field = answer.header("Set-Cookie").unwrap_or_default();
        field.split(';').next().unwrap().to_owned()
    }

    fn front_page(cookie: &str) -> String {
        let answer = ask(request("GET", "/").header("Cookie", cookie));
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.text().to_owned()
    }

    #[test]
    fn who_logs_in_is_known_from_then_on() {
        let answer = log_in(request("POST", "/login"));
        assert_eq!(
            (answer.status(), answer.header("Location")),
            (303, Some("/")),
            "{answer:?}"
        );
        assert!(front_page(&cookie(&answer)).contains("Hello, ada!"));
        assert!(front_page("").contains("Log in"));
    }

    #[test]
    fn the_cookie_is_careful() {
        let answer = log_in(request("POST", "/login"));
        let field = answer.header("Set-Cookie").unwrap();
        let (_, attributes) = field.split_once(';').unwrap();
        assert_eq!(
            attributes,
            " Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
        );
        let answer = log_in(request("POST", "/login").param("HTTPS", "on"));
        let field = answer.header("Set-Cookie").unwrap();
        assert!(
            field.contains("; Secure; HttpOnly; SameSite=Lax"),
            "{field}"
        );
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        let session = cookie(&log_in(request("POST", "/login")));
        let mut other = session.clone();
        other.replace_range(session.len() - 3.., "bob");
        let later = session.replacen('.', "0.", 1);
        for forged in [
            &other,
            &later,
            "session=",
            "session=1.ada",
            &session[..session.len() - 1],
        ] {
            assert!(front_page(forged).contains("Log in"), "{forged}");
        }
        // One beside it changes nothing.
        assert!(front_page(&format!("session=1.bob; {session}")).contains("Hello, ada!"));
    }

    #[test]
    fn a_session_ends_whatever_the_browser_thinks() {
        let keys = Keys::parse(KEY).unwrap();
        let at =
            |until: Duration| format!("session={}", keys.sign(&format!("{}.ada", until.as_secs())));
        let minute = Duration::from_secs(60);
        assert!(front_page(&at(now() + minute)).contains("Hello, ada!"));
        assert!(front_page(&at(now() - minute)).contains("Log in"));
    }

    #[test]
    fn a_new_key_signs_and_the_older_one_is_still_believed() {
        let [older, both, newer] = [
            OLDER.to_owned(),
            format!("{KEY}\n{OLDER}\n"),
            KEY.to_owned(),
        ]
        .map(|text| Keys::parse(&text).unwrap());
        assert_eq!(both.verify(&older.sign("x")).as_deref(), Some("x"));
        assert_eq!(newer.verify(&both.sign("x")).as_deref(), Some("x"));
        assert_eq!(newer.verify(&older.sign("x")), None);
    }

    #[test]
    fn a_key_that_is_missing_or_short_is_refused() {
        for text in ["", "\n", "secret", &format!("{KEY} short")] {
            assert!(Keys::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_wrong_password_gives_no_cookie() {
        for body in [
            &[("name", "ada"), ("password", "x")][..],
            &[("name", ""), ("password", "")],
            &[("name", "ada")],
            &[],
        ] {
            let answer = ask(request("POST", "/login").form(body));
            assert_eq!(
                (answer.status(), answer.header("Set-Cookie")),
                (403, None),
                "{body:?}"
            );
        }
    }

    #[test]
    fn a_logout_takes_the_cookie_away_and_a_link_does_not() {
        let answer = ask(request("POST", "/logout"));
        let field = answer.header("Set-Cookie").unwrap();
        assert!(field.starts_with("session=; Path=/; Max-Age=0;"), "{field}");
        assert_eq!(ask(request("GET", "/logout")).status(), 404);
    }

    #[test]
    fn below_a_mount_the_cookie_and_the_links_are_too() {
        let behind = Behind::NginxMount("/app");
        let answer = log_in(request("POST", "/login").behind(behind));
        assert_eq!(answer.header("Location"), Some("/app/"));
        assert!(
            answer
                .header("Set-Cookie")
                .unwrap()
                .contains("; Path=/app;")
        );
        let answer = ask(request("GET", "/").behind(behind));
        assert!(answer.text().contains("action='/app/login'"), "{answer:?}");
    }
}
