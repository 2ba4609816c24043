//! What the command line and the settings file ask for, and how that changes the application's server. `command` and `file`
//! fill it in; `cli::main`, `gate`, `conf` and `check` apply it.

use super::{Field, Flag, all};
use crate::net::{Address, Owner, Prefix};
use crate::sendfile::Sendfile;
use crate::server::Server;
use log::LevelFilter;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What flags and lines ask for. What they do not name stays as the application has set it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Options {
    /// In the order in which they were given. A repeated flag is there several times.
    settings: Vec<Setting>,
    /// In a child of `--processes`: the descriptors that its parent has passed on, of the line between them and of the
    /// listeners.
    pub(in crate::cli) child: Option<Vec<RawFd>>,
    /// The settings file that the lines are in.
    pub(in crate::cli) file: PathBuf,
}

/// One flag that was given, and where.
#[derive(Clone, Debug)]
struct Setting {
    flag: &'static str,
    value: Value,
    /// The value as it was written.
    text: String,
    /// The number of its line in the settings file; `None`: it is from the command line.
    line: Option<usize>,
}

/// A flag's value, read: what is to be changed in the server, and how.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Listen(Address),
    Http(SocketAddr),
    Level(LevelFilter),
    AccessLog(PathBuf),
    Keepalive,
    Mount(String),
    TrustedProxy(Prefix),
    Sendfile(Sendfile),
    Status(String),
    StatusAllow(Prefix),
    Switch(Field<bool>),
    SocketMode(u32),
    SocketOwner(Owner),
    Allow(Prefix),
    Seconds(Field<Duration>, Duration),
    Number(Field<usize>, usize),
    Bytes(Field<u64>, u64),
    /// Name and value of a flag that the application has for its own use.
    Application(&'static str, String),
}

impl Options {
    pub(in crate::cli) fn listen(&self) -> impl Iterator<Item = &Address> + Clone {
        self.settings
            .iter()
            .filter_map(|setting| match &setting.value {
                Value::Listen(address) => Some(address),
                _ => None,
            })
    }

    pub(in crate::cli) fn http(&self) -> Option<SocketAddr> {
        self.settings
            .iter()
            .find_map(|setting| match setting.value {
                Value::Http(address) => Some(address),
                _ => None,
            })
    }

    pub(in crate::cli) fn log_level(&self) -> Option<LevelFilter> {
        self.settings
            .iter()
            .find_map(|setting| match setting.value {
                Value::Level(level) => Some(level),
                _ => None,
            })
    }

    pub(in crate::cli) fn keepalive(&self) -> bool {
        self.names("keepalive")
    }

    /// Whether a flag of the application's own was given.
    pub(in crate::cli) fn has_own(&self) -> bool {
        let mut settings = self.settings.iter();
        settings.any(|setting| matches!(setting.value, Value::Application(..)))
    }

    /// The names of the flags that were given and are not among the `known`.
    #[cfg(feature = "toolbox")]
    pub(in crate::cli) fn beside(&self, known: &[&str]) -> Vec<&'static str> {
        let mut names: Vec<_> = self.settings.iter().map(|set| set.flag).collect();
        names.retain(|name| !known.contains(name));
        names.dedup();
        names
    }

    /// Puts these options above those of `below`, which count for what these do not name.
    pub(in crate::cli) fn over(self, mut below: Options) -> Options {
        // --listen and --http are two ways to serve: whoever asks for one here does not want the other one of below.
        if self.names("http") {
            below.forget("listen");
        }
        if self.names("listen") {
            below.forget("http");
        }
        self.settings
            .iter()
            .for_each(|setting| below.forget(setting.flag));
        below.settings.extend(self.settings);
        below.child = self.child.or(below.child);
        below
    }

    /// Each value that serving goes by, and where it comes from: `workers 8 (line 3 of /srv/.ht.app.fcgi)`. In `server` these
    /// options are applied already.
    pub(in crate::cli) fn told(&self, server: &mut Server) -> Vec<String> {
        let mut told = Vec::new();
        for flag in all() {
            let default = flag.default(server);
            match default.trim_matches([' ', '[', ']']) {
                value if !value.is_empty() && !self.names(flag.name) => {
                    told.push(format!("{} {value} (default)", flag.name));
                }
                _ => told.append(&mut self.named(&[flag.name])),
            }
        }
        told
    }

    /// The given values of these flags, and where each was given.
    pub(in crate::cli) fn named(&self, flags: &[&str]) -> Vec<String> {
        let mut named = Vec::new();
        for flag in flags {
            let settings = self.settings.iter();
            let settings = settings.filter(|setting| setting.flag == *flag);
            named.extend(settings.map(|setting| setting.told(&self.file)));
        }
        named
    }

    /// Whether this flag was given.
    pub(super) fn names(&self, flag: &str) -> bool {
        self.settings.iter().any(|setting| setting.flag == flag)
    }

    /// Adds a flag with its value as it was written, from that line of the settings file or from the command line.
    ///
    /// # Errors
    /// One sentence about the value.
    pub(in crate::cli) fn add(
        &mut self,
        flag: &Flag,
        text: &str,
        line: Option<usize>,
    ) -> Result<(), String> {
        self.settings.push(Setting {
            flag: flag.name,
            value: flag.read(text)?,
            text: text.to_owned(),
            line,
        });
        Ok(())
    }

    /// Makes relative paths absolute, counted from `home`.
    pub(super) fn resolve(&mut self, home: &Path) {
        for setting in &mut self.settings {
            match &mut setting.value {
                Value::Listen(address) => *address = address.resolved(home),
                Value::AccessLog(path) => *path = home.join(&*path),
                Value::Sendfile(Sendfile::Accel { folder, .. }) => *folder = home.join(&*folder),
                _ => {}
            }
        }
    }

    /// Takes out all values of this flag.
    fn forget(&mut self, flag: &str) {
        self.settings.retain(|setting| setting.flag != flag);
    }

    /// An address to listen on that is given twice: the second time it would fail, as if somebody else were serving there.
    /// Only port 0 is another port each time.
    pub(in crate::cli) fn repeated(&self, base: &Path) -> Option<&Address> {
        self.listen().enumerate().find_map(|(at, address)| {
            let is_any_port = matches!(address, Address::Tcp(tcp) if tcp.port() == 0);
            let is_same = |other: &Address| other.resolved(base) == address.resolved(base);
            (!is_any_port && self.listen().take(at).any(is_same)).then_some(address)
        })
    }

    /// The application's server, changed as these options ask for.
    pub(in crate::cli) fn apply(&self, mut server: Server) -> Server {
        // The addresses that are given replace all those of the application, and so do the ranges.
        for setting in &self.settings {
            match setting.value {
                Value::Listen(_) | Value::Http(_) => server.listen.clear(),
                Value::TrustedProxy(_) => server.setup.trusted_proxies.clear(),
                Value::StatusAllow(_) => server.setup.status.allow.clear(),
                Value::Allow(_) => server.allow.clear(),
                _ => {}
            }
        }
        for setting in &self.settings {
            setting.value.apply(&mut server);
        }
        server
    }
}

impl Value {
    fn apply(&self, server: &mut Server) {
        match self {
            Value::Listen(address) => server.listen.push(address.clone()),
            Value::AccessLog(path) => server.access_log = Some(path.clone()),
            Value::Mount(mount) => server.set_mount(mount),
            Value::TrustedProxy(proxy) => server.setup.trusted_proxies.push(*proxy),
            Value::Sendfile(sendfile) => server.setup.sendfile = Some(sendfile.clone()),
            Value::Status(path) => server.set_status_page(path),
            Value::StatusAllow(range) => server.setup.status.allow.push(*range),
            Value::Switch(field) => *field(server) = true,
            Value::SocketMode(mode) => server.permit.mode = Some(*mode),
            Value::SocketOwner(owner) => server.permit.owner = Some(owner.clone()),
            Value::Allow(peer) => server.allow.push(*peer),
            Value::Seconds(field, value) => *field(server) = *value,
            Value::Number(field, value) => *field(server) = *value,
            Value::Bytes(field, value) => *field(server) = *value,
            Value::Application(name, text) => server.set_flag(name, text),
            // The server itself has nothing for these: `cli` looks at them.
            Value::Http(_) | Value::Level(_) | Value::Keepalive => {}
        }
    }
}

impl Setting {
    /// The value, and where it was given.
    fn told(&self, file: &Path) -> String {
        let place = match self.line {
            Some(line) => format!("line {line} of {}", file.display()),
            None => format!("--{}", self.flag),
        };
        let space = if self.text.is_empty() { "" } else { " " };
        format!("{}{space}{} ({place})", self.flag, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::{parsed, served};
    use crate::cli::flags::file::parse_file;

    #[test]
    fn mount_proxies_and_debug_are_settings_too() {
        let asked = [
            "--mount",
            "/app",
            "--debug",
            "--trusted-proxy",
            "127.0.0.1",
            "--trusted-proxy=fd00::/8",
        ];
        let file =
            "mount /app\ndebug\ntrusted-proxy 127.0.0.1\ntrusted-proxy fd00::/8 # all of ours\n";
        let file = parse_file(file, Path::new("/")).unwrap();
        for server in [served(&asked), file.clone().apply(Server::new())] {
            assert_eq!(server.setup.mount.as_deref(), Some("/app"));
            assert!(server.setup.debug);
            let proxies: Vec<String> = server
                .setup
                .trusted_proxies
                .iter()
                .map(Prefix::to_string)
                .collect();
            assert_eq!(proxies, ["127.0.0.1", "fd00::/8"]);
        }
        let (_, over) = parsed(&["--trusted-proxy", "::1", "--mount", "/"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert_eq!(server.setup.mount.as_deref(), Some(""));
        assert_eq!(
            server.setup.trusted_proxies,
            ["::1".parse().unwrap()],
            "they replace those of the file"
        );
    }

    #[test]
    fn the_status_page_is_a_setting_too() {
        let asked = [
            "--status",
            "/s",
            "--status-allow",
            "::1",
            "--status-allow=10.0.0.0/8",
        ];
        let file = "status /s\nstatus-allow ::1\nstatus-allow 10.0.0.0/8";
        let file = parse_file(file, Path::new("/")).unwrap();
        let allowed = |server: &Server| {
            let ranges = server.setup.status.allow.iter().map(Prefix::to_string);
            ranges.collect::<Vec<_>>().join(" ")
        };
        for server in [served(&asked), file.clone().apply(Server::new())] {
            assert!(server.setup.status.is_at(b"/s"));
            assert_eq!(allowed(&server), "::1 10.0.0.0/8");
        }
        let (_, over) = parsed(&["--status", "/t", "--status-allow", "::2"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert!(server.setup.status.is_at(b"/t") && !server.setup.status.is_at(b"/s"));
        assert_eq!(allowed(&server), "::2", "they replace those of the file");
        assert!(!Server::new().setup.status.is_at(b"/"));
    }

    #[test]
    fn who_may_connect_is_a_setting_too() {
        let asked = [
            "--socket-mode=0606",
            "--socket-owner",
            ":33",
            "--allow",
            "10.0.0.7",
            "--allow",
            "fd00::/8",
        ];
        let file = "socket-mode 606\nsocket-owner :33\nallow 10.0.0.7\nallow fd00::/8\n";
        let file = parse_file(file, Path::new("/")).unwrap();
        for server in [served(&asked), file.clone().apply(Server::new())] {
            assert_eq!(server.permit.mode, Some(0o606));
            assert_eq!(server.permit.owner, Some(":33".parse().unwrap()));
            let allowed: Vec<String> = server.allow.iter().map(Prefix::to_string).collect();
            assert_eq!(allowed, ["10.0.0.7", "fd00::/8"]);
        }
        let (_, over) = parsed(&["--allow", "::1", "--socket-owner", "app"]).unwrap();
        let server = over.over(file).apply(Server::new());
        assert_eq!(
            server.allow,
            ["::1".parse().unwrap()],
            "they replace those of the file"
        );
        assert_eq!(server.permit.owner, Some("app".parse().unwrap()));
        assert_eq!(server.permit.mode, Some(0o606));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_application() {
        let application = Server::new()
            .workers(7)
            .grace(Duration::from_secs(1))
            .max_pairs(5);
        let application = application.listen(Address::Fd(9));
        let file = parse_file(
            "workers 8\ngrace 2\nlisten fd:4\nlog-level warn",
            Path::new("/"),
        )
        .unwrap();
        let flags = parsed(&["--workers", "9", "--listen", "fd:5", "--listen", "fd:6"])
            .unwrap()
            .1;
        let only_file = file.apply(application.clone());
        assert_eq!(only_file.listen, [Address::Fd(4)]);
        let both = flags.over(file);
        assert_eq!(both.log_level(), Some(LevelFilter::Warn));
        let server = both.apply(application);
        assert_eq!(server.listen, [Address::Fd(5), Address::Fd(6)]);
        assert_eq!(
            (server.workers, server.grace, server.limits.max_pairs),
            (9, Duration::from_secs(2), 5)
        );
    }

    #[test]
    fn what_is_asked_for_twice_without_being_the_same_is_right() {
        let any = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
        assert_eq!(parsed(&any).unwrap().1.listen().count(), 2);
        let relative = ["--listen", "unix:s", "--listen", "unix:/s"];
        assert_eq!(parsed(&relative).unwrap().1.listen().count(), 2);
    }

    /// The last one who said how to serve is obeyed, and not both.
    #[cfg(feature = "dev")]
    #[test]
    fn listen_and_http_replace_each_other_from_above() {
        let flags = |arguments: &[&str]| parsed(arguments).unwrap().1;
        let file = |text| parse_file(text, Path::new("/")).unwrap();
        let application = || Server::new().listen(Address::Fd(9));
        let http = Some("127.0.0.1:8000".parse().unwrap());
        let over = |flags: Options, file: Options| {
            let options = flags.over(file);
            (options.http(), options.apply(application()).listen)
        };
        let http_flag = || flags(&["--http", "8000"]);
        assert_eq!(over(http_flag(), file("listen fd:4")), (http, vec![]));
        assert_eq!(over(http_flag(), file("")), (http, vec![]));
        assert_eq!(over(flags(&[]), file("http 8000")), (http, vec![]));
        let listen = flags(&["--listen", "fd:5"]);
        let fd = |number| vec![Address::Fd(number)];
        assert_eq!(over(listen, file("http 8000")), (None, fd(5)));
        assert_eq!(over(flags(&[]), file("")), (None, fd(9)));
        let both = file("http 8000\nlisten fd:4");
        assert_eq!(over(flags(&[]), both), (http, fd(4)));
    }

    #[cfg(feature = "dev")]
    #[test]
    fn each_value_is_told_with_its_source() {
        let text =
            "# x\nworkers 8\nlisten unix:s\n\ndebug\nhttp 8000\ntrusted-proxy ::1\nmax-body 1K";
        let mut file = parse_file(text, Path::new("/srv")).unwrap();
        file.file = "/srv/.ht.app".into();
        let arguments = [
            "--grace",
            "2",
            "--listen",
            "fd:3",
            "--listen=fd:4",
            "--max-body=2K",
        ];
        let options = parsed(&arguments).unwrap().1.over(file);
        let mut server = options.apply(Server::new().max_pairs(7));
        let told = options.told(&mut server);
        for line in [
            "workers 8 (line 2 of /srv/.ht.app)",
            "listen fd:3 (--listen)",
            "listen fd:4 (--listen)",
            "debug (line 5 of /srv/.ht.app)",
            "trusted-proxy ::1 (line 7 of /srv/.ht.app)",
            "max-body 2K (--max-body)",
            "grace 2 (--grace)",
            "max-pairs 7 (default)",
            "idle-timeout 120 (default)",
        ] {
            let count = told.iter().filter(|told| *told == line).count();
            assert_eq!(count, 1, "{line}: {told:#?}");
        }
        let names = told.iter().map(|line| line.split(' ').next().unwrap());
        let mut names: Vec<&str> = names.collect();
        assert!(!names.contains(&"http") && !names.contains(&"mount"));
        names.dedup();
        assert_eq!(names.len(), told.len() - 1, "only listen has two lines");
    }
}
