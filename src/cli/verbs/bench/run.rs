//! `qmsg bench`.

use anyhow::Result;

use crate::bench::how::How;
use crate::bench::measurement::Measurement;
use crate::bench::report::BenchReport;
use crate::bench::run::Bench;
use crate::cli::verbs::bench::args::BenchArgs;
use crate::failure::{Exit, Failure};
use crate::message::limits::STREAM_LEN_MAX;
use crate::process::{runtime, signals};
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;

pub(crate) fn run(args: &BenchArgs, verbosity: Verbosity) -> Result<Exit> {
    let (how, measurement) = (args.how.plain(), args.what.measurement());
    let How { server, pin, trust, .. } = &how;
    if server.is_none() && (pin.is_some() || *trust) {
        return Err(Failure::new(Exit::Usage, "--pin and --trust are about a server")
            .hint("name it with --server; without, one is started and trusted as it is")
            .into());
    }
    if measurement.size() > STREAM_LEN_MAX {
        return Err(Failure::new(Exit::Usage, "--size is more than is kept in memory").into());
    }
    // A client of `latency` has a thread to itself, as in `send` and `listen`.
    let runtime = match measurement {
        Measurement::Latency(_) => runtime::runtime()?,
        _ => runtime::server_runtime(runtime::threads())?,
    };
    let result = runtime.block_on(async {
        let stop = signals::stop_signal()?;
        tokio::select! {
            biased;
            exit = stop => Ok(Err(exit)),
            report = measure(&how, &measurement, verbosity) => report.map(Ok),
        }
    });
    notices::progress(verbosity, None);
    match result? {
        Ok(report) => report.print(how.json).map(|()| Exit::Success),
        Err(signal) => Ok(signal),
    }
}

async fn measure(
    how: &How,
    measurement: &Measurement,
    verbosity: Verbosity,
) -> Result<BenchReport> {
    let bench = Bench::start(how, measurement.size(), measurement.kept(), verbosity).await?;
    let mut report = measurement.run(&bench).await?;
    report.conditions(&bench);
    Ok(report)
}
