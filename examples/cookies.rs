//! The smallest application. `cargo run --release --example hello` shows it in a browser, without a web server.

use fcgi::{Request, Response};

fn app(_: &mut Request, res: Response) -> fcgi::Result {
    res.content_type("text/plain; charset=utf-8")
        .send("Hello, world!")
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(app)
}
