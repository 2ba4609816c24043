//! System calls a request, as strace counts them.

use crate::alone;
use crate::built::{ALL, built};
use crate::folder::Folder;
use crate::load::{BYTES, CLOSED, COUNTED, KEPT, Load};
use crate::testbed::Testbed;
use crate::tools;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[test]
fn a_request_takes_few_system_calls() {
    let _alone = alone();
    let folder = Folder::new();
    if !tools::strace() {
        return;
    }
    let Some(testbed) = built("testbed", ALL, &folder) else {
        return;
    };
    // How many at most, in tenths. How a MiB is cut is a matter of the scheduler.
    for (load, requests, most) in [
        (CLOSED, 500, 61),
        (KEPT, 500, 21),
        (COUNTED, 100, 250),
        (BYTES, 100, 200),
    ] {
        let (few, many) = (
            calls(&testbed, &load, requests),
            calls(&testbed, &load, 2 * requests),
        );
        let count = |calls: &Calls| calls.values().sum::<i64>();
        let tenths = (count(&many) - count(&few)) * 10 / requests as i64;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        println!("figure: {whole}.{tenth} system calls, {}", load.name);
        let which = difference(&few, &many, requests);
        assert!(tenths <= most, "{}: {whole}.{tenth}: {which}", load.name);
    }
}

type Calls = BTreeMap<String, i64>;

/// The calls of a whole run, from its start to its stop, by name.
fn calls(program: &Path, load: &Load, requests: usize) -> Calls {
    let folder = Folder::new();
    let counts = folder.path("counts");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-c", "-o"]).arg(&counts);
    let server = Testbed::watched(strace, program, &folder, 4);
    // A thread's start takes some too.
    server.have_all_work(4);
    load.run(&server.socket, requests);
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

/// What a request makes, each.
fn difference(few: &Calls, many: &Calls, requests: usize) -> String {
    let each = many.iter().map(|(name, count)| {
        let more = count - few.get(name).copied().unwrap_or(0);
        (name, more as f64 / requests as f64)
    });
    let seen = each.filter(|(_, each)| each.abs() >= 0.05);
    let words: Vec<String> = seen
        .map(|(name, each)| format!("{name} {each:.1}"))
        .collect();
    words.join(", ")
}
