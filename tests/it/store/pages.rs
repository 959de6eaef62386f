//! Reading logs in pages.

use std::sync::Arc;

use qmsg::durable::{Page, PageItem, Quotas, Record};
use qmsg::wire::{Headers, Seq};
use tempfile::TempDir;

use super::Verdict;
use super::{Rig, append, enter, message, seqs, stored, target};

const ALL: u64 = u64::MAX;

#[test]
fn messages_come_back_as_they_were() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let mut sent = message("alice", "bob", 0, 100_000);
    sent.headers = Headers::new(vec![("type".into(), "a\0b\n".into())]).unwrap();
    rig.one(append(sent.clone()));
    let record = Record { seq: 1, ordinal: 1, parts: 0, bundle: Arc::new(sent.into()) };
    assert_eq!(rig.whole("bob", "bob"), [PageItem::Messages(record)]);
}

/// Seqs of the messages found, seq up to which the logs were read, and true if that was all.
type Looked<'a> = (&'a [Seq], Seq, bool);

/// Makes a store with seqs 1…8: alice's messages to bob, `@ops`, `@all`, bob, `@ops`; bob's to
/// `@ops`, bob, `@all`.
fn mixed(dir: &TempDir) -> Rig {
    let mut rig = Rig::with(dir, Quotas::default(), &["alice", "bob"]);
    rig.commit(vec![enter("alice", "ops"), enter("bob", "ops"), enter("bob", "idle")]);
    let senders = ["alice", "alice", "alice", "alice", "alice", "bob", "bob", "bob"];
    let targets = ["bob", "@ops", "@all", "bob", "@ops", "@ops", "bob", "@all"];
    let sends = senders.iter().zip(targets).zip(1..);
    rig.commit(sends.map(|((from, to), n)| append(message(from, to, n, 10))).collect());
    rig
}

#[test]
fn logs_are_merged_and_cut() {
    let dir = TempDir::new().unwrap();
    let mut rig = mixed(&dir);
    let logs = |after| [("bob", after), ("@ops", after), ("@all", after), ("@idle", after)];
    // Start seq, most messages and bytes; messages found, seq reached, and whether that was all.
    let cases: [(Seq, u32, u64, Looked<'_>); 12] = [
        (0, 99, ALL, (&[1, 2, 3, 4, 5, 7], 8, true)),
        (0, 6, ALL, (&[1, 2, 3, 4, 5, 7], 8, true)),
        (0, 5, ALL, (&[1, 2, 3, 4, 5], 5, false)),
        (5, 1, ALL, (&[7], 8, true)),
        (0, 1, ALL, (&[1], 1, false)),
        (0, 0, ALL, (&[1], 1, false)),
        (0, 99, 29, (&[1, 2], 2, false)),
        (0, 99, 30, (&[1, 2, 3], 3, false)),
        (0, 99, 60, (&[1, 2, 3, 4, 5, 7], 8, true)),
        (0, 99, 0, (&[1], 1, false)),
        (7, 99, ALL, (&[], 8, true)),
        (u64::MAX, 99, ALL, (&[], 8, true)),
    ];
    for (after, messages, bytes, expected) in cases {
        let page = rig.page("bob", &logs(after), messages, bytes);
        let got = (&*seqs(&page.items), page.through, page.complete);
        assert_eq!(got, expected, "{after} {messages} {bytes}");
    }
    // Each log has its own start; alice reads the messages that bob wrote.
    let page = rig.page("bob", &[("bob", 4), ("@ops", 2), ("@all", 3)], 99, ALL);
    assert_eq!(seqs(&page.items), [5, 7]);
    let page = rig.page("alice", &[("alice", 0), ("@ops", 0), ("@all", 0)], 99, ALL);
    assert_eq!(seqs(&page.items), [6, 8]);
    // Ordinals count all messages of the log, one's own included.
    let PageItem::Messages(last) = &rig.whole("alice", "@ops")[0] else { panic!() };
    assert_eq!((last.seq, last.ordinal), (6, 3));
}

#[test]
fn nothing_is_found_in_logs_that_are_not_there() {
    let dir = TempDir::new().unwrap();
    let mut rig = mixed(&dir);
    let page = rig.page("bob", &[("@void", 0), ("nobody", 0), ("@idle", 0)], 9, ALL);
    assert_eq!(page, Page { items: vec![], through: 8, complete: true });
    assert_eq!(rig.page("bob", &[], 9, ALL).through, 8);
}

#[test]
fn many_own_messages_do_not_end_a_page() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(enter("alice", "ops"));
    let mut sends: Vec<_> = (0..1000).map(|n| append(message("alice", "@ops", n, 1))).collect();
    sends.insert(400, append(message("bob", "@ops", 1, 1)));
    sends.push(append(message("bob", "@ops", 2, 1)));
    rig.commit(sends);
    let page = rig.page("alice", &[("@ops", 0)], 1, ALL);
    assert_eq!((seqs(&page.items), page.through, page.complete), (vec![401], 401, false));
    let page = rig.page("alice", &[("@ops", 401)], 1, ALL);
    assert_eq!((seqs(&page.items), page.through, page.complete), (vec![1002], 1002, true));
}

#[test]
fn a_long_log_is_walked_page_by_page() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let to = |n| if n % 3 == 0 { "bob" } else { "@all" };
    rig.commit((0..700).map(|n| append(message("alice", to(n), n, 1))).collect());
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = rig.page("bob", &[("bob", after), ("@all", after)], 100, ALL);
        seen.extend(seqs(&page.items));
        after = page.through;
        if page.complete {
            break;
        }
    }
    assert_eq!(seen, (1..=700).collect::<Vec<_>>());
}

#[test]
fn a_room_drops_its_oldest_and_says_so() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 3, log_bytes_max: 100, ..Quotas::default() };
    for room in ["@ops", "@all"] {
        let dir = TempDir::new_in(dir.path()).unwrap();
        let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
        rig.one(enter("bob", "ops"));
        let sends = (1..=5).map(|n| append(message("alice", room, n, 10))).collect();
        let expected: Vec<_> = (1..=5).map(|n| stored(n, n)).collect();
        assert_eq!(rig.commit(sends), expected);
        let removed = |seq| PageItem::Removed { log: target(room), seq, ordinal: seq };
        let items = rig.whole("bob", room);
        assert_eq!(items[0], removed(2));
        assert_eq!(seqs(&items), [2, 3, 4, 5]);
        // A reader that is past the removed messages hears nothing of them; a cut page reports them
        // too.
        assert_eq!(seqs(&rig.page("bob", &[(room, 2)], 9, ALL).items), [3, 4, 5]);
        let page = rig.page("bob", &[(room, 1)], 1, ALL);
        assert_eq!((seqs(&page.items), page.through), (vec![2, 3], 3));
        // The quota of bytes drops messages too; the newest stays whatever its size.
        rig.one(append(message("alice", room, 6, 85)));
        assert_eq!(seqs(&rig.whole("bob", room)), [4, 5, 6]);
        assert_eq!(rig.one(append(message("alice", room, 7, 500))), stored(7, 7));
        let items = rig.whole("bob", room);
        assert_eq!((items[0].clone(), seqs(&items)), (removed(6), vec![6, 7]));
        assert_eq!(
            rig.one(append(message("alice", "bob", 8, 1))),
            Verdict::Stored { seq: 8, ordinal: 1 }
        );
    }
}
