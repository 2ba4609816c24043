//! The guides' own first application: `?name=John` is greeted, and nothing that a visitor types becomes a part of the page.
//! `cargo run --example name` shows it in a browser.

use fcgi::{Request, Response, html_escape};

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    let name = req.query_value("name").unwrap_or_default();
    res.content_type("text/html; charset=utf-8")
        .send(format!("Hello. Your name is {}", html_escape(&name)))
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(app)
}

#[cfg(test)]
mod tests {
    use super::app;
    use fcgi::testing::{Behind, request};

    #[test]
    fn a_visitor_is_greeted_by_name() {
        let answer = request("GET", "/app.py?name=John").call(app);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text(), "Hello. Your name is John");
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let answer = request("GET", "/?name=%3Cscript%3Ealert(%22%26%22)%3C/script%3E").call(app);
        let text = "Hello. Your name is &lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;";
        assert_eq!(answer.text(), text);
        assert_eq!(
            answer.header("Content-Type"),
            Some("text/html; charset=utf-8")
        );
    }

    #[test]
    fn it_is_the_same_behind_every_web_server() {
        for behind in [
            Behind::ApacheHtaccess,
            Behind::Nginx,
            Behind::Lighttpd,
            Behind::CaddyPhp,
        ] {
            let answer = request("GET", "/?name=John+%C3%A9")
                .behind(behind)
                .call(app);
            assert_eq!(
                answer.text(),
                "Hello. Your name is John \u{e9}",
                "{behind:?}"
            );
        }
    }
}
