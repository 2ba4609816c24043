//! Whether a line of a log has a shape, and what stands in the holes of that shape. Called by `explain`; its rules have the
//! shapes.
//!
//! A shape is text with holes, such as `connect() to <object> failed (13: `, and may begin anywhere in the line. A hole takes
//! as little as it can; a hole at the end takes the rest of the line. What stands in a hole `<>` is not told. There is no
//! going back: each text is looked for behind the one before it, once.

/// What stands in the holes of a shape that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken<'l> {
    /// Whom the line is about.
    pub(super) object: Option<&'l str>,
    /// What it says of it.
    pub(super) detail: Option<&'l str>,
    /// Where in the line the shape's first text stands.
    pub(super) at: usize,
}

/// Holds a line against a shape. `None`: it does not fit.
pub(super) fn taken<'l>(pattern: &str, line: &'l str) -> Option<Taken<'l>> {
    let mut taken = Taken::default();
    let whole = line.len();
    let (mut pattern, mut line) = (pattern, line);
    let (mut hole, mut is_first) = (Some(""), true);
    while let Some(open) = hole {
        let (text, next) = until_hole(pattern);
        let end = match (text, next) {
            ("", None) => line.len(),
            _ => line.find(text)?,
        };
        match open {
            "object" => taken.object = Some(&line[..end]),
            "detail" => taken.detail = Some(&line[..end]),
            _ => {}
        }
        if is_first && !text.is_empty() {
            taken.at = whole - line.len() + end;
            is_first = false;
        }
        line = &line[end + text.len()..];
        hole = next.map(|(name, _)| name);
        pattern = next.map_or("", |(_, behind)| behind);
    }
    Some(taken)
}

/// The text in front of the next hole; that hole's name, and what is behind it.
fn until_hole(pattern: &str) -> (&str, Option<(&str, &str)>) {
    match pattern.split_once('<') {
        Some((text, rest)) => (text, rest.split_once('>')),
        None => (pattern, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_what_is_between_the_texts() {
        for (pattern, line, object, detail) in [
            ("died", "it died", None, None),
            (
                "to <object> failed",
                "connect() to a b failed",
                Some("a b"),
                None,
            ),
            ("to <object> failed", "to  failed failed", Some(""), None),
            (
                "says: <detail>",
                "x says: y says: z",
                None,
                Some("y says: z"),
            ),
            (
                "(<detail> s) <>\"<object>\"",
                "(30 s) at \"a\" \"b\"",
                Some("a"),
                Some("30"),
            ),
            (
                "<object>: gone",
                "the socket: gone",
                Some("the socket"),
                None,
            ),
            ("<><object>!", "é!", Some("é"), None),
            ("says: <detail>", "says: ", None, Some("")),
        ] {
            let found = taken(pattern, line).unwrap();
            let found = (found.object, found.detail);
            assert_eq!(found, (object, detail), "{pattern} in {line}");
        }
    }

    #[test]
    fn the_first_text_says_where_it_begins() {
        for (pattern, line, at) in [
            ("died", "it died", 3),
            ("<object>: gone", "a b: gone: gone", 3),
            ("<><detail>!", "!", 0),
        ] {
            assert_eq!(taken(pattern, line).unwrap().at, at, "{pattern} in {line}");
        }
    }

    #[test]
    fn each_text_has_to_be_there_behind_the_one_before() {
        for (pattern, line) in [
            ("died", ""),
            ("a<>b", "b a"),
            ("aa<>a", "aa"),
            ("failed (13: ", "failed (111: Connection refused)"),
        ] {
            assert_eq!(taken(pattern, line), None, "{pattern} in {line}");
        }
    }
}
