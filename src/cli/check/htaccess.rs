//! The `.htaccess` beside the program: whether Apache reads it, runs the program by it, and sends requests there.

use super::apache::Allowed;
use super::person::{Node, READ};
use super::{Finding, Subject, apache, base, circles, text_of};

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let path = subject.folder().join(".htaccess");
    if !path.exists() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Ok(node) = Node::at(&path) {
        let blind = subject
            .people
            .iter()
            .filter(|person| !person.may(READ, &node));
        findings.extend(blind.map(|person| {
            subject.refused(
                format!(
                    "{} may not read {} ({}): Apache answers 403",
                    person.name,
                    path.display(),
                    node.described()
                ),
                format!("chmod 644 {}", path.display()),
            )
        }));
    }
    let Some(text) = text_of(&path) else {
        findings.push(Finding::yellow(
            format!("{} cannot be read", path.display()),
            "check as its owner, or as root",
        ));
        return findings;
    };
    let name = subject
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let configs = apache::configs();
    let allowed = apache::allow_override(&configs, subject.folder());
    let exists = |file: &str| subject.folder().join(file).exists();
    findings.extend(judge(&text, &name, allowed.as_ref(), &exists));
    let configuration: String = configs.into_iter().map(|config| config.text).collect();
    findings.extend(base::judge(&text, subject.folder(), &configuration));
    findings
}

/// What a `.htaccess` says for one file.
#[derive(Debug, Default)]
struct Said {
    /// The last word on ExecCGI.
    exec_cgi: Option<bool>,
    /// `Options ExecCGI +FollowSymLinks`.
    mixed_options: Option<String>,
    handler: Option<String>,
    has_engine: bool,
    targets: Vec<String>,
    /// By something else than rewrite rules.
    leads_otherwise: bool,
}

fn judge(
    text: &str,
    name: &str,
    allowed: Option<&Allowed>,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let said = read(text, name);
    let mut findings: Vec<Finding> = [
        ignored(allowed, &said),
        options(&said),
        handler(&said, name),
        engine(&said),
        unled(&said, name),
        circles::judge(text, name),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.extend(targets(&said, name, exists));
    if findings.is_empty() {
        let handler = said.handler.as_deref().unwrap_or("");
        findings.push(Finding::green(format!(
            "it allows {name} to run (ExecCGI) by {handler}, and {} rewrite rules lead to what is there",
            said.targets.len()
        )));
    }
    findings
}

fn ignored(allowed: Option<&Allowed>, said: &Said) -> Option<Finding> {
    let Allowed {
        value,
        folder,
        file,
    } = allowed?;
    let words: Vec<String> = value
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let has = |word: &str| {
        words
            .iter()
            .any(|other| other == word || other.starts_with(&format!("{word}=")))
    };
    if has("all") {
        return None;
    }
    let says = format!(
        "{} says AllowOverride {value} for {}",
        file.display(),
        folder.display()
    );
    if has("none") {
        return Some(Finding::red(
            format!(
                "Apache does not read it, and visitors get 404, or the program's bytes: {says}"
            ),
            "there, or in a <Directory> of its own for this folder: AllowOverride FileInfo Options",
        ));
    }
    let lacks_options = said.exec_cgi.is_some() && !has("options");
    let lacks_file_info = (said.handler.is_some() || said.has_engine) && !has("fileinfo");
    let missing = match (lacks_options, lacks_file_info) {
        (false, false) => return None,
        (true, false) => "Options",
        (false, true) => "FileInfo",
        (true, true) => "FileInfo Options",
    };
    Some(Finding::red(
        format!("{says}, which does not allow what stands here: each request is a 500"),
        format!("write there: AllowOverride {value} {missing}"),
    ))
}

fn options(said: &Said) -> Option<Finding> {
    if let Some(line) = &said.mixed_options {
        return Some(Finding::red(
            format!(
                "{line:?} mixes options with and without a sign: Apache answers 500 to each request"
            ),
            "write a sign before each: Options +ExecCGI",
        ));
    }
    match said.exec_cgi {
        Some(true) => None,
        Some(false) => Some(Finding::red(
            "it takes ExecCGI away: Apache answers 403, \"Options ExecCGI is off in this directory\"",
            "write Options +ExecCGI",
        )),
        None => Some(Finding::yellow(
            "it does not say Options +ExecCGI: without it Apache answers 403, unless the server's own configuration has it",
            "write Options +ExecCGI",
        )),
    }
}

fn handler(said: &Said, name: &str) -> Option<Finding> {
    match said.handler.as_deref() {
        Some("fcgid-script" | "fastcgi-script" | "cgi-script") => None,
        Some(handler) => Some(Finding::yellow(
            format!(
                "it gives {name} to the handler {handler}, which is none that starts FastCGI programs"
            ),
            "write SetHandler fcgid-script",
        )),
        None => {
            let what = format!("it names no handler for {name}");
            let remedy = "write AddHandler fcgid-script .fcgi, with this file's ending; or take what conf htaccess prints";
            Some(match name.ends_with(".fcgi") {
                true => Finding::yellow(
                    what + ": visitors download the program, unless the server's own configuration has one for .fcgi",
                    remedy,
                ),
                false => Finding::red(what + ": visitors download the program", remedy),
            })
        }
    }
}

fn engine(said: &Said) -> Option<Finding> {
    (!said.targets.is_empty() && !said.has_engine).then(|| {
        Finding::red(
            "it has rewrite rules, and they are off",
            "write RewriteEngine On before them",
        )
    })
}

/// The guides' first trouble: `/app.fcgi/news` is an ugly address.
fn unled(said: &Said, name: &str) -> Option<Finding> {
    let is_led = !said.targets.is_empty() || said.leads_otherwise || said.handler.is_none();
    (!is_led).then(|| {
        Finding::yellow(
            format!(
                "no rule leads to {name}: its name stands in every address, as in /{name}/news"
            ),
            "take what conf htaccess prints, which has the rules",
        )
    })
}

fn targets(said: &Said, name: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let files = said.targets.iter().filter_map(|target| file_of(target));
    let mut missing: Vec<String> = files.filter(|file| !exists(file)).collect();
    missing.dedup();
    let finding = |file: String| {
        Finding::red(
            format!(
                "a rewrite rule sends requests to {file}, and there is no such file: 404, or 500 (AH00124)"
            ),
            format!("write {name} there, or let {name} print all of it: conf htaccess"),
        )
    };
    missing.into_iter().map(finding).collect()
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
            "sethandler" => said.handler = values.first().cloned(),
            "addhandler" if ends_so(name, values) => said.handler = values.first().cloned(),
            "fcgidwrapper" => {
                said.handler = Some("fcgid-script".into());
                said.leads_otherwise |= values.iter().any(|value| value == "virtual");
            }
            "fallbackresource" | "directoryindex" | "action" => said.leads_otherwise = true,
            "rewriteengine" => {
                said.has_engine = values
                    .first()
                    .is_some_and(|on| on.eq_ignore_ascii_case("on"))
            }
            "rewriterule" => said.targets.extend(values.get(1).cloned()),
            _ => {}
        }
    }
    said
}

impl Said {
    fn options(&mut self, values: &[String], line: &str) {
        let signed = values
            .iter()
            .filter(|value| value.starts_with(['+', '-']))
            .count();
        if signed != 0 && signed != values.len() {
            self.mixed_options = Some(line.to_owned());
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

/// Whether a section is for this file. A pattern is taken to be, as is a regular expression: reading one would need more
/// than this is worth, and they are mostly there to deny.
fn is_for(directive: &str, values: &[String], name: &str) -> bool {
    let value = values
        .first()
        .map_or("", |value| value.trim_end_matches('>'));
    let value = value.trim_matches('"');
    match directive {
        "<filesmatch" => value.contains("fcgi") || value.contains(name),
        _ if value == "~" => true,
        _ if value.contains(['*', '?', '[']) => {
            ends_so(name, &[String::new(), value.trim_start_matches('*').into()])
        }
        _ => value == name,
    }
}

/// `AddHandler fcgid-script .fcgi fcg`: Apache takes any of a name's endings.
fn ends_so(name: &str, values: &[String]) -> bool {
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
fn words(line: &str) -> Vec<String> {
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
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::super::conf;
    use super::super::report::Level;
    use super::*;

    const GUIDE: &str = "Options +ExecCGI\nAddHandler fcgid-script .fcgi\nRewriteEngine On\n\
                         RewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n";

    fn judged(text: &str, allowed: Option<&str>) -> Vec<(Level, String)> {
        let exists = |file: &str| file == "app.fcgi";
        let allowed = allowed.map(|value| Allowed {
            value: value.into(),
            folder: "/srv".into(),
            file: "/etc/a.conf".into(),
        });
        let found = judge(text, "app.fcgi", allowed.as_ref(), &exists);
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
            let found = judged(&printed, None);
            assert_eq!(found[0].0, Level::Green, "{form}: {found:?}");
            assert!(found[0].1.contains("by fcgid-script"), "{form}: {found:?}");
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
