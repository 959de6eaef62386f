//! Parked messages: dead letters.

use qmsg::durable::{Found, PageItem, Quotas, Read, Record, Write};
use qmsg::wire::{
    CHUNK_LEN_MAX, Envelope, Headers, Message, MsgId, PARKED_LEN_MAX, ParkedKind, ParkedMessage,
};
use tempfile::TempDir;

use super::Verdict;
use super::standings::{judge, rejected, standings};
use super::uploads::{PART, body, bytes, records, rows, send, sweep_all};
use super::{
    DAY_MS, NOW_MS, Rig, append, cursor, database, each, enter, message, seqs, settle, stored,
    target, with,
};

/// Time at which readers reject messages.
pub(super) const SAID_MS: u64 = NOW_MS + 1000;
/// Time at which parked messages are taken out.
pub(super) const TAKEN_MS: u64 = NOW_MS + 5000;

pub(super) fn page(
    rig: &mut Rig,
    user: &str,
    drawer: ParkedKind,
    after: u64,
) -> (Vec<ParkedMessage>, bool) {
    match rig.read(Read::Parked { user: user.parse().unwrap(), drawer, after }) {
        Found::Parked(page, more) => (page, more),
        other => panic!("{other:?}"),
    }
}

/// Returns all parked messages of a kind, from all pages.
pub(super) fn look(rig: &mut Rig, user: &str, drawer: ParkedKind) -> Vec<ParkedMessage> {
    let mut all: Vec<ParkedMessage> = Vec::new();
    loop {
        let (more, goes_on) = page(rig, user, drawer, all.last().map_or(0, |last| last.number));
        assert!(!more.is_empty() || !goes_on);
        all.extend(more);
        if !goes_on {
            assert!(all.is_sorted_by(|one, next| one.number < next.number));
            return all;
        }
    }
}

pub(super) fn withdraw(user: &str, drawer: ParkedKind, id: Option<MsgId>, back: bool) -> Write {
    Write::TakeParked { user: user.parse().unwrap(), drawer, id, back, now_ms: TAKEN_MS }
}

pub(super) fn withdrawn(outcome: Verdict) -> (u64, Vec<Record>) {
    match outcome {
        Verdict::ParkedTaken { count, records } => (count, records),
        other => panic!("{other:?}"),
    }
}

/// Returns a message as a list of parked messages shows it.
pub(super) fn kept(number: u64, of: &Message, attempts: u32, reason: &str) -> ParkedMessage {
    let Message { from, time_ms, envelope: Envelope { id, to, headers, size, body } } = of.clone();
    let drawer = ParkedKind::DeadLetters;
    let reason = super::standings::note(reason);
    let at_ms = SAID_MS;
    ParkedMessage {
        kind: drawer,
        number,
        at_ms,
        attempts,
        reason,
        message: Message { from, time_ms, envelope: Envelope { id, to, headers, size, body } },
    }
}

fn ids(kept: &[ParkedMessage]) -> Vec<MsgId> {
    kept.iter().map(|kept| kept.message.id).collect()
}

/// Returns the messages of these records, each with its seq.
fn put_back(records: &[Record]) -> Vec<(u64, Message)> {
    records.iter().map(|record| (record.seq, record.bundle.first.clone())).collect()
}

#[test]
fn what_is_refused_is_kept_and_can_be_put_back() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    let headers = Headers::new(vec![("title".into(), "t".into())]).unwrap();
    let titled = with(message("alice", "bob", 1, 40), |message| message.headers = headers);
    let (room, all) = (message("alice", "@ops", 2, 3), message("alice", "@all", 3, 0));
    let sent = [&titled, &room, &all];
    // One of the messages is rejected in the batch that stores it.
    let said = |seq| [(seq, rejected(seq as u32, "no"))];
    rig.commit(vec![
        append(titled.clone()),
        judge("bob", "bob", cursor(1, 1, &[]), &said(1)),
        append(room.clone()),
        append(all.clone()),
    ]);
    rig.one(judge("bob", "@ops", cursor(2, 1, &[]), &said(2)));
    rig.one(judge("bob", "@all", cursor(3, 1, &[]), &said(3)));
    let expected: Vec<_> = (1..).zip(sent).map(|(n, of)| kept(n, of, n as u32, "no")).collect();
    // Neither another rejection nor the removal of the messages changes the dead letters.
    rig.one(judge("bob", "bob", cursor(1, 1, &[]), &said(1)));
    sweep_all(&mut rig, NOW_MS + 31 * DAY_MS);
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters), expected);
    for (user, drawer) in [
        ("bob", ParkedKind::Scheduled),
        ("alice", ParkedKind::DeadLetters),
        ("no", ParkedKind::DeadLetters),
    ] {
        assert_eq!(look(&mut rig, user, drawer), []);
    }
    let none = withdraw("alice", ParkedKind::DeadLetters, Some(room.id), true);
    assert_eq!(withdrawn(rig.one(none)), (0, vec![]));
    let one = withdraw("bob", ParkedKind::DeadLetters, Some(room.id), true);
    let (count, first) = withdrawn(rig.one(one));
    let (more, others) = withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, true)));
    assert_eq!((count, more, look(&mut rig, "bob", ParkedKind::DeadLetters).len()), (1, 2, 0));
    // The same messages are sent to bob again, with the present time.
    let anew = |of: &Message, room: Option<&str>| {
        let pairs = of.headers.iter().chain(room.map(|room| ("room", room)));
        let pairs = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let headers = Headers::new(pairs).unwrap();
        with(Message { time_ms: TAKEN_MS, ..of.clone() }, |message| {
            (message.to, message.headers) = (target("bob"), headers);
        })
    };
    let anew =
        [(4, anew(&room, Some("@ops"))), (5, anew(&titled, None)), (6, anew(&all, Some("@all")))];
    assert_eq!(put_back(&[first, others].concat()), anew);
    let found: Vec<_> = each(rig.whole("bob", "bob"))
        .into_iter()
        .filter_map(|item| match item {
            PageItem::Messages(record) => Some((record.seq, record.bundle.first.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(found, anew);
    // Messages that were put back can be rejected again, and then removed.
    rig.one(judge("bob", "bob", cursor(6, 4, &[]), &[(5, rejected(1, "again"))]));
    let again = look(&mut rig, "bob", ParkedKind::DeadLetters);
    assert_eq!((again.len(), again[0].message.id), (1, titled.id));
    assert_eq!(rig.one(append(titled.clone())), stored(7, 5), "the ids are forgotten by now");
    let gone = withdraw("bob", ParkedKind::DeadLetters, Some(titled.id), false);
    assert_eq!(withdrawn(rig.one(gone)), (1, vec![]));
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters), []);
}

#[test]
fn long_bodies_are_there_while_anyone_has_them() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    rig.commit(vec![enter("bob", "ops"), enter("carol", "ops")]);
    let size = 3 * PART + 9;
    send(&mut rig, "@ops", 1, size);
    send(&mut rig, "@ops", 2, size);
    for user in ["bob", "carol"] {
        rig.one(judge(user, "@ops", cursor(2, 2, &[]), &[(1, rejected(2, "too long"))]));
    }
    sweep_all(&mut rig, NOW_MS + 2 * DAY_MS);
    assert_eq!(rig.whole("bob", "@ops"), []);
    assert_eq!(rows(&dir), (4, 0, 0));
    let shown = look(&mut rig, "bob", ParkedKind::DeadLetters);
    assert_eq!((shown[0].message.size, shown[0].message.body.len()), (size as u64, PARKED_LEN_MAX));
    assert_eq!(shown[0].message.body.0, bytes(1, size).slice(..PARKED_LEN_MAX));
    assert_eq!(withdrawn(rig.one(withdraw("carol", ParkedKind::DeadLetters, None, false))).0, 1);
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    sweep_all(&mut rig, NOW_MS + 2 * DAY_MS);
    assert_eq!(rows(&dir), (4, 0, 0));
    let (_, back) = withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, true)));
    assert_eq!(body(&mut rig, &back[0]), bytes(1, size));
    assert_eq!(back[0].bundle.first.body.0, bytes(1, size).slice(..CHUNK_LEN_MAX));
    assert_eq!(records(&mut rig, "bob"), back);
    // The message is rejected once more in its log, and then both are removed.
    let seq = back[0].seq;
    rig.one(judge("bob", "bob", cursor(seq, 1, &[]), &[(seq, rejected(1, "still"))]));
    assert_eq!(withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, false))).0, 1);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (4, 0, 0));
    sweep_all(&mut rig, NOW_MS + 2 * DAY_MS);
    assert_eq!(rows(&dir), (0, 0, 0));
    let shared = "SELECT count(*) FROM shared";
    let shared: i64 = database(dir.path()).query_row(shared, [], |row| row.get(0)).unwrap();
    assert_eq!(shared, 0);
}

#[test]
fn drop_the_oldest_over_quota() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 3, log_bytes_max: 1000, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let refuse = |rig: &mut Rig, n: u32, length| {
        let seq = u64::from(n);
        assert_eq!(rig.one(append(message("alice", "bob", n, length))), stored(seq, seq));
        rig.one(judge("bob", "bob", cursor(seq, seq, &[]), &[(seq, rejected(1, ""))]));
        look(rig, "bob", ParkedKind::DeadLetters)
            .iter()
            .map(|kept| kept.message.size)
            .collect::<Vec<_>>()
    };
    for n in 1..=5 {
        refuse(&mut rig, n, n as usize);
    }
    assert_eq!(refuse(&mut rig, 6, 6), [4, 5, 6]);
    assert_eq!(refuse(&mut rig, 7, 990), [6, 990]);
    // A dead letter larger than the quota is kept alone.
    assert_eq!(refuse(&mut rig, 8, 2000), [2000]);
    assert_eq!(refuse(&mut rig, 9, 9), [9]);
    let counted = "SELECT messages, bytes FROM drawer";
    let counted: (i64, i64) =
        database(dir.path()).query_row(counted, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(counted, (1, 9));
}

#[test]
fn come_in_pages_and_go_a_few_at_a_time() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 150, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.commit((1..=150).map(|n| append(message("alice", "bob", n, 20))).collect());
    let said: Vec<_> = (1..=150).map(|seq| (seq, rejected(1, "no"))).collect();
    rig.one(judge("bob", "bob", cursor(150, 150, &[]), &said));
    let (first, more) = page(&mut rig, "bob", ParkedKind::DeadLetters, 0);
    assert_eq!((first.len(), more), (64, true));
    let all = look(&mut rig, "bob", ParkedKind::DeadLetters);
    assert_eq!(ids(&all), (1..=150).map(|n| message("alice", "bob", n, 0).id).collect::<Vec<_>>());
    // The mailbox has room for fifty, next to a hundred new ones.
    rig.commit((151..=250).map(|n| append(message("alice", "bob", n, 20))).collect());
    let mut taken = Vec::new();
    loop {
        let (count, records) =
            withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, true)));
        assert!(count <= 64 && records.len() as u64 == count);
        taken.extend(records.into_iter().map(|record| record.bundle.first.id));
        if count == 0 {
            break;
        }
    }
    assert_eq!(taken, ids(&all)[..50]);
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters), all[50..]);
    assert_eq!(seqs(&rig.whole("bob", "bob")).len(), 300);
    let gone = || withdraw("bob", ParkedKind::DeadLetters, None, false);
    let counts = rig.commit(vec![gone(), gone(), gone()]).into_iter().map(|out| withdrawn(out).0);
    assert_eq!(counts.collect::<Vec<_>>(), [64, 36, 0]);
    // A page has room for one large message.
    for n in 1..=3_u64 {
        let (seq, large) = (300 + n, message("alice", "bob", 1000 + n as u32, PART));
        rig.one(settle("bob", "bob", cursor(seq - 1, seq - 1, &[]), 1000, 1 << 20));
        assert_eq!(rig.one(append(large)), stored(seq, seq));
        rig.one(judge("bob", "bob", cursor(seq, seq, &[]), &[(seq, rejected(1, "large"))]));
    }
    let (first, more) = page(&mut rig, "bob", ParkedKind::DeadLetters, 0);
    assert_eq!((first.len(), more, first[0].message.body.len()), (1, true, PARKED_LEN_MAX));
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters).len(), 3);
}

#[test]
fn rot_is_not_handed_out() {
    let swap = "UPDATE letter SET letter = (SELECT letter FROM letter WHERE no = 3) WHERE no = 2";
    let flip = "UPDATE letter SET letter = CAST(substr(letter, 1, 99) || x'00'
        || substr(letter, 101) AS BLOB) WHERE no = 2";
    let part = "UPDATE part SET sum = x''";
    for damage in [swap, flip, "UPDATE letter SET letter = x'' WHERE no = 2", part] {
        let dir = TempDir::new().unwrap();
        let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
        rig.one(append(message("alice", "bob", 1, 200)));
        if damage == part {
            send(&mut rig, "bob", 2, 2 * PART);
        } else {
            rig.one(append(message("alice", "bob", 2, 200)));
        }
        rig.one(append(message("alice", "bob", 3, 200)));
        let said = [1, 2, 3].map(|seq| (seq, rejected(1, "no")));
        rig.one(judge("bob", "bob", cursor(3, 3, &[]), &said));
        database(dir.path()).execute_batch(damage).unwrap();
        let shown = look(&mut rig, "bob", ParkedKind::DeadLetters);
        let good = [1, 3].map(|n| message("alice", "bob", n, 0).id);
        assert_eq!(ids(&shown), good, "{damage}");
        let (count, records) =
            withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, true)));
        assert_eq!((count, records.len()), (2, 2), "{damage}");
        assert_eq!(withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, true))).0, 0);
        assert_eq!(withdrawn(rig.one(withdraw("bob", ParkedKind::DeadLetters, None, false))).0, 1);
    }
}

#[test]
fn a_message_that_is_damaged_or_gone_is_only_refused() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    for n in 1..=3 {
        rig.one(append(message("alice", "bob", n, 50)));
    }
    let damage = "UPDATE run SET records = x'' WHERE last = 1; DELETE FROM run WHERE last = 2";
    database(dir.path()).execute_batch(damage).unwrap();
    let said = [1, 2, 3].map(|seq| (seq, rejected(1, "no")));
    assert_eq!(rig.one(judge("bob", "bob", cursor(3, 3, &[]), &said)), Verdict::AckRecorded);
    assert_eq!(
        ids(&look(&mut rig, "bob", ParkedKind::DeadLetters)),
        [message("alice", "bob", 3, 0).id]
    );
    assert!(standings(&mut rig, "bob", 2, "alice")[0].note.is_some());
}
