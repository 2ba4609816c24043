//! The texts that the toolbox's commands make. A command tells what it has found and then its process ends: so texts are never
//! freed, and can be copied like numbers. With Strings, which each way out of each function has to drop, `conf` was twice as
//! large and `check` half as large again (opt-level z).

use std::fmt::Arguments;

/// A sentence, or a part of one.
pub(super) type Words = &'static str;

/// As `format!`, for a text that is kept until the process ends. It is not for a text that is made again and again, by each
/// line of a log or each request.
macro_rules! words {
    ($($words:tt)*) => {
        $crate::cli::words::kept(format_args!($($words)*))
    };
}
pub(super) use words;

/// What `words!` makes of its arguments.
pub(super) fn kept(words: Arguments<'_>) -> Words {
    String::leak(words.to_string())
}

/// All these texts as one, with `between` between each two.
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
