//! Which part of a log's line is the web server's own words, and which a visitor's. Pure. Called by `explain`.
//!
//! Logs repeat what a visitor has chosen: the address, and headers such as Referer. He may choose them so that they look like
//! an error of the server's, to make whoever reads the log look for a trouble that there is not, or start a program that he
//! names.

/// The line without what a visitor has written, as far as the place of that is known: Apache and nginx write requests,
/// Referer and User-Agent in quotes behind their own words. nginx writes the upstream behind the request: that is kept.
pub(super) fn without(line: &str) -> String {
    let line = &line[..begin_of(line, &[", referer: ", ", referrer: \""])];
    let line = &line[..request_of_access(line).unwrap_or(line.len())];
    let end = begin_of(line, &[", request: \""]);
    let upstream = line[end..].rfind(", upstream: \"");
    let upstream = upstream.map_or("", |at| &line[end + at..]);
    format!("{}{upstream}", &line[..end])
}

/// Where the server's own words begin, if the line has a mark in front of them: nginx's `7#7: *1 ` or Apache's `AH01630: `.
/// Words of a rule that begin further right may be a path that a visitor has chosen.
pub(super) fn own_words(line: &str) -> Option<usize> {
    of_nginx(line).or_else(|| of_apache(line))
}

fn begin_of(line: &str, words: &[&str]) -> usize {
    let found = words.iter().filter_map(|words| line.find(words)).min();
    found.unwrap_or(line.len())
}

/// Where the request begins in a line of an access log, which is behind the time:
/// `[21/Nov/2026:13:00:00 +0000] "GET / HTTP/1.1" 200`.
fn request_of_access(line: &str) -> Option<usize> {
    let is_zone = |at: usize| {
        let zone = line.as_bytes().get(at.checked_sub(5)?..at)?;
        let (sign, digits) = zone.split_first()?;
        Some(matches!(sign, b'+' | b'-') && digits.iter().all(u8::is_ascii_digit))
    };
    let mut ends = line.match_indices("] \"").map(|(at, _)| at);
    ends.find(|&at| is_zone(at) == Some(true))
}

fn of_nginx(line: &str) -> Option<usize> {
    let numbers = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .filter(|&len| len > 0)
    };
    // `[error] 7#7: *1 `, behind the time.
    let level = line.find("] ").filter(|_| line.starts_with("20"))? + 2;
    let rest = &line[level..];
    let process = numbers(rest)?;
    let rest = rest[process..].strip_prefix('#')?;
    let rest = &rest[numbers(rest)?..];
    let rest = rest.strip_prefix(": ")?;
    let connection = rest.strip_prefix('*').and_then(|rest| {
        let rest = &rest[numbers(rest)?..];
        rest.strip_prefix(' ')
    });
    Some(line.len() - connection.unwrap_or(rest).len())
}

fn of_apache(line: &str) -> Option<usize> {
    let mut codes = line.match_indices("AH").map(|(at, _)| at);
    let code_len = "AH00000: ".len();
    let is_code = |at: &usize| {
        let code = line.as_bytes().get(at + 2..at + code_len);
        code.is_some_and(|code| code[..5].iter().all(u8::is_ascii_digit) && code.ends_with(b": "))
    };
    codes.find(is_code).map(|at| at + code_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_wrote_is_cut_off() {
        for (line, left) in [
            ("AH00127: x, referer: y", "AH00127: x"),
            (
                "a [1/Nov/2026:1:0:0 +0000] \"GET /x HTTP/1.1\" 200 \"r\" \"a\"",
                "a [1/Nov/2026:1:0:0 +0000",
            ),
            (
                "[pid 7] \"ExecCGI Option\" is off",
                "[pid 7] \"ExecCGI Option\" is off",
            ),
            (
                "*1 x while y, client: a, request: \"GET /x HTTP/1.1\", upstream: \"fastcgi://u:\", host: \"h\"",
                "*1 x while y, client: a, upstream: \"fastcgi://u:\", host: \"h\"",
            ),
        ] {
            assert_eq!(without(line), left);
        }
    }

    #[test]
    fn own_words_begin_behind_what_is_in_front_of_each_line() {
        for (line, words) in [
            (
                "2026/11/21 13:24:18 [error] 1#12: *1 open() \"x\"",
                Some("open() \"x\""),
            ),
            ("2026/11/21 13:24:18 [alert] 1#1: worker", Some("worker")),
            ("[core:info] [pid 1:tid 2] AH00128: File", Some("File")),
            ("AHA: AH12: AH001é8: x", None),
            ("", None),
        ] {
            assert_eq!(own_words(line).map(|at| &line[at..]), words, "{line}");
        }
    }
}
