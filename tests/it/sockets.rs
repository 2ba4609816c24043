//! The sockets of a process: many starters on one path, of whom exactly one serves; who may connect; paths that vanish or
//! are replaced under a server; who may connect by TCP.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, PATIENCE, Wire};
use fcgi::Address;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const STARTERS: usize = 20;

#[test]
fn of_twenty_starters_on_one_path_exactly_one_serves() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let address = Address::Unix(path.clone());
    for round in 0..6 {
        let mut starters: Vec<Testbed> = (0..STARTERS).map(|_| starter(&address)).collect();
        poll("all but one to give up", || {
            let running = starters
                .iter_mut()
                .filter_map(|s| s.is_running().then_some(()));
            running.count() == 1
        });
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        let mut winner = None;
        for mut starter in starters {
            if starter.is_running() {
                winner = Some(starter);
                continue;
            }
            assert!(!starter.wait().1.success());
            let lines = starter.last_lines();
            assert_eq!(lines.len(), 1, "one sentence: {lines:?}");
            assert!(
                lines[0].contains(&format!("cannot listen on {address}: ")),
                "{lines:?}"
            );
        }
        let mut winner = winner.expect("one is left");
        for _ in 0..3 {
            let pid = winner.pid().to_string();
            assert_eq!(
                winner.ask(&Ask::get("/pid")).page(),
                (200, &pid[..]),
                "round {round}"
            );
        }
        assert_eq!(
            fs::symlink_metadata(&path).unwrap().ino(),
            inode,
            "its socket was replaced"
        );
        assert_eq!(folder.names(), ["s"], "nothing else is left");
        if round % 2 == 0 {
            winner.signal("TERM");
            assert!(winner.wait().1.success());
            assert_eq!(folder.names(), [""; 0]);
        } else {
            // The next round finds a socket that nobody answers on.
            winner.signal("KILL");
            winner.wait();
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        }
    }
}

fn starter(address: &Address) -> Testbed {
    let mut command = testbed::command();
    command.args(["--listen", &address.to_string()]);
    Testbed::spawn(command, address.clone(), Folder::new())
}

#[test]
fn what_cannot_be_listened_on_is_one_sentence_and_a_failure() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "a guest book").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let table = [
        (
            Address::Unix(folder.path().join("no/such/folder")),
            "no/such",
        ),
        (Address::Unix(file.clone()), "not a socket"),
        (Address::Unix(folder.path().to_owned()), "a folder"),
        (
            Address::Tcp(taken.local_addr().unwrap()),
            "another process is serving there",
        ),
        (
            Address::Tcp("0.0.0.0:9000".parse().unwrap()),
            "other machines could reach it",
        ),
        (Address::Fd(77), "not open"),
    ];
    for (address, words) in table {
        let mut starter = starter(&address);
        assert!(!starter.wait().1.success(), "{address}");
        let lines = starter.last_lines();
        assert_eq!(lines.len(), 1, "one sentence: {lines:?}");
        assert!(
            lines[0].contains(&address.to_string()) && lines[0].contains(words),
            "{lines:?}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"a guest book");
    assert_eq!(folder.names(), ["file"]);
}

/// Whether this test may do what only root may; else it says that it does not.
fn is_root(test: &str) -> bool {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        eprintln!("SKIPPED: {test} takes root");
    }
    is_root
}

/// Whether a user of these numbers can connect. perl is part of every Debian.
fn can_connect(path: &Path, user: u32, group: u32) -> bool {
    let script =
        "use IO::Socket::UNIX; IO::Socket::UNIX->new(Peer => $ARGV[0]) or die \"refused: $!\\n\"";
    let mut perl = Command::new("perl");
    perl.args(["-e", script]).arg(path).uid(user).gid(group);
    let output = perl.output().expect("perl is there");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || told.contains("Permission denied"),
        "{told}"
    );
    output.status.success()
}

/// A testbed with these flags and a umask.
fn with_umask(umask: &str, flags: &[&str]) -> Testbed {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let program = testbed::command().get_program().to_owned();
    let mut command = testbed::command_of("/bin/sh");
    let script = format!("umask {umask}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(program);
    command.args(["--listen", &address.to_string()]).args(flags);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to listen", || {
        testbed
            .lines()
            .iter()
            .any(|line| line.contains("listening on"))
    });
    testbed
}

#[test]
fn who_may_connect_is_the_files_owner_group_and_mode() {
    if !is_root("giving sockets away") {
        return;
    }
    const USER: (u32, u32) = (4711, 4711);
    const MEMBER: (u32, u32) = (4712, 4713);
    const STRANGER: (u32, u32) = (4714, 4714);
    for (umask, flags, mode, owner, may) in [
        ("022", &[][..], 0o640, (0, 0), [false, false, false]),
        ("007", &[], 0o660, (0, 0), [false, false, false]),
        (
            "077",
            &["--socket-owner", ":4713"],
            0o660,
            (0, 4713),
            [false, true, false],
        ),
        (
            "022",
            &["--socket-owner", "4711"],
            0o640,
            (4711, 0),
            [true, false, false],
        ),
        (
            "022",
            &["--socket-owner", "4711:4713"],
            0o660,
            (4711, 4713),
            [true, true, false],
        ),
        (
            "022",
            &["--socket-owner", "4711:4713", "--socket-mode", "0600"],
            0o600,
            (4711, 4713),
            [true, false, false],
        ),
        (
            "077",
            &["--socket-mode", "0666"],
            0o666,
            (0, 0),
            [true, true, true],
        ),
    ] {
        let mut testbed = with_umask(umask, flags);
        let path = testbed.folder.path().join("s");
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o7777, mode, "{flags:?}");
        assert_eq!((found.uid(), found.gid()), owner, "{flags:?}");
        let can = [USER, MEMBER, STRANGER].map(|(user, group)| can_connect(&path, user, group));
        assert_eq!(can, may, "{flags:?}");
        testbed.line(&format!("(mode {mode:04o}"));
        testbed.assert_serves();
        testbed.signal("TERM");
        assert!(testbed.wait().1.success());
    }
}

#[test]
fn an_owner_is_named_in_the_settings_and_unknown_ones_are_a_sentence() {
    for (owner, sentence) in [
        (
            "no-such-user",
            "there is no user \"no-such-user\" in /etc/passwd",
        ),
        (
            ":no-such-group",
            "there is no group \"no-such-group\" in /etc/group",
        ),
    ] {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut command = testbed::command();
        command.args(["--listen", &address.to_string(), "--socket-owner", owner]);
        let mut testbed = Testbed::spawn(command, address.clone(), Folder::new());
        assert_eq!(testbed.wait().1.code(), Some(1));
        let lines = testbed.last_lines();
        let expected = format!(
            "cannot listen on {address}: {sentence}; name one that is, or write its number"
        );
        assert!(
            lines.len() == 1 && lines[0].ends_with(&expected),
            "{lines:?}"
        );
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[test]
fn only_root_gives_a_socket_to_others() {
    if !is_root("starting it as another user") {
        return;
    }
    let folder = Folder::new();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777 | 0o1000)).unwrap();
    let address = Address::Unix(folder.path().join("s"));
    // The test's own folder may be closed to others: the program is copied to where all can start it.
    let program = folder.path().join("testbed");
    testbed::copy(testbed::command().get_program(), &program);
    let start = |owner: &str| {
        let mut command = testbed::command_of("/bin/sh");
        // A shell in between: a copy that another test's child still has open for writing cannot be executed.
        let script = "until \"$0\" --version >/dev/null 2>&1; do :; done; exec \"$0\" \"$@\"";
        command.args(["-c", script]).arg(&program);
        command.args(["--listen", &address.to_string(), "--socket-owner", owner]);
        command.uid(4711).gid(4713);
        Testbed::spawn(command, address.clone(), Folder::new())
    };
    let mut refused = start(":33");
    assert_eq!(refused.wait().1.code(), Some(1));
    let lines = refused.last_lines();
    let reason = "it cannot be given to :33 (Operation not permitted (os error 1)); name only a group, as in \
                  :www-data, and put its user there: usermod -aG GROUP USER";
    assert!(lines.len() == 1 && lines[0].ends_with(reason), "{lines:?}");
    assert_eq!(folder.names(), ["testbed"]);
    let own = start("4711:4713");
    poll("the testbed to listen", || {
        Wire::try_connect(&address).is_ok()
    });
    own.assert_serves();
}

#[test]
fn where_everybody_may_replace_it_no_socket_is_made() {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let address = Address::Unix(folder.path().join("s"));
    let mut testbed = starter(&address);
    assert_eq!(testbed.wait().1.code(), Some(1));
    let lines = testbed.last_lines();
    let sentence = format!(
        "cannot listen on {address}: everybody may replace what is in the folder {} (mode 0777); take that away \
         (chmod o-w), or choose another one",
        folder.path().display()
    );
    assert!(
        lines.len() == 1 && lines[0].ends_with(&sentence),
        "{lines:?}"
    );
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_folder_for_temporary_files_is_warned_of_once_and_others_are_not() {
    const WARNING: &str = "is in a folder for temporary files";
    let testbed = Testbed::listening(1);
    if testbed.folder.path().starts_with("/tmp") {
        testbed.assert_serves();
        testbed.line(WARNING);
    }
    if !is_root("a socket in /run") {
        return;
    }
    let path = format!("/run/fcgi-it-{}", std::process::id());
    let mut lasting = starter(&Address::Unix((&path).into()));
    lasting.line("listening on");
    lasting.assert_serves();
    lasting.signal("TERM");
    assert!(lasting.wait().1.success());
    let lines = lasting.last_lines();
    assert!(
        !lines.iter().any(|line| line.contains(WARNING)),
        "{lines:?}"
    );
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_path_that_vanishes_is_bound_again_and_removed_at_the_end() {
    // At the end of the grace a signal handler removes it, and otherwise the server.
    for grace in ["0", "5"] {
        let mut testbed = Testbed::listening_with(&["--workers", "2", "--grace", grace]);
        let path = testbed.folder.path().join("s");
        let mut kept = testbed.connect();
        let ask = Ask::get("/hello").keep();
        assert_eq!(kept.ask(&ask).status, 200);
        let first = fs::symlink_metadata(&path).unwrap().ino();
        fs::remove_file(&path).unwrap();
        poll("the path to be bound again", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        testbed.line("had vanished: somebody removed the socket; it is bound again");
        assert_ne!(fs::symlink_metadata(&path).unwrap().ino(), first);
        for _ in 0..20 {
            testbed.assert_serves();
        }
        assert_eq!(kept.ask(&ask).status, 200, "who was there before");
        // Whoever has the answer is still served for a moment, and without grace that would be cut.
        poll("the workers to rest", || {
            testbed.thread_states().iter().all(|&state| state == 'S')
        });
        testbed.signal("TERM");
        testbed.wait();
        assert_eq!(testbed.folder.names(), [""; 0]);
        assert_eq!(testbed.last_troubles().len(), 1, "{:?}", testbed.lines());
    }
}

/// The children have sockets without paths, and their parent looks after those.
#[test]
fn with_processes_a_path_that_vanishes_is_bound_again_too() {
    let mut parent = Testbed::listening_with(&["--processes", "2"]);
    parent.line("2 processes serve");
    let path = parent.folder.path().join("s");
    for round in 1..=2 {
        let mut sleeping = Wire::after(parent.address(), Ask::get("/sleep?ms=3000").bytes());
        fs::remove_file(&path).unwrap();
        poll("the path to be bound again", || {
            Wire::try_connect(parent.address()).is_ok()
        });
        poll("new processes to serve there", || {
            let lines = parent.lines();
            let done = lines
                .iter()
                .filter(|line| line.contains("the new processes serve"));
            done.count() == round
        });
        for _ in 0..20 {
            parent.assert_serves();
        }
        assert_eq!(
            sleeping.reply(1).page(),
            (200, "slept"),
            "who was there before"
        );
    }
    parent.signal("TERM");
    assert!(parent.wait().1.success());
    assert_eq!(parent.folder.names(), [""; 0]);
    assert_eq!(parent.last_troubles().len(), 2, "{:?}", parent.lines());
}

#[test]
fn a_folder_that_vanishes_is_waited_for() {
    let above = Folder::new();
    let folder = above.path().join("sub");
    fs::create_dir(&folder).unwrap();
    let address = Address::Unix(folder.join("s"));
    let mut testbed = starter(&address);
    testbed.line("listening on");
    fs::remove_dir_all(&folder).unwrap();
    testbed.line("and it cannot be bound again yet: there is no folder");
    fs::create_dir(&folder).unwrap();
    testbed.line("it is bound again");
    testbed.assert_serves();
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    assert_eq!(testbed.last_troubles().len(), 2, "{:?}", testbed.lines());
    assert!(!folder.join("s").exists());
}

#[test]
fn a_path_that_somebody_replaced_is_said_once_and_left_alone() {
    let folder = Folder::new();
    let [path, other] = ["s", "other"].map(|name| folder.path().join(name));
    let address = Address::Unix(path.clone());
    let mut command = testbed::command();
    for path in [&path, &other] {
        command.args(["--listen", &Address::Unix(path.clone()).to_string()]);
    }
    let mut testbed = Testbed::spawn(command, address, Folder::new());
    testbed.line("other (mode");
    let (mut kept, ask) = (testbed.connect(), Ask::get("/hello").keep());
    assert_eq!(kept.ask(&ask).status, 200);
    let new = folder.path().join("new");
    let theirs = UnixListener::bind(&new).unwrap();
    fs::rename(&new, &path).unwrap();
    let inode = fs::symlink_metadata(&path).unwrap().ino();
    testbed.line("somebody has replaced");
    // Two more looks are over when this one is bound again.
    fs::remove_file(&other).unwrap();
    testbed.line("it is bound again");
    assert_eq!(kept.ask(&ask).status, 200);
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    let troubles = testbed.last_troubles();
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), inode);
    assert_eq!(folder.names(), ["s"]);
    drop(theirs);
}

/// A TCP connection from one of loopback's addresses.
fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let source: SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether a connection from there is served; else it is closed before a byte came.
#[track_caller]
fn is_served(source: &str, to: SocketAddr) -> bool {
    let mut stream = from(source, to);
    let asked = std::io::Write::write_all(&mut stream, &Ask::get("/hello").bytes());
    let mut answer = Vec::new();
    let read = asked.and_then(|()| stream.read_to_end(&mut answer));
    match read {
        Err(error)
            if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) =>
        {
            false
        }
        Err(error) => panic!("{error}"),
        Ok(_) => String::from_utf8_lossy(&answer).contains("Hello, world!"),
    }
}

/// How a process gets its TCP socket.
#[derive(Clone, Copy, Debug)]
enum Way {
    Listen,
    Stdin,
    Systemd,
}

/// A testbed on loopback TCP.
fn by_tcp(way: Way, flags: &[&str], list: Option<&str>) -> (Testbed, SocketAddr) {
    let port = Port::new();
    let address = port.address();
    let program = testbed::command().get_program().to_owned();
    let mut command = match way {
        Way::Listen => {
            let mut command = testbed::command();
            command.args(["--listen", &address.to_string()]);
            command
        }
        Way::Stdin => {
            let mut command = testbed::command();
            command.stdin(port.listening());
            command
        }
        Way::Systemd => {
            let mut command = testbed::command_of("/bin/sh");
            let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
            command
                .args(["-c", script])
                .arg(program)
                .stdin(port.listening());
            command
        }
    };
    command
        .args(flags)
        .envs(list.map(|list| ("FCGI_WEB_SERVER_ADDRS", list)));
    let testbed = Testbed::spawn(command, Address::Tcp(address), Folder::new());
    poll("the testbed to listen", || {
        Wire::try_connect(testbed.address()).is_ok()
    });
    (testbed, address)
}

#[test]
fn only_who_is_allowed_and_listed_may_connect_by_tcp() {
    const ALLOW: &[&str] = &["--allow", "127.0.0.2", "--allow=127.1.0.0/16"];
    for way in [Way::Listen, Way::Stdin, Way::Systemd] {
        for (flags, list, served, refused) in [
            (&[][..], None, &["127.0.0.1", "127.0.0.2"][..], &[][..]),
            (&[], Some(""), &["127.0.0.1"], &[]),
            (
                ALLOW,
                None,
                &["127.0.0.2", "127.1.2.3"],
                &["127.0.0.1", "127.0.0.3"],
            ),
            (
                &[],
                Some("127.0.0.1, 127.0.0.2,::1"),
                &["127.0.0.1", "127.0.0.2"],
                &["127.0.0.3"],
            ),
            (
                ALLOW,
                Some("127.0.0.2,127.0.0.3"),
                &["127.0.0.2"],
                &["127.0.0.1", "127.0.0.3", "127.1.2.3"],
            ),
        ] {
            let (mut testbed, to) = by_tcp(way, flags, list);
            for source in served {
                assert!(
                    is_served(source, to),
                    "{way:?} {flags:?} {list:?}: {source}"
                );
            }
            for source in refused.iter().chain(refused) {
                assert!(
                    !is_served(source, to),
                    "{way:?} {flags:?} {list:?}: {source}"
                );
            }
            testbed.signal("TERM");
            assert!(testbed.wait().1.success());
            let troubles = testbed.last_troubles();
            let expected = usize::from(!refused.is_empty());
            assert_eq!(troubles.len(), expected, "one line a minute: {troubles:?}");
            let reason = "is closed: ";
            assert!(
                troubles.iter().all(|line| line.contains(reason)),
                "{troubles:?}"
            );
        }
    }
}

#[test]
fn a_list_that_is_malformed_lets_nobody_in_but_by_a_unix_socket() {
    let list = "127.0.0.1,localhost";
    for way in [Way::Listen, Way::Stdin, Way::Systemd] {
        let (testbed, to) = by_tcp(way, &["--allow", "127.0.0.1"], Some(list));
        testbed.line("nobody may connect to");
        testbed.line("\"localhost\" in it is no address; write addresses with commas between them");
        assert!(!is_served("127.0.0.1", to), "{way:?}");
    }
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command();
    command.args(["--listen", &address.to_string(), "--allow", "10.0.0.7"]);
    command.env("FCGI_WEB_SERVER_ADDRS", list);
    let mut testbed = Testbed::spawn(command, address, folder);
    testbed.line("listening on");
    testbed.assert_serves();
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    assert_eq!(testbed.last_troubles(), [""; 0]);
}

#[test]
fn an_address_for_other_machines_is_listened_on_for_those_that_are_named() {
    // Of this machine alone, too: nobody else is named.
    let (mut command, port) = (
        testbed::command(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let address = port.local_addr().unwrap();
    drop(port);
    let all = format!("0.0.0.0:{}", address.port());
    command.args(["--listen", &all, "--allow", "127.0.0.2"]);
    let mut testbed = Testbed::spawn(command, Address::Tcp(address), Folder::new());
    testbed.line(&format!("listening on {all}"));
    assert!(is_served("127.0.0.2", address));
    assert!(!is_served("127.0.0.1", address));
    testbed.signal("TERM");
    assert!(testbed.wait().1.success());
    assert_eq!(testbed.last_troubles().len(), 1);
}
