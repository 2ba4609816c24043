//! Limits of the process and of its control group that the program would meet.

use super::{Findings, Subject, text_of};
use crate::cli::words::words;
use crate::server::Server;
use std::path::{Path, PathBuf};

/// Threads of a process besides its workers.
const OTHER_THREADS: u64 = 1;

/// With fewer open files, connections and the application's own files run short in a busy minute.
const FEW_FILES: u64 = 64;

/// Soft and hard limit; `None` is no limit.
type Limit = (Option<u64>, Option<u64>);

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let text = text_of(Path::new("/proc/self/limits")).unwrap_or_default();
    judge(text, &subject.server, report);
    of_group(&subject.server, report);
    if report.is_empty() {
        let files = limit(text, "Max open files").1;
        let connections = subject.server.limits.max_connections;
        let files = files.map_or("unlimited".into(), |files| files.to_string());
        report.green(words!(
            "none is in the way; {files} open files, for {connections} connections at most"
        ));
    }
}

/// The number of threads that are needed at most, over all processes.
fn threads(server: &Server) -> u64 {
    let processes = server.processes.max(1) as u64;
    processes * (server.workers as u64 + OTHER_THREADS)
}

fn judge(text: &str, server: &Server, report: &mut Findings) {
    let needed = threads(server);
    if let Some(most) = limit(text, "Max processes").0
        && most < needed
    {
        report.red(
            words!("this user may have {most} processes and threads (nproc), and the workers need {needed}"),
            words!("raise it (ulimit -u, LimitNPROC=), or --workers {}", most.saturating_sub(1).max(1)),
        );
    }
    if let Some(most) = limit(text, "Max open files").1
        && most < FEW_FILES
    {
        let connections = server.limits.max_connections;
        report.yellow(
            words!(
                "only {most} files may be open (nofile), which leaves {connections} connections"
            ),
            "raise it: ulimit -n 1024, LimitNOFILE=",
        );
    }
    if let Some(most) = limit(text, "Max cpu time").0 {
        report.yellow(
            words!("a process is killed after {most} s of work (cpu), and a FastCGI process lives for days"),
            "have the host lift it for FastCGI (ulimit -t unlimited, RLimitCPU)",
        );
    }
    if let Some(most) = limit(text, "Max file size").0 {
        report.yellow(
            words!("files end at {most} bytes (fsize): uploads and logs, too"),
            "raise it: ulimit -f unlimited",
        );
    }
}

/// The limit that a line of /proc/self/limits has.
pub(super) fn limit(text: &str, name: &str) -> Limit {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let mut numbers = line
        .unwrap_or("")
        .split_whitespace()
        .map(|word| word.parse().ok());
    (numbers.next().flatten(), numbers.next().flatten())
}

/// The least limit of that name, of this process's control group and those above: `memory.max`, `pids.max`.
pub(super) fn group_limit(name: &str) -> Option<u64> {
    let text = text_of(Path::new("/proc/self/cgroup"))?;
    let mut least = None;
    for file in limit_files(text, name) {
        let limit = text_of(&file).and_then(|text| text.trim().parse::<u64>().ok());
        // cgroup v1 writes no limit as the largest number of whole pages.
        if let Some(limit) = limit.filter(|&limit| limit < 1 << 60) {
            least = Some(least.map_or(limit, |least: u64| least.min(limit)));
        }
    }
    least
}

/// The files that may have that limit, for the control groups of /proc/self/cgroup's text and those above them. In cgroup v2
/// there is one tree of groups; in v1 one for each controller, and the limit of memory has another name.
fn limit_files(text: &str, name: &str) -> Vec<PathBuf> {
    let controller = name.split('.').next().unwrap_or("");
    let old_name = match name {
        "memory.max" => "memory.limit_in_bytes",
        other => other,
    };
    let root = Path::new("/sys/fs/cgroup");
    let mut files = Vec::new();
    for line in text.lines() {
        let behind = line
            .split_once(':')
            .and_then(|(_, rest)| rest.split_once(":/"));
        let (root, name, path) = match behind {
            Some(("", path)) => (root.to_owned(), name, path),
            Some((all, path)) if all.split(',').any(|one| one == controller) => {
                (root.join(controller), old_name, path)
            }
            _ => continue,
        };
        for group in root.join(path).ancestors() {
            if group.starts_with(&root) {
                files.push(group.join(name));
            }
        }
    }
    files
}

fn of_group(server: &Server, report: &mut Findings) {
    let needed = threads(server);
    if let Some(most) = group_limit("pids.max")
        && most < needed
    {
        report.red(
            words!("the control group may have {most} processes and threads, and the workers need {needed}"),
            "raise it (TasksMax=), or lower --workers",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    const TEXT: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                        Max cpu time              unlimited            unlimited            seconds   \n\
                        Max file size             unlimited            unlimited            bytes     \n\
                        Max processes             100                  200                  processes \n\
                        Max open files            1024                 524288               files     \n";

    #[test]
    fn a_line_has_two_limits() {
        assert_eq!(limit(TEXT, "Max processes"), (Some(100), Some(200)));
        assert_eq!(limit(TEXT, "Max cpu time"), (None, None));
        assert_eq!(limit("", "Max cpu time"), (None, None));
    }

    #[test]
    fn both_kinds_of_control_groups_have_limits() {
        let files = |text: &str, name| -> Vec<String> {
            let files = limit_files(text, name).into_iter();
            files.map(|file| file.display().to_string()).collect()
        };
        let root = "/sys/fs/cgroup";
        assert_eq!(
            files("0::/a/b\n", "pids.max"),
            ["/a/b", "/a", ""].map(|group| format!("{root}{group}/pids.max"))
        );
        let old = "9:pids:/a\n4:cpu,memory:/\n1:name=systemd:/x\n";
        assert_eq!(
            files(old, "pids.max"),
            ["/a", ""].map(|group| format!("{root}/pids{group}/pids.max"))
        );
        assert_eq!(
            files(old, "memory.max"),
            [format!("{root}/memory/memory.limit_in_bytes")]
        );
        assert!(files("", "pids.max").is_empty() && files("x\n0:\n", "pids.max").is_empty());
    }

    #[test]
    fn what_is_too_low_is_told() {
        let server = Server::new().workers(20).processes(4);
        for (from, to, level, words) in [
            ("", "", None, ""),
            ("100  ", "83   ", Some(Level::Red), "the workers need 84"),
            ("524288", "50    ", Some(Level::Yellow), "only 50 files"),
            (
                "time              unlimited",
                "time              60",
                Some(Level::Yellow),
                "after 60 s",
            ),
            (
                "size             unlimited",
                "size             9",
                Some(Level::Yellow),
                "end at 9 bytes",
            ),
        ] {
            let text = TEXT.replacen(from, to, 1);
            let found = Findings::of(|report| judge(&text, &server, report));
            let first = found.first();
            assert_eq!(first.map(|found| found.level), level, "{words}");
            assert!(
                first.is_none_or(|found| found.what.contains(words)),
                "{found:?}"
            );
        }
    }
}
