//! spawn-fcgi, which makes the socket, gives up root and starts the program, once; and multiwatch behind it, which starts
//! several and each again when it ends. Called by [`text`](super::text).

use super::escape::in_shell;
use super::site::{Site, Upstream, WEB_USER};
use crate::cli::words::{Words, joined, words};

pub(super) fn text(site: &Site) -> Words {
    script(
        site,
        "spawn-fcgi starts it, and does not look after it: what starts it again when it ends is supervisor or multiwatch.",
        "",
        &site.arguments(site.processes),
    )
}

/// Several processes on one socket: two, if `--processes` is not given.
pub(super) fn multiwatch(site: &Site) -> Words {
    let forks = match site.processes {
        0 => 2,
        processes => processes,
    };
    script(
        site,
        "spawn-fcgi makes the socket, and multiwatch starts processes on it (-f: --processes), each again when it ends.",
        words!("/usr/bin/multiwatch -f {forks} -- "),
        &site.arguments(0),
    )
}

fn script(site: &Site, what: &str, before: &str, arguments: &[Words]) -> Words {
    let (path, name) = (site.path(), site.short_name());
    let upstream = site.upstream_or_default();
    let place = match &upstream {
        Upstream::Unix(path) => words!("-s {} -M 0660 -U \"$user\" -G \"$user\"", in_shell(path)),
        Upstream::Tcp(host, port) => words!("-a {} -p {}", in_shell(host), in_shell(port)),
    };
    let folder = match site.own_folder() {
        Some(folder) => words!(
            "# The socket's own folder; /run is empty after a start of the machine.\n\
             mkdir -p {}\n",
            in_shell(folder)
        ),
        None => "",
    };
    let words = [path].into_iter().chain(arguments.iter().copied());
    let command = joined(&mut words.map(in_shell), " ");
    words!(
        r#"#!/bin/sh
# Starts {path}, as root, where no systemd and no supervisor does.
# {what}
# Stop: kill "$(cat /run/{name}.pid)"
# A new version: stop it, and run this once the pid is gone. Visitors are refused in between.
set -eu

# {WEB_USER} is Debian's name for the web server's user, which is who the program runs as.
user={WEB_USER}

{folder}# spawn-fcgi points standard output and error to /dev/null: the program's log would be lost.
touch /var/log/{name}.log
chown "$user" /var/log/{name}.log

exec spawn-fcgi {place} -u "$user" -P /run/{name}.pid -- \
    /bin/sh -c 'exec "$0" "$@" 2>>/var/log/{name}.log' \
    {before}{command}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'a>(program: &'a str, listen: &'a [String]) -> Site<'a> {
        Site {
            mount: "/app",
            ..Site::sample(program, listen)
        }
    }

    #[test]
    fn the_program_comes_last_and_multiwatch_before_it() {
        let command = "    '/srv/my www/app.fcgi' --workers 4 --mount /app\n";
        let site = site("/srv/my www/app.fcgi", &[]);
        let (one, two) = (text(&site), multiwatch(&site));
        assert!(one.ends_with(&format!("\\\n{command}")), "{one}");
        let watched = command.replace("    ", "    /usr/bin/multiwatch -f 2 -- ");
        assert!(two.ends_with(&format!("\\\n{watched}")), "{two}");
    }

    #[test]
    fn a_folder_is_made_for_the_default_alone() {
        let listen = ["unix:/run/it's.sock".to_owned()];
        let tcp = ["[::1]:9000".to_owned()];
        let default = text(&site("/srv/app.fcgi", &[]));
        assert!(default.contains("\nmkdir -p /run/app\n"), "{default}");
        for (listen, place) in [
            (&listen, r"-s '/run/it'\''s.sock' -M 0660 "),
            (&tcp, "-a ::1 -p 9000 "),
        ] {
            let text = text(&site("/srv/app.fcgi", listen));
            assert!(text.contains(place), "{text}");
            assert!(!text.contains("mkdir"), "{text}");
        }
    }
}
