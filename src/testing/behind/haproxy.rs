//! What HAProxy sends. Called by `Behind::params`.

use super::path::{decode, split, uri};
use super::sketch::{Header, Sketch, basic_user};
use super::{Behind, Pairs, REMOTE_PORT, ROOT};

pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    if !raw.is_ascii() {
        return Err(400);
    }
    let path = decode(raw).filter(|path| !path.contains(&0) && !path.contains(&b'\n'));
    let path = path.ok_or(500_u16)?;
    let below = behind.below(&path)?;
    let mount = behind.mount();
    let (_, query) = split(sketch.target);
    let query = query.unwrap_or_default();
    let mut params = Pairs::default();
    let kept_back = [
        "authorization",
        "proxy",
        "connection",
        "keep-alive",
        "te",
        "upgrade",
    ];
    for header in Header::each(sketch) {
        if !kept_back.contains(&&*header.lower) && header.is_plain() {
            params.add(
                &header.cgi_name(&["content-type", "content-length"]),
                header.value,
            );
        }
    }
    if let Some(user) = sketch.header("authorization").and_then(basic_user) {
        params.add("AUTH_TYPE", "Basic");
        params.add("REMOTE_USER", user);
    }
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add("DOCUMENT_ROOT", ROOT);
    if !mount.is_empty() {
        params.add("SCRIPT_NAME", mount);
    }
    if !below.is_empty() {
        params.add("PATH_INFO", below);
    }
    params.add("REQUEST_URI", uri(raw, split(sketch.target).1));
    params.add("REQUEST_METHOD", sketch.method);
    if !query.is_empty() {
        params.add("QUERY_STRING", query);
    }
    params.add("SERVER_NAME", &sketch.headers[0].1);
    params.add("SERVER_PORT", "80");
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add("SCRIPT_FILENAME", format!("{ROOT}{mount}"));
    if !below.is_empty() {
        params.add("PATH_TRANSLATED", [ROOT.as_bytes(), below].concat());
    }
    if sketch.header("content-length").is_none() {
        params.add("CONTENT_LENGTH", "0");
    }
    params.add("SERVER_SOFTWARE", "HAProxy 2.6.12-1+deb12u4");
    Ok(params)
}
