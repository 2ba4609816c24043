//! Middleware is a function of a handler that gives a handler: here a line in the log for each request, and a password.
//! `cargo run --example middleware` shows it in a browser; the password is `secret`. Its `log::info!` is the crate `log`.

use fcgi::{Handler, Request, Response};
use std::time::Instant;

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match (req.method(), req.path()) {
        ("GET" | "HEAD", "/") => res.content_type("text/plain").send("You are in."),
        _ => Err(fcgi::Error::new(404, "no such page")),
    }
}

/// Logs what was asked, and how long the answer took.
fn log(next: impl Handler) -> impl Handler {
    move |req: &mut Request, res: Response| {
        let began = Instant::now();
        let (method, path) = (req.method(), req.path());
        let done = next(req, res);
        log::info!("{method} {path:?}: {:?}", began.elapsed());
        done
    }
}

/// Asks for a password. By https only: a browser sends it in the clear.
fn guard(password: &'static str, next: impl Handler) -> impl Handler {
    move |req: &mut Request, res: Response| {
        // `Basic` and the base64 of `user:password`, which is "me:secret" here.
        if req.authorization() == Some(password) {
            return next(req, res);
        }
        res.status(401)
            .header(
                "WWW-Authenticate",
                "Basic realm=\"members\", charset=\"UTF-8\"",
            )
            .send("Who are you?")
    }
}

fn main() -> std::process::ExitCode {
    fcgi::cli::main(log(guard("Basic bWU6c2VjcmV0", app)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::request;

    #[test]
    fn nobody_comes_in_without_the_password() {
        let app = log(guard("Basic bWU6c2VjcmV0", app));
        let stranger = request("GET", "/").call(&app);
        assert_eq!(stranger.status(), 401);
        assert!(stranger.header("WWW-Authenticate").is_some());
        let member = request("GET", "/")
            .header("Authorization", "Basic bWU6c2VjcmV0")
            .call(&app);
        assert_eq!((member.status(), member.text()), (200, "You are in."));
    }
}
