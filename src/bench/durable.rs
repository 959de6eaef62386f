//! The time until a message is on the disk.

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::bench::client::{BenchClient, ClientRole, Counter, start_client};
use crate::bench::report::{BenchReport, Times};
use crate::bench::run::{Bench, all};
use crate::bench::usage::Usage;
use crate::clock;
use crate::wire::Target;

/// Messages per second written to disk one after the other.
#[derive(Debug)]
pub(crate) struct Durable {
    /// Clients that send in parallel.
    pub(crate) senders: u64,
    /// Messages per sender.
    pub(crate) count: u64,
    /// Size of a message in bytes.
    pub(crate) size: u64,
}

pub(crate) async fn measure(durable: &Durable, bench: &Bench) -> Result<BenchReport> {
    let senders = bench.clients(0..durable.senders, ClientRole::Send).await?;
    let body = Bytes::from(vec![b'x'; durable.size as usize]);
    let (done, mut sending) = (Counter::default(), JoinSet::new());
    let usage = Usage::read(bench.host());
    for mut client in senders {
        let (body, count, done) = (body.clone(), durable.count, done.clone());
        sending.spawn(async move {
            let times = one_by_one(&mut client, &body, count, &done).await?;
            anyhow::Ok((client, times))
        });
    }
    let messages = durable.count * durable.senders;
    let sent = bench.watch("messages accepted", messages, &done, all(sending)).await?;
    let spent = usage.spent(bench.host());
    let (senders, times): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
    bench.end(senders).await?;
    if bench.host().process().is_none() {
        read_all(durable, bench).await?;
    }
    let mut report = BenchReport::new("durable");
    report.put("senders", "senders", durable.senders, "");
    report.put("count", "messages of each sender", durable.count, "");
    report.put("size", "size of a message", durable.size, "bytes");
    report.put("messages", "messages", messages, "");
    report.rate("accepted_per_s", "accepted", messages, spent.time);
    report.times(&Times::new(times.into_iter().flatten().collect()));
    report.spent(&spent, messages);
    Ok(report)
}

/// Takes what the senders have left, so that nothing of it stays on somebody's server.
async fn read_all(durable: &Durable, bench: &Bench) -> Result<()> {
    let (done, mut reading) = (Counter::default(), JoinSet::new());
    for number in 0..durable.senders {
        let mut client = start_client(bench.target(), number, ClientRole::Receive);
        let (count, done) = (durable.count, done.clone());
        reading.spawn(async move {
            client.receive_all(count, &done).await?;
            client.end().await
        });
    }
    let total = durable.count * durable.senders;
    bench.watch("messages read", total, &done, all(reading)).await.map(drop)
}

async fn one_by_one(
    client: &mut BenchClient,
    body: &Bytes,
    count: u64,
    done: &Counter,
) -> Result<Vec<std::time::Duration>> {
    let (to, mut times) = (Target::User(client.id().clone()), Vec::new());
    for _ in 0..count {
        let start = clock::moment();
        client.send(&to, body).await;
        client.quiet().await?;
        times.push(clock::since(start));
        done.add(1);
    }
    Ok(times)
}
