//! systemd, which makes the socket, starts the program when it is first asked for, and keeps the socket while the program is
//! started anew. Called by [`text`](super::text).
//!
//! The service takes rights away that the program does not need. All system calls that the testbed makes, when each of its pages
//! is asked for, are in systemd 252's `@system-service`, and none of its memory is both written and executed. An application that
//! needs more can get it by a drop-in file (`systemctl edit`).

use super::escape::plain;
use super::site::{Site, Upstream, WEB_USER};
use crate::cli::words::{Words, joined, words};
use crate::net::is_swept;

/// The service.
pub(super) fn text(site: &Site) -> Words {
    let (path, name, file) = (site.path(), site.short_name(), site.file_name());
    let command = command(site);
    let home = home(site);
    let stop = site.last_wait(30);
    // systemd 252: "Executable name contains special characters".
    let useless = match () {
        () if path.contains('\'') => {
            "# systemd starts no program with a quote in its path: it has to be put elsewhere.\n"
        }
        () if is_swept(site.program) => {
            "# The service has a /tmp of its own, in which the program is not: it has to be put elsewhere.\n"
        }
        () => "",
    };
    words!(
        r#"# {path} under systemd: /etc/systemd/system/{name}.service. It goes with {name}.socket, which
# "{file} conf systemd socket" prints. When both are there:
#   systemctl daemon-reload && systemctl enable --now {name}.socket
# A new version: put it in place, and systemctl restart {name}.service; who connects meanwhile waits.
# After five failed starts systemd gives up on both: systemctl reset-failed {name}.service {name}.socket
{useless}
[Unit]
Description=FastCGI application {description}
# The socket is made before the program starts, and passed to it.
Requires={name}.socket
After={name}.socket network.target

[Service]
# The program says itself when it accepts connections, and that it stops. What it starts in turn is not believed.
Type=notify
NotifyAccess=main
ExecStart={command}
# SIGHUP: a new generation where there is --processes, else log files are opened anew.
ExecReload=/bin/kill -HUP $MAINPID
# Started again after a crash, but not at once.
Restart=on-failure
RestartSec=1
# TERM goes to the program alone: what it has started may be part of a request that still runs.
KillMode=mixed
# The program ends by itself, after --grace (5 s unless set); this is for one that cannot.
TimeoutStopSec={stop}

# A user of its own that exists only while the program runs; let all be able to read the program (mode 755).
# The one folder that it may write in is /var/lib/{name}, which STATE_DIRECTORY names to it; nobody else reads that.
DynamicUser=yes
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077

# No program that it starts gets more rights than it has.
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictSUIDSGID=yes
# The system's files cannot be written; /tmp is its own, and devices are those that harm nobody.
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
{home}
# Nothing of the kernel, the clock or the host can be set, and other users' processes are not seen.
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
# Unix sockets, and TCP for databases and mail; no raw packets, no netlink.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
# No containers within, no real-time priority, no other personality than Linux.
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
# No memory is both written and executed. An application that compiles at run time (a JIT) needs this line away.
MemoryDenyWriteExecute=yes
# The calls of an ordinary service, of this machine's own kind; any other fails with EPERM and does not kill.
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"#,
        description = specifiers(file),
    )
}

/// The socket.
pub(super) fn socket(site: &Site) -> Words {
    let (path, name) = (site.path(), site.short_name());
    let streams = streams(site);
    let access = match streams.iter().any(|stream| stream.starts_with('/')) {
        true => words!(
            "# Only the web server may connect. {WEB_USER} is Debian's name for it; elsewhere it is nginx, http or apache.\n\
             SocketUser={WEB_USER}\n\
             SocketGroup={WEB_USER}\n\
             SocketMode=0660\n"
        ),
        false => {
            "# FastCGI has no password: let it be an address that only the web server reaches.\n"
        }
    };
    let streams: String = streams
        .iter()
        .map(|stream| words!("ListenStream={}\n", specifiers(stream)))
        .collect();
    words!(
        r#"# The socket of {path}: /etc/systemd/system/{name}.socket. systemd makes it, and starts {name}.service when
# somebody connects. It stays while the program is started anew, so that no visitor is refused.

[Unit]
Description=Socket of the FastCGI application {description}

[Socket]
{streams}{access}# Connections that wait while the program starts.
Backlog=1024

[Install]
WantedBy=sockets.target
"#,
        description = specifiers(site.file_name()),
    )
}

/// Addresses as ListenStream has them; a name would not do.
fn streams(site: &Site) -> Vec<Words> {
    let given = site.listen.iter().filter_map(|address| {
        Some(match site.parse_listen(address)? {
            Upstream::Unix(path) => path,
            Upstream::Tcp(..) => plain(&address.replacen("localhost:", "127.0.0.1:", 1)),
        })
    });
    let given: Vec<Words> = given.collect();
    match (given.is_empty(), site.upstream_or_default()) {
        (true, Upstream::Unix(path)) => vec![path],
        _ => given,
    }
}

/// The sockets are passed, and so no `--listen`.
fn command(site: &Site) -> Words {
    // systemd replaces variables in the arguments, but not in the path.
    let path = specifiers(site.path());
    let mut arguments = site.arguments(site.processes).into_iter().map(|word| {
        let word = specifiers(word).replace('$', "$$");
        match word.contains([' ', '\'', ';']) {
            true => words!(" \"{word}\""),
            false => words!(" {word}"),
        }
    });
    words!("\"{path}\"{}", joined(&mut arguments, ""))
}

/// The lines on home folders. They cannot be hidden from a program that lies in one: it could not even be started.
fn home(site: &Site) -> &'static str {
    let homes = ["/home", "/root", "/run/user"];
    match homes.iter().any(|home| site.program.starts_with(home)) {
        true => {
            "# The program lies in a home: homes are read, and not written.\n\
             ProtectHome=read-only"
        }
        false => {
            "# Homes are not even seen.\n\
             ProtectHome=yes"
        }
    }
}

/// A text in which systemd replaces nothing: `%` begins what it replaces.
fn specifiers(text: &str) -> Words {
    text.replace('%', "%%").leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_that_nothing_is_replaced_in() {
        let odd = Site {
            mount: "/50%/$a b",
            ..Site::sample("/srv/100% $HOME/app.fcgi", &[])
        };
        let line =
            "\nExecStart=\"/srv/100%% $HOME/app.fcgi\" --workers 4 --mount \"/50%%/$$a b\"\n";
        let text = text(&odd);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_path_with_a_quote_is_said_to_be_of_no_use() {
        let said = "\n# systemd starts no program with a quote in its path";
        for (program, is_said) in [("/srv/it's/app.fcgi", true), ("/srv/app.fcgi", false)] {
            assert_eq!(
                text(&Site::sample(program, &[])).contains(said),
                is_said,
                "{program}"
            );
        }
    }

    #[test]
    fn a_program_in_a_home_can_be_started() {
        for (program, line) in [
            ("/home/ada/app.fcgi", "\nProtectHome=read-only\n"),
            ("/root/app.fcgi", "\nProtectHome=read-only\n"),
            ("/homes/app.fcgi", "\nProtectHome=yes\n"),
            ("/srv/www/app.fcgi", "\nProtectHome=yes\n"),
        ] {
            let text = text(&Site::sample(program, &[]));
            assert!(text.contains(line), "{program}: {text}");
        }
    }

    #[test]
    fn a_program_in_a_folder_for_temporary_files_is_warned() {
        for (program, is_told) in [("/tmp/app.fcgi", true), ("/srv/tmp/app.fcgi", false)] {
            let text = text(&Site::sample(program, &[]));
            assert_eq!(
                text.contains("/tmp of its own, in which"),
                is_told,
                "{text}"
            );
        }
    }

    #[test]
    fn every_address_is_a_line_and_a_descriptor_is_none() {
        let listen = ["unix:/run/50%.sock", "fd:3", "localhost:9000", "[::1]:9001"];
        let listen = listen.map(str::to_owned);
        let text = socket(&Site::sample("/srv/app.fcgi", &listen));
        let streams =
            "\nListenStream=/run/50%%.sock\nListenStream=127.0.0.1:9000\nListenStream=[::1]:9001\n";
        assert!(text.contains(streams), "{text}");
        let default = socket(&Site::sample("/srv/app.fcgi", &[]));
        assert!(
            default.contains("\nListenStream=/run/app/app.sock\n"),
            "{default}"
        );
        assert!(default.contains("\nSocketMode=0660\n"), "{default}");
    }

    #[test]
    fn tcp_alone_has_no_owner() {
        let listen = ["127.0.0.1:9000".to_owned()];
        let text = socket(&Site::sample("/srv/app.fcgi", &listen));
        assert!(!text.contains("SocketMode"), "{text}");
    }
}
