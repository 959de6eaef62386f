//! What is on the disk when a server's machine dies or its disk fails: everything acknowledged.

mod disk;
mod errors;
mod full;
mod images;
mod story;
mod trace;

/// A number that somebody set, or the one of `cargo test`.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}
