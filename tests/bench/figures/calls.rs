//! System calls a request, as strace counts them.

use crate::alone;
use crate::built::{ALL, built};
use crate::folder::Folder;
use crate::load::{BYTES, CLOSED, COUNTED, KEPT};
use crate::testbed::Testbed;
use crate::{recorded, tools};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is promised, in hundredths. How a MiB is cut is a matter of the scheduler, and now and then another worker wakes: the
/// best of some runs counts, since nothing of that makes calls fewer.
#[test]
fn a_request_takes_few_system_calls() {
    let _alone = alone();
    let folder = Folder::new();
    let Some(testbed) = testbed(&folder) else {
        return;
    };
    for (load, requests, most) in [
        (CLOSED, 500, 610),
        (KEPT, 500, 210),
        (COUNTED, 100, 2500),
        (BYTES, 100, 2000),
    ] {
        let count = |requests| {
            calls(&testbed, 4, |server| {
                // A thread's start takes some too.
                server.have_all_work(4);
                load.run(&server.socket, requests);
            })
        };
        let mut tries = (0..5).map(|_| Each::of(&count, requests));
        let mut each = tries.next().unwrap();
        while each.hundredths > most
            && let Some(another) = tries.next()
        {
            each = another;
        }
        println!("figure: system calls, {}: {each}", load.name);
        assert!(each.hundredths <= most, "{}: {each}", load.name);
    }
}

/// With one worker and in step they are the same at every run, so that a single one more a request or a piece is seen.
#[test]
fn a_request_in_step_takes_as_many_system_calls_as_recorded() {
    let _alone = alone();
    let folder = Folder::new();
    let Some(testbed) = testbed(&folder) else {
        return;
    };
    for (load, requests) in [(CLOSED, 200), (KEPT, 200), (COUNTED, 40), (BYTES, 40)] {
        let count = |requests| {
            calls(&testbed, 1, |server| {
                load.run_in_step(&server.socket, requests, || server.wait_until_asleep());
            })
        };
        let each = Each::of(&count, requests);
        println!("figure: in step: {each}");
        let name = format!("system calls of 100 requests in step, {}", load.name);
        // Some are made once a second.
        recorded::compare(&name, each.hundredths, 3);
    }
}

/// `None`, said on the terminal, where nothing can be counted.
fn testbed(folder: &Folder) -> Option<PathBuf> {
    match tools::strace() {
        true => built("testbed", ALL, folder),
        false => None,
    }
}

type Calls = BTreeMap<String, i64>;

/// What a request takes.
struct Each {
    hundredths: u64,
    which: BTreeMap<String, f64>,
}

impl Each {
    fn of(count: &impl Fn(usize) -> Calls, requests: usize) -> Each {
        let (few, mut more) = (count(requests), count(2 * requests));
        for (name, count) in few {
            *more.entry(name).or_default() -= count;
        }
        let all: i64 = more.values().sum();
        let each = more
            .into_iter()
            .map(|(name, count)| (name, count as f64 / requests as f64));
        Each {
            hundredths: u64::try_from(all * 100).unwrap() / requests as u64,
            which: each.filter(|(_, each)| each.abs() >= 0.05).collect(),
        }
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{:02}", self.hundredths / 100, self.hundredths % 100)?;
        self.which
            .iter()
            .try_for_each(|(name, each)| write!(f, ", {name} {each:.1}"))
    }
}

/// The calls of a whole run, from its start to its stop, by name.
fn calls(program: &Path, workers: usize, load: impl Fn(&Testbed)) -> Calls {
    let folder = Folder::new();
    let counts = folder.path("counts");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-c", "-o"]).arg(&counts);
    let server = Testbed::watched(strace, program, &folder, workers);
    load(&server);
    server.stop_watched();
    let text = std::fs::read_to_string(counts).unwrap();
    let calls: Calls = text.lines().filter_map(line).collect();
    assert!(!calls.is_empty(), "{text}");
    calls
}

/// `  0.00    0.000000           0         3         1 openat`, where errors may be missing.
fn line(line: &str) -> Option<(String, i64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = words.last().filter(|&&name| name != "total")?;
    Some(((*name).to_owned(), words.get(3)?.parse().ok()?))
}
