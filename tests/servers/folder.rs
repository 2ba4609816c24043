//! The private folder of a row: its program, its configuration, its sockets and its logs. It is removed when the row
//! was good, and kept when it was not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::Outcome;
use crate::behind::Notes;

/// Who the web servers and the program run as, when root runs the tests.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub group: String,
    pub uid: u32,
    pub gid: u32,
}

pub struct Folder {
    path: PathBuf,
    user: Option<User>,
    keep: bool,
    notes: Notes,
}

impl Folder {
    /// `etc` for configurations, `run` for sockets, `tmp`, `log`, `www` for the program, `public` for files.
    pub fn new(row: &str) -> Outcome<Folder> {
        let name = format!("fcgi-servers-{}-{row}", process::id());
        let path = std::env::temp_dir().join(name);
        let folder = Folder {
            path,
            user: unprivileged(),
            keep: false,
            notes: Notes::default(),
        };
        folder.make("")?;
        for name in [
            "etc",
            "run",
            "tmp",
            "log",
            "www",
            "www/sub",
            "www/files",
            "public",
        ] {
            folder.make(name)?;
        }
        Ok(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The same as text: configurations are made of it.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `None`: the servers run as whoever runs the tests.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// What the row that has this folder notes of itself.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// For a server that does not give up root by itself.
    pub fn give_up_root(&self, command: &mut Command) {
        if let Some(user) = self.user() {
            command.uid(user.uid).gid(user.gid);
        }
    }

    pub fn write(&self, name: &str, content: &str) -> Outcome<PathBuf> {
        let path = self.path(name);
        fs::write(&path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        self.own(&path)?;
        Ok(path)
    }

    /// Puts a copy of an executable there. By another process: a file that is open for writing in this one, and so for a
    /// moment in whatever a row beside this one starts, cannot be executed.
    pub fn install(&self, program: &Path, name: &str) -> Outcome<PathBuf> {
        let path = self.path(name);
        let cannot = |why: String| {
            let (from, to) = (program.display(), path.display());
            format!("cannot copy {from} to {to}: {why}")
        };
        let copied = Command::new("cp")
            .arg("--")
            .arg(program)
            .arg(&path)
            .status();
        let copied = copied.map_err(|e| cannot(e.to_string()))?;
        if !copied.success() {
            return Err(cannot(copied.to_string()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(|e| cannot(e.to_string()))?;
        self.own(&path)?;
        Ok(path)
    }

    /// Leaves the folder where it is: someone will want to read the logs.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Each log with its last lines.
    pub fn tails(&self) -> String {
        let mut tails = String::new();
        let Ok(logs) = fs::read_dir(self.path("log")) else {
            return tails;
        };
        for log in logs.flatten() {
            let bytes = fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            if lines.is_empty() {
                continue;
            }
            tails.push_str(&format!("  -- {}\n", log.path().display()));
            for line in &lines[lines.len().saturating_sub(15)..] {
                tails.push_str(&format!("  | {line}\n"));
            }
        }
        tails
    }

    /// Every file of `www` with its size and time: to see that nothing was written there.
    pub fn listing(&self) -> Outcome<Vec<String>> {
        let cannot = |e| format!("cannot read {}: {e}", self.text("www"));
        let mut listing = Vec::new();
        for entry in fs::read_dir(self.path("www")).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let meta = entry.metadata().map_err(cannot)?;
            listing.push(format!(
                "{} {} {}.{}",
                entry.file_name().display(),
                meta.size(),
                meta.mtime(),
                meta.mtime_nsec()
            ));
        }
        listing.sort();
        Ok(listing)
    }

    pub fn make(&self, name: &str) -> Outcome {
        let path = self.path(name);
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(|e| format!("cannot make the folder {}: {e}", path.display()))?;
        self.own(&path)
    }

    fn own(&self, path: &Path) -> Outcome {
        let Some(user) = &self.user else {
            return Ok(());
        };
        chown(path, Some(user.uid), Some(user.gid))
            .map_err(|e| format!("cannot give {} to {}: {e}", path.display(), user.name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The web servers give up root for this user, and the program must be its own: a unix socket that root made is closed
/// to it.
fn unprivileged() -> Option<User> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    ["www-data", "nobody"].into_iter().find_map(user)
}

fn user(name: &str) -> Option<User> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let fields = entry(&passwd, |fields| fields[0] == name)?;
    let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
    let groups = fs::read_to_string("/etc/group").ok()?;
    let number = fields[3];
    let group = entry(&groups, |fields| fields.get(2) == Some(&number))?;
    Some(User {
        name: name.to_owned(),
        group: group[0].to_owned(),
        uid,
        gid,
    })
}

fn entry(file: &str, wanted: impl Fn(&[&str]) -> bool) -> Option<Vec<&str>> {
    file.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| wanted(fields))
}
