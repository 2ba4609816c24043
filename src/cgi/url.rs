//! URLs of the application, written: what a URL cannot hold is escaped (RFC 3986).

use super::mount::target_path;

/// `path` as an address on this site, with `mount` in front.
///
/// `path` may have a query and a fragment, and escapes of its own. Slashes at its start are made one, and a backslash is
/// escaped: browsers take `//host` and `/\host` for another site.
pub(crate) fn below(mount: &str, path: &str) -> String {
    let mut url = String::with_capacity(mount.len() + path.len() + 1);
    encode_path(mount.as_bytes(), &mut url);
    url.push('/');
    encode_target(path.trim_start_matches('/').as_bytes(), &mut url);
    url
}

/// Appends a decoded path: everything is escaped that would mean something else.
pub(crate) fn encode_path(path: &[u8], url: &mut String) {
    encode(
        path,
        |byte| UNRESERVED[usize::from(byte)] || b"/!$&'()*+,;=:@".contains(&byte),
        url,
    );
}

/// Appends what is a part of a URL already: only what stands in none is escaped.
pub(crate) fn encode_target(target: &[u8], url: &mut String) {
    encode(
        target,
        |byte| UNRESERVED[usize::from(byte)] || b"/!$&'()*+,;=:@%?#[]".contains(&byte),
        url,
    );
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

fn encode(bytes: &[u8], is_legal: impl Fn(u8) -> bool, url: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if is_legal(byte) {
            url.push(char::from(byte));
        } else {
            url.extend([
                '%',
                char::from(HEX[usize::from(byte >> 4)]),
                char::from(HEX[usize::from(byte & 15)]),
            ]);
        }
    }
}

/// Letters, digits and `-._~`, which are never escaped.
static UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_mark = byte == b'-' || byte == b'.' || byte == b'_' || byte == b'~';
        table[byte as usize] = is_mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_below_the_mount_stays_on_this_site() {
        for (mount, path, url) in [
            ("", "/login", "/login"),
            (
                "/app",
                "/login?next=/x&y=%2F#top",
                "/app/login?next=/x&y=%2F#top",
            ),
            ("/app", "login", "/app/login"),
            ("/app", "", "/app/"),
            ("", "", "/"),
            ("", "//evil.example/x", "/evil.example/x"),
            ("", "/\\evil.example", "/%5Cevil.example"),
            ("", "\\\\evil.example", "/%5C%5Cevil.example"),
            ("", "https://evil.example", "/https://evil.example"),
            ("/a b", "/\u{e9} \"<>", "/a%20b/%C3%A9%20%22%3C%3E"),
            ("/100%/a?b#c", "/x", "/100%25/a%3Fb%23c/x"),
            ("", "/a\r\nSet-Cookie: b", "/a%0D%0ASet-Cookie:%20b"),
        ] {
            assert_eq!(below(mount, path), url);
        }
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
