//! Coming and going.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::bench::client::{BenchTarget, ClientRole, Counter};
use crate::bench::report::{BenchReport, Times};
use crate::bench::run::{Bench, all};
use crate::bench::usage::Usage;
use crate::clock;

/// New connections per second.
#[derive(Debug)]
pub(crate) struct Connect {
    /// Connections.
    pub(crate) count: u64,
    /// Connections at a time.
    pub(crate) concurrency: u64,
}

impl Connect {
    pub(crate) async fn run(&self, bench: &Bench) -> Result<BenchReport> {
        let owners = bench.clients(0..self.concurrency, ClientRole::Send).await?;
        bench.end(owners).await?;
        let (done, begun, mut visits) =
            (Counter::default(), Arc::new(AtomicU64::new(0)), JoinSet::new());
        let usage = Usage::read(&bench.host);
        for number in 0..self.concurrency {
            let (place, done) = (bench.place.clone(), done.clone());
            let (begun, count) = (Arc::clone(&begun), self.count);
            visits.spawn(async move {
                let mut visits = Vec::new();
                while begun.fetch_add(1, Ordering::Relaxed) < count {
                    visits.push(visit(&place, number).await?);
                    done.add(1);
                }
                anyhow::Ok(visits)
            });
        }
        let visits = bench.watch("links", self.count, &done, all(visits)).await?;
        let spent = usage.spent(&bench.host);
        let visits = visits.into_iter().flatten();
        let (times, retries): (Vec<_>, Vec<u64>) = visits.unzip();
        let mut report = BenchReport::new("connect");
        report.put("count", "links", self.count, "");
        report.put("concurrency", "at one time", self.concurrency, "");
        report.rate("links_per_s", "links", self.count, spent.time);
        report.put("retries", "attempts that failed", retries.iter().sum::<u64>(), "");
        report.times(&Times::new(times));
        report.spent(&spent, self.count);
        Ok(report)
    }
}

/// Connects and leaves. Returns the time until the answer, and the attempts that failed before.
async fn visit(place: &BenchTarget, number: u64) -> Result<(std::time::Duration, u64)> {
    let start = clock::moment();
    let mut client = place.client(number, ClientRole::Visit);
    client.arrives(ClientRole::Visit).await?;
    let (time, retries) = (clock::since(start), client.retries);
    client.end().await?;
    Ok((time, retries))
}
