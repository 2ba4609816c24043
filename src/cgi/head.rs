//! What may stand in a response's head, and its words. Called by `exchange`, which writes it.

use super::eight::each;

/// Why a field is refused. Each broke the framing of most web servers that were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Illegal {
    /// Not a token of RFC 9110, section 5.6.2.
    Name,
    /// CR, LF, NUL or another control byte: a split response on some servers, a 500 or 502 on others.
    Value,
    /// A field that the web server or the library writes.
    Reserved,
}

impl Illegal {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Illegal::Name => "its name is not legal in HTTP",
            Illegal::Value => "its value has a control character",
            Illegal::Reserved => "the web server or `Response::status` writes it",
        }
    }
}

/// Whether a field may be sent as it is.
pub(crate) fn check_field(name: &[u8], value: &[u8]) -> Result<(), Illegal> {
    if !is_token(name) {
        return Err(Illegal::Name);
    }
    check_value(value)?;
    const RESERVED: [&[u8]; 5] = [
        b"status",
        b"transfer-encoding",
        b"connection",
        b"trailer",
        b"upgrade",
    ];
    if RESERVED
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err(Illegal::Reserved);
    }
    Ok(())
}

/// Whether a value may be sent as it is. Eight bytes are looked at as one number, and each for itself only if one of them may
/// be a control character.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Illegal> {
    let is_control = |&b: &u8| (b < 0x20 && b != b'\t') || b == 0x7f;
    // Sets the uppermost bit of each byte that may be a control character.
    let doubts = |bytes: u64| {
        // A byte below 0x20 borrows from its uppermost bit, and 0x7f carries into it; but so may what a neighbour borrows
        // or carries: a doubt, to be looked at closer.
        (bytes.wrapping_sub(each(0x20)) | bytes.wrapping_add(each(1))) & !bytes
    };
    let (eights, _) = value.as_chunks();
    let mut doubt = 0;
    for &eight in eights {
        doubt |= doubts(u64::from_le_bytes(eight));
    }
    // The last eight bytes overlap those before: so no shorter rest is left over.
    let doubt = match value.last_chunk() {
        Some(&last) => (doubt | doubts(u64::from_le_bytes(last))) & each(0x80) != 0,
        None => true,
    };
    match doubt && value.iter().any(is_control) {
        true => Err(Illegal::Value),
        false => Ok(()),
    }
}

/// A token of RFC 9110, section 5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| TOKEN[usize::from(b)])
}

/// Whether an answer with this status has no body: of one that has all the same HAProxy 2.6 makes a 502, and h2o 2.2 sends
/// it on, so that the browser takes it for the next response.
pub(crate) fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// The reason phrase of a status (RFC 9110, section 15); for one without a name, the name of its class.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => class(status),
    }
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        2 => "Success",
        3 => "Redirection",
        4 => "Client Error",
        _ => "Server Error",
    }
}

/// The bytes of a token.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_break_a_web_server_are_refused() {
        let rows: &[(&[u8], &[u8], Option<Illegal>)] = &[
            (b"X-Fine", b"a\tb \xe9", None),
            (b"Location", b"", None),
            (b"", b"x", Some(Illegal::Name)),
            (b"X Space", b"x", Some(Illegal::Name)),
            (b"X-Space ", b"x", Some(Illegal::Name)),
            (b"X:", b"x", Some(Illegal::Name)),
            (b"X\r\nY", b"x", Some(Illegal::Name)),
            (b"X-\xe9", b"x", Some(Illegal::Name)),
            (b"X", b"a\r\nSet-Cookie: b", Some(Illegal::Value)),
            (b"X", b"a\n", Some(Illegal::Value)),
            (b"X", b"\0", Some(Illegal::Value)),
            (b"X", b"\x01", Some(Illegal::Value)),
            (b"X", b"\x7f", Some(Illegal::Value)),
            (b"status", b"200", Some(Illegal::Reserved)),
            (b"Transfer-Encoding", b"chunked", Some(Illegal::Reserved)),
            (b"CONNECTION", b"close", Some(Illegal::Reserved)),
            (b"Trailer", b"X", Some(Illegal::Reserved)),
            (b"Upgrade", b"h2c", Some(Illegal::Reserved)),
        ];
        for &(name, value, expected) in rows {
            assert_eq!(
                check_field(name, value).err(),
                expected,
                "{name:?}: {value:?}"
            );
        }
    }

    /// Every byte, at every place of values that end within and behind the words in which they are looked at.
    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for (len, byte) in (1..=17).flat_map(|len| (0..=255_u8).map(move |byte| (len, byte))) {
            for at in 0..len {
                let mut value = vec![b'\t'; len];
                value[at] = byte;
                let is_control = byte != b'\t' && byte.is_ascii_control();
                let refused = check_value(&value).is_err();
                assert_eq!(refused, is_control, "{byte:#x} at {at} of {len}");
            }
        }
    }

    #[test]
    fn every_legal_status_has_words() {
        for status in 200..600 {
            assert!(!reason(status).is_empty());
        }
        assert_eq!(
            (reason(299), reason(499), reason(599)),
            ("Success", "Client Error", "Server Error")
        );
    }
}
