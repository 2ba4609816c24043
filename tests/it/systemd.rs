//! systemd's part, played: sockets from fd 3 on with LISTEN_FDS and LISTEN_PID, and the datagrams of `Type=notify`.

use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, PATIENCE, Wire};
use fcgi::Address;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// systemd knows the pid when it starts a service, and so does a shell that becomes the program. It begins with what it
/// has on fds 0 and 1, the two that can be given to it.
const START: &str = r#"exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ exec "$0" "$@""#;

/// The manager: it makes the sockets, and keeps them from one service to the next.
struct Systemd {
    folder: Folder,
    unix: UnixListener,
    tcp: TcpListener,
    word: UnixDatagram,
    notify: String,
}

impl Systemd {
    /// It waits for word at a path, or at an abstract name.
    fn new(is_abstract: bool) -> Systemd {
        let folder = Folder::new();
        let path = folder.path().join("notify");
        let path = path.to_str().unwrap();
        let (word, notify) = if is_abstract {
            let address = SocketAddr::from_abstract_name(path).unwrap();
            (UnixDatagram::bind_addr(&address), format!("@{path}"))
        } else {
            (UnixDatagram::bind(path), path.to_owned())
        };
        let word = word.unwrap();
        word.set_read_timeout(Some(PATIENCE)).unwrap();
        Systemd {
            unix: UnixListener::bind(folder.path().join("s")).unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            folder,
            word,
            notify,
        }
    }

    /// Starts the service as the printed unit does, and waits until it says that it is ready.
    fn start(&self, flags: &[&str]) -> Testbed {
        let testbed = self.begin(flags);
        assert_eq!(self.word(), "READY=1");
        testbed
    }

    fn begin(&self, flags: &[&str]) -> Testbed {
        let mut command = testbed::command_of("sh");
        command
            .args(["-c", START])
            .arg(testbed::example("testbed"))
            .args(flags)
            .env("LISTEN_FDS", "2")
            .env("NOTIFY_SOCKET", &self.notify)
            .stdin(OwnedFd::from(self.unix.try_clone().unwrap()))
            .stdout(OwnedFd::from(self.tcp.try_clone().unwrap()));
        Testbed::spawn(command, self.addresses()[0].clone(), Folder::new())
    }

    fn addresses(&self) -> [Address; 2] {
        [
            Address::Unix(self.folder.path().join("s")),
            Address::Tcp(self.tcp.local_addr().unwrap()),
        ]
    }

    #[track_caller]
    fn word(&self) -> String {
        let mut buffer = [0; 64];
        let n = self.word.recv(&mut buffer).expect("word in time");
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }
}

#[track_caller]
fn assert_answers(address: &Address) {
    let reply = Wire::connect(address).ask(&Ask::get("/hello"));
    assert_eq!(reply.page(), (200, "Hello, world!"), "{address}");
}

#[test]
fn it_says_when_it_is_ready_and_that_it_stops() {
    for is_abstract in [false, true] {
        let systemd = Systemd::new(is_abstract);
        for flags in [
            &["--workers", "1"][..],
            &["--workers", "4"],
            &["--processes", "2"],
        ] {
            let mut testbed = systemd.start(flags);
            systemd.addresses().iter().for_each(assert_answers);
            testbed.signal("TERM");
            // mod_fcgid and systemd itself may repeat it.
            testbed.signal("TERM");
            assert_eq!(systemd.word(), "STOPPING=1");
            assert_eq!(testbed.wait().1.code(), Some(0));
            assert_eq!(testbed.last_troubles(), [""; 0]);
            // Each was said once, and the sockets are the manager's.
            systemd.word.set_nonblocking(true).unwrap();
            assert!(systemd.word.recv(&mut [0; 64]).is_err());
            systemd.word.set_nonblocking(false).unwrap();
            assert!(systemd.folder.path().join("s").exists());
        }
    }
}

/// It is said when the stop begins: what comes with a running request may take its time.
#[test]
fn a_stop_is_said_before_the_last_request_is_done() {
    let systemd = Systemd::new(true);
    let mut testbed = systemd.start(&["--workers", "1"]);
    let ask = Ask::get("/chunks?n=2&ms=60000");
    let mut wire = Wire::after(testbed.address(), ask.bytes());
    assert!(wire.record().is_some() && wire.record().is_some());
    testbed.signal("TERM");
    assert_eq!(systemd.word(), "STOPPING=1");
    assert!(testbed.is_running());
}

/// Nothing is said before there is somebody to answer: a connection made at that word is not refused.
#[test]
fn it_is_ready_when_it_listens_by_itself() {
    let systemd = Systemd::new(true);
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command();
    command
        .args(["--listen", &address.to_string()])
        .env("NOTIFY_SOCKET", &systemd.notify);
    let _testbed = Testbed::spawn(command, address.clone(), folder);
    assert_eq!(systemd.word(), "READY=1");
    assert_answers(&address);
}

#[test]
fn word_that_cannot_be_sent_is_one_line_and_no_failure() {
    for (socket, words) in [
        ("/no/such/folder/notify", "No such file or directory"),
        ("@fcgi/nobody/listens/here", "Connection refused"),
        ("vsock:2:1234", "begins with neither / nor @"),
    ] {
        let folder = Folder::new();
        let address = Address::Unix(folder.path().join("s"));
        let mut command = testbed::command();
        command
            .args(["--listen", &address.to_string()])
            .env("NOTIFY_SOCKET", socket);
        let mut testbed = Testbed::spawn(command, address.clone(), folder);
        poll("the testbed to listen", || {
            Wire::try_connect(&address).is_ok()
        });
        let line = testbed.line("systemd is not told");
        assert!(line.contains(socket) && line.contains(words), "{line}");
        assert_answers(&address);
        testbed.signal("TERM");
        assert_eq!(testbed.wait().1.code(), Some(0));
        assert_eq!(testbed.last_troubles(), [line]);
    }
}

/// `systemctl restart`: the sockets stay, and whoever connects meanwhile waits for the next process.
#[test]
fn a_restart_on_the_same_sockets_loses_no_connection() {
    const ROUNDS: usize = 10;
    let systemd = Systemd::new(false);
    let is_over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let visit = |address: Address| {
            while !is_over.load(Ordering::SeqCst) {
                assert_answers(&address);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        };
        let visitors: Vec<_> = [systemd.addresses(), systemd.addresses()]
            .into_iter()
            .flatten()
            .map(|address| scope.spawn(move || visit(address)))
            .collect();
        for round in 0..ROUNDS {
            // By turns alone, and as the parent of two.
            let processes = ["0", "2"][round % 2];
            let mut testbed = systemd.start(&["--processes", processes]);
            let before = answered.load(Ordering::SeqCst);
            poll("visitors to be answered", || {
                let has_failed = visitors.iter().any(|visitor| visitor.is_finished());
                has_failed || answered.load(Ordering::SeqCst) > before + 20
            });
            testbed.signal("TERM");
            assert_eq!(systemd.word(), "STOPPING=1");
            assert_eq!(testbed.wait().1.code(), Some(0));
            assert_eq!(testbed.last_troubles(), [""; 0]);
        }
        is_over.store(true, Ordering::SeqCst);
        // Somebody has to answer the last ones.
        let _last = systemd.start(&[]);
        for visitor in visitors {
            visitor.join().expect("every connection is answered");
        }
    });
}

/// A script that starts it without `exec` has the variables, too, and they are not for the program.
#[test]
fn the_sockets_of_another_process_are_not_taken() {
    let systemd = Systemd::new(true);
    let mut command = testbed::command();
    command
        .env("LISTEN_FDS", "2")
        .env("LISTEN_PID", "1")
        .env("NOTIFY_SOCKET", &systemd.notify);
    let mut testbed = Testbed::spawn(command, systemd.addresses()[0].clone(), Folder::new());
    assert_eq!(testbed.wait().1.code(), Some(2));
    systemd.word.set_nonblocking(true).unwrap();
    assert!(
        systemd.word.recv(&mut [0; 64]).is_err(),
        "it was never ready"
    );
}
