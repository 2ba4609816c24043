//! The pages that the library answers with itself, and text in HTML. Pure; called by `response` and `connection`.

use std::borrow::Cow;

/// Makes text harmless in HTML, between tags and in quoted attributes: `&`, `<`, `>`, `"` and `'` become references.
///
/// What has none of them is lent as it is. In a script, a style, a comment or an attribute without quotes this is
/// not enough.
///
/// ```
/// let name = "<script>alert('x')</script>";
/// assert_eq!(fcgi::html_escape(name), "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
/// ```
pub fn html_escape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(SPECIAL) else {
        return Cow::Borrowed(text);
    };
    let mut html = String::with_capacity(text.len() + 32);
    let (plain, rest) = text.split_at(first);
    html.push_str(plain);
    for piece in rest.split_inclusive(SPECIAL) {
        let special = piece.chars().next_back().and_then(reference);
        match special {
            Some(reference) => {
                html.push_str(&piece[..piece.len() - 1]);
                html.push_str(reference);
            }
            None => html.push_str(piece),
        }
    }
    Cow::Owned(html)
}

const SPECIAL: [char; 5] = ['&', '<', '>', '"', '\''];

fn reference(special: char) -> Option<&'static str> {
    match special {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_sends_stays_text() {
        for (text, html) in [
            ("", ""),
            ("caf\u{e9}", "caf\u{e9}"),
            ("&<>\"'", "&amp;&lt;&gt;&quot;&#39;"),
            ("a<b a=\"&lt;\">c", "a&lt;b a=&quot;&amp;lt;&quot;&gt;c"),
            ("\u{e9}'\u{e9}", "\u{e9}&#39;\u{e9}"),
        ] {
            assert_eq!(html_escape(text), html);
        }
        assert!(matches!(html_escape("plain"), Cow::Borrowed("plain")));
    }
}
