//! Messages at the highest rate.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::bench::client::{ClientRole, Counter};
use crate::bench::report::BenchReport;
use crate::bench::run::{Bench, all};
use crate::bench::usage::Usage;
use crate::wire::Target;

/// Messages per second from many senders to many receivers.
#[derive(Debug)]
pub(crate) struct Throughput {
    /// Clients that send.
    pub(crate) senders: u64,
    /// Clients that receive; any beyond the number of senders receive nothing.
    pub(crate) receivers: u64,
    /// Messages per sender.
    pub(crate) count: u64,
    /// Size of a message in bytes.
    pub(crate) size: u64,
    /// Send messages that are passed on and not stored.
    pub(crate) volatile: bool,
}

pub(crate) async fn measure(throughput: &Throughput, bench: &Bench) -> Result<BenchReport> {
    let receivers = bench.clients(0..throughput.receivers, ClientRole::Receive).await?;
    let all_ids = throughput.receivers..throughput.receivers + throughput.senders;
    let senders = bench.clients(all_ids, ClientRole::Send).await?;
    let targets: Vec<_> = receivers.iter().map(|it| Target::User(it.id().clone())).collect();
    let body = Bytes::from(vec![b'x'; throughput.size as usize]);
    let (done, mut sending, mut receiving) = (Counter::default(), JoinSet::new(), JoinSet::new());
    let usage = Usage::read(bench.host());
    for (number, mut client) in (0..).zip(receivers) {
        let (count, done) = (throughput.count * senders_to(throughput, number), done.clone());
        receiving.spawn(async move {
            let last = client.receive_all(count, &done).await?;
            client.end().await?;
            anyhow::Ok(last)
        });
    }
    for (mut client, to) in senders.into_iter().zip(targets.into_iter().cycle()) {
        let (count, body, done) = (throughput.count, body.clone(), done.clone());
        sending.spawn(async move {
            let last = client.send_all(&to, &body, count, &done).await?;
            client.end().await?;
            anyhow::Ok(last)
        });
    }
    let messages = throughput.count * throughput.senders;
    let both = async { tokio::try_join!(all(sending), all(receiving)) };
    let both = bench.watch("answers and deliveries", 2 * messages, &done, both).await?;
    let spent = usage.spent(bench.host());
    let [accepted, delivered] = [both.0, both.1].map(|ends| last(ends, &usage) - usage.at());
    let mut report = BenchReport::new("throughput");
    report.put("senders", "senders", throughput.senders, "");
    report.put("receivers", "receivers", throughput.receivers, "");
    report.put("count", "messages of each sender", throughput.count, "");
    report.put("volatile", "volatile", throughput.volatile, "");
    report.put("size", "size of a message", throughput.size, "bytes");
    report.put("messages", "messages", messages, "");
    report.rate("accepted_per_s", "accepted", messages, accepted);
    report.rate("delivered_per_s", "delivered", messages, delivered);
    report.rate("settled_per_s", "settled", messages, spent.time);
    let bytes = messages as f64 * throughput.size as f64;
    report.real("mb_per_s", "delivered", bytes / 1e6 / delivered.as_secs_f64(), "MB/s");
    report.spent(&spent, messages);
    Ok(report)
}

/// Number of clients that send to the receiver with this number.
fn senders_to(throughput: &Throughput, receiver: u64) -> u64 {
    let rest = u64::from(receiver < throughput.senders % throughput.receivers);
    throughput.senders / throughput.receivers + rest
}

/// The latest of these moments.
fn last(ends: Vec<Instant>, start: &Usage) -> Instant {
    ends.into_iter().max().unwrap_or(start.at())
}
