//! URLs as an answer may hold them: where a page links to, and where it sends a visitor. Called by
//! `Request::url_for` and `Response::redirect`.

use super::mount::target_path;
#[cfg(feature = "http")]
use super::mount::{Place, raw_path};
#[cfg(feature = "http")]
use percent_encoding::percent_decode;
use percent_encoding::percent_encode_byte;

/// The absolute path of a URL: `path` below `mount`, which is decoded text. One slash stands in front, so that no path
/// is taken for another host's (`//host/`), and what a URL may not hold is percent-encoded: `\` too, which browsers
/// read as a slash. A query and a fragment of `path`, and what is encoded in it, stay as they are.
pub(crate) fn below(mount: &str, path: &str) -> String {
    let mount = mount.trim_matches('/');
    let mut url = String::with_capacity(mount.len() + path.len() + 2);
    if !mount.is_empty() {
        url.push('/');
        encode_path(mount.as_bytes(), &mut url);
    }
    url.push('/');
    push_reference(
        &mut url,
        path.trim_start_matches('/').as_bytes(),
        is_of_path,
    );
    url
}

/// A URL or a part of one as it was given, with what no URL may hold percent-encoded.
pub(crate) fn encoded(reference: impl AsRef<[u8]>) -> String {
    let reference = reference.as_ref();
    let mut url = String::with_capacity(reference.len());
    // Brackets stand around an IPv6 address.
    let is_kept = |byte| is_of_path(byte) || matches!(byte, b'[' | b']');
    push_reference(&mut url, reference, is_kept);
    url
}

/// Path and query of a request target, without the scheme and host of the absolute form.
pub(crate) fn request_target(uri: &[u8]) -> &[u8] {
    let query = uri
        .iter()
        .position(|&b| b == b'?')
        .map_or(0, |at| uri.len() - at);
    let path = target_path(uri);
    match uri.strip_suffix(&uri[uri.len() - query..]) {
        // The path is the last thing before the query.
        Some(before) if before.ends_with(path) => &uri[before.len() - path.len()..],
        _ => path,
    }
}

/// Path and query as a URL holds them: a legal URL that decodes to the path of `place`, whatever the web server made of what
/// it was sent. Where the path below the mount decodes to it as it was sent, it stays so: `/a%2Fb`.
#[cfg(feature = "http")]
pub(crate) fn target_below(place: Place<'_>, uri: Option<&[u8]>, query: &[u8]) -> String {
    // No browser sends a fragment: a `#` that a web server passes on belongs to the path or query.
    let legal = |sent| encoded(sent).replace('#', "%23");
    let is_path = |sent| percent_decode(sent).eq(place.path.iter().copied());
    let sent = uri.map(|uri| raw_path(uri, place.mount));
    let mut target = String::new();
    match sent.filter(|sent| is_path(sent)) {
        Some(sent) => target = legal(sent),
        None => encode_path(place.path, &mut target),
    }
    if !query.is_empty() {
        target.push('?');
        target += &legal(query);
    }
    target
}

/// Appends a decoded path: all that would mean something else is encoded.
pub(crate) fn encode_path(path: &[u8], url: &mut String) {
    path.iter()
        .for_each(|&byte| push(url, byte, is_of_path(byte)));
}

/// The path of a file, in a header that the web server decodes: only letters, digits, `-._~` and slashes stay.
pub(crate) fn encoded_file(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.iter()
        .for_each(|&byte| push(&mut encoded, byte, is_kept(byte)));
    encoded
}

/// Keeps escapes, `?`, and the `#` that begins the fragment.
fn push_reference(url: &mut String, reference: &[u8], is_kept: impl Fn(u8) -> bool) {
    let mut in_fragment = false;
    for (at, &byte) in reference.iter().enumerate() {
        let is_kept = match byte {
            b'?' => true,
            b'#' => !std::mem::replace(&mut in_fragment, true),
            b'%' => is_escape(&reference[at..]),
            _ => is_kept(byte),
        };
        push(url, byte, is_kept);
    }
}

fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// RFC 3986, section 3.3: unreserved characters, sub-delims, colon, at sign, and the slash between segments.
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

fn push(url: &mut String, byte: u8, is_kept: bool) {
    if is_kept {
        url.push(char::from(byte));
    } else {
        url.push_str(percent_encode_byte(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_mount_is_a_legal_absolute_path_of_this_host() {
        for (mount, path, url) in [
            ("", "/news", "/news"),
            ("", "", "/"),
            ("", "news", "/news"),
            ("/app", "/news", "/app/news"),
            ("/app", "news", "/app/news"),
            ("/app", "", "/app/"),
            ("/app", "/", "/app/"),
            ("/app/", "/news", "/app/news"),
            ("/app", "?page=2", "/app/?page=2"),
            // A query, a fragment and escapes are the application's.
            ("", "/a?b=c d&e=%20#f", "/a?b=c%20d&e=%20#f"),
            ("", "/a#b?c#d", "/a#b?c%23d"),
            ("", "/100%", "/100%25"),
            ("", "/%zz%4", "/%25zz%254"),
            ("", "/%2f%2F", "/%2f%2F"),
            // A mount is decoded text.
            ("/a b", "/c", "/a%20b/c"),
            ("/50%20?#", "/c", "/50%2520%3F%23/c"),
            ("/~user", "/c", "/~user/c"),
            // Nothing leads to another host.
            ("", "//evil.example/x", "/evil.example/x"),
            ("", "////evil.example", "/evil.example"),
            ("", r"/\evil.example", "/%5Cevil.example"),
            ("", r"\\evil.example", "/%5C%5Cevil.example"),
            ("", "/\t/evil.example", "/%09/evil.example"),
            ("", "\n//evil.example", "/%0A//evil.example"),
            ("//evil.example", "/x", "/evil.example/x"),
            (r"/\evil.example", "/x", "/%5Cevil.example/x"),
            ("", "javascript:alert(1)", "/javascript:alert(1)"),
            ("", "https:evil.example", "/https:evil.example"),
            // What a URL may not hold.
            ("", "/x\r\nSet-Cookie: a=1", "/x%0D%0ASet-Cookie:%20a=1"),
            ("", "/\u{e9}\0\x7f", "/%C3%A9%00%7F"),
            ("", "/\"<>^`{|}[]", "/%22%3C%3E%5E%60%7B%7C%7D%5B%5D"),
        ] {
            assert_eq!(below(mount, path), url, "{mount:?} {path:?}");
        }
    }

    #[test]
    fn a_url_stays_as_it_is_where_it_is_legal() {
        for (given, url) in [
            ("https://[::1]:80/a?b#c", "https://[::1]:80/a?b#c"),
            ("http://host/a b\r\n", "http://host/a%20b%0D%0A"),
            (r"http://host\@evil", "http://host%5C@evil"),
            ("?page=2", "?page=2"),
            ("#top", "#top"),
        ] {
            assert_eq!(encoded(given), url);
        }
        assert_eq!(encoded_file(b"/srv/a b%;?\xe9"), "/srv/a%20b%25%3B%3F%E9");
    }

    #[test]
    fn a_request_target_is_path_and_query() {
        for (uri, target) in [
            ("/a?b=c?d", "/a?b=c?d"),
            ("/", "/"),
            ("http://host/a?b", "/a?b"),
            ("http://host?b", "/"),
            ("*", "*"),
        ] {
            assert_eq!(request_target(uri.as_bytes()), target.as_bytes(), "{uri}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_target_below_the_mount_decodes_to_the_path() {
        for (uri, mount, path, query, target) in [
            (Some("/app/a?x"), "/app", "/a", "x", "/a?x"),
            (Some("/app"), "/app", "/", "", "/"),
            (Some("/a%2Fb%20c"), "", "/a/b c", "", "/a%2Fb%20c"),
            (Some("/%7Eme/a"), "/~me", "/a", "", "/a"),
            // What a URL may not hold, and a web server passes on.
            (
                Some("/<a>#b"),
                "",
                "/<a>#b",
                "<#>",
                "/%3Ca%3E%23b?%3C%23%3E",
            ),
            (Some("/100%"), "", "/100%", "100%", "/100%25?100%25"),
            // The web server cleaned the path, or rewrote it.
            (Some("/x/../a%2Fb//c"), "", "/a/b/c", "", "/a/b/c"),
            (Some("/old"), "/app", "/new page", "", "/new%20page"),
            (Some("@host/a?b"), "", "/@host/a", "b", "/@host/a?b"),
            (Some("http://host/a?b"), "", "/a", "b", "/a?b"),
            (None, "", "/a?b", "c", "/a%3Fb?c"),
            (Some("*"), "", "*", "", "*"),
            (
                Some("//evil.example/"),
                "",
                "//evil.example/",
                "",
                "//evil.example/",
            ),
        ] {
            let place = Place {
                mount: mount.as_bytes(),
                path: path.as_bytes(),
            };
            let found = target_below(place, uri.map(str::as_bytes), query.as_bytes());
            assert_eq!(found, target, "{uri:?} {mount} {path}");
        }
    }

    /// Every byte, escaped, is itself again for whoever decodes it.
    #[test]
    fn a_path_survives_the_way_through_a_url() {
        let path: Vec<u8> = (0..=255).collect();
        let mut url = String::new();
        encode_path(&path, &mut url);
        assert!(
            url.bytes()
                .all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b))
        );
        let (mut decoded, mut rest) = (Vec::new(), url.as_bytes());
        while let [byte, behind @ ..] = rest {
            let escape = (*byte == b'%').then(|| std::str::from_utf8(&behind[..2]).unwrap());
            decoded.push(escape.map_or(*byte, |digits| u8::from_str_radix(digits, 16).unwrap()));
            rest = &behind[if escape.is_some() { 2 } else { 0 }..];
        }
        assert_eq!(decoded, path);
    }
}
