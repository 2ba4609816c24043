//! Which path is it? Every web server splits the request's path into SCRIPT_NAME and PATH_INFO in a way of its
//! own; this finds the mount (what the application is reached under) and the path below it in one way for all.

use super::params::Scratch;

/// Where a request points: `mount` + `path` is the path of the URL, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place<'buf> {
    pub(crate) mount: &'buf [u8],
    /// Begins with a slash.
    pub(crate) path: &'buf [u8],
}

/// Finds the place from what the web server sent.
///
/// A PATH_INFO that the URL ends in is the path, and what precedes it the mount: also after a rewrite, when
/// SCRIPT_NAME is the name of a file that no visitor sees. Else SCRIPT_NAME is the mount if the URL goes on below
/// it. Else nothing is known but that there is a path.
///
/// `None` if a value would have to be written and there is no room for it.
pub(crate) fn locate<'buf>(
    script_name: &'buf [u8],
    path_info: &'buf [u8],
    request_uri: Option<&'buf [u8]>,
    _mount: Option<&[u8]>,
    scratch: &mut Scratch<'buf>,
) -> Option<Place<'buf>> {
    let Some(target) = request_uri.map(target_path) else {
        let path = with_slash(path_info, scratch)?;
        return Some(Place {
            mount: script_name,
            path,
        });
    };
    let path_info = if path_info.is_empty() {
        path_info
    } else {
        with_slash(path_info, scratch)?
    };
    // The common case, which writes nothing: no escapes, nothing to clean up.
    if !path_info.is_empty()
        && let Some(mount) = target.strip_suffix(path_info)
        && is_plain(target)
    {
        return Some(Place {
            mount,
            path: path_info,
        });
    }
    let decoded = decode(target, scratch)?;
    if path_info.is_empty() {
        return Some(below(script_name, decoded).unwrap_or(Place {
            mount: b"",
            path: decoded,
        }));
    }
    if let Some(mount) = decoded.strip_suffix(path_info) {
        return Some(Place {
            mount,
            path: path_info,
        });
    }
    // Apache, nginx and lighttpd clean the path before they split it; REQUEST_URI is as it was sent.
    let cleaned = clean(decoded, scratch)?;
    if let Some(mount) = cleaned.strip_suffix(path_info) {
        return Some(Place {
            mount,
            path: path_info,
        });
    }
    if let [mount @ .., b'/'] = path_info
        && let Some(mount) = cleaned.strip_suffix(mount)
    {
        // nginx's block for the mount itself: `/yourapplication` becomes `/yourapplication/` inside.
        return Some(Place {
            mount,
            path: path_info,
        });
    }
    Some(below(script_name, decoded).unwrap_or(Place {
        mount: b"",
        path: path_info,
    }))
}

/// The path of a request target: origin form, absolute form, without the query.
fn target_path(uri: &[u8]) -> &[u8] {
    let uri = match uri.iter().position(|&b| b == b'?') {
        Some(query) => &uri[..query],
        None => uri,
    };
    if uri.first() == Some(&b'/') {
        return uri;
    }
    let Some(scheme) = uri.windows(3).position(|w| w == b"://") else {
        return uri;
    };
    let authority = &uri[scheme + 3..];
    match authority.iter().position(|&b| b == b'/') {
        Some(path) => &authority[path..],
        None => b"/",
    }
}

/// Whether decoding and cleaning would change nothing.
fn is_plain(target: &[u8]) -> bool {
    let mut previous = 0;
    target.iter().all(|&byte| {
        let plain = byte != b'%' && !(previous == b'/' && (byte == b'/' || byte == b'.'));
        previous = byte;
        plain
    })
}

/// SCRIPT_NAME as the mount, if the path is it or goes on below it.
fn below<'buf>(script_name: &'buf [u8], decoded: &'buf [u8]) -> Option<Place<'buf>> {
    if script_name.is_empty() || script_name == b"/" {
        return None;
    }
    let path = decoded.strip_prefix(script_name)?;
    (path.first() == Some(&b'/')).then_some(Place {
        mount: script_name,
        path,
    })
}

fn with_slash<'buf>(path: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf [u8]> {
    match path {
        [] => Some(b"/"),
        [b'/', ..] => Some(path),
        // The guides' old nginx block sends `news/today`.
        _ => (scratch.push(b"/") && scratch.push(path)).then(|| scratch.finish()),
    }
}

/// Decodes `%XX`; what is no escape stays. A target without a leading slash (`*`) gets one.
fn decode<'buf>(target: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf [u8]> {
    if target.first() == Some(&b'/') && !target.contains(&b'%') {
        return Some(target);
    }
    let mut whole = target.first() == Some(&b'/') || scratch.push(b"/");
    let mut rest = target;
    while let Some(escape) = rest.iter().position(|&b| b == b'%') {
        whole &= scratch.push(&rest[..escape]);
        rest = &rest[escape..];
        let byte = match *rest {
            [_, high, low, ..] => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        whole &= scratch.push(&[byte.unwrap_or(b'%')]);
        rest = &rest[if byte.is_some() { 3 } else { 1 }..];
    }
    whole &= scratch.push(rest);
    whole.then(|| scratch.finish())
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Merges slashes and removes dot segments, as Apache, nginx and lighttpd do.
fn clean<'buf>(path: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf [u8]> {
    if is_plain(path) {
        return Some(path);
    }
    let mut segments = path.split(|&b| b == b'/').peekable();
    let mut whole = true;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = scratch
                    .pending()
                    .iter()
                    .rposition(|&b| b == b'/')
                    .unwrap_or(0);
                scratch.truncate(parent);
            }
            name => {
                whole &= scratch.push(b"/") && scratch.push(name);
                continue;
            }
        }
        if last {
            whole &= scratch.push(b"/");
        }
    }
    if scratch.pending().is_empty() {
        whole &= scratch.push(b"/");
    }
    whole.then(|| scratch.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(script_name: &str, path_info: &str, uri: Option<&str>) -> (String, String) {
        let (mut room, mut desk) = ([0; 1024], [0; 0]);
        let mut scratch = Scratch::new(&mut room, &mut desk);
        let uri = uri.map(str::as_bytes);
        let place = locate(
            script_name.as_bytes(),
            path_info.as_bytes(),
            uri,
            None,
            &mut scratch,
        )
        .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(place.mount), text(place.path))
    }

    /// What each configuration sends for `/app/news/today?x=1`, and what is wanted of it.
    #[test]
    fn the_place_is_the_same_behind_every_web_server() {
        let uri = Some("/app/news/today?x=1");
        #[rustfmt::skip]
        let rows = [
            ("mod_fcgid, the guides' .htaccess", "/app.fcgi", "/app/news/today", uri, "", "/app/news/today"),
            ("the same in a subfolder", "/sub/app.fcgi", "/news", Some("/sub/news"), "/sub", "/news"),
            ("ScriptAlias /", "", "/app/news/today", uri, "", "/app/news/today"),
            ("AddHandler", "/app.fcgi", "/news/today", Some("/app.fcgi/news/today"), "/app.fcgi", "/news/today"),
            ("FcgidWrapper virtual, SetHandler", "/app", "/news/today", uri, "/app", "/news/today"),
            ("ProxyPass", "/app/news/today", "", uri, "", "/app/news/today"),
            ("nginx root", "", "/app/news/today", uri, "", "/app/news/today"),
            ("nginx mount", "/app", "/news/today", uri, "/app", "/news/today"),
            ("nginx mount, bare", "/app", "/", Some("/app"), "/app", "/"),
            ("nginx, the guides' old block", "/app", "news/today", uri, "/app", "/news/today"),
            ("nginx fastcgi.conf", "/app/news/today", "/app/news/today", uri, "", "/app/news/today"),
            ("lighttpd, the guides' rewrite", "/app.fcgi", "/app/news/today", uri, "", "/app/news/today"),
            ("lighttpd by prefix", "/app", "/news/today", uri, "/app", "/news/today"),
            ("Caddy php_fastcgi", "/app.fcgi", "", uri, "", "/app/news/today"),
            ("no REQUEST_URI", "/app", "/news", None, "/app", "/news"),
            ("nothing but SCRIPT_NAME", "/app", "", None, "/app", "/"),
            ("escapes", "", "/a b/\u{e9}", Some("/a%20b/%C3%A9"), "", "/a b/\u{e9}"),
            ("escapes in a mount", "/a b", "/c", Some("/a%20b/c"), "/a b", "/c"),
            ("slashes merged by the server", "", "/x/y", Some("//x//y"), "", "/x/y"),
            ("dots removed by the server", "/m", "/a/c", Some("/m/a/./b/../c"), "/m", "/a/c"),
            ("HAProxy keeps them", "", "//x//y", Some("//x//y"), "", "//x//y"),
            ("absolute form", "", "/news", Some("http://host:80/news?x"), "", "/news"),
            ("asterisk form", "", "", Some("*"), "", "/*"),
            ("a percent that is no escape", "", "", Some("/100%/%zz"), "", "/100%/%zz"),
        ];
        for (what, script_name, path_info, uri, mount, path) in rows {
            assert_eq!(
                place(script_name, path_info, uri),
                (mount.into(), path.into()),
                "{what}"
            );
        }
    }

    #[test]
    fn without_room_there_is_no_place() {
        let mut scratch = Scratch::default();
        assert_eq!(locate(b"", b"", Some(b"/%20"), None, &mut scratch), None);
    }
}
