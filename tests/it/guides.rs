//! Every trouble that guides to FastCGI warn of, or treat in their chapters on debugging, as a broken set-up: what names
//! its cause here, and with which words. Those that take a web server are in `tests/servers/troubles.rs`.
//!
//! Each entry is told twice: of a set-up that is right, where the words have to be missing, and of the broken one.

use crate::cli::{Home, told};
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::Ask;
use fcgi::Address;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One trouble.
struct Entry {
    /// In our own words.
    trouble: &'static str,
    by: By,
    /// Makes a set-up that is right; mostly there is nothing to do.
    right: fn(&mut Scene),
    broken: fn(&mut Scene),
    names: &'static [&'static str],
}

/// What has to name the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// `check FILE --as nobody`, with the scene's flags.
    Check,
    /// `app.fcgi check`, with a socket on fd 0 as a web server leaves it.
    CheckOfItself,
    /// The page for the scene's path, with `--debug`; and the log.
    Page,
    /// `check --log`, of the scene's log.
    Log,
    /// What it says when it is started by hand: it ends. There is no right set-up to tell it from.
    Start,
}

const fn entry(
    trouble: &'static str,
    by: By,
    broken: fn(&mut Scene),
    names: &'static [&'static str],
) -> Entry {
    Entry {
        trouble,
        by,
        right: |_| {},
        broken,
        names,
    }
}

const THE_FILE: &[Entry] = &[
    entry(
        "the file was not made executable",
        By::Check,
        |scene| scene.set_mode(0o644),
        &["is not executable (mode 0644", "chmod 755"],
    ),
    entry(
        "the web server's user may not run it",
        By::Check,
        |scene| scene.set_mode(0o700),
        &["nobody may not run it (mode 0700"],
    ),
    entry(
        "a folder above it is closed to the web server's user, as home folders are",
        By::Check,
        |scene| set_mode(&scene.www(), 0o700),
        &["nobody cannot enter ", "chmod o+x"],
    ),
    entry(
        "others can write it, and suexec refuses it",
        By::Check,
        |scene| scene.set_mode(0o775),
        &["suexec refuses that", "chmod go-w"],
    ),
    entry(
        "it belongs to another user than its folder, and suexec refuses it",
        By::Check,
        |scene| scene.give_away(&scene.file.clone()),
        &["target uid/gid mismatch", "chown 33:33"],
    ),
    entry(
        "it is not where the web server looks: its name is written otherwise",
        By::Check,
        |scene| scene.file = scene.www().join("App.fcgi"),
        &["large and small letters differ", "there is no "],
    ),
    entry(
        "the upload was cut short",
        By::Check,
        |scene| {
            let whole = fs::read(SMALL).unwrap();
            scene.put(&whole[..1000]);
        },
        &["cut off"],
    ),
    entry(
        "the interpreter is another one than by hand, and is not here",
        By::Check,
        |scene| scene.put(b"#!/usr/bin/python2.3\nprint 1\n"),
        &["its interpreter /usr/bin/python2.3 is not here"],
    ),
    entry(
        "the interpreter is found by PATH, which is another one by hand",
        By::Check,
        |scene| scene.put(b"#!/usr/bin/env python\n"),
        &["looks for python in PATH"],
    ),
    entry(
        "the first line ends as Windows ends lines, and no log says so",
        By::Check,
        |scene| scene.put(b"#!/bin/sh\r\nexit 0\r\n"),
        &["ends in CR", "No such file or directory"],
    ),
    entry(
        "a syntax error: no program, and no line that names what runs it",
        By::Check,
        |scene| scene.put(b"from flup.server.fcgi import WSGIServer\n"),
        &["has no line #!", "Exec format error"],
    ),
    entry(
        "what it imports is not on its path",
        By::Check,
        |scene| {
            let small = fs::read(SMALL).unwrap();
            scene.put(&replaced(&small, b"libc.so.6", b"libx.so.6"));
        },
        &["the library libx.so.6 is not here"],
    ),
    entry(
        "it was built for another machine",
        By::Check,
        |scene| {
            let mut foreign = fs::read(SMALL).unwrap();
            foreign[18..20].copy_from_slice(&22u16.to_ne_bytes());
            scene.put(&foreign);
        },
        &["built for S/390", "Exec format error"],
    ),
    Entry {
        trouble: "the process that answers is not the file that was uploaded",
        by: By::Check,
        right: Scene::start_its_own,
        broken: |scene| {
            scene.start_its_own();
            let new = scene.home.path().join("new");
            fs::copy(SMALL, &new).unwrap();
            fs::rename(new, &scene.file).unwrap();
        },
        names: &["still runs the old one", "kill "],
    },
    Entry {
        trouble: "it runs, and nobody knows as whom",
        by: By::Check,
        right: |scene| scene.file = scene.home.program(),
        broken: Scene::start_its_own,
        names: &["running      process ", " (of "],
    },
    Entry {
        trouble: "nothing runs: no process manager has started it",
        by: By::Check,
        right: Scene::start_its_own,
        broken: |scene| scene.file = scene.home.program(),
        names: &["no process of it"],
    },
];

const HTACCESS: &[Entry] = &[
    entry(
        "ExecCGI is off",
        By::Check,
        |scene| scene.htaccess("Options +ExecCGI", "Options -ExecCGI"),
        &[
            "takes ExecCGI away",
            "Options ExecCGI is off in this directory",
        ],
    ),
    entry(
        "ExecCGI was not switched on",
        By::Check,
        |scene| scene.htaccess("Options +ExecCGI\n", ""),
        &["does not say Options +ExecCGI"],
    ),
    entry(
        "the file is no FastCGI script to Apache: no handler is set",
        By::Check,
        |scene| scene.htaccess("AddHandler fcgid-script .fcgi\n", ""),
        &["no handler for app.fcgi", "visitors download the program"],
    ),
    entry(
        "the program's name stands in every address",
        By::Check,
        |scene| scene.htaccess("RewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n", ""),
        &["its name stands in every address"],
    ),
    entry(
        "the rewrite rule leads to a file of another name",
        By::Check,
        |scene| scene.htaccess(" app.fcgi/$1", " yourapplication.fcgi/$1"),
        &["to yourapplication.fcgi, and there is no such file"],
    ),
    entry(
        "the rewrite rule has lost its condition, and leads to itself",
        By::Check,
        |scene| scene.htaccess("RewriteCond %{REQUEST_FILENAME} !-f\n", ""),
        &["has no condition", "AH00124"],
    ),
    entry(
        "the rules are there and switched off",
        By::Check,
        |scene| scene.htaccess("RewriteEngine On\n", ""),
        &["they are off"],
    ),
    entry(
        "the web server's user may not read .htaccess",
        By::Check,
        |scene| set_mode(&scene.www().join(".htaccess"), 0o600),
        &["nobody may not read ", "chmod 644"],
    ),
    Entry {
        trouble: "AllowOverride None: .htaccess is not read",
        by: By::Check,
        right: |scene| scene.apache("AllowOverride All", &["fcgid", "rewrite"]),
        broken: |scene| scene.apache("AllowOverride None", &["fcgid", "rewrite"]),
        names: &["Apache does not read it", "says AllowOverride None for "],
    },
    Entry {
        trouble: "AllowOverride has no Options, and .htaccess says ExecCGI",
        by: By::Check,
        right: |scene| scene.apache("AllowOverride All", &["fcgid", "rewrite"]),
        broken: |scene| scene.apache("AllowOverride FileInfo", &["fcgid", "rewrite"]),
        names: &["says AllowOverride FileInfo for /, which does not allow"],
    },
    Entry {
        trouble: "the module that starts programs is not loaded",
        by: By::Check,
        right: |scene| scene.apache("AllowOverride All", &["fcgid", "rewrite"]),
        broken: |scene| scene.apache("AllowOverride All", &["rewrite"]),
        names: &["mod_fcgid and mod_cgid are off", "a2enmod fcgid"],
    },
    Entry {
        trouble: "the module that rewrites is not loaded",
        by: By::Check,
        right: |scene| scene.apache("AllowOverride All", &["fcgid", "rewrite"]),
        broken: |scene| scene.apache("AllowOverride All", &["fcgid"]),
        names: &["mod_rewrite is off", "a2enmod rewrite"],
    },
    Entry {
        trouble: "RewriteBase is that of another folder",
        by: By::Check,
        right: |scene| {
            scene.apache("AllowOverride All", &["fcgid", "rewrite"]);
            scene.htaccess(
                "RewriteEngine On\n",
                "RewriteEngine On\nRewriteBase /www/\n",
            );
        },
        broken: |scene| {
            scene.apache("AllowOverride All", &["fcgid", "rewrite"]);
            scene.htaccess("RewriteEngine On\n", "RewriteEngine On\nRewriteBase /\n");
        },
        names: &["RewriteBase / is not the address of its folder, which is /www"],
    },
    Entry {
        trouble: "SELinux refuses what the modes allow",
        by: By::Check,
        right: |scene| scene.selinux("0"),
        broken: |scene| scene.selinux("1"),
        names: &["SELinux is enforced here", "ausearch -m avc"],
    },
];

const SOCKETS: &[Entry] = &[
    entry(
        "a socket is left behind by a process that was killed",
        By::Check,
        |scene| {
            drop(UnixListener::bind(scene.socket()).unwrap());
            scene.listen();
        },
        &["is a socket on which nobody listens"],
    ),
    entry(
        "the socket left behind belongs to another user, and cannot be replaced",
        By::Start,
        |scene| {
            drop(UnixListener::bind(scene.socket()).unwrap());
            let (run, socket) = (scene.run(), scene.socket());
            set_mode(&run, 0o1777);
            set_mode(&socket, 0o777);
            scene.give_away(&socket);
            scene.give_away(&run);
            scene.listen();
        },
        &["the dead socket there cannot be removed", "have it removed"],
    ),
    entry(
        "the program runs as another user than the web server, who may not connect",
        By::Check,
        |scene| {
            let listener = UnixListener::bind(scene.socket()).unwrap();
            set_mode(&scene.socket(), 0o600);
            scene.listeners.push(listener);
            scene.listen();
        },
        &[
            "nobody may not connect to ",
            "\"Permission denied\"",
            "--socket-owner",
        ],
    ),
    entry(
        "the socket's folder is closed to the web server's user",
        By::Check,
        |scene| {
            set_mode(&scene.run(), 0o700);
            scene.listen();
        },
        &["nobody cannot enter "],
    ),
    entry(
        "the socket's folder is not there",
        By::Check,
        |scene| {
            fs::remove_dir(scene.run()).unwrap();
            scene.listen();
        },
        &["/run of unix:", "is not there", "mkdir "],
    ),
    Entry {
        trouble: "the socket is in /tmp, which the web server's service has its own one of",
        by: By::Check,
        right: |scene| scene.flags(&["--listen", "unix:/run/fcgi-guides.sock"]),
        broken: |scene| scene.flags(&["--listen", "unix:/tmp/fcgi-guides.sock"]),
        names: &["PrivateTmp", "choose a folder below /run"],
    },
    entry(
        "another instance listens there already",
        By::Start,
        |scene| {
            let listener = UnixListener::bind(scene.socket()).unwrap();
            scene.listeners.push(listener);
            scene.listen();
        },
        &["another process is serving there"],
    ),
    entry(
        "the address is one that the whole network can reach",
        By::Check,
        |scene| scene.flags(&["--listen", "0.0.0.0:8080"]),
        &["other machines could reach it", "--allow"],
    ),
    entry(
        "the same, and it does not even start",
        By::Start,
        |scene| scene.flags(&["--listen", "0.0.0.0:8080"]),
        &["other machines could reach it", "--allow"],
    ),
    entry(
        "the address is another machine's",
        By::Start,
        |scene| scene.flags(&["--listen", "192.0.2.1:8080", "--allow", "192.0.2.2"]),
        &["this machine has no such address"],
    ),
    entry(
        "a web server that starts nothing was given no socket to connect to",
        By::Start,
        |_| {},
        &["there is nothing to serve", "--listen"],
    ),
    entry(
        "it has an address of its own, and the web server that starts it another",
        By::CheckOfItself,
        Scene::listen,
        &["--listen is ignored"],
    ),
    entry(
        "it is told to be a web server itself, where one starts it",
        By::CheckOfItself,
        |scene| scene.flags(&["--http", "8000"]),
        &["--http is ignored"],
    ),
];

const THE_APPLICATION: &[Entry] = &[
    Entry {
        trouble: "a relative path: the current folder is another one by hand",
        by: By::Page,
        right: |scene| {
            scene.beside("notes", 0o644, "/relative?name=notes");
            scene.from = scene.home.path().to_owned();
        },
        broken: |scene| scene.beside("notes", 0o644, "/relative?name=notes"),
        names: &[
            "No such file or directory",
            "a relative path counts from / here",
        ],
    },
    Entry {
        trouble: "a variable that the shell sets and the web server does not",
        by: By::Page,
        right: |scene| {
            scene.path = "/variable?name=DATABASE";
            scene.variables.push(("DATABASE", "x"));
        },
        broken: |scene| scene.path = "/variable?name=DATABASE",
        names: &["environment variable not found", "FcgidInitialEnv"],
    },
    entry(
        "variables that are set where it is tried, and will be missing",
        By::Check,
        |scene| scene.variables.push(("LD_LIBRARY_PATH", "/opt/lib")),
        &["LD_LIBRARY_PATH is set here and will not be there"],
    ),
    Entry {
        trouble: "a file that its user may not read",
        by: By::Page,
        right: |scene| {
            scene.beside("secret", 0o600, "/relative?name=secret");
            scene.from = scene.home.path().to_owned();
        },
        broken: |scene| {
            scene.beside("secret", 0o000, "/relative?name=secret");
            scene.from = scene.home.path().to_owned();
        },
        names: &["Permission denied", "this process runs as user "],
    },
    entry(
        "it fails before it serves: its database is away",
        By::Page,
        |scene| {
            let files = scene.home.path().join("files");
            fs::create_dir(&files).unwrap();
            fs::write(files.join("away"), "").unwrap();
        },
        &["the database is away"],
    ),
    entry(
        "a mistake in its settings",
        By::Page,
        |scene| scene.home.set("wrokers 4\n"),
        &["wrokers is no flag; did you mean workers?"],
    ),
    entry(
        "a mistake in the script: all that is seen is a 500",
        By::Page,
        |scene| scene.path = "/panic",
        &["panicked at ", "as asked"],
    ),
    entry(
        "headers that are none",
        By::Page,
        |scene| scene.path = "/header?name=a%20b&value=c",
        &["the response header a b is refused"],
    ),
    entry(
        "the web server's patience ends before the program's",
        By::Check,
        |scene| scene.flags(&["--timeout", "9000"]),
        &["gives up by FcgidIOTimeout", "before timeout 9000 s does"],
    ),
];

/// The guides' chapter on lines of logs.
const LOGS: &[Entry] = &[
    entry(
        "a line of the log: permission denied, failed to connect",
        By::Log,
        |scene| scene.log = "(13)Permission denied: FastCGI: failed to connect to server \"/srv/app.py\": connect() failed",
        &[
            "may not connect to the socket of /srv/app.py",
            "rm the socket",
        ],
    ),
    entry(
        "a line of the log: incomplete headers (0 bytes)",
        By::Log,
        |scene| {
            scene.log = "FastCGI: incomplete headers (0 bytes) received from server \"/srv/app.py\""
        },
        &["/srv/app.py ended its answer, or itself, after 0 bytes"],
    ),
    entry(
        "a line of the log: no such file or directory, failed to connect",
        By::Log,
        |scene| scene.log = "No such file or directory: FastCGI: failed to connect to server \"/srv/app.py\": connect() failed",
        &["there is no socket for /srv/app.py"],
    ),
    entry(
        "a line of the log: ExecCGI is off",
        By::Log,
        |scene| scene.log = "FastCGI: \"ExecCGI Option\" is off in this directory: /app.py",
        &[
            "does not run programs in the folder of /app.py",
            "Options +ExecCGI",
        ],
    ),
    entry(
        "a line of the log: stderr",
        By::Log,
        |scene| scene.log = "FastCGI: server \"/srv/app.py\" stderr: no paper",
        &["/srv/app.py wrote to its standard error: no paper"],
    ),
    entry(
        "a line of the log: idle timeout at the first read",
        By::Log,
        |scene| scene.log = "FastCGI: comm with (dynamic) server \"/srv/app.py\" aborted: (first read) idle timeout (30 sec)",
        &["answered nothing for 30 s", "-idle-timeout"],
    ),
    entry(
        "a line of the log: premature end of headers, and no more",
        By::Log,
        |scene| scene.log = "[error] Premature end of script headers: app.fcgi",
        &["app.fcgi could not be run", "su -s /bin/sh www-data"],
    ),
    entry(
        "by hand as the right user: a module is not found",
        By::Log,
        |scene| scene.log = "ImportError: No module named yourapplication",
        &["finds no module yourapplication", "su -s /bin/sh www-data"],
    ),
];

/// Behind it comes what `check` says.
const MOUNTED: &str = "mounted: ";

/// A small program that every system has, and that loads libraries on most.
const SMALL: &str = "/bin/true";

/// As the guides have it.
const GUIDES: &str = "Options +ExecCGI\nAddHandler fcgid-script .fcgi\nRewriteEngine On\n\
                      RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n";

/// A set-up: a program beside its `.htaccess`, a folder for sockets, and the testbed by itself.
struct Scene {
    folder: Folder,
    home: Home,
    /// What `check` looks at.
    file: PathBuf,
    /// Where it is started.
    from: PathBuf,
    flags: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
    takes_root: bool,
    /// What a visitor asks for.
    path: &'static str,
    log: &'static str,
    listeners: Vec<UnixListener>,
    running: Option<Testbed>,
    /// What a shell mounts before, in a name space of its own: as root alone.
    mounts: String,
}

impl Scene {
    fn new() -> Scene {
        let (folder, home) = (Folder::new(), Home::new());
        let file = folder.path().join("www/app.fcgi");
        for name in ["www", "run"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut scene = Scene {
            folder,
            home,
            file,
            from: "/".into(),
            flags: Vec::new(),
            variables: Vec::new(),
            takes_root: false,
            path: "/hello",
            log: "",
            listeners: Vec::new(),
            running: None,
            mounts: String::new(),
        };
        scene.put(&fs::read(SMALL).unwrap());
        fs::write(scene.www().join(".htaccess"), GUIDES).unwrap();
        scene
    }

    fn www(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn socket(&self) -> PathBuf {
        self.run().join("s")
    }

    fn is_root(&self) -> bool {
        fs::metadata(self.folder.path()).unwrap().uid() == 0
    }

    fn put(&mut self, content: &[u8]) {
        fs::write(&self.file, content).unwrap();
        self.set_mode(0o755);
    }

    fn give_away(&mut self, path: &Path) {
        self.takes_root = true;
        if self.is_root() {
            chown(path, Some(33), Some(33)).unwrap();
        }
    }

    fn set_mode(&self, mode: u32) {
        set_mode(&self.file, mode);
    }

    fn htaccess(&self, from: &str, to: &str) {
        assert!(GUIDES.contains(from));
        fs::write(self.www().join(".htaccess"), GUIDES.replace(from, to)).unwrap();
    }

    fn flags(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
    }

    fn listen(&mut self) {
        let listen = format!("unix:{}", self.socket().display());
        self.flags(&["--listen", &listen]);
    }

    /// Looks at the program in the other folder, which runs.
    fn start_its_own(&mut self) {
        self.file = self.home.program();
        let running = self.home.start(&[]);
        poll("it to serve", || running.try_ask("/hello").is_some());
        self.running = Some(running);
    }

    /// A file beside the testbed, and that this is asked for.
    fn beside(&mut self, name: &str, mode: u32, path: &'static str) {
        let file = self.home.path().join(name);
        fs::write(&file, "x").unwrap();
        set_mode(&file, mode);
        self.path = path;
    }

    /// Apache's configuration with that for all folders, and with these modules.
    fn apache(&mut self, says: &str, modules: &[&str]) {
        self.mounts = format!(
            "mount -t tmpfs none /etc/apache2 && mkdir /etc/apache2/mods-enabled && \
             printf '<Directory />\\n{says}\\n</Directory>\\nDocumentRoot {}\\n' >/etc/apache2/apache2.conf",
            self.folder.path().display()
        );
        for module in modules {
            self.mounts += &format!(" && touch /etc/apache2/mods-enabled/{module}.load");
        }
    }

    fn selinux(&mut self, enforces: &str) {
        self.mounts = format!(
            "mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && printf {enforces} >/sys/fs/selinux/enforce"
        );
    }

    /// What is said of it; `None` where this machine cannot have such a set-up.
    fn told(&mut self, by: By) -> Option<String> {
        match by {
            By::Check => self.check(),
            By::CheckOfItself => Some(self.check_of_itself()),
            By::Page => Some(self.page()),
            By::Log => Some(self.explained()),
            By::Start => Some(self.started()),
        }
    }

    fn check(&self) -> Option<String> {
        let testbed = testbed::example("testbed");
        let mut command = match self.mounts.is_empty() {
            true => testbed::command_of(testbed),
            false => self.after_mounts(&testbed),
        };
        command
            .arg("check")
            .arg(&self.file)
            .args(["--as", "nobody"]);
        command
            .args(&self.flags)
            .envs(self.variables.iter().copied());
        command.stdout(Stdio::piped());
        let told = told(command);
        if self.mounts.is_empty() {
            return Some(told.stdout);
        }
        told.stdout.strip_prefix(MOUNTED).map(str::to_owned)
    }

    /// A shell that mounts what the scene wants, says so, and becomes the program.
    fn after_mounts(&self, program: &Path) -> Command {
        let script = format!(
            "{} && printf '{MOUNTED}' && exec \"$0\" \"$@\"",
            self.mounts
        );
        let mut shell = testbed::command_of("unshare");
        shell.args(["--mount", "sh", "-c", &script]).arg(program);
        shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        shell
    }

    fn check_of_itself(&self) -> String {
        let socket: OwnedFd = UnixListener::bind(self.folder.path().join("fd0"))
            .unwrap()
            .into();
        let mut command = self.home.command(&["check"]);
        command.args(&self.flags).stdin(socket);
        told(command).stdout
    }

    /// What a visitor sees and what the log has.
    fn page(&self) -> String {
        let socket = self.folder.path().join("fd0");
        let listener: OwnedFd = UnixListener::bind(&socket).unwrap().into();
        let mut command = self.unprivileged(&["--debug"]);
        command
            .args(&self.flags)
            .envs(self.variables.iter().copied())
            .current_dir(&self.from)
            .stdin(listener)
            .stdout(Stdio::null());
        let mut running = Testbed::spawn(command, Address::Unix(socket), Folder::new());
        let reply = running.ask(&Ask::get(self.path));
        running.signal("TERM");
        running.wait();
        format!("{}\n{}\n", reply.text(), running.last_lines().join("\n"))
    }

    fn explained(&self) -> String {
        let mut command = self.home.command(&["check", "--log", "-"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let line = format!("{}\n", self.log);
        child
            .stdin
            .take()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn started(&self) -> String {
        let mut command = self.unprivileged(&[]);
        command.args(&self.flags);
        let told = told(command);
        assert!(told.code.is_some_and(|code| code != 0), "{told:?}");
        told.stderr
    }

    /// Root without its privileges is only the owner of its files.
    fn unprivileged(&self, flags: &[&str]) -> Command {
        let plain = self.home.command(flags);
        if !self.is_root() {
            return plain;
        }
        let mut command = testbed::command_of("setpriv");
        command.arg("--bounding-set=-all");
        command.arg(plain.get_program()).args(flags);
        command.current_dir("/");
        command
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("it is in there");
    [&bytes[..at], to, &bytes[at + to.len()..]].concat()
}

fn all(entries: &[Entry]) {
    for entry in entries {
        let (trouble, names) = (entry.trouble, entry.names);
        if entry.by != By::Start {
            let mut scene = Scene::new();
            (entry.right)(&mut scene);
            let text = scene.told(entry.by).unwrap_or_default();
            assert!(
                !text.contains(names[0]),
                "all is right, and yet {trouble}: {text}"
            );
        }
        let mut scene = Scene::new();
        (entry.broken)(&mut scene);
        if scene.takes_root && !scene.is_root() {
            eprintln!("SKIPPED {trouble}: only root can give files away");
            continue;
        }
        let Some(text) = scene.told(entry.by) else {
            eprintln!("SKIPPED {trouble}: it takes root, name spaces, and a place to mount");
            continue;
        };
        for words in names {
            assert!(text.contains(words), "{trouble}: no {words:?} in {text}");
        }
    }
}

#[test]
fn troubles_of_the_file() {
    all(THE_FILE);
}

#[test]
fn troubles_of_htaccess_and_of_the_servers_configuration() {
    all(HTACCESS);
}

#[test]
fn troubles_of_sockets() {
    all(SOCKETS);
}

#[test]
fn troubles_of_the_application() {
    all(THE_APPLICATION);
}

#[test]
fn lines_of_logs() {
    all(LOGS);
}
