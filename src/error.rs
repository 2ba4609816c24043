//! What a handler can fail with, and which status the web server is told then. Called by applications, and by whatever in the
//! library refuses a request.

use std::any::Any;
use std::error::Error as StdError;
use std::{fmt, io};

/// What handlers return.
///
/// ```
/// fn number(text: &str) -> fcgi::Result<u32> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(number("7").unwrap(), 7);
/// assert_eq!(number("seven").unwrap_err().status(), 500);
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a request failed: a status for the visitor, and details for the log.
///
/// Any error converts into one by `?`, as status 500. An [`io::Error`] names no file: say it by
/// `.map_err(|e| Error::new(500, format!("{}: {e}", path.display())))`. The visitor sees the status and its words, never the message, which
/// is for the log: it may say what a stranger should not read. Only [`Server::debug`](crate::Server::debug) shows it, and
/// an [`error page`](crate::Server::error_page) of the application's own sees both. It does not implement [`std::error::Error`] itself, which is what lets `?` convert all that do.
///
/// ```
/// use fcgi::{Error, Request, Response};
///
/// fn page(req: &mut Request, res: Response) -> fcgi::Result {
///     let name = req.query().strip_prefix("name=").ok_or_else(|| Error::new(400, "the name is missing"))?;
///     let text = std::fs::read_to_string("greeting.txt")?; // a 500, and the log says why
///     res.send(format!("{text}, {name}"))
/// }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    status: u16,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether the log has been told of it already.
    told: bool,
    /// In how many seconds it is worth asking again, where that is known.
    retry_after: Option<u64>,
}

impl Error {
    /// An error with the status that answers the request, and a message for the log.
    ///
    /// A status that is no error (outside 400–599) counts as 500.
    ///
    /// ```
    /// let error = fcgi::Error::new(404, "there is no guest 17");
    /// assert_eq!((error.status(), error.to_string().as_str()), (404, "there is no guest 17"));
    /// ```
    pub fn new(status: u16, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            status: of_an_error(status),
            message: message.into(),
            source: None,
            told: false,
            retry_after: None,
        }))
    }

    /// The status that answers the request.
    ///
    /// ```
    /// # use fcgi::Error;
    /// assert_eq!(Error::from(std::fmt::Error).status(), 500); // as any error that becomes one by `?`
    /// ```
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The same error with another status: `read(path).map_err(|e| Error::from(e).with_status(404))`.
    ///
    /// ```
    /// # use fcgi::Error;
    /// let read = std::fs::read("/no/such/file").map_err(|e| Error::from(e).with_status(404));
    /// assert_eq!(read.unwrap_err().status(), 404);
    /// ```
    pub fn with_status(mut self, status: u16) -> Error {
        self.0.status = of_an_error(status);
        self
    }

    /// The error that this one was made from.
    ///
    /// ```
    /// # use fcgi::Error;
    /// use std::io;
    ///
    /// let error = Error::from(io::Error::from(io::ErrorKind::NotFound));
    /// let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    /// assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    /// assert!(Error::new(400, "of our own").source().is_none());
    /// ```
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }

    /// The same error, without a line in the log: it has one already, or needs none.
    pub(crate) fn told(mut self) -> Error {
        self.0.told = true;
        self
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.told
    }

    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Error {
        self.0.retry_after = Some(seconds);
        self
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.0.retry_after
    }

    /// Whether the error is that the connection is gone, which is everyday and nobody's fault.
    pub(crate) fn is_disconnect(&self) -> bool {
        let Some(source) = &self.0.source else {
            return false;
        };
        source
            .downcast_ref::<io::Error>()
            .is_some_and(is_disconnect)
    }
}

/// Whether the other end has closed the connection: nginx does right after the head of a HEAD, a visitor who presses stop anywhere.
pub(crate) fn is_disconnect(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | ConnectionAborted | NotConnected
    )
}

/// A status that is no error counts as 500.
fn of_an_error(status: u16) -> u16 {
    match status {
        400..600 => status,
        _ => 500,
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Error {
        let carried = (&error as &dyn Any)
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if carried.is_some_and(|inner| inner.is::<Carried>()) {
            // An Error that went through an io::Error is taken out of it, with its status.
            let boxed: Box<dyn Any> = Box::new(error);
            let inner = boxed
                .downcast::<io::Error>()
                .ok()
                .and_then(|error| error.into_inner());
            if let Some(Ok(carried)) = inner.map(|inner| inner.downcast::<Carried>()) {
                return carried.0;
            }
            return Error::new(500, "an error that was lost on its way");
        }
        let message = error.to_string();
        Error(Box::new(Inner {
            status: 500,
            message,
            source: Some(Box::new(error)),
            told: false,
            retry_after: None,
        }))
    }
}

/// An [`Error`] on its way through an [`io::Error`].
struct Carried(Error);

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let source = error
            .0
            .source
            .as_ref()
            .and_then(|source| source.downcast_ref::<io::Error>());
        let kind = match (source, error.0.status) {
            (Some(source), _) => source.kind(),
            (None, 400) => io::ErrorKind::InvalidData,
            (None, 403) => io::ErrorKind::PermissionDenied,
            (None, 404) => io::ErrorKind::NotFound,
            (None, 408) => io::ErrorKind::TimedOut,
            (None, _) => io::ErrorKind::Other,
        };
        io::Error::new(kind, Carried(error))
    }
}

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// As [`Display`](fmt::Display): `fn main() -> Result` prints it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_is_a_500_with_its_words_and_source() {
        let error = Error::from("x".parse::<u8>().unwrap_err());
        assert_eq!(error.status(), 500);
        assert_eq!(
            format!("{error} {error:?}"),
            "invalid digit found in string invalid digit found in string"
        );
        assert!(error.source().unwrap().is::<std::num::ParseIntError>());
    }

    #[test]
    fn a_status_survives_the_way_through_an_io_error() {
        let error: io::Error = Error::new(413, "too large").into();
        assert_eq!(error.to_string(), "too large");
        assert_eq!(
            format!("{error:?}"),
            "Custom { kind: Other, error: too large }"
        );
        let error = Error::from(error);
        assert_eq!(
            (error.status(), error.to_string()),
            (413, "too large".into())
        );
    }

    #[test]
    fn an_io_error_keeps_its_kind_there_and_back() {
        let error = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(error.is_disconnect());
        let error: io::Error = error.with_status(404).into();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(Error::from(error).status(), 404);
    }

    #[test]
    fn a_status_that_is_no_error_counts_as_500() {
        assert_eq!(Error::new(200, "").status(), 500);
        assert_eq!(Error::new(600, "").status(), 500);
        assert_eq!(Error::new(404, "").with_status(302).status(), 500);
    }
}
