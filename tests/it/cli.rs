//! The command line, as people and web servers use it: the example `testbed` with flags, with a settings file, with a
//! socket on fd 0, as CGI; what it says, and how it ends.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::steady::steady;
use crate::testbed::{Testbed, command};
use crate::wire::{Ask, PATIENCE, STDIN, Wire, record, stream};
use fcgi::Address;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What it has to be gone in when it has nothing to do: far below its grace of 5 s.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A folder with the testbed in it, as on a shared host: `app.fcgi`, and beside it the settings.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Home {
        Home::of(command().get_program())
    }

    /// Another program in the place of the testbed.
    pub fn of(program: impl AsRef<Path>) -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{number}", std::process::id());
        // Here, since a hard link stays on one disk; and a copy that another test's child still has open for writing
        // cannot be executed.
        let home = Home(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(&home.0).unwrap();
        fs::hard_link(program, home.program()).unwrap();
        home
    }

    pub fn with(settings: &str) -> Home {
        let home = Home::new();
        home.set(settings);
        home
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn program(&self) -> PathBuf {
        self.0.join("app.fcgi")
    }

    pub fn settings(&self) -> PathBuf {
        self.0.join(".ht.app.fcgi")
    }

    /// Puts the settings there whole, as an upload does that is renamed into place.
    pub fn set(&self, text: &str) {
        let new = self.0.join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, self.settings()).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear();
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Told {
        told(self.command(arguments))
    }

    /// Runs it as CGI, and gives what it answers.
    pub fn run_cgi(&self, path: &str) -> String {
        told(cgi(self, &[], path)).stdout
    }

    /// Starts it as a web server does: a listening socket on fd 0.
    pub fn start(&self, arguments: &[&str]) -> Testbed {
        let folder = Folder::new();
        let path = folder.path().join("s");
        let socket: OwnedFd = UnixListener::bind(&path).unwrap().into();
        let mut command = self.command(arguments);
        command.stdin(socket).stdout(Stdio::null());
        Testbed::spawn(command, Address::Unix(path), folder)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a program ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Told {
    /// Its only line on standard error, without what stands before every line.
    #[track_caller]
    pub fn sentence(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert_eq!(self.stdout, "");
        let line = self.stderr.trim_end();
        match line.split_once("] ERROR ") {
            Some((_, text)) => text,
            None => line.strip_prefix("app.fcgi: ").expect("the program's name"),
        }
    }
}

/// Runs a program to its end, of which it is reminded.
pub fn told(mut command: Command) -> Told {
    let mut child = command.spawn().expect("the testbed starts");
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        sleep(Duration::from_millis(1));
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Told {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

#[test]
fn wrong_usage_is_one_sentence_and_exit_code_2() {
    let home = Home::new();
    for (arguments, sentence) in [
        (
            &["--wrokers", "4"][..],
            "--wrokers is no flag; did you mean --workers?",
        ),
        (&["--bananas"], "--bananas is no flag; see --help"),
        (
            &["--workers", "0"],
            "--workers: \"0\" cannot be used; write a number from 1 to 1024",
        ),
        (&["--listen"], "--listen needs a value; write --listen ADDR"),
        (
            &["--socket-mode", "0888"],
            "--socket-mode: \"0888\" is no mode; write three octal digits, such as 0660 for its user and group",
        ),
        (
            &["--socket-owner", "www data"],
            "--socket-owner: \"www data\" is no owner; write a user, a user and a group, or a group: app, app:www-data, \
             :www-data",
        ),
        (
            &["--allow", "10.0.0.7:9000"],
            "--allow: \"10.0.0.7:9000\" is no address and no prefix; write 127.0.0.1, 10.0.0.0/8 or fd00::/8",
        ),
        (
            &["start"],
            "\"start\" is no command; the commands are conf, check, get, bench and serve, and flags begin with --: see --help",
        ),
        (
            &["conf", "htacess"],
            "conf knows no \"htacess\"; did you mean htaccess?",
        ),
        (
            &["conf", "iis"],
            "conf knows no \"iis\"; write one of htaccess, apache, nginx, lighttpd, haproxy, caddy, h2o, cherokee, systemd, \
             supervisor, init, spawn-fcgi, multiwatch",
        ),
    ] {
        let told = home.run(arguments);
        assert_eq!(
            (told.code, told.sentence()),
            (Some(2), sentence),
            "{arguments:?}"
        );
    }
    let nothing = home.run(&[]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.sentence().starts_with("there is nothing to serve"));
}

#[test]
fn help_and_version_are_for_standard_output() {
    // They are wanted most when something is wrong.
    let home = Home::with("wrong");
    let help = home.run(&["--help", "--workers", "3"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.starts_with("Usage: app.fcgi [FLAG]..."));
    assert!(help.stdout.contains("--listen ADDR") && help.stdout.contains(".ht.app.fcgi"));
    let version = home.run(&["--version"]);
    let expected = format!("app.fcgi, with fcgi {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.code, version.stdout), (Some(0), expected));
}

#[test]
fn an_address_that_cannot_be_had_is_one_sentence_and_nothing_is_left_behind() {
    let (home, folder) = (Home::new(), Folder::new());
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let missing = folder.path().join("missing/app.sock");
    let too_long = folder.path().join("x".repeat(107));
    for (address, code, words) in [
        (
            format!("unix:{}", missing.display()),
            1,
            "/missing; create it, or choose another path",
        ),
        (
            format!("unix:{}", file.display()),
            1,
            "there is a file that is not a socket of that name",
        ),
        (format!("unix:{}/x/s", file.display()), 1, "/file/x"),
        (
            format!("unix:{}", folder.path().display()),
            1,
            "there is a folder of that name",
        ),
        (
            taken.clone(),
            1,
            "another process is serving there; stop it, or choose another port",
        ),
        (
            format!("unix:{}", too_long.display()),
            2,
            "that of a unix socket may have 107; choose a shorter one",
        ),
        (
            "0.0.0.0:9000".to_owned(),
            1,
            "name the web server's address by --allow 10.0.0.7",
        ),
        ("fd:9".to_owned(), 1, "it is not open"),
        ("nowhere".to_owned(), 2, "write unix:/path"),
    ] {
        // The first address is good, and given back when the second is not.
        let good = format!("unix:{}/good", folder.path().display());
        let told = home.run(&["--listen", &good, "--listen", &address]);
        assert_eq!(told.code, Some(code), "{address}: {told:?}");
        let sentence = told.sentence();
        assert!(sentence.contains(words), "{sentence}");
        assert!(sentence.contains(&address), "{sentence}");
        assert_eq!(folder.names(), ["file"]);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_log_line_has_time_process_and_level() {
    let told = Home::new().run(&["--listen", "fd:9"]);
    let words: Vec<&str> = told.stderr.split(' ').collect();
    let shape: String = words[0]
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z");
    let process = words[1]
        .strip_prefix("app.fcgi[")
        .and_then(|rest| rest.strip_suffix(']'));
    assert!(process.unwrap().parse::<u32>().is_ok(), "{words:?}");
    assert_eq!(words[2], "ERROR");
}

#[test]
fn the_level_of_the_log_is_the_flags_else_the_files_else_the_environments() {
    let listening = |home: &Home, arguments: &[&str], filters: Option<&str>| {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut command = home.command(&["--listen", &address.to_string()]);
        command
            .args(arguments)
            .envs(filters.map(|filters| ("RUST_LOG", filters)));
        let mut testbed = Testbed::spawn(command, address, folder);
        poll("the testbed to listen", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        // From then on a signal is its own.
        testbed.assert_serves();
        testbed.signal("TERM");
        assert_eq!(testbed.wait().1.code(), Some(0));
        let mut lines = testbed.last_lines();
        lines.retain(|line| line.contains(" INFO "));
        assert!(lines.len() < 2, "{lines:?}");
        lines.len() == 1
    };
    let home = Home::new();
    assert!(listening(&home, &[], None), "info is the default");
    assert!(!listening(&home, &["--log-level", "warn"], None));
    assert!(!listening(&home, &[], Some("warn")));
    assert!(listening(&home, &["--log-level", "info"], Some("off")));
    home.set("log-level error");
    assert!(!listening(&home, &[], None));
    assert!(!listening(&home, &[], Some("info")));
    assert!(listening(&home, &["--log-level", "debug"], None));
}

/// `check` is for a person; what a web server started says it in its log.
#[test]
fn the_log_can_tell_where_each_value_comes_from() {
    let home = Home::with("# ours\nworkers 2\nlog-level debug\n");
    let testbed = home.start(&["--grace", "1"]);
    let told = |testbed: &Testbed| {
        testbed.assert_serves();
        let line = |number| format!("(line {number} of {})", home.settings().display());
        testbed.line(&format!("DEBUG workers 2 {}", line(2)));
        testbed.line(&format!("DEBUG log-level debug {}", line(3)));
        testbed.line("DEBUG grace 1 (--grace)");
        testbed.line("DEBUG idle-timeout 120 (default)");
    };
    told(&testbed);
    home.set("workers many\n");
    let testbed = home.start(&["--grace", "1"]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    home.set("# ours\nworkers 2\nlog-level debug\n");
    told(&testbed);
}

/// Flags win over the file, and so does the way to serve that they ask for.
#[test]
fn http_by_a_flag_replaces_an_address_of_the_file() {
    let home = Home::with("listen unix:s\nprocesses 2\n");
    let served = http(home.command(&["--http", "127.0.0.1:0"]));
    assert!(browse(&served.address, "/hello").ends_with("Hello, world!"));
    served
        .testbed
        .line("WARN --processes counts for what web servers ask for alone; it is ignored");
    assert!(!home.0.join("s").exists());
}

#[test]
fn a_relative_path_is_the_current_folders_in_a_flag_and_the_programs_in_the_file() {
    let (home, folder) = (Home::with("listen unix:from-file"), Folder::new());
    let start = |arguments: &[&str], path: PathBuf| {
        let mut command = home.command(arguments);
        command.current_dir(folder.path());
        let mut testbed = Testbed::spawn(command, Address::Unix(path.clone()), Folder::new());
        poll("the testbed to listen", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        testbed.assert_serves();
        testbed.signal("INT");
        assert_eq!(testbed.wait().1.code(), Some(0));
        assert!(!path.exists(), "the socket is removed");
    };
    start(&[], home.0.join("from-file"));
    start(
        &["--listen", "unix:from-flag"],
        folder.path().join("from-flag"),
    );
    assert!(!home.0.join("from-file").exists(), "flags replace the list");
}

#[test]
fn a_wrong_settings_file_ends_a_start_by_hand_with_path_and_line() {
    let (home, folder) = (Home::with("# ours\n\nworkres 4\n"), Folder::new());
    let socket = folder.path().join("s");
    let arguments = ["--listen", &format!("unix:{}", socket.display())];
    let line = format!(
        "{}, line 3: workres is no flag; did you mean workers?",
        home.settings().display()
    );
    for arguments in [&arguments[..], &[], &["conf", "nginx"]] {
        let told = home.run(arguments);
        assert_eq!(
            (told.code, told.sentence()),
            (Some(2), line.as_str()),
            "{arguments:?}"
        );
    }
    assert!(folder.names().is_empty(), "nothing was bound");
    home.set("workers 4");
    fs::set_permissions(home.settings(), Permissions::from_mode(0o646)).unwrap();
    let told = home.run(&arguments);
    assert_eq!(told.code, Some(2));
    let sentence = format!(
        "the settings {} can be written by everybody; take that away: chmod o-w",
        home.settings().display()
    );
    assert_eq!(told.sentence(), sentence);
}

#[test]
fn fd_0_wins_over_every_address_and_says_so_once() {
    let (home, folder) = (Home::new(), Folder::new());
    let ports = [(); 2].map(|()| Port::new());
    let [listen, http] = [0, 1].map(|i| ports[i].address());
    let path = folder.path().join("s");
    for is_in_file in [false, true] {
        let addresses = [
            format!("listen {listen}"),
            format!("listen unix:{}", path.display()),
            format!("http {http}"),
        ];
        let mut arguments = Vec::new();
        if is_in_file {
            home.set(&addresses.join("\n"));
        } else {
            let words = |line: &str| {
                let (name, value) = line.split_once(' ').unwrap();
                [format!("--{name}"), value.to_owned()]
            };
            arguments = addresses.iter().flat_map(|line| words(line)).collect();
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut testbed = home.start(&arguments);
        testbed.assert_serves();
        for address in [listen, http] {
            assert!(TcpStream::connect(address).is_err(), "{address}");
        }
        assert!(folder.names().is_empty());
        assert_eq!(sockets_listening(testbed.pid()), 1);
        testbed.assert_serves();
        testbed.line("--listen is ignored, since fd 0 is a listening socket");
        testbed.line("--http is ignored, since fd 0 is a listening socket");
        testbed.signal("TERM");
        let (elapsed, status) = testbed.wait();
        assert!(elapsed < AT_ONCE && status.code() == Some(0), "{status}");
        assert_eq!(testbed.last_lines().len(), 2);
    }
}

/// How many different listening sockets a process has open, by all of its descriptors.
fn sockets_listening(pid: u32) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut sockets: Vec<String> = entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    sockets.sort();
    sockets.dedup();
    let tables = ["unix", "tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let is_listening = |inode: &&String| {
        tables.iter().flat_map(|table| table.lines()).any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Unix: Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 is a listening one.
            // TCP: sl local rem st … inode is the tenth; state 0A listens.
            (words.get(6) == Some(&inode.as_str()) && words[3] == "00010000")
                || (words.get(9) == Some(&inode.as_str()) && words[3] == "0A")
        })
    };
    sockets.iter().filter(is_listening).count()
}

#[test]
fn as_cgi_no_argument_counts() {
    let (home, folder) = (Home::new(), Folder::new());
    let socket = folder.path().join("s");
    let listen = format!("unix:{}", socket.display());
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["--listen", &listen],
        &["--listen", "127.0.0.1:1"],
        &["--http", "127.0.0.1:1"],
        &["conf", "nginx"],
        &["--bananas"],
    ] {
        let told = told(cgi(&home, arguments, "/hello"));
        assert_eq!(
            (told.code, told.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        assert!(told.stdout.starts_with("Status: 200"), "{told:?}");
        assert!(told.stdout.ends_with("\r\n\r\nHello, world!"), "{told:?}");
        assert!(folder.names().is_empty());
    }
    // The folder has only the program: nothing was written.
    assert_eq!(fs::read_dir(&home.0).unwrap().count(), 1);
}

pub fn cgi(home: &Home, arguments: &[&str], path: &str) -> Command {
    let mut command = home.command(arguments);
    command.envs([
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/app.fcgi"),
        ("PATH_INFO", path),
        ("REQUEST_URI", &format!("/app.fcgi{path}")),
    ]);
    command
}

/// One that is not whole still says which request it is.
#[test]
fn as_cgi_an_environment_over_max_params_is_a_431_of_its_request() {
    let home = Home::with("max-params 64K");
    let mut command = cgi(&home, &[], "/hello");
    command.env("Z", "z".repeat(70_000));
    let told = told(command);
    assert!(told.stdout.starts_with("Status: 431"), "{told:?}");
    let line = "GET /hello: the environment exceeds max_params, 65536 bytes";
    assert!(told.stderr.contains(line), "{told:?}");
}

#[test]
fn as_cgi_the_settings_count_and_wrong_ones_are_a_503() {
    let home = Home::with("max-pairs 3");
    let told = told(cgi(&home, &[], "/hello"));
    assert!(told.stdout.starts_with("Status: 431"), "{told:?}");
    home.set("max-pairs none");
    let told = self::told(cgi(&home, &[], "/hello"));
    assert_eq!(told.code, Some(0));
    assert!(told.stdout.starts_with("Status: 503"), "{told:?}");
    assert!(
        !told.stdout.contains("max-pairs"),
        "the visitor is told nothing"
    );
    assert_eq!(told.stderr.lines().count(), 1);
    let reason = format!(
        "{}, line 1: max-pairs: \"none\" cannot be used",
        home.settings().display()
    );
    assert!(told.stderr.contains(&reason), "{told:?}");
}

#[test]
fn behind_a_web_server_wrong_settings_are_a_503_until_they_are_right() {
    let home = Home::with("workers 1\nmax-body lots\n");
    let mut testbed = home.start(&[]);
    let refused = |testbed: &Testbed| {
        let reply = testbed.ask(&Ask::get("/hello"));
        assert_eq!(reply.page(), (503, "503 Service Unavailable\n"));
        assert_eq!(reply.field("Retry-After"), Some("5"));
    };
    (0..3).for_each(|_| refused(&testbed));
    testbed.line(&format!(
        "{}, line 2: max-body: \"lots\"",
        home.settings().display()
    ));
    assert_eq!(testbed.lines().len(), 1, "once, not for each request");

    home.set("workers 1\nmax-body 1\nbananas 3\n");
    (0..3).for_each(|_| refused(&testbed));
    testbed.line("line 3: bananas is no flag; see --help");
    assert_eq!(testbed.lines().len(), 2, "once for each change");

    home.set("workers 1\nmax-body 1\n");
    let reply = testbed.ask(&Ask::post("/echo", "x"));
    assert_eq!(reply.page(), (200, "x"), "the request that finds it right");
    testbed.line("the settings are right now");
    // From then on the new limit holds: nobody is served as before.
    for _ in 0..20 {
        assert_eq!(testbed.ask(&Ask::post("/count", "xx")).status, 413);
    }
    home.set("wrong again");
    testbed.assert_serves();
    testbed.signal("TERM");
    let (elapsed, status) = testbed.wait();
    assert!(elapsed < AT_ONCE && status.code() == Some(0), "{status}");
}

#[test]
fn whom_the_settings_do_not_allow_is_not_served_once_they_are_right() {
    let home = Home::with("wrong");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let mut command = home.command(&[]);
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
    let testbed = Testbed::spawn(command, address, Folder::new());
    let ask = Ask::get("/hello").keep();
    let (mut first, mut idle) = (testbed.connect(), testbed.connect());
    assert_eq!(first.ask(&ask).status, 503);
    assert_eq!(idle.ask(&ask).status, 503);
    home.set("allow 127.0.0.2");
    assert_eq!(first.ask(&ask).status, 503, "it came before the settings");
    testbed.line("the settings are right now");
    // One was waiting, the other is done: both are closed, and not handed over.
    idle.assert_closed();
    first.assert_closed();
    testbed.connect().assert_closed();
    testbed.line("a connection from 127.0.0.1 is closed: --allow does not name it");
}

#[test]
fn a_settings_file_that_all_can_write_is_a_503_until_the_mode_is_right() {
    let home = Home::with("workers 2");
    let mode = |mode| fs::set_permissions(home.settings(), Permissions::from_mode(mode)).unwrap();
    mode(0o666);
    let testbed = home.start(&[]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    testbed.line("can be written by everybody; take that away: chmod o-w");
    // A change of the mode leaves the time of the last write alone.
    mode(0o664);
    testbed.assert_serves();
}

#[test]
fn a_settings_file_that_is_removed_is_right() {
    let home = Home::with("wrong");
    let testbed = home.start(&[]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    fs::remove_file(home.settings()).unwrap();
    testbed.assert_serves();
}

/// It cannot become a parent any more.
#[test]
fn behind_settings_that_were_wrong_it_serves_by_itself_and_says_so() {
    let home = Home::with("processes many");
    let testbed = home.start(&[]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    home.set("processes 2");
    let reply = testbed.ask(&Ask::get("/pid"));
    assert_eq!(reply.page(), (200, &*testbed.pid().to_string()));
    testbed.line("WARN processes counts from the next start on");
}

#[test]
fn no_connection_is_lost_when_the_settings_become_right() {
    let home = Home::with("wrong");
    let testbed = home.start(&[]);
    let mut kept = testbed.connect();
    let ask = Ask::get("/hello").keep();
    assert_eq!(kept.ask(&ask).status, 503);
    let mut silent = testbed.connect();
    let head = Ask::get("/hello").head();
    let (first, rest) = head.split_at(20);
    let mut half = Wire::after(testbed.address(), first);
    // What came before it on the same socket has been taken in when this is answered.
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    home.set("workers 2");
    // Two at once, of which the first finds the settings right.
    let mut opening = testbed.connect();
    opening.write([ask.bytes(), ask.bytes()].concat());
    for _ in 0..2 {
        assert_eq!(opening.reply(1).page(), (200, "Hello, world!"));
    }
    testbed.line("the settings are right now");
    half.write(rest);
    half.write(stream(STDIN, 1, b"", 1, 0));
    assert_eq!(half.reply(1).page(), (200, "Hello, world!"));
    assert_eq!(
        silent.ask(&Ask::get("/hello")).page(),
        (200, "Hello, world!")
    );
    assert_eq!(kept.ask(&ask).page(), (200, "Hello, world!"));
    assert_eq!(kept.ask(&ask).page(), (200, "Hello, world!"));
}

#[test]
fn the_request_that_finds_the_settings_right_delays_no_other() {
    steady(Duration::from_millis(100), || {
        let home = Home::with("wrong");
        let mut testbed = home.start(&[]);
        assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
        let mut kept = testbed.connect();
        let ask = Ask::get("/hello").keep();
        assert_eq!(kept.ask(&ask).status, 503);
        home.set("grace 3");
        // It never ends, and so only another worker can answer what comes after.
        let asked = Instant::now();
        let _spins = Wire::after(testbed.address(), Ask::get("/spin").bytes());
        testbed.line("the settings are right now");
        testbed.assert_serves();
        assert_eq!(kept.ask(&ask).page(), (200, "Hello, world!"));
        let (took, status) = testbed.end_by("TERM");
        assert_eq!(status.code(), Some(1), "what spins is cut");
        let grace = Duration::from_secs(3);
        assert!(
            *took.start() < grace + Duration::from_millis(500) && *took.end() >= grace,
            "the file's grace: {took:?}"
        );
        // It has run for as long as the grace at least: since before the signal, and that takes its time on a busy machine.
        let line = testbed.line("cut after ");
        let (_, age) = line.split_once("cut after ").unwrap();
        let (age, rest) = age.split_once(" s: ").unwrap();
        let age: u64 = age.parse().unwrap();
        assert!((3..=asked.elapsed().as_secs() + 1).contains(&age), "{line}");
        assert!(rest.ends_with(" GET /spin"), "{line}");
    });
}

#[test]
fn what_the_opening_request_leaves_behind_is_closed_in_time() {
    let home = Home::with("wrong");
    let testbed = home.start(&["--linger-timeout", "0.2"]);
    assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
    home.set("workers 2");
    // Its body does not end, and so its connection lingers after the answer.
    let head = Ask::post("/noread", vec![b'x'; 100_000]).head();
    let mut opening = Wire::after(testbed.address(), head);
    assert_eq!(opening.reply(1).page(), (200, "ok"));
    poll("the connection to be closed", || {
        let written = opening.try_write(record(STDIN, 1, b"x"));
        written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
    });
}

#[test]
fn a_signal_stops_it_while_the_settings_are_wrong() {
    steady(Duration::from_millis(300), || {
        for is_used in [false, true] {
            let home = Home::with("wrong");
            let mut testbed = home.start(&[]);
            testbed.line("every request is answered 503");
            if is_used {
                assert_eq!(testbed.ask(&Ask::get("/hello")).status, 503);
            }
            testbed.signal("TERM");
            let (elapsed, status) = testbed.wait();
            assert!(elapsed < AT_ONCE && status.code() == Some(0), "{status}");
        }
    });
}

#[test]
fn conf_prints_the_path_as_it_was_typed_and_the_addresses_in_full() {
    let home = Home::new();
    let link = home.0.join("link.fcgi");
    std::os::unix::fs::symlink("app.fcgi", &link).unwrap();
    for program in [home.program(), link] {
        let mut command = Command::new(&program);
        command
            .args(["conf", "nginx", "--listen", "unix:s", "--workers", "7"])
            .current_dir("/usr")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear();
        let told = told(command);
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
        assert!(
            told.stdout.contains(&format!(
                "{} --listen unix:/usr/s --socket-owner :www-data --workers 7",
                program.display()
            )),
            "{told:?}"
        );
    }
}

/// The table is made by the server tests; a form that none of them runs has to be named as such.
#[test]
fn each_form_of_conf_is_in_the_guides_table_of_what_was_run_or_named_below_it() {
    const NOT_RUN: [&str; 4] = [
        "conf apache static",
        "conf apache dynamic",
        "conf apache external",
        "conf cherokee",
    ];
    let guide = include_str!("../../src/guide/deploying.md");
    let section = guide.split("\n## Runs behind").nth(1).unwrap();
    let table: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    let help = Home::new().run(&["help", "conf"]).stdout;
    let mut server = "";
    let mut forms = Vec::new();
    for line in help
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("  "))
    {
        match line.strip_prefix("    or ") {
            Some(more) => {
                forms.extend(more.split(", ").map(|form| format!("conf {server} {form}")))
            }
            None => {
                server = line.split_whitespace().next().unwrap();
                forms.push(format!("conf {server}"));
            }
        }
    }
    assert!(forms.len() > 25, "{forms:?}");
    for form in forms {
        let cell = format!("| `{form}` |");
        let is_run = table.iter().any(|line| line.contains(&cell));
        assert_eq!(is_run, !NOT_RUN.contains(&form.as_str()), "{form}");
    }
}

#[test]
fn conf_asks_the_settings_file_too() {
    let home = Home::with("listen unix:s\nworkers 9\n");
    let told = home.run(&["conf", "nginx"]);
    let socket = home.0.join("s");
    assert!(
        told.stdout.contains(&format!("unix:{}", socket.display())),
        "{told:?}"
    );
    assert!(told.stdout.contains("--workers 9"), "{told:?}");
}

#[test]
fn conf_prints_who_may_connect_into_the_command() {
    let home = Home::with("socket-owner :www-data\nsocket-mode 600\n");
    let flags = [
        "conf",
        "nginx",
        "--listen=unix:/run/s",
        "--socket-mode",
        "0666",
        "--allow=::1",
        "--allow=10.0.0.0/8",
    ];
    let told = home.run(&flags);
    let command = "--listen unix:/run/s --socket-mode 0666 --socket-owner :www-data --allow ::1 --allow 10.0.0.0/8 --workers";
    assert!(told.stdout.contains(command), "{told:?}");
    let told = Home::new().run(&["conf", "nginx", "--listen=unix:/run/s"]);
    assert!(
        told.stdout
            .contains("--listen unix:/run/s --socket-owner :www-data --workers"),
        "{told:?}"
    );
}

#[test]
fn conf_says_which_flags_it_has_left_out() {
    let home = Home::with("slow 10s\n");
    let flags = [
        "conf",
        "systemd",
        "--listen=unix:/run/s",
        "--status=/s",
        "--grace=9",
        "--debug",
    ];
    let told = home.run(&flags);
    let lines: Vec<&str> = told.stderr.lines().collect();
    for (line, flag) in lines.iter().zip(["--status", "--debug"]) {
        assert!(
            line.contains(&format!(
                ": {flag} is not in it; add it to the command, or put it into .ht."
            )),
            "{told:?}"
        );
    }
    assert_eq!((lines.len(), told.code), (2, Some(0)), "{told:?}");
    assert!(told.stdout.contains("--grace 9\n"), "{told:?}");
    let told = home.run(&["conf", "haproxy", "--multiplex"]);
    assert_eq!(told.stderr, "", "{told:?}");
    assert!(told.stdout.contains(" --multiplex\n"), "{told:?}");
}

#[test]
fn flag_and_settings_say_the_mount() {
    let ask = Ask::new("GET", "/app/path");
    for (settings, flags, page) in [
        (
            "",
            &["--mount", "/app"][..],
            "mount /app\npath /path\nquery \n",
        ),
        ("mount /app\n", &[], "mount /app\npath /path\nquery \n"),
        ("mount /app\n", &["--mount", "/"], "not found"),
        ("", &[], "not found"),
    ] {
        let home = Home::with(settings);
        let testbed = home.start(flags);
        assert_eq!(testbed.ask(&ask).page().1, page, "{settings:?} {flags:?}");
    }
}

/// Once; and not where the web server names no place.
#[test]
fn a_mount_that_is_not_the_web_servers_is_told() {
    let home = Home::new();
    let mut testbed = home.start(&["--mount", "/store"]);
    let ask = |script_name| {
        Ask::new("GET", "/shop/path")
            .param("SCRIPT_NAME", script_name)
            .param("PATH_INFO", "/path")
    };
    testbed.ask(&ask(""));
    testbed.ask(&ask("/shop"));
    testbed.ask(&ask("/shop"));
    let line = testbed.line("the web server says ");
    assert!(
        line.ends_with(
            " WARN --mount is /store, and the web server says /shop: let both be the same"
        ),
        "{line}"
    );
    testbed.signal("TERM");
    let lines = testbed.last_lines();
    let told = lines.iter().filter(|line| line.contains("--mount is "));
    assert_eq!(told.count(), 1, "{lines:?}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["conf", "nginx"]);
    command.stdout(writer);
    let told = told(command);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
}

#[test]
fn nobody_needs_to_read_standard_error() {
    let home = Home::new();
    for arguments in [&["--bananas"][..], &["--listen", "fd:9"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = home.command(arguments);
        command.stderr(writer);
        let code = told(command).code;
        assert!(matches!(code, Some(1 | 2)), "{code:?}: a panic is 101");
    }
}

/// A testbed that serves http.
pub struct Http {
    pub testbed: Testbed,
    /// What it said on standard output, up to the URL.
    said: String,
    /// The URL's.
    pub address: String,
    _stdout: BufReader<PipeReader>,
}

pub fn http(mut command: Command) -> Http {
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    // No FastCGI address: nobody connects to this one.
    let address = Address::Unix("none".into());
    let testbed = Testbed::spawn(command, address, Folder::new());
    let mut said = String::new();
    let mut reader = BufReader::new(reader);
    let address = loop {
        let mut line = String::new();
        let n = reader.read_line(&mut line).unwrap();
        assert!(n > 0, "it ends: {said}");
        said += &line;
        if let Some(at) = line.trim().strip_prefix("http://") {
            break at.trim_end_matches('/').to_owned();
        }
    };
    Http {
        testbed,
        said,
        address,
        _stdout: reader,
    }
}

/// What a browser gets.
fn browse(address: &str, target: &str) -> String {
    let mut browser = TcpStream::connect(address).unwrap();
    browser.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(browser, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    browser.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn http_shows_the_application_and_stops_when_asked() {
    steady(Duration::from_millis(300), || {
        let home = Home::new();
        for signal in ["TERM", "INT", "USR1"] {
            let Http {
                mut testbed,
                said,
                address,
                _stdout,
                ..
            } = http(home.command(&["--http", "127.0.0.1:0"]));
            assert_eq!(said.lines().count(), 1);
            assert!(browse(&address, "/hello").ends_with("Hello, world!"));
            assert!(browse(&address, "/path?a=b").ends_with("mount \npath /path\nquery a=b\n"));
            // A browser keeps its connection.
            let mut kept = TcpStream::connect(&address).unwrap();
            write!(kept, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            kept.read_exact(&mut [0]).unwrap();
            testbed.signal(signal);
            let (elapsed, status) = testbed.wait();
            assert!(
                elapsed < AT_ONCE && status.code() == Some(0),
                "{signal} {elapsed:?} {status}"
            );
        }
    });
}

/// Asks for chunks, and waits until the first has come.
fn stream_from(address: &str, target: &str) -> BufReader<TcpStream> {
    let mut browser = TcpStream::connect(address).unwrap();
    browser.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(browser, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
    let mut browser = BufReader::new(browser);
    let mut line = String::new();
    while line != "chunk 0\n" {
        line.clear();
        assert!(browser.read_line(&mut line).unwrap() > 0, "the answer ends");
    }
    browser
}

#[test]
fn http_answers_what_it_has_begun_before_it_stops() {
    let home = Home::new();
    let Http {
        mut testbed,
        address,
        _stdout,
        ..
    } = http(home.command(&["--http", "127.0.0.1:0"]));
    let browsers: Vec<_> = (0..4)
        .map(|_| stream_from(&address, "/chunks?n=3&ms=500"))
        .collect();
    testbed.signal("TERM");
    for mut browser in browsers {
        let mut rest = String::new();
        browser.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "chunk 1\nchunk 2\n");
    }
    let (elapsed, status) = testbed.wait();
    assert_eq!(status.code(), Some(0), "{elapsed:?}");
}

#[test]
fn http_that_does_not_end_is_cut_at_the_deadline() {
    steady(Duration::from_millis(100), || {
        let home = Home::new();
        let Http {
            mut testbed,
            address,
            _stdout,
            ..
        } = http(home.command(&["--http", "127.0.0.1:0", "--grace", "0.5"]));
        let _browser = stream_from(&address, "/chunks?n=1000&ms=100");
        let (took, status) = testbed.end_by("TERM");
        assert_eq!(status.code(), Some(1));
        let grace = Duration::from_millis(500);
        assert!(
            *took.start() < grace + Duration::from_millis(400) && *took.end() >= grace,
            "{took:?}"
        );
        testbed.line(" GET /chunks");
    });
}

#[test]
fn http_is_for_this_machine_and_a_free_port() {
    let home = Home::new();
    let told = home.run(&["--http", "0.0.0.0:0"]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.sentence()
            .starts_with("cannot serve http on 0.0.0.0:0: other machines could reach it")
    );
    let served = http(home.command(&["--http", "0.0.0.0:0", "--allow", "10.0.0.7"]));
    let (_, port) = served.address.rsplit_once(':').unwrap();
    let answer = browse(&format!("127.0.0.1:{port}"), "/hello");
    assert!(answer.ends_with("Hello, world!"), "{answer}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let told = home.run(&["--http", &taken]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.sentence()
            .starts_with(&format!("cannot serve http on {taken}: "))
    );
}

/// `script` gives a program a terminal, and is essential on Debian.
#[test]
fn at_a_terminal_it_says_what_it_is_and_serves_http() {
    let home = Home::new();
    // Whoever has the usual port, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8000");
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command"])
        .arg(home.program())
        .arg("/dev/null")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let Http {
        mut testbed,
        said,
        address,
        _stdout,
        ..
    } = http(script);
    assert!(said.contains("app.fcgi is a FastCGI application"), "{said}");
    assert!(said.lines().count() <= 10, "{said}");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(browse(&address, "/hello").ends_with("Hello, world!"));
    let answer = browse(&address, "/pid");
    let (_, pid) = answer.rsplit_once("\r\n\r\n").unwrap();
    let status = Command::new("sh")
        .args(["-c", &format!("kill -INT {pid}")])
        .status();
    assert!(status.unwrap().success());
    let (elapsed, status) = testbed.wait();
    assert!(
        elapsed < AT_ONCE && status.code() == Some(0),
        "{elapsed:?} {status}"
    );
}
