//! What Caddy sends. Called by `Behind::params`.

use super::Behind::*;
use super::path::{clean, decode, encode, split, stands_in_path, uri};
use super::sketch::{Header, Host, Sketch};
use super::{Behind, Pairs, REMOTE_PORT, ROOT};

/// Sorted by name: Caddy sends them in another order each time.
pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    let path = decode(raw).ok_or(400_u16)?;
    let is_php = matches!(behind, CaddyPhp);
    if path.contains(&0) && !is_php {
        return Err(400);
    }
    // Which site a path belongs to is decided by the cleaned path; outside of every site Caddy answers an empty page.
    let cleaned = clean(&path, false, false).ok_or(400_u16)?;
    behind.below(&cleaned).map_err(|_| 200_u16)?;
    let below = behind.below(&path)?;
    let (script, info) = match is_php {
        true => ("/app.fcgi", &b""[..]),
        false => (behind.mount(), below),
    };
    let (_, query) = split(sketch.target);
    let header = |name| sketch.header(name);
    let host = Host::of(sketch);
    let default_type: &[u8] = match sketch.method {
        "POST" => b"application/x-www-form-urlencoded",
        _ => b"",
    };
    let mut params = Pairs::default();
    params.add("AUTH_TYPE", "");
    params.add("CONTENT_LENGTH", header("content-length").unwrap_or(b"0"));
    params.add(
        "CONTENT_TYPE",
        header("content-type").unwrap_or(default_type),
    );
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("DOCUMENT_URI", script);
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    let replaced = ["connection", "keep-alive", "upgrade", "user-agent"];
    for header in Header::joined(sketch, ", ", ", ") {
        let is_forwarded = header.lower.starts_with("x-forwarded-");
        if !replaced.contains(&&*header.lower) && !is_forwarded {
            params.add(&header.cgi_name(&[]), header.value);
        }
    }
    params.add("HTTP_USER_AGENT", header("user-agent").unwrap_or_default());
    params.add("HTTP_X_FORWARDED_FOR", "127.0.0.1");
    params.add("HTTP_X_FORWARDED_HOST", &sketch.headers[0].1);
    params.add("HTTP_X_FORWARDED_PROTO", "http");
    params.add("PATH_INFO", info);
    if !info.is_empty() {
        params.add("PATH_TRANSLATED", path_translated(info));
    }
    params.add("QUERY_STRING", query.unwrap_or_default());
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_HOST", "127.0.0.1");
    params.add("REMOTE_IDENT", "");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add("REMOTE_USER", "");
    params.add("REQUEST_METHOD", sketch.method);
    params.add("REQUEST_SCHEME", "http");
    params.add("REQUEST_URI", uri(&caddy_uri(raw, &path), query));
    params.add("SCRIPT_FILENAME", format!("{ROOT}{script}"));
    params.add("SCRIPT_NAME", script);
    params.add("SERVER_NAME", host.name);
    params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("SERVER_SOFTWARE", "Caddy/2.6.2");
    params.0.sort();
    Ok(params)
}

fn path_translated(info: &[u8]) -> Vec<u8> {
    let cleaned = clean(info, true, false).unwrap_or_default();
    let is_folder = info.ends_with(b"/") && info != b"/";
    let cleaned = cleaned.strip_suffix(b"/").unwrap_or(&cleaned);
    let slash: &[u8] = if is_folder { b"/" } else { b"" };
    [ROOT.as_bytes(), cleaned, slash].concat()
}

/// A path as Go writes it: as it came, if that is legal.
fn caddy_uri(raw: &str, path: &[u8]) -> String {
    let is_legal = |byte| stands_in_path(byte) || b"[]%".contains(&byte);
    if raw.bytes().all(is_legal) {
        return raw.to_owned();
    }
    let encoded = encode(path);
    "!'()*".chars().fold(encoded, |encoded, c| {
        encoded.replace(c, &format!("%{:02X}", u32::from(c)))
    })
}
