//! A file for what a visitor sends: `Part::save_to` writes it.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What a part was saved to: a file of a random name that only the owner may read (mode 0600). It is removed when this
/// is dropped, at the end of the request most often, unless it is kept.
///
/// A process that is killed by SIGKILL removes nothing: such files begin with `.fcgi-upload-`.
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
        let file = Builder::new().prefix(".fcgi-upload-").tempfile_in(folder);
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
