//! A guestbook: people write, with a picture if they like, and the owner can delete. One file, which Apache starts from
//! `.htaccess`, any other web server asks, and `--http` shows in a browser. README.md says how to run it.

mod page;
mod password;
mod place;
mod session;
mod site;
mod store;
mod upload;

use fcgi::Server;
use site::Site;
use std::process::ExitCode;

fn main() -> ExitCode {
    match password::is_to_be_set() {
        Some(folder) => password::set(&folder),
        None => server().main(),
    }
}

fn server() -> Server {
    Server::new()
        .flag(
            "data",
            "DIR",
            "where entries and pictures lie [the user's]",
            "",
        )
        .flag("pause", "SECONDS", "between two entries of a visitor", "10")
        .responder_with(
            || Ok(Site::default()),
            |site, req, res| site.answer(req, res),
        )
        .error_page(site::error_page)
}
