//! Apache's own configuration, for a whole host: mod_fcgid, which starts the program, or mod_proxy_fcgi, which connects
//! to it. Called by [`text`](super::text).

use super::{MAX_BODY, Site, Upstream};

pub(super) fn text(site: &Site) -> String {
    match site.upstream() {
        Some(upstream) => proxied(site, &upstream),
        None => started(site),
    }
}

fn started(site: &Site) -> String {
    let path = site.path();
    let name = site.file_name();
    let folder = site.folder();
    let folder = super::plain(&folder.to_string_lossy());
    format!(
        r#"# Apache starts {path} by mod_fcgid, and every address goes to it.
# Debian: apt-get install libapache2-mod-fcgid. Put this into <VirtualHost> of a file in /etc/apache2/sites-available.

# The slash at the end makes the address's path PATH_INFO, and SCRIPT_NAME empty.
ScriptAlias "/" "{path}/"

<Directory "{folder}">
    # ScriptAlias alone would run it as CGI, once a request.
    <Files "{name}">
        SetHandler fcgid-script
    </Files>
    # Without these two lines: 403. The file itself must be executable by Apache's user too.
    Options +ExecCGI
    Require all granted
</Directory>

# mod_fcgid answers 500 to a larger request body without asking the program; it lets 131072 bytes through unless set.
FcgidMaxRequestLen {MAX_BODY}

# Files that Apache serves itself (above ScriptAlias, for the first one that fits is taken):
#Alias "/static/" "/path/to/static/"

# mod_fcgid gives a process one request at a time and starts a further one when all are busy, so that --workers counts
# for nothing here. It passes no arguments and no environment: settings of the program stand in a file
# .ht.{name} beside it, one a line.
"#
    )
}

fn proxied(site: &Site, upstream: &Upstream) -> String {
    let path = site.path();
    let command = site.command(upstream);
    let url = match upstream {
        Upstream::Unix(socket) => format!("unix:{socket}|fcgi://localhost/"),
        Upstream::Tcp(..) => format!("fcgi://{}/", upstream.authority()),
    };
    let (reuse, about_reuse) = if site.keepalive {
        (
            " enablereuse=on",
            "enablereuse keeps connections to the program open, one for each thread of Apache at most.",
        )
    } else {
        (
            "",
            "--keepalive adds enablereuse, which keeps connections to the program open.",
        )
    };
    format!(
        r#"# Apache connects to {path} by mod_proxy_fcgi, and every address goes to it.
# Debian: a2enmod proxy_fcgi. Put this into <VirtualHost> of a file in /etc/apache2/sites-available.
# Apache does not start the program. Whoever does (systemd, supervisor, a terminal) runs:
#   {command}
# On a unix socket Apache's user must be allowed to write, or each request is a 503.

# Addresses that Apache answers itself (above ProxyPass, for the first one that fits is taken):
#ProxyPass "/static/" "!"

# flushpackets hands each piece of an answer on at once; else it waits until 64 KiB are there or the answer is whole.
# {about_reuse}
ProxyPass "/" "{url}" flushpackets=on{reuse}

# ProxyPass sends no PATH_INFO, and the whole path as SCRIPT_NAME. These two turn it round: the program stands at the
# root. Their order matters. (SetHandler in <Location "/"> would split the path at its first part: /news/today would
# arrive as /today.)
ProxyFCGISetEnvIf "true" PATH_INFO "%{{reqenv:SCRIPT_NAME}}"
ProxyFCGISetEnvIf "true" SCRIPT_NAME ""
"#
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn for_listen(listen: &[&str], keepalive: bool) -> String {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            program: Path::new("/srv/www/app.fcgi"),
            listen: &listen,
            workers: 4,
            keepalive,
            mount: "",
        })
    }

    #[test]
    fn without_an_address_apache_starts_the_program() {
        let text = for_listen(&[], false);
        assert!(text.contains("ScriptAlias \"/\" \"/srv/www/app.fcgi/\"\n"));
        assert!(text.contains("<Directory \"/srv/www\">\n"));
        assert!(!text.contains("ProxyPass"));
    }

    #[test]
    fn with_an_address_apache_connects_to_it() {
        for (address, url) in [
            ("unix:/run/app.sock", "unix:/run/app.sock|fcgi://localhost/"),
            ("127.0.0.1:9000", "fcgi://127.0.0.1:9000/"),
            ("[::1]:9000", "fcgi://[::1]:9000/"),
        ] {
            let line = format!("\nProxyPass \"/\" \"{url}\" flushpackets=on");
            assert!(for_listen(&[address], false).contains(&format!("{line}\n")));
            let kept = format!("{line} enablereuse=on\n");
            assert!(for_listen(&[address], true).contains(&kept));
        }
    }
}
