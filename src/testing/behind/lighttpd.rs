//! What lighttpd sends. Called by `Behind::params`.

use super::Behind::*;
use super::path::{clean, decode, encode, escaped, is_unreserved, split, uri};
use super::sketch::{Header, Host, Sketch};
use super::{Behind, Pairs, REMOTE_PORT, ROOT};

pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    let normal = lighttpd_normal(raw);
    let path = decode(&normal).ok_or(400_u16)?;
    if std::str::from_utf8(&path).is_err() || path.iter().any(|byte| byte.is_ascii_control()) {
        return Err(400);
    }
    let below = behind.below(&path)?;
    let (script, file) = match behind {
        Lighttpd => ("/app.fcgi", "/app.fcgi"),
        LighttpdPrefix(mount) => (*mount, *mount),
        _ => ("", "/"),
    };
    let (_, query) = split(sketch.target);
    let mut params = Pairs::default();
    let length = sketch.header("content-length");
    params.add("CONTENT_LENGTH", length.unwrap_or(b"0"));
    params.add("QUERY_STRING", query.unwrap_or_default());
    params.add("REQUEST_URI", uri(raw, query));
    match behind {
        Lighttpd => params.add("REDIRECT_URI", uri(&format!("/app.fcgi{normal}"), query)),
        _ if normal != raw => params.add("REDIRECT_URI", uri(&normal, query)),
        _ => {}
    }
    params.add("REDIRECT_STATUS", "200");
    params.add("SCRIPT_NAME", script);
    if !below.is_empty() {
        params.add("PATH_INFO", below);
        params.add("PATH_TRANSLATED", [ROOT.as_bytes(), below].concat());
    }
    params.add("SCRIPT_FILENAME", format!("{ROOT}{file}"));
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("REQUEST_METHOD", sketch.method);
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("SERVER_SOFTWARE", "lighttpd/1.4.69");
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add("REQUEST_SCHEME", "http");
    params.add("SERVER_PORT", "80");
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_NAME", Host::of(sketch).name.to_ascii_lowercase());
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    for mut header in Header::joined(sketch, ", ", "; ") {
        if header.lower == "proxy" || header.value.is_empty() {
            continue;
        }
        if header.lower == "host" {
            header.value.make_ascii_lowercase();
        }
        let name = header.cgi_name(&["content-type"]);
        params.add(&name.replace('.', "_"), header.value);
    }
    Ok(params)
}

/// A path as lighttpd rewrites it before it looks at it: escapes that are needless are decoded, needed ones added.
fn lighttpd_normal(raw: &str) -> String {
    let mut parts = raw.split('%');
    let mut normal = encode(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let rest = match escaped(part) {
            Some(byte) if is_unreserved(byte) || byte == b'/' => {
                normal.push(char::from(byte));
                &part[2..]
            }
            Some(byte) => {
                normal += &format!("%{byte:02X}");
                &part[2..]
            }
            None => {
                normal += "%25";
                part
            }
        };
        normal += &encode(rest.as_bytes());
    }
    let cleaned = clean(normal.as_bytes(), true, false).unwrap_or_default();
    String::from_utf8_lossy(&cleaned).into_owned()
}
