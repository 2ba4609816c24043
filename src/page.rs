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

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// The page for what went wrong, behind its type, which is html or text as the `accept` header asks. It has the status and its
/// words, and details if the visitor may see them.
pub(crate) fn error_page(
    status: u16,
    words: &str,
    details: Option<&str>,
    accept: Option<&[u8]>,
) -> (&'static str, String) {
    if !prefers_html(accept) {
        let details = details.map(|details| format!("\n{details}\n"));
        let details = details.unwrap_or_default();
        return (TEXT, format!("{status} {words}\n{details}"));
    }
    let details = details.map(|details| format!("<pre>{}</pre>\n", html_escape(details)));
    let details = details.unwrap_or_default();
    let body = format!("<h1>{status} {words}</h1>\n{details}");
    (HTML, html_page(&format!("{status} {words}"), &body))
}

/// The page of a redirect, which a browser shows that does not follow it by itself.
pub(crate) fn redirect_page(status: u16, words: &str, to: &str) -> String {
    let to = html_escape(to);
    let body = format!("<p>This page is at <a href=\"{to}\">{to}</a>.\n");
    html_page(&format!("{status} {words}"), &body)
}

fn html_page(title: &str, body: &str) -> String {
    format!("<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>{title}</title>\n{body}")
}

/// Whether html is accepted, and no less than plain text. A visitor without an Accept header, as a program, gets text.
fn prefers_html(accept: Option<&[u8]>) -> bool {
    let accept = accept.and_then(|accept| std::str::from_utf8(accept).ok());
    let accept = accept.unwrap_or_default();
    let html = quality(accept, "text/html");
    html > 0 && html >= quality(accept, "text/plain")
}

/// How much a kind of text is wanted, in thousandths: as the header says of this kind, else of all text, else of everything.
fn quality(accept: &str, kind: &str) -> u32 {
    let said = |wanted: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
            is_wanted.then(|| weight(parameters))
        });
        ranges.max()
    };
    [kind, "text/*", "*/*"]
        .into_iter()
        .find_map(said)
        .unwrap_or(0)
}

/// The `q=0.5` among the parameters of a range, in thousandths: 1000 if there is none, 0 if it is no number.
fn weight(parameters: &str) -> u32 {
    let q = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(q) = q else { return 1000 };
    let (whole, part) = q.split_once('.').unwrap_or((q, ""));
    let is_number = whole.len() == 1 && part.len() <= 3;
    let digits = format!("{whole}{part:0<3}");
    let digits = digits.parse::<u32>().ok().filter(|_| is_number);
    digits
        .filter(|&thousandths| thousandths <= 1000)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_for_who_accepts_it_and_not_less_than_text() {
        for (accept, is_html) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("TEXT/HTML;charset=utf-8", true),
            ("*/*", true),
            ("text/*;q=0.1", true),
            ("text/plain;q=0.5, text/html;q=0.5", true),
            ("text/plain;q=0.5, text/html ; Q=0.501", true),
            ("text/html;q=0.001", true),
            ("text/html;level=1;q=0.5, text/html;q=1", true),
            ("", false),
            ("text/plain", false),
            ("text/plain, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("text/html;q=0.000, */*", false),
            ("text/plain;q=0.5, */*;q=0.1", false),
            ("text/html;q=0.2, */*;q=0.9", false),
            ("text/html;q=x", false),
            ("text/html;q=2", false),
            ("text/html;q=0.1234", false),
            ("text/html;q=+1", false),
            ("application/json", false),
            ("image/*", false),
        ] {
            assert_eq!(prefers_html(Some(accept.as_bytes())), is_html, "{accept}");
        }
        assert!(!prefers_html(None));
        assert!(!prefers_html(Some(b"text/html\xff")));
    }

    #[test]
    fn a_page_has_details_only_if_it_is_given_them_and_as_text() {
        let page =
            |details, accept: &str| error_page(404, "Not Found", details, Some(accept.as_bytes()));
        assert_eq!(page(None, ""), (TEXT, "404 Not Found\n".into()));
        assert_eq!(
            page(Some("<b>"), ""),
            (TEXT, "404 Not Found\n\n<b>\n".into())
        );
        let head = "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>404 Not Found</title>\n\
                    <h1>404 Not Found</h1>\n";
        assert_eq!(page(None, "*/*"), (HTML, head.into()));
        let details = format!("{head}<pre>&lt;b&gt;</pre>\n");
        assert_eq!(page(Some("<b>"), "*/*"), (HTML, details));
        let page = redirect_page(303, "See Other", "/?a&\"<b>");
        assert!(page.ends_with(
            "<p>This page is at <a href=\"/?a&amp;&quot;&lt;b&gt;\">/?a&amp;&quot;&lt;b&gt;</a>.\n"
        ));
    }

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
