//! Everything that grows has a limit, and every wait an end: their names and defaults.

use crate::buffer::WINDOW;
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
    /// What runs longer is told; zero: never.
    pub(crate) slow: Duration,
    /// What runs longer costs the process, where it can be replaced; zero: never.
    pub(crate) timeout: Duration,
    pub(crate) max_params: usize,
    pub(crate) max_pairs: usize,
    pub(crate) max_pair: usize,
    pub(crate) max_waiting_heads: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_body: u64,
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
            max_connections: default_connections(crate::net::sys::descriptor_limits().1),
            max_body: u64::MAX,
        }
    }
}

/// The least that `max_params` can be: what a kept connection carries over lies in the same room.
pub(crate) const MIN_PARAMS: usize = WINDOW;

/// The most fields of a response, and its head's bytes: nginx's smallest buffer is 4 KiB, Apache's modules
/// refuse above 8 KiB, HAProxy above 100 fields.
pub(crate) const MAX_FIELDS: usize = 100;
pub(crate) const MAX_RESPONSE_HEAD: usize = 8 << 10;
pub(crate) const LARGE_RESPONSE_HEAD: usize = 4 << 10;

/// Descriptors that we have open without a connection: standard input and the like, a listener or two, the loop's.
const OURS: usize = 12;

impl Limits {
    /// With no more connections than there may be descriptors now.
    pub(crate) fn in_this_process(mut self) -> Limits {
        let (descriptors, _) = crate::net::sys::descriptor_limits();
        self.max_connections = self.max_connections.min(default_connections(descriptors));
        self
    }

    /// What there is to say when `max_connections` are open.
    pub(crate) fn why_full(&self) -> String {
        let most = self.max_connections;
        let (descriptors, _) = crate::net::sys::descriptor_limits();
        match most == default_connections(descriptors) {
            true => {
                format!("max_connections are open, {most} as {descriptors} files may be: ulimit -n")
            }
            false => format!("max_connections are open, {most}"),
        }
    }
}

/// How many leave some descriptors to the application: 64, or half of those beside our own where they are few.
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
