//! The cost of a message while the amount of something else grows.

use anyhow::Result;
use qmsg::durable::Write;
use qmsg::wire::{Pin, RoomName, Target};
use serde_json::{Value, json};

use crate::client::Wants;
use crate::filling::{Filling, user};
use crate::host::Place;
use crate::message::{BODY_LEN, cost};
use crate::{Sizes, row};

/// Mailboxes that the stored messages are spread over.
const LOGS: usize = 1_000;
/// Key of users who never connect.
const KEY: Pin = Pin([1; 32]);

/// Cost beside users who are connected and receive nothing.
pub(crate) async fn users(sizes: &Sizes) -> Result<Value> {
    let mut points = Vec::new();
    for &count in sizes.users {
        let place = Place::new();
        let host = place.serve();
        let (clients, empty_kib) = (host.clients(), host.resident_kib());
        let idle = clients.clients(count, Wants::Listen).await?;
        let mut point =
            cost(&format!("{count} connected users"), &host, &clients, None, sizes).await?;
        point["at"] = count.into();
        point["empty_kib"] = empty_kib.into();
        points.push(point);
        // The clients need not leave one by one: their server ends.
        drop(idle);
        host.stop();
    }
    Ok(points.into())
}

/// Cost beside messages that wait in other mailboxes.
pub(crate) async fn stored(sizes: &Sizes) -> Result<Value> {
    let (place, mut points, mut there) = (Place::new(), Vec::new(), 0);
    let logs: Vec<_> = (0..LOGS).map(|number| Target::User(user(number))).collect();
    let mut store = place.store();
    store.claim((0..LOGS).map(user), KEY);
    store.close();
    for &count in sizes.stored {
        let mut store = place.store();
        store.append_all(&user(0), &logs, count - there, BODY_LEN);
        store.close();
        there = count;
        let bytes = place.store_bytes();
        let mut point = measured(&format!("{count} stored messages"), &place, None, sizes).await?;
        point["at"] = count.into();
        point["store_bytes"] = bytes.into();
        points.push(point);
    }
    Ok(points.into())
}

/// Cost beside absent users, who are also members of the target room.
pub(crate) async fn offline(sizes: &Sizes) -> Result<Value> {
    let nothing = |_: &mut Filling, _, _| {};
    let ids = away("users away", sizes.offline, None, nothing, sizes).await?;
    let room: RoomName = "crowd".parse()?;
    let enter = |store: &mut Filling, from, to| {
        let enter = |number| Write::JoinRoom { user: user(number), room: room.clone() };
        store.write_all((from..to).map(enter));
    };
    let members = away("members away", sizes.members, Some(&room), enter, sizes).await?;
    Ok(json!({ "ids": ids, "members": members }))
}

async fn away(
    what: &str,
    counts: &[usize],
    room: Option<&RoomName>,
    then: impl Fn(&mut Filling, usize, usize),
    sizes: &Sizes,
) -> Result<Value> {
    let (place, mut points, mut there) = (Place::new(), Vec::new(), 0);
    place.store().close();
    for &count in counts {
        let before = place.store_bytes();
        let mut store = place.store();
        store.claim((there..count).map(user), KEY);
        then(&mut store, there, count);
        store.close();
        let more = place.store_bytes() - before;
        let mut point = measured(&format!("{count} {what}"), &place, room, sizes).await?;
        point["at"] = count.into();
        if count > there {
            let each = more as f64 / (count - there) as f64;
            row("", &format!("{each:.0} bytes on disk each"));
            point["bytes_each"] = each.round().into();
        }
        there = count;
        points.push(point);
    }
    Ok(points.into())
}

/// Measures on a running server and stops it.
async fn measured(
    what: &str,
    place: &Place,
    room: Option<&RoomName>,
    sizes: &Sizes,
) -> Result<Value> {
    let host = place.serve();
    let (clients, empty_kib) = (host.clients(), host.resident_kib());
    let mut point = cost(what, &host, &clients, room, sizes).await?;
    point["empty_kib"] = empty_kib.into();
    host.stop();
    Ok(point)
}
