//! The fuzz target `hub` (tests/fuzz). It stands here because the model does, which is a module of
//! a root beside it.
#![no_main]

// What only the tests of the logic use is idle here.
#[allow(dead_code, unused_imports)]
mod chance;
#[allow(dead_code, unused_imports)]
mod logic;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic::hostile::run(chance::Chance::of(data));
});
