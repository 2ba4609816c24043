//! Where requests come from: the web server's socket, one CGI request, systemd, an address, or nowhere. The command line and `run`
//! ask this first, before they look at a single flag.

use std::env;
use std::fs::File;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::process;

use socket2::SockRef;

use super::address::Address;
use super::sys;

/// Where requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The listening socket on fd 0: mod_fcgid, mod_fastcgi, lighttpd, supervisor, spawn-fcgi.
    Inherited,
    /// One request from the environment and stdin.
    Cgi,
    /// The sockets that systemd passes.
    Systemd(Vec<RawFd>),
    /// The addresses of `--listen`.
    Listen(Vec<Address>),
    /// The http server of `--http`, on this address.
    Http(SocketAddr),
    /// Nobody has said where, and standard input is a terminal: a person is looking.
    Terminal,
    /// Nobody has said where.
    Nothing,
}

impl Origin {
    /// Where to listen for FastCGI; empty where requests come otherwise.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        match self {
            Origin::Inherited => vec![Address::Fd(0)],
            Origin::Systemd(fds) => fds.iter().copied().map(Address::Fd).collect(),
            Origin::Listen(addresses) => addresses.clone(),
            Origin::Cgi | Origin::Http(_) | Origin::Terminal | Origin::Nothing => Vec::new(),
        }
    }
}

/// What the process finds out about how it was started, without its arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Whether fd 0 is a *listening* socket. A web server starts nothing with a connected one.
    listening_stdin: bool,
    /// Whether these variables are set: GATEWAY_INTERFACE, REQUEST_METHOD.
    gateway_interface: bool,
    request_method: bool,
    /// What these variables say: LISTEN_FDS, LISTEN_PID.
    listen_fds: Option<String>,
    listen_pid: Option<String>,
    pid: u32,
    /// Whether fd 0 is a terminal.
    terminal: bool,
}

impl Facts {
    /// Looks at fd 0 and the environment, and changes neither.
    pub(crate) fn gather() -> Facts {
        let text = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let stdin = sys::standard_input();
        Facts {
            // An error means no socket: a file, a pipe, a terminal.
            listening_stdin: SockRef::from(&stdin).is_listener().unwrap_or(false),
            gateway_interface: env::var_os("GATEWAY_INTERFACE").is_some(),
            request_method: env::var_os("REQUEST_METHOD").is_some(),
            listen_fds: text("LISTEN_FDS"),
            listen_pid: text("LISTEN_PID"),
            pid: process::id(),
            terminal: stdin.is_terminal(),
        }
    }

    /// Whether this process is one CGI request. Then its arguments must not even be looked at: of a query string without `=`
    /// Apache's mod_cgid makes arguments (RFC 3875, section 4.4), so that a visitor could write `?--listen+0.0.0.0:9000`.
    pub(crate) fn is_cgi(&self) -> bool {
        !self.listening_stdin && self.gateway_interface && self.request_method
    }

    /// Whether a web server's listening socket is on fd 0. Then nothing else counts.
    pub(crate) fn is_inherited(&self) -> bool {
        self.listening_stdin
    }

    /// Decides: the first that is there wins. Returns also what the log is to be told about those that lose.
    pub(crate) fn decide(
        &self,
        listen: &[Address],
        http: Option<SocketAddr>,
    ) -> (Origin, Vec<String>) {
        if self.is_cgi() {
            return (Origin::Cgi, Vec::new());
        }
        let (systemd, mut notes) = match self.systemd() {
            Ok(fds) => (fds, Vec::new()),
            Err(note) => (Vec::new(), vec![note]),
        };
        let given = [
            ("LISTEN_FDS", !systemd.is_empty()),
            ("--listen", !listen.is_empty()),
            ("--http", http.is_some()),
        ];
        let (origin, reason, later) = if self.listening_stdin {
            // In the static mode of the classic guides a web server starts an application that is told to bind an address
            // itself. If it did, one of the web server's processes would take the path from the others, or die of a port in
            // use (mod_fastcgi did both).
            (Origin::Inherited, "fd 0 is a listening socket", &given[..])
        } else if !systemd.is_empty() {
            let reason = "systemd passes the sockets (LISTEN_FDS)";
            (Origin::Systemd(systemd), reason, &given[1..])
        } else if !listen.is_empty() {
            (
                Origin::Listen(listen.to_vec()),
                "--listen is given",
                &given[2..],
            )
        } else if let Some(address) = http {
            (Origin::Http(address), "", &given[3..])
        } else if self.terminal {
            (Origin::Terminal, "", &given[3..])
        } else {
            (Origin::Nothing, "", &given[3..])
        };
        for (name, _) in later.iter().filter(|(_, is_given)| *is_given) {
            notes.push(format!("{name} is ignored, since {reason}"));
        }
        (origin, notes)
    }

    /// The sockets that systemd passes, most often none.
    ///
    /// # Errors
    /// What the log is to be told, if the variables are there and not for this process.
    fn systemd(&self) -> Result<Vec<RawFd>, String> {
        let Some(count) = &self.listen_fds else {
            return Ok(Vec::new());
        };
        let reason = match (&self.listen_pid, count.parse()) {
            (None, _) => "LISTEN_PID is not set".to_owned(),
            // A script has started us without `exec`, or we are a grandchild to which the variables have leaked.
            (Some(pid), _) if pid.parse() != Ok(self.pid) => {
                format!("LISTEN_PID is {pid:?} and this process is {}", self.pid)
            }
            (_, Ok(count @ 0..=MOST_FDS)) => return Ok((FIRST_FD..FIRST_FD + count).collect()),
            _ => format!("{count:?} is not a number from 0 to {MOST_FDS}"),
        };
        Err(format!("LISTEN_FDS is ignored, since {reason}"))
    }
}

/// Whether this process belongs to a terminal: a person has started it, who may press Ctrl-C or hang up.
pub(crate) fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Where systemd's sockets begin: SD_LISTEN_FDS_START.
const FIRST_FD: RawFd = 3;

/// More sockets than a process may have open by default: a larger number is a mistake.
const MOST_FDS: RawFd = 1024;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    use super::*;

    /// Started under each of the guides' roofs.
    fn facts(listening_stdin: bool, cgi: bool, listen_fds: Option<&str>, terminal: bool) -> Facts {
        Facts {
            listening_stdin,
            gateway_interface: cgi,
            request_method: cgi,
            listen_fds: listen_fds.map(str::to_owned),
            listen_pid: listen_fds.map(|_| "42".to_owned()),
            pid: 42,
            terminal,
        }
    }

    #[test]
    fn the_first_match_wins_and_the_rest_is_said_to_be_ignored() {
        let flag: Vec<Address> = vec!["unix:/run/app.sock".parse().unwrap()];
        let web: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let fd0 = "since fd 0 is a listening socket";
        let systemd = "since systemd passes the sockets (LISTEN_FDS)";
        let three = || Origin::Systemd(vec![3, 4, 5]);
        for (facts, listen, http, origin, notes) in [
            (
                facts(true, true, Some("3"), true),
                true,
                true,
                Origin::Inherited,
                vec![
                    format!("LISTEN_FDS is ignored, {fd0}"),
                    format!("--listen is ignored, {fd0}"),
                    format!("--http is ignored, {fd0}"),
                ],
            ),
            (
                facts(true, false, None, false),
                false,
                false,
                Origin::Inherited,
                vec![],
            ),
            (
                facts(false, true, Some("3"), true),
                true,
                true,
                Origin::Cgi,
                vec![],
            ),
            (
                facts(false, true, None, false),
                false,
                false,
                Origin::Cgi,
                vec![],
            ),
            (
                facts(false, false, Some("3"), true),
                true,
                true,
                three(),
                vec![
                    format!("--listen is ignored, {systemd}"),
                    format!("--http is ignored, {systemd}"),
                ],
            ),
            (
                facts(false, false, Some("3"), false),
                false,
                false,
                three(),
                vec![],
            ),
            (
                facts(false, false, Some("0"), false),
                true,
                false,
                Origin::Listen(flag.clone()),
                vec![],
            ),
            (
                facts(false, false, None, true),
                true,
                true,
                Origin::Listen(flag.clone()),
                vec!["--http is ignored, since --listen is given".to_owned()],
            ),
            (
                facts(false, false, None, true),
                false,
                true,
                Origin::Http(web),
                vec![],
            ),
            (
                facts(false, false, None, true),
                false,
                false,
                Origin::Terminal,
                vec![],
            ),
            (
                facts(false, false, None, false),
                false,
                false,
                Origin::Nothing,
                vec![],
            ),
        ] {
            let listen = if listen { &flag[..] } else { &[] };
            let decided = facts.decide(listen, http.then_some(web));
            assert_eq!(decided, (origin, notes), "{facts:?}");
        }
    }

    #[test]
    fn cgi_takes_both_variables_and_no_listening_fd_0() {
        for (listening_stdin, gateway_interface, request_method, is_cgi) in [
            (false, true, true, true),
            (false, true, false, false),
            (false, false, true, false),
            (true, true, true, false),
        ] {
            let facts = Facts {
                listening_stdin,
                gateway_interface,
                request_method,
                ..Facts::default()
            };
            assert_eq!(facts.is_cgi(), is_cgi, "{facts:?}");
        }
    }

    #[test]
    fn the_sockets_of_systemd_are_for_one_process() {
        let pid_is_41 = "LISTEN_PID is \"41\" and this process is 42";
        for (count, pid, passed, note) in [
            (None, None, vec![], None),
            (None, Some("42"), vec![], None),
            (Some("0"), Some("42"), vec![], None),
            (Some("1"), Some("42"), vec![3], None),
            (Some("2"), Some("42"), vec![3, 4], None),
            (Some("2"), Some("41"), vec![], Some(pid_is_41)),
            (Some("2"), Some(""), vec![], Some("LISTEN_PID is \"\"")),
            (Some("2"), None, vec![], Some("LISTEN_PID is not set")),
            (
                Some("-1"),
                Some("42"),
                vec![],
                Some("\"-1\" is not a number from 0 to 1024"),
            ),
            (Some("x"), Some("42"), vec![], Some("\"x\" is not a number")),
            (
                Some("1025"),
                Some("42"),
                vec![],
                Some("\"1025\" is not a number"),
            ),
            (
                Some("2147483647"),
                Some("42"),
                vec![],
                Some("is not a number"),
            ),
        ] {
            let facts = Facts {
                listen_fds: count.map(str::to_owned),
                listen_pid: pid.map(str::to_owned),
                ..facts(false, false, None, false)
            };
            let (origin, notes) = facts.decide(&[], None);
            let expected = match passed.is_empty() {
                true => Origin::Nothing,
                false => Origin::Systemd(passed),
            };
            assert_eq!(origin, expected, "{facts:?}");
            assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
            for (said, wanted) in notes.iter().zip(note) {
                assert!(said.starts_with("LISTEN_FDS is ignored, since "), "{said}");
                assert!(said.contains(wanted), "{said}");
            }
        }
    }

    /// The facts are those of a process, so each start is a process: this test again, in another role.
    #[test]
    fn each_start_is_told_from_the_others() {
        const ROLE: &str = "FCGI_TEST_ORIGIN";
        if let Ok(expected) = env::var(ROLE) {
            let (origin, notes) = Facts::gather().decide(&[], None);
            let found = format!("{origin:?} {notes:?}");
            assert!(found.starts_with(&expected), "{found}");
            return;
        }
        let tcp: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
        let path = env::temp_dir().join(format!("fcgi-{}-origin.sock", process::id()));
        let unix: OwnedFd = UnixListener::bind(&path).unwrap().into();
        std::fs::remove_file(&path).unwrap();
        let (connected, _peer) = UnixStream::pair().unwrap();
        let cgi = [("GATEWAY_INTERFACE", "CGI/1.1"), ("REQUEST_METHOD", "GET")];
        let stranger = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];
        let ignored = r#"Nothing ["LISTEN_FDS is ignored, since LISTEN_PID is "#;
        for (stdin, variables, expected) in [
            (Stdio::from(tcp), &cgi[..], "Inherited []"),
            (Stdio::from(unix), &[], "Inherited []"),
            (Stdio::from(OwnedFd::from(connected)), &[], "Nothing []"),
            (Stdio::null(), &[], "Nothing []"),
            (Stdio::null(), &cgi[..1], "Nothing []"),
            (Stdio::piped(), &cgi, "Cgi []"),
            (Stdio::null(), &stranger, ignored),
        ] {
            let mut child = Command::new(env::current_exe().unwrap());
            for name in [
                "GATEWAY_INTERFACE",
                "REQUEST_METHOD",
                "LISTEN_FDS",
                "LISTEN_PID",
            ] {
                child.env_remove(name);
            }
            child
                .args([
                    "--exact",
                    "net::origin::tests::each_start_is_told_from_the_others",
                ])
                .env(ROLE, expected)
                .envs(variables.iter().copied())
                .stdin(stdin);
            let ended = child.output().unwrap();
            let has_run = String::from_utf8_lossy(&ended.stdout).contains("1 passed");
            assert!(has_run && ended.status.success(), "{expected}: {ended:?}");
        }
    }

    #[test]
    fn an_origin_knows_what_to_listen_on() {
        let flag: Address = "127.0.0.1:9000".parse().unwrap();
        assert_eq!(Origin::Inherited.addresses(), [Address::Fd(0)]);
        assert_eq!(
            Origin::Systemd(vec![3, 4]).addresses(),
            [Address::Fd(3), Address::Fd(4)]
        );
        assert_eq!(Origin::Listen(vec![flag.clone()]).addresses(), [flag]);
        assert_eq!(Origin::Cgi.addresses(), []);
        assert_eq!(Origin::Terminal.addresses(), []);
    }
}
