//! Growth of costs with the number of users, of stored messages, of absent users, of messages that
//! wait for a reader, and with the size of the store. Usage: `cargo bench --bench growth --
//! --help`.
//!
//! Starts `qmsg serve` on loopback, with its data in the directory for temporary files (`TMPDIR`).
//! Each reading is a line on stderr; all readings are written to one JSON file at the end.
#![expect(clippy::unwrap_used, reason = "a reading that cannot be taken ends the bench")]

#[path = "../peer/client.rs"]
#[expect(dead_code, reason = "comparisons use the rest")]
mod client;
#[path = "../peer/clock.rs"]
#[expect(dead_code, reason = "comparisons use the rest")]
mod clock;
mod conditions;
#[path = "../filling.rs"]
#[expect(dead_code, reason = "readings of the store use the rest")]
mod filling;
mod host;
#[path = "../../it/real/kit.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod kit;
mod message;
mod series;
mod spread;
#[path = "../../it/real/sweep.rs"]
mod sweep;
mod waiting;

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};
use tokio::runtime::Builder;

/// Measures how costs grow
#[derive(Parser)]
struct Args {
    /// Small sizes, in less than a minute: to check that the benchmark works
    #[arg(long)]
    quick: bool,
    /// Run these parts only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Size of the large store in bytes; default 10 GiB, with --quick 1 GiB
    #[arg(long, value_name = "BYTES")]
    store_bytes: Option<u64>,
    /// File that the readings are written to
    #[arg(long, value_name = "FILE", default_value = "target/growth.json")]
    out: PathBuf,
    /// Flag that cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Users,
    Stored,
    Offline,
    Waiting,
    Start,
}

/// Sizes of a run.
pub(crate) struct Sizes {
    pub(crate) users: &'static [usize],
    pub(crate) stored: &'static [usize],
    pub(crate) offline: &'static [usize],
    pub(crate) members: &'static [usize],
    pub(crate) waiting: usize,
    pub(crate) store_bytes: u64,
    /// Messages that are sent as fast as the server accepts them.
    pub(crate) pipelined: u64,
    /// Messages that are sent one by one, each after the last has arrived.
    pub(crate) single: u64,
    pub(crate) repeats: usize,
    /// Length of an idle period whose cost is measured. A keep-alive comes every 20 s.
    pub(crate) idle_ms: u64,
}

const FULL: Sizes = Sizes {
    users: &[1, 10, 100, 1_000, 10_000],
    stored: &[0, 100_000, 1_000_000, 10_000_000],
    offline: &[0, 10_000, 1_000_000],
    members: &[10_000, 1_000_000],
    waiting: 1_000_000,
    store_bytes: 10 << 30,
    pipelined: 100_000,
    single: 2_000,
    repeats: 5,
    idle_ms: 10_000,
};

const QUICK: Sizes = Sizes {
    users: &[1, 10, 100, 1_000],
    stored: &[0, 10_000, 100_000],
    offline: &[0, 1_000, 100_000],
    members: &[1_000, 100_000],
    waiting: 100_000,
    store_bytes: 1 << 30,
    pipelined: 20_000,
    single: 200,
    repeats: 3,
    idle_ms: 500,
};

fn main() -> Result<()> {
    // `cargo test` starts benches too, only to see that they start.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let args = Args::parse();
    let mut sizes = if args.quick { QUICK } else { FULL };
    sizes.store_bytes = args.store_bytes.unwrap_or(sizes.store_bytes);
    // One thread, as qmsg's own commands have.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut found = Map::new();
    found.insert("conditions".into(), conditions::read(args.quick));
    for part in Part::value_variants() {
        if args.only.is_empty() || args.only.contains(part) {
            let value =
                runtime.block_on(run(*part, &sizes)).with_context(|| format!("{part:?}"))?;
            found.insert(format!("{part:?}").to_lowercase(), value);
        }
    }
    fs::write(&args.out, format!("{:#}\n", Value::Object(found)))
        .with_context(|| args.out.display().to_string())
}

async fn run(part: Part, sizes: &Sizes) -> Result<Value> {
    match part {
        Part::Users => series::users(sizes).await,
        Part::Stored => series::stored(sizes).await,
        Part::Offline => series::offline(sizes).await,
        Part::Waiting => waiting::reader(sizes).await,
        Part::Start => waiting::start(sizes),
    }
}

/// Prints one reading to stderr.
pub(crate) fn row(what: &str, reading: &str) {
    eprintln!("{what:<44} {reading}");
}
