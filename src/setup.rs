//! What the owner of an application knows of the place that it runs in, and no web server tells. Set by the builder methods of
//! `Server` of the same names, which document it; read by requests and responses.

use crate::access_log::AccessLog;
use crate::net::Prefix;
use crate::sendfile::Sendfile;
use crate::status::StatusPage;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// What the application is reached under, without a slash at its end. `None`: found from what the web server sends.
    pub(crate) mount: Option<String>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub(crate) trusted_proxies: Vec<Prefix>,
    /// Whether visitors are shown why a request failed.
    pub(crate) debug: bool,
    /// Whether the web server sends files, and how it is asked to.
    pub(crate) sendfile: Option<Sendfile>,
    /// The file in which each request has a line, once the server has started and opened it.
    pub(crate) access_log: Option<Arc<AccessLog>>,
    /// Where the server itself says what it is doing, and to whom.
    pub(crate) status: StatusPage,
    /// The application's own flags, with what was given for them.
    pub(crate) flags: Vec<Own>,
}

/// A flag of the application's own, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) name: &'static str,
    /// What its value is called in the help.
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    /// What was given for it, or else its default.
    pub(crate) text: String,
}

impl Setup {
    /// The value of the application's flag of this name. `None`: it has no such flag.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        let own = self.flags.iter().find(|own| own.name == name)?;
        Some(&own.text)
    }
}
