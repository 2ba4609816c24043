//! Bad setups: whatever is wrong when the program starts, it says so in one sentence that names the thing and what to
//! do, ends with the status that its documentation gives, and has touched nothing. Behind a web server it stays, and
//! answers 503 instead.

use crate::cli::{Home, Told, told};
use crate::served::Folder;
use crate::testbed::Testbed;
use crate::wire::{Ask, begin_role};
use fcgi::Address;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// One thing that is wrong. In flags and sentences FOLDER is where the sockets belong, HOME where the program lies, PORT
/// one that is taken, LONG a name of 107 bytes.
struct Bad {
    settings: &'static str,
    flags: &'static [&'static str],
    code: i32,
    sentence: &'static str,
    /// What the web server gets instead: addresses do not matter there, wrong words do.
    behind: u16,
}

/// For these the program was started wrongly: what it was told cannot be followed by any machine.
const fn misuse(flags: &'static [&'static str], sentence: &'static str) -> Bad {
    Bad {
        settings: "",
        flags,
        code: 2,
        sentence,
        behind: 503,
    }
}

/// The same in the settings file.
const fn wrong(settings: &'static str, sentence: &'static str) -> Bad {
    Bad {
        settings,
        ..misuse(&[], sentence)
    }
}

/// For these serving fails: what it was told cannot be followed here.
const fn failure(flags: &'static [&'static str], sentence: &'static str) -> Bad {
    Bad {
        code: 1,
        behind: 200,
        ..misuse(flags, sentence)
    }
}

const FLAGS: &[Bad] = &[
    misuse(
        &["--wrokers", "4"],
        "--wrokers is no flag; did you mean --workers?",
    ),
    misuse(&["--lisen=x"], "--lisen is no flag; did you mean --listen?"),
    misuse(&["--bananas"], "--bananas is no flag; see --help"),
    misuse(
        &["start"],
        "\"start\" is no command; the commands are conf, check, get, bench and serve, and flags begin with --: see --help",
    ),
    misuse(&["--workers"], "--workers needs a value; write --workers N"),
    misuse(
        &["--workers", "0"],
        "--workers: \"0\" cannot be used; write a number from 1 to 1024",
    ),
    misuse(
        &["--grace", "2d"],
        "--grace: \"2d\" cannot be used; write seconds from 0 to 86400, such as 2.5",
    ),
    misuse(
        &["--log-level", "loud"],
        "--log-level: \"loud\" is no level; write off, error, warn, info, debug or trace",
    ),
    misuse(
        &["--mount", "app"],
        "--mount: \"app\" is no mount; write the path of the URL that the application is reached under, decoded: /app, \
         or /",
    ),
    misuse(
        &["--listen", "unix:FOLDER/LONG"],
        "--listen: cannot use \"unix:FOLDER/LONG\" as an address: the path has BYTES bytes, and that of a unix socket \
         may have 107; choose a shorter one",
    ),
    misuse(
        &["--listen", "example.org:9000"],
        "--listen: cannot use \"example.org:9000\" as an address: names are not looked up, except localhost; write \
         a number, as in 127.0.0.1:9000",
    ),
    misuse(
        &["--workers", "1", "--workers", "2"],
        "--workers is given twice; leave one out",
    ),
    misuse(
        &["--processes", "257"],
        "--processes: \"257\" cannot be used; write a number from 0 to 256",
    ),
    misuse(
        &["--status", "status"],
        "--status: \"status\" is no path; write the page's path below the mount, decoded: /status",
    ),
    misuse(
        &["--child", "three"],
        "--child three: only the parent of --processes writes that; leave it out",
    ),
    misuse(
        &["--listen", "unix:FOLDER/s", "--listen", "FOLDER/s"],
        "--listen unix:FOLDER/s is given twice; leave one out",
    ),
    Bad {
        behind: 200,
        ..misuse(
            &["--listen", "unix:FOLDER/s", "--http", "127.0.0.1:0"],
            "listen unix:FOLDER/s (--listen), http 127.0.0.1:0 (--http): one waits for a web server, and the other is one; \
             leave one out",
        )
    },
    misuse(
        &["--keepalive"],
        "--keepalive is for the command conf; see --help",
    ),
];

const SETTINGS: &[Bad] = &[
    wrong(
        "# ours\nworkres 4\n",
        "HOME/.ht.app.fcgi, line 2: workres is no flag; did you mean workers?",
    ),
    wrong(
        "workers many",
        "HOME/.ht.app.fcgi, line 1: workers: \"many\" cannot be used; write a number from 1 to 1024",
    ),
    wrong(
        "log-level loud",
        "HOME/.ht.app.fcgi, line 1: log-level: \"loud\" is no level; write off, error, warn, info, debug or trace",
    ),
    Bad {
        behind: 200,
        ..wrong(
            "http 8000\nlisten unix:s",
            "listen unix:s (line 2 of HOME/.ht.app.fcgi), http 8000 (line 1 of HOME/.ht.app.fcgi): one waits for a web \
             server, and the other is one; leave one out",
        )
    },
    wrong(
        "listen unix:s\nlisten HOME/s\n",
        "HOME/.ht.app.fcgi, line 2: listen unix:HOME/s is given twice; leave one out",
    ),
];

const ADDRESSES: &[Bad] = &[
    failure(
        &["--listen", "unix:FOLDER/live"],
        "cannot listen on unix:FOLDER/live: another process is serving there; stop it, or choose another path",
    ),
    failure(
        &["--listen", "127.0.0.1:PORT"],
        "cannot listen on 127.0.0.1:PORT: another process is serving there; stop it, or choose another port",
    ),
    failure(
        &["--listen", "unix:FOLDER/file"],
        "cannot listen on unix:FOLDER/file: there is a file that is not a socket of that name; move it away, or choose \
         another path",
    ),
    failure(
        &["--listen", "unix:FOLDER/folder"],
        "cannot listen on unix:FOLDER/folder: there is a folder of that name; move it away, or choose another path",
    ),
    failure(
        &["--listen", "unix:FOLDER/link"],
        "cannot listen on unix:FOLDER/link: there is a symbolic link of that name; move it away, or choose another path",
    ),
    failure(
        &["--listen", "unix:FOLDER/file/s"],
        "cannot listen on unix:FOLDER/file/s: FOLDER/file is not a folder; choose another path",
    ),
    failure(
        &["--listen", "unix:FOLDER/missing/s"],
        "cannot listen on unix:FOLDER/missing/s: there is no folder FOLDER/missing; create it, or choose another path",
    ),
    failure(
        &["--listen", "unix:FOLDER/closed/s"],
        "cannot listen on unix:FOLDER/closed/s: this user may not read and write the folder FOLDER/closed; choose one of its own \
         (install -d -o USER /run/app)",
    ),
    failure(
        &["--listen", "unix:FOLDER/hidden/s"],
        "cannot listen on unix:FOLDER/hidden/s: this user may not read and write the folder FOLDER/hidden; choose one of its own \
         (install -d -o USER /run/app)",
    ),
    failure(
        &["--listen", "127.0.0.1:1"],
        "cannot listen on 127.0.0.1:1: a port below 1024 needs root; choose a higher one",
    ),
    failure(
        &["--listen", "192.0.2.1:9000"],
        "cannot listen on 192.0.2.1:9000: other machines could reach it, and FastCGI has no password; name the web \
         server's address by --allow 10.0.0.7, write 127.0.0.1 as the address, or use a unix socket",
    ),
    failure(
        &["--listen", "192.0.2.1:9000", "--allow", "10.0.0.7"],
        "cannot listen on 192.0.2.1:9000: this machine has no such address; choose one that it has, such as 127.0.0.1",
    ),
    failure(
        &["--listen", "fd:9"],
        "cannot listen on fd:9: it is not open; whoever starts this program has to leave a listening socket there",
    ),
    failure(
        &["--listen", "fd:1"],
        "cannot listen on fd:1: it is not a socket; pass a listening one",
    ),
    failure(
        &["--http", "0.0.0.0:8000"],
        "cannot serve http on 0.0.0.0:8000: other machines could reach it, and this server is for trying things out; name \
         those that may by --allow 192.168.1.7, or write 127.0.0.1:8000 as the address",
    ),
    failure(
        &["--http", "127.0.0.1:PORT"],
        "cannot serve http on 127.0.0.1:PORT: Address already in use (os error 98); choose another port",
    ),
];

/// What belongs to another user, which only root can arrange.
const FOREIGN: &[Bad] = &[
    failure(
        &["--listen", "unix:FOLDER/foreign/s"],
        "cannot listen on unix:FOLDER/foreign/s: this user may not read and write the folder FOLDER/foreign; choose one of its own \
         (install -d -o USER /run/app)",
    ),
    failure(
        &["--listen", "unix:FOLDER/theirs"],
        "cannot listen on unix:FOLDER/theirs: this user may not look whether the socket there is in use (Permission \
         denied (os error 13)), and it may be another user's; choose another path, or remove it once you know that it \
         is not",
    ),
    failure(
        &["--listen", "unix:FOLDER/sticky/dead"],
        "cannot listen on unix:FOLDER/sticky/dead: the dead socket there cannot be removed (Operation not permitted (os \
         error 1)); have it removed, or choose another path",
    ),
];

/// Nobody here.
const STRANGER: u32 = 4711;

/// What stands in the way of one row, or does not matter to it.
struct Scene {
    home: Home,
    folder: Folder,
    taken: TcpListener,
    _live: [UnixListener; 2],
}

impl Scene {
    fn new(settings: &str) -> Scene {
        let (home, folder) = (Home::new(), Folder::new());
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "mine").unwrap();
        symlink("nowhere", at("link")).unwrap();
        drop(UnixListener::bind(at("dead")).unwrap());
        for (name, mode) in [
            ("folder", 0o755),
            ("closed", 0o555),
            ("hidden", 0o000),
            ("foreign", 0o755),
            ("sticky", 0o1777),
        ] {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        let theirs = UnixListener::bind(at("theirs")).unwrap();
        drop(UnixListener::bind(at("sticky/dead")).unwrap());
        for (name, mode) in [("theirs", 0o600), ("sticky/dead", 0o777)] {
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        if is_root() {
            for name in ["foreign", "theirs", "sticky/dead", "sticky"] {
                chown(at(name), Some(STRANGER), None).unwrap();
            }
        }
        let scene = Scene {
            taken: TcpListener::bind("127.0.0.1:0").unwrap(),
            _live: [UnixListener::bind(at("live")).unwrap(), theirs],
            home,
            folder,
        };
        if !settings.is_empty() {
            scene.home.set(&scene.filled(settings));
        }
        scene
    }

    fn filled(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let port = self.taken.local_addr().unwrap().port().to_string();
        let long = "x".repeat(107);
        let bytes = (folder.len() + 1 + long.len()).to_string();
        text.replace("FOLDER", &folder)
            .replace("HOME", &self.home.path().display().to_string())
            .replace("PORT", &port)
            .replace("LONG", &long)
            .replace("BYTES", &bytes)
    }

    /// A command that has no more rights than anybody's: root without its privileges is only the owner of its files.
    fn command(&self, flags: &[&str]) -> Command {
        let plain = self.home.command(&[]);
        let mut command = match is_root() {
            true => Command::new("setpriv"),
            false => Command::new(plain.get_program()),
        };
        if is_root() {
            command.arg("--bounding-set=-all").arg(plain.get_program());
        }
        command
            .args(flags.iter().map(|flag| self.filled(flag)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear();
        command
    }

    /// Everything that lies about: what it is, whose, how large, from when.
    fn listing(&self) -> Vec<String> {
        let mut listing = Vec::new();
        list(self.home.path(), &mut listing);
        list(self.folder.path(), &mut listing);
        listing.sort();
        listing
    }

    #[track_caller]
    fn assert_told(&self, bad: &Bad, told: &Told) {
        let sentence = self.filled(bad.sentence);
        assert_eq!(told.sentence(), sentence);
        assert_eq!(told.code, Some(bad.code), "{sentence}");
    }

    /// Started as a web server starts it.
    fn start(&self, flags: &[&str]) -> Testbed {
        let folder = Folder::new();
        let path = folder.path().join("s");
        let socket: OwnedFd = UnixListener::bind(&path).unwrap().into();
        let mut command = self.command(flags);
        command.stdin(socket).stdout(Stdio::null());
        Testbed::spawn(command, Address::Unix(path), folder)
    }

    #[track_caller]
    fn assert_behind(&self, bad: &Bad, mut testbed: Testbed) {
        let sentence = self.filled(bad.sentence);
        for path in ["/hello", "/env", "/hello"] {
            let reply = testbed.ask(&Ask::get(path));
            assert_eq!(reply.status, bad.behind, "{sentence}");
            if bad.behind == 503 {
                assert_eq!(reply.text(), "503 Service Unavailable\n");
                assert_eq!(reply.field("Retry-After"), Some("5"));
            }
        }
        assert!(testbed.is_running(), "{sentence}");
        testbed.signal("TERM");
        assert!(testbed.wait().1.success(), "{sentence}");
        let lines = testbed.last_lines();
        let told = |line: &&String| line.contains(" ERROR every request is answered 503");
        let told: Vec<&String> = lines.iter().filter(told).collect();
        match bad.behind {
            503 => assert!(
                lines.len() == 1 && told.len() == 1 && told[0].ends_with(&format!(": {sentence}")),
                "{lines:?}"
            ),
            _ => assert!(
                told.is_empty()
                    && lines
                        .iter()
                        .all(|line| line.contains(" is ignored, since ")),
                "{lines:?}"
            ),
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Or nobody but root could remove them.
        for name in ["closed", "hidden"] {
            let path = self.folder.path().join(name);
            let _ = fs::set_permissions(path, Permissions::from_mode(0o755));
        }
    }
}

fn list(path: &Path, listing: &mut Vec<String>) {
    let found = fs::symlink_metadata(path).unwrap();
    // A socket that was bound and removed again shows in its folder's time.
    let since = if found.is_dir() {
        0
    } else {
        found.mtime_nsec() + found.mtime() * 1_000_000_000
    };
    listing.push(format!(
        "{} {:o} {} {} {} {since}",
        path.display(),
        found.mode(),
        found.uid(),
        found.ino(),
        found.len() * u64::from(!found.is_dir()),
    ));
    if found.is_dir() && found.mode() & 0o700 == 0o700 {
        let entries = fs::read_dir(path).unwrap();
        entries.for_each(|entry| list(&entry.unwrap().path(), listing));
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Where everybody may take every port there is nothing to refuse.
fn are_low_ports_free() -> bool {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    first.is_ok_and(|first| first.trim().parse::<u32>().unwrap() <= 1)
}

fn all() -> impl Iterator<Item = &'static Bad> {
    let foreign = if is_root() { FOREIGN } else { &[] };
    let all = [FLAGS, SETTINGS, ADDRESSES, foreign].into_iter().flatten();
    all.filter(|bad| !(bad.sentence.contains("below 1024") && are_low_ports_free()))
}

#[test]
fn by_hand_each_is_one_sentence_and_a_status_and_nothing_is_touched() {
    for bad in all() {
        let scene = Scene::new(bad.settings);
        let before = scene.listing();
        scene.assert_told(bad, &told(scene.command(bad.flags)));
        assert_eq!(scene.listing(), before, "{}", bad.sentence);
    }
}

/// What was bound before something failed is given back.
#[test]
fn an_address_before_the_bad_one_leaves_nothing_behind() {
    let listens = |bad: &&Bad| bad.code == 1 && bad.flags[0] == "--listen";
    for bad in all().filter(listens) {
        let scene = Scene::new(bad.settings);
        let before = scene.listing();
        let flags = [&["--listen", "unix:FOLDER/good"], bad.flags].concat();
        scene.assert_told(bad, &told(scene.command(&flags)));
        assert_eq!(scene.listing(), before, "{}", bad.sentence);
    }
}

/// It is the parent that binds.
#[test]
fn with_processes_it_is_the_same_sentence() {
    let listens = |bad: &&Bad| bad.code == 1 && bad.flags[0] == "--listen";
    for bad in all().filter(listens) {
        let scene = Scene::new("processes 2");
        let before = scene.listing();
        let flags = [&["--listen", "unix:FOLDER/good"], bad.flags].concat();
        scene.assert_told(bad, &told(scene.command(&flags)));
        assert_eq!(scene.listing(), before, "{}", bad.sentence);
    }
}

/// No contradiction, but nothing that would be missed either.
#[test]
fn what_counts_for_nothing_is_said_to_be_ignored() {
    for (flags, line) in [
        (
            &["--max-requests", "5"][..],
            "WARN --max-requests counts for the children of --processes alone; it is ignored",
        ),
        (
            &["--status-allow", "10.0.0.0/8"],
            "WARN --status-allow counts for the page of --status alone; it is ignored",
        ),
    ] {
        let scene = Scene::new("");
        let testbed = scene.start(flags);
        testbed.assert_serves();
        testbed.line(line);
    }
    for right in [
        &["--max-requests", "5", "--processes", "1"][..],
        &["--status-allow", "10.0.0.0/8", "--status", "/status"],
    ] {
        let scene = Scene::new("");
        let mut testbed = scene.start(right);
        testbed.assert_serves();
        testbed.signal("TERM");
        assert!(testbed.wait().1.success());
        let lines = testbed.last_lines();
        assert!(
            lines.iter().all(|line| !line.contains(" WARN ")),
            "{lines:?}"
        );
    }
}

#[test]
fn behind_a_web_server_each_is_a_503_or_does_not_matter() {
    for bad in all() {
        let scene = Scene::new(bad.settings);
        let before = scene.listing();
        scene.assert_behind(bad, scene.start(bad.flags));
        assert_eq!(scene.listing(), before, "{}", bad.sentence);
    }
}

#[test]
fn settings_that_others_can_write_or_we_cannot_read_are_not_followed() {
    let others =
        "the settings HOME/.ht.app.fcgi can be written by everybody; take that away: chmod o-w";
    let stranger = "the settings HOME/.ht.app.fcgi belong to user 4711, who is neither root, nor this user, nor the \
                    program's owner; make it your own file";
    let closed = "cannot read the settings HOME/.ht.app.fcgi: Permission denied (os error 13); make it a file that this \
                  user may read";
    for (mode, owner, sentence) in [
        (0o646, None, others),
        (0o777, None, others),
        (0o644, Some(STRANGER), stranger),
        (0o000, None, closed),
    ] {
        if owner.is_some() && !is_root() {
            continue;
        }
        let scene = Scene::new("workers 2");
        let settings = scene.home.settings();
        fs::set_permissions(&settings, Permissions::from_mode(mode)).unwrap();
        chown(&settings, owner, None).unwrap();
        let bad = misuse(&["--listen", "unix:FOLDER/s"], sentence);
        let before = scene.listing();
        scene.assert_told(&bad, &told(scene.command(bad.flags)));
        scene.assert_behind(&bad, scene.start(&[]));
        assert_eq!(scene.listing(), before);
    }
}

#[test]
fn with_nothing_on_fd_0_and_nothing_else_there_is_nothing_to_serve() {
    let sentence = "there is nothing to serve: fd 0 is no listening socket, this is no CGI request (GATEWAY_INTERFACE and \
                    REQUEST_METHOD are not both set), and no address is given; let a web server start this program, or \
                    write --listen unix:/path, or --http 8000 to look at it in a browser";
    let bad = misuse(&[], sentence);
    for redirection in ["<&-", "</dev/null", "<&- 3<&-"] {
        let scene = Scene::new("");
        let before = scene.listing();
        let mut command = scene.home.command(&[]);
        let script = format!("exec \"$0\" {redirection}");
        let program = command.get_program().to_owned();
        command = {
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", &script])
                .arg(program)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .env_clear();
            shell
        };
        scene.assert_told(&bad, &told(command));
        assert_eq!(scene.listing(), before);
    }
}

/// What is wrong with the flags is wrong for every role; and nothing of it is the visitor's to read.
#[test]
fn wrong_flags_are_a_503_for_authorizers_and_filters_too() {
    let scene = Scene::new("");
    let testbed = scene.start(&["--workers", "none"]);
    for role in [1, 2, 3] {
        let ask = Ask::get("/hello?token=open");
        let mut wire = testbed.connect();
        wire.write([begin_role(1, role, false), ask.params(), ask.stdin()].concat());
        let reply = wire.reply(1);
        assert_eq!(reply.page(), (503, "503 Service Unavailable\n"), "{role}");
    }
}
