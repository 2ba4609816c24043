//! The parameters that any web server could send, for a test that names none and for the command `get`.

use super::path::{decode_leniently, split};
use super::sketch::{Header, Host, Sketch};
use super::{Pair, Pairs, REMOTE_PORT, ROOT};

/// What every web server could send: RFC 3875, and REQUEST_URI.
pub(in crate::testing) fn plain(sketch: &Sketch<'_>) -> Vec<Pair> {
    let (path, query) = split(sketch.target);
    let host = Host::of(sketch);
    let mut params = Pairs::default();
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add(
        "SERVER_SOFTWARE",
        concat!("fcgi/", env!("CARGO_PKG_VERSION")),
    );
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("SERVER_NAME", host.name);
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
    params.add("REQUEST_SCHEME", "http");
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("REQUEST_METHOD", sketch.method);
    params.add("REQUEST_URI", sketch.target);
    params.add("SCRIPT_NAME", "");
    if path.starts_with('/') {
        params.add("PATH_INFO", decode_leniently(path));
    }
    params.add("QUERY_STRING", query.unwrap_or_default());
    for header in Header::each(sketch) {
        params.add(
            &header.cgi_name(&["content-type", "content-length"]),
            header.value,
        );
    }
    params.0
}
