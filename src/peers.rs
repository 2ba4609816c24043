//! Who may connect by TCP: whom the owner allows, and whom the environment lists. The accept loop asks for each
//! connection, and closes those of others.
//!
//! `FCGI_WEB_SERVER_ADDRS` is of section 3.2 of the FastCGI specification: addresses with commas between them. Where it is set,
//! the specification would have every connection closed that is not TCP. Here those to unix sockets are let through, as they are
//! by libfcgi and PHP: the list says which machines may connect, and on this one the file's permissions say who may. As there, an
//! empty list is none.

use crate::net::Prefix;
use crate::seldom::Seldom;
use std::env;
use std::ffi::OsStr;
use std::net::IpAddr;

const VARIABLE: &str = "FCGI_WEB_SERVER_ADDRS";

#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Whom the owner allows; everybody, if it is empty.
    allowed: Vec<Prefix>,
    /// Whom the environment lists; everybody, if it has no list; nobody and why, if its list is malformed.
    listed: Option<Result<Vec<IpAddr>, String>>,
    /// The log lines about those who may not connect.
    told: Seldom,
}

impl Peers {
    /// Those that are allowed, and are in the environment's list where it has one.
    pub(crate) fn new(allowed: Vec<Prefix>) -> Peers {
        Peers::with(allowed, env::var_os(VARIABLE).as_deref())
    }

    fn with(allowed: Vec<Prefix>, list: Option<&OsStr>) -> Peers {
        let list = list.filter(|list| !list.is_empty());
        Peers {
            allowed,
            listed: list.map(|list| parse(&list.to_string_lossy())),
            ..Peers::default()
        }
    }

    /// Whether anybody may connect.
    pub(crate) fn is_anybody(&self) -> bool {
        self.allowed.is_empty() && self.listed.is_none()
    }

    /// Why nobody may connect: the environment's list is malformed.
    pub(crate) fn why_nobody(&self) -> Option<&str> {
        self.listed.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Whether this one may; `None` did not come by TCP.
    #[inline(always)]
    pub(crate) fn admit(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| self.admit_address(peer))
    }

    #[inline(never)]
    fn admit_address(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match self.refusal(peer) {
            None => true,
            Some(reason) => {
                self.told
                    .warn(|| format!("a connection from {peer} is closed: {reason}"));
                false
            }
        }
    }

    fn refusal(&self, peer: IpAddr) -> Option<&'static str> {
        let is_allowed =
            self.allowed.is_empty() || self.allowed.iter().any(|range| range.contains(peer));
        let is_listed = match &self.listed {
            None => true,
            Some(list) => list.as_ref().is_ok_and(|list| list.contains(&peer)),
        };
        match (is_allowed, is_listed) {
            (true, true) => None,
            (false, _) => Some("--allow does not name it"),
            (true, false) => Some("FCGI_WEB_SERVER_ADDRS does not name it"),
        }
    }
}

fn parse(list: &str) -> Result<Vec<IpAddr>, String> {
    let address = |text: &str| {
        let parsed: Result<IpAddr, _> = text.trim().parse();
        parsed.map(|address| address.to_canonical()).map_err(|_| {
            format!(
                "{VARIABLE} is {list:?}, and {text:?} in it is no address; write addresses with commas between them: \
                 10.0.0.1,fd00::1"
            )
        })
    };
    list.split(',').map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(allowed: &[&str], list: Option<&str>) -> Peers {
        let allowed = allowed.iter().map(|range| range.parse().unwrap()).collect();
        Peers::with(allowed, list.map(OsStr::new))
    }

    #[test]
    fn each_list_narrows_who_may_connect() {
        let both = ["10.0.0.0/8", "::1"];
        for (allowed, list, admitted, refused) in [
            (
                &[][..],
                None,
                &["10.1.2.3", "::1", "192.0.2.1"][..],
                &[][..],
            ),
            (&[], Some(""), &["10.1.2.3", "::1"], &[]),
            (
                &both,
                None,
                &["10.1.2.3", "::1", "::ffff:10.1.2.3"],
                &["11.0.0.1", "127.0.0.1", "::2"],
            ),
            (
                &[],
                Some("10.1.2.3, fd00::1 ,127.0.0.1"),
                &["10.1.2.3", "fd00::1", "127.0.0.1", "::ffff:127.0.0.1"],
                &["10.1.2.4", "fd00::2", "::1"],
            ),
            (
                &both,
                Some("10.1.2.3,192.0.2.1"),
                &["10.1.2.3"],
                &["10.1.2.4", "192.0.2.1", "::1"],
            ),
            (&[], Some("::ffff:10.1.2.3"), &["10.1.2.3"], &["10.1.2.4"]),
        ] {
            let peers = peers(allowed, list);
            assert_eq!(peers.why_nobody(), None);
            assert_eq!(peers.is_anybody(), refused.is_empty());
            for peer in admitted {
                assert!(peers.admit(Some(peer.parse().unwrap())), "{peer} {list:?}");
            }
            for peer in refused {
                assert!(!peers.admit(Some(peer.parse().unwrap())), "{peer} {list:?}");
            }
            assert!(peers.admit(None), "a unix socket");
        }
    }

    #[test]
    fn a_malformed_list_lets_nobody_in() {
        for list in [
            "10.0.0.1,",
            ",10.0.0.1",
            " ",
            "10.0.0.1 10.0.0.2",
            "10.0.0.0/8",
            "localhost",
            "10.0.0.1;10.0.0.2",
            "[::1]",
            "10.0.0.1:9000",
        ] {
            let peers = peers(&[], Some(list));
            let why = peers.why_nobody().expect("it is wrong");
            let start = format!("FCGI_WEB_SERVER_ADDRS is {list:?}, and ");
            assert!(why.starts_with(&start), "{why}");
            for peer in ["10.0.0.1", "127.0.0.1", "::1"] {
                assert!(!peers.admit(Some(peer.parse().unwrap())), "{list:?}");
            }
            assert!(peers.admit(None), "a unix socket");
            assert!(!peers.is_anybody());
        }
    }
}
