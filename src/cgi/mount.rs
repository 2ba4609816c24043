//! Which path is it? Every web server splits the request's path into SCRIPT_NAME and PATH_INFO in a way of its
//! own; this finds the mount (what the application is reached under) and the path below it in one way for all. Called by `front`.
//!
//! Some cases cannot be told apart by what is sent, and take the setting `mount`: lighttpd's `"/" =>` without
//! `fix-root-scriptname` sends the first part of the path as SCRIPT_NAME, as a program that is mounted there would; Apache's
//! `ProxyPass /app/` and h2o send the whole path and not where it is divided; the mount itself, asked for without its slash, arrives as a
//! path below the root does from ProxyPass. `Server::mount` lists them.

use super::eight::{each, up_to_eight};
use super::scratch::Scratch;

/// Where a request points: `mount` + `path` is the path of the URL, decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place<'buf> {
    /// Without a slash at its end.
    pub(crate) mount: &'buf [u8],
    /// Begins with a slash, unless it is the `*` of `OPTIONS *`.
    pub(crate) path: &'buf [u8],
}

/// What a web server says of where a request points. Absent and empty SCRIPT_NAME and PATH_INFO are the same.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target<'buf> {
    pub(crate) script_name: &'buf [u8],
    pub(crate) path_info: &'buf [u8],
    pub(crate) request_uri: Option<&'buf [u8]>,
}

/// The place at one look, if the URL is the path in ASCII, and nothing in it has to be looked at closer: what nearly every
/// request to an application at the root of its site brings. [`locate`] finds the same.
#[inline(always)]
pub(crate) fn locate_usual<'buf>(target: Target<'buf>) -> Option<Place<'buf>> {
    let (mount, path) = (&b""[..], target.path_info);
    is_url_of(target.request_uri?, path).then_some(Place { mount, path })
}

/// Finds the place from what the web server sent, and `mount`, if its owner said what the application is reached under.
///
/// `None` if a value would have to be written and there is no room for it.
pub(crate) fn locate<'buf>(
    target: Target<'buf>,
    mount: Option<&[u8]>,
    scratch: &mut Scratch<'buf>,
) -> Option<Place<'buf>> {
    let found = find(target, scratch)?;
    match mount {
        Some(mount) if mount != found.mount => under(mount, found, scratch),
        _ => Some(found),
    }
}

/// A PATH_INFO that the URL ends in is the path, and what precedes it the mount: also after a rewrite, when
/// SCRIPT_NAME is the name of a file that no visitor sees. Else SCRIPT_NAME is the mount if the URL goes on below
/// it. Else nothing is known but that there is a path.
fn find<'buf>(target: Target<'buf>, scratch: &mut Scratch<'buf>) -> Option<Place<'buf>> {
    let Target {
        script_name,
        path_info,
        request_uri,
    } = target;
    if let Some(place) = locate_usual(target) {
        return Some(place);
    }
    let Some(uri) = request_uri.map(target_path) else {
        let (mount, path) = (without_slash(script_name), with_slash(path_info, scratch)?);
        return Some(Place { mount, path });
    };
    if path_info.is_empty() {
        return without_path_info(script_name, uri, scratch);
    }
    let path = with_slash(path_info, scratch)?;
    // The common case, which writes nothing: no escapes, nothing to clean up.
    if let Some(mount) = uri.strip_suffix(path)
        && is_plain(uri)
    {
        return Some(Place { mount, path });
    }
    let decoded = decode(uri, scratch)?;
    if let Some(mount) = decoded.strip_suffix(path) {
        let mount = without_slash(clean(mount, scratch)?);
        return Some(Place { mount, path });
    }
    if path.ends_with(decoded) && request_uri.is_some_and(|uri| !uri.starts_with(b"/")) {
        // h2o 2.2 takes the absolute form, scheme and host included, for a path.
        return Some(Place {
            mount: b"",
            path: decoded,
        });
    }
    // Apache, nginx and lighttpd clean the path before they split it; REQUEST_URI is as it was sent. And nginx's block
    // for the mount itself makes `/yourapplication/` of `/yourapplication`.
    let cleaned = clean(decoded, scratch)?;
    let slashed = path.strip_suffix(b"/");
    if let Some(mount) = cleaned
        .strip_suffix(path)
        .or_else(|| cleaned.strip_suffix(slashed?))
    {
        return Some(Place { mount, path });
    }
    Some(below(script_name, decoded).unwrap_or(Place { mount: b"", path }))
}

/// Apache's ProxyPass sends the whole path as SCRIPT_NAME; Caddy's `php_fastcgi` sends the program's name there, and the
/// path only in the URL.
fn without_path_info<'buf>(
    script_name: &'buf [u8],
    uri: &'buf [u8],
    scratch: &mut Scratch<'buf>,
) -> Option<Place<'buf>> {
    let decoded = decode(uri, scratch)?;
    if !script_name.is_empty() && !is_plain(decoded) {
        let cleaned = clean(decoded, scratch)?;
        if cleaned == script_name {
            let (mount, path) = (&b""[..], script_name);
            return Some(Place { mount, path });
        }
        // The guides' old nginx block, for dots that lead up to the mount: an empty PATH_INFO means its root.
        if cleaned.strip_suffix(b"/") == Some(script_name) {
            let (mount, path) = (script_name, &b"/"[..]);
            return Some(Place { mount, path });
        }
    }
    Some(below(script_name, decoded).unwrap_or(Place {
        mount: b"",
        path: decoded,
    }))
}

/// The same place with `mount` as the mount; outside of it, at the root of the site.
fn under<'buf>(
    mount: &[u8],
    found: Place<'buf>,
    scratch: &mut Scratch<'buf>,
) -> Option<Place<'buf>> {
    if !(scratch.push(found.mount) && scratch.push(found.path)) {
        return None;
    }
    let whole = scratch.finish();
    Some(match whole.strip_prefix(mount) {
        Some(b"") => Place {
            mount: whole,
            path: b"/",
        },
        Some(path @ [b'/', ..]) => Place {
            mount: &whole[..mount.len()],
            path,
        },
        // Not below it: then nothing is taken off.
        _ => Place {
            mount: b"",
            path: whole,
        },
    })
}

/// The path below `mount` as it was sent, not decoded; all of it if the mount is none of what was sent.
pub(crate) fn raw_path<'buf>(uri: &'buf [u8], mount: &[u8]) -> &'buf [u8] {
    let sent = target_path(uri);
    let mut rest = sent;
    for &wanted in mount {
        let (byte, behind) = match *rest {
            [b'%', high, low, ref behind @ ..] => match unescape(high, low) {
                Some(byte) => (byte, behind),
                None => return sent,
            },
            [byte, ref behind @ ..] => (byte, behind),
            [] => return sent,
        };
        if byte != wanted {
            return sent;
        }
        rest = behind;
    }
    match rest {
        [] => b"/",
        [b'/', ..] => rest,
        _ => sent,
    }
}

/// The path of a request target: origin form, absolute form, without the query.
pub(super) fn target_path(uri: &[u8]) -> &[u8] {
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

/// Whether a URL is this path, with or without a query, and nothing in it has to be looked at closer. `false` if there may
/// be something.
#[inline(always)]
fn is_url_of(uri: &[u8], path: &[u8]) -> bool {
    let behind = uri.strip_prefix(path);
    path.first() == Some(&b'/') && matches!(behind, Some([] | [b'?', ..])) && !may_need_care(path)
}

/// Whether there may be an escape, a question mark, a byte beyond ASCII, an empty segment or one that begins with a dot. Eight
/// bytes are looked at as one number, of which the last is looked at again, with what follows it.
#[inline(always)]
fn may_need_care(path: &[u8]) -> bool {
    let mut rest = path;
    loop {
        let word = up_to_eight(rest);
        // The upper bit of each byte that is zero; also of a one behind a zero, here of a dot behind a slash.
        // Where a byte has its upper bit it is of no meaning: then that bit counts.
        let zeros = |word: u64| word.wrapping_sub(each(1));
        let slashes = zeros(word ^ each(b'/')) & each(0x80);
        // A dot and a slash differ in their last bit.
        let dots_too = zeros((word | each(1)) ^ each(b'/'));
        let marks = zeros(word ^ each(b'%')) | zeros(word ^ each(b'?'));
        if (marks | word | (slashes << 8 & dots_too)) & each(0x80) != 0 {
            return true;
        }
        // The last of eight is looked at again, with what follows it.
        match rest {
            [_, _, _, _, _, _, _, behind @ ..] if behind.len() > 1 => rest = behind,
            _ => return false,
        }
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
    // ProxyPass sends the whole path, with the slash at its end if there is one: that is no mount.
    if script_name.is_empty() || script_name.ends_with(b"/") {
        return None;
    }
    let path = decoded.strip_prefix(script_name)?;
    (path.first() == Some(&b'/')).then_some(Place {
        mount: script_name,
        path,
    })
}

fn without_slash(mut mount: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = mount {
        mount = rest;
    }
    mount
}

fn with_slash<'buf>(path: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf [u8]> {
    match path {
        [] => Some(b"/"),
        [b'/', ..] => Some(path),
        // The guides' old nginx block sends `news/today`.
        _ => (scratch.push(b"/") && scratch.push(path)).then(|| scratch.finish()),
    }
}

/// Decodes `%XX`; what is no escape stays. A target without a leading slash gets one, but for the `*` of `OPTIONS *`.
fn decode<'buf>(target: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf [u8]> {
    let is_whole = target.first() == Some(&b'/') || target == b"*";
    if is_whole && !target.contains(&b'%') {
        return Some(target);
    }
    let mut whole = target.first() == Some(&b'/') || scratch.push(b"/");
    let mut rest = target;
    while let Some(escape) = rest.iter().position(|&b| b == b'%') {
        whole &= scratch.push(&rest[..escape]);
        rest = &rest[escape..];
        let byte = match *rest {
            [_, high, low, ..] => unescape(high, low),
            _ => None,
        };
        whole &= scratch.push(&[byte.unwrap_or(b'%')]);
        rest = &rest[if byte.is_some() { 3 } else { 1 }..];
    }
    whole &= scratch.push(rest);
    whole.then(|| scratch.finish())
}

/// The byte of `%XX`.
fn unescape(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
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

    fn place(
        script_name: &str,
        path_info: &str,
        uri: Option<&str>,
        mount: Option<&str>,
    ) -> [String; 2] {
        let (mut room, mut desk) = ([0; 1024], [0; 0]);
        let mut scratch = Scratch::new(&mut room, &mut desk);
        let target = Target {
            script_name: script_name.as_bytes(),
            path_info: path_info.as_bytes(),
            request_uri: uri.map(str::as_bytes),
        };
        let place = locate(target, mount.map(str::as_bytes), &mut scratch).unwrap();
        [place.mount, place.path].map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

    /// What, SCRIPT_NAME, PATH_INFO, REQUEST_URI, and the mount and path that are wanted.
    fn assert_rows(rows: &[Row<'_>]) {
        for &(what, script_name, path_info, uri, mount, path) in rows {
            let found = place(script_name, path_info, Some(uri), None);
            assert_eq!(found, [mount, path], "{what}");
            let named = place(script_name, path_info, Some(uri), Some(mount));
            assert_eq!(
                named,
                [mount, path],
                "{what}, with its mount as the setting"
            );
        }
    }

    const NEWS: &str = "/app/news/today?x=1";

    /// What each configuration sends for `/app/news/today?x=1`.
    #[test]
    fn the_place_is_the_same_behind_every_web_server() {
        #[rustfmt::skip]
        assert_rows(&[
            ("mod_fcgid, the guides' .htaccess", "/app.fcgi", "/app/news/today", NEWS, "", "/app/news/today"),
            ("in a subfolder", "/sub/app.fcgi", "/news", "/sub/news", "/sub", "/news"),
            ("ScriptAlias /", "", "/app/news/today", NEWS, "", "/app/news/today"),
            ("ScriptAlias /app", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("AddHandler", "/app.fcgi", "/news/today", "/app.fcgi/news/today", "/app.fcgi", "/news/today"),
            ("FcgidWrapper .foo", "/page.foo", "/news", "/page.foo/news", "/page.foo", "/news"),
            ("FcgidWrapper virtual, SetHandler", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("ProxyPass", "/app/news/today", "", NEWS, "", "/app/news/today"),
            ("nginx root", "", "/app/news/today", NEWS, "", "/app/news/today"),
            ("nginx mount", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("nginx mount, a line break in the path", "/app/a\nb", "", "/app/a%0Ab", "", "/app/a\nb"),
            ("nginx, the guides' old block", "/app", "news/today", NEWS, "/app", "/news/today"),
            ("the same, which encodes again", "/app", "a%20b%2Bc", "/app/a%20b+c", "/app", "/a b+c"),
            ("the same, which ends at a line break", "/app", "a", "/app/a%0Ab", "/app", "/a\nb"),
            ("nginx, location /app/ without SCRIPT_NAME", "", "/app/news/today", NEWS, "", "/app/news/today"),
            ("nginx fastcgi.conf", "/app/news/today", "/app/news/today", NEWS, "", "/app/news/today"),
            ("lighttpd, the guides' rewrite", "/app.fcgi", "/app/news/today", NEWS, "", "/app/news/today"),
            ("lighttpd by prefix", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("lighttpd / with fix-root-scriptname", "", "/app/news/today", NEWS, "", "/app/news/today"),
            ("HAProxy", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("Caddy transport fastcgi", "/app", "/news/today", NEWS, "/app", "/news/today"),
            ("Caddy php_fastcgi", "/app.fcgi", "", NEWS, "", "/app/news/today"),
            ("h2o", "", "/app/news/today", NEWS, "", "/app/news/today"),
        ]);
    }

    #[test]
    fn the_mount_itself_has_a_path_too() {
        #[rustfmt::skip]
        assert_rows(&[
            ("the root", "", "/", "/", "", "/"),
            ("the root behind .htaccess", "/app.fcgi", "/", "/", "", "/"),
            ("a subfolder behind .htaccess", "/sub/app.fcgi", "/", "/sub/", "/sub", "/"),
            ("nginx mount", "/app", "/", "/app/", "/app", "/"),
            ("nginx mount, without its slash", "/app", "/", "/app", "/app", "/"),
            ("SetHandler", "/app", "/", "/app/", "/app", "/"),
            ("ProxyPass", "/", "", "/", "", "/"),
            ("Caddy php_fastcgi", "/app.fcgi", "", "/", "", "/"),
        ]);
    }

    /// Each web server decodes and cleans the path in its own way before it splits it; REQUEST_URI is as it was sent.
    #[test]
    fn escapes_and_dots_do_not_hide_the_path() {
        #[rustfmt::skip]
        assert_rows(&[
            ("escapes", "", "/a b/\u{e9}", "/a%20b/%C3%A9", "", "/a b/\u{e9}"),
            ("an escaped slash", "/m", "/a/b", "/m/a%2Fb", "/m", "/a/b"),
            ("an escaped question mark", "/m", "/a?q", "/m/a%3Fq?x", "/m", "/a?q"),
            ("an escaped percent sign", "/m", "/a%b", "/m/a%25b", "/m", "/a%b"),
            ("a plus is a plus", "/m", "/a+b", "/m/a+b", "/m", "/a+b"),
            ("a semicolon", "/m", "/a;p=1/b", "/m/a;p=1/b", "/m", "/a;p=1/b"),
            ("NUL, which only h2o passes on", "", "/a\0b", "/a%00b", "", "/a\0b"),
            ("escapes in a mount", "/a b", "/c", "/a%20b/c", "/a b", "/c"),
            ("slashes merged by the server", "", "/x/y", "//x//y", "", "/x/y"),
            ("the first ones alone", "", "/news", "//news", "", "/news"),
            ("below a mount", "/app", "/news", "/app//news", "/app", "/news"),
            ("before a mount", "/app", "/news", "//app/news", "/app", "/news"),
            ("by ProxyPass", "/x/y", "", "//x/./y", "", "/x/y"),
            ("slashes at the end, by ProxyPass", "/x/", "", "/x//", "", "/x/"),
            ("dots up to the mount, nginx's old block", "/app", "", "/app/a/..", "/app", "/"),
            ("dots removed by the server", "/m", "/a/c", "/m/a/./b/../c", "/m", "/a/c"),
            ("dots before the mount", "/m", "/c", "/a/../m/c", "/m", "/c"),
            ("dots at the end", "/m", "/a/", "/m/a/b/..", "/m", "/a/"),
            ("HAProxy and Caddy keep them", "", "//x/../y", "//x/../y", "", "//x/../y"),
            ("an empty query", "", "/news", "/news?", "", "/news"),
            ("a question mark in the query", "", "/news", "/news?a?b", "", "/news"),
            ("absolute form", "", "/news", "http://host:80/news?x", "", "/news"),
            ("absolute form without a path", "", "/", "http://host", "", "/"),
            ("absolute form below a mount", "/app", "/news", "HTTP://host/app/news", "/app", "/news"),
            ("absolute form by h2o", "", "/http://host/news", "http://host/news?x", "", "/news"),
            ("a URL in the query is no absolute form", "", "/", "/?to=http://host/x", "", "/"),
            ("asterisk form", "", "", "*", "", "*"),
            ("a percent that is no escape", "", "", "/100%/%zz%4", "", "/100%/%zz%4"),
            ("no slash in front", "", "", "news", "", "/news"),
            ("a path that another rewrite made", "/app.fcgi", "/shown/news", "/news", "", "/shown/news"),
        ]);
    }

    #[test]
    fn without_a_url_the_two_parts_are_taken_as_they_are() {
        for (script_name, path_info, mount, path) in [
            ("/app", "/news", "/app", "/news"),
            ("/app", "", "/app", "/"),
            ("/app/", "/news", "/app", "/news"),
            ("/", "/news", "", "/news"),
            ("", "news", "", "/news"),
            ("", "", "", "/"),
        ] {
            assert_eq!(place(script_name, path_info, None, None), [mount, path]);
        }
    }

    /// The documented cases in which nothing that is sent tells: what is found, and with the setting.
    #[test]
    fn what_cannot_be_told_takes_the_setting() {
        #[rustfmt::skip]
        let rows = [
            ("lighttpd / without fix-root-scriptname", "/app", "/news/today", NEWS, ["/app", "/news/today"], "", ["", "/app/news/today"]),
            ("SetHandler, the mount without its slash", "/app", "", "/app", ["", "/app"], "/app", ["/app", "/"]),
            ("AddHandler, the program alone", "/app.fcgi", "", "/app.fcgi", ["", "/app.fcgi"], "/app.fcgi", ["/app.fcgi", "/"]),
            ("ScriptAlias /app, the mount without its slash", "/app", "", "/app?x", ["", "/app"], "/app", ["/app", "/"]),
            ("ProxyPass /app/", "/app/news", "", "/app/news", ["", "/app/news"], "/app", ["/app", "/news"]),
            ("h2o below a path", "", "/app/news", "/app/news", ["", "/app/news"], "/app", ["/app", "/news"]),
            ("nginx mount, a line break in the path", "/app/a\nb", "", "/app/a%0Ab", ["", "/app/a\nb"], "/app", ["/app", "/a\nb"]),
            ("escapes in the mount", "", "/a b/c", "/a%20b/c", ["", "/a b/c"], "/a b", ["/a b", "/c"]),
        ];
        for (what, script_name, path_info, uri, found, mount, wanted) in rows {
            let place = |mount| place(script_name, path_info, Some(uri), mount);
            assert_eq!(place(None), found, "{what}");
            assert_eq!(place(Some(mount)), wanted, "{what}, set");
        }
    }

    #[test]
    fn a_path_that_is_not_below_the_setting_is_one_of_the_root() {
        let beside = place("/app.fcgi", "/news", Some("/app.fcgi/news"), Some("/app"));
        assert_eq!(beside, ["", "/app.fcgi/news"]);
        for uri in ["/other/news", "/application/news", "/ap"] {
            let path = uri;
            assert_eq!(place("", path, Some(uri), Some("/app")), ["", path]);
        }
        assert_eq!(place("/app", "/news", None, Some("")), ["", "/app/news"]);
    }

    #[test]
    fn the_raw_path_is_as_it_was_sent() {
        for (uri, mount, raw) in [
            ("/a%2Fb/c?x", "", "/a%2Fb/c"),
            ("/app/a%2Fb?x", "/app", "/a%2Fb"),
            ("/%61pp/a%2Fb", "/app", "/a%2Fb"),
            ("/app", "/app", "/"),
            ("/application", "/app", "/application"),
            ("/%6", "/app", "/%6"),
            ("//x", "/app", "//x"),
            ("http://host/app/x", "/app", "/x"),
            ("*", "", "*"),
        ] {
            let found = raw_path(uri.as_bytes(), mount.as_bytes());
            assert_eq!(found, raw.as_bytes(), "{uri} below {mount:?}");
        }
    }

    /// Every string of what matters, at every place in the eight bytes that are looked at together.
    #[test]
    fn what_one_look_takes_for_usual_is_plain() {
        for (length, shapes) in (0..=5).map(|length| (length, 7_usize.pow(length))) {
            for shape in 0..shapes {
                let byte = |i| b"/.%?a0\xe9"[shape / 7_usize.pow(i) % 7];
                let part: Vec<u8> = (0..length).map(byte).collect();
                for (before, behind) in (0..9).flat_map(|n| [(n, 0), (n, 9)]) {
                    let path = [&vec![b'a'; before][..], &part, &vec![b'a'; behind]].concat();
                    let is_usual = is_plain(&path) && !path.contains(&b'?') && path.is_ascii();
                    let text = path.escape_ascii();
                    assert!(is_usual || may_need_care(&path), "{text}");
                    // And nothing that is plain goes the long way.
                    assert!(!is_usual || !may_need_care(&path), "{text}");
                }
            }
        }
    }

    #[test]
    fn without_room_there_is_no_place() {
        let mut scratch = Scratch::default();
        for uri in [&b"/%20"[..], b"//x"] {
            let target = Target {
                path_info: b"/y",
                request_uri: Some(uri),
                ..Target::default()
            };
            assert_eq!(locate(target, None, &mut scratch), None);
        }
        assert_eq!(locate(Target::default(), Some(b"/app"), &mut scratch), None);
    }
}
