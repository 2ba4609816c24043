//! The `.htaccess` beside the program: whether Apache reads it, runs the program by it, and sends requests there.

mod base;
mod circles;
mod said;

use super::apache::Allowed;
use super::person::{Node, READ};
use super::{Findings, Subject, apache, text_of};
use crate::cli::words::{Words, joined, words};
use said::{Said, ends_so, read};
use std::path::Path;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let path = subject.site().join(".htaccess");
    let Ok(node) = Node::at(&path) else {
        return;
    };
    if !path.is_file() {
        return report.red(
            words!(
                "{} is no file: Apache answers each request with 403",
                path.display()
            ),
            "remove it, and take what conf htaccess prints",
        );
    }
    for person in &subject.people {
        if !person.may(READ, &node) {
            subject.refused(
                words!(
                    "{} may not read {} ({}): Apache answers 403",
                    person.name,
                    path.display(),
                    node.described()
                ),
                words!("chmod 644 {}", path.display()),
                report,
            );
        }
    }
    let Some(text) = text_of(&path) else {
        report.yellow(
            words!("{} cannot be read", path.display()),
            "check as its owner, or as root",
        );
        return;
    };
    let (name, folder) = (subject.name(), subject.site());
    let configs = apache::configs();
    let allowed = apache::allow_override(&configs, folder);
    let configuration = joined(&mut configs.into_iter().map(|config| config.text), "");
    let around = Around::of(configuration, allowed, folder, &name);
    let exists = |file: &str| folder.join(file).exists();
    judge(text, &name, &around, &exists, report);
    base::judge(text, folder, configuration, report);
}

/// Whether a `.htaccess` has Apache connect to the program, which runs on its own: `SetHandler "proxy:unix:/run/x|fcgi://y"`.
pub(super) fn is_proxied(text: &str, name: &str) -> bool {
    read(text, name).is_proxied()
}

/// What the server's own configuration says for the folder, as far as it could be read.
#[derive(Debug, Default)]
struct Around {
    /// What AllowOverride says.
    allowed: Option<Allowed>,
    /// Whether its Options have ExecCGI.
    has_exec_cgi: bool,
    /// What AddHandler names for the program.
    handler: Option<Words>,
}

impl Around {
    fn of(configuration: &str, allowed: Option<Allowed>, folder: &Path, name: &str) -> Around {
        let options = apache::of_folder(configuration, "Options", folder);
        // An AddHandler counts only if this configuration is the one that serves the folder.
        let is_named = apache::is_named(configuration, folder);
        let mut handler = None;
        for value in apache::values(configuration, "AddHandler") {
            let words = said::words(value);
            if is_named && ends_so(name, &words) {
                handler = words.first().copied();
            }
        }
        Around {
            allowed,
            has_exec_cgi: options.is_some_and(|options| {
                let options = options.to_ascii_lowercase();
                let mut options = options.split_whitespace();
                options.any(|option| matches!(option, "+execcgi" | "execcgi" | "all" | "+all"))
            }),
            handler,
        }
    }
}

/// `exists`: whether there is a file of that name beside the program.
fn judge(
    text: &str,
    name: &str,
    around: &Around,
    exists: &dyn Fn(&str) -> bool,
    report: &mut Findings,
) {
    let told = report.len();
    let mut said = read(text, name);
    if let Some(allowed) = &around.allowed {
        ignored(allowed, &said, report);
    }
    said.exec_cgi = said.exec_cgi.or(around.has_exec_cgi.then_some(true));
    if said.handler.is_none() {
        said.handler = around.handler;
    }
    let before = report.len();
    targets(&said, name, exists, report);
    // What stands there in a section for that other name is not read for this one.
    let is_astray = report.len() > before && said.exec_cgi.is_none();
    if !is_astray {
        options(&said, report);
    }
    handler(&said, name, report);
    engine(&said, report);
    unled(&said, name, report);
    downloaded(&said, name, report);
    circles::judge(text, name, report);
    if report.len() == told {
        let handler = said.handler.unwrap_or("");
        let how = match said.is_proxied() {
            true => words!("it gives {name} to {handler}"),
            false => words!("it allows {name} to run (ExecCGI) by {handler}"),
        };
        report.green(words!(
            "{how}, and {} rewrite rules lead to what is there",
            said.targets.len()
        ));
    }
}

/// What AllowOverride leaves of the file: nothing, or not all that stands in it.
fn ignored(allowed: &Allowed, said: &Said, report: &mut Findings) {
    let Allowed {
        value,
        folder,
        file,
    } = allowed;
    let has = |word: &str| {
        value.split_whitespace().any(|other| {
            let (name, _) = other.split_once('=').unwrap_or((other, ""));
            name.eq_ignore_ascii_case(word)
        })
    };
    if has("all") {
        return;
    }
    let says = words!(
        "{} says AllowOverride {value} for {}",
        file.display(),
        folder.display()
    );
    // Debian's configuration says None for all folders that it does not name, and serves none of them. Another configuration
    // may serve this one.
    if has("none") && folder == Path::new("/") {
        return report.yellow(
            words!(
                "Apache does not read it, if it serves this folder by that configuration: {says}"
            ),
            "there, or in a <Directory> of its own for this folder: AllowOverride FileInfo Options",
        );
    }
    if has("none") {
        return report.red(
            words!("Apache does not read it, and visitors get 404, or the program's bytes: {says}"),
            "there, or in a <Directory> of its own for this folder: AllowOverride FileInfo Options",
        );
    }
    let lacks_options = said.exec_cgi.is_some() && !has("options");
    let lacks_file_info = (said.handler.is_some() || said.has_engine) && !has("fileinfo");
    let missing = match (lacks_options, lacks_file_info) {
        (false, false) => return,
        (true, false) => "Options",
        (false, true) => "FileInfo",
        (true, true) => "FileInfo Options",
    };
    report.red(
        words!("{says}, which does not allow what stands here: each request is a 500"),
        words!("write there: AllowOverride {value} {missing}"),
    )
}

fn options(said: &Said, report: &mut Findings) {
    if let Some(line) = &said.mixed_options {
        return report.red(
            words!(
                "{line:?} mixes options with and without a sign: Apache answers 500 to each request"
            ),
            "write a sign before each: Options +ExecCGI",
        );
    }
    match said.exec_cgi {
        // Apache runs nothing then, and needs no ExecCGI.
        _ if said.is_proxied() => {}
        Some(true) => {}
        Some(false) => report.red(
            "it takes ExecCGI away: Apache answers 403, \"Options ExecCGI is off in this directory\"",
            "write Options +ExecCGI",
        ),
        None => report.yellow(
            "it does not say Options +ExecCGI: without it Apache answers 403, unless the server's own configuration has it",
            "write Options +ExecCGI",
        ),
    }
}

fn handler(said: &Said, name: &str, report: &mut Findings) {
    match said.handler {
        Some("fcgid-script" | "fastcgi-script" | "cgi-script") => {}
        _ if said.is_proxied() => {}
        Some(handler) => report.yellow(
            words!(
                "it gives {name} to the handler {handler}, which is none that starts FastCGI programs"
            ),
            "write SetHandler fcgid-script",
        ),
        None => {
            let what = words!("it names no handler for {name}");
            let remedy = "write AddHandler fcgid-script .fcgi, with this file's ending; or take what conf htaccess prints";
            match name.ends_with(".fcgi") {
                true => report.yellow(
                    words!(
                        "{what}: visitors download the program, unless the server's own configuration has one for .fcgi"
                    ),
                    remedy,
                ),
                false => report.red(words!("{what}: visitors download the program"), remedy),
            }
        }
    }
}

fn engine(said: &Said, report: &mut Findings) {
    if !said.targets.is_empty() && !said.has_engine {
        report.red(
            "it has rewrite rules, and they are off",
            "write RewriteEngine On before them",
        );
    }
}

/// Rules that are missing, so that visitors have to write `/app.fcgi/news`: the first trouble of which the guides tell.
fn unled(said: &Said, name: &str, report: &mut Findings) {
    let is_led = !said.targets.is_empty() || said.leads_otherwise || said.handler.is_none();
    if !is_led {
        report.yellow(
            words!("no rule leads to {name}: its name stands in every address, as in /{name}/news"),
            "take what conf htaccess prints, which has the rules",
        );
    }
}

/// A program that is a file below a virtual FcgidWrapper: Apache 2.4.71 sends its bytes, for it is no business of the
/// wrapper's.
fn downloaded(said: &Said, name: &str, report: &mut Findings) {
    if said.is_virtual && !said.is_denied && !said.is_handled {
        report.red(
            words!("FcgidWrapper is for what is no file, and {name} is one: visitors download the program at its own address"),
            words!("move it out of what is served, or write <Files \"{name}\"> with Require all denied"),
        );
    }
}

/// Rewrite rules that lead to files that are not there.
fn targets(said: &Said, name: &str, exists: &dyn Fn(&str) -> bool, report: &mut Findings) {
    let mut missing = Vec::new();
    for target in &said.targets {
        missing.extend(file_of(target).filter(|file| !exists(file)));
    }
    missing.dedup();
    for file in missing {
        report.red(
            words!(
                "a rewrite rule sends requests to {file}, and there is no such file: 404, or 500 (AH00124)"
            ),
            words!("write {name} there, or let {name} print all of it: conf htaccess"),
        );
    }
}

/// The name of the file that a rewrite rule sends requests to, where its target tells: `app.fcgi/$1`, `/sub/app.fcgi/$1?x`.
fn file_of(target: &str) -> Option<String> {
    if target == "-" || target.contains("://") || target.starts_with(['%', '$']) {
        return None;
    }
    let path = target.split('?').next().unwrap_or("");
    let path = path.replace('\\', "");
    // Without a variable behind it, any part of the path might be the file.
    let (path, _) = path.split_once("/$1").or_else(|| path.split_once("/$0"))?;
    let name = path.rsplit('/').next().unwrap_or("");
    (!name.is_empty() && !name.contains(['$', '%'])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::report::{Finding, Level};
    use crate::cli::conf;

    fn found_in(
        text: &str,
        name: &str,
        around: &Around,
        exists: &dyn Fn(&str) -> bool,
    ) -> Vec<Finding> {
        Findings::of(|report| judge(text, name, around, exists, report))
    }

    const GUIDE: &str = "Options +ExecCGI\nAddHandler fcgid-script .fcgi\nRewriteEngine On\n\
                         RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n";

    fn judged(text: &str, allowed: Option<&str>) -> Vec<(Level, &'static str)> {
        let exists = |file: &str| file == "app.fcgi";
        let allowed = allowed.map(|value| Allowed {
            value: value.into(),
            folder: "/srv".into(),
            file: Path::new("/etc/a.conf"),
        });
        let around = Around {
            allowed,
            ..Around::default()
        };
        let found = found_in(text, "app.fcgi", &around, &exists);
        found
            .into_iter()
            .map(|finding| (finding.level, finding.what))
            .collect()
    }

    #[test]
    fn the_guides_form_is_green() {
        for allowed in [
            None,
            Some("All"),
            Some("FileInfo Options"),
            Some("fileinfo options=ExecCGI"),
        ] {
            let found = judged(GUIDE, allowed);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, Level::Green);
        }
        let site = conf::site::Site::sample("/srv/www/app.fcgi", &[]);
        for form in ["", "addhandler", "wrapper"] {
            let printed = conf::text("htaccess", form, &site).unwrap();
            let found = judged(printed, None);
            assert_eq!(
                (found.len(), found[0].0),
                (1, Level::Green),
                "{form}: {found:?}"
            );
            assert!(found[0].1.contains("by fcgid-script"), "{form}: {found:?}");
        }
        // Apache sends a program that lies there unless that is forbidden.
        let printed = conf::text("htaccess", "wrapper", &site).unwrap();
        let (front, rest) = printed.split_once("<Files \"app.fcgi\">").unwrap();
        let (_, rest) = rest.split_once("</Files>").unwrap();
        let found = judged(&format!("{front}{rest}"), None);
        assert_eq!(found[0].0, Level::Red);
        assert!(
            found[0].1.contains("visitors download the program"),
            "{found:?}"
        );
    }

    /// Each of these was once taken for a mistake.
    #[test]
    fn what_works_is_green() {
        let rules = "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.cgi/$1 [L]\n";
        let exists = |file: &str| file == "app.cgi";
        let runs = "Options +ExecCGI\nSetHandler fcgid-script\n";
        for section in [
            r#"FilesMatch "\.cgi$""#,
            r"FilesMatch ^app\.(cgi|pl)$",
            r#"Files ~ "^app\.cgi$""#,
            "Files app.*",
            "Files *.cg?",
        ] {
            let end = section.split(' ').next().unwrap();
            let text = format!("<{section}>\n{runs}</{end}>\n{rules}");
            let found = found_in(&text, "app.cgi", &Around::default(), &exists);
            assert_eq!(found[0].level, Level::Green, "{text}{found:?}");
        }
        let proxied = "SetHandler \"proxy:unix:/run/app.sock|fcgi://localhost/\"\n";
        assert!(is_proxied(proxied, "app.cgi") && !is_proxied(runs, "app.cgi"));
        let found = found_in(
            &format!("{proxied}{rules}"),
            "app.cgi",
            &Around::default(),
            &exists,
        );
        assert_eq!(found[0].level, Level::Green, "{found:?}");
        let configuration = "AddHandler cgi-script .cgi .pl\n<Directory /srv>\nOptions Indexes ExecCGI\n</Directory>\n";
        let around = Around::of(configuration, None, Path::new("/srv/www"), "app.cgi");
        let found = found_in(rules, "app.cgi", &around, &exists);
        assert_eq!(found[0].level, Level::Green, "{found:?}");
        // Where AllowOverride allows FileInfo alone, as in Debian's userdir.conf, ExecCGI has to come from the configuration.
        let around = Around {
            allowed: Some(Allowed {
                value: "FileInfo".into(),
                folder: "/srv".into(),
                file: Path::new("/etc/a.conf"),
            }),
            ..around
        };
        let found = found_in(rules, "app.cgi", &around, &exists);
        assert_eq!(found[0].level, Level::Green, "{found:?}");
        let around = Around::of(configuration, None, Path::new("/home"), "app.cgi");
        assert_eq!(
            found_in(rules, "app.cgi", &around, &exists)[0].level,
            Level::Yellow
        );
    }

    /// Debian's configuration says AllowOverride None of `/`, and serves nothing of what it does not say more of.
    #[test]
    fn what_is_said_of_all_folders_is_no_proof() {
        for (place, level) in [("/", Level::Yellow), ("/srv", Level::Red)] {
            let around = Around {
                allowed: Some(Allowed {
                    value: "None".into(),
                    folder: place.into(),
                    file: Path::new("/etc/a.conf"),
                }),
                ..Around::default()
            };
            let found = found_in(GUIDE, "app.fcgi", &around, &|_| true);
            assert_eq!((found.len(), found[0].level), (1, level), "{found:?}");
            assert!(found[0].what.contains("AllowOverride None"));
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, level, words) in [
            (
                "Options +ExecCGI\n",
                "",
                Level::Yellow,
                "does not say Options +ExecCGI",
            ),
            ("+ExecCGI", "-ExecCGI", Level::Red, "takes ExecCGI away"),
            ("+ExecCGI", "ExecCGI +Indexes", Level::Red, "mixes"),
            ("+ExecCGI", "Indexes", Level::Red, "takes ExecCGI away"),
            (
                "AddHandler fcgid-script .fcgi\n",
                "",
                Level::Yellow,
                "no handler for app.fcgi",
            ),
            (" .fcgi", " .fcg", Level::Yellow, "no handler for app.fcgi"),
            (
                "fcgid-script",
                "fcgi-script",
                Level::Yellow,
                "the handler fcgi-script",
            ),
            ("RewriteEngine On\n", "", Level::Red, "they are off"),
            (
                " app.fcgi/",
                " ap.fcgi/",
                Level::Red,
                "to ap.fcgi, and there is no such file",
            ),
            (
                " app.fcgi/",
                " \"/sub/ap\\.fcgi/",
                Level::Red,
                "to ap.fcgi, and there is no such file",
            ),
            ("Options", "#Options", Level::Yellow, "does not say"),
            (
                "Options +ExecCGI",
                "<Files x>\nOptions +ExecCGI\n</Files>",
                Level::Yellow,
                "does not say",
            ),
        ] {
            assert!(GUIDE.contains(from));
            let text = GUIDE.replacen(from, to, 1);
            let found = judged(&text, None);
            assert_eq!(found.len(), 1, "{text}{found:?}");
            assert_eq!(found[0].0, level, "{found:?}");
            assert!(found[0].1.contains(words), "{found:?}");
        }
    }

    /// As `conf htaccess` prints it, all that the program needs is in a section for the name that it had.
    #[test]
    fn of_a_program_that_was_renamed_it_is_told_once() {
        let printed = "<Files \"old.fcgi\">\nOptions +ExecCGI\nSetHandler fcgid-script\n</Files>\n\
                       RewriteEngine On\nRewriteRule ^(.*)$ old.fcgi/$1 [L]\n";
        let found = judged(printed, None);
        let words: Vec<&str> = found.iter().map(|found| found.1).collect();
        assert!(words[0].contains("to old.fcgi, and there is no such file"));
        assert!(
            !words.iter().any(|words| words.contains("Options")),
            "{words:?}"
        );
    }

    #[test]
    fn the_server_may_not_allow_it() {
        for (allowed, words) in [
            ("None", "does not read it"),
            ("None", "/etc/a.conf says AllowOverride None for /srv"),
            (
                "FileInfo",
                "says AllowOverride FileInfo for /srv, which does not allow",
            ),
            (
                "Options",
                "says AllowOverride Options for /srv, which does not allow",
            ),
        ] {
            let found = judged(GUIDE, Some(allowed));
            assert_eq!(found[0].0, Level::Red);
            assert!(found[0].1.contains(words), "{found:?}");
        }
    }
}
