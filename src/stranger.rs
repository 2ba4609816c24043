//! Whoever connects and speaks no FastCGI, or asks for a role that the application does not have: what is answered, and what the
//! log says, once a minute. Called by `connection`.

use crate::protocol::{Fault, HEADER_LEN, Role};
use crate::seldom::Seldom;

/// What the log has been told of them.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    faults: Seldom,
    roles: Seldom,
}

/// What goes back to whoever asks by http, most likely a web server with the wrong directive.
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\
    \r\n\
    This is a FastCGI application, and it was asked by http. The web server in front of it has to speak FastCGI:\n\
    \n\
    nginx     fastcgi_pass ADDRESS;                       not proxy_pass\n\
    Apache    ProxyPass \"/\" \"fcgi://ADDRESS/\"             not http://\n\
    lighttpd  fastcgi.server = (...)                      not proxy.server\n\
    HAProxy   use-fcgi-app NAME, server ... proto fcgi\n\
    Caddy     reverse_proxy ADDRESS { transport fastcgi }\n\
    h2o       fastcgi.connect: ...                        not proxy.reverse.url\n\
    \n\
    The program prints the whole configuration: conf nginx. To look at it without a web server: --http 127.0.0.1:8000\n";

impl Strangers {
    /// Says in the log why a connection is closed. Returns what is to be sent before, if anything.
    pub(crate) fn turn_away(&self, fault: Fault) -> Option<&'static [u8]> {
        self.faults
            .warn(|| format!("a connection is closed: {}", reason(fault)));
        matches!(fault, Fault::Version(header) if is_http(header)).then_some(ANSWER)
    }

    /// Says in the log that a request for this role was refused.
    pub(crate) fn refuse_role(&self, role: u16) {
        self.roles.warn(|| {
            let name = match Role::from_number(role) {
                Some(Role::Responder) => " (responder)",
                Some(Role::Authorizer) => " (authorizer)",
                Some(Role::Filter) => " (filter)",
                None => "",
            };
            format!(
                "a request for role {role}{name} is refused: the application has no handler for it"
            )
        });
    }
}

fn reason(fault: Fault) -> String {
    match fault {
        // The type of a TLS handshake record (RFC 8446, section 5.1).
        Fault::Version([22, 3, ..]) => {
            "TLS came where FastCGI was expected; the web server has to end TLS".into()
        }
        Fault::Version(header) if is_http(header) => {
            "what came is http, not FastCGI; use fastcgi_pass (nginx) or fcgi:// (Apache), not proxy_pass or http://".into()
        }
        Fault::Version([version, ..]) => {
            format!("its record has version {version}, FastCGI has version 1")
        }
        fault => format!("the web server broke the FastCGI protocol: {fault:?}"),
    }
}

/// Whether these are the first bytes of a request of HTTP: a method, and the beginning of a target if there is room for one, as in
/// `GET / HT` and `PROPFIND`.
fn is_http(header: [u8; HEADER_LEN]) -> bool {
    let method = header
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match header[method..] {
        [] => true,
        [b' '] => method >= 3,
        [b' ', next, ..] => {
            method >= 3 && (next == b'/' || next == b'*' || next.is_ascii_alphabetic())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_told_from_garbage() {
        for header in [
            b"GET / HT",
            b"POST /a ",
            b"OPTIONS ",
            b"PROPFIND",
            b"GET http",
            b"PRI * HT",
        ] {
            assert!(is_http(*header), "{header:?}");
        }
        for header in [
            b"get / ht",
            b"A / HTTP",
            b"GET\0/ HT",
            b"GET \xff\xff\xff\xff",
            b"Hello, i",
            b"\x16\x03\x01\0\0\0\0\0",
        ] {
            assert!(!is_http(*header), "{header:?}");
        }
    }
}
