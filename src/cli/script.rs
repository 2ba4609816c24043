//! The script that php-fpm is to run, and the parameters by which it is told. Called by `asked`, `serve` and `check`.

use super::words::{Words, words};
use std::path;

/// The script that php-fpm is to run: it runs the file that the parameters of a request name.
#[derive(Clone, Debug)]
pub(super) enum Script {
    /// This script for all requests, by its whole path.
    File(String),
    /// For each request the script of that path below this folder.
    #[cfg(feature = "dev")]
    Below(String),
}

/// Parameters that replace those of the same name. One without a value is not sent.
type Named = [(&'static str, String); 5];

impl Script {
    /// What `--script-filename` says.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn file(file: &str) -> Result<Script, Words> {
        let absolute = path::absolute(file)
            .map_err(|error| words!("--script-filename: {file:?} is no file: {error}"))?;
        match absolute.file_name() {
            Some(_) => Ok(Script::File(absolute.to_string_lossy().into_owned())),
            None => Err("--script-filename: / is no file; write the script's whole path"),
        }
    }

    /// What `--root` says.
    ///
    /// # Errors
    /// One sentence.
    #[cfg(feature = "dev")]
    pub(super) fn below(folder: &str) -> Result<Script, Words> {
        let absolute = path::absolute(folder)
            .map_err(|error| words!("--root: {folder:?} is no folder: {error}"))?;
        let folder = absolute.to_string_lossy();
        Ok(Script::Below(folder.trim_end_matches('/').to_owned()))
    }

    /// Sets the parameters by which php-fpm finds the script. Before, PATH_INFO has to be the whole decoded path.
    pub(super) fn name_in<N>(&self, params: &mut Vec<(N, Vec<u8>)>)
    where
        N: AsRef<[u8]> + From<&'static str>,
    {
        let path = params
            .iter()
            .find(|(name, _)| name.as_ref() == b"PATH_INFO");
        let path = path.map_or("".into(), |(_, path)| String::from_utf8_lossy(path));
        let named = self.named(&path);
        params.retain(|(name, _)| !named.iter().any(|(own, _)| own.as_bytes() == name.as_ref()));
        let sent = named.into_iter().filter(|(_, value)| !value.is_empty());
        params.extend(sent.map(|(name, value)| (name.into(), value.into_bytes())));
    }

    fn named(&self, path: &str) -> Named {
        match self {
            Script::File(file) => named_of_file(file, path),
            #[cfg(feature = "dev")]
            Script::Below(folder) => {
                let (script, path_info) = below(path, |script| {
                    path::Path::new(&format!("{folder}{script}")).is_file()
                });
                let root = if folder.is_empty() { "/" } else { folder };
                named(root, &script, format!("{folder}{script}"), path_info)
            }
        }
    }
}

/// The parameters for a script that gets all requests. A path that names the script is split behind the name, as nginx does
/// with `fastcgi_split_path_info ^(.+\.php)(/.*)$`; any other path goes to the script as with `try_files $uri /index.php`.
fn named_of_file(file: &str, path: &str) -> Named {
    let name = file.rfind('/').map_or(file, |slash| &file[slash..]);
    let end = path.find(name).map(|at| at + name.len());
    let end = end.filter(|&end| path[end..].is_empty() || path[end..].starts_with('/'));
    let (script, path_info) = match end {
        Some(end) => path.split_at(end),
        None => (name, ""),
    };
    let root = match file.strip_suffix(script) {
        Some(root) => root,
        None => file.strip_suffix(name).unwrap_or("/"),
    };
    let root = if root.is_empty() { "/" } else { root };
    named(root, script, file.to_owned(), path_info)
}

fn named(root: &str, script: &str, file: String, path_info: &str) -> Named {
    [
        ("DOCUMENT_ROOT", root.to_owned()),
        ("SCRIPT_NAME", script.to_owned()),
        ("SCRIPT_FILENAME", file),
        // Without it php-cgi refuses to run (cgi.force_redirect). nginx's fastcgi_params have it, too.
        ("REDIRECT_STATUS", "200".to_owned()),
        ("PATH_INFO", path_info.to_owned()),
    ]
}

/// The script and the PATH_INFO for a path. `/a.php/b` names the script `/a.php`, whether there is one or not. Any other path
/// goes to index.php: that of the path's own folder if there is one, else that of the root.
#[cfg(feature = "dev")]
fn below(path: &str, is_file: impl Fn(&str) -> bool) -> (String, &str) {
    let ends = path
        .match_indices(".php")
        .map(|(at, found)| at + found.len());
    let end = ends
        .into_iter()
        .find(|&end| path[end..].is_empty() || path[end..].starts_with('/'));
    if let Some(end) = end {
        return (path[..end].to_owned(), &path[end..]);
    }
    let own = format!("{}/index.php", path.trim_end_matches('/'));
    let script = if is_file(&own) {
        own
    } else {
        "/index.php".to_owned()
    };
    (script, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_named(script: &Script, path: &str, wanted: [&str; 4]) {
        let [root, name, file, _, path_info] = script.named(path).map(|(_, value)| value);
        assert_eq!([&*root, &*name, &*file, &*path_info], wanted, "{path}");
    }

    #[test]
    fn a_script_is_asked_for_everything() {
        let script = Script::file("/srv/app/index.php").unwrap();
        let file = "/srv/app/index.php";
        for (path, wanted) in [
            ("/", ["/srv/app", "/index.php", file, ""]),
            ("/news", ["/srv/app", "/index.php", file, ""]),
            ("/index.php", ["/srv/app", "/index.php", file, ""]),
            ("/index.php/a b", ["/srv/app", "/index.php", file, "/a b"]),
            ("/index.phpx", ["/srv/app", "/index.php", file, ""]),
            ("/app/index.php/x", ["/srv", "/app/index.php", file, "/x"]),
        ] {
            assert_named(&script, path, wanted);
        }
        let top = Script::file("/i.php").unwrap();
        assert_named(&top, "/x", ["/", "/i.php", "/i.php", ""]);
        assert!(Script::file("/").is_err());
    }

    #[cfg(feature = "dev")]
    #[test]
    fn a_folder_has_a_script_for_each_path() {
        let is_file = |script: &str| script == "/blog/index.php";
        for (path, script, path_info) in [
            ("/", "/index.php", ""),
            ("/news", "/index.php", ""),
            ("/blog", "/blog/index.php", ""),
            ("/blog/", "/blog/index.php", ""),
            ("/blog/x", "/index.php", ""),
            ("/a.php", "/a.php", ""),
            ("/a.php/", "/a.php", "/"),
            ("/d/a.php/b/c.php", "/d/a.php", "/b/c.php"),
            ("/a.phpx/b.php", "/a.phpx/b.php", ""),
            ("/a.phpx", "/index.php", ""),
        ] {
            let found = below(path, is_file);
            assert_eq!(found, (script.to_owned(), path_info), "{path}");
        }
        let srv = Script::below("/srv/").unwrap();
        assert_named(&srv, "/a.php/b", ["/srv", "/a.php", "/srv/a.php", "/b"]);
        let all = Script::below("/").unwrap();
        assert_named(&all, "/a.php", ["/", "/a.php", "/a.php", ""]);
    }
}
