//! The parent of `--processes`: who serves, who is replaced, what a reload does, and what is left when it ends.

use crate::port::Port;
use crate::served::{Folder, poll};
use crate::steady::steady;
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, END_REQUEST, Wire};
use fcgi::Address;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn children(parent: &Testbed) -> BTreeSet<u32> {
    testbed::children(parent.pid()).into_iter().collect()
}

/// The process that answers next.
fn who(parent: &Testbed) -> u32 {
    parent.ask(&Ask::get("/pid")).text().trim().parse().unwrap()
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What nobody has waited for yet is gone as well.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// An answer of which some was read already.
fn is_answered_whole(wire: &mut Wire) -> bool {
    while let Some(record) = wire.record() {
        if record.kind == END_REQUEST {
            return record.content == [0; 8];
        }
    }
    false
}

#[track_caller]
fn wait_for_children(parent: &Testbed, count: usize) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    poll("the children", || {
        found = children(parent);
        found.len() == count
    });
    found
}

fn family(processes: &str) -> Testbed {
    let program = testbed::command().get_program().to_owned();
    let flags = ["--processes", processes, "--workers", "2"];
    family_of(Path::new(&program), Folder::new(), &flags)
}

fn family_of(program: &Path, folder: Folder, flags: &[&str]) -> Testbed {
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_without_terminal(program);
    command.args(["--listen", &address.to_string()]).args(flags);
    let parent = Testbed::spawn(command, address, folder);
    parent.line("processes serve");
    parent
}

#[test]
fn children_serve_and_end_with_the_parent() {
    steady(Duration::from_millis(100), || {
        let mut parent = family("2");
        let pids = wait_for_children(&parent, 2);
        assert!(pids.contains(&who(&parent)));
        assert!(!pids.contains(&parent.pid()));
        parent.signal("TERM");
        let (took, status) = parent.wait();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(status.code(), Some(0));
        assert_eq!(parent.folder.names(), [""; 0]);
        assert!(!pids.into_iter().any(is_running));
        assert_eq!(parent.last_troubles(), [""; 0]);
    });
}

/// A connection that the kernel completes behind the last child's last look is reset with the socket, and a balancer
/// does not send again what it has sent. One that it does not complete is tried again a second later.
#[test]
fn at_a_stop_nobody_connects_any_more_by_tcp() {
    steady(Duration::from_millis(300), || {
        let port = Port::new();
        let tcp = port.address();
        let program = testbed::command().get_program().to_owned();
        // All workers are busy: one that is not ends the socket as soon as it has seen that nobody waits there.
        let flags = ["--processes=2", "--workers=1", "--listen", &tcp.to_string()];
        let mut parent = family_of(Path::new(&program), Folder::new(), &flags);
        let ask = Ask::get("/chunks?n=2&ms=3000").bytes();
        let mut running = [(); 2].map(|()| Wire::after(&Address::Tcp(tcp), &ask));
        for wire in &mut running {
            assert!(wire.record().is_some() && wire.record().is_some());
        }
        parent.signal("TERM");
        poll("the path to go", || parent.folder.names().is_empty());
        poll("new connections to be dropped", || {
            let connected = TcpStream::connect_timeout(&tcp, Duration::from_millis(50));
            connected.is_err_and(|error| error.kind() == ErrorKind::TimedOut)
        });
        for wire in &mut running {
            assert!(is_answered_whole(wire));
        }
        assert_eq!(parent.wait().1.code(), Some(0));
    });
}

#[test]
fn a_single_child_is_a_child_too_and_the_parent_has_one_thread() {
    let parent = family("1");
    let pid = *wait_for_children(&parent, 1).first().unwrap();
    assert_eq!(who(&parent), pid);
    assert_eq!(parent.thread_states().len(), 1);
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!environment.contains("LISTEN_FDS="));
    let stdin = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
    assert_eq!(stdin, Path::new("/dev/null"));
}

#[test]
fn a_child_that_dies_is_replaced_and_what_killed_it_is_named() {
    let mut parent = family("2");
    let before = wait_for_children(&parent, 2);
    let victim = *before.first().unwrap();
    testbed::signal(victim, "KILL");
    poll("another child", || {
        let now = children(&parent);
        now.len() == 2 && !now.contains(&victim)
    });
    let line = parent.line(&format!("process {victim} "));
    assert!(line.contains("was killed by SIGKILL"), "{line}");
    assert!(line.ends_with("another is started"), "{line}");
    parent.assert_serves();
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
}

/// A crash in each second request must not make a machine do nothing but start processes.
#[test]
fn children_that_keep_dying_are_started_more_and_more_slowly() {
    let parent = family("1");
    for _ in 0..3 {
        let pid = *wait_for_children(&parent, 1).first().unwrap();
        testbed::signal(pid, "KILL");
        poll("another", || !children(&parent).contains(&pid));
    }
    parent.line("another is started in 100ms");
    parent.line("another is started in 200ms");
    wait_for_children(&parent, 1);
    parent.assert_serves();
}

#[test]
fn a_reload_replaces_all_children_and_finishes_what_runs() {
    let parent = family("2");
    let before = wait_for_children(&parent, 2);
    let mut slow = Wire::after(parent.address(), Ask::get("/chunks?n=2&ms=400").bytes());
    assert!(slow.record().is_some() && slow.record().is_some());
    parent.signal("HUP");
    parent.line("the new processes serve");
    // Those of before may take one more each until the signal is there.
    poll("a new one to answer", || !before.contains(&who(&parent)));
    assert!(is_answered_whole(&mut slow));
    poll("the old ones to end", || {
        children(&parent).is_disjoint(&before)
    });
    assert_eq!(wait_for_children(&parent, 2).len(), 2);
    // What has no access log has none to open anew, and that is nobody's concern.
    let lines = parent.lines();
    assert!(
        !lines.iter().any(|line| line.contains("SIGHUP")),
        "{lines:?}"
    );
}

/// As without a parent; the new socket is the children's too, and nobody who had connected before is forgotten.
#[test]
fn a_path_that_vanishes_is_bound_again_for_all_children() {
    let mut parent = family("2");
    let before = wait_for_children(&parent, 2);
    let mut early = parent.connect();
    fs::remove_file(parent.folder.path().join("s")).unwrap();
    parent.line("it is bound again");
    assert_eq!(early.ask(&Ask::get("/hello")).text(), "Hello, world!");
    poll("others alone to serve", || {
        let now = children(&parent);
        now.len() == 2 && now.is_disjoint(&before)
    });
    parent.assert_serves();
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
    assert_eq!(parent.folder.names(), [""; 0]);
}

/// Only new children have the new socket, and so they are started until it works.
#[test]
fn a_path_that_vanishes_while_no_program_can_be_started_is_served_as_soon_as_one_can() {
    let folder = Folder::new();
    let program = copy_of_the_program(&folder);
    let good = fs::read(&program).unwrap();
    let parent = family_of(&program, folder, &["--processes", "1"]);
    let before = wait_for_children(&parent, 1);
    replace(&program, b"#!/bin/sh\nexit 3\n");
    fs::remove_file(parent.folder.path().join("s")).unwrap();
    parent.line("it is bound again");
    poll("the reload to fail", || {
        let lines = parent.lines();
        lines.iter().any(|line| line.contains("the reload failed"))
    });
    replace(&program, &good);
    parent.assert_serves();
    poll("another to serve", || {
        let now = children(&parent);
        now.len() == 1 && now.is_disjoint(&before)
    });
}

/// `script` gives it a terminal, at which HUP is a hang-up and no reload. Ctrl-C goes to parent and children alike.
#[test]
fn at_a_terminal_a_hang_up_and_ctrl_c_stop_parent_and_children() {
    for (signal, to_all) in [("HUP", false), ("HUP", true), ("INT", true)] {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let program = testbed::command().get_program().to_owned();
        let program = program.to_str().expect("a path of text");
        let mut script = testbed::command_of("script");
        let shell = format!("exec '{program}' --listen {address} --processes 2");
        script.args(["--quiet", "--return", "--command", &shell, "/dev/null"]);
        let mut testbed = Testbed::spawn(script, address, folder);
        poll("the testbed", || {
            Wire::try_connect(testbed.address()).is_ok()
        });
        let parent = testbed::children(testbed.pid())[0];
        poll("its children", || testbed::children(parent).len() == 2);
        let children = testbed::children(parent);
        testbed.assert_serves();
        match to_all {
            true => drop(testbed::signal_all(
                &[&[parent], &children[..]].concat(),
                signal,
            )),
            false => testbed::signal(parent, signal),
        }
        assert_eq!(testbed.wait().1.code(), Some(0), "{signal}");
        assert_eq!(testbed.folder.names(), [""; 0], "{signal}");
        assert!(!children.into_iter().any(is_running));
    }
}

/// A copy of the testbed that can be made worse.
fn copy_of_the_program(folder: &Folder) -> std::path::PathBuf {
    let program = testbed::command().get_program().to_owned();
    let copy = folder.path().join("app.fcgi");
    testbed::copy(program, &copy);
    copy
}

/// As `scripts/deploy` does it: a file that runs cannot be written to.
fn replace(file: &Path, content: &[u8]) {
    let new = file.with_extension("new");
    let written = file.with_extension("written");
    fs::write(&written, content).unwrap();
    testbed::copy(&written, &new);
    fs::remove_file(written).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn a_reload_that_fails_leaves_the_old_children_and_says_why() {
    let folder = Folder::new();
    let program = copy_of_the_program(&folder);
    let good = fs::read(&program).unwrap();
    let parent = family_of(&program, folder, &["--processes", "2"]);
    let before = wait_for_children(&parent, 2);
    // No program at all; one that ends at once; settings that are wrong by now.
    replace(&program, b"\x7fELF but not really");
    parent.signal("HUP");
    let line = parent.line("the reload failed");
    assert!(line.contains("cannot start"), "{line}");
    assert_eq!(wait_for_children(&parent, 2), before);
    replace(&program, b"#!/bin/sh\nexit 3\n");
    parent.signal("HUP");
    let line = parent.line("ended with exit code 3");
    assert!(line.contains("the reload failed"), "{line}");
    assert_eq!(wait_for_children(&parent, 2), before);
    replace(&program, &good);
    let settings = program.with_file_name(".ht.app.fcgi");
    fs::write(&settings, "worker 4\n").unwrap();
    parent.signal("HUP");
    poll("the reason", || {
        let has = |words| parent.lines().iter().any(|line| line.contains(words));
        has("line 1: worker is no flag") && has("ended with exit code 2")
    });
    assert_eq!(wait_for_children(&parent, 2), before);
    parent.assert_serves();
    // And put right it works.
    fs::write(&settings, "workers 3\n").unwrap();
    parent.signal("HUP");
    parent.line("the new processes serve");
    poll("the old ones to end", || {
        let now = children(&parent);
        now.len() == 2 && now.is_disjoint(&before)
    });
    parent.assert_serves();
}

#[test]
fn children_are_recycled_without_a_failed_request() {
    let program = testbed::command().get_program().to_owned();
    let flags = ["--processes", "2", "--max-requests", "100"];
    let parent = family_of(Path::new(&program), Folder::new(), &flags);
    let (requests, pids) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    // A process answers its hundred, and those that come while its successor starts: how many depends on the machine.
    let visit = || {
        let is_enough = |n| n >= 2000 && (pids.lock().unwrap().len() > 5 || n >= 50_000);
        while !is_enough(requests.fetch_add(1, Ordering::Relaxed)) {
            let pid = who(&parent);
            pids.lock().unwrap().insert(pid);
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(visit))));
    let (requests, pids) = (requests.into_inner(), pids.into_inner().unwrap());
    assert!(pids.len() > 5, "{requests} requests: {pids:?}");
    assert!(
        pids.len() <= requests / 100 + 2,
        "{requests} requests: {pids:?}"
    );
    poll("two of them to stay", || children(&parent).len() == 2);
    assert!(
        parent.lines().iter().all(|line| line.contains(" INFO ")),
        "{:?}",
        parent.lines()
    );
}

/// A process that has answered its one request serves on until another is ready, and by then that one has answered its
/// own: they must not wait for a moment at which enough of them have answered nothing.
#[test]
fn recycling_after_each_request_under_load_keeps_the_family_small() {
    let program = testbed::command().get_program().to_owned();
    let flags = ["--processes", "8", "--workers", "1", "--max-requests", "1"];
    let mut parent = family_of(Path::new(&program), Folder::new(), &flags);
    let visit = || {
        for _ in 0..2000 {
            who(&parent);
        }
    };
    let mut most = 0;
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..12).map(|_| scope.spawn(visit)).collect();
        while !visitors.iter().all(|visitor| visitor.is_finished()) {
            most = most.max(children(&parent).len());
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    // Eight that serve, as many that start, and those that are just ending.
    assert!(most <= 24, "{most} processes at once");
    poll("eight of them to stay", || children(&parent).len() == 8);
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
}

/// It was ready, but all of them were not: the old ones have not been sent away yet, and are what serves for certain.
#[test]
fn a_reload_fails_when_a_process_of_it_dies_though_it_was_ready() {
    let folder = Folder::new();
    let program = copy_of_the_program(&folder);
    let good = program.with_file_name("good.fcgi");
    testbed::copy(&program, &good);
    let parent = family_of(&program, folder, &["--processes", "2"]);
    let before = wait_for_children(&parent, 2);
    let first = parent.folder.path().join("first");
    let script = format!(
        "#!/bin/sh\nmkdir {} 2>/dev/null && exec {} \"$@\"\nexec sleep 1000\n",
        first.display(),
        good.display()
    );
    replace(&program, script.as_bytes());
    parent.signal("HUP");
    let mut new = 0;
    poll("a new process to answer", || {
        new = who(&parent);
        !before.contains(&new)
    });
    testbed::signal(new, "KILL");
    let line = parent.line("the reload failed");
    assert!(line.contains("was killed by SIGKILL"), "{line}");
    assert_eq!(wait_for_children(&parent, 2), before);
    parent.assert_serves();
}

/// The new socket has nobody but the children of a reload: one that fails is tried again.
#[test]
fn a_path_that_vanished_is_served_although_the_first_reload_fails() {
    let folder = Folder::new();
    let program = copy_of_the_program(&folder);
    let good = fs::read(&program).unwrap();
    let parent = family_of(&program, folder, &["--processes", "2"]);
    let before = wait_for_children(&parent, 2);
    replace(&program, b"#!/bin/sh\nexit 3\n");
    fs::remove_file(parent.folder.path().join("s")).unwrap();
    parent.line("it is bound again");
    poll("the reload to fail", || {
        let mut lines = parent.lines().into_iter();
        lines.any(|line| line.contains("the reload failed"))
    });
    replace(&program, &good);
    parent.line("the new processes serve");
    assert!(!before.contains(&who(&parent)));
    assert!(wait_for_children(&parent, 2).is_disjoint(&before));
}

/// A log that may not grow any more (`ulimit -f`) loses lines, and must not cost the process that has the sockets.
#[test]
fn a_parent_survives_the_largest_size_of_its_log() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let program = testbed::command().get_program().to_owned();
    let script = format!(
        "ulimit -f 1; exec setsid {} --listen {address} --processes 1 2>{}",
        program.display(),
        folder.path().join("log").display()
    );
    let mut command = testbed::command_of("/bin/sh");
    command.args(["-c", &script]);
    let mut parent = Testbed::spawn(command, address, folder);
    let mut pids = BTreeSet::new();
    let log = parent.folder.path().join("log");
    while fs::metadata(&log).map_or(0, |log| log.len()) < 512 {
        poll("a child that serves", || parent.try_ask("/pid").is_some());
        let now = who(&parent);
        assert!(parent.is_running());
        if pids.insert(now) {
            parent.signal("HUP");
        }
    }
    for _ in 0..3 {
        let before = who(&parent);
        parent.signal("HUP");
        poll("another child", || who(&parent) != before);
    }
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
}

/// Nothing else happens here that would wake the parent: it has no path to look at, and without a descriptor it does not
/// even get as far as to a process that ends.
#[test]
fn a_start_that_fails_is_tried_again() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = testbed::command();
    command
        .args(["--processes", "1", "--max-requests", "1"])
        .stdin(OwnedFd::from(listener));
    let parent = Testbed::spawn(command, Address::Unix(path), folder);
    parent.line("processes serve");
    // What ran the test may have left descriptors of higher numbers open.
    let is_free =
        |number: &u32| !Path::new(&format!("/proc/{}/fd/{number}", parent.pid())).exists();
    let free = (0..).find(is_free).unwrap();
    limit_files(&parent, &format!("{free}:"));
    let first = who(&parent);
    let tries = || {
        let lines = parent.lines();
        let told = |line: &&String| line.contains("cannot start");
        lines.iter().filter(told).count()
    };
    poll("the next try", || tries() > 1);
    limit_files(&parent, "256:");
    poll("a successor", || {
        let now = children(&parent);
        now.len() == 1 && !now.contains(&first)
    });
    parent.assert_serves();
}

/// `soft:` leaves the hard limit, so that it can be raised again.
fn limit_files(parent: &Testbed, limit: &str) {
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &parent.pid().to_string()])
        .arg(format!("--nofile={limit}"))
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_process_without_a_parent_is_not_recycled() {
    let mut testbed = Testbed::listening_with(&["--max-requests", "2"]);
    testbed.line("--max-requests counts for the children");
    for _ in 0..5 {
        assert_eq!(who(&testbed), testbed.pid());
    }
    assert!(testbed.is_running());
}

/// Nobody starts a child anew without its parent, and whoever starts another parent would find its socket served.
#[test]
fn children_of_a_dead_parent_answer_what_they_have_and_end() {
    let mut parent = family("2");
    let pids = wait_for_children(&parent, 2);
    let mut slow = Wire::after(parent.address(), Ask::get("/chunks?n=2&ms=300").bytes());
    assert!(slow.record().is_some() && slow.record().is_some());
    parent.signal("KILL");
    parent.wait();
    assert!(is_answered_whole(&mut slow));
    poll("the children to end", || {
        !pids.iter().any(|&pid| is_running(pid))
    });
    let lines = parent.last_lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("the parent process is gone"));
    assert_eq!(told.count(), 2, "{lines:?}");
}

/// mod_fcgid and lighttpd give their socket, and ask the process that they started to stop.
#[test]
fn a_settings_file_makes_a_parent_on_the_web_servers_socket() {
    let folder = Folder::new();
    let program = copy_of_the_program(&folder);
    fs::write(program.with_file_name(".ht.app.fcgi"), "processes 2\n").unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket: OwnedFd = listener.try_clone().unwrap().into();
    let mut command = testbed::command_of(&program);
    command.stdin(socket);
    let mut parent = Testbed::spawn(command, Address::Unix(path), folder);
    parent.line("processes serve");
    let pids = wait_for_children(&parent, 2);
    assert!(pids.contains(&who(&parent)));
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
    // The web server's socket stays, and what connects waits for the next process.
    assert!(parent.folder.names().contains(&"s".to_owned()));
    Wire::connect(parent.address());
}

#[test]
fn a_parent_on_systemds_sockets_passes_them_on_under_its_own_numbers() {
    let folder = Folder::new();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let program = testbed::command().get_program().to_owned();
    let mut command = testbed::command_of(Path::new("/bin/sh"));
    let script = format!(
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec {} --processes 2",
        program.to_str().unwrap()
    );
    let socket: OwnedFd = listener.into();
    command.args(["-c", &script]).stdin(socket);
    let mut parent = Testbed::spawn(command, Address::Unix(path), folder);
    parent.line("processes serve");
    assert!(wait_for_children(&parent, 2).contains(&who(&parent)));
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(0));
}

#[test]
fn what_outlives_the_deadline_is_named_and_the_parent_ends_with_1() {
    steady(Duration::from_millis(300), || {
        let mut parent = Testbed::listening_with(&["--processes", "1", "--grace", "1"]);
        parent.line("processes serve");
        let _spin = Wire::after(parent.address(), Ask::get("/spin").bytes());
        let pid = *wait_for_children(&parent, 1).first().unwrap();
        let mut looks = 0;
        poll("the handler to spin", || {
            let runs = testbed::thread_states(pid).contains(&'R');
            looks = if runs { looks + 1 } else { 0 };
            looks > 30
        });
        let begun = Instant::now();
        parent.signal("TERM");
        assert_eq!(parent.wait().1.code(), Some(1));
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
        assert!(!is_running(pid));
        let lines = parent.last_lines().join("\n");
        assert!(lines.contains("GET /spin"), "{lines}");
        assert!(lines.contains("ended with exit code 1"), "{lines}");
    });
}

/// Even one that does not heed its own deadline: it is stopped in the middle, as a debugger would.
#[test]
fn a_child_that_cannot_end_is_killed() {
    let mut parent = Testbed::listening_with(&["--processes", "1", "--grace", "1"]);
    parent.line("processes serve");
    let pid = *wait_for_children(&parent, 1).first().unwrap();
    testbed::stop_all(&[pid]);
    parent.signal("TERM");
    assert_eq!(parent.wait().1.code(), Some(1));
    assert!(!is_running(pid));
    let line = parent.line(&format!("process {pid} is killed"));
    assert!(line.contains("1.5s"), "{line}");
}

#[test]
fn nobody_but_a_parent_starts_a_child() {
    for numbers in ["", "3", "x,4", "0,1", "900,901"] {
        let output = testbed::command()
            .args(["--child", numbers])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{numbers}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("only the parent of --processes"), "{text}");
    }
}
