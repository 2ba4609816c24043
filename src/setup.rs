//! What the application's owner knows of the place that it runs in and no web server says: set by the builder methods of
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
    /// Where each request has a line, opened when the server starts.
    pub(crate) access_log: Option<Arc<AccessLog>>,
    /// Where the server itself answers what it is doing.
    pub(crate) status: StatusPage,
}
