//! The file that runs. Called by `cli`, `server` and `process`.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The path of the executable as the system knows it, links resolved; `None` where there is no `/proc`. It is looked up once, for
/// that takes 10 µs of a start; and after an upgrade the system answers the same question with `app.fcgi (deleted)`.
pub(crate) fn executable() -> Option<&'static Path> {
    static EXECUTABLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    EXECUTABLE
        .get_or_init(|| env::current_exe().ok())
        .as_deref()
}
