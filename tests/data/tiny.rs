//! The smallest application, with the line that makes it smaller if the feature is on; `tests/it/tiny.rs` compares the two.

use fcgi::{Request, Response};
use std::hint::black_box;

#[cfg(feature = "tiny")]
fcgi::tiny!();

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match req.path() {
        "/deep" => res.send(deep(0).to_string()),
        _ => res
            .content_type("text/plain; charset=utf-8")
            .send("Hello, world!"),
    }
}

/// No stack is large enough.
#[allow(unconditional_recursion)]
fn deep(level: u64) -> u64 {
    black_box(deep(black_box(level) + 1)) + 1
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(app)
}
