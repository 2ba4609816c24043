//! HAProxy, which only connects: a section that says what FastCGI needs, and a backend that uses it. Called by
//! [`text`](super::text).

use super::escape::{in_regex, plain};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, joined, words};

pub(super) fn text(site: &Site) -> Words {
    let upstreams = site.upstreams_or_default();
    let path = site.path();
    let name = site.short_name();
    let start = site.how_to_start("HAProxy", &upstreams);
    let folder = site.folder_text();
    let mount = plain(site.mount);
    let (servers, patience) = (servers(site, &upstreams), patience(site));
    let (split, about_split) = match site.mount {
        "" => (
            "^()(/.*)$",
            "The program stands at the root: all of the path is PATH_INFO.",
        ),
        mount => (
            // Between single quotes everything is itself, and no quote may be.
            words!("^({})(/.*)?$", in_regex(plain(mount)).replace('\'', ".")),
            "What the program is reached under becomes SCRIPT_NAME, the rest PATH_INFO.",
        ),
    };
    let rule = match site.mount {
        "" => words!("#default_backend {name}"),
        mount => {
            let mount = plain(mount);
            // `path-info` splits the decoded path: with `path` alone /%61pp/x would be nobody's.
            words!(
                "#use_backend {name} if {{ path,url_dec \"{mount}\" }} || {{ path,url_dec -m beg \"{mount}/\" }}"
            )
        }
    };
    let (app, backend) = if site.multiplex {
        (
            MULTIPLEXED,
            "    # Any visitor's request goes over a connection that has room.\n    http-reuse always\n",
        )
    } else if site.keepalive {
        (
            KEPT,
            "    # Any connection may serve any visitor; else a visitor's next request is the first to use one again.\n    http-reuse always\n",
        )
    } else {
        (CLOSED, "")
    };
    words!(
        r#"# HAProxy connects to {path}.
{start}# Where haproxy.cfg has a `chroot` (Debian's does) HAProxy looks for a unix socket inside it: drop that line, or
# listen on TCP.
# In the frontend that it is for:
    {rule}

fcgi-app {name}
    # HAProxy wants one, and makes SCRIPT_FILENAME of it; the program does not look.
    docroot "{folder}"
    # {about_split}
    path-info '{split}'
    # HAProxy keeps this header to itself unless told.
    pass-header Authorization
{app}
backend {name}
    use-fcgi-app {name}
{backend}{patience}    # What the program cannot answer at once waits here, for `timeout queue`: maxconn is its workers, all together.
{servers}    # Behind `check`, for what answers but is not well: this line, if the program answers it with a 2xx or 3xx.
    #option httpchk GET {mount}/

# HAProxy 2.6 refuses a chunked request body above tune.bufsize (16384) with 400; one with a Content-Length may have any
# size. It crashes when an application writes to FastCGI's stderr stream (Request::stderr): log to standard error.
# REMOTE_USER is what the visitor wrote: HAProxy checks no password.
"#
    )
}

fn servers(site: &Site, upstreams: &[Upstream]) -> Words {
    let (name, at_once) = (site.short_name(), site.at_once());
    if let [upstream] = upstreams {
        let address = address(upstream);
        return words!("    server {name} {address} proto fcgi maxconn {at_once}\n");
    }
    let about = "    \
        # The one with the fewest requests. `check` connects to each every 2 s: three refusals, and it is left out until\n    \
        # it takes two again. Until then whom it refuses goes to another (redispatch).\n    \
        balance leastconn\n    \
        option redispatch 1\n";
    let mut servers = (1..).zip(upstreams).map(|(number, upstream)| {
        let address = address(upstream);
        words!(
            "    server {name}{number} {address} proto fcgi maxconn {at_once} check inter 2s fall 3 rise 2\n"
        )
    });
    words!("{about}{}", joined(&mut servers, ""))
}

fn address(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(socket) => words!("\"unix@{socket}\""),
        Upstream::Tcp(..) => upstream.authority(),
    }
}

fn patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "    # {}\n    timeout server {seconds}s\n",
            site.about_patience()
        ),
        None => {
            "    \
            # HAProxy answers 504 when the program is silent for longer than `timeout server` of `defaults`.\n"
        }
    }
}

const CLOSED: &str = "    # One connection a request; HAProxy keeps them open else. --keepalive leaves it at that.\n    no option keep-conn\n";

const KEPT: &str = "    # HAProxy's default, too.
    option keep-conn
    # Asks the program how many requests a connection takes at once: one.
    option get-values
";

const MULTIPLEXED: &str =
    "    # Several requests at once on a connection, as the program's --multiplex has it. HAProxy 2.6 itself answers some of
    # many that come at the same moment with a 500 then (IH in its log), whatever is behind it.
    option keep-conn
    option mpxs-conns
    # The program says how many requests it answers at once, and that they may share a connection.
    option get-values
";

#[cfg(test)]
mod tests {
    use super::*;

    fn for_site(mount: &str, keepalive: bool) -> Words {
        let listen = ["unix:/run/app.sock".to_owned()];
        text(&Site {
            workers: 8,
            keepalive,
            mount,
            ..Site::sample("/srv/www/app", &listen)
        })
    }

    #[test]
    fn the_mount_is_split_off() {
        assert!(for_site("", false).contains("    path-info '^()(/.*)$'\n"));
        let text = for_site("/my.app", false);
        assert!(
            text.contains("    path-info '^(/my\\.app)(/.*)?$'\n"),
            "{text}"
        );
        assert!(
            text.contains("#use_backend app if { path,url_dec \"/my.app\" } ||"),
            "{text}"
        );
    }

    #[test]
    fn connections_are_shared_when_the_program_takes_several_requests_on_one() {
        let listen = ["unix:/run/app.sock".to_owned()];
        for keepalive in [false, true] {
            let text = text(&Site {
                multiplex: true,
                keepalive,
                ..Site::sample("/srv/www/app", &listen)
            });
            for line in [
                "    option mpxs-conns\n",
                "    option get-values\n",
                "    http-reuse always\n",
            ] {
                assert!(text.contains(line), "{line}");
            }
            assert!(!text.contains("no option keep-conn"));
        }
        assert!(!for_site("", true).contains("mpxs-conns"));
    }

    #[test]
    fn connections_are_kept_when_asked() {
        let (closed, kept) = (for_site("", false), for_site("", true));
        for line in ["\n    option keep-conn\n", "    http-reuse always\n"] {
            assert!(!closed.contains(line) && kept.contains(line), "{line}");
        }
        assert!(
            kept.contains("    server app \"unix@/run/app.sock\" proto fcgi maxconn 8\n"),
            "{kept}"
        );
    }
}
