//! A web server's side of a connection: what it writes, and how much it is answered.

use std::io::Read;

/// A whole request with a body, kept alive: few parameters, one of them twice.
pub fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let params = [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path.split('?').next().unwrap()),
        ("REQUEST_URI", path),
        ("QUERY_STRING", query(path)),
        ("CONTENT_LENGTH", &length),
        ("SERVER_NAME", "example"),
        ("HTTP_HOST", "example"),
        ("HTTP_X_TWICE", "a"),
        ("HTTP_X_TWICE", "b"),
    ];
    [head(true, &params), stdin(body)].concat()
}

/// The same request, after which the connection ends.
pub fn closing(mut request: Vec<u8>) -> Vec<u8> {
    request[8 + 2] = 0; // the flags of BEGIN_REQUEST, behind the role
    request
}

/// A whole request as nginx 1.22 writes it for a browser: 29 parameters, and a body in records of 32 KiB.
pub fn request_of_nginx(target: &str, is_kept: bool, body: &[u8]) -> Vec<u8> {
    let path = target.split('?').next().unwrap();
    let (method, kind, length) = match body.len() {
        0 => ("GET", "", String::new()),
        length => ("POST", "application/octet-stream", length.to_string()),
    };
    let params = [
        ("SCRIPT_FILENAME", "/var/www/example/htdocs/index.fcgi"),
        ("QUERY_STRING", query(target)),
        ("REQUEST_METHOD", method),
        ("CONTENT_TYPE", kind),
        ("CONTENT_LENGTH", &length),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("REQUEST_URI", target),
        ("DOCUMENT_URI", path),
        ("DOCUMENT_ROOT", "/var/www/example/htdocs"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "https"),
        ("HTTPS", "on"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "nginx/1.22.1"),
        ("REMOTE_ADDR", "198.51.100.7"),
        ("REMOTE_PORT", "40112"),
        ("SERVER_ADDR", "192.0.2.80"),
        ("SERVER_PORT", "443"),
        ("SERVER_NAME", "www.example.com"),
        ("REDIRECT_STATUS", "200"),
        ("HTTP_HOST", "www.example.com"),
        (
            "HTTP_USER_AGENT",
            "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0",
        ),
        ("HTTP_ACCEPT", "text/html,application/xml;q=0.9,*/*;q=0.8"),
        ("HTTP_ACCEPT_LANGUAGE", "de,en-US;q=0.7,en;q=0.3"),
        ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"),
        ("HTTP_REFERER", "https://www.example.com/news/today"),
        ("HTTP_UPGRADE_INSECURE_REQUESTS", "1"),
        (
            "HTTP_COOKIE",
            "id=0123456789abcdef0123456789abcdef; lang=de; theme=light; seen=12",
        ),
    ];
    [head(is_kept, &params), stdin(body)].concat()
}

#[test]
fn a_request_of_nginx_has_its_usual_length() {
    assert_eq!(request_of_nginx("/hello", true, b"").len(), 912);
}

fn query(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

fn head(is_kept: bool, params: &[(&str, &str)]) -> Vec<u8> {
    let mut pairs = Vec::new();
    for (name, value) in params {
        // Less than 128 bytes each.
        pairs.extend([name.len() as u8, value.len() as u8]);
        pairs.extend_from_slice(name.as_bytes());
        pairs.extend_from_slice(value.as_bytes());
    }
    let begin = record(1, &[0, 1, is_kept.into(), 0, 0, 0, 0, 0]);
    [begin, record(4, &pairs), record(4, b"")].concat()
}

fn stdin(body: &[u8]) -> Vec<u8> {
    let pieces = body.chunks(32 << 10).map(|piece| record(5, piece));
    pieces.chain([record(5, b"")]).flatten().collect()
}

pub fn record(number: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    [&[1, number, 0, 1, high, low, 0, 0], content].concat()
}

/// Reads records up to END_REQUEST. The number of bytes of stdout.
pub fn read_answer(from: &mut impl Read, buffer: &mut [u8]) -> u64 {
    let (mut stdout, size) = (0, buffer.len());
    loop {
        let mut header = [0; 8];
        from.read_exact(&mut header).unwrap();
        let content = u16::from_be_bytes([header[4], header[5]]) as usize;
        let mut left = content + header[6] as usize;
        while left > 0 {
            let n = from.read(&mut buffer[..left.min(size)]).unwrap();
            assert!(n > 0);
            left -= n;
        }
        match header[1] {
            3 => return stdout,
            6 => stdout += content as u64,
            other => panic!("record of type {other}"),
        }
    }
}
