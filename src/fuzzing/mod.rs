//! What the fuzz targets under tests/fuzz run: one function each, which panics where the library is wrong.
//!
//! Compiled for them and for the tests below alone, which replay the seeds through the same functions on stable Rust: what
//! a target has found once is an ordinary test from then on. It stands in the crate because what it looks at is private.

mod connection;
#[cfg(test)]
mod conversations;
mod cuts;
#[cfg(feature = "multipart")]
mod form;
mod get_values;
mod handlers;
mod model;
mod params;
mod peer;
mod place;
mod record_reader;
#[cfg(test)]
mod sequences;

pub use connection::connection;
#[cfg(feature = "multipart")]
pub use form::form;
pub use get_values::get_values;
pub use params::params;
pub use record_reader::record_reader;

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::path::Path;

    /// What fuzzing has kept, and what web servers wrote.
    #[test]
    fn no_seed_finds_a_fault() {
        type Target = (&'static str, fn(&[u8]));
        let targets: &[Target] = &[
            ("record_reader", super::record_reader),
            ("params", super::params),
            ("get_values", super::get_values),
            ("connection", super::connection),
            #[cfg(feature = "multipart")]
            ("form", super::form),
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
        let mut bytes = 0;
        for &(name, run) in targets {
            let mut count = 0;
            for seed in std::fs::read_dir(folder.join(name)).unwrap() {
                let seed = seed.unwrap();
                let data = std::fs::read(seed.path()).unwrap();
                (bytes, count) = (bytes + data.len(), count + 1);
                let found = catch_unwind(|| run(&data));
                assert!(
                    found.is_ok(),
                    "{name} panics at seed {:?}",
                    seed.file_name()
                );
            }
            assert!(count > 0, "{name} has no seeds");
        }
        assert!(bytes < 100 << 10, "the seeds have {bytes} bytes");
    }
}
