//! Round trips, one at a time.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;

use crate::bench::client::{BenchClient, ClientRole, Counter};
use crate::bench::report::{BenchReport, Times};
use crate::bench::run::Bench;
use crate::bench::usage::Usage;
use crate::clock;
use crate::wire::Target;

/// Rounds before the first that counts.
const WARM_UPS: u64 = 10;

/// Latency of a message between two connected clients.
#[derive(Debug)]
pub(crate) struct Latency {
    /// Round trips.
    pub(crate) count: u64,
    /// Size of a message in bytes.
    pub(crate) size: u64,
    /// Send messages that are passed on and not stored.
    pub(crate) volatile: bool,
}

pub(crate) async fn measure(latency: &Latency, bench: &Bench) -> Result<BenchReport> {
    let mut clients = bench.clients(0..2, ClientRole::Receive).await?;
    let [here, there] = clients.as_mut_slice() else { unreachable!("asked for two") };
    let body = Bytes::from(vec![b'x'; latency.size as usize]);
    let (done, mut times) = (Counter::default(), Vec::new());
    let rounds = async {
        for _ in 0..WARM_UPS {
            round(here, there, &body).await?;
        }
        let usage = Usage::read(bench.host());
        for _ in 0..latency.count {
            times.push(round(here, there, &body).await? / 2);
            done.add(1);
        }
        anyhow::Ok(usage.spent(bench.host()))
    };
    let spent = bench.watch("round trips", latency.count, &done, rounds).await?;
    bench.end(clients).await?;
    let mut report = BenchReport::new("latency");
    report.put("count", "round trips", latency.count, "");
    report.put("volatile", "volatile", latency.volatile, "");
    report.put("size", "size of a message", latency.size, "bytes");
    report.times(&Times::new(times));
    report.spent(&spent, 2 * latency.count);
    Ok(report)
}

/// Time of one round trip, up to the arrival of the answer.
async fn round(here: &mut BenchClient, there: &mut BenchClient, body: &Bytes) -> Result<Duration> {
    let [to_there, to_here] = [&*there, &*here].map(|client| Target::User(client.id().clone()));
    let start = clock::moment();
    here.send(&to_there, body).await;
    let seq = there.message().await?;
    there.send(&to_here, body).await;
    there.processed(vec![seq]).await;
    let seq = here.message().await?;
    let time = clock::since(start);
    here.processed(vec![seq]).await;
    here.quiet().await?;
    there.quiet().await?;
    Ok(time)
}
