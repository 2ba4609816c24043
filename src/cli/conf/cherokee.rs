//! Cherokee, which connects or starts the program. Debian has no package of it any more: this is written after its source
//! (`handler_cgi_base.c`, `handler_fcgi.c`, `source_interpreter.c` of its last years), and nothing here was run. Called by
//! [`text`](super::text).

use super::escape::in_shell;
use super::site::{Site, Upstream};
use crate::cli::words::{Words, words};

pub(super) fn text(site: &Site) -> Words {
    let upstream = site.upstream_or_default();
    let host = match &upstream {
        Upstream::Unix(socket) => socket,
        Upstream::Tcp(..) => upstream.authority(),
    };
    let (head, kind) = match site.upstream() {
        Some(_) => (connects_head(site, &upstream), "host"),
        None => {
            let command = site.command(&upstream);
            let kind = words!("interpreter\nsource!1!interpreter = {command}");
            (starts_head(site, host), kind)
        }
    };
    let place = site.place();
    words!(
        r#"{head}# In cherokee.conf; cherokee-admin shows it as an information source and a rule. The numbers must be free.
source!1!type = {kind}
source!1!nick = {name}
source!1!host = {host}
vserver!1!rule!500!match = directory
vserver!1!rule!500!match!directory = {place}
vserver!1!rule!500!handler = fcgi
# The program is no file. With this line SCRIPT_NAME is the directory above, and PATH_INFO the rest; without it each
# address is a 404.
vserver!1!rule!500!handler!check_file = 0
# Newer versions do both of themselves: hand the program's own error pages on, and all headers of a request to it.
vserver!1!rule!500!handler!error_handler = 1
vserver!1!rule!500!handler!pass_req_headers = 1
{patience}vserver!1!rule!500!handler!balancer = round_robin
vserver!1!rule!500!handler!balancer!source!1 = 1

# Cherokee leaves a chunked request body in its chunks, which the program refuses with 411. It opens a connection for
# each request.
"#,
        name = site.short_name(),
        patience = patience(site)
    )
}

fn patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "# {}\nvserver!1!rule!500!timeout = {seconds}\n",
            site.about_patience()
        ),
        None => "",
    }
}

fn connects_head(site: &Site, upstream: &Upstream) -> Words {
    let path = site.path();
    let start = site.how_to_start("Cherokee", std::slice::from_ref(upstream));
    let others = site.about_others();
    words!(
        "# Cherokee connects to {path}.\n\
         {start}{others}"
    )
}

/// The comments at the top, where Cherokee starts the program. The socket is not in /tmp, where Cherokee's own wizards put it:
/// Cherokee connects to a socket that is there already, and in /tmp anybody may have put one.
fn starts_head(site: &Site, socket: &str) -> Words {
    let path = site.path();
    let will_not = match in_shell(path) == path {
        true => "",
        false => {
            "# It will not: Cherokee looks for a file of the command's first word, quotes and all. Move the program to a\n\
             # path of letters and digits.\n"
        }
    };
    words!(
        "# Cherokee starts {path} when it cannot connect to it.\n\
         # The program makes {socket}: the folder must be there, and Cherokee's user be allowed to write to it.\n\
         {will_not}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_listen(program: &str, listen: &[&str]) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            mount: "/app",
            ..Site::sample(program, &listen)
        })
    }

    #[test]
    fn without_an_address_cherokee_starts_the_program() {
        let text = for_listen("/srv/www/app.fcgi", &[]);
        let source = "source!1!type = interpreter\n\
                      source!1!interpreter = /srv/www/app.fcgi --listen unix:/run/app/app.sock --workers 4 --mount /app\n\
                      source!1!nick = app\n\
                      source!1!host = /run/app/app.sock\n";
        assert!(text.contains(source), "{text}");
        assert!(text.contains("match!directory = /app\n"), "{text}");
    }

    #[test]
    fn with_an_address_cherokee_starts_nothing() {
        let text = for_listen("/srv/www/app.fcgi", &["127.0.0.1:9000"]);
        let source = "source!1!type = host\nsource!1!nick = app\nsource!1!host = 127.0.0.1:9000\n";
        assert!(text.contains(source), "{text}");
        assert!(!text.contains("interpreter"), "{text}");
    }

    #[test]
    fn a_path_that_needs_quotes_is_said_to_be_of_no_use() {
        assert!(for_listen("/srv/my www/app", &[]).contains("# It will not"));
        assert!(!for_listen("/srv/www/app", &[]).contains("# It will not"));
    }
}
