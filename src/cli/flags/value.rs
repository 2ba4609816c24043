//! How the values of flags are written: each kind is read from a text here, and told as one would write it. Called by the table
//! of flags, and by the commands for flags of their own.

use crate::net::{Address, Owner, Prefix};
use crate::sendfile::Sendfile;
use log::LevelFilter;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// In ms: the shortest time limit. With none at all, what arrives in the next packet would be given up; and the accept loop
/// looks at its clock in steps of 50 ms.
pub(in crate::cli) const LEAST_WAIT: u64 = 100;

/// In ms: the longest time limit, a day.
const LONGEST: u64 = 86_400_000;

/// The path that the application is reached under.
pub(super) fn mount(value: &str) -> Result<String, String> {
    let is_path = value.starts_with('/') && !value.contains("//");
    match is_path && !value.contains(['?', '#', '%']) && !value.contains(char::is_control) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "{value:?} is no mount; write the path of the URL that the application is reached under, decoded: /app, or /"
        )),
    }
}

/// The path of the status page, as [`Request::path`](crate::Request::path) has it: below the mount, decoded.
pub(super) fn status(value: &str) -> Result<String, String> {
    let is_path = value.starts_with('/') && !value.contains(['?', '#', '%']);
    match is_path && !value.contains(char::is_control) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "{value:?} is no path; write the page's path below the mount, decoded: /status"
        )),
    }
}

/// The mode of a socket file, in octal digits as for chmod.
pub(super) fn socket_mode(value: &str) -> Result<u32, String> {
    let is_octal = !value.is_empty() && value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(value, 8).ok().filter(|_| is_octal);
    mode.filter(|&mode| mode <= 0o777).ok_or_else(|| {
        format!(
            "{value:?} is no mode; write three octal digits, such as 0660 for its user and group"
        )
    })
}

pub(super) fn owner(value: &str) -> Result<Owner, String> {
    parsed(value)
}

pub(in crate::cli) fn prefix(value: &str) -> Result<Prefix, String> {
    parsed(value)
}

/// How the web server is told to send a file. The folder may have equals signs in its name: the last one ends it.
pub(super) fn sendfile(value: &str) -> Result<Sendfile, String> {
    if value == "x-sendfile" {
        return Ok(Sendfile::Header);
    }
    let parts = value
        .strip_prefix("x-accel:")
        .and_then(|v| v.rsplit_once('='));
    match parts {
        Some((folder, location)) if !folder.is_empty() && location.starts_with('/') => {
            Ok(Sendfile::Accel {
                folder: folder.into(),
                location: location.to_owned(),
            })
        }
        _ => Err(format!(
            "{value:?} names no way; write x-sendfile (lighttpd, mod_xsendfile), or for nginx its internal location: \
             x-accel:/srv/files=/protected"
        )),
    }
}

pub(in crate::cli) fn address(value: &str) -> Result<Address, String> {
    parsed(value)
}

/// An address for http; a number alone is a port of this machine. Whether other machines may reach it is looked at when it is
/// bound.
pub(in crate::cli) fn http(value: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = value.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    match address(value) {
        Ok(Address::Tcp(address)) => Ok(address),
        // It was meant as an address. Without a colon it is a path or a word: what is said of those speaks of sockets.
        Err(reason) if value.contains(':') => Err(reason),
        _ => Err(format!(
            "{value:?} is no TCP address; write 8000, 127.0.0.1:8000 or [::1]:8000"
        )),
    }
}

pub(super) fn file(value: &str) -> Result<PathBuf, String> {
    match value.is_empty() || value.ends_with('/') {
        true => Err(format!(
            "{value:?} is no file; write its path: .ht.access.log"
        )),
        false => Ok(value.into()),
    }
}

pub(super) fn level(value: &str) -> Result<LevelFilter, String> {
    value
        .parse()
        .map_err(|_| format!("{value:?} is no level; write off, error, warn, info, debug or trace"))
}

/// A time in seconds, with up to three digits behind a point; an `s` may stand behind it. In ms, it is at least `least`.
pub(in crate::cli) fn seconds(value: &str, least: u64) -> Result<Duration, String> {
    let bare = value.strip_suffix('s').unwrap_or(value);
    let (whole, part) = bare.split_once('.').unwrap_or((bare, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let ms = (are_digits(whole) && are_digits(part) && part.len() <= 3)
        .then(|| format!("{whole}{part:0<3}").parse().ok())
        .flatten();
    match ms {
        Some(ms) if (least..=LONGEST).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(format!(
            "{value:?} cannot be used; write seconds from {} to {}, such as 2.5",
            seconds_of(Duration::from_millis(least)),
            LONGEST / 1000
        )),
    }
}

/// Seconds as one would write them: `30`, `2.5`. They are computed without a float, which would be the only one in a static
/// program.
pub(in crate::cli) fn seconds_of(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number; K, M and G behind it are 1024, its square and its cube.
pub(in crate::cli) fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    let (digits, shift) = match value.as_bytes().last() {
        Some(b'K' | b'k') => (&value[..value.len() - 1], 10),
        Some(b'M' | b'm') => (&value[..value.len() - 1], 20),
        Some(b'G' | b'g') => (&value[..value.len() - 1], 30),
        _ => (value, 0),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number);
    match number.and_then(|number| number.checked_mul(1 << shift)) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == u64::MAX => Err(format!(
            "{value:?} cannot be used; write a number, such as 8 or 64K"
        )),
        _ => Err(format!(
            "{value:?} cannot be used; write a number from {} to {}",
            short(least),
            short(most)
        )),
    }
}

/// A number as one would type it: 262144 is 256K.
pub(super) fn short(number: u64) -> String {
    if number == u64::MAX {
        return "unlimited".into();
    }
    let (mut rest, mut suffix) = (number, "");
    for larger in ["K", "M", "G"] {
        if number < 64 << 10 || rest % 1024 != 0 {
            break;
        }
        (rest, suffix) = (rest / 1024, larger);
    }
    format!("{rest}{suffix}")
}

/// Reads what has a grammar of its own in `net`: an address, a range of addresses, an owner.
fn parsed<T: FromStr<Err = io::Error>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: io::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::{parse, parsed, served};
    use crate::cli::flags::file::parse_file;
    use std::ffi::OsString;
    use std::path::Path;

    #[test]
    fn a_bad_value_is_one_sentence_with_flag_value_and_what_is_wanted() {
        for (flag, value, wanted) in [
            ("workers", "0", "a number from 1 to 1024"),
            ("workers", "1025", "a number from 1 to 1024"),
            ("workers", "many", "a number from 1 to 1024"),
            ("workers", "", "a number from 1 to 1024"),
            ("workers", "+4", "a number from 1 to 1024"),
            ("workers", "-4", "a number from 1 to 1024"),
            ("workers", "K", "a number from 1 to 1024"),
            ("workers", "99999999999999999999", "a number from 1 to 1024"),
            ("stack-size", "63K", "a number from 64K to 1G"),
            ("max-params", "17M", "a number from 64K to 16M"),
            ("max-pairs", "16385", "a number from 1 to 16384"),
            ("max-body", "17179869184G", "a number, such as 8 or 64K"),
            ("max-body", "1.5M", "a number, such as 8 or 64K"),
            ("max-body", "ü", "a number, such as 8 or 64K"),
            ("grace", "86400.001", "seconds from 0 to 86400"),
            ("grace", "-1", "seconds from 0 to 86400"),
            ("grace", "1e3", "seconds from 0 to 86400"),
            ("grace", "inf", "seconds from 0 to 86400"),
            ("grace", "1.", "seconds from 0 to 86400"),
            ("grace", ".5", "seconds from 0 to 86400"),
            ("grace", "1.2345", "seconds from 0 to 86400"),
            ("grace", "18446744073709551616", "seconds from 0 to 86400"),
            ("head-timeout", "0.099", "seconds from 0.1 to 86400"),
            ("slow", "s", "seconds from 0 to 86400"),
            ("slow", "10 s", "seconds from 0 to 86400"),
            ("timeout", "10m", "seconds from 0 to 86400"),
            ("status", "status", "is no path; write the page's path"),
            (
                "status",
                "/status?json",
                "is no path; write the page's path",
            ),
            ("status-allow", "localhost", "is no address and no prefix"),
            ("mount", "app", "is no mount; write the path"),
            ("mount", "//app", "is no mount; write the path"),
            ("mount", "/a%20b", "is no mount; write the path"),
            ("mount", "/app?x", "is no mount; write the path"),
            ("trusted-proxy", "localhost", "is no address and no prefix"),
            ("trusted-proxy", "10.1.0.0/8", "has bits behind its first 8"),
            (
                "log-level",
                "loud",
                "off, error, warn, info, debug or trace",
            ),
            ("listen", "nowhere", "write unix:/path, 127.0.0.1:9000"),
        ] {
            for arguments in [
                vec![format!("--{flag}={value}")],
                vec![format!("--{flag}"), value.into()],
            ] {
                let error = parse(arguments.iter().map(OsString::from)).unwrap_err();
                assert!(error.starts_with(&format!("--{flag}: ")), "{error}");
                assert!(error.contains(&format!("{value:?}")), "{error}");
                assert!(error.contains(wanted), "{error}");
                assert_eq!(error.lines().count(), 1, "{error}");
            }
            if !value.is_empty() {
                let (line, error) =
                    parse_file(&format!("\n{flag} {value}"), Path::new("/")).unwrap_err();
                assert_eq!(line, 2);
                assert!(
                    error.starts_with(&format!("{flag}: ")) && error.contains(wanted),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_web_server_is_told_to_send_files_in_its_own_way() {
        let accel = |folder: &str, location: &str| Sendfile::Accel {
            folder: folder.into(),
            location: location.into(),
        };
        for (value, way) in [
            ("x-sendfile", Sendfile::Header),
            (
                "x-accel:/srv/files=/protected",
                accel("/srv/files", "/protected"),
            ),
            ("x-accel:/srv/a=b=/p/", accel("/srv/a=b", "/p/")),
        ] {
            assert_eq!(served(&["--sendfile", value]).setup.sendfile, Some(way));
        }
        for value in [
            "",
            "x",
            "X-Sendfile",
            "x-accel",
            "x-accel:",
            "x-accel:/a",
            "x-accel:=/a",
            "x-accel:/a=b",
        ] {
            let error = parsed(&["--sendfile", value]).unwrap_err();
            assert!(
                error.starts_with("--sendfile: ")
                    && error.contains("x-accel:/srv/files=/protected")
            );
        }
        let file = parse_file("sendfile x-accel:files=/protected", Path::new("/srv/www")).unwrap();
        let below = served(&["--sendfile", "x-sendfile"]);
        assert_eq!(
            file.apply(below).setup.sendfile,
            Some(accel("/srv/www/files", "/protected"))
        );
    }

    #[test]
    fn http_is_served_by_tcp_and_a_port_alone_is_this_machines() {
        for (value, address) in [
            ("8000", "127.0.0.1:8000"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(http(value).unwrap(), address.parse().unwrap());
        }
        for (value, wanted) in [("unix:/run/a", "no TCP address"), ("70000", "address")] {
            let error = http(value).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_mode_of_a_socket_is_octal() {
        for (text, mode) in [
            ("0", Some(0)),
            ("660", Some(0o660)),
            ("0777", Some(0o777)),
            ("1660", None),
            ("+660", None),
            ("0o660", None),
            ("", None),
            ("0800", None),
            ("00000000000000000000660", Some(0o660)),
            ("77777777777777", None),
        ] {
            assert_eq!(socket_mode(text).ok(), mode, "{text}");
        }
    }
}
