//! Many clients in one process.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use qmsg::logic::Command;
use qmsg::logic::Event;
use qmsg::wire::{MsgIds, RoomName, Target};
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};

use crate::client::{Client, Wants, again, draft};
use crate::clock::cpu;
use crate::options::Options;
use crate::quantile_us;

/// Members of a room who receive `per` messages each.
pub(crate) async fn fan(options: &Options) -> Result<Value> {
    let (count, per) = (options.number("count", 1_000)?, options.number("per", 2_000)?);
    let room: RoomName = options.text("room", "fan").parse()?;
    let mut members = options.server()?.clients(count, Wants::Listen).await?;
    for member in &mut members {
        member.command(Command::JoinRoom(room.clone())).await?;
        member.until(|event| matches!(event, Event::RoomJoined { .. })).await?;
    }
    println!("READY");
    let before = cpu();
    let reader = |mut member: Client| async move {
        let taken = member.receive_all(per).await?;
        anyhow::Ok((member, taken))
    };
    let tasks: JoinSet<_> = members.into_iter().map(reader).collect();
    let (mut got, mut last, mut members) = (0, 0, Vec::new());
    for task in tasks.join_all().await {
        let (member, (count, time)) = task?;
        members.push(member);
        (got, last) = (got + count, last.max(time));
    }
    let used = cpu() - before;
    end(members).await?;
    Ok(json!({ "got": got, "last": last, "cpu_s": used.as_secs_f64() }))
}

/// Idle listeners, until a line comes on stdin.
pub(crate) async fn idle(options: &Options) -> Result<Value> {
    let count = options.number("count", 1_000)?;
    let mut clients = options.server()?.clients(count, Wants::Listen).await?;
    println!("READY");
    spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
    let mut held = 0;
    for client in &mut clients {
        held += usize::from(client.is_quiet());
    }
    end(clients).await?;
    Ok(json!({ "held": held }))
}

async fn end(clients: Vec<Client>) -> Result<()> {
    let tasks: JoinSet<_> = clients.into_iter().map(Client::end).collect();
    tasks.join_all().await.into_iter().collect()
}

/// Senders that wait for each answer before they send again.
pub(crate) async fn closed(options: &Options) -> Result<Value> {
    let to: Target = options.text("to", "bob").parse()?;
    let draft = draft(&to, options.number("size", 100)?, options.volatile());
    let time = Duration::from_secs_f64(options.number("secs", 5.0)?);
    let clients = options.server()?.clients(options.number("conc", 1)?, Wants::Send).await?;
    let start = Instant::now();
    let sender = |mut client: Client| {
        let draft = draft.clone();
        async move {
            let (mut times, mut ids) = (Vec::new(), MsgIds::default());
            while start.elapsed() < time {
                let sent = Instant::now();
                client.send(again(&mut ids, &draft)?).await?;
                client.until(is_answer).await?;
                times.push(sent.elapsed());
            }
            anyhow::Ok((client, times))
        }
    };
    let tasks: JoinSet<_> = clients.into_iter().map(sender).collect();
    let (mut times, mut clients) = (Vec::new(), Vec::new());
    for task in tasks.join_all().await {
        let (client, of_client) = task?;
        clients.push(client);
        times.extend(of_client);
    }
    let elapsed = start.elapsed();
    end(clients).await?;
    ensure!(!times.is_empty(), "no answers");
    times.sort_unstable();
    Ok(json!({
        "acks_s": (times.len() as f64 / elapsed.as_secs_f64()).round(),
        "n": times.len(),
        "p50_us": quantile_us(&times, 0.5),
        "p99_us": quantile_us(&times, 0.99),
    }))
}

fn is_answer(event: &Event) -> bool {
    matches!(event, Event::Accepted { .. } | Event::VolatileSent { readers: 1.., .. })
}

/// Handshakes a second, each until the server has looked up the user.
pub(crate) async fn handshakes(options: &Options) -> Result<Value> {
    let server = options.server()?;
    let time = Duration::from_secs_f64(options.number("secs", 3.0)?);
    let claimed = server.clients(options.number("conc", 16)?, Wants::Send).await?;
    let numbers = 0..claimed.len();
    end(claimed).await?;
    let (before, start) = (cpu(), Instant::now());
    let visitor = |number| {
        let server = server.clone();
        async move {
            let mut count = 0;
            while start.elapsed() < time {
                server.visit(&format!("u{number}")).await?;
                count += 1;
            }
            anyhow::Ok(count)
        }
    };
    let tasks: JoinSet<_> = numbers.map(visitor).collect();
    let counts: Vec<u64> = tasks.join_all().await.into_iter().collect::<Result<_>>()?;
    let (count, elapsed) = (counts.iter().sum::<u64>(), start.elapsed());
    Ok(json!({
        "rate": count as f64 / elapsed.as_secs_f64(),
        "n": count,
        "client_cpu_ms_each": (cpu() - before).as_secs_f64() * 1e3 / count as f64,
    }))
}
