//! One message at a time.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;

use crate::bench::client::{Client, Counter, Wants};
use crate::bench::many;
use crate::bench::report::{Report, Times};
use crate::bench::run::Bench;
use crate::bench::usage::Usage;
use crate::clock;
use crate::text::units;
use crate::wire::Target;

/// Rounds before the first that counts.
const WARM_UPS: u64 = 10;

/// Latency of a message between two connected clients
///
/// A message is sent, and as soon as it has arrived another one is sent back: half of that time is
/// reported. Without --volatile both are on the server's disk before they are delivered. The next
/// round starts when both are acknowledged.
#[derive(Debug, Args)]
pub(crate) struct Latency {
    /// Round trips
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = many())]
    count: u64,
    /// Size of a message in bytes
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::size)]
    pub(crate) size: u64,
    /// Send messages that are passed on and not stored
    #[arg(long)]
    pub(crate) volatile: bool,
}

impl Latency {
    pub(crate) async fn run(&self, bench: &Bench) -> Result<Report> {
        let mut clients = bench.clients(0..2, Wants::Receive).await?;
        let [here, there] = clients.as_mut_slice() else { unreachable!("asked for two") };
        let body = Bytes::from(vec![b'x'; self.size as usize]);
        let (done, mut times) = (Counter::default(), Vec::new());
        let rounds = async {
            for _ in 0..WARM_UPS {
                round(here, there, &body).await?;
            }
            let usage = Usage::read(&bench.host);
            for _ in 0..self.count {
                times.push(round(here, there, &body).await? / 2);
                done.add(1);
            }
            anyhow::Ok(usage.spent(&bench.host))
        };
        let spent = bench.watch("round trips", self.count, &done, rounds).await?;
        bench.end(clients).await?;
        let mut report = Report::new("latency");
        report.put("count", "round trips", self.count, "");
        report.put("volatile", "volatile", self.volatile, "");
        report.put("size", "size of a message", self.size, "bytes");
        report.times(&Times::new(times));
        report.spent(&spent, 2 * self.count);
        Ok(report)
    }
}

/// There and back.
async fn round(here: &mut Client, there: &mut Client, body: &Bytes) -> Result<Duration> {
    let [to_there, to_here] = [&*there, &*here].map(|client| Target::User(client.id.clone()));
    let start = clock::moment();
    here.send(&to_there, body).await?;
    let seq = there.message().await?;
    there.send(&to_here, body).await?;
    there.processed(vec![seq]).await?;
    let seq = here.message().await?;
    let time = clock::since(start);
    here.processed(vec![seq]).await?;
    here.quiet().await?;
    there.quiet().await?;
    Ok(time)
}
