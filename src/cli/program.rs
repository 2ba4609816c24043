//! Where the program lies and what it is called. The settings file, `conf`, `check` and messages go by it.

pub(super) use crate::executable::executable;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

/// The folder that the executable lies in: where an application finds its templates and data on a shared host, whatever
/// the current folder is (mod_fcgid starts programs in their own folder, nginx's spawn-fcgi and systemd do not).
///
/// Beside an `.htaccess` the web server shows the files of this folder to whoever asks for them: let the name of a data
/// file begin with `.ht`, which Apache refuses to show, or keep it outside of the site.
///
/// A link to the executable is followed. The current folder, if the system does not tell (no `/proc`).
///
/// ```
/// let templates = fcgi::home().join("templates"); // wherever the web server has us start
/// # assert!(templates.is_absolute());
/// ```
pub fn home() -> &'static Path {
    executable()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."))
}

/// The settings file that [`main`](super::main) reads, whether there is one or not: `.ht.NAME` beside the executable.
/// For messages that tell where a line belongs.
///
/// ```
/// let file = fcgi::cli::settings_file();
/// eprintln!("there is no data folder yet; name one by a line in {}: data /FOLDER", file.display());
/// # assert!(file.is_absolute());
/// ```
pub fn settings_file() -> PathBuf {
    home().join(format!(".ht.{}", name()))
}

/// The program's name in messages. The settings file has its name from it.
pub(super) fn name() -> String {
    let name = executable().and_then(Path::file_name);
    name.unwrap_or(OsStr::new("app"))
        .to_string_lossy()
        .into_owned()
}

/// The executable's absolute path for a configuration: as it was typed, if that names the same file.
///
/// If a link was typed, say `/srv/www/app.fcgi`, the web server has to be told the link, and not the file that it points at,
/// which the next upgrade may move. A name without a slash was found by PATH, and does not say where the program is.
pub(super) fn as_typed() -> Option<PathBuf> {
    let executable = executable()?;
    let typed = env::args_os().next().map(PathBuf::from);
    let typed = typed
        .filter(|typed| typed.components().count() > 1)
        .and_then(|typed| path::absolute(typed).ok())
        .filter(|typed| are_same(typed, executable));
    Some(typed.unwrap_or_else(|| executable.to_owned()))
}

/// Whether both paths lead to one file.
fn are_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_knows_where_it_lies() {
        let executable = executable().unwrap();
        assert_eq!(home().join(name()), executable);
        let settings = settings_file().into_os_string().into_string().unwrap();
        assert_eq!(settings.replace("/.ht.", "/"), executable.to_str().unwrap());
        assert!(home().is_absolute());
    }

    #[test]
    fn what_was_typed_names_the_same_file() {
        let executable = executable().unwrap();
        assert!(are_same(executable, &as_typed().unwrap()));
        assert!(!are_same(executable, home()));
    }
}
