//! One sender and one receiver.

use std::time::{Duration, Instant};

use anyhow::Result;
use qmsg::logic::{Draft, Event, numbered};
use qmsg::wire::{Envelope, Headers, MsgIds, Target};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Wants, again, draft};
use crate::clock::{cpu, now_ns};
use crate::options::Options;
use crate::quantile_us;

/// Sends each message back to its sender, until the process is terminated.
pub(crate) async fn echo(options: &Options) -> Result<Value> {
    let volatile = options.volatile();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut client = options.server()?.client("echo", Wants::Listen).await?;
    println!("READY");
    let (mut count, mut ids) = (0, MsgIds::default());
    loop {
        let batch = tokio::select! {
            batch = client.next_events() => batch?,
            _ = terminated.recv() => break,
        };
        for event in batch {
            let Event::Messages { seq, bundle } = event else { continue };
            for (seq, message) in numbered(seq, &bundle) {
                let (to, headers) = (Target::User(message.from), Headers::default());
                let envelope = Envelope { to, headers, ..message.envelope };
                let reply = Draft { volatile, ..envelope.into() };
                client.send(again(&mut ids, &reply)?).await?;
                client.ack(vec![seq]).await?;
                count += 1;
            }
        }
    }
    client.end().await?;
    Ok(json!({ "n": count }))
}

/// Half of the round-trip time of a message to `echo` and back.
pub(crate) async fn ping(options: &Options) -> Result<Value> {
    let (volatile, warm_ups) = (options.volatile(), options.number("warm", 2_000)?);
    let (count, to) = (options.number("n", 20_000)?, "echo".parse()?);
    let draft = draft(&to, options.number("size", 100)?, volatile);
    let mut client = options.server()?.client("ping", Wants::Listen).await?;
    let (mut times, mut ids) = (Vec::new(), MsgIds::default());
    for _ in 0..warm_ups + count {
        let start = Instant::now();
        client.send(again(&mut ids, &draft)?).await?;
        while client.receive().await? == 0 {}
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

/// Receives `n` messages.
pub(crate) async fn sub(options: &Options) -> Result<Value> {
    let count: u64 = options.number("n", 1)?;
    let mut client = options.server()?.client("sub", Wants::Listen).await?;
    println!("READY");
    let (got, last) = client.receive_all(count).await?;
    client.end().await?;
    Ok(json!({ "got": got, "last": last }))
}

/// Sends messages as fast as the client accepts them, until the last has its answer.
pub(crate) async fn publish(options: &Options) -> Result<Value> {
    let (to, count) = (options.text("to", "sub").parse()?, options.number("n", 1)?);
    let draft = draft(&to, options.number("size", 100)?, options.volatile());
    let mut client = options.server()?.client("pub", Wants::Send).await?;
    let t0 = now_ns();
    let unread = client.publish(&draft, count).await?;
    let t1 = now_ns();
    client.end().await?;
    let rate = count as f64 / Duration::from_nanos(t1 - t0).as_secs_f64();
    Ok(json!({ "t0": t0, "t1": t1, "n": count, "lost": unread, "answers_s": rate.round() }))
}
