//! The program that a configuration is printed for: where it is, how it is reached and started, and what the configuration's
//! numbers go by. Every form of `conf` is made of a [`Site`].

use super::escape::{in_shell, in_shell_behind, plain};
use crate::cli::flags::value::seconds_of;
use crate::cli::words::{Words, joined, words};
use crate::server::Server;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that is put behind a web server, as the flags and the settings file describe it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Site<'a> {
    /// The executable, an absolute path.
    pub(super) program: &'a Path,
    /// The values of `--listen`, as they are written there; empty if the web server is to start the program.
    pub(super) listen: &'a [String],
    /// How many requests a process of the program answers at once.
    pub(super) workers: usize,
    /// Whether the web server is to keep its connections to the program open.
    pub(super) keepalive: bool,
    /// Whether the program takes several requests at once on a connection.
    pub(super) multiplex: bool,
    /// The path that the program is reached under, `/app`; empty for the root of the site.
    pub(super) mount: &'a str,
    /// The flags that say who may connect, for the program's own command line: ` --socket-owner :www-data`.
    pub(super) access: &'a str,
    /// By how many processes the program serves; 0: by a single one, which has no parent.
    pub(super) processes: usize,
    /// The program's own waits: the web server's have to be longer, or shorter.
    pub(super) waits: Waits,
    /// The largest body that the program takes; `u64::MAX`: any.
    pub(super) max_body: u64,
    /// The flags of this command line that the numbers go by, and that the program's settings file does not have:
    /// `--timeout`, `30`. The program has to be told them.
    pub(super) told: &'a [Words],
}

/// How long the program waits, and lets wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Waits {
    /// A request that runs longer is stuck, and ended; zero: a request may take any time.
    pub(super) timeout: Duration,
    /// So long the web server may take nothing of an answer.
    pub(super) write: Duration,
    /// So long a kept connection may have no request.
    pub(super) idle: Duration,
    /// So long requests may go on when the program is asked to stop.
    pub(super) grace: Duration,
}

impl Waits {
    pub(in crate::cli) fn of(server: &Server) -> Waits {
        let limits = &server.limits;
        Waits {
            timeout: limits.timeout,
            write: limits.write_timeout,
            idle: limits.idle_timeout,
            grace: server.grace,
        }
    }
}

/// Largest request body that the printed configurations let through, in bytes. Every web server has its own default:
/// mod_fcgid 128 KiB, nginx 1 MiB, lighttpd and mod_proxy_fcgi none.
const MAX_BODY: u64 = 64 << 20;

/// Who may connect to a socket, and whom the program runs as where a process manager says so: the user and the group of
/// Debian's web servers.
pub(super) const WEB_USER: &str = "www-data";

/// The flags that a configuration's numbers go by, as words for the program's own command line: those in which `asked`, the
/// program as it was asked for, differs from the program `alone`, by its settings file.
pub(super) fn told(alone: &Server, asked: &Server) -> Vec<Words> {
    let (old, new) = (Waits::of(alone), Waits::of(asked));
    let waits = [
        ("--timeout", old.timeout, new.timeout),
        ("--write-timeout", old.write, new.write),
        ("--idle-timeout", old.idle, new.idle),
        ("--grace", old.grace, new.grace),
    ];
    let mut words = Vec::new();
    for (flag, old, new) in waits {
        if old != new {
            words.extend([flag, words!("{}", seconds_of(new))]);
        }
    }
    let (old, new) = (alone.limits.max_body, asked.limits.max_body);
    if old != new {
        words.extend(["--max-body", words!("{new}")]);
    }
    if asked.limits.multiplex && !alone.limits.multiplex {
        words.push("--multiplex");
    }
    words
}

/// The flags that say who may connect, with a space in front of each. No shell gets them wrong: an owner has neither a space
/// nor a quote.
pub(super) fn access(server: &Server) -> String {
    let mut flags = String::new();
    if let Some(mode) = server.permit.mode {
        flags += &format!(" --socket-mode {mode:04o}");
    }
    if let Some(owner) = &server.permit.owner {
        flags += &format!(" --socket-owner {owner}");
    }
    for peer in &server.allow {
        flags += &format!(" --allow {peer}");
    }
    flags
}

/// Where a web server connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// A socket file, an absolute path.
    Unix(Words),
    /// Host and port. An IPv6 address is without brackets here.
    Tcp(Words, Words),
}

impl Upstream {
    /// The same as a value for `--listen`.
    pub(super) fn listen(&self) -> Words {
        match self {
            Upstream::Unix(path) => words!("unix:{path}"),
            Upstream::Tcp(..) => self.authority(),
        }
    }

    /// `host:port` as it stands in a URL; empty for a socket file.
    pub(super) fn authority(&self) -> Words {
        match self {
            Upstream::Unix(_) => "",
            Upstream::Tcp(host, port) if host.contains(':') => words!("[{host}]:{port}"),
            Upstream::Tcp(host, port) => words!("{host}:{port}"),
        }
    }
}

impl Site<'_> {
    /// The first address that a web server can connect to: for a web server that takes only one.
    pub(super) fn upstream(&self) -> Option<Upstream> {
        self.upstreams().into_iter().next()
    }

    /// All addresses that a web server can connect to, each once. A descriptor is none.
    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        let mut upstreams = Vec::new();
        for upstream in self.listen.iter().filter_map(|at| self.parse_listen(at)) {
            if !upstreams.contains(&upstream) {
                upstreams.push(upstream);
            }
        }
        upstreams
    }

    /// The address for a web server that only connects. If none is given, it is a socket in the folder that systemd's
    /// `RuntimeDirectory` makes for a service with the program's name.
    pub(super) fn upstream_or_default(&self) -> Upstream {
        let name = self.short_name();
        self.upstream()
            .unwrap_or_else(|| Upstream::Unix(words!("/run/{name}/{name}.sock")))
    }

    pub(super) fn upstreams_or_default(&self) -> Vec<Upstream> {
        match self.upstreams() {
            none if none.is_empty() => vec![self.upstream_or_default()],
            upstreams => upstreams,
        }
    }

    /// Comments for a web server that only connects: who starts the program, and by which commands. A socket file is given to
    /// the web server's group, unless the flags say whose it is.
    pub(super) fn how_to_start(&self, server: &str, upstreams: &[Upstream]) -> Words {
        let who = match upstreams {
            [_] => "Whoever does (systemd, supervisor, a terminal) runs:",
            _ => "Whoever does (systemd, supervisor) runs one for each address:",
        };
        let group = match server {
            "Caddy" => "caddy",
            "HAProxy" => "haproxy",
            _ => WEB_USER,
        };
        let is_unix = |upstream: &Upstream| matches!(upstream, Upstream::Unix(_));
        let lends = !self.access.contains(" --socket-");
        let lent = Site {
            access: words!(" --socket-owner :{group}{}", self.access),
            ..*self
        };
        let mut commands = upstreams.iter().map(|upstream| {
            let site = if lends && is_unix(upstream) {
                &lent
            } else {
                self
            };
            words!("#   {}\n", site.command(upstream))
        });
        let commands = joined(&mut commands, "");
        let about = match lends && upstreams.iter().any(is_unix) {
            true => {
                "# --socket-owner is for who is in that group, or root. Without it the socket is for the program's own user alone,\n\
                 # and each request of another one a 502 or 503.\n"
            }
            false => "",
        };
        words!("# {server} does not start the program. {who}\n{commands}{about}")
    }

    /// A comment for a web server that takes only one address, if several are given.
    pub(super) fn about_others(&self) -> &'static str {
        match self.upstreams().len() {
            0 | 1 => "",
            _ => {
                "# Only the first address is used here; nginx, lighttpd, HAProxy and Caddy take several.\n"
            }
        }
    }

    /// How many seconds the web server has to wait for the program, if the program has a time limit for requests: until the
    /// program itself has ended a stuck request and logged it. A web server that gives up earlier hides what happened.
    pub(super) fn patience(&self) -> Option<u64> {
        let Waits {
            timeout,
            write,
            grace,
            ..
        } = self.waits;
        let least = (timeout + grace.max(SPARE)).max(write + SPARE);
        (!timeout.is_zero()).then(|| whole(least))
    }

    /// How many seconds a process manager that stops the program has to wait before it kills it: at least as many as are
    /// `usual` there.
    pub(super) fn last_wait(&self, usual: u64) -> u64 {
        whole(self.waits.grace + SPARE).max(usual)
    }

    /// How long the web server may keep an idle connection: less long than the program does. Were the program the first to
    /// close it, a request could be lost on it.
    pub(super) fn kept(&self) -> Duration {
        (self.waits.idle / 2).min(Duration::from_secs(60))
    }

    /// The largest request body that the web server is to let through.
    pub(super) fn body_limit(&self) -> u64 {
        match self.max_body {
            // 0 means "any" to nginx, and its numbers have 63 bits.
            u64::MAX => MAX_BODY,
            bytes => bytes.clamp(1, i64::MAX as u64),
        }
    }

    /// How many requests the program answers at once, all its processes together.
    pub(super) fn at_once(&self) -> usize {
        self.workers.max(1) * self.processes.max(1)
    }

    /// What a comment says where [`patience`](Site::patience) is a number.
    pub(super) fn about_patience(&self) -> Words {
        let seconds = seconds_of(self.waits.timeout);
        let ends = match self.processes {
            0 => "which only --processes would end",
            _ => "and what it needs then",
        };
        words!(
            "Longer than the program's --timeout ({seconds} s), {ends}: its log says which request it was."
        )
    }

    /// The same site for a configuration that has the program's command line: the program is told everything there.
    pub(super) fn without_told(&self) -> Self {
        Site { told: &[], ..*self }
    }

    /// Comments for a web server that passes no flags to the program: which lines the settings file has to have so that the
    /// numbers of the configuration fit.
    pub(super) fn as_settings(&self) -> Words {
        let lines = self.told.chunks(2).map(|words| words.join(" "));
        let mut lines = lines.map(|line| words!("#   {}\n", line.trim_start_matches("--")));
        let lines = joined(&mut lines, "");
        if lines.is_empty() {
            return "";
        }
        let name = self.file_name();
        words!("# The numbers here go by these lines, which have to stand in .ht.{name}:\n{lines}")
    }

    pub(super) fn parse_listen(&self, address: &str) -> Option<Upstream> {
        if address.starts_with("fd:") {
            return None;
        }
        if address.starts_with('/') {
            return Some(Upstream::Unix(plain(address)));
        }
        if let Some(path) = address.strip_prefix("unix:") {
            // A relative path counts from the program's folder, as it does for the program itself.
            let path = self.folder().join(path);
            return Some(Upstream::Unix(plain(&path.to_string_lossy())));
        }
        let (host, port) = address.rsplit_once(':')?;
        let host = match host.trim_matches(['[', ']']) {
            // An address to listen on, not one to connect to.
            "0.0.0.0" | "localhost" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        Some(Upstream::Tcp(plain(host), plain(port)))
    }

    /// The folder that the program lies in.
    pub(super) fn folder(&self) -> PathBuf {
        self.program
            .parent()
            .unwrap_or(Path::new("/"))
            .to_path_buf()
    }

    /// The same for a configuration's line.
    pub(super) fn folder_text(&self) -> Words {
        plain(&self.folder().to_string_lossy())
    }

    /// The path of the site that is the program's: its mount, or `/`.
    pub(super) fn place(&self) -> Words {
        match self.mount {
            "" => "/",
            mount => plain(mount),
        }
    }

    /// The path of the site whose visitors an authorizer lets in: its mount, or an example.
    pub(super) fn guarded(&self) -> Words {
        match self.mount {
            "" => "/members",
            mount => plain(mount),
        }
    }

    pub(super) fn path(&self) -> Words {
        plain(&self.program.to_string_lossy())
    }

    /// The file's name: `app.fcgi`.
    pub(super) fn file_name(&self) -> Words {
        let name = self.program.file_name().unwrap_or_default();
        plain(&name.to_string_lossy())
    }

    /// The file's name up to its first dot, of letters, digits, `-` and `_` only: sockets, services and backends are named so.
    pub(super) fn short_name(&self) -> Words {
        let name = self.file_name();
        let stem = name.split('.').find(|part| !part.is_empty());
        let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
        stem.unwrap_or("app").replace(is_other, "_").leak()
    }

    /// The command that starts the program for a web server that only connects.
    pub(super) fn command(&self, upstream: &Upstream) -> Words {
        let listen = upstream.listen();
        let words = in_shell_behind(&self.arguments(self.processes));
        words!(
            "{} --listen {}{}{words}",
            in_shell(self.path()),
            in_shell(listen),
            self.access
        )
    }

    /// The words of the program's command line behind its name, where somebody passes it a socket. `processes` is what
    /// `--processes` is to say: 0 where the web server or manager starts several processes itself, each of which is to serve
    /// alone, whatever its settings file says.
    pub(super) fn arguments(&self, processes: usize) -> Vec<Words> {
        let mut words = vec!["--workers", words!("{}", self.workers)];
        if self.processes > 0 {
            words.extend(["--processes", words!("{processes}")]);
        }
        if !self.mount.is_empty() {
            words.extend(["--mount", plain(self.mount)]);
        }
        words.extend(self.told);
        words
    }

    /// The folder below /run that is the program's alone, so that the configuration has to make it: `None` if the socket is
    /// elsewhere. It does not matter whether that address is written out or the default.
    pub(super) fn own_folder(&self) -> Option<Words> {
        let own = words!("/run/{}", self.short_name());
        match self.upstream() {
            None => Some(own),
            Some(Upstream::Unix(path)) if Path::new(&path).parent() == Some(Path::new(&own)) => {
                Some(own)
            }
            Some(_) => None,
        }
    }
}

/// How much longer than the program a web server or manager waits, at least.
const SPARE: Duration = Duration::from_secs(5);

/// In seconds, rounded up.
fn whole(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
impl<'a> Site<'a> {
    /// A program at the root of the site with four workers, and all else by default.
    pub(in crate::cli) fn sample(program: &'a str, listen: &'a [String]) -> Site<'a> {
        Site {
            program: Path::new(program),
            listen,
            workers: 4,
            keepalive: false,
            multiplex: false,
            mount: "",
            access: "",
            processes: 0,
            waits: Waits::of(&Server::new()),
            max_body: u64::MAX,
            told: &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_what_a_web_server_connects_to() {
        let unix = |path| Some(Upstream::Unix(path));
        let tcp = |host, port| Some(Upstream::Tcp(host, port));
        for (address, upstream, authority) in [
            ("unix:/run/app.sock", unix("/run/app.sock"), ""),
            ("/run/app.sock", unix("/run/app.sock"), ""),
            ("unix:app.sock", unix("/srv/www/app.sock"), ""),
            ("127.0.0.1:9000", tcp("127.0.0.1", "9000"), "127.0.0.1:9000"),
            ("localhost:9000", tcp("127.0.0.1", "9000"), "127.0.0.1:9000"),
            ("0.0.0.0:9000", tcp("127.0.0.1", "9000"), "127.0.0.1:9000"),
            ("[::1]:9000", tcp("::1", "9000"), "[::1]:9000"),
            ("[::]:9000", tcp("::1", "9000"), "[::1]:9000"),
            ("fd:3", None, ""),
        ] {
            let listen = [address.to_owned()];
            let found = Site::sample("/srv/www/app.fcgi", &listen).upstream();
            assert_eq!(found, upstream, "{address}");
            if let Some(found) = found {
                assert_eq!(found.authority(), authority, "{address}");
            }
        }
        let several = ["fd:3".to_owned(), "127.0.0.1:9000".to_owned()];
        assert_eq!(
            Site::sample("/a", &several).upstream(),
            tcp("127.0.0.1", "9000"),
            "a descriptor is passed over"
        );
    }

    #[test]
    fn a_socket_file_is_for_the_web_servers_group_and_a_port_for_anybody() {
        for (listen, access, server, wanted, about) in [
            ("unix:/s", "", "nginx", " --socket-owner :www-data ", true),
            ("unix:/s", "", "Caddy", " --socket-owner :caddy ", true),
            (
                "unix:/s",
                " --socket-mode 0666",
                "nginx",
                "/s --socket-mode 0666 --w",
                false,
            ),
            ("127.0.0.1:9000", "", "nginx", ":9000 --workers", false),
            (
                "127.0.0.1:9000",
                " --allow ::1",
                "nginx",
                ":9000 --allow ::1 --w",
                false,
            ),
        ] {
            let listen = [listen.to_owned()];
            let sample = Site::sample("/srv/www/app", &listen);
            let site = Site { access, ..sample };
            let text = site.how_to_start(server, &site.upstreams());
            assert!(text.contains(wanted), "{text}");
            assert_eq!(text.contains("own user"), about, "{text}");
        }
    }

    #[test]
    fn a_name_is_made_of_the_file_name() {
        for (program, name) in [
            ("/srv/www/app.fcgi", "app"),
            ("/srv/www/my app.fcgi", "my_app"),
            ("/srv/www/.hidden.fcgi", "hidden"),
            ("/srv/www/app", "app"),
            ("/", "app"),
        ] {
            assert_eq!(Site::sample(program, &[]).short_name(), name);
        }
    }

    #[test]
    fn the_folder_below_run_is_the_programs_however_its_socket_is_said() {
        for (listen, folder) in [
            (vec![], Some("/run/app")),
            (vec!["unix:/run/app/app.sock".to_owned()], Some("/run/app")),
            (vec!["unix:/run/app/other".to_owned()], Some("/run/app")),
            (vec!["unix:/run/app.sock".to_owned()], None),
            (vec!["unix:/run/app/further/app.sock".to_owned()], None),
            (vec!["unix:/srv/app/app.sock".to_owned()], None),
            (vec!["127.0.0.1:9000".to_owned()], None),
        ] {
            let site = Site::sample("/srv/www/app.fcgi", &listen);
            assert_eq!(site.own_folder(), folder, "{listen:?}");
        }
    }

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let listen = ["unix:/run/it's.sock".to_owned()];
        let site = Site::sample("/srv/my www/app", &listen);
        let upstream = site.upstream().expect("an address");
        assert_eq!(
            site.command(&upstream),
            r"'/srv/my www/app' --listen 'unix:/run/it'\''s.sock' --workers 4"
        );
    }
}
