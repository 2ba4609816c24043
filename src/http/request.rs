//! An `http::Request`, made of the params of ours. Called by `responder`.

use super::cgi::Cgi;
use crate::cgi::{Known, target_below};
use crate::error::{Error, Result};
use crate::log_text::one_line;
use crate::request::Request;
use ::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

/// All but the body.
pub(super) fn head(req: &Request<'_>) -> Result<::http::Request<()>> {
    let mut head = ::http::Request::new(());
    *head.method_mut() = method(req)?;
    *head.uri_mut() = uri(req)?;
    *head.version_mut() = version(req.param("SERVER_PROTOCOL"));
    *head.headers_mut() = headers(req)?;
    head.extensions_mut().insert(Cgi::new(req));
    Ok(head)
}

fn method(req: &Request<'_>) -> Result<Method> {
    let (params, _) = req.params_and_place();
    let sent = params.known(Known::RequestMethod).unwrap_or(b"GET");
    Method::from_bytes(sent).map_err(|_| {
        refused(
            format!("the method {}", shown(sent)),
            "it is not legal in HTTP",
        )
    })
}

/// How many bytes a `Uri` can have.
const MAX_URI: usize = u16::MAX as usize - 1;

fn uri(req: &Request<'_>) -> Result<Uri> {
    let (params, place) = req.params_and_place();
    let query = params.known(Known::QueryString).unwrap_or_default();
    let target = target_below(place, params.known(Known::RequestUri), query);
    if target.len() > MAX_URI {
        let len = target.len();
        let why =
            format!("path and query of {len} bytes are refused: an http::Uri holds {MAX_URI}");
        return Err(Error::new(414, why));
    }
    target
        .parse()
        .map_err(|error| refused(format!("the path {}", shown(target.as_bytes())), error))
}

fn version(protocol: Option<&str>) -> Version {
    match protocol {
        Some("HTTP/0.9") => Version::HTTP_09,
        Some("HTTP/1.0") => Version::HTTP_10,
        Some("HTTP/2" | "HTTP/2.0") => Version::HTTP_2,
        Some("HTTP/3" | "HTTP/3.0") => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

fn headers(req: &Request<'_>) -> Result<HeaderMap> {
    let (params, _) = req.params_and_place();
    let mut headers = HeaderMap::with_capacity(params.headers().count() + 2);
    let mut spelled = Vec::new();
    for (variable, value) in params.headers() {
        if let Some(name) = name(variable, &mut spelled)? {
            insert(&mut headers, name, value)?;
        }
    }
    let content_type = params.known(Known::ContentType).unwrap_or_default();
    if !content_type.is_empty() {
        insert(&mut headers, CONTENT_TYPE, content_type)?;
    }
    if let Some(length) = req.content_length() {
        insert(&mut headers, CONTENT_LENGTH, length.to_string().as_bytes())?;
    }
    if let Some(authorization) = req.authorization() {
        insert(&mut headers, AUTHORIZATION, authorization.as_bytes())?;
    }
    Ok(headers)
}

/// The name of the header whose CGI variable is `HTTP_` and `variable`; `spelled` is room to write it in.
///
/// `None` where that is no header. A variable with a dash or in lower case is one that no name of a header leads to.
/// Content-Type and Content-Length have variables without `HTTP_`: those with it, a visitor has made up.
fn name(variable: &[u8], spelled: &mut Vec<u8>) -> Result<Option<HeaderName>> {
    let is_other = |&byte: &u8| byte == b'-' || byte.is_ascii_lowercase();
    let is_none = matches!(variable, b"CONTENT_TYPE" | b"CONTENT_LENGTH");
    if is_none || variable.iter().any(is_other) {
        return Ok(None);
    }
    let in_http = |&byte: &u8| if byte == b'_' { b'-' } else { byte };
    spelled.clear();
    spelled.extend(variable.iter().map(in_http));
    match HeaderName::from_bytes(spelled) {
        Ok(name) => Ok(Some(name)),
        Err(_) => {
            let header = format!("the header {}", shown(spelled));
            Err(refused(header, "its name is not legal in HTTP"))
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) -> Result {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        let header = format!("the header {}", shown(name.as_str().as_bytes()));
        return Err(refused(header, "its value has a control character"));
    };
    // A map panics above 24,576 headers. A request has at most 16,384 parameters, whatever `max_pairs` is set to.
    headers.insert(name, value);
    Ok(())
}

fn refused(what: String, why: impl std::fmt::Display) -> Error {
    Error::new(400, format!("{what} is refused: {why}"))
}

/// The beginning of what a visitor sent, for the log.
fn shown(bytes: &[u8]) -> String {
    const MAX_SHOWN: usize = 60;
    match bytes.get(..MAX_SHOWN) {
        Some(start) => format!("{}…", one_line(&String::from_utf8_lossy(start))),
        None => one_line(&String::from_utf8_lossy(bytes)),
    }
}
