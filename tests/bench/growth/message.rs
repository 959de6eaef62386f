//! Cost of one message for the server: stored for one reader, who is connected.

use std::time::{Duration, Instant};

use anyhow::Result;
use qmsg::logic::{Draft, Event};
use qmsg::wire::{MsgIds, RoomName, Target};
use serde_json::{Value, json};
use tokio::time::interval;

use crate::client::{Client, Server, Wants, again, draft};
use crate::host::Host;
use crate::spread::Spread;
use crate::{Sizes, row};

pub(crate) const SENDER: &str = "sender";
pub(crate) const READER: &str = "reader";
pub(crate) const BODY_LEN: usize = 100;

/// Tick of the idle measurement, in milliseconds.
const STEP_MS: u64 = 50;

/// One sender and one listener.
struct Pair {
    sender: Client,
    reader: Client,
    draft: Draft,
    ids: MsgIds,
}

/// Readings with everything else that exists beside the pair, in microseconds of CPU time of the
/// server for each message.
pub(crate) async fn cost(
    what: &str,
    host: &Host,
    clients: &Server,
    room: Option<&RoomName>,
    sizes: &Sizes,
) -> Result<Value> {
    let mut pair = Pair::new(clients, room).await?;
    // The warm-up keeps one-time costs out of the figures.
    pair.pipelined(sizes.pipelined / 10).await?;
    let idle = idle(host, sizes.idle_ms).await;
    let [mut pipelined, mut single, mut rate] = [const { Spread(Vec::new()) }; 3];
    for _ in 0..sizes.repeats {
        let (cpu, start) = (host.cpu(), Instant::now());
        pair.pipelined(sizes.pipelined).await?;
        let time = start.elapsed();
        pipelined.add(each_us(host.cpu() - cpu, time, idle, sizes.pipelined));
        rate.add(sizes.pipelined as f64 / time.as_secs_f64());
    }
    for _ in 0..sizes.repeats {
        let (cpu, start) = (host.cpu(), Instant::now());
        pair.one_by_one(sizes.single).await?;
        single.add(each_us(host.cpu() - cpu, start.elapsed(), idle, sizes.single));
    }
    let (resident_kib, percent) = (host.resident_kib(), (idle * 1e4).round() / 1e2);
    pair.sender.end().await?;
    pair.reader.end().await?;
    row(what, &format!("{} in a stream", pipelined.text("us")));
    row("", &format!("{} alone, {resident_kib} KiB, idle {percent} %", single.text("us")));
    Ok(json!({
        "pipelined_us": pipelined.json(),
        "single_us": single.json(),
        "messages_s": rate.json(),
        "idle_percent": percent,
        "server_kib": resident_kib,
    }))
}

/// CPU time for each message, less what the idle server would have used in the same time.
fn each_us(used: Duration, time: Duration, idle: f64, messages: u64) -> f64 {
    (used.as_secs_f64() - idle * time.as_secs_f64()) * 1e6 / messages as f64
}

/// Share of one CPU that the server uses while nobody sends.
async fn idle(host: &Host, time_ms: u64) -> f64 {
    let mut ticks = interval(Duration::from_millis(STEP_MS));
    ticks.tick().await;
    let (cpu, start) = (host.cpu(), Instant::now());
    for _ in 0..time_ms.div_ceil(STEP_MS) {
        ticks.tick().await;
    }
    (host.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64()
}

impl Pair {
    async fn new(clients: &Server, room: Option<&RoomName>) -> Result<Self> {
        let mut reader = clients.client(READER, Wants::Listen).await?;
        let to = match room {
            Some(room) => {
                reader.command(qmsg::logic::Command::JoinRoom(room.clone())).await?;
                reader.until(|event| matches!(event, Event::RoomJoined { .. })).await?;
                Target::Room(room.clone())
            }
            None => Target::User(READER.parse()?),
        };
        let sender = clients.client(SENDER, Wants::Send).await?;
        let (draft, ids) = (draft(&to, BODY_LEN, false), MsgIds::default());
        Ok(Self { sender, reader, draft, ids })
    }

    async fn pipelined(&mut self, count: u64) -> Result<()> {
        let taken = self.reader.receive_all(count);
        let (_, (got, _)) = tokio::try_join!(self.sender.publish(&self.draft, count), taken)?;
        anyhow::ensure!(got == count, "{got} of {count} arrived");
        Ok(())
    }

    async fn one_by_one(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.sender.send(again(&mut self.ids, &self.draft)?).await?;
            self.sender.until(|event| matches!(event, Event::Accepted { .. })).await?;
            while self.reader.receive().await? == 0 {}
        }
        Ok(())
    }
}
