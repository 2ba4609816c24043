//! What h2o sends. Called by `Behind::params`.

use super::path::{clean, decode_leniently, split, uri};
use super::sketch::{Header, Sketch};
use super::{Behind, Pairs, REMOTE_PORT};

pub(super) fn params(behind: &Behind<'_>, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
    let path = clean(&decode_leniently(raw), false, false).unwrap_or_default();
    behind.below(&path)?;
    let (_, query) = split(sketch.target);
    let mut params = Pairs::default();
    if let Some(length) = sketch.header("content-length") {
        params.add("CONTENT_LENGTH", length);
    }
    params.add("SCRIPT_NAME", "");
    params.add("PATH_INFO", &path);
    params.add("QUERY_STRING", query.unwrap_or_default());
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add("REQUEST_METHOD", sketch.method);
    params.add("HTTP_HOST", &sketch.headers[0].1);
    params.add("REQUEST_URI", uri(raw, query));
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_PORT", "80");
    params.add("SERVER_NAME", "default");
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("SERVER_SOFTWARE", "h2o/2.2.5");
    let elsewhere = ["host", "content-length", "upgrade", "expect", "cookie"];
    for header in Header::each(sketch) {
        if !elsewhere.contains(&&*header.lower) {
            params.add(&header.cgi_name(&["content-type"]), header.value);
        }
    }
    let cookies = Header::joined(sketch, "", ";");
    for cookies in cookies
        .into_iter()
        .filter(|header| header.lower == "cookie")
    {
        params.add("HTTP_COOKIE", cookies.value);
    }
    Ok(params)
}
