//! Caddy, which only connects, in the two forms that it has for FastCGI. Called by [`text`](super::text).

use super::escape::plain;
use super::site::{Site, Upstream};
use crate::cli::words::{Words, joined, words};

/// `reverse_proxy` with the FastCGI transport: every address, or those below the mount.
pub(super) fn text(site: &Site) -> Words {
    let upstreams = site.upstreams_or_default();
    let (addresses, health, body) = (addresses(&upstreams), health(&upstreams), body(site));
    let patience = patience(site, "        ");
    let block = match (site.mount, patience) {
        ("", "") => words!(
            r#"{body}# The program stands at the root: the whole path is PATH_INFO.
reverse_proxy {addresses} {{
{health}    transport fastcgi
}}
"#
        ),
        ("", _) => words!(
            r#"{body}# The program stands at the root: the whole path is PATH_INFO.
reverse_proxy {addresses} {{
{health}    transport fastcgi {{
{patience}    }}
}}
"#
        ),
        (mount, _) => handled(
            mount,
            words!(
                r#"{body}reverse_proxy {addresses} {{
{health}    transport fastcgi {{
        # What the program is reached under: SCRIPT_NAME ends behind it, and PATH_INFO begins.
        split "{mount}"
{patience}    }}
}}
"#,
                mount = plain(mount)
            ),
        ),
    };
    words!("{}{block}", head(site, &upstreams))
}

/// The form that is meant for PHP. The path is in REQUEST_URI alone, where the program finds it. SCRIPT_NAME would be the file's
/// name; below a mount it is set to that.
pub(super) fn php(site: &Site) -> Words {
    let upstreams = site.upstreams_or_default();
    let (addresses, health, body) = (addresses(&upstreams), health(&upstreams), body(site));
    let patience = patience(site, "    ");
    let file = site.file_name();
    let folder = site.folder_text();
    let env = match site.mount {
        "" => "",
        mount => words!(
            "    # Else it is the file's name.\n    env SCRIPT_NAME \"{}\"\n",
            plain(mount)
        ),
    };
    let block = words!(
        r#"{body}root * "{folder}"
php_fastcgi {addresses} {{
    # Every address goes to the program; `try_files {{path}} {file}` leaves those to file_server that are files.
    try_files "{file}"
    index "{file}"
    split "{file}"
{env}{patience}{health}}}
"#
    );
    let block = match site.mount {
        "" => block,
        mount => handled(mount, block),
    };
    words!(
        r#"{head}# In this form Caddy has to find the program below a root. With a file_server visitors could download it then: leave
# that out, or write: file_server {{ hide {file} .ht* }}
{block}"#,
        head = head(site, &upstreams)
    )
}

/// The block, in a `handle` for the addresses below the mount. Without that its root would be the whole site's: of several in a
/// site the last counts (Caddy 2.6), and a `file_server` would hand out the program.
fn handled(mount: &str, block: &str) -> Words {
    let block: String = block.lines().map(|line| words!("    {line}\n")).collect();
    words!("{}handle @fcgi {{\n{block}}}\n", matcher(mount))
}

/// The lines for several addresses: which one is asked, and what happens if one cannot be reached.
fn health(upstreams: &[Upstream]) -> &'static str {
    match upstreams {
        [_] => "",
        _ => {
            "    # The one with the fewest requests. One that cannot be reached is passed over for fail_duration; until then\n    \
             # others are asked instead, for lb_try_duration at most, and after that it is a 502.\n    \
             lb_policy least_conn\n    \
             fail_duration 10s\n    \
             lb_try_duration 5s\n"
        }
    }
}

/// The line for how long Caddy waits: for ever, without it.
fn patience(site: &Site, indent: &str) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "{indent}# {}\n{indent}read_timeout {seconds}s\n",
            site.about_patience()
        ),
        None => "",
    }
}

/// The lines for bodies: without them Caddy takes one of any size.
fn body(site: &Site) -> Words {
    match site.max_body {
        u64::MAX => "",
        _ => words!(
            "# A larger one is cut off here; the program would answer it with 413.\nrequest_body {{\n    max_size {}\n}}\n",
            site.body_limit()
        ),
    }
}

fn addresses(upstreams: &[Upstream]) -> Words {
    joined(&mut upstreams.iter().map(address), " ")
}

fn head(site: &Site, upstreams: &[Upstream]) -> Words {
    let path = site.path();
    let start = site.how_to_start("Caddy", upstreams);
    words!(
        "# Caddy connects to {path}. Inside the block of its site:\n\
         {start}\
         # Caddy opens a connection for each request. It reads no answer before it has sent the whole body.\n\
         # For answers that come in pieces: flush_interval -1, in the block of the program.\n\n"
    )
}

/// The line that gives the addresses below the mount a name, `@fcgi`.
fn matcher(mount: &str) -> Words {
    let mount = plain(mount);
    words!("@fcgi path \"{mount}\" \"{mount}/*\"\n")
}

/// An address as Caddy writes it: a unix socket is `unix/` and the path.
fn address(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(path) => words!("\"unix/{path}\""),
        Upstream::Tcp(..) => upstream.authority(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_and_a_mount_are_written_as_caddy_reads_them() {
        let listen = ["unix:/run/app.sock".to_owned()];
        let site = |mount| Site {
            mount,
            ..Site::sample("/srv/www/app.fcgi", &listen)
        };
        assert!(text(&site("")).contains("\nreverse_proxy \"unix//run/app.sock\" {\n"));
        assert!(text(&site("/app")).contains("            split \"/app\"\n"));
        assert!(php(&site("")).contains("\nphp_fastcgi \"unix//run/app.sock\" {\n"));
        assert!(php(&site("")).contains("    index \"app.fcgi\"\n"));
        let below = php(&site("/app"));
        for line in [
            "@fcgi path \"/app\" \"/app/*\"\n",
            "handle @fcgi {\n    root * \"/srv/www\"\n    php_fastcgi \"unix//run/app.sock\" {\n",
            "    env SCRIPT_NAME \"/app\"\n",
        ] {
            assert!(below.contains(line), "{below}");
        }
    }
}
