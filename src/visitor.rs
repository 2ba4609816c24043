//! Who asks, and by which address of the site: read from what the web server says and, if it was asked by a proxy that the
//! owner trusts, from what that proxy says. Called by `Request`.
//!
//! Anybody can send `X-Forwarded-For`. So each entry counts only if whoever appended it is trusted: the last one if
//! REMOTE_ADDR is, the one before it if the last one is, too.

use crate::cgi::{Known, Params};
use crate::net::Prefix;
use std::net::{IpAddr, SocketAddr};

/// What the web server says of a request, and whose forwarded headers are believed.
#[derive(Clone, Copy)]
pub(crate) struct Visitor<'a, 'buf> {
    pub(crate) params: &'a Params<'buf>,
    pub(crate) trusted: &'a [Prefix],
}

/// A host and the port behind it, if there is one: `example.org`, `[::1]:8000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Authority<'buf> {
    host: &'buf str,
    port: Option<u16>,
}

impl<'buf> Visitor<'_, 'buf> {
    /// The first address that is no trusted proxy's; the farthest proxy's if all are.
    pub(crate) fn remote_addr(&self) -> Option<&'buf str> {
        self.walk().1
    }

    /// Whether the visitor is at this machine, or at an address in `allow`.
    ///
    /// A proxy on this machine makes everybody come from it. So loopback counts only if nothing says that the request was
    /// passed on; who comes by way of a proxy has to be in `allow`.
    pub(crate) fn is_admitted(&self, allow: &[Prefix]) -> bool {
        const PASSED_ON: [&str; 4] = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"];
        let address = self.remote_addr().and_then(|text| text.parse().ok());
        let Some::<IpAddr>(address) = address else {
            return false;
        };
        let mut notes = PASSED_ON.iter();
        allow.iter().any(|range| range.contains(address))
            || (address.to_canonical().is_loopback()
                && notes.all(|name| self.params.header(name).is_none()))
    }

    pub(crate) fn scheme(&self) -> &'static str {
        let is = |value: &str, scheme| value.eq_ignore_ascii_case(scheme);
        match self.forwarded("X-Forwarded-Proto") {
            Some(value) if is(value, "https") => return "https",
            Some(value) if is(value, "http") => return "http",
            _ => {}
        }
        let is_https = match self.param(b"HTTPS").filter(|value| !value.is_empty()) {
            // cherokee says `off`.
            Some(value) => is(value, "on") || value == "1",
            None => self
                .param(b"REQUEST_SCHEME")
                .is_some_and(|value| is(value, "https")),
        };
        if is_https { "https" } else { "http" }
    }

    pub(crate) fn host(&self) -> Option<&'buf str> {
        self.authority().map(|authority| authority.host)
    }

    pub(crate) fn port(&self) -> u16 {
        let counts_server_port = match self.named_authority() {
            Some(Authority {
                port: Some(port), ..
            }) => return port,
            // A host without a port means the scheme's own; but Debian's fastcgi_params (nginx 1.22.1-9+deb12u10) take the port
            // off the Host header.
            Some(_) => self.is_nginx() && self.walk().0 == 0,
            None => true,
        };
        let port = self.param(b"SERVER_PORT").filter(|_| counts_server_port);
        port.and_then(|port| port.parse().ok())
            .unwrap_or_else(|| default_port(self.scheme()))
    }

    fn is_nginx(&self) -> bool {
        let software = self.param(b"SERVER_SOFTWARE");
        software.is_some_and(|software| software.starts_with("nginx/"))
    }

    /// The beginning of the site's addresses: `https://example.org:8443`.
    pub(crate) fn origin(&self) -> String {
        let (scheme, host, port) = (
            self.scheme(),
            self.host().unwrap_or("localhost"),
            self.port(),
        );
        match port == default_port(scheme) {
            true => format!("{scheme}://{host}"),
            false => format!("{scheme}://{host}:{port}"),
        }
    }

    /// The host of the site's addresses, by a header or by the web server's own word.
    fn authority(&self) -> Option<Authority<'buf>> {
        self.named_authority()
            .or_else(|| self.param(b"SERVER_NAME").and_then(authority))
    }

    /// The host that the visitor has asked for, by a header.
    fn named_authority(&self) -> Option<Authority<'buf>> {
        self.forwarded("X-Forwarded-Host")
            .and_then(authority)
            .or_else(|| text(self.params.header("Host")).and_then(authority))
    }

    /// The value of this header that the farthest trusted proxy appended; the first one if there are fewer values than proxies.
    fn forwarded(&self, header: &str) -> Option<&'buf str> {
        let (proxies, _) = self.walk();
        let values = text(self.params.header(header))?.rsplit(',').map(str::trim);
        values.take(proxies).last()
    }

    /// How many trusted proxies the request came through, and the address that asked the farthest of them.
    fn walk(&self) -> (usize, Option<&'buf str>) {
        let remote = text(self.params.known(Known::RemoteAddr)).filter(|value| !value.is_empty());
        let is_trusted = |address: &str| {
            let address = address.parse().ok();
            address.is_some_and(|address| self.trusted.iter().any(|range| range.contains(address)))
        };
        if self.trusted.is_empty() || !remote.is_some_and(is_trusted) {
            return (0, remote);
        }
        let list = text(self.params.header("X-Forwarded-For")).unwrap_or("");
        let mut farthest = (1, remote);
        for entry in list.rsplit(',') {
            let Some(address) = address(entry.trim()) else {
                break;
            };
            farthest.1 = Some(address);
            if !is_trusted(address) {
                break;
            }
            farthest.0 += 1;
        }
        farthest
    }

    fn param(&self, name: &[u8]) -> Option<&'buf str> {
        text(self.params.get(name))
    }
}

/// An entry of X-Forwarded-For without the port that some proxies append: `10.0.0.1`, `10.0.0.1:80`, `[::1]:80`.
fn address(entry: &str) -> Option<&str> {
    let bare = match entry.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None if entry.parse::<SocketAddr>().is_ok() => entry.rsplit_once(':')?.0,
        None => entry,
    };
    bare.parse::<IpAddr>().is_ok().then_some(bare)
}

/// Takes a Host header apart. `None` for one that is not legal: an application may put its host into a page or a mail.
fn authority(value: &str) -> Option<Authority<'_>> {
    let colon = value
        .rfind(':')
        .filter(|&colon| !value[colon..].contains(']'));
    let (host, port) = match colon {
        Some(colon) => (&value[..colon], Some(&value[colon + 1..])),
        None => (value, None),
    };
    let is_legal = match host.strip_prefix('[') {
        Some(bracketed) => {
            let address = bracketed.strip_suffix(']')?;
            address
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        }
        None => host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(
            port.parse()
                .ok()
                .filter(|_| port.bytes().all(|b| b.is_ascii_digit()))?,
        ),
    };
    (is_legal && !host.is_empty()).then_some(Authority { host, port })
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "https" => 443,
        _ => 80,
    }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgi::Scratch;
    use crate::protocol::encode_pair;

    fn with<T>(
        pairs: &[(&str, &str)],
        trusted: &[&str],
        look: impl FnOnce(Visitor<'_, '_>) -> T,
    ) -> T {
        let (mut room, mut desk) = ([0; 4096], [0; 4096]);
        let mut bytes = Vec::new();
        for (name, value) in pairs {
            encode_pair(name.as_bytes(), value.as_bytes(), &mut bytes);
        }
        let mut scratch = Scratch::new(&mut room, &mut desk);
        let mut params = Params::new();
        let suspects = params.read(&bytes).unwrap();
        params.join(suspects, &mut scratch);
        let trusted: Vec<Prefix> = trusted.iter().map(|range| range.parse().unwrap()).collect();
        look(Visitor {
            params: &params,
            trusted: &trusted,
        })
    }

    #[test]
    fn the_scheme_is_what_the_web_server_says() {
        for (pairs, scheme) in [
            (&[][..], "http"),
            (&[("HTTPS", "on"), ("REQUEST_SCHEME", "https")], "https"),
            (&[("HTTPS", "ON")], "https"),
            (&[("HTTPS", "1")], "https"),
            (&[("HTTPS", "off")], "http"),
            (&[("HTTPS", "off"), ("REQUEST_SCHEME", "https")], "http"),
            (&[("HTTPS", ""), ("REQUEST_SCHEME", "https")], "https"),
            (&[("REQUEST_SCHEME", "http")], "http"),
            (&[("HTTP_X_FORWARDED_PROTO", "https")], "http"),
        ] {
            assert_eq!(with(pairs, &[], |v| v.scheme()), scheme, "{pairs:?}");
        }
    }

    #[test]
    fn host_and_port_are_the_visitors_if_they_are_legal() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, u16, &'a str);
        #[rustfmt::skip]
        let rows: &[Row<'_>] = &[
            (&[("HTTP_HOST", "example.org")], Some("example.org"), 80, "http://example.org"),
            (&[("HTTP_HOST", "example.org:8000")], Some("example.org"), 8000, "http://example.org:8000"),
            (&[("HTTP_HOST", "example.org:"), ("SERVER_PORT", "81")], Some("example.org"), 80, "http://example.org"),
            (&[("HTTP_HOST", "[::1]:8000")], Some("[::1]"), 8000, "http://[::1]:8000"),
            (&[("HTTP_HOST", "[::1]"), ("HTTPS", "on")], Some("[::1]"), 443, "https://[::1]"),
            (&[("HTTP_HOST", "h:443"), ("HTTPS", "on")], Some("h"), 443, "https://h"),
            (&[("HTTP_HOST", "h:443")], Some("h"), 443, "http://h:443"),
            (&[("SERVER_NAME", "h"), ("SERVER_PORT", "8080")], Some("h"), 8080, "http://h:8080"),
            (&[("SERVER_NAME", "h:9"), ("SERVER_PORT", "9")], Some("h"), 9, "http://h:9"),
            (&[("HTTP_HOST", "h"), ("SERVER_PORT", "8080"), ("SERVER_SOFTWARE", "nginx/1.22.1")], Some("h"), 8080, "http://h:8080"),
            (&[("HTTP_HOST", "h"), ("SERVER_PORT", "8080"), ("SERVER_SOFTWARE", "Apache")], Some("h"), 80, "http://h"),
            (&[("SERVER_NAME", "h:9")], Some("h"), 80, "http://h"),
            (&[("HTTP_HOST", "a/b"), ("SERVER_NAME", "h"), ("SERVER_PORT", "80")], Some("h"), 80, "http://h"),
            (&[("HTTP_HOST", "h:x")], None, 80, "http://localhost"),
            (&[("HTTP_HOST", "h:99999")], None, 80, "http://localhost"),
            (&[("HTTP_HOST", "\"><script>")], None, 80, "http://localhost"),
            (&[("HTTP_HOST", "user@h")], None, 80, "http://localhost"),
            (&[("HTTP_HOST", "[h]")], None, 80, "http://localhost"),
            (&[("HTTP_HOST", "")], None, 80, "http://localhost"),
            (&[("SERVER_NAME", "")], None, 80, "http://localhost"),
            (&[("HTTP_X_FORWARDED_HOST", "evil"), ("HTTP_HOST", "h")], Some("h"), 80, "http://h"),
        ];
        for &(pairs, host, port, origin) in rows {
            let found = with(pairs, &[], |v| {
                (v.host().map(str::to_owned), v.port(), v.origin())
            });
            assert_eq!(
                found,
                (host.map(str::to_owned), port, origin.to_owned()),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn forwarded_headers_count_as_far_as_their_writers_are_trusted() {
        let inside = &["10.0.0.0/8", "::1"][..];
        #[rustfmt::skip]
        let rows = [
            ("192.0.2.1", "198.51.100.7", inside, "192.0.2.1", 0),
            ("10.0.0.1", "198.51.100.7", &[], "10.0.0.1", 0),
            ("10.0.0.1", "198.51.100.7", inside, "198.51.100.7", 1),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7", inside, "198.51.100.7", 1),
            ("10.0.0.1", "198.51.100.7,10.0.0.2", inside, "198.51.100.7", 2),
            ("10.0.0.1", "10.0.0.3 , 10.0.0.2", inside, "10.0.0.3", 3),
            ("10.0.0.1", "198.51.100.7:4711", inside, "198.51.100.7", 1),
            ("::1", "[2001:db8::7]:4711", inside, "2001:db8::7", 1),
            ("::1", "2001:db8::7", inside, "2001:db8::7", 1),
            ("10.0.0.1", "unknown", inside, "10.0.0.1", 1),
            ("10.0.0.1", "198.51.100.7, unknown", inside, "10.0.0.1", 1),
            ("10.0.0.1", "", inside, "10.0.0.1", 1),
        ];
        for (remote, list, trusted, visitor, proxies) in rows {
            let pairs = [("REMOTE_ADDR", remote), ("HTTP_X_FORWARDED_FOR", list)];
            let found = with(&pairs, trusted, |v| {
                assert_eq!(v.walk().0, proxies, "{remote} {list}");
                v.remote_addr().map(str::to_owned)
            });
            assert_eq!(found.as_deref(), Some(visitor), "{remote} {list}");
        }
        assert!(with(&[("REMOTE_ADDR", "")], inside, |v| v
            .remote_addr()
            .is_none()));
    }

    #[test]
    fn this_machine_is_admitted_and_who_is_named() {
        let inside = &["10.0.0.0/8", "127.0.0.1"][..];
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str], bool);
        #[rustfmt::skip]
        let rows: &[Row<'_>] = &[
            (&[("REMOTE_ADDR", "127.0.0.1")], &[], &[], true),
            (&[("REMOTE_ADDR", "127.9.9.9")], &[], &[], true),
            (&[("REMOTE_ADDR", "::1")], &[], &[], true),
            (&[("REMOTE_ADDR", "::ffff:127.0.0.1")], &[], &[], true),
            (&[("REMOTE_ADDR", "192.0.2.1")], &[], &[], false),
            (&[("REMOTE_ADDR", "192.0.2.1")], &[], &["192.0.2.0/24"], true),
            (&[("REMOTE_ADDR", "192.0.3.1")], &[], &["::1", "192.0.2.0/24"], false),
            (&[("REMOTE_ADDR", "")], &[], &["0.0.0.0/0"], false),
            (&[("REMOTE_ADDR", "unix:")], &[], &["0.0.0.0/0"], false),
            (&[], &[], &["0.0.0.0/0"], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "192.0.2.1")], &[], &[], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "127.0.0.1")], &[], &[], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_VIA", "1.1 proxy")], &[], &[], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "192.0.2.1")], inside, &["192.0.2.1"], true),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "192.0.2.2")], inside, &["192.0.2.1"], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "127.0.0.1, 192.0.2.2")], inside, &[], false),
            (&[("REMOTE_ADDR", "127.0.0.1"), ("HTTP_X_FORWARDED_FOR", "unknown")], inside, &[], false),
            (&[("REMOTE_ADDR", "127.0.0.1")], inside, &[], true),
        ];
        for &(pairs, trusted, allow, is_admitted) in rows {
            let allow: Vec<Prefix> = allow.iter().map(|range| range.parse().unwrap()).collect();
            let found = with(pairs, trusted, |v| v.is_admitted(&allow));
            assert_eq!(found, is_admitted, "{pairs:?} {trusted:?} {allow:?}");
        }
    }

    #[test]
    fn host_and_scheme_are_the_farthest_trusted_proxys() {
        let origin = |list, proto, host| {
            let pairs = [
                ("REMOTE_ADDR", "10.0.0.1"),
                ("HTTP_X_FORWARDED_FOR", list),
                ("HTTP_X_FORWARDED_PROTO", proto),
                ("HTTP_X_FORWARDED_HOST", host),
                ("HTTP_HOST", "inner:8080"),
            ];
            with(&pairs, &["10.0.0.0/8"], |v| v.origin())
        };
        assert_eq!(
            origin("192.0.2.1", "https", "site.example"),
            "https://site.example"
        );
        assert_eq!(
            origin("192.0.2.1", "http, https", "evil, site.example"),
            "https://site.example"
        );
        assert_eq!(
            origin("192.0.2.1, 10.0.0.2", "https, http", "site.example, b"),
            "https://site.example"
        );
        assert_eq!(
            origin("192.0.2.1, 10.0.0.2", "https", "site.example"),
            "https://site.example"
        );
        assert_eq!(origin("192.0.2.1", "", ""), "http://inner:8080");
        assert_eq!(origin("192.0.2.1", "gopher", "a b"), "http://inner:8080");
    }
}
