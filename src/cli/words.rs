//! What the toolbox's commands say. A command tells what it has found and then its process ends, so that nothing of it is ever
//! freed, and words are copied like numbers. As Strings, which each way out of each function has to drop, `conf` was twice
//! as large and `check` half as large again (opt-level z).

use std::fmt::Arguments;

/// A sentence, or a part of one.
pub(super) type Words = &'static str;

/// As `format!`, for what is kept to the end of the process. Not for what a long log or a busy visitor repeats.
macro_rules! words {
    ($($words:tt)*) => {
        $crate::cli::words::kept(format_args!($($words)*))
    };
}
pub(super) use words;

pub(super) fn kept(words: Arguments<'_>) -> Words {
    String::leak(words.to_string())
}

/// All of them, with that between each two.
pub(super) fn joined(all: &mut dyn Iterator<Item = Words>, between: &str) -> Words {
    let mut text = String::new();
    for words in all {
        if !text.is_empty() {
            text += between;
        }
        text += words;
    }
    text.leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_together() {
        let (object, number) = ("it", 2);
        let all = ["this", words!("{object} is {number}")];
        assert_eq!(joined(&mut all.into_iter(), ", "), "this, it is 2");
        assert_eq!(joined(&mut [].into_iter(), ", "), "");
    }
}
