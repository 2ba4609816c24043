//! Everything that grows has a limit, and every wait an end: their names and defaults.

use crate::buffer::WINDOW;
use crate::net::sys::descriptor_limits;
use std::time::Duration;

/// Set by the builder methods of `Server` of the same names, which document them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) first_byte_timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) linger_timeout: Duration,
    /// Of a request that runs longer the log is told; zero: never.
    pub(crate) slow: Duration,
    /// A request that runs longer ends its process, where that can be replaced; zero: never.
    pub(crate) timeout: Duration,
    pub(crate) max_params: usize,
    pub(crate) max_pairs: usize,
    pub(crate) max_pair: usize,
    pub(crate) max_waiting_heads: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_body: u64,
    /// Whether connections carry several requests at once.
    pub(crate) multiplex: bool,
    /// How much is kept of a request's body then.
    pub(crate) mpx_body: usize,
    /// For how long that body may hold up the other requests then.
    pub(crate) mpx_stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            first_byte_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            // Below mod_fcgid's FcgidIOTimeout of 40 s, so that our log line comes before its 500.
            write_timeout: Duration::from_secs(30),
            // Above nginx's 60 s, so that it is nginx who closes a kept connection.
            idle_timeout: Duration::from_secs(120),
            linger_timeout: Duration::from_secs(5),
            slow: Duration::ZERO,
            timeout: Duration::ZERO,
            max_params: 256 << 10,
            max_pairs: 4096,
            max_pair: 224 << 10,
            max_waiting_heads: 1 << 20,
            max_connections: default_connections(descriptor_limits().1),
            max_body: u64::MAX,
            multiplex: false,
            mpx_body: WINDOW,
            mpx_stall: Duration::from_secs(1),
        }
    }
}

/// The least that `max_params` can be: the bytes of the next request that a kept connection has read already go to the same room.
pub(crate) const MIN_PARAMS: usize = WINDOW;

/// The most fields of a response: HAProxy refuses more.
pub(crate) const MAX_FIELDS: usize = 100;

/// The most bytes of a response's head: Apache's modules refuse more.
pub(crate) const MAX_RESPONSE_HEAD: usize = 8 << 10;

/// A larger head is warned of: nginx's smallest buffer holds so much.
pub(crate) const LARGE_RESPONSE_HEAD: usize = 4 << 10;

/// Descriptors that we have open without a connection: the three standard ones, a listener or two, those of the accept loop.
const OURS: usize = 12;

impl Limits {
    /// The same limits, with no more connections than this process may have descriptors for.
    pub(crate) fn in_this_process(mut self) -> Limits {
        let (descriptors, _) = descriptor_limits();
        self.max_connections = self.max_connections.min(default_connections(descriptors));
        self
    }

    /// From how many ms on a request is slow, rounded up; 0 where none is.
    pub(crate) fn slow_ms(&self) -> u64 {
        u64::try_from(self.slow.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// What the log is told when `max_connections` are open.
    pub(crate) fn why_full(&self) -> String {
        let most = self.max_connections;
        let (descriptors, _) = descriptor_limits();
        match most == default_connections(descriptors) {
            true => {
                format!("max_connections are open, {most} as {descriptors} files may be: ulimit -n")
            }
            false => format!("max_connections are open, {most}"),
        }
    }
}

/// The most connections that leave some of so many descriptors to the application: 64 less our own, or half of what we do not need
/// ourselves where that is less.
fn default_connections(descriptors: usize) -> usize {
    let others = descriptors.saturating_sub(OURS);
    let applications = (others / 2).min(64 - OURS);
    (others - applications).clamp(1, 16_384)
}

#[cfg(test)]
mod tests {
    #[test]
    fn connections_leave_descriptors_for_the_application() {
        for (descriptors, connections) in [
            (0, 1),
            (16, 2),
            (32, 10),
            (100, 44),
            (256, 192),
            (1024, 960),
            (usize::MAX, 16_384),
        ] {
            assert_eq!(super::default_connections(descriptors), connections);
        }
    }
}
