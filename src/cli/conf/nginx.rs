//! nginx, which never starts a program and passes it no parameter unless told to. Called by [`text`](super::text).

use super::{MAX_BODY, Site, Upstream, in_regex, plain};

/// Blocks for `server { }`. With `keepalive` a block for `http { }` comes before them; the line [`IN_SERVER`] divides
/// the two.
pub(super) fn text(site: &Site) -> String {
    whole(site, |pass, connection| server(site, pass, connection))
}

/// One `location` and no more: every address below it goes to the program, files or not.
pub(super) fn location(site: &Site) -> String {
    whole(site, |pass, connection| {
        plain_location(site.mount, pass, connection)
    })
}

/// The block of older guides, which takes the path out of `$uri` by an `if`.
pub(super) fn by_if(site: &Site) -> String {
    whole(site, |pass, connection| {
        if_location(site.mount, pass, connection)
    })
}

fn whole(site: &Site, server: impl Fn(&str, &str) -> String) -> String {
    let upstream = site.upstream_or_default();
    let head = head(site, &upstream);
    if site.keepalive {
        let pool = pool(site, &upstream);
        let server = server(&site.short_name(), KEEP_CONN);
        format!("{head}\n{pool}\n{IN_SERVER}\n{server}")
    } else {
        let server = server(&address(&upstream), BUFFERED);
        format!("{head}\n{IN_SERVER}\n{server}")
    }
}

/// Heads the part that belongs into `server { }`.
const IN_SERVER: &str = "# Inside server { }:";

fn head(site: &Site, upstream: &Upstream) -> String {
    let path = site.path();
    let command = site.command(upstream);
    format!(
        "# nginx connects to {path}, and addresses that are no files go to it.\n\
         # nginx does not start the program. Whoever does (systemd, supervisor, a terminal) runs:\n\
         #   {command}\n\
         # A unix socket is for the program's own user: start it as nginx's, or with --socket-owner :www-data (its\n\
         # group), or each request is a 502.\n"
    )
}

fn pool(site: &Site, upstream: &Upstream) -> String {
    let name = site.short_name();
    let address = address(upstream);
    let workers = site.workers.max(1);
    format!(
        "# Inside http {{ }}, beside server {{ }}:\n\
         upstream {name} {{\n    \
             server {address};\n    \
             # Idle connections that each of nginx's processes keeps open, no more than the program has workers.\n    \
             keepalive {workers};\n\
         }}\n"
    )
}

fn server(site: &Site, pass: &str, connection: &str) -> String {
    let name = site.short_name();
    let lines = format!("{}    try_files $uri @{name};\n", max_body());
    let locations = locations(site.mount, &lines);
    let program = program(site.mount, pass, connection);
    format!(
        r#"# nginx serves any file below its root, also hidden ones, databases and programs: let that be a folder with public
# files only, and not the program's own.
{locations}
location @{name} {{
{program}}}
"#
    )
}

fn plain_location(mount: &str, pass: &str, connection: &str) -> String {
    locations(mount, &program(mount, pass, connection))
}

/// The addresses of the program, each with these lines.
fn locations(mount: &str, lines: &str) -> String {
    if mount.is_empty() {
        return format!("location / {{\n{lines}}}\n");
    }
    let mount = plain(mount);
    format!(
        "# The mount itself, asked for without its slash.\n\
         location = \"{mount}\" {{ rewrite ^ \"{mount}/\" last; }}\n\
         # The slash keeps {mount}xyz out; ^~ keeps a location for names (~ \\.php$) from taking some away.\n\
         location ^~ \"{mount}/\" {{\n{lines}}}\n"
    )
}

fn program(mount: &str, pass: &str, connection: &str) -> String {
    let (max_body, params) = (max_body(), params(mount));
    format!(
        r#"{max_body}    # Without it nginx passes no parameter at all.
    include fastcgi_params;
{params}    fastcgi_pass {pass};
{connection}"#
    )
}

fn params(mount: &str) -> String {
    if mount.is_empty() {
        return format!(
            "    # The program stands at the root: the whole path is PATH_INFO.\n{AT_ROOT}"
        );
    }
    let pattern = in_regex(&plain(mount));
    format!(
        r#"    # What the program is reached under becomes SCRIPT_NAME, the rest PATH_INFO. (?s): a line break (%0A) may be in it.
    fastcgi_split_path_info "(?s)^({pattern})(/.*)$";
    fastcgi_param PATH_INFO $fastcgi_path_info;
    # It goes out twice; the last one counts.
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
"#
    )
}

/// In each location: once for `server { }` it would be an error beside a second program's.
fn max_body() -> String {
    format!(
        "    # Unless set, nginx answers 413 to a request body above 1 MiB.\n    client_max_body_size {}m;\n",
        MAX_BODY >> 20
    )
}

fn if_location(mount: &str, pass: &str, connection: &str) -> String {
    let (max_body, name) = (max_body(), plain(mount));
    let pattern = in_regex(&name);
    // `^~` as in `locations`. The mount itself nginx sends on to its slash, by a 301.
    let place = match mount {
        "" => "/".to_owned(),
        _ => format!("^~ \"{name}/\""),
    };
    format!(
        r#"location {place} {{
{max_body}    # Without it nginx passes no parameter at all.
    include fastcgi_params;
    # PATH_INFO has no slash in front then, is encoded a second time, and ends at a line break: the program takes the
    # path from REQUEST_URI where it has to. Plain `conf nginx` needs no `if`.
    if ($uri ~ "^{pattern}/(.*)?") {{ set $path_url $1; }}
    fastcgi_param PATH_INFO $path_url;
    fastcgi_param SCRIPT_NAME "{name}";
    fastcgi_pass {pass};
{connection}}}
"#
    )
}

/// SCRIPT_NAME is in `fastcgi_params` too, with the whole path.
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

fn address(upstream: &Upstream) -> String {
    match upstream {
        Upstream::Unix(path) => format!("\"unix:{path}\""),
        Upstream::Tcp(..) => upstream.authority(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn for_listen(listen: &[&str], keepalive: bool) -> String {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            program: Path::new("/srv/www/app"),
            listen: &listen,
            workers: 8,
            keepalive,
            mount: "",
            access: "",
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
            text.contains("/srv/www/app --listen unix:/run/app/app.sock --workers 8\n"),
            "{text}"
        );
        assert!(text.contains("fastcgi_pass \"unix:/run/app/app.sock\";\n"));
    }
}
