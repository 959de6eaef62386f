//! How cost grows: with users, with stored messages, with users who are away, with what waits for a
//! reader, with the size of the store. `cargo bench --bench growth -- --help`.
//!
//! Against a `qmsg serve` of its own on loopback, with its data in the directory of temporary files
//! (`TMPDIR`). A line on stderr for each reading, all of them in one JSON file at the end.
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

/// How cost grows
#[derive(Parser)]
struct Args {
    /// Few and small, in less than a minute: to see that it works
    #[arg(long)]
    quick: bool,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Bytes of the store that is started; default 10 GiB, 1 GiB if quick
    #[arg(long, value_name = "BYTES")]
    store_bytes: Option<u64>,
    /// Where the readings go
    #[arg(long, value_name = "FILE", default_value = "target/growth.json")]
    out: PathBuf,
    /// What cargo adds
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

/// How much of everything.
pub(crate) struct Sizes {
    pub(crate) users: &'static [usize],
    pub(crate) stored: &'static [usize],
    pub(crate) offline: &'static [usize],
    pub(crate) members: &'static [usize],
    pub(crate) waiting: usize,
    pub(crate) store_bytes: u64,
    /// Messages that are sent as fast as they are taken.
    pub(crate) pipelined: u64,
    /// Messages that are sent each after the last has arrived.
    pub(crate) single: u64,
    pub(crate) repeats: usize,
    /// How long nothing happens, to see what that costs. A keep-alive comes every 20 s.
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
    // `cargo test` starts benches too, to see that they do.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let args = Args::parse();
    let mut sizes = if args.quick { QUICK } else { FULL };
    sizes.store_bytes = args.store_bytes.unwrap_or(sizes.store_bytes);
    // One thread, as qmsg's own verbs.
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

/// One reading, for who watches.
pub(crate) fn row(what: &str, reading: &str) {
    eprintln!("{what:<44} {reading}");
}
