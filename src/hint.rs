//! Explains errors that are everyday under a web server and puzzling at first: a relative path, a variable that is not set,
//! another user. Called for the log's line, for the page that `debug` shows, and by `start_up`.

use crate::error::Error;
use crate::net::sys::user;
use std::env::{VarError, current_dir};
use std::error::Error as StdError;
use std::io::{self, ErrorKind};

/// The error's own words, with a hint behind them if there is one. There is a hint only for failures of the server's side: it
/// is no mistake if a file is not there that a visitor asks for.
#[cold]
pub(crate) fn explained(error: &Error) -> String {
    let words = error.to_string();
    let hint = match error.status() {
        500.. => error.source().and_then(hint),
        _ => None,
    };
    hint.map_or(words.clone(), |hint| format!("{words} ({hint})"))
}

/// The same for a panic: its words are all that is left of the error that was unwrapped.
#[cold]
pub(crate) fn of_panic(words: &str) -> String {
    let kind = match () {
        () if words.contains("kind: NotFound") => Some(ErrorKind::NotFound),
        () if words.contains("kind: PermissionDenied") => Some(ErrorKind::PermissionDenied),
        () => None,
    };
    let hint = match kind {
        Some(kind) => of_kind(kind),
        None if words.ends_with(": NotPresent") => Some(NO_VARIABLE.to_owned()),
        None => None,
    };
    hint.map_or(words.to_owned(), |hint| format!("{words} ({hint})"))
}

const NO_VARIABLE: &str = "a web server passes on few variables, and none of a shell's profile: FcgidInitialEnv, \
                           bin-environment, Environment= set some";

/// The hint for an error, or for one that is wrapped in it.
fn hint(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An error without the system's number was made by the application itself.
        return error.raw_os_error().and_then(|_| of_kind(error.kind()));
    }
    match error.downcast_ref::<VarError>() {
        Some(VarError::NotPresent) => Some(NO_VARIABLE.to_owned()),
        _ => error.source().and_then(hint),
    }
}

/// The hint for an error of this kind.
fn of_kind(kind: ErrorKind) -> Option<String> {
    match kind {
        ErrorKind::NotFound => {
            let folder = current_dir().ok()?;
            let folder = folder.display();
            Some(format!("a relative path counts from {folder} here"))
        }
        ErrorKind::PermissionDenied => Some(format!("this process runs as user {}", user())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn everyday_errors_are_explained_and_others_left_alone() {
        let missing = || File::open("no/such/file").unwrap_err();
        let told = explained(&missing().into());
        let here = current_dir().unwrap();
        let expected = format!(
            "No such file or directory (os error 2) (a relative path counts from {} here)",
            here.display()
        );
        assert_eq!(told, expected);
        let denied = Error::from(io::Error::from_raw_os_error(13));
        assert!(explained(&denied).ends_with(&format!("(this process runs as user {})", user())));
        let variable = std::env::var("FCGI_NO_SUCH_VARIABLE").unwrap_err();
        assert!(explained(&variable.into()).contains("not found (a web server passes on few"));
        for plain in [
            Error::from(missing()).with_status(404),
            Error::new(500, "out of paper"),
            Error::from(io::Error::from_raw_os_error(28)),
            Error::from(io::Error::other("ours")),
        ] {
            assert_eq!(explained(&plain), plain.to_string());
        }
    }

    #[test]
    fn an_unwrap_is_explained_by_its_words() {
        for (words, hint) in [
            (
                r#" at src/a.rs:1:2: called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: "x" }"#,
                "a relative path counts from",
            ),
            (
                r#": x: Os { code: 13, kind: PermissionDenied, message: "x" }"#,
                "runs as user",
            ),
            (": the key: NotPresent", "few variables"),
        ] {
            let told = of_panic(words);
            assert!(told.starts_with(words) && told.contains(hint), "{told}");
        }
        assert_eq!(
            of_panic(" at src/a.rs:1:2: as asked"),
            " at src/a.rs:1:2: as asked"
        );
    }
}
