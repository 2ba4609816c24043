//! The target `values`: see `src/fuzzing/` of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcgi::fuzzing::values(data));
