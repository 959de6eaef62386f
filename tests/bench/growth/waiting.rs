//! A reader with many waiting messages, and the start of a server on a large store.

use std::time::Instant;

use anyhow::{Result, ensure};
use qmsg::logic::Event;
use qmsg::quic::Identity;
use qmsg::wire::Target;
use rustix::fs::statvfs;
use serde_json::{Value, json};

use crate::client::Wants;
use crate::filling::user;
use crate::host::Place;
use crate::message::{BODY_LEN, READER};
use crate::spread::Spread;
use crate::{Sizes, row};

/// Body length for a large store: close to the most that one frame carries.
const LONG_LEN: usize = 60 << 10;
/// Free disk space needed beyond a store, as a divisor of its size: for the write-ahead log and a
/// margin.
const FREE_PARTS: u64 = 2;

/// Time from the first packet, handshake included, to the first and to the last message.
pub(crate) async fn reader(sizes: &Sizes) -> Result<Value> {
    let [mut first_ms, mut rate, mut more_kib] = [const { Spread(Vec::new()) }; 3];
    for _ in 0..sizes.repeats.min(3) {
        let place = Place::new();
        let key = Identity::load_or_create(&place.key())?.pin();
        let (from, to) = (user(0), READER.parse()?);
        let mut store = place.store();
        store.claim([from.clone(), READER.parse()?].into_iter(), key);
        store.append_all(&from, &[Target::User(to)], sizes.waiting, BODY_LEN);
        store.close();
        let host = place.serve();
        let (clients, before_kib) = (host.clients(), host.resident_kib());
        let start = Instant::now();
        let mut reader = clients.start(READER, Wants::Listen)?;
        let (mut taken, mut first) = (0, None);
        while taken < sizes.waiting {
            let seqs: Vec<_> = reader.next_events().await?.iter().flat_map(Event::seqs).collect();
            if !seqs.is_empty() {
                first.get_or_insert_with(|| start.elapsed());
                taken += seqs.len();
                reader.ack(seqs).await?;
            }
        }
        let first = first.unwrap();
        let rest = start.elapsed() - first;
        first_ms.add(first.as_secs_f64() * 1e3);
        rate.add(sizes.waiting as f64 / rest.as_secs_f64());
        more_kib.add(host.peak_kib() as f64 - before_kib as f64);
        reader.end().await?;
        host.stop();
    }
    row(&format!("{} messages waiting", sizes.waiting), &first_ms.text("ms to the first"));
    row("", &rate.text("messages/s"));
    row("", &more_kib.text("KiB more in the server at most"));
    Ok(json!({
        "messages": sizes.waiting,
        "first_ms": first_ms.json(),
        "messages_s": rate.json(),
        "server_more_kib": more_kib.json(),
    }))
}

/// Time from the start of the process until the server can be reached.
pub(crate) fn start(sizes: &Sizes) -> Result<Value> {
    let place = Place::new();
    let disk = statvfs(place.path())?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = sizes.store_bytes + sizes.store_bytes / FREE_PARTS;
    ensure!(free > needed, "{needed} bytes are needed on the disk, {free} are free");
    let start = |repeats| {
        let (mut ms, mut resident_kib) = (Spread::default(), 0);
        for _ in 0..repeats {
            let start = Instant::now();
            let host = place.serve();
            ms.add(start.elapsed().as_secs_f64() * 1e3);
            resident_kib = host.resident_kib();
            host.stop();
        }
        (ms, resident_kib)
    };
    // The first start makes key, certificate and tables; it is not counted.
    start(1);
    let (empty_ms, empty_kib) = start(sizes.repeats);
    let mut store = place.store();
    store.claim([user(0)].into_iter(), Identity::load_or_create(&place.key())?.pin());
    let count = sizes.store_bytes as usize / LONG_LEN;
    store.append_all(&user(0), &[Target::User(user(0))], count, LONG_LEN);
    store.close();
    let (ms, server_kib) = start(sizes.repeats);
    let bytes = place.store_bytes();
    row(&format!("start with {} MiB", bytes >> 20), &ms.text("ms"));
    row("  with nothing", &empty_ms.text("ms"));
    Ok(json!({
        "store_bytes": bytes,
        "ms": ms.json(),
        "server_kib": server_kib,
        "empty_ms": empty_ms.json(),
        "empty_kib": empty_kib,
    }))
}
