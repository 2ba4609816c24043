//! The request that a command asks by itself, `get` once and `bench` again and again: the flags that describe it, and what is
//! made of them. Called by the parsers of both; `serve` and `check` read some of the same flags.

mod body;

use super::command_flags::{self, CommandFlag, many, switch, text};
use super::flags::value::{self, LEAST_WAIT};
use super::script::Script;
use super::words::{Words, words};
use crate::net::Address;
use crate::testing::request;
use body::{Body, named};
use getopts::Matches;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The flags that describe a request. Where curl has such a flag, it has curl's name.
#[rustfmt::skip]
pub(super) const FLAGS: &[CommandFlag] = &[
    text("X", "request", "METHOD", "[GET; POST with a body]"),
    many("H", "header", "\"NAME: VALUE\"", "NAME: takes one away"),
    many("b", "cookie", "NAME=VALUE", "as --header Cookie has it"),
    many("d", "data", "DATA", "a body: a form's; @FILE, @-: without line ends"),
    many("", "data-binary", "DATA", "as it is; @FILE, @- (standard input)"),
    many("", "data-raw", "DATA", "as it is, with an @ in front, too"),
    many("", "data-urlencode", "TEXT", "NAME=VALUE, NAME@FILE: encoded for a form"),
    switch("G", "get", "puts the data into the query"),
    many("F", "form", "NAME=VALUE", "a field of a multipart form; NAME=@FILE uploads"),
    many("", "param", "NAME=VALUE", "a CGI parameter: REMOTE_USER=ada, HTTPS=on"),
    switch("", "only-params", "no parameters but those of --param"),
    text("", "script-filename", "FILE", "the script, for php-fpm"),
];

/// A request, whole.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Words,
    /// Path and query, as they were typed.
    pub(super) target: Words,
    pub(super) params: Vec<Pair>,
    pub(super) body: Vec<u8>,
}

/// A parameter's name and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

impl Asked {
    /// The request for `target` that the flags describe. `method` is one that another flag asks for.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn of(
        matches: &Matches,
        target: &str,
        method: Option<Words>,
    ) -> Result<Asked, Words> {
        let (target, body) = with_query(matches, target, Body::of(matches)?)?;
        if method == Some("HEAD") && !matches!(body, Body::None) {
            return Err("--head asks without a body; leave it or the body out");
        }
        let method = method_of(matches, method, &body)?;
        let mut ask = request(method, target);
        for (name, value) in headers(matches, &body)? {
            ask = ask.header(name, value);
        }
        ask = match body {
            Body::None => ask,
            Body::Data(data) => ask.body(data),
            Body::Form(fields) => {
                for field in &fields {
                    ask = ask.part(
                        field.name,
                        field.file_name,
                        field.content_type,
                        &field.content,
                    );
                }
                ask
            }
        };
        let (mut params, body) = ask.into_parts();
        if matches.opt_present("only-params") {
            params.clear();
        }
        if let Some(file) = matches.opt_str("script-filename") {
            Script::file(&file)?.name_in(&mut params);
        }
        for text in matches.opt_strs("param") {
            let (name, value) = named("param", &text)?;
            set(&mut params, name, value);
        }
        Ok(Asked {
            method,
            target,
            params,
            body,
        })
    }
}

/// The target, `/path?query`, which is the one word of the command; without a word it is `default`.
///
/// # Errors
/// One sentence.
pub(super) fn target<'m>(
    command: &str,
    words: &'m [String],
    default: Option<&'m str>,
) -> Result<&'m str, Words> {
    let word = match (words, default) {
        ([word], _) => word,
        ([], Some(default)) => return Ok(default),
        ([], None) => return Err(words!("{command} needs a path; write {command} /")),
        ([_, word, ..], _) => {
            return Err(words!(
                "{command} takes one path, and {word:?} is one word more; leave it out"
            ));
        }
    };
    if let Some((scheme, rest)) = word.split_once("://")
        && ["http", "https"].contains(&scheme)
    {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        return Err(words!(
            "{word:?} has a host, and {command} asks the application itself; write {path}, and --header \"Host: NAME\" if it matters"
        ));
    }
    if !word.starts_with('/') {
        return Err(words!(
            "{word:?} is no path, which begins with a slash; write /{word}"
        ));
    }
    match word.chars().find(|&c| is_illegal(c)) {
        Some('#') => Err(words!(
            "{word:?} has a #, and no browser sends what stands behind it; leave it out, or write %23"
        )),
        Some(bad) => Err(words!(
            "{word:?} has {bad:?} in it; write %{:02X}",
            u32::from(bad)
        )),
        None => Ok(word),
    }
}

/// The address of the application that is asked, by `--connect`.
///
/// # Errors
/// One sentence, also for an address to which nobody can connect.
pub(super) fn connect(matches: &Matches) -> Result<Option<Address>, Words> {
    command_flags::value(matches, "connect", |text| match value::address(text)? {
        Address::Fd(_) => Err(format!(
            "{text} is a descriptor, and nobody listens at its other end; write unix:/path or 127.0.0.1:9000"
        )),
        Address::Tcp(address) if address.port() == 0 => Err(format!(
            "nobody listens on port 0; write the port that the application names, as in {}:9000",
            address.ip()
        )),
        address => Ok(address),
    })
}

/// The time limit that a flag says; without it, `default` seconds.
///
/// # Errors
/// One sentence.
pub(super) fn time(matches: &Matches, name: &str, default: u64) -> Result<Duration, Words> {
    let time = command_flags::value(matches, name, |text| value::seconds(text, LEAST_WAIT))?;
    Ok(time.unwrap_or(Duration::from_secs(default)))
}

/// What can be done about an error of connecting, as the end of its sentence.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => {
            "; is the application running, and is this the path that it listens on?"
        }
        ErrorKind::ConnectionRefused => "; nobody listens there: start the application",
        ErrorKind::PermissionDenied => {
            "; the socket or its folder is closed to this user: try it as the web server's"
        }
        ErrorKind::TimedOut => "; all of its workers are busy, or it hangs",
        _ => "",
    }
}

/// The target and the body: with `--get`, the data are put into the query, and there is no body.
fn with_query(matches: &Matches, target: &str, body: Body) -> Result<(Words, Body), Words> {
    let data = match (matches.opt_present("get"), body) {
        (false, body) => return Ok((words!("{target}"), body)),
        (true, Body::Data(data)) => data,
        (true, Body::None | Body::Form(_)) => {
            return Err("--get puts data into the query; write --data NAME=VALUE, too");
        }
    };
    let between = if target.contains('?') { '&' } else { '?' };
    match String::from_utf8(data) {
        Ok(data) if !data.contains(is_illegal) => {
            Ok((words!("{target}{between}{data}"), Body::None))
        }
        _ => Err(
            "--get: the data have what no path can have; write --data-urlencode, which encodes it",
        ),
    }
}

/// Whether no path and no query can have this character.
fn is_illegal(c: char) -> bool {
    c == '#' || c == ' ' || c.is_control()
}

/// The method: by `--request`, by what another flag needs, or by whether there is a body.
fn method_of(matches: &Matches, needed: Option<Words>, body: &Body) -> Result<Words, Words> {
    match (matches.opt_str("request"), needed, body) {
        (Some(method), ..) if is_token(&method) => Ok(method.leak()),
        (Some(method), ..) => Err(words!(
            "--request: {method:?} is not legal in HTTP; write GET, POST and the like"
        )),
        (None, Some(method), _) => Ok(method),
        (None, None, Body::None) => Ok("GET"),
        (None, None, _) => Ok("POST"),
    }
}

/// The headers: those that every browser sends, changed by `--header` and `--cookie`. Repeated ones are joined, as web servers
/// do.
fn headers(matches: &Matches, body: &Body) -> Result<Vec<(Words, Words)>, Words> {
    let mut headers = vec![
        ("User-Agent", concat!("fcgi/", env!("CARGO_PKG_VERSION"))),
        ("Accept", "*/*"),
    ];
    if matches!(body, Body::Data(_)) {
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    }
    let ours = headers.len();
    let mut texts = matches.opt_strs("header");
    for cookie in matches.opt_strs("cookie") {
        named("cookie", &cookie)?;
        texts.push(format!("Cookie: {cookie}"));
    }
    for text in texts {
        let (name, value) = header(text.leak())?;
        if name.eq_ignore_ascii_case("content-type") && matches!(body, Body::Form(_)) {
            return Err("--header: --form sets Content-Type, with the boundary; leave it out");
        }
        let is_same = |other: &(Words, Words)| other.0.eq_ignore_ascii_case(name);
        let place = headers.iter().position(is_same);
        match (place, value) {
            (Some(place), None) => headers[place].0 = "",
            (Some(place), Some(value)) if place < ours => headers[place] = (name, value),
            (Some(place), Some(value)) => {
                let between = match name.eq_ignore_ascii_case("cookie") {
                    true => "; ",
                    false => ", ",
                };
                let before = headers[place].1;
                headers[place].1 = words!("{before}{between}{value}");
            }
            (None, Some(value)) => headers.push((name, value)),
            (None, None) => {}
        }
    }
    headers.retain(|(name, _)| !name.is_empty());
    Ok(headers)
}

/// Name and value of a header, as curl has it: `Name: value`; `Name;` has an empty value; `Name:` takes the header away, which
/// is `None`.
fn header(text: Words) -> Result<(Words, Option<Words>), Words> {
    let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
        (Some((name, value)), _) => (name, Some(value.trim()).filter(|value| !value.is_empty())),
        (None, Some(name)) => (name, Some("")),
        (None, None) => {
            return Err(words!(
                "--header: {text:?} has no colon; write \"NAME: VALUE\""
            ));
        }
    };
    let refused = match name.to_ascii_lowercase().as_str() {
        _ if !is_token(name) => {
            words!("the name {name:?} is not legal in HTTP; write letters, digits and hyphens")
        }
        // `X_A` and `X-A` would be the same parameter: nginx and Apache drop the header with the underscore.
        lower if lower.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-') => words!(
            "{name} cannot be in CGI, whose names have letters, digits and hyphens, and web servers drop it; write {}",
            name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        ),
        // The attack called httpoxy.
        "proxy" => {
            "Proxy would become HTTP_PROXY, which programs take for a setting, so that web servers drop it; leave it out, \
             or write --param HTTP_PROXY=URL"
        }
        "content-length" => {
            "the body sets Content-Length; leave it out, or write a wrong one with --param CONTENT_LENGTH=N"
        }
        "transfer-encoding" => {
            "Transfer-Encoding is between browser and web server and no part of CGI; leave it out"
        }
        "host" if value.is_none() => "every web server sends a Host; write --header \"Host: NAME\"",
        _ if value.is_some_and(|value| value.contains(|c: char| c.is_control() && c != '\t')) => {
            words!("the value of {name} has a control character, which HTTP forbids; leave it out")
        }
        _ => return Ok((name, value)),
    };
    Err(words!("--header: {refused}"))
}

/// Sets a parameter, in the place of those of the same name.
fn set(params: &mut Vec<Pair>, name: &str, value: &str) {
    params.retain(|(other, _)| other != name.as_bytes());
    params.push((name.into(), value.into()));
}

/// Whether HTTP allows it as a method or as the name of a header.
fn is_token(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_legal)
}
