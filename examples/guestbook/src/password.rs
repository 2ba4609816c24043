//! The owner's password: set at a terminal, kept as a hash in the data folder. `main` sets it, and `site` asks for it.
//!
//! argon2id with 7 MiB and five passes, the smallest that OWASP names as good: a small host has room for that, and one login
//! at a time is looked at in a process.

use crate::place;
use crate::session::random;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

/// Shorter ones are guessed.
const LEAST: usize = 8;
/// What anybody types; the hash of more takes longer.
const MOST: usize = 1000;

/// The folder of `guestbook --set-password [FOLDER]`; `None` if that is not what was typed.
pub fn is_to_be_set() -> Option<String> {
    let mut arguments = fcgi::cli::arguments();
    arguments.next().filter(|first| first == "--set-password")?;
    let folder = arguments.next().unwrap_or_default();
    Some(folder.to_string_lossy().into_owned())
}

/// Asks for the password on standard input, and keeps it.
pub fn set(folder: &str) -> ExitCode {
    let done = place::folder(folder)
        .map_err(|error| error.to_string())
        .and_then(|folder| {
            let password = ask()?;
            keep(&folder, &password)
                .map_err(|error| {
                    let folder = folder.display();
                    format!("cannot write in {folder}: {error}; name the data folder: --set-password /FOLDER")
                })
        });
    match done {
        Ok(path) => {
            println!("the password is in {}", path.display());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("guestbook: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// What is kept of the password; `None` if none was ever set.
pub fn hash(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("password")).ok()
}

/// Whether it is the password that the hash was made of.
pub fn is(password: &str, hash: &str) -> bool {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // What it is made with stands in the hash.
    let hash = PasswordHash::new(hash);
    password.len() <= MOST
        && hash.is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
}

fn ask() -> Result<String, String> {
    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        eprint!("New password: ");
        echo(false);
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if is_terminal {
        echo(true);
        eprintln!();
    }
    read.map_err(|error| format!("cannot read the password: {error}"))?;
    let password = line.trim_end_matches(['\n', '\r']);
    match password.len() {
        LEAST..=MOST => Ok(password.to_owned()),
        _ => Err(format!(
            "a password has {LEAST} to {MOST} characters; nothing was changed"
        )),
    }
}

/// Where there is no `stty`, what is typed is seen.
fn echo(is_on: bool) {
    let word = if is_on { "echo" } else { "-echo" };
    let _ = Command::new("stty")
        .arg(word)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .status();
}

/// By a rename: whoever logs in reads the old hash or the new one.
pub fn keep(folder: &Path, password: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let (path, draft) = (
        folder.join("password"),
        folder.join(format!("password.{}", random()?)),
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(hashed(password)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    Ok(path)
}

fn hashed(password: &str) -> io::Result<String> {
    let failed = |error: argon2::password_hash::Error| io::Error::other(error.to_string());
    let params =
        Params::new(7 << 10, 5, 1, None).map_err(|error| io::Error::other(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = SaltString::encode_b64(&random()?.into_bytes()[..16]).map_err(failed)?;
    Ok(argon2
        .hash_password(password.as_bytes(), &salt)
        .map_err(failed)?
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(hash(folder.path()), None);
        let path = keep(folder.path(), "correct horse").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let first = hash(folder.path()).unwrap();
        assert!(
            first.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"),
            "{first}"
        );
        assert!(is("correct horse", &first));
        for wrong in ["", "correct", "correct horse ", &"x".repeat(MOST + 1)] {
            assert!(!is(wrong, &first), "{wrong}");
        }
        assert!(!is("", "") && !is("x", "$argon2id$v=19$"));
        keep(folder.path(), "correct horse").unwrap();
        assert_ne!(
            hash(folder.path()).unwrap(),
            first,
            "one password has one hash"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
