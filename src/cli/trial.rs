//! Trying an application out without a web server: serving http, and what a person is told who has started the program at a
//! terminal by its name alone. Called by `cli::main`.

use super::program;
use crate::server::Server;
use std::net::SocketAddr;
use std::process::ExitCode;

#[cfg(feature = "dev")]
use {
    super::http::Front,
    super::{exit_code, print},
    crate::process,
    std::io,
    std::sync::Arc,
};

/// Serves http at `address` until a signal stops it.
#[cfg(feature = "dev")]
pub(super) fn serve(server: Server, address: SocketAddr) -> ExitCode {
    exit_code(Front::bind(address, &server.allow).and_then(|front| {
        print(&format!("{}\n", url(&server, &front)));
        run(server, front)
    }))
}

/// Says what the program is, and shows it in a browser.
#[cfg(feature = "dev")]
pub(super) fn at_terminal(server: Server) -> ExitCode {
    exit_code(Front::bind_usual().and_then(|front| {
        print(&format!(
            "{}Until you press Ctrl-C it answers a browser on this machine:\n\n  {}\n\n",
            explanation(&program::name()),
            url(&server, &front)
        ));
        run(server, front)
    }))
}

/// The address for a browser.
#[cfg(feature = "dev")]
fn url(server: &Server, front: &Front) -> String {
    let mount = server.setup.mount.as_deref().unwrap_or("");
    format!("http://{}{mount}/", front.local_addr())
}

/// Serves until a signal stops it. The http server stops before the pool: the requests that it has begun need the workers.
#[cfg(feature = "dev")]
fn run(mut server: Server, front: Front) -> io::Result<()> {
    // This http server sends no files for the application.
    server.setup.sendfile = None;
    server.own_process()?;
    let stop = process::signal_pipe()?;
    let handle = server.start_on(Vec::new())?;
    let pool = Arc::clone(&handle.pool);
    process::stop_on_signal(&pool);
    front.run(move || handle.connect(), stop)?;
    pool.accept().ask_to_stop();
    pool.join();
    process::call_off_deadline();
    Ok(())
}

/// Is never called: without the feature dev the flag --http is refused.
#[cfg(not(feature = "dev"))]
pub(super) fn serve(_: Server, address: SocketAddr) -> ExitCode {
    let why = "the program is built without the feature dev";
    super::misused(&format!("cannot serve http on {address}: {why}"))
}

/// Says what the program is.
#[cfg(not(feature = "dev"))]
pub(super) fn at_terminal(_: Server) -> ExitCode {
    super::say(&explanation(&program::name()));
    ExitCode::from(2)
}

/// What the program is, and what can be done with it.
fn explanation(name: &str) -> String {
    let mut text = format!(
        "{name} is a FastCGI application: a web server starts it and passes requests to it.\n"
    );
    for (flags, what, is_built_in) in [
        (
            "conf htaccess",
            "what to put beside it on a shared host",
            cfg!(feature = "toolbox"),
        ),
        ("--listen unix:a.sock", "waits for a web server there", true),
        ("--help", "all that it can be told", true),
    ] {
        if is_built_in {
            text += &format!("  {name} {flags:<22}{what}\n");
        }
    }
    text
}
