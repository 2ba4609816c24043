//! Apache's modules that the `.htaccess` beside the program needs, where their files tell which are on: on Debian.

use super::{Finding, Subject, apache, text_of};

/// What stands in the file, the modules one of which has to be on for it, and what happens without.
const NEEDS: &[(&str, &[&str], &str)] = &[
    (
        "fcgid-script",
        &["fcgid"],
        "no handler starts the program: visitors download it, or each request is a 500 or 503",
    ),
    (
        "fastcgi-script",
        &["fastcgi"],
        "no handler starts the program: visitors download it, or each request is a 500 or 503",
    ),
    (
        "cgi-script",
        &["cgi", "cgid"],
        "no handler starts the program: visitors download it, or each request is a 500 or 503",
    ),
    (
        "rewriteengine",
        &["rewrite"],
        "no address leads to the program, or each request is a 500",
    ),
];

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    match text_of(&subject.folder().join(".htaccess")) {
        Some(text) => judge(&text, &|module| apache::has(module)),
        None => Vec::new(),
    }
}

/// One handler that works is enough: the printed file has one for each module.
fn judge(text: &str, has: &dyn Fn(&str) -> Option<bool>) -> Vec<Finding> {
    let text = text.to_ascii_lowercase();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .collect();
    let wanted = NEEDS.iter().filter(|(word, ..)| {
        let is_it = |line: &&str| line.split([' ', '\t', '"']).any(|other| other == *word);
        lines.iter().any(|line| is_it(&line))
    });
    let wanted: Vec<&(&str, &[&str], &str)> = wanted.collect();
    let is_on =
        |need: &(&str, &[&str], &str)| need.1.iter().any(|module| has(module) != Some(false));
    let (handlers, others): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|need| need.0.ends_with("-script"));
    let lacking = match handlers.iter().any(|need| is_on(need)) {
        true => None,
        false => handlers.first().copied(),
    };
    let lacking = lacking
        .into_iter()
        .chain(others.into_iter().filter(|need| !is_on(need)));
    lacking
        .map(|(_, modules, what)| {
            Finding::yellow(
                format!(
                    "/etc/apache2/mods-enabled has no {}.load, which .htaccess needs: {what}",
                    modules[0]
                ),
                format!(
                    "a2enmod {}, and restart Apache; nothing, if another Apache serves this folder",
                    modules[0]
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_handler_is_enough_and_rewriting_is_needed_too() {
        let text = "<IfModule mod_fcgid.c>\nSetHandler fcgid-script\n</IfModule>\nAddHandler cgi-script .fcgi\n\
                    RewriteEngine On\n#SetHandler fastcgi-script\n";
        let lacking = |on: &[&str]| {
            let found = judge(text, &|module| Some(on.contains(&module)));
            let modules = found.into_iter().map(|finding| finding.remedy);
            modules
                .map(|remedy| remedy.split(',').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert!(lacking(&["fcgid", "rewrite"]).is_empty());
        assert!(lacking(&["cgid", "rewrite"]).is_empty());
        assert_eq!(lacking(&["rewrite"]), ["a2enmod fcgid"]);
        assert_eq!(lacking(&["cgi"]), ["a2enmod rewrite"]);
        assert_eq!(lacking(&[]), ["a2enmod fcgid", "a2enmod rewrite"]);
        assert!(judge(text, &|_| None).is_empty());
    }
}
