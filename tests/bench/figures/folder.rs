//! A private folder, gone at the end.

use std::path::{Path, PathBuf};

/// A private folder, gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let mut i = 0;
        loop {
            let path =
                std::env::temp_dir().join(format!("fcgi-figures-{}-{i}", std::process::id()));
            if std::fs::create_dir(&path).is_ok() {
                return Folder(path);
            }
            i += 1;
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.0).join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
