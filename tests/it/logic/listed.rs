//! Runs whose every choice is a byte of an input: a fuzzer looks for the input that breaks them,
//! and what it has found is run again here.

use super::random::{Run, check};
use crate::chance::Chance;

/// A run of a fuzzer ends then, so that it makes thousands in a second.
const STEPS_MAX: usize = 64;

/// What happens is what the bytes say. Then the faults end, and what was promised must hold.
pub(crate) fn run(data: &[u8]) {
    let mut run = Run::chosen(Chance::of(data));
    for _ in 0..STEPS_MAX {
        if run.chance.is_spent() {
            break;
        }
        run.step();
    }
    run.finish();
    check(&run);
}

#[test]
fn what_was_found_is_run_again() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/hub");
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
    assert!(inputs.len() >= 20, "{} inputs", inputs.len());
    for input in inputs {
        run(&std::fs::read(input.unwrap().path()).unwrap());
    }
}
