//! Many starters on one path, as processes: exactly one serves, and nothing is left behind.

use crate::served::{Folder, poll};
use crate::testbed::{self, Testbed};
use crate::wire::Ask;
use fcgi::Address;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

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
