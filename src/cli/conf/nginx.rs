//! nginx, which never starts a program and passes it no parameter unless told to. Called by [`text`](super::text).

use super::escape::{in_regex, plain};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, joined, words};

/// Files first, then the program: blocks for `server { }`. With `keepalive`, or several addresses, a block for `http { }` comes
/// before them, and the line [`IN_SERVER`] divides the two.
pub(super) fn text(site: &Site) -> Words {
    whole(site, |pass, connection| server(site, pass, connection))
}

/// One `location` and no more: every address below it goes to the program, files or not.
pub(super) fn location(site: &Site) -> Words {
    whole(site, |pass, connection| {
        plain_location(site, pass, connection)
    })
}

/// The block of older guides, which takes the path out of `$uri` by an `if`.
pub(super) fn by_if(site: &Site) -> Words {
    whole(site, |pass, connection| if_location(site, pass, connection))
}

/// The whole configuration; `server` makes the part for `server { }`, of what stands behind `fastcgi_pass` and the lines on the
/// connection.
fn whole(site: &Site, server: impl Fn(&str, &str) -> Words) -> Words {
    let upstreams = site.upstreams_or_default();
    let head = head(site, &upstreams);
    let connection = if site.keepalive { KEEP_CONN } else { BUFFERED };
    match &upstreams[..] {
        [upstream] if !site.keepalive => {
            let server = server(address(upstream), connection);
            words!("{head}\n{IN_SERVER}\n{server}")
        }
        _ => {
            let pool = pool(site, &upstreams);
            let server = server(site.short_name(), connection);
            words!("{head}\n{pool}\n{IN_SERVER}\n{server}")
        }
    }
}

/// Heads the part that belongs into `server { }`.
const IN_SERVER: &str = "# Inside server { }:";

fn head(site: &Site, upstreams: &[Upstream]) -> Words {
    let path = site.path();
    let start = site.how_to_start("nginx", upstreams);
    words!(
        "# nginx connects to {path}, and addresses that are no files go to it.\n\
         {start}"
    )
}

fn pool(site: &Site, upstreams: &[Upstream]) -> Words {
    let name = site.short_name();
    let servers = match upstreams {
        [upstream] => words!("    server {};\n", address(upstream)),
        _ => several(upstreams),
    };
    let kept = match site.keepalive {
        true => kept(site),
        false => "",
    };
    words!("# Inside http {{ }}, beside server {{ }}:\nupstream {name} {{\n{servers}{kept}}}\n")
}

/// The lines for several addresses. nginx finds out only by requests that one is not well: it asks none by itself.
fn several(upstreams: &[Upstream]) -> Words {
    let about = "    \
        # In turn. One that cannot be reached is passed over for fail_timeout, and the next one is asked at once; once a\n    \
        # POST was sent it is not sent again. To restart all: one, 3 s later the next.\n";
    let mut servers = upstreams.iter().map(|upstream| {
        let address = address(upstream);
        words!("    server {address} max_fails=1 fail_timeout=1s;\n")
    });
    words!("{about}{}", joined(&mut servers, ""))
}

fn kept(site: &Site) -> Words {
    let (workers, idle) = (site.workers.max(1), site.kept().as_millis().max(1) as u64);
    words!(
        "    \
         # Idle connections that each of nginx's processes keeps open, no more than the program has workers.\n    \
         keepalive {workers};\n    \
         # nginx closes them before the program does (--idle-timeout), or now and then a request would find one closed.\n    \
         keepalive_timeout {idle}ms;\n"
    )
}

fn server(site: &Site, pass: &str, connection: &str) -> Words {
    let name = site.short_name();
    let lines = words!("{}    try_files $uri @{name};\n", max_body(site));
    let locations = locations(site.mount, lines);
    let program = program(site, pass, connection);
    words!(
        r#"# nginx serves any file below its root, also hidden ones, databases and programs: let that be a folder with public
# files only, and not the program's own.
{locations}
location @{name} {{
{program}}}
"#
    )
}

fn plain_location(site: &Site, pass: &str, connection: &str) -> Words {
    locations(site.mount, program(site, pass, connection))
}

/// The locations for the program's addresses, with these lines in them.
fn locations(mount: &str, lines: &str) -> Words {
    if mount.is_empty() {
        return words!("location / {{\n{lines}}}\n");
    }
    let mount = plain(mount);
    words!(
        "# The mount itself, asked for without its slash.\n\
         location = \"{mount}\" {{ rewrite ^ \"{mount}/\" last; }}\n\
         # The slash keeps {mount}xyz out; ^~ keeps a location for names (~ \\.php$) from taking some away.\n\
         location ^~ \"{mount}/\" {{\n{lines}}}\n"
    )
}

fn program(site: &Site, pass: &str, connection: &str) -> Words {
    let (max_body, params) = (max_body(site), params(site.mount));
    let patience = patience(site);
    words!(
        r#"{max_body}    # Without it nginx passes no parameter at all. A relative path is one beside nginx.conf.
    include fastcgi_params;
{params}    fastcgi_pass {pass};
{patience}{connection}"#
    )
}

fn params(mount: &str) -> Words {
    if mount.is_empty() {
        return words!(
            "    # The program stands at the root: the whole path is PATH_INFO.\n{AT_ROOT}"
        );
    }
    let pattern = in_regex(plain(mount));
    words!(
        r#"    # What the program is reached under becomes SCRIPT_NAME, the rest PATH_INFO. (?s): a line break (%0A) may be in it.
    fastcgi_split_path_info "(?s)^({pattern})(/.*)$";
    fastcgi_param PATH_INFO $fastcgi_path_info;
    # It goes out twice; the last one counts.
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
"#
    )
}

/// The line for bodies. It stands in each location: in `server { }` it would be an error beside that of a second program.
fn max_body(site: &Site) -> Words {
    let bytes = site.body_limit();
    let size = match bytes % (1 << 20) {
        0 => words!("{}m", bytes >> 20),
        _ => words!("{bytes}"),
    };
    words!(
        "    # Unless set, nginx answers 413 to a request body above 1 MiB.\n    client_max_body_size {size};\n"
    )
}

fn patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "    # {}\n    fastcgi_read_timeout {seconds}s;\n",
            site.about_patience()
        ),
        None => {
            "    \
            # nginx answers 504 once the program is silent for 60 s: fastcgi_read_timeout. --timeout has both agree.\n"
        }
    }
}

fn if_location(site: &Site, pass: &str, connection: &str) -> Words {
    let (mount, max_body, patience) = (site.mount, max_body(site), patience(site));
    let name = plain(mount);
    let pattern = in_regex(name);
    // `^~` as in `locations`. The mount itself nginx sends on to its slash, by a 301.
    let place = match mount {
        "" => "/",
        _ => words!("^~ \"{name}/\""),
    };
    words!(
        r#"location {place} {{
{max_body}    # Without it nginx passes no parameter at all.
    include fastcgi_params;
    # PATH_INFO has no slash in front then, is encoded a second time, and ends at a line break: the program takes the
    # path from REQUEST_URI where it has to. Plain `conf nginx` needs no `if`.
    if ($uri ~ "^{pattern}/(.*)?") {{ set $path_url $1; }}
    fastcgi_param PATH_INFO $path_url;
    fastcgi_param SCRIPT_NAME "{name}";
    fastcgi_pass {pass};
{patience}{connection}}}
"#
    )
}

/// PATH_INFO and SCRIPT_NAME for a program at the root. `fastcgi_params` has SCRIPT_NAME, too, with the whole path.
const AT_ROOT: &str = "    \
    fastcgi_param PATH_INFO $fastcgi_script_name;
    # It goes out twice; the last one counts.
    fastcgi_param SCRIPT_NAME \"\";
";

const KEEP_CONN: &str = "    \
    # Without it the program closes each connection, and upstream's keepalive has none to keep. With it nginx also hands
    # each piece of an answer on at once.
    fastcgi_keep_conn on;
";

const BUFFERED: &str = "    \
    # What the program streams is handed on as it comes; any other answer nginx gathers before it hands it on.
";

fn address(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(path) => words!("\"unix:{path}\""),
        Upstream::Tcp(..) => upstream.authority(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_listen(listen: &[&str], keepalive: bool) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            workers: 8,
            keepalive,
            ..Site::sample("/srv/www/app", &listen)
        })
    }

    #[test]
    fn one_connection_a_request_needs_no_upstream() {
        let text = for_listen(&["[::1]:9000"], false);
        assert!(text.contains("\n    fastcgi_pass [::1]:9000;\n"), "{text}");
        assert!(!text.contains("upstream app"));
        assert!(!text.contains("fastcgi_keep_conn"));
    }

    #[test]
    fn kept_connections_are_no_more_than_workers() {
        let text = for_listen(&["unix:/run/app.sock"], true);
        let (http, server) = text.split_once(IN_SERVER).expect("two parts");
        assert!(http.contains("upstream app {\n"), "{http}");
        assert!(http.contains("    server \"unix:/run/app.sock\";\n"));
        assert!(http.contains("    keepalive 8;\n"));
        assert!(server.contains("    fastcgi_pass app;\n"), "{server}");
        assert!(server.contains("    fastcgi_keep_conn on;\n"));
    }

    #[test]
    fn without_an_address_both_sides_are_told_the_same_one() {
        let text = for_listen(&[], false);
        assert!(
            text.contains(
                "/srv/www/app --listen unix:/run/app/app.sock --socket-owner :www-data --workers 8\n"
            ),
            "{text}"
        );
        assert!(text.contains("fastcgi_pass \"unix:/run/app/app.sock\";\n"));
    }
}
