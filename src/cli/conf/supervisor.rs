//! supervisor, which makes the socket and passes it on fd 0 (`fcgi-program`). Called by [`text`](super::text).

use super::escape::in_shell;
use super::site::{Site, Upstream, WEB_USER};
use crate::cli::words::{Words, joined, words};

pub(super) fn text(site: &Site) -> Words {
    let (path, name) = (site.path(), site.short_name());
    let upstream = site.upstream_or_default();
    let socket = socket(&upstream);
    let folder = about_folder(site);
    let command = command(site);
    let (numprocs, stopwaitsecs) = (site.processes.max(1), site.last_wait(10));
    let timeout = match site.waits.timeout.is_zero() {
        true => "",
        false => {
            "# --timeout is a line of the log alone then: nothing replaces a process whose request is stuck.\n"
        }
    };
    let access = match upstream {
        Upstream::Unix(_) => words!(
            "# Only the web server's user may connect.\n\
             socket_owner={WEB_USER}:{WEB_USER}\n\
             socket_mode=0660\n"
        ),
        Upstream::Tcp(..) => "",
    };
    words!(
        r#"# supervisor starts {path} and passes its socket: /etc/supervisor/conf.d/{name}.conf. Then:
#   supervisorctl update
# A new version: put it in place, and supervisorctl restart {name}:*
# The socket goes with the last process, and visitors are refused until the next has started. With several
# (--processes) it stays: restart {name}:{name}_00, and then {name}:{name}_01.
{folder}
[fcgi-program:{name}]
command={command}
socket={socket}
{access}# {WEB_USER} is Debian's name for the web server's user; without this line the program would run as root.
user={WEB_USER}
# Processes that share the socket: --processes. Each answers as many requests at once as it has workers, and is one
# by itself (--processes 0), for supervisor is their parent.
{timeout}numprocs={numprocs}
process_name=%(program_name)s_%(process_num)02d
autostart=true
# Started again whenever it ends that was not told to.
autorestart=true
# Running requests get --grace, 5 s unless set; what is left after stopwaitsecs, which is longer, is killed.
stopsignal=TERM
stopwaitsecs={stopwaitsecs}
# What the program says goes to its log; it prints nothing else.
redirect_stderr=true
stdout_logfile=/var/log/supervisor/{name}.log
"#
    )
}

/// A comment on the socket's folder, which supervisor does not make.
fn about_folder(site: &Site) -> Words {
    match site.own_folder() {
        Some(folder) => words!(
            "# {folder} has to be there, and /run is empty after a start of the machine. By systemd-tmpfiles: a line\n\
             #   d {folder} 0755 root root\n\
             # in /etc/tmpfiles.d/{}.conf\n",
            site.short_name()
        ),
        None => "",
    }
}

fn socket(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(path) => words!("unix://{}", value(path)),
        Upstream::Tcp(..) => words!("tcp://{}", upstream.authority()),
    }
}

/// The program's command line, which supervisor takes apart as a shell would.
fn command(site: &Site) -> Words {
    let words = [site.path()].into_iter().chain(site.arguments(0));
    joined(&mut words.map(|word| value(in_shell(word))), " ")
}

/// A text as a value of supervisor's. `%` begins an expansion there; and `;` or `#` behind a blank begins a comment, even between
/// quotes, so that two quotes are put between the two.
fn value(text: &str) -> Words {
    text.replace('%', "%%")
        .replace(" ;", " '';")
        .replace(" #", " ''#")
        .leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_site(program: &str, listen: &[&str]) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            mount: "/app",
            ..Site::sample(program, &listen)
        })
    }

    #[test]
    fn the_command_is_as_in_a_shell_but_for_what_begins_a_comment() {
        for (program, command) in [
            ("/srv/app.fcgi", "/srv/app.fcgi --workers 4 --mount /app"),
            (
                "/srv/a #1 ;2/50% app",
                "'/srv/a ''#1 '';2/50%% app' --workers 4 --mount /app",
            ),
        ] {
            let text = for_site(program, &[]);
            let line = format!("\ncommand={command}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    /// No process has a parent then.
    #[test]
    fn a_time_limit_that_ends_nothing_is_told() {
        let mut site = Site::sample("/srv/app.fcgi", &[]);
        assert!(!text(&site).contains("--timeout"));
        site.waits.timeout = std::time::Duration::from_secs(20);
        let told = text(&site);
        assert!(
            told.contains("--timeout is a line of the log alone"),
            "{told}"
        );
    }

    #[test]
    fn a_socket_file_has_an_owner_and_tcp_none() {
        let unix = for_site("/srv/app.fcgi", &[]);
        assert!(
            unix.contains("\nsocket=unix:///run/app/app.sock\n"),
            "{unix}"
        );
        assert!(unix.contains("\nsocket_mode=0660\n"), "{unix}");
        let tcp = for_site("/srv/app.fcgi", &["127.0.0.1:9000"]);
        assert!(tcp.contains("\nsocket=tcp://127.0.0.1:9000\n"), "{tcp}");
        assert!(!tcp.contains("socket_owner="), "{tcp}");
    }
}
