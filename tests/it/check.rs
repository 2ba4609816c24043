//! The command `check` on set-ups that are really broken: it names what is wrong and what to do, by its exit status too,
//! and leaves all as it was.

use crate::cli::{Home, Told, told};
use crate::served::{Folder, poll};
use crate::testbed;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small program that every system has, and that loads libraries on most.
const SMALL: &str = "/bin/true";

const SCRIPT: &str = "#!/bin/sh\nexit 0\n";

/// What the guides' `.htaccess` has.
const HTACCESS: &str = "Options +ExecCGI\nAddHandler fcgid-script .fcgi\nRewriteEngine On\n\
                        RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n";

/// One line, and its remedy.
#[derive(Debug)]
pub struct Line {
    pub level: String,
    pub about: String,
    pub what: String,
    pub remedy: String,
}

#[derive(Debug)]
pub struct Report {
    pub code: Option<i32>,
    pub lines: Vec<Line>,
}

impl Report {
    pub fn of(told: Told) -> Report {
        let mut lines: Vec<Line> = Vec::new();
        for line in told.stdout.lines() {
            if let (Some(remedy), Some(last)) =
                (line.trim_start().strip_prefix("-> "), lines.last_mut())
            {
                last.remedy = remedy.into();
                continue;
            }
            let mut words = line.splitn(2, ' ');
            let level = words.next().unwrap_or("");
            if !["green", "yellow", "red"].contains(&level) {
                continue;
            }
            let (about, what) = words.next().unwrap().trim_start().split_once(' ').unwrap();
            lines.push(Line {
                level: level.into(),
                about: about.into(),
                what: what.trim_start().into(),
                remedy: String::new(),
            });
        }
        assert!(!lines.is_empty(), "{told:?}");
        Report {
            code: told.code,
            lines,
        }
    }

    /// The one line about that with these words.
    #[track_caller]
    pub fn line(&self, about: &str, words: &str) -> &Line {
        let found = self
            .lines
            .iter()
            .filter(|line| line.about == about && line.what.contains(words));
        let found: Vec<&Line> = found.collect();
        assert_eq!(found.len(), 1, "{about}: {words:?} in {self:#?}");
        found[0]
    }

    #[track_caller]
    pub fn assert_has(&self, level: &str, about: &str, words: &str) {
        let line = self.line(about, words);
        assert_eq!(line.level, level, "{line:?}");
        assert_eq!(line.remedy.is_empty(), level == "green", "{line:?}");
    }

    /// All that is not green, of these concerns.
    fn troubles(&self, about: &[&str]) -> Vec<&Line> {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.level != "green" && about.contains(&&*line.about))
            .collect()
    }
}

/// Runs `check` with these arguments, by the testbed.
pub fn check(arguments: &[&str]) -> Report {
    let mut command = testbed::command();
    command.arg("check").args(arguments).stdout(Stdio::piped());
    Report::of(told(command))
}

fn check_file(file: &Path, arguments: &[&str]) -> Report {
    let mut all = vec![file.to_str().unwrap()];
    all.extend(arguments);
    check(&all)
}

/// A file that anybody may run.
fn put(path: PathBuf, content: impl AsRef<[u8]>) -> PathBuf {
    fs::write(&path, content).unwrap();
    set_mode(&path, 0o755);
    path
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root(folder: &Path) -> bool {
    let is_root = fs::metadata(folder).unwrap().uid() == 0;
    if !is_root {
        eprintln!("SKIPPED: only root can give files away");
    }
    is_root
}

/// Whether the kernel runs it.
fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .expect("it is in there");
    [&bytes[..at], to.as_bytes(), &bytes[at + to.len()..]].concat()
}

#[test]
fn what_is_right_is_green() {
    let folder = Folder::new();
    let small = fs::read(SMALL).unwrap();
    for (name, content) in [("app.fcgi", SCRIPT.as_bytes()), ("app", &small)] {
        let file = put(folder.path().join(name), content);
        assert!(runs(&file));
        let report = check_file(&file, &["--as", "nobody"]);
        assert!(
            report
                .troubles(&["file", "format", "running", "htaccess", "settings"])
                .is_empty(),
            "{report:#?}"
        );
        report.assert_has("green", "file", "nobody may run it");
    }
}

#[test]
fn a_file_that_cannot_be_run_says_why() {
    let folder = Folder::new();
    let small = fs::read(SMALL).unwrap();
    let mut foreign = small.clone();
    // The machine: S/390.
    foreign[18..20].copy_from_slice(&22u16.to_ne_bytes());
    let without_loader = match () {
        () if cfg!(target_arch = "x86_64") => Some(replaced(
            &small,
            "/ld-linux-x86-64.so",
            "/ld-linuy-x86-64.so",
        )),
        () => None,
    };
    let without_library = replaced(&small, "libc.so.6", "libx.so.6");
    for (name, content, words) in [
        (
            "crlf.fcgi",
            Some(SCRIPT.replace('\n', "\r\n").into_bytes()),
            "ends in CR",
        ),
        (
            "no-interpreter.fcgi",
            Some(b"#!/usr/bin/php-nowhere\n".to_vec()),
            "/usr/bin/php-nowhere is not here",
        ),
        (
            "mark.fcgi",
            Some([b"\xef\xbb\xbf", SCRIPT.as_bytes()].concat()),
            "byte order mark",
        ),
        ("machine", Some(foreign), "built for S/390"),
        (
            "loader",
            without_loader,
            "/lib64/ld-linuy-x86-64.so.2 is not here",
        ),
        (
            "library",
            Some(without_library),
            "the library libx.so.6 is not here",
        ),
        ("cut", Some(small[..1000].to_vec()), "cut off"),
        ("empty", Some(Vec::new()), "it is empty"),
    ] {
        let Some(content) = content else { continue };
        let file = put(folder.path().join(name), content);
        assert!(!runs(&file), "{name} is broken");
        let report = check_file(&file, &[]);
        report.assert_has("red", "format", words);
        assert_eq!(report.code, Some(1));
    }
}

#[test]
fn modes_and_owners_are_judged() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    for (mode, level, words) in [
        (0o644, "red", "is not executable (mode 0644"),
        (0o775, "yellow", "its group can write"),
        (0o777, "red", "everybody here can replace what"),
        (0o4755, "yellow", "runs as its owner"),
        (0o700, "red", "nobody may not run it (mode 0700"),
    ] {
        set_mode(&file, mode);
        let report = check_file(&file, &["--as", "nobody"]);
        let reds = report.lines.iter().filter(|line| line.level == "red");
        assert!(reds.count() < 2, "one cause is told once: {report:#?}");
        let rank = |line: &Line| ["green", "yellow", "red"].map(|level| level == line.level);
        assert!(
            report
                .lines
                .is_sorted_by(|one, next| rank(one) >= rank(next)),
            "the worst comes last: {report:#?}"
        );
        report.assert_has(level, "file", words);
        assert_eq!(report.code, Some(i32::from(level == "red")), "{report:#?}");
    }
    set_mode(&file, 0o755);
    for (mode, level, words) in [
        (0o700, "red", "nobody cannot enter"),
        (0o775, "yellow", "others can write its folder"),
        (
            0o777,
            "red",
            "everybody here can put another program in its place",
        ),
    ] {
        set_mode(folder.path(), mode);
        check_file(&file, &["--as", "nobody"]).assert_has(level, "file", words);
    }
}

#[test]
fn what_is_no_program_at_all_is_told_and_never_waited_for() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    symlink("/nowhere/app", path("dangling")).unwrap();
    make_pipe(&path("pipe"));
    fs::create_dir(path("folder")).unwrap();
    for (name, words) in [
        ("none", "there is no "),
        ("dangling", "leads nowhere"),
        ("pipe", "is no file"),
        ("folder", "is no file"),
    ] {
        let report = check_file(&path(name), &[]);
        report.assert_has("red", "file", words);
        assert_eq!(report.code, Some(1));
    }
    // Pipes in the places of all that is read.
    let file = put(path("app.fcgi"), SCRIPT);
    make_pipe(&path(".htaccess"));
    make_pipe(&path(".ht.app.fcgi"));
    let socket = format!("unix:{}", path("pipe").display());
    let report = check_file(&file, &["--listen", &socket]);
    report.assert_has("red", "htaccess", "is no file");
    report.assert_has("red", "settings", "are not a file");
    report.assert_has("red", "sockets", "is no socket");
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

#[test]
fn an_htaccess_beside_it_is_read() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    let htaccess = folder.path().join(".htaccess");
    let with = |text: &str, mode| {
        fs::write(&htaccess, text).unwrap();
        set_mode(&htaccess, mode);
        check_file(&file, &["--as", "nobody"])
    };
    let fine = with(HTACCESS, 0o644);
    // What this machine's Apache allows that folder is its own affair.
    let mut troubles = fine.troubles(&["htaccess"]);
    troubles.retain(|line| !line.what.contains("AllowOverride"));
    assert!(troubles.is_empty(), "{fine:#?}");
    for (from, to, level, words) in [
        (
            "Options +ExecCGI\n",
            "",
            "yellow",
            "does not say Options +ExecCGI",
        ),
        ("+ExecCGI", "-ExecCGI", "red", "takes ExecCGI away"),
        // Whether another ending has a handler is this machine's affair, too.
        (
            "fcgid-script",
            "fcgi-script",
            "yellow",
            "the handler fcgi-script",
        ),
        (
            " app.fcgi/",
            " ap.fcgi/",
            "red",
            "sends requests to ap.fcgi, and there is no such file",
        ),
    ] {
        let broken = HTACCESS.replacen(from, to, 1);
        assert_ne!(broken, HTACCESS);
        with(&broken, 0o644).assert_has(level, "htaccess", words);
    }
    with(HTACCESS, 0o600).assert_has("red", "htaccess", "nobody may not read");
}

#[test]
fn sockets_are_looked_at_and_not_touched() {
    let folder = Folder::new();
    let (live, stale, file) = (
        folder.path().join("live"),
        folder.path().join("stale"),
        folder.path().join("file"),
    );
    let listener = UnixListener::bind(&live).unwrap();
    set_mode(&live, 0o666);
    drop(UnixListener::bind(&stale).unwrap());
    fs::write(&file, "").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let missing = folder.path().join("no/s");
    let new = folder.path().join("new");
    let paths =
        [&live, &stale, &file, &missing, &new].map(|path| format!("unix:{}", path.display()));
    let mut arguments = vec!["--as", "nobody"];
    for path in paths.iter().chain([&address]) {
        arguments.extend(["--listen", path]);
    }
    let before = folder.names().len();
    let report = check(&arguments);
    let here = format!("(process {}, of ", std::process::id());
    for (level, words) in [
        ("green", "/live is listened on by ".to_owned()),
        ("green", format!("nobody may connect to {}", live.display())),
        (
            "yellow",
            "/stale is a socket on which nobody listens".into(),
        ),
        (
            "red",
            format!("nobody may not connect to {} (", stale.display()),
        ),
        ("red", "/file is no socket".into()),
        ("red", "/no of unix:".into()),
        ("green", "/new is not there yet".into()),
        (
            "red",
            format!("nobody may not connect to {} (", new.display()),
        ),
        ("green", format!("{address} is listened on by ")),
    ] {
        report.assert_has(level, "sockets", &words);
    }
    assert!(
        report
            .line("sockets", "/live is listened on")
            .what
            .contains(&here),
        "{report:#?}"
    );
    assert!(
        report
            .line("sockets", &format!("{address} is listened on"))
            .what
            .contains(&here)
    );
    assert_eq!(folder.names().len(), before);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn who_could_connect_depends_on_mode_owner_and_folder() {
    let folder = Folder::new();
    if !is_root(folder.path()) {
        return;
    }
    let path = folder.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    chown(&path, Some(33), Some(33)).unwrap();
    let listen = format!("unix:{}", path.display());
    let words = format!("connect to {}", path.display());
    for (mode, folder_mode, user, level) in [
        (0o660, 0o755, "33", "green"),
        (0o660, 0o755, "nobody", "red"),
        (0o666, 0o755, "nobody", "green"),
        (0o600, 0o755, "nobody", "red"),
    ] {
        set_mode(&path, mode);
        set_mode(folder.path(), folder_mode);
        check(&["--as", user, "--listen", &listen]).assert_has(level, "sockets", &words);
    }
    set_mode(folder.path(), 0o700);
    check(&["--as", "33", "--listen", &listen]).assert_has("red", "sockets", "cannot enter");
    fs::remove_file(&path).unwrap();
    set_mode(folder.path(), 0o755);
    let mut flags = vec!["--as", "33", "--listen", &listen, "--socket-owner", ":33"];
    check(&flags).assert_has("green", "sockets", &words);
    // The group is right, and the mode keeps it out.
    flags.extend(["--socket-mode", "600"]);
    let closed = check(&flags);
    closed.assert_has("red", "sockets", &words);
    let closed = closed.line("sockets", &words);
    assert!(closed.what.contains("(mode 0600, of root:"), "{closed:?}");
    assert!(closed.remedy.starts_with("--socket-mode 660"), "{closed:?}");
}

#[test]
fn the_settings_are_told_with_their_sources() {
    let home = Home::with("workers 2\n");
    let run = |arguments: &[&str]| Report::of(told(home.command(arguments)));
    let report = run(&["check", "--grace", "3"]);
    report.assert_has("green", "settings", "workers 2 (line 1 of ");
    report.assert_has("green", "settings", "grace 3 (--grace)");
    report.assert_has("green", "settings", "by default: stack-size 256K");
    home.set("debug\n");
    run(&["check"]).assert_has("yellow", "settings", "debug (line 1 of ");
    report.assert_has("green", "memory", "for 2 workers");
    home.set("workers 2\nworkres 3\n");
    let wrong = run(&["check"]);
    wrong.assert_has(
        "red",
        "settings",
        "line 2: workres is no flag; did you mean workers?",
    );
    assert_eq!(wrong.code, Some(1));
    home.set("workers 2\n");
    set_mode(&home.settings(), 0o666);
    run(&["check"]).assert_has("red", "settings", "can be written by everybody");
    // Another file's settings are read, too.
    let other = check_file(&home.path().join("app.fcgi"), &[]);
    other.assert_has("red", "settings", "can be written by everybody");
}

#[test]
fn a_flag_that_may_be_another_programs_own_is_not_surely_wrong() {
    let home = Home::of(testbed::example("rogue"));
    home.set("place /srv\n");
    let other = check_file(&home.program(), &[]);
    other.assert_has("yellow", "settings", "line 1: place is no flag");
    let itself = Report::of(told(home.command(&["check"])));
    itself.assert_has("green", "settings", "place /srv (line 1 of ");
    home.set("plaec /srv\n");
    let itself = Report::of(told(home.command(&["check"])));
    itself.assert_has("red", "settings", "did you mean place?");
}

#[test]
fn low_limits_are_met_before_they_bite() {
    let under = |limits: &[&str], flags: &[&str]| {
        let mut command = testbed::command_of("prlimit");
        command
            .env("PATH", "/usr/bin:/bin")
            .args(limits)
            .arg(testbed::example("testbed"))
            .arg("check")
            .args(flags);
        command.stdout(Stdio::piped());
        Report::of(told(command))
    };
    let many = ["--workers", "64", "--stack-size", "1M"];
    for (limit, flags, level, about, words) in [
        (
            "--nproc=9:9",
            &many[..],
            "red",
            "limits",
            "9 processes and threads (nproc)",
        ),
        (
            "--nofile=40:40",
            &[],
            "yellow",
            "limits",
            "only 40 files may be open",
        ),
        ("--cpu=50:60", &[], "yellow", "limits", "after 50 s of work"),
        (
            "--fsize=1000000",
            &[],
            "yellow",
            "limits",
            "files end at 1000000 bytes",
        ),
        (
            "--as=60000000",
            &many,
            "red",
            "memory",
            "an address space of 57.2 MiB",
        ),
    ] {
        let report = under(&[limit], flags);
        report.assert_has(level, about, words);
        assert_eq!(report.code, Some(i32::from(level == "red")), "{report:#?}");
    }
}

#[test]
fn how_and_by_whom_it_is_started_is_told() {
    let home = Home::new();
    let report = Report::of(told(home.command(&["check"])));
    report.assert_has("green", "start", "it would serve nothing and end");
    let us = format!("(process {}, of ", std::process::id());
    assert!(
        report.line("starter", &us).what.contains(" < "),
        "{report:#?}"
    );
    report.assert_has("green", "fds", "0: /dev/null, 1: a pipe, 2: a pipe");
    let listen = Report::of(told(home.command(&["check", "--listen", "127.0.0.1:9000"])));
    listen.assert_has("green", "start", "listen 127.0.0.1:9000 (--listen)");
    let folder = Folder::new();
    let socket: OwnedFd = UnixListener::bind(folder.path().join("s")).unwrap().into();
    let mut command = home.command(&["check", "--listen", "127.0.0.1:9000"]);
    command.stdin(socket).stderr(Stdio::null());
    let inherited = Report::of(told(command));
    inherited.assert_has(
        "green",
        "start",
        "fd 0 is a listening socket, which wins over all else",
    );
    inherited.assert_has("yellow", "start", "--listen is ignored");
    inherited.assert_has(
        "yellow",
        "fds",
        "0: a listening socket, 1: a pipe, 2: /dev/null",
    );
    let mut systemd = home.command(&["check"]);
    systemd.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    Report::of(told(systemd)).assert_has(
        "yellow",
        "start",
        "LISTEN_FDS is ignored, since LISTEN_PID is \"1\"",
    );
}

#[test]
fn a_process_that_runs_an_old_file_is_told() {
    let home = Home::new();
    let running = home.start(&[]);
    let file = home.path().join("app.fcgi");
    let pid = running.pid();
    poll("it to serve", || running.try_ask("/hello").is_some());
    check_file(&file, &[]).assert_has("green", "running", &format!("process {pid} (of "));
    let new = put(home.path().join("new"), SCRIPT);
    fs::rename(new, &file).unwrap();
    let stale = check_file(&file, &[]);
    stale.assert_has("yellow", "running", &format!("process {pid} (of "));
    let line = stale.line("running", "still runs the old one");
    assert!(line.remedy.starts_with(&format!("kill {pid}:")), "{line:?}");
}

#[test]
fn time_limits_are_held_against_the_web_servers() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    fs::write(folder.path().join(".htaccess"), HTACCESS).unwrap();
    let of = |flags: &[&str]| check_file(&file, flags);
    of(&["--write-timeout", "8000"]).assert_has(
        "yellow",
        "timeouts",
        "write-timeout 8000 s is not below FcgidIOTimeout",
    );
    of(&["--timeout", "9000"]).assert_has("yellow", "timeouts", "before timeout 9000 s does");
    let alone = "timeout ends no request without --processes";
    of(&["--timeout", "9"]).assert_has("yellow", "timeouts", alone);
    let family = of(&["--timeout", "9", "--processes", "1"]);
    assert!(!format!("{family:?}").contains(alone), "{family:#?}");
    let listen = ["--listen", "127.0.0.1:9000", "--idle-timeout", "30"];
    of(&listen).assert_has(
        "yellow",
        "timeouts",
        "idle-timeout 30 s is not above nginx's",
    );
}

#[test]
fn a_program_can_read_it() {
    let folder = Folder::new();
    let file = put(folder.path().join("a \"b\".fcgi"), SCRIPT);
    set_mode(&file, 0o644);
    let mut command = testbed::command();
    command
        .args(["check", "--json"])
        .arg(&file)
        .stdout(Stdio::piped());
    let told = told(command);
    assert_eq!(told.code, Some(1));
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(
        lines[0].ends_with("/a \\\"b\\\".fcgi\",\"level\":\"red\",\"findings\":["),
        "{}",
        lines[0]
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("{\"level\":\"red\",\"about\":\"file\",\"what\":\""))
    );
    assert_eq!(lines.last(), Some(&"]}"));
    assert!(!told.stdout.contains('\x1b'));
}

#[test]
fn what_is_not_understood_is_one_sentence() {
    let home = Home::new();
    for (arguments, sentence) in [
        (
            &["check", "--as", "nowhere-man"][..],
            "--as: there is no user \"nowhere-man\" in /etc/passwd; name one that is, or write a number",
        ),
        (
            &["check", "a", "b"],
            "check takes one file, and \"b\" is one word more; leave it out",
        ),
        (
            &["--as", "root"],
            "--as is for the command check; see help check",
        ),
    ] {
        let told = home.run(arguments);
        assert_eq!(told.code, Some(2));
        assert_eq!(told.sentence(), sentence);
    }
}

#[test]
fn a_file_system_that_runs_nothing_is_told() {
    let folder = Folder::new();
    let mut command = testbed::command_of("unshare");
    let script = "mount -t tmpfs -o noexec none \"$1\" && printf '#!/bin/sh\\n' >\"$1/app\" && chmod 755 \"$1/app\" && \
                  exec \"$0\" check \"$1/app\"";
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--mount", "sh", "-c", script]);
    command.arg(testbed::example("testbed")).arg(folder.path());
    command.stdout(Stdio::piped());
    let told = told(command);
    if told.stdout.is_empty() {
        eprintln!("SKIPPED: it takes root, and namespaces: {told:?}");
        return;
    }
    let words = format!("nothing can be run below {}", folder.path().display());
    Report::of(told).assert_has("red", "file", &words);
}

/// Nothing that lies beside the program keeps us waiting, or is taken for what it is named like.
#[test]
fn what_is_no_file_is_told_and_not_opened() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    let htaccess = folder.path().join(".htaccess");
    fs::create_dir(&htaccess).unwrap();
    check_file(&file, &[]).assert_has("red", "htaccess", "is no file");
    fs::remove_dir(&htaccess).unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    let circle = check_file(&folder.path().join("a"), &[]);
    let line = circle.line("file", "leads to itself");
    assert!(line.remedy.contains("ln -sf"), "{line:?}");
    let below = check_file(&file.join("x"), &[]);
    below.assert_has("red", "file", "there is no");
    // As large as anybody likes, and of any bytes.
    let wild: Vec<u8> = (0..3 << 20)
        .map(|at: usize| ((at * at) >> 3) as u8)
        .collect();
    fs::write(&htaccess, wild).unwrap();
    let other = put(folder.path().join("app.other"), SCRIPT);
    check_file(&other, &[]).line("htaccess", "names no handler");
}

/// The web server sees the folder of the link.
#[test]
fn beside_a_link_is_what_counts() {
    let (folder, other) = (Folder::new(), Folder::new());
    let file = put(other.path().join("real"), SCRIPT);
    let link = folder.path().join("app.fcgi");
    symlink(&file, &link).unwrap();
    fs::write(
        folder.path().join(".htaccess"),
        HTACCESS.replace(" app.fcgi/", " nowhere.fcgi/"),
    )
    .unwrap();
    check_file(&link, &[]).assert_has(
        "red",
        "htaccess",
        "to nowhere.fcgi, and there is no such file",
    );
}

#[test]
fn without_proc_it_says_what_it_does_not_know() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    let mut command = testbed::command_of("unshare");
    let script = "mount -t tmpfs none /proc && exec \"$0\" check \"$1\" --listen unix:\"$1\".sock";
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--mount", "sh", "-c", script]);
    command.arg(testbed::example("testbed")).arg(&file);
    command.stdout(Stdio::piped());
    let told = told(command);
    if told.stdout.is_empty() {
        eprintln!("SKIPPED: it takes root, and namespaces: {told:?}");
        return;
    }
    assert!(!told.stdout.contains("unlimited open files") && !told.stdout.contains("0: closed"));
    let report = Report::of(told);
    report.assert_has("yellow", "system", "no /proc");
    report.line("file", "mode 0755");
}

/// An old RPATH is inherited by the libraries that it finds, a RUNPATH is not: as the loader itself sees it.
#[test]
fn libraries_are_found_as_the_loader_finds_them() {
    let folder = Folder::new();
    let build = "mkdir lib && echo 'int b(void){return 0;}' >b.c && echo 'int b(void);int a(void){return b();}' >a.c && \
                 echo 'int a(void);int main(void){return a();}' >m.c && cc -shared -fPIC -o lib/libb.so b.c && \
                 cc -shared -fPIC -o lib/liba.so a.c -Llib -lb && \
                 for tags in disable enable; do cc -o $tags m.c -Llib -la -Wl,--$tags-new-dtags -Wl,-rpath,'$ORIGIN/lib' \
                 -Wl,-rpath-link,lib || exit; done";
    let mut shell = Command::new("sh");
    let built = shell
        .args(["-c", build])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: it takes a C compiler");
        return;
    }
    for name in ["disable", "enable"] {
        let file = folder.path().join(name);
        let report = check_file(&file, &[]);
        let is_missing = report
            .lines
            .iter()
            .any(|line| line.what.contains("libb.so is not here"));
        assert_eq!(is_missing, !runs(&file), "{name}: {report:#?}");
    }
}

#[test]
fn a_name_that_is_no_text_is_said_to_be_none() {
    let mut command = testbed::command();
    let name = OsStr::from_bytes(b"a\x1b\xff.fcgi");
    command.arg("check").arg(name).stdout(Stdio::piped());
    let told = told(command);
    assert_eq!(told.code, Some(2));
    let words = r#": "a\u{1b}\xFF.fcgi" is not UTF-8; "#;
    assert!(told.stderr.contains(words), "{told:?}");
}

/// What is in a name is neither a command to the terminal nor the end of a string.
#[test]
fn odd_names_are_valid_json() {
    let folder = Folder::new();
    let file = put(
        folder.path().join("a\"b\\\n\u{1b}[31m\u{7f}\u{202e}.fcgi"),
        SCRIPT,
    );
    let text = check_file(&file, &[]);
    assert_eq!(text.code, Some(0));
    let mut command = testbed::command();
    command
        .args(["check", "--json"])
        .arg(&file)
        .stdout(Stdio::piped());
    let told = told(command);
    assert!(
        !told.stdout.contains('\x1b') && told.stdout.contains(r#"/a\"b\\\u000a\u001b[31m"#),
        "{told:?}"
    );
}

/// As `setfacl -m u:65534:r-x` does; the mode alone would keep out.
#[test]
fn an_access_control_list_counts() {
    let folder = Folder::new();
    let file = put(folder.path().join("app.fcgi"), SCRIPT);
    set_mode(&file, 0o700);
    let list = "import os, struct, sys; every = 0xffffffff; e = lambda *a: struct.pack('<HHI', *a); \
                os.setxattr(sys.argv[1], 'system.posix_acl_access', struct.pack('<I', 2) + e(1, 7, every) + \
                e(2, 5, 65534) + e(4, 0, every) + e(16, 5, every) + e(32, 0, every))";
    let report = |user: &str| check_file(&file, &["--as", user]);
    report("65534").assert_has("red", "file", "may not run it");
    let mut python = Command::new("python3");
    let set = python
        .args(["-c", list])
        .arg(&file)
        .stderr(Stdio::null())
        .status();
    if !set.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: it takes python3, and a file system with access control lists");
        return;
    }
    report("65534").assert_has("green", "file", "may run it");
    report("65533").assert_has("red", "file", "may not run it");
}
