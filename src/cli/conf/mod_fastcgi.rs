//! mod_fastcgi, Apache's older module, in its three modes. No distribution has it any more: this is written after what its last
//! version (SNAP-0910052141, for Apache 2.4) was seen to do. Called by [`text`](super::text).

use super::apache::ending;
use super::escape::{in_regex, plain};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, words};

/// The static mode: Apache's process manager (`fcgi-pm`) starts the processes when Apache itself starts.
pub(super) fn fixed(site: &Site) -> Words {
    let (path, name) = (site.path(), site.file_name());
    let (patience, about) = patience(site);
    let processes = site.processes.max(1);
    let settings = settings(site);
    let alias = alias(site);
    words!(
        r#"# Apache starts {path} by mod_fastcgi, at its own start, and addresses below {place} go to it.
{OLD}
# Outside of <VirtualHost>: one set of processes serves all of them.
# -processes: one a second is started, and each that ends is started again: --processes. Requests share them; each
# answers as many at once as it has workers. No line `processes` in the program's own settings: each one would be a
# parent of as many again.
# -idle-timeout: {about}
# Apache makes the socket and passes it on, whatever the program would listen on itself. With -port 9000 it would be
# open to the whole network: mod_fastcgi listens on all addresses. With -host, as guides have it, Apache does not
# start ("invalid option: -host"): only FastCgiExternalServer knows that.
FastCgiServer "{path}" -idle-timeout {patience} -processes {processes}

# In <VirtualHost>:
{alias}
{allowed}
{settings}"#,
        place = site.place(),
        allowed = allowed(site, name),
    )
}

/// The dynamic mode: the process manager starts a process with the first request, and more as it sees fit.
pub(super) fn dynamic(site: &Site) -> Words {
    let (path, name) = (site.path(), site.file_name());
    let (patience, about) = patience(site);
    let settings = settings(site);
    let folder = site.folder_text();
    let pattern = in_regex(ending(name));
    let most = match site.processes {
        0 => 10,
        processes => processes,
    };
    words!(
        r#"# Apache starts {path} by mod_fastcgi, with the first request, and addresses that begin with its own go to
# it: /{name}/news. So it does with every file of this ending.
{OLD}
# Outside of <VirtualHost>, and for all programs alike. It starts one process and further ones by the load of the last
# minutes, not by that of now: several requests at once wait for the workers of one.
# -maxClassProcesses: the most of one program: --processes; 10 unless set. No line `processes` in the program's own
# settings.
# -idle-timeout: {about}
FastCgiConfig -idle-timeout {patience} -maxClassProcesses {most}

# In <VirtualHost>; the folder must be the DocumentRoot, or lie below it.
<Directory "{folder}">
    # AddHandler fastcgi-script, as guides have it, would start an uploaded photo.fcgi.jpg too.
    <FilesMatch "{pattern}$">
        SetHandler fastcgi-script
    </FilesMatch>
{ALLOWED}</Directory>

{settings}"#
    )
}

/// The external mode: somebody else starts the program, here or on another machine.
pub(super) fn external(site: &Site) -> Words {
    let (path, name) = (site.path(), site.file_name());
    let upstream = site.upstream_or_default();
    let (patience, about) = patience(site);
    let start = site.how_to_start("Apache", std::slice::from_ref(&upstream));
    let others = site.about_others();
    let alias = alias(site);
    let (address, about_address) = match &upstream {
        Upstream::Unix(socket) => (
            words!("-socket \"{socket}\""),
            "Where Apache may not connect the error log has \"(13)Permission denied: FastCGI: failed to connect\".",
        ),
        Upstream::Tcp(..) => (
            words!("-host {}", upstream.authority()),
            "Whoever reaches that address can ask the program anything: let it be 127.0.0.1, or have --allow name Apache's.",
        ),
    };
    let useless = match upstream.authority().starts_with('[') {
        true => {
            "# It will not: mod_fastcgi knows no IPv6 address. Let the program listen on another.\n"
        }
        false => "",
    };
    words!(
        r#"# Apache connects to {path} by mod_fastcgi, and addresses below {place} go to it.
{start}{others}# {about_address}
{useless}{OLD}
# Outside of <VirtualHost>. The file is a name for the other lines: it need not be there, and is not started.
# -idle-timeout: {about}
FastCgiExternalServer "{path}" {address} -idle-timeout {patience}

# In <VirtualHost>:
{alias}
{allowed}"#,
        place = site.place(),
        allowed = allowed(site, name),
    )
}

const OLD: &str = "\
# mod_fastcgi is no longer kept, and no distribution has it for Apache 2.4: mod_fcgid (conf apache) or mod_proxy_fcgi
# (conf apache --listen ADDR) do the same. Where a host still has it:
#LoadModule fastcgi_module modules/mod_fastcgi.so
";

const ALLOWED: &str = "    \
    # Without these two lines: 403, and \"ExecCGI Option\" is off in this directory.
    Options +ExecCGI
    Require all granted
";

/// The number for `-idle-timeout`, and a comment on it. If the program has no time limit, it is the guides' number.
fn patience(site: &Site) -> (u64, Words) {
    match site.patience() {
        Some(seconds) => (seconds, site.about_patience()),
        None => (
            300,
            "how long the program may be silent, 30 s unless set; then: 500 and \"idle timeout\" in the log.",
        ),
    }
}

fn alias(site: &Site) -> Words {
    let path = site.path();
    match site.mount {
        "" => words!(
            "# The slash at the end makes the address's path PATH_INFO, and SCRIPT_NAME empty. Files that Apache serves\n\
             # itself: an Alias above this line.\n\
             ScriptAlias \"/\" \"{path}/\"\n"
        ),
        mount => words!("ScriptAlias \"{}\" \"{path}\"\n", plain(mount)),
    }
}

fn allowed(site: &Site, name: &str) -> Words {
    let folder = site.folder_text();
    words!(
        r#"<Directory "{folder}">
    # ScriptAlias alone would run it as CGI, once a request.
    <Files "{name}">
        SetHandler fastcgi-script
    </Files>
{ALLOWED}</Directory>

# mod_fastcgi keeps the Authorization header to itself unless -pass-header Authorization stands behind the options
# above. It answers 411 to a chunked request body.
"#
    )
}

/// Comments on the program's settings: mod_fastcgi passes neither arguments nor an environment.
fn settings(site: &Site) -> Words {
    let name = site.file_name();
    words!(
        "# The program gets no environment and no arguments: its settings stand in a file .ht.{name} beside it, one a line:\n\
         #   workers {}\n{}",
        site.workers,
        site.as_settings()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What guides have, and what was seen: `-host` is for external alone, where it has host and port; `-port` is open to
    /// the network.
    #[test]
    fn each_mode_has_its_own_directive_and_options_that_it_knows() {
        let unix = ["unix:/run/app.sock".to_owned()];
        let tcp = ["127.0.0.1:9000".to_owned()];
        for (text, directive) in [
            (
                fixed(&Site::sample("/srv/www/app.fcgi", &tcp)),
                "FastCgiServer \"/srv/www/app.fcgi\" -idle-timeout 300 -processes 1",
            ),
            (
                dynamic(&Site::sample("/srv/www/app.fcgi", &tcp)),
                "FastCgiConfig -idle-timeout 300 -maxClassProcesses 10",
            ),
            (
                external(&Site::sample("/srv/www/app.fcgi", &unix)),
                "FastCgiExternalServer \"/srv/www/app.fcgi\" -socket \"/run/app.sock\" -idle-timeout 300",
            ),
            (
                external(&Site::sample("/srv/www/app.fcgi", &tcp)),
                "FastCgiExternalServer \"/srv/www/app.fcgi\" -host 127.0.0.1:9000 -idle-timeout 300",
            ),
        ] {
            let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("FastCgi")).collect();
            assert_eq!(lines, [directive]);
            assert!(text.contains("SetHandler fastcgi-script\n"), "{text}");
            assert!(text.contains("    Options +ExecCGI\n"), "{text}");
        }
    }

    #[test]
    fn which_ones_bite_is_said() {
        let text = fixed(&Site::sample("/srv/www/app.fcgi", &[]));
        for said in [
            "listens on all addresses",
            "invalid option: -host",
            ".ht.app.fcgi",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let listen = ["[::1]:9000".to_owned()];
        let text = external(&Site::sample("/srv/www/app.fcgi", &listen));
        assert!(
            text.contains("\n# It will not: mod_fastcgi knows no IPv6"),
            "{text}"
        );
    }
}
