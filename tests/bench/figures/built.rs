//! The programs that are measured: static, as they are put on a web host, or linked as cargo does it. They are built first,
//! so that no older one is measured; one that is up to date takes no time.

use crate::folder::Folder;
use crate::tools::skip;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a deployed program has.
pub const ALL: &str = "toolbox,multipart";
pub const NOTHING: &str = "";

/// An example with the default features, beside the test itself.
pub fn linked(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--example", example])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    target.join("release/examples").join(example)
}

/// A copy of an example with these features, on the disk; `None`, said on the terminal, where no static program can be built.
pub fn built(example: &str, features: &str, folder: &Folder) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        skip("figures of static programs, which a Linux with glibc builds");
        return None;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("scripts/build-static")
        .arg(example)
        .env("FEATURES", features)
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (path, _) = text.lines().last().unwrap().rsplit_once(' ').unwrap();
    // Another set of features overwrites it.
    let copy = folder.path(example);
    std::fs::copy(std::path::Path::new(root).join(path), &copy).unwrap();
    // The pages of a new executable count as memory of the process until they are written back.
    assert!(Command::new("sync").status().unwrap().success());
    Some(copy)
}
