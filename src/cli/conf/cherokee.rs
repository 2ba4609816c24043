//! Cherokee, which is in no registry any more: written after its documentation and source (2023), and not run. Called by
//! [`text`](super::text).

use super::{Site, Upstream, plain};

pub(super) fn text(site: &Site) -> String {
    let path = site.path();
    let upstream = site.upstream_or_default();
    let host = match &upstream {
        Upstream::Unix(socket) => socket.clone(),
        Upstream::Tcp(..) => upstream.authority(),
    };
    let run = site.command(&upstream);
    let place = match site.mount {
        "" => "/".to_owned(),
        mount => plain(mount),
    };
    let is_started = site.upstream().is_none();
    let (kind, command, by_hand) = if is_started {
        // Not in /tmp: Cherokee connects to a socket that is there already, and anybody can have put one there.
        let head = format!(
            "# Cherokee starts {path}, and connects to it.\n\
             # The folder of the socket must be there, and writable by Cherokee's user and nobody else.\n"
        );
        let command = format!("source!1!interpreter = {run}\nsource!1!timeout = 5\n");
        ("interpreter", command, head)
    } else {
        let head = format!(
            "# Cherokee connects to {path}, and does not start it. Whoever does runs:\n#   {run}\n"
        );
        ("host", String::new(), head)
    };
    format!(
        r#"{by_hand}# In cherokee.conf; cherokee-admin shows it as an information source and a rule. The numbers must be free.
source!1!type = {kind}
source!1!nick = {name}
source!1!host = {host}
{command}vserver!1!rule!500!match = directory
vserver!1!rule!500!match!directory = {place}
vserver!1!rule!500!handler = fcgi
# The program is no file: without this line each address below it is a 404.
vserver!1!rule!500!handler!check_file = 0
vserver!1!rule!500!handler!balancer = round_robin
vserver!1!rule!500!handler!balancer!source!1 = 1

# Cherokee leaves a chunked request body in its chunks, which the program refuses with 411. Of the request's headers it
# passes a fixed list on.
"#,
        name = site.short_name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn it_is_started_or_connected_to() {
        let site = |listen| Site {
            program: Path::new("/srv/www/app.fcgi"),
            listen,
            workers: 4,
            keepalive: false,
            mount: "/app",
        };
        let started = text(&site(&[]));
        assert!(
            started.contains(
                "source!1!interpreter = /srv/www/app.fcgi --listen unix:/run/app/app.sock --workers 4 --mount /app\n"
            ) && started.contains("source!1!host = /run/app/app.sock\n"),
            "{started}"
        );
        let listen = ["127.0.0.1:9000".to_owned()];
        let connected = text(&site(&listen));
        assert!(
            connected.contains("source!1!type = host\n")
                && connected.contains("source!1!host = 127.0.0.1:9000\n")
        );
        assert!(
            connected.contains("match!directory = /app\n"),
            "{connected}"
        );
    }
}
