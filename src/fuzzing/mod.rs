//! What `tests/fuzz` runs: one function a target, which panics where the library is wrong.
//!
//! Compiled for tests and under cargo-fuzz only (`--cfg fuzzing`). It stands here and not in `tests/fuzz` because what it
//! looks at is private to the crate, and because the tests below replay the corpus through the same functions on stable
//! Rust: what a target has found once is an ordinary test from then on.

mod params;
mod records;
mod values;

pub use params::params;
pub use records::records;
pub use values::values;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs `target` over each file that is kept for it. All of them together stay small.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(name);
        let mut bytes = 0;
        for entry in fs::read_dir(&folder).expect("the corpus is there") {
            let data = fs::read(entry.unwrap().path()).unwrap();
            bytes += data.len();
            target(&data);
        }
        assert!(bytes > 0, "{} is empty", folder.display());
        assert!(bytes < 64 << 10, "{} has {bytes} bytes", folder.display());
    }

    #[test]
    fn records_are_read_as_the_corpus_has_them() {
        replay("records", super::records);
    }

    #[test]
    fn params_are_found_as_the_corpus_has_them() {
        replay("params", super::params);
    }

    #[test]
    fn values_are_told_as_the_corpus_asks_for_them() {
        replay("values", super::values);
    }
}
