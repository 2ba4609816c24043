//! Configurations for web servers and for process managers, as text: one file for each, and no other copy of any of them.
//! The command line's `conf` prints them, and the server tests run exactly what it prints.

mod apache;
mod caddy;
mod cherokee;
mod h2o;
mod haproxy;
mod htaccess;
mod init;
mod lighttpd;
mod mod_fastcgi;
mod nginx;
#[cfg(test)]
mod numbers;
mod spawn_fcgi;
mod supervisor;
mod systemd;

use crate::cli::flags::seconds_of;
use crate::cli::words::{Words, joined, words};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::Server;

/// What is put behind a web server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// The executable, an absolute path.
    pub program: &'a Path,
    /// The values of `--listen`, as they are written there; empty if the web server is to start the program.
    pub listen: &'a [String],
    /// How many requests the program answers at once.
    pub workers: usize,
    /// Whether the web server keeps its connections to the program open.
    pub keepalive: bool,
    /// What the program is reached under, `/app`; empty for the root of the site.
    pub mount: &'a str,
    /// The flags that say who may connect, for the program's own command line: ` --socket-owner :www-data`.
    pub access: &'a str,
    /// By how many processes it serves; 0: by itself, without a parent.
    pub processes: usize,
    /// What the numbers of the web server have to leave room for.
    pub waits: Waits,
    /// The largest body that the program takes; `u64::MAX`: any.
    pub max_body: u64,
    /// What this command line says of these, and nobody has told the program yet: `--timeout`, `30`.
    pub told: &'a [Words],
}

/// How long the program waits, and lets wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// A request that runs longer is stuck; zero: none is.
    pub timeout: Duration,
    /// The web server takes nothing of the answer.
    pub write: Duration,
    /// A kept connection has no request.
    pub idle: Duration,
    /// What still runs when it is asked to stop.
    pub grace: Duration,
}

impl Waits {
    pub(crate) fn of(server: &Server) -> Waits {
        let limits = &server.limits;
        Waits {
            timeout: limits.timeout,
            write: limits.write_timeout,
            idle: limits.idle_timeout,
            grace: server.grace,
        }
    }
}

/// The flags that a number here belongs to, for the program's own command line, where `asked` differs from what the
/// program does `alone`, without them.
pub(crate) fn told(alone: &Server, asked: &Server) -> Vec<Words> {
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
    words
}

/// One configuration that can be printed.
pub(crate) struct Conf {
    /// The web server or the process manager.
    pub server: &'static str,
    /// Its form; the usual one has no name.
    pub form: &'static str,
    /// One line on it.
    pub help: &'static str,
    text: fn(&Site) -> Words,
}

/// All of them.
#[rustfmt::skip]
pub(crate) const CONFS: &[Conf] = &[
    conf("htaccess", "", "a .htaccess beside the program (mod_fcgid, else CGI)", htaccess::text),
    conf("htaccess", "addhandler", "the same by its ending, as guides have it", htaccess::addhandler),
    conf("htaccess", "wrapper", "for a program that lies elsewhere (mod_fcgid)", htaccess::wrapper),
    conf("apache", "", "ScriptAlias and mod_fcgid; --listen: mod_proxy_fcgi", apache::text),
    conf("apache", "addhandler", "each .fcgi file by its name (mod_fcgid)", apache::addhandler),
    conf("apache", "wrapper", "a place of the site (mod_fcgid)", apache::wrapper),
    conf("apache", "sethandler", "a place of the site (mod_proxy_fcgi)", apache::sethandler),
    conf("apache", "authorizer", "asks it who may see a folder (mod_fcgid)", apache::authorizer),
    conf("apache", "static", "mod_fastcgi, where a host still has it", mod_fastcgi::fixed),
    conf("apache", "dynamic", "the same, started with the first request", mod_fastcgi::dynamic),
    conf("apache", "external", "the same, which only connects", mod_fastcgi::external),
    conf("nginx", "", "files first, then the program; it only connects", nginx::text),
    conf("nginx", "location", "one location, all of it the program's", nginx::location),
    conf("nginx", "if", "the same, as older guides have it", nginx::by_if),
    conf("lighttpd", "", "rewrites to the program; --listen: connects to it", lighttpd::text),
    conf("lighttpd", "prefix", "addresses that begin alike", lighttpd::prefix),
    conf("lighttpd", "root", "all addresses", lighttpd::root),
    conf("lighttpd", "authorizer", "asks it who may see a folder", lighttpd::authorizer),
    conf("haproxy", "", "a section and a backend; it only connects", haproxy::text),
    conf("caddy", "", "reverse_proxy; it only connects", caddy::text),
    conf("caddy", "php", "php_fastcgi, where files lie beside the program", caddy::php),
    conf("h2o", "", "starts the program; --listen: connects to it", h2o::text),
    conf("cherokee", "", "starts the program; --listen: connects to it", cherokee::text),
    conf("systemd", "", "a hardened service; it needs the socket, too", systemd::text),
    conf("systemd", "socket", "its socket, which stays while the program restarts", systemd::socket),
    conf("supervisor", "", "an fcgi-program: a socket and who serves it", supervisor::text),
    conf("init", "", "an init script, where neither of these is", init::text),
    conf("spawn-fcgi", "", "a script that makes a socket and starts the program", spawn_fcgi::text),
    conf("multiwatch", "", "the same for processes that are watched", spawn_fcgi::multiwatch),
];

const fn conf(
    server: &'static str,
    form: &'static str,
    help: &'static str,
    text: fn(&Site) -> Words,
) -> Conf {
    Conf {
        server,
        form,
        help,
        text,
    }
}

/// The configuration that puts `site` behind `server`; for the form `help` which forms there are.
///
/// # Errors
/// One sentence, for a web server or form that is not in [`CONFS`].
pub(crate) fn text(server: &str, form: &str, site: &Site) -> Result<Words, Words> {
    let mut confs = CONFS.iter().filter(|conf| conf.server == server);
    match (confs.find(|conf| conf.form == form), form) {
        (Some(conf), _) => Ok((conf.text)(site)),
        (None, "help") if !forms(server).is_empty() => Ok(help_forms(server)),
        (None, _) => Err(unknown(server, form)),
    }
}

/// One screen: what can be printed.
pub(crate) fn help(name: &str) -> String {
    let mut text =
        format!("Usage: {name} conf SERVER [FORM] [FLAG]...    prints a configuration for it\n");
    for conf in CONFS.iter().filter(|conf| conf.form.is_empty()) {
        text += words!("  {:<12} {}\n", conf.server, conf.help);
        let forms = forms(conf.server);
        if !forms.is_empty() {
            text += words!("    or {}\n", forms.join(", "));
        }
    }
    text += words!(
        "{name} conf apache help tells its forms apart. Flags: --listen for a program\n\
         that somebody else starts, --mount /app, --keepalive for kept connections; and\n\
         what numbers go by: --workers --processes --timeout --write-timeout\n\
         --idle-timeout --grace --max-body. Others go into .ht.{name}.\n"
    );
    text
}

fn help_forms(server: &str) -> Words {
    let confs = CONFS.iter().filter(|conf| conf.server == server);
    let line = |conf: &Conf| {
        let command = words!("conf {server} {}", conf.form);
        words!("  {command:<24} {}\n", conf.help)
    };
    joined(&mut confs.map(line), "")
}

/// Those that have a name.
fn forms(server: &str) -> Vec<&'static str> {
    let confs = CONFS
        .iter()
        .filter(|conf| conf.server == server && !conf.form.is_empty());
    confs.map(|conf| conf.form).collect()
}

fn unknown(server: &str, form: &str) -> Words {
    let servers = CONFS.iter().filter(|conf| conf.form.is_empty());
    let servers: Vec<&str> = servers.map(|conf| conf.server).collect();
    let known = servers.join(", ");
    if server.is_empty() {
        return words!(
            "conf needs a web server or process manager; write one of {known} behind it"
        );
    }
    if !servers.contains(&server) {
        return words!("conf knows no {server:?}; write one of {known}");
    }
    match &forms(server)[..] {
        [] => words!("conf {server} has no form {form:?}; leave it out"),
        forms => words!(
            "conf {server} has no form {form:?}; leave it out, or write one of {}",
            forms.join(", ")
        ),
    }
}

/// Largest request body that the printed configurations let through, in bytes. Every web server has its own default:
/// mod_fcgid 128 KiB, nginx 1 MiB, lighttpd and mod_proxy_fcgi none.
const MAX_BODY: u64 = 64 << 20;

/// Who may connect to a socket, and whom the program runs as where a process manager says so: the user and the group of
/// Debian's web servers.
const WEB_USER: &str = "www-data";

/// Where a web server connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Upstream {
    /// A socket file, an absolute path.
    Unix(Words),
    /// Host and port; an IPv6 address has no brackets here.
    Tcp(Words, Words),
}

impl Upstream {
    /// The same as a value for `--listen`.
    fn listen(&self) -> Words {
        match self {
            Upstream::Unix(path) => words!("unix:{path}"),
            Upstream::Tcp(..) => self.authority(),
        }
    }

    /// `host:port` as it stands in a URL; empty for a socket file.
    fn authority(&self) -> Words {
        match self {
            Upstream::Unix(_) => "",
            Upstream::Tcp(host, port) if host.contains(':') => words!("[{host}]:{port}"),
            Upstream::Tcp(host, port) => words!("{host}:{port}"),
        }
    }
}

impl Site<'_> {
    /// The first address that a web server can connect to, for one that knows a single one.
    fn upstream(&self) -> Option<Upstream> {
        self.upstreams().into_iter().next()
    }

    /// All that a web server can connect to; a descriptor is no address.
    fn upstreams(&self) -> Vec<Upstream> {
        let mut upstreams = Vec::new();
        for upstream in self.listen.iter().filter_map(|at| self.parse_listen(at)) {
            if !upstreams.contains(&upstream) {
                upstreams.push(upstream);
            }
        }
        upstreams
    }

    /// For a web server that only connects: what systemd's `RuntimeDirectory` makes for a service of that name, if nothing
    /// else was said.
    fn upstream_or_default(&self) -> Upstream {
        let name = self.short_name();
        self.upstream()
            .unwrap_or_else(|| Upstream::Unix(words!("/run/{name}/{name}.sock")))
    }

    fn upstreams_or_default(&self) -> Vec<Upstream> {
        match self.upstreams() {
            none if none.is_empty() => vec![self.upstream_or_default()],
            upstreams => upstreams,
        }
    }

    /// Comments that say how the program is started for a web server that only connects.
    fn how_to_start(&self, server: &str, upstreams: &[Upstream]) -> Words {
        let who = match upstreams {
            [_] => "Whoever does (systemd, supervisor, a terminal) runs:",
            _ => "Whoever does (systemd, supervisor) runs one for each address:",
        };
        let commands = upstreams.iter();
        let mut commands = commands.map(|upstream| words!("#   {}\n", self.command(upstream)));
        words!(
            "# {server} does not start the program. {who}\n{}",
            joined(&mut commands, "")
        )
    }

    /// A comment for a web server that knows a single address, if there are more.
    fn about_others(&self) -> &'static str {
        match self.upstreams().len() {
            0 | 1 => "",
            _ => {
                "# Only the first address is used here; nginx, lighttpd, HAProxy and Caddy take several.\n"
            }
        }
    }

    /// How many seconds the web server has to wait for the program, if that has a limit: until it has dealt with a stuck
    /// request itself, and said so. A web server that gives up before hides what happened.
    fn patience(&self) -> Option<u64> {
        let Waits {
            timeout,
            write,
            grace,
            ..
        } = self.waits;
        let least = (timeout + grace.max(SPARE)).max(write + SPARE);
        (!timeout.is_zero()).then(|| whole(least))
    }

    /// How many seconds whoever stops the program has to wait before it is killed.
    fn last_wait(&self, usual: u64) -> u64 {
        whole(self.waits.grace + SPARE).max(usual)
    }

    /// How long a web server may keep an idle connection: it is to close it, and not to find it closed by the program.
    fn kept(&self) -> Duration {
        (self.waits.idle / 2).min(Duration::from_secs(60))
    }

    /// The largest request body that the web server is to let through.
    fn body_limit(&self) -> u64 {
        match self.max_body {
            // Nothing of nothing would be "any" to nginx, and this is what its numbers hold.
            u64::MAX => MAX_BODY,
            bytes => bytes.clamp(1, i64::MAX as u64),
        }
    }

    /// How many requests the program answers at once, all its processes together.
    fn at_once(&self) -> usize {
        self.workers.max(1) * self.processes.max(1)
    }

    /// Said in a comment where the program has a time limit and the web server's goes by it.
    fn about_patience(&self) -> Words {
        let seconds = seconds_of(self.waits.timeout);
        words!(
            "Longer than the program's --timeout ({seconds} s) and what it needs then: its log says which request it was."
        )
    }

    /// Where the program's own command line is printed, it has been told.
    fn without_told(&self) -> Self {
        Site { told: &[], ..*self }
    }

    /// For where no flag can be passed: comments with the lines of settings that the numbers here go by.
    fn as_settings(&self) -> Words {
        let lines = self.told.chunks(2).map(|words| words.join(" "));
        let mut lines = lines.map(|line| words!("#   {}\n", line.trim_start_matches("--")));
        let lines = joined(&mut lines, "");
        if lines.is_empty() {
            return "";
        }
        let name = self.file_name();
        words!("# The numbers here go by these lines, which have to stand in .ht.{name}:\n{lines}")
    }

    fn parse_listen(&self, address: &str) -> Option<Upstream> {
        if address.starts_with("fd:") {
            return None;
        }
        if address.starts_with('/') {
            return Some(Upstream::Unix(plain(address)));
        }
        if let Some(path) = address.strip_prefix("unix:") {
            // The program, too, takes a relative path from its own folder.
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

    fn folder(&self) -> PathBuf {
        self.program
            .parent()
            .unwrap_or(Path::new("/"))
            .to_path_buf()
    }

    fn path(&self) -> Words {
        plain(&self.program.to_string_lossy())
    }

    /// The file's name: `app.fcgi`.
    fn file_name(&self) -> Words {
        let name = self.program.file_name().unwrap_or_default();
        plain(&name.to_string_lossy())
    }

    /// The file's name up to its first dot, of letters, digits, `-` and `_` only: a name for what is named after the
    /// program.
    fn short_name(&self) -> Words {
        let name = self.file_name();
        let stem = name.split('.').find(|part| !part.is_empty());
        let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
        stem.unwrap_or("app").replace(is_other, "_").leak()
    }

    /// The command that starts the program for a web server that only connects.
    fn command(&self, upstream: &Upstream) -> Words {
        let listen = upstream.listen();
        let words = self.arguments(self.processes).into_iter();
        let words = joined(&mut words.map(|word| words!(" {}", in_shell(word))), "");
        words!(
            "{} --listen {}{}{words}",
            in_shell(self.path()),
            in_shell(listen),
            self.access
        )
    }

    /// The words behind the program for whoever passes it a socket and starts it once, or as often as there are to be
    /// processes: then each is one of its own, whatever its settings say.
    fn arguments(&self, processes: usize) -> Vec<Words> {
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

    /// The folder of the socket if that is the program's alone, and therefore nobody else's to make. It is also where
    /// somebody writes out the address that is the usual one.
    fn own_folder(&self) -> Option<Words> {
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

/// What a web server waits longer than the program, at least.
const SPARE: Duration = Duration::from_secs(5);

/// In seconds, rounded up.
fn whole(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Text for a comment or between quotes. What would end either is replaced: a path with a line break or a quote in it
/// is not worth three ways of escaping, but it must not become a directive.
fn plain(text: &str) -> Words {
    let breaks_out = |c: char| c.is_control() || c == '"' || c == '\\';
    text.replace(breaks_out, "\u{FFFD}").leak()
}

/// Text for a regular expression that it is to match.
fn in_regex(text: &str) -> Words {
    escaped(text, r".+*?()|[]{}^$")
}

/// The text with a backslash before each of `special`.
fn escaped(text: &str, special: &str) -> Words {
    let mut escaped = String::new();
    for c in text.chars() {
        if special.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped.leak()
}

/// A word for a shell, quoted if it needs it.
fn in_shell(word: &str) -> Words {
    let bare = |c: char| c.is_alphanumeric() || "/._-:[]=,@+".contains(c);
    match !word.is_empty() && word.chars().all(bare) {
        true => words!("{word}"),
        false => words!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
impl<'a> Site<'a> {
    /// At the root, by four workers.
    pub(crate) fn sample(program: &'a str, listen: &'a [String]) -> Site<'a> {
        Site {
            program: Path::new(program),
            listen,
            workers: 4,
            keepalive: false,
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
    fn every_server_of_the_list_has_a_text_and_no_other() {
        let site = Site::sample("/srv/www/app.fcgi", &[]);
        for Conf {
            server, form, help, ..
        } in CONFS
        {
            let text = text(server, form, &site).expect(server);
            assert!(text.ends_with('\n'), "{server}");
            assert!(
                text.lines().all(|line| line.len() <= 120),
                "{server} {form}: a line is too long: {text}"
            );
            assert!(text.contains("/srv/www/app.fcgi"), "{server}");
            assert!(help.len() <= 57, "{server}: help would not fit a screen");
        }
        for (server, form) in [
            ("iis", ""),
            ("nginx", "square"),
            ("", ""),
            ("haproxy", "help"),
        ] {
            assert!(text(server, form, &site).is_err());
        }
    }

    #[test]
    fn help_is_a_screen_and_names_every_form() {
        let text = help("app.fcgi");
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let site = Site::sample("/srv/www/app.fcgi", &[]);
        for conf in CONFS {
            let named = text.split([' ', ',', '\n']).any(|word| word == conf.server)
                && text.split([' ', ',', '\n']).any(|word| word == conf.form);
            assert!(named, "{} {}: {text}", conf.server, conf.form);
            if !conf.form.is_empty() {
                let told = super::text(conf.server, "help", &site).expect("its forms");
                assert!(told.contains(conf.help), "{told}");
            }
        }
    }

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

    /// A web server connects to a socket that is there already, and in `/tmp` anybody can have put one.
    #[test]
    fn no_socket_lies_where_anybody_can_make_one() {
        for Conf { server, form, .. } in CONFS {
            let text = text(server, form, &Site::sample("/srv/www/app.fcgi", &[])).expect(server);
            assert!(!text.contains("/tmp/"), "{server} {form}: {text}");
        }
    }

    #[test]
    fn no_path_can_leave_its_line_or_its_quotes() {
        for program in [
            "/srv/a\nDeny from all\n/app.fcgi",
            "/srv/a\" b/a\"pp.fcgi",
            "/srv/back\\slash/a\\pp.fcgi",
        ] {
            for listen in [vec![], vec!["unix:a\n\"b\\.sock".to_owned()]] {
                for keepalive in [false, true] {
                    let site = Site {
                        keepalive,
                        ..Site::sample(program, &listen)
                    };
                    for Conf { server, form, .. } in CONFS {
                        let text = text(server, form, &site).expect(server);
                        for line in text.lines() {
                            assert!(!line.starts_with("Deny from"), "{server}: {text}");
                            let code = line.trim_start();
                            assert!(
                                code.starts_with('#') || even_quotes(code),
                                "{server}: {line}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Whether each quoted word of the line ends in it.
    fn even_quotes(line: &str) -> bool {
        let mut open = false;
        let mut bytes = line.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => open = !open,
                b'#' if !open => return true,
                _ => {}
            }
        }
        !open
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
