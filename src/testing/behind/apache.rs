//! What Apache sends, by mod_fcgid and by mod_proxy_fcgi. Called by `Behind::params`.

use super::Behind::*;
use super::path::{clean, decode, encode, has_escape, split, uri};
use super::sketch::{Header, Host, Sketch};
use super::{Behind, Pairs, REMOTE_PORT, ROOT, UPSTREAM};

pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    let path = path(behind, raw)?;
    let below = behind.below(&path)?;
    if is_htaccess(behind) && below.is_empty() {
        // mod_dir: the folder's address gets its slash.
        return Err(301);
    }
    let (_, query) = split(sketch.target);
    let mut params = Pairs::default();
    headers(behind, sketch, &mut params);
    site(behind, sketch, &mut params);
    params.add("SCRIPT_FILENAME", script_filename(behind, &path));
    params.add("REMOTE_PORT", REMOTE_PORT);
    if is_htaccess(behind) {
        params.add("REDIRECT_URL", &path);
        if let Some(query) = query {
            params.add("REDIRECT_QUERY_STRING", query);
        }
    }
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("REQUEST_METHOD", sketch.method);
    params.add("QUERY_STRING", query.unwrap_or_default());
    params.add("REQUEST_URI", uri(raw, query));
    params.add("SCRIPT_NAME", script_name(behind, &path));
    if !matches!(behind, ApacheProxyPass) && !below.is_empty() {
        params.add("PATH_INFO", below);
        params.add("PATH_TRANSLATED", path_translated(behind, below));
    }
    if !is_proxy(behind) && sketch.header("content-length").is_none() {
        params.add("CONTENT_LENGTH", "0");
    }
    Ok(params)
}

fn is_htaccess(behind: &Behind<'_>) -> bool {
    matches!(behind, ApacheHtaccess | ApacheHtaccessIn(_))
}

/// Whether mod_proxy_fcgi passes the request on; else mod_fcgid does.
fn is_proxy(behind: &Behind<'_>) -> bool {
    matches!(behind, ApacheProxyPass | ApacheSetHandler(_))
}

/// The path, decoded and cleaned, or the status that refuses it.
fn path(behind: &Behind<'_>, raw: &str) -> Result<Vec<u8>, u16> {
    let path = decode(raw).ok_or(400_u16)?;
    if has_escape(raw, "2F") || path.contains(&0) {
        return Err(404);
    }
    if is_htaccess(behind) && has_escape(raw, "3F") {
        return Err(403);
    }
    if is_htaccess(behind) && has_escape(raw, "25") {
        return Err(400);
    }
    clean(&path, true, true).ok_or(400)
}

/// The first parameters: one of the way to the application, and those of the headers.
fn headers(behind: &Behind<'_>, sketch: &Sketch<'_>, params: &mut Pairs) {
    if is_htaccess(behind) {
        params.add("REDIRECT_STATUS", "200");
    }
    if matches!(behind, ApacheSetHandler(_)) {
        params.add("proxy-nokeepalive", "1");
    }
    let kept_back: &[&str] = match is_proxy(behind) {
        true => &["authorization", "proxy"],
        false => &["authorization", "proxy", "keep-alive", "te", "upgrade"],
    };
    for header in Header::joined(sketch, ", ", ", ") {
        if !kept_back.contains(&&*header.lower) && header.is_plain() {
            let name = header.cgi_name(&["content-type", "content-length"]);
            params.add(&name, header.value);
        }
    }
}

/// What does not depend on the path.
fn site(behind: &Behind<'_>, sketch: &Sketch<'_>, params: &mut Pairs) {
    let host = Host::of(sketch);
    params.add(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    params.add("SERVER_SIGNATURE", "");
    let software = match is_proxy(behind) {
        true => "Apache/2.4.71 (Debian)",
        false => "Apache/2.4.71 (Debian) mod_fcgid/2.3.9",
    };
    params.add("SERVER_SOFTWARE", software);
    params.add("SERVER_NAME", host.name.to_ascii_lowercase());
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("REQUEST_SCHEME", "http");
    let (prefix, root) = match behind {
        ApacheScriptAlias => ("/", "/srv/www/app.fcgi/"),
        ApacheScriptAliasMount(mount) => (*mount, "/srv/www/app.fcgi"),
        _ => ("", ROOT),
    };
    params.add("CONTEXT_PREFIX", prefix);
    params.add("CONTEXT_DOCUMENT_ROOT", root);
    params.add("SERVER_ADMIN", "[no address given]");
}

fn script_filename(behind: &Behind<'_>, path: &[u8]) -> String {
    let mount = behind.mount();
    match behind {
        ApacheHtaccess | ApacheHtaccessIn(_) => format!("{ROOT}{mount}/app.fcgi"),
        ApacheProxyPass => format!("proxy:fcgi://{UPSTREAM}{}", encode(path)),
        ApacheSetHandler(_) => format!("proxy:fcgi://{UPSTREAM}{ROOT}{mount}"),
        _ => format!("{ROOT}/app.fcgi"),
    }
}

fn script_name(behind: &Behind<'_>, path: &[u8]) -> Vec<u8> {
    let mount = behind.mount().as_bytes();
    match behind {
        ApacheProxyPass => path.to_vec(),
        ApacheHtaccess | ApacheHtaccessIn(_) => [mount, b"/app.fcgi"].concat(),
        _ => mount.to_vec(),
    }
}

fn path_translated(behind: &Behind<'_>, below: &[u8]) -> Vec<u8> {
    match behind {
        ApacheHtaccess | ApacheHtaccessIn(_) => {
            // Garbage: what mod_rewrite left behind, and all but the first part of the path once more.
            let first = below[1..].iter().position(|&byte| byte == b'/');
            let again = first.map_or(&b""[..], |slash| &below[1 + slash..]);
            [b"redirect:/app.fcgi", below, again].concat()
        }
        ApacheScriptAlias => [b"/srv/www/app.fcgi", below].concat(),
        _ => [ROOT.as_bytes(), below].concat(),
    }
}
