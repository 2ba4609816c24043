//! A request as the visitor's browser sends it, before a web server makes parameters of it, and what web servers do to its
//! headers for that. Made by `Ask`, read by the presets.

/// What the visitor's browser asks.
pub(in crate::testing) struct Sketch<'a> {
    pub(in crate::testing) method: &'a str,
    pub(in crate::testing) target: &'a str,
    /// The first is Host.
    pub(in crate::testing) headers: &'a [(String, Vec<u8>)],
}

impl Sketch<'_> {
    /// The first header of this name, which is given in lower case.
    pub(super) fn header(&self, lower: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(lower));
        found.map(|(_, value)| value.as_slice())
    }
}

/// A header on its way to become a parameter.
pub(super) struct Header {
    /// Its name, in lower case.
    pub(super) lower: String,
    pub(super) value: Vec<u8>,
}

impl Header {
    pub(super) fn each(sketch: &Sketch<'_>) -> impl Iterator<Item = Header> {
        sketch.headers.iter().map(|(name, value)| Header {
            lower: name.to_ascii_lowercase(),
            value: value.clone(),
        })
    }

    /// All headers, repeated ones joined where the first of them stands: cookies by `between_cookies`, others by `between`.
    pub(super) fn joined(sketch: &Sketch<'_>, between: &str, between_cookies: &str) -> Vec<Header> {
        let mut joined: Vec<Header> = Vec::new();
        for header in Header::each(sketch) {
            match joined.iter_mut().find(|first| first.lower == header.lower) {
                Some(first) => {
                    let between = match header.lower == "cookie" {
                        true => between_cookies,
                        false => between,
                    };
                    first.value.extend_from_slice(between.as_bytes());
                    first.value.extend_from_slice(&header.value);
                }
                None => joined.push(header),
            }
        }
        joined
    }

    /// Whether its name has nothing but letters, digits and `-`. Some web servers drop headers with other names.
    pub(super) fn is_plain(&self) -> bool {
        self.lower
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    /// The parameter's name. Headers that are named in `bare` get no `HTTP_`.
    pub(super) fn cgi_name(&self, bare: &[&str]) -> String {
        let name = self.lower.to_ascii_uppercase().replace('-', "_");
        match bare.contains(&&*self.lower) {
            true => name,
            false => format!("HTTP_{name}"),
        }
    }
}

/// The name and the port in the Host header.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: Option<String>,
}

impl Host {
    pub(super) fn of(sketch: &Sketch<'_>) -> Host {
        let host = String::from_utf8_lossy(&sketch.headers[0].1).into_owned();
        let port = host.rsplit_once(':').filter(|(_, port)| {
            // Digits alone: the last colon of `[::1]` is none before a port.
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        match port {
            Some((name, port)) => Host {
                name: name.to_owned(),
                port: Some(port.to_owned()),
            },
            None => Host {
                name: host,
                port: None,
            },
        }
    }
}

/// The user that a visitor claims to be by `Authorization: Basic`; nginx and HAProxy pass it on without a check of the password.
pub(super) fn basic_user(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut user = from_base64(rest.trim_ascii())?;
    let colon = user.iter().position(|&byte| byte == b':')?;
    user.truncate(colon);
    Some(user)
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for &digit in text.iter().take_while(|&&digit| digit != b'=') {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_taken_from_basic_authorization_only() {
        for (header, user) in [
            ("Basic YTpi", Some("a")),
            ("basic dXNlcjpwYXNzOndvcmQ=", Some("user")),
            ("Basic Og==", Some("")),
            ("Basic YWI=", None),
            ("Basic *", None),
            ("Bearer YTpi", None),
            ("", None),
        ] {
            let expected = user.map(|user| user.as_bytes().to_vec());
            assert_eq!(basic_user(header.as_bytes()), expected, "{header}");
        }
    }
}
