#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcgi::fuzzing::get_values(data));
