//! The sizes of programs, as they are copied to a web host.

use crate::built::{ALL, NOTHING, built, linked};
use crate::folder::Folder;
use crate::{alone, recorded};

#[test]
fn a_static_hello_is_small() {
    let _alone = alone();
    // Without a feature it has all that a process needs to live for months (a parent, settings, logs); the commands that find
    // out what is wrong are the rest.
    for (name, features, most) in [
        ("with toolbox and multipart", ALL, 1_650_000),
        ("without a feature", NOTHING, 1_080_000),
    ] {
        let folder = Folder::new();
        let Some(path) = built("hello", features, &folder) else {
            return;
        };
        let size = std::fs::metadata(path).unwrap().len();
        recorded::compare(&format!("bytes, static hello {name}"), size, 5);
        assert!(size <= most, "{size} bytes");
    }
}

/// With all features, and glibc's shared files.
#[test]
fn a_linked_hello_is_small() {
    let _alone = alone();
    let size = std::fs::metadata(linked("hello")).unwrap().len();
    recorded::compare("bytes, hello with the default features", size, 5);
}
