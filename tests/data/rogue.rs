//! An application that does wrong whatever safe code can do wrong, a path for each; `tests/it/premature.rs` asks for them.
//! ROGUE in its environment chooses what goes wrong around the handler.

use fcgi::{Error, Request, Response, Server};
use std::env;
use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let server = Server::new();
    match env::var("ROGUE").unwrap_or_default().as_str() {
        "init-error" => server.responder_with(
            || Err::<(), _>(Error::new(500, "no state")),
            |(), _, res| res.send(""),
        ),
        "init-panic" => server.responder_with(
            || -> fcgi::Result { panic!("no state") },
            |(), _, res| res.send(""),
        ),
        "state-drop" => server.responder_with(|| Ok(Trap), |_, req, res| app(req, res)),
        "page-error" => server
            .responder(app)
            .error_page(|_, _, _| Err(Error::new(500, "no page"))),
        "page-panic" => server.responder(app).error_page(|_, _, res| {
            res.header("X-Page", "gathered").send("part")?;
            panic!("no page")
        }),
        "page-nothing" => server.responder(app).error_page(|_, _, _| Ok(())),
        "page-illegal" => server
            .responder(app)
            .error_page(|_, _, res| res.header("\n", "").send("")),
        "memory" => server.responder(app).max_params(16 << 20),
        "logger" => {
            log::set_logger(&Logger).expect("nobody else logs");
            log::set_max_level(log::LevelFilter::Trace);
            server.responder(app)
        }
        "flag-twice" => server.flag("workers", "N", "", ""),
        "run" => {
            return match fcgi::run(app) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        _ => server
            .responder(app)
            .flag("place", "DIR", "where its things are", "nowhere"),
    }
    .main()
}

fn app(req: &mut Request, res: Response) -> fcgi::Result {
    match req.path() {
        "/flag" => res.send(req.flag("place")),
        "/place" => match req.flag("place") {
            "nowhere" => Err(Error::new(503, "there is no place")),
            place => res.send(format!("{place} {}", std::process::id())),
        },
        "/arguments" => res.send(fcgi::cli::arguments().count().to_string()),
        // On standard output, which is the answer's way in CGI.
        "/print" => {
            print();
            res.send("a page")
        }
        "/print-late" => {
            res.send("a page")?;
            print();
            Ok(())
        }
        "/print-finished" => {
            res.finish("a page")?;
            print();
            Ok(())
        }
        "/print-only" => {
            print();
            Ok(())
        }
        // From standard input, which is the body's way in CGI.
        "/read" => {
            let mut stolen = Vec::new();
            // In FastCGI it is a socket that nobody can read from.
            let _ = io::stdin().read_to_end(&mut stolen);
            let mut body = String::new();
            req.body().read_to_string(&mut body)?;
            res.send(format!("stolen {}, body {body}", stolen.len()))
        }
        "/nothing" => Ok(()),
        "/forgotten" => {
            let _forever = Box::leak(Box::new(res));
            Ok(())
        }
        "/swallowed" => {
            let _ = res.header("Two Words", "x").send("a page");
            Ok(())
        }
        "/swallowed-stream" => {
            let _ = res.status(99).stream();
            Ok(())
        }
        "/large-head" => res.header("X", "x".repeat(9000)).send("a page"),
        "/error" => Err(Error::new(404, "nothing here")),
        "/error-late" => {
            res.send("a page")?;
            Err(Error::new(404, "nothing here"))
        }
        "/error-traps" => Err(Trap.into()),
        "/file" => res.send_file("/nowhere"),
        "/panic" => panic!("as asked"),
        "/panic-late" => {
            res.send("a page")?;
            panic!("as asked")
        }
        "/panic-value" => std::panic::panic_any(Trap),
        "/panic-hook" => {
            std::panic::set_hook(Box::new(|_| {}));
            panic!("as asked")
        }
        "/drop" => {
            let _trap = Trap;
            res.send("a page")
        }
        "/drop-body" => res.send(Trap),
        "/drop-finish" => res.finish(Trap),
        "/drop-header" => res.header("X", Trap).send("a page"),
        "/body-panics" => res.send(Bytes),
        "/finish-and-wait" => {
            res.finish("finished")?;
            loop {
                std::thread::park();
            }
        }
        "/thread" => {
            let _ = std::thread::spawn(|| panic!("beside it")).join();
            res.send("a page")
        }
        _ => res.send("hello"),
    }
}

/// Also what stays in a buffer, and what a child process prints.
fn print() {
    println!("noise");
    let _ = Command::new("/bin/echo").arg("noise of a child").status();
    print!("noise without an end");
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

impl AsRef<[u8]> for Trap {
    fn as_ref(&self) -> &[u8] {
        b"a page"
    }
}

impl std::error::Error for Trap {}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trap")
    }
}

/// Panics at each line about a request.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        let _ = writeln!(io::stderr(), "{text}");
        assert!(!text.starts_with("GET "), "no log");
    }

    fn flush(&self) {}
}

/// Panics when it is looked at.
struct Bytes;

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        panic!("looked at")
    }
}
