//! Messages that are appended together, and messages that are read together.

use qmsg::durable::{PageItem, Quotas, Record};
use qmsg::wire::{BUNDLE_MAX, Bundle, CHUNK_LEN_MAX, Headers, Message};
use tempfile::TempDir;

use super::Verdict;
use super::{
    NOW_MS, Rig, append, append_all, bundle, enter, message, message_at, seqs, stored, target,
};

const ALL: u64 = u64::MAX;

fn messages(numbers: std::ops::Range<u32>, length: usize) -> impl Iterator<Item = Message> {
    numbers.map(move |n| message("alice", "bob", n, length))
}

/// Returns the bundles of a page.
fn bundles(items: &[PageItem]) -> Vec<(u64, u64, Bundle)> {
    let of = |item: &PageItem| match item {
        PageItem::Messages(Record { seq, ordinal, bundle, .. }) => {
            (*seq, *ordinal, (**bundle).clone())
        }
        other => panic!("{other:?}"),
    };
    items.iter().map(of).collect()
}

fn counts(items: &[PageItem]) -> Vec<u64> {
    bundles(items).iter().map(|(_, _, bundle)| bundle.count()).collect()
}

#[test]
fn a_bundle_is_appended_and_found_as_one() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(append(message("bob", "@all", 90, 3)));
    let mut three = bundle(messages(1..4, 0));
    three.first.headers = Headers::new(vec![("a".into(), "b".into())]).unwrap();
    assert_eq!(rig.one(append_all(three.clone())), stored(2, 1));
    let five = bundle(messages(4..9, 7));
    assert_eq!(rig.commit(vec![append_all(five.clone())]), [stored(5, 4)]);
    for _ in 0..2 {
        let found = bundles(&rig.whole("bob", "bob"));
        assert_eq!(found, [(2, 1, three.clone()), (5, 4, five.clone())]);
        rig.store.close();
        rig = Rig::open(dir.path(), Quotas::default());
    }
    assert_eq!(rig.one(append_all(five)), Verdict::Duplicate);
}

#[test]
fn of_a_bundle_what_was_there_is_not_stored_again() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(append_all(bundle(messages(3..5, 1))));
    let outcome = rig.one(append_all(bundle(messages(1..9, 1))));
    let parts = vec![(2, stored(3, 3)), (2, Verdict::Duplicate), (4, stored(5, 5))];
    assert_eq!(outcome, Verdict::Mixed(parts));
    // The same within one batch.
    let outcomes = rig.commit(vec![
        append_all(bundle(messages(8..11, 1))),
        append_all(bundle(messages(10..12, 1))),
    ]);
    let first = Verdict::Mixed(vec![(1, Verdict::Duplicate), (2, stored(9, 9))]);
    let second = Verdict::Mixed(vec![(1, Verdict::Duplicate), (1, stored(11, 11))]);
    assert_eq!(outcomes, [first, second]);
    assert_eq!(seqs(&rig.whole("bob", "bob")), (1..12).collect::<Vec<_>>());
}

#[test]
fn a_mailbox_that_becomes_full_takes_the_first_of_a_bundle() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 4, log_bytes_max: 100, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob", "carol"]);
    let outcome = rig.one(append_all(bundle(messages(1..8, 1))));
    assert_eq!(outcome, Verdict::Mixed(vec![(4, stored(1, 1)), (3, Verdict::Full)]));
    // A duplicate is recognised even when the log is full.
    let outcome = rig.one(append_all(bundle(messages(3..8, 1))));
    assert_eq!(outcome, Verdict::Mixed(vec![(2, Verdict::Duplicate), (3, Verdict::Full)]));
    let by_bytes = (1..5).map(|n| message("alice", "carol", 20 + n, 40));
    let outcome = rig.one(append_all(bundle(by_bytes)));
    assert_eq!(outcome, Verdict::Mixed(vec![(2, stored(5, 1)), (2, Verdict::Full)]));
    assert_eq!(rig.one(append_all(bundle(messages(5..8, 1)))), Verdict::Full);
    let nobody = (1..3).map(|n| message("alice", "nobody", 30 + n, 1));
    assert_eq!(rig.one(append_all(bundle(nobody))), Verdict::UnknownTarget);
}

#[test]
fn a_room_drops_the_first_of_a_bundle() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 4, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    let sent = (1..8).map(|n| message("alice", "@ops", n, 1));
    assert_eq!(rig.one(append_all(bundle(sent))), stored(1, 1));
    let items = rig.whole("bob", "@ops");
    assert_eq!(items[0], PageItem::Removed { log: target("@ops"), seq: 3, ordinal: 3 });
    assert_eq!(bundles(&items[1..])[0].0, 4);
    assert_eq!(counts(&items[1..]), [4]);
}

#[test]
fn what_was_stored_one_by_one_is_found_together() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    // Spread over several batches and segments.
    for from in (0..600).step_by(150) {
        rig.commit(messages(from..from + 150, 10).map(append).collect());
    }
    let all = bundle(messages(0..600, 10));
    assert_eq!(bundles(&rig.whole("bob", "bob")), [(1, 1, all.clone())]);
    for (after, max, bytes, count) in
        [(0, 7, ALL, 7), (5, 7, ALL, 7), (255, 99, 999, 99), (3, 99, 205, 20), (3, 99, 5, 1)]
    {
        let page = rig.page("bob", &[("bob", after)], max, bytes);
        assert_eq!(bundles(&page.items), [(after + 1, after + 1, all.slice(after, count))]);
        assert_eq!((page.through, page.complete), (after + count, false));
    }
    let page = rig.page("bob", &[("bob", 590)], 10, 100);
    assert_eq!((counts(&page.items), page.through, page.complete), (vec![10], 600, true));
}

#[test]
fn found_together_is_what_could_have_been_sent_together() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    let most = BUNDLE_MAX as u32;
    let half = CHUNK_LEN_MAX / 2;
    rig.commit(messages(0..most + 5, 0).map(append).collect());
    assert_eq!(counts(&rig.whole("bob", "bob")), [u64::from(most), 5], "in number");
    let from = |n| [("carol", n)];
    let sent = [half, half, half, half + 1, half, 1].into_iter().zip(0..);
    rig.commit(sent.map(|(len, n)| append(message("alice", "carol", n + 2_000, len))).collect());
    let page = rig.page("carol", &from(0), 99, ALL);
    assert_eq!(counts(&page.items), [2, 1, 1, 2], "in bytes");
    let start = page.through;
    let mut other = message("alice", "carol", 3_003, 1);
    other.headers = Headers::new(vec![("a".into(), "b".into())]).unwrap();
    let later = Message { time_ms: NOW_MS + 1, ..message_at(NOW_MS, "alice", "carol", 3_004, 1) };
    rig.commit(vec![
        append(message("alice", "carol", 3_001, 1)),
        append(message("bob", "carol", 3_002, 1)),
        append(other),
        append(later),
        append(message("alice", "carol", 3_005, 1)),
        append(message("alice", "carol", 3_006, 1)),
        append(message("alice", "carol", 3_008, 1)),
        append(message("alice", "bob", 3_010, 1)),
        append(message("alice", "carol", 3_009, 1)),
    ]);
    let page = rig.page("carol", &from(start), 99, ALL);
    assert_eq!(counts(&page.items), [1, 1, 1, 1, 2, 1, 1]);
}
