//! A program that looks a name up by C's own function, as a database's client written in C does: tests/bench/figures/names.rs
//! links it statically. Its first thread asks, and another one.

use std::ptr;

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).as_deref() != Some("look") {
        return fcgi::cli::main(|_, res| res.send("names"));
    }
    println!(
        "{} names",
        look() + std::thread::spawn(look).join().unwrap()
    );
    std::process::ExitCode::SUCCESS
}

/// 1 if `localhost` has an address.
fn look() -> u32 {
    let mut found = ptr::null_mut();
    // SAFETY: the name ends in NUL, no hints are given, and the list is freed once if there is one.
    unsafe {
        let error = libc::getaddrinfo(c"localhost".as_ptr(), ptr::null(), ptr::null(), &mut found);
        if error == 0 {
            libc::freeaddrinfo(found);
        }
        u32::from(error == 0)
    }
}
