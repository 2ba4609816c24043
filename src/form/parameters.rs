//! The parameters of a header: `; name="value"`. Read of a form's Content-Type and of a part's Content-Disposition.

/// What follows the first word of a header: `; name=value; name="quoted value"`. What is not of that form is passed over.
pub(super) struct Parameters<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Vec<u8>);

    fn next(&mut self) -> Option<(&'a [u8], Vec<u8>)> {
        loop {
            let rest = self.0.trim_ascii_start();
            let rest = rest.strip_prefix(b";").unwrap_or(rest).trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
            let end = rest.iter().position(|byte| b";=".contains(byte));
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            let Some(value) = after.strip_prefix(b"=") else {
                self.0 = after;
                continue;
            };
            let (value, after) = value_of(value.trim_ascii_start());
            self.0 = after;
            return Some((name.trim_ascii_end(), value));
        }
    }
}

/// The value, quoted or not, and what comes after it.
fn value_of(text: &[u8]) -> (Vec<u8>, &[u8]) {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let (end, is_escaped) = end_of(quoted);
        let after = quoted.get(end + 1..).unwrap_or_default();
        return (without_escapes(&quoted[..end], is_escaped), after);
    }
    let end = text.iter().position(|&byte| byte == b';');
    let (value, after) = text.split_at(end.unwrap_or(text.len()));
    (value.trim_ascii_end().to_vec(), after)
}

/// Where the closing quote stands, and whether a backslash before another backslash escapes it.
///
/// Clients differ. Go, and curl before 7.81, write a backslash before each quote and each backslash. Older Firefoxes wrote
/// one before quotes alone. Today's browsers write none at all: of a name that ends in a backslash the last two bytes are
/// that backslash and the closing quote (seen in Chromium 156).
fn end_of(text: &[u8]) -> (usize, bool) {
    let last = text.iter().rposition(|&byte| byte == b'"');
    let last = last.unwrap_or(text.len());
    let (mut at, mut is_escaped) = (0, true);
    while at < last {
        at += match text[at..] {
            [b'\\', b'\\', ..] => 2,
            [b'\\', b'"', ..] if at + 1 < last => 2,
            // A single backslash stands for itself: a client that escapes would have written two.
            [b'\\', ..] => {
                is_escaped = false;
                1
            }
            [b'"', ..] => break,
            _ => 1,
        };
    }
    (at, is_escaped)
}

fn without_escapes(mut text: &[u8], is_escaped: bool) -> Vec<u8> {
    let mut value = Vec::new();
    while let Some((&byte, after)) = text.split_first() {
        let (byte, after) = match text {
            [b'\\', b'"', after @ ..] => (b'"', after),
            [b'\\', b'\\', after @ ..] if is_escaped => (b'\\', after),
            _ => (byte, after),
        };
        value.push(byte);
        text = after;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_quoted_and_a_backslash_escapes_where_its_client_escapes() {
        for (text, expected) in [
            (
                "; name=\"a\"; filename=\"b;c\"",
                &[("name", "a"), ("filename", "b;c")][..],
            ),
            (
                ";name=a b ;filename=c",
                &[("name", "a b"), ("filename", "c")],
            ),
            ("; name=\"a\\\"b\\\\c\"", &[("name", "a\"b\\c")]),
            // A backslash that escapes nothing says that another does not either.
            ("; name=\"a\\\"b\\\\c\\d\"", &[("name", "a\"b\\\\c\\d")]),
            (
                "; filename=\"\\\\server\\share\\\"; x=y",
                &[("filename", "\\\\server\\share\\"), ("x", "y")],
            ),
            (
                "; name=\"\\\\\"; filename=\"ends with\\\"",
                &[("name", "\\"), ("filename", "ends with\\")],
            ),
            ("; name=\"\\", &[("name", "\\")]),
            ("; name=\"", &[("name", "")]),
            ("; name=\"no end", &[("name", "no end")]),
            ("; filename=\"a\\\" ", &[("filename", "a\\")]),
            ("; filename=\"\\\\\"", &[("filename", "\\")]),
            (
                "; name=\"\"; ; =; x; y=",
                &[("name", ""), ("", ""), ("y", "")],
            ),
            ("", &[]),
            (";;;", &[]),
        ] {
            let found: Vec<(String, String)> = Parameters(text.as_bytes())
                .map(|(name, value)| {
                    (
                        String::from_utf8_lossy(name).into(),
                        String::from_utf8(value).unwrap(),
                    )
                })
                .collect();
            let expected: Vec<(String, String)> = expected
                .iter()
                .map(|(a, b)| ((*a).into(), (*b).into()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
