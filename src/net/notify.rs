//! systemd's `Type=notify`: a datagram says that serving has begun, another that it ends. `process` sends both for the
//! process that serves.
//!
//! NOTIFY_SOCKET stays in the environment, for it is unsafe to take it out once there are threads, and an application may have
//! started some. So a program that a handler starts can see it, too; systemd ignores what such a program says
//! (`NotifyAccess=main`, its default for `Type=notify`).

use crate::log_line::warn;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where systemd waits for word of this process.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    /// Each datagram is sent to this name, and no socket is connected to it: systemd may have made its own again since.
    to: SocketAddr,
}

impl Notify {
    /// As NOTIFY_SOCKET says; `None` where nobody waits for word. A value that is wrong does not keep a process from serving: it
    /// is a line in the log, and systemd, which hears nothing, fails the start after its own time limit.
    pub(crate) fn from_environment() -> Option<Notify> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        match Notify::at(&name) {
            Ok(notify) => Some(notify),
            Err(error) => {
                not_told(&name, &error);
                None
            }
        }
    }

    fn at(name: &OsStr) -> io::Result<Notify> {
        let to = match name.as_bytes() {
            // `@` stands for the zero byte that an abstract name begins with.
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::other("the name begins with neither / nor @")),
        };
        let socket = UnixDatagram::unbound()?;
        // A systemd that does not read must not hold us up, least of all in a signal handler.
        socket.set_nonblocking(true)?;
        Ok(Notify { socket, to })
    }

    /// Connections are accepted from now on: systemd starts what comes after this service.
    pub(crate) fn ready(&self) {
        if let Err(error) = self.socket.send_to_addr(b"READY=1", &self.to) {
            let name = env::var_os("NOTIFY_SOCKET").unwrap_or_default();
            not_told(&name, &error);
        }
    }

    /// This process ends, because it wants to or was asked to. Async-signal-safe: one sendto, which does not wait.
    pub(crate) fn stopping(&self) {
        let _ = self.socket.send_to_addr(b"STOPPING=1", &self.to);
    }
}

fn not_told(name: &OsStr, error: &io::Error) {
    warn!("systemd is not told that this process is ready, by NOTIFY_SOCKET {name:?}: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process;

    fn received(waits: &UnixDatagram) -> Vec<u8> {
        let mut buffer = [0; 64];
        waits.set_nonblocking(true).unwrap();
        let n = waits.recv(&mut buffer).expect("a datagram");
        buffer[..n].to_vec()
    }

    #[test]
    fn a_path_and_an_abstract_name_get_one_datagram_each() {
        let name = format!("fcgi-{}-notify", process::id());
        let path = env::temp_dir().join(&name);
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (waits, name) in [
            (UnixDatagram::bind(&path), path.as_os_str()),
            (
                UnixDatagram::bind_addr(&address),
                OsStr::new(&format!("@{name}")),
            ),
        ] {
            let waits = waits.unwrap();
            let notify = Notify::at(name).unwrap();
            notify.ready();
            notify.stopping();
            assert_eq!(received(&waits), b"READY=1");
            assert_eq!(received(&waits), b"STOPPING=1");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn no_other_name_is_sent_to_and_nobody_there_is_no_failure() {
        let long = format!("/{}", "x".repeat(108));
        for name in ["run/notify", "vsock:2:1234", "", &long] {
            assert!(Notify::at(OsStr::new(name)).is_err(), "{name:?}");
        }
        let nobody = Notify::at(OsStr::new("/no/such/folder/notify")).unwrap();
        nobody.ready();
        nobody.stopping();
    }

    /// In a signal handler nothing may wait.
    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let name = format!("fcgi-{}-full", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let _waits = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::at(OsStr::new(&format!("@{name}"))).unwrap();
        (0..10_000).for_each(|_| notify.stopping());
    }
}
