//! Apache's own configuration, as far as it lies where Debian and Red Hat have it and this user may read it.

use super::{shape, text_of};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// In the order in which Apache reads them; folders stand for all that is in them.
const FILES: [&str; 7] = [
    "/etc/apache2/apache2.conf",
    "/etc/apache2/mods-enabled",
    "/etc/apache2/conf-enabled",
    "/etc/apache2/sites-enabled",
    "/etc/httpd/conf/httpd.conf",
    "/etc/httpd/conf.modules.d",
    "/etc/httpd/conf.d",
];

/// Whether a module is on. `None` where nobody can tell: only Debian has a file for each.
pub(super) fn has(module: &str) -> Option<bool> {
    let enabled = Path::new("/etc/apache2/mods-enabled");
    let file = enabled.join(format!("{module}.load"));
    enabled.is_dir().then(|| file.exists())
}

/// All that can be read, as one text.
pub(super) fn configuration() -> String {
    text_of_all(&FILES)
}

/// The text of these files, and of those in these folders.
pub(super) fn text_of_all(names: &[&str]) -> String {
    let files = names.iter().flat_map(|name| {
        let entries = fs::read_dir(name).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        if !Path::new(name).is_dir() {
            files.push(name.into());
        }
        files
    });
    let texts = files.filter_map(|file| text_of(&file));
    texts.map(|text| text + "\n").collect()
}

/// The values of a directive, from all places in which it stands.
pub(super) fn values<'t>(text: &'t str, directive: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once([' ', '\t'])?;
        let is_it = name.eq_ignore_ascii_case(directive);
        is_it.then_some(value.trim().trim_end_matches(';').trim())
    });
    lines.collect()
}

/// What AllowOverride says for a folder. `None` also where AllowOverrideList makes exceptions, which nobody reads here.
pub(super) fn allow_override(text: &str, folder: &Path) -> Option<String> {
    let list = of_folder(text, "AllowOverrideList", folder);
    match list {
        Some(list) if !list.eq_ignore_ascii_case("none") => None,
        _ => of_folder(text, "AllowOverride", folder),
    }
}

/// Whether there is a `<Directory>` for a folder or one above it, but the root of the system.
pub(super) fn is_named(text: &str, folder: &Path) -> bool {
    let sections = values(text, "<Directory").into_iter();
    let places =
        sections.map(|name| Path::new(name.trim_end_matches('>').trim().trim_matches('"')));
    let mut places = places.filter(|place| *place != Path::new("/"));
    places.any(|place| is_above(place, folder))
}

/// What a directive says for a folder: the value of the nearest `<Directory>` that has it, in whose name there may be
/// wildcards. `None` as well if one has a variable in its name: nobody knows what it stands for.
pub(super) fn of_folder(text: &str, directive: &str, folder: &Path) -> Option<String> {
    let mut within: Option<PathBuf> = None;
    let mut nearest: Option<(usize, String)> = None;
    for line in text.lines().map(str::trim) {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("<directory ") {
            let name = line["<directory ".len()..].trim_end_matches('>').trim();
            within = Some(PathBuf::from(name.trim_matches('"')));
        } else if lower.starts_with("</directory>") {
            within = None;
        } else if let (Some(place), Some(value)) = (&within, values(line, directive).first()) {
            let depth = place.components().count();
            let is_nearer = nearest.as_ref().is_none_or(|(other, _)| *other <= depth);
            if place.to_string_lossy().contains("${") {
                return None;
            }
            if is_above(place, folder) && is_nearer {
                nearest = Some((depth, (*value).to_owned()));
            }
        }
    }
    nearest.map(|(_, value)| value)
}

/// A place is known by the name that Apache was told, which may be a link, and the folder by its own.
fn is_above(place: &Path, folder: &Path) -> bool {
    let mut parts = folder.components();
    let is_part = |wanted: Component| {
        let wildcards = wanted.as_os_str().to_string_lossy();
        let part = parts.next().map(|part| part.as_os_str().to_string_lossy());
        part.is_some_and(|part| part == wildcards || shape::fits_wildcards(&wildcards, &part))
    };
    place.components().all(is_part)
        || fs::canonicalize(place).is_ok_and(|place| folder.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_says_what_may_be_overridden() {
        let text = "<Directory />\n AllowOverride None\n</Directory>\n<Directory \"/srv/www\">\n\tAllowOverride  All\n\
                    </Directory>\n<Directory /srv>\nallowoverride FileInfo\n</Directory>\nAllowOverride x\n";
        let at = |folder| allow_override(text, Path::new(folder));
        assert_eq!(at("/srv/www/a").as_deref(), Some("All"));
        assert_eq!(at("/srv/other").as_deref(), Some("FileInfo"));
        assert_eq!(at("/home").as_deref(), Some("None"));
        assert_eq!(allow_override("", Path::new("/")), None);
        assert!(is_named(text, Path::new("/srv/www/a")) && !is_named(text, Path::new("/home")));
    }

    /// Debian's userdir.conf; a list of single directives; a variable; `/var/www` that is a link.
    #[test]
    fn a_folder_may_be_meant_without_being_named() {
        let none = "<Directory />\nAllowOverride None\n</Directory>\n";
        let of = |name: &str, line: &str, folder: &Path| {
            let text = format!("{none}<Directory {name}>\n{line}\n</Directory>\n");
            allow_override(&text, folder)
        };
        let (all, ada) = ("AllowOverride All", Path::new("/home/ada/public_html/x"));
        let named = |name| of(name, all, ada);
        assert_eq!(named("/home/*/public_html").as_deref(), Some("All"));
        assert_eq!(named("\"/home/[a-c]*/\"").as_deref(), Some("All"));
        assert_eq!(named("/home/*/x").as_deref(), Some("None"));
        assert_eq!(named("${HOMES}"), None);
        let list = "AllowOverrideList RewriteEngine RewriteRule";
        assert_eq!(of("/home", list, ada), None);
        let process = fs::canonicalize("/proc/self").unwrap();
        assert_eq!(of("/proc/self", all, &process).as_deref(), Some("All"));
        let options = "<Directory /home>\nOptions +ExecCGI\n</Directory>\n";
        assert_eq!(
            of_folder(options, "Options", ada).as_deref(),
            Some("+ExecCGI")
        );
    }

    #[test]
    fn a_directive_is_found_wherever_it_stands() {
        let text = "  FcgidIOTimeout 90\n#FcgidIOTimeout 1\nfastcgi_read_timeout 5m;\n";
        assert_eq!(values(text, "fcgidiotimeout"), ["90"]);
        assert_eq!(values(text, "fastcgi_read_timeout"), ["5m"]);
    }
}
