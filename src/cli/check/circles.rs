//! Rewrite rules that lead to themselves, as the guides' does where its condition was lost: Apache applies a folder's rules
//! again to what they made. Called by `htaccess`.

use super::{Findings, shape};
use crate::cli::words::words;

/// Patterns that every path matches, the rewritten one too.
const ALL: [&str; 6] = ["^(.*)$", "^.*$", "(.*)", ".*", "^(.+)$", "^"];

/// Of the text beside a program of that name.
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

/// Whether what leads to the program goes no further than this rule.
fn passes(rule: &[&str], name: &str) -> bool {
    let [pattern, "-", flags, ..] = rule else {
        return false;
    };
    let mut flags = flags.trim_matches(['[', ']']).split(',');
    let ends = flags.any(|flag| {
        ["L", "END"]
            .iter()
            .any(|end| flag.eq_ignore_ascii_case(end))
    });
    ends && shape::fits(pattern, words!("{name}/x"))
}

fn is_circle(rule: &[&str], name: &str) -> bool {
    let [pattern, target, flags @ ..] = rule else {
        return false;
    };
    let ends = flags.iter().any(|flags| {
        let flags = flags.trim_matches(['[', ']']).split(',');
        flags
            .into_iter()
            .any(|flag| flag.eq_ignore_ascii_case("END"))
    });
    let target = target.replace('\\', "");
    ALL.contains(pattern) && target.contains(words!("{name}/$")) && !ends
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
