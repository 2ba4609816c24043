//! crates.io's outer_cgi: threads, each of which has one connection. By its own flags: `fcgi-unix --bind PATH` or
//! `fcgi-tcp --bind ADDR`, and `--max-connections N`.

#[path = "../work.rs"]
mod work;

use outer_cgi::IO;
use std::collections::HashMap;

fn main() {
    outer_cgi::main(|_| (), answer)
}

fn answer(io: &mut dyn IO, params: HashMap<String, String>) -> anyhow::Result<i32> {
    let param = |name| params.get(name).map_or("", String::as_str);
    match param("PATH_INFO") {
        "/count" => {
            let text = work::count(&mut &mut *io)?;
            io.write_all((work::TEXT.to_owned() + &text).as_bytes())?;
        }
        "/bytes" => {
            let mut left = work::number(param("QUERY_STRING"));
            io.write_all(work::BINARY.as_bytes())?;
            while left > 0 {
                let n = left.min(work::BYTES.len());
                io.write_all(&work::BYTES[..n])?;
                left -= n;
            }
        }
        _ => io.write_all((work::TEXT.to_owned() + "Hello, world!").as_bytes())?,
    }
    Ok(0)
}
