//! The stock binary `fcgi`: the command line of every application, around a small page that shows what a web server
//! passes on. Put in place of an application it tells whether the way there is right.

use fcgi::{Request, Response};
use std::process::ExitCode;

#[cfg(feature = "tiny")]
fcgi::tiny!();

fn main() -> ExitCode {
    fcgi::cli::main(page)
}

/// Nothing of it is secret that the visitor does not know: no path, no variable, no other parameter.
fn page(req: &mut Request, res: Response) -> fcgi::Result {
    let param = |name| req.param(name).unwrap_or("").to_owned();
    let request = table(&[
        ("method", req.method().to_owned()),
        ("address", req.url()),
        ("mount", req.mount().to_owned()),
        ("path", req.path().to_owned()),
        ("query", req.query().to_owned()),
        ("visitor", req.remote_addr().unwrap_or_default().to_string()),
        ("user", req.remote_user().unwrap_or("").to_owned()),
        ("bytes of body", length(req)),
        ("parameters", req.params().count().to_string()),
    ]);
    let server = table(&[
        ("web server", param("SERVER_SOFTWARE")),
        ("its name", param("SERVER_NAME")),
        ("its port", param("SERVER_PORT")),
        ("protocol", param("SERVER_PROTOCOL")),
        ("program", format!("fcgi {}", env!("CARGO_PKG_VERSION"))),
    ]);
    res.content_type("text/html; charset=utf-8").send(format!(
        "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\n\
         <title>It works</title>\n\
         <style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #223 }}\n\
         table {{ border-collapse: collapse; width: 100%; margin: 0 0 1.5rem }}\n\
         th, td {{ text-align: left; padding: .2rem .5rem; border-bottom: 1px solid #dde; overflow-wrap: anywhere }}\n\
         th {{ width: 9rem; font-weight: normal; color: #667 }}\n\
         code {{ background: #f0f0f5; padding: .1em .3em }}</style>\n\
         <h1>It works</h1>\n\
         <p>This is the program <code>fcgi</code>. What it sees of your request:\n{request}\
         <p>And of the server that passed it on:\n{server}\
         <p>Put your own application in its place: <code>fcgi::cli::main(app)</code> is all of its main function.\n\
         <p><code>fcgi conf htaccess</code> prints the configuration for a web server, <code>fcgi check</code> tells \
         what is wrong with one, <code>fcgi --help</code> the rest.\n"
    ))
}

fn length(req: &Request) -> String {
    req.content_length()
        .map_or("not said".to_owned(), |n| n.to_string())
}

fn table(rows: &[(&str, String)]) -> String {
    let rows = rows.iter().map(|(name, value)| {
        let value = match &**value {
            "" => "&ndash;".into(),
            value => fcgi::html_escape(value),
        };
        format!("<tr><th>{name}<td>{value}\n")
    });
    format!("<table>\n{}</table>\n", rows.collect::<String>())
}
