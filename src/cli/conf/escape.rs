//! Texts from outside, such as the program's path, written so that they stay a part of the configuration's line. Called by the
//! forms of `conf`.

use crate::cli::words::{Words, joined, words};

/// A text for a comment, or for between quotes. A character that would end either is replaced by U+FFFD: a path with a line
/// break or a quote in it is not worth three ways of escaping, but it must not become a directive.
pub(super) fn plain(text: &str) -> Words {
    let breaks_out = |c: char| c.is_control() || c == '"' || c == '\\';
    text.replace(breaks_out, "\u{FFFD}").leak()
}

/// A regular expression that fits this text and no other.
pub(super) fn in_regex(text: &str) -> Words {
    escaped(text, r".+*?()|[]{}^$")
}

/// The text with a backslash before each of `special`.
pub(super) fn escaped(text: &str, special: &str) -> Words {
    let mut escaped = String::new();
    for c in text.chars() {
        if special.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped.leak()
}

/// A word for a shell, quoted if it needs it.
pub(super) fn in_shell(word: &str) -> Words {
    let bare = |c: char| c.is_alphanumeric() || "/._-:[]=,@+".contains(c);
    match !word.is_empty() && word.chars().all(bare) {
        true => words!("{word}"),
        false => words!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Words for a shell, each with a space in front of it: what stands behind a command.
pub(super) fn in_shell_behind(words: &[Words]) -> Words {
    let mut words = words.iter().map(|word| words!(" {}", in_shell(word)));
    joined(&mut words, "")
}
