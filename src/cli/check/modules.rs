//! mod_rewrite, without which no address leads to the program by its `.htaccess`, where files tell which modules are on:
//! on Debian. Of the modules that start programs `start` speaks.

use super::{Finding, Subject, apache, text_of};
use crate::cli::words::words;

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let text = text_of(&subject.site().join(".htaccess"));
    let is_on = apache::has("rewrite");
    text.and_then(|text| judge(&text, is_on))
        .into_iter()
        .collect()
}

fn judge(text: &str, is_on: Option<bool>) -> Option<Finding> {
    let has_rules = text.lines().any(|line| {
        let word = line.split_whitespace().next().unwrap_or("");
        word.eq_ignore_ascii_case("RewriteRule")
    });
    if !has_rules || is_on != Some(false) {
        return None;
    }
    let is_guarded = text.contains("<IfModule mod_rewrite.c>");
    let what = match is_guarded {
        true => "only the program's own address leads to it",
        false => "each request is a 500, \"Invalid command 'RewriteEngine'\"",
    };
    Some(Finding::yellow(
        words!("Apache's mod_rewrite is off, which .htaccess needs: {what}"),
        "a2enmod rewrite, and restart Apache; nothing, if another Apache than this machine's serves the folder",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_need_the_module() {
        let text = "RewriteEngine On\n  rewriterule ^(.*)$ app.fcgi/$1\n";
        assert!(judge(text, Some(false)).unwrap().what.contains("a 500"));
        let guarded = format!("<IfModule mod_rewrite.c>\n{text}</IfModule>\n");
        let found = judge(&guarded, Some(false)).unwrap();
        assert!(found.what.contains("own address"), "{found:?}");
        assert_eq!(judge(text, Some(true)), None);
        assert_eq!(judge(text, None), None);
        assert_eq!(judge("#RewriteRule", Some(false)), None);
    }
}
