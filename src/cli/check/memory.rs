//! The most memory that the program's workers can take, against what it may have.

use super::limits::{group_limit, limit};
use super::{Findings, Subject, text_of};
use crate::buffer::Buffers;
use crate::cli::words::{Words, words};
use crate::server::Server;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// What one process takes at most, in bytes; what handlers keep for themselves comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Most {
    /// The buffers of all workers.
    buffers: u64,
    /// The stacks of all workers.
    stacks: u64,
    /// Parameters of requests that are not whole yet.
    heads: u64,
}

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    if !subject.is_this {
        return;
    }
    let limits = text_of(Path::new("/proc/self/limits")).unwrap_or_default();
    let space = limit(limits, "Max address space").0;
    let status = text_of(Path::new("/proc/self/status")).unwrap_or_default();
    let program = size(status, "VmSize:");
    let group = group_limit("memory.max");
    judge(&subject.server, program, space, group, report);
}

/// `program` is the address space that the program takes before it serves. `space` is the limit of address space for each
/// process, `group` the control group's limit of memory for all of them together.
fn judge(
    server: &Server,
    program: u64,
    space: Option<u64>,
    group: Option<u64>,
    report: &mut Findings,
) {
    let most = most(server);
    let one = most.buffers + most.stacks + most.heads;
    let processes = server.processes.max(1) as u64;
    report.green(words!(
        "at most {} a process for {} workers ({} of buffers, {} of stacks, {} of waiting heads){}, besides what handlers take",
        short(one),
        server.workers,
        short(most.buffers),
        short(most.stacks),
        short(most.heads),
        match server.processes {
            0 => "",
            count => words!(", {} for {count} processes", short(one * processes)),
        }
    ));
    if let Some(space) = space.filter(|&space| space < program + one) {
        report.red(
            words!(
                "an address space of {} (as) is less than the {} that the program and its workers may take",
                short(space),
                short(program + one)
            ),
            "raise it (ulimit -v), or lower --workers, --stack-size or --max-params",
        );
    }
    if let Some(group) = group.filter(|&group| group < one * processes) {
        report.red(
            words!(
                "the control group may have {}, less than that",
                short(group)
            ),
            "raise it (MemoryMax=), or lower --workers, --processes or --max-params",
        );
    }
}

fn most(server: &Server) -> Most {
    let workers = server.workers as u64;
    Most {
        buffers: workers * Buffers::most(server.limits.max_params) as u64,
        stacks: workers * server.stack_size as u64,
        heads: server.limits.max_waiting_heads as u64,
    }
}

/// The number of bytes that a line of /proc/self/status says in kB; 0 if there is no such line.
fn size(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) << 10
}

fn short(bytes: u64) -> Words {
    match bytes {
        0..1024 => words!("{bytes} bytes"),
        1024..MIB => words!("{} KiB", bytes >> 10),
        _ => {
            let (tenths, rest) = (
                bytes.saturating_mul(10) >> 20,
                bytes.saturating_mul(10) % MIB,
            );
            // Halves to even, as a float is rounded.
            let is_up = rest > MIB / 2 || (rest == MIB / 2 && tenths % 2 == 1);
            let tenths = tenths + u64::from(is_up);
            words!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn the_most_is_computed_and_held_against_the_limits() {
        let server = Server::new().workers(2).stack_size(1 << 20).processes(3);
        let most = most(&server);
        assert_eq!((most.stacks, most.heads), (2 << 20, 1 << 20));
        assert!(most.buffers > 4 * (256 << 10));
        let one = most.buffers + most.stacks + most.heads;
        let levels = |space, group| -> Vec<Level> {
            let found = Findings::of(|report| judge(&server, 1000, space, group, report));
            found.into_iter().map(|found| found.level).collect()
        };
        use Level::{Green, Red};
        assert_eq!(levels(None, None), [Green]);
        assert_eq!(levels(Some(one + 1000), Some(one * 3)), [Green]);
        assert_eq!(levels(Some(one + 999), None), [Green, Red]);
        assert_eq!(levels(None, Some(one * 3 - 1)), [Green, Red]);
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(size("VmPeak:\t 9 kB\nVmSize:\t    2 kB\n", "VmSize:"), 2048);
        assert_eq!(size("", "VmSize:"), 0);
        assert_eq!(
            [5, 2048, 3 << 19, 5 << 18, 7 << 18, (3 << 20) - 1].map(short),
            [
                "5 bytes", "2 KiB", "1.5 MiB", "1.2 MiB", "1.8 MiB", "3.0 MiB"
            ]
        );
    }
}
