//! The settings: whether the file is right, and where each value comes from.

use super::{Finding, Subject};
use crate::cli::words::words;

pub(super) fn findings(subject: &Subject) -> Vec<Finding> {
    let Some((path, wrong)) = &subject.settings else {
        return Vec::new();
    };
    let path_text = path.display();
    let mut findings = vec![match wrong {
        Some(sentence) => Finding::red(
            words!("{sentence}"),
            "mend that: until then each request is answered 503; the defaults are shown here",
        ),
        None if path.exists() => Finding::green(words!("{path_text} is right")),
        None => Finding::green(words!("there is no {path_text}: the defaults count")),
    }];
    let told = subject.options.told(&mut subject.server.clone());
    let named = told.iter().filter(|line| !line.ends_with(" (default)"));
    findings.extend(named.map(|line| Finding::green(words!("{line}"))));
    if subject.is_this {
        let defaults = told
            .iter()
            .filter_map(|line| line.strip_suffix(" (default)"));
        let defaults: Vec<&str> = defaults.collect();
        findings.push(Finding::green(words!(
            "by default: {}",
            defaults.join(", ")
        )));
    }
    findings
}
