//! Bundles: messages that are handled together, and those that are separated.

use qmsg::durable::Quotas;
use qmsg::logic::{Limits, LinkId};
use qmsg::wire::{
    Bundle, CloseCode, Envelope, FromClient, FromServer, Message, Refusal, Seq, Span,
};

use super::server::{Said, Server};
use super::{
    CAUGHT_UP, accepted, accepted_all, attach, bundles, closed, duplicate, id, lost, passes,
    processed, refused, send, sends, seqs, server, settled, target,
};

/// A bundle of `count` messages with live readers, none of whom has acked any.
fn live(count: u64) -> (Server, LinkId, LinkId) {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.heard(bob);
    server.say(alice, sends(1..count + 1, "bob", 5));
    assert_eq!(server.heard(alice), [accepted_all(1..count + 1)]);
    (server, alice, bob)
}

fn through(server: &Server, log: &str) -> (Seq, Vec<Seq>) {
    let cursor = server.store.cursor("bob", log);
    (cursor.through, crate::memory::ranges::done(&cursor.above))
}

#[test]
fn a_bundle_is_written_answered_and_delivered_at_once() {
    let mut server = server();
    let alice = server.link("alice");
    let names = ["bob", "carol", "dave"];
    let readers = names.map(|name| server.reader(name));
    for reader in readers {
        server.enter(reader, "ops");
        server.heard(reader);
    }
    server.deliveries = 0;
    server.say(alice, sends(1..6, "@ops", 5));
    assert_eq!(server.batch.len(), 1);
    assert_eq!(server.heard(alice), [accepted_all(1..6)]);
    assert_eq!(server.deliveries, 1, "to all readers");
    for reader in readers {
        assert_eq!(bundles(&server.heard(reader)), [[1, 2, 3, 4, 5]]);
    }
}

#[test]
fn a_window_cuts_a_bundle() {
    for (window, bytes, first) in [(2, 1 << 20, vec![1, 2]), (99, 17, vec![1, 2, 3])] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.link("bob"));
        server.say(bob, attach(window, bytes));
        assert_eq!(server.heard(bob), [CAUGHT_UP]);
        server.say(alice, sends(1..6, "bob", 5));
        assert_eq!(seqs(&server.heard(bob)), first);
        // Little room is left unused until there is more.
        let next = first.len() as u64 + 1;
        server.say(bob, processed(first));
        let said = server.heard(bob);
        assert_eq!(seqs(&said), (next..6).take(next as usize - 1).collect::<Vec<_>>());
        let all: Vec<Seq> = seqs(&said);
        server.say(bob, processed(all));
        server.heard(bob);
        server.lose(bob);
        let bob = server.reader("bob");
        let rest = seqs(&server.heard(bob));
        server.say(bob, processed(rest));
        server.heard(bob);
        assert_eq!(through(&server, "bob"), (5, vec![]));
    }
}

#[test]
fn a_window_smaller_than_one_message_takes_them_one_by_one() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.say(bob, attach(9, 3));
    server.heard(bob);
    server.say(alice, sends(1..4, "bob", 5));
    for seq in 1..4 {
        assert_eq!(bundles(&server.heard(bob)), [[seq]]);
        server.say(bob, processed([seq]));
    }
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(through(&server, "bob"), (3, vec![]));
}

#[test]
fn any_part_of_a_bundle_is_processed_by_itself() {
    let (mut server, _, bob) = live(6);
    assert_eq!(bundles(&server.heard(bob)), [[1, 2, 3, 4, 5, 6]]);
    server.say(bob, processed([5, 2, 3]));
    assert_eq!(server.heard(bob), [settled(3)]);
    assert_eq!(through(&server, "bob"), (0, vec![2, 3, 5]));
    server.lose(bob);
    let bob = server.reader("bob");
    let said = server.heard(bob);
    assert_eq!(bundles(&said), [vec![1], vec![4], vec![6]]);
    server.say(bob, processed([1, 6]));
    assert_eq!(server.heard(bob), [settled(2)]);
    assert_eq!(through(&server, "bob"), (3, vec![5, 6]));
    server.say(bob, processed([4]));
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(through(&server, "bob"), (6, vec![]));
}

#[test]
fn a_span_reaches_over_bundles_and_logs() {
    let (mut server, alice, bob) = live(3);
    server.say(alice, sends(4..7, "@all", 5));
    server.say(alice, sends(7..10, "bob", 5));
    assert_eq!(bundles(&server.heard(bob)), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    server.say(bob, processed(2..9));
    assert_eq!(server.heard(bob), [settled(7)]);
    // One range of the log, whatever seqs of other logs lie in between.
    assert_eq!(through(&server, "bob"), (0, (2..9).collect()));
    assert_eq!(through(&server, "@all"), (6, vec![]));
    server.say(bob, processed([9, 1]));
    assert_eq!(server.heard(bob), [settled(2)]);
    assert_eq!(through(&server, "bob"), (9, vec![]));
}

#[test]
fn a_report_that_reaches_beyond_what_is_open_ends_the_link() {
    let of = |first, last| Span { first, last };
    let wrong: [&[Span]; 9] = [
        &[],
        &[of(0, 2)],
        &[of(3, 5)],
        &[of(1, 2), of(2, 3)],
        &[of(2, 3), of(1, 4)],
        &[of(1, 4), of(1, 4)],
        &[of(5, 5)],
        &[of(0, u64::MAX - 1)],
        &[of(u64::MAX - 1, u64::MAX - 1)],
    ];
    for spans in wrong {
        let (mut server, _, bob) = live(4);
        server.heard(bob);
        server.say(bob, FromClient::Ack(spans.to_vec()));
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "{spans:?}");
        assert_eq!(through(&server, "bob"), (0, vec![]), "{spans:?}");
    }
    // A bundle, or a part of it, is delivered once.
    let (mut server, _, bob) = live(4);
    server.say(bob, processed([2, 3]));
    server.heard(bob);
    server.say(bob, processed(1..5));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
}

#[test]
fn each_of_a_bundle_has_its_answer() {
    let quotas = Quotas { log_messages_max: 4, ..Quotas::default() };
    let mut server = Server::new(Limits::default(), quotas);
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.sent(alice, 2, "bob", 5);
    server.heard(bob);
    server.say(alice, sends(1..7, "bob", 5));
    let full = FromServer::Refused { id: id(5), count: 2, why: Refusal::MailboxFull };
    let answers = [accepted(1), duplicate(2), accepted_all(3..5), Said::Frame(full)];
    assert_eq!(server.heard(alice), answers);
    assert_eq!(bundles(&server.heard(bob)), [vec![2], vec![3, 4]]);
    server.say(alice, sends(1..3, "bob", 5));
    let again = FromServer::Accepted { id: id(1), count: 2, duplicate: true };
    assert_eq!(server.heard(alice), [Said::Frame(again)]);
    for (nobody, why) in [("nobody", Refusal::UnknownTarget), ("@ops", Refusal::UnknownTarget)] {
        server.say(alice, sends(1..4, nobody, 5));
        let refused = FromServer::Refused { id: id(1), count: 3, why };
        assert_eq!(server.heard(alice), [Said::Frame(refused)]);
    }
    server.store.disk_full = true;
    server.say(alice, send(8, "bob", 5));
    assert_eq!(server.heard(alice), [refused(8, Refusal::DiskFull)]);
}

#[test]
fn each_of_a_bundle_counts_among_the_unanswered() {
    let limits = Limits { sends_max: 4, send_bytes_max: 30, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    for (numbers, len, fits) in [(1..5, 5, true), (5..10, 5, false), (5..8, 11, false)] {
        let alice = server.link("alice");
        server.say(alice, sends(numbers.clone(), "alice", len));
        let answer = if fits { accepted_all(numbers) } else { closed(CloseCode::OverLimit) };
        assert_eq!(server.heard(alice), [answer]);
    }
    // Every answer makes room, however the bundle was split.
    let alice = server.link("alice");
    server.say(alice, sends(4..8, "alice", 5));
    assert_eq!(server.heard(alice), [duplicate(4), accepted_all(5..8)]);
    server.say(alice, sends(8..12, "alice", 5));
    assert_eq!(server.heard(alice), [accepted_all(8..12)]);
    server.say(alice, sends(12..15, "alice", 5));
    server.say(alice, sends(15..17, "alice", 5));
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
}

#[test]
fn what_a_lost_reader_had_of_a_bundle_goes_to_the_other() {
    let (mut server, alice, bob) = live(6);
    server.heard(bob);
    server.say(bob, processed([3]));
    server.heard(bob);
    // The second reader comes later and gets none of the messages that the first has.
    let other = server.link("bob");
    server.say(other, attach(2, 1 << 20));
    assert_eq!(seqs(&server.heard(other)), [1, 2]);
    server.say(bob, processed([1]));
    server.heard(bob);
    server.lose(bob);
    server.say(other, processed([1, 2]));
    assert_eq!(seqs(&server.heard(other)), [4, 5]);
    assert_eq!(through(&server, "bob"), (3, vec![]));
    server.say(other, processed([4, 5]));
    assert_eq!(seqs(&server.heard(other)), [6]);
    server.say(alice, send(7, "bob", 5));
    assert_eq!(seqs(&server.heard(other)), [7]);
}

#[test]
fn what_another_reader_dealt_with_before_it_was_told_of_is_not_offered() {
    for some in [vec![1, 2, 3], vec![2]] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.reader("bob"));
        server.heard(bob);
        let other = server.link("bob");
        server.say(other, attach(9, 1 << 20));
        server.say(alice, sends(1..4, "bob", 5));
        // The second reader finds them in its page before the hub hears that they are stored.
        server.commit();
        server.look();
        server.answer_read();
        assert_eq!(bundles(&server.heard_so_far(other)), [[1, 2, 3]]);
        server.say(other, processed(some.iter().copied()));
        let left: Vec<Seq> = (1..4).filter(|seq| !some.contains(seq)).collect();
        assert_eq!(seqs(&server.heard(bob)), left);
        assert!(server.heard(other).contains(&settled(some.len() as u32)));
        server.say(other, processed(left));
        server.heard(other);
        assert_eq!(through(&server, "bob"), (3, vec![]));
    }
}

#[test]
fn what_of_a_bundle_was_removed_is_told_as_lost() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.say(alice, sends(1..7, "bob", 5));
    server.work();
    server.say(bob, attach(2, 1 << 20));
    assert_eq!(seqs(&server.heard(bob)), [1, 2]);
    server.store.remove(&target("bob"), 4);
    server.say(bob, processed([2]));
    server.say(bob, processed([1]));
    let said = server.heard(bob);
    assert!(said.contains(&lost(4, "bob", 2)), "{said:?}");
    assert_eq!(through(&server, "bob").0, 2);
    server.say(bob, processed(seqs(&said).into_iter().chain([4])));
    let said = server.heard(bob);
    let rest = seqs(&said);
    server.say(bob, processed(rest));
    server.heard(bob);
    assert_eq!(through(&server, "bob"), (6, vec![]));
}

/// Numbers of the messages in each volatile frame.
fn passed_on(said: &[Said]) -> Vec<Vec<u64>> {
    let ids = |said: &Said| match said {
        Said::Frame(FromServer::Volatile(Bundle {
            first: Message { envelope: Envelope { id, .. }, .. },
            others,
        })) => {
            let first = u64::from(id.as_bytes()[15]);
            Some((first..=first + others.count() as u64).collect())
        }
        _ => None,
    };
    said.iter().filter_map(ids).collect()
}

fn passed(n: u64, count: u32, readers: u32) -> Said {
    Said::Frame(FromServer::VolatileSent { id: id(n), count, readers })
}

#[test]
fn a_volatile_bundle_takes_the_pace_of_a_users_reader() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.say(bob, attach(3, 1 << 20));
    server.heard(bob);
    server.say(alice, passes(1..8, "bob", 5));
    assert_eq!(server.heard(alice), [passed(1, 3, 1)]);
    assert_eq!(passed_on(&server.heard(bob)), [[1, 2, 3]]);
    server.say(bob, FromClient::AckVolatile { count: 2 });
    assert_eq!(server.heard(alice), [passed(4, 2, 1)]);
    assert_eq!(passed_on(&server.heard(bob)), [[4, 5]]);
    // Later messages wait behind it.
    server.say(alice, passes(8..10, "bob", 5));
    assert_eq!(server.heard(alice), []);
    server.say(bob, FromClient::AckVolatile { count: 3 });
    assert_eq!(server.heard(alice), [passed(6, 2, 1), passed(8, 1, 1)]);
    assert_eq!(passed_on(&server.heard(bob)), [vec![6, 7], vec![8]]);
    server.lose(bob);
    assert_eq!(server.heard(alice), [passed(9, 1, 0)]);
}

#[test]
fn a_volatile_bundle_goes_to_a_room_as_a_whole() {
    let mut server = server();
    let alice = server.link("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| {
        let link = server.link(name);
        server.enter(link, "ops");
        server.say(link, attach(2, 1 << 20));
        server.heard(link);
        link
    });
    server.say(alice, passes(1..6, "@ops", 5));
    assert_eq!(server.heard(alice), [passed(1, 5, 2)]);
    server.say(bob, FromClient::AckVolatile { count: 5 });
    server.say(alice, passes(6..8, "@ops", 5));
    assert_eq!(server.heard(alice), [passed(6, 2, 1)], "carol has no room");
    assert_eq!(passed_on(&server.heard(bob)), [vec![1, 2, 3, 4, 5], vec![6, 7]]);
    assert_eq!(passed_on(&server.heard(carol)), [[1, 2, 3, 4, 5]]);
    server.say(carol, FromClient::AckVolatile { count: 6 });
    assert_eq!(server.heard(carol), [closed(CloseCode::OutOfTurn)]);
    server.say(alice, passes(8..10, "@dev", 5));
    let refused = FromServer::Refused { id: id(8), count: 2, why: Refusal::UnknownTarget };
    assert_eq!(server.heard(alice), [Said::Frame(refused)]);
}
