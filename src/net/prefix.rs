//! Ranges of addresses, as the owner of a server names them: who may connect, which proxies are believed, who sees the status page.

use super::refusal::invalid;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses: one, `127.0.0.1`, or all that begin alike, `10.0.0.0/8` and `fd00::/8` (CIDR, RFC 4632).
///
/// ```
/// let inside: fcgi::Prefix = "10.0.0.0/8".parse()?;
/// assert!(inside.contains("10.1.2.3".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    /// How many of its bits count.
    len: u32,
}

impl Prefix {
    /// Whether `address` is in the range. An IPv4 address in IPv6's clothes (`::ffff:10.1.2.3`) counts as IPv4.
    ///
    /// ```
    /// # use fcgi::Prefix;
    /// let range: Prefix = "10.0.0.0/8".parse().unwrap();
    /// assert!(range.contains("10.1.2.3".parse().unwrap()) && !range.contains("11.1.2.3".parse().unwrap()));
    /// ```
    pub fn contains(&self, address: IpAddr) -> bool {
        let (asked, total) = bits(address.to_canonical());
        let (wanted, same_total) = bits(self.address);
        total == same_total && (asked ^ wanted).checked_shr(total - self.len).unwrap_or(0) == 0
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Prefix {
        let address = address.to_canonical();
        let (_, len) = bits(address);
        Prefix { address, len }
    }
}

impl FromStr for Prefix {
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput): one sentence that says what to write instead.
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Prefix> {
        let wrong = || {
            invalid(format!(
                "{text:?} is no address and no prefix; write 127.0.0.1, 10.0.0.0/8 or fd00::/8"
            ))
        };
        let (address, len) = text
            .split_once('/')
            .map_or((text, None), |(address, len)| (address, Some(len)));
        let whole = Prefix::from(address.parse::<IpAddr>().map_err(|_| wrong())?);
        let Some(len) = len else { return Ok(whole) };
        let is_number = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
        let len = len.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
        if len > whole.len {
            return Err(wrong());
        }
        let prefix = Prefix { len, ..whole };
        let (given, total) = bits(prefix.address);
        // `10.1.2.3/8` is likely to be a slip: it names more than whoever wrote it had in mind.
        if len < total && given << (128 - total + len) != 0 {
            return Err(invalid(format!(
                "{text:?} has bits behind its first {len}; write {address} alone, or the prefix with zeros there"
            )));
        }
        Ok(prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match bits(self.address) {
            (_, total) if total == self.len => self.address.fmt(f),
            _ => write!(f, "{}/{}", self.address, self.len),
        }
    }
}

/// The address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_it_or_not() {
        for (prefix, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ] {
            let range: Prefix = prefix.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{prefix} {inside}");
            assert!(
                !range.contains(outside.parse().unwrap()),
                "{prefix} {outside}"
            );
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["127.0.0.1", "10.0.0.0/8", "fd00::/8", "::1", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_range_is_one_sentence() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10/8",
            "1.2.3.4/8/8",
        ] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
            assert!(
                error.contains("is no address and no prefix; write"),
                "{error}"
            );
        }
        for text in ["10.1.0.0/8", "fd00::1/8", "0.0.0.1/0", "10.0.0.1/31"] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
            assert!(error.contains("has bits behind its first"), "{error}");
        }
    }
}
