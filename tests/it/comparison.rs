//! `scripts/bench` as far as it is the same on every machine: that it starts, asks what it says, and finds its places in the
//! page. What it measures is not looked at.

use crate::served::Folder;
use crate::testbed::{self, Testbed};
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A few lines that have the comparison's modules at hand.
fn python(lines: &str, arguments: &[&str]) -> Output {
    let folder = root().join("tests/bench/compare");
    let lines = format!("import sys\nsys.path.insert(0, {folder:?})\n{lines}");
    let mut python = Command::new("python3");
    python.args(["-B", "-c", &lines]).args(arguments);
    python.output().expect("python3 is here")
}

#[track_caller]
fn text(output: &Output) -> &str {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn its_command_line_is_read_before_anything_is_built() {
    let mut help = Command::new(root().join("scripts/bench"));
    let help = help.arg("--help").output().unwrap();
    for flag in ["--growth", "--rounds", "--seconds", "--page"] {
        assert!(text(&help).contains(flag), "{flag}");
    }
    let mut wrong = Command::new(root().join("scripts/bench"));
    let wrong = wrong.args(["--servers", "apache"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        said.contains("apache is none of limit, fcgi, libfcgi"),
        "{said}"
    );
}

/// The limit server waits for so many bytes, and what it answers has to pass for an answer.
#[test]
fn a_request_is_as_long_as_what_bench_sends_and_every_answer_is_compared() {
    let testbed = Testbed::listening(2);
    let folder = Folder::new();
    let program = testbed::command().get_program().to_owned();
    let lines = "import workloads\n\
                 load = workloads.Load(sys.argv[1], sys.argv[2], '/srv/app.php')\n\
                 for one in workloads.ALL[:4]:\n\
                 \x20   told = load.run(workloads.alone(one), sys.argv[3], requests=2)\n\
                 \x20   print(one.name, told['requests'], told['bytes_sent'] == 2 * len(load.request(one)))\n";
    let output = python(
        lines,
        &[
            program.to_str().unwrap(),
            folder.path().to_str().unwrap(),
            &testbed.address().to_string(),
        ],
    );
    assert_eq!(
        text(&output),
        "W1 2 True\nW2 2 True\nW3 2 True\nW4 2 True\n"
    );
}

#[test]
fn tables_have_their_places_in_the_page_and_what_stands_around_stays() {
    let folder = Folder::new();
    let page = folder.path().join("page.md");
    std::fs::copy(root().join("tests/bench/README.md"), &page).unwrap();
    let lines = "import growth, tables, workloads\n\
                 from pathlib import Path\n\
                 names = [one.name for one in workloads.ALL] + ['compared-machine', 'memory', 'system-calls', 'instructions', 'growth-machine']\n\
                 names += list(growth.texts({'workers': [], 'connections': [], 'bodies': [], 'params': []}))\n\
                 for text in ('former', 'latter'):\n\
                 \x20   print(tables.into_page(Path(sys.argv[1]), {name: f'{text} {name}.' for name in names}))\n\
                 print(tables.into_page(Path(sys.argv[1]), {'W7': 'nowhere'}))\n";
    let output = python(lines, &[page.to_str().unwrap()]);
    assert_eq!(text(&output), "[]\n[]\n['W7']\n");
    let written = std::fs::read_to_string(page).unwrap();
    assert!(
        !written.contains("former")
            && written.contains("latter W5.")
            && written.contains("latter growth-params.")
    );
    assert!(written.contains("## How it measures") && written.contains("\"starved\" are"));
}
