//! A program whose C code asks for nothing but a capital letter: tests/bench/figures/names.rs links it with the glibc of
//! scripts/small-libc, of which nothing else brings in the tables. Its first thread asks, and another one.

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).as_deref() != Some("look") {
        return fcgi::cli::main(|_, res| res.send("letters"));
    }
    let letters = [
        capital(b'a'),
        std::thread::spawn(|| capital(b'b')).join().unwrap(),
    ];
    println!("{}{}", letters[0], letters[1]);
    std::process::ExitCode::SUCCESS
}

fn capital(letter: u8) -> char {
    // SAFETY: the call takes any letter, or none.
    let capital = unsafe { libc::toupper(letter.into()) };
    u8::try_from(capital).unwrap().into()
}
