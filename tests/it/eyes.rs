//! Whose eyes `check` and `get` look with: by `su` with those of the web server's user, who has no shell of his own;
//! started by a web server with its; and what a terminal shows of it.

use crate::cli::{Home, Told, told};
use crate::served::Folder;
use crate::testbed;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

/// Of Debian's users the one that web servers run as. It has no login shell: `su` alone says so and ends.
const WEB: &str = "www-data";

fn is_root(folder: &Path) -> bool {
    fs::metadata(folder).unwrap().uid() == 0
}

/// Root, `su` and that user, or the reason.
fn can_switch(folder: &Path) -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let has_user = users.lines().any(|line| line.starts_with("www-data:"));
    let has_su = Path::new("/usr/bin/su").exists() || Path::new("/bin/su").exists();
    let can = is_root(folder) && has_user && has_su;
    if !can {
        eprintln!("SKIPPED: it takes root, su and the user {WEB}");
    }
    can
}

/// As `su -s /bin/sh www-data -c '…'`, in the program's folder.
fn by_su(folder: &Folder, words: &str) -> Told {
    let mut su = testbed::command_of("su");
    su.args(["-s", "/bin/sh", WEB, "-c", words])
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir(folder.path())
        .stdout(Stdio::piped());
    told(su)
}

/// A copy in a folder that every user may enter.
fn installed(name: &str) -> Folder {
    let folder = Folder::new();
    let file = folder.path().join(name);
    testbed::copy(testbed::example("testbed"), &file);
    set_mode(folder.path(), 0o755);
    set_mode(&file, 0o755);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn by_su_it_answers_as_the_web_servers_user() {
    let folder = installed("app.fcgi");
    if !can_switch(folder.path()) {
        return;
    }
    let right = by_su(&folder, "./app.fcgi get /hello");
    assert_eq!(
        (right.code, right.stdout.as_str()),
        (Some(0), "Hello, world!"),
        "{right:?}"
    );
    // What root may read and the web server's user may not: by hand all is well, and a visitor gets a 500.
    let secret = folder.path().join("secret");
    fs::write(&secret, "x").unwrap();
    set_mode(&secret, 0o600);
    let mut as_root = testbed::command_of(folder.path().join("app.fcgi"));
    as_root
        .args(["get", "/relative?name=secret"])
        .current_dir(folder.path())
        .stdout(Stdio::piped());
    assert_eq!(told(as_root).stdout, "x");
    let wrong = by_su(&folder, "./app.fcgi get '/relative?name=secret'");
    assert_eq!(wrong.code, Some(22), "{wrong:?}");
    let said = "Permission denied (os error 13) (this process runs as user 33)";
    assert!(wrong.stderr.contains(said), "{wrong:?}");
    // And without -s nothing at all.
    let mut plain = testbed::command_of("su");
    plain
        .args([WEB, "-c", "./app.fcgi get /hello"])
        .env("PATH", "/usr/bin:/bin");
    plain.current_dir(folder.path()).stdout(Stdio::piped());
    let refused = told(plain);
    assert!(
        refused.code != Some(0) && !refused.stdout.contains("Hello"),
        "{refused:?}"
    );
}

#[test]
fn by_su_check_sees_what_that_user_sees() {
    let folder = installed("app.fcgi");
    if !can_switch(folder.path()) {
        return;
    }
    let settings = folder.path().join(".ht.app.fcgi");
    fs::write(&settings, "workers 2\n").unwrap();
    let seen = by_su(&folder, "./app.fcgi check");
    assert!(seen.stdout.contains("workers 2 (line 1 of "), "{seen:?}");
    set_mode(&settings, 0o600);
    let seen = by_su(&folder, "./app.fcgi check");
    assert_eq!(seen.code, Some(1), "{seen:?}");
    let line = seen.stdout.lines().find(|line| line.starts_with("red"));
    assert!(
        line.is_some_and(|line| line.contains("settings")),
        "{seen:?}"
    );
}

/// A shell under a web server's name stands for it; and another such one, of another user, runs beside it.
#[test]
fn under_a_web_server_check_sees_with_its_eyes() {
    let folder = installed("app.fcgi");
    if !can_switch(folder.path()) {
        return;
    }
    let closed = folder.path().join("closed.fcgi");
    fs::write(&closed, "#!/bin/sh\n").unwrap();
    set_mode(&closed, 0o700);
    let server = |name: &str, user: &str| {
        let file = folder.path().join(name);
        testbed::copy("/bin/sh", &file);
        let mut command = testbed::command_of("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={user}"));
        command
            .arg("--clear-groups")
            .arg(file)
            .env("PATH", "/usr/bin:/bin");
        command
    };
    let mut other = server("nginx", "65534");
    other
        .args(["-c", "echo; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut other = other.spawn().unwrap();
    other.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let mut parent = server("httpd", "33");
    parent
        // What comes last keeps the shell from becoming the program itself.
        .args(["-c", "\"$0\" check \"$1\"; exit $?"])
        .arg(folder.path().join("app.fcgi"))
        .arg(&closed)
        .stdout(Stdio::piped());
    let seen = told(parent);
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(
        seen.stdout.contains(": Apache, by mod_fcgid or as CGI"),
        "{seen:?}"
    );
    let may_not = seen
        .stdout
        .lines()
        .filter(|line| line.contains(" may not run it"));
    let may_not: Vec<&str> = may_not.collect();
    assert_eq!(may_not.len(), 1, "{seen:?}");
    assert!(
        may_not[0].starts_with("red ") && may_not[0].contains("www-data may not run it (mode 0700"),
        "{seen:?}"
    );
}

/// `script` gives it a terminal, and is essential on Debian.
#[test]
fn colour_is_for_terminals_and_never_with_no_color() {
    let home = Home::new();
    let at_a_terminal = |variables: &[(&str, &str)]| {
        let mut script = testbed::command_of("script");
        let program = home.program();
        let check = format!("{} check", program.display());
        script.args(["--quiet", "--return", "--command", &check, "/dev/null"]);
        script.env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        script
            .envs(variables.iter().copied())
            .stdout(Stdio::piped());
        let told = told(script);
        assert!(told.stdout.contains("  start  "), "{told:?}");
        told.stdout
    };
    assert!(at_a_terminal(&[]).contains("\x1b[32mgreen"));
    // An empty one counts for nothing: https://no-color.org.
    assert!(at_a_terminal(&[("NO_COLOR", "")]).contains("\x1b[32mgreen"));
    for plain in [("NO_COLOR", "1"), ("NO_COLOR", "0"), ("TERM", "dumb")] {
        assert!(!at_a_terminal(&[plain]).contains('\x1b'), "{plain:?}");
    }
    let mut pipe = home.command(&["check"]);
    pipe.env("TERM", "xterm");
    assert!(!told(pipe).stdout.contains('\x1b'));
}
