//! A request's head, and the parameters that a web server makes of it. Pure; the crate `httparse` divides the head into its
//! words. Called by `connection`.

use super::SOFTWARE;
use super::body::Framing;
use std::net::SocketAddr;

/// The most bytes of a head: the longest that any web server that was tried takes.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The most header fields, Apache's limit.
const MAX_FIELDS: usize = 100;

/// A request, as far as its head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query as they were sent: REQUEST_URI.
    target: String,
    /// Where in `target` the question mark stands, or its end.
    path_len: usize,
    /// Decoded, and without `//`, `/./` and `/../`.
    path: Vec<u8>,
    pub(super) is_http_1_0: bool,
    /// Whether the browser wants to go on with this connection.
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    pub(super) framing: Framing,
    host: Option<String>,
    /// The params that come from header fields: CONTENT_TYPE, CONTENT_LENGTH, and `HTTP_*`.
    fields: Vec<(String, Vec<u8>)>,
}

/// Why a request is answered by us: a status, and a sentence for whoever wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) sentence: String,
}

impl Refusal {
    pub(super) fn new(status: u16, sentence: impl Into<String>) -> Refusal {
        Refusal {
            status,
            sentence: sentence.into(),
        }
    }
}

impl Request {
    /// Reads the head that `bytes` begin with, and returns its length, too; `None` if it is not whole.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => {
                Request::of(&head).map(|request| Some((request, length)))
            }
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Ok(None),
            Ok(_) => Err(Refusal::new(
                431,
                format!("the head of the request is longer than {MAX_HEAD} bytes"),
            )),
            Err(httparse::Error::TooManyHeaders) => Err(Refusal::new(
                431,
                format!("the request has more than {MAX_FIELDS} header fields"),
            )),
            Err(httparse::Error::Version) => Err(Refusal::new(
                505,
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            )),
            Err(error) => Err(bad(format!("this is not an http request: {error}"))),
        }
    }

    /// The path as it was sent, for the log.
    pub(super) fn sent_path(&self) -> &str {
        &self.target[..self.path_len]
    }

    /// The parameters for an application that gets all requests below `/`: SCRIPT_NAME is empty, and PATH_INFO the decoded path,
    /// as lighttpd with `fix-root-scriptname` and the guides' nginx have it.
    pub(super) fn params(&self, local: SocketAddr, peer: SocketAddr) -> Vec<(String, Vec<u8>)> {
        let server_addr = local.ip().to_string();
        let query = self.target.get(self.path_len + 1..).unwrap_or("");
        let protocol = match self.is_http_1_0 {
            true => "HTTP/1.0",
            false => "HTTP/1.1",
        };
        let params: [(&str, &[u8]); 15] = [
            ("GATEWAY_INTERFACE", b"CGI/1.1"),
            ("SERVER_SOFTWARE", SOFTWARE.as_bytes()),
            ("SERVER_PROTOCOL", protocol.as_bytes()),
            (
                "SERVER_NAME",
                self.host.as_ref().unwrap_or(&server_addr).as_bytes(),
            ),
            ("SERVER_ADDR", server_addr.as_bytes()),
            ("SERVER_PORT", &local.port().to_string().into_bytes()),
            ("REMOTE_ADDR", &peer.ip().to_string().into_bytes()),
            ("REMOTE_PORT", &peer.port().to_string().into_bytes()),
            ("REQUEST_METHOD", self.method.as_bytes()),
            ("REQUEST_SCHEME", b"http"),
            ("REQUEST_URI", self.target.as_bytes()),
            ("DOCUMENT_URI", &self.path),
            ("SCRIPT_NAME", b""),
            ("PATH_INFO", &self.path),
            ("QUERY_STRING", query.as_bytes()),
        ];
        let own = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        own.into_iter().chain(self.fields.iter().cloned()).collect()
    }

    fn of(head: &httparse::Request<'_, '_>) -> Result<Request, Refusal> {
        let method = head.method.unwrap_or_default();
        let is_http_1_0 = head.version == Some(0);
        // CONNECT names no path; TRACE answers with what no application should see. nginx refuses both too.
        if matches!(method, "CONNECT" | "TRACE") {
            return Err(Refusal::new(405, format!("{method} is not served")));
        }
        let target = target(head.path.unwrap_or_default())?;
        let path_len = target.find('?').unwrap_or(target.len());
        let headers = Headers(head.headers);
        Ok(Request {
            path: path(&target[..path_len])?,
            path_len,
            target,
            is_http_1_0,
            keep_alive: match is_http_1_0 {
                true => headers.has_token("connection", "keep-alive"),
                false => !headers.has_token("connection", "close"),
            },
            expects_continue: headers.expects_continue()? && !is_http_1_0,
            framing: headers.framing(is_http_1_0)?,
            host: headers.host(is_http_1_0)?,
            fields: headers.params(),
            method: method.to_owned(),
        })
    }
}

/// The header fields of a request.
struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    /// All values of one field.
    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let of_name = move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
        self.0
            .iter()
            .filter(of_name)
            .map(|field| field.value.trim_ascii())
    }

    /// Whether one of the words of a field, which commas divide, is this one.
    fn has_token(&self, name: &'a str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|candidate| {
                candidate
                    .trim_ascii()
                    .eq_ignore_ascii_case(token.as_bytes())
            })
    }

    fn expects_continue(&self) -> Result<bool, Refusal> {
        match self.all("expect").next() {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            Some(_) => Err(Refusal::new(
                417,
                "of all expectations only 100-continue is known",
            )),
        }
    }

    /// How the body's end is known. Requests are smuggled by saying the length in two ways or twice: nginx and lighttpd refuse
    /// such requests, too.
    fn framing(&self, is_http_1_0: bool) -> Result<Framing, Refusal> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(bad("the request has more than one Content-Length"));
        }
        let mut encodings = self.all("transfer-encoding");
        let Some(encoding) = encodings.next() else {
            return length.map_or(Ok(Framing::Length(0)), content_length);
        };
        if length.is_some() {
            return Err(bad(
                "the request has a Content-Length and a Transfer-Encoding",
            ));
        }
        if is_http_1_0 {
            return Err(bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        if encodings.next().is_some() || !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::new(
                501,
                "of all transfer encodings only chunked is known",
            ));
        }
        Ok(Framing::Chunked)
    }

    /// The host's name without the port, in lower case: SERVER_NAME as Apache and lighttpd set it.
    fn host(&self, is_http_1_0: bool) -> Result<Option<String>, Refusal> {
        let mut hosts = self.all("host");
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(bad("the request has more than one Host"));
        }
        let Some(host) = host else {
            return match is_http_1_0 {
                true => Ok(None),
                false => Err(bad("an HTTP/1.1 request needs a Host")),
            };
        };
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte);
        let host = match std::str::from_utf8(host) {
            Ok(host) if host.bytes().all(is_fine) => host,
            _ => return Err(bad("the Host is not a name or an address")),
        };
        let name_len = match host.find(']') {
            Some(bracket) => bracket + 1,
            None => host.find(':').unwrap_or(host.len()),
        };
        let name = host[..name_len].to_ascii_lowercase();
        Ok((!name.is_empty()).then_some(name))
    }

    /// The parameters of all fields that are passed on. Repeated fields are joined.
    fn params(&self) -> Vec<(String, Vec<u8>)> {
        let mut params: Vec<(String, Vec<u8>)> = Vec::new();
        for field in self.0 {
            let Some(name) = param_name(field.name) else {
                continue;
            };
            let value = field.value.trim_ascii();
            match params.iter_mut().find(|(known, _)| *known == name) {
                Some((_, joined)) => {
                    // RFC 9113, section 8.2.3, for cookies; RFC 9110, section 5.3, for all others.
                    let separator = match name == "HTTP_COOKIE" {
                        true => b"; ",
                        false => b", ",
                    };
                    joined.extend_from_slice(separator);
                    joined.extend_from_slice(value);
                }
                None => params.push((name, value.to_owned())),
            }
        }
        params
    }
}

/// The param of a header field; `None` if it is not passed on.
///
/// A name with anything but letters, digits and hyphens is dropped, as nginx and Apache do: `X_A` and `X-A` would be
/// one param. `Proxy` would become HTTP_PROXY, which programs take for their own setting (httpoxy).
fn param_name(name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.bytes().all(is_plain) || name.eq_ignore_ascii_case("proxy") {
        return None;
    }
    let name = name.to_ascii_uppercase().replace('-', "_");
    match name.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => Some(name),
        _ => Some(format!("HTTP_{name}")),
    }
}

fn content_length(value: &[u8]) -> Result<Framing, Refusal> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    match text.parse() {
        // `parse` takes a plus sign.
        Ok(length) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Framing::Length(length)),
        _ => Err(bad("the Content-Length is not a number")),
    }
}

/// The path and the query that were sent. Of `http://host/path`, which is for proxies, these are taken, as nginx does.
fn target(sent: &str) -> Result<String, Refusal> {
    if sent.contains('#') {
        return Err(bad("the request's target has a fragment"));
    }
    let is_scheme = |scheme: &str| scheme.eq_ignore_ascii_case("http://");
    if sent.get(..7).is_some_and(is_scheme) {
        let rest = &sent[7..];
        return match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('/') => Ok(rest[at..].to_owned()),
            Some(at) => Ok(format!("/{}", &rest[at..])),
            None => Ok("/".to_owned()),
        };
    }
    match sent.starts_with('/') {
        true => Ok(sent.to_owned()),
        false => Err(bad("the request's target is not a path")),
    }
}

/// The path that is meant: decoded, slashes merged, `.` and `..` resolved, as nginx and lighttpd do.
fn path(sent: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = decode(sent.as_bytes())?;
    let mut path = vec![b'/'];
    for segment in decoded.split_inclusive(|&byte| byte == b'/') {
        match segment {
            b"/" | b"./" | b"." => {}
            b"../" | b".." => {
                // `path` ends in a slash: leave the last name before it out.
                let Some((_, parents)) = path.split_last().filter(|(_, names)| !names.is_empty())
                else {
                    return Err(bad("the request's path leads above the root"));
                };
                let parent = parents.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                path.truncate(parent + 1);
            }
            name => path.extend_from_slice(name),
        }
    }
    Ok(path)
}

/// Decodes `%20` and the like.
fn decode(sent: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(sent.len());
    let mut rest = sent;
    while let [first, others @ ..] = rest {
        let (byte, after) = match (first, others) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => return Err(bad("the request's path has a % without two hex digits")),
            },
            (b'%', _) => return Err(bad("the request's path has a % without two hex digits")),
            (&byte, after) => (byte, after),
        };
        if byte == 0 {
            return Err(bad("the request's path has a NUL byte"));
        }
        decoded.push(byte);
        rest = after;
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

fn bad(sentence: impl Into<String>) -> Refusal {
    Refusal::new(400, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Request, Refusal> {
        let bytes = head.replace('\n', "\r\n").into_bytes();
        for length in 1..bytes.len() {
            assert!(!matches!(Request::parse(&bytes[..length]), Ok(Some(_))));
        }
        let with_more = [&bytes[..], b"GET"].concat();
        let (request, length) = Request::parse(&with_more)?.expect("a whole head");
        assert_eq!(length, bytes.len());
        Ok(request)
    }

    fn params(head: &str) -> Vec<(String, String)> {
        let (local, peer) = ("127.0.0.1:8000", "127.0.0.1:40000");
        let params = parse(head)
            .unwrap()
            .params(local.parse().unwrap(), peer.parse().unwrap());
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        params
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect()
    }

    #[test]
    fn the_params_are_those_of_a_web_server_and_no_others() {
        let head = "POST /news/a%20b?x=1&y HTTP/1.1\nHost: Example.ORG:8000\nContent-Type: text/plain\n\
                    content-length: 3\nX-Rep: a\nCookie: a=1\nProxy: http://evil\nx_under: 1\nX.Dot: 1\nx-rep: b\n\
                    COOKIE: b=2\nAuthorization: Basic eDp5\nConnection: keep-alive, TE\nTE: trailers\nX-Empty:\n\n";
        let expected = [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            (
                "SERVER_SOFTWARE",
                concat!("fcgi/", env!("CARGO_PKG_VERSION")),
            ),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "example.org"),
            ("SERVER_ADDR", "127.0.0.1"),
            ("SERVER_PORT", "8000"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_PORT", "40000"),
            ("REQUEST_METHOD", "POST"),
            ("REQUEST_SCHEME", "http"),
            ("REQUEST_URI", "/news/a%20b?x=1&y"),
            ("DOCUMENT_URI", "/news/a b"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/news/a b"),
            ("QUERY_STRING", "x=1&y"),
            ("HTTP_HOST", "Example.ORG:8000"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "3"),
            ("HTTP_X_REP", "a, b"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_AUTHORIZATION", "Basic eDp5"),
            ("HTTP_CONNECTION", "keep-alive, TE"),
            ("HTTP_TE", "trailers"),
            ("HTTP_X_EMPTY", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(params(head), expected);
    }

    #[test]
    fn an_old_request_without_a_host_is_served_by_address() {
        let local: SocketAddr = "[::1]:80".parse().unwrap();
        let params = parse("GET /? HTTP/1.0\n\n").unwrap().params(local, local);
        let get = |name| {
            let mut named = params.iter().filter(|(candidate, _)| candidate == name);
            let (_, value) = named.next()?;
            assert!(named.next().is_none());
            Some(std::str::from_utf8(value).unwrap())
        };
        assert_eq!(get("SERVER_NAME"), Some("::1"));
        assert_eq!(get("SERVER_PROTOCOL"), Some("HTTP/1.0"));
        assert_eq!(
            (get("REQUEST_URI"), get("QUERY_STRING")),
            (Some("/?"), Some(""))
        );
        for absent in [
            "CONTENT_LENGTH",
            "CONTENT_TYPE",
            "HTTP_HOST",
            "HTTPS",
            "DOCUMENT_ROOT",
        ] {
            assert_eq!(get(absent), None, "{absent}");
        }
    }

    #[test]
    fn hosts_lose_their_port() {
        let rows = [
            ("a", "a"),
            ("A.b:80", "a.b"),
            ("[::1]:8000", "[::1]"),
            ("[::1]", "[::1]"),
            ("", "127.0.0.1"),
        ];
        for (host, name) in rows {
            let params = params(&format!("GET / HTTP/1.1\nHost: {host}\n\n"));
            assert!(
                params.contains(&("SERVER_NAME".into(), name.into())),
                "{host}"
            );
        }
    }

    #[test]
    fn paths_are_decoded_and_resolved() {
        let table = [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a%20b%2fc+d", "/a b/c+d"),
            ("//x//y", "/x/y"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/..", "/"),
            ("/a%2F%2e%2E%2Fb", "/b"),
            ("/.../..a/a..", "/.../..a/a.."),
            ("/a;p=1/%3Fq%25", "/a;p=1/?q%"),
            ("/%0Ab", "/\nb"),
            ("/é%C3%A9", "/éé"),
        ];
        for (sent, expected) in table {
            assert_eq!(path(sent), Ok(expected.into()), "{sent}");
        }
        for sent in [
            "/%",
            "/%4",
            "/%4g",
            "/%+4",
            "/%00",
            "/..",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e/",
        ] {
            assert_eq!(path(sent).unwrap_err().status, 400, "{sent}");
        }
    }

    #[test]
    fn targets_are_cut_to_path_and_query() {
        let table = [
            ("/x?y?z", Some("/x?y?z")),
            ("http://a/b?c", Some("/b?c")),
            ("HTTP://a:80", Some("/")),
            ("http://a?b/c", Some("/?b/c")),
            ("*", None),
            ("a:443", None),
            ("https://a/", None),
            ("/x#y", None),
        ];
        for (sent, expected) in table {
            assert_eq!(target(sent).ok().as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn connections_are_kept_as_the_browser_wishes() {
        let table = [
            ("HTTP/1.1\nHost: a", true),
            ("HTTP/1.1\nHost: a\nConnection: Close", false),
            ("HTTP/1.1\nHost: a\nConnection: TE, close", false),
            ("HTTP/1.1\nHost: a\nConnection: closed", true),
            ("HTTP/1.0", false),
            ("HTTP/1.0\nConnection: Keep-Alive", true),
        ];
        for (rest, expected) in table {
            let request = parse(&format!("GET / {rest}\n\n")).unwrap();
            assert_eq!(request.keep_alive, expected, "{rest}");
        }
    }

    #[test]
    fn bodies_are_framed_one_way_only() {
        let of = |fields: &str| {
            parse(&format!("POST / HTTP/1.1\nHost: a\n{fields}\n")).map(|request| request.framing)
        };
        assert_eq!(of(""), Ok(Framing::Length(0)));
        assert_eq!(
            of("Content-Length: 18446744073709551615\n"),
            Ok(Framing::Length(u64::MAX))
        );
        assert_eq!(of("Transfer-Encoding: Chunked\n"), Ok(Framing::Chunked));
        let refused = [
            ("Content-Length: 1\nContent-Length: 1\n", 400),
            ("Content-Length: 1, 1\n", 400),
            ("Content-Length: +1\n", 400),
            ("Content-Length: -1\n", 400),
            ("Content-Length:\n", 400),
            ("Content-Length: 18446744073709551616\n", 400),
            ("Content-Length: 1\nTransfer-Encoding: chunked\n", 400),
            ("Transfer-Encoding: gzip, chunked\n", 501),
            (
                "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
                501,
            ),
            ("Expect: a-miracle\n", 417),
        ];
        for (fields, status) in refused {
            assert_eq!(of(fields).unwrap_err().status, status, "{fields}");
        }
        assert!(
            parse("GET / HTTP/1.1\nHost: a\nExpect: 100-Continue\n\n")
                .unwrap()
                .expects_continue
        );
        assert!(
            !parse("GET / HTTP/1.0\nExpect: 100-continue\n\n")
                .unwrap()
                .expects_continue
        );
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_sentence() {
        let many = format!("GET / HTTP/1.1\nHost: a\n{}\n", "A: b\n".repeat(MAX_FIELDS));
        let rows = [
            ("\x16\x03\x01\x02\x00\x01", 400),
            ("nonsense\n\n", 400),
            ("GET /\n\n", 400),
            ("GET / HTTP/1.1\n\n", 400),
            ("GET / HTTP/1.1\nHost: a\nHost: a\n\n", 400),
            ("GET / HTTP/1.1\nHost: a/b\n\n", 400),
            ("GET / HTTP/1.1\nHost: a\nX Y: b\n\n", 400),
            ("GET / HTTP/1.1\nHost: a\nA: b\n folded\n\n", 400),
            ("GET / HTTP/2.0\nHost: a\n\n", 505),
            ("CONNECT a:443 HTTP/1.1\nHost: a\n\n", 405),
            ("TRACE / HTTP/1.1\nHost: a\n\n", 405),
            ("POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n", 400),
            (&many, 431),
        ];
        for (head, status) in rows {
            let refusal = parse(head).unwrap_err();
            assert_eq!(refusal.status, status, "{head}: {refusal:?}");
            assert!(!refusal.sentence.is_empty());
        }
    }

    #[test]
    fn a_head_of_64_kib_is_the_longest() {
        let of = |length: usize| {
            let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nA: ".to_vec();
            head.resize(length - 4, b'x');
            head.extend_from_slice(b"\r\n\r\n");
            head
        };
        assert!(matches!(
            Request::parse(&of(MAX_HEAD)),
            Ok(Some((_, MAX_HEAD)))
        ));
        assert_eq!(Request::parse(&of(MAX_HEAD)[..MAX_HEAD - 1]), Ok(None));
        assert_eq!(Request::parse(&of(MAX_HEAD + 1)).unwrap_err().status, 431);
        assert_eq!(
            Request::parse(&of(MAX_HEAD + 9)[..MAX_HEAD])
                .unwrap_err()
                .status,
            431
        );
    }
}
