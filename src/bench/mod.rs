//! `qmsg bench`: how fast a server is, and how large. One file a measurement.

mod client;
mod connect;
mod durable;
mod fanout;
mod host;
mod idle;
mod latency;
mod partial;
mod report;
mod run;
mod throughput;
mod usage;

use std::time::Duration;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};

use crate::bench::client::Kept;
use crate::bench::report::Report;
use crate::bench::run::Bench;
use crate::failure::{Exit, Failure};
use crate::message::content;
use crate::process::{runtime, signals};
use crate::profile::address::Server;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::text::units;
use crate::wire::Pin;

/// Most clients or messages of a run.
const MANY_MAX: u64 = 1_000_000_000;

/// Benchmark a server
///
/// Without --server, a server is started on this machine, on a free port and with a temporary
/// directory, and removed at the end: that measures this machine. Its messages are on the disk of
/// $TMPDIR.
///
/// All clients run in this process. They claim ids that begin with "bench-", with a key that is not
/// saved; no profile is read or written. A run in which not everything arrived is an error, and
/// prints no figures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg bench latency
  qmsg bench throughput --json")]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum What {
    Latency(latency::Latency),
    Throughput(throughput::Throughput),
    Fanout(fanout::Fanout),
    Idle(idle::Idle),
    Connect(connect::Connect),
    Durable(durable::Durable),
}

/// What all measurements take.
#[derive(Debug, Args)]
struct How {
    /// Measure this server instead of one started for the run
    ///
    /// Anybody must be able to claim an id on it: a server on a loopback address, or one with
    /// --open. The ids remain claimed, so use a server that can be thrown away afterwards.
    #[arg(short, long, global = true, value_name = "HOST[:PORT]")]
    server: Option<Server>,
    /// The pin of that server's key, as `qmsg serve` prints it
    #[arg(long, global = true, value_name = "SHA256:…")]
    pin: Option<Pin>,
    /// Trust whatever key that server presents
    #[arg(long, global = true, conflicts_with = "pin")]
    trust: bool,
    /// Print the figures as a JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Give up after this long without an arrival
    ///
    /// A bare number is seconds.
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        value_parser = units::duration
    )]
    timeout: Duration,
}

/// A number of clients or messages: at least one, and no product of two is too large to count.
fn many() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=MANY_MAX)
}

impl What {
    /// Longest body that it sends.
    fn size(&self) -> u64 {
        match self {
            Self::Latency(it) => it.size,
            Self::Throughput(it) => it.size,
            Self::Fanout(it) => it.size,
            Self::Durable(it) => it.size,
            Self::Idle(_) | Self::Connect(_) => 0,
        }
    }

    fn kept(&self) -> Kept {
        match self {
            Self::Latency(latency::Latency { volatile: true, .. })
            | Self::Throughput(throughput::Throughput { volatile: true, .. })
            | Self::Fanout(fanout::Fanout { volatile: true, .. }) => Kept::Volatile,
            _ => Kept::Stored,
        }
    }

    async fn run(&self, bench: &Bench) -> Result<Report> {
        match self {
            Self::Latency(it) => it.run(bench).await,
            Self::Throughput(it) => it.run(bench).await,
            Self::Fanout(it) => it.run(bench).await,
            Self::Idle(it) => it.run(bench).await,
            Self::Connect(it) => it.run(bench).await,
            Self::Durable(it) => it.run(bench).await,
        }
    }
}

pub(crate) fn run(args: &BenchArgs, talk: Verbosity) -> Result<Exit> {
    let How { server, pin, trust, .. } = &args.how;
    if server.is_none() && (pin.is_some() || *trust) {
        return Err(Failure::new(Exit::Usage, "--pin and --trust are about a server")
            .hint("name it with --server; without, one is started and trusted as it is")
            .into());
    }
    if args.what.size() > content::STREAM_LEN_MAX {
        return Err(Failure::new(Exit::Usage, "--size is more than is kept in memory").into());
    }
    // A client of `latency` is alone with its thread, as it is in `send` and `listen`.
    let runtime = match args.what {
        What::Latency(_) => runtime::runtime()?,
        _ => runtime::server_runtime(runtime::threads())?,
    };
    let result = runtime.block_on(async {
        let stop = signals::stop_signal()?;
        tokio::select! {
            biased;
            exit = stop => Ok(Err(exit)),
            report = measure(args, talk) => report.map(Ok),
        }
    });
    notices::progress(talk, None);
    match result? {
        Ok(report) => report.print(args.how.json).map(|()| Exit::Success),
        Err(signal) => Ok(signal),
    }
}

async fn measure(args: &BenchArgs, talk: Verbosity) -> Result<Report> {
    let bench = Bench::start(&args.how, args.what.size(), args.what.kept(), talk).await?;
    let mut report = args.what.run(&bench).await?;
    report.conditions(&bench);
    Ok(report)
}
