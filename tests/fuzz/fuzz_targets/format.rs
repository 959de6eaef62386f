#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qmsg::cli::fuzz::format(data));
