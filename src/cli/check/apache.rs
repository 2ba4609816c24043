//! Apache's own configuration, as far as this user may read it: where Debian and Red Hat have it, and the files that running
//! Apaches were given by `-f`. Called by the concerns that depend on Apache.

use super::person::processes;
use super::{name_pattern, text_of};
use crate::cli::order::sort;
use crate::cli::words::{Words, joined, words};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// In the order in which Apache reads them. A folder stands for all files in it.
const FILES: [&str; 7] = [
    "/etc/apache2/apache2.conf",
    "/etc/apache2/mods-enabled",
    "/etc/apache2/conf-enabled",
    "/etc/apache2/sites-enabled",
    "/etc/httpd/conf/httpd.conf",
    "/etc/httpd/conf.modules.d",
    "/etc/httpd/conf.d",
];

/// One file of the configuration.
pub(super) struct Config {
    pub(super) file: &'static Path,
    pub(super) text: Words,
    /// A running Apache was given it by `-f`: it is another Apache than the system's.
    is_given: bool,
}

/// What AllowOverride says for a folder, and where that is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) value: String,
    /// The folder of the `<Directory>` in which it stands.
    pub(super) folder: PathBuf,
    pub(super) file: &'static Path,
}

/// Whether a module is on. `None` where nobody can tell: only Debian has a file for each.
pub(super) fn has(module: &str) -> Option<bool> {
    let enabled = Path::new("/etc/apache2/mods-enabled");
    let file = enabled.join(words!("{module}.load"));
    enabled.is_dir().then(|| file.exists())
}

/// All files of it that can be read, in the order in which Apache reads them.
pub(super) fn configs() -> Vec<Config> {
    let mut given = Vec::new();
    for pid in processes() {
        given.extend(given_to(pid));
    }
    sort(&mut given, |one, other| one.as_os_str() > other.as_os_str());
    given.dedup();
    let mut configs = files_of(&FILES);
    for file in given {
        add_configs(&file, true, &mut configs);
    }
    configs
}

/// All files but those of Apaches that were given them by `-f` and have no `<Directory>` for this folder: these serve others.
pub(super) fn serving(mut configs: Vec<Config>, folder: &Path) -> Vec<Config> {
    configs.retain(|config| !config.is_given || is_named(config.text, folder));
    configs
}

/// These files, and the files in these folders.
pub(super) fn files_of(names: &[&str]) -> Vec<Config> {
    let mut configs = Vec::new();
    for name in names {
        add_configs(Path::new(name), false, &mut configs);
    }
    configs
}

/// Adds this file, or the files in this folder.
fn add_configs(name: &Path, is_given: bool, configs: &mut Vec<Config>) {
    let mut files = Vec::new();
    for entry in fs::read_dir(name).into_iter().flatten().flatten() {
        files.push(entry.path());
    }
    sort(&mut files, |one, other| one.as_os_str() > other.as_os_str());
    if !name.is_dir() {
        files.push(name.to_owned());
    }
    for file in files {
        if let Some(text) = text_of(&file) {
            configs.push(Config {
                file: file.leak(),
                text: words!("{text}\n"),
                is_given,
            });
        }
    }
}

/// The file that a process was given by `-f`, if the process is an Apache. Its children have the same arguments.
fn given_to(pid: u32) -> Option<PathBuf> {
    let name = text_of(Path::new(&format!("/proc/{pid}/comm")))?;
    if !["apache2", "httpd"].contains(&name.trim_end()) {
        return None;
    }
    let line = fs::read(words!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = line
        .split(|&byte| byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    behind_f(&words)
}

/// The file behind the last `-f` of a command line. Only an absolute one: relative ones count from a folder that is built
/// into that Apache.
fn behind_f(words: &[String]) -> Option<PathBuf> {
    let mut words = words.iter();
    let mut file = None;
    while let Some(word) = words.next() {
        match word.strip_prefix("-f") {
            Some("") => file = words.next().map(PathBuf::from),
            Some(joined) => file = Some(PathBuf::from(joined)),
            None => {}
        }
    }
    file.filter(|file| file.is_absolute())
}

/// All values of a directive, in whatever section it stands. Also of nginx's, which end in a semicolon.
pub(super) fn values<'t>(text: &'t str, directive: &str) -> Vec<&'t str> {
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some((name, value)) = line.trim().split_once([' ', '\t'])
            && name.eq_ignore_ascii_case(directive)
        {
            values.push(value.trim().trim_end_matches(';').trim());
        }
    }
    values
}

/// What AllowOverride says for a folder: the value of the nearest `<Directory>` that has one. `None` also where that cannot be
/// told: where AllowOverrideList makes exceptions, which are not read here, and where a `<Directory>` is named by a variable.
pub(super) fn allow_override(configs: &[Config], folder: &Path) -> Option<Allowed> {
    let text = joined(&mut configs.iter().map(|config| config.text), "");
    let list = of_folder(text, "AllowOverrideList", folder);
    if list.is_some_and(|list| !list.eq_ignore_ascii_case("none")) || has_variables(text) {
        return None;
    }
    let mut nearest: Option<Allowed> = None;
    for config in configs {
        for (place, value) in in_directories(config.text, "AllowOverride") {
            let depth = |folder: &Path| folder.components().count();
            // Of two sections that are equally near, the later one counts; but not if it is another Apache's.
            let is_nearer = nearest.as_ref().is_none_or(|other| {
                depth(&place) >= depth(&other.folder) + usize::from(config.is_given)
            });
            if is_above(&place, folder) && is_nearer {
                nearest = Some(Allowed {
                    value: value.to_owned(),
                    folder: place,
                    file: config.file,
                });
            }
        }
    }
    nearest
}

/// Whether a `<Directory>` is named by a variable, whose value nobody knows here.
fn has_variables(text: &str) -> bool {
    let mut sections = values(text, "<Directory").into_iter();
    sections.any(|name| name.contains("${"))
}

/// Whether there is a `<Directory>` for this folder or one above it, the root of the system not counted.
pub(super) fn is_named(text: &str, folder: &Path) -> bool {
    let sections = values(text, "<Directory").into_iter();
    let places =
        sections.map(|name| Path::new(name.trim_end_matches('>').trim().trim_matches('"')));
    let mut places = places.filter(|place| *place != Path::new("/"));
    places.any(|place| is_above(place, folder))
}

/// What a directive says for a folder: its value in the nearest `<Directory>` that has it. The name of a `<Directory>` may
/// have wildcards.
pub(super) fn of_folder(text: &str, directive: &str, folder: &Path) -> Option<String> {
    let mut nearest: Option<(usize, String)> = None;
    for (place, value) in in_directories(text, directive) {
        let depth = place.components().count();
        let is_nearer = nearest.as_ref().is_none_or(|(other, _)| *other <= depth);
        if is_above(&place, folder) && is_nearer {
            nearest = Some((depth, value.to_owned()));
        }
    }
    nearest.map(|(_, value)| value)
}

/// Each value of a directive that stands within a `<Directory>`, and the folder that this one names.
fn in_directories<'t>(text: &'t str, directive: &str) -> Vec<(PathBuf, &'t str)> {
    let mut within: Option<PathBuf> = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("<directory ") {
            let name = line["<directory ".len()..].trim_end_matches('>').trim();
            within = Some(PathBuf::from(name.trim_matches('"')));
        } else if lower.starts_with("</directory>") {
            within = None;
        } else if let (Some(place), Some(value)) = (&within, values(line, directive).first()) {
            found.push((place.clone(), *value));
        }
    }
    found
}

/// Whether a `<Directory>` of that name is for this folder. The name may be that of a link; the folder's has no links.
fn is_above(place: &Path, folder: &Path) -> bool {
    let mut parts = folder.components();
    let is_part = |wanted: Component| {
        let wildcards = wanted.as_os_str().to_string_lossy();
        let part = parts.next().map(|part| part.as_os_str().to_string_lossy());
        part.is_some_and(|part| {
            part == wildcards || name_pattern::fits_wildcards(&wildcards, &part)
        })
    };
    place.components().all(is_part)
        || fs::canonicalize(place).is_ok_and(|place| folder.starts_with(place))
}

#[cfg(test)]
impl Config {
    /// A file of the system's Apache.
    pub(super) fn of(file: &'static str, text: Words) -> Config {
        Config {
            file: Path::new(file),
            text,
            is_given: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_says_what_may_be_overridden() {
        let text = "<Directory />\n AllowOverride None\n</Directory>\n<Directory \"/srv/www\">\n\tAllowOverride  All\n\
                    </Directory>\n<Directory /srv>\nallowoverride FileInfo\n</Directory>\nAllowOverride x\n";
        let config = |file, text| Config {
            file: Path::new(file),
            text,
            is_given: false,
        };
        let other = "<Directory /srv/www/b/c>\nAllowOverride Limit\n</Directory>\n<Directory />\nAllowOverride x\n";
        let configs = [config("/a.conf", text), config("/b.conf", other)];
        let at = |folder| {
            let found = allow_override(&configs, Path::new(folder)).unwrap();
            (found.value, found.folder, found.file)
        };
        let found =
            |value: &str, folder: &str, file| (value.to_owned(), folder.into(), Path::new(file));
        assert_eq!(at("/srv/www/a"), found("All", "/srv/www", "/a.conf"));
        assert_eq!(at("/srv/other"), found("FileInfo", "/srv", "/a.conf"));
        assert_eq!(
            at("/srv/www/b/c"),
            found("Limit", "/srv/www/b/c", "/b.conf")
        );
        assert_eq!(at("/home"), found("x", "/", "/b.conf"));
        assert_eq!(allow_override(&[], Path::new("/")), None);
        let mut configs = configs;
        configs[1].is_given = true;
        let at = |folder| allow_override(&configs, Path::new(folder)).unwrap().value;
        assert_eq!(
            (at("/home"), at("/srv/www/b/c")),
            ("None".into(), "Limit".into())
        );
        // As Debian's userdir.conf has it.
        let users = "<Directory />\nAllowOverride None\n</Directory>\n\
                     <Directory /home/*/public_html>\nAllowOverride FileInfo\n</Directory>\n";
        let configs = [config("/c.conf", users)];
        let at = |folder| allow_override(&configs, Path::new(folder)).unwrap().value;
        assert_eq!(at("/home/ada/public_html/shop"), "FileInfo");
        assert_eq!(at("/home/ada/public"), "None");
        assert_eq!(at("/home/public_html"), "None");
    }

    /// By wildcards or by a link. A variable and a list of single directives cannot be told.
    #[test]
    fn a_folder_may_be_meant_without_being_named() {
        let none = "<Directory />\nAllowOverride None\n</Directory>\n";
        let of = |name: &str, line: &str, folder: &Path| {
            let text = format!("{none}<Directory {name}>\n{line}\n</Directory>\n");
            let config = Config {
                file: Path::new("/a.conf"),
                text: text.leak(),
                is_given: false,
            };
            allow_override(&[config], folder).map(|allowed| allowed.value)
        };
        let (all, ada) = ("AllowOverride All", Path::new("/home/ada/public_html/x"));
        let named = |name| of(name, all, ada);
        assert_eq!(named("\"/home/[a-c]*/\"").as_deref(), Some("All"));
        assert_eq!(named("${HOMES}"), None);
        assert_eq!(of("/home", "AllowOverrideList RewriteRule", ada), None);
        let process = fs::canonicalize("/proc/self").unwrap();
        assert_eq!(of("/proc/self", all, &process).as_deref(), Some("All"));
        let options = "<Directory /home>\nOptions +ExecCGI\n</Directory>\n";
        assert_eq!(
            of_folder(options, "Options", ada).as_deref(),
            Some("+ExecCGI")
        );
        assert!(is_named(options, ada) && !is_named(none, ada));
    }

    #[test]
    fn an_apache_that_serves_other_folders_does_not_count() {
        let config = |file, text, is_given| Config {
            file: Path::new(file),
            text,
            is_given,
        };
        let files = |folder| -> Vec<&Path> {
            let configs = vec![
                config("/etc/fcgid.conf", "FcgidIOTimeout 9\n", false),
                config("/etc/site.conf", "<Directory /srv/www>\n", false),
                config("/a.conf", "<Directory /srv/a>\n", true),
                config("/b.conf", "<Directory /srv/b>\n", true),
            ];
            let serving = serving(configs, Path::new(folder)).into_iter();
            serving.map(|config| config.file).collect()
        };
        let named = |names: &[&'static str]| -> Vec<&Path> {
            names.iter().map(|name| Path::new(*name)).collect()
        };
        let system = named(&["/etc/fcgid.conf", "/etc/site.conf"]);
        let with = |name| [system.clone(), named(&[name])].concat();
        assert_eq!(files("/srv/a/x"), with("/a.conf"));
        assert_eq!(files("/srv/b"), with("/b.conf"));
        assert_eq!(files("/srv/www"), system);
    }

    #[test]
    fn an_apache_that_runs_says_which_file_it_reads() {
        let behind = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            behind_f(&words)
        };
        assert_eq!(behind("/usr/sbin/apache2 -k start"), None);
        assert_eq!(
            behind("apache2 -f /a/b.conf -D FOREGROUND"),
            Some("/a/b.conf".into())
        );
        assert_eq!(behind("httpd -f/a/b.conf"), Some("/a/b.conf".into()));
        assert_eq!(behind("httpd -f conf/b.conf"), None);
        assert_eq!(behind("httpd -f"), None);
    }

    #[test]
    fn a_directive_is_found_wherever_it_stands() {
        let text = "  FcgidIOTimeout 90\n#FcgidIOTimeout 1\nfastcgi_read_timeout 5m;\n";
        assert_eq!(values(text, "fcgidiotimeout"), ["90"]);
        assert_eq!(values(text, "fastcgi_read_timeout"), ["5m"]);
    }
}
