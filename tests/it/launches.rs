//! Every way of being started: at a terminal, by `nohup` and in `screen`, with descriptors, signals, folders and masks as
//! whoever starts it may leave them. After each of them a request is answered, and a stop leaves nothing behind.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, Wire};
use fcgi::Address;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Alone, and with children.
const FAMILIES: [&[&str]; 2] = [&[], &["--processes", "2"]];

/// What a shell's script ends with.
const EXEC: &str = r#"exec "$0" "$@""#;

/// A testbed that a shell becomes after this, on a socket file that it makes.
fn after(script: &str, flags: &[&str]) -> Testbed {
    let mut shell = testbed::command_without_terminal("sh");
    shell.args(["-c", &format!("{script}\n{EXEC}")]);
    listening(shell, flags)
}

/// The testbed behind what `starter` has so far, once it serves on a socket file that it makes.
fn listening(mut starter: Command, flags: &[&str]) -> Testbed {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    starter
        .arg(testbed::example("testbed"))
        .args(["--listen", &address.to_string()])
        .args(flags);
    serving(starter, address, folder)
}

/// It, once it serves.
fn serving(command: Command, address: Address, folder: Folder) -> Testbed {
    let mut testbed = Testbed::spawn(command, address, folder);
    poll("the testbed to listen", || {
        let has_ended = !testbed.is_running();
        assert!(!has_ended, "it does not start: {:?}", testbed.last_lines());
        Wire::try_connect(testbed.address()).is_ok()
    });
    testbed.assert_serves();
    testbed
}

#[track_caller]
fn assert_serves_and_stops(mut testbed: Testbed) {
    testbed.assert_serves();
    testbed.signal("TERM");
    assert_stopped(&mut testbed);
    assert_eq!(testbed.last_troubles(), [""; 0]);
}

/// It ends in good order, and nothing is left of it.
#[track_caller]
fn assert_stopped(testbed: &mut Testbed) {
    let children = testbed::children(testbed.pid());
    let (_, status) = testbed.wait();
    assert_eq!(status.code(), Some(0), "{:?}", testbed.lines());
    assert_eq!(testbed.folder.names(), [""; 0], "something is left");
    assert!(!children.into_iter().any(is_there), "a child is left");
}

/// A process and its children, once each of them has become the program.
#[track_caller]
fn family(pid: u32, flags: &[&str]) -> Vec<u32> {
    let count = if flags.is_empty() { 0 } else { 2 };
    let mut children = Vec::new();
    poll("its children", || {
        children = testbed::children(pid);
        let is_program = |pid: &u32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.contains("--child"))
        };
        children.len() == count && children.iter().all(is_program)
    });
    [vec![pid], children].concat()
}

fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Whether `program` can be had; else it is said what is not tested.
fn can_have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .stdout(Stdio::null())
        .status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

/// A terminal that is no window: what is written here is typed there.
struct Terminal {
    keyboard: File,
    screen: PathBuf,
}

impl Terminal {
    fn new() -> Terminal {
        let mut keyboard = OpenOptions::new();
        keyboard.read(true).write(true);
        keyboard.custom_flags(libc::O_NOCTTY);
        let keyboard = keyboard.open("/dev/ptmx").unwrap();
        // TIOCSPTLCK and TIOCGPTN of <asm-generic/ioctls.h>.
        let script = r#"my $unlock = pack "i", 0; my $number = $unlock;
            ioctl STDIN, 0x40045431, $unlock or die $!; ioctl STDIN, 0x80045430, $number or die $!;
            print unpack "i", $number"#;
        let mut perl = Command::new("perl");
        perl.args(["-e", script])
            .stdin(keyboard.try_clone().unwrap());
        let number = perl.output().expect("perl is there").stdout;
        let number = String::from_utf8(number).unwrap();
        let screen = Path::new("/dev/pts").join(number);
        assert!(screen.exists(), "{screen:?}");
        Terminal { keyboard, screen }
    }

    /// `program` as what a login on it starts.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut line = OpenOptions::new();
        line.read(true).write(true).custom_flags(libc::O_NOCTTY);
        let line = line.open(&self.screen).unwrap();
        let mut command = testbed::command_of("setsid");
        command
            .arg("--ctty")
            .arg(program)
            .stdin(line.try_clone().unwrap())
            .stdout(line);
        command
    }

    fn types(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    fn hangs_up(self) {}
}

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

#[test]
fn at_a_terminal_it_serves_in_front_until_ctrl_c() {
    for flags in FAMILIES {
        let terminal = Terminal::new();
        let mut testbed = listening(terminal.command("env"), flags);
        if !flags.is_empty() {
            // Who is just being started dies of it, and which of the two is told first is nobody's to know.
            testbed.line("processes serve");
        }
        terminal.types(CTRL_C);
        assert_stopped(&mut testbed);
        assert_eq!(testbed.last_troubles(), [""; 0]);
    }
}

/// Its lines go to the terminal that is gone.
#[test]
fn a_hang_up_stops_it() {
    for flags in FAMILIES {
        let terminal = Terminal::new();
        let mut starter = terminal.command("sh");
        starter.args(["-c", &format!("{EXEC} 2>&1")]);
        let mut testbed = listening(starter, flags);
        terminal.hangs_up();
        assert_stopped(&mut testbed);
    }
}

#[test]
fn by_nohup_it_outlives_the_terminal() {
    for flags in FAMILIES {
        let terminal = Terminal::new();
        let mut starter = terminal.command("nohup");
        starter.stdout(Stdio::null());
        let mut testbed = listening(starter, flags);
        terminal.hangs_up();
        for pid in family(testbed.pid(), flags) {
            testbed::signal(pid, "HUP");
        }
        testbed.assert_serves();
        testbed.signal("TERM");
        assert_stopped(&mut testbed);
    }
}

/// Detached it has a terminal that nobody looks at; `quit` hangs up.
#[test]
fn in_screen_it_serves_detached_and_ends_with_it() {
    if !can_have("screen") {
        return;
    }
    for flags in FAMILIES {
        let sockets = Folder::new();
        fs::set_permissions(sockets.path(), Permissions::from_mode(0o700)).unwrap();
        let screen = |words: &[&str]| {
            let mut screen = testbed::command_of("screen");
            screen.args(words).env("SCREENDIR", sockets.path());
            screen.env("TERM", "vt100");
            screen
        };
        let testbed = listening(screen(&["-D", "-m", "-S", "app", "env"]), flags);
        let pid = testbed.ask(&Ask::get("/pid")).text().parse().unwrap();
        let quit = screen(&["-S", "app", "-X", "quit"]).status();
        assert!(quit.unwrap().success());
        poll("its end", || !is_there(pid));
        poll("its socket to go", || testbed.folder.names().is_empty());
    }
}

/// What is in the background may be forbidden to write to the terminal: it goes on once that is allowed.
#[test]
fn stopped_by_ctrl_z_it_goes_on_with_bg_and_fg() {
    for flags in FAMILIES {
        let terminal = Terminal::new();
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut starter = terminal.command("sh");
        starter
            .arg("-i")
            .env("PS1", "")
            .env("PROGRAM", testbed::example("testbed"));
        let mut shell = Testbed::spawn(starter, address, folder);
        terminal.types(&format!(
            "\"$PROGRAM\" --listen {} {} 2>&1\n",
            shell.address(),
            flags.join(" ")
        ));
        poll("the testbed", || Wire::try_connect(shell.address()).is_ok());
        let pid = testbed::children(shell.pid())[0];
        let family = family(pid, flags);
        let is_stopped = |&pid: &u32| {
            testbed::thread_states(pid)
                .iter()
                .all(|&state| state == 'T')
        };

        terminal.types(CTRL_Z);
        poll("it to stop", || family.iter().all(is_stopped));
        let mut asking = Wire::after(shell.address(), Ask::get("/hello").bytes());
        terminal.types("bg\n");
        assert_eq!(asking.reply(1).page(), (200, "Hello, world!"));

        terminal.types("stty tostop\n");
        poll("an answer to be stopped", || {
            let wire = Wire::try_connect(shell.address());
            wire.unwrap().write(Ask::get("/fail/this").bytes());
            family.iter().any(is_stopped)
        });
        terminal.types("fg\n");
        poll("it to go on", || !family.iter().any(is_stopped));
        shell.assert_serves();
        terminal.types(CTRL_C);
        poll("its end", || !is_there(pid));
        poll("its socket to go", || shell.folder.names().is_empty());
        terminal.types("exit\n");
        shell.wait();
    }
}

#[test]
fn stopped_and_continued_it_goes_on() {
    for flags in FAMILIES {
        let testbed = after("", flags);
        let mut kept = testbed.connect();
        assert!(kept.ask(&Ask::get("/hello").keep()).is_whole());
        let family = family(testbed.pid(), flags);
        testbed::stop_all(&family);
        kept.write(Ask::get("/hello").bytes());
        let mut new = Wire::after(testbed.address(), Ask::get("/hello").bytes());
        assert!(new.is_silent() && kept.is_silent());
        assert!(testbed::signal_all(&family, "CONT"));
        assert_eq!(kept.reply(1).page(), (200, "Hello, world!"));
        assert_eq!(new.reply(1).page(), (200, "Hello, world!"));
        assert_serves_and_stops(testbed);
    }
}

/// Nothing that it opens itself gets one of these numbers: a line would go to a visitor.
#[test]
fn standard_descriptors_may_be_closed() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for flags in FAMILIES {
            let mut testbed = after(&format!("exec {closed}"), flags);
            let children = testbed::children(testbed.pid());
            let mut visitor = testbed.connect();
            assert_eq!(visitor.ask(&Ask::get("/fail/this").keep()).status, 500);
            for pid in [vec![testbed.pid()], children].concat() {
                for fd in 0..3 {
                    let file = descriptor(pid, fd);
                    let is_log = fd == 2 && !closed.contains("2>");
                    let expected = if is_log { "pipe:" } else { "/dev/null" };
                    assert!(
                        file.starts_with(expected),
                        "{closed}: fd {fd} of {pid} is {file}"
                    );
                }
            }
            testbed.assert_serves();
            testbed.signal("TERM");
            assert_stopped(&mut testbed);
        }
    }
}

/// The file behind a descriptor, as /proc has it.
fn descriptor(pid: u32, fd: u32) -> String {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}"));
    link.map_or("nothing".to_owned(), |file| file.display().to_string())
}

/// inetd gives the listening socket as all three.
#[test]
fn the_listening_socket_may_be_on_fds_1_and_2_too() {
    let folder = Folder::new();
    let path = folder.path().join("theirs");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let sockets: [(OwnedFd, Address); 2] = [
        (unix.into(), Address::Unix(path)),
        (tcp.into(), Address::Tcp(at)),
    ];
    for (socket, address) in sockets {
        for flags in FAMILIES {
            let mut shell = testbed::command_of("sh");
            shell
                .args(["-c", &format!("{EXEC} >&0 2>&0")])
                .arg(testbed::example("testbed"))
                .args(flags)
                .stdin(socket.try_clone().unwrap());
            let mut testbed = serving(shell, address.clone(), Folder::new());
            assert_eq!(testbed.ask(&Ask::get("/fail/this")).status, 500);
            testbed.assert_serves();
            testbed.signal("TERM");
            assert_stopped(&mut testbed);
        }
    }
}

/// The log's reader has died, and SIGPIPE is as the starter left it.
#[test]
fn a_log_that_nobody_reads_does_not_end_it() {
    for script in ["", "trap '' PIPE"] {
        for flags in FAMILIES {
            let (reader, log) = io::pipe().unwrap();
            drop(reader);
            let mut shell = testbed::command_without_terminal("sh");
            shell
                .args(["-c", &format!("{script}\n{EXEC} 2>&1")])
                .stdout(log);
            let mut testbed = listening(shell, flags);
            for _ in 0..5 {
                assert_eq!(testbed.ask(&Ask::get("/fail/this")).status, 500);
                assert_eq!(testbed.ask(&Ask::get("/panic")).status, 500);
            }
            testbed.assert_serves();
            testbed.signal("TERM");
            assert_stopped(&mut testbed);
        }
    }
}

/// Its reader hangs, or waits for the end: lines get lost, answers do not.
#[test]
fn a_log_that_is_full_keeps_nobody_waiting() {
    let (mut reader, log) = io::pipe().unwrap();
    let mut shell = testbed::command_without_terminal("sh");
    shell.args(["-c", &format!("{EXEC} 2>&1")]).stdout(log);
    let mut testbed = listening(shell, &[]);
    // Twice what a pipe holds.
    let ask = Ask::get(&format!("/fail/{}", "x".repeat(1000)));
    for _ in 0..128 {
        assert_eq!(testbed.ask(&ask).status, 500);
    }
    testbed.assert_serves();
    let mut held = vec![0; 1 << 16];
    let n = reader.read(&mut held).unwrap();
    assert!(held[..n].ends_with(b"\n"), "a line is cut");
    assert_eq!(testbed.ask(&ask).status, 500);
    testbed.signal("TERM");
    assert_stopped(&mut testbed);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" WARN ") && rest.contains(" log lines were lost here"));
}

/// What a program that a handler starts finds, by the name in /proc's status.
fn programs(testbed: &Testbed, name: &str) -> u64 {
    let reply = testbed.ask(&Ask::get("/program"));
    assert_eq!(reply.status, 200, "{:?}", testbed.lines());
    let line = reply.text().lines().find(|line| line.starts_with(name));
    let (_, value) = line.and_then(|line| line.split_once('\t')).unwrap();
    u64::from_str_radix(value, 16).unwrap()
}

/// Python's `subprocess` of old ignored SIGPIPE, init scripts ignore SIGCHLD, and a starter that threads blocks them all.
#[test]
fn signals_that_were_ignored_or_blocked_change_nothing() {
    const ALL: [&str; 6] = ["TERM", "INT", "USR1", "ALRM", "CHLD", "PIPE"];
    let all = ALL.join(",");
    for option in ["--ignore-signal", "--block-signal"] {
        for flags in FAMILIES {
            for signal in &ALL[..3] {
                let mut starter = testbed::command_without_terminal("env");
                starter.arg(format!("{option}={all}"));
                let mut testbed = listening(starter, flags);
                assert_eq!(programs(&testbed, "SigBlk:"), 0, "{option}");
                let ignored = programs(&testbed, "SigIgn:");
                assert_eq!(ignored & (1 << 12), 0, "{option}: SIGPIPE is ignored");
                assert_eq!(ignored & (1 << 24), 0, "{option}: SIGXFSZ is ignored");
                testbed.signal(signal);
                assert_stopped(&mut testbed);
                assert_eq!(testbed.last_troubles(), [""; 0]);
            }
        }
    }
}

/// ALRM is the deadline's own.
#[test]
fn the_deadline_comes_whatever_was_blocked() {
    for option in ["--ignore-signal", "--block-signal"] {
        for flags in FAMILIES {
            let mut starter = testbed::command_without_terminal("env");
            starter.arg(format!("{option}=TERM,ALRM"));
            let flags = [flags, &["--grace", "1"]].concat();
            let mut testbed = listening(starter, &flags);
            let mut wire = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=60000").bytes());
            assert!(wire.record().is_some() && wire.record().is_some());
            testbed.signal("TERM");
            assert_eq!(testbed.wait().1.code(), Some(1), "{option}");
            assert_eq!(testbed.folder.names(), [""; 0]);
            let lines = testbed.last_lines();
            assert!(lines.iter().any(|line| line.contains(" GET /chunks")));
        }
    }
}

#[test]
fn it_needs_no_environment() {
    for flags in FAMILIES {
        let mut testbed = listening(testbed::command_without_terminal("env"), flags);
        let environment = fs::read(format!("/proc/{}/environ", testbed.pid())).unwrap();
        assert_eq!(environment, b"");
        assert_eq!(testbed.ask(&Ask::get("/program")).status, 200);
        testbed.signal("TERM");
        assert_stopped(&mut testbed);
    }
}

/// A starter that forgot to close its own: they are not for us, and listening ones least of all.
#[test]
fn foreign_descriptors_are_not_touched() {
    const OPEN: &str = r#"use POSIX; dup2(0, $_) for 3..20; open STDIN, "/dev/null"; exec @ARGV"#;
    let folder = Folder::new();
    let path = folder.path().join("theirs");
    let theirs: OwnedFd = UnixListener::bind(&path).unwrap().into();
    let theirs_at = Address::Unix(path);
    for flags in FAMILIES {
        let mut perl = testbed::command_without_terminal("perl");
        perl.args(["-e", OPEN]).stdin(theirs.try_clone().unwrap());
        let testbed = listening(perl, flags);
        let mut stranger = Wire::after(&theirs_at, Ask::get("/hello").bytes());
        testbed.assert_serves();
        let open = |pid| (3..=20).map(move |fd| descriptor(pid, fd));
        let first = descriptor(testbed.pid(), 3);
        assert!(first.starts_with("socket:"), "{first}");
        for pid in family(testbed.pid(), flags) {
            assert!(open(pid).all(|file| file == first), "{pid}");
        }
        assert!(stranger.is_silent());
        assert_serves_and_stops(testbed);
        assert!(stranger.is_silent());
    }
}

/// Who starts a program from a handler, and forgets it there, leaves it no socket on which visitors would wait for ever.
#[test]
fn a_program_that_a_handler_starts_gets_none_of_our_sockets() {
    let folder = Folder::new();
    let systemd = "exec 3<&0 4<&0 </dev/null; export LISTEN_FDS=2 LISTEN_PID=$$";
    for (flags, script) in [
        (FAMILIES[0], ""),
        (FAMILIES[0], systemd),
        (FAMILIES[1], systemd),
    ] {
        let path = folder
            .path()
            .join(format!("s{}{}", script.len(), flags.len()));
        let listener = UnixListener::bind(&path).unwrap();
        let mut shell = testbed::command_of("sh");
        shell
            .args(["-c", &format!("{script}\n{EXEC}")])
            .arg(testbed::example("testbed"))
            .args(flags)
            .stdin(OwnedFd::from(listener));
        let testbed = serving(shell, Address::Unix(path), Folder::new());
        let reply = testbed.ask(&Ask::get("/program"));
        assert!(reply.text().contains("/dev/null") && !reply.text().contains("socket:"));
        assert_serves_and_stops(testbed);
    }
}

/// `app.fcgi` with settings beside it, in a folder of its own.
struct Home(Folder);

impl Home {
    fn new(settings: &str) -> Home {
        let folder = Folder::new();
        testbed::copy(testbed::example("testbed"), folder.path().join("app.fcgi"));
        fs::write(folder.path().join(".ht.app.fcgi"), settings).unwrap();
        Home(folder)
    }

    fn socket(&self) -> Address {
        Address::Unix(self.0.path().join("s"))
    }
}

/// Only the program's own place counts, whatever it was called by.
#[test]
fn the_current_folder_does_not_matter() {
    const BESIDE: &str = "cd \"${0%/*}\"; exec ./app.fcgi";
    const ABOVE: &str = "cd \"${0%/*}\"; name=${PWD##*/}; cd ..; exec \"./$name/app.fcgi\"";
    const ROOT: &str = "cd /; exec \"$0\"";
    const RELATIVE_TO_ROOT: &str = "cd /; exec \"${0#/}\"";
    const GONE: &str =
        "cd \"${0%/*}\"; mkdir away; cd away; rmdir ../away; exec perl -e 'exec @ARGV' \"$0\"";
    // Called by a name that is right nowhere.
    const GONE_AND_RELATIVE: &str = "cd \"${0%/*}\"; mkdir away; cd away; rmdir ../away; \
         exec perl -e '$path = shift; exec {$path} \"./app.fcgi\"' \"$0\"";
    for script in [
        BESIDE,
        ABOVE,
        ROOT,
        RELATIVE_TO_ROOT,
        GONE,
        GONE_AND_RELATIVE,
    ] {
        for processes in [0, 2] {
            let home = Home::new(&format!("listen unix:s\nprocesses {processes}\n"));
            let mut shell = testbed::command_without_terminal("sh");
            shell
                .args(["-c", script])
                .arg(home.0.path().join("app.fcgi"));
            let (address, folder) = (home.socket(), home.0);
            let mut testbed = serving(shell, address, folder);
            poll("its children", || {
                testbed::children(testbed.pid()).len() == processes
            });
            // The parent starts others by where the program lies.
            if let Some(&child) = testbed::children(testbed.pid()).first() {
                testbed.signal("HUP");
                poll("a reload", || !is_there(child));
                testbed.line("the new processes serve");
                testbed.assert_serves();
            }
            testbed.signal("TERM");
            assert_eq!(testbed.wait().1.code(), Some(0), "{script}");
            let mut left = testbed.folder.names();
            left.sort();
            assert_eq!(left, [".ht.app.fcgi", "app.fcgi"]);
            assert_eq!(testbed.last_troubles(), [""; 0], "{script}");
        }
    }
}

/// Ports that are ours: of IPv4, and of IPv6 where the machine has it.
fn ports() -> Vec<Port> {
    let mut ports = vec![Port::new()];
    match Port::ipv6() {
        Ok(port) => ports.push(port),
        Err(error) => eprintln!("SKIPPED: no IPv6 on this machine: {error}"),
    }
    ports
}

fn addresses(ports: &[Port]) -> Vec<Address> {
    let addresses = ports.iter().map(Port::address);
    addresses.map(Address::Tcp).collect()
}

#[track_caller]
fn assert_answers(address: &Address) {
    let reply = Wire::connect(address).ask(&Ask::get("/hello"));
    assert_eq!(reply.page(), (200, "Hello, world!"), "{address}");
}

#[test]
fn it_listens_at_several_addresses_at_once() {
    for flags in FAMILIES {
        let held = ports();
        let free = addresses(&held);
        let mut given: Vec<String> = Vec::new();
        for address in &free {
            given.extend(["--listen".to_owned(), address.to_string()]);
        }
        let second = Folder::new();
        let second_at = Address::Unix(second.path().join("second"));
        given.extend(["--listen".to_owned(), second_at.to_string()]);
        let flags: Vec<&str> = given
            .iter()
            .map(String::as_str)
            .chain(flags.iter().copied())
            .collect();
        let testbed = after("", &flags);
        free.iter().for_each(assert_answers);
        assert_answers(&second_at);
        assert_serves_and_stops(testbed);
        assert_eq!(second.names(), [""; 0]);
        for address in &free {
            assert!(Wire::try_connect(address).is_err());
        }
    }
}

/// Sockets from fd 3 on, and what systemd says of them: the first word is whose they are, the next ones where.
const PASS: &str = r#"use POSIX; use IO::Socket::UNIX; use IO::Socket::IP;
    my $whose = shift; my @sockets; $^F = 255;
    while ((my $at = shift) ne "--") {
        my $tcp = $at =~ /^\[?([^\]]*)\]?:(\d+)$/;
        push @sockets, $tcp ? IO::Socket::IP->new(LocalHost => $1, LocalPort => $2, Listen => 9, ReuseAddr => 1)
                            : IO::Socket::UNIX->new(Local => $at =~ s/^unix://r, Listen => 9);
        dup2(fileno($sockets[-1] || die "$at: $@"), 49 + @sockets);
    }
    for (0..$#sockets) { dup2(50 + $_, 3 + $_); POSIX::close(50 + $_); }
    $ENV{LISTEN_FDS} = @sockets; $ENV{LISTEN_FDNAMES} = join ":", ("web") x @sockets;
    $ENV{LISTEN_PID} = $whose eq "ours" ? $$ : 1 unless $whose eq "nobody's";
    exec @ARGV"#;

/// It serves those that are its own, and touches no others.
#[test]
fn of_the_sockets_that_systemd_passes_it_serves_its_own() {
    for flags in FAMILIES {
        for whose in ["ours", "others'", "nobody's"] {
            let theirs = Folder::new();
            let mut passed = vec![Address::Unix(theirs.path().join("theirs"))];
            let held = ports();
            passed.extend(addresses(&held));
            let words = passed.iter().map(Address::to_string);
            let mut perl = testbed::command_without_terminal("perl");
            perl.args(["-e", PASS, whose]).args(words).arg("--");
            if whose == "ours" {
                let program = testbed::example("testbed");
                perl.arg(program).args(flags).arg("--listen=unix:never");
                let testbed = serving(perl, passed[0].clone(), Folder::new());
                passed.iter().for_each(assert_answers);
                testbed.line("--listen is ignored, since systemd passes the sockets");
                assert_serves_and_stops(testbed);
                assert_eq!(theirs.names(), ["theirs"]);
                continue;
            }
            let testbed = listening(perl, flags);
            testbed.line("LISTEN_FDS is ignored, since LISTEN_PID is");
            let mut strangers: Vec<Wire> = passed
                .iter()
                .map(|address| Wire::after(address, Ask::get("/hello").bytes()))
                .collect();
            assert_serves_and_stops(testbed);
            assert!(strangers.iter_mut().all(|wire| !wire.wait_for_end()));
            assert_eq!(theirs.names(), ["theirs"]);
        }
    }
}

/// Whoever starts it can connect in any case, or it could not look whether a socket that was left is in use.
#[test]
fn no_umask_opens_the_socket_to_others_or_shuts_out_its_owner() {
    for (umask, expected) in [("0", 0o660), ("022", 0o640), ("0777", 0o600)] {
        for flags in FAMILIES {
            let testbed = after(&format!("umask {umask}"), flags);
            let socket = fs::symlink_metadata(testbed.folder.path().join("s"));
            let mode = socket.unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, expected, "umask {umask}");
            assert_serves_and_stops(testbed);
        }
    }
}

#[test]
fn modes_that_are_asked_for_are_exact_and_logs_are_nobody_elses() {
    for umask in ["0", "0777"] {
        for flags in FAMILIES {
            let log = Folder::new();
            let file = log.path().join("access.log");
            let file_text = file.to_str().unwrap();
            let flags = [flags, &["--access-log", file_text, "--socket-mode", "0600"]].concat();
            let testbed = after(&format!("umask {umask}"), &flags);
            let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&testbed.folder.path().join("s")) & 0o7777, 0o600);
            assert_eq!(mode(&file) & 0o7137, 0);
            assert_serves_and_stops(testbed);
            assert!(fs::read_to_string(&file).unwrap().contains("/hello"));
        }
    }
}
