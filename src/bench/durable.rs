//! The time until a message is on the disk.

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use tokio::task::JoinSet;

use crate::bench::client::{Client, Counter, Wants};
use crate::bench::many;
use crate::bench::report::{Report, Times};
use crate::bench::run::{Bench, all};
use crate::bench::usage::Usage;
use crate::clock;
use crate::text::units;
use crate::wire::Target;

/// Messages per second written to disk one after the other
///
/// Each sender sends a message to its own id, waits until it is accepted, and sends the next one.
/// Nobody listens; on a server given with --server the messages are read after the run.
#[derive(Debug, Args)]
pub(crate) struct Durable {
    /// Clients that send in parallel
    #[arg(long, value_name = "N", default_value = "1", value_parser = many())]
    senders: u64,
    /// Messages per sender
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    pub(crate) size: u64,
}

impl Durable {
    pub(crate) async fn run(&self, bench: &Bench) -> Result<Report> {
        let senders = bench.clients(0..self.senders, Wants::Send).await?;
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
        let mut report = Report::new("durable");
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
            let mut client = bench.place.client(number, Wants::Receive);
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
    client: &mut Client,
    body: &Bytes,
    count: u64,
    done: &Counter,
) -> Result<Vec<std::time::Duration>> {
    let (to, mut times) = (Target::User(client.id.clone()), Vec::new());
    for _ in 0..count {
        let start = clock::moment();
        client.send(&to, body).await?;
        client.quiet().await?;
        times.push(clock::since(start));
        done.add(1);
    }
    Ok(times)
}
