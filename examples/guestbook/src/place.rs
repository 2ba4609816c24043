//! Where the data lies: never in a folder that a web server serves. `site` asks before it opens anything.

use fcgi::cli::settings_file;
use fcgi::{Error, Request};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder that was given by `data`, or else the usual one.
pub fn folder(given: &str) -> fcgi::Result<PathBuf> {
    if !given.is_empty() {
        return Ok(std::path::absolute(given)?);
    }
    let user = fs::metadata("/proc/self").map(|found| found.uid()).ok();
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let (state, home) = (env::var_os("XDG_STATE_HOME"), env::var_os("HOME"));
    usual(state, home, || home_of(user?, &passwd)).ok_or_else(|| {
        let advice = "write a line `data /FOLDER` into the settings file";
        let why =
            "nobody knows this user's home: HOME is not set, and /etc/passwd does not have it";
        Error::new(
            503,
            format!("{why}; {advice} {}", settings_file().display()),
        )
    })
}

/// Makes the folder, for its owner alone, unless the web server would serve it.
pub fn prepare(folder: &Path, req: &Request) -> fcgi::Result {
    refuse_served(folder, req)?;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder.join("pictures"));
    made.map_err(|error| {
        let message = format!(
            "cannot make the data folder {}: {error}; make it for the program's user, or write a line `data /FOLDER` \
             with another one into the settings file {}",
            folder.display(),
            settings_file().display()
        );
        Error::new(503, message)
    })?;
    // Where `..` behind a folder that was not there leads to is known only now.
    refuse_served(folder, req)
}

fn refuse_served(folder: &Path, req: &Request) -> fcgi::Result {
    let Some(served) = served(folder, req) else {
        return Ok(());
    };
    let message = format!(
        "the data folder {} lies in {}, which the web server serves: anybody could download the entries and the \
         password; write a line `data /FOLDER` with one outside of it into the settings file {}",
        folder.display(),
        served.display(),
        settings_file().display()
    );
    Err(Error::new(503, message))
}

/// What the web server serves that the folder lies in.
fn served(folder: &Path, req: &Request) -> Option<PathBuf> {
    let param = |name| req.param_bytes(name).filter(|value| !value.is_empty());
    let path = |value| real(Path::new(OsStr::from_bytes(value)));
    // In a user's own site the document root is the host's, and the context's is the user's.
    let roots = ["DOCUMENT_ROOT", "CONTEXT_DOCUMENT_ROOT"];
    let roots = roots.into_iter().filter_map(param).map(path);
    let script = param("SCRIPT_FILENAME").map(path);
    let home = real(fcgi::home());
    let is_site =
        home.join(".htaccess").exists() || script.is_some_and(|file| file.starts_with(&home));
    let folder = real(folder);
    roots
        .chain(is_site.then_some(home))
        .find(|root| folder.starts_with(root))
}

/// Without links, also of what is not there yet.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        (found, ..) => found.unwrap_or_else(|_| path.to_owned()),
    }
}

fn usual(
    state: Option<OsString>,
    home: Option<OsString>,
    passwd: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let below_home = || {
        let home = home.and_then(absolute).or_else(passwd)?;
        Some(home.join(".local/state"))
    };
    Some(
        state
            .and_then(absolute)
            .or_else(below_home)?
            .join("guestbook"),
    )
}

/// Web servers start programs without HOME.
fn home_of(user: u32, passwd: &[u8]) -> Option<PathBuf> {
    let number = user.to_string();
    let mut lines = passwd.split(|&byte| byte == b'\n');
    lines.find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let home = fields.get(5).filter(|_| fields[2] == number.as_bytes())?;
        Some(PathBuf::from(OsStr::from_bytes(home))).filter(|home| home.is_absolute())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::{Ask, request};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn the_usual_folder_is_the_users_own() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nann:x:33:33::/home/ann:\nbad:x:34\nrel:x:35:35::home:\n";
        let found = |state: &str, home: &str, user| {
            let value = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
            usual(value(state), value(home), || home_of(user, passwd))
        };
        for (state, home, user, expected) in [
            ("/s", "/h", 33, Some("/s/guestbook")),
            ("", "/h", 33, Some("/h/.local/state/guestbook")),
            ("s", "h", 33, Some("/home/ann/.local/state/guestbook")),
            ("", "", 33, Some("/home/ann/.local/state/guestbook")),
            ("", "", 3, None),
            ("", "", 34, None),
            ("", "", 35, None),
        ] {
            assert_eq!(
                found(state, home, user).as_deref(),
                expected.map(Path::new),
                "{state} {home} {user}"
            );
        }
    }

    /// Whether the folder is taken, and what is said if not.
    fn prepared(ask: Ask, folder: &Path) -> Result<(), String> {
        let answer = ask.call(|req, res| {
            prepare(folder, req)?;
            res.send("")
        });
        match answer.status() {
            200 => Ok(()),
            status => Err(format!("{status} {}", answer.error().unwrap())),
        }
    }

    #[test]
    fn what_is_served_is_refused_and_nothing_is_made_there() {
        let all = tempfile::tempdir().unwrap();
        let (site, link) = (all.path().join("site"), all.path().join("link"));
        fs::create_dir(&site).unwrap();
        symlink(&site, &link).unwrap();
        for (root, folder) in [
            (&site, &site),
            (&site, &site.join("a/b")),
            (&site, &link.join("a")),
            (&link, &site),
        ] {
            for name in ["DOCUMENT_ROOT", "CONTEXT_DOCUMENT_ROOT"] {
                let ask = request("GET", "/").param(name, root.as_os_str().as_bytes());
                let why = prepared(ask, folder).unwrap_err();
                let start = format!(
                    "503 the data folder {} lies in {}, which",
                    folder.display(),
                    site.display()
                );
                assert!(why.starts_with(&start), "{why}");
            }
        }
        assert_eq!(fs::read_dir(&site).unwrap().count(), 0);
        let ask = request("GET", "/").param("DOCUMENT_ROOT", site.as_os_str().as_bytes());
        let why = prepared(ask, &all.path().join("new/../site/a")).unwrap_err();
        assert!(why.contains("which the web server serves"), "{why}");
    }

    #[test]
    fn the_programs_own_folder_is_refused_where_it_is_served() {
        let folder = fcgi::home().join("never-made");
        let ask = request("GET", "/").param(
            "SCRIPT_FILENAME",
            fcgi::home().join("x").as_os_str().as_bytes(),
        );
        let why = prepared(ask, &folder).unwrap_err();
        assert!(why.contains("which the web server serves"), "{why}");
        assert!(!folder.exists());
    }

    #[test]
    fn beside_the_site_it_is_made_for_its_owner_alone() {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("site-data/guests");
        let root = all.path().join("site");
        let ask = request("GET", "/").param("DOCUMENT_ROOT", root.as_os_str().as_bytes());
        assert_eq!(prepared(ask, &folder), Ok(()));
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::write(all.path().join("file"), "").unwrap();
        let why = prepared(request("GET", "/"), &all.path().join("file/x")).unwrap_err();
        assert!(why.starts_with("503 cannot make the data folder "), "{why}");
    }
}
