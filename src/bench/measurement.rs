//! The measurements that there are.

use anyhow::Result;

use crate::bench::client::Durability;
use crate::bench::connect::{self, Connect};
use crate::bench::durable::{self, Durable};
use crate::bench::fanout::{self, Fanout};
use crate::bench::idle::{self, Idle};
use crate::bench::latency::{self, Latency};
use crate::bench::report::BenchReport;
use crate::bench::run::Bench;
use crate::bench::throughput::{self, Throughput};

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
            Self::Latency(it) => latency::measure(it, bench).await,
            Self::Throughput(it) => throughput::measure(it, bench).await,
            Self::Fanout(it) => fanout::measure(it, bench).await,
            Self::Idle(it) => idle::measure(it, bench).await,
            Self::Connect(it) => connect::measure(it, bench).await,
            Self::Durable(it) => durable::measure(it, bench).await,
        }
    }
}
