#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcgi::fuzzing::record_reader(data));
