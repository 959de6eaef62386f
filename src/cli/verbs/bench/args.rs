//! The arguments of `qmsg bench`.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};

use crate::bench::connect::Connect;
use crate::bench::durable::Durable;
use crate::bench::fanout::Fanout;
use crate::bench::how::How;
use crate::bench::idle::Idle;
use crate::bench::latency::Latency;
use crate::bench::measurement::Measurement;
use crate::bench::throughput::Throughput;
use crate::cli::limits::BENCH_COUNT_MAX;
use crate::profile::address::ServerAddress;
use crate::text::units;
use crate::wire::Pin;

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
    pub(crate) what: BenchVerb,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchVerb {
    Latency(LatencyArgs),
    Throughput(ThroughputArgs),
    Fanout(FanoutArgs),
    Idle(IdleArgs),
    Connect(ConnectArgs),
    Durable(DurableArgs),
}

impl BenchVerb {
    pub(crate) fn measurement(&self) -> Measurement {
        match self {
            Self::Latency(args) => Measurement::Latency(args.plain()),
            Self::Throughput(args) => Measurement::Throughput(args.plain()),
            Self::Fanout(args) => Measurement::Fanout(args.plain()),
            Self::Idle(args) => Measurement::Idle(args.plain()),
            Self::Connect(args) => Measurement::Connect(args.plain()),
            Self::Durable(args) => Measurement::Durable(args.plain()),
        }
    }
}

/// Flags of all measurements.
#[derive(Clone, Debug, Args)]
pub(crate) struct HowArgs {
    /// Measure this server instead of one started for the run
    ///
    /// Anybody must be able to claim an id on it: a server on a loopback address, or one with
    /// --open. The ids remain claimed, so use a server that can be thrown away afterwards.
    #[arg(short, long, global = true, value_name = "HOST[:PORT]")]
    server: Option<ServerAddress>,
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

impl HowArgs {
    pub(crate) fn plain(&self) -> How {
        let Self { server, pin, trust, json, timeout } = self.clone();
        How { server, pin, trust, json, timeout }
    }
}

/// Latency of a message between two connected clients
///
/// A message is sent, and as soon as it has arrived another one is sent back: half of that time is
/// reported. Without --volatile both are on the server's disk before they are delivered. The next
/// round starts when both are acknowledged.
#[derive(Clone, Debug, Args)]
pub(crate) struct LatencyArgs {
    /// Round trips
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    size: u64,
    /// Send messages that are passed on and not stored
    #[arg(long)]
    volatile: bool,
}

impl LatencyArgs {
    pub(crate) fn plain(&self) -> Latency {
        let Self { count, size, volatile } = self.clone();
        Latency { count, size, volatile }
    }
}

/// Messages per second from many senders to many receivers
///
/// Each sender sends its messages to one receiver, as fast as the server takes them: sender I to
/// receiver I modulo the number of receivers. The run ends when every message was accepted and
/// received, and its acknowledgement recorded.
#[derive(Clone, Debug, Args)]
pub(crate) struct ThroughputArgs {
    /// Clients that send
    #[arg(long, value_name = "N", default_value = "1", value_parser = many())]
    senders: u64,
    /// Clients that receive; any beyond the number of senders receive nothing
    #[arg(long, value_name = "N", default_value = "1", value_parser = many())]
    receivers: u64,
    /// Messages per sender
    #[arg(short = 'n', long, value_name = "N", default_value = "100000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    size: u64,
    /// Send messages that are passed on and not stored
    #[arg(long)]
    volatile: bool,
}

impl ThroughputArgs {
    pub(crate) fn plain(&self) -> Throughput {
        let Self { senders, receivers, count, size, volatile } = self.clone();
        Throughput { senders, receivers, count, size, volatile }
    }
}

/// Deliveries per second from one sender to a room
///
/// The sender is not a member of the room and sends as fast as the server accepts; all members
/// listen. The run ends when every member has received and acknowledged every message. Volatile
/// messages are sent slowly enough that no member has to miss one.
#[derive(Clone, Debug, Args)]
pub(crate) struct FanoutArgs {
    /// Members of the room
    #[arg(long, value_name = "N", default_value = "100", value_parser = many())]
    receivers: u64,
    /// Messages to the room
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    size: u64,
    /// Send messages that are passed on and not stored
    #[arg(long)]
    volatile: bool,
}

impl FanoutArgs {
    pub(crate) fn plain(&self) -> Fanout {
        let Self { receivers, count, size, volatile } = self.clone();
        Fanout { receivers, count, size, volatile }
    }
}

/// Cost of idle listeners
///
/// Listeners connect, and then nothing happens for some time. Memory per listener is the growth of
/// the server from before the first one to the end, remains of their handshakes included.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleArgs {
    /// Listeners
    #[arg(long, value_name = "N", default_value = "1000", value_parser = many())]
    receivers: u64,
    /// How long to stay idle
    ///
    /// A bare number is seconds.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    time: Duration,
}

impl IdleArgs {
    pub(crate) fn plain(&self) -> Idle {
        let Self { receivers, time } = self.clone();
        Idle { receivers, time }
    }
}

/// New connections per second
///
/// Each connection is a handshake, the lookup of an id, the server's answer, and an orderly close.
/// The reported times are those until the answer.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Connections
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value = "32", value_parser = many())]
    concurrency: u64,
}

impl ConnectArgs {
    pub(crate) fn plain(&self) -> Connect {
        let Self { count, concurrency } = self.clone();
        Connect { count, concurrency }
    }
}

/// Messages per second written to disk one after the other
///
/// Each sender sends a message to its own id, waits until it is accepted, and sends the next one.
/// Nobody listens; on a server given with --server the messages are read after the run.
#[derive(Clone, Debug, Args)]
pub(crate) struct DurableArgs {
    /// Clients that send in parallel
    #[arg(long, value_name = "N", default_value = "1", value_parser = many())]
    senders: u64,
    /// Messages per sender
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    size: u64,
}

impl DurableArgs {
    pub(crate) fn plain(&self) -> Durable {
        let Self { senders, count, size } = self.clone();
        Durable { senders, count, size }
    }
}

/// Parses a number of clients or messages: at least one, and small enough that products of two do
/// not overflow.
fn many() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=BENCH_COUNT_MAX)
}
