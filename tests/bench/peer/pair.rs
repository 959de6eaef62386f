//! One sender and one receiver.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use qmsg::logic::Event;
use qmsg::wire::Target;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Server, Wants, body, draft};
use crate::options::Options;
use crate::{cpu, now_ns, quantile_us};

/// Sends back what comes, until it is terminated.
pub(crate) async fn echo(options: &Options) -> Result<Value> {
    let volatile = options.volatile();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut client = Server::new(options)?.client("echo", Wants::Listen).await?;
    println!("READY");
    let mut count = 0;
    loop {
        let batch = tokio::select! {
            batch = client.next() => batch?,
            _ = terminated.recv() => break,
        };
        for event in batch {
            let Event::Message { seq, message } = event else { continue };
            client.tell(draft(&Target::User(message.from), &message.body, volatile)?).await?;
            client.processed(vec![seq]).await?;
            count += 1;
        }
    }
    client.end().await?;
    Ok(json!({ "n": count }))
}

/// Half of the time that a message takes to the echo and back.
pub(crate) async fn ping(options: &Options) -> Result<Value> {
    let (volatile, warm_ups) = (options.volatile(), options.number("warm", 2_000)?);
    let (count, to) = (options.number("n", 20_000)?, "echo".parse()?);
    let body = body(options.number("size", 100)?);
    let mut client = Server::new(options)?.client("ping", Wants::Listen).await?;
    let mut times = Vec::new();
    for _ in 0..warm_ups + count {
        let start = Instant::now();
        client.tell(draft(&to, &body, volatile)?).await?;
        while client.take().await? == 0 {}
        times.push(start.elapsed() / 2);
    }
    client.end().await?;
    let mut times = times.split_off(warm_ups);
    times.sort_unstable();
    Ok(json!({
        "n": count,
        "p50_us": quantile_us(&times, 0.5),
        "p99_us": quantile_us(&times, 0.99),
        "p999_us": quantile_us(&times, 0.999),
        "min_us": quantile_us(&times, 0.0),
        "cpu_s": cpu().as_secs_f64(),
    }))
}

/// Takes so many messages.
pub(crate) async fn sub(options: &Options) -> Result<Value> {
    let count: u64 = options.number("n", 1)?;
    let mut client = Server::new(options)?.client("sub", Wants::Listen).await?;
    println!("READY");
    let (got, last) = client.take_all(count).await?;
    client.end().await?;
    Ok(json!({ "got": got, "last": last }))
}

/// Sends so many messages, as fast as they are taken, until the last is answered.
pub(crate) async fn publish(options: &Options) -> Result<Value> {
    let (volatile, count) = (options.volatile(), options.number("n", 1)?);
    let (to, body) = (options.text("to", "sub").parse()?, body(options.number("size", 100)?));
    let mut client = Server::new(options)?.client("pub", Wants::Send).await?;
    let (commands, events) = client.split();
    let t0 = now_ns();
    let send = async {
        for _ in 0..count {
            commands.send(draft(&to, &body, volatile)?).await?;
        }
        anyhow::Ok(())
    };
    let answers = async {
        let (mut answered, mut lost) = (0, 0);
        while answered < count {
            for event in events.recv().await.context("the client has ended")? {
                match event {
                    Event::Accepted { .. } => answered += 1,
                    Event::Passed { readers, .. } => {
                        answered += 1;
                        lost += u64::from(readers == 0);
                    }
                    Event::Refused { why, .. } => bail!("refused: {why:?}"),
                    Event::Uncertain { .. } | Event::Offline => bail!("the link was lost"),
                    _ => {}
                }
            }
        }
        Ok(lost)
    };
    let ((), lost) = tokio::try_join!(send, answers)?;
    let t1 = now_ns();
    client.end().await?;
    let rate = f64::from(count) / Duration::from_nanos(t1 - t0).as_secs_f64();
    Ok(json!({ "t0": t0, "t1": t1, "n": count, "lost": lost, "answers_s": rate.round() }))
}
