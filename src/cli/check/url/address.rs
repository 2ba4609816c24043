//! A page's address, and the folders that the page may be in. Pure. Called by whatever `--url` looks at.

use crate::cli::words::{Words, words};

/// A program is not looked for in deeper folders.
const MOST_FOLDERS: usize = 3;

/// `http://` or `https://`, a host, and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Url {
    /// `https://ada:secret@example.org:8443`
    origin: Words,
    /// Path and query. It begins with a slash.
    target: Words,
}

impl Url {
    /// # Errors
    /// One sentence.
    pub(in crate::cli::check) fn parse(text: &str) -> Result<Url, String> {
        let scheme_len = ["http://", "https://"].into_iter().find_map(|scheme| {
            let begin = text.get(..scheme.len())?;
            begin.eq_ignore_ascii_case(scheme).then_some(scheme.len())
        });
        let Some(scheme_len) = scheme_len else {
            return Err(format!(
                "{text:?} is no page's address; write https://{}",
                text.split_once("://").map_or(text, |(_, rest)| rest)
            ));
        };
        if let Some(bad) = text.chars().find(|&c| c <= ' ' || c == '\x7f' || c == '#') {
            return Err(format!(
                "{text:?} has {bad:?} in it; write %{:02X}",
                u32::from(bad)
            ));
        }
        let end = text[scheme_len..]
            .find(['/', '?'])
            .map_or(text.len(), |at| scheme_len + at);
        if end == scheme_len {
            return Err(format!(
                "{text:?} names no host; write https://example.org/"
            ));
        }
        let (origin, target) = text.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url {
            origin: words!("{origin}"),
            target: words!("{slash}{target}"),
        })
    }

    /// The whole address, as curl gets it.
    pub(super) fn text(&self) -> String {
        format!("{}{}", self.origin, self.target)
    }

    /// The address as it may be shown: without name and password.
    pub(in crate::cli::check) fn shown(&self) -> Words {
        let (scheme, _) = self.origin.split_once("://").unwrap_or(("", ""));
        words!("{scheme}://{}{}", self.authority(), self.target)
    }

    /// The folders that the program of this `name` may be in, the deepest first; each ends with a slash. If the address has the
    /// name in it, there is one folder, and below it a second one if the name has no ending: it may be the mount's, too. Else the
    /// page may be anywhere below the program's folder.
    pub(super) fn folders(&self, name: Option<&str>) -> Vec<Url> {
        let path = self.target.split('?').next().unwrap_or("/");
        let slashes = path.match_indices('/').map(|(at, _)| at);
        let program = name.and_then(|name| {
            let name = format!("/{}", encoded(name));
            let at = path.find(&name)?;
            let rest = &path[at + name.len()..];
            let is_it = rest.is_empty() || rest.starts_with('/');
            is_it.then_some((at, at + name.len()))
        });
        // The mount may be asked for without its slash.
        let path = words!("{path}/");
        let mut ends: Vec<usize> = match program {
            Some((at, end)) if path[at..end].contains('.') => vec![at],
            Some((at, end)) => vec![at, end],
            None => slashes.take(MOST_FOLDERS).collect(),
        };
        let mut folders = Vec::new();
        while let Some(end) = ends.pop() {
            folders.push(Url {
                target: words!("{}", &path[..=end]),
                ..*self
            });
        }
        folders
    }

    /// The address of a name in this folder. Slashes in the name are kept.
    pub(super) fn join(&self, name: &str) -> Url {
        Url {
            target: words!("{}{}", self.target, encoded(name)),
            ..*self
        }
    }

    /// Where a redirect leads, if that is the same host: only this host was named on the command line.
    pub(super) fn on_same_host(&self, location: &str) -> Option<Url> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Url::parse(&format!("{}{location}", self.origin)).ok();
        }
        let mut next = Url::parse(location).ok()?;
        if !next.host().eq_ignore_ascii_case(self.host()) {
            return None;
        }
        // The password goes with the redirect, but not from https to http, where anybody could read it.
        let is_clear = |url: &Url| !url.origin[..8].eq_ignore_ascii_case("https://");
        if let (Some((user, _)), None) = (self.credentials(), next.credentials())
            && (is_clear(self) || !is_clear(&next))
        {
            let (scheme, rest) = next.origin.split_once("://")?;
            next.origin = words!("{scheme}://{user}@{rest}");
        }
        Some(next)
    }

    fn credentials(&self) -> Option<(&str, &str)> {
        let (_, authority) = self.origin.split_once("://")?;
        authority.rsplit_once('@')
    }

    /// Host and port.
    fn authority(&self) -> &str {
        let (_, authority) = self.origin.split_once("://").unwrap_or(("", ""));
        self.credentials().map_or(authority, |(_, rest)| rest)
    }

    fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            // `[::1]` has colons of its own.
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

/// A file's name as part of a path.
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => path.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => path.push(byte.into()),
            byte => path += &format!("%{byte:02X}"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_page_is_in_a_folder() {
        for (text, folders) in [
            ("http://a", &["http://a/"][..]),
            ("http://a?x=/b/c", &["http://a/"]),
            (
                "https://a:81/sub/page?x",
                &["https://a:81/sub/", "https://a:81/"],
            ),
            ("http://a/sub/", &["http://a/sub/", "http://a/"]),
            ("http://a/sub/app.fcgi", &["http://a/sub/"]),
            ("http://a/sub/app.fcgi/x/y", &["http://a/sub/"]),
            (
                "http://a/1/2/3/4",
                &["http://a/1/2/", "http://a/1/", "http://a/"],
            ),
            (
                "http://a/app.fcgi2/x",
                &["http://a/app.fcgi2/", "http://a/"],
            ),
        ] {
            let found = url(text).folders(Some("app.fcgi"));
            let found: Vec<String> = found.iter().map(Url::text).collect();
            assert_eq!(found, folders, "{text}");
        }
        // The program's name may be the mount's, too.
        for text in ["http://a/shop/", "http://a/shop", "http://a/shop/x/y?z"] {
            let found = url(text).folders(Some("shop"));
            let found: Vec<String> = found.iter().map(Url::text).collect();
            assert_eq!(found, ["http://a/shop/", "http://a/"], "{text}");
        }
        let folder = &url("http://a/sub/x").folders(None)[0];
        assert_eq!(folder.join("a b#/c").text(), "http://a/sub/a%20b%23/c");
    }

    #[test]
    fn only_the_same_host_is_followed() {
        let from = url("http://ada:key@a.org:80/x");
        let to = |location| from.on_same_host(location).map(|url| url.text());
        assert_eq!(to("/y").unwrap(), "http://ada:key@a.org:80/y");
        assert_eq!(to("https://A.org/x").unwrap(), "https://ada:key@A.org/x");
        let safe = url("https://ada:key@a.org/x");
        let clear = safe.on_same_host("http://a.org/x").unwrap();
        assert_eq!(clear.text(), "http://a.org/x", "the password stays");
        assert_eq!(to("https://www.a.org/x"), None);
        assert_eq!(to("//b.org/x"), None);
        assert_eq!(to("file:///etc/passwd"), None);
        assert_eq!(from.shown(), "http://a.org:80/x");
        assert_eq!(url("http://[::1]:80/").host(), "[::1]");
        assert_eq!(url("http://[::1]/").host(), "[::1]");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, wanted) in [
            ("example.org/x", "write https://example.org/x"),
            ("ftp://a/", "write https://a/"),
            ("http:///x", "names no host"),
            ("http://a/ b", "write %20"),
            ("http://a/#b", "write %23"),
            ("-o/etc/x", "is no page's address"),
        ] {
            assert!(Url::parse(text).unwrap_err().contains(wanted), "{text}");
        }
    }
}
