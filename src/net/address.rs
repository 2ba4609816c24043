//! Where a server listens, as people write it; the builder, `--listen` and the settings file parse it here, and
//! [`Listener`](super::listener::Listener) makes a socket of it.

use super::refusal::invalid;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a server listens.
///
/// | written | means |
/// | --- | --- |
/// | `unix:/run/app.sock`, or just `/run/app.sock` | a socket file |
/// | `unix:app.sock` | a socket file in the current folder; in a settings file, beside the executable |
/// | `127.0.0.1:9000`, `[::1]:9000` | a TCP port; port 0 takes any free one |
/// | `localhost:9000` | `127.0.0.1:9000` |
/// | `fd:3` | a listening socket that whoever started the program left open under this number |
///
/// Other host names are refused: looking one up needs files that a static program on a small host may not have.
/// A path that is not UTF-8 can be given as a value, but not be written as text.
///
/// ```
/// use fcgi::Address;
///
/// let address: Address = "localhost:9000".parse().unwrap();
/// assert_eq!(address.to_string(), "127.0.0.1:9000");
/// assert_eq!("/run/app.sock".parse::<Address>().unwrap().to_string(), "unix:/run/app.sock");
/// assert!("example.org:9000".parse::<Address>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A socket file, made when the server starts.
    Unix(PathBuf),
    /// A TCP port on one of this machine's addresses.
    Tcp(SocketAddr),
    /// A descriptor that is a listening socket already.
    Fd(RawFd),
}

impl Address {
    /// The same address, with a relative path taken from `base` instead of the current folder.
    ///
    /// ```
    /// # use fcgi::Address;
    /// let address: Address = "unix:app.sock".parse().unwrap();
    /// assert_eq!(address.resolved("/run/app".as_ref()).to_string(), "unix:/run/app/app.sock");
    /// ```
    pub fn resolved(&self, base: &Path) -> Address {
        match self {
            Address::Unix(path) => Address::Unix(base.join(path)),
            Address::Tcp(_) | Address::Fd(_) => self.clone(),
        }
    }

    /// Whether other machines can reach it. Nothing is known of a descriptor before it is looked at.
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Address::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Address::Unix(_) | Address::Fd(_) => false,
        }
    }
}

/// An address is written as it is read.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Fd(fd) => write!(f, "fd:{fd}"),
        }
    }
}

impl FromStr for Address {
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput): one sentence that says what to write instead.
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Address> {
        if let Some(path) = text.strip_prefix("unix:") {
            unix(path)
        } else if text.starts_with('/') {
            unix(text)
        } else if let Some(number) = text.strip_prefix("fd:") {
            descriptor(number)
        } else {
            tcp(text)
        }
        .map_err(|reason| invalid(format!("cannot use {text:?} as an address: {reason}")))
    }
}

/// Refuses an address that other machines can reach, unless it `is_said` who of them may: whoever can connect decides what
/// the application is told about the visitor, for FastCGI knows no password.
pub(crate) fn refuse_public(address: &Address, is_said: bool) -> io::Result<()> {
    if is_said || !address.is_public() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "cannot listen on {address}: other machines could reach it, and FastCGI has no password; \
             name the web server's address by --allow 10.0.0.7, write 127.0.0.1 as the address, or use a unix socket"
        ),
    ))
}

/// The longest path of a unix socket: `sun_path` has 108 bytes on Linux, and the last one is a NUL.
const LONGEST_PATH: usize = 107;

/// Says why a path cannot be the name of a socket, whatever lies there.
pub(super) fn check_path(path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(invalid("a path is missing; write unix:/path"));
    }
    if bytes.contains(&0) {
        return Err(invalid("the path contains a NUL byte; choose another one"));
    }
    if bytes.ends_with(b"/") {
        return Err(invalid(
            "the path names a folder; add the name of the socket",
        ));
    }
    if bytes.len() > LONGEST_PATH {
        return Err(invalid(format!(
            "the path has {} bytes, and that of a unix socket may have {LONGEST_PATH}; choose a shorter one",
            bytes.len()
        )));
    }
    Ok(())
}

fn unix(path: &str) -> io::Result<Address> {
    // `socat` and `ss` write sockets without a file so. They have no permissions, and no web server's guide has one.
    if path.starts_with('@') {
        return Err(invalid(
            "sockets without a file are not supported; write unix:/path",
        ));
    }
    check_path(OsStr::new(path).as_ref())?;
    Ok(Address::Unix(PathBuf::from(path)))
}

fn descriptor(number: &str) -> io::Result<Address> {
    match number.parse() {
        Ok(fd) if is_digits(number) => Ok(Address::Fd(fd)),
        _ => Err(invalid(
            "after fd: comes the number of a descriptor, as in fd:3",
        )),
    }
}

fn tcp(text: &str) -> io::Result<Address> {
    if let Ok(address) = text.parse() {
        return Ok(Address::Tcp(address));
    }
    match text.rsplit_once(':') {
        _ if text.contains('/') => Err(invalid(FORMS)),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") && is_port(port) => {
            let port = port.parse().expect("BUG: is_port parsed it");
            Ok(Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
        }
        _ => Err(invalid(refused_tcp(text))),
    }
}

const FORMS: &str = "write unix:/path, 127.0.0.1:9000, [::1]:9000 or fd:3";

/// Says what is wrong with something that was perhaps meant as a TCP address.
fn refused_tcp(text: &str) -> String {
    // `::1:9000` lands here too: it is an IPv6 address as a whole.
    match text.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => return format!("the port is missing; write {ip}:9000"),
        Ok(IpAddr::V6(_)) => {
            return "an IPv6 address stands in brackets and a port follows, as in [::1]:9000"
                .into();
        }
        Err(_) => {}
    }
    let (host, port) = match text.rsplit_once(':') {
        Some(parts) => parts,
        None if is_port(text) => ("", text),
        None if text.eq_ignore_ascii_case("localhost") => {
            return "the port is missing; write 127.0.0.1:9000".into();
        }
        None => return FORMS.into(),
    };
    let host_is_known = host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if host_is_known || (is_digits(port) && !is_port(port)) {
        format!("{port:?} is no port; write a number from 1 to 65535")
    } else if !is_port(port) {
        FORMS.into()
    } else if host.is_empty() || host == "*" {
        format!("it does not say on which of this machine's addresses; write 127.0.0.1:{port}")
    } else {
        format!("names are not looked up, except localhost; write a number, as in 127.0.0.1:{port}")
    }
}

fn is_port(text: &str) -> bool {
    is_digits(text) && text.parse::<u16>().is_ok()
}

/// Whether it is a number as people write one; `parse` would take a sign as well.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        let unix = |path: &str| Address::Unix(path.into());
        let tcp = |address: &str| Address::Tcp(address.parse().unwrap());
        let longest = format!("unix:/{}", "x".repeat(LONGEST_PATH - 1));
        for (text, address, written) in [
            (
                "unix:/run/app.sock",
                unix("/run/app.sock"),
                "unix:/run/app.sock",
            ),
            ("/run/app.sock", unix("/run/app.sock"), "unix:/run/app.sock"),
            ("unix:app.sock", unix("app.sock"), "unix:app.sock"),
            ("unix:./@x", unix("./@x"), "unix:./@x"),
            ("unix:/a b:c", unix("/a b:c"), "unix:/a b:c"),
            ("unix:/é", unix("/é"), "unix:/é"),
            (&longest, unix(&longest[5..]), &longest),
            ("127.0.0.1:9000", tcp("127.0.0.1:9000"), "127.0.0.1:9000"),
            ("127.0.0.1:0", tcp("127.0.0.1:0"), "127.0.0.1:0"),
            ("0.0.0.0:65535", tcp("0.0.0.0:65535"), "0.0.0.0:65535"),
            ("[::1]:9000", tcp("[::1]:9000"), "[::1]:9000"),
            (
                "[fe80::1%2]:9000",
                tcp("[fe80::1%2]:9000"),
                "[fe80::1%2]:9000",
            ),
            ("localhost:9000", tcp("127.0.0.1:9000"), "127.0.0.1:9000"),
            ("LocalHost:80", tcp("127.0.0.1:80"), "127.0.0.1:80"),
            ("fd:0", Address::Fd(0), "fd:0"),
            ("fd:3", Address::Fd(3), "fd:3"),
        ] {
            let read: Address = text.parse().unwrap();
            assert_eq!(read, address, "{text}");
            assert_eq!(read.to_string(), written, "{text}");
            assert_eq!(written.parse::<Address>().unwrap(), address, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_to_write() {
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        for (text, advice) in [
            ("", FORMS),
            ("app", FORMS),
            ("./app.sock", FORMS),
            ("http://127.0.0.1:80", FORMS),
            ("tcp://127.0.0.1:9000", FORMS),
            ("unixx:/run/app.sock", FORMS),
            (" 127.0.0.1:9000", "names are not looked up"),
            ("unix:", "a path is missing"),
            ("unix:@app", "sockets without a file"),
            ("unix:/run/", "names a folder"),
            ("/", "names a folder"),
            ("/a\0b", "a NUL byte"),
            (
                &long,
                "has 108 bytes, and that of a unix socket may have 107",
            ),
            (":9000", "write 127.0.0.1:9000"),
            ("9000", "write 127.0.0.1:9000"),
            ("*:9000", "write 127.0.0.1:9000"),
            ("127.0.0.1", "the port is missing; write 127.0.0.1:9000"),
            ("localhost", "the port is missing"),
            ("::1", "stands in brackets"),
            ("[::1]", "stands in brackets"),
            ("::1:9000", "stands in brackets"),
            ("127.0.0.1:", "\"\" is no port"),
            ("127.0.0.1:http", "\"http\" is no port"),
            ("127.0.0.1:65536", "\"65536\" is no port"),
            ("localhost:65536", "\"65536\" is no port"),
            ("localhost:+80", "\"+80\" is no port"),
            ("[::1]:x", "\"x\" is no port"),
            ("example.org:65536", "\"65536\" is no port"),
            (
                "example.org:9000",
                "names are not looked up, except localhost",
            ),
            ("localhost.:9000", "names are not looked up"),
            ("300.0.0.1:9000", "names are not looked up"),
            ("fd:", "the number of a descriptor"),
            ("fd:-1", "the number of a descriptor"),
            ("fd:+3", "the number of a descriptor"),
            ("fd:2147483648", "the number of a descriptor"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            let sentence = error.to_string();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{sentence}");
            assert!(sentence.contains(&format!("{text:?}")), "{sentence}");
            assert!(sentence.contains(advice), "{sentence}\nlacks: {advice}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
    }

    #[test]
    fn only_a_relative_path_is_resolved() {
        let base = Path::new("/srv/www");
        for (written, resolved) in [
            ("unix:app.sock", "unix:/srv/www/app.sock"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("fd:3", "fd:3"),
        ] {
            let address: Address = written.parse().unwrap();
            assert_eq!(address.resolved(base).to_string(), resolved);
        }
    }

    #[test]
    fn what_other_machines_can_reach_is_refused() {
        for (text, public) in [
            ("127.0.0.1:9000", false),
            ("127.8.8.8:9000", false),
            ("[::1]:9000", false),
            ("[::ffff:127.0.0.1]:9000", false),
            ("unix:/run/app.sock", false),
            ("fd:3", false),
            ("0.0.0.0:9000", true),
            ("[::]:9000", true),
            ("192.168.0.1:9000", true),
            ("[fe80::1%2]:9000", true),
        ] {
            let refused = refuse_public(&text.parse().unwrap(), false);
            assert!(refuse_public(&text.parse().unwrap(), true).is_ok());
            assert_eq!(refused.is_err(), public, "{text}");
            if let Err(error) = refused {
                assert!(error.to_string().contains(text), "{error}");
            }
        }
    }
}
