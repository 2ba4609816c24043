//! What is asked for and what is answered: one for each worker, with its own connection to the entries. `main` serves it.

use crate::page::{self, Looker, MOST_NAME, MOST_TEXT};
use crate::password;
use crate::place;
use crate::session::{Sessions, Token};
use crate::store::{Added, From, New, Store};
use crate::upload::{self, MOST, Sent};
use fcgi::{Error, FormLimits, Request, Response};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Between two tries to log in, in seconds.
const LOGIN_PAUSE: u64 = 3;

/// A worker's; open from its first request on, which says what the web server serves.
#[derive(Default)]
pub struct Site {
    open: Option<Open>,
}

struct Open {
    folder: PathBuf,
    sessions: Sessions,
    store: Store,
}

impl Site {
    pub fn answer(&mut self, req: &mut Request, res: Response) -> fcgi::Result {
        let res = guarded(res);
        match (req.method(), req.path()) {
            ("GET" | "HEAD", "/style.css") => asset(res, "text/css; charset=utf-8", page::STYLE),
            ("GET" | "HEAD", "/icon.svg") => asset(res, "image/svg+xml", page::ICON),
            _ => self.open(req)?.answer(req, res),
        }
    }

    fn open(&mut self, req: &Request) -> fcgi::Result<&mut Open> {
        if self.open.is_none() {
            let folder = place::folder(req.flag("data"))?;
            place::prepare(&folder, req)?;
            let (sessions, store) = (Sessions::open(&folder)?, Store::open(&folder)?);
            warn_without_password(&folder);
            self.open = Some(Open {
                folder,
                sessions,
                store,
            });
        }
        self.open
            .as_mut()
            .ok_or_else(|| Error::new(500, "BUG: it was opened"))
    }
}

/// Once, and not for each worker.
fn warn_without_password(folder: &Path) {
    static ONCE: Once = Once::new();
    if password::hash(folder).is_none() {
        ONCE.call_once(|| {
            log::warn!(
                "no password is set, and nobody can delete an entry; set one: --set-password {}",
                folder.display()
            );
        });
    }
}

/// In the place of what went wrong.
pub fn error_page(error: &Error, req: &Request, res: Response) -> fcgi::Result {
    let mut res = guarded(res).content_type(HTML);
    // RFC 9110, section 15.5.6: a 405 names them.
    if error.status() == 405
        && let Some(methods) = allowed(req.path())
    {
        res = res.header("Allow", methods);
    }
    res.send(page::error(req, error.status()))
}

/// The methods of a page that a form is sent to or a link leads to.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        "/" | "/login" => Some("GET, HEAD, POST"),
        "/logout" | "/delete" => Some("POST"),
        _ => None,
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// Nothing is taken for what it is not, and no other site learns where a visitor comes from.
fn guarded(res: Response<'_>) -> Response<'_> {
    res.header("Content-Security-Policy", page::POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "same-origin")
}

fn asset(res: Response, content_type: &str, text: &str) -> fcgi::Result {
    res.content_type(content_type)
        .header("Cache-Control", "max-age=600")
        .send(text)
}

impl Open {
    fn answer(&mut self, req: &mut Request, res: Response) -> fcgi::Result {
        match (req.method(), req.path()) {
            ("GET" | "HEAD", "/") => self.show(req, res, &Sent::default(), ""),
            ("POST", "/") => self.sign(req, res),
            ("GET" | "HEAD", "/login") => self.ask_password(req, res, ""),
            ("POST", "/login") => self.log_in(req, res),
            ("POST", "/logout") => {
                self.form(req)?;
                res.set_cookie(self.sessions.log_out()).redirect("/")
            }
            ("POST", "/delete") => self.delete(req, res),
            ("GET" | "HEAD", path) if let Some(name) = path.strip_prefix("/picture/") => {
                self.picture(name, res)
            }
            (_, path) => Err(match allowed(path) {
                Some(_) => Error::new(405, "no method of this page"),
                None => Error::new(404, "no such page"),
            }),
        }
    }

    /// The guestbook, with what was filled in and what was wrong with it.
    fn show(&mut self, req: &Request, res: Response, sent: &Sent, wrong: &str) -> fcgi::Result {
        let number = |name| req.query_value(name).and_then(|value| value.parse().ok());
        let from = match (number("before"), number("after")) {
            (Some(id), _) => From::Before(id),
            (None, Some(id)) => From::After(id),
            (None, None) => From::Newest,
        };
        let mut entries = self.store.page(from)?;
        // Nothing is newer, or older, any more.
        if entries.entries.is_empty() && from != From::Newest {
            entries = self.store.page(From::Newest)?;
        }
        let page = |looker: &Looker| page::guestbook(req, looker, sent, wrong, &entries);
        self.send(req, res, page)
    }

    fn ask_password(&self, req: &Request, res: Response, wrong: &str) -> fcgi::Result {
        let unset =
            "No password is set yet. On the host: --set-password; the log has the whole command.";
        let wrong = match password::hash(&self.folder) {
            None => unset,
            Some(_) => wrong,
        };
        self.send(req, res, |looker| page::log_in(req, looker, wrong))
    }

    /// A page of this visitor's own: for no cache, with the cookie that its forms are bound to.
    fn send(
        &self,
        req: &Request,
        res: Response,
        page: impl FnOnce(&Looker) -> String,
    ) -> fcgi::Result {
        let (id, cookie) = self.sessions.visitor(req)?;
        let token = self.sessions.token(&id)?;
        let res = res.content_type(HTML).header("Cache-Control", "no-store");
        let res = match cookie {
            Some(cookie) => res.set_cookie(cookie),
            None => res,
        };
        res.send(page(&Looker {
            is_owner: self.is_owner(req),
            token: &token,
        }))
    }

    fn is_owner(&self, req: &Request) -> bool {
        self.sessions.is_owner(req, || password::hash(&self.folder))
    }

    /// Takes an entry, or shows what was written again and says what is wrong with it.
    fn sign(&mut self, req: &mut Request, res: Response) -> fcgi::Result {
        let (visitor, _) = self.sessions.visitor(req)?;
        let (pictures, mut sent, mut token) = (self.folder.join("pictures"), Sent::default(), None);
        let read = sent.read(req, &pictures, |text| {
            token = self.sessions.check(&visitor, text);
            token.is_some()
        });
        let (Ok(()), Some(token)) = (&read, token) else {
            let error = read
                .err()
                .unwrap_or_else(|| Error::new(403, "BUG: read without a token"));
            let Some(wrong) = refusal(&error) else {
                return Err(error);
            };
            return self.show(req, res.status(error.status()), &sent, &wrong);
        };
        if let Some(wrong) = wrong_with(&sent) {
            return self.show(req, res.status(422), &sent, &wrong);
        }
        match self.add(req, &mut sent, &token)? {
            Added::As(id) | Added::Already(id) => res.redirect(&format!("/#e{id}")),
            Added::Wait(seconds) => {
                let wrong = format!(
                    "You have written a moment ago. Please send it again in {seconds} seconds."
                );
                let res = res.status(429).header("Retry-After", seconds.to_string());
                self.show(req, res, &sent, &wrong)
            }
        }
    }

    /// The picture is there before its entry is, and goes if that is not to be.
    fn add(&mut self, req: &Request, sent: &mut Sent, token: &Token) -> fcgi::Result<Added> {
        let pause = req.flag("pause");
        let pause = pause
            .parse()
            .map_err(|_| Error::new(503, format!("pause {pause} is no number of seconds")))?;
        let pictures = self.folder.join("pictures");
        let picture = sent
            .picture
            .take()
            .map(|picture| picture.keep(&pictures))
            .transpose()?;
        let new = New {
            name: &sent.name,
            text: &sent.text,
            picture: picture.as_deref(),
            once: &token.once,
            visitor: &whence(req),
        };
        let added = self.store.add(&new, pause);
        if let (Some(picture), false) = (&picture, matches!(added, Ok(Added::As(_)))) {
            fs::remove_file(pictures.join(picture))?;
        }
        Ok(added?)
    }

    fn log_in(&mut self, req: &mut Request, res: Response) -> fcgi::Result {
        let form = self.form(req)?;
        if let Some(seconds) = self
            .store
            .wait(&format!("log in {}", whence(req)), LOGIN_PAUSE)?
        {
            let res = res.status(429).header("Retry-After", seconds.to_string());
            return self.ask_password(req, res, &format!("Please try again in {seconds} seconds."));
        }
        let hash = password::hash(&self.folder).unwrap_or_default();
        if !password::is(form.get("password").unwrap_or_default(), &hash) {
            return self.ask_password(req, res.status(403), "This is not the password.");
        }
        res.set_cookie(self.sessions.log_in(req, &hash))
            .redirect("/")
    }

    fn delete(&mut self, req: &mut Request, res: Response) -> fcgi::Result {
        let form = self.form(req)?;
        if !self.is_owner(req) {
            return Err(Error::new(403, "only the owner deletes entries"));
        }
        let id = form.get("id").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Error::new(400, "the form has no number of an entry"))?;
        // Two that press at once have both got what they wanted.
        if let Some(Some(picture)) = self.store.delete(id)? {
            fs::remove_file(self.folder.join("pictures").join(picture))?;
        }
        res.redirect("/")
    }

    /// A form of ours: no other site can have made the visitor send it.
    fn form(&self, req: &mut Request) -> fcgi::Result<fcgi::Form> {
        let form = req.form_with(&FormLimits::default().max_body(64 << 10).max_files(0))?;
        let (visitor, _) = self.sessions.visitor(req)?;
        let token = form
            .get("token")
            .and_then(|token| self.sessions.check(&visitor, token));
        token.ok_or_else(|| Error::new(403, "the form has no token of this visitor"))?;
        Ok(form)
    }

    /// Its name is never given to another one.
    fn picture(&self, name: &str, res: Response) -> fcgi::Result {
        let kind = upload::kept(name).ok_or_else(|| Error::new(404, "no such picture"))?;
        res.content_type(kind.content_type)
            .header("Cache-Control", "public, max-age=31536000, immutable")
            .send_file(self.folder.join("pictures").join(name))
    }
}

/// What is said of a form that could not be read; `None`: no browser sends such a form.
fn refusal(error: &Error) -> Option<String> {
    match error.status() {
        403 => Some("The page was open for too long, or your browser keeps no cookies. Please send it again.".into()),
        413 => Some(format!("The picture has more than {MOST} MiB. Please choose a smaller one.")),
        415 => Some("The file is no picture in PNG, JPEG, GIF or WebP. Please choose another one.".into()),
        _ => None,
    }
}

fn wrong_with(sent: &Sent) -> Option<String> {
    let long = |text: &str, most| text.chars().count() > most;
    match sent {
        Sent { name, text, .. } if name.is_empty() || text.is_empty() => {
            Some("A name and a text have to be there.".into())
        }
        Sent { name, .. } if long(name, MOST_NAME) => {
            Some(format!("The name has more than {MOST_NAME} characters."))
        }
        Sent { text, .. } if long(text, MOST_TEXT) => {
            Some(format!("The text has more than {MOST_TEXT} characters."))
        }
        _ => None,
    }
}

/// The visitor's address; of an IPv6 one the network, of which a visitor has all addresses.
fn whence(req: &Request) -> String {
    let address = req.remote_addr().unwrap_or_default();
    match address.parse() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let network = u128::from(v6) >> 64 << 64;
            Ipv6Addr::from(network).to_string()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PAGE;
    use fcgi::Server;
    use fcgi::testing::{Answer, Ask, Behind, request};
    use std::fs;
    use tempfile::TempDir;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest";

    /// A guestbook, and a visitor's browser with its cookies.
    struct Browser {
        folder: TempDir,
        pause: &'static str,
        site: Site,
        cookies: Vec<String>,
    }

    impl Browser {
        fn new() -> Browser {
            let folder = tempfile::tempdir().unwrap();
            Browser {
                folder,
                pause: "0",
                site: Site::default(),
                cookies: Vec::new(),
            }
        }

        fn ask(&mut self, ask: Ask) -> Answer {
            let folder = self.folder.path().to_str().unwrap();
            let settings = Server::new()
                .flag("data", "", "", folder)
                .flag("pause", "", "", self.pause)
                .error_page(error_page);
            let ask = ask
                .settings(&settings)
                .header("Cookie", self.cookies.join("; "));
            let answer = ask.call(|req, res| self.site.answer(req, res));
            for (name, value) in answer.headers() {
                if name.eq_ignore_ascii_case("Set-Cookie") {
                    let (cookie, _) = value.split_once(';').unwrap();
                    let (name, value) = cookie.split_once('=').unwrap();
                    self.cookies
                        .retain(|other| !other.starts_with(&format!("{name}=")));
                    if !value.is_empty() {
                        self.cookies.push(cookie.to_owned());
                    }
                }
            }
            answer
        }

        fn get(&mut self, target: &str) -> Answer {
            self.ask(request("GET", target))
        }

        /// The token of the first form on the page.
        fn token(&mut self, target: &str) -> String {
            let page = self.get(target).text().to_owned();
            let (_, rest) = page.split_once("name=token value=\"").expect("a form");
            rest.split_once('"').unwrap().0.to_owned()
        }

        fn write(&mut self, text: &str) -> Answer {
            let token = self.token("/");
            self.ask(written(&token, text))
        }

        fn post(&mut self, target: &str, field: (&str, &str)) -> Answer {
            let token = self.token("/login");
            self.ask(request("POST", target).form(&[("token", &token), field]))
        }

        fn log_in(&mut self) {
            password::keep(self.folder.path(), "correct horse").unwrap();
            let answer = self.post("/login", ("password", "correct horse"));
            assert_eq!(
                (answer.status(), answer.header("Location")),
                (303, Some("/")),
                "{answer:?}"
            );
        }

        fn pictures(&self) -> usize {
            fs::read_dir(self.folder.path().join("pictures"))
                .unwrap()
                .count()
        }
    }

    fn written<'a>(token: &str, text: &str) -> Ask<'a> {
        request("POST", "/")
            .field("token", token)
            .field("name", "Ann")
            .field("text", text)
    }

    #[test]
    fn what_is_written_is_shown_as_text() {
        let mut browser = Browser::new();
        let answer = browser.write("<script>alert(1)</script>");
        assert_eq!(
            (answer.status(), answer.header("Location")),
            (303, Some("/#e1")),
            "{answer:?}"
        );
        let answer = browser.get("/");
        assert!(
            answer
                .text()
                .contains("<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
            "{answer:?}"
        );
        assert!(!answer.text().contains("<script"), "{answer:?}");
        assert!(!answer.text().contains("Delete"), "{answer:?}");
    }

    #[test]
    fn a_picture_is_shown_and_goes_with_its_entry() {
        let mut browser = Browser::new();
        let token = browser.token("/");
        let answer = browser.ask(written(&token, "hello").file("picture", "x.html", PNG));
        assert_eq!(answer.status(), 303, "{answer:?}");
        let page = browser.get("/").text().to_owned();
        let (_, rest) = page.split_once("<img src=\"").unwrap();
        let picture = rest.split_once('"').unwrap().0;
        let answer = browser.get(picture);
        assert_eq!((answer.status(), answer.body()), (200, PNG));
        for (name, value) in [
            ("Content-Type", "image/png"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "public, max-age=31536000, immutable"),
            ("Content-Security-Policy", page::POLICY),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        browser.log_in();
        assert_eq!(browser.post("/delete", ("id", "1")).status(), 303);
        assert_eq!(browser.get(picture).status(), 404);
        assert_eq!(browser.pictures(), 0);
        assert!(browser.get("/").text().contains("Nobody has written yet"));
        assert_eq!(browser.post("/delete", ("id", "1")).status(), 303);
    }

    #[test]
    fn a_form_that_is_not_ours_changes_nothing() {
        let mut browser = Browser::new();
        let theirs = Browser::new().token("/");
        for token in ["", "x", &*theirs] {
            let answer = browser.ask(written(token, "hello").file("picture", "x.png", PNG));
            assert_eq!(answer.status(), 403, "{answer:?}");
        }
        browser.write("hello");
        browser.log_in();
        for target in ["/delete", "/logout", "/login"] {
            let fields = [
                ("id", "1"),
                ("password", "correct horse"),
                ("token", &*theirs),
            ];
            assert_eq!(
                browser.ask(request("POST", target).form(&fields)).status(),
                403,
                "{target}"
            );
        }
        let page = browser.get("/").text().to_owned();
        assert!(
            page.contains("<p>hello</p>") && page.contains("Log out"),
            "{page}"
        );
        assert_eq!(browser.pictures(), 0);
    }

    #[test]
    fn only_the_owner_deletes() {
        let mut browser = Browser::new();
        browser.write("hello");
        assert_eq!(browser.post("/delete", ("id", "1")).status(), 403);
        let page = browser.get("/login");
        assert!(page.text().contains("No password is set yet"), "{page:?}");
        password::keep(browser.folder.path(), "correct horse").unwrap();
        let wrong = browser.post("/login", ("password", "wrong horse"));
        assert!(
            wrong.status() == 403 && wrong.text().contains("not the password"),
            "{wrong:?}"
        );
        // And not again at once, however long that took.
        let store = &mut browser.site.open.as_mut().unwrap().store;
        assert_eq!(store.wait("log in 127.0.0.1", 0).unwrap(), None);
        let answer = browser.post("/login", ("password", "correct horse"));
        assert_eq!(
            (answer.status(), answer.header("Set-Cookie")),
            (429, None),
            "{answer:?}"
        );
        assert_eq!(browser.post("/delete", ("id", "1")).status(), 403);
        assert!(browser.get("/").text().contains("<p>hello</p>"));
    }

    #[test]
    fn a_logout_is_the_end() {
        let mut browser = Browser::new();
        browser.log_in();
        assert!(browser.get("/").text().contains("Log out"));
        assert_eq!(browser.post("/logout", ("", "")).status(), 303);
        assert!(browser.get("/").text().contains("For the owner"));
    }

    #[test]
    fn what_is_wrong_is_said_and_what_was_written_is_kept() {
        let mut browser = Browser::new();
        let long = "x".repeat(MOST_TEXT + 1);
        for (text, file, status, words) in [
            ("", &b""[..], 422, "have to be there"),
            (&long, b"", 422, "more than 3000 characters"),
            ("hello <you>", b"<svg>", 415, "no picture"),
        ] {
            let token = browser.token("/");
            let ask = written(&token, text).file(
                "picture",
                if file.is_empty() { "" } else { "x.png" },
                file,
            );
            let answer = browser.ask(ask);
            assert_eq!(answer.status(), status, "{answer:?}");
            let page = answer.text();
            assert!(
                page.contains(words) && page.contains("value=\"Ann\""),
                "{page}"
            );
            assert!(page.contains(&*fcgi::html_escape(text)), "{page}");
        }
        assert!(browser.get("/").text().contains("Nobody has written yet"));
        assert_eq!(browser.pictures(), 0);
    }

    #[test]
    fn who_writes_too_often_is_asked_to_wait_and_a_form_counts_once() {
        let mut browser = Browser {
            pause: "60",
            ..Browser::new()
        };
        let token = browser.token("/");
        for _ in 0..2 {
            let answer = browser.ask(written(&token, "one").file("picture", "x.png", PNG));
            assert_eq!(answer.header("Location"), Some("/#e1"), "{answer:?}");
        }
        let token = browser.token("/");
        let answer = browser.ask(written(&token, "two").file("picture", "x.png", PNG));
        assert!(
            answer.status() == 429 && answer.text().contains("Please send it again in "),
            "{answer:?}"
        );
        assert_eq!(browser.pictures(), 1);
    }

    #[test]
    fn pages_lead_to_each_other() {
        let mut browser = Browser::new();
        for number in 0..=PAGE {
            browser.write(&format!("entry {number}"));
        }
        let first = browser.get("/").text().to_owned();
        assert!(
            first.contains("<p>entry 20</p>") && !first.contains("<p>entry 0</p>"),
            "{first}"
        );
        assert!(
            first.contains("href=\"/?before=2\"") && !first.contains("?after="),
            "{first}"
        );
        let second = browser.get("/?before=2").text().to_owned();
        assert!(
            second.contains("<p>entry 0</p>") && second.contains("href=\"/?after=1\""),
            "{second}"
        );
        // Of what is no page, and of one that is gone, there is the first.
        for strange in ["/?before=1", "/?before=x", "/?after=99"] {
            assert!(
                browser.get(strange).text().contains("<p>entry 20</p>"),
                "{strange}"
            );
        }
    }

    #[test]
    fn no_page_has_anything_from_elsewhere_or_is_cached() {
        let mut browser = Browser::new();
        browser.write("hello");
        for target in ["/", "/login"] {
            let answer = browser.get(target);
            assert_eq!(answer.header("Content-Security-Policy"), Some(page::POLICY));
            assert_eq!(answer.header("Cache-Control"), Some("no-store"));
            for strange in ["http:", "https:", "\"//", "<script", "style=", "onclick"] {
                assert!(
                    !answer.text().contains(strange),
                    "{strange} in {}",
                    answer.text()
                );
            }
        }
        for (target, content_type) in [
            ("/style.css", "text/css; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ] {
            let answer = browser.get(target);
            assert_eq!(
                (answer.status(), answer.header("Content-Type")),
                (200, Some(content_type))
            );
        }
        for (method, target, status, allow) in [
            ("GET", "/x", 404, None),
            ("PUT", "/", 405, Some("GET, HEAD, POST")),
            ("GET", "/delete", 405, Some("POST")),
            ("GET", "/picture/key", 404, None),
        ] {
            let answer = browser.ask(request(method, target));
            let told = (answer.status(), answer.header("Allow"));
            assert_eq!(told, (status, allow), "{method} {target}");
        }
    }

    #[test]
    fn below_a_mount_all_addresses_are_too() {
        let mut browser = Browser::new();
        let behind = Behind::NginxMount("/guests");
        let page = browser
            .ask(request("GET", "/").behind(behind))
            .text()
            .to_owned();
        for address in [
            "action=\"/guests/\"",
            "href=\"/guests/style.css\"",
            "href=\"/guests/login\"",
        ] {
            assert!(page.contains(address), "{address}: {page}");
        }
        let (_, rest) = page.split_once("name=token value=\"").unwrap();
        let token = rest.split_once('"').unwrap().0;
        let answer = browser.ask(written(token, "hello").behind(behind));
        assert_eq!(answer.header("Location"), Some("/guests/#e1"), "{answer:?}");
    }

    #[test]
    fn data_that_would_be_served_is_a_503_and_nothing_is_made() {
        let mut browser = Browser::new();
        let root = browser.folder.path().to_str().unwrap().to_owned();
        let answer = browser.ask(request("GET", "/").param("DOCUMENT_ROOT", root));
        assert_eq!(answer.status(), 503, "{answer:?}");
        assert!(
            answer
                .error()
                .unwrap()
                .contains("which the web server serves"),
            "{answer:?}"
        );
        assert_eq!(fs::read_dir(browser.folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_ipv6_visitor_is_known_by_its_network() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
            ("", ""),
        ] {
            let ask = request("GET", "/").param("REMOTE_ADDR", address);
            assert_eq!(ask.call(|req, res| res.send(whence(req))).text(), expected);
        }
    }
}
