//! Messages to a room with many members.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::bench::client::{BenchClient, ClientRole, Counter, room_of};
use crate::bench::limits::{TOGETHER_BYTES_MAX, TOGETHER_MAX};
use crate::bench::report::BenchReport;
use crate::bench::run::{Bench, all};
use crate::bench::usage::Usage;
use crate::logic::{Command, Event};
use crate::wire::{RoomName, Target};

/// Deliveries per second from one sender to a room.
#[derive(Debug)]
pub(crate) struct Fanout {
    /// Members of the room.
    pub(crate) receivers: u64,
    /// Messages to the room.
    pub(crate) count: u64,
    /// Size of a message in bytes.
    pub(crate) size: u64,
    /// Send messages that are passed on and not stored.
    pub(crate) volatile: bool,
}

/// Interval of the checks whether all members have them.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) async fn measure(fanout: &Fanout, bench: &Bench) -> Result<BenchReport> {
    let room = room_of(bench.target());
    let members = bench.clients(0..fanout.receivers, ClientRole::Receive).await?;
    let members = change(bench, members, &Command::JoinRoom(room.clone())).await?;
    let senders = bench.clients(fanout.receivers..fanout.receivers + 1, ClientRole::Send).await?;
    let deliveries = fanout.count * fanout.receivers;
    let (done, mut receiving) = (Counter::default(), JoinSet::new());
    let usage = Usage::read(bench.host());
    for mut client in members {
        let (count, done) = (fanout.count, done.clone());
        receiving.spawn(async move {
            let last = client.receive_all(count, &done).await?;
            anyhow::Ok((client, last))
        });
    }
    let sending = send(fanout, senders, room.clone(), &done);
    let work = async { tokio::try_join!(sending, all(receiving)) };
    let total = deliveries + fanout.count;
    let (_, members) = bench.watch("answers and deliveries", total, &done, work).await?;
    let spent = usage.spent(bench.host());
    let last = members.iter().map(|(_, last)| *last).max().unwrap_or(usage.at());
    let members = members.into_iter().map(|(client, _)| client).collect();
    // An own server goes as it is.
    let members = match bench.host().process() {
        Some(_) => members,
        None => change(bench, members, &Command::LeaveRoom(room)).await?,
    };
    bench.end(members).await?;
    let mut report = BenchReport::new("fanout");
    report.put("receivers", "members of the room", fanout.receivers, "");
    report.put("count", "messages", fanout.count, "");
    report.put("volatile", "volatile", fanout.volatile, "");
    report.put("size", "size of a message", fanout.size, "bytes");
    report.put("deliveries", "deliveries", deliveries, "");
    let time = last - usage.at();
    report.rate("delivered_per_s", "delivered", deliveries, time);
    let bytes = deliveries as f64 * fanout.size as f64;
    report.real("mb_per_s", "delivered", bytes / 1e6 / time.as_secs_f64(), "MB/s");
    report.spent(&spent, deliveries);
    Ok(report)
}

async fn send(
    fanout: &Fanout,
    senders: Vec<BenchClient>,
    room: RoomName,
    done: &Counter,
) -> Result<()> {
    let (to, body) = (Target::Room(room), Bytes::from(vec![b'x'; fanout.size as usize]));
    let together = (TOGETHER_BYTES_MAX / fanout.size.max(1)).clamp(1, TOGETHER_MAX);
    let together = if fanout.volatile { together } else { fanout.count };
    for mut client in senders {
        let mut sent = 0;
        while sent < fanout.count {
            let count = together.min(fanout.count - sent);
            client.send_all(&to, &body, count, done).await?;
            sent += count;
            while fanout.volatile && done.value() < sent * (1 + fanout.receivers) {
                tokio::time::sleep(LOOK).await;
            }
        }
        client.end().await?;
    }
    Ok(())
}

/// Makes clients join or leave the room, and waits until they have.
async fn change(
    bench: &Bench,
    mut clients: Vec<BenchClient>,
    command: &Command,
) -> Result<Vec<BenchClient>> {
    let (done, total) = (Counter::default(), clients.len() as u64);
    let changing = async {
        for client in &mut clients {
            client.request(command.clone()).await;
        }
        let is = |event: &Event| matches!(event, Event::RoomJoined { .. } | Event::RoomLeft { .. });
        for client in &mut clients {
            client.until(is).await?;
            done.add(1);
        }
        anyhow::Ok(())
    };
    bench.watch("memberships", total, &done, changing).await?;
    Ok(clients)
}
