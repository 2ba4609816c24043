//! How the program would be started, and why so: from here with these flags, and by Apache where a `.htaccess` is beside it.

use super::{Findings, Subject, apache, htaccess, text_of};
use crate::cli::words::{Words, words};
use crate::net::Origin;

const PROXIED: &str = "beside it is a .htaccess by which Apache's mod_proxy_fcgi connects to it: it is started on its own, and listens";
const MOD_FASTCGI: &str =
    "beside it is a .htaccess, and Apache's mod_fastcgi is on, which starts it";

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    if subject.is_this {
        let (origin, notes) = subject
            .facts
            .decide(&subject.server.listen, subject.options.http());
        let given = subject.options.named(&["listen", "http"]);
        report.green(started_here(&origin, &given));
        for note in notes {
            report.yellow(
                note.leak(),
                "leave out what is ignored, or start the program another way",
            );
        }
    }
    let beside = subject.site().join(".htaccess");
    if !beside.exists() {
        return;
    }
    let text = text_of(&beside).unwrap_or_default();
    let is_proxied = htaccess::is_proxied(text, &subject.name());
    match () {
        () if is_proxied => report.green(PROXIED),
        () if apache::has("fastcgi") == Some(true) => report.green(MOD_FASTCGI),
        () => behind_apache(
            apache::has("fcgid"),
            apache::has("cgid"),
            apache::has("cgi"),
            report,
        ),
    }
}

/// What the program would do if it were started from here; `given` are the addresses, and where each was given.
fn started_here(origin: &Origin, given: &[String]) -> Words {
    let given = given.join(", ");
    match origin {
        Origin::Inherited => {
            "as by mod_fcgid, mod_fastcgi, lighttpd or spawn-fcgi: fd 0 is a listening socket, which wins over all else"
        }
        Origin::Cgi => "as CGI, one request: GATEWAY_INTERFACE and REQUEST_METHOD are set",
        Origin::Systemd(fds) => {
            words!(
                "by systemd with {} sockets: LISTEN_FDS is for this process",
                fds.len()
            )
        }
        Origin::Listen(_) => {
            words!("as a server of its own that a web server connects to: {given}")
        }
        Origin::Http(address) => words!("for trying out, by http on {address}: {given}"),
        Origin::Terminal => {
            "for trying out: fd 0 is a terminal and no address is given; a web server starts it with a socket on fd 0"
        }
        Origin::Nothing => {
            "from here it would serve nothing and end (fd 0 is no listening socket, no address is given); a web server \
             starts it with a socket on fd 0"
        }
    }
}

/// Which of Apache's modules starts the program. Whether one is on is known on Debian, which has a file for each; elsewhere it
/// is `None`.
fn behind_apache(
    fcgid: Option<bool>,
    cgid: Option<bool>,
    cgi: Option<bool>,
    report: &mut Findings,
) {
    let here = "beside it is a .htaccess";
    match (fcgid, cgid.unwrap_or(false) || cgi.unwrap_or(false)) {
        (None, _) => report.green(words!(
            "{here}: Apache starts it by mod_fcgid, or once a request as CGI where that is not loaded"
        )),
        (Some(true), _) => report.green(words!(
            "{here}, and Apache's mod_fcgid is on: it starts processes as they are needed, one request each at a time"
        )),
        (Some(false), true) => report.yellow(
            words!("{here}, and Apache's mod_fcgid is off: the program runs once a request as CGI"),
            "a2enmod fcgid, and restart Apache",
        ),
        (Some(false), false) => report.red(
            words!(
                "{here}, and Apache's mod_fcgid and mod_cgid are off: it may send visitors the program itself"
            ),
            "a2enmod fcgid, and restart Apache",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn apache_needs_a_module_that_starts_programs() {
        for (fcgid, cgid, level) in [
            (None, None, Level::Green),
            (Some(true), Some(false), Level::Green),
            (Some(false), Some(true), Level::Yellow),
            (Some(false), Some(false), Level::Red),
        ] {
            assert_eq!(
                Findings::one(|report| behind_apache(fcgid, cgid, Some(false), report)).level,
                level
            );
        }
    }

    #[test]
    fn each_start_says_why() {
        let fds = Origin::Systemd(vec![3, 4]);
        assert!(started_here(&fds, &[]).contains("2 sockets"));
        let listen = started_here(&Origin::Listen(vec![]), &["listen fd:3 (--listen)".into()]);
        assert!(listen.ends_with("listen fd:3 (--listen)"));
    }
}
