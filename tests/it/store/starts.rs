//! Start positions of readers that ask for more than unacked messages.

use qmsg::durable::{Found, Quotas, Read};
use qmsg::wire::{MsgId, Seq, Start};
use tempfile::TempDir;

use super::{
    DAY_MS, NOW_MS, Rig, append, cursor, enter, message, message_at, settle, sweep, target, with,
};

fn begin(rig: &mut Rig, logs: &[&str], start: Start) -> Option<Seq> {
    let logs = logs.iter().map(|log| target(log)).collect();
    match rig.read(Read::StartPosition { logs, start }) {
        Found::StartPosition(seq) => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn since_a_time_is_behind_all_that_is_older() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let all = ["bob", "@ops", "@all"];
    assert_eq!(begin(&mut rig, &all, Start::Since(0)), Some(0));
    rig.one(enter("bob", "ops"));
    // Several messages of one segment, some of them from a clock that was an hour ahead for a
    // while.
    let times = [[0, 10, 20], [30, 30, 40], [3600, 3610, 3620], [50, 60, 70]];
    let mut seq = 0;
    for batch in times {
        let append = |second: u64| {
            seq += 1;
            let to = if seq % 2 == 0 { "bob" } else { "@ops" };
            append(message_at(NOW_MS + second * 1000, "alice", to, seq, 1))
        };
        rig.commit(batch.map(append).into());
    }
    rig.one(settle("bob", "bob", cursor(12, 6, &[]), 6, 6));
    for _ in 0..2 {
        let mut since =
            |logs: &[&str], s: u64| begin(&mut rig, logs, Start::Since(NOW_MS + s * 1000));
        assert_eq!(
            [0, 1, 10, 11, 30, 31, 41].map(|s| since(&all, s)),
            [0, 1, 1, 2, 3, 5, 6].map(Some)
        );
        assert_eq!([3600, 3605, 3615, 3621].map(|s| since(&all, s)), [6, 7, 8, 12].map(Some));
        assert_eq!([0, 20, 31, 41].map(|s| since(&["bob"], s)), [1, 3, 5, 7].map(Some));
        assert_eq!(since(&["@all", "@void"], 0), Some(12));
        assert_eq!(since(&[], 0), Some(12));
        rig.store.close();
        rig = Rig::open(dir.path(), Quotas::default());
    }
    // Removed messages are not found.
    rig.one(sweep(NOW_MS + DAY_MS + 15_000));
    assert_eq!(begin(&mut rig, &["bob"], Start::Since(0)), Some(3));
}

#[test]
fn behind_a_message_is_behind_the_newest_of_its_id() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    rig.one(enter("bob", "ops"));
    let to = |n: u32| ["bob", "@ops", "@all"][n as usize % 3];
    rig.commit((0..9).map(|n| append(message("alice", to(n), n, 1))).collect());
    rig.one(append(message("carol", "bob", 4, 1)));
    let keyed = MsgId::keyed([0xff; 16]);
    rig.one(append(with(message("carol", "bob", 1, 1), |message| message.id = keyed)));
    let all = ["bob", "@ops", "@all"];
    let mut after = |logs: &[&str], id| begin(&mut rig, logs, Start::After(id));
    let id = |n| message("alice", "bob", n, 1).id;
    assert_eq!([0, 1, 2, 8].map(|n| after(&all, id(n))), [1, 2, 3, 9].map(Some));
    assert_eq!((after(&all, id(4)), after(&["@ops"], id(4))), (Some(10), Some(5)));
    assert_eq!(
        (after(&["bob"], id(5)), after(&all, id(99)), after(&[], id(1))),
        (None, None, None)
    );
    assert_eq!(after(&all, keyed), Some(11));
}
