//! Whom a socket file belongs to, as people write it: the builder, `--socket-owner` and the settings file parse it here,
//! and [`Listener`](super::listener::Listener) looks it up when it makes the file.
//!
//! Names are read from /etc/passwd and /etc/group by hand: the C library would load NSS modules for it, which a static
//! program cannot. Users of a directory service are in neither file, and go by their numbers.

use super::refusal::{invalid, reword};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::str::FromStr;

/// Whom a socket file belongs to: `www-data`, `app:www-data`, `:www-data`, or numbers in the place of names, `:33`.
///
/// What is not named stays the program's own. Names are looked up in /etc/passwd and /etc/group when the socket is made.
///
/// ```
/// # fn main() -> fcgi::Result {
/// fcgi::Server::new().socket_owner(":www-data".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    user: Option<Who>,
    group: Option<Who>,
}

/// A user or a group. What is all digits is a number, as it is to systemd: no tool makes such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Number(u32),
    Name(String),
}

impl Owner {
    /// The numbers of user and group, as far as these are named. Looks the names up.
    pub(crate) fn numbers(&self) -> io::Result<(Option<u32>, Option<u32>)> {
        self.numbers_by(Path("/etc/passwd"), Path("/etc/group"))
    }

    pub(super) fn names_group(&self) -> bool {
        self.group.is_some()
    }

    fn numbers_by(&self, users: Path, groups: Path) -> io::Result<(Option<u32>, Option<u32>)> {
        let number = |who: &Option<Who>, what, file| {
            let who = who.as_ref();
            who.map(|who| who.number(what, file)).transpose()
        };
        Ok((
            number(&self.user, "user", users)?,
            number(&self.group, "group", groups)?,
        ))
    }
}

/// A file of accounts: a line each, `name:password:number:…`.
#[derive(Clone, Copy)]
struct Path(&'static str);

impl Who {
    fn number(&self, what: &str, file: Path) -> io::Result<u32> {
        let name = match self {
            Who::Number(number) => return Ok(*number),
            Who::Name(name) => name,
        };
        let path = file.0;
        let found = File::open(path).and_then(|file| find(BufReader::new(file), name));
        match found {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "there is no {what} {name:?} in {path}; name one that is, or write its number"
                ),
            )),
            Err(error) => Err(reword(
                &error,
                format!(
                    "the {what} {name:?} cannot be looked up, since {path} cannot be read ({error}); write its number"
                ),
            )),
        }
    }
}

/// The number in the first line of that name.
fn find(file: impl BufRead, name: &str) -> io::Result<Option<u32>> {
    for line in file.split(b'\n') {
        let line = line?;
        let mut fields = line.split(|&byte| byte == b':');
        if fields.next() == Some(name.as_bytes()) {
            let number = fields.nth(1).and_then(|field| str::from_utf8(field).ok());
            return Ok(number.and_then(|number| number.parse().ok()));
        }
    }
    Ok(None)
}

impl FromStr for Owner {
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput): one sentence that says what to write instead.
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Owner> {
        let wrong = || {
            invalid(format!(
                "{text:?} is no owner; write a user, a user and a group, or a group: app, app:www-data, :www-data"
            ))
        };
        let (user, group) = match text.split_once(':') {
            None => (text, None),
            Some((user, group)) => (user, Some(group)),
        };
        Ok(Owner {
            user: match (user, group) {
                ("", Some(_)) => None,
                _ => Some(who(user).ok_or_else(wrong)?),
            },
            group: match group {
                Some(group) => Some(who(group).ok_or_else(wrong)?),
                None => None,
            },
        })
    }
}

fn who(text: &str) -> Option<Who> {
    let is_usual = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    if text.is_empty() || !text.chars().all(is_usual) {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // The last number means "as it is" to the kernel.
        let number = text.parse().ok().filter(|&number| number != u32::MAX);
        return number.map(Who::Number);
    }
    Some(Who::Name(text.to_owned()))
}

/// An owner is written as it is read.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}")?;
        }
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Number(number) => number.fmt(f),
            Who::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_read() {
        let name = |name: &str| Some(Who::Name(name.into()));
        for (text, user, group) in [
            ("www-data", name("www-data"), None),
            ("app:www-data", name("app"), name("www-data")),
            (":www-data", None, name("www-data")),
            ("0", Some(Who::Number(0)), None),
            ("1000:33", Some(Who::Number(1000)), Some(Who::Number(33))),
            (":4294967294", None, Some(Who::Number(u32::MAX - 1))),
            ("a.b_c-d+e@f", name("a.b_c-d+e@f"), None),
        ] {
            let owner: Owner = text.parse().unwrap();
            assert_eq!(owner, Owner { user, group });
            assert_eq!(owner.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_owner_is_one_sentence() {
        for text in [
            "",
            ":",
            "app:",
            "a:b:c",
            "a b",
            "app: www-data",
            "4294967295",
            "99999999999",
            "../etc",
            "$(id)",
            "it's",
        ] {
            let error = text.parse::<Owner>().unwrap_err().to_string();
            let start = format!("{text:?} is no owner; write ");
            assert!(error.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn a_name_is_the_whole_first_field() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nwww:x:8:8::/:\n\n#c\nwww-data:x:33:33::/var/www:/sbin/nologin\n\
            broken:x\nodd:x:-1:2\nlatin\xe9:x:70:70::/:\nlast:x:4000000000:1";
        for (name, number) in [
            ("root", Some(0)),
            ("www-data", Some(33)),
            ("www", Some(8)),
            ("ww", None),
            ("x", None),
            ("broken", None),
            ("odd", None),
            ("last", Some(4_000_000_000)),
        ] {
            assert_eq!(find(&passwd[..], name).unwrap(), number, "{name}");
        }
    }

    #[test]
    fn an_owner_is_looked_up_in_this_systems_files() {
        let root: Owner = "root:root".parse().unwrap();
        assert_eq!(root.numbers().unwrap(), (Some(0), Some(0)));
        let nobody: Owner = "no-such-user".parse().unwrap();
        let error = nobody.numbers().unwrap_err().to_string();
        assert!(
            error.contains("no user \"no-such-user\" in /etc/passwd"),
            "{error}"
        );
        let group: Owner = "4711:no-such-group".parse().unwrap();
        let error = group.numbers().unwrap_err().to_string();
        assert!(
            error.contains("no group \"no-such-group\" in /etc/group"),
            "{error}"
        );
        let (gone, folder) = (Path("/no/such/file"), Path("/etc"));
        for file in [gone, folder] {
            let error = root.numbers_by(file, file).unwrap_err().to_string();
            assert!(
                error.contains("cannot be read (") && error.ends_with("write its number"),
                "{error}"
            );
        }
        let numbers: Owner = "4711:33".parse().unwrap();
        assert!(numbers.numbers_by(gone, gone).is_ok(), "no file is needed");
    }
}
