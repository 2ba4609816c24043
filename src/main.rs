//! The stock binary `fcgi`: the command line of every application, around a small page that shows what a web server
//! passes on. Put in place of an application it tells whether the way there is right.

use fcgi::{Request, Response};
use std::process::ExitCode;

fn main() -> ExitCode {
    fcgi::cli::main(page)
}

fn page(req: &mut Request, res: Response) -> fcgi::Result {
    let facts = [
        ("method", req.method()),
        ("mount", req.mount()),
        ("path", req.path()),
        ("query", req.query()),
        ("web server", req.param("SERVER_SOFTWARE").unwrap_or("")),
    ];
    let rows: String = facts
        .map(|(name, value)| format!("<tr><th>{name}<td>{}\n", fcgi::html_escape(value)))
        .concat();
    res.content_type("text/html; charset=utf-8").send(format!(
        "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>It works</title>\n\
         <style>body {{ font: 16px sans-serif; margin: 2em }} th {{ text-align: left; padding-right: 2em }}</style>\n\
         <h1>It works</h1>\n\
         <p>This is the program <code>fcgi</code>. What it sees of your request:\n\
         <table>\n{rows}</table>\n\
         <p>Put your own application in its place: <code>fcgi::cli::main(app)</code> is all of its main function.\n\
         <p><code>fcgi conf htaccess</code> prints the configuration for a web server, <code>fcgi --help</code> the rest.\n"
    ))
}
