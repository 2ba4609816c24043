//! crates.io's fastcgi: a thread for each connection. It serves the socket on its standard input.

#[path = "../work.rs"]
mod work;

use fastcgi::Request;
use std::io::{self, Write};

fn main() {
    fastcgi::run(|mut request| {
        // Nobody is left to be told of an error.
        let _ = answer(&mut request);
    });
}

fn answer(request: &mut Request) -> io::Result<()> {
    let param = |name| request.param(name).unwrap_or_default();
    let (path, query) = (param("PATH_INFO"), param("QUERY_STRING"));
    match path.as_str() {
        "/count" => {
            let text = work::count(&mut request.stdin())?;
            write!(&mut request.stdout(), "{}", work::TEXT.to_owned() + &text)
        }
        "/bytes" => {
            let mut left = work::number(&query);
            request.stdout().write_all(work::BINARY.as_bytes())?;
            while left > 0 {
                let n = left.min(work::BYTES.len());
                request.stdout().write_all(&work::BYTES[..n])?;
                left -= n;
            }
            Ok(())
        }
        _ => {
            let text = work::TEXT.to_owned() + "Hello, world!";
            request.stdout().write_all(text.as_bytes())
        }
    }
}
