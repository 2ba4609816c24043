//! Rewrite rules that go round in circles: Apache applies a folder's rules again to what they made, so that a rule without a
//! condition may fit its own result for ever. The guides' rule does, where its condition was lost. Called by `htaccess`.

use super::super::{Findings, name_pattern};
use crate::cli::words::words;

/// Patterns that every path matches, the rewritten one too.
const ALL: [&str; 6] = ["^(.*)$", "^.*$", "(.*)", ".*", "^(.+)$", "^"];

/// Judges the text of a `.htaccess` beside a program of that name.
pub(super) fn judge(text: &str, name: &str, report: &mut Findings) {
    let (mut has_condition, mut is_passed) = (false, false);
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        match words.next().unwrap_or("").to_ascii_lowercase().as_str() {
            "rewritecond" => has_condition = true,
            "rewriterule" => {
                let rule: Vec<&str> = words.map(|word| word.trim_matches('"')).collect();
                is_passed |= !has_condition && passes(&rule, name);
                if !has_condition && !is_passed && is_circle(&rule, name) {
                    return report.red(
                        words!(
                            "{line:?} has no condition, and rewrites what it has rewritten: 500, after 10 rounds (AH00124)"
                        ),
                        "write in front of it: RewriteCond %{REQUEST_FILENAME} !-f",
                    );
                }
                has_condition = false;
            }
            _ => {}
        }
    }
}

/// Whether a request that was rewritten to the program goes no further than this rule.
fn passes(rule: &[&str], name: &str) -> bool {
    let [pattern, "-", flags, ..] = rule else {
        return false;
    };
    (has_flag(flags, "L") || has_flag(flags, "END"))
        && name_pattern::fits(pattern, words!("{name}/x"))
}

/// Whether a rule without a condition fits what it has made, too.
fn is_circle(rule: &[&str], name: &str) -> bool {
    let [pattern, target, flags @ ..] = rule else {
        return false;
    };
    let ends = flags.iter().any(|flags| has_flag(flags, "END"));
    let target = target.replace('\\', "");
    ALL.contains(pattern) && target.contains(words!("{name}/$")) && !ends
}

/// `[QSA,L]`
fn has_flag(flags: &str, wanted: &str) -> bool {
    let mut flags = flags.trim_matches(['[', ']']).split(',');
    flags.any(|flag| flag.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rule_without_a_condition_goes_round() {
        let rule = "RewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]\n";
        for (text, is_circle) in [
            (rule.to_owned(), true),
            (
                format!("RewriteCond %{{REQUEST_FILENAME}} !-f\n{rule}"),
                false,
            ),
            (
                format!("RewriteCond x y\nRewriteRule ^a$ - [F]\n{rule}"),
                true,
            ),
            (rule.replace("L]", "END]"), false),
            (format!("RewriteRule ^app\\.fcgi - [L]\n{rule}"), false),
            (format!("RewriteRule ^static/ - [L]\n{rule}"), true),
            (format!("RewriteRule ^app\\.fcgi - [F]\n{rule}"), true),
            (rule.replace("^(.*)$", "^(page/.*)$"), false),
            (rule.replace("app.fcgi", "other.fcgi"), false),
            (rule.replace("RewriteRule", "#RewriteRule"), false),
            (
                rule.replace("^(.*)$ app.fcgi/$1", "\"^(.*)$\" \"/sub/app\\.fcgi/$1\""),
                true,
            ),
        ] {
            let found = Findings::of(|report| judge(&text, "app.fcgi", report));
            assert_eq!(!found.is_empty(), is_circle, "{text}");
        }
    }
}
