//! Files of any size, written to disk as they come: a film takes no more memory than a picture.
//! `cargo run --example upload` shows it in a browser. The files lie in the folder `uploads` beside the program, which no
//! web server should serve. How much may come is for the web server too: `client_max_body_size` of nginx,
//! `FcgidMaxRequestLen` of Apache's mod_fcgid, which no `.htaccess` can raise.

use fcgi::{Error, Request, Response, Server, html_escape};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "<!doctype html><title>Uploads</title>
<form method=post enctype=multipart/form-data>
<p><label>Files <input type=file name=file multiple></label>
<p><button>Send</button>
</form>";

/// Of one file.
const MAX_FILE: u64 = 8 << 30;

fn app(req: &mut Request, res: Response, folder: &Path) -> fcgi::Result {
    let res = res.content_type("text/html; charset=utf-8");
    match req.method() {
        "GET" | "HEAD" => res.send(PAGE),
        "POST" => res.send(save(req, folder)?),
        method => Err(Error::new(405, format!("{method} is not for an upload"))),
    }
}

/// If one of them fails, those before it stay: what a visitor reads is what is there.
fn save(req: &mut Request, folder: &Path) -> fcgi::Result<String> {
    let mut page = String::new();
    let mut parts = req.multipart()?.max_parts(100);
    while let Some(part) = parts.next_part()? {
        // A box that was left empty, and a field that is no file.
        if part.file_name().unwrap_or_default().is_empty() {
            continue;
        }
        let mut part = part.max_len(MAX_FILE);
        let saved = part.save_to(folder)?;
        let len = saved.len();
        // The visitor's name for it is for pages to show. The file's own is random, or made by the program.
        let path = saved.keep_here()?;
        log::info!(
            "{:?} is {}",
            part.file_name().unwrap_or_default(),
            path.display()
        );
        let name = html_escape(part.file_name().unwrap_or_default());
        page += &format!("<p>{name}: {len} bytes");
    }
    Ok(page)
}

fn main() -> std::process::ExitCode {
    Server::new()
        .responder_with(folder, |folder, req, res| app(req, res, folder))
        .main()
}

/// Made when the first request comes, and not in `main`: that runs for `check` and `--version`, too, perhaps as root. While it
/// cannot be made visitors get a 503, and the log says why.
fn folder() -> fcgi::Result<PathBuf> {
    let folder = fcgi::home().join("uploads");
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| {
        let why = format!("cannot make the folder {}: {error}", folder.display());
        Error::new(503, why)
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::app;
    use fcgi::testing::{Answer, Ask, request};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn answer(ask: Ask, folder: &Path) -> Answer {
        ask.call(|req, res| app(req, res, folder))
    }

    #[test]
    fn files_are_written_as_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let film = vec![b'f'; 3 << 20];
        let ask = request("POST", "/")
            .file("file", "../<film>.mp4", &film)
            .file("file", "", b"");
        let answer = answer(ask.field("comment", "none"), folder.path());
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(answer.text(), "<p>../&lt;film&gt;.mp4: 3145728 bytes");
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(fs::read(&files[0]).unwrap() == film);
        assert_eq!(
            fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn what_cannot_be_written_is_said_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let answer = answer(request("POST", "/").file("file", "a", b"a"), &gone);
        assert_eq!(answer.status(), 500);
        let error = answer.error().unwrap();
        let expected = format!(
            "cannot create a file for an upload in {}: No such file or directory",
            gone.display()
        );
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
