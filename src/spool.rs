//! A file for what a visitor sends: `Part::save_to` writes it.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What a part was saved to: a file of a random name that only the owner may read (mode 0600). It is removed when this
/// is dropped, at the end of the request most often, unless it is kept.
///
/// A process that is killed by SIGKILL removes nothing. Such files begin with `.ht.upload-`, which Apache does not serve
/// even where it serves the folder.
#[derive(Debug)]
pub struct Saved {
    file: NamedTempFile,
    len: u64,
}

impl Saved {
    /// The file, open for reading and writing.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// How long it is, in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "what is asked of a file is its length"
    )]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Gives it a name that stays, on the same file system. A file that has this name already is left alone.
    ///
    /// Its mode stays 0600: a web server that is to send it may need `set_permissions`.
    ///
    /// # Errors
    /// Status 500, with the reason; `AlreadyExists` as its source's kind if there is such a file. The saved file is gone
    /// then.
    pub fn keep(self, path: impl AsRef<Path>) -> Result<File> {
        let (path, from) = (path.as_ref(), self.path().to_owned());
        self.file.persist_noclobber(path).map_err(|failed| {
            let message = format!(
                "cannot keep {} as {}: {}",
                from.display(),
                path.display(),
                failed.error
            );
            io::Error::new(failed.error.kind(), message).into()
        })
    }

    /// Keeps it where it is, under its random name.
    ///
    /// # Errors
    /// None on Linux.
    pub fn keep_here(self) -> Result<PathBuf> {
        let (_, path) = self.file.keep()?;
        Ok(path)
    }

    pub(crate) fn new(folder: &Path) -> Result<Saved> {
        let file = Builder::new().prefix(".ht.upload-").tempfile_in(folder);
        let file = file.map_err(|error| failed(&error, "create a file", folder))?;
        Ok(Saved { file, len: 0 })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.file.as_file().write_all(bytes);
        written.map_err(|error| failed(&error, "write", self.path()))?;
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Ready to be read from its beginning.
    pub(crate) fn rewound(mut self) -> Result<Saved> {
        self.file().rewind()?;
        Ok(self)
    }
}

/// A full disk is no fault of the program, and worth a status of its own.
fn failed(error: &io::Error, what: &str, path: &Path) -> Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let is_full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
    let status = if is_full { 507 } else { 500 };
    let message = format!("cannot {what} for an upload in {}: {error}", path.display());
    Error::new(status, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn saved(folder: &Path, content: &[u8]) -> Saved {
        let mut saved = Saved::new(folder).unwrap();
        assert_eq!(saved.append(content).unwrap(), content.len());
        saved.rewound().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn it_is_the_owners_alone_and_gone_when_nobody_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = saved(folder.path(), b"abc");
        assert_eq!(io::read_to_string(saved.file()).unwrap(), "abc");
        assert_eq!(
            (saved.len(), saved.path().parent()),
            (3, Some(folder.path()))
        );
        assert_eq!(
            fs::metadata(saved.path()).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(names(folder.path())[0].starts_with(".ht.upload-"));
        drop(saved);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn it_is_kept_under_a_new_name_or_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        saved(folder.path(), b"abc").keep(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        let other = saved(folder.path(), b"def").keep_here().unwrap();
        assert_eq!(
            (fs::read(&other).unwrap(), names(folder.path()).len()),
            (b"def".to_vec(), 2)
        );
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        fs::write(&path, "old").unwrap();
        let error = saved(folder.path(), b"new").keep(&path).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("as {}: File exists", path.display())),
            "{error}"
        );
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(
            source.map(io::Error::kind),
            Some(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(
            (fs::read(&path).unwrap(), names(folder.path())),
            (b"old".to_vec(), vec!["kept".into()])
        );
    }
}
