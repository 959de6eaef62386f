//! Connecting and disconnecting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::bench::client::{BenchTarget, ClientRole, Counter, start_client};
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

pub(crate) async fn measure(connect: &Connect, bench: &Bench) -> Result<BenchReport> {
    let owners = bench.clients(0..connect.concurrency, ClientRole::Send).await?;
    bench.end(owners).await?;
    let (done, begun, mut visits) =
        (Counter::default(), Arc::new(AtomicU64::new(0)), JoinSet::new());
    let usage = Usage::read(bench.host());
    for number in 0..connect.concurrency {
        let (target, done) = (bench.target().clone(), done.clone());
        let (begun, count) = (Arc::clone(&begun), connect.count);
        visits.spawn(async move {
            let mut visits = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                visits.push(visit(&target, number).await?);
                done.add(1);
            }
            anyhow::Ok(visits)
        });
    }
    let visits = bench.watch("links", connect.count, &done, all(visits)).await?;
    let spent = usage.spent(bench.host());
    let visits = visits.into_iter().flatten();
    let (times, retries): (Vec<_>, Vec<u64>) = visits.unzip();
    let mut report = BenchReport::new("connect");
    report.put("count", "links", connect.count, "");
    report.put("concurrency", "at one time", connect.concurrency, "");
    report.rate("links_per_s", "links", connect.count, spent.time);
    report.put("retries", "attempts that failed", retries.iter().sum::<u64>(), "");
    report.times(&Times::new(times));
    report.spent(&spent, connect.count);
    Ok(report)
}

/// Connects and leaves. Returns the time until the answer, and the attempts that failed before.
async fn visit(target: &BenchTarget, number: u64) -> Result<(std::time::Duration, u64)> {
    let start = clock::moment();
    let mut client = start_client(target, number, ClientRole::Visit);
    client.arrives(ClientRole::Visit).await?;
    let (time, retries) = (clock::since(start), client.retries());
    client.end().await?;
    Ok((time, retries))
}
