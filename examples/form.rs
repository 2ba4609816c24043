//! A form and what becomes of it: a field, a choice of several, a small file. `cargo run --example form` shows it in a
//! browser. What is larger than memory should hold is the example `upload`.

use fcgi::{Error, FormLimits, Request, Response, html_escape};

const PAGE: &str = "<!doctype html><title>A form</title>
<form method=post enctype=multipart/form-data>
<p><label>Name <input name=name></label>
<p><label><input type=checkbox name=likes value=tea>Tea</label>
<label><input type=checkbox name=likes value=coffee>Coffee</label>
<p><label>Picture <input type=file name=picture></label>
<p><button>Send</button>
</form>";

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    let res = res.content_type("text/html; charset=utf-8");
    match req.method() {
        "GET" | "HEAD" => res.send(PAGE),
        "POST" => res.send(answer(req)?),
        method => Err(Error::new(405, format!("{method} is not for a form"))),
    }
}

/// Whatever a visitor sends is text until it is escaped. A form that is too large, malformed or none is answered by `?`.
fn answer(req: &mut Request) -> fcgi::Result<String> {
    let form = req.form_with(&FormLimits::default().max_files(1))?;
    let name = form.get("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::new(400, "the name is missing"))?;
    let mut page = format!("<p>Hello, {}!", html_escape(name));
    for like in form.all("likes") {
        page += &format!("<p>You like {}.", html_escape(like));
    }
    if let Some(picture) = form.file("picture") {
        let (name, bytes) = (html_escape(picture.file_name()), picture.bytes().len());
        page += &format!("<p>Your picture {name} has {bytes} bytes.");
    }
    Ok(page)
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(app)
}

#[cfg(test)]
mod tests {
    use super::app;
    use fcgi::testing::request;

    #[test]
    fn a_visitor_is_answered_with_what_was_filled_in() {
        let answer = request("POST", "/")
            .form(&[
                ("name", "<John>"),
                ("likes", "tea"),
                ("likes", "coffee & cake"),
            ])
            .call(app);
        let page = "<p>Hello, &lt;John&gt;!<p>You like tea.<p>You like coffee &amp; cake.";
        assert_eq!((answer.status(), answer.text()), (200, page));
    }

    #[test]
    fn a_picture_comes_with_its_name() {
        let answer = request("POST", "/")
            .field("name", "Ann")
            .file("picture", "\u{732b}.png", b"not a cat")
            .call(app);
        let page = "<p>Hello, Ann!<p>Your picture \u{732b}.png has 9 bytes.";
        assert_eq!((answer.status(), answer.text()), (200, page));
    }

    #[test]
    fn what_is_missing_too_much_or_no_form_is_said() {
        let without_name = request("POST", "/").form(&[("name", "")]);
        assert_eq!(without_name.call(app).status(), 400);
        let two = request("POST", "/")
            .field("name", "x")
            .file("a", "a", b"")
            .file("b", "b", b"");
        assert_eq!(two.call(app).status(), 413);
        let json = request("POST", "/")
            .header("Content-Type", "application/json")
            .body("{}");
        assert_eq!(json.call(app).status(), 415);
        assert_eq!(request("DELETE", "/").call(app).status(), 405);
    }
}
