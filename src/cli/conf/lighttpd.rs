//! lighttpd, which starts the program or only connects to it. Called by [`text`](super::text).

use super::escape::{in_regex, in_shell_behind, plain};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, joined, words};

/// Every address is rewritten to the program's.
pub(super) fn text(site: &Site) -> Words {
    let name = site.short_name();
    let server = server(site, words!("/{name}.fcgi"), "");
    let mount = in_regex(plain(site.mount));
    // The mount itself, too, asked for without its slash.
    let bare = if mount.is_empty() { "" } else { "|\\?.*|" };
    whole(
        site,
        "\"mod_rewrite\", \"mod_fastcgi\"",
        words!(
            r#"{server}
# These go to the program, with SCRIPT_NAME /{name}.fcgi and the path as PATH_INFO. Files that lighttpd serves
# itself come before: "^(/static($|/.*))$" => "$1",
url.rewrite-once = (
    "^{mount}(/.*{bare})$" => "/{name}.fcgi$1"
)
"#
        ),
    )
}

/// All addresses that begin with the mount are the program's; without a mount, all that begin with its name.
pub(super) fn prefix(site: &Site) -> Words {
    let named = words!("/{}", site.short_name());
    let site = &Site {
        mount: match site.mount {
            "" => named,
            mount => mount,
        },
        ..*site
    };
    let place = plain(site.mount);
    let (server, pattern) = (server(site, place, ""), in_regex(place));
    // The condition says which paths are not meant. In lighttpd 1.4.69 no pattern fits a path with a byte that is not UTF-8, so
    // that a condition which says what is meant would leave such paths out.
    whole(
        site,
        "\"mod_fastcgi\"",
        words!(
            "# The prefix alone would take {place}xyz too.\n$HTTP[\"url\"] !~ \"^{pattern}[^/]\" {{\n{server}}}\n"
        ),
    )
}

/// All addresses are the program's.
pub(super) fn root(site: &Site) -> Words {
    let fix = "        # Else the first part of the path would be SCRIPT_NAME.\n        \
                 \"fix-root-scriptname\" => \"enable\",\n";
    whole(site, "\"mod_fastcgi\"", server(site, "/", fix))
}

/// A folder with files that lighttpd serves itself, to those visitors whom the program, as authorizer, lets in.
pub(super) fn authorizer(site: &Site) -> Words {
    let place = site.guarded();
    let more = words!(
        "        # Asked for each file below {place}, which lighttpd serves once it answers 200. Any other answer is the\n        \
         # visitor's as it is: a 403, or a redirect to a login. Headers Variable-NAME are not shown.\n        \
         \"mode\" => \"authorizer\",\n        \
         # Required in this mode. It is where the files are, for SCRIPT_FILENAME.\n        \
         \"docroot\" => server.document-root,\n"
    );
    // The guarded folder is not the program's mount.
    let guard = &Site { mount: "", ..*site };
    let server = server(guard, words!("{place}/"), more);
    let what = words!("it is asked who may see {place}");
    let (head, loaded) = (head(guard, what), loaded("\"mod_fastcgi\"", server));
    words!("{head}{loaded}")
}

fn whole(site: &Site, modules: &str, server: &str) -> Words {
    let head = head(site, words!("{} goes to it", addresses(site)));
    let (loaded, body) = (loaded(modules, server), body(site));
    words!(
        r#"{head}{loaded}
{body}# lighttpd takes a request body of any size, and keeps it on disk (server.upload-dirs) until it is whole. It gathers an
# answer, too, before it hands it on. For answers that come in pieces, and for bodies that are passed on as they come:
#server.stream-response-body = 1
# (the next line makes most chunked bodies a 411)
#server.stream-request-body = 1
"#
    )
}

/// The comments at the top; `what` says what is done with the program.
fn head(site: &Site, what: &str) -> Words {
    match &site.upstreams()[..] {
        [] => starts_head(site, what),
        upstreams => connects_head(site, what, upstreams),
    }
}

fn loaded(modules: &str, server: &str) -> Words {
    words!(
        r#"
# Debian: instead of this line, lighty-enable-mod with the same names.
server.modules += ( {modules} )

{server}"#
    )
}

/// The entry `fastcgi.server` for the program at `place`; `more` are further lines for it.
fn server(site: &Site, place: &str, more: &str) -> Words {
    let ways = match &site.upstreams()[..] {
        [] => vec![starts(site)],
        upstreams => upstreams.iter().map(connects).collect(),
    };
    let entry = |(number, way): (usize, Words)| {
        // Said once is enough.
        let about = if number == 0 { NO_FILES } else { "" };
        words!(
            "{way}{}{more}{about}        \"check-local\" => \"disable\"\n",
            patience(site)
        )
    };
    let before = several(ways.len());
    let entries = joined(
        &mut ways.into_iter().enumerate().map(entry),
        "    ),\n    (\n",
    );
    words!("{before}fastcgi.server = ( \"{place}\" =>\n    ((\n{entries}    ))\n)\n")
}

const NO_FILES: &str = "        # Whether there is a file of that name is not looked at before.\n";

fn several(programs: usize) -> Words {
    match programs {
        1 => "",
        _ => {
            "# The one with the fewest requests is asked. One that cannot be reached is passed over, for 1 s unless\n\
             # \"disable-time\" says more.\n"
        }
    }
}

/// The line for how long lighttpd waits: for ever, without it.
fn patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "        # {}\n        \"read-timeout\" => {seconds},\n",
            site.about_patience()
        ),
        None => "",
    }
}

/// The line for bodies. It is in KiB, rounded up: the program itself refuses what is a little too large.
fn body(site: &Site) -> Words {
    match site.max_body {
        u64::MAX => "",
        _ => words!(
            "# In KiB, for all that lighttpd serves: a larger request body is its 413.\nserver.max-request-size = {}\n\n",
            site.body_limit().div_ceil(1024).min(i32::MAX as u64)
        ),
    }
}

/// In words: which addresses go to the program.
fn addresses(site: &Site) -> Words {
    match site.mount {
        "" => "every address",
        mount => words!("every address below {}", plain(mount)),
    }
}

fn starts_head(site: &Site, what: &str) -> Words {
    let path = site.path();
    let will_not = match path.contains(char::is_whitespace) {
        true => {
            "# It will not: lighttpd divides bin-path at each blank. Move the program to a path without one.\n"
        }
        false => "",
    };
    words!(
        "# lighttpd starts {path}, and {what}.\n\
         # What the program logs is lost unless lighttpd is told where to put it:\n\
         #server.breakagelog = \"/var/log/lighttpd/breakage.log\"\n\
         {will_not}"
    )
}

fn starts(site: &Site) -> Words {
    let path = site.path();
    let processes = site.processes.max(1);
    let socket = socket(site);
    let words = in_shell_behind(&site.arguments(0));
    words!(
        r#"        # As many as --processes says, each with its own workers; lighttpd starts four unless told otherwise.
        "bin-path" => "{path}{words}",
        "max-procs" => {processes},
        # lighttpd makes this socket and hands it on. Its user (www-data) has to be allowed to write to the folder,
        # or lighttpd ends with "bind failed": Debian has /run/lighttpd for that.
        "socket" => "{socket}",
"#
    )
}

/// The socket that lighttpd makes. It is not in /tmp, as in the guides: lighttpd connects to a socket that is there already, and
/// in /tmp anybody may have put one.
fn socket(site: &Site) -> Words {
    let name = site.short_name();
    let folder = site.folder();
    let of_the_system = ["/usr", "/opt", "/srv", "/var"]
        .iter()
        .any(|place| folder.starts_with(place));
    if of_the_system {
        // The packages of Debian, Fedora, Alpine and Arch make this folder for lighttpd's user.
        words!("/run/lighttpd/{name}.sock")
    } else {
        // A program elsewhere is a person's own, and so is the lighttpd that runs it.
        let socket = folder.join(words!("{name}.sock"));
        plain(&socket.to_string_lossy())
    }
}

fn connects_head(site: &Site, what: &str, upstreams: &[Upstream]) -> Words {
    let path = site.path();
    let start = site.how_to_start("lighttpd", upstreams);
    words!(
        "# lighttpd connects to {path}, and {what}.\n\
         {start}"
    )
}

fn connects(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(path) => words!("        \"socket\" => \"{path}\",\n"),
        Upstream::Tcp(host, port) => {
            words!("        \"host\" => \"{host}\",\n        \"port\" => {port},\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_listen(program: &str, listen: &[&str]) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            workers: 8,
            ..Site::sample(program, &listen)
        })
    }

    fn for_program(program: &str) -> Words {
        for_listen(program, &[])
    }

    #[test]
    fn without_an_address_lighttpd_starts_one_program() {
        let text = for_program("/srv/www/app.fcgi");
        assert!(text.contains("\"bin-path\" => \"/srv/www/app.fcgi --workers 8\","));
        assert!(text.contains("\"max-procs\" => 1,"));
        assert!(text.contains("\"^(/.*)$\" => \"/app.fcgi$1\""));
    }

    #[test]
    fn the_socket_is_made_where_nobody_else_can_make_one() {
        let text = for_program("/srv/www/app.fcgi");
        assert!(text.contains("\"socket\" => \"/run/lighttpd/app.sock\","));
        let text = for_program("/home/ada/www/app.fcgi");
        assert!(text.contains("\"socket\" => \"/home/ada/www/app.sock\","));
    }

    #[test]
    fn with_an_address_lighttpd_starts_nothing() {
        let text = for_listen("/srv/www/app.fcgi", &["[::1]:9000"]);
        assert!(text.contains("\"host\" => \"::1\",\n        \"port\" => 9000,\n"));
        assert!(!text.contains("bin-path"));
        let text = for_listen("/srv/www/app.fcgi", &["unix:/run/app.sock"]);
        assert!(text.contains("\"socket\" => \"/run/app.sock\",\n"));
    }

    #[test]
    fn a_path_with_a_blank_is_said_to_be_of_no_use() {
        assert!(for_program("/srv/my www/app").contains("# It will not"));
        assert!(!for_program("/srv/www/app").contains("# It will not"));
    }

    #[test]
    fn a_prefix_is_said_to_the_program_too() {
        let text = prefix(&Site {
            workers: 8,
            ..Site::sample("/srv/www/app.fcgi", &[])
        });
        assert!(text.contains("fastcgi.server = ( \"/app\" =>"), "{text}");
        assert!(text.contains(" --workers 8 --mount /app\","), "{text}");
        assert!(text.contains("every address below /app goes"), "{text}");
    }
}
