//! What a request goes by in the log and the access log: a number that is drawn when its head is whole. Called by `connection`.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a request in the log and in the access log: `4711-12`, the 12th request of process 4711.
///
/// ```
/// # use fcgi::{Request, Response};
/// fn app(req: &mut Request, res: Response) -> fcgi::Result {
///     log::info!("{}: {} is asked for", req.id(), req.path());
///     res.send("")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// Which request of this process it is: the first is 1.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("GET", "/").call(|req, res| {
    /// assert!(req.id().to_string().ends_with(&format!("-{}", req.id().number())));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", process::id(), self.0)
    }
}

/// A request's number, and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: RequestId,
    /// In ns of the monotonic clock.
    pub(crate) began: u64,
}

impl Ticket {
    /// The next number, for a request that began at this moment of the monotonic clock.
    pub(crate) fn draw(began: u64) -> Ticket {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        Ticket {
            id: RequestId(DRAWN.fetch_add(1, Ordering::Relaxed) + 1),
            began,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_a_number_of_its_own() {
        let (one, other) = (Ticket::draw(7), Ticket::draw(7));
        assert!(one.id.number() > 0 && other.id.number() > one.id.number());
        let text = format!("{}-{}", process::id(), one.id.number());
        assert_eq!(one.id.to_string(), text);
    }
}
