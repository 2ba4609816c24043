//! The `.htaccess` beside the program: whether Apache reads it, runs the program by it, and sends requests there.

use super::apache::Allowed;
use super::person::{Node, READ};
use super::{Findings, Subject, apache, base, circles, shape, text_of};
use crate::cli::words::{Words, joined, words};
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

/// Whether the text in the program's folder gives it to a server of its own: `SetHandler "proxy:unix:/run/x|fcgi://y"`.
pub(super) fn is_proxied(text: &str, name: &str) -> bool {
    read(text, name).is_proxied()
}

/// What the server's own configuration says for the folder, as far as it could be read.
#[derive(Debug, Default)]
struct Around {
    /// AllowOverride
    allowed: Option<Allowed>,
    has_exec_cgi: bool,
    handler: Option<Words>,
}

impl Around {
    fn of(configuration: &str, allowed: Option<Allowed>, folder: &Path, name: &str) -> Around {
        let options = apache::of_folder(configuration, "Options", folder);
        // A folder that it does not name is another configuration's, if anybody's.
        let is_named = apache::is_named(configuration, folder);
        let mut handler = None;
        for value in apache::values(configuration, "AddHandler") {
            let words = words(value);
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

/// What a `.htaccess` says for one file.
#[derive(Debug, Default)]
struct Said {
    /// The last word on ExecCGI.
    exec_cgi: Option<bool>,
    /// `Options ExecCGI +FollowSymLinks`.
    mixed_options: Option<Words>,
    handler: Option<Words>,
    has_engine: bool,
    targets: Vec<Words>,
    /// By something else than rewrite rules.
    leads_otherwise: bool,
    /// FcgidWrapper … virtual, which gets what is no file; the program is one.
    is_virtual: bool,
    /// The file itself has a handler.
    is_handled: bool,
    /// Nobody gets the file by its own address.
    is_denied: bool,
}

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
    options(&said, report);
    handler(&said, name, report);
    engine(&said, report);
    unled(&said, name, report);
    downloaded(&said, name, report);
    circles::judge(text, name, report);
    targets(&said, name, exists, report);
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
    // Debian's says so of all folders that it does not name, and serves none of them: another configuration may.
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
        // Apache runs nothing then.
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

/// The guides' first trouble: `/app.fcgi/news` is an ugly address.
fn unled(said: &Said, name: &str, report: &mut Findings) {
    let is_led = !said.targets.is_empty() || said.leads_otherwise || said.handler.is_none();
    if !is_led {
        report.yellow(
            words!("no rule leads to {name}: its name stands in every address, as in /{name}/news"),
            "take what conf htaccess prints, which has the rules",
        );
    }
}

/// Apache 2.4.71 sends it then: what is a file is not the wrapper's.
fn downloaded(said: &Said, name: &str, report: &mut Findings) {
    if said.is_virtual && !said.is_denied && !said.is_handled {
        report.red(
            words!("FcgidWrapper is for what is no file, and {name} is one: visitors download the program at its own address"),
            words!("move it out of what is served, or write <Files \"{name}\"> with Require all denied"),
        );
    }
}

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

/// The file beside it that a rule sends requests to, where that can be told: `app.fcgi/$1`, `/sub/app.fcgi/$1?x`.
fn file_of(target: &str) -> Option<String> {
    if target == "-" || target.contains("://") || target.starts_with(['%', '$']) {
        return None;
    }
    let path = target.split('?').next().unwrap_or("");
    let path = path.replace('\\', "");
    // Without a variable behind it, nobody knows which part is a file.
    let (path, _) = path.split_once("/$1").or_else(|| path.split_once("/$0"))?;
    let name = path.rsplit('/').next().unwrap_or("");
    (!name.is_empty() && !name.contains(['$', '%'])).then(|| name.to_owned())
}

fn read(text: &str, name: &str) -> Said {
    let mut said = Said::default();
    // Sections of files that this one is not among.
    let mut others = 0;
    // `<If "! -f %{REQUEST_FILENAME}">`: not for the file itself. Of other conditions nobody knows.
    let (mut is_for_some, mut is_for_no_file) = (false, false);
    let mut is_second = false;
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in text.lines().map(str::trim) {
        let words = words(line);
        let Some((directive, values)) = words.split_first() else {
            continue;
        };
        let directive = directive.to_ascii_lowercase();
        match directive.as_str() {
            "<files" | "<filesmatch" if others > 0 || !is_for(&directive, values, name) => {
                others += 1
            }
            "</files>" | "</filesmatch>" if others > 0 => others -= 1,
            _ if others > 0 => {}
            "options" => said.options(values, line),
            // `conf htaccess` has one handler for mod_fcgid and another one for where that is missing.
            "<ifmodule" => is_second = values.first().is_some_and(|name| name.starts_with('!')),
            "</ifmodule>" => is_second = false,
            "sethandler" if is_second && said.handler.is_some() => {}
            "<if" => {
                let condition = values.concat().replace([' ', '"', '>'], "");
                // The program is a file.
                is_for_some = condition != "-f%{REQUEST_FILENAME}";
                is_for_no_file = condition.starts_with("!-f");
            }
            "</if>" => (is_for_some, is_for_no_file) = (false, false),
            "sethandler" => {
                said.is_handled |= !is_for_no_file;
                said.handler = values.first().copied();
            }
            "addhandler" if ends_so(name, values) => {
                said.is_handled |= !is_for_no_file;
                said.handler = values.first().copied();
            }
            "require" | "deny" | "redirect" if !is_for_some => {
                said.is_denied |= is_denial(&directive, values)
            }
            "fcgidwrapper" => {
                said.handler = Some("fcgid-script");
                let is_virtual = values.contains(&"virtual");
                said.leads_otherwise |= is_virtual;
                said.is_virtual |= is_virtual;
            }
            "fallbackresource" | "directoryindex" | "action" => said.leads_otherwise = true,
            "rewriteengine" => {
                said.has_engine = values
                    .first()
                    .is_some_and(|on| on.eq_ignore_ascii_case("on"))
            }
            "rewriterule" => said.targets.extend(values.get(1).copied()),
            _ => {}
        }
    }
    said
}

/// `Require all denied`, `Deny from all`, `Redirect 403 "/"`.
fn is_denial(directive: &str, values: &[Words]) -> bool {
    let values = values.join(" ").to_ascii_lowercase();
    match directive {
        "require" => values == "all denied",
        "deny" => values == "from all",
        _ => ["403 ", "404 ", "gone "]
            .iter()
            .any(|status| values.starts_with(status)),
    }
}

impl Said {
    fn is_proxied(&self) -> bool {
        let handler = self.handler.unwrap_or("");
        handler.starts_with("proxy:") && handler.contains("fcgi:")
    }

    fn options(&mut self, values: &[Words], line: &str) {
        let signed = values
            .iter()
            .filter(|value| value.starts_with(['+', '-']))
            .count();
        if signed != 0 && signed != values.len() {
            self.mixed_options = Some(words!("{line}"));
        }
        if signed == 0 {
            self.exec_cgi = Some(false);
        }
        for value in values {
            match value.to_ascii_lowercase().as_str() {
                "+execcgi" | "execcgi" | "all" | "+all" => self.exec_cgi = Some(true),
                "-execcgi" | "none" | "-all" => self.exec_cgi = Some(false),
                _ => {}
            }
        }
    }
}

/// Whether a section is for this file.
fn is_for(directive: &str, values: &[Words], name: &str) -> bool {
    let plain = |value: &str| value.trim_end_matches('>').trim_matches('"').to_owned();
    match values {
        ["~", value, ..] => shape::fits(&plain(value), name),
        [value, ..] if directive == "<filesmatch" => shape::fits(&plain(value), name),
        [value, ..] => shape::fits_wildcards(&plain(value), name),
        [] => false,
    }
}

/// `AddHandler fcgid-script .fcgi fcg`: Apache takes any of a name's endings.
fn ends_so(name: &str, values: &[Words]) -> bool {
    let endings: Vec<&str> = name.split('.').skip(1).collect();
    let wanted = values
        .iter()
        .skip(1)
        .map(|value| value.trim_start_matches('.'));
    wanted.into_iter().any(|wanted| {
        endings
            .iter()
            .any(|ending| ending.eq_ignore_ascii_case(wanted))
    })
}

/// Apache's words: blanks divide them, quotes hold them together.
fn words(line: &str) -> Vec<Words> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    if line.starts_with('#') {
        return words;
    }
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if (c == '"' || c == '\'') && word.is_empty() => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word).leak());
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word.leak());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::super::conf;
    use super::super::report::{Finding, Level};
    use super::*;

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
        let site = conf::Site::sample("/srv/www/app.fcgi", &[]);
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

    /// Each of these was taken for a mistake.
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
        // Where only FileInfo is allowed, as in Debian's userdir.conf, it has to come from there.
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

    /// Debian's configuration serves nothing of what it only says that of.
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
