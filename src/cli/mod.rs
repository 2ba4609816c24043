//! The command line that every application carries.

#[cfg(feature = "dev")]
pub(crate) mod http;

use crate::error::Result;
use crate::net::{Address, Facts, sys};
use crate::request::Request;
use crate::response::Response;
use crate::server::Server;
use std::process::ExitCode;

/// Serves `app` as its command line, its settings file and whoever started it ask: [`Server::main`] with the defaults.
pub fn main<F>(app: F) -> ExitCode
where
    F: Fn(&mut Request<'_>, Response<'_>) -> Result + Send + Sync + 'static,
{
    Server::new().responder(app).main()
}

impl Server {
    /// As [`run`](Server::run), with the command line.
    pub fn main(mut self) -> ExitCode {
        sys::one_heap();
        let _ = env_logger::Builder::new()
            .filter_level(log::LevelFilter::Info)
            .try_init();
        if Facts::gather().is_cgi() {
            let _ = self.serve_cgi();
            return ExitCode::SUCCESS;
        }
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--listen" => self = self.listen(args.next().unwrap().parse::<Address>().unwrap()),
                "--workers" => self = self.workers(args.next().unwrap().parse().unwrap()),
                _ => return ExitCode::from(2),
            }
        }
        match self.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                log::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}
