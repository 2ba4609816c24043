//! h2o, which connects or starts the program. `keepalive` changes nothing here: h2o 2.2.5 can keep its connections
//! (`fastcgi.timeout.keepalive`), but on a unix socket the whole web server then ends by an assertion of
//! `h2o_socket_export`, `!h2o_socket_is_writing`, when a program answers 300 kB of body unread. It was not seen over TCP,
//! up to 20 MB, where the code is the same. Called by [`text`](super::text).

use super::escape::{in_shell, in_shell_behind};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, words};

pub(super) fn text(site: &Site) -> Words {
    let path = site.path();
    let place = site.place();
    let about_mount = match site.mount {
        "" => "",
        _ => "# h2o does not tell the program what it is reached under: --mount does.\n",
    };
    let (head, handler) = match site.upstream() {
        Some(upstream) => {
            let start = site.how_to_start("h2o", std::slice::from_ref(&upstream));
            let others = site.about_others();
            let head = words!(
                "# h2o connects to {path}. Inside the entry of its host:\n\
                 {start}{others}"
            );
            (head, connects(&upstream))
        }
        None => {
            let words = in_shell_behind(&site.arguments(site.processes));
            let command = words!("exec {}{words}", in_shell(path));
            let head = words!(
                "# h2o starts {path}, once, at its own start. Inside the entry of its host:\n\
                 # When the program crashes h2o 2.2 does not start it again: better start it by systemd and add --listen.\n"
            );
            (
                head,
                words!("        fastcgi.spawn: \"{}\"\n", in_yaml(command)),
            )
        }
    };
    words!(
        r#"{head}{about_mount}# h2o gathers a body until it is whole, and answers 503 when the program is silent for 30 s, unless fastcgi.timeout.io
# says more. --timeout has both agree.
{body}# h2o opens a connection for each request. Let it: with fastcgi.timeout.keepalive h2o 2.2 crashes, on a unix socket,
# when the program answers before it has read the body.
    paths:
      "{place}":
{handler}{patience}"#,
        body = body(site),
        patience = patience(site)
    )
}

/// A comment on the limit of bodies, which cannot stand here: it is one for all hosts.
fn body(site: &Site) -> Words {
    match site.max_body {
        u64::MAX => "",
        _ => words!(
            "# At the top of h2o's file, for all hosts: limit-request-body: {}\n",
            site.body_limit()
        ),
    }
}

fn patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "        # {}\n        fastcgi.timeout.io: {}\n",
            site.about_patience(),
            seconds * 1000
        ),
        None => "",
    }
}

fn connects(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(path) => {
            words!("        fastcgi.connect:\n          port: \"{path}\"\n          type: unix\n")
        }
        Upstream::Tcp(host, port) => words!(
            "        fastcgi.connect:\n          host: \"{host}\"\n          port: {port}\n          type: tcp\n"
        ),
    }
}

/// A text for between double quotes: backslashes and quotes have a backslash in front.
fn in_yaml(text: &str) -> Words {
    super::escape::escaped(text, "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_site(listen: &[&str], mount: &str) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            mount,
            ..Site::sample("/srv/my www/app.fcgi", &listen)
        })
    }

    #[test]
    fn it_is_started_or_connected_to() {
        let started = for_site(&[], "/app");
        let spawn =
            "        fastcgi.spawn: \"exec '/srv/my www/app.fcgi' --workers 4 --mount /app\"\n";
        assert!(started.contains(spawn), "{started}");
        let connected = for_site(&["127.0.0.1:9000"], "");
        assert!(
            connected.contains("          host: \"127.0.0.1\"\n          port: 9000\n"),
            "{connected}"
        );
        assert!(connected.contains("      \"/\":\n"), "{connected}");
    }
}
