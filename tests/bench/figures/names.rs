//! Names in a static program: what net/sys.rs puts in glibc's stead must not be in the way of C code that looks one up. Here,
//! since its build would disturb tests that run beside it.

use crate::alone;
use std::path::Path;
use std::process::Command;

/// Optimised as a whole, since only then nothing else brings glibc's own state of the resolver in.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn c_code_of_a_static_program_looks_names_up() {
    let _alone = alone();
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = top.join("target/static-names");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--no-default-features",
            "--example",
            "names",
        ])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&folder)
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C relocation-model=static",
        )
        .current_dir(top)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{log}");
    let program = folder.join(TARGET).join("release/examples/names");
    let looked = Command::new(program).arg("look").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&looked.stdout), "2 names\n");
    assert!(looked.status.success(), "{}", looked.status);
}
