//! A file for what a visitor sends: `Part::save_to` writes it. When no destructor runs, at the deadline of a stop, those that
//! nobody has kept are found by [`unkept`].

mod unkept;

pub(crate) use unkept::unkept;

use self::unkept::Listed;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What a part was saved to: a file of a random name that only the owner may read (mode 0600). It is removed when this
/// is dropped, at the end of the request most often, unless it is kept.
///
/// The deadline of a stop removes it as well. What leaves it behind is a signal that a program cannot do anything about
/// (SIGKILL; in plain CGI, SIGTERM too), an abort, and `std::process::exit` in a handler. Such files begin with
/// `.ht.upload-`, which Apache does not serve even where it serves the folder: those of yesterday can be deleted.
///
/// [`Part::save_to`](crate::Part::save_to) has an example.
#[derive(Debug)]
pub struct Saved {
    /// Dropped before `listed`: a file that is still there is listed.
    file: NamedTempFile,
    listed: Listed,
    len: u64,
}

impl Saved {
    /// The file, open for reading and writing.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let folder = std::env::temp_dir().join(format!("fcgi-file-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let answer = request("POST", "/").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// # let mut parts = req.multipart()?;
    /// # let mut part = parts.next_part()?.unwrap();
    /// let mut saved = part.save_to(&folder)?;
    /// saved.file().sync_all()?; // it is on the disk
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Where it lies.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let folder = std::env::temp_dir().join(format!("fcgi-path-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let answer = request("POST", "/").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// # let mut parts = req.multipart()?;
    /// # let mut part = parts.next_part()?.unwrap();
    /// let saved = part.save_to(&folder)?;
    /// assert!(saved.path().starts_with(&folder));
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// How long it is, in bytes.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let answer = request("POST", "/").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// # let mut parts = req.multipart()?;
    /// # let mut part = parts.next_part()?.unwrap();
    /// let saved = part.save_to(std::env::temp_dir())?;
    /// assert_eq!(saved.len(), 9);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// ```
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
    /// ```
    /// # use fcgi::testing::request;
    /// # let folder = std::env::temp_dir().join(format!("fcgi-keep-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let answer = request("POST", "/").file("film", "../a.mp4", [0; 9]).call(|req, res| {
    /// let mut parts = req.multipart()?;
    /// while let Some(mut part) = parts.next_part()? {
    ///     let saved = part.save_to(&folder)?;
    ///     saved.keep(folder.join("film-17.mp4"))?; // a name of one's own, and not the visitor's
    /// }
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// # assert_eq!(std::fs::read(folder.join("film-17.mp4")).unwrap(), [0; 9]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// Status 500, with the reason; `AlreadyExists` as its source's kind if there is such a file. The saved file is gone
    /// then.
    pub fn keep(self, path: impl AsRef<Path>) -> Result<File> {
        let (path, from) = (path.as_ref(), self.path().to_owned());
        drop(self.listed);
        self.file.persist_noclobber(path).map_err(|failed| {
            let advice = match failed.error.kind() {
                io::ErrorKind::CrossesDevices => "; save it on the file system where it is to stay",
                _ => "",
            };
            let message = format!(
                "cannot keep {} as {}: {}{advice}",
                from.display(),
                path.display(),
                failed.error
            );
            io::Error::new(failed.error.kind(), message).into()
        })
    }

    /// Keeps it where it is, under its random name.
    ///
    /// ```
    /// # use fcgi::testing::request;
    /// # let folder = std::env::temp_dir().join(format!("fcgi-here-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let answer = request("POST", "/").file("film", "a.mp4", [0; 9]).call(|req, res| {
    /// # let mut parts = req.multipart()?;
    /// # let mut part = parts.next_part()?.unwrap();
    /// let path = part.save_to(&folder)?.keep_here()?;
    /// assert_eq!(std::fs::read(path)?, [0; 9]);
    /// # res.send("") });
    /// # assert_eq!(answer.status(), 200, "{answer:?}");
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// ```
    ///
    /// # Errors
    /// None on Linux.
    pub fn keep_here(self) -> Result<PathBuf> {
        drop(self.listed);
        let (_, path) = self.file.keep()?;
        Ok(path)
    }

    pub(crate) fn new(folder: &Path) -> Result<Saved> {
        let file = Builder::new().prefix(".ht.upload-").tempfile_in(folder);
        let file = file.map_err(|error| failed(&error, "create a file", folder))?;
        let listed = Listed::new(file.path());
        Ok(Saved {
            file,
            listed,
            len: 0,
        })
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
    use io::ErrorKind::*;
    let (status, advice) = match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => (507, ""),
        NotFound | NotADirectory => (500, "; the program has to make the folder first"),
        PermissionDenied | ReadOnlyFilesystem => {
            (500, "; the program's user has to be able to write there")
        }
        _ => (500, ""),
    };
    // tempfile appends the random name that the file was to have.
    let error = error.to_string();
    let why = error.split(" at path ").next().unwrap_or_default();
    let message = format!(
        "cannot {what} for an upload in {}: {why}{advice}",
        path.display()
    );
    Error::new(status, message)
}

#[cfg(test)]
mod tests {
    use super::unkept::PLACED;
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
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
    fn a_file_is_its_owners_alone_and_gone_when_nobody_keeps_it() {
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
    fn a_file_is_listed_until_it_is_gone_or_kept() {
        let listed = |path: &Path| {
            let mut count = 0;
            unkept(|other| count += usize::from(other.to_bytes() == path.as_os_str().as_bytes()));
            count
        };
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<Saved> = (0..10).map(|_| saved(folder.path(), b"abc")).collect();
        assert!(all.iter().all(|saved| listed(saved.path()) == 1));
        let paths: Vec<PathBuf> = all.iter().map(|saved| saved.path().to_owned()).collect();
        drop(all);
        assert!(paths.iter().all(|path| listed(path) == 0));
        let here = saved(folder.path(), b"abc").keep_here().unwrap();
        assert_eq!(listed(&here), 0);
        let other = saved(folder.path(), b"abc");
        let path = other.path().to_owned();
        other.keep(folder.path().join("kept")).unwrap();
        assert_eq!(listed(&path), 0);
    }

    /// More files than can be listed, and one whose path is too long for it.
    #[test]
    fn a_file_that_is_not_listed_is_removed_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(200)).join("e".repeat(200));
        let deep = deep.join("f".repeat(200));
        fs::create_dir_all(&deep).unwrap();
        let many: Vec<Saved> = (0..PLACED + 8).map(|_| saved(folder.path(), b"")).collect();
        let long = saved(&deep, b"");
        assert_eq!(names(&deep).len(), 1);
        drop((many, long));
        assert_eq!((names(folder.path()).len(), names(&deep).len()), (1, 0));
    }

    #[test]
    fn a_file_is_kept_under_a_new_name_or_its_own() {
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
    fn what_fails_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let error = Saved::new(&gone).unwrap_err();
        let expected = format!(
            "cannot create a file for an upload in {}: No such file or directory (os error 2); \
             the program has to make the folder first",
            gone.display()
        );
        assert_eq!((error.status(), error.to_string()), (500, expected));
        let error = saved(folder.path(), b"abc").keep("/proc/x").unwrap_err();
        let end = "(os error 18); save it on the file system where it is to stay";
        assert!(error.to_string().ends_with(end), "{error}");
        assert!(names(folder.path()).is_empty());
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
