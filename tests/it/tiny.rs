//! The feature `tiny`: what it saves, and what it costs.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use crate::testbed::command_of;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// glibc's `pthread_getattr_np` reads a file of /proc by its scanf, which has tables of every locale.
#[test]
fn tiny_saves_a_hundred_kilobytes_and_costs_the_words_of_a_stack_overflow() {
    let (plain, tiny) = (built(""), built("tiny"));
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    let saved = size(&plain).saturating_sub(size(&tiny));
    println!("figure: {saved} bytes smaller with tiny");
    assert!(saved > 90_000, "{saved} bytes");

    for program in [&plain, &tiny] {
        let told = asked(program, "/");
        let page = String::from_utf8_lossy(&told.stdout);
        assert!(page.ends_with("\r\n\r\nHello, world!"), "{told:?}");
    }
    let told = asked(&plain, "/deep");
    assert_eq!(told.status.signal(), Some(SIGABRT), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stderr).contains("has overflowed its stack"));
    let told = asked(&tiny, "/deep");
    assert_eq!(told.status.signal(), Some(SIGSEGV), "{told:?}");
    assert!(told.stderr.is_empty(), "{told:?}");
}

/// The program as one static file. Not as it is shipped, which takes minutes: the C library's part is the same.
fn built(features: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.ancestors().nth(3).expect("target/PROFILE/deps/it");
    let target = target.join("tiny");
    let host = host();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--offline", "--example", "tiny"]);
    build.args(["--no-default-features", "--features", features]);
    build
        .args(["--target", &host, "--target-dir"])
        .arg(&target)
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C relocation-model=static",
        )
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_DEV_STRIP", "true")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = build.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let built = target.join(host).join("debug/examples/tiny");
    // The next build overwrites it.
    let copy = target.join(format!("tiny-{features}"));
    std::fs::copy(built, &copy).unwrap();
    copy
}

fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let said = String::from_utf8(output.stdout).unwrap();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// As a CGI program.
fn asked(program: &Path, path: &str) -> Output {
    let mut command = command_of(program);
    command.envs([
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", path),
        ("PATH_INFO", path),
    ]);
    command.stdout(std::process::Stdio::piped());
    command.output().unwrap()
}
