//! The measurements that there are.

use anyhow::Result;

use crate::bench::client::Durability;
use crate::bench::connect::Connect;
use crate::bench::durable::Durable;
use crate::bench::fanout::Fanout;
use crate::bench::idle::Idle;
use crate::bench::latency::Latency;
use crate::bench::report::BenchReport;
use crate::bench::run::Bench;
use crate::bench::throughput::Throughput;

/// One measurement, with what it takes.
#[derive(Debug)]
pub(crate) enum Measurement {
    Latency(Latency),
    Throughput(Throughput),
    Fanout(Fanout),
    Idle(Idle),
    Connect(Connect),
    Durable(Durable),
}

impl Measurement {
    /// Longest body that it sends.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Latency(it) => it.size,
            Self::Throughput(it) => it.size,
            Self::Fanout(it) => it.size,
            Self::Durable(it) => it.size,
            Self::Idle(_) | Self::Connect(_) => 0,
        }
    }

    pub(crate) fn kept(&self) -> Durability {
        match self {
            Self::Latency(Latency { volatile: true, .. })
            | Self::Throughput(Throughput { volatile: true, .. })
            | Self::Fanout(Fanout { volatile: true, .. }) => Durability::Volatile,
            _ => Durability::Stored,
        }
    }

    pub(crate) async fn run(&self, bench: &Bench) -> Result<BenchReport> {
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
