//! Many listeners without messages.

use std::time::Duration;

use anyhow::Result;
use tokio::time::interval;

use crate::bench::client::{ClientRole, Counter};
use crate::bench::report::BenchReport;
use crate::bench::run::Bench;
use crate::bench::usage::Usage;
use crate::failure::{Exit, Failure};

/// Interval in which the passing of time is counted.
const STEP: Duration = Duration::from_millis(100);

/// Cost of idle listeners.
#[derive(Debug)]
pub(crate) struct Idle {
    /// Listeners.
    pub(crate) receivers: u64,
    /// Time to stay idle.
    pub(crate) time: Duration,
}

pub(crate) async fn measure(idle: &Idle, bench: &Bench) -> Result<BenchReport> {
    let nobody = Usage::read(bench.host());
    let listeners = bench.clients(0..idle.receivers, ClientRole::Receive).await?;
    let coming = nobody.spent(bench.host());
    let (usage, done) = (Usage::read(bench.host()), Counter::default());
    let steps = idle.time.as_millis().div_ceil(STEP.as_millis()) as u64;
    bench.watch("tenths of a second", steps, &done, silence(steps, &done)).await?;
    let spent = usage.spent(bench.host());
    let disturbed = listeners.iter().filter(|it| !it.is_undisturbed()).count();
    if disturbed > 0 {
        let what = format!("{disturbed} of {} listeners lost their link", idle.receivers);
        return Err(Failure::new(Exit::Partial, what)
            .hint("figures would be of fewer listeners; is the server still there?")
            .into());
    }
    bench.end(listeners).await?;
    let mut report = BenchReport::new("idle");
    let each = |kib: u64, before: u64| (kib as f64 - before as f64) / idle.receivers as f64;
    report.put("receivers", "listeners", idle.receivers, "");
    report.rate("connected_per_s", "connected", idle.receivers, coming.time);
    if let (Some(kib), Some(before)) = (spent.server_kib, nobody.server_kib()) {
        report.real("server_kib_each", "memory for each, server", each(kib, before), "KiB");
        report.put("server_rss_empty_kib", "memory of the server before", before, "KiB");
    }
    if let (Some(kib), Some(before)) = (spent.client_kib, nobody.client_kib()) {
        report.real("client_kib_each", "memory for each, clients", each(kib, before), "KiB");
    }
    report.resident(&spent);
    report.real("seconds", "time", spent.time.as_secs_f64(), "s");
    let cpus = [
        ("server_cpu_percent", "CPU of the server", spent.server_cpu),
        ("client_cpu_percent", "CPU of the clients", spent.client_cpu),
    ];
    for (key, label, cpu) in cpus {
        if let Some(cpu) = cpu {
            let part = cpu.as_secs_f64() / spent.time.as_secs_f64();
            report.real(key, label, part * 1e2, "% of a core");
        }
    }
    Ok(report)
}

async fn silence(steps: u64, done: &Counter) -> Result<()> {
    let mut ticks = interval(STEP);
    ticks.tick().await;
    for _ in 0..steps {
        ticks.tick().await;
        done.add(1);
    }
    Ok(())
}
