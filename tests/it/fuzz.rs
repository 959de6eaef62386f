//! The fuzz target `hub` (tests/fuzz). It is a test root because it uses the model in `logic`, a
//! module of this directory.
#![no_main]

// Some helpers are used by the tests of the logic only.
#[allow(dead_code, unused_imports)]
mod chance;
#[allow(dead_code, unused_imports)]
mod logic;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic::hostile::run(chance::Chance::of(data));
});
