//! The time until a message is on the disk.

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::bench::client::{BenchClient, ClientRole, Counter};
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

impl Durable {
    pub(crate) async fn run(&self, bench: &Bench) -> Result<BenchReport> {
        let senders = bench.clients(0..self.senders, ClientRole::Send).await?;
        let body = Bytes::from(vec![b'x'; self.size as usize]);
        let (done, mut sending) = (Counter::default(), JoinSet::new());
        let usage = Usage::read(&bench.host);
        for mut client in senders {
            let (body, count, done) = (body.clone(), self.count, done.clone());
            sending.spawn(async move {
                let times = one_by_one(&mut client, &body, count, &done).await?;
                anyhow::Ok((client, times))
            });
        }
        let messages = self.count * self.senders;
        let sent = bench.watch("messages accepted", messages, &done, all(sending)).await?;
        let spent = usage.spent(&bench.host);
        let (senders, times): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
        bench.end(senders).await?;
        if bench.host.process().is_none() {
            self.read_all(bench).await?;
        }
        let mut report = BenchReport::new("durable");
        report.put("senders", "senders", self.senders, "");
        report.put("count", "messages of each sender", self.count, "");
        report.put("size", "size of a message", self.size, "bytes");
        report.put("messages", "messages", messages, "");
        report.rate("accepted_per_s", "accepted", messages, spent.time);
        report.times(&Times::new(times.into_iter().flatten().collect()));
        report.spent(&spent, messages);
        Ok(report)
    }

    /// Takes what the senders have left, so that nothing of it stays on somebody's server.
    async fn read_all(&self, bench: &Bench) -> Result<()> {
        let (done, mut reading) = (Counter::default(), JoinSet::new());
        for number in 0..self.senders {
            let mut client = bench.place.client(number, ClientRole::Receive);
            let (count, done) = (self.count, done.clone());
            reading.spawn(async move {
                client.receive_all(count, &done).await?;
                client.end().await
            });
        }
        let total = self.count * self.senders;
        bench.watch("messages read", total, &done, all(reading)).await.map(drop)
    }
}

async fn one_by_one(
    client: &mut BenchClient,
    body: &Bytes,
    count: u64,
    done: &Counter,
) -> Result<Vec<std::time::Duration>> {
    let (to, mut times) = (Target::User(client.id.clone()), Vec::new());
    for _ in 0..count {
        let start = clock::moment();
        client.send(&to, body).await;
        client.quiet().await?;
        times.push(clock::since(start));
        done.add(1);
    }
    Ok(times)
}
