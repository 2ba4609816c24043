//! How the web server is asked to send a file in the application's place. Used by `Response::send_file`; set by
//! `Server::sendfile` and the flag of that name.

use crate::cgi::encoded_file;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which web server takes files over, and how: see [`Server::sendfile`](crate::Server::sendfile).
///
/// ```
/// use fcgi::Sendfile;
///
/// // For nginx with `location /protected/ { internal; alias /srv/files/; }`; as a flag: x-accel:/srv/files=/protected
/// let sendfile = Sendfile::Accel { folder: "/srv/files".into(), location: "/protected".into() };
/// fcgi::Server::new().sendfile(sendfile);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sendfile {
    /// `X-Sendfile: /absolute/path`, percent-encoded.
    ///
    /// lighttpd, with `"x-sendfile" => "enable"` in its `fastcgi.server` and `x-sendfile-docroot` for the folders that it
    /// may send from; Apache with mod_xsendfile, `XSendFile on` and `XSendFilePath`.
    Header,
    /// nginx's `X-Accel-Redirect`, for files in one folder.
    ///
    /// A `location /protected/ { internal; alias /srv/files/; }` goes with `folder: "/srv/files".into()` and
    /// `location: "/protected".into()`. A file that lies elsewhere, symbolic links followed, is sent by the application.
    Accel {
        /// The folder that the location shows.
        folder: PathBuf,
        /// The path of the location, which begins with a slash.
        location: String,
    },
}

impl Sendfile {
    /// The header that hands a file over. `None` if the web server does not reach it.
    pub(crate) fn field(&self, path: &Path) -> Option<(&'static [u8], String)> {
        match self {
            Sendfile::Header => {
                let path = std::path::absolute(path).ok()?;
                Some((b"X-Sendfile", encoded_file(path.as_os_str().as_bytes())))
            }
            Sendfile::Accel { folder, location } => {
                let (path, folder) = (path.canonicalize().ok()?, folder.canonicalize().ok()?);
                let inside = path.strip_prefix(folder).ok()?.as_os_str().as_bytes();
                let location = encoded_file(location.trim_matches('/').as_bytes());
                let slash = if location.is_empty() { "" } else { "/" };
                let uri = format!("/{location}{slash}{}", encoded_file(inside));
                Some((b"X-Accel-Redirect", uri))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_handed_over_by_the_path_that_the_web_server_knows() {
        let root = std::env::temp_dir().join(format!("fcgi-sendfile-{}", std::process::id()));
        let (folder, other) = (root.join("files"), root.join("other"));
        fs::create_dir_all(folder.join("a b")).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(folder.join("a b/50%.txt"), "").unwrap();
        fs::write(other.join("x"), "").unwrap();
        symlink(other.join("x"), folder.join("out")).unwrap();
        symlink(&folder, root.join("link")).unwrap();
        let accel = |folder: &Path, location: &str| Sendfile::Accel {
            folder: folder.to_owned(),
            location: location.to_owned(),
        };
        let field = |sendfile: &Sendfile, path: &str| {
            sendfile.field(&root.join(path)).map(|(_, value)| value)
        };
        let whole = format!("{}/files/a%20b/50%25.txt", root.display());
        let inside = "files/a b/50%.txt";
        assert_eq!(field(&Sendfile::Header, inside), Some(whole));
        let by_link = root.join("link");
        for (folder, location, path, uri) in [
            (
                &folder,
                "/protected",
                inside,
                Some("/protected/a%20b/50%25.txt"),
            ),
            (
                &folder,
                "/pro tected/",
                inside,
                Some("/pro%20tected/a%20b/50%25.txt"),
            ),
            (&folder, "/", inside, Some("/a%20b/50%25.txt")),
            (&by_link, "/p", inside, Some("/p/a%20b/50%25.txt")),
            (
                &folder,
                "/p",
                "link/a b/50%.txt",
                Some("/p/a%20b/50%25.txt"),
            ),
            (&folder, "/p", "files/../other/x", None),
            (&folder, "/p", "files/out", None),
            (&folder, "/p", "other/x", None),
            (&folder, "/p", "absent", None),
            (&other, "/p", inside, None),
        ] {
            assert_eq!(
                field(&accel(folder, location), path).as_deref(),
                uri,
                "{path}"
            );
        }
        fs::remove_dir_all(root).unwrap();
    }
}
