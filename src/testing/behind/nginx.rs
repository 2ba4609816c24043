//! What nginx sends. Called by `Behind::params`.

use super::Behind::*;
use super::path::{clean, decode, split, uri};
use super::sketch::{Header, Host, Sketch, basic_user};
use super::{Behind, Pairs, REMOTE_PORT, ROOT};

pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    let path = decode(raw).filter(|path| !path.contains(&0));
    let mut path = clean(&path.ok_or(400_u16)?, true, true).ok_or(400_u16)?;
    if behind.below(&path)?.is_empty() {
        // The guides' block for the mount itself: `rewrite ^ /app/ last`.
        path.push(b'/');
    }
    let below = behind.below(&path)?;
    let (script, info) = match behind {
        // A dot of the expression is no newline: it does not match, and nothing is split.
        NginxMount(_) if below.contains(&b'\n') => (&path[..], &b""[..]),
        NginxMount(mount) => (mount.as_bytes(), below),
        _ => (&path[..], &path[..]),
    };
    let (_, query) = split(sketch.target);
    let header = |name| sketch.header(name).unwrap_or_default();
    let mut params = Pairs::default();
    params.add("QUERY_STRING", query.unwrap_or_default());
    params.add("REQUEST_METHOD", sketch.method);
    params.add("CONTENT_TYPE", header("content-type"));
    params.add("CONTENT_LENGTH", header("content-length"));
    params.add("SCRIPT_NAME", script);
    params.add("REQUEST_URI", uri(raw, query));
    params.add("DOCUMENT_URI", &path);
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("REQUEST_SCHEME", "http");
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add("SERVER_SOFTWARE", "nginx/1.22.1");
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add(
        "REMOTE_USER",
        basic_user(header("authorization")).unwrap_or_default(),
    );
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_PORT", "80");
    params.add("SERVER_NAME", "");
    params.add("REDIRECT_STATUS", "200");
    params.add("HTTP_HOST", Host::of(sketch).name.to_ascii_lowercase());
    params.add("PATH_INFO", info);
    params.add(
        "SCRIPT_NAME",
        match behind {
            NginxMount(_) => script,
            _ => b"",
        },
    );
    for header in Header::each(sketch) {
        if header.is_plain() && header.lower != "host" {
            params.add(&header.cgi_name(&[]), header.value);
        }
    }
    Ok(params)
}
