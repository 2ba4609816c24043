//! C code in a static program: what net/sys.rs puts in glibc's stead, and what scripts/small-libc leaves out, must not be in its
//! way. Here, since its build would disturb tests that run beside it.

use crate::alone;
use std::path::Path;
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn c_code_of_a_static_program_looks_names_up() {
    let _alone = alone();
    assert_eq!(says("names", STATIC), "2 names\n");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn c_code_finds_all_of_a_small_libc() {
    let _alone = alone();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("scripts/small-libc")
        .arg(top.join("target/static-names/libc"))
        .current_dir(top)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let small = String::from_utf8(made.stdout).unwrap();
    let flags = format!("{STATIC} {}", small.trim_end());
    assert_eq!(says("names", &flags), "2 names\n");
    assert_eq!(says("letters", &flags), "AB\n");
}

/// Optimised as a whole, since only then nothing else brings in glibc's own state of the resolver, and the tables of letters.
fn says(example: &str, flags: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = top.join("target/static-names");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--no-default-features"])
        .args(["--example", example, "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", flags)
        .current_dir(top)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{log}");
    let program = folder.join(TARGET).join("release/examples").join(example);
    let said = Command::new(program).arg("look").output().unwrap();
    assert!(said.status.success(), "{}", said.status);
    String::from_utf8(said.stdout).unwrap()
}
