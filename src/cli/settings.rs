//! The settings file `.ht.NAME` beside the executable: it has flags, for where nobody can pass any. Called by `cli::main`, the
//! gate and `check`; `flags::file` reads its text.
//!
//! Under a plain `.htaccess` a program gets no arguments and no environment, and its owner may only put files beside it.
//! Apache serves no file whose name begins with `.ht`.

use super::flags::file::parse_file;
use super::flags::options::Options;
use super::program;
use crate::net::sys;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// In bytes: a larger file is refused. Nobody writes one by hand.
const LARGEST: u64 = 64 << 10;

/// The place of a settings file, whether there is a file or not.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    path: PathBuf,
    /// Whose file is believed, besides root's: that of the executable's owner, and that of this process's user.
    owners: [Option<u32>; 2],
}

/// Why the settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// With the file's path, and with the number of the line if one is wrong.
    pub(super) sentence: String,
    version: Version,
}

impl Wrong {
    /// The access log cannot be opened, which is found out only when all settings are known.
    pub(super) fn access_log(error: &io::Error) -> Wrong {
        Wrong {
            sentence: error.to_string(),
            version: None,
        }
    }
}

/// Which version of the file it was: device, inode, size, and the time of the last change, which includes one by `chmod`.
/// It differs whenever the file was touched.
pub(super) type Version = Option<(u64, u64, u64, i64, i64)>;

impl Settings {
    /// The settings file of this program. `None` if nobody knows where the program lies: then it has no settings.
    pub(super) fn of_program() -> Option<Settings> {
        Settings::beside(program::executable()?)
    }

    /// The settings file of the program at that path.
    pub(super) fn beside(executable: &Path) -> Option<Settings> {
        let mut name = std::ffi::OsString::from(".ht.");
        name.push(executable.file_name()?);
        let owner = fs::metadata(executable).map(|found| found.uid()).ok();
        Some(Settings {
            path: executable.with_file_name(name),
            owners: [owner, Some(sys::user())],
        })
    }

    #[cfg(feature = "toolbox")]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the file that is there now.
    pub(super) fn version(&self) -> Version {
        fs::metadata(&self.path).ok().map(|found| version(&found))
    }

    /// Reads the file, as it is now. Without a file nothing is asked for.
    ///
    /// # Errors
    /// What is wrong, which somebody may put right at any moment.
    pub(super) fn read(&self) -> Result<Options, Wrong> {
        let mut version = None;
        self.text(&mut version)
            .and_then(|text| match text {
                Some(text) => self.parse(&text),
                None => Ok(Options::default()),
            })
            .map_err(|sentence| Wrong { sentence, version })
    }

    /// The file's content, and its version; `None` if there is no file.
    fn text(&self, seen: &mut Version) -> Result<Option<Vec<u8>>, String> {
        let path = self.path.display();
        let unreadable = |error: io::Error| {
            format!(
                "cannot read the settings {path}: {error}; make it a file that this user may read"
            )
        };
        let found = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(unreadable)?,
        };
        *seen = Some(version(&found));
        // Before it is opened: a named pipe would keep us waiting for a writer.
        if !found.is_file() {
            return Err(format!(
                "the settings {path} are not a file; make it one, or remove it"
            ));
        }
        let file = File::open(&self.path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        self.check(&found)?;
        let mut text = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > LARGEST {
            return Err(format!(
                "the settings {path} are larger than {LARGEST} bytes; remove what is not needed"
            ));
        }
        Ok(Some(text))
    }

    /// Refuses a file that a stranger can write: he would decide what the program does. Its group may be able to: on hosts whose
    /// umask is 002 every file is made so.
    fn check(&self, found: &Metadata) -> Result<(), String> {
        let path = self.path.display();
        if found.permissions().mode() & 0o002 != 0 {
            return Err(format!(
                "the settings {path} can be written by everybody; take that away: chmod o-w"
            ));
        }
        let owner = found.uid();
        if owner != 0 && !self.owners.contains(&Some(owner)) {
            return Err(format!(
                "the settings {path} belong to user {owner}, who is neither root, nor this user, nor the program's \
                 owner; make it your own file"
            ));
        }
        Ok(())
    }

    fn parse(&self, text: &[u8]) -> Result<Options, String> {
        // Editors on Windows begin a file so.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let home = self.path.parent().unwrap_or(Path::new("/"));
        let parsed = match std::str::from_utf8(text) {
            Ok(text) => parse_file(text, home),
            Err(error) => {
                let before = &text[..error.valid_up_to()];
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                Err((line, "this is not UTF-8; save the file as UTF-8".to_owned()))
            }
        };
        let mut options = parsed
            .map_err(|(line, reason)| format!("{}, line {line}: {reason}", self.path.display()))?;
        options.file.clone_from(&self.path);
        Ok(options)
    }
}

fn version(found: &Metadata) -> (u64, u64, u64, i64, i64) {
    (
        found.dev(),
        found.ino(),
        found.size(),
        found.ctime(),
        found.ctime_nsec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Server;
    use std::fs::Permissions;
    use std::process;

    /// A folder of its own for one test, gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("fcgi-settings-{}-{name}", process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn settings(&self, owners: [Option<u32>; 2]) -> Settings {
            Settings {
                path: self.0.join(".ht.app.fcgi"),
                owners,
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn write(settings: &Settings, text: impl AsRef<[u8]>, mode: u32) {
        let _ = fs::remove_file(&settings.path);
        fs::write(&settings.path, text).unwrap();
        fs::set_permissions(&settings.path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_file_is_named_after_the_program_and_lies_beside_it() {
        let settings = Settings::of_program().unwrap();
        let name = format!(".ht.{}", program::name());
        assert_eq!(settings.path, program::home().join(name));
        assert!(settings.owners.iter().all(Option::is_some));
        assert!(settings.read().is_ok(), "there is none");
    }

    #[test]
    fn what_is_right_is_read_and_what_is_wrong_has_path_and_line() {
        let folder = Folder::new("lines");
        let settings = folder.settings([None, Some(sys::user())]);
        assert!(
            settings.read().unwrap().listen().next().is_none(),
            "no file"
        );
        for (text, workers) in [
            (&b"workers 2"[..], 2),
            (b"", 4),
            (b"\xef\xbb\xbfworkers 3\r\n", 3),
        ] {
            write(&settings, text, 0o664);
            let server = settings.read().unwrap().apply(Server::new());
            assert_eq!(server.workers, workers);
        }
        write(&settings, "listen unix:app.sock", 0o600);
        let expected = folder.0.join("app.sock");
        let read = settings.read().unwrap();
        assert!(read.listen().eq([&crate::Address::Unix(expected)]));
        for (text, sentence) in [
            (
                &b"\nworkres 2"[..],
                ", line 2: workres is no flag; did you mean workers?",
            ),
            (
                b"a\xff",
                ", line 1: this is not UTF-8; save the file as UTF-8",
            ),
            (
                b"# \n\n\xff",
                ", line 3: this is not UTF-8; save the file as UTF-8",
            ),
        ] {
            write(&settings, text, 0o600);
            let sentence = format!("{}{sentence}", settings.path.display());
            assert_eq!(settings.read().unwrap_err().sentence, sentence);
        }
        write(&settings, vec![b'#'; LARGEST as usize], 0o600);
        assert!(settings.read().is_ok());
        write(&settings, vec![b'#'; LARGEST as usize + 1], 0o600);
        assert!(
            settings
                .read()
                .unwrap_err()
                .sentence
                .contains("larger than 65536")
        );
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = Folder::new("modes");
        let settings = folder.settings([None, Some(sys::user())]);
        for (mode, is_right) in [
            (0o600, true),
            (0o664, true),
            (0o644, true),
            (0o602, false),
            (0o666, false),
        ] {
            write(&settings, "workers 2", mode);
            let read = settings.read().map_err(|wrong| wrong.sentence);
            assert_eq!(read.is_ok(), is_right, "{mode:o} {read:?}");
            if let Err(sentence) = read {
                assert!(
                    sentence.ends_with("can be written by everybody; take that away: chmod o-w")
                );
            }
        }
    }

    #[test]
    fn a_file_of_a_stranger_is_refused() {
        let folder = Folder::new("owners");
        let settings = folder.settings([None, None]);
        write(&settings, "workers 2", 0o600);
        // Root's file is everybody's to use; where root runs this, it is given away first.
        if sys::user() == 0 {
            assert!(settings.read().is_ok());
            std::os::unix::fs::chown(&settings.path, Some(4711), None).unwrap();
        }
        let owner = fs::metadata(&settings.path).unwrap().uid();
        let stranger = Some(owner ^ 1);
        for (owners, is_right) in [
            ([Some(owner), stranger], true),
            ([stranger, Some(owner)], true),
            ([stranger, stranger], false),
            ([None, None], false),
        ] {
            let read = folder.settings(owners).read();
            let sentence = read.map(drop).map_err(|wrong| wrong.sentence);
            assert_eq!(sentence.is_ok(), is_right, "{sentence:?}");
            if let Err(sentence) = sentence {
                assert!(
                    sentence.contains(&format!("belong to user {owner}")),
                    "{sentence}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_opened() {
        let folder = Folder::new("kinds");
        let settings = folder.settings([None, Some(sys::user())]);
        fs::create_dir(&settings.path).unwrap();
        assert!(
            settings
                .read()
                .unwrap_err()
                .sentence
                .contains("are not a file")
        );
        fs::remove_dir(&settings.path).unwrap();
        let made = process::Command::new("mkfifo").arg(&settings.path).status();
        assert!(made.unwrap().success());
        assert!(
            settings
                .read()
                .unwrap_err()
                .sentence
                .contains("are not a file")
        );
    }

    #[test]
    fn a_change_that_leaves_the_sentence_is_a_change() {
        let folder = Folder::new("versions");
        let settings = folder.settings([None, Some(sys::user())]);
        write(&settings, "wrong 1", 0o600);
        let first = settings.read().unwrap_err();
        assert_eq!(settings.read().unwrap_err(), first);
        fs::write(&settings.path, "wrong 1 # still").unwrap();
        let second = settings.read().unwrap_err();
        assert_eq!(second.sentence, first.sentence);
        assert_ne!(second, first);
        // A change of the mode leaves the time of the last write alone.
        fs::set_permissions(&settings.path, Permissions::from_mode(0o640)).unwrap();
        assert_ne!(settings.read().unwrap_err(), second);
    }
}
