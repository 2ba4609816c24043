//! Cookies (RFC 6265): one to be set by an answer, and those that a request brings. `Response::set_cookie` writes
//! the one, `Request::cookies` reads the others.

use crate::cgi::{below, is_token};
// A length of time needs no clock, which `std::time` has.
use core::time::Duration;
use std::fmt::Write;

/// A cookie for [`Response::set_cookie`](crate::Response::set_cookie), and its own builder.
///
/// Unless it says otherwise it is sent back to all paths of this application, until the browser is closed, not shown to
/// scripts (`HttpOnly`), and not sent along by what other sites embed or post (`SameSite=Lax`).
///
/// What RFC 6265 does not allow is refused when it is set: a name that is no token; a value with a blank, quote, comma,
/// semicolon, backslash, control character or anything that is not ASCII (encode it: percent, base64); a path that does
/// not begin with a slash or has a semicolon; a domain of anything but letters, digits, dots and hyphens.
///
/// Its owner can read and change it. A session's is signed, or a long random number that means nothing by itself: see
/// [`Request::cookie`](crate::Request::cookie).
///
/// ```
/// # use fcgi::{Cookie, Request, Response};
/// # use std::time::Duration;
/// fn login(_: &mut Request, res: Response) -> fcgi::Result {
///     let session = Cookie::new("session", "4f2a").secure(true).max_age(Duration::from_secs(3600));
///     res.set_cookie(session).redirect("/")
/// }
///
/// fn logout(_: &mut Request, res: Response) -> fcgi::Result {
///     res.set_cookie(Cookie::removal("session")).redirect("/")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    value: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
}

/// Whether a browser sends a cookie along when another site leads to this one: RFC 6265bis, section 5.6.7.
///
/// ```
/// # use fcgi::{Cookie, SameSite};
/// Cookie::new("session", "4f2a").same_site(SameSite::Strict);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the visitor follows a link.
    #[default]
    Lax,
    /// Always. Browsers take it from no cookie that is not [`secure`](Cookie::secure), which it therefore is.
    None,
}

impl Cookie {
    /// A cookie of this name and value.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("theme", "dark");
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            path: None,
            domain: None,
            max_age: None,
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }

    /// Makes the browser forget the cookie of this name: it needs the path and domain that the cookie was set with.
    ///
    /// ```
    /// # use fcgi::{Cookie, testing::request};
    /// let answer = request("GET", "/").call(|_, res| res.set_cookie(Cookie::removal("session")).redirect("/"));
    /// assert!(answer.header("Set-Cookie").unwrap().contains("Max-Age=0"));
    /// ```
    pub fn removal(name: impl Into<String>) -> Cookie {
        Cookie::new(name, "").max_age(Duration::ZERO)
    }

    /// The path that it is sent back to, with all below. Default: what the application is reached under.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("theme", "dark").path("/admin");
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/admin; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Cookie {
        self.path = Some(path.into());
        self
    }

    /// The domain that it is sent back to, with all below. Default: this host alone.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("theme", "dark").domain("example.org");
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/; Domain=example.org; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Cookie {
        self.domain = Some(domain.into());
        self
    }

    /// How long it is kept, in whole seconds, rounded up; zero removes it. Default: until the browser is closed.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("theme", "dark").max_age(Duration::from_secs(7 * 86_400));
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn max_age(mut self, age: Duration) -> Cookie {
        self.max_age = Some(age);
        self
    }

    /// Whether it is sent back by https only. Default no: plain http still works then.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("session", "4f2a").secure(true);
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("session=4f2a; Path=/; Secure; HttpOnly; SameSite=Lax"));
    /// ```
    pub fn secure(mut self, secure: bool) -> Cookie {
        self.secure = secure;
        self
    }

    /// Whether it is hidden from scripts. Default yes.
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("theme", "dark").http_only(false);
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("theme=dark; Path=/; SameSite=Lax"));
    /// ```
    pub fn http_only(mut self, http_only: bool) -> Cookie {
        self.http_only = http_only;
        self
    }

    /// Whether it is sent along when another site leads here. Default [`SameSite::Lax`].
    ///
    /// ```
    /// # use fcgi::{Cookie, SameSite, testing::request};
    /// # use std::time::Duration;
    /// # let answer = request("GET", "/").call(|_, res| {
    /// let cookie = Cookie::new("session", "4f2a").same_site(SameSite::Strict);
    /// # res.set_cookie(cookie).send("") });
    /// # assert_eq!(answer.header("Set-Cookie"), Some("session=4f2a; Path=/; HttpOnly; SameSite=Strict"));
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Cookie {
        self.same_site = same_site;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value of `Set-Cookie`, of an application below `mount`.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn field(&self, mount: &str) -> Result<String, &'static str> {
        self.check()?;
        let mut field = format!("{}={}", self.name, self.value);
        let mut add = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = write!(field, "; {name}{value}");
        };
        match &self.path {
            Some(path) => add("Path=", path),
            None => add("Path=", &default_path(mount)),
        }
        if let Some(domain) = &self.domain {
            add("Domain=", domain);
        }
        if let Some(age) = self.max_age {
            let seconds = age
                .as_secs()
                .saturating_add(u64::from(age.subsec_nanos() > 0));
            add("Max-Age=", &seconds.to_string());
            if seconds == 0 {
                // For browsers of before 2012, and for who reads the header.
                add("Expires=", "Thu, 01 Jan 1970 00:00:00 GMT");
            }
        }
        if self.secure || self.same_site == SameSite::None {
            add("Secure", "");
        }
        if self.http_only {
            add("HttpOnly", "");
        }
        add(
            "SameSite=",
            match self.same_site {
                SameSite::Strict => "Strict",
                SameSite::Lax => "Lax",
                SameSite::None => "None",
            },
        );
        Ok(field)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !is_token(self.name.as_bytes()) {
            return Err("its name is no token");
        }
        if !self.value.bytes().all(is_cookie_octet) {
            return Err(
                "its value has a blank, quote, comma, semicolon, backslash, control or non-ASCII character; encode it",
            );
        }
        if let Some(path) = &self.path {
            let is_legal = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
            if !path.starts_with('/') || !path.bytes().all(is_legal) {
                return Err(
                    "its path does not begin with a slash, or has a semicolon, control or non-ASCII character",
                );
            }
        }
        if let Some(domain) = &self.domain {
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if domain.is_empty() || !domain.bytes().all(is_legal) {
                return Err("its domain is not made of letters, digits, dots and hyphens");
            }
        }
        Ok(())
    }
}

/// The mount as browsers compare it with a URL's path. `/` for one with a semicolon, at which a browser would end the path.
fn default_path(mount: &str) -> String {
    let path = below(mount, "");
    match path.trim_end_matches('/') {
        "" => path,
        _ if path.contains(';') => "/".to_owned(),
        mount => mount.to_owned(),
    }
}

/// RFC 6265, section 4.1.1.
fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

/// The cookies of a `Cookie` header, in order: name and value, which is not decoded.
///
/// `;` separates them, and `,` where a further `name=` follows: Apache and Caddy join repeated headers with it, and
/// browsers put one into a value. What has no name is passed over.
pub(crate) fn cookie_pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        loop {
            let (piece, behind) = cut(rest?);
            rest = behind;
            let Some((name, value)) = piece.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim_matches(BLANKS), value.trim_matches(BLANKS));
            if !name.is_empty() {
                return Some((name, unquoted(value)));
            }
        }
    })
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The first piece, and what is behind its separator; `None` at the end.
fn cut(header: &str) -> (&str, Option<&str>) {
    let separators = header.match_indices([';', ',']);
    let mut ends = separators
        .filter(|&(at, separator)| separator == ";" || begins_a_cookie(&header[at + 1..]));
    match ends.next() {
        Some((at, _)) => (&header[..at], Some(&header[at + 1..])),
        None => (header, None),
    }
}

fn begins_a_cookie(text: &str) -> bool {
    let text = text.trim_start_matches(BLANKS);
    let name_len = text.bytes().position(|byte| !is_token(&[byte]));
    name_len.is_some_and(|len| len > 0 && text.as_bytes()[len] == b'=')
}

fn unquoted(value: &str) -> &str {
    let inside = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    inside.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_says_what_it_was_told_and_is_careful_otherwise() {
        let cookie = || Cookie::new("a", "1");
        let day = Duration::from_secs(86_400);
        for (cookie, mount, field) in [
            (cookie(), "", "a=1; Path=/; HttpOnly; SameSite=Lax"),
            (cookie(), "/app", "a=1; Path=/app; HttpOnly; SameSite=Lax"),
            (cookie(), "/a b", "a=1; Path=/a%20b; HttpOnly; SameSite=Lax"),
            (cookie(), "//x;y", "a=1; Path=/; HttpOnly; SameSite=Lax"),
            (
                cookie().path("/x").domain("example.org").max_age(day),
                "/app",
                "a=1; Path=/x; Domain=example.org; Max-Age=86400; HttpOnly; SameSite=Lax",
            ),
            (
                cookie().max_age(Duration::from_millis(1)).secure(true),
                "",
                "a=1; Path=/; Max-Age=1; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                cookie().http_only(false).same_site(SameSite::Strict),
                "",
                "a=1; Path=/; SameSite=Strict",
            ),
            (
                cookie().same_site(SameSite::None),
                "",
                "a=1; Path=/; Secure; HttpOnly; SameSite=None",
            ),
            (
                Cookie::removal("a"),
                "/app",
                "a=; Path=/app; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax",
            ),
        ] {
            assert_eq!(cookie.field(mount).as_deref(), Ok(field));
        }
    }

    #[test]
    fn what_a_cookie_may_not_hold_is_refused() {
        let value = |value: &str| Cookie::new("a", value);
        for cookie in [
            value("1").path("/!#$%&'()*+,-./:=?@[]^_`{|}~ "),
            value("!#$%&'()*+-./:<=>?@[]^_`{|}~"),
            value("").domain(".Example-1.org"),
        ] {
            assert!(cookie.field("").is_ok(), "{cookie:?}");
        }
        for cookie in [
            Cookie::new("", "1"),
            Cookie::new("a b", "1"),
            Cookie::new("a=b", "1"),
            Cookie::new("a;", "1"),
            Cookie::new("a\r\nX: ", "1"),
            Cookie::new("\u{e9}", "1"),
            value("a b"),
            value("a;b"),
            value("a,b"),
            value("\"a\""),
            value("a\\b"),
            value("a\r\nX: b"),
            value("\0"),
            value("\x7f"),
            value("\u{e9}"),
            value("1").path(""),
            value("1").path("x"),
            value("1").path("/; HttpOnly"),
            value("1").path("/\n"),
            value("1").path("/\u{e9}"),
            value("1").domain(""),
            value("1").domain("a;b"),
            value("1").domain("a b"),
            value("1").domain("a\r"),
            value("1").domain("m\u{fc}ller.de"),
        ] {
            assert!(cookie.field("/app").is_err(), "{cookie:?}");
        }
    }

    #[test]
    fn cookies_are_found_however_headers_were_joined() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)]);
        let rows: [Row; 12] = [
            ("", &[]),
            ("a=1", &[("a", "1")]),
            ("a=1; b=2", &[("a", "1"), ("b", "2")]),
            ("a=1;b=2", &[("a", "1"), ("b", "2")]),
            ("a=1, b=2; c=3", &[("a", "1"), ("b", "2"), ("c", "3")]),
            ("a=1,\t b=2,c=3", &[("a", "1"), ("b", "2"), ("c", "3")]),
            // A comma of a value's own.
            ("a=1, 2; b=x,y", &[("a", "1, 2"), ("b", "x,y")]),
            ("a=1,=2,; b=,", &[("a", "1,=2,"), ("b", ",")]),
            (
                "a=\"1\"; b=\"; c=\"",
                &[("a", "1"), ("b", "\""), ("c", "\"")],
            ),
            ("a=b=c==; d", &[("a", "b=c==")]),
            (
                " a = 1 ;; ; =2; \u{e9}=\u{e9}",
                &[("a", "1"), ("\u{e9}", "\u{e9}")],
            ),
            ("a=; a=2;", &[("a", ""), ("a", "2")]),
        ];
        for (header, expected) in rows {
            assert_eq!(
                cookie_pairs(header).collect::<Vec<_>>(),
                expected,
                "{header:?}"
            );
        }
    }
}
