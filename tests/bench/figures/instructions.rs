//! User instructions a request, as valgrind's callgrind counts them: no other process and no speed changes them.

use crate::alone;
use crate::built::{ALL, built};
use crate::folder::Folder;
use crate::load::{BYTES, CLOSED, DRAINED, KEPT, Load};
use crate::testbed::Testbed;
use crate::{recorded, tools};
use std::path::Path;
use std::process::Command;

/// Of the smallest program, so that they are the library's own.
#[test]
fn a_request_takes_few_instructions() {
    instructions(
        "hello",
        &[(CLOSED, Pace::Free, 500), (KEPT, Pace::InStep, 500)],
    );
}

#[test]
fn a_large_body_takes_few_instructions() {
    instructions(
        "testbed",
        &[(DRAINED, Pace::InStep, 40), (BYTES, Pace::InStep, 40)],
    );
}

/// Under valgrind a program is slow enough that a request is always there when it has a connection. Whether the next one of
/// a connection is, how many pieces of a body are, and how much room an answer finds would be a matter of the scheduler:
/// these are exchanged in step, so that the program always has to wait.
#[derive(Clone, Copy)]
enum Pace {
    Free,
    InStep,
}

fn instructions(example: &str, loads: &[(Load, Pace, usize)]) {
    let _alone = alone();
    let folder = Folder::new();
    if !tools::valgrind() {
        return;
    }
    let Some(program) = built(example, ALL, &folder) else {
        return;
    };
    for (load, pace, requests) in loads {
        let few = count(&program, load, *pace, *requests);
        let many = count(&program, load, *pace, 2 * requests);
        let each = (many - few) / *requests as u64;
        recorded::compare(&format!("instructions, {}", load.name), each, 5);
    }
}

/// Those of a whole run, from its start to its stop.
fn count(program: &Path, load: &Load, pace: Pace, requests: usize) -> u64 {
    let folder = Folder::new();
    let counts = folder.path("counts");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--tool=callgrind"]);
    valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    // With several workers, who waits for whom is a matter of the scheduler.
    let server = Testbed::watched(valgrind, program, &folder, 1);
    match pace {
        Pace::Free => load.run(&server.socket, requests),
        Pace::InStep => {
            load.run_in_step(&server.socket, requests, || server.wait_until_asleep());
        }
    }
    server.stop_watched();
    let text = std::fs::read_to_string(counts).unwrap();
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    totals
        .expect("callgrind has written totals")
        .parse()
        .unwrap()
}
