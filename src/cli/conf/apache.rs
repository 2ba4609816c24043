//! Apache's own configuration, for a whole host: with mod_fcgid, which starts the program, or mod_proxy_fcgi, which connects to
//! it. Called by [`text`](super::text).

use super::escape::{in_regex, in_shell_behind, plain};
use super::site::{Site, Upstream};
use crate::cli::words::{Words, words};

/// `ScriptAlias`, below which all addresses are the program's; `ProxyPass`, if the program listens by itself.
pub(super) fn text(site: &Site) -> Words {
    match site.upstream() {
        Some(upstream) => proxy_pass(site, &upstream),
        None => script_alias(site),
    }
}

/// Every file with the program's ending is a program, and what stands behind its name in an address is its path.
pub(super) fn addhandler(site: &Site) -> Words {
    let path = site.path();
    let folder = site.folder_text();
    let name = site.file_name();
    let ending = ending(name);
    let pattern = in_regex(ending);
    words!(
        r#"# Apache starts {path} by mod_fcgid, and addresses that begin with its own go to it: /{name}/news.
{DEBIAN}
# The folder must be the DocumentRoot, or lie below it.
<Directory "{folder}">
    # AddHandler fcgid-script {ending}, as guides have it, would start an uploaded photo{ending}.jpg too.
    <FilesMatch "{pattern}$">
        SetHandler fcgid-script
    </FilesMatch>
{ALLOWED}</Directory>

{limits}"#,
        limits = limits(site)
    )
}

/// A folder with files that Apache serves itself, to those visitors whom the program, as authorizer, lets in.
pub(super) fn authorizer(site: &Site) -> Words {
    let (path, place) = (site.path(), site.guarded());
    let numbers = fcgid_numbers(site);
    words!(
        r#"# Apache asks {path} by mod_fcgid who may see {place}, and serves the files itself. The program has to
# answer as authorizer: a page says no, and 200 yes.
{DEBIAN}# a2enmod auth_basic.
<Location "{place}">
    # What a browser asks its user for name and password by.
    AuthType Basic
    AuthName "{place}"
    # Without it 500: mod_auth_basic looks for a list of passwords, and finds none (No Authn provider configured).
    AuthBasicAuthoritative Off
    # Asked first, with REMOTE_USER and REMOTE_PASSWD: is it this user's password? FCGI_APACHE_ROLE is AUTHENTICATOR.
    FcgidAuthenticator "{path}"
    # Asked then, with REMOTE_USER: may this user see this page? FCGI_APACHE_ROLE is AUTHORIZER.
    FcgidAuthorizer "{path}"
    # Without it nobody is asked.
    Require valid-user
    # In the place of the four above, for a program that goes by a cookie or an address; not by a password.
    #FcgidAccessChecker "{path}"
</Location>

# Each no is a 401 with Apache's own page, whatever the program answers: ErrorDocument 401 /login replaces it. An
# authenticator's or access checker's headers Variable-NAME are shown to the visitor too; an authorizer's are not.

{numbers}"#
    )
}

/// The ending of a name: `.fcgi`. A name without an ending is returned whole.
pub(super) fn ending(name: &str) -> Words {
    match name.rsplit_once('.') {
        Some((_, ending)) => words!(".{ending}"),
        None => words!("{name}"),
    }
}

/// A place of the site that is the program's, whatever files there are.
pub(super) fn wrapper(site: &Site) -> Words {
    let path = site.path();
    let place = site.place();
    let program = wrapped_program(site);
    let words = wrapped_words(site);
    words!(
        r#"# Apache starts {path} by mod_fcgid, and addresses below {place} go to it.
{DEBIAN}
<Location "{place}">
    SetHandler fcgid-script
    # virtual: no file has to have the name of the place. Apache takes the first part of a path for SCRIPT_NAME then;
    # --mount says what is meant.
    FcgidWrapper "{program}{words}" virtual
{ALLOWED}</Location>

{limits}"#,
        limits = limits(&site.without_told())
    )
}

/// The program's path for FcgidWrapper: mod_fcgid divides that line at its blanks.
pub(super) fn wrapped_program(site: &Site) -> Words {
    let path = site.path();
    match path.contains(char::is_whitespace) {
        true => words!("\\\"{path}\\\""),
        false => path,
    }
}

/// The words that FcgidWrapper passes to the program. mod_fcgid gives a process one request at a time, and starts processes as it
/// needs them.
pub(super) fn wrapped_words(site: &Site) -> Words {
    let rooted = Site {
        mount: if site.mount.is_empty() {
            "/"
        } else {
            site.mount
        },
        ..*site
    };
    // Without the first two, --workers N, which mean nothing there.
    let words = rooted.arguments(0).split_off(2);
    in_shell_behind(&words)
}

/// A place of the site that is handed on to a program that somebody else has started.
pub(super) fn sethandler(site: &Site) -> Words {
    let place = site.place();
    let upstream = site.upstream_or_default();
    let (head, url, divided) = (proxied_head(site, &upstream), url(&upstream), divided(site));
    let (parameters, about) = parameters(site);
    let refused = match site.mount {
        "" => {
            "    # %3F and %0A in the first part of a path are a 403 here; ProxyPass lets both through.\n"
        }
        _ => "",
    };
    words!(
        r#"{head}{about}<Proxy "{url}">
    ProxySet{parameters}
</Proxy>

<Location "{place}">
    SetHandler "proxy:{url}"
{refused}    # Apache would take the first part of a path for SCRIPT_NAME.
{divided}</Location>
"#
    )
}

/// Lines that divide the path, as Apache has decoded and cleaned it, into SCRIPT_NAME, which is the mount, and PATH_INFO.
fn divided(site: &Site) -> Words {
    if site.mount.is_empty() {
        return r#"    ProxyFCGISetEnvIf "true" PATH_INFO "%{REQUEST_URI}"
    ProxyFCGISetEnvIf "true" SCRIPT_NAME ""
"#;
    }
    let pattern = in_regex(plain(site.mount));
    words!(
        r#"    # These divide it; (?s): a line break (%0A) may be in it. The last is for the mount itself, asked for without slash.
    ProxyFCGISetEnvIf "%{{REQUEST_URI}} =~ m|^({pattern})|" SCRIPT_NAME "$1"
    ProxyFCGISetEnvIf "%{{REQUEST_URI}} =~ m|^{pattern}((?s:/.*))$|" PATH_INFO "$1"
    ProxyFCGISetEnvIf "%{{REQUEST_URI}} !~ m|^{pattern}/|" PATH_INFO "/"
"#
    )
}

const DEBIAN: &str = "\
# Debian: apt-get install libapache2-mod-fcgid. Put this into <VirtualHost> of a file in /etc/apache2/sites-available.
";

const ALLOWED: &str = "    \
    # Without these two lines: 403. The file itself must be executable by Apache's user too.
    Options +ExecCGI
    Require all granted
";

/// A comment on the mount itself, asked for without its slash: which line of settings it needs.
fn about_mount(site: &Site) -> Words {
    let (mount, name) = (plain(site.mount), site.file_name());
    words!(
        "# {mount} itself, without a slash, arrives as a path of the root; a line `mount {mount}` in .ht.{name} says what is meant.\n"
    )
}

/// mod_fcgid's numbers, for a place outside of `<Directory>`, where it takes none of them.
fn limits(site: &Site) -> Words {
    let (body, numbers) = (site.body_limit(), fcgid_numbers(site));
    words!(
        "# mod_fcgid answers 500 to a larger request body without asking the program; it lets 131072 bytes through unless set.\n\
         FcgidMaxRequestLen {body}\n{numbers}"
    )
}

fn fcgid_numbers(site: &Site) -> Words {
    let name = site.file_name();
    let (patience, processes) = (fcgid_patience(site), fcgid_processes(site));
    let settings = site.as_settings();
    words!(
        r#"{patience}{processes}# A process that had no request for so long is ended, down to three of them (FcgidMinProcessesPerClass).
FcgidIdleTimeout 300

# mod_fcgid gives a process one request at a time and starts a further one when all are busy, so that --workers counts
# for nothing here. It passes no environment, and arguments only by FcgidWrapper: settings of the program
# stand in a file .ht.{name} beside it, one a line.
{settings}"#
    )
}

fn fcgid_patience(site: &Site) -> Words {
    match site.patience() {
        Some(seconds) => words!(
            "# How long the program may be silent, and a request may take, or mod_fcgid answers 500.\n# {}\n\
             FcgidIOTimeout {seconds}\n\
             FcgidBusyTimeout {}\n",
            site.about_patience(),
            // 300 is mod_fcgid's own default. A shorter time would end long downloads.
            seconds.max(300)
        ),
        None => {
            "\
            # mod_fcgid answers 500 when the program is silent for 40 s (FcgidIOTimeout), and ends a process whose request\n\
            # takes 300 s (FcgidBusyTimeout). --timeout has both agree with the program.\n"
        }
    }
}

fn fcgid_processes(site: &Site) -> Words {
    match site.processes {
        0 => {
            "\
            # It starts 100 processes of the program at most (FcgidMaxProcessesPerClass); --processes says how many.\n"
        }
        processes => words!(
            "# The most processes, and so the most requests at once. No line `processes` in the program's own settings: each\n\
             # of these would be the parent of as many again.\n\
             FcgidMaxProcessesPerClass {processes}\n"
        ),
    }
}

fn script_alias(site: &Site) -> Words {
    let path = site.path();
    let name = site.file_name();
    let folder = site.folder_text();
    let alias = match site.mount {
        "" => words!(
            "# The slash at the end makes the address's path PATH_INFO, and SCRIPT_NAME empty.\n\
             ScriptAlias \"/\" \"{path}/\"\n\n\
             # Files that Apache serves itself (above ScriptAlias, for the first one that fits is taken):\n\
             #Alias \"/static/\" \"/path/to/static/\"\n"
        ),
        mount => {
            let mount = plain(mount);
            words!("ScriptAlias \"{mount}\" \"{path}\"\n{}", about_mount(site))
        }
    };
    words!(
        r#"# Apache starts {path} by mod_fcgid, and addresses below {place} go to it.
{DEBIAN}
{alias}
<Directory "{folder}">
    # ScriptAlias alone would run it as CGI, once a request.
    <Files "{name}">
        SetHandler fcgid-script
    </Files>
{ALLOWED}</Directory>

{limits}"#,
        place = site.place(),
        limits = limits(site)
    )
}

fn proxied_head(site: &Site, upstream: &Upstream) -> Words {
    let path = site.path();
    let place = site.place();
    let start = site.how_to_start("Apache", std::slice::from_ref(upstream));
    let others = site.about_others();
    let body = proxied_body(site);
    words!(
        "# Apache connects to {path} by mod_proxy_fcgi, and addresses below {place} go to it.\n\
         # Debian: a2enmod proxy_fcgi. Put this into <VirtualHost> of a file in /etc/apache2/sites-available.\n\
         {start}{others}\n{body}"
    )
}

/// mod_proxy_fcgi hands a body of any size on: LimitRequestBody was seen to count for nothing there (Apache 2.4.71).
fn proxied_body(site: &Site) -> &'static str {
    match site.max_body {
        u64::MAX => "",
        _ => {
            "# Apache hands a body of any size on; the program itself refuses what is above --max-body, with 413.\n\n"
        }
    }
}

fn proxy_pass(site: &Site, upstream: &Upstream) -> Words {
    let (head, url) = (proxied_head(site, upstream), url(upstream));
    let (parameters, about) = parameters(site);
    let (place, mount) = (site.place(), plain(site.mount));
    let divided = divided(site);
    // ProxyPass stands outside of <Location>. Inside it would come before any other, and no line could take files out of it.
    words!(
        r#"{head}# Addresses that Apache answers itself (above ProxyPass, for the first one that fits is taken):
#ProxyPass "{mount}/static/" "!"

{about}ProxyPass "{place}" "{url}"{parameters}

# ProxyPass sends no PATH_INFO, and the whole path as SCRIPT_NAME.
<Location "{place}">
{divided}</Location>
"#
    )
}

fn url(upstream: &Upstream) -> Words {
    match upstream {
        Upstream::Unix(socket) => words!("unix:{socket}|fcgi://localhost/"),
        Upstream::Tcp(..) => words!("fcgi://{}/", upstream.authority()),
    }
}

/// The parameters of ProxyPass or ProxySet, and comments on them.
fn parameters(site: &Site) -> (Words, Words) {
    let about = "# flushpackets hands each piece of an answer on at once; else it waits until 64 KiB are there or the answer is whole.\n";
    let (timeout, about_timeout) = match site.patience() {
        Some(seconds) => (
            words!(" timeout={seconds}"),
            words!("# timeout: {}\n", site.about_patience()),
        ),
        None => (
            "",
            "# Apache answers 504 when the program is silent for longer than Timeout. --timeout has both agree.\n",
        ),
    };
    let (reuse, about_reuse) = match site.keepalive {
        true => (
            words!(" enablereuse=on ttl={}", site.kept().as_secs().max(1)),
            "\
            # enablereuse keeps connections to the program open, one for each thread of Apache at most. One that was idle for\n\
            # ttl is not used again: it is closed before the program does (--idle-timeout).\n",
        ),
        false => (
            "",
            "# --keepalive adds enablereuse, which keeps connections to the program open.\n",
        ),
    };
    (
        words!(" flushpackets=on{timeout}{reuse}"),
        words!("{about}{about_timeout}{about_reuse}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_listen(listen: &[&str], keepalive: bool) -> Words {
        let listen: Vec<String> = listen.iter().map(|&address| address.to_owned()).collect();
        text(&Site {
            keepalive,
            ..Site::sample("/srv/www/app.fcgi", &listen)
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
            let kept = format!("{line} enablereuse=on ttl=60\n");
            assert!(for_listen(&[address], true).contains(&kept));
        }
    }
}
