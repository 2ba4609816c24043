//! The folder that a socket file is made in: locked meanwhile, and refused where it is no place for one. Called by
//! `socket_file`, and by `check` for a socket that is not made yet.

use super::refusal::reword;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a start waits for another one in the same folder, which needs microseconds.
pub(super) const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Folders that systemd-tmpfiles, tmpreaper and tmpwatch empty of what is old, and every restart of the machine of all. A
/// service that systemd starts with `PrivateTmp=`, such as Debian's apache2, has two of its own in their place.
const SWEPT: [&str; 2] = ["/tmp", "/var/tmp"];

/// Whether a socket in this folder is removed one day. The folder may be named by way of a symbolic link.
pub(crate) fn is_swept(folder: &Path) -> bool {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    SWEPT.iter().any(|swept| folder.starts_with(swept))
}

/// Of a path that is absolute and names no folder itself.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .expect("BUG: an absolute path without a final slash has a parent")
}

/// Takes the lock of a folder, and refuses one in which everybody may replace what others made. The kernel gives the lock back
/// when the file is closed, however the process ends.
///
/// # Errors
/// `TimedOut` if another process has it for longer than `limit`.
pub(super) fn lock(folder: &Path, limit: Duration) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // Opening a named pipe that lies in the folder's place would wait for somebody who writes to it.
        .custom_flags(libc::O_DIRECTORY)
        .open(folder)
        .map_err(|error| refused_by_folder(folder, &error))?;
    check_folder(folder, file.metadata()?.mode())?;
    let started = Instant::now();
    // flock itself waits without a time limit, and a signal that ends its wait would be one for the whole process.
    let mut pause = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < limit => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(16));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "another process has locked the folder {} for {limit:?}; stop it, or choose another folder",
                        folder.display(),
                    ),
                ));
            }
            // NFS locks only what is open for writing, which a folder cannot be.
            Err(TryLockError::Error(error)) => {
                return Err(reword(
                    &error,
                    format!(
                        "the folder {} cannot be locked ({error}); choose one on a local disk",
                        folder.display()
                    ),
                ));
            }
        }
    }
}

/// Refuses a folder in which everybody may write, and so put a socket of their own in the place of ours; unless it is sticky.
fn check_folder(folder: &Path, mode: u32) -> io::Result<()> {
    if mode & 0o002 == 0 || mode & 0o1000 != 0 {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "everybody may replace what is in the folder {} (mode {:04o}); take that away (chmod o-w), or choose another one",
            folder.display(),
            mode & 0o7777
        ),
    ))
}

pub(super) fn refused_by_folder(folder: &Path, error: &io::Error) -> io::Error {
    let shown = folder.display();
    let reason = match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no folder {shown}; create it, or choose another path")
        }
        ErrorKind::NotADirectory => format!("{shown} is not a folder; choose another path"),
        ErrorKind::PermissionDenied => format!(
            "this user may not read and write the folder {shown}; choose one of its own (install -d -o USER /run/app)"
        ),
        ErrorKind::ReadOnlyFilesystem => {
            format!("the folder {shown} is read-only; choose another path")
        }
        _ => format!("the folder {shown} does not take a socket ({error}); choose another path"),
    };
    reword(error, reason)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Folder, refusal, tcp, unix};
    use super::super::listener::Listener;
    use super::super::socket_file::Permit;
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::process;

    #[test]
    fn a_folder_in_which_everybody_may_replace_it_is_refused() {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        for (mode, is_right) in [
            (0o777, false),
            (0o702, false),
            (0o2777, false),
            (0o1777, true),
            (0o775, true),
            (0o750, true),
        ] {
            fs::set_permissions(&folder.0, Permissions::from_mode(mode)).unwrap();
            if is_right {
                let listener = Listener::bind(&unix(&path), &Permit::default()).unwrap();
                listener.unlink().unwrap();
            } else {
                let error = refusal(&unix(&path)).to_string();
                let reason = format!(
                    "everybody may replace what is in the folder {}",
                    folder.0.display()
                );
                assert!(error.contains(&reason), "{error}");
                assert!(error.contains(&format!("(mode {mode:04o})")), "{error}");
            }
            assert!(folder.is_empty());
        }
    }

    #[test]
    fn a_folder_for_temporary_files_is_known_by_any_name() {
        let folder = Folder::new();
        fs::create_dir(folder.file("sub")).unwrap();
        let by_link = folder.file("link");
        std::os::unix::fs::symlink("/var/tmp", &by_link).unwrap();
        let mut swept = vec![PathBuf::from("/var/tmp"), by_link];
        if folder.0.starts_with("/tmp") {
            swept.extend([PathBuf::from("/tmp"), folder.file("sub")]);
        }
        for folder in swept {
            let path = folder.join(format!("fcgi-swept-{}", process::id()));
            let listener = Listener::bind(&unix(path), &Permit::default()).unwrap();
            assert!(listener.is_swept(), "{}", folder.display());
            listener.unlink().unwrap();
        }
        let lasting = Path::new("/run").join(format!("fcgi-lasting-{}", process::id()));
        match Listener::bind(&unix(lasting), &Permit::default()) {
            Ok(listener) => {
                assert!(!listener.is_swept());
                listener.unlink().unwrap();
            }
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
        let tcp = Listener::bind(&tcp("127.0.0.1:0"), &Permit::default()).unwrap();
        assert!(!tcp.is_swept());
    }

    #[test]
    fn a_locked_folder_is_waited_for_but_not_for_ever() {
        let folder = Folder::new();
        let short = Duration::from_millis(30);
        let held = lock(&folder.0, short).unwrap();
        let error = lock(&folder.0, short).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error.to_string().contains("another process has locked"),
            "{error}"
        );
        thread::scope(|threads| {
            let waiting = threads.spawn(|| lock(&folder.0, LOCK_LIMIT));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_folder_that_refuses_is_named_with_advice() {
        let by_folder =
            |code| refused_by_folder(Path::new("/srv"), &io::Error::from_raw_os_error(code));
        for (code, reason) in [
            (libc::ENOENT, "there is no folder /srv; create it"),
            (libc::ENOTDIR, "/srv is not a folder; choose"),
            (
                libc::EACCES,
                "may not read and write the folder /srv; choose one of its own",
            ),
            (libc::EROFS, "the folder /srv is read-only; choose"),
            (libc::ENOSPC, "does not take a socket (No space left"),
        ] {
            let text = by_folder(code).to_string();
            assert!(text.contains(reason), "{text}\nlacks: {reason}");
            assert!(text.contains("; c"), "{text}");
        }
    }
}
