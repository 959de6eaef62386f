//! Budget of deliveries: bounds the load of all readers together; each keeps a little, whatever the
//! others have.

use qmsg::durable::{Quotas, Read};
use qmsg::logic::Limits;
use qmsg::wire::{CHUNK_LEN_MAX, CloseCode, FromClient};

use super::server::Server;
use super::{attach, closed, hello, id, key, processed, seqs};

/// A message of 36 bytes, which counts as 100.
const LEN: usize = 36;
const LIMITS: (u64, u64) = (1_000, 256);

/// Two users with `count` waiting messages each.
fn waiting(
    count: u64,
    len: usize,
    (budget_bytes_max, budget_link_bytes_min): (u64, u64),
) -> Server {
    let limits = Limits { budget_bytes_max, budget_link_bytes_min, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let alice = server.link("alice");
    for (place, name) in ["bob", "carol"].into_iter().enumerate() {
        server.link(name);
        for n in 0..count {
            server.sent(alice, place as u64 * count + n, name, len);
        }
    }
    server.take_said();
    server
}

#[test]
fn who_comes_when_all_is_given_out_gets_a_little_at_a_time() {
    let mut server = waiting(20, LEN, LIMITS);
    let (bob, carol) = (server.reader("bob"), server.reader("carol"));
    assert_eq!(seqs(&server.heard(bob)), (1..=10).collect::<Vec<u64>>());
    for turn in 0..3 {
        let next = [21 + 4 * turn, 22 + 4 * turn, 23 + 4 * turn, 24 + 4 * turn];
        assert_eq!(seqs(&server.heard(carol)), next, "256 bytes hold four, reckoned so");
        server.say(carol, processed(next));
    }
    // Bob's acks free budget for both.
    assert_eq!(seqs(&server.heard(carol)).len(), 4);
    server.say(bob, processed(1..=10));
    assert_eq!(seqs(&server.heard(bob)).len(), 6);
    server.say(carol, processed(33..=36));
    assert_eq!(seqs(&server.heard(carol)), [37, 38, 39, 40]);
}

#[test]
fn who_goes_leaves_room_to_others() {
    let mut server = waiting(20, LEN, LIMITS);
    let (bob, carol) = (server.reader("bob"), server.reader("carol"));
    assert_eq!(seqs(&server.heard(carol)).len(), 4);
    server.lose(bob);
    server.say(carol, processed(21..=24));
    assert_eq!(seqs(&server.heard(carol)).len(), 10);
}

#[test]
fn pages_that_are_being_read_count() {
    let mut server = waiting(20, LEN, LIMITS);
    let (bob, carol) = (server.link("bob"), server.link("carol"));
    server.work();
    for reader in [bob, carol] {
        server.say(reader, attach(u32::MAX, u64::MAX));
    }
    while !server.reads.iter().all(|(_, read)| matches!(read, Read::Page { .. })) {
        server.look();
        server.answer_read();
    }
    let pages = server.reads.iter().map(|(_, read)| match read {
        Read::Page { bytes, .. } => *bytes,
        _ => 0,
    });
    assert_eq!(pages.collect::<Vec<_>>(), [LIMITS.0, LIMITS.1]);
    server.lose(bob);
    assert_eq!(seqs(&server.heard(carol)).len(), 10, "a page for nobody leaves room to others");
}

#[test]
fn new_messages_wait_in_the_store_for_who_has_enough() {
    let mut server = waiting(0, 0, LIMITS);
    let (alice, bob, carol) = (server.link("alice"), server.reader("bob"), server.reader("carol"));
    (1..=12).for_each(|n| _ = server.sent(alice, n, "bob", LEN));
    (13..=20).for_each(|n| _ = server.sent(alice, n, "carol", LEN));
    assert_eq!(seqs(&server.heard(bob)).len(), 10);
    assert_eq!(seqs(&server.heard(carol)).len(), 4);
    server.say(carol, processed(13..=16));
    assert_eq!(seqs(&server.heard(carol)), [17, 18, 19, 20]);
}

#[test]
fn parts_of_long_bodies_count() {
    let part = CHUNK_LEN_MAX as u64;
    let mut server = waiting(0, 0, (5 * part, 256));
    let alice = server.link("alice");
    server.store_long(alice, 1, "bob", 10);
    server.store_long(alice, 2, "carol", 12);
    let (bob, carol) = (server.link("bob"), server.link("carol"));
    // The first chunk comes with the message and counts with it: the window holds no more.
    server.say(bob, attach(9, 0));
    server.say(carol, attach(9, 0));
    assert_eq!(server.brief(bob), "deliver:1 part*3");
    assert_eq!(server.brief(carol), "deliver:2 part*1");
    for _ in 0..5 {
        server.say(carol, FromClient::ChunkCredit { parts: 1 });
        assert_eq!(server.brief(carol), "part*1", "one is always on its way");
    }
    server.lose(bob);
    server.say(carol, FromClient::ChunkCredit { parts: 1 });
    assert_eq!(server.brief(carol), "part*3");
}

#[test]
fn what_waits_for_an_id_to_be_looked_up_is_bounded() {
    let mut server = waiting(0, 0, LIMITS);
    let link = server.open(key("bob"));
    server.say(link, hello("bob"));
    // Each of these frames is allowed, and is not counted anywhere else.
    for n in 0..20_000 {
        server.say(link, FromClient::Untrack { id: id(n) });
    }
    assert_eq!(server.heard_so_far(link), [closed(CloseCode::OutOfTurn)]);
}
