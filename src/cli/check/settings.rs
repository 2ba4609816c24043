//! The settings: whether the file is right, and where each value comes from.

use super::{Findings, Subject};
use crate::cli::words::words;

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let Some((path, wrong)) = &subject.settings else {
        return;
    };
    let path_text = path.display();
    match wrong {
        // Another application's own flags are not known here.
        Some(sentence) if !subject.is_this && sentence.contains(" is no flag") => report.yellow(
            words!("{sentence}"),
            "if it is one of the program's own all is well, and if not each request is answered 503: the program's own check knows",
        ),
        Some(sentence) => report.red(
            words!("{sentence}"),
            "mend that: from its next start on each request is answered 503, or no start succeeds; the defaults are shown here",
        ),
        None if path.exists() => report.green(words!("{path_text} is right")),
        None => report.green(words!("there is no {path_text}: the defaults count")),
    }
    let told = subject.options.told(&mut subject.server.clone());
    let mut defaults = Vec::new();
    for line in told {
        match line.strip_suffix(" (default)") {
            Some(default) => defaults.push(words!("{default}")),
            None if line.starts_with("debug (") => report.yellow(
                line.leak(),
                "visitors see why a request failed: take it out when you have found it",
            ),
            None => report.green(line.leak()),
        }
    }
    if subject.is_this {
        report.green(words!("by default: {}", defaults.join(", ")));
    }
}
