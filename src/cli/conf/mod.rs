//! `conf`: configurations for web servers and for process managers, as text: one file for each of these, and no other copy of
//! any configuration. The command line calls it, and the server tests run exactly what it prints.

mod apache;
mod caddy;
mod cherokee;
mod escape;
mod h2o;
mod haproxy;
mod htaccess;
mod init;
mod lighttpd;
mod mod_fastcgi;
mod nginx;
#[cfg(test)]
mod numbers;
pub(super) mod site;
mod spawn_fcgi;
mod supervisor;
mod systemd;

use super::flags::options::Options;
use super::{misused, print, program, read_settings, say};
use crate::cli::nearest::distance;
use crate::cli::words::{Words, joined, words};
use crate::server::Server;
use site::Site;
use std::env;
use std::process::ExitCode;

/// Prints the configuration that puts this program behind `web_server`, in that form of it; flags count as they would if the
/// program were started with them.
pub(super) fn run(server: Server, web_server: &str, form: &str, flags: Options) -> ExitCode {
    let settings = match read_settings() {
        Ok(settings) => settings,
        Err((_, wrong)) => return misused(&wrong.sentence),
    };
    let alone = settings.apply(server.clone());
    let unused = flags.beside(FLAGS);
    let options = flags.over(settings);
    let server = options.apply(server);
    let Some(program) = program::as_typed() else {
        return misused("nobody knows where this program lies: the system has no /proc");
    };
    // A web server does not start in the folder in which this is typed.
    let here = env::current_dir().unwrap_or_default();
    let listen: Vec<String> = server
        .listen
        .iter()
        .map(|address| address.resolved(&here).to_string())
        .collect();
    let site = Site {
        program: &program,
        listen: &listen,
        workers: server.workers,
        keepalive: options.keepalive(),
        multiplex: server.limits.multiplex,
        mount: server.setup.mount.as_deref().unwrap_or(""),
        access: &site::access(&server),
        processes: server.processes,
        waits: site::Waits::of(&server),
        max_body: server.limits.max_body,
        told: &site::told(&alone, &server),
    };
    match text(web_server, form, &site) {
        Ok(text) => {
            for flag in unused {
                let name = program::name();
                say(&format!(
                    "--{flag} is not in it; add it to the command, or put it into .ht.{name} beside the program"
                ));
            }
            print(text)
        }
        Err(sentence) => misused(sentence),
    }
}

/// One screen: what can be printed.
pub(super) fn help(name: &str) -> String {
    let mut text =
        format!("Usage: {name} conf SERVER [FORM] [FLAG]...    prints a configuration for it\n");
    for conf in CONFS.iter().filter(|conf| conf.form.is_empty()) {
        text += words!("  {:<12} {}\n", conf.server, conf.help);
        let forms = forms(conf.server);
        if !forms.is_empty() {
            text += words!("    or {}\n", forms.join(", "));
        }
    }
    text += words!(
        "{name} conf apache help tells its forms apart. Flags: --listen for a program\n\
         that somebody else starts, --mount /app, --keepalive for kept connections; and\n\
         what numbers go by: --workers --processes --timeout --write-timeout\n\
         --idle-timeout --grace --max-body. Others go into .ht.{name}.\n"
    );
    text
}

/// The flags that change what is printed. Any other flag is for the settings file: a configuration does not name it.
#[rustfmt::skip]
const FLAGS: &[&str] = &[
    "listen", "mount", "keepalive", "workers", "processes", "timeout", "write-timeout", "idle-timeout", "grace", "max-body",
    "socket-mode", "socket-owner", "allow", "multiplex",
];

/// One configuration that can be printed.
struct Conf {
    /// The web server or the process manager.
    server: &'static str,
    /// Which of the ways to do it with this server; the usual one has no name.
    form: &'static str,
    /// One line that tells what is special in it.
    help: &'static str,
    text: fn(&Site) -> Words,
}

/// All configurations that can be printed, in the order of the help.
#[rustfmt::skip]
const CONFS: &[Conf] = &[
    conf("htaccess", "", "a .htaccess beside the program (mod_fcgid, else CGI)", htaccess::text),
    conf("htaccess", "addhandler", "the same by its ending, as guides have it", htaccess::addhandler),
    conf("htaccess", "wrapper", "for a program that lies elsewhere (mod_fcgid)", htaccess::wrapper),
    conf("apache", "", "ScriptAlias and mod_fcgid; --listen: mod_proxy_fcgi", apache::text),
    conf("apache", "addhandler", "each .fcgi file by its name (mod_fcgid)", apache::addhandler),
    conf("apache", "wrapper", "a place of the site (mod_fcgid)", apache::wrapper),
    conf("apache", "sethandler", "a place of the site (mod_proxy_fcgi)", apache::sethandler),
    conf("apache", "authorizer", "asks it who may see a folder (mod_fcgid)", apache::authorizer),
    conf("apache", "static", "mod_fastcgi, where a host still has it", mod_fastcgi::fixed),
    conf("apache", "dynamic", "the same, started with the first request", mod_fastcgi::dynamic),
    conf("apache", "external", "the same, which only connects", mod_fastcgi::external),
    conf("nginx", "", "files first, then the program; it only connects", nginx::text),
    conf("nginx", "location", "one location, all of it the program's", nginx::location),
    conf("nginx", "if", "the same, as older guides have it", nginx::by_if),
    conf("lighttpd", "", "rewrites to the program; --listen: connects to it", lighttpd::text),
    conf("lighttpd", "prefix", "addresses that begin alike", lighttpd::prefix),
    conf("lighttpd", "root", "all addresses", lighttpd::root),
    conf("lighttpd", "authorizer", "asks it who may see a folder", lighttpd::authorizer),
    conf("haproxy", "", "a section and a backend; it only connects", haproxy::text),
    conf("caddy", "", "reverse_proxy; it only connects", caddy::text),
    conf("caddy", "php", "php_fastcgi, where files lie beside the program", caddy::php),
    conf("h2o", "", "starts the program; --listen: connects to it", h2o::text),
    conf("cherokee", "", "starts the program; --listen: connects to it", cherokee::text),
    conf("systemd", "", "a hardened service; it needs the socket, too", systemd::text),
    conf("systemd", "socket", "its socket, which stays while the program restarts", systemd::socket),
    conf("supervisor", "", "an fcgi-program: a socket and who serves it", supervisor::text),
    conf("init", "", "an init script, where neither of these is", init::text),
    conf("spawn-fcgi", "", "a script that makes a socket and starts the program", spawn_fcgi::text),
    conf("multiwatch", "", "the same for processes that are watched", spawn_fcgi::multiwatch),
];

/// The configuration that puts `site` behind `server`; for the form `help` the list of its forms.
///
/// # Errors
/// One sentence, for a web server or form that is not in [`CONFS`].
pub(super) fn text(server: &str, form: &str, site: &Site) -> Result<Words, Words> {
    let mut confs = CONFS.iter().filter(|conf| conf.server == server);
    match (confs.find(|conf| conf.form == form), form) {
        (Some(conf), _) => Ok((conf.text)(site)),
        (None, "help") if !forms(server).is_empty() => Ok(help_forms(server)),
        (None, _) => Err(unknown(server, form)),
    }
}

/// What `conf SERVER help` prints: each form with its line of help.
fn help_forms(server: &str) -> Words {
    let confs = CONFS.iter().filter(|conf| conf.server == server);
    let line = |conf: &Conf| {
        let command = words!("conf {server} {}", conf.form);
        words!("  {command:<24} {}\n", conf.help)
    };
    joined(&mut confs.map(line), "")
}

/// The named forms of this server.
fn forms(server: &str) -> Vec<&'static str> {
    let confs = CONFS
        .iter()
        .filter(|conf| conf.server == server && !conf.form.is_empty());
    confs.map(|conf| conf.form).collect()
}

/// The sentence for a server or form that is not there.
fn unknown(server: &str, form: &str) -> Words {
    let servers = CONFS.iter().filter(|conf| conf.form.is_empty());
    let servers: Vec<&str> = servers.map(|conf| conf.server).collect();
    let known = servers.join(", ");
    if server.is_empty() {
        return words!(
            "conf needs a web server or process manager; write one of {known} behind it"
        );
    }
    if !servers.contains(&server) {
        // Half of a short name is another one: iis is not init.
        let is_near = |known: &&str| distance(server, known) * 2 < known.len();
        return match servers.into_iter().find(is_near) {
            Some(near) => words!("conf knows no {server:?}; did you mean {near}?"),
            None => words!("conf knows no {server:?}; write one of {known}"),
        };
    }
    match &forms(server)[..] {
        [] => words!("conf {server} has no form {form:?}; leave it out"),
        forms => words!(
            "conf {server} has no form {form:?}; leave it out, or write one of {}",
            forms.join(", ")
        ),
    }
}

const fn conf(
    server: &'static str,
    form: &'static str,
    help: &'static str,
    text: fn(&Site) -> Words,
) -> Conf {
    Conf {
        server,
        form,
        help,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_of_the_list_has_a_text_and_no_other() {
        let site = Site::sample("/srv/www/app.fcgi", &[]);
        for Conf {
            server, form, help, ..
        } in CONFS
        {
            let text = text(server, form, &site).expect(server);
            assert!(text.ends_with('\n'), "{server}");
            assert!(
                text.lines().all(|line| line.len() <= 120),
                "{server} {form}: a line is too long: {text}"
            );
            assert!(text.contains("/srv/www/app.fcgi"), "{server}");
            assert!(help.len() <= 57, "{server}: help would not fit a screen");
        }
        for (server, form) in [
            ("iis", ""),
            ("nginx", "square"),
            ("", ""),
            ("haproxy", "help"),
        ] {
            assert!(text(server, form, &site).is_err());
        }
    }

    #[test]
    fn help_is_a_screen_and_names_every_form() {
        let text = help("app.fcgi");
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let site = Site::sample("/srv/www/app.fcgi", &[]);
        for conf in CONFS {
            let named = text.split([' ', ',', '\n']).any(|word| word == conf.server)
                && text.split([' ', ',', '\n']).any(|word| word == conf.form);
            assert!(named, "{} {}: {text}", conf.server, conf.form);
            if !conf.form.is_empty() {
                let told = super::text(conf.server, "help", &site).expect("its forms");
                assert!(told.contains(conf.help), "{told}");
            }
        }
    }

    /// A web server connects to a socket that is there already, and in `/tmp` anybody can have put one.
    #[test]
    fn no_socket_lies_where_anybody_can_make_one() {
        for Conf { server, form, .. } in CONFS {
            let text = text(server, form, &Site::sample("/srv/www/app.fcgi", &[])).expect(server);
            assert!(!text.contains("/tmp/"), "{server} {form}: {text}");
        }
    }

    #[test]
    fn no_path_can_leave_its_line_or_its_quotes() {
        for program in [
            "/srv/a\nDeny from all\n/app.fcgi",
            "/srv/a\" b/a\"pp.fcgi",
            "/srv/back\\slash/a\\pp.fcgi",
        ] {
            for listen in [vec![], vec!["unix:a\n\"b\\.sock".to_owned()]] {
                for keepalive in [false, true] {
                    let site = Site {
                        keepalive,
                        ..Site::sample(program, &listen)
                    };
                    for Conf { server, form, .. } in CONFS {
                        let text = text(server, form, &site).expect(server);
                        for line in text.lines() {
                            assert!(!line.starts_with("Deny from"), "{server}: {text}");
                            let code = line.trim_start();
                            assert!(
                                code.starts_with('#') || even_quotes(code),
                                "{server}: {line}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Whether each quoted word of the line ends in it.
    fn even_quotes(line: &str) -> bool {
        let mut open = false;
        let mut bytes = line.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => open = !open,
                b'#' if !open => return true,
                _ => {}
            }
        }
        !open
    }
}
