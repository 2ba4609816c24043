//! URLs as an answer may hold them: where a page links to, and where it sends a visitor. Called by
//! `Request::url_for` and `Response::redirect`.

/// The absolute path of a URL: `path` below `mount`, which is decoded text. One slash stands in front, so that no path
/// is taken for another host's (`//host/`), and what a URL may not hold is percent-encoded: `\` too, which browsers
/// read as a slash. A query and a fragment of `path`, and what is encoded in it, stay as they are.
pub(crate) fn below(mount: &str, path: &str) -> String {
    let mount = mount.trim_matches('/');
    let mut url = String::with_capacity(mount.len() + path.len() + 2);
    if !mount.is_empty() {
        url.push('/');
        mount
            .bytes()
            .for_each(|byte| push(&mut url, byte, is_of_path(byte)));
    }
    url.push('/');
    push_reference(&mut url, path.trim_start_matches('/'), is_of_path);
    url
}

/// A URL or a part of one as it was given, with what no URL may hold percent-encoded.
pub(crate) fn encoded(reference: &str) -> String {
    let mut url = String::with_capacity(reference.len());
    // Brackets stand around an IPv6 address.
    let is_kept = |byte| is_of_path(byte) || matches!(byte, b'[' | b']');
    push_reference(&mut url, reference, is_kept);
    url
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
fn push_reference(url: &mut String, reference: &str, is_kept: impl Fn(u8) -> bool) {
    let mut in_fragment = false;
    for (at, byte) in reference.bytes().enumerate() {
        let is_kept = match byte {
            b'?' => true,
            b'#' => !std::mem::replace(&mut in_fragment, true),
            b'%' => is_escape(&reference.as_bytes()[at..]),
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
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if is_kept {
        url.push(char::from(byte));
    } else {
        let digits = [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]));
        url.extend(['%', digits[0], digits[1]]);
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
}
