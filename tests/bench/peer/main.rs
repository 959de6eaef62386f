//! Clients for the workloads of the comparison with other programs, on top of qmsg's library.
//!
//! `qmsg-peer WORK [NAME=VALUE]…`; the arms of [`run`] are the works. A work that waits for
//! messages prints READY when it has subscribed. The last line is a JSON object. Times are in
//! nanoseconds of the system's monotonic clock, so that those of two processes can be compared.

mod client;
mod clock;
mod lines;
mod many;
mod options;
mod pair;

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use options::Options;
use tokio::runtime::Builder;
use tokio::time::timeout;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let work = arguments.next().context("which work?")?;
    let options = Options::new(arguments)?;
    let time = Duration::from_secs(options.number("timeout", 150)?);
    // One thread, as the other programs of the comparison and qmsg's own commands have.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async { timeout(time, run(&work, &options)).await });
    // The end does not wait for a thread that still reads stdin.
    runtime.shutdown_background();
    println!("{}", result.context("not done in time")??);
    Ok(())
}

async fn run(work: &str, options: &Options) -> Result<serde_json::Value> {
    match work {
        "echo" => pair::echo(options).await,
        "ping" => pair::ping(options).await,
        "sub" => pair::sub(options).await,
        "pub" => pair::publish(options).await,
        "fan" => many::fan(options).await,
        "idle" => many::idle(options).await,
        "closed" => many::closed(options).await,
        "hs" => many::handshakes(options).await,
        "listen" => lines::listen(options),
        "send" => lines::send(options),
        _ => bail!("no such work: {work}"),
    }
}

/// Quantile in microseconds. `times` must be sorted and not empty.
fn quantile_us(times: &[Duration], share: f64) -> f64 {
    let at = ((times.len() - 1) as f64 * share).round() as usize;
    (times[at].as_secs_f64() * 1e7).round() / 10.0
}
