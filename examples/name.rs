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
