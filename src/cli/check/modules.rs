//! Whether Apache's mod_rewrite is on, without which the rules of a `.htaccess` lead nowhere. That is known on Debian alone,
//! which has a file for each module that is on. `start` tells of the modules that start programs.

use super::{Findings, Subject, apache, text_of};
use crate::cli::words::words;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let text = text_of(&subject.site().join(".htaccess"));
    judge(text.unwrap_or_default(), apache::has("rewrite"), report);
}

fn judge(text: &str, is_on: Option<bool>, report: &mut Findings) {
    let has_rules = text.lines().any(|line| {
        let word = line.split_whitespace().next().unwrap_or("");
        word.eq_ignore_ascii_case("RewriteRule")
    });
    if !has_rules || is_on != Some(false) {
        return;
    }
    let is_guarded = text.contains("<IfModule mod_rewrite.c>");
    let what = match is_guarded {
        true => "only the program's own address leads to it",
        false => "each request is a 500, \"Invalid command 'RewriteEngine'\"",
    };
    report.yellow(
        words!("Apache's mod_rewrite is off, which .htaccess needs: {what}"),
        "a2enmod rewrite, and restart Apache; nothing, if another Apache than this machine's serves the folder",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_need_the_module() {
        let text = "RewriteEngine On\n  rewriterule ^(.*)$ app.fcgi/$1\n";
        let judged = |text: &str, is_on| Findings::of(|report| judge(text, is_on, report));
        assert!(judged(text, Some(false))[0].what.contains("a 500"));
        let guarded = format!("<IfModule mod_rewrite.c>\n{text}</IfModule>\n");
        let found = judged(&guarded, Some(false))[0];
        assert!(found.what.contains("own address"), "{found:?}");
        assert_eq!(judged(text, Some(true)), []);
        assert_eq!(judged(text, None), []);
        assert_eq!(judged("#RewriteRule", Some(false)), []);
    }
}
